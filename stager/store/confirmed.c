/*
 * confirmed.c - the MDMs' own lists of devices, held against what was handed over.
 *
 * For:    `stager reconcile`: which devices an MDM has confirmed, which it never saw.
 * Uses:   SQLite. Of a list only what names a device is kept, no person.
 * Called: stager/ops/reconcile.c.
 * Thread: the one that has the store.
 *
 * Handed over is what was staged last of all that was done to it, in a batch that is closed, or without a batch. Whether it is
 * confirmed is asked, never stored: by serial, IMEI or UDID.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "db.h"

static void upper(const char *from, char *ret, size_t size)
{
	size_t n = 0;
	for (; *from && n < size - 1; from++)
		if (!isspace((unsigned char)*from))
			ret[n++] = (char)toupper((unsigned char)*from);
	ret[n] = 0;
}

static bool put_device(struct stg_store *s, const char *target, const json_t *device, int64_t at_ms, int64_t *n, struct stg_error *err)
{
	char serial[64], imei[32], udid[64];
	upper(stg_json_str(device, "serial"), serial, sizeof(serial));
	upper(stg_json_str(device, "imei"), imei, sizeof(imei));
	upper(stg_json_str(device, "udid"), udid, sizeof(udid));
	if (!*serial && !*imei && !*udid)
		return true;
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "INSERT INTO mdm_device (target, serial, imei, udid, remote_id, first_ms, last_ms) VALUES (:target, :serial, :imei, :udid, :id, :at, :at)"
			     " ON CONFLICT (target, serial, imei, udid) DO UPDATE SET last_ms = :at, remote_id = excluded.remote_id");
	stmt_text(&q, ":target", target);
	stmt_text(&q, ":serial", serial);
	stmt_text(&q, ":imei", imei);
	stmt_text(&q, ":udid", udid);
	stmt_text(&q, ":id", stg_json_str(device, "id"));
	stmt_int(&q, ":at", at_ms);
	++*n;
	return stmt_done(&q, err);
}

bool stg_store_mdm_list_put(struct stg_store *s, const char *target, const char *source, const char *by, const json_t *devices, int64_t left_out, int64_t *ret_n,
			    struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	int64_t at_ms = stg_wall_ms(), n = 0;
	size_t i;
	json_t *one;
	if (!tx_begin(&t, s, err))
		return false;
	{
		/* two lists never have one moment, whatever the clock does */
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO mdm_list (target, source, at_ms, by, devices) VALUES (:target, :source, :at, :by, 0)"
								  " ON CONFLICT (target) DO UPDATE SET source = excluded.source, by = excluded.by,"
								  " at_ms = max(excluded.at_ms, at_ms + 1) RETURNING at_ms");
		stmt_text(&q, ":target", target);
		stmt_text(&q, ":source", source);
		stmt_int(&q, ":at", at_ms);
		stmt_text(&q, ":by", by);
		if (!stmt_one(&q, STG_ID_NONE, "list", err))
			return false;
		at_ms = col_int(&q, 0);
	}
	json_array_foreach((json_t *)(uintptr_t)devices, i, one)
		if (!put_device(s, target, one, at_ms, &n, err))
			return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE mdm_list SET devices = :n, left_out = :left WHERE target = :target");
	stmt_int(&q, ":n", n);
	stmt_int(&q, ":left", left_out);
	stmt_text(&q, ":target", target);
	if (!stmt_done(&q, err) || !tx_commit(&t, err))
		return false;
	*ret_n = n;
	return true;
}

json_t *stg_store_mdm_lists(struct stg_store *s, const char *target, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT target, source, at_ms, by, devices, left_out FROM mdm_list WHERE :target = '' OR target = :target ORDER BY target");
	stmt_text(&q, ":target", target);
	return stmt_list(&q, err);
}

/* 2: it stands in the newest list, 1: it did once, NULL: never. */
#define SEEN_BY(column, same) \
	"(SELECT max(1 + (m.last_ms = l.at_ms)) FROM mdm_device AS m JOIN mdm_list AS l ON l.target = m.target WHERE m." column " <> '' AND m." column " " same \
	" AND (:target = '' OR m.target = :target))"
#define STANDING "max(coalesce(" SEEN_BY("serial", "= upper(d.serial)") ", 0), coalesce(" SEEN_BY("imei", "IN (d.imei, d.imei2)") ", 0), coalesce(" SEEN_BY("udid", "= upper(d.udid)") ", 0))"

json_t *stg_store_handed_over(struct stg_store *s, const char *target, const char *batch, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "SELECT d.serial AS serial, d.imei AS imei, d.udid AS udid, d.unit AS unit, d.asset_tag AS asset_tag, d.model_name AS model_name, b.name AS batch,"
		   " r.at_ms AS staged_ms, b.closed_ms AS handed_over_ms, CASE " STANDING " WHEN 2 THEN 'confirmed' WHEN 1 THEN 'gone' ELSE 'never_seen' END AS standing"
		   " FROM device AS d JOIN record AS r ON r.seq = (SELECT max(seq) FROM record WHERE device = d.id AND final = 1 AND seq > 0)"
		   " LEFT JOIN batch AS b ON b.id = r.batch WHERE r.end_state = 'staged' AND json_extract(CAST(r.bytes AS TEXT), '$.read_only') IS NULL"
		   " AND CASE WHEN :batch = '' THEN b.id IS NULL OR b.state = 'closed' ELSE b.name = :batch END ORDER BY b.name, d.serial");
	stmt_text(&q, ":target", target);
	stmt_text(&q, ":batch", batch);
	return stmt_list(&q, err);
}
