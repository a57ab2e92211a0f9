/*
 * test_erase.c - nothing is erased that three yeses do not cover, and what is erased is erased once.
 *
 * Asked of the devices themselves: each one's own log says whether EraseDevice ever reached it, and how often.
 */
#include "look.h"

#include <stager/ids.h>

enum { POOL, UNKNOWN, PERSONAL, PULLED, ALL };

static struct journey bench;

static int begin(void **state)
{
	static const char *const ownership[ALL] = { "pool", "", "personal", "pool" };
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf csv = STG_BUF(1 << 20);
	*state = &bench;
	journey_begin(&bench, ALL, "instant", 23, NULL);
	bool ok = stg_buf_add_str(&csv, "Serial Number;Asset Tag;Ownership\r\n", &err);
	for (size_t i = 0; ok && i < ALL; i++)
		ok = stg_buf_printf(&csv, &err, "%s;A-%04zu;%s\r\n", journey_serial(&bench, i), 1000 + i, ownership[i]);
	journey_must(ok, &err, "order");
	look_order(&bench, "returned-phone-wipe", stg_buf_view(&csv));
	return 0;
}

static int end(void **state)
{
	journey_end(*state);
	return 0;
}

static json_t *order_of(size_t count)
{
	return json_pack("{s:s, s:I}", "batch", BATCH, "count", (json_int_t)count);
}

static json_t *order_one(const char *serial)
{
	return json_pack("{s:[{s:s, s:s}]}", "serials", "serial", serial, "confirm", serial + strlen(serial) - 4);
}

static void not_erased(struct journey *j, size_t i)
{
	const char *serial = journey_serial(j, i);
	STG_AUTO(stg_json_free_at) json_t *device = look_device(j, serial);
	assert_int_equal(look_sent(j, serial, "EraseDevice"), 0);
	assert_int_equal(stg_json_int(device, "generation", -1), 0);
}

static void nothing_is_erased_without_an_order(void **state)
{
	struct journey *j = *state;
	const char *serial = journey_serial(j, POOL);
	journey_tell(j, "plug", serial, NULL, NULL);
	look_wait_row(j, serial, "end", "hold");
	journey_let_pass(j, 1000, 1000);
	not_erased(j, POOL);
	STG_AUTO(stg_json_free_at) json_t *row = look_row(j, serial);
	assert_int_equal(stg_json_int(row, "code", 0), STG_ID_ERASE_NOT_CONFIRMED);
}

static void unknown_and_personal_are_never_erased(void **state)
{
	struct journey *j = *state;
	look_refused(j, "wipe.order", order_one(journey_serial(j, UNKNOWN)), STG_E_SAFETY);
	look_refused(j, "wipe.order", order_one(journey_serial(j, PERSONAL)), STG_E_SAFETY);
	for (size_t i = UNKNOWN; i <= PERSONAL; i++) {
		journey_tell(j, "plug", journey_serial(j, i), NULL, NULL);
		look_wait_row(j, journey_serial(j, i), "end", "hold");
		STG_AUTO(stg_json_free_at) json_t *row = look_row(j, journey_serial(j, i));
		assert_true(strlen(stg_json_str(row, "reason")) > 0);
		not_erased(j, i);
	}
}

static void a_wrong_count_or_ending_is_refused(void **state)
{
	struct journey *j = *state;
	look_refused(j, "wipe.order", order_of(1), STG_E_SAFETY);
	look_refused(j, "wipe.order", order_of(ALL), STG_E_SAFETY);
	look_refused(j, "wipe.order", json_pack("{s:s}", "batch", BATCH), STG_E_SAFETY);
	look_refused(j, "wipe.order", json_pack("{s:[{s:s, s:s}]}", "serials", "serial", journey_serial(j, POOL), "confirm", "0000"),
		     STG_E_SAFETY);
	not_erased(j, POOL);
}

static void staging_by_hand_never_erases(void **state)
{
	struct journey *j = *state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *pins = NULL;
	STG_AUTO(stg_json_free_at) json_t *job = journey_op(j, "job.show", json_pack("{s:s}", "serial", journey_serial(j, POOL)), NULL);
	STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:[s]}", "serials", journey_serial(j, POOL));
	json_object_set(in, "blueprint", json_object_get(job, "blueprint"));
	json_object_set_new(in, "profiles", json_object());
	assert_false(stg_call(&j->caller, "stage", in, NULL, 0, &pins, &err));
	assert_int_equal(err.code, STG_E_SAFETY);
	assert_int_equal(err.id, STG_ID_STAGE_ERASES);
	not_erased(j, POOL);
}

/* The pool devices of the list are POOL and PULLED. The second one's plug is pulled as the word arrives. */
static void the_right_count_erases_each_once_even_when_the_plug_is_pulled(void **state)
{
	struct journey *j = *state;
	const char *serial = journey_serial(j, POOL), *pulled = journey_serial(j, PULLED);
	STG_AUTO(stg_json_free_at) json_t *list = journey_op(j, "wipe.list", json_pack("{s:s}", "batch", BATCH), NULL);
	assert_int_equal(stg_json_int(list, "count", 0), 2);
	assert_int_equal(json_array_size(json_object_get(list, "refused")), 2);
	json_decref(bench_word(j->control, NULL, "fault", pulled, "unplug_after", "EraseDevice", "back_ms=1500", NULL));
	json_decref(journey_op(j, "wipe.order", order_of(2), NULL));
	journey_tell(j, "plug", pulled, NULL, NULL);
	look_wait_row(j, serial, "end", "staged");
	STG_AUTO(stg_json_free_at) json_t *device = look_device(j, serial);
	assert_int_equal(look_sent(j, serial, "EraseDevice"), 1);
	assert_int_equal(stg_json_int(device, "generation", 0), 1);
	/* proven by asking it again: the last step was done after the erase, and it knows no computer but perhaps us */
	STG_AUTO(stg_json_free_at) json_t *job = journey_op(j, "job.show", json_pack("{s:s}", "serial", serial), NULL);
	const json_t *steps = json_object_get(job, "steps"), *last = json_array_get(steps, json_array_size(steps) - 1);
	assert_string_equal(stg_json_str(last, "step"), "wait_back");
	assert_false(stg_json_bool(device, "supervised", true));
	assert_int_equal(json_array_size(json_object_get(device, "profiles")), 0);

	/* the answer was lost with the plug: read again, proven, and not one word more */
	look_wait_row(j, pulled, "end", "staged");
	assert_int_equal(look_sent(j, pulled, "EraseDevice"), 1);
	STG_AUTO(stg_json_free_at) json_t *other = look_device(j, pulled);
	assert_int_equal(stg_json_int(other, "generation", 0), 1);
}

static void an_order_is_good_for_one_erase(void **state)
{
	struct journey *j = *state;
	journey_tell(j, "replug", journey_serial(j, POOL), NULL, NULL);
	journey_tell(j, "replug", journey_serial(j, PULLED), NULL, NULL);
	look_wait_slot(j, look_udid(j, POOL), "family", "apple");
	journey_let_pass(j, 1000, 2000);
	assert_int_equal(look_sent(j, journey_serial(j, POOL), "EraseDevice"), 1);
	assert_int_equal(look_sent(j, journey_serial(j, PULLED), "EraseDevice"), 1);
	look_refused(j, "wipe.order", order_of(2), STG_E_SAFETY);
	not_erased(j, UNKNOWN);
	not_erased(j, PERSONAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_erased_without_an_order),
		cmocka_unit_test(unknown_and_personal_are_never_erased),
		cmocka_unit_test(a_wrong_count_or_ending_is_refused),
		cmocka_unit_test(staging_by_hand_never_erases),
		cmocka_unit_test(the_right_count_erases_each_once_even_when_the_plug_is_pulled),
		cmocka_unit_test(an_order_is_good_for_one_erase),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
