/*
 * remove_profile.c - takes a configuration profile off the device and reads that it is gone.
 *
 * For:    what a device needed only on the bench, and what an earlier owner's blueprint left.
 * Uses:   the device door, which says the words that fit: as supervisor, or with the property list others need.
 * Called: worker/run.c.
 * Thread: the worker's only one.
 *
 * Facts:  apple.md 4.4: a profile that may not be removed is acknowledged and kept; so the list decides, never the answer.
 */
#include "steps.h"

static const struct stg_param params[] = {
	{ "identifier", STG_PARAM_STRING, .required = true, .variables = true, .about = "the profile's PayloadIdentifier" },
	{ "may_stay", STG_PARAM_BOOL, .about = "true: one the device keeps is told, the device goes on (default no)" },
	{ 0 },
};

static bool look(struct stg_step_ctx *c, bool afresh, bool *ret_gone, struct stg_error *err)
{
	const json_t *list = step_profiles(c, afresh, err), *found;
	json_t *seen = json_object();
	if (!list) {
		json_decref(seen);
		return false;
	}
	found = step_profile_in(list, stg_json_str(c->params, "identifier"), "", 0);
	*ret_gone = !found;
	stg_json_put_bool(seen, "listed", found != NULL);
	if (found) {
		stg_json_put(seen, "name", stg_json_str(found, "name"));
		stg_json_put_bool(seen, "removal_disallowed", stg_json_bool(found, "removal_disallowed", false));
	}
	step_reread(c, seen);
	return true;
}

static bool was_left(const struct stg_step_ctx *c)
{
	return json_is_true(json_object_get(json_object_get(c->evidence, "acknowledged"), "kept"));
}

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	if (!look(c, c->ran, ret, err))
		return false;
	if (*ret)
		step_forget_expected(c, stg_json_str(c->params, "identifier"));
	*ret = *ret || was_left(c);
	return true;
}

/* Did this job itself put it there, for a step that has not been done yet? */
static bool is_still_wanted(struct stg_step_ctx *c)
{
	const json_t *all = step_expected_profiles(c);
	const char *key;
	json_t *one;
	json_object_foreach((json_t *)(uintptr_t)all, key, one)
		if (c->waits && strcmp(stg_json_str(one, "identifier"), stg_json_str(c->params, "identifier")) == 0)
			return true;
	return false;
}

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	if (is_still_wanted(c))
		return stg_fail_id(err, STG_E_WAITING, STG_ID_WAITS_EARLIER, 0, "an earlier step waits and may need this profile");
	bool removed = stg_device_remove_profile(c->device, stg_json_str(c->params, "identifier"), err);
	json_object_del(c->memory, "profiles");
	if (removed || err->id != STG_ID_PROFILE_KEPT || !stg_json_bool(c->params, "may_stay", false))
		return removed;
	json_t *ack = json_object();
	stg_json_put_bool(ack, "kept", true);
	step_acknowledged(c, ack);
	stg_error_reset(err);
	return true;
}

static bool check(const json_t *p, struct stg_error *err)
{
	const char *id = stg_json_str(p, "identifier");
	return (*id && strlen(id) < 256 && !strpbrk(id, " \t/<>")) ||
	       stg_fail(err, STG_E_INPUT, 0, "'%.60s' is not an identifier, expected one such as org.example.wifi", id);
}

const struct stg_step stg_step_remove_profile = {
	.name = "remove_profile",
	.about = "removes a configuration profile and reads that it is gone",
	.params = params,
	.deadline_ms = 200000,
	.needs_trust = true,
	.proven = proven,
	.run = run,
	.check = check,
};
