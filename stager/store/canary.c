/*
 * canary.c - the first of a kind: model, system and blueprint that were not together here yet.
 *
 * For:    batches that are started with canaries: the first few run with extra checks, the rest of the kind waits.
 * Uses:   SQLite through db.h.
 * Called: station/intake.c before a job is made, record.c when one ends, ops/canary.c.
 * Thread: the one that has the store.
 *
 * A kind is testing until so many canaries were staged, or one failed. One that is put on hold or cancelled has proven nothing:
 * its place is free again. What passed once has passed for every batch.
 */
#include "db.h"

#define CANARY_JSON "id, model, os, blueprint, sha256, wanted, state, why_id AS code, why, serial, by, since_ms, changed_ms"

static json_t *kind_of(struct stg_store *s, const struct stg_identity *who, const char *sha256, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " CANARY_JSON " FROM canary WHERE model = :model AND os = :os AND sha256 = :sha256");
	stmt_text(&q, ":model", who->model);
	stmt_text(&q, ":os", who->os_version);
	stmt_text(&q, ":sha256", sha256);
	int got = stmt_step(&q, err);
	return got < 0 ? NULL : got ? stmt_object(&q, err) : json_object();
}

static bool add_kind(struct stg_store *s, const struct stg_identity *who, const char *sha256, const char *blueprint, int64_t wanted, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO canary (model, os, blueprint, sha256, wanted, state, since_ms, changed_ms)"
							  " VALUES (:model, :os, :blueprint, :sha256, :wanted, 'testing', :now, :now)");
	stmt_text(&q, ":model", who->model);
	stmt_text(&q, ":os", who->os_version);
	stmt_text(&q, ":blueprint", blueprint);
	stmt_text(&q, ":sha256", sha256);
	stmt_int(&q, ":wanted", wanted);
	stmt_int(&q, ":now", stg_wall_ms());
	return stmt_done(&q, err);
}

/* Those that are under way or were staged; the others have given their place back. */
static bool taken(struct stg_store *s, int64_t canary, int64_t *ret_taken, int64_t *ret_staged, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "SELECT count(*), coalesce(sum(job.end_state = 'staged'), 0) FROM canary_job JOIN job ON job.id = canary_job.job"
			     " WHERE canary_job.canary = :canary AND job.state NOT IN ('hold','cancelled')");
	stmt_int(&q, ":canary", canary);
	if (!stmt_one(&q, STG_ID_NONE, "canaries", err))
		return false;
	*ret_taken = col_int(&q, 0);
	*ret_staged = col_int(&q, 1);
	return true;
}

/* It was here and must wait: no job says so, so this does. Gone as soon as it is asked for again and may go. */
static bool note_wait(struct stg_store *s, const struct stg_identity *who, int64_t canary, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, canary ? "INSERT INTO canary_wait (family, unit, serial, udid, canary, since_ms) VALUES (:family, :unit, :serial, :udid, :canary, :now)"
				      " ON CONFLICT (family, unit) DO UPDATE SET serial = :serial, udid = :udid, canary = :canary"
				    : "DELETE FROM canary_wait WHERE family = :family AND unit = :unit");
	stmt_text(&q, ":family", who->family);
	stmt_text(&q, ":unit", who->unit);
	if (canary) {
		stmt_text(&q, ":serial", who->serial);
		stmt_text(&q, ":udid", who->udid);
		stmt_int(&q, ":canary", canary);
		stmt_int(&q, ":now", stg_wall_ms());
	}
	return stmt_done(&q, err);
}

bool stg_store_canary_ask(struct stg_store *s, const struct stg_identity *who, const json_t *blueprint, enum stg_canary *ret, json_t **ret_kind, struct stg_error *err)
{
	const char *sha256 = stg_json_str(blueprint, "sha256");
	int64_t wanted = stg_json_int(blueprint, "canaries", 0), n = 0, staged = 0;
	*ret = STG_CANARY_GO;
	*ret_kind = NULL;
	if (wanted <= 0)
		return true;
	STG_AUTO(stg_json_free_at) json_t *kind = kind_of(s, who, sha256, err);
	if (!kind)
		return false;
	if (!json_object_size(kind)) {
		json_decref(kind);
		kind = NULL;
		if (!add_kind(s, who, sha256, stg_json_str(blueprint, "name"), wanted, err) || !(kind = kind_of(s, who, sha256, err)))
			return false;
	}
	const char *state = stg_json_str(kind, "state");
	if (strcmp(state, "passed") == 0 || strcmp(state, "released") == 0)
		return note_wait(s, who, 0, err);
	if (!taken(s, stg_json_int(kind, "id", 0), &n, &staged, err))
		return false;
	*ret = strcmp(state, "failed") == 0 ? STG_CANARY_STOPPED : n < stg_json_int(kind, "wanted", 1) ? STG_CANARY_FIRST : STG_CANARY_WAIT;
	if (!note_wait(s, who, *ret == STG_CANARY_FIRST ? 0 : stg_json_int(kind, "id", 0), err))
		return false;
	*ret_kind = stg_steal(kind);
	return true;
}

bool stg_store_canary_take(struct stg_store *s, int64_t canary, int64_t job, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO canary_job (job, canary) VALUES (:job, :canary)");
	stmt_int(&q, ":job", job);
	stmt_int(&q, ":canary", canary);
	return stmt_done(&q, err);
}

static bool settle(struct stg_store *s, int64_t canary, const char *state, const json_t *why, const char *serial, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE canary SET state = :state, why_id = :id, why = :why, serial = :serial, changed_ms = :now"
							  " WHERE id = :canary AND state = 'testing'");
	stmt_text(&q, ":state", state);
	stmt_int(&q, ":id", stg_json_int(why, "id", 0));
	stmt_text(&q, ":why", stg_json_str(why, "msg"));
	stmt_text(&q, ":serial", serial);
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_int(&q, ":canary", canary);
	return stmt_done(&q, err);
}

bool canary_ended(struct stg_store *s, int64_t job, enum stg_end end, const json_t *why, const char *serial, struct stg_error *err)
{
	int64_t canary = 0, wanted = 0, n = 0, staged = 0;
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT canary.id, canary.wanted FROM canary_job JOIN canary ON canary.id = canary_job.canary"
								  " WHERE canary_job.job = :job AND canary.state = 'testing'");
		stmt_int(&q, ":job", job);
		int got = stmt_step(&q, err);
		if (got <= 0)
			return got == 0;
		canary = col_int(&q, 0);
		wanted = col_int(&q, 1);
	}
	if (end == STG_END_FAILED)
		return settle(s, canary, "failed", why, serial, err);
	return end != STG_END_STAGED || (taken(s, canary, &n, &staged, err) && (staged < wanted || settle(s, canary, "passed", NULL, "", err)));
}

json_t *stg_store_canaries(struct stg_store *s, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "SELECT " CANARY_JSON ", (SELECT count(*) FROM canary_job JOIN job ON job.id = canary_job.job WHERE canary_job.canary = canary.id AND"
		   " job.end_state = 'staged') AS staged FROM canary ORDER BY id DESC");
	return stmt_list(&q, err);
}

bool stg_store_canary_release(struct stg_store *s, int64_t id, const char *by, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "UPDATE canary SET state = 'released', by = :by, changed_ms = :now WHERE id = :id AND state IN ('testing','failed')");
	stmt_text(&q, ":by", by);
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_int(&q, ":id", id);
	return stmt_done(&q, err) && (db_changes(s) == 1 || stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_ANY_NOT_FOUND, 0, "%lld", (long long)id));
}
