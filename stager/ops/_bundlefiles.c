/*
 * _bundlefiles.c - blueprints, profiles, apps, connectors and newer payload rules into a bundle and out of it.
 *
 * For:    ops/bundle.c.
 * Uses:   the checks of each kind: a signed file may still be a wrong one.
 * Called: bundle.export, bundle.import.
 * Thread: the recorder's.
 *
 * Order: profiles and apps before the blueprints that name them. A started batch keeps the bytes it began with.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stager/apps.h>
#include <stager/blueprint.h>
#include <stager/file.h>
#include <stager/payload.h>
#include <stager/push.h>

#include "_bundle.h"
#include "_rules.h"

#define ONE_MAX (48u << 20)
#define TEXT_MAX (2u << 20)

void bundle_files_free(struct bundle_files *f)
{
	for (size_t i = 0; i < f->n; i++)
		stg_buf_clear(&f->bytes[i]);
	f->n = 0;
}

/* In the order in which they are taken out again. */
static const char *const kinds[] = { "profile", "app", "connector", "rules", "blueprint" };

bool bundle_files_wanted(const json_t *in)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(kinds); i++)
		if (json_array_size(json_object_get(in, kinds[i])))
			return true;
	return false;
}

static bool read_one(struct stg_op_ctx *c, const char *kind, const char *name, struct stg_buf *ret, char ret_file[80], struct stg_error *err)
{
	char path[4096];
	const char *dot = strrchr(name, '.');
	if (strcmp(kind, "blueprint") == 0) {
		snprintf(ret_file, 80, "%.60s.yaml", name);
		return stg_blueprint_text(c->state_dir, name, ret, path, sizeof(path), err);
	}
	if (strcmp(kind, "profile") == 0) {
		struct stg_error why = { 0 };
		bool plain = !strchr(name, '/') && name[0] != '.';
		snprintf(ret_file, 80, "%.60s%s", name, dot && strcmp(dot, ".mobileconfig") == 0 ? "" : ".mobileconfig");
		return (plain && snprintf(path, sizeof(path), "%s/profiles/%s", c->state_dir, ret_file) < (int)sizeof(path) && stg_file_read(path, ret, &why)) ||
		       stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_FILE_UNREADABLE, why.origin, "profiles/%.80s", ret_file);
	}
	if (strcmp(kind, "connector") == 0) {
		snprintf(ret_file, 80, "%.48s.yaml", name);
		return stg_connector_text(c->state_dir, name, ret, err);
	}
	if (strcmp(kind, "rules") == 0) {
		/* one table a station: its name says what it is for */
		const bool known = strcmp(name, "ios") == 0;
		snprintf(ret_file, 80, "ios.rules");
		snprintf(path, sizeof(path), "%s/" STG_PROFILE_RULES, c->state_dir);
		return (known && stg_file_read(path, ret, NULL)) ||
		       stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_FILE_UNREADABLE, 0, known ? STG_PROFILE_RULES : "'%.40s': --rules ios", name);
	}
	char key[STG_APPS_KEY_MAX];
	snprintf(key, sizeof(key), "app:%.200s", name);
	STG_AUTO(stg_json_free_at) json_t *row = stg_apps_find(c->state_dir, key, err);
	STG_AUTO(stg_close_at) int fd = row ? stg_apps_open(c->state_dir, stg_json_str(row, "sha256"), stg_json_int(row, "size", 0), err) : -1;
	snprintf(ret_file, 80, "%.16s.ipa", stg_json_str(row, "sha256"));
	return fd >= 0 && stg_file_read_fd(fd, ret, err);
}

bool bundle_files_gather(struct stg_op_ctx *c, const json_t *in, struct bundle_files *ret, struct stg_error *err)
{
	for (size_t k = 0; k < STG_ARRAY_LEN(kinds); k++) {
		size_t i;
		json_t *one;
		json_array_foreach(json_object_get(in, kinds[k]), i, one) {
			struct stg_error why = { 0 };
			char file[80];
			if (ret->n == BUNDLE_FILES_MAX)
				return stg_fail_id(err, STG_E_INPUT, STG_ID_BUNDLE_TOO_LARGE, 0, "%d files at most", BUNDLE_FILES_MAX);
			size_t n = ret->n++;
			ret->bytes[n] = STG_BUF(ONE_MAX);
			if (!read_one(c, kinds[k], json_string_value(one), &ret->bytes[n], file, &why)) {
				if (err)
					*err = why;
				return why.code == STG_E_PROTOCOL ? stg_say(err, STG_ID_BUNDLE_TOO_LARGE) : false;
			}
			snprintf(ret->name[n], sizeof(ret->name[n]), "files/%s/%s", kinds[k], file);
		}
	}
	return true;
}

static bool wrong(struct stg_error *err, const char *name, const struct stg_error *why)
{
	return stg_fail_id(err, STG_E_INPUT, STG_ID_BUNDLE_FILE, 0, "%.80s: %.140s", name, why->msg);
}

static bool has_end(const char *name, const char *end)
{
	size_t n = strlen(name), e = strlen(end);
	return n > e && strcmp(name + n - e, end) == 0;
}

static bool sound(struct stg_op_ctx *c, const char *kind, const char *name, struct stg_bytes bytes, struct stg_error *err)
{
	struct stg_error why = { 0 };
	if (strcmp(kind, "blueprint") == 0) {
		STG_AUTO(stg_json_free_at) json_t *b = has_end(name, ".yaml") && bytes.len < TEXT_MAX ? stg_blueprint_check_in(c->state_dir, name, bytes, &why) : NULL;
		return b || wrong(err, name, &why);
	}
	if (strcmp(kind, "connector") == 0) {
		STG_AUTO(stg_json_free_at) json_t *connector = has_end(name, ".yaml") && bytes.len < TEXT_MAX ? stg_connector_read(name, bytes, &why) : NULL;
		return connector || wrong(err, name, &why);
	}
	STG_AUTO(stg_profile_rules_free_at) struct stg_profile_rules *rules = ops_profile_rules(c->state_dir);
	STG_AUTO(stg_json_free_at) json_t *lint =
		has_end(name, ".mobileconfig") && bytes.len < TEXT_MAX ? stg_profile_check(name, bytes, rules, NULL, &why) : NULL;
	size_t i;
	json_t *one;
	if (!lint)
		return wrong(err, name, &why);
	json_array_foreach(lint, i, one)
		if (strcmp(stg_json_str(one, "level"), "error") == 0) {
			stg_fail(&why, STG_E_INPUT, 0, "%.100s", stg_json_str(one, "text"));
			return wrong(err, name, &why);
		}
	return true;
}

static bool keep(struct stg_op_ctx *c, const char *folder, const char *name, struct stg_bytes bytes, struct stg_error *err)
{
	char dir[4096], path[4096];
	return stg_path_join(dir, sizeof(dir), c->state_dir, folder, err) && stg_path_join(path, sizeof(path), dir, name, err) && stg_folder_make(dir, 0700, err) &&
	       stg_file_write(path, bytes, 0600, err);
}

static bool keep_app(struct stg_op_ctx *c, const char *name, struct stg_bytes bytes, struct stg_error *err)
{
	struct stg_error why = { 0 };
	STG_AUTO(stg_close_at) int fd = memfd_create("bundle app", MFD_CLOEXEC);
	if (fd < 0 || !stg_file_write_fd(fd, bytes, 0, err))
		return fd >= 0 ? false : stg_fail(err, STG_E_NOMEM, 0, "keep an app");
	STG_AUTO(stg_json_free_at) json_t *row = stg_apps_add(c->state_dir, fd, name, NULL, c->actor, &why);
	return row || wrong(err, name, &why);
}

static bool take_one(struct stg_op_ctx *c, const char *kind, const char *name, struct stg_bytes bytes, struct stg_error *err)
{
	struct stg_error why = { 0 };
	if (strcmp(kind, "app") == 0)
		return keep_app(c, name, bytes, err);
	if (strcmp(kind, "rules") == 0)
		return (strcmp(name, "ios.rules") == 0 && ops_profile_rules_keep(c, bytes, &why)) || wrong(err, name, &why);
	return sound(c, kind, name, bytes, err) &&
	       keep(c, strcmp(kind, "profile") == 0 ? "profiles" : strcmp(kind, "connector") == 0 ? "connectors" : "blueprints", name, bytes, err);
}

bool bundle_files_take(struct stg_op_ctx *c, const struct stg_bundle *b, json_t *said, struct stg_error *err)
{
	json_t *taken = json_array();
	stg_json_put_new(said, "taken", taken);
	for (size_t i = 0; i < b->n_members; i++) {
		char kind[16], name[STG_TAR_NAME_MAX];
		const struct stg_bundle_member *m = &b->members[i];
		if (!stg_bundle_file(m, kind, name))
			continue;
		if (!json_array_size(taken) && !stg_op_may(c, "admin", err))
			return false;
		if (!take_one(c, kind, name, m->bytes, err))
			return false;
		json_array_append_new(taken, json_pack("{s:s,s:s}", "kind", kind, "name", name));
	}
	return true;
}
