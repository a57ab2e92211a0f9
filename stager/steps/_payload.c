/*
 * _payload.c - one payload of the station into the device: now, silently when supervised by us, or stored for after setup.
 *
 * For:    install_profile and issue_certificate.
 * Uses:   host->payload for the exact bytes, the device door. Bytes are never kept in evidence, only their hash.
 * Called: the two steps.
 * Thread: the worker's only one.
 *
 * Nothing is asked of the station before the step's beginning is on disk, because making a certificate is an act. So a
 * first look knows what to expect only from an earlier attach; run() looks once more with the payload in hand.
 */
#include "steps.h"

static bool after_setup(const struct stg_step_ctx *c)
{
	return strcmp(stg_json_str(c->params, "when"), "after_setup") == 0;
}

static enum stg_install how(const struct stg_step_ctx *c)
{
	const char *word = stg_json_str(c->params, "how");
	return strcmp(word, "silent") == 0   ? STG_INSTALL_SILENT
	       : strcmp(word, "person") == 0 ? STG_INSTALL_ASK_PERSON
					     : STG_INSTALL_AUTO;
}

static json_t *named(const struct stg_payload *p)
{
	json_t *o = json_object();
	char hash[65];
	stg_sha256_hex(stg_buf_view(&p->bytes), hash);      /* of what is sent, signature included */
	stg_json_put(o, "identifier", p->identifier);
	stg_json_put(o, "uuid", p->uuid);
	stg_json_put_int(o, "version", p->version);
	stg_json_put(o, "sha256", hash);
	stg_json_put_int(o, "size_bytes", (int64_t)p->bytes.len);
	stg_json_put(o, "certificate_sha256", p->certificate_sha256);
	return o;
}

const json_t *step_expected_profiles(struct stg_step_ctx *c)
{
	json_t *all = json_object_get(c->memory, "expected");
	if (!all) {
		all = json_object();
		stg_json_put_new(c->memory, "expected", all);
	}
	return all;
}

void step_forget_expected(struct stg_step_ctx *c, const char *identifier)
{
	json_t *all = (json_t *)(uintptr_t)step_expected_profiles(c), *one;
	const char *key;
	void *next;
	json_object_foreach_safe(all, next, key, one)
		if (strcmp(stg_json_str(one, "identifier"), identifier) == 0)
			json_object_del(all, key);
}

static void note_expected(struct stg_step_ctx *c, const json_t *what, bool stored)
{
	json_t *all = (json_t *)(uintptr_t)step_expected_profiles(c);
	json_t *one = json_object();
	stg_json_put(one, "identifier", stg_json_str(what, "identifier"));
	stg_json_put(one, "uuid", stg_json_str(what, "uuid"));
	stg_json_put_int(one, "version", stg_json_int(what, "version", 0));
	stg_json_put(one, "sha256", stg_json_str(what, "sha256"));
	stg_json_put_bool(one, "stored", stored);
	stg_json_put_new(all, c->key ? c->key : "", one);
}

/* What the device shows of this payload; `what` has identifier, uuid, version and sha256. */
static bool shows(struct stg_step_ctx *c, const json_t *what, bool afresh, bool *ret, struct stg_error *err)
{
	json_t *seen = NULL;
	if (after_setup(c)) {
		enum { STORED_MAX = 4 << 20 };
		STG_AUTO(stg_buf_clear) struct stg_buf stored = STG_BUF(STORED_MAX);
		char hash[65] = "";
		if (!stg_device_stored_profile(c->device, &stored, err))
			return stg_while(err, "read the stored profile");
		if (stored.len)
			stg_sha256_hex(stg_buf_view(&stored), hash);
		*ret = stored.len && strcmp(hash, stg_json_str(what, "sha256")) == 0;
		seen = json_object();
		stg_json_put(seen, "stored_sha256", hash);
		stg_json_put_int(seen, "size_bytes", (int64_t)stored.len);
	} else {
		const json_t *list = step_profiles(c, afresh, err);
		if (!list)
			return false;
		const json_t *found = step_profile_in(list, stg_json_str(what, "identifier"), stg_json_str(what, "uuid"),
						      stg_json_int(what, "version", 0));
		*ret = found != NULL;
		seen = found ? json_deep_copy(found) : json_object();
	}
	if (*ret) {
		stg_json_put(seen, "identifier", stg_json_str(what, "identifier"));
		stg_json_put(seen, "uuid", stg_json_str(what, "uuid"));
		stg_json_put_int(seen, "version", stg_json_int(what, "version", 0));
		stg_json_put(seen, "sha256", stg_json_str(what, "sha256"));
		stg_json_put(seen, "certificate_sha256", stg_json_str(what, "certificate_sha256"));
		note_expected(c, what, after_setup(c));
	}
	step_reread(c, seen);
	return true;
}

bool step_payload_proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	*ret = false;
	if (c->payload->bytes.len) {
		STG_AUTO(stg_json_free_at) json_t *what = named(c->payload);
		return shows(c, what, true, ret, err);
	}
	/* not asked for yet: only what an earlier attach has proven can be compared */
	const json_t *before = json_object_get(c->proven_before, "reread");
	if (!*stg_json_str(before, "identifier"))
		return true;
	return shows(c, before, false, ret, err);
}

/* A profile that only a supervised device takes waits for the supervision that waits for the line. */
static bool supervision_is_there(struct stg_step_ctx *c, struct stg_error *err)
{
	if (!stg_json_bool(c->params, "supervised", false) && how(c) != STG_INSTALL_SILENT)
		return true;
	return step_needs_supervision(c, err);
}

bool step_payload_check(const json_t *params, struct stg_error *err)
{
	return strcmp(stg_json_str(params, "when"), "after_setup") != 0 || !*stg_json_str(params, "how") ||
	       stg_fail(err, STG_E_INPUT, 0, "'how' says nothing for a stored profile, expected only 'when: after_setup'");
}

bool step_payload_run(struct stg_step_ctx *c, struct stg_error *err)
{
	bool is_there = false;
	char queued[160];
	if (!supervision_is_there(c, err))
		return false;
	if (!c->payload->bytes.len) {
		if (!c->host->payload(c->host->ctx, c->payload, err))
			return false;
		json_t *asked = json_object_get(c->evidence, "asked");
		if (json_is_object(asked)) {
			json_t *name = named(c->payload);
			json_object_update(asked, name);
			json_decref(name);
		}
	}
	STG_AUTO(stg_json_free_at) json_t *what = named(c->payload);
	snprintf(queued, sizeof(queued), "queued %s", c->key ? c->key : "");
	bool is_queued = json_is_true(json_object_get(c->memory, queued));
	if (!shows(c, what, is_queued, &is_there, err))
		return false;
	if (is_there) {
		step_acknowledged(c, json_string("was there already"));
		return true;
	}
	if (after_setup(c))
		return stg_device_store_profile(c->device, stg_buf_view(&c->payload->bytes), err);
	if (is_queued)
		return stg_fail_id(err, STG_E_NEEDS_HUMAN, STG_ID_PROFILE_TAP, 0, "still waits for a tap in Settings");
	bool installed = stg_device_install_profile(c->device, stg_buf_view(&c->payload->bytes), how(c), err);
	json_object_del(c->memory, "profiles");
	/* nobody can tap in Settings while the Setup Assistant is on: then it is simply not there */
	if (!installed && err->id == STG_ID_PROFILE_NOT_THERE && c->facts &&
	    !stg_json_bool(c->facts, STG_FACT_SETUP_DONE, true))
		return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_NOT_PROVEN, 0, "acknowledged, but not in the list");
	if (!installed && err->code == STG_E_NEEDS_HUMAN) {
		/* sent once is enough: from here on only look whether somebody tapped */
		if (err->id != STG_ID_DEVICE_LOCKED)
			stg_json_put_bool(c->memory, queued, true);
		c->host->ask_person(c->host->ctx,
				    err->id == STG_ID_DEVICE_LOCKED ? STG_ASK_UNLOCK : STG_ASK_SETTINGS_PROFILE);
	}
	return installed;
}
