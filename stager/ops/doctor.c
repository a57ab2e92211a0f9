/*
 * doctor.c - what only the store can tell about the station's health.
 *
 * For:    `stager doctor`.
 * Uses:   the store.
 * Called: as an operation.
 * Thread: the recorder's.
 *
 *   doctor.store  {} -> {"v":1,"identities":n}: host identities made in advance and not used yet
 */
#include <stager/op.h>

static bool facts(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	int64_t unused = 0;
	(void)in;
	if (!stg_store_hostid_count(c->store, &unused, err))
		return false;
	*ret = json_pack("{s:i, s:I}", "v", 1, "identities", (json_int_t)unused);
	return true;
}

const struct stg_op stg_ops_doctor[] = {
	{ "doctor.store", STG_OP_STORE, facts },
	{ 0 },
};
