/*
 * rogue.c - profiles, and what devices have on them, held against the allow-list of this station; and that list.
 *
 * For:    `stager profile rogue|allow|forbid`.
 * Uses:   <stager/payload.h>, _allow.c.
 * Called: through the table of operations.
 * Thread: the store's.
 *
 *   profile.rogue         {profile} or {file} with a descriptor -> {v, file, findings: [{level, code, path, line, column, what}], open: [paths]}
 *                         {device}                              -> {v, serial, read_ms, findings: [{level, code, path: identifier, what}]}
 *   profile.allow         {}                                    -> [{kind, value, name, note, by, at_ms}]
 *   profile.allow.add     {kind, value, name, note, second, second_pin}, for a signer and a certificate perhaps a descriptor -> the entry
 *   profile.allow.remove  {kind, value}                         -> {v, kind, value}
 *
 * What a device tells of installed profiles is their names; what is in them nobody can read back. One that this station installed
 * there, with the UUID it had, is known; so is one whose identifier is on the list.
 */
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/facts.h>
#include <stager/payload.h>

#include "_allow.h"
#include "_profile.h"
#include "_secretly.h"

#define FILE_MAX (4u << 20)
#define CERTIFICATE_MAX (64u << 10)
#define NOTE_MAX 200

/* ---- a file ---- */

static bool judge_file(struct stg_op_ctx *c, const json_t *in, const json_t *allow, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(FILE_MAX);
	const char *name = stg_json_str(in, "profile");
	char path[512];
	stg_copy(path, sizeof(path), stg_json_str_or(in, "file", "profile"));
	if (*name ? !ops_profile_named(c->state_dir, name, &file, path, sizeof(path), err) : !ops_file(c, 0, path, STG_ID_PROFILE_TOO_LARGE, &file, err))
		return false;
	*ret = stg_profile_rogue(path, stg_buf_view(&file), allow, err);
	if (*ret)
		stg_json_put(*ret, "file", path);
	return *ret != NULL;
}

/* ---- a device ---- */

struct device {
	const json_t *facts, *allow, *jobs;
	json_t *findings;
	size_t n_strangers;
};

static void found(struct device *d, enum stg_id id, const char *path, const char *what)
{
	char code[16], clean[300];
	json_t *one = json_object();
	snprintf(code, sizeof(code), "STG-%u", (unsigned int)id);
	stg_json_put(one, "level", "error");
	stg_json_put(one, "code", code);
	stg_json_put(one, "path", path);
	stg_printable(what, true, clean, sizeof(clean));
	stg_json_put(one, "what", clean);
	json_array_append_new(d->findings, one);
}

/* Did a job of this station see exactly this one there after installing it? */
static bool is_ours(const struct device *d, const json_t *profile)
{
	for (size_t i = 0; i < json_array_size(d->jobs); i++) {
		const json_t *steps = json_object_get(json_array_get(d->jobs, i), "steps");
		for (size_t k = 0; k < json_array_size(steps); k++) {
			const json_t *seen = json_object_get(json_object_get(json_array_get(steps, k), "evidence"), "reread");
			if (*stg_json_str(seen, "identifier") && strcmp(stg_json_str(seen, "identifier"), stg_json_str(profile, "identifier")) == 0 &&
			    strcasecmp(stg_json_str(seen, "uuid"), stg_json_str(profile, "uuid")) == 0)
				return true;
		}
	}
	return false;
}

/* "org.example.*" stands for everything that begins so. */
static bool is_listed(const json_t *list, const char *identifier)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *one = json_string_value(json_array_get(list, i));
		size_t n = strlen(one);
		if (strcmp(one, identifier) == 0 || (n > 2 && strcmp(one + n - 2, ".*") == 0 && strncmp(one, identifier, n - 1) == 0))
			return true;
	}
	return false;
}

static bool is_stranger(const struct device *d, const char *identifier)
{
	const json_t *list = json_object_get(d->facts, STG_FACT_INSTALLED_PROFILES);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		if (strcmp(stg_json_str(one, "identifier"), identifier) == 0)
			return !is_ours(d, one) && !is_listed(json_object_get(d->allow, "profiles"), identifier);
	}
	return !is_listed(json_object_get(d->allow, "profiles"), identifier);
}

static void judge_profiles(struct device *d)
{
	const json_t *list = json_object_get(d->facts, STG_FACT_INSTALLED_PROFILES);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		if (!is_stranger(d, stg_json_str(one, "identifier")))
			continue;
		d->n_strangers++;
		found(d, STG_ID_ROGUE_PROFILE, stg_json_str(one, "identifier"), stg_json_str(one, "name"));
	}
}

static void judge_certificates(struct device *d)
{
	const json_t *list = json_object_get(d->facts, STG_FACT_INSTALLED_CERTIFICATES);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		const char *type = stg_json_str(one, "type"), *profile = stg_json_str(one, "profile");
		bool is_authority = strcmp(type, "root") == 0 || strcmp(type, "pkcs1") == 0 || strcmp(type, "pem") == 0;
		if (is_authority && is_stranger(d, profile))
			found(d, STG_ID_ROGUE_AUTHORITY, profile, stg_json_str_or(one, "name", type));
	}
}

static void judge_manager(struct device *d)
{
	static const char *const keys[] = { "ConfigurationURL", "ConfigurationWebURL" };
	const json_t *cloud = json_object_get(d->facts, STG_FACT_CLOUD_CONFIG);
	if (stg_json_bool(d->facts, STG_FACT_SUPERVISED, false) && !stg_json_bool(d->facts, STG_FACT_OURS, true))
		found(d, STG_ID_ROGUE_SUPERVISOR, "", stg_json_str_or(d->facts, STG_FACT_SUPERVISED_BY, "?"));
	for (size_t i = 0; i < STG_ARRAY_LEN(keys); i++) {
		const char *url = stg_json_str(cloud, keys[i]), *scheme = strstr(url, "://");
		char host[256];
		snprintf(host, sizeof(host), "%.*s", scheme ? (int)strcspn(scheme + 3, ":/?#") : 0, scheme ? scheme + 3 : "");
		for (char *p = host; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		if (*url && !stg_host_allowed(json_object_get(d->allow, "hosts"), host))
			found(d, STG_ID_ROGUE_MDM, keys[i], *host ? host : "?");
	}
	/* which of the profiles is the MDM's is not told: where all are known, so is the MDM */
	if (stg_json_bool(d->facts, STG_FACT_MDM_ENROLLED, false) && d->n_strangers)
		found(d, STG_ID_ROGUE_MANAGED, "", "");
}

static bool judge_device(struct stg_op_ctx *c, const char *serial, const json_t *allow, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *known = stg_store_history(c->store, serial, err);
	if (!known)
		return false;
	struct device d = { .facts = json_object_get(known, "facts"), .allow = allow, .jobs = json_object_get(known, "jobs") };
	if (!json_is_array(json_object_get(d.facts, STG_FACT_INSTALLED_PROFILES)))
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_PROFILES_UNREAD, 0, "%.64s", serial);
	d.findings = json_array();
	judge_profiles(&d);
	judge_certificates(&d);
	judge_manager(&d);
	*ret = json_pack("{s:i, s:s, s:I, s:o}", "v", 1, "serial", serial, "read_ms", (json_int_t)(stg_json_int(d.facts, STG_FACT_DETAILS_S, 0) * 1000), "findings",
			 d.findings);
	return true;
}

static bool rogue(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *allow = ops_allow(c, err);
	const char *device = stg_json_str(in, "device");
	if (!allow)
		return false;
	return *device ? judge_device(c, device, allow, ret, err) : judge_file(c, in, allow, ret, err);
}

/* ---- the list ---- */

static bool wrong(struct stg_error *err, const char *what)
{
	return stg_fail_id(err, STG_E_USAGE, STG_ID_ALLOW_WRONG, 0, "%s", what);
}

static bool host_ok(const char *text)
{
	const char *p = strncmp(text, "*.", 2) == 0 ? text + 2 : text;
	size_t n = strlen(p);
	return n >= 1 && n <= 253 && strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") == n && *p != '.' && p[n - 1] != '.' &&
	       (p == text || strchr(p, '.'));
}

static bool identifier_ok(const char *text)
{
	size_t n = strlen(text);
	if (n > 2 && strcmp(text + n - 2, ".*") == 0)
		n -= 2;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] <= ' ' || text[i] == '*')
			return false;
	return n >= 1 && n <= 255;
}

/* The file, or the fingerprint itself. */
static bool certificate(struct stg_op_ctx *c, const json_t *in, json_t *entry, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(CERTIFICATE_MAX), pem = STG_BUF(CERTIFICATE_MAX);
	const char *value = stg_json_str(in, "value"), *name = stg_json_str(in, "name");
	bool is_signer = strcmp(stg_json_str(entry, "kind"), "signer") == 0;
	char slug[61], hash[65];
	size_t n = 0;
	if (!c->n_fds) {
		for (const char *p = value; *p && n < 64; p++)
			if (*p != ':' && *p != ' ')
				hash[n++] = (char)tolower((unsigned char)*p);
		hash[n] = 0;
		if (is_signer || n != 64 || strspn(hash, "0123456789abcdef") != 64)
			return wrong(err, is_signer ? "signer FILE" : "certificate FILE, certificate SHA-256");
		stg_json_put(entry, "value", hash);
		return true;
	}
	if (!ops_file(c, 0, value, STG_ID_SIGNER_WRONG, &file, err))
		return false;
	if (memmem(file.data, file.len, "PRIVATE KEY-----", 16))
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_SIGNER_WRONG, 0, "%.120s: PRIVATE KEY", value);
	STG_AUTO(stg_json_free_at) json_t *cert = stg_certificate_json(stg_buf_view(&file), NULL);
	if (!cert || !stg_certificate_pem(stg_buf_view(&file), &pem, err))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_SIGNER_WRONG, 0, "%.120s", value);
	if (is_signer && stg_json_int(cert, "not_after_ms", 0) <= stg_wall_ms())
		return stg_fail_id(err, STG_E_INPUT, STG_ID_ENDED, 0, "%.120s", value);
	for (const char *p = *name ? name : stg_json_str(cert, "cn"); *p && n < sizeof(slug) - 1; p++)
		slug[n++] = isalnum((unsigned char)*p) || strchr("-_.", *p) ? *p : '-';
	slug[n] = 0;
	stg_json_put(entry, "value", is_signer ? (n ? slug : "signer") : stg_json_str(cert, "sha256"));
	stg_json_put(entry, "name", stg_json_str_or(cert, "cn", stg_json_str(cert, "subject")));
	stg_json_put(entry, "sha256", stg_json_str(cert, "sha256"));
	if (is_signer)
		stg_json_put(entry, "pem", stg_buf_str(&pem));
	return true;
}

static bool allow_add(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *entry = json_object();
	const char *kind = stg_json_str(in, "kind"), *value = stg_json_str(in, "value"), *note = stg_json_str(in, "note");
	bool is_host = strcmp(kind, "host") == 0, is_app = strcmp(kind, "app") == 0, is_profile = strcmp(kind, "profile") == 0;
	bool is_file = strcmp(kind, "certificate") == 0 || strcmp(kind, "signer") == 0;
	if (!stg_op_may(c, "admin", err) || (*stg_json_str(in, "second") && !stg_op_second(c, in, "admin", err)))
		return false;
	if (strlen(note) > NOTE_MAX)
		return wrong(err, "--note: <= 200");
	if (!is_host && !is_app && !is_profile && !is_file)
		return wrong(err, "host, certificate, signer, app, profile");
	if (is_host && !host_ok(value))
		return wrong(err, "host mdm.example.org, host '*.example.org'");
	if ((is_app || is_profile) && !identifier_ok(value))
		return wrong(err, is_app ? "app org.example.app" : "profile org.example.wifi, profile 'org.example.*'");
	stg_json_put(entry, "kind", kind);
	stg_json_put(entry, "value", value);
	if (is_file && !certificate(c, in, entry, err))
		return false;
	stg_json_put(entry, "note", note);
	stg_json_put(entry, "by", c->actor);
	stg_json_put_int(entry, "at_ms", stg_wall_ms());
	json_t *detail = json_copy(entry);
	json_object_del(detail, "pem");
	if (!ops_audit(c, "profile.allow", stg_json_str(entry, "value"), detail, err) || !ops_allow_put(c, entry, err))
		return false;
	json_object_del(entry, "pem");
	stg_json_put_int(entry, "v", 1);
	*ret = stg_steal(entry);
	return true;
}

static bool allow_remove(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *kind = stg_json_str(in, "kind"), *value = stg_json_str(in, "value");
	if (!stg_op_may(c, "admin", err) || !ops_allow_remove(c, kind, value, err) ||
	    !ops_audit(c, "profile.forbid", value, json_pack("{s:s}", "kind", kind), err))
		return false;
	*ret = json_pack("{s:i, s:s, s:s}", "v", 1, "kind", kind, "value", value);
	return true;
}

static bool allow_list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in;
	*ret = ops_allow_list(c, err);
	return *ret != NULL;
}

const struct stg_op stg_ops_rogue[] = {
	{ "profile.rogue", STG_OP_STORE, rogue },
	{ "profile.allow", STG_OP_STORE, allow_list },
	{ "profile.allow.add", STG_OP_STORE, allow_add },
	{ "profile.allow.remove", STG_OP_STORE, allow_remove },
	{ 0 },
};
