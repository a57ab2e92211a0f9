/*
 * installation_proxy.c - lists, installs and removes apps.
 *
 * For:    ideviceinstaller, go-ios (apps, install, uninstall) and the product's app steps.
 * Uses:   ../shelf.h (the package lies in PublicStaging, uploaded over AFC), ../ipa.h (what the package says it is), ../appcheck.h.
 * Thread: the bench's one; an installation proceeds by timers, one progress answer each.
 * Facts:  several answers for one command, the last says Complete; libimobiledevice wants Status in each, go-ios places
 *         a chunk by CurrentIndex and sums up CurrentAmount; errors by name (libimobiledevice: src/installation_proxy.c).
 */
#include "../appcheck.h"
#include "../device.h"
#include "../ipa.h"
#include "../service.h"
#include "../shelf.h"
#include "../words.h"

#include <stager/error.h>
#include <stager/plistscan.h>
#include <stdio.h>

#define CHUNK 4u   /* apps in one answer of Browse: small, so that clients have to put chunks together */
#define STEP_MS 80

static const struct {
	const char *status;
	unsigned int percent;
} steps[] = {
	{ "CreatingStagingDirectory", 5 }, { "ExtractingPackage", 15 }, { "InspectingPackage", 20 },
	{ "TakingInstallLock", 20 }, { "PreflightingApplication", 30 }, { "InstallingEmbeddedProfile", 30 },
	{ "VerifyingApplication", 40 }, { "CreatingContainer", 50 }, { "InstallingApplication", 60 },
	{ "PostflightingApplication", 70 }, { "SandboxingApplication", 80 }, { "GeneratingApplicationMap", 90 },
};

/* One command under way. */
struct proxy {
	size_t step;
	bool is_removal;
	char package[VIRT_PATH_MAX];
	struct virt_app app;
};

static void plist_free_at(plist_t *p)
{
	if (*p)
		plist_free(*p);
}

static void fail_with(struct virt_conn *c, const char *error, const char *description, uint64_t detail)
{
	plist_t answer = virt_answer("Error", error);

	virt_put(answer, "ErrorDescription", description);
	if (detail)
		virt_put_uint(answer, "ErrorDetail", detail);
	virt_send_plist(c, answer);
}

static void fail(struct virt_conn *c, const char *error, const char *description)
{
	fail_with(c, error, description, 0);
}

static plist_t app_list(const struct virt_app *app, plist_t wanted)
{
	plist_t all = plist_new_dict(), some, families = plist_new_array();
	char path[VIRT_APP_TEXT * 2];

	virt_put(all, "CFBundleIdentifier", app->id);
	virt_put(all, "CFBundleName", app->name);
	virt_put(all, "CFBundleDisplayName", app->name);
	virt_put(all, "CFBundleExecutable", app->name);
	virt_put(all, "CFBundleVersion", app->version);
	virt_put(all, "CFBundleShortVersionString", app->short_version);
	virt_put(all, "ApplicationType", app->is_system ? "System" : "User");
	virt_put(all, "SignerIdentity", app->is_system ? "Apple iPhone OS Application Signing" : "Apple Distribution");
	virt_put(all, "MinimumOSVersion", *app->minimum_os ? app->minimum_os : "15.0");
	virt_put_bool(all, "UIFileSharingEnabled", app->shares_files);
	snprintf(path, sizeof(path), "%s/%s.app", app->is_system ? "/Applications" : "/private/var/containers/Bundle/Application",
		 app->name);
	virt_put(all, "Path", path);
	virt_put_bool(all, "ProfileValidated", !app->is_system);
	plist_array_append_item(families, plist_new_uint(1));
	plist_array_append_item(families, plist_new_uint(2));
	plist_dict_set_item(all, "UIDeviceFamily", families);
	plist_dict_set_item(all, "Entitlements", virt_answer("application-identifier", app->id));
	if (!wanted)
		return all;
	some = plist_new_dict();
	for (uint32_t i = 0; i < plist_array_get_size(wanted); i++) {
		plist_t node = plist_array_get_item(wanted, i);
		const char *key = plist_get_node_type(node) == PLIST_STRING ? plist_get_string_ptr(node, NULL) : NULL;
		plist_t value = key ? plist_dict_get_item(all, key) : NULL;

		if (value)
			plist_dict_set_item(some, key, plist_copy(value));
	}
	plist_free(all);
	return some;
}

static bool is_of_type(const struct virt_app *app, const char *type)
{
	if (strcmp(type, "User") == 0)
		return !app->is_system;
	if (strcmp(type, "System") == 0)
		return app->is_system;
	return true;   /* "Any", "Internal" or nothing said */
}

static void send_chunk(struct virt_conn *c, plist_t list, uint64_t index, uint64_t total)
{
	plist_t answer = virt_answer("Status", "BrowsingApplications");

	virt_put_uint(answer, "CurrentIndex", index);
	virt_put_uint(answer, "CurrentAmount", plist_array_get_size(list));
	virt_put_uint(answer, "Total", total);
	plist_dict_set_item(answer, "CurrentList", list);
	virt_send_plist(c, answer);
}

static void browse(struct virt_conn *c, plist_t options)
{
	const struct virt_shelf *shelf = virt_shelf(virt_conn_device(c));
	const char *type = virt_text(options, "ApplicationType");
	plist_t wanted = virt_node(options, "ReturnAttributes", PLIST_ARRAY), list = plist_new_array();
	uint64_t sent = 0, total = 0;

	for (size_t i = 0; i < virt_shelf_apps(shelf); i++)
		total += is_of_type(virt_shelf_app(shelf, i), type);
	for (size_t i = 0; i < virt_shelf_apps(shelf); i++) {
		if (!is_of_type(virt_shelf_app(shelf, i), type))
			continue;
		plist_array_append_item(list, app_list(virt_shelf_app(shelf, i), wanted));
		if (plist_array_get_size(list) == CHUNK) {
			send_chunk(c, list, sent, total);
			sent += CHUNK;
			list = plist_new_array();
		}
	}
	if (plist_array_get_size(list) > 0 || total == 0)
		send_chunk(c, list, sent, total);
	else
		plist_free(list);
	virt_send_plist(c, virt_answer("Status", "Complete"));
}

static void lookup(struct virt_conn *c, plist_t options)
{
	const struct virt_shelf *shelf = virt_shelf(virt_conn_device(c));
	const char *type = virt_text(options, "ApplicationType");
	plist_t ids = virt_node(options, "BundleIDs", PLIST_ARRAY), wanted = virt_node(options, "ReturnAttributes", PLIST_ARRAY);
	plist_t result = plist_new_dict(), answer = plist_new_dict();

	for (size_t i = 0; i < virt_shelf_apps(shelf); i++) {
		const struct virt_app *app = virt_shelf_app(shelf, i);
		bool asked = !ids && is_of_type(app, type);

		for (uint32_t n = 0; ids && !asked && n < plist_array_get_size(ids); n++) {
			plist_t node = plist_array_get_item(ids, n);

			asked = plist_get_node_type(node) == PLIST_STRING
				&& strcmp(plist_get_string_ptr(node, NULL), app->id) == 0;
		}
		if (asked)
			plist_dict_set_item(result, app->id, app_list(app, wanted));
	}
	plist_dict_set_item(answer, "LookupResult", result);
	virt_put(answer, "Status", "Complete");
	virt_send_plist(c, answer);
}

/* The package's Info.plist: an archive, or a folder for developer packages. */
static plist_t package_info(struct virt_shelf *shelf, const char *path, struct stg_error *err)
{
	struct virt_file *f = virt_shelf_file(shelf, path);
	char inside[VIRT_PATH_MAX];
	plist_t info = NULL;

	if (!f) {
		stg_fail(err, STG_E_NOT_FOUND, 0, "no package at that path");
		return NULL;
	}
	if (!f->is_folder)
		return virt_ipa_info(virt_body_view(&f->data), err);
	if ((size_t)snprintf(inside, sizeof(inside), "%s/Info.plist", path) < sizeof(inside))
		f = virt_shelf_file(shelf, inside);
	if (!f || f->is_folder || !stg_plist_scan(virt_body_view(&f->data), &stg_plist_device, NULL, err)) {
		stg_fail(err, STG_E_NOT_FOUND, 0, "no Info.plist in the package");
		return NULL;
	}
	plist_from_memory((const char *)f->data.data, (uint32_t)f->data.len, &info);
	if (!info)
		stg_fail(err, STG_E_PROTOCOL, 0, "Info.plist cannot be read");
	return info;
}

static void proceed(struct virt_conn *c, void *arg);

static void start(struct virt_conn *c, plist_t msg, const char *command)
{
	struct virt_device *d = virt_conn_device(c);
	struct virt_shelf *shelf = virt_shelf(d);
	struct proxy *p = virt_state(c);
	struct stg_error err = { 0 };
	STG_AUTO(plist_free_at) plist_t info = NULL;
	STG_AUTO(stg_buf_clear) struct stg_buf profile = STG_BUF((size_t)1 << 20);
	plist_t options = virt_node(msg, "ClientOptions", PLIST_DICT);
	const char *path = virt_text(msg, "PackagePath");
	const struct virt_file *f;
	struct virt_app_no no;
	json_t *args = NULL;
	bool bought;

	if (virt_fault(d, command, "refuse", &args)) {
		fail_with(c, stg_json_str_or(args, "error", "ApplicationVerificationFailed"), "refused by a fault",
			  (uint64_t)stg_json_int(args, "detail", 0));
		return;
	}
	if (!*path || !stg_copy(p->package, sizeof(p->package), path)) {
		fail(c, "MissingPackagePath", "the request names no package");
		return;
	}
	info = package_info(shelf, p->package, &err);
	if (!info) {
		fail(c, err.code == STG_E_NOT_FOUND ? "PackageInspectionFailed" : "PackageExtractionFailed", err.msg);
		return;
	}
	f = virt_shelf_file(shelf, p->package);
	if (f && !f->is_folder)
		(void)virt_ipa_file(virt_body_view(&f->data), "embedded.mobileprovision", &profile, NULL);
	/* what was bought comes with a proof of it; whose it is shows when it is opened */
	bought = virt_node(options, "ApplicationSINF", PLIST_DATA) && virt_node(options, "iTunesMetadata", PLIST_DATA);
	if (!virt_app_check(d, info, stg_buf_view(&profile), f && !f->is_folder && !bought, &p->app, &no)) {
		fail_with(c, no.error, no.about, no.detail);
		return;
	}
	p->step = 0;
	p->is_removal = false;
	proceed(c, NULL);
}

static void finish(struct virt_conn *c, struct proxy *p)
{
	struct virt_device *d = virt_conn_device(c);
	struct virt_shelf *shelf = virt_shelf(d);

	if (p->is_removal) {
		virt_shelf_remove_app(shelf, p->app.id);
		virt_notify(d, "com.apple.mobile.application_uninstalled");
	} else if (virt_fault(d, "Install", "absent", NULL)) {
		/* acknowledged, but not there afterwards */
	} else if (d->disk_full || virt_fault(d, "Install", "disk_full", NULL) || virt_shelf_put_app(shelf, &p->app) != VIRT_SHELF_OK) {
		fail(c, "PackageExtractionFailed", "there is no room left on the device");
		return;
	} else {
		virt_shelf_remove(shelf, p->package, true);
		virt_notify(d, "com.apple.mobile.application_installed");
	}
	virt_send_plist(c, virt_answer("Status", "Complete"));
}

static void proceed(struct virt_conn *c, void *arg)
{
	struct proxy *p = virt_state(c);
	json_t *args = NULL;
	plist_t answer;

	(void)arg;
	if (p->step == STG_ARRAY_LEN(steps)) {
		finish(c, p);
		return;
	}
	answer = virt_answer("Status", steps[p->step].status);
	virt_put_uint(answer, "PercentComplete",
		      virt_fault(virt_conn_device(c), "Install", "percent", &args) ? (uint64_t)stg_json_int(args, "value", -1) : steps[p->step].percent);
	virt_send_plist(c, answer);
	if (!virt_fault(virt_conn_device(c), "Install", "endless", NULL))
		p->step++;
	virt_after(c, STEP_MS, proceed, NULL);
}

static void uninstall(struct virt_conn *c, plist_t msg)
{
	struct proxy *p = virt_state(c);
	const char *id = virt_text(msg, "ApplicationIdentifier");
	const struct virt_app *app = virt_shelf_app_by_id(virt_shelf(virt_conn_device(c)), id);
	plist_t answer;

	if (!*id || !stg_copy(p->app.id, sizeof(p->app.id), id)) {
		fail(c, "MissingBundleIdentifier", "the request names no app");
		return;
	}
	if (app && app->is_system) {
		fail(c, "UninstallProhibited", "the app belongs to the system");
		return;
	}
	answer = virt_answer("Status", "RemovingApplication");
	virt_put_uint(answer, "PercentComplete", 50);
	virt_send_plist(c, answer);
	p->step = STG_ARRAY_LEN(steps);
	p->is_removal = true;
	virt_after(c, STEP_MS, proceed, NULL);
}

static void capabilities(struct virt_conn *c)
{
	plist_t answer = plist_new_dict(), result = plist_new_dict();

	virt_put_bool(result, "CapabilitiesMatch", true);
	plist_dict_set_item(answer, "LookupResult", result);
	virt_put(answer, "Status", "Complete");
	virt_send_plist(c, answer);
}

static void message(struct virt_conn *c, plist_t msg)
{
	const char *command = virt_text(msg, "Command");
	plist_t options = virt_node(msg, "ClientOptions", PLIST_DICT);

	if (strcmp(command, "Browse") == 0) {
		browse(c, options);
	} else if (strcmp(command, "Lookup") == 0) {
		lookup(c, options);
	} else if (strcmp(command, "Install") == 0 || strcmp(command, "Upgrade") == 0) {
		start(c, msg, command);
	} else if (strcmp(command, "Uninstall") == 0) {
		uninstall(c, msg);
	} else if (strcmp(command, "LookupArchives") == 0) {
		plist_t answer = virt_answer("Status", "Complete");

		plist_dict_set_item(answer, "LookupResult", plist_new_dict());
		virt_send_plist(c, answer);
	} else if (strcmp(command, "CheckCapabilitiesMatch") == 0) {
		capabilities(c);
	} else {
		fail(c, "UnknownCommand", "the device does not know this command");
	}
}

const struct virt_service virt_service_installation_proxy = {
	.names = { "com.apple.mobile.installation_proxy" },
	.framing = VIRT_PLIST,
	.state_size = sizeof(struct proxy),
	.message = message,
};
