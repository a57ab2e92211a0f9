/*
 * test_escrow.c - what was sealed for a device: the newest is given, damage is noticed, a list shows no bytes; a name is one
 * device's of a batch.
 */
#include "store_lib.h"

#include "raw.h"

static int64_t keep(struct stg_store *s, const char *unit, const char *serial, const char *key, const char *sealed)
{
	int64_t id = 0;
	STG_AUTO(stg_json_free_at) json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "family", "apple", "unit", unit, "serial", serial, "kind",
							  "unlock_token", "org", "North", "key_sha256", key);
	OK(stg_store_escrow_add(s, row, stg_bytes_str(sealed), &id, err));
	return id;
}

static void the_newest_token_of_a_device_is_the_one_that_is_given(void **state)
{
	(void)state;
	struct state st;
	state_open(&st);
	FAILS(stg_store_escrow(st.s, "F2LXK0AAAA01", "unlock_token", NULL, err) != NULL, STG_E_NOT_FOUND, STG_ID_NO_UNLOCK_TOKEN);
	keep(st.s, "1001", "F2LXK0AAAA01", "old-key", "first");
	int64_t id = keep(st.s, "1001", "F2LXK0AAAA01", "new-key", "second");
	keep(st.s, "1002", "F2LXK0AAAA02", "new-key", "third");
	static const char *const names[] = { "1001", "F2LXK0AAAA01", "f2lxk0aaaa01" };
	for (size_t i = 0; i < STG_ARRAY_LEN(names); i++) {
		struct stg_error err = { 0 };
		STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(64);
		STG_AUTO(stg_json_free_at) json_t *row = stg_store_escrow(st.s, names[i], "unlock_token", &sealed, &err);
		assert_non_null(row);
		assert_int_equal(stg_json_int(row, "id", 0), id);
		assert_string_equal(stg_json_str(row, "key_sha256"), "new-key");
		assert_true(stg_bytes_equal(stg_buf_view(&sealed), stg_bytes_str("second")));
	}
	FAILS(stg_store_escrow(st.s, "F2LXK0AAAA01", "another_kind", NULL, err) != NULL, STG_E_NOT_FOUND, STG_ID_NO_UNLOCK_TOKEN);
	/* a name that belongs to nobody lists nothing, an empty one lists each device once, and neither shows bytes */
	STG_AUTO(stg_json_free_at) json_t *all = stg_store_escrows(st.s, "", NULL), *none = stg_store_escrows(st.s, "F2LXK0AAAA09", NULL);
	assert_int_equal(json_array_size(all), 2);
	assert_int_equal(json_array_size(none), 0);
	assert_null(json_object_get(json_array_get(all, 0), "sealed"));
	assert_int_equal(stg_json_int(json_array_get(all, 0), "opened_ms", 0), 0);
	OK(stg_store_escrow_opened(st.s, id, err));
	STG_AUTO(stg_json_free_at) json_t *opened = stg_store_escrows(st.s, "1001", NULL);
	assert_true(stg_json_int(json_array_get(opened, 0), "opened_ms", 0) > 0);
	state_remove(&st);
}

static void an_escrow_without_device_or_content_is_not_kept(void **state)
{
	(void)state;
	struct state st;
	state_open(&st);
	STG_AUTO(stg_json_free_at) json_t *nobody = json_pack("{s:s, s:s}", "family", "apple", "kind", "unlock_token");
	STG_AUTO(stg_json_free_at) json_t *somebody = json_pack("{s:s, s:s, s:s}", "family", "apple", "unit", "1", "kind", "unlock_token");
	FAILS(stg_store_escrow_add(st.s, nobody, stg_bytes_str("x"), NULL, err), STG_E_BUG, 0);
	FAILS(stg_store_escrow_add(st.s, somebody, stg_bytes(NULL, 0), NULL, err), STG_E_BUG, 0);
	state_remove(&st);
}

static void a_token_whose_bytes_were_changed_on_the_disk_is_told_as_damaged(void **state)
{
	(void)state;
	struct state st;
	state_open(&st);
	keep(st.s, "1001", "F2LXK0AAAA01", "key", "sealed bytes");
	raw_run(raw_last, "UPDATE escrow SET sealed = x'00112233'");
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(64);
	FAILS(stg_store_escrow(st.s, "1001", "unlock_token", &sealed, err) != NULL, STG_E_IO, STG_ID_SEALED_DAMAGED);
	/* that one is there can still be seen */
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = stg_store_escrow(st.s, "1001", "unlock_token", NULL, &err);
	assert_non_null(row);
	state_remove(&st);
}

static void a_name_is_one_devices_of_a_batch_and_free_when_it_gets_another(void **state)
{
	(void)state;
	struct state st;
	state_open(&st);
	OK(stg_store_name_give(st.s, "NORTH", "Ward-1", "apple", "1001", err));
	FAILS(stg_store_name_give(st.s, "NORTH", "WARD-1", "apple", "1002", err), STG_E_REFUSED, STG_ID_NAME_TAKEN);
	OK(stg_store_name_give(st.s, "SOUTH", "Ward-1", "apple", "1002", err));
	OK(stg_store_name_give(st.s, "NORTH", "ward-1", "apple", "1001", err));
	OK(stg_store_name_give(st.s, "NORTH", "Ward-2", "apple", "1001", err));
	OK(stg_store_name_give(st.s, "NORTH", "Ward-1", "apple", "1002", err));
	state_remove(&st);
}

/* Whose device it is, before it has a job: who supervised it here last, else the order it stands in. */
static void an_unknown_device_in_no_order_is_nobodys(void **state)
{
	(void)state;
	struct state st;
	bool found = true;
	char name[65] = "?";
	state_open(&st);
	struct stg_identity who = { .family = "apple", .unit = "1001", .serial = "F2LXK0AAAA01" };
	OK(stg_store_device_org(st.s, &who, &found, name, err));
	assert_false(found);
	state_remove(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_token_of_a_device_is_the_one_that_is_given),
		cmocka_unit_test(an_escrow_without_device_or_content_is_not_kept),
		cmocka_unit_test(a_token_whose_bytes_were_changed_on_the_disk_is_told_as_damaged),
		cmocka_unit_test(a_name_is_one_devices_of_a_batch_and_free_when_it_gets_another),
		cmocka_unit_test(an_unknown_device_in_no_order_is_nobodys),
	};
	raw_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
