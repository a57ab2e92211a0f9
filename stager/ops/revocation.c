/*
 * revocation.c - what was revoked, told to others: the signed list, and a hand-over list for those who do not read one.
 *
 * For:    stager ca crl|handover; whoever revokes: it is told through the outbox in the same transaction.
 * Uses:   <stager/keys.h>, <stager/store.h>.
 * Called: through the table of operations; with the write connection, inside a transaction.
 * Thread: the store's.
 *
 *   ca.crl       {org, issuer: "" or one of the previous}; file  -> {number, entries, next_update_ms, sha256}; without a file "crl" in base64
 *   ca.handover  {all: bool}; file                               -> {rows: n, since_ms}; CSV: issuer, serial_hex, subject, device, revoked, reason,
 *                                                                   sha256, spki_sha256; what was not handed over before, or all
 *
 * A number of a list never comes twice, not even after a restore of an older state: it is the time in ms, or more.
 */
#include <stdio.h>
#include <stdlib.h>

#include <stager/clock.h>
#include <stager/csv.h>
#include <stager/error.h>

#include "_device.h"
#include "_revocation.h"
#include "_secretly.h"

#define SEALED_MAX (1u << 20)
#define CRL_MAX (64u << 20)
#define LIST_MAX (64u << 20)
#define CRL_DAYS 30
#define CRL_GOOD_MS (3600 * 1000LL)
#define CRL_TOLD_MAX (384u << 10)     /* a message is at most 1 MB (mdm-push 10) */
#define HANDED "revocations_handed_ms"

/* A key whose certificate was not installed in the end may be somewhere all the same; one that was renewed is still in use. */
static bool is_ended(const json_t *row)
{
	const char *status = stg_json_str(row, "status"), *reason = stg_json_str(row, "reason");
	return strcmp(status, "revoked") == 0 || (strcmp(status, "superseded") == 0 && strcmp(reason, "renewed") != 0);
}

/* Everything that ended, as stg_crl_make() wants it. */
static json_t *ended(struct stg_op_ctx *c, const char *issuer, int64_t after_ms, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *filter = json_object(), *out = json_array();
	stg_json_put(filter, "issuer", issuer);
	stg_json_put_int(filter, "changed_after_ms", after_ms);
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_certificates(c->store, filter, err);
	size_t i;
	json_t *row;
	if (!rows)
		return NULL;
	json_array_foreach(rows, i, row) {
		if (!is_ended(row))
			continue;
		if (strcmp(stg_json_str(row, "status"), "superseded") == 0)
			stg_json_put(row, "reason", "superseded");
		json_object_set(row, "revoked_ms", json_object_get(row, "changed_ms"));
		json_array_append(out, row);
	}
	return stg_steal(out);
}

static bool next_number(struct stg_op_ctx *c, const char *issuer, int64_t *ret, struct stg_error *err)
{
	char key[160], text[32];
	snprintf(key, sizeof(key), "crl_number:%.128s", issuer);
	STG_AUTO(stg_free_at) char *last = stg_store_get(c->store, key, err);
	if (!last)
		return false;
	int64_t number = strtoll(last, NULL, 10) + 1, now = stg_wall_ms();
	*ret = number > now ? number : now;
	snprintf(text, sizeof(text), "%lld", (long long)*ret);
	return stg_store_set(c->store, key, text, err);
}

static bool make(struct stg_op_ctx *c, const json_t *org, struct stg_bytes sealed, const char *issuer, const json_t *rows, int64_t *ret_number, struct stg_buf *ret_der,
		 char ret_hash[65], struct stg_error *err)
{
	if (!next_number(c, issuer, ret_number, err) || !stg_crl_make_of(c->keys, org, sealed, issuer, rows, *ret_number, ret_der, err))
		return false;
	stg_sha256_hex(stg_buf_view(ret_der), ret_hash);
	json_t *detail = json_pack("{s:I,s:I,s:s}", "number", (json_int_t)*ret_number, "entries", (json_int_t)json_array_size(rows), "sha256", ret_hash);
	return ops_audit(c, "ca.crl", stg_json_str(org, "name"), detail, err);
}

static bool crl(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX), der = STG_BUF(CRL_MAX), text = STG_BUF(CRL_MAX * 2);
	STG_AUTO(stg_json_free_at) json_t *org = ops_org(c, stg_json_str(in, "org"), &sealed, err), *out = json_object();
	if (!org || !stg_store_clock_ok(c->store, err))
		return false;
	const char *issuer = stg_json_str_or(in, "issuer", stg_json_str(org, "issuer"));
	STG_AUTO(stg_json_free_at) json_t *rows = ended(c, issuer, -1, err);
	char hash[65];
	int64_t number = 0;
	if (!rows || !make(c, org, stg_buf_view(&sealed), issuer, rows, &number, &der, hash, err))
		return false;
	if (c->n_fds && c->fds[0] >= 0) {
		if (!ops_write(c->fds[0], stg_buf_view(&der), err))
			return false;
	} else {
		if (!stg_base64(stg_buf_view(&der), &text, err))
			return false;
		stg_json_put_new(out, "crl", json_stringn(stg_buf_str(&text), text.len));
	}
	stg_json_put_int(out, "v", 1);
	stg_json_put_int(out, "number", number);
	stg_json_put_int(out, "entries", (int64_t)json_array_size(rows));
	stg_json_put_int(out, "next_update_ms", stg_wall_ms() + CRL_DAYS * 24LL * 3600 * 1000);
	stg_json_put(out, "sha256", hash);
	*ret = stg_steal(out);
	return true;
}

/* A value that begins like a formula is one to a spreadsheet: it gets a quote in front. */
static bool add_cell(struct stg_buf *out, const char *text, const char *after, struct stg_error *err)
{
	bool ok = stg_buf_add_str(out, strchr("=+-@\t\r", *text) && *text ? "\"'" : "\"", err);
	for (const char *p = text; ok && *p; p++)
		ok = stg_buf_add(out, p, 1, err) && (*p != '"' || stg_buf_add(out, p, 1, err));
	return ok && stg_buf_add_str(out, "\"", err) && stg_buf_add_str(out, after, err);
}

bool ops_crl_now(struct stg_op_ctx *c, const json_t *org, struct stg_bytes sealed, struct stg_buf *ret_der, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(CRL_MAX * 2);
	const char *issuer = stg_json_str(org, "issuer");
	char key[160], hash[65];
	int64_t now = stg_wall_ms(), number = 0;
	snprintf(key, sizeof(key), "crl_kept:%.128s", issuer);
	STG_AUTO(stg_free_at) char *kept_text = stg_store_get(c->store, key, err);
	STG_AUTO(stg_json_free_at) json_t *kept = kept_text && *kept_text ? json_loads(kept_text, 0, NULL) : json_object();
	int64_t made = stg_json_int(kept, "made_ms", 0);
	if (!kept_text)
		return false;
	STG_AUTO(stg_json_free_at) json_t *since = ended(c, issuer, made, err), *rows = NULL;
	if (!since)
		return false;
	if (made && now - made < CRL_GOOD_MS && now >= made && json_array_size(since) == 0)
		return stg_unbase64(stg_json_str(kept, "der"), ret_der, err);
	rows = ended(c, issuer, -1, err);
	if (!rows || !stg_store_clock_ok(c->store, err) || !make(c, org, sealed, issuer, rows, &number, ret_der, hash, err) ||
	    !stg_base64(stg_buf_view(ret_der), &text, err))
		return false;
	json_t *keep = json_object();
	stg_json_put_int(keep, "made_ms", now);
	stg_json_put(keep, "der", stg_buf_str(&text));
	char *dump = json_dumps(keep, JSON_COMPACT);
	bool ok = dump && stg_store_set(c->store, key, dump, err);
	free(dump);
	json_decref(keep);
	return ok;
}

/* ---- told through the outbox ---- */

static bool issued_by(const json_t *org, const char *issuer)
{
	const json_t *before = json_object_get(org, "previous");
	bool is = strcmp(stg_json_str(org, "issuer"), issuer) == 0;
	for (size_t i = 0; i < json_array_size(before); i++)
		is = is || strcmp(stg_json_str(json_array_get(before, i), "issuer"), issuer) == 0;
	return is;
}

/* The list itself, where it can be signed now and is not too long for a message; else only that there is one. */
static bool put_crl(struct stg_op_ctx *c, const char *issuer, json_t *part, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX), der = STG_BUF(CRL_MAX), text = STG_BUF(CRL_TOLD_MAX * 2);
	STG_AUTO(stg_json_free_at) json_t *orgs = stg_store_orgs(c->store, err), *out = json_object();
	const char *name = NULL;
	char hash[65], when[STG_TIME_TEXT];
	int64_t number = 0;
	struct stg_error why = { 0 };
	for (size_t i = 0; !name && i < json_array_size(orgs); i++)
		name = issued_by(json_array_get(orgs, i), issuer) ? stg_json_str(json_array_get(orgs, i), "name") : NULL;
	STG_AUTO(stg_json_free_at) json_t *org = name ? stg_store_org(c->store, name, &sealed, err) : NULL, *rows = org ? ended(c, issuer, -1, err) : NULL;
	if (!rows)
		return orgs && !name;
	/* a clock that runs behind, a token that is not there: what was revoked is told all the same */
	if (!stg_store_clock_ok(c->store, &why) || !make(c, org, stg_buf_view(&sealed), issuer, rows, &number, &der, hash, &why)) {
		stg_json_put_int(part, "crl_code", why.id);
		return true;
	}
	stg_time_text(stg_wall_ms() + CRL_DAYS * 24LL * 3600 * 1000, when);
	stg_json_put_int(out, "number", number);
	stg_json_put(out, "sha256", hash);
	stg_json_put_int(out, "entries", (int64_t)json_array_size(rows));
	stg_json_put(out, "next_update", when);
	if (der.len <= CRL_TOLD_MAX && stg_base64(stg_buf_view(&der), &text, NULL))
		stg_json_put(out, "der", stg_buf_str(&text));
	stg_json_put_new(part, "crl", json_incref(out));
	return true;
}

static bool tell(struct stg_op_ctx *c, const struct stg_identity *who, const char *issuer, const json_t *rows, int64_t *ret_queued, struct stg_error *err)
{
	static const char *const columns[] = { "serial_hex", "subject", "device_serial", "reason", "sha256", "spki_sha256" };
	STG_AUTO(stg_json_free_at) json_t *part = json_object(), *list = json_array();
	int64_t n = 0;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		json_t *one = json_object();
		char when[STG_TIME_TEXT];
		if (strcmp(stg_json_str(row, "issuer"), issuer) != 0) {
			json_decref(one);
			continue;
		}
		for (size_t k = 0; k < STG_ARRAY_LEN(columns); k++)
			stg_json_put(one, columns[k], stg_json_str(row, columns[k]));
		stg_time_text(stg_json_int(row, "changed_ms", 0), when);
		stg_json_put(one, "revoked", when);
		json_array_append_new(list, one);
	}
	stg_json_put(part, "issuer", issuer);
	stg_json_put_new(part, "certificates", json_incref(list));
	if (!put_crl(c, issuer, part, err) || !stg_store_tell_revoked(c->store, who, part, c->actor, &n, err))
		return false;
	*ret_queued += n;
	return true;
}

bool ops_tell_revoked(struct stg_op_ctx *c, const json_t *numbers, int64_t *ret_queued, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *groups = json_object();
	const char *device, *issuer;
	json_t *rows, *done;
	*ret_queued = 0;
	for (size_t i = 0; i < json_array_size(numbers); i++) {
		STG_AUTO(stg_json_free_at) json_t *filter = json_object();
		stg_json_put(filter, "serial_hex", json_string_value(json_array_get(numbers, i)));
		STG_AUTO(stg_json_free_at) json_t *found = stg_store_certificates(c->store, filter, err);
		const json_t *row = json_array_get(found, 0);
		if (!found)
			return false;
		const char *of = stg_json_str_or(row, "unit", stg_json_str(row, "device_serial"));
		if (!*of)
			continue;
		if (!json_object_get(groups, of))
			json_object_set_new(groups, of, json_array());
		json_array_extend(json_object_get(groups, of), found);
	}
	json_object_foreach(groups, device, rows) {
		struct stg_identity who = { 0 };
		bool is_known = false;
		STG_AUTO(stg_json_free_at) json_t *issuers = json_object();
		if (!ops_known(c, device, &who, &is_known, err))
			return false;
		for (size_t i = 0; is_known && i < json_array_size(rows); i++)
			json_object_set_new(issuers, stg_json_str(json_array_get(rows, i), "issuer"), json_true());
		json_object_foreach(issuers, issuer, done)
			if (done && !tell(c, &who, issuer, rows, ret_queued, err))
				return false;
	}
	return true;
}

static bool handover(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	static const char *const columns[] = { "issuer", "serial_hex", "subject", "device_serial", "revoked", "reason", "sha256", "spki_sha256" };
	STG_AUTO(stg_buf_clear) struct stg_buf list = STG_BUF(LIST_MAX);
	STG_AUTO(stg_free_at) char *handed = stg_store_get(c->store, HANDED, err);
	if (!handed || !stg_op_may(c, "technician", err))
		return false;
	int64_t since = stg_json_bool(in, "all", false) ? -1 : strtoll(*handed ? handed : "-1", NULL, 10), last = since;
	STG_AUTO(stg_json_free_at) json_t *rows = ended(c, "", since, err);
	size_t i, k;
	json_t *row;
	if (!rows)
		return false;
	for (k = 0; k < STG_ARRAY_LEN(columns); k++)
		if (!add_cell(&list, columns[k], k + 1 < STG_ARRAY_LEN(columns) ? "," : "\r\n", err))
			return false;
	json_array_foreach(rows, i, row) {
		char when[STG_TIME_TEXT];
		int64_t at = stg_json_int(row, "changed_ms", 0);
		last = at > last ? at : last;
		stg_time_text(at, when);
		stg_json_put(row, "revoked", when);
		for (k = 0; k < STG_ARRAY_LEN(columns); k++)
			if (!add_cell(&list, stg_json_str(row, columns[k]), k + 1 < STG_ARRAY_LEN(columns) ? "," : "\r\n", err))
				return false;
	}
	if (c->n_fds < 1 || c->fds[0] < 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "FILE");
	char text[32];
	snprintf(text, sizeof(text), "%lld", (long long)last);
	json_t *detail = json_pack("{s:I,s:I}", "rows", (json_int_t)json_array_size(rows), "since_ms", (json_int_t)since);
	if (!ops_audit(c, "ca.handover", "", detail, err) || (last > since && !stg_json_bool(in, "all", false) && !stg_store_set(c->store, HANDED, text, err)) ||
	    !ops_write(c->fds[0], stg_buf_view(&list), err))
		return false;
	*ret = json_pack("{s:i,s:I,s:I}", "v", 1, "rows", (json_int_t)json_array_size(rows), "since_ms", (json_int_t)(since < 0 ? 0 : since));
	return true;
}

const struct stg_op stg_ops_revocation[] = {
	{ "ca.crl", STG_OP_STORE, crl },
	{ "ca.handover", STG_OP_STORE, handover },
	{ 0 },
};
