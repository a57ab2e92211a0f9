/*
 * test_shelf.c - steps for devices that go onto a shelf: the code of Screen Time is taken off, the device is switched off.
 */
#include "toy_station.h"

#define HEAD "name: toy\nsteps:\n  - identify:\n  - pair:\n"

static void the_code_of_screen_time_is_taken_off_our_devices_only(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD "  - clear_restrictions_password:\n");
	const json_t *last = toy_run(&s);
	toy_ends(last, "hold");
	assert_string_equal(why_id(last), "NOT_SUPERVISED");
	assert_int_equal(toy->restriction_clears, 0);
	toy_station_clear(&s);

	toy_make();
	toy_station_make(&s, HEAD "  - supervise:\n  - clear_restrictions_password:\n");
	toy_ends(toy_run(&s), "staged");
	assert_int_equal(toy->restriction_clears, 1);
	assert_string_equal(side_outcome(&s.side, "04-clear_restrictions_password"), "done");
	toy_station_clear(&s);
}

/* Supervision waits for a line: so does what needs it, and nothing is asked of the device meanwhile. */
static void without_a_line_the_code_waits_for_the_supervision(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->activated = toy->line = false;
	toy_station_make(&s, HEAD "  - activate:\n  - supervise:\n  - clear_restrictions_password:\n");
	toy_ends(toy_run(&s), "waiting");
	assert_int_equal(toy->restriction_clears, 0);
	toy->line = true;
	toy_ends(toy_run_again(&s), "staged");
	assert_int_equal(toy->restriction_clears, 1);
	toy_station_clear(&s);
}

static void it_is_switched_off_last_and_stays_staged_although_it_is_gone(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD "  - set_name: {name: SHELF-7}\n  - verify: {name: SHELF-7}\n  - shutdown:\n");
	toy_ends(toy_run(&s), "staged");
	assert_int_equal(toy->offs, 1);
	assert_false(toy->present);
	assert_string_equal(toy->name, "SHELF-7");
	assert_string_equal(side_outcome(&s.side, "04-verify"), "proven");
	toy_station_clear(&s);
}

static void one_that_does_not_switch_off_is_not_called_staged(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->stays_on = true;
	toy_station_make(&s, HEAD "  - set_name: {name: SHELF-7}\n  - shutdown:\n");
	toy_ends(toy_run(&s), "failed");
	assert_true(toy->present);
	assert_int_equal(toy->offs, 1);
	toy_station_clear(&s);
}

/* What failed before keeps it on: a person has to look at it. */
static void a_device_with_something_to_mend_is_not_switched_off(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->install_lies = true;
	toy_station_make(&s, HEAD "  - install_profile: {profile: root}\n  - shutdown:\n");
	const json_t *last = toy_run(&s);
	assert_string_not_equal(stg_json_str(last, "end"), "staged");
	assert_int_equal(toy->offs, 0);
	assert_true(toy->present);
	toy_station_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_code_of_screen_time_is_taken_off_our_devices_only),
		cmocka_unit_test(without_a_line_the_code_waits_for_the_supervision),
		cmocka_unit_test(it_is_switched_off_last_and_stays_staged_although_it_is_gone),
		cmocka_unit_test(one_that_does_not_switch_off_is_not_called_staged),
		cmocka_unit_test(a_device_with_something_to_mend_is_not_switched_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
