/*
 * test_file.c - whole files: the old or the new one, never a half, and never more than was allowed.
 *
 * For:    the promise of <stager/file.h>.
 * Uses:   a folder of its own; a forked writer that is killed.
 * Called: by tests/run.sh.
 * Thread: one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/file.h>

static char folder[64];

static int set_up(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/stg-file.XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	char command[100];
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static const char *in(const char *name)
{
	static char path[160];
	assert_true(stg_path_join(path, sizeof(path), folder, name, NULL));
	return path;
}

static size_t files(void)
{
	size_t n = 0;
	DIR *d = opendir(folder);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void missing_large_and_odd_files_are_refused(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(10);
	struct stg_error err = { 0 };
	assert_false(stg_file_read(in("absent"), &b, &err));
	assert_int_equal(err.code, STG_E_NOT_FOUND);
	assert_non_null(strstr(err.msg, "absent"));
	assert_false(stg_file_read(folder, &b, &err));
	assert_int_equal(err.code, STG_E_IO);
	assert_true(stg_file_write(in("large"), stg_bytes_str("eleven byte"), 0600, &err));
	assert_false(stg_file_read(in("large"), &b, &err));
	assert_int_equal(err.code, STG_E_PROTOCOL);
	assert_int_equal(b.len, 0);
	assert_false(stg_file_read("/dev/zero", &b, &err)); /* without an end */
	assert_int_equal(err.code, STG_E_PROTOCOL);
	assert_int_equal(mkfifo(in("fifo"), 0600), 0);      /* nobody writes: must not hang */
	stg_buf_reset(&b);
	(void)stg_file_read(in("fifo"), &b, &err);
	assert_int_equal(b.len, 0);
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(100);
	struct stg_error err = { 0 };
	struct stat st;
	assert_true(stg_file_write(in("a"), stg_bytes("a\0b", 3), 0600, &err));
	assert_int_equal(stat(in("a"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(stg_file_read(in("a"), &b, &err));
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b", 3);
	assert_true(stg_file_write(in("a"), stg_bytes(NULL, 0), 0600, &err));
	stg_buf_reset(&b);
	assert_true(stg_file_read(in("a"), &b, &err));
	assert_int_equal(b.len, 0);
	assert_string_equal(stg_buf_str(&b), "");
	assert_int_equal(files(), 1);
}

static void a_write_that_fails_leaves_the_old_file_and_nothing_beside(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	assert_true(stg_folder_make(in("sub"), 0700, &err));
	assert_false(stg_file_write(in("sub"), stg_bytes_str("x"), 0600, &err)); /* it is a folder */
	assert_int_equal(err.code, STG_E_IO);
	assert_false(stg_file_write(in("no/such/folder"), stg_bytes_str("x"), 0600, &err));
	assert_int_equal(err.code, STG_E_IO);
	assert_int_equal(files(), 1);
}

static void a_killed_writer_leaves_the_old_or_the_new_file(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(1u << 20);
	for (int i = 0; i < 4096; i++)
		assert_true(stg_buf_add_str(&text, "0123456789abcdef", NULL));
	char path[160];
	stg_copy(path, sizeof(path), in("kept"));
	assert_true(stg_file_write(path, stg_buf_view(&text), 0600, NULL));
	for (int round = 0; round < 10; round++) {
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			for (;;) {
				text.data[0] = (uint8_t)('a' + rand() % 26);
				if (!stg_file_write(path, stg_buf_view(&text), 0600, NULL))
					_exit(1);
			}
		}
		/* until it has written at least once more, then at some instant */
		struct stat before, now;
		assert_int_equal(stat(path, &before), 0);
		do {
			assert_int_equal(stat(path, &now), 0);
		} while (now.st_ino == before.st_ino && waitpid(child, NULL, WNOHANG) == 0);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(1u << 20);
		assert_true(stg_file_read(path, &b, NULL));
		assert_int_equal(b.len, text.len);
		assert_memory_equal(b.data + 1, text.data + 1, text.len - 1);
	}
}

static void folders_are_made_once_and_again(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	struct stat st;
	assert_true(stg_folder_make(in("a/b//c/"), 0700, &err));
	assert_true(stg_folder_make(in("a/b/c"), 0700, &err));
	assert_int_equal(stat(in("a/b/c"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_true(stg_folder_make("/", 0700, &err));
	assert_true(stg_file_write(in("file"), stg_bytes_str("x"), 0600, &err));
	assert_false(stg_folder_make(in("file"), 0700, &err));
	assert_int_equal(err.code, STG_E_IO);
	assert_false(stg_folder_make(in("file/sub"), 0700, &err));
	assert_false(stg_folder_make("", 0700, &err));
}

static void paths_are_joined_with_one_slash(void **state)
{
	(void)state;
	char path[8];
	struct stg_error err = { 0 };
	assert_true(stg_path_join(path, sizeof(path), "/a", "b", &err));
	assert_string_equal(path, "/a/b");
	assert_true(stg_path_join(path, sizeof(path), "/a/", "b", &err));
	assert_string_equal(path, "/a/b");
	assert_false(stg_path_join(path, sizeof(path), "/a/b", "long", &err));
	assert_int_equal(err.code, STG_E_PROTOCOL);
}

/* A process that holds the lock, shared as workers do, until something is written to it or it is killed. */
static pid_t holder(int ret_pipe[2])
{
	int ready[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(ret_pipe), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int fd = open(in("lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		bool ok = fd >= 0 && flock(fd, LOCK_SH) == 0 && write(ready[1], "", 1) == 1 && read(ret_pipe[0], &byte, 1) >= 0;
		_exit(ok ? 0 : 1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void a_lock_is_waited_for_until_it_is_free_and_no_longer_than_told(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	int tell[2], status;
	pid_t pid = holder(tell);
	int fd = open(in("lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_false(stg_lock_wait(fd, 30, &err));
	assert_int_equal(err.code, STG_E_TIMEOUT);
	stg_error_reset(&err);
	assert_false(stg_lock_wait(fd, 0, &err));
	assert_int_equal(err.code, STG_E_TIMEOUT);
	/* killed a little later, most likely while we wait: right either way */
	pid_t killer = fork();
	if (killer == 0) {
		struct timespec soon = { .tv_nsec = 100000000 };
		nanosleep(&soon, NULL);
		kill(pid, SIGKILL);
		_exit(0);
	}
	assert_true(stg_lock_wait(fd, 60000, &err));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(waitpid(killer, &status, 0), killer);
	close(fd);
	assert_false(stg_lock_wait(fd, 10, &err));
	assert_int_equal(err.code, STG_E_IO);
	close(tell[0]);
	close(tell[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(missing_large_and_odd_files_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_write_that_fails_leaves_the_old_file_and_nothing_beside, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_killed_writer_leaves_the_old_or_the_new_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_written_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(folders_are_made_once_and_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_lock_is_waited_for_until_it_is_free_and_no_longer_than_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(paths_are_joined_with_one_slash, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
