/*
 * pushing.c - the push thread: results leave as soon as there is a line.
 *
 * For:    station.c.
 * Uses:   <stager/push.h>; the recorder for every word it writes.
 * Called: station.c (start, stop), finish.c and cache.c (wake).
 * Thread: its own. It never touches the database: what it takes, settles and notes is done on the recorder's thread.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <stager/clock.h>
#include <stager/push.h>

#include "station_i.h"

#define MOST_WAIT_MS 60000

static const struct stg_tag tag = { .room = "push" };

struct push_thread {
	struct stg_station *station;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool woken, stopping, at_once, line_open;
	char only[64];               /* the target a person asked for, "" = all */
	struct stg_stop *stop;
};

/* One call over to the recorder; `kind` says which. */
struct call {
	enum { TARGETS, CREDENTIALS, TAKE, SETTLE, SETTLE_MANY, NOTE } kind;
	struct stg_station *station;
	const char *target, *state, *text;
	int64_t n, ms;
	const json_t *answer;
	json_t *ret;
	struct stg_secret *secret;
};

static bool run(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct call *c = arg;
	switch (c->kind) {
	case TARGETS:
		c->ret = stg_store_targets(store, err);
		return c->ret != NULL;
	case CREDENTIALS: {
		STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(1 << 20);
		STG_AUTO(stg_json_free_at) json_t *row = stg_store_target(store, c->target, &sealed, err);
		return row && (!sealed.len ||
			       stg_keys_open_sealed(c->station->keys, "target", stg_buf_view(&sealed), c->secret, err));
	}
	case TAKE:
		c->ret = stg_store_outbox_take(store, c->target, c->n, stg_boot_ms(), err);
		return c->ret != NULL;
	case SETTLE:
		return stg_store_outbox_settle(store, c->n, c->state, c->ms, c->answer, err);
	case SETTLE_MANY:
		return stg_store_outbox_settle_many(store, c->answer, err);
	case NOTE:
		return stg_store_target_note(store, c->target, c->state, c->ms, c->text, err);
	}
	return stg_fail(err, STG_E_BUG, 0, "an unknown call");
}

static json_t *targets(void *ctx, struct stg_error *err)
{
	struct push_thread *p = ctx;
	struct call c = { .kind = TARGETS, .station = p->station };
	return queue_call(p->station->recorder, run, &c, err) ? c.ret : NULL;
}

static bool credentials(void *ctx, const char *target, struct stg_secret *ret, struct stg_error *err)
{
	struct push_thread *p = ctx;
	struct call c = { .kind = CREDENTIALS, .station = p->station, .target = target, .secret = ret };
	return queue_call(p->station->recorder, run, &c, err);
}

static json_t *take(void *ctx, const char *target, int64_t most, struct stg_error *err)
{
	struct push_thread *p = ctx;
	struct call c = { .kind = TAKE, .station = p->station, .target = target, .n = most };
	if (queue_call(p->station->recorder, run, &c, err))
		return c.ret;
	json_decref(c.ret);
	return NULL;
}

static bool settle(void *ctx, int64_t id, const char *state, int64_t not_before_ms, const json_t *answer, struct stg_error *err)
{
	struct push_thread *p = ctx;
	struct call c = { .kind = SETTLE, .station = p->station, .n = id, .state = state, .ms = not_before_ms, .answer = answer };
	return queue_call(p->station->recorder, run, &c, err);
}

static bool settle_many(void *ctx, const json_t *outcomes, struct stg_error *err)
{
	struct push_thread *p = ctx;
	struct call c = { .kind = SETTLE_MANY, .station = p->station, .answer = outcomes };
	return queue_call(p->station->recorder, run, &c, err);
}

static bool note(void *ctx, const char *target, const char *state, int64_t not_before_ms, const char *text, struct stg_error *err)
{
	struct push_thread *p = ctx;
	struct call c = { .kind = NOTE, .station = p->station, .target = target, .state = state, .ms = not_before_ms, .text = text };
	return queue_call(p->station->recorder, run, &c, err);
}

struct told {
	struct stg_station *station;
	char target[64], what[32];
	int64_t count;
};

static bool told_run(struct stg_store *store, void *arg, struct stg_error *err)
{
	(void)store, (void)arg, (void)err;
	return true;
}

static void told_done(void *arg, bool ok, const struct stg_error *err)
{
	struct told *t = arg;
	(void)ok, (void)err;
	socket_event(t->station, json_pack("{s:s, s:s, s:s, s:I}", "what", "push", "target", t->target, "state", t->what, "count",
					   (json_int_t)t->count));
	jobs_look(t->station);
	free(t);
}

/* The board hears of it on the main loop's thread, after what it tells is on disk. */
static void event(void *ctx, const char *target, const char *what, int64_t count)
{
	struct push_thread *p = ctx;
	struct told *t = stg_calloc(1, sizeof(*t));
	t->station = p->station;
	stg_copy(t->target, sizeof(t->target), target);
	stg_copy(t->what, sizeof(t->what), what);
	t->count = count;
	queue_post(p->station->recorder, told_run, told_done, t);
}

/* Asked between two requests: one that is under way may end, none begins. */
static bool line(void *ctx)
{
	struct push_thread *p = ctx;
	pthread_mutex_lock(&p->lock);
	bool open = p->line_open;
	pthread_mutex_unlock(&p->lock);
	return open;
}

static void *serve(void *arg)
{
	struct push_thread *p = arg;
	struct stg_push_door door = {
		.ctx = p, .targets = targets, .credentials = credentials, .take = take, .settle = settle, .settle_many = settle_many, .note = note, .event = event,
		.line = line, .rehearsal = p->station->rehearsal, .state_dir = p->station->state_dir,
	};
	for (;;) {
		int64_t delivered = 0, next = INT64_MAX;
		struct stg_error err = { 0 };
		char only[sizeof(p->only)];
		pthread_mutex_lock(&p->lock);
		door.at_once = p->at_once;
		stg_copy(only, sizeof(only), p->only);
		p->at_once = false;
		p->only[0] = 0;
		pthread_mutex_unlock(&p->lock);
		if (!stg_push_round(&door, only[0] ? only : NULL, p->stop, &delivered, &next, &err) && err.code != STG_E_CANCELLED) {
			stg_log_error(STG_LOG_WARNING, &tag, &err);
			next = stg_boot_ms() + 5000;
		}
		pthread_mutex_lock(&p->lock);
		int64_t now = stg_boot_ms(), wait = next == INT64_MAX || next - now > MOST_WAIT_MS ? MOST_WAIT_MS : next - now;
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += wait > 0 ? wait / 1000 : 0;
		until.tv_nsec += wait > 0 ? wait % 1000 * 1000000 : 0;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		while (!p->woken && !p->stopping)
			if (pthread_cond_timedwait(&p->wake, &p->lock, &until) != 0)
				break;
		p->woken = false;
		bool leave = p->stopping;
		pthread_mutex_unlock(&p->lock);
		if (leave)
			return NULL;
	}
}

bool pushing_start(struct stg_station *s, struct stg_error *err)
{
	struct push_thread *p = stg_calloc(1, sizeof(*p));
	pthread_condattr_t attr;
	p->station = s;
	p->line_open = s->line_open;
	p->stop = stg_stop_new(err);
	if (!p->stop) {
		free(p);
		return false;
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&p->thread, NULL, serve, p) != 0) {
		stg_stop_free(p->stop);
		free(p);
		return stg_fail_id(err, STG_E_STATION, STG_ID_START_FAILED, 0, "start the push thread");
	}
	pthread_setname_np(p->thread, "push");
	s->push = p;
	return true;
}

void pushing_wake(struct stg_station *s)
{
	struct push_thread *p = s->push;
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->woken = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

void pushing_line(struct stg_station *s, bool open)
{
	struct push_thread *p = s->push;
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->line_open = open;
	p->woken = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

void pushing_now(struct stg_station *s, const char *target)
{
	struct push_thread *p = s->push;
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->at_once = p->woken = true;
	stg_copy(p->only, sizeof(p->only), target);
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

void pushing_stop(struct stg_station *s)
{
	struct push_thread *p = s->push;
	if (!p)
		return;
	s->push = NULL;
	stg_stop_pull(p->stop);
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	stg_stop_free(p->stop);
	free(p);
}
