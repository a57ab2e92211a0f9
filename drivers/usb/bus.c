/*
 * bus.c - how much more the cables can carry, and the cheapest thing that would make them carry more.
 *
 * For:    `stager port list`, the board.
 * Uses:   what topology.c read.
 * Called: by ops/port.c and the station.
 * Thread: any; no state.
 * Facts:  see bus.h; PCI numbers of host controllers from the public PCI id list, their slots from kernel logs
 *         ("Max number of devices this xHCI host supports is 32") of Linux 5.10 to 6.1.
 */
#include <stdio.h>
#include <stdlib.h>

#include <stager/bus.h>
#include <stager/error.h>
#include <stager/ids.h>

#define ADDRESSES 127
#define BUS_POWERED_MA 500

static const struct {
	uint16_t vid;
	int slots, contexts;
} controllers[] = {
	{ 0x1912, 32, 0 },      /* Renesas */
	{ 0x1033, 32, 0 },      /* NEC, before them */
	{ 0x1022, 64, 0 },      /* AMD */
	{ 0x8086, 64, 96 },     /* Intel: contexts as measured on the 8-series */
};

static bool same(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static bool is_root(const struct stg_usb_device *d)
{
	return strncmp(d->port, "usb", 3) == 0;
}

static int contexts_of(const struct stg_usb_device *d)
{
	if (d->is_hub)
		return d->endpoints > STG_BUS_HUB_CONTEXTS ? d->endpoints : STG_BUS_HUB_CONTEXTS;
	/* a phone in recovery has few endpoints now and all of them when it runs again */
	int least = same(d->driver, "apple") ? STG_BUS_APPLE_CONTEXTS : d->is_phone ? STG_BUS_ANDROID_CONTEXTS : 0;
	if (d->endpoints)
		return d->endpoints > least ? d->endpoints : least;
	return least ? least : STG_BUS_OTHER_CONTEXTS;
}

/* ---- controllers ---- */

/* A controller has a bus for USB 2 and one for USB 3; both have its name. */
static int controller_of(struct stg_bus *b, const struct stg_usb_device *devices, size_t n, int bus)
{
	const struct stg_usb_device *root = NULL;
	char name[32];
	for (size_t i = 0; i < n && !root; i++)
		if (is_root(&devices[i]) && devices[i].bus == bus)
			root = &devices[i];
	if (root && root->controller[0])
		stg_copy(name, sizeof(name), root->controller);
	else
		snprintf(name, sizeof(name), "usb%d", bus);
	for (size_t i = 0; i < b->n_controllers; i++)
		if (same(b->controllers[i].name, name))
			return (int)i;
	struct stg_bus_controller *c = &b->controllers[b->n_controllers];
	stg_copy(c->name, sizeof(c->name), name);
	for (size_t i = 0; root && i < STG_ARRAY_LEN(controllers); i++)
		if (controllers[i].vid == root->controller_vid) {
			c->known = true;
			c->slots = controllers[i].slots;
			c->contexts = controllers[i].contexts;
		}
	return (int)b->n_controllers++;
}

static int addresses_used(const struct stg_usb_device *devices, size_t n, int bus)
{
	int used = 0;
	for (size_t i = 0; i < n; i++)
		used += devices[i].bus == bus;
	return used;
}

/* ---- hubs ---- */

static const struct stg_usb_device *at(const struct stg_usb_device *devices, size_t n, const char *port)
{
	size_t low = 0, high = n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = stg_port_compare(devices[mid].port, port);
		if (order == 0)
			return &devices[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static const struct stg_usb_device *parent_of(const struct stg_usb_device *devices, size_t n, const char *port)
{
	char parent[STG_PORT_MAX];
	return stg_port_parent(port, parent) ? at(devices, n, parent) : NULL;
}

/* The first chip of the hub that this chip is part of: big hubs are chips of one kind in a chain. */
static const struct stg_usb_device *first_chip(const struct stg_usb_device *devices, size_t n, const struct stg_usb_device *chip)
{
	for (;;) {
		const struct stg_usb_device *up = parent_of(devices, n, chip->port);
		if (!up || is_root(up) || up->vid != chip->vid || up->pid != chip->pid)
			return chip;
		chip = up;
	}
}

static int tier_of(const char *port)
{
	int n = 1;
	for (const char *p = port; (p = strchr(p, '.')) != NULL; p++)
		n++;
	return n;
}

/* The USB 3 half of a hub takes a slot, but people see one hub with one row of sockets. */
static bool is_second_half(const struct stg_usb_device *chip)
{
	return chip->speed_mbps >= 5000;
}

static struct stg_bus_hub *hub_named(struct stg_bus *b, const char *port)
{
	for (size_t i = 0; i < b->n_hubs; i++)
		if (same(b->hubs[i].port, port))
			return &b->hubs[i];
	return NULL;
}

static void add_chip(struct stg_bus *b, const struct stg_usb_device *devices, size_t n, const struct stg_usb_device *chip)
{
	const struct stg_usb_device *first = first_chip(devices, n, chip);
	struct stg_bus_hub *hub = hub_named(b, first->port);
	int tier = tier_of(chip->port);
	if (!hub) {
		hub = &b->hubs[b->n_hubs++];
		stg_copy(hub->port, sizeof(hub->port), first->port);
		(void)stg_port_segment(first->port, hub->segment);
		hub->bus = first->bus;
		hub->controller = controller_of(b, devices, n, first->bus);
		hub->self_powered = first->self_powered;
	} else {
		hub->sockets--;      /* the one it hangs on inside */
	}
	hub->chips++;
	hub->sockets += chip->sockets;
	hub->used_ma += chip->max_power_ma;
	hub->tier = tier > hub->tier ? tier : hub->tier;
}

/* Whatever is plugged into a socket of a hub: a device, or another hub. */
static void take_socket(struct stg_bus *b, const struct stg_usb_device *devices, size_t n, const struct stg_usb_device *d)
{
	const char *socket = d->socket[0] ? d->socket : d->port;
	const struct stg_usb_device *up = parent_of(devices, n, socket);
	struct stg_bus_hub *hub = up && up->is_hub && !is_root(up) ? hub_named(b, first_chip(devices, n, up)->port) : NULL;
	if (!hub || (d->is_hub && first_chip(devices, n, d) != d))
		return;
	hub->taken++;
	if (!d->is_hub || !d->self_powered)
		hub->used_ma += d->max_power_ma;
}

static void least(struct stg_bus_hub *hub, int room, enum stg_bus_limit limit)
{
	room = room < 0 ? 0 : room;
	if (room < hub->room) {
		hub->room = room;
		hub->limit = limit;
	}
}

static void count_room(const struct stg_bus *b, struct stg_bus_hub *hub, int addresses)
{
	const struct stg_bus_controller *c = &b->controllers[hub->controller];
	hub->room = hub->sockets > hub->taken ? hub->sockets - hub->taken : 0;
	hub->limit = STG_BUS_SOCKETS;
	if (c->slots)
		least(hub, c->slots - c->slots_used, STG_BUS_SLOTS);
	if (c->contexts)
		least(hub, (c->contexts - c->contexts_used) / STG_BUS_APPLE_CONTEXTS, STG_BUS_CONTEXTS);
	least(hub, ADDRESSES - addresses, STG_BUS_ADDRESSES);
	if (!hub->self_powered)
		least(hub, (BUS_POWERED_MA - hub->used_ma) / STG_BUS_PHONE_MA, STG_BUS_POWER);
}

/* ---- segments ---- */

static void add_to_segment(struct stg_bus *b, const struct stg_usb_device *d)
{
	char name[STG_PORT_MAX];
	struct stg_bus_segment *s = NULL;
	if (d->speed_mbps >= 5000 || !stg_port_segment(d->port, name))
		return;
	for (size_t i = 0; i < b->n_segments && !s; i++)
		if (same(b->segments[i].port, name))
			s = &b->segments[i];
	if (!s) {
		s = &b->segments[b->n_segments++];
		stg_copy(s->port, sizeof(s->port), name);
		s->mbps = 480;
	}
	/* a hub that came up slow makes everything behind it slow */
	if (d->is_hub && d->speed_mbps && d->speed_mbps < s->mbps)
		s->mbps = d->speed_mbps;
	s->devices += !d->is_hub;
}

/* ---- what to do ---- */

static void fix(struct stg_bus *b, unsigned int id, const char *where, const char *to, int gain)
{
	struct stg_bus_fix *f = &b->fixes[b->n_fixes++];
	f->id = id;
	f->gain = gain;
	stg_copy(f->where, sizeof(f->where), where);
	stg_copy(f->to, sizeof(f->to), to);
}

static const struct stg_bus_hub *hub_elsewhere(const struct stg_bus *b, const struct stg_bus_hub *full)
{
	const struct stg_bus_hub *best = NULL;
	for (size_t i = 0; i < b->n_hubs; i++)
		if (b->hubs[i].controller != full->controller && b->hubs[i].room > (best ? best->room : 0))
			best = &b->hubs[i];
	return best;
}

/* In the order of what it costs: a cable's plug, a power supply, another socket, a cable, a card. */
static void find_fixes(struct stg_bus *b, const struct stg_usb_device *devices, size_t n)
{
	for (size_t i = 0; i < b->n_hubs; i++) {
		const struct stg_usb_device *up = parent_of(devices, n, b->hubs[i].port);
		if (up && !is_root(up))
			fix(b, b->hubs[i].tier >= STG_BUS_TIERS ? STG_ID_HUB_TOO_DEEP : STG_ID_HUBS_CHAINED, b->hubs[i].port, "", 0);
	}
	for (size_t i = 0; i < b->n_hubs; i++)
		if (!b->hubs[i].self_powered && b->hubs[i].limit == STG_BUS_POWER)
			fix(b, STG_ID_HUB_NO_POWER, b->hubs[i].port, "", b->hubs[i].sockets - b->hubs[i].taken - b->hubs[i].room);
	for (int card = 0; card <= 1; card++)
		for (size_t i = 0; i < b->n_hubs; i++) {
			const struct stg_bus_hub *hub = &b->hubs[i], *other;
			if (hub->limit != STG_BUS_SLOTS && hub->limit != STG_BUS_CONTEXTS && hub->limit != STG_BUS_ADDRESSES)
				continue;
			other = hub_elsewhere(b, hub);
			if ((other == NULL) == (card == 1))
				fix(b, other ? STG_ID_HUB_ELSEWHERE : STG_ID_HUB_NEEDS_CARD, hub->port, other ? other->port : "",
				    hub->sockets - hub->taken - hub->room);
		}
	for (size_t i = 0; i < n; i++)
		if (devices[i].is_phone && devices[i].mode == STG_MODE_NORMAL && devices[i].speed_mbps && devices[i].speed_mbps <= 12)
			fix(b, STG_ID_SLOW_CABLE, devices[i].socket[0] ? devices[i].socket : devices[i].port, "", 0);
}

void stg_bus_account(const struct stg_usb_device *devices, size_t n, struct stg_bus *ret)
{
	*ret = (struct stg_bus){
		.controllers = stg_calloc(n + 1, sizeof(*ret->controllers)), .hubs = stg_calloc(n + 1, sizeof(*ret->hubs)),
		.segments = stg_calloc(n + 1, sizeof(*ret->segments)), .fixes = stg_calloc(4 * n + 1, sizeof(*ret->fixes)),
	};
	for (size_t i = 0; i < n; i++) {
		const struct stg_usb_device *d = &devices[i];
		struct stg_bus_controller *c = &ret->controllers[controller_of(ret, devices, n, d->bus)];
		if (is_root(d))
			continue;
		c->slots_used++;
		c->contexts_used += contexts_of(d);
		add_to_segment(ret, d);
		if (d->is_hub && !is_second_half(d))
			add_chip(ret, devices, n, d);
	}
	for (size_t i = 0; i < n; i++)
		if (!is_root(&devices[i]) && !(devices[i].is_hub && is_second_half(&devices[i])))
			take_socket(ret, devices, n, &devices[i]);
	for (size_t i = 0; i < ret->n_hubs; i++) {
		count_room(ret, &ret->hubs[i], addresses_used(devices, n, ret->hubs[i].bus));
		for (size_t k = 0; k < ret->n_segments; k++)
			ret->segments[k].hubs += same(ret->segments[k].port, ret->hubs[i].segment);
	}
	find_fixes(ret, devices, n);
}

void stg_bus_of(struct stg_topology *t, struct stg_bus *ret)
{
	size_t n = stg_topology_count(t), some = 0;
	stg_topology_recount(t);
	struct stg_usb_device *all = stg_calloc(n + 1, sizeof(*all));
	for (size_t i = 0; i < n; i++) {
		const struct stg_usb_device *d = stg_topology_at(t, i);
		if (d->vid || d->pid)      /* half made entries have no numbers yet */
			all[some++] = *d;
	}
	stg_bus_account(all, some, ret);
	free(all);
}

void stg_bus_clear(struct stg_bus *b)
{
	free(b->controllers);
	free(b->hubs);
	free(b->segments);
	free(b->fixes);
	*b = (struct stg_bus){ 0 };
}

const char *stg_bus_limit_name(enum stg_bus_limit l)
{
	static const char *const names[] = {
		[STG_BUS_SOCKETS] = "sockets", [STG_BUS_SLOTS] = "slots", [STG_BUS_CONTEXTS] = "contexts",
		[STG_BUS_ADDRESSES] = "addresses", [STG_BUS_POWER] = "power",
	};
	return names[l];
}

json_t *stg_bus_json(const struct stg_bus *b)
{
	json_t *hubs = json_array(), *cards = json_array(), *segments = json_array(), *fixes = json_array();
	for (size_t i = 0; i < b->n_hubs; i++) {
		const struct stg_bus_hub *h = &b->hubs[i];
		json_array_append_new(hubs, json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:s, s:b, s:i}", "hub", h->port, "segment", h->segment,
						      "controller", b->controllers[h->controller].name, "chips", h->chips, "tier", h->tier, "sockets",
						      h->sockets, "taken", h->taken, "room", h->room, "limit", stg_bus_limit_name(h->limit),
						      "self_powered", h->self_powered, "used_ma", h->used_ma));
	}
	for (size_t i = 0; i < b->n_controllers; i++) {
		const struct stg_bus_controller *c = &b->controllers[i];
		json_t *one = json_pack("{s:s, s:i, s:i, s:s}", "controller", c->name, "slots_used", c->slots_used, "contexts_used", c->contexts_used,
					"limits", c->known ? "table" : "unknown");
		stg_json_put_int(one, "slots", c->slots);
		stg_json_put_int(one, "contexts", c->contexts);
		json_array_append_new(cards, one);
	}
	for (size_t i = 0; i < b->n_segments; i++)
		json_array_append_new(segments, json_pack("{s:s, s:i, s:i, s:i}", "segment", b->segments[i].port, "mbps", b->segments[i].mbps,
							  "devices", b->segments[i].devices, "hubs", b->segments[i].hubs));
	for (size_t i = 0; i < b->n_fixes; i++) {
		char code[16];
		snprintf(code, sizeof(code), "STG-%u", b->fixes[i].id);
		json_array_append_new(fixes, json_pack("{s:s, s:s, s:s, s:i}", "code", code, "where", b->fixes[i].where, "to", b->fixes[i].to,
						       "gain", b->fixes[i].gain));
	}
	return json_pack("{s:o, s:o, s:o, s:o}", "hubs", hubs, "controllers", cards, "segments", segments, "fixes", fixes);
}
