/*
 * _asking.c - a stored target, and asking it something without holding up the writer.
 *
 * For:    target.test, target.schema, reconcile.ask.
 * Uses:   the store and the keys in the first half; only what was carried out of it in the second.
 * Called: by operations.
 * Thread: the recorder's; then one that nobody waits for.
 */
#include <stdlib.h>

#include "_asking.h"

json_t *ops_target(struct stg_op_ctx *c, const char *name, struct stg_secret *ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(1 << 20);
	STG_AUTO(stg_json_free_at) json_t *row = stg_store_target(c->store, name, &sealed, err);
	if (!row) {
		if (err && err->code == STG_E_NOT_FOUND)
			stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_TARGET_UNKNOWN, 0, "%.48s", name);
		return NULL;
	}
	if (ret && sealed.len && !stg_keys_open_sealed(c->keys, OPS_TARGET_PURPOSE, stg_buf_view(&sealed), ret, err))
		return NULL;
	return stg_steal(row);
}

struct asking {
	json_t *targets;
	struct stg_secret credentials;
};

static void asking_free(void *carry)
{
	struct asking *a = carry;
	json_decref(a->targets);
	stg_secret_clear(&a->credentials);
	free(a);
}

static json_t *targets(void *ctx, struct stg_error *err)
{
	(void)err;
	return json_incref(((struct asking *)ctx)->targets);
}

static bool credentials(void *ctx, const char *target, struct stg_secret *ret, struct stg_error *err)
{
	const struct asking *a = ctx;
	(void)target;
	return !stg_secret_is_set(&a->credentials) || stg_secret_set(ret, stg_secret_reveal(&a->credentials), err);
}

struct stg_push_door ops_asking_door(const struct stg_op_ctx *c)
{
	return (struct stg_push_door){ .ctx = c->carry, .targets = targets, .credentials = credentials, .rehearsal = c->rehearsal, .state_dir = c->state_dir };
}

bool ops_asking(struct stg_op_ctx *c, const char *name, struct stg_error *err)
{
	bool open = false;
	struct asking *a = stg_calloc(1, sizeof(*a));
	c->carry = a;
	c->carry_free = asking_free;
	STG_AUTO(stg_json_free_at) json_t *row = ops_target(c, name, &a->credentials, err);
	if (!row || !(a->targets = stg_store_targets(c->store, err)) || !stg_store_window(c->store, &open, NULL, err))
		return false;
	return open || !stg_push_needs_line(stg_json_str(row, "connector")) || stg_fail_id(err, STG_E_WAITING, STG_ID_LINE_CLOSED, 0, "%s", name);
}
