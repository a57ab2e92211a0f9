/*
 * variables.c - {{name}} and {{name|otherwise}} in values.
 *
 * For:    blueprints (params of steps) and profiles (values of a parsed tree, never text before parsing).
 * Uses:   json.
 * Called: worker/run.c, station/, profiles/.
 * Thread: any; no state.
 *
 * {{asset_tag|serial}}: the first that has a value; a word that is no variable, or 'a text in quotes', stands for itself.
 * {{{{ is a literal {{. A value is put in as it is and never looked at again.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/blueprint.h>
#include <stager/error.h>

#include "blueprint_i.h"

#define TEXT_MAX (256u << 10)
#define NAME_MAX_LEN 128
#define DEPTH_MAX 48

bool variables_next(const char *text, struct variable *ret)
{
	const char *at = strstr(text, "{{");
	*ret = (struct variable){ 0 };
	if (!at)
		return false;
	ret->before = (size_t)(at - text);
	if (strncmp(at, "{{{{", 4) == 0) {
		ret->literal = true;
		ret->after = at + 4;
		return true;
	}
	const char *end = strstr(at + 2, "}}");
	ret->inner = at + 2;
	ret->inner_len = end ? (size_t)(end - at - 2) : 0;
	ret->after = end ? end + 2 : NULL;      /* NULL: never closed */
	return true;
}

/* Cuts the next alternative off `*rest`, without the spaces around it. */
static bool alternative(const char **rest, const char *end, char ret[NAME_MAX_LEN], bool *ret_quoted)
{
	const char *p = *rest;
	if (!p)
		return false;
	while (p < end && *p == ' ')
		p++;
	char quote = p < end && (*p == '\'' || *p == '"') ? *p : 0;
	const char *stop = quote ? memchr(p + 1, quote, (size_t)(end - p - 1)) : NULL;
	*ret_quoted = stop != NULL;
	const char *from = stop ? p + 1 : p;
	const char *bar = memchr(stop ? stop : p, '|', (size_t)(end - (stop ? stop : p)));
	if (!stop)
		stop = bar ? bar : end;
	*rest = bar ? bar + 1 : NULL;
	size_t len = (size_t)(stop - from);
	while (!*ret_quoted && len && from[len - 1] == ' ')
		len--;
	if (len >= NAME_MAX_LEN)
		return false;
	memcpy(ret, from, len);
	ret[len] = 0;
	return true;
}

static bool is_name(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("._-", *s))
			return false;
	return true;
}

bool variables_first_name(const struct variable *v, char *ret, size_t size)
{
	char word[NAME_MAX_LEN];
	bool quoted = false;
	const char *rest = v->inner;
	return v->inner && v->after && alternative(&rest, v->inner + v->inner_len, word, &quoted) && !quoted &&
	       is_name(word) && stg_copy(ret, size, word);
}

bool variables_is_known(const char *name)
{
	static const char *const families[] = { "batch.", "secret.", "org." };
	for (size_t i = 0; i < STG_ARRAY_LEN(families); i++)
		if (strncmp(name, families[i], strlen(families[i])) == 0)
			return name[strlen(families[i])] != 0;
	for (const char *const *k = variables_known; *k; k++)
		if (strcmp(*k, name) == 0)
			return true;
	return false;
}

static bool one_value(const struct variable *v, const json_t *values, struct stg_buf *ret, struct stg_error *err)
{
	char word[NAME_MAX_LEN], first[NAME_MAX_LEN] = "";
	const char *rest = v->inner, *end = v->inner + v->inner_len;
	bool quoted = false;
	for (int i = 0; alternative(&rest, end, word, &quoted); i++) {
		if (i == 0) {
			if (quoted || !is_name(word))
				return stg_fail(err, STG_E_INPUT, 0,
						"'{{%.*s}}' is not a variable, expected {{name}} or {{name|otherwise}}",
						(int)(v->inner_len < 60 ? v->inner_len : 60), v->inner);
			stg_copy(first, sizeof(first), word);
		}
		const json_t *value = quoted ? NULL : json_object_get(values, word);
		if (json_is_string(value) && json_string_length(value))
			return stg_buf_add(ret, json_string_value(value), json_string_length(value), err);
		if (json_is_integer(value))
			return stg_buf_printf(ret, err, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		/* an otherwise that names nothing is the text itself, unless it could only be a name */
		if (i > 0 && (quoted || (!value && !variables_is_known(word))))
			return stg_buf_add_str(ret, word, err);
	}
	if (!first[0])
		return stg_fail(err, STG_E_INPUT, 0, "a variable without a name, expected {{name}}");
	return stg_fail_id(err, STG_E_INPUT, STG_ID_VARIABLE_UNKNOWN, 0,
			   "nothing is known for {{%.60s}}, expected a value for it or {{%.60s|otherwise}}", first,
			   first);
}

bool stg_variables_fill_text(const char *text, const json_t *values, struct stg_buf *ret, struct stg_error *err)
{
	struct variable v;
	while (variables_next(text, &v)) {
		if (!stg_buf_add(ret, text, v.before, err))
			return false;
		if (!v.after)
			return stg_fail(err, STG_E_INPUT, 0,
					"'{{' is never closed, expected '}}' (a literal '{{' is written '{{{{')");
		if (v.literal ? !stg_buf_add_str(ret, "{{", err) : !one_value(&v, values, ret, err))
			return false;
		text = v.after;
	}
	return stg_buf_add_str(ret, text, err);
}

static json_t *fill(const json_t *tree, const json_t *values, int depth, struct stg_error *err)
{
	if (depth > DEPTH_MAX) {
		stg_fail(err, STG_E_INPUT, 0, "nested deeper than %d", DEPTH_MAX);
		return NULL;
	}
	if (json_is_string(tree)) {
		if (!strstr(json_string_value(tree), "{{"))
			return json_incref((json_t *)(uintptr_t)tree);
		STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(TEXT_MAX);
		if (!stg_variables_fill_text(json_string_value(tree), values, &out, err))
			return NULL;
		return json_stringn(stg_buf_str(&out), out.len);
	}
	if (json_is_object(tree)) {
		STG_AUTO(stg_json_free_at) json_t *o = json_object();
		const char *key;
		json_t *child;
		json_object_foreach((json_t *)(uintptr_t)tree, key, child) {
			json_t *got = fill(child, values, depth + 1, err);
			if (!got) {
				stg_while(err, "%.40s", key);
				return NULL;
			}
			stg_json_put_new(o, key, got);
		}
		return stg_steal(o);
	}
	if (json_is_array(tree)) {
		STG_AUTO(stg_json_free_at) json_t *a = json_array();
		for (size_t i = 0; i < json_array_size(tree); i++) {
			json_t *got = fill(json_array_get(tree, i), values, depth + 1, err);
			if (!got) {
				stg_while(err, "[%zu]", i);
				return NULL;
			}
			json_array_append_new(a, got);
		}
		return stg_steal(a);
	}
	return json_incref((json_t *)(uintptr_t)tree);
}

json_t *stg_variables_fill(const json_t *tree, const json_t *values, struct stg_error *err)
{
	return fill(tree, values, 0, err);
}

static void add_once(json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(json_string_value(json_array_get(list, i)), name) == 0)
			return;
	json_array_append_new(list, json_string(name));
}

static void used(const json_t *tree, json_t *list, int depth)
{
	if (depth > DEPTH_MAX)
		return;
	if (json_is_string(tree)) {
		const char *text = json_string_value(tree);
		struct variable v;
		while (variables_next(text, &v) && v.after) {
			char word[NAME_MAX_LEN];
			bool quoted = false;
			const char *rest = v.literal ? NULL : v.inner;
			for (int i = 0; alternative(&rest, v.inner + v.inner_len, word, &quoted); i++)
				if (!quoted && is_name(word) && (i == 0 || strchr(word, '.')))
					add_once(list, word);
			text = v.after;
		}
		return;
	}
	const char *key;
	json_t *child;
	json_object_foreach((json_t *)(uintptr_t)tree, key, child) {
		used(child, list, depth + 1);
	}
	for (size_t i = 0; i < json_array_size(tree); i++)
		used(json_array_get(tree, i), list, depth + 1);
}

json_t *stg_variables_used(const json_t *tree)
{
	json_t *list = json_array();
	used(tree, list, 0);
	return list;
}

const char *const variables_known[] = {
	"serial",           "udid",      "ecid",         "imei",       "imei2",      "meid",         "model",
	"model_name",       "hardware",  "device_class", "os_version", "build",      "wifi_mac",     "bluetooth_mac",
	"device_name",      "asset_tag", "name",         "ownership",  "batch_name", "organisation", "organisation_id",
	"certificate_uuid", NULL,
};

static void put_missing(json_t *o, const char *key, const char *value)
{
	if (!json_object_get(o, key))
		stg_json_put(o, key, value);
}

/* Numbers and booleans of a batch are words to a variable. */
static void put_value(json_t *o, const char *key, const json_t *value)
{
	if (json_object_get(o, key))
		return;
	char number[32];
	if (json_is_string(value)) {
		stg_json_put(o, key, json_string_value(value));
	} else if (json_is_integer(value)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		stg_json_put(o, key, number);
	} else if (json_is_boolean(value)) {
		stg_json_put(o, key, json_is_true(value) ? "true" : "false");
	}
}

json_t *stg_variables_of(const struct stg_identity *who, const char *batch, const json_t *attributes,
			 const json_t *blueprint)
{
	json_t *v = json_object();
	const char *key;
	json_t *value;
	put_missing(v, "serial", who->serial);
	put_missing(v, "udid", who->udid);
	put_missing(v, "ecid", who->unit);
	put_missing(v, "imei", who->imei[0]);
	put_missing(v, "imei2", who->imei[1]);
	put_missing(v, "meid", who->meid);
	put_missing(v, "model", who->model);
	put_missing(v, "model_name", who->model_name);
	put_missing(v, "hardware", who->hardware);
	put_missing(v, "device_class", who->device_class);
	put_missing(v, "os_version", who->os_version);
	put_missing(v, "build", who->build);
	put_missing(v, "wifi_mac", who->wifi_mac);
	put_missing(v, "bluetooth_mac", who->bluetooth_mac);
	put_missing(v, "device_name", who->name);
	put_missing(v, "batch_name", batch);
	json_object_foreach((json_t *)(uintptr_t)attributes, key, value) {
		char prefixed[NAME_MAX_LEN];
		if (snprintf(prefixed, sizeof(prefixed), "batch.%s", key) < (int)sizeof(prefixed))
			put_value(v, prefixed, value);
		put_value(v, key, value);
	}
	json_object_foreach(json_object_get(blueprint, "params"), key, value) {
		put_value(v, key, value);
	}
	return v;
}
