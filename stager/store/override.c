/*
 * override.c - what one device does otherwise than its blueprint, why, and until when.
 *
 * For:    stager override; intake asks before a job begins.
 * Uses:   SQLite through db.h. Nothing is deleted: one that ended stays, with who ended it.
 * Called: ops/override.c, station/intake.c, papers.
 * Thread: the one that has the store.
 */
#include "db.h"

bool stg_store_override_add(struct stg_store *s, const json_t *override, int64_t *ret_id, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "INSERT INTO override (family, unit, serial, what, reason, by, since_ms, until_ms)"
			     " VALUES (:family, :unit, :serial, :what, :reason, :by, :now, :until)");
	stmt_text(&q, ":family", stg_json_str(override, "family"));
	stmt_text(&q, ":unit", stg_json_str(override, "unit"));
	stmt_text(&q, ":serial", stg_json_str(override, "serial"));
	stmt_json(&q, ":what", json_object_get(override, "what"));
	stmt_text(&q, ":reason", stg_json_str(override, "reason"));
	stmt_text(&q, ":by", stg_json_str(override, "by"));
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_int(&q, ":until", stg_json_int(override, "until_ms", 0));
	if (!stmt_done(&q, err))
		return false;
	*ret_id = sqlite3_last_insert_rowid(s->db);
	return true;
}

#define OVERRIDE_JSON "id, family, unit, serial, what AS \"what:json\", reason, by, since_ms, until_ms, ended_ms, ended_by, job"

json_t *stg_store_overrides(struct stg_store *s, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " OVERRIDE_JSON " FROM override ORDER BY id DESC");
	return stmt_list(&q, err);
}

json_t *stg_store_overrides_for(struct stg_store *s, const struct stg_identity *who, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "SELECT " OVERRIDE_JSON " FROM override WHERE ended_ms IS NULL AND until_ms > :now AND"
			     " ((unit <> '' AND unit = :unit AND family = :family) OR (unit = '' AND serial = :serial)) ORDER BY id");
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":unit", who->unit);
	stmt_text(&q, ":family", who->family);
	stmt_text(&q, ":serial", who->serial);
	return stmt_list(&q, err);
}

bool stg_store_override_used(struct stg_store *s, int64_t id, int64_t job, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE override SET job = :job WHERE id = :id");
	stmt_int(&q, ":job", job);
	stmt_int(&q, ":id", id);
	return stmt_done(&q, err);
}

bool stg_store_override_end(struct stg_store *s, int64_t id, const char *by, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE override SET ended_ms = :now, ended_by = :by WHERE id = :id AND ended_ms IS NULL");
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":by", by);
	stmt_int(&q, ":id", id);
	return stmt_done(&q, err) &&
	       (db_changes(s) == 1 || stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_NO_OVERRIDE, 0, "%lld", (long long)id));
}
