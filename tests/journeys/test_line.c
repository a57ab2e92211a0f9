/*
 * test_line.c - a line is not announced: what waits for it goes on by itself, without a hand and without a word.
 */
#include "journey.h"

static bool until_waiting(void *ctx, const json_t *event)
{
	struct journey_wait *w = ctx;
	const json_t *slot = json_object_get(event, "slot");
	if (slot && strcmp(stg_json_str(slot, "state"), "waiting") == 0 && strcmp(stg_json_str(slot, "wait"), "line") == 0)
		w->events = 0;
	return w->events > 0 && stg_boot_ms() < w->until_ms;
}

static void a_new_box_goes_on_when_the_line_is_back(void **state)
{
	(void)state;
	static const char *const options[] = { "--fresh", "--line", "closed", NULL };
	struct journey j;
	struct stg_error err = { 0 };
	journey_begin(&j, 1, "instant", 21, options);
	journey_batch(&j, "ipad-hospital-ward", "pool");
	journey_tell(&j, "plug", "all", NULL, NULL);
	struct journey_wait w = { .j = &j, .until_ms = stg_boot_ms() + 60000, .events = 1 };
	journey_must(stg_events(&j.caller, until_waiting, &w, NULL, &err), &err, "events");
	assert_int_equal(w.events, 0);
	journey_tell(&j, "line", "open", NULL, NULL);
	assert_true(journey_wait_staged(&j, 1, 120000));
	journey_end(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_box_goes_on_when_the_line_is_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
