/*
 * mac.c - rows that cannot be changed behind our back.
 *
 * For:    results and the outbox: SQLite's own integrity check misses two damages in five, and knows nothing of edits.
 * Uses:   OpenSSL HMAC-SHA256 over the row's canonical JSON; the key comes from stager/keys.
 * Called: record.c, outbox.c, audit.c, people.c.
 * Thread: the one that has the store.
 */
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "db.h"

#define PROBE "stager row macs/1"

static bool hmac(struct stg_store *s, struct stg_bytes what, uint8_t ret[32], struct stg_error *err)
{
	struct stg_bytes key = stg_secret_reveal(&s->mac_key);
	unsigned int len = 0;
	if (!s->has_mac)
		return stg_fail(err, STG_E_BUG, 0, "the key of the row MACs was not set");
	if (!HMAC(EVP_sha256(), key.data, (int)key.len, what.data, what.len, ret, &len) || len != 32)
		return stg_fail(err, STG_E_BUG, 0, "HMAC failed");
	return true;
}

bool mac_subkey(struct stg_store *s, const char *purpose, uint8_t ret[32], struct stg_error *err)
{
	return hmac(s, stg_bytes_str(purpose), ret, err);
}

bool mac_make(struct stg_store *s, const char *table, const json_t *row, char ret[65], struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(STORE_TEXT_MAX);
	char *body = stg_json_text(row);
	uint8_t mac[32];
	bool ok = stg_buf_printf(&text, err, "%s\n", table) && stg_buf_add_str(&text, body, err) &&
		  hmac(s, stg_buf_view(&text), mac, err);
	free(body);
	if (ok)
		stg_hex(stg_bytes(mac, sizeof(mac)), ret);
	return ok;
}

bool mac_check(struct stg_store *s, const char *table, int64_t id, const json_t *row, const char *mac, struct stg_error *err)
{
	char want[65];
	if (!mac_make(s, table, row, want, err))
		return false;
	if (strlen(mac) != 64 || CRYPTO_memcmp(mac, want, 64) != 0)
		return stg_fail_id(err, STG_E_IO, STG_ID_ROW_DAMAGED, 0, "%s %lld", table, (long long)id);
	return true;
}

bool stg_store_set_mac_key(struct stg_store *s, const struct stg_secret *key, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf kept = STG_BUF(256);
	uint8_t mac[32];
	char probe[65];
	if (stg_secret_reveal(key).len < 16)
		return stg_fail(err, STG_E_BUG, 0, "a MAC key of %zu bytes", stg_secret_reveal(key).len);
	stg_secret_clear(&s->mac_key);
	if (!stg_secret_set(&s->mac_key, stg_secret_reveal(key), err))
		return false;
	s->has_mac = true;
	if (!hmac(s, stg_bytes_str(PROBE), mac, err) || !meta_get(s, "mac_probe", &kept, err))
		goto fail;
	stg_hex(stg_bytes(mac, sizeof(mac)), probe);
	if (kept.len == 0 && !s->read_only) {
		STG_AUTO(tx_end) struct tx t = { 0 };
		if (!tx_begin(&t, s, err) || !meta_set(s, "mac_probe", probe, err) || !tx_commit(&t, err))
			goto fail;
	} else if (kept.len && strcmp(stg_buf_str(&kept), probe) != 0) {
		stg_fail_id(err, STG_E_STATION, STG_ID_MAC_KEY, 0, "station.key");
		goto fail;
	}
	if (s->read_only || s->in_tx || audit_checkpoint(s, false, err))
		return true;
fail:
	s->has_mac = false;
	stg_secret_clear(&s->mac_key);
	return false;
}
