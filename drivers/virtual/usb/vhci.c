/*
 * vhci.c - carries virtual devices to the kernel's virtual host controller, so that every program sees them on USB.
 *
 * For:    `stager-bench --usb vhci`, in a virtual machine as a rule: it needs root and the module vhci_hcd.
 * Uses:   usb.h; /sys/devices/platform/vhci_hcd.0, one socket pair a device.
 * Called: by bench.c, device.c.
 * Thread: the bench's only one.
 * Facts:  USB/IP (kernel 6.1, Documentation/usb/usbip_protocol.rst): 48-byte big-endian headers, CMD_SUBMIT 1, CMD_UNLINK 2,
 *         RET_SUBMIT 3, RET_UNLINK 4. "PORT FD DEVID SPEED" into attach; speed 3 is high; state 004 is a free port.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stager/error.h>

#include "usb.h"

#define FOLDER "/sys/devices/platform/vhci_hcd.0"
#define HEADER 48u
#define TRANSFER_MAX (1u << 20)
#define PORTS_MAX 256u
#define CONTROLLERS_MAX 32u

enum { CMD_SUBMIT = 1, CMD_UNLINK = 2, RET_SUBMIT = 3, RET_UNLINK = 4 };

/* An IN transfer the device has nothing for yet. */
struct waiting {
	struct waiting *next;
	uint32_t number, size;
	unsigned int endpoint;
};

struct plug {
	struct plug *next;
	struct virt_usb_bus *bus;
	struct virt_device *device;
	struct virt_usb *usb;
	struct virt_watch watch;
	struct virt_timer soon;
	int fd;
	unsigned int port;
	struct stg_buf in, out;
	size_t sent;
	struct waiting *waiting;           /* oldest first */
	bool is_broken;
};

struct virt_usb_bus {
	struct virt_bench *bench;
	struct plug *plugs;
	bool is_ours[PORTS_MAX];
};

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* ---- answers ---- */

static void flush(struct plug *p)
{
	while (p->sent < p->out.len) {
		ssize_t n = send(p->fd, p->out.data + p->sent, p->out.len - p->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			p->is_broken = true;
			break;
		}
		p->sent += (size_t)n;
	}
	if (p->sent == p->out.len) {
		stg_buf_reset(&p->out);
		p->sent = 0;
	}
	if (p->is_broken)
		virt_watch_clear(p->bus->bench->loop, &p->watch);   /* until the plug is pulled */
	else
		virt_watch_set(p->bus->bench->loop, &p->watch, p->fd, EPOLLIN | (p->out.len ? EPOLLOUT : 0u));
}

static void answer(struct plug *p, uint32_t command, uint32_t number, int status, uint32_t length, struct stg_bytes data)
{
	uint8_t head[HEADER] = { 0 };

	put32(head, command);
	put32(head + 4, number);
	put32(head + 20, (uint32_t)status);
	put32(head + 24, length);
	if (!stg_buf_add(&p->out, head, sizeof(head), NULL) || !stg_buf_add(&p->out, data.data, data.len, NULL))
		p->is_broken = true;
}

/* The device may have something: gives it to the transfers that wait. */
static void serve_waiting(struct plug *p)
{
	struct waiting **at = &p->waiting;

	while (*at) {
		struct waiting *w = *at;
		uint8_t *bytes = stg_calloc(1, w->size ? w->size : 1);
		int n = virt_usb_in(p->usb, w->endpoint, bytes, w->size);

		if (n < 0) {
			at = &w->next;
		} else {
			answer(p, RET_SUBMIT, w->number, 0, (uint32_t)n, stg_bytes(bytes, (size_t)n));
			*at = w->next;
			free(w);
		}
		free(bytes);
	}
	flush(p);
}

static void serve_soon(struct virt_timer *t)
{
	serve_waiting(VIRT_OWNER(t, struct plug, soon));
}

static void ready(void *ctx)
{
	struct plug *p = ctx;

	virt_timer_set(p->bus->bench->loop, &p->soon, 0, serve_soon);
}

static void wait_for_data(struct plug *p, uint32_t number, uint32_t size, unsigned int endpoint)
{
	struct waiting *w = stg_calloc(1, sizeof(*w)), **end = &p->waiting;

	w->number = number;
	w->size = size;
	w->endpoint = endpoint;
	while (*end)
		end = &(*end)->next;
	*end = w;
	ready(p);
}

/* ---- requests ---- */

static void control(struct plug *p, uint32_t number, bool is_in, uint32_t size, const uint8_t setup[8], struct stg_bytes out)
{
	uint8_t *in = stg_calloc(1, size + 1);
	int n = virt_usb_control(p->usb, setup, out, in, is_in ? size : 0);

	if (n < 0)
		answer(p, RET_SUBMIT, number, -EPIPE, 0, stg_bytes(NULL, 0));
	else
		answer(p, RET_SUBMIT, number, 0, is_in ? (uint32_t)n : (uint32_t)out.len, stg_bytes(in, is_in ? (size_t)n : 0));
	free(in);
}

static void unlink_transfer(struct plug *p, uint32_t number, uint32_t which)
{
	struct waiting **at = &p->waiting, *w;

	while (*at && (*at)->number != which)
		at = &(*at)->next;
	w = *at;
	if (w)
		*at = w->next;
	answer(p, RET_UNLINK, number, w ? -ECONNRESET : 0, 0, stg_bytes(NULL, 0));
	free(w);
}

/* One request at the start of the buffer; how long it was, 0: not whole. */
static size_t request(struct plug *p, struct stg_bytes in)
{
	uint32_t command, number, size;
	unsigned int endpoint;
	bool is_in;
	size_t whole = HEADER;

	if (in.len < HEADER)
		return 0;
	command = get32(in.data);
	number = get32(in.data + 4);
	is_in = get32(in.data + 12) != 0;
	endpoint = get32(in.data + 16) & 15;
	size = get32(in.data + 24);
	if (command == CMD_UNLINK) {
		unlink_transfer(p, number, get32(in.data + 20));
		return whole;
	}
	if (command != CMD_SUBMIT || size > TRANSFER_MAX) {
		p->is_broken = true;
		return 0;
	}
	if (!is_in)
		whole += size;
	if (in.len < whole)
		return 0;
	if (endpoint == 0)
		control(p, number, is_in, size, in.data + 40, stg_bytes(in.data + HEADER, whole - HEADER));
	else if (is_in)
		wait_for_data(p, number, size, endpoint);
	else if (virt_usb_out(p->usb, endpoint, stg_bytes(in.data + HEADER, size)))
		answer(p, RET_SUBMIT, number, 0, size, stg_bytes(NULL, 0));
	else
		answer(p, RET_SUBMIT, number, -EPIPE, 0, stg_bytes(NULL, 0));
	return whole;
}

static void on_socket(struct virt_watch *w, uint32_t events)
{
	struct plug *p = VIRT_OWNER(w, struct plug, watch);
	uint8_t bytes[65536];
	size_t taken = 0, n;
	ssize_t got = 0;

	(void)events;
	while (!p->is_broken && (got = recv(p->fd, bytes, sizeof(bytes), 0)) > 0)
		p->is_broken = !stg_buf_add(&p->in, bytes, (size_t)got, NULL);
	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		p->is_broken = true;               /* the kernel let go of the port: `detach`, or the module went */
	while (!p->is_broken && (n = request(p, stg_bytes(p->in.data + taken, p->in.len - taken))) > 0)
		taken += n;
	memmove(p->in.data, p->in.data + taken, p->in.len - taken);
	p->in.len -= taken;
	flush(p);
}

/* ---- ports ---- */

/* Which ports are free, by controller: "hs  0000 004 ...". */
static unsigned int free_ports(const struct virt_usb_bus *bus, unsigned int ret[CONTROLLERS_MAX], unsigned int used[CONTROLLERS_MAX])
{
	unsigned int n = 0;

	for (; n < CONTROLLERS_MAX; n++) {
		char path[128], line[256], state[8], hub[8];
		unsigned int port;
		FILE *f;

		snprintf(path, sizeof(path), n ? FOLDER "/status.%u" : FOLDER "/status", n);
		f = fopen(path, "re");
		if (!f)
			break;
		ret[n] = PORTS_MAX;
		used[n] = 0;
		while (fgets(line, sizeof(line), f))
			if (sscanf(line, "%7s %u %7s", hub, &port, state) == 3 && strcmp(hub, "hs") == 0 && port < PORTS_MAX) {
				if (strcmp(state, "004") != 0 || bus->is_ours[port])
					used[n]++;
				else if (ret[n] == PORTS_MAX)
					ret[n] = port;
			}
		fclose(f);
	}
	return n;
}

/* The emptiest controller first: a bench is not one chain of hubs. */
static unsigned int choose_port(const struct virt_usb_bus *bus)
{
	unsigned int port[CONTROLLERS_MAX], used[CONTROLLERS_MAX], best = PORTS_MAX, least = PORTS_MAX;
	unsigned int n = free_ports(bus, port, used);

	for (unsigned int i = 0; i < n; i++)
		if (port[i] < PORTS_MAX && used[i] < least) {
			least = used[i];
			best = port[i];
		}
	return best;
}

static bool attach(unsigned int port, int fd, unsigned int id)
{
	char text[64];
	int attr = open(FOLDER "/attach", O_WRONLY | O_CLOEXEC);
	int len = snprintf(text, sizeof(text), "%u %d %u 3", port, fd, id);
	bool ok = attr >= 0 && write(attr, text, (size_t)len) == len;

	if (!ok)
		fprintf(stderr, "stager-bench: attach '%s': %s\n", text, strerror(errno));
	if (attr >= 0)
		close(attr);
	return ok;
}

static void pull(struct virt_usb_bus *bus, struct plug **at)
{
	struct plug *p = *at;

	*at = p->next;
	bus->is_ours[p->port] = false;
	virt_timer_clear(bus->bench->loop, &p->soon);
	virt_watch_clear(bus->bench->loop, &p->watch);
	close(p->fd);                      /* the kernel sees the plug go */
	virt_usb_free(p->usb);
	while (p->waiting) {
		struct waiting *w = p->waiting;

		p->waiting = w->next;
		free(w);
	}
	stg_buf_clear(&p->in);
	stg_buf_clear(&p->out);
	free(p);
}

void virt_usb_bus_add(struct virt_usb_bus *bus, struct virt_device *d)
{
	unsigned int port = choose_port(bus);
	struct plug *p;
	int pair[2];

	if (d->usb_mode == VIRT_USB_ANDROID)
		return;
	if (port == PORTS_MAX || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		fprintf(stderr, "stager-bench: no free port for %s\n", d->udid);
		return;
	}
	p = stg_calloc(1, sizeof(*p));
	p->bus = bus;
	p->device = d;
	p->fd = pair[0];
	p->port = port;
	p->in = STG_BUF(4 * TRANSFER_MAX);
	p->out = STG_BUF(16 * TRANSFER_MAX);
	p->watch.ready = on_socket;
	p->usb = virt_usb_new(d, ready, p);
	p->next = bus->plugs;
	bus->plugs = p;
	bus->is_ours[port] = true;
	fcntl(p->fd, F_SETFL, O_NONBLOCK);
	virt_watch_set(bus->bench->loop, &p->watch, p->fd, EPOLLIN);
	if (!attach(port, pair[1], d->number))
		pull(bus, &bus->plugs);
	close(pair[1]);
}

void virt_usb_bus_remove(struct virt_usb_bus *bus, struct virt_device *d)
{
	for (struct plug **at = &bus->plugs; *at;) {
		if ((*at)->device == d)
			pull(bus, at);
		else
			at = &(*at)->next;
	}
}

struct virt_usb_bus *virt_usb_bus_start(struct virt_bench *b, struct stg_error *err)
{
	struct virt_usb_bus *bus;

	if (access(FOLDER "/attach", W_OK) < 0) {
		stg_fail(err, STG_E_STATION, errno, "%s/attach: %s (is the module vhci_hcd loaded?)", FOLDER, strerror(errno));
		return NULL;
	}
	bus = stg_calloc(1, sizeof(*bus));
	bus->bench = b;
	return bus;
}

void virt_usb_bus_stop(struct virt_usb_bus *bus)
{
	if (!bus)
		return;
	while (bus->plugs)
		pull(bus, &bus->plugs);
	free(bus);
}
