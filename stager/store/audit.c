/*
 * audit.c - the log of acts: appended only, each row carrying the hash of the one before.
 *
 * For:    everything destructive, administrative or signing.
 * Uses:   SHA-256, Ed25519 (OpenSSL); the checkpoint key is derived from the MAC key.
 * Called: stager/station, stager/ops, record.c, erase.c.
 * Thread: the one that has the store.
 * Facts:  threat-model.md 8. hash(n) = SHA-256(0x01 || hash(n-1) || length as 8 octets || body), hash(0) = 32 zeros; the body
 *         is the canonical JSON of the row. verify.c checks it and shares no code with this file.
 *
 * Device names and other words of persons do not belong in `detail`: the chain cannot forget. Actors are staff names.
 */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "db.h"

#define CHECKPOINT_ROWS 256
#define CHECKPOINT_MS 60000
#define DETAIL_MAX 65536

bool audit_head(struct stg_store *s, int64_t *ret_rows, char ret_hash[65], struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1");
	int got = stmt_step(&q, err);
	if (got < 0)
		return false;
	*ret_rows = got ? col_int(&q, 0) : 0;
	stg_copy(ret_hash, 65, got ? col_text(&q, 1) : "0000000000000000000000000000000000000000000000000000000000000000");
	return true;
}

static bool chain(const char prev_hex[65], const char *body, char ret_hex[65], struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf in = STG_BUF(DETAIL_MAX + 4096);
	size_t len = strlen(body);
	uint8_t count[8];
	for (int i = 0; i < 8; i++)
		count[i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
	if (!stg_buf_add(&in, "\x01", 1, err) || !stg_unhex(prev_hex, &in, err) || !stg_buf_add(&in, count, sizeof(count), err) ||
	    !stg_buf_add(&in, body, len, err))
		return false;
	stg_sha256_hex(stg_buf_view(&in), ret_hex);
	return true;
}

/* The newest row and hash under the MAC key: a log cut short together with its checkpoints is noticed. */
static bool seal_head(struct stg_store *s, int64_t seq, const char *hash, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *head = json_pack("{s:I,s:s}", "seq", (json_int_t)seq, "hash", hash);
	char mac[65];
	if (!s->has_mac)
		return true;
	if (!mac_make(s, "audit head", head, mac, err))
		return false;
	stg_json_put(head, "mac", mac);
	char *text = stg_json_text(head);
	bool ok = meta_set(s, "audit_head", text, err);
	free(text);
	return ok;
}

bool stg_store_audit(struct stg_store *s, const json_t *entry, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = json_object();
	char prev[65], hash[65], time[STG_TIME_TEXT];
	int64_t rows;
	const char *actor = stg_json_str(entry, "actor"), *verb = stg_json_str(entry, "verb");
	if (!*actor || !*verb)
		return stg_fail(err, STG_E_BUG, 0, "an audit row without actor or verb");
	if (!tx_begin(&t, s, err) || !audit_head(s, &rows, prev, err))
		return false;
	stg_time_text(stg_wall_ms(), time);
	STG_AUTO(stg_free_at) char *station = stg_store_get(s, "station_id", err);
	if (!station)
		return false;
	stg_json_put_int(row, "seq", rows + 1);
	stg_json_put(row, "time", time);
	stg_json_put(row, "quality", stg_time_quality_name(stg_time_quality()));
	stg_json_put(row, "boot_id", stg_boot_id());
	stg_json_put_int(row, "boot_ms", stg_boot_ms());
	stg_json_put(row, "station", station);
	if (s->kind == STG_STORE_REHEARSAL)
		stg_json_put_bool(row, "rehearsal", true);
	stg_json_put(row, "actor", actor);
	stg_json_put(row, "verb", verb);
	stg_json_put(row, "object", stg_json_str(entry, "object"));
	stg_json_put(row, "unit", stg_json_str(entry, "unit"));
	stg_json_put(row, "outcome", stg_json_str_or(entry, "outcome", "done"));
	if (stg_json_int(entry, "job", 0))
		stg_json_put_int(row, "job", stg_json_int(entry, "job", 0));
	json_t *detail = json_object_get(entry, "detail");
	if (detail && json_object_size(detail)) {
		char *text = stg_json_text(detail);
		/* what is too large to keep is kept as its hash */
		if (strlen(text) > DETAIL_MAX / 2) {
			char sum[65];
			stg_sha256_hex(stg_bytes_str(text), sum);
			stg_json_put(row, "detail_sha256", sum);
		} else {
			stg_json_put_new(row, "detail", json_incref(detail));
		}
		free(text);
	}
	stg_json_put(row, "prev", prev);
	STG_AUTO(stg_free_at) char *body = stg_json_text(row);
	if (!chain(prev, body, hash, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO audit (seq, body, hash) VALUES (:seq, :body, :hash)");
	stmt_int(&q, ":seq", rows + 1);
	stmt_text(&q, ":body", body);
	stmt_text(&q, ":hash", hash);
	if (!stmt_done(&q, err) || !seal_head(s, rows + 1, hash, err))
		return false;
	return (!s->has_mac || audit_checkpoint(s, true, err)) && tx_commit(&t, err);
}

/* ---- checkpoints ---- */

static EVP_PKEY *checkpoint_key(struct stg_store *s, struct stg_error *err)
{
	uint8_t seed[32];
	if (!mac_subkey(s, "stager audit checkpoint ed25519/1", seed, err))
		return NULL;
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
	explicit_bzero(seed, sizeof(seed));
	if (!key)
		stg_fail(err, STG_E_BUG, 0, "no checkpoint key");
	return key;
}

static bool sign(struct stg_store *s, const char *note, char ret_hex[129], struct stg_error *err)
{
	EVP_PKEY *key = checkpoint_key(s, err);
	EVP_MD_CTX *c = key ? EVP_MD_CTX_new() : NULL;
	uint8_t signature[64];
	size_t len = sizeof(signature);
	bool ok = c && EVP_DigestSignInit(c, NULL, NULL, NULL, key) == 1 &&
		  EVP_DigestSign(c, signature, &len, (const uint8_t *)note, strlen(note)) == 1 && len == sizeof(signature);
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(key);
	if (!ok)
		return stg_fail(err, STG_E_BUG, 0, "a checkpoint could not be signed");
	stg_hex(stg_bytes(signature, len), ret_hex);
	return true;
}

/* A note in the manner of C2SP checkpoints: origin, size, head, time. The head is the last hash of the chain. */
bool audit_checkpoint(struct stg_store *s, bool only_if_due, struct stg_error *err)
{
	char hash[65], signature[129], note[512], time[STG_TIME_TEXT];
	int64_t rows, last = 0;
	if (!s->has_mac)
		return true;
	if (!audit_head(s, &rows, hash, err))
		return false;
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT max(seq) FROM checkpoint");
		if (!stmt_one(&q, STG_ID_NONE, "checkpoint", err))
			return false;
		last = col_int(&q, 0);
	}
	if (rows == last)
		return true;
	if (only_if_due && rows - last < CHECKPOINT_ROWS && stg_boot_ms() - s->checkpoint_boot_ms < CHECKPOINT_MS)
		return true;
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stg_free_at) char *station = stg_store_get(s, "station_id", err);
	if (!station)
		return false;
	stg_time_text(stg_wall_ms(), time);
	snprintf(note, sizeof(note), "stager/%s\n%lld\n%s\n%s\n", station, (long long)rows, hash, time);
	if (!sign(s, note, signature, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO checkpoint (seq, at_ms, note, signature) VALUES (:seq, :now, :note, :signature)");
	stmt_int(&q, ":seq", rows);
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":note", note);
	stmt_text(&q, ":signature", signature);
	if (!stmt_done(&q, err) || !tx_commit(&t, err))
		return false;
	s->checkpoint_boot_ms = stg_boot_ms();
	return true;
}

json_t *stg_store_checkpoints(struct stg_store *s, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT seq, at_ms, note, signature FROM checkpoint ORDER BY seq");
	return stmt_list(&q, err);
}

bool stg_store_checkpoint_key(struct stg_store *s, char ret_hex[65], struct stg_error *err)
{
	EVP_PKEY *key = checkpoint_key(s, err);
	uint8_t public[32];
	size_t len = sizeof(public);
	bool ok = key && EVP_PKEY_get_raw_public_key(key, public, &len) == 1 && len == sizeof(public);
	EVP_PKEY_free(key);
	if (!ok)
		return false;
	stg_hex(stg_bytes(public, len), ret_hex);
	return true;
}

bool stg_store_audit_count(struct stg_store *s, int64_t *ret_rows, struct stg_error *err)
{
	char hash[65];
	return audit_head(s, ret_rows, hash, err);
}

json_t *stg_store_audit_list(struct stg_store *s, int64_t from, int64_t limit, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT body, hash FROM audit WHERE seq >= :from ORDER BY seq LIMIT :limit");
	stmt_int(&q, ":from", from);
	stmt_int(&q, ":limit", limit > 0 ? limit : -1);
	int got;
	while ((got = stmt_step(&q, err)) == 1) {
		json_t *row = col_json(&q, 0, err);
		if (!row)
			return NULL;
		stg_json_put(row, "hash", col_text(&q, 1));
		json_array_append_new(list, row);
	}
	return got == 0 ? stg_steal(list) : NULL;
}
