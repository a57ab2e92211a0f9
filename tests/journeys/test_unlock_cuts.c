/*
 * test_unlock_cuts.c - returned-phone-unlock, cut at every request in every way: after at most a few more words of the two persons
 * the phone is open, and nothing else was done to it.
 *
 * Beside test_disconnects.c, because each phone needs a kept token, two persons and the key: in real time, three of them by default.
 * STG_CUTS_EACH says how many (0: all); STG_SEED chooses the kinds.
 */
#include "typed.h"
#include "cuts.h"
#include "quick.h"

#define PASSPHRASE "a long passphrase of the safe"
#define PATIENCE_S 25
#define ASKED_MOST 4                 /* so often two persons say it again until the phone is open */

static const char ward[] =
	"name: ward\nabout: a token is kept\nsteps:\n  - identify:\n  - pair:\n  - activate:\n  - supervise:\n  - escrow_unlock_token:\n";

struct locked {
	struct journey j;
	char key[200];
};

/* Nobody asks the phone: it is in no batch. The inventory knows whose UDID that is. */
static bool is_known(struct journey *j, void *udid)
{
	STG_AUTO(stg_json_free_at) json_t *slot = look_slot(j, udid);
	return *stg_json_str(slot, "serial");
}

static bool is_away(struct journey *j, void *udid)
{
	STG_AUTO(stg_json_free_at) json_t *slot = look_slot(j, udid);
	return !slot;
}

static void wait_until(struct journey *j, bool (*is)(struct journey *j, void *udid), size_t i)
{
	char udid[80];
	stg_copy(udid, sizeof(udid), look_udid(j, i));
	assert_true(look_until(j, is, udid, LOOK_MS));
}

static void pull(struct journey *j, size_t i)
{
	journey_tell(j, "unplug", journey_serial(j, i), NULL, NULL);
	wait_until(j, is_away, i);
}

/* n phones staged with a kept token, which went out, got a passcode from their user and lie here locked, unplugged. */
static void locked_begin(struct locked *l, size_t n)
{
	struct journey *j = &l->j;
	char words[600];
	journey_begin(j, (int)n, "instant", (uint64_t)look_number("STG_SEED", 57), NULL);
	snprintf(l->key, sizeof(l->key), "%s/recovery.pem", j->dir);
	typed_blueprint(j, "ward", ward);
	snprintf(words, sizeof(words), "org recovery-make %s", l->key);
	assert_int_equal(typed(j, PASSPHRASE "\\n", words), 0);
	json_decref(journey_op(j, "user.add", json_pack("{s:s, s:s, s:s}", "name", "anna", "role", "admin", "pin", "246810"), NULL));
	json_decref(journey_op(j, "user.add", json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", "tester", "role", "admin", "pin", "135791", "second",
							"anna", "second_pin", "246810"), NULL));
	journey_batch(j, "ward", "pool");
	journey_tell(j, "plug", "all", NULL, NULL);
	assert_true(journey_wait_staged(j, (int)n, LOOK_MS));
	for (size_t i = 0; i < n; i++)
		pull(j, i);
	json_decref(journey_op(j, "batch.close", json_pack("{s:s}", "name", BATCH), NULL));
	for (size_t i = 0; i < n; i++) {
		journey_tell(j, "set", journey_serial(j, i), "at_home_screen", "true");
		journey_tell(j, "set", journey_serial(j, i), "locked", "true");
	}
}

static int unlock(struct locked *l, size_t i)
{
	char words[600];
	wait_until(&l->j, is_known, i);
	snprintf(words, sizeof(words), "unlock %s --key %s --second anna", journey_serial(&l->j, i), l->key);
	/* one who sees that a hand is needed says it again: a token is given once */
	return typed_for(&l->j, PATIENCE_S, "246810\\n" PASSPHRASE "\\n", words);
}

static bool is_open(struct locked *l, size_t i)
{
	STG_AUTO(stg_json_free_at) json_t *d = look_device(&l->j, journey_serial(&l->j, i));
	return !stg_json_bool(d, "locked", true) && !stg_json_bool(d, "has_passcode", true);
}

static void a_locked_phone_cut_anywhere_is_open_in_the_end_and_as_it_was(void **state)
{
	(void)state;
	struct locked l;
	locked_begin(&l, 1);
	size_t before = cut_requests(&l.j, journey_serial(&l.j, 0));
	journey_tell(&l.j, "plug", journey_serial(&l.j, 0), NULL, NULL);
	if (unlock(&l, 0) != 0)
		fail_msg("not opened (kept in %s): %d", l.j.dir, typed_says(&l.j, "nothing"));
	size_t requests = cut_requests(&l.j, journey_serial(&l.j, 0)) - before;
	journey_end(&l.j);

	size_t all = requests * CUTS, want = (size_t)look_number("STG_CUTS_EACH", getenv("STG_VALGRIND") ? 1 : 3), n = want == 0 || want > all ? all : want;
	size_t fired = 0, again = 0;
	locked_begin(&l, n + 1);
	const char *stranger = journey_serial(&l.j, n);
	for (size_t i = 0; i < n; i++) {
		const char *serial = journey_serial(&l.j, i);
		size_t request = n == all ? i / CUTS : i * requests / n;
		size_t kind = n == all ? i % CUTS : (i + (size_t)look_number("STG_SEED", 57)) % CUTS;
		cut_arm(&l.j, i, request, &cuts[kind], stranger);
		journey_tell(&l.j, "plug", serial, NULL, NULL);
		int status = unlock(&l, i);
		for (int k = 0; (status != 0 || !is_open(&l, i)) && k < ASKED_MOST; k++, again++) {
			pull(&l.j, i);
			journey_tell(&l.j, "plug", serial, NULL, NULL);
			status = unlock(&l, i);
		}
		STG_AUTO(stg_json_free_at) json_t *d = look_device(&l.j, serial);
		if (status != 0 || !is_open(&l, i)) {
			(void)typed_says(&l.j, "nothing");
			look_print("device", json_incref(d));
			fail_msg("%s, %s at request %zu: exit %d, not open (kept in %s)", serial, cuts[kind].what, request, status, l.j.dir);
		}
		if (!stg_json_bool(d, "supervised", false) || stg_json_int(d, "generation", -1) != 0 || look_sent(&l.j, serial, "EraseDevice") != 0 ||
		    look_sent(&l.j, serial, "ClearPasscode") > 2)
			fail_msg("%s, %s at request %zu: something else was done to it (kept in %s)", serial, cuts[kind].what, request, l.j.dir);
		fired += 1 - json_array_size(json_object_get(d, "faults"));
		pull(&l.j, i);
		pull(&l.j, n);
	}
	assert_int_equal(look_sent(&l.j, stranger, "ClearPasscode"), 0);
	STG_AUTO(stg_json_free_at) json_t *log = journey_op(&l.j, "audit.verify", json_object(), NULL);
	assert_true(stg_json_bool(log, "ok", false));
	journey_end(&l.j);
	print_message("returned-phone-unlock: %zu requests, %zu cuts of %zu met somebody, asked again %zu times\n", requests, fired, n, again);
	assert_true(fired * 100 >= n * 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_locked_phone_cut_anywhere_is_open_in_the_end_and_as_it_was),
	};
	quick_keys();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
