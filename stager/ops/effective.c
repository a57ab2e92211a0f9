/*
 * effective.c - what holds for one device, line by line, and where each line was written.
 *
 * For:    `stager blueprint show [NAME|FILE] --for SERIAL`.
 * Uses:   the store, <stager/blueprint.h>, dryrun.c.
 * Called: as an operation.
 * Thread: the recorder's, or the command's own.
 *
 *   blueprint.effective  {"name" or a file; neither: the device's own, "for": a serial number,"params"} -> {"v":1,"name","serial","batch","pinned":bool,"sha256",
 *                        "parents":[{"name","path","sha256"}],"lines":[{"part":"organisation|param|require|step","key","value","from",
 *                        "text","text_fr","verdict","why"}]}
 *                        "overrides":[...] those that were applied
 *   "from" is "file:line", "given" for a value the person gave with the batch, or "override 3".
 */
#include <limits.h>
#include <stdlib.h>
#include <strings.h>

#include <stager/blueprint.h>
#include <stager/error.h>

#include "_trial.h"

#define FILE_MAX (1u << 20)
#define FOUND_MAX 50

/* ---- which device, which blueprint ---- */

/* Its line in an order that it has not come for yet. */
static json_t *expected_row(struct stg_op_ctx *c, const char *serial, char *batch, size_t size, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *found = stg_store_find(c->store, serial, FOUND_MAX, err);
	size_t i, k;
	json_t *one, *row;
	json_array_foreach(found, i, one) {
		if (strcmp(stg_json_str(one, "kind"), "expected") != 0 || strcasecmp(stg_json_str(one, "serial"), serial) != 0)
			continue;
		STG_AUTO(stg_json_free_at) json_t *rows = stg_store_batch_rows(c->store, stg_json_str(one, "batch"), err);
		json_array_foreach(rows, k, row) {
			if (strcasecmp(stg_json_str(row, "serial"), serial) != 0)
				continue;
			stg_copy(batch, size, stg_json_str(one, "batch"));
			return json_incref(row);
		}
	}
	if (found)
		stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_UNKNOWN_DEVICE, 0, "%.64s", serial);
	return NULL;
}

json_t *ops_device_or_row(struct stg_op_ctx *c, const char *serial, char *batch, size_t size, bool *ret_seen, struct stg_error *err)
{
	struct stg_error why = { 0 };
	json_t *device = stg_store_history(c->store, serial, &why);
	const json_t *orders = json_object_get(device, "orders");
	*ret_seen = device != NULL;
	if (!device && why.code != STG_E_NOT_FOUND) {
		if (err)
			*err = why;
		return NULL;
	}
	if (!device)
		return expected_row(c, serial, batch, size, err);
	if (json_array_size(orders))
		stg_copy(batch, size, stg_json_str(json_array_get(orders, json_array_size(orders) - 1), "batch"));
	return device;
}

struct chosen {
	json_t *blueprint, *profiles, *overrides;
	bool is_pinned, is_job;
};

/* What a job of it was begun with. */
static bool from_job(struct stg_op_ctx *c, const json_t *device, struct chosen *ret, struct stg_error *err)
{
	struct stg_error why = { 0 };
	STG_AUTO(stg_json_free_at) json_t *job = stg_store_job_open(c->store, stg_json_str(device, "family"), stg_json_str(device, "unit"), &why);
	if (!job)
		return why.code == STG_E_NOT_FOUND || (err && (*err = why, false));
	ret->blueprint = json_deep_copy(json_object_get(job, "blueprint"));
	ret->profiles = json_incref(json_object_get(job, "profiles"));
	ret->overrides = json_incref(json_object_get(json_object_get(job, "attributes"), "overrides"));
	ret->is_pinned = ret->is_job = true;
	return true;
}

static bool from_batch(struct stg_op_ctx *c, const char *name, const json_t *params, struct chosen *ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *batch = stg_store_batch(c->store, name, err);
	STG_AUTO(stg_json_free_at) json_t *pins = batch ? stg_store_batch_pins(c->store, name, err) : NULL;
	if (!pins)
		return false;
	if (json_object_get(pins, "blueprint")) {
		ret->blueprint = json_deep_copy(json_object_get(pins, "blueprint"));
		ret->profiles = json_incref(json_object_get(pins, "profiles"));
		ret->is_pinned = true;
		return true;
	}
	ret->blueprint = stg_blueprint_load(c->state_dir, stg_json_str(batch, "blueprint"), params, err);
	return ret->blueprint != NULL;
}

json_t *ops_batch_blueprint(struct stg_op_ctx *c, const char *batch, struct stg_error *err)
{
	struct chosen b = { 0 };
	if (!from_batch(c, batch, NULL, &b, err))
		return NULL;
	json_decref(b.profiles);
	return b.blueprint;
}

/* What was agreed for this device alone; a job that is under way has it in its pins already. */
static bool apply_overrides(struct stg_op_ctx *c, const json_t *device, bool was_seen, struct chosen *b, struct stg_error *err)
{
	struct stg_identity who = { 0 };
	if (was_seen)
		(void)stg_identity_from_json(device, &who, NULL);
	stg_copy(who.serial, sizeof(who.serial), stg_json_str(device, "serial"));
	STG_AUTO(stg_json_free_at) json_t *list = stg_store_overrides_for(c->store, &who, err);
	size_t i;
	json_t *one;
	if (!list)
		return false;
	json_array_foreach(list, i, one)
		if (!stg_blueprint_override(b->blueprint, one, err))
			return false;
	b->overrides = stg_steal(list);
	return true;
}

static bool choose(struct stg_op_ctx *c, const json_t *in, const json_t *device, bool was_seen, const char *batch, struct chosen *ret, struct stg_error *err)
{
	const json_t *params = json_object_get(in, "params");
	if (*stg_json_str(in, "name") || (c->n_fds && c->fds[0] >= 0)) {
		STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(FILE_MAX);
		char path[PATH_MAX];
		if (!ops_blueprint_text(c, in, &text, path, sizeof(path), err))
			return false;
		ret->blueprint = stg_blueprint_parse_in(c->state_dir, path, stg_buf_view(&text), params, err);
		if (!ret->blueprint)
			return stg_say(err, STG_ID_BLUEPRINT_WRONG);
	} else {
		if (was_seen && !from_job(c, device, ret, err))
			return false;
		if (!ret->blueprint && !*batch)
			return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "NAME | FILE");
		if (!ret->blueprint && !from_batch(c, batch, params, ret, err))
			return false;
	}
	if (!ret->profiles)
		ret->profiles = stg_blueprint_profiles(c->state_dir, ret->blueprint, err);
	return ret->profiles != NULL;
}

/* ---- the lines ---- */

static json_t *line(json_t *lines, const char *part, const char *key, const char *from)
{
	json_t *o = json_object();
	stg_json_put(o, "part", part);
	stg_json_put(o, "key", key);
	stg_json_put(o, "from", from);
	json_array_append_new(lines, o);
	return o;
}

static void put_plain(json_t *o, const json_t *value)
{
	if (json_is_string(value)) {
		stg_json_put_new(o, "value", json_incref((json_t *)(uintptr_t)value));
		return;
	}
	char *text = stg_json_text(value);
	stg_json_put(o, "value", text);
	free(text);
}

static void add_values(json_t *lines, const json_t *b)
{
	const json_t *from = json_object_get(b, "from"), *of;
	const char *key;
	json_t *value;
	if (*stg_json_str(b, "organisation"))
		stg_json_put(line(lines, "organisation", "organisation", stg_json_str(from, "organisation")), "value", stg_json_str(b, "organisation"));
	of = json_object_get(from, "params");
	json_object_foreach(json_object_get(b, "params"), key, value)
		put_plain(line(lines, "param", key, stg_json_str(of, key)), value);
}

/* A require step that has no line of its own came from `requires:`, key by key. */
static void add_require(json_t *lines, const json_t *b, const json_t *step, const json_t *verdict)
{
	const json_t *of = json_object_get(json_object_get(b, "from"), "requires");
	const char *key;
	json_t *value;
	json_object_foreach(json_object_get(step, "params"), key, value) {
		json_t *o = line(lines, "require", key, stg_json_str(of, key));
		put_plain(o, value);
		stg_json_put(o, "verdict", stg_json_str(verdict, "verdict"));
		if (strcmp(stg_json_str(verdict, "verdict"), "stop") == 0)
			stg_json_put(o, "why", stg_json_str(verdict, "text"));
	}
}

static void add_step(json_t *lines, const json_t *step, const json_t *verdict)
{
	char words[600];
	const char *is = stg_json_str_or(verdict, "verdict", "unknown");
	json_t *o = line(lines, "step", stg_json_str(step, "key"), stg_json_str(step, "from"));
	/* as it will be for this device: filled where that could be done */
	STG_AUTO(stg_json_free_at) json_t *filled = json_copy((json_t *)(uintptr_t)step);
	if (json_object_get(verdict, "params"))
		json_object_set(filled, "params", json_object_get(verdict, "params"));
	ops_step_words(filled, false, words, sizeof(words));
	stg_json_put(o, "text", words);
	ops_step_words(filled, true, words, sizeof(words));
	stg_json_put(o, "text_fr", words);
	stg_json_put(o, "verdict", is);
	if (strcmp(is, "run") != 0)
		stg_json_put(o, "why", stg_json_str(verdict, "text"));
}

static json_t *lines_of(const json_t *b, const json_t *verdicts)
{
	json_t *lines = json_array(), *step;
	size_t i;
	add_values(lines, b);
	json_array_foreach(json_object_get(b, "steps"), i, step) {
		const json_t *verdict = json_array_get(verdicts, i);
		if (*stg_json_str(step, "from"))
			add_step(lines, step, verdict);
		else
			add_require(lines, b, step, verdict);
	}
	return lines;
}

static bool effective(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	char batch[64] = "";
	bool was_seen = false;
	const char *serial = stg_json_str(in, "for");
	if (!*serial)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "--for SERIAL");
	STG_AUTO(stg_json_free_at) json_t *device = ops_device_or_row(c, serial, batch, sizeof(batch), &was_seen, err);
	STG_AUTO(stg_json_free_at) json_t *tried = json_object();
	struct chosen b = { 0 };
	if (!device)
		return false;
	bool ok = choose(c, in, device, was_seen, batch, &b, err) && (b.is_job || apply_overrides(c, device, was_seen, &b, err)) &&
		  ops_try_device(c, b.blueprint, b.profiles, device, was_seen, tried, err);
	if (ok) {
		json_t *o = json_pack("{s:i, s:s, s:s, s:b}", "v", 1, "name", stg_json_str(b.blueprint, "name"), "serial", stg_json_str_or(tried, "serial", serial),
				      "pinned", b.is_pinned);
		stg_json_put(o, "batch", batch);
		stg_json_put(o, "sha256", stg_json_str(b.blueprint, "sha256"));
		stg_json_put_new(o, "parents", json_object_get(b.blueprint, "parents") ? json_incref(json_object_get(b.blueprint, "parents")) : json_array());
		stg_json_put_new(o, "overrides", b.overrides ? json_incref(b.overrides) : json_array());
		stg_json_put_new(o, "lines", lines_of(b.blueprint, json_object_get(tried, "steps")));
		*ret = o;
	}
	json_decref(b.blueprint);
	json_decref(b.profiles);
	json_decref(b.overrides);
	return ok;
}

const struct stg_op stg_ops_effective[] = {
	{ "blueprint.effective", STG_OP_STORE, effective },
	{ 0 },
};
