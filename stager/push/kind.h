/*
 * kind.h - receivers that are no HTTP: one file each in kinds/, which ends in `const struct push_kind stg_push_kind_NAME`.
 *
 * The outbox, its states and waits are delivery.c's, as for every target. A kind only says what became of the rows it was
 * given, and what is the matter when it cannot.
 */
#ifndef STAGER_PUSH_KIND_H
#define STAGER_PUSH_KIND_H

#include "parts.h"

/* What became of a batch. */
struct push_told {
	enum stg_net_class class;       /* OK: every row has its outcome. Else the target is left alone: rows without an outcome go back
					 * to what they were, with STG_NET_IN_DOUBT they become in doubt */
	const char *state;              /* the target's state as noted; NULL: the word of the class */
	int origin;
	char text[240];                 /* no secrets */
	json_t *outcomes;               /* one for each row: {"state":"delivered|rejected|sent_unproven|...","text", and what a later try must know}, or null */
};

struct push_kind {
	const char *name;               /* what --connector takes */
	const char *about;              /* what it is for and what it cannot do; French in po */
	bool is_local;                  /* needs no line */
	bool has_credentials;
	int64_t most;                   /* rows at once */

	/* Are the settings complete? Required. Fills in defaults. STG_E_INPUT; STG_E_SAFETY: a rehearsal would leave the machine. */
	bool (*check)(struct push_target *, struct stg_error *);
	/* Tells these rows. A row whose "was" is not "queued" may stand there already: it is read back first. Required. Blocks;
	 * gives up when `stop` is pulled. */
	void (*deliver)(const struct push_target *, const json_t *rows, const json_t *records, struct stg_stop *, struct push_told *);
	/* Whether it could, without changing anything there. Required. */
	void (*test)(const struct push_target *, struct push_told *);
	/* What it would tell, for a person; nothing is sent. Required. Keys as stg_push_try(). */
	json_t *(*shown)(const struct push_target *, const json_t *rows, const json_t *records, struct stg_error *);
	/* As stg_push_schema(). NULL: it has no tables. */
	json_t *(*schema)(const struct push_target *, bool apply, struct stg_error *);
	/* A directory: everybody it shows us, as stg_push_people(); NULL with told's class, state and text. Nothing is ever queued for such
	 * a target. NULL: it is none. */
	json_t *(*people)(const struct push_target *, struct stg_stop *, struct push_told *);
};

/* NULL: none of that name. */
const struct push_kind *push_kind_find(const char *name);
/* No settings but these (NULL-ended). */
bool push_config_only(const json_t *config, const char *const *known, struct stg_error *err);
/* The setting is absent or one of these (NULL-ended). */
bool push_config_one_of(const json_t *config, const char *key, const char *const *words, struct stg_error *err);

/* For libraries that read certificates from files only: a file without a name and with nobody else's eyes, readable by that path until
 * its descriptor is closed. -1: it could not be made. */
int push_pem_file(const char *text, char ret_path[40]);

/* Sets class, state and text from an error. */
void push_told_fail(struct push_told *told, enum stg_net_class class, const char *state, const struct stg_error *why);
/* Sets row i's outcome. Takes `more` (NULL: nothing to add). */
void push_told_row(struct push_told *told, size_t i, const char *state, const char *text, json_t *more);

/* ---- csv.c: one line for each result, for importers that do not know our record ---- */
bool push_csv_heading(struct stg_buf *out, struct stg_error *err);
bool push_csv_line(const json_t *record, struct stg_buf *out, struct stg_error *err);

#endif
