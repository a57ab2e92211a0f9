/*
 * wipe.c - a person's order to erase: the typed half of the gate.
 *
 * For:    cmd/wipe.c.
 * Uses:   the store's erase orders. Nothing is sent to a device here: the order waits until the device's own job asks.
 * Called: as an operation.
 * Thread: the recorder's.
 *
 *   wipe.list   {"batch"} -> {"batch","devices":[{serial,asset_tag,name,end}],"count","refused":[{serial,ownership}]}
 *   wipe.order  {"batch","count"} or {"serials":[{"serial","confirm"}]}, and "second","second_pin" when a lead agrees on the spot
 *               -> {"ordered":n,"serials":[...]}
 *   wipe.sign   {"serials":[...]} or {"batch","count"}, "minutes" or "until_ms", "reason", "by" (else the actor), "pin" of that lead
 *               -> {"v":1,"id","by","most","until_ms","released"}: an exception, which stands in for the second person so many times
 *   wipe.exceptions {"all":bool} -> {"v":1,"exceptions":[{id,by,batch,serials,most,used,left,until_ms,state,reason}]}
 *   wipe.withdraw   {"id"} -> {"v":1,"withdrawn":id}
 */
#include <string.h>
#include <strings.h>

#include <stager/clock.h>
#include <stager/op.h>

static bool may_erase(const json_t *row)
{
	return strcmp(stg_json_str(row, "ownership"), "pool") == 0 && !stg_json_bool(row, "unexpected", false) &&
	       strcmp(stg_json_str(row, "end"), "staged") != 0;
}

static json_t *short_row(const json_t *row)
{
	json_t *one = json_object();
	static const char *const keys[] = { "serial", "asset_tag", "name", "end", "ownership" };
	for (size_t i = 0; i < STG_ARRAY_LEN(keys); i++)
		stg_json_put(one, keys[i], stg_json_str(row, keys[i]));
	return one;
}

static bool lists(struct stg_op_ctx *c, const char *batch, json_t **devices, json_t **refused, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_batch_rows(c->store, batch, err);
	size_t i;
	json_t *row;
	if (!rows)
		return false;
	*devices = json_array();
	*refused = json_array();
	json_array_foreach(rows, i, row)
		if (!stg_json_bool(row, "unexpected", false) && strcmp(stg_json_str(row, "end"), "staged") != 0)
			json_array_append_new(may_erase(row) ? *devices : *refused, short_row(row));
	return true;
}

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	json_t *devices = NULL, *refused = NULL;
	if (!lists(c, stg_json_str(in, "batch"), &devices, &refused, err))
		return false;
	*ret = json_pack("{s:s, s:I, s:o, s:o}", "batch", stg_json_str(in, "batch"), "count", (json_int_t)json_array_size(devices),
			 "devices", devices, "refused", refused);
	return true;
}

static bool go_on(struct stg_op_ctx *c, const json_t *job, struct stg_error *err)
{
	const char *state = stg_json_str(job, "state");
	return (strcmp(state, "hold") != 0 && strcmp(state, "parked") != 0) ||
	       stg_store_job_move(c->store, stg_json_int(job, "id", 0), STG_JOB_WAITING, NULL, err);
}

/* A job that stands because nobody had confirmed its erase, or agreed to it, goes on now that somebody has. */
static bool release(struct stg_op_ctx *c, const char *serial, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:s, s:b}", "serial", serial, "open", 1);
	STG_AUTO(stg_json_free_at) json_t *jobs = stg_store_jobs(c->store, filter, err);
	size_t i;
	json_t *job;
	if (!jobs)
		return false;
	json_array_foreach(jobs, i, job) {
		int64_t code = stg_json_int(job, "code", 0);
		if ((code == STG_ID_ERASE_NOT_CONFIRMED || code == STG_ID_ERASE_SECOND) && !go_on(c, job, err))
			return false;
	}
	return true;
}

/* Who is no lead needs one: on the spot, or an exception for each of these. Told now, not when the device is in hand. */
static bool second_agrees(struct stg_op_ctx *c, const json_t *in, const json_t *serials, struct stg_error *err)
{
	struct stg_error low = { 0 };
	size_t i;
	json_t *one;
	if (*stg_json_str(in, "second"))
		return stg_op_second(c, in, "lead", err);
	if (stg_op_may(c, "lead", &low))
		return true;
	if (low.id != STG_ID_ROLE_TOO_LOW)
		return *err = low, false;
	json_array_foreach((json_t *)serials, i, one) {
		struct stg_error none = { 0 };
		STG_AUTO(stg_json_free_at) json_t *e = stg_store_exception_for(c->store, "", "", json_string_value(one), c->actor, &none);
		if (!e && none.code != STG_E_NOT_FOUND)
			return *err = none, false;
		if (!e || strcmp(stg_json_str(e, "state"), "open") != 0 || stg_json_int(e, "used_for_it", 0) ||
		    strcasecmp(stg_json_str(e, "by"), c->actor) == 0)
			return stg_fail_id(err, STG_E_SAFETY, STG_ID_ERASE_SECOND, 0, "%s", json_string_value(one));
	}
	return true;
}

/* The store writes the audit row with the order. */
static bool put_order(struct stg_op_ctx *c, const json_t *in, json_t *order, json_t *serials, struct stg_error *err)
{
	size_t i;
	json_t *one;
	json_object_set(order, "serials", serials);
	stg_json_put(order, "by", c->actor);
	if (*stg_json_str(in, "second"))
		stg_json_put(order, "second", stg_json_str(in, "second"));
	if (!stg_store_erase_allow(c->store, order, err))
		return false;
	json_array_foreach(serials, i, one)
		if (!release(c, json_string_value(one), err))
			return false;
	return true;
}

static bool order_batch(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *batch = stg_json_str(in, "batch");
	json_t *devices = NULL, *refused = NULL;
	if (!lists(c, batch, &devices, &refused, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *serials = json_array(), *order = json_object();
	int64_t count = (int64_t)json_array_size(devices);
	for (size_t i = 0; i < json_array_size(devices); i++)
		json_array_append_new(serials, json_string(stg_json_str(json_array_get(devices, i), "serial")));
	json_decref(devices);
	json_decref(refused);
	if (count == 0)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_WIPE_NOTHING, 0, "%s", batch);
	if (stg_json_int(in, "count", -1) != count)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_WIPE_COUNT, 0, "%lld ≠ %lld",
				   (long long)stg_json_int(in, "count", -1), (long long)count);
	stg_json_put(order, "batch", batch);
	stg_json_put_int(order, "count", count);
	if (!second_agrees(c, in, serials, err) || !put_order(c, in, order, serials, err))
		return false;
	*ret = json_pack("{s:I, s:O}", "ordered", (json_int_t)count, "serials", serials);
	return true;
}

/* One serial: it must be a pool row of a started batch, and its last four characters were typed. */
static bool order_serial(struct stg_op_ctx *c, const json_t *in, const char *serial, const char *typed, struct stg_error *err)
{
	size_t n = strlen(serial);
	if (n < 4 || strcasecmp(serial + n - 4, typed) != 0)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_WIPE_SERIAL, 0, "%s", serial);
	struct stg_identity who = { 0 };
	stg_copy(who.family, sizeof(who.family), "apple");
	stg_copy(who.serial, sizeof(who.serial), serial);
	STG_AUTO(stg_json_free_at) json_t *row = stg_store_batch_match(c->store, &who, NULL);
	if (!row)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_ERASE_NOT_IN_BATCH, 0, "%s", serial);
	if (strcmp(stg_json_str(row, "ownership"), "pool") != 0)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_ERASE_NOT_POOL, 0, "%s: %s", serial,
				   stg_json_str_or(row, "ownership", "unknown"));
	STG_AUTO(stg_json_free_at) json_t *order = json_object(), *serials = json_pack("[s]", stg_json_str_or(row, "serial", serial));
	stg_json_put(order, "batch", stg_json_str(row, "batch"));
	return put_order(c, in, order, serials, err);
}

static bool order(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const json_t *serials = json_object_get(in, "serials");
	if (!serials)
		return order_batch(c, in, ret, err);
	size_t i;
	json_t *one;
	json_t *done = json_array();
	STG_AUTO(stg_json_free_at) json_t *named = json_array();
	json_array_foreach(serials, i, one)
		json_array_append_new(named, json_string(stg_json_str(one, "serial")));
	if (!second_agrees(c, in, named, err)) {
		json_decref(done);
		return false;
	}
	json_array_foreach(serials, i, one) {
		if (!order_serial(c, in, stg_json_str(one, "serial"), stg_json_str(one, "confirm"), err)) {
			json_decref(done);
			return false;
		}
		json_array_append_new(done, json_string(stg_json_str(one, "serial")));
	}
	*ret = json_pack("{s:I, s:o}", "ordered", (json_int_t)json_array_size(done), "serials", done);
	return true;
}

/* ---- exceptions ---- */

/* Jobs that stand for want of a second person and are named by what was just signed. */
static bool release_signed(struct stg_op_ctx *c, int64_t id, int64_t *ret_released, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:b}", "open", 1);
	STG_AUTO(stg_json_free_at) json_t *jobs = stg_store_jobs(c->store, filter, err);
	size_t i;
	json_t *job;
	if (!jobs)
		return false;
	json_array_foreach(jobs, i, job) {
		struct stg_error none = { 0 };
		if (stg_json_int(job, "code", 0) != STG_ID_ERASE_SECOND)
			continue;
		STG_AUTO(stg_json_free_at) json_t *order = stg_store_erase_order(c->store, stg_json_str(job, "family"), stg_json_str(job, "unit"), &none);
		STG_AUTO(stg_json_free_at) json_t *e = stg_store_exception_for(c->store, stg_json_str(job, "family"), stg_json_str(job, "unit"),
									       stg_json_str(job, "serial"), stg_json_str(order, "by"), &none);
		/* who ordered is no second person: the job would only be refused again */
		if (!order || stg_json_int(e, "id", 0) != id || strcasecmp(stg_json_str(e, "by"), stg_json_str(order, "by")) == 0)
			continue;
		if (!go_on(c, job, err))
			return false;
		++*ret_released;
	}
	return true;
}

static bool sign(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *by = stg_json_str_or(in, "by", c->actor);
	int64_t minutes = stg_json_int(in, "minutes", 0), id = 0, released = 0;
	if (!stg_op_person(c, by, stg_json_str(in, "pin"), "lead", err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *e = json_object();
	stg_json_put(e, "by", by);
	stg_json_put(e, "batch", stg_json_str(in, "batch"));
	stg_json_put(e, "reason", stg_json_str(in, "reason"));
	stg_json_put_int(e, "most", stg_json_int(in, "count", 0));
	stg_json_put_int(e, "until_ms", minutes > 0 && minutes <= 60 * 24 ? stg_wall_ms() + minutes * 60000 : stg_json_int(in, "until_ms", 0));
	if (json_object_get(in, "serials"))
		json_object_set(e, "serials", json_object_get(in, "serials"));
	if (!stg_store_exception_sign(c->store, e, &id, err) || !release_signed(c, id, &released, err))
		return false;
	/* as it was kept: a serial number typed twice counts once */
	STG_AUTO(stg_json_free_at) json_t *kept = stg_store_exceptions(c->store, true, err);
	if (!kept)
		return false;
	int64_t most = stg_json_int(json_array_get(kept, 0), "most", 0);
	*ret = json_pack("{s:i, s:I, s:s, s:I, s:I, s:I}", "v", 1, "id", (json_int_t)id, "by", by, "most", (json_int_t)most, "until_ms",
			 (json_int_t)stg_json_int(e, "until_ms", 0), "released", (json_int_t)released);
	return true;
}

static bool exceptions(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	json_t *list = stg_store_exceptions(c->store, !stg_json_bool(in, "all", false), err);
	if (!list)
		return false;
	*ret = json_pack("{s:i, s:o}", "v", 1, "exceptions", list);
	return true;
}

/* Anybody may take a permission back: that makes nothing less safe. */
static bool withdraw(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	int64_t id = stg_json_int(in, "id", 0);
	if (!stg_store_exception_withdraw(c->store, id, c->actor, err))
		return false;
	*ret = json_pack("{s:i, s:I}", "v", 1, "withdrawn", (json_int_t)id);
	return true;
}

const struct stg_op stg_ops_wipe[] = {
	{ "wipe.list", STG_OP_STORE, list },
	{ "wipe.order", STG_OP_STORE, order },
	{ "wipe.sign", STG_OP_STORE, sign },
	{ "wipe.exceptions", STG_OP_STORE, exceptions },
	{ "wipe.withdraw", STG_OP_STORE, withdraw },
	{ 0 },
};
