/*
 * erase.c - puts the device back to factory state. Sent once, with a token that the gate gave for this attach.
 *
 * For:    returned devices. Nothing here decides that a device may be erased: the station's gate does.
 * Uses:   host->erase_token, the device door.
 * Called: worker/run.c, which never calls run() when the journal knows of an earlier attempt.
 * Thread: the worker's only one.
 *
 * Facts:  success shows as a lost connection (apple.md 0.12, 9.3.6): the only proof is another device key at the next attach.
 */
#include "steps.h"

static const struct stg_param params[] = {
	{ "keep_esim", STG_PARAM_BOOL, .about = "keep the data plan of the eSIM (default yes)" },
	{ "purge_statement", STG_PARAM_STRING, .about = "where the maker's statement is filed that lets its erase be called Purge; without it the record says Clear" },
	{ "two_persons", STG_PARAM_BOOL, .about = "true: a lead agrees to each erase too, on the spot or signed beforehand" },
	{ 0 },
};

static json_t *asked(struct stg_step_ctx *c)
{
	json_t *o = json_object();
	stg_json_put(o, "unit", c->identity->unit);
	stg_json_put(o, "serial", c->identity->serial);
	stg_json_put(o, "key_sha256", c->identity->key_sha256);
	stg_json_put_int(o, "attach", (int64_t)c->arrival->attach);
	stg_json_put_bool(o, "keep_esim", stg_json_bool(c->params, "keep_esim", true));
	/* as it was before: the record of the erasure says so, and nobody can read it afterwards */
	stg_json_put(o, "os_version", c->identity->os_version);
	stg_json_put(o, "purge_statement", stg_json_str(c->params, "purge_statement"));
	static const char *const names[] = { STG_FACT_SUPERVISED, STG_FACT_SUPERVISED_BY, STG_FACT_SETUP_DONE, STG_FACT_SIM_STATUS,
					     STG_FACT_CAPACITY_BYTES, STG_FACT_FIND_MY };
	for (size_t i = 0; i < STG_ARRAY_LEN(names); i++) {
		json_t *v = json_object_get(c->facts, names[i]);
		if (v)
			stg_json_put_new(o, names[i], json_incref(v));
	}
	return o;
}

/* A device that was in recovery may never have told its key. Then a restore that ended well and the image's own system are the proof. */
static bool was_restored(const json_t *record, const struct stg_identity *now)
{
	const json_t *image = json_object_get(json_object_get(record, "asked"), "image");
	return image && json_is_true(json_object_get(record, "acknowledged")) && now->os_version[0] &&
	       strcmp(stg_json_str(image, "version"), now->os_version) == 0 && (!now->build[0] || strcmp(stg_json_str(image, "build"), now->build) == 0);
}

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	const json_t *record = c->proven_before ? c->proven_before : c->begun_before;
	const json_t *before = json_object_get(record, "asked");
	*ret = false;
	if (!record)
		return true;            /* never sent by this job */
	struct stg_identity now = { 0 };
	if (!stg_device_identify(c->device, &now, err))
		return stg_while(err, "read its key");
	const char *key = stg_json_str(before, "key_sha256");
	bool another_key = *key && now.key_sha256[0] && strcmp(key, now.key_sha256) != 0;
	*ret = (another_key || (!*key && was_restored(record, &now))) && stg_json_int(before, "attach", -1) != (int64_t)c->arrival->attach;
	json_t *seen = json_object();
	stg_json_put(seen, "os_version", now.os_version);
	stg_json_put(seen, "key_sha256", now.key_sha256);
	stg_json_put_bool(seen, "another_key", another_key);
	stg_json_put_int(seen, "attach", (int64_t)c->arrival->attach);
	step_reread(c, seen);
	if (*ret) {
		/* the evidence is of what was asked then, not now */
		stg_json_put_new(c->evidence, "asked", json_deep_copy(before));
		const json_t *ack = json_object_get(record, "acknowledged");
		if (ack)
			stg_json_put_new(c->evidence, "acknowledged", json_deep_copy(ack));
	}
	return true;
}

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	struct stg_identity now = { 0 };
	if (stg_json_bool(c->facts, STG_FACT_FIND_MY, false))
		return stg_fail_id(err, STG_E_HOLD, STG_ID_FIND_MY_ON, 0, "Find My is on: nothing was sent");
	/* the gate is shown who answers now, over this session, not who answered a minute ago */
	if (!stg_device_identify(c->device, &now, err))
		return stg_while(err, "read who it is");
	if (!stg_identity_same(c->identity, &now) || strcmp(c->identity->key_sha256, now.key_sha256) != 0)
		return stg_fail_id(err, STG_E_HOLD, STG_ID_OTHER_DEVICE, 0, "another device answers: nothing was sent");
	if (!c->host->erase_token(c->host->ctx, &now, err)) {
		if (err->code != STG_E_SAFETY && err->code != STG_E_HOLD)
			err->code = STG_E_SAFETY;       /* whatever went wrong with the gate, it did not say yes */
		return false;
	}
	if (!stg_device_erase(c->device, stg_json_bool(c->params, "keep_esim", true), err)) {
		/* only a clear no is a no; everything else may have happened */
		if (err->code != STG_E_REFUSED && err->code != STG_E_UNSUPPORTED && err->code != STG_E_NEEDS_HUMAN)
			err->code = STG_E_UNKNOWN;
		else if (err->code == STG_E_NEEDS_HUMAN)
			err->code = STG_E_HOLD;         /* the token is spent: a person orders it again */
		return stg_while(err, "erase");
	}
	step_acknowledged(c, json_true());
	c->reopen = true;
	return true;
}

const struct stg_step stg_step_erase = {
	.name = "erase",
	.about = "erases everything on the device",
	.params = params,
	.deadline_ms = 120000,
	.destroys_data = true,
	.needs_trust = true,
	.together = 6,
	.gate = true,
	.reads_facts = true,
	.asked = asked,
	.proven = proven,
	.run = run,
};
