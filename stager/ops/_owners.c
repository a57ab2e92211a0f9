/*
 * _owners.c - the owner column of an order, held against the lists of people.
 *
 * For:    batch.check, batch.import, people.show.
 * Uses:   the store.
 * Called: ops/batch.c, ops/staff.c.
 * Thread: the recorder's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <stager/peoplefile.h>

#include "_names.h"
#include "_owners.h"

/* Headings of orders, as our reader folds them; the first that holds anything counts. */
static const char *const columns[] = {
	"owner", "user", "username", "user_name", "utilisateur", "assigned_user", "assigned_to", "primary_user", "attribue_a", "affecte_a", "beneficiaire",
	"collaborateur", "employee", "matricule", "upn", "user_principal_name", "mail", "email", "e_mail",
};

static const char *const parts[][2] = {
	{ "owner_name", "name" }, { "owner_mail", "mail" }, { "owner_upn", "upn" }, { "owner_account", "account" }, { "owner_department", "department" },
	{ "owner_number", "number" },
};

bool ops_people_expire(struct stg_op_ctx *c, struct stg_error *err)
{
	int64_t n;
	STG_AUTO(stg_free_at) char *days = stg_store_get(c->store, "people_days", err);
	if (!days || !stg_store_staff_expire(c->store, *days ? strtoll(days, NULL, 10) : OPS_PEOPLE_DAYS, &n, err))
		return false;
	return !n || stg_op_audit(c, "people.expire", "", NULL, json_pack("{s:I}", "forgotten", (json_int_t)n), err);
}

/* Two lists may know the same person. */
static bool same_person(const json_t *a, const json_t *b)
{
	static const char *const tell[] = { "mail", "upn", "account", "number" };
	bool one_list = strcmp(stg_json_str(a, "source"), stg_json_str(b, "source")) == 0;
	for (size_t i = 0; i < STG_ARRAY_LEN(tell) && !one_list; i++)
		if (*stg_json_str(a, tell[i]) && strcasecmp(stg_json_str(a, tell[i]), stg_json_str(b, tell[i])) == 0)
			return true;
	return false;
}

/* Of those a word means the one; an account that is disabled stands back behind one that is not. */
static enum stg_id choose(const json_t *hits, json_t **ret)
{
	json_t *chosen = NULL, *one;
	size_t i;
	for (int disabled = 0; disabled < 2 && !chosen; disabled++)
		json_array_foreach((json_t *)(uintptr_t)hits, i, one) {
			if (stg_json_bool(one, "disabled", false) != (disabled == 1))
				continue;
			if (chosen && !same_person(chosen, one))
				return STG_ID_OWNER_AMBIGUOUS;
			chosen = chosen ? chosen : one;
		}
	/* the newest list that knows this person says whether the account is disabled */
	json_array_foreach((json_t *)(uintptr_t)hits, i, one)
		if (chosen && chosen != one && stg_json_int(one, "at_ms", 0) > stg_json_int(chosen, "at_ms", 0) && same_person(chosen, one))
			chosen = one;
	*ret = json_incref(chosen);
	return !chosen ? STG_ID_OWNER_UNKNOWN : stg_json_bool(chosen, "disabled", false) ? STG_ID_OWNER_DISABLED : STG_ID_NONE;
}

bool ops_person(struct stg_op_ctx *c, const char *word, json_t **ret, enum stg_id *ret_why, struct stg_error *err)
{
	char plain[STG_PERSON_VALUE_MAX + 1];
	const char *open = strrchr(word, '<'), *close = open ? strchr(open, '>') : NULL, *domain = strrchr(word, '\\');
	*ret = NULL;
	if (close)
		snprintf(plain, sizeof(plain), "%.*s", (int)(close - open - 1), open + 1);
	else
		stg_copy(plain, sizeof(plain), strlen(word) < sizeof(plain) ? word : "");
	STG_AUTO(stg_json_free_at) json_t *hits = stg_store_staff_find(c->store, plain, err);
	if (hits && !json_array_size(hits) && domain) {
		json_decref(hits);
		hits = stg_store_staff_find(c->store, domain + 1, err);
	}
	if (!hits)
		return false;
	*ret_why = choose(hits, ret);
	return true;
}

static const char *column_of(const json_t *rows)
{
	size_t i, k;
	json_t *row;
	for (k = 0; k < STG_ARRAY_LEN(columns); k++)
		json_array_foreach((json_t *)(uintptr_t)rows, i, row)
			if (*stg_json_str(json_object_get(row, "attributes"), columns[k]))
				return columns[k];
	return NULL;
}

/* What a list says now takes the place of what an earlier one said. */
static void put_owner(json_t *attributes, const json_t *person)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(parts); i++) {
		json_object_del(attributes, parts[i][0]);
		if (*stg_json_str(person, parts[i][1]))
			stg_json_put(attributes, parts[i][0], stg_json_str(person, parts[i][1]));
	}
}

bool ops_owners(struct stg_op_ctx *c, const char *file_name, const json_t *rows, json_t **ret, struct stg_error *err)
{
	size_t i;
	json_t *row;
	int64_t found = 0;
	*ret = NULL;
	if (!ops_people_expire(c, err))
		return false;
	const char *column = column_of(rows);
	STG_AUTO(stg_json_free_at) json_t *lists = stg_store_staff_lists(c->store, err);
	if (!lists || !column || !json_array_size(lists))
		return lists != NULL;
	STG_AUTO(stg_json_free_at) json_t *told = json_pack("{s:s,s:[],s:i}", "column", column, "problems", "problem_count", 0);
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		json_t *attributes = json_object_get(row, "attributes");
		const char *word = stg_json_str(attributes, column);
		STG_AUTO(stg_json_free_at) json_t *person = NULL;
		enum stg_id why;
		if (!*word)
			continue;
		if (!ops_person(c, word, &person, &why, err))
			return false;
		if (person) {
			put_owner(attributes, person);
			found++;
		}
		if (why != STG_ID_NONE) {
			char about[180], shown[120];
			stg_printable(word, true, shown, sizeof(shown));
			snprintf(about, sizeof(about), "%s '%s'", column, shown);
			ops_list_problem(told, file_name, stg_json_int(row, "line", 0), why, about);
		}
	}
	stg_json_put_int(told, "found", found);
	*ret = stg_steal(told);
	return true;
}
