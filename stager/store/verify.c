/*
 * verify.c - is the audit log what it was? Written apart from the writer: it shares no function with audit.c.
 *
 * For:    `stager audit verify`.
 * Uses:   OpenSSL digests and Ed25519 directly; jansson's own canonical writer to see that a body is one.
 * Called: stager/ops.
 * Thread: the one that has the store.
 *
 * Four questions: do the rows follow one another without a gap; does every hash fit its body and the hash before; does
 * every checkpoint carry our signature over a head that the chain really had; does the chain end where the sealed
 * head says it ends (a tail cut off together with its checkpoints).
 */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "db.h"

static bool bad(struct stg_error *err, int64_t row, const char *what)
{
	return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_AUDIT_BROKEN, (int)row, "audit row %lld: %s", (long long)row, what);
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool from_hex(const char *hex, uint8_t *ret, size_t len)
{
	if (strlen(hex) != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool next_hash(const uint8_t before[32], const char *body, size_t len, uint8_t ret[32])
{
	uint8_t head[1 + 32 + 8] = { 1 };
	unsigned int got = 0;
	memcpy(head + 1, before, 32);
	for (size_t i = 0; i < 8; i++)
		head[33 + i] = (uint8_t)((uint64_t)len >> 8 * (7 - i));
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1 && EVP_DigestUpdate(c, head, sizeof(head)) == 1 &&
		  EVP_DigestUpdate(c, body, len) == 1 && EVP_DigestFinal_ex(c, ret, &got) == 1 && got == 32;
	EVP_MD_CTX_free(c);
	return ok;
}

/* The body must be its own canonical form and name its own place. */
static bool body_is_sound(const char *body, int64_t seq, const char *prev_hex)
{
	json_error_t why;
	json_t *j = json_loads(body, JSON_REJECT_DUPLICATES, &why);
	char *again = j ? json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	bool ok = again && strcmp(again, body) == 0 && json_integer_value(json_object_get(j, "seq")) == seq &&
		  json_is_string(json_object_get(j, "prev")) && strcmp(json_string_value(json_object_get(j, "prev")), prev_hex) == 0;
	free(again);
	json_decref(j);
	return ok;
}

struct point {
	int64_t seq;
	char hash[65];
};

/* "origin\nrows\nhead\ntime\n" and a signature over exactly that. */
static bool checkpoint_is_ours(EVP_PKEY *key, const char *note, const char *signature_hex, struct point *ret)
{
	uint8_t signature[64];
	long long rows = 0;
	char hash[65] = "";
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c && from_hex(signature_hex, signature, sizeof(signature)) && EVP_DigestVerifyInit(c, NULL, NULL, NULL, key) == 1 &&
		  EVP_DigestVerify(c, signature, sizeof(signature), (const uint8_t *)note, strlen(note)) == 1 &&
		  sscanf(note, "%*[^\n]\n%lld\n%64[0-9a-f]\n", &rows, hash) == 2;
	EVP_MD_CTX_free(c);
	ret->seq = rows;
	memcpy(ret->hash, hash, sizeof(hash));
	return ok;
}

static bool keyed(struct stg_store *s, const char *text, uint8_t ret[32])
{
	struct stg_bytes key = stg_secret_reveal(&s->mac_key);
	unsigned int len = 0;
	return HMAC(EVP_sha256(), key.data, (int)key.len, (const uint8_t *)text, strlen(text), ret, &len) && len == 32;
}

static EVP_PKEY *public_half(struct stg_store *s)
{
	uint8_t seed[32];
	EVP_PKEY *key = keyed(s, "stager audit checkpoint ed25519/1", seed) ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed)) : NULL;
	explicit_bzero(seed, sizeof(seed));
	return key;
}

static bool head_fits(struct stg_store *s, int64_t rows, const char *hash, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf kept = STG_BUF(1024);
	if (!meta_get(s, "audit_head", &kept, err))
		return false;
	if (kept.len == 0)
		return rows == 0 || bad(err, rows, "the sealed end of the log is missing");
	json_error_t why;
	STG_AUTO(stg_json_free_at) json_t *head = json_loads(stg_buf_str(&kept), 0, &why);
	char text[256], hex[65];
	uint8_t mac[32];
	if (!head)
		return bad(err, rows, "the sealed end of the log does not read");
	snprintf(text, sizeof(text), "audit head\n{\"hash\":\"%s\",\"seq\":%lld}", stg_json_str(head, "hash"), (long long)stg_json_int(head, "seq", -1));
	if (!keyed(s, text, mac))
		return stg_fail(err, STG_E_BUG, 0, "HMAC failed");
	stg_hex(stg_bytes(mac, sizeof(mac)), hex);
	if (strcmp(hex, stg_json_str(head, "mac")) != 0)
		return bad(err, rows, "the sealed end of the log was changed");
	if (stg_json_int(head, "seq", -1) != rows || strcmp(stg_json_str(head, "hash"), hash) != 0)
		return bad(err, rows + 1, "rows are missing at the end");
	return true;
}

bool stg_store_audit_verify(struct stg_store *s, int64_t *ret_rows, struct stg_error *err)
{
	uint8_t before[32] = { 0 }, now[32];
	char before_hex[65], stored[65];
	int64_t rows = 0;
	if (!s->has_mac)
		return stg_fail(err, STG_E_BUG, 0, "the key of the row MACs was not set");
	EVP_PKEY *key = public_half(s);
	if (!key)
		return stg_fail(err, STG_E_BUG, 0, "no checkpoint key");
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT seq, body, hash FROM audit ORDER BY seq");
	STG_AUTO(stmt_close) struct stmt p = stmt_open(s, "SELECT seq, note, signature FROM checkpoint ORDER BY seq");
	bool ok = true;
	int more = stmt_step(&p, err), got = 0;
	if (more < 0)
		ok = false;
	stg_hex(stg_bytes(before, sizeof(before)), before_hex);
	while (ok && (got = stmt_step(&q, err)) == 1) {
		int64_t seq = col_int(&q, 0);
		const char *body = col_text(&q, 1);
		/* length as the column has it: a body cut by a NUL is not the body that was hashed */
		size_t len = (size_t)sqlite3_column_bytes(q.st, 1);
		if (seq != rows + 1)
			ok = bad(err, rows + 1, "it is missing");
		else if (strlen(body) != len || !body_is_sound(body, seq, before_hex))
			ok = bad(err, seq, "its text was changed");
		else if (!next_hash(before, body, len, now) || !stg_copy(stored, sizeof(stored), col_text(&q, 2)) || strlen(stored) != 64)
			ok = bad(err, seq, "its hash was changed");
		if (!ok)
			break;
		stg_hex(stg_bytes(now, sizeof(now)), before_hex);
		memcpy(before, now, sizeof(before));
		if (strcmp(before_hex, stored) != 0) {
			ok = bad(err, seq, "its hash does not fit");
			break;
		}
		rows = seq;
		struct point point;
		while (ok && more == 1 && col_int(&p, 0) <= seq) {
			if (!checkpoint_is_ours(key, col_text(&p, 1), col_text(&p, 2), &point))
				ok = bad(err, col_int(&p, 0), "its checkpoint is not signed by this station");
			else if (point.seq != col_int(&p, 0) || point.seq != seq || strcmp(point.hash, before_hex) != 0)
				ok = bad(err, seq, "it is not what the checkpoint says");
			else
				more = stmt_step(&p, err);
			if (more < 0)
				ok = false;
		}
	}
	if (got < 0)
		ok = false;
	if (ok && more == 1)
		ok = bad(err, rows + 1, "it is missing, though a checkpoint knows it");
	ok = ok && head_fits(s, rows, before_hex, err);
	EVP_PKEY_free(key);
	if (ok && ret_rows)
		*ret_rows = rows;
	return ok;
}
