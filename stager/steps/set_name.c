/* set_name.c - gives the device its name. */
#include "steps.h"

static const struct stg_param params[] = {
	{ "name", STG_PARAM_STRING, .required = true, .variables = true,
	  .about = "such as \"{{name|asset_tag|serial}}\"" },
	{ 0 },
};

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	const char *wanted = stg_json_str(c->params, "name");
	/* the name read at the start is good enough to see that it is another one; being right is re-read */
	if ((c->ran || strcmp(c->identity->name, wanted) == 0) && !step_identify_again(c, err))
		return false;
	*ret = strcmp(c->identity->name, wanted) == 0;
	json_t *seen = json_object();
	stg_json_put(seen, "name", c->identity->name);
	step_reread(c, seen);
	return true;
}

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	const char *name = stg_json_str(c->params, "name");
	if (!*name || strlen(name) > 63)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_NAME_LENGTH, 0, "%zu", strlen(name));
	/* two devices of one name in one pile: nobody could tell them apart */
	if (c->host->claim_name && !c->host->claim_name(c->host->ctx, name, err))
		return false;
	c->changed = true;
	return stg_device_set_name(c->device, name, err);
}

const struct stg_step stg_step_set_name = {
	.name = "set_name",
	.about = "gives the device its name",
	.params = params,
	.deadline_ms = 30000,
	.needs_trust = true,
	.proven = proven,
	.run = run,
};
