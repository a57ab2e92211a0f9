/*
 * test_intake.c - the checks before a leaver's phone is erased: what stops it, what is only written down, what nobody knows.
 */
#include "toy_station.h"

#define KNOWN "\"known\":true,\"ownership\":\"pool\""
#define DECIDED ",\"backup\":{\"answer\":\"none\",\"by\":\"Durand\"}"

struct seen {
	char pool[12], inventory[12], find_my[12], lock[12], managed[12], backup[12];
};

static void note(const json_t *checks, const char *name, char ret[12])
{
	size_t i;
	json_t *one;
	ret[0] = 0;
	json_array_foreach((json_t *)checks, i, one)
		if (strcmp(stg_json_str(one, "check"), name) == 0) {
			stg_copy(ret, 12, stg_json_str(one, "verdict"));
			/* whatever is not good has a sentence and one thing to do */
			if (strcmp(ret, "good") != 0 && (!stg_json_int(one, "code", 0) || !*stg_id_act((unsigned int)stg_json_int(one, "code", 0))))
				fail_msg("%s says %s without a reason", name, ret);
		}
}

/* Runs the checks with this origin; the end must be `end` for this reason, and a device that is stopped is not written to. */
static struct seen check(const char *params, const char *origin, const char *end, enum stg_id why)
{
	struct toy_station s;
	struct seen seen;
	char yaml[400];
	snprintf(yaml, sizeof(yaml), "name: toy\nsteps:\n  - identify:\n  - pair:\n  - intake_check: %s\n  - set_name: {name: X}\n", params);
	toy->names = 0;
	toy_station_make(&s, yaml);
	s.origin = origin;
	const json_t *last = toy_run(&s);
	toy_ends(last, end);
	assert_int_equal(stg_json_int(json_object_get(last, "why"), "id", 0), why);
	if (strcmp(end, "staged") != 0)
		assert_int_equal(toy->names, 0);
	const json_t *ev = json_object_get(side_end_of(&s.side, "03-intake_check"), "evidence");
	const json_t *checks = json_object_get(json_object_get(ev, "reread"), "checks");
	/* every question is answered, also after one that stopped it */
	assert_int_equal(json_array_size(checks), 6);
	note(checks, "pool", seen.pool);
	note(checks, "inventory", seen.inventory);
	note(checks, "find_my", seen.find_my);
	note(checks, "activation_lock", seen.lock);
	note(checks, "managed", seen.managed);
	note(checks, "backup", seen.backup);
	toy_station_clear(&s);
	return seen;
}

static void a_device_nobody_vouches_for_is_stopped(void **state)
{
	(void)state;
	toy_make();
	toy->setup_done = true;
	struct seen seen = check("{}", "{\"known\":false}", "hold", STG_ID_POOL_UNKNOWN);
	assert_string_equal(seen.pool, "unknown");
	assert_string_equal(seen.inventory, "unknown");
	assert_string_equal(seen.backup, "unknown");
	check("{backup: note}", "{\"known\":true,\"ownership\":\"unknown\"}", "hold", STG_ID_POOL_UNKNOWN);
	seen = check("{}", "{\"known\":true,\"ownership\":\"personal\"" DECIDED "}", "hold", STG_ID_WRONG_OWNERSHIP);
	assert_string_equal(seen.pool, "bad");
}

static void somebodys_account_stops_it(void **state)
{
	(void)state;
	toy_make();
	toy->setup_done = true;
	toy->find_my = true;
	struct seen seen = check("{}", "{" KNOWN DECIDED "}", "hold", STG_ID_FIND_MY_ON);
	assert_string_equal(seen.find_my, "bad");
	assert_string_equal(seen.lock, "bad");
	/* signed out meanwhile, but it was found locked when it was last activated */
	toy->find_my = false;
	seen = check("{}", "{" KNOWN DECIDED ",\"locked_ms\":1700000000000}", "hold", STG_ID_ACTIVATION_LOCKED);
	assert_string_equal(seen.find_my, "good");
	assert_string_equal(seen.lock, "bad");
}

static void a_foreign_manager_stops_it_or_asks_for_two_persons(void **state)
{
	(void)state;
	toy_make();
	toy->setup_done = toy->supervised = true;
	struct seen seen = check("{}", "{" KNOWN DECIDED "}", "hold", STG_ID_SUPERVISED_BY_OTHER);
	assert_string_equal(seen.managed, "bad");
	/* written down as bad; the gate then wants two */
	seen = check("{foreign: two_persons}", "{" KNOWN DECIDED "}", "staged", STG_ID_NONE);
	assert_string_equal(seen.managed, "bad");
	toy->ours = true;
	seen = check("{}", "{" KNOWN DECIDED "}", "staged", STG_ID_NONE);
	assert_string_equal(seen.managed, "good");
}

static void nothing_is_erased_before_somebody_decided_about_the_data(void **state)
{
	(void)state;
	toy_make();
	toy->setup_done = true;
	struct seen seen = check("{}", "{" KNOWN "}", "hold", STG_ID_BACKUP_UNDECIDED);
	assert_string_equal(seen.backup, "unknown");
	seen = check("{}", "{" KNOWN ",\"backup\":{\"answer\":\"wanted\",\"by\":\"Durand\"}}", "hold", STG_ID_BACKUP_WANTED);
	assert_string_equal(seen.backup, "bad");
	/* a blueprint may do without a decision; a copy that somebody waits for still stops it */
	seen = check("{backup: note}", "{" KNOWN "}", "staged", STG_ID_NONE);
	assert_string_equal(seen.backup, "unknown");
	check("{backup: note}", "{" KNOWN ",\"backup\":{\"answer\":\"wanted\",\"by\":\"Durand\"}}", "hold", STG_ID_BACKUP_WANTED);
	check("{}", "{" KNOWN ",\"backup\":{\"answer\":\"done\",\"by\":\"Durand\"}}", "staged", STG_ID_NONE);
}

/* In the Setup Assistant Find My always reads "off": that is no answer. */
static void what_cannot_be_known_is_said_and_stops_only_where_it_was_asked_to(void **state)
{
	(void)state;
	toy_make();
	struct seen seen = check("{}", "{" KNOWN DECIDED "}", "staged", STG_ID_NONE);
	assert_string_equal(seen.find_my, "unknown");
	assert_string_equal(seen.lock, "unknown");
	check("{unknown: hold}", "{" KNOWN DECIDED "}", "hold", STG_ID_INTAKE_UNREAD);
	toy->setup_done = true;
	seen = check("{unknown: hold}", "{" KNOWN DECIDED "}", "staged", STG_ID_NONE);
	assert_string_equal(seen.find_my, "good");
	assert_string_equal(seen.lock, "good");
	assert_string_equal(seen.managed, "good");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_nobody_vouches_for_is_stopped),
		cmocka_unit_test(somebodys_account_stops_it),
		cmocka_unit_test(a_foreign_manager_stops_it_or_asks_for_two_persons),
		cmocka_unit_test(nothing_is_erased_before_somebody_decided_about_the_data),
		cmocka_unit_test(what_cannot_be_known_is_said_and_stops_only_where_it_was_asked_to),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
