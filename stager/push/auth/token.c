/*
 * token.c - signing in: a short-lived token for a client's secret, key or assertion.
 *
 * For:    Graph, Jamf Pro, Workspace ONE, Google, Apple: OAuth 2 and its kin (RFC 6749 4.4, 7521, 7523).
 * Uses:   <stager/net.h>, <stager/jwt.h>.
 * Called: by request.c before a request that needs one, and again when a token is refused.
 * Thread: any; one asks at a time.
 * Facts:  mdm-push 4.2 to 4.6 (fields and claims of each), 5.4 (the cache: boot clock, margin of the larger of 20 s and a tenth,
 *         never kept over a restart). Nothing is written anywhere.
 */
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <stager/clock.h>
#include <stager/ids.h>
#include <stager/jwt.h>

#include "../parts.h"

#define TOKENS_MAX 64
#define TOKEN_ANSWER_MAX (64u << 10)
#define ASSERTION_S 300
#define SIGN_IN_TIMEOUT_MS 30000
#define MARGIN_LEAST_MS 20000

static struct cached {
	char sum[65];                   /* of all that decides which token it is */
	struct stg_secret token;
	int64_t until_boot_ms;
} tokens[TOKENS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct sign_in {
	const struct push_target *t;
	const char *kind;
	char url[1024], scope[512], audience[1024], subject[256];
};

static bool is_session(const struct sign_in *s)
{
	return strcmp(s->kind, "session-login") == 0;
}

/* ---- what is sent ---- */

static bool add_field(struct stg_buf *out, const char *name, const char *value, struct stg_error *err)
{
	if (!stg_buf_printf(out, err, "%s%s=", out->len ? "&" : "", name))
		return false;
	for (const unsigned char *p = (const unsigned char *)value; *p; p++)
		if (isalnum(*p) || strchr("-._~", *p) ? !stg_buf_add(out, p, 1, err) : !stg_buf_printf(out, err, "%%%02X", *p))
			return false;
	return true;
}

static bool assertion(const struct sign_in *s, struct stg_buf *ret, struct stg_error *err)
{
	struct stg_bytes key = stg_bytes_str(stg_json_str(s->t->credentials.values, "key_pem"));
	const json_t *auth = json_object_get(s->t->connector, "auth");
	const char *id = stg_json_str(s->t->config, "client_id"), *key_id = stg_json_str(s->t->config, "key_id");
	const bool is_grant = strcmp(s->kind, "jwt-bearer") == 0;
	char jti[STG_UUID_TEXT], thumb[48];
	int64_t now_s = push_clock_s() - 60;    /* a minute of grace for a server whose clock is behind */
	STG_AUTO(stg_json_free_at) json_t *head = json_object();
	STG_AUTO(stg_json_free_at) json_t *claims = json_object();
	stg_uuid4(jti);
	stg_json_put(head, "kid", key_id);
	if (stg_json_bool(auth, "thumbprint", false)) {
		if (!stg_jwt_thumbprint(key, thumb, err))
			return false;
		stg_json_put(head, "x5t#S256", thumb);
	}
	stg_json_put(claims, "iss", id);
	stg_json_put(claims, "sub", is_grant ? s->subject : id);
	stg_json_put(claims, "aud", s->audience);
	if (is_grant)
		stg_json_put(claims, "scope", s->scope);
	stg_json_put(claims, "jti", jti);
	stg_json_put_int(claims, "iat", now_s);
	stg_json_put_int(claims, "nbf", now_s);
	stg_json_put_int(claims, "exp", now_s + 60 + ASSERTION_S);
	return stg_jwt_sign(key, stg_json_str_or(auth, "sign", "RS256"), head, claims, ret, err);
}

static bool fields(const struct sign_in *s, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf signed_text = STG_BUF(32u << 10);
	const json_t *known = s->t->credentials.values;
	const bool is_minted = strcmp(s->kind, "oauth2-minted-assertion") == 0;
	if (strcmp(s->kind, "jwt-bearer") == 0)
		return assertion(s, &signed_text, err) && add_field(ret, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", err) &&
		       add_field(ret, "assertion", stg_buf_str(&signed_text), err);
	if (!add_field(ret, "grant_type", "client_credentials", err) || !add_field(ret, "client_id", stg_json_str(s->t->config, "client_id"), err) ||
	    (*s->scope && !add_field(ret, "scope", s->scope, err)))
		return false;
	if (strcmp(s->kind, "oauth2-client-credentials") == 0)
		return add_field(ret, "client_secret", stg_json_str(known, "secret"), err);
	return (is_minted ? stg_buf_add_str(&signed_text, stg_json_str(known, "token"), err) : assertion(s, &signed_text, err)) &&
	       add_field(ret, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", err) &&
	       add_field(ret, "client_assertion", stg_buf_str(&signed_text), err);
}

static bool plan(const struct push_target *t, const char *kind, struct sign_in *ret, struct stg_error *err)
{
	const json_t *auth = json_object_get(t->connector, "auth");
	*ret = (struct sign_in){ .t = t, .kind = kind };
	if (!push_fill_config(t, stg_json_str(auth, "token_url"), ret->url, sizeof(ret->url), err) ||
	    !push_fill_config(t, stg_json_str(auth, "scope"), ret->scope, sizeof(ret->scope), err) ||
	    !push_fill_config(t, stg_json_str_or(auth, "audience", stg_json_str(auth, "token_url")), ret->audience, sizeof(ret->audience), err) ||
	    !push_fill_config(t, stg_json_str(auth, "subject"), ret->subject, sizeof(ret->subject), err))
		return false;
	if (!stg_net_url_ok(ret->url, true, err))
		return stg_say(err, STG_ID_TARGET_CONFIG);
	if (t->rehearsal && !stg_net_is_loopback(ret->url))
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_TARGET_REHEARSAL, 0, "target %s signs in elsewhere than on this machine", t->name);
	return true;
}

json_t *push_token_try(const struct push_target *t, struct stg_error *err)
{
	static const char *const secret[] = { "client_secret=", "assertion=", "client_assertion=" };
	struct sign_in s;
	STG_AUTO(stg_buf_clear) struct stg_buf body = STG_BUF(64u << 10);
	if (!plan(t, push_auth_signs_in(t), &s, err))
		return NULL;
	if (is_session(&s)) {
		STG_AUTO(stg_json_free_at) json_t *headers = push_session_headers(t, err);
		return headers && push_session_body(t, true, &body, err) ?
			json_pack("{s:s,s:s,s:s,s:O,s:s}", "what", "sign_in", "method", push_session_method(t), "url", s.url, "headers", headers, "body", stg_buf_str(&body)) : NULL;
	}
	if (!fields(&s, &body, err))
		return NULL;
	/* a value is encoded, so it would not be found by its own words: everything after these names goes */
	char *text = (char *)body.data;
	for (size_t i = 0; i < STG_ARRAY_LEN(secret); i++) {
		char *at = strstr(text, secret[i]);
		if (!at || (at != text && at[-1] != '&'))
			continue;
		at += strlen(secret[i]);
		size_t n = strcspn(at, "&");
		if (n < 3)
			continue;
		memcpy(at, "***", 3);
		memmove(at + 3, at + n, strlen(at + n) + 1);
	}
	return json_pack("{s:s,s:s,s:s,s:{s:s},s:s}", "what", "sign_in", "method", "POST", "url", s.url, "headers", "Content-Type",
			 "application/x-www-form-urlencoded", "body", text);
}

/* ---- the cache ---- */

static void sum_of(const struct sign_in *s, char ret[65])
{
	STG_AUTO(stg_buf_clear) struct stg_buf all = STG_BUF(1u << 20);
	const json_t *v = s->t->credentials.values;
	(void)stg_buf_printf(&all, NULL, "%s\n%s\n%s\n%s\n%s\n%s\n", s->t->name, s->kind, s->url, s->scope, s->subject,
			     stg_json_str(s->t->config, is_session(s) ? "user" : "client_id"));
	(void)stg_buf_printf(&all, NULL, "%s\n%s\n%s", stg_json_str(v, "secret"), stg_json_str(v, "token"), stg_json_str(v, "key_pem"));
	stg_sha256_hex(stg_buf_view(&all), ret);
}

/* The one of this sum, else the one to make room: the first empty or the first to end. */
static struct cached *place(const char *sum)
{
	struct cached *room = &tokens[0];
	for (size_t i = 0; i < TOKENS_MAX; i++) {
		if (strcmp(tokens[i].sum, sum) == 0)
			return &tokens[i];
		if (tokens[i].until_boot_ms < room->until_boot_ms)
			room = &tokens[i];
	}
	return room;
}

static void keep(const char *sum, const struct stg_secret *token, int64_t life_s)
{
	struct cached *c = place(sum);
	int64_t life_ms = life_s * 1000, margin = life_ms / 10 > MARGIN_LEAST_MS ? life_ms / 10 : MARGIN_LEAST_MS;
	stg_secret_clear(&c->token);
	*c = (struct cached){ 0 };
	/* shorter than its margin: for the request at hand only */
	if (life_ms <= margin || !stg_secret_set(&c->token, stg_secret_reveal(token), NULL))
		return;
	stg_copy(c->sum, sizeof(c->sum), sum);
	c->until_boot_ms = stg_boot_ms() + life_ms - margin;
}

/* ---- asking ---- */

static bool read_token(const struct stg_net_answer *a, struct stg_secret *ret, int64_t *ret_life_s, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *j = stg_json_parse(stg_buf_view(&a->body), TOKEN_ANSWER_MAX, NULL);
	STG_AUTO(stg_buf_clear) struct stg_buf value = STG_BUF(16u << 10);
	const char *token = stg_json_str(j, "access_token");
	const json_t *life = json_object_get(j, "expires_in");
	for (const char *p = token; *p; p++)
		if (!isgraph((unsigned char)*p))
			token = "";
	if (!*token)
		return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_SIGNIN_ANSWER, a->status, "HTTP %d without access_token", a->status);
	/* some servers write the number as text */
	*ret_life_s = json_is_string(life) ? strtoll(json_string_value(life), NULL, 10) : json_is_number(life) ? (int64_t)json_number_value(life) : 0;
	if (*ret_life_s < 0 || *ret_life_s > 86400)
		*ret_life_s = *ret_life_s < 0 ? 0 : 86400;
	return stg_buf_printf(&value, err, "Bearer %s", token) && stg_secret_set(ret, stg_buf_view(&value), err);
}

/* The server's reason in its own words: RFC 6749 5.2. */
static void say_refusal(const struct push_target *t, struct stg_net_answer *a)
{
	STG_AUTO(stg_json_free_at) json_t *j = stg_json_parse(stg_buf_view(&a->body), TOKEN_ANSWER_MAX, NULL);
	char shown[160], first[160];
	stg_printable(stg_json_str_or(j, "error_description", stg_json_str(j, "error")), true, shown, sizeof(shown));
	push_credentials_hide(&t->credentials, shown);
	stg_copy(first, sizeof(first), a->text);
	snprintf(a->text, sizeof(a->text), "sign-in: %.100s%s%.110s", first, *shown ? ": " : "", shown);
}

static bool ask(const struct sign_in *s, struct stg_stop *stop, struct stg_net_answer *ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf body = STG_BUF(64u << 10);
	STG_AUTO(stg_json_free_at) json_t *headers = is_session(s) ?
		push_session_headers(s->t, err) : json_pack("{s:s,s:s}", "Content-Type", "application/x-www-form-urlencoded", "Accept", "application/json");
	if (!headers || !(is_session(s) ? push_session_body(s->t, false, &body, err) : fields(s, &body, err)))
		return false;
	struct stg_net_ask q = {
		.method = is_session(s) ? push_session_method(s->t) : "POST", .url = s->url, .headers = headers, .body = stg_buf_view(&body), .ca_pem = stg_bytes_str(stg_json_str(s->t->config, "ca_pem")),
		.allow_loopback_http = true, .timeout_ms = SIGN_IN_TIMEOUT_MS, .answer_max = TOKEN_ANSWER_MAX, .expect_type = is_session(s) ? NULL : "application/json",
		.stop = stop, .repeat_harmless = true, .client_pem = stg_bytes_str(stg_json_str(s->t->credentials.values, "client_pem")),
	};
	if (!push_client_key(s->t, &q.client_key, err))
		return false;
	bool was_asked = stg_net(&q, ret, err);
	EVP_PKEY_free(q.client_key);
	return was_asked;
}

static bool get(const struct sign_in *s, struct stg_stop *stop, struct stg_secret *ret, int64_t *ret_life_s, struct stg_net_answer *ret_failed, struct stg_error *err)
{
	struct stg_net_answer *a = ret_failed;
	if (!ask(s, stop, a, err))
		return false;
	bool refused = a->class == STG_NET_ROW || a->class == STG_NET_AUTH;
	/* a refusal may be about the hour only: once more with theirs */
	if (push_clock_seen(a->headers) && refused) {
		stg_net_answer_clear(a);
		if (!ask(s, stop, a, err))
			return false;
		refused = a->class == STG_NET_ROW || a->class == STG_NET_AUTH;
	}
	if (a->class == STG_NET_OK)
		return is_session(s) ? push_session_read(s->t, a, ret, ret_life_s, err) : read_token(a, ret, ret_life_s, err);
	say_refusal(s->t, a);
	if (refused)
		a->class = STG_NET_AUTH;
	else if (a->class == STG_NET_IN_DOUBT)
		a->class = STG_NET_SERVER;      /* nothing was told yet: there is nothing to doubt */
	a->sent_something = false;
	return true;
}

bool push_token_get(const struct push_target *t, bool anew, struct stg_stop *stop, struct stg_secret *ret, struct stg_net_answer *ret_failed, struct stg_error *err)
{
	struct sign_in s;
	char sum[65];
	int64_t life_s = 0;
	*ret_failed = (struct stg_net_answer){ .retry_after_ms = -1 };
	if (!plan(t, push_auth_signs_in(t), &s, err))
		return false;
	sum_of(&s, sum);
	pthread_mutex_lock(&lock);
	struct cached *c = place(sum);
	bool have = strcmp(c->sum, sum) == 0, ok;
	if (have && !anew && c->until_boot_ms > stg_boot_ms()) {
		ok = stg_secret_set(ret, stg_secret_reveal(&c->token), err);
	} else {
		ok = get(&s, stop, ret, &life_s, ret_failed, err);
		if (ok && stg_secret_is_set(ret))
			keep(sum, ret, life_s);
	}
	pthread_mutex_unlock(&lock);
	return ok;
}
