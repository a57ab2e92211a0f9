/* parts.h - what the files of this room share: text in one encoding, rows of cells, fields and their rules. */
#ifndef STAGER_BATCH_PARTS_H
#define STAGER_BATCH_PARTS_H

#include <stager/batchfile.h>
#include <stager/error.h>

#define BATCH_COLUMNS_MAX 256
#define BATCH_CELL_MAX 4096
#define BATCH_PROBLEMS_MAX 20

/* ---- problems: told together ---- */
struct batch_problems {
	const char *file_name;
	json_t *list;
	int64_t count;
};

/* Remembers one problem; line 0 = the whole file. `id` is what a person reads, in the language of whoever shows it; what is
 * formatted here says where and about which value, so it holds no word of a language: headings, values, numbers. */
void batch_problem(struct batch_problems *p, unsigned int line, enum stg_id id, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* ---- encoding.c ---- */
/* UTF-8 without BOM, lines ended by \n, no control characters but tab. False: a problem was noted. */
bool batch_decode(struct stg_bytes file, struct stg_buf *ret, const char **ret_encoding, struct batch_problems *problems);

bool batch_is_utf8(struct stg_bytes text);

/* ---- rows.c ---- */
struct batch_row {
	unsigned int line;                      /* where it begins, from 1 */
	unsigned int n;                         /* cells, also those beyond the ceiling */
	const char *cell[BATCH_COLUMNS_MAX];    /* never NULL for i < n and < BATCH_COLUMNS_MAX; trimmed */
};
/* Calls `each` for every row that is not blank, until it returns false. Problems in the quoting are noted and end it. */
void batch_rows(struct stg_bytes text, char separator, unsigned int first_line, bool (*each)(void *ctx, const struct batch_row *row), void *ctx,
		struct batch_problems *problems);

/* ---- fields.c ---- */
enum batch_field {
	BATCH_SERIAL, BATCH_UDID, BATCH_ECID, BATCH_IMEI, BATCH_IMEI2, BATCH_NAME, BATCH_ASSET_TAG, BATCH_OWNERSHIP, BATCH_OWNER, BATCH_FIELDS
};
extern const char *const batch_field_names[BATCH_FIELDS];

/* BATCH_FIELDS: none of ours. `ret_key`: letters, digits and '_' only, lower case. */
enum batch_field batch_field_of(const char *heading, char ret_key[64]);
/* Brings a value into our form; false with the row that says what was wrong. "" stays "". */
bool batch_value(enum batch_field field, bool is_hex, const char *cell, char *ret, size_t size, enum stg_id *why);
/* The same for a further column: hidden characters refused, the spreadsheet's apostrophe taken off. */
bool batch_free_text(const char *cell, size_t most, char *ret, size_t size, enum stg_id *why);


/* ---- csv.c, person.c ---- */
/* The column a person named: by heading, letter (A, AB) or number; n when there is none. */
unsigned int batch_place_of(const char *col, const json_t *cells, unsigned int n);
bool batch_is_person_field(const char *word);

#endif
