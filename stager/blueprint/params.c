/*
 * params.c - the params of one step, typed by the step's own table.
 *
 * For:    parse.c.
 * Uses:   yaml, the step tables.
 * Called: parse.c only.
 * Thread: any; no state.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/error.h>
#include <stager/variable.h>

#include "blueprint_i.h"

#define PARAMS_MAX 48
#define LIST_MAX 256

struct reading {
	const struct stg_yaml *y;
	const json_t *site;             /* names of the blueprint's own params */
	const struct stg_step *step;
};

bool name_ok(const char *s)
{
	if (!isalnum((unsigned char)*s) || strlen(s) > 63)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("._-", *s))
			return false;
	return true;
}

static bool known_variable(const struct reading *r, const char *name)
{
	return stg_variable_is_known(name) || json_object_get(r->site, name) != NULL;
}

/* Names beside which an unknown one is shown. */
static const char *near_variable(const struct reading *r, const char *name)
{
	const char *all[160];
	size_t n = 0;
	const char *key;
	json_t *unused;
	for (const char *const *k = stg_variable_known; *k && n < STG_ARRAY_LEN(all) - 1; k++)
		all[n++] = *k;
	json_object_foreach((json_t *)(uintptr_t)r->site, key, unused) {
		(void)unused;
		if (n < STG_ARRAY_LEN(all) - 1)
			all[n++] = key;
	}
	all[n] = NULL;
	return stg_yaml_nearest(name, all);
}

static bool check_variables(const struct reading *r, const struct stg_yaml_node *n, bool allowed, struct stg_error *err)
{
	const char *text = n->scalar;
	struct stg_variable v;
	while (stg_variable_next(text, &v)) {
		char name[STG_VARIABLE_NAME_MAX];
		if (!allowed)
			return stg_yaml_fail(r->y, n, err, "'%.40s' of %s takes no variable, expected the value itself",
					     n->key ? n->key : "a list entry", r->step->name);
		if (!v.after)
			return stg_yaml_fail(r->y, n, err, "'{{' is never closed, expected '}}'");
		if (!v.is_literal && !stg_variable_name(&v, name))
			return stg_yaml_fail(r->y, n, err,
					     "'{{%.*s}}' is not a variable, expected {{name}} or {{name|otherwise}}",
					     (int)(v.inner_len < 60 ? v.inner_len : 60), v.inner);
		if (!v.is_literal && !known_variable(r, name)) {
			const char *near = near_variable(r, name);
			return near ? stg_yaml_fail(r->y, n, err, "unknown variable {{%.60s}}, did you mean {{%s}}?",
						    name, near)
				    : stg_yaml_fail(
					      r->y, n, err,
					      "unknown variable {{%.60s}}, expected serial, asset_tag, ..., batch.NAME, "
					      "secret.NAME or one of 'params'",
					      name);
		}
		text = v.after;
	}
	return true;
}

static bool tree_variables(const struct reading *r, const struct stg_yaml_node *n, bool allowed, struct stg_error *err)
{
	if (n->kind == STG_YAML_SCALAR)
		return check_variables(r, n, allowed, err);
	for (const struct stg_yaml_node *c = n->child; c; c = c->next)
		if (!tree_variables(r, c, allowed, err))
			return false;
	return true;
}

static bool is_word_of(const char *list, const char *word)
{
	size_t len = strlen(word);
	for (const char *p = list; *p;) {
		size_t n = strcspn(p, " ");
		if (n == len && strncmp(p, word, n) == 0)
			return true;
		p += n;
		p += strspn(p, " ");
	}
	return false;
}

/* true, false, yes, no. */
static bool read_flag(const struct reading *r, const struct stg_yaml_node *n, bool *ret, struct stg_error *err)
{
	if (n->kind == STG_YAML_SCALAR && !n->quoted &&
	    (strcmp(n->scalar, "yes") == 0 || strcmp(n->scalar, "no") == 0)) {
		*ret = n->scalar[0] == 'y';
		return true;
	}
	return stg_yaml_bool(r->y, n, ret, err);
}

static json_t *read_list(const struct reading *r, const struct stg_yaml_node *n, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	if (n->kind != STG_YAML_LIST) {
		stg_yaml_fail(r->y, n, err, "'%.40s' is not a list, expected [one, two]", n->key);
		return NULL;
	}
	for (const struct stg_yaml_node *c = n->child; c; c = c->next) {
		if (c->kind != STG_YAML_SCALAR || !c->scalar[0] || json_array_size(list) >= LIST_MAX) {
			stg_yaml_fail(r->y, c, err,
				      "an entry of '%.40s' is not a word, expected at most %d words or texts", n->key,
				      LIST_MAX);
			return NULL;
		}
		json_array_append_new(list, json_string(c->scalar));
	}
	return stg_steal(list);
}

static json_t *read_one(const struct reading *r, const struct stg_yaml_node *n, const struct stg_param *p,
			struct stg_error *err)
{
	const char *text;
	int64_t number;
	bool flag;
	if (!tree_variables(r, n, p->variables, err))
		return NULL;
	switch (p->kind) {
	case STG_PARAM_STRING:
		if (!stg_yaml_string(r->y, n, &text, err))
			return NULL;
		return json_string(text);
	case STG_PARAM_ENUM:
		if (!stg_yaml_string(r->y, n, &text, err))
			return NULL;
		if (is_word_of(p->values, text))
			return json_string(text);
		stg_yaml_fail(r->y, n, err, "'%.60s' is not a choice for '%s', expected one of: %s", text, p->name,
			      p->values);
		return NULL;
	case STG_PARAM_INT:
		return stg_yaml_int(r->y, n, 0, INT64_C(1) << 50, &number, err) ? json_integer(number) : NULL;
	case STG_PARAM_DURATION:
		return stg_yaml_duration(r->y, n, &number, err) ? json_integer(number) : NULL;
	case STG_PARAM_BOOL:
		return read_flag(r, n, &flag, err) ? json_boolean(flag) : NULL;
	case STG_PARAM_LIST:
		return read_list(r, n, err);
	case STG_PARAM_MAP:
		if (n->kind == STG_YAML_MAP)
			return stg_yaml_json(n);
		stg_yaml_fail(r->y, n, err, "'%s' is not a mapping, expected lines of 'key: value'", p->name);
		return NULL;
	}
	stg_fail(err, STG_E_BUG, 0, "a param of no kind");
	return NULL;
}

static const struct stg_param *param_of(const struct stg_step *step, const char *name)
{
	for (const struct stg_param *p = step->params; p && p->name; p++)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

static bool refuse_unknown(const struct reading *r, const struct stg_yaml_node *map, struct stg_error *err)
{
	const char *names[PARAMS_MAX + 1];
	size_t n = 0;
	for (const struct stg_param *p = r->step->params; p && p->name && n < PARAMS_MAX; p++)
		names[n++] = p->name;
	names[n] = NULL;
	if (n == 0 && map->child)
		return stg_yaml_fail(r->y, map->child, err, "'%.40s' was given, expected nothing: %s takes no params",
				     map->child->key, r->step->name);
	return stg_yaml_only(r->y, map, names, err);
}

json_t *params_read(const struct stg_yaml *y, const struct stg_yaml_node *at, const struct stg_yaml_node *n,
		    const struct stg_step *step, const json_t *site, struct stg_error *err)
{
	const struct reading r = { .y = y, .site = site, .step = step };
	STG_AUTO(stg_json_free_at) json_t *o = json_object();
	bool empty = !n || (n->kind == STG_YAML_SCALAR && !n->scalar[0] && !n->quoted);
	if (!empty && n->kind != STG_YAML_MAP) {
		stg_yaml_fail(y, n, err, "the params of %s are not a mapping, expected lines of 'key: value'",
			      step->name);
		return NULL;
	}
	if (!empty && !refuse_unknown(&r, n, err))
		return NULL;
	for (const struct stg_yaml_node *c = empty ? NULL : n->child; c; c = c->next) {
		json_t *v = read_one(&r, c, param_of(step, c->key), err);
		if (!v)
			return NULL;
		stg_json_put_new(o, c->key, v);
	}
	for (const struct stg_param *p = step->params; p && p->name; p++) {
		if (p->required && !json_object_get(o, p->name)) {
			stg_yaml_fail(y, at, err, "%s has no '%s', expected %s", step->name, p->name, p->about);
			return NULL;
		}
	}
	struct stg_error why = { 0 };
	if (step->check && !step->check(o, &why)) {
		stg_yaml_fail(y, at, err, "%s: %s", step->name, why.msg);
		return NULL;
	}
	return stg_steal(o);
}
