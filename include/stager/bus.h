/*
 * bus.h - how much more the cables can carry, and the cheapest thing that would make them carry more.
 *
 * Pure arithmetic over what the topology read: no device is asked. What is counted:
 *   sockets    of each hub; a 16-port hub of three chips is one hub
 *   slots      devices a host controller has room for, hubs included
 *   contexts   endpoints it has room for: an iPhone takes 8, an Android phone 6, a hub 2 (or what the kernel shows)
 *   addresses  127 on a bus
 *   power      a hub without a supply of its own has 500 mA for itself and all behind it
 *   tiers      five hubs in a chain at most
 *   segments   what shares one 480 Mbit/s cable: everything behind one root port
 * Limits of controllers are not in sysfs: they stand in a table by PCI maker, and a controller that is not in it is not
 * limited here (limits "unknown"), so that no full hub is invented.
 * Facts: product notes D2 (slots: kernel line "Max number of devices this xHCI host supports"; contexts: Intel 8-series
 * 96); USB 2.0 specification 4.1.1 (tiers), 7.2.1 (power).
 * Threads: any, no state.
 */
#ifndef STAGER_BUS_H
#define STAGER_BUS_H

#include <stager/json.h>
#include <stager/topology.h>

#define STG_BUS_APPLE_CONTEXTS 8
#define STG_BUS_ANDROID_CONTEXTS 6
#define STG_BUS_HUB_CONTEXTS 2
#define STG_BUS_OTHER_CONTEXTS 3
#define STG_BUS_TIERS 5           /* hubs in a chain */
#define STG_BUS_PHONE_MA 500      /* what a phone asks of a USB 2 socket */

enum stg_bus_limit { STG_BUS_SOCKETS, STG_BUS_SLOTS, STG_BUS_CONTEXTS, STG_BUS_ADDRESSES, STG_BUS_POWER };

struct stg_bus_controller {
	char name[32];                /* "0000:00:14.0" */
	bool known;                   /* its limits stand in the table */
	int slots, slots_used;        /* 0 slots: not known */
	int contexts, contexts_used;  /* 0 contexts: not known */
};

struct stg_bus_hub {
	char port[STG_PORT_MAX];      /* its first chip: the name to label it by */
	char segment[STG_PORT_MAX];   /* the root port it hangs on */
	int controller;               /* index */
	int bus, chips, tier;         /* tier: hubs in the chain down to its last chip */
	int sockets, taken;
	int room;                     /* phones that still fit */
	enum stg_bus_limit limit;     /* what ends it */
	bool self_powered;
	int used_ma;                  /* asked for behind it */
};

struct stg_bus_segment {
	char port[STG_PORT_MAX];
	int mbps, devices, hubs;
};

/* Something to do, cheapest first. `id` is a row of errors.def: sentence and act. */
struct stg_bus_fix {
	unsigned int id;
	char where[STG_PORT_MAX];     /* the hub or socket it is about */
	char to[STG_PORT_MAX];        /* the hub that has room instead, or "" */
	int gain;                     /* devices more; 0: only better */
};

struct stg_bus {
	struct stg_bus_controller *controllers;
	struct stg_bus_hub *hubs;     /* in port order */
	struct stg_bus_segment *segments;
	struct stg_bus_fix *fixes;
	size_t n_controllers, n_hubs, n_segments, n_fixes;
};

/* Devices as the topology lists them, hubs and root hubs too, in port order. */
void stg_bus_account(const struct stg_usb_device *devices, size_t n, struct stg_bus *ret);
void stg_bus_of(struct stg_topology *t, struct stg_bus *ret);   /* of what was last scanned; endpoints counted afresh */
void stg_bus_clear(struct stg_bus *b);
const char *stg_bus_limit_name(enum stg_bus_limit l);           /* "sockets", "slots", "contexts", "addresses", "power" */
/* {"hubs":[{"hub","segment","controller","chips","tier","sockets","taken","room","limit","self_powered","used_ma"}],"controllers":[...],
 * "segments":[{"segment","mbps","devices","hubs"}],"fixes":[{"code","where","to","gain"}]}, a new reference. */
json_t *stg_bus_json(const struct stg_bus *b);

#endif
