/*
 * test_app_steps.c - apps going in and out: against a device that behaves, and one that does not.
 */
#include "toy_station.h"

static const json_t *run_app(struct toy_station *s, const char *app, const char *steps)
{
	char yaml[600];
	snprintf(yaml, sizeof(yaml), HEAD "%s", steps);
	toy_station_make(s, yaml);
	s->app = app;
	return toy_run(s);
}

static void an_app_that_cannot_go_in_is_not_sent(void **state)
{
	(void)state;
	static const struct {
		const char *app, *id;
	} cases[] = {
		{ NULL, "APP_UNKNOWN" },
		{ "{\"version\":\"2\",\"build\":\"2\",\"minimum_os\":\"17.6\"}", "APP_NEEDS_OTHER_DEVICE" },
		{ "{\"version\":\"2\",\"build\":\"2\",\"expires_ms\":1000}", "APP_EXPIRED" },
		{ "{\"version\":\"2\",\"build\":\"2\",\"families\":[4]}", "APP_NEEDS_OTHER_DEVICE" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		struct toy_station s;
		toy_make();
		const json_t *last = run_app(&s, cases[i].app, "  - install_app: {app: " TOY_APP "}\n");
		toy_ends(last, "failed");
		assert_string_equal(why_id(last), cases[i].id);
		assert_int_equal(toy->app_installs, 0);
		toy_station_clear(&s);
	}
}

static void an_app_that_is_acknowledged_and_not_there_fails(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->app_lies = true;
	const json_t *last = run_app(&s, "{\"version\":\"2\",\"build\":\"2\"}", "  - install_app: {app: " TOY_APP "}\n");
	toy_ends(last, "failed");
	assert_string_equal(why_id(last), "NOT_PROVEN");
	toy_station_clear(&s);
}

static void an_older_app_is_brought_up_to_date_and_a_newer_one_left_unless_exactly_this_is_wanted(void **state)
{
	(void)state;
	static const struct {
		const char *there, *build, *params, *after;
		int installs, upgrades;
	} cases[] = {
		{ "", "", "", "1.10", 1, 0 },          { "1.9", "19", "", "1.10", 0, 1 },  { "1.10", "109", "", "1.10", 0, 1 },
		{ "1.10", "110", "", "1.10", 0, 0 },   { "2.0", "200", "", "2.0", 0, 0 },  { "2.0", "200", ", exactly: true", "1.10", 0, 1 },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		struct toy_station s;
		char steps[200];
		toy_make();
		stg_copy(toy->app, sizeof(toy->app), cases[i].there);
		stg_copy(toy->app_build, sizeof(toy->app_build), cases[i].build);
		snprintf(steps, sizeof(steps), "  - install_app: {app: " TOY_APP "%s}\n  - verify:\n", cases[i].params);
		toy_ends(run_app(&s, "{\"version\":\"1.10\",\"build\":\"110\",\"minimum_os\":\"17\",\"families\":[1]}", steps), "staged");
		assert_string_equal(toy->app, cases[i].after);
		assert_int_equal(toy->app_installs, cases[i].installs);
		assert_int_equal(toy->app_upgrades, cases[i].upgrades);
		toy_station_clear(&s);
	}
}

static void a_removed_app_is_gone_and_verify_misses_one_that_must_be_there(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_ends(run_app(&s, "{\"version\":\"1\",\"build\":\"1\"}", "  - install_app: {app: " TOY_APP "}\n  - remove_app: {app: " TOY_APP "}\n  - verify:\n"),
		 "staged");
	assert_string_equal(toy->app, "");
	toy_station_clear(&s);
	const json_t *last = run_app(&s, NULL, "  - verify: {apps: [" TOY_APP "]}\n");
	toy_ends(last, "failed");
	assert_string_equal(why_id(last), "VERIFY_FAILED");
	toy_station_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_app_that_cannot_go_in_is_not_sent),
		cmocka_unit_test(an_app_that_is_acknowledged_and_not_there_fails),
		cmocka_unit_test(an_older_app_is_brought_up_to_date_and_a_newer_one_left_unless_exactly_this_is_wanted),
		cmocka_unit_test(a_removed_app_is_gone_and_verify_misses_one_that_must_be_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
