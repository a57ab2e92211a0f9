/*
 * _scep.h - what the operations scep.* share.
 */
#ifndef STAGER_OPS_SCEP_H
#define STAGER_OPS_SCEP_H

#include <stager/error.h>
#include <stager/op.h>
#include <stager/scep.h>

struct scep_settings {
	char listen[80], url[256], org[80];
	enum stg_scep_old old;
	bool ra_only;              /* GetCACert shows the authority alone: for clients that encrypt to all they see */
	int64_t minutes;
};
bool scep_settings(struct stg_op_ctx *c, struct scep_settings *ret, struct stg_error *err);
/* A word of 32 letters for one device, kept as its hash. `row`: {"device_serial","template","org","via","vars"}. */
bool scep_challenge_make(struct stg_op_ctx *c, const json_t *row, int64_t minutes, char ret[33], int64_t *ret_expires_ms, struct stg_error *err);

#endif
