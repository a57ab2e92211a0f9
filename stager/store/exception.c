/*
 * exception.c - erases a lead agreed to beforehand: how many, which, until when, and every use.
 *
 * For:    the second person of the erase gate when he cannot stand at the bench all day.
 * Uses:   SQLite; row MACs: an exception edited in the file is none; the audit log.
 * Called: erase.c (a use, in the transaction that spends the order), stager/ops, stager/station.
 * Thread: the one that has the store.
 *
 * An exception is never a confirmation: somebody still types the count or the serial, and every other condition of the gate
 * stands. It is good for one erase of each device, and never for what its signer ordered himself.
 */
#include <stdlib.h>
#include <strings.h>

#include "db.h"

#define LONGEST_MS (24 * 3600000LL)
#define MOST 5000

#define COLUMNS \
	"e.id AS id, e.by AS by, e.batch AS batch, e.serials AS \"serials:json\", e.most AS most, e.reason AS reason, e.at_ms AS at_ms, e.until_ms AS until_ms," \
	" e.withdrawn_ms AS withdrawn_ms, e.withdrawn_by AS withdrawn_by, e.mac AS mac," \
	" (SELECT count(*) FROM erase_exception_use AS u WHERE u.exception = e.id) AS used," \
	" (SELECT count(*) FROM person AS p WHERE p.name = e.by AND p.disabled = 0 AND p.role IN ('lead', 'admin')) AS stands"

/* What was signed. Withdrawing and using come later and are not part of it. */
static json_t *signed_part(const json_t *e)
{
	json_t *o = json_object();
	stg_json_put(o, "by", stg_json_str(e, "by"));
	stg_json_put(o, "batch", stg_json_str(e, "batch"));
	stg_json_put_new(o, "serials", json_deep_copy(json_object_get(e, "serials")));
	stg_json_put_int(o, "most", stg_json_int(e, "most", 0));
	stg_json_put(o, "reason", stg_json_str(e, "reason"));
	stg_json_put_int(o, "at_ms", stg_json_int(e, "at_ms", 0));
	stg_json_put_int(o, "until_ms", stg_json_int(e, "until_ms", 0));
	return o;
}

/* Upper case, each once: serial numbers are compared letter for letter elsewhere. */
static json_t *serials_of(const json_t *list)
{
	json_t *out = json_array(), *one;
	size_t i, k;
	json_array_foreach((json_t *)list, i, one) {
		char serial[STG_SERIAL_MAX];
		const json_t *have;
		bool again = false;
		if (!json_is_string(one) || !*json_string_value(one) || !stg_copy(serial, sizeof(serial), json_string_value(one)))
			continue;
		for (char *p = serial; *p; p++)
			*p = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
		json_array_foreach(out, k, have)
			again = again || strcmp(json_string_value(have), serial) == 0;
		if (!again)
			json_array_append_new(out, json_string(serial));
	}
	return out;
}

static bool put_row(struct stg_store *s, const json_t *e, int64_t *ret_id, struct stg_error *err)
{
	char mac[65];
	STG_AUTO(stg_json_free_at) json_t *sealed = signed_part(e);
	if (!mac_make(s, "erase_exception", sealed, mac, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO erase_exception (by, batch, serials, most, reason, at_ms, until_ms, mac)"
							  " VALUES (:by, :batch, :serials, :most, :reason, :at, :until, :mac)");
	stmt_text(&q, ":by", stg_json_str(e, "by"));
	stmt_text(&q, ":batch", stg_json_str(e, "batch"));
	stmt_json(&q, ":serials", json_object_get(e, "serials"));
	stmt_int(&q, ":most", stg_json_int(e, "most", 0));
	stmt_text(&q, ":reason", stg_json_str(e, "reason"));
	stmt_int(&q, ":at", stg_json_int(e, "at_ms", 0));
	stmt_int(&q, ":until", stg_json_int(e, "until_ms", 0));
	stmt_text(&q, ":mac", mac);
	if (!stmt_done(&q, err))
		return false;
	*ret_id = sqlite3_last_insert_rowid(s->db);
	return true;
}

static bool audit(struct stg_store *s, const char *actor, const char *verb, int64_t id, const char *unit, json_t *detail /* taken */, struct stg_error *err)
{
	char object[32];
	snprintf(object, sizeof(object), "%lld", (long long)id);
	STG_AUTO(stg_json_free_at) json_t *entry =
		json_pack("{s:s,s:s,s:s,s:s,s:s}", "actor", actor, "verb", verb, "object", object, "unit", unit, "outcome", "done");
	stg_json_put_new(entry, "detail", detail);
	return stg_store_audit(s, entry, err);
}

bool stg_store_exception_sign(struct stg_store *s, const json_t *exception, int64_t *ret_id, struct stg_error *err)
{
	int64_t now = stg_wall_ms(), until = stg_json_int(exception, "until_ms", 0), id = 0;
	const char *batch = stg_json_str(exception, "batch");
	STG_AUTO(stg_json_free_at) json_t *e = json_deep_copy(exception);
	json_t *serials = serials_of(json_object_get(exception, "serials"));
	int64_t named = (int64_t)json_array_size(serials), most = *batch ? stg_json_int(exception, "most", 0) : named;
	stg_json_put_new(e, "serials", serials);
	stg_json_put_int(e, "most", most);
	stg_json_put_int(e, "at_ms", now);
	if (!*stg_json_str(e, "by"))
		return stg_fail(err, STG_E_BUG, 0, "an exception without a signer");
	if ((*batch != 0) == (named > 0) || most < 1 || most > MOST || !*stg_json_str(e, "reason"))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_EXCEPTION_EMPTY, 0, "%lld of '%.64s', %lld serial numbers", (long long)most, batch, (long long)named);
	if (until <= now || until > now + LONGEST_MS)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_EXCEPTION_SPAN, 0, "%lld min", (long long)((until - now) / 60000));
	STG_AUTO(tx_end) struct tx t = { 0 };
	/* a clock that was put back would make an hour that has passed come again */
	if (!tx_begin(&t, s, err) || !stg_store_clock_ok(s, err))
		return false;
	if (*batch) {
		STG_AUTO(stg_json_free_at) json_t *known = stg_store_batch(s, batch, err);
		if (!known)
			return false;
	}
	STG_AUTO(stg_json_free_at) json_t *detail = signed_part(e);
	if (!put_row(s, e, &id, err) || !audit(s, stg_json_str(e, "by"), "erase.exception.sign", id, "", json_incref(detail), err) || !tx_commit(&t, err))
		return false;
	if (ret_id)
		*ret_id = id;
	return true;
}

static const char *state_of(const json_t *e)
{
	/* who has left, or is no lead any more, agrees to nothing */
	if (stg_json_int(e, "withdrawn_ms", 0) || !stg_json_int(e, "stands", 0))
		return "withdrawn";
	if (stg_json_int(e, "used", 0) >= stg_json_int(e, "most", 0))
		return "used";
	return stg_json_int(e, "until_ms", 0) <= stg_wall_ms() ? "past" : "open";
}

/* The row a statement stands on, as callers see it; NULL: it was changed or damaged. */
static json_t *row(struct stg_store *s, struct stmt *q, struct stg_error *err)
{
	json_t *e = stmt_object(q, err);
	if (!e)
		return NULL;
	if (!json_object_get(e, "serials"))
		stg_json_put_new(e, "serials", json_array());
	STG_AUTO(stg_json_free_at) json_t *sealed = signed_part(e);
	if (!mac_check(s, "erase_exception", stg_json_int(e, "id", 0), sealed, stg_json_str(e, "mac"), err)) {
		json_decref(e);
		return NULL;
	}
	json_object_del(e, "mac");
	int64_t left = stg_json_int(e, "most", 0) - stg_json_int(e, "used", 0);
	stg_json_put_int(e, "left", left > 0 ? left : 0);
	stg_json_put(e, "state", state_of(e));
	json_object_del(e, "stands");
	return e;
}

json_t *stg_store_exceptions(struct stg_store *s, bool open_only, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " COLUMNS " FROM erase_exception AS e ORDER BY e.id DESC LIMIT 1000");
	int got;
	while ((got = stmt_step(&q, err)) == 1) {
		json_t *e = row(s, &q, err);
		if (!e)
			return NULL;
		if (open_only && strcmp(stg_json_str(e, "state"), "open") != 0)
			json_decref(e);
		else
			json_array_append_new(list, e);
	}
	return got == 0 ? stg_steal(list) : NULL;
}

bool stg_store_exception_withdraw(struct stg_store *s, int64_t id, const char *by, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE erase_exception SET withdrawn_ms = :now, withdrawn_by = :by WHERE id = :id AND withdrawn_ms IS NULL");
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":by", by);
	stmt_int(&q, ":id", id);
	if (!stmt_done(&q, err))
		return false;
	if (db_changes(s) != 1)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_NO_EXCEPTION, 0, "%lld", (long long)id);
	return audit(s, by, "erase.exception.withdraw", id, "", json_object(), err) && tx_commit(&t, err);
}

static bool may_be_used(const json_t *e, const char *ordered_by)
{
	return strcmp(stg_json_str(e, "state"), "open") == 0 && !stg_json_int(e, "used_for_it", 0) && *ordered_by &&
	       strcasecmp(stg_json_str(e, "by"), ordered_by) != 0;
}

json_t *stg_store_exception_for(struct stg_store *s, const char *family, const char *unit, const char *serial, const char *ordered_by,
				struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "SELECT " COLUMNS ", (SELECT count(*) FROM erase_exception_use AS u WHERE u.exception = e.id AND ((u.family = :family AND u.unit = :unit)"
		   " OR u.serial = :serial COLLATE NOCASE)) AS used_for_it FROM erase_exception AS e"
		   " WHERE (e.batch = '' AND EXISTS (SELECT 1 FROM json_each(e.serials) WHERE value = :serial COLLATE NOCASE))"
		   " OR (e.batch <> '' AND EXISTS (SELECT 1 FROM batch_row AS r JOIN batch AS b ON b.id = r.batch LEFT JOIN device AS d ON d.id = r.device"
		   " WHERE b.name = e.batch AND (r.serial = :serial COLLATE NOCASE OR d.serial = :serial COLLATE NOCASE)))"
		   " ORDER BY e.id DESC");
	stmt_text(&q, ":family", family);
	stmt_text(&q, ":unit", unit);
	stmt_text(&q, ":serial", serial);
	STG_AUTO(stg_json_free_at) json_t *newest = NULL;
	int got;
	while (*serial && (got = stmt_step(&q, err)) != 0) {
		json_t *e = got == 1 ? row(s, &q, err) : NULL;
		if (!e)
			return NULL;
		if (may_be_used(e, ordered_by))
			return e;
		if (newest)
			json_decref(e);
		else
			newest = e;
	}
	if (!newest)
		stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_ERASE_SECOND, 0, "no exception names %.40s", serial);
	return stg_steal(newest);
}

bool exception_use(struct stg_store *s, const json_t *order, const char *family, const char *unit, int64_t job, int64_t *ret_id, struct stg_error *err)
{
	struct stg_identity who;
	const char *ordered_by = stg_json_str(order, "by");
	struct stg_error none = { 0 };
	if (!stg_store_clock_ok(s, err) || !stg_store_device_find(s, family, unit, &who, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *e = stg_store_exception_for(s, family, unit, who.serial, ordered_by, &none);
	if (!e && none.code != STG_E_NOT_FOUND) {
		if (err)
			*err = none;
		return false;
	}
	if (!e || !may_be_used(e, ordered_by))
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_ERASE_SECOND, 0, "no second person agreed to erase %.40s", who.serial);
	int64_t id = stg_json_int(e, "id", 0);
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO erase_exception_use (exception, family, unit, serial, erase_order, job, at_ms)"
								  " VALUES (:exception, :family, :unit, :serial, :erase_order, :job, :now)");
		stmt_int(&q, ":exception", id);
		stmt_text(&q, ":family", family);
		stmt_text(&q, ":unit", unit);
		stmt_text(&q, ":serial", who.serial);
		stmt_int(&q, ":erase_order", stg_json_int(order, "id", 0));
		stmt_int(&q, ":job", job);
		stmt_int(&q, ":now", stg_wall_ms());
		if (!stmt_done(&q, err))
			return false;
	}
	json_t *detail = json_pack("{s:s,s:s,s:I,s:I}", "signed_by", stg_json_str(e, "by"), "serial", who.serial, "left",
				   (json_int_t)(stg_json_int(e, "left", 0) - 1), "job", (json_int_t)job);
	*ret_id = id;
	return audit(s, ordered_by, "erase.exception.use", id, unit, detail, err);
}
