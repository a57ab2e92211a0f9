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
	bool reopen;                    /* set by a step after which the device re-enumerates: the worker opens it again */
};

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
};

const struct stg_step *stg_step_find(const char *name);

#endif
