/*
 * window.c - the line: may the station use it now?
 *
 * For:    `stager window open|close|show`.
 * Uses:   the store's settings "window" and "window_until". Closed: nothing new leaves this station, neither activation nor
 *         results; what is under way may end. Files are no line: `file` targets are written on.
 * Called: as operations.
 * Thread: the recorder's.
 *
 *   window.open   {"until_ms"} or {"minutes"} (neither: until further notice) -> {"v":1,"open":true,"until_ms"}
 *   window.close  {} -> {"v":1,"open":false}
 *   window.show   {} -> {"v":1,"open","until_ms"}   (never set: open)
 */
#include <stager/clock.h>
#include <stager/op.h>

static bool show(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	bool is_open = false;
	int64_t until_ms = 0;
	(void)in;
	if (!stg_store_window(c->store, &is_open, &until_ms, err))
		return false;
	*ret = json_pack("{s:i,s:b}", "v", 1, "open", is_open);
	if (is_open && until_ms)
		stg_json_put_int(*ret, "until_ms", until_ms);
	return true;
}

static bool open_line(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	int64_t minutes = stg_json_int(in, "minutes", 0);
	int64_t until_ms = minutes > 0 && minutes < 60 * 24 * 366 ? stg_wall_ms() + minutes * 60000 : stg_json_int(in, "until_ms", 0);
	if (until_ms && until_ms <= stg_wall_ms())
		return stg_fail_id(err, STG_E_USAGE, STG_ID_TIME_PAST, 0, "%s", "");
	json_t *detail = json_object();
	if (until_ms)
		stg_json_put_int(detail, "until_ms", until_ms);
	if (!stg_op_may(c, "technician", err) || !stg_store_window_set(c->store, true, until_ms, err)) {
		json_decref(detail);
		return false;
	}
	return stg_op_audit(c, "window.open", "", "", detail, err) && show(c, in, ret, err);
}

static bool shut(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	return stg_op_may(c, "technician", err) && stg_store_window_set(c->store, false, 0, err) &&
	       stg_op_audit(c, "window.close", "", "", NULL, err) && show(c, in, ret, err);
}

const struct stg_op stg_ops_window[] = {
	{ "window.open", STG_OP_STORE, open_line },
	{ "window.close", STG_OP_STORE, shut },
	{ "window.show", STG_OP_STORE, show },
	{ 0 },
};
