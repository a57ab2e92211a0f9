/*
 * call.c - how a command reaches the station, or does without one.
 *
 * For:    all of stager/cmd.
 * Uses:   message.h; store and keys when no station runs.
 * Called: cmd files, through stg_call and stg_events.
 * Thread: the command's.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stager/file.h>
#include <stager/log.h>
#include <stager/message.h>
#include <stager/op.h>
#include <stager/registry.h>
#include <stager/station.h>


#define SERVICE_SOCKET "/run/stager/stager.sock"
#define SERVICE_STATE "/var/lib/stager"
#define CALL_MS 600000

const struct stg_op *stg_op_find(const char *name)
{
	for (const struct stg_op *const *t = stg_op_tables; *t; t++)
		for (const struct stg_op *op = *t; op->name; op++)
			if (strcmp(op->name, name) == 0)
				return op;
	return NULL;
}

static bool own_state(char *ret, size_t size, struct stg_error *err)
{
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	if (xdg && *xdg == '/')
		return stg_path_join(ret, size, xdg, "stager", err);
	if (!home || *home != '/') {
		const struct passwd *pw = getpwuid(getuid());
		home = pw ? pw->pw_dir : "/";
	}
	return stg_path_join(ret, size, home, ".local/state/stager", err);
}

static bool choose(struct stg_caller *c, const char *state, struct stg_error *err)
{
	const char *env = getenv("STAGER_STATE");
	const char *given = state && *state ? state : env && *env ? env : NULL;
	if (!given && access(SERVICE_SOCKET, W_OK) == 0) {
		c->fd = stg_unix_connect(SERVICE_SOCKET, NULL);
		stg_copy(c->socket, sizeof(c->socket), SERVICE_SOCKET);
		stg_copy(c->state_dir, sizeof(c->state_dir), SERVICE_STATE);
		if (c->fd >= 0)
			return true;
	}
	if (!given && access(SERVICE_STATE, W_OK) == 0)
		given = SERVICE_STATE;
	if (given ? !stg_copy(c->state_dir, sizeof(c->state_dir), given) : !own_state(c->state_dir, sizeof(c->state_dir), err))
		return stg_fail_id(err, STG_E_STATION, STG_ID_SOCKET_PATH, 0, "the state folder's name is too long");
	if (!stg_path_join(c->socket, sizeof(c->socket), c->state_dir, "stager.sock", err))
		return false;
	struct stg_error why = { 0 };
	c->fd = stg_unix_connect(c->socket, &why);
	if (c->fd < 0 && why.id)
		return stg_fail_id(err, why.code, (enum stg_id)why.id, why.origin, "%s", why.msg);
	return true;
}

static bool greet(struct stg_caller *c, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *hello = json_pack("{s:s, s:i}", "t", "hello", "v", STG_MESSAGE_VERSION);
	stg_json_put(hello, "actor", c->actor);
	if (!stg_message_send(c->fd, hello, NULL, 0, 10000, err))
		return stg_while(err, "talk to the station");
	STG_AUTO(stg_json_free_at) json_t *answer = stg_message_recv(c->fd, NULL, 10000, err);
	if (!answer)
		return stg_while(err, "talk to the station");
	if (stg_json_int(answer, "v", 0) != STG_MESSAGE_VERSION)
		return stg_fail_id(err, STG_E_STATION, STG_ID_VERSION_MISMATCH, 0, "the station says version %s, this is %s",
				   stg_json_str(answer, "version"), STG_VERSION);
	return true;
}

bool stg_caller_open(struct stg_caller *c, const char *state, const char *actor, struct stg_error *err)
{
	*c = (struct stg_caller){ .fd = -1 };
	const char *login = getenv("SUDO_USER");
	const struct passwd *pw = getpwuid(getuid());
	if (!login || !*login)
		login = pw ? pw->pw_name : "unknown";
	stg_copy(c->actor, sizeof(c->actor), actor && *actor ? actor : login);
	return choose(c, state, err) && (c->fd < 0 || greet(c, err));
}

void stg_caller_close(struct stg_caller *c)
{
	stg_close_at(&c->fd);
	stg_store_close(c->store);
	stg_keys_close(c->keys);
	c->store = NULL;
	c->keys = NULL;
}

/* Without a station the command itself takes the state's lock, for as long as it lives. */
static bool open_direct(struct stg_caller *c, struct stg_error *err)
{
	if (c->store)
		return true;
	return stg_state_open(c->state_dir, STG_STORE_ANY, &c->store, &c->keys, err);
}

/* A station that was only starting when we looked has its socket by now. */
static bool open_direct_or_late(struct stg_caller *c, struct stg_error *err)
{
	struct stg_error why = { 0 };
	if (open_direct(c, &why))
		return true;
	if (why.id == STG_ID_STATE_HELD) {
		c->fd = stg_unix_connect(c->socket, NULL);
		if (c->fd >= 0)
			return greet(c, err);
	}
	if (err)
		*err = why;
	return false;
}

static bool call_direct(struct stg_caller *c, const struct stg_op *op, const json_t *in, const int *fds, size_t n_fds, json_t **ret,
			struct stg_error *err)
{
	if (op->where == STG_OP_STATION)
		return stg_fail_id(err, STG_E_STATION, STG_ID_NO_STATION, 0, "%s needs a running station", op->name);
	struct stg_op_ctx ctx = {
		.store = c->store, .keys = c->keys, .state_dir = c->state_dir, .actor = c->actor,
		.rehearsal = stg_store_kind_of(c->store) == STG_STORE_REHEARSAL, .fds = fds, .n_fds = n_fds,
	};
	json_t *out = NULL;
	if (!stg_store_begin(c->store, err))
		return false;
	bool ok = op->run(&ctx, in, &out, err);
	if (!ok)
		stg_store_rollback(c->store);
	else
		ok = stg_store_commit(c->store, err);
	if (ok && ctx.outside) {
		ctx.store = NULL;
		ok = ctx.outside(&ctx, in, &out, err);
	}
	if (ctx.carry)
		ctx.carry_free(ctx.carry);
	if (ok)
		*ret = out;
	else
		json_decref(out);
	return ok;
}

bool stg_call(struct stg_caller *c, const char *name, const json_t *in, const int *fds, size_t n_fds, json_t **ret, struct stg_error *err)
{
	json_t *nothing = NULL, **to = ret ? ret : &nothing;
	const struct stg_op *op = stg_op_find(name);
	*to = NULL;
	if (!op)
		return stg_fail_id(err, STG_E_BUG, STG_ID_UNKNOWN_OPERATION, 0, "no operation '%s'", name);
	if (c->fd < 0 && op->where != STG_OP_STATION && !open_direct_or_late(c, err))
		return false;
	if (c->fd < 0) {
		bool ok = call_direct(c, op, in, fds, n_fds, to, err);
		json_decref(nothing);
		return ok;
	}
	STG_AUTO(stg_json_free_at) json_t *m = json_pack("{s:s, s:i, s:s}", "t", "call", "q", 1, "op", name);
	if (in)
		json_object_set(m, "in", (json_t *)(uintptr_t)in);
	if (!stg_message_send(c->fd, m, fds, n_fds, 30000, err))
		return stg_while(err, "ask the station");
	STG_AUTO(stg_json_free_at) json_t *answer = stg_message_recv(c->fd, NULL, CALL_MS, err);
	if (!answer)
		return stg_while(err, "ask the station");
	if (!stg_json_bool(answer, "ok", false))
		return stg_json_to_error(json_object_get(answer, "error"), err);
	if (ret && json_object_get(answer, "ret"))
		*ret = json_incref(json_object_get(answer, "ret"));
	return true;
}

bool stg_events(struct stg_caller *c, bool (*each)(void *ctx, const json_t *event), void *ctx, struct stg_stop *stop, struct stg_error *err)
{
	/* a connection of its own: answers and events must not mix */
	STG_AUTO(stg_close_at) int fd = stg_unix_connect(c->socket, err);
	if (fd < 0)
		return false;
	struct stg_caller own = *c;
	own.fd = fd;
	STG_AUTO(stg_json_free_at) json_t *ask = json_pack("{s:s}", "t", "events");
	if (!greet(&own, err) || !stg_message_send(fd, ask, NULL, 0, 10000, err))
		return false;
	for (;;) {
		struct stg_error why = { 0 };
		json_t *e = stg_message_recv(fd, NULL, 200, &why);
		if (!e && why.code != STG_E_TIMEOUT)
			return stg_fail_id(err, why.code, (enum stg_id)why.id, why.origin, "%s", why.msg);
		bool more = !stg_stop_pulled(stop) && each(ctx, e);
		json_decref(e);
		if (!more)
			return true;
	}
}
