/*
 * supervise.c - the organisation's configuration on a device that has none.
 *
 * For:    stg_device_supervise, _configuration, _fetch_configuration.
 * Uses:   mcinstall.c.
 * Called: through the driver's table.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 4.5 to 4.7 and 10: written once in a device's life between two erases; the answer may get lost
 *         although it was carried out, and an acknowledgement is not yet a configuration: what counts is re-read.
 */
#include <stdlib.h>

#include <stager/panes.h>

#include "device.h"

#define SET_MS 60000
#define ANCHORS_MAX 8
#define FETCH_MS 90000      /* the device asks a server of its maker before it answers */

/* Words of a blueprint, words of a configuration. Others pass as they are. */
static const struct {
	const char *ours, *theirs;
} extra_names[] = {
	{ "department", "OrganizationDepartment" }, { "phone", "OrganizationPhone" },   { "email", "OrganizationEmail" },
	{ "address", "OrganizationAddress" },       { "short_name", "OrganizationShortName" },
	{ "support_phone", "SupportPhone" },        { "support_email", "SupportEmail" }, { "enrolment_url", "ConfigurationURL" },
};

static plist_t pane_list(const json_t *skip)
{
	plist_t list = plist_new_array();
	if (!skip) {
		for (size_t i = 0; stg_panes[i]; i++)
			plist_array_append_item(list, plist_new_string(stg_panes[i]));
		return list;
	}
	for (size_t i = 0; i < json_array_size(skip); i++) {
		const char *pane = json_string_value(json_array_get(skip, i));
		if (pane)
			plist_array_append_item(list, plist_new_string(pane));
	}
	return list;
}

/* Certificates the device trusts when it fetches from ConfigurationURL. */
static void put_anchors(plist_t c, const json_t *anchors)
{
	plist_t list = plist_new_array();
	for (size_t i = 0; i < json_array_size(anchors) && i < ANCHORS_MAX; i++) {
		STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(APPLE_RECORD_MAX);
		const char *base64 = json_string_value(json_array_get(anchors, i));
		if (base64 && stg_unbase64(base64, &der, NULL) && der.len)
			plist_array_append_item(list, plist_new_data((const char *)der.data, der.len));
	}
	if (plist_array_get_size(list))
		plist_dict_set_item(c, "AnchorCertificates", list);
	else
		plist_free(list);
}

static plist_t configuration(const struct stg_supervision *what)
{
	plist_t c = plist_new_dict();
	apple_put_bool(c, "AllowPairing", what->allow_pairing);
	apple_put_bool(c, "IsSupervised", what->supervised);
	apple_put_bool(c, "IsMultiUser", false);
	plist_dict_set_item(c, "SkipSetup", pane_list(what->skip));
	apple_put_str(c, "OrganizationName", what->organisation ? what->organisation : "");
	if (what->organisation_id && what->organisation_id[0])
		apple_put_str(c, "OrganizationMagic", what->organisation_id);
	if (what->certificate.len) {
		plist_t list = plist_new_array();
		plist_array_append_item(list, plist_new_data((const char *)what->certificate.data, what->certificate.len));
		plist_dict_set_item(c, "SupervisorHostCertificates", list);
	}
	put_anchors(c, what->anchors);
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)what->extra, key, value) {
		const char *name = key;
		for (size_t i = 0; i < STG_ARRAY_LEN(extra_names); i++)
			if (strcmp(extra_names[i].ours, key) == 0)
				name = extra_names[i].theirs;
		if (json_is_string(value) && !apple_get(c, name))
			apple_put_str(c, name, json_string_value(value));
	}
	return c;
}

enum standing { NOTHING, OURS, SOMEBODY_ELSES, CONFIGURED };

static enum standing standing(const struct apple_device *dev, plist_t cloud, const struct stg_supervision *what)
{
	if (!cloud)
		return NOTHING;
	if (dev->ours == APPLE_OURS_YES)
		return what->supervised ? OURS : CONFIGURED;
	/* not supervised was what was wanted, and this organisation wrote it */
	const char *magic = apple_str(cloud, "OrganizationMagic");
	if (!what->supervised && !apple_true(cloud, "IsSupervised") && *magic && what->organisation_id &&
	    strcmp(magic, what->organisation_id) == 0)
		return OURS;
	return apple_true(cloud, "IsSupervised") ? SOMEBODY_ELSES : CONFIGURED;
}

static bool judge(enum standing s, plist_t cloud, struct stg_error *err)
{
	char who[128];
	uint64_t source = 0;
	stg_printable(apple_str(cloud, "OrganizationName"), true, who, sizeof(who));
	if (s == OURS)
		return true;
	if (apple_uint(cloud, "ConfigurationSource", &source) && source == 1)
		return stg_fail_id(err, STG_E_HOLD, STG_ID_ASSIGNED_CENTRALLY, 0, "configured by automated enrolment for '%s'", who);
	if (s == SOMEBODY_ELSES)
		return stg_fail_id(err, STG_E_HOLD, STG_ID_SUPERVISED_BY_OTHER, 0, "supervised by '%s'", who);
	return stg_fail_id(err, STG_E_HOLD, STG_ID_ALREADY_CONFIGURED, 14002, "it has a configuration%s%s", *who ? " of " : "", who);
}

/* Reads; true with *ret_standing. ret_read gets the last thing read, as JSON. */
static bool look(struct apple_device *dev, const struct stg_supervision *what, enum standing *ret_standing, plist_t *ret_cloud,
		 json_t **ret_read, struct stg_error *err)
{
	apple_plist_free_at(ret_cloud);
	if (!apple_cloud_configuration(dev, ret_cloud, err))
		return stg_while(err, "read the configuration");
	*ret_standing = standing(dev, *ret_cloud, what);
	if (ret_read) {
		json_decref(*ret_read);
		*ret_read = *ret_cloud ? apple_cloud_json(*ret_cloud) : json_object();
	}
	return true;
}

/* What the device will believe and where it will go: read back with what was sent. A device that does not show its anchors is
 * told as such; one that shows others would fetch from nobody, or from somebody else. */
static bool keeps_what_was_sent(plist_t sent, plist_t cloud, json_t *read, struct stg_error *err)
{
	plist_t want = apple_array(sent, "AnchorCertificates"), have = apple_array(cloud, "AnchorCertificates");
	uint32_t n = want ? plist_array_get_size(want) : 0, kept = 0;
	const char *url = apple_str(sent, "ConfigurationURL"), *goes = apple_str(cloud, "ConfigurationURL");
	if (*url && *goes && strcmp(url, goes) != 0) {
		char there[128];
		stg_printable(goes, true, there, sizeof(there));
		return stg_fail_id(err, STG_E_HOLD, STG_ID_CONFIGURATION_DIFFERS, 0, "it fetches from '%s'", there);
	}
	if (!n)
		return true;
	for (uint32_t i = 0; have && i < n; i++)
		for (uint32_t k = 0; k < plist_array_get_size(have); k++)
			if (plist_compare_node_value(plist_array_get_item(want, i), plist_array_get_item(have, k))) {
				kept++;
				break;
			}
	if (have && kept < n)
		return stg_fail_id(err, STG_E_HOLD, STG_ID_CONFIGURATION_DIFFERS, 0, "it keeps %u of %u anchor certificates", kept, n);
	if (read)
		stg_json_put(read, "Anchors", have ? "as sent" : "not shown");
	return true;
}

/* Judges what is there in the end; the configuration being ours, the Setup Assistant is told to be brief the older way too. That
 * is a courtesy: a device that does not take the file is supervised all the same, and the reading says so. */
static bool finished(struct apple_device *dev, const struct stg_supervision *what, enum standing now, plist_t sent, plist_t cloud, json_t *read, struct stg_error *err)
{
	struct stg_error ignored = { 0 };
	if (!judge(now, cloud, err) || !keeps_what_was_sent(sent, cloud, read, err))
		return false;
	/* with AllowPairing false our trust is over, and a new service cannot be had */
	bool wanted = what->allow_pairing && (!what->skip || json_array_size(what->skip));
	bool taken = wanted && apple_skip_setup_file(dev, &ignored);
	if (wanted && read)
		stg_json_put_bool(read, "SkipSetupFile", taken);
	return true;
}

bool apple_supervise(struct stg_device *base, const struct stg_supervision *what, json_t **ret_read, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	STG_AUTO(apple_plist_free_at) plist_t cloud = NULL;
	enum standing now;
	if (ret_read)
		*ret_read = NULL;
	if (!look(dev, what, &now, &cloud, ret_read, err))
		return false;
	if (now != NOTHING)
		return judge(now, cloud, err);

	STG_AUTO(apple_plist_free_at) plist_t ask = apple_mcinstall_request("SetCloudConfiguration");
	struct stg_error why = { 0 };
	plist_dict_set_item(ask, "CloudConfiguration", configuration(what));
	bool acknowledged = apple_mcinstall_ask(dev, APPLE_MC_WRITE, ask, SET_MS, NULL, &why);
	if (!acknowledged && why.code != STG_E_UNKNOWN && why.origin != 14002) {
		if (err)
			*err = why;
		return stg_while(err, "supervise");
	}
	/* acknowledged is not yet done, a lost answer is not yet undone: the device's own word decides */
	struct stg_error reading = { 0 };
	if (!look(dev, what, &now, &cloud, ret_read, &reading)) {
		if (why.code == STG_E_UNKNOWN || acknowledged)
			return stg_fail_id(err, STG_E_UNKNOWN, STG_ID_OUTCOME_UNKNOWN, reading.origin, "supervise: %s", reading.msg);
		if (err)
			*err = reading;
		return false;
	}
	if (now != NOTHING)
		return finished(dev, what, now, apple_dict(ask, "CloudConfiguration"), cloud, ret_read ? *ret_read : NULL, err);
	if (why.code == STG_E_UNKNOWN)
		return stg_fail_id(err, STG_E_UNKNOWN, STG_ID_OUTCOME_UNKNOWN, why.origin, "supervise: %s; nothing is there yet", why.msg);
	return stg_fail_id(err, STG_E_REFUSED, STG_ID_CONFIGURATION_NOT_STORED, 0,
			   "supervise: the device acknowledged but shows no configuration");
}

json_t *apple_configuration(struct stg_device *base, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t cloud = NULL;
	if (!apple_cloud_configuration(apple_device(base), &cloud, err)) {
		stg_while(err, "read the configuration");
		return NULL;
	}
	return cloud ? apple_cloud_json(cloud) : json_object();
}

/* A lost answer is no worry here: the device fetches once or not at all, and the configuration is re-read anyway. */
bool apple_fetch_configuration(struct stg_device *base, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = apple_mcinstall_request("DownloadAndApplyCloudConfiguration");
	struct stg_error why = { 0 };
	if (apple_mcinstall_ask(apple_device(base), APPLE_MC_WRITE, ask, FETCH_MS, NULL, &why) || why.origin == 14002)
		return true;
	if (err)
		*err = why;
	return stg_while(err, "fetch the configuration");
}
