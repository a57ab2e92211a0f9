/*
 * push.h - the door of stager/push: results reach the targets.
 *
 * Runs on the station's push thread (or in `stager push` when no station runs). It never touches the database itself:
 * taking, settling and noting go through the callbacks, which the station carries out on the recorder's thread.
 */
#ifndef STAGER_PUSH_H
#define STAGER_PUSH_H

#include <stager/json.h>
#include <stager/secret.h>
#include <stager/stop.h>

struct stg_push_door {
	void *ctx;
	json_t *(*targets)(void *ctx, struct stg_error *);                                       /* enabled ones */
	bool (*credentials)(void *ctx, const char *target, struct stg_secret *ret_json, struct stg_error *);
	json_t *(*take)(void *ctx, const char *target, int64_t most, struct stg_error *);        /* rows of the outbox */
	bool (*settle)(void *ctx, int64_t id, const char *state, int64_t not_before_ms, const json_t *answer, struct stg_error *);
	bool (*note)(void *ctx, const char *target, const char *state, int64_t not_before_ms, const char *text, struct stg_error *);
	void (*event)(void *ctx, const char *target, const char *what, int64_t count);           /* for the board; may be NULL */
	bool rehearsal;                 /* only loopback targets and file targets then, and marked records */
	const char *state_dir;          /* files of `file` targets that are relative; connectors/ of the site */
	bool (*line)(void *ctx);        /* may anything leave this machine now? Files are no line. NULL: always */
	bool at_once;                   /* a person asked: waits and stops of targets are forgotten and each is tried */
	/* Outcomes of one request together, [{"id","state","not_before_ms","answer"}]: all or none. NULL: each by settle(). */
	bool (*settle_many)(void *ctx, const json_t *outcomes, struct stg_error *);
};

/* Starts the process that runs the connectors' jq programs. Called before this process has threads, keys or a database, so
 * that those programs are nowhere near them; where nobody calls it, the first program starts it. */
bool stg_push_begin(struct stg_error *err);
/* One round over every target: takes what is due, sends, settles. ret_next_ms: boot time when something is due again
 * (INT64_MAX: nothing waits). Gives up between two requests, and inside one, when stop is pulled. With only_target (a
 * person asked for it) its wait is forgotten first, STG_E_NOT_FOUND when there is none of that name.
 * What a target's failure means is noted with the target, never an error of the round: "" all well, "offline", "throttled",
 * "server", "in_doubt", "clock", "trust", "auth", "gone", "config", "safety", "disk", "line" (closed: nothing is sent, nothing counted). One thread at a time. */
bool stg_push_round(const struct stg_push_door *door, const char *only_target, struct stg_stop *stop, int64_t *ret_delivered, int64_t *ret_next_ms, struct stg_error *err);
/* Asks a target whether it would take us, without changing anything there. */
json_t *stg_push_test(const struct stg_push_door *door, const char *target, struct stg_error *err);
/* The MDM's own list of its devices, whole or not at all: [{"serial","imei","udid","id"}]. STG_E_UNSUPPORTED: its connector has no `devices`. */
json_t *stg_push_devices(const struct stg_push_door *door, const char *target, struct stg_stop *stop, struct stg_error *err);
/* Everybody a directory shows us, whole or not at all: {"people":[<stager/peoplefile.h>],"left_out":N (entries nobody could tell apart),
 * "problem" (the first),"unusable":N (values that are no text),"plain":bool (without TLS)}. STG_ID_NO_DIRECTORY. */
json_t *stg_push_people(const struct stg_push_door *door, const char *target, struct stg_stop *stop, struct stg_error *err);
/* Is a target of this connector asked who people are, and told nothing? */
bool stg_push_is_directory(const char *connector);
/* The row a person reads for a target's state as noted by a round; 0 for "" and unknown words. */
unsigned int stg_push_state_id(const char *state);
/* Checks a connector file; STG_E_INPUT with line. */
json_t *stg_connector_load(const char *state_dir, const char *name_or_path, struct stg_error *err);
/* The same for bytes that came otherwise; `file` is what messages call it. */
json_t *stg_connector_read(const char *file, struct stg_bytes text, struct stg_error *err);
/* The file of a connector by name, unchecked: of the state, the site, or built in. STG_E_NOT_FOUND. */
bool stg_connector_text(const char *state_dir, const char *name, struct stg_buf *ret, struct stg_error *err);
/* The phases its receiver is told in: "E", or letters of "P" (a device is ordered), "A" (before enrolment), "B" (once it is enrolled). */
void stg_connector_phases(const json_t *connector, char ret[8]);
/* Does a target of this connector need a line? Files do not. */
bool stg_push_needs_line(const char *connector);
/* Is this a receiver that is no HTTP, so that there is no connector file of it? It is told once of each result. */
bool stg_push_is_kind(const char *connector);
/* The tables a target needs at its receiver, where its kind has any: {"sql","have","want"}; sql is the whole, safe to carry out again.
 * With `apply` they are made or upgraded there now. STG_ID_TARGET_NO_SCHEMA, STG_ID_TARGET_SCHEMA_NEWER, or why it could not be asked. */
json_t *stg_push_schema(const struct stg_push_door *door, const char *target, bool apply, struct stg_error *err);
/* [{"name","about","where":"state|site|built-in"}] */
json_t *stg_connector_list(const char *state_dir);
/* Checks a target's row (connector, config) and the names of its credentials without speaking to it: STG_E_INPUT, STG_E_SAFETY. */
bool stg_push_check(const json_t *target, const struct stg_secret *credentials, bool rehearsal, const char *state_dir, struct stg_error *err);
/* What of a target's credentials ends one day, without a secret: [{"kind": "certificate" (that of the client), "token" (one that tells its end: a JWT),
 * "name", "ends_ms"}]. */
json_t *stg_push_ends(const struct stg_secret *credentials);
/* The exact request one record would become, secrets masked, nothing sent: {"method","url","headers","body","client_certificate"} and,
 * where there is more than one, "requests":[{"what":"sign_in|lookup|request|update|operation","phase", and the same}]; for a file,
 * {"path","format"}. */
json_t *stg_push_try(const json_t *target, const struct stg_secret *credentials, const json_t *record, bool rehearsal, const char *state_dir,
		     struct stg_error *err);
/* Standard Webhooks: "v1,<base64>" for each secret in `secrets` (whsec_..., several divided by blanks, for a change of key). */
bool stg_webhook_sign(const struct stg_secret *secrets, const char *id, int64_t timestamp_s, struct stg_bytes body, struct stg_buf *ret,
		      struct stg_error *err);

#endif
