/*
 * queue.c - the named queues: what waits for the line, for an unlock, for the MDM, for a restore.
 *
 * For:    cmd/queue.c.
 * Uses:   the store.
 * Called: as operations.
 * Thread: the recorder's.
 *
 *   queue.list  {"queue"} ("" = all) -> {"v":1,"queues":[rows of stg_store_queues]}
 *   queue.add   {"serial" (or ECID, UDID, tag; anything for the restore queue),"queue":"mdm|restore|" (empty: chosen),"order":
 *               "clear_passcode|erase|lock","reason"} -> {"v":1,"serial","queue","code","model"}
 *               chosen: "unlock" when its token is kept (nothing is queued: two persons open it), else "mdm" when a target's
 *               connector takes that order, else "restore"
 *   queue.done  {"id","why"} -> {"v":1,"done":id}
 */
#include <string.h>

#include <stager/op.h>

#include "_device.h"

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	json_t *rows = stg_store_queues(c->store, stg_json_str(in, "queue"), err);
	if (!rows)
		return false;
	*ret = json_pack("{s:i, s:o}", "v", 1, "queues", rows);
	return true;
}

static bool has_token(struct stg_op_ctx *c, const struct stg_identity *who)
{
	struct stg_error none = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = stg_store_escrow(c->store, who->unit, "unlock_token", NULL, &none);
	return row != NULL;
}

static bool choose(struct stg_op_ctx *c, const char *verb, bool is_known, const struct stg_identity *who, const char **ret, struct stg_error *err)
{
	bool target = false;
	if (is_known && has_token(c, who))
		*ret = "unlock";
	else if (!is_known)
		*ret = "restore";
	else if (!ops_takes_order(c, verb, &target, err))
		return false;
	else
		*ret = target ? "mdm" : "restore";
	return true;
}

static bool to_mdm(struct stg_op_ctx *c, const json_t *in, bool is_known, const struct stg_identity *who, struct stg_error *err)
{
	const char *verb = stg_json_str_or(in, "order", "clear_passcode");
	bool target = false;
	if (strcmp(verb, "clear_passcode") != 0 && strcmp(verb, "erase") != 0 && strcmp(verb, "lock") != 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "'%.40s': clear_passcode, erase, lock", verb);
	/* an erase from afar is an erase */
	if (strcmp(verb, "erase") == 0) {
		STG_AUTO(stg_json_free_at) json_t *origin = is_known ? stg_store_origin(c->store, who, err) : NULL;
		if (is_known && !origin)
			return false;
		if (strcmp(stg_json_str(origin, "ownership"), "pool") != 0)
			return stg_fail_id(err, STG_E_SAFETY, STG_ID_ERASE_NOT_POOL, 0, "%s", who->serial);
		if (!stg_op_second(c, in, "lead", err))
			return false;
	}
	if (!is_known)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_UNKNOWN_DEVICE, 0, "%.64s", stg_json_str(in, "serial"));
	if (!ops_takes_order(c, verb, &target, err))
		return false;
	if (!target)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_ORDER_NO_TARGET, 0, "%s", verb);
	return stg_store_mdm_order(c->store, who, verb, stg_json_str(in, "reason"), c->actor, err);
}

static bool to_restore(struct stg_op_ctx *c, const json_t *in, bool is_known, const struct stg_identity *who, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *row = json_object();
	stg_json_put(row, "queue", "restore");
	stg_json_put(row, "family", "apple");
	stg_json_put(row, "unit", is_known ? who->unit : "");
	stg_json_put(row, "serial", is_known && who->serial[0] ? who->serial : is_known ? "" : stg_json_str(in, "serial"));
	stg_json_put(row, "udid", is_known ? who->udid : "");
	stg_json_put_int(row, "code", STG_ID_QUEUED_RESTORE);
	stg_json_put(row, "reason", stg_json_str(in, "reason"));
	stg_json_put(row, "actor", c->actor);
	return stg_store_queue_add(c->store, row, NULL, err);
}

static bool add(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *word = stg_json_str(in, "serial"), *queue = stg_json_str(in, "queue");
	struct stg_identity who = { 0 };
	bool is_known = false;
	if (!*word || !*stg_json_str(in, "reason"))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "%s", *word ? "--reason" : "SERIAL");
	if (!stg_op_may(c, "technician", err) || !ops_known(c, word, &who, &is_known, err))
		return false;
	if (!*queue && !choose(c, stg_json_str_or(in, "order", "clear_passcode"), is_known, &who, &queue, err))
		return false;
	enum stg_id code = STG_ID_QUEUED_RESTORE;
	bool ok;
	if (strcmp(queue, "unlock") == 0) {
		/* nothing is kept: the token is, and two persons open it */
		code = STG_ID_QUEUED_UNLOCK;
		ok = true;
	} else if (strcmp(queue, "mdm") == 0) {
		code = strcmp(stg_json_str_or(in, "order", "clear_passcode"), "clear_passcode") == 0 ? STG_ID_QUEUED_MDM : STG_ID_QUEUED_ORDER;
		ok = to_mdm(c, in, is_known, &who, err);
	} else if (strcmp(queue, "restore") == 0) {
		ok = to_restore(c, in, is_known, &who, err);
	} else {
		ok = stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "'%.40s': mdm, restore", queue);
	}
	if (!ok)
		return false;
	*ret = json_pack("{s:i, s:s, s:s, s:i}", "v", 1, "serial", is_known && who.serial[0] ? who.serial : word, "queue", queue, "code", (int)code);
	stg_json_put(*ret, "model", is_known ? who.model : "");
	return true;
}

static bool done(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	int64_t id = stg_json_int(in, "id", 0);
	if (!stg_op_may(c, "technician", err) || !stg_store_queue_done(c->store, id, c->actor, stg_json_str(in, "why"), err))
		return false;
	*ret = json_pack("{s:i, s:I}", "v", 1, "done", (json_int_t)id);
	return true;
}

const struct stg_op stg_ops_queue[] = {
	{ "queue.list", STG_OP_STORE, list },
	{ "queue.add", STG_OP_STORE, add },
	{ "queue.done", STG_OP_STORE, done },
	{ 0 },
};
