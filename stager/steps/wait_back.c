/*
 * wait_back.c - the erased device is back and shows that it is empty. Runs in the attach after the erase.
 *
 * For:    the proof of an erase. Once given it stands: the steps behind it fill the device again, and a job that goes on after a
 *         pulled plug would find it "still supervised" - by us.
 * Uses:   facts; what this job's journal says was seen at the proof.
 * Called: worker/run.c.
 * Thread: the worker's only one.
 */
#include <string.h>

#include "steps.h"

/* Seen empty by this job, and the same keys answer: it has not been erased again since, nor is it another device. */
static bool was_proven(struct stg_step_ctx *c)
{
	const json_t *then = json_object_get(c->proven_before, "reread");
	const char *key = stg_json_str(then, "key_sha256");
	if (!*key || strcmp(key, c->identity->key_sha256) != 0)
		return false;
	step_reread(c, json_deep_copy(then));
	return true;
}

static bool look(struct stg_step_ctx *c, struct stg_error *err)
{
	const json_t *f = c->facts;
	json_t *seen = json_object();
	stg_json_put(seen, "key_sha256", c->identity->key_sha256);
	stg_json_put(seen, "os_version", c->identity->os_version);
	static const char *const names[] = { STG_FACT_ACTIVATION_STATE, STG_FACT_SETUP_DONE, STG_FACT_SUPERVISED };
	for (size_t i = 0; i < STG_ARRAY_LEN(names); i++) {
		json_t *v = json_object_get(f, names[i]);
		if (v)
			stg_json_put_new(seen, names[i], json_incref(v));
	}
	step_reread(c, seen);
	/* most of it is invisible until the device trusts us again: what can be seen must not speak against it */
	if (stg_json_bool(f, STG_FACT_SUPERVISED, false) || stg_json_bool(f, STG_FACT_SETUP_DONE, false))
		return stg_fail_id(err, STG_E_HOLD, STG_ID_ERASE_NOT_PROVEN, 0, "it came back, but still %s",
				   stg_json_bool(f, STG_FACT_SUPERVISED, false) ? "supervised" : "set up");
	return true;
}

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	struct stg_error why = { 0 };
	(void)err;
	*ret = was_proven(c) || look(c, &why);
	return true;
}

const struct stg_step stg_step_wait_back = {
	.name = "wait_back",
	.about = "waits until the erased device is back and reads that it is empty",
	.deadline_ms = 60000,
	.gate = true,
	.reads_facts = true,
	.proven = proven,
	.run = look,
};
