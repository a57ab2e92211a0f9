/*
 * card.c - a machine's card, and bundles signed by one machine and readable by one other.
 *
 * For:    what travels by stick (stager/bundle).
 * Uses:   OpenSSL's CMS: SignedData inside AuthEnvelopedData (AES-256-GCM).
 * Called: by the operations of bundles.
 * Thread: any; no state.
 *
 * A card is one or two certificates in PEM: the first signs, the last is encrypted to. A station's two have P-256 keys of
 * their own, because a key that both signs and agrees on keys is used for more than one thing. An office may hand out a card
 * of its own PKI (one certificate, RSA or EC). Trust is the card itself: no chain, no list of revocations, no clock; a card
 * is taken back by removing it. Facts: mdm-push 11.2; an expired signer verifies with X509_V_FLAG_NO_CHECK_TIME (tried
 * there), and here certificates are not verified at all but compared.
 */
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stager/clock.h>

#include "inner.h"

#define YEARS 20
#define CARD_MAX (64u << 10)
#define PURPOSE "bundle card"

static bool no_card(struct stg_error *err, const char *what)
{
	ERR_clear_error();
	return stg_fail_id(err, STG_E_INPUT, STG_ID_BUNDLE_CARD, 0, "%s", what);
}

static X509 *certificate(const char *name, const char *id, EVP_PKEY *key, const char *usage, struct stg_error *err)
{
	int64_t now = stg_wall_ms();
	STG_AUTO(X509_NAME_free_at) X509_NAME *subject = keys_name(name, "", id, err);
	STG_AUTO(X509_free_at) X509 *cert =
		subject ? keys_cert_begin(subject, key, NULL, now - KEYS_DAY_MS, now + YEARS * 365 * KEYS_DAY_MS, err) : NULL;
	if (!cert || !keys_cert_ext(cert, NULL, NID_basic_constraints, "critical,CA:FALSE", err) ||
	    !keys_cert_ext(cert, NULL, NID_key_usage, usage, err) || !keys_cert_sign(cert, key, err))
		return NULL;
	return stg_steal(cert);
}

bool stg_card_make(const struct stg_keys *k, const char *name, const char *station_id, struct stg_buf *ret_card, struct stg_buf *ret_sealed,
		   struct stg_error *err)
{
	char id[128];
	STG_AUTO(stg_secret_clear) struct stg_secret sign_pem = { 0 }, open_pem = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf bag = STG_BUF(CARD_MAX);
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *sign_key = keys_make_ec("P-256", err);
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *open_key = sign_key ? keys_make_ec("P-256", err) : NULL;
	snprintf(id, sizeof(id), "%.36s signs", station_id);
	STG_AUTO(X509_free_at) X509 *signer = open_key ? certificate(name, id, sign_key, "critical,digitalSignature", err) : NULL;
	snprintf(id, sizeof(id), "%.36s reads", station_id);
	STG_AUTO(X509_free_at) X509 *reader = signer ? certificate(name, id, open_key, "critical,keyAgreement", err) : NULL;
	return reader && keys_to_pem(sign_key, &sign_pem, err) && keys_to_pem(open_key, &open_pem, err) &&
	       keys_bag_put(&bag, "sign", stg_secret_reveal(&sign_pem), err) && keys_bag_put(&bag, "open", stg_secret_reveal(&open_pem), err) &&
	       keys_cert_to_pem(signer, ret_card, err) && keys_cert_to_pem(reader, ret_card, err) &&
	       stg_keys_seal(k, PURPOSE, stg_buf_view(&bag), ret_sealed, err);
}

struct card {
	X509 *signer, *reader;
};

static void card_clear(struct card *c)
{
	X509_free(c->signer);
	X509_free(c->reader);
	*c = (struct card){ 0 };
}

static bool is_strong(X509 *cert)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	int kind = key ? EVP_PKEY_get_base_id(key) : 0, bits = key ? EVP_PKEY_get_bits(key) : 0;
	return kind == EVP_PKEY_RSA ? bits >= 2048 : kind == EVP_PKEY_EC && bits >= 256;
}

static bool card_open(struct stg_bytes pem, struct card *ret, struct stg_error *err)
{
	STG_AUTO(card_clear) struct card c = { 0 };
	if (pem.len == 0 || pem.len > CARD_MAX)
		return no_card(err, "a card is a PEM file of one or two certificates");
	STG_AUTO(BIO_free_all_at) BIO *in = BIO_new_mem_buf(pem.data, (int)pem.len);
	c.signer = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
	c.reader = c.signer ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
	STG_AUTO(X509_free_at) X509 *third = c.reader ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
	ERR_clear_error();
	if (!c.signer || third)
		return no_card(err, "a card is a PEM file of one or two certificates");
	if (!c.reader && X509_up_ref(c.signer))
		c.reader = c.signer;
	if (!is_strong(c.signer) || !is_strong(c.reader))
		return no_card(err, "its keys are weaker than RSA of 2048 or EC of 256 bits");
	*ret = c;
	c = (struct card){ 0 };
	return true;
}

bool stg_card_read(struct stg_bytes file, struct stg_buf *ret_card, char ret_sha256[65], char ret_name[KEYS_CARD_NAME], struct stg_error *err)
{
	STG_AUTO(card_clear) struct card c = { 0 };
	char raw[256] = "";
	if (memmem(file.data, file.len, "PRIVATE KEY-----", 16))
		return no_card(err, "a private key stands in it: it must not leave its machine");
	if (!card_open(file, &c, err))
		return false;
	X509_NAME_get_text_by_NID(X509_get_subject_name(c.signer), NID_organizationName, raw, sizeof(raw));
	stg_printable(raw, true, ret_name, KEYS_CARD_NAME);
	/* the mark that people compare covers both halves */
	if (!keys_cert_to_pem(c.signer, ret_card, err) || (c.reader != c.signer && !keys_cert_to_pem(c.reader, ret_card, err)))
		return false;
	stg_sha256_hex(stg_buf_view(ret_card), ret_sha256);
	return true;
}

static EVP_PKEY *own_key(const struct stg_keys *k, struct stg_bytes sealed, const char *which, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret bag = { 0 };
	struct stg_bytes pem;
	if (!stg_keys_open_sealed(k, PURPOSE, sealed, &bag, err) || !keys_bag_get(stg_secret_reveal(&bag), which, &pem, err))
		return NULL;
	return keys_from_pem(pem, err);
}

static bool der_out(CMS_ContentInfo *cms, struct stg_buf *ret, struct stg_error *err)
{
	uint8_t *der = NULL;
	int n = cms ? i2d_CMS_ContentInfo(cms, &der) : 0;
	bool ok = n > 0 ? stg_buf_add(ret, der, (size_t)n, err) : keys_ssl_fail(err, STG_E_NOMEM, "write a bundle");
	OPENSSL_free(der);
	return ok;
}

static bool signed_form(X509 *cert, EVP_PKEY *key, struct stg_bytes content, struct stg_buf *ret, struct stg_error *err)
{
	const unsigned int how = CMS_BINARY | CMS_NOSMIMECAP;
	STG_AUTO(BIO_free_all_at) BIO *in = BIO_new_mem_buf(content.data, (int)content.len);
	STG_AUTO(CMS_ContentInfo_free_at) CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, how | CMS_PARTIAL);
	if (!in || !cms || !CMS_add1_signer(cms, cert, key, EVP_sha256(), how) || CMS_final(cms, in, NULL, how) != 1)
		return keys_ssl_fail(err, STG_E_NOMEM, "sign a bundle");
	return der_out(cms, ret, err);
}

bool stg_bundle_seal(const struct stg_keys *k, struct stg_bytes own_card, struct stg_bytes own_sealed, struct stg_bytes to_card,
		     struct stg_bytes content, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(card_clear) struct card own = { 0 }, to = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf inside = STG_BUF(STG_BUNDLE_BYTES_MAX + CARD_MAX);
	if (content.len == 0 || content.len > STG_BUNDLE_BYTES_MAX)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_BUNDLE_TOO_LARGE, 0, "%zu bytes, %u at most", content.len, STG_BUNDLE_BYTES_MAX);
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *key = own_key(k, own_sealed, "sign", err);
	if (!key || !card_open(own_card, &own, err) || !card_open(to_card, &to, err) || !signed_form(own.signer, key, content, &inside, err))
		return false;
	const unsigned int how = CMS_BINARY | CMS_PARTIAL;
	STG_AUTO(BIO_free_all_at) BIO *in = BIO_new_mem_buf(inside.data, (int)inside.len);
	STG_AUTO(CMS_ContentInfo_free_at) CMS_ContentInfo *cms = CMS_encrypt(NULL, NULL, EVP_aes_256_gcm(), how);
	if (!in || !cms)
		return keys_ssl_fail(err, STG_E_NOMEM, "encrypt a bundle");
	if (!keys_add_reader(cms, to.reader, err))
		return false;
	if (CMS_final(cms, in, NULL, how) != 1)
		return keys_ssl_fail(err, STG_E_NOMEM, "encrypt a bundle");
	return der_out(cms, ret, err);
}

/* ---- opening ---- */

static bool damaged(struct stg_error *err, const char *what)
{
	ERR_clear_error();
	return stg_fail_id(err, STG_E_INPUT, STG_ID_BUNDLE_DAMAGED, 0, "%s", what);
}

static CMS_ContentInfo *whole(struct stg_bytes der)
{
	const unsigned char *p = der.data;
	CMS_ContentInfo *cms = der.len ? d2i_CMS_ContentInfo(NULL, &p, (long)der.len) : NULL;
	if (cms && p != der.data + der.len) {
		CMS_ContentInfo_free(cms);
		return NULL;
	}
	return cms;
}

static bool take(BIO *out, struct stg_buf *ret, struct stg_error *err)
{
	char *text = NULL;
	long n = BIO_get_mem_data(out, &text);
	return n > 0 ? stg_buf_add(ret, text, (size_t)n, err) : damaged(err, "it is empty");
}

/* Is one of the recipients ours? A damaged bundle and one for somebody else are told apart by this, not by the key failing. */
static bool is_for(CMS_ContentInfo *cms, X509 *reader)
{
	STACK_OF(CMS_RecipientInfo) *all = CMS_get0_RecipientInfos(cms);
	for (int i = 0; all && i < sk_CMS_RecipientInfo_num(all); i++) {
		CMS_RecipientInfo *ri = sk_CMS_RecipientInfo_value(all, i);
		if (CMS_RecipientInfo_type(ri) == CMS_RECIPINFO_TRANS && CMS_RecipientInfo_ktri_cert_cmp(ri, reader) == 0)
			return true;
		if (CMS_RecipientInfo_type(ri) != CMS_RECIPINFO_AGREE)
			continue;
		STACK_OF(CMS_RecipientEncryptedKey) *keys = CMS_RecipientInfo_kari_get0_reks(ri);
		for (int n = 0; keys && n < sk_CMS_RecipientEncryptedKey_num(keys); n++)
			if (CMS_RecipientEncryptedKey_cert_cmp(sk_CMS_RecipientEncryptedKey_value(keys, n), reader) == 0)
				return true;
	}
	return false;
}

bool stg_bundle_open(const struct stg_keys *k, struct stg_bytes own_card, struct stg_bytes own_sealed, struct stg_bytes file, struct stg_buf *ret,
		     struct stg_error *err)
{
	STG_AUTO(card_clear) struct card own = { 0 };
	STG_AUTO(CMS_ContentInfo_free_at) CMS_ContentInfo *cms = whole(file);
	if (!cms || OBJ_obj2nid(CMS_get0_type(cms)) != NID_id_smime_ct_authEnvelopedData)
		return damaged(err, "it is no bundle, or a part of one (CMS AuthEnvelopedData was expected)");
	if (!card_open(own_card, &own, err))
		return false;
	if (!is_for(cms, own.reader))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_BUNDLE_NOT_FOR_US, 0, "it is encrypted to another card");
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *key = own_key(k, own_sealed, "open", err);
	STG_AUTO(BIO_free_all_at) BIO *out = BIO_new(BIO_s_mem());
	if (!key || !out)
		return key ? stg_fail(err, STG_E_NOMEM, 0, "open a bundle") : false;
	if (CMS_decrypt(cms, key, own.reader, NULL, out, CMS_BINARY) != 1)
		return damaged(err, "what is encrypted in it was changed");
	return take(out, ret, err);
}

bool stg_bundle_verify(struct stg_bytes in, const json_t *cards, size_t *ret_card, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(CMS_ContentInfo_free_at) CMS_ContentInfo *cms = whole(in);
	STACK_OF(CMS_SignerInfo) *signers = cms && OBJ_obj2nid(CMS_get0_type(cms)) == NID_pkcs7_signed ? CMS_get0_SignerInfos(cms) : NULL;
	if (!signers || sk_CMS_SignerInfo_num(signers) != 1)
		return damaged(err, "it is not signed by one machine");
	CMS_SignerInfo *si = sk_CMS_SignerInfo_value(signers, 0);
	size_t i, at = SIZE_MAX;
	json_t *one;
	STG_AUTO(card_clear) struct card from = { 0 };
	json_array_foreach((json_t *)(uintptr_t)cards, i, one) {
		card_clear(&from);
		if (card_open(stg_bytes_str(json_string_value(one)), &from, NULL) && CMS_SignerInfo_cert_cmp(si, from.signer) == 0) {
			at = i;
			break;
		}
	}
	ERR_clear_error();
	if (at == SIZE_MAX)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_BUNDLE_SIGNER, 0, "its signer is not among the cards trusted here");
	/* our copy of the certificate and no other: whatever else came along is not looked at */
	STACK_OF(X509) *trusted = sk_X509_new_null();
	STG_AUTO(BIO_free_all_at) BIO *out = BIO_new(BIO_s_mem());
	bool ok = trusted && out && sk_X509_push(trusted, from.signer) > 0 &&
		  CMS_verify(cms, trusted, NULL, NULL, out, CMS_BINARY | CMS_NOINTERN | CMS_NO_SIGNER_CERT_VERIFY) == 1;
	sk_X509_free(trusted);
	if (!ok) {
		ERR_clear_error();
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_BUNDLE_SIGNER, 0, "its signature does not fit");
	}
	*ret_card = at;
	return take(out, ret, err);
}
