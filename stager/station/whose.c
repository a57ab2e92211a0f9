/*
 * whose.c - which organisation's identity a device is shown before it has a job.
 *
 * For:    asks.c ("supervisor"): a station of several organisations. A device that one of them supervises lets that one's
 *         identity pair without a tap; to any other it puts up its question, and a person stands there for nothing.
 * Uses:   the recorder: what the inventory knows of this unit.
 * Called: on the main loop.
 * Thread: main loop and recorder; each hand-over is a task.
 */
#include <stdlib.h>
#include <string.h>

#include "station_i.h"

struct whose {
	struct stg_station *station;
	uint64_t attach;
	unsigned int ref;
	json_t *ask;
	struct stg_identity who;
	bool found;
	char name[65];
};

static bool look(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct whose *w = arg;
	return stg_store_device_org(store, &w->who, &w->found, w->name, err);
}

static void looked(void *arg, bool ok, const struct stg_error *err)
{
	struct whose *w = arg;
	struct slot *slot = slot_by_attach(w->station, w->attach);
	struct stg_error why = { 0 };
	if (!ok)
		stg_log_error(STG_LOG_WARNING, &(struct stg_tag){ .room = "whose", .unit = w->who.unit }, err);
	if (slot && slot->worker && slot->worker->ref == w->ref) {
		slot->org_found = ok && w->found;
		stg_copy(slot->org, sizeof(slot->org), w->name);
		if (!supervisor_answer(w->station, slot, w->ask, &why))
			ask_answer(slot, w->ask, NULL, &why);
	}
	json_decref(w->ask);
	free(w);
}

bool whose_ask(struct stg_station *s, struct slot *slot, const json_t *m)
{
	/* a job knows; with one organisation there is nothing to find out; of a device that has not said who it is, nothing is known */
	if (slot->job_row || slot->org_asked || s->cache.n_orgs < 2 || !slot->identity.unit[0])
		return false;
	struct whose *w = stg_calloc(1, sizeof(*w));
	slot->org_asked = true;
	w->station = s;
	w->attach = slot->arrival.attach;
	w->ref = slot->worker->ref;
	w->ask = json_incref((json_t *)(uintptr_t)m);
	w->who = slot->identity;
	queue_post(s->recorder, look, looked, w);
	return true;
}
