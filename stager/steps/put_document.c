/*
 * put_document.c - a file of the station's repository into the place an app has for its documents.
 *
 * For:    settings, plans and maps an app is to have before it is opened the first time.
 * Uses:   the host for the file (the station opens it), the device door.
 * Called: worker/run.c.
 * Thread: the worker's only one.
 *
 * Proven by reading the file back from the device and comparing its hash.
 */
#include <stdio.h>

#include <stager/apps.h>

#include "steps.h"

static const struct stg_param params[] = {
	{ "app", STG_PARAM_STRING, .required = true, .variables = true, .about = "identifier of the app, which must be there" },
	{ "document", STG_PARAM_STRING, .required = true, .variables = true, .about = "name of a document of the repository (stager app add --document)" },
	{ "to", STG_PARAM_STRING, .variables = true, .about = "where it goes in the app's folder (default \"Documents/\" and its name)" },
	{ "through", STG_PARAM_ENUM, .values = "sharing container",
	  .about = "sharing: the app's file sharing (default); container: all of its folder, for a developer's build" },
	{ 0 },
};

static void document_of(const struct stg_step_ctx *c, char path[1024], struct stg_app_document *ret)
{
	const char *to = stg_json_str(c->params, "to");
	if (*to)
		stg_copy(path, 1024, to);
	else
		snprintf(path, 1024, "Documents/%s", stg_json_str(c->params, "document"));
	*ret = (struct stg_app_document){
		.bundle_id = stg_json_str(c->params, "app"),
		.path = path,
		.whole_container = strcmp(stg_json_str(c->params, "through"), "container") == 0,
		.fd = c->file->fd,
		.size_bytes = c->file->size_bytes,
		.sha256 = c->file->sha256,
		.mark = c->file->mark,
	};
}

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	struct stg_app_document d;
	char path[1024];
	*ret = false;
	if (!step_file(c, err))
		return false;
	document_of(c, path, &d);
	json_t *seen = stg_device_find_document(c->device, &d, err);
	if (!seen)
		return false;
	*ret = (uint64_t)stg_json_int(seen, "size", -1) == d.size_bytes && strcmp(stg_json_str(seen, "sha256"), d.sha256) == 0;
	stg_json_put(seen, "path", path);
	step_reread(c, seen);
	return true;
}

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	struct stg_app_document d;
	char path[1024];
	if (!step_file(c, err))
		return false;
	document_of(c, path, &d);
	if (!stg_device_put_document(c->device, &d, err))
		return false;
	step_acknowledged(c, json_pack("{s:s, s:s, s:I}", "path", path, "sha256", d.sha256, "bytes", (json_int_t)d.size_bytes));
	return true;
}

/* A path that stays in the app's folder. */
static bool check(const json_t *p, struct stg_error *err)
{
	const char *to = stg_json_str(p, "to");
	if (!step_bundle_id_check(p, "app", err))
		return false;
	for (const char *at = to; *at; at += strcspn(at, "/"), at += *at == '/') {
		size_t n = strcspn(at, "/");
		if (n == 0 || (n <= 2 && strncmp(at, "..", n) == 0))
			return stg_fail(err, STG_E_INPUT, 0, "'to' is '%.60s', expected a path such as Documents/plan.pdf", to);
	}
	size_t len = strlen(to);
	if (len > 900 || (len && to[len - 1] == '/'))
		return stg_fail(err, STG_E_INPUT, 0, "'to' names no file, expected a path such as Documents/plan.pdf");
	return true;
}

const struct stg_step stg_step_put_document = {
	.name = "put_document",
	.about = "puts a file of the station's repository into an app's documents",
	.params = params,
	.deadline_ms = 1800000,
	.needs_trust = true,
	.wants_file = STG_FILE_DOCUMENT,
	.proven = proven,
	.run = run,
	.check = check,
};
