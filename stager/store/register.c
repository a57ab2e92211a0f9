/*
 * register.c - devices told to the MDM before they have enrolled, and what waits for its receipt.
 *
 * For:    orders (batch.c), new targets and settled deliveries (outbox.c), the end of a job.
 * Uses:   SQLite; row MACs; the outbox, whose phase P these deliveries are.
 * Called: as part of the caller's transaction.
 * Thread: the one that has the store.
 * Facts:  phases of mdm-push 1.1 and 1.2: before enrolment a serial number can be told, and little else.
 *
 * One serial number has one registration, whatever orders it stands in, and each target hears of it once: a delivery of
 * phase P under the registration's id. Its number lies below our own results and above those that came by stick, so that
 * it is told before any result of its device. It does not travel by stick: who carries a result carries the newer word.
 */
#include <stdio.h>
#include <stdlib.h>

#include <stager/facts.h>

#include "db.h"

#define SEQ_BASE (-(1LL << 60))

/* What a delivery must be in so that its device counts as registered. A newer word there is one; what two people dropped is not asked for. */
#define TOLD "'delivered','superseded','sent_unproven','dropped'"

/* ---- one registration ---- */

static bool seal(struct stg_store *s, const char *record_id, const char *serial, const char *sha256, char ret[65], struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *sealed = json_pack("{s:s,s:s,s:s}", "record_id", record_id, "serial", serial, "sha256", sha256);
	return mac_make(s, "registration", sealed, ret, err);
}

/* Everything told about a device that only an order names. `r` has "device", "asset_tag", "order", "batch". */
static bool insert(struct stg_store *s, json_t *r, const char *serial, char ret_record[40], int64_t *ret_id, struct stg_error *err)
{
	char sha256[65], mac[65];
	STG_AUTO(stg_free_at) char *station = stg_store_get(s, "station_name", err);
	STG_AUTO(stg_free_at) char *station_id = station ? stg_store_get(s, "station_id", err) : NULL;
	if (!station_id)
		return false;
	stg_uuid7(ret_record);
	stg_json_put(r, "schema", "stager.registration/1");
	if (s->kind == STG_STORE_REHEARSAL)
		stg_json_put_bool(r, "rehearsal", true);
	stg_json_put(r, "outcome", "ordered");
	stg_json_put_bool(r, "final", false);
	stg_json_put(r, "record_id", ret_record);
	stg_json_put(r, "station", *station ? station : station_id);
	stg_json_put(r, "station_id", station_id);
	stg_json_put_new(r, "time", record_time_part());
	STG_AUTO(stg_free_at) char *bytes = stg_json_text(r);
	stg_sha256_hex(stg_bytes_str(bytes), sha256);
	if (!seal(s, ret_record, serial, sha256, mac, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO registration (record_id, serial, bytes, sha256, made_ms, mac)"
							  " VALUES (:record_id, :serial, :bytes, :sha256, :now, :mac)");
	stmt_text(&q, ":record_id", ret_record);
	stmt_text(&q, ":serial", serial);
	stmt_text(&q, ":bytes", bytes);
	stmt_text(&q, ":sha256", sha256);
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":mac", mac);
	if (!stmt_done(&q, err))
		return false;
	*ret_id = sqlite3_last_insert_rowid(s->db);
	return true;
}

static bool find(struct stg_store *s, const char *serial, char ret_record[40], int64_t *ret_id, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT id, record_id FROM registration WHERE serial = :serial AND ended_ms IS NULL");
	stmt_text(&q, ":serial", serial);
	int got = stmt_step(&q, err);
	*ret_id = got == 1 ? col_int(&q, 0) : 0;
	if (got == 1)
		stg_copy(ret_record, 40, col_text(&q, 1));
	return got >= 0;
}

/* Names of the targets that register devices before enrolment. */
static json_t *targets(struct stg_store *s, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT name FROM target WHERE enabled AND instr(phase, 'P') ORDER BY name");
	return stmt_list(&q, err);
}

/* Takes the reference of r. Told already: nothing happens. */
static bool tell(struct stg_store *s, const json_t *to, const char *serial, json_t *r, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *owned = r;
	char record_id[40];
	int64_t id, outbox;
	size_t i;
	json_t *one;
	if (!find(s, serial, record_id, &id, err) || (!id && !insert(s, owned, serial, record_id, &id, err)))
		return false;
	json_array_foreach((json_t *)(uintptr_t)to, i, one)
		if (!outbox_add(s, SEQ_BASE + id, record_id, 0, stg_json_str(one, "name"), "P", &outbox, err))
			return false;
	return true;
}

/* ---- orders ---- */

/* What an order says of a device: only what it says; a platform is not guessed from a serial number. */
static json_t *of_row(const json_t *row)
{
	static const char *const named[] = { "model", "manufacturer", "platform" };
	const json_t *attributes = json_object_get(row, "attributes");
	json_t *r = json_object(), *device = json_object(), *imei = json_array();
	bool is_apple = *stg_json_str(row, "ecid") || *stg_json_str(row, "udid");
	stg_json_put(device, "serial", stg_json_str(row, "serial"));
	stg_json_put(device, "udid", stg_json_str(row, "udid"));
	for (size_t i = 0; i < STG_ARRAY_LEN(named); i++)
		stg_json_put(device, named[i], stg_json_str(attributes, named[i]));
	if (is_apple) {
		stg_json_put(device, "manufacturer", "Apple");
		stg_json_put(device, "platform", "ios");
	}
	if (*stg_json_str(row, "imei"))
		json_array_append_new(imei, json_string(stg_json_str(row, "imei")));
	if (*stg_json_str(row, "imei2"))
		json_array_append_new(imei, json_string(stg_json_str(row, "imei2")));
	stg_json_put_new(device, "imei", imei);
	stg_json_put_new(r, "device", device);
	stg_json_put(r, "asset_tag", stg_json_str(row, "asset_tag"));
	if (attributes)
		stg_json_put_new(r, "order", json_deep_copy(attributes));
	stg_json_put(r, "batch", stg_json_str(row, "batch"));
	return r;
}

#define ROWS_OF \
	"SELECT r.serial, r.udid, r.ecid, r.imei, r.imei2, r.asset_tag, r.attributes AS \"attributes:json\", b.name AS batch FROM batch_row AS r" \
	" JOIN batch AS b ON b.id = r.batch LEFT JOIN job AS j ON j.id = r.job WHERE r.serial <> '' AND coalesce(j.end_state, '') <> 'staged'"

bool register_order(struct stg_store *s, int64_t batch, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *to = targets(s, err);
	if (!to || !json_array_size(to))
		return to != NULL;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, ROWS_OF " AND (r.batch = :batch OR (:batch = 0 AND b.state <> 'closed')) ORDER BY r.batch, r.line, r.id");
	stmt_int(&q, ":batch", batch);
	STG_AUTO(stg_json_free_at) json_t *rows = stmt_list(&q, err);
	size_t i;
	json_t *row;
	if (!rows)
		return false;
	json_array_foreach(rows, i, row)
		if (!tell(s, to, stg_json_str(row, "serial"), of_row(row), err))
			return false;
	return true;
}

bool register_open_orders(struct stg_store *s, struct stg_error *err)
{
	return register_order(s, 0, err);
}

/* Nothing of it was told: its deliveries go, and a later order begins anew. */
static bool drop(struct stg_store *s, int64_t id, const char *record_id, const json_t *answer, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT id, state FROM outbox WHERE record_id = :record_id AND phase = 'P'");
	stmt_text(&q, ":record_id", record_id);
	STG_AUTO(stg_json_free_at) json_t *rows = stmt_list(&q, err);
	bool is_over = true;
	size_t i;
	json_t *row;
	if (!rows)
		return false;
	json_array_foreach(rows, i, row) {
		if (strcmp(stg_json_str(row, "state"), "queued") != 0) {
			is_over = false;
			continue;
		}
		if (!stg_store_outbox_settle(s, stg_json_int(row, "id", 0), "dropped", 0, answer, err))
			return false;
	}
	if (!is_over)
		return true;
	STG_AUTO(stmt_close) struct stmt e = stmt_open(s, "UPDATE registration SET ended_ms = :now WHERE id = :id");
	stmt_int(&e, ":now", stg_wall_ms());
	stmt_int(&e, ":id", id);
	return stmt_done(&e, err);
}

bool register_order_over(struct stg_store *s, int64_t batch, const char *name, struct stg_error *err)
{
	char text[160];
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "SELECT g.id, g.record_id FROM batch_row AS r JOIN registration AS g ON g.serial = r.serial AND g.ended_ms IS NULL WHERE r.batch = :batch AND"
		   " r.serial <> '' AND r.job IS NULL AND NOT EXISTS (SELECT 1 FROM batch_row AS o JOIN batch AS b ON b.id = o.batch WHERE o.serial <> '' AND"
		   " o.serial = r.serial COLLATE NOCASE AND o.batch <> r.batch AND b.state <> 'closed') ORDER BY g.id");
	stmt_int(&q, ":batch", batch);
	STG_AUTO(stg_json_free_at) json_t *gone = stmt_list(&q, err);
	size_t i;
	json_t *one;
	if (!gone)
		return false;
	snprintf(text, sizeof(text), "order %.80s was closed before it was told", name);
	STG_AUTO(stg_json_free_at) json_t *answer = json_pack("{s:s,s:s,s:s,s:I}", "class", "dropped", "text", text, "by", "station", "at_ms", (json_int_t)stg_wall_ms());
	json_array_foreach(gone, i, one)
		if (!drop(s, stg_json_int(one, "id", 0), stg_json_str(one, "record_id"), answer, err))
			return false;
	return true;
}

json_t *register_count(struct stg_store *s, int64_t batch, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "SELECT count(*) AS wanted, coalesce(sum(told = n), 0) AS registered, coalesce(sum(refused > 0), 0) AS refused FROM (SELECT count(*) AS n,"
		   " sum(o.state IN (" TOLD ")) AS told, sum(o.state IN ('rejected','conflict')) AS refused FROM batch_row AS r JOIN registration AS g ON"
		   " g.serial = r.serial AND g.ended_ms IS NULL JOIN outbox AS o ON o.record_id = g.record_id AND o.phase = 'P' JOIN target AS t ON t.name = o.target"
		   " WHERE r.batch = :batch AND r.serial <> '' AND t.enabled GROUP BY r.id)");
	stmt_int(&q, ":batch", batch);
	return stmt_one(&q, STG_ID_NONE, "registrations", err) ? stmt_object(&q, err) : NULL;
}

/* ---- what is sent ---- */

json_t *register_payload(struct stg_store *s, const char *record_id, struct stg_error *err)
{
	char sum[65], mac[65];
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT serial, bytes, sha256, mac FROM registration WHERE record_id = :id");
	stmt_text(&q, ":id", record_id);
	if (!stmt_one(&q, STG_ID_ROW_DAMAGED, "a registration is gone", err))
		return NULL;
	stg_sha256_hex(stg_bytes_str(col_text(&q, 1)), sum);
	if (!seal(s, record_id, col_text(&q, 0), col_text(&q, 2), mac, err))
		return NULL;
	if (strcmp(mac, col_text(&q, 3)) != 0 || strcmp(sum, col_text(&q, 2)) != 0) {
		stg_fail_id(err, STG_E_IO, STG_ID_ROW_DAMAGED, 0, "registration %.40s was changed or damaged", record_id);
		return NULL;
	}
	STG_AUTO(stg_json_free_at) json_t *body = col_json(&q, 1, err);
	if (!body)
		return NULL;
	json_t *out = json_object();
	stg_json_put(out, "payload", col_text(&q, 1));
	stg_json_put(out, "payload_sha256", sum);
	stg_json_put(out, "serial", col_text(&q, 0));
	stg_json_put(out, "batch", stg_json_str(body, "batch"));
	stg_json_put(out, "end", "ordered");
	stg_json_put_new(out, "record", stg_steal(body));
	return out;
}

/* ---- hand_over: after_registered ---- */

enum standing { REGISTERED, AWAITED, REFUSED };

/* The worst word of all targets about this serial number, and why. */
static bool standing(struct stg_store *s, const char *serial, enum standing *ret, json_t *why, struct stg_error *err)
{
	char msg[240];
	int got, n = 0;
	*ret = REGISTERED;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "SELECT o.target, o.state, coalesce(json_extract(o.answer, '$.text'), ''), o.state IN (" TOLD ") FROM registration AS g JOIN outbox AS o ON o.record_id = g.record_id AND"
		   " o.phase = 'P' JOIN target AS t ON t.name = o.target WHERE g.serial = :serial AND g.ended_ms IS NULL AND t.enabled ORDER BY o.id");
	stmt_text(&q, ":serial", serial);
	for (; (got = stmt_step(&q, err)) == 1; n++) {
		const char *state = col_text(&q, 1);
		bool is_conflict = strcmp(state, "conflict") == 0, is_refused = is_conflict || strcmp(state, "rejected") == 0;
		if (col_int(&q, 3) || *ret == REFUSED || (*ret == AWAITED && !is_refused))
			continue;
		*ret = is_refused ? REFUSED : AWAITED;
		snprintf(msg, sizeof(msg), is_refused ? "%.63s: %.170s" : "%.63s", col_text(&q, 0), col_text(&q, 2));
		stg_mend_end(msg);
		stg_json_put(why, "msg", msg);
		stg_json_put_int(why, "id", is_conflict ? STG_ID_DELIVERY_CONFLICT : is_refused ? STG_ID_REGISTRATION_REFUSED : STG_ID_REGISTRATION_WAITS);
	}
	if (got == 0 && !n) {
		*ret = AWAITED;
		stg_json_put(why, "msg", *serial ? serial : "-");
		stg_json_put_int(why, "id", STG_ID_REGISTRATION_NO_TARGET);
	}
	return got == 0;
}

static bool wants_it(const json_t *job)
{
	return strcmp(stg_json_str(json_object_get(job, "blueprint"), "hand_over"), "after_registered") == 0;
}

/* Devices of no order, and those whose order knew no serial number, are told now that they are known. */
static bool tell_job(struct stg_store *s, const json_t *job, const struct stg_identity *who, struct stg_error *err)
{
	const json_t *attributes = json_object_get(job, "attributes");
	STG_AUTO(stg_json_free_at) json_t *to = targets(s, err);
	if (!to || !json_array_size(to) || !who->serial[0])
		return to != NULL;
	json_t *r = json_object();
	stg_json_put_new(r, "device", record_device_part(who));
	stg_json_put(r, "asset_tag", *stg_json_str(attributes, "asset_tag") ? stg_json_str(attributes, "asset_tag") : stg_json_str(job, "asset_tag"));
	if (attributes)
		stg_json_put_new(r, "order", json_deep_copy(attributes));
	stg_json_put(r, "batch", stg_json_str(job, "batch"));
	return tell(s, to, who->serial, r, err);
}

bool stg_store_hand_over(struct stg_store *s, int64_t job_id, enum stg_job_state *to, enum stg_end *end, json_t *why, struct stg_error *err)
{
	struct stg_identity who;
	enum standing now;
	STG_AUTO(stg_json_free_at) json_t *job = *to == STG_JOB_DONE && *end == STG_END_STAGED ? stg_store_job(s, job_id, err) : json_object();
	if (!job || !wants_it(job))
		return job != NULL;
	if (!stg_store_device_find(s, stg_json_str(job, "family"), stg_json_str(job, "unit"), &who, err) || !tell_job(s, job, &who, err) ||
	    !standing(s, who.serial, &now, why, err))
		return false;
	if (now == REGISTERED)
		return true;
	*to = now == REFUSED ? STG_JOB_HOLD : STG_JOB_PARKED;
	*end = now == REFUSED ? STG_END_HOLD : STG_END_WAITING;
	if (now == AWAITED)
		stg_json_put(why, "wait", stg_wait_name(STG_WAIT_REGISTRATION));
	return true;
}

static json_t *facts_of(struct stg_store *s, int64_t job, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT device.facts FROM job JOIN device ON device.id = job.device WHERE job.id = :job");
	stmt_int(&q, ":job", job);
	if (!stmt_one(&q, STG_ID_UNKNOWN_JOB, "job", err))
		return NULL;
	return col_is_null(&q, 0) ? json_object() : col_json(&q, 0, err);
}

bool stg_store_hand_over_look(struct stg_store *s, int64_t job_id, struct stg_error *err)
{
	enum stg_job_state to = STG_JOB_DONE, from;
	enum stg_end end = STG_END_STAGED;
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *job = stg_store_job(s, job_id, err);
	STG_AUTO(stg_json_free_at) json_t *why = json_object();
	STG_AUTO(stg_json_free_at) json_t *facts = job ? facts_of(s, job_id, err) : NULL;
	if (!facts || !stg_store_hand_over(s, job_id, &to, &end, why, err))
		return false;
	if (!wants_it(job) || !stg_job_state_parse(stg_json_str(job, "state"), &from) || to == from || !stg_job_may_move(from, to))
		return tx_commit(&t, err);
	return stg_store_job_finish(s, job_id, to, end, why, NULL, facts, NULL, err) && tx_commit(&t, err);
}

bool register_settled(struct stg_store *s, const char *record_id, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "SELECT j.id FROM registration AS g JOIN device AS d ON d.serial <> '' AND d.serial IN (g.serial, upper(g.serial), lower(g.serial)) JOIN job AS j ON"
		   " j.device = d.id WHERE g.record_id = :record_id AND g.ended_ms IS NULL AND j.state IN ('parked','hold') AND j.why_id IN (:waits, :refused, :none, :conflict)");
	stmt_text(&q, ":record_id", record_id);
	stmt_int(&q, ":waits", STG_ID_REGISTRATION_WAITS);
	stmt_int(&q, ":refused", STG_ID_REGISTRATION_REFUSED);
	stmt_int(&q, ":none", STG_ID_REGISTRATION_NO_TARGET);
	stmt_int(&q, ":conflict", STG_ID_DELIVERY_CONFLICT);
	STG_AUTO(stg_json_free_at) json_t *jobs = stmt_list(&q, err);
	size_t i;
	json_t *one;
	if (!jobs)
		return false;
	json_array_foreach(jobs, i, one)
		if (!stg_store_hand_over_look(s, stg_json_int(one, "id", 0), err))
			return false;
	return true;
}
