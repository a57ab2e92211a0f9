/* test_kill.c - killed at any instant: what was acknowledged is there, nothing is half, nothing is twice. */
#include "raw.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { KILLS = 40, GROUP = 4 };

/* Finishes jobs in groups as the recorder does and says each number only after the commit. */
static void work(const char *dir, int first, int out)
{
	struct stg_error e = { 0 };
	struct stg_store *s = stg_store_open(dir, STG_STORE_ANY, &e);
	if (!s)
		_exit(1);
	state_key(s);
	if (!stg_store_recover(s, NULL, &e))
		_exit(2);
	for (int n = first;; n += GROUP) {
		int64_t job;
		if (!stg_store_begin(s, &e))
			_exit(3);
		for (int k = 0; k < GROUP; k++) {
			struct stg_identity who = phone(n + k);
			json_t *j = json_pack("{s:s,s:s,s:s}", "family", "apple", "unit", who.unit, "actor", "anna");
			if (!stg_store_savepoint(s, &e) || !stg_store_device_put(s, &who, NULL, &e) || !stg_store_job_add(s, j, &job, &e) ||
			    !stg_store_job_move(s, job, STG_JOB_RUNNING, NULL, &e) ||
			    !stg_store_job_finish(s, job, STG_JOB_DONE, STG_END_STAGED, NULL, &who, NULL, NULL, &e) || !stg_store_release(s, &e))
				_exit(4);
			json_decref(j);
		}
		if (!stg_store_commit(s, &e))
			_exit(5);
		int last = n + GROUP - 1;
		if (write(out, &last, sizeof(last)) != sizeof(last))
			_exit(6);
		json_t *box = stg_store_outbox_take(s, "t", 2, stg_boot_ms(), &e);
		if (!box)
			_exit(7);
		json_decref(box);
	}
}

static int64_t count(const char *sql)
{
	sqlite3_stmt *q;
	if (sqlite3_prepare_v2(raw_last, sql, -1, &q, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(raw_last));
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return n;
}

static void nothing_lost_half_or_doubled_over_random_kills(void **unused)
{
	(void)unused;
	struct state st;
	const char *given = getenv("STG_SEED");
	unsigned int seed = given ? (unsigned int)strtoul(given, NULL, 0) : (unsigned int)time(NULL);
	int acknowledged = 0, total = 0;
	print_message("seed %u (STG_SEED repeats it)\n", seed);
	state_open(&st);
	add_target(st.s, "t", "E");
	for (int i = 0; i < KILLS; i++) {
		int pipe_fds[2], status, last;
		/* the next device is the first the inventory does not know: what came after the last answer may or may not be there */
		int first = (int)count("SELECT count(*) FROM device") + 1;
		stg_store_close(st.s);
		assert_int_equal(pipe(pipe_fds), 0);
		pid_t pid = fork();
		if (pid == 0) {
			close(pipe_fds[0]);
			work(st.dir, first, pipe_fds[1]);
		}
		close(pipe_fds[1]);
		/* alive until its first answer, then dead at some instant of the next ones */
		struct pollfd p = { .fd = pipe_fds[0], .events = POLLIN };
		assert_int_equal(poll(&p, 1, 60000), 1);
		struct timespec nap = { 0, (long)(rand_r(&seed) % 12000) * 1000 };
		nanosleep(&nap, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSIGNALED(status))
			fail_msg("the worker gave up by itself: %d", WEXITSTATUS(status));
		while (read(pipe_fds[0], &last, sizeof(last)) == sizeof(last))
			acknowledged = last;
		close(pipe_fds[0]);

		OK((st.s = stg_store_open(st.dir, STG_STORE_ANY, err)) != NULL);
		state_key(st.s);
		OK(stg_store_recover(st.s, NULL, err));
		total = (int)count("SELECT count(*) FROM record");
		if (total < acknowledged)
			fail_msg("%d were acknowledged, %d are there", acknowledged, total);
		assert_int_equal(total % GROUP, 0);
		assert_int_equal(count("SELECT max(seq) FROM record"), total);
		assert_int_equal(count("SELECT count(DISTINCT device) FROM record"), total);
		assert_int_equal(count("SELECT count(*) FROM job WHERE state = 'done'"), total);
		assert_int_equal(count("SELECT count(*) FROM outbox"), total);
		assert_int_equal(count("SELECT count(*) FROM audit WHERE body LIKE '%job.finish%'"), total);
		assert_int_equal(count("SELECT count(*) FROM outbox WHERE state = 'sending'"), 0);
	}
	int64_t rows = 0;
	OK(stg_store_audit_verify(st.s, &rows, err));
	json_t *all, *one;
	size_t i;
	OK((all = stg_store_records(st.s, "", err)) != NULL);
	json_array_foreach(all, i, one)
		assert_false(stg_json_bool(one, "damaged", false));
	json_decref(all);
	OK((all = stg_store_outbox(st.s, NULL, err)) != NULL);
	json_array_foreach(all, i, one)
		assert_string_not_equal(stg_json_str(one, "state"), "damaged");
	json_decref(all);
	print_message("%d results over %d kills\n", total, (int)KILLS);
	state_remove(&st);
}

int main(void)
{
	raw_begin();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_lost_half_or_doubled_over_random_kills),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
