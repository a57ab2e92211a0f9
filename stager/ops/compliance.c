/*
 * compliance.c - the inventory held against rules: what is known of each device, judged as check_rules judges it on the bench.
 *
 * For:    `stager compliance`.
 * Uses:   the store, <stager/rules.h>.
 * Called: as operations.
 * Thread: the recorder's.
 *
 *   compliance.check  {"rules":"NAME" or {as stg_rules_load() gives them},"serials":[...] (absent: all that were ever read)}
 *                     -> {"v":1,"devices":[{"serial","unit","asset_tag","model_name","os_version","read_ms" (when it was last here),"verdict",
 *                     "first" (the first rule that is not kept),"rules":[...]}],"summary":{"compliant","broken","unreadable"}}
 *   compliance.list   {} -> {"v":1,"files":[as stg_rules_list()]}
 */
#include <stager/clock.h>
#include <stager/facts.h>
#include <stager/op.h>
#include <stager/rules.h>

#define CHECK_MAX 5000

static void judge(const json_t *rules, const json_t *device, json_t *devices, int64_t counts[3])
{
	struct stg_identity who = { 0 };
	struct stg_verdict v;
	const json_t *facts = json_object_get(device, "facts");
	stg_copy(who.model, sizeof(who.model), stg_json_str(device, "model"));
	stg_copy(who.os_version, sizeof(who.os_version), stg_json_str(device, "os_version"));
	const struct stg_rules_seen seen = {
		.who = &who,
		.facts = facts,
		.profiles = json_object_get(facts, STG_FACT_INSTALLED_PROFILES),
		.apps = json_object_get(facts, STG_FACT_INSTALLED_APPS),
		.today_ms = stg_time_quality() == STG_TIME_UNSET ? 0 : stg_wall_ms(),
	};
	json_t *one = stg_rules_judge(rules, &seen, &v);
	static const char *const told[] = { "serial", "unit", "asset_tag", "model_name", "os_version" };
	for (size_t i = 0; i < STG_ARRAY_LEN(told); i++)
		stg_json_put(one, told[i], stg_json_str(device, told[i]));
	stg_json_put_int(one, "read_ms", stg_json_int(device, "last_seen_ms", 0));
	stg_json_put(one, "first", v.first);
	counts[v.broken ? 1 : v.unreadable ? 2 : 0]++;
	if (json_array_size(devices) < CHECK_MAX)
		json_array_append(devices, one);
	json_decref(one);
}

/* By serial, unit, tag...; one that nobody knows is an error, not a device that passes unseen. */
static json_t *named(struct stg_op_ctx *c, const json_t *serials, struct stg_error *err)
{
	json_t *list = json_array(), *one;
	size_t i;
	json_array_foreach((json_t *)(uintptr_t)serials, i, one) {
		json_t *device = stg_store_history(c->store, json_string_value(one), err);
		if (!device) {
			json_decref(list);
			return NULL;
		}
		json_array_append_new(list, device);
	}
	return list;
}

static bool check(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const json_t *serials = json_object_get(in, "serials"), *given = json_object_get(in, "rules");
	STG_AUTO(stg_json_free_at) json_t *rules = json_is_object(given) ? json_incref((json_t *)(uintptr_t)given) :
								    stg_rules_load(c->state_dir, stg_json_str(in, "rules"), err);
	if (!rules || !stg_rules_check(rules, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *all = json_array_size(serials) ? named(c, serials, err) : stg_store_inventory(c->store, "", 0, err);
	if (!all)
		return false;
	json_t *devices = json_array(), *one;
	int64_t counts[3] = { 0 };
	size_t i;
	json_array_foreach(all, i, one)
		/* what was only typed in was never read: there is nothing to judge */
		if (json_array_size(serials) || strcmp(stg_json_str(one, "family"), "scan") != 0)
			judge(rules, one, devices, counts);
	*ret = json_pack("{s:i, s:o, s:{s:I, s:I, s:I}}", "v", 1, "devices", devices, "summary", "compliant", (json_int_t)counts[0], "broken",
			 (json_int_t)counts[1], "unreadable", (json_int_t)counts[2]);
	return true;
}

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in, (void)err;
	*ret = json_pack("{s:i, s:o}", "v", 1, "files", stg_rules_list(c->state_dir));
	return true;
}

const struct stg_op stg_ops_compliance[] = {
	{ "compliance.check", STG_OP_STORE, check },
	{ "compliance.list", STG_OP_STORE, list },
	{ 0 },
};
