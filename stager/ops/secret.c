/*
 * secret.c - operations on secrets: Wi-Fi passphrases, tokens, used in profiles as {{secret.NAME}}.
 *
 * For:    stager secret set|list|remove. No operation gives one back, but a profile built for one device (profile.build, an administrator's) holds those it names.
 * Uses:   <stager/keys.h>, <stager/store.h>.
 * Called: through the table of operations; with the write connection, inside a transaction.
 * Thread: the store's.
 *
 *   secret.set     {name, value}   -> {name}
 *   secret.list    {}              -> [{name, created_ms, changed_ms}]
 *   secret.remove  {name}          -> {name}
 */
#include <ctype.h>

#include <stager/error.h>

#include "_secretly.h"

#define NAME_MAX_BYTES 63
#define VALUE_MAX_BYTES 4096
#define SEALED_MAX 8192
static const char PURPOSE[] = "secret";

static bool is_name(const char *name, struct stg_error *err)
{
	bool ok = *name && strlen(name) <= NAME_MAX_BYTES;
	for (const char *p = name; ok && *p; p++)
		ok = isalnum((unsigned char)*p) || strchr("._-", *p);
	return ok || stg_fail_id(err, STG_E_USAGE, STG_ID_SECRET_NAME, 0, "1-%d: A-Z a-z 0-9 . - _", NAME_MAX_BYTES);
}

static bool answer(const char *name, json_t **ret)
{
	*ret = json_pack("{s:i,s:s}", "v", 1, "name", name);
	return true;
}

static bool set(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret value = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX);
	const char *name = stg_json_str(in, "name");
	return is_name(name, err) && ops_secret(in, "value", VALUE_MAX_BYTES, &value, err) &&
	       stg_keys_seal(c->keys, PURPOSE, stg_secret_reveal(&value), &sealed, err) &&
	       stg_store_secret_put(c->store, name, stg_buf_view(&sealed), err) && ops_audit(c, "secret.set", name, NULL, err) && answer(name, ret);
}

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in;
	*ret = stg_store_secrets(c->store, err);
	return *ret != NULL;
}

static bool remove_one(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name");
	if (!is_name(name, err))
		return false;
	struct stg_error why = { 0 };
	if (!stg_store_secret_put(c->store, name, stg_bytes(NULL, 0), &why)) {
		if (why.code == STG_E_NOT_FOUND)
			return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_SECRET_UNKNOWN, 0, "%s", name);
		return stg_fail_id(err, why.code, (enum stg_id)why.id, why.origin, "%s", why.msg);
	}
	return ops_audit(c, "secret.remove", name, NULL, err) && answer(name, ret);
}

const struct stg_op stg_ops_secret[] = {
	{ "secret.set", STG_OP_STORE, set },
	{ "secret.list", STG_OP_STORE, list },
	{ "secret.remove", STG_OP_STORE, remove_one },
	{ 0 },
};
