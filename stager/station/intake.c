/*
 * intake.c - who is it, seen before, which batch, which job.
 *
 * For:    workers.c, when a worker has said who it is.
 * Uses:   the recorder: everything is decided in one transaction, so that two attaches of one device cannot both get a job.
 * Called: workers.c.
 * Thread: asks on the main loop's, decides on the recorder's.
 *
 * Order: an open job of this unit goes on; else a row of a started batch; else a person's explicit order; else it is
 * not in the order: what this attach's intake paired is unpaired at once, and nothing is written to the device.
 */
#include <stdlib.h>
#include <string.h>

#include <stager/blueprint.h>
#include <stager/worker.h>

#include "station_i.h"

static const struct stg_tag tag = { .room = "intake" };

enum verdict { GO, REST, UNEXPECTED };

struct decide {
	struct stg_station *station;
	uint64_t attach;
	struct stg_identity who;
	json_t *order;
	char port[STG_PORT_MAX], label[32], port_batch[64];
	bool window_open, known, no_backup;
	/* the answer */
	enum verdict verdict;
	json_t *job;
	char word[24], wait[16], batch[64];
	unsigned int why_id;
	char why[200];
	int64_t receipt_job;             /* the job that only waits for a receipt; 0: none */
};

static void rest(struct decide *d, const char *word, unsigned int id, const char *why)
{
	d->verdict = REST;
	stg_copy(d->word, sizeof(d->word), word);
	d->why_id = id;
	memmove(d->why, why, strnlen(why, sizeof(d->why) - 1) + 1);
	d->why[sizeof(d->why) - 1] = 0;
}

/* What the journal knows of its steps: without it the next worker could not tell that an erase was sent. */
static bool add_hints(struct stg_store *store, struct decide *d, int64_t id, struct stg_error *err)
{
	json_t *proven = NULL, *begun = NULL;
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_steps(store, id, err);
	if (!rows)
		return false;
	stg_job_hints(rows, &proven, &begun);
	stg_json_put_new(d->job, "proven", proven);
	stg_json_put_new(d->job, "begun", begun);
	return true;
}

/* An erase that nobody saw the end of, and the device comes with another key: then it is read once more, and a person who would find
 * it empty need not. Reading is all that can follow: what was sent once is not sent again. */
static bool has_another_key(const struct decide *d, const json_t *why)
{
	const char *step;
	json_t *sent;
	if (stg_json_int(why, "id", 0) != STG_ID_ERASE_NOT_PROVEN || !d->who.key_sha256[0])
		return false;
	json_object_foreach(json_object_get(d->job, "begun"), step, sent) {
		const char *key = stg_json_str(json_object_get(sent, "asked"), "key_sha256");
		if (*key && strcmp(key, d->who.key_sha256) != 0)
			return true;
	}
	return false;
}

/* Everything is done to it, and the MDM must have it first: nothing begins anew. Meanwhile its receipt may have come. */
static bool waits_for_receipt(struct stg_store *store, struct decide *d, bool *ret, struct stg_error *err)
{
	unsigned int id = (unsigned int)stg_json_int(json_object_get(d->job, "why"), "id", 0);
	int64_t job = stg_json_int(d->job, "id", 0);
	*ret = id == STG_ID_REGISTRATION_WAITS || id == STG_ID_REGISTRATION_REFUSED || id == STG_ID_REGISTRATION_NO_TARGET;
	if (!*ret)
		return true;
	STG_AUTO(stg_json_free_at) json_t *now = stg_store_hand_over_look(store, job, err) ? stg_store_job(store, job, err) : NULL;
	if (!now)
		return false;
	const json_t *why = json_object_get(now, "why");
	const char *state = stg_json_str(now, "state");
	rest(d, strcmp(state, "done") == 0 ? "staged" : strcmp(state, "hold") == 0 ? "hold" : "waiting", (unsigned int)stg_json_int(why, "id", 0), stg_json_str(why, "msg"));
	stg_copy(d->wait, sizeof(d->wait), stg_json_str(why, "wait"));
	d->receipt_job = job;
	return true;
}

/* A job that stands is started again on this attach; false: it stays as it is (d says how). */
static bool resume(struct stg_store *store, struct decide *d, struct stg_error *err)
{
	enum stg_job_state state;
	int64_t id = stg_json_int(d->job, "id", 0);
	const json_t *why = json_object_get(d->job, "why");
	stg_copy(d->batch, sizeof(d->batch), stg_json_str(d->job, "batch"));
	if (!stg_job_state_parse(stg_json_str(d->job, "state"), &state))
		return stg_fail(err, STG_E_BUG, 0, "job %lld has an unknown state", (long long)id);
	bool is_settled = false;
	if ((state == STG_JOB_PARKED || state == STG_JOB_HOLD) && !waits_for_receipt(store, d, &is_settled, err))
		return false;
	if (is_settled)
		return true;
	if (!add_hints(store, d, id, err))
		return false;
	if (state == STG_JOB_HOLD && !has_another_key(d, why)) {
		rest(d, "hold", (unsigned int)stg_json_int(why, "id", 0), stg_json_str(why, "reason"));
		return true;
	}
	if (state == STG_JOB_PARKED && strcmp(stg_json_str(why, "wait"), "line") == 0 && !d->window_open) {
		rest(d, "waiting", (unsigned int)stg_json_int(why, "id", 0), stg_json_str(why, "msg"));
		stg_copy(d->wait, sizeof(d->wait), "line");
		return true;
	}
	json_t *move = json_object();
	stg_json_put(move, "port", d->port);
	stg_json_put(move, "label", d->label);
	stg_json_put_int(move, "attach", (int64_t)d->attach);
	bool ok = (state == STG_JOB_WAITING || state == STG_JOB_RUNNING || stg_store_job_move(store, id, STG_JOB_WAITING, NULL, err)) &&
		  (state == STG_JOB_RUNNING || stg_store_job_move(store, id, STG_JOB_RUNNING, move, err));
	json_decref(move);
	/* the gate asks on which attach the job runs: this one, as was just written, not the one it stood on */
	if (state != STG_JOB_RUNNING)
		stg_json_put_int(d->job, "attach", (int64_t)d->attach);
	d->verdict = GO;
	return ok;
}

/* What was agreed for this device alone goes into its pins; true with *ret NULL: nothing was. */
static bool with_overrides(struct stg_store *store, struct decide *d, const json_t *blueprint, json_t **ret, json_t *attributes, struct stg_error *err)
{
	static const char *const told[] = { "id", "what", "reason", "by", "until_ms" };
	STG_AUTO(stg_json_free_at) json_t *list = stg_store_overrides_for(store, &d->who, err);
	size_t i;
	json_t *one;
	*ret = NULL;
	if (!list || !json_array_size(list))
		return list != NULL;
	STG_AUTO(stg_json_free_at) json_t *own = json_deep_copy(blueprint);
	json_t *kept = json_array();
	stg_json_put_new(attributes, "overrides", kept);
	json_array_foreach(list, i, one) {
		json_t *row = json_object();
		for (size_t k = 0; k < STG_ARRAY_LEN(told); k++)
			json_object_set(row, told[k], json_object_get(one, told[k]));
		json_array_append_new(kept, row);
		if (!stg_blueprint_override(own, one, err))
			return false;
	}
	*ret = stg_steal(own);
	return true;
}

static bool note_used(struct stg_store *store, const json_t *attributes, int64_t job, struct stg_error *err)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(attributes, "overrides"), i, one)
		if (!stg_store_override_used(store, stg_json_int(one, "id", 0), job, err))
			return false;
	return true;
}

static bool add_job(struct stg_store *store, struct decide *d, const char *batch, const json_t *row, const json_t *blueprint,
		    const json_t *profiles, int64_t canary, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *job = json_object();
	stg_json_put(job, "family", d->who.family);
	stg_json_put(job, "unit", d->who.unit);
	stg_json_put(job, "batch", batch);
	if (row && json_object_get(row, "row"))
		json_object_set(job, "row", json_object_get(row, "row"));
	if (profiles)
		json_object_set(job, "profiles", (json_t *)(uintptr_t)profiles);
	stg_json_put(job, "port", d->port);
	stg_json_put(job, "label", d->label);
	stg_json_put_int(job, "attach", (int64_t)d->attach);
	stg_json_put(job, "actor", d->order ? stg_json_str_or(d->order, "actor", "station") : "station");
	STG_AUTO(stg_json_free_at) json_t *attributes = json_object();
	if (row) {
		json_object_update(attributes, json_object_get(row, "attributes"));
		static const char *const own[] = { "asset_tag", "name", "ownership" };
		for (size_t i = 0; i < STG_ARRAY_LEN(own); i++)
			stg_json_put(attributes, own[i], stg_json_str(row, own[i]));
	}
	STG_AUTO(stg_json_free_at) json_t *own = NULL;
	struct stg_error why = { 0 };
	if (!with_overrides(store, d, blueprint, &own, attributes, &why)) {
		/* an exception that does not fit is for people to decide, not for the device to suffer */
		if (why.id != STG_ID_OVERRIDE_WRONG)
			return err && (*err = why, false);
		rest(d, "hold", why.id, why.msg);
		return true;
	}
	if (canary) {
		if (!own)
			own = json_deep_copy(blueprint);
		stg_json_put_int(attributes, "canary", canary);
		if (!stg_blueprint_canary(own, err))
			return false;
	}
	json_object_set(job, "blueprint", own ? own : (json_t *)(uintptr_t)blueprint);
	json_object_set(job, "attributes", attributes);
	int64_t id = 0;
	STG_AUTO(stg_json_free_at) json_t *move = json_pack("{s:I}", "attach", (json_int_t)d->attach);
	if (!stg_store_job_add(store, job, &id, err) || !note_used(store, attributes, id, err) ||
	    (canary && !stg_store_canary_take(store, canary, id, err)) || !stg_store_job_move(store, id, STG_JOB_RUNNING, move, err))
		return false;
	json_decref(d->job);
	d->job = stg_store_job(store, id, err);
	stg_copy(d->batch, sizeof(d->batch), batch);
	d->verdict = GO;
	return d->job != NULL;
}

/* Must it wait for the first of its kind? *ret: its number when it is one of them, 0 when it may go, -1 when it rests. */
static bool first_of_kind(struct stg_store *store, struct decide *d, const json_t *blueprint, int64_t *ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *kind = NULL;
	enum stg_canary may = STG_CANARY_GO;
	char what[200];
	if (!stg_store_canary_ask(store, &d->who, blueprint, &may, &kind, err))
		return false;
	*ret = may == STG_CANARY_FIRST ? stg_json_int(kind, "id", 0) : may == STG_CANARY_GO ? 0 : -1;
	snprintf(what, sizeof(what), "%.30s %.20s%s%.40s%s%.80s", stg_json_str(kind, "model"), stg_json_str(kind, "os"),
		 *stg_json_str(kind, "serial") ? ", " : "", stg_json_str(kind, "serial"), *stg_json_str(kind, "why") ? ": " : "", stg_json_str(kind, "why"));
	stg_mend_end(what);
	if (may == STG_CANARY_STOPPED)
		rest(d, "hold", STG_ID_CANARY_FAILED, what);
	if (may != STG_CANARY_WAIT)
		return true;
	rest(d, "waiting", STG_ID_CANARY_WAITS, what);
	stg_copy(d->wait, sizeof(d->wait), "canary");
	return true;
}

static bool from_batch(struct stg_store *store, struct decide *d, const json_t *row, struct stg_error *err)
{
	const char *batch = stg_json_str(row, "batch"), *end = stg_json_str(row, "end");
	stg_copy(d->batch, sizeof(d->batch), batch);
	if (strcmp(end, "staged") == 0) {
		rest(d, "staged", 0, "");
		return true;
	}
	if (strcmp(end, "failed") == 0 && !d->order) {
		rest(d, "failed", (unsigned int)stg_json_int(row, "why_id", 0), stg_json_str(row, "reason"));
		return true;
	}
	STG_AUTO(stg_json_free_at) json_t *pins = stg_store_batch_pins(store, batch, err);
	if (!pins)
		return false;
	int64_t canary = 0;
	return first_of_kind(store, d, json_object_get(pins, "blueprint"), &canary, err) &&
	       (canary < 0 || add_job(store, d, batch, row, json_object_get(pins, "blueprint"), json_object_get(pins, "profiles"), canary, err));
}

static bool run(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct decide *d = arg;
	int64_t device = 0;
	struct stg_error why = { 0 };
	if (!d->who.unit[0]) {
		rest(d, "failed", 0, "it did not say its ECID");
		return true;
	}
	if (!stg_store_device_put(store, &d->who, &device, err))
		return false;
	d->job = stg_store_job_open(store, d->who.family, d->who.unit, &why);
	if (!d->job && why.code != STG_E_NOT_FOUND) {
		*err = why;
		return false;
	}
	if (d->no_backup) {
		rest(d, "listed", STG_ID_NO_BACKUP, "real devices wait for a verified backup");
		return true;
	}
	stg_error_reset(&why);
	STG_AUTO(stg_json_free_at) json_t *hold = stg_store_hold_of(store, &d->who, &why);
	if (!hold && why.code != STG_E_NOT_FOUND) {
		*err = why;
		return false;
	}
	if (hold) {
		rest(d, "hold", (unsigned int)stg_json_int(hold, "id", 0), stg_json_str(hold, "reason"));
		return true;
	}
	if (d->job)
		return resume(store, d, err);
	stg_error_reset(&why);
	STG_AUTO(stg_json_free_at) json_t *row = stg_store_batch_match(store, &d->who, &why);
	if (row && (!d->order || json_object_get(d->order, "batch")))
		return from_batch(store, d, row, err);
	if (d->order)
		return add_job(store, d, "", row, json_object_get(d->order, "blueprint"), json_object_get(d->order, "profiles"), 0, err);
	if (why.code == STG_E_HOLD || why.code == STG_E_WAITING) {
		rest(d, why.code == STG_E_HOLD ? "hold" : "listed", why.id, why.msg);
		return true;
	}
	if (why.code != STG_E_NOT_FOUND) {
		*err = why;
		return false;
	}
	/* It may still be in the order, by a serial that only a paired device tells: `known` says that it was told. */
	if (!d->known) {
		rest(d, "waiting", d->why_id, d->why);
		stg_copy(d->wait, sizeof(d->wait), "person");
		return true;
	}
	d->verdict = UNEXPECTED;
	return !d->port_batch[0] || stg_store_unexpected(store, d->port_batch, &d->who, d->port, err);
}

static unsigned int alike(struct stg_station *s, const struct slot *me)
{
	unsigned int n = 0;
	for (const struct slot *slot = s->slots; slot; slot = slot->next)
		/* one that comes back from recovery may still be shown there for a moment */
		if (slot != me && boot_mode(slot->arrival.mode))
			continue;
		else if (slot == me || (me->identity.unit[0] && strcmp(slot->identity.unit, me->identity.unit) == 0) ||
		    (me->identity.serial[0] && strcmp(slot->identity.serial, me->identity.serial) == 0))
			n++;
	return n;
}

static void done(void *arg, bool ok, const struct stg_error *err)
{
	struct decide *d = arg;
	struct stg_station *s = d->station;
	struct slot *slot = slot_by_attach(s, d->attach);
	if (!slot || !slot->worker || slot->state != SLOT_DECIDING) {
		/* it went while we looked: a job that was made or resumed waits for its return */
		if (ok && d->verdict == GO)
			job_orphaned(s, stg_json_int(d->job, "id", 0));
		goto out;
	}
	if (!ok) {
		stg_log_error(STG_LOG_ERR, &tag, err);
		slot_why(slot, err->id, err->msg);
		slot->order_spent = true;
		slot_word(s, slot, "failed");
		worker_end(s, slot);
		goto out;
	}
	stg_copy(slot->batch, sizeof(slot->batch), d->batch);
	stg_copy(slot->wait, sizeof(slot->wait), d->wait);
	slot_why(slot, d->why_id, d->why);
	switch (d->verdict) {
	case GO:
		slot->job = stg_json_int(d->job, "id", 0);
		json_decref(slot->job_row);
		slot->job_row = stg_steal(d->job);
		worker_steps(s, slot);
		break;
	case REST:
		if (d->receipt_job)
			slot->job = d->receipt_job;
		if (strcmp(d->word, "failed") == 0)
			slot->order_spent = true;
		slot_word(s, slot, d->word);
		worker_end(s, slot);
		break;
	case UNEXPECTED:
		slot_why(slot, STG_ID_NOT_IN_ORDER, NULL);
		slot_word(s, slot, "unexpected");
		if (slot->paired_here)
			worker_unpair(s, slot);
		else
			worker_end(s, slot);
		break;
	}
out:
	json_decref(d->job);
	json_decref(d->order);
	free(d);
}

/* A device that went silent, or spoke nonsense, while it was asked who it is: looked at once more, then shown as it is. What
 * the UDID alone tells of it is not an answer. */
static bool cannot_decide(struct stg_station *s, struct slot *slot, const struct stg_error *why)
{
	bool is_lost = why && (why->code == STG_E_GONE || why->code == STG_E_TIMEOUT || why->code == STG_E_IO || why->code == STG_E_PROTOCOL);
	if (!why || (slot->identity.unit[0] && (!is_lost || slot->identity.serial[0])))
		return false;
	stg_log_error(STG_LOG_NOTICE, &(struct stg_tag){ .room = "intake", .unit = slot->arrival.udid }, why);
	slot_why(slot, why->id, why->msg);
	slot->again = slot->crashes++ == 0;
	if (!slot->again)
		slot->order_spent = true;
	slot_word(s, slot, slot->again ? "queued" : "failed");
	worker_end(s, slot);
	return true;
}

void intake_decide(struct stg_station *s, struct slot *slot, const struct stg_error *why)
{
	if (cannot_decide(s, slot, why))
		return;
	if (alike(s, slot) > 1) {
		slot_why(slot, STG_ID_TWO_ALIKE, slot->identity.serial);
		slot_word(s, slot, "hold");
		worker_end(s, slot);
		return;
	}
	if (!slot->identity.serial[0] && strcmp(slot->trust, "ours") != 0) {
		/* Not paired, so its serial is unknown. By ECID or UDID it may be in the order; if not, a person must help. */
		if (why && why->id)
			slot_why(slot, why->id, why->msg);
	}
	slot->state = SLOT_DECIDING;
	struct decide *d = stg_calloc(1, sizeof(*d));
	d->station = s;
	d->attach = slot->arrival.attach;
	d->who = slot->identity;
	d->order = json_incref(slot_order(slot));
	d->window_open = window_open(s);
	d->known = slot->identity.serial[0] != 0;
	const struct cache_org *org = slot_org(s, slot);
	d->no_backup = !s->rehearsal && org && stg_json_int(org->row, "backup_verified_ms", 0) == 0;
	stg_copy(d->port, sizeof(d->port), slot->arrival.port);
	stg_copy(d->label, sizeof(d->label), slot->label);
	stg_copy(d->port_batch, sizeof(d->port_batch), stg_json_str(batch_on_port(s, slot->arrival.port), "name"));
	if (!d->known && why) {
		stg_copy(d->why, sizeof(d->why), why->msg);
		d->why_id = why->id;
	}
	queue_post(s->recorder, run, done, d);
}
