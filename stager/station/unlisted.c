/*
 * unlisted.c - Apple devices that are plugged in and that usbmuxd does not list: shown, and got listed without a hand.
 *
 * For:    storms of arrivals. usbmuxd gives a device a second for each of its first answers and never asks twice: when a
 *         dock with dozens of devices is switched on, some stay unknown to it until they are plugged in again.
 * Uses:   the kernel's topology beside the slots; stg_usb_announce().
 * Called: station.c, when the topology or usbmuxd said something, and by the timer set here.
 * Thread: the main loop's.
 *         Busy is not lost: only a usbmuxd that answers and still does not list a device has missed it.
 * Facts:  measured in a virtual machine with the real usbmuxd 1.1.1 (make vm, tests/vm/README.md).
 */
#include <stdlib.h>
#include <string.h>

#include <stager/clock.h>

#include "station_i.h"

#define PATIENCE_MS 3000     /* a device that all goes well with is listed long before */
#define QUIET_MS 1500        /* since one came or was listed: while a storm lasts, usbmuxd is left to work */
#define QUIET_MOST_MS 15000
#define ASK_MS 5000          /* usbmuxd answers at once, or is adding devices */
#define ASK_AGAIN_MS 500
#define CLEAR_UP_MS 600      /* between "it left" and "it came": usbmuxd must have forgotten it */
#define AGAIN_MS 5000        /* for a device announced again to be listed */
#define TRIES 4
#define AT_ONCE 8            /* devices announced together: fewer than were lost */

static const struct stg_tag tag = { .room = "usb" };

struct unlisted_ask {
	struct stg_station *station;
	int64_t begun_ms;
};

enum phase { WAITING, LEFT, ANNOUNCED, GIVEN_UP };

struct unlisted {
	struct unlisted *next;
	char port[STG_PORT_MAX], udid[STG_UDID_MAX];
	int address;
	enum phase phase;
	int tries;
	bool refused;
	int64_t since_ms, due_ms;
	bool seen;
};

static struct unlisted *find(const struct stg_station *s, const struct stg_usb_device *d)
{
	struct unlisted *u = s->unlisted;
	while (u && (strcmp(u->port, d->port) != 0 || u->address != d->address || strcasecmp(u->udid, d->udid) != 0))
		u = u->next;
	return u;
}

static struct slot *shown(struct stg_station *s, const struct unlisted *u)
{
	struct slot *slot = slot_by_udid(s, u->udid);
	return slot && !slot->arrival.handle ? slot : NULL;
}

static void show(struct stg_station *s, const struct unlisted *u, const struct stg_usb_device *d, const char *word, enum stg_id id)
{
	struct slot *slot = slot_by_udid(s, u->udid);
	if (slot && slot->arrival.handle)
		return;
	if (!slot) {
		struct stg_arrival a;
		stg_usb_arrival(d, &a);
		slot = slots_unlisted(s, &a);
	}
	slot_why(slot, id, "");
	slot_word(s, slot, word);
}

static void forget(struct stg_station *s, struct unlisted **at, bool listed)
{
	struct unlisted *u = *at;
	if (listed && u->tries)
		stg_log(STG_LOG_NOTICE, &tag, "usbmuxd lists %s on %s now, %lld ms after it came, announced %d times", u->udid, u->port,
			(long long)(stg_boot_ms() - u->since_ms), u->tries);
	else if (!listed && shown(s, u))
		slots_left(s, u->udid);
	*at = u->next;
	free(u);
}

/* All Apple devices of the tree against what usbmuxd lists. */
static void compare(struct stg_station *s, int64_t now)
{
	for (struct unlisted *u = s->unlisted; u; u = u->next)
		u->seen = false;
	for (size_t i = 0; i < stg_topology_count(s->topology); i++) {
		const struct stg_usb_device *d = stg_topology_at(s->topology, i);
		if (d->mode != STG_MODE_NORMAL || !d->udid[0] || strcmp(d->driver, "apple") != 0 || !port_allowed(s, d->socket))
			continue;
		const struct slot *slot = slot_by_udid(s, d->udid);
		if ((slot && slot->arrival.handle) || place_is_taken(s, d))
			continue;
		struct unlisted *u = find(s, d);
		if (!u) {
			u = stg_calloc(1, sizeof(*u));
			stg_copy(u->port, sizeof(u->port), d->port);
			stg_copy(u->udid, sizeof(u->udid), d->udid);
			u->address = d->address;
			u->since_ms = s->came_ms = now;
			u->next = s->unlisted;
			s->unlisted = u;
		}
		u->seen = true;
	}
	for (struct unlisted **at = &s->unlisted; *at;) {
		const struct slot *slot = slot_by_udid(s, (*at)->udid);
		if ((*at)->seen)
			at = &(*at)->next;
		else
			forget(s, at, slot && slot->arrival.handle);
	}
}

static void announce(struct stg_station *s, struct unlisted *u, const struct stg_usb_device *d, enum stg_usb_kind kind, int64_t now)
{
	struct stg_error err = { 0 };
	if (stg_usb_announce(u->port, kind, true, &err)) {
		u->phase = kind == STG_USB_LEFT ? LEFT : ANNOUNCED;
		u->due_ms = now + (kind == STG_USB_LEFT ? CLEAR_UP_MS : AGAIN_MS);
		return;
	}
	if (err.code == STG_E_GONE)
		return;          /* the tree will say so too */
	u->phase = GIVEN_UP;
	stg_log_error(STG_LOG_WARNING, &tag, &err);
	show(s, u, d, "failed", err.id ? err.id : STG_ID_UNLISTED_STAYS);
}

static void begin(struct stg_station *s, struct unlisted *u, const struct stg_usb_device *d, int64_t now)
{
	if (u->tries == TRIES) {
		u->phase = GIVEN_UP;
		stg_log(STG_LOG_WARNING, &tag, "usbmuxd does not list %s on %s; announced %d times", u->udid, u->port, u->tries);
		show(s, u, d, "failed", STG_ID_UNLISTED_STAYS);
		return;
	}
	if (u->tries++ == 0)
		stg_log(STG_LOG_NOTICE, &tag, "%s is plugged in at %s and usbmuxd does not list it: announcing it again", u->udid, u->port);
	show(s, u, d, "looking", STG_ID_UNLISTED);
	announce(s, u, d, STG_USB_LEFT, now);
}

static int on_timer(sd_event_source *src, uint64_t us, void *arg)
{
	(void)src, (void)us;
	unlisted_look(arg);
	return 0;
}

static void wake_at(struct stg_station *s, int64_t due_ms)
{
	uint64_t us = (uint64_t)due_ms * 1000;
	if (!s->unlisted_timer) {
		if (sd_event_add_time(s->loop, &s->unlisted_timer, CLOCK_BOOTTIME, us, 1000, on_timer, s) < 0)
			stg_log(STG_LOG_WARNING, &tag, "no timer for devices that usbmuxd missed, ignoring");
		return;
	}
	sd_event_source_set_time(s->unlisted_timer, us);
	sd_event_source_set_enabled(s->unlisted_timer, SD_EVENT_ONESHOT);
}

/* When this one is to be looked at next; 0: never. */
static int64_t due(const struct stg_station *s, const struct unlisted *u)
{
	switch (u->phase) {
	case WAITING: {
		int64_t last = s->listed_ms > s->came_ms ? s->listed_ms : s->came_ms;
		int64_t quiet = last + QUIET_MS, patience = u->since_ms + PATIENCE_MS, most = u->since_ms + QUIET_MOST_MS;
		if (quiet > most)
			quiet = most;
		return quiet > patience ? quiet : patience;
	}
	case LEFT:
	case ANNOUNCED:
		return u->due_ms;
	default:
		return 0;
	}
}

static bool ask(struct stg_store *store, void *arg, struct stg_error *err)
{
	(void)store, (void)arg;
	return stg_mux_answers(ASK_MS, err);
}

static void answered(void *arg, bool ok, const struct stg_error *err)
{
	struct unlisted_ask *a = arg;
	struct stg_station *s = a->station;
	s->asking_mux = false;
	if (ok)
		s->answered_ms = a->begun_ms;
	else
		stg_log_error(STG_LOG_DEBUG, &tag, err);
	free(a);
	if (!s->stopping)
		wake_at(s, stg_boot_ms() + (ok ? 0 : ASK_AGAIN_MS));
}

/* True: usbmuxd has answered since this one was due, and did not list it. */
static bool is_missed(struct stg_station *s, const struct unlisted *u)
{
	if (s->answered_ms >= due(s, u))
		return true;
	if (!s->asking_mux) {
		struct unlisted_ask *a = stg_calloc(1, sizeof(*a));
		a->station = s;
		a->begun_ms = stg_boot_ms();
		s->asking_mux = true;
		queue_post(s->outside, ask, answered, a);
	}
	return false;
}

void unlisted_look(struct stg_station *s)
{
	int64_t now = stg_boot_ms(), next = 0;
	int under_way = 0;
	if (!s->topology || s->stopping)
		return;
	compare(s, now);
	for (struct unlisted *u = s->unlisted; u; u = u->next) {
		if (!s->mux_up && u->phase != LEFT) {
			/* nobody lists anything: the board says so already; usbmuxd looks at all of them when it comes back */
			u->phase = WAITING;
			u->since_ms = now;
		}
		under_way += u->phase == LEFT || u->phase == ANNOUNCED;
	}
	for (struct unlisted *u = s->unlisted; u; u = u->next) {
		const struct stg_usb_device *d = stg_topology_on(s->topology, u->port);
		int64_t at = due(s, u);
		if (d && at && at <= now && (s->mux_up || u->phase == LEFT)) {
			if (u->phase == LEFT) {
				announce(s, u, d, STG_USB_ARRIVED, now);
			} else if (u->phase == WAITING && under_way >= AT_ONCE) {
				continue;                    /* its turn comes when others are done: they ring */
			} else if (!is_missed(s, u)) {
				continue;                    /* the answer rings */
			} else {
				under_way += u->phase == WAITING;
				begin(s, u, d, now);
			}
			at = due(s, u);
		}
		if (at && (!next || at < next))
			next = at > now ? at : now + 1;
	}
	if (next)
		wake_at(s, next);
}

void unlisted_free(struct stg_station *s)
{
	while (s->unlisted) {
		struct unlisted *u = s->unlisted;
		s->unlisted = u->next;
		free(u);
	}
	sd_event_source_unref(s->unlisted_timer);
	s->unlisted_timer = NULL;
}
