/*
 * ca_i.h - what the files of this room share. Nobody else includes it.
 */
#ifndef STAGER_CA_I_H
#define STAGER_CA_I_H

#include <stager/ca.h>

/* A template filled in for one device: what stg_leaf_issue() and stg_leaf_sign() want. `filled` holds the texts `ask` points into. */
struct ca_filled {
	json_t *filled;
	struct stg_leaf_ask ask;
};
bool ca_fill(struct stg_store *s, const json_t *org, const struct stg_ca_for *whom, struct ca_filled *ret, struct stg_error *err);
void ca_filled_clear(struct ca_filled *f);
#endif
