/*
 * inherit.c - a blueprint that extends others: its parents are found, and their steps become one list.
 *
 * For:    parse.c. Site, customer, role and model each in a file of its own: `extends: [north-site, ward-role]`.
 * Uses:   yaml; load.c finds the parents by name (state, /etc/stager, built in).
 * Called: parse.c.
 * Thread: any; no state.
 *
 * Parents apply in the order they are named, each after its own parents; one that is reached twice counts where it came first.
 * What comes later wins: params by name, requires by key, organisation. Steps: those of the parents in their order, and
 *   without: [NAME, ...]        takes inherited steps out
 *   - STEP: {...}
 *     replaces: NAME            stands where the inherited one stood
 *     after: NAME | before: NAME
 * and what says nothing of this comes last. NAME is a step's name, its profile, its word, or WORD-NAME; it must mean one.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/error.h>
#include <stager/registry.h>

#include "blueprint_i.h"

#define FILE_MAX (1u << 20)
#define DEPTH_MAX 8

/* ---- the files ---- */

static bool known_layer(const struct layers *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->list[i].name, name) == 0)
			return true;
	return false;
}

/* Where we are: one frame for each file whose parents are being read. */
struct frame {
	const struct frame *below;
	const char *name;
	int depth;
};

static bool circle(const struct stg_yaml *y, const struct stg_yaml_node *at, const struct frame *f, const char *name, struct stg_error *err)
{
	char way[160] = "";
	for (; f; f = f->below) {
		char longer[160];
		snprintf(longer, sizeof(longer), "%.60s > %.95s", f->name, way);
		stg_copy(way, sizeof(way), longer);
		if (strcmp(f->name, name) == 0)
			break;
	}
	stg_yaml_fail(y, at, err, "it extends itself: %s%s, expected a way without a circle", way, name);
	return stg_say(err, STG_ID_PARENT_CIRCLE);
}

static bool on_the_way(const struct frame *f, const char *name)
{
	for (; f; f = f->below)
		if (strcmp(f->name, name) == 0)
			return true;
	return false;
}

static bool gather(const char *state_dir, const char *file_name, struct stg_bytes text, const char *expected, const struct frame *below, struct layers *ret,
		   struct stg_error *err);

static bool parent(const char *state_dir, const struct stg_yaml *y, const struct stg_yaml_node *at, const struct frame *f, struct layers *ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(FILE_MAX);
	char path[PATH_MAX];
	const char *name = NULL;
	struct stg_error why = { 0 };
	if (!stg_yaml_string(y, at, &name, err))
		return false;
	if (on_the_way(f, name))
		return circle(y, at, f, name, err);
	if (known_layer(ret, name))
		return true;
	if (f->depth >= DEPTH_MAX || ret->n >= LAYERS_MAX - 1) {
		stg_yaml_fail(y, at, err, "'%.60s' is one parent too many, expected at most %d in a row and %d in all", name, DEPTH_MAX, LAYERS_MAX - 1);
		return stg_say(err, STG_ID_PARENTS_DEEP);
	}
	if (!stg_blueprint_text(state_dir, name, &text, path, sizeof(path), &why)) {
		stg_yaml_fail(y, at, err, "no parent %.120s", why.id == STG_ID_BLUEPRINT_UNKNOWN ? why.msg : name);
		return stg_say(err, why.id == STG_ID_BLUEPRINT_UNKNOWN ? STG_ID_PARENT_UNKNOWN : (enum stg_id)why.id);
	}
	return gather(state_dir, path, stg_buf_view(&text), name, f, ret, err);
}

/* A layer is added after its parents, so that it wins. `expected`: the name it was looked up by. */
static bool gather(const char *state_dir, const char *file_name, struct stg_bytes text, const char *expected, const struct frame *below, struct layers *ret,
		   struct stg_error *err)
{
	STG_AUTO(stg_yaml_free_at) struct stg_yaml *y = stg_yaml_parse(file_name, text, err);
	if (!y)
		return false;
	const struct stg_yaml_node *root = stg_yaml_root(y), *n_name = stg_yaml_get(root, "name"), *extends = stg_yaml_get(root, "extends");
	const char *name = "";
	if (!n_name && expected)
		return stg_yaml_fail(y, root, err, "the blueprint has no name, expected 'name: %.60s'", expected);
	if (n_name && !stg_yaml_string(y, n_name, &name, err))
		return false;
	if (expected && strcmp(name, expected) != 0)
		return stg_yaml_fail(y, n_name, err, "it names itself '%.63s', expected '%.63s', the file's name", name, expected);
	const struct frame f = { .below = below, .name = name, .depth = below ? below->depth + 1 : 0 };
	if (extends && extends->kind == STG_YAML_MAP)
		return stg_yaml_fail(y, extends, err, "'extends' is a mapping, expected the name of a blueprint or a list of names");
	if (extends && extends->kind == STG_YAML_SCALAR && !parent(state_dir, y, extends, &f, ret, err))
		return false;
	for (const struct stg_yaml_node *c = extends && extends->kind == STG_YAML_LIST ? extends->child : NULL; c; c = c->next)
		if (!parent(state_dir, y, c, &f, ret, err))
			return false;
	struct layer *one = &ret->list[ret->n++];
	stg_copy(one->name, sizeof(one->name), name);
	stg_sha256_hex(text, one->sha256);
	one->y = stg_steal(y);
	one->root = root;
	return true;
}

bool layers_gather(const char *state_dir, const char *file_name, struct stg_bytes text, struct layers *ret, struct stg_error *err)
{
	return gather(state_dir, file_name, text, NULL, NULL, ret, err);
}

void layers_free_at(struct layers **l)
{
	for (size_t i = 0; i < (*l)->n; i++)
		stg_yaml_free((*l)->list[i].y);
	free(*l);
	*l = NULL;
}

json_t *layers_parents(const struct layers *l)
{
	json_t *list = json_array();
	for (size_t i = 0; i + 1 < l->n; i++) {
		json_t *one = json_object();
		stg_json_put(one, "name", l->list[i].name);
		stg_json_put(one, "path", stg_yaml_name(l->list[i].y));
		stg_json_put(one, "sha256", l->list[i].sha256);
		json_array_append_new(list, one);
	}
	return list;
}

void line_of(const struct stg_yaml *y, unsigned int line, char *ret, size_t size)
{
	const char *slash = strrchr(stg_yaml_name(y), '/');
	snprintf(ret, size, "%s:%u", slash ? slash + 1 : stg_yaml_name(y), line);
}

/* ---- the steps ---- */

/* What an entry does: its word; NULL for what is no step at all (the parser says so). */
static const char *word_of(const struct stg_yaml_node *n, const struct stg_yaml_node **ret_params)
{
	*ret_params = NULL;
	if (n->kind == STG_YAML_SCALAR)
		return n->scalar;
	for (const struct stg_yaml_node *c = n->kind == STG_YAML_MAP ? n->child : NULL; c; c = c->next) {
		if (stg_step_find(c->key)) {
			*ret_params = c;
			return c->key;
		}
	}
	return NULL;
}

static const char *scalar_of(const struct stg_yaml_node *map, const char *key)
{
	const struct stg_yaml_node *n = map && map->kind == STG_YAML_MAP ? stg_yaml_get(map, key) : NULL;
	return n && n->kind == STG_YAML_SCALAR ? n->scalar : "";
}

static bool is_called(const struct entry *e, const char *name)
{
	const struct stg_yaml_node *params;
	const char *word = word_of(e->node, &params);
	const char *own = scalar_of(e->node, "name"), *profile = scalar_of(params, "profile");
	char whole[160];
	if (!word)
		return false;
	if (strcmp(word, name) == 0 || (*own && strcmp(own, name) == 0) || (*profile && strcmp(profile, name) == 0))
		return true;
	snprintf(whole, sizeof(whole), "%s-%s", word, *own ? own : profile);
	return strcmp(whole, name) == 0;
}

/* The one step of that name among those above; the others must not be meant by it. */
static bool find_one(const struct stg_yaml *y, const struct stg_yaml_node *at, const struct entries *all, const char *name, size_t *ret, struct stg_error *err)
{
	size_t found = 0;
	char where[120] = "";
	for (size_t i = 0; i < all->n; i++) {
		char line[64];
		if (!is_called(&all->list[i], name))
			continue;
		if (!found++)
			*ret = i;
		line_of(all->list[i].y, all->list[i].node->line, line, sizeof(line));
		size_t len = strlen(where);
		snprintf(where + len, sizeof(where) - len, "%s%s", len ? ", " : "", line);
	}
	if (found == 1)
		return true;
	if (found)
		return stg_yaml_fail(y, at, err, "'%.40s' means %zu steps (%s), expected the name of one", name, found, where);
	return stg_yaml_fail(y, at, err, "no inherited step is called '%.60s', expected a name, a profile or a step's word", name);
}

static void put_at(struct entries *all, size_t at, const struct entry *e)
{
	memmove(&all->list[at + 1], &all->list[at], (all->n - at) * sizeof(*e));
	all->list[at] = *e;
	all->n++;
}

static bool without(const struct layer *l, struct entries *all, struct stg_error *err)
{
	const struct stg_yaml_node *list = stg_yaml_get(l->root, "without");
	if (list && list->kind != STG_YAML_LIST)
		return stg_yaml_fail(l->y, list, err, "'without' is not a list, expected the names of inherited steps");
	for (const struct stg_yaml_node *c = list ? list->child : NULL; c; c = c->next) {
		const char *name = NULL;
		size_t at = 0;
		if (!stg_yaml_string(l->y, c, &name, err) || !find_one(l->y, c, all, name, &at, err))
			return false;
		memmove(&all->list[at], &all->list[at + 1], (all->n - at - 1) * sizeof(all->list[0]));
		all->n--;
	}
	return true;
}

static bool place(const struct layer *l, const struct stg_yaml_node *n, struct entries *all, struct stg_error *err)
{
	static const char *const places[] = { "replaces", "after", "before" };
	const struct entry e = { .y = l->y, .node = n };
	const struct stg_yaml_node *said = NULL;
	size_t how = 0, at = all->n;
	for (size_t i = 0; i < STG_ARRAY_LEN(places); i++) {
		const struct stg_yaml_node *one = n->kind == STG_YAML_MAP ? stg_yaml_get(n, places[i]) : NULL;
		if (one && said)
			return stg_yaml_fail(l->y, one, err, "it has two places ('%s' and '%s'), expected one", places[how], places[i]);
		if (one) {
			said = one;
			how = i;
		}
	}
	const char *name = NULL;
	if (said && (!stg_yaml_string(l->y, said, &name, err) || !find_one(l->y, said, all, name, &at, err)))
		return false;
	if (said && how == 0) {
		all->list[at] = e;
		return true;
	}
	if (all->n >= ENTRIES_MAX)
		return stg_yaml_fail(l->y, n, err, "more than %d steps, expected fewer", ENTRIES_MAX);
	put_at(all, said && how == 1 ? at + 1 : at, &e);
	return true;
}

bool layers_steps(const struct layers *l, struct entries *ret, struct stg_error *err)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct stg_yaml_node *steps = stg_yaml_get(l->list[i].root, "steps");
		if (steps && steps->kind != STG_YAML_LIST)
			return stg_yaml_fail(l->list[i].y, steps, err, "no steps, expected 'steps:' with a list of them");
		if (!without(&l->list[i], ret, err))
			return false;
		for (const struct stg_yaml_node *c = steps ? steps->child : NULL; c; c = c->next)
			if (!place(&l->list[i], c, ret, err))
				return false;
	}
	return true;
}
