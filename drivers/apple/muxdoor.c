/*
 * muxdoor.c - shows each worker its one device and nothing else.
 *
 * For:    a worker that was taken over by what is plugged in reaches no other device, no record of another, no Listen.
 *         It also keeps libusbmuxd's habit of listing everything from costing more with each device on the bench.
 * Uses:   epoll, the usbmuxd protocol on both sides, a stg_channel to the station.
 * Called: stg_muxdoor_run() in a process of its own, forked from the nursery.
 * Thread: one.
 * Facts:  protocols/apple.md 1.1 to 1.4.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stager/arrival.h>
#include <stager/clock.h>
#include <stager/message.h>
#include <stager/muxdoor.h>
#include <stager/secret.h>
#include <stager/watch.h>

#include "muxwire.h"

#define KNOCK_MS 20000      /* a worker's own deadlines are longer */
#define KNOCK_AGAIN_MS 20
#define PIPE_BYTES (128u << 10)   /* read at once; what the far side does not take waits in a buffer of this size */
#define CONNS_PER_DOOR 64         /* the libraries use a handful; more is somebody trying */
#define REFUSALS_TOLD 16          /* per door, so that a worker gone wild cannot flood the log */
#define MUX_ADDRESS_MAX 256

struct end {                      /* what epoll hands back */
	enum { CHANNEL, DOOR, NEAR, FAR } kind;
	int fd;
	uint32_t watching;        /* events asked for, 0: not in epoll */
	void *owner;
};

enum conn_state { COMMAND, ASKING, PIPE };

struct conn {
	struct conn *next;
	struct door *door;
	struct end near, far;
	enum conn_state state;
	uint32_t tag;             /* of the Connect that waits */
	bool far_connecting;
	int64_t knock_until_ms;   /* usbmuxd's backlog is full: it is tried again until then; 0: not waiting */
	bool near_ended, far_ended;   /* no more bytes come from there */
	bool near_shut, far_shut;     /* told that no more bytes come */
	struct stg_buf to_near, to_far, in;
	bool dead;
};

struct door {
	struct door *next;
	int64_t id;
	struct end listener;
	char path[108];
	char udid[STG_UDID_MAX], buid[64];
	uint32_t device_id, product_id, location_id;
	int pid;
	struct stg_secret record;
	struct conn *conns;
	int n_conns, refusals;
	bool dead;
};

struct hall {
	int epoll;
	struct stg_channel *station;
	struct end channel;
	struct door *doors;
	const char *mux;
	bool leave, sweep, knocking;
	uint8_t *scratch;
};

static void watch(struct hall *h, struct end *e, uint32_t events)
{
	if (e->fd < 0 || events == e->watching)
		return;
	struct epoll_event ev = { .events = events, .data.ptr = e };
	/* an end nobody waits for is taken out: EPOLLHUP cannot be switched off and would spin */
	epoll_ctl(h->epoll, events ? (e->watching ? EPOLL_CTL_MOD : EPOLL_CTL_ADD) : EPOLL_CTL_DEL, e->fd, &ev);
	e->watching = events;
}

static void tell(struct hall *h, json_t *msg)
{
	stg_channel_send(h->station, msg, NULL, 0, NULL);
	watch(h, &h->channel, stg_channel_wants_write(h->station) ? EPOLLIN | EPOLLOUT : EPOLLIN);
	json_decref(msg);
}

static json_t *about(const char *kind, const struct door *d)
{
	json_t *msg = json_object();
	stg_json_put(msg, "t", kind);
	stg_json_put_int(msg, "v", STG_MESSAGE_VERSION);
	stg_json_put_int(msg, "id", d->id);
	return msg;
}

static void refused(struct hall *h, struct door *d, const char *what)
{
	if (d->refusals++ >= REFUSALS_TOLD)
		return;
	json_t *msg = about("refused", d);
	stg_json_put(msg, "what", what);
	tell(h, msg);
}

static void end_conn(struct hall *h, struct conn *c)
{
	if (c->dead)
		return;
	c->dead = h->sweep = true;
	watch(h, &c->near, 0);
	watch(h, &c->far, 0);
	stg_close_at(&c->near.fd);
	stg_close_at(&c->far.fd);
}

static void end_door(struct hall *h, struct door *d)
{
	if (d->dead)
		return;
	d->dead = h->sweep = true;
	for (struct conn *c = d->conns; c; c = c->next)
		end_conn(h, c);
	watch(h, &d->listener, 0);
	if (d->listener.fd >= 0)
		(void)unlink(d->path);
	stg_close_at(&d->listener.fd);
}

/* Frees what ended during this round: events of the same round may still have pointed at it. */
static void sweep(struct hall *h)
{
	h->sweep = false;
	for (struct door **pd = &h->doors; *pd;) {
		struct door *d = *pd;
		for (struct conn **pc = &d->conns; *pc;) {
			struct conn *c = *pc;
			if (!c->dead) {
				pc = &c->next;
				continue;
			}
			*pc = c->next;
			d->n_conns--;
			stg_buf_clear(&c->to_near);
			stg_buf_clear(&c->to_far);
			stg_buf_clear(&c->in);
			free(c);
		}
		if (!d->dead) {
			pd = &d->next;
			continue;
		}
		*pd = d->next;
		stg_secret_clear(&d->record);
		free(d);
	}
}

/* ---- the pipe ---- */

/* Sends what waits; false when the connection is no more. */
static bool drain(struct hall *h, struct conn *c, int fd, struct stg_buf *b)
{
	size_t sent = 0;
	while (sent < b->len) {
		ssize_t n = send(fd, b->data + sent, b->len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			end_conn(h, c);
			return false;
		}
		sent += (size_t)n;
	}
	if (sent) {
		memmove(b->data, b->data + sent, b->len - sent);
		b->len -= sent;
	}
	return true;
}

/* One read, one write; what the receiver does not take at once waits and stops the reading. */
static bool carry(struct hall *h, struct conn *c, int from, int to, struct stg_buf *b, bool *ret_ended)
{
	ssize_t n = recv(from, h->scratch, PIPE_BYTES, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0) {
		*ret_ended = true;
		return true;
	}
	ssize_t sent = send(to, h->scratch, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		end_conn(h, c);
		return false;
	}
	if (sent < 0)
		sent = 0;
	if (sent < n && !stg_buf_add(b, h->scratch + sent, (size_t)(n - sent), NULL)) {
		end_conn(h, c);
		return false;
	}
	return true;
}

static void watch_pipe(struct hall *h, struct conn *c)
{
	if (c->near_ended && !c->to_far.len && !c->far_shut) {
		shutdown(c->far.fd, SHUT_WR);
		c->far_shut = true;
	}
	if (c->far_ended && !c->to_near.len && !c->near_shut) {
		shutdown(c->near.fd, SHUT_WR);
		c->near_shut = true;
	}
	/* a worker that closed, or a device that has gone, ends both halves: nothing in this protocol lives on one */
	if (c->near_ended && c->far_ended && !c->to_far.len && !c->to_near.len) {
		end_conn(h, c);
		return;
	}
	watch(h, &c->near, (c->near_ended || c->to_far.len ? 0 : EPOLLIN) | (c->to_near.len ? EPOLLOUT : 0));
	watch(h, &c->far, (c->far_ended || c->to_near.len ? 0 : EPOLLIN) | (c->to_far.len ? EPOLLOUT : 0));
}

static void on_pipe(struct hall *h, struct conn *c, struct end *e, uint32_t events)
{
	bool near = e == &c->near;
	struct stg_buf *out = near ? &c->to_near : &c->to_far;
	if (events & EPOLLOUT && !drain(h, c, e->fd, out))
		return;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && e->watching & EPOLLIN) {
		struct stg_buf *in = near ? &c->to_far : &c->to_near;
		if (!carry(h, c, e->fd, near ? c->far.fd : c->near.fd, in, near ? &c->near_ended : &c->far_ended))
			return;
	} else if (events & (EPOLLHUP | EPOLLERR) && !(events & EPOLLOUT)) {
		end_conn(h, c);
		return;
	}
	watch_pipe(h, c);
}

/* ---- the command half ---- */

static bool answer(struct hall *h, struct conn *c, plist_t body, uint32_t tag)
{
	if (!mux_write(tag, body, &c->to_near, NULL) || !drain(h, c, c->near.fd, &c->to_near)) {
		end_conn(h, c);
		return false;
	}
	return true;
}

static bool answer_result(struct hall *h, struct conn *c, enum mux_result number, uint32_t tag)
{
	if (!mux_write_result(tag, number, &c->to_near, NULL) || !drain(h, c, c->near.fd, &c->to_near)) {
		end_conn(h, c);
		return false;
	}
	return true;
}

static bool list_devices(struct hall *h, struct conn *c, uint32_t tag)
{
	const struct door *d = c->door;
	STG_AUTO(apple_plist_free_at) plist_t body = plist_new_dict();
	plist_t list = plist_new_array();
	if (d->device_id) {
		plist_t one = plist_new_dict(), p = plist_new_dict();
		apple_put_str(p, "ConnectionType", "USB");
		apple_put_uint(p, "ConnectionSpeed", 480000000);
		apple_put_uint(p, "DeviceID", d->device_id);
		apple_put_uint(p, "LocationID", d->location_id);
		apple_put_uint(p, "ProductID", d->product_id);
		apple_put_str(p, "SerialNumber", d->udid);
		apple_put_str(one, "MessageType", "Attached");
		apple_put_uint(one, "DeviceID", d->device_id);
		plist_dict_set_item(one, "Properties", p);
		plist_array_append_item(list, one);
	}
	plist_dict_set_item(body, "DeviceList", list);
	return answer(h, c, body, tag);
}

static bool read_record(struct hall *h, struct conn *c, uint32_t tag)
{
	if (!stg_secret_is_set(&c->door->record))
		return answer_result(h, c, MUX_BAD_DEVICE, tag);
	STG_AUTO(apple_plist_free_at) plist_t body = plist_new_dict();
	apple_put_data(body, "PairRecordData", stg_secret_reveal(&c->door->record));
	return answer(h, c, body, tag);
}

static bool save_record(struct hall *h, struct conn *c, plist_t ask, uint32_t tag)
{
	struct stg_bytes data = apple_data(ask, "PairRecordData");
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(2 * MUX_MESSAGE_MAX);
	if (!data.len || !stg_secret_set(&c->door->record, data, NULL) || !stg_base64(data, &text, NULL))
		return answer_result(h, c, MUX_INVALID, tag);
	json_t *msg = about("save", c->door);
	stg_json_put(msg, "udid", c->door->udid);
	stg_json_put(msg, "record", stg_buf_str(&text));
	tell(h, msg);
	return answer_result(h, c, MUX_OK, tag);
}

static bool delete_record(struct hall *h, struct conn *c, uint32_t tag)
{
	if (!stg_secret_is_set(&c->door->record))
		return answer_result(h, c, MUX_BAD_DEVICE, tag);
	stg_secret_clear(&c->door->record);
	json_t *msg = about("forget", c->door);
	stg_json_put(msg, "udid", c->door->udid);
	tell(h, msg);
	return answer_result(h, c, MUX_OK, tag);
}

static void give_up_far(struct hall *h, struct conn *c, enum mux_result number)
{
	watch(h, &c->far, 0);
	stg_close_at(&c->far.fd);
	stg_buf_reset(&c->in);
	stg_buf_reset(&c->to_far);
	c->state = COMMAND;
	if (answer_result(h, c, number, c->tag))
		watch(h, &c->near, EPOLLIN | (c->to_near.len ? EPOLLOUT : 0));
}

static bool connect_far(struct hall *h, struct conn *c, plist_t ask, uint32_t tag)
{
	uint64_t device = 0, port = 0;
	if (!apple_uint(ask, "DeviceID", &device) || !apple_uint(ask, "PortNumber", &port) || port > 0xffff)
		return answer_result(h, c, MUX_BAD_COMMAND, tag);
	if (!c->door->device_id || device != c->door->device_id) {
		if (c->door->device_id)
			refused(h, c->door, "device");
		return answer_result(h, c, MUX_BAD_DEVICE, tag);
	}
	STG_AUTO(apple_plist_free_at) plist_t body = mux_request("Connect");
	apple_put_uint(body, "DeviceID", device);
	apple_put_uint(body, "PortNumber", port);
	stg_buf_reset(&c->to_far);
	stg_buf_reset(&c->in);
	if (!mux_write(tag, body, &c->to_far, NULL))
		return answer_result(h, c, MUX_REFUSED, tag);
	c->tag = tag;
	struct stg_error why = { 0 };
	c->far.fd = mux_connect(h->mux, &why);
	if (c->far.fd < 0 && why.origin != EAGAIN)
		return answer_result(h, c, MUX_REFUSED, tag);
	c->state = ASKING;
	c->far_connecting = true;
	if (c->far.fd >= 0) {
		watch(h, &c->far, EPOLLOUT);
	} else {
		c->knock_until_ms = stg_boot_ms() + KNOCK_MS;
		h->knocking = true;
	}
	/* the worker waits for its Result; its leaving is all we need to hear meanwhile */
	watch(h, &c->near, EPOLLRDHUP);
	return true;
}

/* usbmuxd takes five callers at a time (listen(fd, 5)) and none while it adds devices; a full backlog cannot be waited for
 * by poll, so in a storm those who found it full are tried again a little later. */
static void knock_again(struct hall *h)
{
	h->knocking = false;
	for (struct door *d = h->doors; d; d = d->next) {
		for (struct conn *c = d->conns; c; c = c->next) {
			struct stg_error why = { 0 };
			if (c->dead || !c->knock_until_ms)
				continue;
			c->far.fd = mux_connect(h->mux, &why);
			if (c->far.fd >= 0) {
				c->knock_until_ms = 0;
				watch(h, &c->far, EPOLLOUT);
			} else if (why.origin != EAGAIN || stg_boot_ms() >= c->knock_until_ms) {
				c->knock_until_ms = 0;
				give_up_far(h, c, MUX_REFUSED);
			} else {
				h->knocking = true;
			}
		}
	}
}

static bool is_ours(struct hall *h, struct conn *c, plist_t ask)
{
	if (strcasecmp(apple_str(ask, "PairRecordID"), c->door->udid) == 0)
		return true;
	refused(h, c->door, "record");
	return false;
}

static bool command(struct hall *h, struct conn *c, plist_t ask, uint32_t tag)
{
	const char *type = apple_str(ask, "MessageType");
	if (strcmp(type, "ListDevices") == 0)
		return list_devices(h, c, tag);
	if (strcmp(type, "Connect") == 0)
		return connect_far(h, c, ask, tag);
	if (strcmp(type, "ReadBUID") == 0) {
		STG_AUTO(apple_plist_free_at) plist_t body = plist_new_dict();
		apple_put_str(body, "BUID", c->door->buid);
		return answer(h, c, body, tag);
	}
	if (strcmp(type, "ReadPairRecord") == 0)
		return is_ours(h, c, ask) ? read_record(h, c, tag) : answer_result(h, c, MUX_BAD_DEVICE, tag);
	if (strcmp(type, "SavePairRecord") == 0)
		return is_ours(h, c, ask) ? save_record(h, c, ask, tag) : answer_result(h, c, MUX_BAD_DEVICE, tag);
	if (strcmp(type, "DeletePairRecord") == 0)
		return is_ours(h, c, ask) ? delete_record(h, c, tag) : answer_result(h, c, MUX_BAD_DEVICE, tag);
	refused(h, c->door, strcmp(type, "Listen") == 0 ? "listen" : "command");
	return answer_result(h, c, MUX_BAD_COMMAND, tag);
}

static void on_command(struct hall *h, struct conn *c, uint32_t events)
{
	if (events & EPOLLOUT && !drain(h, c, c->near.fd, &c->to_near))
		return;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) {
		ssize_t n = recv(c->near.fd, h->scratch, PIPE_BYTES, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			end_conn(h, c);
			return;
		}
		if (n > 0 && !stg_buf_add(&c->in, h->scratch, (size_t)n, NULL)) {
			end_conn(h, c);
			return;
		}
	}
	while (c->state == COMMAND && !c->dead) {
		size_t len;
		uint32_t tag;
		if (!mux_whole(stg_buf_view(&c->in), &len, NULL)) {
			end_conn(h, c);
			return;
		}
		if (len == 0)
			break;
		STG_AUTO(apple_plist_free_at) plist_t ask = mux_read(stg_bytes(c->in.data, len), &tag, NULL);
		memmove(c->in.data, c->in.data + len, c->in.len - len);
		c->in.len -= len;
		if (ask ? !command(h, c, ask, tag) : !answer_result(h, c, MUX_BAD_COMMAND, 0))
			return;
	}
	if (!c->dead && c->state == COMMAND)
		watch(h, &c->near, EPOLLIN | (c->to_near.len ? EPOLLOUT : 0));
}

/* usbmuxd's answer to our Connect; bytes after it belong to the stream already. */
static void on_asking(struct hall *h, struct conn *c, struct end *e, uint32_t events)
{
	if (e == &c->near) {
		end_conn(h, c);
		return;
	}
	if (c->far_connecting) {
		int failed = 0;
		socklen_t len = sizeof(failed);
		getsockopt(c->far.fd, SOL_SOCKET, SO_ERROR, &failed, &len);
		if (failed) {
			give_up_far(h, c, MUX_REFUSED);
			return;
		}
		c->far_connecting = false;
		if (!drain(h, c, c->far.fd, &c->to_far))
			return;
		watch(h, &c->far, EPOLLIN);
		return;
	}
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	ssize_t n = recv(c->far.fd, h->scratch, PIPE_BYTES, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || !stg_buf_add(&c->in, h->scratch, (size_t)n, NULL)) {
		give_up_far(h, c, MUX_REFUSED);
		return;
	}
	size_t len;
	uint32_t tag;
	uint64_t number = MUX_REFUSED;
	if (!mux_whole(stg_buf_view(&c->in), &len, NULL)) {
		give_up_far(h, c, MUX_REFUSED);
		return;
	}
	if (len == 0)
		return;
	STG_AUTO(apple_plist_free_at) plist_t body = mux_read(stg_bytes(c->in.data, len), &tag, NULL);
	if (!body || !mux_is_result(body, &number) || number != MUX_OK) {
		give_up_far(h, c, number > MUX_OK && number <= MUX_REFUSED ? (enum mux_result)number : MUX_REFUSED);
		return;
	}
	if (!mux_write_result(c->tag, MUX_OK, &c->to_near, NULL) ||
	    !stg_buf_add(&c->to_near, c->in.data + len, c->in.len - len, NULL)) {
		end_conn(h, c);
		return;
	}
	c->state = PIPE;
	stg_buf_clear(&c->in);
	if (drain(h, c, c->near.fd, &c->to_near))
		watch_pipe(h, c);
}

static void on_knock(struct hall *h, struct door *d)
{
	for (;;) {
		int fd = accept4(d->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return;
		int pid = 0;
		unsigned int uid;
		if (!stg_peer(fd, &pid, &uid, NULL) || !d->pid || pid != d->pid) {
			refused(h, d, "peer");
			close(fd);
			continue;
		}
		if (d->n_conns >= CONNS_PER_DOOR) {
			refused(h, d, "command");
			close(fd);
			continue;
		}
		struct conn *c = stg_calloc(1, sizeof(*c));
		c->door = d;
		c->near = (struct end){ .kind = NEAR, .fd = fd, .owner = c };
		c->far = (struct end){ .kind = FAR, .fd = -1, .owner = c };
		c->in = STG_BUF(MUX_MESSAGE_MAX + PIPE_BYTES);
		c->to_near = STG_BUF(2 * MUX_MESSAGE_MAX + PIPE_BYTES);
		c->to_far = STG_BUF(2 * MUX_MESSAGE_MAX + PIPE_BYTES);
		c->next = d->conns;
		d->conns = c;
		d->n_conns++;
		watch(h, &c->near, EPOLLIN);
	}
}

/* ---- the station's side ---- */

static struct door *find(struct hall *h, int64_t id)
{
	struct door *d = h->doors;
	while (d && (d->dead || d->id != id))
		d = d->next;
	return d;
}

static bool take_record(struct door *d, const json_t *msg, struct stg_error *err)
{
	const char *text = stg_json_str(msg, "record");
	STG_AUTO(stg_buf_clear) struct stg_buf raw = STG_BUF(MUX_MESSAGE_MAX);
	if (!*text) {
		stg_secret_clear(&d->record);
		return true;
	}
	return stg_unbase64(text, &raw, err) && stg_secret_set(&d->record, stg_buf_view(&raw), err);
}

static bool open_door(struct hall *h, struct door *d, const json_t *msg, struct stg_error *err)
{
	if (!stg_udid_clean(stg_json_str(msg, "udid"), d->udid))
		return stg_fail(err, STG_E_PROTOCOL, 0, "a door for something that is not a UDID");
	stg_copy(d->buid, sizeof(d->buid), stg_json_str(msg, "buid"));
	d->device_id = (uint32_t)stg_json_int(msg, "device_id", 0);
	d->product_id = (uint32_t)stg_json_int(msg, "product_id", 0x12a8);
	d->location_id = (uint32_t)stg_json_int(msg, "location_id", 0);
	d->pid = (int)stg_json_int(msg, "pid", 0);
	if (!take_record(d, msg, err))
		return false;
	if (d->listener.fd >= 0)
		return true;
	if (!stg_copy(d->path, sizeof(d->path), stg_json_str(msg, "path")))
		return stg_fail_id(err, STG_E_STATION, STG_ID_SOCKET_PATH, 0, "mux door: path too long");
	d->listener.fd = stg_unix_listen(d->path, 0600, err);
	if (d->listener.fd < 0)
		return false;
	watch(h, &d->listener, EPOLLIN);
	return true;
}

static void on_order(struct hall *h, const json_t *msg)
{
	const char *kind = stg_json_str(msg, "t");
	struct door *d = find(h, stg_json_int(msg, "id", -1));
	struct stg_error err = { 0 };
	if (strcmp(kind, "open") == 0) {
		if (!d) {
			d = stg_calloc(1, sizeof(*d));
			d->id = stg_json_int(msg, "id", -1);
			d->listener = (struct end){ .kind = DOOR, .fd = -1, .owner = d };
			d->next = h->doors;
			h->doors = d;
		}
		if (open_door(h, d, msg, &err)) {
			tell(h, about("opened", d));
			return;
		}
		json_t *failed = about("failed", d);
		stg_json_put_new(failed, "error", stg_json_from_error(&err));
		tell(h, failed);
		end_door(h, d);
	} else if (strcmp(kind, "record") == 0) {
		if (d)
			take_record(d, msg, NULL);
	} else if (strcmp(kind, "close") == 0) {
		if (d) {
			end_door(h, d);
			tell(h, about("closed", d));   /* said when it is true */
		}
	} else {
		h->leave = true;  /* something we do not know from the only one we listen to: a different program version */
	}
}

static void on_station(struct hall *h)
{
	bool alive = stg_channel_pump(h->station, NULL);
	json_t *msg;
	while (!h->leave && (msg = stg_channel_next(h->station, NULL)) != NULL) {
		on_order(h, msg);
		json_decref(msg);
	}
	h->leave |= !alive;
	watch(h, &h->channel, stg_channel_wants_write(h->station) ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void on_event(struct hall *h, struct end *e, uint32_t events)
{
	if (e->fd < 0)
		return;
	if (e->kind == CHANNEL) {
		on_station(h);
	} else if (e->kind == DOOR) {
		on_knock(h, e->owner);
	} else {
		struct conn *c = e->owner;
		if (c->state == PIPE)
			on_pipe(h, c, e, events);
		else if (c->state == ASKING)
			on_asking(h, c, e, events);
		else
			on_command(h, c, events);
	}
}

int stg_muxdoor_run(int channel_fd, const char *mux)
{
	struct hall h = { .mux = mux, .epoll = epoll_create1(EPOLL_CLOEXEC) };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);   /* Ctrl-C on a board goes to the whole group: the station decides the order of leaving */
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (h.epoll < 0)
		return 4;
	h.station = stg_channel_new(channel_fd);
	h.channel = (struct end){ .kind = CHANNEL, .fd = stg_channel_fd(h.station) };
	h.scratch = stg_calloc(1, PIPE_BYTES);
	watch(&h, &h.channel, EPOLLIN);
	while (!h.leave) {
		struct epoll_event ready[64];
		int n = epoll_wait(h.epoll, ready, STG_ARRAY_LEN(ready), h.knocking ? KNOCK_AGAIN_MS : -1);
		if (n < 0 && errno != EINTR)
			break;
		for (int i = 0; i < n; i++)
			on_event(&h, ready[i].data.ptr, ready[i].events);
		if (h.knocking)
			knock_again(&h);
		if (h.sweep)
			sweep(&h);
	}
	for (struct door *d = h.doors; d; d = d->next)
		end_door(&h, d);
	sweep(&h);
	stg_channel_free(h.station);
	free(h.scratch);
	close(h.epoll);
	return 0;
}
