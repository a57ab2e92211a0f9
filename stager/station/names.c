/*
 * names.c - a name is one device's within its batch.
 *
 * For:    asks.c ("claim_name", from the step set_name).
 * Uses:   the recorder: given out and kept in one transaction, so that two devices asking at once do not both get it.
 * Called: on the main loop.
 * Thread: main loop and recorder; each hand-over is a task.
 */
#include <stdlib.h>
#include <string.h>

#include "station_i.h"

#define NAME_BYTES_MAX 63

struct claim {
	struct stg_station *station;
	uint64_t attach;
	unsigned int ref;
	int64_t job;
	json_t *ask;
	struct stg_identity who;
	char batch[64], name[NAME_BYTES_MAX + 1];
};

static bool give(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct claim *c = arg;
	return stg_store_name_give(store, c->batch, c->name, c->who.family, c->who.unit, err);
}

static void given(void *arg, bool ok, const struct stg_error *err)
{
	struct claim *c = arg;
	struct slot *slot = slot_by_attach(c->station, c->attach);
	if (!ok)
		stg_log_error(STG_LOG_WARNING, &(struct stg_tag){ .room = "names", .job = c->job, .unit = c->who.serial }, err);
	if (slot && slot->worker && slot->worker->ref == c->ref)
		ask_answer(slot, c->ask, NULL, ok ? NULL : err);
	json_decref(c->ask);
	free(c);
}

bool name_ask(struct stg_station *s, struct slot *slot, const json_t *m, struct stg_error *err)
{
	const char *name = stg_json_str(m, "name");
	size_t len = strlen(name);
	if (slot->state != SLOT_STEPS || !slot->worker->what || strcmp(slot->worker->what->name, "set_name") != 0)
		return stg_fail(err, STG_E_REFUSED, 0, "a worker may not ask for a name now");
	if (len < 1 || len > NAME_BYTES_MAX)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_NAME_LENGTH, 0, "%zu", len);
	/* outside a batch there is nothing to be confused with */
	if (!slot->batch[0]) {
		ask_answer(slot, m, NULL, NULL);
		return true;
	}
	struct claim *c = stg_calloc(1, sizeof(*c));
	c->station = s;
	c->attach = slot->arrival.attach;
	c->ref = slot->worker->ref;
	c->job = slot->job;
	c->ask = json_incref((json_t *)(uintptr_t)m);
	c->who = slot->identity;
	stg_copy(c->batch, sizeof(c->batch), slot->batch);
	stg_copy(c->name, sizeof(c->name), name);
	queue_post(s->recorder, give, given, c);
	return true;
}
