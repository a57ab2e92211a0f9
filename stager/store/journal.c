/*
 * journal.c - jobs and their steps: what was begun, what came of it.
 *
 * For:    intake (new jobs), the recorder (every move and step), recovery after a crash.
 * Uses:   SQLite; the table of legal moves is stg_job_may_move().
 * Called: stager/station, stager/ops.
 * Thread: the one that has the store.
 */
#include <stdlib.h>

#include "db.h"

#define JOB_JSON \
	"job.id AS id, device.family AS family, device.unit AS unit, device.serial AS serial, device.udid AS udid," \
	" device.model_name AS model_name, device.name AS device_name, device.asset_tag AS asset_tag," \
	" batch.name AS batch, job.row AS row, job.state AS state, job.end_state AS \"end\", job.wait AS wait," \
	" job.blueprint_name AS blueprint_name, job.blueprint AS blueprint_pin, job.profiles AS profiles_pin, job.attributes AS \"attributes:json\"," \
	" job.port AS port, job.label AS label, job.attach AS attach, job.actor AS actor, job.tries AS tries," \
	" job.why_id AS code, job.why_code AS error, job.why_msg AS msg, job.why_step AS step, job.why_owner AS owner," \
	" job.record_id AS record_id, job.created_ms AS created_ms, job.changed_ms AS changed_ms, job.started_ms AS started_ms," \
	" job.ended_ms AS ended_ms"
#define JOB_FROM " FROM job JOIN device ON device.id = job.device LEFT JOIN batch ON batch.id = job.batch"
/* ---- jobs ---- */

static bool note_event(struct stg_store *s, int64_t job, const char *state, const json_t *why, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO job_event (job, at_ms, state, why) VALUES (:job, :now, :state, :why)");
	stmt_int(&q, ":job", job);
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":state", state);
	stmt_json(&q, ":why", why);
	return stmt_done(&q, err);
}

static bool has_open_job(struct stg_store *s, int64_t device, int64_t *ret, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT id FROM job WHERE device = :device AND state NOT IN ('done','failed','cancelled')");
	stmt_int(&q, ":device", device);
	int got = stmt_step(&q, err);
	*ret = got == 1 ? col_int(&q, 0) : 0;
	return got >= 0;
}

/* The order's line now belongs to this unit: what the order says about it becomes what the inventory says. */
static bool bind_row(struct stg_store *s, int64_t row, int64_t device, int64_t job, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE batch_row SET device = :device, job = :job WHERE id = :row AND (device IS NULL OR device = :device)");
	stmt_int(&q, ":device", device);
	stmt_int(&q, ":job", job);
	stmt_int(&q, ":row", row);
	if (!stmt_done(&q, err))
		return false;
	if (db_changes(s) != 1)
		return stg_fail_id(err, STG_E_HOLD, STG_ID_ROW_TAKEN, 0, "order line %lld belongs to another device", (long long)row);
	STG_AUTO(stmt_close) struct stmt r = stmt_open(s, "SELECT device.family, device.unit, batch_row.asset_tag, batch_row.attributes, batch_row.ownership"
							  " FROM batch_row JOIN device ON device.id = batch_row.device WHERE batch_row.id = :row");
	stmt_int(&r, ":row", row);
	if (!stmt_one(&r, STG_ID_UNKNOWN_BATCH, "order line", err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *attributes = col_is_null(&r, 3) ? NULL : col_json(&r, 3, err);
	if (!attributes && !col_is_null(&r, 3))
		return false;
	return stg_store_device_tag(s, col_text(&r, 0), col_text(&r, 1), col_text(&r, 2), attributes, err) &&
	       (strcmp(col_text(&r, 4), "unknown") == 0 || stg_store_ownership(s, col_text(&r, 0), col_text(&r, 1), col_text(&r, 4), err));
}

static bool pin_of(struct stg_store *s, const json_t *job, const char *key, char ret[65], struct stg_error *err)
{
	const json_t *body = json_object_get(job, key);
	ret[0] = 0;
	return !body || json_is_null(body) || pin_put(s, body, ret, err);
}

bool stg_store_job_add(struct stg_store *s, const json_t *job, int64_t *ret_id, struct stg_error *err)
{
	int64_t device, open, id;
	char blueprint[65], profiles[65];
	int64_t row = stg_json_int(job, "row", 0);
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err) || !device_id(s, stg_json_str(job, "family"), stg_json_str(job, "unit"), &device, err) ||
	    !has_open_job(s, device, &open, err))
		return false;
	if (s->reserve == RESERVE_SPENT && !reserve_keep(s))
		return stg_fail_id(err, STG_E_IO, STG_ID_DISK_FULL, 0, "%s", "");
	if (open)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_JOB_OPEN, 0, "%lld", (long long)open);
	if (!pin_of(s, job, "blueprint", blueprint, err) || !pin_of(s, job, "profiles", profiles, err))
		return false;
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(
			s, "INSERT INTO job (device, batch, row, state, blueprint, blueprint_name, profiles, attributes, port, label, attach, actor,"
			   " created_ms, changed_ms) VALUES (:device, (SELECT id FROM batch WHERE name = :batch), :row, 'waiting', :blueprint,"
			   " :blueprint_name, :profiles, :attributes, :port, :label, :attach, :actor, :now, :now)");
		stmt_int(&q, ":device", device);
		stmt_text(&q, ":batch", stg_json_str(job, "batch"));
		stmt_int_or_null(&q, ":row", row);
		stmt_text_or_null(&q, ":blueprint", blueprint);
		stmt_text(&q, ":blueprint_name", stg_json_str(json_object_get(job, "blueprint"), "name"));
		stmt_text_or_null(&q, ":profiles", profiles);
		stmt_json(&q, ":attributes", json_object_get(job, "attributes"));
		stmt_text(&q, ":port", stg_json_str(job, "port"));
		stmt_text(&q, ":label", stg_json_str(job, "label"));
		stmt_int(&q, ":attach", stg_json_int(job, "attach", 0));
		stmt_text(&q, ":actor", stg_json_str(job, "actor"));
		stmt_int(&q, ":now", stg_wall_ms());
		if (!stmt_done(&q, err))
			return false;
		id = sqlite3_last_insert_rowid(s->db);
	}
	if ((row && !bind_row(s, row, device, id, err)) || !note_event(s, id, "waiting", NULL, err) || !tx_commit(&t, err))
		return false;
	*ret_id = id;
	return true;
}

/* The reason also as it was given to job_move, in the house's words for errors: {"wait","id","code","msg","step","owner"}. */
static json_t *with_why(json_t *job)
{
	static const char *const texts[][2] = { { "wait", "wait" }, { "error", "code" }, { "msg", "msg" }, { "step", "step" }, { "owner", "owner" } };
	if (!job)
		return NULL;
	json_t *why = json_object();
	for (size_t i = 0; i < STG_ARRAY_LEN(texts); i++)
		stg_json_put(why, texts[i][1], stg_json_str(job, texts[i][0]));
	if (stg_json_int(job, "code", 0))
		stg_json_put_int(why, "id", stg_json_int(job, "code", 0));
	if (json_object_size(why))
		stg_json_put_new(job, "why", why);
	else
		json_decref(why);
	return job;
}

/* Takes the reference of `job`. */
static json_t *with_pins(struct stg_store *s, json_t *job, struct stg_error *err)
{
	static const char *const pins[][2] = { { "blueprint_pin", "blueprint" }, { "profiles_pin", "profiles" } };
	for (size_t i = 0; job && i < STG_ARRAY_LEN(pins); i++) {
		const char *sha256 = stg_json_str(job, pins[i][0]);
		json_t *tree = *sha256 ? pin_get(s, sha256, err) : NULL;
		if (*sha256 && !tree) {
			json_decref(job);
			return NULL;
		}
		if (tree)
			stg_json_put_new(job, pins[i][1], tree);
	}
	return with_why(job);
}

json_t *stg_store_job(struct stg_store *s, int64_t id, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " JOB_JSON JOB_FROM " WHERE job.id = :id");
	char number[24];
	snprintf(number, sizeof(number), "%lld", (long long)id);
	stmt_int(&q, ":id", id);
	return stmt_one(&q, STG_ID_UNKNOWN_JOB, number, err) ? with_pins(s, stmt_object(&q, err), err) : NULL;
}

json_t *stg_store_job_open(struct stg_store *s, const char *family, const char *unit, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "SELECT " JOB_JSON JOB_FROM " WHERE device.family = :family AND device.unit = :unit"
			     " AND job.state NOT IN ('done','failed','cancelled') ORDER BY job.id DESC LIMIT 1");
	stmt_text(&q, ":family", family);
	stmt_text(&q, ":unit", unit);
	return stmt_one(&q, STG_ID_UNKNOWN_JOB, unit, err) ? with_pins(s, stmt_object(&q, err), err) : NULL;
}

json_t *stg_store_jobs(struct stg_store *s, const json_t *filter, struct stg_error *err)
{
	const char *state = stg_json_str(filter, "state"), *batch = stg_json_str(filter, "batch"), *serial = stg_json_str(filter, "serial");
	/* one constant statement for each way in, so that each has an index */
	static const char by_batch[] = "SELECT " JOB_JSON JOB_FROM " WHERE job.batch = (SELECT id FROM batch WHERE name = :batch)"
				       " AND (:state = '' OR job.state = :state) AND (:open = 0 OR job.state NOT IN ('done','failed','cancelled'))"
				       " AND (:serial = '' OR device.serial = :serial OR device.unit = :serial) ORDER BY job.id";
	static const char by_serial[] = "SELECT " JOB_JSON JOB_FROM " WHERE job.device IN (SELECT id FROM device WHERE serial <> '' AND serial = :serial"
					" UNION SELECT id FROM device WHERE unit = :serial)"
					" AND (:state = '' OR job.state = :state) AND (:open = 0 OR job.state NOT IN ('done','failed','cancelled'))"
					" AND :batch = '' ORDER BY job.id";
	static const char by_state[] = "SELECT " JOB_JSON JOB_FROM " WHERE job.state = :state"
				       " AND (:open = 0 OR job.state NOT IN ('done','failed','cancelled')) AND :batch = '' AND :serial = '' ORDER BY job.id";
	static const char open_ones[] = "SELECT " JOB_JSON JOB_FROM " WHERE job.state IN ('waiting','running','parked','hold','interrupted')"
					" AND :open = 1 AND :state = '' AND :batch = '' AND :serial = '' ORDER BY job.id";
	static const char all[] = "SELECT " JOB_JSON JOB_FROM " WHERE :open = 0 AND :state = '' AND :batch = '' AND :serial = '' ORDER BY job.id";
	bool open = stg_json_bool(filter, "open", false);
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, *batch ? by_batch : *serial ? by_serial : *state ? by_state : open ? open_ones : all);
	stmt_text(&q, ":batch", batch);
	stmt_text(&q, ":serial", serial);
	stmt_text(&q, ":state", state);
	stmt_int(&q, ":open", open);
	json_t *jobs = stmt_list(&q, err), *one;
	size_t i;
	json_array_foreach(jobs, i, one)
		(void)with_why(one);
	return jobs;
}

static bool state_of(struct stg_store *s, int64_t job, enum stg_job_state *ret, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT state FROM job WHERE id = :id");
	char number[24];
	snprintf(number, sizeof(number), "%lld", (long long)job);
	stmt_int(&q, ":id", job);
	if (!stmt_one(&q, STG_ID_UNKNOWN_JOB, number, err))
		return false;
	if (!stg_job_state_parse(col_text(&q, 0), ret))
		return stg_fail_id(err, STG_E_IO, STG_ID_DATABASE_DAMAGED, 0, "job %lld has no state we know", (long long)job);
	return true;
}

bool stg_store_job_move(struct stg_store *s, int64_t job, enum stg_job_state to, const json_t *why, struct stg_error *err)
{
	enum stg_job_state from;
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err) || !state_of(s, job, &from, err))
		return false;
	if (!stg_job_may_move(from, to))
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_ILLEGAL_MOVE, 0, "job %lld is %s, it cannot become %s", (long long)job,
				   stg_job_state_name(from), stg_job_state_name(to));
	if (from == STG_JOB_FAILED) {
		/* tried again: only one open job for a device */
		STG_AUTO(stmt_close) struct stmt o = stmt_open(s, "SELECT o.id FROM job JOIN job AS o ON o.device = job.device AND o.id <> job.id"
								  " AND o.state NOT IN ('done','failed','cancelled') WHERE job.id = :id");
		stmt_int(&o, ":id", job);
		int got = stmt_step(&o, err);
		if (got < 0)
			return false;
		if (got && to != STG_JOB_CANCELLED)
			return stg_fail_id(err, STG_E_REFUSED, STG_ID_JOB_OPEN, 0, "%lld", (long long)col_int(&o, 0));
	}
	if (to == STG_JOB_RUNNING) {
		/* pausing or closing a batch stops what has not begun; what runs goes on */
		STG_AUTO(stmt_close) struct stmt b = stmt_open(s, "SELECT batch.name FROM job JOIN batch ON batch.id = job.batch WHERE job.id = :id AND batch.state <> 'started'");
		stmt_int(&b, ":id", job);
		int got = stmt_step(&b, err);
		if (got < 0)
			return false;
		if (got)
			return stg_fail_id(err, STG_E_WAITING, STG_ID_BATCH_NOT_STARTED, 0, "%s", col_text(&b, 0));
	}
	bool ends = to == STG_JOB_DONE || to == STG_JOB_FAILED || to == STG_JOB_CANCELLED;
	const char *wait = stg_json_str(why, "wait");
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "UPDATE job SET state = :state, wait = :wait, why_id = :id, why_code = :code, why_msg = :msg,"
		   " why_step = :step, why_owner = :owner, port = coalesce(:port, port), label = coalesce(:label, label),"
		   " attach = coalesce(:attach, attach), tries = tries + (:state = 'running'), end_state = CASE WHEN :ends THEN end_state ELSE '' END,"
		   " started_ms = CASE WHEN :state = 'running' THEN coalesce(started_ms, :now) ELSE started_ms END,"
		   " ended_ms = CASE WHEN :ends THEN :now ELSE NULL END, changed_ms = :now WHERE id = :job");
	stmt_text(&q, ":state", stg_job_state_name(to));
	stmt_text(&q, ":wait", to == STG_JOB_PARKED && !*wait ? "person" : wait);
	stmt_int(&q, ":id", stg_json_int(why, "id", 0));
	stmt_text(&q, ":code", stg_json_str(why, "code"));
	stmt_text(&q, ":msg", stg_json_str(why, "msg"));
	stmt_text(&q, ":step", stg_json_str(why, "step"));
	stmt_text(&q, ":owner", stg_json_str(why, "owner"));
	stmt_text_or_null(&q, ":port", stg_json_str(why, "port"));
	stmt_text_or_null(&q, ":label", stg_json_str(why, "label"));
	stmt_int_or_null(&q, ":attach", stg_json_int(why, "attach", 0));
	stmt_int(&q, ":ends", ends);
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_int(&q, ":job", job);
	return stmt_done(&q, err) && note_event(s, job, stg_job_state_name(to), why, err) && tx_commit(&t, err);
}

/* ---- steps ---- */

bool stg_store_step_begin(struct stg_store *s, int64_t job, int n, const char *key, const char *step, const json_t *asked, struct stg_error *err)
{
	enum stg_job_state state;
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err) || !state_of(s, job, &state, err))
		return false;
	if (state != STG_JOB_RUNNING)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_ILLEGAL_MOVE, 0, "job %lld is %s: no step can begin", (long long)job, stg_job_state_name(state));
	STG_AUTO(stmt_close) struct stmt open = stmt_open(s, "SELECT key FROM step WHERE job = :job AND ended_ms IS NULL");
	stmt_int(&open, ":job", job);
	int got = stmt_step(&open, err);
	if (got < 0)
		return false;
	if (got)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_ILLEGAL_MOVE, 0, "step %s of job %lld has not ended", col_text(&open, 0), (long long)job);
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "INSERT INTO step (job, n, try, key, step, asked, began_ms) VALUES (:job, :n,"
			     " (SELECT coalesce(max(try), 0) + 1 FROM step WHERE job = :job AND n = :n), :key, :step, :asked, :now)");
	stmt_int(&q, ":job", job);
	stmt_int(&q, ":n", n);
	stmt_text(&q, ":key", key);
	stmt_text(&q, ":step", step);
	stmt_json(&q, ":asked", asked);
	stmt_int(&q, ":now", stg_wall_ms());
	return stmt_done(&q, err) && tx_commit(&t, err);
}

static bool known_outcome(const char *outcome)
{
	static const char *const words[] = { "done", "proven", "skipped", "failed", "interrupted", "unknown", "waiting" };
	for (size_t i = 0; i < STG_ARRAY_LEN(words); i++)
		if (strcmp(words[i], outcome) == 0)
			return true;
	return false;
}

/* A step that never began because it was skipped or found proven gets its row here, begun and ended at once. */
static bool step_at_once(struct stg_store *s, int64_t job, int n, const char *key, struct stg_error *err)
{
	const char *dash = strchr(key, '-');
	char step[64];
	stg_copy(step, sizeof(step), dash ? dash + 1 : key);   /* "03-install_profile-wifi" */
	step[strcspn(step, "-")] = 0;
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "INSERT INTO step (job, n, try, key, step, began_ms) VALUES (:job, :n,"
			     " (SELECT coalesce(max(try), 0) + 1 FROM step WHERE job = :job AND n = :n), :key, :step, :now)");
	stmt_int(&q, ":job", job);
	stmt_int(&q, ":n", n);
	stmt_text(&q, ":key", key);
	stmt_text(&q, ":step", step);
	stmt_int(&q, ":now", stg_wall_ms());
	return stmt_done(&q, err);
}

bool stg_store_step_end(struct stg_store *s, int64_t job, int n, const char *key, const char *outcome, const json_t *evidence,
			const struct stg_error *why, int64_t took_ms, struct stg_error *err)
{
	if (!known_outcome(outcome))
		return stg_fail(err, STG_E_BUG, 0, "a step cannot end as '%s'", outcome);
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	for (int pass = 0; pass < 2; pass++) {
		STG_AUTO(stmt_close) struct stmt q =
			stmt_open(s, "UPDATE step SET ended_ms = :now, outcome = :outcome, evidence = :evidence, why_id = :id, why_code = :code, why_msg = :msg,"
				     " took_ms = :took WHERE job = :job AND n = :n AND key = :key AND ended_ms IS NULL");
		stmt_int(&q, ":now", stg_wall_ms());
		stmt_text(&q, ":outcome", outcome);
		stmt_json(&q, ":evidence", evidence);
		stmt_int(&q, ":id", why ? why->id : 0);
		stmt_text(&q, ":code", why && why->code != STG_OK ? stg_code_name(why->code) : "");
		stmt_text(&q, ":msg", why ? why->msg : "");
		stmt_int(&q, ":took", took_ms);
		stmt_int(&q, ":job", job);
		stmt_int(&q, ":n", n);
		stmt_text(&q, ":key", key);
		if (!stmt_done(&q, err))
			return false;
		if (db_changes(s) == 1)
			return tx_commit(&t, err);
		if (pass || (strcmp(outcome, "skipped") != 0 && strcmp(outcome, "proven") != 0))
			return stg_fail_id(err, STG_E_REFUSED, STG_ID_ILLEGAL_MOVE, 0, "step %s of job %lld has not begun", key, (long long)job);
		if (!step_at_once(s, job, n, key, err))
			return false;
	}
	return false;
}

json_t *stg_store_steps(struct stg_store *s, int64_t job, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "SELECT n, try, key, step, asked AS \"asked:json\", began_ms, ended_ms, outcome, evidence AS \"evidence:json\","
			     " why_id AS code, why_code AS error, why_msg AS msg, took_ms FROM step WHERE job = :job ORDER BY n, try");
	stmt_int(&q, ":job", job);
	return stmt_list(&q, err);
}

/* ---- after a crash ---- */

bool stg_store_recover(struct stg_store *s, int64_t *ret_jobs, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	int64_t jobs = 0;
	if (!tx_begin(&t, s, err))
		return false;
	/* an erase that was begun may have happened; everything else is re-read and, if unproven, done again */
	if (!db_run(s, "UPDATE step SET ended_ms = CAST(unixepoch() * 1000 AS INTEGER), outcome = CASE WHEN step = 'erase' THEN 'unknown' ELSE 'interrupted' END,"
		       " why_code = 'unknown', why_msg = 'the station ended during this step' WHERE ended_ms IS NULL", err))
		return false;
	for (;;) {
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT id FROM job WHERE state = 'running' LIMIT 1");
		int got = stmt_step(&q, err);
		if (got < 0)
			return false;
		if (got == 0)
			break;
		int64_t id = col_int(&q, 0);
		stmt_close(&q);
		STG_AUTO(stg_json_free_at) json_t *why = json_pack("{s:s,s:s}", "code", "unknown", "msg", "the station ended while it ran");
		if (!stg_store_job_move(s, id, STG_JOB_INTERRUPTED, why, err))
			return false;
		jobs++;
	}
	if (!outbox_in_doubt(s, err))
		return false;
	/* backoff was counted on the clock of a boot that is over: everything is due again */
	STG_AUTO(stg_buf_clear) struct stg_buf boot = STG_BUF(128);
	if (!meta_get(s, "boot_id", &boot, err))
		return false;
	if (strcmp(stg_buf_str(&boot), stg_boot_id()) != 0 &&
	    (!db_run(s, "UPDATE target SET not_before_ms = 0 WHERE not_before_ms <> 0", err) || !outbox_due_now(s, err) ||
	     !meta_set(s, "boot_id", stg_boot_id(), err)))
		return false;
	if (!tx_commit(&t, err))
		return false;
	if (ret_jobs)
		*ret_jobs = jobs;
	return true;
}
