/*
 * _second.c - may this person do it, does a second one agree, and the audit row that says so.
 *
 * For:    every operation that destroys, administers or signs.
 * Uses:   the store's people.
 * Called: by operations, with the write connection.
 * Thread: the recorder's.
 */
#include <strings.h>

#include <stager/op.h>

static int rank(const char *role)
{
	static const char *const rising[] = { "auditor", "technician", "lead", "admin" };
	for (int i = 0; i < (int)STG_ARRAY_LEN(rising); i++)
		if (strcmp(rising[i], role) == 0)
			return i;
	return -1;
}

bool stg_op_person(struct stg_op_ctx *c, const char *name, const char *pin, const char *least_role, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret typed = { 0 };
	if (!stg_secret_set(&typed, stg_bytes_str(pin), err) || !stg_store_user_pin(c->store, name, &typed, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *person = stg_store_user(c->store, name, err);
	if (!person)
		return false;
	if (rank(stg_json_str(person, "role")) < rank(least_role))
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_ROLE_TOO_LOW, 0, "%s: %s < %s", name, stg_json_str(person, "role"), least_role);
	return true;
}

bool stg_op_second(struct stg_op_ctx *c, const json_t *in, const char *least_role, struct stg_error *err)
{
	const char *name = stg_json_str(in, "second"), *pin = stg_json_str(in, "second_pin");
	if (!c->store)
		return stg_fail(err, STG_E_BUG, 0, "a second person is asked where there is no inventory");
	if (!*name || !*pin)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_SECOND_NEEDED, 0, "≥ %s", least_role);
	if (strcasecmp(name, c->actor) == 0)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_SECOND_SAME, 0, "%s = %s", name, c->actor);
	return stg_op_person(c, name, pin, least_role, err);
}

bool stg_op_may(struct stg_op_ctx *c, const char *least_role, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *people = stg_store_users(c->store, err);
	if (!people)
		return false;
	const char *role = "technician";
	size_t i;
	json_t *one;
	json_array_foreach(people, i, one)
		if (strcasecmp(stg_json_str(one, "name"), c->actor) == 0)
			role = stg_json_bool(one, "disabled", false) ? "nobody" : stg_json_str(one, "role");
	if (json_array_size(people) == 0 || rank(role) >= rank(least_role))
		return true;
	return stg_fail_id(err, STG_E_SAFETY, STG_ID_ROLE_TOO_LOW, 0, "%s: %s < %s", c->actor, role, least_role);
}

bool stg_op_audit(struct stg_op_ctx *c, const char *verb, const char *object, const char *unit, json_t *detail, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *entry = json_object();
	stg_json_put(entry, "actor", c->actor);
	stg_json_put(entry, "verb", verb);
	stg_json_put(entry, "object", object);
	stg_json_put(entry, "unit", unit);
	stg_json_put(entry, "outcome", "done");
	if (detail)
		stg_json_put_new(entry, "detail", detail);
	return stg_store_audit(c->store, entry, err);
}
