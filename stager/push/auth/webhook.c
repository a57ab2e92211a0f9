/*
 * webhook.c - requests signed with a shared secret.
 *
 * For:    receivers that follow Standard Webhooks, or one of the older forms.
 * Uses:   OpenSSL for HMAC.
 * Called: by ../auth.c for every attempt.
 * Thread: any.
 * Facts:  Standard Webhooks as in mdm-push 7.1: the signed text is id.timestamp.body, the secret whsec_ and base64 of 24
 *         to 64 bytes; several signatures while a key is changed.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "../parts.h"

#define SECRETS_MAX 4


static bool hmac(struct stg_bytes key, struct stg_bytes text, uint8_t ret[32], struct stg_error *err)
{
	unsigned int n = 32;
	if (key.len > INT32_MAX || !HMAC(EVP_sha256(), key.data, (int)key.len, text.data, text.len, ret, &n))
		return stg_fail(err, STG_E_NOMEM, 0, "HMAC");
	return true;
}

/* The key bytes of one "whsec_..." word. */
static bool webhook_key(const char *word, size_t len, struct stg_secret *ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(256);
	STG_AUTO(stg_buf_clear) struct stg_buf key = STG_BUF(256);
	if (len < 6 || len > 128 || strncmp(word, "whsec_", 6) != 0 || !stg_buf_add(&text, word + 6, len - 6, err) ||
	    !stg_unbase64(stg_buf_str(&text), &key, err) || key.len < 24 || key.len > 64)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CREDENTIALS, 0, "the webhook secret is not one, whsec_ and base64 of 24 to 64 bytes were expected");
	return stg_secret_set(ret, stg_buf_view(&key), err);
}

/* Calls `each` for the key of each word; false when there is none or one is wrong. */
static bool webhook_keys(struct stg_bytes secrets, struct stg_bytes text, uint8_t macs[SECRETS_MAX][32], size_t *ret_n, struct stg_error *err)
{
	const char *p = (const char *)secrets.data, *end = p + secrets.len;
	size_t n = 0;
	while (p < end) {
		if (isspace((unsigned char)*p)) {
			p++;
			continue;
		}
		const char *from = p;
		while (p < end && !isspace((unsigned char)*p))
			p++;
		struct stg_secret key = { 0 };
		if (n == SECRETS_MAX)
			return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CREDENTIALS, 0, "more than %d webhook secrets", SECRETS_MAX);
		bool ok = webhook_key(from, (size_t)(p - from), &key, err) && hmac(stg_secret_reveal(&key), text, macs[n], err);
		stg_secret_clear(&key);
		if (!ok)
			return false;
		n++;
	}
	*ret_n = n;
	return n > 0 || stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CREDENTIALS, 0, "the webhook secret is empty, whsec_ and base64 were expected");
}

bool stg_webhook_sign(const struct stg_secret *secrets, const char *id, int64_t timestamp_s, struct stg_bytes body, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(PUSH_BODY_MAX + 512);
	uint8_t macs[SECRETS_MAX][32];
	size_t n;
	if (!stg_buf_printf(&text, err, "%s.%lld.", id, (long long)timestamp_s) || !stg_buf_add(&text, body.data, body.len, err) ||
	    !webhook_keys(stg_secret_reveal(secrets), stg_buf_view(&text), macs, &n, err))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!stg_buf_add_str(ret, i ? " v1," : "v1,", err) || !stg_base64(stg_bytes(macs[i], 32), ret, err))
			return false;
	return true;
}

/* The older forms sign the body alone. */
static bool sign_body(const struct stg_secret *secrets, bool is_hex, struct stg_bytes body, struct stg_buf *ret, struct stg_error *err)
{
	uint8_t macs[SECRETS_MAX][32];
	char hex[65];
	size_t n;
	if (!webhook_keys(stg_secret_reveal(secrets), body, macs, &n, err))
		return false;
	if (!is_hex)
		return stg_base64(stg_bytes(macs[0], 32), ret, err);
	stg_hex(stg_bytes(macs[0], 32), hex);
	return stg_buf_printf(ret, err, "sha256=%s", hex);
}

bool push_webhook_apply(const struct push_target *t, struct stg_bytes body, const char *id, int64_t now_s, struct push_request *r, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf value = STG_BUF(1024);
	struct stg_secret secret = { 0 };
	const char *form = stg_json_str_or(t->config, "signature", "standard"), *header = "webhook-signature";
	bool ok = stg_secret_set(&secret, stg_bytes_str(stg_json_str(t->credentials.values, "secret")), err);
	if (strcmp(form, "hub") == 0) {
		header = "X-Hub-Signature-256";
		ok = ok && sign_body(&secret, true, body, &value, err);
	} else if (strcmp(form, "hmac") == 0) {
		header = "X-Hmac-Signature";
		ok = ok && sign_body(&secret, false, body, &value, err);
	} else {
		char stamp[24];
		snprintf(stamp, sizeof(stamp), "%lld", (long long)now_s);
		stg_json_put(r->headers, "webhook-id", id);
		stg_json_put(r->headers, "webhook-timestamp", stamp);
		ok = ok && stg_webhook_sign(&secret, id, now_s, body, &value, err);
	}
	stg_secret_clear(&secret);
	if (ok)
		stg_json_put(r->headers, header, stg_buf_str(&value));
	return ok;
}
