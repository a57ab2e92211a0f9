/*
 * refresh.c - enrolment profiles are fetched anew while there is a line, before they end; people are forgotten in time.
 *
 * For:    a bench that is offline most days: what lives two weeks is renewed in the window, by nobody.
 * Uses:   the operations profile.fetched, profile.fetch and profile.keep, as a person would; the recorder, the outside queue.
 * Called: window.c (the line opened), station.c (start, stop).
 * Thread: the main loop's; each part of an operation on the thread it wants.
 *
 * One at a time. What fails is tried again an hour later, while the line is open.
 */
#include <stdlib.h>

#include <stager/clock.h>
#include <stager/op.h>

#include "station_i.h"

#define AGAIN_MS (3600 * 1000LL)

static const struct stg_tag tag = { .room = "fetch" };

struct refresh {
	struct stg_station *station;
	sd_event_source *timer;
	json_t *due;                 /* names still to be fetched */
	bool under_way;
};

/* An operation of the station's own. */
struct act {
	struct refresh *r;
	const char *op;
	json_t *in, *ret;
	bool (*outside)(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err);
	void *carry;
	void (*carry_free)(void *carry);
	queue_done then;
};

static void act_free(struct act *a)
{
	if (a->carry)
		a->carry_free(a->carry);
	json_decref(a->in);
	json_decref(a->ret);
	free(a);
}

static struct stg_op_ctx context(const struct act *a, struct stg_store *store)
{
	const struct stg_station *s = a->r->station;
	return (struct stg_op_ctx){ .store = store, .keys = s->keys, .state_dir = s->state_dir, .actor = "station", .rehearsal = s->rehearsal, .carry = a->carry };
}

static bool act_outside(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct act *a = arg;
	struct stg_op_ctx c = context(a, NULL);
	(void)store;
	return a->outside(&c, a->in, &a->ret, err);
}

static bool act_run(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct act *a = arg;
	struct stg_op_ctx c = context(a, store);
	bool ok = stg_op_find(a->op)->run(&c, a->in, &a->ret, err);
	a->outside = c.outside;
	a->carry = c.carry;
	a->carry_free = c.carry_free;
	return ok;
}

static void act_ran(void *arg, bool ok, const struct stg_error *err)
{
	struct act *a = arg;
	if (ok && a->outside)
		queue_post(a->r->station->outside, act_outside, a->then, a);
	else
		a->then(a, ok, err);
}

/* `in` is taken; `then` frees the act. */
static void act(struct refresh *r, const char *op, json_t *in, queue_done then)
{
	struct act *a = stg_calloc(1, sizeof(*a));
	a->r = r;
	a->op = op;
	a->in = in;
	a->then = then;
	queue_post(r->station->recorder, act_run, act_ran, a);
}

static void next(struct refresh *r);

static void told(const struct act *a, bool ok, const struct stg_error *err)
{
	const char *name = stg_json_str(a->in, "name");
	if (ok)
		stg_log(STG_LOG_NOTICE, &tag, "%s fetched anew%s", name, stg_json_bool(a->ret, "changed", true) ? "" : ": it is the same");
	else if (err->code != STG_E_CANCELLED)
		stg_log_error(STG_LOG_WARNING, &tag, err);
}

static void kept(void *arg, bool ok, const struct stg_error *err)
{
	struct act *a = arg;
	struct refresh *r = a->r;
	told(a, ok, err);
	act_free(a);
	next(r);
}

static void fetched(void *arg, bool ok, const struct stg_error *err)
{
	struct act *a = arg;
	struct refresh *r = a->r;
	if (ok)
		act(r, "profile.keep", json_incref(a->ret), kept);
	else
		told(a, ok, err);
	act_free(a);
	if (!ok)
		next(r);
}

static void next(struct refresh *r)
{
	json_t *in = NULL;
	if (r->station->line_open && !r->station->stopping && json_array_size(r->due)) {
		in = json_object();
		json_object_set(in, "name", json_array_get(r->due, 0));
		json_array_remove(r->due, 0);
	}
	r->under_way = in != NULL;
	if (in)
		act(r, "profile.fetch", in, fetched);
}

static void listed(void *arg, bool ok, const struct stg_error *err)
{
	struct act *a = arg;
	struct refresh *r = a->r;
	size_t i;
	json_t *row;
	if (!ok && err->code != STG_E_CANCELLED)
		stg_log_error(STG_LOG_WARNING, &tag, err);
	json_array_clear(r->due);
	json_array_foreach(a->ret, i, row)
		if (stg_json_bool(row, "due", false))
			json_array_append(r->due, json_object_get(row, "name"));
	act_free(a);
	next(r);
}

static void expired(void *arg, bool ok, const struct stg_error *err)
{
	struct act *a = arg;
	if (!ok && err->code != STG_E_CANCELLED)
		stg_log_error(STG_LOG_WARNING, &tag, err);
	act_free(a);
}

/* Lists of people and owners older than they may be, with or without a line. */
static int on_hour(sd_event_source *src, uint64_t us, void *arg)
{
	struct refresh *r = arg;
	(void)us;
	sd_event_source_set_time(src, (uint64_t)(stg_boot_ms() + AGAIN_MS) * 1000);
	sd_event_source_set_enabled(src, SD_EVENT_ONESHOT);
	if (!r->station->stopping)
		act(r, "people.expire", NULL, expired);
	if (r->station->line_open && !r->under_way) {
		r->under_way = true;
		act(r, "profile.fetched", NULL, listed);
	}
	return 0;
}

void refresh_line(struct stg_station *s)
{
	struct refresh *r = s->refresh;
	if (r && r->timer && s->line_open)
		sd_event_source_set_time(r->timer, (uint64_t)stg_boot_ms() * 1000);
}

bool refresh_start(struct stg_station *s, struct stg_error *err)
{
	struct refresh *r = stg_calloc(1, sizeof(*r));
	r->station = s;
	r->due = json_array();
	s->refresh = r;
	if (sd_event_add_time(s->loop, &r->timer, CLOCK_BOOTTIME, (uint64_t)stg_boot_ms() * 1000, 1000000, on_hour, r) < 0)
		return stg_fail_id(err, STG_E_STATION, STG_ID_START_FAILED, 0, "a timer for fetching");
	return true;
}

/* After the queues have ended: what was under way has come back. */
void refresh_stop(struct stg_station *s)
{
	struct refresh *r = s->refresh;
	if (!r)
		return;
	s->refresh = NULL;
	sd_event_source_disable_unref(r->timer);
	json_decref(r->due);
	free(r);
}
