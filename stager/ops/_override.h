/*
 * _override.h - exceptions on papers: which rows of a batch have one.
 */
#ifndef STAGER_OPS_OVERRIDE_H
#define STAGER_OPS_OVERRIDE_H

#include <stager/op.h>

/* Puts "override": [{"id","reason","by","until_ms"}] into each row whose job was made with one, or that one holds for now. */
bool ops_put_overrides(struct stg_op_ctx *c, json_t *rows, struct stg_error *err);

#endif
