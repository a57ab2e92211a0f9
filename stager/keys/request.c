/*
 * request.c - a certificate request (PKCS#10) of somebody else, read with suspicion.
 *
 * For:    SCEP and whoever brings a request: the key in it, what it asks for, its challenge.
 * Uses:   OpenSSL.
 * Called: by leaf.c, by stager/ca and stager/scep.
 * Thread: any; no state.
 *
 * A request is a claim. Only its key goes into a certificate, and only when the request is signed by it; names and usages
 * come from the template. What it asks for is shown, so that a request for a CA or for another device can be refused.
 *
 * Facts: RFC 2986, RFC 2985 5.4.1 (challengePassword). Apple's client writes version 2 instead of 1
 * (profiles-and-certificates 6.2), so the version is not looked at.
 */
#include <openssl/err.h>

#include <stager/ids.h>

#include "inner.h"

#define REQUEST_MAX (16u << 10)
#define CHALLENGE_MAX 1024

static bool refuse(struct stg_error *err, const char *why)
{
	ERR_clear_error();
	return stg_fail_id(err, STG_E_INPUT, STG_ID_CERTIFICATE_REQUEST, 0, "%s", why);
}

static X509_REQ *read_der(struct stg_bytes der, struct stg_error *err)
{
	if (der.len == 0 || der.len > REQUEST_MAX) {
		refuse(err, "a request of 1 byte to 16 KiB is expected");
		return NULL;
	}
	const unsigned char *p = der.data;
	X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)der.len);
	if (!req || p != der.data + der.len) {
		X509_REQ_free(req);
		refuse(err, "it is no PKCS#10 in DER");
		return NULL;
	}
	return req;
}

/* RSA from 2,048 bits with an exponent in use, the three NIST curves by name. */
static bool is_strong(EVP_PKEY *key)
{
	int bits = EVP_PKEY_get_bits(key);
	if (EVP_PKEY_is_a(key, "RSA")) {
		STG_AUTO(BN_clear_free_at) BIGNUM *e = NULL;
		return bits >= 2048 && bits <= 4096 && EVP_PKEY_get_bn_param(key, "e", &e) == 1 && BN_is_odd(e) && BN_num_bits(e) >= 2 &&
		       BN_num_bits(e) <= 64;
	}
	char curve[32] = "";
	size_t n = 0;
	return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, curve, sizeof(curve), &n) == 1 &&
	       (strcmp(curve, "prime256v1") == 0 || strcmp(curve, "secp384r1") == 0 || strcmp(curve, "secp521r1") == 0);
}

EVP_PKEY *keys_request_key(struct stg_bytes der, struct stg_error *err)
{
	STG_AUTO(X509_REQ_free_at) X509_REQ *req = read_der(der, err);
	if (!req)
		return NULL;
	EVP_PKEY *key = X509_REQ_get0_pubkey(req);
	if (!key || !is_strong(key)) {
		refuse(err, "its key is too weak or of a kind nobody asked for: RSA of 2048 to 4096 bits, P-256, P-384 or P-521 are");
		return NULL;
	}
	if (X509_REQ_verify(req, key) != 1 || EVP_PKEY_up_ref(key) != 1) {
		refuse(err, "it is not signed by the key in it");
		return NULL;
	}
	return key;
}

static void put_text(json_t *j, const char *key, const X509_NAME *name, int nid)
{
	int at = X509_NAME_get_index_by_NID(name, nid, -1);
	const ASN1_STRING *s = at < 0 ? NULL : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
	uint8_t *text = NULL;
	int n = s ? ASN1_STRING_to_UTF8(&text, s) : -1;
	char raw[300] = "", clean[700];
	if (n > 0) {
		size_t len = (size_t)n < sizeof(raw) ? (size_t)n : sizeof(raw) - 1;
		memcpy(raw, text, len);
		raw[len] = 0;
	}
	OPENSSL_free(text);
	stg_printable(raw, true, clean, sizeof(clean));
	stg_json_put(j, key, clean);
}

/* Does it want to sign certificates itself? */
static bool wants_ca(STACK_OF(X509_EXTENSION) *exts)
{
	BASIC_CONSTRAINTS *basic = X509V3_get_d2i(exts, NID_basic_constraints, NULL, NULL);
	ASN1_BIT_STRING *usage = X509V3_get_d2i(exts, NID_key_usage, NULL, NULL);
	bool wants = (basic && basic->ca) || (usage && (ASN1_BIT_STRING_get_bit(usage, 5) || ASN1_BIT_STRING_get_bit(usage, 6)));
	BASIC_CONSTRAINTS_free(basic);
	ASN1_BIT_STRING_free(usage);
	return wants;
}

/* The word by which the asker shows that somebody expected him: exactly one value, or none. */
static bool challenge_of(X509_REQ *req, struct stg_secret *ret, struct stg_error *err)
{
	int at = X509_REQ_get_attr_by_NID(req, NID_pkcs9_challengePassword, -1);
	if (at < 0)
		return true;
	X509_ATTRIBUTE *a = X509_REQ_get_attr(req, at);
	const ASN1_TYPE *v = X509_ATTRIBUTE_count(a) == 1 ? X509_ATTRIBUTE_get0_type(a, 0) : NULL;
	if (!v || X509_REQ_get_attr_by_NID(req, NID_pkcs9_challengePassword, at) >= 0 ||
	    (v->type != V_ASN1_PRINTABLESTRING && v->type != V_ASN1_UTF8STRING && v->type != V_ASN1_IA5STRING && v->type != V_ASN1_T61STRING &&
	     v->type != V_ASN1_BMPSTRING))
		return refuse(err, "its challenge is not one text");
	uint8_t *text = NULL;
	int n = ASN1_STRING_to_UTF8(&text, v->value.asn1_string);
	bool ok = n >= 0 && n <= CHALLENGE_MAX ? stg_secret_set(ret, stg_bytes(text, (size_t)n), err) : refuse(err, "its challenge is too long");
	if (text)
		OPENSSL_clear_free(text, n > 0 ? (size_t)n : 0);
	return ok;
}

json_t *stg_request_read(struct stg_bytes der, struct stg_secret *ret_challenge, struct stg_error *err)
{
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *key = keys_request_key(der, err);
	STG_AUTO(X509_REQ_free_at) X509_REQ *req = key ? read_der(der, err) : NULL;
	if (!req || (ret_challenge && !challenge_of(req, ret_challenge, err)))
		return NULL;
	json_t *j = json_object();
	const X509_NAME *name = X509_REQ_get_subject_name(req);
	char kind[32], spki[65] = "";
	put_text(j, "cn", name, NID_commonName);
	put_text(j, "organisation", name, NID_organizationName);
	put_text(j, "serial_number", name, NID_serialNumber);
	STACK_OF(X509_EXTENSION) *exts = X509_REQ_get_extensions(req);
	GENERAL_NAMES *names = exts ? X509V3_get_d2i(exts, NID_subject_alt_name, NULL, NULL) : NULL;
	json_t *san = keys_names_json(names);
	if (san)
		stg_json_put_new(j, "san", san);
	stg_json_put_bool(j, "wants_ca", exts && wants_ca(exts));
	GENERAL_NAMES_free(names);
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	keys_kind(key, kind, sizeof(kind));
	stg_json_put(j, "key", kind);
	uint8_t *bits = NULL;
	int n = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(req), &bits);
	if (n > 0)
		stg_sha256_hex(stg_bytes(bits, (size_t)n), spki);
	OPENSSL_free(bits);
	stg_json_put(j, "spki_sha256", spki);
	ERR_clear_error();
	return j;
}
