/* test_erasure.c - an erasure has a record when it was proven, one, that says how it is known and cannot be edited. */
#include "raw.h"

static json_t *plan(void)
{
	return json_pack("{s:i,s:s,s:s,s:b,s:[]}", "v", 1, "name", "returned-phone-wipe", "sha256", "00ff", "erases", 1, "steps");
}

/* A pool phone whose job runs, its erase ordered by tom. */
static int64_t ready(struct state *st, struct stg_identity *who, const char *second)
{
	int64_t device = 0, job = 0;
	*who = phone(1);
	OK(stg_store_device_put(st->s, who, &device, err));
	OK(stg_store_ownership(st->s, "apple", who->unit, "pool", err));
	json_t *j = json_pack("{s:s,s:s,s:o,s:s,s:s,s:i,s:s,s:{s:s,s:s,s:s}}", "family", who->family, "unit", who->unit, "blueprint", plan(), "port", "1-1.4",
			      "label", "A4", "attach", 7, "actor", "tom", "attributes", "asset_tag", "A-1042", "source", "M. Durand", "destination", "stock");
	OK(stg_store_job_add(st->s, j, &job, err));
	json_decref(j);
	OK(stg_store_job_move(st->s, job, STG_JOB_RUNNING, NULL, err));
	json_t *o = json_pack("{s:[s],s:s,s:s}", "serials", who->serial, "by", "tom", "second", second);
	OK(stg_store_erase_allow(st->s, o, err));
	json_decref(o);
	OK(stg_store_erase_spend_two(st->s, "apple", who->unit, job, 7, *second != 0, err));
	return job;
}

static void sent(struct state *st, int64_t job, const char *outcome, const char *statement)
{
	json_t *asked = json_pack("{s:s,s:i,s:b,s:s,s:s}", "key_sha256", "aaaa", "attach", 7, "keep_esim", 0, "os_version", "17.5", "purge_statement", statement);
	json_t *evidence = json_pack("{s:O,s:b,s:{s:s,s:b,s:i}}", "asked", asked, "acknowledged", 1, "reread", "key_sha256", "bbbb", "another_key", 1, "attach", 8);
	OK(stg_store_step_begin(st->s, job, 0, "00-erase", "erase", asked, err));
	OK(stg_store_step_end(st->s, job, 0, "00-erase", "unknown", NULL, NULL, 5, err));
	if (strcmp(outcome, "unknown") != 0)
		OK(stg_store_step_end(st->s, job, 0, "00-erase", outcome, evidence, NULL, 5, err));
	json_decref(asked);
	json_decref(evidence);
}

static void back(struct state *st, int64_t job, const char *outcome)
{
	json_t *evidence = json_pack("{s:{s:s,s:s}}", "reread", "os_version", "17.5", "activation_state", "Unactivated");
	if (strcmp(outcome, "proven") != 0)
		OK(stg_store_step_begin(st->s, job, 1, "01-wait_back", "wait_back", NULL, err));
	OK(stg_store_step_end(st->s, job, 1, "01-wait_back", outcome, evidence, NULL, 5, err));
	json_decref(evidence);
}

static size_t records(struct state *st, const char *serial)
{
	json_t *list;
	OK((list = stg_store_erasures(st->s, serial, "", err)) != NULL);
	size_t n = json_array_size(list);
	json_decref(list);
	return n;
}

static void what_was_not_proven_has_no_record(void **unused)
{
	struct state st;
	struct stg_identity who;
	(void)unused;
	state_open(&st);
	int64_t job = ready(&st, &who, "");
	json_t *why = json_pack("{s:s,s:i}", "wait", "person", "id", 1);
	/* sent, and its effect is not known */
	sent(&st, job, "unknown", "");
	OK(stg_store_job_finish(st.s, job, STG_JOB_PARKED, STG_END_WAITING, why, &who, NULL, NULL, err));
	assert_int_equal(records(&st, ""), 0);
	/* another key, but it came back set up: somebody's data may be on it */
	OK(stg_store_job_move(st.s, job, STG_JOB_WAITING, NULL, err));
	OK(stg_store_job_move(st.s, job, STG_JOB_RUNNING, NULL, err));
	json_t *evidence = json_pack("{s:{s:s}}", "reread", "key_sha256", "bbbb");
	OK(stg_store_step_end(st.s, job, 0, "00-erase", "proven", evidence, NULL, 5, err));
	json_decref(evidence);
	back(&st, job, "failed");
	OK(stg_store_job_finish(st.s, job, STG_JOB_PARKED, STG_END_WAITING, why, &who, NULL, NULL, err));
	assert_int_equal(records(&st, who.serial), 0);
	json_decref(why);
	state_remove(&st);
}

static void a_proven_one_says_who_how_and_how_that_is_known(void **unused)
{
	struct state st;
	struct stg_identity who;
	char record[40];
	json_t *list, *r;
	(void)unused;
	state_open(&st);
	OK(stg_store_user_put(st.s, "lea", "lead", "", err));
	int64_t job = ready(&st, &who, "lea");
	OK(stg_store_decide(st.s, who.serial, "backup", "none", "M. Durand", "tom", err));
	sent(&st, job, "proven", "");
	back(&st, job, "proven");
	/* parks for a line first: one record, whatever comes after */
	json_t *why = json_pack("{s:s,s:i}", "wait", "line", "id", 1124);
	OK(stg_store_job_finish(st.s, job, STG_JOB_PARKED, STG_END_WAITING, why, &who, NULL, NULL, err));
	json_decref(why);
	OK(stg_store_job_move(st.s, job, STG_JOB_WAITING, NULL, err));
	OK(stg_store_job_move(st.s, job, STG_JOB_RUNNING, NULL, err));
	OK(stg_store_job_finish(st.s, job, STG_JOB_DONE, STG_END_STAGED, NULL, &who, NULL, record, err));
	OK((list = stg_store_erasures(st.s, who.serial, "", err)) != NULL);
	assert_int_equal(json_array_size(list), 1);
	const json_t *b = json_object_get(json_array_get(list, 0), "body");
	const json_t *media = json_object_get(b, "media"), *s = json_object_get(b, "sanitization"), *v = json_object_get(b, "verification"),
		     *p = json_object_get(b, "persons");
	assert_string_equal(stg_json_str(b, "standard"), "NIST SP 800-88 Rev. 2");
	assert_string_equal(stg_json_str(media, "serial"), who.serial);
	assert_string_equal(stg_json_str(media, "asset_number"), "A-1042");
	assert_string_equal(stg_json_str(media, "source"), "M. Durand");
	assert_string_equal(stg_json_str(media, "destination"), "stock");
	assert_string_equal(stg_json_str(media, "os_before"), "17.5");
	assert_string_equal(stg_json_str(s, "method"), "Clear");
	assert_string_equal(stg_json_str(s, "esim_plan"), "removed");
	assert_string_equal(stg_json_str(json_object_get(s, "tool"), "version"), STG_VERSION);
	assert_string_equal(stg_json_str(v, "result"), "passed");
	assert_string_equal(stg_json_str(v, "key_before_sha256"), "aaaa");
	assert_string_equal(stg_json_str(v, "key_after_sha256"), "bbbb");
	assert_string_equal(stg_json_str(p, "ordered_by"), "tom");
	assert_string_equal(stg_json_str(p, "agreed_by"), "lea");
	assert_string_equal(stg_json_str(p, "agreed_title"), "lead");
	assert_string_equal(stg_json_str(json_object_get(b, "backup"), "answer"), "none");
	/* and the result that every receiver gets names it */
	OK((r = stg_store_record(st.s, record, err)) != NULL);
	assert_string_equal(stg_json_str(json_object_get(json_object_get(r, "record"), "wipe"), "erasure_id"), stg_json_str(b, "erasure_id"));
	json_decref(r);
	json_decref(list);
	state_remove(&st);
}

static void purge_is_said_only_with_the_makers_statement(void **unused)
{
	struct state st;
	struct stg_identity who;
	json_t *list;
	(void)unused;
	state_open(&st);
	int64_t job = ready(&st, &who, "");
	sent(&st, job, "proven", "file 12/2026, letter of the maker");
	back(&st, job, "done");
	OK(stg_store_job_finish(st.s, job, STG_JOB_DONE, STG_END_STAGED, NULL, &who, NULL, NULL, err));
	OK((list = stg_store_erasures(st.s, who.serial, "", err)) != NULL);
	const json_t *s = json_object_get(json_object_get(json_array_get(list, 0), "body"), "sanitization");
	assert_string_equal(stg_json_str(s, "method"), "Purge");
	assert_string_equal(stg_json_str(s, "purge_statement"), "file 12/2026, letter of the maker");
	json_decref(list);

	/* edited in the file: shown to nobody */
	char path[256];
	sqlite3 *db;
	snprintf(path, sizeof(path), "%s/stager.db", st.dir);
	stg_store_close(st.s);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	raw_run(db, "UPDATE erasure SET body = replace(body, 'passed', 'PASSED')");
	sqlite3_close(db);
	OK((st.s = stg_store_open(st.dir, STG_STORE_ANY, err)) != NULL);
	state_key(st.s);
	FAILS(stg_store_erasures(st.s, "", "", err), STG_E_IO, STG_ID_ROW_DAMAGED);
	state_remove(&st);
}

static void issued(struct state *st, const char *number, const char *unit, const char *serial)
{
	json_t *c = json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:s}", "serial_hex", number, "issuer", "ab", "unit", unit, "device_serial", serial, "subject", "CN=x",
			      "not_after_ms", (json_int_t)(stg_wall_ms() + 86400000), "status", "installed");
	OK(stg_store_certificate_add(st->s, c, err));
	json_decref(c);
}

static void status_is(struct state *st, const char *number, const char *status, const char *reason)
{
	json_t *filter = json_pack("{s:s}", "serial_hex", number), *rows;
	OK((rows = stg_store_certificates(st->s, filter, err)) != NULL);
	assert_int_equal(json_array_size(rows), 1);
	assert_string_equal(stg_json_str(json_array_get(rows, 0), "status"), status);
	assert_string_equal(stg_json_str(json_array_get(rows, 0), "reason"), reason);
	json_decref(filter);
	json_decref(rows);
}

static void what_a_device_was_issued_ends_with_its_proven_erase_and_not_before(void **unused)
{
	struct state st;
	struct stg_identity who;
	char record[40];
	json_t *r;
	(void)unused;
	state_open(&st);
	int64_t job = ready(&st, &who, "");
	issued(&st, "a1", who.unit, who.serial);
	issued(&st, "a2", "", who.serial);
	issued(&st, "b1", "0xother", "OTHER");
	/* sent, and its effect is not known: the device may be alive and on the network */
	sent(&st, job, "unknown", "");
	json_t *why = json_pack("{s:s,s:i}", "wait", "person", "id", 1);
	OK(stg_store_job_finish(st.s, job, STG_JOB_PARKED, STG_END_WAITING, why, &who, NULL, NULL, err));
	json_decref(why);
	status_is(&st, "a1", "installed", "");
	OK(stg_store_job_move(st.s, job, STG_JOB_WAITING, NULL, err));
	OK(stg_store_job_move(st.s, job, STG_JOB_RUNNING, NULL, err));
	json_t *evidence = json_pack("{s:b,s:{s:s,s:b,s:i}}", "acknowledged", 1, "reread", "key_sha256", "bbbb", "another_key", 1, "attach", 8);
	OK(stg_store_step_end(st.s, job, 0, "00-erase", "proven", evidence, NULL, 5, err));
	json_decref(evidence);
	back(&st, job, "proven");
	/* staged anew in the same job: the new one stays */
	usleep(20000);
	issued(&st, "c1", who.unit, who.serial);
	OK(stg_store_job_finish(st.s, job, STG_JOB_DONE, STG_END_STAGED, NULL, &who, NULL, record, err));
	status_is(&st, "a1", "revoked", "cessation");
	status_is(&st, "a2", "revoked", "cessation");
	status_is(&st, "b1", "installed", "");
	status_is(&st, "c1", "installed", "");
	OK((r = stg_store_record(st.s, record, err)) != NULL);
	const json_t *gone = json_object_get(json_object_get(json_object_get(r, "record"), "wipe"), "certificates_revoked");
	assert_int_equal(json_array_size(gone), 2);
	assert_string_equal(json_string_value(json_array_get(gone, 0)), "a1");
	json_decref(r);
	state_remove(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_not_proven_has_no_record),
		cmocka_unit_test(a_proven_one_says_who_how_and_how_that_is_known),
		cmocka_unit_test(purge_is_said_only_with_the_makers_statement),
		cmocka_unit_test(what_a_device_was_issued_ends_with_its_proven_erase_and_not_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
