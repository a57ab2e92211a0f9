/*
 * _profile.c - profiles by name, and whose signature on one counts.
 *
 * For:    operations that look at a profile or make one.
 * Uses:   <stager/blueprint.h> to find a profile as a blueprint would, the store.
 * Called: by operations.
 * Thread: the store's.
 */
#include <dirent.h>
#include <stdio.h>

#include <stager/blueprint.h>
#include <stager/error.h>
#include <stager/file.h>

#include "_profile.h"

#define SITE_SIGNERS "/etc/stager/signers"
#define SIGNERS_MAX 50
#define SIGNER_BYTES_MAX (64u << 10)

bool ops_profile_name_ok(const char *name, struct stg_error *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t n = strlen(name);
	return (n && n < 64 && *name != '.' && strspn(name, letters) == n) || stg_fail_id(err, STG_E_USAGE, STG_ID_PROFILE_NAME_WRONG, 0, "'%.70s'", name);
}

bool ops_profile_named(const char *state_dir, const char *name, struct stg_buf *ret, char *ret_path, size_t size, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *as_step = json_pack("{s:[{s:s,s:s,s:{s:s}}]}", "steps", "key", "profile", "step", "install_profile", "params",
							       "profile", name);
	STG_AUTO(stg_json_free_at) json_t *found = stg_blueprint_profiles(state_dir, as_step, err);
	const json_t *one = json_object_get(found, name);
	/* said without the step that nobody wrote */
	if (!one && (found || !err || err->id == STG_ID_PROFILE_UNKNOWN))
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_PROFILE_UNKNOWN, 0, "'%.64s': profiles/%.64s.mobileconfig, /etc/stager/profiles/", name, name);
	if (!one)
		return false;
	stg_copy(ret_path, size, stg_json_str_or(one, "path", name));
	return stg_unbase64(stg_json_str(one, "base64"), ret, err);
}

static void add_signers(json_t *list, const char *folder)
{
	DIR *d = opendir(folder);
	const struct dirent *e;
	while (d && (e = readdir(d)) && json_array_size(list) < SIGNERS_MAX) {
		STG_AUTO(stg_buf_clear) struct stg_buf pem = STG_BUF(SIGNER_BYTES_MAX);
		char path[1024];
		size_t n = strlen(e->d_name);
		if (n < 5 || e->d_name[0] == '.' || strcmp(e->d_name + n - 4, ".pem") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (stg_file_read(path, &pem, NULL))
			json_array_append_new(list, json_stringn(stg_buf_str(&pem), strlen(stg_buf_str(&pem))));
	}
	if (d)
		closedir(d);
}

json_t *ops_profile_signers(struct stg_op_ctx *c)
{
	json_t *list = json_array();
	char path[1024];
	STG_AUTO(stg_json_free_at) json_t *orgs = stg_store_orgs(c->store, NULL);
	for (size_t i = 0; i < json_array_size(orgs); i++) {
		STG_AUTO(stg_json_free_at) json_t *issuers = stg_org_issuers(json_array_get(orgs, i));
		if (issuers)
			json_array_extend(list, issuers);
	}
	snprintf(path, sizeof(path), "%s/signers", c->state_dir);
	add_signers(list, path);
	add_signers(list, SITE_SIGNERS);
	return list;
}
