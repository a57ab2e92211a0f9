/*
 * leaver.c - a returned phone: what was decided about its data, and what the intake found.
 *
 * For:    cmd/leaver.c.
 * Uses:   the store.
 * Called: as operations.
 * Thread: the recorder's.
 *
 *   leaver.backup  {"serials":[...],"answer":"none|done|wanted","by"} -> {"v":1,"answer","serials":[...],"released":n}
 *   leaver.show    {"serial"} -> {"v":1,"serial","backup":{answer,by,at_ms},"checks":[{check,verdict,code,seen,stops}],"checked_ms"}
 */
#include <string.h>

#include <stager/op.h>

/* A job that stands for want of this answer goes on. */
static bool release(struct stg_op_ctx *c, const char *serial, int64_t *released, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:s, s:s}", "serial", serial, "state", "hold");
	STG_AUTO(stg_json_free_at) json_t *jobs = stg_store_jobs(c->store, filter, err);
	size_t i;
	json_t *job;
	if (!jobs)
		return false;
	json_array_foreach(jobs, i, job) {
		int64_t code = stg_json_int(job, "code", 0);
		if (code != STG_ID_BACKUP_UNDECIDED && code != STG_ID_BACKUP_WANTED)
			continue;
		if (!stg_store_job_move(c->store, stg_json_int(job, "id", 0), STG_JOB_WAITING, NULL, err))
			return false;
		++*released;
	}
	return true;
}

static bool backup(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *what = stg_json_str(in, "answer"), *by = stg_json_str(in, "by");
	const json_t *serials = json_object_get(in, "serials");
	int64_t released = 0;
	size_t i;
	json_t *one;
	if (!json_array_size(serials) || !*by)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "%s", *by ? "SERIAL" : "--by");
	if (strcmp(what, "none") != 0 && strcmp(what, "done") != 0 && strcmp(what, "wanted") != 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "'%.40s': none, done, wanted", what);
	json_array_foreach((json_t *)serials, i, one)
		if (!stg_store_decide(c->store, json_string_value(one), "backup", what, by, c->actor, err) ||
		    (strcmp(what, "wanted") != 0 && !release(c, json_string_value(one), &released, err)))
			return false;
	*ret = json_pack("{s:i, s:s, s:O, s:I}", "v", 1, "answer", what, "serials", serials, "released", (json_int_t)released);
	return true;
}

/* The evidence of the newest intake check of this device; NULL: there was none. Borrowed from `history`. */
static const json_t *last_checks(const json_t *history, int64_t *ret_ms)
{
	const json_t *found = NULL, *job, *step;
	size_t i, k;
	json_array_foreach(json_object_get(history, "jobs"), i, job)
		json_array_foreach(json_object_get(job, "steps"), k, step) {
			const json_t *seen = json_object_get(json_object_get(json_object_get(step, "evidence"), "reread"), "checks");
			if (strcmp(stg_json_str(step, "step"), "intake_check") != 0 || !seen || stg_json_int(step, "began_ms", 0) < *ret_ms)
				continue;
			*ret_ms = stg_json_int(step, "began_ms", 0);
			found = seen;
		}
	return found;
}

static bool show(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *serial = stg_json_str(in, "serial");
	int64_t at_ms = 0;
	STG_AUTO(stg_json_free_at) json_t *history = stg_store_history(c->store, serial, err);
	if (!history)
		return false;
	struct stg_identity who = { 0 };
	const json_t *device = json_object_get(history, "device") ? json_object_get(history, "device") : history;
	stg_copy(who.family, sizeof(who.family), stg_json_str_or(device, "family", "apple"));
	stg_copy(who.unit, sizeof(who.unit), stg_json_str(device, "unit"));
	stg_copy(who.serial, sizeof(who.serial), stg_json_str_or(device, "serial", serial));
	STG_AUTO(stg_json_free_at) json_t *origin = stg_store_origin(c->store, &who, err);
	if (!origin)
		return false;
	const json_t *checks = last_checks(history, &at_ms);
	*ret = json_pack("{s:i, s:s}", "v", 1, "serial", who.serial);
	if (json_object_get(origin, "backup"))
		json_object_set(*ret, "backup", json_object_get(origin, "backup"));
	stg_json_put_new(*ret, "checks", checks ? json_deep_copy(checks) : json_array());
	if (at_ms)
		stg_json_put_int(*ret, "checked_ms", at_ms);
	return true;
}

const struct stg_op stg_ops_leaver[] = {
	{ "leaver.backup", STG_OP_STORE, backup },
	{ "leaver.show", STG_OP_STORE, show },
	{ 0 },
};
