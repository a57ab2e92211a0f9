/*
 * workers.c - the talk with one worker: start, intake, steps, its end.
 *
 * For:    slots.c and intake.c. What is said is in <stager/worker.h>.
 * Uses:   nursery.c (fork, kill), muxdoor.c (its private door), the recorder (a step begins only when that is on disk).
 * Called: slots.c (start), the main loop (messages, deadlines, exits).
 * Thread: the main loop's.
 *
 * A worker's words are read with doubt: every message is checked against the job's own blueprint; one that makes no
 * sense ends the worker.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <stager/clock.h>
#include <stager/file.h>
#include <stager/worker.h>

#include "station_i.h"

#define GRACE_MS 5000        /* between "end" and the kill */

static struct stg_tag tag_of(const struct slot *slot)
{
	return (struct stg_tag){ .room = "worker", .job = slot->job,
				 .unit = slot->identity.serial[0] ? slot->identity.serial : slot->arrival.udid };
}

/* ---- the journal's side of a step: one task for an end, a beginning, or both ---- */

struct step_task {
	struct stg_station *station;
	uint64_t attach;
	unsigned int ref;
	int64_t job;
	json_t *end, *begin;         /* the worker's messages, either may be NULL */
};

static bool step_run(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct step_task *t = arg;
	if (t->end) {
		struct stg_error why = { 0 };
		const json_t *e = json_object_get(t->end, "error");
		if (e)
			stg_json_to_error(e, &why);
		if (!stg_store_step_end(store, t->job, (int)stg_json_int(t->end, "n", 0), stg_json_str(t->end, "key"),
					stg_json_str(t->end, "outcome"), json_object_get(t->end, "evidence"), e ? &why : NULL,
					stg_json_int(t->end, "took_ms", 0), err))
			return stg_while(err, "step %s", stg_json_str(t->end, "key"));
	}
	if (t->begin && !stg_store_step_begin(store, t->job, (int)stg_json_int(t->begin, "n", 0), stg_json_str(t->begin, "key"),
					      stg_json_str(t->begin, "step"), json_object_get(t->begin, "asked"), err))
		return stg_while(err, "step %s", stg_json_str(t->begin, "key"));
	return true;
}

static void set_deadline(struct stg_station *s, struct slot *slot, int64_t ms);

/* On disk, and its turn: the worker may touch the device. */
static void step_go(struct stg_station *s, struct slot *slot)
{
	struct worker *w = slot->worker;
	int64_t deadline = stg_json_int(w->begin, "deadline_ms", 300000);
	w->holds_turn = true;
	w->challenges = 0;
	json_decref(w->begin);
	w->begin = NULL;
	slot->step_since_ms = stg_wall_ms();
	slot->percent = 0;
	set_deadline(s, slot, deadline);
	worker_tell(slot, json_pack("{s:s}", "t", "go"));
	event_slot(s, slot);
}

static unsigned int busy_in(const struct stg_station *s, const char *step)
{
	unsigned int n = 0;
	for (const struct slot *slot = s->slots; slot; slot = slot->next)
		if (slot->worker && slot->worker->holds_turn && strcmp(slot->worker->step, step) == 0)
			n++;
	return n;
}

static bool has_turn(const struct stg_station *s, const struct worker *w)
{
	int64_t most = stg_json_int(w->begin, "together", 0);
	return most <= 0 || busy_in(s, w->step) < (unsigned int)most;
}

void workers_turns(struct stg_station *s)
{
	for (struct slot *slot = s->slots; slot; slot = slot->next) {
		struct worker *w = slot->worker;
		if (w && w->begin && w->on_disk && has_turn(s, w))
			step_go(s, slot);
	}
}

static void step_done(void *arg, bool ok, const struct stg_error *err)
{
	struct step_task *t = arg;
	struct stg_station *s = t->station;
	struct slot *slot = slot_by_attach(s, t->attach);
	if (slot && slot->worker && slot->worker->ref == t->ref) {
		if (!ok) {
			/* no record, no action */
			struct stg_tag tag = tag_of(slot);
			stg_log_error(STG_LOG_ERR, &tag, err);
			slot_why(slot, err->id, err->msg);
			worker_kill(s, slot);
		} else if (t->begin && slot->worker->begin) {
			slot->worker->on_disk = true;
			if (has_turn(s, slot->worker))
				step_go(s, slot);
		}
	}
	json_decref(t->end);
	json_decref(t->begin);
	free(t);
}

static void journal(struct stg_station *s, struct slot *slot, const json_t *end, const json_t *begin)
{
	struct step_task *t = stg_calloc(1, sizeof(*t));
	t->station = s;
	t->attach = slot->arrival.attach;
	t->ref = slot->worker->ref;
	t->job = slot->job;
	t->end = json_incref((json_t *)(uintptr_t)end);
	t->begin = json_incref((json_t *)(uintptr_t)begin);
	queue_post(s->recorder, step_run, step_done, t);
}

/* ---- sending, deadlines, ending ---- */

static int on_worker(sd_event_source *src, int fd, uint32_t what, void *arg);

static void watch_writes(struct worker *w)
{
	if (w->io)
		sd_event_source_set_io_events(w->io, stg_channel_wants_write(w->channel) ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

bool worker_tell(struct slot *slot, json_t *m)
{
	return worker_tell_file(slot, m, -1);
}

bool worker_tell_file(struct slot *slot, json_t *m, int fd)
{
	bool ok = slot->worker && stg_channel_send(slot->worker->channel, m, &fd, fd >= 0, NULL);
	json_decref(m);
	if (ok)
		watch_writes(slot->worker);
	return ok;
}

static int on_deadline(sd_event_source *src, uint64_t us, void *arg)
{
	(void)us;
	struct slot *slot = arg;
	struct stg_station *s = sd_event_source_get_userdata(slot->worker->io);
	struct stg_tag tag = tag_of(slot);
	sd_event_source_set_enabled(src, SD_EVENT_OFF);
	stg_log(STG_LOG_WARNING, &tag, "nothing for too long in %s: the worker is ended", slot->step[0] ? slot->step : "intake");
	slot->worker->killed_for_deadline = true;
	worker_kill(s, slot);
	return 0;
}

static void set_deadline(struct stg_station *s, struct slot *slot, int64_t ms)
{
	struct worker *w = slot->worker;
	w->deadline_ms = ms > 0 ? stg_boot_ms() + ms : 0;
	w->spare_ms = 0;
	slot->step_deadline_ms = w->deadline_ms;
	if (ms <= 0) {
		if (w->deadline)
			sd_event_source_set_enabled(w->deadline, SD_EVENT_OFF);
		return;
	}
	if (!w->deadline) {
		sd_event_add_time(s->loop, &w->deadline, CLOCK_BOOTTIME, (uint64_t)w->deadline_ms * 1000, 100000, on_deadline, slot);
		return;
	}
	sd_event_source_set_time(w->deadline, (uint64_t)w->deadline_ms * 1000);
	sd_event_source_set_enabled(w->deadline, SD_EVENT_ONESHOT);
}

void worker_clock_off(struct stg_station *s, struct slot *slot)
{
	struct worker *w = slot->worker;
	if (w->deadline_ms && !w->spare_ms) {
		int64_t left = w->deadline_ms - stg_boot_ms();
		set_deadline(s, slot, 0);
		w->spare_ms = left > 1 ? left : 1;
	}
}

void worker_clock_on(struct stg_station *s, struct slot *slot)
{
	if (slot->worker->spare_ms)
		set_deadline(s, slot, slot->worker->spare_ms);
}

void worker_end(struct stg_station *s, struct slot *slot)
{
	slot->state = SLOT_LEAVING;
	worker_tell(slot, json_pack("{s:s}", "t", "end"));
	set_deadline(s, slot, GRACE_MS);
}

void worker_kill(struct stg_station *s, struct slot *slot)
{
	struct worker *w = slot->worker;
	if (!w)
		return;
	if (w->pid > 0)
		nursery_kill(s->nursery, w->pid);
	else
		w->kill_wanted = true;   /* the nursery has not told its pid yet */
}

void worker_free(struct stg_station *s, struct slot *slot)
{
	struct worker *w = slot->worker;
	if (!w)
		return;
	slot->worker = NULL;
	/* one that is still alive has lost its device or its station: nothing it does may count any more */
	if (!w->exited && w->pid > 0)
		nursery_kill(s->nursery, w->pid);
	door_close(s, w);
	sd_event_source_disable_unref(w->io);
	sd_event_source_disable_unref(w->deadline);
	stg_channel_free(w->channel);
	json_decref(w->begin);
	bulk_left(s, w);
	free(w);
	s->busy_workers--;
}

/* ---- starting ---- */

bool worker_start(struct stg_station *s, struct slot *slot, struct stg_error *err)
{
	char path[600], ref[16];
	if (!stg_path_join(path, sizeof(path), s->state_dir, "workers.lock", err))
		return false;
	STG_AUTO(stg_close_at) int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0)
		return stg_fail_id(err, STG_E_STATION, STG_ID_WORKER_DIED, errno, "%s: %s", path, strerror(errno));
	struct worker *w = stg_calloc(1, sizeof(*w));
	w->ref = ++s->next_ref;
	snprintf(ref, sizeof(ref), "%u", w->ref);
	int fd = nursery_spawn(s->nursery, "worker", ref, lock, err);
	if (fd < 0) {
		free(w);
		return false;
	}
	w->channel = stg_channel_new(fd);
	slot->worker = w;
	s->busy_workers++;
	int r = sd_event_add_io(s->loop, &w->io, fd, EPOLLIN, on_worker, s);
	if (r < 0) {
		worker_free(s, slot);
		return stg_fail_id(err, STG_E_STATION, STG_ID_WORKER_DIED, -r, "watch a worker: %s", strerror(-r));
	}
	return true;
}

static struct slot *slot_by_ref(struct stg_station *s, unsigned int ref)
{
	for (struct slot *slot = s->slots; slot; slot = slot->next)
		if (slot->worker && slot->worker->ref == ref)
			return slot;
	return NULL;
}

/* The stored pair record of this device, unsealed for its door only. */
struct trust_task {
	struct stg_station *station;
	uint64_t attach;
	unsigned int ref;
	char udid[STG_UDID_MAX];
	struct stg_secret record;
};

static bool trust_run(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct trust_task *t = arg;
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(256 << 10);
	struct stg_error why = { 0 };
	if (!stg_store_trust_get(store, t->udid, &sealed, &why)) {
		if (why.code == STG_E_NOT_FOUND)
			return true;
		if (err)
			*err = why;
		return false;
	}
	return !sealed.len || stg_keys_open_sealed(t->station->keys, "pair-record", stg_buf_view(&sealed), &t->record, err);
}

static void trust_done(void *arg, bool ok, const struct stg_error *err)
{
	struct trust_task *t = arg;
	struct stg_station *s = t->station;
	struct slot *slot = slot_by_attach(s, t->attach);
	struct stg_error why = { 0 };
	if (slot && slot->worker && slot->worker->ref == t->ref) {
		struct stg_tag tag = tag_of(slot);
		if (!ok)
			stg_log_error(STG_LOG_WARNING, &tag, err);   /* unreadable trust = no trust: it pairs again */
		if (!door_open(s, slot, &t->record, &why)) {
			stg_log_error(STG_LOG_WARNING, &tag, &why);
			worker_kill(s, slot);
		}
	}
	stg_secret_clear(&t->record);
	free(t);
}

void workers_spawned(struct stg_station *s, const json_t *m)
{
	int64_t pid = stg_json_int(m, "pid", 0);
	const char *ref = stg_json_str(m, "ref");
	if (strcmp(ref, "muxdoor") == 0) {
		s->muxdoor_pid = (pid_t)pid;
		return;
	}
	struct slot *slot = slot_by_ref(s, (unsigned int)strtoul(ref, NULL, 10));
	if (!slot) {
		if (pid > 0)
			nursery_kill(s->nursery, (pid_t)pid);
		return;
	}
	slot->worker->pid = (pid_t)pid;
	if (pid <= 0 || slot->worker->kill_wanted) {
		slot->worker->exited = pid <= 0;
		worker_gone(s, slot);
		return;
	}
	struct trust_task *t = stg_calloc(1, sizeof(*t));
	t->station = s;
	t->attach = slot->arrival.attach;
	t->ref = slot->worker->ref;
	stg_copy(t->udid, sizeof(t->udid), slot->arrival.udid);
	queue_post(s->recorder, trust_run, trust_done, t);
}

/* A blueprint that somebody chose for it and that never pairs: a census. Then nothing is written before its steps either. */
static bool leaves_untouched(const struct slot *slot)
{
	const json_t *steps = json_object_get(json_object_get(slot_order(slot), "blueprint"), "steps");
	for (size_t i = 0; i < json_array_size(steps); i++)
		if (strcmp(stg_json_str(json_array_get(steps, i), "step"), "pair") == 0)
			return false;
	return json_array_size(steps) > 0;
}

/* One Pair attempt, made only where somebody asked for this device or for whatever stands on this port. */
void worker_door_ready(struct stg_station *s, struct slot *slot)
{
	if (slot->worker->job_sent)
		return;
	slot->worker->job_sent = true;
	json_t *m = json_object(), *job = json_object();
	stg_json_put(m, "t", "job");
	stg_json_put_int(m, "v", STG_MESSAGE_VERSION);
	stg_json_put(m, "phase", "intake");
	stg_json_put_new(m, "arrival", stg_arrival_json(&slot->arrival));
	stg_json_put(m, "mux", slot->worker->mux);
	stg_json_put_new(job, "identity", stg_identity_json(&slot->identity));
	stg_json_put(job, "port", slot->arrival.port);
	stg_json_put_int(job, "attach", (int64_t)slot->arrival.attach);
	stg_json_put_new(m, "job", job);
	stg_json_put_bool(m, "pair", !leaves_untouched(slot));
	worker_tell(slot, m);
	set_deadline(s, slot, STG_WORKER_INTAKE_MS);
}

void worker_unpair(struct stg_station *s, struct slot *slot)
{
	slot->state = SLOT_LEAVING;
	worker_tell(slot, json_pack("{s:s}", "t", "unpair"));
	set_deadline(s, slot, STG_WORKER_LOOK_MS);
}

void worker_steps(struct stg_station *s, struct slot *slot)
{
	slot->state = SLOT_STEPS;
	slot->step_of = (int)json_array_size(json_object_get(json_object_get(slot->job_row, "blueprint"), "steps"));
	slot->step_n = 0;
	struct stg_job job = { .id = slot->job, .identity = slot->identity, .attach = slot->arrival.attach };
	stg_copy(job.port, sizeof(job.port), slot->arrival.port);
	stg_copy(job.label, sizeof(job.label), slot->label);
	stg_copy(job.batch, sizeof(job.batch), slot->batch);
	job.blueprint = json_object_get(slot->job_row, "blueprint");
	job.attributes = json_object_get(slot->job_row, "attributes");
	job.proven = json_object_get(slot->job_row, "proven");
	job.begun = json_object_get(slot->job_row, "begun");
	STG_AUTO(stg_json_free_at) json_t *values = job_values(s, slot);
	job.values = values;
	json_t *m = json_object();
	stg_json_put(m, "t", "steps");
	stg_json_put_new(m, "job", stg_job_json(&job));
	worker_tell(slot, m);
	set_deadline(s, slot, STG_WORKER_LOOK_MS);
	slot_word(s, slot, "working");
}

/* ---- what it says ---- */

static void nonsense(struct stg_station *s, struct slot *slot, const char *what)
{
	struct stg_tag tag = tag_of(slot);
	stg_log(STG_LOG_ERR, &tag, "the worker said something it may not: %s; it is ended", what);
	worker_kill(s, slot);
}

/* The step of the pinned blueprint that this message names, or NULL. */
static const json_t *pinned_step(const struct slot *slot, const json_t *m)
{
	const json_t *steps = json_object_get(json_object_get(slot->job_row, "blueprint"), "steps");
	const json_t *step = json_array_get(steps, (size_t)stg_json_int(m, "n", -1));
	return step && strcmp(stg_json_str(step, "key"), stg_json_str(m, "key")) == 0 &&
		       strcmp(stg_json_str(step, "step"), stg_json_str(m, "step")) == 0 ? step : NULL;
}

static bool note_begin(struct stg_station *s, struct slot *slot, json_t *begin)
{
	struct worker *w = slot->worker;
	if (slot->state != SLOT_STEPS || w->begin || !pinned_step(slot, begin)) {
		nonsense(s, slot, "step_begin");
		return false;
	}
	w->begin = json_incref(begin);
	w->on_disk = false;
	w->n = (int)stg_json_int(begin, "n", 0);
	stg_copy(w->key, sizeof(w->key), stg_json_str(begin, "key"));
	stg_copy(w->step, sizeof(w->step), stg_json_str(begin, "step"));
	w->what = stg_step_find(w->step);
	stg_copy(slot->open_key, sizeof(slot->open_key), w->key);
	slot->open_n = w->n;
	slot->open_destroys = w->what && w->what->destroys_data;
	slot->step_n = w->n + 1;
	stg_copy(slot->step, sizeof(slot->step), w->step);
	slot->ask[0] = 0;
	set_deadline(s, slot, 0);    /* waiting for its turn is not the worker's time */
	return true;
}

static void note_end(struct stg_station *s, struct slot *slot, const json_t *m)
{
	struct worker *w = slot->worker;
	const char *outcome = stg_json_str(m, "outcome");
	w->holds_turn = false;
	bulk_left(s, w);
	slot->open_key[0] = 0;
	slot->ask[0] = 0;
	slot->step_n = (int)stg_json_int(m, "n", 0) + 1;
	bool holds = strcmp(outcome, "done") == 0 || strcmp(outcome, "proven") == 0;
	if (strcmp(stg_json_str(m, "step"), "issue_certificate") == 0)
		payload_installed(s, slot->job, holds);
	else if (holds && strcmp(stg_json_str(m, "step"), "pair") == 0)
		trust_share(s, slot);
}

/* Serial and IMEI show only after pairing, on older devices the ECID too: whoever learns more of the device says so. */
static bool take_identity(struct stg_station *s, struct slot *slot, const json_t *m)
{
	struct stg_identity who;
	const json_t *told = json_object_get(m, "identity");
	if (!told)
		return true;
	if (!stg_identity_from_json(told, &who, NULL) || (slot->identity.unit[0] && !stg_identity_same(&slot->identity, &who))) {
		nonsense(s, slot, "another identity");
		return false;
	}
	slot->identity = who;
	return true;
}

static void heard_who(struct stg_station *s, struct slot *slot, const json_t *m)
{
	struct stg_error err = { 0 };
	/* one that could not be asked who it is has none to tell, and an error that says why: what an earlier look found is over */
	const json_t *told = json_object_get(m, "identity");
	if (!told)
		slot->identity = (struct stg_identity){ 0 };
	if (slot->state != SLOT_INTAKE || (told && !stg_identity_from_json(told, &slot->identity, &err))) {
		nonsense(s, slot, "who");
		return;
	}
	json_decref(slot->facts);
	slot->facts = json_incref(json_object_get(m, "facts"));
	stg_copy(slot->trust, sizeof(slot->trust), stg_json_str(m, "trust"));
	slot->ask[0] = 0;
	set_deadline(s, slot, 0);
	const json_t *e = json_object_get(m, "error");
	if (e)
		stg_json_to_error(e, &err);
	intake_decide(s, slot, e ? &err : NULL);
}

static void heard_person(struct stg_station *s, struct slot *slot, const json_t *m)
{
	stg_copy(slot->ask, sizeof(slot->ask), stg_json_str(m, "ask"));
	slot_word(s, slot, "person");
}

static void heard(struct stg_station *s, struct slot *slot, json_t *m)
{
	struct worker *w = slot->worker;
	const char *t = stg_json_str(m, "t");
	if (w->finished)
		return;
	if (strcmp(t, "who") == 0) {
		heard_who(s, slot, m);
	} else if (strcmp(t, "step_begin") == 0) {
		if (note_begin(s, slot, m))
			journal(s, slot, NULL, m);
	} else if (strcmp(t, "step_end") == 0) {
		json_t *next = json_object_get(m, "next");
		if (!take_identity(s, slot, m))
			return;
		if (slot->state != SLOT_STEPS || !pinned_step(slot, m)) {
			nonsense(s, slot, "step_end");
			return;
		}
		note_end(s, slot, m);
		if (strcmp(slot->word, "working") != 0)
			slot_word(s, slot, "working");
		slot->percent = 0;
		if (!next)
			set_deadline(s, slot, STG_WORKER_LOOK_MS);
		if (!next || note_begin(s, slot, next))
			journal(s, slot, m, next);
		workers_turns(s);
		event_slot(s, slot);
	} else if (strcmp(t, "person") == 0) {
		heard_person(s, slot, m);
	} else if (strcmp(t, "progress") == 0) {
		int64_t percent = stg_json_int(m, "percent", 0);
		slot->percent = percent < 0 ? 0 : percent > 100 ? 100 : (int)percent;
		event_slot(s, slot);
	} else if (strcmp(t, "ask") == 0) {
		if (take_identity(s, slot, m))
			ask_handle(s, slot, m);
	} else if (strcmp(t, "unpaired") == 0) {
		worker_end(s, slot);
	} else if (strcmp(t, "finished") == 0) {
		w->finished = true;
		set_deadline(s, slot, GRACE_MS);
		if (slot->state == SLOT_STEPS)
			job_ended(s, slot, m);
	} else {
		nonsense(s, slot, t);
	}
}

/* The channel has ended or the process has: what that means for its device. */
void worker_gone(struct stg_station *s, struct slot *slot)
{
	struct worker *w = slot->worker;
	bool deadline = w->killed_for_deadline, finished = w->finished;
	enum slot_state was = slot->state;
	worker_free(s, slot);
	workers_turns(s);
	if (was == SLOT_STEPS && !finished) {
		job_lost(s, slot, deadline ? STG_ID_STEP_DEADLINE : STG_ID_WORKER_DIED, deadline ? "deadline" : "worker died");
		return;
	}
	if ((was == SLOT_INTAKE || was == SLOT_DECIDING) && !finished) {
		slot_why(slot, deadline ? STG_ID_STEP_DEADLINE : STG_ID_WORKER_DIED, "while asking who it is");
		/* once more, then it is shown as failed: a device that kills its worker twice is not worth a third */
		if (slot->crashes++ == 0)
			slot->again = true;
		else
			slot->order_spent = true;
		slot_word(s, slot, "failed");
	}
	slot_rest(s, slot);
	slots_serve(s);
}

void workers_last_words(struct stg_station *s, struct slot *slot)
{
	json_t *m;
	(void)stg_channel_pump(slot->worker->channel, NULL);
	while (slot->worker && (m = stg_channel_next(slot->worker->channel, NULL))) {
		heard(s, slot, m);
		json_decref(m);
	}
}

static int on_worker(sd_event_source *src, int fd, uint32_t what, void *arg)
{
	(void)fd, (void)what;
	struct stg_station *s = arg;
	struct slot *slot = s->slots;
	while (slot && !(slot->worker && slot->worker->io == src))
		slot = slot->next;
	if (!slot)
		return 0;
	struct worker *w = slot->worker;
	bool alive = stg_channel_pump(w->channel, NULL);
	json_t *m;
	while (slot->worker == w && (m = stg_channel_next(w->channel, NULL))) {
		heard(s, slot, m);
		json_decref(m);
	}
	if (slot->worker != w)
		return 0;
	if (!alive)
		worker_gone(s, slot);
	else
		watch_writes(w);
	return 0;
}

void workers_exited(struct stg_station *s, const json_t *m)
{
	pid_t pid = (pid_t)stg_json_int(m, "pid", 0);
	int sig = (int)stg_json_int(m, "signal", 0);
	if (pid == s->muxdoor_pid) {
		s->door_cpu_us += stg_json_int(m, "cpu_us", 0);
		return;
	}
	s->worker_cpu_us += stg_json_int(m, "cpu_us", 0);
	if (stg_json_int(m, "rss_kib", 0) > s->worker_rss_kib)
		s->worker_rss_kib = stg_json_int(m, "rss_kib", 0);
	for (struct slot *slot = s->slots; slot; slot = slot->next) {
		if (!slot->worker || slot->worker->pid != pid)
			continue;
		struct stg_tag tag = tag_of(slot);
		slot->worker->exited = true;
		if (sig)
			stg_log(STG_LOG_WARNING, &tag, "the worker was ended by signal %d", sig);
		workers_last_words(s, slot);
		if (slot->worker)
			worker_gone(s, slot);
		return;
	}
}
