/*
 * crl.c - the revocation list, and certificates in words.
 *
 * For:    `stager ca crl`, `stager ca list`, `stager org show`, the warning before something expires.
 * Uses:   OpenSSL.
 * Called: by the operations ca.* and org.show.
 * Thread: any.
 *
 * Facts: RFC 5280 5.2 and 5.3; thirty days until the next list, because an offline station is slow to publish.
 */
#include <stdio.h>
#include <time.h>

#include <openssl/err.h>

#include <stager/clock.h>

#include "inner.h"

#define NEXT_DAYS 30

static int reason_code(const char *reason)
{
	static const struct { const char *word; int code; } reasons[] = {
		{ "key_compromise", CRL_REASON_KEY_COMPROMISE }, { "affiliation_changed", CRL_REASON_AFFILIATION_CHANGED },
		{ "superseded", CRL_REASON_SUPERSEDED },         { "cessation", CRL_REASON_CESSATION_OF_OPERATION },
		{ "privilege_withdrawn", CRL_REASON_PRIVILEGE_WITHDRAWN } };
	for (size_t i = 0; i < STG_ARRAY_LEN(reasons); i++)
		if (strcmp(reasons[i].word, reason) == 0)
			return reasons[i].code;
	return CRL_REASON_UNSPECIFIED;
}

static bool add_revoked(X509_CRL *crl, const json_t *row, int64_t now_ms, struct stg_error *err)
{
	X509_REVOKED *r = X509_REVOKED_new();
	BIGNUM *n = NULL;
	ASN1_INTEGER *serial = NULL;
	ASN1_TIME *when = ASN1_TIME_adj(NULL, (time_t)(stg_json_int(row, "revoked_ms", now_ms) / 1000), 0, 0);
	int code = reason_code(stg_json_str(row, "reason"));
	ASN1_ENUMERATED *reason = ASN1_ENUMERATED_new();
	const char *hex = stg_json_str(row, "serial_hex");
	bool ok = r && when && reason && *hex && strspn(hex, "0123456789abcdefABCDEF") == strlen(hex) && strlen(hex) <= 40 && BN_hex2bn(&n, hex) > 0 &&
		  (serial = BN_to_ASN1_INTEGER(n, NULL)) != NULL && X509_REVOKED_set_serialNumber(r, serial) == 1 &&
		  X509_REVOKED_set_revocationDate(r, when) == 1;
	/* "unspecified" is said by leaving it out (RFC 5280 5.3.1) */
	if (ok && code != CRL_REASON_UNSPECIFIED)
		ok = ASN1_ENUMERATED_set(reason, code) == 1 && X509_REVOKED_add1_ext_i2d(r, NID_crl_reason, reason, 0, 0) == 1;
	ok = ok && X509_CRL_add0_revoked(crl, r) == 1;
	if (!ok)
		X509_REVOKED_free(r);
	BN_free(n);
	ASN1_INTEGER_free(serial);
	ASN1_TIME_free(when);
	ASN1_ENUMERATED_free(reason);
	return ok || keys_ssl_fail(err, STG_E_PROTOCOL, "list a revoked certificate");
}

static bool add_number(X509_CRL *crl, X509 *issuing, int64_t number, struct stg_error *err)
{
	ASN1_INTEGER *n = ASN1_INTEGER_new();
	const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(issuing);
	AUTHORITY_KEYID *by = AUTHORITY_KEYID_new();
	bool ok = n && by && id && ASN1_INTEGER_set_int64(n, number) == 1 && (by->keyid = ASN1_OCTET_STRING_dup(id)) != NULL &&
		  X509_CRL_add1_ext_i2d(crl, NID_crl_number, n, 0, 0) == 1 && X509_CRL_add1_ext_i2d(crl, NID_authority_key_identifier, by, 0, 0) == 1;
	ASN1_INTEGER_free(n);
	AUTHORITY_KEYID_free(by);
	return ok || keys_ssl_fail(err, STG_E_NOMEM, "number a revocation list");
}

static bool write_list(X509 *issuing, EVP_PKEY *issuing_key, const json_t *revoked_rows, int64_t number, struct stg_buf *ret_der, struct stg_error *err)
{
	STG_AUTO(X509_CRL_free_at) X509_CRL *crl = X509_CRL_new();
	int64_t now = stg_wall_ms();
	ASN1_TIME *from = ASN1_TIME_adj(NULL, (time_t)(now / 1000), 0, 0), *until = ASN1_TIME_adj(NULL, (time_t)(now / 1000), NEXT_DAYS, 0);
	bool ok = crl && from && until && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
		  X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuing)) == 1 && X509_CRL_set1_lastUpdate(crl, from) == 1 &&
		  X509_CRL_set1_nextUpdate(crl, until) == 1;
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
	if (!ok)
		return keys_ssl_fail(err, STG_E_NOMEM, "begin a revocation list");
	for (size_t i = 0; i < json_array_size(revoked_rows); i++)
		if (!add_revoked(crl, json_array_get(revoked_rows, i), now, err))
			return false;
	if (!add_number(crl, issuing, number, err))
		return false;
	uint8_t *der = NULL;
	int n = X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, issuing_key, EVP_sha256()) > 0 ? i2d_X509_CRL(crl, &der) : 0;
	if (n <= 0)
		return keys_ssl_fail(err, STG_E_NOMEM, "sign a revocation list");
	ok = stg_buf_add(ret_der, der, (size_t)n, err);
	OPENSSL_free(der);
	return ok;
}

bool stg_crl_make(const struct stg_keys *k, const json_t *org, struct stg_bytes sealed, const json_t *revoked_rows, int64_t number,
		  struct stg_buf *ret_der, struct stg_error *err)
{
	STG_AUTO(keys_opened_release_at) struct keys_opened *o = keys_opened_hold(k, org, sealed, err);
	return o && write_list(o->issuing, o->issuing_key, revoked_rows, number, ret_der, err);
}

bool stg_crl_make_of(const struct stg_keys *k, const json_t *org, struct stg_bytes sealed, const char *issuer, const json_t *revoked_rows, int64_t number,
		     struct stg_buf *ret_der, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret bag = { 0 };
	const json_t *was = NULL, *all = json_object_get(org, "previous");
	char name[160];
	struct stg_bytes pin = { 0 };
	if (!issuer || !*issuer || strcmp(issuer, stg_json_str(org, "issuer")) == 0)
		return stg_crl_make(k, org, sealed, revoked_rows, number, ret_der, err);
	for (size_t i = 0; i < json_array_size(all) && !was; i++)
		if (strcmp(stg_json_str(json_array_get(all, i), "issuer"), issuer) == 0)
			was = json_array_get(all, i);
	if (!was)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_CA_UNKNOWN, 0, "%.64s", issuer);
	if (!keys_org_open(k, org, sealed, &bag, err))
		return false;
	snprintf(name, sizeof(name), "issuing_pin:%.128s", issuer);
	(void)keys_bag_get(stg_secret_reveal(&bag), name, &pin, NULL);
	snprintf(name, sizeof(name), "issuing:%.128s", issuer);
	const char *uri = stg_json_str(was, "issuing_uri");
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *key = *uri ? keys_token_key(uri, pin, err) : keys_org_key(&bag, name, err);
	STG_AUTO(X509_free_at) X509 *issuing = key ? keys_row_cert(was, "issuing_pem", err) : NULL;
	return issuing && write_list(issuing, key, revoked_rows, number, ret_der, err);
}

static void put_name(json_t *j, const char *key, const X509_NAME *name)
{
	STG_AUTO(BIO_free_all_at) BIO *out = BIO_new(BIO_s_mem());
	char *text = NULL, raw[1024], clean[2048];
	if (!out || X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB & ~(unsigned long)XN_FLAG_DN_REV) < 0)
		return;
	long n = BIO_get_mem_data(out, &text);
	size_t len = n > 0 ? (size_t)n : 0;
	if (len >= sizeof(raw))
		len = sizeof(raw) - 1;
	if (len)
		memcpy(raw, text, len);
	raw[len] = 0;
	stg_printable(raw, true, clean, sizeof(clean));
	stg_json_put(j, key, clean);
}

bool stg_certificate_pem(struct stg_bytes pem_or_der, struct stg_buf *ret_pem, struct stg_error *err)
{
	STG_AUTO(X509_free_at) X509 *cert = keys_cert_from_any(pem_or_der, err);
	return cert && keys_cert_to_pem(cert, ret_pem, err);
}

json_t *stg_certificate_json(struct stg_bytes pem_or_der, struct stg_error *err)
{
	STG_AUTO(X509_free_at) X509 *cert = keys_cert_from_any(pem_or_der, err);
	char raw[256] = "", clean[600], hex[128], kind[32];
	int64_t from = 0, until = 0;
	if (!cert)
		return NULL;
	json_t *j = json_object();
	X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, raw, sizeof(raw));
	stg_printable(raw, true, clean, sizeof(clean));
	stg_json_put(j, "cn", clean);
	put_name(j, "subject", X509_get_subject_name(cert));
	put_name(j, "issuer", X509_get_issuer_name(cert));
	STG_AUTO(GENERAL_NAMES_free_at) GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	json_t *san = keys_names_json(names);
	if (san)
		stg_json_put_new(j, "san", san);
	if (keys_serial_hex(X509_get0_serialNumber(cert), hex, sizeof(hex)))
		stg_json_put(j, "serial_hex", hex);
	if (keys_time_ms(X509_get0_notBefore(cert), &from))
		stg_json_put_int(j, "not_before_ms", from);
	if (keys_time_ms(X509_get0_notAfter(cert), &until))
		stg_json_put_int(j, "not_after_ms", until);
	if (keys_cert_sha256(cert, hex))
		stg_json_put(j, "sha256", hex);
	if (keys_spki_sha256(cert, hex))
		stg_json_put(j, "spki_sha256", hex);
	keys_kind(X509_get0_pubkey(cert), kind, sizeof(kind));
	stg_json_put(j, "key", kind);
	stg_json_put_bool(j, "is_ca", X509_check_ca(cert) == 1);
	ERR_clear_error();
	return j;
}
