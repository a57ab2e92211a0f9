/*
 * opened.c - organisations whose keys are open.
 *
 * For:    a bench that signs six things for every device: unsealing and decoding the same keys each time would cost more
 *         than the signatures (0.7 ms a key, 0.24 ms a certificate).
 * Uses:   org.c to open, OpenSSL.
 * Called: by cms.c, leaf.c, crl.c.
 * Thread: any; a lock guards the few places, an opened organisation is counted and never changed.
 *
 * An entry is found by the hash of what it was made from, so a changed row or other sealed keys are another entry. The
 * keys are no easier to reach here than sealed: the station key that opens them lies in the same memory.
 */
#include <pthread.h>
#include <stdlib.h>

#include <openssl/err.h>

#include "inner.h"

#define PLACES 4

struct keys_cache {
	pthread_mutex_t lock;
	struct keys_opened *place[PLACES];
	size_t next;
};

struct keys_cache *keys_cache_new(void)
{
	struct keys_cache *c = stg_calloc(1, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

static void opened_free(struct keys_opened *o)
{
	X509_free(o->supervisor);
	X509_free(o->root);
	X509_free(o->issuing);
	X509_free(o->signer);
	X509_free(o->ra);
	EVP_PKEY_free(o->supervisor_key);
	EVP_PKEY_free(o->issuing_key);
	EVP_PKEY_free(o->signer_key);
	EVP_PKEY_free(o->ra_key);
	X509_STORE_free(o->issuers);
	keys_signed_free(o->done);
	free(o);
}

/* With the lock held. */
static void let_go(struct keys_opened *o)
{
	if (o && --o->n_holders == 0)
		opened_free(o);
}

void keys_cache_free(struct keys_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < PLACES; i++)
		let_go(c->place[i]);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static bool mark_of(const json_t *row, struct stg_bytes sealed, uint8_t ret[32])
{
	static const char *const parts[] = { "name", "supervisor_sha256", "supervisor_pem", "root_pem", "issuing_pem", "signer_pem", "ra_pem", "issuing_uri" };
	STG_AUTO(stg_buf_clear) struct stg_buf all = STG_BUF(KEYS_SEALED_MAX * 2);
	for (size_t i = 0; i < STG_ARRAY_LEN(parts); i++) {
		const char *text = stg_json_str(row, parts[i]);
		if (!stg_buf_add(&all, text, strlen(text) + 1, NULL))
			return false;
	}
	if (!stg_buf_add(&all, sealed.data, sealed.len, NULL))
		return false;
	stg_sha256(stg_buf_view(&all), ret);
	return true;
}

/* Our issuing certificate is the anchor: the root's signature on it was checked when it was made. */
X509_STORE *keys_anchors(X509 *issuing)
{
	X509_STORE *s = X509_STORE_new();
	if (s && X509_STORE_add_cert(s, issuing) == 1 && X509_STORE_set_flags(s, X509_V_FLAG_PARTIAL_CHAIN) == 1)
		return s;
	X509_STORE_free(s);
	return NULL;
}

static struct keys_opened *open_new(const struct stg_keys *k, const json_t *row, struct stg_bytes sealed, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret bag = { 0 };
	if (!keys_org_open(k, row, sealed, &bag, err))
		return NULL;
	struct keys_opened *o = stg_calloc(1, sizeof(*o));
	bool ok = (o->supervisor = keys_row_cert(row, "supervisor_pem", err)) && (o->root = keys_row_cert(row, "root_pem", err)) &&
		  (o->issuing = keys_row_cert(row, "issuing_pem", err)) && (o->signer = keys_row_cert(row, "signer_pem", err)) &&
		  (o->supervisor_key = keys_org_key(&bag, "supervisor", err)) && (o->issuing_key = keys_org_issuing_key(row, &bag, err)) &&
		  (o->signer_key = keys_org_key(&bag, "signer", err));
	if (ok && *stg_json_str(row, "ra_pem"))
		ok = (o->ra = keys_row_cert(row, "ra_pem", err)) && (o->ra_key = keys_org_key(&bag, "ra", err));
	if (ok && !(o->issuers = keys_anchors(o->issuing)))
		ok = keys_ssl_fail(err, STG_E_NOMEM, "open an organisation");
	if (ok)
		return o;
	opened_free(o);
	return NULL;
}

struct keys_opened *keys_opened_hold(const struct stg_keys *k, const json_t *row, struct stg_bytes sealed, struct stg_error *err)
{
	struct keys_cache *c = keys_cache_of(k);
	uint8_t mark[32];
	if (!mark_of(row, sealed, mark)) {
		stg_fail(err, STG_E_PROTOCOL, 0, "an organisation larger than any");
		return NULL;
	}
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < PLACES; i++) {
		struct keys_opened *o = c->place[i];
		if (o && memcmp(o->mark, mark, sizeof(mark)) == 0) {
			o->n_holders++;
			pthread_mutex_unlock(&c->lock);
			return o;
		}
	}
	pthread_mutex_unlock(&c->lock);
	struct keys_opened *o = open_new(k, row, sealed, err);
	if (!o)
		return NULL;
	o->cache = c;
	o->done = keys_signed_new();
	memcpy(o->mark, mark, sizeof(mark));
	o->n_holders = 2;       /* the caller and the cache */
	pthread_mutex_lock(&c->lock);
	let_go(c->place[c->next]);
	c->place[c->next] = o;
	c->next = (c->next + 1) % PLACES;
	pthread_mutex_unlock(&c->lock);
	return o;
}

void keys_opened_release_at(struct keys_opened **o)
{
	if (!*o)
		return;
	struct keys_cache *c = (*o)->cache;
	pthread_mutex_lock(&c->lock);
	let_go(*o);
	pthread_mutex_unlock(&c->lock);
	*o = NULL;
}
