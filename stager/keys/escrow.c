/*
 * escrow.c - tokens sealed to a recovery key that is not on the station, and tokens lent to one device for a while.
 *
 * For:    unlock tokens of staging, needed years later by two persons and a key out of the safe.
 * Uses:   OpenSSL's CMS (AuthEnvelopedData, AES-256-GCM; RSA-OAEP with SHA-256, or ECDH), PKCS#8 under scrypt.
 * Called: by the station (seal, take), by the operations org.recovery_key* and unlock.open.
 * Thread: any; what is lent has a lock of its own.
 *
 * What is sealed is a bag of kind, family, unit, serial and token: a blob put into another device's row opens as what it is.
 * A lent token is in memory only, for one unit, taken once, and gone after its time: a clear token never comes to a disk.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <stager/clock.h>
#include <stager/ids.h>

#include "inner.h"

#define FILE_MAX (256u << 10)
#define BLOB_MAX (128u << 10)
#define TOKEN_MAX (64u << 10)
#define RSA_BITS 3072
#define RSA_BITS_LEAST 2048
#define EC_BITS_LEAST 256
#define YEARS 20
#define PASSPHRASE_LEAST 12
#define SCRYPT_N (1u << 14)      /* the most that OpenSSL reads back without being told to */
#define LENT_MAX 64

/* ---- the recovery key's public half ---- */

static bool not_a_certificate(struct stg_error *err, const char *what)
{
	ERR_clear_error();
	return stg_fail_id(err, STG_E_INPUT, STG_ID_RECOVERY_FILE, 0, "%s", what);
}

static bool may_be_sealed_to(X509 *cert, struct stg_error *err)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	int kind = key ? EVP_PKEY_get_base_id(key) : 0, bits = key ? EVP_PKEY_get_bits(key) : 0;
	if (kind == EVP_PKEY_RSA ? bits >= RSA_BITS_LEAST : kind == EVP_PKEY_EC && bits >= EC_BITS_LEAST)
		return true;
	return not_a_certificate(err, "expected an RSA key of 2048 bits or an EC key of 256 bits, or longer");
}

bool stg_recovery_certificate(struct stg_bytes file, struct stg_buf *ret_pem, char ret_sha256[65], struct stg_error *err)
{
	/* the half that must stay elsewhere is not even read */
	if (memmem(file.data, file.len, "PRIVATE KEY-----", 16))
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_RECOVERY_KEY_PRIVATE, 0, "nothing of it was kept");
	STG_AUTO(X509_free_at) X509 *cert = keys_cert_from_any(file, NULL);
	if (!cert)
		return not_a_certificate(err, "neither a PEM nor a DER certificate");
	return may_be_sealed_to(cert, err) && keys_cert_to_pem(cert, ret_pem, err) &&
	       (keys_cert_sha256(cert, ret_sha256) || stg_fail(err, STG_E_NOMEM, 0, "hash a certificate"));
}

/* Locked with the passphrase: PKCS#8 under scrypt and AES-256, as every OpenSSL reads it. */
static bool lock_key(EVP_PKEY *key, const struct stg_secret *passphrase, BIO *out, struct stg_error *err)
{
	struct stg_bytes pass = stg_secret_reveal(passphrase);
	PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(key);
	X509_ALGOR *how = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), NULL, 0, NULL, SCRYPT_N, 8, 1);
	X509_SIG *locked = plain && how ? PKCS8_set0_pbe((const char *)pass.data, (int)pass.len, plain, how) : NULL;
	if (!locked)
		X509_ALGOR_free(how);
	bool ok = locked && PEM_write_bio_PKCS8(out, locked) == 1;
	X509_SIG_free(locked);
	PKCS8_PRIV_KEY_INFO_free(plain);
	return ok || keys_ssl_fail(err, STG_E_NOMEM, "lock the recovery key");
}

bool stg_recovery_make(const char *organisation, const struct stg_secret *passphrase, struct stg_buf *ret_file, struct stg_buf *ret_pem,
		       char ret_sha256[65], struct stg_error *err)
{
	if (stg_secret_reveal(passphrase).len < PASSPHRASE_LEAST)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_PASSPHRASE_SHORT, 0, "the passphrase has fewer than %d characters", PASSPHRASE_LEAST);
	int64_t now = stg_wall_ms();
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *key = keys_make_rsa(RSA_BITS, err);
	STG_AUTO(X509_NAME_free_at) X509_NAME *name = key ? keys_name(organisation, "", "Recovery key for unlock tokens", err) : NULL;
	STG_AUTO(X509_free_at) X509 *cert =
		name ? keys_cert_begin(name, key, NULL, now - KEYS_DAY_MS, now + YEARS * 365 * KEYS_DAY_MS, err) : NULL;
	STG_AUTO(BIO_free_all_at) BIO *out = BIO_new(BIO_s_mem());
	if (!cert || !keys_cert_ext(cert, NULL, NID_basic_constraints, "critical,CA:FALSE", err) ||
	    !keys_cert_ext(cert, NULL, NID_key_usage, "critical,keyEncipherment", err) || !keys_cert_sign(cert, key, err))
		return stg_while(err, "make a recovery key");
	char *text;
	if (!out || !lock_key(key, passphrase, out, err) || !keys_cert_to_pem(cert, ret_pem, err))
		return false;
	long n = BIO_get_mem_data(out, &text);
	return stg_buf_add(ret_file, text, (size_t)n, err) && stg_buf_add(ret_file, ret_pem->data, ret_pem->len, err) &&
	       (keys_cert_sha256(cert, ret_sha256) || stg_fail(err, STG_E_NOMEM, 0, "hash a certificate"));
}

/* ---- sealing and opening ---- */

static bool bag_of(const struct stg_identity *who, const struct stg_secret *token, struct stg_buf *bag, struct stg_error *err)
{
	return keys_bag_put(bag, "kind", stg_bytes_str("unlock_token"), err) && keys_bag_put(bag, "family", stg_bytes_str(who->family), err) &&
	       keys_bag_put(bag, "unit", stg_bytes_str(who->unit), err) && keys_bag_put(bag, "serial", stg_bytes_str(who->serial), err) &&
	       keys_bag_put(bag, "token", stg_secret_reveal(token), err);
}

/* OAEP: PKCS#1 v1.5 would make whoever opens it an oracle. */
bool keys_add_reader(CMS_ContentInfo *cms, X509 *cert, struct stg_error *err)
{
	CMS_RecipientInfo *ri = CMS_add1_recipient_cert(cms, cert, CMS_BINARY | CMS_KEY_PARAM);
	EVP_PKEY_CTX *c = ri ? CMS_RecipientInfo_get0_pkey_ctx(ri) : NULL;
	bool rsa = EVP_PKEY_get_base_id(X509_get0_pubkey(cert)) == EVP_PKEY_RSA;
	if (ri && (!rsa || (c && EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_OAEP_PADDING) == 1 && EVP_PKEY_CTX_set_rsa_oaep_md(c, EVP_sha256()) == 1)))
		return true;
	return keys_ssl_fail(err, STG_E_NOMEM, "seal to the recovery key");
}

bool stg_escrow_seal(const char *recovery_pem, const struct stg_identity *who, const struct stg_secret *token, struct stg_buf *ret_sealed,
		     struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf bag = STG_BUF(BLOB_MAX);
	STG_AUTO(X509_free_at) X509 *cert = keys_cert_from_pem(stg_bytes_str(recovery_pem), err);
	size_t len = stg_secret_reveal(token).len;
	if (!cert || !may_be_sealed_to(cert, err))
		return stg_while(err, "the recovery key");
	if (len == 0 || len > TOKEN_MAX)
		return stg_fail(err, STG_E_PROTOCOL, 0, "an unlock token of %zu bytes", len);
	if (!bag_of(who, token, &bag, err))
		return false;
	const unsigned int how = CMS_BINARY | CMS_PARTIAL;
	STG_AUTO(BIO_free_all_at) BIO *in = BIO_new_mem_buf(bag.data, (int)bag.len);
	STG_AUTO(CMS_ContentInfo_free_at) CMS_ContentInfo *cms = CMS_encrypt(NULL, NULL, EVP_aes_256_gcm(), how);
	uint8_t *der = NULL;
	if (!in || !cms)
		return keys_ssl_fail(err, STG_E_NOMEM, "seal");
	if (!keys_add_reader(cms, cert, err))
		return false;
	if (CMS_final(cms, in, NULL, how) != 1)
		return keys_ssl_fail(err, STG_E_NOMEM, "seal");
	int n = i2d_CMS_ContentInfo(cms, &der);
	if (n <= 0)
		return keys_ssl_fail(err, STG_E_NOMEM, "seal");
	bool ok = stg_buf_add(ret_sealed, der, (size_t)n, err);
	OPENSSL_free(der);
	return ok;
}

static int give_passphrase(char *buf, int size, int is_writing, void *arg)
{
	struct stg_bytes pass = arg ? stg_secret_reveal(arg) : stg_bytes("", 0);
	(void)is_writing;
	if (pass.len > (size_t)size)
		return -1;
	if (pass.len)
		memcpy(buf, pass.data, pass.len);
	return (int)pass.len;
}

static bool wrong_key(struct stg_error *err, const char *what)
{
	ERR_clear_error();
	return stg_fail_id(err, STG_E_INPUT, STG_ID_RECOVERY_KEY_WRONG, 0, "%s", what);
}

static EVP_PKEY *read_key(struct stg_bytes file, const struct stg_secret *passphrase, struct stg_error *err)
{
	STG_AUTO(BIO_free_all_at) BIO *in = BIO_new_mem_buf(file.data, (int)file.len);
	void *arg = (void *)(uintptr_t)passphrase;
	EVP_PKEY *key = in && file.len <= FILE_MAX ? PEM_read_bio_PrivateKey(in, NULL, give_passphrase, arg) : NULL;
	if (!key && in && BIO_reset(in) == 1)
		key = d2i_PKCS8PrivateKey_bio(in, NULL, give_passphrase, arg);
	if (!key)
		wrong_key(err, "no private key, or another passphrase");
	ERR_clear_error();
	return key;
}

static bool is_of(struct stg_bytes bag, const struct stg_identity *who)
{
	struct stg_bytes kind, family, unit;
	return keys_bag_get(bag, "kind", &kind, NULL) && stg_bytes_equal(kind, stg_bytes_str("unlock_token")) &&
	       keys_bag_get(bag, "family", &family, NULL) && stg_bytes_equal(family, stg_bytes_str(who->family)) &&
	       keys_bag_get(bag, "unit", &unit, NULL) && stg_bytes_equal(unit, stg_bytes_str(who->unit));
}

bool stg_escrow_open(struct stg_bytes key_file, const struct stg_secret *passphrase, const struct stg_identity *who, struct stg_bytes sealed,
		     struct stg_secret *ret_token, struct stg_error *err)
{
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *key = read_key(key_file, passphrase, err);
	const unsigned char *p = sealed.data;
	STG_AUTO(CMS_ContentInfo_free_at) CMS_ContentInfo *cms =
		key && sealed.len <= BLOB_MAX ? d2i_CMS_ContentInfo(NULL, &p, (long)sealed.len) : NULL;
	STG_AUTO(BIO_free_all_at) BIO *out = BIO_new(BIO_s_secmem());
	struct stg_bytes token;
	char *text;
	if (!key)
		return false;
	if (!cms || !out)
		return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_SEALED_DAMAGED, 0, "the sealed token is damaged");
	if (CMS_decrypt(cms, key, NULL, NULL, out, CMS_BINARY) != 1)
		return wrong_key(err, "the token was sealed to another key");
	long n = BIO_get_mem_data(out, &text);
	struct stg_bytes bag = stg_bytes(text, n > 0 ? (size_t)n : 0);
	bool ok = is_of(bag, who) && keys_bag_get(bag, "token", &token, NULL);
	ok = ok ? stg_secret_set(ret_token, token, err)
		: stg_fail_id(err, STG_E_PROTOCOL, STG_ID_SEALED_DAMAGED, 0, "the sealed token is another device's");
	if (n > 0)
		OPENSSL_cleanse(text, (size_t)n);
	return ok;
}

/* ---- lent ---- */

struct lent {
	char family[16], unit[32];
	struct stg_secret token;
	int64_t until_boot_ms;
};

static struct {
	pthread_mutex_t lock;
	struct lent all[LENT_MAX];
} lent = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void forget(struct lent *l)
{
	stg_secret_clear(&l->token);
	*l = (struct lent){ 0 };
}

static struct lent *find(const char *family, const char *unit)
{
	struct lent *found = NULL;
	int64_t now = stg_boot_ms();
	for (size_t i = 0; i < LENT_MAX; i++) {
		struct lent *l = &lent.all[i];
		if (l->unit[0] && now >= l->until_boot_ms)
			forget(l);
		if (strcmp(l->family, family) == 0 && strcmp(l->unit, unit) == 0)
			found = l;
	}
	return found;
}

bool stg_escrow_lend(const struct stg_identity *who, struct stg_secret *token, int64_t for_ms, struct stg_error *err)
{
	pthread_mutex_lock(&lent.lock);
	struct lent *l = find(who->family, who->unit);
	if (!l)
		l = find("", "");
	if (l) {
		forget(l);
		stg_copy(l->family, sizeof(l->family), who->family);
		stg_copy(l->unit, sizeof(l->unit), who->unit);
		stg_secret_move(&l->token, token);
		l->until_boot_ms = stg_boot_ms() + for_ms;
	}
	pthread_mutex_unlock(&lent.lock);
	return l || stg_fail_id(err, STG_E_REFUSED, STG_ID_TOKENS_OPEN, 0, "%d tokens are open already", LENT_MAX);
}

bool stg_escrow_take(const char *family, const char *unit, struct stg_secret *ret_token, struct stg_error *err)
{
	if (!*unit)
		return stg_fail(err, STG_E_BUG, 0, "an unlock token for nobody");
	pthread_mutex_lock(&lent.lock);
	struct lent *l = find(family, unit);
	if (l) {
		stg_secret_move(ret_token, &l->token);
		forget(l);
	}
	pthread_mutex_unlock(&lent.lock);
	return l || stg_fail_id(err, STG_E_NEEDS_HUMAN, STG_ID_UNLOCK_NOT_OPENED, 0, "no token was opened for it, or its hour has passed");
}
