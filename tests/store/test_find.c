/* test_find.c - what a person types finds what they mean, and no question walks through the whole inventory. */
#include "raw.h"

enum { MANY = 3000, FEW = 400 };

static size_t found(struct stg_store *s, const char *text, const char *kind)
{
	json_t *list, *one;
	size_t i, n = 0;
	OK((list = stg_store_find(s, text, 0, err)) != NULL);
	json_array_foreach(list, i, one)
		n += !kind || strcmp(stg_json_str(one, "kind"), kind) == 0;
	json_decref(list);
	return n;
}

static void everything_is_found_by_any_word_of_it(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity who = phone(4711), other = phone(12);
	state_open(&st);
	stg_copy(who.name, sizeof(who.name), "Tablette de Zoé / Étage 3");
	json_t *row = json_pack("{s:i,s:s,s:s,s:s}", "line", 2, "serial", "NEVERSEEN77", "asset_tag", "A-1042", "name", "bed 7");
	json_t *batch = json_pack("{s:s,s:s,s:[o]}", "name", "NORTH-12", "blueprint", "x", "rows", row);
	OK(stg_store_batch_add(st.s, batch, err));
	json_decref(batch);
	OK(stg_store_device_put(st.s, &who, NULL, err));
	OK(stg_store_device_put(st.s, &other, NULL, err));
	json_t *cert = json_pack("{s:s,s:s,s:s}", "serial_hex", "0a1b2c3d", "subject", "O=Example,CN=ward-tablet", "device_serial", who.serial);
	OK(stg_store_certificate_add(st.s, cert, err));
	json_decref(cert);

	assert_int_equal(found(st.s, "F2LXK0AA4711", "device"), 1);
	assert_int_equal(found(st.s, "f2lxk0aa4711", "device"), 1);
	assert_int_equal(found(st.s, "4711", "device"), 1);             /* its last digits */
	assert_int_equal(found(st.s, "F2LXK", "device"), 2);            /* its first */
	assert_int_equal(found(st.s, "353245010004711", "device"), 1);
	assert_int_equal(found(st.s, "00008110-00000000000A1267", "device"), 1);
	assert_int_equal(found(st.s, "0000811000000000000a1267", "device"), 1);
	assert_int_equal(found(st.s, "zoe", "device"), 1);              /* without the accent */
	assert_int_equal(found(st.s, "ZOÉ étage", "device"), 1);
	assert_int_equal(found(st.s, "zoe 12", "device"), 0);           /* every word must fit */
	assert_int_equal(found(st.s, "iphone 4711", "device"), 1);
	assert_int_equal(found(st.s, "A-1042", "expected"), 1);
	assert_int_equal(found(st.s, "a1042", "expected"), 1);
	assert_int_equal(found(st.s, "1042", "expected"), 1);
	assert_int_equal(found(st.s, "north", "batch"), 1);
	assert_int_equal(found(st.s, "north-12 bed", NULL), 1);
	assert_int_equal(found(st.s, "0a1b", "certificate"), 1);
	/* nothing a person types is syntax */
	static const char *const odd[] = { "", " ", "\"", "' OR 1=1", "*", "%", "a*", "NEAR(", "\xff\xfe", "é", "<1174", "-", "((((" };
	for (size_t i = 0; i < STG_ARRAY_LEN(odd); i++)
		assert_int_equal(found(st.s, odd[i], NULL), i == 6 ? found(st.s, "a", NULL) : i == 9 ? found(st.s, "e", NULL) : i == 10 ? found(st.s, "1174", NULL) : 0);
	/* a new name takes the place of the old one */
	stg_copy(who.name, sizeof(who.name), "Station");
	OK(stg_store_device_put(st.s, &who, NULL, err));
	assert_int_equal(found(st.s, "zoe", "device"), 0);
	assert_int_equal(found(st.s, "station", "device"), 1);
	state_remove(&st);
}

static void what_changes_is_kept_and_what_is_not_read_stays(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity who = phone(1), bare = { .family = "apple" };
	json_t *all;
	state_open(&st);
	OK(stg_store_device_put(st.s, &who, NULL, err));
	stg_copy(bare.unit, sizeof(bare.unit), who.unit);   /* in recovery mode nothing else is known */
	OK(stg_store_device_put(st.s, &bare, NULL, err));
	stg_copy(who.os_version, sizeof(who.os_version), "18.1");
	OK(stg_store_device_put(st.s, &who, NULL, err));
	OK((all = stg_store_history(st.s, who.serial, err)) != NULL);
	assert_string_equal(stg_json_str(all, "udid"), who.udid);
	assert_string_equal(stg_json_str(all, "os_version"), "18.1");
	const json_t *changes = json_object_get(all, "changes");
	assert_int_equal(json_array_size(changes), 1);
	assert_string_equal(stg_json_str(json_array_get(changes, 0), "was"), "17.6.1");
	json_decref(all);
	state_remove(&st);
}

static void a_device_typed_in_by_hand_becomes_the_one_plugged_in(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity typed = { .family = "scan", .unit = "F2LXK0AA0001", .serial = "F2LXK0AA0001" }, who = phone(1);
	json_t *all;
	state_open(&st);
	OK(stg_store_device_put(st.s, &typed, NULL, err));
	OK(stg_store_device_tag(st.s, "scan", typed.unit, "A-7", NULL, err));
	OK(stg_store_device_put(st.s, &who, NULL, err));
	OK((all = stg_store_inventory(st.s, "", 0, err)) != NULL);
	assert_int_equal(json_array_size(all), 1);
	assert_string_equal(stg_json_str(json_array_get(all, 0), "family"), "apple");
	assert_string_equal(stg_json_str(json_array_get(all, 0), "asset_tag"), "A-7");
	json_decref(all);
	state_remove(&st);
}

/* ---- a large inventory ---- */

static void used(const char *what, json_t *answer)
{
	assert_non_null(answer);
	json_decref(answer);
	if (raw_scanned > FEW)
		fail_msg("%s stepped over %d rows without an index, most of them in: %s", what, raw_scanned, raw_worst);
	raw_watch();
}

static void no_question_of_every_day_walks_through_the_inventory(void **unused)
{
	(void)unused;
	struct state st;
	state_open(&st);
	add_target(st.s, "t", "E");
	json_t *rows = json_array();
	for (int i = 0; i < 20; i++) {
		struct stg_identity who = phone(i);
		json_array_append_new(rows, json_pack("{s:i,s:s}", "line", i + 2, "serial", who.serial));
	}
	json_t *batch = json_pack("{s:s,s:s,s:o}", "name", "B", "blueprint", "x", "rows", rows);
	OK(stg_store_begin(st.s, err));
	OK(stg_store_batch_add(st.s, batch, err));
	OK(stg_store_batch_state(st.s, "B", "started", NULL, err));
	json_decref(batch);
	for (int i = 0; i < MANY; i++) {
		struct stg_identity who = phone(i);
		OK(stg_store_device_put(st.s, &who, NULL, err));
		if (i % 3 == 0) {
			int64_t job = job_for(st.s, &who, i < 20 ? "B" : NULL, i < 20 ? i + 1 : 0);
			OK(stg_store_job_move(st.s, job, STG_JOB_RUNNING, NULL, err));
			OK(stg_store_job_finish(st.s, job, STG_JOB_DONE, STG_END_STAGED, NULL, &who, NULL, NULL, err));
		}
	}
	OK(stg_store_commit(st.s, err));
	struct stg_identity who = phone(2999), expected = phone(7);
	raw_watch();
	used("history", stg_store_history(st.s, who.serial, NULL));
	used("find by serial", stg_store_find(st.s, who.serial, 100, NULL));
	used("find by its last digits", stg_store_find(st.s, "2999", 100, NULL));
	used("find what is everywhere", stg_store_find(st.s, "iphone", 50, NULL));
	used("inventory page", stg_store_inventory(st.s, "iphone 13", 50, NULL));
	used("device", stg_store_device_json(st.s, "apple", who.unit, NULL));
	used("match", stg_store_batch_match(st.s, &expected, NULL));
	used("balance", stg_store_batch(st.s, "B", NULL));
	used("batches", stg_store_batches(st.s, NULL));
	used("batch rows", stg_store_batch_rows(st.s, "B", NULL));
	json_t *filter = json_pack("{s:s}", "batch", "B");
	used("jobs of a batch", stg_store_jobs(st.s, filter, NULL));
	used("records of a batch", stg_store_records(st.s, "B", NULL));
	json_decref(filter);
	filter = json_pack("{s:s}", "serial", who.serial);
	used("jobs of a device", stg_store_jobs(st.s, filter, NULL));
	json_decref(filter);
	filter = json_pack("{s:b}", "open", 1);
	used("open jobs", stg_store_jobs(st.s, filter, NULL));
	json_decref(filter);
	used("outbox take", stg_store_outbox_take(st.s, "t", 10, stg_boot_ms(), NULL));
	used("last certificate", stg_store_certificate_next(st.s, NULL));
	struct stg_identity got;
	OK(stg_store_device_by_udid(st.s, who.udid, &got, err));
	used("by UDID", json_object());
	struct stg_buf sealed = STG_BUF(100);
	(void)stg_store_trust_get(st.s, who.udid, &sealed, NULL);
	(void)stg_store_job_open(st.s, "apple", who.unit, NULL);
	used("trust and open job", json_object());
	json_t *taken = stg_store_outbox_take(st.s, "t", 1, stg_boot_ms(), NULL);
	OK(stg_store_outbox_settle(st.s, stg_json_int(json_array_get(taken, 0), "id", 0), "delivered", 0, NULL, err));
	used("settle", taken);
	state_remove(&st);
}

int main(void)
{
	raw_begin();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_found_by_any_word_of_it),
		cmocka_unit_test(what_changes_is_kept_and_what_is_not_read_stays),
		cmocka_unit_test(a_device_typed_in_by_hand_becomes_the_one_plugged_in),
		cmocka_unit_test(no_question_of_every_day_walks_through_the_inventory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
