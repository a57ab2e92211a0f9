/*
 * load.c - where blueprints and the profiles they name are found.
 *
 * For:    commands and the station. Search order: the state's folder, /etc/stager, built in.
 * Uses:   files, the data compiled into the program.
 * Called: station/, ops/, cmd/.
 * Thread: any; no state.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/apps.h>
#include <stager/error.h>
#include <stager/file.h>
#include <stager/payload.h>
#include <stager/registry.h>

#include "blueprint_i.h"

#define SITE_DIR "/etc/stager"
#define BUILT_IN "profiles/blueprints/"
#define TEMPLATES "profiles/templates/"
#define FILE_MAX (1u << 20)
#define LIST_MAX 1000

static bool read_if_there(const char *dir, const char *sub, const char *name, const char *ending, struct stg_buf *ret,
			  char *ret_path, size_t path_size, struct stg_error *err)
{
	struct stg_error why = { 0 };
	if (!dir || !*dir || snprintf(ret_path, path_size, "%s/%s/%s%s", dir, sub, name, ending) >= (int)path_size)
		return false;
	/* an empty one is about to be written: `show --yaml > here` reads what stands behind it */
	if (stg_file_read(ret_path, ret, &why))
		return ret->len > 0;
	if (why.code != STG_E_NOT_FOUND && err)
		*err = why;     /* a file that is there and cannot be read hides nothing behind it */
	return false;
}

/* Built in: a view of the program's own data. */
static bool built_in(const char *folder, const char *name, const char *ending, struct stg_buf *ret, char *ret_path,
		     size_t path_size)
{
	if (snprintf(ret_path, path_size, "%s%s%s", folder, name, ending) >= (int)path_size)
		return false;
	const struct stg_data *d = stg_data_find(ret_path);
	return d && stg_buf_add(ret, d->bytes, d->len, NULL);
}

static bool find(const char *state_dir, const char *name, struct stg_buf *ret, char *path, size_t size,
		 struct stg_error *err)
{
	struct stg_error why = { 0 };
	bool found =
		read_if_there(state_dir, "blueprints", name, ".yaml", ret, path, size, &why) ||
		(why.code == STG_OK && read_if_there(SITE_DIR, "blueprints", name, ".yaml", ret, path, size, &why)) ||
		(why.code == STG_OK && built_in(BUILT_IN, name, ".yaml", ret, path, size));
	if (!found && why.code != STG_OK && err)
		*err = why;
	return found;
}

static json_t *list_all(const char *state_dir, bool with_content);

static bool unknown_name(const char *state_dir, const char *name, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *all = list_all(state_dir, false);
	size_t n = json_array_size(all);
	const char **names = stg_calloc(n + 1, sizeof(*names));
	for (size_t i = 0; i < n; i++)
		names[i] = stg_json_str(json_array_get(all, i), "name");
	const char *near = stg_yaml_nearest(name, names);
	if (near)
		stg_fail_id(err, STG_E_INPUT, STG_ID_BLUEPRINT_UNKNOWN, 0, "'%.63s'; '%s'?", name, near);
	else
		stg_fail_id(err, STG_E_INPUT, STG_ID_BLUEPRINT_UNKNOWN, 0, "'%.63s'", name);
	free(names);
	return false;
}

bool stg_blueprint_text(const char *state_dir, const char *name, struct stg_buf *ret, char *ret_path, size_t path_size,
			struct stg_error *err)
{
	struct stg_error why = { 0 };
	if (!name_ok(name))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_BLUEPRINT_UNKNOWN, 0, "'%.63s' is not a blueprint's name",
				   name);
	if (find(state_dir, name, ret, ret_path, path_size, &why))
		return true;
	if (why.code != STG_OK)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, why.origin, "%.150s", why.msg);
	return unknown_name(state_dir, name, err);
}

json_t *stg_blueprint_load(const char *state_dir, const char *name_or_path, const json_t *params, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(FILE_MAX);
	char path[PATH_MAX];
	size_t len = strlen(name_or_path);
	if (strchr(name_or_path, '/') || (len > 5 && strcmp(name_or_path + len - 5, ".yaml") == 0)) {
		struct stg_error why = { 0 };
		if (!stg_file_read(name_or_path, &text, &why)) {
			stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, why.origin, "%.120s", why.msg);
			return NULL;
		}
		return stg_blueprint_parse_in(state_dir, name_or_path, stg_buf_view(&text), params, err);
	}
	if (!stg_blueprint_text(state_dir, name_or_path, &text, path, sizeof(path), err))
		return NULL;
	json_t *o = stg_blueprint_parse_in(state_dir, path, stg_buf_view(&text), params, err);
	/* results are kept under the name inside: it has to be the one that was asked for */
	if (o && strcmp(stg_json_str(o, "name"), name_or_path) != 0) {
		stg_fail_id(err, STG_E_INPUT, STG_ID_BLUEPRINT_WRONG, 0,
			    "%.100s:1: it names itself '%.63s', expected the file's name", path,
			    stg_json_str(o, "name"));
		json_decref(o);
		return NULL;
	}
	return o;
}

static bool listed(const json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(stg_json_str(json_array_get(list, i), "name"), name) == 0)
			return true;
	return false;
}

/* A list that is made: of names alone while a name is looked up, else one broken file would ask for the list again. */
struct listing {
	json_t *list;
	const char *state_dir;
	bool with_content;
};

static void list_one(const struct listing *l, const char *name, const char *where, const char *path, struct stg_bytes text)
{
	struct stg_error err = { 0 };
	if (!name_ok(name) || listed(l->list, name) || json_array_size(l->list) >= LIST_MAX)
		return;
	json_t *one = json_object();
	stg_json_put(one, "name", name);
	stg_json_put(one, "where", where);
	stg_json_put(one, "path", path);
	STG_AUTO(stg_json_free_at) json_t *o = l->with_content ? blueprint_read(l->state_dir, path, text, NULL, true, &err) : NULL;
	if (o) {
		stg_json_put(one, "about", stg_json_str(o, "about"));
		stg_json_put_bool(one, "erases", stg_json_bool(o, "erases", false));
		stg_json_put_int(one, "steps", (int64_t)json_array_size(json_object_get(o, "steps")));
		if (stg_json_bool(o, "abstract", false))
			stg_json_put_bool(one, "abstract", true);
	} else {
		stg_json_put(one, "error", err.msg);
	}
	json_array_append_new(l->list, one);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void list_folder(const struct listing *l, const char *dir, const char *where)
{
	char folder[PATH_MAX], path[PATH_MAX + 256];
	struct dirent **entries = NULL;
	if (!dir || !*dir || snprintf(folder, sizeof(folder), "%s/blueprints", dir) >= (int)sizeof(folder))
		return;
	int n = scandir(folder, &entries, NULL, by_name);
	for (int i = 0; i < n; i++) {
		char name[256];
		size_t len = strlen(entries[i]->d_name);
		if (len > 5 && strcmp(entries[i]->d_name + len - 5, ".yaml") == 0 && len < sizeof(name)) {
			STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(FILE_MAX);
			memcpy(name, entries[i]->d_name, len - 5);
			name[len - 5] = 0;
			snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
			if (stg_file_read(path, &text, NULL))
				list_one(l, name, where, path, stg_buf_view(&text));
		}
		free(entries[i]);
	}
	free(entries);
}

static json_t *list_all(const char *state_dir, bool with_content)
{
	const struct listing l = { .list = json_array(), .state_dir = state_dir, .with_content = with_content };
	list_folder(&l, state_dir, "state");
	list_folder(&l, SITE_DIR, "site");
	for (const struct stg_data *d = stg_data; d->path; d++) {
		char name[128];
		size_t skip = strlen(BUILT_IN), len = strlen(d->path);
		if (strncmp(d->path, BUILT_IN, skip) != 0 || len < skip + 6 || len - skip - 5 >= sizeof(name))
			continue;
		memcpy(name, d->path + skip, len - skip - 5);
		name[len - skip - 5] = 0;
		list_one(&l, name, "built-in", d->path, stg_bytes(d->bytes, d->len));
	}
	return l.list;
}

json_t *stg_blueprint_list(const char *state_dir)
{
	return list_all(state_dir, true);
}

static bool find_profile(const char *state_dir, const char *name, struct stg_buf *ret, char *path, size_t size,
			 struct stg_error *err)
{
	struct stg_error why = { 0 };
	if (name_ok(name) &&
	    (read_if_there(state_dir, "profiles", name, ".mobileconfig", ret, path, size, &why) ||
	     (why.code == STG_OK && read_if_there(SITE_DIR, "profiles", name, ".mobileconfig", ret, path, size, &why)) ||
	     (why.code == STG_OK && built_in(TEMPLATES, name, ".mobileconfig", ret, path, size))))
		return true;
	if (why.code != STG_OK)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, why.origin, "%.150s", why.msg);
	return stg_fail_id(
		err, STG_E_INPUT, STG_ID_PROFILE_UNKNOWN, 0,
		"'%.63s': profiles/%.63s.mobileconfig, " SITE_DIR "/profiles/", name, name);
}

static bool pin_profile(const char *state_dir, const char *name, bool is_template, json_t *all, struct stg_error *err)
{
	json_t *known = json_object_get(all, name);
	if (known) {
		/* used twice: a template stays one for both, its values are the same */
		if (is_template)
			stg_json_put_bool(known, "template", true);
		return true;
	}
	STG_AUTO(stg_buf_clear) struct stg_buf bytes = STG_BUF(FILE_MAX);
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(FILE_MAX * 2);
	char path[PATH_MAX], hash[65];
	if (!find_profile(state_dir, name, &bytes, path, sizeof(path), err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *read = stg_profile_read(path, stg_buf_view(&bytes), err);
	if (!read || !stg_base64(stg_buf_view(&bytes), &text, err))
		return false;
	stg_sha256_hex(stg_buf_view(&bytes), hash);
	json_t *one = json_object();
	stg_json_put(one, "sha256", hash);
	stg_json_put_new(one, "base64", json_stringn(stg_buf_str(&text), text.len));
	stg_json_put_bool(one, "template", is_template);
	stg_json_put(one, "path", path);
	stg_json_put(one, "identifier", stg_json_str(read, "identifier"));
	stg_json_put_new(all, name, one);
	return true;
}

/* One that is only looked at may lack the values it is used with. */
static bool lacks_values(const json_t *blueprint)
{
	const char *key;
	json_t *value;
	json_object_foreach(json_object_get(blueprint, "params"), key, value)
		if (!json_string_length(value))
			return true;
	return false;
}

/* An app or a document: the row of the repository, whose hash finds the bytes again. */
static bool pin_file(const char *state_dir, const json_t *blueprint, const json_t *step, json_t *all, struct stg_error *err)
{
	const struct stg_step *what = stg_step_find(stg_json_str(step, "step"));
	char key[STG_APPS_KEY_MAX];
	if (!what || what->wants_file == STG_FILE_NONE)
		return true;
	struct stg_error why = { 0 };
	STG_AUTO(stg_json_free_at) json_t *p = stg_variables_fill(json_object_get(step, "params"), json_object_get(blueprint, "params"), &why);
	if (!p && why.id == STG_ID_VARIABLE_UNKNOWN && lacks_values(blueprint))
		return true;
	if (!p) {
		*err = why;
		return false;
	}
	if (!stg_apps_key(what->wants_file, p, key) || json_object_get(all, key))
		return true;
	json_t *row = stg_apps_find(state_dir, key, err);
	if (!row)
		return false;
	stg_json_put_new(all, key, row);
	return true;
}

json_t *stg_blueprint_profiles(const char *state_dir, const json_t *blueprint, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *all = json_object();
	const json_t *steps = json_object_get(blueprint, "steps");
	for (size_t i = 0; i < json_array_size(steps); i++) {
		const json_t *s = json_array_get(steps, i), *p = json_object_get(s, "params");
		const char *name = stg_json_str(p, "profile");
		/* a profile around a certificate is filled by nature */
		bool is_template =
			stg_json_bool(p, "template", strcmp(stg_json_str(s, "step"), "issue_certificate") == 0);
		if ((*name && !pin_profile(state_dir, name, is_template, all, err)) || !pin_file(state_dir, blueprint, s, all, err)) {
			stg_while(err, "step %s", stg_json_str(s, "key"));
			return NULL;
		}
	}
	return stg_steal(all);
}
