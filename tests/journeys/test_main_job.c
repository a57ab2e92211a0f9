/*
 * test_main_job.c - what must not be done to a device, and the results that must arrive whatever the receiver does.
 *
 * One bench for all: each test has a device of its own, plugged in when its turn comes.
 */
#include "look.h"

enum { FRESH, STRANGER, DENIED, PAUSED, FOREIGN, BOXES, ALL = BOXES + 8 };

static struct journey bench;

static int begin(void **state)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf csv = STG_BUF(1 << 20);
	*state = &bench;
	journey_begin(&bench, ALL, "instant", 11, NULL);
	bool ok = stg_buf_add_str(&csv, "Serial Number,Asset Tag,Ownership\n", &err);
	for (size_t i = 0; ok && i < ALL; i++)
		if (i != STRANGER)
			ok = stg_buf_printf(&csv, &err, "%s,A-%04zu,pool\n", journey_serial(&bench, i), 1000 + i);
	journey_must(ok, &err, "order");
	look_order(&bench, "ipad-hospital-ward", stg_buf_view(&csv));
	return 0;
}

static int end(void **state)
{
	journey_end(*state);
	return 0;
}

static void a_new_box_without_a_line_waits_and_goes_on_by_itself(void **state)
{
	struct journey *j = *state;
	const char *serial = journey_serial(j, FRESH);
	journey_tell(j, "set", serial, "activated", "false");
	journey_tell(j, "line", "closed", NULL, NULL);
	json_decref(journey_op(j, "window.close", json_object(), NULL));
	journey_tell(j, "plug", serial, NULL, NULL);
	look_wait_row(j, serial, "wait", "line");
	STG_AUTO(stg_json_free_at) json_t *row = look_row(j, serial);
	assert_string_equal(stg_json_str(row, "end"), "waiting");
	assert_true(stg_json_int(row, "code", 0) > 0);
	/* supervision needs activation: it was not even tried; what can be done without was done */
	assert_int_equal(look_sent(j, serial, "SetCloudConfiguration"), 0);
	assert_true(look_sent(j, serial, "InstallProfile") > 0);
	journey_tell(j, "line", "open", NULL, NULL);
	json_decref(journey_op(j, "window.open", json_object(), NULL));
	look_wait_row(j, serial, "end", "staged");
	assert_int_equal(look_sent(j, serial, "SetCloudConfiguration"), 1);
	STG_AUTO(stg_json_free_at) json_t *device = look_device(j, serial);
	assert_true(stg_json_bool(device, "supervised", false));
	assert_string_equal(stg_json_str(device, "activation_state"), "Activated");
}

static void nothing_written(struct journey *j, const char *serial)
{
	static const char *const writes[] = { "InstallProfile", "InstallProfileSilent", "StoreProfile", "SetCloudConfiguration", "SetValue",
					      "RemoveProfile", "EraseDevice", "HandleActivationInfoRequest" };
	for (size_t i = 0; i < STG_ARRAY_LEN(writes); i++)
		if (look_sent(j, serial, writes[i]))
			fail_msg("%s was sent to %s, which is not ours to change", writes[i], serial);
}

static bool trusts_nobody(struct journey *j, void *ctx)
{
	STG_AUTO(stg_json_free_at) json_t *device = look_device(j, ctx);
	return json_array_size(json_object_get(device, "hosts")) == 0;
}

static void a_device_that_is_not_in_the_order_is_given_back_untouched(void **state)
{
	struct journey *j = *state;
	const char *serial = journey_serial(j, STRANGER);
	journey_tell(j, "plug", serial, NULL, NULL);
	look_wait_slot(j, look_udid(j, STRANGER), "state", "unexpected");
	STG_AUTO(stg_json_free_at) json_t *device = look_device(j, serial);
	assert_true(look_until(j, trusts_nobody, (void *)(uintptr_t)serial, LOOK_MS));
	nothing_written(j, serial);
	assert_int_equal(json_array_size(json_object_get(device, "profiles")), 0);
	STG_AUTO(stg_json_free_at) json_t *row = look_row(j, serial);
	assert_non_null(row);
	assert_true(stg_json_bool(row, "unexpected", false));
}

static void a_port_that_is_not_allowed_is_left_alone(void **state)
{
	struct journey *j = *state;
	const char *serial = journey_serial(j, DENIED);
	json_decref(journey_op(j, "port.deny", json_pack("{s:s}", "port", "*"), NULL));
	journey_tell(j, "plug", serial, NULL, NULL);
	look_wait_slot(j, look_udid(j, DENIED), "state", "listed");
	journey_let_pass(j, 1000, 1500);
	assert_int_equal(look_requests(j, serial), 0);
	STG_AUTO(stg_json_free_at) json_t *row = look_row(j, serial);
	assert_string_equal(stg_json_str(row, "end"), "missing");
	/* the permission alone is enough: nobody has to plug it in again */
	json_decref(journey_op(j, "port.allow", json_pack("{s:s}", "port", "*"), NULL));
	look_wait_row(j, serial, "end", "staged");
}

static void nothing_begins_while_the_batch_is_paused(void **state)
{
	struct journey *j = *state;
	const char *serial = journey_serial(j, PAUSED);
	json_decref(journey_op(j, "batch.pause", json_pack("{s:s}", "name", BATCH), NULL));
	journey_tell(j, "plug", serial, NULL, NULL);
	look_wait_slot(j, look_udid(j, PAUSED), "family", "apple");
	journey_let_pass(j, 1000, 1500);
	assert_int_equal(look_sent(j, serial, "Pair"), 0);
	assert_int_equal(look_sent(j, serial, "InstallProfile"), 0);
	STG_AUTO(stg_json_free_at) json_t *row = look_row(j, serial);
	assert_string_equal(stg_json_str(row, "end"), "missing");
	json_decref(journey_op(j, "batch.start", json_pack("{s:s}", "name", BATCH), NULL));
	look_wait_row(j, serial, "end", "staged");
}

static void what_somebody_else_supervises_is_kept_for_a_person(void **state)
{
	struct journey *j = *state;
	const char *serial = journey_serial(j, FOREIGN);
	journey_tell(j, "set", serial, "supervised_by_other", "true");
	journey_tell(j, "set", serial, "auto_trust", "true");
	journey_tell(j, "plug", serial, NULL, NULL);
	look_wait_row(j, serial, "end", "hold");
	STG_AUTO(stg_json_free_at) json_t *row = look_row(j, serial);
	assert_true(strlen(stg_json_str(row, "reason")) > 0);
	/* not just "set up already": the person must know who to ask */
	assert_int_equal(stg_json_int(row, "code", 0), STG_ID_SUPERVISED_BY_OTHER);
	nothing_written(j, serial);
	/* refused where it is asked who it belongs to: supervision itself would refuse it as well, some steps later */
	STG_AUTO(stg_json_free_at) json_t *job = journey_op(j, "job.show", json_pack("{s:s}", "serial", serial), NULL);
	const json_t *steps = json_object_get(job, "steps"), *last = json_array_get(steps, json_array_size(steps) - 1);
	assert_string_equal(stg_json_str(last, "step"), "require");
}

static bool boxes_staged(struct journey *j, void *ctx)
{
	(void)ctx;
	STG_AUTO(stg_json_free_at) json_t *batch = journey_op(j, "batch.show", json_pack("{s:s}", "name", BATCH), NULL);
	const json_t *rows = json_object_get(batch, "rows");
	int staged = 0;
	for (size_t i = 0; i < json_array_size(rows); i++)
		staged += strcmp(stg_json_str(json_array_get(rows, i), "end"), "staged") == 0;
	return staged >= ALL - STRANGER - 1;
}

/* FRESH, DENIED, PAUSED and the boxes end as staged; STRANGER and FOREIGN do not: ALL - 2 results. */
static void every_result_arrives_once_whatever_the_receiver_does(void **state)
{
	struct journey *j = *state;
	assert_true(look_drained(j));
	static const char *const troubles[][4] = { { "error-after", "1", NULL }, { "cut", "1", NULL }, { "lost", "2", NULL }, { "half", "1", NULL },
						   { "twice", "1", NULL }, { "slow", "1500", "1" }, { "status", "503", "1", "1" },
						   { "down", "2000", NULL } };
	for (size_t i = 0; i < STG_ARRAY_LEN(troubles); i++) {
		json_decref(bench_word(j->control, NULL, "receiver", troubles[i][0], troubles[i][1], troubles[i][2], troubles[i][3], NULL));
		journey_tell(j, "plug", journey_serial(j, BOXES + i), NULL, NULL);
		look_wait_row(j, journey_serial(j, BOXES + i), "end", "staged");
		if (!look_drained(j))
			fail_msg("'%s' at the receiver: a result stays in the outbox", troubles[i][0]);
	}
	assert_true(look_until(j, boxes_staged, NULL, LOOK_MS));
	journey_tell(j, "receiver", "up", NULL, NULL);
	assert_true(look_drained(j));
	journey_agrees(j, ALL - 2);
	STG_AUTO(stg_json_free_at) json_t *stats = journey_word(j, "receiver", "stats", NULL, NULL);
	const json_t *figures = json_object_get(stats, "receiver") ? json_object_get(stats, "receiver") : stats;
	assert_int_equal(stg_json_int(figures, "conflicts", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_box_without_a_line_waits_and_goes_on_by_itself),
		cmocka_unit_test(a_device_that_is_not_in_the_order_is_given_back_untouched),
		cmocka_unit_test(a_port_that_is_not_allowed_is_left_alone),
		cmocka_unit_test(nothing_begins_while_the_batch_is_paused),
		cmocka_unit_test(what_somebody_else_supervises_is_kept_for_a_person),
		cmocka_unit_test(every_result_arrives_once_whatever_the_receiver_does),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
