/*
 * jq.c - the field maps of connectors, run where they can do no harm.
 *
 * For:    request.c (bodies) and delivery.c (receipts).
 * Uses:   libjq, in a helper process of its own; this is the only file that includes it.
 * Called: by the push thread and by commands; calls are taken one after the other.
 * Thread: any.
 * Facts:  libjq 1.6 needs about 20 ms to compile a program, has no step limit and reads the environment (decisions.md 23).
 *         So the helper keeps compiled programs, has an empty environment, no descriptor but its socket, 64 MiB of its own
 *         and 5 s for a call, after which it is killed and made anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <jq.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stager/message.h>

#include "parts.h"

#define CALL_TIMEOUT_MS 5000
#define CALL_TIMEOUT_WATCHED_MS 40000    /* under valgrind or a sanitizer, on a busy machine */
#define MEMORY_BYTES (64u << 20)
#define PROGRAMS_MAX 32
#define OUTPUTS_MAX 100000
#define OUTPUT_BYTES_MAX ((size_t)PUSH_BODY_MAX - 65536)    /* a message holds it with its frame */

/* ---- the helper's side ---- */

struct program {
	char *text;
	jq_state *jq;
};

static void keep_first(void *ctx, jv msg)
{
	char *into = ctx;
	if (!*into) {
		jv text = jq_format_error(msg);
		stg_printable(jv_get_kind(text) == JV_KIND_STRING ? jv_string_value(text) : "error", true, into, 200);
		jv_free(text);
	} else {
		jv_free(msg);
	}
}

static void forget(struct program *all)
{
	for (size_t i = 0; i < PROGRAMS_MAX; i++) {
		if (all[i].jq)
			jq_teardown(&all[i].jq);
		free(all[i].text);
		all[i] = (struct program){ 0 };
	}
}

static jq_state *compiled(struct program *all, const char *text, char said[200])
{
	size_t i = 0;
	while (i < PROGRAMS_MAX && all[i].text && strcmp(all[i].text, text) != 0)
		i++;
	if (i == PROGRAMS_MAX) {
		i = 0;                  /* more connectors than that are rare: begin anew */
		forget(all);
	}
	if (!all[i].text) {
		jq_state *jq = jq_init();
		if (!jq)
			return NULL;
		jq_set_error_cb(jq, keep_first, said);
		jq_set_attr(jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
		if (!jq_compile(jq, text)) {
			jq_teardown(&jq);
			return NULL;
		}
		all[i] = (struct program){ .text = stg_strdup(text), .jq = jq };
	}
	jq_set_error_cb(all[i].jq, keep_first, said);
	return all[i].jq;
}

/* Fills answer with {"t":"ok","out":"[...]"} or {"t":"error","text":...}. */
static void run(jq_state *jq, const char *input_text, char said[200], json_t *answer)
{
	STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(OUTPUT_BYTES_MAX);
	jv input = jv_parse(input_text);
	bool ok = jv_is_valid(input) && stg_buf_add(&out, "[", 1, NULL);
	if (!ok) {
		stg_copy(said, 200, "the input is not JSON for jq");
		jv_free(input);
	} else {
		jq_start(jq, input, 0);
	}
	for (int count = 0; ok; count++) {
		jv one = jq_next(jq);
		if (!jv_is_valid(one)) {
			/* the end; with a message it is an error */
			jv msg = jv_invalid_get_msg(one);
			if (jv_get_kind(msg) == JV_KIND_STRING)
				stg_printable(jv_string_value(msg), true, said, 200);
			else if (jv_get_kind(msg) != JV_KIND_NULL || jq_halted(jq))
				stg_copy(said, 200, "the program stopped with an error");
			jv_free(msg);
			break;
		}
		jv text = jv_dump_string(one, JV_PRINT_SORTED);
		ok = count < OUTPUTS_MAX && (!count || stg_buf_add(&out, ",", 1, NULL)) &&
		     stg_buf_add(&out, jv_string_value(text), (size_t)jv_string_length_bytes(jv_copy(text)), NULL);
		jv_free(text);
		if (!ok)
			stg_copy(said, 200, "the program makes too much output");
	}
	if (*said)
		ok = false;
	if (ok && stg_buf_add(&out, "]", 1, NULL)) {
		stg_json_put(answer, "t", "ok");
		stg_json_put_new(answer, "out", json_stringn((const char *)out.data, out.len));
	} else {
		stg_json_put(answer, "t", "error");
		stg_json_put(answer, "text", *said ? said : "jq stopped");
	}
}

/* Nothing but computing and its one socket. */
static void shut_in(void)
{
	static const int allowed[] = {
		SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(poll),
		SCMP_SYS(ppoll), SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect), SCMP_SYS(madvise),
		SCMP_SYS(futex), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(clock_gettime),
		SCMP_SYS(gettimeofday), SCMP_SYS(getrandom), SCMP_SYS(close), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(tgkill),
		SCMP_SYS(restart_syscall), SCMP_SYS(newfstatat),
	};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	bool ok = filter && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
	for (size_t i = 0; ok && i < STG_ARRAY_LEN(allowed); i++)
		ok = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0) == 0;
	if (!ok || seccomp_load(filter) != 0)
		_exit(3);
	seccomp_release(filter);
}

/* 64 MiB above what the fork brought along. */
static void limit_memory(void)
{
	long pages[6] = { 0 };
	FILE *f = fopen("/proc/self/statm", "re");
	if (f && fscanf(f, "%ld %ld %ld %ld %ld %ld", &pages[0], &pages[1], &pages[2], &pages[3], &pages[4], &pages[5]) == 6) {
		rlim_t bytes = (rlim_t)pages[5] * (rlim_t)sysconf(_SC_PAGESIZE) + MEMORY_BYTES;
		(void)setrlimit(RLIMIT_DATA, &(struct rlimit){ bytes, bytes });
	}
	if (f)
		fclose(f);
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	(void)setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 0, 0 });
}

/* valgrind and the sanitizers work inside the process they check, and need memory and files for what they find. */
static bool is_watched(void)
{
#ifdef STG_SANITIZED
	return true;
#else
	const char *preload = getenv("LD_PRELOAD");
	return preload && strstr(preload, "/vgpreload_");
#endif
}

/* Ends by _exit() and not by stg_leave(): it is forked from threads, whose stacks a leak checker does not see here. Its
 * leaks are looked for by valgrind, which does. */
_Noreturn static void serve(int fd)
{
	bool is_open = is_watched();
	static struct program programs[PROGRAMS_MAX];
	int null = open("/dev/null", O_RDWR);
	sigset_t none;
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGINT, SIG_IGN);          /* Ctrl-C is the command's to handle; the helper leaves when the socket closes */
	static char *nothing[] = { NULL };
	environ = nothing;                      /* not clearenv(): libjq reads through the pointer */
	for (int i = 0; i < 3 && null >= 0; i++)
		(void)dup2(null, i);
	if (fd != 3)
		(void)dup2(fd, 3);
	(void)close_range(4, ~0u, 0);
	(void)prctl(PR_SET_NAME, "stager-jq");
	if (!is_open) {
		limit_memory();
		(void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 4, 4 });
		shut_in();
	}
	for (bool goes_on = true; goes_on;) {
		int fds[STG_MESSAGE_FDS];
		struct stg_error err = { 0 };
		char said[200] = "";
		STG_AUTO(stg_json_free_at) json_t *ask = stg_message_recv(3, fds, -1, &err);
		if (!ask)
			break;
		STG_AUTO(stg_json_free_at) json_t *answer = json_object();
		jq_state *jq = compiled(programs, stg_json_str(ask, "program"), said);
		if (!jq) {
			stg_json_put(answer, "t", "program");
			stg_json_put(answer, "text", *said ? said : "no memory");
		} else if (json_object_get(ask, "input")) {
			run(jq, stg_json_str(ask, "input"), said, answer);
		} else {
			stg_json_put(answer, "t", "ok");
			stg_json_put(answer, "out", "[]");
		}
		goes_on = stg_message_send(3, answer, NULL, 0, -1, &err);
	}
	forget(programs);
	_exit(0);
}

/* ---- our side ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int helper_fd = -1;
static pid_t helper_pid;

static void helper_stop(void)
{
	if (helper_fd < 0)
		return;
	close(helper_fd);
	helper_fd = -1;
	(void)kill(helper_pid, SIGKILL);
	while (waitpid(helper_pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static bool helper_start(struct stg_error *err)
{
	static pid_t owner;
	int ends[2];
	if (helper_fd >= 0 && owner == getpid())
		return true;
	/* after a fork the helper is our parent's: two of us on one socket would mix their answers */
	if (helper_fd >= 0)
		close(helper_fd);
	helper_fd = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return stg_fail(err, STG_E_IO, errno, "socketpair: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == 0)
		serve(ends[1]);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return stg_fail(err, STG_E_IO, errno, "fork: %s", strerror(errno));
	}
	helper_fd = ends[0];
	helper_pid = pid;
	owner = getpid();
	return true;
}

static json_t *call(const char *program, const json_t *input, struct stg_error *err)
{
	const int timeout_ms = is_watched() ? CALL_TIMEOUT_WATCHED_MS : CALL_TIMEOUT_MS;
	int fds[STG_MESSAGE_FDS];
	STG_AUTO(stg_json_free_at) json_t *ask = json_object();
	stg_json_put(ask, "t", "jq");
	stg_json_put_new(ask, "program", json_string(program));
	if (input) {
		STG_AUTO(stg_free_at) char *text = stg_json_text(input);
		stg_json_put_new(ask, "input", json_string(text));
	}
	STG_AUTO(stg_json_free_at) json_t *answer = NULL;
	pthread_mutex_lock(&lock);
	if (helper_start(err) && stg_message_send(helper_fd, ask, NULL, 0, timeout_ms, err))
		answer = stg_message_recv(helper_fd, fds, timeout_ms, err);
	if (!answer)
		helper_stop();
	pthread_mutex_unlock(&lock);
	if (!answer) {
		if (err && (err->code == STG_E_TIMEOUT || err->code == STG_E_GONE))
			stg_fail_id(err, STG_E_TIMEOUT, STG_ID_CONNECTOR_PROGRAM, 0, "the jq program took more than %d s or 64 MiB", timeout_ms / 1000);
		return NULL;
	}
	const char *t = stg_json_str(answer, "t");
	if (strcmp(t, "ok") != 0) {
		stg_fail_id(err, strcmp(t, "program") == 0 ? STG_E_INPUT : STG_E_REFUSED, STG_ID_CONNECTOR_PROGRAM, 0, "%s", stg_json_str(answer, "text"));
		return NULL;
	}
	return stg_json_parse(stg_bytes_str(stg_json_str(answer, "out")), PUSH_BODY_MAX, err);
}

bool stg_push_begin(struct stg_error *err)
{
	pthread_mutex_lock(&lock);
	bool ok = helper_start(err);
	pthread_mutex_unlock(&lock);
	return ok;
}

json_t *push_jq(const char *program, const json_t *input, struct stg_error *err)
{
	return call(program, input, err);
}

bool push_jq_compiles(const char *program, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *nothing = call(program, NULL, err);
	return nothing != NULL;
}
