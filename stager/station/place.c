/*
 * place.c - usbmuxd's word against the kernel's tree: on which socket a device is, whether it is there at all, and whether another
 * one says the same of itself.
 *
 * For:    arrivals. What usbmuxd says of a device is what the device says of itself; the kernel's tree is not: it alone names the
 *         socket, and it shows no device that is not plugged in.
 * Uses:   the topology, the slots.
 * Called: station.c.
 * Thread: the main loop's.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <stager/clock.h>

#include "station_i.h"

#define RELIST_MS 200        /* between two readings of the whole tree for one that is not in it: a crowd may announce itself */

static const struct stg_tag tag = { .room = "station" };

bool place_tells(const struct stg_station *s)
{
	/* a usbmuxd that is elsewhere, or virtual, announces what this machine's own tree cannot know */
	const char *mux = getenv("USBMUXD_SOCKET_ADDRESS"), *tree = getenv("STAGER_SYSFS");
	return s->topology && stg_topology_is_there(s->topology) && (!mux || !*mux || (tree && *tree));
}

bool place_is_taken(const struct stg_station *s, const struct stg_usb_device *d)
{
	for (const struct slot *slot = s->slots; slot; slot = slot->next)
		if (slot->arrival.handle && slot->usb_address == d->address && strcmp(slot->arrival.port, d->socket) == 0)
			return true;
	return false;
}

/* One that says this name: at a place that no other slot has, if there is one. NULL: none says it. */
static const struct stg_usb_device *says(const struct stg_station *s, const char *udid)
{
	const struct stg_usb_device *any = NULL;
	for (size_t i = 0; i < stg_topology_count(s->topology); i++) {
		const struct stg_usb_device *d = stg_topology_at(s->topology, i);
		/* what it was before, in recovery, may still be shown for a moment */
		bool before = boot_mode(d->mode) && d->mode != STG_MODE_RESTORE;
		if (d->is_hub || before || strcasecmp(d->udid, udid) != 0)
			continue;
		if (!place_is_taken(s, d))
			return d;
		any = d;
	}
	return any;
}

static const struct stg_usb_device *place_of(struct stg_station *s, const char *udid)
{
	struct stg_error err = { 0 };
	if (!s->topology || !udid[0])
		return NULL;
	if (!stg_topology_scan(s->topology, &err))
		stg_log_error(STG_LOG_DEBUG, &tag, &err);
	const struct stg_usb_device *d = says(s, udid);
	if (d || stg_boot_ms() < s->relisted_ms + RELIST_MS)
		return d;
	s->relisted_ms = stg_boot_ms();
	d = stg_topology_find(s->topology, udid, NULL);
	return d && strcasecmp(d->udid, udid) == 0 ? says(s, udid) : d;
}

/* It was pulled, or came anew with another address: usbmuxd's word of that is late. */
static bool has_gone(const struct stg_station *s, const struct slot *slot)
{
	if (!place_tells(s))
		return false;
	for (size_t i = 0; i < stg_topology_count(s->topology); i++) {
		const struct stg_usb_device *d = stg_topology_at(s->topology, i);
		if (slot->arrival.port[0] && strcmp(d->socket, slot->arrival.port) == 0 && d->address == slot->usb_address)
			return false;
	}
	return true;
}

void place_arrived(struct stg_station *s, const struct stg_arrival *said)
{
	struct stg_arrival a = *said;
	const struct stg_usb_device *d = place_of(s, a.udid);
	const struct slot *first = slot_by_udid(s, a.udid);
	bool is_twin = first && first->arrival.handle && first->arrival.handle != a.handle && !has_gone(s, first);
	int address = 0;
	if (d && d->mode == STG_MODE_RESTORE)
		return;              /* boot.c shows it; nobody speaks to it */
	if (is_twin && d && place_is_taken(s, d)) {
		/* that place is the first one's, and this one is nowhere; but a name that was said before anybody was there is
		 * rather that of whom it is said of now */
		is_twin = !first->placed_late;
		d = is_twin ? NULL : d;
	}
	if (d) {
		address = d->address;
		stg_copy(a.port, sizeof(a.port), d->socket);
		stg_copy(a.product, sizeof(a.product), d->product);
		stg_copy(a.maker, sizeof(a.maker), d->maker);
	}
	a.attach = s->next_attach++;
	a.at_ms = stg_wall_ms();
	if (is_twin)
		slots_twin(s, &a, address);
	else
		slots_arrived(s, &a, address);
}
