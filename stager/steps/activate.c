/* activate.c - activates the device through the station's relay. Without a line it waits; the blueprint goes on beside it. */
#include "steps.h"

static bool is_active(const char *state)
{
	/* apple.md 3.4: everything else means that Apple's service has yet to say yes */
	static const char *const active[] = { "Activated", "FactoryActivated", "WildcardActivated", "SoftActivation",
					      "Unlocked" };
	for (size_t i = 0; i < STG_ARRAY_LEN(active); i++)
		if (strcmp(active[i], state) == 0)
			return true;
	return false;
}

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	char state[32] = "";
	if (!stg_device_activation(c->device, state, err))
		return stg_while(err, "activation state");
	*ret = is_active(state);
	json_t *seen = json_object();
	stg_json_put(seen, "activation_state", state);
	step_reread(c, seen);
	return true;
}

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	if (!stg_device_activate(c->device, err))
		return false;
	c->changed = true;
	return true;
}

const struct stg_step stg_step_activate = {
	.name = "activate",
	.about = "activates the device; needs a line to the maker's service",
	.deadline_ms = 180000,
	.needs_trust = true,
	.proven = proven,
	.run = run,
};
