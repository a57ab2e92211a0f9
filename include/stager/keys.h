/*
 * keys.h - the door of stager/keys: the one room that touches a private key.
 *
 * `stg_keys` holds the station key (a 0600 file `station.key` in the state directory) and opens what was sealed under it. Sealing is AES-256-GCM with the purpose as associated data, so a blob cannot be used for
 * something else. No function hands out a private key except inside something meant for one device.
 * Threads: a stg_keys is read-only after open and may be used from several threads; opened organisations are kept in it.
 */
#ifndef STAGER_KEYS_H
#define STAGER_KEYS_H

#include <stager/host.h>
#include <stager/json.h>
#include <stager/secret.h>

struct stg_keys;
struct x509_st;
struct evp_pkey_st;

struct stg_keys *stg_keys_open(const char *state_dir, struct stg_error *err);   /* makes the station key when there is none */
void stg_keys_close(struct stg_keys *k);
void stg_keys_close_at(struct stg_keys **k);

bool stg_keys_seal(const struct stg_keys *k, const char *purpose, struct stg_bytes plain, struct stg_buf *ret, struct stg_error *err);
bool stg_keys_open_sealed(const struct stg_keys *k, const char *purpose, struct stg_bytes sealed, struct stg_secret *ret, struct stg_error *err);
/* A key derived for one purpose: row MACs, checkpoints. 32 bytes. */
bool stg_keys_derive(const struct stg_keys *k, const char *purpose, struct stg_secret *ret, struct stg_error *err);

/* ---- host identities (pairing) ---- */
/* Two RSA-2048 keys, SHA-256 certificates with empty names, not before yesterday; about 150 ms of CPU. Sealed JSON for the store. */
bool stg_hostid_make(const struct stg_keys *k, const char *system_buid, char ret_host_id[64], struct stg_buf *ret_sealed, struct stg_error *err);
bool stg_hostid_open(const struct stg_keys *k, struct stg_bytes sealed, struct stg_host_identity *ret, struct stg_error *err);
/* An RSA key that is known to be one: of the pools and of pair records, PEM in PKCS#8 or PKCS#1, never encrypted. For
 * those who were given such a key already, as the worker its host key; freed with EVP_PKEY_free(). NULL: STG_E_PROTOCOL. */
struct evp_pkey_st *stg_rsa_from_pem(struct stg_bytes pem, struct stg_error *err);

/* ---- organisations ---- */
/* Supervision identity (RSA-2048 self-signed), root and intermediate CA (pathlen 0, name constraints, O first). `ret_row` is
 * what stg_store_org_put takes; `ret_sealed` its keys. details: {"name","country","domain","email"...}. */
bool stg_org_make(const struct stg_keys *k, const json_t *details, json_t **ret_row, struct stg_buf *ret_sealed, struct stg_error *err);
/* Existing supervision identity: PKCS#12 (also SHA-1 MAC, 3DES, RC2), PEM pair, DER pair. A wrong password says so (STG_ID_P12_PASSWORD). */
bool stg_org_import(const struct stg_keys *k, const json_t *details, struct stg_bytes identity, struct stg_bytes key_or_none,
		    const struct stg_secret *password, json_t **ret_row, struct stg_buf *ret_sealed, struct stg_error *err);
/* One file encrypted to a passphrase (scrypt + AES-256-GCM, JSON armour); restore gives row + keys back. Verify re-reads and compares. */
bool stg_org_backup(const struct stg_keys *k, const json_t *row, struct stg_bytes sealed, const struct stg_secret *passphrase, struct stg_buf *ret_file, struct stg_error *err);
bool stg_org_restore(const struct stg_keys *k, struct stg_bytes file, const struct stg_secret *passphrase, json_t **ret_row, struct stg_buf *ret_sealed, struct stg_error *err);
/* Opens a written backup again and compares it with what the station holds: only then it may be called verified. */
bool stg_org_backup_verify(const struct stg_keys *k, const json_t *row, struct stg_bytes sealed, struct stg_bytes file,
			   const struct stg_secret *passphrase, struct stg_error *err);
/* The root key leaves the station with its verified backup: sealed keys without it; row "root_key" becomes "in_backup". */
bool stg_org_drop_root(const struct stg_keys *k, json_t *row, struct stg_bytes sealed, struct stg_buf *ret_sealed, struct stg_error *err);
bool stg_org_supervisor(const json_t *row, struct stg_buf *ret_der, struct stg_error *err);
/* PEM texts of the issuing and the root certificate, as stg_profile_identity takes them. New reference. */
json_t *stg_org_issuers(const json_t *row);
/* Adds what profile templates may use: "organisation" and "org.name", "org.country", "org.domain", "org.email", "org.phone", "org.address",
 * and the certificates "org.root_der", "org.issuing_der" as {"data": BASE64} (filled in as data, never as text). */
bool stg_org_values(const json_t *row, json_t *values, struct stg_error *err);
/* CMS SignedData over a device's challenge of at most 64 bytes: binary, attached, SHA-256, signer first. */
bool stg_org_sign_challenge(const struct stg_keys *k, const json_t *row, struct stg_bytes sealed, struct stg_bytes challenge, struct stg_buf *ret_cms, struct stg_error *err);
/* A profile signed by the organisation's profile-signing certificate: DER, attached, chain included. */
bool stg_org_sign_profile(const struct stg_keys *k, const json_t *row, struct stg_bytes sealed, struct stg_bytes profile, struct stg_buf *ret_cms, struct stg_error *err);

/* Takes one signature layer (DER, or PEM) off: the content, and who signed: {"name","issuer","sha256","not_after_ms",
 * "signed_ms"} and, of the certificates between him and a root that came along, the one that ends first: "chain_name",
 * "chain_not_after_ms". The signature must fit the content; whether the signer deserves trust is never decided here: show it.
 * STG_E_INPUT + STG_ID_PROFILE_SIGNATURE, STG_ID_PROFILE_ENCRYPTED. */
bool stg_cms_unwrap(struct stg_bytes in, struct stg_buf *ret_content, json_t **ret_signer, struct stg_error *err);

/* Does the signer's chain end at one of these PEM texts (a CA, or the signer himself), at this hour? For what stg_cms_unwrap opened;
 * the intermediates are those inside the message. */
enum stg_signer_trust { STG_SIGNER_TRUSTED, STG_SIGNER_UNKNOWN, STG_SIGNER_EXPIRED, STG_SIGNER_NOT_YET };
enum stg_signer_trust stg_cms_signer_trust(struct stg_bytes cms, const json_t *anchor_pems);
/* CMS EnvelopedData: the first recipient's certificate, serial number in hex ("" when it is named otherwise) and its issuer. False: it is none. */
bool stg_cms_recipient(struct stg_bytes cms, char ret_serial[64], char ret_issuer[128]);
/* Makes it: DER, AES-256-CBC, for the RSA key of this certificate (PEM or DER) as devices open it. STG_E_INPUT + STG_ID_RECIPIENT: it is none, has
 * another kind of key, is not for encrypting, has ended. */
bool stg_cms_encrypt(struct stg_bytes content, struct stg_bytes certificate, struct stg_buf *ret_cms, struct stg_error *err);
/* Opens it with a private key in PEM. STG_E_INPUT + STG_ID_PROFILE_ENCRYPTED. The content may be secret. */
bool stg_cms_decrypt(struct stg_bytes cms, struct stg_bytes key_pem, struct stg_buf *ret_content, struct stg_error *err);

/* ---- leaves ---- */
struct stg_leaf_ask {
	const char *common_name;        /* subject O=<organisation>, CN=this */
	const json_t *san;              /* ["dns:..","uri:..","upn:..","email:.."] */
	const char *key_type;           /* "rsa-2048" (default), "rsa-3072", "rsa-4096", "p-256", "p-384" */
	int64_t days;
	const char *purpose;            /* "client" (default), "email", "client email", "ra" (no extended usage) */
	bool modern_p12;                /* PBES2 instead of 3DES + SHA-1 MAC */
	const char *department;         /* OU of the subject; NULL: none */
	const char *serial_number;      /* serialNumber (2.5.4.5) of the subject; NULL: none */
	bool with_chain;                /* the issuing certificate goes into the PKCS#12: some readers take no more than one there, so not without being asked */
};
/* Takes `blank` when it is given and set (a key of stg_leaf_key_make(), for RSA), else makes a key. Random 16-octet serial. `ret_p12` with
 * `ret_password` (24 random characters); `ret_row` as stg_store_certificate_add wants it. */
bool stg_leaf_issue(const struct stg_keys *k, const json_t *org, struct stg_bytes sealed, const struct stg_leaf_ask *ask,
		    const struct stg_secret *blank, struct stg_secret *ret_p12, struct stg_secret *ret_password, json_t **ret_row, struct stg_error *err);
/* What stg_leaf_issue() needs of an RSA-2048 key, made before the device is there: about 300 ms of CPU. For one leaf. */
bool stg_leaf_key_make(struct stg_secret *ret_blank, struct stg_error *err);
/* For a certificate of another CA: the key of such a blank, to sign and decrypt with (EVP_PKEY_free()), and its identity file. */
struct evp_pkey_st *stg_leaf_key_use(const struct stg_secret *blank, struct stg_error *err);
bool stg_leaf_key_p12(const struct stg_secret *blank, struct x509_st *cert, struct x509_st *issuer, const char *friendly, bool modern,
		      struct stg_secret *ret_p12, struct stg_secret *ret_password, struct stg_error *err);
/* The same over the key of a request (PKCS#10, DER, at most 16 KiB) that is signed by that key; nothing else of the request is
 * looked at. RSA 2048-4096, P-256, P-384, P-521. STG_E_INPUT + STG_ID_CERTIFICATE_REQUEST. Callers want <stager/ca.h>, which also registers. */
bool stg_leaf_sign(const struct stg_keys *k, const json_t *org, struct stg_bytes sealed, const struct stg_leaf_ask *ask,
		   struct stg_bytes request_der, struct stg_buf *ret_der, json_t **ret_row, struct stg_error *err);
/* What a request asks for, its signature and key checked as above: {"cn","organisation","serial_number","san":[..],"wants_ca","key",
 * "spki_sha256"}, texts printable. `ret_challenge` (may be NULL) stays unset when it has none. STG_E_INPUT + STG_ID_CERTIFICATE_REQUEST. */
json_t *stg_request_read(struct stg_bytes der, struct stg_secret *ret_challenge, struct stg_error *err);

/* ---- the registration authority: RSA, signs and decrypts SCEP messages; its key is in the organisation's sealed keys ---- */
/* None yet, of another issuer, or it ends within so many ms. */
bool stg_org_ra_due(const json_t *row, int64_t before_ms);
/* Makes one (about 300 ms of CPU): `row` gets "ra_pem", `ret_sealed` the keys with it (both for stg_store_org_put), `ret_leaf` its row for the register. */
bool stg_org_ra_make(const struct stg_keys *k, json_t *row, struct stg_bytes sealed, struct stg_buf *ret_sealed, json_t **ret_leaf,
		     struct stg_error *err);
struct stg_ra {
	struct x509_st *cert, *issuing, *root;
	struct evp_pkey_st *key;        /* to be used, never to be written anywhere */
};
/* References of the caller, who ends them with stg_ra_clear(). STG_E_NOT_FOUND: none was made. */
bool stg_org_ra(const struct stg_keys *k, const json_t *row, struct stg_bytes sealed, struct stg_ra *ret, struct stg_error *err);
void stg_ra_clear(struct stg_ra *ra);

/* ---- another CA for an organisation ----
 * `row` and the sealed keys are changed for stg_store_org_put(); the CA that was stays under "previous" for its list, "backup_verified_ms" becomes
 * 0. Each tries a leaf up to the root before it takes over: STG_E_INPUT + STG_ID_CA_UNSUITABLE says what verifiers would. */
struct stg_ca_ask {
	const char *root_key;           /* "p-384" (default), "rsa-4096" */
	int64_t root_years;             /* 0: 20 */
	const char *issuing_key;        /* "p-256" (default), "rsa-2048", "rsa-3072", ... */
	const char *token_uri;          /* a key in a PKCS#11 token instead, "pkcs11:token=..;object=..[?module-path=..]"; NULL: none */
	const struct stg_secret *token_pin; /* NULL: none */
};
/* A new root (its key leaves with the next backup) and an issuing CA below it. */
bool stg_ca_root_make(const struct stg_keys *k, json_t *row, struct stg_bytes sealed, const struct stg_ca_ask *ask, struct stg_buf *ret_sealed,
		      struct stg_error *err);
/* The customer's root with its key (PEM, may be encrypted): the key signs the issuing CA once and is not kept. */
bool stg_ca_root_import(const struct stg_keys *k, json_t *row, struct stg_bytes sealed, struct stg_bytes root_file, struct stg_bytes key_file,
			const struct stg_secret *passphrase, const struct stg_ca_ask *ask, struct stg_buf *ret_sealed, struct stg_error *err);
/* A root that stays offline: a request (PEM) goes out, its key waits in the sealed keys or in the token... */
bool stg_ca_request(const struct stg_keys *k, json_t *row, struct stg_bytes sealed, const struct stg_ca_ask *ask, struct stg_buf *ret_pem,
		    struct stg_buf *ret_sealed, struct stg_error *err);
/* ...and the certificate comes back, with its chain; the root in the same file or in `root_file` (may be empty). STG_ID_CA_NO_REQUEST. */
bool stg_ca_accept(const struct stg_keys *k, json_t *row, struct stg_bytes sealed, struct stg_bytes file, struct stg_bytes root_file,
		   struct stg_buf *ret_sealed, struct stg_error *err);

/* rows: {"serial_hex","revoked_ms","reason"}. `issuer` NULL or "": the CA in use, else one of "previous". */
bool stg_crl_make_of(const struct stg_keys *k, const json_t *org, struct stg_bytes sealed, const char *issuer, const json_t *revoked_rows, int64_t number,
		     struct stg_buf *ret_der, struct stg_error *err);
bool stg_crl_make(const struct stg_keys *k, const json_t *org, struct stg_bytes sealed, const json_t *revoked_rows, int64_t number, struct stg_buf *ret_der, struct stg_error *err);
/* ---- escrow: tokens for a recovery key that is not on the station ---- */
/* Reads the public half: a PEM or DER certificate, RSA >= 2048 or EC >= 256 bits; PEM back. STG_ID_RECOVERY_FILE;
 * STG_E_SAFETY + STG_ID_RECOVERY_KEY_PRIVATE when the file also holds the private half. */
bool stg_recovery_certificate(struct stg_bytes file, struct stg_buf *ret_pem, char ret_sha256[65], struct stg_error *err);
/* A new pair: `ret_file` (key locked with the passphrase, and certificate; PEM) is for the safe, `ret_pem` stays here. Takes
 * about a second. */
bool stg_recovery_make(const char *organisation, const struct stg_secret *passphrase, struct stg_buf *ret_file, struct stg_buf *ret_pem,
		       char ret_sha256[65], struct stg_error *err);
/* The token of this device as CMS AuthEnvelopedData, AES-256-GCM. */
bool stg_escrow_seal(const char *recovery_pem, const struct stg_identity *who, const struct stg_secret *token, struct stg_buf *ret_sealed,
		     struct stg_error *err);
/* With the key out of the safe. STG_ID_RECOVERY_KEY_WRONG (key or passphrase), STG_ID_SEALED_DAMAGED (also: another device's). */
bool stg_escrow_open(struct stg_bytes key_file, const struct stg_secret *passphrase, const struct stg_identity *who, struct stg_bytes sealed,
		     struct stg_secret *ret_token, struct stg_error *err);
/* An opened token waits in this process's memory for its device's job, for so long; `token` is moved. */
bool stg_escrow_lend(const struct stg_identity *who, struct stg_secret *token, int64_t for_ms, struct stg_error *err);
/* Once. STG_E_NEEDS_HUMAN + STG_ID_UNLOCK_NOT_OPENED when nobody opened it. */
bool stg_escrow_take(const char *family, const char *unit, struct stg_secret *ret_token, struct stg_error *err);

/* The first certificate of a PEM text, or one in DER, as PEM. */
bool stg_certificate_pem(struct stg_bytes pem_or_der, struct stg_buf *ret_pem, struct stg_error *err);
/* ---- bundles: what travels by stick, see stager/bundle/README.md ---- */
#define STG_BUNDLE_BYTES_MAX (64u << 20)
#define KEYS_CARD_NAME 128
/* A machine's card: two P-256 certificates in PEM, the first signs, the second is encrypted to; `ret_sealed` their keys. */
bool stg_card_make(const struct stg_keys *k, const char *name, const char *station_id, struct stg_buf *ret_card, struct stg_buf *ret_sealed,
		   struct stg_error *err);
/* A card from outside, one or two certificates: as it is kept, the hash people compare, the name it bears. STG_E_INPUT + STG_ID_BUNDLE_CARD. */
bool stg_card_read(struct stg_bytes file, struct stg_buf *ret_card, char ret_sha256[65], char ret_name[KEYS_CARD_NAME], struct stg_error *err);
/* Signed by us, readable by `to_card`: CMS SignedData within AuthEnvelopedData, DER. STG_ID_BUNDLE_TOO_LARGE. */
bool stg_bundle_seal(const struct stg_keys *k, struct stg_bytes own_card, struct stg_bytes own_sealed, struct stg_bytes to_card,
		     struct stg_bytes content, struct stg_buf *ret, struct stg_error *err);
/* Takes the encryption off. STG_E_INPUT + STG_ID_BUNDLE_DAMAGED, STG_ID_BUNDLE_NOT_FOR_US. */
bool stg_bundle_open(const struct stg_keys *k, struct stg_bytes own_card, struct stg_bytes own_sealed, struct stg_bytes file, struct stg_buf *ret,
		     struct stg_error *err);
/* Takes the signature off: it must be of one of `cards` (PEM texts); which one. STG_E_SAFETY + STG_ID_BUNDLE_SIGNER, STG_ID_BUNDLE_DAMAGED. */
bool stg_bundle_verify(struct stg_bytes in, const json_t *cards, size_t *ret_card, struct stg_buf *ret, struct stg_error *err);

/* CN, issuer, dates, sha256 of a PEM or DER certificate, for shows and radars. */
json_t *stg_certificate_json(struct stg_bytes pem_or_der, struct stg_error *err);

/* ---- a key in a PKCS#11 token, for others than the authority ---- */
/* A handle of OpenSSL's; the key stays in the token. Free with EVP_PKEY_free(). The first call loads the module: never before the nursery was
 * forked. STG_ID_TOKEN_URI, STG_ID_TOKEN_MODULE, STG_ID_TOKEN_KEY with origin 0: no such token or key, else the token refuses the PIN (a few
 * of these lock it). */
struct evp_pkey_st *stg_token_key(const char *uri, struct stg_bytes pin, struct stg_error *err);
/* Is it such an address? Nothing is loaded. */
bool stg_token_uri_ok(const char *uri, struct stg_error *err);

#endif
