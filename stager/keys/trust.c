/*
 * trust.c - whose signature a profile carries, and for whom it is encrypted.
 *
 * For:    `stager profile lint`: a profile signed by somebody unknown is told before it is installed on forty devices.
 * Uses:   OpenSSL's CMS.
 * Called: by profiles/.
 * Thread: any; no state.
 *
 * Facts: profiles-and-certificates 3.1 (any purpose: signers are made for e-mail, for code, or for nothing in particular), 3.3
 * (EnvelopedData in DER; an authenticated form is read by no device).
 */
#include <openssl/err.h>
#include <openssl/pem.h>

#include "inner.h"

#define CMS_BYTES_MAX (2u << 20)
#define ANCHORS_MAX 64
#define KEY_FILE_MAX (64u << 10)

static CMS_ContentInfo *read_cms(struct stg_bytes in)
{
	STG_AUTO(BIO_free_all_at) BIO *bio = in.len && in.len <= CMS_BYTES_MAX ? BIO_new_mem_buf(in.data, (int)in.len) : NULL;
	if (!bio)
		return NULL;
	return in.data[0] == 0x30 ? d2i_CMS_bio(bio, NULL) : PEM_read_bio_CMS(bio, NULL, NULL, NULL);
}

/* All certificates of a PEM text. */
static size_t add_anchors(X509_STORE *store, const char *pem)
{
	size_t n = 0;
	BIO *in = BIO_new_mem_buf(pem, -1);
	for (X509 *cert; in && n < ANCHORS_MAX && (cert = PEM_read_bio_X509(in, NULL, NULL, NULL)); n++) {
		X509_STORE_add_cert(store, cert);
		X509_free(cert);
	}
	BIO_free(in);
	ERR_clear_error();
	return n;
}

static enum stg_signer_trust judge(int verify_error)
{
	switch (verify_error) {
	case X509_V_OK: return STG_SIGNER_TRUSTED;
	case X509_V_ERR_CERT_HAS_EXPIRED: return STG_SIGNER_EXPIRED;
	case X509_V_ERR_CERT_NOT_YET_VALID: return STG_SIGNER_NOT_YET;
	default: return STG_SIGNER_UNKNOWN;
	}
}

enum stg_signer_trust stg_cms_signer_trust(struct stg_bytes in, const json_t *anchor_pems)
{
	STG_AUTO(CMS_ContentInfo_free_at) CMS_ContentInfo *cms = read_cms(in);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *inside = cms ? CMS_get1_certs(cms) : NULL;
	STACK_OF(CMS_SignerInfo) *signers = cms ? CMS_get0_SignerInfos(cms) : NULL;
	enum stg_signer_trust ret = STG_SIGNER_UNKNOWN;
	for (size_t i = 0; store && i < json_array_size(anchor_pems) && i < ANCHORS_MAX; i++) {
		const char *pem = json_string_value(json_array_get(anchor_pems, i));
		if (pem)
			add_anchors(store, pem);
	}
	/* who signed is found in the message; that the signature fits was checked when it was opened */
	X509 *cert = NULL;
	CMS_SignerInfo *first = signers && sk_CMS_SignerInfo_num(signers) == 1 ? sk_CMS_SignerInfo_value(signers, 0) : NULL;
	for (int i = 0; first && !cert && inside && i < sk_X509_num(inside); i++)
		if (CMS_SignerInfo_cert_cmp(first, sk_X509_value(inside, i)) == 0)
			cert = sk_X509_value(inside, i);
	if (store && ctx && cert && X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
	    X509_STORE_CTX_init(ctx, store, cert, inside) == 1 && X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_ANY) == 1)
		ret = judge(X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx));
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	sk_X509_pop_free(inside, X509_free);
	ERR_clear_error();
	return ret;
}

/* ---- encrypted ---- */

bool stg_cms_recipient(struct stg_bytes in, char ret_serial[64], char ret_issuer[128])
{
	STG_AUTO(CMS_ContentInfo_free_at) CMS_ContentInfo *cms = read_cms(in);
	ret_serial[0] = ret_issuer[0] = 0;
	if (!cms || OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_enveloped) {
		ERR_clear_error();
		return false;
	}
	STACK_OF(CMS_RecipientInfo) *all = CMS_get0_RecipientInfos(cms);
	CMS_RecipientInfo *one = all && sk_CMS_RecipientInfo_num(all) ? sk_CMS_RecipientInfo_value(all, 0) : NULL;
	X509_NAME *issuer = NULL;
	ASN1_INTEGER *serial = NULL;
	if (one && CMS_RecipientInfo_type(one) == CMS_RECIPINFO_TRANS && CMS_RecipientInfo_ktri_get0_signer_id(one, NULL, &issuer, &serial) == 1 && issuer) {
		char raw[100] = "";
		BIGNUM *n = serial ? ASN1_INTEGER_to_BN(serial, NULL) : NULL;
		char *hex = n ? BN_bn2hex(n) : NULL;
		X509_NAME_get_text_by_NID(issuer, NID_commonName, raw, sizeof(raw));
		stg_printable(raw, true, ret_issuer, 128);
		(void)stg_copy(ret_serial, 64, hex ? hex : "");
		OPENSSL_free(hex);
		BN_free(n);
	}
	ERR_clear_error();
	return one != NULL;
}

bool stg_cms_decrypt(struct stg_bytes in, struct stg_bytes key_pem, struct stg_buf *ret_content, struct stg_error *err)
{
	STG_AUTO(CMS_ContentInfo_free_at) CMS_ContentInfo *cms = read_cms(in);
	STG_AUTO(BIO_free_all_at) BIO *out = BIO_new(BIO_s_secmem());
	if (!cms || !out || OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_enveloped) {
		ERR_clear_error();
		return stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_ENCRYPTED, 0, "EncryptedPayloadContent is no encrypted data (CMS EnvelopedData)");
	}
	if (key_pem.len > KEY_FILE_MAX)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_ENCRYPTED, 0, "the key's file is larger than any key");
	EVP_PKEY *key = keys_from_pem(key_pem, err);
	if (!key)
		return stg_say(err, STG_ID_PROFILE_ENCRYPTED);
	char *text = NULL;
	bool ok = CMS_decrypt(cms, key, NULL, NULL, out, CMS_BINARY) == 1;
	long n = ok ? BIO_get_mem_data(out, &text) : 0;
	EVP_PKEY_free(key);
	ERR_clear_error();
	if (!ok || n <= 0)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_ENCRYPTED, 0, "this key does not open it");
	return stg_buf_add(ret_content, text, (size_t)n, err);
}
