/*
 * worker_side.h - the station's end of a worker's channel, for tests: starts a worker process, says go, answers what it
 * asks, and keeps every word of it.
 */
#ifndef TESTS_WORKER_SIDE_H
#define TESTS_WORKER_SIDE_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <stager/blueprint.h>
#include <stager/driver.h>
#include <stager/error.h>
#include <stager/leave.h>
#include <stager/message.h>
#include <stager/worker.h>

#define SIDE_TIMEOUT_MS 120000

struct side {
	int fd;
	pid_t pid;
	json_t *words;                  /* everything the worker said, in order */
	/* The answer to an ask (fields) or NULL with an error. */
	json_t *(*answer)(void *ctx, const char *what, const json_t *ask, struct stg_error *err);
	int fd_with;                    /* set by `answer`: goes along with it and is closed then; 0: none */
	void *ctx;
	/* Called for each message before it is handled; false: hang up and kill the worker. May be NULL. */
	bool (*watch)(void *ctx, const json_t *msg);
	bool hung_up;
};

/* driver NULL: a real worker, with sandbox, that finds its driver itself. */
static inline void side_start(struct side *s, const struct stg_driver *driver)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	fflush(NULL);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0) {
		close(pair[0]);
		stg_leave(driver ? stg_worker_serve(pair[1], driver) : stg_worker_main(pair[1]));
	}
	close(pair[1]);
	s->fd = pair[0];
	s->hung_up = false;
	if (!s->words)
		s->words = json_array();
}

static inline void side_send(struct side *s, json_t *msg)
{
	struct stg_error err = { 0 };
	if (!stg_message_send(s->fd, msg, NULL, 0, SIDE_TIMEOUT_MS, &err))
		fail_msg("send %s: %s", stg_json_str(msg, "t"), err.msg);
	json_decref(msg);
}

static inline json_t *side_next(struct side *s)
{
	struct stg_error err = { 0 };
	json_t *m = stg_message_recv(s->fd, NULL, SIDE_TIMEOUT_MS, &err);
	if (!m)
		fail_msg("the worker said nothing more: %s", err.msg);
	json_array_append(s->words, m);
	return m;
}

static inline json_t *side_word(const char *t)
{
	json_t *m = json_object();
	stg_json_put(m, "t", t);
	return m;
}

static inline void side_answer(struct side *s, const json_t *ask)
{
	struct stg_error err = { 0 };
	json_t *a = s->answer ? s->answer(s->ctx, stg_json_str(ask, "what"), ask, &err) : NULL;
	if (!a) {
		a = json_object();
		if (err.code == STG_OK)
			stg_fail(&err, STG_E_UNSUPPORTED, 0, "not in this test");
		stg_json_put_new(a, "error", stg_json_from_error(&err));
	}
	stg_json_put(a, "t", "answer");
	stg_json_put_int(a, "q", stg_json_int(ask, "q", -1));
	struct stg_error why = { 0 };
	if (!stg_message_send(s->fd, a, &s->fd_with, s->fd_with > 0, SIDE_TIMEOUT_MS, &why))
		fail_msg("answer: %s", why.msg);
	json_decref(a);
	if (s->fd_with > 0)
		close(s->fd_with);
	s->fd_with = 0;
}

static inline void side_hang_up(struct side *s)
{
	kill(s->pid, SIGKILL);
	close(s->fd);
	s->fd = -1;
	s->hung_up = true;
}

/* Handles everything until a message of this kind; returns it (borrowed), NULL when `watch` hung up. */
static inline const json_t *side_until(struct side *s, const char *kind)
{
	for (;;) {
		json_t *m = side_next(s);
		const char *t = stg_json_str(m, "t");
		json_decref(m); /* words keeps it */
		if (s->watch && !s->watch(s->ctx, m)) {
			side_hang_up(s);
			return NULL;
		}
		if (strcmp(t, kind) == 0)
			return m;
		if (strcmp(t, "ask") == 0)
			side_answer(s, m);
		else if (strcmp(t, "step_begin") == 0 || (strcmp(t, "step_end") == 0 && json_object_get(m, "next")))
			side_send(s, side_word("go"));
		else if (strcmp(t, "finished") == 0)
			fail_msg("finished '%s' (%s) before '%s'", stg_json_str(m, "end"), stg_json_str(json_object_get(m, "why"), "msg"), kind);
	}
}

static inline int side_wait(struct side *s)
{
	int status = -1;
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	return status;
}

static inline void side_clear(struct side *s)
{
	json_decref(s->words);
	s->words = NULL;
}

/* The first message; blueprint NULL: an intake. */
static inline json_t *side_job(const char *phase, const struct stg_arrival *a, const struct stg_job *job, const char *mux)
{
	json_t *m = side_word("job");
	stg_json_put_int(m, "v", STG_MESSAGE_VERSION);
	stg_json_put(m, "phase", phase);
	stg_json_put(m, "mux", mux);
	stg_json_put_new(m, "arrival", stg_arrival_json(a));
	stg_json_put_new(m, "job", stg_job_json(job));
	return m;
}

/* The last end of this step, or NULL. */
static inline const json_t *side_end_of(const struct side *s, const char *key)
{
	const json_t *found = NULL;
	for (size_t i = 0; i < json_array_size(s->words); i++) {
		const json_t *m = json_array_get(s->words, i);
		if (strcmp(stg_json_str(m, "t"), "step_end") == 0 && strcmp(stg_json_str(m, "key"), key) == 0)
			found = m;
	}
	return found;
}

static inline const char *side_outcome(const struct side *s, const char *key)
{
	const json_t *m = side_end_of(s, key);
	return m ? stg_json_str(m, "outcome") : "(none)";
}

static inline int side_count(const struct side *s, const char *t)
{
	int n = 0;
	for (size_t i = 0; i < json_array_size(s->words); i++)
		n += strcmp(stg_json_str(json_array_get(s->words, i), "t"), t) == 0;
	return n;
}

/* Keeps the rows a journal would have: one for each beginning, and for each end without one. */
static inline json_t *side_rows(const struct side *s)
{
	json_t *rows = json_array();
	for (size_t i = 0; i < json_array_size(s->words); i++) {
		json_t *m = json_array_get(s->words, i);
		const char *t = stg_json_str(m, "t"), *outcome = stg_json_str(m, "outcome");
		if (strcmp(t, "step_end") == 0) {
			json_t *row = NULL;
			for (size_t k = 0; k < json_array_size(rows); k++) {
				json_t *open = json_array_get(rows, k);
				if (!json_object_get(open, "outcome") && strcmp(stg_json_str(open, "key"), stg_json_str(m, "key")) == 0)
					row = open;
			}
			if (!row && strcmp(outcome, "proven") != 0 && strcmp(outcome, "skipped") != 0)
				fail_msg("step %s ended '%s' without a beginning", stg_json_str(m, "key"), outcome);
			if (!row) {
				row = json_pack("{s:s}", "key", stg_json_str(m, "key"));
				json_array_append_new(rows, row);
			}
			stg_json_put(row, "outcome", outcome);
			json_object_set(row, "evidence", json_object_get(m, "evidence"));
		}
		json_t *begin = strcmp(t, "step_begin") == 0 ? m : json_object_get(m, "next");
		if (begin && json_object_get(begin, "asked")) {
			for (size_t k = 0; k < json_array_size(rows); k++)
				if (!json_object_get(json_array_get(rows, k), "outcome"))
					fail_msg("step %s begins while %s has not ended", stg_json_str(begin, "key"),
						 stg_json_str(json_array_get(rows, k), "key"));
			json_array_append_new(rows, json_pack("{s:s, s:O}", "key", stg_json_str(begin, "key"), "asked",
							      json_object_get(begin, "asked")));
		}
	}
	return rows;
}

/* What the journal hands to the next attach; `rows` grows over all attaches of the job. */
static inline void side_journal(const struct side *s, json_t *rows, struct stg_job *job)
{
	STG_AUTO(stg_json_free_at) json_t *now = side_rows(s);
	json_array_extend(rows, now);
	json_decref(job->proven);
	json_decref(job->begun);
	stg_job_hints(rows, &job->proven, &job->begun);
}

#endif
