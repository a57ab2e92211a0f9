/*
 * live.c - what others may ask of the running station: what is plugged in, one-shot staging, stopping, figures.
 *
 * For:    ops/station.c, through <stager/station.h>.
 * Uses:   the slots.
 * Called: on the main loop, from operations.
 * Thread: the main loop's; nothing here blocks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stager/clock.h>

#include "station_i.h"

static json_t *foreign_json(const struct stg_station *s, const struct stg_usb_device *d)
{
	json_t *j = json_object();
	stg_json_put_int(j, "v", 1);
	stg_json_put(j, "port", d->socket);
	stg_json_put(j, "label", port_label(s, d->socket));
	stg_json_put(j, "mode", stg_mode_name(d->mode));
	stg_json_put(j, "state", d->mode == STG_MODE_FOREIGN || d->mode == STG_MODE_NORMAL ? "listed" : stg_mode_name(d->mode));
	stg_json_put(j, "family", d->driver);
	stg_json_put(j, "udid", d->udid);
	stg_json_put(j, "ecid", d->unit);
	stg_json_put(j, "maker", d->maker);
	stg_json_put(j, "product", d->product);
	char code[16];
	bool apple = strcmp(d->driver, "apple") == 0;
	if (!apple) {
		snprintf(code, sizeof(code), "STG-%u", (unsigned int)(d->is_phone ? STG_ID_ANOTHER_FAMILY : STG_ID_NOT_A_PHONE));
		stg_json_put(j, "code", code);
	}
	return j;
}

/* Half-made entries have no numbers yet; boot modes and running Apple devices have slots. */
static bool shown(struct stg_station *s, const struct stg_usb_device *d)
{
	bool has_slot = !d->vid || slot_by_udid(s, d->udid);
	for (const struct slot *slot = s->slots; slot && !has_slot; slot = slot->next)
		has_slot = boot_mode(slot->arrival.mode) && strcmp(slot->arrival.port, d->socket) == 0;
	return has_slot;
}

json_t *stg_station_devices(struct stg_station *s)
{
	json_t *list = json_array();
	topology_heard(s);
	for (const struct slot *slot = s->slots; slot; slot = slot->next)
		json_array_append_new(list, slot_json(slot));
	for (size_t i = 0; i < stg_topology_count(s->topology); i++) {
		const struct stg_usb_device *d = stg_topology_at(s->topology, i);
		if (d->is_hub || shown(s, d))
			continue;
		json_array_append_new(list, foreign_json(s, d));
	}
	return list;
}

static bool named(const struct slot *slot, const json_t *in)
{
	size_t i;
	json_t *one;
	const char *port = stg_json_str(in, "port");
	if (stg_json_bool(in, "all", false))
		return true;
	if (*port && (strcmp(slot->arrival.port, port) == 0 || strcasecmp(slot->label, port) == 0))
		return true;
	json_array_foreach(json_object_get(in, "serials"), i, one) {
		const char *want = json_string_value(one);
		if (want && (strcasecmp(slot->identity.serial, want) == 0 || strcasecmp(slot->arrival.udid, want) == 0 ||
			     strcmp(slot->identity.unit, want) == 0))
			return true;
	}
	return false;
}

static bool may_stage(const struct stg_station *s, const json_t *blueprint, struct stg_error *err)
{
	if (!json_is_object(blueprint))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "stage needs a blueprint");
	if (stg_json_bool(blueprint, "erases", true))
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_STAGE_ERASES, 0, "blueprint %s", stg_json_str(blueprint, "name"));
	return !s->stopping || stg_fail_id(err, STG_E_STATION, STG_ID_STOPPING, 0, "stopping");
}

json_t *stg_station_stage(struct stg_station *s, const json_t *in, const char *actor, struct stg_error *err)
{
	const json_t *blueprint = json_object_get(in, "blueprint");
	if (!may_stage(s, blueprint, err))
		return NULL;
	json_t *staging = json_array(), *skipped = json_array();
	for (struct slot *slot = s->slots; slot; slot = slot->next) {
		if (!named(slot, in))
			continue;
		bool may = port_allowed(s, slot->arrival.port) || !stg_json_bool(in, "all", false);
		if (!may || slot->worker || !slot->arrival.handle) {
			json_array_append_new(skipped, slot_json(slot));
			continue;
		}
		json_decref(slot->order);
		slot->order = json_object();
		json_object_set(slot->order, "blueprint", (json_t *)(uintptr_t)blueprint);
		if (json_object_get(in, "profiles"))
			json_object_set(slot->order, "profiles", json_object_get(in, "profiles"));
		stg_json_put(slot->order, "actor", actor);
		slot->order_spent = false;
		slot->word[0] = 0;
		/* this one: what failed at another port is not tried again because somebody staged here */
		slot_reconsider(s, slot);
		json_array_append_new(staging, json_pack("{s:s, s:s, s:I}", "port", slot->arrival.port, "udid", slot->arrival.udid,
							 "attach", (json_int_t)slot->arrival.attach));
	}
	slots_serve(s);
	return json_pack("{s:o, s:o}", "staging", staging, "skipped", skipped);
}

json_t *stg_station_stop(struct stg_station *s, bool now)
{
	json_t *running = station_running(s);
	station_stop(s, now);
	return running;
}

static int64_t rss_kib(void)
{
	long pages = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	if (f) {
		if (fscanf(f, "%ld %ld", &pages, &resident) != 2)
			resident = 0;
		fclose(f);
	}
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

json_t *stg_station_figures(const struct stg_station *s)
{
	json_t *j = json_object();
	stg_json_put_int(j, "v", 1);
	stg_json_put_int(j, "pid", getpid());
	stg_json_put_int(j, "nursery_pid", s->nursery->pid);
	stg_json_put_int(j, "muxdoor_pid", s->muxdoor_pid);
	stg_json_put_bool(j, "rehearsal", s->rehearsal);
	stg_json_put_bool(j, "settled", s->settled);
	stg_json_put_bool(j, "mux", s->mux_up);
	stg_json_put_bool(j, "window_open", window_open(s));
	stg_json_put_int(j, "workers", s->busy_workers);
	stg_json_put_int(j, "rss_kib", rss_kib());
	stg_json_put_int(j, "cpu_us", stg_cpu_us());
	stg_json_put_int(j, "worker_cpu_us", s->worker_cpu_us);
	stg_json_put_int(j, "worker_rss_kib", s->worker_rss_kib);
	stg_json_put_int(j, "door_cpu_us", s->door_cpu_us);
	stg_json_put_int(j, "pool_cpu_us", pool_cpu_us());
	stg_json_put_bool(j, "pool_ready", s->pool_ready);
	stg_json_put_new(j, "running", station_running(s));
	json_t *pids = json_array();
	for (const struct slot *slot = s->slots; slot; slot = slot->next)
		if (slot->worker && slot->worker->pid > 0)
			json_array_append_new(pids, json_integer(slot->worker->pid));
	stg_json_put_new(j, "worker_pids", pids);
	return j;
}

void stg_station_push(struct stg_station *s, const char *target)
{
	pushing_now(s, target);
}

void stg_station_learning(struct stg_station *s, int64_t seconds)
{
	s->learning_until_ms = seconds > 0 ? stg_boot_ms() + (seconds > 600 ? 600 : seconds) * 1000 : 0;
	if (!s->learning_until_ms)
		slots_reconsider(s);
}
