/* remove_app.c - takes an app off the device, with all it holds, and reads that it is gone. */
#include "steps.h"

static const struct stg_param params[] = {
	{ "app", STG_PARAM_STRING, .required = true, .variables = true, .about = "identifier of the app; what it holds goes with it" },
	{ 0 },
};

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	const char *id = stg_json_str(c->params, "app");
	json_t *there = stg_device_find_app(c->device, id, err);
	if (!there)
		return stg_while(err, "look up %.100s", id);
	*ret = !*stg_json_str(there, "bundle_id");
	if (*ret)
		step_forget_app(c, id);
	stg_json_put_bool(there, "present", !*ret);
	step_reread(c, there);
	return true;
}

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	return stg_device_remove_app(c->device, stg_json_str(c->params, "app"), err);
}

static bool check(const json_t *p, struct stg_error *err)
{
	return step_bundle_id_check(p, "app", err);
}

const struct stg_step stg_step_remove_app = {
	.name = "remove_app",
	.about = "removes an app and what it holds",
	.params = params,
	.deadline_ms = 400000,
	.needs_trust = true,
	.proven = proven,
	.run = run,
	.check = check,
};
