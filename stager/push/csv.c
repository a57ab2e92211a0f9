/*
 * csv.c - results as CSV: the columns, and one line for each record.
 *
 * For:    kinds/file.c, kinds/sftp.c.
 * Uses:   <stager/csv.h>, which quotes and takes the sting out of formulas.
 * Called: for each record of a batch.
 * Thread: any; no state.
 */
#include <stdio.h>

#include <stager/csv.h>

#include "kind.h"

/* ---- CSV columns: what an importer can use without knowing our record ---- */

static const struct column {
	const char *name, *in, *key;    /* in: object inside the record, NULL: the record itself */
	enum stg_csv_kind kind;
} columns[] = {
	{ "record_id", NULL, "record_id", STG_CSV_EXACT }, { "seq", NULL, "seq", STG_CSV_EXACT }, { "station", NULL, "station", STG_CSV_TEXT },
	{ "serial", "device", "serial", STG_CSV_EXACT }, { "imei", "device", "imei", STG_CSV_EXACT }, { "udid", "device", "udid", STG_CSV_EXACT },
	{ "model", "device", "model", STG_CSV_TEXT }, { "os_version", "device", "os_version", STG_CSV_TEXT }, { "asset_tag", NULL, "asset_tag", STG_CSV_TEXT },
	{ "batch", NULL, "batch", STG_CSV_TEXT }, { "outcome", NULL, "outcome", STG_CSV_EXACT }, { "final", NULL, "final", STG_CSV_EXACT },
	{ "rehearsal", NULL, "rehearsal", STG_CSV_EXACT }, { "finished", "time", "wall", STG_CSV_EXACT },
};

/* One line of text for a value; line breaks inside would make two lines of one record. */
static void value_text(const json_t *value, char *ret, size_t size)
{
	if (json_is_array(value))
		value = json_array_get(value, 0);       /* IMEIs: slot 1 */
	if (json_is_integer(value))
		snprintf(ret, size, "%lld", (long long)json_integer_value(value));
	else if (json_is_boolean(value))
		snprintf(ret, size, "%s", json_is_true(value) ? "true" : "false");
	else
		snprintf(ret, size, "%s", json_is_string(value) ? json_string_value(value) : "");
	for (char *p = ret; *p; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
}

bool push_csv_heading(struct stg_buf *out, struct stg_error *err)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(columns); i++)
		if (!stg_csv_cell(out, columns[i].name, STG_CSV_EXACT, i + 1 == STG_ARRAY_LEN(columns), err))
			return false;
	return true;
}

bool push_csv_line(const json_t *record, struct stg_buf *out, struct stg_error *err)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(columns); i++) {
		char text[1024];
		const json_t *from = columns[i].in ? json_object_get(record, columns[i].in) : record;
		value_text(json_object_get(from, columns[i].key), text, sizeof(text));
		if (!stg_csv_cell(out, text, columns[i].kind, i + 1 == STG_ARRAY_LEN(columns), err))
			return false;
	}
	return true;
}
