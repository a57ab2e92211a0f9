/*
 * foreign.h - profiles as other shops' tools leave them, a blueprint that uses them, and an order as a French spreadsheet
 * exports it.
 *
 * Everything is made here, in the forms that published .mobileconfig files have: Windows line ends and a byte-order mark, a
 * binary property list, a signature by somebody else's CA (DER and PEM), base64, a template with accents, UTF-16. Include it
 * after look.h, in one file of a test program.
 */
#ifndef TESTS_FOREIGN_H
#define TESTS_FOREIGN_H

#include <iconv.h>
#include <plist/plist.h>
#include <sys/stat.h>

#include "look.h"

#define FOREIGN_DOCTYPE \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" \
	"<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
#define FOREIGN_HEAD(id, uuid, name) \
	"\t<key>PayloadType</key>\n\t<string>Configuration</string>\n\t<key>PayloadVersion</key>\n\t<integer>1</integer>\n" \
	"\t<key>PayloadIdentifier</key>\n\t<string>" id "</string>\n\t<key>PayloadUUID</key>\n\t<string>" uuid "</string>\n" \
	"\t<key>PayloadDisplayName</key>\n\t<string>" name "</string>\n"
#define FOREIGN_PAYLOAD(type, id, uuid) \
	"<key>PayloadType</key><string>" type "</string><key>PayloadVersion</key><integer>1</integer>" \
	"<key>PayloadIdentifier</key><string>" id "</string><key>PayloadUUID</key><string>" uuid "</string>"
#define FOREIGN_PROFILE(id, uuid, name, more, payloads) \
	FOREIGN_DOCTYPE "<plist version=\"1.0\">\n<dict>\n" FOREIGN_HEAD(id, uuid, name) more \
	"\t<key>PayloadContent</key>\n\t<array>\n" payloads "\t</array>\n</dict>\n</plist>\n"

static const char foreign_wifi[] = FOREIGN_PROFILE(
	"fr.hopital-nord.wifi", "7c4b1c5a-9f0e-4f0b-8a53-2f7f0c3b7a11", "Wi-Fi Hôpital Nord – étage 3 (été)",
	"\t<key>PayloadRemovalDisallowed</key>\n\t<true/>\n\t<key>PayloadOrganization</key>\n\t<string>Hôpital Nord &amp; Cie</string>\n"
	"\t<key>ConsentText</key>\n\t<dict>\n\t\t<key>default</key>\n\t\t<string>N’installez ceci\nque sur nos appareils.</string>\n\t</dict>\n"
	"\t<!-- exporté le 3/11/2025 -->\n\t<key>XFournisseurVersion</key>\n\t<string>12,4</string>\n",
	"\t\t<dict>" FOREIGN_PAYLOAD("com.apple.wifi.managed", "fr.hopital-nord.wifi.1", "1e7b9f0a-55a1-4b7e-9c0d-8d6a4d0f2b22")
	"<key>SSID_STR</key><string>HÔPITAL-NORD</string><key>EncryptionType</key><string>WPA2</string><key>Password</key><string>pas-un-secret-42</string>"
	"<key>AutoJoin</key><true/><key>XListes</key><array><array><string>a</string><array><integer>1</integer></array></array><dict/></array></dict>\n");

static const char foreign_restrictions[] = FOREIGN_PROFILE(
	"com.autre-mdm.restrictions.7", "0B0D8C1E-7A36-4C55-B5A8-3C8C5C9E7D33", "Restrictions", "",
	"\t\t<dict>" FOREIGN_PAYLOAD("com.apple.applicationaccess", "com.autre-mdm.restrictions.7.a", "5D1F6A52-0F6B-4C0A-9E64-1B1C7A2E4F44")
	"<key>allowCamera</key><false/><key>ratingApps</key><integer>600</integer><key>XAutre</key><real>1.5</real></dict>\n");

static const char foreign_dns[] = FOREIGN_PROFILE(
	"com.infogerance.dns", "F0A1B2C3-D4E5-4F60-8171-92A3B4C5D6E7", "DNS chiffré", "\t<key>PayloadScope</key>\n\t<string>System</string>\n",
	"\t\t<dict>" FOREIGN_PAYLOAD("com.apple.dnsSettings.managed", "com.infogerance.dns.1", "C1D2E3F4-A5B6-4C7D-8E9F-0A1B2C3D4E5F")
	"<key>DNSSettings</key><dict><key>DNSProtocol</key><string>TLS</string><key>ServerAddresses</key><array><string>2001:db8::53</string>"
	"<string>192.0.2.53</string></array><key>ServerName</key><string>dns.infogerance.example</string></dict></dict>\n");

static const char foreign_clip[] = FOREIGN_PROFILE(
	"com.infogerance.clip", "A7A7A7A7-0000-4111-8222-333344445555", "Intranet", "",
	"\t\t<dict>" FOREIGN_PAYLOAD("com.apple.webClip.managed", "com.infogerance.clip.1", "B8B8B8B8-0000-4111-8222-333344445555")
	"<key>URL</key><string>https://intranet.hopital-nord.example/?a=1&amp;b=2</string><key>Label</key><string>Intranet</string><key>IsRemovable</key><false/></dict>\n");

/* As go-ios writes them: an empty line first. */
static const char foreign_passcode[] = "\n" FOREIGN_PROFILE(
	"com.autre-mdm.code", "9E9E9E9E-1111-4222-8333-444455556666", "Code", "",
	"\t\t<dict>" FOREIGN_PAYLOAD("com.apple.mobiledevice.passwordpolicy", "com.autre-mdm.code.1", "8D8D8D8D-1111-4222-8333-444455556666")
	"<key>minLength</key><integer>6</integer><key>forcePIN</key><true/></dict>\n");

static const char foreign_tag[] = FOREIGN_PROFILE(
	"fr.hopital-nord.etiquette", "6C6C6C6C-2222-4333-8444-555566667777", "Étiquette {{asset_tag}}", "",
	"\t\t<dict>" FOREIGN_PAYLOAD("com.apple.shareddeviceconfiguration", "fr.hopital-nord.etiquette.1", "5B5B5B5B-2222-4333-8444-555566667777")
	"<key>AssetTagInformation</key><string>{{asset_tag}} – {{serial}}</string><key>LockScreenFootnote</key>"
	"<string>Propriété de l’hôpital, service {{batch.service|'?'}}</string></dict>\n");

static const char foreign_blueprint[] =
	"name: chez-nous\n"
	"about: Appareils de l’hôpital, profils venus d’ailleurs\n"
	"requires: {os: \"15.0\", models: [\"iPad*\", \"iPhone1*\"], battery: 20, setup_assistant: true}\n"
	"steps:\n"
	"  - identify:\n"
	"  - pair:\n"
	"  - set_time: {zone: Europe/Paris, language: fr, locale: fr_FR}\n"
	"  - activate:\n"
	"  - supervise: {department: \"{{batch.service|'Service'}}\"}\n"
	"  - install_profile: {profile: wifi-nord}\n"
	"    retry: {times: 1, wait: 1 s}\n"
	"  - install_profile: {profile: dns-signe, supervised: yes}\n"
	"    retry: {times: 1, wait: 1 s}\n"
	"  - install_profile: {profile: clip-pem}\n"
	"  - install_profile: {profile: code-base64}\n"
	"  - issue_certificate: {common_name: \"{{serial}}\", key: p-256, days: 30, identifier: fr.hopital-nord.identite}\n"
	"  - install_profile: {profile: etiquette, template: yes, supervised: yes}\n"
	"  - set_name: {name: \"{{name|serial}}\"}\n"
	"  - install_profile: {profile: restrictions-binaires, supervised: yes}\n"
	"  - verify: {supervised: true, activated: true, name: \"{{name|serial}}\"}\n";

/* The same organisation, an earlier day: supervised and nothing else. */
static const char foreign_earlier[] =
	"name: la-veille\nabout: Seulement supervisés\nrequires: {setup_assistant: true}\n"
	"steps:\n  - identify:\n  - pair:\n  - activate:\n  - supervise:\n  - verify: {supervised: true}\n";

static inline void foreign_put(const struct journey *j, const char *folder, const char *name, struct stg_bytes bytes)
{
	struct stg_error err = { 0 };
	char path[192];
	snprintf(path, sizeof(path), "%s/%s", j->state, folder);
	journey_must(stg_folder_make(path, 0700, &err), &err, folder);
	snprintf(path, sizeof(path), "%s/%s/%s", j->state, folder, name);
	journey_must(stg_file_write(path, bytes, 0600, &err), &err, name);
}

static inline void foreign_get(const struct journey *j, const char *name, struct stg_buf *ret)
{
	struct stg_error err = { 0 };
	char path[192];
	snprintf(path, sizeof(path), "%s/%s", j->dir, name);
	journey_must(stg_file_read(path, ret, &err), &err, name);
}

static inline void foreign_run(const char *command)
{
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

/* Signed by a certificate of another shop's own CA, with the openssl program: not a line of ours is in it. */
static inline void foreign_sign(const struct journey *j, const char *text, const char *form, const char *name)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf done = STG_BUF(1 << 20);
	char path[128], command[1200];
	snprintf(path, sizeof(path), "%s/plain", j->dir);
	journey_must(stg_file_write(path, stg_bytes_str(text), 0600, &err), &err, "profile to sign");
	snprintf(command, sizeof(command),
		 "cd %s && { [ -f ca.pem ] || { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -utf8 -days 30 -subj '/O=Infogérance du Nord/CN=CA' "
		 "-keyout ca.key -out ca.pem && openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -utf8 -subj '/O=Infogérance du Nord/CN=Profils' "
		 "-keyout leaf.key -out leaf.csr && openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out leaf.pem; }; } 2>openssl.log && "
		 "openssl cms -sign -nodetach -binary -md sha256 -outform %s -certfile ca.pem -signer leaf.pem -inkey leaf.key -in plain -out signed 2>>openssl.log",
		 j->dir, form);
	foreign_run(command);
	foreign_get(j, "signed", &done);
	foreign_put(j, "profiles", name, stg_buf_view(&done));
}

static inline void foreign_make(const struct journey *j)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(1 << 20), wide = STG_BUF(1 << 20);
	char *binary = NULL;
	uint32_t n = 0;
	plist_t tree = NULL;
	foreign_put(j, "blueprints", "chez-nous.yaml", stg_bytes_str(foreign_blueprint));
	foreign_put(j, "blueprints", "la-veille.yaml", stg_bytes_str(foreign_earlier));
	/* Windows: a byte-order mark and CRLF */
	bool ok = stg_buf_add_str(&text, "\xef\xbb\xbf", &err);
	for (const char *p = foreign_wifi; ok && *p; p++)
		ok = stg_buf_add(&text, *p == '\n' ? "\r\n" : p, *p == '\n' ? 2 : 1, &err);
	journey_must(ok, &err, "wifi");
	foreign_put(j, "profiles", "wifi-nord.mobileconfig", stg_buf_view(&text));
	plist_from_xml(foreign_restrictions, sizeof(foreign_restrictions) - 1, &tree);
	assert_non_null(tree);
	plist_to_bin(tree, &binary, &n);
	assert_non_null(binary);
	foreign_put(j, "profiles", "restrictions-binaires.mobileconfig", stg_bytes(binary, n));
	free(binary);
	plist_free(tree);
	foreign_sign(j, foreign_dns, "DER", "dns-signe.mobileconfig");
	foreign_sign(j, foreign_clip, "PEM", "clip-pem.mobileconfig");
	stg_buf_reset(&text);
	assert_true(stg_base64(stg_bytes_str(foreign_passcode), &text, &err));
	foreign_put(j, "profiles", "code-base64.mobileconfig", stg_buf_view(&text));
	foreign_put(j, "profiles", "etiquette.mobileconfig", stg_bytes_str(foreign_tag));
	ok = stg_buf_add(&wide, "\xff\xfe", 2, &err);
	for (const char *p = foreign_dns; ok && *p; p++)
		ok = stg_buf_add(&wide, (char[]){ *p, 0 }, 2, &err);
	journey_must(ok, &err, "UTF-16");
	foreign_put(j, "profiles", "utf16.mobileconfig", stg_buf_view(&wide));
}

/* As Excel for Windows writes "CSV (séparateur : point-virgule)" in France. */
static inline void foreign_windows(const char *utf8, struct stg_buf *ret)
{
	struct stg_error err = { 0 };
	iconv_t to = iconv_open("WINDOWS-1252", "UTF-8");
	assert_true(to != (iconv_t)-1);
	size_t left = strlen(utf8), room = left;
	char *in = (char *)(uintptr_t)utf8;
	journey_must(stg_buf_reserve(ret, room, &err), &err, "order");
	char *out = (char *)ret->data;
	assert_int_equal(iconv(to, &in, &left, &out, &room), 0);
	ret->len = (size_t)(out - (char *)ret->data);
	iconv_close(to);
}

#endif
