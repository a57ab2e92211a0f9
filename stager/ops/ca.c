/*
 * ca.c - operations on the certificates this station has issued.
 *
 * For:    stager ca list|issue|revoke|crl.
 * Uses:   <stager/ca.h>, <stager/keys.h>, <stager/store.h>.
 * Called: through the table of operations; with the write connection, inside a transaction.
 * Thread: the store's.
 *
 *   ca.list    {unit, serial, status, expires_before_ms}                     -> [certificate row without its PEM]
 *   ca.issue   {serial, org, template, set, common_name, san, key, days, modern}; file -> {certificate, password}
 *   ca.revoke  {serial: of a device or of a certificate, reason}             -> {revoked: [serial_hex]}
 *   ca.crl     {org}; file                                                   -> {number, entries, next_update_ms, sha256}
 *
 * Without a file the answer holds the bytes ("p12", "crl", base64). Nobody keeps a leaf's key or its password.
 */
#include <stdio.h>

#include <stager/ca.h>
#include <stager/clock.h>
#include <stager/error.h>

#include "_secretly.h"

#define SEALED_MAX (1u << 20)
#define CRL_MAX (16u << 20)
#define CRL_DAYS 30

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *filter = json_object();
	stg_json_put(filter, "unit", stg_json_str(in, "unit"));
	stg_json_put(filter, "device_serial", stg_json_str(in, "serial"));
	stg_json_put(filter, "status", stg_json_str(in, "status"));
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_certificates(c->store, filter, err);
	int64_t before = stg_json_int(in, "expires_before_ms", INT64_MAX);
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
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(CRL_MAX * 2);
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
	*ret = json_pack("{s:i,s:O}", "v", 1, "revoked", done);
	return true;
}

static bool crl(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX), der = STG_BUF(CRL_MAX);
	STG_AUTO(stg_json_free_at) json_t *org = ops_org(c, stg_json_str(in, "org"), &sealed, err);
	STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:s}", "status", "revoked");
	STG_AUTO(stg_json_free_at) json_t *rows = org && stg_store_clock_ok(c->store, err) ? stg_store_certificates(c->store, filter, err) : NULL;
	STG_AUTO(stg_json_free_at) json_t *ours = json_array(), *out = json_object();
	char sequence[160], hash[65];
	int64_t number = 0;
	if (!rows)
		return false;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		json_t *row = json_array_get(rows, i);
		if (strcmp(stg_json_str(row, "issuer"), stg_json_str(org, "issuer")) != 0)
			continue;
		json_object_set(row, "revoked_ms", json_object_get(row, "changed_ms"));
		json_array_append(ours, row);
	}
	snprintf(sequence, sizeof(sequence), "crl:%s", stg_json_str(org, "issuer"));
	if (!stg_store_next(c->store, sequence, &number, err) || !stg_crl_make(c->keys, org, stg_buf_view(&sealed), ours, number, &der, err))
		return false;
	stg_sha256_hex(stg_buf_view(&der), hash);
	json_t *detail = json_pack("{s:I,s:I,s:s}", "number", (json_int_t)number, "entries", (json_int_t)json_array_size(ours), "sha256", hash);
	if (!ops_audit(c, "ca.crl", stg_json_str(org, "name"), detail, err) || !deliver(c, out, "crl", stg_buf_view(&der), err))
		return false;
	stg_json_put_int(out, "v", 1);
	stg_json_put_int(out, "number", number);
	stg_json_put_int(out, "entries", (int64_t)json_array_size(ours));
	stg_json_put_int(out, "next_update_ms", stg_wall_ms() + CRL_DAYS * 24LL * 3600 * 1000);
	stg_json_put(out, "sha256", hash);
	*ret = stg_steal(out);
	return true;
}

const struct stg_op stg_ops_ca[] = {
	{ "ca.list", STG_OP_STORE, list },
	{ "ca.issue", STG_OP_STORE, issue },
	{ "ca.revoke", STG_OP_STORE, revoke_all },
	{ "ca.crl", STG_OP_STORE, crl },
	{ 0 },
};
