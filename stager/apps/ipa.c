/*
 * ipa.c - what an app package says of itself.
 *
 * For:    the repository; the one parser of packages in the program (its fuzz entry is tests/fuzz/fuzz_ipa.c).
 * Uses:   zip.c, signer.c, libplist behind the scan.
 * Called: shelf.c.
 * Thread: any; no state.
 *
 * Facts:  Apple, "Bundle Resources: Information Property List"; a package for the simulator names no iPhoneOS.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/plistscan.h>

#include "inner.h"

#define FAMILIES_MAX 8

bool stg_bundle_id_ok(const char *id)
{
	size_t len = strlen(id);
	for (const char *p = id; *p; p++)
		if (!isascii((unsigned char)*p) || (!isalnum((unsigned char)*p) && *p != '.' && *p != '-' && *p != '_'))
			return false;
	return len > 0 && len <= 155 && id[0] != '.';
}

int stg_app_version_compare(const char *a, const char *b)
{
	while (*a || *b) {
		char *a_end = (char *)(uintptr_t)a, *b_end = (char *)(uintptr_t)b;
		unsigned long x = isdigit((unsigned char)*a) ? strtoul(a, &a_end, 10) : 0, y = isdigit((unsigned char)*b) ? strtoul(b, &b_end, 10) : 0;
		if (x != y)
			return x < y ? -1 : 1;
		size_t m = strcspn(a_end, "."), n = strcspn(b_end, ".");
		int words = strncmp(a_end, b_end, m > n ? m : n);
		if ((m || n) && words)
			return words < 0 ? -1 : 1;
		a = a_end + m;
		b = b_end + n;
		a += *a == '.';
		b += *b == '.';
	}
	return 0;
}

/* ---- property lists ---- */

void app_plist_free_at(plist_t *p)
{
	if (*p)
		plist_free(*p);
	*p = NULL;
}

plist_t app_plist(struct stg_bytes in, const char *what, struct stg_error *err)
{
	struct stg_error why = { 0 };
	plist_t p = NULL;
	if (stg_plist_scan(in, &stg_plist_device, NULL, &why))
		plist_from_memory((const char *)in.data, (uint32_t)in.len, &p);
	if (p && plist_get_node_type(p) == PLIST_DICT)
		return p;
	app_plist_free_at(&p);
	stg_fail_id(err, STG_E_INPUT, STG_ID_NOT_AN_APP, 0, "%.60s: %.150s", what, why.msg[0] ? why.msg : "no property list");
	return NULL;
}

plist_t app_node(plist_t dict, const char *key, plist_type type)
{
	plist_t node = dict && plist_get_node_type(dict) == PLIST_DICT ? plist_dict_get_item(dict, key) : NULL;
	return node && plist_get_node_type(node) == type ? node : NULL;
}

bool app_true(plist_t dict, const char *key)
{
	plist_t node = app_node(dict, key, PLIST_BOOLEAN);
	uint8_t value = 0;
	if (node)
		plist_get_bool_val(node, &value);
	return value;
}

void app_put_text(json_t *row, const char *name, plist_t dict, const char *key)
{
	plist_t node = app_node(dict, key, PLIST_STRING);
	char clean[256];
	if (!node)
		return;
	stg_printable(plist_get_string_ptr(node, NULL), true, clean, sizeof(clean));
	stg_json_put(row, name, clean);
}

void app_warn(json_t *row, const char *text)
{
	json_t *list = json_object_get(row, "warnings");
	if (!list) {
		list = json_array();
		stg_json_put_new(row, "warnings", list);
	}
	json_array_append_new(list, json_string(text));
}

/* ---- Info.plist ---- */

static bool for_devices(plist_t info)
{
	plist_t list = app_node(info, "CFBundleSupportedPlatforms", PLIST_ARRAY);
	for (uint32_t i = 0; list && i < plist_array_get_size(list) && i < FAMILIES_MAX; i++) {
		plist_t one = plist_array_get_item(list, i);
		if (plist_get_node_type(one) == PLIST_STRING && strcmp(plist_get_string_ptr(one, NULL), "iPhoneOS") == 0)
			return true;
	}
	return !list;
}

static void put_families(json_t *row, plist_t info)
{
	plist_t list = app_node(info, "UIDeviceFamily", PLIST_ARRAY);
	json_t *families = json_array();
	for (uint32_t i = 0; list && i < plist_array_get_size(list) && i < FAMILIES_MAX; i++) {
		plist_t one = plist_array_get_item(list, i);
		uint64_t n = 0;
		if (plist_get_node_type(one) == PLIST_UINT)
			plist_get_uint_val(one, &n);
		if (n > 0 && n < 100)
			json_array_append_new(families, json_integer((json_int_t)n));
	}
	stg_json_put_new(row, "families", families);
}

static bool describe(plist_t info, json_t *row, struct stg_error *err)
{
	plist_t id = app_node(info, "CFBundleIdentifier", PLIST_STRING);
	if (!id || !stg_bundle_id_ok(plist_get_string_ptr(id, NULL)))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_NOT_AN_APP, 0, "Info.plist has no usable CFBundleIdentifier");
	if (!for_devices(info))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_NOT_AN_APP, 0, "it was built for the simulator");
	app_put_text(row, "bundle_id", info, "CFBundleIdentifier");
	app_put_text(row, "build", info, "CFBundleVersion");
	app_put_text(row, "version", info, "CFBundleShortVersionString");
	if (!*stg_json_str(row, "version"))
		app_put_text(row, "version", info, "CFBundleVersion");
	if (!*stg_json_str(row, "version"))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_NOT_AN_APP, 0, "Info.plist has no version");
	app_put_text(row, "name", info, "CFBundleName");
	app_put_text(row, "name", info, "CFBundleDisplayName");
	app_put_text(row, "minimum_os", info, "MinimumOSVersion");
	put_families(row, info);
	stg_json_put_bool(row, "file_sharing", app_true(info, "UIFileSharingEnabled"));
	return true;
}

json_t *stg_ipa_read(int fd, struct stg_error *err)
{
	STG_AUTO(package_close_at) struct package *p = package_open(fd, err);
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(ENTRY_MAX);
	STG_AUTO(stg_json_free_at) json_t *row = json_object();
	char path[1200];
	bool found = false;
	if (!p)
		return NULL;
	snprintf(path, sizeof(path), "%sInfo.plist", package_app(p));
	if (!package_take(p, path, &text, &found, err))
		return NULL;
	STG_AUTO(app_plist_free_at) plist_t info = app_plist(stg_buf_view(&text), "Info.plist", err);
	if (!info || !describe(info, row, err))
		return NULL;
	stg_json_put_int(row, "expanded", (int64_t)package_expanded_bytes(p));
	return signer_read(p, row, err) ? stg_steal(row) : NULL;
}
