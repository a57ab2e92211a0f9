/*
 * fuzz_blueprint.c - any bytes given as a blueprint: pinned and usable, or refused with file and line.
 *
 * For:    make fuzz, and the replay of its corpus in the normal check.
 * Uses:   <stager/blueprint.h>.
 * Called: by libFuzzer or replay.c.
 * Thread: one.
 */
#include <stdlib.h>

#include <stager/blueprint.h>
#include <stager/error.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const json_t *o)
{
	STG_AUTO(stg_json_free_at) json_t *facts = json_pack("{s:s, s:s, s:b, s:i}", "model", "iPad13,18", "os_version", "17.5.1",
							     "supervised", 1, "battery_percent", 50);
	STG_AUTO(stg_json_free_at) json_t *attributes = json_pack("{s:s}", "ward", "B");
	struct stg_identity who = { .serial = "F2LX0000AA", .unit = "1234" };
	STG_AUTO(stg_json_free_at) json_t *values = stg_variables_of(&who, "NORTH", attributes, o);
	const json_t *steps = json_object_get(o, "steps");
	for (size_t i = 0; i < json_array_size(steps); i++) {
		const json_t *s = json_array_get(steps, i);
		struct stg_error err = { 0 };
		(void)stg_blueprint_when(json_object_get(s, "when"), facts, attributes);
		STG_AUTO(stg_json_free_at) json_t *filled = stg_variables_fill(json_object_get(s, "params"), values, &err);
		if (!filled && !err.msg[0])
			abort();
		json_decref(stg_variables_used(s));
		if (!stg_blueprint_step(o, stg_json_str(s, "key")))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *o = stg_blueprint_parse("fuzz.yaml", stg_bytes(data, size), NULL, &err);
	if (!o) {
		if (err.code != STG_E_INPUT || strncmp(err.msg, "fuzz.yaml", 9) != 0)
			abort();
		return 0;
	}
	use(o);
	return 0;
}
