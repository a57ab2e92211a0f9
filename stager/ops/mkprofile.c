/*
 * mkprofile.c - operations that make a profile, or put something around one.
 *
 * For:    stager profile build|wants|sign|verify|encrypt.
 * Uses:   <stager/payload.h>; <stager/blueprint.h> to find a part by its name as a blueprint would; the organisation's keys.
 * Called: through the table of operations.
 * Thread: the store's.
 *
 *   profile.build   {name, parts: [names], set: {}, serial, identifier, title, org, sign, keep, update and a descriptor, out and a descriptor}
 *                      -> {name, identifier, uuid, version, changed, open, payloads, findings, sha256, signed, kept?}; without `out` "profile" in base64
 *   profile.wants   {parts: [names]}                                           -> [{name, kind, where, otherwise, device, part}]
 *   profile.sign    {file, out, org}, two descriptors                          -> {file, out, signed_by}
 *   profile.verify  {file, ca}, one or two descriptors                         -> {file, signer, trust}
 *   profile.encrypt {file, out, to or serial, sign, org}, descriptors          -> {file, out, certificate: its number}
 */
#include <stdio.h>

#include <stager/blueprint.h>
#include <stager/error.h>
#include <stager/file.h>
#include <stager/payload.h>

#include "_device.h"
#include "_profile.h"
#include "_rules.h"
#include "_secretly.h"

#define FILE_MAX (4u << 20)
#define SEALED_MAX (1u << 20)
#define PARTS_MAX 32
#define SUFFIX ".mobileconfig"
#define OWN_IDENTIFIERS "io.stager."

/* ---- parts ---- */

struct parts {
	struct stg_profile_part one[PARTS_MAX];
	struct stg_buf bytes[PARTS_MAX];
	char path[PARTS_MAX][512];
	size_t n;
};

static void parts_clear(struct parts *p)
{
	for (size_t i = 0; i < PARTS_MAX; i++)
		stg_buf_clear(&p->bytes[i]);
}

static bool read_parts(struct stg_op_ctx *c, const json_t *in, struct parts *p, struct stg_error *err)
{
	const json_t *names = json_object_get(in, "parts");
	const char *only = stg_json_str(in, "name");
	size_t n = json_array_size(names);
	if (n > PARTS_MAX)
		return stg_fail(err, STG_E_USAGE, 0, "more than %d parts", PARTS_MAX);
	for (p->n = 0; p->n < (n ? n : 1); p->n++) {
		const char *name = n ? json_string_value(json_array_get(names, p->n)) : only;
		size_t i = p->n;
		p->bytes[i] = STG_BUF(FILE_MAX);
		if (!name || !ops_profile_name_ok(name, err) || !ops_profile_named(c->state_dir, name, &p->bytes[i], p->path[i], sizeof(p->path[i]), err))
			return name ? false : stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "NAME");
		p->one[i] = (struct stg_profile_part){ .name = p->path[i], .file = stg_buf_view(&p->bytes[i]) };
	}
	return true;
}

/* ---- where values come from ---- */

/* What the inventory knows of a device. */
static bool add_device(struct stg_op_ctx *c, const char *word, json_t *values, struct stg_identity *who, struct stg_profile_target *target, struct stg_error *err)
{
	bool is_known = false;
	if (!ops_known(c, word, who, &is_known, err))
		return false;
	if (!is_known)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_UNKNOWN_DEVICE, 0, "%.64s", word);
	STG_AUTO(stg_json_free_at) json_t *row = stg_store_device_json(c->store, who->family, who->unit, err);
	if (!row)
		return false;
	STG_AUTO(stg_json_free_at) json_t *of = stg_variables_of(who, stg_json_str(row, "batch"), json_object_get(row, "attributes"), NULL);
	json_object_update(values, of);
	if (*stg_json_str(row, "asset_tag"))
		stg_json_put(values, "asset_tag", stg_json_str(row, "asset_tag"));
	stg_copy(target->os, sizeof(target->os), who->os_version);
	return true;
}

/* Only a profile for one device holds secrets, and whoever reads the file reads them: an administrator's act. */
static bool add_secrets(struct stg_op_ctx *c, const struct parts *p, json_t *values, struct stg_error *err)
{
	bool used = false;
	size_t i;
	json_t *one;
	for (size_t k = 0; k < p->n; k++)
		used = used || stg_profile_uses(p->one[k].file, "secret.");
	if (!used)
		return true;
	STG_AUTO(stg_json_free_at) json_t *names = stg_op_may(c, "admin", err) ? stg_store_secrets(c->store, err) : NULL;
	json_array_foreach(names, i, one)
		if (!ops_secret_value(c, stg_json_str(one, "name"), values, err))
			return false;
	return names != NULL;
}

static bool add_set(const json_t *set, json_t *values, struct stg_error *err)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)set, key, value) {
		if (!json_is_string(value) && !json_is_integer(value) && !json_is_boolean(value) && !(json_is_object(value) && *stg_json_str(value, "data")))
			return stg_fail_id(err, STG_E_USAGE, STG_ID_PROFILE_VALUE, 0, "%.60s: a text, a number, true or false was expected", key);
		json_object_set(values, key, value);
	}
	return true;
}

/* ---- build ---- */

/* What it updates: the file that was given, else the one that is kept under its name. */
static bool read_before(struct stg_op_ctx *c, const json_t *in, const char *kept, struct stg_buf *ret, struct stg_error *err)
{
	struct stg_error why = { 0 };
	if (*stg_json_str(in, "update"))
		return ops_fd_file(stg_op_fd(c, in, "update", SIZE_MAX), stg_json_str(in, "update"), STG_ID_PROFILE_TOO_LARGE, ret, err);
	if (!*kept || stg_file_read(kept, ret, &why) || why.code == STG_E_NOT_FOUND)
		return true;
	return stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, why.origin, "%.150s", why.msg);
}

static bool keep(struct stg_op_ctx *c, const char *path, struct stg_bytes bytes, struct stg_error *err)
{
	char folder[1024];
	snprintf(folder, sizeof(folder), "%s/profiles", c->state_dir);
	return (stg_folder_make(folder, 0700, err) && stg_file_write(path, bytes, 0600, err)) || stg_say(err, STG_ID_DISK_REFUSES);
}

static bool build_identifier(const json_t *in, size_t n_parts, char ret[160], struct stg_error *err)
{
	const char *given = stg_json_str(in, "identifier");
	ret[0] = 0;
	if (*given && (strlen(given) >= 160 || strspn(given, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") != strlen(given)))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_PROFILE_NAME_WRONG, 0, "--identifier: such as org.example.wifi");
	if (*given)
		snprintf(ret, 160, "%s", given);
	else if (n_parts > 1)
		snprintf(ret, 160, OWN_IDENTIFIERS "%s", stg_json_str(in, "name"));
	return true;
}

static bool build(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(parts_clear) struct parts parts = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX), before = STG_BUF(FILE_MAX), cms = STG_BUF(FILE_MAX);
	STG_AUTO(stg_json_free_at) json_t *values = json_object(), *about = NULL, *org = NULL;
	STG_AUTO(stg_payload_clear) struct stg_payload made = { 0 };
	STG_AUTO(stg_profile_rules_free_at) struct stg_profile_rules *own = ops_profile_rules(c->state_dir);
	struct stg_profile_target target = { .supervised = -1 };
	struct stg_identity who = { 0 };
	const char *name = stg_json_str(in, "name"), *serial = stg_json_str(in, "serial"), *title = stg_json_str(in, "title");
	bool keeps = stg_json_bool(in, "keep", false), signs = stg_json_bool(in, "sign", false);
	char identifier[160], kept[1024] = "";
	if (!stg_op_may(c, "technician", err) || !ops_profile_name_ok(name, err) || !read_parts(c, in, &parts, err) || !build_identifier(in, parts.n, identifier, err))
		return false;
	/* what is kept is filled in for each device later: nothing of one device, and no secret, lies in the folder */
	if (keeps && (*serial || signs))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "--keep: neither --serial nor --sign goes with it");
	if (keeps)
		snprintf(kept, sizeof(kept), "%s/profiles/%s" SUFFIX, c->state_dir, name);
	struct stg_error none = { 0 };
	org = ops_org(c, stg_json_str(in, "org"), &sealed, &none);
	if (!org && (signs || *stg_json_str(in, "org")))
		return *err = none, false;
	if ((org && !stg_org_values(org, values, err)) || (*serial && (!add_device(c, serial, values, &who, &target, err) || !add_secrets(c, &parts, values, err))) ||
	    !add_set(json_object_get(in, "set"), values, err) || !read_before(c, in, kept, &before, err))
		return false;
	const struct stg_profile_plan plan = {
		.name = name, .identifier = *identifier ? identifier : NULL, .display_name = *title ? title : parts.n > 1 ? name : NULL, .values = values,
		.unit = who.unit, .before = stg_buf_view(&before), .rules = own, .target = &target,
	};
	if (!stg_profile_build(&plan, parts.one, parts.n, &made, &about, err))
		return false;
	struct stg_bytes out = stg_buf_view(&made.bytes);
	if (signs && json_array_size(json_object_get(about, "open")))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_OPEN, 0, "{{%s}}", json_string_value(json_array_get(json_object_get(about, "open"), 0)));
	if (signs && !stg_org_sign_profile(c->keys, org, stg_buf_view(&sealed), out, &cms, err))
		return false;
	out = signs ? stg_buf_view(&cms) : out;
	stg_json_put_int(about, "v", 1);
	stg_json_put(about, "name", name);
	stg_json_put_bool(about, "signed", signs);
	if (keeps)
		stg_json_put(about, "kept", kept);
	json_t *detail = json_pack("{s:s,s:I,s:s,s:b}", "sha256", made.sha256, "version", (json_int_t)stg_json_int(about, "version", 1), "serial", serial, "signed", signs);
	if (!ops_audit(c, "profile.build", name, detail, err) || (keeps && !keep(c, kept, out, err)) ||
	    !ops_deliver(c, in, "out", about, "profile", out, err))
		return false;
	*ret = stg_steal(about);
	return true;
}

static bool wants(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(parts_clear) struct parts parts = { 0 };
	STG_AUTO(stg_profile_rules_free_at) struct stg_profile_rules *own = ops_profile_rules(c->state_dir);
	STG_AUTO(stg_json_free_at) json_t *all = json_array();
	size_t i;
	json_t *one;
	if (!read_parts(c, in, &parts, err))
		return false;
	for (size_t k = 0; k < parts.n; k++) {
		STG_AUTO(stg_json_free_at) json_t *list = stg_profile_wants(parts.one[k].name, parts.one[k].file, own, err);
		if (!list)
			return false;
		json_array_foreach(list, i, one) {
			json_object_set(one, "part", json_array_get(json_object_get(in, "parts"), k));
			json_array_append(all, one);
		}
	}
	*ret = stg_steal(all);
	return true;
}

/* ---- around one ---- */

static bool sign_into(struct stg_op_ctx *c, const json_t *in, struct stg_bytes profile, struct stg_buf *ret, json_t **ret_org, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX);
	*ret_org = ops_org(c, stg_json_str(in, "org"), &sealed, err);
	return *ret_org && stg_org_sign_profile(c->keys, *ret_org, stg_buf_view(&sealed), profile, ret, err);
}

static bool given_file(struct stg_op_ctx *c, const json_t *in, const char *key, struct stg_buf *ret, struct stg_error *err)
{
	if (!*stg_json_str(in, key))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "FILE");
	return ops_fd_file(stg_op_fd(c, in, key, SIZE_MAX), stg_json_str(in, key), STG_ID_PROFILE_TOO_LARGE, ret, err);
}

static bool sign(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(FILE_MAX), cms = STG_BUF(FILE_MAX);
	STG_AUTO(stg_json_free_at) json_t *org = NULL, *out = json_object();
	STG_AUTO(stg_profile_rules_free_at) struct stg_profile_rules *own = ops_profile_rules(c->state_dir);
	char hash[65];
	if (!stg_op_may(c, "technician", err) || !given_file(c, in, "file", &file, err) ||
	    !stg_profile_finished(stg_json_str(in, "file"), stg_buf_view(&file), own, err) || !sign_into(c, in, stg_buf_view(&file), &cms, &org, err))
		return false;
	stg_sha256_hex(stg_buf_view(&file), hash);
	stg_json_put_int(out, "v", 1);
	stg_json_put(out, "file", stg_json_str(in, "file"));
	stg_json_put(out, "out", stg_json_str(in, "out"));
	stg_json_put(out, "signed_by", stg_json_str(org, "name"));
	if (!ops_audit(c, "profile.sign", hash, json_pack("{s:s}", "organisation", stg_json_str(org, "name")), err) ||
	    !ops_deliver(c, in, "out", out, "profile", stg_buf_view(&cms), err))
		return false;
	*ret = stg_steal(out);
	return true;
}

static bool verify(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(FILE_MAX), ca = STG_BUF(64u << 10);
	STG_AUTO(stg_json_free_at) json_t *anchors = ops_profile_signers(c), *out = json_object();
	const char *name = stg_json_str(in, "file");
	if (!given_file(c, in, "file", &file, err) || (*stg_json_str(in, "ca") && !given_file(c, in, "ca", &ca, err)))
		return false;
	if (ca.len) {
		json_array_clear(anchors);
		json_array_append_new(anchors, json_stringn(stg_buf_str(&ca), strlen(stg_buf_str(&ca))));
	}
	STG_AUTO(stg_json_free_at) json_t *signer = stg_profile_signer(name, stg_buf_view(&file), anchors, err);
	if (!signer)
		return false;
	if (strcmp(stg_json_str(signer, "trust"), "trusted") != 0)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_SIGNER, 0, "%.100s: %s, of %s: %s", name, stg_json_str(signer, "name"), stg_json_str(signer, "issuer"),
				   stg_json_str(signer, "trust"));
	stg_json_put_int(out, "v", 1);
	stg_json_put(out, "file", name);
	stg_json_put(out, "trust", "trusted");
	json_object_set(out, "signer", signer);
	*ret = stg_steal(out);
	return true;
}

/* The newest certificate of a device that can open what is encrypted to it. */
static bool certificate_of(struct stg_op_ctx *c, const char *serial, struct stg_buf *ret, char number[64], struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *filter = json_object();
	struct stg_error why = { 0 };
	stg_json_put(filter, "device_serial", serial);
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_certificates(c->store, filter, err);
	if (!rows)
		return false;
	for (size_t i = json_array_size(rows); i-- > 0;) {
		const json_t *row = json_array_get(rows, i);
		const char *status = stg_json_str(row, "status"), *pem = stg_json_str(row, "pem");
		STG_AUTO(stg_buf_clear) struct stg_buf tried = STG_BUF(FILE_MAX);
		if ((strcmp(status, "installed") != 0 && strcmp(status, "issued") != 0) || !stg_cms_encrypt(stg_bytes_str("?"), stg_bytes_str(pem), &tried, &why))
			continue;
		stg_copy(number, 64, stg_json_str(row, "serial_hex"));
		return stg_buf_add_str(ret, pem, err);
	}
	return stg_fail_id(err, STG_E_INPUT, STG_ID_RECIPIENT, 0, "%.64s%s%s", serial, why.msg[0] ? ": " : ": it has none of this station", why.msg);
}

static bool encrypt(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(FILE_MAX), to = STG_BUF(64u << 10), made = STG_BUF(FILE_MAX), cms = STG_BUF(FILE_MAX);
	STG_AUTO(stg_json_free_at) json_t *org = NULL, *out = json_object();
	const char *serial = stg_json_str(in, "serial");
	bool signs = stg_json_bool(in, "sign", false);
	char number[64] = "", hash[65];
	if (!stg_op_may(c, "technician", err) || !given_file(c, in, "file", &file, err))
		return false;
	if (!*serial == !*stg_json_str(in, "to"))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "--serial S or --to CERTIFICATE, one of them");
	if (*serial ? !certificate_of(c, serial, &to, number, err) : !given_file(c, in, "to", &to, err))
		return false;
	if (!stg_profile_encrypt(stg_json_str(in, "file"), stg_buf_view(&file), stg_buf_view(&to), &made, err) ||
	    (signs && !sign_into(c, in, stg_buf_view(&made), &cms, &org, err)))
		return false;
	stg_sha256_hex(stg_buf_view(&file), hash);
	stg_json_put_int(out, "v", 1);
	stg_json_put(out, "file", stg_json_str(in, "file"));
	stg_json_put(out, "out", stg_json_str(in, "out"));
	stg_json_put(out, "certificate", number);
	stg_json_put_bool(out, "signed", signs);
	if (!ops_audit(c, "profile.encrypt", hash, json_pack("{s:s,s:s}", "serial", serial, "certificate", number), err) ||
	    !ops_deliver(c, in, "out", out, "profile", stg_buf_view(signs ? &cms : &made), err))
		return false;
	*ret = stg_steal(out);
	return true;
}

const struct stg_op stg_ops_mkprofile[] = {
	{ "profile.build", STG_OP_STORE, build },
	{ "profile.wants", STG_OP_STORE, wants },
	{ "profile.sign", STG_OP_STORE, sign },
	{ "profile.verify", STG_OP_STORE, verify },
	{ "profile.encrypt", STG_OP_STORE, encrypt },
	{ 0 },
};
