/*
 * expiry.c - the calendar: what ends when.
 *
 * For:    `stager expiry`, `stager doctor`.
 * Uses:   _expiry.c; <stager/blueprint.h>.
 * Called: as operations.
 * Thread: the recorder's.
 *
 *   expiry         {"batch" or "blueprint", "params", "days"} -> {"v":1, "of", "until_ms" (of the batch), "entries":[{... as _expiry.h, "state":
 *                  "ended|soon|ok"}]}: the first to end first; with days only what ends within so many. "soon": within 30 days
 *   expiry.allows  {"plan","profiles","despite"} -> {"v":1,"warnings":[text]}: may devices be staged by this blueprint today?
 *   expiry.note    {"name","until","note","blueprint"} -> {"v":1,"name","ends_ms"}: a date no file tells, as of a push certificate
 *   expiry.forget  {"name"} -> {"v":1,"name"}
 */
#include <stdio.h>

#include <stager/blueprint.h>
#include <stager/clock.h>
#include <stager/error.h>

#include "_expiry.h"
#include "_secretly.h"

#define DAY_MS 86400000LL
#define SOON_MS (30 * DAY_MS)
#define NOTES_MAX 100
#define NAME_LONGEST 80
#define NOTE_LONGEST 200

/* What a batch was started with; what it would be started with, before. */
static json_t *of_batch(struct stg_op_ctx *c, const json_t *in, int64_t *ret_until_ms, struct stg_error *err)
{
	const char *name = stg_json_str(in, "batch");
	STG_AUTO(stg_json_free_at) json_t *batch = stg_store_batch(c->store, name, err);
	STG_AUTO(stg_json_free_at) json_t *pins = batch ? stg_store_batch_pins(c->store, name, err) : NULL;
	if (!pins)
		return NULL;
	*ret_until_ms = stg_json_int(pins, "until_ms", 0);
	if (json_object_get(pins, "blueprint"))
		return ops_expiry_of(c, json_object_get(pins, "blueprint"), json_object_get(pins, "profiles"), err);
	STG_AUTO(stg_json_free_at) json_t *plan = stg_blueprint_load(c->state_dir, stg_json_str(batch, "blueprint"), json_object_get(in, "params"), err);
	STG_AUTO(stg_json_free_at) json_t *profiles = plan ? stg_blueprint_profiles(c->state_dir, plan, err) : NULL;
	return profiles ? ops_expiry_of(c, plan, profiles, err) : NULL;
}

static json_t *of_blueprint(struct stg_op_ctx *c, const json_t *in, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(1u << 20);
	char path[4096];
	/* params without a value do not matter here */
	if (!stg_blueprint_text(c->state_dir, stg_json_str(in, "blueprint"), &text, path, sizeof(path), err))
		return NULL;
	STG_AUTO(stg_json_free_at) json_t *plan = stg_blueprint_check_in(c->state_dir, path, stg_buf_view(&text), err);
	STG_AUTO(stg_json_free_at) json_t *profiles = plan ? stg_blueprint_profiles(c->state_dir, plan, err) : NULL;
	return profiles ? ops_expiry_of(c, plan, profiles, err) : NULL;
}

static bool expiry(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *batch = stg_json_str(in, "batch"), *blueprint = stg_json_str(in, "blueprint");
	int64_t days = stg_json_int(in, "days", -1), now = stg_wall_ms(), until_ms = 0;
	if (*batch && *blueprint)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "--batch | --blueprint");
	if (json_object_get(in, "days") && (days < 0 || days > 36500))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "--days 0-36500");
	STG_AUTO(stg_json_free_at) json_t *all = *batch ? of_batch(c, in, &until_ms, err) : *blueprint ? of_blueprint(c, in, err) : ops_expiry(c, err);
	if (!all)
		return false;
	json_t *entries = json_array();
	for (size_t i = 0; i < json_array_size(all); i++) {
		json_t *one = json_array_get(all, i);
		int64_t ends_ms = stg_json_int(one, "ends_ms", 0);
		if (days >= 0 && ends_ms > now + days * DAY_MS)
			continue;
		stg_json_put(one, "state", !ends_ms ? "unknown" : ends_ms <= now ? "ended" : ends_ms <= now + SOON_MS ? "soon" : "ok");
		json_array_append(entries, one);
	}
	*ret = json_pack("{s:i, s:s, s:o}", "v", 1, "of", *batch ? batch : blueprint, "entries", entries);
	if (until_ms)
		stg_json_put_int(*ret, "until_ms", until_ms);
	return true;
}

static bool allows(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const json_t *plan = json_object_get(in, "plan");
	const char *despite = stg_json_str(in, "despite");
	STG_AUTO(stg_json_free_at) json_t *warnings = json_array(), *ends = NULL;
	if (!ops_expiry_allows(c, plan, json_object_get(in, "profiles"), 0, despite, warnings, &ends, err))
		return false;
	if (json_array_size(ends) &&
	    !ops_audit(c, "expiry.despite", stg_json_str(plan, "name"), json_pack("{s:s, s:O}", "despite", despite, "ends", ends), err))
		return false;
	*ret = json_pack("{s:i, s:O}", "v", 1, "warnings", warnings);
	return true;
}

static bool note(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name"), *text = stg_json_str(in, "note"), *blueprint = stg_json_str(in, "blueprint");
	int64_t until_ms = 0;
	if (!stg_op_may(c, "lead", err) || !ops_expiry_until(stg_json_str(in, "until"), &until_ms, err))
		return false;
	if (!*name || strlen(name) > NAME_LONGEST || strlen(text) > NOTE_LONGEST)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "NAME: 1-%d, --note: <= %d", NAME_LONGEST, NOTE_LONGEST);
	if (*blueprint) {
		STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(1u << 20);
		char path[4096];
		if (!stg_blueprint_text(c->state_dir, blueprint, &file, path, sizeof(path), err))
			return false;
	}
	STG_AUTO(stg_json_free_at) json_t *rows = ops_expiry_noted(c, err);
	if (!rows)
		return false;
	json_t *row = json_object();
	stg_json_put_int(row, "ends_ms", until_ms);
	stg_json_put(row, "note", text);
	stg_json_put(row, "blueprint", blueprint);
	stg_json_put(row, "by", c->actor);
	json_object_set_new(rows, name, row);
	if (json_object_size(rows) > NOTES_MAX)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "<= %d", NOTES_MAX);
	if (!ops_expiry_noted_keep(c, rows, err) || !ops_audit(c, "expiry.note", name, json_deep_copy(row), err))
		return false;
	*ret = json_pack("{s:i, s:s, s:I}", "v", 1, "name", name, "ends_ms", (json_int_t)until_ms);
	return *ret || stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "NAME");
}

static bool forget(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name");
	STG_AUTO(stg_json_free_at) json_t *rows = stg_op_may(c, "lead", err) ? ops_expiry_noted(c, err) : NULL;
	if (!rows)
		return false;
	if (json_object_del(rows, name) != 0)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_DATE_UNKNOWN, 0, "%.80s", name);
	if (!ops_expiry_noted_keep(c, rows, err) || !ops_audit(c, "expiry.forget", name, NULL, err))
		return false;
	*ret = json_pack("{s:i, s:s}", "v", 1, "name", name);
	return true;
}

const struct stg_op stg_ops_expiry[] = {
	{ "expiry", STG_OP_STORE, expiry },
	{ "expiry.allows", STG_OP_STORE, allows },
	{ "expiry.note", STG_OP_STORE, note },
	{ "expiry.forget", STG_OP_STORE, forget },
	{ 0 },
};
