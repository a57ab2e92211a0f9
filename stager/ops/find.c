/*
 * find.c - find anything by any word of it, and the census.
 *
 * For:    `stager find TEXT`, `stager census`.
 * Uses:   the store.
 * Called: as operations.
 * Thread: the recorder's.
 *
 *   find    {"text","limit"} -> {"v":1,"found":[{"kind":"device","serial","unit","udid","imei","model_name","name","asset_tag","ownership","batch","job","state","end"}
 *           | {"kind":"expected","batch","batch_state","line","serial",...} | {"kind":"batch","batch","blueprint","state"}
 *           | {"kind":"certificate","serial_hex","subject","serial","status","not_after_ms"} | {"kind":"record","record_id","seq","end","at_ms","job","serial"}
 *           | {"kind":"job","job","state","end","blueprint","serial","batch"}]}
 *           Every word typed must begin a word of the thing, or end a number of it (the last four digits of a serial).
 *   census  {"since_ms"} -> {"v":1,"devices":[inventory rows seen since then],"summary":{"devices","by_model":{"iPhone 13":4},"by_os":{"17.6.1":3}}}
 */
#include <stager/op.h>

#define CENSUS_MAX 5000            /* rows one message holds; the summary counts all (of the first 100,000) */

static bool find(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	json_t *found = stg_store_find(c->store, stg_json_str(in, "text"), stg_json_int(in, "limit", 100), err);
	if (!found)
		return false;
	*ret = json_pack("{s:i,s:o}", "v", 1, "found", found);
	return true;
}

static void count(json_t *into, const char *key)
{
	if (*key)
		stg_json_put_int(into, key, stg_json_int(into, key, 0) + 1);
}

static bool census(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *all = stg_store_inventory(c->store, "", 0, err);
	if (!all)
		return false;
	int64_t since = stg_json_int(in, "since_ms", 0);
	json_t *devices = json_array(), *models = json_object(), *systems = json_object(), *one;
	size_t i;
	int64_t seen = 0;
	json_array_foreach(all, i, one) {
		/* what was only typed in was never seen */
		if (strcmp(stg_json_str(one, "family"), "scan") == 0 || stg_json_int(one, "last_seen_ms", 0) < since)
			continue;
		seen++;
		count(models, stg_json_str_or(one, "model_name", stg_json_str(one, "model")));
		count(systems, stg_json_str(one, "os_version"));
		if (json_array_size(devices) < CENSUS_MAX)
			json_array_append(devices, one);
	}
	*ret = json_pack("{s:i,s:{s:I,s:o,s:o}}", "v", 1, "summary", "devices", (json_int_t)seen, "by_model", models, "by_os", systems);
	stg_json_put_new(*ret, "devices", devices);
	return true;
}

const struct stg_op stg_ops_find[] = {
	{ "find", STG_OP_STORE, find },
	{ "census", STG_OP_STORE, census },
	{ 0 },
};
