/*
 * words.c - a profile in sentences.
 *
 * For:    `stager profile show`, and the person who has to approve a profile without reading XML.
 * Uses:   facts.c, stager/keys for the name in a certificate.
 * Called: by the operation profile.show.
 * Thread: any; no state.
 *
 * Names of networks and hosts are shown, passwords never.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/keys.h>

#include "catalogue.h"
#include "inner.h"
#include "schema.h"

#define SENTENCES_MAX 200
#define TOLD_MAX 6                     /* restrictions named one by one; the others are counted */

struct telling {
	json_t *list;
	bool french;
};

__attribute__((format(printf, 2, 3)))
static void say(struct telling *t, const char *fmt, ...)
{
	char raw[600], clean[900];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	stg_printable(raw, true, clean, sizeof(clean));
	if (json_array_size(t->list) < SENTENCES_MAX)
		json_array_append_new(t->list, json_string(clean));
}

static const char *or(const char *text, const char *otherwise)
{
	return text && *text ? text : otherwise;
}

static void tell_wifi(struct telling *t, plist_t d)
{
	plist_t eap = tree_get(d, "EAPClientConfiguration");
	const char *ssid = or(tree_str(d, "SSID_STR"), or(tree_str(d, "DomainName"), "?")), *how;
	if (eap && eap_accepts(eap, 13))
		how = t->french ? "avec un certificat" : "with a certificate";
	else if (eap)
		how = t->french ? "avec un compte" : "with a user account";
	else if (tree_get(d, "Password"))
		how = t->french ? "avec un mot de passe" : "with a password";
	else
		how = t->french ? "sans mot de passe dans le profil" : "without a password in the profile";
	say(t, t->french ? "Rejoint le réseau Wi-Fi %.80s %s." : "Joins the Wi-Fi network %.80s %s.", ssid, how);
	if (tree_str(d, "ProxyServer"))
		say(t, t->french ? "Passe par le serveur mandataire %.80s sur ce réseau." : "Uses the proxy %.80s on that network.", tree_str(d, "ProxyServer"));
}

static void tell_certificate(struct telling *t, plist_t d, bool is_root)
{
	plist_t data = tree_get(d, "PayloadContent");
	uint64_t n = 0;
	const char *bytes = data && plist_get_node_type(data) == PLIST_DATA ? plist_get_data_ptr(data, &n) : NULL;
	STG_AUTO(stg_json_free_at) json_t *cert = bytes && n ? stg_certificate_json(stg_bytes(bytes, (size_t)n), NULL) : NULL;
	const char *name = or(stg_json_str(cert, "cn"), or(tree_str(d, "PayloadDisplayName"), or(tree_str(d, "PayloadCertificateFileName"), "?")));
	if (is_root)
		say(t, t->french ? "Fait confiance à l'autorité de certification %.120s." : "Trusts the certificate authority %.120s.", name);
	else
		say(t, t->french ? "Ajoute le certificat %.120s." : "Adds the certificate %.120s.", name);
}

static const struct { const char *key; bool when; const char *english, *french; } limits[] = {
	{ "allowHostPairing", false, "no pairing with other computers", "pas de jumelage avec d'autres ordinateurs" },
	{ "allowEraseContentAndSettings", false, "no erasing by the user", "pas d'effacement par l'utilisateur" },
	{ "allowUIConfigurationProfileInstallation", false, "no profiles installed by hand", "pas de profil installé à la main" },
	{ "allowAppInstallation", false, "no app installation", "pas d'installation d'apps" },
	{ "allowUIAppInstallation", false, "no App Store", "pas d'App Store" },
	{ "allowAccountModification", false, "no account changes", "pas de changement de compte" },
	{ "allowPasscodeModification", false, "no passcode changes", "pas de changement de code" },
	{ "allowCamera", false, "no camera", "pas d'appareil photo" },
	{ "allowFindMyDevice", false, "no Find My", "pas de Localiser" },
	{ "allowAirDrop", false, "no AirDrop", "pas d'AirDrop" },
	{ "allowCloudBackup", false, "no iCloud backup", "pas de sauvegarde iCloud" },
	{ "allowSafari", false, "no Safari", "pas de Safari" },
	{ "allowScreenShot", false, "no screenshots", "pas de copie d'écran" },
	{ "forceEncryptedBackup", true, "backups are encrypted", "sauvegardes chiffrées" },
	{ "forceAutomaticDateAndTime", true, "date and time set automatically", "date et heure automatiques" },
	{ "forceWiFiToAllowedNetworksOnly", true, "only Wi-Fi networks of profiles", "seulement les réseaux Wi-Fi des profils" },
	{ "forceDelayedSoftwareUpdates", true, "system updates are delayed", "mises à jour du système retardées" },
};

static void tell_limits(struct telling *t, plist_t d)
{
	STG_AUTO(stg_buf_clear) struct stg_buf told = STG_BUF(2048);
	size_t n_told = 0, n_all = 0;
	const struct stg_profile_rules *rules = stg_profile_rules_shipped();
	const struct rule *type = rules_type(rules, "com.apple.applicationaccess", NULL);
	for (const struct rule *k = type ? rules_first(rules, type) : NULL; k; k = rules_next(rules, k))
		n_all += tree_get(d, k->name) != NULL;
	for (size_t i = 0; i < STG_ARRAY_LEN(limits) && n_told < TOLD_MAX; i++) {
		plist_t v = tree_get(d, limits[i].key);
		if (!v || plist_get_node_type(v) != PLIST_BOOLEAN || tree_bool(d, limits[i].key, !limits[i].when) != limits[i].when)
			continue;
		stg_buf_printf(&told, NULL, "%s%s", n_told ? ", " : "", t->french ? limits[i].french : limits[i].english);
		n_told++;
	}
	size_t more = n_all > n_told ? n_all - n_told : 0;
	if (n_told && more)
		say(t, t->french ? "Restreint l'appareil : %s, et %zu autres réglages." : "Restricts the device: %s, and %zu more settings.", stg_buf_str(&told), more);
	else if (n_told)
		say(t, t->french ? "Restreint l'appareil : %s." : "Restricts the device: %s.", stg_buf_str(&told));
	else
		say(t, t->french ? "Restreint l'appareil par %zu réglages." : "Restricts the device by %zu settings.", n_all);
}

static void tell_code(struct telling *t, plist_t d)
{
	int64_t least = 0, tries = 0;
	if (tree_int(d, "minLength", &least) && least > 0)
		say(t, t->french ? "Exige un code d'au moins %lld caractères." : "Requires a passcode of at least %lld characters.", (long long)least);
	else
		say(t, t->french ? "Fixe des règles de code." : "Sets rules for the passcode.");
	if (tree_int(d, "maxFailedAttempts", &tries))
		say(t, t->french ? "Efface l'appareil après %lld essais faux." : "Erases the device after %lld wrong tries.", (long long)tries);
}

static void tell_mdm(struct telling *t, plist_t d)
{
	const char *url = or(tree_str(d, "ServerURL"), "?");
	say(t, t->french ? "Inscrit l'appareil dans le MDM de %.120s." : "Enrols the device in the MDM at %.120s.", url);
	say(t, t->french ? "Contacte ce serveur pendant l'installation : à garder pour après la configuration."
			 : "Contacts that server while it is installed: store it for after setup.");
}

static void tell_payload(struct telling *t, plist_t d)
{
	const char *type = or(tree_str(d, "PayloadType"), "?");
	const struct type_fact *fact = type_find(type);
	if (strcmp(type, "com.apple.wifi.managed") == 0)
		tell_wifi(t, d);
	else if (strcmp(type, "com.apple.security.root") == 0)
		tell_certificate(t, d, true);
	else if (strcmp(type, "com.apple.security.pkcs1") == 0 || strcmp(type, "com.apple.security.pem") == 0)
		tell_certificate(t, d, false);
	else if (strcmp(type, "com.apple.security.pkcs12") == 0)
		say(t, t->french ? "Apporte une identité : un certificat et sa clé." : "Brings an identity: a certificate and its key.");
	else if (strcmp(type, "com.apple.applicationaccess") == 0)
		tell_limits(t, d);
	else if (strcmp(type, "com.apple.mobiledevice.passwordpolicy") == 0)
		tell_code(t, d);
	else if (strcmp(type, "com.apple.mdm") == 0)
		tell_mdm(t, d);
	else if (strcmp(type, "com.apple.shareddeviceconfiguration") == 0)
		say(t, t->french ? "Affiche « %.80s » sur l'écran verrouillé." : "Shows \"%.80s\" on the lock screen.",
		    or(tree_str(d, "AssetTagInformation"), or(tree_str(d, "LockScreenFootnote"), "?")));
	else if (strcmp(type, "com.apple.webClip.managed") == 0)
		say(t, t->french ? "Ajoute le lien %.60s (%.120s) à l'écran d'accueil." : "Adds the link %.60s (%.120s) to the home screen.",
		    or(tree_str(d, "Label"), "?"), or(tree_str(d, "URL"), "?"));
	else if (strcmp(type, "com.apple.vpn.managed") == 0)
		say(t, t->french ? "Configure le VPN %.80s." : "Sets up the VPN %.80s.", or(tree_str(d, "UserDefinedName"), "?"));
	else if (fact)
		say(t, t->french ? "Configure %s." : "Sets up %s.", t->french ? fact->french : fact->english);
	else
		say(t, t->french ? "Contient des réglages inconnus ici (%.120s)." : "Contains settings not known here (%.120s).", type);
}

json_t *stg_profile_words(struct stg_bytes file, const char *lang, struct stg_error *err)
{
	struct profile p;
	plist_t one;
	if (!profile_open("profile", file, &p, err))
		return NULL;
	struct telling t = { .list = json_array(), .french = lang && strncmp(lang, "fr", 2) == 0 };
	struct findings f = { .p = &p, .list = json_array() };
	check_shape(&f);
	bool ok = findings_pass(&f, err);
	json_decref(f.list);
	for (uint32_t i = 0; ok && (one = payload_at(&p, i)); i++)
		tell_payload(&t, one);
	if (ok && tree_bool(p.root, "IsEncrypted", false))
		say(&t, t.french ? "Est chiffré pour un appareil : son contenu est inconnu ici." : "Is encrypted for one device: its content is not known here.");
	if (ok && tree_bool(p.root, "PayloadRemovalDisallowed", false))
		say(&t, t.french ? "Ne peut pas être supprimé par l'utilisateur (appareils supervisés)." : "Cannot be removed by the user (supervised devices).");
	if (ok && (tree_get(p.root, "RemovalDate") || tree_get(p.root, "DurationUntilRemoval")))
		say(&t, t.french ? "Disparaît de lui-même après un certain temps." : "Disappears by itself after a time.");
	if (ok && p.signer)
		say(&t, t.french ? "Signé par %.120s ; cette signature n'a pas été jugée." : "Signed by %.120s; whether to trust that is for you to judge.",
		    stg_json_str(p.signer, "name"));
	profile_close(&p);
	if (ok)
		return t.list;
	json_decref(t.list);
	return NULL;
}
