/*
 * canary.c - the extra checks of a canary: it is restarted when all is done, and everything is read once more.
 *
 * For:    the first devices of a new model, system or blueprint.
 * Uses:   parse.c for whole steps.
 * Called: station/intake.c.
 * Thread: any; no state.
 */
#include <stdio.h>
#include <string.h>

#include <stager/error.h>

#include "blueprint_i.h"

static json_t *last_of(const json_t *steps, const char *step)
{
	json_t *found = NULL, *one;
	size_t i;
	json_array_foreach((json_t *)(uintptr_t)steps, i, one)
		if (strcmp(stg_json_str(one, "step"), step) == 0)
			found = one;
	return found;
}

bool stg_blueprint_canary(json_t *blueprint, struct stg_error *err)
{
	static const char MORE[] = "name: canary\nsteps:\n  - pair:\n  - restart:\n    name: canary\n  - verify: {}\n    name: canary\n";
	json_t *steps = json_object_get(blueprint, "steps");
	/* without trust there is nothing to read a second time, and what ends switched off is not switched on again */
	if (!last_of(steps, "pair") || last_of(steps, "shutdown"))
		return true;
	STG_AUTO(stg_json_free_at) json_t *more = blueprint_read(NULL, "canary", stg_bytes_str(MORE), NULL, false, err);
	if (!more)
		return false;
	const json_t *proof = last_of(steps, "verify");
	for (size_t i = 1; i < json_array_size(json_object_get(more, "steps")); i++) {
		json_t *step = json_deep_copy(json_array_get(json_object_get(more, "steps"), i));
		char key[64];
		snprintf(key, sizeof(key), "%02zu-%s-canary", json_array_size(steps), stg_json_str(step, "step"));
		stg_json_put(step, "key", key);
		stg_json_put(step, "from", "canary");
		/* read as closely as the blueprint itself asks */
		if (proof && strcmp(stg_json_str(step, "step"), "verify") == 0)
			json_object_set(step, "params", json_object_get(proof, "params"));
		json_array_append_new(steps, step);
	}
	return true;
}
