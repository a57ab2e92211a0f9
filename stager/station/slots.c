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
#define ORDER_KEPT_MS (15 * 60000LL)   /* as long as a person looks for another cable */
#define ORDERS_MAX 1000

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
		if (!boot_mode(slot->arrival.mode) && strcasecmp(slot->arrival.udid, udid) == 0)
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

json_t *slot_order(const struct slot *slot)
{
	return slot->order_spent ? NULL : slot->order;
}

static bool has_job(const json_t *jobs, int64_t job)
{
	for (size_t i = 0; job && i < json_array_size(jobs); i++)
		if (stg_json_int(json_array_get(jobs, i), "id", 0) == job)
			return true;
	return false;
}

/* Who cancels a job takes back the order it came from, also where the device is out just now. */
static void orders_cancelled(struct stg_station *s, const json_t *jobs)
{
	const char *udid;
	void *next;
	json_t *kept;
	for (struct slot *slot = s->slots; slot; slot = slot->next)
		if (slot->order && has_job(jobs, slot->job))
			slot->order_spent = true;
	json_object_foreach_safe(s->orders, next, udid, kept)
		if (has_job(jobs, stg_json_int(kept, "job", 0)))
			json_object_del(s->orders, udid);
}

void slots_asked_anew(struct stg_station *s, const char *op, const json_t *ret)
{
	const char *released = strcmp(op, "hold.release") == 0 ? stg_json_str(ret, "released") : "";
	const json_t *retried = strcmp(op, "job.retry") == 0 ? json_object_get(ret, "retried") : NULL;
	if (strcmp(op, "job.cancel") == 0)
		orders_cancelled(s, json_object_get(ret, "cancelled"));
	for (struct slot *slot = s->slots; slot; slot = slot->next) {
		if (!slot->order_spent)
			continue;
		if (*released && (strcmp(slot->identity.serial, released) == 0 || strcmp(slot->identity.unit, released) == 0))
			slot->order_spent = false;
		if (has_job(retried, slot->job))
			slot->order_spent = false;
	}
}

/* usbmuxd announces it and the kernel, which shows every device there is, does not. */
static bool is_ghost(const struct stg_station *s, const struct slot *slot)
{
	return !slot->arrival.port[0] && place_tells(s);
}

/* Whether anybody asked for this device: a started batch on its port, or a person's explicit order. */
static bool wanted(const struct stg_station *s, const struct slot *slot)
{
	if (strcmp(slot->arrival.driver, "apple") != 0 || slot->arrival.mode != STG_MODE_NORMAL || !slot->arrival.handle ||
	    !slot->arrival.udid[0] || stg_boot_ms() < s->learning_until_ms || is_ghost(s, slot))
		return false;
	return slot_order(slot) || batch_on_port(s, slot->arrival.port);
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

/* Why nothing is done with it. */
static void why_listed(struct stg_station *s, struct slot *slot)
{
	if (!slot->arrival.udid[0])
		slot_why(slot, STG_ID_DEVICE_NONSENSE, "its serial string is no UDID");
	else if (is_ghost(s, slot))
		slot_why(slot, STG_ID_NOT_IN_TREE, NULL);
	else if (stg_boot_ms() < s->learning_until_ms)
		slot_why(slot, STG_ID_PORTS_LEARNING, NULL);
	else if (!port_allowed(s, slot->arrival.port))
		slot_why(slot, STG_ID_PORT_NOT_ALLOWED, NULL);
	else
		slot_why(slot, STG_ID_NO_BATCH, NULL);
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

void slots_twin(struct stg_station *s, const struct stg_arrival *a, int address)
{
	struct stg_arrival nameless = *a;
	/* it must not be found by a name that is another's: not by its departure, not by its order, not by its trust */
	nameless.udid[0] = 0;
	struct slot *slot = slot_add(s, &nameless);
	slot->usb_address = address;
	slot->state = SLOT_LISTED;
	stg_copy(slot->claims, sizeof(slot->claims), a->udid);
	stg_log(STG_LOG_WARNING, &tag, "what is plugged in at %s says it is %s, which is plugged in already: left alone",
		a->port[0] ? a->port : "an unknown port", a->udid);
	slot_why(slot, STG_ID_TWO_ALIKE, a->udid);
	slot_word(s, slot, "hold");
}

/* A person's order for one device outlives a plug that was pulled: it is the device that was named, not its socket. */
static void order_kept(struct stg_station *s, const struct slot *slot)
{
	int64_t now = stg_boot_ms();
	const char *udid;
	void *next;
	json_t *one;
	json_object_foreach_safe(s->orders, next, udid, one)
		if (stg_json_int(one, "until_ms", 0) < now)
			json_object_del(s->orders, udid);
	if (!slot_order(slot) || !slot->arrival.udid[0] || json_object_size(s->orders) >= ORDERS_MAX)
		return;
	if (!s->orders)
		s->orders = json_object();
	stg_json_put_new(s->orders, slot->arrival.udid, json_pack("{s:O, s:I, s:I}", "order", slot->order, "job", (json_int_t)slot->job, "until_ms",
									(json_int_t)(now + ORDER_KEPT_MS)));
}

static void order_back(struct stg_station *s, struct slot *slot)
{
	const json_t *kept = json_object_get(s->orders, slot->arrival.udid);
	if (stg_json_int(kept, "until_ms", 0) > stg_boot_ms())
		slot->order = json_incref(json_object_get(kept, "order"));
	if (kept)
		json_object_del(s->orders, slot->arrival.udid);
}

void slots_arrived(struct stg_station *s, const struct stg_arrival *a, int address)
{
	struct slot *old = slot_by_udid(s, a->udid);
	if (old && old->arrival.handle == a->handle)
		return;
	if (old)
		slots_left(s, a->udid);   /* usbmuxd forgot to say so */
	struct slot *slot = slot_add(s, a);
	slot->usb_address = address;
	order_back(s, slot);
	stg_log(STG_LOG_INFO, &tag, "%s plugged in at %s", a->udid, a->port[0] ? a->port : "an unknown port");
	if (wanted(s, slot) && !s->stopping) {
		queue_slot(s, slot);
	} else {
		slot->state = SLOT_LISTED;
		why_listed(s, slot);
		slot_word(s, slot, "listed");
		known_look(s, slot);
	}
}

void slot_placed(struct stg_station *s, struct slot *slot, const struct stg_usb_device *d)
{
	stg_copy(slot->arrival.port, sizeof(slot->arrival.port), d->socket);
	stg_copy(slot->label, sizeof(slot->label), port_label(s, d->socket));
	slot->usb_address = d->address;
	slot->placed_late = true;
	if (slot->state == SLOT_LISTED)
		why_listed(s, slot);
	slot_reconsider(s, slot);
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
	order_kept(s, slot);
	slot_free(s, slot);
	workers_turns(s);
}

void slots_free(struct stg_station *s)
{
	while (s->slots)
		slot_free(s, s->slots);
	json_decref(s->orders);
	s->orders = NULL;
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

/* First come, first served; who was served before waits for those who never were. */
static struct slot *next_served(struct stg_station *s)
{
	struct slot *next = NULL;
	for (struct slot *slot = s->slots; slot; slot = slot->next)
		if (slot->state == SLOT_QUEUED && !slot->worker && (!next || slot->starts < next->starts))
			next = slot;
	return next;
}

void slots_serve(struct stg_station *s)
{
	struct slot *slot;
	while (!s->stopping && s->busy_workers < (unsigned int)s->setup.max_workers && (slot = next_served(s)) != NULL) {
		if (!may_start(s))
			return;
		struct stg_error err = { 0 };
		slot->state = SLOT_INTAKE;
		slot->starts++;
		if (!worker_start(s, slot, &err)) {
			stg_log_error(STG_LOG_WARNING, &tag, &err);
			slot_why(slot, err.id, err.msg);
			slot->order_spent = true;
			slot_word(s, slot, "failed");
			slot->state = SLOT_RESTING;
			continue;
		}
		slot_word(s, slot, "looking");
	}
}
