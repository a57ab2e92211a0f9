/*
 * owner.c - what a device tells nobody but its supervisor: is it managed, has it a passcode, which certificates, how it encrypts.
 *
 * For:    stg_device_owner_facts; facts.c, which takes them along where the proof was given already.
 * Uses:   mcinstall.c.
 * Called: through the driver's table.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 4.9: ProfileList and SecurityInfo answer after EscalateResponse only. The plain list of
 *         profiles names no payload types, so whether one of them is an MDM's shows in ProfileList alone.
 */
#include <stager/facts.h>

#include "device.h"

#define READ_MS 30000
#define LIST_MAX 500

static void put_clean(json_t *into, const char *name, const char *text)
{
	char clean[256];
	stg_printable(text, true, clean, sizeof(clean));
	stg_json_put(into, name, clean);
}

static bool is_managing(plist_t profile)
{
	plist_t payloads = apple_array(profile, "PayloadContent");
	for (uint32_t i = 0; payloads && i < plist_array_get_size(payloads) && i < LIST_MAX; i++)
		if (strcmp(apple_str(plist_array_get_item(payloads, i), "PayloadType"), "com.apple.mdm") == 0)
			return true;
	return false;
}

/* A profile of certificates names each of them; what is inside it keeps to itself. */
static void add_certificates(json_t *to, plist_t profile)
{
	plist_t payloads = apple_array(profile, "PayloadContent");
	for (uint32_t i = 0; payloads && i < plist_array_get_size(payloads) && i < LIST_MAX; i++) {
		plist_t one = plist_array_get_item(payloads, i);
		const char *type = apple_str(one, "PayloadType");
		if (strncmp(type, "com.apple.security.", 19) != 0 || json_array_size(to) >= LIST_MAX)
			continue;
		json_t *certificate = json_object();
		put_clean(certificate, "type", type + 19);
		put_clean(certificate, "identifier", apple_str(one, "PayloadIdentifier"));
		put_clean(certificate, "name", apple_str(one, "PayloadDisplayName"));
		put_clean(certificate, "profile", apple_str(profile, "PayloadIdentifier"));
		json_array_append_new(to, certificate);
	}
}

static bool put_enrolment(struct apple_device *dev, json_t *facts, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = apple_mcinstall_request("ProfileList");
	STG_AUTO(apple_plist_free_at) plist_t reply = NULL;
	bool managed = false;
	if (!apple_mcinstall_ask(dev, APPLE_MC_READ, ask, READ_MS, &reply, err))
		return false;
	plist_t list = apple_array(reply, "ProfileList");
	if (!list)
		return true;
	json_t *certificates = json_array();
	for (uint32_t i = 0; i < plist_array_get_size(list) && i < LIST_MAX; i++) {
		plist_t profile = plist_array_get_item(list, i);
		managed = managed || is_managing(profile);
		add_certificates(certificates, profile);
	}
	stg_json_put_bool(facts, STG_FACT_MDM_ENROLLED, managed);
	stg_json_put_new(facts, STG_FACT_INSTALLED_CERTIFICATES, certificates);
	return true;
}

static bool put_security(struct apple_device *dev, json_t *facts, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = apple_mcinstall_request("SecurityInfo");
	STG_AUTO(apple_plist_free_at) plist_t reply = NULL;
	if (!apple_mcinstall_ask(dev, APPLE_MC_READ, ask, READ_MS, &reply, err))
		return false;
	plist_t info = apple_dict(reply, "SecurityInfo");
	if (apple_get(info, "PasscodePresent"))
		stg_json_put_bool(facts, STG_FACT_PASSCODE_SET, apple_true(info, "PasscodePresent"));
	if (apple_get(info, "PasscodeCompliantWithProfiles"))
		stg_json_put_bool(facts, STG_FACT_PASSCODE_COMPLIANT, apple_true(info, "PasscodeCompliantWithProfiles"));
	uint64_t caps;
	if (apple_uint(info, "HardwareEncryptionCaps", &caps) && caps <= 3)
		stg_json_put_int(facts, STG_FACT_ENCRYPTION_CAPS, (int64_t)caps);
	return true;
}

/* An answer of "no" leaves the fact unknown; each request is asked once between two changes. */
static bool read_again(struct apple_device *dev, struct stg_error *err)
{
	bool (*const ask[])(struct apple_device *, json_t *, struct stg_error *) = { put_enrolment, put_security };
	STG_AUTO(stg_json_free_at) json_t *fresh = json_object();
	for (size_t i = 0; i < STG_ARRAY_LEN(ask); i++) {
		struct stg_error why = { 0 };
		if (!ask[i](dev, fresh, &why) && why.code != STG_E_REFUSED && why.code != STG_E_UNSUPPORTED && why.code != STG_E_PROTOCOL) {
			if (err)
				*err = why;
			return false;
		}
	}
	dev->owner_facts = stg_steal(fresh);
	return true;
}

bool apple_put_owner_facts(struct apple_device *dev, json_t *facts, struct stg_error *err)
{
	if (dev->ours != APPLE_OURS_YES || !dev->escalated || !dev->mcinstall)
		return true;
	if (!dev->owner_facts && !read_again(dev, err))
		return false;
	return json_object_update(facts, dev->owner_facts) == 0 || stg_fail(err, STG_E_NOMEM, 0, "facts");
}

void apple_owner_facts_forget(struct apple_device *dev)
{
	json_decref(dev->owner_facts);
	dev->owner_facts = NULL;
}

json_t *apple_owner_facts(struct stg_device *base, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	STG_AUTO(apple_plist_free_at) plist_t cloud = NULL;
	STG_AUTO(stg_json_free_at) json_t *facts = json_object();
	bool ok = dev->ours != APPLE_OURS_UNKNOWN || apple_cloud_configuration(dev, &cloud, err);
	if (ok && dev->ours == APPLE_OURS_YES)
		ok = apple_escalate(dev, err) && apple_put_owner_facts(dev, facts, err);
	if (!ok) {
		stg_while(err, "what only its supervisor may read");
		return NULL;
	}
	return stg_steal(facts);
}
