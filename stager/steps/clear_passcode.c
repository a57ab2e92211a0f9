/*
 * clear_passcode.c - takes the passcode off a device of ours that came back locked.
 *
 * For:    the returned phone nobody can open. Its unlock token was sealed at staging; two persons and the recovery key open it
 *         (stager unlock), and only then the station gives it to this step, once.
 * Uses:   the device door, the host.
 * Called: worker/run.c.
 * Thread: the worker's only one.
 */
#include "steps.h"

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	*ret = false;
	STG_AUTO(stg_json_free_at) json_t *now = stg_device_security_info(c->device, err);
	if (!now)
		return stg_while(err, "has it a passcode");
	const json_t *set = json_object_get(now, "passcode_present");
	*ret = json_is_false(set);
	step_reread(c, stg_steal(now));
	return true;
}

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret token = { 0 };
	if (!c->host->unlock_token)
		return stg_fail_id(err, STG_E_HOLD, STG_ID_UNLOCK_NOT_OPENED, 0, "the station gives no tokens");
	if (!c->host->unlock_token(c->host->ctx, &token, err))
		return false;
	c->changed = true;
	return stg_device_clear_passcode(c->device, &token, err);
}

const struct stg_step stg_step_clear_passcode = {
	.name = "clear_passcode",
	.about = "clears the passcode with the token two persons opened",
	.deadline_ms = 180000,
	.needs_trust = true,
	.gate = true,
	.proven = proven,
	.run = run,
};
