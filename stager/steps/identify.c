/* identify.c - reads who the device is and compares it with the job. Read only. */
#include "steps.h"

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	/* the serial is invisible before pairing; what was read in this attach is not read again */
	if (!c->identity->unit[0] && !stg_device_identify(c->device, c->identity, err))
		return stg_while(err, "identify");
	json_t *seen = stg_identity_json(c->identity);
	step_reread(c, seen);
	if (c->job->identity.unit[0] && !stg_identity_same(&c->job->identity, c->identity))
		return stg_fail_id(err, STG_E_HOLD, STG_ID_OTHER_DEVICE, 0, "the job is for unit %s, unit %s answers",
				   c->job->identity.unit, c->identity->unit);
	*ret = true;
	return true;
}

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	bool same = false;
	return proven(c, &same, err);
}

const struct stg_step stg_step_identify = {
	.name = "identify",
	.about = "reads who the device is",
	.deadline_ms = 60000,
	.gate = true,
	.proven = proven,
	.run = run,
};
