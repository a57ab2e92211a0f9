/*
 * certificate.c - the register of what this station has issued.
 *
 * For:    issuing, revoking, lists of what was revoked, and looking up.
 * Uses:   SQLite; what a certificate means lives in stager/keys.
 * Called: stager/station, stager/ca, stager/ops.
 * Thread: the one that has the store.
 */
#include <stdio.h>

#include "db.h"

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

/* "" and 0 ask for nothing; `words` may stand in any column a person knows. */
#define WANTED \
	" (:unit = '' OR unit = :unit) AND (:status = '' OR status = :status) AND (:job = 0 OR job = :job) AND (:serial_hex = '' OR serial_hex = :serial_hex)" \
	" AND (:device = '' OR device_serial = :device COLLATE NOCASE) AND (:issuer = '' OR issuer = :issuer) AND (:sha256 = '' OR sha256 = :sha256)" \
	" AND (:purpose = '' OR purpose = :purpose) AND changed_ms > :changed_after AND (:expires_before = 0 OR not_after_ms < :expires_before)" \
	" AND (:words = '' OR instr(lower(serial_hex || ' ' || subject || ' ' || device_serial || ' ' || unit || ' ' || coalesce(san, '') || ' ' || sha256)," \
	" lower(:words)) > 0)"

json_t *stg_store_certificates(struct stg_store *s, const json_t *filter, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "SELECT serial_hex, issuer, unit, device_serial, subject, san AS \"san:json\", sha256, spki_sha256, not_before_ms, not_after_ms, purpose, job,"
		   " status, reason, pem, created_ms, changed_ms FROM certificate WHERE" WANTED " ORDER BY id");
	stmt_text(&q, ":unit", stg_json_str(filter, "unit"));
	stmt_text(&q, ":status", stg_json_str(filter, "status"));
	stmt_int(&q, ":job", stg_json_int(filter, "job", 0));
	stmt_text(&q, ":serial_hex", stg_json_str(filter, "serial_hex"));
	stmt_text(&q, ":device", stg_json_str(filter, "device_serial"));
	stmt_text(&q, ":issuer", stg_json_str(filter, "issuer"));
	stmt_text(&q, ":sha256", stg_json_str(filter, "sha256"));
	stmt_text(&q, ":purpose", stg_json_str(filter, "purpose"));
	stmt_text(&q, ":words", stg_json_str(filter, "words"));
	stmt_int(&q, ":changed_after", stg_json_int(filter, "changed_after_ms", -1));
	stmt_int(&q, ":expires_before", stg_json_int(filter, "expires_before_ms", 0));
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

bool stg_store_certificate_issued(struct stg_store *s, const json_t *row, const json_t *entry, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	return tx_begin(&t, s, err) && stg_store_certificate_add(s, row, err) && stg_store_audit(s, entry, err) && tx_commit(&t, err);
}

bool certificates_of_wiped(struct stg_store *s, const struct stg_identity *who, int64_t before_ms, const char *erasure, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *gone = json_array();
	/* one issued for the serial number alone is this device's as well */
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "UPDATE certificate SET status = 'revoked', reason = 'cessation', changed_ms = :now WHERE status <> 'revoked' AND created_ms <= :before"
			     " AND not_after_ms > :now AND ((unit <> '' AND unit = :unit) OR (unit = '' AND device_serial <> '' AND device_serial = :serial))"
			     " RETURNING serial_hex");
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_int(&q, ":before", before_ms);
	stmt_text(&q, ":unit", who->unit);
	stmt_text(&q, ":serial", who->serial);
	int got;
	while ((got = stmt_step(&q, err)) == 1)
		json_array_append_new(gone, json_string(col_text(&q, 0)));
	if (got < 0)
		return false;
	if (json_array_size(gone) == 0)
		return true;
	STG_AUTO(stg_json_free_at) json_t *entry = json_pack("{s:s,s:s,s:s,s:s,s:s,s:{s:s,s:s,s:O}}", "actor", "station", "verb", "ca.revoke", "object", erasure,
							     "unit", who->unit, "outcome", "done", "detail", "reason", "cessation", "device_serial",
							     who->serial, "certificates", gone);
	return stg_store_audit(s, entry, err);
}

json_t *certificates_ended(struct stg_store *s, const char *unit, int64_t since_ms, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT serial_hex FROM certificate WHERE status = 'revoked' AND reason = 'cessation'"
							  " AND changed_ms >= :since AND ((unit <> '' AND unit = :unit) OR (unit = '' AND device_serial <> ''"
							  " AND device_serial = (SELECT serial FROM device WHERE unit = :unit LIMIT 1))) ORDER BY id");
	stmt_int(&q, ":since", since_ms);
	stmt_text(&q, ":unit", unit);
	int got;
	while ((got = stmt_step(&q, err)) == 1)
		json_array_append_new(list, json_string(col_text(&q, 0)));
	return got == 0 ? stg_steal(list) : NULL;
}
