/*
 * hold.c - somebody must decide about this device.
 *
 * For:    `stager hold add|list|release`.
 * Uses:   the store.
 * Called: as operations; the station looks again at its ports after each.
 * Thread: the recorder's.
 *
 *   hold.add      {"serial"|"unit","reason","owner","until_ms","unknown":bool} -> {"v":1,"held":"serial"}; a serial number that no
 *                 list and no inventory knows is refused (a typo would hold nothing) unless "unknown" says that it is meant
 *   hold.list     {} -> {"v":1,"holds":[{id,family,unit,serial,reason,owner,code,since_ms,until_ms,job}]}; without "id": a job the station put on hold
 *   hold.release  {"serial"|"unit","why"} -> {"v":1,"released":"serial"}; the device's job goes on at its next attach
 */
#include <strings.h>

#include <stager/op.h>

static const char *device_of(const json_t *in)
{
	const char *serial = stg_json_str(in, "serial");
	return *serial ? serial : stg_json_str(in, "unit");
}

/* The serial number as the inventory or a list writes it: intake compares letter for letter. */
static bool settle_serial(struct stg_op_ctx *c, json_t *hold, struct stg_error *err)
{
	static const char *const keys[] = { "serial", "unit", "udid", "imei" };
	STG_AUTO(stg_free_at) char *typed = stg_strdup(stg_json_str(hold, "serial"));
	STG_AUTO(stg_json_free_at) json_t *found = *typed ? stg_store_find(c->store, typed, 100, err) : json_array();
	size_t i;
	json_t *one;
	if (!found)
		return false;
	json_array_foreach(found, i, one) {
		bool is_device = strcmp(stg_json_str(one, "kind"), "device") == 0 || strcmp(stg_json_str(one, "kind"), "expected") == 0;
		for (size_t k = 0; is_device && k < STG_ARRAY_LEN(keys); k++) {
			if (strcasecmp(stg_json_str(one, keys[k]), typed) != 0)
				continue;
			if (*stg_json_str(one, "serial"))
				stg_json_put(hold, "serial", stg_json_str(one, "serial"));
			return true;
		}
	}
	/* an ECID names hardware, and the flag says that it is meant */
	return !*typed || *stg_json_str(hold, "unit") || stg_json_bool(hold, "unknown", false) ||
	       stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_HOLD_STRANGER, 0, "%.64s", typed);
}

static bool add(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *hold = json_deep_copy(in);
	if (!stg_op_may(c, "technician", err) || !settle_serial(c, hold, err))
		return false;
	if (!*stg_json_str(hold, "owner"))
		stg_json_put(hold, "owner", c->actor);
	json_object_del(hold, "id");
	json_t *detail = json_object();
	stg_json_put(detail, "reason", stg_json_str(in, "reason"));
	stg_json_put(detail, "owner", stg_json_str(hold, "owner"));
	if (!stg_store_hold_add(c->store, hold, err)) {
		json_decref(detail);
		return false;
	}
	if (!stg_op_audit(c, "hold.add", device_of(hold), stg_json_str(in, "unit"), detail, err))
		return false;
	*ret = json_pack("{s:i,s:s}", "v", 1, "held", device_of(hold));
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
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "SERIAL");
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
