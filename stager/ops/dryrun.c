/*
 * dryrun.c - what a blueprint would do, without any device: for one known device, or for every line of an order.
 *
 * For:    `stager blueprint dry-run NAME --serial S | --batch B`: missing values and wrong models are found at a desk.
 * Uses:   the inventory's last facts, the order's lines, the profiles filled in and thrown away. Nothing is issued, no
 *         secret is opened.
 * Called: through stg_call().
 * Thread: the recorder's, or the command's own.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/blueprint.h>
#include <stager/error.h>
#include <stager/file.h>
#include <stager/op.h>
#include <stager/payload.h>
#include <stager/step.h>

#include "_trial.h"

#define FILE_MAX (1u << 20)

struct trial {
	struct stg_op_ctx *op;
	json_t *blueprint, *profiles, *common;  /* common: organisation and the names of secrets */
	struct stg_identity who;
	const json_t *facts, *attributes;       /* facts NULL: never seen */
	const char *batch;
};

static json_t *verdict(const json_t *step, const char *what, const char *text)
{
	json_t *o = json_object();
	stg_json_put(o, "key", stg_json_str(step, "key"));
	stg_json_put(o, "step", stg_json_str(step, "step"));
	stg_json_put(o, "verdict", what);
	stg_json_put(o, "text", text);
	return o;
}

static void nobody(void *ctx, enum stg_ask what)
{
	(void)ctx;
	(void)what;
}

/* require reads nothing but facts and the order, so the step itself can judge. */
static json_t *try_require(const struct trial *t, const json_t *step, const json_t *params)
{
	struct stg_error why = { 0 };
	struct stg_identity who = t->who;
	struct stg_job job = { .identity = who, .attributes = (json_t *)(uintptr_t)t->attributes };
	const struct stg_host host = { .ask_person = nobody };
	STG_AUTO(stg_json_free_at) json_t *evidence = json_object();
	STG_AUTO(stg_json_free_at) json_t *memory = json_object();
	struct stg_step_ctx c = { .host = &host, .job = &job, .params = params, .facts = t->facts, .evidence = evidence,
				  .memory = memory, .identity = &who };
	const struct stg_step *what = stg_step_find("require");
	if (!t->facts)
		return verdict(step, "unknown", "the device was never seen");
	if (what && what->run(&c, &why))
		return verdict(step, "run", "it fits");
	char text[300];
	snprintf(text, sizeof(text), "%.120s (%.150s)", stg_id_sentence(why.id), why.msg);
	return verdict(step, "stop", text);
}

static json_t *values_for(const struct trial *t)
{
	json_t *v = stg_variables_of(&t->who, t->batch, t->attributes, t->blueprint);
	json_object_update_missing(v, t->common);
	return v;
}

/* The profile as it would be made, with nothing secret in it, and dropped. */
static bool try_profile(const struct trial *t, bool certificate, const json_t *params, const json_t *values,
			struct stg_error *err)
{
	const char *name = stg_json_str(params, "profile");
	const json_t *pinned = json_object_get(t->profiles, name);
	STG_AUTO(stg_buf_clear) struct stg_buf bytes = STG_BUF(FILE_MAX + 16);
	STG_AUTO(stg_payload_clear) struct stg_payload p = { .bytes = STG_BUF(4u << 20) };
	if (!pinned)
		return true;
	if (!stg_unbase64(stg_json_str(pinned, "base64"), &bytes, err))
		return false;
	if (certificate) {
		/* a place is kept for the certificate that will be made then */
		STG_AUTO(stg_json_free_at) json_t *issuers = json_array();
		return stg_profile_with_identity(name, stg_buf_view(&bytes), values, t->who.unit,
						 stg_bytes_str("later"), stg_bytes_str("later"), issuers, NULL, &p,
						 err);
	}
	return stg_profile_fill(name, stg_buf_view(&bytes), stg_json_bool(pinned, "template", false) ? values : NULL,
				t->who.unit, &p, err);
}

static bool depends_on_facts(const json_t *when)
{
	for (size_t i = 0; i < json_array_size(when); i++) {
		const char *name;
		json_t *test;
		json_object_foreach(json_array_get(when, i), name, test) {
			if (test && strncmp(name, "batch.", 6) != 0)
				return true;
		}
	}
	return false;
}

static json_t *try_step(const struct trial *t, const json_t *step)
{
	struct stg_error err = { 0 };
	const json_t *when = json_object_get(step, "when");
	if (json_array_size(when) && !stg_blueprint_when(when, t->facts, t->attributes)) {
		bool open = !t->facts && depends_on_facts(when);
		return verdict(step, open ? "unknown" : "skip",
			       open ? "its condition needs a device" : "its condition does not hold");
	}
	STG_AUTO(stg_json_free_at) json_t *values = values_for(t);
	STG_AUTO(stg_json_free_at) json_t *params = stg_variables_fill(json_object_get(step, "params"), values, &err);
	if (!params)
		return verdict(step, "missing", err.msg);
	json_t *said = NULL;
	if (strcmp(stg_json_str(step, "step"), "require") == 0)
		said = try_require(t, step, params);
	else if (!try_profile(t, strcmp(stg_json_str(step, "step"), "issue_certificate") == 0, params, values, &err))
		said = verdict(step, "missing", err.msg);
	else
		said = verdict(step, "run",
			       *stg_json_str(params, "name") ? stg_json_str(params, "name") : stg_json_str(params, "profile"));
	json_object_set(said, "params", params);
	return said;
}

/* A challenge is made for each device when its turn comes; here it is enough that it could be. */
static bool scep_values(struct stg_op_ctx *c, json_t *v, struct stg_error *err)
{
	STG_AUTO(stg_free_at) char *url = stg_store_get(c->store, "scep_url", err), *listen = stg_store_get(c->store, "scep_listen", err);
	STG_AUTO(stg_json_free_at) json_t *servers = stg_store_scep_servers(c->store, err);
	if (!url || !listen || !servers)
		return false;
	if (!*url && !*listen && !json_array_size(servers))
		return true;
	stg_json_put(v, "scep.url", *url ? url : "http://station/scep");
	stg_json_put(v, "scep.challenge", "********");
	stg_json_put_new(v, "scep.fingerprint", json_pack("{s:s}", "data", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="));
	return true;
}

/* What every device has in common: the organisation and, by name only, the secrets there are. */
static bool common_values(struct stg_op_ctx *c, json_t *v, struct stg_error *err)
{
	struct stg_error why = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(FILE_MAX);
	STG_AUTO(stg_json_free_at) json_t *org = stg_store_org(c->store, "", &sealed, &why);
	STG_AUTO(stg_json_free_at) json_t *secrets = stg_store_secrets(c->store, err);
	if (!secrets || (org && !stg_org_values(org, v, err)))
		return false;
	for (size_t i = 0; i < json_array_size(secrets); i++) {
		char key[160];
		snprintf(key, sizeof(key), "secret.%s", stg_json_str(json_array_get(secrets, i), "name"));
		stg_json_put(v, key, "********");
	}
	return scep_values(c, v, err);
}

static json_t *try_all(const struct trial *t)
{
	json_t *list = json_array();
	const json_t *steps = json_object_get(t->blueprint, "steps");
	for (size_t i = 0; i < json_array_size(steps); i++) {
		json_t *v = try_step(t, json_array_get(steps, i));
		bool stop = strcmp(stg_json_str(v, "verdict"), "stop") == 0;
		json_array_append_new(list, v);
		if (stop)
			break;
	}
	return list;
}

/* The order's columns as a job would have them. */
static json_t *attributes_of(const json_t *row)
{
	static const char *const own[] = { "asset_tag", "name", "ownership" };
	const json_t *more = json_object_get(row, "attributes");
	json_t *a = json_is_object(more) ? json_deep_copy(more) : json_object();
	for (size_t i = 0; i < STG_ARRAY_LEN(own); i++)
		stg_json_put(a, own[i], stg_json_str(row, own[i]));
	return a;
}

/* A device of the inventory, or a line of an order that nobody has plugged in yet. */
static bool try_row(struct trial *t, const json_t *device, bool was_seen, json_t *out, struct stg_error *err)
{
	struct stg_identity who = { 0 };
	(void)err;
	if (was_seen)
		(void)stg_identity_from_json(device, &who, NULL);
	else
		stg_copy(who.serial, sizeof(who.serial), stg_json_str(device, "serial"));
	const json_t *orders = json_object_get(device, "orders");
	const json_t *row = json_array_size(orders) ? json_array_get(orders, json_array_size(orders) - 1) : device;
	STG_AUTO(stg_json_free_at) json_t *attributes = attributes_of(row);
	STG_AUTO(stg_json_free_at) json_t *facts = json_is_object(json_object_get(device, "facts"))
		? json_deep_copy(json_object_get(device, "facts")) : json_object();
	STG_AUTO(stg_json_free_at) json_t *names = stg_identity_json(&who);
	json_object_update_missing(facts, names);
	t->who = who;
	t->attributes = attributes;
	t->facts = was_seen ? facts : NULL;
	t->batch = stg_json_str(row, "batch");
	stg_json_put(out, "serial", who.serial);
	stg_json_put_new(out, "steps", try_all(t));
	t->attributes = t->facts = NULL;   /* they were lent for this device only */
	return true;
}

static bool try_device(struct trial *t, const char *serial, json_t *out, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *device = stg_store_history(t->op->store, serial, err);
	if (!device)
		return stg_say(err, STG_ID_UNKNOWN_DEVICE);
	return try_row(t, device, true, out, err);
}

bool ops_try_device(struct stg_op_ctx *c, json_t *blueprint, json_t *profiles, const json_t *row, bool was_seen, json_t *out, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *common = json_object();
	if (!common_values(c, common, err))
		return false;
	struct trial t = { .op = c, .blueprint = blueprint, .profiles = profiles, .common = common };
	return try_row(&t, row, was_seen, out, err);
}

static bool try_order(struct trial *t, const char *batch, json_t *out, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_batch_rows(t->op->store, batch, err);
	json_t *problems = json_array();
	stg_json_put_new(out, "problems", problems);
	if (!rows)
		return false;
	int64_t lines = 0;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		/* what only a device can tell is not missing from an order */
		struct stg_identity who = { .family = "apple",
					    .unit = "0",
					    .udid = "0",
					    .model = "?",
					    .os_version = "0",
					    .imei = { "0", "0" },
					    .wifi_mac = "0",
					    .bluetooth_mac = "0",
					    .name = "?" };
		if (stg_json_bool(row, "unexpected", false))
			continue;
		lines++;
		stg_copy(who.serial, sizeof(who.serial), stg_json_str_or(row, "serial", "?"));
		STG_AUTO(stg_json_free_at) json_t *attributes = attributes_of(row);
		t->who = who;
		t->attributes = attributes;
		t->facts = NULL;
		t->batch = batch;
		STG_AUTO(stg_json_free_at) json_t *all = try_all(t);
		t->attributes = NULL;
		for (size_t k = 0; k < json_array_size(all); k++) {
			json_t *v = json_array_get(all, k);
			if (strcmp(stg_json_str(v, "verdict"), "missing") != 0)
				continue;
			json_t *one = json_deep_copy(v);
			stg_json_put_int(one, "line", stg_json_int(row, "line", 0));
			stg_json_put(one, "serial", stg_json_str(row, "serial"));
			json_array_append_new(problems, one);
		}
	}
	stg_json_put(out, "batch", batch);
	stg_json_put_int(out, "lines", lines);
	return true;
}

static bool dry_run(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(FILE_MAX);
	char path[PATH_MAX];
	const char *serial = stg_json_str(in, "serial"), *batch = stg_json_str(in, "batch");
	bool from_file = c->n_fds > 0 && c->fds[0] >= 0;
	if (!*serial == !*batch)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_SERIAL_OR_BATCH, 0, "%s", "");
	stg_copy(path, sizeof(path), stg_json_str_or(in, "file", "blueprint"));
	if (from_file ? !stg_file_read_fd(c->fds[0], &text, err)
		      : !stg_blueprint_text(c->state_dir, stg_json_str(in, "name"), &text, path, sizeof(path), err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *b = stg_blueprint_parse_in(c->state_dir, path, stg_buf_view(&text), json_object_get(in, "params"), err);
	if (!b)
		return stg_say(err, STG_ID_BLUEPRINT_WRONG);
	STG_AUTO(stg_json_free_at) json_t *profiles = stg_blueprint_profiles(c->state_dir, b, err);
	STG_AUTO(stg_json_free_at) json_t *common = json_object();
	STG_AUTO(stg_json_free_at) json_t *out = json_object();
	if (!profiles || !common_values(c, common, err))
		return false;
	struct trial t = { .op = c, .blueprint = b, .profiles = profiles, .common = common };
	stg_json_put_int(out, "v", 1);
	stg_json_put(out, "blueprint", stg_json_str(b, "name"));
	if (*serial ? !try_device(&t, serial, out, err) : !try_order(&t, batch, out, err))
		return false;
	*ret = stg_steal(out);
	return true;
}

const struct stg_op stg_ops_dryrun[] = {
	{ "blueprint.dry_run", STG_OP_STORE, dry_run },
	{ 0 },
};
