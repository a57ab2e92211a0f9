/*
 * test_rogue.c - profiles that are wrong, each with the place and the sentence a person reads; and good ones that pass.
 *
 * The good ones are written for this test after what administrators deploy; none is a copy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <plist/plist.h>

#include <stager/error.h>
#include <stager/payload.h>

#include "profile_text.h"

struct rogue {
	const char *os;                 /* "" any */
	int supervised;                 /* -1 not known */
	const char *level, *path, *text, *profile;
};

#define ANY "", -1, "error"
#define AT "PayloadContent[0]"

static const struct rogue rogues[] = {
	/* kinds: a device takes text for text and nothing else */
	{ ANY, AT ".AutoJoin", "must be true or false, is text", PROFILE(WIFI(S("AutoJoin", "true"))) },
	{ ANY, AT ".AutoJoin", "must be true or false, is a whole number", PROFILE(WIFI(I("AutoJoin", "1"))) },
	{ ANY, AT ".HIDDEN_NETWORK", "must be true or false, is text", PROFILE(WIFI(S("HIDDEN_NETWORK", "YES"))) },
	{ ANY, AT ".ProxyServerPort", "must be a whole number, is text",
	  PROFILE(WIFI(S("ProxyType", "Manual") S("ProxyServer", "p.example") S("ProxyServerPort", "8080"))) },
	{ ANY, AT ".minLength", "must be a whole number, is a number", PROFILE(PAYLOAD("com.apple.mobiledevice.passwordpolicy", R("minLength", "6.5"))) },
	{ ANY, AT ".forcePIN", "must be true or false, is a whole number", PROFILE(PAYLOAD("com.apple.mobiledevice.passwordpolicy", I("forcePIN", "1"))) },
	{ ANY, AT ".PayloadContent", "must be data, is text", PROFILE(PAYLOAD("com.apple.security.root", S("PayloadContent", "MIIB"))) },
	{ ANY, AT ".AirPrint", "must be a list, is a dictionary",
	  PROFILE(PAYLOAD("com.apple.airprint", DICT("AirPrint", S("IPAddress", "10.0.0.9") S("ResourcePath", "ipp/print")))) },
	{ ANY, AT ".EAPClientConfiguration", "must be a dictionary, is a list", PROFILE(WIFI(LIST("EAPClientConfiguration", ""))) },
	{ ANY, AT ".PayloadContent.SubjectAltName.rfc822Name", "must be text or a list, is a whole number",
	  PROFILE(PAYLOAD("com.apple.security.scep", DICT("PayloadContent", S("URL", "http://ca.example/scep") I("Keysize", "2048")
							   DICT("SubjectAltName", I("rfc822Name", "1"))))) },
	{ ANY, AT ".PayloadDisplayName", "must be text, is a whole number", PROFILE(WIFI(I("PayloadDisplayName", "7"))) },
	{ ANY, "PayloadRemovalDisallowed", "must be true or false, is text", PROFILE_WITH(S("PayloadRemovalDisallowed", "true"), WIFI(S("Password", "longenough"))) },
	{ ANY, "RemovalDate", "must be a date, is text", PROFILE_WITH(S("RemovalDate", "2030-01-01T00:00:00Z"), WIFI("")) },
	{ ANY, "DurationUntilRemoval", "must be a number, is text", PROFILE_WITH(S("DurationUntilRemoval", "3600"), WIFI("")) },
	{ ANY, AT ".URL", "must be text, is a whole number", PROFILE(PAYLOAD("com.apple.webClip.managed", I("URL", "1") S("Label", "Intranet"))) },
	{ ANY, AT ".EAPClientConfiguration.AcceptEAPTypes[0]", "must be a whole number, is text", PROFILE(EAP(LIST("AcceptEAPTypes", ITEM("25")))) },
	{ ANY, AT ".NotificationSettings[1]", "must be a dictionary, is text",
	  PROFILE(PAYLOAD("com.apple.notificationsettings", LIST("NotificationSettings", DITEM(S("BundleIdentifier", "a.b")) ITEM("c.d")))) },

	/* values */
	{ ANY, AT ".EncryptionType", "\"WPA4\" is not one of WEP, WPA, WPA2, WPA3, Any, None", PROFILE(WIFI(S("EncryptionType", "WPA4"))) },
	{ ANY, AT ".EncryptionType", "\"wpa2\" is not one of WEP, WPA, WPA2, WPA3, Any, None", PROFILE(WIFI(S("EncryptionType", "wpa2"))) },
	{ ANY, AT ".ProxyType", "\"manual\" is not one of None, Manual, Auto", PROFILE(WIFI(S("ProxyType", "manual"))) },
	{ ANY, AT ".ProxyServerPort", "out of range 0..65535",
	  PROFILE(WIFI(S("ProxyType", "Manual") S("ProxyServer", "p.example") I("ProxyServerPort", "70000"))) },
	{ ANY, AT ".ProxyServerPort", "out of range 0..65535",
	  PROFILE(WIFI(S("ProxyType", "Manual") S("ProxyServer", "p.example") I("ProxyServerPort", "-1"))) },
	{ ANY, AT ".minLength", "out of range 0..16", PROFILE(PAYLOAD("com.apple.mobiledevice.passwordpolicy", I("minLength", "20"))) },
	{ ANY, AT ".maxFailedAttempts", "out of range 2..11", PROFILE(PAYLOAD("com.apple.mobiledevice.passwordpolicy", I("maxFailedAttempts", "1"))) },
	{ ANY, AT ".pinHistory", "out of range 1..50", PROFILE(PAYLOAD("com.apple.mobiledevice.passwordpolicy", I("pinHistory", "51"))) },
	{ ANY, AT ".enforcedSoftwareUpdateDelay", "out of range 1..90", PROFILE(PAYLOAD("com.apple.applicationaccess", I("enforcedSoftwareUpdateDelay", "120"))) },
	{ ANY, AT ".safariAcceptCookies", "\"3\" is not one of 0.0, 1.0, 1.5, 2.0", PROFILE(PAYLOAD("com.apple.applicationaccess", R("safariAcceptCookies", "3"))) },
	{ ANY, AT ".EAPClientConfiguration.AcceptEAPTypes[0]", "\"26\" is not one of 13, 17, 18, 21, 23, 25, 43", PROFILE(EAP(LIST("AcceptEAPTypes", NUMBER("26")))) },
	{ ANY, AT ".EAPClientConfiguration.TLSMinimumVersion", "\"1.4\" is not one of 1.0, 1.1, 1.2, 1.3",
	  PROFILE(EAP(LIST("AcceptEAPTypes", NUMBER("25")) S("TLSMinimumVersion", "1.4"))) },
	{ ANY, AT ".PayloadContent.Keysize", "\"3072\" is not one of 1024, 2048, 4096",
	  PROFILE(PAYLOAD("com.apple.security.scep", DICT("PayloadContent", S("URL", "http://ca.example/scep") I("Keysize", "3072")))) },
	{ ANY, AT ".Dock[0].Type", "\"Widget\" is not one of Application, App, Folder, WebClip",
	  PROFILE(PAYLOAD("com.apple.homescreenlayout", LIST("Dock", DITEM(S("Type", "Widget"))) LIST("Pages", ""))) },
	{ ANY, AT ".Pages[0][0].Pages[0][0].Type", "\"Widget\" is not one of Application, App, Folder, WebClip",
	  PROFILE(PAYLOAD("com.apple.homescreenlayout",
			  LIST("Pages", LITEM(DITEM(S("Type", "Folder") S("DisplayName", "Tools") LIST("Pages", LITEM(DITEM(S("Type", "Widget")))))))) ) },
	{ ANY, AT ".VPNType", "\"IKEV2\" is not one of VPN, L2TP, IPSec, IKEv2, AlwaysOn, TransparentProxy",
	  PROFILE(PAYLOAD("com.apple.vpn.managed", S("VPNType", "IKEV2") S("UserDefinedName", "Office"))) },
	{ ANY, AT ".IKEv2.IKESecurityAssociationParameters.LifeTimeInMinutes", "out of range 10..1440",
	  PROFILE(PAYLOAD("com.apple.vpn.managed", S("VPNType", "IKEv2") S("UserDefinedName", "Office")
			  DICT("IKEv2", S("RemoteAddress", "v.example") S("LocalIdentifier", "a") S("RemoteIdentifier", "b") S("AuthenticationMethod", "None")
			       DICT("IKESecurityAssociationParameters", I("LifeTimeInMinutes", "5"))))) },
	{ ANY, AT ".Geofences[0].Latitude", "out of range -90..90",
	  PROFILE(PAYLOAD("com.apple.cellularprivatenetwork.managed", S("DataSetName", "d") S("VersionNumber", "1")
			  LIST("Geofences", DITEM(R("Longitude", "2.3") R("Latitude", "91") R("Radius", "200") S("GeofenceId", "g"))))) },
	{ ANY, "TargetDeviceType", "\"9\" is not one of 0, 1, 2, 3, 4, 5, 6", PROFILE_WITH(I("TargetDeviceType", "9"), WIFI("")) },
	{ ANY, AT ".EmailAccountType", "\"IMAP\" is not one of EmailTypeIMAP, EmailTypePOP",
	  PROFILE(PAYLOAD("com.apple.mail.managed", S("EmailAccountType", "IMAP") S("IncomingMailServerAuthentication", "EmailAuthPassword")
			  S("IncomingMailServerHostName", "m.example") S("OutgoingMailServerAuthentication", "EmailAuthPassword")
			  S("OutgoingMailServerHostName", "m.example"))) },

	/* forms */
	{ ANY, AT ".ServerURL", "must start with https://",
	  PROFILE(PAYLOAD("com.apple.mdm", S("IdentityCertificateUUID", UUID_C) S("Topic", "com.apple.mgmt.External.1") S("ServerURL", "http://mdm.example/"))
		  PAYLOAD_AS("com.apple.security.scep", "org.example.a.c", UUID_C, DICT("PayloadContent", S("URL", "http://ca.example") I("Keysize", "2048")))) },
	{ ANY, AT ".AllowList[0].DeviceID", "must be an address such as 0A:1B:2C:3D:4E:5F",
	  PROFILE(PAYLOAD("com.apple.airplay", LIST("AllowList", DITEM(S("DeviceID", "0A-1B-2C-3D-4E-5F"))))) },
	{ ANY, AT ".RoamingConsortiumOIs[0]", "must be 6 or 10 hexadecimal digits", PROFILE(WIFI(LIST("RoamingConsortiumOIs", ITEM("00:1B:C5")))) },
	{ ANY, AT ".PayloadContent.Subject[0][0]", "must hold 2 values, holds 1",
	  PROFILE(PAYLOAD("com.apple.security.scep", DICT("PayloadContent", S("URL", "http://ca.example") I("Keysize", "2048") LIST("Subject", LITEM(LITEM(ITEM("CN"))))))) },
	{ ANY, AT ".PayloadContent.Subject[0][0]", "must be a list, is text",
	  PROFILE(PAYLOAD("com.apple.security.scep", DICT("PayloadContent", S("URL", "http://ca.example") I("Keysize", "2048") LIST("Subject", LITEM(ITEM("CN") ITEM("X")))))) },

	/* what is missing */
	{ ANY, AT, "the required key URL is missing", PROFILE(PAYLOAD("com.apple.webClip.managed", S("Label", "Intranet"))) },
	{ ANY, AT ".PayloadContent", "the required key URL is missing", PROFILE(PAYLOAD("com.apple.security.scep", DICT("PayloadContent", I("Keysize", "2048")))) },
	{ ANY, AT, "the required key Topic is missing",
	  PROFILE(PAYLOAD("com.apple.mdm", S("ServerURL", "https://mdm.example/") S("IdentityCertificateUUID", UUID_C))
		  PAYLOAD_AS("com.apple.security.scep", "org.example.a.c", UUID_C, DICT("PayloadContent", S("URL", "http://ca.example") I("Keysize", "2048")))) },
	{ ANY, AT, "the required key IdentityCertificateUUID is missing",
	  PROFILE(PAYLOAD("com.apple.mdm", S("ServerURL", "https://mdm.example/") S("Topic", "com.apple.mgmt.External.1"))) },
	{ ANY, AT ".EAPClientConfiguration", "the required key AcceptEAPTypes is missing", PROFILE(EAP(S("UserName", "u"))) },
	{ ANY, AT, "the required key PayloadContent is missing", PROFILE(PAYLOAD("com.apple.security.pkcs1", "")) },
	{ ANY, AT, "the required key Font is missing", PROFILE(PAYLOAD("com.apple.font", S("Name", "House"))) },
	{ ANY, AT, "the required key Pages is missing", PROFILE(PAYLOAD("com.apple.homescreenlayout", LIST("Dock", ""))) },
	{ ANY, AT ".App", "the required key Identifier is missing", PROFILE(PAYLOAD("com.apple.app.lock", DICT("App", ""))) },
	{ ANY, AT ".AirPrint[0]", "the required key ResourcePath is missing", PROFILE(PAYLOAD("com.apple.airprint", LIST("AirPrint", DITEM(S("IPAddress", "10.0.0.9"))))) },
	{ ANY, AT, "the required key UserDefinedName is missing", PROFILE(PAYLOAD("com.apple.vpn.managed", S("VPNType", "IPSec") DICT("IPSec", S("RemoteAddress", "v")))) },

	/* names */
	{ ANY, AT ".autojoin", "keys are case-sensitive: write AutoJoin", PROFILE(WIFI(YES("autojoin"))) },
	{ ANY, AT ".PayloadContent.KeyType", "the key is written Key Type",
	  PROFILE(PAYLOAD("com.apple.security.scep", DICT("PayloadContent", S("URL", "http://ca.example") I("Keysize", "2048") S("KeyType", "RSA")))) },
	{ ANY, AT, "payload types are case-sensitive: write com.apple.wifi.managed", PROFILE(PAYLOAD("com.apple.WiFi.managed", S("SSID_STR", "Ward"))) },
	{ ANY, AT ".AcceptEAPTypes", "belongs inside EAPClientConfiguration: here the device ignores it", PROFILE(WIFI(LIST("AcceptEAPTypes", NUMBER("25")))) },
	{ ANY, AT ".TLSTrustedServerNames", "belongs inside EAPClientConfiguration: here the device ignores it", PROFILE(WIFI(LIST("TLSTrustedServerNames", ITEM("r.example")))) },

	/* between keys */
	{ ANY, AT, "neither SSID_STR nor DomainName: there is no network to join", PROFILE(PAYLOAD("com.apple.wifi.managed", S("EncryptionType", "None"))) },
	{ ANY, AT, "SSID_STR has 33 bytes, 1 to 32 were expected", PROFILE(PAYLOAD("com.apple.wifi.managed", S("SSID_STR", "123456789012345678901234567890123") S("Password", "longenough"))) },
	{ ANY, AT, "an open network (EncryptionType None) takes no password and no EAP", PROFILE(WIFI(S("EncryptionType", "None") S("Password", "longenough"))) },
	{ ANY, AT, "Password and EAPClientConfiguration exclude one another", PROFILE(WIFI(S("Password", "longenough") DICT("EAPClientConfiguration", LIST("AcceptEAPTypes", NUMBER("25"))))) },
	{ ANY, AT ".EAPClientConfiguration", "EAP-TLS (13) needs PayloadCertificateUUID in the Wi-Fi payload", PROFILE(EAP(LIST("AcceptEAPTypes", NUMBER("13")))) },
	{ ANY, AT ".EAPClientConfiguration", "EAP-TTLS (21) needs TTLSInnerAuthentication", PROFILE(EAP(LIST("AcceptEAPTypes", NUMBER("21")))) },
	{ ANY, AT ".EAPClientConfiguration", "TLSMinimumVersion 1.3 needs OuterIdentity", PROFILE(EAP(LIST("AcceptEAPTypes", NUMBER("25")) S("TLSMinimumVersion", "1.3") S("TLSMaximumVersion", "1.3"))) },
	{ ANY, AT ".EAPClientConfiguration", "TLSMinimumVersion is above TLSMaximumVersion", PROFILE(EAP(LIST("AcceptEAPTypes", NUMBER("25")) S("TLSMinimumVersion", "1.2") S("TLSMaximumVersion", "1.1"))) },
	{ ANY, AT ".EAPClientConfiguration", "AcceptEAPTypes holds no type, at least one was expected", PROFILE(EAP(LIST("AcceptEAPTypes", ""))) },
	{ ANY, AT, "ProxyType Manual needs ProxyServer and ProxyServerPort", PROFILE(WIFI(S("ProxyType", "Manual") S("ProxyServer", "p.example"))) },
	{ ANY, AT ".DNSSettings", "DNSProtocol HTTPS asks for ServerURL, which is missing", PROFILE(PAYLOAD("com.apple.dnsSettings.managed", DICT("DNSSettings", S("DNSProtocol", "HTTPS")))) },
	{ ANY, AT ".DNSSettings", "DNSProtocol TLS asks for ServerName, which is missing", PROFILE(PAYLOAD("com.apple.dnsSettings.managed", DICT("DNSSettings", S("DNSProtocol", "TLS") S("ServerURL", "https://d.example")))) },
	{ ANY, AT, "FilterType Plugin asks for PluginBundleID, which is missing", PROFILE(PAYLOAD("com.apple.webcontent-filter", S("FilterType", "Plugin") S("UserDefinedName", "Filter"))) },
	{ ANY, AT, "VPNType IKEv2 needs the dictionary IKEv2", PROFILE(PAYLOAD("com.apple.vpn.managed", S("VPNType", "IKEv2") S("UserDefinedName", "Office"))) },
	{ ANY, AT, "VPNType VPN needs VPNSubType, the app's bundle identifier", PROFILE(PAYLOAD("com.apple.vpn.managed", S("VPNType", "VPN") S("UserDefinedName", "Office") DICT("VPN", S("Password", "x")))) },
	{ ANY, AT ".IKEv2", "AuthenticationMethod Certificate asks for PayloadCertificateUUID, which is missing",
	  PROFILE(PAYLOAD("com.apple.vpn.managed", S("VPNType", "IKEv2") S("UserDefinedName", "Office")
			  DICT("IKEv2", S("RemoteAddress", "v.example") S("LocalIdentifier", "a") S("RemoteIdentifier", "b") S("AuthenticationMethod", "Certificate")))) },
#define ACME(more) PROFILE(PAYLOAD("com.apple.security.acme", S("DirectoryURL", "https://ca.example/dir") S("ClientIdentifier", "x") LIST("Subject", LITEM(LITEM(ITEM("CN") ITEM("x")))) more))
	{ ANY, AT, "RSA keys cannot be hardware-bound: KeyType ECSECPrimeRandom was expected", ACME(S("KeyType", "RSA") I("KeySize", "2048") YES("HardwareBound")) },
	{ ANY, AT, "KeySize of an RSA key is a multiple of 8 from 1024 to 4096", ACME(S("KeyType", "RSA") I("KeySize", "2047") NO("HardwareBound")) },
	{ ANY, AT, "KeySize of an EC key is 192, 256, 384 or 521", ACME(S("KeyType", "ECSECPrimeRandom") I("KeySize", "2048") NO("HardwareBound")) },
	{ ANY, AT, "a hardware-bound key has KeySize 256 or 384", ACME(S("KeyType", "ECSECPrimeRandom") I("KeySize", "521") YES("HardwareBound")) },
	{ ANY, AT, "Attest needs HardwareBound", ACME(S("KeyType", "ECSECPrimeRandom") I("KeySize", "256") NO("HardwareBound") YES("Attest")) },
	{ ANY, AT ".PayloadContent", "Key Usage is 0, 1 (sign), 4 (encrypt) or 5 (both)",
	  PROFILE(PAYLOAD("com.apple.security.scep", DICT("PayloadContent", S("URL", "http://ca.example") I("Keysize", "2048") I("Key Usage", "2")))) },
	{ ANY, AT, "AccessRights: right 2 needs right 1",
	  PROFILE(PAYLOAD("com.apple.mdm", S("ServerURL", "https://mdm.example/") S("Topic", "com.apple.mgmt.External.1") I("AccessRights", "2"))) },
	{ ANY, AT ".AccessRights", "out of range 1..8191",
	  PROFILE(PAYLOAD("com.apple.mdm", S("ServerURL", "https://mdm.example/") S("Topic", "com.apple.mgmt.External.1") I("AccessRights", "0"))) },
	{ ANY, AT, "Topic must start with com.apple.mgmt.", PROFILE(PAYLOAD("com.apple.mdm", S("ServerURL", "https://mdm.example/") S("Topic", "org.example.push"))) },

	/* between payloads */
	{ ANY, "PayloadContent[1]", "only one com.apple.mdm payload per device",
	  PROFILE(PAYLOAD("com.apple.mdm", "") PAYLOAD_AS("com.apple.mdm", "org.example.a.c", UUID_C, "")) },
	{ ANY, "PayloadContent[1].PayloadUUID", "this PayloadUUID is used twice (first at line 13)",
	  PROFILE(PAYLOAD_AS("com.apple.wifi.managed", "a.b", "bbbbbbbb-0000-4000-8000-000000000002", S("SSID_STR", "x")) PAYLOAD_AS("com.apple.wifi.managed", "a.c", UUID_B, S("SSID_STR", "y"))) },
	{ ANY, AT ".PayloadCertificateUUID", "refers to a certificate that is not in this profile", PROFILE(WIFI(S("PayloadCertificateUUID", UUID_C))) },
	{ ANY, AT ".SMIMESigningCertificateUUID", "refers to a certificate that is not in this profile", PROFILE(PAYLOAD("com.apple.eas.account", S("SMIMESigningCertificateUUID", UUID_C))) },
	{ ANY, AT ".EAPClientConfiguration.PayloadCertificateAnchorUUID[0]", "refers to a payload that is no certificate",
	  PROFILE(EAP(LIST("AcceptEAPTypes", NUMBER("25")) LIST("PayloadCertificateAnchorUUID", ITEM(UUID_C))) PAYLOAD_AS("com.apple.font", "a.c", UUID_C, D("Font", "AAAA"))) },
	{ ANY, AT, "locks the device to com.example.pos, which a restriction of this profile hides",
	  PROFILE(PAYLOAD("com.apple.app.lock", DICT("App", S("Identifier", "com.example.pos")))
		  PAYLOAD_AS("com.apple.applicationaccess", "a.c", UUID_C, LIST("blockedAppBundleIDs", ITEM("com.example.pos")))) },
	{ ANY, AT ".PayloadContent.Challenge", "holds an unresolved variable of another product: write {{serial}} or the like",
	  PROFILE(PAYLOAD("com.apple.security.scep", DICT("PayloadContent", S("URL", "http://ca.example") I("Keysize", "2048") S("Challenge", "$FLEET_VAR_NDES_SCEP_CHALLENGE_X")))) },
	{ ANY, AT ".AssetTagInformation", "holds an unresolved variable of another product: write {{serial}} or the like",
	  PROFILE(PAYLOAD("com.apple.shareddeviceconfiguration", S("AssetTagInformation", "No. $SERIALNUMBER"))) },
	{ ANY, AT, "a profile inside a profile: a payload was expected", PROFILE(PAYLOAD("Configuration", "")) },

	/* for this device */
	{ "15.8", 1, "error", AT, "needs iOS 16.0, the device has 15.8", ACME(S("KeyType", "RSA") I("KeySize", "2048") NO("HardwareBound")) },
	{ "16.7", 1, "error", AT, "needs iOS 17.0, the device has 16.7", PROFILE(PAYLOAD("com.apple.relay.managed", LIST("Relays", ""))) },
	{ "17.4", 0, "error", AT, "needs a supervised device, this one is not", PROFILE(PAYLOAD("com.apple.homescreenlayout", LIST("Pages", ""))) },
	{ "17.4", 0, "error", AT, "needs a supervised device, this one is not", PROFILE(PAYLOAD("com.apple.proxy.http.global", S("ProxyType", "Auto"))) },
	{ "15.1", 0, "error", AT, "needs a supervised device, this one is not", PROFILE(PAYLOAD("com.apple.webcontent-filter", YES("AutoFilterEnabled"))) },
	{ "12.0", -1, "warning", AT ".DisableAssociationMACRandomization", "needs iOS 14.0: the device has 12.0 and ignores it", PROFILE(WIFI(YES("DisableAssociationMACRandomization"))) },
	{ "17.4", 0, "warning", AT ".allowHostPairing", "needs a supervised device: this one ignores it", PROFILE(PAYLOAD("com.apple.applicationaccess", NO("allowHostPairing"))) },
	{ "18.1", -1, "warning", AT ".ManagedAppleID", "was removed in iOS 18.0: the device ignores it", PROFILE(PAYLOAD("com.apple.mdm", S("ManagedAppleID", "a@b.example"))) },
	{ "17.0", -1, "warning", AT ".BlacklistedURLs", "is deprecated since iOS 14.5", PROFILE(PAYLOAD("com.apple.webcontent-filter", LIST("BlacklistedURLs", ITEM("http://x.example")))) },
	{ "17.4", -1, "note", "", "checked against the rules of iOS 18.1; the device has 17.4", PROFILE(WIFI("")) },
	{ "26.0", -1, "note", "", "checked against the rules of iOS 18.1; the device has 26.0, which may know more", PROFILE(WIFI("")) },
	{ "", -1, "note", AT, "needs a supervised device before iOS 16.0", PROFILE(PAYLOAD("com.apple.webcontent-filter", YES("AutoFilterEnabled"))) },

	/* ignored, not refused */
	{ "", -1, "warning", AT ".Colour", "is not a key of this payload: the device ignores it", PROFILE(WIFI(YES("Colour"))) },
	{ "", -1, "warning", AT, "an unknown payload type: the device may ignore it", PROFILE(PAYLOAD("com.example.thing", "")) },
	{ "", -1, "warning", AT, "a payload for a Mac: an iPhone or iPad ignores it", PROFILE(PAYLOAD("com.apple.dock", "")) },
	{ "", -1, "warning", AT, "counts only when an MDM installs it: the device ignores it", PROFILE(PAYLOAD("com.apple.networkusagerules", "")) },
	{ "", -1, "warning", AT ".PayloadContent", "a key of 1024 bits, which servers refuse: write Keysize 2048", PROFILE(PAYLOAD("com.apple.security.scep", DICT("PayloadContent", S("URL", "http://ca.example")))) },
	{ "", -1, "warning", AT ".PayloadContent.Name", "holds a variable that only a Mac fills in: write {{serial}} or the like",
	  PROFILE(PAYLOAD("com.apple.security.scep", DICT("PayloadContent", S("URL", "http://ca.example") I("Keysize", "2048") S("Name", "%ComputerName%")))) },
	{ "", -1, "warning", "", "HasRemovalPasscode and a com.apple.profileRemovalPassword payload go together", PROFILE_WITH(YES("HasRemovalPasscode"), WIFI("")) },
	{ "", -1, "warning", "", "HasRemovalPasscode and a com.apple.profileRemovalPassword payload go together", PROFILE(PAYLOAD("com.apple.profileRemovalPassword", S("RemovalPassword", "x"))) },
	{ "", -1, "warning", AT, "a WPA password has 8 to 63 characters, this one has 5", PROFILE(WIFI(S("EncryptionType", "WPA") S("Password", "short"))) },
	{ "", -1, "note", AT ".AllowAllAppsAccess", "is for a Mac: an iPhone or iPad ignores it", PROFILE(PAYLOAD("com.apple.security.pkcs12", YES("AllowAllAppsAccess"))) },
};

static struct stg_profile_target target_of(const char *os, int supervised)
{
	struct stg_profile_target t = { .supervised = supervised };
	stg_copy(t.os, sizeof(t.os), os);
	return t;
}

static void each_rogue_is_told_with_its_place_and_what_was_expected(void **state)
{
	(void)state;
	size_t n_errors = 0, missed = 0;
	for (size_t i = 0; i < STG_ARRAY_LEN(rogues); i++) {
		const struct rogue *r = &rogues[i];
		struct stg_error err = { 0 };
		struct stg_profile_target t = target_of(r->os, r->supervised);
		STG_AUTO(stg_json_free_at) json_t *list = stg_profile_check("x", stg_bytes_str(r->profile), NULL, &t, &err);
		if (!list)
			fail_msg("%s %s: %s", r->path, r->text, err.msg);
		bool found = false;
		for (size_t k = 0; k < json_array_size(list); k++) {
			const json_t *one = json_array_get(list, k);
			bool same = strcmp(stg_json_str(one, "level"), r->level) == 0 && strcmp(stg_json_str(one, "path"), r->path) == 0 &&
				    strcmp(stg_json_str(one, "text"), r->text) == 0;
			found |= same;
			if (same && (stg_json_int(one, "line", 0) < 1 || stg_json_int(one, "column", 0) < 1))
				fail_msg("%s: no line", r->text);
		}
		n_errors += strcmp(r->level, "error") == 0;
		if (!found) {
			char *all = stg_json_text(list);
			fprintf(stderr, "%zu: expected %s %s '%s', got %s\n", i, r->level, r->path, r->text, all);
			free(all);
			missed++;
		}
	}
	assert_int_equal(missed, 0);
	assert_true(n_errors >= 60);
}

/* A binary property list has no lines, and the same mistakes. */
static void each_rogue_is_told_in_binary_form_too(void **state)
{
	(void)state;
	size_t missed = 0;
	for (size_t i = 0; i < STG_ARRAY_LEN(rogues); i++) {
		const struct rogue *r = &rogues[i];
		struct stg_error err = { 0 };
		struct stg_profile_target t = target_of(r->os, r->supervised);
		plist_t root = NULL;
		char *bytes = NULL;
		uint32_t n = 0;
		plist_from_memory(r->profile, (uint32_t)strlen(r->profile), &root);
		plist_to_bin(root, &bytes, &n);
		plist_free(root);
		STG_AUTO(stg_json_free_at) json_t *list = stg_profile_check("x", stg_bytes(bytes, n), NULL, &t, &err);
		free(bytes);
		if (!list)
			fail_msg("%s %s: %s", r->path, r->text, err.msg);
		bool found = strstr(r->text, "at line") != NULL;        /* says where the first one is by its path instead */
		for (size_t k = 0; k < json_array_size(list); k++)
			found |= strcmp(stg_json_str(json_array_get(list, k), "path"), r->path) == 0 && strcmp(stg_json_str(json_array_get(list, k), "text"), r->text) == 0;
		if (!found) {
			fprintf(stderr, "%zu: %s: %s\n", i, r->path, r->text);
			missed++;
		}
	}
	assert_int_equal(missed, 0);
}

/* ---- good ones ---- */

#define SCEP_AS(id, uuid) PAYLOAD_AS("com.apple.security.scep", id, uuid, \
	DICT("PayloadContent", S("URL", "http://ca.example/scep") S("Name", "ca") S("Challenge", "p4ss$word%") I("Keysize", "2048") S("Key Type", "RSA") \
	     I("Key Usage", "5") I("Retries", "3") I("RetryDelay", "10") \
	     LIST("Subject", LITEM(LITEM(ITEM("O") ITEM("Example"))) LITEM(LITEM(ITEM("CN") ITEM("{{serial}}")))) \
	     DICT("SubjectAltName", S("rfc822Name", "a@b.example") LIST("dNSName", ITEM("a.example") ITEM("b.example")) S("ntPrincipalName", "a@b.example"))))

static const char *const good[] = {
	PROFILE(WIFI(S("EncryptionType", "WPA2") S("Password", "correct horse"))),
	PROFILE(WIFI(S("EncryptionType", "None") NO("AutoJoin") YES("CaptiveBypass"))),
	PROFILE(WIFI(S("EncryptionType", "WPA3") S("Password", "{{secret.wifi}}") YES("HIDDEN_NETWORK") YES("DisableAssociationMACRandomization"))),
	PROFILE(WIFI(S("EncryptionType", "WPA2") S("Password", "correct horse") S("ProxyType", "Manual") S("ProxyServer", "p.example") I("ProxyServerPort", "3128"))),
	PROFILE(WIFI(S("EncryptionType", "WPA2") S("Password", "correct horse") S("ProxyType", "Auto") S("ProxyPACURL", "http://p.example/p.pac"))),
	PROFILE(EAP(LIST("AcceptEAPTypes", NUMBER("25")) S("UserName", "u") S("UserPassword", "p") LIST("TLSTrustedServerNames", ITEM("wpa.*.example.com")))),
	PROFILE(EAP(LIST("AcceptEAPTypes", NUMBER("21")) S("TTLSInnerAuthentication", "PAP") S("OuterIdentity", "anonymous@b.example") LIST("TLSTrustedServerNames", ITEM("r.example")))),
	PROFILE(PAYLOAD("com.apple.wifi.managed", S("SSID_STR", "Ward") S("EncryptionType", "WPA2") S("PayloadCertificateUUID", UUID_C)
			DICT("EAPClientConfiguration", LIST("AcceptEAPTypes", NUMBER("13")) LIST("TLSTrustedServerNames", ITEM("r.example")) S("TLSMinimumVersion", "1.2") S("TLSMaximumVersion", "1.3")))
		SCEP_AS("org.example.a.c", UUID_C)),
	PROFILE(PAYLOAD("com.apple.wifi.managed", YES("IsHotspot") S("DomainName", "hotspot.example") S("DisplayedOperatorName", "Op") S("HESSID", "0a:1b:2c:3d:4e:5f")
			LIST("RoamingConsortiumOIs", ITEM("001BC5") ITEM("001BC50460")) LIST("NAIRealmNames", ITEM("r.example")) LIST("MCCAndMNCs", ITEM("208001"))
			S("EncryptionType", "WPA2") DICT("EAPClientConfiguration", LIST("AcceptEAPTypes", NUMBER("18")) LIST("TLSTrustedServerNames", ITEM("r.example"))))),
	PROFILE(WIFI(S("EncryptionType", "WPA2") S("Password", "correct horse") DICT("QoSMarkingPolicy", YES("QoSMarkingEnabled") LIST("QoSMarkingAllowListAppIdentifiers", ITEM("a.b"))))),
	PROFILE(SCEP_AS("org.example.a.b", UUID_B)),
	PROFILE(PAYLOAD("com.apple.security.scep", DICT("PayloadContent", S("URL", "https://ca.example/scep") I("Keysize", "4096") D("CAFingerprint", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")))),
	ACME(S("KeyType", "ECSECPrimeRandom") I("KeySize", "384") YES("HardwareBound") YES("Attest") I("UsageFlags", "5") LIST("ExtendedKeyUsage", ITEM("1.3.6.1.5.5.7.3.2"))),
	ACME(S("KeyType", "RSA") I("KeySize", "2048") NO("HardwareBound")),
	PROFILE(PAYLOAD("com.apple.mdm", S("IdentityCertificateUUID", UUID_C) S("Topic", "com.apple.mgmt.External.0") S("ServerURL", "https://mdm.example/mdm")
			S("CheckInURL", "https://mdm.example/checkin") YES("SignMessage") I("AccessRights", "8191") YES("CheckOutWhenRemoved")
			LIST("ServerCapabilities", ITEM("com.apple.mdm.per-user-connections") ITEM("com.apple.mdm.bootstraptoken")))
		SCEP_AS("org.example.a.c", UUID_C)),
	PROFILE(PAYLOAD("com.apple.mobiledevice.passwordpolicy", YES("forcePIN") NO("allowSimple") I("minLength", "6") I("maxFailedAttempts", "10") I("maxInactivity", "5")
			I("maxGracePeriod", "0") I("maxPINAgeInDays", "365") I("pinHistory", "5"))),
	PROFILE(PAYLOAD("com.apple.applicationaccess", NO("allowCamera") NO("allowHostPairing") YES("forceEncryptedBackup") I("safariAcceptCookies", "2")
			I("ratingApps", "300") LIST("allowListedAppBundleIDs", ITEM("com.example.pos")) LIST("autonomousSingleAppModePermittedAppIDs", ITEM("a.b")))),
	PROFILE(PAYLOAD("com.apple.applicationaccess", R("safariAcceptCookies", "1.5") YES("forceDelayedSoftwareUpdates") I("enforcedSoftwareUpdateDelay", "30"))),
	PROFILE(PAYLOAD("com.apple.webClip.managed", S("URL", "https://intranet.example/") S("Label", "Intranet") NO("IsRemovable") YES("FullScreen") D("Icon", "AAAA"))),
	PROFILE(PAYLOAD("com.apple.font", D("Font", "AAAA") S("Name", "House"))),
	PROFILE(PAYLOAD("com.apple.airprint", LIST("AirPrint", DITEM(S("IPAddress", "10.0.0.9") S("ResourcePath", "ipp/print") I("Port", "631") YES("ForceTLS"))))),
	PROFILE(PAYLOAD("com.apple.airplay", LIST("AllowList", DITEM(S("DeviceID", "0A:1B:2C:3D:4E:5F"))) LIST("Passwords", DITEM(S("DeviceName", "Hall") S("Password", "p"))))),
	PROFILE(PAYLOAD("com.apple.eas.account", S("Host", "mail.example") S("EmailAddress", "a@b.example") S("UserName", "a") YES("SSL") YES("OAuth") I("MailNumberOfPastDaysToSync", "7"))),
	PROFILE(PAYLOAD("com.apple.mail.managed", S("EmailAccountType", "EmailTypeIMAP") S("EmailAddress", "a@b.example") S("IncomingMailServerAuthentication", "EmailAuthPassword")
			S("IncomingMailServerHostName", "m.example") I("IncomingMailServerPortNumber", "993") YES("IncomingMailServerUseSSL")
			S("OutgoingMailServerAuthentication", "EmailAuthPassword") S("OutgoingMailServerHostName", "m.example"))),
	PROFILE(PAYLOAD("com.apple.ldap.account", S("LDAPAccountHostName", "l.example") YES("LDAPAccountUseSSL")
			LIST("LDAPSearchSettings", DITEM(S("LDAPSearchSettingSearchBase", "o=example") S("LDAPSearchSettingScope", "LDAPSearchSettingScopeSubtree"))))),
	PROFILE(PAYLOAD("com.apple.caldav.account", S("CalDAVHostName", "c.example") YES("CalDAVUseSSL") I("CalDAVPort", "443"))),
	PROFILE(PAYLOAD("com.apple.carddav.account", S("CardDAVHostName", "c.example") YES("CardDAVUseSSL"))),
	PROFILE(PAYLOAD("com.apple.subscribedcalendar.account", S("SubCalAccountHostName", "https://c.example/a.ics"))),
	PROFILE(PAYLOAD("com.apple.google-oauth", S("EmailAddress", "a@b.example") S("AccountName", "A"))),
	PROFILE(PAYLOAD("com.apple.vpn.managed", S("VPNType", "IKEv2") S("UserDefinedName", "Office")
			DICT("IKEv2", S("RemoteAddress", "v.example") S("LocalIdentifier", "a") S("RemoteIdentifier", "b") S("AuthenticationMethod", "SharedSecret") S("SharedSecret", "x")
			     S("DeadPeerDetectionRate", "Medium") DICT("IKESecurityAssociationParameters", S("EncryptionAlgorithm", "AES-256-GCM") S("IntegrityAlgorithm", "SHA2-256")
				I("DiffieHellmanGroup", "19") I("LifeTimeInMinutes", "1440"))))),
	PROFILE(PAYLOAD("com.apple.vpn.managed", S("VPNType", "VPN") S("VPNSubType", "com.example.vpn") S("UserDefinedName", "Office")
			DICT("VPN", S("RemoteAddress", "v.example") S("AuthenticationMethod", "Password") I("OnDemandEnabled", "1") LIST("OnDemandRules", DITEM(S("Action", "Connect") S("InterfaceTypeMatch", "WiFi"))))
			DICT("VendorConfig", S("AnyThing", "x")))),
	PROFILE(PAYLOAD("com.apple.vpn.managed", S("VPNType", "IPSec") S("UserDefinedName", "Office") DICT("IPSec", S("RemoteAddress", "v.example") S("AuthenticationMethod", "SharedSecret") D("SharedSecret", "AAAA")))),
	PROFILE(PAYLOAD("com.apple.vpn.managed.applayer", S("VPNUUID", UUID_D) S("VPNType", "VPN") S("VPNSubType", "com.example.vpn") S("UserDefinedName", "Apps")
			DICT("VPN", S("RemoteAddress", "v.example") S("ProviderType", "app-proxy")) LIST("SafariDomains", ITEM("intranet.example")))),
	PROFILE(PAYLOAD("com.apple.dnsSettings.managed", DICT("DNSSettings", S("DNSProtocol", "HTTPS") S("ServerURL", "https://d.example/q") LIST("ServerAddresses", ITEM("10.0.0.53"))) YES("ProhibitDisablement"))),
	PROFILE(PAYLOAD("com.apple.dnsSettings.managed", DICT("DNSSettings", S("DNSProtocol", "TLS") S("ServerName", "d.example")) LIST("OnDemandRules", DITEM(S("Action", "Connect"))))),
	PROFILE(PAYLOAD("com.apple.relay.managed", LIST("Relays", DITEM(S("HTTP3RelayURL", "https://r.example/") DICT("AdditionalHTTPHeaderFields", S("X-Token", "t")))) LIST("MatchDomains", ITEM("b.example")))),
	PROFILE(PAYLOAD("com.apple.webcontent-filter", YES("AutoFilterEnabled") LIST("DenyListURLs", ITEM("http://x.example")) LIST("AllowListBookmarks", DITEM(S("URL", "http://y.example") S("Title", "Y"))))),
	PROFILE(PAYLOAD("com.apple.webcontent-filter", S("FilterType", "Plugin") S("PluginBundleID", "a.b") S("UserDefinedName", "Filter") YES("FilterBrowsers") DICT("VendorConfig", S("any", "x")))),
	PROFILE(PAYLOAD("com.apple.homescreenlayout", LIST("Dock", DITEM(S("Type", "Application") S("BundleID", "a.b")))
			LIST("Pages", LITEM(DITEM(S("Type", "Folder") S("DisplayName", "Tools") LIST("Pages", LITEM(DITEM(S("Type", "App") S("BundleID", "c.d"))))) DITEM(S("Type", "WebClip") S("URL", "https://x.example")))))),
	PROFILE(PAYLOAD("com.apple.notificationsettings", LIST("NotificationSettings", DITEM(S("BundleIdentifier", "a.b") YES("NotificationsEnabled") I("AlertType", "1") I("GroupingType", "0") I("PreviewType", "2"))))),
	PROFILE(PAYLOAD("com.apple.shareddeviceconfiguration", S("AssetTagInformation", "No. {{asset_tag|serial}}") S("LockScreenFootnote", "Return to ward 3"))),
	PROFILE(PAYLOAD("com.apple.app.lock", DICT("App", S("Identifier", "com.example.pos") DICT("Options", YES("DisableAutoLock")) DICT("UserEnabledOptions", YES("VoiceOver"))))
		PAYLOAD_AS("com.apple.applicationaccess", "a.c", UUID_C, LIST("allowListedAppBundleIDs", ITEM("com.example.pos")))),
	PROFILE(PAYLOAD("com.apple.SetupAssistant.managed", LIST("SkipSetupItems", ITEM("AppleID") ITEM("Siri") ITEM("Welcome")))),
	PROFILE(PAYLOAD("com.apple.domains", LIST("EmailDomains", ITEM("b.example")) LIST("WebDomains", ITEM("intranet.example")))),
	PROFILE(PAYLOAD("com.apple.cellular", DICT("AttachAPN", S("Name", "iot") S("AuthenticationType", "PAP")) LIST("APNs", DITEM(S("Name", "iot") I("AllowedProtocolMask", "3") YES("EnableXLAT464"))))),
	PROFILE(PAYLOAD("com.apple.apn.managed", DICT("DefaultsData", LIST("apns", DITEM(S("apn", "iot") D("password", "AAAA") I("proxyPort", "80")))) S("DefaultsDomainName", "com.apple.managedCarrier"))),
	PROFILE(PAYLOAD("com.apple.sso", S("Name", "K") DICT("Kerberos", S("Realm", "B.EXAMPLE") LIST("URLPrefixMatches", ITEM("https://b.example/")) LIST("AppIdentifierMatches", ITEM("a.b"))))),
	PROFILE(PAYLOAD("com.apple.extensiblesso", S("ExtensionIdentifier", "com.example.sso") S("Type", "Redirect") LIST("URLs", ITEM("https://b.example/")) DICT("ExtensionData", S("any", "x")))),
	PROFILE(PAYLOAD("com.apple.extensiblesso", S("ExtensionIdentifier", "com.apple.AppSSOKerberos.KerberosExtension") S("TeamIdentifier", "apple") S("Type", "Credential") S("Realm", "B.EXAMPLE") LIST("Hosts", ITEM("b.example")))),
	PROFILE(PAYLOAD("com.apple.proxy.http.global", S("ProxyType", "Manual") S("ProxyServer", "p.example") I("ProxyServerPort", "3128") YES("ProxyCaptiveLoginAllowed"))),
	PROFILE(PAYLOAD("com.apple.globalethernet.managed", S("Interface", "AnyEthernet") DICT("EAPClientConfiguration", LIST("AcceptEAPTypes", NUMBER("25")) LIST("TLSTrustedServerNames", ITEM("r.example"))))),
	PROFILE(PAYLOAD("com.apple.tvremote", LIST("AllowedTVs", DITEM(S("TVDeviceID", "0A:1B:2C:3D:4E:5F"))))),
	PROFILE(PAYLOAD("com.apple.security.certificatetransparency", LIST("DisabledForCerts", DITEM(S("Algorithm", "sha256") D("Hash", "AAAA"))) LIST("DisabledForDomains", ITEM(".b.example")))),
	PROFILE(PAYLOAD("com.apple.security.certificaterevocation", LIST("EnabledForCerts", DITEM(S("Algorithm", "sha256") D("Hash", "AAAA"))))),
	PROFILE(PAYLOAD("com.apple.cellularprivatenetwork.managed", S("DataSetName", "d") S("VersionNumber", "1") LIST("Geofences", DITEM(R("Longitude", "2.3") R("Latitude", "48.8") I("Radius", "200") S("GeofenceId", "g"))))),
	PROFILE(PAYLOAD("com.apple.education", S("OrganizationUUID", "o") S("OrganizationName", "School") S("UserIdentifier", "u") LIST("Groups", DITEM(I("BeaconID", "1") S("Name", "A") LIST("MemberIdentifiers", ITEM("u"))))
			LIST("Users", DITEM(S("Identifier", "u") S("Name", "U"))))),
	PROFILE_WITH(YES("HasRemovalPasscode"), PAYLOAD("com.apple.profileRemovalPassword", S("RemovalPassword", "x"))),
	PROFILE_WITH(YES("PayloadRemovalDisallowed") I("TargetDeviceType", "1") S("PayloadScope", "System") K("RemovalDate") "<date>2030-01-01T00:00:00Z</date>\n" I("DurationUntilRemoval", "3600")
		     YES("PayloadEnabled") DICT("ConsentText", S("default", "Agree?") S("fr-FR", "D'accord ?")), WIFI(S("Password", "correct horse"))),
	PROFILE_WITH(S("PayloadDisplayName", "N") S("PayloadDescription", "D") S("PayloadOrganization", "O") R("DurationUntilRemoval", "86400.5"), WIFI(S("Password", "correct horse"))),
};

static void each_good_profile_passes_without_an_error(void **state)
{
	(void)state;
	size_t wrong = 0;
	for (size_t i = 0; i < STG_ARRAY_LEN(good); i++) {
		struct stg_error err = { 0 };
		struct stg_profile_target newest = target_of("18.1", 1);
		STG_AUTO(stg_json_free_at) json_t *list = stg_profile_check("x", stg_bytes_str(good[i]), NULL, &newest, &err);
		if (!list)
			fail_msg("%zu: %s", i, err.msg);
		for (size_t k = 0; k < json_array_size(list); k++) {
			const json_t *one = json_array_get(list, k);
			bool unknown = strstr(stg_json_str(one, "text"), "is not a key") || strstr(stg_json_str(one, "text"), "unknown payload");
			if (strcmp(stg_json_str(one, "level"), "error") != 0 && !unknown)
				continue;
			fprintf(stderr, "%zu: %s: %s: %s\n", i, stg_json_str(one, "level"), stg_json_str(one, "path"), stg_json_str(one, "text"));
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
	assert_true(STG_ARRAY_LEN(good) >= 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rogue_is_told_with_its_place_and_what_was_expected),
		cmocka_unit_test(each_rogue_is_told_in_binary_form_too),
		cmocka_unit_test(each_good_profile_passes_without_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
