/*
 * org.c - rows of organisations, secrets and issued certificates. Their meaning lives in stager/keys and profiles.
 *
 * For:    org, secret and ca commands, payload making.
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

/* ---- certificates ---- */

bool stg_store_certificate_add(struct stg_store *s, const json_t *row, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!*stg_json_str(row, "serial_hex"))
		return stg_fail(err, STG_E_BUG, 0, "a certificate without a serial number");
	if (!tx_begin(&t, s, err))
		return false;
	int64_t id;
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(
			s, "INSERT INTO certificate (serial_hex, issuer, unit, device_serial, subject, san, sha256, spki_sha256, not_before_ms, not_after_ms,"
			   " purpose, job, status, pem, created_ms, changed_ms) VALUES (:serial_hex, :issuer, :unit, :device_serial, :subject, :san, :sha256,"
			   " :spki_sha256, :not_before, :not_after, :purpose, :job, :status, :pem, :now, :now)");
		static const char *const texts[] = { "serial_hex", "issuer", "unit", "device_serial", "subject", "sha256", "spki_sha256", "purpose", "pem" };
		for (size_t i = 0; i < STG_ARRAY_LEN(texts); i++) {
			char name[32] = ":";
			stg_copy(name + 1, sizeof(name) - 1, texts[i]);
			stmt_text(&q, name, stg_json_str(row, texts[i]));
		}
		stmt_json(&q, ":san", json_object_get(row, "san"));
		stmt_int(&q, ":not_before", stg_json_int(row, "not_before_ms", 0));
		stmt_int(&q, ":not_after", stg_json_int(row, "not_after_ms", 0));
		stmt_int_or_null(&q, ":job", stg_json_int(row, "job", 0));
		stmt_text(&q, ":status", stg_json_str_or(row, "status", "issued"));
		stmt_int(&q, ":now", stg_wall_ms());
		if (!stmt_done(&q, err))
			return false;
		id = sqlite3_last_insert_rowid(s->db);
	}
	char words[1024];
	snprintf(words, sizeof(words), "%s %s %s", stg_json_str(row, "serial_hex"), stg_json_str(row, "subject"), stg_json_str(row, "device_serial"));
	return search_put(s, SEARCH_CERTIFICATE, id, words, err) && tx_commit(&t, err);
}

bool stg_store_certificate_status(struct stg_store *s, const char *serial_hex, const char *status, const char *reason, struct stg_error *err)
{
	static const char *const known[] = { "issued", "installed", "superseded", "revoked" };
	bool ok = false;
	for (size_t i = 0; i < STG_ARRAY_LEN(known); i++)
		ok = ok || strcmp(known[i], status) == 0;
	if (!ok)
		return stg_fail(err, STG_E_BUG, 0, "a certificate cannot be '%s'", status);
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	/* revoked is for good */
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE certificate SET status = :status, reason = :reason, changed_ms = :now"
							  " WHERE serial_hex = :serial_hex AND (status <> 'revoked' OR :status = 'revoked')");
	stmt_text(&q, ":status", status);
	stmt_text(&q, ":reason", reason);
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":serial_hex", serial_hex);
	if (!stmt_done(&q, err))
		return false;
	if (db_changes(s) == 0)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_CERTIFICATE_UNKNOWN, 0, "%s (%s)", serial_hex, status);
	return tx_commit(&t, err);
}

json_t *stg_store_certificates(struct stg_store *s, const json_t *filter, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "SELECT serial_hex, issuer, unit, device_serial, subject, san AS \"san:json\", sha256, spki_sha256, not_before_ms, not_after_ms, purpose, job,"
		   " status, reason, pem, created_ms, changed_ms FROM certificate WHERE (:unit = '' OR unit = :unit) AND (:status = '' OR status = :status)"
		   " AND (:job = 0 OR job = :job) AND (:serial_hex = '' OR serial_hex = :serial_hex) AND (:device = '' OR device_serial = :device) ORDER BY id");
	stmt_text(&q, ":unit", stg_json_str(filter, "unit"));
	stmt_text(&q, ":status", stg_json_str(filter, "status"));
	stmt_int(&q, ":job", stg_json_int(filter, "job", 0));
	stmt_text(&q, ":serial_hex", stg_json_str(filter, "serial_hex"));
	stmt_text(&q, ":device", stg_json_str(filter, "device_serial"));
	return stmt_list(&q, err);
}

json_t *stg_store_certificate_next(struct stg_store *s, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT serial_hex, subject, device_serial, unit, not_after_ms, status FROM certificate"
							  " WHERE status IN ('issued','installed') AND not_after_ms > :now ORDER BY not_after_ms LIMIT 1");
	stmt_int(&q, ":now", stg_wall_ms());
	int got = stmt_step(&q, err);
	return got < 0 ? NULL : got ? stmt_object(&q, err) : json_object();
}
