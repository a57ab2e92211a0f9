/*
 * when.c - conditions on facts.
 *
 * For:    `when:` of a step: {os_version: ">= 16.0", supervised: true, model: "iPad*"}; all must hold. A list of such
 *         mappings: one of them must.
 * Uses:   yaml, json, fnmatch(3).
 * Called: parse.c (reads), worker/run.c (decides).
 * Thread: any; no state.
 *
 * Pinned form: [{"os_version": {"op": ">=", "value": "16.0"}, "model": {"op": "like", "value": "iPad*"}}, ...]. A fact that
 * could not be read holds for nothing: what is unknown is never acted on.
 */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/error.h>
#include <stager/facts.h>

#include "blueprint_i.h"

#define FACTS_MAX 64

static const char *const kinds[] = {
	[STG_FACT_TEXT] = "a text such as \"iPad*\" or \"!= iPad*\"",
	[STG_FACT_VERSION] = "a version such as \">= 16.0\"",
	[STG_FACT_NUMBER] = "a number such as \">= 30\"",
	[STG_FACT_FLAG] = "true or false",
};

int version_compare(const char *a, const char *b)
{
	for (;;) {
		char *a_end = (char *)(uintptr_t)a, *b_end = (char *)(uintptr_t)b;
		long x = strtol(a, &a_end, 10), y = strtol(b, &b_end, 10);
		if (x != y)
			return x < y ? -1 : 1;
		if (*a_end != '.' && *b_end != '.')
			return 0;
		a = *a_end == '.' ? a_end + 1 : "";
		b = *b_end == '.' ? b_end + 1 : "";
	}
}

static bool is_version(const char *s)
{
	return *s >= '0' && *s <= '9' && strspn(s, "0123456789.") == strlen(s) && strlen(s) < 16;
}

static bool kind_of(const char *fact, enum stg_fact_kind *ret)
{
	if (strncmp(fact, "batch.", 6) == 0 && fact[6]) {
		*ret = STG_FACT_TEXT;
		return true;
	}
	const struct stg_fact *known = stg_fact_find(fact);
	if (!known || !known->condition)
		return false;
	*ret = known->kind;
	return true;
}

/* ">= 16.0" into operator and rest; no operator is equality. */
static const char *split(const char *text, const char **ret_op)
{
	static const char *const ops[] = { ">=", "<=", "!=", ">", "<", "=" };
	*ret_op = "=";
	for (size_t i = 0; i < STG_ARRAY_LEN(ops); i++) {
		if (strncmp(text, ops[i], strlen(ops[i])) == 0) {
			*ret_op = ops[i];
			text += strlen(ops[i]);
			break;
		}
	}
	return text + strspn(text, " ");
}

static bool flag_word(const char *s, bool *ret)
{
	*ret = strcmp(s, "true") == 0 || strcmp(s, "yes") == 0;
	return *ret || strcmp(s, "false") == 0 || strcmp(s, "no") == 0;
}

static json_t *one_test(const struct stg_yaml *y, const struct stg_yaml_node *n, enum stg_fact_kind kind,
			struct stg_error *err)
{
	const char *op;
	bool flag;
	if (n->kind != STG_YAML_SCALAR || !n->scalar[0]) {
		stg_yaml_fail(y, n, err, "condition '%s' has no value, expected %s", n->key ? n->key : "when",
			      kinds[kind]);
		return NULL;
	}
	const char *value = split(n->scalar, &op);
	bool ordered = strcmp(op, "=") != 0 && strcmp(op, "!=") != 0;
	bool fits = *value && (kind == STG_FACT_FLAG      ? !ordered && flag_word(value, &flag)
			       : kind == STG_FACT_VERSION ? is_version(value)
			       : kind == STG_FACT_NUMBER  ? strspn(value, "0123456789") == strlen(value) && strlen(value) < 19
						 : !ordered);
	if (!fits) {
		stg_yaml_fail(y, n, err, "'%.60s' does not fit the fact '%s', expected %s", n->scalar,
			      n->key ? n->key : "", kinds[kind]);
		return NULL;
	}
	json_t *t = json_object();
	stg_json_put(t, "op", op);
	if (kind == STG_FACT_FLAG)
		stg_json_put_bool(t, "value", flag_word(value, &flag) && flag);
	else if (kind == STG_FACT_NUMBER)
		stg_json_put_int(t, "value", strtoll(value, NULL, 10));
	else
		stg_json_put(t, "value", value);
	return t;
}

static json_t *one_fact(const struct stg_yaml *y, const struct stg_yaml_node *n, struct stg_error *err)
{
	enum stg_fact_kind kind;
	if (!kind_of(n->key, &kind)) {
		const char *names[FACTS_MAX + 1] = { 0 };
		size_t count = 0;
		for (const struct stg_fact *f = stg_facts; f->name && count < FACTS_MAX; f++)
			if (f->condition)
				names[count++] = f->name;
		const char *near = stg_yaml_nearest(n->key, names);
		const struct stg_yaml_node at = { .line = n->key_line };
		if (near)
			stg_yaml_fail(y, &at, err, "unknown fact '%.40s', did you mean '%s'?", n->key, near);
		else
			stg_yaml_fail(y, &at, err,
				      "unknown fact '%.40s', expected model, os_version, supervised, ... or batch.NAME",
				      n->key);
		return NULL;
	}
	if (n->kind != STG_YAML_LIST)
		return one_test(y, n, kind, err);
	STG_AUTO(stg_json_free_at) json_t *any = json_array();
	for (struct stg_yaml_node *c = n->child; c; c = c->next) {
		json_t *t = one_test(y, c, kind, err);
		if (!t)
			return NULL;
		json_array_append_new(any, t);
	}
	if (!json_array_size(any)) {
		stg_yaml_fail(y, n, err, "condition '%s' has no value, expected %s", n->key, kinds[kind]);
		return NULL;
	}
	json_t *t = json_object();
	stg_json_put(t, "op", "any");
	stg_json_put_new(t, "tests", stg_steal(any));
	return t;
}

static json_t *one_set(const struct stg_yaml *y, const struct stg_yaml_node *n, struct stg_error *err)
{
	if (n->kind != STG_YAML_MAP || !n->child) {
		stg_yaml_fail(y, n, err, "not a condition, expected a mapping such as {supervised: true}");
		return NULL;
	}
	STG_AUTO(stg_json_free_at) json_t *set = json_object();
	for (struct stg_yaml_node *c = n->child; c; c = c->next) {
		json_t *t = one_fact(y, c, err);
		if (!t)
			return NULL;
		stg_json_put_new(set, c->key, t);
	}
	return stg_steal(set);
}

json_t *when_read(const struct stg_yaml *y, const struct stg_yaml_node *n, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	const struct stg_yaml_node *first = n->kind == STG_YAML_LIST ? n->child : n;
	if (!first) {
		stg_yaml_fail(y, n, err, "'when' is empty, expected a mapping such as {supervised: true}");
		return NULL;
	}
	for (const struct stg_yaml_node *c = first; c; c = n->kind == STG_YAML_LIST ? c->next : NULL) {
		json_t *set = one_set(y, c, err);
		if (!set)
			return NULL;
		json_array_append_new(list, set);
	}
	return stg_steal(list);
}

static bool order_holds(const char *op, int order)
{
	switch (op[0]) {
	case '>':
		return op[1] ? order >= 0 : order > 0;
	case '<':
		return op[1] ? order <= 0 : order < 0;
	case '!':
		return order != 0;
	default:
		return order == 0;
	}
}

/* "16" means every 16.x; "16.1" every 16.1.x. */
static bool version_within(const char *fact, const char *value)
{
	size_t len = strlen(value);
	return version_compare(fact, value) == 0 ||
	       (strncmp(fact, value, len) == 0 && (fact[len] == '.' || (len && value[len - 1] == '.')));
}

static bool test_holds(const char *name, const json_t *test, const json_t *fact)
{
	const char *op = stg_json_str(test, "op");
	if (strcmp(op, "any") == 0) {
		const json_t *tests = json_object_get(test, "tests");
		for (size_t i = 0; i < json_array_size(tests); i++)
			if (test_holds(name, json_array_get(tests, i), fact))
				return true;
		return false;
	}
	const json_t *value = json_object_get(test, "value");
	if (json_is_boolean(value) && json_is_boolean(fact))
		return (json_is_true(value) == json_is_true(fact)) == (op[0] != '!');
	if (json_is_integer(value) && json_is_number(fact)) {
		double x = json_number_value(fact), v = json_number_value(value);
		return order_holds(op, x < v ? -1 : x > v);
	}
	if (!json_is_string(value) || !json_is_string(fact))
		return false;
	const char *v = json_string_value(value), *x = json_string_value(fact);
	enum stg_fact_kind kind;
	if (kind_of(name, &kind) && kind == STG_FACT_VERSION)
		return op[0] == '='   ? version_within(x, v)
		       : op[0] == '!' ? !version_within(x, v)
				      : order_holds(op, version_compare(x, v));
	return (fnmatch(v, x, 0) == 0) == (op[0] != '!');
}

static const json_t *fact_value(const char *name, const json_t *facts, const json_t *attributes)
{
	if (strncmp(name, "batch.", 6) == 0)
		return json_object_get(attributes, name + 6);
	const json_t *v = json_object_get(facts, name);
	return v ? v : json_object_get(attributes, name);
}

bool stg_blueprint_when_asks_owner(const json_t *when)
{
	for (size_t i = 0; i < json_array_size(when); i++) {
		const char *name;
		json_t *test;
		json_object_foreach(json_array_get(when, i), name, test) {
			const struct stg_fact *fact = stg_fact_find(name);
			if (fact && fact->from == STG_FACT_OF_OWNER)
				return true;
		}
	}
	return false;
}

bool stg_blueprint_when(const json_t *when, const json_t *facts, const json_t *attributes)
{
	if (!json_array_size(when))
		return true;
	for (size_t i = 0; i < json_array_size(when); i++) {
		const char *name;
		json_t *test;
		bool holds = true;
		json_object_foreach(json_array_get(when, i), name, test) {
			const json_t *fact = fact_value(name, facts, attributes);
			holds = holds && fact && test_holds(name, test, fact);
		}
		if (holds)
			return true;
	}
	return false;
}
