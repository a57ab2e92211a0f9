/*
 * _device.c - which device is meant, and is anybody there to tell.
 *
 * For:    operations on devices that are not plugged in: queue.*, device.*.
 * Uses:   the store.
 * Called: by operations, with the write connection.
 * Thread: the recorder's.
 */
#include <strings.h>

#include <stager/push.h>

#include "_device.h"

bool ops_known(struct stg_op_ctx *c, const char *word, struct stg_identity *ret, bool *ret_known, struct stg_error *err)
{
	static const char *const keys[] = { "serial", "unit", "udid", "imei", "asset_tag" };
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_inventory(c->store, word, 50, err);
	size_t i;
	json_t *row;
	*ret_known = false;
	if (!rows)
		return false;
	json_array_foreach(rows, i, row)
		for (size_t k = 0; k < STG_ARRAY_LEN(keys) && !*ret_known; k++) {
			if (strcasecmp(stg_json_str(row, keys[k]), word) != 0)
				continue;
			*ret_known = stg_store_device_find(c->store, stg_json_str_or(row, "family", "apple"), stg_json_str(row, "unit"), ret, err);
			if (!*ret_known)
				return false;
		}
	return true;
}

bool ops_takes_order(struct stg_op_ctx *c, const char *verb, bool *ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *targets = stg_store_targets(c->store, err);
	size_t i;
	json_t *one;
	*ret = false;
	json_array_foreach(targets, i, one) {
		if (!json_is_true(json_object_get(one, "enabled")) && !stg_json_int(one, "enabled", 0))
			continue;
		STG_AUTO(stg_json_free_at) json_t *connector = stg_connector_load(c->state_dir, stg_json_str(one, "connector"), NULL);
		*ret = *ret || *stg_json_str(json_object_get(connector, "orders"), verb);
	}
	return targets != NULL;
}
