/*
 * cross.c - rules that hold between keys and between payloads, which a table cannot say.
 *
 * For:    catalogue.c, after each payload's keys were looked at one by one.
 * Uses:   certs.c for what certificates and identities hold.
 * Called: by catalogue.c.
 * Thread: any; no state.
 *
 * Facts: profiles-and-certificates 1.4 (what devices refuse), 2.3 (the nine rules), 2.5 (rights of an MDM).
 */
#include <stdio.h>
#include <strings.h>

#include <stager/variable.h>

#include "inner.h"
#include "schema.h"

#define WPA_PASSWORD_MIN 8
#define WPA_PASSWORD_MAX 63
#define SSID_MAX 32

static bool is(const char *text, const char *word)
{
	return text && strcmp(text, word) == 0;
}

/* The text of a key, NULL when it is absent or a variable: what it will be is not known yet. */
static const char *known(plist_t dict, const char *key)
{
	const char *text = tree_str(dict, key);
	return text && !stg_variable_any(text) ? text : NULL;
}

static bool has_item(plist_t list, const char *text)
{
	for (uint32_t i = 0; is_list(list) && i < plist_array_get_size(list) && i < 1000; i++)
		if (is(node_str(plist_array_get_item(list, i)), text))
			return true;
	return false;
}

static void want_https(struct findings *f, plist_t dict, const char *key, char *path)
{
	const char *url = known(dict, key);
	size_t n = path_key(path, key);
	if (url && strncasecmp(url, "https://", 8) != 0)
		finding(f, "error", path, "must start with https://");
	path[n] = 0;
}

static void want_key(struct findings *f, plist_t dict, const char *key, const char *because, const char *path)
{
	const char *text = tree_str(dict, key);
	if (!tree_get(dict, key) || (text && !*text))
		finding(f, "error", path, "%s asks for %s, which is missing", because, key);
}

/* ---- networks ---- */

static void check_eap(struct findings *f, plist_t outer, plist_t eap, char *path, const char *where)
{
	const char *least = tree_str(eap, "TLSMinimumVersion"), *most = tree_str(eap, "TLSMaximumVersion");
	if (eap_accepts(eap, 13) && !tree_get(outer, "PayloadCertificateUUID"))
		finding(f, "error", path, "EAP-TLS (13) needs PayloadCertificateUUID in the %s payload", where);
	if (eap_accepts(eap, 21) && !tree_get(eap, "TTLSInnerAuthentication"))
		finding(f, "error", path, "EAP-TTLS (21) needs TTLSInnerAuthentication");
	if (is(least, "1.3") && !tree_get(eap, "OuterIdentity"))
		finding(f, "error", path, "TLSMinimumVersion 1.3 needs OuterIdentity");
	if (least && most && strcmp(least, most) > 0)
		finding(f, "error", path, "TLSMinimumVersion is above TLSMaximumVersion");
	if (!tree_get(eap, "TLSTrustedServerNames") && !tree_get(eap, "PayloadCertificateAnchorUUID"))
		finding(f, "warning", path, "no TLSTrustedServerNames and no anchor: the device will ask whether to trust the server");
	if (tree_get(eap, "TLSTrustedCertificates"))
		finding(f, "warning", path, "TLSTrustedCertificates is not dependable: name the certificates in PayloadCertificateAnchorUUID");
	plist_t list = tree_get(eap, "AcceptEAPTypes");
	if (is_list(list) && plist_array_get_size(list) == 0)
		finding(f, "error", path, "AcceptEAPTypes holds no type, at least one was expected");
}

static void check_proxy(struct findings *f, plist_t d, const char *path)
{
	const char *how = tree_str(d, "ProxyType");
	if (is(how, "Manual") && (!tree_get(d, "ProxyServer") || !tree_get(d, "ProxyServerPort")))
		finding(f, "error", path, "ProxyType Manual needs ProxyServer and ProxyServerPort");
	if (is(how, "Auto") && (tree_get(d, "ProxyServer") || tree_get(d, "ProxyServerPort")))
		finding(f, "warning", path, "ProxyType Auto takes no ProxyServer: the device ignores it");
	if ((!how || is(how, "None")) && (tree_get(d, "ProxyServer") || tree_get(d, "ProxyPACURL")))
		finding(f, "warning", path, "without ProxyType Manual or Auto the device ignores the proxy");
}

static void check_wifi_password(struct findings *f, plist_t wifi, const char *how, char *path)
{
	const char *password = known(wifi, "Password");
	size_t n = password ? strlen(password) : 0;
	if (!password || !is(how, "WPA") || tree_get(wifi, "EAPClientConfiguration"))
		return;
	if (n < WPA_PASSWORD_MIN || n > WPA_PASSWORD_MAX + 1)
		finding(f, "warning", path, "a WPA password has %d to %d characters, this one has %zu", WPA_PASSWORD_MIN, WPA_PASSWORD_MAX, n);
}

static void check_wifi(struct findings *f, plist_t wifi, char *path)
{
	plist_t eap = tree_get(wifi, "EAPClientConfiguration");
	const char *how = tree_str(wifi, "EncryptionType"), *ssid = known(wifi, "SSID_STR");
	bool is_open = is(how, "None");
	if (!tree_get(wifi, "SSID_STR") && !tree_get(wifi, "DomainName"))
		finding(f, "error", path, "neither SSID_STR nor DomainName: there is no network to join");
	if (ssid && (strlen(ssid) > SSID_MAX || !*ssid))
		finding(f, "error", path, "SSID_STR has %zu bytes, 1 to %d were expected", strlen(ssid), SSID_MAX);
	if (eap && tree_get(wifi, "Password"))
		finding(f, "error", path, "Password and EAPClientConfiguration exclude one another");
	if (is_open && (eap || tree_get(wifi, "Password")))
		finding(f, "error", path, "an open network (EncryptionType None) takes no password and no EAP");
	if (!is_open && !eap && !tree_get(wifi, "Password"))
		finding(f, "warning", path, "no password: the device will ask the user");
	check_wifi_password(f, wifi, how, path);
	check_proxy(f, wifi, path);
	if (!is_dict(eap))
		return;
	size_t n = path_key(path, "EAPClientConfiguration");
	check_eap(f, wifi, eap, path, "Wi-Fi");
	path[n] = 0;
}

static void check_ethernet(struct findings *f, plist_t d, char *path)
{
	plist_t eap = tree_get(d, "EAPClientConfiguration");
	size_t n = path_key(path, "EAPClientConfiguration");
	if (is_dict(eap))
		check_eap(f, d, eap, path, "network");
	path[n] = 0;
}

static void check_dns(struct findings *f, plist_t d, char *path)
{
	plist_t dns = tree_get(d, "DNSSettings");
	size_t n = path_key(path, "DNSSettings");
	if (is(tree_str(dns, "DNSProtocol"), "HTTPS")) {
		want_key(f, dns, "ServerURL", "DNSProtocol HTTPS", path);
		want_https(f, dns, "ServerURL", path);
	} else if (is(tree_str(dns, "DNSProtocol"), "TLS")) {
		want_key(f, dns, "ServerName", "DNSProtocol TLS", path);
	}
	path[n] = 0;
}

static void check_filter(struct findings *f, plist_t d, char *path)
{
	const char *how = tree_str(d, "FilterType");
	if (is(how, "Plugin")) {
		want_key(f, d, "PluginBundleID", "FilterType Plugin", path);
		want_key(f, d, "UserDefinedName", "FilterType Plugin", path);
	} else if (!how || is(how, "BuiltIn")) {
		if (tree_get(d, "PluginBundleID"))
			finding(f, "warning", path, "PluginBundleID counts only with FilterType Plugin");
	}
}

static void check_ikev2(struct findings *f, plist_t ike, char *path)
{
	const char *how = tree_str(ike, "AuthenticationMethod");
	if (is(how, "Certificate"))
		want_key(f, ike, "PayloadCertificateUUID", "AuthenticationMethod Certificate", path);
	else if (is(how, "SharedSecret"))
		want_key(f, ike, "SharedSecret", "AuthenticationMethod SharedSecret", path);
}

static void check_vpn(struct findings *f, plist_t d, char *path)
{
	static const struct { const char *type, *dict; } parts[] = {
		{ "VPN", "VPN" }, { "IPSec", "IPSec" }, { "IKEv2", "IKEv2" }, { "AlwaysOn", "AlwaysOn" }, { "L2TP", "PPP" },
		{ "TransparentProxy", "TransparentProxy" },
	};
	const char *type = known(d, "VPNType");
	for (size_t i = 0; type && i < STG_ARRAY_LEN(parts); i++) {
		if (strcmp(parts[i].type, type) != 0)
			continue;
		plist_t part = tree_get(d, parts[i].dict);
		if (!part)
			finding(f, "error", path, "VPNType %s needs the dictionary %s", parts[i].type, parts[i].dict);
		else if (strcmp(type, "IKEv2") == 0) {
			size_t n = path_key(path, "IKEv2");
			check_ikev2(f, part, path);
			path[n] = 0;
		}
	}
	if (is(type, "VPN") && !tree_get(d, "VPNSubType"))
		finding(f, "error", path, "VPNType VPN needs VPNSubType, the app's bundle identifier");
	if (is(type, "AlwaysOn"))
		finding(f, "note", path, "an always-on VPN needs a supervised device");
}

/* ---- identities ---- */

static void check_acme(struct findings *f, plist_t d, char *path)
{
	bool is_bound = tree_bool(d, "HardwareBound", false);
	int64_t size = 0;
	bool has_size = tree_int(d, "KeySize", &size);
	const char *type = tree_str(d, "KeyType");
	want_https(f, d, "DirectoryURL", path);
	if (is(type, "RSA") && is_bound)
		finding(f, "error", path, "RSA keys cannot be hardware-bound: KeyType ECSECPrimeRandom was expected");
	if (is(type, "RSA") && has_size && (size < 1024 || size > 4096 || size % 8))
		finding(f, "error", path, "KeySize of an RSA key is a multiple of 8 from 1024 to 4096");
	if (is(type, "ECSECPrimeRandom") && has_size && size != 192 && size != 256 && size != 384 && size != 521)
		finding(f, "error", path, "KeySize of an EC key is 192, 256, 384 or 521");
	else if (is(type, "ECSECPrimeRandom") && is_bound && has_size && size != 256 && size != 384)
		finding(f, "error", path, "a hardware-bound key has KeySize 256 or 384");
	if (tree_bool(d, "Attest", false) && !is_bound)
		finding(f, "error", path, "Attest needs HardwareBound");
	finding(f, "note", path, "asks its server for a certificate while it is installed: it needs a line");
}

static void check_scep(struct findings *f, plist_t d, char *path)
{
	plist_t in = tree_get(d, "PayloadContent");
	size_t n = path_key(path, "PayloadContent");
	const char *url = known(in, "URL"), *type = known(in, "Key Type");
	int64_t size = 0, usage = 0;
	if (url && strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
		finding(f, "error", path, "URL must start with http:// or https://");
	if (type && strcmp(type, "RSA") != 0)
		finding(f, "error", path, "Key Type must be RSA");
	if (is_dict(in) && (!tree_int(in, "Keysize", &size) || size == 1024))
		finding(f, "warning", path, "a key of 1024 bits, which servers refuse: write Keysize 2048");
	if (tree_int(in, "Key Usage", &usage) && (usage & ~5))
		finding(f, "error", path, "Key Usage is 0, 1 (sign), 4 (encrypt) or 5 (both)");
	path[n] = 0;
	finding(f, "note", path, "asks its server for a certificate while it is installed: it needs a line");
}

/* ---- management ---- */

static void check_mdm(struct findings *f, plist_t mdm, char *path)
{
	const char *topic = known(mdm, "Topic");
	int64_t rights = 0;
	if (topic && strncmp(topic, "com.apple.mgmt.", 15) != 0)
		finding(f, "error", path, "Topic must start with com.apple.mgmt.");
	if (tree_int(mdm, "AccessRights", &rights)) {
		if ((rights & 2) && !(rights & 1))
			finding(f, "error", path, "AccessRights: right 2 needs right 1");
		if ((rights & 128) && !(rights & 64))
			finding(f, "error", path, "AccessRights: right 128 needs right 64");
	}
	want_https(f, mdm, "ServerURL", path);
	want_https(f, mdm, "CheckInURL", path);
	if (tree_bool(mdm, "PinningRevocationCheckRequired", false))
		finding(f, "warning", path, "PinningRevocationCheckRequired fails with certificates issued offline");
	if (tree_bool(mdm, "UseDevelopmentAPNS", false))
		finding(f, "warning", path, "UseDevelopmentAPNS: a push certificate of Apple's portal does not work with it");
	finding(f, "warning", path, "contacts its server while it is installed: store it for after setup");
}

static void check_limits(struct findings *f, plist_t limits, char *path)
{
	if (!tree_bool(limits, "allowHostPairing", true))
		finding(f, "note", path, "allowHostPairing is off: only stations with the supervision identity can pair afterwards");
	if (tree_bool(limits, "forceWiFiToAllowedNetworksOnly", false))
		finding(f, "warning", path, "forceWiFiToAllowedNetworksOnly cuts off a device without a working Wi-Fi payload");
	if (tree_bool(limits, "allowUSBRestrictedMode", true) && tree_get(limits, "allowUSBRestrictedMode"))
		finding(f, "note", path, "USB restricted mode stays on: a locked device stops answering after an hour");
	plist_t allowed = tree_get(limits, "allowListedAppBundleIDs"), blocked = tree_get(limits, "blockedAppBundleIDs");
	if (is_list(allowed) && is_list(blocked))
		finding(f, "warning", path, "allowListedAppBundleIDs and blockedAppBundleIDs together: use one of them");
}

static void check_app_lock(struct findings *f, plist_t lock, char *path)
{
	const char *app = known(tree_get(lock, "App"), "Identifier");
	plist_t one;
	for (uint32_t i = 0; app && i < 500 && (one = payload_at(f->p, i)); i++) {
		if (!is(tree_str(one, "PayloadType"), "com.apple.applicationaccess"))
			continue;
		plist_t allowed = tree_get(one, "allowListedAppBundleIDs");
		if (has_item(tree_get(one, "blockedAppBundleIDs"), app) || has_item(tree_get(one, "blacklistedAppBundleIDs"), app) ||
		    (is_list(allowed) && !has_item(allowed, app)))
			finding(f, "error", path, "locks the device to %.80s, which a restriction of this profile hides", app);
	}
}

/* ---- variables of other products, which nobody here fills in ---- */

static bool starts_any(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strncmp(text, *words, strlen(*words)) == 0)
			return true;
	return false;
}

/* Only names that are known for variables: a "$" may stand in any password. */
static void check_foreign(void *ctx, plist_t node, const char *key, const char *path)
{
	static const char *const never_filled[] = {
		"$SERIALNUMBER", "$UDID", "$DEVICENAME", "$ASSET_TAG", "$USERNAME", "$EMAIL", "$SITENAME", "$EXTENSIONATTRIBUTE_", "$PROFILEJSSID",
		"$MANAGEMENTID", "$FLEET_VAR_", "${serial", "${SERIAL", "${udid", "${UDID", "${device", "${DEVICE", "{DeviceSerialNumber}", "{DeviceUid}",
		"{EnrollmentUser}", "{DynamicScepChallenge}", NULL };
	static const char *const on_a_mac[] = {
		"%SerialNumber%", "%HardwareUUID%", "%MACAddress%", "%ComputerName%", "%HostName%", "%LocalHostName%", "%AD_", NULL };
	struct findings *f = ctx;
	const char *text = node_str(node);
	(void)key;
	for (const char *p = text; p && (p = strpbrk(p, "$%{")); p++) {
		if (starts_any(p, never_filled)) {
			finding(f, "error", path, "holds an unresolved variable of another product: write {{serial}} or the like");
			return;
		}
		if (starts_any(p, on_a_mac)) {
			finding(f, "warning", path, "holds a variable that only a Mac fills in: write {{serial}} or the like");
			return;
		}
	}
}

/* ---- doors ---- */

void cross_payload(struct findings *f, plist_t one, const char *type, char *path)
{
	static const struct {
		const char *type;
		void (*check)(struct findings *, plist_t, char *);
	} checks[] = {
		{ "com.apple.wifi.managed", check_wifi }, { "com.apple.globalethernet.managed", check_ethernet },
		{ "com.apple.dnsSettings.managed", check_dns }, { "com.apple.webcontent-filter", check_filter },
		{ "com.apple.vpn.managed", check_vpn }, { "com.apple.vpn.managed.applayer", check_vpn },
		{ "com.apple.security.acme", check_acme }, { "com.apple.security.scep", check_scep }, { "com.apple.mdm", check_mdm },
		{ "com.apple.applicationaccess", check_limits }, { "com.apple.app.lock", check_app_lock },
		{ "com.apple.security.pkcs12", cross_identity }, { "com.apple.security.root", cross_certificate },
		{ "com.apple.security.pkcs1", cross_certificate }, { "com.apple.security.pem", cross_certificate },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(checks); i++)
		if (strcmp(checks[i].type, type) == 0)
			checks[i].check(f, one, path);
	if (is(type, "com.apple.proxy.http.global"))
		check_proxy(f, one, path);
	if (is(type, "com.apple.mobiledevice.passwordpolicy"))
		finding(f, "note", path, "makes the user set a passcode: install it last");
}

void cross_profile(struct findings *f)
{
	plist_t root = f->p->root, one;
	char path[PROFILE_PATH_MAX] = "";
	bool has_removal = false;
	for (uint32_t i = 0; i < 500 && (one = payload_at(f->p, i)); i++)
		has_removal |= is(tree_str(one, "PayloadType"), "com.apple.profileRemovalPassword");
	if (!tree_bool(root, "IsEncrypted", false) && tree_bool(root, "HasRemovalPasscode", false) != has_removal)
		finding(f, "warning", "", "HasRemovalPasscode and a com.apple.profileRemovalPassword payload go together");
	tree_walk(root, path, check_foreign, f);
	cross_chains(f);
}
