/*
 * talks.h - rows of the corpus about protocols: lockdown, trust, TLS, usbmuxd's pipe, MCInstall, the installation proxy, AFC.
 */
#ifndef HOSTILE_TALKS_H
#define HOSTILE_TALKS_H

#include "corpus.h"

static struct row *bent(struct corpus *c, const char *where, const char *words, const char *name, const char *members)
{
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(BODY_MAX);
	put_str(&b, XML_HEAD "<dict>");
	put_str(&b, members);
	put_str(&b, "</dict></plist>");
	return row_add(c, where, "merge", words, stg_buf_view(&b), "%s: %s", where, name);
}

/* ---- lockdown ---- */

#define ODD_TEXT "\xe2\x80\xae gnp.exe \xe2\x80\xac &lt;script&gt;alert(1)&lt;/script&gt; '; DROP TABLE device; -- %s%n ../../etc/passwd $(reboot) " \
	"&#10;STG-1000 &#27;[2J"

static void values(struct corpus *c)
{
	static const char *const keys[] = {
		"SerialNumber", "UniqueDeviceID", "UniqueChipID", "ProductType", "ProductVersion", "BuildVersion", "DeviceName", "DeviceClass",
		"HardwareModel", "InternationalMobileEquipmentIdentity", "ActivationState", "PasswordProtected", "WiFiAddress", "DevicePublicKey",
		"RegionInfo", "TimeIntervalSince1970",
	};
	static const char *const types[][2] = {
		{ "a dictionary", "<dict><key>x</key><integer>1</integer></dict>" }, { "a list", "<array><string>x</string></array>" },
	};
	static const struct {
		const char *key, *name, *value;
	} texts_of[] = {
		{ "SerialNumber", "a path", "<string>../../../../etc/passwd</string>" },
		{ "SerialNumber", "odd text", "<string>" ODD_TEXT "</string>" },
		{ "SerialNumber", "nothing", "<string></string>" },
		{ "UniqueDeviceID", "a path", "<string>../../x</string>" },
		{ "UniqueDeviceID", "somebody else's", "<string>00008101-00112233445566AA</string>" },
		{ "UniqueChipID", "2^64-1", "<integer>18446744073709551615</integer>" },
		{ "UniqueChipID", "below zero", "<integer>-1</integer>" },
		{ "UniqueChipID", "0", "<integer>0</integer>" },
		{ "UniqueChipID", "somebody else's", "<integer>4711</integer>" },
		{ "UniqueChipID", "a text", "<string>4711</string>" },
		{ "ProductType", "odd text", "<string>" ODD_TEXT "</string>" },
		{ "ProductVersion", "huge numbers", "<string>99999999999999999999.99999999999999999999.1e9</string>" },
		{ "ProductVersion", "no number", "<string>..........</string>" },
		{ "DeviceName", "odd text", "<string>" ODD_TEXT "</string>" },
		{ "InternationalMobileEquipmentIdentity", "60 digits", "<string>123456789012345678901234567890123456789012345678901234567890</string>" },
		{ "ActivationState", "a word nobody knows", "<string>Perhaps</string>" },
		{ "TimeIntervalSince1970", "no number", "<real>1e308</real>" },
		{ "DevicePublicKey", "no key", "<data>QUJD</data>" },
		{ "DevicePublicKey", "half a key", "<data>LS0tLS1CRUdJTiBSU0EgUFVCTElDIEtFWS0tLS0tCk1JSUJD</data>" },
	};
	char members[2048];
	for (size_t i = 0; i < STG_ARRAY_LEN(keys); i++)
		for (size_t k = 0; k < STG_ARRAY_LEN(types); k++) {
			char name[64];
			snprintf(members, sizeof(members), "<key>Value</key><dict><key>%s</key>%s</dict>", keys[i], types[k][1]);
			snprintf(name, sizeof(name), "%s is %s", keys[i], types[k][0]);
			bent(c, "lockdownd/GetValue", "count=-1", name, members);
		}
	for (size_t i = 0; i < STG_ARRAY_LEN(texts_of); i++) {
		char name[64];
		snprintf(members, sizeof(members), "<key>Value</key><dict><key>%s</key>%s</dict>", texts_of[i].key, texts_of[i].value);
		snprintf(name, sizeof(name), "%s is %s", texts_of[i].key, texts_of[i].name);
		bent(c, "lockdownd/GetValue", "count=-1", name, members);
	}
	STG_AUTO(stg_buf_clear) struct stg_buf long_name = STG_BUF(BODY_MAX);
	put_str(&long_name, "<key>Value</key><dict><key>DeviceName</key><string>");
	put_times(&long_name, "\xf0\x9f\x93\xb1&#27;[31m", 800);
	put_str(&long_name, "</string></dict>");
	bent(c, "lockdownd/GetValue", "count=-1", "DeviceName of 10 KiB", stg_buf_str(&long_name));
}

static void lockdown(struct corpus *c)
{
	static const struct {
		const char *where, *words, *name, *members;
	} all[] = {
		{ "lockdownd/QueryType", "", "another type", "<key>Type</key><string>com.apple.mobile.restored</string>" },
		{ "lockdownd/QueryType", "", "a type that is a list", "<key>Type</key><array/>" },
		{ "lockdownd/QueryType", "", "no type", "<key>Type</key><string>(none)</string>" },
		{ "lockdownd/QueryType", "", "an answer to Pair", "<key>Request</key><string>Pair</string>" },
		{ "lockdownd/QueryType", "", "no echo", "<key>Request</key><string>(none)</string>" },
		{ "lockdownd/QueryType", "", "an echo that is a number", "<key>Request</key><integer>1</integer>" },
		{ "lockdownd/GetValue", "count=-1", "an error nobody knows", "<key>Error</key><string>TheMoonIsFull</string>" },
		{ "lockdownd/GetValue", "count=-1", "an error with odd text", "<key>Error</key><string>" ODD_TEXT "</string>" },
		{ "lockdownd/GetValue", "count=-1", "an error that is a list", "<key>Error</key><array/>" },
		{ "lockdownd/GetValue", "count=-1", "error and value", "<key>Error</key><string>MissingValue</string>" },
		{ "lockdownd/GetValue", "count=-1", "no value", "<key>Value</key><string>(none)</string>" },
		{ "lockdownd/GetValue", "count=-1", "a value that is true", "<key>Value</key><true/>" },
		{ "lockdownd/GetValue", "count=-1", "a failure without an error", "<key>Result</key><string>Failure</string>" },
		{ "lockdownd/StartSession", "", "no session id", "<key>SessionID</key><string></string>" },
		{ "lockdownd/StartSession", "", "a session id of numbers", "<key>SessionID</key><integer>7</integer>" },
		{ "lockdownd/StartSession", "", "without TLS", "<key>EnableSessionSSL</key><false/>" },
		{ "lockdownd/StartSession", "", "no word about TLS", "<key>EnableSessionSSL</key><string>(none)</string>" },
		{ "lockdownd/StartSession", "", "TLS is a text", "<key>EnableSessionSSL</key><string>yes</string>" },
		{ "lockdownd/StartSession", "count=-1", "always refused", "<key>Error</key><string>InvalidHostID</string>" },
		{ "lockdownd/StartSession", "count=-1", "an active session", "<key>Error</key><string>SessionActive</string>" },
		{ "lockdownd/StartService", "count=-1", "port 0", "<key>Port</key><integer>0</integer>" },
		{ "lockdownd/StartService", "count=-1", "lockdown's own port", "<key>Port</key><integer>62078</integer>" },
		{ "lockdownd/StartService", "count=-1", "port 65536", "<key>Port</key><integer>65536</integer>" },
		{ "lockdownd/StartService", "count=-1", "a port below zero", "<key>Port</key><integer>-1</integer>" },
		{ "lockdownd/StartService", "count=-1", "a port of 64 bits", "<key>Port</key><integer>18446744073709551615</integer>" },
		{ "lockdownd/StartService", "count=-1", "a port where nobody is", "<key>Port</key><integer>1</integer>" },
		{ "lockdownd/StartService", "count=-1", "a port that is a text", "<key>Port</key><string>62078</string>" },
		{ "lockdownd/StartService", "count=-1", "no port", "<key>Port</key><string>(none)</string>" },
		{ "lockdownd/StartService", "count=-1", "without TLS", "<key>EnableServiceSSL</key><false/>" },
		{ "lockdownd/StartService", "", "without TLS, once", "<key>EnableServiceSSL</key><false/>" },
		{ "lockdownd/StartService", "count=-1", "another service", "<key>Service</key><string>com.apple.afc</string>" },
		{ "lockdownd/SetValue", "count=-1", "done, and an error", "<key>Error</key><string>SetProhibited</string>" },
		{ "lockdownd/SetValue", "count=-1", "another key", "<key>Key</key><string>SomethingElse</string>" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(all); i++) {
		struct row *row = bent(c, all[i].where, all[i].words, all[i].name, all[i].members);
		/* what is set already is not set again */
		if (strcmp(all[i].where, "lockdownd/SetValue") == 0)
			row->wants = ROW_FRESH;
	}
	values(c);
}

static void pairing(struct corpus *c)
{
	static const struct {
		const char *words, *name, *members;
	} all[] = {
		{ "", "no bag", "<key>EscrowBag</key><string>(none)</string>" },
		{ "", "a bag that is a list", "<key>EscrowBag</key><array/>" },
		{ "", "a bag of nothing", "<key>EscrowBag</key><data></data>" },
		{ "", "yes, and an error", "<key>Error</key><string>UserDeniedPairing</string>" },
		{ "", "an error nobody knows", "<key>Error</key><string>NoIdea</string>" },
		{ "", "a challenge nobody asked for", "<key>Error</key><string>MCChallengeRequired</string>" },
		{ "", "a challenge that is a number", "<key>Error</key><string>MCChallengeRequired</string><key>ExtendedResponse</key><dict>"
			"<key>PairingChallenge</key><integer>1</integer></dict>" },
		{ "count=3", "a challenge again and again", "<key>Error</key><string>MCChallengeRequired</string><key>ExtendedResponse</key><dict>"
			"<key>PairingChallenge</key><data>QUJDREVGR0g=</data></dict>" },
		{ "", "another question's answer", "<key>Request</key><string>GetValue</string>" },
		{ "", "a denial, then yes", "<key>Error</key><string>UserDeniedPairing</string>" },
		{ "count=2", "a dialog, then yes", "<key>Error</key><string>PairingDialogResponsePending</string>" },
		{ "", "a locked device, then yes", "<key>Error</key><string>PasswordProtected</string>" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(all); i++)
		bent(c, "lockdownd/Pair", all[i].words, all[i].name, all[i].members)->wants = ROW_FRESH;
	static const struct {
		const char *name, *then, *bytes;
		size_t len;
	} raw[] = {
		{ "silence", "then=mute", "", 0 }, { "hangs up", "then=close", "", 0 }, { "length 0xfffffff0", "then=repeat mib=16", "\xff\xff\xff\xf0", 4 },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(raw); i++)
		row_add(c, "lockdownd/Pair", "reply", raw[i].then, stg_bytes(raw[i].bytes, raw[i].len), "lockdownd/Pair: %s", raw[i].name)->wants =
			ROW_FRESH;
}

/* ---- TLS ---- */

#define ALERT(level, what) "\x15\x03\x03\x00\x02" level what

static void tls(struct corpus *c)
{
	static const struct {
		const char *name, *then, *bytes;
		size_t len;
	} raw[] = {
		{ "silence", "then=mute", "", 0 },
		{ "hangs up", "then=close", "", 0 },
		{ "handshake failure", "then=close", ALERT("\x02", "\x28"), 7 },
		{ "an unknown alert", "then=close", ALERT("\x02", "\xfe"), 7 },
		{ "an alert of no length", "then=mute", "\x15\x03\x03\x00\x00", 5 },
		{ "a storm of warnings", "then=repeat mib=8", ALERT("\x01", "\x5a"), 7 },
		{ "a storm of closing alerts", "then=repeat mib=8", ALERT("\x01", "\x00"), 7 },
		{ "empty records without end", "then=repeat mib=8", "\x16\x03\x03\x00\x00", 5 },
		{ "a record of 65,535 bytes", "then=repeat mib=8", "\x16\x03\x03\xff\xff", 5 },
		{ "a handshake message of 16 MiB", "then=repeat mib=8", "\x16\x03\x03\x40\x00\x02\xff\xff\xff", 9 },
		{ "a greeting cut short, silence", "then=mute", "\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03", 11 },
		{ "a greeting, one byte a second", "then=drip ms=1000", "\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03", 11 },
		{ "SSL 2", "then=mute", "\x80\x2e\x04\x00\x01\x00\x02\x00\x00\x00\x10\x00", 12 },
		{ "SSL 3", "then=mute", "\x16\x03\x00\x00\x2a\x02\x00\x00\x26\x03\x00", 11 },
		{ "data before the greeting", "then=mute", "\x17\x03\x03\x00\x05hello", 10 },
		{ "a request for another greeting", "then=repeat mib=4", "\x16\x03\x03\x00\x04\x00\x00\x00\x00", 9 },
		{ "a change of cipher, over and over", "then=repeat mib=4", "\x14\x03\x03\x00\x01\x01", 6 },
		{ "the answer in the clear", "then=mute", "\0\0\0\x08<plist/>", 12 },
		{ "the web", "then=close", "HTTP/1.1 400 Bad Request\r\n\r\n", 28 },
	};
	static const char *const doors[] = { "lockdownd", "MCInstall" };
	for (size_t k = 0; k < STG_ARRAY_LEN(doors); k++)
		for (size_t i = 0; i < STG_ARRAY_LEN(raw); i++)
			row_add(c, doors[k], "handshake", raw[i].then, stg_bytes(raw[i].bytes, raw[i].len), "TLS, %s: %s", doors[k], raw[i].name);
	static const struct {
		const char *name, *words;
	} certificates[] = {
		{ "another key", "key=other" }, { "another key, in the past", "key=other time=past" }, { "its own key, in the past", "key=own time=past" },
		{ "its own key, in the future", "key=own time=future" }, { "a key of 512 bits", "key=short bits=512" },
		{ "a key of 1024 bits", "key=short bits=1024" },
	};
	for (size_t k = 0; k < STG_ARRAY_LEN(doors); k++)
		for (size_t i = 0; i < STG_ARRAY_LEN(certificates); i++)
			row_add(c, doors[k], "certificate", certificates[i].words, stg_bytes_str("-"), "certificate, %s: %s", doors[k], certificates[i].name);
}

/* ---- usbmuxd's pipe ---- */

static struct stg_buf mux_frame(uint32_t len, uint32_t version, uint32_t message, uint32_t tag, const char *body)
{
	struct stg_buf b = STG_BUF(BODY_MAX);
	put_le(&b, len ? len : 16 + strlen(body), 4);
	put_le(&b, version, 4);
	put_le(&b, message, 4);
	put_le(&b, tag, 4);
	put_str(&b, body);
	return b;
}

#define MUX_RESULT(number) XML_HEAD "<dict><key>MessageType</key><string>Result</string><key>Number</key>" number "</dict></plist>"

static void pipes(struct corpus *c)
{
	static const struct {
		const char *name, *then;
		uint32_t len, version, message, tag;
		const char *body;
	} all[] = {
		{ "a length of 0", "then=close", 1, 1, 8, 1, "" },
		{ "a length of 15", "then=close", 15, 1, 8, 1, "" },
		{ "a length of 0xfffffff0, silence", "then=mute", 0xfffffff0u, 1, 8, 1, "" },
		{ "a length longer than its body", "then=mute", 600, 1, 8, 1, MUX_RESULT("<integer>0</integer>") },
		{ "another version", "then=close", 0, 0, 8, 1, MUX_RESULT("<integer>0</integer>") },
		{ "another message", "then=close", 0, 1, 99, 1, MUX_RESULT("<integer>0</integer>") },
		{ "another tag, silence", "then=mute", 0, 1, 8, 4711, MUX_RESULT("<integer>0</integer>") },
		{ "a result that is a text", "then=close", 0, 1, 8, 1, MUX_RESULT("<string>0</string>") },
		{ "no number", "then=close", 0, 1, 8, 1, XML_HEAD "<dict><key>MessageType</key><string>Result</string></dict></plist>" },
		{ "a result nobody knows", "then=close", 0, 1, 8, 1, MUX_RESULT("<integer>4711</integer>") },
		{ "an arrival instead", "then=mute", 0, 1, 8, 0, XML_HEAD "<dict><key>MessageType</key><string>Attached</string></dict></plist>" },
		{ "a body that is a list", "then=close", 0, 1, 8, 1, XML_HEAD "<array/></plist>" },
		{ "no body", "then=close", 16, 1, 8, 1, "" },
		{ "yes, and yes again", "then=answer", 0, 1, 8, 1, MUX_RESULT("<integer>0</integer>") },
		{ "yes, then hangs up", "then=close", 0, 1, 8, 1, MUX_RESULT("<integer>0</integer>") },
		{ "yes, then silence", "then=mute", 0, 1, 8, 1, MUX_RESULT("<integer>0</integer>") },
		{ "an entity bomb", "then=close", 0, 1, 8, 1, "<!DOCTYPE p [<!ENTITY a \"aaaa\">]><plist><string>&a;</string></plist>" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(all); i++) {
		STG_AUTO(stg_buf_clear) struct stg_buf b = mux_frame(all[i].len, all[i].version, all[i].message, all[i].tag, all[i].body);
		row_add(c, "Connect", "reply", all[i].then, stg_buf_view(&b), "pipe: %s", all[i].name);
	}
}

/* ---- MCInstall, the installation proxy ---- */

static void services(struct corpus *c)
{
	static const struct {
		const char *where, *words, *name, *members;
	} all[] = {
		{ "MCInstall/GetProfileList", "count=-1", "no status", "<key>Status</key><string>(none)</string>" },
		{ "MCInstall/GetProfileList", "count=-1", "a status that is a list", "<key>Status</key><array/>" },
		{ "MCInstall/GetProfileList", "count=-1", "a status nobody knows", "<key>Status</key><string>Maybe</string>" },
		{ "MCInstall/GetProfileList", "count=-1", "acknowledged, and an error", "<key>ErrorChain</key><array><dict><key>ErrorCode</key>"
			"<integer>-9223372036854775808</integer><key>ErrorDomain</key><string>" ODD_TEXT "</string></dict></array>" },
		{ "MCInstall/GetProfileList", "count=-1", "an error with a chain of nothing", "<key>Status</key><string>Error</string><key>ErrorChain</key><array>"
			"<integer>1</integer><array/></array>" },
		{ "MCInstall/GetProfileList", "count=-1", "a chain that is a text", "<key>Status</key><string>Error</string><key>ErrorChain</key><string>x</string>" },
		{ "MCInstall/GetProfileList", "count=-1", "identifiers that are numbers", "<key>OrderedIdentifiers</key><array><integer>1</integer></array>" },
		{ "MCInstall/GetProfileList", "count=-1", "manifests that are a list", "<key>ProfileManifest</key><array/>" },
		{ "MCInstall/GetProfileList", "count=-1", "a profile called ../../..", "<key>OrderedIdentifiers</key><array><string>../../../etc</string></array>"
			"<key>ProfileMetadata</key><dict><key>../../../etc</key><dict><key>PayloadDisplayName</key><string>" ODD_TEXT
			"</string></dict></dict>" },
		{ "MCInstall/GetProfileList", "count=-1", "a profile's facts are numbers", "<key>OrderedIdentifiers</key><array><string>a</string></array>"
			"<key>ProfileMetadata</key><dict><key>a</key><integer>1</integer></dict>" },
		{ "MCInstall/InstallProfileSilent", "count=-1", "a status that is a number", "<key>Status</key><integer>1</integer>" },
		{ "MCInstall/InstallProfileSilent", "count=-1", "an error with every number", "<key>Status</key><string>Error</string><key>ErrorChain</key><array>"
			"<dict><key>ErrorCode</key><integer>18446744073709551615</integer><key>ErrorDomain</key><integer>1</integer>"
			"<key>USEnglishDescription</key><array/></dict></array>" },
		{ "MCInstall/RemoveProfile", "count=-1", "no status", "<key>Status</key><string>(none)</string>" },
		{ "MCInstall/GetCloudConfiguration", "count=-1", "a configuration that is a text", "<key>CloudConfiguration</key><string>x</string>" },
		{ "MCInstall/GetCloudConfiguration", "count=-1", "certificates that are texts", "<key>CloudConfiguration</key><dict><key>IsSupervised</key><true/>"
			"<key>SupervisorHostCertificates</key><array><string>x</string><dict/></array></dict>" },
		{ "MCInstall/GetCloudConfiguration", "count=-1", "panes that are a text", "<key>CloudConfiguration</key><dict><key>SkipSetup</key><string>x</string></dict>" },
		{ "MCInstall/GetCloudConfiguration", "count=-1", "an organisation of odd text", "<key>CloudConfiguration</key><dict><key>IsSupervised</key><true/>"
			"<key>OrganizationName</key><string>" ODD_TEXT "</string></dict>" },
		{ "MCInstall/Escalate", "count=-1", "no challenge", "<key>Challenge</key><string>(none)</string>" },
		{ "MCInstall/Escalate", "count=-1", "a challenge that is a number", "<key>Challenge</key><integer>1</integer>" },
		{ "MCInstall/Escalate", "count=-1", "a contract to sign", "<key>Challenge</key><data>SSBvd2UgdGhlIGJlYXJlciBvZiB0aGlzIGxldHRlciBvbmUgbWlsbGlvbiBldXJvcywg"
			"cGF5YWJsZSBvbiBzaWdodCwgd2l0aG91dCByZWNvdXJzZSwgc2lnbmVkIGJ5IHRoZSBzdGF0aW9u</data>" },
		{ "MCInstall/EscalateResponse", "count=-1", "a status nobody knows", "<key>Status</key><string>Perhaps</string>" },
		{ "MCInstall/ProceedWithKeybagMigration", "count=-1", "an error", "<key>Status</key><string>Error</string>" },
		{ "installation_proxy/Lookup", "", "no status", "<key>Status</key><string>(none)</string>" },
		{ "installation_proxy/Lookup", "count=-1", "a result that is a list", "<key>LookupResult</key><array/>" },
		{ "installation_proxy/Lookup", "count=-1", "an app that is a number", "<key>LookupResult</key><dict><key>org.example.route</key><integer>1</integer></dict>" },
		{ "installation_proxy/Lookup", "count=-1", "an app of odd text", "<key>LookupResult</key><dict><key>org.example.route</key><dict>"
			"<key>CFBundleShortVersionString</key><string>" ODD_TEXT "</string><key>CFBundleVersion</key><array/></dict></dict>" },
		{ "installation_proxy/Lookup", "count=-1", "an error nobody knows", "<key>Error</key><string>" ODD_TEXT "</string><key>ErrorDetail</key>"
			"<integer>18446744073709551615</integer>" },
		{ "installation_proxy/Lookup", "", "an error that is a dictionary", "<key>Error</key><dict/><key>Status</key><dict/>" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(all); i++)
		bent(c, all[i].where, all[i].words, all[i].name, all[i].members);

	static const struct {
		const char *name, *then, *body;
	} progress[] = {
		{ "10^9 percent", "then=answer", "<dict><key>PercentComplete</key><integer>1000000000</integer><key>Status</key><string>Installing</string></dict>" },
		{ "percent below zero", "then=answer", "<dict><key>PercentComplete</key><integer>-5</integer></dict>" },
		{ "percent is a text", "then=answer", "<dict><key>PercentComplete</key><string>half</string></dict>" },
		{ "progress that never ends", "then=repeat mib=8", "<dict><key>PercentComplete</key><integer>50</integer><key>Status</key><string>Installing</string></dict>" },
		{ "progress, one byte a second", "then=drip ms=1000", "<dict><key>PercentComplete</key><integer>50</integer></dict>" },
		{ "progress, then silence", "then=mute", "<dict><key>PercentComplete</key><integer>50</integer></dict>" },
		{ "complete before it began", "then=close", "<dict><key>Status</key><string>Complete</string></dict>" },
	};
	static const char *const requests[] = { "installation_proxy/Install", "installation_proxy/Lookup" };
	for (size_t k = 0; k < STG_ARRAY_LEN(requests); k++)
		for (size_t i = 0; i < STG_ARRAY_LEN(progress); i++) {
			char xml_text[400];
			snprintf(xml_text, sizeof(xml_text), XML_HEAD "%s</plist>", progress[i].body);
			STG_AUTO(stg_buf_clear) struct stg_buf b = framed(stg_bytes_str(xml_text));
			row_add(c, requests[k], "reply", progress[i].then, stg_buf_view(&b), "%s: %s", requests[k], progress[i].name);
		}
	STG_AUTO(stg_buf_clear) struct stg_buf many = STG_BUF(BODY_MAX), b = { 0 };
	put_str(&many, XML_HEAD "<dict><key>LookupResult</key><dict>");
	for (int i = 0; i < 60000; i++) {
		char one[80];
		snprintf(one, sizeof(one), "<key>org.example.n%d</key><dict><key>a</key><true/></dict>", i);
		put_str(&many, one);
	}
	put_str(&many, "</dict><key>Status</key><string>Complete</string></dict></plist>");
	b = framed(stg_buf_view(&many));
	row_add(c, "installation_proxy/Lookup", "reply", "", stg_buf_view(&b), "installation_proxy/Lookup: 60,000 apps");
}

/* ---- AFC ---- */

static void files(struct corpus *c)
{
	static const struct {
		const char *name, *words;
		uint64_t whole, head, op;
		const char *body;
		size_t len;
	} all[] = {
		{ "silence", "then=mute", 0, 0, 0, NULL, 0 },
		{ "hangs up", "then=close", 0, 0, 0, NULL, 0 },
		{ "another number", "", 48, 48, 1, "\0\0\0\0\0\0\0\0", 8 },
		{ "a length of 0", "number=1", 0, 0, 1, "", 0 },
		{ "a length of 39", "number=1", 39, 39, 1, "", 0 },
		{ "a length of 2^64-1", "number=1", UINT64_MAX, 40, 1, "", 0 },
		{ "a length of 2^63", "number=1", UINT64_C(1) << 63, UINT64_C(1) << 63, 1, "", 0 },
		{ "a head longer than the whole", "number=1", 48, 4096, 1, "\0\0\0\0\0\0\0\0", 8 },
		{ "1 MiB announced, silence", "number=1 then=mute", 40 + (1 << 20), 40, 2, "x", 1 },
		{ "60 KiB announced, silence", "number=1 then=mute", 40 + 60000, 40, 2, "x", 1 },
		{ "60 KiB announced, one byte a second", "number=1 then=drip ms=1000", 40 + 60000, 40, 2, "x", 1 },
		{ "60 KiB announced, then gone", "number=1 then=close", 40 + 60000, 40, 2, "x", 1 },
		{ "a status without a number", "number=1", 40, 40, 1, "", 0 },
		{ "a status nobody knows", "number=1", 48, 48, 1, "\xff\xff\xff\xff\xff\xff\xff\xff", 8 },
		{ "an operation nobody knows", "number=1", 48, 48, 0xffffffffffffffff, "\0\0\0\0\0\0\0\0", 8 },
		{ "facts that do not end", "number=1", 51, 40, 2, "FSFreeBytes", 11 },
		{ "facts: free space of letters", "number=1", 60, 40, 2, "FSFreeBytes\0plenty!\0", 20 },
		{ "facts: free space below zero", "number=1", 55, 40, 2, "FSFreeBytes\0-1\0", 15 },
		{ "facts: free space of 30 digits", "number=1", 83, 40, 2, "FSFreeBytes\0" "999999999999999999999999999999\0", 43 },
		{ "facts: a key without a value", "number=1", 52, 40, 2, "FSFreeBytes\0", 12 },
		{ "facts: 16 zeros", "number=1", 56, 40, 2, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16 },
		{ "a file number of nothing", "number=1", 40, 40, 14, "", 0 },
		{ "the answer twice", "number=1 then=answer", 48, 48, 1, "\0\0\0\0\0\0\0\0", 8 },
	};
	static const struct {
		const char *name, *skip;
	} when[] = { { "at once", "skip=0" }, { "later", "skip=3" } };
	for (size_t k = 0; k < STG_ARRAY_LEN(when); k++)
		for (size_t i = 0; i < STG_ARRAY_LEN(all); i++) {
			STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(BODY_MAX);
			char words[80];
			if (all[i].body) {
				put_str(&b, "CFA6LPAA");
				put_le(&b, all[i].whole, 8);
				put_le(&b, all[i].head, 8);
				put_le(&b, 0, 8);
				put_le(&b, all[i].op, 8);
				put(&b, all[i].body, all[i].len);
			}
			snprintf(words, sizeof(words), "%s%s%s", when[k].skip, *all[i].words ? " " : "", all[i].words);
			row_add(c, "afc", "reply", words, stg_buf_view(&b), "files %s: %s", when[k].name, all[i].name);
		}
	row_add(c, "afc", "reply", "", stg_bytes("XXXXXXXX\x28\0\0\0\0\0\0\0\x28\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 40), "files: another magic word");
	row_add(c, "afc", "reply", "then=repeat mib=16", stg_bytes_str("CFA6LPAA"), "files: the magic word without end");
}

static void talks(struct corpus *c)
{
	pairing(c);
	lockdown(c);
	tls(c);
	pipes(c);
	services(c);
	files(c);
}

#endif
