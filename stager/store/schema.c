/*
 * schema.c - the tables, and how an older file becomes today's.
 *
 * For:    stg_store_open().
 * Uses:   SQLite. Migrations only append; each runs in one transaction with its version number.
 * Called: by open.c with the state lock held.
 * Thread: the opener's.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stager/file.h>

#include "db.h"

#define APPLICATION_ID 0x53544752   /* "STGR" in the file's header: tells our file from anybody else's */

#define SEARCH_WORDS_SINCE 2        /* the migration whose new tables are filled from the old rows */

static const char *const migrations[] = {
	/* 1: the first shipped form */
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE sequence (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE clock_mark (id INTEGER PRIMARY KEY CHECK (id = 1), high_ms INTEGER NOT NULL, wall_ms INTEGER NOT NULL,"
	" boot_id TEXT NOT NULL, boot_ms INTEGER NOT NULL, quality TEXT NOT NULL) STRICT;"

	/* unit: ECID in decimal (Apple); everything else is an attribute that may be learnt later or change */
	"CREATE TABLE device (id INTEGER PRIMARY KEY, family TEXT NOT NULL, unit TEXT NOT NULL, serial TEXT NOT NULL DEFAULT '',"
	" udid TEXT NOT NULL DEFAULT '', imei TEXT NOT NULL DEFAULT '', imei2 TEXT NOT NULL DEFAULT '', meid TEXT NOT NULL DEFAULT '',"
	" model TEXT NOT NULL DEFAULT '', model_name TEXT NOT NULL DEFAULT '', hardware TEXT NOT NULL DEFAULT '',"
	" device_class TEXT NOT NULL DEFAULT '', os_version TEXT NOT NULL DEFAULT '', build TEXT NOT NULL DEFAULT '',"
	" wifi_mac TEXT NOT NULL DEFAULT '', bluetooth_mac TEXT NOT NULL DEFAULT '', name TEXT NOT NULL DEFAULT '',"
	" key_sha256 TEXT NOT NULL DEFAULT '', ownership TEXT NOT NULL DEFAULT 'unknown', asset_tag TEXT NOT NULL DEFAULT '',"
	" attributes TEXT, facts TEXT, first_seen_ms INTEGER NOT NULL, last_seen_ms INTEGER NOT NULL,"
	" UNIQUE (family, unit)) STRICT;"
	"CREATE INDEX device_serial ON device (serial) WHERE serial <> '';"
	"CREATE INDEX device_udid ON device (udid) WHERE udid <> '';"
	"CREATE INDEX device_imei ON device (imei) WHERE imei <> '';"
	"CREATE INDEX device_imei2 ON device (imei2) WHERE imei2 <> '';"
	"CREATE INDEX device_tag ON device (asset_tag) WHERE asset_tag <> '';"
	"CREATE INDEX device_unit ON device (unit);"
	"CREATE INDEX device_seen ON device (last_seen_ms);"
	"CREATE TABLE device_change (id INTEGER PRIMARY KEY, device INTEGER NOT NULL REFERENCES device, at_ms INTEGER NOT NULL,"
	" field TEXT NOT NULL, was TEXT NOT NULL, became TEXT NOT NULL) STRICT;"
	"CREATE INDEX device_change_device ON device_change (device);"

	"CREATE TABLE hostid (id INTEGER PRIMARY KEY, host_id TEXT NOT NULL UNIQUE, sealed BLOB NOT NULL, made_ms INTEGER NOT NULL,"
	" family TEXT, unit TEXT, taken_ms INTEGER, dropped_ms INTEGER) STRICT;"
	"CREATE UNIQUE INDEX hostid_unit ON hostid (family, unit) WHERE unit IS NOT NULL AND dropped_ms IS NULL;"
	"CREATE INDEX hostid_free ON hostid (id) WHERE unit IS NULL;"
	"CREATE TABLE trust (family TEXT NOT NULL, unit TEXT NOT NULL, udid TEXT NOT NULL, sealed BLOB NOT NULL, put_ms INTEGER NOT NULL,"
	" PRIMARY KEY (family, unit)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX trust_udid ON trust (udid);"

	"CREATE TABLE pin (sha256 TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;"

	"CREATE TABLE batch (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, blueprint TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'new',"
	" columns TEXT, pins TEXT REFERENCES pin, created_ms INTEGER NOT NULL, started_ms INTEGER, closed_ms INTEGER,"
	" changed_ms INTEGER NOT NULL) STRICT;"
	"CREATE TABLE batch_pin (batch INTEGER NOT NULL REFERENCES batch, at_ms INTEGER NOT NULL, pins TEXT NOT NULL REFERENCES pin) STRICT;"
	"CREATE INDEX batch_pin_batch ON batch_pin (batch);"
	"CREATE TABLE batch_row (id INTEGER PRIMARY KEY, batch INTEGER NOT NULL REFERENCES batch, line INTEGER NOT NULL,"
	" serial TEXT NOT NULL DEFAULT '', udid TEXT NOT NULL DEFAULT '', ecid TEXT NOT NULL DEFAULT '', imei TEXT NOT NULL DEFAULT '',"
	" imei2 TEXT NOT NULL DEFAULT '', name TEXT NOT NULL DEFAULT '', asset_tag TEXT NOT NULL DEFAULT '',"
	" ownership TEXT NOT NULL DEFAULT 'unknown', attributes TEXT, device INTEGER REFERENCES device, job INTEGER) STRICT;"
	"CREATE INDEX batch_row_batch ON batch_row (batch, line);"
	"CREATE INDEX batch_row_serial ON batch_row (serial COLLATE NOCASE) WHERE serial <> '';"
	"CREATE INDEX batch_row_udid ON batch_row (udid) WHERE udid <> '';"
	"CREATE INDEX batch_row_ecid ON batch_row (ecid) WHERE ecid <> '';"
	"CREATE INDEX batch_row_imei ON batch_row (imei) WHERE imei <> '';"
	"CREATE INDEX batch_row_imei2 ON batch_row (imei2) WHERE imei2 <> '';"
	"CREATE INDEX batch_row_device ON batch_row (device) WHERE device IS NOT NULL;"
	"CREATE TABLE unexpected (batch INTEGER NOT NULL REFERENCES batch, device INTEGER NOT NULL REFERENCES device,"
	" port TEXT NOT NULL DEFAULT '', first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, PRIMARY KEY (batch, device)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX unexpected_device ON unexpected (device);"

	"CREATE TABLE job (id INTEGER PRIMARY KEY, device INTEGER NOT NULL REFERENCES device, batch INTEGER REFERENCES batch,"
	" row INTEGER REFERENCES batch_row, state TEXT NOT NULL, end_state TEXT NOT NULL DEFAULT '', wait TEXT NOT NULL DEFAULT '',"
	" blueprint TEXT REFERENCES pin, blueprint_name TEXT NOT NULL DEFAULT '', profiles TEXT REFERENCES pin, attributes TEXT,"
	" port TEXT NOT NULL DEFAULT '', label TEXT NOT NULL DEFAULT '', attach INTEGER NOT NULL DEFAULT 0, actor TEXT NOT NULL DEFAULT '',"
	" why_id INTEGER NOT NULL DEFAULT 0, why_code TEXT NOT NULL DEFAULT '', why_msg TEXT NOT NULL DEFAULT '',"
	" why_step TEXT NOT NULL DEFAULT '', why_owner TEXT NOT NULL DEFAULT '', tries INTEGER NOT NULL DEFAULT 0,"
	" record_id TEXT NOT NULL DEFAULT '', created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, started_ms INTEGER, ended_ms INTEGER) STRICT;"
	"CREATE UNIQUE INDEX job_open ON job (device) WHERE state NOT IN ('done','failed','cancelled');"
	"CREATE INDEX job_device ON job (device);"
	"CREATE INDEX job_batch ON job (batch) WHERE batch IS NOT NULL;"
	"CREATE INDEX job_row ON job (row) WHERE row IS NOT NULL;"
	"CREATE INDEX job_state ON job (state);"
	"CREATE TABLE job_event (id INTEGER PRIMARY KEY, job INTEGER NOT NULL REFERENCES job, at_ms INTEGER NOT NULL, state TEXT NOT NULL,"
	" why TEXT) STRICT;"
	"CREATE INDEX job_event_job ON job_event (job);"
	"CREATE TABLE step (job INTEGER NOT NULL REFERENCES job, n INTEGER NOT NULL, try INTEGER NOT NULL, key TEXT NOT NULL, step TEXT NOT NULL,"
	" asked TEXT, began_ms INTEGER NOT NULL, ended_ms INTEGER, outcome TEXT NOT NULL DEFAULT '', evidence TEXT,"
	" why_id INTEGER NOT NULL DEFAULT 0, why_code TEXT NOT NULL DEFAULT '', why_msg TEXT NOT NULL DEFAULT '',"
	" took_ms INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (job, n, try)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX step_open ON step (job) WHERE ended_ms IS NULL;"

	/* bytes: exactly what every receiver gets; sha256 is the next record's prev */
	"CREATE TABLE record (seq INTEGER PRIMARY KEY, record_id TEXT NOT NULL UNIQUE, job INTEGER NOT NULL REFERENCES job,"
	" device INTEGER NOT NULL REFERENCES device, batch INTEGER REFERENCES batch, final INTEGER NOT NULL, end_state TEXT NOT NULL,"
	" at_ms INTEGER NOT NULL, bytes TEXT NOT NULL, sha256 TEXT NOT NULL, prev TEXT NOT NULL, content TEXT NOT NULL, mac TEXT NOT NULL) STRICT;"
	"CREATE INDEX record_job ON record (job);"
	"CREATE INDEX record_device ON record (device);"
	"CREATE INDEX record_batch ON record (batch) WHERE batch IS NOT NULL;"

	"CREATE TABLE erase_order (id INTEGER PRIMARY KEY, batch TEXT NOT NULL DEFAULT '', family TEXT NOT NULL DEFAULT '',"
	" unit TEXT NOT NULL DEFAULT '', serial TEXT NOT NULL DEFAULT '', by TEXT NOT NULL, second TEXT NOT NULL DEFAULT '',"
	" count INTEGER NOT NULL DEFAULT 1, at_ms INTEGER NOT NULL, until_ms INTEGER, spent_ms INTEGER, spent_job INTEGER,"
	" spent_attach INTEGER, withdrawn_ms INTEGER) STRICT;"
	"CREATE INDEX erase_order_unit ON erase_order (unit) WHERE unit <> '';"
	"CREATE INDEX erase_order_serial ON erase_order (serial) WHERE serial <> '';"

	"CREATE TABLE hold (id INTEGER PRIMARY KEY, family TEXT NOT NULL DEFAULT '', unit TEXT NOT NULL DEFAULT '', serial TEXT NOT NULL DEFAULT '',"
	" reason TEXT NOT NULL, owner TEXT NOT NULL DEFAULT '', why_id INTEGER NOT NULL DEFAULT 0, since_ms INTEGER NOT NULL,"
	" until_ms INTEGER, released_ms INTEGER, released_by TEXT NOT NULL DEFAULT '', released_why TEXT NOT NULL DEFAULT '') STRICT;"
	"CREATE INDEX hold_unit ON hold (unit) WHERE unit <> '' AND released_ms IS NULL;"
	"CREATE INDEX hold_serial ON hold (serial) WHERE serial <> '' AND released_ms IS NULL;"

	"CREATE TABLE port (port TEXT PRIMARY KEY, label TEXT NOT NULL DEFAULT '', allowed INTEGER NOT NULL DEFAULT 0,"
	" changed_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE UNIQUE INDEX port_label ON port (label) WHERE label <> '';"

	"CREATE TABLE org (name TEXT PRIMARY KEY, row TEXT NOT NULL, sealed BLOB NOT NULL, is_default INTEGER NOT NULL DEFAULT 0,"
	" created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE secret (name TEXT PRIMARY KEY, sealed BLOB NOT NULL, created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE certificate (id INTEGER PRIMARY KEY, serial_hex TEXT NOT NULL, issuer TEXT NOT NULL DEFAULT '', unit TEXT NOT NULL DEFAULT '',"
	" device_serial TEXT NOT NULL DEFAULT '', subject TEXT NOT NULL DEFAULT '', san TEXT, sha256 TEXT NOT NULL DEFAULT '',"
	" spki_sha256 TEXT NOT NULL DEFAULT '', not_before_ms INTEGER NOT NULL DEFAULT 0, not_after_ms INTEGER NOT NULL DEFAULT 0,"
	" purpose TEXT NOT NULL DEFAULT '', job INTEGER, status TEXT NOT NULL DEFAULT 'issued', reason TEXT NOT NULL DEFAULT '',"
	" pem TEXT NOT NULL DEFAULT '', created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, UNIQUE (issuer, serial_hex)) STRICT;"
	"CREATE INDEX certificate_serial ON certificate (serial_hex);"
	"CREATE INDEX certificate_unit ON certificate (unit) WHERE unit <> '';"
	"CREATE INDEX certificate_job ON certificate (job) WHERE job IS NOT NULL;"
	"CREATE INDEX certificate_expiry ON certificate (not_after_ms) WHERE status IN ('issued','installed');"

	"CREATE TABLE target (name TEXT PRIMARY KEY, connector TEXT NOT NULL, config TEXT, enabled INTEGER NOT NULL DEFAULT 1,"
	" phase TEXT NOT NULL DEFAULT 'E', sealed BLOB, state TEXT NOT NULL DEFAULT '', not_before_ms INTEGER NOT NULL DEFAULT 0,"
	" text TEXT NOT NULL DEFAULT '', noted_ms INTEGER, created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE outbox (id INTEGER PRIMARY KEY, seq INTEGER NOT NULL REFERENCES record, record_id TEXT NOT NULL, device INTEGER NOT NULL REFERENCES device,"
	" target TEXT NOT NULL REFERENCES target, phase TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'queued', attempts INTEGER NOT NULL DEFAULT 0,"
	" not_before_ms INTEGER NOT NULL DEFAULT 0, answer TEXT, created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, mac TEXT NOT NULL,"
	" UNIQUE (record_id, target, phase)) STRICT;"
	"CREATE INDEX outbox_due ON outbox (target, seq) WHERE state IN ('queued','in_doubt','op_pending');"
	"CREATE INDEX outbox_state ON outbox (target, state);"
	"CREATE INDEX outbox_device ON outbox (device);"
	"CREATE INDEX outbox_sending ON outbox (id) WHERE state = 'sending';"

	/* body is the canonical text the hash covers; there are no columns beside it that could say something else */
	"CREATE TABLE audit (seq INTEGER PRIMARY KEY, body TEXT NOT NULL, hash TEXT NOT NULL) STRICT;"
	"CREATE TABLE checkpoint (seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, note TEXT NOT NULL, signature TEXT NOT NULL) STRICT;"

	"CREATE TABLE person (name TEXT PRIMARY KEY, role TEXT NOT NULL, verifier TEXT NOT NULL DEFAULT '', disabled INTEGER NOT NULL DEFAULT 0,"
	" created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE pin_try (name TEXT NOT NULL, boot_id TEXT NOT NULL, boot_ms INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
	" PRIMARY KEY (name, boot_id, boot_ms)) STRICT, WITHOUT ROWID;"

	/* rowid = 8 * ref + kind, see search.c */
	"CREATE VIRTUAL TABLE search USING fts5 (text, prefix = '2 4', tokenize = \"unicode61 remove_diacritics 2\");",

	/* 2: words in one ordered table instead of FTS5, filled by search_rebuild(), see search.c */
	"DROP TABLE search;"
	"CREATE TABLE findable (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;"
	"CREATE TABLE word (word TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (word, id)) STRICT, WITHOUT ROWID;",

	/* 3: how many deliveries are in each state, kept by the database itself: counting a million rows for the status takes
	 * longer than a person should wait. The oldest open one is found without walking over those that are done. */
	"CREATE TABLE outbox_count (target TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (target, state)) STRICT, WITHOUT ROWID;"
	"INSERT INTO outbox_count (target, state, n) SELECT target, state, count(*) FROM outbox GROUP BY target, state;"
	"CREATE TRIGGER outbox_counts_new AFTER INSERT ON outbox BEGIN"
	" INSERT INTO outbox_count (target, state, n) VALUES (new.target, new.state, 1) ON CONFLICT (target, state) DO UPDATE SET n = n + 1; END;"
	"CREATE TRIGGER outbox_counts_moved AFTER UPDATE OF state, target ON outbox WHEN old.state <> new.state OR old.target <> new.target BEGIN"
	" UPDATE outbox_count SET n = n - 1 WHERE target = old.target AND state = old.state;"
	" INSERT INTO outbox_count (target, state, n) VALUES (new.target, new.state, 1) ON CONFLICT (target, state) DO UPDATE SET n = n + 1; END;"
	"CREATE TRIGGER outbox_counts_gone AFTER DELETE ON outbox BEGIN"
	" UPDATE outbox_count SET n = n - 1 WHERE target = old.target AND state = old.state; END;"
	"CREATE INDEX outbox_open ON outbox (id) WHERE state IN ('queued','sending','in_doubt','op_pending','parked');",

	/* 4: tokens sealed to a recovery key that is not here, newest counts; names given out within a batch */
	"CREATE TABLE escrow (id INTEGER PRIMARY KEY, family TEXT NOT NULL, unit TEXT NOT NULL, serial TEXT NOT NULL DEFAULT '', kind TEXT NOT NULL,"
	" org TEXT NOT NULL DEFAULT '', key_sha256 TEXT NOT NULL, sealed BLOB NOT NULL, sealed_sha256 TEXT NOT NULL, job INTEGER,"
	" created_ms INTEGER NOT NULL, opened_ms INTEGER) STRICT;"
	"CREATE INDEX escrow_unit ON escrow (family, unit, kind);"
	"CREATE INDEX escrow_serial ON escrow (serial);"
	"CREATE TABLE name_given (batch TEXT NOT NULL, name TEXT NOT NULL COLLATE NOCASE, family TEXT NOT NULL, unit TEXT NOT NULL,"
	" at_ms INTEGER NOT NULL, PRIMARY KEY (batch, name)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX name_given_unit ON name_given (family, unit);",

	/* 5: returned devices. A lead agrees beforehand to erases of others, and what was made of it; what is known of a leaver's
	 * phone that no cable tells; the record of each proven erasure; devices that stand in a named queue. */
	"CREATE TABLE erase_exception (id INTEGER PRIMARY KEY, by TEXT NOT NULL, batch TEXT NOT NULL DEFAULT '', serials TEXT NOT NULL DEFAULT '[]',"
	" most INTEGER NOT NULL, reason TEXT NOT NULL, at_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, withdrawn_ms INTEGER,"
	" withdrawn_by TEXT NOT NULL DEFAULT '', mac TEXT NOT NULL) STRICT;"
	"CREATE TABLE erase_exception_use (exception INTEGER NOT NULL REFERENCES erase_exception, family TEXT NOT NULL, unit TEXT NOT NULL,"
	" serial TEXT NOT NULL, erase_order INTEGER NOT NULL REFERENCES erase_order, job INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
	" PRIMARY KEY (exception, family, unit)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE decision (id INTEGER PRIMARY KEY, serial TEXT NOT NULL COLLATE NOCASE, kind TEXT NOT NULL, answer TEXT NOT NULL,"
	" by TEXT NOT NULL DEFAULT '', actor TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;"
	"CREATE INDEX decision_serial ON decision (serial, kind);"
	"CREATE TABLE erasure (id INTEGER PRIMARY KEY, job INTEGER NOT NULL UNIQUE REFERENCES job, device INTEGER NOT NULL REFERENCES device,"
	" at_ms INTEGER NOT NULL, body TEXT NOT NULL, mac TEXT NOT NULL) STRICT;"
	"CREATE INDEX erasure_device ON erasure (device);"
	"CREATE TABLE queued (id INTEGER PRIMARY KEY, queue TEXT NOT NULL, family TEXT NOT NULL DEFAULT '', unit TEXT NOT NULL DEFAULT '',"
	" serial TEXT NOT NULL DEFAULT '', udid TEXT NOT NULL DEFAULT '', why_id INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',"
	" detail TEXT, actor TEXT NOT NULL DEFAULT '', since_ms INTEGER NOT NULL, done_ms INTEGER, done_by TEXT NOT NULL DEFAULT '',"
	" done_why TEXT NOT NULL DEFAULT '') STRICT;"
	"CREATE INDEX queued_open ON queued (queue, unit) WHERE done_ms IS NULL;",

	/* 6: what one device does otherwise than its blueprint, and until when; the first of a kind, before the rest of it */
	"CREATE TABLE override (id INTEGER PRIMARY KEY, family TEXT NOT NULL DEFAULT '', unit TEXT NOT NULL DEFAULT '',"
	" serial TEXT NOT NULL COLLATE NOCASE, what TEXT NOT NULL, reason TEXT NOT NULL, by TEXT NOT NULL, since_ms INTEGER NOT NULL,"
	" until_ms INTEGER NOT NULL, ended_ms INTEGER, ended_by TEXT NOT NULL DEFAULT '', job INTEGER REFERENCES job) STRICT;"
	"CREATE INDEX override_serial ON override (serial);"
	"CREATE TABLE canary (id INTEGER PRIMARY KEY, model TEXT NOT NULL, os TEXT NOT NULL, blueprint TEXT NOT NULL, sha256 TEXT NOT NULL,"
	" wanted INTEGER NOT NULL, state TEXT NOT NULL, why_id INTEGER NOT NULL DEFAULT 0, why TEXT NOT NULL DEFAULT '',"
	" serial TEXT NOT NULL DEFAULT '', by TEXT NOT NULL DEFAULT '', since_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL,"
	" UNIQUE (model, os, sha256)) STRICT;"
	"CREATE TABLE canary_job (job INTEGER PRIMARY KEY REFERENCES job, canary INTEGER NOT NULL REFERENCES canary) STRICT;"
	"CREATE INDEX canary_job_canary ON canary_job (canary);",

	/* 7: who was seen and waits for the first of its kind: it has no job yet, and is not missing */
	"CREATE TABLE canary_wait (family TEXT NOT NULL, unit TEXT NOT NULL, serial TEXT NOT NULL COLLATE NOCASE, udid TEXT NOT NULL,"
	" canary INTEGER NOT NULL REFERENCES canary, since_ms INTEGER NOT NULL, PRIMARY KEY (family, unit)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX canary_wait_serial ON canary_wait (serial);"
	"CREATE INDEX canary_wait_udid ON canary_wait (udid);"
	"CREATE INDEX canary_wait_unit ON canary_wait (unit);",

	/* 8: SCEP: who may ask, what was answered, other servers and the challenges fetched from them */
	"CREATE TABLE scep_challenge (id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, device_serial TEXT NOT NULL COLLATE NOCASE,"
	" unit TEXT NOT NULL DEFAULT '', template TEXT NOT NULL DEFAULT '', org TEXT NOT NULL DEFAULT '', via TEXT NOT NULL DEFAULT '', vars TEXT,"
	" job INTEGER, actor TEXT NOT NULL DEFAULT '', created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, used_ms INTEGER,"
	" transaction_id TEXT NOT NULL DEFAULT '', serial_hex TEXT NOT NULL DEFAULT '') STRICT;"
	"CREATE INDEX scep_challenge_device ON scep_challenge (device_serial);"
	"CREATE TABLE scep_done (transaction_id TEXT NOT NULL, spki_sha256 TEXT NOT NULL, serial_hex TEXT NOT NULL, template TEXT NOT NULL DEFAULT '',"
	" vars TEXT, at_ms INTEGER NOT NULL, PRIMARY KEY (transaction_id, spki_sha256)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX scep_done_certificate ON scep_done (serial_hex);"
	"CREATE TABLE scep_server (name TEXT PRIMARY KEY, config TEXT NOT NULL, sealed BLOB NOT NULL, created_ms INTEGER NOT NULL,"
	" changed_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE scep_pool (id INTEGER PRIMARY KEY, server TEXT NOT NULL REFERENCES scep_server, mark TEXT NOT NULL, sealed BLOB NOT NULL,"
	" fetched_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, device_serial TEXT NOT NULL DEFAULT '', given_ms INTEGER,"
	" UNIQUE (server, mark)) STRICT;",

	/* 9: bundles: machines whose cards are trusted, what was written for and read from each, and the records and deliveries that
	 * came from there. Such a record stands in `record` under a number below zero, see carried.c. */
	"CREATE TABLE bundle_peer (name TEXT PRIMARY KEY COLLATE NOCASE, role TEXT NOT NULL, card TEXT NOT NULL, sha256 TEXT NOT NULL UNIQUE,"
	" by TEXT NOT NULL, added_ms INTEGER NOT NULL, mac TEXT NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE bundle_out (id INTEGER PRIMARY KEY, peer TEXT NOT NULL, chain TEXT NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
	" prev TEXT NOT NULL, sha256 TEXT NOT NULL, first_record INTEGER NOT NULL DEFAULT 0, last_record INTEGER NOT NULL DEFAULT 0,"
	" records INTEGER NOT NULL DEFAULT 0, deliveries INTEGER NOT NULL DEFAULT 0, receipts INTEGER NOT NULL DEFAULT 0,"
	" files INTEGER NOT NULL DEFAULT 0, acknowledged_ms INTEGER, UNIQUE (chain, seq)) STRICT;"
	"CREATE INDEX bundle_out_peer ON bundle_out (peer);"
	"CREATE TABLE bundle_in (id INTEGER PRIMARY KEY, peer TEXT NOT NULL, chain TEXT NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
	" prev TEXT NOT NULL, sha256 TEXT NOT NULL, records INTEGER NOT NULL DEFAULT 0, deliveries INTEGER NOT NULL DEFAULT 0,"
	" receipts INTEGER NOT NULL DEFAULT 0, files INTEGER NOT NULL DEFAULT 0, by TEXT NOT NULL, imported_ms INTEGER NOT NULL,"
	" UNIQUE (peer, chain, seq)) STRICT;"
	"CREATE TABLE bundle_delivery (record_id TEXT NOT NULL, their_target TEXT NOT NULL, phase TEXT NOT NULL, peer TEXT NOT NULL,"
	" target TEXT NOT NULL, outbox INTEGER NOT NULL REFERENCES outbox, told TEXT NOT NULL DEFAULT '',"
	" PRIMARY KEY (record_id, their_target, phase)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX bundle_delivery_peer ON bundle_delivery (peer);"
	"CREATE INDEX bundle_delivery_outbox ON bundle_delivery (outbox);",

	/* 10: the MDMs' own lists of devices, to hold against what was handed over; last_ms of a device = at_ms of its list: it stands there still */
	"CREATE TABLE mdm_list (target TEXT PRIMARY KEY, source TEXT NOT NULL, at_ms INTEGER NOT NULL, by TEXT NOT NULL, devices INTEGER NOT NULL,"
	" left_out INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;"
	"CREATE TABLE mdm_device (id INTEGER PRIMARY KEY, target TEXT NOT NULL REFERENCES mdm_list, serial TEXT NOT NULL DEFAULT '', imei TEXT NOT NULL DEFAULT '',"
	" udid TEXT NOT NULL DEFAULT '', remote_id TEXT NOT NULL DEFAULT '', first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,"
	" UNIQUE (target, serial, imei, udid)) STRICT;"
	"CREATE INDEX mdm_device_serial ON mdm_device (serial) WHERE serial <> '';"
	"CREATE INDEX mdm_device_imei ON mdm_device (imei) WHERE imei <> '';"
	"CREATE INDEX mdm_device_udid ON mdm_device (udid) WHERE udid <> '';",

	/* 11: the people devices are for, list by list */
	"CREATE TABLE staff_list (source TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, by TEXT NOT NULL, people INTEGER NOT NULL,"
	" left_out INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;"
	"CREATE TABLE staff (id INTEGER PRIMARY KEY, source TEXT NOT NULL REFERENCES staff_list,"
	" account TEXT NOT NULL DEFAULT '' COLLATE NOCASE, upn TEXT NOT NULL DEFAULT '' COLLATE NOCASE, mail TEXT NOT NULL DEFAULT '' COLLATE NOCASE,"
	" name TEXT NOT NULL DEFAULT '', department TEXT NOT NULL DEFAULT '', number TEXT NOT NULL DEFAULT '' COLLATE NOCASE,"
	" disabled INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE INDEX staff_source ON staff (source);"
	"CREATE INDEX staff_account ON staff (account);"
	"CREATE INDEX staff_upn ON staff (upn);"
	"CREATE INDEX staff_mail ON staff (mail);"
	"CREATE INDEX staff_number ON staff (number);",

	/* 12: devices told to the MDM before they are here, see register.c. Their deliveries are about no record and no known device, so the
	 * outbox is laid down anew without these two conditions; the rows and their MACs stay as they are. */
	"CREATE TABLE registration (id INTEGER PRIMARY KEY, record_id TEXT NOT NULL UNIQUE, serial TEXT NOT NULL COLLATE NOCASE, bytes TEXT NOT NULL,"
	" sha256 TEXT NOT NULL, made_ms INTEGER NOT NULL, ended_ms INTEGER, mac TEXT NOT NULL) STRICT;"
	"CREATE UNIQUE INDEX registration_serial ON registration (serial) WHERE ended_ms IS NULL;"
	"UPDATE target SET phase = 'P' || phase WHERE connector IN ('intune','jamf-pro') AND phase LIKE 'A%';"
	"CREATE TABLE bundle_delivery_kept AS SELECT * FROM bundle_delivery;"
	"DROP TABLE bundle_delivery;"
	"CREATE TABLE outbox_new (id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, record_id TEXT NOT NULL, device INTEGER REFERENCES device,"
	" target TEXT NOT NULL REFERENCES target, phase TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'queued', attempts INTEGER NOT NULL DEFAULT 0,"
	" not_before_ms INTEGER NOT NULL DEFAULT 0, answer TEXT, created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, mac TEXT NOT NULL,"
	" UNIQUE (record_id, target, phase)) STRICT;"
	"INSERT INTO outbox_new (id, seq, record_id, device, target, phase, state, attempts, not_before_ms, answer, created_ms, changed_ms, mac)"
	" SELECT id, seq, record_id, device, target, phase, state, attempts, not_before_ms, answer, created_ms, changed_ms, mac FROM outbox;"
	"DROP TABLE outbox;"
	"ALTER TABLE outbox_new RENAME TO outbox;"
	"CREATE INDEX outbox_due ON outbox (target, seq) WHERE state IN ('queued','in_doubt','op_pending');"
	"CREATE INDEX outbox_state ON outbox (target, state);"
	"CREATE INDEX outbox_device ON outbox (device);"
	"CREATE INDEX outbox_sending ON outbox (id) WHERE state = 'sending';"
	"CREATE INDEX outbox_open ON outbox (id) WHERE state IN ('queued','sending','in_doubt','op_pending','parked');"
	"CREATE TRIGGER outbox_counts_new AFTER INSERT ON outbox BEGIN"
	" INSERT INTO outbox_count (target, state, n) VALUES (new.target, new.state, 1) ON CONFLICT (target, state) DO UPDATE SET n = n + 1; END;"
	"CREATE TRIGGER outbox_counts_moved AFTER UPDATE OF state, target ON outbox WHEN old.state <> new.state OR old.target <> new.target BEGIN"
	" UPDATE outbox_count SET n = n - 1 WHERE target = old.target AND state = old.state;"
	" INSERT INTO outbox_count (target, state, n) VALUES (new.target, new.state, 1) ON CONFLICT (target, state) DO UPDATE SET n = n + 1; END;"
	"CREATE TRIGGER outbox_counts_gone AFTER DELETE ON outbox BEGIN"
	" UPDATE outbox_count SET n = n - 1 WHERE target = old.target AND state = old.state; END;"
	"CREATE TABLE bundle_delivery (record_id TEXT NOT NULL, their_target TEXT NOT NULL, phase TEXT NOT NULL, peer TEXT NOT NULL,"
	" target TEXT NOT NULL, outbox INTEGER NOT NULL REFERENCES outbox, told TEXT NOT NULL DEFAULT '',"
	" PRIMARY KEY (record_id, their_target, phase)) STRICT, WITHOUT ROWID;"
	"INSERT INTO bundle_delivery SELECT * FROM bundle_delivery_kept;"
	"DROP TABLE bundle_delivery_kept;"
	"CREATE INDEX bundle_delivery_peer ON bundle_delivery (peer);"
	"CREATE INDEX bundle_delivery_outbox ON bundle_delivery (outbox);",
};

int schema_version(void)
{
	return (int)STG_ARRAY_LEN(migrations);
}

static bool pragma_int(struct stg_store *s, const char *sql, int64_t *ret, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, sql);
	if (!stmt_one(&q, STG_ID_NONE, sql, err))
		return false;
	*ret = col_int(&q, 0);
	return true;
}

/* An online copy of the file as it is, beside it, complete and synced before anything changes. */
static bool keep_copy(struct stg_store *s, int64_t version, struct stg_error *err)
{
	char path[4096], part[4096];
	if (snprintf(path, sizeof(path), "%s/before-%d.db", s->dir, (int)version + 1) >= (int)sizeof(path) ||
	    snprintf(part, sizeof(part), "%s/before-%d.db.new", s->dir, (int)version + 1) >= (int)sizeof(part))
		return stg_fail_id(err, STG_E_STATION, STG_ID_SOCKET_PATH, 0, "%s", s->dir);
	(void)unlink(part);
	sqlite3 *to = NULL;
	int rc = sqlite3_open_v2(part, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	/* what it holds is as private as what it is a copy of */
	if (rc == SQLITE_OK && chmod(part, 0600) != 0)
		rc = SQLITE_CANTOPEN;
	sqlite3_backup *copy = rc == SQLITE_OK ? sqlite3_backup_init(to, "main", s->db, "main") : NULL;
	if (copy) {
		rc = sqlite3_backup_step(copy, -1);
		int end = sqlite3_backup_finish(copy);
		if (rc == SQLITE_DONE)
			rc = end;
	} else if (rc == SQLITE_OK) {
		rc = sqlite3_errcode(to);
	}
	sqlite3_close(to);
	if (rc != SQLITE_OK) {
		(void)unlink(part);
		return db_fail(NULL, rc, "copy the inventory before bringing it up to date", err);
	}
	if (rename(part, path) != 0)
		return stg_fail(err, STG_E_IO, 0, "keep %s", path);
	return true;
}

bool schema_migrate(struct stg_store *s, struct stg_error *err)
{
	int64_t version = 0, application = 0;
	if (!pragma_int(s, "PRAGMA user_version", &version, err) || !pragma_int(s, "PRAGMA application_id", &application, err))
		return false;
	if (version > 0 && application != APPLICATION_ID)
		return stg_fail_id(err, STG_E_STATION, STG_ID_DATABASE_DAMAGED, 0, "stager.db");
	if (version > schema_version())
		return stg_fail_id(err, STG_E_STATION, STG_ID_DATABASE_NEWER, 0, "stager.db: %d > %d",
				   (int)version, schema_version());
	if (version == schema_version())
		return true;
	if (s->read_only)
		return stg_fail_id(err, STG_E_STATION, STG_ID_DATABASE_OLDER, 0, "stager.db: %d < %d", (int)version, schema_version());
	if (version > 0 && !keep_copy(s, version, err))
		return stg_say(err, STG_ID_MIGRATION_FAILED);
	for (int v = (int)version; v < schema_version(); v++) {
		char stamp[96];
		snprintf(stamp, sizeof(stamp), "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID, v + 1);
		if (!db_run(s, "BEGIN IMMEDIATE", err))
			return stg_while(err, "bring the inventory to version %d", v + 1);
		if (!db_run(s, migrations[v], err) || (v + 1 == SEARCH_WORDS_SINCE && !search_rebuild(s, err)) || !db_run(s, stamp, err) ||
		    !db_run(s, "COMMIT", err)) {
			(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
			if (err && err->id != STG_ID_DISK_FULL)
				err->id = STG_ID_MIGRATION_FAILED;
			return stg_while(err, "bring the inventory to version %d", v + 1);
		}
	}
	return true;
}
