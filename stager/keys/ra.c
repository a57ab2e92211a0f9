/*
 * ra.c - the registration authority: who decrypts and signs SCEP messages in the organisation's name.
 *
 * For:    SCEP. Devices encrypt their request to an RSA certificate; the issuing CA has an EC key, which cannot receive.
 * Uses:   leaf.c for the certificate, OpenSSL.
 * Called: by stager/scep.
 * Thread: any.
 */
#include <openssl/err.h>

#include <stager/clock.h>

#include "inner.h"

#define RA_DAYS 397

bool stg_org_ra_make(const struct stg_keys *k, json_t *row, struct stg_bytes sealed, struct stg_buf *ret_sealed, json_t **ret_leaf,
		     struct stg_error *err)
{
	struct stg_leaf_ask ask = { .common_name = "SCEP registration", .days = RA_DAYS, .purpose = "ra" };
	STG_AUTO(stg_secret_clear) struct stg_secret bag = { 0 }, text = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf next = STG_BUF(KEYS_SEALED_MAX), pem = STG_BUF(KEYS_PEM_MAX);
	STG_AUTO(keys_opened_release_at) struct keys_opened *o = keys_opened_hold(k, row, sealed, err);
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *key = o ? keys_make_rsa(2048, err) : NULL;
	STG_AUTO(X509_free_at) X509 *cert = NULL;
	STG_AUTO(stg_json_free_at) json_t *leaf = NULL;
	if (!key || !keys_leaf_over(o, row, &ask, key, &cert, &leaf, err) || !keys_org_open(k, row, sealed, &bag, err) ||
	    !keys_to_pem(key, &text, err) || !keys_bag_set(stg_secret_reveal(&bag), "ra", stg_secret_reveal(&text), &next, err) ||
	    !keys_cert_to_pem(cert, &pem, err) || !keys_org_seal(k, row, stg_buf_view(&next), ret_sealed, err))
		return stg_while(err, "make the registration authority");
	stg_json_put(row, "ra_pem", stg_buf_str(&pem));
	*ret_leaf = stg_steal(leaf);
	return true;
}

bool stg_org_ra_due(const json_t *row, int64_t before_ms)
{
	const char *pem = stg_json_str(row, "ra_pem");
	int64_t until = 0;
	char issuer[128] = "";
	STG_AUTO(X509_free_at) X509 *cert = *pem ? keys_cert_from_pem(stg_bytes_str(pem), NULL) : NULL;
	const ASN1_OCTET_STRING *id = cert ? X509_get0_authority_key_id(cert) : NULL;
	size_t n = id ? (size_t)ASN1_STRING_length(id) : 0;
	if (n && 2 * n < sizeof(issuer))
		stg_hex(stg_bytes(ASN1_STRING_get0_data(id), n), issuer);
	return !cert || strcmp(issuer, stg_json_str(row, "issuer")) != 0 || !keys_time_ms(X509_get0_notAfter(cert), &until) ||
	       stg_wall_ms() + before_ms >= until;
}

bool stg_org_ra(const struct stg_keys *k, const json_t *row, struct stg_bytes sealed, struct stg_ra *ret, struct stg_error *err)
{
	STG_AUTO(keys_opened_release_at) struct keys_opened *o = keys_opened_hold(k, row, sealed, err);
	if (!o)
		return false;
	if (!o->ra)
		return stg_fail(err, STG_E_NOT_FOUND, 0, "there is no registration authority yet");
	X509_up_ref(o->ra);
	X509_up_ref(o->issuing);
	X509_up_ref(o->root);
	EVP_PKEY_up_ref(o->ra_key);
	*ret = (struct stg_ra){ .cert = o->ra, .issuing = o->issuing, .root = o->root, .key = o->ra_key };
	return true;
}

void stg_ra_clear(struct stg_ra *ra)
{
	X509_free(ra->cert);
	X509_free(ra->issuing);
	X509_free(ra->root);
	EVP_PKEY_free(ra->key);
	*ra = (struct stg_ra){ 0 };
}
