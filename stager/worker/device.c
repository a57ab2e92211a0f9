/*
 * device.c - the worker's one device: opening, facts, trust.
 *
 * For:    main.c and run.c.
 * Uses:   drivers/device.c through <stager/driver.h>.
 * Called: by this room only.
 * Thread: the worker's only one.
 */
#include <stager/clock.h>
#include <stager/error.h>
#include <stager/facts.h>

#include <string.h>

#include "worker_i.h"

#define TAP_POLL_MS 1000        /* apple.md 10: the same Pair again each second */

bool worker_open(struct worker *w, struct stg_error *err)
{
	if (w->device)
		return true;
	if (!w->driver) {
		w->device = stg_device_open(&w->arrival, &w->host, w->stop, err);
	} else {
		w->device = w->driver->open(&w->arrival, &w->host, w->stop, err);
		if (w->device) {
			w->device->driver = w->driver;
			w->device->host = &w->host;
			w->device->stop = w->stop;
		}
	}
	return w->device ? true : stg_while(err, "open");
}

bool worker_reopen(struct worker *w, struct stg_error *err)
{
	struct stg_identity now = { 0 };
	stg_device_close(w->device);
	w->device = NULL;
	json_object_clear(w->memory);
	worker_forget_facts(w);
	if (!worker_open(w, err) || !stg_device_identify(w->device, &now, err))
		return false;
	if (w->identity.unit[0] && !stg_identity_same(&w->identity, &now))
		return stg_fail_id(err, STG_E_GONE, STG_ID_OTHER_DEVICE, 0, "another device answers on this attach: unit %s, it was %s",
				now.unit, w->identity.unit);
	w->identity = now;
	return true;
}

void worker_forget_facts(struct worker *w)
{
	json_decref(w->facts);
	w->facts = NULL;
	stg_error_reset(&w->facts_error);
}

void worker_take_facts(struct worker *w, json_t *read)
{
	worker_forget_facts(w);
	w->facts = json_is_object(read) ? json_incref(read) : json_object();
	json_decref(read);
	json_t *who = stg_identity_json(&w->identity);
	json_object_update_missing(w->facts, who);
	json_decref(who);
}

const json_t *worker_facts(struct worker *w)
{
	struct stg_error why = { 0 };
	if (!w->facts) {
		worker_take_facts(w, w->device ? stg_device_facts(w->device, &why) : NULL);
		json_object_update_missing(w->facts, json_object_get(w->memory, "details"));
		w->facts_error = why;
	}
	return w->facts;
}

void worker_tell_identity(struct worker *w, json_t *m)
{
	if (memcmp(&w->told_identity, &w->identity, sizeof(w->identity)) == 0)
		return;
	stg_json_put_new(m, "identity", stg_identity_json(&w->identity));
	w->told_identity = w->identity;
}

const json_t *worker_owner_facts(struct worker *w)
{
	(void)worker_facts(w);
	if (!w->device || !stg_json_bool(w->facts, STG_FACT_OURS, false))
		return w->facts;
	STG_AUTO(stg_json_free_at) json_t *more = stg_device_owner_facts(w->device, &w->facts_error);
	if (more)
		json_object_update(w->facts, more);
	return w->facts;
}

enum stg_ask worker_pair_asks(const struct stg_error *why)
{
	return why->id == STG_ID_DEVICE_LOCKED || why->id == STG_ID_DEVICE_FIRST_UNLOCK ? STG_ASK_UNLOCK : STG_ASK_TRUST;
}

bool worker_pair(struct worker *w, struct stg_error *err)
{
	int64_t until = stg_boot_ms() + STG_WORKER_TAP_MS;
	for (;;) {
		stg_error_reset(err);
		if (stg_device_pair(w->device, err))
			break;
		/* who was denied is asked again only after a replug (apple.md 3.5) */
		if (err->code != STG_E_NEEDS_HUMAN || err->id == STG_ID_TRUST_DENIED || stg_boot_ms() + TAP_POLL_MS > until)
			return false;
		w->host.ask_person(w, worker_pair_asks(err));
		if (!worker_pause(w, TAP_POLL_MS))
			return stg_fail_id(err, STG_E_CANCELLED, STG_ID_TOLD_TO_STOP, 0, "told to stop while waiting for a person");
	}
	worker_forget_facts(w);
	w->trust = STG_TRUST_OURS;
	/* serial and IMEI can be read only now */
	struct stg_identity now = { 0 };
	if (!stg_device_identify(w->device, &now, err))
		return stg_while(err, "read who it is after pairing");
	if (w->identity.unit[0] && !stg_identity_same(&w->identity, &now))
		return stg_fail_id(err, STG_E_HOLD, STG_ID_OTHER_DEVICE, 0, "after pairing unit %s answers, it was %s", now.unit, w->identity.unit);
	w->identity = now;
	return true;
}
