/*
 * deliver.h - what delivery.c (a round over the targets) and exchange.c (one batch and its answer) share.
 */
#ifndef STAGER_PUSH_DELIVER_H
#define STAGER_PUSH_DELIVER_H

#include "parts.h"

struct round {
	const struct stg_push_door *door;
	struct push_target *target;
	struct push_pace *pace;
	struct stg_stop *stop;
	const char *old_state, *old_text;
	int64_t delivered, next_boot_ms;
	int64_t max_items;
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
void tell(struct round *r, const char *what, int64_t count);

/* ---- exchange.c ---- */
/* Rows of one phase with their records, to a target that is no file. */
enum go exchange(struct round *r, const json_t *rows, const json_t *records, struct stg_error *err);
/* The target is left alone; the rows get row_state, NULL: what they were. */
enum go pause_target(struct round *r, const json_t *rows, const char *row_state, enum stg_net_class class, const char *state, int64_t retry_after_ms,
		     int status, const char *text, struct stg_error *err);
/* What is kept of a refusal: the server's own words, short, printable, without our secrets. */
void refusal_text(const struct push_target *t, const struct stg_net_answer *a, char ret[PUSH_TEXT_MAX]);

#endif
