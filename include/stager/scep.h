/*
 * scep.h - the door of stager/scep: SCEP (RFC 8894) messages, read and built; the words around them; a client.
 *
 * A device makes its key itself and asks for a certificate over plain HTTP; the message protects itself:
 * SignedData( EnvelopedData( PKCS#10 ) ). What comes in is hostile: 64 KiB, depth 32, 4,096 elements, one signer, before OpenSSL sees it.
 * Nothing here has a database or decides who may have a certificate: that is the operation scep.request (stager/ops/scep.c).
 *
 * Errors that a requester should hear carry its failInfo (enum stg_scep_fail) in `origin`; with STG_ID_SCEP_MESSAGE the bytes
 * are no message at all and there is nobody to answer: HTTP 400.
 * Threads: any; a message belongs to its holder.
 * Facts: RFC 8894; what clients of 2016 to 2025 really send, tried with Debian 12's certmonger 0.79.17, scep 2.1.0 and OpenSSL 3.0.
 */
#ifndef STAGER_SCEP_H
#define STAGER_SCEP_H

#include <stager/error.h>
#include <stager/json.h>
#include <stager/secret.h>
#include <stager/stop.h>

struct x509_st;
struct evp_pkey_st;
struct stack_st_X509;

#define STG_SCEP_MESSAGE_MAX (64u << 10)
#define STG_SCEP_TRANSACTION_MAX 128
#define STG_SCEP_NONCE_MAX 64

enum stg_scep_type { STG_SCEP_CERTREP = 3, STG_SCEP_RENEWAL = 17, STG_SCEP_PKCSREQ = 19, STG_SCEP_CERTPOLL = 20, STG_SCEP_GETCERT = 21,
		     STG_SCEP_GETCRL = 22 };
enum stg_scep_status { STG_SCEP_SUCCESS = 0, STG_SCEP_FAILURE = 2, STG_SCEP_PENDING = 3 };
enum stg_scep_fail { STG_SCEP_BAD_ALG = 0, STG_SCEP_BAD_CHECK = 1, STG_SCEP_BAD_REQUEST = 2, STG_SCEP_BAD_TIME = 3, STG_SCEP_BAD_CERT_ID = 4 };
/* How far back a talk may go. MODERN: SHA-256, SHA-512, AES. SHA1: also SHA-1 and 3DES. DES: also single DES, which RFC 8894 forbids. */
enum stg_scep_old { STG_SCEP_MODERN, STG_SCEP_SHA1, STG_SCEP_DES };
const char *stg_scep_old_word(enum stg_scep_old old);                    /* "none", "sha1", "des" */
bool stg_scep_old_of(const char *word, enum stg_scep_old *ret);

struct stg_scep_nonce {
	uint8_t data[STG_SCEP_NONCE_MAX];
	size_t len;
};

/* One message, its signature checked. Read only. */
struct stg_scep_msg {
	int type;                                /* any number: whether it is one we serve is the caller's check */
	char transaction_id[STG_SCEP_TRANSACTION_MAX + 1];
	struct stg_scep_nonce sender, recipient; /* recipient: of an answer */
	int status, fail;                        /* of an answer; -1: not given */
	char fail_text[160];                     /* printable */
	int digest, cipher;                      /* OpenSSL's numbers; cipher 0: nothing is enveloped */
	struct x509_st *signer;
	struct stg_buf envelope;                 /* the encrypted part, DER; empty in a refusal */
	struct stg_error refused;                /* set: it cannot be accepted, but its sender can be told so */
};

/* NULL: no message at all. `known`: certificates that may be the signer's when the message carries none (GetCACert's); NULL: none. */
struct stg_scep_msg *stg_scep_open(struct stg_bytes der, enum stg_scep_old old, struct stack_st_X509 *known, struct stg_error *err);
void stg_scep_msg_free(struct stg_scep_msg *m);
void stg_scep_msg_free_at(struct stg_scep_msg **m);
/* What was encrypted for this certificate. STG_ID_SCEP_OLD_CLIENT, STG_ID_SCEP_RECIPIENT; a wrong key and damage are told alike. */
bool stg_scep_decrypt(const struct stg_scep_msg *m, struct x509_st *own, struct evp_pkey_st *own_key, enum stg_scep_old old,
		      struct stg_buf *ret, struct stg_error *err);

/* A PKCS#10 request as stg_request_read() gives it (keys.h), for SCEP: RSA only, because the answer is encrypted to its key.
 * What is no request is told like an envelope that does not open. STG_ID_SCEP_REQUEST. */
json_t *stg_scep_csr_read(struct stg_bytes der, struct stg_secret *ret_challenge, struct stg_error *err);
/* Is the key with this hash ("spki_sha256") that of the certificate? */
bool stg_scep_key_is(struct x509_st *cert, const char *spki_sha256);

/* A message to be built. */
struct stg_scep_making {
	int type;
	const char *transaction_id;
	struct stg_scep_nonce sender, recipient; /* sender.len 0: a random one is made */
	int status, fail;                        /* of an answer */
	const char *fail_text;                   /* NULL: none */
	struct stg_bytes content;                /* what is enveloped; empty: nothing */
	struct x509_st *to;                      /* for whom */
	int digest, cipher;                      /* OpenSSL's numbers; 0: SHA-256, AES-256-CBC */
	enum stg_scep_old old;
	struct x509_st *signer;
	struct evp_pkey_st *signer_key;
};
bool stg_scep_make(const struct stg_scep_making *m, struct stg_buf *ret, struct stg_scep_nonce *ret_sender, struct stg_error *err);
/* Certificates alone in a degenerate SignedData, as answers carry them; and back. */
bool stg_scep_certs_pack(struct x509_st *const *certs, size_t n, struct stg_buf *ret, struct stg_error *err);
struct stack_st_X509 *stg_scep_certs_unpack(struct stg_bytes der, struct stg_error *err);   /* also one bare certificate; at most 16 */
void stg_scep_certs_free_at(struct stack_st_X509 **certs);

/* What a CertPoll asks about: the issuer and the subject of the certificate that is awaited. */
bool stg_scep_poll_pack(struct x509_st *issuer, struct x509_st *asker, struct stg_buf *ret, struct stg_error *err);
/* What a GetCert or GetCRL asks about: this issuer's certificate of a number in hex ("" = 1); read: false when it is another issuer's,
 * or nothing of the kind (STG_ID_SCEP_NOTHING, STG_ID_SCEP_REQUEST). */
bool stg_scep_named_pack(struct x509_st *issuer, const char *serial_hex, struct stg_buf *ret, struct stg_error *err);
bool stg_scep_named_read(struct stg_bytes der, struct x509_st *issuer, char ret_serial_hex[80], struct stg_error *err);
/* A list of what was revoked, as an answer carries it; and back. */
bool stg_scep_crl_pack(struct stg_bytes crl_der, struct stg_buf *ret, struct stg_error *err);
bool stg_scep_crl_unpack(struct stg_bytes der, struct stg_buf *ret, struct stg_error *err);
/* SHA-256 of the certificate's key, as in requests ("spki_sha256"). */
bool stg_scep_key_print(struct x509_st *cert, char ret[65]);

/* ---- words ---- */
/* The message of a GET from the raw query: percent signs decoded, '+' kept, URL-safe letters and missing padding taken, line
 * ends dropped. At most 16 KiB of query. STG_ID_SCEP_MESSAGE. */
bool stg_scep_get_message(const char *raw_query, struct stg_buf *ret, struct stg_error *err);
/* "operation" of the raw query, "" when absent. */
void stg_scep_get_operation(const char *raw_query, char *ret, size_t size);
struct stg_scep_caps {
	bool aes, des3, post, renewal, sha1, sha256, sha512, standard;
};
void stg_scep_caps_read(struct stg_bytes text, struct stg_scep_caps *ret);
/* What we answer to GetCACaps. */
const char *stg_scep_caps_text(enum stg_scep_old old);

/* ---- a client of other servers ---- */
struct stg_scep_server {
	const char *url;
	const char *fingerprint;                 /* SHA-256 or SHA-1 of a certificate it shows, hex, colons allowed; NULL: HTTPS vouches for it */
	enum stg_scep_old old;
	struct stg_bytes ca_pem;                 /* for HTTPS; empty: the system's */
	int64_t timeout_ms;
	struct stg_stop *stop;                   /* may be NULL */
};
/* Whom we talk to. */
struct stg_scep_met {
	struct stg_scep_caps caps;
	struct stack_st_X509 *certs;             /* those that are trusted: the pinned one, and what it vouches for */
	struct x509_st *to;                      /* of them: who a request is encrypted to */
	struct x509_st *ca;                      /* of them: who issues */
	struct stg_buf raw, caps_text;           /* what GetCACert and GetCACaps answered */
	int n_shown;                             /* certificates in raw */
};
/* GetCACaps and GetCACert. Whether there is a line is the caller's question. STG_E_TIMEOUT (not reached), STG_E_PROTOCOL + STG_ID_SCEP_SERVER, STG_E_SAFETY + STG_ID_SCEP_PIN (http and no fingerprint), STG_ID_SCEP_FINGERPRINT. */
bool stg_scep_meet(const struct stg_scep_server *server, struct stg_scep_met *ret, struct stg_error *err);
/* The same without trusting anybody: every certificate it shows, for a person to compare. */
bool stg_scep_look(const struct stg_scep_server *server, struct stg_scep_caps *ret_caps, struct stack_st_X509 **ret_certs, struct stg_error *err);
void stg_scep_met_clear(struct stg_scep_met *m);
/* What is asked for. */
struct stg_scep_wanted {
	const char *organisation, *common_name;  /* subject, O first */
	const json_t *san;                       /* ["dns:..","uri:..","email:.."], may be NULL */
	const struct stg_secret *challenge;      /* may be unset */
	struct evp_pkey_st *key;
	struct x509_st *old;                     /* a renewal: the certificate to be replaced, with its key; NULL: the first */
	struct evp_pkey_st *old_key;
	int64_t poll_ms;                         /* so long a server that says "pending" is asked again; 0: not at all */
};
/* The certificate, a reference. STG_E_REFUSED + STG_ID_SCEP_REFUSED with failInfo and text, STG_E_WAITING + STG_ID_SCEP_PENDING. */
struct x509_st *stg_scep_enrol(const struct stg_scep_server *server, const struct stg_scep_met *met, const struct stg_scep_wanted *wanted,
			       struct stg_error *err);
/* The list of what its authority has revoked, DER, signed by it. `key` is any RSA key of the asker: the answer is encrypted to it. */
bool stg_scep_crl(const struct stg_scep_server *server, const struct stg_scep_met *met, struct evp_pkey_st *key, struct stg_buf *ret, struct stg_error *err);
/* Hands a device's message to the server and its answer back, both as they are. */
bool stg_scep_pass(const struct stg_scep_server *server, struct stg_bytes message, bool post, struct stg_buf *ret, struct stg_error *err);
/* Certificates for people: [{"name","issuer","not_after_ms","sha256","sha1","ca","key"}]. */
json_t *stg_scep_certs_json(const struct stack_st_X509 *certs);

/* ---- NDES: a one-time challenge from its page ---- */
/* The page (UTF-16 or UTF-8 HTML) as it came. STG_ID_SCEP_NDES_PAGE, _FULL, _DENIED. */
bool stg_scep_ndes_read(struct stg_bytes page, struct stg_secret *ret, struct stg_error *err);

#endif
