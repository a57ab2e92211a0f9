/*
 * catalogue.c - each payload against the table of rules.
 *
 * For:    stg_profile_check(): what a device would refuse is an error, what it would ignore a warning, what it needs from
 *         its surroundings a note.
 * Uses:   schema.c; cross.c for what a table cannot say.
 * Called: by read.c.
 * Thread: any; no state.
 *
 * Facts: profiles-and-certificates 2.3 (which finding is how severe). A value is quoted only where the table lists the
 * values it may have: everything else may be a secret.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/variable.h>

#include "inner.h"
#include "schema.h"

#define VALUES_SHOWN 120

struct check {
	struct findings *f;
	const struct stg_profile_rules *rules;
	char *path;
	const struct rule *at[RULE_DEPTH_MAX + 2];      /* the rules this place stands in, by depth */
	const struct rule *type;
	size_t n_supervised;                            /* keys that only a supervised device obeys */
	bool is_root;
};

/* What check.c says already: the keys that identify. */
static bool is_told(const char *key)
{
	static const char *const told[] = { "PayloadType", "PayloadVersion", "PayloadIdentifier", "PayloadUUID" };
	for (size_t i = 0; i < STG_ARRAY_LEN(told); i++)
		if (strcmp(told[i], key) == 0)
			return true;
	return false;
}

static const char *kind_word(unsigned int kind)
{
	switch (kind) {
	case KIND_TEXT: return "text";
	case KIND_INTEGER: return "a whole number";
	case KIND_REAL: return "a number";
	case KIND_BOOL: return "true or false";
	case KIND_DATA: return "data";
	case KIND_LIST: return "a list";
	case KIND_DATE: return "a date";
	default: return "a dictionary";
	}
}

void rules_kinds(unsigned int kinds, char *ret, size_t size)
{
	ret[0] = 0;
	for (unsigned int bit = 1; bit < KIND_ANY; bit <<= 1) {
		size_t n = strlen(ret);
		if (kinds & bit)
			snprintf(ret + n, size - n, "%s%s", n ? " or " : "", kind_word(bit));
	}
}

static unsigned int kind_of(plist_t node)
{
	switch (plist_get_node_type(node)) {
	case PLIST_STRING: return KIND_TEXT;
	case PLIST_UINT: return KIND_INTEGER;
	case PLIST_REAL: return KIND_REAL;
	case PLIST_BOOLEAN: return KIND_BOOL;
	case PLIST_DATA: return KIND_DATA;
	case PLIST_ARRAY: return KIND_LIST;
	case PLIST_DATE: return KIND_DATE;
	case PLIST_DICT: return KIND_DICT;
	default: return 0;
	}
}

static bool number_of(plist_t node, double *ret)
{
	uint64_t n = 0;
	switch (plist_get_node_type(node)) {
	case PLIST_UINT:
		plist_get_uint_val(node, &n);
		*ret = (double)(int64_t)n;
		return true;
	case PLIST_REAL:
		plist_get_real_val(node, ret);
		return true;
	default:
		return false;
	}
}

/* "1.0" in the table and 1 in the profile are the same number; texts are compared as they stand. */
static bool in_values(const char *values, const char *text, double number)
{
	for (const char *p = values; *p;) {
		size_t n = strcspn(p, "|");
		if (text ? strlen(text) == n && strncmp(p, text, n) == 0 : fabs(strtod(p, NULL) - number) < 1e-9)
			return true;
		p += n + (p[n] == '|');
	}
	return false;
}

static void values_words(const char *values, char ret[VALUES_SHOWN])
{
	size_t n = 0;
	for (const char *p = values; *p && n + 6 < VALUES_SHOWN; p++) {
		if (*p == '|') {
			ret[n++] = ',';
			ret[n++] = ' ';
		} else {
			ret[n++] = *p;
		}
		if (n + 6 >= VALUES_SHOWN && p[1]) {
			memcpy(ret + n, ", ...", 5);
			n += 5;
			break;
		}
	}
	ret[n] = 0;
}

static void check_range(struct check *c, const struct rule *k, double number)
{
	if ((!k->has_least || number >= k->least) && (!k->has_most || number <= k->most))
		return;
	char least[32], most[32];
	snprintf(least, sizeof(least), "%g", k->least);
	snprintf(most, sizeof(most), "%g", k->most);
	if (k->has_least && k->has_most)
		finding(c->f, "error", c->path, "out of range %s..%s", least, most);
	else if (k->has_least)
		finding(c->f, "error", c->path, "out of range: at least %s was expected", least);
	else
		finding(c->f, "error", c->path, "out of range: at most %s was expected", most);
}

static bool all_of(const char *text, size_t n, const char *letters)
{
	return strlen(text) == n && strspn(text, letters) == n;
}

static bool is_mac(const char *text)
{
	if (strlen(text) != 17)
		return false;
	for (size_t i = 0; i < 17; i++)
		if (i % 3 == 2 ? text[i] != ':' : !strchr("0123456789abcdefABCDEF", text[i]))
			return false;
	return true;
}

static bool is_uuid_like(const char *text)
{
	static const size_t dashes[] = { 8, 13, 18, 23 };
	if (strlen(text) != 36)
		return false;
	for (size_t i = 0; i < STG_ARRAY_LEN(dashes); i++)
		if (text[dashes[i]] != '-')
			return false;
	return true;
}

static void check_form(struct check *c, const struct rule *k, const char *text)
{
	static const char hex[] = "0123456789abcdefABCDEF", digits[] = "0123456789";
	switch ((enum rule_form)k->form) {
	case FORM_UUID:
		/* what matters is that it names a payload, and check.c looks at that */
		if (!is_uuid_like(text))
			finding(c->f, "warning", c->path, "does not look like a UUID (8-4-4-4-12 hexadecimal digits)");
		break;
	case FORM_HTTPS:
		if (strncmp(text, "https://", 8) != 0 || !text[8])
			finding(c->f, "error", c->path, "must start with https://");
		break;
	case FORM_MAC:
		if (!is_mac(text))
			finding(c->f, "error", c->path, "must be an address such as 0A:1B:2C:3D:4E:5F");
		break;
	case FORM_SIX_DIGITS:
		if (!all_of(text, 6, digits))
			finding(c->f, "error", c->path, "must be 6 digits");
		break;
	case FORM_OI:
		if (!all_of(text, 6, hex) && !all_of(text, 10, hex))
			finding(c->f, "error", c->path, "must be 6 or 10 hexadecimal digits");
		break;
	case FORM_NONE:
	case FORMS:
		break;
	}
}

static void check_value(struct check *c, const struct rule *k, plist_t node)
{
	const char *text = node_str(node);
	double number = 0;
	bool is_number = number_of(node, &number);
	if (k->values && (text || is_number) && !in_values(k->values, text, number)) {
		char shown[VALUES_SHOWN], as_text[32];
		values_words(k->values, shown);
		snprintf(as_text, sizeof(as_text), "%g", number);
		finding(c->f, "error", c->path, "\"%.40s\" is not one of %s", text ? text : as_text, shown);
	}
	if (is_number)
		check_range(c, k, number);
	if (text)
		check_form(c, k, text);
}

/* ---- releases and supervision ---- */

static uint32_t device_release(const struct check *c)
{
	return c->f->os;
}

/* What only supervised devices take. Types by the caller. */
static bool wants_supervision(const struct check *c, const struct rule *k)
{
	if (!(k->flags & RULE_SUPERVISED))
		return false;
	return !k->supervised_before || !device_release(c) || device_release(c) < k->supervised_before;
}

/* How the device is enrolled, and whether several people share it: how the rule speaks of that. */
static void check_enrolment(struct check *c, const struct rule *k, bool is_type)
{
	const char *level = is_type ? "error" : "warning";
	if (c->f->user_enrolment && (k->flags & RULE_USER_FORBIDDEN))
		finding(c->f, level, c->path, "is not allowed on a device its user enrols");
	else if (c->f->user_enrolment && (k->flags & RULE_USER_IGNORED))
		finding(c->f, "warning", c->path, "a device its user enrols ignores it");
	if (c->f->shared_ipad && (k->flags & RULE_SHARED_FORBIDDEN))
		finding(c->f, level, c->path, "is not allowed on a shared iPad");
	else if (c->f->shared_ipad && (k->flags & RULE_SHARED_IGNORED))
		finding(c->f, "warning", c->path, "a shared iPad ignores it");
}

static void check_surroundings(struct check *c, const struct rule *k)
{
	uint32_t has = device_release(c);
	char one[24], other[24];
	if (k->introduced && has && has < k->introduced)
		finding(c->f, "warning", c->path, "needs iOS %s: the device has %s and ignores it", release_text(k->introduced, one), release_text(has, other));
	else if (k->removed && has && has >= k->removed)
		finding(c->f, "warning", c->path, "was removed in iOS %s: the device ignores it", release_text(k->removed, one));
	else if (k->deprecated && has && has >= k->deprecated)
		finding(c->f, "warning", c->path, "is deprecated since iOS %s", release_text(k->deprecated, one));
	if ((k->flags & RULE_NOT_BY_HAND))
		finding(c->f, "warning", c->path, "counts only when an MDM installs it: the device ignores it");
	check_enrolment(c, k, false);
	if (!wants_supervision(c, k))
		return;
	if (c->f->supervised == 0)
		finding(c->f, "warning", c->path, "needs a supervised device: this one ignores it");
	else if (c->f->supervised < 0)
		c->n_supervised++;
}

/* ---- down the tree ---- */

static void check_node(struct check *c, const struct rule *k, plist_t node);

static const struct rule *whose_keys(const struct check *c, const struct rule *k)
{
	return k->use_depth ? c->at[k->use_depth - 1] : k;
}

static void check_unknown(struct check *c, const struct rule *owner, const char *key)
{
	const struct rule *near = rules_near(c->rules, owner, key), *eap;
	if (near && strlen(near->name) == strlen(key))
		finding(c->f, "error", c->path, "keys are case-sensitive: write %s", near->name);
	else if (near)
		finding(c->f, "error", c->path, "the key is written %s", near->name);
	else if (owner->depth == 0 && (eap = rules_key(c->rules, owner, "EAPClientConfiguration")) && rules_key(c->rules, eap, key))
		finding(c->f, "error", c->path, "belongs inside EAPClientConfiguration: here the device ignores it");
	else if (c->f->os > c->rules->newest)
		finding(c->f, "warning", c->path, "is not a key of this payload in iOS %s, the newest these rules know", c->rules->release);
	else
		finding(c->f, "warning", c->path, "is not a key of this payload: the device ignores it");
}

static void check_key(struct check *c, const struct rule *owner, const char *key, plist_t value)
{
	const struct rule *k = rules_key(c->rules, owner, key);
	bool is_top = owner->depth == 0;
	if (is_top && (is_told(key) || (c->is_root && strcmp(key, "PayloadContent") == 0)))
		return;
	if (!k && is_top && !c->is_root) {
		const struct rule *common = rules_type(c->rules, "*", NULL), *also = owner->also ? rules_type(c->rules, owner->also, NULL) : NULL;
		k = common ? rules_key(c->rules, common, key) : NULL;
		if (!k && also)
			k = rules_key(c->rules, also, key);
	}
	if (!k) {
		check_unknown(c, owner, key);
		return;
	}
	if (k->flags & RULE_ELSEWHERE) {
		finding(c->f, "note", c->path, "is for a Mac: an iPhone or iPad ignores it");
		return;
	}
	check_surroundings(c, k);
	check_node(c, k, value);
}

static void check_dict(struct check *c, const struct rule *owner, plist_t dict)
{
	plist_dict_iter it = NULL;
	if (owner->first == RULE_NONE && owner->depth > 0)
		return;         /* its keys are anybody's */
	plist_dict_new_iter(dict, &it);
	for (;;) {
		char *key = NULL;
		plist_t value = NULL;
		plist_dict_next_item(dict, it, &key, &value);
		if (!value) {
			free(key);
			break;
		}
		size_t n = path_key(c->path, key);
		check_key(c, owner, key, value);
		c->path[n] = 0;
		free(key);
	}
	free(it);
	for (const struct rule *k = rules_first(c->rules, owner); k; k = rules_next(c->rules, k))
		if ((k->flags & RULE_REQUIRED) && strcmp(k->name, "ANY") != 0 && !tree_get(dict, k->name) && !(owner->depth == 0 && is_told(k->name)))
			finding(c->f, "error", c->path, "the required key %s is missing", k->name);
}

static void check_list(struct check *c, const struct rule *k, const struct rule *owner, plist_t list)
{
	const struct rule *item = rules_first(c->rules, owner);
	uint32_t n_items = plist_array_get_size(list), i = 0;
	if ((k->items_least || k->items_most) && (n_items < k->items_least || n_items > k->items_most)) {
		if (k->items_least == k->items_most)
			finding(c->f, "error", c->path, "must hold %u values, holds %u", k->items_least, n_items);
		else
			finding(c->f, "error", c->path, "must hold %u to %u values, holds %u", k->items_least, k->items_most, n_items);
	}
	plist_array_iter it = NULL;
	plist_array_new_iter(list, &it);
	for (plist_t one = NULL; item; i++) {
		plist_array_next_item(list, it, &one);
		if (!one)
			break;
		size_t n = path_index(c->path, i);
		check_node(c, item, one);
		c->path[n] = 0;
	}
	free(it);
}

/* Recursion is as deep as the profile, which the scanner bounded. */
static void check_node(struct check *c, const struct rule *k, plist_t node)
{
	unsigned int got = kind_of(node);
	const char *text = node_str(node);
	if ((text && stg_variable_any(text)) || (k->kinds & KIND_ANY))
		return;
	if (!(got & k->kinds) && !(got == KIND_INTEGER && (k->kinds & KIND_REAL))) {
		char wanted[120];
		rules_kinds(k->kinds, wanted, sizeof(wanted));
		finding(c->f, "error", c->path, "must be %s, is %s", wanted, kind_word(got));
		return;
	}
	const struct rule *owner = whose_keys(c, k), *before = c->at[k->depth];
	c->at[k->depth] = k;
	if (got == KIND_DICT && (k->kinds & KIND_DICT))
		check_dict(c, owner, node);
	else if (got == KIND_LIST)
		check_list(c, k, owner, node);
	else
		check_value(c, k, node);
	c->at[k->depth] = before;
}

/* ---- payloads ---- */

const struct rule *rules_variant(const struct stg_profile_rules *rules, plist_t one, const char *type)
{
	const struct rule *last = NULL;
	for (const struct rule *k = rules_type(rules, type, NULL); k; k = rules_type(rules, type, k)) {
		const char *value = k->when_key ? tree_str(one, k->when_key) : NULL;
		if (!k->when_key || (value && strcmp(value, k->when_value) == 0))
			return k;
		last = k;
	}
	return last;
}

static void check_type(struct check *c, const struct rule *t)
{
	uint32_t has = device_release(c);
	char one[24], other[24];
	if (t->introduced && has && has < t->introduced)
		finding(c->f, "error", c->path, "needs iOS %s, the device has %s", release_text(t->introduced, one), release_text(has, other));
	else if (t->introduced >= release_of("14.0") && !has)
		finding(c->f, "note", c->path, "needs iOS %s or later", release_text(t->introduced, one));
	if (t->removed && has && has >= t->removed)
		finding(c->f, "warning", c->path, "was removed in iOS %s: the device ignores it", release_text(t->removed, one));
	else if (t->deprecated && has >= t->deprecated)
		finding(c->f, "warning", c->path, "is deprecated since iOS %s", release_text(t->deprecated, one));
	if (t->flags & RULE_NOT_BY_HAND)
		finding(c->f, "warning", c->path, "counts only when an MDM installs it: the device ignores it");
	check_enrolment(c, t, true);
	if (!wants_supervision(c, t))
		return;
	if (c->f->supervised == 0)
		finding(c->f, "error", c->path, "needs a supervised device, this one is not");
	else if (c->f->supervised < 0 && t->supervised_before)
		finding(c->f, "note", c->path, "needs a supervised device before iOS %s", release_text(t->supervised_before, one));
	else if (c->f->supervised < 0)
		finding(c->f, "note", c->path, "needs a supervised device");
}

static void check_one(struct check *c, plist_t one, const char *type)
{
	const struct rule *t = rules_variant(c->rules, one, type);
	if (!t || strcmp(type, "*") == 0 || strcmp(type, "Configuration") == 0) {
		const struct rule *near = t ? NULL : rules_near(c->rules, NULL, type);
		if (near)
			finding(c->f, "error", c->path, "payload types are case-sensitive: write %s", near->name);
		else if (t)
			finding(c->f, "error", c->path, "a profile inside a profile: a payload was expected");
		else if (!stg_variable_any(type))
			finding(c->f, "warning", c->path, "an unknown payload type: the device may ignore it");
		return;
	}
	if (t->flags & RULE_ELSEWHERE) {
		finding(c->f, "warning", c->path, "a payload for a Mac: an iPhone or iPad ignores it");
		return;
	}
	c->type = t;
	c->n_supervised = 0;
	check_type(c, t);
	c->at[0] = t;
	check_dict(c, t, one);
	if (c->n_supervised)
		finding(c->f, "note", c->path, "only a supervised device obeys %zu of these restrictions", c->n_supervised);
	cross_payload(c->f, one, type, c->path);
}

/* The profile's own keys. */
static void check_own(struct check *c, plist_t root)
{
	const struct rule *t = rules_type(c->rules, "Configuration", NULL);
	if (!t)
		return;
	c->is_root = true;
	c->at[0] = t;
	check_dict(c, t, root);
	c->is_root = false;
	if (c->n_supervised && tree_bool(root, "PayloadRemovalDisallowed", false))
		finding(c->f, "note", "PayloadRemovalDisallowed", "only a supervised device obeys this");
	if (tree_get(root, "PayloadExpirationDate"))
		finding(c->f, "note", "PayloadExpirationDate", "the profile is shown as out of date after this");
}

static bool is_single(const struct check *c, const char *type)
{
	const struct rule *t = rules_type(c->rules, type, NULL);
	return t && (t->flags & RULE_SINGLE);
}

void check_payloads(struct findings *f)
{
	char path[PROFILE_PATH_MAX] = "";
	struct check c = { .f = f, .rules = f->rules, .path = path };
	plist_t one;
	check_own(&c, f->p->root);
	for (uint32_t i = 0; i < 500 && (one = payload_at(f->p, i)); i++) {
		const char *type = tree_str(one, "PayloadType");
		snprintf(path, sizeof(path), "PayloadContent[%u]", i);
		if (!type || !*type)
			continue;
		check_one(&c, one, type);
		snprintf(path, sizeof(path), "PayloadContent[%u]", i);
		for (uint32_t k = 0; is_single(&c, type) && k < i; k++) {
			const char *before = tree_str(payload_at(f->p, k), "PayloadType");
			if (before && strcmp(before, type) == 0) {
				finding(f, "error", path, "only one %s payload per device", type);
				break;
			}
		}
	}
	cross_profile(f);
}

bool stg_profile_fits(const char *file_name, struct stg_bytes file, const struct stg_profile_rules *rules, const char *os, struct stg_error *err)
{
	struct profile p;
	uint32_t has = release_of(os);
	plist_t one;
	bool ok = true;
	if (!rules)
		rules = stg_profile_rules_shipped();
	if (!has)
		return true;
	if (!profile_open(file_name, file, &p, err))
		return false;
	for (uint32_t i = 0; ok && i < 500 && (one = payload_at(&p, i)); i++) {
		const char *type = tree_str(one, "PayloadType");
		const struct rule *t = type ? rules_variant(rules, one, type) : NULL;
		char needs[24], have[24];
		if (t && t->introduced > has)
			ok = stg_fail_id(err, STG_E_HOLD, STG_ID_PROFILE_TOO_NEW, 0, "%s: PayloadContent[%u]: needs iOS %s, the device has %s", p.file, i,
					 release_text(t->introduced, needs), release_text(has, have));
	}
	profile_close(&p);
	return ok;
}

void check_told(struct findings *f, const struct stg_profile_target *target)
{
	char release[24], has[24];
	uint32_t newest = f->rules->newest;
	if (!target || (!f->os && !target->device[0]))
		return;
	release_text(newest, release);
	if (!f->os)
		finding(f, "note", "", "checked against the rules of iOS %s", release);
	else if (f->os > newest)
		finding(f, "note", "", "checked against the rules of iOS %s; the device has %s, which may know more", release, release_text(f->os, has));
	else
		finding(f, "note", "", "checked against the rules of iOS %s; the device has %s", release, release_text(f->os, has));
}
