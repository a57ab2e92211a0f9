/*
 * blank.c - a leaf's key before anybody knows whose it will be, and the identity file it ends in.
 *
 * For:    leaf.c; the pool, which makes blanks in idle time.
 * Uses:   OpenSSL, bag.c.
 * Called: by the pool's threads and by who issues.
 * Thread: any; no state.
 *
 * A blank holds what does not depend on the device: the public half as a certificate shows it, the private half already
 * encrypted as an identity file wants it, and that file's password. So while a device waits no private key is decoded or
 * written, and half of the password stretching is over. Pieces: kind, algorithm, public, shrouded, password.
 *
 * Facts: profiles-and-certificates 4.5. Many devices refuse what OpenSSL 3 writes by default, with "wrong password": 3DES
 * for key and certificates, a SHA-1 MAC and 2,048 rounds are understood by all; the 24 random characters of the password
 * make up for it, and the file lives only inside one profile. Golang's old reader, which go-ios has, takes one certificate and one
 * key: the chain travels beside it, unless somebody asks. PBES2 for new systems by option.
 */
#include <openssl/err.h>

#include <stager/ids.h>

#include "inner.h"

#define PASSWORD_CHARS 24
#define ROUNDS 2048
#define MODERN_ROUNDS 100000
#define BLANK_MAX (16u << 10)

static const int OLD = NID_pbe_WithSHA1And3_Key_TripleDES_CBC;

/* 24 letters and digits, 142 bits; drawn without bias. */
static void make_password(char ret[PASSWORD_CHARS + 1])
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	for (size_t at = 0; at < PASSWORD_CHARS;) {
		uint8_t b;
		stg_random(&b, 1);
		if (b < 248)
			ret[at++] = letters[b % 62];
	}
	ret[PASSWORD_CHARS] = 0;
}

static X509_SIG *shroud(PKCS8_PRIV_KEY_INFO *key, const char *password, bool modern)
{
	if (modern)
		return PKCS8_encrypt(-1, EVP_aes_256_cbc(), password, PASSWORD_CHARS, NULL, 0, MODERN_ROUNDS, key);
	return PKCS8_encrypt(OLD, NULL, password, PASSWORD_CHARS, NULL, 0, ROUNDS, key);
}

static bool put_der(struct stg_buf *bag, const char *name, uint8_t *der, int n, struct stg_error *err)
{
	bool ok = n > 0 && keys_bag_put(bag, name, stg_bytes(der, (size_t)n), err);
	OPENSSL_free(der);
	return ok;
}

static bool put_public(struct stg_buf *bag, EVP_PKEY *key, struct stg_error *err)
{
	X509_PUBKEY *pub = NULL;
	X509_ALGOR *algorithm = NULL;
	const unsigned char *bits = NULL;
	uint8_t *der = NULL;
	int n_bits = 0;
	bool ok = X509_PUBKEY_set(&pub, key) == 1 && X509_PUBKEY_get0_param(NULL, &bits, &n_bits, &algorithm, pub) == 1;
	int n = ok ? i2d_X509_ALGOR(algorithm, &der) : 0;
	ok = put_der(bag, "algorithm", der, n, err) && keys_bag_put(bag, "public", stg_bytes(bits, (size_t)n_bits), err);
	X509_PUBKEY_free(pub);
	return ok;
}

static const struct { const char *type, *curve; unsigned int bits; } kinds[] = {
	{ "rsa-2048", NULL, 2048 }, { "rsa-3072", NULL, 3072 }, { "rsa-4096", NULL, 4096 }, { "p-256", "P-256", 0 }, { "p-384", "P-384", 0 },
};

bool keys_blank_knows(const char *type)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].type, type) == 0)
			return true;
	return false;
}

EVP_PKEY *keys_make(const char *type, struct stg_error *err)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].type, type) == 0)
			return kinds[i].curve ? keys_make_ec(kinds[i].curve, err) : keys_make_rsa(kinds[i].bits, err);
	keys_refuse_ask(err, type, "rsa-2048, rsa-3072, rsa-4096, p-256 or p-384");
	return NULL;
}

bool keys_blank_make(const char *type, struct stg_secret *ret, struct stg_error *err)
{
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *key = keys_make(type, err);
	STG_AUTO(stg_buf_clear) struct stg_buf bag = STG_BUF(BLANK_MAX);
	char password[PASSWORD_CHARS + 1], kind[32];
	uint8_t *der = NULL;
	if (!key)
		return false;
	keys_kind(key, kind, sizeof(kind));
	make_password(password);
	PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(key);
	X509_SIG *sig = plain ? shroud(plain, password, false) : NULL;
	int n = sig ? i2d_X509_SIG(sig, &der) : 0;
	bool ok = put_der(&bag, "shrouded", der, n, err) && keys_bag_put(&bag, "password", stg_bytes(password, PASSWORD_CHARS), err) &&
		  keys_bag_put(&bag, "kind", stg_bytes_str(kind), err) && put_public(&bag, key, err) &&
		  stg_secret_set(ret, stg_buf_view(&bag), err);
	PKCS8_PRIV_KEY_INFO_free(plain);
	X509_SIG_free(sig);
	OPENSSL_cleanse(password, sizeof(password));
	ERR_clear_error();
	return ok || (err && err->code ? false : keys_ssl_fail(err, STG_E_NOMEM, "make a key"));
}

bool keys_blank_kind(const struct stg_secret *blank, char *ret, size_t size, struct stg_error *err)
{
	struct stg_bytes kind;
	return keys_bag_get(stg_secret_reveal(blank), "kind", &kind, err) && kind.len < size && (memcpy(ret, kind.data, kind.len), ret[kind.len] = 0, true);
}

/* The key goes in as bytes: decoding it only to encode it again takes OpenSSL 3 half a millisecond. */
bool keys_blank_into(const struct stg_secret *blank, X509 *cert, struct stg_error *err)
{
	struct stg_bytes der, bits;
	if (!keys_bag_get(stg_secret_reveal(blank), "algorithm", &der, err) || !keys_bag_get(stg_secret_reveal(blank), "public", &bits, err))
		return false;
	const unsigned char *p = der.data;
	X509_ALGOR *algorithm = d2i_X509_ALGOR(NULL, &p, (long)der.len);
	const ASN1_OBJECT *what = NULL;
	const void *value = NULL;
	int type = V_ASN1_UNDEF;
	if (algorithm)
		X509_ALGOR_get0(&what, &type, &value, algorithm);
	/* RSA has no parameters, P-256 has the name of its curve */
	ASN1_OBJECT *curve = type == V_ASN1_OBJECT ? OBJ_dup(value) : NULL;
	unsigned char *copy = OPENSSL_memdup(bits.data, bits.len);
	bool ok = copy && X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(cert), OBJ_nid2obj(OBJ_obj2nid(what)), type, curve, copy, (int)bits.len) == 1;
	if (!ok) {
		OPENSSL_free(copy);
		ASN1_OBJECT_free(curve);
	}
	X509_ALGOR_free(algorithm);
	return ok || keys_ssl_fail(err, STG_E_NOMEM, "put a key into a certificate");
}

static X509_SIG *shrouded(struct stg_bytes der, const char *password, bool modern)
{
	const unsigned char *p = der.data;
	X509_SIG *sig = d2i_X509_SIG(NULL, &p, (long)der.len);
	if (!sig || !modern)
		return sig;
	PKCS8_PRIV_KEY_INFO *plain = PKCS8_decrypt(sig, password, PASSWORD_CHARS);
	X509_SIG_free(sig);
	sig = plain ? shroud(plain, password, true) : NULL;
	PKCS8_PRIV_KEY_INFO_free(plain);
	return sig;
}

/* The marks by which readers find the certificate of the key. */
static bool mark(PKCS12_SAFEBAG *bag, const char *friendly, const uint8_t *id, unsigned int n)
{
	return PKCS12_add_friendlyname_utf8(bag, friendly, -1) == 1 && PKCS12_add_localkeyid(bag, (unsigned char *)(uintptr_t)id, (int)n) == 1;
}

static bool fill(PKCS12 **ret, X509_SIG *sig, X509 *cert, X509 *issuing, const char *friendly, const char *password, bool modern)
{
	STACK_OF(PKCS12_SAFEBAG) *certs = NULL, *keys = sk_PKCS12_SAFEBAG_new_null();
	STACK_OF(PKCS7) *safes = NULL;
	uint8_t id[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	const int rounds = modern ? MODERN_ROUNDS : ROUNDS;
	bool ok = X509_digest(cert, EVP_sha1(), id, &n) == 1;
	PKCS12_SAFEBAG *bag = ok ? PKCS12_add_cert(&certs, cert) : NULL;
	ok = bag && mark(bag, friendly, id, n) && (!issuing || PKCS12_add_cert(&certs, issuing)) &&
	     PKCS12_add_safe(&safes, certs, modern ? NID_aes_256_cbc : OLD, rounds, password) == 1;
	PKCS12_SAFEBAG *key = ok && keys ? PKCS12_SAFEBAG_create0_pkcs8(sig) : NULL;
	if (!key)
		X509_SIG_free(sig);
	if (key && sk_PKCS12_SAFEBAG_push(keys, key) <= 0) {
		PKCS12_SAFEBAG_free(key);
		key = NULL;
	}
	ok = key && mark(key, friendly, id, n) && PKCS12_add_safe(&safes, keys, -1, 0, NULL) == 1;
	*ret = ok ? PKCS12_add_safes(safes, 0) : NULL;
	sk_PKCS12_SAFEBAG_pop_free(certs, PKCS12_SAFEBAG_free);
	sk_PKCS12_SAFEBAG_pop_free(keys, PKCS12_SAFEBAG_free);
	sk_PKCS7_pop_free(safes, PKCS7_free);
	return *ret && PKCS12_set_mac(*ret, password, -1, NULL, 0, rounds, modern ? EVP_sha256() : EVP_sha1()) == 1;
}

bool keys_blank_p12(const struct stg_secret *blank, X509 *cert, X509 *issuing, const char *friendly, bool modern, struct stg_secret *ret_p12,
		    struct stg_secret *ret_password, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret p12 = { 0 }, password = { 0 };
	STG_AUTO(PKCS12_free_at) PKCS12 *file = NULL;
	struct stg_bytes key, word;
	uint8_t *der = NULL;
	if (!keys_bag_get(stg_secret_reveal(blank), "shrouded", &key, err) || !keys_bag_get(stg_secret_reveal(blank), "password", &word, err) ||
	    !stg_secret_set(&password, word, err))
		return false;
	const char *text = (const char *)stg_secret_reveal(&password).data;
	X509_SIG *sig = word.len == PASSWORD_CHARS ? shrouded(key, text, modern) : NULL;
	int n = sig && fill(&file, sig, cert, issuing, friendly, text, modern) ? i2d_PKCS12(file, &der) : 0;
	if (n <= 0)
		return keys_ssl_fail(err, STG_E_NOMEM, "write a PKCS#12");
	bool ok = stg_secret_set(&p12, stg_bytes(der, (size_t)n), err);
	OPENSSL_clear_free(der, (size_t)n);
	if (!ok)
		return false;
	stg_secret_move(ret_p12, &p12);
	stg_secret_move(ret_password, &password);
	return true;
}

bool stg_leaf_key_make(struct stg_secret *ret_blank, struct stg_error *err)
{
	return keys_blank_make("rsa-2048", ret_blank, err);
}
