/*
 * certs.c - what the certificates and identities inside a profile hold.
 *
 * For:    a profile whose identity a device cannot read, or whose root is none, is found before forty devices refuse it.
 * Uses:   OpenSSL 3.
 * Called: by cross.c.
 * Thread: any; no state.
 *
 * Facts: profiles-and-certificates 4.5 and 8.3, rows 29 and 30: a device says "wrong password" for algorithms it does not
 * know, so the two are told apart here.
 */
#include <stdio.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <stager/variable.h>

#include "inner.h"

#define RSA_BITS_MIN 2048
#define EXPIRES_SOON_S (30 * 86400)

static void day_of(const ASN1_TIME *t, char ret[24])
{
	struct tm tm = { 0 };
	ret[0] = 0;
	if (t && ASN1_TIME_to_tm(t, &tm) == 1)
		strftime(ret, 24, "%Y-%m-%d", &tm);
}

static void check_cert(struct findings *f, X509 *cert, bool is_leaf, const char *path)
{
	char day[24];
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	EVP_PKEY *key = X509_get0_pubkey(cert);
	int digest = NID_undef, cmp_end = X509_cmp_current_time(X509_get0_notAfter(cert)), bits = key ? EVP_PKEY_get_bits(key) : 0;
	bool is_ca = X509_check_ca(cert) > 0, is_own = X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0;
	day_of(X509_get0_notAfter(cert), day);
	if (cmp_end < 0)
		finding(f, "error", path, "the certificate expired on %s", day);
	else if (X509_cmp_time(X509_get0_notAfter(cert), &(time_t){ time(NULL) + EXPIRES_SOON_S }) < 0)
		finding(f, "warning", path, "the certificate expires on %s", day);
	day_of(X509_get0_notBefore(cert), day);
	if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
		finding(f, "error", path, "the certificate is valid from %s on only", day);
	if (key && EVP_PKEY_is_a(key, "RSA") && bits < RSA_BITS_MIN)
		finding(f, "error", path, "an RSA key of %d bits, at least %d were expected", bits, RSA_BITS_MIN);
	/* a root's own signature is not looked at by anybody */
	if (OBJ_find_sigid_algs(X509_get_signature_nid(cert), &digest, NULL) == 1 && (digest == NID_sha1 || digest == NID_md5) && !(is_own && is_ca))
		finding(f, "error", path, "signed with %s, which devices refuse: SHA-256 was expected", digest == NID_sha1 ? "SHA-1" : "MD5");
	if (!serial || ASN1_STRING_length(serial) == 0 || (ASN1_STRING_length(serial) == 1 && ASN1_STRING_get0_data(serial)[0] == 0))
		finding(f, "error", path, "the certificate's serial number is 0, more was expected");
	else if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER)
		finding(f, "error", path, "the certificate's serial number is below 0");
	if (is_leaf && is_ca)
		finding(f, "error", path, "the identity is a certificate authority (CA:TRUE), a device's own certificate was expected");
}

static struct stg_bytes content_of(plist_t one)
{
	plist_t data = tree_get(one, "PayloadContent");
	uint64_t n = 0;
	const char *bytes = data && plist_get_node_type(data) == PLIST_DATA ? plist_get_data_ptr(data, &n) : NULL;
	return stg_bytes(bytes, bytes ? (size_t)n : 0);
}

static X509 *read_cert(struct stg_bytes in)
{
	const unsigned char *p = in.data;
	X509 *cert = d2i_X509(NULL, &p, (long)in.len);
	if (cert && p != in.data + in.len) {
		X509_free(cert);
		cert = NULL;
	}
	if (!cert) {
		BIO *bio = BIO_new_mem_buf(in.data, (int)in.len);
		cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
		BIO_free(bio);
	}
	ERR_clear_error();
	return cert;
}

void cross_certificate(struct findings *f, plist_t one, char *path)
{
	struct stg_bytes in = content_of(one);
	const char *type = tree_str(one, "PayloadType");
	size_t n = path_key(path, "PayloadContent");
	if (in.data) {
		bool wants_root = strcmp(type, "com.apple.security.root") == 0;
		X509 *cert = in.len ? read_cert(in) : NULL;
		if (!cert)
			finding(f, "error", path, "is no certificate: DER or PEM of one was expected");
		else if (wants_root && X509_check_ca(cert) == 0)
			finding(f, "error", path, "is a device's or server's certificate, that of a certificate authority was expected");
		else
			check_cert(f, cert, false, path);
		if (memmem(in.data, in.len, "PRIVATE KEY", 11))
			finding(f, "error", path, "holds a private key next to the certificate: only the certificate was expected");
		X509_free(cert);
	}
	path[n] = 0;
}

/* ---- PKCS#12 ---- */

static bool is_legacy_cipher(const X509_ALGOR *a)
{
	int nid = a ? OBJ_obj2nid(a->algorithm) : NID_undef;
	return nid == NID_pbe_WithSHA1And40BitRC2_CBC || nid == NID_pbe_WithSHA1And128BitRC2_CBC || nid == NID_pbe_WithSHA1And128BitRC4 ||
	       nid == NID_pbe_WithSHA1And40BitRC4;
}

/* RC2 and RC4 are not in OpenSSL 3 without its legacy part, and not in newer devices. */
static bool has_legacy(PKCS12 *p12)
{
	bool found = false;
	STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(p12);
	for (int i = 0; safes && i < sk_PKCS7_num(safes); i++) {
		PKCS7 *p7 = sk_PKCS7_value(safes, i);
		if (OBJ_obj2nid(p7->type) == NID_pkcs7_encrypted)
			found |= is_legacy_cipher(p7->d.encrypted->enc_data->algorithm);
	}
	sk_PKCS7_pop_free(safes, PKCS7_free);
	return found;
}

/* How many private keys lie in the bags that this password opens. */
static int count_keys(PKCS12 *p12, const char *password)
{
	int n = 0;
	STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(p12);
	for (int i = 0; safes && i < sk_PKCS7_num(safes); i++) {
		PKCS7 *p7 = sk_PKCS7_value(safes, i);
		int type = OBJ_obj2nid(p7->type);
		STACK_OF(PKCS12_SAFEBAG) *bags = type == NID_pkcs7_data ? PKCS12_unpack_p7data(p7) :
						 type == NID_pkcs7_encrypted ? PKCS12_unpack_p7encdata(p7, password, (int)strlen(password)) : NULL;
		for (int k = 0; bags && k < sk_PKCS12_SAFEBAG_num(bags); k++) {
			int bag = PKCS12_SAFEBAG_get_nid(sk_PKCS12_SAFEBAG_value(bags, k));
			n += bag == NID_keyBag || bag == NID_pkcs8ShroudedKeyBag;
		}
		sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
	}
	sk_PKCS7_pop_free(safes, PKCS7_free);
	ERR_clear_error();
	return n;
}

static void check_opened(struct findings *f, PKCS12 *p12, const char *password, const char *path)
{
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	STACK_OF(X509) *more = NULL;
	bool opened = PKCS12_parse(p12, password, &key, &cert, &more) == 1;
	int n_keys = count_keys(p12, password);
	if (n_keys > 1)
		finding(f, "error", path, "holds %d identities, exactly one was expected", n_keys);
	else if (!opened)
		finding(f, "error", path, "the identity's key cannot be read: it is not encrypted with 3DES or AES");
	else if (!key)
		finding(f, "error", path, "holds no private key, an identity was expected");
	else if (!cert)
		finding(f, "error", path, "the key matches no certificate of the identity");
	else
		check_cert(f, cert, true, path);
	EVP_PKEY_free(key);
	X509_free(cert);
	sk_X509_pop_free(more, X509_free);
	ERR_clear_error();
}

void cross_identity(struct findings *f, plist_t one, char *path)
{
	struct stg_bytes in = content_of(one);
	const char *password = tree_str(one, "Password");
	if (!tree_get(one, "Password"))
		finding(f, "warning", path, "no Password: the device will ask the user for it");
	size_t n = path_key(path, "PayloadContent");
	const unsigned char *p = in.data;
	PKCS12 *p12 = in.len ? d2i_PKCS12(NULL, &p, (long)in.len) : NULL;
	if (in.data && (!p12 || p != in.data + in.len))
		finding(f, "error", path, "is no identity: PKCS#12 in DER was expected");
	else if (p12 && password && !stg_variable_any(password)) {
		if (has_legacy(p12))
			finding(f, "error", path, "the identity is encrypted with RC2 or RC4: write it again with 3DES or AES");
		else if (PKCS12_mac_present(p12) && PKCS12_verify_mac(p12, password, (int)strlen(password)) != 1)
			finding(f, "error", path, "the identity's password is not the one in Password");
		else
			check_opened(f, p12, password, path);
	}
	PKCS12_free(p12);
	ERR_clear_error();
	path[n] = 0;
}

/* The certificate of an identity and those that came along; NULL: it cannot be opened with what is in the payload. */
static X509 *open_identity(plist_t one, STACK_OF(X509) **ret_more)
{
	struct stg_bytes in = content_of(one);
	const char *password = tree_str(one, "Password");
	const unsigned char *p = in.data;
	PKCS12 *p12 = in.len && password && !stg_variable_any(password) ? d2i_PKCS12(NULL, &p, (long)in.len) : NULL;
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	if (p12 && !has_legacy(p12))
		(void)PKCS12_parse(p12, password, &key, &cert, ret_more);
	EVP_PKEY_free(key);
	PKCS12_free(p12);
	ERR_clear_error();
	return cert;
}

X509 *payload_certificate(plist_t one, STACK_OF(X509) **ret_more)
{
	const char *type = tree_str(one, "PayloadType");
	struct stg_bytes in = content_of(one);
	if (!type)
		return NULL;
	if (strcmp(type, "com.apple.security.pkcs12") == 0)
		return open_identity(one, ret_more);
	bool is_certificate = strcmp(type, "com.apple.security.root") == 0 || strcmp(type, "com.apple.security.pkcs1") == 0 ||
			      strcmp(type, "com.apple.security.pem") == 0;
	return is_certificate && in.len ? read_cert(in) : NULL;
}

bool identity_ends(plist_t one, int64_t *ret_ms)
{
	X509 *cert = open_identity(one, NULL);
	struct tm tm = { 0 };
	bool ok = cert && ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1;
	if (ok)
		*ret_ms = (int64_t)timegm(&tm) * 1000;
	X509_free(cert);
	return ok;
}
