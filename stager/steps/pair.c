/* pair.c - the device trusts this station; supervised by us: without a tap. */
#include "steps.h"

static const struct stg_param params[] = {
	{ "keep_trust", STG_PARAM_BOOL, .about = "true: other programs on this station may use the pairing too" },
	{ 0 },
};

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	enum stg_trust t = STG_TRUST_NONE;
	*ret = false;
	if (!stg_device_trust(c->device, &t, err)) {
		if (!step_is_absent(err))
			return false;
		stg_error_reset(err);
		t = STG_TRUST_OURS;     /* a family without pairing */
	}
	*ret = t == STG_TRUST_OURS;
	json_t *seen = json_object();
	stg_json_put(seen, "trust", t == STG_TRUST_OURS ? "ours" : t == STG_TRUST_LOCKED ? "locked" : "none");
	stg_json_put_bool(seen, "session_opens", *ret);
	step_reread(c, seen);
	return true;
}

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	if (!stg_device_pair(c->device, err))
		return false;
	c->changed = true;
	/* serial and IMEI can be read only now */
	return step_identify_again(c, err) || stg_while(err, "after pairing");
}

const struct stg_step stg_step_pair = {
	.name = "pair",
	.about = "makes the device trust this station",
	.params = params,
	.deadline_ms = 180000,
	.gate = true,
	.proven = proven,
	.run = run,
};
