/*
 * op.h - one function per operation, called over the station's socket or directly.
 *
 * A file stager/ops/NAME.c ends in `const struct stg_op stg_ops_NAME[] = { ..., { 0 } };`. A command builds a JSON
 * object, calls stg_call("batch.import", ...) and prints what comes back; it never knows whether a station ran.
 *
 * STORE operations run with the write connection: on the recorder's thread of the running station, or in the command
 * itself when none runs. STATION operations need the live station (ports, workers) and run on its main loop; they must
 * not block; without a station they fail with STG_E_STATION + STG_ID_NO_STATION unless the command starts one.
 */
#ifndef STAGER_OP_H
#define STAGER_OP_H

#include <stager/json.h>
#include <stager/keys.h>
#include <stager/stop.h>
#include <stager/store.h>

enum stg_op_where { STG_OP_STORE, STG_OP_STATION };

struct stg_station;
struct stg_stop;

struct stg_op_ctx {
	struct stg_store *store;          /* STORE: the write connection; STATION: NULL */
	const struct stg_keys *keys;
	const char *state_dir;
	const char *actor;                /* --as, else the login; never empty */
	bool rehearsal;
	const int *fds;                   /* files the person gave, as descriptors; -1 = not given */
	size_t n_fds;
	struct stg_station *station;      /* STATION only */
	/* A STORE operation that must ask a server leaves these: the part that may take seconds runs after run() succeeded and
	 * was committed, on a thread that no device and no writer waits for, with store NULL. Its answer is the operation's. */
	bool (*outside)(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err);
	void *carry;                      /* what outside() needs */
	void (*carry_free)(void *carry);  /* called once in any case where carry is not NULL */
};

struct stg_op {
	const char *name;                 /* "batch.import" */
	enum stg_op_where where;
	/* ret: a new reference, an object or a list; NULL = nothing to say. Destructive and signing acts write an audit row. */
	bool (*run)(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err);
};

const struct stg_op *stg_op_find(const char *name);

/* Checks role and PIN of the second person an act needs: in["second"], in["second_pin"]. STG_E_SAFETY when missing or the same person. */
bool stg_op_second(struct stg_op_ctx *c, const json_t *in, const char *least_role, struct stg_error *err);
/* Is this the person, by PIN, and is the role high enough? STG_E_SAFETY + STG_ID_PIN_WRONG, STG_ID_ROLE_TOO_LOW. */
bool stg_op_person(struct stg_op_ctx *c, const char *name, const char *pin, const char *least_role, struct stg_error *err);
/* May the actor do this? With nobody registered everybody may; else an unknown actor counts as technician. Roles rise auditor,
 * technician, lead, admin. STG_E_SAFETY + STG_ID_ROLE_TOO_LOW. The actor's name is a claim (--as): this is a guard against
 * slips, the PIN of stg_op_second() is the guard against lies. */
bool stg_op_may(struct stg_op_ctx *c, const char *least_role, struct stg_error *err);
/* One audit row by the actor; any text may be "" or NULL, `detail` (takes the reference) NULL. */
bool stg_op_audit(struct stg_op_ctx *c, const char *verb, const char *object, const char *unit, json_t *detail, struct stg_error *err);

/* The descriptor of the file that was sent under this name; commands list the names in in["files"], in order. Without such a
 * list it is the one at place `otherwise`. -1: not given. Borrowed. */
int stg_op_fd(const struct stg_op_ctx *c, const json_t *in, const char *name, size_t otherwise);

/* ---- for commands ---- */
struct stg_caller {
	char state_dir[512];
	char socket[512];
	char actor[64];
	int fd;                           /* connected to a running station, or -1: direct */
	struct stg_store *store;          /* direct only, opened at the first call */
	struct stg_keys *keys;
};

/* Finds the station (--state, $STAGER_STATE, /run/stager/stager.sock, /var/lib/stager, $XDG_STATE_HOME/stager). `state` may be NULL. */
bool stg_caller_open(struct stg_caller *c, const char *state, const char *actor, struct stg_error *err);
void stg_caller_close(struct stg_caller *c);
bool stg_call(struct stg_caller *c, const char *op, const json_t *in, const int *fds, size_t n_fds, json_t **ret, struct stg_error *err);
/* Events of a running station until `each` returns false or stop is pulled: {"t":"event","what":...}. Starts with a full snapshot. */
bool stg_events(struct stg_caller *c, bool (*each)(void *ctx, const json_t *event), void *ctx, struct stg_stop *stop, struct stg_error *err);

#endif
