/*
 * scepproxy.c - operations on other SCEP servers: whose certificates devices get through this station.
 *
 * For:    `stager scep proxy`; devices whose profile was made with `stager scep challenge SERIAL --via NAME`.
 * Uses:   <stager/scep.h> (the client), the store: servers, and a pool of one-time challenges fetched from them.
 * Called: through the table of operations.
 * Thread: the store's; servers are asked on a thread that no writer waits for.
 *
 *   scep.proxy.add   {name, url, fingerprint, page, user, password, minutes, old_clients}  -> the server, without its password
 *   scep.proxy.list  {}                                                                    -> [{name, url, open, lapsed, given, next_expiry_ms}]
 *   scep.proxy.fetch {name, count}                   -> {name, found: [{mark, sealed, fetched_ms, expires_ms}], caps, certs, short_by, why}
 *   scep.proxy.keep  {name, found, caps, certs}      -> {name, kept}: what scep.proxy.fetch found
 *   scep.give        {name, serial, unit, job}                  -> {challenge, url, expires_ms}: one of the pool, for this device alone
 *   scep.relay       {name, token, operation, message: base64, peer}                       -> {status, type, body: base64, said}
 *
 * The station reads neither the device's request nor its certificate: both are encrypted between the device and the server. It
 * passes on what comes with a token that it gave out, and one transaction for each token.
 */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include <stager/clock.h>
#include <stager/net.h>
#include <stager/scep.h>

#include "_scep.h"
#include "_secretly.h"

#define PURPOSE_SERVER "scep server"
#define PURPOSE_WORD "scep challenge"
#define NAME_LONGEST 40
#define COUNT_MAX 50
#define PAGE_MAX (64u << 10)
#define MINUTES_NDES 57            /* they live an hour there; the device needs some of it */
#define MINUTES_MAX (30 * 24 * 60)
#define AGAIN_S 30
#define SEALED_MAX 8192

static bool wrong(struct stg_error *err, const char *what)
{
	return stg_fail_id(err, STG_E_USAGE, STG_ID_SCEP_SETTING, 0, "%s", what);
}

static bool check(const json_t *in, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name"), *url = stg_json_str(in, "url"), *page = stg_json_str(in, "page"), *print = stg_json_str(in, "fingerprint");
	const char *old = stg_json_str(in, "old_clients");
	int64_t minutes = stg_json_int(in, "minutes", MINUTES_NDES);
	enum stg_scep_old level;
	size_t digits = 0;
	if (!*name || strlen(name) > NAME_LONGEST || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name))
		return wrong(err, "name: small letters, digits and dashes");
	bool secure = strncmp(url, "https://", 8) == 0;
	if ((!secure && strncmp(url, "http://", 7) != 0) || strlen(url) > 500 || strpbrk(url, " #\"<>"))
		return wrong(err, "url: an address such as https://ca.example.org/scep");
	for (const char *p = print; *p; p++)
		digits += *p != ':' && *p != ' ';
	if (*print && digits != 40 && digits != 64)
		return wrong(err, "fingerprint: 64 (SHA-256) or 40 (SHA-1) hex digits");
	if (!secure && !*print)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_SCEP_PIN, 0, "%.200s", url);
	/* the page gives secrets: never in the clear */
	if (*page && !stg_net_url_ok(page, true, err))
		return stg_say(err, STG_ID_SCEP_SETTING);
	if (minutes < 1 || minutes > MINUTES_MAX)
		return wrong(err, "minutes: 1 to 43200");
	return !*old || stg_scep_old_of(old, &level) || wrong(err, "old-clients: none, sha1 or des");
}

static json_t *public_form(const char *name, const json_t *config)
{
	json_t *j = json_deep_copy(config);
	json_object_del(j, "certs");
	stg_json_put_int(j, "v", 1);
	stg_json_put(j, "name", name);
	return j;
}

static bool add(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	static const char *const kept[] = { "url", "fingerprint", "page", "user", "old_clients" };
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX);
	STG_AUTO(stg_secret_clear) struct stg_secret password = { 0 };
	STG_AUTO(stg_json_free_at) json_t *config = json_object();
	const char *name = stg_json_str(in, "name");
	if (!stg_op_may(c, "admin", err) || !check(in, err))
		return false;
	for (size_t i = 0; i < STG_ARRAY_LEN(kept); i++)
		stg_json_put(config, kept[i], stg_json_str(in, kept[i]));
	stg_json_put_int(config, "minutes", stg_json_int(in, "minutes", MINUTES_NDES));
	if (*stg_json_str(in, "password") && (!ops_secret(in, "password", 1024, &password, err) ||
					      !stg_keys_seal(c->keys, PURPOSE_SERVER, stg_secret_reveal(&password), &sealed, err)))
		return false;
	if (!stg_store_scep_server_put(c->store, name, config, stg_buf_view(&sealed), err) ||
	    !ops_audit(c, "scep.proxy.add", name, json_pack("{s:s}", "url", stg_json_str(in, "url")), err))
		return false;
	*ret = public_form(name, config);
	return true;
}

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	size_t i;
	json_t *one;
	(void)in;
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_scep_servers(c->store, err);
	if (!rows)
		return false;
	json_array_foreach(rows, i, one) {
		const json_t *config = json_object_get(one, "config");
		stg_json_put(one, "url", stg_json_str(config, "url"));
		json_object_del(one, "config");
	}
	*ret = stg_steal(rows);
	return true;
}

/* ---- asking the server: what is needed is read on the store's thread ---- */

struct errand {
	json_t *config;
	struct stg_secret password;
	struct stg_buf message;
	json_t *said;
	bool post;
};

static void errand_free(void *carry)
{
	struct errand *e = carry;
	json_decref(e->config);
	json_decref(e->said);
	stg_secret_clear(&e->password);
	stg_buf_clear(&e->message);
	free(e);
}

static struct errand *errand_new(struct stg_op_ctx *c, const char *name, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX);
	struct errand *e = stg_calloc(1, sizeof(*e));
	c->carry = e;
	c->carry_free = errand_free;
	e->message = STG_BUF(STG_SCEP_MESSAGE_MAX);
	e->config = stg_store_scep_server(c->store, name, &sealed, err);
	if (!e->config || (sealed.len && !stg_keys_open_sealed(c->keys, PURPOSE_SERVER, stg_buf_view(&sealed), &e->password, err)))
		return NULL;
	return e;
}

static struct stg_scep_server server_of(const struct errand *e)
{
	const char *print = stg_json_str(e->config, "fingerprint");
	struct stg_scep_server s = { .url = stg_json_str(e->config, "url"), .fingerprint = *print ? print : NULL };
	(void)stg_scep_old_of(stg_json_str(e->config, "old_clients"), &s.old);
	return s;
}

static bool one_word(const struct errand *e, struct stg_secret *ret, struct stg_error *err)
{
	const char *user = stg_json_str(e->config, "user");
	const struct stg_net_ask a = { .method = "GET", .url = stg_json_str(e->config, "page"), .allow_loopback_http = true, .timeout_ms = 30000,
				       .answer_max = PAGE_MAX, .user = *user ? user : NULL, .password = &e->password };
	struct stg_net_answer answer;
	if (!stg_net(&a, &answer, err))
		return false;
	bool ok = false;
	if (answer.class == STG_NET_AUTH)
		stg_fail_id(err, STG_E_REFUSED, STG_ID_SCEP_NDES_DENIED, answer.status, "%s", answer.text);
	else if (answer.class != STG_NET_OK)
		stg_fail_id(err, answer.class == STG_NET_OFFLINE ? STG_E_TIMEOUT : STG_E_PROTOCOL, STG_ID_SCEP_NDES_PAGE, answer.status, "%s", answer.text);
	else
		ok = stg_scep_ndes_read(stg_buf_view(&answer.body), ret, err);
	stg_net_answer_clear(&answer);
	return ok;
}

static bool put_sealed(struct stg_op_ctx *c, const struct errand *e, const struct stg_secret *word, json_t *found, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX), text = STG_BUF(SEALED_MAX * 2);
	char mark[65];
	int64_t now = stg_wall_ms();
	stg_sha256_hex(stg_secret_reveal(word), mark);
	if (!stg_keys_seal(c->keys, PURPOSE_WORD, stg_secret_reveal(word), &sealed, err) || !stg_base64(stg_buf_view(&sealed), &text, err))
		return false;
	json_array_append_new(found, json_pack("{s:s,s:s,s:I,s:I}", "mark", mark, "sealed", stg_buf_str(&text), "fetched_ms", (json_int_t)now, "expires_ms",
					       (json_int_t)(now + stg_json_int(e->config, "minutes", MINUTES_NDES) * 60000)));
	return true;
}

static bool fetch_outside(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	struct errand *e = c->carry;
	const struct stg_scep_server server = server_of(e);
	struct stg_scep_met met = { 0 };
	struct stg_error why = { 0 };
	int64_t count = stg_json_int(in, "count", 1), got = 0;
	STG_AUTO(stg_json_free_at) json_t *found = json_array(), *out = json_object();
	/* the server itself first: challenges of one that is not the right one are of no use */
	if (!stg_scep_meet(&server, &met, err))
		return false;
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(STG_SCEP_MESSAGE_MAX * 2);
	bool ok = stg_base64(stg_buf_view(&met.raw), &text, err);
	stg_json_put_bool(out, "post", met.caps.post);
	stg_json_put(out, "caps", stg_buf_str(&met.caps_text));
	stg_json_put_int(out, "n_certs", met.n_shown);
	stg_json_put(out, "certs", stg_buf_str(&text));
	stg_scep_met_clear(&met);
	if (!ok)
		return false;
	for (; *stg_json_str(e->config, "page") && got < count; got++) {
		STG_AUTO(stg_secret_clear) struct stg_secret word = { 0 };
		if (!one_word(e, &word, &why))
			break;
		if (!put_sealed(c, e, &word, found, err))
			return false;
	}
	/* what was got is kept, also when the server had no more */
	if (why.code && got == 0) {
		*err = why;
		return false;
	}
	stg_json_put_int(out, "v", 1);
	stg_json_put(out, "name", stg_json_str(in, "name"));
	stg_json_put_new(out, "found", json_incref(found));
	stg_json_put_int(out, "short_by", *stg_json_str(e->config, "page") ? count - got : 0);
	if (why.code)
		stg_json_put_int(out, "code", why.id);
	*ret = stg_steal(out);
	return true;
}

static bool fetch(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	bool open = false;
	int64_t count = stg_json_int(in, "count", 1);
	(void)ret;
	if (count < 0 || count > COUNT_MAX)
		return wrong(err, "count: at most 50");
	if (!stg_op_may(c, "technician", err) || !errand_new(c, stg_json_str(in, "name"), err) || !stg_store_window(c->store, &open, NULL, err))
		return false;
	if (!open)
		return stg_fail_id(err, STG_E_WAITING, STG_ID_LINE_CLOSED, 0, "%s", stg_json_str(in, "name"));
	c->outside = fetch_outside;
	return ops_audit(c, "scep.proxy.fill", stg_json_str(in, "name"), NULL, err);
}

static bool keep(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name");
	size_t i;
	json_t *one;
	int64_t kept = 0;
	STG_AUTO(stg_json_free_at) json_t *config = stg_store_scep_server(c->store, name, NULL, err);
	if (!config)
		return false;
	json_array_foreach(json_object_get(in, "found"), i, one) {
		STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX);
		STG_AUTO(stg_secret_clear) struct stg_secret word = { 0 };
		bool fresh = false;
		/* only what this station sealed itself */
		if (!stg_unbase64(stg_json_str(one, "sealed"), &sealed, err) ||
		    !stg_keys_open_sealed(c->keys, PURPOSE_WORD, stg_buf_view(&sealed), &word, err) ||
		    !stg_store_scep_pool_add(c->store, name, stg_json_str(one, "mark"), stg_buf_view(&sealed), stg_json_int(one, "fetched_ms", 0),
					     stg_json_int(one, "expires_ms", 0), &fresh, err))
			return false;
		kept += fresh;
	}
	stg_json_put(config, "caps", stg_json_str(in, "caps"));
	stg_json_put(config, "certs", stg_json_str(in, "certs"));
	stg_json_put_int(config, "n_certs", stg_json_int(in, "n_certs", 1));
	stg_json_put_bool(config, "post", stg_json_bool(in, "post", true));
	if (!stg_store_scep_server_put(c->store, name, config, stg_bytes(NULL, 0), err) ||
	    !ops_audit(c, "scep.proxy.keep", name, json_pack("{s:I}", "kept", (json_int_t)kept), err))
		return false;
	*ret = json_pack("{s:i,s:s,s:I}", "v", 1, "name", name, "kept", (json_int_t)kept);
	return true;
}

/* That of the server's own, as it was pinned; else of the authority among the certificates it showed, as devices compare it (SHA-1). */
static void put_fingerprint(json_t *ret, const json_t *config)
{
	STG_AUTO(stg_buf_clear) struct stg_buf raw = STG_BUF(STG_SCEP_MESSAGE_MAX);
	char hex[2 * 64 + 1] = "";
	size_t n = 0;
	for (const char *p = stg_json_str(config, "fingerprint"); *p && n + 1 < sizeof(hex); p++)
		if (*p != ':' && *p != ' ')
			hex[n++] = *p;
	hex[n] = 0;
	stg_json_put(ret, "fingerprint", hex);
	if (n || !stg_unbase64(stg_json_str(config, "certs"), &raw, NULL))
		return;
	STG_AUTO(stg_scep_certs_free_at) struct stack_st_X509 *certs = stg_scep_certs_unpack(stg_buf_view(&raw), NULL);
	STG_AUTO(stg_json_free_at) json_t *shown = certs ? stg_scep_certs_json(certs) : NULL;
	for (size_t i = 0; i < json_array_size(shown); i++)
		if (stg_json_bool(json_array_get(shown, i), "ca", false))
			stg_json_put(ret, "fingerprint", stg_json_str(json_array_get(shown, i), "sha1"));
}

static bool give(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX);
	STG_AUTO(stg_secret_clear) struct stg_secret word = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = json_object();
	const char *name = stg_json_str(in, "name"), *serial = stg_json_str(in, "serial");
	struct scep_settings s;
	char token[33], url[400];
	int64_t expires = 0, ours = 0;
	if (!*serial || strlen(serial) > 64)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "SERIAL");
	STG_AUTO(stg_json_free_at) json_t *config = stg_store_scep_server(c->store, name, NULL, err);
	if (!config || !scep_settings(c, &s, err))
		return false;
	if (!s.url[0])
		return stg_fail_id(err, STG_E_STATION, STG_ID_SCEP_OFF, 0, "%s", "");
	if (!stg_store_scep_pool_take(c->store, name, serial, &sealed, &expires, err) ||
	    !stg_keys_open_sealed(c->keys, PURPOSE_WORD, stg_buf_view(&sealed), &word, err))
		return false;
	stg_json_put(row, "device_serial", serial);
	stg_json_put(row, "via", name);
	stg_json_put(row, "unit", stg_json_str(in, "unit"));
	if (stg_json_int(in, "job", 0))
		stg_json_put_int(row, "job", stg_json_int(in, "job", 0));
	int64_t minutes = (expires - stg_wall_ms()) / 60000;
	if (!scep_challenge_make(c, row, minutes > 0 ? minutes : 1, token, &ours, err))
		return false;
	snprintf(url, sizeof(url), "%s/via/%s/%s", s.url, name, token);
	*ret = json_object();
	stg_json_put_int(*ret, "v", 1);
	stg_json_put(*ret, "serial", serial);
	stg_json_put_new(*ret, "challenge", json_stringn((const char *)stg_secret_reveal(&word).data, stg_secret_reveal(&word).len));
	stg_json_put(*ret, "url", url);
	put_fingerprint(*ret, config);
	stg_json_put_int(*ret, "expires_ms", expires);
	return true;
}

/* ---- passing on ---- */

static bool relay_outside(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	struct errand *e = c->carry;
	(void)in;
	if (!e->message.len)
		return true;              /* answered from what is kept */
	const struct stg_scep_server server = server_of(e);
	STG_AUTO(stg_buf_clear) struct stg_buf body = STG_BUF(STG_SCEP_MESSAGE_MAX), text = STG_BUF(STG_SCEP_MESSAGE_MAX * 2);
	struct stg_error why = { 0 };
	*ret = json_object();
	stg_json_put_int(*ret, "v", 1);
	stg_json_put_new(*ret, "said", json_incref(e->said));
	if (!stg_scep_pass(&server, stg_buf_view(&e->message), e->post, &body, &why)) {
		stg_json_put(e->said, "what", "not passed on");
		stg_json_put(e->said, "text", why.msg);
		stg_json_put_int(e->said, "code", why.id);
		stg_json_put_int(*ret, "status", why.code == STG_E_TIMEOUT ? 503 : 502);
		stg_json_put_int(*ret, "retry_after_s", AGAIN_S);
		return true;
	}
	if (!stg_base64(stg_buf_view(&body), &text, err))
		return false;
	stg_json_put(e->said, "what", "passed on");
	stg_json_put_int(*ret, "status", 200);
	stg_json_put(*ret, "type", "application/x-pki-message");
	stg_json_put(*ret, "body", stg_buf_str(&text));
	return true;
}

static bool answer(json_t **ret, struct errand *e, int status, const char *what, const char *text)
{
	stg_json_put(e->said, "what", what);
	stg_json_put(e->said, "text", text);
	*ret = json_pack("{s:i,s:i,s:O}", "v", 1, "status", status, "said", e->said);
	if (status == 503)
		stg_json_put_int(*ret, "retry_after_s", AGAIN_S);
	return true;
}

/* Caps and certificates as they were read when there was a line. */
static bool kept_answer(json_t **ret, struct errand *e, bool caps)
{
	const char *certs = stg_json_str(e->config, "certs");
	if (!*certs)
		return answer(ret, e, 503, "refused", "nothing was read of that server yet: stager scep proxy fill");
	answer(ret, e, 200, caps ? "caps" : "certs", "");
	stg_json_put(*ret, "type", caps ? "text/plain" : stg_json_int(e->config, "n_certs", 1) > 1 ? "application/x-x509-ca-ra-cert" : "application/x-x509-ca-cert");
	stg_json_put(*ret, caps ? "text" : "body", caps ? stg_json_str(e->config, "caps") : certs);
	return true;
}

static bool relay(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *token = stg_json_str(in, "token"), *operation = stg_json_str(in, "operation"), *name = stg_json_str(in, "name");
	char hash[65];
	bool open = false;
	struct stg_error why = { 0 };
	struct errand *e = errand_new(c, name, &why);
	e = c->carry;
	e->said = json_object();
	stg_json_put(e->said, "peer", stg_json_str(in, "peer"));
	c->outside = relay_outside;
	stg_sha256_hex(stg_bytes_str(token), hash);
	STG_AUTO(stg_json_free_at) json_t *row = e->config ? stg_store_scep_challenge(c->store, hash, &why) : NULL;
	if (!row || strcmp(stg_json_str(row, "via"), name) != 0)
		return why.code && why.code != STG_E_NOT_FOUND ? (*err = why, false) : answer(ret, e, 404, "refused", "no such server or token");
	stg_json_put(e->said, "serial", stg_json_str(row, "device_serial"));
	if (stg_json_int(row, "expires_ms", 0) <= stg_wall_ms())
		return answer(ret, e, 403, "refused", "the token has expired");
	if (strcmp(operation, "PKIOperation") != 0)
		return kept_answer(ret, e, strcmp(operation, "GetCACaps") == 0);
	if (!stg_store_window(c->store, &open, NULL, err))
		return false;
	if (!open)
		return answer(ret, e, 503, "refused", "the line is closed");
	if (!stg_unbase64(stg_json_str(in, "message"), &e->message, &why))
		return answer(ret, e, 400, "no message", why.msg);
	STG_AUTO(stg_scep_msg_free_at) struct stg_scep_msg *m = stg_scep_open(stg_buf_view(&e->message), STG_SCEP_DES, NULL, &why);
	if (!m || m->refused.code) {
		stg_buf_reset(&e->message);
		return answer(ret, e, 400, "no message", m ? m->refused.msg : why.msg);
	}
	/* the first transaction is the token's: repeats and polls of it may pass, another may not */
	if (!stg_json_int(row, "used_ms", 0) &&
	    !(stg_store_scep_challenge_spend(c->store, stg_json_int(row, "id", 0), m->transaction_id, "", err) &&
	      ops_audit(c, "scep.relay", stg_json_str(row, "device_serial"), json_pack("{s:s,s:s}", "via", name, "transaction", m->transaction_id), err)))
		return false;
	if (stg_json_int(row, "used_ms", 0) && strcmp(stg_json_str(row, "transaction_id"), m->transaction_id) != 0) {
		stg_buf_reset(&e->message);
		return answer(ret, e, 403, "refused", "the token was used for another request");
	}
	e->post = stg_json_bool(e->config, "post", true);
	return true;
}

const struct stg_op stg_ops_scepproxy[] = {
	{ "scep.proxy.add", STG_OP_STORE, add },
	{ "scep.proxy.list", STG_OP_STORE, list },
	{ "scep.proxy.fetch", STG_OP_STORE, fetch },
	{ "scep.proxy.keep", STG_OP_STORE, keep },
	{ "scep.give", STG_OP_STORE, give },
	{ "scep.relay", STG_OP_STORE, relay },
	{ 0 },
};
