/*
 * cms.c - the two things the station signs: a device's challenge, and a profile; and opening what others signed.
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
#include <openssl/pem.h>

#include "inner.h"

#define CHALLENGE_MAX 64
#define PROFILE_MAX (2u << 20)
#define SIGNERS_MAX 4

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
	STG_AUTO(keys_opened_release_at) struct keys_opened *o = keys_opened_hold(k, row, sealed, err);
	return o && sign(o->supervisor, o->supervisor_key, NULL, challenge, ret_cms, err);
}

bool stg_org_sign_profile(const struct stg_keys *k, const json_t *row, struct stg_bytes sealed, struct stg_bytes profile,
			  struct stg_buf *ret_cms, struct stg_error *err)
{
	if (profile.len == 0 || profile.len > PROFILE_MAX)
		return stg_fail(err, STG_E_PROTOCOL, 0, "a profile of %zu bytes, 1 to %u are signed", profile.len, PROFILE_MAX);
	STG_AUTO(keys_opened_release_at) struct keys_opened *o = keys_opened_hold(k, row, sealed, err);
	uint8_t content[32];
	size_t before = ret_cms->len;
	if (!o)
		return false;
	stg_sha256(profile, content);
	if (keys_signed_find(o->done, content, ret_cms))
		return true;
	if (!sign(o->signer, o->signer_key, o->issuing, profile, ret_cms, err))
		return false;
	keys_signed_keep(o->done, content, stg_bytes(ret_cms->data + before, ret_cms->len - before));
	return true;
}

static bool unreadable(struct stg_error *err, enum stg_id id, const char *what)
{
	ERR_clear_error();
	return stg_fail_id(err, STG_E_INPUT, id, 0, "%s", what);
}

static void name_text(X509_NAME *n, int nid, char *ret, size_t size)
{
	char raw[256] = "";
	X509_NAME_get_text_by_NID(n, nid, raw, sizeof(raw));
	stg_printable(raw, true, ret, size);
}

static json_t *signer_json(CMS_SignerInfo *si, X509 *cert)
{
	json_t *j = json_object();
	char name[256], org[256], issuer[256], sha256[65];
	int64_t ms = 0;
	name_text(X509_get_subject_name(cert), NID_commonName, name, sizeof(name));
	name_text(X509_get_subject_name(cert), NID_organizationName, org, sizeof(org));
	name_text(X509_get_issuer_name(cert), NID_commonName, issuer, sizeof(issuer));
	stg_json_put(j, "name", *name ? name : *org ? org : "(no name)");
	stg_json_put(j, "organisation", org);
	stg_json_put(j, "issuer", issuer);
	if (keys_cert_sha256(cert, sha256))
		stg_json_put(j, "sha256", sha256);
	if (keys_time_ms(X509_get0_notAfter(cert), &ms))
		stg_json_put_int(j, "not_after_ms", ms);
	int at = CMS_signed_get_attr_by_NID(si, NID_pkcs9_signingTime, -1);
	const ASN1_TYPE *t = at >= 0 ? X509_ATTRIBUTE_get0_type(CMS_signed_get_attr(si, at), 0) : NULL;
	if (t && (t->type == V_ASN1_UTCTIME || t->type == V_ASN1_GENERALIZEDTIME) && keys_time_ms(t->value.asn1_string, &ms))
		stg_json_put_int(j, "signed_ms", ms);
	return j;
}

/* The certificates between signer and root that came along: the first of them that ends. */
static void put_chain(json_t *j, CMS_ContentInfo *cms, X509 *signer)
{
	STACK_OF(X509) *inside = CMS_get1_certs(cms);
	int64_t first = INT64_MAX, ms = 0;
	char name[256] = "";
	for (int i = 0; inside && i < sk_X509_num(inside); i++) {
		X509 *one = sk_X509_value(inside, i);
		if (X509_cmp(one, signer) == 0 || !keys_time_ms(X509_get0_notAfter(one), &ms) || ms >= first)
			continue;
		first = ms;
		name_text(X509_get_subject_name(one), NID_commonName, name, sizeof(name));
	}
	if (first != INT64_MAX) {
		stg_json_put(j, "chain_name", *name ? name : "(no name)");
		stg_json_put_int(j, "chain_not_after_ms", first);
	}
	sk_X509_pop_free(inside, X509_free);
}

static CMS_ContentInfo *read_cms(struct stg_bytes in)
{
	STG_AUTO(BIO_free_all_at) BIO *bio = BIO_new_mem_buf(in.data, (int)in.len);
	if (!bio)
		return NULL;
	if (in.data[0] == 0x30)
		return d2i_CMS_bio(bio, NULL);
	return PEM_read_bio_CMS(bio, NULL, NULL, NULL);
}

bool stg_cms_unwrap(struct stg_bytes in, struct stg_buf *ret_content, json_t **ret_signer, struct stg_error *err)
{
	if (in.len < 16 || in.len > PROFILE_MAX)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_SIGNATURE, 0, "a signed file of %zu bytes", in.len);
	STG_AUTO(CMS_ContentInfo_free_at) CMS_ContentInfo *cms = read_cms(in);
	if (!cms)
		return unreadable(err, STG_ID_PROFILE_SIGNATURE, "neither a profile nor a signed one (CMS)");
	int type = OBJ_obj2nid(CMS_get0_type(cms));
	if (type == NID_pkcs7_enveloped || type == NID_id_smime_ct_authEnvelopedData)
		return unreadable(err, STG_ID_PROFILE_ENCRYPTED, "encrypted for one device: its content cannot be read here");
	if (type != NID_pkcs7_signed)
		return unreadable(err, STG_ID_PROFILE_SIGNATURE, "not signed data");
	ASN1_OCTET_STRING **content = CMS_get0_content(cms);
	if (OBJ_obj2nid(CMS_get0_eContentType(cms)) != NID_pkcs7_data || !content || !*content || ASN1_STRING_length(*content) <= 0)
		return unreadable(err, STG_ID_PROFILE_SIGNATURE, "there is no profile inside the signature");
	STACK_OF(CMS_SignerInfo) *signers = CMS_get0_SignerInfos(cms);
	int n_signers = signers ? sk_CMS_SignerInfo_num(signers) : 0;
	if (n_signers < 1 || n_signers > SIGNERS_MAX)
		return unreadable(err, STG_ID_PROFILE_SIGNATURE, "one signer is expected");
	STG_AUTO(BIO_free_all_at) BIO *out = BIO_new(BIO_s_mem());
	if (!out)
		return stg_fail(err, STG_E_NOMEM, 0, "no memory to open a signature");
	bool fits = CMS_verify(cms, NULL, NULL, NULL, out, CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY) == 1;
	ERR_clear_error();
	CMS_SignerInfo *si = sk_CMS_SignerInfo_value(signers, 0);
	X509 *cert = NULL;
	CMS_SignerInfo_get0_algs(si, NULL, &cert, NULL, NULL);
	STG_AUTO(stg_json_free_at) json_t *who = cert ? signer_json(si, cert) : NULL;
	if (who)
		put_chain(who, cms, cert);
	if (!fits)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_SIGNATURE, 0, "the signature does not match the content (signed by %.80s)",
				   who ? stg_json_str(who, "name") : "somebody unknown");
	char *text = NULL;
	long n = BIO_get_mem_data(out, &text);
	if (!who || n <= 0 || !stg_buf_add(ret_content, text, (size_t)n, err))
		return who && n > 0 ? false : unreadable(err, STG_ID_PROFILE_SIGNATURE, "the signature carries no certificate");
	*ret_signer = stg_steal(who);
	return true;
}
