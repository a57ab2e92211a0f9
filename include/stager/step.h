/*
 * step.h - the table a new step fills: one file stager/steps/NAME.c.
 *
 * A step runs in the worker. Its order is always: proven()? skip : run(), then the worker asks proven() again where the
 * step has one, so that what the device acknowledged and what was re-read are two facts. Evidence goes into `evidence`
 * as {"asked": ..., "acknowledged": ..., "reread": ...}; no secrets, no payload bytes.
 */
#ifndef STAGER_STEP_H
#define STAGER_STEP_H

#include <stager/driver.h>
#include <stager/job.h>

enum stg_param_kind { STG_PARAM_STRING, STG_PARAM_INT, STG_PARAM_BOOL, STG_PARAM_DURATION, STG_PARAM_LIST, STG_PARAM_MAP, STG_PARAM_ENUM };

struct stg_param {
	const char *name;
	enum stg_param_kind kind;
	bool required;
	bool variables;                 /* {{...}} allowed in its strings */
	const char *values;             /* ENUM: "auto silent person" */
	const char *about;              /* one line, for `blueprint show` and the manual */
};

struct stg_step_ctx {
	struct stg_device *device;
	const struct stg_host *host;
	const struct stg_job *job;
	const json_t *params;           /* typed, variables of the job already filled in */
	const json_t *facts;            /* as last read */
	json_t *evidence;               /* to be filled: {"asked","acknowledged","reread"} */
	struct stg_stop *stop;
	const struct stg_arrival *arrival;
	bool reopen;                    /* set by a step after which the device re-enumerates: the worker ends, the next one goes on */
	const char *key;                /* of the running step: "03-install_profile-wifi" */
	const json_t *proven_before;    /* what the journal keeps of this step from an earlier attach, or NULL */
	const json_t *begun_before;     /* the same for one that was begun and whose end is not known: {"asked": ...} or NULL */
	bool changed;                   /* set by a step that changed facts: they are read again before they are used */
	json_t *memory;                 /* an object the steps of one attach share: profiles just listed */
	struct stg_identity *identity;  /* who the worker found in this attach; a step that reads it anew writes it here */
	const json_t *values;           /* variables of this job but secrets (organisation, serial, ...) */
	struct stg_payload *payload;    /* of the running step once host->payload was asked; kept and cleared by the worker */
	bool ran;                       /* run() was called in this turn: proven() looks afresh */
	json_t *fresh_facts;            /* a step that read the facts anew leaves them here (a new reference) for those after it */
	bool waits;                     /* an earlier step waits: what depends on it waits too */
	struct stg_host_file *file;     /* of the running step once host->file was asked; kept and cleared by the worker */
};

/* Which file of the repository of apps a step wants: an app by its params "app" and "version", a document by "document". */
enum stg_step_file { STG_FILE_NONE, STG_FILE_APP, STG_FILE_DOCUMENT };

struct stg_step {
	const char *name;               /* the word in blueprints, logs, inventory and reports */
	const char *about;
	const struct stg_param *params; /* ends with a row without a name; NULL: none */
	int64_t deadline_ms;            /* the worker is killed beyond it; a blueprint may say `timeout:` */
	bool destroys_data;
	bool needs_trust;               /* a working pairing must exist before */
	bool makes_payload;             /* the station makes the payload: asked for through host->payload */
	unsigned int together;          /* how many devices may be in this step at once; 0: no limit */

	/* Has it been done already, judged by re-reading the device? Optional: NULL = always run. */
	bool (*proven)(struct stg_step_ctx *, bool *ret, struct stg_error *);
	bool (*run)(struct stg_step_ctx *, struct stg_error *);

	/* Nothing after this step runs unless it is done: identify, require, pair, restart, erase, wait_back. */
	bool gate;
	bool reads_facts;               /* wants ctx->facts fresh; else they may be old or NULL */
	/* What is about to be asked, as evidence, before the journal holds the beginning: no secrets. Optional: the params. */
	json_t *(*asked)(struct stg_step_ctx *);
	/* Checks the params beyond their types, when a blueprint is read: false with msg = what was wrong, what was expected. Optional. */
	bool (*check)(const json_t *params, struct stg_error *);
	/* Pinned with the blueprint, handed over through host->file. */
	enum stg_step_file wants_file;
};

const struct stg_step *stg_step_find(const char *name);

#endif
