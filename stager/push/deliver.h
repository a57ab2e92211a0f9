/*
 * deliver.h - what delivery.c (a round over the targets) and exchange.c (one batch and its answer) share.
 */
#ifndef STAGER_PUSH_DELIVER_H
#define STAGER_PUSH_DELIVER_H

#include <pthread.h>

#include "parts.h"

#define LATER_MS 60000

struct push_ahead {
	pthread_t thread;
	bool is_running;
	json_t *settled;                /* outcomes of the batch before: told, not yet in the inventory */
	json_t *taken;                  /* rows of the next batch, with their records */
	struct push_made made;
};

struct round {
	const struct stg_push_door *door;
	struct push_target *target;
	struct push_pace *pace;
	struct stg_stop *stop;
	const char *old_state, *old_text;
	int64_t delivered, next_boot_ms;
	int64_t max_items;
	struct push_ahead *ahead;       /* NULL: one batch after the other */
	json_t *gathered;               /* outcomes that wait for put_gathered(); NULL: each is put by itself */
};

enum go { GO_ON, GO_STOP, GO_FAIL };    /* with this target: next rows, leave it alone now, the inventory failed */

/* ---- delivery.c ---- */
json_t *answer_of(const char *class, int status, const char *text);
/* Tells the inventory what became of a row; what a later try must know (an operation under way, a person's word) goes along. */
bool settle(struct round *r, const json_t *row, const char *state, int64_t wait_ms, const json_t *answer, struct stg_error *err);
bool settle_all(struct round *r, const json_t *rows, const char *state, int64_t wait_ms, const json_t *answer, struct stg_error *err);
/* Back to what each was before it was taken: nothing was told. */
bool settle_back(struct round *r, const json_t *rows, int64_t wait_ms, const json_t *answer, struct stg_error *err);
/* Notes the target's state with its next try. */
void note(struct round *r, const char *state, int64_t wait_ms, const char *text);
/* What is settled between these two goes into the inventory in one transaction. */
void gather(struct round *r);
bool put_gathered(struct round *r, bool ok, struct stg_error *err);
void tell(struct round *r, const char *what, int64_t count);
/* Puts down what was told of the batch before. */
bool put_settled(struct round *r, struct stg_error *err);
bool open_named(const struct stg_push_door *door, const char *target, struct push_target *ret, struct stg_error *err);

/* ---- ahead.c ---- */
/* May this target's batches overlap? */
bool ahead_may(const struct round *r);
/* Between these two the receiver works, and so does ahead.c. */
void ahead_begin(struct round *r);
void ahead_end(struct round *r);
/* The batch before is in the inventory: counted and told. */
void ahead_told(struct round *r);
/* What was taken meanwhile, given away; NULL: nothing. */
json_t *ahead_taken(struct round *r);

/* ---- exchange.c ---- */
/* Rows of one phase with their records, to a target that is no file. */
enum go exchange(struct round *r, const json_t *rows, const json_t *records, struct stg_error *err);

/* ---- operation.c ---- */
/* Asks for the operations that rows wait for, each by itself; the rows of none go to ret_rows. */
enum go operations(struct round *r, const json_t *rows, const json_t *records, json_t *ret_rows, json_t *ret_records, struct stg_error *err);

/* ---- sending.c ---- */
/* Tells these records by one of the exchange's calls, in as many requests as it takes, and settles each. */
enum go send_rows(struct round *r, const json_t *call, const json_t *rows, const json_t *records, struct stg_error *err);
/* Receipts of an answer by natural key: {"KEY": {"outcome","message"}}; in an answer to one record the key may be left out. NULL when
 * the answer cannot be understood. */
json_t *receipts_by(const struct push_target *t, const char *program, const json_t *body, const json_t *records, struct stg_error *err);
/* Each row by what its receipt says; a row without one is in doubt, not delivered. */
bool settle_by_receipts(struct round *r, const json_t *rows, const json_t *records, const json_t *receipts, int status, struct stg_error *err);
/* A request that came to no answer about our records. `row_state` NULL: nothing was told. */
enum go no_answer(struct round *r, const json_t *rows, const char *row_state, const struct stg_net_answer *a, struct stg_error *err);
/* A question that was refused: the wire's class, unless the connector's `errors` knows it as busy, auth or server. */
void class_of_question(const struct push_target *t, struct stg_net_answer *a);
/* Takes one request from the target's rate; else everything waits its turn. */
bool may_ask(struct round *r, const json_t *rows, enum go *ret, struct stg_error *err);
/* How long a row in doubt is left alone: the receiver is asked only when it would show what arrived. */
int64_t doubt_wait_ms(const struct push_target *t, int64_t least_ms);
/* Does the connector take this status for a fault of the record? */
bool is_row_fault(const struct push_target *t, int status);
json_t *slice(const json_t *list, size_t from, size_t to);
/* The target is left alone; the rows get row_state, NULL: what they were. */
enum go pause_target(struct round *r, const json_t *rows, const char *row_state, enum stg_net_class class, const char *state, int64_t retry_after_ms,
		     int status, const char *text, struct stg_error *err);
/* What is kept of a refusal: the server's own words, short, printable, without our secrets. */
void refusal_text(const struct push_target *t, const struct stg_net_answer *a, char ret[PUSH_TEXT_MAX]);

#endif
