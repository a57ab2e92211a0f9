/*
 * mcinstall.c - com.apple.mobile.MCInstall: supervision, profiles, erase.
 *
 * For:    hosts that prepare devices.
 * Uses:   ../supervision.h, ../profiles.h, ../pairing.h (the supervisor's signature).
 * Called: by the core, through virt_service_mcinstall.
 * Thread: the bench's only one.
 * Facts:  request and reply forms, order of checks and forced keys as read in decompiled device daemons (iOS 15 to 18)
 *         and seen with go-ios 1.2.0 and pymobiledevice3; escalation belongs to the connection. A change is carried out
 *         when the request arrives and acknowledged when it would be done: a host that is gone by then has changed it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../conn.h"
#include "../pairing.h"
#include "../profiles.h"
#include "../supervision.h"

#define SUPERVISE_REAL_MS 2500
#define PROFILE_REAL_MS 1200
#define ERASE_BEGINS_REAL_MS 1500
#define ERASE_REAL_MS 90000
#define RESTART_REAL_MS 35000
#define KEYBAG_POLLS 300

static const char CLOUD[] = "MCCloudConfigErrorDomain";
static const char INSTALLATION[] = "MCInstallationErrorDomain";
static const char KEYBAG[] = "DMCKeybagErrorDomain";

struct talk {
	struct stg_buf supervisor;    /* the certificate of the Escalate in progress */
	uint8_t challenge[8];
	bool is_challenged, is_escalated;
	unsigned int polls;
	plist_t answer;               /* waits for its time */
};

/* ---- answers ---- */

static plist_t status(const char *word)
{
	plist_t a = plist_new_dict();

	plist_dict_set_item(a, "Status", plist_new_string(word));
	return a;
}

static plist_t acknowledged(void)
{
	return status("Acknowledged");
}

static plist_t bad_form(void)
{
	return status("CommandFormatError");
}

static plist_t failed(const struct virt_chain *why)
{
	plist_t a = status("Error");

	plist_dict_set_item(a, "ErrorChain", virt_chain_plist(why));
	return a;
}

static plist_t failed_with(unsigned int code, const char *domain, const char *text)
{
	struct virt_chain why = { 0 };

	virt_chain_add(&why, code, domain, "%s", text);
	return failed(&why);
}

static void send_later(struct virt_conn *c, void *unused)
{
	struct talk *t = virt_state(c);
	plist_t a = t->answer;

	(void)unused;
	t->answer = NULL;
	virt_send_plist(c, a);
}

static void answer_after(struct virt_conn *c, int64_t real_ms, plist_t a)
{
	struct talk *t = virt_state(c);

	t->answer = a;
	virt_after(c, real_ms, send_later, NULL);
}

/* ---- members ---- */

static const char *text_of(plist_t msg, const char *key)
{
	plist_t node = plist_dict_get_item(msg, key);

	return node && plist_get_node_type(node) == PLIST_STRING ? plist_get_string_ptr(node, NULL) : NULL;
}

static bool data_of(plist_t msg, const char *key, struct stg_bytes *ret)
{
	plist_t node = plist_dict_get_item(msg, key);
	uint64_t len = 0;
	const char *data;

	if (!node || plist_get_node_type(node) != PLIST_DATA)
		return false;
	data = plist_get_data_ptr(node, &len);
	*ret = stg_bytes(data, len);
	return true;
}

static void put_bool(plist_t dict, const char *key, bool yes)
{
	plist_dict_set_item(dict, key, plist_new_bool(yes));
}

/* ---- cloud configuration ---- */

static plist_t set_cloud_configuration(struct virt_device *d, plist_t msg)
{
	plist_t config = plist_dict_get_item(msg, "CloudConfiguration");
	struct virt_chain why = { 0 };

	if (!config || plist_get_node_type(config) != PLIST_DICT)
		return bad_form();
	return virt_supervise(d, config, &why) ? acknowledged() : failed(&why);
}

static plist_t download_configuration(struct virt_device *d)
{
	struct virt_chain why = { 0 };

	return virt_programme_asked(d, &why) ? acknowledged() : failed(&why);
}

static plist_t get_cloud_configuration(struct virt_device *d)
{
	plist_t a = acknowledged();

	if (d->cloud_config)
		plist_dict_set_item(a, "CloudConfiguration", plist_copy(d->cloud_config));
	return a;
}

/* ---- profiles ---- */

static void put_text(plist_t dict, const char *key, const char *text)
{
	if (text)
		plist_dict_set_item(dict, key, plist_new_string(text));
}

static plist_t metadata(const struct virt_profile *p)
{
	plist_t m = plist_new_dict();

	put_text(m, "PayloadDisplayName", p->display_name ? p->display_name : p->identifier);
	put_text(m, "PayloadDescription", p->description);
	put_text(m, "PayloadOrganization", p->organization);
	put_text(m, "PayloadUUID", p->uuid);
	put_bool(m, "PayloadRemovalDisallowed", p->removal_disallowed);
	plist_dict_set_item(m, "PayloadVersion", plist_new_uint(p->version));
	return m;
}

static plist_t get_profile_list(struct virt_device *d)
{
	plist_t a = acknowledged(), order = plist_new_array(), manifest = plist_new_dict(), all = plist_new_dict();

	for (const struct virt_profile *p = d->profiles; p; p = p->next) {
		plist_t m = plist_new_dict();

		put_text(m, "Description", p->display_name ? p->display_name : p->identifier);
		put_bool(m, "IsActive", true);
		plist_array_append_item(order, plist_new_string(p->identifier));
		plist_dict_set_item(manifest, p->identifier, m);
		plist_dict_set_item(all, p->identifier, metadata(p));
	}
	plist_dict_set_item(a, "OrderedIdentifiers", order);
	plist_dict_set_item(a, "ProfileManifest", manifest);
	plist_dict_set_item(a, "ProfileMetadata", all);
	return a;
}

/* What is in a profile, without what it says. */
static plist_t payload_types(const struct virt_profile *p)
{
	static const char *const shown[] = { "PayloadType", "PayloadIdentifier", "PayloadDisplayName" };
	plist_t list = plist_new_array(), payloads = plist_dict_get_item(p->content, "PayloadContent");

	for (uint32_t i = 0; payloads && plist_get_node_type(payloads) == PLIST_ARRAY && i < plist_array_get_size(payloads); i++) {
		plist_t from = plist_array_get_item(payloads, i), one = plist_new_dict();

		for (size_t k = 0; k < STG_ARRAY_LEN(shown); k++)
			put_text(one, shown[k], text_of(from, shown[k]));
		plist_array_append_item(list, one);
	}
	return list;
}

/* As MDM lists them. */
static plist_t profile_list(struct virt_device *d)
{
	plist_t a = acknowledged(), list = plist_new_array();

	for (const struct virt_profile *p = d->profiles; p; p = p->next) {
		plist_t m = metadata(p);

		put_text(m, "PayloadIdentifier", p->identifier);
		put_bool(m, "IsManaged", p->silent);
		plist_dict_set_item(m, "PayloadContent", payload_types(p));
		plist_array_append_item(list, m);
	}
	plist_dict_set_item(a, "ProfileList", list);
	return a;
}

static void queue(struct virt_device *d, struct virt_profile *p)
{
	/* Settings shows one at a time: a newer one takes the place of the older. */
	virt_profile_free(d->queued);
	d->queued = p;
}

static plist_t install_profile(struct virt_device *d, plist_t msg, const char *request, bool silent)
{
	struct virt_chain why = { 0 };
	struct virt_profile *p;
	struct stg_bytes payload;

	if (!data_of(msg, "Payload", &payload))
		return bad_form();
	if (d->is_locked && !silent)
		return failed_with(4009, INSTALLATION, "The device is locked.");
	p = virt_profile_read(payload, &why);
	if (!p)
		return failed(&why);
	if (virt_fault(d, request, "absent", NULL)) {
		virt_profile_free(p);
		return acknowledged();
	}
	if (!silent && d->at_home_screen && !virt_device_is_supervised(d)) {
		queue(d, p);
		return acknowledged();
	}
	if (!virt_profile_install(d, p, silent, &why))
		return failed(&why);
	if (virt_fault(d, request, "reported_failed", NULL))
		return failed_with(4001, INSTALLATION, "The profile could not be installed.");
	return acknowledged();
}

/* The identifier travels as data holding a property list, or as a string (go-ios). */
static plist_t remove_profile(struct virt_device *d, plist_t msg)
{
	const char *text = text_of(msg, "ProfileIdentifier");
	const struct virt_profile *p;
	struct stg_bytes data;
	char identifier[256] = "";

	if (text) {
		/* A whole property list as a string is acknowledged, and nothing happens. */
		if (d->string_remove_ignored || text[0] == '<')
			return acknowledged();
		stg_copy(identifier, sizeof(identifier), text);
	} else if (data_of(msg, "ProfileIdentifier", &data) && data.len < 65536) {
		plist_t inner = NULL;

		plist_from_memory((const char *)data.data, (uint32_t)data.len, &inner);
		if (inner && plist_get_node_type(inner) == PLIST_DICT && text_of(inner, "PayloadIdentifier"))
			stg_copy(identifier, sizeof(identifier), text_of(inner, "PayloadIdentifier"));
		plist_free(inner);
		if (!identifier[0])
			return bad_form();
	} else {
		return bad_form();
	}
	p = virt_profile_find(d, identifier);
	if (!p)
		return failed_with(4024, INSTALLATION, "The profile is not installed.");
	if (!p->removal_disallowed && !virt_fault(d, "RemoveProfile", "ignore", NULL))
		virt_profile_remove(d, identifier);
	return acknowledged();
}

static plist_t remove_as_supervisor(struct virt_device *d, plist_t msg)
{
	const char *identifier = text_of(msg, "Identifier");
	const struct virt_profile *p;

	if (!identifier)
		return remove_profile(d, msg);
	p = virt_profile_find(d, identifier);
	if (!p)
		return failed_with(4024, INSTALLATION, "The profile is not installed.");
	/* What the supervisor may not take away is acknowledged and stays. */
	if (p->silent || !p->removal_disallowed)
		virt_profile_remove(d, identifier);
	return acknowledged();
}

static plist_t store_profile(struct virt_device *d, plist_t msg)
{
	const char *purpose = text_of(msg, "Purpose");
	struct stg_bytes data;

	if (!purpose || !data_of(msg, "ProfileData", &data))
		return bad_form();
	if (strcmp(purpose, "PostSetupInstallation") != 0)
		return failed_with(14000, virt_tunnel_domain(d), "The field Purpose is not valid.");
	stg_buf_reset(&d->stored_profile);
	stg_buf_add(&d->stored_profile, data.data, data.len, NULL);
	return acknowledged();
}

static plist_t get_stored_profile(struct virt_device *d, plist_t msg)
{
	plist_t a;

	if (!text_of(msg, "Purpose"))
		return bad_form();
	a = acknowledged();
	if (d->stored_profile.len > 0)
		plist_dict_set_item(a, "ProfileData",
				    plist_new_data((const char *)d->stored_profile.data, d->stored_profile.len));
	return a;
}

/* ---- escalation ---- */

static plist_t escalate(struct virt_conn *c, plist_t msg)
{
	struct virt_device *d = virt_conn_device(c);
	struct talk *t = virt_state(c);
	struct stg_bytes cert;
	plist_t a;

	if (!data_of(msg, "SupervisorCertificate", &cert))
		return bad_form();
	if (!virt_device_is_supervisor(d, cert))
		return status("CertificateRejected");
	stg_buf_clear(&t->supervisor);
	t->supervisor = STG_BUF(65536);
	stg_buf_add(&t->supervisor, cert.data, cert.len, NULL);
	virt_random_fill(&d->bench->random, t->challenge, sizeof(t->challenge));
	/* What text-minded signers spoil is always among them. */
	t->challenge[0] = '\n';
	t->challenge[3] = '\r';
	t->challenge[5] = '\0';
	t->is_challenged = true;
	a = acknowledged();
	uint8_t shown[VIRT_LONG_CHALLENGE] = { 0 };
	memcpy(shown, t->challenge, sizeof(t->challenge));
	plist_dict_set_item(a, "Challenge", plist_new_data((const char *)shown, d->long_challenge ? sizeof(shown) : sizeof(t->challenge)));
	return a;
}

static plist_t escalate_response(struct virt_conn *c, plist_t msg)
{
	STG_AUTO(stg_buf_clear) struct stg_buf signer = STG_BUF(65536);
	struct virt_device *d = virt_conn_device(c);
	struct talk *t = virt_state(c);
	struct stg_bytes cms;
	const char *why;
	bool ok;

	if (!data_of(msg, "SignedRequest", &cms))
		return bad_form();
	ok = t->is_challenged &&
	     virt_supervisor_signed(d, cms, stg_bytes(t->challenge, sizeof(t->challenge)), &signer, &why) &&
	     stg_bytes_equal(stg_buf_view(&signer), stg_buf_view(&t->supervisor));
	t->is_challenged = false;
	t->is_escalated = ok;
	return ok ? acknowledged() : status("SignedRequestRejected");
}

/* Waits for the person to unlock, as long as the device would. */
static void migrate_keybag(struct virt_conn *c, void *unused)
{
	struct talk *t = virt_state(c);

	(void)unused;
	if (!virt_conn_device(c)->is_locked)
		virt_send_plist(c, acknowledged());
	else if (++t->polls > KEYBAG_POLLS)
		virt_send_plist(c, failed_with(37000, KEYBAG, "The keybag could not be migrated."));
	else
		virt_after(c, 1000, migrate_keybag, NULL);
}

static plist_t security_info(const struct virt_device *d)
{
	plist_t a = acknowledged(), s = plist_new_dict();

	plist_dict_set_item(s, "HardwareEncryptionCaps", plist_new_uint(d->encryption_caps));
	put_bool(s, "PasscodePresent", d->has_passcode);
	put_bool(s, "PasscodeCompliant", true);
	put_bool(s, "PasscodeCompliantWithProfiles", true);
	plist_dict_set_item(a, "SecurityInfo", s);
	return a;
}

static plist_t request_unlock_token(struct virt_device *d)
{
	uint8_t token[96] = { 0 };
	plist_t a;

	if (d->has_passcode)
		return failed_with(37002, KEYBAG, "A passcode is set already.");
	memcpy(token, d->next_token, strlen(d->next_token));
	virt_random_fill(&d->bench->random, token + 48, sizeof(token) - 48);
	stg_buf_clear(&d->unlock_token);
	d->unlock_token = STG_BUF(4096);
	stg_buf_add(&d->unlock_token, token, sizeof(token), NULL);
	a = acknowledged();
	plist_dict_set_item(a, "UnlockToken", plist_new_data((const char *)token, sizeof(token)));
	return a;
}

static plist_t clear_passcode(struct virt_device *d, plist_t msg)
{
	struct stg_bytes token;

	if (!data_of(msg, "UnlockToken", &token))
		return bad_form();
	if (d->unlock_token.len == 0 || !stg_bytes_equal(token, stg_buf_view(&d->unlock_token)))
		return failed_with(37000, KEYBAG, "The unlock token is not valid.");
	d->has_passcode = d->is_locked = d->escrow_locked = false;
	return acknowledged();
}

static bool is_picture(struct stg_bytes b)
{
	return (b.len > 8 && memcmp(b.data, "\x89PNG\r\n\x1a\n", 8) == 0) || (b.len > 3 && memcmp(b.data, "\xff\xd8\xff", 3) == 0);
}

static plist_t set_wallpaper(struct virt_device *d, plist_t item)
{
	plist_t where = plist_dict_get_item(item, "Where");
	uint64_t places = 0;
	struct stg_bytes image;

	if (!where || plist_get_node_type(where) != PLIST_UINT || !data_of(item, "Image", &image))
		return bad_form();
	plist_get_uint_val(where, &places);
	if (places < 1 || places > 3 || !is_picture(image) || virt_fault(d, "Settings", "bad_picture", NULL))
		return failed_with(28001, "MCSettingsErrorDomain", "The wallpaper image is not valid.");
	if (places & 1)
		stg_sha256_hex(image, d->wallpaper_lock);
	if (places & 2)
		stg_sha256_hex(image, d->wallpaper_home);
	return acknowledged();
}

static plist_t settings(struct virt_device *d, plist_t msg)
{
	plist_t a, results, list = plist_dict_get_item(msg, "Settings");

	if (!list || plist_get_node_type(list) != PLIST_ARRAY)
		return bad_form();
	a = acknowledged();
	results = plist_new_array();
	for (uint32_t i = 0; i < plist_array_get_size(list); i++) {
		plist_t item = plist_array_get_item(list, i);
		const char *name = plist_get_node_type(item) == PLIST_DICT ? text_of(item, "Item") : NULL;
		plist_t one = name && strcmp(name, "Wallpaper") == 0
				      ? set_wallpaper(d, item)
				      : failed_with(28000, "MCSettingsErrorDomain", "The item is not known.");

		put_text(one, "Item", name);
		plist_array_append_item(results, one);
	}
	plist_dict_set_item(a, "Settings", results);
	return a;
}

/* ---- erase, restart ---- */

static void erase_now(struct virt_device *d, void *unused)
{
	(void)unused;
	stg_copy(d->erased_by, sizeof(d->erased_by), "MCInstall");
	virt_device_erase(d, ERASE_REAL_MS);
}

static void restart_now(struct virt_device *d, void *unused)
{
	(void)unused;
	virt_device_restart(d, RESTART_REAL_MS, VIRT_USB_NORMAL);
}

static void shut_down_now(struct virt_device *d, void *unused)
{
	(void)unused;
	virt_device_shutdown(d);
}

static bool is_flag(plist_t msg, const char *key)
{
	plist_t node = plist_dict_get_item(msg, key);

	return !node || plist_get_node_type(node) == PLIST_BOOLEAN || plist_get_node_type(node) == PLIST_UINT;
}

static plist_t erase_device(struct virt_conn *c, plist_t msg)
{
	struct virt_device *d = virt_conn_device(c);

	if (!is_flag(msg, "PreserveDataPlan") || !is_flag(msg, "DisallowProximitySetup"))
		return bad_form();
	if (virt_fault(d, "EraseDevice", "ignore", NULL))
		return acknowledged();
	plist_t keep = plist_dict_get_item(msg, "PreserveDataPlan");
	uint64_t number = 0;
	uint8_t yes = 0;
	if (keep && plist_get_node_type(keep) == PLIST_UINT)
		plist_get_uint_val(keep, &number);
	else if (keep)
		plist_get_bool_val(keep, &yes);
	d->keep_data_plan = number || yes;
	virt_device_after(d, ERASE_BEGINS_REAL_MS, erase_now, NULL);
	return acknowledged();
}

static plist_t set_wifi(struct virt_device *d, plist_t msg)
{
	plist_t state = plist_dict_get_item(msg, "PowerState");

	if (!state || plist_get_node_type(state) != PLIST_BOOLEAN)
		return bad_form();
	if (!virt_device_is_supervised(d))
		return failed_with(14005, virt_tunnel_domain(d), "The power state of Wi-Fi may not be changed.");
	uint8_t on = 0;
	plist_get_bool_val(state, &on);
	d->wifi_off = !on;
	return acknowledged();
}

/* ---- requests ---- */

static bool is_one_of(const char *request, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(*words, request) == 0)
			return true;
	return false;
}

/* Only after EscalateResponse; NULL: not one of them. */
static plist_t serve_supervisor(struct virt_conn *c, const char *request, plist_t msg)
{
	static const char *const plain[] = { "ClearRestrictionsPassword", "SetDefaultMDMOptions", NULL };
	struct virt_device *d = virt_conn_device(c);

	if (is_one_of(request, plain))
		return acknowledged();
	if (strcmp(request, "RemoveProfile") == 0)
		return remove_as_supervisor(d, msg);
	if (strcmp(request, "ProfileList") == 0)
		return profile_list(d);
	if (strcmp(request, "SecurityInfo") == 0)
		return security_info(d);
	if (strcmp(request, "RequestUnlockToken") == 0)
		return request_unlock_token(d);
	if (strcmp(request, "ClearPasscode") == 0)
		return clear_passcode(d, msg);
	if (strcmp(request, "Settings") == 0)
		return settings(d, msg);
	if (strcmp(request, "DefaultMDMOptions") == 0) {
		plist_t a = acknowledged();

		plist_dict_set_item(a, "MDMOptions", plist_new_dict());
		return a;
	}
	if (strcmp(request, "RestartDevice") == 0 || strcmp(request, "ShutDownDevice") == 0) {
		virt_device_after(d, 1000, request[0] == 'R' ? restart_now : shut_down_now, NULL);
		return acknowledged();
	}
	return NULL;
}

static plist_t serve_anybody(struct virt_conn *c, const char *request, plist_t msg)
{
	static const char *const plain[] = { "HelloHostIdentifier", "Flush", "SetCertificate", "PollMDMIfNetworkTethered", NULL };
	struct virt_device *d = virt_conn_device(c);

	if (is_one_of(request, plain))
		return acknowledged();
	if (strcmp(request, "GetCloudConfiguration") == 0)
		return get_cloud_configuration(d);
	if (strcmp(request, "GetProfileList") == 0)
		return get_profile_list(d);
	if (strcmp(request, "RemoveProfile") == 0)
		return remove_profile(d, msg);
	if (strcmp(request, "StoreProfile") == 0)
		return store_profile(d, msg);
	if (strcmp(request, "GetStoredProfile") == 0)
		return get_stored_profile(d, msg);
	if (strcmp(request, "Escalate") == 0)
		return escalate(c, msg);
	if (strcmp(request, "EscalateResponse") == 0)
		return escalate_response(c, msg);
	if (strcmp(request, "EraseDevice") == 0)
		return erase_device(c, msg);
	if (strcmp(request, "SetWiFiPowerState") == 0)
		return set_wifi(d, msg);
	if (strcmp(request, "DownloadAndApplyCloudConfiguration") == 0)
		return download_configuration(d);
	if (strcmp(request, "EstablishProvisionalEnrollment") == 0)
		return failed_with(33014, CLOUD, "Provisional enrollment was refused.");
	if (strcmp(request, "GetEncryptionKey") == 0) {
		plist_t a = acknowledged();

		plist_dict_set_item(a, "PublicKey", virt_value(d, "", "DevicePublicKey", true));
		return a;
	}
	return bad_form();
}

/* An error on cue, whatever was asked: {"code": 14002, "domain": "...", "text": "..."}. */
static plist_t refused_on_cue(struct virt_device *d, const char *request)
{
	json_t *args = NULL;

	if (virt_fault(d, request, "unknown_domain", NULL))
		return failed_with(77, "XYNeverSeenErrorDomain", "Something of the future went wrong.");
	if (!virt_fault(d, request, "refuse", &args))
		return NULL;
	if (stg_json_str(args, "status")[0])
		return status(stg_json_str(args, "status"));
	return failed_with((unsigned int)stg_json_int(args, "code", 14000), stg_json_str_or(args, "domain", virt_tunnel_domain(d)),
			   stg_json_str_or(args, "text", "Refused on cue."));
}

static void on_message(struct virt_conn *c, plist_t msg)
{
	struct virt_device *d = virt_conn_device(c);
	struct talk *t = virt_state(c);
	const char *request = plist_get_node_type(msg) == PLIST_DICT ? text_of(msg, "RequestType") : NULL;
	plist_t a;

	if (!request) {
		virt_send_plist(c, bad_form());
		return;
	}
	a = refused_on_cue(d, request);
	if (a) {
		virt_send_plist(c, a);
	} else if (strcmp(request, "SetCloudConfiguration") == 0) {
		answer_after(c, SUPERVISE_REAL_MS, set_cloud_configuration(d, msg));
	} else if (strcmp(request, "InstallProfile") == 0) {
		answer_after(c, PROFILE_REAL_MS, install_profile(d, msg, request, false));
	} else if (strcmp(request, "InstallProfileSilent") == 0 && t->is_escalated) {
		answer_after(c, PROFILE_REAL_MS, install_profile(d, msg, request, true));
	} else if (strcmp(request, "ProceedWithKeybagMigration") == 0 && t->is_escalated) {
		t->polls = 0;
		migrate_keybag(c, NULL);
	} else {
		a = t->is_escalated ? serve_supervisor(c, request, msg) : NULL;
		if (!a)
			a = serve_anybody(c, request, msg);
		if (virt_fault(d, request, "no_reply", NULL)) {
			plist_free(a);
			virt_close(c);
			return;
		}
		virt_send_plist(c, a);
	}
}

static void on_closed(struct virt_conn *c)
{
	struct talk *t = virt_state(c);

	stg_buf_clear(&t->supervisor);
	plist_free(t->answer);
	t->answer = NULL;
}

const struct virt_service virt_service_mcinstall = {
	.names = { "com.apple.mobile.MCInstall", NULL },
	.framing = VIRT_PLIST,
	.state_size = sizeof(struct talk),
	.message = on_message,
	.closed = on_closed,
};
