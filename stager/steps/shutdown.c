/* shutdown.c - switches the device off when the job has ended: what is still to be read of it is read before. The last step of a
 * blueprint for devices that go onto a shelf. */
#include "steps.h"

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	return stg_device_shutdown(c->device, err);
}

const struct stg_step stg_step_shutdown = {
	.name = "shutdown",
	.about = "switches the device off once the job has ended",
	.deadline_ms = 60000,
	.needs_trust = true,
	.run = run,
};
