/*
 * boot.c - Apple devices that show no system: recovery, DFU, a restore under way. Listed with what is known, never touched.
 *
 * For:    the board and `stager devices`: what is on the port, whose it is, what a hand should do.
 * Uses:   the topology's descriptors; known.c.
 * Called: station.c, when the topology changes.
 * Thread: the main loop's.
 */
#include <stdlib.h>
#include <string.h>

#include <stager/clock.h>

#include "station_i.h"

static const struct stg_tag tag = { .room = "station" };

static const struct {
	enum stg_mode mode;
	const char *word;           /* as the board calls it */
	enum stg_id id;
} modes[] = {
	{ STG_MODE_RECOVERY, "recovery", STG_ID_IN_RECOVERY }, { STG_MODE_DFU, "dfu", STG_ID_IN_DFU }, { STG_MODE_WTF, "dfu", STG_ID_IN_WTF },
	{ STG_MODE_PORT_DFU, "dfu", STG_ID_IN_PORT_DFU }, { STG_MODE_RESTORE, "restore", STG_ID_IN_RESTORE },
};

bool boot_mode(enum stg_mode mode)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(modes); i++)
		if (modes[i].mode == mode)
			return true;
	return false;
}

void boot_seen(struct stg_station *s, const struct stg_usb_device *d)
{
	struct slot *slot = stg_calloc(1, sizeof(*slot)), **end = &s->slots;
	stg_usb_arrival(d, &slot->arrival);
	slot->arrival.attach = s->next_attach++;
	slot->state = SLOT_LISTED;
	slot->usb_address = d->address;
	stg_copy(slot->label, sizeof(slot->label), port_label(s, slot->arrival.port));
	stg_copy(slot->identity.family, sizeof(slot->identity.family), "apple");
	stg_copy(slot->identity.unit, sizeof(slot->identity.unit), d->unit);
	stg_copy(slot->identity.udid, sizeof(slot->identity.udid), d->udid);
	stg_copy(slot->identity.model, sizeof(slot->identity.model), d->model);
	if (d->mode == STG_MODE_RECOVERY)
		stg_copy(slot->identity.serial, sizeof(slot->identity.serial), d->serial);
	while (*end)
		end = &(*end)->next;
	*end = slot;
	stg_log(STG_LOG_INFO, &tag, "ECID %s plugged in at %s, %s", d->unit[0] ? d->unit : "unknown", slot->arrival.port, stg_mode_name(d->mode));
	for (size_t i = 0; i < STG_ARRAY_LEN(modes); i++)
		if (modes[i].mode == d->mode) {
			slot_why(slot, modes[i].id, NULL);
			slot_word(s, slot, modes[i].word);
		}
	known_look(s, slot);
}

void boot_gone(struct stg_station *s, const struct stg_usb_device *d)
{
	for (struct slot *slot = s->slots; slot; slot = slot->next)
		if (boot_mode(slot->arrival.mode) && slot->usb_address == d->address && strcmp(slot->arrival.port, d->socket) == 0) {
			slot_left(s, slot);
			return;
		}
}
