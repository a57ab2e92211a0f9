/* bench_lib.h - a virtual bench in a process of its own, for tests that speak to it through libimobiledevice. */
#ifndef PEERS_BENCH_LIB_H
#define PEERS_BENCH_LIB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <spawn.h>
#include <stager/bytes.h>
#include <stager/error.h>
#include <stager/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct bench {
	char dir[64];
	pid_t pid;
	FILE *out;
	json_t *ready;
	char udid[2][64];
};

static const char *bench_program(void)
{
	const char *p = getenv("STAGER_BENCH");

	return p ? p : "build/stager-bench";
}

/* Asks the control socket; the answer is the caller's. */
static inline json_t *bench_ctl(struct bench *b, const char *words)
{
	char command[512], text[1 << 16];
	json_t *answer;
	FILE *f;
	size_t n;

	snprintf(command, sizeof(command), "%s ctl unix:%s/ctl %s", bench_program(), b->dir, words);
	f = popen(command, "r");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text), f);
	assert_int_equal(pclose(f), 0);
	answer = stg_json_parse(stg_bytes(text, n), sizeof(text), NULL);
	assert_non_null(answer);
	return answer;
}

static inline void bench_do(struct bench *b, const char *words)
{
	json_decref(bench_ctl(b, words));
}

/* One text of what the bench knows of a device. */
static inline void bench_assert_text(struct bench *b, int device, const char *key, const char *wanted)
{
	char words[128];
	json_t *all;

	snprintf(words, sizeof(words), "show %s", b->udid[device]);
	all = bench_ctl(b, words);
	assert_string_equal(stg_json_str(json_object_get(all, "device"), key), wanted);
	json_decref(all);
}

/* Two iPhones, at pace instant, with one more option ("" for none). Every client finds it by the environment. */
static inline void bench_start(struct bench *b, const char *option)
{
	char mux[96], control[96], address[96], line[8192];
	char *argv[] = { (char *)(uintptr_t)bench_program(), "--iphones", "2", "--pace", "instant", "--with-parent", "--usbmuxd", mux, "--control",
			 control, *option ? (char *)(uintptr_t)option : NULL, NULL };
	posix_spawn_file_actions_t actions;
	json_t *list;
	int out[2];

	signal(SIGPIPE, SIG_IGN);   /* libimobiledevice writes to sockets that have gone */
	memset(b, 0, sizeof(*b));
	snprintf(b->dir, sizeof(b->dir), "/tmp/peers.XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(mux, sizeof(mux), "unix:%s/mux", b->dir);
	snprintf(control, sizeof(control), "unix:%s/ctl", b->dir);
	assert_int_equal(pipe(out), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, out[0]);
	posix_spawn_file_actions_addclose(&actions, out[1]);
	assert_int_equal(posix_spawn(&b->pid, argv[0], &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(out[1]);
	b->out = fdopen(out[0], "r");
	assert_non_null(fgets(line, sizeof(line), b->out));
	b->ready = stg_json_parse(stg_bytes_str(line), sizeof(line), NULL);
	assert_non_null(b->ready);
	snprintf(address, sizeof(address), "UNIX:%s/mux", b->dir);
	setenv("USBMUXD_SOCKET_ADDRESS", address, 1);
	list = bench_ctl(b, "list");
	for (size_t i = 0; i < 2; i++)
		stg_copy(b->udid[i], sizeof(b->udid[i]),
			 stg_json_str(json_array_get(json_object_get(list, "devices"), i), "udid"));
	json_decref(list);
}

static inline void bench_stop(struct bench *b)
{
	char command[128];
	int status = 0;

	kill(b->pid, SIGTERM);
	assert_int_equal(waitpid(b->pid, &status, 0), b->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	fclose(b->out);
	json_decref(b->ready);
	snprintf(command, sizeof(command), "rm -rf %s", b->dir);
	assert_int_equal(system(command), 0);
}

#endif
