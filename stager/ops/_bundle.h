/*
 * _bundle.h - the files that a bundle brings to a station: blueprints, profiles, apps.
 */
#ifndef OPS_BUNDLE_H
#define OPS_BUNDLE_H

#include <stager/bundle.h>
#include <stager/op.h>

#define BUNDLE_FILES_MAX 64

struct bundle_files {
	char name[BUNDLE_FILES_MAX][STG_TAR_NAME_MAX];
	struct stg_buf bytes[BUNDLE_FILES_MAX];
	size_t n;
};
void bundle_files_free(struct bundle_files *f);

bool bundle_files_wanted(const json_t *in);
/* in["blueprint"], in["profile"], in["app"]: lists of names as this machine knows them. */
bool bundle_files_gather(struct stg_op_ctx *c, const json_t *in, struct bundle_files *ret, struct stg_error *err);
/* Checked as if a person had put them here, then kept in the state; said["taken"] lists them. STG_ID_BUNDLE_FILE. */
bool bundle_files_take(struct stg_op_ctx *c, const struct stg_bundle *b, json_t *said, struct stg_error *err);
/* What an errno of writing to a stick means to a person. Returns false. */
bool bundle_stick_failed(struct stg_error *err, int why);

#endif
