/*
 * auth.c - the kinds of authentication, few and in C.
 *
 * For:    connector files name one, targets bring the credentials.
 * Uses:   OpenSSL for HMAC.
 * Called: by request.c for every attempt.
 * Thread: any.
 * Facts:  Standard Webhooks as in mdm-push 7.1: the signed text is id.timestamp.body, the secret whsec_ and base64 of 24
 *         to 64 bytes; several signatures while a key is changed.
 *
 * A client certificate is no kind of its own: whatever the kind, credentials with `client_pem` make the TLS mutual.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <stager/keys.h>

#include "parts.h"

#define SECRETS_MAX 4
#define JWT_MAX 8192

static const struct kind {
	const char *name, *credential;      /* the credential it needs, NULL: none */
} kinds[] = {
	{ "none", NULL }, { "bearer", "token" }, { "hmac-webhook", "secret" },
};

bool push_auth_known(const char *kind)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].name, kind) == 0)
			return true;
	return false;
}

const char *push_auth_kinds(void)
{
	return "none, bearer, hmac-webhook";
}

/* ---- credentials ---- */

bool push_credentials_parse(const struct stg_secret *text, struct push_credentials *ret, struct stg_error *err)
{
	static const char *const known[] = { "token", "secret", "client_pem" };
	ret->values = json_object();
	if (!text || !stg_secret_is_set(text))
		return true;
	json_t *j = stg_json_parse(stg_secret_reveal(text), 1 << 20, NULL);
	struct push_credentials all = { .values = j };
	bool ok = json_is_object(j);
	const char *key;
	json_t *value;
	json_object_foreach(ok ? j : NULL, key, value) {
		bool is_known = false;
		for (size_t i = 0; i < STG_ARRAY_LEN(known); i++)
			is_known = is_known || strcmp(key, known[i]) == 0;
		ok = ok && is_known && json_is_string(value);
	}
	if (!ok) {
		push_credentials_clear(&all);
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CREDENTIALS, 0, "credentials are not understood, token, secret or client_pem were expected");
	}
	push_credentials_clear(ret);
	*ret = all;
	return true;
}

static void put_end(json_t *list, const char *kind, const char *name, int64_t ends_ms)
{
	if (ends_ms <= 0)
		return;
	json_t *one = json_object();
	stg_json_put(one, "kind", kind);
	stg_json_put(one, "name", name);
	stg_json_put_int(one, "ends_ms", ends_ms);
	json_array_append_new(list, one);
}

/* "header.payload.signature", base64url: RFC 7519. What the payload says is not believed for more than a date. */
static int64_t jwt_ends_ms(const char *token)
{
	STG_AUTO(stg_buf_clear) struct stg_buf plain = STG_BUF(JWT_MAX);
	char text[JWT_MAX];
	const char *from = strchr(token, '.'), *to = from ? strchr(from + 1, '.') : NULL;
	size_t n = to ? (size_t)(to - from - 1) : 0;
	if (!n || n + 4 >= sizeof(text))
		return 0;
	for (size_t i = 0; i < n; i++)
		text[i] = from[1 + i] == '-' ? '+' : from[1 + i] == '_' ? '/' : from[1 + i];
	while (n % 4)
		text[n++] = '=';
	text[n] = 0;
	json_t *j = stg_unbase64(text, &plain, NULL) ? stg_json_parse(stg_buf_view(&plain), JWT_MAX, NULL) : NULL;
	json_t *exp = json_object_get(j, "exp");
	double s = json_is_number(exp) ? json_number_value(exp) : 0;
	json_decref(j);
	OPENSSL_cleanse(text, sizeof(text));
	return s > 0 && s < 1e11 ? (int64_t)s * 1000 : 0;
}

json_t *stg_push_ends(const struct stg_secret *credentials)
{
	struct push_credentials all = { 0 };
	json_t *list = json_array();
	if (!push_credentials_parse(credentials, &all, NULL)) {
		push_credentials_clear(&all);
		return list;
	}
	const char *pem = strstr(stg_json_str(all.values, "client_pem"), "-----BEGIN CERTIFICATE");
	STG_AUTO(stg_json_free_at) json_t *cert = pem ? stg_certificate_json(stg_bytes_str(pem), NULL) : NULL;
	put_end(list, "certificate", stg_json_str(cert, "cn"), stg_json_int(cert, "not_after_ms", 0));
	put_end(list, "token", "", jwt_ends_ms(stg_json_str(all.values, "token")));
	push_credentials_clear(&all);
	return list;
}

void push_credentials_clear(struct push_credentials *c)
{
	const char *key;
	json_t *value;
	json_object_foreach(c->values, key, value)
		if (json_is_string(value))
			OPENSSL_cleanse((char *)(uintptr_t)json_string_value(value), json_string_length(value));
	stg_json_free_at(&c->values);
}

void push_credentials_hide(const struct push_credentials *c, char *text)
{
	const char *key;
	json_t *value;
	json_object_foreach(c->values, key, value) {
		const char *secret = json_string_value(value);
		size_t n = json_string_length(value);
		if (!secret || n < 4)
			continue;
		/* also its beginning: a text may have been cut in the middle of it */
		size_t least = n < 12 ? n : 12;
		for (char *p = text; *p; p++) {
			size_t same = 0;
			while (same < n && p[same] && p[same] == secret[same])
				same++;
			if (same < least && (p[same] || same < 4))
				continue;
			memcpy(p, "***", 3);
			memmove(p + 3, p + same, strlen(p + same) + 1);
			p += 2;
		}
	}
}

/* ---- signatures ---- */

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

static bool apply_hmac(const struct push_target *t, struct stg_bytes body, const char *id, int64_t now_s, struct push_request *r, struct stg_error *err)
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

static bool apply_bearer(const struct push_target *t, struct push_request *r, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf value = STG_BUF(8000);
	return stg_buf_printf(&value, err, "Bearer %s", stg_json_str(t->credentials.values, "token")) && stg_secret_set(&r->bearer, stg_buf_view(&value), err);
}

/* Is this kind among those the target asks for (config.auth: a word or a list), or, when it asks for none, can it be used? */
static bool in_use(const struct push_target *t, const struct kind *k)
{
	const json_t *asked = json_object_get(t->config, "auth");
	size_t i;
	json_t *one;
	if (json_is_string(asked))
		return strcmp(json_string_value(asked), k->name) == 0;
	if (json_is_array(asked)) {
		json_array_foreach((json_t *)(uintptr_t)asked, i, one)
			if (json_is_string(one) && strcmp(json_string_value(one), k->name) == 0)
				return true;
		return false;
	}
	return k->credential && *stg_json_str(t->credentials.values, k->credential);
}

static bool allowed(const json_t *auth, const char *kind)
{
	size_t i;
	json_t *one;
	if (strcmp(stg_json_str(auth, "kind"), kind) == 0)
		return true;
	json_array_foreach(json_object_get(auth, "also"), i, one)
		if (strcmp(json_string_value(one), kind) == 0)
			return true;
	return false;
}

bool push_auth_apply(const struct push_target *t, struct stg_bytes body, const char *id, int64_t now_s, struct push_request *r, struct stg_error *err)
{
	const json_t *auth = json_object_get(t->connector, "auth");
	bool any = false;
	for (size_t i = 0; i < STG_ARRAY_LEN(kinds); i++) {
		const struct kind *k = &kinds[i];
		if (!in_use(t, k))
			continue;
		if (!allowed(auth, k->name))
			return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "connector %s does not take authentication '%s'", stg_json_str(t->connector, "name"), k->name);
		if (k->credential && !*stg_json_str(t->credentials.values, k->credential))
			return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CREDENTIALS, 0, "authentication '%s' needs the credential '%s'", k->name, k->credential);
		any = true;
		if (strcmp(k->name, "bearer") == 0 && !apply_bearer(t, r, err))
			return false;
		if (strcmp(k->name, "hmac-webhook") == 0 && !apply_hmac(t, body, id, now_s, r, err))
			return false;
	}
	if (any || allowed(auth, "none"))
		return true;
	return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CREDENTIALS, 0, "the target has no credentials, connector %s needs authentication '%s'",
			   stg_json_str(t->connector, "name"), stg_json_str(auth, "kind"));
}
