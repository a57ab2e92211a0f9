/*
 * jwt.c - signed assertions for sign-in servers.
 *
 * For:    stager/push, whose targets sign in with a key instead of a password.
 * Uses:   OpenSSL.
 * Called: by the push thread before it asks for a token.
 * Thread: any; no state.
 * Facts:  mdm-push 4.2. An ECDSA signature leaves OpenSSL as DER and goes out as r and s of 32 bytes each, zero padded.
 */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <stager/error.h>
#include <stager/jwt.h>

#define PEM_MAX (64u << 10)
#define TOKEN_MAX (32u << 10)

static void pkey_free_at(EVP_PKEY **k)
{
	EVP_PKEY_free(*k);
}

static void bio_free_at(BIO **b)
{
	BIO_free(*b);
}

static void digest_free_at(EVP_MD_CTX **c)
{
	EVP_MD_CTX_free(*c);
}

bool stg_jwt_alg_ok(const char *alg)
{
	return strcmp(alg, "RS256") == 0 || strcmp(alg, "PS256") == 0 || strcmp(alg, "ES256") == 0;
}

static bool add_base64url(struct stg_bytes in, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(TOKEN_MAX);
	if (!stg_base64(in, &text, err))
		return false;
	for (size_t i = 0; i < text.len; i++)
		text.data[i] = text.data[i] == '+' ? '-' : text.data[i] == '/' ? '_' : text.data[i];
	while (text.len && text.data[text.len - 1] == '=')
		text.len--;
	return stg_buf_add(ret, text.data, text.len, err);
}

static bool add_json(const json_t *j, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(stg_free_at) char *text = stg_json_text(j);
	return add_base64url(stg_bytes_str(text), ret, err);
}

/* An encrypted key must fail, never ask on the terminal. */
static int no_password(char *buf, int size, int rw, void *ctx)
{
	(void)buf, (void)size, (void)rw, (void)ctx;
	return -1;
}

static EVP_PKEY *key_of(struct stg_bytes pem, bool is_ec, struct stg_error *err)
{
	STG_AUTO(bio_free_at) BIO *b = pem.len && pem.len <= PEM_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
	STG_AUTO(pkey_free_at) EVP_PKEY *key = b ? PEM_read_bio_PrivateKey(b, NULL, no_password, NULL) : NULL;
	char group[32] = "";
	ERR_clear_error();
	bool fits = key && (is_ec ? EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) && strcmp(group, "prime256v1") == 0 :
				    EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= 2048);
	if (fits)
		return stg_steal(key);
	stg_fail_id(err, STG_E_INPUT, STG_ID_SIGNING_KEY, 0, "%s, %s was expected", key ? "a key of another kind" : "no readable private key",
		    is_ec ? "P-256 in PEM, not encrypted" : "RSA of 2048 bits or more in PEM, not encrypted");
	return NULL;
}

/* DER to r and s of 32 bytes each. */
static bool flat(struct stg_buf *signature)
{
	const unsigned char *p = signature->data;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)signature->len);
	uint8_t raw[64];
	bool ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32) == 32 && BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32) == 32;
	ECDSA_SIG_free(sig);
	stg_buf_reset(signature);
	return ok && stg_buf_add(signature, raw, sizeof(raw), NULL);
}

static bool sign(EVP_PKEY *key, const char *alg, struct stg_bytes text, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(digest_free_at) EVP_MD_CTX *c = EVP_MD_CTX_new();
	EVP_PKEY_CTX *how = NULL;
	size_t n = 1024;
	bool ok = c && EVP_DigestSignInit(c, &how, EVP_sha256(), NULL, key) == 1;
	if (ok && strcmp(alg, "PS256") == 0)
		ok = EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) == 1 && EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST) == 1;
	ok = ok && stg_buf_reserve(ret, n, err) && EVP_DigestSign(c, ret->data, &n, text.data, text.len) == 1;
	if (!ok)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_SIGNING_KEY, 0, "%s cannot be made with this key", alg);
	ret->len = n;
	return strcmp(alg, "ES256") != 0 || flat(ret) || stg_fail(err, STG_E_BUG, 0, "an ES256 signature of odd form");
}

bool stg_jwt_sign(struct stg_bytes key_pem, const char *alg, const json_t *header, const json_t *claims, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(TOKEN_MAX);
	STG_AUTO(stg_buf_clear) struct stg_buf signature = STG_BUF(2048);
	STG_AUTO(stg_json_free_at) json_t *head = header ? json_deep_copy(header) : json_object();
	if (!stg_jwt_alg_ok(alg))
		return stg_fail(err, STG_E_BUG, 0, "signature '%.20s'", alg);
	STG_AUTO(pkey_free_at) EVP_PKEY *key = key_of(key_pem, strcmp(alg, "ES256") == 0, err);
	if (!key)
		return false;
	stg_json_put(head, "alg", alg);
	stg_json_put(head, "typ", "JWT");
	return add_json(head, &text, err) && stg_buf_add_str(&text, ".", err) && add_json(claims, &text, err) &&
	       sign(key, alg, stg_buf_view(&text), &signature, err) && stg_buf_add(ret, text.data, text.len, err) && stg_buf_add_str(ret, ".", err) &&
	       add_base64url(stg_buf_view(&signature), ret, err);
}

bool stg_jwt_thumbprint(struct stg_bytes pem, char ret[48], struct stg_error *err)
{
	STG_AUTO(bio_free_at) BIO *b = pem.len && pem.len <= PEM_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(64);
	X509 *cert = b ? PEM_read_bio_X509(b, NULL, no_password, NULL) : NULL;
	uint8_t sum[32];
	unsigned int n = sizeof(sum);
	ERR_clear_error();
	bool ok = cert && X509_digest(cert, EVP_sha256(), sum, &n) == 1;
	X509_free(cert);
	if (!ok)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_SIGNING_KEY, 0, "there is no certificate beside the key, PEM with both was expected");
	return add_base64url(stg_bytes(sum, sizeof(sum)), &text, err) && stg_copy(ret, 48, stg_buf_str(&text));
}
