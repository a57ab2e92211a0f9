/*
 * people.c - the people devices are for, from the file a person has.
 *
 * For:    `stager people import`.
 * Uses:   encoding.c, rows.c, person.c, ldif.c.
 * Called: by the operations on people.
 * Thread: any; no state.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <stager/peoplefile.h>

#include "people.h"

#define HEADING_WITHIN 20
#define KEY_MAX 64

bool people_add(struct people *to, json_t *person, unsigned int line, struct stg_error *err)
{
	if (!stg_person_finish(person)) {
		if (!to->left_out++)
			snprintf(to->problem, sizeof(to->problem), "%.100s:%u: STG-%u", to->file_name, line, (unsigned int)STG_ID_PERSON_NAMELESS);
		return true;
	}
	if (json_array_size(to->list) >= STG_PEOPLE_MAX)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_LIST_TOO_LARGE, 0, "%.100s:%u: > %d", to->file_name, line, STG_PEOPLE_MAX);
	json_array_append(to->list, person);
	return true;
}

/* ---- CSV ---- */

/* Headings without accents, case, blanks and signs; attribute names of directories are known besides. */
static const struct {
	const char *folded, *field;
} headings[] = {
	{ "account", "account" }, { "accountname", "account" }, { "login", "account" }, { "username", "account" }, { "user", "account" }, { "logon", "account" },
	{ "userid", "account" }, { "compte", "account" }, { "identifiant", "account" }, { "utilisateur", "account" }, { "nomdutilisateur", "account" },
	{ "upn", "upn" }, { "principalname", "upn" }, { "userprincipal", "upn" },
	{ "mail", "mail" }, { "email", "mail" }, { "emailaddress", "mail" }, { "mailaddress", "mail" }, { "courriel", "mail" }, { "adressemail", "mail" },
	{ "adresseelectronique", "mail" }, { "messagerie", "mail" },
	{ "name", "name" }, { "fullname", "name" }, { "nom", "name" }, { "nomcomplet", "name" }, { "nomprenom", "name" }, { "prenomnom", "name" }, { "person", "name" },
	{ "personne", "name" },
	{ "department", "department" }, { "service", "department" }, { "departement", "department" }, { "unit", "department" }, { "ward", "department" },
	{ "number", "number" }, { "staffnumber", "number" }, { "personnelnumber", "number" }, { "payrollnumber", "number" }, { "matricule", "number" }, { "employee", "number" },
	{ "numeroemploye", "number" }, { "ndemploye", "number" },
	{ "disabled", "disabled" }, { "accountdisabled", "disabled" }, { "inactive", "disabled" }, { "desactive", "disabled" }, { "inactif", "disabled" },
};

static const char *field_of_heading(const char *heading)
{
	char key[KEY_MAX], folded[KEY_MAX];
	size_t n = 0;
	const char *field = stg_person_field_of(heading, NULL);
	if (*field)
		return field;
	(void)batch_field_of(heading, key);
	for (const char *p = key; *p; p++)
		if (*p != '_')
			folded[n++] = *p;
	folded[n] = 0;
	for (size_t i = 0; i < STG_ARRAY_LEN(headings); i++)
		if (strcmp(headings[i].folded, folded) == 0)
			return headings[i].field;
	return "";
}

struct csv {
	const json_t *map;
	struct people *to;
	struct stg_error *err;
	unsigned int n, looked, known;
	unsigned int heading_line;      /* 0: not found yet */
	const char *field[BATCH_COLUMNS_MAX];
	char heading[BATCH_COLUMNS_MAX][KEY_MAX];
	bool failed;
};

static bool is_key(const char *field)
{
	for (size_t i = 0; stg_person_keys[i]; i++)
		if (strcmp(stg_person_keys[i], field) == 0)
			return true;
	return false;
}

/* What the map says of this row as a heading: a column for each field, or nothing. */
static void use_map(struct csv *c, json_t *cells, unsigned int *known, bool *keyed)
{
	const char *field;
	json_t *col;
	json_object_foreach((json_t *)(uintptr_t)c->map, field, col) {
		unsigned int at = batch_place_of(json_is_string(col) ? json_string_value(col) : "", cells, c->n);
		if (at >= c->n)
			continue;
		for (unsigned int i = 0; i < c->n; i++)
			if (strcmp(c->field[i], field) == 0)
				c->field[i] = "";
		c->field[at] = field;
		++*known;
		*keyed = *keyed || is_key(field);
	}
}

/* The first row with a column that tells people apart is the heading; what stands above is a title. */
static bool look(void *ctx, const struct batch_row *row)
{
	struct csv *c = ctx;
	bool keyed = false;
	unsigned int known = 0;
	STG_AUTO(stg_json_free_at) json_t *cells = json_array();
	c->n = row->n < BATCH_COLUMNS_MAX ? row->n : BATCH_COLUMNS_MAX;
	for (unsigned int i = 0; i < c->n; i++) {
		c->field[i] = field_of_heading(row->cell[i]);
		for (unsigned int k = 0; k < i && *c->field[i]; k++)
			if (strcmp(c->field[k], c->field[i]) == 0)
				c->field[i] = "";       /* the first column of a kind counts */
		stg_copy(c->heading[i], KEY_MAX, strlen(row->cell[i]) < KEY_MAX ? row->cell[i] : "");
		known += *c->field[i] != 0;
		keyed = keyed || is_key(c->field[i]);
		json_array_append_new(cells, json_string(row->cell[i]));
	}
	use_map(c, cells, &known, &keyed);
	if (keyed) {
		c->heading_line = row->line;
		c->known = known;
	}
	return !keyed && ++c->looked < HEADING_WITHIN;
}

static bool on_person(void *ctx, const struct batch_row *row)
{
	struct csv *c = ctx;
	if (row->line <= c->heading_line)
		return true;
	STG_AUTO(stg_json_free_at) json_t *person = json_object();
	for (unsigned int i = 0; i < c->n && i < row->n; i++)
		if (*c->field[i])
			(void)stg_person_put(person, c->heading[i], c->field[i], stg_bytes_str(row->cell[i]));
	c->failed = !people_add(c->to, person, row->line, c->err);
	return !c->failed;
}

static bool check_map(const json_t *map, struct stg_error *err)
{
	const char *field;
	json_t *col;
	json_object_foreach((json_t *)(uintptr_t)map, field, col) {
		char shown[64];
		stg_printable(field, true, shown, sizeof(shown));
		if (!batch_is_person_field(field))
			return stg_fail_id(err, STG_E_USAGE, STG_ID_MAP_FIELD, 0, "--map %s: account, upn, mail, name, department, number, disabled", shown);
	}
	return true;
}

/* What went wrong with rows and quotes, said as the first of them. */
static bool told(const struct batch_problems *p, struct stg_error *err)
{
	const json_t *first = json_array_get(p->list, 0);
	return !p->count || stg_fail_id(err, STG_E_INPUT, STG_ID_BATCH_FILE, 0, "%.200s %s", stg_json_str(first, "where"), stg_json_str(first, "code"));
}

static bool read_csv(struct stg_bytes text, const json_t *map, struct people *to, struct batch_problems *problems, struct stg_error *err)
{
	static const char candidates[] = ";,\t|";
	char best = 0;
	unsigned int most = 0, mapped = 0;
	struct csv *c = stg_calloc(1, sizeof(*c));
	struct stg_bytes beginning = stg_bytes(text.data, text.len < 65536 ? text.len : 65536);
	for (const char *s = candidates; *s; s++) {
		struct batch_problems quiet = { .file_name = "" };
		*c = (struct csv){ .map = map };
		batch_rows(beginning, *s, 1, look, c, &quiet);
		if (c->heading_line && (!best || c->known > most)) {
			best = *s;
			most = c->known;
		}
	}
	bool ok = best || stg_fail_id(err, STG_E_INPUT, STG_ID_PEOPLE_FILE, 0, "%.100s: mail, upn, account, number", to->file_name);
	if (ok) {
		struct batch_problems quiet = { .file_name = "" };
		*c = (struct csv){ .map = map, .to = to, .err = err };
		batch_rows(beginning, best, 1, look, c, &quiet);
		for (unsigned int i = 0; i < c->n; i++)
			mapped += json_object_get(map, c->field[i]) != NULL;
		/* a column that was named and is not there is not passed over */
		ok = mapped == json_object_size(map) || stg_fail_id(err, STG_E_INPUT, STG_ID_MAP_COLUMN, 0, "%.100s:%u", to->file_name, c->heading_line);
	}
	if (ok)
		batch_rows(text, best, 1, on_person, c, problems);
	ok = ok && !c->failed && told(problems, err);
	free(c);
	return ok;
}

json_t *stg_peoplefile_read(const char *file_name, struct stg_bytes file, const json_t *map, struct stg_error *err)
{
	char shown[128];
	const char *encoding;
	STG_AUTO(stg_buf_clear) struct stg_buf text = { 0 };
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	STG_AUTO(stg_json_free_at) json_t *noted = json_array();
	stg_printable(file_name, true, shown, sizeof(shown));
	struct batch_problems problems = { .file_name = shown, .list = noted };
	struct people to = { .file_name = shown, .list = list };
	if (!check_map(map, err))
		return NULL;
	if (!batch_decode(file, &text, &encoding, &problems)) {
		told(&problems, err);
		return NULL;
	}
	bool is_ldif = people_is_ldif(stg_buf_view(&text));
	if (!(is_ldif ? people_read_ldif(shown, stg_buf_view(&text), map, &to, err) : read_csv(stg_buf_view(&text), map, &to, &problems, err)))
		return NULL;
	/* nothing of it could be used: the file is another one */
	if (!json_array_size(list)) {
		stg_fail_id(err, STG_E_INPUT, to.left_out ? STG_ID_PERSON_NAMELESS : STG_ID_PEOPLE_FILE, 0, "%s", *to.problem ? to.problem : shown);
		return NULL;
	}
	return json_pack("{s:s,s:O,s:I,s:s}", "format", is_ldif ? "ldif" : "csv", "people", list, "left_out", (json_int_t)to.left_out, "problem", to.problem);
}
