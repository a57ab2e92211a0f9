/*
 * _child.c - programs a command starts beside itself.
 *
 * For:    demo, rehearse, stage, devices.
 * Uses:   posix_spawn, base.
 * Called: from those commands.
 * Thread: the command's.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/file.h>
#include <stager/message.h>

#include "_child.h"

#define ANSWER_MAX (16u << 20)

extern char **environ;

/* One line within the deadline; false: none came. */
static bool read_line(int fd, struct stg_buf *line, int64_t timeout_ms)
{
	int64_t until = stg_boot_ms() + timeout_ms;
	for (;;) {
		int64_t left = until - stg_boot_ms();
		struct pollfd p = { .fd = fd, .events = POLLIN };
		char c[4096];
		if (left <= 0 || (poll(&p, 1, (int)left) <= 0 && errno != EINTR))
			return false;
		ssize_t n = read(fd, c, sizeof(c));
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return line->len && line->data[line->len - 1] == '\n';
		if (!stg_buf_add(line, c, (size_t)n, NULL))
			return false;
		if (memchr(c, '\n', (size_t)n))
			return true;
	}
}

bool child_start(struct child *c, char *const argv[], const char *log, int64_t timeout_ms, struct stg_error *err)
{
	int out[2];
	*c = (struct child){ .out = -1 };
	if (pipe2(out, O_CLOEXEC) != 0)
		return stg_fail_id(err, STG_E_STATION, STG_ID_PROGRAM_NOT_READY, errno, "pipe: %s", strerror(errno));
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, out[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (log)
		posix_spawn_file_actions_addopen(&files, STDERR_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	/* a group of its own: Ctrl-C in a terminal reaches the command, which stops its children in order */
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	int failed = posix_spawn(&c->pid, argv[0], &files, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	close(out[1]);
	c->out = out[0];
	if (failed) {
		c->pid = 0;
		child_stop(c, 0);
		return stg_fail_id(err, STG_E_STATION, STG_ID_PROGRAM_NOT_READY, failed, "%s: %s", argv[0], strerror(failed));
	}
	STG_AUTO(stg_buf_clear) struct stg_buf line = STG_BUF(1 << 20);
	if (read_line(c->out, &line, timeout_ms))
		c->ready = stg_json_parse(stg_buf_view(&line), line.len, err);
	else
		stg_fail_id(err, STG_E_STATION, STG_ID_PROGRAM_NOT_READY, 0, "%s%s%s", argv[0], log ? ": " : "", log ? log : "");
	if (!c->ready) {
		child_stop(c, 2000);
		return false;
	}
	if (json_object_get(c->ready, "error")) {
		stg_json_to_error(json_object_get(c->ready, "error"), err);
		child_stop(c, 2000);
		return false;
	}
	return true;
}

/* Everything until the other end closes; false: not within the deadline, or more than fits. */
static bool read_all(int fd, struct stg_buf *ret, int64_t timeout_ms)
{
	int64_t until = stg_boot_ms() + timeout_ms;
	for (;;) {
		int64_t left = until - stg_boot_ms();
		struct pollfd p = { .fd = fd, .events = POLLIN };
		char c[16384];
		if (left <= 0)
			return false;
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		ssize_t n = read(fd, c, sizeof(c));
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return n == 0;
		size_t room = ret->max - ret->len, taken = (size_t)n < room ? (size_t)n : room;
		if (!stg_buf_add(ret, c, taken, NULL) || taken < (size_t)n)
			return false;
	}
}

bool child_output(char *const argv[], int64_t timeout_ms, struct stg_buf *ret, struct stg_error *err)
{
	int out[2], status = 0;
	pid_t pid = 0;
	posix_spawn_file_actions_t files;
	if (pipe2(out, O_CLOEXEC) != 0)
		return stg_fail_id(err, STG_E_STATION, STG_ID_PROGRAM_NOT_READY, errno, "pipe: %s", strerror(errno));
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, out[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	int failed = posix_spawnp(&pid, argv[0], &files, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	close(out[1]);
	bool whole = !failed && read_all(out[0], ret, timeout_ms);
	close(out[0]);
	if (!failed) {
		/* what was not read to its end is of no more use to it either */
		if (!whole)
			kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	if (failed || (whole && status != 0))
		return stg_fail_id(err, STG_E_STATION, STG_ID_PROGRAM_NOT_READY, failed, "%s", argv[0]);
	return whole || stg_fail_id(err, STG_E_STATION, STG_ID_PROGRAM_NOT_READY, 0, "%s", argv[0]);
}

/* Where the kernel gives no descriptor of a process (valgrind 3.19 does not know them), the end of its output tells. */
static bool ends_within(const struct child *c, int64_t grace_ms)
{
	STG_AUTO(stg_close_at) int pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	struct pollfd p = { .fd = pidfd >= 0 ? pidfd : c->out, .events = POLLIN };
	int64_t until = stg_boot_ms() + grace_ms;
	char rest[512];
	for (;;) {
		int64_t left = until - stg_boot_ms();
		int n = left > 0 && p.fd >= 0 ? poll(&p, 1, (int)left) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		if (pidfd >= 0 || read(p.fd, rest, sizeof(rest)) <= 0)
			return true;
	}
}

void child_stop(struct child *c, int64_t grace_ms)
{
	if (c->pid > 0) {
		kill(c->pid, SIGTERM);
		if (!ends_within(c, grace_ms))
			kill(c->pid, SIGKILL);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	stg_close_at(&c->out);
	json_decref(c->ready);
	*c = (struct child){ .out = -1 };
}

bool own_program(char *ret, size_t size, struct stg_error *err)
{
	ssize_t n = readlink("/proc/self/exe", ret, size - 1);
	if (n <= 0)
		return stg_fail_id(err, STG_E_STATION, STG_ID_PROGRAM_NOT_READY, errno, "/proc/self/exe: %s", strerror(errno));
	ret[n] = 0;
	return true;
}

bool bench_program(char *ret, size_t size, struct stg_error *err)
{
	if (!own_program(ret, size, err))
		return false;
	/* beside the program in a build tree, in PREFIX/libexec beside PREFIX/bin when it is installed */
	static const char *const places[] = { "/stager-bench", "/../libexec/stager/stager-bench" };
	char *slash = strrchr(ret, '/');
	size_t room = slash ? size - (size_t)(slash - ret) : 0;
	for (size_t i = 0; i < STG_ARRAY_LEN(places); i++)
		if (stg_copy(slash ? slash : ret, room, places[i]) && access(ret, X_OK) == 0)
			return true;
	return stg_fail_id(err, STG_E_STATION, STG_ID_BENCH_MISSING, ENOENT, "%s", ret);
}

json_t *bench_word(const char *control, struct stg_error *err, const char *verb, ...)
{
	const char *path = strncmp(control, "unix:", 5) == 0 ? control + 5 : control;
	STG_AUTO(stg_close_at) int fd = stg_unix_connect(path, err);
	if (fd < 0)
		return NULL;
	STG_AUTO(stg_json_free_at) json_t *ask = json_object();
	json_t *args = json_array();
	va_list ap;
	va_start(ap, verb);
	for (const char *word = va_arg(ap, const char *); word; word = va_arg(ap, const char *))
		json_array_append_new(args, json_string(word));
	va_end(ap);
	stg_json_put(ask, "verb", verb);
	stg_json_put_new(ask, "args", args);
	STG_AUTO(stg_free_at) char *text = stg_json_text(ask);
	STG_AUTO(stg_buf_clear) struct stg_buf line = STG_BUF(ANSWER_MAX);
	if (dprintf(fd, "%s\n", text) < 0 || !read_line(fd, &line, 120000)) {
		stg_fail_id(err, STG_E_TIMEOUT, STG_ID_BENCH_SILENT, 0, "%s", verb);
		return NULL;
	}
	json_t *answer = stg_json_parse(stg_buf_view(&line), ANSWER_MAX, err);
	if (answer && !stg_json_bool(answer, "ok", false)) {
		stg_fail_id(err, STG_E_REFUSED, STG_ID_BENCH_SILENT, 0, "%s: %s", verb, stg_json_str(answer, "error"));
		json_decref(answer);
		return NULL;
	}
	return answer;
}

bool station_needed(struct stg_caller *caller, struct child *c, struct stg_error *err)
{
	*c = (struct child){ .out = -1 };
	if (caller->fd >= 0)
		return true;
	char self[4096], actor[64], state[512];
	if (!own_program(self, sizeof(self), err))
		return false;
	stg_copy(actor, sizeof(actor), caller->actor);
	stg_copy(state, sizeof(state), caller->state_dir);
	stg_caller_close(caller);    /* the station takes the state's lock */
	char *argv[] = { self, "run", "--state", state, "--with-parent", NULL };
	/* what it logs is not what this command was asked; why it cannot start comes back with its first line */
	char log[640];
	snprintf(log, sizeof(log), "%s/station.log", state);
	const char *to = getenv("STAGER_LOG") ? NULL : access(state, W_OK) == 0 ? log : "/dev/null";
	if (!child_start(c, argv, to, 60000, err))
		return false;
	if (stg_caller_open(caller, state, actor, err) && caller->fd >= 0)
		return true;
	station_release(caller, c);
	return false;
}

void station_release(struct stg_caller *caller, struct child *c)
{
	if (c->pid > 0) {
		stg_caller_close(caller);
		child_stop(c, 60000);
	}
}
