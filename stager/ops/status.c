/*
 * status.c - the five lines, and what else is known without a device being asked.
 *
 * For:    `stager status`, `stager devices` without a station, `stager doctor`.
 * Uses:   the store; _expiry.c for what ends first.
 * Called: as operations.
 * Thread: the recorder's.
 *
 *   ("id" and "code" of a reason are the same number, a row of errors.def)
 *
 *   status         {} -> {"v":1, "station":"bench-07", "station_id", "kind":"production|rehearsal",
 *                   "batches":[{"name","blueprint","state","balance":{expected,staged,waiting,hold,failed,missing,running,unexpected}}] (started
 *                   and paused ones; else the newest), "ports":{"known","allowed","busy"}, "jobs":{"running","waiting","hold"},
 *                   "hand":{"waiting", "next":{"job","serial","port","label","state","wait","id","code","msg"}} (parked for a person or a charge, on hold or interrupted),
 *                   "line":{"open", "until_ms"}, "outbox":{"waiting","delivered","oldest_ms","by_target":[...]},
 *                   "expiry":{"what": a kind of _expiry.h,"name","subject","text","not_after_ms"} (absent: nothing expires),
 *                   "clock":{"ok", "quality", "id","msg" when not},
 *                   "queues":{"line","unlock","locked","mdm","restore"} (how many stand in each; absent: none)}
 *   devices.known  {"query","limit"} -> {"v":1,"devices":[inventory rows]}
 *   clock.accept   {"second","second_pin"} -> {"v":1,"accepted":true}; the mark of a clock that once ran fast is taken back
 */
#include <stager/clock.h>
#include <stager/op.h>

#include "_expiry.h"
#include "_outbox.h"

#define KNOWN_MAX 5000             /* what one message holds */

/* ---- batches, ports, hands ---- */

static json_t *batches(struct stg_op_ctx *c, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *all = stg_store_batches(c->store, err);
	if (!all)
		return NULL;
	json_t *list = json_array(), *one;
	size_t i;
	json_array_foreach(all, i, one) {
		const char *state = stg_json_str(one, "state");
		bool last = i + 1 == json_array_size(all) && json_array_size(list) == 0;
		if (strcmp(state, "started") != 0 && strcmp(state, "paused") != 0 && !last)
			continue;
		json_t *told = json_object();
		stg_json_put(told, "name", stg_json_str(one, "name"));
		stg_json_put(told, "blueprint", stg_json_str(one, "blueprint"));
		stg_json_put(told, "state", state);
		stg_json_put_new(told, "balance", json_incref(json_object_get(one, "balance")));
		json_array_append_new(list, told);
	}
	return list;
}

static bool wants_hand(const json_t *job)
{
	const char *state = stg_json_str(job, "state"), *wait = stg_json_str(job, "wait");
	return strcmp(state, "hold") == 0 || strcmp(state, "interrupted") == 0 ||
	       (strcmp(state, "parked") == 0 && (strcmp(wait, "person") == 0 || strcmp(wait, "charge") == 0));
}

static bool put_jobs(struct stg_op_ctx *c, json_t *out, int64_t *ret_busy, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *only_open = json_pack("{s:b}", "open", 1);
	STG_AUTO(stg_json_free_at) json_t *jobs = stg_store_jobs(c->store, only_open, err);
	int64_t running = 0, waiting = 0, hold = 0, hands = 0;
	if (!jobs)
		return false;
	json_t *hand = json_object(), *job;
	size_t i;
	json_array_foreach(jobs, i, job) {
		const char *state = stg_json_str(job, "state");
		running += strcmp(state, "running") == 0;
		waiting += strcmp(state, "parked") == 0 || strcmp(state, "waiting") == 0;
		hold += strcmp(state, "hold") == 0;
		if (wants_hand(job) && hands++ == 0) {
			static const char *const told[] = { "serial", "port", "label", "msg", "wait", "state" };
			json_t *next = json_object();
			for (size_t k = 0; k < STG_ARRAY_LEN(told); k++)
				stg_json_put(next, told[k], stg_json_str(job, told[k]));
			stg_json_put_int(next, "job", stg_json_int(job, "id", 0));
			stg_json_put_int(next, "id", stg_json_int(job, "code", 0));
			stg_json_put_int(next, "code", stg_json_int(job, "code", 0));
			stg_json_put_new(hand, "next", next);
		}
	}
	stg_json_put_int(hand, "waiting", hands);
	stg_json_put_new(out, "hand", hand);
	stg_json_put_new(out, "jobs", json_pack("{s:I,s:I,s:I}", "running", (json_int_t)running, "waiting", (json_int_t)waiting, "hold", (json_int_t)hold));
	*ret_busy = running;
	return true;
}

static json_t *ports(struct stg_op_ctx *c, int64_t busy, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *all = stg_store_ports(c->store, err);
	int64_t allowed = 0;
	size_t i;
	json_t *one;
	if (!all)
		return NULL;
	json_array_foreach(all, i, one)
		allowed += stg_json_bool(one, "allowed", false);
	return json_pack("{s:I,s:I,s:I}", "known", (json_int_t)json_array_size(all), "allowed", (json_int_t)allowed, "busy", (json_int_t)busy);
}

/* ---- what expires first ---- */

/* Challenges live for minutes or days and come again with the next line. NULL: nothing ends. */
static bool put_expiry(struct stg_op_ctx *c, json_t *out, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *all = ops_expiry(c, err);
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *one = json_array_get(all, i);
		const char *kind = stg_json_str(one, "kind");
		if (!stg_json_int(one, "ends_ms", 0) || strcmp(kind, "challenges") == 0)
			continue;
		json_t *first = json_object();
		stg_json_put(first, "what", kind);
		stg_json_put(first, "name", stg_json_str(one, "name"));
		stg_json_put(first, "subject", stg_json_str(one, "what"));
		stg_json_put(first, "text", stg_json_str(one, "text"));
		stg_json_put_int(first, "not_after_ms", stg_json_int(one, "ends_ms", 0));
		stg_json_put_new(out, "expiry", first);
		break;
	}
	return all != NULL;
}

/* ---- operations ---- */

static json_t *clock_part(struct stg_op_ctx *c)
{
	struct stg_error why = { 0 };
	json_t *clock = json_object();
	bool ok = stg_store_clock_ok(c->store, &why);
	stg_json_put_bool(clock, "ok", ok);
	stg_json_put(clock, "quality", stg_time_quality_name(stg_time_quality()));
	if (!ok) {
		stg_json_put_int(clock, "id", why.id);
		stg_json_put(clock, "msg", why.msg);
	}
	return clock;
}

static bool status(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in;
	STG_AUTO(stg_json_free_at) json_t *out = json_pack("{s:i,s:s}", "v", 1, "kind", c->rehearsal ? "rehearsal" : "production");
	STG_AUTO(stg_free_at) char *name = stg_store_get(c->store, "station_name", err);
	STG_AUTO(stg_free_at) char *id = name ? stg_store_get(c->store, "station_id", err) : NULL;
	json_t *part;
	int64_t busy = 0, until_ms = 0;
	bool open = false;
	if (!id)
		return false;
	stg_json_put(out, "station", *name ? name : id);
	stg_json_put(out, "station_id", id);
	if (!(part = batches(c, err)))
		return false;
	stg_json_put_new(out, "batches", part);
	if (!put_jobs(c, out, &busy, err) || !(part = ports(c, busy, err)))
		return false;
	stg_json_put_new(out, "ports", part);
	if (!stg_store_window(c->store, &open, &until_ms, err))
		return false;
	part = json_object();
	stg_json_put_bool(part, "open", open);
	if (open && until_ms)
		stg_json_put_int(part, "until_ms", until_ms);
	stg_json_put_new(out, "line", part);
	if (!(part = ops_outbox_summary(c, err)))
		return false;
	stg_json_put_new(out, "outbox", part);
	if (!put_expiry(c, out, err))
		return false;
	stg_json_put_new(out, "clock", clock_part(c));
	if (!(part = stg_store_queue_counts(c->store, err)))
		return false;
	stg_json_put_new(out, "queues", part);
	*ret = stg_steal(out);
	return true;
}

static bool known(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	int64_t limit = stg_json_int(in, "limit", 0);
	json_t *list = stg_store_inventory(c->store, stg_json_str(in, "query"), limit > 0 && limit < KNOWN_MAX ? limit : KNOWN_MAX, err);
	if (!list)
		return false;
	*ret = json_pack("{s:i,s:o}", "v", 1, "devices", list);
	return true;
}

static bool accept_clock(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	char now[STG_TIME_TEXT];
	stg_time_text(stg_wall_ms(), now);
	if (!stg_op_may(c, "admin", err) || (*stg_json_str(in, "second") && !stg_op_second(c, in, "admin", err)) || !stg_store_clock_accept(c->store, err) ||
	    !stg_op_audit(c, "clock.accept", now, "", NULL, err))
		return false;
	*ret = json_pack("{s:i,s:b}", "v", 1, "accepted", 1);
	return true;
}

const struct stg_op stg_ops_status[] = {
	{ "status", STG_OP_STORE, status },
	{ "devices.known", STG_OP_STORE, known },
	{ "clock.accept", STG_OP_STORE, accept_clock },
	{ 0 },
};
