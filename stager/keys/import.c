/*
 * import.c - the supervision identity an organisation has already.
 *
 * For:    fleets supervised with another tool: their devices know only that certificate.
 * Uses:   OpenSSL, with a library context of its own that also knows the old algorithms.
 * Called: by the operation org.import.
 * Thread: any.
 *
 * Facts: profiles-and-certificates 4.5 and 5: Configurator exports a .p12 (RC2-40 or 3DES, SHA-1) or a DER key beside a
 * certificate, go-ios a .p12 and PEM, pymobiledevice3 one PEM file with both. The password is judged by the MAC alone,
 * which needs no old cipher: so a wrong password and an unknown algorithm are never mixed up.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>

#include "inner.h"

#define IDENTITY_FILE_MAX (256u << 10)
#define ROUNDS_MAX 2000000        /* about a second; nobody's tool writes more */

struct identity {
	EVP_PKEY *key;
	X509 *cert;
};

static void identity_clear(struct identity *i)
{
	EVP_PKEY_free(i->key);
	X509_free(i->cert);
	*i = (struct identity){ 0 };
}

static bool refuse(struct stg_error *err, enum stg_id id, const char *what)
{
	ERR_clear_error();
	return stg_fail_id(err, STG_E_INPUT, id, 0, "%s", what);
}

static bool few(const ASN1_INTEGER *n)
{
	int64_t rounds = 0;
	return !n || (ASN1_INTEGER_get_int64(&rounds, n) == 1 && rounds >= 0 && rounds <= ROUNDS_MAX);
}

/* How often a password is hashed is written in the file: a number somebody made up must not keep us busy for hours. */
static bool few_rounds(const X509_ALGOR *how)
{
	const ASN1_OBJECT *oid = NULL;
	bool ok = true;
	X509_ALGOR_get0(&oid, NULL, NULL, how);
	if (OBJ_obj2nid(oid) == NID_pbes2) {
		PBE2PARAM *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), how->parameter);
		const ASN1_OBJECT *kdf = NULL;
		if (p)
			X509_ALGOR_get0(&kdf, NULL, NULL, p->keyfunc);
		PBKDF2PARAM *k = p && OBJ_obj2nid(kdf) == NID_id_pbkdf2 ? ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), p->keyfunc->parameter) : NULL;
		ok = k && few(k->iter);
		PBKDF2PARAM_free(k);
		PBE2PARAM_free(p);
	} else {
		PBEPARAM *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), how->parameter);
		ok = !p || few(p->iter);
		PBEPARAM_free(p);
	}
	ERR_clear_error();
	return ok;
}

static bool few_rounds_of_key(X509_SIG *locked)
{
	const X509_ALGOR *how = NULL;
	if (locked)
		X509_SIG_get0(locked, &how, NULL);
	bool ok = !locked || few_rounds(how);
	X509_SIG_free(locked);
	ERR_clear_error();
	return ok;
}

static bool few_rounds_of_bags(PKCS12 *p12)
{
	STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(p12);
	bool ok = true;
	for (int i = 0; ok && safes && i < sk_PKCS7_num(safes); i++) {
		PKCS7 *one = sk_PKCS7_value(safes, i);
		if (PKCS7_type_is_encrypted(one)) {
			ok = one->d.encrypted && few_rounds(one->d.encrypted->enc_data->algorithm);
			continue;
		}
		STACK_OF(PKCS12_SAFEBAG) *bags = PKCS7_type_is_data(one) ? PKCS12_unpack_p7data(one) : NULL;
		for (int k = 0; ok && bags && k < sk_PKCS12_SAFEBAG_num(bags); k++) {
			const X509_SIG *locked = PKCS12_SAFEBAG_get0_pkcs8(sk_PKCS12_SAFEBAG_value(bags, k));
			const X509_ALGOR *how = NULL;
			if (!locked)
				continue;
			X509_SIG_get0(locked, &how, NULL);
			ok = few_rounds(how);
		}
		sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
	}
	sk_PKCS7_pop_free(safes, PKCS7_free);
	ERR_clear_error();
	return ok;
}

/* A context of its own keeps RC2 and single DES out of the rest of the program. */
struct old_world {
	OSSL_LIB_CTX *ctx;
	OSSL_PROVIDER *legacy, *normal;
};

static bool old_world_open(struct old_world *w, struct stg_error *err)
{
	*w = (struct old_world){ .ctx = OSSL_LIB_CTX_new() };
	w->normal = w->ctx ? OSSL_PROVIDER_load(w->ctx, "default") : NULL;
	/* without the legacy module only RC2 files fail, and they say so */
	w->legacy = w->normal ? OSSL_PROVIDER_load(w->ctx, "legacy") : NULL;
	ERR_clear_error();
	return w->normal || keys_ssl_fail(err, STG_E_NOMEM, "open a library context");
}

static void old_world_close(struct old_world *w)
{
	if (w->legacy)
		OSSL_PROVIDER_unload(w->legacy);
	if (w->normal)
		OSSL_PROVIDER_unload(w->normal);
	OSSL_LIB_CTX_free(w->ctx);
	*w = (struct old_world){ 0 };
}

/* Was the password judged at all? Empties OpenSSL's error queue. */
static bool unknown_digest(void)
{
	unsigned long e;
	bool found = false;
	while ((e = ERR_get_error()))
		found |= ERR_GET_LIB(e) == ERR_LIB_PKCS12 && ERR_GET_REASON(e) == PKCS12_R_UNKNOWN_DIGEST_ALGORITHM;
	return found;
}

/* An empty password is written in two ways; NULL in *ret_pass means "none". */
static bool right_password(PKCS12 *p12, const char *typed, const char **ret_pass)
{
	*ret_pass = typed;
	if (PKCS12_mac_present(p12) != 1 || PKCS12_verify_mac(p12, typed, -1) == 1)
		return true;
	*ret_pass = NULL;
	return !*typed && PKCS12_verify_mac(p12, NULL, 0) == 1;
}

/* Key and certificate leave the old context as bytes. */
static bool bring_over(EVP_PKEY *key, X509 *cert, struct identity *ret, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret pem = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(KEYS_PEM_MAX * 4);
	if (!keys_to_pem(key, &pem, err) || !keys_cert_to_der(cert, &der, err))
		return false;
	ret->key = keys_from_pem(stg_secret_reveal(&pem), err);
	ret->cert = ret->key ? keys_cert_from_any(stg_buf_view(&der), err) : NULL;
	return ret->cert != NULL;
}

static bool open_p12(struct old_world *w, struct stg_bytes file, const char *password, struct identity *ret, bool *ret_is_p12, struct stg_error *err)
{
	STG_AUTO(BIO_free_all_at) BIO *in = BIO_new_mem_buf(file.data, (int)file.len);
	PKCS12 *p12 = PKCS12_init_ex(NID_pkcs7_data, w->ctx, NULL);
	const ASN1_INTEGER *rounds = NULL;
	const char *pass = NULL;
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	*ret_is_p12 = in && p12 && d2i_PKCS12_bio(in, &p12) != NULL;
	if (!*ret_is_p12) {
		PKCS12_free(p12);
		return refuse(err, STG_ID_IDENTITY_FILE, "neither PKCS#12 nor PEM");
	}
	bool ok = false;
	ERR_clear_error();
	PKCS12_get0_mac(NULL, NULL, NULL, &rounds, p12);
	if (!few(rounds) || !few_rounds_of_bags(p12))
		refuse(err, STG_ID_P12_ALGORITHM, "more password rounds than anybody uses");
	else if (!right_password(p12, password, &pass))
		refuse(err, unknown_digest() ? STG_ID_P12_ALGORITHM : STG_ID_P12_PASSWORD, "the password does not open the file");
	else if (PKCS12_parse(p12, pass, &key, &cert, NULL) != 1)
		refuse(err, STG_ID_P12_ALGORITHM, w->legacy ? "the password is right, but its encryption is not known here"
							    : "the password is right, but its old encryption is not available on this system");
	else if (!key || !cert)
		refuse(err, STG_ID_IDENTITY_FILE, "no private key with a certificate in it");
	else
		ok = bring_over(key, cert, ret, err);
	EVP_PKEY_free(key);
	X509_free(cert);
	PKCS12_free(p12);
	ERR_clear_error();
	return ok;
}

static int give_password(char *ret, int size, int writing, void *ctx)
{
	const char *password = ctx;
	size_t n = strlen(password);
	(void)writing;
	if (n == 0 || n >= (size_t)size)
		return -1;
	memcpy(ret, password, n);
	return (int)n;
}

static bool has_text(struct stg_bytes in, const char *word)
{
	return memmem(in.data, in.len, word, strlen(word)) != NULL;
}

static EVP_PKEY *read_key(struct stg_bytes in, const char *password, struct stg_error *err)
{
	STG_AUTO(BIO_free_all_at) BIO *bio = BIO_new_mem_buf(in.data, (int)in.len);
	EVP_PKEY *key = NULL;
	bool is_der = in.data[0] == 0x30, is_locked = is_der || has_text(in, "ENCRYPTED");
	void *ctx = (void *)(uintptr_t)password;
	X509_SIG *sealed = !bio ? NULL : is_der ? d2i_PKCS8_bio(bio, NULL) : PEM_read_bio_PKCS8(bio, NULL, NULL, NULL);
	if (!few_rounds_of_key(sealed)) {
		refuse(err, STG_ID_P12_ALGORITHM, "more password rounds than anybody uses");
		return NULL;
	}
	if (bio && BIO_reset(bio) != 1)
		return NULL;
	if (bio && !is_der)
		key = PEM_read_bio_PrivateKey(bio, NULL, give_password, ctx);
	if (bio && is_der && !(key = d2i_PrivateKey_bio(bio, NULL)) && BIO_reset(bio) == 1)
		key = d2i_PKCS8PrivateKey_bio(bio, NULL, give_password, ctx);
	if (!key && !is_der && is_locked)
		refuse(err, STG_ID_P12_PASSWORD, "the password does not open the key");
	else if (!key)
		refuse(err, STG_ID_IDENTITY_FILE, "no private key in it (or it is encrypted and the password is another)");
	return key;
}

static bool open_pair(struct stg_bytes cert, struct stg_bytes key, const char *password, struct identity *ret, struct stg_error *err)
{
	ret->cert = keys_cert_from_any(cert, NULL);
	if (!ret->cert && (ret->cert = keys_cert_from_any(key, NULL)))
		key = cert;     /* given the other way round */
	if (!ret->cert)
		return refuse(err, STG_ID_IDENTITY_FILE, "no certificate in it");
	ret->key = read_key(key, password, err);
	return ret->key != NULL;
}

/* RSA from 2048 bits, P-256 or P-384: what devices compare and what CMS signs with. */
static bool is_strong(const struct identity *i, struct stg_error *err)
{
	int bits = EVP_PKEY_get_bits(i->key);
	if (!keys_key_fits(i->cert, i->key))
		return refuse(err, STG_ID_IDENTITY_PAIR, "certificate and key are not of one pair");
	if ((EVP_PKEY_is_a(i->key, "RSA") && bits >= 2048 && bits <= 8192) || (EVP_PKEY_is_a(i->key, "EC") && (bits == 256 || bits == 384)))
		return true;
	return refuse(err, STG_ID_IDENTITY_FILE, "its key is too weak or of a kind devices do not know: RSA from 2048 bits, P-256 or P-384 are");
}

bool stg_org_import(const struct stg_keys *k, const json_t *details, struct stg_bytes identity, struct stg_bytes key_or_none,
		    const struct stg_secret *password, json_t **ret_row, struct stg_buf *ret_sealed, struct stg_error *err)
{
	STG_AUTO(identity_clear) struct identity got = { 0 };
	const char *typed = password && stg_secret_is_set(password) ? (const char *)stg_secret_reveal(password).data : "";
	if (identity.len == 0 || identity.len > IDENTITY_FILE_MAX || key_or_none.len > IDENTITY_FILE_MAX)
		return refuse(err, STG_ID_IDENTITY_FILE, "an empty file, or one of more than 256 KiB");
	bool ok;
	if (key_or_none.len) {
		ok = open_pair(identity, key_or_none, typed, &got, err);
	} else if (has_text(identity, "-----BEGIN ")) {
		ok = has_text(identity, "PRIVATE KEY-----") ? open_pair(identity, identity, typed, &got, err)
							      : refuse(err, STG_ID_IDENTITY_FILE, "a certificate without its private key");
	} else {
		struct old_world w;
		bool is_p12 = false;
		ok = old_world_open(&w, err) && open_p12(&w, identity, typed, &got, &is_p12, err);
		old_world_close(&w);
		X509 *alone = ok || is_p12 ? NULL : keys_cert_from_any(identity, NULL);
		if (alone)
			refuse(err, STG_ID_IDENTITY_FILE, "a certificate without its private key: give the key file as well");
		X509_free(alone);
	}
	return ok && is_strong(&got, err) && keys_org_build(k, details, got.cert, got.key, ret_row, ret_sealed, err);
}
