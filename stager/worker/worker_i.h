/* worker_i.h - what the files of this room share: one worker, from its first message to its last. */
#ifndef WORKER_I_H
#define WORKER_I_H

#include <stager/driver.h>
#include <stager/job.h>
#include <stager/step.h>
#include <stager/worker.h>

struct worker {
	int fd;                          /* the channel to the station */
	const struct stg_driver *driver; /* NULL: the one that claims the arrival */
	struct stg_stop *stop;
	struct stg_host host;
	struct stg_arrival arrival;
	struct stg_job job;
	struct stg_device *device;       /* NULL while it is not open */
	struct stg_identity identity;
	struct stg_identity told_identity; /* what the station knows of it */
	enum stg_trust trust;
	json_t *facts;                   /* as last read, with the identity's fields; NULL: to be read */
	struct stg_error facts_error;    /* why that reading got nothing, or not all */
	json_t *memory;                  /* what steps keep for later steps of this attach: profiles just listed */
	bool told_to_end;
	int64_t last_q;
	char key[128];                   /* of the running step, "" between steps */
	int asked_person;                /* enum stg_ask + 1 of what was last shown, 0: nothing */
	struct stg_buf supervisor;       /* the organisation's certificate, as the station gave it for this job; empty: to be asked */
	json_t *held;                    /* a step_end not sent yet: the next step_begin goes with it */
	int came_fd;                     /* the descriptor that came with the last message, -1: none; whoever takes it leaves -1 */
};

/* channel.c: leave the process when the station is gone */
void worker_send(struct worker *w, json_t *msg);              /* takes the reference */
/* Waits for a message of this kind; "end" sets told_to_end and, where `or_end`, returns NULL. */
json_t *worker_await(struct worker *w, const char *kind, bool or_end);
/* Any next message. */
json_t *worker_next(struct worker *w);
/* Lets `ms` pass; false when the station said end or the stop was pulled meanwhile. */
bool worker_pause(struct worker *w, int64_t ms);

/* host.c */
void worker_host_init(struct worker *w);

/* device.c */
bool worker_open(struct worker *w, struct stg_error *err);
/* Closes and opens again, and makes sure that it is still the same unit. */
bool worker_reopen(struct worker *w, struct stg_error *err);
/* Facts, read again when they were dropped. Never NULL: without an answer an empty object, and the reason in facts_error. */
const json_t *worker_facts(struct worker *w);
/* Puts "identity" into a message when the station was not told yet: serial and IMEI show only after pairing. */
void worker_tell_identity(struct worker *w, json_t *m);
/* With those that only the supervisor may read: costs a proof of supervision where none was given yet. */
const json_t *worker_owner_facts(struct worker *w);
void worker_forget_facts(struct worker *w);
/* Facts somebody has just read; takes the reference. */
void worker_take_facts(struct worker *w, json_t *read);
/* Pairs, waiting for a person up to STG_WORKER_TAP_MS. */
bool worker_pair(struct worker *w, struct stg_error *err);
/* What a person has to do so that pairing, which failed for this, goes on. */
enum stg_ask worker_pair_asks(const struct stg_error *why);

/* run.c: the blueprint of w->job, ends with "finished" */
void worker_run(struct worker *w);

/* sandbox.c: from here on nothing but the device's own transport. False: the kernel would not. */
bool worker_sandbox(struct stg_error *err);
void worker_clean_environment(void);

#endif
