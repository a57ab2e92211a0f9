/*
 * mux.c - which Apple devices usbmuxd announces: one Listen connection that is opened again for ever.
 *
 * For:    the station's event loop.
 * Uses:   the usbmuxd protocol itself rather than libusbmuxd's subscription, which wants a thread, keeps one global
 *         callback and loses a restarted usbmuxd for good unless told otherwise (protocols/apple.md 1.4).
 * Called: through <stager/watch.h>.
 * Thread: one per watch. Never blocks.
 * Facts:  protocols/apple.md 1.3, 1.4 (usbmuxd 1.1.1).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/watch.h>

#include "muxwire.h"

#include <stager/codes.h>

extern const struct stg_codes stg_codes_usbmuxd;   /* codes/usbmuxd.c */

#define RETRY_FIRST_MS 50
#define RETRY_MOST_MS 1000
#define ANSWER_MS 10000        /* Listen is answered at once; a wedged usbmuxd is one that does not */
#define DEVICES_MAX 8192       /* as many as a tree of sockets may have; a crowd of fewer must not keep a real one out */
#define VENDOR_APPLE 0x05ac

enum watch_state { AWAY, CONNECTING, ASKED, UP };

struct stg_watch {
	enum watch_state state;
	int epoll, timer, sock;
	bool told_down;
	int64_t retry_ms;
	struct stg_buf in, out;
	struct stg_arrival *devices;
	size_t n_devices, cap_devices;
	struct stg_watch_event *queue;
	size_t n_queue, next_queue, cap_queue;
};

static void post(struct stg_watch *w, enum stg_watch_kind kind, const struct stg_arrival *a, const struct stg_error *why)
{
	if (w->n_queue == w->cap_queue) {
		w->cap_queue = w->cap_queue ? 2 * w->cap_queue : 16;
		w->queue = reallocarray(w->queue, w->cap_queue, sizeof(*w->queue));
		if (!w->queue)
			abort();
	}
	struct stg_watch_event *e = &w->queue[w->n_queue++];
	*e = (struct stg_watch_event){ .kind = kind };
	if (a)
		e->arrival = *a;
	if (why)
		e->err = *why;
}

static void arm(struct stg_watch *w, int64_t in_ms)
{
	struct itimerspec when = { .it_value = { .tv_sec = in_ms / 1000, .tv_nsec = in_ms % 1000 * 1000000 } };
	timerfd_settime(w->timer, 0, &when, NULL);
}

/* Everything has left; try again after a while. */
static void fall(struct stg_watch *w, const struct stg_error *why)
{
	if (w->sock >= 0)
		close(w->sock);
	w->sock = -1;
	w->state = AWAY;
	stg_buf_reset(&w->in);
	stg_buf_reset(&w->out);
	for (size_t i = 0; i < w->n_devices; i++)
		post(w, STG_WATCH_LEFT, &w->devices[i], NULL);
	w->n_devices = 0;
	if (!w->told_down) {
		struct stg_error e = *why;
		if (!e.id)
			e.id = STG_ID_NO_USBMUXD;
		post(w, STG_WATCH_DOWN, NULL, &e);
	}
	w->told_down = true;
	arm(w, w->retry_ms);
	w->retry_ms = w->retry_ms * 2 > RETRY_MOST_MS ? RETRY_MOST_MS : w->retry_ms * 2;
}

static void watch_socket(struct stg_watch *w, uint32_t events, int op)
{
	struct epoll_event e = { .events = events, .data.fd = w->sock };
	epoll_ctl(w->epoll, op, w->sock, &e);
}

static bool flush(struct stg_watch *w, struct stg_error *err)
{
	size_t sent = 0;
	while (sent < w->out.len) {
		ssize_t n = send(w->sock, w->out.data + sent, w->out.len - sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return stg_fail(err, STG_E_GONE, errno, "usbmuxd: %s", strerror(errno));
		sent += (size_t)n;
	}
	stg_buf_reset(&w->out);
	return true;
}

static bool ask_to_listen(struct stg_watch *w, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = mux_request("Listen");
	if (!mux_write(1, ask, &w->out, err) || !flush(w, err))
		return false;
	w->state = ASKED;
	arm(w, ANSWER_MS);
	watch_socket(w, EPOLLIN, EPOLL_CTL_MOD);
	return true;
}

static void start(struct stg_watch *w)
{
	char address[256];
	struct stg_error err = { 0 };
	stg_mux_address(address, sizeof(address));
	w->sock = mux_connect(address, &err);
	if (w->sock < 0) {
		fall(w, &err);
		return;
	}
	w->state = CONNECTING;
	watch_socket(w, EPOLLOUT, EPOLL_CTL_ADD);
	arm(w, ANSWER_MS);
}

static size_t find(const struct stg_watch *w, uint32_t handle)
{
	size_t i = 0;
	while (i < w->n_devices && w->devices[i].handle != handle)
		i++;
	return i;
}

static void attached(struct stg_watch *w, plist_t body)
{
	plist_t p = apple_dict(body, "Properties");
	uint64_t handle = 0, pid = 0;
	if (!p || (!apple_uint(body, "DeviceID", &handle) && !apple_uint(p, "DeviceID", &handle)))
		return;
	/* the bench is cables: a device reached over Wi-Fi is not on a port */
	if (handle == 0 || handle > UINT32_MAX || strcmp(apple_str(p, "ConnectionType"), "USB") != 0)
		return;
	if (find(w, (uint32_t)handle) < w->n_devices || w->n_devices >= DEVICES_MAX)
		return;
	apple_uint(p, "ProductID", &pid);
	struct stg_arrival a = {
		.driver = "apple", .vid = VENDOR_APPLE, .pid = (uint16_t)pid, .mode = STG_MODE_NORMAL, .handle = (uint32_t)handle,
		.at_ms = stg_wall_ms(),
	};
	const char *serial = apple_str(p, "SerialNumber");
	stg_printable(serial, false, a.usb_serial, sizeof(a.usb_serial));
	stg_udid_clean(serial, a.udid);
	if (w->n_devices == w->cap_devices) {
		w->cap_devices = w->cap_devices ? 2 * w->cap_devices : 64;
		w->devices = reallocarray(w->devices, w->cap_devices, sizeof(*w->devices));
		if (!w->devices)
			abort();
	}
	w->devices[w->n_devices++] = a;
	post(w, STG_WATCH_ARRIVED, &a, NULL);
}

static void detached(struct stg_watch *w, plist_t body)
{
	uint64_t handle = 0;
	if (!apple_uint(body, "DeviceID", &handle) || handle > UINT32_MAX)
		return;
	size_t i = find(w, (uint32_t)handle);
	if (i == w->n_devices)
		return;
	post(w, STG_WATCH_LEFT, &w->devices[i], NULL);
	w->devices[i] = w->devices[--w->n_devices];
}

static bool refused(uint64_t number, struct stg_error *err)
{
	const struct stg_code_row *row = number <= INT32_MAX ? stg_codes_by_number(&stg_codes_usbmuxd, NULL, (int64_t)number) : NULL;
	row = row ? row : &stg_codes_usbmuxd.otherwise;
	return stg_fail_id(err, row->code, row->id, (int)(number & INT32_MAX), "usbmuxd: Listen was refused (%d)", (int)(number & INT32_MAX));
}

static bool message(struct stg_watch *w, struct stg_bytes raw, struct stg_error *err)
{
	uint32_t tag;
	uint64_t number;
	STG_AUTO(apple_plist_free_at) plist_t body = mux_read(raw, &tag, err);
	/* what a device calls itself is in it: one that cannot be read is left out, and costs nobody else his place. The frame was
	 * whole, so the next message begins where this one ends. */
	if (!body && w->state == UP)
		return true;
	if (!body)
		return false;
	if (w->state == ASKED) {
		if (!mux_is_result(body, &number))
			return stg_fail(err, STG_E_PROTOCOL, 0, "usbmuxd: Listen was answered with something else");
		if (number != MUX_OK)
			return refused(number, err);
		w->state = UP;
		w->told_down = false;
		w->retry_ms = RETRY_FIRST_MS;
		arm(w, 0);
		post(w, STG_WATCH_UP, NULL, NULL);
		return true;
	}
	const char *type = apple_str(body, "MessageType");
	if (strcmp(type, "Attached") == 0)
		attached(w, body);
	else if (strcmp(type, "Detached") == 0)
		detached(w, body);
	return true;
}

/* True: something may have been queued. */
static bool receive(struct stg_watch *w, struct stg_error *err)
{
	if (!stg_buf_reserve(&w->in, 16384, err))
		return false;
	ssize_t n = recv(w->sock, w->in.data + w->in.len, 16384, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return stg_fail(err, STG_E_GONE, n < 0 ? errno : 0, "usbmuxd closed the connection");
	w->in.len += (size_t)n;
	size_t used = 0, len;
	for (;;) {
		struct stg_bytes rest = stg_bytes(w->in.data + used, w->in.len - used);
		if (!mux_whole(rest, &len, err))
			return false;
		if (len == 0)
			break;
		if (!message(w, stg_bytes(rest.data, len), err))
			return false;
		used += len;
	}
	memmove(w->in.data, w->in.data + used, w->in.len - used);
	w->in.len -= used;
	return true;
}

static void on_socket(struct stg_watch *w)
{
	struct stg_error err = { 0 };
	bool ok;
	if (w->state == CONNECTING) {
		int e = 0;
		socklen_t len = sizeof(e);
		getsockopt(w->sock, SOL_SOCKET, SO_ERROR, &e, &len);
		ok = e ? stg_fail(&err, STG_E_NOT_FOUND, e, "usbmuxd: %s", strerror(e)) : ask_to_listen(w, &err);
	} else {
		ok = receive(w, &err);
	}
	if (!ok)
		fall(w, &err);
}

static void on_timer(struct stg_watch *w)
{
	uint64_t expired;
	if (read(w->timer, &expired, sizeof(expired)) != (ssize_t)sizeof(expired))
		return;
	if (w->state == AWAY) {
		start(w);
	} else if (w->state != UP) {
		struct stg_error err = { 0 };
		stg_fail(&err, STG_E_TIMEOUT, 0, "usbmuxd does not answer");
		fall(w, &err);
	}
}

struct stg_watch *stg_watch_open(struct stg_error *err)
{
	struct stg_watch *w = stg_calloc(1, sizeof(*w));
	w->sock = -1;
	w->retry_ms = RETRY_FIRST_MS;
	w->in = STG_BUF(MUX_MESSAGE_MAX + 32768);
	w->out = STG_BUF(MUX_MESSAGE_MAX);
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	struct epoll_event e = { .events = EPOLLIN, .data.fd = w->timer };
	if (w->epoll < 0 || w->timer < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->timer, &e) != 0) {
		stg_fail_id(err, STG_E_STATION, STG_ID_START_FAILED, errno, "watch on usbmuxd: %s", strerror(errno));
		stg_watch_close(w);
		return NULL;
	}
	start(w);
	return w;
}

int stg_watch_fd(const struct stg_watch *w)
{
	return w->epoll;
}

bool stg_watch_next(struct stg_watch *w, struct stg_watch_event *ret)
{
	while (w->next_queue == w->n_queue) {
		struct epoll_event ready[2];
		w->next_queue = w->n_queue = 0;
		int n = epoll_wait(w->epoll, ready, 2, 0);
		if (n <= 0)
			return false;
		for (int i = 0; i < n; i++) {
			if (ready[i].data.fd == w->timer)
				on_timer(w);
			else if (ready[i].data.fd == w->sock)
				on_socket(w);
		}
	}
	*ret = w->queue[w->next_queue++];
	return true;
}

bool stg_watch_is_up(const struct stg_watch *w)
{
	return w->state == UP;
}

void stg_watch_close(struct stg_watch *w)
{
	if (!w)
		return;
	stg_close_at(&w->sock);
	stg_close_at(&w->timer);
	stg_close_at(&w->epoll);
	stg_buf_clear(&w->in);
	stg_buf_clear(&w->out);
	free(w->devices);
	free(w->queue);
	free(w);
}

void stg_watch_close_at(struct stg_watch **w)
{
	stg_watch_close(*w);
	*w = NULL;
}
