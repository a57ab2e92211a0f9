/*
 * parse.c - a blueprint from YAML to its pinned form.
 *
 * For:    everything that runs, checks or shows a blueprint.
 * Uses:   yaml, params.c, when.c, inherit.c, the step tables.
 * Called: load.c, ops/blueprint.c, tests, the fuzz entry.
 * Thread: any; no state.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/error.h>
#include <stager/registry.h>
#include <stager/variable.h>

#include "blueprint_i.h"

#define PARAMS_MAX 64
#define CANARIES_MAX 100
#define TIMEOUT_MAX_MS (24ll * 60 * 60 * 1000)
#define RETRY_TIMES 1
#define RETRY_WAIT_MS 2000

struct parsing {
	const struct stg_yaml *y;       /* the file that is being read: parents come first */
	json_t *site;                   /* the blueprint's params, with their values */
	json_t *steps;
	json_t *from;                   /* {"params":{name:"file:line"},"requires":{...},"organisation"} */
	const char *state_dir;          /* where files of rules are looked for; NULL: nowhere */
	bool lenient;
	int64_t canaries;
	const char *hand_over;          /* "" at once */
	bool is_abstract;               /* only there to be extended: may be incomplete */
	bool paired, timed, erases, erase_open;
};

static const char *const modifiers[] = { "when", "retry", "on_failure", "timeout", "name", "replaces", "after", "before", NULL };

static bool is_modifier(const char *key)
{
	for (const char *const *m = modifiers; *m; m++)
		if (strcmp(*m, key) == 0)
			return true;
	return false;
}

static bool fail_at(const struct parsing *p, unsigned int line, struct stg_error *err, const char *text)
{
	const struct stg_yaml_node at = { .line = line };
	return stg_yaml_fail(p->y, &at, err, "%s", text);
}

/* ---- site values ---- */

static void put_from(const struct parsing *p, const char *what, const char *key, unsigned int line)
{
	char where[128];
	json_t *of = json_object_get(p->from, what);
	if (!of) {
		of = json_object();
		stg_json_put_new(p->from, what, of);
	}
	line_of(p->y, line, where, sizeof(where));
	stg_json_put(of, key, where);
}

static bool name_fits(const struct parsing *p, const struct stg_yaml_node *n, struct stg_error *err)
{
	for (const char *c = n->key; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '_')
			return stg_yaml_fail(p->y, n, err,
					     "'%.60s' is not a name for a param, expected letters, digits and _",
					     n->key);
	for (const char *const *k = stg_variable_known; *k; k++)
		if (strcmp(*k, n->key) == 0)
			return stg_yaml_fail(
				p->y, n, err,
				"param '%s' has the name of a variable every device has, expected another name",
				n->key);
	return true;
}

/* A file's word on a param: without a default it leaves what a parent said. */
static bool read_site_param(struct parsing *p, const struct stg_yaml_node *n, struct stg_error *err)
{
	static const char *const known[] = { "default", "about", NULL };
	if (!name_fits(p, n, err))
		return false;
	const struct stg_yaml_node *preset = n;
	if (n->kind == STG_YAML_MAP) {
		if (!stg_yaml_only(p->y, n, known, err))
			return false;
		preset = stg_yaml_get(n, "default");
	}
	const char *text = NULL;
	if (preset && preset->kind == STG_YAML_SCALAR && !preset->scalar[0] && !preset->quoted)
		preset = NULL;
	if (preset && !stg_yaml_string(p->y, preset, &text, err))
		return false;
	bool is_new = !json_object_get(p->site, n->key);
	if (is_new && json_object_size(p->site) >= PARAMS_MAX)
		return stg_yaml_fail(p->y, n, err, "more than %d params, expected fewer", PARAMS_MAX);
	if (is_new || text) {
		stg_json_put_new(p->site, n->key, text ? json_string(text) : json_null());
		put_from(p, "params", n->key, n->key_line);
	}
	return true;
}

static bool read_site_layer(struct parsing *p, const struct stg_yaml_node *n, struct stg_error *err)
{
	if (n && n->kind != STG_YAML_MAP)
		return stg_yaml_fail(p->y, n, err,
				     "'params' is not a mapping, expected lines of 'name: {default: ..., about: ...}'");
	for (const struct stg_yaml_node *c = n ? n->child : NULL; c; c = c->next)
		if (!read_site_param(p, c, err))
			return false;
	return true;
}

/* What the person gave wins over every file. What nobody gave is told at the line that asks for it. */
static bool give_values(struct parsing *p, const struct layers *l, const json_t *given, struct stg_error *err)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)given, key, value) {
		if (!json_object_get(p->site, key))
			return stg_fail(err, STG_E_INPUT, 0,
					"%s: a value for '%.60s' was given, expected one of its params",
					stg_yaml_name(p->y), key);
		if (!json_is_string(value))
			return stg_fail(err, STG_E_INPUT, 0, "param '%s' was given a value that is not a text, expected a text", key);
		json_object_set(p->site, key, value);
		stg_json_put(json_object_get(p->from, "params"), key, "given");
	}
	for (size_t i = l->n; i-- > 0;) {
		const struct stg_yaml_node *n = stg_yaml_get(l->list[i].root, "params");
		for (const struct stg_yaml_node *c = n ? n->child : NULL; c; c = c->next) {
			if (!json_is_null(json_object_get(p->site, c->key)))
				continue;
			if (!p->lenient && !p->is_abstract)
				return stg_yaml_fail(
					l->list[i].y, c, err,
					"param '%s' has no value, expected a 'default:' here or a value given by the person", c->key);
			stg_json_put_new(p->site, c->key, json_string(""));
		}
	}
	return true;
}

static bool read_site(struct parsing *p, const struct layers *l, const json_t *given, struct stg_error *err)
{
	for (size_t i = 0; i < l->n; i++) {
		p->y = l->list[i].y;
		if (!read_site_layer(p, stg_yaml_get(l->list[i].root, "params"), err))
			return false;
	}
	return give_values(p, l, given, err);
}

/* ---- steps ---- */

static bool unknown_step(const struct parsing *p, const struct stg_yaml_node *at, const char *word,
			 struct stg_error *err)
{
	const char *names[64];
	char list[180] = "";
	size_t n = 0;
	for (const struct stg_step *const *s = stg_steps; *s && n < STG_ARRAY_LEN(names) - 1; s++) {
		names[n++] = (*s)->name;
		size_t len = strlen(list);
		snprintf(list + len, sizeof(list) - len, "%s%s", len ? " " : "", (*s)->name);
	}
	names[n] = NULL;
	const char *near = stg_yaml_nearest(word, names);
	const struct stg_yaml_node where = { .line = at->key ? at->key_line : at->line };
	if (near)
		return stg_yaml_fail(p->y, &where, err, "unknown step '%.40s', did you mean '%s'?", word, near);
	return stg_yaml_fail(p->y, &where, err, "unknown step '%.40s', expected one of: %s", word, list);
}

/* "03-install_profile-wifi": stays the same as long as the step keeps its place and name. */
static void step_key(size_t number, const char *step, const char *name, char *ret, size_t size)
{
	int n = snprintf(ret, size, "%02zu-%s", number, step);
	if (!*name || n < 0 || (size_t)n + 2 >= size)
		return;
	ret[n++] = '-';
	for (; *name && (size_t)n + 1 < size; name++)
		ret[n++] = isalnum((unsigned char)*name) || *name == '_' || *name == '.'
				   ? (char)tolower((unsigned char)*name)
				   : '-';
	ret[n] = 0;
}

static bool read_retry(const struct parsing *p, const struct stg_yaml_node *n, json_t *retry, struct stg_error *err)
{
	static const char *const known[] = { "times", "wait", NULL };
	int64_t times = stg_json_int(retry, "times", 0), wait_ms = stg_json_int(retry, "wait_ms", 0);
	if (!stg_yaml_only(p->y, n, known, err))
		return false;
	const struct stg_yaml_node *t = stg_yaml_get(n, "times"), *w = stg_yaml_get(n, "wait");
	if ((t && !stg_yaml_int(p->y, t, 0, 20, &times, err)) || (w && !stg_yaml_duration(p->y, w, &wait_ms, err)))
		return false;
	if (wait_ms > TIMEOUT_MAX_MS)
		return stg_yaml_fail(p->y, w, err, "a wait of more than a day, expected less");
	stg_json_put_int(retry, "times", times);
	stg_json_put_int(retry, "wait_ms", wait_ms);
	return true;
}

static bool read_modifiers(const struct parsing *p, const struct stg_yaml_node *entry, const struct stg_step *step,
			   json_t *o, struct stg_error *err)
{
	json_t *retry = json_object();
	stg_json_put_new(o, "retry", retry);
	stg_json_put_int(retry, "times", step->destroys_data ? 0 : RETRY_TIMES);
	stg_json_put_int(retry, "wait_ms", RETRY_WAIT_MS);
	int64_t timeout_ms = step->deadline_ms;
	const char *rule = "stop";
	if (entry && entry->kind == STG_YAML_MAP) {
		const struct stg_yaml_node *n = stg_yaml_get(entry, "when");
		if (n) {
			json_t *when = when_read(p->y, n, err);
			if (!when)
				return false;
			stg_json_put_new(o, "when", when);
		}
		n = stg_yaml_get(entry, "retry");
		if (n && step->destroys_data)
			return stg_yaml_fail(p->y, n, err, "%s is sent once, expected no 'retry'", step->name);
		if (n && !read_retry(p, n, retry, err))
			return false;
		n = stg_yaml_get(entry, "on_failure");
		if (n && !stg_yaml_string(p->y, n, &rule, err))
			return false;
		if (strcmp(rule, "stop") != 0 && strcmp(rule, "continue") != 0 && strcmp(rule, "hold") != 0)
			return stg_yaml_fail(p->y, n, err, "'%.40s' is not a rule, expected stop, continue or hold",
					     rule);
		if (strcmp(rule, "continue") == 0 && step->gate)
			return stg_yaml_fail(p->y, n, err, "nothing may go on without %s, expected stop or hold",
					     step->name);
		n = stg_yaml_get(entry, "timeout");
		if (n && !stg_yaml_duration(p->y, n, &timeout_ms, err))
			return false;
		if (timeout_ms < 1000 || timeout_ms > TIMEOUT_MAX_MS)
			return stg_yaml_fail(p->y, n ? n : entry, err, "a timeout of %lld ms, expected 1 s to 24 h",
					     (long long)timeout_ms);
	}
	if (!json_object_get(o, "when"))
		stg_json_put_new(o, "when", json_array());
	stg_json_put(o, "on_failure", rule);
	stg_json_put_int(o, "timeout_ms", timeout_ms);
	return true;
}

/* Order that cannot work is refused here, not on the bench. */
static bool check_order(struct parsing *p, const struct stg_step *step, unsigned int line, struct stg_error *err)
{
	char text[200];
	if (p->is_abstract)
		return true;    /* whoever extends it completes it, and is looked at then */
	if (step->needs_trust && !p->paired) {
		snprintf(text, sizeof(text), "%s comes before the device trusts us, expected a step 'pair'%s before it",
			 step->name, p->erases ? " after the erase and" : "");
		return fail_at(p, line, err, text);
	}
	if (strcmp(step->name, "pair") == 0)
		p->paired = true;
	if (strcmp(step->name, "set_time") == 0)
		p->timed = true;
	if (strcmp(step->name, "issue_certificate") == 0 && !p->timed)
		return fail_at(
			p, line, err,
			"issue_certificate comes before the device knows the time, expected a step 'set_time' before it");
	if (p->erase_open && strcmp(step->name, "wait_back") != 0)
		return fail_at(p, line, err,
			       "an erase is followed by something else, expected 'wait_back' right after it");
	if (strcmp(step->name, "wait_back") == 0) {
		if (!p->erase_open)
			return fail_at(p, line, err, "wait_back waits for nothing, expected 'erase' right before it");
		p->erase_open = false;
	}
	if (step->destroys_data) {
		p->erases = p->erase_open = true;
		p->paired = p->timed = false;   /* it forgets both */
	}
	return true;
}

static bool add_step(struct parsing *p, const struct stg_step *step, const char *name, json_t *params, size_t number,
		     const struct stg_yaml_node *entry, struct stg_error *err)
{
	char key[100];
	json_t *o = json_object();
	stg_json_put(o, "step", step->name);
	stg_json_put_new(o, "params", params);
	if (!*name)
		name = stg_json_str(params, "profile");
	step_key(number, step->name, name, key, sizeof(key));
	stg_json_put(o, "key", key);
	stg_json_put_bool(o, "destroys_data", step->destroys_data);
	if (entry) {
		char where[128];
		line_of(p->y, entry->kind == STG_YAML_MAP && entry->child ? entry->child->key_line : entry->line, where, sizeof(where));
		stg_json_put(o, "from", where);
	}
	if (!read_modifiers(p, entry, step, o, err)) {
		json_decref(o);
		return false;
	}
	json_array_append_new(p->steps, o);
	return true;
}

static bool read_step(struct parsing *p, const struct stg_yaml_node *n, size_t number, struct stg_error *err)
{
	const struct stg_yaml_node *what = NULL;
	const char *word = NULL, *name = "";
	if (n->kind == STG_YAML_SCALAR) {
		word = n->scalar;
	} else if (n->kind == STG_YAML_MAP) {
		for (const struct stg_yaml_node *c = n->child; c; c = c->next) {
			if (is_modifier(c->key))
				continue;
			if (what && stg_step_find(c->key) && stg_step_find(what->key))
				return stg_yaml_fail(
					p->y, c, err,
					"two steps in one entry ('%.40s' and '%.40s'), expected a line '- %.40s:' of its own",
					what->key, c->key, c->key);
			if (!what || stg_step_find(c->key))
				what = what && stg_step_find(what->key) ? what : c;
		}
		word = what ? what->key : NULL;
	}
	if (!word || !*word)
		return stg_yaml_fail(p->y, n, err, "this is not a step, expected '- STEP: {...}' such as '- identify:'");
	const struct stg_step *step = stg_step_find(word);
	if (!step)
		return unknown_step(p, what ? what : n, word, err);
	if (n->kind == STG_YAML_MAP) {
		const char *known[STG_ARRAY_LEN(modifiers) + 1] = { step->name };
		for (size_t i = 0; i < STG_ARRAY_LEN(modifiers); i++)
			known[i + 1] = modifiers[i];
		const struct stg_yaml_node *called = stg_yaml_get(n, "name");
		if (!stg_yaml_only(p->y, n, known, err) || (called && !stg_yaml_string(p->y, called, &name, err)))
			return false;
	}
	const struct stg_yaml_node at = { .line = what ? what->key_line : n->line };
	if (!check_order(p, step, at.line, err))
		return false;
	json_t *params = params_read(p->y, &at, what, step, p->site, err);
	if (params && !rules_pin(p->y, &at, p->state_dir, params, err)) {
		json_decref(params);
		return false;
	}
	return params && add_step(p, step, name, params, number, n, err);
}

/* `requires:` becomes `require` steps: what can be read without trust first of all, the rest right after `pair`. */
static bool add_requires(struct parsing *p, const struct layers *l, struct stg_error *err)
{
	static const char *const early[] = { "os", "models", "device_class", "ownership", NULL };
	const struct stg_step *step = stg_step_find("require");
	if (!step)
		return stg_fail(err, STG_E_BUG, 0, "no step 'require' in this program");
	STG_AUTO(stg_json_free_at) json_t *all = json_object();
	for (size_t i = 0; i < l->n; i++) {
		const struct stg_yaml_node *n = stg_yaml_get(l->list[i].root, "requires");
		p->y = l->list[i].y;
		STG_AUTO(stg_json_free_at) json_t *one = n ? params_read(p->y, n, n, step, p->site, err) : json_object();
		if (!one)
			return false;
		json_object_update(all, one);
		for (const struct stg_yaml_node *c = n ? n->child : NULL; c; c = c->next)
			put_from(p, "requires", c->key, c->key_line);
	}
	if (!json_object_size(all))
		return true;
	json_t *first = json_object();
	for (const char *const *k = early; *k; k++) {
		json_t *v = json_object_get(all, *k);
		if (v) {
			stg_json_put_new(first, *k, json_incref(v));
			json_object_del(all, *k);
		}
	}
	json_t *own = json_incref(p->steps);
	json_decref(p->steps);
	p->steps = json_array();
	bool ok = true;
	if (json_object_size(first))
		ok = add_step(p, step, "", first, 0, NULL, err);
	else
		json_decref(first);
	bool pending = json_object_size(all) > 0, has_pair = false;
	for (size_t i = 0; i < json_array_size(own); i++)
		has_pair = has_pair || strcmp(stg_json_str(json_array_get(own, i), "step"), "pair") == 0;
	if (ok && pending && !has_pair) {
		ok = add_step(p, step, "device", json_incref(all), 0, NULL, err);
		pending = false;
	}
	for (size_t i = 0; i < json_array_size(own) && ok; i++) {
		json_t *s = json_array_get(own, i);
		json_array_append(p->steps, s);
		if (pending && strcmp(stg_json_str(s, "step"), "pair") == 0) {
			ok = add_step(p, step, "device", json_incref(all), 0, NULL, err);
			pending = false;
		}
	}
	json_decref(own);
	return ok;
}

static bool read_steps(struct parsing *p, const struct layers *l, struct stg_error *err)
{
	const struct layer *own = &l->list[l->n - 1];
	const struct stg_yaml_node *n = stg_yaml_get(own->root, "steps");
	STG_AUTO(stg_free_at) struct entries *all = stg_calloc(1, sizeof(*all));
	if (!layers_steps(l, all, err))
		return false;
	if (!all->n && !p->is_abstract)
		return stg_yaml_fail(own->y, n ? n : own->root, err, "no steps, expected 'steps:' with a list of them");
	for (size_t i = 0; i < all->n; i++) {
		p->y = all->list[i].y;
		if (!read_step(p, all->list[i].node, i + 1, err))
			return false;
	}
	if (p->erase_open)
		return stg_yaml_fail(
			own->y, n ? n : own->root, err,
			"the erase is last, expected 'wait_back' after it: without it nobody knows whether it happened");
	return add_requires(p, l, err);
}

/* When a device that went through all its steps may leave the bench; the file that extends others has the last word. */
static bool read_hand_over(struct parsing *p, const struct layers *l, struct stg_error *err)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct stg_yaml_node *n = stg_yaml_get(l->list[i].root, "hand_over");
		const char *word = "";
		if (!n)
			continue;
		if (!stg_yaml_string(l->list[i].y, n, &word, err))
			return false;
		if (strcmp(word, "after_registered") != 0 && strcmp(word, "at_once") != 0)
			return stg_yaml_fail(l->list[i].y, n, err, "hand_over '%.40s', expected after_registered or at_once", word);
		p->hand_over = strcmp(word, "at_once") == 0 ? "" : word;
	}
	return true;
}

static bool read_head(struct parsing *p, const struct layers *l, const char **ret_about, const char **ret_organisation, struct stg_error *err)
{
	static const char *const known[] = { "name", "about", "abstract", "extends", "without", "organisation", "canaries", "hand_over", "params", "requires", "steps", NULL };
	const struct layer *own = &l->list[l->n - 1];
	for (size_t i = 0; i < l->n; i++) {
		const struct stg_yaml_node *n = stg_yaml_get(l->list[i].root, "organisation");
		p->y = l->list[i].y;
		if (!stg_yaml_only(p->y, l->list[i].root, known, err) || (n && !stg_yaml_string(p->y, n, ret_organisation, err)))
			return false;
		char where[128];
		line_of(p->y, n ? n->key_line : 0, where, sizeof(where));
		if (n)
			stg_json_put(p->from, "organisation", where);
	}
	for (size_t i = 0; i < l->n; i++) {
		const struct stg_yaml_node *n = stg_yaml_get(l->list[i].root, "canaries");
		if (n && !stg_yaml_int(l->list[i].y, n, 0, CANARIES_MAX, &p->canaries, err))
			return false;
	}
	if (!read_hand_over(p, l, err))
		return false;
	const struct stg_yaml_node *name = stg_yaml_get(own->root, "name"), *about = stg_yaml_get(own->root, "about"),
				   *is_abstract = stg_yaml_get(own->root, "abstract");
	if (!name)
		return stg_yaml_fail(own->y, own->root, err, "the blueprint has no name, expected 'name: WORD'");
	if (!name_ok(name->scalar ? name->scalar : ""))
		return stg_yaml_fail(own->y, name, err,
				     "'%.70s' is not a name, expected at most 63 letters, digits, '.', '_', '-'", name->scalar ? name->scalar : "");
	if ((about && !stg_yaml_string(own->y, about, ret_about, err)) || (is_abstract && !stg_yaml_bool(own->y, is_abstract, &p->is_abstract, err)))
		return false;
	return !p->is_abstract || p->lenient ||
	       stg_yaml_fail(own->y, is_abstract, err, "'%.60s' is abstract, expected a blueprint that extends it", name->scalar);
}

/* The hash is that of what will be done: where a line stands, and what else stands in the files, changes nothing in it. */
static void put_hash(json_t *o)
{
	STG_AUTO(stg_json_free_at) json_t *plain = json_deep_copy(o);
	size_t i;
	json_t *step;
	char hash[65];
	json_array_foreach(json_object_get(plain, "steps"), i, step)
		json_object_del(step, "from");
	char *canonical = stg_json_text(plain);
	stg_sha256_hex(stg_bytes_str(canonical), hash);
	free(canonical);
	stg_json_put(o, "sha256", hash);
}

json_t *blueprint_read(const char *state_dir, const char *file_name, struct stg_bytes text, const json_t *params, bool lenient,
		       struct stg_error *err)
{
	STG_AUTO(layers_free_at) struct layers *l = stg_calloc(1, sizeof(*l));
	if (!layers_gather(state_dir, file_name, text, l, err))
		return NULL;
	STG_AUTO(stg_json_free_at) json_t *site = json_object();
	STG_AUTO(stg_json_free_at) json_t *from = json_pack("{s:{}}", "params");
	STG_AUTO(stg_json_free_at) json_t *o = json_object();
	struct parsing p = { .site = site, .steps = json_array(), .from = from, .lenient = lenient, .state_dir = state_dir, .hand_over = "" };
	const char *about = "", *organisation = "";
	bool ok = read_head(&p, l, &about, &organisation, err) && read_site(&p, l, params, err) && read_steps(&p, l, err);
	stg_json_put_new(o, "steps", p.steps);
	if (!ok)
		return NULL;
	stg_json_put_int(o, "v", 1);
	stg_json_put(o, "name", l->list[l->n - 1].name);
	stg_json_put_new(o, "about", json_string(about));
	if (*organisation)
		stg_json_put(o, "organisation", organisation);
	stg_json_put(o, "hand_over", p.hand_over);
	stg_json_put_bool(o, "erases", p.erases);
	stg_json_put_new(o, "params", json_incref(site));
	put_hash(o);
	if (p.canaries)
		stg_json_put_int(o, "canaries", p.canaries);
	if (p.is_abstract)
		stg_json_put_bool(o, "abstract", true);
	if (l->n > 1)
		stg_json_put_new(o, "parents", layers_parents(l));
	json_object_set(o, "from", from);
	return stg_steal(o);
}

json_t *stg_blueprint_parse(const char *file_name, struct stg_bytes text, const json_t *params, struct stg_error *err)
{
	return blueprint_read(NULL, file_name, text, params, false, err);
}

json_t *stg_blueprint_check(const char *file_name, struct stg_bytes text, struct stg_error *err)
{
	return blueprint_read(NULL, file_name, text, NULL, true, err);
}

json_t *stg_blueprint_parse_in(const char *state_dir, const char *file_name, struct stg_bytes text, const json_t *params, struct stg_error *err)
{
	return blueprint_read(state_dir, file_name, text, params, false, err);
}

json_t *stg_blueprint_check_in(const char *state_dir, const char *file_name, struct stg_bytes text, struct stg_error *err)
{
	return blueprint_read(state_dir, file_name, text, NULL, true, err);
}

const json_t *stg_blueprint_step(const json_t *blueprint, const char *key)
{
	const json_t *steps = json_object_get(blueprint, "steps");
	for (size_t i = 0; i < json_array_size(steps); i++) {
		const json_t *s = json_array_get(steps, i);
		if (strcmp(stg_json_str(s, "key"), key) == 0)
			return s;
	}
	return NULL;
}
