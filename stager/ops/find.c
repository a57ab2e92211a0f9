/*
 * find.c - find anything by any word of it.
 *
 * For:    `stager find TEXT`.
 * Uses:   the store.
 * Called: as operations.
 * Thread: the recorder's.
 *
 *   find    {"text","limit"} -> {"v":1,"found":[{"kind":"device","serial","unit","udid","imei","model_name","name","asset_tag","ownership","batch","job","state","end"}
 *           | {"kind":"expected","batch","batch_state","line","serial",...} | {"kind":"batch","batch","blueprint","state"}
 *           | {"kind":"certificate","serial_hex","subject","serial","status","not_after_ms"} | {"kind":"record","record_id","seq","end","at_ms","job","serial"}
 *           | {"kind":"job","job","state","end","blueprint","serial","batch"}]}
 *           Every word typed must begin a word of the thing, or end a number of it (the last four digits of a serial).
 */
#include <stager/op.h>

static bool find(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	json_t *found = stg_store_find(c->store, stg_json_str(in, "text"), stg_json_int(in, "limit", 100), err);
	if (!found)
		return false;
	*ret = json_pack("{s:i,s:o}", "v", 1, "found", found);
	return true;
}

const struct stg_op stg_ops_find[] = {
	{ "find", STG_OP_STORE, find },
	{ 0 },
};
