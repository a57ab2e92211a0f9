/*
 * run.c - the steps of a blueprint, in order, on one device.
 *
 * For:    carrying out w->job. What the device acknowledged and what was re-read stay two facts; a step is done when the
 *         device shows it, whatever it answered.
 * Uses:   the step tables, <stager/blueprint.h>, the channel.
 * Called: main.c.
 * Thread: the worker's only one.
 */
#include <stager/blueprint.h>
#include <stager/clock.h>
#include <stager/error.h>

#include "worker_i.h"

enum verdict { GO_ON, ENDED };

/* One step while it runs. */
struct turn {
	const json_t *spec;             /* its entry in the pinned blueprint */
	const struct stg_step *what;
	const char *key;
	int n;
	int64_t timeout_ms, began_ms;
	json_t *params, *evidence, *values;
	struct stg_payload payload;
	struct stg_host_file file;
	struct stg_step_ctx ctx;
	bool told;                      /* a step_begin was sent that has no end yet */
	struct worker *worker;
};

struct run {
	struct worker *w;
	json_t *waits, *notes;          /* lists: what waits; what failed but may */
	bool finished;
};

/* ---- the end ---- */

static void finish(struct run *r, const char *end, json_t *why)
{
	struct worker *w = r->w;
	json_t *m = json_object();
	stg_json_put(m, "t", "finished");
	stg_json_put(m, "end", end);
	stg_json_put_new(m, "why", why ? why : json_object());
	stg_json_put_new(m, "identity", stg_identity_json(&w->identity));
	/* a device that is leaving is not asked again */
	bool leaving = strcmp(end, "interrupted") == 0;
	stg_json_put_new(m, "facts", leaving ? (w->facts ? json_deep_copy(w->facts) : json_object())
					     : json_deep_copy(worker_facts(w)));
	if (json_array_size(r->notes))
		stg_json_put_new(m, "notes", json_incref(r->notes));
	worker_send(w, m);
	r->finished = true;
}

static json_t *why_of(const struct stg_error *err, const char *key)
{
	json_t *why = stg_json_from_error(err);
	stg_json_put(why, "step", key);
	return why;
}

/* What an error that is nobody's fault waits for. */
static enum stg_wait wait_of(const struct stg_error *err)
{
	if (err->code == STG_E_NEEDS_HUMAN)
		return STG_WAIT_PERSON;
	static const struct {
		const char *row;
		enum stg_wait wait;
	} rows[] = {
		{ "NEEDS_CHARGE", STG_WAIT_CHARGE },
		{ "ASSIGNED_CENTRALLY", STG_WAIT_REGISTRATION },
		{ "NOT_ASSIGNED", STG_WAIT_REGISTRATION },
		{ "RECOVERY_READY", STG_WAIT_PERSON },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(rows); i++)
		if (strcmp(stg_id_name(err->id), rows[i].row) == 0)
			return rows[i].wait;
	return STG_WAIT_LINE;
}

static void finish_waiting(struct run *r)
{
	/* the first one is what the board shows: the others mostly follow from it */
	json_t *why = json_deep_copy(json_array_get(r->waits, 0));
	stg_json_put_new(why, "waits", json_incref(r->waits));
	finish(r, "waiting", why);
}

/* ---- evidence and messages ---- */

static json_t *turn_message(const struct turn *t, const char *kind)
{
	json_t *m = json_object();
	if (kind)
		stg_json_put(m, "t", kind);
	stg_json_put_int(m, "n", t->n);
	stg_json_put(m, "key", t->key);
	stg_json_put(m, "step", t->what ? t->what->name : stg_json_str(t->spec, "step"));
	return m;
}

static json_t *end_message(struct turn *t, const char *outcome, const struct stg_error *err)
{
	json_t *m = turn_message(t, "step_end");
	stg_json_put(m, "outcome", outcome);
	stg_json_put_new(m, "evidence", t->evidence ? json_deep_copy(t->evidence) : json_object());
	if (err && err->code != STG_OK)
		stg_json_put_new(m, "error", stg_json_from_error(err));
	stg_json_put_int(m, "took_ms", t->began_ms ? stg_boot_ms() - t->began_ms : 0);
	worker_tell_identity(t->worker, m);
	return m;
}

static bool tell_begin(struct run *r, struct turn *t, int attempt);

/* The journal knows no end without a beginning, but for what was found done or not wanted. */
static void tell_end(struct run *r, struct turn *t, const char *outcome, const struct stg_error *err)
{
	bool at_once = strcmp(outcome, "proven") == 0 || strcmp(outcome, "skipped") == 0;
	if (!t->told && !at_once && !tell_begin(r, t, 1))
		return;
	worker_send(r->w, end_message(t, outcome, err));
	t->told = false;
}

/* A step that can be proven again may be told together with the next beginning: one commit instead of two. */
static void tell_end_later(struct run *r, struct turn *t, const char *outcome)
{
	json_t *m = end_message(t, outcome, NULL);
	t->told = false;
	if (r->w->held || !t->what->proven || t->what->destroys_data)
		worker_send(r->w, m);
	else
		r->w->held = m;
}

/* False: the station wants us to leave, nothing was begun. */
static bool tell_begin(struct run *r, struct turn *t, int attempt)
{
	struct worker *w = r->w;
	json_t *m = turn_message(t, NULL);
	stg_json_put_int(m, "attempt", attempt);
	json_t *asked = json_object_get(t->evidence, "asked");
	stg_json_put_new(m, "asked", asked ? json_deep_copy(asked) : json_object());
	stg_json_put_int(m, "deadline_ms", t->timeout_ms + STG_WORKER_LOOK_MS);
	stg_json_put_bool(m, "destroys", t->what && t->what->destroys_data);
	stg_json_put_int(m, "together", t->what ? t->what->together : 0);
	if (w->held) {
		json_t *both = stg_steal(w->held);
		stg_json_put_new(both, "next", m);
		worker_send(w, both);
	} else {
		stg_json_put(m, "t", "step_begin");
		worker_send(w, m);
	}
	json_t *go = worker_await(w, "go", true);
	json_decref(go);
	t->told = true;
	return go != NULL;
}

/* ---- one step ---- */

static bool look(struct turn *t, bool *ret, struct stg_error *err)
{
	*ret = false;
	json_object_del(t->evidence, "reread");
	if (!t->what->proven)
		return true;
	bool read = t->what->proven(&t->ctx, ret, err);
	if (t->ctx.fresh_facts)
		worker_take_facts(t->worker, stg_steal(t->ctx.fresh_facts));
	if (!read) {
		*ret = false;
		if (err->code != STG_E_UNSUPPORTED)
			return stg_while(err, "re-read");
		stg_error_reset(err);
	}
	return true;
}

static void note_wait(struct run *r, const struct turn *t, const struct stg_error *err)
{
	json_t *one = why_of(err, t->key);
	stg_json_put(one, "wait", stg_wait_name(wait_of(err)));
	json_array_append_new(r->waits, one);
}

static enum verdict ends_waiting(struct run *r, struct turn *t, const struct stg_error *err)
{
	note_wait(r, t, err);
	tell_end(r, t, "waiting", err);
	if (!t->what->gate)
		return GO_ON;
	finish_waiting(r);
	return ENDED;
}

static enum verdict ends_hold(struct run *r, struct turn *t, const struct stg_error *err, const char *outcome)
{
	tell_end(r, t, outcome, err);
	finish(r, "hold", why_of(err, t->key));
	return ENDED;
}

static enum verdict ends_failed(struct run *r, struct turn *t, const struct stg_error *err)
{
	const char *rule = stg_json_str_or(t->spec, "on_failure", "stop");
	if (strcmp(rule, "hold") == 0)
		return ends_hold(r, t, err, "failed");
	tell_end(r, t, "failed", err);
	if (strcmp(rule, "continue") == 0) {
		json_t *one = json_object();
		stg_json_put(one, "key", t->key);
		stg_json_put_new(one, "error", stg_json_from_error(err));
		json_array_append_new(r->notes, one);
		return GO_ON;
	}
	finish(r, "failed", why_of(err, t->key));
	return ENDED;
}

static enum verdict ends_interrupted(struct run *r, struct turn *t, const struct stg_error *err)
{
	if (t->told)
		tell_end(r, t, t->what->destroys_data ? "unknown" : "interrupted", err);
	finish(r, "interrupted", why_of(err, t->key));
	return ENDED;
}

/* The device re-enumerates: this worker's attach is over, the next one judges what happened. */
static enum verdict ends_expecting_return(struct run *r, struct turn *t)
{
	tell_end(r, t, t->what->destroys_data ? "unknown" : "interrupted", NULL);
	json_t *why = json_object();
	stg_json_put(why, "code", "expect_return");
	stg_json_put_int(why, "id", STG_ID_EXPECT_RETURN);      /* one that never comes back is not left without an act */
	stg_json_put(why, "step", t->key);
	stg_json_put(why, "msg", "the device restarts by itself");
	stg_json_put_int(why, "within_ms", STG_WORKER_RETURN_MS);
	finish(r, "interrupted", why);
	return ENDED;
}

static enum verdict ends_done(struct run *r, struct turn *t, const char *outcome)
{
	tell_end_later(r, t, outcome);
	return GO_ON;
}

static bool is_lost(enum stg_code c)
{
	return c == STG_E_GONE || c == STG_E_TIMEOUT || c == STG_E_IO || c == STG_E_PROTOCOL || c == STG_E_UNKNOWN;
}

/* The step said no, or nothing. What does the device say? True: it is done after all. *ret_gone: nobody answers any more. */
static bool shows_it_anyway(struct run *r, struct turn *t, const struct stg_error *why, bool *ret_gone)
{
	struct stg_error err = { 0 };
	bool yes = false;
	*ret_gone = false;
	if (is_lost(why->code)) {
		if (!worker_reopen(r->w, &err)) {
			*ret_gone = true;
			return false;
		}
		t->ctx.device = r->w->device;
	} else if (why->code != STG_E_REFUSED) {
		return false;
	}
	if (t->what->destroys_data)
		return false;           /* too early to tell; judged by its own rules */
	if (!look(t, &yes, &err) && err.code == STG_E_GONE)
		*ret_gone = true;
	return yes;
}

/* After an erase whose answer was lost: does it leave, or does it still answer as before? */
static enum verdict erase_unknown(struct run *r, struct turn *t, const struct stg_error *why)
{
	enum { LEAVE_POLLS = 30, LEAVE_POLL_MS = 1000 };
	struct stg_error err = { 0 };
	tell_end(r, t, "unknown", why);
	for (int i = 0; i < LEAVE_POLLS && worker_pause(r->w, LEAVE_POLL_MS); i++) {
		if (!worker_reopen(r->w, &err)) {
			json_t *expect = why_of(why, t->key);
			stg_json_put(expect, "code", "expect_return");
			stg_json_put_int(expect, "within_ms", STG_WORKER_RETURN_MS);
			finish(r, "interrupted", expect);
			return ENDED;
		}
	}
	if (r->w->told_to_end) {
		finish(r, "interrupted", why_of(why, t->key));
		return ENDED;
	}
	stg_fail_id(&err, STG_E_HOLD, STG_ID_ERASE_NOT_PROVEN, why->origin,
		    "no answer, and it has not restarted: %.150s", why->msg);
	finish(r, "hold", why_of(&err, t->key));
	return ENDED;
}

/* A step that wants a tap or the passcode is run again each second until somebody did it, or nobody came. */
static bool run_with_person(struct run *r, struct turn *t, struct stg_error *err)
{
	enum { PERSON_POLL_MS = 1000 };
	struct worker *w = r->w;
	int64_t most = t->timeout_ms < STG_WORKER_TAP_MS ? t->timeout_ms : STG_WORKER_TAP_MS,
		until = stg_boot_ms() + most;
	for (;;) {
		stg_error_reset(err);
		if (t->what->run(&t->ctx, err))
			return true;
		if (err->code != STG_E_NEEDS_HUMAN || err->id == STG_ID_TRUST_DENIED || stg_boot_ms() + PERSON_POLL_MS > until)
			return false;
		if (strcmp(t->what->name, "pair") == 0)
			w->host.ask_person(w, worker_pair_asks(err));
		else if (!w->asked_person)
			w->host.ask_person(w, STG_ASK_UNLOCK);
		if (!worker_pause(w, PERSON_POLL_MS))
			return stg_fail_id(err, STG_E_CANCELLED, STG_ID_TOLD_TO_STOP, 0, "told to stop while waiting for a person");
	}
}

/* Runs until done or out of attempts. */
static enum verdict attempts(struct run *r, struct turn *t)
{
	const json_t *retry = json_object_get(t->spec, "retry");
	int most = 1 + (int)stg_json_int(retry, "times", 0);
	int64_t wait_ms = stg_json_int(retry, "wait_ms", 2000);
	struct stg_error err = { 0 };
	if (t->what->destroys_data)
		most = 1;
	for (int attempt = 1;; attempt++) {
		stg_error_reset(&err);
		json_object_del(t->evidence, "acknowledged");
		if (!tell_begin(r, t, attempt)) {
			/* begun on disk perhaps, but nothing was sent: "failed" says so, an erase may be tried again */
			stg_fail_id(&err, STG_E_CANCELLED, STG_ID_TOLD_TO_STOP, 0, "told to stop before this step");
			tell_end(r, t, "failed", &err);
			finish(r, "interrupted", why_of(&err, t->key));
			return ENDED;
		}
		t->began_ms = stg_boot_ms();
		t->ctx.ran = true;
		bool ran = run_with_person(r, t, &err), shown = false, gone = false;
		if (t->ctx.changed)
			worker_forget_facts(r->w);
		if (ran && t->ctx.reopen)
			return ends_expecting_return(r, t);
		if (ran && !json_object_get(t->evidence, "acknowledged"))
			stg_json_put_bool(t->evidence, "acknowledged", true);
		if (ran && !t->what->proven)
			return ends_done(r, t, "done");
		if (ran && look(t, &shown, &err) && shown)
			return ends_done(r, t, "done");
		if (ran && err.code == STG_OK)
			stg_fail_id(&err, STG_E_PROTOCOL, STG_ID_NOT_PROVEN, 0,
				    "acknowledged, but re-reading does not show it");
		if (!ran && !json_object_get(t->evidence, "acknowledged"))
			stg_json_put_bool(t->evidence, "acknowledged", false);

		if (err.code == STG_E_CANCELLED)
			return ends_interrupted(r, t, &err);
		if (err.code == STG_E_WAITING || err.code == STG_E_NEEDS_HUMAN)
			return ends_waiting(r, t, &err);
		if (err.code == STG_E_HOLD || err.code == STG_E_SAFETY)
			return ends_hold(r, t, &err, "failed");
		if (t->what->destroys_data && is_lost(err.code))
			return erase_unknown(r, t, &err);
		if (shows_it_anyway(r, t, &err, &gone))
			return ends_done(r, t, "done");
		if (gone)
			return ends_interrupted(r, t, &err);
		if (!is_lost(err.code) || attempt >= most)
			return ends_failed(r, t, &err);
		/* each attempt is a row of its own: what the device said to the first is not lost when the second succeeds */
		tell_end(r, t, "failed", &err);
		if (!worker_pause(r->w, wait_ms)) {
			stg_fail_id(&err, STG_E_CANCELLED, STG_ID_TOLD_TO_STOP, 0, "told to stop between two attempts");
			return ends_interrupted(r, t, &err);
		}
	}
}

/* What a condition is judged by; the proof of supervision is given only for one that cannot be judged without. */
static const json_t *facts_for(struct worker *w, const json_t *when)
{
	return stg_blueprint_when_asks_owner(when) ? worker_owner_facts(w) : worker_facts(w);
}

/* Facts that a lost connection kept from us are not "unknown": a condition would skip its step, a requirement hold the
 * device. It is asked once more. False: this step ends here, *ret says how. */
static bool know(struct run *r, struct turn *t, const json_t *when, enum verdict *ret)
{
	struct worker *w = r->w;
	for (bool again = false;; again = true) {
		(void)facts_for(w, when);
		struct stg_error err = w->facts_error;
		if (!is_lost(err.code) && err.code != STG_E_CANCELLED)
			return true;
		stg_while(&err, "before the step");
		if (again && err.code != STG_E_GONE && err.code != STG_E_CANCELLED)
			return *ret = ends_failed(r, t, &err), false;
		if (again || err.code == STG_E_CANCELLED || !worker_reopen(w, &err))
			return *ret = ends_interrupted(r, t, &err), false;
	}
}

static json_t *values_of(struct worker *w)
{
	json_t *values = stg_variables_of(&w->identity, w->job.batch, w->job.attributes, w->job.blueprint);
	if (w->job.values)
		json_object_update_missing(values, w->job.values);
	return values;
}

static json_t *filled_params(const struct turn *t, struct stg_error *err)
{
	json_t *raw = json_object_get(t->spec, "params");
	if (!raw)
		return json_object();
	if (t->what->makes_payload)
		return json_incref(raw);        /* the station fills them: only it has the secrets */
	return stg_variables_fill(raw, t->values, err);
}

static void turn_clear(struct turn *t)
{
	json_decref(t->ctx.fresh_facts);
	json_decref(t->params);
	json_decref(t->evidence);
	json_decref(t->values);
	stg_payload_clear(&t->payload);
	stg_host_file_clear(&t->file);
}

static enum verdict one_step(struct run *r, int n, const json_t *spec)
{
	struct worker *w = r->w;
	struct stg_error err = { 0 };
	STG_AUTO(turn_clear) struct turn t = {
		.worker = w,
		.spec = spec,
		.n = n,
		.key = stg_json_str(spec, "key"),
		.what = stg_step_find(stg_json_str(spec, "step")),
	};
	t.evidence = json_object();
	if (!t.what) {
		stg_fail_id(&err, STG_E_UNSUPPORTED, STG_ID_UNKNOWN_STEP, 0, "no step '%s'", stg_json_str(spec, "step"));
		tell_end(r, &t, "failed", &err);
		finish(r, "failed", why_of(&err, t.key));
		return ENDED;
	}
	const json_t *when = json_object_get(spec, "when");
	enum verdict ended = ENDED;
	if ((json_array_size(when) || t.what->reads_facts) && !know(r, &t, when, &ended))
		return ended;
	if (json_array_size(when) && !stg_blueprint_when(when, facts_for(w, when), w->job.attributes)) {
		tell_end(r, &t, "skipped", NULL);
		return GO_ON;
	}
	t.values = values_of(w);
	t.params = filled_params(&t, &err);
	if (!t.params)
		return ends_failed(r, &t, &err);
	t.timeout_ms = stg_json_int(spec, "timeout_ms", t.what->deadline_ms);
	t.ctx = (struct stg_step_ctx) {
		.device = w->device,
		.host = &w->host,
		.job = &w->job,
		.params = t.params,
		.evidence = t.evidence,
		.stop = w->stop,
		.arrival = &w->arrival,
		.key = t.key,
		.memory = w->memory,
		.proven_before = json_object_get(w->job.proven, t.key),
		.begun_before = json_object_get(w->job.begun, t.key),
		.identity = &w->identity,
		.values = t.values,
		.payload = &t.payload,
		.file = &t.file,
		.waits = json_array_size(r->waits) > 0,
		.facts = t.what->reads_facts ? worker_facts(w) : w->facts,
	};
	stg_copy(w->key, sizeof(w->key), t.key);
	w->asked_person = 0;
	json_t *asked = t.what->asked ? t.what->asked(&t.ctx) : json_incref(t.params);
	stg_json_put_new(t.evidence, "asked", asked ? asked : json_object());

	bool shown = false;
	if (!look(&t, &shown, &err)) {
		bool gone = false;
		shown = shows_it_anyway(r, &t, &err, &gone);
		if (gone)
			return ends_interrupted(r, &t, &err);
		t.ctx.facts = t.what->reads_facts ? worker_facts(w) : w->facts;
	}
	if (shown)
		return ends_done(r, &t, "proven");
	if (t.what->destroys_data && (t.ctx.begun_before || t.ctx.proven_before)) {
		/* it was sent once; whatever became of it, it is never sent again without a person */
		const json_t *before =
			json_object_get(t.ctx.begun_before ? t.ctx.begun_before : t.ctx.proven_before, "asked");
		if (before)
			json_object_set(t.evidence, "asked", (json_t *)(uintptr_t)before);
		stg_fail_id(&err, STG_E_HOLD, STG_ID_ERASE_NOT_PROVEN, 0,
			    "sent in an earlier attach, and the device does not show it");
		return ends_hold(r, &t, &err, "unknown");
	}
	return attempts(r, &t);
}

/* What came before an erase was wiped with it and is not asked of the device again. */
static size_t first_step(const struct worker *w, const json_t *steps)
{
	for (size_t i = json_array_size(steps); i > 0; i--) {
		const json_t *spec = json_array_get(steps, i - 1);
		const char *key = stg_json_str(spec, "key");
		if (stg_json_bool(spec, "destroys_data", false) &&
		    (json_object_get(w->job.begun, key) || json_object_get(w->job.proven, key)))
			return i - 1;
	}
	return 0;
}

void worker_run(struct worker *w)
{
	struct run r = { .w = w, .waits = json_array(), .notes = json_array() };
	const json_t *steps = json_object_get(w->job.blueprint, "steps");
	size_t n = json_array_size(steps);
	enum verdict v = GO_ON;
	for (size_t i = first_step(w, steps); i < n && v == GO_ON; i++) {
		if (w->told_to_end) {
			json_t *why = json_object();
			stg_json_put(why, "code", "cancelled");
			stg_json_put(why, "msg", "told to stop between two steps");
			finish(&r, "interrupted", why);
			break;
		}
		v = one_step(&r, (int)i, json_array_get(steps, i));
		w->key[0] = 0;
	}
	if (!r.finished) {
		if (json_array_size(r.waits))
			finish_waiting(&r);
		else
			finish(&r, "staged", NULL);
	}
	json_decref(r.waits);
	json_decref(r.notes);
}
