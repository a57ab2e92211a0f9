/*
 * plistscan.h - what stands in front of libplist.
 *
 * libplist 2.2 recurses without a limit and expands shared references of a 204-byte file to 1 GiB. Every property
 * list from outside is scanned first: XML or binary, size, depth, expanded nodes, key, string and data lengths, no
 * DOCTYPE subset, no entities but the five, nothing after the end. No recursion, time linear in the input.
 * A pass does not mean that the values are sane, only that libplist will survive reading them.
 */
#ifndef STAGER_PLISTSCAN_H
#define STAGER_PLISTSCAN_H

#include <stager/bytes.h>

struct stg_plist_limits {
	size_t size_bytes;
	size_t depth;
	size_t nodes;           /* after shared references were expanded */
	size_t key_bytes;
	size_t string_bytes;
	size_t data_bytes;
};

extern const struct stg_plist_limits stg_plist_device;   /* 4 MiB, 64, 100,000, 1 KiB, 64 KiB, 1 MiB: a service's answer */
extern const struct stg_plist_limits stg_plist_lockdown; /* 256 KiB otherwise the same */
extern const struct stg_plist_limits stg_plist_apps;     /* 16 MiB, 400,000 nodes: an app list */
extern const struct stg_plist_limits stg_plist_profile;  /* 1 MiB, 32, 20,000: a profile a person brings */

enum stg_plist_form { STG_PLIST_XML = 1, STG_PLIST_BINARY };

/* STG_E_PROTOCOL with what was wrong and where (line for XML, byte offset for binary). */
bool stg_plist_scan(struct stg_bytes in, const struct stg_plist_limits *limits, enum stg_plist_form *ret_form,
		    struct stg_error *err);

#endif
