/*
 * figures.c - how the file is made and how much is in it, for whoever is asked for help.
 *
 * For:    stager support.
 * Uses:   SQLite's own tables.
 * Called: ops/support.c.
 * Thread: the one that has the store.
 */
#include "db.h"

/* The names come from our own schema, never from data; quoted all the same. */
static bool count(struct stg_store *s, const char *table, int64_t *ret, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = { .s = s };
	char *sql = sqlite3_mprintf("SELECT count(*) FROM \"%w\"", table);
	q.rc = sql ? sqlite3_prepare_v2(s->db, sql, -1, &q.st, NULL) : SQLITE_NOMEM;
	sqlite3_free(sql);
	if (!stmt_one(&q, STG_ID_NONE, table, err))
		return false;
	*ret = col_int(&q, 0);
	return true;
}

static bool pragma(struct stg_store *s, const char *sql, json_t *into, const char *key, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, sql);
	if (!stmt_one(&q, STG_ID_NONE, key, err))
		return false;
	stg_json_put_new(into, key, json_string(col_text(&q, 0)));
	return true;
}

json_t *stg_store_figures(struct stg_store *s, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *o = json_object();
	STG_AUTO(stg_json_free_at) json_t *counts = json_array();
	STG_AUTO(stg_json_free_at) json_t *schema = json_array();
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, name");
	int got;
	while ((got = stmt_step(&q, err)) > 0) {
		int64_t n = 0;
		json_array_append_new(schema, json_string(col_text(&q, 2)));
		if (strcmp(col_text(&q, 0), "table") != 0)
			continue;
		if (!count(s, col_text(&q, 1), &n, err))
			return NULL;
		json_array_append_new(counts, json_pack("{s:s, s:I}", "table", col_text(&q, 1), "rows", (json_int_t)n));
	}
	if (got < 0 || !pragma(s, "PRAGMA user_version", o, "schema_version", err) || !pragma(s, "PRAGMA page_count", o, "pages", err) ||
	    !pragma(s, "PRAGMA page_size", o, "page_size", err) || !pragma(s, "PRAGMA journal_mode", o, "journal_mode", err))
		return NULL;
	stg_json_put(o, "sqlite", sqlite3_libversion());
	json_object_set(o, "counts", counts);
	json_object_set(o, "schema", schema);
	return stg_steal(o);
}
