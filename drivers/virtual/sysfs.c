/*
 * sysfs.c - the ports of the bench, and the tree in which the product reads them.
 *
 * For:    port paths, moves and hubs that look as under /sys.
 * Uses:   bench.h, files.
 * Called: by device.c before the mux tells, bench.c, control.c.
 * Thread: the bench's only one.
 * Facts:  attribute names and spellings of Linux 6.1 (speed in Mbit/s, ids in four hex digits, bMaxPower with unit).
 */
#include "sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stager/error.h>
#include <stager/file.h>

#define HUBS_A_BUS 6u
#define CHIPS_A_HUB 3u
#define FIRST_BUS 2u

struct virt_sysfs {
	struct virt_bench *bench;
	char dir[256];      /* .../bus/usb/devices */
	char staging[256];  /* beside it, on the same file system */
	char top[256];
	unsigned int n_hubs, n_buses;
	struct virt_watch said;   /* somebody wrote into the uevent file of a lost device */
	int inotify;
};

/* The chip's path within a hub: "", ".7", ".7.7". */
static const char *const chips[CHIPS_A_HUB] = { "", ".7", ".7.7" };

void virt_port_name(unsigned int i, char ret[32])
{
	unsigned int hub = i / VIRT_HUB_PORTS, port = i % VIRT_HUB_PORTS;
	unsigned int bus = FIRST_BUS + hub / HUBS_A_BUS, root_port = 1 + hub % HUBS_A_BUS;

	snprintf(ret, 32, "%u-%u%s.%u", bus, root_port, chips[port / 6], port % 6 + 1);
}

bool virt_port_number(const struct virt_bench *b, const char *name, unsigned int *ret)
{
	unsigned int bus, root_port, chip = 0, port, i;
	char text[32], rest[32];
	const char *p = rest;

	if (sscanf(name, "%u-%u.%31s", &bus, &root_port, rest) != 3 || bus < FIRST_BUS || root_port < 1 || root_port > HUBS_A_BUS)
		return false;
	for (; chip + 1 < CHIPS_A_HUB && strncmp(p, "7.", 2) == 0; p += 2)
		chip++;
	port = (unsigned int)strtoul(p, NULL, 10);
	if (port < 1 || port > 6)
		return false;
	i = ((bus - FIRST_BUS) * HUBS_A_BUS + root_port - 1) * VIRT_HUB_PORTS + chip * 6 + port - 1;
	/* Back again, so that no other spelling passes. */
	virt_port_name(i, text);
	if (i >= b->n_ports || chip * 6 + port > VIRT_HUB_PORTS || strcmp(text, name) != 0)
		return false;
	*ret = i;
	return true;
}

unsigned int virt_port_bus(const char *name)
{
	return (unsigned int)strtoul(name, NULL, 10);
}

/* ---- folders ---- */

static void write_attr(const char *dir, const char *name, const char *value)
{
	char path[600];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	if (!f)
		return;
	fprintf(f, "%s\n", value);
	fclose(f);
}

static void remove_folder(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[600];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%.300s/%.255s", dir, e->d_name);
		if (unlink(path) < 0 && errno == EISDIR)
			remove_folder(path);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

struct usb_facts {
	const char *name;           /* folder: "2-1.4", "usb2" */
	const char *devpath;        /* "1.4", "0" */
	unsigned int bus, address, vendor, product, class, ports;
	unsigned int power_ma, bcd;
	const char *speed, *product_name, *manufacturer, *serial;
};

static void write_folder(struct virt_sysfs *s, const struct usb_facts *u)
{
	char temp[600], path[600], text[64];

	snprintf(temp, sizeof(temp), "%s/%s", s->staging, u->name);
	snprintf(path, sizeof(path), "%s/%s", s->dir, u->name);
	mkdir(temp, 0755);
#define NUMBER(attr, format, value) (snprintf(text, sizeof(text), format, value), write_attr(temp, attr, text))
	NUMBER("busnum", "%u", u->bus);
	NUMBER("devnum", "%u", u->address);
	write_attr(temp, "devpath", u->devpath);
	NUMBER("idVendor", "%04x", u->vendor);
	NUMBER("idProduct", "%04x", u->product);
	NUMBER("bcdDevice", "%04x", u->bcd);
	NUMBER("bDeviceClass", "%02x", u->class);
	NUMBER("bMaxPower", "%umA", u->power_ma);
	/* hubs have a supply of their own */
	NUMBER("bmAttributes", "%02x", u->class == 9 ? 0xe0u : 0x80u);
	write_attr(temp, "speed", u->speed);
	NUMBER("maxchild", "%u", u->ports);
	if (u->product_name)
		write_attr(temp, "product", u->product_name);
	if (u->manufacturer)
		write_attr(temp, "manufacturer", u->manufacturer);
	if (u->serial)
		write_attr(temp, "serial", u->serial);
#undef NUMBER
	if (rename(temp, path) < 0) {
		remove_folder(path);
		(void)!rename(temp, path);
	}
}

/* A pulled device's folder is parked, not deleted: when it comes back to the same port only its address is new. Thousands
 * of plugs are a normal test, and making files is what they would cost. */
static void parking_place(const struct virt_sysfs *s, const struct virt_device *d, char *ret, size_t size)
{
	snprintf(ret, size, "%s/%s.%u.%d", s->staging, d->port, d->number, (int)d->usb_mode);
}

static bool unpark(struct virt_sysfs *s, const struct virt_device *d)
{
	char parked[600], path[600], text[16];

	parking_place(s, d, parked, sizeof(parked));
	if (access(parked, F_OK) < 0)
		return false;
	snprintf(text, sizeof(text), "%u", d->device_number);
	write_attr(parked, "devnum", text);
	snprintf(path, sizeof(path), "%s/%s", s->dir, d->port);
	return rename(parked, path) == 0;
}

static void write_hubs(struct virt_sysfs *s)
{
	for (unsigned int bus = 1; bus < FIRST_BUS + s->n_buses; bus++) {
		char name[32], address[32];

		snprintf(name, sizeof(name), "usb%u", bus);
		snprintf(address, sizeof(address), "0000:00:%02x.0", 0x14 + bus);
		write_folder(s, &(struct usb_facts){ .name = name, .devpath = "0", .bus = bus, .address = 1, .vendor = 0x1d6b,
						     .product = 2, .class = 9, .ports = 16, .bcd = 0x601, .speed = "480",
						     .product_name = "xHCI Host Controller",
						     .manufacturer = "Linux xhci-hcd", .serial = address });
	}
	for (unsigned int hub = 0; hub < s->n_hubs; hub++) {
		for (unsigned int chip = 0; chip < CHIPS_A_HUB; chip++) {
			unsigned int bus = FIRST_BUS + hub / HUBS_A_BUS, root_port = 1 + hub % HUBS_A_BUS;
			char name[32];

			snprintf(name, sizeof(name), "%u-%u%s", bus, root_port, chips[chip]);
			write_folder(s, &(struct usb_facts){ .name = name, .devpath = strchr(name, '-') + 1, .bus = bus,
							     .address = 2 + hub % HUBS_A_BUS * CHIPS_A_HUB + chip,
							     .vendor = 0x0424, .product = 0x2517, .class = 9,
							     .ports = chip + 1 < CHIPS_A_HUB ? 7 : VIRT_HUB_PORTS - chip * 6,
							     .power_ma = 100, .bcd = 2, .speed = "480",
							     .product_name = "USB2.0 Hub",
							     .manufacturer = "Standard Microsystems Corp." });
		}
	}
}

static void uevent_path(const struct virt_sysfs *s, const struct virt_device *d, char *ret, size_t size)
{
	snprintf(ret, size, "%s/%s/uevent", s->dir, d->port);
}

static void on_said(struct virt_watch *w, uint32_t events)
{
	struct virt_sysfs *s = VIRT_OWNER(w, struct virt_sysfs, said);
	char raw[4096], path[600], word[16];

	(void)events;
	while (read(s->inotify, raw, sizeof(raw)) > 0)
		;
	for (size_t i = 0; i < s->bench->n_devices; i++) {
		struct virt_device *d = s->bench->devices[i];
		FILE *f;

		uevent_path(s, d, path, sizeof(path));
		f = d->lost && d->is_plugged ? fopen(path, "re") : NULL;
		if (!f)
			continue;
		if (fgets(word, sizeof(word), f) && (strcmp(word, "add") == 0 || strcmp(word, "remove") == 0)) {
			bool came = word[0] == 'a';

			if (came == d->announced_left)
				virt_device_announced(d, came);
		}
		fclose(f);
	}
}

/* Only what the mux missed has this file: making it for every plug would cost more than all the rest. */
static void listen_to(struct virt_sysfs *s, const struct virt_device *d)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", s->dir, d->port);
	write_attr(path, "uevent", "");
	if (s->inotify < 0) {
		s->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		s->said.ready = on_said;
		virt_watch_set(s->bench->loop, &s->said, s->inotify, EPOLLIN);
	}
	snprintf(path, sizeof(path), "%s/%s/uevent", s->dir, d->port);
	inotify_add_watch(s->inotify, path, IN_CLOSE_WRITE);
}

struct virt_sysfs *virt_sysfs_start(struct virt_bench *b, const char *dir, unsigned int ports, struct stg_error *err)
{
	struct virt_sysfs *s = stg_calloc(1, sizeof(*s));

	s->bench = b;
	s->inotify = -1;
	s->n_hubs = (ports + VIRT_HUB_PORTS - 1) / VIRT_HUB_PORTS;
	s->n_buses = (s->n_hubs + HUBS_A_BUS - 1) / HUBS_A_BUS;
	if (strlen(dir) > 180) {
		free(s);
		stg_fail(err, STG_E_INPUT, 0, "folder name '%.40s...' is too long", dir);
		return NULL;
	}
	stg_copy(s->top, sizeof(s->top), dir);
	snprintf(s->dir, sizeof(s->dir), "%.180s/bus/usb/devices", dir);
	snprintf(s->staging, sizeof(s->staging), "%.180s/bus/usb/.staging", dir);
	/* Left over by a bench that was killed: ours. Anything else is somebody's. */
	if (access(s->staging, F_OK) == 0) {
		remove_folder(s->dir);
		remove_folder(s->staging);
	} else if (access(s->dir, F_OK) == 0 && rmdir(s->dir) < 0) {
		stg_fail(err, STG_E_INPUT, 0, "%s is not empty and was not made by a bench", s->dir);
		free(s);
		return NULL;
	}
	if (!stg_folder_make(s->dir, 0755, err) || !stg_folder_make(s->staging, 0755, err)) {
		free(s);
		return NULL;
	}
	write_hubs(s);
	return s;
}

void virt_sysfs_stop(struct virt_sysfs *s)
{
	char path[300];

	if (!s)
		return;
	if (s->inotify >= 0) {
		virt_watch_clear(s->bench->loop, &s->said);
		close(s->inotify);
	}
	remove_folder(s->staging);
	remove_folder(s->dir);
	snprintf(path, sizeof(path), "%s/bus/usb", s->top);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/bus", s->top);
	rmdir(path);
	free(s);
}

static void add_folder(struct virt_sysfs *s, const struct virt_device *d)
{
	struct usb_facts u = { .name = d->port, .devpath = strchr(d->port, '-') + 1, .bus = d->bus_number,
			       .address = d->device_number, .vendor = 0x05ac, .power_ma = 500, .speed = "480", .bcd = 0x1500,
			       .manufacturer = "Apple Inc.", .serial = d->usb_serial };

	if (unpark(s, d))
		return;
	switch (d->usb_mode) {
	case VIRT_USB_ANDROID: {
		bool is_samsung = strncmp(d->serial, "R5", 2) == 0;

		u.vendor = is_samsung ? 0x04e8 : 0x18d1;
		u.product = is_samsung ? 0x6860 : 0x4ee7;
		u.manufacturer = is_samsung ? "SAMSUNG" : "Google";
		u.product_name = d->name;
		break;
	}
	case VIRT_USB_RECOVERY:
	case VIRT_USB_RESTORE:
		u.product = d->usb_mode == VIRT_USB_RECOVERY ? 0x1281 : d->model->is_ipad ? 0x12ab : 0x12a8;
		u.product_name = d->usb_mode == VIRT_USB_RECOVERY ? "Apple Mobile Device (Recovery Mode)"
								  : "Apple Mobile Device (Restore Mode)";
		break;
	case VIRT_USB_DFU:
		u.product = 0x1227;
		u.product_name = "Apple Mobile Device (DFU Mode)";
		break;
	case VIRT_USB_WTF:
		u.product = 0x1222;
		u.product_name = "Apple Mobile Device (WTF Mode)";
		break;
	case VIRT_USB_PORT_DFU:
		u.product = 0xf014;
		u.product_name = "Apple Mobile Device (Port DFU Mode)";
		u.serial = NULL;
		break;
	default:
		u.product = d->model->is_ipad ? 0x12ab : 0x12a8;
		u.product_name = d->model->is_ipad ? "iPad" : "iPhone";
	}
	write_folder(s, &u);
}

void virt_sysfs_add(struct virt_sysfs *s, const struct virt_device *d)
{
	add_folder(s, d);
	if (d->lost)
		listen_to(s, d);
}

void virt_sysfs_remove(struct virt_sysfs *s, const struct virt_device *d)
{
	char parked[600], path[600];

	parking_place(s, d, parked, sizeof(parked));
	snprintf(path, sizeof(path), "%s/%s", s->dir, d->port);
	if (rename(path, parked) < 0) {
		remove_folder(parked);
		(void)!rename(path, parked);
	}
}
