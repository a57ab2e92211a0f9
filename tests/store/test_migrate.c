/* test_migrate.c - a state written by every schema ever shipped opens here, also one that was killed in mid-job. */
#include "raw.h"

#include <sys/stat.h>

#include <stager/file.h>

static void lay_down(struct state *st, const char *fixture, const char *also)
{
	char path[256];
	STG_AUTO(stg_buf_clear) struct stg_buf sql = STG_BUF(8u << 20);
	state_folder(st);
	OK(stg_file_read(fixture, &sql, err));
	snprintf(path, sizeof(path), "%s/stager.db", st->dir);
	sqlite3 *db;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	raw_run(db, "PRAGMA journal_mode = WAL");
	raw_run(db, stg_buf_str(&sql));
	if (also)
		raw_run(db, also);
	sqlite3_close(db);
}

static int version_of(const struct state *st, const char *name)
{
	char path[256];
	sqlite3 *db;
	sqlite3_stmt *q;
	snprintf(path, sizeof(path), "%s/%s", st->dir, name);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	int version = sqlite3_column_int(q, 0);
	sqlite3_finalize(q);
	sqlite3_close(db);
	return version;
}

static void goes_on_from(int version)
{
	struct state st;
	int64_t jobs = 0, rows = 0;
	json_t *j;
	char fixture[64], before[64];
	snprintf(fixture, sizeof(fixture), "tests/data/store-%d.sql", version);
	snprintf(before, sizeof(before), "before-%d.db", version + 1);
	lay_down(&st, fixture, NULL);
	OK((st.s = stg_store_open(st.dir, STG_STORE_PRODUCTION, err)) != NULL);
	state_key(st.s);
	assert_int_equal(version_of(&st, before), version);
	assert_true(version_of(&st, "stager.db") > version);

	OK(stg_store_recover(st.s, &jobs, err));
	assert_int_equal(jobs, 1);
	OK((j = stg_store_job(st.s, 2, err)) != NULL);
	assert_string_equal(stg_json_str(j, "state"), "interrupted");
	/* the blueprint it began with is still pinned to it */
	assert_string_equal(stg_json_str(json_object_get(j, "blueprint"), "sha256"), "00ff");
	json_decref(j);
	OK((j = stg_store_steps(st.s, 2, err)) != NULL);
	assert_string_equal(stg_json_str(json_array_get(j, 0), "outcome"), "done");
	assert_string_equal(stg_json_str(json_array_get(j, 1), "outcome"), "interrupted");
	json_decref(j);
	OK((j = stg_store_outbox(st.s, NULL, err)) != NULL);
	assert_string_equal(stg_json_str(json_array_get(j, 0), "state"), "in_doubt");
	json_decref(j);
	OK((j = stg_store_outbox_summary(st.s, err)) != NULL);
	assert_int_equal(stg_json_int(j, "waiting", -1), 1);
	assert_int_equal(stg_json_int(json_array_get(json_object_get(j, "by_target"), 0), "in_doubt", -1), 1);
	json_decref(j);
	OK((j = stg_store_batch(st.s, "NORTH-12", err)) != NULL);
	assert_int_equal(stg_json_int(json_object_get(j, "balance"), "staged", 0), 1);
	assert_int_equal(stg_json_int(json_object_get(j, "balance"), "waiting", 0), 1);
	assert_int_equal(stg_json_int(json_object_get(j, "balance"), "missing", 0), 1);
	json_decref(j);
	OK(stg_store_audit_verify(st.s, &rows, err));
	assert_true(rows > 0);
	/* what was found by the old search is found by the new one */
	OK((j = stg_store_find(st.s, "0003", 10, err)) != NULL);
	assert_int_equal(json_array_size(j), 1);
	assert_string_equal(stg_json_str(json_array_get(j, 0), "kind"), "expected");
	json_decref(j);

	struct stg_identity two = phone(2);
	OK(stg_store_job_move(st.s, 2, STG_JOB_WAITING, NULL, err));
	OK(stg_store_job_move(st.s, 2, STG_JOB_RUNNING, NULL, err));
	OK(stg_store_step_begin(st.s, 2, 1, "01-install_profile-wifi", "install_profile", NULL, err));
	OK(stg_store_step_end(st.s, 2, 1, "01-install_profile-wifi", "done", NULL, NULL, 1, err));
	OK(stg_store_job_finish(st.s, 2, STG_JOB_DONE, STG_END_STAGED, NULL, &two, NULL, NULL, err));
	OK((j = stg_store_records(st.s, "NORTH-12", err)) != NULL);
	assert_int_equal(json_array_size(j), 2);
	assert_int_equal(stg_json_int(json_array_get(j, 1), "seq", 0), 2);
	json_decref(j);
	state_remove(&st);
}

static void a_state_of_every_version_killed_in_mid_job_goes_on(void **unused)
{
	(void)unused;
	struct state st;
	lay_down(&st, "tests/data/store-1.sql", NULL);
	OK((st.s = stg_store_open(st.dir, STG_STORE_PRODUCTION, err)) != NULL);
	int newest = version_of(&st, "stager.db");
	state_remove(&st);
	assert_true(newest > 1);
	/* one for each, so that nobody adds a version and forgets to keep the one before */
	for (int version = 1; version < newest; version++)
		goes_on_from(version);
}

/* The outbox is laid down anew: what hangs on its rows, and the rows' own seals, must not notice. */
static void deliveries_that_came_by_stick_outlive_a_new_outbox(void **unused)
{
	(void)unused;
	struct state st;
	sqlite3_stmt *q;
	json_t *rows;
	size_t i;
	json_t *one;
	char path[256];
	sqlite3 *db;
	lay_down(&st, "tests/data/store-11.sql", "INSERT INTO bundle_delivery (record_id, their_target, phase, peer, target, outbox, told)"
						 " SELECT record_id, 'theirs', phase, 'bench-09', target, id, '' FROM outbox");
	OK((st.s = stg_store_open(st.dir, STG_STORE_PRODUCTION, err)) != NULL);
	state_key(st.s);
	snprintf(path, sizeof(path), "%s/stager.db", st.dir);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*), (SELECT count(*) FROM outbox), (SELECT count(*) FROM pragma_foreign_key_check)"
						      " FROM bundle_delivery AS d JOIN outbox AS o ON o.id = d.outbox", -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	assert_true(sqlite3_column_int(q, 0) > 0);
	assert_int_equal(sqlite3_column_int(q, 0), sqlite3_column_int(q, 1));
	assert_int_equal(sqlite3_column_int(q, 2), 0);
	sqlite3_finalize(q);
	sqlite3_close(db);
	OK((rows = stg_store_outbox(st.s, NULL, err)) != NULL);
	json_array_foreach(rows, i, one)
		assert_string_not_equal(stg_json_str(one, "state"), "damaged");
	json_decref(rows);
	state_remove(&st);
}

static void sealed_tokens_and_given_names_outlive_an_upgrade(void **unused)
{
	(void)unused;
	struct state st;
	json_t *j;
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(1000);
	lay_down(&st, "tests/data/store-4.sql", NULL);
	OK((st.s = stg_store_open(st.dir, STG_STORE_PRODUCTION, err)) != NULL);
	state_key(st.s);
	OK((j = stg_store_escrow(st.s, "F2LXK0AA0001", "unlock_token", &sealed, err)) != NULL);
	json_decref(j);
	assert_int_equal(sealed.len, 3);
	FAILS(stg_store_name_give(st.s, "NORTH-12", "WARD-01", "apple", "1000000000002", err), STG_E_REFUSED, STG_ID_NAME_TAKEN);
	OK(stg_store_name_give(st.s, "NORTH-12", "Ward-01", "apple", "1000000000001", err));
	state_remove(&st);
}

static void a_migration_that_fails_leaves_the_file_as_it_was(void **unused)
{
	(void)unused;
	struct state st;
	/* something in the way of the second version's table */
	lay_down(&st, "tests/data/store-1.sql", "CREATE TABLE findable (x)");
	FAILS((st.s = stg_store_open(st.dir, STG_STORE_ANY, err)) != NULL, STG_E_BUG, STG_ID_MIGRATION_FAILED);
	assert_int_equal(version_of(&st, "stager.db"), 1);
	FAILS((st.s = stg_store_open_read(st.dir, err)) != NULL, STG_E_STATION, 0);
	char path[256];
	sqlite3 *db;
	snprintf(path, sizeof(path), "%s/stager.db", st.dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	raw_run(db, "SELECT * FROM search WHERE search MATCH 'north'");   /* the old table is whole */
	raw_run(db, "DROP TABLE findable");
	sqlite3_close(db);
	OK((st.s = stg_store_open(st.dir, STG_STORE_ANY, err)) != NULL);
	state_remove(&st);
}

int main(void)
{
	raw_begin();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_state_of_every_version_killed_in_mid_job_goes_on),
		cmocka_unit_test(deliveries_that_came_by_stick_outlive_a_new_outbox),
		cmocka_unit_test(sealed_tokens_and_given_names_outlive_an_upgrade),
		cmocka_unit_test(a_migration_that_fails_leaves_the_file_as_it_was),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
