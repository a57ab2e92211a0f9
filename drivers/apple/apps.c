/*
 * apps.c - which apps a person installed.
 *
 * For:    stg_device_list_apps.
 * Uses:   lockdown.c for the service.
 * Called: through the driver's table.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 5.2: several answers for one question, the last says Complete.
 */
#include "device.h"

#define SERVICE "com.apple.mobile.installation_proxy"
#define ANSWER_MS 60000
#define APPS_MAX 5000
#define ANSWERS_MAX 1000

static plist_t question(void)
{
	static const char *const wanted[] = { "CFBundleIdentifier", "CFBundleShortVersionString", "CFBundleVersion", "CFBundleDisplayName",
					      "CFBundleName" };
	plist_t ask = plist_new_dict(), options = plist_new_dict(), list = plist_new_array();
	for (size_t i = 0; i < STG_ARRAY_LEN(wanted); i++)
		plist_array_append_item(list, plist_new_string(wanted[i]));
	apple_put_str(options, "ApplicationType", "User");
	plist_dict_set_item(options, "ReturnAttributes", list);
	apple_put_str(ask, "Command", "Browse");
	plist_dict_set_item(ask, "ClientOptions", options);
	return ask;
}

static void add_text(json_t *to, const char *name, plist_t app, const char *key, const char *else_key)
{
	char clean[512];
	const char *text = apple_str(app, key);
	stg_printable(*text || !else_key ? text : apple_str(app, else_key), true, clean, sizeof(clean));
	stg_json_put(to, name, clean);
}

static void add_apps(json_t *ret, plist_t list)
{
	for (uint32_t i = 0; list && i < plist_array_get_size(list) && json_array_size(ret) < APPS_MAX; i++) {
		plist_t app = plist_array_get_item(list, i);
		json_t *one = json_object();
		add_text(one, "bundle_id", app, "CFBundleIdentifier", NULL);
		add_text(one, "version", app, "CFBundleShortVersionString", "CFBundleVersion");
		add_text(one, "name", app, "CFBundleDisplayName", "CFBundleName");
		if (*stg_json_str(one, "bundle_id"))
			json_array_append_new(ret, one);
		else
			json_decref(one);
	}
}

json_t *apple_list_apps(struct stg_device *base, struct stg_error *err)
{
	STG_AUTO(apple_link_close_at) struct apple_link *l = apple_service(apple_device(base), SERVICE, err);
	STG_AUTO(apple_plist_free_at) plist_t ask = question();
	STG_AUTO(stg_json_free_at) json_t *ret = json_array();
	if (!l || !apple_link_send(l, ask, ANSWER_MS, err)) {
		stg_while(err, "list apps");
		return NULL;
	}
	for (int i = 0; i < ANSWERS_MAX; i++) {
		STG_AUTO(apple_plist_free_at) plist_t reply = apple_link_receive(l, &stg_plist_apps, ANSWER_MS, err);
		if (!reply) {
			stg_while(err, "list apps");
			return NULL;
		}
		const char *error = apple_str(reply, "Error");
		if (*error) {
			char clean[160];
			stg_printable(error, false, clean, sizeof(clean));
			const struct stg_code_row *row = stg_codes_by_name(&stg_codes_installation_proxy, error, false);
			if (!row)
				row = &stg_codes_installation_proxy.otherwise;
			stg_fail_id(err, row->code, row->id, row->first, "list apps: %s", clean);
			return NULL;
		}
		add_apps(ret, apple_array(reply, "CurrentList"));
		if (strcmp(apple_str(reply, "Status"), "Complete") == 0)
			return stg_steal(ret);
	}
	stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "list apps: an answer without an end");
	return NULL;
}
