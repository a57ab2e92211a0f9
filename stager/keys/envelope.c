/*
 * envelope.c - something only one device can read.
 *
 * For:    profiles with secrets in them that pass through other hands.
 * Uses:   OpenSSL's CMS.
 * Called: by profiles/.
 * Thread: any; no state.
 *
 * Facts: profiles-and-certificates 3.3: EnvelopedData, never the authenticated form; the cipher is named because OpenSSL's own choice
 * is 3DES; an RSA recipient, for whether devices open one for an EC key nobody has shown; its key usage must allow encrypting keys.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "inner.h"

#define CONTENT_MAX (2u << 20)
#define RSA_BITS_MIN 2048

static bool unfit(struct stg_error *err, const char *what)
{
	ERR_clear_error();
	return stg_fail_id(err, STG_E_INPUT, STG_ID_RECIPIENT, 0, "%s", what);
}

static X509 *read_certificate(struct stg_bytes in)
{
	const unsigned char *p = in.data;
	X509 *cert = in.len && in.len < CONTENT_MAX && in.data[0] == 0x30 ? d2i_X509(NULL, &p, (long)in.len) : NULL;
	STG_AUTO(BIO_free_all_at) BIO *bio = !cert && in.len && in.len < CONTENT_MAX ? BIO_new_mem_buf(in.data, (int)in.len) : NULL;
	return bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : cert;
}

static bool fits(X509 *cert, struct stg_error *err)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	if (!key || !EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_get_bits(key) < RSA_BITS_MIN)
		return unfit(err, "the certificate has no RSA key of 2048 bits or more, which devices decrypt with");
	if (!(X509_get_key_usage(cert) & KU_KEY_ENCIPHERMENT))
		return unfit(err, "the certificate's key is not for encrypting (keyEncipherment)");
	if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
		return unfit(err, "the certificate has expired");
	return X509_check_ca(cert) != 1 || unfit(err, "a certificate authority is no device");
}

bool stg_cms_encrypt(struct stg_bytes content, struct stg_bytes certificate, struct stg_buf *ret_cms, struct stg_error *err)
{
	if (content.len == 0 || content.len > CONTENT_MAX)
		return stg_fail(err, STG_E_PROTOCOL, 0, "%zu bytes to encrypt, 1 to %u were expected", content.len, CONTENT_MAX);
	X509 *cert = read_certificate(certificate);
	STACK_OF(X509) *to = cert ? sk_X509_new_null() : NULL;
	STG_AUTO(BIO_free_all_at) BIO *in = BIO_new_mem_buf(content.data, (int)content.len);
	bool ok = cert ? fits(cert, err) : unfit(err, "neither PEM nor DER of a certificate");
	if (ok) {
		uint8_t *der = NULL;
		STG_AUTO(CMS_ContentInfo_free_at) CMS_ContentInfo *cms =
			to && in && sk_X509_push(to, cert) ? CMS_encrypt(to, in, EVP_aes_256_cbc(), CMS_BINARY) : NULL;
		int n = cms ? i2d_CMS_ContentInfo(cms, &der) : 0;
		ok = n > 0 ? stg_buf_add(ret_cms, der, (size_t)n, err) : keys_ssl_fail(err, STG_E_NOMEM, "encrypt");
		OPENSSL_free(der);
	}
	sk_X509_free(to);
	X509_free(cert);
	return ok;
}
