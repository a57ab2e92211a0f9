/*
 * org.c - rows of organisations and secrets. Their meaning lives in stager/keys and profiles.
 *
 * For:    org and secret commands, payload making.
 * Uses:   SQLite; sealed columns are opaque here.
 * Called: stager/station, stager/ops.
 * Thread: the one that has the store.
 */
#include <stdio.h>
#include <stdlib.h>

#include "db.h"

/* ---- organisations ---- */

bool stg_store_org_put(struct stg_store *s, const json_t *org, struct stg_bytes sealed_keys, struct stg_error *err)
{
	const char *name = stg_json_str(org, "name");
	if (!*name)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "NAME");
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	/* the first one is the default; empty keys keep those stored */
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "INSERT INTO org (name, row, sealed, is_default, created_ms, changed_ms) VALUES (:name, :row, :sealed,"
			     " NOT EXISTS (SELECT 1 FROM org), :now, :now) ON CONFLICT (name) DO UPDATE SET row = excluded.row,"
			     " sealed = CASE WHEN length(excluded.sealed) > 0 THEN excluded.sealed ELSE sealed END, changed_ms = excluded.changed_ms");
	stmt_text(&q, ":name", name);
	stmt_json(&q, ":row", org);
	stmt_bytes(&q, ":sealed", sealed_keys);
	stmt_int(&q, ":now", stg_wall_ms());
	if (!stmt_done(&q, err))
		return false;
	if (stg_json_bool(org, "default", false)) {
		STG_AUTO(stmt_close) struct stmt d = stmt_open(s, "UPDATE org SET is_default = (name = :name)");
		stmt_text(&d, ":name", name);
		if (!stmt_done(&d, err))
			return false;
	}
	return tx_commit(&t, err);
}

static json_t *org_read(const struct stmt *q, struct stg_error *err)
{
	json_t *row = col_json(q, 0, err);
	if (row) {
		stg_json_put_bool(row, "default", col_int(q, 2) != 0);
		stg_json_put_int(row, "created_ms", col_int(q, 3));
	}
	return row;
}

json_t *stg_store_org(struct stg_store *s, const char *name, struct stg_buf *ret_sealed_keys, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "SELECT row, sealed, is_default, created_ms FROM org WHERE (:name <> '' AND name = :name) OR (:name = '' AND is_default)");
	stmt_text(&q, ":name", name);
	if (!stmt_one(&q, STG_ID_NONE, name && *name ? name : "no organisation yet", err))
		return NULL;
	STG_AUTO(stg_json_free_at) json_t *row = org_read(&q, err);
	if (!row || (ret_sealed_keys && !stg_buf_add(ret_sealed_keys, col_bytes(&q, 1).data, col_bytes(&q, 1).len, err)))
		return NULL;
	return stg_steal(row);
}

json_t *stg_store_orgs(struct stg_store *s, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT row, NULL, is_default, created_ms FROM org ORDER BY name");
	int got;
	while ((got = stmt_step(&q, err)) == 1) {
		json_t *row = org_read(&q, err);
		if (!row)
			return NULL;
		json_array_append_new(list, row);
	}
	return got == 0 ? stg_steal(list) : NULL;
}

static bool name_in(struct stg_store *s, const char *sha256, bool *ret_found, char ret_name[65], struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *plan = pin_get(s, sha256, err);
	if (!plan)
		return false;
	*ret_found = true;
	stg_copy(ret_name, 65, stg_json_str(plan, "organisation"));
	return true;
}

bool stg_store_device_org(struct stg_store *s, const struct stg_identity *who, bool *ret_found, char ret_name[65], struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "SELECT j.blueprint FROM job j JOIN device d ON d.id = j.device WHERE d.family = :family AND d.unit = :unit AND j.blueprint IS NOT NULL"
			     " AND EXISTS (SELECT 1 FROM step t WHERE t.job = j.id AND t.step = 'supervise' AND t.outcome IN ('done', 'proven'))"
			     " ORDER BY j.id DESC LIMIT 1");
	struct stg_error why = { 0 };
	*ret_found = false;
	stmt_text(&q, ":family", who->family);
	stmt_text(&q, ":unit", who->unit);
	int got = stmt_step(&q, err);
	if (got < 0)
		return false;
	if (got)
		return name_in(s, col_text(&q, 0), ret_found, ret_name, err);
	STG_AUTO(stg_json_free_at) json_t *row = stg_store_batch_match(s, who, &why);
	if (!row)
		return true;       /* in no order, or in two: nobody's yet */
	STG_AUTO(stg_json_free_at) json_t *pins = stg_store_batch_pins(s, stg_json_str(row, "batch"), err);
	if (!pins)
		return false;
	*ret_found = true;
	stg_copy(ret_name, 65, stg_json_str(json_object_get(pins, "blueprint"), "organisation"));
	return true;
}

/* ---- secrets ---- */

bool stg_store_secret_put(struct stg_store *s, const char *name, struct stg_bytes sealed, struct stg_error *err)
{
	if (!*name || strlen(name) > 63)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_SECRET_NAME, 0, "1-63");
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, sealed.len ? "INSERT INTO secret (name, sealed, created_ms, changed_ms) VALUES (:name, :sealed, :now, :now)"
					  " ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed, changed_ms = excluded.changed_ms"
					: "DELETE FROM secret WHERE name = :name");
	stmt_text(&q, ":name", name);
	if (sealed.len) {
		stmt_bytes(&q, ":sealed", sealed);
		stmt_int(&q, ":now", stg_wall_ms());
	}
	if (!stmt_done(&q, err))
		return false;
	if (!sealed.len && db_changes(s) != 1)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_SECRET_UNKNOWN, 0, "%s", name);
	return tx_commit(&t, err);
}

bool stg_store_secret_get(struct stg_store *s, const char *name, struct stg_buf *ret_sealed, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT sealed FROM secret WHERE name = :name");
	stmt_text(&q, ":name", name);
	return stmt_one(&q, STG_ID_NONE, "no secret of that name", err) &&
	       stg_buf_add(ret_sealed, col_bytes(&q, 0).data, col_bytes(&q, 0).len, err);
}

json_t *stg_store_secrets(struct stg_store *s, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT name, created_ms, changed_ms FROM secret ORDER BY name");
	return stmt_list(&q, err);
}
