/*
 * bulkask.c - workers ask for their turn on the cable, and hear when it has come.
 *
 * For:    asks.c (a worker asks "bulk"), workers.c (a worker has ended).
 * Uses:   bulk.c for whose turn it is; the topology for how fast the cable is.
 * Called: on the main loop.
 * Thread: the main loop's; nothing here blocks.
 */
#include <stager/clock.h>

#include "bulk.h"
#include "station_i.h"

static int on_due(sd_event_source *src, uint64_t us, void *arg)
{
	(void)us;
	sd_event_source_set_enabled(src, SD_EVENT_OFF);
	bulk_serve(arg);
	return 0;
}

static void arm(struct stg_station *s)
{
	int64_t due = bulk_due_ms(s->bulk, stg_boot_ms());
	if (due < 0) {
		if (s->bulk_timer)
			sd_event_source_set_enabled(s->bulk_timer, SD_EVENT_OFF);
		return;
	}
	if (!s->bulk_timer) {
		(void)sd_event_add_time(s->loop, &s->bulk_timer, CLOCK_BOOTTIME, (uint64_t)due * 1000, 100000, on_due, s);
		return;
	}
	sd_event_source_set_time(s->bulk_timer, (uint64_t)due * 1000);
	sd_event_source_set_enabled(s->bulk_timer, SD_EVENT_ONESHOT);
}

static struct slot *slot_of(struct stg_station *s, unsigned int ref)
{
	for (struct slot *slot = s->slots; slot; slot = slot->next)
		if (slot->worker && slot->worker->ref == ref)
			return slot;
	return NULL;
}

static void answer(struct slot *slot, int64_t bytes)
{
	STG_AUTO(stg_json_free_at) json_t *ask = json_pack("{s:I}", "q", (json_int_t)slot->worker->bulk_q);
	ask_answer(slot, ask, json_pack("{s:I}", "bytes", (json_int_t)bytes), NULL);
}

void bulk_serve(struct stg_station *s)
{
	unsigned int ref;
	int64_t bytes;
	while (bulk_next(s->bulk, stg_boot_ms(), &ref, &bytes)) {
		struct slot *slot = slot_of(s, ref);
		if (!slot) {
			bulk_drop(s->bulk, ref);
			continue;
		}
		worker_clock_on(s, slot);
		answer(slot, bytes);
	}
	arm(s);
}

void bulk_asked(struct stg_station *s, struct slot *slot, const json_t *m)
{
	struct worker *w = slot->worker;
	char segment[STG_PORT_MAX] = "";
	int64_t left = stg_json_int(m, "left", 0);
	const struct stg_usb_device *d = s->topology ? stg_topology_on(s->topology, slot->arrival.port) : NULL;
	(void)stg_port_segment(slot->arrival.port, segment);
	w->bulk_q = stg_json_int(m, "q", 0);
	bulk_ask(s->bulk, w->ref, segment, d && d->speed_mbps >= 5000, left, stg_boot_ms());
	if (left <= 0)
		answer(slot, 0);
	else
		worker_clock_off(s, slot);   /* its turn comes; until then the step's time stands still */
	bulk_serve(s);
}

void bulk_left(struct stg_station *s, const struct worker *w)
{
	bulk_drop(s->bulk, w->ref);
	bulk_serve(s);
}
