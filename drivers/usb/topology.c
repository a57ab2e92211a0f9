/*
 * topology.c - the tree of USB sockets as the kernel shows it, kept up to date without reading it whole each time.
 *
 * For:    port paths that stay the same, devices that usbmuxd does not show, and whether a device is there twice.
 * Uses:   libudev's monitor on the real /sys, inotify below $STAGER_SYSFS. Opens text files, never a device.
 * Called: by the station's event loop and `stager devices`.
 * Thread: one per struct stg_topology.
 * Facts:  Documentation/ABI/stable/sysfs-bus-usb; kernel uevents of subsystem usb, devtype usb_device (kernel 6.1).
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libudev.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <stager/bytes.h>
#include <stager/clock.h>
#include <stager/driver.h>
#include <stager/topology.h>

#include "ids.h"

#define ENTRIES_MAX 8192      /* a tree larger than this is not a bench */
#define EVENTS_MAX (2 * ENTRIES_MAX)
#define HALF_MADE_MS 20       /* an entry whose files are not all there yet is looked at again after this */
#define NO_TREE_MS 1000
#define HALF_MADE_TRIES 100
#define ENDPOINTS_MAX 30      /* of one device: fifteen in, fifteen out */

struct entry {
	struct stg_usb_device device;
	bool known;           /* read whole and told as arrived */
	bool hub;
	unsigned int tries;   /* how often it was found half made */
	bool seen;
};

struct stg_topology {
	char folder[PATH_MAX];
	bool is_there;        /* it could be read the last time it was read whole */
	bool real;            /* the kernel's own tree: libudev tells of changes */
	struct entry *entries;  /* in port order */
	size_t n, cap;
	struct stg_usb_event *events;
	size_t n_events, next_event, cap_events;
	bool list_all;        /* the next scan reads the folder, not only what the watch named */
	int epoll, inotify, watch, timer;
	struct udev *udev;
	struct udev_monitor *monitor;
};

/* "usb3", "3-1", "3-1.4.2": not "3-1:1.0", which is an interface. */
static bool is_port_name(const char *name)
{
	size_t len = strlen(name);
	if (len >= STG_PORT_MAX)
		return false;
	if (strncmp(name, "usb", 3) == 0)
		return len > 3 && strspn(name + 3, "0123456789") == len - 3;
	size_t bus = strspn(name, "0123456789");
	if (bus == 0 || name[bus] != '-')
		return false;
	const char *p = name + bus + 1;
	for (;;) {
		size_t n = strspn(p, "0123456789");
		if (n == 0)
			return false;
		p += n;
		if (*p == 0)
			return true;
		if (*p++ != '.')
			return false;
	}
}

static const char *number_in(const char *p, unsigned long *ret)
{
	while (*p && !isdigit((unsigned char)*p))
		p++;
	if (!*p)
		return NULL;
	char *end;
	*ret = strtoul(p, &end, 10);
	return end;
}

int stg_port_compare(const char *a, const char *b)
{
	bool root_a = strncmp(a, "usb", 3) == 0, root_b = strncmp(b, "usb", 3) == 0;
	for (;;) {
		unsigned long na = 0, nb = 0;
		const char *next_a = number_in(a, &na), *next_b = number_in(b, &nb);
		if (!next_a || !next_b) {
			if (!next_a && !next_b)
				return (int)root_b - (int)root_a;
			return next_a ? 1 : -1;
		}
		if (na != nb)
			return na < nb ? -1 : 1;
		a = next_a;
		b = next_b;
	}
}

bool stg_port_parent(const char *port, char ret[STG_PORT_MAX])
{
	if (!is_port_name(port) || strncmp(port, "usb", 3) == 0)
		return false;
	const char *dot = strrchr(port, '.');
	if (dot) {
		memcpy(ret, port, (size_t)(dot - port));
		ret[dot - port] = 0;
	} else {
		snprintf(ret, STG_PORT_MAX, "usb%.*s", (int)strcspn(port, "-"), port);
	}
	return true;
}

bool stg_port_segment(const char *port, char ret[STG_PORT_MAX])
{
	if (!is_port_name(port) || strncmp(port, "usb", 3) == 0)
		return false;
	snprintf(ret, STG_PORT_MAX, "%.*s", (int)strcspn(port, "."), port);
	return true;
}

/* One attribute file, its newline removed; false when it is not there. */
static bool attribute(int folder, const char *name, char *ret, size_t size)
{
	ret[0] = 0;
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, ret, size - 1);
	close(fd);
	if (n < 0)
		n = 0;
	ret[n] = 0;
	ret[strcspn(ret, "\n")] = 0;
	return true;
}

static long attribute_number(int folder, const char *name, int base)
{
	char text[32], *end = text;
	long n = attribute(folder, name, text, sizeof(text)) ? strtol(text, &end, base) : -1;
	return end == text ? -1 : n;   /* units may follow ("500mA"), a number must lead */
}

static int clamp_int(long v, int least, int most)
{
	return v < least ? least : v > most ? most : (int)v;
}

/* "usb2-port4" and "2-1-port4", as the kernel calls sockets, to "2-4" and "2-1.4". */
static bool socket_of(const char *target, char ret[STG_PORT_MAX])
{
	const char *name = strrchr(target, '/');
	name = name ? name + 1 : target;
	const char *port = strstr(name, "-port");
	char hub[STG_PORT_MAX];
	if (!port || (size_t)(port - name) >= sizeof(hub) || port[5] < '1' || port[5] > '9' || strlen(port + 5) > 3 ||
	    strspn(port + 5, "0123456789") != strlen(port + 5))
		return false;
	memcpy(hub, name, (size_t)(port - name));
	hub[port - name] = 0;
	if (!is_port_name(hub))
		return false;
	bool root = strncmp(hub, "usb", 3) == 0;
	return snprintf(ret, STG_PORT_MAX, "%s%c%s", root ? hub + 3 : hub, root ? '-' : '.', port + 5) < STG_PORT_MAX;
}

/* At 5 Gbit/s and more a device is on the USB 3 half of its socket; the kernel knows which USB 2 half belongs to it. */
static void read_socket(int folder, struct stg_usb_device *d)
{
	char target[512];
	stg_copy(d->socket, sizeof(d->socket), d->port);
	if (d->speed_mbps < 5000)
		return;
	ssize_t n = readlinkat(folder, "port/peer", target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = 0;
	char socket[STG_PORT_MAX];
	if (socket_of(target, socket))
		stg_copy(d->socket, sizeof(d->socket), socket);
}

/* Endpoint contexts it holds at the host controller: endpoint 0 and those of its interfaces (folders "2-1.4:3.1" in its own). */
static int count_endpoints(int folder, const char *name)
{
	int n = 0, fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t len = strlen(name);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	while (dir && (e = readdir(dir)) != NULL && n < ENDPOINTS_MAX) {
		char path[300];
		if (strncmp(e->d_name, name, len) != 0 || e->d_name[len] != ':' ||
		    snprintf(path, sizeof(path), "%s/bNumEndpoints", e->d_name) >= (int)sizeof(path))
			continue;
		long one = attribute_number(folder, path, 16);
		n += one > 0 && one <= ENDPOINTS_MAX ? (int)one : 0;
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	return n ? (n > ENDPOINTS_MAX ? ENDPOINTS_MAX : n) + 1 : 0;
}

/* The serial of a root hub is its controller's name on the bus it stands on itself. */
static void read_controller(const struct stg_topology *t, struct stg_usb_device *d, const char *raw)
{
	char path[PATH_MAX];
	stg_printable(raw, false, d->controller, sizeof(d->controller));
	if (!d->controller[0] || strspn(d->controller, "0123456789abcdefABCDEF:.") != strlen(d->controller) || d->controller[0] == '.' ||
	    snprintf(path, sizeof(path), "%s/../../pci/devices/%s", t->folder, d->controller) >= (int)sizeof(path))
		return;
	STG_AUTO(stg_close_at) int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long vid = folder < 0 ? -1 : attribute_number(folder, "vendor", 16), pid = folder < 0 ? -1 : attribute_number(folder, "device", 16);
	if (vid > 0 && vid <= 0xffff && pid >= 0 && pid <= 0xffff) {
		d->controller_vid = (uint16_t)vid;
		d->controller_pid = (uint16_t)pid;
	}
}

/* False: gone, or its files are not all there yet (*ret_there tells which). */
static bool read_device(const struct stg_topology *t, const char *name, struct entry *ret, bool *ret_there)
{
	char path[PATH_MAX], text[512], raw[512];
	*ret_there = false;
	if (snprintf(path, sizeof(path), "%s/%s", t->folder, name) >= (int)sizeof(path))
		return false;
	STG_AUTO(stg_close_at) int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return false;
	*ret_there = true;
	long vid = attribute_number(folder, "idVendor", 16), pid = attribute_number(folder, "idProduct", 16);
	long address = attribute_number(folder, "devnum", 10);
	if (vid < 0 || vid > 0xffff || pid < 0 || pid > 0xffff || address < 0)
		return false;
	struct stg_usb_device *d = &ret->device;
	*d = (struct stg_usb_device){ .vid = (uint16_t)vid, .pid = (uint16_t)pid };
	d->address = clamp_int(address, 0, INT_MAX);
	d->bus = clamp_int(attribute_number(folder, "busnum", 10), 0, INT_MAX);
	d->speed_mbps = clamp_int(attribute_number(folder, "speed", 10), 0, 1000000);
	d->max_power_ma = clamp_int(attribute_number(folder, "bMaxPower", 10), 0, 100000);
	d->sockets = clamp_int(attribute_number(folder, "maxchild", 10), 0, 255);
	long class = attribute_number(folder, "bDeviceClass", 16);
	bool root = strncmp(name, "usb", 3) == 0;
	ret->hub = d->is_hub = class == 9 || d->sockets > 0 || root;
	long attributes = attribute_number(folder, "bmAttributes", 16);
	d->self_powered = attributes >= 0 ? (attributes & 0x40) != 0 : true;
	stg_copy(d->port, sizeof(d->port), name);
	if (attribute(folder, "manufacturer", text, sizeof(text)))
		stg_printable(text, true, d->maker, sizeof(d->maker));
	if (attribute(folder, "product", text, sizeof(text)))
		stg_printable(text, true, d->product, sizeof(d->product));
	attribute(folder, "serial", raw, sizeof(raw));
	usb_recognise(d, raw);
	read_socket(folder, d);
	d->endpoints = count_endpoints(folder, name);
	if (root)
		read_controller(t, d, raw);
	struct stg_arrival a;
	stg_usb_arrival(d, &a);
	const struct stg_driver *driver = ret->hub ? NULL : stg_driver_for(&a);
	if (driver)
		stg_copy(d->driver, sizeof(d->driver), driver->name);
	return true;
}

static void tell(struct stg_topology *t, enum stg_usb_kind kind, const struct entry *e)
{
	if (e->hub || t->n_events >= EVENTS_MAX)
		return;
	if (t->n_events == t->cap_events) {
		t->cap_events = t->cap_events ? 2 * t->cap_events : 16;
		t->events = reallocarray(t->events, t->cap_events, sizeof(*t->events));
		if (!t->events)
			abort();
	}
	t->events[t->n_events++] = (struct stg_usb_event){ .kind = kind, .device = e->device };
}

/* Where it is, or where it would go. */
static size_t position(const struct stg_topology *t, const char *port, bool *ret_found)
{
	size_t low = 0, high = t->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = stg_port_compare(t->entries[mid].device.port, port);
		if (order == 0) {
			*ret_found = true;
			return mid;
		}
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*ret_found = false;
	return low;
}

static void drop(struct stg_topology *t, size_t i)
{
	if (t->entries[i].known)
		tell(t, STG_USB_LEFT, &t->entries[i]);
	memmove(&t->entries[i], &t->entries[i + 1], (t->n - i - 1) * sizeof(*t->entries));
	t->n--;
}

static bool same_plug(const struct stg_usb_device *a, const struct stg_usb_device *b)
{
	return a->address == b->address && a->bus == b->bus && a->vid == b->vid && a->pid == b->pid &&
	       strcmp(a->serial, b->serial) == 0 && strcmp(a->udid, b->udid) == 0;
}

/* Reads one entry again and tells what that changes. */
static void look_at(struct stg_topology *t, const char *name)
{
	struct entry fresh = { .known = true };
	bool there, found;
	bool whole = read_device(t, name, &fresh, &there);
	size_t i = position(t, name, &found);
	if (!there) {
		if (found)
			drop(t, i);
		return;
	}
	if (!found) {
		if (t->n >= ENTRIES_MAX)
			return;
		if (t->n == t->cap) {
			t->cap = t->cap ? 2 * t->cap : 64;
			t->entries = reallocarray(t->entries, t->cap, sizeof(*t->entries));
			if (!t->entries)
				abort();
		}
		memmove(&t->entries[i + 1], &t->entries[i], (t->n - i) * sizeof(*t->entries));
		t->n++;
		t->entries[i] = (struct entry){ 0 };
		stg_copy(t->entries[i].device.port, STG_PORT_MAX, name);
	}
	struct entry *e = &t->entries[i];
	e->seen = true;
	if (!whole) {
		if (e->known)
			tell(t, STG_USB_LEFT, e);
		unsigned int tries = e->tries + 1;
		*e = (struct entry){ .tries = tries, .seen = true };
		stg_copy(e->device.port, STG_PORT_MAX, name);
		return;
	}
	fresh.seen = true;
	if (e->known && same_plug(&e->device, &fresh.device)) {
		e->device = fresh.device;
		e->hub = fresh.hub;
		return;
	}
	if (e->known)
		tell(t, STG_USB_LEFT, e);
	*e = fresh;
	tell(t, STG_USB_ARRIVED, e);
}

static void list_all(struct stg_topology *t)
{
	for (size_t i = 0; i < t->n; i++)
		t->entries[i].seen = false;
	DIR *dir = opendir(t->folder);
	struct dirent *d;
	t->is_there = dir != NULL;
	while (dir && (d = readdir(dir)) != NULL)
		if (is_port_name(d->d_name))
			look_at(t, d->d_name);
	if (dir)
		closedir(dir);
	for (size_t i = t->n; i-- > 0;)
		if (!t->entries[i].seen)
			drop(t, i);
}

static void arm(struct stg_topology *t, long in_ms)
{
	struct itimerspec when = { .it_value = { .tv_sec = in_ms / 1000, .tv_nsec = in_ms % 1000 * 1000000 } };
	timerfd_settime(t->timer, 0, &when, NULL);
}

static void watch_folder(struct stg_topology *t)
{
	if (t->real || t->watch >= 0)
		return;
	t->watch = inotify_add_watch(t->inotify, t->folder, IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE_SELF |
				     IN_MOVE_SELF | IN_ONLYDIR);
	t->list_all = true;
}

static void drain_inotify(struct stg_topology *t)
{
	char buf[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;
	while ((n = read(t->inotify, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *e = (const struct inotify_event *)(void *)p;
			p += sizeof(*e) + e->len;
			if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED) && e->wd == t->watch) {
				if (!(e->mask & IN_IGNORED))
					inotify_rm_watch(t->inotify, t->watch);
				t->watch = -1;
				t->list_all = true;
			} else if (e->mask & IN_Q_OVERFLOW) {
				t->list_all = true;
			} else if (e->len && !t->list_all && is_port_name(e->name)) {
				look_at(t, e->name);
			}
		}
	}
}

static void drain_udev(struct stg_topology *t)
{
	struct udev_device *d;
	while ((d = udev_monitor_receive_device(t->monitor)) != NULL) {
		const char *name = udev_device_get_sysname(d);
		if (name && is_port_name(name) && !t->list_all)
			look_at(t, name);
		udev_device_unref(d);
	}
	/* the monitor's socket may have overflowed: receive_device() then returned nothing and errno says so */
	if (errno == ENOBUFS)
		t->list_all = true;
}

static void add_to_epoll(struct stg_topology *t, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };
	epoll_ctl(t->epoll, EPOLL_CTL_ADD, fd, &e);
}

struct stg_topology *stg_topology_new(struct stg_error *err)
{
	struct stg_topology *t = stg_calloc(1, sizeof(*t));
	t->watch = t->inotify = -1;
	t->list_all = true;
	const char *sysfs = getenv("STAGER_SYSFS");
	t->real = !sysfs || !*sysfs;
	if (snprintf(t->folder, sizeof(t->folder), "%s/bus/usb/devices", t->real ? "/sys" : sysfs) >= (int)sizeof(t->folder)) {
		free(t);
		stg_fail(err, STG_E_USAGE, 0, "STAGER_SYSFS is too long");
		return NULL;
	}
	t->epoll = epoll_create1(EPOLL_CLOEXEC);
	t->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (t->epoll < 0 || t->timer < 0) {
		stg_fail_id(err, STG_E_STATION, STG_ID_START_FAILED, errno, "watch on USB: %s", strerror(errno));
		stg_topology_free(t);
		return NULL;
	}
	add_to_epoll(t, t->timer);
	if (t->real) {
		/* "kernel", not "udev": we read attributes only, need no rule to have run, and a station may have no udevd */
		t->udev = udev_new();
		t->monitor = t->udev ? udev_monitor_new_from_netlink(t->udev, "kernel") : NULL;
		if (t->monitor) {
			udev_monitor_filter_add_match_subsystem_devtype(t->monitor, "usb", "usb_device");
			udev_monitor_set_receive_buffer_size(t->monitor, 4 << 20);
			if (udev_monitor_enable_receiving(t->monitor) >= 0)
				add_to_epoll(t, udev_monitor_get_fd(t->monitor));
		}
	} else {
		t->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		if (t->inotify >= 0)
			add_to_epoll(t, t->inotify);
	}
	arm(t, 1);  /* so that the descriptor asks for the first scan */
	return t;
}

void stg_topology_free(struct stg_topology *t)
{
	if (!t)
		return;
	udev_monitor_unref(t->monitor);
	udev_unref(t->udev);
	stg_close_at(&t->inotify);
	stg_close_at(&t->timer);
	stg_close_at(&t->epoll);
	free(t->entries);
	free(t->events);
	free(t);
}

void stg_topology_free_at(struct stg_topology **t)
{
	stg_topology_free(*t);
	*t = NULL;
}

int stg_topology_fd(const struct stg_topology *t)
{
	return t->epoll;
}

bool stg_topology_scan(struct stg_topology *t, struct stg_error *err)
{
	(void)err;
	uint64_t expired;
	ssize_t rang = read(t->timer, &expired, sizeof(expired));
	watch_folder(t);
	errno = 0;
	if (t->monitor)
		drain_udev(t);
	if (t->inotify >= 0)
		drain_inotify(t);
	bool watched = t->real ? t->monitor != NULL : t->watch >= 0;
	if (t->list_all || !watched) {
		t->list_all = false;
		list_all(t);
	}
	bool half_made = false;
	for (size_t i = 0; i < t->n; i++) {
		if (t->entries[i].known || t->entries[i].tries > HALF_MADE_TRIES)
			continue;
		char name[STG_PORT_MAX];
		stg_copy(name, sizeof(name), t->entries[i].device.port);
		size_t before = t->n;
		look_at(t, name);
		if (t->n < before)
			i--;
		else
			half_made |= !t->entries[i].known;
	}
	if (half_made)
		arm(t, HALF_MADE_MS);
	else if (!watched || rang > 0)
		arm(t, watched ? 0 : NO_TREE_MS);
	return true;
}

bool stg_topology_next(struct stg_topology *t, struct stg_usb_event *ret)
{
	if (t->next_event == t->n_events) {
		t->next_event = t->n_events = 0;
		return false;
	}
	*ret = t->events[t->next_event++];
	return true;
}

bool stg_topology_is_there(const struct stg_topology *t)
{
	return t->is_there;
}

size_t stg_topology_count(const struct stg_topology *t)
{
	return t->n;
}

const struct stg_usb_device *stg_topology_at(const struct stg_topology *t, size_t i)
{
	return &t->entries[i].device;
}

const struct stg_usb_device *stg_topology_on(struct stg_topology *t, const char *port)
{
	bool found;
	size_t i = position(t, port, &found);
	if (found && t->entries[i].known)
		return &t->entries[i].device;
	for (i = 0; i < t->n; i++)
		if (t->entries[i].known && strcmp(t->entries[i].device.socket, port) == 0)
			return &t->entries[i].device;
	return NULL;
}

void stg_topology_recount(struct stg_topology *t)
{
	char path[PATH_MAX];
	for (size_t i = 0; i < t->n; i++) {
		struct stg_usb_device *d = &t->entries[i].device;
		if (!t->entries[i].known || snprintf(path, sizeof(path), "%s/%s", t->folder, d->port) >= (int)sizeof(path))
			continue;
		STG_AUTO(stg_close_at) int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (folder >= 0)
			d->endpoints = count_endpoints(folder, d->port);
	}
}

/* Case does not matter, nor the hyphen that usbmuxd adds: descriptors have the bare form. */
static bool same_name(const char *a, const char *b)
{
	while (*a && *b) {
		if (*a == '-')
			a++;
		else if (*b == '-')
			b++;
		else if (toupper((unsigned char)*a++) != toupper((unsigned char)*b++))
			return false;
	}
	return !*a && !*b;
}

static const struct stg_usb_device *find_known(struct stg_topology *t, const char *name, int *ret_same)
{
	const struct stg_usb_device *hit = NULL;
	*ret_same = 0;
	for (size_t i = 0; i < t->n; i++) {
		const struct stg_usb_device *d = &t->entries[i].device;
		if (!t->entries[i].known || t->entries[i].hub ||
		    !((d->udid[0] && same_name(d->udid, name)) || (d->serial[0] && same_name(d->serial, name))))
			continue;
		hit = d;
		++*ret_same;
	}
	return hit;
}

const struct stg_usb_device *stg_topology_find(struct stg_topology *t, const char *udid_or_serial, int *ret_same)
{
	int same = 0;
	const struct stg_usb_device *d = NULL;
	if (udid_or_serial[0]) {
		stg_topology_scan(t, NULL);
		d = find_known(t, udid_or_serial, &same);
		if (!d) {
			t->list_all = true;
			stg_topology_scan(t, NULL);
			d = find_known(t, udid_or_serial, &same);
		}
	}
	if (ret_same)
		*ret_same = same;
	return d;
}

void stg_usb_arrival(const struct stg_usb_device *d, struct stg_arrival *ret)
{
	*ret = (struct stg_arrival){ .vid = d->vid, .pid = d->pid, .mode = d->mode, .at_ms = stg_wall_ms() };
	stg_copy(ret->driver, sizeof(ret->driver), d->driver);
	stg_copy(ret->port, sizeof(ret->port), d->socket[0] ? d->socket : d->port);
	stg_copy(ret->usb_serial, sizeof(ret->usb_serial), d->serial);
	stg_copy(ret->udid, sizeof(ret->udid), d->udid);
	stg_copy(ret->maker, sizeof(ret->maker), d->maker);
	stg_copy(ret->product, sizeof(ret->product), d->product);
}
