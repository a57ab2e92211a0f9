/* verify.c - reads everything once more at the end: what this job installed is there, the device is as it should be. */
#include "steps.h"

static const struct stg_param params[] = {
	{ "supervised", STG_PARAM_BOOL, .about = "true: must be supervised by us" },
	{ "activated", STG_PARAM_BOOL, .about = "true: must be activated" },
	{ "name", STG_PARAM_STRING, .variables = true, .about = "must have this name" },
	{ "profiles", STG_PARAM_LIST,
	  .about = "identifiers of profiles that must be there, besides those of this blueprint" },
	{ "apps", STG_PARAM_LIST, .about = "identifiers of apps that must be there, besides those of this blueprint" },
	{ 0 },
};

static void missing(json_t *list, const char *what)
{
	json_array_append_new(list, json_string(what));
}

static bool look_at_profiles(struct stg_step_ctx *c, json_t *lacks, json_t *seen, struct stg_error *err)
{
	const json_t *expected = step_expected_profiles(c), *asked = json_object_get(c->params, "profiles");
	const char *key;
	json_t *one;
	size_t found = 0;
	if (!json_object_size(expected) && !json_array_size(asked))
		return true;
	const json_t *list = step_profiles(c, true, err);
	if (!list)
		return false;
	json_object_foreach((json_t *)(uintptr_t)expected, key, one) {
		const char *id = stg_json_str(one, "identifier");
		if (stg_json_bool(one, "stored", false))
			continue;       /* was compared byte by byte by its own step */
		if (step_profile_in(list, id, stg_json_str(one, "uuid"), stg_json_int(one, "version", 0)))
			found++;
		else
			missing(lacks, id);
	}
	for (size_t i = 0; i < json_array_size(asked); i++) {
		const char *id = json_string_value(json_array_get(asked, i));
		if (step_profile_in(list, id, "", 0))
			found++;
		else
			missing(lacks, id);
	}
	stg_json_put_int(seen, "profiles_found", (int64_t)found);
	return true;
}

/* Are they there, all of them? Two apps or two hundred are one list. */
static bool look_at_apps(struct stg_step_ctx *c, json_t *lacks, json_t *seen, struct stg_error *err)
{
	const json_t *expected = step_expected_apps(c), *asked = json_object_get(c->params, "apps");
	STG_AUTO(stg_json_free_at) json_t *wanted = json_object(), *there = json_object();
	const char *id;
	json_t *one;
	size_t i, found = 0;
	json_object_update(wanted, (json_t *)(uintptr_t)expected);
	json_array_foreach((json_t *)(uintptr_t)asked, i, one)
		if (json_is_string(one) && !json_object_get(wanted, json_string_value(one)))
			json_object_set_new(wanted, json_string_value(one), json_string(""));
	if (!json_object_size(wanted))
		return true;
	STG_AUTO(stg_json_free_at) json_t *list = stg_device_list_apps(c->device, err);
	if (!list)
		return stg_while(err, "list apps");
	json_array_foreach(list, i, one)
		stg_json_put(there, stg_json_str(one, "bundle_id"), stg_json_str_or(one, "version", "?"));
	json_object_foreach(wanted, id, one) {
		const char *version = stg_json_str(there, id);
		if (*version && (!*json_string_value(one) || strcmp(version, json_string_value(one)) == 0))
			found++;
		else
			missing(lacks, id);
	}
	stg_json_put_int(seen, "apps_found", (int64_t)found);
	return true;
}

static void look_at_flag(struct stg_step_ctx *c, const json_t *facts, const char *param, const char *fact,
			 json_t *lacks, json_t *seen)
{
	const json_t *wanted = json_object_get(c->params, param);
	const json_t *is = json_object_get(facts, fact);
	if (is)
		stg_json_put_new(seen, fact, json_incref((json_t *)(uintptr_t)is));
	if (wanted && (!json_is_boolean(is) || json_is_true(is) != json_is_true(wanted)))
		missing(lacks, param);
}

static bool look(struct stg_step_ctx *c, json_t *lacks, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *seen = json_object();
	STG_AUTO(stg_json_free_at) json_t *facts = NULL;
	if (json_object_get(c->params, "supervised") || json_object_get(c->params, "activated")) {
		facts = stg_device_facts(c->device, err);
		if (!facts)
			return stg_while(err, "read facts");
		json_decref(c->fresh_facts);
		c->fresh_facts = json_incref(facts);
		look_at_flag(c, facts, "supervised", STG_FACT_OURS, lacks, seen);
		look_at_flag(c, facts, "activated", STG_FACT_ACTIVATED, lacks, seen);
	}
	const char *name = stg_json_str(c->params, "name");
	if (*name) {
		struct stg_identity now = { 0 };
		if (!stg_device_identify(c->device, &now, err))
			return stg_while(err, "read its name");
		stg_json_put(seen, "name", now.name);
		if (strcmp(now.name, name) != 0)
			missing(lacks, "name");
	}
	if (!look_at_profiles(c, lacks, seen, err) || !look_at_apps(c, lacks, seen, err))
		return false;
	if (json_array_size(lacks))
		stg_json_put_new(seen, "missing", json_incref(lacks));
	step_reread(c, stg_steal(seen));
	return true;
}

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *lacks = json_array();
	*ret = false;
	if (c->waits)
		return true;    /* run() says so */
	if (!look(c, lacks, err))
		return false;
	*ret = json_array_size(lacks) == 0;
	return true;
}

/* Reading is the whole step; it gets here only when something is missing. */
static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *lacks = json_array();
	if (c->waits)
		return stg_fail_id(err, STG_E_WAITING, STG_ID_WAITS_EARLIER, 0, "earlier steps wait");
	if (!look(c, lacks, err))
		return false;
	if (!json_array_size(lacks))
		return true;
	return stg_fail_id(err, STG_E_REFUSED, STG_ID_VERIFY_FAILED, 0, "missing: %.100s and %zu more",
			   json_string_value(json_array_get(lacks, 0)), json_array_size(lacks) - 1);
}

const struct stg_step stg_step_verify = {
	.name = "verify",
	.about = "reads everything once more and compares",
	.params = params,
	.deadline_ms = 60000,
	.needs_trust = true,
	.proven = proven,
	.run = run,
};
