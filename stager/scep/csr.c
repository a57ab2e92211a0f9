/*
 * csr.c - reads a certificate request (PKCS#10).
 *
 * For:    the responder; nothing of it is copied into a certificate but the key.
 * Uses:   der.c first, then OpenSSL.
 * Called: with bytes out of an envelope.
 * Thread: any.
 * Facts:  Apple's client writes version 2 where 0 belongs (vector of 2016): the version is not looked at. Its subject is what the
 *         profile says, else the CN is the payload's identifier.
 */
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/rsa.h>

#include "inner.h"

#define CSR_MAX (32u << 10)
#define NAMES_MAX 16
#define CHALLENGE_MAX 255

static bool no(struct stg_error *err, int fail, const char *what)
{
	return scep_fail(err, STG_ID_SCEP_REQUEST, fail, what);
}

static void subject_part(const X509_NAME *n, int nid, char *ret, size_t size)
{
	uint8_t *utf8 = NULL;
	int at = X509_NAME_get_index_by_NID(n, nid, -1);
	const X509_NAME_ENTRY *e = at < 0 ? NULL : X509_NAME_get_entry(n, at);
	*ret = 0;
	if (e && ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(e)) >= 0)
		stg_printable((const char *)utf8, true, ret, size);
	OPENSSL_free(utf8);
}

static void name_put(json_t *san, const char *kind, const ASN1_STRING *s)
{
	char raw[300] = "", shown[320], text[360];
	int n = ASN1_STRING_length(s);
	if (n > 0 && (size_t)n < sizeof(raw))
		memcpy(raw, ASN1_STRING_get0_data(s), (size_t)n);
	stg_printable(raw, true, shown, sizeof(shown));
	snprintf(text, sizeof(text), "%s:%s", kind, shown);
	json_array_append_new(san, json_string(text));
}

static bool names(const STACK_OF(X509_EXTENSION) *exts, json_t *san, bool *ret_ca, struct stg_error *err)
{
	int critical = 0;
	BASIC_CONSTRAINTS *bc = X509V3_get_d2i(exts, NID_basic_constraints, &critical, NULL);
	/* -1: there is none; anything else without a value is unreadable or twice */
	if (!bc && critical != -1)
		return no(err, STG_SCEP_BAD_REQUEST, "its basic constraints are unreadable");
	*ret_ca = bc && bc->ca;
	BASIC_CONSTRAINTS_free(bc);
	GENERAL_NAMES *all = X509V3_get_d2i(exts, NID_subject_alt_name, &critical, NULL);
	if (!all && critical != -1)
		return no(err, STG_SCEP_BAD_REQUEST, "its alternative names are unreadable");
	int n = all ? sk_GENERAL_NAME_num(all) : 0;
	for (int i = 0; i < n && i < NAMES_MAX; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);
		if (g->type == GEN_DNS)
			name_put(san, "dns", g->d.dNSName);
		else if (g->type == GEN_URI)
			name_put(san, "uri", g->d.uniformResourceIdentifier);
		else if (g->type == GEN_EMAIL)
			name_put(san, "email", g->d.rfc822Name);
		else if (g->type == GEN_OTHERNAME && g->d.otherName->value->type == V_ASN1_UTF8STRING)
			name_put(san, "upn", g->d.otherName->value->value.utf8string);
		else
			json_array_append_new(san, json_string("other"));
	}
	GENERAL_NAMES_free(all);
	return n <= NAMES_MAX || no(err, STG_SCEP_BAD_REQUEST, "more than 16 names");
}

static bool extensions(X509_REQ *req, struct stg_scep_csr *c, struct stg_error *err)
{
	STACK_OF(X509_EXTENSION) *exts = X509_REQ_get_extensions(req);
	c->san = json_array();
	bool ok = !exts || names(exts, c->san, &c->wants_ca, err);
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	return ok;
}

static bool challenge(X509_REQ *req, struct stg_secret *ret, struct stg_error *err)
{
	int at = X509_REQ_get_attr_by_NID(req, NID_pkcs9_challengePassword, -1);
	if (at < 0)
		return true;
	X509_ATTRIBUTE *a = X509_REQ_get_attr(req, at);
	const ASN1_TYPE *t = X509_ATTRIBUTE_count(a) == 1 ? X509_ATTRIBUTE_get0_type(a, 0) : NULL;
	if (!t || X509_REQ_get_attr_by_NID(req, NID_pkcs9_challengePassword, at) >= 0)
		return no(err, STG_SCEP_BAD_REQUEST, "one challenge was expected");
	if (t->type != V_ASN1_PRINTABLESTRING && t->type != V_ASN1_UTF8STRING && t->type != V_ASN1_IA5STRING && t->type != V_ASN1_T61STRING &&
	    t->type != V_ASN1_BMPSTRING)
		return no(err, STG_SCEP_BAD_REQUEST, "its challenge is no text");
	uint8_t *utf8 = NULL;
	int n = ASN1_STRING_to_UTF8(&utf8, t->value.asn1_string);
	bool ok = n >= 0 && n <= CHALLENGE_MAX;
	/* an empty one is none: some clients always write the attribute */
	if (ok && n > 0)
		ok = stg_secret_set(ret, stg_bytes(utf8, (size_t)n), NULL);
	if (utf8)
		OPENSSL_clear_free(utf8, n > 0 ? (size_t)n : 0);
	return ok || no(err, STG_SCEP_BAD_REQUEST, "its challenge is longer than 255 octets");
}

static bool key_ok(EVP_PKEY *key, struct stg_scep_csr *c, struct stg_error *err)
{
	int bits = key ? EVP_PKEY_get_bits(key) : 0;
	if (!key || !EVP_PKEY_is_a(key, "RSA"))
		return no(err, STG_SCEP_BAD_ALG, "an RSA key was expected: the answer is encrypted to it");
	snprintf(c->key, sizeof(c->key), "rsa-%d", bits);
	return bits == 2048 || bits == 3072 || bits == 4096 || no(err, STG_SCEP_BAD_ALG, "an RSA key of 2048, 3072 or 4096 bits was expected");
}

bool stg_scep_csr_read(struct stg_bytes der, struct stg_scep_csr *ret, struct stg_error *err)
{
	const unsigned char *p = der.data;
	struct stg_scep_csr c = { 0 };
	X509_REQ *req = der.len && der.len <= CSR_MAX && scep_der_ok(der) ? d2i_X509_REQ(NULL, &p, (long)der.len) : NULL;
	if (!req || p != der.data + der.len) {
		X509_REQ_free(req);
		return no(err, STG_SCEP_BAD_CHECK, "the envelope does not open");
	}
	c.req = req;
	EVP_PKEY *key = X509_REQ_get0_pubkey(req);
	subject_part(X509_REQ_get_subject_name(req), NID_commonName, c.common_name, sizeof(c.common_name));
	subject_part(X509_REQ_get_subject_name(req), NID_serialNumber, c.serial_number, sizeof(c.serial_number));
	bool ok = key_ok(key, &c, err) && (X509_REQ_verify(req, key) == 1 || no(err, STG_SCEP_BAD_CHECK, "it is not signed by its own key")) &&
		  challenge(req, &c.challenge, err) && extensions(req, &c, err);
	uint8_t *spki = NULL;
	int n = ok ? i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(req), &spki) : 0;
	if (n > 0)
		stg_sha256_hex(stg_bytes(spki, (size_t)n), c.spki_sha256);
	OPENSSL_free(spki);
	ERR_clear_error();
	if (!ok || n <= 0) {
		stg_scep_csr_clear(&c);
		return ok ? stg_fail(err, STG_E_NOMEM, 0, "no memory for a request") : false;
	}
	*ret = c;
	return true;
}

void stg_scep_csr_clear(struct stg_scep_csr *c)
{
	X509_REQ_free(c->req);
	stg_json_free_at(&c->san);
	stg_secret_clear(&c->challenge);
	*c = (struct stg_scep_csr){ 0 };
}

bool stg_scep_same_key(const struct stg_scep_csr *c, struct x509_st *cert)
{
	EVP_PKEY *a = X509_REQ_get0_pubkey(c->req), *b = X509_get0_pubkey(cert);
	bool same = a && b && EVP_PKEY_eq(a, b) == 1;
	ERR_clear_error();
	return same;
}
