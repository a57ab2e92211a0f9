/*
 * test_window.c - the maker's service on a bad day: everything else is done, the queue is named, and each device is activated in the
 * end, once, with others beside it.
 */
#include "look.h"

#include <stager/ids.h>

enum { HALF, CUT, TWICE, ERROR, LATE, LOCKED, PLAIN, ALL };

static void fault(struct journey *j, size_t i, const char *kind, const char *more)
{
	struct stg_error err = { 0 };
	json_t *a = bench_word(j->control, &err, "fault", journey_serial(j, i), kind, "deviceActivation", more, (char *)NULL);
	journey_must(a != NULL, &err, kind);
	json_decref(a);
}

static int64_t standing(struct journey *j, const char *queue)
{
	STG_AUTO(stg_json_free_at) json_t *status = journey_op(j, "status", json_object(), NULL);
	return stg_json_int(json_object_get(status, "queues"), queue, 0);
}

static bool all_wait(struct journey *j, void *ctx)
{
	(void)ctx;
	return standing(j, "line") == ALL;
}

static bool enough_staged(struct journey *j, void *ctx)
{
	(void)ctx;
	STG_AUTO(stg_json_free_at) json_t *b = journey_balance(j);
	return stg_json_int(b, "staged", 0) >= ALL - 1;
}

static void a_bad_day_of_the_service_costs_time_and_no_device(void **state)
{
	(void)state;
	static const char *const options[] = { "--fresh", "--line", "closed", NULL };
	struct journey j;
	journey_begin(&j, ALL, "instant", 37, options);
	journey_batch(&j, "ipad-hospital-ward", "pool");
	journey_tell(&j, "plug", "all", NULL, NULL);
	assert_true(look_until(&j, all_wait, NULL, LOOK_MS));
	/* with everything else done: named, trusted, nothing was asked of the service */
	STG_AUTO(stg_json_free_at) json_t *list = journey_op(&j, "queue.list", json_pack("{s:s}", "queue", "line"), NULL);
	assert_int_equal(json_array_size(json_object_get(list, "queues")), ALL);
	for (size_t i = 0; i < ALL; i++) {
		STG_AUTO(stg_json_free_at) json_t *device = look_device(&j, journey_serial(&j, i));
		assert_string_equal(stg_json_str(device, "activation_state"), "Unactivated");
		assert_int_equal(json_array_size(json_object_get(device, "hosts")), 1);
	}
	fault(&j, HALF, "half", NULL);
	fault(&j, CUT, "cut", NULL);
	fault(&j, TWICE, "twice", NULL);
	fault(&j, ERROR, "error", "count=2");
	fault(&j, LATE, "late", "ms=4000");
	journey_tell(&j, "set", journey_serial(&j, LOCKED), "activation_lock", "true");
	journey_tell(&j, "line", "open", NULL, NULL);
	json_decref(journey_op(&j, "window.close", json_object(), NULL));
	json_decref(journey_op(&j, "window.open", json_object(), NULL));
	bool done = look_until(&j, enough_staged, NULL, 240000);
	if (!done)
		for (size_t i = 0; i < ALL; i++)
			look_print("row", look_row(&j, journey_serial(&j, i)));
	assert_true(done);
	/* what the service locks is nobody's line: on hold, with the reason */
	look_wait_row(&j, journey_serial(&j, LOCKED), "end", "hold");
	STG_AUTO(stg_json_free_at) json_t *row = look_row(&j, journey_serial(&j, LOCKED));
	assert_int_equal(stg_json_int(row, "code", 0), STG_ID_ACTIVATION_LOCKED);
	assert_int_equal(standing(&j, "line"), 0);
	for (size_t i = 0; i < ALL; i++)
		if (i != LOCKED) {
			STG_AUTO(stg_json_free_at) json_t *device = look_device(&j, journey_serial(&j, i));
			assert_string_not_equal(stg_json_str(device, "activation_state"), "Unactivated");
			/* one record was handed over, however often it was asked for */
			assert_int_equal(look_sent(&j, journey_serial(&j, i), "HandleActivationInfoWithSessionRequest"), 1);
		}
	journey_end(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_bad_day_of_the_service_costs_time_and_no_device) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
