/*
 * csv.c - the list of expected devices, from the file a person has.
 *
 * For:    `batch check`, `batch import`, rehearsals.
 * Uses:   encoding.c, rows.c, fields.c.
 * Called: by the batch operations.
 * Thread: any; no state.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "parts.h"

#define HEADING_WITHIN 20           /* rows of title above the heading */
#define ATTRIBUTE_MAX 1024
#define KEY_MAX 64

struct column {
	enum batch_field field;     /* BATCH_FIELDS: an attribute, or nothing when key is "" */
	bool is_hex;
	char key[KEY_MAX];
};

struct file {
	struct batch_problems problems;
	const json_t *map;
	unsigned int n;
	struct column column[BATCH_COLUMNS_MAX];
	unsigned int heading_line;
	int64_t empty_rows;
	json_t *columns, *rows;
	json_t *seen;               /* "serial:C02..." -> line */
};

void batch_problem(struct batch_problems *p, unsigned int line, enum stg_id id, const char *fmt, ...)
{
	char what[300], where[600], code[16], whole[1200];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (p->count++ >= BATCH_PROBLEMS_MAX || !p->list)
		return;
	char at[16] = "";
	if (line)
		snprintf(at, sizeof(at), ":%u", line);
	snprintf(where, sizeof(where), "%s%s:%s%s", p->file_name, at, *what ? " " : "", what);
	snprintf(code, sizeof(code), "STG-%u", (unsigned int)id);
	snprintf(whole, sizeof(whole), "%s%s %s %s", where, *what ? ":" : "", stg_id_sentence_in(id, "en"), stg_id_act_in(id, "en"));
	json_t *one = json_object();
	stg_json_put_int(one, "line", line);
	stg_json_put(one, "code", code);
	stg_json_put(one, "where", where);
	stg_json_put(one, "text", whole);
	json_array_append_new(p->list, one);
}

/* ---- the heading ---- */

struct look {
	const json_t *map;
	unsigned int rows, known, cells;
	unsigned int line;
	bool found;
	json_t *cell;               /* the heading's cells */
};

static bool is_identifier(enum batch_field f)
{
	return f <= BATCH_IMEI2;
}

/* Does the person's map name this heading? */
static bool mapped(const json_t *map, const char *heading)
{
	const char *field;
	json_t *col;
	json_object_foreach((json_t *)(uintptr_t)map, field, col)
		if (json_is_string(col) && strcasecmp(json_string_value(col), heading) == 0)
			return true;
	return false;
}

static void remember(struct look *l, const struct batch_row *row, unsigned int known)
{
	json_array_clear(l->cell);
	for (unsigned int i = 0; i < row->n && i < BATCH_COLUMNS_MAX; i++)
		json_array_append_new(l->cell, json_string(row->cell[i]));
	l->found = true;
	l->known = known;
	l->cells = row->n;
	l->line = row->line;
}

/* The first row with a cell that names an identifier is the heading; what stands above is a title. */
static bool find_heading(void *ctx, const struct batch_row *row)
{
	struct look *l = ctx;
	unsigned int known = 0, filled = 0;
	bool identifies = false;
	char key[KEY_MAX];
	for (unsigned int i = 0; i < row->n && i < BATCH_COLUMNS_MAX; i++) {
		enum batch_field f = batch_field_of(row->cell[i], key);
		bool by_person = *row->cell[i] && mapped(l->map, row->cell[i]);
		known += f < BATCH_FIELDS || by_person;
		filled += *row->cell[i] != 0;
		identifies = identifies || is_identifier(f) || by_person;
	}
	/* A map by letter or number names no heading: then the first row with anything in it is taken, until a better one. */
	if (identifies || (!l->found && filled && json_object_size(l->map)))
		remember(l, row, known);
	return !identifies && ++l->rows < HEADING_WITHIN;
}

/* "sep=;" on the first line is a spreadsheet's own hint. */
static char said_separator(struct stg_bytes *text)
{
	if (text->len < 6 || strncasecmp((const char *)text->data, "sep=", 4) != 0 || text->data[5] != '\n')
		return 0;
	char c = (char)text->data[4];
	*text = stg_bytes(text->data + 6, text->len - 6);
	return c;
}

/* Each candidate reads the beginning; the one that finds most of our headings wins, then the one with most columns. */
static char find_separator(struct stg_bytes text, unsigned int first_line, char said, const json_t *map, struct look *ret)
{
	static const char candidates[] = ";,\t|";
	char best = said ? said : ',';
	struct look winner = { 0 };
	struct stg_bytes beginning = stg_bytes(text.data, text.len < 65536 ? text.len : 65536);
	for (const char *c = said ? (char[]){ said, 0 } : candidates; *c; c++) {
		struct batch_problems quiet = { .file_name = "" };
		struct look l = { .map = map, .cell = json_array() };
		batch_rows(beginning, *c, first_line, find_heading, &l, &quiet);
		if (l.found && (!winner.found || l.known > winner.known || (l.known == winner.known && l.cells > winner.cells))) {
			json_decref(winner.cell);
			winner = l;
			best = *c;
		} else {
			json_decref(l.cell);
		}
	}
	*ret = winner;
	return best;
}

/* A heading, a letter (A, AB) or a number; n when it names no column. */
unsigned int batch_place_of(const char *col, const json_t *cells, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (strcasecmp(json_string_value(json_array_get(cells, i)), col) == 0)
			return i;
	size_t len = strlen(col);
	unsigned int at = 0;
	if (len && len < 4 && strspn(col, "0123456789") == len)
		at = (unsigned int)strtoul(col, NULL, 10);
	else if (len && len < 3)
		for (const char *p = col; *p; p++)
			at = isalpha((unsigned char)*p) ? at * 26 + (unsigned int)(toupper((unsigned char)*p) - 'A') + 1 : n + 1;
	return at >= 1 && at <= n ? at - 1 : n;
}

static bool field_parse(const char *name, enum batch_field *ret)
{
	for (size_t i = 0; i < BATCH_FIELDS; i++) {
		if (strcmp(batch_field_names[i], name) == 0) {
			*ret = (enum batch_field)i;
			return true;
		}
	}
	return false;
}

static bool key_taken(const struct file *f, unsigned int n, const char *key)
{
	enum batch_field ours;
	if (field_parse(key, &ours))
		return true;
	for (unsigned int i = 0; i < n; i++)
		if (f->column[i].field == BATCH_FIELDS && strcmp(f->column[i].key, key) == 0)
			return true;
	return false;
}

static void name_attribute(struct file *f, unsigned int i, const char *key)
{
	char base[KEY_MAX];
	stg_copy(base, KEY_MAX - 4, *key ? key : "column");
	stg_copy(f->column[i].key, KEY_MAX, base);
	if (!*key)
		snprintf(f->column[i].key, KEY_MAX, "%.48s_%u", base, i + 1);
	for (unsigned int n = 2; key_taken(f, i, f->column[i].key) && n <= BATCH_COLUMNS_MAX; n++)
		snprintf(f->column[i].key, KEY_MAX, "%.48s_%u", base, n);
}

static bool map_columns(struct file *f, const json_t *cells)
{
	int owner[BATCH_FIELDS];
	for (size_t i = 0; i < BATCH_FIELDS; i++)
		owner[i] = -1;
	f->n = (unsigned int)json_array_size(cells);
	for (unsigned int i = 0; i < f->n; i++)
		f->column[i].field = BATCH_FIELDS;

	const char *name;
	json_t *col;
	json_object_foreach((json_t *)(uintptr_t)f->map, name, col) {
		enum batch_field field;
		char shown[64];
		if (!field_parse(name, &field)) {
			stg_printable(name, true, shown, sizeof(shown));
			batch_problem(&f->problems, 0, STG_ID_MAP_FIELD, "--map %s", shown);
			continue;
		}
		const char *text = json_is_string(col) ? json_string_value(col) : "";
		unsigned int at = batch_place_of(text, cells, f->n);
		if (at == f->n) {
			stg_printable(text, true, shown, sizeof(shown));
			batch_problem(&f->problems, f->heading_line, STG_ID_MAP_COLUMN, "--map %s=%s", name, shown);
			continue;
		}
		if (f->column[at].field != BATCH_FIELDS) {
			batch_problem(&f->problems, f->heading_line, STG_ID_MAP_TWICE, "--map %s=%u", name, at + 1);
			continue;
		}
		f->column[at].field = field;
		owner[field] = (int)at;
	}
	for (unsigned int i = 0; i < f->n; i++) {
		const char *heading = json_string_value(json_array_get(cells, i));
		char key[KEY_MAX], first[64], shown[64];
		enum batch_field field = batch_field_of(heading, key);
		f->column[i].is_hex = strcasestr(heading, "hex") != NULL;
		if (f->column[i].field != BATCH_FIELDS)
			continue;
		if (strncasecmp(heading, "stager:", 7) == 0)
			continue;               /* what we said about the last batch is no attribute of the next */
		bool by_person = field < BATCH_FIELDS && json_object_get(f->map, batch_field_names[field]);
		if (field < BATCH_FIELDS && !by_person && owner[field] >= 0) {
			stg_printable(heading, true, shown, sizeof(shown));
			stg_printable(json_string_value(json_array_get(cells, (size_t)owner[field])), true, first, sizeof(first));
			batch_problem(&f->problems, f->heading_line, STG_ID_LIST_SAME_FIELD, "%d '%s', %u '%s': --map %s=%d", owner[field] + 1, first, i + 1,
				      shown, batch_field_names[field], owner[field] + 1);
			continue;
		}
		if (field < BATCH_FIELDS && !by_person) {
			f->column[i].field = field;
			owner[field] = (int)i;
		} else {
			name_attribute(f, i, key);
		}
	}
	for (unsigned int i = 0; i < f->n; i++) {
		const char *heading = json_string_value(json_array_get(cells, i));
		json_t *one = json_object();
		char path[KEY_MAX + 16];
		snprintf(path, sizeof(path), "attributes.%s", f->column[i].key);
		json_object_set_new(one, "heading", json_string(heading));
		if (f->column[i].field < BATCH_FIELDS || f->column[i].key[0])
			stg_json_put(one, "field", f->column[i].field == BATCH_OWNER ? "attributes.owner" : f->column[i].field < BATCH_FIELDS ? batch_field_names[f->column[i].field] : path);
		json_array_append_new(f->columns, one);
	}
	for (size_t i = 0; i <= BATCH_IMEI2; i++)
		if (owner[i] >= 0)
			return f->problems.count == 0;
	batch_problem(&f->problems, f->heading_line, STG_ID_LIST_NO_IDENTIFIER, "%s", "");
	return false;
}

/* ---- rows ---- */

static const char *heading_of(const struct file *f, unsigned int i)
{
	return stg_json_str(json_array_get(f->columns, i), "heading");
}

/* A value that may stand once only. False when it stood before. */
static bool once(struct file *f, enum batch_field field, const char *kind, const char *value, unsigned int line)
{
	char key[256];
	snprintf(key, sizeof(key), "%s:%s", kind, value);
	if (strcmp(kind, "name") == 0 || strcmp(kind, "asset_tag") == 0)
		for (char *p = key; *p; p++)
			*p = (char)tolower((unsigned char)*p);
	json_t *before = json_object_get(f->seen, key);
	if (!before) {
		json_object_set_new(f->seen, key, json_integer(line));
		return true;
	}
	char heading[64] = "", shown[80];
	for (unsigned int i = 0; i < f->n; i++)
		if (f->column[i].field == field)
			stg_printable(heading_of(f, i), true, heading, sizeof(heading));
	stg_printable(value, true, shown, sizeof(shown));
	batch_problem(&f->problems, line, STG_ID_ROW_TWICE, "%s '%s' = :%lld", heading, shown, (long long)json_integer_value(before));
	return false;
}

static bool unique(struct file *f, const json_t *row, unsigned int line)
{
	static const char *const kinds[BATCH_FIELDS] = {    /* NULL: may repeat */
		[BATCH_SERIAL] = "serial", [BATCH_UDID] = "udid", [BATCH_ECID] = "ecid", [BATCH_IMEI] = "imei", [BATCH_IMEI2] = "imei",
		[BATCH_NAME] = "name", [BATCH_ASSET_TAG] = "asset_tag",
	};
	bool ok = true;
	for (unsigned int i = 0; i < BATCH_FIELDS; i++) {
		const char *value = stg_json_str(row, batch_field_names[i]);
		ok = (!*value || !kinds[i] || once(f, (enum batch_field)i, kinds[i], value, line)) && ok;
	}
	return ok;
}

/* The newer UDIDs end in the ECID: when a list has both they must agree. */
static bool udid_agrees(struct file *f, const json_t *row, unsigned int line)
{
	const char *udid = stg_json_str(row, "udid"), *ecid = stg_json_str(row, "ecid");
	if (strlen(udid) != 25 || !*ecid || strtoull(udid + 9, NULL, 16) == strtoull(ecid, NULL, 10))
		return true;
	batch_problem(&f->problems, line, STG_ID_ROW_TWO_DEVICES, "%s, %s", udid, ecid);
	return false;
}

static bool read_cells(struct file *f, const struct batch_row *row, json_t *one)
{
	json_t *attributes = json_object();
	stg_json_put_new(one, "attributes", attributes);
	bool ok = true;
	for (unsigned int i = 0; i < f->n; i++) {
		const struct column *c = &f->column[i];
		char value[ATTRIBUTE_MAX + 1];
		char heading[64], shown[64];
		enum stg_id why = STG_ID_BATCH_FILE;
		bool is_field = c->field < BATCH_FIELDS;
		if (!is_field && !c->key[0])
			continue;
		if (is_field ? batch_value(c->field, c->is_hex, row->cell[i], value, sizeof(value), &why) :
			       batch_free_text(row->cell[i], ATTRIBUTE_MAX, value, sizeof(value), &why)) {
			stg_json_put(is_field && c->field != BATCH_OWNER ? one : attributes, is_field ? batch_field_names[c->field] : c->key, value);
			continue;
		}
		ok = false;
		/* the column as its writer called it, the value as it stands there: both can be searched for */
		stg_printable(heading_of(f, i), true, heading, sizeof(heading));
		stg_printable(row->cell[i], true, shown, sizeof(shown));
		batch_problem(&f->problems, row->line, why, "%s '%s'", heading, shown);
	}
	return ok;
}

static bool on_row(void *ctx, const struct batch_row *row)
{
	struct file *f = ctx;
	if (row->line <= f->heading_line)
		return true;
	unsigned int filled = 0;        /* cells up to the last one that holds something */
	for (unsigned int i = 0; i < row->n && i < BATCH_COLUMNS_MAX; i++)
		if (*row->cell[i])
			filled = i + 1;
	if (!filled) {
		f->empty_rows++;
		return true;
	}
	if (row->n < f->n || filled > f->n || row->n > BATCH_COLUMNS_MAX) {
		batch_problem(&f->problems, row->line, STG_ID_ROW_FIELDS, "%u ≠ %u (:%u)", row->n, f->n, f->heading_line);
		return true;
	}
	if (json_array_size(f->rows) >= STG_BATCHFILE_ROWS) {
		batch_problem(&f->problems, row->line, STG_ID_LIST_TOO_LARGE, "> %d", STG_BATCHFILE_ROWS);
		return false;
	}
	STG_AUTO(stg_json_free_at) json_t *one = json_object();
	stg_json_put_int(one, "line", row->line);
	bool ok = read_cells(f, row, one);
	bool is_named = *stg_json_str(one, "serial") || *stg_json_str(one, "udid") || *stg_json_str(one, "ecid") || *stg_json_str(one, "imei") ||
			*stg_json_str(one, "imei2");
	if (ok && !is_named) {
		batch_problem(&f->problems, row->line, STG_ID_ROW_NO_DEVICE, "%s", "");
		ok = false;
	}
	/* looked at also when a cell is wrong: the second mistake of a row should not wait for the next try */
	ok = unique(f, one, row->line) && udid_agrees(f, one, row->line) && ok;
	if (ok) {
		if (!*stg_json_str(one, "ownership"))
			stg_json_put(one, "ownership", "unknown");
		json_array_append(f->rows, one);
	}
	return true;
}

static void read_file(struct file *f, struct stg_bytes file, json_t *ret)
{
	STG_AUTO(stg_buf_clear) struct stg_buf decoded = { 0 };
	const char *encoding;
	bool ok = batch_decode(file, &decoded, &encoding, &f->problems);
	stg_json_put(ret, "encoding", encoding);
	if (!ok)
		return;
	struct stg_bytes text = stg_buf_view(&decoded);
	char said = said_separator(&text);
	unsigned int first_line = said ? 2 : 1;
	struct look heading;
	char separator = find_separator(text, first_line, said, f->map, &heading);
	stg_json_put(ret, "separator", (char[]){ separator, 0 });
	if (!heading.found) {
		batch_problem(&f->problems, text.len ? first_line : 0, text.len ? STG_ID_LIST_NO_HEADING : STG_ID_LIST_EMPTY, "%s", "");
		return;
	}
	f->heading_line = heading.line;
	stg_json_put_int(ret, "heading_line", heading.line);
	/* empty columns at the end are a spreadsheet's margin */
	while (json_array_size(heading.cell) && !*json_string_value(json_array_get(heading.cell, json_array_size(heading.cell) - 1)))
		json_array_remove(heading.cell, json_array_size(heading.cell) - 1);
	if (map_columns(f, heading.cell)) {
		batch_rows(text, separator, first_line, on_row, f, &f->problems);
		if (!f->problems.count && !json_array_size(f->rows))
			batch_problem(&f->problems, f->heading_line, STG_ID_LIST_NO_DEVICE, "%s", "");
	}
	json_decref(heading.cell);
}

json_t *stg_batchfile_read(const char *file_name, struct stg_bytes file, const json_t *map, struct stg_error *err)
{
	struct file *f = stg_calloc(1, sizeof(*f));
	char shown[256];
	stg_printable(file_name, true, shown, sizeof(shown));
	*f = (struct file){ .map = map, .columns = json_array(), .rows = json_array(), .seen = json_object() };
	f->problems = (struct batch_problems){ .file_name = shown, .list = json_array() };
	json_t *ret = json_object();
	if (!ret || !f->columns || !f->rows || !f->seen || !f->problems.list) {
		stg_fail(err, STG_E_NOMEM, 0, "no memory for the list");
		json_decref(ret);
		ret = NULL;
	} else {
		read_file(f, file, ret);
		stg_json_put_int(ret, "empty_rows", f->empty_rows);
		json_object_set(ret, "columns", f->columns);
		json_object_set(ret, "rows", f->rows);
		json_object_set(ret, "problems", f->problems.list);
		stg_json_put_int(ret, "problem_count", f->problems.count);
	}
	json_decref(f->columns);
	json_decref(f->rows);
	json_decref(f->seen);
	json_decref(f->problems.list);
	free(f);
	return ret;
}

bool stg_batchfile_ok(const json_t *read, struct stg_error *err)
{
	int64_t count = stg_json_int(read, "problem_count", 0);
	if (!count)
		return true;
	const json_t *first = json_array_get(json_object_get(read, "problems"), 0);
	const char *where = stg_json_str(first, "where");
	char more[32] = "";
	if (count > 1)
		snprintf(more, sizeof(more), " (+%lld)", (long long)count - 1);
	/* the code stands for its sentence: whoever shows this knows the language */
	return stg_fail_id(err, STG_E_INPUT, STG_ID_BATCH_FILE, 0, "%.190s%s %s%s", where, *where && where[strlen(where) - 1] == ':' ? "" : ":",
			   stg_json_str(first, "code"), more);
}
