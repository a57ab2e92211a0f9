/*
 * share.c - a blueprint that says `keep_trust: true` leaves its pairing to other programs on this station too.
 *
 * For:    workers.c, when a pair step has ended well.
 * Uses:   the recorder (the sealed record, an audit row before it leaves), usbmuxd on a thread that may wait.
 * Called: on the main loop.
 * Thread: main loop, recorder, outside, in that order.
 */
#include <stdlib.h>
#include <string.h>

#include "station_i.h"

static const struct stg_tag tag = { .room = "trust" };

struct share {
	struct stg_station *station;
	char udid[STG_UDID_MAX], spelt[STG_UDID_MAX], unit[32];
	uint32_t handle;
	int64_t job;
	struct stg_secret record;
};

static void share_free(struct share *h)
{
	stg_secret_clear(&h->record);
	free(h);
}

static bool fetch(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct share *h = arg;
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(256 << 10);
	STG_AUTO(stg_json_free_at) json_t *entry = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "actor", "station", "verb", "trust.share", "object",
							     h->udid, "job", (json_int_t)h->job, "unit", h->unit, "outcome", "intent");
	return stg_store_trust_get(store, h->udid, &sealed, err) &&
	       stg_keys_open_sealed(h->station->keys, "pair-record", stg_buf_view(&sealed), &h->record, err) && stg_store_audit(store, entry, err);
}

static bool hand_over(struct stg_store *store, void *arg, struct stg_error *err)
{
	(void)store;
	struct share *h = arg;
	return stg_trust_share(h->spelt, h->handle, &h->record, err);
}

/* The job does not wait for it and does not fail by it: the station's own trust is not touched. */
static void handed_over(void *arg, bool ok, const struct stg_error *err)
{
	if (!ok)
		stg_log_error(STG_LOG_WARNING, &tag, err);
	share_free(arg);
}

static void fetched(void *arg, bool ok, const struct stg_error *err)
{
	struct share *h = arg;
	if (ok)
		queue_post(h->station->outside, hand_over, handed_over, h);
	else
		handed_over(h, false, err);
}

void trust_share(struct stg_station *s, const struct slot *slot)
{
	const json_t *steps = json_object_get(json_object_get(slot->job_row, "blueprint"), "steps");
	size_t i;
	json_t *step;
	bool wanted = false;
	json_array_foreach((json_t *)(uintptr_t)steps, i, step)
		if (strcmp(stg_json_str(step, "step"), "pair") == 0)
			wanted = wanted || stg_json_bool(json_object_get(step, "params"), "keep_trust", false);
	if (!wanted)
		return;
	struct share *h = stg_calloc(1, sizeof(*h));
	h->station = s;
	h->handle = slot->arrival.handle;
	h->job = slot->job;
	stg_copy(h->udid, sizeof(h->udid), slot->arrival.udid);
	stg_copy(h->unit, sizeof(h->unit), slot->identity.unit);
	/* as usbmuxd spells it: older devices in small letters */
	if (!slot->arrival.usb_serial[0] || !stg_copy(h->spelt, sizeof(h->spelt), slot->arrival.usb_serial))
		stg_copy(h->spelt, sizeof(h->spelt), h->udid);
	queue_post(s->recorder, fetch, fetched, h);
}
