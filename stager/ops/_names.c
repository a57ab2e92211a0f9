/*
 * _names.c - the names a list would give its devices, looked at before the first one is plugged in.
 *
 * For:    batch.import: a name that is too long, or two devices' name, is a line of a list now and a device on hold later.
 * Uses:   the step set_name of a blueprint, filled with a row's values.
 * Called: ops/batch.c.
 * Thread: any; no state.
 */
#include <stdio.h>
#include <string.h>

#include <stager/blueprint.h>
#include <stager/text.h>

#include "_names.h"

enum { TOLD_MAX = 20, NAME_BYTES_MAX = 63, FILLED_MAX = 256 << 10 };

static const char *template_of(const json_t *step)
{
	/* one that some devices pass over, nobody can judge from a list */
	if (strcmp(stg_json_str(step, "step"), "set_name") != 0 || json_array_size(json_object_get(step, "when")))
		return "";
	return stg_json_str(json_object_get(step, "params"), "name");
}

void ops_list_problem(json_t *list, const char *file_name, int64_t line, enum stg_id id, const char *about)
{
	json_t *told = json_object_get(list, "problems");
	const char *slash = strrchr(file_name, '/');
	char where[300], text[600], code[16];
	stg_json_put_int(list, "problem_count", stg_json_int(list, "problem_count", 0) + 1);
	if (json_array_size(told) >= TOLD_MAX)
		return;
	snprintf(where, sizeof(where), "%.100s:%lld: %.180s", slash ? slash + 1 : file_name, (long long)line, about);
	snprintf(code, sizeof(code), "STG-%u", (unsigned int)id);
	snprintf(text, sizeof(text), "%s: %s %s", where, stg_id_sentence(id), stg_id_act(id));
	json_t *one = json_object();
	stg_json_put_int(one, "line", line);
	stg_json_put(one, "code", code);
	stg_json_put(one, "where", where);
	stg_json_put(one, "text", text);
	json_array_append_new(told, one);
}

/* As a job would have them; what a list cannot know is left out, and a name that needs it is not judged. */
static json_t *values_of(const json_t *blueprint, const json_t *row)
{
	static const char *const own[] = { "asset_tag", "name", "ownership" };
	struct stg_identity who = { 0 };
	const json_t *more = json_object_get(row, "attributes");
	STG_AUTO(stg_json_free_at) json_t *a = json_is_object(more) ? json_copy((json_t *)(uintptr_t)more) : json_object();
	stg_copy(who.serial, sizeof(who.serial), stg_json_str(row, "serial"));
	stg_copy(who.unit, sizeof(who.unit), stg_json_str(row, "ecid"));
	stg_copy(who.udid, sizeof(who.udid), stg_json_str(row, "udid"));
	stg_copy(who.imei[0], sizeof(who.imei[0]), stg_json_str(row, "imei"));
	for (size_t i = 0; i < STG_ARRAY_LEN(own); i++)
		stg_json_put(a, own[i], stg_json_str(row, own[i]));
	return stg_variables_of(&who, "", a, blueprint);
}

static void check_rows(const char *name, const json_t *blueprint, const char *file_name, const json_t *rows, json_t *list)
{
	STG_AUTO(stg_json_free_at) json_t *seen = json_object();
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i), *before;
		STG_AUTO(stg_json_free_at) json_t *values = values_of(blueprint, row);
		STG_AUTO(stg_buf_clear) struct stg_buf filled = STG_BUF(FILLED_MAX);
		char about[180], shown[120];
		int64_t line = stg_json_int(row, "line", 0);
		if (!stg_variables_fill_text(name, values, &filled, NULL))
			continue;
		const char *text = stg_buf_str(&filled);
		stg_printable(text, true, shown, sizeof(shown));
		if (!filled.len || filled.len > NAME_BYTES_MAX) {
			snprintf(about, sizeof(about), "'%s' (%zu)", shown, filled.len);
			ops_list_problem(list, file_name, line, STG_ID_NAME_LENGTH, about);
			continue;
		}
		/* as the store keeps them: "ward-1" is WARD-1 */
		char key[NAME_BYTES_MAX + 1];
		stg_copy(key, sizeof(key), text);
		for (char *p = key; *p; p++)
			*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
		if ((before = json_object_get(seen, key))) {
			snprintf(about, sizeof(about), "'%s' = :%lld", shown, (long long)json_integer_value(before));
			ops_list_problem(list, file_name, line, STG_ID_ROW_TWICE, about);
		} else {
			json_object_set_new(seen, key, json_integer(line));
		}
	}
}

void ops_check_names(const json_t *blueprint, const char *file_name, const json_t *rows, json_t *list)
{
	size_t i;
	json_t *step;
	json_array_foreach(json_object_get(blueprint, "steps"), i, step) {
		const char *name = template_of(step);
		/* one name for all is a mistake of the blueprint, which its check tells */
		if (strstr(name, "{{"))
			check_rows(name, blueprint, file_name, rows, list);
	}
}
