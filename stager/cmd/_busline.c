/*
 * _busline.c - how much more fits on the hubs, in words.
 *
 * For:    `stager port list`, the board.
 * Uses:   gettext.
 * Called: port.c, _board.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stager/error.h>
#include <stager/text.h>

#include "_busline.h"

static void hub_name(const json_t *o, const char *label_key, const char *port_key, char *ret, size_t size)
{
	const char *label = stg_json_str(o, label_key);
	if (*label)
		stg_copy(ret, size, label);
	else
		snprintf(ret, size, _("hub %s"), stg_json_str(o, port_key));
}

void bus_room(const json_t *bus, char *ret, size_t size)
{
	size_t i, at = 0;
	json_t *hub;
	ret[0] = 0;
	json_array_foreach(json_object_get(bus, "hubs"), i, hub) {
		char name[80], one[200];
		int room = (int)stg_json_int(hub, "room", 0);
		hub_name(hub, "label", "hub", name, sizeof(name));
		if (room)
			snprintf(one, sizeof(one), _("Room for %d more on %s."), room, name);
		else
			snprintf(one, sizeof(one), _("No more room on %s."), name);
		if (at + strlen(one) + 2 >= size)
			return;
		at += (size_t)snprintf(ret + at, size - at, "%s%s", at ? "  " : "", one);
	}
}

bool bus_fix(const json_t *bus, size_t i, char *ret, size_t size)
{
	const json_t *fix = json_array_get(json_object_get(bus, "fixes"), i);
	const char *code = stg_json_str(fix, "code"), *label = stg_json_str(fix, "label");
	char to[80] = "";
	if (strncmp(code, "STG-", 4) != 0)
		return false;
	unsigned int id = (unsigned int)strtoul(code + 4, NULL, 10);
	int gain = (int)stg_json_int(fix, "gain", 0);
	if (*stg_json_str(fix, "to"))
		hub_name(fix, "to_label", "to", to, sizeof(to));
	size_t at = (size_t)snprintf(ret, size, "%s: %s %s", *label ? label : stg_json_str(fix, "where"), stg_id_sentence(id), stg_id_act(id));
	if (*to && at < size)
		at += (size_t)snprintf(ret + at, size - at, " (%s)", to);
	if (gain > 0 && at < size)
		snprintf(ret + at, size - at, _(" %d more would fit."), gain);
	return true;
}
