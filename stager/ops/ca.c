/*
 * ca.c - operations on the certificates this station has issued.
 *
 * For:    stager ca list|find|show|issue|revoke|template.
 * Uses:   <stager/ca.h>, <stager/keys.h>, <stager/store.h>.
 * Called: through the table of operations; with the write connection, inside a transaction.
 * Thread: the store's.
 *
 *   ca.list    {unit, serial, status, expires_before_ms}                     -> [certificate row without its PEM]
 *   ca.issue   {serial, org, template, set, common_name, san, key, days, modern, chain}; file -> {certificate, password}
 *   ca.revoke  {serial: of a device or of a certificate, reason}             -> {revoked: [serial_hex], queued: messages}
 *   ca.find    {words}                                                       -> the same, words anywhere
 *   ca.show    {certificate: number or fingerprint}                          -> its row; without it {org} -> the CA in words
 *   ca.templates, ca.template_show {name}, ca.template_set {name, cn, san, ...}, ca.template_remove {name}
 *
 * Lists of what was revoked: revocation.c. Another CA: authority.c. Without a file the answer holds the bytes ("p12", base64). Nobody keeps a leaf's key or its password.
 */
#include <stager/ca.h>
#include <stager/clock.h>
#include <stager/error.h>

#include "_revocation.h"
#include "_secretly.h"

#define SEALED_MAX (1u << 20)
#define P12_MAX (64u << 10)

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *filter = json_object();
	stg_json_put(filter, "unit", stg_json_str(in, "unit"));
	stg_json_put(filter, "device_serial", stg_json_str(in, "serial"));
	stg_json_put(filter, "status", stg_json_str(in, "status"));
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_certificates(c->store, filter, err);
	int64_t before = stg_json_int(in, "expires_before_ms", INT64_MAX);
	if (stg_json_int(in, "expires_in", 0))
		before = stg_wall_ms() + stg_json_int(in, "expires_in", 0) * 24LL * 3600 * 1000;
	if (!rows)
		return false;
	*ret = json_array();
	for (size_t i = 0; i < json_array_size(rows); i++) {
		json_t *row = json_array_get(rows, i);
		if (stg_json_int(row, "not_after_ms", 0) >= before)
			continue;
		json_object_del(row, "pem");
		json_array_append(*ret, row);
	}
	return true;
}

/* To the file the person opened, else into the answer. */
static bool deliver(struct stg_op_ctx *c, json_t *out, const char *key, struct stg_bytes bytes, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(P12_MAX * 2);
	if (c->n_fds == 0 || c->fds[0] < 0) {
		if (!stg_base64(bytes, &text, err))
			return false;
		stg_json_put_new(out, key, json_stringn(stg_buf_str(&text), text.len));
		return true;
	}
	return ops_write(c->fds[0], bytes, err);
}

static bool issue(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX);
	STG_AUTO(stg_secret_clear) struct stg_secret p12 = { 0 }, password = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = NULL, *out = json_object();
	const char *serial = stg_json_str(in, "serial");
	if (!*serial)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "SERIAL");
	STG_AUTO(stg_json_free_at) json_t *org = ops_org(c, stg_json_str(in, "org"), &sealed, err);
	struct stg_leaf_ask instead = {
		.common_name = stg_json_str(in, "common_name"),
		.san = json_object_get(in, "san"),
		.key_type = stg_json_str(in, "key"),
		.days = stg_json_int(in, "days", 0),
		.modern_p12 = stg_json_bool(in, "modern", false),
		.with_chain = stg_json_bool(in, "chain", false),
	};
	struct stg_ca_for whom = { .serial = serial, .template_name = stg_json_str(in, "template"), .values = json_object_get(in, "set"), .actor = c->actor };
	if (!org || !stg_ca_issue(c->store, c->keys, org, stg_buf_view(&sealed), &whom, &instead, &p12, &password, &row, err) ||
	    !deliver(c, out, "p12", stg_secret_reveal(&p12), err))
		return false;
	stg_json_put_int(out, "v", 1);
	stg_json_put_new(out, "certificate", json_incref(row));
	stg_json_put_new(out, "password", json_stringn((const char *)stg_secret_reveal(&password).data, stg_secret_reveal(&password).len));
	*ret = stg_steal(out);
	return true;
}

static bool is_reason(const char *reason, struct stg_error *err)
{
	static const char *const reasons[] = { "unspecified", "key_compromise", "affiliation_changed", "superseded", "cessation", "privilege_withdrawn" };
	for (size_t i = 0; i < STG_ARRAY_LEN(reasons); i++)
		if (strcmp(reasons[i], reason) == 0)
			return true;
	return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0,
			   "%.40s: unspecified, key_compromise, affiliation_changed, superseded, cessation, privilege_withdrawn", reason);
}

static bool revoke_all(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *serial = stg_json_str(in, "serial"), *reason = stg_json_str_or(in, "reason", "unspecified");
	if (!*serial)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "SERIAL");
	if (!is_reason(reason, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *done = json_array();
	STG_AUTO(stg_json_free_at) json_t *of_device = json_pack("{s:s}", "device_serial", serial), *of_number = json_pack("{s:s}", "serial_hex", serial);
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_certificates(c->store, of_device, err);
	if (rows && json_array_size(rows) == 0) {
		json_decref(rows);
		rows = stg_store_certificates(c->store, of_number, err);
	}
	if (!rows)
		return false;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *one = stg_json_str(row, "serial_hex");
		if (strcmp(stg_json_str(row, "status"), "revoked") == 0)
			continue;
		json_t *detail = json_pack("{s:s,s:s}", "reason", reason, "device_serial", stg_json_str(row, "device_serial"));
		if (!stg_store_certificate_status(c->store, one, "revoked", reason, err) || !ops_audit(c, "ca.revoke", one, detail, err))
			return false;
		json_array_append_new(done, json_string(one));
	}
	if (json_array_size(rows) == 0)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_CERTIFICATE_UNKNOWN, 0, "%.64s", serial);
	int64_t queued = 0;
	if (!ops_tell_revoked(c, done, &queued, err))
		return false;
	*ret = json_pack("{s:i,s:O,s:I}", "v", 1, "revoked", done, "queued", (json_int_t)queued);
	return true;
}

static bool find(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *words = stg_json_str(in, "words");
	STG_AUTO(stg_json_free_at) json_t *filter = json_object();
	if (!*words)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "TEXT");
	stg_json_put(filter, "words", words);
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_certificates(c->store, filter, err);
	size_t i;
	json_t *row;
	if (!rows)
		return false;
	json_array_foreach(rows, i, row)
		json_object_del(row, "pem");
	*ret = stg_steal(rows);
	return true;
}

static void put_certificate(json_t *j, const char *key, const char *pem)
{
	json_t *cert = *pem ? stg_certificate_json(stg_bytes_str(pem), NULL) : NULL;
	if (cert)
		stg_json_put_new(j, key, cert);
}

/* One certificate, by its number or its fingerprint. */
static bool show_one(struct stg_op_ctx *c, const char *word, json_t **ret, struct stg_error *err)
{
	static const char *const keys[] = { "serial_hex", "sha256" };
	for (size_t i = 0; i < STG_ARRAY_LEN(keys); i++) {
		STG_AUTO(stg_json_free_at) json_t *filter = json_object();
		stg_json_put(filter, keys[i], word);
		STG_AUTO(stg_json_free_at) json_t *rows = stg_store_certificates(c->store, filter, err);
		if (!rows)
			return false;
		if (json_array_size(rows) == 0)
			continue;
		*ret = json_incref(json_array_get(rows, 0));
		put_certificate(*ret, "certificate", stg_json_str(*ret, "pem"));
		stg_json_put_int(*ret, "v", 1);
		return true;
	}
	return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_CERTIFICATE_UNKNOWN, 0, "%.64s", word);
}

static bool counts(struct stg_op_ctx *c, const char *issuer, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *filter = json_object();
	stg_json_put(filter, "issuer", issuer);
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_certificates(c->store, filter, err);
	size_t i;
	json_t *row;
	if (!rows)
		return false;
	*ret = json_object();
	json_array_foreach(rows, i, row) {
		const char *status = stg_json_str(row, "status");
		stg_json_put_int(*ret, status, stg_json_int(*ret, status, 0) + 1);
	}
	return true;
}

/* The CA of an organisation: who signs, where the keys are, what was issued. */
static bool show(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	if (*stg_json_str(in, "certificate"))
		return show_one(c, stg_json_str(in, "certificate"), ret, err);
	STG_AUTO(stg_json_free_at) json_t *org = ops_org(c, stg_json_str(in, "org"), NULL, err), *issued = NULL, *previous = json_array(), *out = json_object();
	const json_t *was;
	size_t i;
	if (!org || !counts(c, stg_json_str(org, "issuer"), &issued, err))
		return false;
	stg_json_put_int(out, "v", 1);
	stg_json_put(out, "organisation", stg_json_str(org, "name"));
	stg_json_put(out, "issuer", stg_json_str(org, "issuer"));
	put_certificate(out, "root", stg_json_str(org, "root_pem"));
	stg_json_put(out, "root_key", stg_json_str(org, "root_key"));
	put_certificate(out, "issuing", stg_json_str(org, "issuing_pem"));
	stg_json_put(out, "issuing_key", *stg_json_str(org, "issuing_uri") ? stg_json_str(org, "issuing_uri") : "sealed file");
	put_certificate(out, "ra", stg_json_str(org, "ra_pem"));
	stg_json_put(out, "crl_url", stg_json_str(org, "crl_url"));
	stg_json_put_new(out, "certificates", json_incref(issued));
	if (json_object_get(org, "pending"))
		json_object_set(out, "pending", json_object_get(org, "pending"));
	json_array_foreach(json_object_get(org, "previous"), i, was) {
		json_t *one = json_object();
		stg_json_put(one, "issuer", stg_json_str(was, "issuer"));
		put_certificate(one, "issuing", stg_json_str(was, "issuing_pem"));
		json_array_append_new(previous, one);
	}
	if (json_array_size(previous))
		stg_json_put_new(out, "previous", json_incref(previous));
	*ret = stg_steal(out);
	return true;
}

static bool templates(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in;
	return (*ret = stg_ca_templates(c->store, err)) != NULL;
}

static bool template_show(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	return (*ret = stg_ca_template(c->store, stg_json_str(in, "name"), err)) != NULL;
}

static bool template_set(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name");
	STG_AUTO(stg_json_free_at) json_t *t = json_copy((json_t *)(uintptr_t)in);
	if (!stg_op_may(c, "admin", err) || !stg_ca_template_put(c->store, name, t, err) || !ops_audit(c, "ca.template", name, NULL, err))
		return false;
	return (*ret = stg_ca_template(c->store, name, err)) != NULL;
}

static bool template_remove(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name");
	if (!stg_op_may(c, "admin", err) || !stg_ca_template_put(c->store, name, NULL, err) || !ops_audit(c, "ca.template_remove", name, NULL, err))
		return false;
	*ret = json_pack("{s:i,s:s}", "v", 1, "removed", name);
	return true;
}

const struct stg_op stg_ops_ca[] = {
	{ "ca.list", STG_OP_STORE, list },
	{ "ca.find", STG_OP_STORE, find },
	{ "ca.show", STG_OP_STORE, show },
	{ "ca.issue", STG_OP_STORE, issue },
	{ "ca.revoke", STG_OP_STORE, revoke_all },
	{ "ca.templates", STG_OP_STORE, templates },
	{ "ca.template_show", STG_OP_STORE, template_show },
	{ "ca.template_set", STG_OP_STORE, template_set },
	{ "ca.template_remove", STG_OP_STORE, template_remove },
	{ 0 },
};
