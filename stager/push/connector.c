/*
 * connector.c - finds connector files: how to talk to a kind of MDM, as data.
 *
 * For:    administrators who mend or add one on site; target.c, which uses what was read.
 * Uses:   format.c, which reads one; <stager/registry.h> for those built in.
 * Called: by push and by target commands.
 * Thread: any; no state.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/file.h>
#include <stager/registry.h>

#include "kind.h"

#define FILE_MAX (256u << 10)
#define SITE_FOLDER "/etc/stager/connectors"
#define BUILT_IN "stager/push/connectors/"

static bool name_ok(const char *name)
{
	size_t n = strlen(name);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '-' && name[i] != '_')
			return false;
	return n >= 1 && n <= 48;
}

/* Where a name is looked for: the state, the site, what is built in. */
static bool text_of(const char *state_dir, const char *name, struct stg_buf *ret, char path[4096], struct stg_error *err)
{
	for (int i = 0; i < 2; i++) {
		struct stg_error why = { 0 };
		if (i == 0 && !state_dir)
			continue;
		if (snprintf(path, 4096, i ? "%s%s/%s.yaml" : "%s/connectors%s/%s.yaml", i ? SITE_FOLDER : state_dir, "", name) >= 4096)
			continue;
		if (stg_file_read(path, ret, &why))
			return true;
		if (why.code != STG_E_NOT_FOUND) {
			if (err)
				*err = why;
			return false;
		}
	}
	snprintf(path, 4096, BUILT_IN "%s.yaml", name);
	const struct stg_data *d = stg_data_find(path);
	memmove(path, path + strlen("stager/push/"), strlen(path + strlen("stager/push/")) + 1);
	return d ? stg_buf_add(ret, d->bytes, d->len, err) : stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_CONNECTOR_UNKNOWN, 0, "no connector '%s'", name);
}

bool stg_connector_text(const char *state_dir, const char *name, struct stg_buf *ret, struct stg_error *err)
{
	char path[4096];
	return name_ok(name) ? text_of(state_dir, name, ret, path, err) : stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_CONNECTOR_UNKNOWN, 0, "no connector of that name");
}

json_t *stg_connector_load(const char *state_dir, const char *name_or_path, struct stg_error *err)
{
	size_t n = strlen(name_or_path);
	if (strchr(name_or_path, '/') || (n > 5 && strcmp(name_or_path + n - 5, ".yaml") == 0)) {
		STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(FILE_MAX);
		return stg_file_read(name_or_path, &text, err) ? push_format_read(name_or_path, stg_buf_view(&text), err) : NULL;
	}
	if (name_ok(name_or_path)) {
		STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(FILE_MAX);
		char path[4096];
		return text_of(state_dir, name_or_path, &text, path, err) ? push_format_read(path, stg_buf_view(&text), err) : NULL;
	}
	char shown[64];
	stg_printable(name_or_path, true, shown, sizeof(shown));
	stg_fail_id(err, STG_E_INPUT, STG_ID_CONNECTOR_UNKNOWN, 0, "'%s' is not a connector's name, letters, digits and '-' were expected", shown);
	return NULL;
}

json_t *stg_connector_read(const char *file, struct stg_bytes text, struct stg_error *err)
{
	return push_format_read(file, text, err);
}

void stg_connector_phases(const json_t *connector, char ret[8])
{
	static const char letters[] = "ABE";
	const json_t *phases = json_object_get(connector, "phases");
	size_t n = 0;
	if (stg_json_bool(json_object_get(phases, "A"), "ordered", false))
		ret[n++] = 'P';
	for (size_t i = 0; i < 3; i++)
		if (phases ? json_object_get(phases, (const char[]){ letters[i], 0 }) != NULL : letters[i] == 'E')
			ret[n++] = letters[i];
	ret[n] = 0;
}

static void list_add(json_t *list, const char *name, const char *about, const char *where)
{
	size_t i;
	json_t *one;
	json_array_foreach(list, i, one)
		if (strcmp(stg_json_str(one, "name"), name) == 0)
			return;         /* an earlier place wins, as in loading */
	one = json_object();
	stg_json_put(one, "name", name);
	stg_json_put(one, "about", about);
	stg_json_put(one, "where", where);
	json_array_append_new(list, one);
}

static void list_folder(json_t *list, const char *folder, const char *where)
{
	DIR *d = opendir(folder);
	for (struct dirent *e; d && (e = readdir(d));) {
		size_t n = strlen(e->d_name);
		char path[4096];
		struct stg_error err = { 0 };
		if (n <= 5 || strcmp(e->d_name + n - 5, ".yaml") != 0 || snprintf(path, sizeof(path), "%s/%s", folder, e->d_name) >= (int)sizeof(path))
			continue;
		STG_AUTO(stg_json_free_at) json_t *c = stg_connector_load(NULL, path, &err);
		e->d_name[n - 5] = 0;
		list_add(list, e->d_name, c ? stg_json_str(c, "about") : err.msg, where);
	}
	if (d)
		closedir(d);
}

json_t *stg_connector_list(const char *state_dir)
{
	json_t *list = json_array();
	char folder[4096];
	if (state_dir && snprintf(folder, sizeof(folder), "%s/connectors", state_dir) < (int)sizeof(folder))
		list_folder(list, folder, "state");
	list_folder(list, SITE_FOLDER, "site");
	for (const struct stg_data *d = stg_data; d->path; d++) {
		char name[64];
		if (strncmp(d->path, BUILT_IN, strlen(BUILT_IN)) != 0)
			continue;
		snprintf(name, sizeof(name), "%s", d->path + strlen(BUILT_IN));
		name[strcspn(name, ".")] = 0;
		STG_AUTO(stg_json_free_at) json_t *c = stg_connector_load(NULL, name, NULL);
		list_add(list, name, stg_json_str(c, "about"), "built-in");
	}
	for (size_t i = 0; stg_push_kinds[i]; i++)
		list_add(list, stg_push_kinds[i]->name, stg_push_kinds[i]->about, "built-in");
	return list;
}
