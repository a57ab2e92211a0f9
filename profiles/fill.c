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

#include "inner.h"

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

/* The whole value is one variable: it takes the type of what it is given. False: it is text, or it failed. */
static bool set_alone(struct fill *f, plist_t node, const char *path, const struct stg_variable *v)
{
	char name[STG_VARIABLE_NAME_MAX];
	struct stg_variable_value got;
	if (!look_up(f, path, v, name, &got))
		return false;
	if (json_is_object(got.value)) {
		STG_AUTO(stg_buf_clear) struct stg_buf bytes = STG_BUF(DATA_MAX);
		if (!stg_unbase64(stg_json_str(got.value, "data"), &bytes, NULL))
			return fail_value(f, path, name, "is damaged data");
		plist_set_data_val(node, (const char *)bytes.data, bytes.len);
		return true;
	}
	if (json_is_integer(got.value))
		plist_set_uint_val(node, (uint64_t)json_integer_value(got.value));
	else if (json_is_boolean(got.value))
		plist_set_bool_val(node, json_is_true(got.value));
	else
		return false;
	return true;
}

static void fill_one(void *ctx, plist_t node, const char *key, const char *path)
{
	struct fill *f = ctx;
	const char *text = f->failed ? NULL : node_str(node);
	struct stg_variable v;
	(void)key;
	if (!text || !stg_variable_next(text, &v))
		return;
	if (v.before == 0 && !v.is_literal && v.after && !*v.after && (set_alone(f, node, path, &v) || f->failed))
		return;
	STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(VALUE_MAX);
	bool ok = true;
	while (ok && stg_variable_next(text, &v)) {
		ok = stg_buf_add(&out, text, v.before, NULL) && (!v.is_literal || stg_buf_add_str(&out, "{{", NULL));
		if (ok && !v.is_literal && !add_text(f, path, &v, &out))
			return;
		text = v.after;
	}
	if (!ok || !stg_buf_add_str(&out, text, NULL)) {
		f->failed = true;
		profile_fail(f->p, STG_ID_PROFILE_VALUE, path, f->err, "longer than %u bytes when filled in", VALUE_MAX);
		return;
	}
	plist_set_string_val(node, stg_buf_str(&out));
}

bool profile_substitute(struct profile *p, const json_t *values, struct stg_error *err)
{
	struct fill f = { .p = p, .values = values, .err = err };
	char path[PROFILE_PATH_MAX] = "";
	tree_walk(p->root, path, fill_one, &f);
	return !f.failed;
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

static void rename_payloads(struct profile *p, const char *unit)
{
	struct renamed *r = stg_calloc(1, sizeof(*r));
	const char *id = tree_str(p->root, "PayloadIdentifier");
	plist_t one;
	for (; r->n < PAYLOADS_MAX && (one = payload_at(p, r->n)); r->n++) {
		const char *uuid = tree_str(one, "PayloadUUID");
		if (!uuid)
			continue;
		r->from[r->n] = stg_strdup(uuid);
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

static bool write_xml(const struct profile *p, struct stg_buf *ret, struct stg_error *err)
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

bool profile_finish(struct profile *p, const char *unit, struct stg_payload *ret, struct stg_error *err)
{
	struct stg_payload out = { .bytes = STG_BUF(PROFILE_FILE_MAX) };
	STG_AUTO(stg_buf_clear) struct stg_buf first = STG_BUF(PROFILE_FILE_MAX);
	struct stg_error why = { 0 };
	char hash[65], uuid[40];
	if (!check(p, err))
		return false;
	rename_payloads(p, unit);
	plist_dict_set_item(p->root, "PayloadUUID", plist_new_string("00000000-0000-0000-0000-000000000000"));
	if (!write_xml(p, &first, err))
		return false;
	stg_sha256_hex(stg_buf_view(&first), hash);
	derive_uuid(unit, tree_str(p->root, "PayloadIdentifier"), hash, uuid);
	plist_dict_set_item(p->root, "PayloadUUID", plist_new_string(uuid));
	bool ok = write_xml(p, &out.bytes, err);
	if (ok && !stg_plist_scan(stg_buf_view(&out.bytes), &stg_plist_profile, NULL, &why))
		ok = stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_VALUE, 0, "%s: filled in, it is no longer a profile: %s", p->file, why.msg);
	if (ok && describe(p, &out, err)) {
		*ret = out;
		return true;
	}
	stg_payload_clear(&out);
	return false;
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
