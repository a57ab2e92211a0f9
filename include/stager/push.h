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
};

/* One round over every target: takes what is due, sends, settles. ret_next_ms: boot time when something is due again
 * (INT64_MAX: nothing waits). Gives up between two requests when stop is pulled. */
bool stg_push_round(const struct stg_push_door *door, const char *only_target, struct stg_stop *stop, int64_t *ret_delivered, int64_t *ret_next_ms, struct stg_error *err);
/* Asks a target whether it would take us, without changing anything there. */
json_t *stg_push_test(const struct stg_push_door *door, const char *target, struct stg_error *err);
/* Checks a connector file; STG_E_INPUT with line. */
json_t *stg_connector_load(const char *state_dir, const char *name_or_path, struct stg_error *err);

#endif
