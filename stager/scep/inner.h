/*
 * inner.h - what the files of this room share. Nobody else includes it.
 */
#ifndef STAGER_SCEP_INNER_H
#define STAGER_SCEP_INNER_H

#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stager/error.h>
#include <stager/scep.h>

#define SCEP_AT(type, fn) \
	static inline void fn##_at(type **p) \
	{ \
		fn(*p); \
		*p = NULL; \
	}
SCEP_AT(X509, X509_free)
SCEP_AT(X509_REQ, X509_REQ_free)
SCEP_AT(EVP_PKEY, EVP_PKEY_free)
SCEP_AT(BIO, BIO_free_all)
SCEP_AT(CMS_ContentInfo, CMS_ContentInfo_free)
SCEP_AT(PKCS7, PKCS7_free)
SCEP_AT(ASN1_OBJECT, ASN1_OBJECT_free)

/* Attributes of RFC 8894 3.2.1. */
#define SCEP_OID "2.16.840.1.113733.1.9."
#define SCEP_OID_TYPE SCEP_OID "2"
#define SCEP_OID_STATUS SCEP_OID "3"
#define SCEP_OID_FAIL SCEP_OID "4"
#define SCEP_OID_SENDER SCEP_OID "5"
#define SCEP_OID_RECIPIENT SCEP_OID "6"
#define SCEP_OID_TRANSACTION SCEP_OID "7"
#define SCEP_OID_FAIL_TEXT "1.3.6.1.5.5.7.24.1"

#define SCEP_CERTS_MAX 16

/* Forgets what OpenSSL complained of and says it in our words; returns false. */
bool scep_fail(struct stg_error *err, enum stg_id id, int fail, const char *what);

/* ---- der.c ---- */
/* Lengths that fit, depth 32, 4,096 elements, nothing after the end. BER's indefinite lengths are taken: some clients stream. */
bool scep_der_ok(struct stg_bytes in);
/* The algorithm that encrypts an EnvelopedData's content, as OpenSSL's number; NID_undef: unknown, or no EnvelopedData. */
int scep_content_cipher(struct stg_bytes envelope);

/* ---- old.c ---- */
bool scep_digest_allowed(int nid, enum stg_scep_old old);
bool scep_cipher_allowed(int nid, enum stg_scep_old old);
/* A context of its own that also knows single DES; the process's own never does. NULL: the legacy provider is not installed. */
OSSL_LIB_CTX *scep_legacy(void);

#endif
