/*
 * erase.c - who ordered an erase, and that an order is used once.
 *
 * For:    the erase gate (rules in station/gate.c); this is its memory, and a second lock of its own.
 * Uses:   SQLite; the audit log: the intent is on disk before the token exists.
 * Called: stager/station, stager/ops.
 * Thread: the one that has the store.
 */
#include <strings.h>

#include "db.h"

static bool allow_one(struct stg_store *s, const json_t *order, const char *family, const char *unit, const char *serial, struct stg_error *err)
{
	/* a newer order for the same device takes the place of the older one: there is never more than one to spend */
	STG_AUTO(stmt_close) struct stmt old = stmt_open(s, "UPDATE erase_order SET withdrawn_ms = :now WHERE spent_ms IS NULL AND withdrawn_ms IS NULL"
							    " AND ((unit <> '' AND unit = :unit) OR (serial <> '' AND serial = :serial))");
	stmt_int(&old, ":now", stg_wall_ms());
	stmt_text(&old, ":unit", unit);
	stmt_text(&old, ":serial", serial);
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO erase_order (batch, family, unit, serial, by, second, count, at_ms, until_ms)"
							  " VALUES (:batch, :family, :unit, :serial, :by, :second, :count, :now, :until)");
	stmt_text(&q, ":batch", stg_json_str(order, "batch"));
	stmt_text(&q, ":family", family);
	stmt_text(&q, ":unit", unit);
	stmt_text(&q, ":serial", serial);
	stmt_text(&q, ":by", stg_json_str(order, "by"));
	stmt_text(&q, ":second", stg_json_str(order, "second"));
	stmt_int(&q, ":count", stg_json_int(order, "count", 1));
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_int_or_null(&q, ":until", stg_json_int(order, "until_ms", 0));
	return stmt_done(&old, err) && stmt_done(&q, err);
}

static bool serial_is_in(struct stg_store *s, const char *batch, const char *serial, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "SELECT 1 FROM batch_row AS r JOIN batch AS b ON b.id = r.batch LEFT JOIN device AS d ON d.id = r.device WHERE b.name = :batch"
			     " AND (r.serial = :serial COLLATE NOCASE OR d.serial = :serial COLLATE NOCASE)");
	stmt_text(&q, ":batch", batch);
	stmt_text(&q, ":serial", serial);
	int got = stmt_step(&q, err);
	if (got == 0)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_NO_ERASE_ORDER, 0, "%s, %s", serial, batch);
	return got == 1;
}

bool stg_store_erase_allow(struct stg_store *s, const json_t *order, struct stg_error *err)
{
	const json_t *serials = json_object_get(order, "serials");
	const char *unit = stg_json_str(order, "unit"), *batch = stg_json_str(order, "batch");
	size_t n = json_array_size(serials);
	if (!*stg_json_str(order, "by"))
		return stg_fail(err, STG_E_BUG, 0, "an erase order without a person");
	if (n == 0 && !*unit)
		return stg_fail(err, STG_E_USAGE, 0, "an erase order names its devices");
	int64_t count = stg_json_int(order, "count", n == 1 ? 1 : -1);   /* one serial is its own count */
	if (n && count != (int64_t)n)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_WIPE_COUNT, 0, "%lld ≠ %zu", (long long)count, n);
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	size_t i;
	json_t *one;
	json_array_foreach((json_t *)serials, i, one) {
		const char *serial = json_string_value(one);
		if (!serial || !*serial)
			return stg_fail(err, STG_E_USAGE, 0, "an erase order with an empty serial number");
		if ((*batch && !serial_is_in(s, batch, serial, err)) || !allow_one(s, order, "", "", serial, err))
			return false;
	}
	if (n == 0 && !allow_one(s, order, stg_json_str_or(order, "family", "apple"), unit, "", err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *entry = json_object();
	stg_json_put(entry, "actor", stg_json_str(order, "by"));
	stg_json_put(entry, "verb", "erase.order");
	stg_json_put(entry, "object", batch);
	stg_json_put(entry, "unit", unit);
	json_t *detail = json_object();
	stg_json_put(detail, "second", stg_json_str(order, "second"));
	stg_json_put_int(detail, "count", n ? (int64_t)n : 1);
	if (n)
		stg_json_put_new(detail, "serials", json_deep_copy(serials));
	stg_json_put_new(entry, "detail", detail);
	return stg_store_audit(s, entry, err) && tx_commit(&t, err);
}

/* Orders of a batch hold only while it is started, and never past their hour. */
#define ORDER_FOR_UNIT \
	" FROM erase_order AS o JOIN device AS d ON d.family = :family AND d.unit = :unit" \
	" WHERE ((o.unit <> '' AND o.unit = d.unit AND o.family = d.family) OR (o.serial <> '' AND d.serial <> '' AND o.serial = d.serial COLLATE NOCASE))" \
	" AND o.withdrawn_ms IS NULL AND (o.until_ms IS NULL OR o.until_ms > :now)" \
	" AND (o.batch = '' OR EXISTS (SELECT 1 FROM batch WHERE name = o.batch AND state = 'started'))"

json_t *stg_store_erase_order(struct stg_store *s, const char *family, const char *unit, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT o.id AS id, o.batch AS batch, o.unit AS unit, o.serial AS serial, o.by AS by, o.second AS second,"
							  " o.count AS count, o.at_ms AS at_ms, o.until_ms AS until_ms,"
							  " (SELECT role FROM person WHERE name = o.by COLLATE NOCASE AND disabled = 0) AS by_role, (SELECT count(*) FROM person) AS people" ORDER_FOR_UNIT " AND o.spent_ms IS NULL ORDER BY o.id DESC LIMIT 1");
	stmt_text(&q, ":family", family);
	stmt_text(&q, ":unit", unit);
	stmt_int(&q, ":now", stg_wall_ms());
	return stmt_one(&q, STG_ID_NO_ERASE_ORDER, "nobody ordered this device to be erased", err) ? stmt_object(&q, err) : NULL;
}

static bool was_spent(struct stg_store *s, const char *family, const char *unit, bool *ret, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT 1" ORDER_FOR_UNIT " AND o.spent_ms IS NOT NULL LIMIT 1");
	stmt_text(&q, ":family", family);
	stmt_text(&q, ":unit", unit);
	stmt_int(&q, ":now", stg_wall_ms());
	int got = stmt_step(&q, err);
	*ret = got == 1;
	return got >= 0;
}

/* Beside the gate's own rules: pool only, nobody holds it back, the job is this device's and runs on this very attach. */
static bool nothing_against(struct stg_store *s, const char *family, const char *unit, int64_t job, uint64_t attach, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "SELECT d.ownership, j.state, j.attach, EXISTS (SELECT 1 FROM hold WHERE released_ms IS NULL AND ((hold.unit <> '' AND hold.unit = d.unit)"
		   " OR (hold.serial <> '' AND hold.serial = d.serial))) FROM device AS d JOIN job AS j ON j.device = d.id AND j.id = :job"
		   " WHERE d.family = :family AND d.unit = :unit");
	stmt_int(&q, ":job", job);
	stmt_text(&q, ":family", family);
	stmt_text(&q, ":unit", unit);
	int got = stmt_step(&q, err);
	if (got < 0)
		return false;
	if (got == 0)
		return stg_fail(err, STG_E_SAFETY, 0, "job %lld is not about this device", (long long)job);
	if (strcmp(col_text(&q, 0), "pool") != 0)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_NOT_POOL, 0, "%s", col_text(&q, 0));
	if (col_int(&q, 3))
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_ON_HOLD, 0, "%s", "");
	if (strcmp(col_text(&q, 1), "running") != 0)
		return stg_fail(err, STG_E_SAFETY, 0, "job %lld is %s, not running", (long long)job, col_text(&q, 1));
	if (col_int(&q, 2) != 0 && col_int(&q, 2) != (int64_t)attach)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_ERASE_OTHER_ATTACH, 0, "%lld", (long long)job);
	return true;
}

/* Two persons: whoever agreed when it was ordered, else one of the uses of an exception. *ret_exception: 0 when none was needed. */
static bool second_agrees(struct stg_store *s, const json_t *order, const char *family, const char *unit, int64_t job, int64_t *ret_exception,
			  struct stg_error *err)
{
	const char *second = stg_json_str(order, "second");
	if (*second && strcasecmp(second, stg_json_str(order, "by")) != 0)
		return true;
	return exception_use(s, order, family, unit, job, ret_exception, err);
}

bool stg_store_erase_spend(struct stg_store *s, const char *family, const char *unit, int64_t job, uint64_t attach, struct stg_error *err)
{
	return stg_store_erase_spend_two(s, family, unit, job, attach, false, err);
}

bool stg_store_erase_spend_two(struct stg_store *s, const char *family, const char *unit, int64_t job, uint64_t attach, bool second_needed,
			       struct stg_error *err)
{
	int64_t exception = 0;
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	struct stg_error none = { 0 };
	STG_AUTO(stg_json_free_at) json_t *order = stg_store_erase_order(s, family, unit, &none);
	if (!order) {
		bool spent = false;
		if (none.code != STG_E_NOT_FOUND) {
			if (err)
				*err = none;
			return false;
		}
		if (!was_spent(s, family, unit, &spent, err))
			return false;
		return stg_fail_id(err, STG_E_SAFETY, spent ? STG_ID_ERASE_SPENT : STG_ID_NO_ERASE_ORDER, 0, "%s",
				   spent ? "the erase order was already used" : "nobody ordered this device to be erased");
	}
	if (!nothing_against(s, family, unit, job, attach, err) ||
	    (second_needed && !second_agrees(s, order, family, unit, job, &exception, err)))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE erase_order SET spent_ms = :now, spent_job = :job, spent_attach = :attach"
							  " WHERE id = :id AND spent_ms IS NULL");
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_int(&q, ":job", job);
	stmt_int(&q, ":attach", (int64_t)attach);
	stmt_int(&q, ":id", stg_json_int(order, "id", 0));
	if (!stmt_done(&q, err))
		return false;
	if (db_changes(s) != 1)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_ERASE_SPENT, 0, "the erase order was already used");
	STG_AUTO(stg_json_free_at) json_t *entry = json_object();
	json_t *detail = json_object();
	stg_json_put(entry, "actor", stg_json_str(order, "by"));
	stg_json_put(entry, "verb", "erase");
	stg_json_put(entry, "object", stg_json_str(order, "batch"));
	stg_json_put(entry, "unit", unit);
	stg_json_put_int(entry, "job", job);
	stg_json_put(entry, "outcome", "intent");
	stg_json_put(detail, "second", stg_json_str(order, "second"));
	stg_json_put_int(detail, "order", stg_json_int(order, "id", 0));
	stg_json_put_int(detail, "attach", (int64_t)attach);
	if (exception)
		stg_json_put_int(detail, "exception", exception);
	stg_json_put_new(entry, "detail", detail);
	return stg_store_audit(s, entry, err) && audit_checkpoint(s, false, err) && tx_commit(&t, err);
}
