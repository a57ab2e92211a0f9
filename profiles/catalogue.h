/*
 * catalogue.h - payload types by the name a person knows.
 */
#ifndef STAGER_PROFILES_CATALOGUE_H
#define STAGER_PROFILES_CATALOGUE_H

struct type_fact {
	const char *type;
	const char *english, *french;   /* "a Wi-Fi network", for sentences */
};

extern const struct type_fact type_facts[];
const struct type_fact *type_find(const char *type);

#endif
