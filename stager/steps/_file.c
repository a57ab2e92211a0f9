/*
 * _file.c - what the steps about apps and documents share.
 *
 * For:    install_app, remove_app, put_document, verify.
 * Uses:   the host for the file, the device door.
 * Called: by those steps.
 * Thread: the worker's only one.
 */
#include <stager/apps.h>

#include "steps.h"

const json_t *step_file(struct stg_step_ctx *c, struct stg_error *err)
{
	if (!c->file->about && !c->host->file) {
		stg_fail_id(err, STG_E_UNSUPPORTED, STG_ID_DEVICE_CANNOT, 0, "no files here");
		return NULL;
	}
	if (!c->file->about && !c->host->file(c->host->ctx, c->file, err))
		return NULL;
	return c->file->about;
}

bool step_bundle_id_check(const json_t *params, const char *name, struct stg_error *err)
{
	const char *id = stg_json_str(params, name);
	/* one with a variable in it is looked at when it is filled in */
	return strstr(id, "{{") || stg_bundle_id_ok(id) ||
	       stg_fail(err, STG_E_INPUT, 0, "'%.60s' is no app's identifier, expected one such as org.example.app", id);
}

static json_t *expected(struct stg_step_ctx *c)
{
	json_t *all = json_object_get(c->memory, "expected_apps");
	if (!all) {
		all = json_object();
		stg_json_put_new(c->memory, "expected_apps", all);
	}
	return all;
}

void step_expect_app(struct stg_step_ctx *c, const char *bundle_id, const char *version)
{
	stg_json_put(expected(c), bundle_id, version);
}

void step_forget_app(struct stg_step_ctx *c, const char *bundle_id)
{
	json_object_del(expected(c), bundle_id);
}

const json_t *step_expected_apps(struct stg_step_ctx *c)
{
	return expected(c);
}
