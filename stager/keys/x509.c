/*
 * x509.c - keys and certificates: made, written, read, compared.
 *
 * For:    the organisation's CA, host identities, leaves.
 * Uses:   OpenSSL 3.
 * Called: in this room.
 * Thread: any; no state.
 */
#include <stdio.h>
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <stager/ids.h>

#include "inner.h"

EVP_PKEY *keys_make_rsa(unsigned int bits, struct stg_error *err)
{
	EVP_PKEY *key = EVP_RSA_gen(bits);
	if (!key)
		keys_ssl_fail(err, STG_E_NOMEM, "make an RSA key");
	return key;
}

EVP_PKEY *keys_make_ec(const char *curve, struct stg_error *err)
{
	EVP_PKEY *key = EVP_EC_gen(curve);
	if (!key)
		keys_ssl_fail(err, STG_E_NOMEM, "make an EC key");
	return key;
}

bool keys_to_pem(EVP_PKEY *key, struct stg_secret *ret, struct stg_error *err)
{
	STG_AUTO(BIO_free_all_at) BIO *out = BIO_new(BIO_s_secmem());
	char *text = NULL;
	if (!out || PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) != 1)
		return keys_ssl_fail(err, STG_E_NOMEM, "write a key");
	long n = BIO_get_mem_data(out, &text);
	return stg_secret_set(ret, stg_bytes(text, (size_t)n), err);
}

/* Never asks on the terminal: an encrypted key without a password is simply not readable. */
static int no_password(char *ret, int size, int writing, void *ctx)
{
	(void)ret, (void)size, (void)writing, (void)ctx;
	return -1;
}

EVP_PKEY *keys_from_pem(struct stg_bytes pem, struct stg_error *err)
{
	STG_AUTO(BIO_free_all_at) BIO *in = pem.len <= KEYS_PEM_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
	EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, no_password, NULL) : NULL;
	if (!key)
		keys_ssl_fail(err, STG_E_PROTOCOL, "read a key");
	return key;
}

/* RFC 8017 A.1.2: version, then these; the names are those of OpenSSL's parameters. Its own reader finds out by trial what
 * a key is and keeps it in the old form, to be converted at the first signature: ten times the work, twice per device. */
static EVP_PKEY *rsa_of(const unsigned char *der, long len)
{
	static const char *const names[] = { OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E, OSSL_PKEY_PARAM_RSA_D,
					     OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2, OSSL_PKEY_PARAM_RSA_EXPONENT1,
					     OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1 };
	enum { N = STG_ARRAY_LEN(names) };
	BIGNUM *number[N] = { NULL };
	const unsigned char *p = der;
	ASN1_SEQUENCE_ANY *all = d2i_ASN1_SEQUENCE_ANY(NULL, &p, len);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	bool ok = all && build && p == der + len && sk_ASN1_TYPE_num(all) == 1 + N;
	for (int i = 0; ok && i < N; i++) {
		const ASN1_TYPE *t = sk_ASN1_TYPE_value(all, 1 + i);
		number[i] = t->type == V_ASN1_INTEGER ? ASN1_INTEGER_to_BN(t->value.integer, BN_secure_new()) : NULL;
		ok = number[i] && !BN_is_zero(number[i]) && OSSL_PARAM_BLD_push_BN(build, names[i], number[i]) == 1;
	}
	OSSL_PARAM *params = ok ? OSSL_PARAM_BLD_to_param(build) : NULL;
	EVP_PKEY_CTX *ctx = params ? EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL) : NULL;
	EVP_PKEY *key = NULL;
	if (ctx && EVP_PKEY_fromdata_init(ctx) == 1)
		(void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params);
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	for (int i = 0; i < N; i++)
		BN_clear_free(number[i]);
	for (int i = 0; i < sk_ASN1_TYPE_num(all); i++) {
		ASN1_TYPE *t = sk_ASN1_TYPE_value(all, i);
		if (t->type == V_ASN1_INTEGER)
			OPENSSL_cleanse(t->value.integer->data, (size_t)t->value.integer->length);
	}
	sk_ASN1_TYPE_pop_free(all, ASN1_TYPE_free);
	return key;
}

EVP_PKEY *stg_rsa_from_pem(struct stg_bytes pem, struct stg_error *err)
{
	STG_AUTO(BIO_free_all_at) BIO *in = pem.len <= KEYS_PEM_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	long len = 0;
	EVP_PKEY *key = NULL;
	if (in && PEM_read_bio(in, &name, &header, &der, &len) == 1) {
		const unsigned char *p = der;
		PKCS8_PRIV_KEY_INFO *info = strcmp(name, PEM_STRING_PKCS8INF) == 0 ? d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, len) : NULL;
		int inner = (int)len;
		if (strcmp(name, PEM_STRING_RSA) == 0 || (info && PKCS8_pkey_get0(NULL, &p, &inner, NULL, info) == 1))
			key = rsa_of(p, inner);
		PKCS8_PRIV_KEY_INFO_free(info);
	}
	OPENSSL_free(name);
	OPENSSL_free(header);
	if (der)
		OPENSSL_clear_free(der, (size_t)len);
	if (!key)
		keys_ssl_fail(err, STG_E_PROTOCOL, "read an RSA key");
	ERR_clear_error();
	return key;
}

X509 *keys_cert_from_pem(struct stg_bytes pem, struct stg_error *err)
{
	STG_AUTO(BIO_free_all_at) BIO *in = pem.len && pem.len <= KEYS_PEM_MAX * 4 ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
	X509 *cert = in ? PEM_read_bio_X509(in, NULL, no_password, NULL) : NULL;
	if (!cert)
		keys_ssl_fail(err, STG_E_PROTOCOL, "read a certificate");
	return cert;
}

X509 *keys_cert_from_any(struct stg_bytes in, struct stg_error *err)
{
	if (in.len && in.len <= KEYS_PEM_MAX * 4 && in.data[0] == 0x30) {
		const uint8_t *p = in.data;
		X509 *cert = d2i_X509(NULL, &p, (long)in.len);
		if (!cert)
			keys_ssl_fail(err, STG_E_PROTOCOL, "read a certificate");
		return cert;
	}
	return keys_cert_from_pem(in, err);
}

bool keys_cert_to_pem(X509 *cert, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(BIO_free_all_at) BIO *out = BIO_new(BIO_s_mem());
	char *text = NULL;
	if (!out || PEM_write_bio_X509(out, cert) != 1)
		return keys_ssl_fail(err, STG_E_NOMEM, "write a certificate");
	long n = BIO_get_mem_data(out, &text);
	return stg_buf_add(ret, text, (size_t)n, err);
}

bool keys_cert_to_der(X509 *cert, struct stg_buf *ret, struct stg_error *err)
{
	uint8_t *der = NULL;
	int n = i2d_X509(cert, &der);
	if (n <= 0)
		return keys_ssl_fail(err, STG_E_NOMEM, "write a certificate");
	bool ok = stg_buf_add(ret, der, (size_t)n, err);
	OPENSSL_free(der);
	return ok;
}

X509 *keys_row_cert(const json_t *row, const char *field, struct stg_error *err)
{
	X509 *cert = keys_cert_from_pem(stg_bytes_str(stg_json_str(row, field)), err);
	if (!cert)
		stg_while(err, "organisation '%.64s': %s", stg_json_str(row, "name"), field);
	return cert;
}

static bool name_add(X509_NAME *n, int nid, const char *value)
{
	return !value || !*value ||
	       X509_NAME_add_entry_by_NID(n, nid, MBSTRING_UTF8, (const unsigned char *)value, -1, -1, 0) == 1;
}

X509_NAME *keys_name(const char *organisation, const char *country, const char *common_name, struct stg_error *err)
{
	STG_AUTO(X509_NAME_free_at) X509_NAME *n = X509_NAME_new();
	if (!n || !name_add(n, NID_organizationName, organisation) || !name_add(n, NID_countryName, country) ||
	    !name_add(n, NID_commonName, common_name)) {
		ERR_clear_error();
		stg_fail(err, STG_E_USAGE, 0, "'%.80s' cannot stand in a certificate: UTF-8 text of at most 64 characters is expected",
			 common_name ? common_name : "");
		return NULL;
	}
	return stg_steal(n);
}

bool keys_name_add(X509_NAME *n, int nid, const char *value, struct stg_error *err)
{
	if (name_add(n, nid, value))
		return true;
	ERR_clear_error();
	return stg_fail(err, STG_E_USAGE, 0, "'%.80s' cannot stand in a certificate: UTF-8 text of at most 64 characters is expected", value);
}

/* Sixteen random octets, positive, always of the same length (RFC 5280 4.1.2.2). */
static bool set_serial(X509 *cert)
{
	uint8_t octets[KEYS_SERIAL_OCTETS];
	stg_random(octets, sizeof(octets));
	octets[0] = (uint8_t)((octets[0] & 0x7f) | 0x40);
	STG_AUTO(BN_clear_free_at) BIGNUM *n = BN_bin2bn(octets, sizeof(octets), NULL);
	return n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL;
}

X509 *keys_cert_begin(const X509_NAME *subject, EVP_PKEY *subject_key, X509 *issuer, int64_t not_before_ms, int64_t not_after_ms,
		      struct stg_error *err)
{
	STG_AUTO(X509_free_at) X509 *cert = X509_new();
	const X509_NAME *issuer_name = issuer ? X509_get_subject_name(issuer) : subject;
	if (!cert || X509_set_version(cert, X509_VERSION_3) != 1 || !set_serial(cert) || X509_set_subject_name(cert, subject) != 1 ||
	    X509_set_issuer_name(cert, issuer_name) != 1 || (subject_key && X509_set_pubkey(cert, subject_key) != 1) ||
	    !ASN1_TIME_adj(X509_getm_notBefore(cert), (time_t)(not_before_ms / 1000), 0, 0) ||
	    !ASN1_TIME_adj(X509_getm_notAfter(cert), (time_t)(not_after_ms / 1000), 0, 0)) {
		keys_ssl_fail(err, STG_E_NOMEM, "begin a certificate");
		return NULL;
	}
	return stg_steal(cert);
}

bool keys_cert_ext(X509 *cert, X509 *issuer, int nid, const char *value, struct stg_error *err)
{
	X509V3_CTX ctx;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer ? issuer : cert, cert, NULL, NULL, 0);
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool ok = ext && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok || keys_ssl_fail(err, STG_E_NOMEM, "add an extension");
}

bool keys_cert_ext_object(X509 *cert, int nid, bool critical, void *object, struct stg_error *err)
{
	return X509_add1_ext_i2d(cert, nid, object, critical, X509V3_ADD_APPEND) == 1 || keys_ssl_fail(err, STG_E_NOMEM, "add an extension");
}

bool keys_cert_sign(X509 *cert, EVP_PKEY *issuer_key, struct stg_error *err)
{
	const EVP_MD *digest = EVP_PKEY_get_bits(issuer_key) == 384 ? EVP_sha384() : EVP_sha256();
	return X509_sign(cert, issuer_key, digest) > 0 || keys_ssl_fail(err, STG_E_NOMEM, "sign a certificate");
}

bool keys_time_ms(const ASN1_TIME *t, int64_t *ret_ms)
{
	struct tm tm = { 0 };
	if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	*ret_ms = (int64_t)timegm(&tm) * 1000;
	return true;
}

bool keys_serial_hex(const ASN1_INTEGER *serial, char *ret, size_t size)
{
	STG_AUTO(BN_clear_free_at) BIGNUM *n = ASN1_INTEGER_to_BN(serial, NULL);
	char *hex = n ? BN_bn2hex(n) : NULL;
	bool ok = hex && stg_copy(ret, size, hex);
	OPENSSL_free(hex);
	for (char *p = ret; ok && *p; p++)
		if (*p >= 'A' && *p <= 'F')
			*p = (char)(*p - 'A' + 'a');
	return ok;
}

bool keys_cert_sha256(X509 *cert, char ret[65])
{
	uint8_t d[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	if (X509_digest(cert, EVP_sha256(), d, &n) != 1)
		return false;
	stg_hex(stg_bytes(d, n), ret);
	return true;
}

bool keys_spki_sha256(X509 *cert, char ret[65])
{
	uint8_t *der = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	if (n > 0)
		stg_sha256_hex(stg_bytes(der, (size_t)n), ret);
	OPENSSL_free(der);
	return n > 0;
}

bool keys_key_id(X509 *cert, char *ret, size_t size)
{
	const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(cert);
	size_t n = id ? (size_t)ASN1_STRING_length(id) : 0;
	if (!n || 2 * n + 1 > size)
		return false;
	stg_hex(stg_bytes(ASN1_STRING_get0_data(id), n), ret);
	return true;
}

bool keys_key_fits(X509 *cert, EVP_PKEY *key)
{
	EVP_PKEY *in_cert = X509_get0_pubkey(cert);
	bool fits = in_cert && EVP_PKEY_eq(in_cert, key) == 1;
	ERR_clear_error();
	return fits;
}

void keys_kind(EVP_PKEY *key, char *ret, size_t size)
{
	int bits = key ? EVP_PKEY_get_bits(key) : 0;
	if (key && EVP_PKEY_is_a(key, "RSA"))
		snprintf(ret, size, "rsa-%d", bits);
	else if (key && EVP_PKEY_is_a(key, "EC"))
		snprintf(ret, size, "p-%d", bits);
	else
		stg_copy(ret, size, "other");
}
