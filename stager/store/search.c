/*
 * search.c - the words by which things are found.
 *
 * For:    `stager find` and the query of `inventory list`.
 * Uses:   SQLite's FTS5: one row of words for each thing, found by the beginning of every word typed.
 * Called: whoever writes a thing that people look for.
 * Thread: the one that has the store.
 *
 * A row's id is 8 * id of the thing + its kind. Serial numbers, UDIDs and IMEIs are also stored backwards, so that the
 * last digits a person reads aloud find the device.
 */
#include <ctype.h>
#include <stdlib.h>

#include "db.h"

bool search_put(struct stg_store *s, enum search_kind kind, int64_t ref, const char *text, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt old = stmt_open(s, "SELECT text FROM search WHERE rowid = :id");
	stmt_int(&old, ":id", 8 * ref + (int)kind);
	int got = stmt_step(&old, err);
	if (got < 0)
		return false;
	if (got && strcmp(col_text(&old, 0), text) == 0)
		return true;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, got ? "UPDATE search SET text = :text WHERE rowid = :id"
							      : "INSERT INTO search (rowid, text) VALUES (:id, :text)");
	stmt_close(&old);
	stmt_int(&q, ":id", 8 * ref + (int)kind);
	stmt_text(&q, ":text", text);
	return stmt_done(&q, err);
}

static bool add_word(struct stg_buf *words, const char *word, bool backwards, struct stg_error *err)
{
	if (!*word)
		return true;
	if (!stg_buf_add_str(words, word, err) || !stg_buf_add_str(words, " ", err))
		return false;
	if (!backwards)
		return true;
	char turned[64] = "zz";    /* the mark keeps "the end is 4711" apart from "begins with 1174" */
	size_t n = strlen(word), at = 2;
	while (n && at < sizeof(turned) - 1)
		if (isalnum((unsigned char)word[--n]))
			turned[at++] = word[n];
	turned[at] = 0;
	return stg_buf_add_str(words, turned, err) && stg_buf_add_str(words, " ", err);
}

bool search_device(struct stg_store *s, int64_t device, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf words = STG_BUF(65536);
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT serial, udid, imei, imei2, unit, meid, asset_tag, name, model, model_name,"
								  " device_class FROM device WHERE id = :id");
		stmt_int(&q, ":id", device);
		if (!stmt_one(&q, STG_ID_UNKNOWN_DEVICE, "device", err))
			return false;
		for (int i = 0; i < 11; i++)
			if (!add_word(&words, col_text(&q, i), i < 7, err))
				return false;
	}
	STG_AUTO(stmt_close) struct stmt b = stmt_open(s, "SELECT batch.name FROM batch_row JOIN batch ON batch.id = batch_row.batch"
							  " WHERE batch_row.device = :id");
	stmt_int(&b, ":id", device);
	int got;
	while ((got = stmt_step(&b, err)) == 1)
		if (!add_word(&words, col_text(&b, 0), false, err))
			return false;
	return got == 0 && search_put(s, SEARCH_DEVICE, device, stg_buf_str(&words), err);
}

/* "ab c-1" becomes ("ab"* OR "zzba"*) AND ("c-1"* OR "zz1c"*): every word must begin a word, or end a number. */
bool search_query(const char *text, struct stg_buf *ret, struct stg_error *err)
{
	const char *p = text;
	int words = 0;
	while (*p && words < 8) {
		while (isspace((unsigned char)*p))
			p++;
		const char *end = p;
		bool useful = false;
		while (*end && !isspace((unsigned char)*end)) {
			useful = useful || isalnum((unsigned char)*end) || (unsigned char)*end >= 0x80;
			end++;
		}
		if (end == p)
			break;
		size_t len = (size_t)(end - p);
		if (useful && len <= 128) {
			if (words++ && !stg_buf_add_str(ret, " AND ", err))
				return false;
			if (!stg_buf_add_str(ret, "(\"", err))
				return false;
			for (const char *c = p; c < end; c++)
				if (*c != '"' && !stg_buf_add(ret, c, 1, err))
					return false;
			/* a word of foreign letters only has no end that numbers could have: "zz" alone would find everything */
			const char *last = NULL;
			for (const char *c = end; c > p; c--)
				if (isalnum((unsigned char)c[-1])) {
					if (!last && !stg_buf_add_str(ret, "\"* OR \"zz", err))
						return false;
					last = c - 1;
					if (!stg_buf_add(ret, last, 1, err))
						return false;
				}
			if (!stg_buf_add_str(ret, "\"*)", err))
				return false;
		}
		p = end;
	}
	return true;
}

/* ---- find ---- */

#define FIND_MAX 1000

struct kind {
	const char *name, *sql;   /* one row by :id */
};

static const struct kind kinds[] = {
	[SEARCH_DEVICE] = { "device", "SELECT d.family, d.unit, d.serial, d.udid, d.imei, d.model_name, d.name, d.asset_tag, d.ownership, d.last_seen_ms,"
				      " j.id AS job, j.state AS state, j.end_state AS \"end\", b.name AS batch FROM device AS d LEFT JOIN job AS j ON j.id ="
				      " (SELECT max(id) FROM job WHERE device = d.id) LEFT JOIN batch AS b ON b.id = j.batch WHERE d.id = :id" },
	/* a row whose device was seen is found as that device */
	[SEARCH_ROW] = { "expected", "SELECT b.name AS batch, b.state AS batch_state, r.line, r.serial, r.udid, r.ecid, r.imei, r.name, r.asset_tag, r.ownership"
				     " FROM batch_row AS r JOIN batch AS b ON b.id = r.batch WHERE r.id = :id AND r.device IS NULL" },
	[SEARCH_BATCH] = { "batch", "SELECT name AS batch, blueprint, state, created_ms FROM batch WHERE id = :id" },
	[SEARCH_CERTIFICATE] = { "certificate", "SELECT serial_hex, subject, device_serial AS serial, unit, status, not_after_ms FROM certificate WHERE id = :id" },
	[SEARCH_RECORD] = { "record", "SELECT record.record_id, record.seq, record.end_state AS \"end\", record.at_ms, record.job, d.serial, d.unit FROM record"
				      " JOIN device AS d ON d.id = record.device WHERE record.seq = :id" },
};

static bool add_found(struct stg_store *s, const char *name, const char *sql, int64_t id, json_t *into, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, sql);
	stmt_int(&q, ":id", id);
	int got = stmt_step(&q, err);
	if (got <= 0)
		return got == 0;
	json_t *one = stmt_object(&q, err);
	if (!one)
		return false;
	stg_json_put(one, "kind", name);
	json_array_append_new(into, one);
	return true;
}

json_t *stg_store_find(struct stg_store *s, const char *text, int64_t limit, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf words = STG_BUF(8192);
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	if (limit <= 0 || limit > FIND_MAX)
		limit = FIND_MAX;
	char *end;
	long long number = strtoll(text, &end, 10);
	if (*text && !*end && number > 0 &&
	    !add_found(s, "job", "SELECT j.id AS job, j.state, j.end_state AS \"end\", j.blueprint_name AS blueprint, j.created_ms, d.serial, d.unit, b.name AS batch"
				 " FROM job AS j JOIN device AS d ON d.id = j.device LEFT JOIN batch AS b ON b.id = j.batch WHERE j.id = :id",
		       number, list, err))
		return NULL;
	if (!search_query(text, &words, err))
		return NULL;
	if (!words.len)
		return stg_steal(list);
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT rowid FROM search WHERE search MATCH :words LIMIT :limit");
	stmt_text(&q, ":words", stg_buf_str(&words));
	stmt_int(&q, ":limit", limit);
	int got;
	while ((got = stmt_step(&q, err)) == 1) {
		int64_t id = col_int(&q, 0) / 8, kind = col_int(&q, 0) % 8;
		if (kind >= SEARCH_DEVICE && kind <= SEARCH_RECORD && !add_found(s, kinds[kind].name, kinds[kind].sql, id, list, err))
			return NULL;
	}
	return got == 0 ? stg_steal(list) : NULL;
}
