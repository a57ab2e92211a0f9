/*
 * facts.c - what payload types are called in sentences.
 *
 * For:    the sentences about a profile. What a payload may hold is in profiles/schema.
 * Uses:   nothing.
 * Called: by words.c.
 * Thread: any; constants.
 */
#include <stddef.h>
#include <string.h>

#include "catalogue.h"

const struct type_fact type_facts[] = {
	{ "com.apple.security.root", "a root certificate", "un certificat racine" },
	{ "com.apple.security.pkcs1", "a certificate", "un certificat" },
	{ "com.apple.security.pem", "a certificate", "un certificat" },
	{ "com.apple.security.pkcs12", "an identity (certificate and key)", "une identité (certificat et clé)" },
	{ "com.apple.security.scep", "an identity requested by SCEP", "une identité demandée par SCEP" },
	{ "com.apple.security.acme", "an identity requested by ACME", "une identité demandée par ACME" },
	{ "com.apple.security.certificatetransparency", "certificate transparency", "la transparence des certificats" },
	{ "com.apple.security.certificaterevocation", "revocation checking", "la vérification des révocations" },
	{ "com.apple.wifi.managed", "a Wi-Fi network", "un réseau Wi-Fi" },
	{ "com.apple.globalethernet.managed", "a wired network", "un réseau filaire" },
	{ "com.apple.proxy.http.global", "a global web proxy", "un serveur mandataire global" },
	{ "com.apple.cellular", "mobile network settings", "les réglages du réseau mobile" },
	{ "com.apple.apn.managed", "an access point name", "un nom de point d'accès" },
	{ "com.apple.cellularprivatenetwork.managed", "a private mobile network", "un réseau mobile privé" },
	{ "com.apple.vpn.managed", "a VPN", "un VPN" },
	{ "com.apple.vpn.managed.applayer", "a VPN for apps", "un VPN par application" },
	{ "com.apple.vpn.managed.appmapping", "VPN rules for apps", "des règles de VPN par application" },
	{ "com.apple.dnsSettings.managed", "encrypted name resolution", "la résolution de noms chiffrée" },
	{ "com.apple.dnsProxy.managed", "a name resolution proxy", "un mandataire de résolution de noms" },
	{ "com.apple.relay.managed", "network relays", "des relais réseau" },
	{ "com.apple.networkusagerules", "network usage rules", "des règles d'usage du réseau" },
	{ "com.apple.domains", "managed domains", "des domaines gérés" },
	{ "com.apple.airprint", "printers", "des imprimantes" },
	{ "com.apple.airplay", "AirPlay receivers", "des récepteurs AirPlay" },
	{ "com.apple.webcontent-filter", "a web content filter", "un filtre de contenu web" },
	{ "com.apple.applicationaccess", "restrictions", "des restrictions" },
	{ "com.apple.mobiledevice.passwordpolicy", "passcode rules", "des règles de code" },
	{ "com.apple.eas.account", "an Exchange account", "un compte Exchange" },
	{ "com.apple.mail.managed", "a mail account", "un compte de courrier" },
	{ "com.apple.ldap.account", "a directory account", "un compte d'annuaire" },
	{ "com.apple.caldav.account", "a calendar account", "un compte de calendrier" },
	{ "com.apple.carddav.account", "a contacts account", "un compte de contacts" },
	{ "com.apple.subscribedcalendar.account", "a subscribed calendar", "un calendrier avec abonnement" },
	{ "com.apple.google-oauth", "a Google account", "un compte Google" },
	{ "com.apple.osxserver.account", "a server account", "un compte de serveur" },
	{ "com.apple.sso", "single sign-on", "l'authentification unique" },
	{ "com.apple.extensiblesso", "single sign-on", "l'authentification unique" },
	{ "com.apple.homescreenlayout", "the home screen layout", "la disposition de l'écran d'accueil" },
	{ "com.apple.notificationsettings", "notification settings", "les réglages de notifications" },
	{ "com.apple.shareddeviceconfiguration", "the lock screen message", "le message de l'écran verrouillé" },
	{ "com.apple.app.lock", "single app mode", "le mode app unique" },
	{ "com.apple.webClip.managed", "a web link on the home screen", "un lien web sur l'écran d'accueil" },
	{ "com.apple.font", "a font", "une police" },
	{ "com.apple.tvremote", "TV remotes", "des télécommandes" },
	{ "com.apple.education", "classroom settings", "les réglages de classe" },
	{ "com.apple.SetupAssistant.managed", "skipped setup screens", "des écrans de configuration omis" },
	{ "com.apple.profileRemovalPassword", "a password for removal", "un mot de passe de suppression" },
	{ "com.apple.declarations", "declarations", "des déclarations" },
	{ "com.apple.mdm", "enrolment in an MDM", "l'inscription dans un MDM" },
	{ "com.apple.configurator.usbrestrictedmode", "USB restricted mode", "le mode USB restreint" },
	{ NULL, NULL, NULL },
};

const struct type_fact *type_find(const char *type)
{
	for (const struct type_fact *t = type_facts; t->type; t++)
		if (strcmp(t->type, type) == 0)
			return t;
	return NULL;
}
