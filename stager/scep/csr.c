/*
 * csr.c - a certificate request (PKCS#10) as SCEP takes one.
 *
 * For:    the responder; nothing of it is copied into a certificate but the key.
 * Uses:   der.c first, then keys/request.c.
 * Called: with bytes out of an envelope.
 * Thread: any.
 */
#include <openssl/err.h>

#include <stager/keys.h>

#include "inner.h"

#define CSR_MAX (16u << 10)

static bool is_request(struct stg_bytes der)
{
	const unsigned char *p = der.data;
	if (!der.len || der.len > CSR_MAX || !scep_der_ok(der))
		return false;
	X509_REQ *r = d2i_X509_REQ(NULL, &p, (long)der.len);
	X509_REQ_free(r);
	ERR_clear_error();
	return r != NULL;
}

json_t *stg_scep_csr_read(struct stg_bytes der, struct stg_secret *ret_challenge, struct stg_error *err)
{
	struct stg_error why = { 0 };
	/* a wrong key of the envelope gives random bytes: told like an envelope that does not open */
	if (!is_request(der)) {
		scep_fail(err, STG_ID_SCEP_REQUEST, STG_SCEP_BAD_CHECK, "the envelope does not open");
		return NULL;
	}
	STG_AUTO(stg_json_free_at) json_t *r = stg_request_read(der, ret_challenge, &why);
	if (!r) {
		scep_fail(err, STG_ID_SCEP_REQUEST, STG_SCEP_BAD_REQUEST, why.msg);
		return NULL;
	}
	if (strncmp(stg_json_str(r, "key"), "rsa-", 4) != 0) {
		scep_fail(err, STG_ID_SCEP_REQUEST, STG_SCEP_BAD_ALG, "an RSA key was expected: the answer is encrypted to it");
		return NULL;
	}
	return stg_steal(r);
}

bool stg_scep_key_print(struct x509_st *cert, char ret[65])
{
	uint8_t *der = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	if (n > 0)
		stg_sha256_hex(stg_bytes(der, (size_t)n), ret);
	OPENSSL_free(der);
	return n > 0;
}

bool stg_scep_key_is(struct x509_st *cert, const char *spki_sha256)
{
	char hash[65];
	return stg_scep_key_print(cert, hash) && strcmp(hash, spki_sha256) == 0;
}
