/*
 * _profile.h - what the operations on profiles share.
 */
#ifndef STAGER_OPS_PROFILE_H
#define STAGER_OPS_PROFILE_H

#include <stager/op.h>

/* Letters, digits, dots, dashes; at most 63. STG_ID_PROFILE_NAME_WRONG. */
bool ops_profile_name_ok(const char *name, struct stg_error *err);
/* A profile by its name, as a blueprint would find it: the state's, the site's, a built-in one. STG_ID_PROFILE_UNKNOWN. */
bool ops_profile_named(const char *state_dir, const char *name, struct stg_buf *ret, char *ret_path, size_t size, struct stg_error *err);
/* PEM texts of those whose signature counts: the organisations of this station, and certificates an administrator put into signers/. */
json_t *ops_profile_signers(struct stg_op_ctx *c);

#endif
