/*
 * test_words.c - a profile in sentences a technician understands, and two profiles side by side: no secret is ever shown.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stager/error.h>
#include <stager/payload.h>

#include "profile_text.h"

#define MARK "s3cret-MARK"

static json_t *says(const char *profile, const char *lang)
{
	struct stg_error err = { 0 };
	json_t *list = stg_profile_says(stg_bytes_str(profile), lang, &err);
	if (!list)
		fail_msg("%s", err.msg);
	return list;
}

static bool holds(const json_t *list, const char *key, const char *text)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		if ((!key || strcmp(stg_json_str(one, key[0] == '!' ? "change" : "key"), key + (key[0] == '!')) == 0) && strcmp(stg_json_str(one, "text"), text) == 0)
			return true;
	}
	char *all = stg_json_text(list);
	fprintf(stderr, "looked for %s '%s' in %s\n", key ? key : "", text, all);
	free(all);
	return false;
}

static void no_secret(const json_t *list)
{
	char *all = stg_json_text(list);
	if (strstr(all, MARK))
		fail_msg("a secret is shown: %s", all);
	free(all);
}

static const struct {
	const char *payload, *key, *english, *french;
} said[] = {
	{ WIFI(S("Password", MARK)), "wifi.join", "Joins the Wi-Fi network Ward with a password.", "Rejoint le réseau Wi-Fi Ward avec un mot de passe." },
	{ WIFI(S("EncryptionType", "None")), "wifi.join", "Joins the Wi-Fi network Ward without any encryption.", "Rejoint le réseau Wi-Fi Ward sans aucun chiffrement." },
	{ EAP(LIST("AcceptEAPTypes", NUMBER("13")) LIST("TLSTrustedServerNames", ITEM("radius.example"))), "eap.servers",
	  "Trusts there only servers called radius.example.", "N'y fait confiance qu'aux serveurs nommés radius.example." },
	{ EAP(LIST("AcceptEAPTypes", NUMBER("25")) S("UserName", "jan") S("UserPassword", MARK)), "wifi.join", "Joins the Wi-Fi network Ward with a user account.",
	  "Rejoint le réseau Wi-Fi Ward avec un compte." },
	{ EAP(LIST("AcceptEAPTypes", NUMBER("25"))), "eap.asks", "Asks the user there whether to trust the server.",
	  "Y demande à l'utilisateur s'il fait confiance au serveur." },
	{ WIFI(S("ProxyType", "Manual") S("ProxyServer", "p.example") I("ProxyServerPort", "3128") S("ProxyPassword", MARK)), "wifi.proxy",
	  "Uses the proxy p.example, port 3128, on that network.", "Passe par le mandataire p.example, port 3128, sur ce réseau." },
	{ PAYLOAD("com.apple.proxy.http.global", S("ProxyType", "Auto") S("ProxyPACURL", "https://u:" MARK "@p.example/x.pac?t=" MARK)), "proxy.global_auto",
	  "Takes the proxy for all web traffic from https://p.example/x.pac....", "Prend le mandataire de tout le trafic web de https://p.example/x.pac...." },
	{ PAYLOAD("com.apple.mobiledevice.passwordpolicy", I("minLength", "6")), "passcode.length", "Asks for a passcode of at least 6 digits.",
	  "Exige un code d'au moins 6 chiffres." },
	{ PAYLOAD("com.apple.mobiledevice.passwordpolicy", I("minLength", "8") YES("requireAlphanumeric") I("maxFailedAttempts", "10")), "passcode.length",
	  "Asks for a passcode of at least 8 characters, letters among them.", "Exige un code d'au moins 8 caractères, dont des lettres." },
	{ PAYLOAD("com.apple.applicationaccess", NO("allowCamera") NO("allowSafari") YES("allowChat")), "limits.switches", "Restricts the device: no camera, no Safari.",
	  "Restreint l'appareil : pas d'appareil photo, pas de Safari." },
	{ PAYLOAD("com.apple.applicationaccess", YES("allowCamera")), "limits.rest", "Settings that take nothing away, or are not put into words here: 1.",
	  "Réglages qui n'enlèvent rien, ou ne sont pas décrits ici : 1." },
	{ PAYLOAD("com.apple.applicationaccess", LIST("allowListedAppBundleIDs", ITEM("org.example.one") ITEM("org.example.two"))), "limits.only_apps",
	  "Only these apps can be used: org.example.one, org.example.two.", "Seules ces apps sont utilisables : org.example.one, org.example.two." },
	{ PAYLOAD("com.apple.applicationaccess", YES("forceDelayedSoftwareUpdates") I("enforcedSoftwareUpdateDelay", "14")), "limits.updates",
	  "System updates are delayed by 14 days.", "Les mises à jour du système sont retardées de 14 jours." },
	{ PAYLOAD("com.apple.security.pkcs12", D("PayloadContent", "AAAA") S("Password", MARK)), "identity.bring", "Brings an identity: a certificate and its key.",
	  "Apporte une identité : un certificat et sa clé." },
	{ PAYLOAD("com.apple.security.pkcs12", D("PayloadContent", "AAAA")), "identity.asks", "Asks the user for the password of that identity.",
	  "Demande à l'utilisateur le mot de passe de cette identité." },
	{ PAYLOAD("com.apple.security.root", S("PayloadDisplayName", "Ward CA") D("PayloadContent", "AAAA")), "certificate.authority",
	  "Trusts the certificate authority Ward CA.", "Fait confiance à l'autorité de certification Ward CA." },
	{ PAYLOAD("com.apple.security.scep", DICT("PayloadContent", S("URL", "https://ca.example/scep?c=" MARK) S("Challenge", MARK))), "scep.ask",
	  "Asks https://ca.example/scep... for a certificate while it is installed (SCEP).",
	  "Demande un certificat à https://ca.example/scep... pendant l'installation (SCEP)." },
	{ PAYLOAD("com.apple.security.acme", S("DirectoryURL", "https://acme.example/dir") YES("HardwareBound") YES("Attest")), "acme.bound",
	  "Its key never leaves the device.", "Sa clé ne quitte jamais l'appareil." },
	{ PAYLOAD("com.apple.mdm", S("ServerURL", "https://mdm.example/s?key=" MARK) S("CheckInURL", "https://in.example/c") I("AccessRights", "8191")), "mdm.enrol",
	  "Enrols the device in the MDM at https://mdm.example/s....", "Inscrit l'appareil dans le MDM de https://mdm.example/s...." },
	{ PAYLOAD("com.apple.mdm", S("ServerURL", "https://mdm.example/s") S("CheckInURL", "https://in.example/c") I("AccessRights", "8191")), "mdm.check_in",
	  "It reports to another server, https://in.example/c.", "Il se présente à un autre serveur, https://in.example/c." },
	{ PAYLOAD("com.apple.mdm", S("ServerURL", "https://mdm.example/s") I("AccessRights", "9")), "mdm.rights", "That MDM may: erase it, read its profiles.",
	  "Ce MDM peut : l'effacer, lire ses profils." },
	{ PAYLOAD("com.apple.vpn.managed", S("VPNType", "IKEv2") S("UserDefinedName", "Clinic") DICT("IKEv2", S("RemoteAddress", "vpn.example") S("SharedSecret", MARK))),
	  "vpn.server", "Its server is vpn.example (IKEv2).", "Son serveur est vpn.example (IKEv2)." },
	{ PAYLOAD("com.apple.vpn.managed.applayer", S("VPNType", "VPN") S("VPNSubType", "org.vpn") S("UserDefinedName", "Apps") DICT("VPN", S("Password", MARK))),
	  "vpn.apps", "Sets up the VPN Apps for certain apps.", "Configure le VPN Apps pour certaines apps." },
	{ PAYLOAD("com.apple.dnsSettings.managed", DICT("DNSSettings", S("DNSProtocol", "HTTPS") S("ServerURL", "https://dns.example/q")) YES("ProhibitDisablement")),
	  "dns.server", "Asks https://dns.example/q for addresses (DNS over HTTPS).", "Demande les adresses à https://dns.example/q (DNS par HTTPS)." },
	{ PAYLOAD("com.apple.dnsProxy.managed", S("AppBundleIdentifier", "org.dns") DICT("ProviderConfiguration", S("key", MARK))), "dns_proxy.app",
	  "Lets the app org.dns answer every question for an address.", "Laisse l'app org.dns répondre à toute demande d'adresse." },
	{ PAYLOAD("com.apple.relay.managed", LIST("Relays", DITEM(S("HTTP3RelayURL", "https://relay.example/") DICT("AdditionalHTTPHeaderFields", S("Authorization", MARK))))),
	  "relay.server", "Sends traffic through the relay https://relay.example/.", "Envoie le trafic par le relais https://relay.example/." },
	{ PAYLOAD("com.apple.webClip.managed", S("Label", "Rounds") S("URL", "https://ward.example/") NO("IsRemovable")), "web_clip.add",
	  "Adds the link Rounds (https://ward.example/) to the home screen.", "Ajoute le lien Rounds (https://ward.example/) à l'écran d'accueil." },
	{ PAYLOAD("com.apple.eas.account", S("Host", "mail.example") S("EmailAddress", "ward@example") S("Password", MARK)), "exchange.account",
	  "Adds an Exchange account on mail.example for ward@example.", "Ajoute un compte Exchange sur mail.example pour ward@example." },
	{ PAYLOAD("com.apple.mail.managed", S("EmailAccountType", "EmailTypeIMAP") S("IncomingMailServerHostName", "in.example") S("OutgoingMailServerHostName", "out.example")
		  S("IncomingPassword", MARK)), "mail.servers", "Receives from in.example, sends through out.example.", "Reçoit de in.example, envoie par out.example." },
	{ PAYLOAD("com.apple.caldav.account", S("CalDAVHostName", "cal.example") S("CalDAVUsername", "ward") S("CalDAVPassword", MARK)), "caldav.account",
	  "Adds calendars from cal.example for ward.", "Ajoute les calendriers de cal.example pour ward." },
	{ PAYLOAD("com.apple.carddav.account", S("CardDAVHostName", "card.example") S("CardDAVPassword", MARK)), "carddav.account",
	  "Adds contacts from card.example for somebody the device asks for.", "Ajoute les contacts de card.example pour une personne que l'appareil demande." },
	{ PAYLOAD("com.apple.ldap.account", S("LDAPAccountHostName", "dir.example") NO("LDAPAccountUseSSL") S("LDAPAccountPassword", MARK)), "ldap.account",
	  "Looks people up in the directory on dir.example.", "Cherche les personnes dans l'annuaire de dir.example." },
	{ PAYLOAD("com.apple.subscribedcalendar.account", S("SubCalAccountHostName", "https://u:" MARK "@cal.example/x.ics")), "subscribed.calendar",
	  "Shows the calendar at https://cal.example/x.ics.", "Affiche le calendrier de https://cal.example/x.ics." },
	{ PAYLOAD("com.apple.google-oauth", S("EmailAddress", "ward@example.org")), "google.account", "Adds the Google account ward@example.org.",
	  "Ajoute le compte Google ward@example.org." },
	{ PAYLOAD("com.apple.airprint", LIST("AirPrint", DITEM(S("IPAddress", "10.0.0.7") S("ResourcePath", "ipp/print")))), "airprint.printers",
	  "Adds the printers at 10.0.0.7.", "Ajoute les imprimantes à 10.0.0.7." },
	{ PAYLOAD("com.apple.airplay", LIST("Passwords", DITEM(S("DeviceName", "Meeting room") S("Password", MARK)))), "airplay.passwords",
	  "Knows the password of the AirPlay receivers Meeting room.", "Connaît le mot de passe des récepteurs AirPlay Meeting room." },
	{ PAYLOAD("com.apple.notificationsettings", LIST("NotificationSettings", DITEM(S("BundleIdentifier", "org.alarm") NO("NotificationsEnabled")))), "notifications.off",
	  "No notifications from org.alarm.", "Pas de notifications de org.alarm." },
	{ PAYLOAD("com.apple.app.lock", DICT("App", S("Identifier", "org.kiosk") DICT("Options", YES("DisableVolumeButtons")))), "kiosk.app",
	  "Locks the device to the app org.kiosk: nothing else can be opened.", "Bloque l'appareil sur l'app org.kiosk : rien d'autre ne s'ouvre." },
	{ PAYLOAD("com.apple.webcontent-filter", LIST("AllowListBookmarks", DITEM(S("URL", "https://ward.example") S("Title", "Ward")))), "filter.only",
	  "Only these web sites open: https://ward.example.", "Seuls ces sites web s'ouvrent : https://ward.example." },
	{ PAYLOAD("com.apple.webcontent-filter", S("FilterType", "Plugin") S("PluginBundleID", "org.filter") S("UserDefinedName", "F") S("Password", MARK)), "filter.app",
	  "Lets the app org.filter filter what is seen of the web.", "Laisse l'app org.filter filtrer le web." },
	{ PAYLOAD("com.apple.homescreenlayout", LIST("Dock", DITEM(S("Type", "Application") S("BundleID", "a")))
		  LIST("Pages", LITEM(DITEM(S("Type", "Folder") LIST("Pages", LITEM(DITEM(S("Type", "Application") S("BundleID", "b")))))))), "home.layout",
	  "Fixes the home screen: 1 pages, 2 apps, 1 folders, 0 links; 1 of them in the Dock.",
	  "Fixe l'écran d'accueil : 1 pages, 2 apps, 1 dossiers, 0 liens ; dont 1 dans le Dock." },
	{ PAYLOAD("com.apple.shareddeviceconfiguration", S("LockScreenFootnote", "Ward 7")), "lock_screen.text", "Shows \"Ward 7\" on the lock screen.",
	  "Affiche « Ward 7 » sur l'écran verrouillé." },
	{ PAYLOAD("com.apple.cellular", LIST("APNs", DITEM(S("Name", "internet") S("Password", MARK)))), "cellular.apn",
	  "Uses mobile data through the access point internet.", "Utilise les données mobiles par le point d'accès internet." },
	{ PAYLOAD("com.apple.apn.managed", DICT("DefaultsData", LIST("apns", DITEM(S("apn", "old.apn"))))), "apn.use",
	  "Uses mobile data through the access point old.apn (an old form of this setting).",
	  "Utilise les données mobiles par le point d'accès old.apn (ancienne forme de ce réglage)." },
	{ PAYLOAD("com.apple.extensiblesso", S("ExtensionIdentifier", "org.idp.ext") S("Type", "Redirect") LIST("URLs", ITEM("https://idp.example"))), "sso.extension",
	  "Lets the app extension org.idp.ext sign the user in.", "Laisse l'extension org.idp.ext connecter l'utilisateur." },
	{ PAYLOAD("com.apple.sso", S("Name", "K") DICT("Kerberos", S("Realm", "CLINIC"))), "sso.kerberos", "Signs in once for everything in CLINIC (Kerberos).",
	  "Se connecte une fois pour tout CLINIC (Kerberos)." },
	{ PAYLOAD("com.apple.font", S("Name", "Clinic Sans") D("Font", "AAAA")), "font.add", "Adds the font Clinic Sans.", "Ajoute la police Clinic Sans." },
	{ PAYLOAD("com.apple.SetupAssistant.managed", LIST("SkipSetupItems", ITEM("Siri") ITEM("AppleID"))), "setup.skip",
	  "Leaves out these screens of the setup: Siri, AppleID.", "Omet ces écrans de la configuration : Siri, AppleID." },
	{ PAYLOAD("com.apple.domains", LIST("WebDomains", ITEM("clinic.example"))), "domains.web", "Treats documents from clinic.example as the organisation's.",
	  "Traite les documents de clinic.example comme ceux de l'organisation." },
	{ PAYLOAD("com.apple.declarations", LIST("Declarations", "<data>AAAA</data>")), "declarations.bring", "Brings 1 declarations, which are not looked into here.",
	  "Apporte 1 déclarations, qui ne sont pas examinées ici." },
	{ PAYLOAD("org.example.settings", S("Password", MARK)), "payload.unknown", "Contains settings not known here (org.example.settings).",
	  "Contient des réglages inconnus ici (org.example.settings)." },
	{ PAYLOAD("com.apple.vpn.managed.appmapping", ""), "payload.known", "Sets up VPN rules for apps.", "Configure des règles de VPN par application." },
};

static void each_payload_is_told_in_both_languages_without_its_secrets(void **state)
{
	(void)state;
	for (size_t i = 0; i < STG_ARRAY_LEN(said); i++) {
		STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(1 << 16);
		assert_true(stg_buf_printf(&text, NULL, HEAD "<dict>\n" OWN_KEYS "<key>PayloadContent</key><array>%s</array></dict></plist>", said[i].payload));
		STG_AUTO(stg_json_free_at) json_t *english = says(stg_buf_str(&text), "en"), *french = says(stg_buf_str(&text), "fr_FR.UTF-8");
		assert_true(holds(english, said[i].key, said[i].english));
		assert_true(holds(french, said[i].key, said[i].french));
		no_secret(english);
		no_secret(french);
		/* the same sentences in both, for programs */
		assert_int_equal(json_array_size(english), json_array_size(french));
		for (size_t k = 0; k < json_array_size(english); k++) {
			assert_string_equal(stg_json_str(json_array_get(english, k), "key"), stg_json_str(json_array_get(french, k), "key"));
			assert_int_equal(stg_json_int(json_array_get(english, k), "payload", -1), stg_json_int(json_array_get(french, k), "payload", -1));
		}
	}
}

static void what_holds_for_the_whole_profile_is_told_last(void **state)
{
	(void)state;
	STG_AUTO(stg_json_free_at) json_t *kept = says(PROFILE_WITH(YES("PayloadRemovalDisallowed"), WIFI("")), "en");
	assert_true(holds(kept, "profile.permanent", "Cannot be removed by the user (supervised devices)."));
	assert_true(holds(kept, "profile.unsigned", "Nobody has signed it."));
	STG_AUTO(stg_json_free_at) json_t *gone = says(PROFILE_WITH("<key>RemovalDate</key><date>2031-05-06T00:00:00Z</date>\n" I("DurationUntilRemoval", "7200"), WIFI("")), "en");
	assert_true(holds(gone, "profile.removed_on", "Disappears by itself on 2031-05-06."));
	assert_true(holds(gone, "profile.removed_after", "Disappears by itself 120 minutes after it was installed."));
	STG_AUTO(stg_json_free_at) json_t *old = says(PROFILE_WITH("<key>PayloadExpirationDate</key><date>2030-01-01T00:00:00Z</date>\n" DICT("ConsentText", S("default", "x")), WIFI("")), "fr");
	assert_true(holds(old, "profile.expires", "Est signalé comme périmé à partir du 2030-01-01."));
	assert_true(holds(old, "profile.consent", "Affiche un texte que l'utilisateur doit accepter : pas d'installation silencieuse."));
	struct stg_error err = { 0 };
	assert_null(stg_profile_says(stg_bytes_str("junk"), "en", &err));
	assert_int_equal(err.id, STG_ID_NOT_A_PROFILE);
}

/* ---- two profiles ---- */

static json_t *diff(const char *old, const char *new, const char *lang)
{
	struct stg_error err = { 0 };
	json_t *list = stg_profile_diff("old", stg_bytes_str(old), "new", stg_bytes_str(new), lang, &err);
	if (!list)
		fail_msg("%s", err.msg);
	no_secret(list);
	return list;
}

static void the_same_profile_twice_is_no_difference_in_whatever_order(void **state)
{
	(void)state;
	static const char a[] = PROFILE(WIFI(S("Password", MARK)) PAYLOAD_AS("com.apple.font", "a.c", UUID_C, S("Name", "F") D("Font", "AAAA")));
	static const char b[] = PROFILE(PAYLOAD_AS("com.apple.font", "a.c", UUID_C, D("Font", "AAAA") S("Name", "F")) WIFI(S("Password", MARK)));
	STG_AUTO(stg_json_free_at) json_t *same = diff(a, a, "en"), *moved = diff(a, b, "en");
	assert_int_equal(json_array_size(same), 0);
	assert_int_equal(json_array_size(moved), 0);
}

static void a_changed_value_is_told_with_what_it_was_and_a_secret_never(void **state)
{
	(void)state;
	static const char a[] = PROFILE(WIFI(S("EncryptionType", "WPA2") S("Password", MARK "1") YES("AutoJoin")));
	static const char b[] = PROFILE(WIFI(S("EncryptionType", "WPA3") S("Password", MARK "2") YES("HIDDEN_NETWORK")));
	STG_AUTO(stg_json_free_at) json_t *en = diff(a, b, "en"), *fr = diff(a, b, "fr");
	assert_int_equal(json_array_size(en), 4);
	assert_true(holds(en, "!changed", "In a Wi-Fi network (Ward): EncryptionType was \"WPA2\", is now \"WPA3\"."));
	assert_true(holds(en, "!changed", "In a Wi-Fi network (Ward): Password is another one."));
	assert_true(holds(en, "!removed", "In a Wi-Fi network (Ward): AutoJoin is gone, it was yes."));
	assert_true(holds(en, "!added", "In a Wi-Fi network (Ward): HIDDEN_NETWORK is new, yes."));
	assert_true(holds(fr, "!changed", "Dans un réseau Wi-Fi (Ward) : Password est un autre."));
	assert_true(holds(fr, "!added", "Dans un réseau Wi-Fi (Ward) : HIDDEN_NETWORK est nouveau, oui."));
}

static void payloads_that_come_and_go_are_told_in_sentences(void **state)
{
	(void)state;
	static const char a[] = PROFILE(WIFI(S("Password", MARK)));
	static const char b[] = PROFILE(PAYLOAD_AS("com.apple.webClip.managed", "a.c", UUID_C, S("Label", "Rounds") S("URL", "https://w.example/?t=" MARK)));
	STG_AUTO(stg_json_free_at) json_t *en = diff(a, b, "en"), *fr = diff(a, b, "fr");
	assert_true(holds(en, "!removed", "Gone: Joins the Wi-Fi network Ward with a password."));
	assert_true(holds(en, "!added", "New: Adds the link Rounds (https://w.example/...) to the home screen."));
	assert_true(holds(fr, "!removed", "N'y est plus : Rejoint le réseau Wi-Fi Ward avec un mot de passe."));
}

static void restrictions_are_told_by_what_they_do(void **state)
{
	(void)state;
	static const char a[] = PROFILE(PAYLOAD("com.apple.applicationaccess", NO("allowCamera") YES("allowSafari") LIST("blockedAppBundleIDs", ITEM("a.b"))));
	static const char b[] = PROFILE(PAYLOAD("com.apple.applicationaccess", YES("allowCamera") NO("allowSafari") LIST("blockedAppBundleIDs", ITEM("a.b") ITEM("a.c"))));
	STG_AUTO(stg_json_free_at) json_t *en = diff(a, b, "en");
	assert_int_equal(json_array_size(en), 3);
	assert_true(holds(en, "!changed", "No longer: no camera (allowCamera)."));
	assert_true(holds(en, "!changed", "Now: no Safari (allowSafari)."));
	assert_true(holds(en, "!changed", "In restrictions: blockedAppBundleIDs was \"a.b\", is now \"a.b\", \"a.c\"."));
}

static void what_an_enrolled_device_refuses_is_told(void **state)
{
	(void)state;
	static const char a[] = PROFILE(PAYLOAD("com.apple.mdm", S("ServerURL", "https://one.example/s") S("Topic", "com.apple.mgmt.a") I("AccessRights", "1")));
	static const char b[] = PROFILE(PAYLOAD("com.apple.mdm", S("ServerURL", "https://two.example/s") S("Topic", "com.apple.mgmt.a") I("AccessRights", "3")));
	static const char c[] = PROFILE(PAYLOAD_AS("com.apple.mdm", "org.example.a.b", UUID_C, S("ServerURL", "https://one.example/s") S("Topic", "com.apple.mgmt.a") I("AccessRights", "1")));
	STG_AUTO(stg_json_free_at) json_t *en = diff(a, b, "en"), *less = diff(b, a, "en"), *anew = diff(a, c, "en");
	assert_true(holds(en, "!refused", "A device that is enrolled already refuses this: ServerURL of an MDM cannot change."));
	assert_true(holds(en, "!refused", "A device that is enrolled already refuses this: an MDM cannot gain rights."));
	for (size_t i = 0; i < json_array_size(less); i++)
		assert_string_not_equal(stg_json_str(json_array_get(less, i), "path"), "rights");
	assert_int_equal(json_array_size(anew), 1);
	assert_true(holds(anew, "!renewed", "In enrolment in an MDM (https://one.example/s): another UUID or identifier, a device takes it out and installs it anew."));
}

static void another_profile_is_told_to_be_one(void **state)
{
	(void)state;
	static const char a[] = PROFILE(WIFI(""));
	static const char b[] = HEAD "<dict>\n" S("PayloadType", "Configuration") I("PayloadVersion", "1") S("PayloadIdentifier", "org.example.z") S("PayloadUUID", UUID_D)
		K("PayloadContent") "<array>\n" WIFI("") "</array>\n</dict>\n</plist>\n";
	STG_AUTO(stg_json_free_at) json_t *en = diff(a, b, "en");
	assert_int_equal(json_array_size(en), 1);
	assert_true(holds(en, "!other", "This is another profile (another identifier): a device keeps both."));
	struct stg_error err = { 0 };
	assert_null(stg_profile_diff("old", stg_bytes_str("junk"), "new", stg_bytes_str(a), "en", &err));
	assert_non_null(strstr(err.msg, "old"));
	assert_null(stg_profile_diff("old", stg_bytes_str(a), "new", stg_bytes_str("junk"), "en", &err));
	assert_non_null(strstr(err.msg, "new"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_payload_is_told_in_both_languages_without_its_secrets),
		cmocka_unit_test(what_holds_for_the_whole_profile_is_told_last),
		cmocka_unit_test(the_same_profile_twice_is_no_difference_in_whatever_order),
		cmocka_unit_test(a_changed_value_is_told_with_what_it_was_and_a_secret_never),
		cmocka_unit_test(payloads_that_come_and_go_are_told_in_sentences),
		cmocka_unit_test(restrictions_are_told_by_what_they_do),
		cmocka_unit_test(what_an_enrolled_device_refuses_is_told),
		cmocka_unit_test(another_profile_is_told_to_be_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
