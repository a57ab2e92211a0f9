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

struct x509_st;
struct evp_pkey_st;
struct X509_req_st;
struct stack_st_X509;

#define STG_SCEP_MESSAGE_MAX (64u << 10)
#define STG_SCEP_TRANSACTION_MAX 128
#define STG_SCEP_NONCE_MAX 64

enum stg_scep_type { STG_SCEP_CERTREP = 3, STG_SCEP_RENEWAL = 17, STG_SCEP_PKCSREQ = 19, STG_SCEP_CERTPOLL = 20 };
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

/* What a PKCS#10 request says; its signature is checked. */
struct stg_scep_csr {
	struct X509_req_st *req;
	char common_name[129], serial_number[129];   /* of the subject; "" when absent; printable */
	json_t *san;                             /* ["dns:..","uri:..","email:..","upn:..","other"] as asked */
	struct stg_secret challenge;             /* unset: none given */
	bool wants_ca;
	char key[32];                            /* "rsa-2048" */
	char spki_sha256[65];
};
/* RSA of 2048, 3072 or 4096 bits; at most 32 KiB. STG_ID_SCEP_REQUEST. */
bool stg_scep_csr_read(struct stg_bytes der, struct stg_scep_csr *ret, struct stg_error *err);
void stg_scep_csr_clear(struct stg_scep_csr *c);
/* Is this the key of that certificate? */
bool stg_scep_same_key(const struct stg_scep_csr *c, struct x509_st *cert);

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

#endif
