/*
 * rules.c - files of rules: where they are found, and what a check_rules step takes from one.
 *
 * For:    parse.c, which pins a file's rules into the step that names it; `stager compliance`.
 * Uses:   yaml, params.c, the table of check_rules' params: a file of rules is that step's params, written down once for many.
 * Called: parse.c, ops/compliance.c, cmd/compliance.c.
 * Thread: any; no state.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/error.h>
#include <stager/file.h>
#include <stager/rules.h>

#include "blueprint_i.h"

#define SITE_DIR "/etc/stager"
#define FILE_MAX (256u << 10)
#define LIST_MAX 200

static json_t *read_rules(const char *path, struct stg_bytes text, struct stg_error *err)
{
	const struct stg_step *step = stg_step_find("check_rules");
	STG_AUTO(stg_yaml_free_at) struct stg_yaml *y = stg_yaml_parse(path, text, err);
	STG_AUTO(stg_json_free_at) json_t *none = json_object();
	if (!y || !step)
		return NULL;
	const struct stg_yaml_node *root = stg_yaml_root(y);
	if (root->kind != STG_YAML_MAP) {
		stg_yaml_fail(y, root, err, "this is not a file of rules, expected lines such as 'os: \"17.6\"'");
		return NULL;
	}
	json_t *rules = params_read(y, root, root, step, none, err);
	if (rules && json_object_get(rules, "rules")) {
		stg_yaml_fail(y, stg_yaml_get(root, "rules"), err, "a file of rules names another one, expected the rules themselves");
		json_decref(rules);
		return NULL;
	}
	return rules;
}

static bool is_path(const char *name)
{
	size_t len = strlen(name);
	return strchr(name, '/') || (len > 5 && strcmp(name + len - 5, ".yaml") == 0);
}

/* The first that is there; one that is there and cannot be read hides nothing behind it. */
static bool find(const char *state_dir, const char *name, struct stg_buf *ret, char *path, size_t size, struct stg_error *err)
{
	const char *const dirs[] = { state_dir, SITE_DIR };
	for (size_t i = 0; i < STG_ARRAY_LEN(dirs); i++) {
		struct stg_error why = { 0 };
		if (!dirs[i] || !*dirs[i] || snprintf(path, size, "%s/rules/%s.yaml", dirs[i], name) >= (int)size)
			continue;
		if (stg_file_read(path, ret, &why))
			return true;
		if (why.code != STG_E_NOT_FOUND)
			return stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, why.origin, "%.150s", why.msg);
	}
	return stg_fail_id(err, STG_E_INPUT, STG_ID_RULES_UNKNOWN, 0, "'%.63s': rules/%.63s.yaml, " SITE_DIR "/rules/", name, name);
}

json_t *stg_rules_load(const char *state_dir, const char *name_or_path, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(FILE_MAX);
	char path[PATH_MAX], hash[65];
	struct stg_error why = { 0 };
	if (is_path(name_or_path)) {
		if (!stg_file_read(name_or_path, &text, &why)) {
			stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, why.origin, "%.120s", why.msg);
			return NULL;
		}
		snprintf(path, sizeof(path), "%s", name_or_path);
	} else if (!name_ok(name_or_path)) {
		stg_fail_id(err, STG_E_INPUT, STG_ID_RULES_UNKNOWN, 0, "'%.63s'", name_or_path);
		return NULL;
	} else if (!find(state_dir, name_or_path, &text, path, sizeof(path), err)) {
		return NULL;
	}
	json_t *rules = read_rules(path, stg_buf_view(&text), err);
	if (!rules)
		return NULL;
	stg_sha256_hex(stg_buf_view(&text), hash);
	stg_json_put(rules, "file", path);
	stg_json_put(rules, "sha256", hash);
	return rules;
}

/* What the step says itself comes before what the file says. */
bool rules_pin(const struct stg_yaml *y, const struct stg_yaml_node *at, const char *state_dir, json_t *params, struct stg_error *err)
{
	const char *name = stg_json_str(params, "rules");
	struct stg_error why = { 0 };
	if (!*name)
		return true;
	STG_AUTO(stg_json_free_at) json_t *rules = stg_rules_load(state_dir, name, &why);
	if (!rules && why.id == STG_ID_RULES_UNKNOWN)
		return stg_yaml_fail(y, at, err, "no file of rules '%.60s', expected rules/%.60s.yaml in the state", name, name);
	if (!rules)
		return *err = why, false;
	json_object_del(rules, "file");
	json_object_del(rules, "sha256");       /* the blueprint's own hash covers what they say */
	json_object_del(rules, "about");
	json_object_update_missing(params, rules);
	return true;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void list_folder(json_t *list, const char *state_dir, const char *dir, const char *where)
{
	char folder[PATH_MAX];
	struct dirent **entries = NULL;
	if (!dir || !*dir || snprintf(folder, sizeof(folder), "%s/rules", dir) >= (int)sizeof(folder))
		return;
	int n = scandir(folder, &entries, NULL, by_name);
	for (int i = 0; i < n; i++) {
		char name[256];
		size_t len = strlen(entries[i]->d_name);
		struct stg_error why = { 0 };
		if (len > 5 && len < sizeof(name) && strcmp(entries[i]->d_name + len - 5, ".yaml") == 0 && json_array_size(list) < LIST_MAX) {
			memcpy(name, entries[i]->d_name, len - 5);
			name[len - 5] = 0;
			STG_AUTO(stg_json_free_at) json_t *rules = stg_rules_load(state_dir, name, &why);
			json_t *one = json_object();
			stg_json_put(one, "name", name);
			stg_json_put(one, "where", where);
			stg_json_put(one, "about", rules ? stg_json_str(rules, "about") : "");
			if (rules)
				stg_json_put(one, "path", stg_json_str(rules, "file"));
			else
				stg_json_put(one, "error", why.msg);
			json_array_append_new(list, one);
		}
		free(entries[i]);
	}
	free(entries);
}

json_t *stg_rules_list(const char *state_dir)
{
	json_t *list = json_array();
	list_folder(list, state_dir, state_dir, "state");
	list_folder(list, state_dir, SITE_DIR, "site");
	return list;
}
