/*
 * unlock.c - recovery keys in, unlock tokens out.
 *
 * For:    stager org recovery-key, stager unlock.
 * Uses:   <stager/keys.h>, <stager/store.h>, the second person.
 * Called: through the table of operations.
 * Thread: the recorder's; opening a token (a locked key is slow to unlock) on the thread that nobody waits for.
 *
 *   org.recovery_key   {name, second, second_pin}; file: certificate        -> {name, sha256, replaced}
 *   org.recovery_make  {name, passphrase, second, second_pin}; file: new    -> {name, sha256, replaced}
 *   unlock.list        {serial} ("" = all)                                   -> [{serial, unit, created_ms, opened_ms, key_sha256}]
 *   unlock.open        {serial, passphrase, second, second_pin}; file: key   -> {serial, for_ms}
 *
 * An opened token is in this process's memory for ten minutes, for this one device, and is given once.
 */
#include <stdlib.h>

#include "_secretly.h"

#define FILE_MAX (256u << 10)
#define SEALED_MAX (128u << 10)
#define PASSPHRASE_MAX 1024
#define LENT_MS (10 * 60000LL)

/* ---- the public half comes in ---- */

/* The first one is an administrator's word; who changes it later could be sealing to a key of his own: two persons. */
static bool may_set(struct stg_op_ctx *c, const json_t *in, const json_t *org, struct stg_error *err)
{
	return stg_op_may(c, "admin", err) && (!*stg_json_str(org, "recovery_sha256") || stg_op_second(c, in, "lead", err));
}

static bool keep(struct stg_op_ctx *c, const json_t *in, json_t *org, struct stg_bytes pem, const char *sha256, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(org, "name");
	STG_AUTO(stg_free_at) char *old = stg_strdup(stg_json_str(org, "recovery_sha256"));
	stg_json_put_new(org, "recovery_pem", json_stringn((const char *)pem.data, pem.len));
	stg_json_put(org, "recovery_sha256", sha256);
	json_t *detail = json_pack("{s:s, s:s, s:s}", "sha256", sha256, "before", old, "second", stg_json_str(in, "second"));
	if (!stg_store_org_put(c->store, org, stg_bytes("", 0), err) || !ops_audit(c, "org.recovery_key", name, detail, err))
		return false;
	*ret = json_pack("{s:i, s:s, s:s, s:s}", "v", 1, "name", name, "sha256", sha256, "replaced", old);
	return true;
}

static bool recovery_key(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(FILE_MAX), pem = STG_BUF(FILE_MAX);
	STG_AUTO(stg_json_free_at) json_t *org = ops_org(c, stg_json_str(in, "name"), NULL, err);
	char sha256[65];
	return org && may_set(c, in, org, err) && ops_file(c, 0, "certificate", STG_ID_RECOVERY_FILE, &file, err) &&
	       stg_recovery_certificate(stg_buf_view(&file), &pem, sha256, err) && keep(c, in, org, stg_buf_view(&pem), sha256, ret, err);
}

static bool recovery_make(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(FILE_MAX), pem = STG_BUF(FILE_MAX);
	STG_AUTO(stg_secret_clear) struct stg_secret passphrase = { 0 };
	STG_AUTO(stg_json_free_at) json_t *org = ops_org(c, stg_json_str(in, "name"), NULL, err);
	char sha256[65];
	if (c->n_fds < 1 || c->fds[0] < 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "no file to write the key to was given");
	return org && may_set(c, in, org, err) && ops_secret(in, "passphrase", PASSPHRASE_MAX, &passphrase, err) &&
	       stg_recovery_make(stg_json_str(org, "name"), &passphrase, &file, &pem, sha256, err) &&
	       ops_write(c->fds[0], stg_buf_view(&file), err) && keep(c, in, org, stg_buf_view(&pem), sha256, ret, err);
}

/* ---- a token goes out ---- */

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	*ret = stg_store_escrows(c->store, stg_json_str(in, "serial"), err);
	return *ret != NULL;
}

struct opening {
	struct stg_identity who;
	struct stg_buf sealed, key;
	struct stg_secret passphrase;
};

static void opening_free(void *carry)
{
	struct opening *o = carry;
	stg_buf_clear(&o->sealed);
	stg_buf_clear(&o->key);
	stg_secret_clear(&o->passphrase);
	free(o);
}

static bool open_it(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	struct opening *o = c->carry;
	STG_AUTO(stg_secret_clear) struct stg_secret token = { 0 };
	(void)in;
	if (!stg_escrow_open(stg_buf_view(&o->key), &o->passphrase, &o->who, stg_buf_view(&o->sealed), &token, err) ||
	    !stg_escrow_lend(&o->who, &token, LENT_MS, err))
		return false;
	*ret = json_pack("{s:i, s:s, s:I}", "v", 1, "serial", o->who.serial, "for_ms", (json_int_t)LENT_MS);
	return true;
}

static bool open_token(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	struct opening *o = stg_calloc(1, sizeof(*o));
	(void)ret;
	o->sealed = STG_BUF(SEALED_MAX);
	o->key = STG_BUF(FILE_MAX);
	c->carry = o;
	c->carry_free = opening_free;
	if (!stg_op_second(c, in, "lead", err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *row = stg_store_escrow(c->store, stg_json_str(in, "serial"), "unlock_token", &o->sealed, err);
	if (!row || !ops_file(c, 0, "recovery key", STG_ID_RECOVERY_KEY_WRONG, &o->key, err))
		return false;
	/* a key without a passphrase is a key too, if not a good one */
	if (*stg_json_str(in, "passphrase") && !ops_secret(in, "passphrase", PASSPHRASE_MAX, &o->passphrase, err))
		return false;
	stg_copy(o->who.family, sizeof(o->who.family), stg_json_str(row, "family"));
	stg_copy(o->who.unit, sizeof(o->who.unit), stg_json_str(row, "unit"));
	stg_copy(o->who.serial, sizeof(o->who.serial), stg_json_str(row, "serial"));
	json_t *detail = json_pack("{s:s, s:I, s:s}", "second", stg_json_str(in, "second"), "escrow", (json_int_t)stg_json_int(row, "id", 0),
				   "key_sha256", stg_json_str(row, "key_sha256"));
	c->outside = open_it;
	return stg_store_escrow_opened(c->store, stg_json_int(row, "id", 0), err) &&
	       stg_op_audit(c, "unlock.open", o->who.serial, o->who.unit, detail, err);
}

const struct stg_op stg_ops_unlock[] = {
	{ "org.recovery_key", STG_OP_STORE, recovery_key },
	{ "org.recovery_make", STG_OP_STORE, recovery_make },
	{ "unlock.list", STG_OP_STORE, list },
	{ "unlock.open", STG_OP_STORE, open_token },
	{ 0 },
};
