/*
 * queued.c - devices that cannot go on by themselves, each in a queue with a name.
 *
 * For:    `stager queue`, `stager status`; the network window; returned phones that nobody can open.
 * Uses:   SQLite. What follows from a job is asked, never stored, so that it cannot be wrong; what a person decided is kept.
 * Called: stager/ops, stager/station; record.c for the order of the MDM.
 * Thread: the one that has the store.
 */
#include <stdlib.h>

#include "db.h"

/* Open rows first by name, then by age: who has waited longest is served first. */
#define ALL_QUEUES \
	"SELECT CASE WHEN j.wait = 'line' THEN 'line' WHEN j.why_id IN (:awaited, :unasked) THEN 'registration' WHEN j.why_id = :recovery THEN 'restore' WHEN EXISTS (SELECT 1 FROM escrow AS e WHERE e.family = d.family AND e.unit = d.unit) THEN 'unlock'" \
	" ELSE 'locked' END AS queue, NULL AS id, j.id AS job, d.serial AS serial, d.unit AS unit, d.asset_tag AS asset_tag, b.name AS batch, j.port AS port," \
	" j.label AS label, j.why_id AS code, j.why_msg AS reason, '' AS actor, j.changed_ms AS since_ms FROM job AS j JOIN device AS d ON d.id = j.device" \
	" LEFT JOIN batch AS b ON b.id = j.batch WHERE j.state IN ('parked', 'hold') AND (j.wait = 'line' OR j.why_id IN (:locked, :unread, :unopened, :recovery, :awaited, :unasked))" \
	" AND NOT EXISTS (SELECT 1 FROM queued AS q WHERE q.done_ms IS NULL AND q.unit <> '' AND q.unit = d.unit)" \
	" UNION ALL SELECT 'canary', NULL, NULL, coalesce(nullif(w.serial, ''), d.serial), w.unit, d.asset_tag, NULL, NULL, NULL, CASE k.state WHEN 'failed' THEN :failed" \
	" ELSE :waits END, k.model || ' ' || k.os, '', w.since_ms FROM canary_wait AS w JOIN canary AS k ON k.id = w.canary LEFT JOIN device AS d ON d.family = w.family" \
	" AND d.unit = w.unit" \
	" UNION ALL SELECT q.queue, q.id, NULL, coalesce(nullif(q.serial, ''), d.serial), q.unit, d.asset_tag, NULL, NULL, NULL, q.why_id, q.reason, q.actor," \
	" q.since_ms FROM queued AS q LEFT JOIN device AS d ON q.unit <> '' AND d.unit = q.unit AND d.family = q.family WHERE q.done_ms IS NULL"

static void bind_locked(struct stmt *q)
{
	stmt_int(q, ":locked", STG_ID_DEVICE_LOCKED);
	stmt_int(q, ":unread", STG_ID_DEVICE_FIRST_UNLOCK);
	stmt_int(q, ":unopened", STG_ID_UNLOCK_NOT_OPENED);
	stmt_int(q, ":recovery", STG_ID_RECOVERY_READY);
	stmt_int(q, ":awaited", STG_ID_REGISTRATION_WAITS);
	stmt_int(q, ":unasked", STG_ID_REGISTRATION_NO_TARGET);
	stmt_int(q, ":failed", STG_ID_CANARY_FAILED);
	stmt_int(q, ":waits", STG_ID_CANARY_WAITS);
}

json_t *stg_store_queues(struct stg_store *s, const char *queue, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT * FROM (" ALL_QUEUES ") WHERE :queue = '' OR queue = :queue ORDER BY queue, since_ms, serial");
	bind_locked(&q);
	stmt_text(&q, ":queue", queue);
	return stmt_list(&q, err);
}

json_t *stg_store_queue_counts(struct stg_store *s, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT queue, count(*) FROM (" ALL_QUEUES ") GROUP BY queue");
	bind_locked(&q);
	STG_AUTO(stg_json_free_at) json_t *o = json_object();
	int got;
	while ((got = stmt_step(&q, err)) == 1)
		stg_json_put_int(o, col_text(&q, 0), col_int(&q, 1));
	return got == 0 ? stg_steal(o) : NULL;
}

static bool audit(struct stg_store *s, const char *actor, const char *verb, const char *queue, const char *unit, const char *serial, const char *why,
		  struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *entry = json_pack("{s:s,s:s,s:s,s:s,s:s,s:{s:s,s:s}}", "actor", *actor ? actor : "station", "verb", verb, "object",
							     queue, "unit", unit, "outcome", "done", "detail", "serial", serial, "why", why);
	return stg_store_audit(s, entry, err);
}

bool stg_store_queue_add(struct stg_store *s, const json_t *row, int64_t *ret_id, struct stg_error *err)
{
	const char *queue = stg_json_str(row, "queue"), *unit = stg_json_str(row, "unit"), *serial = stg_json_str(row, "serial"),
		   *actor = stg_json_str(row, "actor");
	int64_t id = 0;
	if (!*queue || (!*unit && !*serial))
		return stg_fail(err, STG_E_BUG, 0, "a queue without a device");
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT id FROM queued WHERE queue = :queue AND done_ms IS NULL AND ((unit <> '' AND unit = :unit)"
								  " OR (serial <> '' AND serial = :serial COLLATE NOCASE)) LIMIT 1");
		stmt_text(&q, ":queue", queue);
		stmt_text(&q, ":unit", unit);
		stmt_text(&q, ":serial", serial);
		int got = stmt_step(&q, err);
		if (got < 0)
			return false;
		id = got ? col_int(&q, 0) : 0;
	}
	if (!id) {
		STG_AUTO(stmt_close) struct stmt q =
			stmt_open(s, "INSERT INTO queued (queue, family, unit, serial, udid, why_id, reason, detail, actor, since_ms)"
				     " VALUES (:queue, :family, :unit, upper(:serial), :udid, :code, :reason, :detail, :actor, :now)");
		static const char *const texts[] = { "queue", "family", "unit", "serial", "udid", "reason", "actor" };
		for (size_t i = 0; i < STG_ARRAY_LEN(texts); i++) {
			char name[16] = ":";
			stg_copy(name + 1, sizeof(name) - 1, texts[i]);
			stmt_text(&q, name, stg_json_str(row, texts[i]));
		}
		stmt_int(&q, ":code", stg_json_int(row, "code", 0));
		stmt_json(&q, ":detail", json_object_get(row, "detail"));
		stmt_int(&q, ":now", stg_wall_ms());
		if (!stmt_done(&q, err))
			return false;
		id = sqlite3_last_insert_rowid(s->db);
		if (!audit(s, actor, "queue.add", queue, unit, serial, stg_json_str(row, "reason"), err))
			return false;
	}
	if (!tx_commit(&t, err))
		return false;
	if (ret_id)
		*ret_id = id;
	return true;
}

bool stg_store_queue_done(struct stg_store *s, int64_t id, const char *by, const char *why, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE queued SET done_ms = :now, done_by = :by, done_why = :why WHERE id = :id AND done_ms IS NULL"
							  " RETURNING queue, unit, serial");
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":by", by);
	stmt_text(&q, ":why", why);
	stmt_int(&q, ":id", id);
	int got = stmt_step(&q, err);
	if (got < 0)
		return false;
	if (!got)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_NOT_QUEUED, 0, "%lld", (long long)id);
	STG_AUTO(stg_json_free_at) json_t *row = stmt_object(&q, err);
	return row && stmt_done(&q, err) &&
	       audit(s, by, "queue.done", stg_json_str(row, "queue"), stg_json_str(row, "unit"), stg_json_str(row, "serial"), why, err) && tx_commit(&t, err);
}

bool queued_over(struct stg_store *s, const struct stg_identity *who, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE queued SET done_ms = :now, done_by = 'station', done_why = 'staged' WHERE done_ms IS NULL"
							  " AND ((unit <> '' AND unit = :unit) OR (serial <> '' AND serial = :serial))");
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":unit", who->unit);
	stmt_text(&q, ":serial", who->serial);
	return stmt_done(&q, err);
}

/* ---- orders for the MDM ---- */

json_t *mdm_order_part(struct stg_store *s, const json_t *job, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT detail, reason, actor, since_ms FROM queued WHERE queue = 'mdm' AND done_ms IS NULL"
							  " AND family = :family AND unit = :unit ORDER BY id DESC LIMIT 1");
	stmt_text(&q, ":family", stg_json_str(job, "family"));
	stmt_text(&q, ":unit", stg_json_str(job, "unit"));
	int got = stmt_step(&q, err);
	if (got <= 0)
		return got ? NULL : json_object();
	STG_AUTO(stg_json_free_at) json_t *detail = col_json(&q, 0, err);
	char since[STG_TIME_TEXT];
	if (!detail)
		return NULL;
	json_t *o = json_object();
	stg_time_text(col_int(&q, 3), since);
	stg_json_put(o, "verb", stg_json_str(detail, "verb"));
	stg_json_put(o, "reason", col_text(&q, 1));
	stg_json_put(o, "by", col_text(&q, 2));
	stg_json_put(o, "since", since);
	return o;
}

/* The device's open job, standing; else a new one that has nothing to do but tell. */
static bool job_for_order(struct stg_store *s, const struct stg_identity *who, const char *actor, int64_t *ret, bool *ret_own, struct stg_error *err)
{
	struct stg_error none = { 0 };
	STG_AUTO(stg_json_free_at) json_t *open = stg_store_job_open(s, who->family, who->unit, &none);
	if (!open && none.code != STG_E_NOT_FOUND)
		return *err = none, false;
	*ret_own = !open;
	if (!open) {
		STG_AUTO(stg_json_free_at) json_t *job =
			json_pack("{s:s,s:s,s:s,s:{s:i,s:s,s:s,s:[]}}", "family", who->family, "unit", who->unit, "actor", actor, "blueprint", "v", 1, "name",
				  "order-for-mdm", "sha256", "", "steps");
		return stg_store_job_add(s, job, ret, err);
	}
	*ret = stg_json_int(open, "id", 0);
	const char *state = stg_json_str(open, "state");
	if (strcmp(state, "running") == 0)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_ILLEGAL_MOVE, 0, "job %lld is running", (long long)*ret);
	return strcmp(state, "waiting") == 0 || stg_store_job_move(s, *ret, STG_JOB_WAITING, NULL, err);
}

bool stg_store_mdm_order(struct stg_store *s, const struct stg_identity *who, const char *verb, const char *reason, const char *actor,
			 struct stg_error *err)
{
	int64_t job = 0;
	bool own = false;
	STG_AUTO(tx_end) struct tx t = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row =
		json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:s,s:s,s:{s:s}}", "queue", "mdm", "family", who->family, "unit", who->unit, "serial", who->serial, "udid",
			  who->udid, "code", (int)STG_ID_QUEUED_MDM, "reason", reason, "actor", actor, "detail", "verb", verb);
	STG_AUTO(stg_json_free_at) json_t *why = json_pack("{s:s,s:i,s:s,s:s}", "wait", "person", "id", (int)STG_ID_QUEUED_MDM, "code", "waiting", "msg", verb);
	/* a job made to tell ends with it: it has no steps and must not be "staged" at the next plug */
	return tx_begin(&t, s, err) && job_for_order(s, who, actor, &job, &own, err) && stg_store_queue_add(s, row, NULL, err) &&
	       stg_store_job_move(s, job, STG_JOB_RUNNING, NULL, err) &&
	       stg_store_job_finish(s, job, own ? STG_JOB_FAILED : STG_JOB_PARKED, own ? STG_END_HOLD : STG_END_WAITING, why, who, NULL, NULL, err) &&
	       tx_commit(&t, err);
}
