/*
 * auth.c - the kinds of authentication, few and in C.
 *
 * For:    connector files name one, targets bring the credentials.
 * Uses:   auth/webhook.c; auth/token.c for those that sign in first.
 * Called: by request.c for every attempt.
 * Thread: any.
 *
 * A client certificate is no kind of its own: whatever the kind, credentials with `client_pem` make the TLS mutual.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include <stager/keys.h>

#include "parts.h"

#define JWT_MAX 8192
#define ENCODED_MAX 4096

/* The first that suits is used: `credential` and `setting` are what it cannot do without. */
static const struct kind {
	const char *name, *credential, *setting;
	bool signs_in;                      /* asks a sign-in server for a token first */
} kinds[] = {
	{ "none", NULL, NULL, false },
	{ "bearer", "token", NULL, false },
	{ "header", "token", NULL, false },
	{ "basic", "secret", "user", false },
	{ "hmac-webhook", "secret", NULL, false },
	{ "oauth2-client-credentials", "secret", "client_id", true },
	{ "oauth2-client-assertion", "key_pem", "client_id", true },
	{ "oauth2-minted-assertion", "token", "client_id", true },
	{ "jwt-bearer", "key_pem", "client_id", true },
	{ "session-login", "secret", "user", true },
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
	return "none, bearer, header, basic, hmac-webhook, oauth2-client-credentials, oauth2-client-assertion, oauth2-minted-assertion, jwt-bearer, session-login";
}

/* ---- credentials ---- */

bool push_credentials_parse(const struct stg_secret *text, struct push_credentials *ret, struct stg_error *err)
{
	static const char *const known[] = { "token", "secret", "client_pem", "key_pem", "pin" };
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
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CREDENTIALS, 0, "credentials are not understood, token, secret, client_pem or key_pem were expected");
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

static void hide(char *text, const char *secret, size_t n)
{
	/* also its beginning: a text may have been cut in the middle of it */
	size_t least = n < 12 ? n : 12;
	for (char *p = text; n >= 4 && *p; p++) {
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

/* As it stands in a form we sent, which a server may repeat. */
static void hide_encoded(char *text, const char *secret, size_t n)
{
	STG_AUTO(stg_buf_clear) struct stg_buf form = STG_BUF(3 * ENCODED_MAX + 1);
	bool differs = false;
	for (size_t i = 0; n <= ENCODED_MAX && i < n; i++) {
		bool plain = isalnum((unsigned char)secret[i]) || strchr("-._~", secret[i]);
		differs = differs || !plain;
		if (plain ? !stg_buf_add(&form, secret + i, 1, NULL) : !stg_buf_printf(&form, NULL, "%%%02X", (unsigned char)secret[i]))
			return;
	}
	if (differs)
		hide(text, stg_buf_str(&form), form.len);
	OPENSSL_cleanse(form.data, form.len);
}

/* An assertion we signed is made anew for each sign-in, and whoever reads it may use it for some minutes. */
static void hide_jwts(char *text)
{
	for (char *p = text; (p = strstr(p, "eyJ")); p += 3) {
		size_t n = 0;
		while (isalnum((unsigned char)p[n]) || (p[n] && strchr("-_.=", p[n])))
			n++;
		if (n < 20)
			continue;
		memcpy(p, "***", 3);
		memmove(p + 3, p + n, strlen(p + n) + 1);
	}
}

void push_credentials_hide(const struct push_credentials *c, char *text)
{
	const char *key;
	json_t *value;
	json_object_foreach(c->values, key, value) {
		if (!json_is_string(value))
			continue;
		hide(text, json_string_value(value), json_string_length(value));
		hide_encoded(text, json_string_value(value), json_string_length(value));
	}
	hide_jwts(text);
}

/* ---- the kinds ---- */

static bool apply_bearer(const struct push_target *t, struct push_request *r, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf value = STG_BUF(8000);
	return stg_buf_printf(&value, err, "Bearer %s", stg_json_str(t->credentials.values, "token")) && stg_secret_set(&r->bearer, stg_buf_view(&value), err);
}

static bool apply_basic(const struct push_target *t, struct push_request *r, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf pair = STG_BUF(4096);
	STG_AUTO(stg_buf_clear) struct stg_buf value = STG_BUF(8000);
	const char *user = stg_json_str(t->config, "user");
	if (strchr(user, ':'))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "setting 'user' has a ':', which Basic cannot carry");
	return stg_buf_printf(&pair, err, "%s:%s", user, stg_json_str(t->credentials.values, "secret")) && stg_buf_add_str(&value, "Basic ", err) &&
	       stg_base64(stg_buf_view(&pair), &value, err) && stg_secret_set(&r->bearer, stg_buf_view(&value), err);
}

/* A header of the connector's name with the token as it is: aw-tenant-code, accessToken. */
static bool apply_header(const struct push_target *t, struct push_request *r, struct stg_error *err)
{
	const char *name = stg_json_str(json_object_get(t->connector, "auth"), "header");
	(void)err;
	stg_json_put(r->headers, name, stg_json_str(t->credentials.values, "token"));
	return true;
}

static bool named(const json_t *words, const char *kind)
{
	size_t i;
	json_t *one;
	if (json_is_string(words))
		return strcmp(json_string_value(words), kind) == 0;
	json_array_foreach((json_t *)(uintptr_t)words, i, one)
		if (json_is_string(one) && strcmp(json_string_value(one), kind) == 0)
			return true;
	return false;
}

bool push_auth_allowed(const json_t *connector, const char *kind)
{
	const json_t *auth = json_object_get(connector, "auth");
	return strcmp(stg_json_str(auth, "kind"), kind) == 0 || named(json_object_get(auth, "also"), kind);
}

static bool complete(const struct push_target *t, const struct kind *k)
{
	return (!k->credential || *stg_json_str(t->credentials.values, k->credential)) && (!k->setting || *stg_json_str(t->config, k->setting));
}

/* Is this kind among those the target asks for (config.auth: a word or a list), or, when it asks for none, can it be used? */
static bool in_use(const struct push_target *t, const struct kind *k)
{
	const json_t *asked = json_object_get(t->config, "auth");
	if (asked)
		return named(asked, k->name);
	return k->credential && push_auth_allowed(t->connector, k->name) && complete(t, k);
}

const char *push_auth_signs_in(const struct push_target *t)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(kinds); i++)
		if (kinds[i].signs_in && in_use(t, &kinds[i]))
			return kinds[i].name;
	return NULL;
}

static bool apply(const struct push_target *t, const struct kind *k, struct stg_bytes body, const char *id, int64_t now_s, struct push_request *r, struct stg_error *err)
{
	if (strcmp(k->name, "bearer") == 0)
		return apply_bearer(t, r, err);
	if (strcmp(k->name, "basic") == 0)
		return apply_basic(t, r, err);
	if (strcmp(k->name, "header") == 0)
		return apply_header(t, r, err);
	return strcmp(k->name, "hmac-webhook") != 0 || push_webhook_apply(t, body, id, now_s, r, err);
}

bool push_auth_apply(const struct push_target *t, struct stg_bytes body, const char *id, int64_t now_s, struct push_request *r, struct stg_error *err)
{
	const json_t *auth = json_object_get(t->connector, "auth");
	bool any = false;
	for (size_t i = 0; i < STG_ARRAY_LEN(kinds); i++) {
		const struct kind *k = &kinds[i];
		if (!in_use(t, k))
			continue;
		if (!push_auth_allowed(t->connector, k->name))
			return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "connector %s does not take authentication '%s'", stg_json_str(t->connector, "name"), k->name);
		if (k->setting && !*stg_json_str(t->config, k->setting))
			return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "authentication '%s' needs the setting '%s'", k->name, k->setting);
		if (!complete(t, k))
			return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CREDENTIALS, 0, "authentication '%s' needs the credential '%s'", k->name, k->credential);
		any = true;
		if (!apply(t, k, body, id, now_s, r, err))
			return false;
	}
	if (any || push_auth_allowed(t->connector, "none"))
		return true;
	return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CREDENTIALS, 0, "the target lacks credentials or settings, connector %s needs authentication '%s'",
			   stg_json_str(t->connector, "name"), stg_json_str(auth, "kind"));
}
