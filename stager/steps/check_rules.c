/*
 * check_rules.c - the compliance verdict: each rule judged on what the device says of itself, with its reason.
 *
 * For:    `check_rules` steps: before a hand-over, on a device that comes back, as a check of its own.
 * Uses:   identity, facts, the lists of apps and profiles.
 * Called: worker/run.c; store/record.c takes the verdict from the evidence into the record that is pushed.
 * Thread: the worker's only one.
 *
 * Evidence "reread": {"verdict": "compliant" | "broken" | "unreadable", "rules": [{"rule","result": "kept" | "broken" |
 * "unreadable","reason"}]}. What a device does not tell is never taken for good.
 * Facts:  apple.md 3.4, 4.9: whether a passcode is set only the supervisor may ask. An iPhone's data protection hangs on
 *         the passcode, so "encrypted" holds exactly where one is set.
 */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

#include "steps.h"

static const struct stg_param params[] = {
	{ "os", STG_PARAM_STRING, .about = "least system version, such as \"17.6\"" },
	{ "os_for", STG_PARAM_MAP, .about = "least system version for models, such as {\"iPad13,*\": \"18.0\"}: comes before os" },
	{ "passcode", STG_PARAM_BOOL, .about = "true: a passcode must be set; false: none may be" },
	{ "encrypted", STG_PARAM_BOOL, .about = "true: its data must be encrypted, which a passcode makes it" },
	{ "supervised", STG_PARAM_BOOL, .about = "true: must be supervised by us" },
	{ "find_my", STG_PARAM_BOOL, .about = "false: nobody may be signed in to Find My" },
	{ "activated", STG_PARAM_BOOL, .about = "true: must be activated" },
	{ "profiles", STG_PARAM_LIST, .about = "identifiers of profiles that must be there" },
	{ "forbidden_profiles", STG_PARAM_LIST, .about = "identifiers of profiles that must not be there, * and ? allowed" },
	{ "apps", STG_PARAM_LIST, .about = "bundle identifiers of apps that must be there" },
	{ "forbidden_apps", STG_PARAM_LIST, .about = "bundle identifiers of apps that must not be there, * and ? allowed" },
	{ 0 },
};

struct verdict {
	json_t *rules;
	unsigned int broken, unreadable;
	char first[160];                /* the first that is not kept: what the board's details say */
};

static void judge(struct verdict *v, const char *rule, bool readable, bool kept, const char *reason)
{
	json_t *one = json_object();
	stg_json_put(one, "rule", rule);
	stg_json_put(one, "result", !readable ? "unreadable" : kept ? "kept" : "broken");
	stg_json_put(one, "reason", reason);
	json_array_append_new(v->rules, one);
	if (readable && kept)
		return;
	if (!v->first[0] || (readable && !v->broken))
		snprintf(v->first, sizeof(v->first), "%s: %s", rule, reason);
	v->broken += readable;
	v->unreadable += !readable;
}

/* ---- the system ---- */

static const char *least_os(const struct stg_step_ctx *c)
{
	const char *pattern;
	json_t *version;
	json_object_foreach(json_object_get(c->params, "os_for"), pattern, version)
		if (fnmatch(pattern, c->identity->model, 0) == 0 && json_is_string(version))
			return json_string_value(version);
	return stg_json_str(c->params, "os");
}

static void judge_os(const struct stg_step_ctx *c, struct verdict *v)
{
	const char *least = least_os(c), *have = c->identity->os_version;
	char reason[120];
	if (!*least)
		return;
	snprintf(reason, sizeof(reason), "it has %.15s, at least %.15s is wanted", *have ? have : "an unknown version", least);
	judge(v, "os", *have, step_version_at_least(have, least), reason);
}

/* ---- states ---- */

static void judge_flag(const struct stg_step_ctx *c, struct verdict *v, const json_t *facts, const char *rule, const char *fact)
{
	const json_t *wanted = json_object_get(c->params, rule), *is = json_object_get(facts, fact);
	char reason[120];
	if (!wanted)
		return;
	snprintf(reason, sizeof(reason), "%s is %s, %s is wanted", fact, !json_is_boolean(is) ? "not readable" : json_is_true(is) ? "true" : "false",
		 json_is_true(wanted) ? "true" : "false");
	judge(v, rule, json_is_boolean(is), json_is_true(is) == json_is_true(wanted), reason);
}

static bool judge_states(struct stg_step_ctx *c, struct verdict *v, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *facts = stg_device_facts(c->device, err);
	if (!facts)
		return stg_while(err, "read facts");
	if (json_object_get(c->params, "passcode") || json_object_get(c->params, "encrypted")) {
		struct stg_error why = { 0 };
		STG_AUTO(stg_json_free_at) json_t *more = stg_device_owner_facts(c->device, &why);
		if (more)
			json_object_update(facts, more);
		else if (why.code == STG_E_GONE || why.code == STG_E_CANCELLED) {
			*err = why;
			return false;
		}
	}
	judge_flag(c, v, facts, "passcode", STG_FACT_PASSCODE_SET);
	judge_flag(c, v, facts, "encrypted", STG_FACT_PASSCODE_SET);
	judge_flag(c, v, facts, "supervised", STG_FACT_OURS);
	judge_flag(c, v, facts, "find_my", STG_FACT_FIND_MY);
	judge_flag(c, v, facts, "activated", STG_FACT_ACTIVATED);
	return true;
}

/* ---- lists ---- */

static const char *listed(const json_t *list, const char *key, const char *pattern)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = stg_json_str(json_array_get(list, i), key);
		if (*name && fnmatch(pattern, name, 0) == 0)
			return name;
	}
	return NULL;
}

/* `list` NULL: the device does not tell. One line of the verdict for each name, so that each has its own reason. */
static void judge_list(const struct stg_step_ctx *c, struct verdict *v, const char *rule, bool wanted, const json_t *list, const char *key)
{
	const json_t *names = json_object_get(c->params, rule);
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));
		const char *found = name ? listed(list, key, name) : NULL;
		char reason[300];
		if (!list)
			snprintf(reason, sizeof(reason), "%.120s: the list is not readable", name ? name : "");
		else if (found)
			snprintf(reason, sizeof(reason), "%.200s is there", found);
		else
			snprintf(reason, sizeof(reason), "%.200s is not there", name ? name : "");
		judge(v, rule, list, (found != NULL) == wanted, reason);
	}
}

static bool asked(const struct stg_step_ctx *c, const char *one, const char *other)
{
	return json_array_size(json_object_get(c->params, one)) || json_array_size(json_object_get(c->params, other));
}

/* A refusal is an answer: the list cannot be read. A lost connection is not. */
static bool is_refusal(const struct stg_error *why)
{
	return why->code == STG_E_REFUSED || why->code == STG_E_UNSUPPORTED;
}

static bool judge_lists(struct stg_step_ctx *c, struct verdict *v, struct stg_error *err)
{
	struct stg_error why = { 0 };
	if (asked(c, "profiles", "forbidden_profiles")) {
		const json_t *list = step_profiles(c, true, &why);
		if (!list && !is_refusal(&why)) {
			*err = why;
			return false;
		}
		judge_list(c, v, "profiles", true, list, "identifier");
		judge_list(c, v, "forbidden_profiles", false, list, "identifier");
	}
	stg_error_reset(&why);
	if (asked(c, "apps", "forbidden_apps")) {
		STG_AUTO(stg_json_free_at) json_t *list = stg_device_list_apps(c->device, &why);
		if (!list && !is_refusal(&why)) {
			*err = why;
			return stg_while(err, "list apps");
		}
		judge_list(c, v, "apps", true, list, "bundle_id");
		judge_list(c, v, "forbidden_apps", false, list, "bundle_id");
	}
	return true;
}

/* ---- the step ---- */

static bool look(struct stg_step_ctx *c, struct verdict *v, struct stg_error *err)
{
	*v = (struct verdict){ .rules = json_array() };
	judge_os(c, v);
	bool ok = judge_states(c, v, err) && judge_lists(c, v, err);
	json_t *seen = json_object();
	stg_json_put(seen, "verdict", v->broken ? "broken" : v->unreadable ? "unreadable" : "compliant");
	stg_json_put_new(seen, "rules", v->rules);
	if (ok)
		step_reread(c, seen);
	else
		json_decref(seen);
	v->rules = NULL;
	return ok;
}

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	struct verdict v;
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
	struct verdict v;
	if (c->waits)
		return stg_fail_id(err, STG_E_WAITING, STG_ID_WAITS_EARLIER, 0, "earlier steps wait");
	if (!look(c, &v, err))
		return false;
	if (!v.broken && !v.unreadable)
		return true;
	return stg_fail_id(err, STG_E_HOLD, v.broken ? STG_ID_RULE_BROKEN : STG_ID_RULE_UNREADABLE, 0, "%u broken, %u not readable; %.150s", v.broken,
			   v.unreadable, v.first);
}

static bool is_version(const char *text)
{
	return *text && strspn(text, "0123456789.") == strlen(text) && strlen(text) <= 15;
}

static bool check(const json_t *p, struct stg_error *err)
{
	const char *os = stg_json_str(p, "os"), *pattern;
	json_t *version;
	if (*os && !is_version(os))
		return stg_fail(err, STG_E_INPUT, 0, "'os' is '%.40s', expected a version such as \"17.6\"", os);
	json_object_foreach(json_object_get(p, "os_for"), pattern, version)
		if (!json_is_string(version) || !is_version(json_string_value(version)))
			return stg_fail(err, STG_E_INPUT, 0, "'os_for' has no version for '%.40s', expected a text such as \"17.6\"", pattern);
	if (!json_object_size(p))
		return stg_fail(err, STG_E_INPUT, 0, "no rule, expected at least one such as 'os: \"17.6\"'");
	return true;
}

const struct stg_step stg_step_check_rules = {
	.name = "check_rules",
	.about = "judges the device by rules, each with its reason; one that is broken or not readable puts it on hold",
	.params = params,
	.deadline_ms = 90000,
	.needs_trust = true,
	.proven = proven,
	.run = run,
	.check = check,
};
