/*
 * require.c - is this a device the blueprint is for, and in a state to begin with? Read only; nothing after it runs if not.
 *
 * For:    `require` steps and the `requires:` of a blueprint.
 * Uses:   facts and batch attributes.
 * Called: worker/run.c.
 * Thread: the worker's only one.
 */
#include <fnmatch.h>
#include <stdlib.h>

#include "steps.h"

#define GB INT64_C(1000000000)

static const struct stg_param params[] = {
	{ "os", STG_PARAM_STRING, .about = "least system version, such as \"16.0\"" },
	{ "models", STG_PARAM_LIST, .about = "models it is for, such as [\"iPad13,*\", \"iPad14,*\"]" },
	{ "device_class", STG_PARAM_ENUM, .values = "iPad iPhone iPod", .about = "iPad or iPhone" },
	{ "battery", STG_PARAM_INT, .about = "least charge in percent" },
	{ "capacity_gb", STG_PARAM_INT, .about = "least storage in GB as on the box" },
	{ "setup_assistant", STG_PARAM_BOOL, .about = "true: must still be in the Setup Assistant, or be ours already" },
	{ "find_my", STG_PARAM_BOOL, .about = "false: nobody may be signed in to Find My" },
	{ "ownership", STG_PARAM_ENUM, .values = "pool personal", .about = "what the order says of whose it is" },
	{ "supervised", STG_PARAM_BOOL, .about = "true: must be supervised by us already" },
	{ 0 },
};

static bool check(const json_t *p, struct stg_error *err)
{
	const char *os = stg_json_str(p, "os");
	if (*os && (strspn(os, "0123456789.") != strlen(os) || strlen(os) > 15))
		return stg_fail(err, STG_E_INPUT, 0, "'os' is '%.40s', expected a version such as \"16.0\"", os);
	if (stg_json_int(p, "battery", 0) > 100)
		return stg_fail(err, STG_E_INPUT, 0, "'battery' is over 100, expected percent");
	return true;
}

static bool unread(const char *fact, struct stg_error *err)
{
	return stg_fail_id(err, STG_E_HOLD, STG_ID_UNREADABLE, 0, "%s could not be read", fact);
}

static bool model_fits(const json_t *models, const char *model)
{
	for (size_t i = 0; i < json_array_size(models); i++)
		if (fnmatch(json_string_value(json_array_get(models, i)), model, 0) == 0)
			return true;
	return json_array_size(models) == 0;
}

static bool kind_fits(const struct stg_step_ctx *c, struct stg_error *err)
{
	const struct stg_identity *who = c->identity;
	const char *class = stg_json_str(c->params, "device_class"), *os = stg_json_str(c->params, "os");
	const char *owner = stg_json_str(c->params, "ownership"),
		   *said = stg_json_str_or(c->job->attributes, "ownership", "unknown");
	if (!model_fits(json_object_get(c->params, "models"), who->model) ||
	    (*class && strcmp(class, who->device_class) != 0))
		return stg_fail_id(err, STG_E_HOLD, STG_ID_WRONG_MODEL, 0, "it is a %s",
				   who->model[0] ? who->model : "device of unknown model");
	if (*os && !who->os_version[0])
		return unread("the system version", err);
	if (*os && !step_version_at_least(who->os_version, os))
		return stg_fail_id(err, STG_E_HOLD, STG_ID_WRONG_OS, 0, "it has %s, at least %s is wanted",
				   who->os_version, os);
	if (*owner && strcmp(owner, said) != 0)
		return stg_fail_id(err, STG_E_HOLD, STG_ID_WRONG_OWNERSHIP, 0, "its ownership is %s, %s is wanted",
				   said, owner);
	return true;
}

/* Is this fact what the param of the same name says? Unreadable is no. */
static bool flag_fits(const struct stg_step_ctx *c, const char *param, const char *fact, bool wanted, enum stg_id id,
		      struct stg_error *err)
{
	const json_t *seen = json_object_get(c->facts, fact);
	if (!json_object_get(c->params, param))
		return true;
	if (!json_is_boolean(seen))
		return unread(fact, err);
	return json_is_true(seen) == wanted ||
	       stg_fail_id(err, STG_E_HOLD, id, 0, "%s is %s", fact, wanted ? "false" : "true");
}

/* Enrolled by the programme already, and this blueprint has the step that judges whose it is. */
static bool enrols_itself(const struct stg_step_ctx *c)
{
	const json_t *steps = json_object_get(c->job->blueprint, "steps");
	if (stg_json_int(json_object_get(c->facts, STG_FACT_CLOUD_CONFIG), "ConfigurationSource", 0) != 1)
		return false;
	for (size_t i = 0; i < json_array_size(steps); i++)
		if (strcmp(stg_json_str(json_array_get(steps, i), "step"), "automated_enrolment") == 0)
			return true;
	return false;
}

/* Still at "Hello", or ours already: what somebody else has set up is never touched. */
static bool untouched(const struct stg_step_ctx *c, struct stg_error *err)
{
	bool wanted = stg_json_bool(c->params, "setup_assistant", false);
	if (wanted && stg_json_bool(c->facts, STG_FACT_OURS, false))
		return true;
	if (wanted && stg_json_bool(c->facts, STG_FACT_SUPERVISED, false) && !enrols_itself(c))
		return stg_fail_id(err, STG_E_HOLD, STG_ID_SUPERVISED_BY_OTHER, 0, "supervised by '%.100s'",
				   stg_json_str(c->facts, STG_FACT_SUPERVISED_BY));
	return flag_fits(c, "setup_assistant", STG_FACT_SETUP_DONE, !wanted, STG_ID_SETUP_DONE, err);
}

static bool state_fits(const struct stg_step_ctx *c, struct stg_error *err)
{
	int64_t battery = stg_json_int(c->params, "battery", -1), charge = stg_json_int(c->facts, STG_FACT_BATTERY_PERCENT, -1);
	int64_t capacity_gb = stg_json_int(c->params, "capacity_gb", 0),
		has_bytes = stg_json_int(c->facts, STG_FACT_CAPACITY_BYTES, -1);
	if (capacity_gb && has_bytes < 0)
		return unread("its capacity", err);
	/* makers round up: 64 GB on the box is 63.9 in the device */
	if (capacity_gb && has_bytes < capacity_gb * GB / 100 * 93)
		return stg_fail_id(err, STG_E_HOLD, STG_ID_WRONG_CAPACITY, 0, "it has %lld GB, %lld are wanted",
				   (long long)(has_bytes / GB), (long long)capacity_gb);
	if (!untouched(c, err) ||
	    !flag_fits(c, "find_my", STG_FACT_FIND_MY, stg_json_bool(c->params, "find_my", false), STG_ID_FIND_MY_ON, err) ||
	    !flag_fits(c, "supervised", STG_FACT_OURS, stg_json_bool(c->params, "supervised", true), STG_ID_NOT_SUPERVISED,
		       err))
		return false;
	/* last: all else is right, only time is missing */
	if (battery >= 0 && charge >= 0 && charge < battery) {
		c->host->ask_person(c->host->ctx, STG_ASK_CHARGE);
		return stg_fail_id(err, STG_E_WAITING, STG_ID_NEEDS_CHARGE, 0, "charged to %lld %%, %lld %% are wanted",
				   (long long)charge, (long long)battery);
	}
	return true;
}

static void note_seen(struct stg_step_ctx *c)
{
	static const char *const names[] = { STG_FACT_BATTERY_PERCENT, STG_FACT_CHARGING, STG_FACT_CAPACITY_BYTES, STG_FACT_SETUP_DONE,
					     STG_FACT_FIND_MY, STG_FACT_SUPERVISED, STG_FACT_OURS };
	json_t *seen = json_object();
	stg_json_put(seen, "model", c->identity->model);
	stg_json_put(seen, "os_version", c->identity->os_version);
	stg_json_put(seen, "ownership", stg_json_str(c->job->attributes, "ownership"));
	for (size_t i = 0; i < STG_ARRAY_LEN(names); i++) {
		json_t *v = json_object_get(c->facts, names[i]);
		if (v)
			stg_json_put_new(seen, names[i], json_incref(v));
	}
	step_reread(c, seen);
}

/* Reading is the whole step: when all holds, nothing needs to begin. */
static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	struct stg_error why = { 0 };
	(void)err;
	note_seen(c);
	*ret = kind_fits(c, &why) && state_fits(c, &why);
	return true;
}

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	return kind_fits(c, err) && state_fits(c, err);
}

const struct stg_step stg_step_require = {
	.name = "require",
	.about = "stops here unless the device is one the blueprint is for",
	.params = params,
	.deadline_ms = 60000,
	.gate = true,
	.reads_facts = true,
	.proven = proven,
	.run = run,
	.check = check,
};
