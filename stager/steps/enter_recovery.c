/*
 * enter_recovery.c - puts a device nobody can open into recovery mode, where its restore begins. Nothing is erased here. It goes when
 * the job has been parked and the worker lets go of it: a device that leaves earlier would take its job's word with it.
 *
 * For:    returned phones that are locked, trust this station, and have no kept token.
 * Uses:   the device door.
 * Called: worker/run.c. The job waits for a person, who restores it (stager restore); what follows it in the blueprint, an erase
 *         first of all, goes on when it is back.
 * Thread: the worker's only one.
 */
#include "steps.h"

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	if (!stg_device_enter_recovery(c->device, err))
		return false;
	step_acknowledged(c, json_true());
	return stg_fail_id(err, STG_E_WAITING, STG_ID_RECOVERY_READY, 0, "%s", c->identity->serial);
}

const struct stg_step stg_step_enter_recovery = {
	.name = "enter_recovery",
	.about = "puts it into recovery mode for a full restore",
	.deadline_ms = 60000,
	.needs_trust = true,
	.gate = true,
	.reads_facts = true,            /* nobody can ask it for them afterwards */
	.run = run,
};
