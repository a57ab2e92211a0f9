/*
 * known.c - who a device is that nobody has asked: what the inventory says of its ECID or UDID.
 *
 * For:    devices that rest untouched, in whatever mode: the board shows their serial number, and a person may name them by it
 *         (`stager unlock SERIAL`, `stager stage --serial`). A worker that asks the device knows better.
 * Uses:   the inventory, on the recorder's thread.
 * Called: boot.c; slots.c, for what is listed.
 * Thread: the main loop's; looks up on the recorder's.
 */
#include <stdlib.h>

#include "station_i.h"

static const struct stg_tag tag = { .room = "station" };

struct lookup {
	struct stg_station *station;
	uint64_t attach;
	char unit[32], udid[STG_UDID_MAX];
	struct stg_identity who;
};

static bool look(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct lookup *l = arg;
	if (l->unit[0])
		return stg_store_device_find(store, "apple", l->unit, &l->who, err);
	return stg_store_device_by_udid(store, l->udid, &l->who, err);
}

static void looked(void *arg, bool ok, const struct stg_error *err)
{
	struct lookup *l = arg;
	struct slot *slot = slot_by_attach(l->station, l->attach);
	if (!ok && err->code != STG_E_NOT_FOUND)
		stg_log_error(STG_LOG_WARNING, &tag, err);
	/* one that was asked meanwhile has said it itself */
	if (ok && slot && slot->state == SLOT_LISTED) {
		slot->identity = l->who;
		event_slot(l->station, slot);
	}
	free(l);
}

void known_look(struct stg_station *s, const struct slot *slot)
{
	const char *udid = slot->identity.udid[0] ? slot->identity.udid : slot->arrival.udid;
	if (!slot->identity.unit[0] && !udid[0])
		return;
	struct lookup *l = stg_calloc(1, sizeof(*l));
	l->station = s;
	l->attach = slot->arrival.attach;
	stg_copy(l->unit, sizeof(l->unit), slot->identity.unit);
	stg_copy(l->udid, sizeof(l->udid), udid);
	queue_post(s->recorder, look, looked, l);
}
