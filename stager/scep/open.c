/*
 * open.c - reads a SCEP message: signature, attributes, and what is in the envelope.
 *
 * For:    the responder and the client.
 * Uses:   der.c first, then OpenSSL's CMS.
 * Called: with bytes from the network.
 * Thread: any.
 * Facts:  not insisted on, because clients differ: a nonce of 16 octets (Apple sends 8), known attributes only, a signer
 *         certificate inside an answer, definite lengths. Insisted on: one signer, each attribute once with one value.
 */
#include <ctype.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/rsa.h>

#include "inner.h"

#define SIGNER_BITS_MAX 4096
#define RECIPIENTS_MAX 4
#define CONTENT_MAX (48u << 10)

void stg_scep_msg_free(struct stg_scep_msg *m)
{
	if (!m)
		return;
	X509_free(m->signer);
	stg_buf_clear(&m->envelope);
	free(m);
}

void stg_scep_msg_free_at(struct stg_scep_msg **m)
{
	stg_scep_msg_free(*m);
	*m = NULL;
}

static bool is_no_message(struct stg_error *err, const char *what)
{
	return scep_fail(err, STG_ID_SCEP_MESSAGE, STG_SCEP_BAD_REQUEST, what);
}

enum found { ABSENT, ONE, WRONG };

/* The one value of an attribute. Twice, or with two values, it is nothing: which of them would count? */
static enum found attribute(CMS_SignerInfo *si, const char *oid, const ASN1_TYPE **ret)
{
	STG_AUTO(ASN1_OBJECT_free_at) ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
	int at = o ? CMS_signed_get_attr_by_OBJ(si, o, -1) : -1;
	if (at < 0)
		return ABSENT;
	X509_ATTRIBUTE *a = CMS_signed_get_attr(si, at);
	if (CMS_signed_get_attr_by_OBJ(si, o, at) >= 0 || X509_ATTRIBUTE_count(a) != 1)
		return WRONG;
	*ret = X509_ATTRIBUTE_get0_type(a, 0);
	return *ret ? ONE : WRONG;
}

static enum found text(CMS_SignerInfo *si, const char *oid, char *ret, size_t size)
{
	const ASN1_TYPE *t = NULL;
	enum found f = attribute(si, oid, &t);
	*ret = 0;
	if (f != ONE)
		return f;
	if (t->type != V_ASN1_PRINTABLESTRING && t->type != V_ASN1_UTF8STRING && t->type != V_ASN1_IA5STRING)
		return WRONG;
	const uint8_t *p = ASN1_STRING_get0_data(t->value.asn1_string);
	int n = ASN1_STRING_length(t->value.asn1_string);
	if (n < 1 || (size_t)n >= size)
		return WRONG;
	for (int i = 0; i < n; i++)
		if (p[i] < 0x20 || p[i] > 0x7e)
			return WRONG;
	memcpy(ret, p, (size_t)n);
	ret[n] = 0;
	return ONE;
}

static enum found number(CMS_SignerInfo *si, const char *oid, int *ret)
{
	char digits[8];
	enum found f = text(si, oid, digits, sizeof(digits));
	*ret = -1;
	if (f != ONE)
		return f;
	for (const char *p = digits; *p; p++)
		if (!isdigit((unsigned char)*p) || p - digits > 3)
			return WRONG;
	*ret = atoi(digits);
	return ONE;
}

static enum found nonce(CMS_SignerInfo *si, const char *oid, struct stg_scep_nonce *ret)
{
	const ASN1_TYPE *t = NULL;
	enum found f = attribute(si, oid, &t);
	if (f != ONE)
		return f;
	if (t->type != V_ASN1_OCTET_STRING)
		return WRONG;
	int n = ASN1_STRING_length(t->value.octet_string);
	if (n < 1 || n > STG_SCEP_NONCE_MAX)
		return WRONG;
	memcpy(ret->data, ASN1_STRING_get0_data(t->value.octet_string), (size_t)n);
	ret->len = (size_t)n;
	return ONE;
}

static bool attributes(CMS_SignerInfo *si, struct stg_scep_msg *m, struct stg_error *err)
{
	if (number(si, SCEP_OID_TYPE, &m->type) != ONE)
		return is_no_message(err, "messageType: one number was expected");
	if (text(si, SCEP_OID_TRANSACTION, m->transaction_id, sizeof(m->transaction_id)) != ONE)
		return is_no_message(err, "transactionID: one text of 1 to 128 letters was expected");
	if (nonce(si, SCEP_OID_SENDER, &m->sender) == WRONG)
		return is_no_message(err, "senderNonce: at most 64 octets were expected, once");
	if (nonce(si, SCEP_OID_RECIPIENT, &m->recipient) == WRONG)
		return is_no_message(err, "recipientNonce: at most 64 octets were expected, once");
	if (number(si, SCEP_OID_STATUS, &m->status) == WRONG || number(si, SCEP_OID_FAIL, &m->fail) == WRONG)
		return is_no_message(err, "pkiStatus and failInfo: one number each was expected");
	const ASN1_TYPE *t = NULL;
	if (attribute(si, SCEP_OID_FAIL_TEXT, &t) == ONE && t->type == V_ASN1_UTF8STRING) {
		char raw[512];
		int n = ASN1_STRING_length(t->value.utf8string);
		if (n > 0 && (size_t)n < sizeof(raw)) {
			memcpy(raw, ASN1_STRING_get0_data(t->value.utf8string), (size_t)n);
			raw[n] = 0;
			stg_printable(raw, true, m->fail_text, sizeof(m->fail_text));
		}
	}
	return true;
}

/* Whose signature, by which digest: looked at before the work of checking it is done. */
static bool signer(CMS_ContentInfo *cms, STACK_OF(X509) *known, enum stg_scep_old old, CMS_SignerInfo **ret, struct stg_scep_msg *m,
		   struct stg_error *err)
{
	STACK_OF(CMS_SignerInfo) *all = CMS_get0_SignerInfos(cms);
	X509_ALGOR *digest = NULL;
	const ASN1_OBJECT *oid = NULL;
	X509 *cert = NULL;
	if (!all || sk_CMS_SignerInfo_num(all) != 1)
		return is_no_message(err, "one signer was expected");
	CMS_SignerInfo *si = sk_CMS_SignerInfo_value(all, 0);
	if (CMS_set1_signers_certs(cms, known, 0) < 0)
		return is_no_message(err, "the signer's certificate is unreadable");
	CMS_SignerInfo_get0_algs(si, NULL, &cert, &digest, NULL);
	if (!cert || !digest)
		return is_no_message(err, "the signer's certificate is missing");
	X509_ALGOR_get0(&oid, NULL, NULL, digest);
	m->digest = OBJ_obj2nid(oid);
	EVP_PKEY *key = X509_get0_pubkey(cert);
	if (!key || EVP_PKEY_get_bits(key) > SIGNER_BITS_MAX)
		return is_no_message(err, "the signer's key is unreadable or longer than 4096 bits");
	if (X509_up_ref(cert) != 1)
		return stg_fail(err, STG_E_NOMEM, 0, "no memory");
	m->signer = cert;
	*ret = si;
	/* attributes first: a refusal must be told to somebody */
	if (!attributes(si, m, err))
		return false;
	if (!scep_digest_allowed(m->digest, old))
		return scep_fail(err, STG_ID_SCEP_OLD_CLIENT, STG_SCEP_BAD_ALG, OBJ_nid2sn(m->digest) ? OBJ_nid2sn(m->digest) : "unknown digest");
	return true;
}

static bool content(CMS_ContentInfo *cms, struct stg_scep_msg *m, struct stg_error *err)
{
	ASN1_OCTET_STRING **pos = CMS_get0_content(cms);
	STG_AUTO(BIO_free_all_at) BIO *out = BIO_new(BIO_s_mem());
	STG_AUTO(BIO_free_all_at) BIO *empty = BIO_new_mem_buf("", 0);
	bool has = pos && *pos;
	if (!out || !empty)
		return stg_fail(err, STG_E_NOMEM, 0, "no memory to open a message");
	if (OBJ_obj2nid(CMS_get0_eContentType(cms)) != NID_pkcs7_data)
		return is_no_message(err, "the signed content is not data");
	if (CMS_verify(cms, NULL, NULL, has ? NULL : empty, out, CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY) != 1)
		return scep_fail(err, STG_ID_SCEP_SIGNATURE, STG_SCEP_BAD_CHECK, "the signature does not fit");
	char *data = NULL;
	long n = BIO_get_mem_data(out, &data);
	if (!has || n <= 0)
		return true;
	m->envelope = STG_BUF(STG_SCEP_MESSAGE_MAX);
	if (!stg_buf_add(&m->envelope, data, (size_t)n, err))
		return false;
	m->cipher = scep_der_ok(stg_buf_view(&m->envelope)) ? scep_content_cipher(stg_buf_view(&m->envelope)) : NID_undef;
	return m->cipher != NID_undef || scep_fail(err, STG_ID_SCEP_REQUEST, STG_SCEP_BAD_CHECK, "what is signed is no envelope");
}

struct stg_scep_msg *stg_scep_open(struct stg_bytes der, enum stg_scep_old old, struct stack_st_X509 *known, struct stg_error *err)
{
	if (der.len > STG_SCEP_MESSAGE_MAX) {
		is_no_message(err, "larger than 64 KiB");
		return NULL;
	}
	const unsigned char *p = der.data;
	STG_AUTO(CMS_ContentInfo_free_at) CMS_ContentInfo *cms = der.len && scep_der_ok(der) ? d2i_CMS_ContentInfo(NULL, &p, (long)der.len) : NULL;
	CMS_SignerInfo *si = NULL;
	if (!cms || p != der.data + der.len || OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed) {
		is_no_message(err, "not signed data (CMS)");
		return NULL;
	}
	struct stg_scep_msg *m = stg_calloc(1, sizeof(*m));
	m->type = m->status = m->fail = -1;
	struct stg_error why = { 0 };
	bool ok = signer(cms, known, old, &si, m, &why) && content(cms, m, &why);
	ERR_clear_error();
	if (!ok && (!why.id || why.id == STG_ID_SCEP_MESSAGE)) {
		if (err)
			*err = why;
		stg_scep_msg_free(m);
		return NULL;
	}
	m->refused = why;
	return m;
}

static bool is_for(CMS_ContentInfo *cms, X509 *own)
{
	STACK_OF(CMS_RecipientInfo) *all = CMS_get0_RecipientInfos(cms);
	int n = all ? sk_CMS_RecipientInfo_num(all) : 0;
	if (n > RECIPIENTS_MAX)
		return false;
	for (int i = 0; i < n; i++) {
		CMS_RecipientInfo *ri = sk_CMS_RecipientInfo_value(all, i);
		if (CMS_RecipientInfo_type(ri) == CMS_RECIPINFO_TRANS && CMS_RecipientInfo_ktri_cert_cmp(ri, own) == 0)
			return true;
	}
	return false;
}

bool stg_scep_decrypt(const struct stg_scep_msg *m, struct x509_st *own, struct evp_pkey_st *own_key, enum stg_scep_old old,
		      struct stg_buf *ret, struct stg_error *err)
{
	if (!m->envelope.len)
		return scep_fail(err, STG_ID_SCEP_REQUEST, STG_SCEP_BAD_CHECK, "there is nothing in the envelope");
	if (!scep_cipher_allowed(m->cipher, old))
		return scep_fail(err, STG_ID_SCEP_OLD_CLIENT, STG_SCEP_BAD_ALG, OBJ_nid2sn(m->cipher));
	OSSL_LIB_CTX *ctx = m->cipher == NID_des_cbc ? scep_legacy() : NULL;
	if (m->cipher == NID_des_cbc && !ctx)
		return scep_fail(err, STG_ID_SCEP_OLD_CLIENT, STG_SCEP_BAD_ALG, "DES: OpenSSL's legacy provider is not installed");
	CMS_ContentInfo *empty = CMS_ContentInfo_new_ex(ctx, NULL);
	const unsigned char *p = m->envelope.data;
	/* on failure OpenSSL frees what it was given */
	STG_AUTO(CMS_ContentInfo_free_at) CMS_ContentInfo *cms = empty ? d2i_CMS_ContentInfo(&empty, &p, (long)m->envelope.len) : NULL;
	if (!cms || p != m->envelope.data + m->envelope.len || OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_enveloped)
		return scep_fail(err, STG_ID_SCEP_REQUEST, STG_SCEP_BAD_CHECK, "what is signed is no envelope");
	if (!is_for(cms, own))
		return scep_fail(err, STG_ID_SCEP_RECIPIENT, STG_SCEP_BAD_CHECK, "not for this station's certificate");
	STG_AUTO(BIO_free_all_at) BIO *out = BIO_new(BIO_s_mem());
	/* With the certificate given, OpenSSL goes on with a random key after a wrong padding: no oracle */
	if (!out || CMS_decrypt(cms, own_key, own, NULL, out, CMS_BINARY) != 1)
		return scep_fail(err, STG_ID_SCEP_REQUEST, STG_SCEP_BAD_CHECK, "the envelope does not open");
	char *data = NULL;
	long n = BIO_get_mem_data(out, &data);
	ERR_clear_error();
	if (n <= 0 || n > (long)CONTENT_MAX)
		return scep_fail(err, STG_ID_SCEP_REQUEST, STG_SCEP_BAD_CHECK, "the envelope does not open");
	bool ok = stg_buf_add(ret, data, (size_t)n, err);
	OPENSSL_cleanse(data, (size_t)n);
	return ok;
}
