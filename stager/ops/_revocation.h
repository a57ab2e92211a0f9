/*
 * _revocation.h - what operations that revoke certificates share.
 */
#ifndef STAGER_OPS_REVOCATION_H
#define STAGER_OPS_REVOCATION_H

#include <stager/op.h>

/* These certificates (numbers in hex) were revoked in this transaction: every receiver of evidence gets them, and the issuer's new list, through
 * the outbox. What belongs to a device the inventory does not know waits for the next hand-over list. ret_queued: messages for the outbox. */
bool ops_tell_revoked(struct stg_op_ctx *c, const json_t *numbers, int64_t *ret_queued, struct stg_error *err);
/* The list of the CA in use, DER: the one made last while nothing has changed and it is not older than an hour, else a new one. */
bool ops_crl_now(struct stg_op_ctx *c, const json_t *org, struct stg_bytes sealed, struct stg_buf *ret_der, struct stg_error *err);

#endif
