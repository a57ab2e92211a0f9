/*
 * hold.c - somebody must decide about this device.
 *
 * For:    `stager hold add|list|release`.
 * Uses:   the store.
 * Called: as operations; the station looks again at its ports after each.
 * Thread: the recorder's.
 *
 *   hold.add      {"serial"|"unit","reason","owner","until_ms"} -> {"v":1,"held":"serial"}
 *   hold.list     {} -> {"v":1,"holds":[{id,family,unit,serial,reason,owner,code,since_ms,until_ms,job}]}; without "id": a job the station put on hold
 *   hold.release  {"serial"|"unit","why"} -> {"v":1,"released":"serial"}; the device's job goes on at its next attach
 */
#include <stager/op.h>

static const char *device_of(const json_t *in)
{
	const char *serial = stg_json_str(in, "serial");
	return *serial ? serial : stg_json_str(in, "unit");
}

static bool add(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *hold = json_deep_copy(in);
	if (!*stg_json_str(hold, "owner"))
		stg_json_put(hold, "owner", c->actor);
	json_object_del(hold, "id");
	json_t *detail = json_object();
	stg_json_put(detail, "reason", stg_json_str(in, "reason"));
	stg_json_put(detail, "owner", stg_json_str(hold, "owner"));
	if (!stg_op_may(c, "technician", err) || !stg_store_hold_add(c->store, hold, err)) {
		json_decref(detail);
		return false;
	}
	if (!stg_op_audit(c, "hold.add", device_of(in), stg_json_str(in, "unit"), detail, err))
		return false;
	*ret = json_pack("{s:i,s:s}", "v", 1, "held", device_of(in));
	return true;
}

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in;
	json_t *holds = stg_store_holds(c->store, err);
	if (!holds)
		return false;
	*ret = json_pack("{s:i,s:o}", "v", 1, "holds", holds);
	return true;
}

static bool release(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *device = device_of(in);
	if (!*device)
		return stg_fail(err, STG_E_USAGE, 0, "which device? its serial number");
	if (!stg_op_may(c, "technician", err) || !stg_store_hold_release(c->store, device, c->actor, stg_json_str(in, "why"), err))
		return false;
	json_t *detail = json_object();
	stg_json_put(detail, "why", stg_json_str(in, "why"));
	if (!stg_op_audit(c, "hold.release", device, stg_json_str(in, "unit"), detail, err))
		return false;
	*ret = json_pack("{s:i,s:s}", "v", 1, "released", device);
	return true;
}

const struct stg_op stg_ops_hold[] = {
	{ "hold.add", STG_OP_STORE, add },
	{ "hold.list", STG_OP_STORE, list },
	{ "hold.release", STG_OP_STORE, release },
	{ 0 },
};
