/*
 * supervision.c - the cloud configuration: written by a host, or fetched from the organisation's programme.
 *
 * For:    MCInstall's SetCloudConfiguration and what an assigned device does by itself.
 * Uses:   device.h, profiles.h (error chains).
 * Called: by services/mcinstall.c, profiles.c, device.c, verbs.c.
 * Thread: the bench's only one.
 * Facts:  order of checks and forced keys as read in decompiled device daemons (iOS 15 to 18): a configuration that is
 *         there wins over everything, then form, activation, programme; AllowPairing false deletes all pairing records.
 */
#include "supervision.h"

#include <string.h>

#include "bench.h"
#include "control.h"
#include "profiles.h"
#include "service.h"

#define PROGRAMME_REAL_MS 8000
#define ENROLMENT_REAL_MS 6000

static const char CLOUD[] = "MCCloudConfigErrorDomain";

const char *virt_tunnel_domain(const struct virt_device *d)
{
	/* Renamed at about iOS 16. */
	return d->os->major >= 16 ? "DMCTunnelErrorDomain" : "MCTunnelErrorDomain";
}

static const char *text_of(plist_t dict, const char *key)
{
	plist_t node = plist_dict_get_item(dict, key);

	return node && plist_get_node_type(node) == PLIST_STRING ? plist_get_string_ptr(node, NULL) : NULL;
}

static bool is_true(plist_t dict, const char *key)
{
	plist_t node = plist_dict_get_item(dict, key);
	uint8_t yes = 0;
	uint64_t n = 0;

	if (!node)
		return false;
	if (plist_get_node_type(node) == PLIST_BOOLEAN)
		plist_get_bool_val(node, &yes);
	else if (plist_get_node_type(node) == PLIST_UINT)
		plist_get_uint_val(node, &n);
	return yes || n;
}

static void put_bool(plist_t dict, const char *key, bool yes)
{
	plist_dict_set_item(dict, key, plist_new_bool(yes));
}

/* b: boolean, B: boolean or number, s: string, d: array of data, a: array of strings, n: number */
static const struct {
	const char *key;
	char type;
} cloud_keys[] = {
	{ "AllowPairing", 'B' },          { "AnchorCertificates", 'd' },      { "AutoAdvanceSetup", 'b' },
	{ "AwaitDeviceConfigured", 'b' }, { "CloudConfigurationUIComplete", 'b' }, { "ConfigurationSource", 'n' },
	{ "ConfigurationURL", 's' },      { "ConfigurationWebURL", 's' },     { "ConfigurationWasApplied", 'b' },
	{ "DeviceConfigured", 'b' },      { "IsMDMUnremovable", 'B' },        { "IsMandatory", 'b' },
	{ "IsMultiUser", 'b' },           { "IsRapidReturnToService", 'b' },  { "IsSupervised", 'b' },
	{ "OrganizationAddress", 's' },   { "OrganizationDepartment", 's' },  { "OrganizationEmail", 's' },
	{ "OrganizationMagic", 's' },     { "OrganizationName", 's' },        { "OrganizationPhone", 's' },
	{ "PostSetupProfileWasInstalled", 'b' }, { "SkipSetup", 'a' },        { "SupervisorHostCertificates", 'd' },
	{ "SupportEmail", 's' },          { "SupportPhone", 's' },            { "Language", 's' }, { "Region", 's' },
};

static bool all_of(plist_t array, plist_type type)
{
	if (plist_get_node_type(array) != PLIST_ARRAY)
		return false;
	for (uint32_t i = 0; i < plist_array_get_size(array); i++)
		if (plist_get_node_type(plist_array_get_item(array, i)) != type)
			return false;
	return true;
}

static bool has_type(plist_t node, char type)
{
	switch (type) {
	case 'b':
		return plist_get_node_type(node) == PLIST_BOOLEAN;
	case 'B':
		return plist_get_node_type(node) == PLIST_BOOLEAN || plist_get_node_type(node) == PLIST_UINT;
	case 'n':
		return plist_get_node_type(node) == PLIST_UINT;
	case 's':
		return plist_get_node_type(node) == PLIST_STRING;
	case 'd':
		return all_of(node, PLIST_DATA);
	default:
		return all_of(node, PLIST_STRING);
	}
}

static bool is_well_formed(plist_t config)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(cloud_keys); i++) {
		plist_t node = plist_dict_get_item(config, cloud_keys[i].key);

		if (node && !has_type(node, cloud_keys[i].type))
			return false;
	}
	return !is_true(config, "IsSupervised") || text_of(config, "OrganizationName");
}

static void force_keys(struct virt_device *d, plist_t config)
{
	bool is_supervised = is_true(config, "IsSupervised");

	plist_dict_set_item(config, "ConfigurationSource", plist_new_uint(2));
	put_bool(config, "IsMandatory", true);
	put_bool(config, "IsMDMUnremovable", false);
	if (!text_of(config, "ConfigurationURL") && !text_of(config, "ConfigurationWebURL")) {
		put_bool(config, "CloudConfigurationUIComplete", true);
		put_bool(config, "ConfigurationWasApplied", true);
	}
	if (is_true(config, "IsRapidReturnToService"))
		put_bool(config, "AwaitDeviceConfigured", true);
	if (!is_supervised) {
		plist_dict_remove_item(config, "IsMDMUnremovable");
		plist_dict_remove_item(config, "AwaitDeviceConfigured");
	}
	if (is_true(config, "IsMultiUser") && (!is_supervised || !d->model->is_ipad))
		put_bool(config, "IsMultiUser", false);
}

/* Faults: `half` loses the last of the anchors, `absent` shows none of them. */
static void spoil_anchors(struct virt_device *d)
{
	plist_t anchors = plist_dict_get_item(d->cloud_config, "AnchorCertificates");

	if (!anchors || plist_array_get_size(anchors) == 0)
		return;
	if (virt_fault(d, "SetCloudConfiguration", "half", NULL))
		plist_array_remove_item(anchors, plist_array_get_size(anchors) - 1);
	else if (virt_fault(d, "SetCloudConfiguration", "absent", NULL))
		plist_dict_remove_item(d->cloud_config, "AnchorCertificates");
}

static bool is_present(struct virt_device *d, struct virt_chain *why)
{
	if (d->cloud_config)
		virt_chain_add(why, 14002, virt_tunnel_domain(d), "A cloud configuration is already present on this device.");
	return d->cloud_config != NULL;
}

bool virt_supervise(struct virt_device *d, plist_t config, struct virt_chain *why)
{
	if (d->is_locked)
		return virt_chain_add(why, 14001, virt_tunnel_domain(d), "The device is locked.");
	if (is_present(d, why))
		return false;
	if (!is_well_formed(config))
		return virt_chain_add(why, 33002, CLOUD, "The cloud configuration is malformed.");
	if (strcmp(d->activation_state, "Unactivated") == 0)
		return virt_chain_add(why, 33003, CLOUD, "The device is not activated.");
	if (d->abm_assigned)
		return virt_chain_add(why, 33004, CLOUD, "The device must be configured through its organization's program.");
	if (virt_fault(d, "SetCloudConfiguration", "ignore", NULL))
		return true;
	d->cloud_config = plist_copy(config);
	force_keys(d, d->cloud_config);
	spoil_anchors(d);
	if (plist_dict_get_item(d->cloud_config, "AllowPairing") && !is_true(d->cloud_config, "AllowPairing"))
		virt_device_forget_records(d);
	return true;
}

/* ---- the programme ---- */

/* What the enrolment server gives a device that reports to it for the first time. */
static const char server_profile[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict>"
	"<key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>"
	"<key>PayloadIdentifier</key><string>org.example.mdm</string>"
	"<key>PayloadUUID</key><string>0B0B4C3E-52A1-4E6A-9A6D-0C6C0B1E7F01</string>"
	"<key>PayloadDisplayName</key><string>Remote Management</string><key>PayloadRemovalDisallowed</key><true/>"
	"<key>PayloadContent</key><array><dict>"
	"<key>PayloadType</key><string>com.apple.mdm</string><key>PayloadVersion</key><integer>1</integer>"
	"<key>PayloadIdentifier</key><string>org.example.mdm.payload</string>"
	"<key>PayloadUUID</key><string>0B0B4C3E-52A1-4E6A-9A6D-0C6C0B1E7F02</string>"
	"<key>ServerURL</key><string>https://mdm.example.org/mdm</string></dict></array></dict></plist>";

static void enrol(struct virt_device *d, void *unused)
{
	struct virt_chain why = { 0 };
	struct virt_profile *p;

	(void)unused;
	if (!d->cloud_config || !text_of(d->cloud_config, "ConfigurationURL") || virt_profile_find(d, "org.example.mdm"))
		return;
	p = virt_profile_read(stg_bytes_str(server_profile), &why);
	if (!p)
		return;
	if (d->enrolment_tap) {
		virt_profile_free(d->queued);
		d->queued = p;
		return;
	}
	virt_profile_install(d, p, true, &why);
	virt_control_changed(d->bench);
}

/* The device's own record, as it downloads it. */
static void configuration_arrives(struct virt_device *d)
{
	static const char *const yes[] = { "AllowPairing", "IsMandatory", "IsMDMUnremovable", "IsSupervised" };
	plist_t c = plist_new_dict();

	plist_dict_set_item(c, "ConfigurationSource", plist_new_uint(1));
	plist_dict_set_item(c, "ConfigurationURL", plist_new_string("https://mdm.example.org/enroll"));
	plist_dict_set_item(c, "OrganizationName", plist_new_string("Example Organization"));
	for (size_t i = 0; i < STG_ARRAY_LEN(yes); i++)
		plist_dict_set_item(c, yes[i], plist_new_bool(1));
	if (d->programme_no_pairing) {
		plist_dict_set_item(c, "AllowPairing", plist_new_bool(0));
		virt_device_forget_records(d);
	}
	plist_dict_set_item(c, "SkipSetup", plist_new_array());
	plist_free(d->cloud_config);
	d->cloud_config = c;
	virt_device_after(d, ENROLMENT_REAL_MS, enrol, NULL);
	virt_control_changed(d->bench);
}

static bool fetches_by_itself(const struct virt_device *d)
{
	bool has_wifi = false;

	for (const struct virt_profile *p = d->profiles; p; p = p->next)
		has_wifi = has_wifi || p->has_wifi;
	return d->abm_assigned && !d->programme_told && !d->cloud_config && !d->at_home_screen && strcmp(d->activation_state, "Activated") == 0 &&
	       (d->has_network || (has_wifi && d->bench->line_open));
}

static void fetch(struct virt_device *d, void *unused)
{
	(void)unused;
	if (fetches_by_itself(d))
		configuration_arrives(d);
}

void virt_consider_programme(struct virt_device *d)
{
	if (fetches_by_itself(d))
		virt_device_after(d, PROGRAMME_REAL_MS, fetch, NULL);
}

bool virt_programme_asked(struct virt_device *d, struct virt_chain *why)
{
	if (!d->has_network && !d->bench->line_open)
		return virt_chain_add(why, 33000, CLOUD, "The configuration could not be downloaded.");
	if (!d->abm_assigned)
		return virt_chain_add(why, 33005, CLOUD, "There is no configuration for this device.");
	if (is_present(d, why))
		return false;
	configuration_arrives(d);
	return true;
}
