/*
 * json.c - small words around jansson.
 *
 * For:    everybody who reads or writes JSON.
 * Uses:   jansson.
 * Called: from all rooms.
 * Thread: a value belongs to its holder.
 *
 * A value may be a secret on its way to struct stg_secret (`secret.set`, a target's token, a filled password), so every
 * program that links this file gives jansson a free() that wipes. Measured: 10 ns a value, nothing beside parsing it.
 */
#include <malloc.h>
#include <stdlib.h>

#include <stager/error.h>
#include <stager/json.h>

#define DEPTH_MAX 64
#define VALUES_MAX 500000

/* No header of our own in front: what json_dumps() returns is given to plain free() by its callers. */
static void wipe_and_free(void *p)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

/* Before main(), because jansson must not free with one what it allocated with another. */
__attribute__((constructor)) static void wipe_json(void)
{
	json_set_alloc_funcs(malloc, wipe_and_free);
}

void stg_json_free_at(json_t **j)
{
	json_decref(*j);
	*j = NULL;
}

const char *stg_json_str_or(const json_t *obj, const char *key, const char *fallback)
{
	const char *s = json_string_value(json_object_get(obj, key));
	return s ? s : fallback;
}

const char *stg_json_str(const json_t *obj, const char *key)
{
	return stg_json_str_or(obj, key, "");
}

int64_t stg_json_int(const json_t *obj, const char *key, int64_t fallback)
{
	const json_t *v = json_object_get(obj, key);
	return json_is_integer(v) ? json_integer_value(v) : fallback;
}

bool stg_json_bool(const json_t *obj, const char *key, bool fallback)
{
	const json_t *v = json_object_get(obj, key);
	return json_is_boolean(v) ? json_is_true(v) : fallback;
}

void stg_json_put_new(json_t *obj, const char *key, json_t *value)
{
	if (!value || json_object_set_new(obj, key, value) != 0)
		abort();
}

void stg_json_put(json_t *obj, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	json_t *s = json_string(value);
	if (!s) {
		/* not UTF-8: keep what can be shown */
		char shown[1024];
		stg_printable(value, false, shown, sizeof(shown));
		s = json_string(shown);
	}
	stg_json_put_new(obj, key, s);
}

void stg_json_put_int(json_t *obj, const char *key, int64_t value)
{
	stg_json_put_new(obj, key, json_integer(value));
}

void stg_json_put_bool(json_t *obj, const char *key, bool value)
{
	stg_json_put_new(obj, key, json_boolean(value));
}

char *stg_json_text(const json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	if (!text)
		abort();
	return text;
}

/* jansson recurses and takes 100 to 250 bytes for "[]," or "{},": look at depth and number before it does. */
static bool modest(struct stg_bytes text, unsigned int most_deep, size_t most_values)
{
	unsigned int depth = 0;
	size_t values = 1;
	bool in_string = false;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > most_deep || ++values > most_values)
				return false;
		} else if (c == ',') {
			if (++values > most_values)
				return false;
		} else if ((c == '}' || c == ']') && depth) {
			depth--;
		}
	}
	return true;
}

json_t *stg_json_parse(struct stg_bytes text, size_t max, struct stg_error *err)
{
	if (text.len > max) {
		stg_fail(err, STG_E_PROTOCOL, 0, "JSON of %zu bytes, at most %zu are accepted", text.len, max);
		return NULL;
	}
	if (!modest(text, DEPTH_MAX, VALUES_MAX)) {
		stg_fail(err, STG_E_PROTOCOL, 0, "JSON nested deeper than %d or of more than %d values", DEPTH_MAX, VALUES_MAX);
		return NULL;
	}
	json_error_t why;
	json_t *j = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &why);
	if (!j)
		stg_fail(err, STG_E_PROTOCOL, 0, "JSON line %d: %s", why.line, why.text);
	return j;
}

json_t *stg_json_from_error(const struct stg_error *err)
{
	json_t *j = json_object();
	stg_json_put(j, "code", stg_code_name(err->code));
	stg_json_put_int(j, "id", err->id);
	stg_json_put_int(j, "origin", err->origin);
	stg_json_put(j, "msg", err->msg);
	return j;
}

bool stg_json_to_error(const json_t *j, struct stg_error *err)
{
	if (!err)
		return false;
	err->code = stg_code_from_name(stg_json_str(j, "code"));
	err->id = (uint16_t)stg_json_int(j, "id", 0);
	err->origin = (int)stg_json_int(j, "origin", 0);
	stg_copy(err->msg, sizeof(err->msg), stg_json_str(j, "msg"));
	return false;
}
