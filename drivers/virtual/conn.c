/*
 * conn.c - connections to lockdown and to services: framing, TLS, time, and the ports StartService opens.
 *
 * For:    services, which see whole messages and answer them (service.h).
 * Uses:   stream.h, tls.h, libplist behind <stager/plistscan.h>.
 * Called: by mux.c (Connect), lockdownd.c (StartService, TLS), device.c (the plug), services.
 * Thread: the bench's only one.
 * Facts:  u32 big endian length and XML or binary plist; lockdown answers header and body in one write, as clients
 *         need it (libimobiledevice 1.3.0 takes a partial length for a whole one).
 */
#include "conn.h"

#include <stdlib.h>
#include <string.h>

#include <stager/error.h>
#include <stager/plistscan.h>

#include "hostile.h"
#include "tls.h"

#define FIRST_PORT 49152
#define LISTENER_LIFE_MS 60000

/* A profile or an app's icon may be large, a file comes over AFC. */
static const struct stg_plist_limits from_host = {
	.size_bytes = 32u << 20, .depth = 64, .nodes = 200000, .key_bytes = 4096, .string_bytes = 16u << 20,
	.data_bytes = 32u << 20,
};

const struct virt_service *virt_service_find(const char *name)
{
	for (size_t i = 0; virt_services[i]; i++)
		for (size_t j = 0; j < STG_ARRAY_LEN(virt_services[i]->names) && virt_services[i]->names[j]; j++)
			if (strcmp(virt_services[i]->names[j], name) == 0)
				return virt_services[i];
	return NULL;
}

struct virt_record *virt_record_ref(struct virt_record *r)
{
	if (r)
		r->refs++;
	return r;
}

void virt_record_unref(struct virt_record *r)
{
	if (!r || --r->refs > 0)
		return;
	X509_free(r->device_cert);
	stg_buf_clear(&r->root_der);
	stg_buf_clear(&r->host_der);
	free(r);
}

/* ---- ports ---- */

void virt_listener_free(struct virt_listener *l)
{
	struct virt_listener **at = &l->device->listeners;

	while (*at && *at != l)
		at = &(*at)->next;
	if (*at)
		*at = l->next;
	virt_timer_clear(l->device->bench->loop, &l->expiry);
	virt_record_unref(l->record);
	free(l);
}

static void expire(struct virt_timer *t)
{
	virt_listener_free(VIRT_OWNER(t, struct virt_listener, expiry));
}

static struct virt_listener *listener_at(const struct virt_device *d, uint16_t port)
{
	struct virt_listener *l = d->listeners;

	while (l && l->port != port)
		l = l->next;
	return l;
}

uint16_t virt_listener_add(struct virt_device *d, const struct virt_service *service, const char *name,
			   struct virt_record *record)
{
	struct virt_listener *l;
	uint16_t port = d->next_port < FIRST_PORT ? FIRST_PORT : d->next_port;

	for (unsigned int tries = 0; listener_at(d, port) || port == VIRT_LOCKDOWN_PORT; tries++) {
		if (tries > 16000)
			return 0;
		port = port == UINT16_MAX ? FIRST_PORT : (uint16_t)(port + 1);
	}
	d->next_port = port == UINT16_MAX ? FIRST_PORT : (uint16_t)(port + 1);
	l = stg_calloc(1, sizeof(*l));
	l->device = d;
	l->port = port;
	l->service = service;
	stg_copy(l->name, sizeof(l->name), name);
	l->record = virt_record_ref(record);
	l->next = d->listeners;
	d->listeners = l;
	virt_timer_set(d->bench->loop, &l->expiry, LISTENER_LIFE_MS, expire);
	return port;
}

bool virt_conn_possible(const struct virt_device *d, uint16_t port)
{
	return d->usb_mode == VIRT_USB_NORMAL && (port == VIRT_LOCKDOWN_PORT || listener_at(d, port));
}

/* ---- the connection ---- */

static void unlink_conn(struct virt_conn *c)
{
	if (!c->device)
		return;
	if (c->prev)
		c->prev->next = c->next;
	else
		c->device->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->prev = c->next = NULL;
}

/* Tells the service once, while its device pointer is still good. */
static void tell_closed(struct virt_conn *c)
{
	if (c->was_opened && c->service->closed)
		c->service->closed(c);
	c->was_opened = false;
	virt_timer_clear(c->bench->loop, &c->after);
	c->then = NULL;
	stg_buf_clear(&c->rest);
	plist_free(c->merge);
	c->merge = NULL;
	if (c->delayed) {
		plist_free(c->delayed);
		c->delayed = NULL;
	}
}

static void on_closed(struct virt_stream *s)
{
	struct virt_conn *c = VIRT_OWNER(s, struct virt_conn, stream);

	if (c->device)
		tell_closed(c);
	unlink_conn(c);
	c->bench->open_conns--;
	virt_record_unref(c->record);
	free(c->state);
	free(c);
}

void virt_conn_cut_all(struct virt_device *d)
{
	while (d->conns) {
		struct virt_conn *c = d->conns;

		tell_closed(c);
		unlink_conn(c);
		c->device = NULL;
		virt_stream_drop(&c->stream);
	}
	while (d->listeners)
		virt_listener_free(d->listeners);
}

static const char *request_name(plist_t msg)
{
	static const char *const keys[] = { "Request", "RequestType", "Command", "MessageType", "command", "CommandKey" };
	plist_t node = NULL;

	if (plist_get_node_type(msg) == PLIST_ARRAY)
		node = plist_array_get_size(msg) > 0 ? plist_array_get_item(msg, 0) : NULL;
	for (size_t i = 0; !node && i < STG_ARRAY_LEN(keys) && plist_get_node_type(msg) == PLIST_DICT; i++)
		node = plist_dict_get_item(msg, keys[i]);
	if (!node || plist_get_node_type(node) != PLIST_STRING)
		return "?";
	return plist_get_string_ptr(node, NULL);
}

void virt_conn_message(struct virt_conn *c, plist_t msg)
{
	c->service->message(c, msg);
}

static size_t take_plist(struct virt_conn *c, struct stg_bytes in)
{
	struct stg_error err = { 0 };
	enum stg_plist_form form;
	const char *request;
	plist_t msg = NULL;
	size_t len;

	if (in.len < 4)
		return 0;
	len = (size_t)in.data[0] << 24 | (size_t)in.data[1] << 16 | (size_t)in.data[2] << 8 | in.data[3];
	if (len > from_host.size_bytes || len == 0) {
		virt_stream_drop(&c->stream);
		return 0;
	}
	if (in.len < 4 + len)
		return 0;
	if (stg_plist_scan(stg_bytes(in.data + 4, len), &from_host, &form, &err)) {
		if (form == STG_PLIST_BINARY)
			plist_from_bin((const char *)in.data + 4, (uint32_t)len, &msg);
		else
			plist_from_xml((const char *)in.data + 4, (uint32_t)len, &msg);
	}
	if (!msg) {
		virt_bench_count(c->bench, "bad messages");
		virt_stream_drop(&c->stream);
		return 0;
	}
	c->answers_binary = form == STG_PLIST_BINARY;
	request = request_name(msg);
	virt_device_note(c->device, c->name, request);
	if (c->device->faults)
		virt_hostile_bend(c, request);
	if (!c->device->faults || (!virt_hostile_reply(c, request, in) && virt_fault_message(c, request, msg) == VIRT_FATE_GO_ON))
		virt_conn_message(c, msg);
	plist_free(msg);
	return 4 + len;
}

static void go_on(struct virt_timer *t)
{
	struct virt_conn *c = VIRT_OWNER(t, struct virt_conn, after);
	void (*then)(struct virt_conn *, void *) = c->then;

	c->then = NULL;
	virt_stream_pause(&c->stream, false);
	if (then)
		then(c, c->then_arg);
}

static size_t on_bytes(struct virt_stream *s, struct stg_bytes in)
{
	struct virt_conn *c = VIRT_OWNER(s, struct virt_conn, stream);
	const struct virt_fault *slow;

	if (!c->device)
		return 0;
	virt_device_touched(c->device, 0);
	if (c->service->framing == VIRT_PLIST)
		return take_plist(c, in);
	if (c->device->faults && virt_hostile_reply(c, "", in))
		return in.len;
	slow = c->device->faults ? virt_fault_take(c->device, c->name, "", "slow") : NULL;
	if (slow) {
		virt_stream_pause(s, true);
		virt_timer_set(c->bench->loop, &c->after, stg_json_int(slow->args, "ms", 100), go_on);
	}
	return c->service->bytes(c, in);
}

static void opened(struct virt_conn *c)
{
	c->was_opened = true;
	if (c->device && c->service->opened)
		c->service->opened(c);
}

static void on_secured(struct virt_stream *s)
{
	struct virt_conn *c = VIRT_OWNER(s, struct virt_conn, stream);

	virt_bench_count(c->bench, SSL_session_reused(s->ssl) ? "tls resumed" : "tls handshakes");
	if (c->device)
		virt_device_touched(c->device, 0);
	if (!c->was_opened)
		opened(c);
}

static const struct virt_stream_ops stream_ops = { .bytes = on_bytes, .secured = on_secured, .closed = on_closed };

bool virt_conn_secure(struct virt_conn *c, struct virt_record *record)
{
	SSL *ssl;

	if (virt_fault_take(c->device, c->name, "", "tls_hang")) {
		c->stream.mute = true;
		return true;
	}
	if (virt_fault_take(c->device, c->name, "", "tls_refuse")) {
		virt_stream_send(&c->stream, stg_bytes("\x15\x03\x01\x00\x02\x02\x28", 7));   /* alert: handshake_failure */
		virt_stream_finish(&c->stream);
		return true;
	}
	if (virt_hostile_handshake(c))
		return true;
	ssl = virt_hostile_tls(c, record);
	if (!ssl)
		ssl = virt_tls_new(c->bench, c->device, record);
	if (!ssl)
		return false;
	if (c->record != record) {
		virt_record_unref(c->record);
		c->record = virt_record_ref(record);
	}
	virt_stream_secure(&c->stream, ssl);
	return true;
}

void virt_conn_plain(struct virt_conn *c)
{
	virt_stream_plain(&c->stream);
}

void virt_conn_open(struct virt_device *d, uint16_t port, struct virt_stream *from)
{
	struct virt_listener *l = port == VIRT_LOCKDOWN_PORT ? NULL : listener_at(d, port);
	struct virt_conn *c = stg_calloc(1, sizeof(*c));
	struct virt_record *record = l ? virt_record_ref(l->record) : NULL;
	const struct virt_fault *f;

	c->bench = d->bench;
	c->rest = STG_BUF(64u << 20);
	c->device = d;
	c->service = l ? l->service : &virt_lockdownd;
	stg_copy(c->name, sizeof(c->name), l ? l->name : "lockdownd");
	c->state = c->service->state_size ? stg_calloc(1, c->service->state_size) : NULL;
	c->next = d->conns;
	if (d->conns)
		d->conns->prev = c;
	d->conns = c;
	if (l)
		virt_listener_free(l);
	if (++c->bench->open_conns > c->bench->most_conns)
		c->bench->most_conns = c->bench->open_conns;
	virt_bench_count(c->bench, "connections");
	virt_device_touched(d, 0);
	virt_stream_adopt(&c->stream, from, &stream_ops);

	if (virt_fault_take(d, c->name, "", "mute_connect"))
		c->stream.mute = true;
	f = virt_fault_take(d, c->name, "", "drop_bytes");
	if (f)
		/* The mux's own answer to Connect may still be on its way: it does not count. */
		c->stream.cut_after_bytes = stg_json_int(f->args, "bytes", 100) +
					    (int64_t)(c->stream.out.len - c->stream.out_sent);
	if (!record)
		opened(c);
	else if (virt_fault_take(d, c->name, "", "plaintext"))
		opened(c);
	else if (!virt_conn_secure(c, record))
		virt_stream_drop(&c->stream);
	virt_record_unref(record);
}

/* ---- what services call ---- */

void *virt_state(struct virt_conn *c)
{
	return c->state;
}

struct virt_device *virt_conn_device(struct virt_conn *c)
{
	return c->device;
}

struct virt_bench *virt_conn_bench(struct virt_conn *c)
{
	return c->bench;
}

const char *virt_conn_service(struct virt_conn *c)
{
	return c->name;
}

void virt_send(struct virt_conn *c, struct stg_bytes what)
{
	virt_stream_send(&c->stream, what);
}

void virt_close(struct virt_conn *c)
{
	virt_stream_finish(&c->stream);
}

void virt_after(struct virt_conn *c, int64_t real_ms, void (*then)(struct virt_conn *, void *), void *arg)
{
	c->then = then;
	c->then_arg = arg;
	virt_stream_pause(&c->stream, true);
	int64_t ms = c->device ? virt_device_paced_ms(c->device, real_ms) : virt_loop_paced_ms(c->bench->loop, real_ms);

	if (c->device)
		virt_device_touched(c->device, ms);
	virt_timer_set(c->bench->loop, &c->after, ms, go_on);
}

/* 200 bytes that a careless reader unfolds into 10^9 nodes: each array holds the one before ten times. */
static void add_bomb(struct stg_buf *out)
{
	uint8_t offsets[12];
	uint8_t trailer[32] = { [6] = 1, [7] = 1, [15] = 11, [23] = 10 };
	size_t start = out->len;

	stg_buf_add(out, "bplist00", 8, NULL);
	offsets[0] = 8;
	stg_buf_add(out, "\x51" "A", 2, NULL);
	for (uint8_t level = 1; level <= 10; level++) {
		uint8_t refs[11] = { 0xaa };

		memset(refs + 1, level - 1, 10);
		offsets[level] = (uint8_t)(out->len - start);
		stg_buf_add(out, refs, sizeof(refs), NULL);
	}
	trailer[31] = (uint8_t)(out->len - start);
	stg_buf_add(out, offsets, 11, NULL);
	stg_buf_add(out, trailer, sizeof(trailer), NULL);
}

static void send_rest(struct virt_timer *t)
{
	struct virt_conn *c = VIRT_OWNER(t, struct virt_conn, after);

	virt_stream_pause(&c->stream, false);
	virt_stream_send(&c->stream, stg_buf_view(&c->rest));
	stg_buf_clear(&c->rest);
}

static void spoil_plist(struct virt_conn *c, plist_t answer)
{
	switch (c->answer_fault) {
	case VIRT_ANSWER_WRONG_REQUEST:
		plist_dict_set_item(answer, "Request", plist_new_string("SomethingElse"));
		break;
	case VIRT_ANSWER_NO_STATUS:
		plist_dict_remove_item(answer, "Status");
		plist_dict_remove_item(answer, "Request");
		break;
	case VIRT_ANSWER_BIG: {
		size_t len = c->answer_number > 0 ? (size_t)c->answer_number : 8u << 20;
		char *fill = stg_calloc(1, len + 1);

		memset(fill, 'A', len);
		plist_dict_set_item(answer, "Padding", plist_new_string(fill));
		free(fill);
		break;
	}
	default:
		break;
	}
}

static void unplug_now(struct virt_timer *t)
{
	struct virt_conn *c = VIRT_OWNER(t, struct virt_conn, after);
	struct virt_device *d = c->device;
	int64_t back_ms = c->answer_number;

	if (!d)
		return;
	if (back_ms >= 0)
		virt_device_replug(d, back_ms, NULL);
	else
		virt_device_unplug(d);
}

void virt_send_plist(struct virt_conn *c, plist_t answer)
{
	STG_AUTO(stg_buf_clear) struct stg_buf frame = STG_BUF(64u << 20);
	enum virt_answer_fault fault = c->answer_fault;
	char *text = NULL;
	uint32_t len = 0;
	uint8_t head[4];

	if (!c->device) {
		plist_free(answer);
		return;
	}
	if (c->merge)
		virt_hostile_merge(c, answer);
	if (fault != VIRT_ANSWER_AS_IT_IS && plist_get_node_type(answer) == PLIST_DICT)
		spoil_plist(c, answer);
	if (c->answers_binary)
		plist_to_bin(answer, &text, &len);
	else
		plist_to_xml(answer, &text, &len);
	plist_free(answer);
	stg_buf_add(&frame, "\0\0\0\0", 4, NULL);
	if (fault == VIRT_ANSWER_GARBAGE)
		virt_random_fill(&c->bench->random, text, len);
	if (fault == VIRT_ANSWER_BOMB)
		add_bomb(&frame);
	else
		stg_buf_add(&frame, text, len, NULL);
	free(text);
	len = (uint32_t)(frame.len - 4);
	head[0] = (uint8_t)(len >> 24);
	head[1] = (uint8_t)(len >> 16);
	head[2] = (uint8_t)(len >> 8);
	head[3] = (uint8_t)len;
	memcpy(frame.data, head, 4);

	c->answer_fault = VIRT_ANSWER_AS_IT_IS;
	switch (fault) {
	case VIRT_ANSWER_DROP:
		virt_stream_drop(&c->stream);
		return;
	case VIRT_ANSWER_UNPLUG:
		virt_timer_set(c->bench->loop, &c->after, 0, unplug_now);
		return;
	case VIRT_ANSWER_TRUNCATE:
		virt_stream_send(&c->stream, stg_bytes(frame.data, frame.len / 2));
		virt_stream_finish(&c->stream);
		return;
	case VIRT_ANSWER_SPLIT:
		stg_buf_add(&c->rest, frame.data + 2, frame.len - 2, NULL);
		virt_stream_send(&c->stream, stg_bytes(frame.data, 2));
		virt_stream_pause(&c->stream, true);
		virt_timer_set(c->bench->loop, &c->after, 50, send_rest);
		return;
	default:
		virt_stream_send(&c->stream, stg_buf_view(&frame));
	}
	if (c->drop_after_answer)
		virt_stream_finish(&c->stream);
}

void virt_notify(struct virt_device *d, const char *name)
{
	struct virt_conn *next;

	for (struct virt_conn *c = d->conns; c; c = next) {
		next = c->next;
		if (c->was_opened && c->service->event)
			c->service->event(c, name);
	}
}

bool virt_fault(struct virt_device *d, const char *request, const char *kind, json_t **ret_args)
{
	const struct virt_fault *f = d->faults ? virt_fault_take(d, "", request, kind) : NULL;

	if (f && ret_args)
		*ret_args = f->args;
	return f != NULL;
}
