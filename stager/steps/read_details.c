/*
 * read_details.c - what an inventory wants to know and no other step needs: battery health, what is installed, signs of a jailbreak.
 *
 * For:    a census, an inventory, a phone that comes back. Reads only; asks nobody to trust anything.
 * Uses:   facts, details.
 * Called: worker/run.c; what was read goes with the facts into the inventory and the record.
 * Thread: the worker's only one.
 *
 * Evidence "reread": {"read": n, "not_readable": [names of facts.h]}. What a device does not tell is named, never left out.
 */
#include "steps.h"

static const struct stg_param params[] = {
	{ "apps", STG_PARAM_BOOL, .about = "false: not which apps are there, which may say much about a person (default true)" },
	{ "owner", STG_PARAM_BOOL, .about = "true: also what only its supervisor may ask: passcode, encryption, certificates (default false)" },
	{ 0 },
};

static bool read_owner(struct stg_step_ctx *c, json_t *facts, struct stg_error *err)
{
	struct stg_error why = { 0 };
	STG_AUTO(stg_json_free_at) json_t *more = stg_device_owner_facts(c->device, &why);
	if (more)
		json_object_update(facts, more);
	if (!more && (why.code == STG_E_GONE || why.code == STG_E_TIMEOUT || why.code == STG_E_CANCELLED))
		return *err = why, stg_while(err, "what only its supervisor may read");
	return true;
}

static bool read_all(struct stg_step_ctx *c, struct stg_error *err)
{
	unsigned int what = STG_DETAIL_ALL & ~(stg_json_bool(c->params, "apps", true) ? 0u : (unsigned int)STG_DETAIL_APPS);
	STG_AUTO(stg_json_free_at) json_t *facts = stg_device_facts(c->device, err);
	if (!facts || (stg_json_bool(c->params, "owner", false) && stg_json_bool(facts, STG_FACT_OURS, false) && !read_owner(c, facts, err)))
		return stg_while(err, "read facts");
	STG_AUTO(stg_json_free_at) json_t *more = stg_device_details(c->device, what, err);
	if (!more && !step_is_absent(err))
		return stg_while(err, "read details");
	stg_error_reset(err);
	/* facts that are read again later in this attach do not bring these along */
	if (more) {
		json_object_update(facts, more);
		json_object_set(c->memory, "details", more);
	}
	step_reread(c, json_pack("{s:I, s:o}", "read", (json_int_t)json_object_size(facts), "not_readable", stg_facts_missing(facts)));
	json_decref(c->fresh_facts);
	c->fresh_facts = stg_steal(facts);
	return true;
}

/* Reading is the whole step: there is nothing to begin. */
static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	*ret = read_all(c, err);
	return *ret;
}

const struct stg_step stg_step_read_details = {
	.name = "read_details",
	.about = "reads what an inventory wants: battery health, what is installed, signs of a jailbreak; changes nothing",
	.params = params,
	.deadline_ms = 120000,
	.proven = proven,
	.run = read_all,
};
