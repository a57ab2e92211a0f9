/*
 * profile.c - operations that look at a profile; nothing is changed.
 *
 * For:    stager profile lint|show|list.
 * Uses:   <stager/payload.h>; <stager/blueprint.h> to find a profile by its name as a blueprint would.
 * Called: through the table of operations.
 * Thread: the store's.
 *
 *   profile.lint  {profile} or {file} with a descriptor          -> [{level, path, line, text}]
 *   profile.show  the same, {lang}                               -> {profile, words, findings}
 *   profile.list  {}                                             -> [{name, where}]
 */
#include <dirent.h>
#include <stdio.h>

#include <stager/blueprint.h>
#include <stager/error.h>
#include <stager/payload.h>
#include <stager/registry.h>

#include "_secretly.h"

#define FILE_MAX (4u << 20)
#define TEMPLATES "profiles/templates/"
#define SITE_PROFILES "/etc/stager/profiles"
#define SUFFIX ".mobileconfig"

static bool by_name(struct stg_op_ctx *c, const char *name, struct stg_buf *ret, char *ret_path, size_t size, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *as_step = json_pack("{s:[{s:s,s:s,s:{s:s}}]}", "steps", "key", "profile", "step", "install_profile", "params",
							       "profile", name);
	STG_AUTO(stg_json_free_at) json_t *found = stg_blueprint_profiles(c->state_dir, as_step, err);
	const json_t *one = json_object_get(found, name);
	if (!one)
		return found ? stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_PROFILE_UNKNOWN, 0, "%.64s", name) : false;
	stg_copy(ret_path, size, stg_json_str_or(one, "path", name));
	return stg_unbase64(stg_json_str(one, "base64"), ret, err);
}

static bool the_file(struct stg_op_ctx *c, const json_t *in, struct stg_buf *ret, char *ret_path, size_t size, struct stg_error *err)
{
	const char *name = stg_json_str(in, "profile");
	if (*name)
		return by_name(c, name, ret, ret_path, size, err);
	stg_copy(ret_path, size, stg_json_str_or(in, "file", "profile"));
	return ops_file(c, 0, ret_path, STG_ID_PROFILE_TOO_LARGE, ret, err);
}

static bool lint(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(FILE_MAX);
	char path[512];
	if (!the_file(c, in, &file, path, sizeof(path), err))
		return false;
	*ret = stg_profile_lint(path, stg_buf_view(&file), err);
	return *ret != NULL;
}

static bool show(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(FILE_MAX);
	char path[512], hash[65];
	if (!the_file(c, in, &file, path, sizeof(path), err))
		return false;
	struct stg_bytes bytes = stg_buf_view(&file);
	STG_AUTO(stg_json_free_at) json_t *profile = stg_profile_read(path, bytes, err);
	STG_AUTO(stg_json_free_at) json_t *words = profile ? stg_profile_words(bytes, stg_json_str(in, "lang"), err) : NULL;
	STG_AUTO(stg_json_free_at) json_t *findings = words ? stg_profile_lint(path, bytes, err) : NULL;
	if (!findings)
		return false;
	stg_sha256_hex(bytes, hash);
	*ret = json_pack("{s:i,s:s,s:s,s:O,s:O,s:O}", "v", 1, "file", path, "sha256", hash, "profile", profile, "words", words, "findings", findings);
	return *ret || stg_fail_id(err, STG_E_INPUT, STG_ID_LIST_ENCODING, 0, "%.100s", path);
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

const struct stg_op stg_ops_profile[] = {
	{ "profile.lint", STG_OP_STORE, lint },
	{ "profile.show", STG_OP_STORE, show },
	{ "profile.list", STG_OP_STORE, list_all },
	{ 0 },
};
