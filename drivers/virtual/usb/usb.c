/*
 * usb.c - the device's side of Apple's mux protocol over two bulk endpoints, and its control endpoint.
 *
 * For:    the carriers: the real usbmuxd takes what is behind them for a phone.
 * Uses:   conn.h (lockdown and services), stream.h.
 * Called: by vhci.c.
 * Thread: the bench's only one.
 */
#include "usb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stager/error.h>

#include "../conn.h"
#include "../stream.h"

#define PACKET_MAX 65536u          /* of either side */
#define HEAD_FIRST 8u              /* VERSION, whatever the version */
#define HEAD 16u
#define TCP_HEAD 20u
#define MAGIC 0xfeedfaceu
#define PIECE_MAX 8000u            /* of data in one packet to the host: below one of its 16,384-byte transfers */
#define WINDOW 131072u             /* what a host may have on the way to us */
#define FLOWS_MAX 512

enum { PROTO_VERSION = 0, PROTO_CONTROL = 1, PROTO_SETUP = 2, PROTO_TCP = 6 };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

/* One packet that waits for the host to ask. */
struct packet {
	struct packet *next;
	size_t len, sent;
	uint8_t bytes[];
};

/* One connection inside the mux; the far end of its socket pair is lockdown's or a service's. */
struct flow {
	struct virt_stream stream;
	struct virt_usb *usb;
	struct flow *next;
	uint16_t host_port, port;
	uint32_t seq, ack;                 /* ours next; the host's next */
	uint32_t host_ack, host_window;
	bool closed_by_host;
};

struct virt_usb {
	struct virt_device *device;
	void (*ready)(void *ctx);
	void *ctx;
	unsigned int configuration;
	bool is_up;                        /* VERSION was answered */
	uint16_t tx_seq, rx_seq;
	struct stg_buf in;                 /* a packet that is not whole yet */
	struct packet *out, **out_end;
	struct flow *flows;
	unsigned int n_flows;
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

/* ---- to the host ---- */

static uint8_t *packet(struct virt_usb *u, uint32_t protocol, size_t head, size_t len)
{
	struct packet *p = stg_calloc(1, sizeof(*p) + head + len);

	p->len = head + len;
	put32(p->bytes, protocol);
	put32(p->bytes + 4, (uint32_t)p->len);
	if (head == HEAD) {
		put32(p->bytes + 8, MAGIC);
		put16(p->bytes + 12, u->tx_seq++);
		put16(p->bytes + 14, u->rx_seq);
	}
	*u->out_end = p;
	u->out_end = &p->next;
	return p->bytes + head;
}

static void send_tcp(struct virt_usb *u, uint16_t port, uint16_t host_port, uint32_t seq, uint32_t ack, uint8_t flags,
		     struct stg_bytes data)
{
	uint8_t *t = packet(u, PROTO_TCP, HEAD, TCP_HEAD + data.len);

	put16(t, port);
	put16(t + 2, host_port);
	put32(t + 4, seq);
	put32(t + 8, ack);
	t[12] = 5 << 4;
	t[13] = flags;
	put16(t + 14, WINDOW >> 8);
	if (data.len)
		memcpy(t + TCP_HEAD, data.data, data.len);
}

static void send_flow(struct flow *f, uint8_t flags, struct stg_bytes data)
{
	send_tcp(f->usb, f->port, f->host_port, f->seq, f->ack, flags, data);
	f->seq += (uint32_t)data.len;
}

/* ---- connections ---- */

static void unlink_flow(struct flow *f)
{
	struct flow **at = &f->usb->flows;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	f->usb->n_flows--;
}

static size_t from_service(struct virt_stream *s, struct stg_bytes in)
{
	struct flow *f = VIRT_OWNER(s, struct flow, stream);
	uint32_t on_the_way = f->seq - f->host_ack;
	uint32_t room = on_the_way < f->host_window ? f->host_window - on_the_way : 0;
	size_t n = in.len < room ? in.len : room;

	if (f->closed_by_host)
		return in.len;
	if (n > PIECE_MAX)
		n = PIECE_MAX;
	if (n == 0) {
		virt_stream_pause(s, true);    /* until the host has acknowledged something */
		return 0;
	}
	send_flow(f, ACK, stg_bytes(in.data, n));
	f->usb->ready(f->usb->ctx);
	return n;
}

static void service_closed(struct virt_stream *s)
{
	struct flow *f = VIRT_OWNER(s, struct flow, stream);
	struct virt_usb *u = f->usb;

	if (!f->closed_by_host)
		send_flow(f, RST, stg_bytes(NULL, 0));
	unlink_flow(f);
	free(f);
	u->ready(u->ctx);
}

static const struct virt_stream_ops flow_ops = { .bytes = from_service, .closed = service_closed };

/* The far end before it is handed over: nothing comes in between. */
static size_t no_bytes(struct virt_stream *s, struct stg_bytes in)
{
	(void)s, (void)in;
	return 0;
}

static void no_owner(struct virt_stream *s)
{
	(void)s;
}

static const struct virt_stream_ops handed_over = { .bytes = no_bytes, .closed = no_owner };

static void refuse(struct virt_usb *u, uint16_t host_port, uint16_t port, uint32_t seq)
{
	static const char why[] = "connection refused";

	send_tcp(u, port, host_port, 0, seq + 1, RST, stg_bytes(why, sizeof(why) - 1));
}

static void open_flow(struct virt_usb *u, uint16_t host_port, uint16_t port, uint32_t seq, uint32_t window)
{
	struct virt_device *d = u->device;
	struct virt_stream far = { 0 };
	struct flow *f;
	int pair[2];

	if (u->n_flows >= FLOWS_MAX || !virt_conn_possible(d, port) || virt_fault_take(d, "", "Connect", "connect_refused") ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
		refuse(u, host_port, port, seq);
		return;
	}
	f = stg_calloc(1, sizeof(*f));
	f->usb = u;
	f->host_port = host_port;
	f->port = port;
	f->ack = seq + 1;
	f->host_window = window;
	f->next = u->flows;
	u->flows = f;
	u->n_flows++;
	send_flow(f, SYN | ACK, stg_bytes(NULL, 0));
	f->seq = f->host_ack = 1;
	virt_stream_open(&f->stream, d->bench->loop, pair[0], &flow_ops);
	virt_stream_open(&far, d->bench->loop, pair[1], &handed_over);
	virt_conn_open(d, port, &far);
}

static void on_tcp(struct virt_usb *u, struct stg_bytes in)
{
	uint16_t host_port, port;
	uint32_t window, offset;
	uint8_t flags;
	struct flow *f = u->flows;

	if (in.len < TCP_HEAD)
		return;
	host_port = get16(in.data);
	port = get16(in.data + 2);
	flags = in.data[13];
	window = (uint32_t)get16(in.data + 14) << 8;
	offset = (uint32_t)(in.data[12] >> 4) * 4;
	while (f && (f->host_port != host_port || f->port != port || f->closed_by_host))
		f = f->next;
	if (flags & SYN && !f) {
		open_flow(u, host_port, port, get32(in.data + 4), window);
		return;
	}
	if (!f) {
		if (!(flags & RST))
			send_tcp(u, port, host_port, get32(in.data + 8), get32(in.data + 4), RST, stg_bytes(NULL, 0));
		return;
	}
	if (flags & (RST | FIN)) {
		f->closed_by_host = true;
		virt_stream_pause(&f->stream, false);
		virt_stream_finish(&f->stream);   /* what it had sent before still arrives */
		return;
	}
	f->host_ack = get32(in.data + 8);
	f->host_window = window;
	virt_stream_pause(&f->stream, false);
	if (offset < TCP_HEAD || offset >= in.len)
		return;
	f->ack += (uint32_t)(in.len - offset);
	virt_stream_send(&f->stream, stg_bytes(in.data + offset, in.len - offset));
	send_flow(f, ACK, stg_bytes(NULL, 0));
}

static void on_packet(struct virt_usb *u, struct stg_bytes in)
{
	uint32_t protocol = get32(in.data);
	uint8_t *answer;

	if (protocol == PROTO_VERSION && in.len >= HEAD_FIRST + 12) {
		u->tx_seq = 0;
		u->rx_seq = 0xffff;
		u->is_up = true;
		answer = packet(u, PROTO_VERSION, HEAD_FIRST, 12);
		put32(answer, 2);
		virt_bench_count(u->device->bench, "usb version");
		return;
	}
	if (!u->is_up || in.len < HEAD)
		return;
	u->rx_seq = get16(in.data + 12);
	if (protocol == PROTO_TCP)
		on_tcp(u, stg_bytes(in.data + HEAD, in.len - HEAD));
}

bool virt_usb_out(struct virt_usb *u, unsigned int endpoint, struct stg_bytes bytes)
{
	if (endpoint != VIRT_USB_MUX_OUT)
		return false;
	if (!stg_buf_add(&u->in, bytes.data, bytes.len, NULL)) {
		stg_buf_reset(&u->in);
		return true;
	}
	while (u->in.len >= HEAD_FIRST) {
		uint32_t len = get32(u->in.data + 4);

		if (len < HEAD_FIRST || len > PACKET_MAX) {
			stg_buf_reset(&u->in);     /* a real device drops it too and waits for the next transfer */
			break;
		}
		if (u->in.len < len)
			break;
		on_packet(u, stg_bytes(u->in.data, len));
		memmove(u->in.data, u->in.data + len, u->in.len - len);
		u->in.len -= len;
	}
	u->ready(u->ctx);
	return true;
}

int virt_usb_in(struct virt_usb *u, unsigned int endpoint, uint8_t *in, size_t size)
{
	struct packet *p = u->out;
	size_t n;

	if (endpoint != VIRT_USB_MUX_IN || !p)
		return -1;
	n = p->len - p->sent < size ? p->len - p->sent : size;
	memcpy(in, p->bytes + p->sent, n);
	p->sent += n;
	if (p->sent == p->len) {
		u->out = p->next;
		if (!u->out)
			u->out_end = &u->out;
		free(p);
	}
	return (int)n;
}

/* ---- the control endpoint ---- */

enum { GET_STATUS = 0, CLEAR_FEATURE = 1, SET_FEATURE = 3, GET_DESCRIPTOR = 6, GET_CONFIGURATION = 8, SET_CONFIGURATION = 9,
       GET_INTERFACE = 10, SET_INTERFACE = 11, APPLE_CHARGE = 0x40, APPLE_GET_MODE = 0x45 };

static int reply(uint8_t *in, size_t size, struct stg_bytes what)
{
	size_t n = what.len < size ? what.len : size;

	memcpy(in, what.data, n);
	return (int)n;
}

int virt_usb_control(struct virt_usb *u, const uint8_t setup[8], struct stg_bytes out, uint8_t *in, size_t size)
{
	static const uint8_t zero[2], mode[4] = { 3, 3, 3, 0 };
	uint16_t value = (uint16_t)(setup[2] | setup[3] << 8);
	uint8_t now = (uint8_t)u->configuration;
	bool is_in = setup[0] & 0x80;

	(void)out;
	if ((setup[0] & 0x60) == 0x40) {            /* vendor */
		if (setup[1] == APPLE_GET_MODE && is_in)
			return reply(in, size, stg_bytes(mode, sizeof(mode)));
		return setup[1] == APPLE_CHARGE && !is_in ? 0 : -1;
	}
	if (setup[0] & 0x60)
		return -1;
	switch (setup[1]) {
	case GET_STATUS:
		return reply(in, size, stg_bytes(zero, 2));
	case GET_DESCRIPTOR:
		/* one that is to be lost: usbmuxd asks for the serial with room for 1,032 bytes, the kernel for 255, and asks once */
		if (u->device->lost && value == VIRT_USB_SERIAL && (setup[6] | setup[7] << 8) > 1000) {
			u->device->lost -= u->device->lost > 0;
			return -1;
		}
		return is_in ? virt_usb_descriptor(u->device, value, in, size) : -1;
	case GET_CONFIGURATION:
		return reply(in, size, stg_bytes(&now, 1));
	case SET_CONFIGURATION:
		if (value > virt_usb_configurations(u->device))
			return -1;
		u->configuration = value;
		u->is_up = false;
		return 0;
	case GET_INTERFACE:
		return reply(in, size, stg_bytes(zero, 1));
	case SET_INTERFACE:
	case CLEAR_FEATURE:
	case SET_FEATURE:
		return 0;
	default:
		return -1;
	}
}

/* ---- plugged in, pulled out ---- */

struct virt_usb *virt_usb_new(struct virt_device *d, void (*ready)(void *ctx), void *ctx)
{
	struct virt_usb *u = stg_calloc(1, sizeof(*u));

	u->device = d;
	u->ready = ready;
	u->ctx = ctx;
	u->in = STG_BUF(2 * PACKET_MAX);
	u->out_end = &u->out;
	return u;
}

void virt_usb_free(struct virt_usb *u)
{
	if (!u)
		return;
	while (u->flows) {
		struct flow *f = u->flows;

		unlink_flow(f);
		virt_stream_cut(&f->stream);
		free(f);
	}
	while (u->out) {
		struct packet *p = u->out;

		u->out = p->next;
		free(p);
	}
	stg_buf_clear(&u->in);
	free(u);
}
