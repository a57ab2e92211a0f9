/*
 * finish.c - how a job ends: by its worker's last word, by a pulled plug, by a dead worker.
 *
 * For:    workers.c, slots.c.
 * Uses:   the recorder: job, record, audit entry and outbox rows in one transaction.
 * Called: on the main loop; writes on the recorder's thread.
 * Thread: see above.
 */
#include <stdlib.h>
#include <string.h>

#include "station_i.h"

static const struct stg_tag tag = { .room = "station" };

struct finish {
	struct stg_station *station;
	uint64_t attach;
	int64_t job;
	enum stg_job_state to;
	enum stg_end end;
	json_t *why, *facts;
	struct stg_identity who;
	bool only_move;              /* INTERRUPTED: no record yet */
	bool is_canary;              /* others of its kind wait for it */
	char open_key[96];           /* the step that was under way, "" none */
	int open_n;
	bool open_destroys;
	char record[40];
};

static bool run(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct finish *f = arg;
	int64_t device = 0;
	if (f->who.unit[0] && !stg_store_device_put(store, &f->who, &device, err))
		return false;
	/* an erase that nobody saw the end of may have happened: unknown, to be re-read, never repeated blindly */
	if (f->open_key[0] && !stg_store_step_end(store, f->job, f->open_n, f->open_key, f->open_destroys ? "unknown" : "interrupted", NULL,
						  NULL, 0, err))
		return false;
	if (f->only_move)
		return stg_store_job_move(store, f->job, f->to, f->why, err);
	return stg_store_hand_over(store, f->job, &f->to, &f->end, f->why, err) &&
	       stg_store_job_finish(store, f->job, f->to, f->end, f->why, &f->who, f->facts, f->record, err);
}

static void done(void *arg, bool ok, const struct stg_error *err)
{
	struct finish *f = arg;
	struct stg_station *s = f->station;
	if (!ok)
		stg_log_error(STG_LOG_ERR, &(struct stg_tag){ .room = "recorder", .job = f->job }, err);
	struct slot *slot = slot_by_attach(s, f->attach);
	if (slot && slot->job == f->job) {
		if (!ok) {
			/* not recorded = not finished: shown as such, and the job is taken up again at the next attach or start */
			slot_why(slot, err->id, err->msg);
			slot_word(s, slot, "failed");
		} else {
			/* the recorder may know of something it still waits for */
			slot_why(slot, (unsigned int)stg_json_int(f->why, "id", 0), stg_json_str(f->why, "msg"));
			stg_copy(slot->wait, sizeof(slot->wait), stg_json_str(f->why, "wait"));
			slot_word(s, slot, f->end == STG_END_STAGED ? "staged" : f->only_move ? "interrupted" : f->end == STG_END_WAITING ?
				  "waiting" : f->end == STG_END_HOLD ? "hold" : "failed");
		}
	}
	if (ok)
		socket_event(s, json_pack("{s:s, s:I, s:s, s:s, s:s}", "what", "job", "job", (json_int_t)f->job, "state",
					  stg_job_state_name(f->to), "end", stg_end_name(f->end), "serial", f->who.serial));
	pushing_wake(s);
	if (ok && f->is_canary && !f->only_move)
		slots_retry_canaries(s);
	json_decref(f->why);
	json_decref(f->facts);
	free(f);
}

static struct finish *finish_new(struct stg_station *s, struct slot *slot)
{
	struct finish *f = stg_calloc(1, sizeof(*f));
	f->station = s;
	f->attach = slot->arrival.attach;
	f->job = slot->job;
	f->who = slot->identity;
	f->is_canary = json_object_get(json_object_get(slot->job_row, "attributes"), "canary") != NULL;
	f->facts = json_incref(slot->facts);
	stg_copy(f->open_key, sizeof(f->open_key), slot->open_key);
	f->open_n = slot->open_n;
	f->open_destroys = slot->open_destroys;
	slot->open_key[0] = 0;
	return f;
}

void job_ended(struct stg_station *s, struct slot *slot, const json_t *m)
{
	const char *end = stg_json_str(m, "end");
	const json_t *why = json_object_get(m, "why");
	struct stg_identity who;
	struct finish *f = finish_new(s, slot);
	f->why = why ? json_deep_copy(why) : json_object();
	if (json_object_get(m, "notes"))
		json_object_set(f->why, "notes", json_object_get(m, "notes"));
	if (stg_identity_from_json(json_object_get(m, "identity"), &who, NULL) && stg_identity_same(&slot->identity, &who)) {
		f->who = who;
		slot->identity = who;
	}
	if (json_object_get(m, "facts")) {
		json_decref(f->facts);
		f->facts = json_incref(json_object_get(m, "facts"));
	}
	if (strcmp(end, "staged") == 0) {
		f->to = STG_JOB_DONE;
		f->end = STG_END_STAGED;
	} else if (strcmp(end, "waiting") == 0) {
		f->to = STG_JOB_PARKED;
		f->end = STG_END_WAITING;
	} else if (strcmp(end, "hold") == 0) {
		f->to = STG_JOB_HOLD;
		f->end = STG_END_HOLD;
	} else if (strcmp(end, "interrupted") == 0) {
		f->to = STG_JOB_INTERRUPTED;
		f->only_move = true;
	} else {
		f->to = STG_JOB_FAILED;
		f->end = STG_END_FAILED;
	}
	/* what waits for the line or for a hand, and what was interrupted, is still under way */
	if (f->to == STG_JOB_DONE || f->to == STG_JOB_FAILED || f->to == STG_JOB_HOLD)
		slot->order_spent = true;
	slot_why(slot, (unsigned int)stg_json_int(why, "id", 0), stg_json_str(why, "msg"));
	stg_copy(slot->wait, sizeof(slot->wait), stg_json_str(why, "wait"));
	/* a device that restarts by itself, or whose line opened meanwhile, is looked at again */
	stg_log(STG_LOG_INFO, &(struct stg_tag){ .room = "job", .job = slot->job, .unit = slot->identity.serial }, "%s%s%s", end,
		stg_json_str(why, "msg")[0] ? ": " : "", stg_json_str(why, "msg"));
	slot->state = SLOT_LEAVING;
	queue_post(s->recorder, run, done, f);
}

void job_lost(struct stg_station *s, struct slot *slot, enum stg_id id, const char *msg)
{
	struct finish *f = finish_new(s, slot);
	f->why = json_object();
	stg_json_put(f->why, "msg", msg);
	stg_json_put(f->why, "step", slot->step);
	stg_json_put_int(f->why, "id", id);
	bool pulled = id == STG_ID_DEVICE_PULLED || s->stopping;
	/* a worker that dies by itself gets one more try on this attach, then a person must look */
	if (pulled || slot->crashes++ == 0) {
		f->to = STG_JOB_INTERRUPTED;
		f->only_move = true;
		slot->again = !pulled;
	} else {
		f->to = STG_JOB_FAILED;
		f->end = STG_END_FAILED;
		slot->order_spent = true;
	}
	slot->state = SLOT_LEAVING;
	slot_why(slot, id, msg);
	queue_post(s->recorder, run, done, f);
	if (!slot->worker)
		slot_rest(s, slot);
}

/* ---- what waited for a receipt ---- */

struct look {
	struct stg_station *station;
	uint64_t attach;
	int64_t job;
	json_t *row;
};

static bool look_run(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct look *l = arg;
	l->row = stg_store_job(store, l->job, err);
	return l->row != NULL;
}

static void look_done(void *arg, bool ok, const struct stg_error *err)
{
	struct look *l = arg;
	struct slot *slot = slot_by_attach(l->station, l->attach);
	const char *state = stg_json_str(l->row, "state"), *end = stg_json_str(l->row, "end");
	if (!ok)
		stg_log_error(STG_LOG_WARNING, &tag, err);
	if (ok && slot && slot->job == l->job && slot->state == SLOT_RESTING && (strcmp(state, "done") == 0 || strcmp(end, slot->word) != 0) && *end) {
		slot_why(slot, (unsigned int)stg_json_int(l->row, "code", 0), stg_json_str(l->row, "msg"));
		stg_copy(slot->wait, sizeof(slot->wait), stg_json_str(l->row, "wait"));
		slot_word(l->station, slot, end);
		socket_event(l->station, json_pack("{s:s, s:I, s:s, s:s, s:s}", "what", "job", "job", (json_int_t)l->job, "state", state, "end", end, "serial",
						   slot->identity.serial));
	}
	json_decref(l->row);
	free(l);
}

void jobs_look(struct stg_station *s)
{
	for (struct slot *slot = s->slots; slot; slot = slot->next) {
		if (slot->state != SLOT_RESTING || !slot->job || (strcmp(slot->wait, stg_wait_name(STG_WAIT_REGISTRATION)) != 0 && slot->why_id != STG_ID_REGISTRATION_REFUSED))
			continue;
		struct look *l = stg_calloc(1, sizeof(*l));
		l->station = s;
		l->attach = slot->arrival.attach;
		l->job = slot->job;
		queue_post(s->recorder, look_run, look_done, l);
	}
}

static bool orphan_run(struct stg_store *store, void *arg, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *why = json_pack("{s:i, s:s}", "id", STG_ID_DEVICE_PULLED, "msg", "unplugged");
	return stg_store_job_move(store, *(int64_t *)arg, STG_JOB_INTERRUPTED, why, err);
}

static void orphan_done(void *arg, bool ok, const struct stg_error *err)
{
	if (!ok)
		stg_log_error(STG_LOG_WARNING, &tag, err);
	free(arg);
}

void job_orphaned(struct stg_station *s, int64_t job)
{
	int64_t *id = stg_calloc(1, sizeof(*id));
	*id = job;
	queue_post(s->recorder, orphan_run, orphan_done, id);
}
