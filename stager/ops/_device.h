/*
 * _device.h - what operations on devices that are not plugged in share.
 */
#ifndef STAGER_OPS_DEVICE_H
#define STAGER_OPS_DEVICE_H

#include <stager/op.h>

/* The device of this serial, ECID, UDID, IMEI or tag as the inventory knows it; *ret_known false: nobody knows it. */
bool ops_known(struct stg_op_ctx *c, const char *word, struct stg_identity *ret, bool *ret_known, struct stg_error *err);
/* Does any MDM take this order? A file does not, and a connector says which it takes. */
bool ops_takes_order(struct stg_op_ctx *c, const char *verb, bool *ret, struct stg_error *err);

#endif
