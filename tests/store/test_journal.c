/* test_journal.c - a job's way through the inventory, and what is left of it after a kill. */
#include "store_lib.h"

#include <signal.h>
#include <sys/wait.h>

static void a_finished_job_leaves_record_audit_and_outbox_together(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity who = phone(1);
	char record[40];
	state_open(&st);
	add_target(st.s, "head-office", "E");
	int64_t job = job_for(st.s, &who, NULL, 0);
	run_steps(st.s, job);
	OK(stg_store_job_finish(st.s, job, STG_JOB_DONE, STG_END_STAGED, NULL, &who, NULL, record, err));

	json_t *r;
	OK((r = stg_store_record(st.s, record, err)) != NULL);
	const json_t *body = json_object_get(r, "record");
	assert_string_equal(stg_json_str(body, "schema"), "stager.result/1");
	assert_string_equal(stg_json_str(body, "outcome"), "staged");
	assert_string_equal(stg_json_str(body, "asset_tag"), "A-1042");
	assert_int_equal(stg_json_int(body, "seq", 0), 1);
	assert_true(stg_json_bool(body, "final", false));
	assert_null(json_object_get(body, "rehearsal"));
	assert_int_equal(json_array_size(json_object_get(body, "profiles")), 1);
	assert_int_equal(json_array_size(json_object_get(body, "steps")), 2);
	char sum[65];
	stg_sha256_hex(stg_bytes_str(stg_json_str(r, "payload")), sum);
	assert_string_equal(sum, stg_json_str(r, "payload_sha256"));

	json_t *box;
	OK((box = stg_store_outbox_take(st.s, "head-office", 10, stg_boot_ms(), err)) != NULL);
	assert_int_equal(json_array_size(box), 1);
	assert_string_equal(stg_json_str(json_array_get(box, 0), "payload"), stg_json_str(r, "payload"));
	json_decref(box);
	OK((box = stg_store_audit_list(st.s, 1, 0, err)) != NULL);
	assert_int_equal(json_array_size(box), 1);
	assert_string_equal(stg_json_str(json_array_get(box, 0), "verb"), "job.finish");
	assert_string_equal(stg_json_str(json_array_get(box, 0), "actor"), "anna");
	json_decref(box);
	json_decref(r);
	state_remove(&st);
}

static void a_second_job_for_the_same_device_is_refused(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity who = phone(1);
	state_open(&st);
	int64_t first = job_for(st.s, &who, NULL, 0), second = 0;
	json_t *again = json_pack("{s:s,s:s}", "family", "apple", "unit", who.unit);
	FAILS(stg_store_job_add(st.s, again, &second, err), STG_E_REFUSED, STG_ID_JOB_OPEN);
	OK(stg_store_job_move(st.s, first, STG_JOB_CANCELLED, NULL, err));
	OK(stg_store_job_add(st.s, again, &second, err));
	json_decref(again);
	state_remove(&st);
}

static void only_moves_of_the_table_are_made(void **unused)
{
	(void)unused;
	struct state st;
	state_open(&st);
	for (int from = 0; from < STG_JOB_STATES; from++) {
		/* the shortest legal way to each state */
		static const enum stg_job_state way[STG_JOB_STATES][3] = {
			[STG_JOB_RUNNING] = { STG_JOB_RUNNING }, [STG_JOB_PARKED] = { STG_JOB_RUNNING, STG_JOB_PARKED },
			[STG_JOB_HOLD] = { STG_JOB_RUNNING, STG_JOB_HOLD }, [STG_JOB_INTERRUPTED] = { STG_JOB_RUNNING, STG_JOB_INTERRUPTED },
			[STG_JOB_DONE] = { STG_JOB_RUNNING, STG_JOB_DONE }, [STG_JOB_FAILED] = { STG_JOB_RUNNING, STG_JOB_FAILED },
			[STG_JOB_CANCELLED] = { STG_JOB_CANCELLED },
		};
		for (int to = 0; to < STG_JOB_STATES; to++) {
			struct stg_identity who = phone(100 + from * 10 + to);
			int64_t job = job_for(st.s, &who, NULL, 0);
			for (int i = 0; i < 3 && way[from][i] != STG_JOB_WAITING; i++)
				OK(stg_store_job_move(st.s, job, way[from][i], NULL, err));
			if (stg_job_may_move((enum stg_job_state)from, (enum stg_job_state)to))
				OK(stg_store_job_move(st.s, job, (enum stg_job_state)to, NULL, err));
			else
				FAILS(stg_store_job_move(st.s, job, (enum stg_job_state)to, NULL, err), STG_E_REFUSED, STG_ID_ILLEGAL_MOVE);
		}
	}
	state_remove(&st);
}

static void a_step_cannot_begin_twice_or_outside_of_a_running_job(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity who = phone(1);
	state_open(&st);
	int64_t job = job_for(st.s, &who, NULL, 0);
	FAILS(stg_store_step_begin(st.s, job, 0, "00-pair", "pair", NULL, err), STG_E_REFUSED, STG_ID_ILLEGAL_MOVE);
	OK(stg_store_job_move(st.s, job, STG_JOB_RUNNING, NULL, err));
	OK(stg_store_step_begin(st.s, job, 0, "00-pair", "pair", NULL, err));
	FAILS(stg_store_step_begin(st.s, job, 1, "01-x", "x", NULL, err), STG_E_REFUSED, STG_ID_ILLEGAL_MOVE);
	FAILS(stg_store_step_end(st.s, job, 1, "01-x", "done", NULL, NULL, 1, err), STG_E_REFUSED, STG_ID_ILLEGAL_MOVE);
	OK(stg_store_step_end(st.s, job, 0, "00-pair", "done", NULL, NULL, 1, err));
	OK(stg_store_step_end(st.s, job, 1, "01-x", "proven", NULL, NULL, 1, err));
	state_remove(&st);
}

static void a_device_parked_again_for_the_same_reason_is_told_once(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity who = phone(1);
	char first[40], second[40], third[40];
	state_open(&st);
	add_target(st.s, "t", "E");
	int64_t job = job_for(st.s, &who, NULL, 0);
	json_t *line = json_pack("{s:s,s:i}", "wait", "line", "id", 77), *box;
	OK(stg_store_job_move(st.s, job, STG_JOB_RUNNING, NULL, err));
	OK(stg_store_job_finish(st.s, job, STG_JOB_PARKED, STG_END_WAITING, line, &who, NULL, first, err));
	OK(stg_store_job_move(st.s, job, STG_JOB_WAITING, NULL, err));
	OK(stg_store_job_move(st.s, job, STG_JOB_RUNNING, NULL, err));
	OK(stg_store_job_finish(st.s, job, STG_JOB_PARKED, STG_END_WAITING, line, &who, NULL, second, err));
	assert_string_equal(first, second);
	OK((box = stg_store_job_open(st.s, "apple", who.unit, err)) != NULL);
	assert_string_equal(stg_json_str(json_object_get(box, "why"), "wait"), "line");
	assert_int_equal(stg_json_int(json_object_get(box, "why"), "id", 0), 77);
	json_decref(box);
	OK(stg_store_job_move(st.s, job, STG_JOB_WAITING, NULL, err));
	run_steps(st.s, job);
	OK(stg_store_job_finish(st.s, job, STG_JOB_DONE, STG_END_STAGED, NULL, &who, NULL, third, err));
	assert_string_not_equal(first, third);
	OK((box = stg_store_outbox(st.s, NULL, err)) != NULL);
	assert_int_equal(json_array_size(box), 2);
	json_decref(box);
	json_decref(line);
	state_remove(&st);
}

/* The receiver hears by whom it is supervised and how full the battery was; a battery that charges is no news by itself. */
static void what_was_read_of_the_device_is_told(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity who = phone(1);
	char first[40], second[40];
	state_open(&st);
	add_target(st.s, "t", "E");
	int64_t job = job_for(st.s, &who, NULL, 0);
	json_t *line = json_pack("{s:s,s:i}", "wait", "line", "id", 77), *record;
	json_t *facts = json_pack("{s:b,s:s,s:b,s:i,s:b,s:b,s:s,s:s}", "supervised", 1, "supervised_by", "North Hospital", "ours", 1, "battery_percent", 41,
				  "passcode_set", 0, "mdm_enrolled", 0, "phone_number", "+33600000000", "name", "Anna's iPhone");
	OK(stg_store_job_move(st.s, job, STG_JOB_RUNNING, NULL, err));
	OK(stg_store_job_finish(st.s, job, STG_JOB_PARKED, STG_END_WAITING, line, &who, facts, first, err));
	OK((record = stg_store_record(st.s, first, err)) != NULL);
	const json_t *told = json_object_get(json_object_get(record, "record"), "facts");
	assert_string_equal(stg_json_str(told, "supervised_by"), "North Hospital");
	assert_int_equal(stg_json_int(told, "battery_percent", 0), 41);
	assert_true(json_is_false(json_object_get(told, "passcode_set")));
	assert_true(json_is_false(json_object_get(told, "mdm_enrolled")));
	assert_true(json_is_true(json_object_get(told, "ours")));
	assert_null(json_object_get(told, "phone_number"));
	assert_null(json_object_get(told, "name"));
	json_decref(record);
	json_object_set_new(facts, "battery_percent", json_integer(42));
	OK(stg_store_job_move(st.s, job, STG_JOB_WAITING, NULL, err));
	OK(stg_store_job_move(st.s, job, STG_JOB_RUNNING, NULL, err));
	OK(stg_store_job_finish(st.s, job, STG_JOB_PARKED, STG_END_WAITING, line, &who, facts, second, err));
	assert_string_equal(first, second);
	json_decref(facts);
	json_decref(line);
	state_remove(&st);
}

static void an_erase_in_doubt_and_then_seen_is_one_wipe_in_the_record(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity who = phone(1);
	char record[40];
	json_t *r, *evidence = json_pack("{s:{s:s}}", "reread", "state", "in setup");
	state_open(&st);
	int64_t job = job_for(st.s, &who, NULL, 0);
	OK(stg_store_job_move(st.s, job, STG_JOB_RUNNING, NULL, err));
	OK(stg_store_step_begin(st.s, job, 0, "00-erase", "erase", NULL, err));
	OK(stg_store_step_end(st.s, job, 0, "00-erase", "unknown", NULL, NULL, 5, err));
	OK(stg_store_job_move(st.s, job, STG_JOB_INTERRUPTED, NULL, err));
	OK(stg_store_job_move(st.s, job, STG_JOB_WAITING, NULL, err));
	OK(stg_store_job_move(st.s, job, STG_JOB_RUNNING, NULL, err));
	OK(stg_store_step_end(st.s, job, 0, "00-erase", "proven", evidence, NULL, 5, err));
	OK(stg_store_job_finish(st.s, job, STG_JOB_DONE, STG_END_STAGED, NULL, &who, NULL, record, err));
	OK((r = stg_store_record(st.s, record, err)) != NULL);
	const json_t *body = json_object_get(r, "record"), *wipe = json_object_get(body, "wipe");
	assert_true(stg_json_bool(wipe, "verified", false));
	assert_string_equal(stg_json_str(wipe, "result"), "proven");
	assert_int_equal(strlen(stg_json_str(wipe, "evidence_sha256")), 64);
	assert_true(strcmp(stg_json_str(wipe, "started"), stg_json_str(wipe, "finished")) <= 0);
	assert_int_equal(json_array_size(json_object_get(body, "steps")), 1);
	json_decref(r);
	json_decref(evidence);
	state_remove(&st);
}

static void what_was_pinned_in_an_undone_act_is_pinned_again(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity who = phone(1);
	int64_t id = 0;
	json_t *found, *job = json_pack("{s:s,s:s,s:o,s:{s:{s:s}}}", "family", "apple", "unit", who.unit, "blueprint", blueprint(), "profiles", "wifi", "base64", "AAAA");
	state_open(&st);
	OK(stg_store_device_put(st.s, &who, NULL, err));
	OK(stg_store_begin(st.s, err));
	OK(stg_store_savepoint(st.s, err));
	OK(stg_store_job_add(st.s, job, &id, err));
	stg_store_undo(st.s);
	OK(stg_store_job_add(st.s, job, &id, err));
	stg_store_rollback(st.s);
	OK(stg_store_job_add(st.s, job, &id, err));
	state_again(&st);
	OK((found = stg_store_job(st.s, id, err)) != NULL);
	assert_true(json_equal(json_object_get(found, "blueprint"), json_object_get(job, "blueprint")));
	assert_true(json_equal(json_object_get(found, "profiles"), json_object_get(job, "profiles")));
	json_decref(found);
	json_decref(job);
	state_remove(&st);
}

/* ---- kills ---- */

static void child_dies(struct state *st, int what)
{
	stg_store_close(st->s);
	st->s = NULL;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct stg_error e;
		struct stg_identity who = phone(1);
		int64_t id;
		char record[40];
		struct stg_store *s = stg_store_open(st->dir, STG_STORE_ANY, &e);
		if (!s)
			_exit(1);
		state_key(s);
		if (what == 0) {
			who = phone(2);
			if (!stg_store_begin(s, &e) || !stg_store_device_put(s, &who, &id, &e))
				_exit(2);
		} else if (what == 1) {
			if (!stg_store_job_move(s, 1, STG_JOB_RUNNING, NULL, &e) || !stg_store_step_begin(s, 1, 2, "02-erase", "erase", NULL, &e))
				_exit(2);
		} else {
			if (!stg_store_job_move(s, 1, STG_JOB_RUNNING, NULL, &e) ||
			    !stg_store_job_finish(s, 1, STG_JOB_DONE, STG_END_STAGED, NULL, &who, NULL, record, &e))
				_exit(2);
			json_decref(stg_store_outbox_take(s, "t", 5, stg_boot_ms(), &e));
		}
		raise(SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	OK((st->s = stg_store_open(st->dir, STG_STORE_ANY, err)) != NULL);
	state_key(st->s);
}

static void killed_between_begin_and_commit_leaves_nothing(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity who = phone(1);
	state_open(&st);
	job_for(st.s, &who, NULL, 0);
	child_dies(&st, 0);
	struct stg_identity found, second = phone(2);
	OK(stg_store_device_find(st.s, "apple", who.unit, &found, err));
	FAILS(stg_store_device_find(st.s, "apple", second.unit, &found, err), STG_E_NOT_FOUND, STG_ID_UNKNOWN_DEVICE);
	state_remove(&st);
}

static void killed_in_an_erase_is_unknown_never_failed(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity who = phone(1);
	int64_t jobs = 0;
	state_open(&st);
	int64_t job = job_for(st.s, &who, NULL, 0);
	child_dies(&st, 1);
	OK(stg_store_recover(st.s, &jobs, err));
	assert_int_equal(jobs, 1);
	json_t *j, *steps;
	OK((j = stg_store_job(st.s, job, err)) != NULL);
	assert_string_equal(stg_json_str(j, "state"), "interrupted");
	OK((steps = stg_store_steps(st.s, job, err)) != NULL);
	assert_string_equal(stg_json_str(json_array_get(steps, 0), "outcome"), "unknown");
	json_decref(steps);
	json_decref(j);
	OK(stg_store_recover(st.s, &jobs, err));
	assert_int_equal(jobs, 0);
	state_remove(&st);
}

static void killed_while_sending_leaves_the_delivery_in_doubt(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity who = phone(1);
	state_open(&st);
	add_target(st.s, "t", "E");
	job_for(st.s, &who, NULL, 0);
	child_dies(&st, 2);
	OK(stg_store_recover(st.s, NULL, err));
	json_t *box;
	OK((box = stg_store_outbox(st.s, NULL, err)) != NULL);
	assert_int_equal(json_array_size(box), 1);
	assert_string_equal(stg_json_str(json_array_get(box, 0), "state"), "in_doubt");
	json_decref(box);
	OK((box = stg_store_outbox_take(st.s, "t", 5, stg_boot_ms(), err)) != NULL);
	assert_string_equal(stg_json_str(json_array_get(box, 0), "was"), "in_doubt");
	assert_int_equal(stg_json_int(json_array_get(box, 0), "attempts", 0), 2);
	OK(stg_store_outbox_settle(st.s, stg_json_int(json_array_get(box, 0), "id", 0), "delivered", 0, NULL, err));
	FAILS(stg_store_outbox_settle(st.s, stg_json_int(json_array_get(box, 0), "id", 0), "queued", 0, NULL, err), STG_E_REFUSED, STG_ID_ILLEGAL_MOVE);
	json_decref(box);
	state_remove(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_finished_job_leaves_record_audit_and_outbox_together),
		cmocka_unit_test(a_second_job_for_the_same_device_is_refused),
		cmocka_unit_test(only_moves_of_the_table_are_made),
		cmocka_unit_test(a_step_cannot_begin_twice_or_outside_of_a_running_job),
		cmocka_unit_test(a_device_parked_again_for_the_same_reason_is_told_once),
		cmocka_unit_test(what_was_read_of_the_device_is_told),
		cmocka_unit_test(an_erase_in_doubt_and_then_seen_is_one_wipe_in_the_record),
		cmocka_unit_test(what_was_pinned_in_an_undone_act_is_pinned_again),
		cmocka_unit_test(killed_between_begin_and_commit_leaves_nothing),
		cmocka_unit_test(killed_in_an_erase_is_unknown_never_failed),
		cmocka_unit_test(killed_while_sending_leaves_the_delivery_in_doubt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
