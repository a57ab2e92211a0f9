/*
 * _allow.h - where devices of this station may be taken: hosts, authorities, apps, signers, profiles.
 */
#ifndef STAGER_OPS_ALLOW_H
#define STAGER_OPS_ALLOW_H

#include <stager/op.h>

/* What an administrator put on it: [{"kind": "host", "certificate", "app", "profile", "signer", "value", "name", "note", "by", "at_ms"}], and what is
 * allowed by itself, with "by": "organisation". */
json_t *ops_allow_list(struct stg_op_ctx *c, struct stg_error *err);
/* The same for stg_profile_rogue(), with "profiles": [identifiers]; "set": has an administrator put anything on it? */
json_t *ops_allow(struct stg_op_ctx *c, struct stg_error *err);
/* Of the profiles a blueprint has pinned: what leads where nobody has allowed it, as warnings. Says nothing while the list is nobody's. */
bool ops_allow_warn(struct stg_op_ctx *c, const json_t *profiles, json_t *warnings, struct stg_error *err);
bool ops_allow_put(struct stg_op_ctx *c, const json_t *entry, struct stg_error *err);
/* STG_E_NOT_FOUND + STG_ID_ALLOW_UNKNOWN. */
bool ops_allow_remove(struct stg_op_ctx *c, const char *kind, const char *value, struct stg_error *err);

#endif
