/*
 * csv.c - writes CSV that other programs read as it was meant.
 *
 * For:    result and exception lists of a batch, files of `file` targets, exports.
 * Uses:   bytes.
 * Called: from all rooms.
 * Thread: any.
 */
#include <stager/csv.h>
#include <stager/error.h>

static bool is_formula(const char *s)
{
	return *s && strchr("=+-@\t\r\n", *s);
}

bool stg_csv_cell(struct stg_buf *out, const char *text, enum stg_csv_kind kind, bool is_last, struct stg_error *err)
{
	if (!stg_buf_add(out, "\"", 1, err) || (kind == STG_CSV_TEXT && is_formula(text) && !stg_buf_add(out, "'", 1, err)))
		return false;
	for (const char *p = text; *p;) {
		size_t plain = strcspn(p, "\"");
		if (!stg_buf_add(out, p, plain, err))
			return false;
		p += plain;
		if (*p) {
			if (!stg_buf_add(out, "\"\"", 2, err))
				return false;
			p++;
		}
	}
	return stg_buf_add_str(out, is_last ? "\"\r\n" : "\",", err);
}
