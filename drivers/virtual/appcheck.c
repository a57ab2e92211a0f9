/*
 * appcheck.c - may this app go onto this virtual device?
 *
 * For:    installation_proxy, streaming_zip_conduit.
 * Uses:   provision.h for the signature layer.
 * Thread: any.
 * Facts:  errors by name (libimobiledevice: src/installation_proxy.c); ErrorDetail of the signature check as people report it:
 *         0xe800801c no signature, 0xe8008015 no profile that fits.
 */
#include "appcheck.h"

#include "provision.h"
#include "words.h"

#include <stager/clock.h>
#include <stdlib.h>
#include <strings.h>

static void plist_free_at(plist_t *p)
{
	if (*p)
		plist_free(*p);
}

static bool no(struct virt_app_no *ret, const char *error, const char *about, uint64_t detail)
{
	*ret = (struct virt_app_no){ error, about, detail };
	return false;
}

/* "15.4" against "17.5.1", number by number. */
static int compare_versions(const char *a, const char *b)
{
	while (*a || *b) {
		char *a_end, *b_end;
		unsigned long x = strtoul(a, &a_end, 10), y = strtoul(b, &b_end, 10);

		if (x != y)
			return x < y ? -1 : 1;
		if ((a_end == a && *a) || (b_end == b && *b))
			return 0;   /* not a version: nothing to compare */
		a = *a_end == '.' ? a_end + 1 : a_end;
		b = *b_end == '.' ? b_end + 1 : b_end;
	}
	return 0;
}

static bool family_fits(const struct virt_device *d, plist_t info)
{
	plist_t families = virt_node(info, "UIDeviceFamily", PLIST_ARRAY);
	uint64_t mine = d->model->is_ipad ? 2 : 1;

	for (uint32_t i = 0; families && i < plist_array_get_size(families); i++) {
		plist_t node = plist_array_get_item(families, i);
		uint64_t family = 0;

		if (plist_get_node_type(node) == PLIST_UINT)
			plist_get_uint_val(node, &family);
		if (family == mine || family == 1)   /* an iPad runs iPhone apps */
			return true;
	}
	return !families;
}

static bool yes(plist_t dict, const char *key)
{
	plist_t node = virt_node(dict, key, PLIST_BOOLEAN);
	uint8_t value = 0;

	if (node)
		plist_get_bool_val(node, &value);
	return value;
}

static bool has_expired(plist_t profile)
{
	plist_t date = virt_node(profile, "ExpirationDate", PLIST_DATE);
	int32_t sec = 0, usec = 0;

	if (!date)
		return false;
	plist_get_date_val(date, &sec, &usec);
	return sec >= 0 && ((int64_t)sec + 978307200) * 1000 <= stg_wall_ms();
}

static bool names_it(plist_t profile, const char *udid)
{
	plist_t list = virt_node(profile, "ProvisionedDevices", PLIST_ARRAY);

	for (uint32_t i = 0; list && i < plist_array_get_size(list); i++) {
		plist_t one = plist_array_get_item(list, i);

		if (plist_get_node_type(one) == PLIST_STRING && strcasecmp(plist_get_string_ptr(one, NULL), udid) == 0)
			return true;
	}
	return yes(profile, "ProvisionsAllDevices");
}

static bool is_signed_for_it(const struct virt_device *d, struct stg_bytes signed_bytes, struct virt_app *app, struct virt_app_no *ret_no)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF((size_t)1 << 20);
	STG_AUTO(plist_free_at) plist_t profile = NULL;

	if (signed_bytes.len > 0 && virt_provision_open(signed_bytes, &text))
		plist_from_memory((const char *)text.data, (uint32_t)text.len, &profile);
	if (!profile)
		return no(ret_no, "ApplicationVerificationFailed", "Failed to verify code signature: no code signature found.", 0xe800801cu);
	if (has_expired(profile) || !names_it(profile, d->udid))
		return no(ret_no, "ApplicationVerificationFailed", "A valid provisioning profile for this executable was not found.", 0xe8008015u);
	app->is_debuggable = yes(virt_node(profile, "Entitlements", PLIST_DICT), "get-task-allow");
	return true;
}

bool virt_app_check(struct virt_device *d, plist_t info, struct stg_bytes profile, bool needs_signature, struct virt_app *ret,
		    struct virt_app_no *ret_no)
{
	const char *id = virt_text(info, "CFBundleIdentifier"), *name = virt_text(info, "CFBundleDisplayName");
	const struct virt_app *old = virt_shelf_app_by_id(virt_shelf(d), id);

	*ret = (struct virt_app){ 0 };
	if (!*id || !stg_copy(ret->id, sizeof(ret->id), id))
		return no(ret_no, "MissingBundleIdentifier", "Info.plist has no CFBundleIdentifier", 0);
	if (compare_versions(virt_text(info, "MinimumOSVersion"), d->os->version) > 0)
		return no(ret_no, "DeviceOSVersionTooLow", "the app wants a newer system", 0);
	if (!family_fits(d, info))
		return no(ret_no, "DeviceFamilyNotSupported", "the app is for another kind of device", 0);
	if (old && old->is_system)
		return no(ret_no, "ApplicationVerificationFailed", "an app of the system has that identifier", 0);
	if (needs_signature && !is_signed_for_it(d, profile, ret, ret_no))
		return false;
	name = *name ? name : virt_text(info, "CFBundleName");
	ret->shares_files = yes(info, "UIFileSharingEnabled");
	stg_copy(ret->minimum_os, sizeof(ret->minimum_os), virt_text(info, "MinimumOSVersion"));
	stg_copy(ret->name, sizeof(ret->name), *name ? name : id);
	stg_copy(ret->version, sizeof(ret->version), virt_text(info, "CFBundleVersion"));
	stg_copy(ret->short_version, sizeof(ret->short_version), virt_text(info, "CFBundleShortVersionString"));
	return true;
}
