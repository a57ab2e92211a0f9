/*
 * inner.h - what the files of this room share. Nobody else includes it.
 *
 * OpenSSL objects are freed at the end of their scope with STG_AUTO(X509_free_at) and so on. Every OpenSSL call is
 * tested as == 1: zero and negative are refusals.
 */
#ifndef STAGER_KEYS_INNER_H
#define STAGER_KEYS_INNER_H

#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stager/error.h>
#include <stager/keys.h>

#define KEYS_AT(type, fn) \
	static inline void fn##_at(type **p) \
	{ \
		fn(*p); \
		*p = NULL; \
	}
KEYS_AT(X509, X509_free)
KEYS_AT(X509_NAME, X509_NAME_free)
KEYS_AT(X509_CRL, X509_CRL_free)
KEYS_AT(X509_REQ, X509_REQ_free)
KEYS_AT(EVP_PKEY, EVP_PKEY_free)
KEYS_AT(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
KEYS_AT(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
KEYS_AT(BIO, BIO_free_all)
KEYS_AT(BIGNUM, BN_clear_free)
KEYS_AT(PKCS12, PKCS12_free)
KEYS_AT(CMS_ContentInfo, CMS_ContentInfo_free)
KEYS_AT(GENERAL_NAMES, GENERAL_NAMES_free)
KEYS_AT(NAME_CONSTRAINTS, NAME_CONSTRAINTS_free)
static inline void x509s_free_at(STACK_OF(X509) **p)
{
	sk_X509_pop_free(*p, X509_free);
	*p = NULL;
}

#define KEYS_PEM_MAX 16384u
#define KEYS_SEALED_MAX (256u << 10)
#define KEYS_NAME_MAX 64              /* X.520 upper bound of O and CN, in characters */
#define KEYS_DAY_MS (24LL * 3600 * 1000)
#define KEYS_SERIAL_OCTETS 16

/* Says what OpenSSL thought, without ever quoting data; empties its error queue. Returns false. */
bool keys_ssl_fail(struct stg_error *err, enum stg_code code, const char *doing);

/* ---- bag.c: named pieces in one blob. A bag lives in buffers that are wiped, so it may hold secrets. ---- */
bool keys_bag_put(struct stg_buf *bag, const char *name, struct stg_bytes value, struct stg_error *err);
/* The piece is borrowed from the bag. STG_E_PROTOCOL when it is absent or the bag is damaged. */
bool keys_bag_get(struct stg_bytes bag, const char *name, struct stg_bytes *ret, struct stg_error *err);
bool keys_bag_has(struct stg_bytes bag, const char *name);
/* A copy of the bag with this piece put in, or in the other's place; an empty value leaves it out. */
bool keys_bag_set(struct stg_bytes bag, const char *name, struct stg_bytes value, struct stg_buf *ret, struct stg_error *err);

/* AES-256-GCM: nonce, ciphertext, tag appended to `ret`. */
bool keys_gcm_seal(struct stg_bytes key32, struct stg_bytes aad, struct stg_bytes plain, struct stg_buf *ret, struct stg_error *err);
/* STG_E_REFUSED when the tag does not fit. */
bool keys_gcm_open(struct stg_bytes key32, struct stg_bytes aad, struct stg_bytes sealed, struct stg_secret *ret, struct stg_error *err);

/* ---- x509.c ---- */
EVP_PKEY *keys_make_rsa(unsigned int bits, struct stg_error *err);
EVP_PKEY *keys_make_ec(const char *curve, struct stg_error *err);
bool keys_to_pem(EVP_PKEY *key, struct stg_secret *ret, struct stg_error *err);
EVP_PKEY *keys_from_pem(struct stg_bytes pem, struct stg_error *err);
X509 *keys_cert_from_pem(struct stg_bytes pem, struct stg_error *err);
X509 *keys_cert_from_any(struct stg_bytes pem_or_der, struct stg_error *err);
bool keys_cert_to_pem(X509 *cert, struct stg_buf *ret, struct stg_error *err);
bool keys_cert_to_der(X509 *cert, struct stg_buf *ret, struct stg_error *err);
/* A certificate of an organisation's row: "supervisor_pem", "root_pem", "issuing_pem", "signer_pem". */
X509 *keys_row_cert(const json_t *row, const char *field, struct stg_error *err);

/* O first, then C when there is one, then CN: name constraints are prefix matches over the RDNs. */
X509_NAME *keys_name(const char *organisation, const char *country, const char *common_name, struct stg_error *err);
/* One more piece at its end; nothing for NULL or "". STG_E_USAGE. */
bool keys_name_add(X509_NAME *n, int nid, const char *value, struct stg_error *err);
/* Version 3, random serial, names and times; `issuer` NULL = self-signed, `subject_key` NULL = keys_blank_into() follows. Extensions follow, then keys_cert_sign(). */
X509 *keys_cert_begin(const X509_NAME *subject, EVP_PKEY *subject_key, X509 *issuer, int64_t not_before_ms, int64_t not_after_ms,
		      struct stg_error *err);
/* `value` in OpenSSL's extension language: constants only, never anything a person typed. */
bool keys_cert_ext(X509 *cert, X509 *issuer, int nid, const char *value, struct stg_error *err);
bool keys_cert_ext_object(X509 *cert, int nid, bool critical, void *object, struct stg_error *err);
bool keys_cert_sign(X509 *cert, EVP_PKEY *issuer_key, struct stg_error *err);
bool keys_time_ms(const ASN1_TIME *t, int64_t *ret_ms);
bool keys_serial_hex(const ASN1_INTEGER *serial, char *ret, size_t size);
bool keys_cert_sha256(X509 *cert, char ret[65]);
bool keys_spki_sha256(X509 *cert, char ret[65]);
/* Hex of the subject key identifier: the id of an issuer in the register. */
bool keys_key_id(X509 *cert, char *ret, size_t size);
bool keys_key_fits(X509 *cert, EVP_PKEY *key);
/* "rsa-2048", "p-256": for people. */
void keys_kind(EVP_PKEY *key, char *ret, size_t size);

/* ---- names.c ---- */
/* STG_ID_CERTIFICATE_ASK: what was asked for, shown safely, and what was expected. Returns false. */
bool keys_refuse_ask(struct stg_error *err, const char *what, const char *expected);
bool keys_add_names(X509 *cert, const json_t *san, struct stg_error *err);
bool keys_add_crl_place(X509 *cert, const char *url, struct stg_error *err);
/* The alternative names as ["dns:..","uri:..","email:..","upn:.."], printable; kinds we do not issue are shown as "other:". NULL: none. */
json_t *keys_names_json(const GENERAL_NAMES *names);

/* ---- request.c ---- */
/* The key of a request that proves that its holder has it, strong enough to be certified. */
EVP_PKEY *keys_request_key(struct stg_bytes der, struct stg_error *err);

/* ---- leaf.c ---- */
struct keys_opened;
/* A certificate over this public key. */
bool keys_leaf_over(const struct keys_opened *o, const json_t *org, const struct stg_leaf_ask *ask, EVP_PKEY *key, X509 **ret_leaf,
		    json_t **ret_row, struct stg_error *err);

/* ---- blank.c ---- */
bool keys_blank_knows(const char *type);
EVP_PKEY *keys_make(const char *type, struct stg_error *err);
/* A key nobody owns yet: "rsa-2048", "rsa-3072", "rsa-4096", "p-256", "p-384". */
bool keys_blank_make(const char *type, struct stg_secret *ret, struct stg_error *err);
bool keys_blank_kind(const struct stg_secret *blank, char *ret, size_t size, struct stg_error *err);
/* Its public half becomes the certificate's. */
bool keys_blank_into(const struct stg_secret *blank, X509 *cert, struct stg_error *err);
/* The identity file and its password; `issuing` NULL: the certificate alone. */
bool keys_blank_p12(const struct stg_secret *blank, X509 *cert, X509 *issuing, const char *friendly, bool modern, struct stg_secret *ret_p12,
		    struct stg_secret *ret_password, struct stg_error *err);

/* ---- org.c ---- */
/* Supervision key and certificate NULL: made here. */
bool keys_org_build(const struct stg_keys *k, const json_t *details, X509 *supervisor, EVP_PKEY *supervisor_key, json_t **ret_row,
		    struct stg_buf *ret_sealed, struct stg_error *err);
/* Opens an organisation's keys; bound to its name, so that one organisation's blob cannot be put into another's row. */
bool keys_org_open(const struct stg_keys *k, const json_t *row, struct stg_bytes sealed, struct stg_secret *ret_bag, struct stg_error *err);
bool keys_org_seal(const struct stg_keys *k, const json_t *row, struct stg_bytes bag, struct stg_buf *ret_sealed, struct stg_error *err);
void keys_generation_name(char *ret, size_t size, const char *organisation, const char *what, int generation);
bool keys_row_put_cert(json_t *row, const char *field, X509 *cert, struct stg_error *err);
/* The CA's certificates; `generation` 1 is the organisation's first. */
X509 *keys_cert_root(const char *name, const char *country, int generation, EVP_PKEY *key, int64_t from_ms, int64_t years, struct stg_error *err);
/* pathlen 0, name constraints, clientAuth and emailProtection; `key` may be a public one. */
X509 *keys_cert_issuing(const char *name, const char *country, const char *domain, int generation, EVP_PKEY *key, X509 *root, EVP_PKEY *root_key,
			int64_t from_ms, struct stg_error *err);
X509 *keys_cert_signer(const char *name, EVP_PKEY *key, X509 *issuing, EVP_PKEY *issuing_key, int64_t from_ms, struct stg_error *err);
/* The issuing key: of the bag, or of a token where the row says so. */
EVP_PKEY *keys_org_issuing_key(const json_t *row, const struct stg_secret *bag, struct stg_error *err);
/* One key of the opened bag: "supervisor", "root", "issuing", "signer". */
EVP_PKEY *keys_org_key(const struct stg_secret *bag, const char *which, struct stg_error *err);

/* ---- escrow.c ---- */
/* A recipient of what is encrypted: OAEP with SHA-256 for RSA, ECDH for EC. */
bool keys_add_reader(CMS_ContentInfo *cms, X509 *cert, struct stg_error *err);

/* ---- token.c ---- */
/* A key of a PKCS#11 token, as a handle; the key stays in it. `uri` as RFC 7512 with an optional module-path, never with a PIN.
 * STG_ID_TOKEN_URI, STG_ID_TOKEN_MODULE, STG_ID_TOKEN_KEY: `origin` is not 0 when it is the PIN. */
EVP_PKEY *keys_token_key(const char *uri, struct stg_bytes pin, struct stg_error *err);

/* ---- opened.c: verifies below this certificate alone ---- */
X509_STORE *keys_anchors(X509 *issuing);

/* ---- signed.c ---- */
struct keys_signed;
struct keys_signed *keys_signed_new(void);
void keys_signed_free(struct keys_signed *s);
/* The signature made for this content within the hour, when there is one that was kept. */
bool keys_signed_find(struct keys_signed *s, const uint8_t content_sha256[32], struct stg_buf *ret);
/* Called with each signature made; kept from the second time on. */
void keys_signed_keep(struct keys_signed *s, const uint8_t content_sha256[32], struct stg_bytes cms);

/* ---- opened.c ---- */
struct keys_cache;
struct keys_opened {
	uint8_t mark[32];
	unsigned int n_holders;         /* guarded by the cache's lock; the rest never changes */
	struct keys_cache *cache;
	X509 *supervisor, *root, *issuing, *signer, *ra;          /* ra, ra_key: NULL when there is none */
	EVP_PKEY *supervisor_key, *issuing_key, *signer_key, *ra_key;
	X509_STORE *issuers;            /* verifies what the issuing key signs */
	struct keys_signed *done;       /* has a lock of its own */
};
struct keys_cache *keys_cache_new(void);
void keys_cache_free(struct keys_cache *c);
struct keys_cache *keys_cache_of(const struct stg_keys *k);
struct keys_opened *keys_opened_hold(const struct stg_keys *k, const json_t *row, struct stg_bytes sealed, struct stg_error *err);
void keys_opened_release_at(struct keys_opened **o);

#endif
