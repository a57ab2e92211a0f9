/*
 * image.c - the catalogue of system images.
 *
 * For:    cmd/image.c.
 * Uses:   <stager/images.h>.
 * Called: as operations.
 * Thread: the recorder's; a file is copied and read where no writer waits.
 *
 *   image.add     {"file"} with a descriptor -> the row
 *   image.list    {} -> {"v":1,"images":[rows, with "mark" (the hash's beginning)]}
 *   image.remove  {"image"}: version, build or the beginning of a hash -> {"v":1,"removed":sha256}
 */
#include <stdlib.h>
#include <string.h>

#include <stager/images.h>
#include <stager/op.h>

struct adding {
	char file[256], by[64];
};

static bool add_outside(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const struct adding *a = c->carry;
	*ret = stg_image_add(c->state_dir, stg_op_fd(c, in, "file", 0), a->file, a->by, err);
	if (*ret)
		stg_json_put_int(*ret, "v", 1);
	return *ret ? true : stg_while(err, "%.100s", a->file);
}

static bool add(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *file = stg_json_str_or(in, "file", "image"), *slash = strrchr(file, '/');
	(void)ret;
	if (stg_op_fd(c, in, "file", 0) < 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "FILE");
	if (!stg_op_may(c, "lead", err) || !stg_op_audit(c, "image.add", slash ? slash + 1 : file, NULL, NULL, err))
		return false;
	struct adding *a = stg_calloc(1, sizeof(*a));
	stg_copy(a->file, sizeof(a->file), slash ? slash + 1 : file);
	stg_copy(a->by, sizeof(a->by), c->actor);
	c->carry = a;
	c->carry_free = free;
	c->outside = add_outside;
	return true;
}

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	json_t *rows = stg_image_list(c->state_dir, err), *row;
	size_t i;
	(void)in;
	if (!rows)
		return false;
	json_array_foreach(rows, i, row)
		stg_json_put_new(row, "mark", json_stringn(stg_json_str(row, "sha256"), 8));
	*ret = json_pack("{s:i, s:o}", "v", 1, "images", rows);
	return true;
}

static bool remove_one(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *row = stg_image_find(c->state_dir, "", stg_json_str(in, "image"), err);
	if (!row || !stg_op_may(c, "lead", err) || !stg_op_audit(c, "image.remove", stg_json_str(row, "sha256"), NULL, NULL, err) ||
	    !stg_image_remove(c->state_dir, stg_json_str(row, "sha256"), err))
		return false;
	*ret = json_pack("{s:i, s:s}", "v", 1, "removed", stg_json_str(row, "sha256"));
	return true;
}

const struct stg_op stg_ops_image[] = {
	{ "image.add", STG_OP_STORE, add },
	{ "image.list", STG_OP_STORE, list },
	{ "image.remove", STG_OP_STORE, remove_one },
	{ 0 },
};
