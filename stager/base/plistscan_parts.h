/*
 * plistscan_parts.h - what the two halves of the property list scan share: the set of keys already seen.
 *
 * Private to stager/base/plist*.c. Threads: a value of the scan that runs.
 */
#ifndef STAGER_BASE_PLISTSCAN_PARTS_H
#define STAGER_BASE_PLISTSCAN_PARTS_H

#include <stager/error.h>
#include <stager/plistscan.h>

/* The deepest limit any caller may ask for: the scans keep one small frame a level on their own stack. */
#define PLIST_DEPTH_MAX 128

/*
 * Remembers (dictionary, key) pairs as 64-bit hashes under a secret of this scan. A false alarm needs about
 * 2^32 keys; an input cannot aim at one, nor at long probe runs, because it does not know the secret.
 */
struct plist_keys {
	uint64_t secret[2];
	uint64_t *slot;         /* 0 is empty */
	size_t cap;             /* a power of two, or 0 */
	size_t used;
};

void plist_keys_init(struct plist_keys *k);
void plist_keys_clear(struct plist_keys *k);
uint64_t plist_hash_start(const struct plist_keys *k);
uint64_t plist_hash_byte(const struct plist_keys *k, uint64_t hash, uint8_t byte);
/* False with *ret_twice set when the dictionary had this key already, false without it when there is no memory. */
bool plist_keys_add(struct plist_keys *k, uint64_t dict, uint64_t hash, bool *ret_twice, struct stg_error *err);

bool plist_scan_binary(struct stg_bytes in, const struct stg_plist_limits *limits, struct stg_error *err);
bool plist_scan_xml(struct stg_bytes in, const struct stg_plist_limits *limits, struct stg_error *err);

/* Length of the UTF-8 sequence at p (1 to 4), 0 when it is not valid: overlong, surrogate, beyond U+10FFFF, cut. */
size_t plist_utf8_len(const uint8_t *p, size_t left);

#endif
