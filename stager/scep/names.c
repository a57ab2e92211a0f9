/*
 * names.c - questions about certificates that are there already: which one is meant, and the list of those revoked.
 *
 * For:    CertPoll, GetCert and GetCRL, on both sides.
 * Uses:   der.c first, then OpenSSL.
 * Called: by client.c, by the responder.
 * Thread: any.
 *
 * Facts: RFC 8894 3.3.3 (IssuerAndSubject), 3.3.4 and 3.3.5 (IssuerAndSerialNumber), 3.4 (a list travels in a SignedData without signers).
 */
#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>

#include "inner.h"

#define NAMED_MAX 8192
#define SERIAL_OCTETS 32

SCEP_AT(PKCS7_ISSUER_AND_SERIAL, PKCS7_ISSUER_AND_SERIAL_free)

static bool add_der(struct stg_buf *ret, uint8_t *der, int n, struct stg_error *err)
{
	bool ok = n > 0 && stg_buf_add(ret, der, (size_t)n, err);
	OPENSSL_free(der);
	ERR_clear_error();
	return ok || stg_fail(err, STG_E_NOMEM, 0, "write a SCEP question");
}

bool stg_scep_poll_pack(struct x509_st *issuer, struct x509_st *asker, struct stg_buf *ret, struct stg_error *err)
{
	uint8_t *a = NULL, *b = NULL, head[8];
	int na = i2d_X509_NAME(X509_get_subject_name(issuer), &a), nb = i2d_X509_NAME(X509_get_subject_name(asker), &b), n = na + nb;
	size_t len = 0;
	/* SEQUENCE of the two names; both are far below 64 KiB */
	head[len++] = 0x30;
	if (n > 255)
		head[len++] = 0x82, head[len++] = (uint8_t)(n >> 8);
	else if (n > 127)
		head[len++] = 0x81;
	head[len++] = (uint8_t)n;
	bool ok = na > 0 && nb > 0 && n < NAMED_MAX && stg_buf_add(ret, head, len, err) && stg_buf_add(ret, a, (size_t)na, err) && stg_buf_add(ret, b, (size_t)nb, err);
	OPENSSL_free(a);
	OPENSSL_free(b);
	return ok || stg_fail(err, STG_E_NOMEM, 0, "write a SCEP question");
}

bool stg_scep_named_pack(struct x509_st *issuer, const char *serial_hex, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(PKCS7_ISSUER_AND_SERIAL_free_at) PKCS7_ISSUER_AND_SERIAL *is = PKCS7_ISSUER_AND_SERIAL_new();
	BIGNUM *n = NULL;
	uint8_t *der = NULL;
	bool ok = is && X509_NAME_set(&is->issuer, X509_get_subject_name(issuer)) == 1 && BN_hex2bn(&n, *serial_hex ? serial_hex : "1") > 0 &&
		  BN_to_ASN1_INTEGER(n, is->serial);
	BN_free(n);
	return add_der(ret, der, ok ? i2d_PKCS7_ISSUER_AND_SERIAL(is, &der) : 0, err);
}

bool stg_scep_named_read(struct stg_bytes in, struct x509_st *issuer, char ret_serial_hex[80], struct stg_error *err)
{
	const unsigned char *p = in.data;
	uint8_t octets[SERIAL_OCTETS];
	STG_AUTO(PKCS7_ISSUER_AND_SERIAL_free_at) PKCS7_ISSUER_AND_SERIAL *is =
		in.len && in.len <= NAMED_MAX && scep_der_ok(in) ? d2i_PKCS7_ISSUER_AND_SERIAL(NULL, &p, (long)in.len) : NULL;
	ERR_clear_error();
	if (!is || p != in.data + in.len)
		return scep_fail(err, STG_ID_SCEP_REQUEST, STG_SCEP_BAD_CHECK, "the envelope does not open, or names no certificate");
	if (X509_NAME_cmp(is->issuer, X509_get_subject_name(issuer)) != 0)
		return scep_fail(err, STG_ID_SCEP_NOTHING, STG_SCEP_BAD_CERT_ID, "another issuer's certificate");
	BIGNUM *n = ASN1_INTEGER_to_BN(is->serial, NULL);
	int len = n && BN_num_bytes(n) <= SERIAL_OCTETS && !BN_is_negative(n) ? BN_bn2bin(n, octets) : 0;
	BN_free(n);
	ERR_clear_error();
	if (len <= 0)
		return scep_fail(err, STG_ID_SCEP_NOTHING, STG_SCEP_BAD_CERT_ID, "no serial number of ours");
	stg_hex(stg_bytes(octets, (size_t)len), ret_serial_hex);
	return true;
}

bool stg_scep_crl_pack(struct stg_bytes crl_der, struct stg_buf *ret, struct stg_error *err)
{
	const unsigned char *p = crl_der.data;
	X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)crl_der.len);
	STG_AUTO(PKCS7_free_at) PKCS7 *p7 = PKCS7_new();
	uint8_t *der = NULL;
	bool ok = crl && p7 && PKCS7_set_type(p7, NID_pkcs7_signed) == 1 && PKCS7_content_new(p7, NID_pkcs7_data) == 1 && PKCS7_set_detached(p7, 1) == 1 &&
		  PKCS7_add_crl(p7, crl) == 1;
	X509_CRL_free(crl);
	return add_der(ret, der, ok ? i2d_PKCS7(p7, &der) : 0, err);
}

bool stg_scep_crl_unpack(struct stg_bytes in, struct stg_buf *ret, struct stg_error *err)
{
	const unsigned char *p = in.data;
	STG_AUTO(PKCS7_free_at) PKCS7 *p7 = in.len && in.len <= STG_SCEP_MESSAGE_MAX && scep_der_ok(in) ? d2i_PKCS7(NULL, &p, (long)in.len) : NULL;
	STACK_OF(X509_CRL) *inside = p7 && p == in.data + in.len && PKCS7_type_is_signed(p7) && p7->d.sign ? p7->d.sign->crl : NULL;
	uint8_t *der = NULL;
	ERR_clear_error();
	if (!inside || sk_X509_CRL_num(inside) != 1)
		return scep_fail(err, STG_ID_SCEP_MESSAGE, STG_SCEP_BAD_REQUEST, "no list of what was revoked");
	return add_der(ret, der, i2d_X509_CRL(sk_X509_CRL_value(inside, 0), &der), err);
}
