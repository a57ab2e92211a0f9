/*
 * cms.c - the two things the station signs: a device's challenge, and a profile.
 *
 * For:    escalation and pairing with supervised devices; profiles that nobody edits on the way.
 * Uses:   OpenSSL's CMS.
 * Called: by the station, for a job, once per step.
 * Thread: any.
 *
 * Facts: content attached, SHA-256, the signer's certificate first, and always CMS_BINARY: without it OpenSSL turns LF
 * into CRLF and about 8 % of random 8-byte challenges are refused (pymobiledevice3 #1805). No CMS_STREAM: it writes BER.
 */
#include <openssl/err.h>

#include "inner.h"

#define CHALLENGE_MAX 64
#define PROFILE_MAX (2u << 20)

static bool sign(X509 *cert, EVP_PKEY *key, X509 *issuer, struct stg_bytes content, struct stg_buf *ret, struct stg_error *err)
{
	const unsigned int how = CMS_BINARY | CMS_NOSMIMECAP;
	STG_AUTO(BIO_free_all_at) BIO *in = BIO_new_mem_buf(content.data, (int)content.len);
	STG_AUTO(CMS_ContentInfo_free_at) CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, how | CMS_PARTIAL);
	uint8_t *der = NULL;
	if (!in || !cms || !CMS_add1_signer(cms, cert, key, EVP_sha256(), how) || (issuer && CMS_add1_cert(cms, issuer) != 1) ||
	    CMS_final(cms, in, NULL, how) != 1)
		return keys_ssl_fail(err, STG_E_NOMEM, "sign");
	int n = i2d_CMS_ContentInfo(cms, &der);
	if (n <= 0)
		return keys_ssl_fail(err, STG_E_NOMEM, "sign");
	bool ok = stg_buf_add(ret, der, (size_t)n, err);
	OPENSSL_free(der);
	return ok;
}

bool stg_org_sign_challenge(const struct stg_keys *k, const json_t *row, struct stg_bytes sealed, struct stg_bytes challenge,
			    struct stg_buf *ret_cms, struct stg_error *err)
{
	if (challenge.len == 0 || challenge.len > CHALLENGE_MAX)
		return stg_fail(err, STG_E_PROTOCOL, 0, "a challenge of %zu bytes, 1 to %d are signed", challenge.len, CHALLENGE_MAX);
	STG_AUTO(stg_secret_clear) struct stg_secret bag = { 0 };
	STG_AUTO(X509_free_at) X509 *cert = keys_row_cert(row, "supervisor_pem", err);
	if (!cert || !keys_org_open(k, row, sealed, &bag, err))
		return false;
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *key = keys_org_key(&bag, "supervisor", err);
	return key && sign(cert, key, NULL, challenge, ret_cms, err);
}

bool stg_org_sign_profile(const struct stg_keys *k, const json_t *row, struct stg_bytes sealed, struct stg_bytes profile,
			  struct stg_buf *ret_cms, struct stg_error *err)
{
	if (profile.len == 0 || profile.len > PROFILE_MAX)
		return stg_fail(err, STG_E_PROTOCOL, 0, "a profile of %zu bytes, 1 to %u are signed", profile.len, PROFILE_MAX);
	STG_AUTO(stg_secret_clear) struct stg_secret bag = { 0 };
	STG_AUTO(X509_free_at) X509 *cert = keys_row_cert(row, "signer_pem", err);
	STG_AUTO(X509_free_at) X509 *issuing = cert ? keys_row_cert(row, "issuing_pem", err) : NULL;
	if (!issuing || !keys_org_open(k, row, sealed, &bag, err))
		return false;
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *key = keys_org_key(&bag, "signer", err);
	return key && sign(cert, key, issuing, profile, ret_cms, err);
}
