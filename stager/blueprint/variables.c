/*
 * variables.c - what {{...}} in the params of a step stands for, and where a job's values come from.
 *
 * For:    blueprints; profiles are filled in profiles/fill.c.
 * Uses:   <stager/variable.h> for the grammar, json.
 * Called: worker/run.c, station/, ops/.
 * Thread: any; no state. A value is put in as it is and never looked at again.
 */
#include <stdio.h>
#include <stdlib.h>

#include <stager/blueprint.h>
#include <stager/error.h>
#include <stager/variable.h>

#include "blueprint_i.h"

#define TEXT_MAX (256u << 10)
#define DEPTH_MAX 48

static bool one_value(const struct stg_variable *v, const json_t *values, struct stg_buf *ret, struct stg_error *err)
{
	char name[STG_VARIABLE_NAME_MAX];
	struct stg_variable_value got;
	if (!stg_variable_name(v, name))
		return stg_fail(err, STG_E_INPUT, 0, "'{{%.*s}}' is not a variable, expected {{name}} or {{name|otherwise}}",
				(int)(v->inner_len < 60 ? v->inner_len : 60), v->inner);
	if (!stg_variable_value(v, values, &got))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_VARIABLE_UNKNOWN, 0,
				   "nothing is known for {{%.60s}}, expected a value for it or {{%.60s|otherwise}}", name, name);
	if (!got.text)
		return stg_fail(err, STG_E_INPUT, 0, "{{%.60s}} is data, expected a text", name);
	return stg_buf_add_str(ret, got.text, err);
}

bool stg_variables_fill_text(const char *text, const json_t *values, struct stg_buf *ret, struct stg_error *err)
{
	struct stg_variable v;
	while (stg_variable_next(text, &v)) {
		if (!stg_buf_add(ret, text, v.before, err))
			return false;
		if (!v.after)
			return stg_fail(err, STG_E_INPUT, 0,
					"'{{' is never closed, expected '}}' (a literal '{{' is written '{{{{')");
		if (v.is_literal ? !stg_buf_add_str(ret, "{{", err) : !one_value(&v, values, ret, err))
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
		struct stg_variable v;
		while (stg_variable_next(text, &v) && v.after) {
			char word[STG_VARIABLE_NAME_MAX];
			bool is_quoted = false;
			size_t at = 0;
			for (int i = 0; !v.is_literal && stg_variable_word(&v, &at, word, &is_quoted); i++)
				if (!is_quoted && (i == 0 ? stg_variable_name(&v, word) : strchr(word, '.') && stg_variable_is_name(word)))
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
		char prefixed[STG_VARIABLE_NAME_MAX];
		if (snprintf(prefixed, sizeof(prefixed), "batch.%s", key) < (int)sizeof(prefixed))
			put_value(v, prefixed, value);
		put_value(v, key, value);
	}
	json_object_foreach(json_object_get(blueprint, "params"), key, value) {
		put_value(v, key, value);
	}
	return v;
}
