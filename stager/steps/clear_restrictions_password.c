/* clear_restrictions_password.c - takes the separate code of Screen Time off a device of ours. The device does not tell whether
 * there was one: acknowledged is all the evidence there is. */
#include "steps.h"

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	return step_needs_supervision(c, err) && stg_device_clear_restrictions_password(c->device, err);
}

const struct stg_step stg_step_clear_restrictions_password = {
	.name = "clear_restrictions_password",
	.about = "clears the Screen Time code of a supervised device",
	.deadline_ms = 60000,
	.needs_trust = true,
	.run = run,
};
