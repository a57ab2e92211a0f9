/* test_open.c - a state that is held, foreign, newer, damaged, full or older: one clear error and no change. */
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <stager/file.h>

static void path_in(const struct state *st, const char *name, char ret[256])
{
	snprintf(ret, 256, "%s/%s", st->dir, name);
}

static void raw_file(const struct state *st, const char *sql)
{
	char path[256];
	sqlite3 *db = NULL;
	path_in(st, "stager.db", path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	raw_run(db, sql);
	sqlite3_close(db);
}

static void a_second_opener_is_told_who_holds_the_state(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_error e = { 0 };
	char pid[24];
	state_open(&st);
	assert_null(stg_store_open(st.dir, STG_STORE_ANY, &e));
	assert_int_equal(e.code, STG_E_STATION);
	assert_int_equal(e.id, STG_ID_STATE_HELD);
	snprintf(pid, sizeof(pid), "pid %d", (int)getpid());
	assert_non_null(strstr(e.msg, pid));
	/* readers are welcome beside the holder */
	struct stg_store *reader;
	OK((reader = stg_store_open_read(st.dir, err)) != NULL);
	stg_store_close(reader);
	state_again(&st);
	state_remove(&st);
}

static void the_lock_dies_with_its_holder(void **unused)
{
	(void)unused;
	struct state st;
	state_open(&st);
	stg_store_close(st.s);
	pid_t pid = fork();
	if (pid == 0) {
		static struct stg_store *volatile held;          /* reachable at the end: valgrind looks even here */
		struct stg_error e;
		held = stg_store_open(st.dir, STG_STORE_ANY, &e);
		if (!held)
			_exit(1);
		raise(SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	OK((st.s = stg_store_open(st.dir, STG_STORE_ANY, err)) != NULL);
	state_remove(&st);
}

static void rehearsal_and_production_never_mix(void **unused)
{
	(void)unused;
	struct state st;
	state_open_kind(&st, STG_STORE_REHEARSAL);
	assert_int_equal(stg_store_kind_of(st.s), STG_STORE_REHEARSAL);
	struct stg_identity who = phone(1);
	char record[40];
	int64_t job = job_for(st.s, &who, NULL, 0);
	run_steps(st.s, job);
	OK(stg_store_job_finish(st.s, job, STG_JOB_DONE, STG_END_STAGED, NULL, &who, NULL, record, err));
	json_t *r;
	OK((r = stg_store_record(st.s, record, err)) != NULL);
	assert_true(stg_json_bool(json_object_get(r, "record"), "rehearsal", false));
	json_decref(r);
	stg_store_close(st.s);
	st.s = NULL;
	FAILS((st.s = stg_store_open(st.dir, STG_STORE_PRODUCTION, err)) != NULL, STG_E_SAFETY, STG_ID_STATE_KIND);
	OK((st.s = stg_store_open(st.dir, STG_STORE_ANY, err)) != NULL);
	assert_int_equal(stg_store_kind_of(st.s), STG_STORE_REHEARSAL);
	state_remove(&st);
	state_open(&st);
	stg_store_close(st.s);
	FAILS((st.s = stg_store_open(st.dir, STG_STORE_REHEARSAL, err)) != NULL, STG_E_SAFETY, STG_ID_STATE_KIND);
	st.s = NULL;
	state_remove(&st);
}

static void a_newer_or_foreign_or_broken_file_is_refused_and_left_alone(void **unused)
{
	(void)unused;
	struct state st;
	char path[256];
	state_open(&st);
	stg_store_close(st.s);
	raw_file(&st, "PRAGMA user_version = 99");
	FAILS((st.s = stg_store_open(st.dir, STG_STORE_ANY, err)) != NULL, STG_E_STATION, STG_ID_DATABASE_NEWER);
	FAILS((st.s = stg_store_open_read(st.dir, err)) != NULL, STG_E_STATION, STG_ID_DATABASE_NEWER);
	raw_file(&st, "PRAGMA application_id = 7");
	FAILS((st.s = stg_store_open(st.dir, STG_STORE_ANY, err)) != NULL, STG_E_STATION, STG_ID_DATABASE_DAMAGED);
	path_in(&st, "stager.db", path);
	OK(stg_file_write(path, stg_bytes_str("this is a letter to the editor, and no database at all; it has more than a hundred bytes so that it looks like one"), 0600, err));
	FAILS((st.s = stg_store_open(st.dir, STG_STORE_ANY, err)) != NULL, STG_E_IO, STG_ID_DATABASE_DAMAGED);
	st.s = NULL;
	state_remove(&st);
}

static void the_files_are_for_nobody_else(void **unused)
{
	(void)unused;
	struct state st;
	struct stat sb;
	char path[256];
	mode_t old = umask(0);
	state_open(&st);
	static const char *const names[] = { "stager.db", "stager.db-wal", "stager.lock" };
	for (size_t i = 0; i < STG_ARRAY_LEN(names); i++) {
		path_in(&st, names[i], path);
		assert_int_equal(stat(path, &sb), 0);
		assert_int_equal(sb.st_mode & 0777, 0600);
	}
	umask(old);
	state_remove(&st);
}

static void an_unwritable_folder_is_one_sentence(void **unused)
{
	(void)unused;
	struct stg_store *s = NULL;
	FAILS((s = stg_store_open("/proc/stager-state", STG_STORE_ANY, err)) != NULL, STG_E_STATION, STG_ID_STATE_UNWRITABLE);
	FAILS((s = stg_store_open_read("/nonexistent/stager", err)) != NULL, STG_E_NOT_FOUND, STG_ID_NO_STATE);
}

/* In a child, because the limit on file sizes is a process's. */
static int work_on_a_full_disk(const struct state *st)
{
	struct stg_error e = { 0 };
	struct stg_store *s = stg_store_open(st->dir, STG_STORE_ANY, &e);
	if (!s)
		return 1;
	state_key(s);
	signal(SIGXFSZ, SIG_IGN);
	struct rlimit limit = { 200 * 1024, RLIM_INFINITY };
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return 2;
	int done = 0;
	for (; done < 5000; done++) {
		struct stg_identity who = phone(done);
		int64_t id;
		if (!stg_store_begin(s, &e))
			break;
		if (!stg_store_device_put(s, &who, &id, &e)) {
			stg_store_rollback(s);
			break;
		}
		if (!stg_store_commit(s, &e))
			break;
	}
	/* the limit of this process is told as a refused write, a really full disk as a full one: see the next test */
	if (done == 0 || done == 5000 || (e.id != STG_ID_DISK_FULL && e.id != STG_ID_DISK_REFUSES) || e.code != STG_E_IO)
		return 3;
	/* a group that meets the full disk half-way is gone as a whole */
	if (stg_store_begin(s, &e)) {
		for (int i = 0; i < 5000; i++) {
			struct stg_identity who = phone(10000 + i);
			int64_t id;
			if (!stg_store_savepoint(s, &e))
				break;
			if (stg_store_device_put(s, &who, &id, &e)) {
				if (!stg_store_release(s, &e))
					break;
			} else {
				stg_store_undo(s);
			}
		}
		if (stg_store_commit(s, &e))
			return 4;
	}
	limit.rlim_cur = RLIM_INFINITY;
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return 5;
	/* there is room again: it goes on without repair, and what was acknowledged is there */
	json_t *all = stg_store_inventory(s, "", 0, &e);
	if (!all || (int)json_array_size(all) != done)
		return 6;
	json_decref(all);
	struct stg_identity who = phone(20000);
	int64_t id;
	if (!stg_store_device_put(s, &who, &id, &e))
		return 7;
	stg_store_close(s);
	return 0;
}

static void a_full_disk_refuses_and_loses_nothing(void **unused)
{
	(void)unused;
	struct state st;
	int status;
	state_open(&st);
	stg_store_close(st.s);
	pid_t pid = fork();
	if (pid == 0)
		_exit(work_on_a_full_disk(&st));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	OK((st.s = stg_store_open(st.dir, STG_STORE_ANY, err)) != NULL);
	state_remove(&st);
}

static void no_page_left_is_told_as_a_full_disk(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_error e = { 0 };
	int done = 0;
	state_open(&st);
	raw_run(raw_last, "PRAGMA max_page_count = 150");
	for (; done < 5000 && e.code == STG_OK; done++) {
		struct stg_identity who = phone(done);
		int64_t id;
		stg_store_device_put(st.s, &who, &id, &e);
	}
	assert_int_equal(e.id, STG_ID_DISK_FULL);
	raw_run(raw_last, "PRAGMA max_page_count = 100000");
	json_t *all;
	OK((all = stg_store_inventory(st.s, "", 0, err)) != NULL);
	assert_int_equal(json_array_size(all), done - 1);
	json_decref(all);
	struct stg_identity who = phone(9000);
	OK(stg_store_device_put(st.s, &who, NULL, err));
	state_remove(&st);
}

static bool write_proc(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* A disk of our own, as any user may have one in a namespace; false where the kernel does not allow it. */
static bool small_disk(const char *dir)
{
	char map[64];
	int uid = (int)getuid(), gid = (int)getgid();
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
		return false;
	snprintf(map, sizeof(map), "0 %d 1", uid);
	if (!write_proc("/proc/self/setgroups", "deny") || !write_proc("/proc/self/uid_map", map))
		return false;
	snprintf(map, sizeof(map), "0 %d 1", gid);
	return write_proc("/proc/self/gid_map", map) && mount("tmpfs", dir, "tmpfs", 0, "size=90m") == 0;
}

static bool fill_up(const char *dir, char path[300])
{
	static char block[65536];
	snprintf(path, 300, "%s/fill", dir);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	while (fd >= 0 && write(fd, block, sizeof(block)) > 0)
		;
	while (fd >= 0 && write(fd, block, 4096) > 0)
		;
	return fd >= 0 && close(fd) == 0;
}

enum { NO_DISK = 77 };

static int end_a_job_on_a_full_disk(const char *dir)
{
	struct stg_error e = { 0 };
	char state[256], fill[300];
	struct stg_identity who = phone(1), next = phone(2);
	int64_t id;
	if (!small_disk(dir))
		return NO_DISK;
	snprintf(state, sizeof(state), "%s/state", dir);
	struct stg_store *s = stg_store_open(state, STG_STORE_PRODUCTION, &e);
	if (!s)
		return 1;
	state_key(s);
	int64_t job = job_for(s, &who, NULL, 0);
	run_steps(s, job);
	if (!stg_store_device_put(s, &next, &id, &e) || !fill_up(dir, fill))
		return 2;
	/* what runs is ended and told */
	if (!stg_store_job_finish(s, job, STG_JOB_DONE, STG_END_STAGED, NULL, &who, NULL, NULL, &e))
		return 3;
	/* nothing new begins */
	json_t *more = json_pack("{s:s,s:s}", "family", "apple", "unit", next.unit);
	if (stg_store_job_add(s, more, &id, &e) || e.id != STG_ID_DISK_FULL)
		return 4;
	/* and with room again it does, without repair */
	if (unlink(fill) != 0 || !stg_store_job_add(s, more, &id, &e))
		return 5;
	json_decref(more);
	stg_store_close(s);
	return 0;
}

static void on_a_full_disk_what_runs_is_ended_and_nothing_new_begins(void **unused)
{
	(void)unused;
	struct state st = { 0 };
	int status;
	state_folder(&st);
	pid_t pid = fork();
	if (pid == 0)
		_exit(end_a_job_on_a_full_disk(st.dir));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	state_remove(&st);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_DISK)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void readers_see_commits_only_and_never_write(void **unused)
{
	(void)unused;
	struct state st;
	struct stat before, after;
	char wal[256];
	struct stg_store *reader;
	struct stg_identity who = phone(1), found;
	int64_t id;
	state_open(&st);
	OK((reader = stg_store_open_read(st.dir, err)) != NULL);
	OK(stg_store_begin(st.s, err));
	OK(stg_store_device_put(st.s, &who, &id, err));
	FAILS(stg_store_device_find(reader, "apple", who.unit, &found, err), STG_E_NOT_FOUND, 0);
	OK(stg_store_commit(st.s, err));
	OK(stg_store_device_find(reader, "apple", who.unit, &found, err));
	who = phone(2);
	FAILS(stg_store_device_put(reader, &who, &id, err), STG_E_BUG, 0);
	path_in(&st, "stager.db-wal", wal);
	assert_int_equal(stat(wal, &before), 0);
	stg_store_close(reader);
	assert_int_equal(stat(wal, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	state_remove(&st);
}

static void a_failed_part_of_a_group_undoes_itself_only(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity a = phone(1), b = phone(2), found;
	int64_t id;
	state_open(&st);
	OK(stg_store_begin(st.s, err));
	OK(stg_store_savepoint(st.s, err));
	OK(stg_store_device_put(st.s, &a, &id, err));
	OK(stg_store_release(st.s, err));
	OK(stg_store_savepoint(st.s, err));
	OK(stg_store_device_put(st.s, &b, &id, err));
	FAILS(stg_store_job_move(st.s, 77, STG_JOB_RUNNING, NULL, err), STG_E_NOT_FOUND, STG_ID_UNKNOWN_JOB);
	stg_store_undo(st.s);
	OK(stg_store_commit(st.s, err));
	OK(stg_store_device_find(st.s, "apple", a.unit, &found, err));
	FAILS(stg_store_device_find(st.s, "apple", b.unit, &found, err), STG_E_NOT_FOUND, 0);
	state_remove(&st);
}

static void a_clock_that_went_back_is_noticed_and_can_be_accepted(void **unused)
{
	(void)unused;
	struct state st;
	state_open(&st);
	OK(stg_store_set(st.s, "station_name", "bench-07", err));
	OK(stg_store_clock_ok(st.s, err));
	stg_store_close(st.s);
	raw_file(&st, "UPDATE clock_mark SET high_ms = high_ms + 4 * 60000");
	OK((st.s = stg_store_open(st.dir, STG_STORE_ANY, err)) != NULL);
	OK(stg_store_clock_ok(st.s, err));
	stg_store_close(st.s);
	raw_file(&st, "UPDATE clock_mark SET high_ms = high_ms + 4 * 60000");
	OK((st.s = stg_store_open(st.dir, STG_STORE_ANY, err)) != NULL);
	FAILS(stg_store_clock_ok(st.s, err), STG_E_STATION, STG_ID_CLOCK_BACK);
	/* work that goes on does not move the mark down */
	OK(stg_store_set(st.s, "station_name", "bench-08", err));
	FAILS(stg_store_clock_ok(st.s, err), STG_E_STATION, STG_ID_CLOCK_BACK);
	OK(stg_store_clock_accept(st.s, err));
	OK(stg_store_clock_ok(st.s, err));
	state_remove(&st);
}

static void another_stations_key_is_refused(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_secret other = { 0 };
	state_open(&st);
	stg_store_close(st.s);
	OK((st.s = stg_store_open(st.dir, STG_STORE_ANY, err)) != NULL);
	OK(stg_secret_random(&other, 32, err));
	FAILS(stg_store_set_mac_key(st.s, &other, err), STG_E_STATION, STG_ID_MAC_KEY);
	stg_secret_clear(&other);
	state_remove(&st);
}

static void settings_and_sequences_are_kept(void **unused)
{
	(void)unused;
	struct state st;
	int64_t n = 0;
	bool open = false;
	int64_t until = 0;
	state_open(&st);
	OK(stg_store_next(st.s, "attach", &n, err));
	assert_int_equal(n, 1);
	OK(stg_store_next(st.s, "attach", &n, err));
	OK(stg_store_next(st.s, "other", &n, err));
	assert_int_equal(n, 1);
	state_again(&st);
	OK(stg_store_next(st.s, "attach", &n, err));
	assert_int_equal(n, 3);
	OK(stg_store_window(st.s, &open, &until, err));
	assert_true(open);
	OK(stg_store_window_set(st.s, true, stg_wall_ms() - 1, err));
	OK(stg_store_window(st.s, &open, &until, err));
	assert_false(open);
	bool closed = false;
	OK(stg_store_window_lapse(st.s, &closed, err));
	assert_true(closed);
	OK(stg_store_window_lapse(st.s, &closed, err));
	assert_false(closed);
	OK(stg_store_window_set(st.s, true, 0, err));
	OK(stg_store_window_lapse(st.s, &closed, err));
	assert_false(closed);
	OK(stg_store_window(st.s, &open, &until, err));
	assert_true(open);
	OK(stg_store_window_set(st.s, false, 0, err));
	OK(stg_store_window(st.s, &open, &until, err));
	assert_false(open);
	state_remove(&st);
}

/* An hour is counted on the clock nobody sets; after a restart a clock from before the order is not believed. */
static void an_open_line_closes_at_its_hour_whatever_the_wall_clock_says(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_window w;
	int64_t now = stg_wall_ms();
	char text[160];
	state_open(&st);
	OK(stg_store_window_set(st.s, true, now + 60000, err));
	OK(stg_store_window_read(st.s, &w, err));
	assert_true(stg_window_is_open(&w));
	assert_true(stg_window_left_ms(&w) <= 60000);
	/* somebody set the wall clock back by a year since: the hour on the wall is far, the minute has passed all the same */
	w.until_ms += INT64_C(31536000000);
	w.until_boot_ms = stg_boot_ms() - 1;
	assert_false(stg_window_is_open(&w));
	snprintf(text, sizeof(text), "%lld %lld another-boot 5", (long long)(now + 60000), (long long)(now - 1000));
	OK(stg_store_set(st.s, "window_until", text, err));
	OK(stg_store_window_read(st.s, &w, err));
	assert_true(stg_window_is_open(&w));
	snprintf(text, sizeof(text), "%lld %lld another-boot 5", (long long)(now + 7200000), (long long)(now + 3600000));
	OK(stg_store_set(st.s, "window_until", text, err));
	OK(stg_store_window_read(st.s, &w, err));
	assert_false(stg_window_is_open(&w));
	/* as an earlier version wrote it */
	snprintf(text, sizeof(text), "%lld", (long long)(now + 60000));
	OK(stg_store_set(st.s, "window_until", text, err));
	OK(stg_store_window_read(st.s, &w, err));
	assert_true(stg_window_is_open(&w));
	state_remove(&st);
}

static void ports_are_named_as_people_name_them(void **unused)
{
	(void)unused;
	struct state st;
	json_t *list;
	state_open(&st);
	for (int i = 1; i <= 4; i++) {
		char port[16], label[16];
		snprintf(port, sizeof(port), "1-1.%d", i);
		snprintf(label, sizeof(label), "A%d", i);
		OK(stg_store_port_put(st.s, port, label, 0, err));
	}
	OK((list = stg_store_port_resolve(st.s, "A2-A4", err)) != NULL);
	assert_int_equal(json_array_size(list), 3);
	json_decref(list);
	OK((list = stg_store_port_resolve(st.s, "1-1.3", err)) != NULL);
	assert_string_equal(json_string_value(json_array_get(list, 0)), "1-1.3");
	json_decref(list);
	OK((list = stg_store_port_resolve(st.s, "a1", err)) != NULL);
	assert_string_equal(json_string_value(json_array_get(list, 0)), "1-1.1");
	json_decref(list);
	OK((list = stg_store_port_resolve(st.s, "2-1.4.7", err)) != NULL);   /* nothing was ever plugged in there */
	json_decref(list);
	FAILS(stg_store_port_resolve(st.s, "B9", err), STG_E_NOT_FOUND, STG_ID_UNKNOWN_PORT);
	FAILS(stg_store_port_resolve(st.s, "", err), STG_E_NOT_FOUND, STG_ID_UNKNOWN_PORT);
	/* a label that moves leaves its old socket */
	OK(stg_store_port_put(st.s, "1-1.4", "A1", -1, err));
	OK((list = stg_store_port_resolve(st.s, "A1", err)) != NULL);
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_string_value(json_array_get(list, 0)), "1-1.4");
	json_decref(list);
	state_remove(&st);
}

int main(void)
{
	raw_begin();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_opener_is_told_who_holds_the_state),
		cmocka_unit_test(the_lock_dies_with_its_holder),
		cmocka_unit_test(rehearsal_and_production_never_mix),
		cmocka_unit_test(a_newer_or_foreign_or_broken_file_is_refused_and_left_alone),
		cmocka_unit_test(the_files_are_for_nobody_else),
		cmocka_unit_test(an_unwritable_folder_is_one_sentence),
		cmocka_unit_test(a_full_disk_refuses_and_loses_nothing),
		cmocka_unit_test(no_page_left_is_told_as_a_full_disk),
		cmocka_unit_test(on_a_full_disk_what_runs_is_ended_and_nothing_new_begins),
		cmocka_unit_test(readers_see_commits_only_and_never_write),
		cmocka_unit_test(a_failed_part_of_a_group_undoes_itself_only),
		cmocka_unit_test(a_clock_that_went_back_is_noticed_and_can_be_accepted),
		cmocka_unit_test(another_stations_key_is_refused),
		cmocka_unit_test(settings_and_sequences_are_kept),
		cmocka_unit_test(an_open_line_closes_at_its_hour_whatever_the_wall_clock_says),
		cmocka_unit_test(ports_are_named_as_people_name_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
