/* _order.h - warnings about profiles in an order that cannot hold. */
#ifndef OPS_ORDER_H
#define OPS_ORDER_H

#include <stager/json.h>
#include <stager/error.h>

/* Adds a sentence per mistake to `warnings`. */
bool ops_warn_order(const json_t *blueprint, const json_t *pinned, json_t *warnings, struct stg_error *err);

#endif
