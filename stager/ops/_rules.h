/* _rules.h - the payload rules a station keeps beside the shipped ones. */
#ifndef STAGER_OPS_RULES_H
#define STAGER_OPS_RULES_H

#include <stager/payload.h>
#include <stager/op.h>

/* Those imported into this state; NULL: none, or none that can be read. The caller frees them. */
struct stg_profile_rules *ops_profile_rules_kept(const char *state_dir);
/* The same where they are newer than the shipped ones; NULL: the shipped ones count. */
struct stg_profile_rules *ops_profile_rules(const char *state_dir);

/* Keeps a table that came from elsewhere, once it is read without fault. Audited. */
bool ops_profile_rules_keep(struct stg_op_ctx *c, struct stg_bytes table, struct stg_error *err);

#endif
