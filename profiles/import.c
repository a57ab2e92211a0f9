/*
 * import.c - Apple's description of payloads (YAML) made into our table of rules.
 *
 * For:    `stager profile schema import DIR`: a station without a network is brought up to date from a stick.
 * Uses:   stg_yaml_parse_shared(), schema.c to read the result before anybody believes it.
 * Called: by the command, as the person who typed it; the station only ever sees the table.
 * Thread: any; no state.
 *
 * Facts: profiles-and-certificates 2.2 (layout of apple/device-management, mdm/profiles): a key takes what its payload says
 * of a platform and overrides single fields; "n/a" is not on this platform; an array's one subkey is its item, `repetition`
 * of the item is the number of items; anchors share parts, and two of them hold themselves. Only iOS is kept; of payloads of
 * other platforms the name alone.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <stager/file.h>
#include <stager/yaml.h>

#include "schema.h"

#define FILES_MAX 1000
#define FILE_BYTES_MAX (1u << 20)
#define FOLDER_MARK "CommonPayloadKeys.yaml"

/* What one file became. */
struct block {
	char *type, *file;
	bool is_here, has_condition;            /* on this platform; one variant of several */
	struct stg_buf text;
};

struct making {
	struct block *block;
	size_t n;
	uint32_t newest;
	size_t n_unknown_forms;
	const struct stg_yaml *y;               /* the file at hand */
	struct stg_buf *out;
	const struct stg_yaml_node *under[RULE_DEPTH_MAX + 2];    /* whose keys are being written, by depth */
	struct stg_error *err;
};

/* What a key takes over from what it stands in. */
struct given {
	uint32_t introduced;
	bool supervised, not_by_hand;
};

static const struct stg_yaml_node *get(const struct stg_yaml_node *map, const char *key)
{
	const struct stg_yaml_node *n = map && map->kind == STG_YAML_MAP ? stg_yaml_get(map, key) : NULL;
	return n && n->same ? n->same : n;
}

static const char *text_of(const struct stg_yaml_node *map, const char *key)
{
	const struct stg_yaml_node *n = get(map, key);
	return n && n->kind == STG_YAML_SCALAR && n->scalar ? n->scalar : "";
}

static bool is_true(const struct stg_yaml_node *map, const char *key)
{
	return strcmp(text_of(map, key), "true") == 0;
}

static bool may_stand(const char *text)
{
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return *text && strlen(text) <= 200;
}

static char kind_letter(const char *type)
{
	static const struct { const char *name; char letter; } names[] = {
		{ "<string>", 's' }, { "<integer>", 'i' }, { "<real>", 'r' }, { "<boolean>", 'b' }, { "<date>", 't' },
		{ "<data>", 'd' }, { "<array>", 'a' }, { "<dictionary>", 'D' }, { "<any>", '*' },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(names); i++)
		if (strcmp(names[i].name, type) == 0)
			return names[i].letter;
	return 0;
}

/* The few forms Apple writes as regular expressions are known by what they ask, not by an engine for expressions. */
static const char *form_of(const char *pattern)
{
	static const struct { const char *pattern, *form; } known[] = {
		{ "^[0-9A-Za-z]{8}-[0-9A-Za-z]{4}-[0-9A-Za-z]{4}-[0-9A-Za-z]{4}-[0-9A-Za-z]{12}$", "uuid" },
		{ "^https://.*$", "https" }, { "^([0-9A-Fa-f]{2}:){5}([0-9A-Fa-f]{2})$", "mac" }, { "^[0-9]{6}$", "digits6" },
		{ "^([0-9A-Za-z]{6})|([0-9A-Za-z]{9})$", "oi" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(known); i++)
		if (strcmp(known[i].pattern, pattern) == 0)
			return known[i].form;
	return NULL;
}

static void put(char *line, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void put(char *line, size_t size, const char *fmt, ...)
{
	size_t n = strlen(line);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line + n, size - n, fmt, ap);
	va_end(ap);
}

static void put_mode(char *flags, size_t size, const struct stg_yaml_node *os, const char *what, const char letters[4])
{
	const char *mode = text_of(get(os, what), "mode");
	if (strcmp(mode, "forbidden") == 0)
		put(flags, size, "%c", letters[0]);
	else if (strcmp(mode, "required") == 0)
		put(flags, size, "%c", letters[1]);
	else if (strcmp(mode, "ignored") == 0)
		put(flags, size, "%c", letters[2]);
}

/* Introduced, deprecated, removed: as three columns; what the surroundings say already is left out. */
static void put_releases(struct making *m, char *line, size_t size, const struct stg_yaml_node *os, struct given *g)
{
	static const char *const names[] = { "introduced", "deprecated", "removed" };
	for (size_t i = 0; i < STG_ARRAY_LEN(names); i++) {
		uint32_t release = release_of(text_of(os, names[i]));
		char text[24];
		if (release > m->newest)
			m->newest = release;
		if (i == 0 && release <= g->introduced)
			release = 0;
		else if (i == 0)
			g->introduced = release;
		put(line, size, "\t%s", release ? release_text(release, text) : "");
	}
}

static bool put_values(char *line, size_t size, const struct stg_yaml_node *list)
{
	char all[4000] = "";
	if (!list || list->kind != STG_YAML_LIST || !list->child)
		return true;
	for (const struct stg_yaml_node *v = list->child; v; v = v->next) {
		if (v->kind != STG_YAML_SCALAR || !v->scalar || strchr(v->scalar, '|') || strchr(v->scalar, '\t') || strchr(v->scalar, '\n'))
			return true;    /* cannot stand in our table: not checked */
		put(all, sizeof(all), "%s%s", v == list->child ? "" : "|", v->scalar);
	}
	put(line, size, "\t=%s", all);
	return strlen(all) + 1 < sizeof(all) && strlen(line) + 1 < size;
}

static void put_limits(struct making *m, char *line, size_t size, const struct stg_yaml_node *key, const struct stg_yaml_node *item)
{
	const struct stg_yaml_node *range = get(key, "range"), *items = get(item, "repetition");
	const char *pattern = text_of(key, "format");
	if (range)
		put(line, size, "\t%s..%s", text_of(range, "min"), text_of(range, "max"));
	if (items)
		put(line, size, "\t#%s..%s", text_of(items, "min"), text_of(items, "max"));
	if (*pattern && form_of(pattern))
		put(line, size, "\t~%s", form_of(pattern));
	else if (*pattern)
		m->n_unknown_forms++;
}

static bool fail_here(struct making *m, const struct stg_yaml_node *at, const char *what)
{
	stg_yaml_fail(m->y, at, m->err, "%s", what);
	return stg_say(m->err, STG_ID_RULES_SOURCE);
}

static bool write_keys(struct making *m, const struct stg_yaml_node *list, unsigned int depth, struct given g);

static bool write_key(struct making *m, const struct stg_yaml_node *key, unsigned int depth, struct given g)
{
	const char *name = text_of(key, "key");
	char letter = kind_letter(text_of(key, "type")), flags[32] = "", line[4600] = "";
	const struct stg_yaml_node *os = get(get(key, "supportedOS"), "iOS"), *subkeys = get(key, "subkeys");
	const struct stg_yaml_node *first = subkeys && subkeys->kind == STG_YAML_LIST ? subkeys->child : NULL;
	if (first && first->same)
		first = first->same;
	if (!letter || !may_stand(name))
		return fail_here(m, key, letter ? "a key without a name, a word was expected" : "a key without a type, <string> or the like was expected");
	if (depth > RULE_DEPTH_MAX)
		return fail_here(m, key, "keys nested deeper than any known");
	if (strcmp(text_of(os, "introduced"), "n/a") == 0)
		return stg_buf_printf(m->out, m->err, "%u\t%s\t%c\tX\n", depth, name, letter);
	if (strcmp(text_of(key, "presence"), "required") == 0)
		put(flags, sizeof(flags), "R");
	if (is_true(os, "supervised") && !g.supervised)
		put(flags, sizeof(flags), "S");
	if (strcmp(text_of(os, "allowmanualinstall"), "false") == 0 && !g.not_by_hand)
		put(flags, sizeof(flags), "M");
	put_mode(flags, sizeof(flags), os, "userenrollment", "uUv");
	put_mode(flags, sizeof(flags), os, "sharedipad", "hHg");
	g.supervised |= is_true(os, "supervised");
	g.not_by_hand |= strcmp(text_of(os, "allowmanualinstall"), "false") == 0;

	put(line, sizeof(line), "%u\t%s\t%c", depth, name, letter);
	unsigned int up;
	for (up = 0; up < depth; up++)
		if (subkeys && m->under[up] == subkeys)
			break;
	bool refers = subkeys && up < depth;
	if (refers)
		put(line, sizeof(line), "^%u", up);
	put(line, sizeof(line), "\t%s", flags);
	put_releases(m, line, sizeof(line), os, &g);
	put_limits(m, line, sizeof(line), key, letter == 'a' ? first : NULL);
	if (!put_values(line, sizeof(line), get(key, "rangelist")))
		return fail_here(m, key, "more values than any known key has");
	size_t n = strlen(line);
	while (n && line[n - 1] == '\t')
		line[--n] = 0;
	if (!stg_buf_printf(m->out, m->err, "%s\n", line))
		return stg_say(m->err, STG_ID_RULES_SOURCE);
	return refers || !first || write_keys(m, subkeys, depth + 1, g);
}

static bool write_keys(struct making *m, const struct stg_yaml_node *list, unsigned int depth, struct given g)
{
	if (depth > RULE_DEPTH_MAX)
		return fail_here(m, list, "keys nested deeper than any known");
	m->under[depth - 1] = list;
	for (const struct stg_yaml_node *k = list->child; k; k = k->next) {
		const struct stg_yaml_node *key = k->same ? k->same : k;
		if (key->kind != STG_YAML_MAP)
			return fail_here(m, key, "expected a key with its type");
		if (!write_key(m, key, depth, g))
			return false;
	}
	return true;
}

/* A required key that may have one value only tells the variants of a type apart. */
static const struct stg_yaml_node *condition_of(const struct stg_yaml_node *keys)
{
	for (const struct stg_yaml_node *k = keys ? keys->child : NULL; k; k = k->next) {
		const struct stg_yaml_node *key = k->same ? k->same : k, *values = get(key, "rangelist");
		if (strcmp(text_of(key, "presence"), "required") == 0 && strcmp(text_of(key, "type"), "<string>") == 0 && values &&
		    values->kind == STG_YAML_LIST && values->child && !values->child->next && values->child->kind == STG_YAML_SCALAR)
			return key;
	}
	return NULL;
}

static bool write_type(struct making *m, struct block *b, const struct stg_yaml_node *root)
{
	const struct stg_yaml_node *payload = get(root, "payload"), *keys = get(root, "payloadkeys"), *os = get(get(payload, "supportedOS"), "iOS");
	const char *type = text_of(payload, "payloadtype"), *since = text_of(os, "introduced");
	char line[600] = "", flags[32] = "";
	struct given g = { 0 };
	if (!may_stand(type))
		return fail_here(m, payload ? payload : root, "payload: expected its payloadtype");
	b->type = stg_strdup(strcmp(type, "TopLevel") == 0 ? "Configuration" : strcmp(type, "CommonPayloadKeys") == 0 ? "*" : type);
	b->is_here = os && *since && strcmp(since, "n/a") != 0;
	if (!b->is_here)
		return stg_buf_printf(m->out, m->err, "0\t%s\tD\tX\n", b->type);
	bool is_special = strcmp(b->type, "Configuration") == 0 || strcmp(b->type, "*") == 0;
	if (!is_special) {
		g.supervised = is_true(os, "supervised");
		g.not_by_hand = strcmp(text_of(os, "allowmanualinstall"), "false") == 0;
		put(flags, sizeof(flags), "%s%s%s", strcmp(text_of(os, "multiple"), "false") == 0 ? "1" : "", g.supervised ? "S" : "", g.not_by_hand ? "M" : "");
		put_mode(flags, sizeof(flags), os, "userenrollment", "uUv");
		put_mode(flags, sizeof(flags), os, "sharedipad", "hHg");
	}
	put(line, sizeof(line), "0\t%s\tD\t%s", b->type, flags);
	put_releases(m, line, sizeof(line), os, &g);
	const struct stg_yaml_node *only = is_special ? NULL : condition_of(keys);
	if (only && get(only, "rangelist")->child->scalar) {
		const char *value = get(only, "rangelist")->child->scalar;
		b->has_condition = may_stand(value) && strlen(text_of(only, "key")) < 100;
		if (b->has_condition)
			put(line, sizeof(line), "\t?%s=%s", text_of(only, "key"), value);
	}
	size_t n = strlen(line);
	while (n && line[n - 1] == '\t')
		line[--n] = 0;
	if (!stg_buf_printf(m->out, m->err, "%s\n", line))
		return stg_say(m->err, STG_ID_RULES_SOURCE);
	return !keys || keys->kind != STG_YAML_LIST || write_keys(m, keys, 1, g);
}

static bool add_file(struct making *m, const char *folder, const char *file, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(FILE_BYTES_MAX);
	char path[4096];
	if (!stg_path_join(path, sizeof(path), folder, file, err) || !stg_file_read(path, &text, err))
		return stg_say(err, STG_ID_RULES_SOURCE);
	struct stg_yaml *y = stg_yaml_parse_shared(file, stg_buf_view(&text), err);
	if (!y)
		return stg_say(err, STG_ID_RULES_SOURCE);
	struct block *b = &m->block[m->n++];
	*b = (struct block){ .file = stg_strdup(file), .text = STG_BUF(RULES_TEXT_MAX) };
	m->y = y;
	m->out = &b->text;
	m->err = err;
	bool ok = true;
	/* a file without a payload (one describes shared preferences) says nothing about profiles */
	if (*text_of(get(stg_yaml_root(y), "payload"), "payloadtype"))
		ok = write_type(m, b, stg_yaml_root(y));
	stg_yaml_free(y);
	return ok;
}

/* The profile itself, then what stands in every payload, then the types by name; a variant before what it varies; what is
 * not on this platform last. */
static int by_type(const void *a, const void *b)
{
	const struct block *x = a, *y = b;
	const char *p = x->type ? x->type : "~", *q = y->type ? y->type : "~";
	if (x->is_here != y->is_here)
		return x->is_here ? -1 : 1;
	bool first = strcmp(p, "Configuration") == 0, other_first = strcmp(q, "Configuration") == 0;
	if (first != other_first)
		return first ? -1 : 1;
	int order = strcmp(p, q);
	if (order)
		return order;
	if (x->has_condition != y->has_condition)
		return x->has_condition ? -1 : 1;
	return strcmp(x->file, y->file);
}

static bool is_told(const struct making *m, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (m->block[k].type && strcmp(m->block[k].type, m->block[i].type) == 0)
			return true;
	return false;
}

static bool put_together(struct making *m, struct stg_buf *ret, struct stg_error *err)
{
	char release[24];
	qsort(m->block, m->n, sizeof(*m->block), by_type);
	if (!m->newest || !m->n || !m->block[0].type || strcmp(m->block[0].type, "Configuration") != 0)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_RULES_SOURCE, 0, "no TopLevel.yaml for iOS among %zu files", m->n);
	if (!stg_buf_printf(ret, err, "# Facts derived from Apple's device-management descriptions.\n"
				      "# Copyright (c) 2022-2024 Apple Inc.; licence and notice: profiles/schema/LICENSE.\n"
				      "rules\t1\tios\t%s\n", release_text(m->newest, release)))
		return stg_say(err, STG_ID_RULES_SOURCE);
	for (size_t i = 0; i < m->n; i++) {
		const struct block *b = &m->block[i];
		if (!b->type || (!b->is_here && is_told(m, i)))
			continue;
		if (!stg_buf_add(ret, b->text.data, b->text.len, err))
			return stg_say(err, STG_ID_RULES_SOURCE);
	}
	return true;
}

/* The folder itself, or where it lies in a copy of the whole. */
static bool find_folder(const char *dir, char *ret, size_t size, struct stg_error *err)
{
	static const char *const places[] = { ".", "profiles", "mdm/profiles" };
	char mark[4096];
	struct stat st;
	for (size_t i = 0; i < STG_ARRAY_LEN(places); i++) {
		if (!stg_path_join(ret, size, dir, places[i], err) || !stg_path_join(mark, sizeof(mark), ret, FOLDER_MARK, err))
			return false;
		if (stat(mark, &st) == 0)
			return true;
	}
	return stg_fail_id(err, STG_E_INPUT, STG_ID_RULES_SOURCE, 0, "%.120s: no %s, expected the folder profiles of apple/device-management", dir, FOLDER_MARK);
}

static bool add_folder(struct making *m, const char *folder, struct stg_error *err)
{
	DIR *d = opendir(folder);
	if (!d)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_RULES_SOURCE, errno, "%.120s: %s", folder, strerror(errno));
	bool ok = true;
	const struct dirent *e;
	while (ok && (e = readdir(d))) {
		size_t n = strlen(e->d_name);
		if (n < 6 || strcmp(e->d_name + n - 5, ".yaml") != 0 || e->d_name[0] == '.')
			continue;
		if (m->n == FILES_MAX)
			ok = stg_fail_id(err, STG_E_INPUT, STG_ID_RULES_SOURCE, 0, "%.120s: more than %d files", folder, FILES_MAX);
		else
			ok = add_file(m, folder, e->d_name, err);
	}
	closedir(d);
	return ok;
}

bool stg_profile_rules_import(const char *dir, struct stg_buf *ret_table, json_t **ret_about, struct stg_error *err)
{
	struct making m = { .block = stg_calloc(FILES_MAX, sizeof(*m.block)) };
	char folder[4096];
	bool ok = find_folder(dir, folder, sizeof(folder), err) && add_folder(&m, folder, err) && put_together(&m, ret_table, err);
	for (size_t i = 0; i < m.n; i++) {
		free(m.block[i].type);
		free(m.block[i].file);
		stg_buf_clear(&m.block[i].text);
	}
	free(m.block);
	if (!ok)
		return false;
	/* what was written is read by the reader everybody uses, or it is not handed out */
	STG_AUTO(stg_profile_rules_free_at) struct stg_profile_rules *r =
		stg_profile_rules_read("table", stg_buf_view(ret_table), stg_profile_overlay(), err);
	if (!r)
		return false;
	*ret_about = stg_profile_rules_about(r);
	stg_json_put_int(*ret_about, "files", (int64_t)m.n);
	stg_json_put_int(*ret_about, "forms_not_checked", (int64_t)m.n_unknown_forms);
	return true;
}
