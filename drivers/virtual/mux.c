/*
 * mux.c - a server of the usbmuxd protocol on a Unix socket and on loopback TCP.
 *
 * For:    every program that speaks to an iPhone through usbmuxd.
 * Uses:   stream.h, conn.h, libplist behind <stager/plistscan.h>.
 * Called: by main.c (start, stop), device.c (attach, detach), control.c (restart).
 * Thread: the bench's only one.
 * Facts:  16-byte little endian header, version 1, message 8, XML plist; the port number is in network order; a missing
 *         pair record is Result 2, never an empty dict (libimobiledevice 1.3.0 dies of that); clients connect
 *         non-blocking, so the backlog must be long. Seen with libusbmuxd 2.0.2, go-ios 1.2.0, pymobiledevice3.
 */
#include "mux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <stager/error.h>
#include <stager/plistscan.h>

#include "conn.h"
#include "hostile.h"

#define BACKLOG 1024
#define MESSAGE_MAX 65536u
#define CONNECT_REAL_MS 5

enum { RESULT_OK = 0, RESULT_BAD_COMMAND = 1, RESULT_BAD_DEVICE = 2, RESULT_REFUSED = 3, RESULT_BAD_VERSION = 6, RESULT_EINVAL = 22 };

struct door {
	struct virt_watch watch;
	struct virt_mux *mux;
	int fd;
	bool is_tcp;
};

struct pair_file {
	struct pair_file *next;
	char *id;
	struct stg_buf bytes;
};

struct client {
	struct virt_stream stream;
	struct virt_mux *mux;
	struct client *prev, *next;
	bool is_listening, is_connecting;
	char prog_name[64], bundle_id[64], version[64];
	uint32_t connect_id, connect_tag;
	uint16_t connect_port;
	struct virt_timer connect;
};

struct virt_mux {
	struct virt_bench *bench;
	struct door unix_door, tcp_door;
	char tcp_address[64];
	uint16_t tcp_port;
	struct client *clients;
	struct pair_file *pair_files;
	struct stg_buf list;         /* the answer to ListDevices, until something changes */
	struct virt_timer back;
};

static const struct stg_plist_limits limits = {
	.size_bytes = MESSAGE_MAX, .depth = 16, .nodes = 2000, .key_bytes = 1024, .string_bytes = MESSAGE_MAX,
	.data_bytes = MESSAGE_MAX,
};

/* ---- answers ---- */

static void put_u32(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)v;
	at[1] = (uint8_t)(v >> 8);
	at[2] = (uint8_t)(v >> 16);
	at[3] = (uint8_t)(v >> 24);
}

static uint32_t get_u32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void send_body(struct client *c, uint32_t tag, struct stg_bytes body)
{
	uint8_t head[16];

	put_u32(head, (uint32_t)(16 + body.len));
	put_u32(head + 4, 1);
	put_u32(head + 8, 8);
	put_u32(head + 12, tag);
	virt_stream_send(&c->stream, stg_bytes(head, sizeof(head)));
	virt_stream_send(&c->stream, body);
}

static void send_plist(struct client *c, uint32_t tag, plist_t answer)
{
	char *xml = NULL;
	uint32_t len = 0;

	plist_to_xml(answer, &xml, &len);
	plist_free(answer);
	send_body(c, tag, stg_bytes(xml, len));
	free(xml);
}

static void send_result(struct client *c, uint32_t tag, uint64_t number)
{
	plist_t p = plist_new_dict();

	plist_dict_set_item(p, "MessageType", plist_new_string("Result"));
	plist_dict_set_item(p, "Number", plist_new_uint(number));
	send_plist(c, tag, p);
}

static const char XML_HEAD[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
	"\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n";

/* By hand: a list of 1,000 devices is asked for by every little tool. All texts are ours and need no escapes. */
static void add_attached(struct stg_buf *b, const struct virt_device *d)
{
	char raw[48];
	const char *serial = d->udid;

	if (d->serial_raw24 && strlen(d->udid) == 25) {
		snprintf(raw, sizeof(raw), "%.8s%s", d->udid, d->udid + 9);
		serial = raw;
	}
	stg_buf_printf(b, NULL,
		       "<dict><key>MessageType</key><string>Attached</string><key>DeviceID</key><integer>%u</integer>"
		       "<key>Properties</key><dict><key>ConnectionSpeed</key><integer>480000000</integer>"
		       "<key>ConnectionType</key><string>USB</string><key>DeviceID</key><integer>%u</integer>"
		       "<key>LocationID</key><integer>%u</integer><key>ProductID</key><integer>%u</integer>"
		       "<key>SerialNumber</key><string>%s</string></dict></dict>\n",
		       d->device_id, d->device_id, d->location_id, d->model->is_ipad ? 0x12abu : 0x12a8u, serial);
}

static struct stg_bytes device_list(struct virt_mux *m)
{
	if (m->list.len == 0) {
		stg_buf_add_str(&m->list, XML_HEAD, NULL);
		stg_buf_add_str(&m->list, "<dict><key>DeviceList</key><array>\n", NULL);
		for (size_t i = 0; i < m->bench->n_devices; i++)
			if (m->bench->devices[i]->device_id)
				add_attached(&m->list, m->bench->devices[i]);
		stg_buf_add_str(&m->list, "</array></dict>\n</plist>\n", NULL);
	}
	return stg_buf_view(&m->list);
}

static void send_attached(struct client *c, const struct virt_device *d)
{
	STG_AUTO(stg_buf_clear) struct stg_buf body = STG_BUF(4096);

	stg_buf_add_str(&body, XML_HEAD, NULL);
	add_attached(&body, d);
	stg_buf_add_str(&body, "</plist>\n", NULL);
	send_body(c, 0, stg_buf_view(&body));
}

static void send_event(struct virt_mux *m, const char *what, uint32_t device_id)
{
	for (struct client *c = m->clients; c; c = c->next) {
		plist_t p;

		if (!c->is_listening)
			continue;
		p = plist_new_dict();
		plist_dict_set_item(p, "MessageType", plist_new_string(what));
		plist_dict_set_item(p, "DeviceID", plist_new_uint(device_id));
		send_plist(c, 0, p);
	}
}

/* ---- requests ---- */

static const char *text_of(plist_t msg, const char *key)
{
	plist_t node = plist_dict_get_item(msg, key);

	return node && plist_get_node_type(node) == PLIST_STRING ? plist_get_string_ptr(node, NULL) : "";
}

static bool number_of(plist_t msg, const char *key, uint64_t *ret)
{
	plist_t node = plist_dict_get_item(msg, key);

	if (!node || plist_get_node_type(node) != PLIST_UINT)
		return false;
	plist_get_uint_val(node, ret);
	return true;
}

static struct virt_device *attached(struct virt_mux *m, uint64_t device_id)
{
	for (size_t i = 0; device_id && i < m->bench->n_devices; i++)
		if (m->bench->devices[i]->device_id == device_id)
			return m->bench->devices[i];
	return NULL;
}

static struct pair_file **pair_file_at(struct virt_mux *m, const char *id)
{
	struct pair_file **at = &m->pair_files;

	while (*at && strcmp((*at)->id, id) != 0)
		at = &(*at)->next;
	return at;
}

static void free_pair_file(struct pair_file **at)
{
	struct pair_file *f = *at;

	*at = f->next;
	free(f->id);
	stg_buf_clear(&f->bytes);
	free(f);
}

static uint64_t save_pair_record(struct virt_mux *m, plist_t msg)
{
	const char *id = text_of(msg, "PairRecordID");
	plist_t node = plist_dict_get_item(msg, "PairRecordData");
	struct pair_file **at;
	const char *data;
	uint64_t len = 0;
	uint64_t device_id = 0;

	if (!id[0] || !node || plist_get_node_type(node) != PLIST_DATA)
		return RESULT_EINVAL;
	data = plist_get_data_ptr(node, &len);
	at = pair_file_at(m, id);
	if (!*at) {
		*at = stg_calloc(1, sizeof(**at));
		(*at)->id = stg_strdup(id);
		(*at)->bytes = STG_BUF(MESSAGE_MAX);
	}
	stg_buf_reset(&(*at)->bytes);
	stg_buf_add(&(*at)->bytes, data, len, NULL);
	number_of(msg, "DeviceID", &device_id);
	for (size_t i = 0; !device_id && i < m->bench->n_devices; i++)
		if (strcmp(m->bench->devices[i]->udid, id) == 0)
			device_id = m->bench->devices[i]->device_id;
	if (attached(m, device_id))
		send_event(m, "Paired", (uint32_t)device_id);
	return RESULT_OK;
}

static void read_pair_record(struct client *c, uint32_t tag, plist_t msg)
{
	struct pair_file *f = *pair_file_at(c->mux, text_of(msg, "PairRecordID"));
	plist_t p;

	if (!f) {
		send_result(c, tag, RESULT_BAD_DEVICE);
		return;
	}
	p = plist_new_dict();
	plist_dict_set_item(p, "PairRecordData", plist_new_data((const char *)f->bytes.data, f->bytes.len));
	send_plist(c, tag, p);
}

static void list_listeners(struct client *c, uint32_t tag)
{
	plist_t p = plist_new_dict();
	plist_t list = plist_new_array();
	unsigned int n = 0;

	for (struct client *l = c->mux->clients; l; l = l->next) {
		char id[80];
		plist_t one;

		if (!l->is_listening)
			continue;
		one = plist_new_dict();
		snprintf(id, sizeof(id), "%u-%s", ++n, l->prog_name);
		plist_dict_set_item(one, "Blacklisted", plist_new_bool(0));
		plist_dict_set_item(one, "BundleID", plist_new_string(l->bundle_id));
		plist_dict_set_item(one, "ConnType", plist_new_uint(0));
		plist_dict_set_item(one, "ID String", plist_new_string(id));
		plist_dict_set_item(one, "ProgName", plist_new_string(l->prog_name));
		plist_dict_set_item(one, "kLibUSBMuxVersion", plist_new_uint(3));
		plist_array_append_item(list, one);
	}
	plist_dict_set_item(p, "ListenerList", list);
	send_plist(c, tag, p);
}

static void unlink_client(struct client *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		c->mux->clients = c->next;
	if (c->next)
		c->next->prev = c->prev;
	virt_timer_clear(c->mux->bench->loop, &c->connect);
}

/* The device had its 5 ms: the socket becomes a pipe, or stays a mux client with an error. */
static void connect_now(struct virt_timer *t)
{
	struct client *c = VIRT_OWNER(t, struct client, connect);
	struct virt_device *d = attached(c->mux, c->connect_id);

	if (!d || !virt_conn_possible(d, c->connect_port) || virt_fault_take(d, "", "Connect", "connect_refused")) {
		send_result(c, c->connect_tag, d ? RESULT_REFUSED : RESULT_BAD_DEVICE);
		c->is_connecting = false;
		virt_stream_pause(&c->stream, false);
		return;
	}
	if (virt_fault_take(d, "", "Connect", "connect_hang"))
		return;   /* says nothing until the client gives up */
	if (virt_hostile_mux(d, &c->stream))
		return;
	send_result(c, c->connect_tag, RESULT_OK);
	unlink_client(c);
	virt_conn_open(d, c->connect_port, &c->stream);
	free(c);
}

static void start_connect(struct client *c, uint32_t tag, plist_t msg)
{
	uint64_t id = 0, port = 0;

	if (!number_of(msg, "DeviceID", &id) || !number_of(msg, "PortNumber", &port)) {
		send_result(c, tag, RESULT_EINVAL);
		return;
	}
	c->connect_id = (uint32_t)id;
	c->connect_port = ntohs((uint16_t)port);
	c->connect_tag = tag;
	c->is_connecting = true;
	virt_stream_pause(&c->stream, true);
	struct virt_device *d = attached(c->mux, c->connect_id);
	virt_timer_set(c->mux->bench->loop, &c->connect,
		       d ? virt_device_paced_ms(d, CONNECT_REAL_MS) : virt_loop_paced_ms(c->mux->bench->loop, CONNECT_REAL_MS), connect_now);
}

static void start_listen(struct client *c, uint32_t tag)
{
	send_result(c, tag, RESULT_OK);
	c->is_listening = true;
	for (size_t i = 0; i < c->mux->bench->n_devices; i++)
		if (c->mux->bench->devices[i]->device_id)
			send_attached(c, c->mux->bench->devices[i]);
}

static void serve(struct client *c, uint32_t tag, plist_t msg)
{
	const char *type = text_of(msg, "MessageType");
	char what[80];

	snprintf(what, sizeof(what), "mux %.64s", type);
	virt_bench_count(c->mux->bench, what);
	stg_copy(c->prog_name, sizeof(c->prog_name), text_of(msg, "ProgName"));
	stg_copy(c->bundle_id, sizeof(c->bundle_id), text_of(msg, "BundleID"));

	if (c->is_listening) {
		send_result(c, tag, RESULT_BAD_COMMAND);
		virt_stream_finish(&c->stream);
	} else if (strcmp(type, "ListDevices") == 0) {
		send_body(c, tag, device_list(c->mux));
	} else if (strcmp(type, "Listen") == 0) {
		start_listen(c, tag);
	} else if (strcmp(type, "Connect") == 0) {
		start_connect(c, tag, msg);
	} else if (strcmp(type, "ReadBUID") == 0) {
		plist_t p = plist_new_dict();

		plist_dict_set_item(p, "BUID", plist_new_string(c->mux->bench->buid));
		send_plist(c, tag, p);
	} else if (strcmp(type, "ReadPairRecord") == 0) {
		read_pair_record(c, tag, msg);
	} else if (strcmp(type, "SavePairRecord") == 0) {
		send_result(c, tag, save_pair_record(c->mux, msg));
	} else if (strcmp(type, "DeletePairRecord") == 0) {
		struct pair_file **at = pair_file_at(c->mux, text_of(msg, "PairRecordID"));

		send_result(c, tag, *at ? RESULT_OK : RESULT_BAD_DEVICE);
		if (*at)
			free_pair_file(at);
	} else if (strcmp(type, "ListListeners") == 0) {
		list_listeners(c, tag);
	} else {
		send_result(c, tag, RESULT_BAD_COMMAND);
	}
}

static size_t on_bytes(struct virt_stream *s, struct stg_bytes in)
{
	struct client *c = VIRT_OWNER(s, struct client, stream);
	enum stg_plist_form form;
	plist_t msg = NULL;
	uint32_t len, tag;

	if (in.len < 16)
		return 0;
	len = get_u32(in.data);
	tag = get_u32(in.data + 12);
	if (len < 16 || len > MESSAGE_MAX) {
		virt_stream_drop(s);
		return 0;
	}
	if (in.len < len)
		return 0;
	if (get_u32(in.data + 4) != 1) {
		send_result(c, tag, RESULT_BAD_VERSION);
		return len;
	}
	if (get_u32(in.data + 8) != 8) {
		send_result(c, tag, RESULT_BAD_COMMAND);
		return len;
	}
	if (stg_plist_scan(stg_bytes(in.data + 16, len - 16), &limits, &form, NULL)) {
		if (form == STG_PLIST_BINARY)
			plist_from_bin((const char *)in.data + 16, len - 16, &msg);
		else
			plist_from_xml((const char *)in.data + 16, len - 16, &msg);
	}
	if (msg && plist_get_node_type(msg) == PLIST_DICT)
		serve(c, tag, msg);
	else
		virt_stream_drop(s);
	plist_free(msg);
	return len;
}

static void on_closed(struct virt_stream *s)
{
	struct client *c = VIRT_OWNER(s, struct client, stream);

	unlink_client(c);
	free(c);
}

static const struct virt_stream_ops client_ops = { .bytes = on_bytes, .closed = on_closed };

/* ---- the doors ---- */

static void on_knock(struct virt_watch *w, uint32_t events)
{
	struct door *door = VIRT_OWNER(w, struct door, watch);
	struct virt_mux *m = door->mux;

	(void)events;
	for (int i = 0; i < 256; i++) {
		int one = 1;
		struct client *c;
		int fd = accept4(door->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		if (door->is_tcp)
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c = stg_calloc(1, sizeof(*c));
		c->mux = m;
		c->next = m->clients;
		if (m->clients)
			m->clients->prev = c;
		m->clients = c;
		virt_stream_open(&c->stream, m->bench->loop, fd, &client_ops);
	}
}

static bool open_unix(struct virt_mux *m, const char *path, struct stg_error *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct stat there;
	int fd;

	if (strlen(path) >= sizeof(a.sun_path))
		return stg_fail(err, STG_E_INPUT, 0, "socket path '%s' is longer than 107 bytes", path);
	stg_copy(a.sun_path, sizeof(a.sun_path), path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* A socket nobody answers on was left by a bench that was killed; anything else stays, and bind says so. */
	if (lstat(path, &there) == 0 && S_ISSOCK(there.st_mode) && connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 &&
	    errno == ECONNREFUSED)
		unlink(path);
	close(fd);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, BACKLOG) < 0) {
		int why = errno;

		if (fd >= 0)
			close(fd);
		return stg_fail(err, STG_E_STATION, why, "listen on %s: %s", path, strerror(why));
	}
	chmod(path, 0666);
	m->unix_door.fd = fd;
	return virt_watch_set(m->bench->loop, &m->unix_door.watch, fd, EPOLLIN) || stg_fail(err, STG_E_STATION, 0, "epoll");
}

static bool open_tcp(struct virt_mux *m, const char *address, struct stg_error *err)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	char host[64];
	const char *colon = strrchr(address, ':');
	int one = 1;
	int fd;

	snprintf(host, sizeof(host), "%.*s", colon ? (int)(colon - address) : 0, address);
	if (!colon || inet_pton(AF_INET, strcmp(host, "localhost") == 0 || !host[0] ? "127.0.0.1" : host, &a.sin_addr) != 1)
		return stg_fail(err, STG_E_INPUT, 0, "'%s' is not an address like 127.0.0.1:27015", address);
	if ((ntohl(a.sin_addr.s_addr) >> 24) != 127)
		return stg_fail(err, STG_E_SAFETY, 0, "virtual devices listen on loopback only, not on %s", host);
	a.sin_port = m->tcp_port ? htons(m->tcp_port) : htons((uint16_t)atoi(colon + 1));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, BACKLOG) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0) {
		int why = errno;

		if (fd >= 0)
			close(fd);
		return stg_fail(err, STG_E_STATION, why, "listen on %s: %s", address, strerror(why));
	}
	m->tcp_port = ntohs(a.sin_port);
	inet_ntop(AF_INET, &a.sin_addr, host, sizeof(host));
	snprintf(m->tcp_address, sizeof(m->tcp_address), "%.40s:%u", host, m->tcp_port);
	m->tcp_door.fd = fd;
	return virt_watch_set(m->bench->loop, &m->tcp_door.watch, fd, EPOLLIN) || stg_fail(err, STG_E_STATION, 0, "epoll");
}

static bool open_doors(struct virt_mux *m, struct stg_error *err)
{
	const struct virt_options *o = &m->bench->opt;

	return (!o->usbmuxd_path || open_unix(m, o->usbmuxd_path, err)) && (!o->usbmuxd_tcp || open_tcp(m, o->usbmuxd_tcp, err));
}

static void close_door(struct door *door)
{
	if (door->fd < 0)
		return;
	virt_watch_clear(door->mux->bench->loop, &door->watch);
	close(door->fd);
	door->fd = -1;
}

static void close_doors(struct virt_mux *m)
{
	if (m->unix_door.fd >= 0)
		unlink(m->bench->opt.usbmuxd_path);
	close_door(&m->unix_door);
	close_door(&m->tcp_door);
}

static void cut_clients(struct virt_mux *m)
{
	while (m->clients) {
		struct client *c = m->clients;

		unlink_client(c);
		virt_stream_cut(&c->stream);
		free(c);
	}
}

struct virt_mux *virt_mux_start(struct virt_bench *b, struct stg_error *err)
{
	struct virt_mux *m = stg_calloc(1, sizeof(*m));

	m->bench = b;
	m->unix_door = (struct door){ .mux = m, .fd = -1, .watch.ready = on_knock };
	m->tcp_door = (struct door){ .mux = m, .fd = -1, .is_tcp = true, .watch.ready = on_knock };
	m->list = STG_BUF(64u << 20);
	if (!open_doors(m, err)) {
		virt_mux_stop(m);
		return NULL;
	}
	return m;
}

void virt_mux_stop(struct virt_mux *m)
{
	if (!m)
		return;
	close_doors(m);
	cut_clients(m);
	while (m->pair_files)
		free_pair_file(&m->pair_files);
	virt_timer_clear(m->bench->loop, &m->back);
	stg_buf_clear(&m->list);
	free(m);
}

const char *virt_mux_tcp(const struct virt_mux *m)
{
	return m->tcp_address;
}

void virt_mux_attached(struct virt_mux *m, struct virt_device *d)
{
	stg_buf_reset(&m->list);
	for (struct client *c = m->clients; c; c = c->next)
		if (c->is_listening)
			send_attached(c, d);
}

void virt_mux_detached(struct virt_mux *m, uint32_t device_id)
{
	stg_buf_reset(&m->list);
	send_event(m, "Detached", device_id);
}

void virt_mux_say(struct virt_mux *m, struct stg_bytes what, int64_t times)
{
	for (struct client *c = m->clients; c; c = c->next)
		for (int64_t i = 0; c->is_listening && i < times; i++)
			virt_stream_send(&c->stream, what);
}

static void come_back(struct virt_timer *t)
{
	struct virt_mux *m = VIRT_OWNER(t, struct virt_mux, back);
	struct virt_bench *b = m->bench;

	b->next_device_id = 1;
	for (size_t i = 0; i < b->n_devices; i++)
		if (b->devices[i]->device_id || (b->devices[i]->lost && virt_device_is_attached(b->devices[i]))) {
			b->devices[i]->device_id = b->next_device_id++;
			b->devices[i]->lost = 0;
		}
	stg_buf_reset(&m->list);
	if (!open_doors(m, NULL))
		virt_timer_set(b->loop, &m->back, 100, come_back);
}

void virt_mux_restart(struct virt_mux *m, int64_t down_ms)
{
	close_doors(m);
	cut_clients(m);
	for (size_t i = 0; i < m->bench->n_devices; i++)
		virt_conn_cut_all(m->bench->devices[i]);
	virt_timer_set(m->bench->loop, &m->back, down_ms, come_back);
}
