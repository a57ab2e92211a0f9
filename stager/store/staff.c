/*
 * staff.c - the people devices are for, as lists and directories name them, for as long as they are needed.
 *
 * For:    `stager people`, the owner column of an order.
 * Uses:   SQLite.
 * Called: stager/ops.
 * Thread: the one that has the store.
 * Facts:  threat-model 15: fields of persons go 90 days after the end of a job.
 *
 * A list replaces the one of the same source whole: who left it is forgotten with it. What an order took from a list stands in its
 * rows, its jobs and on its devices, under names that begin with "owner", and goes after the same time. Signed results keep what
 * they said.
 */
#include <stdlib.h>

#include "db.h"

#define DAY_MS INT64_C(86400000)

static bool drop_list(struct stg_store *s, const char *source, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "DELETE FROM staff WHERE source = :source");
	stmt_text(&q, ":source", source);
	if (!stmt_done(&q, err))
		return false;
	STG_AUTO(stmt_close) struct stmt l = stmt_open(s, "DELETE FROM staff_list WHERE source = :source");
	stmt_text(&l, ":source", source);
	return stmt_done(&l, err);
}

bool stg_store_staff_put(struct stg_store *s, const char *source, const char *by, const json_t *people, int64_t left_out, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	size_t i;
	json_t *one;
	if (!tx_begin(&t, s, err) || !drop_list(s, source, err))
		return false;
	STG_AUTO(stmt_close) struct stmt l = stmt_open(s, "INSERT INTO staff_list (source, at_ms, by, people, left_out) VALUES (:source, :now, :by, :people, :left)");
	stmt_text(&l, ":source", source);
	stmt_int(&l, ":now", stg_wall_ms());
	stmt_text(&l, ":by", by);
	stmt_int(&l, ":people", (int64_t)json_array_size(people));
	stmt_int(&l, ":left", left_out);
	if (!stmt_done(&l, err))
		return false;
	json_array_foreach((json_t *)(uintptr_t)people, i, one) {
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO staff (source, account, upn, mail, name, department, number, disabled)"
								  " VALUES (:source, :account, :upn, :mail, :name, :department, :number, :disabled)");
		stmt_text(&q, ":source", source);
		stmt_text(&q, ":account", stg_json_str(one, "account"));
		stmt_text(&q, ":upn", stg_json_str(one, "upn"));
		stmt_text(&q, ":mail", stg_json_str(one, "mail"));
		stmt_text(&q, ":name", stg_json_str(one, "name"));
		stmt_text(&q, ":department", stg_json_str(one, "department"));
		stmt_text(&q, ":number", stg_json_str(one, "number"));
		stmt_int(&q, ":disabled", stg_json_bool(one, "disabled", false));
		if (!stmt_done(&q, err))
			return false;
	}
	return stg_store_set(s, "people_used", "1", err) && tx_commit(&t, err);
}

json_t *stg_store_staff_lists(struct stg_store *s, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT source, at_ms, by, people, left_out FROM staff_list ORDER BY source");
	return stmt_list(&q, err);
}

#define PERSON "s.account AS account, s.upn AS upn, s.mail AS mail, s.name AS name, s.department AS department, s.number AS number," \
	" s.disabled AS \"disabled:bool\", s.source AS source, l.at_ms AS at_ms FROM staff AS s JOIN staff_list AS l ON l.source = s.source"

json_t *stg_store_staff(struct stg_store *s, const char *part, int64_t most, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " PERSON " WHERE :part = '' OR instr(lower(s.account || ' ' || s.upn || ' ' || s.mail || ' ' || s.name || ' ' ||"
							  " s.department || ' ' || s.number), lower(:part)) ORDER BY s.name, s.mail, s.account, s.id LIMIT :most");
	stmt_text(&q, ":part", part);
	stmt_int(&q, ":most", most);
	return stmt_list(&q, err);
}

json_t *stg_store_staff_find(struct stg_store *s, const char *word, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " PERSON " WHERE :word <> '' AND (s.account = :word OR s.upn = :word OR s.mail = :word OR s.number = :word)"
							  " ORDER BY l.at_ms DESC, s.id LIMIT 20");
	stmt_text(&q, ":word", word);
	return stmt_list(&q, err);
}

/* ---- forgetting ---- */

/* What an order took from a list. */
#define WITHOUT_OWNER "json_remove(attributes, '$.owner', '$.owner_name', '$.owner_mail', '$.owner_upn', '$.owner_account', '$.owner_department', '$.owner_number')"
#define HAS_OWNER "instr(attributes, '\"owner') > 0 AND (:word = '' OR json_extract(attributes, '$.owner') = :word COLLATE NOCASE OR" \
	" json_extract(attributes, '$.owner_mail') = :word COLLATE NOCASE OR json_extract(attributes, '$.owner_upn') = :word COLLATE NOCASE OR" \
	" json_extract(attributes, '$.owner_account') = :word COLLATE NOCASE OR json_extract(attributes, '$.owner_number') = :word COLLATE NOCASE)"

/* word "": everybody, where it ended before `before`. */
static bool forget_owners(struct stg_store *s, const char *word, int64_t before, int64_t *ret_n, struct stg_error *err)
{
	static const char *const changes[] = {
		"UPDATE batch_row SET attributes = " WITHOUT_OWNER " WHERE " HAS_OWNER " AND (:before = 0 OR batch IN (SELECT id FROM batch WHERE closed_ms < :before))",
		"UPDATE job SET attributes = " WITHOUT_OWNER " WHERE " HAS_OWNER " AND (:before = 0 OR ended_ms < :before)",
		"UPDATE device SET attributes = " WITHOUT_OWNER " WHERE " HAS_OWNER " AND (:before = 0 OR last_seen_ms < :before)",
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(changes); i++) {
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, changes[i]);
		stmt_text(&q, ":word", word);
		stmt_int(&q, ":before", before);
		if (!stmt_done(&q, err))
			return false;
		*ret_n += db_changes(s);
	}
	return true;
}

bool stg_store_staff_forget(struct stg_store *s, const char *word, int64_t *ret_people, int64_t *ret_rows, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	*ret_people = *ret_rows = 0;
	if (!*word || !tx_begin(&t, s, err))
		return stg_fail(err, STG_E_USAGE, 0, "nobody was named");
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "DELETE FROM staff WHERE account = :word OR upn = :word OR mail = :word OR number = :word");
	stmt_text(&q, ":word", word);
	if (!stmt_done(&q, err))
		return false;
	*ret_people = db_changes(s);
	return forget_owners(s, word, 0, ret_rows, err) && tx_commit(&t, err);
}

bool stg_store_staff_drop(struct stg_store *s, const char *source, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	return tx_begin(&t, s, err) && drop_list(s, source, err) && tx_commit(&t, err);
}

bool stg_store_staff_expire(struct stg_store *s, int64_t keep_days, int64_t *ret_n, struct stg_error *err)
{
	int64_t before = stg_wall_ms() - keep_days * DAY_MS;
	*ret_n = 0;
	/* a station that never had a list has nothing to look through */
	STG_AUTO(stg_free_at) char *used = stg_store_get(s, "people_used", err);
	if (!used || !*used || before <= 0)
		return used != NULL;
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "DELETE FROM staff WHERE source IN (SELECT source FROM staff_list WHERE at_ms < :before)");
	stmt_int(&q, ":before", before);
	if (!stmt_done(&q, err))
		return false;
	*ret_n = db_changes(s);
	STG_AUTO(stmt_close) struct stmt l = stmt_open(s, "DELETE FROM staff_list WHERE at_ms < :before");
	stmt_int(&l, ":before", before);
	return stmt_done(&l, err) && forget_owners(s, "", before, ret_n, err) && tx_commit(&t, err);
}
