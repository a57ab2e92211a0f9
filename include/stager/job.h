/*
 * job.h - one device through one blueprint.
 *
 * Made by intake, stored before its first step runs. It is found again by family + unit, never by port.
 */
#ifndef STAGER_JOB_H
#define STAGER_JOB_H

#include <stager/identity.h>

enum stg_job_state {
	STG_JOB_WAITING, STG_JOB_RUNNING, STG_JOB_PARKED, STG_JOB_HOLD, STG_JOB_INTERRUPTED, STG_JOB_DONE, STG_JOB_FAILED,
	STG_JOB_CANCELLED, STG_JOB_STATES
};

/* What a PARKED job waits for. */
enum stg_wait { STG_WAIT_NOTHING, STG_WAIT_LINE, STG_WAIT_PERSON, STG_WAIT_CHARGE, STG_WAIT_REGISTRATION };

/* The end state of a device in its batch, as the balance counts it. */
enum stg_end { STG_END_NONE, STG_END_STAGED, STG_END_WAITING, STG_END_HOLD, STG_END_FAILED, STG_END_MISSING };

const char *stg_job_state_name(enum stg_job_state s);   /* "waiting", "running", "parked", "hold", ... */
bool stg_job_state_parse(const char *name, enum stg_job_state *ret);
const char *stg_wait_name(enum stg_wait w);             /* "", "line", "person", "charge", "registration" */
enum stg_wait stg_wait_parse(const char *name);
const char *stg_end_name(enum stg_end e);               /* "", "staged", "waiting", "hold", "failed", "missing" */
bool stg_job_may_move(enum stg_job_state from, enum stg_job_state to);

/* What the worker is told, and all it is told (plus what it asks for through stg_host). */
struct stg_job {
	int64_t id;
	struct stg_identity identity;   /* as far as known */
	uint64_t attach;
	char port[STG_PORT_MAX], label[32];
	char batch[64];                 /* "" for a one-shot `stage` */
	json_t *blueprint;              /* the pinned blueprint, the JSON form of blueprint.h */
	json_t *attributes;             /* batch attributes of this device: {"asset_tag": "A-1042", ...} */
	json_t *proven;                 /* steps recorded as proven earlier: {"step key": evidence}, a hint only */
	json_t *begun;                  /* steps begun whose end is not known (interrupted, unknown): {"step key": {"asked": {...}}} */
	json_t *values;                 /* variables of this job but secrets, as stg_variables_of() makes them */
};

#endif
