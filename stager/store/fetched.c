/*
 * fetched.c - enrolment profiles an MDM has given out: where each came from, and until when it counts.
 *
 * For:    `stager profile fetch`, refreshing them in the network window, whoever has to know when they end.
 * Uses:   one setting; there are a handful of them. The profiles themselves are files in the state's folder profiles/.
 * Called: stager/ops.
 * Thread: the one that has the store.
 */
#include <stdlib.h>

#include "db.h"

#define SETTING "fetched_profiles"
#define ROWS_MAX 64

static json_t *all(struct stg_store *s, struct stg_error *err)
{
	char *text = stg_store_get(s, SETTING, err);
	json_t *rows = !text ? NULL : *text ? json_loads(text, 0, NULL) : json_object();
	if (text && !json_is_object(rows)) {
		stg_json_free_at(&rows);
		stg_fail_id(err, STG_E_IO, STG_ID_DATABASE_DAMAGED, 0, SETTING);
	}
	free(text);
	return rows;
}

json_t *stg_store_fetched(struct stg_store *s, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *rows = all(s, err);
	const char *name;
	json_t *row, *list;
	if (!rows)
		return NULL;
	list = json_array();
	json_object_foreach(rows, name, row) {
		stg_json_put(row, "name", name);
		json_array_append(list, row);
	}
	return list;
}

bool stg_store_fetched_put(struct stg_store *s, const char *name, const json_t *row, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *rows = all(s, err);
	if (!rows)
		return false;
	if (row)
		json_object_set_new(rows, name, json_deep_copy(row));
	else if (json_object_del(rows, name) != 0)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_FETCH_UNKNOWN, 0, "%.64s", name);
	if (json_object_size(rows) > ROWS_MAX)
		return stg_fail(err, STG_E_REFUSED, 0, "more than %d fetched profiles", ROWS_MAX);
	char *text = json_dumps(rows, JSON_COMPACT | JSON_SORT_KEYS);
	bool ok = text && stg_store_set(s, SETTING, text, err);
	free(text);
	return ok;
}
