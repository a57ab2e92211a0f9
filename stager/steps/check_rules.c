/*
 * check_rules.c - the compliance verdict: each rule judged on what the device says of itself, with its reason.
 *
 * For:    `check_rules` steps: before a hand-over, on a device that comes back, as a check of its own.
 * Uses:   _rules.c; identity, facts, details, the lists of apps and profiles.
 * Called: worker/run.c; store/record.c takes the verdict from the evidence into the record that is pushed.
 * Thread: the worker's only one.
 *
 * Evidence "reread": the verdict as rules.h has it.
 */
#include <stager/rules.h>

#include "steps.h"

static const struct stg_param params[] = {
	{ "rules", STG_PARAM_STRING, .about = "name of a file of rules; what stands here comes before what stands there" },
	{ "about", STG_PARAM_STRING, .about = "what these rules are for" },
	{ "os", STG_PARAM_STRING, .about = "least system version, such as \"17.6\"" },
	{ "os_for", STG_PARAM_MAP, .about = "least system version for models, such as {\"iPad13,*\": \"18.0\"}: comes before os" },
	{ "patch_age", STG_PARAM_INT, .about = "at most so many days since its system version was published" },
	{ "released", STG_PARAM_MAP, .about = "when versions were published that this program does not know, such as {\"27.1\": \"2026-10-26\"}" },
	{ "passcode", STG_PARAM_BOOL, .about = "true: a passcode must be set; false: none may be" },
	{ "passcode_compliant", STG_PARAM_BOOL, .about = "true: its passcode must be as its profiles want it" },
	{ "encrypted", STG_PARAM_BOOL, .about = "true: its data must be protected, by its hardware and a passcode" },
	{ "supervised", STG_PARAM_BOOL, .about = "true: must be supervised by us" },
	{ "find_my", STG_PARAM_BOOL, .about = "false: nobody may be signed in to Find My" },
	{ "activated", STG_PARAM_BOOL, .about = "true: must be activated" },
	{ "battery_health", STG_PARAM_INT, .about = "what its battery must still hold of what it held when new, percent" },
	{ "jailbreak", STG_PARAM_BOOL, .about = "false: no signs of a jailbreak may be found" },
	{ "profiles", STG_PARAM_LIST, .about = "identifiers of profiles that must be there" },
	{ "forbidden_profiles", STG_PARAM_LIST, .about = "identifiers of profiles that must not be there, * and ? allowed" },
	{ "apps", STG_PARAM_LIST, .about = "bundle identifiers of apps that must be there" },
	{ "forbidden_apps", STG_PARAM_LIST, .about = "bundle identifiers of apps that must not be there, * and ? allowed" },
	{ 0 },
};

/* A refusal is an answer: it cannot be read. A lost connection is not. */
static bool is_refusal(const struct stg_error *why)
{
	return why->code == STG_E_REFUSED || why->code == STG_E_UNSUPPORTED;
}

static json_t *read_facts(struct stg_step_ctx *c, struct stg_error *err)
{
	bool owner = false;
	unsigned int details = stg_rules_want(c->params, &owner);
	STG_AUTO(stg_json_free_at) json_t *facts = stg_device_facts(c->device, err);
	if (!facts) {
		stg_while(err, "read facts");
		return NULL;
	}
	for (int i = 0; i < 2; i++) {
		struct stg_error why = { 0 };
		if (i == 0 ? !owner : !details)
			continue;
		STG_AUTO(stg_json_free_at) json_t *more = i == 0 ? stg_device_owner_facts(c->device, &why) : stg_device_details(c->device, details, &why);
		if (more)
			json_object_update(facts, more);
		else if (why.code == STG_E_GONE || why.code == STG_E_CANCELLED || (i == 1 && why.code == STG_E_TIMEOUT)) {
			*err = why;
			return NULL;
		}
	}
	return stg_steal(facts);
}

static bool look(struct stg_step_ctx *c, struct stg_verdict *v, struct stg_error *err)
{
	struct stg_error why = { 0 };
	STG_AUTO(stg_json_free_at) json_t *facts = read_facts(c, err), *apps = NULL;
	struct stg_rules_seen seen = { .who = c->identity, .facts = facts };
	if (!facts)
		return false;
	if (stg_wall_ms() >= stg_build_ms())
		seen.today_ms = stg_wall_ms();
	if (stg_rules_want_list(c->params, "profiles", "forbidden_profiles")) {
		seen.profiles = step_profiles(c, true, &why);
		if (!seen.profiles && !is_refusal(&why))
			return *err = why, false;
	}
	stg_error_reset(&why);
	if (stg_rules_want_list(c->params, "apps", "forbidden_apps")) {
		seen.apps = apps = stg_device_list_apps(c->device, &why);
		if (!apps && !is_refusal(&why))
			return *err = why, stg_while(err, "list apps");
	}
	step_reread(c, stg_rules_judge(c->params, &seen, v));
	return true;
}

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	struct stg_verdict v;
	*ret = false;
	if (c->waits)
		return true;    /* run() says so */
	if (!look(c, &v, err))
		return false;
	*ret = !v.broken && !v.unreadable;
	return true;
}

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	struct stg_verdict v;
	if (c->waits)
		return stg_fail_id(err, STG_E_WAITING, STG_ID_WAITS_EARLIER, 0, "earlier steps wait");
	if (!look(c, &v, err))
		return false;
	if (!v.broken && !v.unreadable)
		return true;
	return stg_fail_id(err, STG_E_HOLD, v.broken ? STG_ID_RULE_BROKEN : STG_ID_RULE_UNREADABLE, 0, "%u broken, %u not readable; %.150s", v.broken,
			   v.unreadable, v.first);
}

const struct stg_step stg_step_check_rules = {
	.name = "check_rules",
	.about = "judges the device by rules, each with its reason; one that is broken or not readable puts it on hold",
	.params = params,
	.deadline_ms = 90000,
	.needs_trust = true,
	.proven = proven,
	.run = run,
	.check = stg_rules_check,
};
