/*
 * busline.c - tells those who watch how much more fits on the hubs.
 *
 * For:    the board.
 * Uses:   drivers/usb's accountant over the station's topology; the labels of ports.
 * Called: station.c when the topology changed, cache.c when labels changed, socket.c for somebody new.
 * Thread: the main loop's.
 */
#include <stager/bus.h>
#include <stager/clock.h>

#include "station_i.h"

#define CALM_MS 500          /* a bench switched on changes a hundred times in a second: told once */

static void name_it(const struct stg_station *s, json_t *o, const char *key, const char *as)
{
	const char *port = stg_json_str(o, key);
	if (*port)
		stg_json_put(o, as, port_label(s, port));
}

static void tell(struct stg_station *s)
{
	struct stg_bus bus;
	size_t i;
	json_t *one;
	stg_bus_of(s->topology, &bus);
	json_t *now = stg_bus_json(&bus);
	stg_bus_clear(&bus);
	json_object_del(now, "controllers");
	json_object_del(now, "segments");
	json_array_foreach(json_object_get(now, "hubs"), i, one)
		name_it(s, one, "hub", "label");
	json_array_foreach(json_object_get(now, "fixes"), i, one) {
		name_it(s, one, "where", "label");
		name_it(s, one, "to", "to_label");
	}
	if (s->bus_told && json_equal(now, s->bus_told)) {
		json_decref(now);
		return;
	}
	json_decref(s->bus_told);
	s->bus_told = now;
	socket_event(s, json_pack("{s:s, s:O}", "what", "bus", "bus", now));
}

static int on_calm(sd_event_source *src, uint64_t us, void *arg)
{
	(void)us;
	sd_event_source_set_enabled(src, SD_EVENT_OFF);
	tell(arg);
	return 0;
}

void bus_changed(struct stg_station *s)
{
	uint64_t due = (uint64_t)(stg_boot_ms() + CALM_MS) * 1000;
	int on = SD_EVENT_OFF;
	if (!s->topology || s->stopping)
		return;
	if (!s->bus_timer) {
		(void)sd_event_add_time(s->loop, &s->bus_timer, CLOCK_BOOTTIME, due, 100000, on_calm, s);
		return;
	}
	if (sd_event_source_get_enabled(s->bus_timer, &on) > 0)
		return;
	sd_event_source_set_time(s->bus_timer, due);
	sd_event_source_set_enabled(s->bus_timer, SD_EVENT_ONESHOT);
}
