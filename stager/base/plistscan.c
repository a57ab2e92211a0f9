/*
 * plistscan.c - decides whether libplist may see a property list.
 *
 * For:    every reader of property lists from a device, a file or a server.
 * Uses:   plistbin.c and plistxml.c for the two forms.
 * Called: in front of each plist_from_memory(), by the apple and virtual drivers and by profiles.
 * Thread: any; nothing is shared.
 */
#include <stdlib.h>

#include <stager/ids.h>

#include "plistscan_parts.h"

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

const struct stg_plist_limits stg_plist_device = {
	.size_bytes = 4 * MIB, .depth = 64, .nodes = 100000, .key_bytes = KIB, .string_bytes = 64 * KIB, .data_bytes = MIB,
};
const struct stg_plist_limits stg_plist_lockdown = {
	.size_bytes = 256 * KIB, .depth = 64, .nodes = 100000, .key_bytes = KIB, .string_bytes = 64 * KIB, .data_bytes = MIB,
};
const struct stg_plist_limits stg_plist_apps = {
	.size_bytes = 16 * MIB, .depth = 64, .nodes = 400000, .key_bytes = KIB, .string_bytes = 64 * KIB, .data_bytes = MIB,
};
const struct stg_plist_limits stg_plist_profile = {
	.size_bytes = MIB, .depth = 32, .nodes = 20000, .key_bytes = KIB, .string_bytes = 64 * KIB, .data_bytes = MIB,
};

void plist_keys_init(struct plist_keys *k)
{
	*k = (struct plist_keys){ 0 };
	stg_random(k->secret, sizeof(k->secret));
	k->secret[1] |= 1;
}

void plist_keys_clear(struct plist_keys *k)
{
	free(k->slot);
	k->slot = NULL;
	k->cap = k->used = 0;
}

static uint64_t fold(uint64_t a, uint64_t b)
{
	__extension__ typedef unsigned __int128 wide;
	wide product = (wide)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t plist_hash_start(const struct plist_keys *k)
{
	return k->secret[0];
}

uint64_t plist_hash_byte(const struct plist_keys *k, uint64_t hash, uint8_t byte)
{
	return fold(hash ^ byte ^ k->secret[0], k->secret[1]) + byte;
}

static void place(uint64_t *slot, size_t cap, uint64_t value)
{
	size_t at = (size_t)value & (cap - 1);
	while (slot[at] && slot[at] != value)
		at = (at + 1) & (cap - 1);
	slot[at] = value;
}

bool plist_keys_add(struct plist_keys *k, uint64_t dict, uint64_t hash, bool *ret_twice, struct stg_error *err)
{
	*ret_twice = false;
	if (k->used * 2 >= k->cap) {
		size_t cap = k->cap ? k->cap * 2 : 64;
		uint64_t *slot = calloc(cap, sizeof(*slot));
		if (!slot)
			return stg_fail(err, STG_E_NOMEM, 0, "no memory to check a property list's keys");
		for (size_t i = 0; i < k->cap; i++)
			if (k->slot[i])
				place(slot, cap, k->slot[i]);
		free(k->slot);
		k->slot = slot;
		k->cap = cap;
	}
	uint64_t value = fold(hash ^ fold(dict + 1, k->secret[1]), k->secret[0] | 1);
	if (value == 0)
		value = 1;
	size_t at = (size_t)value & (k->cap - 1);
	while (k->slot[at]) {
		if (k->slot[at] == value) {
			*ret_twice = true;
			return false;
		}
		at = (at + 1) & (k->cap - 1);
	}
	k->slot[at] = value;
	k->used++;
	return true;
}

size_t plist_utf8_len(const uint8_t *p, size_t left)
{
	uint8_t first = p[0];
	if (first < 0x80)
		return 1;
	size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	if (first < 0xc2 || first > 0xf4 || len > left)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* the second byte tells overlong forms, surrogates and what lies beyond U+10FFFF */
	if ((first == 0xe0 && p[1] < 0xa0) || (first == 0xed && p[1] > 0x9f) || (first == 0xf0 && p[1] < 0x90) ||
	    (first == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

bool stg_plist_scan(struct stg_bytes in, const struct stg_plist_limits *limits, enum stg_plist_form *ret_form,
		    struct stg_error *err)
{
	if (in.len > limits->size_bytes)
		return stg_fail(err, STG_E_PROTOCOL, 0, "property list of %zu bytes, at most %zu are read", in.len,
				limits->size_bytes);
	if (limits->depth > PLIST_DEPTH_MAX)
		return stg_fail(err, STG_E_BUG, 0, "property list depth limit %zu is over %d", limits->depth, PLIST_DEPTH_MAX);
	if (in.len < 8)
		return stg_fail(err, STG_E_PROTOCOL, 0, "%zu bytes are no property list", in.len);
	enum stg_plist_form form = memcmp(in.data, "bplist", 6) == 0 ? STG_PLIST_BINARY : STG_PLIST_XML;
	if (!(form == STG_PLIST_BINARY ? plist_scan_binary(in, limits, err) : plist_scan_xml(in, limits, err)))
		return stg_while(err, "property list");
	if (ret_form)
		*ret_form = form;
	return true;
}
