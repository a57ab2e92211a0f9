/*
 * plist.c - property lists from outside, read behind the scan, and typed looks into them.
 *
 * For:    every file of this folder that talks to a device or to usbmuxd.
 * Uses:   libplist behind <stager/plistscan.h>.
 * Called: from this folder.
 * Thread: any; no state.
 * Facts:  libplist 2.2.0: one integer type, no depth limit of its own, PLIST_DATE counts from 2001.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/clock.h>

#include "plist.h"

#define JSON_DEPTH 16
#define DATA_SHOWN_MAX 64
#define SECONDS_1970_TO_2001 978307200

plist_t apple_plist_read(struct stg_bytes in, const struct stg_plist_limits *limits, struct stg_error *err)
{
	enum stg_plist_form form;
	plist_t p = NULL;
	if (!stg_plist_scan(in, limits, &form, err))
		return NULL;
	if (form == STG_PLIST_BINARY)
		plist_from_bin((const char *)in.data, (uint32_t)in.len, &p);
	else
		plist_from_xml((const char *)in.data, (uint32_t)in.len, &p);
	if (!p)
		stg_fail(err, STG_E_PROTOCOL, 0, "not a property list (%zu bytes)", in.len);
	return p;
}

void apple_plist_free_at(plist_t *p)
{
	if (*p)
		plist_free(*p);
	*p = NULL;
}

bool apple_plist_write(plist_t p, struct stg_buf *ret, struct stg_error *err)
{
	char *xml = NULL;
	uint32_t len = 0;
	plist_to_xml(p, &xml, &len);
	if (!xml)
		return stg_fail(err, STG_E_NOMEM, 0, "write a property list");
	bool ok = stg_buf_add(ret, xml, len, err);
	/* a record or a profile may have been in it */
	explicit_bzero(xml, len);
	plist_to_xml_free(xml);
	return ok;
}

bool apple_is(plist_t node, plist_type type)
{
	return node && plist_get_node_type(node) == type;
}

plist_t apple_get(plist_t dict, const char *key)
{
	return apple_is(dict, PLIST_DICT) ? plist_dict_get_item(dict, key) : NULL;
}

plist_t apple_dict(plist_t dict, const char *key)
{
	plist_t v = apple_get(dict, key);
	return apple_is(v, PLIST_DICT) ? v : NULL;
}

plist_t apple_array(plist_t dict, const char *key)
{
	plist_t v = apple_get(dict, key);
	return apple_is(v, PLIST_ARRAY) ? v : NULL;
}

const char *apple_str(plist_t dict, const char *key)
{
	plist_t v = apple_get(dict, key);
	const char *s = apple_is(v, PLIST_STRING) ? plist_get_string_ptr(v, NULL) : NULL;
	return s ? s : "";
}

struct stg_bytes apple_data(plist_t dict, const char *key)
{
	plist_t v = apple_get(dict, key);
	uint64_t len = 0;
	const char *d = apple_is(v, PLIST_DATA) ? plist_get_data_ptr(v, &len) : NULL;
	return d ? stg_bytes(d, (size_t)len) : stg_bytes(NULL, 0);
}

bool apple_uint(plist_t dict, const char *key, uint64_t *ret)
{
	plist_t v = apple_get(dict, key);
	if (!apple_is(v, PLIST_UINT))
		return false;
	plist_get_uint_val(v, ret);
	return true;
}

bool apple_number(plist_t dict, const char *key, double *ret)
{
	plist_t v = apple_get(dict, key);
	if (apple_is(v, PLIST_REAL)) {
		plist_get_real_val(v, ret);
		return true;
	}
	uint64_t n;
	if (!apple_uint(dict, key, &n))
		return false;
	*ret = (double)(int64_t)n;
	return true;
}

bool apple_true(plist_t dict, const char *key)
{
	plist_t v = apple_get(dict, key);
	if (apple_is(v, PLIST_BOOLEAN)) {
		uint8_t b = 0;
		plist_get_bool_val(v, &b);
		return b != 0;
	}
	uint64_t n;
	return apple_uint(dict, key, &n) && n != 0;
}

void apple_put_str(plist_t dict, const char *key, const char *value)
{
	plist_dict_set_item(dict, key, plist_new_string(value));
}

void apple_put_data(plist_t dict, const char *key, struct stg_bytes value)
{
	plist_dict_set_item(dict, key, plist_new_data(value.len ? (const char *)value.data : "", value.len));
}

void apple_put_bool(plist_t dict, const char *key, bool value)
{
	plist_dict_set_item(dict, key, plist_new_bool(value));
}

void apple_put_uint(plist_t dict, const char *key, uint64_t value)
{
	plist_dict_set_item(dict, key, plist_new_uint(value));
}

static json_t *json_text(const char *s)
{
	char clean[1024];
	stg_printable(s ? s : "", true, clean, sizeof(clean));
	return json_string(clean);
}

static json_t *json_of(plist_t node, int depth)
{
	if (!node || depth > JSON_DEPTH)
		return json_null();
	switch (plist_get_node_type(node)) {
	case PLIST_BOOLEAN: {
		uint8_t b = 0;
		plist_get_bool_val(node, &b);
		return json_boolean(b);
	}
	case PLIST_UINT: {
		uint64_t n = 0;
		plist_get_uint_val(node, &n);
		return json_integer((json_int_t)n);
	}
	case PLIST_REAL: {
		double d = 0;
		plist_get_real_val(node, &d);
		json_t *j = json_real(d);
		return j ? j : json_null();
	}
	case PLIST_STRING:
		return json_text(plist_get_string_ptr(node, NULL));
	case PLIST_DATA: {
		uint64_t len = 0;
		const char *d = plist_get_data_ptr(node, &len);
		if (len > DATA_SHOWN_MAX) {
			char hash[8 + 65] = "sha256:";
			stg_sha256_hex(stg_bytes(d, (size_t)len), hash + 7);
			return json_string(hash);
		}
		STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(4 * DATA_SHOWN_MAX);
		if (!stg_base64(stg_bytes(d, (size_t)len), &text, NULL))
			return json_null();
		return json_string(stg_buf_str(&text));
	}
	case PLIST_DATE: {
		int32_t sec = 0, usec = 0;
		char text[STG_TIME_TEXT];
		plist_get_date_val(node, &sec, &usec);
		stg_time_text(((int64_t)sec + SECONDS_1970_TO_2001) * 1000, text);
		return json_string(text);
	}
	case PLIST_ARRAY: {
		json_t *list = json_array();
		for (uint32_t i = 0; i < plist_array_get_size(node); i++)
			json_array_append_new(list, json_of(plist_array_get_item(node, i), depth + 1));
		return list;
	}
	case PLIST_DICT: {
		json_t *object = json_object();
		plist_dict_iter it = NULL;
		plist_dict_new_iter(node, &it);
		for (;;) {
			STG_AUTO(stg_free_at) char *key = NULL;
			plist_t value = NULL;
			plist_dict_next_item(node, it, &key, &value);
			if (!key)
				break;
			char clean[256];
			stg_printable(key, true, clean, sizeof(clean));
			json_object_set_new(object, clean, json_of(value, depth + 1));
		}
		free(it);
		return object;
	}
	default:
		return json_null();
	}
}

json_t *apple_json(plist_t node)
{
	return json_of(node, 0);
}
