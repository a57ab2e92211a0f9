/*
 * override.c - a blueprint as one device does it: another value, a step left out.
 *
 * For:    exceptions with a reason and an end (`stager override`).
 * Uses:   json; the step tables, for what may not be left out.
 * Called: station/intake.c before a job is made, ops/override.c to check, ops/effective.c to show.
 * Thread: any; no state.
 */
#include <stdio.h>

#include <stager/error.h>
#include <stager/registry.h>

#include "blueprint_i.h"

static bool wrong(struct stg_error *err, const char *what, const char *name, const char *expected)
{
	return stg_fail_id(err, STG_E_HOLD, STG_ID_OVERRIDE_WRONG, 0, "%s '%.60s', expected %.100s", what, name, expected);
}

static bool set_param(json_t *blueprint, const char *key, const json_t *value, const char *from, struct stg_error *err)
{
	json_t *params = json_object_get(blueprint, "params");
	if (!json_object_get(params, key)) {
		const char *names[65] = { NULL };
		const char *name;
		json_t *unused;
		size_t n = 0;
		json_object_foreach(params, name, unused) {
			if (unused && n < STG_ARRAY_LEN(names) - 1)
				names[n++] = name;
		}
		const char *near = stg_yaml_nearest(key, names);
		return wrong(err, "no param", key, near ? near : n ? "one of its params" : "a blueprint with params");
	}
	if (!json_is_string(value))
		return wrong(err, "no text for", key, "a text");
	json_object_set(params, key, (json_t *)(uintptr_t)value);
	json_t *places = json_object_get(json_object_get(blueprint, "from"), "params");
	if (places)
		stg_json_put(places, key, from);
	return true;
}

/* Steps by which the others know that they may act, and the proof at the end, are for every device. */
static bool may_be_left_out(const char *step)
{
	const struct stg_step *what = stg_step_find(step);
	return what && !what->gate && !what->destroys_data && strcmp(step, "verify") != 0 && strcmp(step, "check_rules") != 0;
}

static bool is_called(const json_t *step, const char *name)
{
	const char *key = stg_json_str(step, "key"), *dash = strchr(key, '-');
	return strcmp(key, name) == 0 || strcmp(stg_json_str(step, "step"), name) == 0 || (dash && strcmp(dash + 1, name) == 0) ||
	       strcmp(stg_json_str(json_object_get(step, "params"), "profile"), name) == 0;
}

static bool skip_step(json_t *blueprint, const char *name, struct stg_error *err)
{
	json_t *steps = json_object_get(blueprint, "steps");
	size_t found = 0, at = 0;
	for (size_t i = 0; i < json_array_size(steps); i++) {
		if (is_called(json_array_get(steps, i), name) && !found++)
			at = i;
	}
	if (found != 1)
		return wrong(err, found ? "more than one step is called" : "no step is called", name, "a key such as 07-install_profile-lock-screen");
	const char *step = stg_json_str(json_array_get(steps, at), "step");
	if (!may_be_left_out(step))
		return wrong(err, "nothing goes on without", step, "a step that others do not rest on");
	json_array_remove(steps, at);
	return true;
}

bool stg_blueprint_override(json_t *blueprint, const json_t *override, struct stg_error *err)
{
	const json_t *what = json_object_get(override, "what");
	char from[64];
	const char *key;
	json_t *value;
	size_t i;
	snprintf(from, sizeof(from), "override %lld", (long long)stg_json_int(override, "id", 0));
	json_object_foreach(json_object_get(what, "set"), key, value) {
		if (!set_param(blueprint, key, value, from, err))
			return false;
	}
	json_array_foreach(json_object_get(what, "skip"), i, value) {
		if (!skip_step(blueprint, json_is_string(value) ? json_string_value(value) : "", err))
			return false;
	}
	return true;
}
