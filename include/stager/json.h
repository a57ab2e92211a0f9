/*
 * json.h - small words around jansson, which is our JSON.
 *
 * json_t values travel between rooms as they are; who receives one through `ret` owns a reference.
 * What a freed value held is wiped. A text made of one is the caller's: where it may hold a secret, cleanse it before free().
 */
#ifndef STAGER_JSON_H
#define STAGER_JSON_H

#include <jansson.h>
#include <stager/bytes.h>

struct stg_error;

void stg_json_free_at(json_t **j);               /* for STG_AUTO */
/* Never NULL: "" or the fallback when the key is absent or of another type. */
const char *stg_json_str(const json_t *obj, const char *key);
const char *stg_json_str_or(const json_t *obj, const char *key, const char *fallback);
int64_t stg_json_int(const json_t *obj, const char *key, int64_t fallback);
bool stg_json_bool(const json_t *obj, const char *key, bool fallback);
/* Sets or, for NULL or "", leaves out. Aborts without memory. */
void stg_json_put(json_t *obj, const char *key, const char *value);
void stg_json_put_int(json_t *obj, const char *key, int64_t value);
void stg_json_put_bool(json_t *obj, const char *key, bool value);
/* Takes the reference. */
void stg_json_put_new(json_t *obj, const char *key, json_t *value);
/* One line, sorted keys: the canonical text for hashing and storing. The caller frees. */
char *stg_json_text(const json_t *j);
/* At most `max` bytes, depth 64 and 500,000 values, no key twice, else STG_E_PROTOCOL. */
json_t *stg_json_parse(struct stg_bytes text, size_t max, struct stg_error *err);
/* Carries an error over a socket and back: {"code","id","origin","msg"}. */
json_t *stg_json_from_error(const struct stg_error *err);
bool stg_json_to_error(const json_t *j, struct stg_error *err);  /* returns false, like stg_fail */

#endif
