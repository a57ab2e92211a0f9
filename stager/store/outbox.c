/*
 * outbox.c - targets, and what each of them must still be told.
 *
 * For:    push (take, settle, note), the recorder (one row for each enabled target when a job ends), outbox commands.
 * Uses:   SQLite; row MACs (mac.c).
 * Called: stager/station, stager/ops, record.c.
 * Thread: the one that has the store.
 * Facts:  states of mdm-push.md 10.1. What is sent are the record's stored bytes; a row that does not fit its MAC is set
 *         aside as "damaged" and never sent.
 */
#include <stdio.h>
#include <stdlib.h>

#include "db.h"

enum state { QUEUED, SENDING, DELIVERED, OP_PENDING, IN_DOUBT, REJECTED, CONFLICT, PARKED, SENT_UNPROVEN, SUPERSEDED, DROPPED, DAMAGED, CARRIED, STATES };

static const char *const names[STATES] = { "queued", "sending", "delivered", "op_pending", "in_doubt", "rejected", "conflict", "parked",
					   "sent_unproven", "superseded", "dropped", "damaged", "carried" };

/* DELIVERED, SUPERSEDED and DROPPED are for good. A person may queue a rejected, doubtful or parked row again. */
static const bool may_move[STATES][STATES] = {
	[QUEUED] = { [SENDING] = true, [QUEUED] = true, [SUPERSEDED] = true, [DROPPED] = true, [PARKED] = true, [REJECTED] = true, [CONFLICT] = true, [CARRIED] = true },
	[SENDING] = { [DELIVERED] = true, [OP_PENDING] = true, [IN_DOUBT] = true, [REJECTED] = true, [CONFLICT] = true, [QUEUED] = true,
		      [PARKED] = true, [SENT_UNPROVEN] = true, [SUPERSEDED] = true },
	[IN_DOUBT] = { [SENDING] = true, [DELIVERED] = true, [QUEUED] = true, [DROPPED] = true, [IN_DOUBT] = true, [REJECTED] = true },
	[OP_PENDING] = { [SENDING] = true, [DELIVERED] = true, [REJECTED] = true, [IN_DOUBT] = true, [DROPPED] = true, [OP_PENDING] = true },
	[REJECTED] = { [QUEUED] = true, [DROPPED] = true },
	[CONFLICT] = { [QUEUED] = true, [DROPPED] = true },
	[PARKED] = { [QUEUED] = true, [DROPPED] = true, [SUPERSEDED] = true },
	[SENT_UNPROVEN] = { [QUEUED] = true, [DELIVERED] = true, [DROPPED] = true },
	/* on a stick: the receipt says what became of it, or a person sends it from here after all */
	[CARRIED] = { [QUEUED] = true, [DELIVERED] = true, [REJECTED] = true, [DROPPED] = true, [SUPERSEDED] = true, [SENT_UNPROVEN] = true },
};

/* As in the index outbox_open, word for word. */
#define OPEN_STATES "'queued','sending','in_doubt','op_pending','parked'"

static bool state_parse(const char *name, enum state *ret)
{
	for (int i = 0; i < STATES; i++) {
		if (strcmp(names[i], name) == 0) {
			*ret = (enum state)i;
			return true;
		}
	}
	return false;
}

/* ---- targets ---- */

#define TARGET_JSON \
	"name, connector, config AS \"config:json\", enabled AS \"enabled:bool\", phase, state, not_before_ms, text, noted_ms, created_ms," \
	" sealed IS NOT NULL AS \"has_credentials:bool\""

bool stg_store_target_put(struct stg_store *s, const json_t *target, struct stg_bytes sealed_credentials, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!*stg_json_str(target, "name") || !*stg_json_str(target, "connector"))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "NAME, --connector");
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "INSERT INTO target (name, connector, config, enabled, phase, sealed, created_ms, changed_ms)"
		   " VALUES (:name, :connector, :config, :enabled, :phase, :sealed, :now, :now) ON CONFLICT (name) DO UPDATE SET"
		   " connector = excluded.connector, config = excluded.config, enabled = excluded.enabled, phase = excluded.phase,"
		   " sealed = coalesce(excluded.sealed, sealed), state = '', text = '', not_before_ms = 0, changed_ms = excluded.changed_ms");
	const bool registers = stg_json_bool(target, "enabled", true) && strchr(stg_json_str(target, "phase"), 'P');
	stmt_text(&q, ":name", stg_json_str(target, "name"));
	stmt_text(&q, ":connector", stg_json_str(target, "connector"));
	stmt_json(&q, ":config", json_object_get(target, "config"));
	stmt_int(&q, ":enabled", stg_json_bool(target, "enabled", true));
	stmt_text(&q, ":phase", stg_json_str_or(target, "phase", "E"));
	if (sealed_credentials.len)
		stmt_bytes(&q, ":sealed", sealed_credentials);
	stmt_int(&q, ":now", stg_wall_ms());
	return stmt_done(&q, err) && (!registers || register_open_orders(s, err)) && tx_commit(&t, err);
}

json_t *stg_store_target(struct stg_store *s, const char *name, struct stg_buf *ret_sealed, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " TARGET_JSON " FROM target WHERE name = :name");
	stmt_text(&q, ":name", name);
	if (!stmt_one(&q, STG_ID_NONE, "no such target", err))
		return NULL;
	STG_AUTO(stg_json_free_at) json_t *target = stmt_object(&q, err);
	if (!target)
		return NULL;
	if (ret_sealed) {
		STG_AUTO(stmt_close) struct stmt k = stmt_open(s, "SELECT sealed FROM target WHERE name = :name");
		stmt_text(&k, ":name", name);
		if (!stmt_one(&k, STG_ID_NONE, "no such target", err) || !stg_buf_add(ret_sealed, col_bytes(&k, 0).data, col_bytes(&k, 0).len, err))
			return NULL;
	}
	return stg_steal(target);
}

json_t *stg_store_targets(struct stg_store *s, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " TARGET_JSON " FROM target ORDER BY name");
	return stmt_list(&q, err);
}

bool stg_store_target_note(struct stg_store *s, const char *name, const char *state, int64_t not_before_ms, const char *text, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "UPDATE target SET state = :state, not_before_ms = :due, text = :text, noted_ms = :now WHERE name = :name");
	stmt_text(&q, ":state", state);
	stmt_int(&q, ":due", not_before_ms);
	stmt_text(&q, ":text", text);
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":name", name);
	if (!stmt_done(&q, err))
		return false;
	if (db_changes(s) != 1)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_TARGET_UNKNOWN, 0, "%s", name);
	return tx_commit(&t, err);
}

/* ---- rows ---- */

struct row {
	int64_t id, seq, attempts, not_before_ms;
	char record_id[40], target[64], phase[8], mac[65];
	enum state state;
	json_t *answer;
};

static void row_clear(struct row *r)
{
	json_decref(r->answer);
	r->answer = NULL;
}

static json_t *row_sealed(const struct row *r)
{
	json_t *j = json_pack("{s:I,s:I,s:s,s:s,s:s,s:s,s:I,s:I}", "id", (json_int_t)r->id, "seq", (json_int_t)r->seq, "record_id", r->record_id,
			      "target", r->target, "phase", r->phase, "state", names[r->state], "attempts", (json_int_t)r->attempts, "not_before_ms",
			      (json_int_t)r->not_before_ms);
	if (r->answer)
		stg_json_put_new(j, "answer", json_incref(r->answer));
	return j;
}

static bool row_mac(struct stg_store *s, const struct row *r, char ret[65], struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *sealed = row_sealed(r);
	return mac_make(s, "outbox", sealed, ret, err);
}

#define ROW_COLUMNS "outbox.id, outbox.seq, outbox.attempts, outbox.not_before_ms, outbox.record_id, outbox.target, outbox.phase, outbox.state, outbox.answer, outbox.mac"

/* Reads the row the statement stands on and checks its MAC. */
static bool row_read(struct stg_store *s, const struct stmt *q, struct row *ret, struct stg_error *err)
{
	*ret = (struct row){ .id = col_int(q, 0), .seq = col_int(q, 1), .attempts = col_int(q, 2), .not_before_ms = col_int(q, 3) };
	if (!stg_copy(ret->record_id, sizeof(ret->record_id), col_text(q, 4)) || !stg_copy(ret->target, sizeof(ret->target), col_text(q, 5)) ||
	    !stg_copy(ret->phase, sizeof(ret->phase), col_text(q, 6)) || !state_parse(col_text(q, 7), &ret->state))
		return stg_fail_id(err, STG_E_IO, STG_ID_ROW_DAMAGED, 0, "outbox %lld was changed or damaged", (long long)ret->id);
	if (!col_is_null(q, 8)) {
		struct stg_error why;
		ret->answer = stg_json_parse(stg_bytes_str(col_text(q, 8)), STORE_TEXT_MAX, &why);
		if (!ret->answer)
			return stg_fail_id(err, STG_E_IO, STG_ID_ROW_DAMAGED, 0, "outbox %lld was changed or damaged", (long long)ret->id);
	}
	STG_AUTO(stg_json_free_at) json_t *sealed = row_sealed(ret);
	if (mac_check(s, "outbox", ret->id, sealed, col_text(q, 9), err))
		return true;
	row_clear(ret);
	return false;
}

static bool row_write(struct stg_store *s, struct row *r, struct stg_error *err)
{
	char mac[65];
	if (!row_mac(s, r, mac, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE outbox SET state = :state, attempts = :attempts, not_before_ms = :due, answer = :answer,"
							  " changed_ms = :now, mac = :mac WHERE id = :id");
	stmt_text(&q, ":state", names[r->state]);
	stmt_int(&q, ":attempts", r->attempts);
	stmt_int(&q, ":due", r->not_before_ms);
	stmt_json(&q, ":answer", r->answer);
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":mac", mac);
	stmt_int(&q, ":id", r->id);
	return stmt_done(&q, err);
}

/* The damaged row stays as it is but for its state, so that it can be looked at and nothing behind it waits. */
static bool set_aside(struct stg_store *s, int64_t id, const struct stg_error *found, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE outbox SET state = 'damaged', changed_ms = :now WHERE id = :id");
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_int(&q, ":id", id);
	if (!stmt_done(&q, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *entry = json_pack("{s:s,s:s,s:s,s:{s:I,s:s}}", "actor", "station", "verb", "outbox.damaged", "outcome", "refused",
							     "detail", "row", (json_int_t)id, "found", found->msg);
	return stg_store_audit(s, entry, err);
}

static bool insert(struct stg_store *s, struct row *r, int64_t device, struct stg_error *err)
{
	char mac[65];
	{
		STG_AUTO(stmt_close) struct stmt q =
			stmt_open(s, "INSERT INTO outbox (seq, record_id, device, target, phase, created_ms, changed_ms, mac)"
				     " VALUES (:seq, :record_id, :device, :target, :phase, :now, :now, '')");
		stmt_int(&q, ":seq", r->seq);
		stmt_text(&q, ":record_id", r->record_id);
		stmt_int_or_null(&q, ":device", device);
		stmt_text(&q, ":target", r->target);
		stmt_text(&q, ":phase", r->phase);
		stmt_int(&q, ":now", stg_wall_ms());
		if (!stmt_done(&q, err))
			return false;
	}
	/* the id is part of what is sealed, and SQLite has just made it */
	r->id = sqlite3_last_insert_rowid(s->db);
	if (!row_mac(s, r, mac, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE outbox SET mac = :mac WHERE id = :id");
	stmt_text(&q, ":mac", mac);
	stmt_int(&q, ":id", r->id);
	return stmt_done(&q, err);
}

/* State-like targets (phases A, B) want only the newest word about a device; evidence targets (E) want every record. */
static bool supersede(struct stg_store *s, const struct row *newest, int64_t device, struct stg_error *err)
{
	for (;;) {
		struct row old;
		STG_AUTO(stmt_close) struct stmt q =
			stmt_open(s, "SELECT " ROW_COLUMNS " FROM outbox WHERE device = :device AND target = :target AND phase = :phase AND seq < :seq"
				     " AND state IN ('queued','parked') ORDER BY id LIMIT 1");
		stmt_int(&q, ":device", device);
		stmt_text(&q, ":target", newest->target);
		stmt_text(&q, ":phase", newest->phase);
		stmt_int(&q, ":seq", newest->seq);
		int got = stmt_step(&q, err);
		if (got <= 0)
			return got == 0;
		struct stg_error found;
		bool whole = row_read(s, &q, &old, &found);
		stmt_close(&q);
		if (!whole) {
			if (!set_aside(s, old.id, &found, err))
				return false;
			continue;
		}
		old.state = SUPERSEDED;
		bool ok = row_write(s, &old, err);
		row_clear(&old);
		if (!ok)
			return false;
	}
}

/* For each target (`evidence_only`: of phase E) a row. */
static bool queue(struct stg_store *s, int64_t seq, int64_t device, bool evidence_only, int64_t *ret_n, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT target.name, target.phase, record.record_id FROM target JOIN record ON record.seq = :seq"
							  " WHERE target.enabled AND target.phase <> '-' AND (instr(target.phase, 'E') OR NOT :evidence) ORDER BY target.name");
	stmt_int(&q, ":seq", seq);
	stmt_int(&q, ":evidence", evidence_only);
	int got;
	*ret_n = 0;
	while ((got = stmt_step(&q, err)) == 1) {
		/* a letter for each phase the receiver is told in */
		for (const char *letter = col_text(&q, 1); *letter; letter++) {
			struct row r = { .seq = seq, .state = QUEUED, .phase = { *letter } };
			if ((evidence_only && *letter != 'E') || *letter == 'P')
				continue;
			if (!stg_copy(r.target, sizeof(r.target), col_text(&q, 0)) || !stg_copy(r.record_id, sizeof(r.record_id), col_text(&q, 2)))
				return stg_fail(err, STG_E_BUG, 0, "a target's name is too long");
			if (!insert(s, &r, device, err))
				return false;
			if (*letter != 'E' && !supersede(s, &r, device, err))
				return false;
			++*ret_n;
		}
	}
	return got == 0;
}

bool outbox_queue(struct stg_store *s, int64_t seq, int64_t device, struct stg_error *err)
{
	int64_t n;
	return queue(s, seq, device, false, &n, err);
}

bool outbox_queue_evidence(struct stg_store *s, int64_t seq, int64_t device, int64_t *ret_n, struct stg_error *err)
{
	return queue(s, seq, device, true, ret_n, err);
}

bool outbox_add(struct stg_store *s, int64_t seq, const char *record_id, int64_t device, const char *target, const char *phase, int64_t *ret_id,
		struct stg_error *err)
{
	struct row r = { .seq = seq, .state = QUEUED };
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT id FROM outbox WHERE record_id = :record_id AND target = :target AND phase = :phase");
		stmt_text(&q, ":record_id", record_id);
		stmt_text(&q, ":target", target);
		stmt_text(&q, ":phase", phase);
		int got = stmt_step(&q, err);
		if (got)
			*ret_id = got > 0 ? col_int(&q, 0) : 0;
		if (got)
			return got > 0;
	}
	if (!stg_copy(r.target, sizeof(r.target), target) || !stg_copy(r.phase, sizeof(r.phase), phase) || !stg_copy(r.record_id, sizeof(r.record_id), record_id))
		return stg_fail(err, STG_E_BUG, 0, "a target's name is too long");
	if (!insert(s, &r, device, err) || (device && strcmp(phase, "E") != 0 && !supersede(s, &r, device, err)))
		return false;
	*ret_id = r.id;
	return true;
}

/* Bytes of the record behind a row, checked against the record's own MAC. */
static json_t *payload_of(struct stg_store *s, const struct row *r, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *record = strcmp(r->phase, "P") == 0 ? register_payload(s, r->record_id, err) : stg_store_record(s, r->record_id, err);
	if (!record)
		return NULL;
	json_t *out = json_object();
	stg_json_put_int(out, "id", r->id);
	stg_json_put_int(out, "seq", r->seq);
	stg_json_put(out, "record_id", r->record_id);
	stg_json_put(out, "target", r->target);
	stg_json_put(out, "phase", r->phase);
	stg_json_put(out, "was", names[r->state]);
	stg_json_put_int(out, "attempts", r->attempts);
	char key[160];
	snprintf(key, sizeof(key), "%s/%s/%s", r->record_id, r->target, r->phase);
	stg_json_put(out, "idempotency_key", key);
	static const char *const of_record[] = { "payload", "payload_sha256", "record", "unit", "serial", "batch", "end" };
	for (size_t i = 0; i < STG_ARRAY_LEN(of_record); i++) {
		json_t *value = json_object_get(record, of_record[i]);
		if (value)
			stg_json_put_new(out, of_record[i], json_incref(value));
	}
	if (r->answer)
		stg_json_put_new(out, "answer", json_incref(r->answer));
	return out;
}

/* What waited for the receiver to know its device is due again: it goes on as any other row. */
static bool unpark(struct stg_store *s, const char *target, int64_t most, int64_t now_ms, struct stg_error *err)
{
	while (most-- > 0) {
		struct row r;
		struct stg_error found;
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " ROW_COLUMNS " FROM outbox JOIN target ON target.name = outbox.target WHERE outbox.target = :target"
								  " AND outbox.state = 'parked' AND outbox.not_before_ms <= :now AND target.enabled"
								  " AND target.not_before_ms <= :now LIMIT 1");
		stmt_text(&q, ":target", target);
		stmt_int(&q, ":now", now_ms);
		int got = stmt_step(&q, err);
		if (got <= 0)
			return got == 0;
		bool whole = row_read(s, &q, &r, &found);
		stmt_close(&q);
		r.state = QUEUED;
		r.not_before_ms = 0;
		bool ok = whole ? row_write(s, &r, err) : set_aside(s, r.id, &found, err);
		if (whole)
			row_clear(&r);
		if (!ok)
			return false;
	}
	return true;
}

json_t *stg_store_outbox_take(struct stg_store *s, const char *target, int64_t most, int64_t now_ms, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err) || !unpark(s, target, most, now_ms, err))
		return NULL;
	int64_t after = INT64_MIN;    /* what came by stick has numbers below zero */
	while ((int64_t)json_array_size(list) < most) {
		struct row r;
		STG_AUTO(stmt_close) struct stmt q =
			stmt_open(s, "SELECT " ROW_COLUMNS " FROM outbox JOIN target ON target.name = outbox.target WHERE outbox.target = :target AND target.enabled"
				     " AND target.not_before_ms <= :now AND outbox.state IN ('queued','in_doubt','op_pending') AND outbox.seq > :after"
				     " AND outbox.not_before_ms <= :now ORDER BY outbox.seq LIMIT 1");
		stmt_text(&q, ":target", target);
		stmt_int(&q, ":now", now_ms);
		stmt_int(&q, ":after", after);
		int got = stmt_step(&q, err);
		if (got < 0)
			return NULL;
		if (got == 0)
			break;
		after = col_int(&q, 1);
		struct stg_error found;
		bool whole = row_read(s, &q, &r, &found);
		stmt_close(&q);
		json_t *out = whole ? payload_of(s, &r, &found) : NULL;
		if (!out) {
			int64_t id = r.id;
			row_clear(&r);
			if (found.id != STG_ID_ROW_DAMAGED) {
				if (err)
					*err = found;
				return NULL;
			}
			if (!set_aside(s, id, &found, err))
				return NULL;
			continue;
		}
		r.state = SENDING;
		r.attempts++;
		bool ok = row_write(s, &r, err);
		stg_json_put_int(out, "attempts", r.attempts);
		row_clear(&r);
		json_array_append_new(list, out);
		if (!ok)
			return NULL;
	}
	/* what goes out now can be compared later with the log as it was */
	if (json_array_size(list) && !audit_checkpoint(s, false, err))
		return NULL;
	return tx_commit(&t, err) ? stg_steal(list) : NULL;
}

bool stg_store_outbox_settle(struct stg_store *s, int64_t id, const char *state, int64_t not_before_ms, const json_t *answer, struct stg_error *err)
{
	struct row r;
	enum state to;
	if (!state_parse(state, &to) || to == SENDING || to == DAMAGED)
		return stg_fail(err, STG_E_BUG, 0, "an outbox row cannot be settled as '%s'", state);
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " ROW_COLUMNS " FROM outbox WHERE id = :id");
		stmt_int(&q, ":id", id);
		if (!stmt_one(&q, STG_ID_NONE, "no such delivery", err))
			return false;
		struct stg_error found;
		if (!row_read(s, &q, &r, &found)) {
			stmt_close(&q);
			if (strcmp(state, "in_doubt") == 0 && found.id == STG_ID_ROW_DAMAGED)   /* recovery goes on with the others */
				return set_aside(s, id, &found, err) && tx_commit(&t, err);
			if (err)
				*err = found;
			return false;
		}
	}
	if (!may_move[r.state][to]) {
		row_clear(&r);
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_ILLEGAL_MOVE, 0, "delivery %lld is %s, it cannot become %s", (long long)id, names[r.state], state);
	}
	r.state = to;
	r.not_before_ms = not_before_ms;
	if (answer && !json_is_null(answer)) {
		json_decref(r.answer);
		r.answer = json_deep_copy(answer);
	}
	bool ok = row_write(s, &r, err) && (strcmp(r.phase, "P") != 0 || register_settled(s, r.record_id, err));
	row_clear(&r);
	return ok && tx_commit(&t, err);
}

bool stg_store_outbox_settle_many(struct stg_store *s, const json_t *outcomes, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	size_t i;
	json_t *one;
	if (!tx_begin(&t, s, err))
		return false;
	json_array_foreach((json_t *)(uintptr_t)outcomes, i, one)
		if (!stg_store_outbox_settle(s, stg_json_int(one, "id", 0), stg_json_str(one, "state"), stg_json_int(one, "not_before_ms", 0),
					     json_object_get(one, "answer"), err))
			return false;
	return tx_commit(&t, err);
}

static void row_interrupted(struct row *r)
{
	if (!r->answer)
		r->answer = json_object();
	json_object_del(r->answer, "status");
	stg_json_put(r->answer, "class", "interrupted");
	stg_json_put(r->answer, "text", "the station stopped while this was being told");
	stg_json_put_int(r->answer, "at_ms", stg_wall_ms());
}

/* Whatever was known of an earlier try, this one began and nobody saw its end: that alone counts from now on. What it was
 * asked under and what a person decided stays. */
bool outbox_in_doubt(struct stg_store *s, struct stg_error *err)
{
	for (;;) {
		struct row r;
		struct stg_error found;
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " ROW_COLUMNS " FROM outbox WHERE state = 'sending' LIMIT 1");
		int got = stmt_step(&q, err);
		if (got <= 0)
			return got == 0;
		bool whole = row_read(s, &q, &r, &found);
		stmt_close(&q);
		if (!whole) {
			if (!set_aside(s, r.id, &found, err))
				return false;
			continue;
		}
		row_interrupted(&r);
		r.state = IN_DOUBT;
		r.not_before_ms = 0;
		bool ok = row_write(s, &r, err);
		row_clear(&r);
		if (!ok)
			return false;
	}
}

bool outbox_due_now(struct stg_store *s, struct stg_error *err)
{
	int64_t after = 0;
	for (;;) {
		struct row r;
		struct stg_error found;
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " ROW_COLUMNS " FROM outbox INDEXED BY outbox_open WHERE state IN (" OPEN_STATES ")"
								  " AND state IN ('queued','in_doubt','op_pending','parked') AND not_before_ms <> 0 AND id > :after"
								  " ORDER BY id LIMIT 1");
		stmt_int(&q, ":after", after);
		int got = stmt_step(&q, err);
		if (got <= 0)
			return got == 0;
		bool whole = row_read(s, &q, &r, &found);
		stmt_close(&q);
		after = r.id;
		if (!whole) {
			if (!set_aside(s, r.id, &found, err))
				return false;
			continue;
		}
		r.not_before_ms = 0;
		if (r.state == IN_DOUBT)
			row_interrupted(&r);    /* how long ago it left is not known any more */
		bool ok = row_write(s, &r, err);
		row_clear(&r);
		if (!ok)
			return false;
	}
}

json_t *stg_store_outbox(struct stg_store *s, const json_t *filter, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "SELECT " ROW_COLUMNS ", coalesce(device.serial, registration.serial), coalesce(device.unit, ''), outbox.created_ms, outbox.changed_ms,"
		   " coalesce(record.end_state, 'ordered'), coalesce(record.at_ms, registration.made_ms) FROM outbox LEFT JOIN device ON device.id = outbox.device"
		   " LEFT JOIN record ON record.seq = outbox.seq LEFT JOIN registration ON outbox.phase = 'P' AND registration.record_id = outbox.record_id"
		   " WHERE (:id = 0 OR outbox.id = :id) AND (:target = '' OR outbox.target = :target) AND (:state = '' OR outbox.state = :state)"
		   " AND (:serial = '' OR device.serial = :serial OR device.unit = :serial OR registration.serial = :serial)"
		   " AND (:open = 0 OR outbox.state NOT IN ('delivered','superseded','dropped')) ORDER BY outbox.id");
	stmt_int(&q, ":id", stg_json_int(filter, "id", 0));
	stmt_text(&q, ":target", stg_json_str(filter, "target"));
	stmt_text(&q, ":state", stg_json_str(filter, "state"));
	stmt_text(&q, ":serial", stg_json_str(filter, "serial"));
	stmt_int(&q, ":open", stg_json_bool(filter, "open", false));
	int got;
	while ((got = stmt_step(&q, err)) == 1) {
		struct row r;
		struct stg_error found;
		json_t *j;
		if (row_read(s, &q, &r, &found)) {
			j = row_sealed(&r);
			row_clear(&r);
		} else if (found.id == STG_ID_ROW_DAMAGED) {
			j = json_pack("{s:I,s:s,s:b,s:i}", "id", (json_int_t)r.id, "state", "damaged", "damaged", 1, "code", (int)found.id);
		} else {
			if (err)
				*err = found;
			return NULL;
		}
		stg_json_put(j, "serial", col_text(&q, 10));
		stg_json_put(j, "unit", col_text(&q, 11));
		stg_json_put_int(j, "created_ms", col_int(&q, 12));
		stg_json_put_int(j, "changed_ms", col_int(&q, 13));
		stg_json_put(j, "end", col_text(&q, 14));
		stg_json_put_int(j, "at_ms", col_int(&q, 15));
		json_array_append_new(list, j);
	}
	return got == 0 ? stg_steal(list) : NULL;
}

json_t *stg_store_outbox_summary(struct stg_store *s, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *all = json_object();
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "SELECT target.name AS name, target.enabled AS \"enabled:bool\", target.state AS state, target.text AS text, target.not_before_ms AS due_ms,"
		   " coalesce(sum(o.n) FILTER (WHERE o.state IN (" OPEN_STATES ")), 0) AS waiting,"
		   " coalesce(sum(o.n) FILTER (WHERE o.state = 'delivered'), 0) AS delivered,"
		   " coalesce(sum(o.n) FILTER (WHERE o.state = 'carried'), 0) AS carried,"
		   " coalesce(sum(o.n) FILTER (WHERE o.state = 'rejected'), 0) AS rejected,"
		   " coalesce(sum(o.n) FILTER (WHERE o.state = 'in_doubt'), 0) AS in_doubt,"
		   " coalesce(sum(o.n) FILTER (WHERE o.state = 'conflict'), 0) AS conflict,"
		   " coalesce(sum(o.n) FILTER (WHERE o.state = 'sent_unproven'), 0) AS sent_unproven,"
		   " coalesce(sum(o.n) FILTER (WHERE o.state = 'damaged'), 0) AS damaged"
		   " FROM target LEFT JOIN outbox_count AS o ON o.target = target.name GROUP BY target.name ORDER BY target.name");
	json_t *targets = stmt_list(&q, err);
	if (!targets)
		return NULL;
	int64_t waiting = 0, delivered = 0, carried = 0;
	size_t i;
	json_t *one;
	json_array_foreach(targets, i, one) {
		waiting += stg_json_int(one, "waiting", 0);
		delivered += stg_json_int(one, "delivered", 0);
		carried += stg_json_int(one, "carried", 0);
	}
	stg_json_put_int(all, "waiting", waiting);
	stg_json_put_int(all, "delivered", delivered);
	if (carried)
		stg_json_put_int(all, "carried", carried);
	stg_json_put_new(all, "by_target", targets);
	STG_AUTO(stmt_close) struct stmt old =
		stmt_open(s, "SELECT created_ms FROM outbox INDEXED BY outbox_open WHERE state IN (" OPEN_STATES ") ORDER BY id LIMIT 1");
	int got = stmt_step(&old, err);
	if (got < 0)
		return NULL;
	stg_json_put_int(all, "oldest_ms", got ? col_int(&old, 0) : 0);
	return stg_steal(all);
}

/* ---- by stick ---- */

json_t *stg_store_outbox_carry(struct stg_store *s, const char *target, int64_t most, const json_t *answer, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return NULL;
	/* what never left first; what left without a receipt goes along again, the receiver knows it by its record */
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT id, record_id, target, phase, state FROM outbox WHERE state IN ('queued','carried') AND seq > 0 AND"
							  " (:target = '' OR target = :target) ORDER BY state = 'carried', seq, target LIMIT :most");
	stmt_text(&q, ":target", target);
	stmt_int(&q, ":most", most);
	STG_AUTO(stg_json_free_at) json_t *rows = stmt_list(&q, err);
	size_t i;
	json_t *one;
	if (!rows)
		return NULL;
	json_array_foreach(rows, i, one) {
		struct stg_error found = { 0 };
		bool is_new = strcmp(stg_json_str(one, "state"), "queued") == 0;
		if (is_new && !stg_store_outbox_settle(s, stg_json_int(one, "id", 0), "carried", 0, answer, &found)) {
			if (found.id == STG_ID_ROW_DAMAGED && set_aside(s, stg_json_int(one, "id", 0), &found, err))
				continue;
			if (err)
				*err = found;
			return NULL;
		}
		json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:b}", "record_id", stg_json_str(one, "record_id"), "target", stg_json_str(one, "target"), "phase",
						      stg_json_str(one, "phase"), "again", !is_new));
	}
	return tx_commit(&t, err) ? stg_steal(list) : NULL;
}

bool stg_store_outbox_receipt(struct stg_store *s, const json_t *receipt, const json_t *answer, bool *ret_closed, struct stg_error *err)
{
	static const char *const states[] = { "delivered", "rejected", "dropped", "superseded", "sent_unproven" };
	const char *state = stg_json_str(receipt, "state");
	int64_t id;
	bool was_queued, known = false;
	*ret_closed = false;
	for (size_t i = 0; i < STG_ARRAY_LEN(states); i++)
		known = known || strcmp(states[i], state) == 0;
	if (!known)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_BUNDLE_CONTENT, 0, "a receipt that says '%.32s'", state);
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT id, state FROM outbox WHERE record_id = :id AND target = :target AND phase = :phase AND seq > 0 AND"
								  " state IN ('carried','queued')");
		stmt_text(&q, ":id", stg_json_str(receipt, "record_id"));
		stmt_text(&q, ":target", stg_json_str(receipt, "target"));
		stmt_text(&q, ":phase", stg_json_str_or(receipt, "phase", "E"));
		int got = stmt_step(&q, err);
		if (got <= 0)
			return got == 0;   /* settled before, or never ours */
		id = col_int(&q, 0);
		was_queued = strcmp(col_text(&q, 1), "queued") == 0;
	}
	/* a person meant to send it from here, and the stick was quicker */
	if ((was_queued && !stg_store_outbox_settle(s, id, "carried", 0, NULL, err)) || !stg_store_outbox_settle(s, id, state, 0, answer, err))
		return false;
	*ret_closed = true;
	return tx_commit(&t, err);
}
