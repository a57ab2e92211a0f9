/*
 * escrow.c - what was sealed to a recovery key for a device; which names were given out in a batch.
 *
 * For:    unlock tokens of staging, and names that sort a pile.
 * Uses:   SQLite; sealed bytes are opaque here.
 * Called: stager/station, stager/ops.
 * Thread: the one that has the store.
 */
#include <stdlib.h>

#include "db.h"

#define COLUMNS "id, family, unit, serial, kind, org, key_sha256, sealed_sha256, job, created_ms, opened_ms"

bool stg_store_escrow_add(struct stg_store *s, const json_t *row, struct stg_bytes sealed, int64_t *ret_id, struct stg_error *err)
{
	static const char *const texts[] = { "family", "unit", "serial", "kind", "org", "key_sha256" };
	char hash[65];
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!*stg_json_str(row, "unit") || !*stg_json_str(row, "kind") || !sealed.len)
		return stg_fail(err, STG_E_BUG, 0, "an escrow without a device or a content");
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "INSERT INTO escrow (family, unit, serial, kind, org, key_sha256, sealed, sealed_sha256, job, created_ms)"
			     " VALUES (:family, :unit, :serial, :kind, :org, :key_sha256, :sealed, :sealed_sha256, :job, :now)");
	for (size_t i = 0; i < STG_ARRAY_LEN(texts); i++) {
		char name[32] = ":";
		stg_copy(name + 1, sizeof(name) - 1, texts[i]);
		stmt_text(&q, name, stg_json_str(row, texts[i]));
	}
	stg_sha256_hex(sealed, hash);
	stmt_bytes(&q, ":sealed", sealed);
	stmt_text(&q, ":sealed_sha256", hash);
	stmt_int_or_null(&q, ":job", stg_json_int(row, "job", 0));
	stmt_int(&q, ":now", stg_wall_ms());
	if (!stmt_done(&q, err))
		return false;
	int64_t id = sqlite3_last_insert_rowid(s->db);
	if (!tx_commit(&t, err))
		return false;
	if (ret_id)
		*ret_id = id;
	return true;
}

json_t *stg_store_escrow(struct stg_store *s, const char *serial_or_unit, const char *kind, struct stg_buf *ret_sealed, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *rows = NULL;
	{
		STG_AUTO(stmt_close) struct stmt q =
			stmt_open(s, "SELECT " COLUMNS " FROM escrow WHERE (unit = :who OR serial = upper(:who)) AND kind = :kind ORDER BY id DESC LIMIT 1");
		stmt_text(&q, ":who", serial_or_unit);
		stmt_text(&q, ":kind", kind);
		rows = stmt_list(&q, err);
	}
	if (!rows)
		return NULL;
	if (!json_array_size(rows)) {
		stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_NO_UNLOCK_TOKEN, 0, "'%.64s'", serial_or_unit);
		return NULL;
	}
	json_t *row = json_incref(json_array_get(rows, 0));
	if (ret_sealed) {
		char hash[65];
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT sealed FROM escrow WHERE id = :id");
		stmt_int(&q, ":id", stg_json_int(row, "id", 0));
		bool ok = stmt_one(&q, STG_ID_NONE, "escrow", err) && stg_buf_add(ret_sealed, col_bytes(&q, 0).data, col_bytes(&q, 0).len, err);
		stg_sha256_hex(stg_buf_view(ret_sealed), hash);
		if (ok && strcmp(hash, stg_json_str(row, "sealed_sha256")) != 0)
			ok = stg_fail_id(err, STG_E_IO, STG_ID_SEALED_DAMAGED, 0, "the sealed token of %.64s", serial_or_unit);
		if (!ok) {
			json_decref(row);
			return NULL;
		}
	}
	return row;
}

json_t *stg_store_escrows(struct stg_store *s, const char *serial_or_unit, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "SELECT " COLUMNS " FROM escrow WHERE id IN (SELECT max(id) FROM escrow GROUP BY family, unit, kind)"
			     " AND (:who = '' OR unit = :who OR serial = upper(:who)) ORDER BY serial, id");
	stmt_text(&q, ":who", serial_or_unit);
	return stmt_list(&q, err);
}

bool stg_store_escrow_opened(struct stg_store *s, int64_t id, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE escrow SET opened_ms = :now WHERE id = :id");
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_int(&q, ":id", id);
	return stmt_done(&q, err) && tx_commit(&t, err);
}

bool stg_store_name_give(struct stg_store *s, const char *batch, const char *name, const char *family, const char *unit, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "DELETE FROM name_given WHERE batch = :batch AND family = :family AND unit = :unit");
		stmt_text(&q, ":batch", batch);
		stmt_text(&q, ":family", family);
		stmt_text(&q, ":unit", unit);
		if (!stmt_done(&q, err))
			return false;
	}
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "INSERT INTO name_given (batch, name, family, unit, at_ms) VALUES (:batch, :name, :family, :unit, :now)"
			     " ON CONFLICT (batch, name) DO NOTHING");
	stmt_text(&q, ":batch", batch);
	stmt_text(&q, ":name", name);
	stmt_text(&q, ":family", family);
	stmt_text(&q, ":unit", unit);
	stmt_int(&q, ":now", stg_wall_ms());
	if (!stmt_done(&q, err))
		return false;
	if (db_changes(s) != 1)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_NAME_TAKEN, 0, "'%.80s' is another device's of batch %.64s", name, batch);
	return tx_commit(&t, err);
}
