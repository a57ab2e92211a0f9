/*
 * gate.h - may this device be erased, now, on this attach? A pure function, so that every order of events can be tried.
 */
#ifndef STATION_GATE_H
#define STATION_GATE_H

#include <stager/identity.h>

/* What a lead signed beforehand for erases of others, as it stands now. */
struct gate_exception {
	const char *signed_by;
	bool names_it;                   /* this serial, or the batch it is in */
	bool withdrawn;
	int64_t until_ms;                /* UTC */
	int64_t left;                    /* uses not yet made */
	bool used_for_it;                /* one use for each device */
};

/* One yes each; any no refuses. What each is read from stands in erase_ask() of asks.c. */
struct gate_facts {
	bool erasing_allowed_here;       /* not a no-erase station (STAGER_NO_ERASE unset) */
	bool blueprint_erases;           /* the running step is the job's pinned erase step */
	const char *ownership;           /* "pool", "personal", "unknown" */
	bool batch_started;              /* the job's batch is started, and the device is one of its rows */
	bool port_allowed;               /* its port, on this attach */
	bool ordered;                    /* a person typed the count or the serial, and that order is not spent */
	bool present;                    /* this attach is still plugged in */
	uint64_t job_attach, attach;     /* the attach the job was started on, the attach that asks */
	const struct stg_identity *job_identity, *read_now;   /* who the job is for, and what was just re-read */
	unsigned int attached_as_this;   /* how many attached devices say they are this unit or carry this serial */
	bool token_spent;                /* this attach has asked before */
	bool second_needed;              /* a blueprint, a role or a foreign supervisor asks for two persons */
	const char *ordered_by;          /* who typed it */
	const char *second;              /* who agreed to this order with a PIN; NULL or "": nobody */
	const struct gate_exception *exception;   /* NULL: nobody signed beforehand */
	int64_t now_ms;
};

/* True, or false with STG_E_SAFETY and the row that says which condition is missing. */
bool gate_opens(const struct gate_facts *f, struct stg_error *err);

#endif
