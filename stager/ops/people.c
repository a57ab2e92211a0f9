/*
 * people.c - who works here, in which role, with which PIN.
 *
 * For:    `stager user add|list|role|pin|disable|enable`.
 * Uses:   the store.
 * Called: as operations. PINs travel between our own processes only and are never logged or stored in clear.
 * Thread: the recorder's.
 *
 * The first person is registered freely. As soon as one administrator has a PIN, every change needs an administrator's
 * PIN: "second" and "second_pin" (here they may be the actor's own). Changing one's own PIN needs the old one.
 *
 *   user.list     {} -> {"v":1,"people":[{"name","role","has_pin","disabled","created_ms","changed_ms"}]}
 *   user.add      {"name","role","pin", "second","second_pin"} -> {"v":1,"name","role"}
 *   user.role     {"name","role", "second","second_pin"} -> {"v":1,"name","role"}
 *   user.pin      {"name","pin", "old_pin" | "second","second_pin"} -> {"v":1,"name"}
 *   user.disable  {"name", "second","second_pin"} -> {"v":1,"name","disabled":true}      user.enable likewise
 */
#include <strings.h>

#include <stager/op.h>

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in;
	json_t *people = stg_store_users(c->store, err);
	if (!people)
		return false;
	*ret = json_pack("{s:i,s:o}", "v", 1, "people", people);
	return true;
}

/* Administrators who can still show who they are, without `but`. */
static bool admins(struct stg_op_ctx *c, const char *but, int *ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *people = stg_store_users(c->store, err);
	size_t i;
	json_t *one;
	if (!people)
		return false;
	*ret = 0;
	json_array_foreach(people, i, one)
		*ret += strcmp(stg_json_str(one, "role"), "admin") == 0 && stg_json_bool(one, "has_pin", false) && !stg_json_bool(one, "disabled", false) &&
			strcmp(stg_json_str(one, "name"), but) != 0;
	return true;
}

static bool pin_fits(struct stg_op_ctx *c, const char *name, const char *pin, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret typed = { 0 };
	return stg_secret_set(&typed, stg_bytes_str(pin), err) && stg_store_user_pin(c->store, name, &typed, err);
}

/* An administrator's own PIN is enough here: it is proof of who asks, not a second pair of eyes. */
static bool admin_agrees(struct stg_op_ctx *c, const json_t *in, struct stg_error *err)
{
	int n = 0;
	if (!admins(c, "", &n, err))
		return false;
	if (n == 0)
		return true;
	const char *name = stg_json_str(in, "second");
	if (!*name || !*stg_json_str(in, "second_pin"))
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_SECOND_NEEDED, 0, "≥ admin");
	if (strcasecmp(name, c->actor) != 0)
		return stg_op_second(c, in, "admin", err);
	if (!pin_fits(c, name, stg_json_str(in, "second_pin"), err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *person = stg_store_user(c->store, name, err);
	if (!person)
		return false;
	if (strcmp(stg_json_str(person, "role"), "admin") != 0)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_ROLE_TOO_LOW, 0, "%s: %s < admin", name, stg_json_str(person, "role"));
	return true;
}

static bool set_pin(struct stg_op_ctx *c, const char *name, const char *pin, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret typed = { 0 };
	return stg_secret_set(&typed, stg_bytes_str(pin), err) && stg_store_user_set_pin(c->store, name, &typed, err);
}

/* Nobody may lock the house from inside. */
static bool not_the_last(struct stg_op_ctx *c, const char *name, struct stg_error *err)
{
	int all = 0, others = 0;
	if (!admins(c, "", &all, err) || !admins(c, name, &others, err))
		return false;
	return all == 0 || others > 0 || stg_fail_id(err, STG_E_REFUSED, STG_ID_LAST_ADMIN, 0, "%s", name);
}

static bool told(struct stg_op_ctx *c, const char *verb, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name"), *role = stg_json_str(in, "role");
	json_t *detail = json_object();
	stg_json_put(detail, "role", role);
	stg_json_put(detail, "agreed", stg_json_str(in, "second"));
	if (!stg_op_audit(c, verb, name, "", detail, err))
		return false;
	*ret = json_pack("{s:i,s:s}", "v", 1, "name", name);
	stg_json_put(*ret, "role", role);
	return true;
}

static bool add(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name"), *pin = stg_json_str(in, "pin");
	struct stg_error why = { 0 };
	if (!admin_agrees(c, in, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *have = stg_store_user(c->store, name, &why);
	if (have)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_PERSON_EXISTS, 0, "%s", name);
	return stg_store_user_put(c->store, name, stg_json_str(in, "role"), NULL, err) && (!*pin || set_pin(c, name, pin, err)) &&
	       told(c, "user.add", in, ret, err);
}

static bool role(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name");
	STG_AUTO(stg_json_free_at) json_t *have = stg_store_user(c->store, name, err);
	if (!have || !admin_agrees(c, in, err))
		return false;
	if (strcmp(stg_json_str(in, "role"), "admin") != 0 && !not_the_last(c, name, err))
		return false;
	return stg_store_user_put(c->store, name, stg_json_str(in, "role"), NULL, err) && told(c, "user.role", in, ret, err);
}

static bool pin(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name"), *old = stg_json_str(in, "old_pin");
	if (!(*old ? pin_fits(c, name, old, err) : admin_agrees(c, in, err)))
		return false;
	return set_pin(c, name, stg_json_str(in, "pin"), err) && told(c, "user.pin", in, ret, err);
}

static bool disable(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name");
	if (!admin_agrees(c, in, err) || !not_the_last(c, name, err) || !stg_store_user_disable(c->store, name, true, err) ||
	    !told(c, "user.disable", in, ret, err))
		return false;
	stg_json_put_bool(*ret, "disabled", true);
	return true;
}

static bool enable(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	if (!admin_agrees(c, in, err) || !stg_store_user_disable(c->store, stg_json_str(in, "name"), false, err) || !told(c, "user.enable", in, ret, err))
		return false;
	stg_json_put_bool(*ret, "disabled", false);
	return true;
}

const struct stg_op stg_ops_people[] = {
	{ "user.list", STG_OP_STORE, list },
	{ "user.add", STG_OP_STORE, add },
	{ "user.role", STG_OP_STORE, role },
	{ "user.pin", STG_OP_STORE, pin },
	{ "user.disable", STG_OP_STORE, disable },
	{ "user.enable", STG_OP_STORE, enable },
	{ 0 },
};
