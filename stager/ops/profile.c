/*
 * profile.c - operations that look at a profile; nothing is changed but the rules it is held against.
 *
 * For:    stager profile lint|show|list|schema.
 * Uses:   <stager/payload.h>; <stager/blueprint.h> to find a profile by its name as a blueprint would.
 * Called: through the table of operations.
 * Thread: the store's.
 *
 *   profile.lint  {profile} or {file} with a descriptor, {os, supervised, user_enrolment, shared_ipad, device, key and a second descriptor}
 *                                                                -> [{level, path, line, column, text}]
 *   profile.show  the same, {lang, device; diff_profile, or diff and a descriptor of that name: the one before}
 *                 -> {profile, words, says: [{key, payload, type, about, text}], findings, diff?: {file, changes}, device?: {serial, read,
 *                    standing: "unread"|"absent"|"same"|"other", installed?: {version, uuid}, others: [{identifier, name}]}}
 *   profile.list  {}                                             -> [{name, where}]
 *   profile.schema.show    {}                                    -> {shipped, imported?, in_use: "shipped"|"imported"}
 *   profile.schema.import  a table as descriptor                 -> the same
 */
#include <dirent.h>
#include <stdio.h>
#include <strings.h>

#include <stager/blueprint.h>
#include <stager/error.h>
#include <stager/facts.h>
#include <stager/file.h>
#include <stager/payload.h>
#include <stager/registry.h>

#include "_profile.h"
#include "_rules.h"
#include "_secretly.h"

#define FILE_MAX (4u << 20)
#define TEMPLATES "profiles/templates/"
#define SITE_PROFILES "/etc/stager/profiles"
#define SUFFIX ".mobileconfig"
#define KEY_BYTES_MAX (64u << 10)

/* Which of the descriptors was sent under this name; 0 where they have none. */
static size_t place_of(const json_t *in, const char *name)
{
	const json_t *names = json_object_get(in, "files");
	for (size_t i = 0; i < json_array_size(names); i++)
		if (strcmp(json_string_value(json_array_get(names, i)), name) == 0)
			return i;
	return 0;
}

static bool file_or_name(struct stg_op_ctx *c, const json_t *in, const char *file, const char *name, struct stg_buf *ret, char *ret_path, size_t size,
			 struct stg_error *err)
{
	if (*stg_json_str(in, name))
		return ops_profile_named(c->state_dir, stg_json_str(in, name), ret, ret_path, size, err);
	stg_copy(ret_path, size, stg_json_str_or(in, file, "profile"));
	return ops_file(c, place_of(in, file), ret_path, STG_ID_PROFILE_TOO_LARGE, ret, err);
}

static bool the_file(struct stg_op_ctx *c, const json_t *in, struct stg_buf *ret, char *ret_path, size_t size, struct stg_error *err)
{
	return file_or_name(c, in, "file", "profile", ret, ret_path, size, err);
}

/* Which device it is for: what was typed counts before what the inventory knows. */
static bool the_target(struct stg_op_ctx *c, const json_t *in, struct stg_profile_target *ret, struct stg_error *err)
{
	const char *device = stg_json_str(in, "device"), *os = stg_json_str(in, "os");
	*ret = (struct stg_profile_target){ .supervised = -1 };
	if (*device) {
		STG_AUTO(stg_json_free_at) json_t *known = stg_store_history(c->store, device, err);
		if (!known)
			return false;
		const json_t *facts = json_object_get(known, "facts"), *is = json_object_get(facts, STG_FACT_SUPERVISED);
		stg_copy(ret->device, sizeof(ret->device), device);
		stg_copy(ret->os, sizeof(ret->os), stg_json_str(known, "os_version"));
		if (json_is_boolean(is))
			ret->supervised = json_is_true(is);
		ret->shared_ipad = stg_json_bool(json_object_get(facts, STG_FACT_CLOUD_CONFIG), "IsMultiUser", false);
	}
	if (*os) {
		unsigned int major, minor = 0, patch = 0;
		int n = sscanf(os, "%3u.%3u.%3u", &major, &minor, &patch);
		snprintf(ret->os, sizeof(ret->os), n == 3 ? "%u.%u.%u" : "%u.%u", n >= 1 ? major : 0, minor, patch);
		if (n < 1 || strspn(os, "0123456789.") != strlen(os) || major == 0 || major > 255 || minor > 255 || patch > 255)
			return stg_fail_id(err, STG_E_USAGE, STG_ID_OS_VERSION_WRONG, 0, "--os %.40s", os);
	}
	ret->user_enrolment = stg_json_bool(in, "user_enrolment", false);
	ret->shared_ipad |= stg_json_bool(in, "shared_ipad", false);
	if (json_is_boolean(json_object_get(in, "supervised")))
		ret->supervised = json_is_true(json_object_get(in, "supervised"));
	return true;
}

static bool lint(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(FILE_MAX), key = STG_BUF(KEY_BYTES_MAX);
	struct stg_profile_target target;
	char path[512];
	if (!the_target(c, in, &target, err) || !the_file(c, in, &file, path, sizeof(path), err))
		return false;
	STG_AUTO(stg_profile_rules_free_at) struct stg_profile_rules *own = ops_profile_rules(c->state_dir);
	STG_AUTO(stg_json_free_at) json_t *signers = ops_profile_signers(c);
	if (*stg_json_str(in, "key") && !ops_file(c, 1, stg_json_str(in, "key"), STG_ID_PROFILE_ENCRYPTED, &key, err))
		return false;
	target.signers = signers;
	target.key = stg_buf_view(&key);
	*ret = stg_profile_check(path, stg_buf_view(&file), own, &target, err);
	return *ret != NULL;
}

/* The one before, and what has changed since. */
static json_t *changes(struct stg_op_ctx *c, const json_t *in, const char *path, struct stg_bytes file, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf old = STG_BUF(FILE_MAX);
	char old_path[512];
	if (!file_or_name(c, in, "diff", "diff_profile", &old, old_path, sizeof(old_path), err))
		return NULL;
	json_t *list = stg_profile_diff(old_path, stg_buf_view(&old), path, file, stg_json_str(in, "lang"), err);
	if (!list)
		return NULL;
	json_t *j = json_object();
	stg_json_put(j, "file", old_path);
	stg_json_put_new(j, "changes", list);
	return j;
}

/* Is it on this device, as far as the device has said? What is inside an installed profile, no device tells. */
static json_t *standing(struct stg_op_ctx *c, const char *device, const json_t *profile, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *known = stg_store_history(c->store, device, err);
	if (!known)
		return NULL;
	const json_t *facts = json_object_get(known, "facts"), *list = json_object_get(facts, STG_FACT_INSTALLED_PROFILES);
	const char *how = json_is_array(list) ? "absent" : "unread";
	json_t *j = json_object(), *others = json_array();
	stg_json_put(j, "serial", device);
	stg_json_put_int(j, "read_ms", stg_json_int(facts, STG_FACT_DETAILS_S, 0) * 1000);
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *one = json_array_get(list, i);
		if (strcmp(stg_json_str(one, "identifier"), stg_json_str(profile, "identifier")) != 0) {
			json_array_append(others, one);
			continue;
		}
		how = strcasecmp(stg_json_str(one, "uuid"), stg_json_str(profile, "uuid")) == 0 ? "same" : "other";
		stg_json_put_new(j, "installed", json_incref(one));
	}
	stg_json_put(j, "standing", how);
	stg_json_put_new(j, "others", others);
	return j;
}

static bool show(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(FILE_MAX);
	const char *device = stg_json_str(in, "device");
	char path[512], hash[65];
	if (!the_file(c, in, &file, path, sizeof(path), err))
		return false;
	struct stg_bytes bytes = stg_buf_view(&file);
	STG_AUTO(stg_json_free_at) json_t *out = json_object(), *profile = stg_profile_read(path, bytes, err);
	json_t *says = profile ? stg_profile_says(bytes, stg_json_str(in, "lang"), err) : NULL, *words = json_array();
	stg_json_put_int(out, "v", 1);
	stg_json_put(out, "file", path);
	stg_sha256_hex(bytes, hash);
	stg_json_put(out, "sha256", hash);
	for (size_t i = 0; i < json_array_size(says); i++)
		json_array_append(words, json_object_get(json_array_get(says, i), "text"));
	stg_json_put_new(out, "words", words);
	if (!says)
		return false;
	stg_json_put_new(out, "says", says);
	stg_json_put_new(out, "profile", json_incref(profile));
	STG_AUTO(stg_profile_rules_free_at) struct stg_profile_rules *own = ops_profile_rules(c->state_dir);
	json_t *more = stg_profile_check(path, bytes, own, NULL, err);
	if (!more)
		return false;
	stg_json_put_new(out, "findings", more);
	if (*stg_json_str(in, "diff") || *stg_json_str(in, "diff_profile")) {
		if (!(more = changes(c, in, path, bytes, err)))
			return false;
		stg_json_put_new(out, "diff", more);
	}
	if (*device) {
		if (!(more = standing(c, device, profile, err)))
			return false;
		stg_json_put_new(out, "device", more);
	}
	*ret = stg_steal(out);
	return true;
}

static void add(json_t *list, const char *name, size_t len, const char *where)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *had = stg_json_str(json_array_get(list, i), "name");
		if (strlen(had) == len && strncmp(had, name, len) == 0)
			return;
	}
	json_t *text = json_stringn(name, len), *one = json_object();
	if (text) {
		stg_json_put_new(one, "name", text);
		stg_json_put(one, "where", where);
		json_array_append(list, one);
	}
	json_decref(one);
}

static size_t stem(const char *name)
{
	size_t n = strlen(name), m = sizeof(SUFFIX) - 1;
	return n > m && strcmp(name + n - m, SUFFIX) == 0 ? n - m : 0;
}

static void add_folder(json_t *list, const char *path, const char *where)
{
	DIR *d = opendir(path);
	const struct dirent *e;
	while (d && (e = readdir(d)))
		if (stem(e->d_name) && e->d_name[0] != '.')
			add(list, e->d_name, stem(e->d_name), where);
	if (d)
		closedir(d);
}

static bool list_all(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in, (void)err;
	json_t *list = json_array();
	char path[1024];
	snprintf(path, sizeof(path), "%s/profiles", c->state_dir);
	add_folder(list, path, "state");
	add_folder(list, SITE_PROFILES, "site");
	for (const struct stg_data *d = stg_data; d->path; d++) {
		const char *name = d->path + sizeof(TEMPLATES) - 1;
		if (strncmp(d->path, TEMPLATES, sizeof(TEMPLATES) - 1) == 0 && stem(name))
			add(list, name, stem(name), "built-in");
	}
	*ret = list;
	return true;
}

/* ---- the rules ---- */

static bool schema_show(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in, (void)err;
	STG_AUTO(stg_profile_rules_free_at) struct stg_profile_rules *own = ops_profile_rules_kept(c->state_dir);
	const struct stg_profile_rules *shipped = stg_profile_rules_shipped();
	*ret = json_object();
	stg_json_put_int(*ret, "v", 1);
	stg_json_put_new(*ret, "shipped", stg_profile_rules_about(shipped));
	if (own)
		stg_json_put_new(*ret, "imported", stg_profile_rules_about(own));
	stg_json_put(*ret, "in_use", own && stg_profile_rules_newer(own, shipped) ? "imported" : "shipped");
	return true;
}

static bool schema_import(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf table = STG_BUF(FILE_MAX);
	if (!stg_op_may(c, "admin", err) || !ops_file(c, 0, "rules", STG_ID_RULES_DAMAGED, &table, err) || !ops_profile_rules_keep(c, stg_buf_view(&table), err))
		return false;
	return schema_show(c, in, ret, err);
}

const struct stg_op stg_ops_profile[] = {
	{ "profile.lint", STG_OP_STORE, lint },
	{ "profile.show", STG_OP_STORE, show },
	{ "profile.list", STG_OP_STORE, list_all },
	{ "profile.schema.show", STG_OP_STORE, schema_show },
	{ "profile.schema.import", STG_OP_STORE, schema_import },
	{ 0 },
};
