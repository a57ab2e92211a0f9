/*
 * escrow_unlock_token.c - keeps what will open this device when it comes back locked by a passcode nobody knows.
 *
 * For:    while there is no passcode: between supervision and hand-over, before the passcode rule.
 * Uses:   the device door, the host: the station seals the token to a recovery key that it does not hold.
 * Called: worker/run.c.
 * Thread: the worker's only one.
 *
 * A device can show nothing of it afterwards, so what is re-read is the station's own receipt.
 */
#include "steps.h"

static const struct stg_param params[] = {
	{ "optional", STG_PARAM_BOOL, .about = "true: go on where the organisation has no recovery key" },
	{ 0 },
};

static bool no_key_is_fine(const struct stg_step_ctx *c, const struct stg_error *why)
{
	return why->id == STG_ID_NO_RECOVERY_KEY && stg_json_bool(c->params, "optional", false);
}

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	struct stg_error why = { 0 };
	STG_AUTO(stg_json_free_at) json_t *now = NULL;
	const json_t *kept = c->ran ? json_object_get(c->memory, "escrow") : json_object_get(c->proven_before, "reread");
	*ret = false;
	if (!c->host->escrow)
		return true;
	if (!c->host->escrow(c->host->ctx, NULL, &now, &why)) {
		*ret = no_key_is_fine(c, &why);
		if (*ret)
			step_reread(c, json_pack("{s:s}", "recovery_key", "none"));
		if (*ret || why.id == STG_ID_NO_RECOVERY_KEY)
			return true;
		if (err)
			*err = why;
		return false;
	}
	/* one sealed to another key than today's is made anew */
	if (stg_json_int(kept, "escrow", 0) && strcmp(stg_json_str(kept, "key_sha256"), stg_json_str(now, "key_sha256")) == 0) {
		*ret = true;
		step_reread(c, json_deep_copy(kept));
	}
	return true;
}

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret token = { 0 };
	json_t *receipt = NULL;
	if (!c->host->escrow)
		return stg_fail_id(err, STG_E_HOLD, STG_ID_NO_RECOVERY_KEY, 0, "the station keeps no tokens");
	/* first whether there is a key: each token asked for voids the one before */
	if (!c->host->escrow(c->host->ctx, NULL, &receipt, err)) {
		if (no_key_is_fine(c, err)) {
			stg_error_reset(err);
			return true;
		}
		if (err->id == STG_ID_NO_RECOVERY_KEY)
			err->code = STG_E_HOLD;
		return false;
	}
	json_decref(receipt);
	receipt = NULL;
	if (!step_needs_supervision(c, err) || !stg_device_unlock_token(c->device, &token, err) ||
	    !c->host->escrow(c->host->ctx, &token, &receipt, err))
		return false;
	step_acknowledged(c, json_pack("{s:I}", "token_bytes", (json_int_t)stg_secret_reveal(&token).len));
	stg_json_put_new(c->memory, "escrow", receipt);
	return true;
}

const struct stg_step stg_step_escrow_unlock_token = {
	.name = "escrow_unlock_token",
	.about = "keeps an unlock token, sealed to the recovery key",
	.params = params,
	.deadline_ms = 60000,
	.needs_trust = true,
	.proven = proven,
	.run = run,
};
