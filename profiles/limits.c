/*
 * limits.c - restrictions in words.
 *
 * For:    words.c: what a device may no longer do, the heaviest first.
 * Uses:   the table of rules, to know a restriction from a key of the payload.
 * Called: through the table in words.c.
 * Thread: any; no state.
 *
 * Facts: profiles-and-certificates 2.4; profiles/schema/ios.rules lists the keys. A key at the value the device has anyway says
 * nothing.
 */
#include <stdio.h>

#include "schema.h"
#include "words.h"

#define TOLD_IN_ONE 12                 /* restrictions in one sentence */

static const struct { const char *key; bool when; const char *english, *french; } limits[] = {
	{ "allowHostPairing", false, "no pairing with other computers", "pas de jumelage avec d'autres ordinateurs" },
	{ "allowEraseContentAndSettings", false, "no erasing by the user", "pas d'effacement par l'utilisateur" },
	{ "allowUIConfigurationProfileInstallation", false, "no profiles installed by hand", "pas de profil installé à la main" },
	{ "allowAppInstallation", false, "no app installation", "pas d'installation d'apps" },
	{ "allowUIAppInstallation", false, "no App Store", "pas d'App Store" },
	{ "allowAppRemoval", false, "no removing of apps", "pas de suppression d'apps" },
	{ "allowAccountModification", false, "no account changes", "pas de changement de compte" },
	{ "allowPasscodeModification", false, "no passcode changes", "pas de changement de code" },
	{ "allowFingerprintModification", false, "no changes to Face ID or Touch ID", "pas de changement de Face ID ou Touch ID" },
	{ "allowDeviceNameModification", false, "no renaming", "pas de changement de nom" },
	{ "allowWallpaperModification", false, "no new wallpaper", "pas de changement de fond d'écran" },
	{ "allowEnablingRestrictions", false, "no Screen Time by the user", "pas de Temps d'écran par l'utilisateur" },
	{ "allowVPNCreation", false, "no VPN by the user", "pas de VPN par l'utilisateur" },
	{ "allowESIMModification", false, "no eSIM changes", "pas de changement d'eSIM" },
	{ "allowESIMOutgoingTransfers", false, "no moving of the eSIM", "pas de transfert d'eSIM" },
	{ "allowCellularPlanModification", false, "no changes to the mobile plan", "pas de changement de forfait" },
	{ "allowAppCellularDataModification", false, "no choosing which apps use mobile data", "pas de choix des apps en données mobiles" },
	{ "allowPersonalHotspotModification", false, "no changes to the hotspot", "pas de changement du partage de connexion" },
	{ "allowBluetoothModification", false, "no Bluetooth changes", "pas de changement du Bluetooth" },
	{ "allowNotificationsModification", false, "no changes to notifications", "pas de changement des notifications" },
	{ "allowDiagnosticSubmissionModification", false, "no changes to diagnostics", "pas de changement des diagnostics" },
	{ "allowFindMyFriendsModification", false, "no changes to Find My Friends", "pas de changement de Localiser mes amis" },
	{ "forceWiFiToAllowedNetworksOnly", true, "only Wi-Fi networks of profiles", "seulement les réseaux Wi-Fi des profils" },
	{ "forceWiFiWhitelisting", true, "only Wi-Fi networks of profiles", "seulement les réseaux Wi-Fi des profils" },
	{ "forceWiFiPowerOn", true, "Wi-Fi always on", "Wi-Fi toujours actif" },
	{ "allowUSBRestrictedMode", false, "USB works while it is locked", "USB actif même verrouillé" },
	{ "allowUnpairedExternalBootToRecovery", true, "any computer may start recovery", "tout ordinateur peut lancer la récupération" },
	{ "allowFilesUSBDriveAccess", false, "no USB drives", "pas de clés USB" },
	{ "allowFilesNetworkDriveAccess", false, "no network drives", "pas de lecteurs réseau" },
	{ "allowCamera", false, "no camera", "pas d'appareil photo" },
	{ "allowScreenShot", false, "no screenshots", "pas de copie d'écran" },
	{ "allowCallRecording", false, "no recording of calls", "pas d'enregistrement d'appels" },
	{ "allowRemoteScreenObservation", false, "no watching of the screen from afar", "pas d'observation de l'écran à distance" },
	{ "allowVideoConferencing", false, "no FaceTime", "pas de FaceTime" },
	{ "allowChat", false, "no iMessage", "pas d'iMessage" },
	{ "allowRCSMessaging", false, "no RCS messages", "pas de messages RCS" },
	{ "allowSafari", false, "no Safari", "pas de Safari" },
	{ "safariAllowAutoFill", false, "Safari fills nothing in", "Safari ne remplit rien" },
	{ "safariAllowJavaScript", false, "Safari without JavaScript", "Safari sans JavaScript" },
	{ "safariAllowPopups", false, "Safari without pop-ups", "Safari sans fenêtres surgissantes" },
	{ "safariForceFraudWarning", true, "Safari warns of fraud", "Safari avertit des fraudes" },
	{ "allowAirDrop", false, "no AirDrop", "pas d'AirDrop" },
	{ "forceAirDropUnmanaged", true, "AirDrop counts as private", "AirDrop compte comme privé" },
	{ "allowAirPrint", false, "no printing", "pas d'impression" },
	{ "allowAirPrintCredentialsStorage", false, "printer passwords are not kept", "mots de passe d'imprimante non gardés" },
	{ "allowAirPrintiBeaconDiscovery", false, "no printers found by radio", "pas d'imprimantes trouvées par radio" },
	{ "forceAirPrintTrustedTLSRequirement", true, "printing only with trusted certificates", "impression avec certificats reconnus seulement" },
	{ "forceAirPlayOutgoingRequestsPairingPassword", true, "AirPlay asks for a password", "AirPlay demande un mot de passe" },
	{ "allowNFC", false, "no NFC", "pas de NFC" },
	{ "allowCloudBackup", false, "no iCloud backup", "pas de sauvegarde iCloud" },
	{ "allowCloudDocumentSync", false, "no documents in iCloud", "pas de documents dans iCloud" },
	{ "allowCloudKeychainSync", false, "no iCloud keychain", "pas de trousseau iCloud" },
	{ "allowCloudPhotoLibrary", false, "no iCloud photos", "pas de photos iCloud" },
	{ "allowPhotoStream", false, "no photo stream", "pas de flux de photos" },
	{ "allowSharedStream", false, "no shared albums", "pas d'albums partagés" },
	{ "allowCloudPrivateRelay", false, "no iCloud Private Relay", "pas de Relais privé iCloud" },
	{ "allowManagedAppsCloudSync", false, "managed apps stay out of iCloud", "apps gérées hors d'iCloud" },
	{ "allowEnterpriseBookBackup", false, "no backup of the organisation's books", "pas de sauvegarde des livres gérés" },
	{ "allowEnterpriseBookMetadataSync", false, "no sync of notes in the organisation's books", "pas de synchro des notes des livres gérés" },
	{ "forceEncryptedBackup", true, "backups are encrypted", "sauvegardes chiffrées" },
	{ "allowOpenFromManagedToUnmanaged", false, "the organisation's documents stay in its apps", "documents gérés dans les apps gérées seulement" },
	{ "allowOpenFromUnmanagedToManaged", false, "private documents stay out of the organisation's apps", "documents privés hors des apps gérées" },
	{ "requireManagedPasteboard", true, "copy and paste keeps to that as well", "le copier-coller suit la même règle" },
	{ "allowManagedToWriteUnmanagedContacts", true, "managed apps write private contacts", "les apps gérées écrivent les contacts privés" },
	{ "allowUnmanagedToReadManagedContacts", true, "private apps read the organisation's contacts", "les apps privées lisent les contacts gérés" },
	{ "allowMailPrivacyProtection", false, "no Mail Privacy Protection", "pas de protection de Mail" },
	{ "allowFindMyDevice", false, "no Find My", "pas de Localiser" },
	{ "allowFindMyFriends", false, "no Find My Friends", "pas de Localiser mes amis" },
	{ "allowEnterpriseAppTrust", false, "no new trust in in-house apps", "pas de nouvelle confiance aux apps internes" },
	{ "allowMarketplaceAppInstallation", false, "no other app stores", "pas d'autres boutiques d'apps" },
	{ "allowWebDistributionAppInstallation", false, "no apps from web sites", "pas d'apps depuis des sites web" },
	{ "allowAppClips", false, "no App Clips", "pas d'App Clips" },
	{ "allowAutomaticAppDownloads", false, "no apps that come by themselves", "pas d'apps téléchargées seules" },
	{ "allowSystemAppRemoval", false, "no removing of Apple's apps", "pas de suppression des apps d'Apple" },
	{ "allowAppsToBeHidden", false, "no hiding of apps", "pas de masquage d'apps" },
	{ "allowAppsToBeLocked", false, "no locking of apps", "pas de verrouillage d'apps" },
	{ "allowInAppPurchases", false, "no purchases in apps", "pas d'achats dans les apps" },
	{ "forceITunesStorePasswordEntry", true, "every purchase asks for the password", "chaque achat demande le mot de passe" },
	{ "allowRapidSecurityResponseInstallation", false, "no rapid security updates", "pas de correctifs rapides" },
	{ "allowRapidSecurityResponseRemoval", false, "rapid security updates stay", "correctifs rapides non supprimables" },
	{ "allowOTAPKIUpdates", false, "no updates of trusted roots", "pas de mise à jour des racines" },
	{ "allowUntrustedTLSPrompt", false, "unknown certificates are refused without asking", "certificats inconnus refusés sans question" },
	{ "forceAutomaticDateAndTime", true, "date and time set automatically", "date et heure automatiques" },
	{ "forcePreserveESIMOnErase", true, "the eSIM survives an erase", "l'eSIM survit à l'effacement" },
	{ "allowFingerprintForUnlock", false, "no unlocking by face or finger", "pas de déverrouillage par visage ou doigt" },
	{ "allowAutoUnlock", false, "no unlocking by a watch", "pas de déverrouillage par une montre" },
	{ "allowPairedWatch", false, "no Apple Watch", "pas d'Apple Watch" },
	{ "forceWatchWristDetection", true, "the watch locks off the wrist", "la montre se verrouille hors du poignet" },
	{ "allowProximitySetupToNewDevice", false, "does not help to set up a new device", "n'aide pas à configurer un nouvel appareil" },
	{ "allowPasswordAutoFill", false, "no filling in of passwords", "pas de remplissage des mots de passe" },
	{ "allowPasswordProximityRequests", false, "no asking nearby devices for passwords", "pas de demande de mot de passe aux voisins" },
	{ "allowPasswordSharing", false, "no sharing of passwords", "pas de partage de mots de passe" },
	{ "forceAuthenticationBeforeAutoFill", true, "filling in asks for the code", "le remplissage demande le code" },
	{ "allowActivityContinuation", false, "no Handoff", "pas de Handoff" },
	{ "allowiPhoneMirroring", false, "no iPhone mirroring", "pas de recopie de l'iPhone" },
	{ "allowiPhoneWidgetsOnMac", false, "no iPhone widgets on a Mac", "pas de widgets d'iPhone sur Mac" },
	{ "allowLockScreenControlCenter", false, "no Control Centre while locked", "pas de centre de contrôle verrouillé" },
	{ "allowLockScreenNotificationsView", false, "no notifications while locked", "pas de notifications verrouillé" },
	{ "allowLockScreenTodayView", false, "no Today view while locked", "pas de vue Aujourd'hui verrouillé" },
	{ "allowPassbookWhileLocked", false, "no Wallet while locked", "pas de Cartes verrouillé" },
	{ "allowAssistant", false, "no Siri", "pas de Siri" },
	{ "allowAssistantWhileLocked", false, "no Siri while locked", "pas de Siri verrouillé" },
	{ "allowAssistantUserGeneratedContent", false, "Siri shows nothing written by strangers", "Siri ne montre rien d'inconnus" },
	{ "forceAssistantProfanityFilter", true, "Siri does not swear", "Siri reste poli" },
	{ "allowDictation", false, "no dictation", "pas de dictée" },
	{ "forceOnDeviceOnlyDictation", true, "dictation stays on the device", "dictée sur l'appareil seulement" },
	{ "forceOnDeviceOnlyTranslation", true, "translation stays on the device", "traduction sur l'appareil seulement" },
	{ "allowVoiceDialing", false, "no voice dialling", "pas de composition vocale" },
	{ "allowSpotlightInternetResults", false, "no internet results in searches", "pas de résultats internet dans Spotlight" },
	{ "allowWritingTools", false, "no writing tools", "pas d'outils d'écriture" },
	{ "allowGenmoji", false, "no Genmoji", "pas de Genmoji" },
	{ "allowImagePlayground", false, "no Image Playground", "pas d'Image Playground" },
	{ "allowImageWand", false, "no Image Wand", "pas de baguette graphique" },
	{ "allowMailSummary", false, "no summaries of mail", "pas de résumés de courrier" },
	{ "allowPersonalizedHandwritingResults", false, "no text in one's own handwriting", "pas d'écriture manuscrite personnelle" },
	{ "allowLiveVoicemail", false, "no live voicemail", "pas de messagerie en direct" },
	{ "allowAutoCorrection", false, "no auto-correction", "pas de correction automatique" },
	{ "allowPredictiveKeyboard", false, "no predicted words", "pas de saisie prédictive" },
	{ "allowContinuousPathKeyboard", false, "no slide typing", "pas de saisie glissée" },
	{ "allowKeyboardShortcuts", false, "no text shortcuts", "pas de raccourcis clavier" },
	{ "allowSpellCheck", false, "no spell check", "pas de vérification d'orthographe" },
	{ "allowDefinitionLookup", false, "no looking up of words", "pas de recherche de mots" },
	{ "allowAutoDim", false, "the screen does not dim", "l'écran ne baisse pas" },
	{ "allowDiagnosticSubmission", false, "no diagnostics to Apple", "pas de diagnostics vers Apple" },
	{ "allowApplePersonalizedAdvertising", false, "no personalised advertising", "pas de publicité personnalisée" },
	{ "forceLimitAdTracking", true, "no tracking for advertising", "pas de suivi publicitaire" },
	{ "allowGlobalBackgroundFetchWhenRoaming", false, "nothing in the background abroad", "rien en arrière-plan à l'étranger" },
	{ "allowSharedDeviceTemporarySession", false, "no temporary sessions", "pas de sessions temporaires" },
	{ "forceClassroomAutomaticallyJoinClasses", true, "joins classes without asking", "rejoint les classes sans demander" },
	{ "forceClassroomRequestPermissionToLeaveClasses", true, "asks to leave a class", "demande à quitter une classe" },
	{ "forceClassroomUnpromptedAppAndDeviceLock", true, "teachers lock it without asking", "les enseignants le bloquent sans demander" },
	{ "forceClassroomUnpromptedScreenObservation", true, "teachers watch its screen without asking", "les enseignants voient l'écran sans demander" },
	{ "allowGameCenter", false, "no Game Center", "pas de Game Center" },
	{ "allowMultiplayerGaming", false, "no games with others", "pas de jeux à plusieurs" },
	{ "allowAddingGameCenterFriends", false, "no new friends in Game Center", "pas de nouveaux amis Game Center" },
	{ "allowExplicitContent", false, "no explicit music or films", "pas de contenu explicite" },
	{ "allowBookstoreErotica", false, "no erotic books", "pas de livres érotiques" },
	{ "allowBookstore", false, "no book store", "pas de librairie" },
	{ "allowiTunes", false, "no iTunes Store", "pas d'iTunes Store" },
	{ "allowMusicService", false, "no Apple Music", "pas d'Apple Music" },
	{ "allowRadioService", false, "no radio", "pas de radio" },
	{ "allowNews", false, "no News", "pas de News" },
	{ "allowPodcasts", false, "no podcasts", "pas de podcasts" },
};

const char *limit_words(const char *key, bool value, bool french)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(limits); i++)
		if (strcmp(limits[i].key, key) == 0 && limits[i].when == value)
			return french ? limits[i].french : limits[i].english;
	return NULL;
}

static bool is_set(plist_t d, size_t i)
{
	plist_t v = tree_get(d, limits[i].key);
	return v && plist_get_node_type(v) == PLIST_BOOLEAN && tree_bool(d, limits[i].key, !limits[i].when) == limits[i].when;
}

/* The apps of a list that has had two names; counts the keys that were there. */
static bool apps_of(const struct telling *t, plist_t d, const char *now, const char *before, char ret[TELL_MAX], size_t *n)
{
	*n += tree_get(d, now) ? 1 : 0;
	*n += tree_get(d, before) ? 1 : 0;
	return texts_of(t, or_list(tree_get(d, now), tree_get(d, before)), NULL, ret);
}

/* Returns how many keys it has told of. */
static size_t tell_apps(struct telling *t, plist_t d)
{
	size_t n = 0;
	char text[TELL_MAX];
	if (apps_of(t, d, "allowListedAppBundleIDs", "whitelistedAppBundleIDs", text, &n))
		say(t, "limits.only_apps", "Only these apps can be used: %s.", "Seules ces apps sont utilisables : %s.", text);
	if (apps_of(t, d, "blockedAppBundleIDs", "blacklistedAppBundleIDs", text, &n))
		say(t, "limits.hidden_apps", "These apps are hidden: %s.", "Ces apps sont masquées : %s.", text);
	if (apps_of(t, d, "autonomousSingleAppModePermittedAppIDs", "", text, &n))
		say(t, "limits.kiosk_apps", "These apps may take over the screen: %s.", "Ces apps peuvent occuper seules l'écran : %s.", text);
	return n;
}

static size_t tell_delay(struct telling *t, plist_t d)
{
	int64_t days = 30;
	size_t n = tree_int(d, "enforcedSoftwareUpdateDelay", &days) ? 1 : 0;
	if (tree_bool(d, "forceDelayedSoftwareUpdates", false))
		say(t, "limits.updates", "System updates are delayed by %lld days.", "Les mises à jour du système sont retardées de %lld jours.", (long long)days);
	return n + (tree_get(d, "forceDelayedSoftwareUpdates") ? 1 : 0);
}

static size_t tell_switches(struct telling *t, plist_t d)
{
	char text[TELL_MAX * 2] = "", keys[280] = "";
	size_t at = 0, at_keys = 0, n_all = 0, n = 0;
	bool began = false;
	for (size_t i = 0; i <= STG_ARRAY_LEN(limits); i++) {
		bool is_end = i == STG_ARRAY_LEN(limits);
		if (n && (is_end || n == TOLD_IN_ONE)) {
			t->about = keys;
			if (began)
				say(t, "limits.switches", "Also: %s.", "Et encore : %s.", text);
			else
				say(t, "limits.switches", "Restricts the device: %s.", "Restreint l'appareil : %s.", text);
			t->about = NULL;
			began = true;
			at = at_keys = n = 0;
		}
		if (is_end || !is_set(d, i))
			continue;
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", n ? ", " : "", in(t, limits[i].english, limits[i].french));
		if (at_keys < sizeof(keys) - 1)
			at_keys += (size_t)snprintf(keys + at_keys, sizeof(keys) - at_keys, "%s%s", n ? "," : "", limits[i].key);
		n++;
		n_all++;
	}
	return n_all;
}

void tell_limits(struct telling *t, plist_t d)
{
	const struct stg_profile_rules *rules = stg_profile_rules_shipped();
	const struct rule *type = rules_type(rules, "com.apple.applicationaccess", NULL);
	size_t n_all = 0, n = tell_switches(t, d);
	n += tell_apps(t, d) + tell_delay(t, d);
	for (const struct rule *k = type ? rules_first(rules, type) : NULL; k; k = rules_next(rules, k))
		n_all += tree_get(d, k->name) ? 1 : 0;
	if (n_all > n)
		say(t, "limits.rest", "Settings that take nothing away, or are not put into words here: %zu.", "Réglages qui n'enlèvent rien, ou ne sont pas décrits ici : %zu.",
		    n_all - n);
	else if (!n)
		say(t, "limits.none", "Restricts nothing.", "Ne restreint rien.");
}
