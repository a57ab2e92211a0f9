/*
 * hostile.c - bytes that no device would say, said by one.
 *
 * For:    a host that is tried with a corpus of hostile replies: the bytes come from files that a test wrote.
 * Uses:   conn.h, stream.h, OpenSSL for certificates that are wrong.
 * Called: by conn.c and mux.c, where a fault of that kind is armed.
 * Thread: the bench's only one.
 *
 * What a reply does when its bytes are out is one word of the fault, `then`:
 *   go      the connection lives on as if it had answered (the default)
 *   answer  the honest answer follows: two for one question
 *   close   hangs up
 *   mute    keeps the line and never says a word again
 *   repeat  says it over and over, `mib` in all, as fast as it is read
 *   drip    one byte each `ms`, the first one too
 * and `strip=1` takes TLS off first: the bytes come in the clear where the host expects protected ones.
 */
#include "hostile.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include <stager/file.h>

#include "tls.h"
#include "words.h"

#define FILE_MAX (32u << 20)
#define AHEAD_MAX (1u << 20)     /* of an endless reply: so much waits to be read */
#define REPEAT_MS 1
#define AFC_NUMBER 24            /* where an AFC packet has its number */
#define AFC_HEADER 40

struct stg_buf virt_hostile_file(const char *path)
{
	struct stg_buf b = STG_BUF(FILE_MAX);

	if (path[0] && !stg_file_read(path, &b, NULL))
		stg_buf_reset(&b);
	return b;
}

static void speak(struct virt_conn *c);

static void speak_on(struct virt_timer *t)
{
	speak(VIRT_OWNER(t, struct virt_conn, after));
}

static void again_in(struct virt_conn *c, int64_t ms)
{
	virt_timer_set(c->bench->loop, &c->after, ms, speak_on);
}

/* The next piece of what c->rest holds. */
static void speak(struct virt_conn *c)
{
	if (!c->device || c->stream.fd < 0)
		return;
	if (c->drip_ms) {
		virt_stream_send(&c->stream, stg_bytes(c->rest.data + c->rest_at, 1));
		c->rest_at = (c->rest_at + 1) % c->rest.len;
		again_in(c, c->drip_ms);
		return;
	}
	while (c->repeat_bytes > 0 && c->stream.out.len - c->stream.out_sent < AHEAD_MAX) {
		virt_stream_send(&c->stream, stg_buf_view(&c->rest));
		c->repeat_bytes -= (int64_t)c->rest.len;
	}
	if (c->repeat_bytes > 0)
		again_in(c, REPEAT_MS);
}

/* Says the bytes in c->rest as the fault tells. False: the honest answer follows. */
static bool say(struct virt_conn *c, const json_t *args)
{
	const char *then = stg_json_str_or(args, "then", "go");
	struct stg_bytes all = stg_buf_view(&c->rest);

	if (stg_json_int(args, "strip", 0))
		virt_stream_strip(&c->stream);
	if (strcmp(then, "drip") == 0 && all.len) {
		c->stream.deaf = true;
		c->rest_at = 0;
		c->drip_ms = stg_json_int(args, "ms", 1000);
		speak(c);
		return true;
	}
	if (strcmp(then, "repeat") == 0 && all.len) {
		c->stream.deaf = true;
		c->repeat_bytes = stg_json_int(args, "mib", 1024) << 20;
		speak(c);
		return true;
	}
	virt_stream_send(&c->stream, all);
	stg_buf_reset(&c->rest);
	if (strcmp(then, "answer") == 0)
		return false;
	if (strcmp(then, "close") == 0)
		virt_stream_finish(&c->stream);
	else if (strcmp(then, "mute") == 0)
		c->stream.deaf = true;
	return true;
}

static void take_file(struct virt_conn *c, const json_t *args)
{
	stg_buf_clear(&c->rest);
	c->rest = virt_hostile_file(stg_json_str(args, "file"));
}

bool virt_hostile_reply(struct virt_conn *c, const char *request, struct stg_bytes ask)
{
	const struct virt_fault *f = virt_fault_take(c->device, c->name, request, "reply");

	if (!f)
		return false;
	take_file(c, f->args);
	/* an answer of AFC is heard only under the number of its question */
	if (stg_json_int(f->args, "number", 0) && ask.len >= AFC_HEADER && c->rest.len >= AFC_HEADER)
		memcpy(c->rest.data + AFC_NUMBER, ask.data + AFC_NUMBER, 8);
	return say(c, f->args);
}

bool virt_hostile_handshake(struct virt_conn *c)
{
	const struct virt_fault *f = virt_fault_take(c->device, c->name, "", "handshake");

	if (!f)
		return false;
	take_file(c, f->args);
	c->stream.deaf = true;
	(void)say(c, f->args);
	return true;
}

/* ---- certificates ---- */

static X509 *certificate(EVP_PKEY *key, long from_s, long until_s)
{
	X509 *x = X509_new();

	if (x && X509_set_version(x, X509_VERSION_3) && X509_gmtime_adj(X509_getm_notBefore(x), from_s) &&
	    X509_gmtime_adj(X509_getm_notAfter(x), until_s) && X509_set_pubkey(x, key) && X509_sign(x, key, EVP_sha256()) > 0)
		return x;
	X509_free(x);
	ERR_clear_error();
	return NULL;
}

SSL *virt_hostile_tls(struct virt_conn *c, struct virt_record *r)
{
	const struct virt_fault *f = virt_fault_take(c->device, c->name, "", "certificate");
	const char *key = f ? stg_json_str_or(f->args, "key", "own") : "";
	long day = 86400, from = -day, until = day;
	struct virt_key *k;
	SSL *ssl;
	X509 *x;

	if (!f)
		return NULL;
	if (strcmp(stg_json_str(f->args, "time"), "past") == 0)
		from = -3 * day, until = -2 * day;
	else if (strcmp(stg_json_str(f->args, "time"), "future") == 0)
		from = 2 * day, until = 3 * day;
	k = strcmp(key, "short") == 0   ? virt_keys_short(c->bench->keys, (unsigned int)stg_json_int(f->args, "bits", 512), NULL)
	    : strcmp(key, "other") == 0 ? virt_keys_get(c->bench->keys, c->device->number + c->device->generation + 31, NULL)
					: virt_device_key(c->device, NULL);
	if (k == virt_device_key(c->device, NULL) && strcmp(key, "other") == 0)
		k = virt_keys_get(c->bench->keys, c->device->number + c->device->generation + 32, NULL);
	ssl = k ? virt_tls_new(c->bench, c->device, r) : NULL;
	x = ssl ? certificate(k->pkey, from, until) : NULL;
	if (!x || SSL_use_certificate(ssl, x) != 1 || SSL_use_PrivateKey(ssl, k->pkey) != 1) {
		SSL_free(ssl);
		ssl = NULL;
		ERR_clear_error();
	}
	X509_free(x);
	return ssl;
}

/* ---- answers bent ---- */

void virt_hostile_bend(struct virt_conn *c, const char *request)
{
	const struct virt_fault *f = virt_fault_take(c->device, c->name, request, "merge");

	if (!f)
		return;
	STG_AUTO(stg_buf_clear) struct stg_buf text = virt_hostile_file(stg_json_str(f->args, "file"));
	plist_free(c->merge);
	c->merge = NULL;
	/* from a test, not from a host: it needs no scan in front */
	if (text.len)
		plist_from_memory((const char *)text.data, (uint32_t)text.len, &c->merge);
}

static void merge(plist_t to, plist_t from)
{
	plist_dict_iter it = NULL;
	char *key = NULL;
	plist_t value = NULL;

	plist_dict_new_iter(from, &it);
	for (;;) {
		plist_t there;

		plist_dict_next_item(from, it, &key, &value);
		if (!key)
			break;
		there = plist_dict_get_item(to, key);
		if (strcmp(virt_text(from, key), "(none)") == 0) {
			if (there)
				plist_dict_remove_item(to, key);
		} else if (there && plist_get_node_type(there) == PLIST_DICT && plist_get_node_type(value) == PLIST_DICT) {
			merge(there, value);
		} else {
			plist_dict_set_item(to, key, plist_copy(value));
		}
		free(key);
		key = NULL;
	}
	free(it);
}

void virt_hostile_merge(struct virt_conn *c, plist_t answer)
{
	plist_t with = c->merge;

	c->merge = NULL;
	if (with && plist_get_node_type(answer) == PLIST_DICT && plist_get_node_type(with) == PLIST_DICT)
		merge(answer, with);
	plist_free(with);
}

/* ---- the mux ---- */

bool virt_hostile_mux(struct virt_device *d, struct virt_stream *s)
{
	const struct virt_fault *f = virt_fault_take(d, "", "Connect", "reply");
	const char *then = f ? stg_json_str_or(f->args, "then", "close") : "";

	if (!f)
		return false;
	STG_AUTO(stg_buf_clear) struct stg_buf all = virt_hostile_file(stg_json_str(f->args, "file"));
	virt_stream_send(s, stg_buf_view(&all));
	if (strcmp(then, "answer") == 0)
		return false;
	if (strcmp(then, "close") == 0)
		virt_stream_finish(s);
	return true;
}
