/*
 * connector.c - reads connector files: how to talk to a kind of MDM, as data.
 *
 * For:    administrators who mend or add one on site; target.c, which uses what was read.
 * Uses:   <stager/yaml.h>, <stager/registry.h> for those built in, jq.c to compile the field maps.
 * Called: by push and by target commands.
 * Thread: any; no state.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/file.h>
#include <stager/registry.h>
#include <stager/yaml.h>

#include "parts.h"

#define FILE_MAX (256u << 10)
#define SITE_FOLDER "/etc/stager/connectors"
#define BUILT_IN "stager/push/connectors/"

/* Words that a path or header may take from the delivery; config.NAME besides. */
static const char *const words[] = { "base_url", "record_id", "delivery_batch_id", "idempotency_key", "now_s", NULL };

static bool word_known(const char *word)
{
	for (size_t i = 0; words[i]; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return strncmp(word, "config.", 7) == 0 && word[7];
}

/* Every {{word}} of a scalar must be one that delivery can fill. */
static bool words_ok(const struct stg_yaml *y, const struct stg_yaml_node *n, const char *text, struct stg_error *err)
{
	for (const char *p = text; (p = strstr(p, "{{"));) {
		char word[64];
		const char *end = strstr(p, "}}");
		if (!end || (size_t)(end - p - 2) >= sizeof(word))
			return stg_yaml_fail(y, n, err, "'{{' without '}}', {{record_id}} or the like was expected");
		snprintf(word, sizeof(word), "%.*s", (int)(end - p - 2), p + 2);
		if (!word_known(word))
			return stg_yaml_fail(y, n, err, "{{%.40s}} is not known, one of record_id, delivery_batch_id, idempotency_key, now_s, base_url, config.NAME was expected",
					     word);
		p = end + 2;
	}
	return true;
}

static bool put_string(const struct stg_yaml *y, const struct stg_yaml_node *map, const char *key, bool required, json_t *ret, struct stg_error *err)
{
	const struct stg_yaml_node *n = stg_yaml_get(map, key);
	const char *text;
	if (!n)
		return !required || stg_yaml_fail(y, map, err, "'%s' is missing", key);
	if (!stg_yaml_string(y, n, &text, err))
		return false;
	stg_json_put_new(ret, key, json_string(text));
	return true;
}

static bool put_int(const struct stg_yaml *y, const struct stg_yaml_node *map, const char *key, int64_t least, int64_t most, int64_t absent, json_t *ret,
		    struct stg_error *err)
{
	const struct stg_yaml_node *n = map ? stg_yaml_get(map, key) : NULL;
	int64_t value = absent;
	if (n && !stg_yaml_int(y, n, least, most, &value, err))
		return false;
	stg_json_put_int(ret, key, value);
	return true;
}

/* A jq program, compiled once so that its mistakes are found here with their line. */
static bool put_program(const struct stg_yaml *y, const struct stg_yaml_node *map, const char *key, bool required, json_t *ret, struct stg_error *err)
{
	if (!put_string(y, map, key, required, ret, err))
		return false;
	const char *program = stg_json_str(ret, key);
	struct stg_error why = { 0 };
	if (!*program || push_jq_compiles(program, &why))
		return true;
	if (why.code != STG_E_INPUT) {
		if (err)
			*err = why;
		return false;
	}
	return stg_yaml_fail(y, stg_yaml_get(map, key), err, "'%s' is not a jq program: %.120s", key, why.msg);
}

static bool expect_map(const struct stg_yaml *y, const struct stg_yaml_node *root, const char *key, const char *const *known,
		       const struct stg_yaml_node **ret, struct stg_error *err)
{
	const struct stg_yaml_node *n = stg_yaml_get(root, key);
	if (!n)
		return stg_yaml_fail(y, root, err, "'%s' is missing", key);
	if (n->kind != STG_YAML_MAP)
		return stg_yaml_fail(y, n, err, "'%s' is not a mapping, {key: value, ...} was expected", key);
	*ret = n;
	return stg_yaml_only(y, n, known, err);
}

static bool put_kind(const struct stg_yaml *y, const struct stg_yaml_node *n, const char **ret, struct stg_error *err)
{
	if (!stg_yaml_string(y, n, ret, err))
		return false;
	return push_auth_known(*ret) || stg_yaml_fail(y, n, err, "'%.40s' is not a kind of authentication, one of %s was expected", *ret, push_auth_kinds());
}

static bool read_auth(const struct stg_yaml *y, const struct stg_yaml_node *root, json_t *ret, struct stg_error *err)
{
	static const char *const known[] = { "kind", "also", NULL };
	const struct stg_yaml_node *map, *kind, *also;
	const char *word;
	if (!expect_map(y, root, "auth", known, &map, err))
		return false;
	kind = stg_yaml_get(map, "kind");
	if (!kind)
		return stg_yaml_fail(y, map, err, "'kind' is missing, one of %s was expected", push_auth_kinds());
	json_t *auth = json_object(), *list = json_array();
	stg_json_put_new(ret, "auth", auth);
	stg_json_put_new(auth, "also", list);
	if (!put_kind(y, kind, &word, err))
		return false;
	stg_json_put(auth, "kind", word);
	also = stg_yaml_get(map, "also");
	if (also && also->kind != STG_YAML_LIST)
		return stg_yaml_fail(y, also, err, "'also' is not a list, [bearer, none] was expected");
	for (const struct stg_yaml_node *n = also ? also->child : NULL; n; n = n->next) {
		if (!put_kind(y, n, &word, err))
			return false;
		json_array_append_new(list, json_string(word));
	}
	return true;
}

static bool method_ok(const struct stg_yaml *y, const struct stg_yaml_node *map, const char *method, struct stg_error *err)
{
	static const char *const methods[] = { "POST", "PUT", "PATCH", "GET", "HEAD", "OPTIONS" };
	for (size_t i = 0; i < STG_ARRAY_LEN(methods); i++)
		if (strcmp(methods[i], method) == 0)
			return true;
	return stg_yaml_fail(y, stg_yaml_get(map, "method"), err, "method '%.20s', one of POST, PUT, PATCH, GET, HEAD, OPTIONS was expected", method);
}

static bool read_request(const struct stg_yaml *y, const struct stg_yaml_node *root, json_t *ret, struct stg_error *err)
{
	static const char *const known[] = { "method", "path", "headers", "body", NULL };
	const struct stg_yaml_node *map, *headers;
	if (!expect_map(y, root, "request", known, &map, err))
		return false;
	json_t *request = json_object(), *list = json_object();
	stg_json_put_new(ret, "request", request);
	stg_json_put_new(request, "headers", list);
	if (!put_string(y, map, "method", true, request, err) || !method_ok(y, map, stg_json_str(request, "method"), err) ||
	    !put_string(y, map, "path", true, request, err) || !words_ok(y, stg_yaml_get(map, "path"), stg_json_str(request, "path"), err) ||
	    !put_program(y, map, "body", true, request, err))
		return false;
	headers = stg_yaml_get(map, "headers");
	if (headers && headers->kind != STG_YAML_MAP)
		return stg_yaml_fail(y, headers, err, "'headers' is not a mapping, {Name: value} was expected");
	for (const struct stg_yaml_node *n = headers ? headers->child : NULL; n; n = n->next) {
		const char *value;
		if (!stg_yaml_string(y, n, &value, err) || !words_ok(y, n, value, err))
			return false;
		stg_json_put_new(list, n->key, json_string(value));
	}
	return true;
}

static bool read_test(const struct stg_yaml *y, const struct stg_yaml_node *root, json_t *ret, struct stg_error *err)
{
	static const char *const known[] = { "method", "path", NULL };
	const struct stg_yaml_node *map;
	if (!stg_yaml_get(root, "test"))
		return true;
	if (!expect_map(y, root, "test", known, &map, err))
		return false;
	json_t *test = json_object();
	stg_json_put_new(ret, "test", test);
	return put_string(y, map, "method", true, test, err) && method_ok(y, map, stg_json_str(test, "method"), err) &&
	       put_string(y, map, "path", true, test, err) && words_ok(y, stg_yaml_get(map, "path"), stg_json_str(test, "path"), err);
}

/* Statuses that mean "this record is at fault"; every other refusal is tried again. */
static bool read_rejects(const struct stg_yaml *y, const struct stg_yaml_node *root, json_t *ret, struct stg_error *err)
{
	const struct stg_yaml_node *list = stg_yaml_get(root, "rejects");
	if (!list) {
		stg_json_put_new(ret, "rejects", json_pack("[i,i,i,i,i]", 400, 404, 409, 413, 422));
		return true;
	}
	if (list->kind != STG_YAML_LIST)
		return stg_yaml_fail(y, list, err, "'rejects' is not a list, [400, 422] was expected");
	json_t *all = json_array();
	stg_json_put_new(ret, "rejects", all);
	for (const struct stg_yaml_node *n = list->child; n; n = n->next) {
		int64_t status;
		if (!stg_yaml_int(y, n, 400, 499, &status, err))
			return false;
		json_array_append_new(all, json_integer(status));
	}
	return true;
}

/* What this kind of MDM calls the orders it takes with a result; an order that is not there, it does not take. */
static bool read_orders(const struct stg_yaml *y, const struct stg_yaml_node *root, json_t *ret, struct stg_error *err)
{
	static const char *const known[] = { "clear_passcode", "erase", "lock", NULL };
	const struct stg_yaml_node *map;
	json_t *orders = json_object();
	stg_json_put_new(ret, "orders", orders);
	if (!stg_yaml_get(root, "orders"))
		return true;
	if (!expect_map(y, root, "orders", known, &map, err))
		return false;
	for (size_t i = 0; known[i]; i++)
		if (!put_string(y, map, known[i], false, orders, err))
			return false;
	return true;
}

static bool read_sizes(const struct stg_yaml *y, const struct stg_yaml_node *root, json_t *ret, struct stg_error *err)
{
	static const char *const known_batch[] = { "max_items", "max_bytes", NULL }, *const known_answer[] = { "type", "max_bytes", NULL };
	const struct stg_yaml_node *batch = NULL, *answer = NULL;
	json_t *b = json_object(), *a = json_object();
	stg_json_put_new(ret, "batch", b);
	stg_json_put_new(ret, "answer", a);
	if (stg_yaml_get(root, "batch") && !expect_map(y, root, "batch", known_batch, &batch, err))
		return false;
	if (stg_yaml_get(root, "answer") && !expect_map(y, root, "answer", known_answer, &answer, err))
		return false;
	if (!put_int(y, batch, "max_items", 1, 5000, 1, b, err) || !put_int(y, batch, "max_bytes", 1000, PUSH_BODY_MAX, 1000000, b, err) ||
	    !put_int(y, answer, "max_bytes", 1000, PUSH_ANSWER_MAX, 1 << 20, a, err))
		return false;
	stg_json_put(a, "type", "application/json");
	return !answer || put_string(y, answer, "type", false, a, err);
}

static json_t *parse(const char *file, struct stg_bytes text, struct stg_error *err)
{
	static const char *const known[] = { "name", "about", "auth", "batch", "request", "answer", "receipts", "rejects", "natural_key", "timeout", "test", "orders", NULL };
	STG_AUTO(stg_yaml_free_at) struct stg_yaml *y = stg_yaml_parse(file, text, err);
	if (!y)
		return NULL;
	const struct stg_yaml_node *root = stg_yaml_root(y), *timeout;
	STG_AUTO(stg_json_free_at) json_t *c = json_object();
	int64_t timeout_ms = 60000;
	stg_json_put_int(c, "v", 1);
	stg_json_put(c, "file", file);
	if (!root || root->kind != STG_YAML_MAP) {
		stg_yaml_fail(y, root, err, "not a mapping, 'name: ...' was expected");
		return NULL;
	}
	if (!stg_yaml_only(y, root, known, err) || !put_string(y, root, "name", true, c, err) || !put_string(y, root, "about", true, c, err) ||
	    !read_auth(y, root, c, err) || !read_sizes(y, root, c, err) || !read_request(y, root, c, err) || !read_test(y, root, c, err) ||
	    !read_rejects(y, root, c, err) || !read_orders(y, root, c, err) || !put_program(y, root, "receipts", false, c, err) || !put_string(y, root, "natural_key", false, c, err))
		return NULL;
	timeout = stg_yaml_get(root, "timeout");
	if (timeout && !stg_yaml_duration(y, timeout, &timeout_ms, err))
		return NULL;
	if (timeout_ms < 1000 || timeout_ms > 300000) {
		stg_yaml_fail(y, timeout, err, "a timeout of %lld ms, 1 s to 300 s was expected", (long long)timeout_ms);
		return NULL;
	}
	stg_json_put_int(c, "timeout_ms", timeout_ms);
	/* With several records in one call the answer must say which is which. */
	if (stg_json_int(json_object_get(c, "batch"), "max_items", 1) > 1 && *stg_json_str(c, "receipts") && !*stg_json_str(c, "natural_key")) {
		stg_yaml_fail(y, root, err, "'natural_key' is missing, receipts are matched to records by it");
		return NULL;
	}
	return stg_steal(c);
}

static bool name_ok(const char *name)
{
	size_t n = strlen(name);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '-' && name[i] != '_')
			return false;
	return n >= 1 && n <= 48;
}

/* Where a name is looked for: the state, the site, what is built in. */
static json_t *load_named(const char *state_dir, const char *name, struct stg_error *err)
{
	char path[4096];
	for (int i = 0; i < 2; i++) {
		STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(FILE_MAX);
		struct stg_error why = { 0 };
		if (i == 0 && !state_dir)
			continue;
		if (snprintf(path, sizeof(path), i ? "%s%s/%s.yaml" : "%s/connectors%s/%s.yaml", i ? SITE_FOLDER : state_dir, "", name) >= (int)sizeof(path))
			continue;
		if (stg_file_read(path, &text, &why))
			return parse(path, stg_buf_view(&text), err);
		if (why.code != STG_E_NOT_FOUND) {
			if (err)
				*err = why;
			return NULL;
		}
	}
	snprintf(path, sizeof(path), BUILT_IN "%s.yaml", name);
	const struct stg_data *d = stg_data_find(path);
	if (d)
		return parse(path + strlen("stager/push/"), stg_bytes(d->bytes, d->len), err);
	stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_CONNECTOR_UNKNOWN, 0, "no connector '%s'", name);
	return NULL;
}

json_t *stg_connector_load(const char *state_dir, const char *name_or_path, struct stg_error *err)
{
	size_t n = strlen(name_or_path);
	if (strchr(name_or_path, '/') || (n > 5 && strcmp(name_or_path + n - 5, ".yaml") == 0)) {
		STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(FILE_MAX);
		return stg_file_read(name_or_path, &text, err) ? parse(name_or_path, stg_buf_view(&text), err) : NULL;
	}
	if (name_ok(name_or_path))
		return load_named(state_dir, name_or_path, err);
	char shown[64];
	stg_printable(name_or_path, true, shown, sizeof(shown));
	stg_fail_id(err, STG_E_INPUT, STG_ID_CONNECTOR_UNKNOWN, 0, "'%s' is not a connector's name, letters, digits and '-' were expected", shown);
	return NULL;
}

static void list_add(json_t *list, const char *name, const char *about, const char *where)
{
	size_t i;
	json_t *one;
	json_array_foreach(list, i, one)
		if (strcmp(stg_json_str(one, "name"), name) == 0)
			return;         /* an earlier place wins, as in loading */
	one = json_object();
	stg_json_put(one, "name", name);
	stg_json_put(one, "about", about);
	stg_json_put(one, "where", where);
	json_array_append_new(list, one);
}

static void list_folder(json_t *list, const char *folder, const char *where)
{
	DIR *d = opendir(folder);
	for (struct dirent *e; d && (e = readdir(d));) {
		size_t n = strlen(e->d_name);
		char path[4096];
		struct stg_error err = { 0 };
		if (n <= 5 || strcmp(e->d_name + n - 5, ".yaml") != 0 || snprintf(path, sizeof(path), "%s/%s", folder, e->d_name) >= (int)sizeof(path))
			continue;
		STG_AUTO(stg_json_free_at) json_t *c = stg_connector_load(NULL, path, &err);
		e->d_name[n - 5] = 0;
		list_add(list, e->d_name, c ? stg_json_str(c, "about") : err.msg, where);
	}
	if (d)
		closedir(d);
}

json_t *stg_connector_list(const char *state_dir)
{
	json_t *list = json_array();
	char folder[4096];
	if (state_dir && snprintf(folder, sizeof(folder), "%s/connectors", state_dir) < (int)sizeof(folder))
		list_folder(list, folder, "state");
	list_folder(list, SITE_FOLDER, "site");
	for (const struct stg_data *d = stg_data; d->path; d++) {
		char name[64];
		if (strncmp(d->path, BUILT_IN, strlen(BUILT_IN)) != 0)
			continue;
		snprintf(name, sizeof(name), "%s", d->path + strlen(BUILT_IN));
		name[strcspn(name, ".")] = 0;
		STG_AUTO(stg_json_free_at) json_t *c = stg_connector_load(NULL, name, NULL);
		list_add(list, name, stg_json_str(c, "about"), "built-in");
	}
	list_add(list, "file", "A file on this machine or a mounted share: JSON Lines or CSV", "built-in");
	return list;
}
