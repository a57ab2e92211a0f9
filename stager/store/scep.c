/*
 * scep.c - who may ask for a certificate over SCEP, and who did; other SCEP servers and the challenges fetched from them.
 *
 * For:    ops/scep.c, ops/scepproxy.c.
 * Uses:   SQLite; a challenge of ours is kept as its hash, one of another server sealed until it is given to a device.
 * Called: stager/ops.
 * Thread: the one that has the store.
 */
#include "db.h"

bool stg_store_scep_challenge_add(struct stg_store *s, const json_t *row, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "INSERT INTO scep_challenge (hash, device_serial, unit, template, org, via, vars, job, actor, created_ms, expires_ms)"
			     " VALUES (:hash, :device_serial, :unit, :template, :org, :via, :vars, :job, :actor, :now, :expires)");
	static const char *const texts[] = { "hash", "device_serial", "unit", "template", "org", "via", "actor" };
	for (size_t i = 0; i < STG_ARRAY_LEN(texts); i++) {
		char name[32] = ":";
		stg_copy(name + 1, sizeof(name) - 1, texts[i]);
		stmt_text(&q, name, stg_json_str(row, texts[i]));
	}
	stmt_json(&q, ":vars", json_object_get(row, "vars"));
	stmt_int_or_null(&q, ":job", stg_json_int(row, "job", 0));
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_int(&q, ":expires", stg_json_int(row, "expires_ms", 0));
	return stmt_done(&q, err) && tx_commit(&t, err);
}

json_t *stg_store_scep_challenge(struct stg_store *s, const char *hash, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "SELECT id, device_serial, unit, template, org, via, vars AS \"vars:json\", job, actor, created_ms, expires_ms, used_ms,"
			     " transaction_id, serial_hex FROM scep_challenge WHERE hash = :hash");
	stmt_text(&q, ":hash", hash);
	return stmt_one(&q, STG_ID_SCEP_CHALLENGE_UNKNOWN, "", err) ? stmt_object(&q, err) : NULL;
}

bool stg_store_scep_challenge_spend(struct stg_store *s, int64_t id, const char *transaction_id, const char *serial_hex, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE scep_challenge SET used_ms = :now, transaction_id = :transaction, serial_hex = :serial_hex"
							  " WHERE id = :id AND used_ms IS NULL");
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":transaction", transaction_id);
	stmt_text(&q, ":serial_hex", serial_hex);
	stmt_int(&q, ":id", id);
	if (!stmt_done(&q, err))
		return false;
	if (db_changes(s) != 1)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_SCEP_CHALLENGE_USED, 0, "%s", "");
	return tx_commit(&t, err);
}

json_t *stg_store_scep_challenges(struct stg_store *s, const char *device_serial, bool open_only, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "SELECT id, device_serial, template, org, via, actor, created_ms, expires_ms, used_ms, serial_hex,"
			     " CASE WHEN used_ms IS NOT NULL THEN 'used' WHEN expires_ms <= :now THEN 'expired' ELSE 'open' END AS state FROM scep_challenge"
			     " WHERE (:device = '' OR device_serial = :device) AND (NOT :open OR (used_ms IS NULL AND expires_ms > :now))"
			     " ORDER BY id DESC LIMIT 10000");
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":device", device_serial);
	stmt_int(&q, ":open", open_only);
	return stmt_list(&q, err);
}

bool stg_store_scep_done_add(struct stg_store *s, const json_t *row, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "INSERT INTO scep_done (transaction_id, spki_sha256, serial_hex, template, vars, at_ms)"
			     " VALUES (:transaction, :spki, :serial_hex, :template, :vars, :now) ON CONFLICT (transaction_id, spki_sha256)"
			     " DO UPDATE SET serial_hex = excluded.serial_hex, template = excluded.template, vars = excluded.vars, at_ms = excluded.at_ms");
	stmt_text(&q, ":transaction", stg_json_str(row, "transaction_id"));
	stmt_text(&q, ":spki", stg_json_str(row, "spki_sha256"));
	stmt_text(&q, ":serial_hex", stg_json_str(row, "serial_hex"));
	stmt_text(&q, ":template", stg_json_str(row, "template"));
	stmt_json(&q, ":vars", json_object_get(row, "vars"));
	stmt_int(&q, ":now", stg_wall_ms());
	return stmt_done(&q, err) && tx_commit(&t, err);
}

json_t *stg_store_scep_done(struct stg_store *s, const char *transaction_id, const char *spki_sha256, const char *serial_hex, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "SELECT transaction_id, spki_sha256, serial_hex, template, vars AS \"vars:json\", at_ms FROM scep_done"
			     " WHERE (:serial_hex <> '' AND serial_hex = :serial_hex) OR (:serial_hex = '' AND transaction_id = :transaction AND spki_sha256 = :spki)"
			     " ORDER BY at_ms DESC LIMIT 1");
	stmt_text(&q, ":transaction", transaction_id);
	stmt_text(&q, ":spki", spki_sha256);
	stmt_text(&q, ":serial_hex", serial_hex);
	return stmt_one(&q, STG_ID_NONE, "no such transaction", err) ? stmt_object(&q, err) : NULL;
}

/* ---- other servers ---- */

bool stg_store_scep_server_put(struct stg_store *s, const char *name, const json_t *config, struct stg_bytes sealed, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "INSERT INTO scep_server (name, config, sealed, created_ms, changed_ms) VALUES (:name, :config, :sealed, :now, :now)"
			     " ON CONFLICT (name) DO UPDATE SET config = excluded.config,"
			     " sealed = CASE WHEN length(excluded.sealed) > 0 THEN excluded.sealed ELSE sealed END, changed_ms = excluded.changed_ms");
	stmt_text(&q, ":name", name);
	stmt_json(&q, ":config", config);
	stmt_bytes(&q, ":sealed", sealed);
	stmt_int(&q, ":now", stg_wall_ms());
	return stmt_done(&q, err) && tx_commit(&t, err);
}

json_t *stg_store_scep_server(struct stg_store *s, const char *name, struct stg_buf *ret_sealed, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT config, sealed FROM scep_server WHERE name = :name");
	stmt_text(&q, ":name", name);
	if (!stmt_one(&q, STG_ID_SCEP_SERVER_UNKNOWN, name, err) ||
	    (ret_sealed && !stg_buf_add(ret_sealed, col_bytes(&q, 1).data, col_bytes(&q, 1).len, err)))
		return NULL;
	return col_json(&q, 0, err);
}

json_t *stg_store_scep_servers(struct stg_store *s, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "SELECT name, config AS \"config:json\", changed_ms,"
		   " (SELECT count(*) FROM scep_pool p WHERE p.server = name AND given_ms IS NULL AND expires_ms > :now) AS open,"
		   " (SELECT count(*) FROM scep_pool p WHERE p.server = name AND given_ms IS NULL AND expires_ms <= :now) AS lapsed,"
		   " (SELECT count(*) FROM scep_pool p WHERE p.server = name AND given_ms IS NOT NULL) AS given,"
		   " (SELECT min(expires_ms) FROM scep_pool p WHERE p.server = name AND given_ms IS NULL AND expires_ms > :now) AS next_expiry_ms"
		   " FROM scep_server ORDER BY name");
	stmt_int(&q, ":now", stg_wall_ms());
	return stmt_list(&q, err);
}

bool stg_store_scep_pool_add(struct stg_store *s, const char *server, const char *mark, struct stg_bytes sealed, int64_t fetched_ms, int64_t expires_ms,
			     bool *ret_new, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO scep_pool (server, mark, sealed, fetched_ms, expires_ms)"
							  " VALUES (:server, :mark, :sealed, :fetched, :expires) ON CONFLICT (server, mark) DO NOTHING");
	stmt_text(&q, ":server", server);
	stmt_text(&q, ":mark", mark);
	stmt_bytes(&q, ":sealed", sealed);
	stmt_int(&q, ":fetched", fetched_ms);
	stmt_int(&q, ":expires", expires_ms);
	if (!stmt_done(&q, err))
		return false;
	*ret_new = db_changes(s) == 1;
	return tx_commit(&t, err);
}

/* The one that ends first of those that live; its sealed form is forgotten once it was given. */
bool stg_store_scep_pool_take(struct stg_store *s, const char *server, const char *device_serial, struct stg_buf *ret_sealed, int64_t *ret_expires_ms,
			      struct stg_error *err)
{
	int64_t id;
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT id, sealed, expires_ms FROM scep_pool WHERE server = :server AND given_ms IS NULL"
								  " AND expires_ms > :now ORDER BY expires_ms, id LIMIT 1");
		stmt_text(&q, ":server", server);
		stmt_int(&q, ":now", stg_wall_ms());
		if (!stmt_one(&q, STG_ID_SCEP_POOL_EMPTY, server, err) || !stg_buf_add(ret_sealed, col_bytes(&q, 1).data, col_bytes(&q, 1).len, err))
			return false;
		id = col_int(&q, 0);
		*ret_expires_ms = col_int(&q, 2);
	}
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE scep_pool SET given_ms = :now, device_serial = :device, sealed = x'' WHERE id = :id");
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":device", device_serial);
	stmt_int(&q, ":id", id);
	return stmt_done(&q, err) && tx_commit(&t, err);
}
