/*
 * override.c - exceptions: one device does otherwise than its blueprint, with a reason and an end.
 *
 * For:    `stager override add|list|end`.
 * Uses:   the store, <stager/blueprint.h> to see at once whether it fits.
 * Called: as operations; intake asks the store when a job begins. A job that runs already keeps what it was begun with.
 * Thread: the recorder's.
 *
 *   override.add   {"serial","set":{param:value},"skip":[step],"reason","until":"2026-12-01" or a time} -> {"v":1,"id","serial","until_ms","checked":bool}
 *   override.list  {"serial"} -> {"v":1,"overrides":[{...,"active":bool}]}
 *   override.end   {"id"} -> {"v":1,"ended":id}
 *   A lead's act; the actor stands in the audit log, in the record, on the sheet and on the label.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <stager/blueprint.h>
#include <stager/clock.h>
#include <stager/error.h>

#include "_override.h"
#include "_trial.h"

#define REASON_LEAST 3
#define REASON_MOST 200
#define LONGEST_MS (366ll * 86400000)
#define SKIPS_MAX 20

/* A day means its end, where the station stands. */
static bool until_of(const char *text, int64_t *ret_ms, struct stg_error *err)
{
	struct tm tm = { .tm_hour = 23, .tm_min = 59, .tm_sec = 59, .tm_isdst = -1 };
	const char *rest = strptime(text, "%Y-%m-%d", &tm);
	if (rest && !*rest)
		*ret_ms = (int64_t)mktime(&tm) * 1000;
	else if (!stg_time_parse(text, ret_ms))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "--until %.40s: 2026-12-31", text);
	if (*ret_ms <= stg_wall_ms())
		return stg_fail_id(err, STG_E_USAGE, STG_ID_TIME_PAST, 0, "%.40s", text);
	return *ret_ms - stg_wall_ms() <= LONGEST_MS || stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "--until %.40s: <= 366 d", text);
}

static bool what_of(const json_t *in, json_t **ret, struct stg_error *err)
{
	const json_t *set = json_object_get(in, "set"), *skip = json_object_get(in, "skip");
	size_t reason = strlen(stg_json_str(in, "reason"));
	if (!json_object_size(set) && !json_array_size(skip))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "--set PARAM=VALUE | --skip STEP");
	if (reason < REASON_LEAST || reason > REASON_MOST || json_array_size(skip) > SKIPS_MAX)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "--reason: %d-%d", REASON_LEAST, REASON_MOST);
	*ret = json_object();
	if (json_object_size(set))
		stg_json_put_new(*ret, "set", json_deep_copy(set));
	if (json_array_size(skip))
		stg_json_put_new(*ret, "skip", json_deep_copy(skip));
	return true;
}

/* Does it fit what this device is ordered with? Where nothing is ordered yet, that is seen when its job begins. */
static bool fits(struct stg_op_ctx *c, const char *batch, const json_t *override, bool *ret_checked, struct stg_error *err)
{
	*ret_checked = false;
	if (!*batch)
		return true;
	struct stg_error why = { 0 };
	json_t *b = ops_batch_blueprint(c, batch, &why);
	if (!b)
		return true;    /* a blueprint that does not read is told when the batch is started */
	*ret_checked = true;
	bool ok = stg_blueprint_override(b, override, &why);
	json_decref(b);
	return ok || stg_fail_id(err, STG_E_USAGE, STG_ID_OVERRIDE_WRONG, 0, "%.200s", why.msg);
}

static bool add(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *serial = stg_json_str(in, "serial");
	char batch[64] = "";
	bool was_seen = false, checked = false;
	int64_t until_ms = 0, id = 0;
	STG_AUTO(stg_json_free_at) json_t *what = NULL;
	if (!stg_op_may(c, "lead", err) || !what_of(in, &what, err) || !until_of(stg_json_str(in, "until"), &until_ms, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *device = ops_device_or_row(c, serial, batch, sizeof(batch), &was_seen, err);
	if (!device)
		return false;
	STG_AUTO(stg_json_free_at) json_t *row = json_object();
	stg_json_put(row, "serial", stg_json_str_or(device, "serial", serial));
	/* a device that is known is meant as such; an order's line by its number */
	stg_json_put(row, "family", was_seen ? stg_json_str(device, "family") : "");
	stg_json_put(row, "unit", was_seen ? stg_json_str(device, "unit") : "");
	json_object_set(row, "what", what);
	stg_json_put(row, "reason", stg_json_str(in, "reason"));
	stg_json_put(row, "by", c->actor);
	stg_json_put_int(row, "until_ms", until_ms);
	if (!fits(c, batch, row, &checked, err) || !stg_store_override_add(c->store, row, &id, err))
		return false;
	json_t *detail = json_pack("{s:I, s:O, s:s, s:I}", "override", (json_int_t)id, "what", what, "reason", stg_json_str(in, "reason"), "until_ms",
				   (json_int_t)until_ms);
	if (!stg_op_audit(c, "override.add", stg_json_str(row, "serial"), stg_json_str(row, "unit"), detail, err))
		return false;
	*ret = json_pack("{s:i, s:I, s:s, s:I, s:b}", "v", 1, "id", (json_int_t)id, "serial", stg_json_str(row, "serial"), "until_ms", (json_int_t)until_ms, "checked",
			 checked);
	return true;
}

static bool is_active(const json_t *o)
{
	return !stg_json_int(o, "ended_ms", 0) && stg_json_int(o, "until_ms", 0) > stg_wall_ms();
}

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *all = stg_store_overrides(c->store, err);
	const char *serial = stg_json_str(in, "serial");
	json_t *wanted = json_array(), *one;
	size_t i;
	if (!all) {
		json_decref(wanted);
		return false;
	}
	json_array_foreach(all, i, one) {
		if (*serial && strcasecmp(serial, stg_json_str(one, "serial")) != 0)
			continue;
		stg_json_put_bool(one, "active", is_active(one));
		json_array_append(wanted, one);
	}
	*ret = json_pack("{s:i, s:o}", "v", 1, "overrides", wanted);
	return true;
}

static bool end(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	/* a person types it, a program may send the number */
	int64_t id = stg_json_int(in, "id", strtoll(stg_json_str(in, "id"), NULL, 10));
	char number[32];
	snprintf(number, sizeof(number), "%lld", (long long)id);
	if (!stg_op_may(c, "lead", err) || !stg_store_override_end(c->store, id, c->actor, err) || !stg_op_audit(c, "override.end", number, "", NULL, err))
		return false;
	*ret = json_pack("{s:i, s:I}", "v", 1, "ended", (json_int_t)id);
	return true;
}

bool ops_put_overrides(struct stg_op_ctx *c, json_t *rows, struct stg_error *err)
{
	static const char *const kept[] = { "id", "reason", "by", "until_ms" };
	STG_AUTO(stg_json_free_at) json_t *all = stg_store_overrides(c->store, err);
	size_t i, k;
	json_t *row, *one;
	if (!all)
		return false;
	json_array_foreach(rows, i, row) {
		json_array_foreach(all, k, one) {
			int64_t job = stg_json_int(one, "job", 0);
			bool was_used = job && job == stg_json_int(row, "job", -1);
			if (strcasecmp(stg_json_str(one, "serial"), stg_json_str(row, "serial")) != 0 || (!was_used && !is_active(one)))
				continue;
			json_t *told = json_object();
			for (size_t n = 0; n < STG_ARRAY_LEN(kept); n++)
				json_object_set(told, kept[n], json_object_get(one, kept[n]));
			if (!json_object_get(row, "override"))
				stg_json_put_new(row, "override", json_array());
			json_array_append_new(json_object_get(row, "override"), told);
		}
	}
	return true;
}

const struct stg_op stg_ops_override[] = {
	{ "override.add", STG_OP_STORE, add },
	{ "override.list", STG_OP_STORE, list },
	{ "override.end", STG_OP_STORE, end },
	{ 0 },
};
