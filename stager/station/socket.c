/*
 * socket.c - stager.sock: commands talk to the running station here.
 *
 * For:    every command (call.c is the other end), the board, tests.
 * Uses:   message.h; the operations found on disk.
 * Called: station.c (start, stop); everyone who has an event to tell.
 * Thread: the main loop's; STORE operations run on the recorder's.
 *
 * Client:  hello v actor | call q op in (files as descriptors) | events
 * Station: hello v version rehearsal | result q ok ret error | event what ...
 * Workers may not come here: their pids are refused (decisions.md 4).
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "station_i.h"

#define CLIENTS_MAX 64

static const struct stg_tag tag = { .room = "socket" };

struct op_task {
	struct stg_station *station;
	struct client *client;       /* kept until calls is 0 */
	const struct stg_op *op;
	int64_t q;
	json_t *in, *ret;
	int fds[STG_MESSAGE_FDS];
	char actor[128];
	bool changes;
	/* of operations with an outside half, see op.h */
	bool (*outside)(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err);
	void *carry;
	void (*carry_free)(void *carry);
	struct cache fresh;          /* what the main loop must know before the caller hears that it is done */
};

static void watch_writes(struct client *c)
{
	sd_event_source_set_io_events(c->io, stg_channel_wants_write(c->channel) ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void tell(struct client *c, json_t *m)
{
	if (!c->gone && !stg_channel_send(c->channel, m, NULL, 0, NULL))
		c->gone = true;      /* it does not read: the next pump finds it */
	json_decref(m);
	if (!c->gone)
		watch_writes(c);
}

static void result(struct client *c, int64_t q, bool ok, json_t *ret, const struct stg_error *err)
{
	json_t *m = json_object();
	stg_json_put(m, "t", "result");
	stg_json_put_int(m, "q", q);
	stg_json_put_bool(m, "ok", ok);
	if (ret)
		stg_json_put_new(m, "ret", ret);
	if (!ok)
		stg_json_put_new(m, "error", stg_json_from_error(err));
	tell(c, m);
}

static void client_free(struct stg_station *s, struct client *c)
{
	struct client **at = &s->clients;
	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
	sd_event_source_disable_unref(c->io);
	stg_channel_free(c->channel);
	free(c);
}

static bool only_reads(const char *op)
{
	static const char *const ends[] = { ".list", ".show", ".find", ".status", ".check", ".explain", ".summary", ".verify", ".export",
		".preview" };
	const char *dot = strchr(op, '.');
	for (size_t i = 0; dot && i < STG_ARRAY_LEN(ends); i++)
		if (strcmp(dot, ends[i]) == 0)
			return true;
	return strcmp(op, "status") == 0 || strcmp(op, "find") == 0 || strcmp(op, "census") == 0;
}

static bool op_run(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct op_task *t = arg;
	struct stg_op_ctx ctx = {
		.store = store, .keys = t->station->keys, .state_dir = t->station->state_dir, .actor = t->actor,
		.rehearsal = t->station->rehearsal, .fds = t->fds, .n_fds = STG_MESSAGE_FDS,
	};
	bool ok = t->op->run(&ctx, t->in, &t->ret, err) && (!t->changes || cache_load(store, &t->fresh, err));
	t->outside = ctx.outside;
	t->carry = ctx.carry;
	t->carry_free = ctx.carry_free;
	return ok;
}

/* On a thread that nobody's device waits for. */
static bool op_outside(struct stg_store *store, void *arg, struct stg_error *err)
{
	(void)store;
	struct op_task *t = arg;
	struct stg_op_ctx ctx = {
		.keys = t->station->keys, .state_dir = t->station->state_dir, .actor = t->actor, .rehearsal = t->station->rehearsal,
		.fds = t->fds, .n_fds = STG_MESSAGE_FDS, .carry = t->carry,
	};
	return t->outside(&ctx, t->in, &t->ret, err);
}

static void op_answered(void *arg, bool ok, const struct stg_error *err)
{
	struct op_task *t = arg;
	struct stg_station *s = t->station;
	t->client->calls--;
	if (t->client->gone && !t->client->calls)
		client_free(s, t->client);
	else if (!t->client->gone)
		result(t->client, t->q, ok, ok ? stg_steal(t->ret) : NULL, err);
	for (size_t i = 0; i < STG_MESSAGE_FDS; i++)
		stg_close_at(&t->fds[i]);
	if (t->carry)
		t->carry_free(t->carry);
	json_decref(t->in);
	json_decref(t->ret);
	free(t);
}

static void op_done(void *arg, bool ok, const struct stg_error *err)
{
	struct op_task *t = arg;
	if (ok && t->changes)
		slots_asked_anew(t->station, t->op->name, t->ret);
	if (ok && t->changes)
		cache_use(t->station, &t->fresh);
	cache_clear(&t->fresh);
	if (ok && t->outside)
		queue_post(t->station->outside, op_outside, op_answered, t);
	else
		op_answered(t, ok, err);
}

static void call(struct client *c, const json_t *m, int fds[STG_MESSAGE_FDS])
{
	struct stg_station *s = c->station;
	struct stg_error err = { 0 };
	const char *name = stg_json_str(m, "op");
	const struct stg_op *op = stg_op_find(name);
	int64_t q = stg_json_int(m, "q", 0);
	json_t *in = json_object_get(m, "in");
	if (!op) {
		stg_fail_id(&err, STG_E_USAGE, STG_ID_UNKNOWN_OPERATION, 0, "no operation '%s'", name);
		result(c, q, false, NULL, &err);
	} else if (op->where == STG_OP_STATION) {
		json_t *ret = NULL;
		struct stg_op_ctx ctx = {
			.keys = s->keys, .state_dir = s->state_dir, .actor = c->actor, .rehearsal = s->rehearsal, .fds = fds,
			.n_fds = STG_MESSAGE_FDS, .station = s,
		};
		bool ok = op->run(&ctx, in, &ret, &err);
		result(c, q, ok, ret, &err);
	} else {
		struct op_task *t = stg_calloc(1, sizeof(*t));
		t->station = s;
		t->client = c;
		t->op = op;
		t->q = q;
		t->changes = !only_reads(name);
		t->in = in ? json_incref(in) : json_object();
		stg_copy(t->actor, sizeof(t->actor), c->actor);
		for (size_t i = 0; i < STG_MESSAGE_FDS; i++) {
			t->fds[i] = fds[i];
			fds[i] = -1;
		}
		c->calls++;
		queue_post(s->recorder, op_run, op_done, t);
	}
	for (size_t i = 0; i < STG_MESSAGE_FDS; i++)
		stg_close_at(&fds[i]);
}

static void event_to(struct client *c, const json_t *event)
{
	json_t *m = json_copy((json_t *)(uintptr_t)event);
	stg_json_put(m, "t", "event");
	tell(c, m);
}

static void snapshot(struct client *c)
{
	struct stg_station *s = c->station;
	for (const struct slot *slot = s->slots; slot; slot = slot->next) {
		STG_AUTO(stg_json_free_at) json_t *e = json_object();
		stg_json_put(e, "what", "slot");
		stg_json_put_new(e, "slot", slot_json(slot));
		event_to(c, e);
	}
	if (s->bus_told) {
		STG_AUTO(stg_json_free_at) json_t *bus = json_pack("{s:s, s:O}", "what", "bus", "bus", s->bus_told);
		event_to(c, bus);
	}
	STG_AUTO(stg_json_free_at) json_t *e = json_pack("{s:s, s:b, s:b}", "what", "snapshot", "settled", s->settled, "mux", s->mux_up);
	event_to(c, e);
}

/* The name of the login behind the socket; what --as says is kept beside it. */
static void name_actor(struct client *c, const char *claimed)
{
	int pid = 0;
	unsigned int uid = 0;
	char login[64] = "unknown";
	if (stg_peer(stg_channel_fd(c->channel), &pid, &uid, NULL)) {
		char room[1024];
		struct passwd pw, *found = NULL;
		if (getpwuid_r(uid, &pw, room, sizeof(room), &found) == 0 && found)
			stg_copy(login, sizeof(login), found->pw_name);
		else
			snprintf(login, sizeof(login), "uid %u", uid);
	}
	char shown[64];
	stg_printable(claimed, true, shown, sizeof(shown));
	stg_copy(c->actor, sizeof(c->actor), shown[0] ? shown : login);
}

static bool heard(struct client *c, const json_t *m, int fds[STG_MESSAGE_FDS])
{
	const char *t = stg_json_str(m, "t");
	if (!c->greeted) {
		if (strcmp(t, "hello") != 0)
			return false;
		name_actor(c, stg_json_str(m, "actor"));
		c->greeted = true;
		tell(c, json_pack("{s:s, s:i, s:s, s:b}", "t", "hello", "v", STG_MESSAGE_VERSION, "version", STG_VERSION, "rehearsal",
				  c->station->rehearsal));
		return stg_json_int(m, "v", 0) == STG_MESSAGE_VERSION;
	}
	if (strcmp(t, "call") == 0) {
		call(c, m, fds);
		return true;
	}
	if (strcmp(t, "events") == 0) {
		c->events = true;
		snapshot(c);
		return true;
	}
	return false;
}

static int on_client(sd_event_source *src, int fd, uint32_t what, void *arg)
{
	(void)src, (void)fd, (void)what;
	struct client *c = arg;
	struct stg_station *s = c->station;
	bool alive = stg_channel_pump(c->channel, NULL) && !c->gone;
	int fds[STG_MESSAGE_FDS];
	json_t *m;
	while ((m = stg_channel_next(c->channel, fds))) {
		bool ok = heard(c, m, fds);
		for (size_t i = 0; i < STG_MESSAGE_FDS; i++)
			stg_close_at(&fds[i]);
		json_decref(m);
		if (!ok) {
			alive = false;
			break;
		}
	}
	if (alive) {
		watch_writes(c);
		return 0;
	}
	c->gone = true;
	c->events = false;
	sd_event_source_set_enabled(c->io, SD_EVENT_OFF);
	if (!c->calls)
		client_free(s, c);
	return 0;
}

static bool is_worker(const struct stg_station *s, int pid)
{
	if (pid == s->nursery->pid || pid == s->muxdoor_pid)
		return true;
	for (const struct slot *slot = s->slots; slot; slot = slot->next)
		if (slot->worker && slot->worker->pid == pid)
			return true;
	return false;
}

static int on_listen(sd_event_source *src, int fd, uint32_t what, void *arg)
{
	(void)src, (void)what;
	struct stg_station *s = arg;
	int pid = 0, got = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	unsigned int uid = 0, n = 0;
	if (got < 0)
		return 0;
	for (const struct client *c = s->clients; c; c = c->next)
		n++;
	if (n >= CLIENTS_MAX || !stg_peer(got, &pid, &uid, NULL) || is_worker(s, pid)) {
		stg_log(STG_LOG_WARNING, &tag, "a connection from pid %d was refused", pid);
		close(got);
		return 0;
	}
	struct client *c = stg_calloc(1, sizeof(*c));
	c->station = s;
	c->channel = stg_channel_new(got);
	c->next = s->clients;
	s->clients = c;
	if (sd_event_add_io(s->loop, &c->io, got, EPOLLIN, on_client, c) < 0)
		client_free(s, c);
	return 0;
}

bool socket_listen(struct stg_station *s, struct stg_error *err)
{
	int fd = stg_unix_listen(s->socket, s->setup.socket_mode ? s->setup.socket_mode : 0600, err);
	if (fd < 0)
		return false;
	int r = sd_event_add_io(s->loop, &s->listen_io, fd, EPOLLIN, on_listen, s);
	if (r < 0) {
		close(fd);
		return stg_fail_id(err, STG_E_STATION, STG_ID_START_FAILED, -r, "watch the socket: %s", strerror(-r));
	}
	sd_event_source_set_io_fd_own(s->listen_io, 1);
	return true;
}

void socket_close(struct stg_station *s)
{
	while (s->clients)
		client_free(s, s->clients);
	if (s->listen_io) {
		sd_event_source_disable_unref(s->listen_io);
		s->listen_io = NULL;
		(void)unlink(s->socket);
	}
}

void socket_event(struct stg_station *s, json_t *event)
{
	for (struct client *c = s->clients; event && c; c = c->next)
		if (c->events && !c->gone)
			event_to(c, event);
	json_decref(event);
}

void event_slot(struct stg_station *s, const struct slot *slot)
{
	bool anyone = false;
	for (const struct client *c = s->clients; c; c = c->next)
		anyone = anyone || c->events;
	if (!anyone)
		return;
	json_t *e = json_object();
	stg_json_put(e, "what", "slot");
	stg_json_put_new(e, "slot", slot_json(slot));
	socket_event(s, e);
}
