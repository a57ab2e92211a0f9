/*
 * test_leaver.c - a leaver's phone: stopped by what speaks against it, erased when nothing does, and on into staging.
 */
#include "look.h"

#include <stager/ids.h>

enum { PLAIN, SIGNED_IN, WANTED, LATE, ALL };

static struct journey bench;

static int begin(void **state)
{
	static const char *const backup[ALL] = { "", "none", "oui", "none" };
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf csv = STG_BUF(1 << 20);
	*state = &bench;
	journey_begin(&bench, ALL, "instant", 31, NULL);
	bool ok = stg_buf_add_str(&csv, "Serial Number,Asset Tag,Name,Ownership,Backup\n", &err);
	for (size_t i = 0; ok && i < ALL; i++)
		ok = stg_buf_printf(&csv, &err, "%s,A-%04zu,Ward-%02zu,pool,%s\n", journey_serial(&bench, i), 1000 + i, i, backup[i]);
	journey_must(ok, &err, "order");
	for (size_t i = 0; i < ALL; i++) {
		journey_tell(&bench, "set", journey_serial(&bench, i), "at_home_screen", "true");
		journey_tell(&bench, "set", journey_serial(&bench, i), "auto_trust", "true");
	}
	journey_tell(&bench, "set", journey_serial(&bench, PLAIN), "iccid", "8933012345678901234");
	journey_tell(&bench, "set", journey_serial(&bench, PLAIN), "esim", "true");
	journey_tell(&bench, "set", journey_serial(&bench, SIGNED_IN), "find_my", "true");
	look_order(&bench, "leaver-phone-redeploy", stg_buf_view(&csv));
	json_decref(journey_op(&bench, "wipe.order", json_pack("{s:s, s:i}", "batch", BATCH, "count", ALL), NULL));
	return 0;
}

static int end(void **state)
{
	journey_end(*state);
	return 0;
}

static void stops(struct journey *j, size_t i, enum stg_id why)
{
	const char *serial = journey_serial(j, i);
	journey_tell(j, "plug", serial, NULL, NULL);
	look_wait_row(j, serial, "end", "hold");
	STG_AUTO(stg_json_free_at) json_t *row = look_row(j, serial);
	assert_int_equal(stg_json_int(row, "code", 0), why);
	assert_int_equal(look_sent(j, serial, "EraseDevice"), 0);
}

static const char *verdict(const json_t *shown, const char *check)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(shown, "checks"), i, one)
		if (strcmp(stg_json_str(one, "check"), check) == 0)
			return stg_json_str(one, "verdict");
	return "";
}

/* Each erase was ordered; the checks stop it all the same. */
static void what_speaks_against_it_stops_it_with_its_reason(void **state)
{
	struct journey *j = *state;
	stops(j, SIGNED_IN, STG_ID_FIND_MY_ON);
	stops(j, WANTED, STG_ID_BACKUP_WANTED);
	stops(j, PLAIN, STG_ID_BACKUP_UNDECIDED);
	STG_AUTO(stg_json_free_at) json_t *shown = journey_op(j, "leaver.show", json_pack("{s:s}", "serial", journey_serial(j, SIGNED_IN)), NULL);
	assert_string_equal(verdict(shown, "find_my"), "bad");
	assert_string_equal(verdict(shown, "pool"), "good");
	assert_string_equal(verdict(shown, "backup"), "good");
	look_refused(j, "leaver.backup", json_pack("{s:[s], s:s, s:s}", "serials", journey_serial(j, PLAIN), "answer", "perhaps", "by", "Durand"), STG_E_USAGE);
	look_refused(j, "leaver.backup", json_pack("{s:[s], s:s}", "serials", journey_serial(j, PLAIN), "answer", "none"), STG_E_USAGE);
}

static void decided_it_is_erased_once_proven_and_set_up_for_the_next_user(void **state)
{
	struct journey *j = *state;
	const char *serial = journey_serial(j, PLAIN);
	json_decref(journey_op(j, "leaver.backup", json_pack("{s:[s], s:s, s:s}", "serials", serial, "answer", "none", "by", "M. Durand"), NULL));
	look_wait_row(j, serial, "end", "staged");
	assert_int_equal(look_sent(j, serial, "EraseDevice"), 1);
	STG_AUTO(stg_json_free_at) json_t *device = look_device(j, serial);
	assert_int_equal(stg_json_int(device, "generation", 0), 1);
	assert_true(stg_json_bool(device, "supervised", false));
	assert_string_equal(stg_json_str(device, "iccid"), "");
	STG_AUTO(stg_json_free_at) json_t *shown = journey_op(j, "leaver.show", json_pack("{s:s}", "serial", serial), NULL);
	assert_string_equal(stg_json_str(json_object_get(shown, "backup"), "by"), "M. Durand");
	assert_string_equal(verdict(shown, "backup"), "good");
	assert_string_equal(verdict(shown, "managed"), "good");

	/* the record of the erasure, on paper in both languages; the two that were never erased have none */
	STG_AUTO(stg_json_free_at) json_t *list = journey_op(j, "report.erasure", json_pack("{s:s}", "batch", BATCH), NULL);
	assert_int_equal(json_array_size(list), 1);
	const json_t *e = json_array_get(list, 0), *v = json_object_get(e, "verification");
	assert_string_equal(stg_json_str(json_object_get(e, "media"), "serial"), serial);
	assert_string_equal(stg_json_str(json_object_get(e, "persons"), "ordered_by"), "tester");
	assert_int_equal(strlen(stg_json_str(v, "key_before_sha256")), 64);
	assert_int_equal(strlen(stg_json_str(v, "key_after_sha256")), 64);
	assert_string_not_equal(stg_json_str(v, "key_before_sha256"), stg_json_str(v, "key_after_sha256"));
	look_refused(j, "report.erasure", json_pack("{s:s}", "serial", journey_serial(j, WANTED)), STG_E_NOT_FOUND);
	char words[9000];
	snprintf(words, sizeof(words), "%s --lang fr report erasure --serial %s --state %s >%s/paper && grep -q 'Support' %s/paper && grep -q 'M. Durand' %s/paper"
		 " && %s --lang en report erasure --serial %s --state %s | grep -q 'Verification'", j->program, serial, j->state, j->dir, j->dir, j->dir, j->program,
		 serial, j->state);
	assert_int_equal(system(words), 0);
}

/* It says yes, is plugged in again before it has begun, and empties itself after all: nobody need look, nothing is sent twice. */
static void erased_after_all_it_is_read_again_and_goes_on_by_itself(void **state)
{
	struct journey *j = *state;
	const char *serial = journey_serial(j, LATE);
	journey_tell(j, "fault", serial, "ignore", "request=EraseDevice");
	journey_tell(j, "plug", serial, NULL, NULL);
	look_wait_row(j, serial, "state", "interrupted");
	journey_tell(j, "replug", serial, NULL, NULL);
	look_wait_row(j, serial, "end", "hold");
	STG_AUTO(stg_json_free_at) json_t *row = look_row(j, serial);
	assert_int_equal(stg_json_int(row, "code", 0), STG_ID_ERASE_NOT_PROVEN);
	/* plugged in again as it was it stays where it is */
	journey_tell(j, "replug", serial, NULL, NULL);
	look_wait_slot(j, look_udid(j, LATE), "state", "hold");
	journey_tell(j, "erase", serial, NULL, NULL);
	look_wait_row(j, serial, "end", "staged");
	assert_int_equal(look_sent(j, serial, "EraseDevice"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_speaks_against_it_stops_it_with_its_reason),
		cmocka_unit_test(decided_it_is_erased_once_proven_and_set_up_for_the_next_user),
		cmocka_unit_test(erased_after_all_it_is_read_again_and_goes_on_by_itself),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
