/*
 * job.c - jobs as the technician handles them.
 *
 * For:    `stager job list|show|retry|cancel`.
 * Uses:   the store.
 * Called: as operations; the station looks again at its ports after each.
 * Thread: the recorder's.
 *
 *   job.list    {"state","batch","serial","open":true} -> {"v":1,"more":bool,"jobs":[the newest 5000: {id,family,unit,serial,udid,model_name,asset_tag,batch,row,state,end,wait,
 *               blueprint_name,port,label,actor,tries,code,error,msg,step,owner,record_id,created_ms,changed_ms,started_ms,ended_ms}]}
 *   job.show    {"id"} or {"serial"} (its newest; a short number is a job's) -> {"v":1, one such job, "blueprint":{...},"steps":[...]}
 *   job.retry   {"id"} or {"serial"} or {"batch","state":"failed"}, "why" -> {"v":1,"retried":[{id,serial}],"refused":[{id,serial,code,msg}]}
 *   job.cancel  the same -> {"v":1,"cancelled":[...],"refused":[...]}; a running job is refused: stop it by unplugging, or wait
 */
#include <stdlib.h>

#include <stager/op.h>

#define LIST_MAX 5000              /* what one message holds: the newest */

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	json_t *jobs = stg_store_jobs(c->store, in, err);
	if (!jobs)
		return false;
	size_t n = json_array_size(jobs);
	json_t *newest = n > LIST_MAX ? json_array() : json_incref(jobs);
	for (size_t i = n > LIST_MAX ? n - LIST_MAX : n; i < n; i++)
		json_array_append(newest, json_array_get(jobs, i));
	json_decref(jobs);
	*ret = json_pack("{s:i,s:b,s:o}", "v", 1, "more", n > LIST_MAX, "jobs", newest);
	return true;
}

/* The jobs a person means: one by number, the newest of a device, or those of a batch in a state. */
static json_t *meant(struct stg_op_ctx *c, const json_t *in, struct stg_error *err)
{
	int64_t id = stg_json_int(in, "id", 0);
	if (id) {
		json_t *job = stg_store_job(c->store, id, err);
		return job ? json_pack("[o]", job) : NULL;
	}
	STG_AUTO(stg_json_free_at) json_t *filter = json_object();
	const char *serial = stg_json_str(in, "serial"), *batch = stg_json_str(in, "batch");
	if (!*serial && !*batch) {
		stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "ID | --serial | --batch");
		return NULL;
	}
	stg_json_put(filter, "serial", serial);
	stg_json_put(filter, "batch", batch);
	if (!*serial)
		stg_json_put(filter, "state", stg_json_str(in, "state"));
	json_t *jobs = stg_store_jobs(c->store, filter, err);
	size_t n = json_array_size(jobs);
	if (jobs && n == 0 && *serial >= '1' && *serial <= '9' && strlen(serial) < 10 && strspn(serial, "0123456789") == strlen(serial)) {
		/* a person types the job's number where a serial number may stand */
		json_decref(jobs);
		json_t *job = stg_store_job(c->store, strtoll(serial, NULL, 10), err);
		return job ? json_pack("[o]", job) : NULL;
	}
	if (jobs && n == 0)
		stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_UNKNOWN_JOB, 0, "%s", *serial ? serial : batch);
	if (n && *serial) {
		json_t *newest = json_pack("[O]", json_array_get(jobs, n - 1));
		json_decref(jobs);
		return newest;
	}
	if (n == 0) {
		json_decref(jobs);
		return NULL;
	}
	return jobs;
}

static bool show(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *jobs = meant(c, in, err);
	if (!jobs)
		return false;
	int64_t id = stg_json_int(json_array_get(jobs, json_array_size(jobs) - 1), "id", 0);
	STG_AUTO(stg_json_free_at) json_t *job = stg_store_job(c->store, id, err);
	json_t *steps = job ? stg_store_steps(c->store, id, err) : NULL;
	if (!steps)
		return false;
	json_object_del(job, "profiles");   /* payload bytes are nobody's business on a screen */
	stg_json_put_new(job, "steps", steps);
	stg_json_put_int(job, "v", 1);
	*ret = stg_steal(job);
	return true;
}

static bool held(struct stg_op_ctx *c, const json_t *job, bool *ret, struct stg_error *err)
{
	struct stg_identity who = { 0 };
	struct stg_error why = { 0 };
	stg_copy(who.unit, sizeof(who.unit), stg_json_str(job, "unit"));
	stg_copy(who.serial, sizeof(who.serial), stg_json_str(job, "serial"));
	STG_AUTO(stg_json_free_at) json_t *hold = stg_store_hold_of(c->store, &who, &why);
	*ret = hold != NULL;
	if (hold || why.code == STG_E_NOT_FOUND)
		return true;
	if (err)
		*err = why;
	return false;
}

static bool one(struct stg_op_ctx *c, const json_t *job, enum stg_job_state to, const char *text, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *why = json_object();
	bool on_hold = false;
	if (to == STG_JOB_WAITING && !held(c, job, &on_hold, err))
		return false;
	if (on_hold)
		return stg_fail_id(err, STG_E_HOLD, STG_ID_ON_HOLD, 0, "%s", stg_json_str(job, "serial"));
	if (to == STG_JOB_CANCELLED && strcmp(stg_json_str(job, "state"), "running") == 0)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_ILLEGAL_MOVE, 0, "%lld", (long long)stg_json_int(job, "id", 0));
	stg_json_put(why, "msg", text);
	stg_json_put(why, "owner", c->actor);
	if (to == STG_JOB_WAITING)
		stg_json_put_int(why, "id", STG_ID_TAKEN_UP);   /* until it runs: the device may lie on the shelf */
	struct stg_error not_so = { 0 };
	if (!stg_store_job_move(c->store, stg_json_int(job, "id", 0), to, why, &not_so)) {
		if (err)
			*err = not_so;
		/* which state it is in and which it cannot take are words of the journal, not of a person */
		if (not_so.id == STG_ID_ILLEGAL_MOVE)
			stg_fail_id(err, not_so.code, STG_ID_ILLEGAL_MOVE, 0, "%lld", (long long)stg_json_int(job, "id", 0));
		return false;
	}
	json_t *detail = json_object();
	stg_json_put_int(detail, "job", stg_json_int(job, "id", 0));
	stg_json_put(detail, "was", stg_json_str(job, "state"));
	stg_json_put(detail, "why", text);
	return stg_op_audit(c, to == STG_JOB_WAITING ? "job.retry" : "job.cancel", stg_json_str(job, "serial"), stg_json_str(job, "unit"), detail, err);
}

static bool move(struct stg_op_ctx *c, const json_t *in, enum stg_job_state to, const char *word, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *jobs = stg_op_may(c, "technician", err) ? meant(c, in, err) : NULL;
	STG_AUTO(stg_json_free_at) json_t *moved = json_array(), *refused = json_array();
	size_t i;
	json_t *job;
	if (!jobs)
		return false;
	json_array_foreach(jobs, i, job) {
		struct stg_error why = { 0 };
		json_t *told = json_object();
		stg_json_put_int(told, "id", stg_json_int(job, "id", 0));
		stg_json_put(told, "serial", stg_json_str(job, "serial"));
		if (one(c, job, to, stg_json_str(in, "why"), &why)) {
			json_array_append_new(moved, told);
			continue;
		}
		/* a single job that cannot be moved is an error; among many it is told and the others go on */
		if (json_array_size(jobs) == 1 || (why.code != STG_E_REFUSED && why.code != STG_E_HOLD)) {
			json_decref(told);
			if (err)
				*err = why;
			return false;
		}
		stg_json_put_int(told, "code", why.id);
		stg_json_put(told, "msg", why.msg);
		json_array_append_new(refused, told);
	}
	*ret = json_pack("{s:i,s:O,s:O}", "v", 1, word, moved, "refused", refused);
	return true;
}

static bool retry(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	return move(c, in, STG_JOB_WAITING, "retried", ret, err);
}

static bool cancel(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	return move(c, in, STG_JOB_CANCELLED, "cancelled", ret, err);
}

const struct stg_op stg_ops_job[] = {
	{ "job.list", STG_OP_STORE, list },
	{ "job.show", STG_OP_STORE, show },
	{ "job.retry", STG_OP_STORE, retry },
	{ "job.cancel", STG_OP_STORE, cancel },
	{ 0 },
};
