/*
 * desk.h - what the tests of SCEP share: keys, certificates, requests made with OpenSSL alone.
 */
#ifndef TESTS_SCEP_DESK_H
#define TESTS_SCEP_DESK_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stager/error.h>
#include <stager/scep.h>

/* A certificate over its own key. */
static inline X509 *desk_cert(EVP_PKEY *key, const char *cn, long serial)
{
	X509 *c = X509_new();
	assert_non_null(c);
	X509_set_version(c, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(c), serial);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(c, X509_get_subject_name(c));
	X509_gmtime_adj(X509_getm_notBefore(c), -60);
	X509_gmtime_adj(X509_getm_notAfter(c), 86400);
	X509_set_pubkey(c, key);
	assert_true(X509_sign(c, key, EVP_sha256()) > 0);
	return c;
}

static inline void desk_ext(STACK_OF(X509_EXTENSION) *exts, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	assert_non_null(e);
	sk_X509_EXTENSION_push(exts, e);
}

struct desk_ask {
	const char *cn, *serial_number, *challenge, *san, *constraints;
	bool version_2, not_signed, challenge_twice;
};

/* A request, DER. */
static inline void desk_csr(EVP_PKEY *key, const struct desk_ask *a, struct stg_buf *ret)
{
	X509_REQ *r = X509_REQ_new();
	X509_REQ_set_version(r, a->version_2 ? 2 : 0);
	X509_NAME *n = X509_REQ_get_subject_name(r);
	if (a->cn)
		X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8, (const unsigned char *)a->cn, -1, -1, 0);
	if (a->serial_number)
		X509_NAME_add_entry_by_txt(n, "serialNumber", MBSTRING_ASC, (const unsigned char *)a->serial_number, -1, -1, 0);
	X509_REQ_set_pubkey(r, key);
	if (a->challenge)
		X509_REQ_add1_attr_by_NID(r, NID_pkcs9_challengePassword, MBSTRING_UTF8, (const unsigned char *)a->challenge, -1);
	if (a->challenge_twice)
		X509_ATTRIBUTE_set1_data(X509_REQ_get_attr(r, 0), V_ASN1_PRINTABLESTRING, "x", 1);
	STACK_OF(X509_EXTENSION) *exts = sk_X509_EXTENSION_new_null();
	if (a->san)
		desk_ext(exts, NID_subject_alt_name, a->san);
	if (a->constraints)
		desk_ext(exts, NID_basic_constraints, a->constraints);
	if (sk_X509_EXTENSION_num(exts))
		X509_REQ_add_extensions(r, exts);
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	assert_true(X509_REQ_sign(r, key, EVP_sha256()) > 0);
	unsigned char *der = NULL;
	int len = i2d_X509_REQ(r, &der);
	assert_true(len > 0);
	if (a->not_signed)
		der[len - 5] ^= 0x20;
	assert_true(stg_buf_add(ret, der, (size_t)len, NULL));
	OPENSSL_free(der);
	X509_REQ_free(r);
}

#endif
