/*
 * topology.h - what hangs on which socket, as the kernel names them ("2-1.4" = bus 2, port 1, then port 4 of that hub).
 *
 * Reads $STAGER_SYSFS (default /sys) bus/usb/devices and nothing else: no device is opened, no control transfer sent.
 * usbmuxd's LocationID changes at every plug; this name does not. Text from descriptors is a claim: cut, made printable.
 * One struct stg_topology holds what was last read and the watch on changes (libudev on the real /sys, inotify below
 * $STAGER_SYSFS).
 * Facts: protocols/apple.md 6 (recovery and DFU), Documentation/ABI/stable/sysfs-bus-usb (kernel 6.1).
 * Threads: one.
 */
#ifndef STAGER_TOPOLOGY_H
#define STAGER_TOPOLOGY_H

#include <stddef.h>

#include <stager/arrival.h>
#include <stager/error.h>

struct stg_usb_device {
	char port[STG_PORT_MAX];      /* the kernel's folder: where this device is now */
	uint16_t vid, pid;
	int bus, address;             /* changes at every plug */
	int speed_mbps;               /* 12, 480, 5000; 0 unknown */
	int max_power_ma;             /* what it asks for; 0 unknown */
	int sockets;                  /* hubs: how many sockets it has; 0: no hub */
	char serial[STG_UDID_MAX];    /* as the descriptor says, printable; recovery and DFU: the SRNM text or "" */
	char maker[64], product[64];
	char udid[STG_UDID_MAX];      /* Apple: upper case, with hyphen; recovery and DFU: computed from chip and ECID where the chip has that form */
	char unit[32];                /* ECID in decimal: recovery and DFU as told, else out of a UDID that holds it; "" not known */
	enum stg_mode mode;
	char driver[16];              /* "apple", or "" = listed and left alone */
	/* The socket's one name. A USB 3 socket has two in the kernel, and a device that is at 3-1.4 with 5 Gbit/s is at 2-1.4 in
	 * recovery: this is always the USB 2 half where the kernel tells the pair (port/peer), else the same as `port`. */
	char socket[STG_PORT_MAX];
	char model[32];               /* recovery and DFU: "iPhone14,5" by chip and board; "" unknown */
	bool is_hub;
	bool is_phone;                /* a phone or tablet, of whatever maker */
	bool self_powered;            /* hubs: has a supply of its own */
	int endpoints;                /* of its configuration, endpoint 0 counted; 0: not known */
	char controller[32];          /* root hubs: the host controller, "0000:00:14.0" */
	uint16_t controller_vid, controller_pid;  /* root hubs: PCI numbers; 0: not known */
};

enum stg_usb_kind { STG_USB_ARRIVED, STG_USB_LEFT };
struct stg_usb_event {
	enum stg_usb_kind kind;
	struct stg_usb_device device;
};

struct stg_topology;

struct stg_topology *stg_topology_new(struct stg_error *err);
void stg_topology_free(struct stg_topology *t);
void stg_topology_free_at(struct stg_topology **t);

/* Readable when the tree changed: call stg_topology_scan() then. */
int stg_topology_fd(const struct stg_topology *t);
/* Reads what is new since the last time (cheap: entries already known are not read again), drains the descriptor and
 * queues events. A missing tree is an empty one. */
bool stg_topology_scan(struct stg_topology *t, struct stg_error *err);
/* Arrivals and departures found by scans, hubs left out; false: no more. */
bool stg_topology_next(struct stg_topology *t, struct stg_usb_event *ret);

/* Whether there was a tree to read at the last scan: one that is empty is one. */
bool stg_topology_is_there(const struct stg_topology *t);
size_t stg_topology_count(const struct stg_topology *t);
const struct stg_usb_device *stg_topology_at(const struct stg_topology *t, size_t i);   /* hubs too, in port order; until the next scan */

/* The device with this UDID or serial, looked up on the disk again so that a replug is not missed: scans when needed.
 * NULL: the topology does not know it. `ret_same` (may be NULL) counts how many answer to that name: more than one is
 * a clone or a swap, and both are suspect. The pointer lives until the next scan or find. */
const struct stg_usb_device *stg_topology_find(struct stg_topology *t, const char *udid_or_serial, int *ret_same);
const struct stg_usb_device *stg_topology_on(struct stg_topology *t, const char *port);   /* by folder or by socket */
/* Reads the endpoints of every device again: a device takes its configuration some time after it came. */
void stg_topology_recount(struct stg_topology *t);

/* As an arrival: all but handle and attach. */
void stg_usb_arrival(const struct stg_usb_device *d, struct stg_arrival *ret);
/* Makes the kernel announce the device on `port` again, as arrived or as left, to every program that watches USB; the
 * device itself is not touched. A program that lost it is given LEFT, time to clear up, then ARRIVED. Does not block.
 * May need root: then `may_ask` lets the root helper do it (images/usb-announce.sh, no answer).
 * STG_E_GONE: nothing there; STG_E_REFUSED (STG_ID_ANNOUNCE_REFUSED): not allowed and no helper; STG_E_IO. */
bool stg_usb_announce(const char *port, enum stg_usb_kind kind, bool may_ask, struct stg_error *err);
/* The hub's path of a socket: "2-1.4" gives "2-1", "2-1" gives "usb2" (false at the root). */
bool stg_port_parent(const char *port, char ret[STG_PORT_MAX]);
/* What shares one cable with this socket: the root port it hangs on, "2-1" for "2-1.4.7" (false: no socket's name). */
bool stg_port_segment(const char *port, char ret[STG_PORT_MAX]);
/* Order by bus, then number by number: "1-2" before "1-10". */
int stg_port_compare(const char *a, const char *b);

#endif
