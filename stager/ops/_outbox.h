/* _outbox.h - what waits to be told, and why. */
#ifndef STAGER_OPS_OUTBOX_H
#define STAGER_OPS_OUTBOX_H

#include <stager/op.h>

/* The store's summary; each target that is left alone has the "code" of why. */
json_t *ops_outbox_summary(struct stg_op_ctx *c, struct stg_error *err);

#endif
