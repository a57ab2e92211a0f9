/*
 * tokenkey.c - mutual TLS with a key that lives in a PKCS#11 token.
 *
 * For:    every request of a target whose setting client_key is an address pkcs11:...
 * Uses:   <stager/keys.h> for the token; OpenSSL to see whether certificate and key belong together.
 * Called: request.c, token.c.
 * Thread: the push thread's and those of questions.
 *
 * A token locks itself after a few wrong PINs, and a station tries for ever: a PIN that was refused once is not shown to the token
 * again by this process.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <stager/ids.h>
#include <stager/keys.h>

#include "../parts.h"

#define REFUSED_MAX 16

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char refused[REFUSED_MAX][65];
static size_t n_refused;

static void hash_of(const char *uri, const char *pin, char ret[65])
{
	STG_AUTO(stg_buf_clear) struct stg_buf both = STG_BUF(2048);
	(void)stg_buf_printf(&both, NULL, "%s\n%s", uri, pin);
	stg_sha256_hex(stg_buf_view(&both), ret);
}

static bool was_refused(const char sum[65])
{
	bool found = false;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < REFUSED_MAX; i++)
		found = found || strcmp(refused[i], sum) == 0;
	pthread_mutex_unlock(&lock);
	return found;
}

static void remember(const char sum[65])
{
	pthread_mutex_lock(&lock);
	stg_copy(refused[n_refused++ % REFUSED_MAX], sizeof(refused[0]), sum);
	pthread_mutex_unlock(&lock);
}

static bool fits(const char *pem, EVP_PKEY *key)
{
	BIO *b = BIO_new_mem_buf(pem, -1);
	X509 *cert = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;
	bool ok = cert && X509_check_private_key(cert, key) == 1;
	X509_free(cert);
	BIO_free(b);
	return ok;
}

bool push_client_key(const struct push_target *t, struct evp_pkey_st **ret, struct stg_error *err)
{
	const char *uri = stg_json_str(t->config, "client_key"), *pin = stg_json_str(t->credentials.values, "pin");
	struct stg_error why = { 0 };
	char sum[65];
	*ret = NULL;
	if (!*uri)
		return true;
	hash_of(uri, pin, sum);
	EVP_PKEY *key = was_refused(sum) ? NULL : stg_token_key(uri, stg_bytes_str(pin), &why);
	if (!key && (why.code == STG_OK || (why.id == STG_ID_TOKEN_KEY && why.origin))) {
		remember(sum);
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_TARGET_TOKEN_PIN, 0, "%.200s", uri);
	}
	if (!key && why.id == STG_ID_TOKEN_KEY)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_TARGET_TOKEN_GONE, 0, "%.200s", why.msg);
	if (!key) {
		if (err)
			*err = why;
		return false;
	}
	if (!fits(stg_json_str(t->credentials.values, "client_pem"), key)) {
		EVP_PKEY_free(key);
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_TARGET_TOKEN_PAIR, 0, "%.200s", uri);
	}
	*ret = key;
	return true;
}

bool push_client_key_check(const struct push_target *t, struct stg_error *err)
{
	const char *uri = stg_json_str(t->config, "client_key");
	if (!*uri)
		return true;
	if (!stg_token_uri_ok(uri, err))
		return false;
	if (!strstr(stg_json_str(t->credentials.values, "client_pem"), "-----BEGIN CERTIFICATE") || !*stg_json_str(t->credentials.values, "pin"))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CREDENTIALS, 0, "client_key: --cert and --pin were expected beside it");
	return true;
}

const char *push_state_of(const struct stg_error *why, const char *otherwise)
{
	return why->id == STG_ID_TARGET_TOKEN_PIN ? "token_pin" : why->id == STG_ID_TARGET_TOKEN_GONE ? "token_gone" : why->id == STG_ID_TARGET_TOKEN_PAIR ? "token_pair" : otherwise;
}
