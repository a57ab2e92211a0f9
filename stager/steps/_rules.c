/*
 * _rules.c - what is known of a device held against rules, each with its reason.
 *
 * For:    check_rules.c; ops/compliance.c, which judges what the inventory keeps.
 * Uses:   nothing but what it is given.
 * Called: by steps and operations.
 * Thread: any; no state.
 * Facts:  apple.md 3.4, 4.9. Data protection holds where the hardware encrypts blocks and files (HardwareEncryptionCaps 3) and a
 *         passcode is set: developer.apple.com, Device Management, SecurityInfo. Reasons are read in both languages: their
 *         sentences stand in cmd/_sentences.c.
 */
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/rules.h>

#include "steps.h"

#define DAY_MS 86400000

struct judging {
	const json_t *params;
	const struct stg_rules_seen *seen;
	json_t *rules;
	struct stg_verdict *v;
};

static void judge(struct judging *j, const char *rule, bool readable, bool kept, const char *reason)
{
	struct stg_verdict *v = j->v;
	json_t *one = json_object();
	stg_json_put(one, "rule", rule);
	stg_json_put(one, "result", !readable ? "unreadable" : kept ? "kept" : "broken");
	stg_json_put(one, "reason", reason);
	json_array_append_new(j->rules, one);
	if (readable && kept)
		return;
	if (!v->first[0] || (readable && !v->broken))
		snprintf(v->first, sizeof(v->first), "%s: %s", rule, reason);
	v->broken += readable;
	v->unreadable += !readable;
}

/* ---- the system ---- */

static const char *least_os(const struct judging *j)
{
	const char *pattern;
	json_t *version;
	json_object_foreach(json_object_get(j->params, "os_for"), pattern, version)
		if (fnmatch(pattern, j->seen->who->model, 0) == 0 && json_is_string(version))
			return json_string_value(version);
	return stg_json_str(j->params, "os");
}

static void judge_os(struct judging *j)
{
	const char *least = least_os(j), *have = j->seen->who->os_version;
	char reason[120];
	if (!*least)
		return;
	snprintf(reason, sizeof(reason), "it has %.15s, at least %.15s is wanted", *have ? have : "an unknown version", least);
	judge(j, "os", *have, step_version_at_least(have, least), reason);
}

/* "2024-08-07" */
static bool day_of(const char *text, int64_t *ret_ms)
{
	char whole[40];
	return strlen(text) == 10 && snprintf(whole, sizeof(whole), "%sT00:00:00Z", text) == 20 && stg_time_parse(whole, ret_ms);
}

/* The rules' own rows come before those the program was made with: its list ends on the day it was made. */
static const char *released(const struct judging *j)
{
	const char *own = stg_json_str(json_object_get(j->params, "released"), j->seen->who->os_version);
	return *own ? own : stg_json_str(j->seen->facts, STG_FACT_OS_RELEASED);
}

static void judge_patch_age(struct judging *j)
{
	int64_t most = stg_json_int(j->params, "patch_age", -1), day_ms = 0;
	const char *have = j->seen->who->os_version, *day = released(j);
	char reason[160];
	if (most < 0)
		return;
	bool known = *have && *day && day_of(day, &day_ms);
	int64_t days = known && j->seen->today_ms > day_ms ? (j->seen->today_ms - day_ms) / DAY_MS : 0;
	if (!known)
		snprintf(reason, sizeof(reason), "when %.15s was published is not known here; 'released' can say it", *have ? have : "its system");
	else if (!j->seen->today_ms)
		snprintf(reason, sizeof(reason), "the station's clock is not set");
	else
		snprintf(reason, sizeof(reason), "%.15s was published on %.10s, %" PRIi64 " days ago, at most %" PRIi64 " are wanted", have, day, days, most);
	judge(j, "patch_age", known && j->seen->today_ms, days <= most, reason);
}

/* ---- states ---- */

static void judge_flag(struct judging *j, const char *rule, const char *fact)
{
	const json_t *wanted = json_object_get(j->params, rule), *is = json_object_get(j->seen->facts, fact);
	char reason[120];
	if (!wanted)
		return;
	snprintf(reason, sizeof(reason), "%s is %s, %s is wanted", fact, !json_is_boolean(is) ? "not readable" : json_is_true(is) ? "true" : "false",
		 json_is_true(wanted) ? "true" : "false");
	judge(j, rule, json_is_boolean(is), json_is_true(is) == json_is_true(wanted), reason);
}

static void judge_encrypted(struct judging *j)
{
	const json_t *wanted = json_object_get(j->params, "encrypted"), *passcode = json_object_get(j->seen->facts, STG_FACT_PASSCODE_SET);
	int64_t caps = stg_json_int(j->seen->facts, STG_FACT_ENCRYPTION_CAPS, -1);
	bool readable = json_is_boolean(passcode) && caps >= 0, is = caps == 3 && json_is_true(passcode);
	const char *reason = !readable                 ? "whether its data is protected is not readable"
			     : caps != 3               ? "its hardware does not encrypt both blocks and files"
			     : !json_is_true(passcode) ? "no passcode protects its data"
						       : "hardware and passcode protect its data";
	if (wanted)
		judge(j, "encrypted", readable, is == json_is_true(wanted), reason);
}

static void judge_battery(struct judging *j)
{
	int64_t least = stg_json_int(j->params, "battery_health", -1), is = stg_json_int(j->seen->facts, STG_FACT_BATTERY_HEALTH, -1);
	char reason[120];
	if (least < 0)
		return;
	if (is < 0)
		snprintf(reason, sizeof(reason), "the battery's health is not readable");
	else
		snprintf(reason, sizeof(reason), "the battery holds %" PRIi64 " %% of what it held when new, at least %" PRIi64 " %% is wanted", is, least);
	judge(j, "battery_health", is >= 0, is >= least, reason);
}

/* That nothing was found is no proof: the word is "none found". */
static void judge_jailbreak(struct judging *j)
{
	const char *is = stg_json_str(j->seen->facts, STG_FACT_JAILBREAK);
	const json_t *signs = json_object_get(j->seen->facts, STG_FACT_JAILBREAK_SIGNS);
	char reason[200];
	if (!json_object_get(j->params, "jailbreak"))
		return;
	if (!*is)
		snprintf(reason, sizeof(reason), "signs of a jailbreak could not be looked for");
	else if (strcmp(is, STG_SIGNS_FOUND) == 0)
		snprintf(reason, sizeof(reason), "%zu signs of a jailbreak found, the first: %.100s", json_array_size(signs),
			 json_array_size(signs) ? json_string_value(json_array_get(signs, 0)) : "");
	else
		snprintf(reason, sizeof(reason), "no signs of a jailbreak found");
	judge(j, "jailbreak", *is, strcmp(is, STG_SIGNS_FOUND) != 0, reason);
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
static void judge_list(struct judging *j, const char *rule, bool wanted, const json_t *list, const char *key)
{
	const json_t *names = json_object_get(j->params, rule);
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
		judge(j, rule, list, (found != NULL) == wanted, reason);
	}
}

/* ---- all of it ---- */

json_t *stg_rules_judge(const json_t *rules, const struct stg_rules_seen *seen, struct stg_verdict *ret)
{
	struct judging j = { .params = rules, .seen = seen, .rules = json_array(), .v = ret };
	json_t *all = json_object();
	*ret = (struct stg_verdict){ 0 };
	judge_os(&j);
	judge_patch_age(&j);
	judge_flag(&j, "passcode", STG_FACT_PASSCODE_SET);
	judge_flag(&j, "passcode_compliant", STG_FACT_PASSCODE_COMPLIANT);
	judge_encrypted(&j);
	judge_flag(&j, "supervised", STG_FACT_OURS);
	judge_flag(&j, "find_my", STG_FACT_FIND_MY);
	judge_flag(&j, "activated", STG_FACT_ACTIVATED);
	judge_battery(&j);
	judge_jailbreak(&j);
	judge_list(&j, "profiles", true, seen->profiles, "identifier");
	judge_list(&j, "forbidden_profiles", false, seen->profiles, "identifier");
	judge_list(&j, "apps", true, seen->apps, "bundle_id");
	judge_list(&j, "forbidden_apps", false, seen->apps, "bundle_id");
	stg_json_put(all, "verdict", ret->broken ? "broken" : ret->unreadable ? "unreadable" : "compliant");
	stg_json_put(all, "file", stg_json_str(rules, "rules"));
	stg_json_put_new(all, "rules", j.rules);
	return all;
}

unsigned int stg_rules_want(const json_t *rules, bool *ret_owner)
{
	static const char *const owner[] = { "passcode", "passcode_compliant", "encrypted" };
	*ret_owner = false;
	for (size_t i = 0; i < STG_ARRAY_LEN(owner); i++)
		*ret_owner = *ret_owner || json_object_get(rules, owner[i]);
	return (json_object_get(rules, "battery_health") ? STG_DETAIL_BATTERY : 0u) | (json_object_get(rules, "jailbreak") ? STG_DETAIL_SIGNS : 0u);
}

bool stg_rules_want_list(const json_t *rules, const char *one, const char *other)
{
	return json_array_size(json_object_get(rules, one)) || json_array_size(json_object_get(rules, other));
}

static bool is_version(const char *text)
{
	return *text && strspn(text, "0123456789.") == strlen(text) && strlen(text) <= 15;
}

bool stg_rules_check(const json_t *p, struct stg_error *err)
{
	const char *os = stg_json_str(p, "os"), *key;
	json_t *value;
	int64_t ms;
	size_t said = json_object_size(p) - (json_object_get(p, "about") ? 1 : 0) - (json_object_get(p, "released") ? 1 : 0);
	if (*os && !is_version(os))
		return stg_fail(err, STG_E_INPUT, 0, "'os' is '%.40s', expected a version such as \"17.6\"", os);
	json_object_foreach(json_object_get(p, "os_for"), key, value)
		if (!json_is_string(value) || !is_version(json_string_value(value)))
			return stg_fail(err, STG_E_INPUT, 0, "'os_for' has no version for '%.40s', expected a text such as \"17.6\"", key);
	json_object_foreach(json_object_get(p, "released"), key, value)
		if (!is_version(key) || !json_is_string(value) || !day_of(json_string_value(value), &ms))
			return stg_fail(err, STG_E_INPUT, 0, "'released' has no day for '%.40s', expected {\"17.6.1\": \"2024-08-07\"}", key);
	if (json_is_true(json_object_get(p, "jailbreak")))
		return stg_fail(err, STG_E_INPUT, 0, "'jailbreak' is true, expected false: no signs of one");
	if (stg_json_int(p, "battery_health", 0) > 100)
		return stg_fail(err, STG_E_INPUT, 0, "'battery_health' is more than 100 percent, expected less");
	return said || stg_fail(err, STG_E_INPUT, 0, "no rule, expected at least one such as 'os: \"17.6\"'");
}
