/*
 * _blackout.h - takes secrets out of a text that leaves the house, and turns serial numbers into pseudonyms.
 *
 * For:    the support bundle.
 * Threads: one owner; a text is cleaned on any thread, no state changes but the counters.
 *
 * Two nets. What is known (every secret of the station) is looked for as it is and in the forms programs write it: hex,
 * base64 at each offset, URL, JSON and XML escapes. What only looks like a secret (a private key, `password=`, a bearer
 * token, a long run of base64) is taken out as well: better a word too many than one too few.
 */
#ifndef STAGER_OPS_BLACKOUT_H
#define STAGER_OPS_BLACKOUT_H

#include <stager/error.h>
#include <stager/json.h>
#include <stager/secret.h>

#define BLACKOUT_MARK "[secret]"

struct blackout;

struct blackout *blackout_new(void);
void blackout_free(struct blackout *b);
/* A value that must not appear; shorter than four bytes is no secret one could look for. Copied. */
void blackout_secret(struct blackout *b, struct stg_bytes value);
/* Every string of a JSON tree. */
void blackout_secrets_of(struct blackout *b, const json_t *tree);
/* From here on identifiers become "id-" and twelve hex digits: the same one the same pseudonym, here and in every bundle of
 * this station. `key` is borrowed for the call. */
bool blackout_pseudonyms(struct blackout *b, const struct stg_secret *key, struct stg_error *err);
/* An identifier known to belong to a device or a person: serial number, UDID, IMEI, tag. `unit`: an ECID in decimal. */
void blackout_identifier(struct blackout *b, const char *value);
void blackout_unit(struct blackout *b, const char *ecid);
/* Appends the clean text. NUL bytes are dropped (UTF-16 becomes readable and is cleaned too), lines over 64 KiB are cut. */
bool blackout_text(struct blackout *b, struct stg_bytes text, struct stg_buf *ret, struct stg_error *err);
/* How many places were blacked out so far. */
int64_t blackout_count(const struct blackout *b);

#endif
