/*
 * rows.c - rows and cells of a CSV text, with the line each row begins on.
 *
 * For:    csv.c.
 * Uses:   libcsv. It is fed line by line, because it does not say where it is.
 * Called: several times per file: to find the separator, then to read.
 * Thread: any.
 */
#include <csv.h>
#include <stdlib.h>

#include "parts.h"

#define ROW_LINES_MAX 64    /* a quoted cell may span lines; more means that a quote was never closed */
#define ROW_BYTES_MAX (64u << 10)

struct reading {
	struct batch_row row;
	struct stg_buf cells;               /* all cells of the row, each with its NUL */
	size_t at[BATCH_COLUMNS_MAX];
	bool (*each)(void *ctx, const struct batch_row *row);
	void *ctx;
	struct batch_problems *problems;
	unsigned int line;
	bool row_ended, stop;
};

/* Spaces a person does not see: blank, tab, no-break, narrow no-break, zero-width, byte-order mark. */
static size_t blank_at(const char *s)
{
	static const char *const wide[] = { "\xc2\xa0", "\xe2\x80\xaf", "\xe2\x80\x89", "\xe2\x80\x8b", "\xef\xbb\xbf" };
	if (*s == ' ' || *s == '\t' || *s == '\n')
		return 1;
	for (size_t i = 0; i < STG_ARRAY_LEN(wide); i++)
		if (strncmp(s, wide[i], strlen(wide[i])) == 0)
			return strlen(wide[i]);
	return 0;
}

static void trim(char *s)
{
	char *from = s;
	size_t n;
	while ((n = blank_at(from)))
		from += n;
	memmove(s, from, strlen(from) + 1);
	char *end = s;                      /* after the last character that is not blank */
	for (char *p = s; *p;) {
		n = blank_at(p);
		p += n ? n : 1;
		if (!n)
			end = p;
	}
	*end = 0;
}

static void on_cell(void *data, size_t len, void *ctx)
{
	struct reading *r = ctx;
	if (r->stop)
		return;
	if (r->row.n < BATCH_COLUMNS_MAX) {
		size_t at = r->cells.len;
		r->at[r->row.n] = at;
		if (len > BATCH_CELL_MAX) {
			batch_problem(r->problems, r->row.line, STG_ID_ROW_LONG, "%zu > %d", len, BATCH_CELL_MAX);
			r->stop = true;
			return;
		}
		if (!stg_buf_add(&r->cells, data, len, NULL) || !stg_buf_add(&r->cells, "", 1, NULL)) {
			batch_problem(r->problems, r->row.line, STG_ID_ROW_LONG, "> %u KiB", ROW_BYTES_MAX >> 10);
			r->stop = true;
			return;
		}
		trim((char *)r->cells.data + at);
	}
	r->row.n++;
}

static void on_row(int end, void *ctx)
{
	struct reading *r = ctx;
	(void)end;
	r->row_ended = true;
	bool is_blank = true;
	for (unsigned int i = 0; i < r->row.n && i < BATCH_COLUMNS_MAX && !r->stop; i++) {
		r->row.cell[i] = (const char *)r->cells.data + r->at[i];
		is_blank = is_blank && !*r->row.cell[i];
	}
	/* Rows of nothing but separators are passed on: csv.c counts them. A line without anything never gets here. */
	if (!r->stop && (r->row.n > 1 || !is_blank) && !r->each(r->ctx, &r->row))
		r->stop = true;
	r->row.n = 0;
	stg_buf_reset(&r->cells);
}

/* Only a space is trimmed by libcsv, never the separator: a tab-separated file may have empty cells. */
static int is_space(unsigned char c)
{
	return c == ' ';
}

void batch_rows(struct stg_bytes text, char separator, unsigned int first_line, bool (*each)(void *ctx, const struct batch_row *row), void *ctx,
		struct batch_problems *problems)
{
	struct csv_parser parser;
	struct reading *r = stg_calloc(1, sizeof(*r));
	*r = (struct reading){ .cells = STG_BUF(ROW_BYTES_MAX), .each = each, .ctx = ctx, .problems = problems, .line = first_line };
	if (csv_init(&parser, 0) != 0)
		abort();
	csv_set_delim(&parser, (unsigned char)separator);
	csv_set_space_func(&parser, is_space);

	bool is_open = false;       /* a row began on an earlier line */
	for (size_t at = 0; at < text.len && !r->stop; r->line++) {
		const uint8_t *nl = memchr(text.data + at, '\n', text.len - at);
		size_t len = nl ? (size_t)(nl - text.data) - at + 1 : text.len - at;
		bool is_blank = len == 0 || (len == 1 && nl);
		if (!is_open)
			r->row.line = r->line;
		r->row_ended = false;
		/* the last line gets its end, so that what is still open afterwards is an open quote */
		if (csv_parse(&parser, text.data + at, len, on_cell, on_row, r) != len || (!nl && csv_parse(&parser, "\n", 1, on_cell, on_row, r) != 1)) {
			batch_problem(problems, r->row.line, STG_ID_LIST_QUOTES, "%s", "");
			r->stop = true;
		}
		is_open = !r->row_ended && (is_open || !is_blank);
		if (is_open && (r->line - r->row.line >= ROW_LINES_MAX || csv_get_buffer_size(&parser) > 4 * ROW_BYTES_MAX)) {
			batch_problem(problems, r->row.line, STG_ID_LIST_QUOTES, "%s", "");
			r->stop = true;
		}
		at += len;
	}
	if (!r->stop && is_open)
		batch_problem(problems, r->row.line, STG_ID_LIST_QUOTES, "%s", "");
	csv_free(&parser);
	stg_buf_clear(&r->cells);
	free(r);
}
