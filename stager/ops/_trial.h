/*
 * _trial.h - what a blueprint would do to one device, worked out at a desk (dryrun.c), and in words (blueprint.c).
 */
#ifndef STAGER_OPS_TRIAL_H
#define STAGER_OPS_TRIAL_H

#include <stager/op.h>

/* `row`: the device as the inventory knows it, or its line of an order. Puts "serial" and "steps": [{"key","step","verdict":"run|skip|stop|
 * missing|unknown","text","params" as filled, secrets as stars}] into `out`. Nothing is issued, no secret is opened. */
bool ops_try_device(struct stg_op_ctx *c, json_t *blueprint, json_t *profiles, const json_t *row, bool was_seen, json_t *out, struct stg_error *err);
/* A step as a sentence, in English or French. */
void ops_step_words(const json_t *step, bool french, char *line, size_t size);
/* A device of the inventory (with its history), else its line in an order that it has not come for yet; `batch` gets the name of its
 * newest order, "" for none. STG_E_NOT_FOUND + STG_ID_UNKNOWN_DEVICE. */
json_t *ops_device_or_row(struct stg_op_ctx *c, const char *serial, char *batch, size_t size, bool *ret_seen, struct stg_error *err);
/* What a batch is done with: as pinned, else as the files are now. A copy of one's own. */
json_t *ops_batch_blueprint(struct stg_op_ctx *c, const char *batch, struct stg_error *err);
/* The person's file (a descriptor) or a name: the text, and where it was found. */
bool ops_blueprint_text(struct stg_op_ctx *c, const json_t *in, struct stg_buf *ret, char *path, size_t size, struct stg_error *err);

#endif
