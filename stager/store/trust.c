/*
 * trust.c - host identities made in advance, and the pair records of the devices that trust one.
 *
 * For:    the worker's pairing step and the mux door.
 * Uses:   SQLite; what is stored was sealed by stager/keys.
 * Called: stager/station.
 * Thread: the one that has the store.
 *
 * An identity is committed for its unit before Pair is sent (decisions.md 11), and never given to another unit.
 */
#include "db.h"

bool stg_store_hostid_add(struct stg_store *s, const char *host_id, struct stg_bytes sealed, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO hostid (host_id, sealed, made_ms) VALUES (:host_id, :sealed, :now)");
	stmt_text(&q, ":host_id", host_id);
	stmt_bytes(&q, ":sealed", sealed);
	stmt_int(&q, ":now", stg_wall_ms());
	return stmt_done(&q, err) && tx_commit(&t, err);
}

bool stg_store_hostid_count(struct stg_store *s, int64_t *ret_free, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT count(*) FROM hostid WHERE unit IS NULL");
	if (!stmt_one(&q, STG_ID_NONE, "count", err))
		return false;
	*ret_free = col_int(&q, 0);
	return true;
}

bool stg_store_hostid_take(struct stg_store *s, const char *family, const char *unit, struct stg_buf *ret_sealed, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt own = stmt_open(s, "SELECT sealed FROM hostid WHERE family = :family AND unit = :unit AND dropped_ms IS NULL");
	stmt_text(&own, ":family", family);
	stmt_text(&own, ":unit", unit);
	int got = stmt_step(&own, err);
	if (got < 0)
		return false;
	if (got) {
		if (!stg_buf_add(ret_sealed, col_bytes(&own, 0).data, col_bytes(&own, 0).len, err))
			return false;
		stmt_close(&own);
		return tx_commit(&t, err);
	}
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE hostid SET family = :family, unit = :unit, taken_ms = :now WHERE id ="
							  " (SELECT id FROM hostid WHERE unit IS NULL ORDER BY id LIMIT 1) RETURNING sealed");
	stmt_text(&q, ":family", family);
	stmt_text(&q, ":unit", unit);
	stmt_int(&q, ":now", stg_wall_ms());
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(ret_sealed->max);
	if (!stmt_one(&q, STG_ID_POOL_EMPTY, "the pool of host identities is empty", err) ||
	    !stg_buf_add(&sealed, col_bytes(&q, 0).data, col_bytes(&q, 0).len, err))
		return false;
	stmt_close(&q);
	return tx_commit(&t, err) && stg_buf_add(ret_sealed, sealed.data, sealed.len, err);
}

bool stg_store_trust_put(struct stg_store *s, const char *family, const char *unit, const char *udid, struct stg_bytes sealed,
			 struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, sealed.len ? "INSERT INTO trust (family, unit, udid, sealed, put_ms) VALUES (:family, :unit, :udid, :sealed, :now)"
					  " ON CONFLICT (family, unit) DO UPDATE SET udid = excluded.udid, sealed = excluded.sealed, put_ms = excluded.put_ms"
					: "DELETE FROM trust WHERE family = :family AND unit = :unit");
	stmt_text(&q, ":family", family);
	stmt_text(&q, ":unit", unit);
	if (sealed.len) {
		stmt_text(&q, ":udid", udid);
		stmt_bytes(&q, ":sealed", sealed);
		stmt_int(&q, ":now", stg_wall_ms());
	}
	return stmt_done(&q, err) && tx_commit(&t, err);
}

bool stg_store_trust_get(struct stg_store *s, const char *udid, struct stg_buf *ret_sealed, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT sealed FROM trust WHERE udid = :udid ORDER BY put_ms DESC LIMIT 1");
	stmt_text(&q, ":udid", udid);
	return stmt_one(&q, STG_ID_NONE, "no pair record for this device", err) &&
	       stg_buf_add(ret_sealed, col_bytes(&q, 0).data, col_bytes(&q, 0).len, err);
}

bool stg_store_trust_forget(struct stg_store *s, const char *family, const char *unit, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err) || !stg_store_trust_put(s, family, unit, "", stg_bytes(NULL, 0), err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE hostid SET dropped_ms = :now WHERE family = :family AND unit = :unit AND dropped_ms IS NULL");
	stmt_text(&q, ":family", family);
	stmt_text(&q, ":unit", unit);
	stmt_int(&q, ":now", stg_wall_ms());
	return stmt_done(&q, err) && tx_commit(&t, err);
}
