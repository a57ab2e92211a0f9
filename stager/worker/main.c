/*
 * main.c - the worker process: set up, who is it, then the blueprint.
 *
 * For:    one device for one attach.
 * Uses:   the channel, a driver, run.c. No database, no network, no private key of the station.
 * Called: by the nursery's freshly forked child.
 * Thread: the only one of its process.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <stager/error.h>
#include <stager/message.h>

#include "worker_i.h"

static const char *trust_name(enum stg_trust t)
{
	return t == STG_TRUST_OURS ? "ours" : t == STG_TRUST_LOCKED ? "locked" : "none";
}

/* Everything that can be read without changing anything, and one Pair attempt when told to. */
static bool meet(struct worker *w, bool may_pair, struct stg_error *err)
{
	if (!worker_open(w, err) || !stg_device_identify(w->device, &w->identity, err))
		return false;
	if (!stg_device_trust(w->device, &w->trust, err)) {
		if (err->code != STG_E_UNSUPPORTED)
			return stg_while(err, "trust");
		stg_error_reset(err);
		w->trust = STG_TRUST_OURS;      /* a family without pairing */
	}
	return w->trust == STG_TRUST_OURS || !may_pair || worker_pair(w, err);
}

static void intake(struct worker *w, bool may_pair)
{
	struct stg_error err = { 0 };
	bool met = meet(w, may_pair, &err);
	/* one that said nothing, or nonsense, is not asked twenty things more: each would cost its whole deadline */
	bool lost = !met && (err.code == STG_E_GONE || err.code == STG_E_TIMEOUT || err.code == STG_E_IO || err.code == STG_E_PROTOCOL);
	json_t *m = json_object();
	stg_json_put(m, "t", "who");
	w->told_identity = (struct stg_identity){ 0 };
	worker_tell_identity(w, m);
	stg_json_put(m, "trust", trust_name(w->trust));
	stg_json_put_new(m, "facts", lost ? json_object() : json_deep_copy(worker_facts(w)));
	if (!met)
		stg_json_put_new(m, "error", stg_json_from_error(&err));
	worker_send(w, m);
}

static void unpair(struct worker *w)
{
	struct stg_error err = { 0 };
	bool ok = w->device && stg_device_unpair(w->device, &err);
	json_t *m = json_object();
	stg_json_put(m, "t", "unpaired");
	stg_json_put_bool(m, "ok", ok);
	if (!ok)
		stg_json_put_new(m, "error", stg_json_from_error(&err));
	worker_send(w, m);
}

static bool take_job(struct worker *w, const json_t *msg, struct stg_error *err)
{
	stg_job_clear(&w->job);
	stg_buf_clear(&w->supervisor);
	return stg_job_from_json(json_object_get(msg, "job"), &w->job, err);
}

static bool take_first(struct worker *w, const json_t *msg, struct stg_error *err)
{
	if (strcmp(stg_json_str(msg, "t"), "job") != 0 || stg_json_int(msg, "v", 0) != STG_MESSAGE_VERSION)
		return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_VERSION_MISMATCH, 0,
				   "the first message is not a job of version %d", STG_MESSAGE_VERSION);
	if (!stg_arrival_from_json(json_object_get(msg, "arrival"), &w->arrival, err))
		return false;
	return !json_object_get(msg, "job") || take_job(w, msg, err);
}

static void say_failed(struct worker *w, const struct stg_error *err)
{
	json_t *m = json_object();
	stg_json_put(m, "t", "finished");
	stg_json_put(m, "end", err->code == STG_E_GONE ? "interrupted" : err->code == STG_E_HOLD ? "hold" : "failed");
	stg_json_put_new(m, "why", stg_json_from_error(err));
	stg_json_put_new(m, "identity", stg_identity_json(&w->identity));
	stg_json_put_new(m, "facts", w->facts ? json_deep_copy(w->facts) : json_object());
	worker_send(w, m);
}

/* Runs the steps of w->job; a worker that did no intake meets the device first. */
static void steps(struct worker *w)
{
	struct stg_error err = { 0 };
	struct stg_identity expected = w->job.identity;
	if (!w->device && !meet(w, false, &err)) {
		say_failed(w, &err);
		return;
	}
	if (expected.unit[0] && !stg_identity_same(&expected, &w->identity)) {
		stg_fail_id(&err, STG_E_HOLD, STG_ID_OTHER_DEVICE, 0, "the job is for unit %s, unit %s answers",
			    expected.unit, w->identity.unit);
		say_failed(w, &err);
		return;
	}
	worker_run(w);
}

static int serve(struct worker *w, bool own_process)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *first = worker_next(w);
	if (w->told_to_end)
		return 0;
	if (!take_first(w, first, &err)) {
		say_failed(w, &err);
		return 1;
	}
	const char *mux = stg_json_str(first, "mux");
	if (own_process && *mux)
		setenv("USBMUXD_SOCKET_ADDRESS", mux, 1);
	const struct stg_driver *d = w->driver              ? w->driver
				     : w->arrival.driver[0] ? stg_driver_find(w->arrival.driver)
							    : stg_driver_for(&w->arrival);
	if ((d && d->prepare && !d->prepare(mux, &err)) || (own_process && !worker_sandbox(&err))) {
		say_failed(w, &err);
		return 1;
	}
	if (strcmp(stg_json_str(first, "phase"), "steps") == 0) {
		steps(w);
		return 0;
	}
	intake(w, stg_json_bool(first, "pair", false));
	while (!w->told_to_end) {
		STG_AUTO(stg_json_free_at) json_t *msg = worker_next(w);
		const char *t = stg_json_str(msg, "t");
		if (strcmp(t, "unpair") == 0) {
			unpair(w);
		} else if (strcmp(t, "steps") == 0) {
			/* what the intake read, it read with another organisation's eyes */
			if (!take_job(w, msg, &err) || (*stg_json_str(w->job.blueprint, "organisation") && !worker_reopen(w, &err)))
				say_failed(w, &err);
			else
				steps(w);
			return 0;
		}
	}
	return 0;
}

static int work(int fd, const struct stg_driver *driver, bool own_process)
{
	struct stg_error err = { 0 };
	struct worker w = { .fd = fd, .driver = driver, .memory = json_object(), .came_fd = -1 };
	w.stop = stg_stop_new(&err);
	if (!w.stop)
		return 1;
	worker_host_init(&w);
	int status = serve(&w, own_process);
	stg_device_close(w.device);
	stg_job_clear(&w.job);
	stg_buf_clear(&w.supervisor);
	json_decref(w.facts);
	json_decref(w.memory);
	stg_close_at(&w.came_fd);
	stg_stop_free(w.stop);
	close(fd);
	return status;
}

int stg_worker_serve(int channel_fd, const struct stg_driver *driver)
{
	return work(channel_fd, driver, false);
}

int stg_worker_boxed(int channel_fd, const struct stg_driver *driver)
{
	/* the station may have died between the fork and this line; the first read says so */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);        /* Ctrl-C reaches the whole group: the station decides how workers end */
	signal(SIGHUP, SIG_IGN);
	worker_clean_environment();
	return work(channel_fd, driver, true);
}

int stg_worker_main(int channel_fd)
{
	return stg_worker_boxed(channel_fd, NULL);
}
