/*
 * canary.c - the first of a kind, and the word of a lead that lets the rest go.
 *
 * For:    `stager canary list|release`.
 * Uses:   the store.
 * Called: as operations; the station looks again at its ports after each.
 * Thread: the recorder's.
 *
 *   canary.list     {} -> {"v":1,"canaries":[{"id","model","os","blueprint","sha256","wanted","staged","state":"testing|passed|failed|released",
 *                   "code","why","serial","by","since_ms","changed_ms"}]}
 *   canary.release  {"id","why"} -> {"v":1,"released":id}
 */
#include <stdio.h>
#include <stdlib.h>

#include <stager/op.h>

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	json_t *all = stg_store_canaries(c->store, err);
	(void)in;
	if (!all)
		return false;
	*ret = json_pack("{s:i, s:o}", "v", 1, "canaries", all);
	return true;
}

static bool release(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	int64_t id = stg_json_int(in, "id", strtoll(stg_json_str(in, "id"), NULL, 10));
	char number[32];
	snprintf(number, sizeof(number), "%lld", (long long)id);
	if (!stg_op_may(c, "lead", err) || !stg_store_canary_release(c->store, id, c->actor, err) ||
	    !stg_op_audit(c, "canary.release", number, "", json_pack("{s:s}", "why", stg_json_str(in, "why")), err))
		return false;
	*ret = json_pack("{s:i, s:I}", "v", 1, "released", (json_int_t)id);
	return true;
}

const struct stg_op stg_ops_canary[] = {
	{ "canary.list", STG_OP_STORE, list },
	{ "canary.release", STG_OP_STORE, release },
	{ 0 },
};
