/*
 * _secretly.h - what the operations about keys share: secrets out of a request, an audit row, files as descriptors.
 */
#ifndef STAGER_OPS_SECRETLY_H
#define STAGER_OPS_SECRETLY_H

#include <stager/error.h>
#include <stager/op.h>

/* A text of the request as a secret. STG_E_USAGE when it is absent or longer than `most` bytes; the error names the key only. */
bool ops_secret(const json_t *in, const char *key, size_t most, struct stg_secret *ret, struct stg_error *err);
/* One audit row of a finished act; it commits with the act or not at all. `detail` is taken, may be NULL. */
bool ops_audit(struct stg_op_ctx *c, const char *verb, const char *object, json_t *detail, struct stg_error *err);
/* The file given as descriptor i, whole. `what` names it in errors, `too_large` is what a person reads of a file over the ceiling. */
bool ops_file(const struct stg_op_ctx *c, size_t i, const char *what, enum stg_id too_large, struct stg_buf *ret, struct stg_error *err);
bool ops_fd_file(int fd, const char *what, enum stg_id too_large, struct stg_buf *ret, struct stg_error *err);
/* Into the file that was given under this name (stg_op_fd), else into the answer, in base64 under `key`. */
bool ops_deliver(struct stg_op_ctx *c, const json_t *in, const char *file, json_t *out, const char *key, struct stg_bytes bytes, struct stg_error *err);
/* Puts one secret among the values of a profile, as "secret.NAME". The caller has asked whether this person may. */
bool ops_secret_value(struct stg_op_ctx *c, const char *name, json_t *values, struct stg_error *err);
/* Writes to a file the person opened and syncs it; on failure it is left empty. */
bool ops_write(int fd, struct stg_bytes what, struct stg_error *err);
/* The organisation named in `in` under "org" or "name", else the default one; STG_ID_NO_ORGANISATION. */
json_t *ops_org(struct stg_op_ctx *c, const char *name, struct stg_buf *ret_sealed, struct stg_error *err);

#endif
