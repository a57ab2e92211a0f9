/*
 * slots.c - what is plugged in, and what the station wants of it.
 *
 * For:    arrivals, departures, whose turn it is.
 * Uses:   the cache of ports and batches; workers.c.
 * Called: station.c (arrivals), cache.c (something changed), workers.c (a worker ended).
 * Thread: the main loop's.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stager/clock.h>

#include "station_i.h"

#define LINE_RETRY_MS 30000
#define START_US 10000       /* between two starts of workers, on one core */

static const struct stg_tag tag = { .room = "station" };

struct slot *slot_by_attach(struct stg_station *s, uint64_t attach)
{
	for (struct slot *slot = s->slots; slot; slot = slot->next)
		if (slot->arrival.attach == attach)
			return slot;
	return NULL;
}

struct slot *slot_by_handle(struct stg_station *s, uint32_t handle)
{
	for (struct slot *slot = s->slots; slot && handle; slot = slot->next)
		if (slot->arrival.handle == handle)
			return slot;
	return NULL;
}

struct slot *slot_by_udid(struct stg_station *s, const char *udid)
{
	for (struct slot *slot = s->slots; slot && udid[0]; slot = slot->next)
		if (strcasecmp(slot->arrival.udid, udid) == 0)
			return slot;
	return NULL;
}

/* The row that names this very port wins over a pattern. */
static const json_t *port_row(const struct stg_station *s, const char *port)
{
	size_t i;
	json_t *row;
	const json_t *pattern = NULL;
	json_array_foreach(s->cache.ports, i, row) {
		const char *name = stg_json_str(row, "port");
		if (port[0] && strcmp(name, port) == 0)
			return row;
		if (strpbrk(name, "*?") && fnmatch(name, port, 0) == 0)
			pattern = row;
	}
	return pattern;
}

const char *port_label(const struct stg_station *s, const char *port)
{
	return stg_json_str(port_row(s, port), "label");
}

bool port_allowed(const struct stg_station *s, const char *port)
{
	return stg_json_bool(port_row(s, port), "allowed", false);
}

json_t *batch_on_port(const struct stg_station *s, const char *port)
{
	size_t i, k;
	json_t *batch, *one;
	if (!port_allowed(s, port))
		return NULL;
	json_array_foreach(s->cache.batches, i, batch) {
		const json_t *ports = json_object_get(batch, "ports");
		if (!json_array_size(ports))
			return batch;
		json_array_foreach(ports, k, one)
			if (fnmatch(json_string_value(one) ? json_string_value(one) : "", port, 0) == 0)   /* "2-1.*", "*" too */
				return batch;
	}
	return NULL;
}

void slot_why(struct slot *slot, unsigned int id, const char *msg)
{
	slot->why_id = id;
	stg_copy(slot->why_msg, sizeof(slot->why_msg), msg ? msg : "");
}

void slot_word(struct stg_station *s, struct slot *slot, const char *word)
{
	if (strcmp(slot->word, word) != 0) {
		stg_copy(slot->word, sizeof(slot->word), word);
		slot->since_ms = stg_wall_ms();
	}
	event_slot(s, slot);
}

json_t *slot_json(const struct slot *slot)
{
	json_t *j = json_object();
	stg_json_put_int(j, "v", 1);
	stg_json_put(j, "port", slot->arrival.port);
	stg_json_put(j, "label", slot->label);
	stg_json_put(j, "state", slot->word);
	stg_json_put(j, "mode", stg_mode_name(slot->arrival.mode));
	stg_json_put(j, "family", slot->arrival.driver);
	stg_json_put(j, "udid", slot->arrival.udid);
	stg_json_put(j, "serial", slot->identity.serial);
	stg_json_put(j, "ecid", slot->identity.unit);
	stg_json_put(j, "model", slot->identity.model);
	stg_json_put(j, "model_name", slot->identity.model_name);
	stg_json_put(j, "os_version", slot->identity.os_version);
	stg_json_put(j, "name", slot->identity.name);
	stg_json_put(j, "trust", slot->trust);
	stg_json_put(j, "batch", slot->batch);
	stg_json_put(j, "asset_tag", stg_json_str(json_object_get(slot->job_row, "attributes"), "asset_tag"));
	stg_json_put(j, "wait", slot->wait);
	stg_json_put(j, "step", slot->step);
	stg_json_put(j, "ask", slot->ask);
	stg_json_put(j, "detail", slot->why_msg);
	stg_json_put_int(j, "attach", (int64_t)slot->arrival.attach);
	stg_json_put_int(j, "job", slot->job);
	stg_json_put_int(j, "step_n", slot->step_n);
	stg_json_put_int(j, "step_of", slot->step_of);
	stg_json_put_int(j, "percent", slot->percent);
	stg_json_put_int(j, "since_ms", slot->since_ms);
	if (slot->step_deadline_ms > stg_boot_ms())
		stg_json_put_int(j, "left_ms", slot->step_deadline_ms - stg_boot_ms());
	if (slot->why_id) {
		char code[16];
		snprintf(code, sizeof(code), "STG-%u", slot->why_id);
		stg_json_put(j, "code", code);
	}
	return j;
}

/* Whether anybody asked for this device: a started batch on its port, or a person's explicit order. */
static bool wanted(const struct stg_station *s, const struct slot *slot)
{
	if (strcmp(slot->arrival.driver, "apple") != 0 || slot->arrival.mode != STG_MODE_NORMAL || !slot->arrival.handle ||
	    !slot->arrival.udid[0] || stg_boot_ms() < s->learning_until_ms)
		return false;
	return slot->order || batch_on_port(s, slot->arrival.port);
}

static void queue_slot(struct stg_station *s, struct slot *slot)
{
	slot->state = SLOT_QUEUED;
	slot->again = false;
	slot_why(slot, 0, NULL);
	slot_word(s, slot, "queued");
}

/* The unit is in the UDID of newer devices: chip id - ECID in hexadecimal (apple.md 3.4). */
static void unit_from_udid(struct slot *slot)
{
	const char *dash = strchr(slot->arrival.udid, '-');
	if (!dash || slot->identity.unit[0])
		return;
	snprintf(slot->identity.unit, sizeof(slot->identity.unit), "%llu", strtoull(dash + 1, NULL, 16));
	stg_copy(slot->identity.family, sizeof(slot->identity.family), "apple");
	stg_copy(slot->identity.udid, sizeof(slot->identity.udid), slot->arrival.udid);
}

static struct slot *slot_add(struct stg_station *s, const struct stg_arrival *a)
{
	struct slot *slot = stg_calloc(1, sizeof(*slot)), **end = &s->slots;
	slot->arrival = *a;
	stg_copy(slot->label, sizeof(slot->label), port_label(s, a->port));
	unit_from_udid(slot);
	while (*end)
		end = &(*end)->next;
	*end = slot;
	return slot;
}

struct slot *slots_unlisted(struct stg_station *s, const struct stg_arrival *a)
{
	struct slot *slot = slot_add(s, a);
	slot->arrival.handle = 0;
	slot->arrival.attach = s->next_attach++;
	slot->state = SLOT_LISTED;
	return slot;
}

void slots_arrived(struct stg_station *s, const struct stg_arrival *a)
{
	struct slot *old = slot_by_udid(s, a->udid);
	if (old && old->arrival.handle == a->handle)
		return;
	if (old)
		slots_left(s, a->udid);   /* usbmuxd forgot to say so */
	struct slot *slot = slot_add(s, a);
	stg_log(STG_LOG_INFO, &tag, "%s plugged in at %s", a->udid, a->port[0] ? a->port : "an unknown port");
	if (wanted(s, slot) && !s->stopping) {
		queue_slot(s, slot);
	} else {
		slot->state = SLOT_LISTED;
		if (!a->udid[0])
			slot_why(slot, STG_ID_DEVICE_NONSENSE, "its serial string is no UDID");
		else if (stg_boot_ms() < s->learning_until_ms)
			slot_why(slot, STG_ID_PORTS_LEARNING, NULL);
		else if (!port_allowed(s, a->port))
			slot_why(slot, STG_ID_PORT_NOT_ALLOWED, NULL);
		else
			slot_why(slot, STG_ID_NO_BATCH, NULL);
		slot_word(s, slot, "listed");
	}
}

static void slot_free(struct stg_station *s, struct slot *slot)
{
	struct slot **at = &s->slots;
	while (*at && *at != slot)
		at = &(*at)->next;
	if (*at)
		*at = slot->next;
	worker_free(s, slot);
	json_decref(slot->facts);
	json_decref(slot->order);
	json_decref(slot->job_row);
	free(slot);
}

void slots_left(struct stg_station *s, const char *udid)
{
	struct slot *slot = slot_by_udid(s, udid);
	if (slot)
		slot_left(s, slot);
}

void slot_left(struct stg_station *s, struct slot *slot)
{
	char udid[STG_UDID_MAX];
	stg_copy(udid, sizeof(udid), slot->arrival.udid);
	if (slot->arrival.handle)
		stg_log(STG_LOG_INFO, &tag, "%s unplugged from %s", udid, slot->arrival.port);
	if (slot->worker && !slot->worker->finished) {
		/* its last words may still be in the channel: a step that was acknowledged before the plug was pulled, or an
		 * expected restart. Read them before the job is called interrupted. */
		workers_last_words(s, slot);
	}
	if (slot->state == SLOT_STEPS && slot->job)
		job_lost(s, slot, STG_ID_DEVICE_PULLED, "unplugged");
	json_t *e = json_pack("{s:s, s:s, s:s, s:I}", "what", "left", "port", slot->arrival.port, "udid", udid, "attach",
			      (json_int_t)slot->arrival.attach);
	socket_event(s, e);
	slot_free(s, slot);
	workers_turns(s);
}

void slots_free(struct stg_station *s)
{
	while (s->slots)
		slot_free(s, s->slots);
}

void slot_rest(struct stg_station *s, struct slot *slot)
{
	slot->state = SLOT_RESTING;
	slot->step[0] = slot->ask[0] = 0;
	slot->step_deadline_ms = 0;
	if (slot->again && wanted(s, slot) && !s->stopping)
		queue_slot(s, slot);
	else
		event_slot(s, slot);
}

void slot_reconsider(struct stg_station *s, struct slot *slot)
{
	if (slot->state == SLOT_LISTED || slot->state == SLOT_RESTING) {
		if (strcmp(slot->word, "staged") != 0 && wanted(s, slot) && !s->stopping)
			queue_slot(s, slot);
		else
			event_slot(s, slot);
	} else if (slot->state != SLOT_QUEUED) {
		slot->again = true;
	} else if (!wanted(s, slot)) {
		slot->state = SLOT_LISTED;
		slot_why(slot, STG_ID_NO_BATCH, NULL);
		slot_word(s, slot, "listed");
	}
}

void slots_reconsider(struct stg_station *s)
{
	for (struct slot *slot = s->slots; slot; slot = slot->next)
		slot_reconsider(s, slot);
	slots_serve(s);
}

void slots_retry_canaries(struct stg_station *s)
{
	bool any = false;
	for (struct slot *slot = s->slots; slot; slot = slot->next) {
		bool waits = slot->why_id == STG_ID_CANARY_WAITS || slot->why_id == STG_ID_CANARY_FAILED;
		if (waits && slot->state == SLOT_RESTING && !s->stopping && wanted(s, slot)) {
			queue_slot(s, slot);
			any = true;
		} else if (waits && slot->state == SLOT_LEAVING) {
			slot->again = true;
		}
	}
	if (any)
		slots_serve(s);
}

/* A line is not announced: while the window is open, what waits for one is tried again now and then. */
void slots_retry_line(struct stg_station *s)
{
	int64_t now = stg_boot_ms();
	if (s->stopping || now < s->line_due_ms || !window_open(s))
		return;
	s->line_due_ms = now + LINE_RETRY_MS;
	for (struct slot *slot = s->slots; slot; slot = slot->next)
		if (slot->state == SLOT_RESTING && strcmp(slot->word, "waiting") == 0 && strcmp(slot->wait, "line") == 0 && wanted(s, slot))
			queue_slot(s, slot);
}

static int on_start_timer(sd_event_source *src, uint64_t us, void *arg)
{
	(void)us;
	sd_event_source_set_enabled(src, SD_EVENT_OFF);
	slots_serve(arg);
	return 0;
}

/*
 * When a whole bench is switched on at once, all workers would compute together, share the processor evenly, finish together,
 * wait for their devices together, and so after every step: the sum of all their work would be waited for. Started one
 * after another, about as far apart as their longest piece of work, they stay so, and one computes while others wait.
 */
static bool may_start(struct stg_station *s)
{
	uint64_t now = 0;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	now = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
	if (now >= s->next_start_us) {
		s->next_start_us = now + START_US / (uint64_t)(cores < 1 ? 1 : cores);
		return true;
	}
	if (!s->start_timer) {
		if (sd_event_add_time(s->loop, &s->start_timer, CLOCK_BOOTTIME, s->next_start_us, 500, on_start_timer, s) < 0)
			return true;     /* better together than never */
	} else {
		sd_event_source_set_time(s->start_timer, s->next_start_us);
		sd_event_source_set_enabled(s->start_timer, SD_EVENT_ONESHOT);
	}
	return false;
}

/* First come, first served: arrivals stand in the list in their order, a port that was just served stands at its end. */
void slots_serve(struct stg_station *s)
{
	for (struct slot *slot = s->slots; slot && !s->stopping; slot = slot->next) {
		if (s->busy_workers >= (unsigned int)s->setup.max_workers)
			return;
		if (slot->state != SLOT_QUEUED || slot->worker)
			continue;
		if (!may_start(s))
			return;
		struct stg_error err = { 0 };
		slot->state = SLOT_INTAKE;
		if (!worker_start(s, slot, &err)) {
			stg_log_error(STG_LOG_WARNING, &tag, &err);
			slot_why(slot, err.id, err.msg);
			slot_word(s, slot, "failed");
			slot->state = SLOT_RESTING;
			continue;
		}
		slot_word(s, slot, "looking");
	}
}
