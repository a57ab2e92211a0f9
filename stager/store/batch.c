/*
 * batch.c - what was ordered, and how each ordered device stands.
 *
 * For:    batch commands, intake (is this device ours?), the board.
 * Uses:   SQLite.
 * Called: stager/station, stager/ops, stager/batch.
 * Thread: the one that has the store.
 *
 * The balance is a question, never a stored number: each expected row stands in exactly one end state, read from its
 * last job and its holds at the moment of asking, so that the sum cannot be wrong.
 */
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "db.h"

/* Where the row r with its job j and device d stands. A job that waits for its turn has not ended: it counts as waiting. */
#define ROW_HELD \
	"EXISTS (SELECT 1 FROM hold WHERE released_ms IS NULL AND ((hold.unit <> '' AND hold.unit = d.unit)" \
	" OR (hold.serial <> '' AND hold.serial IN (r.serial, d.serial))))"
/* It was here, and the first of its kind has not passed: the state of that kind. One that passed meanwhile leaves it waiting for its next plug. */
#define ROW_CANARY \
	"coalesce((SELECT k.state FROM canary_wait AS w JOIN canary AS k ON k.id = w.canary WHERE (w.serial <> '' AND w.serial = r.serial) OR (w.udid <> '' AND w.udid = r.udid)" \
	" OR w.unit = r.ecid LIMIT 1), '')"
#define ROW_END \
	"CASE WHEN j.state = 'running' THEN 'running' WHEN " ROW_HELD " THEN 'hold' WHEN j.id IS NULL OR j.state = 'cancelled' THEN" \
	" CASE " ROW_CANARY " WHEN '' THEN 'missing' WHEN 'failed' THEN 'hold' ELSE 'waiting' END" \
	" WHEN j.state = 'hold' THEN 'hold' WHEN j.state IN ('parked','waiting','interrupted') THEN 'waiting' WHEN j.state = 'failed' THEN 'failed'" \
	" ELSE coalesce(nullif(j.end_state, ''), 'staged') END"
#define ROW_WHY "CASE WHEN j.id IS NULL THEN CASE " ROW_CANARY " WHEN 'failed' THEN 1539 WHEN '' THEN NULL ELSE 1538 END ELSE j.why_id END"
static_assert(STG_ID_CANARY_WAITS == 1538 && STG_ID_CANARY_FAILED == 1539, "as ROW_WHY says");
#define ROW_FROM " FROM batch_row AS r LEFT JOIN job AS j ON j.id = r.job LEFT JOIN device AS d ON d.id = r.device"
#define ROW_HOLD \
	"(SELECT hold.reason FROM hold WHERE released_ms IS NULL AND ((hold.unit <> '' AND hold.unit = d.unit)" \
	" OR (hold.serial <> '' AND hold.serial IN (r.serial, d.serial))) LIMIT 1)"
#define ROW_JSON \
	"r.id AS row, r.line AS line, coalesce(nullif(r.serial, ''), d.serial) AS serial, coalesce(nullif(r.udid, ''), d.udid) AS udid," \
	" coalesce(nullif(r.ecid, ''), d.unit) AS ecid, coalesce(nullif(r.imei, ''), d.imei) AS imei, r.imei2 AS imei2, r.name AS name," \
	" r.asset_tag AS asset_tag, r.ownership AS ownership, r.attributes AS \"attributes:json\", d.family AS family, d.unit AS unit," \
	" d.model AS model, d.model_name AS model_name, d.os_version AS os_version, " ROW_END " AS \"end\", j.id AS job, j.state AS state," \
	" j.wait AS wait, " ROW_WHY " AS code, j.why_code AS error, j.why_msg AS msg, j.why_step AS step, j.why_owner AS owner, j.record_id AS record_id," \
	" j.port AS port, j.label AS label, j.changed_ms AS changed_ms, j.ended_ms AS ended_ms," \
	ROW_HOLD " AS hold_reason, coalesce(" ROW_HOLD ", j.why_msg) AS reason, " ROW_WHY " AS why_id"

/* ---- making ---- */

/* ECIDs come as decimal (ours), as 0x hexadecimal, or as bare hexadecimal with letters in it. */
static bool clean_ecid(const char *in, char ret[32])
{
	char *end;
	bool hex = strncasecmp(in, "0x", 2) == 0 || in[strspn(in, "0123456789")] != 0;
	if (!*in) {
		ret[0] = 0;
		return true;
	}
	unsigned long long value = strtoull(in, &end, hex ? 16 : 10);
	if (*end || value == 0)
		return false;
	snprintf(ret, 32, "%llu", value);
	return true;
}

/* As usbmuxd shows it: upper case, and the short form with its dash. */
static void clean_udid(const char *in, char ret[STG_UDID_MAX])
{
	size_t n = 0;
	bool dash = strchr(in, '-') != NULL;
	for (; *in && n < STG_UDID_MAX - 2; in++) {
		if (isspace((unsigned char)*in))
			continue;
		ret[n++] = (char)toupper((unsigned char)*in);
	}
	ret[n] = 0;
	if (n == 24 && !dash) {
		memmove(ret + 9, ret + 8, 17);
		ret[8] = '-';
	}
}

static bool add_row(struct stg_store *s, int64_t batch, const char *batch_name, const json_t *row, struct stg_error *err)
{
	char ecid[32], udid[STG_UDID_MAX];
	const char *ownership = stg_json_str_or(row, "ownership", "unknown");
	int line = (int)stg_json_int(row, "line", 0);
	if (!clean_ecid(stg_json_str(row, "ecid"), ecid))
		return stg_fail(err, STG_E_INPUT, 0, "line %d: '%s' is not an ECID", line, stg_json_str(row, "ecid"));
	if (*ownership && strcmp(ownership, "pool") != 0 && strcmp(ownership, "personal") != 0 && strcmp(ownership, "unknown") != 0)
		return stg_fail(err, STG_E_INPUT, 0, "line %d: ownership '%s', expected pool, personal or unknown", line, ownership);
	clean_udid(stg_json_str(row, "udid"), udid);
	int64_t id;
	{
		STG_AUTO(stmt_close) struct stmt q =
			stmt_open(s, "INSERT INTO batch_row (batch, line, serial, udid, ecid, imei, imei2, name, asset_tag, ownership, attributes)"
				     " VALUES (:batch, :line, :serial, :udid, :ecid, :imei, :imei2, :name, :asset_tag, :ownership, :attributes)");
		stmt_int(&q, ":batch", batch);
		stmt_int(&q, ":line", line);
		stmt_text(&q, ":serial", stg_json_str(row, "serial"));
		stmt_text(&q, ":udid", udid);
		stmt_text(&q, ":ecid", ecid);
		stmt_text(&q, ":imei", stg_json_str(row, "imei"));
		stmt_text(&q, ":imei2", stg_json_str(row, "imei2"));
		stmt_text(&q, ":name", stg_json_str(row, "name"));
		stmt_text(&q, ":asset_tag", stg_json_str(row, "asset_tag"));
		stmt_text(&q, ":ownership", *ownership ? ownership : "unknown");
		stmt_json(&q, ":attributes", json_object_get(row, "attributes"));
		if (!stmt_done(&q, err))
			return false;
		id = sqlite3_last_insert_rowid(s->db);
	}
	char words[1024];
	snprintf(words, sizeof(words), "%s %s %s %s %s %s %s", batch_name, stg_json_str(row, "serial"), udid, ecid, stg_json_str(row, "imei"),
		 stg_json_str(row, "asset_tag"), stg_json_str(row, "name"));
	return search_put(s, SEARCH_ROW, id, words, err);
}

bool stg_store_batch_add(struct stg_store *s, const json_t *batch, struct stg_error *err)
{
	const char *name = stg_json_str(batch, "name");
	const json_t *rows = json_object_get(batch, "rows");
	if (!*name || strlen(name) > 63)
		return stg_fail(err, STG_E_USAGE, 0, "a batch's name has 1 to 63 bytes");
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT 1 FROM batch WHERE name = :name");
		stmt_text(&q, ":name", name);
		int got = stmt_step(&q, err);
		if (got < 0)
			return false;
		if (got)
			return stg_fail_id(err, STG_E_REFUSED, STG_ID_BATCH_EXISTS, 0, "%s", name);
	}
	int64_t id;
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO batch (name, blueprint, columns, created_ms, changed_ms)"
								  " VALUES (:name, :blueprint, :columns, :created, :now)");
		stmt_text(&q, ":name", name);
		stmt_text(&q, ":blueprint", stg_json_str(batch, "blueprint"));
		stmt_json(&q, ":columns", json_object_get(batch, "columns"));
		stmt_int(&q, ":created", stg_json_int(batch, "created_ms", stg_wall_ms()));
		stmt_int(&q, ":now", stg_wall_ms());
		if (!stmt_done(&q, err))
			return false;
		id = sqlite3_last_insert_rowid(s->db);
	}
	size_t i;
	json_t *row;
	json_array_foreach((json_t *)rows, i, row)
		if (!add_row(s, id, name, row, err))
			return false;
	return search_put(s, SEARCH_BATCH, id, name, err) && register_order(s, id, err) && tx_commit(&t, err);
}

/* ---- looking ---- */

static bool batch_id(struct stg_store *s, const char *name, int64_t *ret, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT id FROM batch WHERE name = :name");
	stmt_text(&q, ":name", name);
	if (!stmt_one(&q, STG_ID_UNKNOWN_BATCH, name, err))
		return false;
	*ret = col_int(&q, 0);
	return true;
}

static json_t *balance(struct stg_store *s, int64_t batch, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "SELECT count(*) AS expected, coalesce(sum(e = 'staged'), 0) AS staged, coalesce(sum(e = 'waiting'), 0) AS waiting,"
		   " coalesce(sum(e = 'hold'), 0) AS hold, coalesce(sum(e = 'failed'), 0) AS failed, coalesce(sum(e = 'missing'), 0) AS missing,"
		   " coalesce(sum(e = 'running'), 0) AS running,"
		   " (SELECT count(*) FROM unexpected AS u WHERE u.batch = :batch AND NOT EXISTS (SELECT 1 FROM batch_row AS k WHERE k.batch = :batch"
		   "  AND k.device = u.device)) AS unexpected FROM (SELECT " ROW_END " AS e" ROW_FROM " WHERE r.batch = :batch)");
	stmt_int(&q, ":batch", batch);
	return stmt_one(&q, STG_ID_NONE, "balance", err) ? stmt_object(&q, err) : NULL;
}

#define BATCH_JSON \
	"id, name, blueprint, state, columns AS \"columns:json\", pins AS pins_sha256, created_ms, started_ms, closed_ms, changed_ms"

static bool complete(struct stg_store *s, json_t *batch, struct stg_error *err)
{
	json_t *sum = balance(s, stg_json_int(batch, "id", 0), err), *registration = sum ? register_count(s, stg_json_int(batch, "id", 0), err) : NULL;
	if (!registration) {
		json_decref(sum);
		return false;
	}
	if (stg_json_int(registration, "wanted", 0))
		json_object_set(batch, "registration", registration);
	json_decref(registration);
	json_object_del(batch, "id");
	stg_json_put_new(batch, "balance", sum);
	return true;
}

json_t *stg_store_batch(struct stg_store *s, const char *name, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " BATCH_JSON " FROM batch WHERE name = :name");
	stmt_text(&q, ":name", name);
	if (!stmt_one(&q, STG_ID_UNKNOWN_BATCH, name, err))
		return NULL;
	STG_AUTO(stg_json_free_at) json_t *batch = stmt_object(&q, err);
	stmt_close(&q);
	if (!batch || !complete(s, batch, err))
		return NULL;
	if (*stg_json_str(batch, "pins_sha256")) {
		STG_AUTO(stg_json_free_at) json_t *pins = stg_store_batch_pins(s, name, err);
		if (!pins)
			return NULL;
		const json_t *blueprint = json_object_get(pins, "blueprint"), *ports = json_object_get(pins, "ports");
		json_t *sums = json_object(), *one;
		const char *key;
		stg_json_put(batch, "blueprint_sha256", stg_json_str(blueprint, "sha256"));
		json_object_foreach(json_object_get(pins, "profiles"), key, one)
			stg_json_put(sums, key, stg_json_str(one, "sha256"));
		stg_json_put_new(batch, "profiles_sha256", sums);
		if (json_is_array(ports))
			stg_json_put_new(batch, "ports", json_deep_copy(ports));
	}
	return stg_steal(batch);
}

json_t *stg_store_batches(struct stg_store *s, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " BATCH_JSON " FROM batch ORDER BY id");
	STG_AUTO(stg_json_free_at) json_t *list = stmt_list(&q, err);
	size_t i;
	json_t *one;
	json_array_foreach(list, i, one)
		if (!complete(s, one, err))
			return NULL;
	return stg_steal(list);
}

json_t *stg_store_batch_rows(struct stg_store *s, const char *name, struct stg_error *err)
{
	int64_t batch;
	if (!batch_id(s, name, &batch, err))
		return NULL;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " ROW_JSON ROW_FROM " WHERE r.batch = :batch ORDER BY r.line, r.id");
	stmt_int(&q, ":batch", batch);
	STG_AUTO(stg_json_free_at) json_t *list = stmt_list(&q, err);
	if (!list)
		return NULL;
	STG_AUTO(stmt_close) struct stmt u =
		stmt_open(s, "SELECT 1 AS \"unexpected:bool\", d.family, d.unit, d.unit AS ecid, d.serial, d.udid, d.imei, d.model, d.model_name, u.port,"
			     " u.first_ms, u.last_ms FROM unexpected AS u JOIN device AS d ON d.id = u.device WHERE u.batch = :batch"
			     " AND NOT EXISTS (SELECT 1 FROM batch_row AS k WHERE k.batch = :batch AND k.device = u.device) ORDER BY u.first_ms");
	stmt_int(&u, ":batch", batch);
	json_t *others = stmt_list(&u, err);
	if (!others)
		return NULL;
	json_array_extend(list, others);
	json_decref(others);
	return stg_steal(list);
}

json_t *stg_store_batch_pins(struct stg_store *s, const char *name, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT pins FROM batch WHERE name = :name");
	stmt_text(&q, ":name", name);
	if (!stmt_one(&q, STG_ID_UNKNOWN_BATCH, name, err))
		return NULL;
	return col_is_null(&q, 0) ? json_object() : pin_get(s, col_text(&q, 0), err);
}

/* ---- states ---- */

static bool may_become(const char *from, const char *to, bool pins)
{
	static const char *const moves[][2] = {
		{ "new", "started" }, { "started", "paused" }, { "paused", "started" }, { "started", "closed" }, { "paused", "closed" }, { "closed", "paused" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(moves); i++)
		if (strcmp(moves[i][0], from) == 0 && strcmp(moves[i][1], to) == 0)
			return true;
	/* `batch update` pins again without a change of state */
	return pins && strcmp(from, to) == 0 && strcmp(from, "closed") != 0 && strcmp(from, "new") != 0;
}

static bool put_pins(struct stg_store *s, int64_t batch, const json_t *pins, struct stg_error *err)
{
	char sum[65];
	if (!pin_put(s, pins, sum, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE batch SET pins = :pins WHERE id = :id");
	stmt_text(&q, ":pins", sum);
	stmt_int(&q, ":id", batch);
	STG_AUTO(stmt_close) struct stmt h = stmt_open(s, "INSERT INTO batch_pin (batch, at_ms, pins) VALUES (:id, :now, :pins)");
	stmt_int(&h, ":id", batch);
	stmt_int(&h, ":now", stg_wall_ms());
	stmt_text(&h, ":pins", sum);
	return stmt_done(&q, err) && stmt_done(&h, err);
}

bool stg_store_batch_state(struct stg_store *s, const char *name, const char *state, const json_t *pins, struct stg_error *err)
{
	const char *to = strcmp(state, "reopened") == 0 ? "paused" : state;
	bool has_pins = pins && json_object_size(pins) > 0;
	int64_t batch;
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err) || !batch_id(s, name, &batch, err))
		return false;
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT state FROM batch WHERE id = :id");
		stmt_int(&q, ":id", batch);
		if (!stmt_one(&q, STG_ID_UNKNOWN_BATCH, name, err))
			return false;
		if (!may_become(col_text(&q, 0), to, has_pins))
			return stg_fail_id(err, STG_E_REFUSED, STG_ID_ILLEGAL_MOVE, 0, "batch %s is %s, it cannot become %s", name, col_text(&q, 0), to);
	}
	if (strcmp(to, "closed") == 0) {
		STG_AUTO(stg_json_free_at) json_t *sum = balance(s, batch, err);
		if (!sum)
			return false;
		if (stg_json_int(sum, "running", 0))
			return stg_fail_id(err, STG_E_REFUSED, STG_ID_BATCH_RUNNING, 0, "%s: %d", name,
					   (int)stg_json_int(sum, "running", 0));
	}
	if (has_pins && !put_pins(s, batch, pins, err))
		return false;
	const bool is_over = strcmp(to, "closed") == 0, is_again = strcmp(state, "reopened") == 0;
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "UPDATE batch SET state = :state, started_ms = CASE WHEN :state = 'started' THEN coalesce(started_ms, :now) ELSE started_ms END,"
			     " closed_ms = CASE WHEN :state = 'closed' THEN :now ELSE NULL END, changed_ms = :now WHERE id = :id");
	stmt_text(&q, ":state", to);
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_int(&q, ":id", batch);
	return stmt_done(&q, err) && (!is_over || register_order_over(s, batch, name, err)) && (!is_again || register_order(s, batch, err)) && tx_commit(&t, err);
}

/* ---- is this device in an order? ---- */

#define MATCH_MAX 32

struct match {
	int64_t row, batch, device, rank;
	bool started, open;              /* open: the row still wants its device */
	bool agrees;
	char batch_name[64];
};

static bool differs(const char *ordered, const char *read)
{
	return *ordered && *read && strcasecmp(ordered, read) != 0;
}

/* Every row of a batch that is not closed and that any identifier of the device points at; the rank says which. */
static bool collect(struct stg_store *s, const struct stg_identity *who, struct match *ret, size_t *ret_n, struct stg_error *err)
{
	char udid[STG_UDID_MAX];
	clean_udid(who->udid, udid);
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "SELECT r.id, r.batch, r.device, m.rank, b.state, b.name, r.serial, r.udid, r.ecid, r.imei, r.imei2, " ROW_END " AS e FROM"
		   " (SELECT id, min(rank) AS rank FROM ("
		   " SELECT id, 1 AS rank FROM batch_row WHERE ecid <> '' AND ecid = :unit UNION ALL SELECT id, 1 FROM batch_row WHERE udid <> '' AND udid = :udid"
		   " UNION ALL SELECT id, 2 FROM batch_row WHERE serial <> '' AND serial = :serial COLLATE NOCASE"
		   " UNION ALL SELECT id, 3 FROM batch_row WHERE imei <> '' AND imei IN (:imei, :imei2)"
		   " UNION ALL SELECT id, 3 FROM batch_row WHERE imei2 <> '' AND imei2 IN (:imei, :imei2)) GROUP BY id) AS m"
		   " JOIN batch_row AS r ON r.id = m.id JOIN batch AS b ON b.id = r.batch LEFT JOIN job AS j ON j.id = r.job"
		   " LEFT JOIN device AS d ON d.id = r.device WHERE b.state <> 'closed' ORDER BY m.rank, r.id LIMIT 32");
	stmt_text(&q, ":unit", strcmp(who->family, "apple") == 0 ? who->unit : "");
	stmt_text(&q, ":udid", udid);
	stmt_text(&q, ":serial", who->serial);
	stmt_text(&q, ":imei", who->imei[0]);
	stmt_text(&q, ":imei2", who->imei[1]);
	int got;
	size_t n = 0;
	while (n < MATCH_MAX && (got = stmt_step(&q, err)) == 1) {
		struct match *m = &ret[n++];
		*m = (struct match){ .row = col_int(&q, 0), .batch = col_int(&q, 1), .device = col_int(&q, 2), .rank = col_int(&q, 3) };
		m->started = strcmp(col_text(&q, 4), "started") == 0;
		stg_copy(m->batch_name, sizeof(m->batch_name), col_text(&q, 5));
		m->open = strcmp(col_text(&q, 11), "staged") != 0;
		bool imei_known = who->imei[0][0] && col_text(&q, 9)[0];
		m->agrees = !differs(col_text(&q, 6), who->serial) && !differs(col_text(&q, 7), udid) &&
			    !(strcmp(who->family, "apple") == 0 && differs(col_text(&q, 8), who->unit)) &&
			    !(imei_known && differs(col_text(&q, 9), who->imei[0]) && differs(col_text(&q, 9), who->imei[1][0] ? who->imei[1] : who->imei[0]));
		got = 0;
	}
	*ret_n = n;
	return n == MATCH_MAX || got == 0;
}

static json_t *row_json(struct stg_store *s, int64_t row, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT b.name AS batch, b.blueprint AS blueprint, b.state AS batch_state, " ROW_JSON ROW_FROM
							  " JOIN batch AS b ON b.id = r.batch WHERE r.id = :row");
	stmt_int(&q, ":row", row);
	return stmt_one(&q, STG_ID_UNKNOWN_BATCH, "order line", err) ? stmt_object(&q, err) : NULL;
}

json_t *stg_store_batch_match(struct stg_store *s, const struct stg_identity *who, struct stg_error *err)
{
	struct match m[MATCH_MAX];
	const struct match *best = NULL, *waiting = NULL;
	size_t n = 0;
	int64_t device = 0;
	struct stg_error unknown;
	if (!collect(s, who, m, &n, err))
		return NULL;
	(void)device_id(s, who->family, who->unit, &device, &unknown);
	/* best: a started batch, a row that still wants its device, the strongest identifier */
	for (size_t i = 0; i < n; i++) {
		if (!m[i].started) {
			waiting = waiting ? waiting : &m[i];
			continue;
		}
		if (!best || (m[i].open && !best->open) || (m[i].open == best->open && m[i].rank < best->rank))
			best = &m[i];
	}
	if (!best && waiting)
		stg_fail_id(err, STG_E_WAITING, STG_ID_BATCH_NOT_STARTED, 0, "%s", waiting->batch_name);
	else if (!best)
		stg_fail(err, STG_E_NOT_FOUND, 0, "not in any order");
	if (!best)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (!m[i].started || &m[i] == best)
			continue;
		if (m[i].batch != best->batch && m[i].open && best->open) {
			stg_fail_id(err, STG_E_HOLD, STG_ID_IN_TWO_BATCHES, 0, "%s, %s", best->batch_name, m[i].batch_name);
			return NULL;
		}
		if (m[i].batch == best->batch) {
			stg_fail_id(err, STG_E_HOLD, STG_ID_IDENTITY_CONFLICT, 0, "%s", best->batch_name);
			return NULL;
		}
	}
	if (!best->agrees) {
		stg_fail_id(err, STG_E_HOLD, STG_ID_IDENTITY_CONFLICT, 0, "%s", best->batch_name);
		return NULL;
	}
	/* without a unit (a serial typed by a person) there is nothing to compare */
	if (best->device && who->unit[0] && best->device != device) {
		stg_fail_id(err, STG_E_HOLD, STG_ID_ROW_TAKEN, 0, "%s", best->batch_name);
		return NULL;
	}
	return row_json(s, best->row, err);
}

bool stg_store_unexpected(struct stg_store *s, const char *batch, const struct stg_identity *who, const char *port, struct stg_error *err)
{
	int64_t id, device;
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err) || !batch_id(s, batch, &id, err) || !device_put_id(s, who, &device, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO unexpected (batch, device, port, first_ms, last_ms) VALUES (:batch, :device, :port, :now, :now)"
							  " ON CONFLICT (batch, device) DO UPDATE SET port = excluded.port, last_ms = excluded.last_ms");
	stmt_int(&q, ":batch", id);
	stmt_int(&q, ":device", device);
	stmt_text(&q, ":port", port);
	stmt_int(&q, ":now", stg_wall_ms());
	return stmt_done(&q, err) && tx_commit(&t, err);
}
