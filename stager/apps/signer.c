/*
 * signer.c - who signed an app, for which devices, and until when.
 *
 * For:    the repository: a build that no device takes any more is told before 300 MB are sent to it.
 * Uses:   zip.c, <stager/keys.h> for the signature layer, OpenSSL for the certificates inside.
 * Called: ipa.c.
 * Thread: any; no state.
 *
 * Facts:  embedded.mobileprovision is CMS around a property list: ProvisionsAllDevices (in-house), ProvisionedDevices (ad hoc, and
 *         development when the entitlement get-task-allow is true), ExpirationDate, TeamName, DeveloperCertificates. An app of the
 *         store has none; iTunesMetadata.plist and SC_Info/NAME.sinf go along with it and say whose purchase it is.
 *         Whose signature it is in the end only a device judges: the chain is not checked here.
 */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <stager/clock.h>
#include <stager/keys.h>
#include <stager/text.h>

#include "inner.h"

/* libplist counts dates from 2001-01-01. */
#define PLIST_EPOCH_S 978307200LL
#define DEVICES_MAX 2000
#define CERTIFICATES_MAX 50
#define SINF_MAX ((size_t)64 << 10)
#define METADATA_MAX ((size_t)256 << 10)
#define SOON_MS (30ll * 24 * 3600 * 1000)

static void X509_free_at(X509 **p)
{
	X509_free(*p);
}

/* The last of the certificates that may have signed it; 0: none can be read. */
static int64_t certificates_end_ms(plist_t profile)
{
	plist_t list = app_node(profile, "DeveloperCertificates", PLIST_ARRAY);
	int64_t last = 0;
	for (uint32_t i = 0; list && i < plist_array_get_size(list) && i < CERTIFICATES_MAX; i++) {
		plist_t one = plist_array_get_item(list, i);
		char *data = NULL;
		uint64_t len = 0;
		if (plist_get_node_type(one) != PLIST_DATA)
			continue;
		plist_get_data_val(one, &data, &len);
		STG_AUTO(stg_free_at) char *bytes = data;
		const unsigned char *at = (const unsigned char *)bytes;
		STG_AUTO(X509_free_at) X509 *x = d2i_X509(NULL, &at, (long)len);
		struct tm when;
		if (!x || !ASN1_TIME_to_tm(X509_get0_notAfter(x), &when))
			continue;
		int64_t end = (int64_t)timegm(&when) * 1000;
		last = end > last ? end : last;
	}
	ERR_clear_error();
	return last;
}

static int64_t date_ms(plist_t profile, const char *key)
{
	plist_t date = app_node(profile, key, PLIST_DATE);
	int32_t sec = 0, usec = 0;
	if (!date)
		return 0;
	plist_get_date_val(date, &sec, &usec);
	/* libplist counts in 32 bits: what lies behind 2069 comes out before 2001 */
	return sec < 0 ? 0 : (sec + PLIST_EPOCH_S) * 1000;
}

static void put_devices(json_t *row, plist_t profile)
{
	plist_t list = app_node(profile, "ProvisionedDevices", PLIST_ARRAY);
	json_t *devices = json_array();
	for (uint32_t i = 0; list && i < plist_array_get_size(list) && i < DEVICES_MAX; i++) {
		plist_t one = plist_array_get_item(list, i);
		const char *udid = plist_get_node_type(one) == PLIST_STRING ? plist_get_string_ptr(one, NULL) : "";
		size_t len = strlen(udid);
		if (len >= 24 && len <= 40 && strspn(udid, "0123456789abcdefABCDEF-") == len)
			json_array_append_new(devices, json_string(udid));
	}
	stg_json_put_new(row, "devices", devices);
}

static void put_team(json_t *row, plist_t profile)
{
	plist_t teams = app_node(profile, "TeamIdentifier", PLIST_ARRAY);
	plist_t id = teams && plist_array_get_size(teams) ? plist_array_get_item(teams, 0) : NULL;
	char text[300], clean[64] = "";
	app_put_text(row, "signer", profile, "TeamName");
	if (!id || plist_get_node_type(id) != PLIST_STRING)
		return;
	stg_printable(plist_get_string_ptr(id, NULL), false, clean, sizeof(clean));
	snprintf(text, sizeof(text), "%.200s (%s)", stg_json_str(row, "signer"), clean);
	stg_json_put(row, "signer", *stg_json_str(row, "signer") ? text : clean);
}

/* "TEAM.org.example.app", "TEAM.org.example.*" or "TEAM.*" */
static bool is_for(plist_t entitlements, const char *bundle_id)
{
	plist_t id = app_node(entitlements, "application-identifier", PLIST_STRING);
	const char *text = id ? strchr(plist_get_string_ptr(id, NULL), '.') : NULL;
	size_t len = text ? strlen(++text) : 0;
	if (!text)
		return true;    /* says nothing: the device decides */
	return len && text[len - 1] == '*' ? strncmp(text, bundle_id, len - 1) == 0 : strcmp(text, bundle_id) == 0;
}

static void warn_dates(json_t *row)
{
	int64_t end = stg_json_int(row, "expires_ms", 0), now = stg_wall_ms();
	if (end && end <= now)
		app_warn(row, N_("its signature has expired"));
	else if (end && end <= now + SOON_MS)
		app_warn(row, N_("its signature expires within 30 days"));
}

static bool read_profile(struct stg_bytes signed_bytes, json_t *row, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(ENTRY_MAX);
	STG_AUTO(stg_json_free_at) json_t *by = NULL;
	struct stg_error why = { 0 };
	if (!stg_cms_unwrap(signed_bytes, &text, &by, &why))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_NOT_AN_APP, 0, "embedded.mobileprovision: %.150s", why.msg);
	STG_AUTO(app_plist_free_at) plist_t p = app_plist(stg_buf_view(&text), "embedded.mobileprovision", err);
	if (!p)
		return false;
	plist_t entitlements = app_node(p, "Entitlements", PLIST_DICT);
	bool debuggable = app_true(entitlements, "get-task-allow");
	stg_json_put(row, "signing", app_true(p, "ProvisionsAllDevices") ? "enterprise" : debuggable ? "development" : "ad-hoc");
	app_put_text(row, "profile", p, "Name");
	put_team(row, p);
	stg_json_put_bool(row, "debuggable", debuggable);
	if (!app_true(p, "ProvisionsAllDevices"))
		put_devices(row, p);
	int64_t profile_end = date_ms(p, "ExpirationDate"), certificates_end = certificates_end_ms(p);
	int64_t end = certificates_end && (!profile_end || certificates_end < profile_end) ? certificates_end : profile_end;
	if (end)
		stg_json_put_int(row, "expires_ms", end);
	warn_dates(row);
	if (!is_for(entitlements, stg_json_str(row, "bundle_id")))
		app_warn(row, N_("its provisioning profile is for another app"));
	return true;
}

static bool keep(json_t *extras, const char *name, const struct stg_buf *bytes, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(bytes->len * 2 + 16);
	if (!stg_base64(stg_buf_view(bytes), &text, err))
		return false;
	stg_json_put(extras, name, stg_buf_str(&text));
	return true;
}

static bool read_store(const struct package *p, const struct stg_buf *metadata, json_t *row, struct stg_error *err)
{
	STG_AUTO(app_plist_free_at) plist_t m = app_plist(stg_buf_view(metadata), "iTunesMetadata.plist", err);
	STG_AUTO(stg_buf_clear) struct stg_buf sinf = STG_BUF(SINF_MAX);
	STG_AUTO(stg_json_free_at) json_t *extras = json_object();
	char folder[1200], path[1200];
	bool found = false;
	if (!m)
		return false;
	stg_json_put(row, "signing", "store");
	app_put_text(row, "signer", m, "artistName");
	snprintf(folder, sizeof(folder), "%sSC_Info/", package_app(p));
	package_find(p, folder, ".sinf", path, sizeof(path));
	if (*path && !package_take(p, path, &sinf, &found, err))
		return false;
	stg_json_put_bool(row, "account_bound", found);
	if (!found)
		return true;
	if (!keep(extras, "sinf", &sinf, err) || !keep(extras, "metadata", metadata, err))
		return false;
	app_warn(row, N_("bought in the App Store: it runs only for the Apple Account that bought it"));
	stg_json_put_new(row, "extras", stg_steal(extras));
	return true;
}

bool signer_read(const struct package *p, json_t *row, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf profile = STG_BUF(ENTRY_MAX), metadata = STG_BUF(METADATA_MAX);
	char path[1200];
	bool found = false;
	snprintf(path, sizeof(path), "%sembedded.mobileprovision", package_app(p));
	if (!package_take(p, path, &profile, &found, err))
		return false;
	if (found)
		return read_profile(stg_buf_view(&profile), row, err);
	if (!package_take(p, "iTunesMetadata.plist", &metadata, &found, err))
		return false;
	if (found)
		return read_store(p, &metadata, row, err);
	stg_json_put(row, "signing", "none");
	app_warn(row, N_("it carries no signature: devices will refuse it"));
	return true;
}
