/*
 * facts.c - who it is and what state it is in.
 *
 * For:    stg_device_identify, _facts.
 * Uses:   lockdown.c, mcinstall.c.
 * Called: through the driver's table.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 3.4. Serial and IMEI are invisible before pairing; PasswordProtected means "locked now"; the
 *         configuration's supervision flag sits inside CloudConfiguration.
 */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/clock.h>
#include <stager/facts.h>
#include <stager/watch.h>

#include "device.h"
#include "models.h"

#define FRESH_MS 2000           /* the default domain is not asked for twice in a row */
#define SLOW_FACTS_MS 300000

static void text_of(plist_t values, const char *key, char *ret, size_t size)
{
	char clean[512];
	stg_printable(apple_str(values, key), true, clean, sizeof(clean));
	if (!stg_copy(ret, size, clean))
		ret[0] = 0;   /* half a name is a wrong name */
}

static void serial_of(plist_t values, char *ret, size_t size)
{
	char text[128], *from = text;
	text_of(values, "SerialNumber", text, sizeof(text));
	while (*from == ' ')
		from++;
	size_t len = strcspn(from, " ");
	bool zeros = true;
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)from[i])) {
			ret[0] = 0;
			return;
		}
		from[i] = (char)toupper((unsigned char)from[i]);
		zeros &= from[i] == '0';
	}
	from[len] = 0;
	/* boards swapped in a workshop say "000000000000": that is no serial */
	if (zeros || !stg_copy(ret, size, from))
		ret[0] = 0;
}

static void public_key_of(struct apple_device *dev, char ret[65])
{
	ret[0] = 0;
	if (dev->in_session && apple_record_key_sha256(dev, ret))
		return;
	STG_AUTO(apple_plist_free_at) plist_t key = apple_value(dev, APPLE_PLAIN, NULL, "DevicePublicKey", NULL);
	uint64_t len = 0;
	const char *pem = apple_is(key, PLIST_DATA) ? plist_get_data_ptr(key, &len) : NULL;
	if (pem)
		apple_key_sha256(stg_bytes(pem, (size_t)len), ret);
}

/* With the session's eyes when there is a trust, without when there is none. */
static plist_t look(struct apple_device *dev, struct stg_error *err)
{
	struct stg_error why = { 0 };
	if (!apple_session(dev, &why)) {
		bool no_trust = why.id == STG_ID_NO_TRUST || why.id == STG_ID_TRUST_LOST || why.code == STG_E_NEEDS_HUMAN;
		if (!no_trust) {
			if (err)
				*err = why;
			return NULL;
		}
	}
	return apple_values(dev, FRESH_MS, err);
}

bool apple_identify(struct stg_device *base, struct stg_identity *ret, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	struct stg_identity id = { .family = "apple" };
	plist_t v = look(dev, err);
	uint64_t ecid = 0;
	char imei[64];
	if (!v)
		return stg_while(err, "identify");
	if (!apple_uint(v, "UniqueChipID", &ecid) || !ecid)
		return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "identify: no ECID");
	snprintf(id.unit, sizeof(id.unit), "%" PRIu64, ecid);
	if (!stg_udid_clean(apple_str(v, "UniqueDeviceID"), id.udid))
		stg_udid_clean(dev->udid, id.udid);
	serial_of(v, id.serial, sizeof(id.serial));
	size_t n = 0;
	static const char *const imei_keys[] = { "InternationalMobileEquipmentIdentity", "InternationalMobileEquipmentIdentity2" };
	for (size_t i = 0; i < STG_ARRAY_LEN(imei_keys); i++) {
		text_of(v, imei_keys[i], imei, sizeof(imei));
		if (imei[0] && stg_imei_clean(imei, id.imei[n]))
			n++;
	}
	text_of(v, "MobileEquipmentIdentifier", id.meid, sizeof(id.meid));
	text_of(v, "ProductType", id.model, sizeof(id.model));
	text_of(v, "HardwareModel", id.hardware, sizeof(id.hardware));
	text_of(v, "DeviceClass", id.device_class, sizeof(id.device_class));
	text_of(v, "ProductVersion", id.os_version, sizeof(id.os_version));
	text_of(v, "BuildVersion", id.build, sizeof(id.build));
	text_of(v, "WiFiAddress", id.wifi_mac, sizeof(id.wifi_mac));
	text_of(v, "BluetoothAddress", id.bluetooth_mac, sizeof(id.bluetooth_mac));
	text_of(v, "DeviceName", id.name, sizeof(id.name));
	stg_copy(id.model_name, sizeof(id.model_name), apple_model_name(id.model));
	public_key_of(dev, id.key_sha256);
	*ret = id;
	return true;
}

/* ---- facts ---- */

static void put_text(json_t *facts, const char *name, plist_t from, const char *key)
{
	char text[256];
	text_of(from, key, text, sizeof(text));
	stg_json_put(facts, name, text);
}

static void put_flag(json_t *facts, const char *name, plist_t from, const char *key)
{
	if (apple_get(from, key))
		stg_json_put_bool(facts, name, apple_true(from, key));
}

static void put_number(json_t *facts, const char *name, plist_t from, const char *key)
{
	uint64_t n;
	if (apple_uint(from, key, &n) && n <= INT64_MAX)
		stg_json_put_int(facts, name, (int64_t)n);
}

/* A value of another domain; a device that has none leaves the fact out, a lost connection is an error. */
static bool ask_value(struct apple_device *dev, const char *domain, const char *key, plist_t *ret, struct stg_error *err)
{
	struct stg_error why = { 0 };
	*ret = apple_value(dev, APPLE_SESSION, domain, key, &why);
	if (*ret || why.code == STG_E_NOT_FOUND || why.code == STG_E_REFUSED)
		return true;
	if (err)
		*err = why;
	return false;
}

static bool flag_of(plist_t value)
{
	uint8_t b = 0;
	uint64_t n = 0;
	if (apple_is(value, PLIST_BOOLEAN))
		plist_get_bool_val(value, &b);
	else if (apple_is(value, PLIST_UINT))
		plist_get_uint_val(value, &n);
	return b || n;
}

struct single {
	const char *name, *domain, *key;
	bool number;
};

static bool put_single(struct apple_device *dev, const struct single *s, json_t *facts, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t value = NULL;
	uint64_t n = 0;
	if (!ask_value(dev, s->domain, s->key, &value, err))
		return false;
	if (!s->number && (apple_is(value, PLIST_BOOLEAN) || apple_is(value, PLIST_UINT))) {
		stg_json_put_bool(facts, s->name, flag_of(value));
	} else if (s->number && apple_is(value, PLIST_UINT)) {
		plist_get_uint_val(value, &n);
		stg_json_put_int(facts, s->name, (int64_t)n);
	}
	return true;
}

/* Disk space costs a real device seconds, and none of these changes under our hands within minutes. */
static bool put_slow_facts(struct apple_device *dev, json_t *facts, struct stg_error *err)
{
	static const struct single slow[] = {
		{ STG_FACT_FIND_MY, "com.apple.fmip", "IsAssociated", false },
		{ STG_FACT_CAPACITY_BYTES, "com.apple.disk_usage", "TotalDiskCapacity", true },
		{ STG_FACT_FREE_BYTES, "com.apple.disk_usage", "AmountDataAvailable", true },
	};
	if (!dev->slow_facts || stg_boot_ms() - dev->slow_facts_ms > SLOW_FACTS_MS) {
		json_decref(dev->slow_facts);
		dev->slow_facts = NULL;
		STG_AUTO(stg_json_free_at) json_t *fresh = json_object();
		for (size_t i = 0; i < STG_ARRAY_LEN(slow); i++)
			if (!put_single(dev, &slow[i], fresh, err))
				return false;
		dev->slow_facts = stg_steal(fresh);
		dev->slow_facts_ms = stg_boot_ms();
	}
	return json_object_update(facts, dev->slow_facts) == 0 || stg_fail(err, STG_E_NOMEM, 0, "facts");
}

static bool put_session_facts(struct apple_device *dev, json_t *facts, struct stg_error *err)
{
	static const struct single quick[] = {
		{ STG_FACT_SUPERVISED, "com.apple.mobile.chaperone", "DeviceIsChaperoned", false },
		{ STG_FACT_SETUP_DONE, "com.apple.PurpleBuddy", "SetupDone", false },
	};
	STG_AUTO(apple_plist_free_at) plist_t battery = NULL;
	STG_AUTO(apple_plist_free_at) plist_t words = NULL;
	for (size_t i = 0; i < STG_ARRAY_LEN(quick); i++)
		if (!put_single(dev, &quick[i], facts, err))
			return false;
	if (!put_slow_facts(dev, facts, err) || !ask_value(dev, "com.apple.mobile.battery", NULL, &battery, err) ||
	    !ask_value(dev, "com.apple.international", NULL, &words, err))
		return false;
	put_number(facts, STG_FACT_BATTERY_PERCENT, battery, "BatteryCurrentCapacity");
	put_flag(facts, STG_FACT_CHARGING, battery, "BatteryIsCharging");
	put_text(facts, STG_FACT_LANGUAGE, words, "Language");
	put_text(facts, STG_FACT_LOCALE, words, "Locale");
	return true;
}

/* What the organisation wrote, without certificates: who, and how far. */
static bool put_configuration(struct apple_device *dev, json_t *facts, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t cloud = NULL;
	struct stg_error why = { 0 };
	if (!apple_cloud_configuration(dev, &cloud, &why)) {
		/* locked, or forbidden by a restriction: the fact is unknown, the device is not lost */
		if (why.code == STG_E_NEEDS_HUMAN || why.code == STG_E_REFUSED || why.code == STG_E_UNSUPPORTED)
			return true;
		if (err)
			*err = why;
		return false;
	}
	stg_json_put_bool(facts, STG_FACT_OURS, dev->ours == APPLE_OURS_YES);
	if (!cloud) {
		stg_json_put_bool(facts, STG_FACT_CLOUD_CONFIGURED, false);
		return true;
	}
	stg_json_put_bool(facts, STG_FACT_CLOUD_CONFIGURED, true);
	put_text(facts, STG_FACT_SUPERVISED_BY, cloud, "OrganizationName");
	put_flag(facts, STG_FACT_ALLOW_PAIRING, cloud, "AllowPairing");
	/* the word of the configuration itself, where the cheap test had nothing to say */
	if (!json_object_get(facts, STG_FACT_SUPERVISED))
		stg_json_put_bool(facts, STG_FACT_SUPERVISED, apple_true(cloud, "IsSupervised"));
	if (*apple_str(cloud, "ConfigurationURL") || *apple_str(cloud, "ConfigurationWebURL"))
		stg_json_put_bool(facts, STG_FACT_MDM_CONFIGURED, true);
	stg_json_put_new(facts, STG_FACT_CLOUD_CONFIG, apple_cloud_json(cloud));
	return true;
}

json_t *apple_facts(struct stg_device *base, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	plist_t v = look(dev, err);
	double seconds;
	if (!v) {
		stg_while(err, "facts");
		return NULL;
	}
	STG_AUTO(stg_json_free_at) json_t *facts = json_object();
	put_text(facts, STG_FACT_MODEL, v, "ProductType");
	put_text(facts, STG_FACT_DEVICE_CLASS, v, "DeviceClass");
	put_text(facts, STG_FACT_OS_VERSION, v, "ProductVersion");
	put_text(facts, STG_FACT_BUILD, v, "BuildVersion");
	put_text(facts, STG_FACT_ACTIVATION_STATE, v, "ActivationState");
	if (*apple_str(v, "ActivationState"))
		stg_json_put_bool(facts, STG_FACT_ACTIVATED, strcmp(apple_str(v, "ActivationState"), "Unactivated") != 0);
	put_flag(facts, STG_FACT_LOCKED, v, "PasswordProtected");
	put_text(facts, STG_FACT_NAME, v, "DeviceName");
	put_text(facts, STG_FACT_REGION_INFO, v, "RegionInfo");
	put_text(facts, STG_FACT_MODEL_NUMBER, v, "ModelNumber");
	put_text(facts, STG_FACT_COLOR, v, "DeviceColor");
	put_text(facts, STG_FACT_TIME_ZONE, v, "TimeZone");
	put_text(facts, STG_FACT_PHONE_NUMBER, v, "PhoneNumber");
	put_text(facts, STG_FACT_SIM_STATUS, v, "SIMStatus");
	put_text(facts, STG_FACT_ICCID, v, "IntegratedCircuitCardIdentity");
	put_text(facts, STG_FACT_ICCID2, v, "IntegratedCircuitCardIdentity2");
	put_text(facts, STG_FACT_ETHERNET_MAC, v, "EthernetAddress");
	/* not of the device, but of what it says: how old its system is, and how far behind */
	if (apple_released(apple_str(v, "ProductVersion")))
		stg_json_put(facts, STG_FACT_OS_RELEASED, apple_released(apple_str(v, "ProductVersion")));
	if (apple_newest(apple_str(v, "ProductVersion")))
		stg_json_put(facts, STG_FACT_OS_NEWEST, apple_newest(apple_str(v, "ProductVersion")));
	if (apple_number(v, "TimeIntervalSince1970", &seconds) && isfinite(seconds) && fabs(seconds) < 1e11)
		stg_json_put_int(facts, STG_FACT_CLOCK_S, (int64_t)seconds);
	if (dev->in_session && (!put_session_facts(dev, facts, err) || !put_configuration(dev, facts, err) || !apple_put_owner_facts(dev, facts, err))) {
		stg_while(err, "facts");
		return NULL;
	}
	return stg_steal(facts);
}
