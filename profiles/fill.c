/*
 * fill.c - a template becomes the profile of one device.
 *
 * For:    names, tags, passwords and certificates that differ from device to device.
 * Uses:   the opened tree; values are set in it, never pasted into text, so nothing in a value can become markup.
 * Called: by the station for the running step.
 * Thread: any; no state.
 *
 * Facts: profiles-and-certificates 1.2 rule 3: what has the same identifier and UUID in old and new profile is updated in
 * place, the rest is torn down and made again. So payload UUIDs come from template and unit; the profile's own UUID,
 * whose content means nothing to a device, comes from what it holds, and re-reading it proves what is installed.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <openssl/crypto.h>

#include <stager/ids.h>
#include <stager/plistscan.h>
#include <stager/variable.h>

#include "schema.h"

#define VALUE_MAX (64u << 10)
#define DATA_MAX (512u << 10)
#define PAYLOADS_MAX 500
static const char SPACE[] = "6ba1f8f2-2c5c-5a6c-9a3e-0d8f3f1c7e55";

void derive_uuid(const char *unit, const char *a, const char *b, char ret[40])
{
	char name[1024], uuid[STG_UUID_TEXT];
	snprintf(name, sizeof(name), "%s\n%s\n%s", unit ? unit : "", a, b);
	stg_uuid5(SPACE, name, uuid);
	for (size_t i = 0; i < STG_UUID_TEXT; i++)
		ret[i] = (char)toupper((unsigned char)uuid[i]);
}

/* ---- variables ---- */

struct fill {
	const struct profile *p;
	const json_t *values;
	const struct stg_profile_rules *rules;
	bool keeps_open;        /* what only a device can say stays as it is */
	struct stg_error *err;
	bool failed;
};

static bool fail_value(struct fill *f, const char *path, const char *name, const char *what)
{
	f->failed = true;
	return profile_fail(f->p, STG_ID_PROFILE_VALUE, path, f->err, "{{%s}} %s", name, what);
}

/* Finds what a variable stands for, and its first name for messages. */
static bool look_up(struct fill *f, const char *path, const struct stg_variable *v, char name[STG_VARIABLE_NAME_MAX],
		    struct stg_variable_value *ret)
{
	if (!stg_variable_name(v, name)) {
		f->failed = true;
		return profile_fail(f->p, STG_ID_PROFILE_VARIABLE, path, f->err, "not a variable: expected {{name}}, {{name|otherwise}} or {{{{");
	}
	if (!stg_variable_value(v, f->values, ret)) {
		f->failed = true;
		return profile_fail(f->p, STG_ID_PROFILE_VARIABLE, path, f->err, "{{%s}} has no value", name);
	}
	return true;
}

static bool add_text(struct fill *f, const char *path, const struct stg_variable *v, struct stg_buf *out)
{
	char name[STG_VARIABLE_NAME_MAX];
	struct stg_variable_value got;
	if (!look_up(f, path, v, name, &got))
		return false;
	if (!got.text)
		return fail_value(f, path, name, "is data: it must stand alone");
	if (json_is_string(got.value) && strlen(got.text) != json_string_length(got.value))
		return fail_value(f, path, name, "holds a control character");
	for (const char *p = got.text; *p; p++)
		if ((unsigned char)*p < 0x20 && *p != '\n' && *p != '\r' && *p != '\t')
			return fail_value(f, path, name, "holds a control character");
	return stg_buf_add_str(out, got.text, NULL) || fail_value(f, path, name, "is too long");
}

/* A place that takes anything, or that no rule knows, takes the kind of what it is given. */
static void set_as_given(plist_t node, const json_t *value)
{
	if (json_is_integer(value))
		plist_set_uint_val(node, (uint64_t)json_integer_value(value));
	else if (json_is_boolean(value))
		plist_set_bool_val(node, json_is_true(value));
}

static bool set_data(struct fill *f, plist_t node, const char *path, const char *name, const json_t *value)
{
	STG_AUTO(stg_buf_clear) struct stg_buf bytes = STG_BUF(DATA_MAX);
	if (!stg_unbase64(stg_json_str(value, "data"), &bytes, NULL))
		return fail_value(f, path, name, "is damaged data");
	plist_set_data_val(node, (const char *)bytes.data, bytes.len);
	return true;
}

/* The whole value is one variable: it takes the kind its place wants. False: it is text, or it failed. */
static bool set_alone(struct fill *f, plist_t node, const char *path, const struct stg_variable *v)
{
	char name[STG_VARIABLE_NAME_MAX], wanted[120], what[160];
	struct stg_variable_value got;
	if (!look_up(f, path, v, name, &got))
		return false;
	const struct rule *k = rules_at(f->rules, f->p, path);
	unsigned int kinds = k && !(k->kinds & KIND_ANY) ? k->kinds : 0;
	bool is_text = json_is_string(got.value) || !got.value;
	if (json_is_object(got.value) && (!kinds || (kinds & KIND_DATA)))
		return set_data(f, node, path, name, got.value);
	if (json_is_object(got.value))
		return fail_value(f, path, name, "is data, which cannot stand here");
	if (!kinds) {
		set_as_given(node, got.value);
		return !is_text;
	}
	if ((is_text || !(kinds & (json_is_boolean(got.value) ? KIND_BOOL : KIND_INTEGER | KIND_REAL))) && (kinds & KIND_TEXT))
		return false;
	if (typed_set(node, kinds, got.text))
		return true;
	rules_kinds(kinds, wanted, sizeof(wanted));
	snprintf(what, sizeof(what), "must be %s%s%s", wanted, kinds & KIND_DATE ? " (2026-11-30T08:00:00Z)" : "", kinds & KIND_DATA ? " (base64)" : "");
	return fail_value(f, path, name, what);
}

/* ---- what stays open ---- */

/* Would only a device, or somebody who may read secrets, know it? Names come before the texts they fall back to. */
static bool is_open(const struct stg_variable *v, const json_t *values)
{
	size_t at = 0;
	char word[STG_VARIABLE_NAME_MAX];
	bool is_quoted = false;
	while (!v->is_literal && stg_variable_word(v, &at, word, &is_quoted)) {
		const json_t *value = is_quoted ? NULL : json_object_get(values, word);
		if (is_quoted || (json_is_string(value) ? json_string_length(value) > 0 : value != NULL))
			return false;
		if (stg_variable_is_known(word))
			return true;
	}
	return false;
}

static bool add_quoted(struct fill *f, const char *path, const char *text, struct stg_buf *out)
{
	const char *quote = strchr(text, '\'') ? "\"" : "'";
	if (strchr(text, *quote) || strstr(text, "}}") || strstr(text, "{{") || strlen(text) >= STG_VARIABLE_NAME_MAX)
		return fail_value(f, path, "a value", "cannot stand behind an open variable");
	return (stg_buf_add_str(out, quote, NULL) && stg_buf_add_str(out, text, NULL) && stg_buf_add_str(out, quote, NULL)) ||
	       fail_value(f, path, "a value", "is too long");
}

/* As it was, but for names that have a value by now: who fills in the rest does not know them. */
static bool add_open(struct fill *f, const char *path, const struct stg_variable *v, struct stg_buf *out)
{
	size_t at = 0;
	char word[STG_VARIABLE_NAME_MAX];
	bool is_quoted = false, ok = stg_buf_add_str(out, "{{", NULL);
	for (int i = 0; ok && stg_variable_word(v, &at, word, &is_quoted); i++) {
		const char *value = is_quoted ? word : json_string_value(json_object_get(f->values, word));
		ok = i == 0 || stg_buf_add_str(out, "|", NULL);
		if (ok && value && *value)
			return add_quoted(f, path, value, out) && stg_buf_add_str(out, "}}", NULL);
		ok = ok && stg_buf_add_str(out, word, NULL);
	}
	return ok && stg_buf_add_str(out, "}}", NULL);
}

/* What was filled in must not look like a variable to who fills in the rest. */
static bool escape(struct stg_buf *out, size_t from)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(VALUE_MAX);
	if (!stg_buf_add(&text, out->data + from, out->len - from, NULL))
		return false;
	const char *p = stg_buf_str(&text), *at;
	out->len = from;
	for (; (at = strstr(p, "{{")); p = at + 2)
		if (!stg_buf_add(out, p, (size_t)(at - p), NULL) || !stg_buf_add_str(out, "{{{{", NULL))
			return false;
	return stg_buf_add_str(out, p, NULL);
}

/* One variable, or a literal, of a text. */
static bool add_one(struct fill *f, const char *path, const struct stg_variable *v, struct stg_buf *out)
{
	if (v->is_literal)
		return stg_buf_add_str(out, f->keeps_open ? "{{{{" : "{{", NULL);
	if (f->keeps_open && is_open(v, f->values))
		return add_open(f, path, v, out);
	size_t from = out->len;
	return add_text(f, path, v, out) && (!f->keeps_open || escape(out, from));
}

static void fill_one(void *ctx, plist_t node, const char *key, const char *path)
{
	struct fill *f = ctx;
	const char *text = f->failed ? NULL : node_str(node), *at = text;
	size_t n = strlen(key);
	struct stg_variable v;
	if (!text || !stg_variable_next(text, &v))
		return;
	bool alone = v.before == 0 && !v.is_literal && v.after && !*v.after && !(f->keeps_open && is_open(&v, f->values));
	if (alone && (set_alone(f, node, path, &v) || f->failed))
		return;
	STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(VALUE_MAX);
	bool ok = true;
	while (ok && stg_variable_next(at, &v)) {
		ok = stg_buf_add(&out, at, v.before, NULL) && add_one(f, path, &v, &out);
		if (f->failed)
			return;
		at = v.after;
	}
	if (!ok || !stg_buf_add_str(&out, at, NULL)) {
		f->failed = true;
		profile_fail(f->p, STG_ID_PROFILE_VALUE, path, f->err, "longer than %u bytes when filled in", VALUE_MAX);
		return;
	}
	if (n >= 3 && strcmp(key + n - 3, "URL") == 0 && !stg_variable_any(stg_buf_str(&out)) && !typed_is_url(stg_buf_str(&out))) {
		f->failed = true;
		profile_fail(f->p, STG_ID_PROFILE_VALUE, path, f->err, "is no address when filled in: https://host/path was expected");
		return;
	}
	plist_set_string_val(node, stg_buf_str(&out));
}

bool profile_substitute_with(struct profile *p, const json_t *values, const struct stg_profile_rules *rules, bool keeps_open, struct stg_error *err)
{
	struct fill f = { .p = p, .values = values, .rules = rules ? rules : stg_profile_rules_shipped(), .keeps_open = keeps_open, .err = err };
	char path[PROFILE_PATH_MAX] = "";
	tree_walk(p->root, path, fill_one, &f);
	return !f.failed;
}

bool profile_substitute(struct profile *p, const json_t *values, struct stg_error *err)
{
	return profile_substitute_with(p, values, NULL, false, err);
}

static void look_for_open(void *ctx, plist_t node, const char *key, const char *path)
{
	struct fill *f = ctx;
	const char *text = node_str(node);
	struct stg_variable v;
	(void)key, (void)path;
	for (; !f->failed && text && stg_variable_next(text, &v); text = v.after)
		f->failed = is_open(&v, f->values);
}

bool profile_stays_open(const struct profile *p, const json_t *values)
{
	struct fill f = { .values = values };
	char path[PROFILE_PATH_MAX] = "";
	tree_walk(p->root, path, look_for_open, &f);
	return f.failed;
}

static void look_for_braces(void *ctx, plist_t node, const char *key, const char *path)
{
	const char *text = node_str(node);
	(void)key, (void)path;
	if (text && strstr(text, "{{"))
		*(bool *)ctx = true;
}

static bool is_template(const struct profile *p)
{
	bool found = false;
	char path[PROFILE_PATH_MAX] = "";
	tree_walk(p->root, path, look_for_braces, &found);
	return found;
}

/* ---- identifiers ---- */

struct renamed {
	char *from[PAYLOADS_MAX];
	char to[PAYLOADS_MAX][40];
	uint32_t n;
};

static void rename_reference(void *ctx, plist_t node, const char *key, const char *path)
{
	const struct renamed *r = ctx;
	const char *text = node_str(node);
	(void)path;
	if (!text || strlen(text) > 39 || strcmp(key, "PayloadUUID") == 0)
		return;
	for (uint32_t i = 0; i < r->n; i++) {
		if (r->from[i] && strcasecmp(text, r->from[i]) == 0) {
			plist_set_string_val(node, r->to[i]);
			return;
		}
	}
}

/* The UUID a payload had in the profile that is updated; NULL: it is new. */
static const char *uuid_before(const struct profile *before, plist_t one)
{
	const char *id = tree_str(one, "PayloadIdentifier"), *type = tree_str(one, "PayloadType");
	plist_t old;
	for (uint32_t i = 0; before && id && type && (old = payload_at(before, i)); i++) {
		const char *its_id = tree_str(old, "PayloadIdentifier"), *its_type = tree_str(old, "PayloadType"), *uuid = tree_str(old, "PayloadUUID");
		if (its_id && its_type && uuid && strlen(uuid) < 40 && strcmp(its_id, id) == 0 && strcmp(its_type, type) == 0)
			return uuid;
	}
	return NULL;
}

void profile_rename(struct profile *p, const char *unit, const struct profile *before)
{
	struct renamed *r = stg_calloc(1, sizeof(*r));
	const char *id = tree_str(p->root, "PayloadIdentifier");
	plist_t one;
	for (; r->n < PAYLOADS_MAX && (one = payload_at(p, r->n)); r->n++) {
		const char *uuid = tree_str(one, "PayloadUUID");
		if (!uuid)
			continue;
		const char *kept = uuid_before(before, one);
		r->from[r->n] = stg_strdup(uuid);
		if (!kept || !stg_copy(r->to[r->n], sizeof(r->to[0]), kept))
			derive_uuid(unit, id ? id : "", uuid, r->to[r->n]);
	}
	char path[PROFILE_PATH_MAX] = "";
	tree_walk(p->root, path, rename_reference, r);
	for (uint32_t i = 0; i < r->n; i++) {
		if (r->from[i])
			plist_dict_set_item(payload_at(p, i), "PayloadUUID", plist_new_string(r->to[i]));
		free(r->from[i]);
	}
	free(r);
}

/* ---- writing ---- */

bool profile_write(const struct profile *p, struct stg_buf *ret, struct stg_error *err)
{
	char *xml = NULL;
	uint32_t len = 0;
	plist_to_xml(p->root, &xml, &len);
	if (!xml)
		return stg_fail(err, STG_E_NOMEM, 0, "%s: no memory to write the profile", p->file);
	bool ok = stg_buf_add(ret, xml, len, err);
	OPENSSL_cleanse(xml, len);
	free(xml);
	return ok || stg_while(err, "%s", p->file);
}

static bool check(const struct profile *p, struct stg_error *err)
{
	struct findings f = { .p = p, .list = json_array() };
	check_shape(&f);
	bool ok = findings_pass(&f, err);
	json_decref(f.list);
	return ok;
}

/* What the station must remember of a profile it sends. */
static bool describe(const struct profile *p, struct stg_payload *ret, struct stg_error *err)
{
	int64_t version = 1;
	if (!stg_copy(ret->identifier, sizeof(ret->identifier), tree_str(p->root, "PayloadIdentifier")) ||
	    !stg_copy(ret->uuid, sizeof(ret->uuid), tree_str(p->root, "PayloadUUID")))
		return stg_fail(err, STG_E_BUG, 0, "%s: identifiers longer than checked", p->file);
	tree_int(p->root, "PayloadVersion", &version);
	ret->version = version;
	stg_sha256_hex(stg_buf_view(&ret->bytes), ret->sha256);
	return true;
}

bool profile_seal(struct profile *p, const char *unit, struct stg_payload *ret, struct stg_error *err)
{
	struct stg_payload out = { .bytes = STG_BUF(PROFILE_FILE_MAX) };
	STG_AUTO(stg_buf_clear) struct stg_buf first = STG_BUF(PROFILE_FILE_MAX);
	struct stg_error why = { 0 };
	char hash[65], uuid[40];
	plist_dict_set_item(p->root, "PayloadUUID", plist_new_string("00000000-0000-0000-0000-000000000000"));
	if (!profile_write(p, &first, err))
		return false;
	stg_sha256_hex(stg_buf_view(&first), hash);
	derive_uuid(unit, tree_str(p->root, "PayloadIdentifier"), hash, uuid);
	plist_dict_set_item(p->root, "PayloadUUID", plist_new_string(uuid));
	bool ok = profile_write(p, &out.bytes, err);
	if (ok && !stg_plist_scan(stg_buf_view(&out.bytes), &stg_plist_profile, NULL, &why))
		ok = stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_VALUE, 0, "%s: filled in, it is no longer a profile: %s", p->file, why.msg);
	if (ok && describe(p, &out, err)) {
		*ret = out;
		return true;
	}
	stg_payload_clear(&out);
	return false;
}

bool profile_finish(struct profile *p, const char *unit, struct stg_payload *ret, struct stg_error *err)
{
	if (!check(p, err))
		return false;
	profile_rename(p, unit, NULL);
	return profile_seal(p, unit, ret, err);
}

static void wipe_one(void *ctx, plist_t node, const char *key, const char *path)
{
	uint64_t n = 0;
	(void)ctx, (void)key, (void)path;
	const char *text = NULL;
	if (plist_get_node_type(node) == PLIST_STRING)
		text = plist_get_string_ptr(node, &n);
	else if (plist_get_node_type(node) == PLIST_DATA)
		text = plist_get_data_ptr(node, &n);
	if (text && n)
		OPENSSL_cleanse((void *)(uintptr_t)text, (size_t)n);
}

void profile_wipe(struct profile *p)
{
	char path[PROFILE_PATH_MAX] = "";
	if (p->root)
		tree_walk(p->root, path, wipe_one, NULL);
}

static bool pass_unchanged(const struct profile *p, struct stg_bytes file, struct stg_payload *ret, struct stg_error *err)
{
	struct stg_payload out = { .bytes = STG_BUF(PROFILE_FILE_MAX) };
	if (check(p, err) && profile_for_device(p, file, &out.bytes, err) && describe(p, &out, err)) {
		*ret = out;
		return true;
	}
	stg_payload_clear(&out);
	return false;
}

bool stg_profile_fill(const char *file_name, struct stg_bytes file, const json_t *values, const char *unit, struct stg_payload *ret,
		      struct stg_error *err)
{
	struct profile p;
	if (!profile_open(file_name, file, &p, err))
		return false;
	bool ok;
	if (!values || !is_template(&p))
		ok = pass_unchanged(&p, file, ret, err);
	else
		ok = profile_substitute(&p, values, err) && profile_finish(&p, unit, ret, err);
	profile_wipe(&p);
	profile_close(&p);
	return ok;
}
