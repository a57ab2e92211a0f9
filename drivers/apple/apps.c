/*
 * apps.c - apps on the device: listed, looked up, installed, taken away.
 *
 * For:    stg_device_list_apps, _find_app, _install_app, _remove_app.
 * Uses:   lockdown.c for the service, afc.c for the package.
 * Called: through the driver's table.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 5.2: several answers for one question, the last says Complete; a package lies in the media folder
 *         PublicStaging. ApplicationSINF and iTunesMetadata go along with an app of the store (ideviceinstaller 1.1.1).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "afc.h"

#define SERVICE "com.apple.mobile.installation_proxy"
#define STAGING "PublicStaging"
#define ANSWER_MS 60000
#define WORK_MS 300000                   /* from one word of progress to the next: a large app is unpacked and checked */
#define APPS_MAX 5000
#define ANSWERS_MAX 10000
#define SENT_PERCENT 80                  /* of the whole; the rest is the device's own work */
#define SPARE_BYTES (200ull << 20)       /* a system that is quite full refuses for other reasons */

/* ---- questions ---- */

static plist_t texts(const char *const *list, size_t n)
{
	plist_t array = plist_new_array();
	for (size_t i = 0; i < n; i++)
		plist_array_append_item(array, plist_new_string(list[i]));
	return array;
}

static plist_t question(const char *command, plist_t options /* taken */)
{
	static const char *const wanted[] = { "CFBundleIdentifier", "CFBundleShortVersionString", "CFBundleVersion", "CFBundleDisplayName",
					      "CFBundleName", "SignerIdentity" };
	plist_t ask = plist_new_dict();
	plist_dict_set_item(options, "ReturnAttributes", texts(wanted, STG_ARRAY_LEN(wanted)));
	apple_put_str(ask, "Command", command);
	plist_dict_set_item(ask, "ClientOptions", options);
	return ask;
}

bool apple_app_refused(plist_t reply, const char *what, struct stg_error *err)
{
	const char *error = apple_str(reply, "Error");
	const struct stg_code_row *row = stg_codes_by_name(&stg_codes_installation_proxy, error, false);
	char word[80], about[120], number[32] = "";
	uint64_t detail = 0;
	if (!row)
		row = &stg_codes_installation_proxy.otherwise;
	stg_printable(error, false, word, sizeof(word));
	stg_printable(apple_str(reply, "ErrorDescription"), false, about, sizeof(about));
	/* what the signature check says: 0xe8008015 and its neighbours */
	if (apple_uint(reply, "ErrorDetail", &detail))
		snprintf(number, sizeof(number), " (0x%08x)", (unsigned int)(detail & UINT32_MAX));
	return stg_fail_id(err, row->code, row->id, row->first, "%s: %s%s%s%s", what, word, number, *about ? ": " : "", about);
}

/* Sends and hears until the device says Complete; `each` sees every answer that is no error. */
static bool talk(struct apple_link *l, plist_t ask, int64_t answer_ms, const char *what, void (*each)(void *ctx, plist_t reply), void *ctx,
		 struct stg_error *err)
{
	if (!apple_link_send(l, ask, ANSWER_MS, err))
		return stg_while(err, "%s", what);
	for (int i = 0; i < ANSWERS_MAX; i++) {
		STG_AUTO(apple_plist_free_at) plist_t reply = apple_link_receive(l, &stg_plist_apps, answer_ms, err);
		if (!reply)
			return stg_while(err, "%s", what);
		if (*apple_str(reply, "Error"))
			return apple_app_refused(reply, what, err);
		each(ctx, reply);
		if (strcmp(apple_str(reply, "Status"), "Complete") == 0)
			return true;
	}
	return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "%s: an answer without an end", what);
}

/* ---- list and look up ---- */

static void add_text(json_t *to, const char *name, plist_t app, const char *key, const char *else_key)
{
	char clean[512];
	const char *text = apple_str(app, key);
	stg_printable(*text || !else_key ? text : apple_str(app, else_key), true, clean, sizeof(clean));
	stg_json_put(to, name, clean);
}

static json_t *app_json(plist_t app)
{
	json_t *one = json_object();
	add_text(one, "bundle_id", app, "CFBundleIdentifier", NULL);
	add_text(one, "version", app, "CFBundleShortVersionString", "CFBundleVersion");
	add_text(one, "build", app, "CFBundleVersion", NULL);
	add_text(one, "name", app, "CFBundleDisplayName", "CFBundleName");
	add_text(one, "signer", app, "SignerIdentity", NULL);
	return one;
}

static void add_apps(void *ctx, plist_t reply)
{
	json_t *ret = ctx;
	plist_t list = apple_array(reply, "CurrentList");
	for (uint32_t i = 0; list && i < plist_array_get_size(list) && json_array_size(ret) < APPS_MAX; i++) {
		json_t *one = app_json(plist_array_get_item(list, i));
		if (*stg_json_str(one, "bundle_id"))
			json_array_append_new(ret, one);
		else
			json_decref(one);
	}
}

json_t *apple_list_apps(struct stg_device *base, struct stg_error *err)
{
	STG_AUTO(apple_link_close_at) struct apple_link *l = apple_service(apple_device(base), SERVICE, err);
	plist_t options = plist_new_dict();
	apple_put_str(options, "ApplicationType", "User");
	STG_AUTO(apple_plist_free_at) plist_t ask = question("Browse", options);
	STG_AUTO(stg_json_free_at) json_t *ret = json_array();
	if (!l) {
		stg_while(err, "list apps");
		return NULL;
	}
	return talk(l, ask, ANSWER_MS, "list apps", add_apps, ret, err) ? stg_steal(ret) : NULL;
}

struct search {
	const char *bundle_id;
	json_t *found;
};

static void note_found(void *ctx, plist_t reply)
{
	struct search *s = ctx;
	plist_t app = apple_dict(apple_dict(reply, "LookupResult"), s->bundle_id);
	if (!app)
		return;
	json_decref(s->found);
	s->found = app_json(app);
	/* the place it stood at names it; an answer may leave the rest out */
	stg_json_put(s->found, "bundle_id", s->bundle_id);
}

json_t *apple_find_app(struct stg_device *base, const char *bundle_id, struct stg_error *err)
{
	STG_AUTO(apple_link_close_at) struct apple_link *l = apple_service(apple_device(base), SERVICE, err);
	plist_t options = plist_new_dict();
	plist_dict_set_item(options, "BundleIDs", texts(&bundle_id, 1));
	STG_AUTO(apple_plist_free_at) plist_t ask = question("Lookup", options);
	struct search s = { .bundle_id = bundle_id, .found = json_object() };
	if (l && talk(l, ask, ANSWER_MS, "look up an app", note_found, &s, err))
		return s.found;
	json_decref(s.found);
	if (!l)
		stg_while(err, "look up an app");
	return NULL;
}

struct among {
	const char *const *wanted;
	json_t *found;
};

static void note_among(void *ctx, plist_t reply)
{
	struct among *a = ctx;
	plist_t found = apple_dict(reply, "LookupResult");
	for (size_t i = 0; a->wanted[i]; i++)
		if (apple_dict(found, a->wanted[i]))
			json_array_append_new(a->found, json_string(a->wanted[i]));
}

json_t *apple_apps_among(struct apple_device *dev, const char *const *bundle_ids, struct stg_error *err)
{
	STG_AUTO(apple_link_close_at) struct apple_link *l = apple_service(dev, SERVICE, err);
	plist_t options = plist_new_dict();
	size_t n = 0;
	while (bundle_ids[n])
		n++;
	plist_dict_set_item(options, "BundleIDs", texts(bundle_ids, n));
	STG_AUTO(apple_plist_free_at) plist_t ask = question("Lookup", options);
	STG_AUTO(stg_json_free_at) json_t *found = json_array();
	struct among a = { .wanted = bundle_ids, .found = found };
	if (l && talk(l, ask, ANSWER_MS, "look for apps", note_among, &a, err))
		return stg_steal(found);
	if (!l)
		stg_while(err, "look for apps");
	return NULL;
}

/* ---- install ---- */

struct progress {
	const struct stg_host *host;
	int told;
};

static void note_progress(void *ctx, plist_t reply)
{
	struct progress *p = ctx;
	uint64_t percent = 0;
	if (!apple_uint(reply, "PercentComplete", &percent) || percent > 100)
		return;
	int now = SENT_PERCENT + (int)((100 - SENT_PERCENT) * percent / 100);
	if (now > p->told && p->host && p->host->progress)
		p->host->progress(p->host->ctx, now);
	p->told = now > p->told ? now : p->told;
}

/* Room for the package and for what it becomes, told before the whole of it was sent in vain. */
static bool has_room(struct apple_afc *a, const struct stg_app_package *app, struct stg_error *err)
{
	uint64_t room = 0, want = app->size_bytes + app->expanded_bytes + SPARE_BYTES;
	if (!apple_afc_free_bytes(a, &room, err))
		return false;
	return room >= want || stg_fail_id(err, STG_E_REFUSED, STG_ID_DEVICE_FULL, 0, "%" PRIu64 " MiB are free, %" PRIu64 " MiB are wanted", room >> 20, want >> 20);
}

static bool send_package(struct apple_device *dev, const struct stg_app_package *app, const char *path, struct stg_error *err)
{
	struct apple_afc a;
	bool ok = apple_afc_open(dev, &a, err) && has_room(&a, app, err) && apple_afc_make_folder(&a, STAGING, err) &&
		  apple_afc_send(&a, dev->base.host, path, app->fd, app->size_bytes, app->mark, 0, SENT_PERCENT, err);
	apple_afc_close(&a);
	return ok || stg_while(err, "send the app");
}

/* What the device did not take is not left in its way. */
static void sweep(struct apple_device *dev, const char *path)
{
	struct apple_afc a;
	if (apple_afc_open(dev, &a, NULL))
		(void)apple_afc_remove(&a, path, NULL);
	apple_afc_close(&a);
}

bool apple_install_app(struct stg_device *base, const struct stg_app_package *app, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	struct progress p = { .host = base->host, .told = SENT_PERCENT };
	char path[64];
	/* one name for one content: what an interrupted attempt left is written over */
	snprintf(path, sizeof(path), STAGING "/stager-%.16s.ipa", app->sha256);
	if (!send_package(dev, app, path, err))
		return false;
	STG_AUTO(apple_link_close_at) struct apple_link *l = apple_service(dev, SERVICE, err);
	STG_AUTO(apple_plist_free_at) plist_t ask = plist_new_dict();
	plist_t options = plist_new_dict();
	apple_put_str(options, "CFBundleIdentifier", app->bundle_id);
	if (app->sinf.len && app->metadata.len) {
		apple_put_data(options, "ApplicationSINF", app->sinf);
		apple_put_data(options, "iTunesMetadata", app->metadata);
	}
	apple_put_str(ask, "Command", app->upgrade ? "Upgrade" : "Install");
	apple_put_str(ask, "PackagePath", path);
	plist_dict_set_item(ask, "ClientOptions", options);
	if (!l)
		return stg_while(err, "install the app");
	if (talk(l, ask, WORK_MS, "install", note_progress, &p, err))
		return true;
	if (err->code == STG_E_REFUSED)
		sweep(dev, path);
	return false;
}

/* ---- remove ---- */

static void nothing(void *ctx, plist_t reply)
{
	(void)ctx, (void)reply;
}

bool apple_remove_app(struct stg_device *base, const char *bundle_id, struct stg_error *err)
{
	STG_AUTO(apple_link_close_at) struct apple_link *l = apple_service(apple_device(base), SERVICE, err);
	STG_AUTO(apple_plist_free_at) plist_t ask = plist_new_dict();
	apple_put_str(ask, "Command", "Uninstall");
	apple_put_str(ask, "ApplicationIdentifier", bundle_id);
	return l ? talk(l, ask, WORK_MS, "remove the app", nothing, NULL, err) : stg_while(err, "remove the app");
}
