/*
 * rehearse.c - what a rehearsal takes along from the real station: the blueprint with its parents and profiles, names of
 * organisations and secrets. No key and no secret.
 *
 * For:    `stager rehearse`.
 * Uses:   the store, <stager/blueprint.h>.
 * Called: as an operation.
 * Thread: the recorder's, or the command's own.
 *
 *   rehearse.pack  {"blueprint","params"} -> {"v":1,"files":{"blueprints/x.yaml":base64,"profiles/y.mobileconfig":base64},"name","sha256",
 *                  "organisation","erases":bool,"activates":bool,"device_class","secrets":[names],"ports":n (allowed ones by name; 0: not said),
 *                  "apps":[{"sha256","size"}] (of the repository: the command takes the files themselves), "lines":n (USB controllers the allowed
 *                  ports hang on; 0: not said),
 *                  "problems":[{"id","detail"}]}: what would stop the batch before a device is touched
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/blueprint.h>
#include <stager/error.h>
#include <stager/op.h>

#define FILE_MAX (1u << 20)

static bool add_text(struct stg_op_ctx *c, const char *name, json_t *files, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(FILE_MAX), base = STG_BUF(2 * FILE_MAX);
	char path[PATH_MAX], as[128];
	if (!stg_blueprint_text(c->state_dir, name, &text, path, sizeof(path), err) || !stg_base64(stg_buf_view(&text), &base, err))
		return false;
	snprintf(as, sizeof(as), "blueprints/%.63s.yaml", name);
	stg_json_put(files, as, stg_buf_str(&base));
	return true;
}

static bool add_files(struct stg_op_ctx *c, const json_t *b, json_t *files, json_t *apps, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *profiles = stg_blueprint_profiles(c->state_dir, b, err);
	size_t i;
	const char *name;
	json_t *one;
	if (!profiles || !add_text(c, stg_json_str(b, "name"), files, err))
		return false;
	json_array_foreach(json_object_get(b, "parents"), i, one)
		if (!add_text(c, stg_json_str(one, "name"), files, err))
			return false;
	json_object_foreach(profiles, name, one) {
		char as[128];
		if (!*stg_json_str(one, "base64")) {
			json_array_append_new(apps, json_pack("{s:s, s:I}", "sha256", stg_json_str(one, "sha256"), "size", (json_int_t)stg_json_int(one, "size", 0)));
			continue;
		}
		snprintf(as, sizeof(as), "profiles/%.63s.mobileconfig", name);
		stg_json_put(files, as, stg_json_str(one, "base64"));
	}
	return true;
}

/* "2-1.4" hangs on controller 2. */
static int64_t lines_of(const json_t *ports)
{
	char seen[64] = "";
	int64_t n = 0;
	size_t i;
	json_t *one;
	json_array_foreach((json_t *)(uintptr_t)ports, i, one) {
		const char *port = stg_json_str(one, "port");
		int bus = atoi(port);
		if (stg_json_bool(one, "allowed", false) && !strpbrk(port, "*?") && bus > 0 && bus < (int)sizeof(seen) && !seen[bus])
			n += seen[bus] = 1;
	}
	return n;
}

static void problem(json_t *list, unsigned int id, const char *detail)
{
	json_array_append_new(list, json_pack("{s:i, s:s}", "id", (int)id, "detail", detail));
}

static bool add_problems(struct stg_op_ctx *c, const json_t *b, json_t *problems, json_t *secrets, struct stg_error *err)
{
	const char *name = stg_json_str(b, "organisation");
	struct stg_error why = { 0 };
	STG_AUTO(stg_json_free_at) json_t *org = stg_store_org(c->store, name, NULL, &why);
	STG_AUTO(stg_json_free_at) json_t *set = stg_store_secrets(c->store, err);
	size_t i;
	json_t *one;
	if (!set)
		return false;
	if (!org)
		problem(problems, STG_ID_NO_ORGANISATION, name);
	else if (!c->rehearsal && !stg_json_int(org, "backup_verified_ms", 0))
		problem(problems, STG_ID_NO_BACKUP, stg_json_str(org, "name"));
	if (!stg_store_clock_ok(c->store, &why))
		problem(problems, why.id, "");
	json_array_foreach(set, i, one)
		json_array_append(secrets, json_object_get(one, "name"));
	return true;
}

static bool has_step(const json_t *b, const char *step)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(b, "steps"), i, one)
		if (strcmp(stg_json_str(one, "step"), step) == 0)
			return true;
	return false;
}

/* The one kind of device it takes; "" when it takes several, or does not say. */
static const char *device_class(const json_t *b)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(b, "steps"), i, one) {
		const char *kind = stg_json_str(json_object_get(one, "params"), "device_class");
		if (strcmp(stg_json_str(one, "step"), "require") == 0 && *kind)
			return kind;
	}
	return "";
}

static bool pack(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *b = stg_blueprint_load(c->state_dir, stg_json_str(in, "blueprint"), json_object_get(in, "params"), err);
	STG_AUTO(stg_json_free_at) json_t *files = json_object(), *problems = json_array(), *secrets = json_array(), *apps = json_array();
	STG_AUTO(stg_json_free_at) json_t *ports = b ? stg_store_ports(c->store, err) : NULL;
	int64_t allowed = 0;
	size_t i;
	json_t *one;
	if (!b)
		return stg_say(err, STG_ID_BLUEPRINT_WRONG);
	if (!ports || !add_files(c, b, files, apps, err) || !add_problems(c, b, problems, secrets, err))
		return false;
	json_array_foreach(ports, i, one)
		allowed += stg_json_bool(one, "allowed", false) && !strpbrk(stg_json_str(one, "port"), "*?");
	*ret = json_pack("{s:i, s:O, s:s, s:s, s:s, s:b, s:b, s:O, s:I, s:O}", "v", 1, "files", files, "name", stg_json_str(b, "name"), "sha256",
			 stg_json_str(b, "sha256"), "organisation", stg_json_str(b, "organisation"), "erases", stg_json_bool(b, "erases", false), "activates",
			 has_step(b, "activate"), "secrets", secrets, "ports", (json_int_t)allowed, "problems", problems);
	stg_json_put(*ret, "device_class", device_class(b));
	json_object_set(*ret, "apps", apps);
	stg_json_put_int(*ret, "lines", lines_of(ports));
	return true;
}

const struct stg_op stg_ops_rehearse[] = {
	{ "rehearse.pack", STG_OP_STORE, pack },
	{ 0 },
};
