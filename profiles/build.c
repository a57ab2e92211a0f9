/*
 * build.c - parts become one profile.
 *
 * For:    `stager profile build`: a profile of several subjects, or a template filled in, without a text editor.
 * Uses:   fill.c for values and identifiers, catalogue.c for what devices refuse.
 * Called: by the operation profile.build.
 * Thread: any; no state.
 *
 * Facts: profiles-and-certificates 2.5 and 3.5: an update has the same identifier; what has the same identifier and UUID stays in place;
 * of an MDM payload Topic, ServerURL and CheckInURL may not change and AccessRights may not grow. PayloadVersion is the version of the
 * format and always 1 (1.1): the version of the content stands under "version", as other products write it.
 */
#include <stdlib.h>

#include <stager/variable.h>

#include "schema.h"

#define PARTS_MAX 32
#define PAYLOADS_MAX 200
#define TEXT_MAX 2000

struct built {
	struct profile all;              /* the first part, which takes the payloads of the others */
	struct profile before;
	bool has_before;
};

static void built_clear(struct built *b)
{
	profile_wipe(&b->all);
	profile_close(&b->all);
	profile_close(&b->before);
}

static bool open_plain(const char *name, struct stg_bytes file, struct profile *ret, struct stg_error *err)
{
	if (!profile_open(name, file, ret, err))
		return false;
	bool ok = true;
	if (ret->signer)
		ok = stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_SIGNED, 0, "%s: signed by %.80s", ret->file, stg_json_str(ret->signer, "name"));
	else if (is_dict(ret->root) && tree_bool(ret->root, "IsEncrypted", false))
		ok = stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_ENCRYPTED, 0, "%s", ret->file);
	struct findings f = { .p = ret, .list = ok ? json_array() : NULL };
	if (ok) {
		check_shape(&f);
		ok = findings_pass(&f, err);
	}
	json_decref(f.list);
	if (!ok)
		profile_close(ret);
	return ok;
}

/* What the profile as a whole says: what one part forbids is forbidden, the rest is the first's. */
static void take_root(plist_t all, plist_t part)
{
	static const char *const either[] = { "PayloadRemovalDisallowed", "HasRemovalPasscode" };
	static const char *const first[] = { "RemovalDate", "DurationUntilRemoval", "PayloadExpirationDate", "ConsentText", "TargetDeviceType" };
	for (size_t i = 0; i < STG_ARRAY_LEN(either); i++)
		if (tree_bool(part, either[i], false))
			plist_dict_set_item(all, either[i], plist_new_bool(1));
	for (size_t i = 0; i < STG_ARRAY_LEN(first); i++)
		if (tree_get(part, first[i]) && !tree_get(all, first[i]))
			plist_dict_set_item(all, first[i], plist_copy(tree_get(part, first[i])));
}

/* What each part says it does, one sentence after the other. */
static void take_about(plist_t all, plist_t part)
{
	const char *had = tree_str(all, "PayloadDescription"), *more = tree_str(part, "PayloadDescription");
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(TEXT_MAX);
	if (more && (!had || (stg_buf_add_str(&text, had, NULL) && stg_buf_add_str(&text, " ", NULL))) && stg_buf_add_str(&text, more, NULL))
		plist_dict_set_item(all, "PayloadDescription", plist_new_string(stg_buf_str(&text)));
}

static int rank_of(plist_t one)
{
	unsigned int kind = stg_profile_kind(tree_str(one, "PayloadType"));
	return kind == 0 ? STG_PAYLOAD_MDM - 1 : (int)kind;
}

/* By what leans on what; else as they came. */
static void put_in_order(struct profile *p)
{
	plist_t sorted = plist_new_array(), one;
	static const int ranks[] = { STG_PAYLOAD_ROOT, STG_PAYLOAD_IDENTITY, STG_PAYLOAD_WIFI, STG_PAYLOAD_MDM - 1, STG_PAYLOAD_MDM };
	for (size_t k = 0; k < STG_ARRAY_LEN(ranks); k++)
		for (uint32_t i = 0; (one = payload_at(p, i)); i++)
			if (rank_of(one) == ranks[k])
				plist_array_append_item(sorted, plist_copy(one));
	plist_dict_set_item(p->root, "PayloadContent", sorted);
}

static bool gather(struct built *b, const struct stg_profile_plan *plan, const struct stg_profile_part *parts, size_t n_parts, struct stg_error *err)
{
	if (n_parts == 0 || n_parts > PARTS_MAX)
		return stg_fail(err, STG_E_USAGE, 0, "%zu parts, 1 to %d were expected", n_parts, PARTS_MAX);
	if (!open_plain(parts[0].name, parts[0].file, &b->all, err))
		return false;
	plist_t list = tree_get(b->all.root, "PayloadContent"), one;
	for (size_t k = 1; k < n_parts; k++) {
		struct profile part;
		if (!open_plain(parts[k].name, parts[k].file, &part, err))
			return false;
		for (uint32_t i = 0; (one = payload_at(&part, i)); i++)
			plist_array_append_item(list, plist_copy(one));
		take_root(b->all.root, part.root);
		take_about(b->all.root, part.root);
		profile_close(&part);
	}
	if (plist_array_get_size(list) > PAYLOADS_MAX)
		return stg_fail(err, STG_E_USAGE, 0, "more than %d payloads", PAYLOADS_MAX);
	if (plan->identifier)
		plist_dict_set_item(b->all.root, "PayloadIdentifier", plist_new_string(plan->identifier));
	if (plan->display_name)
		plist_dict_set_item(b->all.root, "PayloadDisplayName", plist_new_string(plan->display_name));
	if (n_parts > 1 && plan->name)
		stg_copy(b->all.file, sizeof(b->all.file), plan->name);
	/* payloads move: no line of a file says any more where a value stands */
	b->all.is_xml = false;
	return true;
}

/* Whoever refers to "the identity" of a profile that brings one means that. */
static json_t *with_identity(const struct profile *p, const json_t *values)
{
	json_t *all = values ? json_copy((json_t *)(uintptr_t)values) : json_object();
	plist_t one;
	for (uint32_t i = 0; (one = payload_at(p, i)); i++) {
		const char *uuid = tree_str(one, "PayloadUUID");
		if (stg_profile_kind(tree_str(one, "PayloadType")) == STG_PAYLOAD_IDENTITY && uuid && !json_object_get(all, "certificate_uuid"))
			stg_json_put(all, "certificate_uuid", uuid);
	}
	return all;
}

/* ---- updates ---- */

static plist_t mdm_of(const struct profile *p)
{
	plist_t one;
	for (uint32_t i = 0; (one = payload_at(p, i)); i++)
		if (stg_profile_kind(tree_str(one, "PayloadType")) == STG_PAYLOAD_MDM)
			return one;
	return NULL;
}

static bool check_update(const struct built *b, struct stg_error *err)
{
	static const char *const fixed[] = { "Topic", "ServerURL", "CheckInURL" };
	const char *id = tree_str(b->all.root, "PayloadIdentifier"), *was = tree_str(b->before.root, "PayloadIdentifier");
	int64_t rights = 0, rights_before = 0;
	if (!was || strcmp(id, was) != 0)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_UPDATE, 0, "%s: PayloadIdentifier is %.80s, it was %.80s: that is another profile", b->all.file, id,
				   was ? was : "absent");
	plist_t now = mdm_of(&b->all), then = mdm_of(&b->before);
	if (!now || !then)
		return true;
	for (size_t i = 0; i < STG_ARRAY_LEN(fixed); i++) {
		const char *x = tree_str(now, fixed[i]), *y = tree_str(then, fixed[i]);
		if ((!x != !y) || (x && strcmp(x, y) != 0 && !stg_variable_any(x) && !stg_variable_any(y)))
			return stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_UPDATE, 0, "%s: %s of com.apple.mdm may never change", b->all.file, fixed[i]);
	}
	if (tree_int(now, "AccessRights", &rights) && tree_int(then, "AccessRights", &rights_before) && (rights & ~rights_before))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_UPDATE, 0, "%s: AccessRights %lld of com.apple.mdm may not grow beyond %lld", b->all.file,
				   (long long)rights, (long long)rights_before);
	return true;
}

/* Writes it; one that differs from what it updates gets the next version. */
static bool seal(struct built *b, const char *unit, struct stg_payload *ret, int64_t *ret_version, bool *ret_changed, struct stg_error *err)
{
	int64_t version = 1;
	if (b->has_before)
		tree_int(b->before.root, "version", &version);
	plist_dict_set_item(b->all.root, "version", plist_new_uint((uint64_t)version));
	if (!profile_seal(&b->all, unit, ret, err))
		return false;
	*ret_changed = !b->has_before || !stg_bytes_equal(stg_buf_view(&ret->bytes), stg_buf_view(&b->before.text));
	*ret_version = version;
	if (!b->has_before || !*ret_changed)
		return true;
	stg_payload_clear(ret);
	*ret_version = version + 1;
	plist_dict_set_item(b->all.root, "version", plist_new_uint((uint64_t)*ret_version));
	return profile_seal(&b->all, unit, ret, err);
}

/* ---- what it became ---- */

static json_t *about(const struct stg_payload *p, int64_t version, bool changed, bool is_open, const json_t *read, const json_t *findings)
{
	json_t *j = json_object(), *types = json_array();
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(read, "payloads"), i, one)
		json_array_append(types, json_object_get(one, "type"));
	stg_json_put(j, "identifier", p->identifier);
	stg_json_put(j, "uuid", p->uuid);
	stg_json_put(j, "sha256", p->sha256);
	stg_json_put_int(j, "version", version);
	stg_json_put_bool(j, "changed", changed);
	/* in what is filled in "{{" is a value's own */
	stg_json_put_new(j, "open", is_open ? json_incref(json_object_get(read, "variables")) : json_array());
	stg_json_put_new(j, "payloads", types);
	json_object_set(j, "findings", (json_t *)(uintptr_t)findings);
	return j;
}

static bool no_error(const char *name, const json_t *findings, struct stg_error *err)
{
	for (size_t i = 0; i < json_array_size(findings); i++) {
		const json_t *one = json_array_get(findings, i);
		if (strcmp(stg_json_str(one, "level"), "error") == 0)
			return stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_RULE, 0, "%.80s: %s%s%s", name, stg_json_str(one, "path"),
					   *stg_json_str(one, "path") ? ": " : "", stg_json_str(one, "text"));
	}
	return findings != NULL;
}

bool stg_profile_build(const struct stg_profile_plan *plan, const struct stg_profile_part *parts, size_t n_parts, struct stg_payload *ret,
		       json_t **ret_about, struct stg_error *err)
{
	STG_AUTO(built_clear) struct built b = { 0 };
	STG_AUTO(stg_payload_clear) struct stg_payload out = { 0 };
	int64_t version = 1;
	bool changed = true, for_nobody = !plan->unit || !*plan->unit;
	if (!gather(&b, plan, parts, n_parts, err))
		return false;
	if (plan->before.len) {
		if (!profile_open("what it updates", plan->before, &b.before, err))
			return false;
		b.has_before = true;
	}
	put_in_order(&b.all);
	STG_AUTO(stg_json_free_at) json_t *values = with_identity(&b.all, plan->values);
	bool is_open = for_nobody && profile_stays_open(&b.all, values);
	if (!profile_substitute_with(&b.all, values, plan->rules, is_open, err) ||
	    (b.has_before && !check_update(&b, err)))
		return false;
	profile_rename(&b.all, for_nobody ? "" : plan->unit, b.has_before ? &b.before : NULL);
	if (!seal(&b, for_nobody ? "" : plan->unit, &out, &version, &changed, err))
		return false;
	struct stg_bytes bytes = stg_buf_view(&out.bytes);
	STG_AUTO(stg_json_free_at) json_t *findings = stg_profile_check(b.all.file, bytes, plan->rules, plan->target, err);
	STG_AUTO(stg_json_free_at) json_t *read = no_error(b.all.file, findings, err) ? stg_profile_read(b.all.file, bytes, err) : NULL;
	if (!read)
		return false;
	*ret_about = about(&out, version, changed, is_open, read, findings);
	*ret = out;
	out = (struct stg_payload){ 0 };
	return true;
}

bool stg_profile_finished(const char *file_name, struct stg_bytes file, const struct stg_profile_rules *rules, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *read = stg_profile_read(file_name, file, err);
	STG_AUTO(stg_json_free_at) json_t *findings = read ? stg_profile_check(file_name, file, rules, NULL, err) : NULL;
	if (!findings)
		return false;
	if (*stg_json_str(read, "signed_by"))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_SIGNED, 0, "%.80s: signed by %.80s", file_name, stg_json_str(read, "signed_by"));
	if (stg_json_bool(read, "template", false))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_OPEN, 0, "%.80s: {{%s}}", file_name,
				   json_string_value(json_array_get(json_object_get(read, "variables"), 0)));
	return no_error(file_name, findings, err);
}

/* ---- what a part asks for ---- */

struct wants {
	const struct profile *p;
	const struct stg_profile_rules *rules;
	json_t *list;
};

static json_t *want_named(json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(stg_json_str(json_array_get(list, i), "name"), name) == 0)
			return NULL;
	json_t *one = json_object();
	stg_json_put(one, "name", name);
	json_array_append_new(list, one);
	return one;
}

static void note_want(void *ctx, plist_t node, const char *key, const char *path)
{
	struct wants *w = ctx;
	const char *text = node_str(node);
	struct stg_variable v;
	(void)key;
	for (const char *at = text; at && stg_variable_next(at, &v); at = v.after) {
		char name[STG_VARIABLE_NAME_MAX], rest[STG_VARIABLE_NAME_MAX], kind[120];
		size_t from = 0;
		bool is_quoted = false, alone = at == text && v.before == 0 && v.after && !*v.after;
		if (v.is_literal || !stg_variable_name(&v, name) || !stg_variable_word(&v, &from, rest, &is_quoted))
			continue;
		json_t *one = want_named(w->list, name);
		if (!one)
			continue;
		const struct rule *k = alone ? rules_at(w->rules, w->p, path) : NULL;
		rules_kinds(k && !(k->kinds & KIND_ANY) ? k->kinds : KIND_TEXT, kind, sizeof(kind));
		stg_json_put(one, "kind", kind);
		stg_json_put(one, "where", path);
		if (stg_variable_word(&v, &from, rest, &is_quoted))
			stg_json_put(one, "otherwise", rest);
		stg_json_put_bool(one, "device", stg_variable_is_known(name));
	}
}

json_t *stg_profile_wants(const char *file_name, struct stg_bytes file, const struct stg_profile_rules *rules, struct stg_error *err)
{
	struct profile p;
	char path[PROFILE_PATH_MAX] = "";
	if (!profile_open(file_name, file, &p, err))
		return NULL;
	struct wants w = { .p = &p, .rules = rules ? rules : stg_profile_rules_shipped(), .list = json_array() };
	tree_walk(p.root, path, note_want, &w);
	profile_close(&p);
	return w.list;
}

struct uses {
	const char *family;
	bool found;
};

static void look_for_family(void *ctx, plist_t node, const char *key, const char *path)
{
	struct uses *u = ctx;
	struct stg_variable v;
	(void)key, (void)path;
	for (const char *at = node_str(node); at && stg_variable_next(at, &v); at = v.after) {
		char word[STG_VARIABLE_NAME_MAX];
		size_t from = 0;
		bool is_quoted = false;
		while (!v.is_literal && stg_variable_word(&v, &from, word, &is_quoted))
			u->found = u->found || (!is_quoted && strncmp(word, u->family, strlen(u->family)) == 0);
	}
}

bool stg_profile_uses(struct stg_bytes file, const char *family)
{
	struct profile p;
	struct uses u = { .family = family };
	char path[PROFILE_PATH_MAX] = "";
	if (!profile_open("profile", file, &p, NULL))
		return false;
	tree_walk(p.root, path, look_for_family, &u);
	profile_close(&p);
	return u.found;
}
