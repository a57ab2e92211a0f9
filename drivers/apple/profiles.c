/*
 * profiles.c - configuration profiles: in, out, listed, kept for after setup.
 *
 * For:    stg_device_install_profile, _store_profile, _stored_profile, _remove_profile, _list_profiles.
 * Uses:   mcinstall.c; OpenSSL to look into a signed profile for its name.
 * Called: through the driver's table.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 4.2 to 4.4, 4.9: the same word "Acknowledged" means installed, queued for a person, or nothing
 *         at all, so the list is read again wherever it can mean more than one thing.
 */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/cms.h>
#include <openssl/err.h>

#include "device.h"

#define INSTALL_MS 180000
#define LIST_MS 30000
#define STORE_MS 60000
#define PROFILES_MAX 500

/* ---- what a profile calls itself ---- */

struct profile_name {
	char identifier[256], uuid[64];
};

static bool name_in_plist(struct stg_bytes bytes, struct profile_name *ret)
{
	STG_AUTO(apple_plist_free_at) plist_t p = apple_plist_read(bytes, &stg_plist_profile, NULL);
	return p && stg_copy(ret->identifier, sizeof(ret->identifier), apple_str(p, "PayloadIdentifier")) &&
	       stg_copy(ret->uuid, sizeof(ret->uuid), apple_str(p, "PayloadUUID")) && ret->identifier[0];
}

static bool name_of(struct stg_bytes profile, struct profile_name *ret)
{
	*ret = (struct profile_name){ 0 };
	if (profile.len < 2 || profile.data[0] != 0x30)
		return name_in_plist(profile, ret);
	const unsigned char *p = profile.data;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)profile.len);
	ASN1_OCTET_STRING **content = cms ? CMS_get0_content(cms) : NULL;
	bool ok = content && *content &&
		  name_in_plist(stg_bytes(ASN1_STRING_get0_data(*content), (size_t)ASN1_STRING_length(*content)), ret);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return ok;
}

/* ---- the list ---- */

static bool read_list(struct apple_device *dev, plist_t *ret, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = apple_mcinstall_request("GetProfileList");
	return apple_mcinstall_ask(dev, APPLE_MC_READ, ask, LIST_MS, ret, err);
}

static bool is_listed(plist_t list, const char *identifier, const char *uuid)
{
	plist_t entry = apple_dict(apple_dict(list, "ProfileMetadata"), identifier);
	return entry && (!uuid || strcasecmp(apple_str(entry, "PayloadUUID"), uuid) == 0);
}

static json_t *entry_json(const char *identifier, plist_t entry)
{
	char text[512];
	uint64_t version = 0;
	json_t *j = json_object();
	stg_printable(identifier, true, text, sizeof(text));
	stg_json_put(j, "identifier", text);
	stg_printable(apple_str(entry, "PayloadUUID"), false, text, sizeof(text));
	stg_json_put(j, "uuid", text);
	apple_uint(entry, "PayloadVersion", &version);
	stg_json_put_int(j, "version", (int64_t)version);
	stg_printable(apple_str(entry, "PayloadDisplayName"), true, text, sizeof(text));
	stg_json_put(j, "name", text);
	stg_json_put_bool(j, "removal_disallowed", apple_true(entry, "PayloadRemovalDisallowed"));
	return j;
}

json_t *apple_list_profiles(struct stg_device *base, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t list = NULL;
	if (!read_list(apple_device(base), &list, err))
		return NULL;
	json_t *ret = json_array();
	plist_t order = apple_array(list, "OrderedIdentifiers"), metadata = apple_dict(list, "ProfileMetadata");
	for (uint32_t i = 0; order && i < plist_array_get_size(order) && i < PROFILES_MAX; i++) {
		plist_t one = plist_array_get_item(order, i);
		const char *identifier = apple_is(one, PLIST_STRING) ? plist_get_string_ptr(one, NULL) : NULL;
		if (identifier)
			json_array_append_new(ret, entry_json(identifier, apple_dict(metadata, identifier)));
	}
	return ret;
}

/* ---- in ---- */

static bool is_ours(struct apple_device *dev, bool *ret, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t cloud = NULL;
	if (dev->ours == APPLE_OURS_UNKNOWN && !apple_cloud_configuration(dev, &cloud, err))
		return false;
	*ret = dev->ours == APPLE_OURS_YES;
	return true;
}

static bool install_silently(struct apple_device *dev, struct stg_bytes profile, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = apple_mcinstall_request("InstallProfileSilent");
	apple_put_data(ask, "Payload", profile);
	return apple_escalate(dev, err) && apple_mcinstall_ask(dev, APPLE_MC_WRITE, ask, INSTALL_MS, NULL, err);
}

/* In the Setup Assistant it goes in at once; later it waits in Settings for a person, with the same answer. */
static bool install_openly(struct apple_device *dev, struct stg_bytes profile, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = apple_mcinstall_request("InstallProfile");
	STG_AUTO(apple_plist_free_at) plist_t list = NULL;
	struct profile_name name;
	apple_put_data(ask, "Payload", profile);
	if (!apple_mcinstall_ask(dev, APPLE_MC_WRITE, ask, INSTALL_MS, NULL, err))
		return false;
	if (!name_of(profile, &name))
		return true;   /* encrypted, perhaps: whoever asked re-reads the list */
	if (!read_list(dev, &list, err))
		return stg_while(err, "re-read");
	if (is_listed(list, name.identifier, name.uuid[0] ? name.uuid : NULL))
		return true;
	return stg_fail_id(err, STG_E_NEEDS_HUMAN, STG_ID_PROFILE_NOT_THERE, 0, "acknowledged, but not in the list");
}

bool apple_install_profile(struct stg_device *base, struct stg_bytes profile, enum stg_install how, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	bool silent = how == STG_INSTALL_SILENT;
	if (how == STG_INSTALL_AUTO && !is_ours(dev, &silent, err))
		return stg_while(err, "install a profile");
	return (silent ? install_silently(dev, profile, err) : install_openly(dev, profile, err)) ||
	       stg_while(err, "install a profile of %zu bytes", profile.len);
}

bool apple_store_profile(struct stg_device *base, struct stg_bytes profile, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = apple_mcinstall_request("StoreProfile");
	apple_put_data(ask, "ProfileData", profile);
	apple_put_str(ask, "Purpose", "PostSetupInstallation");
	return apple_mcinstall_ask(apple_device(base), APPLE_MC_WRITE, ask, STORE_MS, NULL, err);
}

bool apple_stored_profile(struct stg_device *base, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = apple_mcinstall_request("GetStoredProfile");
	STG_AUTO(apple_plist_free_at) plist_t reply = NULL;
	struct stg_error why = { 0 };
	apple_put_str(ask, "Purpose", "PostSetupInstallation");
	if (!apple_mcinstall_ask(apple_device(base), APPLE_MC_READ, ask, LIST_MS, &reply, &why)) {
		/* "nothing stored" is a status of its own whose word was never seen */
		if (why.code == STG_E_REFUSED && why.id == STG_ID_DEVICE_REFUSED && why.origin == 0)
			return true;
		if (err)
			*err = why;
		return false;
	}
	struct stg_bytes data = apple_data(reply, "ProfileData");
	return !data.len || stg_buf_add(ret, data.data, data.len, err);
}

/* ---- out ---- */

/* The form that unescalated devices carry out: data holding a property list that names the profile. */
static bool remove_by_name(struct apple_device *dev, const char *identifier, plist_t entry, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = apple_mcinstall_request("RemoveProfile");
	STG_AUTO(apple_plist_free_at) plist_t name = plist_new_dict();
	STG_AUTO(stg_buf_clear) struct stg_buf xml = STG_BUF(8192);
	uint64_t version = 1;
	apple_uint(entry, "PayloadVersion", &version);
	apple_put_str(name, "PayloadType", "Configuration");
	apple_put_str(name, "PayloadIdentifier", identifier);
	apple_put_str(name, "PayloadUUID", apple_str(entry, "PayloadUUID"));
	apple_put_uint(name, "PayloadVersion", version);
	if (!apple_plist_write(name, &xml, err))
		return false;
	apple_put_data(ask, "ProfileIdentifier", stg_buf_view(&xml));
	return apple_mcinstall_ask(dev, APPLE_MC_WRITE, ask, INSTALL_MS, NULL, err);
}

static bool remove_as_supervisor(struct apple_device *dev, const char *identifier, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = apple_mcinstall_request("RemoveProfile");
	apple_put_str(ask, "Identifier", identifier);
	return apple_escalate(dev, err) && apple_mcinstall_ask(dev, APPLE_MC_WRITE, ask, INSTALL_MS, NULL, err);
}

bool apple_remove_profile(struct stg_device *base, const char *identifier, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	STG_AUTO(apple_plist_free_at) plist_t list = NULL;
	bool ours = false;
	if (!read_list(dev, &list, err) || !is_ours(dev, &ours, err))
		return stg_while(err, "remove a profile");
	if (!is_listed(list, identifier, NULL))
		return true;
	plist_t entry = apple_dict(apple_dict(list, "ProfileMetadata"), identifier);
	struct stg_error why = { 0 };
	/* an escalated connection speaks the other form only */
	bool said = ours ? remove_as_supervisor(dev, identifier, &why) : remove_by_name(dev, identifier, entry, &why);
	STG_AUTO(apple_plist_free_at) plist_t after = NULL;
	if (!read_list(dev, &after, err))
		return stg_while(err, "remove a profile: re-read");
	if (!is_listed(after, identifier, NULL))
		return true;
	if (!said) {
		if (err)
			*err = why;
		return stg_while(err, "remove a profile");
	}
	return stg_fail_id(err, STG_E_REFUSED, STG_ID_PROFILE_KEPT, 0, "acknowledged, but still in the list");
}
