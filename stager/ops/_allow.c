/*
 * _allow.c - the allow-list of this station.
 *
 * For:    operations that hold profiles and devices against it.
 * Uses:   one setting of the store; the folder signers/ of the state, where signers' certificates lie as files.
 * Called: by operations.
 * Thread: the store's.
 *
 * The station's own organisations need no entry: their authorities, their domain, the SCEP servers they were told to ask.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/file.h>
#include <stager/payload.h>

#include "_allow.h"
#include "_profile.h"
#include "_scep.h"

#define SETTING "profile_allow"
#define ENTRIES_MAX 500
#define SIGNER_BYTES_MAX (64u << 10)
#define PROFILE_BYTES_MAX (4u << 20)

static json_t *stored(struct stg_op_ctx *c, struct stg_error *err)
{
	STG_AUTO(stg_free_at) char *text = stg_store_get(c->store, SETTING, err);
	if (!text)
		return NULL;
	json_t *list = *text ? json_loads(text, 0, NULL) : json_array();
	if (json_is_array(list))
		return list;
	json_decref(list);
	stg_fail_id(err, STG_E_IO, STG_ID_DATABASE_DAMAGED, 0, SETTING);
	return NULL;
}

static bool keep(struct stg_op_ctx *c, const json_t *list, struct stg_error *err)
{
	STG_AUTO(stg_free_at) char *text = json_dumps(list, JSON_COMPACT);
	return text ? stg_store_set(c->store, SETTING, text, err) : stg_fail(err, STG_E_NOMEM, 0, "no memory for a list");
}

static size_t place_of(const json_t *list, const char *kind, const char *value)
{
	size_t i;
	for (i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		if (strcmp(stg_json_str(one, "kind"), kind) == 0 && strcasecmp(stg_json_str(one, "value"), value) == 0)
			break;
	}
	return i;
}

/* ---- signers: files ---- */

static bool signer_path(struct stg_op_ctx *c, const char *name, char *ret, size_t size, struct stg_error *err)
{
	size_t n = strlen(name);
	bool ok = n >= 1 && n <= 60 && name[0] != '.';
	for (size_t i = 0; ok && i < n; i++)
		ok = isalnum((unsigned char)name[i]) || strchr("-_.", name[i]);
	if (!ok)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_ALLOW_WRONG, 0, "--name: A-Z a-z 0-9 - _ .");
	return snprintf(ret, size, "%s/signers/%s.pem", c->state_dir, name) < (int)size;
}

static void add_signers(struct stg_op_ctx *c, json_t *list)
{
	char folder[1024], path[1400];
	snprintf(folder, sizeof(folder), "%s/signers", c->state_dir);
	DIR *d = opendir(folder);
	const struct dirent *e;
	while (d && (e = readdir(d)) && json_array_size(list) < ENTRIES_MAX) {
		STG_AUTO(stg_buf_clear) struct stg_buf pem = STG_BUF(SIGNER_BYTES_MAX);
		char name[256];
		size_t n = strlen(e->d_name);
		if (n < 5 || e->d_name[0] == '.' || strcmp(e->d_name + n - 4, ".pem") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		snprintf(name, sizeof(name), "%.*s", (int)(n - 4), e->d_name);
		STG_AUTO(stg_json_free_at) json_t *cert = stg_file_read(path, &pem, NULL) ? stg_certificate_json(stg_buf_view(&pem), NULL) : NULL;
		json_t *one = json_object();
		stg_json_put(one, "kind", "signer");
		stg_json_put(one, "value", name);
		stg_json_put(one, "name", cert ? stg_json_str_or(cert, "cn", stg_json_str(cert, "subject")) : "?");
		if (cert)
			stg_json_put_int(one, "ends_ms", stg_json_int(cert, "not_after_ms", 0));
		json_array_append_new(list, one);
	}
	if (d)
		closedir(d);
}

/* ---- what is allowed by itself ---- */

static void add_own(json_t *list, const char *kind, const char *value, const char *name)
{
	if (!*value || place_of(list, kind, value) < json_array_size(list))
		return;
	json_t *one = json_object();
	stg_json_put(one, "kind", kind);
	stg_json_put(one, "value", value);
	stg_json_put(one, "name", name);
	stg_json_put(one, "by", "organisation");
	json_array_append_new(list, one);
}

static void add_host(json_t *list, const char *url, const char *name)
{
	char host[256];
	const char *scheme = strstr(url, "://");
	size_t n = scheme ? strcspn(scheme + 3, ":/?#") : 0;
	if (n && n < sizeof(host)) {
		snprintf(host, sizeof(host), "%.*s", (int)n, scheme + 3);
		add_own(list, "host", host, name);
	}
}

static bool add_organisations(struct stg_op_ctx *c, json_t *list, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *orgs = stg_store_orgs(c->store, err);
	for (size_t i = 0; i < json_array_size(orgs); i++) {
		const json_t *org = json_array_get(orgs, i);
		STG_AUTO(stg_json_free_at) json_t *issuers = stg_org_issuers(org);
		const char *domain = stg_json_str(org, "domain"), *name = stg_json_str(org, "name");
		char below[300];
		for (size_t k = 0; k < json_array_size(issuers); k++) {
			STG_AUTO(stg_json_free_at) json_t *cert = stg_certificate_json(stg_bytes_str(json_string_value(json_array_get(issuers, k))), NULL);
			add_own(list, "certificate", stg_json_str(cert, "sha256"), stg_json_str(cert, "cn"));
		}
		if (!*domain)
			continue;
		snprintf(below, sizeof(below), "*.%.250s", domain);
		add_own(list, "host", domain, name);
		add_own(list, "host", below, name);
	}
	return orgs != NULL;
}

static bool add_servers(struct stg_op_ctx *c, json_t *list, struct stg_error *err)
{
	struct scep_settings own;
	STG_AUTO(stg_json_free_at) json_t *servers = stg_store_scep_servers(c->store, err);
	if (!servers || !scep_settings(c, &own, err))
		return false;
	add_host(list, own.url, "SCEP");
	for (size_t i = 0; i < json_array_size(servers); i++)
		add_host(list, stg_json_str(json_object_get(json_array_get(servers, i), "config"), "url"), stg_json_str(json_array_get(servers, i), "name"));
	return true;
}

json_t *ops_allow_list(struct stg_op_ctx *c, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = stored(c, err);
	if (!list)
		return NULL;
	add_signers(c, list);
	return add_organisations(c, list, err) && add_servers(c, list, err) ? stg_steal(list) : NULL;
}

json_t *ops_allow(struct stg_op_ctx *c, struct stg_error *err)
{
	static const struct { const char *kind, *list; } lists[] = { { "host", "hosts" }, { "certificate", "certificates" }, { "app", "apps" }, { "profile", "profiles" } };
	STG_AUTO(stg_json_free_at) json_t *all = ops_allow_list(c, err);
	bool is_set = false;
	if (!all)
		return NULL;
	json_t *ret = json_object();
	for (size_t k = 0; k < STG_ARRAY_LEN(lists); k++)
		stg_json_put_new(ret, lists[k].list, json_array());
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *one = json_array_get(all, i);
		is_set |= strcmp(stg_json_str(one, "by"), "organisation") != 0;
		for (size_t k = 0; k < STG_ARRAY_LEN(lists); k++)
			if (strcmp(stg_json_str(one, "kind"), lists[k].kind) == 0)
				json_array_append(json_object_get(ret, lists[k].list), json_object_get(one, "value"));
	}
	stg_json_put_new(ret, "signers", ops_profile_signers(c));
	stg_json_put_bool(ret, "set", is_set);
	return ret;
}

bool ops_allow_warn(struct stg_op_ctx *c, const json_t *profiles, json_t *warnings, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *allow = ops_allow(c, err);
	const char *name;
	json_t *one;
	if (!allow)
		return false;
	json_object_foreach((json_t *)(uintptr_t)profiles, name, one) {
		STG_AUTO(stg_buf_clear) struct stg_buf bytes = STG_BUF(PROFILE_BYTES_MAX);
		if (!stg_json_bool(allow, "set", false) || !json_object_get(one, "base64") || !stg_unbase64(stg_json_str(one, "base64"), &bytes, NULL))
			continue;
		/* one that cannot be read is told by the lint */
		STG_AUTO(stg_json_free_at) json_t *found = stg_profile_rogue(stg_json_str(one, "path"), stg_buf_view(&bytes), allow, NULL);
		const json_t *list = json_object_get(found, "findings");
		for (size_t i = 0; i < json_array_size(list); i++) {
			const json_t *f = json_array_get(list, i);
			char text[300];
			snprintf(text, sizeof(text), "Profile %.60s: %.140s is not on the allow-list", name, stg_json_str(f, "what"));
			if (strcmp(stg_json_str(f, "level"), "error") == 0)
				json_array_append_new(warnings, json_string(text));
		}
	}
	return true;
}

bool ops_allow_put(struct stg_op_ctx *c, const json_t *entry, struct stg_error *err)
{
	const char *kind = stg_json_str(entry, "kind"), *value = stg_json_str(entry, "value");
	if (strcmp(kind, "signer") == 0) {
		STG_AUTO(stg_buf_clear) struct stg_buf there = STG_BUF(SIGNER_BYTES_MAX);
		char path[1400], folder[1024];
		snprintf(folder, sizeof(folder), "%s/signers", c->state_dir);
		if (!signer_path(c, value, path, sizeof(path), err))
			return false;
		if (stg_file_read(path, &there, NULL) && strcmp(stg_buf_str(&there), stg_json_str(entry, "pem")) != 0)
			return stg_fail_id(err, STG_E_REFUSED, STG_ID_ALLOW_WRONG, 0, "--name: %.60s", value);
		return (stg_folder_make(folder, 0700, err) && stg_file_write(path, stg_bytes_str(stg_json_str(entry, "pem")), 0600, err)) ||
		       stg_say(err, STG_ID_DISK_REFUSES);
	}
	STG_AUTO(stg_json_free_at) json_t *list = stored(c, err);
	if (!list)
		return false;
	size_t at = place_of(list, kind, value);
	if (at == json_array_size(list) && at >= ENTRIES_MAX)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_ALLOW_WRONG, 0, "<= %d", ENTRIES_MAX);
	if (at < json_array_size(list))
		json_array_set(list, at, (json_t *)(uintptr_t)entry);
	else
		json_array_append(list, (json_t *)(uintptr_t)entry);
	return keep(c, list, err);
}

bool ops_allow_remove(struct stg_op_ctx *c, const char *kind, const char *value, struct stg_error *err)
{
	if (strcmp(kind, "signer") == 0) {
		char path[1400];
		if (!signer_path(c, value, path, sizeof(path), err))
			return false;
		return unlink(path) == 0 || stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_ALLOW_UNKNOWN, 0, "signer %.60s", value);
	}
	STG_AUTO(stg_json_free_at) json_t *list = stored(c, err);
	size_t at = place_of(list, kind, value);
	if (!list)
		return false;
	if (at == json_array_size(list))
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_ALLOW_UNKNOWN, 0, "%.20s %.120s", kind, value);
	json_array_remove(list, at);
	return keep(c, list, err);
}
