/*
 * catalogue.h - facts about payload types and their keys: what a row holds.
 *
 * Facts: profiles-and-certificates 2.3 to 2.5 (Apple's public description of payloads, iOS 18.1). Only what a bench meets
 * often is described key by key; of the other types we know the name, whether it needs supervision, whether one device
 * takes only one.
 */
#ifndef STAGER_PROFILES_CATALOGUE_H
#define STAGER_PROFILES_CATALOGUE_H

#include <stdint.h>

enum {
	TYPE_SUPERVISED = 1,     /* ignored or refused without supervision */
	TYPE_SINGLE = 2,         /* one per device */
	TYPE_WHOLE = 4,          /* every key is in the table below: an unknown one is ignored by the device */
};

struct type_fact {
	const char *type;
	unsigned int flags;
	const char *english, *french;   /* "Wi-Fi network", for sentences */
};

struct key_fact {
	const char *type;        /* payload type, or "eap" for EAPClientConfiguration */
	const char *key;
	char kind;               /* s text, i integer, r real, b boolean, d data, a list, D dictionary, t date */
	char flag;               /* '!' required, 'S' supervised devices only, ' ' neither */
	int64_t least, most;     /* integers; both 0: any */
	const char *values;      /* "WEP|WPA|None" or NULL */
};

extern const struct type_fact type_facts[];
extern const struct key_fact key_facts[];
const struct type_fact *type_find(const char *type);

#endif
