/*
 * _table.h - lists for people as aligned columns, for programs as JSON Lines.
 */
#ifndef CMD_TABLE_H
#define CMD_TABLE_H

#include <stager/cmd.h>
#include <stager/json.h>

struct column {
	const char *key;          /* "balance.staged" looks inside */
	const char *title;        /* N_() */
	/* COLUMN_BRIEF: of a detail, what stands before its first ". " or ": "; as the last column it goes on below, within 80 columns */
	enum { COLUMN_TEXT, COLUMN_TIME, COLUMN_STATE, COLUMN_WORD, COLUMN_CODE, COLUMN_DETAIL, COLUMN_BRIEF } kind;
};

/* Prints `list`, then {"summary": ...} (JSON) or nothing. `columns` ends with a row without a key. */
void table_print(const struct stg_cmd_ctx *c, const json_t *list, const struct column *columns, json_t *summary /* taken, may be NULL */);
/* One document: with --json as it is, else "title: value" lines of its plain members. */
void document_print(const struct stg_cmd_ctx *c, const json_t *doc);
/* Words in lines of at most 80 columns: the first goes on at column `begin`, the others stand `indent` blanks in. No last line feed. */
void text_wrapped(const char *text, size_t begin, size_t indent);
/* The day of a time as this person writes it down, "2026-03-01"; "" when it is none. */
void day_text(int64_t wall_ms, char ret[32]);
/* One JSON value on a line. */
void json_line(const json_t *j);

#endif
