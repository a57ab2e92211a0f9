/*
 * inner.h - what the files of this room share. Nobody else includes it.
 *
 * A `struct profile` is one opened file: unwrapped, scanned, parsed. A place in it is written as a path of keys,
 * "PayloadContent[0].SSID_STR", and turned into a line only when something has to be said about it.
 */
#ifndef STAGER_PROFILES_INNER_H
#define STAGER_PROFILES_INNER_H

#include <plist/plist.h>

#include <stager/error.h>
#include <stager/payload.h>

#define PROFILE_FILE_MAX (2u << 20)    /* with its signature; the property list itself: stg_plist_profile */
#define PROFILE_PATH_MAX 512
#define PROFILE_DEPTH_MAX 32
#define PLIST_EPOCH_S 978307200LL      /* libplist counts dates from 2001-01-01 */

struct profile {
	char file[160];                /* as shown: printable */
	struct stg_buf text;           /* the property list itself, without a signature around it */
	bool is_xml;
	plist_t root;
	json_t *signer;                /* NULL: not signed */
};

/* The file as a device reads it: base64 and PEM around it and a byte-order mark before it
 * are taken off, all else stays byte for byte. After profile_open. */
bool profile_for_device(const struct profile *p, struct stg_bytes file, struct stg_buf *ret, struct stg_error *err);
/* STG_E_INPUT, "file:line: ..." */
bool profile_open(const char *file_name, struct stg_bytes file, struct profile *ret, struct stg_error *err);
void profile_close(struct profile *p);
/* Puts the payloads of an encrypted profile into the tree. STG_E_INPUT + STG_ID_PROFILE_ENCRYPTED, STG_ID_PROFILE_DAMAGED. */
bool profile_decrypt(struct profile *p, struct stg_bytes key, struct stg_error *err);
/* Line of the value at `path`, 0 when it is not known (binary, or no such place). */
unsigned long profile_line(const struct profile *p, const char *path);
/* The same with the column, counted in characters from 1. */
unsigned long profile_place(const struct profile *p, const char *path, unsigned long *ret_column);
/* Fails with "file:line: path: ..." and the row PROFILE_RULE when none is given. */
bool profile_fail(const struct profile *p, enum stg_id id, const char *path, struct stg_error *err, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* ---- check.c: rules of every profile ---- */
struct stg_profile_rules;
struct stg_profile_target;
struct findings {
	const struct profile *p;
	json_t *list;                  /* [{"level","path","line","column","text"}] */
	size_t n_references;
	/* for check_payloads */
	const struct stg_profile_rules *rules;
	uint32_t os;                   /* release_of() the device, 0: any */
	int supervised;                /* 1, 0, -1: not known */
	bool user_enrolment, shared_ipad;
};
void finding(struct findings *f, const char *level, const char *path, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Shape of the root and of each payload, identifiers, references. */
void check_shape(struct findings *f);
/* Turns the first error of the list into an error; true when there is none. */
bool findings_pass(const struct findings *f, struct stg_error *err);
/* catalogue.c: what each payload type may hold; then cross.c. */
void check_payloads(struct findings *f);
/* Says by which rules and for which device it was checked, when one was named. */
void check_told(struct findings *f, const struct stg_profile_target *target);
/* cross.c: what the keys of one payload have to do with one another (`path` names it), and the payloads of a profile. */
void cross_payload(struct findings *f, plist_t one, const char *type, char *path);
void cross_profile(struct findings *f);
/* certs.c: a certificate payload, an identity payload. */
void cross_certificate(struct findings *f, plist_t one, char *path);
void cross_identity(struct findings *f, plist_t one, char *path);

/* The certificate in a certificate or identity payload, and what came along with an identity (*ret_more, may be NULL afterwards). The caller's. */
struct x509_st;
struct stack_st_X509;
struct x509_st *payload_certificate(plist_t one, struct stack_st_X509 **ret_more);
/* chains.c: do they agree with one another? */
void cross_chains(struct findings *f);
/* When the certificate of an identity payload ends; false: it cannot be opened with what is in the payload. */
bool identity_ends(plist_t one, int64_t *ret_ms);

/* ---- tree words ---- */
/* The text of a string value, NULL when it is none. Borrowed from the tree. */
const char *tree_str(plist_t dict, const char *key);
const char *node_str(plist_t node);
plist_t tree_get(plist_t dict, const char *key);
bool tree_int(plist_t dict, const char *key, int64_t *ret);
bool tree_bool(plist_t dict, const char *key, bool fallback);
bool is_dict(plist_t node);
bool is_list(plist_t node);
/* Is this EAP type (13: TLS) among the AcceptEAPTypes of an EAPClientConfiguration? */
bool eap_accepts(plist_t eap, uint64_t type);
/* Payload number i of PayloadContent, NULL behind the last. */
plist_t payload_at(const struct profile *p, uint32_t i);
/* Appends ".key" or "[i]" to a path in place and returns the length to cut it back to. */
size_t path_key(char *path, const char *key);
size_t path_index(char *path, uint32_t i);

/* Calls `each` for every value under node, with its path. */
void tree_walk(plist_t node, char *path, void (*each)(void *ctx, plist_t node, const char *key, const char *path), void *ctx);

/* ---- fill.c ---- */
/* Fills the variables of every value; STG_E_INPUT names the path and the variable, never a value. */
bool profile_substitute(struct profile *p, const json_t *values, struct stg_error *err);
/* The same by these rules (NULL: the shipped ones); with `keeps_open` what only a device knows stays, and the result is a template again. */
bool profile_substitute_with(struct profile *p, const json_t *values, const struct stg_profile_rules *rules, bool keeps_open, struct stg_error *err);
/* Does any variable have to wait for a device, or for somebody who may read secrets? */
bool profile_stays_open(const struct profile *p, const json_t *values);
/* Derives the payloads' UUIDs; those that stand in `before` (NULL: none) under the same identifier and type keep theirs. */
void profile_rename(struct profile *p, const char *unit, const struct profile *before);
/* Derives the profile's own UUID from what it holds, and writes XML. */
bool profile_seal(struct profile *p, const char *unit, struct stg_payload *ret, struct stg_error *err);
/* Checks the shape, then renames and seals. */
bool profile_finish(struct profile *p, const char *unit, struct stg_payload *ret, struct stg_error *err);
/* The tree as XML. */
bool profile_write(const struct profile *p, struct stg_buf *ret, struct stg_error *err);
/* Wipes texts and data of the tree: for one that was filled with secrets. Then profile_close(). */
void profile_wipe(struct profile *p);
/* Upper-case version 5 identifier of this house. */
void derive_uuid(const char *unit, const char *a, const char *b, char ret[40]);

/* ---- typed.c ---- */
/* Makes the node one of these kinds (KIND_ of schema.h) from a text; false: it is none of them. */
bool typed_set(plist_t node, unsigned int kinds, const char *text);
bool typed_is_url(const char *text);

#endif
