/*
 * make.c - builds a SCEP message, and the bare certificate lists that answers carry.
 *
 * For:    the responder's answers and the client's requests.
 * Uses:   OpenSSL's CMS and PKCS7.
 * Called: with our own data.
 * Thread: any.
 * Facts:  an answer without a certificate has no content at all, not an empty one (RFC 8894 3.3.2.2); contentType and
 *         messageDigest stay in, once each: a client of 2016 crashed over an answer without. No CMS_STREAM: it writes BER.
 */
#include <stdio.h>

#include <openssl/err.h>

#include <stager/ids.h>

#include "inner.h"

#define NONCE_OCTETS 16

static bool put(CMS_SignerInfo *si, const char *oid, int type, const void *data, size_t len)
{
	STG_AUTO(ASN1_OBJECT_free_at) ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
	return o && CMS_signed_add1_attr_by_OBJ(si, o, type, data, (int)len) == 1;
}

static bool put_number(CMS_SignerInfo *si, const char *oid, int value)
{
	char digits[16];
	int n = snprintf(digits, sizeof(digits), "%d", value);
	return put(si, oid, V_ASN1_PRINTABLESTRING, digits, (size_t)n);
}

static bool out(CMS_ContentInfo *cms, struct stg_buf *ret, struct stg_error *err)
{
	uint8_t *der = NULL;
	int n = i2d_CMS_ContentInfo(cms, &der);
	bool ok = n > 0 && stg_buf_add(ret, der, (size_t)n, err);
	OPENSSL_free(der);
	return ok || (n > 0 ? false : stg_fail(err, STG_E_NOMEM, 0, "write a SCEP message"));
}

static bool envelope(const struct stg_scep_making *m, struct stg_buf *ret, struct stg_error *err)
{
	int nid = m->cipher ? m->cipher : NID_aes_256_cbc;
	if (!scep_cipher_allowed(nid, m->old))
		return scep_fail(err, STG_ID_SCEP_OLD_CLIENT, STG_SCEP_BAD_ALG, OBJ_nid2sn(nid));
	OSSL_LIB_CTX *ctx = nid == NID_des_cbc ? scep_legacy() : NULL;
	if (nid == NID_des_cbc && !ctx)
		return scep_fail(err, STG_ID_SCEP_OLD_CLIENT, STG_SCEP_BAD_ALG, "DES: OpenSSL's legacy provider is not installed");
	const unsigned int how = CMS_BINARY | CMS_PARTIAL;
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(ctx, OBJ_nid2sn(nid), NULL);
	STG_AUTO(BIO_free_all_at) BIO *in = BIO_new_mem_buf(m->content.data, (int)m->content.len);
	STG_AUTO(CMS_ContentInfo_free_at) CMS_ContentInfo *cms = cipher ? CMS_EnvelopedData_create_ex(cipher, ctx, NULL) : NULL;
	bool ok = in && cms && CMS_set_detached(cms, 0) == 1 && CMS_add1_recipient_cert(cms, m->to, 0) && CMS_final(cms, in, NULL, how) == 1;
	EVP_CIPHER_free(cipher);
	ERR_clear_error();
	return ok ? out(cms, ret, err) : stg_fail(err, STG_E_IO, 0, "encrypt a SCEP message");
}

bool stg_scep_make(const struct stg_scep_making *m, struct stg_buf *ret, struct stg_scep_nonce *ret_sender, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf inside = STG_BUF(STG_SCEP_MESSAGE_MAX);
	struct stg_scep_nonce sender = m->sender;
	int digest = m->digest ? m->digest : NID_sha256;
	bool bare = m->content.len == 0;
	if (!sender.len) {
		stg_random(sender.data, NONCE_OCTETS);
		sender.len = NONCE_OCTETS;
	}
	if (!scep_digest_allowed(digest, m->old))
		return scep_fail(err, STG_ID_SCEP_OLD_CLIENT, STG_SCEP_BAD_ALG, OBJ_nid2sn(digest));
	if (!bare && !envelope(m, &inside, err))
		return false;
	const unsigned int how = CMS_BINARY | CMS_NOSMIMECAP | CMS_PARTIAL | (bare ? CMS_DETACHED : 0u);
	STG_AUTO(BIO_free_all_at) BIO *in = BIO_new_mem_buf(inside.len ? (const void *)inside.data : "", (int)inside.len);
	STG_AUTO(CMS_ContentInfo_free_at) CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, how);
	CMS_SignerInfo *si = cms ? CMS_add1_signer(cms, m->signer, m->signer_key, EVP_get_digestbynid(digest), how) : NULL;
	bool ok = in && si && put_number(si, SCEP_OID_TYPE, m->type) &&
		  put(si, SCEP_OID_TRANSACTION, V_ASN1_PRINTABLESTRING, m->transaction_id, strlen(m->transaction_id)) &&
		  put(si, SCEP_OID_SENDER, V_ASN1_OCTET_STRING, sender.data, sender.len) &&
		  (!m->recipient.len || put(si, SCEP_OID_RECIPIENT, V_ASN1_OCTET_STRING, m->recipient.data, m->recipient.len));
	if (m->type == STG_SCEP_CERTREP)
		ok = ok && put_number(si, SCEP_OID_STATUS, m->status) &&
		     (m->status != STG_SCEP_FAILURE || put_number(si, SCEP_OID_FAIL, m->fail)) &&
		     (!m->fail_text || !*m->fail_text || put(si, SCEP_OID_FAIL_TEXT, V_ASN1_UTF8STRING, m->fail_text, strlen(m->fail_text)));
	ok = ok && CMS_final(cms, in, NULL, how) == 1;
	ERR_clear_error();
	if (!ok)
		return stg_fail(err, STG_E_IO, 0, "sign a SCEP message");
	if (!out(cms, ret, err))
		return false;
	if (ret_sender)
		*ret_sender = sender;
	return true;
}

bool stg_scep_certs_pack(struct x509_st *const *certs, size_t n, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(PKCS7_free_at) PKCS7 *p7 = PKCS7_new();
	bool ok = p7 && PKCS7_set_type(p7, NID_pkcs7_signed) == 1 && PKCS7_content_new(p7, NID_pkcs7_data) == 1 && PKCS7_set_detached(p7, 1) == 1;
	for (size_t i = 0; ok && i < n; i++)
		ok = PKCS7_add_certificate(p7, certs[i]) == 1;
	uint8_t *der = NULL;
	int len = ok ? i2d_PKCS7(p7, &der) : 0;
	ok = len > 0 && stg_buf_add(ret, der, (size_t)len, err);
	OPENSSL_free(der);
	ERR_clear_error();
	return ok || stg_fail(err, STG_E_NOMEM, 0, "pack certificates");
}

struct stack_st_X509 *stg_scep_certs_unpack(struct stg_bytes der, struct stg_error *err)
{
	STACK_OF(X509) *ret = sk_X509_new_null();
	const unsigned char *p = der.data;
	if (!ret || !der.len || der.len > STG_SCEP_MESSAGE_MAX || !scep_der_ok(der)) {
		sk_X509_free(ret);
		scep_fail(err, STG_ID_SCEP_MESSAGE, STG_SCEP_BAD_REQUEST, "no certificates");
		return NULL;
	}
	X509 *one = d2i_X509(NULL, &p, (long)der.len);
	bool ok = one && p == der.data + der.len && sk_X509_push(ret, one) > 0;
	if (ok)
		return ret;
	X509_free(one);
	p = der.data;
	STG_AUTO(PKCS7_free_at) PKCS7 *p7 = d2i_PKCS7(NULL, &p, (long)der.len);
	STACK_OF(X509) *inside = p7 && p == der.data + der.len && PKCS7_type_is_signed(p7) && p7->d.sign ? p7->d.sign->cert : NULL;
	int n = inside ? sk_X509_num(inside) : 0;
	ok = n > 0 && n <= SCEP_CERTS_MAX;
	for (int i = 0; ok && i < n; i++) {
		X509 *c = sk_X509_value(inside, i);
		ok = X509_up_ref(c) == 1 && sk_X509_push(ret, c) > 0;
	}
	ERR_clear_error();
	if (ok)
		return ret;
	stg_scep_certs_free_at(&ret);
	scep_fail(err, STG_ID_SCEP_MESSAGE, STG_SCEP_BAD_REQUEST, "no certificates, or more than 16");
	return NULL;
}

void stg_scep_certs_free_at(struct stack_st_X509 **certs)
{
	sk_X509_pop_free(*certs, X509_free);
	*certs = NULL;
}
