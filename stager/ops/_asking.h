/* _asking.h - a stored target, and asking it something without holding up the writer. */
#ifndef OPS_ASKING_H
#define OPS_ASKING_H

#include <stager/op.h>
#include <stager/push.h>

#define OPS_TARGET_PURPOSE "target"     /* what its credentials are sealed for */

/* The stored target; ret (may be NULL) gets its credentials, an empty secret when it has none. STG_ID_TARGET_UNKNOWN. */
json_t *ops_target(struct stg_op_ctx *c, const char *name, struct stg_secret *ret, struct stg_error *err);
/* For an operation that asks the target in its outside() half: everything that half needs goes along in c->carry. STG_E_WAITING when
 * the line is closed and the target is no file. */
bool ops_asking(struct stg_op_ctx *c, const char *name, struct stg_error *err);
struct stg_push_door ops_asking_door(const struct stg_op_ctx *c);

#endif
