/* restart.c - restarts the device. The attach ends with it; the next one proves that it went and came. */
#include "steps.h"

static json_t *asked(struct stg_step_ctx *c)
{
	json_t *o = json_object();
	stg_json_put_int(o, "attach", (int64_t)c->arrival->attach);
	return o;
}

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	(void)err;
	const json_t *before = json_object_get(c->proven_before ? c->proven_before : c->begun_before, "asked");
	*ret = before && stg_json_int(before, "attach", -1) != (int64_t)c->arrival->attach;
	if (*ret) {
		json_t *seen = json_object();
		stg_json_put_int(seen, "attach", (int64_t)c->arrival->attach);
		step_reread(c, seen);
	}
	return true;
}

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	if (!stg_device_restart(c->device, err))
		return false;
	step_acknowledged(c, json_true());
	c->reopen = true;
	return true;
}

const struct stg_step stg_step_restart = {
	.name = "restart",
	.about = "restarts the device and goes on when it is back",
	.deadline_ms = 60000,
	.needs_trust = true,
	.together = 16,
	.gate = true,
	.asked = asked,
	.proven = proven,
	.run = run,
};
