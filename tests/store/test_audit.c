/* test_audit.c - no edit of the log, of a result or of the outbox goes unnoticed or unpunished. */
#include "raw.h"

#include <time.h>

enum { ROWS = 60, EDITS = 1000 };

static uint64_t seed;

static uint64_t dice(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

static void fill(struct state *st)
{
	for (int i = 0; i < ROWS; i++) {
		json_t *entry = json_pack("{s:s,s:s,s:s,s:{s:i}}", "actor", i % 2 ? "anna" : "bernd", "verb", "port.allow", "object", "A1", "detail", "n", i);
		OK(stg_store_audit(st->s, entry, err));
		json_decref(entry);
		if (i % 20 == 19)
			state_again(st);   /* closing signs a checkpoint */
	}
}

/* One edit of those a person with sqlite3 and patience could make. */
static const char *edit(sqlite3 *db)
{
	char sql[512];
	int row = 1 + (int)dice(ROWS), other = 1 + (int)dice(ROWS);
	if (other == row)
		other = row % ROWS + 1;
	switch (dice(10)) {
	case 0: {
		sqlite3_stmt *q;
		sqlite3_prepare_v2(db, "SELECT body FROM audit WHERE seq = ?", -1, &q, NULL);
		sqlite3_bind_int(q, 1, row);
		assert_int_equal(sqlite3_step(q), SQLITE_ROW);
		char body[2048];
		snprintf(body, sizeof(body), "%s", (const char *)sqlite3_column_text(q, 0));
		sqlite3_finalize(q);
		size_t at = (size_t)dice(strlen(body));
		body[at] = (char)(body[at] == 'x' ? 'y' : 'x');
		sqlite3_prepare_v2(db, "UPDATE audit SET body = ? WHERE seq = ?", -1, &q, NULL);
		sqlite3_bind_text(q, 1, body, -1, SQLITE_TRANSIENT);
		sqlite3_bind_int(q, 2, row);
		assert_int_equal(sqlite3_step(q), SQLITE_DONE);
		sqlite3_finalize(q);
		return "a byte of a body";
	}
	case 1:
		snprintf(sql, sizeof(sql), "UPDATE audit SET body = replace(replace(replace(body, 'anna', 'carl'), 'bernd', 'anna'), 'carl', 'bernd') WHERE seq = %d", row);
		raw_run(db, sql);
		return "another actor";
	case 2:
		snprintf(sql, sizeof(sql), "DELETE FROM audit WHERE seq = %d", row);
		raw_run(db, sql);
		return "a row deleted";
	case 3:
		snprintf(sql, sizeof(sql), "UPDATE audit SET hash = (SELECT hash FROM audit WHERE seq = %d) WHERE seq = %d", other, row);
		raw_run(db, sql);
		return "a hash of another row";
	case 4:
		snprintf(sql, sizeof(sql), "UPDATE audit SET seq = -1 WHERE seq = %d; UPDATE audit SET seq = %d WHERE seq = %d; UPDATE audit SET seq = %d WHERE seq = -1",
			 row, row, other, other);
		raw_run(db, sql);
		return "two rows swapped";
	case 5:
		snprintf(sql, sizeof(sql), "DELETE FROM audit WHERE seq >= %d", row);
		raw_run(db, sql);
		return "the tail cut";
	case 6:
		snprintf(sql, sizeof(sql), "DELETE FROM audit WHERE seq >= %d; DELETE FROM checkpoint WHERE seq >= %d", row, row);
		raw_run(db, sql);
		return "the tail cut with its checkpoints";
	case 7:
		snprintf(sql, sizeof(sql), "UPDATE audit SET body = body || ' ' WHERE seq = %d", row);
		raw_run(db, sql);
		return "a blank at the end";
	case 8:
		raw_run(db, "INSERT INTO audit (seq, body, hash) SELECT max(seq) + 1, body, hash FROM audit");
		return "a row more";
	default:
		raw_run(db, "UPDATE checkpoint SET note = replace(note, 'stager/', 'stager/x') WHERE seq = (SELECT max(seq) FROM checkpoint)");
		return "a checkpoint";
	}
}

static void every_edit_of_the_log_is_found(void **unused)
{
	(void)unused;
	struct state st;
	int64_t rows = 0;
	const char *given = getenv("STG_SEED");
	seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 2654435761u + 1;
	print_message("seed %llu (STG_SEED repeats it)\n", (unsigned long long)seed);
	state_open(&st);
	fill(&st);
	sqlite3 *db = raw_last;
	OK(stg_store_audit_verify(st.s, &rows, err));
	assert_int_equal(rows, ROWS);
	for (int i = 0; i < EDITS; i++) {
		struct stg_error e = { 0 };
		raw_run(db, "SAVEPOINT edit");
		const char *what = edit(db);
		if (stg_store_audit_verify(st.s, &rows, &e))
			fail_msg("edit %d not found: %s", i, what);
		if (e.code != STG_E_PROTOCOL || e.id != STG_ID_AUDIT_BROKEN || e.origin < 1)
			fail_msg("edit %d (%s): told as %s", i, what, e.msg);
		raw_run(db, "ROLLBACK TO edit; RELEASE edit");
	}
	OK(stg_store_audit_verify(st.s, &rows, err));
	state_remove(&st);
}

static void a_chain_computed_anew_is_betrayed_by_the_sealed_end(void **unused)
{
	(void)unused;
	struct state st;
	int64_t rows = 0;
	state_open(&st);
	fill(&st);
	/* somebody without the key rewrites the last row consistently: its hash fits, but the end is sealed */
	sqlite3_stmt *q;
	sqlite3_prepare_v2(raw_last, "SELECT body, (SELECT hash FROM audit WHERE seq = 59) FROM audit WHERE seq = 60", -1, &q, NULL);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	STG_AUTO(stg_json_free_at) json_t *body = json_loads((const char *)sqlite3_column_text(q, 0), 0, NULL);
	char prev[65];
	snprintf(prev, sizeof(prev), "%s", (const char *)sqlite3_column_text(q, 1));
	sqlite3_finalize(q);
	json_object_set_new(body, "actor", json_string("nobody"));
	STG_AUTO(stg_free_at) char *text = stg_json_text(body);
	STG_AUTO(stg_buf_clear) struct stg_buf in = STG_BUF(8192);
	char hash[65], sql[4096];
	size_t len = strlen(text);
	OK(stg_buf_add(&in, "\x01", 1, err));
	OK(stg_unhex(prev, &in, err));
	uint8_t count[8] = { 0, 0, 0, 0, 0, 0, (uint8_t)(len >> 8), (uint8_t)len };
	OK(stg_buf_add(&in, count, 8, err));
	OK(stg_buf_add(&in, text, len, err));
	stg_sha256_hex(stg_buf_view(&in), hash);
	raw_run(raw_last, "DELETE FROM checkpoint WHERE seq = 60");
	char *quoted = sqlite3_mprintf("UPDATE audit SET body = %Q, hash = %Q WHERE seq = 60", text, hash);
	snprintf(sql, sizeof(sql), "%s", quoted);
	sqlite3_free(quoted);
	raw_run(raw_last, sql);
	FAILS(stg_store_audit_verify(st.s, &rows, err), STG_E_PROTOCOL, STG_ID_AUDIT_BROKEN);
	state_remove(&st);
}

/* ---- results and outbox ---- */

static void results(struct state *st, int n)
{
	add_target(st->s, "t", "E");
	for (int i = 1; i <= n; i++) {
		struct stg_identity who = phone(i);
		int64_t job = job_for(st->s, &who, NULL, 0);
		run_steps(st->s, job);
		OK(stg_store_job_finish(st->s, job, STG_JOB_DONE, STG_END_STAGED, NULL, &who, NULL, NULL, err));
	}
}

static void a_damaged_row_is_told_and_never_sent(void **unused)
{
	(void)unused;
	static const char *const damages[] = {
		"UPDATE record SET bytes = replace(bytes, 'staged', 'failed') WHERE seq = 2",
		"UPDATE record SET bytes = replace(bytes, 'staged', 'failed'), sha256 = 'ab' WHERE seq = 2",
		"UPDATE record SET end_state = 'failed' WHERE seq = 2",
		"UPDATE record SET prev = 'x' WHERE seq = 2",
		"UPDATE record SET mac = '' WHERE seq = 2",
		"UPDATE outbox SET target = 't', record_id = (SELECT record_id FROM record WHERE seq = 3), phase = 'A' WHERE seq = 2",
		"UPDATE outbox SET attempts = 9 WHERE seq = 2",
		"UPDATE outbox SET not_before_ms = 1 WHERE seq = 2",
		"UPDATE outbox SET state = 'in_doubt' WHERE seq = 2",
		"UPDATE outbox SET mac = replace(mac, substr(mac, 1, 1), 'g') WHERE seq = 2",
	};
	for (size_t d = 0; d < STG_ARRAY_LEN(damages); d++) {
		struct state st;
		json_t *taken, *log, *box;
		state_open(&st);
		results(&st, 3);
		raw_run(raw_last, damages[d]);
		OK((taken = stg_store_outbox_take(st.s, "t", 10, stg_boot_ms(), err)) != NULL);
		if (json_array_size(taken) != 2)
			fail_msg("%s: %zu rows would be sent", damages[d], json_array_size(taken));
		assert_int_equal(stg_json_int(json_array_get(taken, 0), "seq", 0), 1);
		assert_int_equal(stg_json_int(json_array_get(taken, 1), "seq", 0), 3);
		json_decref(taken);
		OK((log = stg_store_audit_list(st.s, 1, 0, err)) != NULL);
		assert_string_equal(stg_json_str(json_array_get(log, json_array_size(log) - 1), "verb"), "outbox.damaged");
		json_decref(log);
		OK((box = stg_store_outbox(st.s, NULL, err)) != NULL);
		assert_int_equal(json_array_size(box), 3);
		assert_string_equal(stg_json_str(json_array_get(box, 1), "state"), "damaged");
		json_decref(box);
		state_remove(&st);
	}
}

static void a_damaged_result_is_an_error_by_itself_and_marked_in_a_list(void **unused)
{
	(void)unused;
	struct state st;
	json_t *all;
	state_open(&st);
	results(&st, 2);
	OK((all = stg_store_records(st.s, "", err)) != NULL);
	STG_AUTO(stg_free_at) char *id = stg_strdup(stg_json_str(json_array_get(all, 0), "record_id"));
	json_decref(all);
	raw_run(raw_last, "UPDATE record SET bytes = replace(bytes, 'staged', 'failed') WHERE seq = 1");
	FAILS(stg_store_record(st.s, id, err), STG_E_IO, STG_ID_ROW_DAMAGED);
	OK((all = stg_store_records(st.s, "", err)) != NULL);
	assert_int_equal(json_array_size(all), 2);
	assert_true(stg_json_bool(json_array_get(all, 0), "damaged", false));
	assert_null(json_object_get(json_array_get(all, 0), "payload"));
	assert_false(stg_json_bool(json_array_get(all, 1), "damaged", false));
	json_decref(all);
	state_remove(&st);
}

static void records_are_numbered_without_gaps_and_chained(void **unused)
{
	(void)unused;
	struct state st;
	json_t *all;
	char prev[65] = "0000000000000000000000000000000000000000000000000000000000000000";
	state_open(&st);
	results(&st, 5);
	OK((all = stg_store_records(st.s, "", err)) != NULL);
	assert_int_equal(json_array_size(all), 5);
	for (size_t i = 0; i < 5; i++) {
		const json_t *one = json_array_get(all, i), *body = json_object_get(one, "record");
		assert_int_equal(stg_json_int(body, "seq", 0), i + 1);
		assert_string_equal(stg_json_str(body, "prev"), prev);
		stg_copy(prev, sizeof(prev), stg_json_str(one, "payload_sha256"));
	}
	json_decref(all);
	state_remove(&st);
}

static void backoff_does_not_outlive_the_boot_it_was_counted_on(void **unused)
{
	(void)unused;
	struct state st;
	json_t *box;
	state_open(&st);
	results(&st, 2);
	OK(stg_store_recover(st.s, NULL, err));
	OK((box = stg_store_outbox_take(st.s, "t", 2, 1000, err)) != NULL);
	for (size_t i = 0; i < 2; i++)
		OK(stg_store_outbox_settle(st.s, stg_json_int(json_array_get(box, i), "id", 0), "queued", 999999999, NULL, err));
	json_decref(box);
	OK(stg_store_target_note(st.s, "t", "offline", 999999999, "", err));
	state_again(&st);
	OK(stg_store_recover(st.s, NULL, err));
	OK((box = stg_store_outbox_take(st.s, "t", 2, 2000, err)) != NULL);
	assert_int_equal(json_array_size(box), 0);
	json_decref(box);
	raw_run(raw_last, "UPDATE meta SET value = 'the boot before' WHERE key = 'boot_id'");
	OK(stg_store_recover(st.s, NULL, err));
	OK((box = stg_store_outbox_take(st.s, "t", 2, 2000, err)) != NULL);
	assert_int_equal(json_array_size(box), 2);
	json_decref(box);
	state_remove(&st);
}

static void a_state_like_target_is_told_the_newest_only(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity who = phone(1);
	json_t *box;
	state_open(&st);
	add_target(st.s, "evidence", "E");
	add_target(st.s, "mdm", "A");
	for (int i = 0; i < 3; i++) {
		int64_t job = job_for(st.s, &who, NULL, 0);
		run_steps(st.s, job);
		OK(stg_store_job_finish(st.s, job, STG_JOB_DONE, STG_END_STAGED, NULL, &who, NULL, NULL, err));
	}
	OK((box = stg_store_outbox_take(st.s, "evidence", 10, stg_boot_ms(), err)) != NULL);
	assert_int_equal(json_array_size(box), 3);
	json_decref(box);
	OK((box = stg_store_outbox_take(st.s, "mdm", 10, stg_boot_ms(), err)) != NULL);
	assert_int_equal(json_array_size(box), 1);
	assert_int_equal(stg_json_int(json_array_get(box, 0), "seq", 0), 3);
	json_decref(box);
	/* a target that is paused keeps its rows */
	OK(stg_store_target_note(st.s, "evidence", "offline", stg_boot_ms() + 100000, "no route", err));
	OK((box = stg_store_outbox_summary(st.s, err)) != NULL);
	assert_int_equal(stg_json_int(box, "waiting", 0), 4);
	json_decref(box);
	/* the counts follow every move, and say what counting would say */
	OK(stg_store_outbox_settle(st.s, 1, "delivered", 0, NULL, err));
	OK((box = stg_store_outbox_summary(st.s, err)) != NULL);
	assert_int_equal(stg_json_int(box, "waiting", 0), 3);
	assert_int_equal(stg_json_int(box, "delivered", 0), 1);
	assert_true(stg_json_int(box, "oldest_ms", 0) > 0);
	json_decref(box);
	OK((box = stg_store_outbox(st.s, NULL, err)) != NULL);
	int64_t by_hand[2] = { 0 };
	for (size_t i = 0; i < json_array_size(box); i++) {
		const char *state = stg_json_str(json_array_get(box, i), "state");
		by_hand[0] += strcmp(state, "queued") == 0 || strcmp(state, "sending") == 0;
		by_hand[1] += strcmp(state, "delivered") == 0;
	}
	assert_int_equal(by_hand[0], 3);
	assert_int_equal(by_hand[1], 1);
	json_decref(box);
	state_remove(&st);
}

int main(void)
{
	raw_begin();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_edit_of_the_log_is_found),
		cmocka_unit_test(a_chain_computed_anew_is_betrayed_by_the_sealed_end),
		cmocka_unit_test(a_damaged_row_is_told_and_never_sent),
		cmocka_unit_test(a_damaged_result_is_an_error_by_itself_and_marked_in_a_list),
		cmocka_unit_test(records_are_numbered_without_gaps_and_chained),
		cmocka_unit_test(backoff_does_not_outlive_the_boot_it_was_counted_on),
		cmocka_unit_test(a_state_like_target_is_told_the_newest_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
