/*
 * test_unlock.c - the unlock token of staging: sealed to a key that is not here, opened by two persons, and the phone that comes
 * back locked is open again. And what must not open it.
 */
#include "typed.h"

#define PASSPHRASE "a long passphrase of the safe"

static const char blueprint[] =
	"name: ward\nabout: a token is kept\nsteps:\n  - identify:\n  - pair:\n  - activate:\n  - supervise:\n"
	"  - wallpaper: {where: lock}\n  - escrow_unlock_token:\n  - set_name: {name: \"{{name}}\"}\n  - set_language: {language: fr, region: CA}\n  - wifi: {power: off}\n";

static void a_phone_that_comes_back_locked_is_opened_by_two_persons_and_the_key(void **state)
{
	(void)state;
	struct journey j;
	char words[600], pins[200], key[200], other[200];
	journey_begin(&j, 1, "instant", 51, NULL);
	const char *serial = journey_serial(&j, 0);
	snprintf(key, sizeof(key), "%s/recovery.pem", j.dir);
	snprintf(other, sizeof(other), "%s/other.pem", j.dir);
	typed_blueprint(&j, "ward", blueprint);

	/* another key first, then the right one: replacing it takes a second person */
	snprintf(words, sizeof(words), "org recovery-make %s", other);
	assert_int_equal(typed(&j, PASSPHRASE "\\n", words), 0);
	json_decref(journey_op(&j, "user.add", json_pack("{s:s, s:s, s:s}", "name", "anna", "role", "admin", "pin", "246810"), NULL));
	json_decref(journey_op(&j, "user.add", json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", "tester", "role", "admin", "pin", "135791", "second",
							 "anna", "second_pin", "246810"), NULL));
	snprintf(words, sizeof(words), "org recovery-make %s", key);
	assert_int_equal(typed(&j, PASSPHRASE "\\n", words), 5);
	snprintf(words, sizeof(words), "org recovery-make %s --second anna", key);
	assert_int_equal(typed(&j, "246810\\n" PASSPHRASE "\\n", words), 0);

	journey_batch(&j, "ward", "pool");
	journey_tell(&j, "plug", "all", NULL, NULL);
	assert_true(journey_wait_staged(&j, 1, LOOK_MS));
	STG_AUTO(stg_json_free_at) json_t *staged = look_device(&j, serial);
	assert_true(stg_json_bool(staged, "wifi_off", false));
	/* a picture was drawn for it, and stands where the blueprint says */
	assert_int_equal(strlen(stg_json_str(staged, "wallpaper_lock")), 64);
	assert_string_equal(stg_json_str(staged, "wallpaper_home"), "");
	assert_int_equal(look_sent(&j, serial, "RequestUnlockToken"), 1);
	assert_int_equal(typed(&j, "", "unlock list"), 0);
	assert_true(typed_says(&j, serial));

	/* the staged one goes out, its user sets a passcode; it comes back locked */
	journey_tell(&j, "unplug", serial, NULL, NULL);
	journey_tell(&j, "set", serial, "at_home_screen", "true");
	journey_tell(&j, "set", serial, "locked", "true");
	journey_tell(&j, "plug", serial, NULL, NULL);
	journey_let_pass(&j, 2, 10000);

	/* asked what to do with it, the station knows that it can be opened, and bothers no MDM */
	snprintf(words, sizeof(words), "queue add %s --reason locked", serial);
	assert_int_equal(typed(&j, "", words), 0);
	assert_true(typed_says(&j, "its unlock token is kept"));
	STG_AUTO(stg_json_free_at) json_t *queues = journey_op(&j, "queue.list", json_pack("{s:s}", "queue", "mdm"), NULL);
	assert_int_equal(json_array_size(json_object_get(queues, "queues")), 0);

	/* one person is not enough; a wrong PIN, a wrong key and a wrong passphrase are not either */
	snprintf(words, sizeof(words), "unlock %s --key %s --second tester", serial, key);
	assert_int_equal(typed(&j, "135791\\n" PASSPHRASE "\\n", words), 5);
	snprintf(words, sizeof(words), "unlock %s --key %s --second anna", serial, key);
	assert_int_equal(typed(&j, "999999\\n" PASSPHRASE "\\n", words), 5);
	snprintf(words, sizeof(words), "unlock %s --key %s --second anna", serial, other);
	assert_int_equal(typed(&j, "246810\\n" PASSPHRASE "\\n", words), 3);
	snprintf(words, sizeof(words), "unlock %s --key %s --second anna", serial, key);
	assert_int_equal(typed(&j, "246810\\nanother passphrase\\n", words), 3);
	assert_true(typed_says(&j, "STG-1516"));
	assert_int_equal(look_sent(&j, serial, "ClearPasscode"), 0);

	int status = typed(&j, "246810\\n" PASSPHRASE "\\n", words);
	STG_AUTO(stg_json_free_at) json_t *back = look_device(&j, serial);
	if (status != 0 || stg_json_bool(back, "locked", true) || stg_json_bool(back, "has_passcode", true)) {
		(void)typed_says(&j, "nothing");
		fail_msg("exit %d, locked %d", status, stg_json_bool(back, "locked", true));
	}
	assert_int_equal(look_sent(&j, serial, "ClearPasscode"), 1);
	assert_int_equal(look_sent(&j, serial, "EraseDevice"), 0);

	/* who did it is on record, and what was given is spent */
	STG_AUTO(stg_json_free_at) json_t *audit = journey_op(&j, "audit.list", json_object(), NULL);
	STG_AUTO(stg_free_at) char *rows = stg_json_text(audit);
	assert_non_null(strstr(rows, "unlock.open"));
	assert_non_null(strstr(rows, "unlock.use"));
	assert_non_null(strstr(rows, "anna"));
	snprintf(pins, sizeof(pins), "246810\\n%s\\n", PASSPHRASE);
	snprintf(words, sizeof(words), "unlock NOSUCHSERIAL --key %s --second anna", key);
	assert_int_not_equal(typed(&j, pins, words), 0);
	assert_true(typed_says(&j, "STG-1518"));
	journey_end(&j);
}

static void without_a_recovery_key_nothing_is_asked_of_the_device(void **state)
{
	(void)state;
	struct journey j;
	journey_begin(&j, 1, "instant", 52, NULL);
	typed_blueprint(&j, "ward", blueprint);
	journey_batch(&j, "ward", "pool");
	journey_tell(&j, "plug", "all", NULL, NULL);
	int64_t until = stg_boot_ms() + LOOK_MS;
	for (;;) {
		STG_AUTO(stg_json_free_at) json_t *row = look_row(&j, journey_serial(&j, 0));
		if (strcmp(stg_json_str(row, "end"), "hold") == 0)
			break;
		assert_true(stg_boot_ms() < until && strcmp(stg_json_str(row, "end"), "staged") != 0);
		journey_let_pass(&j, 1, 1000);
	}
	assert_int_equal(look_sent(&j, journey_serial(&j, 0), "RequestUnlockToken"), 0);

	/* the private half is not let onto the station, not even by mistake */
	char key[200], words[1200];
	snprintf(key, sizeof(key), "%s/k.pem", j.dir);
	snprintf(words, sizeof(words), "openssl req -x509 -newkey rsa:2048 -nodes -keyout %s -out %s.crt -days 9 -subj /CN=k 2>/dev/null && cat %s.crt >>%s",
		 key, key, key, key);
	if (system(words) != 0)
		skip();
	snprintf(words, sizeof(words), "org recovery-key %s", key);
	assert_int_equal(typed(&j, "", words), 5);
	snprintf(words, sizeof(words), "org recovery-key %s.crt", key);
	assert_int_equal(typed(&j, "", words), 0);
	journey_end(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_phone_that_comes_back_locked_is_opened_by_two_persons_and_the_key),
		cmocka_unit_test(without_a_recovery_key_nothing_is_asked_of_the_device),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
