/*
 * values.c - what lockdown's GetValue answers, domain by domain.
 *
 * For:    lockdownd.c, and services that report the same facts.
 * Uses:   device.h, tls.h (the public key), libplist.
 * Called: by lockdownd.c, services.
 * Thread: the bench's only one.
 * Facts:  the keys seen before pairing are those of an iOS 14.7 log; serial number, IMEI and activation state come with a
 *         session only. Types matter: UniqueChipID unsigned 64 bit, times real, battery an integer (go-ios panics else).
 */
#include <stdio.h>
#include <string.h>

#include <stager/clock.h>

#include "bench.h"
#include "tls.h"

static void put(plist_t dict, const char *key, plist_t value)
{
	plist_dict_set_item(dict, key, value);
}

static void put_str(plist_t dict, const char *key, const char *value)
{
	if (value[0])
		put(dict, key, plist_new_string(value));
}

static void put_bool(plist_t dict, const char *key, bool value)
{
	put(dict, key, plist_new_bool(value));
}

static void put_uint(plist_t dict, const char *key, uint64_t value)
{
	put(dict, key, plist_new_uint(value));
}

/* What anybody on the cable may know. */
static void put_public(struct virt_device *d, plist_t v)
{
	const struct virt_model *m = d->model;
	plist_t families = plist_new_array();

	plist_array_append_item(families, plist_new_uint(1));
	if (m->is_ipad)
		plist_array_append_item(families, plist_new_uint(2));
	put_uint(v, "BoardId", m->board_id);
	put_str(v, "BuildVersion", d->os->build);
	put_str(v, "CPUArchitecture", m->cpu);
	put_uint(v, "ChipID", m->chip_id);
	put_str(v, "DeviceClass", m->is_ipad ? "iPad" : "iPhone");
	put_str(v, "DeviceColor", d->color->name);
	put_str(v, "DeviceName", d->name);
	put_uint(v, "DieID", d->ecid);
	put_str(v, "HardwareModel", m->board);
	put_bool(v, "HasSiDP", true);
	put_uint(v, "PartitionType", 0);
	put_str(v, "ProductName", "iPhone OS");
	put_str(v, "ProductType", m->product_type);
	put_str(v, "ProductVersion", d->os->version);
	put_bool(v, "ProductionSOC", true);
	put_str(v, "ProtocolVersion", "2");
	put(v, "SupportedDeviceFamilies", families);
	put_bool(v, "TelephonyCapability", !m->is_ipad);
	put_uint(v, "UniqueChipID", d->ecid);
	put_str(v, "UniqueDeviceID", d->udid);
	put_str(v, "WiFiAddress", d->wifi);
	if (m->is_cellular) {
		put_uint(v, "BasebandCertId", 3840149528u);
		put_uint(v, "BasebandChipID", 5747937);
		put(v, "BasebandSerialNumber", plist_new_data((const char *)&d->ecid, 4));
	}
}

static void put_trusted(struct virt_device *d, plist_t v)
{
	const struct virt_model *m = d->model;
	plist_t nvram = plist_new_dict();
	char text[40];

	put_str(nvram, "boot-args", d->jailbroken ? "-v amfi_get_out_of_my_way=1" : "");
	put_str(nvram, "auto-boot", "true");
	put(v, "NonVolatileRAM", nvram);
	put_str(v, "ActivationState", d->activation_state);
	put_bool(v, "ActivationStateAcknowledged", d->activation_acknowledged);
	put_str(v, "BluetoothAddress", d->bluetooth);
	put_bool(v, "BrickState", strcmp(d->activation_state, "Unactivated") == 0);
	put_str(v, "DeviceEnclosureColor", d->color->enclosure);
	put_str(v, "EthernetAddress", d->ethernet);
	snprintf(text, sizeof(text), "iBoot-%u", 6000 + d->os->major * 100);
	put_str(v, "FirmwareVersion", text);
	put_str(v, "HardwarePlatform", "t8101");
	put_bool(v, "HostAttached", true);
	put_str(v, "MLBSerialNumber", d->mlb_serial);
	put_str(v, "ModelNumber", m->order);
	put_str(v, "RegionInfo", d->region);
	put_bool(v, "PasswordProtected", d->is_locked);
	put_str(v, "SerialNumber", d->serial);
	put(v, "TimeIntervalSince1970", plist_new_real((double)(stg_wall_ms() + d->clock_offset_ms) / 1000.0));
	put_str(v, "TimeZone", "America/Los_Angeles");
	put(v, "TimeZoneOffsetFromUTC", plist_new_real(-28800.0));
	put_bool(v, "TrustedHostAttached", true);
	put_bool(v, "Uses24HourClock", false);
	put_bool(v, "UseRaptorCerts", true);
	if (m->is_cellular) {
		put_str(v, "BasebandStatus", "BBInfoAvailable");
		put_str(v, "BasebandVersion", "4.01.02");
		put_str(v, "InternationalMobileEquipmentIdentity", d->imei[0]);
		put_str(v, "InternationalMobileEquipmentIdentity2", d->imei[1]);
		put_str(v, "MobileEquipmentIdentifier", d->meid);
		put_str(v, "IntegratedCircuitCardIdentity", d->iccid);
		put_str(v, "IntegratedCircuitCardIdentity2", d->iccid2);
		put_str(v, "SIMStatus", d->iccid[0] ? "kCTSIMSupportSIMStatusReady" : "kCTSIMSupportSIMStatusNotInserted");
		put_str(v, "SIMTrayStatus", "kCTSIMSupportSIMTrayInserted");
	}
}

static void put_disk(struct virt_device *d, plist_t v)
{
	uint64_t system = 16000000000u < d->capacity_bytes / 2 ? 16000000000u : d->capacity_bytes / 2;
	uint64_t data = d->capacity_bytes - system;

	put_uint(v, "TotalDiskCapacity", d->capacity_bytes);
	put_uint(v, "TotalSystemCapacity", system);
	put_uint(v, "TotalSystemAvailable", 0);
	put_uint(v, "TotalDataCapacity", data);
	put_uint(v, "TotalDataAvailable", d->disk_full ? 0 : data - 4000000000u);
	put_uint(v, "AmountDataReserved", 209715200);
	put_uint(v, "AmountDataAvailable", d->disk_full ? 0 : data - 4209715200u);
	put_uint(v, "PhotoUsage", 0);
	put_uint(v, "CameraUsage", 0);
	put_uint(v, "CalculateDiskUsage", 0);
	put_uint(v, "MobileApplicationUsage", 0);
	put(v, "NANDInfo", plist_new_data("\1\0\0\0", 4));
}

static void put_battery(struct virt_device *d, plist_t v)
{
	put_uint(v, "BatteryCurrentCapacity", d->battery_percent);
	put_bool(v, "BatteryIsCharging", d->battery_charging && d->battery_percent < 100);
	put_bool(v, "ExternalChargeCapable", true);
	put_bool(v, "ExternalConnected", d->is_plugged);
	put_bool(v, "FullyCharged", d->battery_percent >= 100);
	put_bool(v, "GasGaugeCapability", true);
	put_bool(v, "HasBattery", true);
}

static plist_t strings(const char *const *list, size_t n)
{
	plist_t a = plist_new_array();

	for (size_t i = 0; i < n; i++)
		plist_array_append_item(a, plist_new_string(list[i]));
	return a;
}

static void put_international(struct virt_device *d, plist_t v)
{
	static const char *const languages[] = { "en", "fr", "de", "es", "it", "nl", "pt", "ja", "zh-Hans" };
	static const char *const locales[] = { "en_US", "en_GB", "fr_FR", "fr_CA", "de_DE", "es_ES", "it_IT", "nl_NL", "pt_BR", "ja_JP" };
	static const char *const keyboards[] = { "en_US@sw=QWERTY;hw=Automatic", "fr_FR@sw=AZERTY-French;hw=Automatic" };

	(void)d;
	put_str(v, "Language", "en");
	put_str(v, "Locale", "en_US");
	put_str(v, "Keyboard", keyboards[0]);
	put(v, "SupportedLanguages", strings(languages, STG_ARRAY_LEN(languages)));
	put(v, "SupportedLocales", strings(locales, STG_ARRAY_LEN(locales)));
	put(v, "SupportedKeyboards", strings(keyboards, STG_ARRAY_LEN(keyboards)));
}

static void put_buddy(struct virt_device *d, plist_t v)
{
	put_bool(v, "SetupDone", d->at_home_screen);
	put_str(v, "SetupState", d->at_home_screen ? "SetupUsingAssistant" : "");
	put_uint(v, "SetupVersion", 11);
	put_bool(v, "SetupFinishedAllSteps", d->at_home_screen);
}

static void put_wireless(struct virt_device *d, plist_t v)
{
	put_bool(v, "EnableWifiConnections", false);
	put_bool(v, "SupportsWifi", true);
	put_bool(v, "SupportsWifiSyncing", true);
	put_str(v, "WirelessBuddyID", "");
	put_str(v, "BonjourFullServiceName", d->wifi);
}

static void put_itunes(struct virt_device *d, plist_t v)
{
	put_uint(v, "ScreenWidth", d->model->screen_width);
	put_uint(v, "ScreenHeight", d->model->screen_height);
	put_uint(v, "HomeScreenIconColumns", 4);
	put_uint(v, "HomeScreenIconRows", d->model->is_ipad ? 5 : 6);
	put_uint(v, "MinITunesVersion", 12);
	put_bool(v, "OEMA", false);
}

static void put_backup(struct virt_device *d, plist_t v)
{
	(void)d;
	put_bool(v, "WillEncrypt", false);
	put_bool(v, "CloudBackupEnabled", false);
}

static void put_chaperone(struct virt_device *d, plist_t v)
{
	put_bool(v, "DeviceIsChaperoned", virt_device_is_supervised(d));
}

static void put_restriction(struct virt_device *d, plist_t v)
{
	(void)d;
	put_bool(v, "ProhibitAppInstall", false);
	put_bool(v, "ProhibitAppRemove", false);
}

static void put_amfi(struct virt_device *d, plist_t v)
{
	if (d->os->major >= 16)
		put_bool(v, "DeveloperModeStatus", false);
}

static void put_cache(struct virt_device *d, plist_t v)
{
	put_str(v, "ActivationState", d->activation_state);
}

static const struct {
	const char *name;
	void (*fill)(struct virt_device *, plist_t);
} domains[] = {
	{ "com.apple.mobile.battery", put_battery },
	{ "com.apple.disk_usage", put_disk },
	{ "com.apple.disk_usage.factory", put_disk },
	{ "com.apple.mobile.chaperone", put_chaperone },
	{ "com.apple.PurpleBuddy", put_buddy },
	{ "com.apple.purplebuddy", put_buddy },
	{ "com.apple.international", put_international },
	{ "com.apple.mobile.wireless_lockdown", put_wireless },
	{ "com.apple.mobile.backup", put_backup },
	{ "com.apple.mobile.restriction", put_restriction },
	{ "com.apple.mobile.lockdown_cache", put_cache },
	{ "com.apple.security.mac.amfi", put_amfi },
	{ "com.apple.mobile.iTunes", put_itunes },
};

/* Values set by the host win. */
static void overlay(struct virt_device *d, const char *domain, plist_t v)
{
	plist_dict_iter it = NULL;
	size_t len = strlen(domain);

	plist_dict_new_iter(d->values, &it);
	for (;;) {
		char *key = NULL;
		plist_t value = NULL;

		plist_dict_next_item(d->values, it, &key, &value);
		if (!key)
			break;
		if (strncmp(key, domain, len) == 0 && key[len] == '/')
			put(v, key + len + 1, plist_copy(value));
		free(key);
	}
	free(it);
}

/* Answered only when asked for by name. */
static plist_t hidden_value(struct virt_device *d, const char *domain, const char *key, bool trusted)
{
	if (!domain[0] && strcmp(key, "DevicePublicKey") == 0) {
		struct virt_key *k = virt_device_key(d, NULL);

		return k ? plist_new_data((const char *)k->public_pem.data, k->public_pem.len) : NULL;
	}
	if (trusted && strcmp(domain, "com.apple.fmip") == 0 && strcmp(key, "IsAssociated") == 0)
		return plist_new_bool(d->find_my && d->at_home_screen);
	return NULL;
}

plist_t virt_value(struct virt_device *d, const char *domain, const char *key, bool trusted)
{
	plist_t all, one;

	if (!domain)
		domain = "";
	if (key) {
		one = hidden_value(d, domain, key, trusted);
		if (one)
			return one;
	}
	all = plist_new_dict();
	if (!domain[0]) {
		put_public(d, all);
		if (trusted)
			put_trusted(d, all);
	} else if (trusted) {
		for (size_t i = 0; i < STG_ARRAY_LEN(domains); i++)
			if (strcmp(domains[i].name, domain) == 0)
				domains[i].fill(d, all);
	}
	if (trusted)
		overlay(d, domain, all);
	if (!key)
		return all;
	one = plist_dict_get_item(all, key);
	one = one ? plist_copy(one) : NULL;
	plist_free(all);
	return one;
}

void virt_value_set(struct virt_device *d, const char *domain, const char *key, plist_t value)
{
	char path[300];

	snprintf(path, sizeof(path), "%.140s/%.140s", domain ? domain : "", key);
	if (value)
		plist_dict_set_item(d->values, path, value);
	else
		plist_dict_remove_item(d->values, path);
}
