/*
 * host.c - what a driver or a step asks of the station, one message each.
 *
 * For:    struct stg_host inside a worker.
 * Uses:   the channel; base64 for bytes. Secrets live in struct stg_secret on this side, the message is wiped.
 * Called: by drivers and steps through the table.
 * Thread: the worker's only one.
 */
#include <stdlib.h>

#include <openssl/crypto.h>

#include <stager/error.h>

#include <stager/facts.h>

#include "worker_i.h"

#define PEM_MAX (16u << 10)
#define DER_MAX (16u << 10)
#define CMS_MAX (64u << 10)
#define BODY_MAX (4u << 20)
#define PAYLOAD_MAX ((1u << 20) + 16)

/* jansson keeps its own copy of a string; the text inside is writable and ours to wipe. */
static void wipe(json_t *o, const char *key)
{
	json_t *s = json_object_get(o, key);
	if (json_is_string(s))
		OPENSSL_cleanse((void *)(uintptr_t)json_string_value(s), json_string_length(s));
}

/* Takes `msg`. The answer to it, or NULL with the station's error. */
static json_t *ask(struct worker *w, const char *what, json_t *msg, struct stg_error *err)
{
	int64_t q = ++w->last_q;
	stg_json_put(msg, "t", "ask");
	stg_json_put_int(msg, "q", q);
	stg_json_put(msg, "what", what);
	if (w->key[0])
		stg_json_put(msg, "key", w->key);
	/* during intake the station may not know yet who this is: older devices tell their ECID only when asked */
	worker_tell_identity(w, msg);
	worker_send(w, msg);
	for (;;) {
		json_t *answer = worker_await(w, "answer", false);
		if (stg_json_int(answer, "q", -1) != q) {
			json_decref(answer);
			continue;
		}
		const json_t *no = json_object_get(answer, "error");
		if (!no)
			return answer;
		stg_json_to_error(no, err);
		json_decref(answer);
		return NULL;
	}
}

static bool take_bytes(const json_t *o, const char *key, size_t max, struct stg_buf *ret, struct stg_error *err)
{
	*ret = STG_BUF(max);
	if (!stg_unbase64(stg_json_str(o, key), ret, err)) {
		stg_buf_clear(ret);
		return stg_while(err, "the station's answer: %s", key);
	}
	return true;
}

static bool put_bytes(json_t *o, const char *key, struct stg_bytes b, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(b.len * 2 + 16);
	if (!stg_base64(b, &text, err))
		return false;
	stg_json_put_new(o, key, json_stringn(stg_buf_str(&text), text.len));
	return true;
}

static bool take_text(const json_t *o, const char *key, struct stg_buf *ret, struct stg_error *err)
{
	*ret = STG_BUF(PEM_MAX);
	return stg_buf_add_str(ret, stg_json_str(o, key), err);
}

static bool host_identity(void *ctx, struct stg_host_identity *ret, struct stg_error *err)
{
	json_t *a = ask(ctx, "host_identity", json_object(), err);
	if (!a)
		return stg_while(err, "ask for a pairing identity");
	struct stg_host_identity h = { 0 };
	bool ok = stg_copy(h.host_id, sizeof(h.host_id), stg_json_str(a, "host_id")) &&
		  stg_copy(h.system_buid, sizeof(h.system_buid), stg_json_str(a, "system_buid"));
	if (!ok)
		stg_fail(err, STG_E_BUG, 0, "a pairing identity with a name that is too long");
	ok = ok && take_text(a, "root_certificate", &h.root_certificate, err) &&
	     take_text(a, "host_certificate", &h.host_certificate, err) &&
	     stg_secret_set(&h.root_key, stg_bytes_str(stg_json_str(a, "root_key")), err) &&
	     stg_secret_set(&h.host_key, stg_bytes_str(stg_json_str(a, "host_key")), err);
	wipe(a, "root_key");
	wipe(a, "host_key");
	json_decref(a);
	if (!ok) {
		stg_host_identity_clear(&h);
		return false;
	}
	*ret = h;
	return true;
}

static bool keep_trust(void *ctx, const char *udid, const struct stg_secret *record, struct stg_error *err)
{
	json_t *m = json_object();
	stg_json_put(m, "udid", udid);
	struct stg_bytes plain = record ? stg_secret_reveal(record) : stg_bytes(NULL, 0);
	if (!put_bytes(m, "record", plain, err)) {
		json_decref(m);
		return false;
	}
	json_incref(m);
	json_t *a = ask(ctx, "keep_trust", m, err);
	wipe(m, "record");
	json_decref(m);
	json_decref(a);
	return a ? true : stg_while(err, "keep the pair record");
}

static bool supervisor(void *ctx, struct stg_buf *ret_der, struct stg_error *err)
{
	struct worker *w = ctx;
	if (!w->supervisor.len) {
		STG_AUTO(stg_json_free_at) json_t *a = ask(w, "supervisor", json_object(), err);
		if (!a || !take_bytes(a, "der", DER_MAX, &w->supervisor, err))
			return stg_while(err, "ask for the supervision certificate");
	}
	*ret_der = STG_BUF(DER_MAX);
	return stg_buf_add(ret_der, w->supervisor.data, w->supervisor.len, err);
}

static bool sign_challenge(void *ctx, struct stg_bytes challenge, struct stg_buf *ret_cms, struct stg_error *err)
{
	json_t *m = json_object();
	if (!put_bytes(m, "challenge", challenge, err)) {
		json_decref(m);
		return false;
	}
	json_t *a = ask(ctx, "sign_challenge", m, err);
	bool ok = a && take_bytes(a, "cms", CMS_MAX, ret_cms, err);
	json_decref(a);
	return ok || stg_while(err, "ask for a signature");
}

static bool relay(void *ctx, const struct stg_http *http, struct stg_http_answer *ret, struct stg_error *err)
{
	json_t *m = json_object(), *h = json_object();
	stg_json_put_new(m, "http", h);
	stg_json_put(h, "method", http->method);
	stg_json_put(h, "url_path", http->url_path);
	stg_json_put(h, "content_type", http->content_type);
	if (http->headers)
		stg_json_put_new(h, "headers", json_deep_copy(http->headers));
	if (!put_bytes(h, "body", http->body, err)) {
		json_decref(m);
		return false;
	}
	STG_AUTO(stg_json_free_at) json_t *a = ask(ctx, "relay", m, err);
	if (!a)
		return stg_while(err, "relay");
	const json_t *got = json_object_get(a, "http");
	struct stg_http_answer answer = { .status = (int)stg_json_int(got, "status", 0) };
	stg_copy(answer.content_type, sizeof(answer.content_type), stg_json_str(got, "content_type"));
	if (!take_bytes(got, "body", BODY_MAX, &answer.body, err))
		return false;
	answer.headers = json_incref(json_object_get(got, "headers"));
	if (!answer.headers)
		answer.headers = json_object();
	*ret = answer;
	return true;
}

static bool payload(void *ctx, struct stg_payload *ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *a = ask(ctx, "payload", json_object(), err);
	if (!a)
		return stg_while(err, "make the payload");
	struct stg_payload p = { .version = stg_json_int(a, "version", 1) };
	bool ok = take_bytes(a, "bytes", PAYLOAD_MAX, &p.bytes, err);
	wipe(a, "bytes");
	if (!ok)
		return false;
	if (!stg_copy(p.identifier, sizeof(p.identifier), stg_json_str(a, "identifier")) || !p.identifier[0] ||
	    !stg_copy(p.uuid, sizeof(p.uuid), stg_json_str(a, "uuid")) ||
	    !stg_copy(p.sha256, sizeof(p.sha256), stg_json_str(a, "sha256")) ||
	    !stg_copy(p.certificate_sha256, sizeof(p.certificate_sha256), stg_json_str(a, "certificate_sha256")) ||
	    p.bytes.len == 0) {
		stg_payload_clear(&p);
		return stg_fail(err, STG_E_BUG, 0, "a payload without bytes or identifier");
	}
	*ret = p;
	return true;
}

static bool file(void *ctx, struct stg_host_file *ret, struct stg_error *err)
{
	struct worker *w = ctx;
	STG_AUTO(stg_json_free_at) json_t *a = ask(ctx, "file", json_object(), err);
	if (!a)
		return stg_while(err, "ask for the file");
	STG_AUTO(stg_host_file_clear) struct stg_host_file f = { .fd = w->came_fd, .about = json_incref(json_object_get(a, "about")) };
	if (!json_is_object(f.about) || f.fd < 0) {
		json_decref(f.about);
		f.about = NULL;
		return stg_fail(err, STG_E_BUG, 0, "a file without a descriptor or a description");
	}
	w->came_fd = -1;
	f.size_bytes = (uint64_t)stg_json_int(f.about, "size", 0);
	if (!stg_copy(f.sha256, sizeof(f.sha256), stg_json_str(f.about, "sha256")) || strlen(f.sha256) != 64 ||
	    !stg_copy(f.mark, sizeof(f.mark), stg_json_str(f.about, "sum")))
		return stg_fail(err, STG_E_BUG, 0, "a file without its hash");
	stg_host_file_clear(ret);
	*ret = f;
	f = (struct stg_host_file){ 0 };
	return true;
}

static bool erase_token(void *ctx, const struct stg_identity *read_now, struct stg_error *err)
{
	struct worker *w = ctx;
	json_t *m = json_object();
	const json_t *facts = worker_facts(w);
	/* who manages it is not known: somebody else may */
	stg_json_put_bool(m, "foreign", stg_json_bool(facts, STG_FACT_SUPERVISED, true) && !stg_json_bool(facts, STG_FACT_OURS, false));
	stg_json_put_new(m, "identity", stg_identity_json(read_now));
	json_t *a = ask(ctx, "erase_token", m, err);
	json_decref(a);
	return a ? true : stg_while(err, "erase gate");
}

static bool escrow(void *ctx, const struct stg_secret *token, json_t **ret_receipt, struct stg_error *err)
{
	json_t *m = json_object();
	if (token && !put_bytes(m, "token", stg_secret_reveal(token), err)) {
		json_decref(m);
		return false;
	}
	json_incref(m);
	STG_AUTO(stg_json_free_at) json_t *a = ask(ctx, "escrow", m, err);
	wipe(m, "token");
	json_decref(m);
	if (!a)
		return stg_while(err, "keep an unlock token");
	*ret_receipt = json_incref(json_object_get(a, "receipt"));
	return *ret_receipt || stg_fail(err, STG_E_BUG, 0, "an answer without a receipt");
}

static bool unlock_token(void *ctx, struct stg_secret *ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf token = { 0 };
	json_t *a = ask(ctx, "unlock_token", json_object(), err);
	bool ok = a && take_bytes(a, "token", DER_MAX * 4, &token, err) && stg_secret_set(ret, stg_buf_view(&token), err);
	wipe(a, "token");
	json_decref(a);
	return ok || stg_while(err, "ask for the unlock token");
}

static bool claim_name(void *ctx, const char *name, struct stg_error *err)
{
	json_t *m = json_object();
	stg_json_put(m, "name", name);
	json_t *a = ask(ctx, "claim_name", m, err);
	json_decref(a);
	return a ? true : stg_while(err, "ask for the name");
}

static bool origin(void *ctx, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *a = ask(ctx, "origin", json_object(), err);
	if (!a)
		return stg_while(err, "ask where it comes from");
	*ret = json_incref(json_object_get(a, "origin"));
	return *ret || stg_fail(err, STG_E_BUG, 0, "an answer without an origin");
}

static void ask_person(void *ctx, enum stg_ask what)
{
	struct worker *w = ctx;
	if (w->asked_person == (int)what + 1)
		return;         /* the board shows it already */
	w->asked_person = (int)what + 1;
	json_t *m = json_object();
	stg_json_put(m, "t", "person");
	stg_json_put(m, "ask", stg_ask_name(what));
	worker_send(w, m);
}

static void progress(void *ctx, int percent)
{
	json_t *m = json_object();
	stg_json_put(m, "t", "progress");
	stg_json_put_int(m, "percent", percent);
	worker_send(ctx, m);
}

static bool bulk_turn(void *ctx, uint64_t left_bytes, uint64_t *ret_bytes, struct stg_error *err)
{
	json_t *m = json_object();
	stg_json_put_int(m, "left", left_bytes > INT64_MAX ? INT64_MAX : (int64_t)left_bytes);
	json_t *a = ask(ctx, "bulk", m, err);
	if (!a)
		return false;
	int64_t bytes = stg_json_int(a, "bytes", 0);
	json_decref(a);
	*ret_bytes = bytes > 0 ? (uint64_t)bytes : 0;
	return true;
}

void worker_host_init(struct worker *w)
{
	w->host = (struct stg_host){
		.ctx = w,
		.host_identity = host_identity,
		.keep_trust = keep_trust,
		.supervisor = supervisor,
		.sign_challenge = sign_challenge,
		.relay = relay,
		.payload = payload,
		.erase_token = erase_token,
		.ask_person = ask_person,
		.progress = progress,
		.bulk_turn = bulk_turn,
		.escrow = escrow,
		.unlock_token = unlock_token,
		.claim_name = claim_name,
		.origin = origin,
		.file = file,
	};
}
