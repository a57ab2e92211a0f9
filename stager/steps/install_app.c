/*
 * install_app.c - one app of the station's repository: installed, brought up to date, or found there.
 *
 * For:    the apps a device needs at work, without a store, an account or a network.
 * Uses:   the host for the file (the station opens it), the device door.
 * Called: worker/run.c.
 * Thread: the worker's only one.
 *
 * What a device would refuse is told before the app is sent to it: 300 MB take a while. Whether the app is there, and in which
 * version, is always read from the device.
 */
#include <stager/apps.h>
#include <stager/watch.h>

#include "steps.h"

#define SINF_MAX (64u << 10)
#define METADATA_MAX (256u << 10)

static const struct stg_param params[] = {
	{ "app", STG_PARAM_STRING, .required = true, .variables = true, .about = "identifier of an app of the repository, such as org.example.app" },
	{ "version", STG_PARAM_STRING, .variables = true, .about = "this version or build of it (default the newest one when the batch starts)" },
	{ "exactly", STG_PARAM_BOOL, .about = "true: a newer one on the device is replaced too (default: it is left)" },
	{ 0 },
};

/* ---- is it there? ---- */

/* -1 an older one is there, 0 this one, 1 a newer one. */
static int compare(const json_t *on_device, const json_t *wanted)
{
	int c = stg_app_version_compare(stg_json_str(on_device, "version"), stg_json_str(wanted, "version"));
	return c ? c : stg_app_version_compare(stg_json_str(on_device, "build"), stg_json_str(wanted, "build"));
}

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	const json_t *wanted = step_file(c, err);
	const char *id = stg_json_str(c->params, "app");
	*ret = false;
	if (!wanted)
		return false;
	json_t *there = stg_device_find_app(c->device, id, err);
	if (!there)
		return stg_while(err, "look up %.100s", id);
	bool present = *stg_json_str(there, "bundle_id") != 0;
	int c3 = present ? compare(there, wanted) : -1;
	*ret = present && (c3 == 0 || (c3 > 0 && !stg_json_bool(c->params, "exactly", false)));
	stg_json_put_bool(c->memory, "app_there", present);
	if (*ret)
		step_expect_app(c, id, stg_json_str(there, "version"));
	stg_json_put_bool(there, "present", present);
	step_reread(c, there);
	return true;
}

/* ---- would it be refused? ---- */

static bool is_listed(const json_t *devices, const char *udid)
{
	char mine[STG_UDID_MAX], one[STG_UDID_MAX];
	if (!stg_udid_clean(udid, mine))
		return true;    /* not known: the device decides */
	for (size_t i = 0; i < json_array_size(devices); i++) {
		const char *text = json_string_value(json_array_get(devices, i));
		if (text && stg_udid_clean(text, one) && strcmp(one, mine) == 0)
			return true;
	}
	return false;
}

/* 1: iPhone, 2: iPad, which runs apps for iPhones as well. */
static bool fits_family(const json_t *families, const char *model)
{
	bool is_ipad = strncmp(model, "iPad", 4) == 0;
	if (!is_ipad && strncmp(model, "iPhone", 6) != 0 && strncmp(model, "iPod", 4) != 0)
		return true;
	for (size_t i = 0; i < json_array_size(families); i++) {
		json_int_t n = json_integer_value(json_array_get(families, i));
		if (n == 1 || (n == 2 && is_ipad))
			return true;
	}
	return json_array_size(families) == 0;
}

static bool may_go_in(const struct stg_step_ctx *c, const json_t *app, struct stg_error *err)
{
	const char *least = stg_json_str(app, "minimum_os"), *os = c->identity->os_version;
	const json_t *devices = json_object_get(app, "devices");
	int64_t end = stg_json_int(app, "expires_ms", 0);
	if (end && end <= stg_wall_ms())
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_APP_EXPIRED, 0, "%.100s %.30s", stg_json_str(app, "bundle_id"), stg_json_str(app, "version"));
	if (*os && *least && !step_version_at_least(os, least))
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_APP_NEEDS_OTHER_DEVICE, 0, "it wants %.15s, the device has %.15s", least, os);
	if (!fits_family(json_object_get(app, "families"), c->identity->model))
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_APP_NEEDS_OTHER_DEVICE, 0, "it is not for this kind of device (%.20s)", c->identity->model);
	if (json_is_array(devices) && !is_listed(devices, c->identity->udid))
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_APP_NOT_SIGNED_FOR_IT, 0, "%zu devices are named in its profile, this one is not",
				   json_array_size(devices));
	return true;
}

static bool take_extra(const json_t *app, const char *name, struct stg_buf *ret, struct stg_error *err)
{
	const char *text = stg_json_str(app, name);
	return !*text || stg_unbase64(text, ret, err);
}

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sinf = STG_BUF(SINF_MAX), metadata = STG_BUF(METADATA_MAX);
	const json_t *about = step_file(c, err);
	if (!about || !may_go_in(c, about, err) || !take_extra(about, "sinf", &sinf, err) || !take_extra(about, "metadata", &metadata, err))
		return false;
	const struct stg_app_package app = {
		.bundle_id = stg_json_str(about, "bundle_id"),
		.fd = c->file->fd,
		.size_bytes = c->file->size_bytes,
		.expanded_bytes = (uint64_t)stg_json_int(about, "expanded", 0),
		.sha256 = c->file->sha256,
		.mark = c->file->mark,
		.sinf = stg_buf_view(&sinf),
		.metadata = stg_buf_view(&metadata),
		.upgrade = stg_json_bool(c->memory, "app_there", false),
	};
	int64_t began_ms = stg_boot_ms();
	if (!stg_device_install_app(c->device, &app, err))
		return false;
	step_acknowledged(c, json_pack("{s:s, s:s, s:s, s:I, s:I, s:b}", "bundle_id", app.bundle_id, "version", stg_json_str(about, "version"), "sha256",
				       app.sha256, "bytes", (json_int_t)app.size_bytes, "took_ms", (json_int_t)(stg_boot_ms() - began_ms), "upgrade",
				       (int)app.upgrade));
	return true;
}

static bool check(const json_t *p, struct stg_error *err)
{
	return step_bundle_id_check(p, "app", err);
}

const struct stg_step stg_step_install_app = {
	.name = "install_app",
	.about = "installs an app of the station's repository, or brings it up to date",
	.params = params,
	.deadline_ms = 1800000,
	.needs_trust = true,
	.wants_file = STG_FILE_APP,
	.proven = proven,
	.run = run,
	.check = check,
};
