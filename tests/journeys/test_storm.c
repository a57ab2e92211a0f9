/*
 * test_storm.c - devices that usbmuxd missed when many came at once are noticed, shown, and got listed without a hand.
 *
 * At the level of the virtual bench; with the real usbmuxd: make vm.
 */
#include "journey.h"

struct storm_wait {
	struct journey *j;
	const char *code, *state;
	int64_t until_ms;
	int hits;                     /* devices seen in that state with that code */
	json_t *seen;
};

static bool until_seen(void *ctx, const json_t *event)
{
	struct storm_wait *w = ctx;
	const json_t *slot = json_object_get(event, "slot");
	if (slot && strcmp(stg_json_str(slot, "state"), w->state) == 0 && strcmp(stg_json_str(slot, "code"), w->code) == 0)
		json_object_set_new(w->seen, stg_json_str(slot, "udid"), json_true());
	return (int)json_object_size(w->seen) < w->hits && stg_boot_ms() < w->until_ms;
}

static int wait_seen(struct journey *j, const char *state, const char *code, int hits, int64_t timeout_ms)
{
	struct storm_wait w = { .j = j, .code = code, .state = state, .until_ms = stg_boot_ms() + timeout_ms, .hits = hits, .seen = json_object() };
	struct stg_error err = { 0 };
	journey_must(stg_events(&j->caller, until_seen, &w, NULL, &err), &err, "events");
	int n = (int)json_object_size(w.seen);
	json_decref(w.seen);
	return n;
}

static int64_t stat_of(struct journey *j, const char *what)
{
	STG_AUTO(stg_json_free_at) json_t *stats = journey_word(j, "stats", NULL, NULL, NULL);
	return stg_json_int(json_object_get(stats, "counts"), what, 0);
}

static void devices_lost_in_a_storm_are_shown_and_staged_without_a_hand(void **state)
{
	(void)state;
	struct journey j;
	journey_begin(&j, 12, "instant", 7, NULL);
	journey_batch(&j, "ipad-hospital-ward", "pool");
	journey_tell(&j, "mux", "lose", "9", NULL);
	journey_tell(&j, "plug", "all", NULL, NULL);
	assert_int_equal(wait_seen(&j, "looking", "STG-1460", 9, 120000), 9);
	assert_true(journey_wait_staged(&j, 12, 240000));
	assert_true(stat_of(&j, "announced add") >= 9);
	journey_end(&j);
}

static void a_device_that_stays_unlisted_is_told_with_what_to_do(void **state)
{
	(void)state;
	struct journey j;
	journey_begin(&j, 2, "instant", 8, NULL);
	journey_batch(&j, "ipad-hospital-ward", "pool");
	journey_tell(&j, "mux", "lose", "1", "-1");
	journey_tell(&j, "plug", "all", NULL, NULL);
	assert_int_equal(wait_seen(&j, "failed", "STG-1461", 1, 180000), 1);
	int64_t asked = stat_of(&j, "announced add");
	assert_true(asked >= 2 && asked <= 8);     /* not for ever */
	assert_true(journey_wait_staged(&j, 1, 120000));
	/* what the sentence asks for: out and in again */
	journey_tell(&j, "replug", "#1", "100", NULL);
	assert_true(journey_wait_staged(&j, 2, 120000));
	journey_end(&j);
}

static void a_device_outside_the_bench_is_left_alone(void **state)
{
	(void)state;
	struct journey j;
	journey_begin(&j, 2, "instant", 9, NULL);
	json_decref(journey_op(&j, "port.allow", json_pack("{s:s}", "port", "2-1.1"), NULL));
	journey_tell(&j, "mux", "lose", "2", NULL);
	journey_tell(&j, "plug", "all", NULL, NULL);
	assert_int_equal(wait_seen(&j, "looking", "STG-1460", 1, 60000), 1);
	assert_int_equal(wait_seen(&j, "looking", "STG-1460", 2, 8000), 1);
	journey_end(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_lost_in_a_storm_are_shown_and_staged_without_a_hand),
		cmocka_unit_test(a_device_that_stays_unlisted_is_told_with_what_to_do),
		cmocka_unit_test(a_device_outside_the_bench_is_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
