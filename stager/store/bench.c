/*
 * bench.c - the ports people may use, and the devices people hold back.
 *
 * For:    intake, port and hold commands.
 * Uses:   SQLite.
 * Called: stager/station, stager/ops.
 * Thread: the one that has the store.
 */
#include <stdio.h>
#include <stdlib.h>

#include "db.h"

/* ---- ports ---- */

json_t *stg_store_ports(struct stg_store *s, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT port, label, allowed AS \"allowed:bool\" FROM port ORDER BY label = '', length(label), label, port");
	return stmt_list(&q, err);
}

bool stg_store_port_put(struct stg_store *s, const char *port, const char *label, int allowed, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!*port || strlen(port) >= STG_PORT_MAX || (label && strlen(label) > 31))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_PORT_LABEL, 0, "'%.80s', '%.80s'", port, label ? label : "");
	if (!tx_begin(&t, s, err))
		return false;
	if (label && *label) {
		/* a label moved to another socket leaves the old one */
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE port SET label = '', changed_ms = :now WHERE label = :label AND port <> :port");
		stmt_int(&q, ":now", stg_wall_ms());
		stmt_text(&q, ":label", label);
		stmt_text(&q, ":port", port);
		if (!stmt_done(&q, err))
			return false;
	}
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO port (port, label, allowed, changed_ms) VALUES (:port, coalesce(:label, ''), max(:allowed, 0), :now)"
							  " ON CONFLICT (port) DO UPDATE SET label = coalesce(:label, label),"
							  " allowed = CASE WHEN :allowed < 0 THEN allowed ELSE :allowed END, changed_ms = :now");
	stmt_text(&q, ":port", port);
	if (label)
		stmt_text(&q, ":label", label);
	stmt_int(&q, ":allowed", allowed < 0 ? -1 : allowed > 0);
	stmt_int(&q, ":now", stg_wall_ms());
	return stmt_done(&q, err) && tx_commit(&t, err);
}

static bool add_ports(struct stg_store *s, const char *sql, const char *word, json_t *into, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, sql);
	stmt_text(&q, ":word", word);
	int got;
	while ((got = stmt_step(&q, err)) == 1)
		json_array_append_new(into, json_string(col_text(&q, 0)));
	return got == 0;
}

/* "A1-A8": the same letters before both numbers. */
static bool split_range(const char *word, char prefix[32], long *ret_from, long *ret_to)
{
	char to_prefix[32];
	const char *dash = strchr(word, '-');
	size_t a = strcspn(word, "0123456789"), b;
	if (!dash || a == 0 || a > 31 || word + a >= dash)
		return false;
	b = strcspn(dash + 1, "0123456789");
	if (b > 31)
		return false;
	memcpy(prefix, word, a);
	prefix[a] = 0;
	memcpy(to_prefix, dash + 1, b);
	to_prefix[b] = 0;
	char *end;
	*ret_from = strtol(word + a, &end, 10);
	if (end != dash || (b && strcmp(prefix, to_prefix) != 0) || !dash[1 + b])
		return false;
	*ret_to = strtol(dash + 1 + b, &end, 10);
	return *end == 0 && *ret_from <= *ret_to && *ret_to - *ret_from < 1000;
}

/* Bus number, dash, hub ports with dots: how the kernel names a socket, also one nothing was ever plugged into. */
static bool is_path(const char *word)
{
	size_t bus = strspn(word, "0123456789");
	return bus && word[bus] == '-' && word[bus + 1] && strspn(word + bus + 1, "0123456789.") == strlen(word + bus + 1) &&
	       strlen(word) < STG_PORT_MAX;
}

/* "2-1.*": every socket of a hub. */
static bool is_pattern(const char *word)
{
	return strchr(word, '*') && strspn(word, "0123456789-.*") == strlen(word) && strlen(word) < STG_PORT_MAX;
}

json_t *stg_store_port_resolve(struct stg_store *s, const char *word, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	char prefix[32], label[64];
	long from, to;
	if (strcmp(word, "all") == 0) {
		/* those that have a row, and by the pattern all that will ever be seen */
		if (!add_ports(s, "SELECT port FROM port WHERE :word <> '' AND port <> '*' ORDER BY port", word, list, err))
			return NULL;
		json_array_append_new(list, json_string("*"));
	} else if (!add_ports(s, "SELECT port FROM port WHERE label <> '' AND label = :word COLLATE NOCASE UNION SELECT port FROM port WHERE port = :word", word,
			      list, err)) {
		return NULL;
	} else if (json_array_size(list) == 0 && split_range(word, prefix, &from, &to)) {
		for (long i = from; i <= to; i++) {
			snprintf(label, sizeof(label), "%s%ld", prefix, i);
			if (!add_ports(s, "SELECT port FROM port WHERE label = :word COLLATE NOCASE", label, list, err))
				return NULL;
		}
	} else if (json_array_size(list) == 0 && (is_path(word) || is_pattern(word))) {
		json_array_append_new(list, json_string(word));
	}
	if (json_array_size(list) == 0) {
		stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_UNKNOWN_PORT, 0, "%s", word);
		return NULL;
	}
	return stg_steal(list);
}

/* ---- holds ---- */

/* The open job of a held device waits with it (HOLD), and goes on (WAITING) when the last hold is released. */
static bool move_jobs(struct stg_store *s, const char *what, bool held, const json_t *why, struct stg_error *err)
{
	int64_t job = 0;
	enum stg_job_state state = STG_JOB_WAITING;
	{
		STG_AUTO(stmt_close) struct stmt q =
			stmt_open(s, "SELECT job.id, job.state FROM device JOIN job ON job.device = device.id AND job.state NOT IN ('done','failed','cancelled')"
				     " WHERE device.id IN (SELECT id FROM device WHERE unit = :what UNION SELECT id FROM device WHERE serial <> '' AND serial = :what)");
		stmt_text(&q, ":what", what);
		int got = stmt_step(&q, err);
		if (got <= 0)
			return got == 0;
		job = col_int(&q, 0);
		if (!stg_job_state_parse(col_text(&q, 1), &state))
			return stg_fail_id(err, STG_E_IO, STG_ID_DATABASE_DAMAGED, 0, "job %lld has no state we know", (long long)job);
	}
	if (held)   /* a running job is left to the station: it stops at the next step boundary */
		return state == STG_JOB_HOLD || state == STG_JOB_RUNNING || stg_store_job_move(s, job, STG_JOB_HOLD, why, err);
	return state != STG_JOB_HOLD || stg_store_job_move(s, job, STG_JOB_WAITING, why, err);
}

bool stg_store_hold_add(struct stg_store *s, const json_t *hold, struct stg_error *err)
{
	const char *unit = stg_json_str(hold, "unit"), *serial = stg_json_str(hold, "serial"), *reason = stg_json_str(hold, "reason");
	if ((!*unit && !*serial) || !*reason)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "SERIAL, --reason");
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO hold (family, unit, serial, reason, owner, why_id, since_ms, until_ms)"
								  " VALUES (:family, :unit, :serial, :reason, :owner, :id, :now, :until)");
		stmt_text(&q, ":family", stg_json_str(hold, "family"));
		stmt_text(&q, ":unit", unit);
		stmt_text(&q, ":serial", serial);
		stmt_text(&q, ":reason", reason);
		stmt_text(&q, ":owner", stg_json_str(hold, "owner"));
		stmt_int(&q, ":id", stg_json_int(hold, "id", 0));
		stmt_int(&q, ":now", stg_wall_ms());
		stmt_int_or_null(&q, ":until", stg_json_int(hold, "until_ms", 0));
		if (!stmt_done(&q, err))
			return false;
	}
	STG_AUTO(stg_json_free_at) json_t *why = json_object();
	stg_json_put_int(why, "id", stg_json_int(hold, "id", 0) ? stg_json_int(hold, "id", 0) : STG_ID_ON_HOLD);
	stg_json_put(why, "code", "hold");
	stg_json_put(why, "msg", reason);
	stg_json_put(why, "owner", stg_json_str(hold, "owner"));
	return move_jobs(s, *unit ? unit : serial, true, why, err) && tx_commit(&t, err);
}

#define HELD \
	" released_ms IS NULL AND ((unit <> '' AND unit IN (SELECT :what UNION SELECT unit FROM device WHERE serial <> '' AND serial = :what))" \
	" OR (serial <> '' AND serial IN (SELECT :what UNION SELECT serial FROM device WHERE unit = :what AND serial <> '')))"

bool stg_store_hold_release(struct stg_store *s, const char *serial_or_unit, const char *by, const char *why, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE hold SET released_ms = :now, released_by = :by, released_why = :why WHERE" HELD);
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":by", by);
	stmt_text(&q, ":why", why);
	stmt_text(&q, ":what", serial_or_unit);
	if (!stmt_done(&q, err))
		return false;
	bool any = db_changes(s) > 0;
	/* a job may be on hold by the station's own judgement, without a row here */
	STG_AUTO(stmt_close) struct stmt j = stmt_open(s, "SELECT 1 FROM job JOIN device ON device.id = job.device WHERE job.state = 'hold' AND device.id IN"
							  " (SELECT id FROM device WHERE unit = :what UNION SELECT id FROM device WHERE serial <> '' AND serial = :what)");
	stmt_text(&j, ":what", serial_or_unit);
	int got = stmt_step(&j, err);
	if (got < 0)
		return false;
	stmt_close(&j);
	if (!any && !got)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_NOT_ON_HOLD, 0, "%s", serial_or_unit);
	STG_AUTO(stg_json_free_at) json_t *note = json_object();
	stg_json_put(note, "msg", why);
	stg_json_put(note, "owner", by);
	return move_jobs(s, serial_or_unit, false, note, err) && tx_commit(&t, err);
}

json_t *stg_store_holds(struct stg_store *s, struct stg_error *err)
{
	/* rows people made, then jobs the station put on hold without one */
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "SELECT hold.id, hold.family, hold.unit, hold.serial, hold.reason, hold.owner, hold.why_id AS code, hold.since_ms, hold.until_ms, NULL AS job"
		   " FROM hold WHERE released_ms IS NULL UNION ALL"
		   " SELECT NULL, device.family, device.unit, device.serial, job.why_msg, job.why_owner, job.why_id, job.changed_ms, NULL, job.id FROM job"
		   " JOIN device ON device.id = job.device WHERE job.state = 'hold' AND NOT EXISTS (SELECT 1 FROM hold WHERE released_ms IS NULL"
		   " AND ((hold.unit <> '' AND hold.unit = device.unit) OR (hold.serial <> '' AND hold.serial = device.serial)))");
	return stmt_list(&q, err);
}

json_t *stg_store_hold_of(struct stg_store *s, const struct stg_identity *who, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "SELECT id AS hold, reason, owner, coalesce(nullif(why_id, 0), :on_hold) AS id, since_ms, until_ms FROM hold WHERE released_ms IS NULL"
			     " AND ((unit <> '' AND unit = :unit) OR (serial <> '' AND serial = :serial)) ORDER BY hold.id LIMIT 1");
	stmt_int(&q, ":on_hold", STG_ID_ON_HOLD);
	stmt_text(&q, ":unit", who->unit);
	stmt_text(&q, ":serial", who->serial);
	return stmt_one(&q, STG_ID_NONE, "not on hold", err) ? stmt_object(&q, err) : NULL;
}
