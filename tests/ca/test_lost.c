/*
 * test_lost.c - a device that is lost: what goes to the MDM, and what needs a second person.
 */
#include "../store/store_lib.h"

#include <stager/op.h>

static struct state st;
static struct stg_identity who;

static int setup(void **unused)
{
	(void)unused;
	int64_t device = 0;
	state_open(&st);
	who = (struct stg_identity){ 0 };
	stg_copy(who.family, sizeof(who.family), "apple");
	stg_copy(who.unit, sizeof(who.unit), "0xaa01");
	stg_copy(who.serial, sizeof(who.serial), "DX3F");
	OK(stg_store_device_put(st.s, &who, &device, err));
	json_t *target = json_pack("{s:s,s:s,s:b,s:{s:s}}", "name", "site", "connector", "webhook", "enabled", 1, "config", "url", "http://127.0.0.1:9/");
	OK(stg_store_target_put(st.s, target, (struct stg_bytes){ 0 }, err));
	json_decref(target);
	json_t *c = json_pack("{s:s,s:s,s:s,s:s,s:I,s:s}", "serial_hex", "a1", "issuer", "ab", "unit", who.unit, "device_serial", who.serial, "not_after_ms",
			      (json_int_t)(stg_wall_ms() + 86400000), "status", "installed");
	OK(stg_store_certificate_add(st.s, c, err));
	json_decref(c);
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	state_remove(&st);
	return 0;
}

static bool call(const char *name, json_t *in, json_t **ret, struct stg_error *err)
{
	struct stg_op_ctx c = { .store = st.s, .actor = "tom", .state_dir = st.dir };
	const struct stg_op *op = stg_op_find(name);
	assert_non_null(op);
	*ret = NULL;
	bool ok = stg_store_begin(st.s, err) && op->run(&c, in, ret, err);
	if (ok)
		ok = stg_store_commit(st.s, err);
	else
		stg_store_rollback(st.s);
	json_decref(in);
	return ok;
}

static char *orders(void)
{
	json_t *rows;
	OK((rows = stg_store_queues(st.s, "mdm", err)) != NULL);
	char *text = json_dumps(rows, 0);
	json_decref(rows);
	return text;
}

static const char *status(void)
{
	static char word[32];
	json_t *filter = json_pack("{s:s}", "serial_hex", "a1"), *rows;
	OK((rows = stg_store_certificates(st.s, filter, err)) != NULL);
	stg_copy(word, sizeof(word), stg_json_str(json_array_get(rows, 0), "status"));
	json_decref(filter);
	json_decref(rows);
	return word;
}

static void a_wipe_from_afar_needs_a_second_person_and_a_device_of_the_pool(void **unused)
{
	(void)unused;
	json_t *ret;
	struct stg_error e = { 0 };
	STG_AUTO(stg_secret_clear) struct stg_secret pin = { 0 };
	OK(stg_store_user_put(st.s, "tom", "technician", "", err));
	OK(stg_store_user_put(st.s, "lea", "lead", "", err));
	OK(stg_secret_set(&pin, stg_bytes_str("2468"), err));
	OK(stg_store_user_set_pin(st.s, "lea", &pin, err));
	assert_false(call("device.lost", json_pack("{s:s,s:s,s:s}", "serial", "DX3F", "second", "lea", "second_pin", "2468"), &ret, &e));
	assert_int_equal(e.id, STG_ID_ERASE_NOT_POOL);
	OK(stg_store_ownership(st.s, "apple", who.unit, "pool", err));
	assert_false(call("device.lost", json_pack("{s:s,s:s,s:s}", "serial", "DX3F", "second", "lea", "second_pin", "1111"), &ret, &e));
	assert_int_equal(e.code, STG_E_SAFETY);
	/* refused as a whole: nothing was revoked or ordered */
	assert_string_equal(status(), "installed");
	STG_AUTO(stg_free_at) char *none = orders();
	assert_string_equal(none, "[]");
	OK(call("device.lost", json_pack("{s:s,s:s,s:s,s:s}", "serial", "dx3f", "second", "lea", "second_pin", "2468", "reason", "taxi"), &ret, err));
	assert_string_equal(stg_json_str(ret, "order"), "lock_and_erase");
	json_decref(ret);
	json_t *told;
	OK((told = stg_store_records(st.s, "", err)) != NULL);
	STG_AUTO(stg_free_at) char *records = json_dumps(told, 0);
	json_decref(told);
	assert_non_null(strstr(records, "lock"));
	assert_non_null(strstr(records, "erase"));
}

static void locking_is_ordered_at_once_and_goes_out_with_the_results(void **unused)
{
	(void)unused;
	json_t *ret, *due;
	OK(call("device.lost", json_pack("{s:s,s:s}", "serial", "DX3F", "reason", "taxi"), &ret, err));
	assert_string_equal(stg_json_str(ret, "order"), "lock");
	assert_true(stg_json_bool(ret, "target", false));
	assert_int_equal(json_array_size(json_object_get(ret, "revoked")), 1);
	json_decref(ret);
	assert_string_equal(status(), "revoked");
	OK((due = stg_store_records(st.s, "", err)) != NULL);
	STG_AUTO(stg_free_at) char *records = json_dumps(due, 0);
	json_decref(due);
	assert_non_null(strstr(records, "mdm_order"));
	/* at its next plug it is not staged */
	json_t *hold;
	OK((hold = stg_store_hold_of(st.s, &who, err)) != NULL);
	assert_int_equal(stg_json_int(hold, "id", 0), STG_ID_DEVICE_LOST);
	json_decref(hold);
	/* said again it is one order, not two */
	OK(call("device.lost", json_pack("{s:s}", "serial", "DX3F"), &ret, err));
	json_decref(ret);
	json_t *rows;
	OK((rows = stg_store_queues(st.s, "mdm", err)) != NULL);
	assert_int_equal(json_array_size(rows), 1);
	json_decref(rows);
	OK(call("device.found", json_pack("{s:s}", "serial", "DX3F"), &ret, err));
	assert_int_equal(stg_json_int(ret, "withdrawn", 0), 1);
	json_decref(ret);
	FAILS(stg_store_hold_of(st.s, &who, err), STG_E_NOT_FOUND, 0);
	assert_string_equal(status(), "revoked");
}

static void a_device_nobody_knows_is_not_lost(void **unused)
{
	(void)unused;
	json_t *ret;
	struct stg_error e = { 0 };
	assert_false(call("device.lost", json_pack("{s:s}", "serial", "DX3FF"), &ret, &e));
	assert_int_equal(e.id, STG_ID_UNKNOWN_DEVICE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_device_nobody_knows_is_not_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(a_wipe_from_afar_needs_a_second_person_and_a_device_of_the_pool, setup, teardown),
		cmocka_unit_test_setup_teardown(locking_is_ordered_at_once_and_goes_out_with_the_results, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
