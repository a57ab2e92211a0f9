/*
 * plist.h - property lists from outside, read behind the scan, and typed looks into them.
 *
 * Nothing in this folder calls libplist's readers but apple_plist_read(). A getter on a missing key or another type gives
 * the empty answer, so that a hostile reply is at worst a reply without the field.
 */
#ifndef APPLE_PLIST_H
#define APPLE_PLIST_H

#include <plist/plist.h>

#include <stager/bytes.h>
#include <stager/error.h>
#include <stager/json.h>
#include <stager/plistscan.h>

/* NULL with STG_E_PROTOCOL when the limits are passed or it is no property list. The caller frees. */
plist_t apple_plist_read(struct stg_bytes in, const struct stg_plist_limits *limits, struct stg_error *err);
void apple_plist_free_at(plist_t *p);
/* Appends XML. */
bool apple_plist_write(plist_t p, struct stg_buf *ret, struct stg_error *err);

/* The value borrowed from the dictionary, NULL when absent or `dict` is none. */
plist_t apple_get(plist_t dict, const char *key);
plist_t apple_dict(plist_t dict, const char *key);       /* NULL unless a dictionary */
plist_t apple_array(plist_t dict, const char *key);      /* NULL unless an array */
const char *apple_str(plist_t dict, const char *key);    /* "" unless a string; borrowed */
struct stg_bytes apple_data(plist_t dict, const char *key);  /* empty unless data; borrowed */
bool apple_uint(plist_t dict, const char *key, uint64_t *ret);
bool apple_number(plist_t dict, const char *key, double *ret);    /* integer or real */
/* Booleans; integers too, as some units read AllowPairing back as 1. */
bool apple_true(plist_t dict, const char *key);
bool apple_is(plist_t node, plist_type type);

/* Building: all take over nothing but the copy. */
void apple_put_str(plist_t dict, const char *key, const char *value);
void apple_put_data(plist_t dict, const char *key, struct stg_bytes value);
void apple_put_bool(plist_t dict, const char *key, bool value);
void apple_put_uint(plist_t dict, const char *key, uint64_t value);

/* As JSON for the inventory: short data as base64, longer data (certificates) as "sha256:...", dates as RFC 3339, strings
 * made printable. New reference. */
json_t *apple_json(plist_t node);

#endif
