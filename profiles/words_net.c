/*
 * words_net.c - networks in sentences: Wi-Fi, cable, mobile, proxies, VPN, names, filters, printers.
 *
 * For:    words.c.
 * Uses:   the tree words of this room.
 * Called: through the table in words.c.
 * Thread: any; no state.
 */
#include "words.h"

/* ---- Wi-Fi and cable ---- */

static const char *how_it_proves(const struct telling *t, plist_t d, plist_t eap)
{
	if (is_dict(eap) && eap_accepts(eap, 13))
		return in(t, "with a certificate", "avec un certificat");
	if (is_dict(eap) && (tree_get(eap, "UserName") || tree_get(eap, "UserPassword")))
		return in(t, "with a user account", "avec un compte");
	if (is_dict(eap))
		return in(t, "with an account the user is asked for", "avec un compte demandé à l'utilisateur");
	if (tree_get(d, "Password"))
		return in(t, "with a password", "avec un mot de passe");
	if (strcmp(text_of(d, "EncryptionType"), "None") == 0)
		return in(t, "without any encryption", "sans aucun chiffrement");
	return in(t, "without a password in the profile", "sans mot de passe dans le profil");
}

static void tell_trust(struct telling *t, plist_t eap)
{
	char names[TELL_MAX];
	if (texts_of(t, tree_get(eap, "TLSTrustedServerNames"), NULL, names))
		say(t, "eap.servers", "Trusts there only servers called %s.", "N'y fait confiance qu'aux serveurs nommés %s.", names);
	else if (count_of(tree_get(eap, "PayloadCertificateAnchorUUID")))
		say(t, "eap.anchors", "Trusts there only servers with a certificate of the authorities in this profile.",
		    "N'y fait confiance qu'aux serveurs certifiés par les autorités de ce profil.");
	else
		say(t, "eap.asks", "Asks the user there whether to trust the server.", "Y demande à l'utilisateur s'il fait confiance au serveur.");
}

/* Of a network, or of everything (global). */
static void tell_proxy_of(struct telling *t, plist_t d, bool global)
{
	const char *how = text_of(d, "ProxyType");
	char url[URL_SHOWN];
	int64_t port = 0;
	tree_int(d, "ProxyServerPort", &port);
	if (strcmp(how, "Manual") == 0 || (!tree_get(d, "ProxyType") && tree_get(d, "ProxyServer")))
		say(t, global ? "proxy.global" : "wifi.proxy", global ? "Sends all web traffic through the proxy %.120s, port %lld." : "Uses the proxy %.120s, port %lld, on that network.",
		    global ? "Envoie tout le trafic web par le mandataire %.120s, port %lld." : "Passe par le mandataire %.120s, port %lld, sur ce réseau.",
		    text_of(d, "ProxyServer"), (long long)port);
	else if (strcmp(how, "Auto") == 0)
		say(t, global ? "proxy.global_auto" : "wifi.proxy_auto", global ? "Takes the proxy for all web traffic from %s." : "Takes the proxy on that network from %s.",
		    global ? "Prend le mandataire de tout le trafic web de %s." : "Prend le mandataire de ce réseau de %s.",
		    tree_str(d, "ProxyPACURL") ? url_shown(tree_str(d, "ProxyPACURL"), url) : in(t, "the network itself", "ce que dit le réseau"));
}

void tell_wifi(struct telling *t, plist_t d)
{
	plist_t eap = tree_get(d, "EAPClientConfiguration");
	const char *ssid = text_or(tree_str(d, "SSID_STR"), text_or(tree_str(d, "DomainName"), "?"));
	t->about = ssid;
	say(t, "wifi.join", "Joins the Wi-Fi network %.80s %s.", "Rejoint le réseau Wi-Fi %.80s %s.", ssid, how_it_proves(t, d, eap));
	if (is_dict(eap))
		tell_trust(t, eap);
	if (tree_bool(d, "HIDDEN_NETWORK", false))
		say(t, "wifi.hidden", "That network does not show its name.", "Ce réseau ne montre pas son nom.");
	if (!tree_bool(d, "AutoJoin", true))
		say(t, "wifi.by_hand", "Joins it only when somebody chooses it.", "Ne le rejoint que si quelqu'un le choisit.");
	if (tree_bool(d, "DisableAssociationMACRandomization", false))
		say(t, "wifi.address", "Shows its real hardware address there.", "Y montre sa véritable adresse matérielle.");
	if (tree_bool(d, "CaptiveBypass", false))
		say(t, "wifi.portal", "Shows no sign-in page of that network.", "N'affiche pas la page d'accueil de ce réseau.");
	tell_proxy_of(t, d, false);
}

void tell_ethernet(struct telling *t, plist_t d)
{
	plist_t eap = tree_get(d, "EAPClientConfiguration");
	say(t, "ethernet.join", "Proves itself on wired networks %s.", "S'authentifie sur les réseaux filaires %s.", how_it_proves(t, d, eap));
	if (is_dict(eap))
		tell_trust(t, eap);
}

void tell_proxy(struct telling *t, plist_t d)
{
	t->about = text_or(tree_str(d, "ProxyServer"), tree_str(d, "ProxyPACURL"));
	tell_proxy_of(t, d, true);
	if (tree_bool(d, "ProxyCaptiveLoginAllowed", false))
		say(t, "proxy.captive", "Sign-in pages of networks are reached without it.", "Les pages d'accueil des réseaux s'atteignent sans lui.");
}

/* ---- mobile ---- */

void tell_cellular(struct telling *t, plist_t d)
{
	plist_t attach = tree_get(d, "AttachAPN");
	char names[TELL_MAX];
	t->about = tree_str(attach, "Name");
	if (is_dict(attach))
		say(t, "cellular.attach", "Registers in the mobile network with the access point %.80s.", "S'enregistre sur le réseau mobile avec le point d'accès %.80s.",
		    text_of(attach, "Name"));
	if (texts_of(t, tree_get(d, "APNs"), "Name", names))
		say(t, "cellular.apn", "Uses mobile data through the access point %s.", "Utilise les données mobiles par le point d'accès %s.", names);
	for (uint32_t i = 0; i < count_of(tree_get(d, "APNs")) && i < 8; i++) {
		plist_t one = plist_array_get_item(tree_get(d, "APNs"), i);
		if (tree_str(one, "ProxyServer"))
			say(t, "cellular.proxy", "Sends mobile data through the proxy %.120s.", "Envoie les données mobiles par le mandataire %.120s.", tree_str(one, "ProxyServer"));
	}
}

void tell_apn(struct telling *t, plist_t d)
{
	plist_t list = tree_get(tree_get(d, "DefaultsData"), "apns");
	char names[TELL_MAX];
	if (!texts_of(t, list, "apn", names))
		texts_of(t, tree_get(tree_get(plist_array_get_item(tree_get(d, "PayloadContent"), 0), "DefaultsData"), "apns"), "apn", names);
	say(t, "apn.use", "Uses mobile data through the access point %s (an old form of this setting).",
	    "Utilise les données mobiles par le point d'accès %s (ancienne forme de ce réglage).", text_or(names, "?"));
}

void tell_private_network(struct telling *t, plist_t d)
{
	t->about = tree_str(d, "DataSetName");
	say(t, "private_network.use", "Uses the private mobile network %.80s.", "Utilise le réseau mobile privé %.80s.", text_of(d, "DataSetName"));
}

void tell_usage(struct telling *t, plist_t d)
{
	plist_t rules = tree_get(d, "ApplicationRules");
	for (uint32_t i = 0; i < count_of(rules) && i < 20; i++) {
		plist_t one = plist_array_get_item(rules, i);
		char apps[TELL_MAX];
		const char *who = texts_of(t, tree_get(one, "AppIdentifierMatches"), NULL, apps) ? apps : in(t, "all managed apps", "toutes les apps gérées");
		if (!tree_bool(one, "AllowCellularData", true))
			say(t, "usage.no_cellular", "No mobile data for %s.", "Pas de données mobiles pour %s.", who);
		else if (!tree_bool(one, "AllowRoamingCellularData", true))
			say(t, "usage.no_roaming", "No mobile data abroad for %s.", "Pas de données mobiles à l'étranger pour %s.", who);
	}
	if (count_of(tree_get(d, "SIMRules")))
		say(t, "usage.sim", "Sets when certain SIM cards take over from weak Wi-Fi.", "Fixe quand certaines SIM relaient un Wi-Fi faible.");
}

/* ---- VPN, relays, names ---- */

static const char *vpn_server(plist_t d)
{
	const char *parts[] = { "IKEv2", "IPSec", "VPN", "TransparentProxy" };
	for (size_t i = 0; i < STG_ARRAY_LEN(parts); i++) {
		const char *host = tree_str(tree_get(d, parts[i]), "RemoteAddress");
		if (host)
			return host;
	}
	return tree_str(tree_get(d, "PPP"), "CommRemoteAddress");
}

static bool flag_of(plist_t d, const char *key)
{
	int64_t n = 0;
	return tree_bool(d, key, false) || (tree_int(d, key, &n) && n == 1);
}

static void tell_vpn_of(struct telling *t, plist_t d, bool for_apps)
{
	const char *type = text_of(d, "VPNType"), *server = vpn_server(d);
	plist_t part = tree_get(d, type);
	char url[URL_SHOWN], domains[TELL_MAX];
	t->about = tree_str(d, "UserDefinedName");
	if (strcmp(type, "AlwaysOn") == 0)
		say(t, "vpn.always", "Sends everything through a VPN all the time (%.80s).", "Envoie tout par un VPN en permanence (%.80s).", text_of(d, "UserDefinedName"));
	else
		say(t, for_apps ? "vpn.apps" : "vpn.setup", for_apps ? "Sets up the VPN %.80s for certain apps." : "Sets up the VPN %.80s.",
		    for_apps ? "Configure le VPN %.80s pour certaines apps." : "Configure le VPN %.80s.", text_of(d, "UserDefinedName"));
	if (server)
		say(t, "vpn.server", "Its server is %s (%.20s).", "Son serveur est %s (%.20s).", url_shown(server, url), type);
	if (strcmp(type, "VPN") == 0 && tree_str(d, "VPNSubType"))
		say(t, "vpn.app", "It needs the app %.120s.", "Il lui faut l'app %.120s.", tree_str(d, "VPNSubType"));
	if (flag_of(part, "OnDemandEnabled"))
		say(t, "vpn.on_demand", "Switches itself on when it is needed.", "S'active seul quand il le faut.");
	if (flag_of(part, "IncludeAllNetworks"))
		say(t, "vpn.all", "Nothing leaves the device beside it.", "Rien ne quitte l'appareil en dehors de lui.");
	if (texts_of(t, tree_get(d, "SafariDomains"), NULL, domains))
		say(t, "vpn.domains", "Safari uses it for %s.", "Safari l'utilise pour %s.", domains);
}

void tell_vpn(struct telling *t, plist_t d)
{
	tell_vpn_of(t, d, false);
}

void tell_app_vpn(struct telling *t, plist_t d)
{
	tell_vpn_of(t, d, true);
}

void tell_dns(struct telling *t, plist_t d)
{
	plist_t dns = tree_get(d, "DNSSettings");
	const char *server = text_or(tree_str(dns, "ServerURL"), tree_str(dns, "ServerName"));
	char url[URL_SHOWN], list[TELL_MAX];
	t->about = server;
	say(t, "dns.server", "Asks %s for addresses (DNS over %.10s).", "Demande les adresses à %s (DNS par %.10s).",
	    server ? url_shown(server, url) : texts_of(t, tree_get(dns, "ServerAddresses"), NULL, list) ? list : "?", text_of(dns, "DNSProtocol"));
	if (texts_of(t, tree_get(dns, "SupplementalMatchDomains"), NULL, list))
		say(t, "dns.domains", "Only for names in %s.", "Seulement pour les noms de %s.", list);
	if (tree_bool(d, "ProhibitDisablement", false))
		say(t, "dns.fixed", "The user cannot switch that off.", "L'utilisateur ne peut pas le désactiver.");
}

void tell_dns_proxy(struct telling *t, plist_t d)
{
	t->about = tree_str(d, "AppBundleIdentifier");
	say(t, "dns_proxy.app", "Lets the app %.120s answer every question for an address.", "Laisse l'app %.120s répondre à toute demande d'adresse.",
	    text_of(d, "AppBundleIdentifier"));
}

void tell_relay(struct telling *t, plist_t d)
{
	plist_t relays = tree_get(d, "Relays");
	char list[TELL_MAX], url[URL_SHOWN];
	for (uint32_t i = 0; i < count_of(relays) && i < 8; i++) {
		plist_t one = plist_array_get_item(relays, i);
		const char *to = text_or(tree_str(one, "HTTP3RelayURL"), tree_str(one, "HTTP2RelayURL"));
		t->about = to;
		say(t, "relay.server", "Sends traffic through the relay %s.", "Envoie le trafic par le relais %s.", to ? url_shown(to, url) : "?");
	}
	if (texts_of(t, tree_get(d, "MatchDomains"), NULL, list))
		say(t, "relay.domains", "Only for %s.", "Seulement pour %s.", list);
}

void tell_domains(struct telling *t, plist_t d)
{
	char list[TELL_MAX];
	if (texts_of(t, tree_get(d, "EmailDomains"), NULL, list))
		say(t, "domains.mail", "Marks mail to addresses outside %s.", "Signale les messages vers l'extérieur de %s.", list);
	if (texts_of(t, tree_get(d, "WebDomains"), NULL, list))
		say(t, "domains.web", "Treats documents from %s as the organisation's.", "Traite les documents de %s comme ceux de l'organisation.", list);
	if (texts_of(t, tree_get(d, "SafariPasswordAutoFillDomains"), NULL, list))
		say(t, "domains.passwords", "Safari keeps passwords for %s only.", "Safari ne garde les mots de passe que pour %s.", list);
}

/* ---- filters, printers ---- */

void tell_filter(struct telling *t, plist_t d)
{
	char list[TELL_MAX], url[URL_SHOWN];
	const char *how = text_or(tree_str(d, "FilterType"), "BuiltIn");
	if (strcmp(how, "Plugin") == 0) {
		t->about = tree_str(d, "PluginBundleID");
		say(t, "filter.app", "Lets the app %.120s filter what is seen of the web.", "Laisse l'app %.120s filtrer le web.", text_of(d, "PluginBundleID"));
		if (tree_str(d, "ServerAddress"))
			say(t, "filter.server", "The filter's server is %s.", "Le serveur du filtre est %s.", url_shown(tree_str(d, "ServerAddress"), url));
		return;
	}
	if (texts_of(t, or_list(tree_get(d, "AllowListBookmarks"), tree_get(d, "WhitelistedBookmarks")), "URL", list))
		say(t, "filter.only", "Only these web sites open: %s.", "Seuls ces sites web s'ouvrent : %s.", list);
	if (tree_bool(d, "AutoFilterEnabled", false))
		say(t, "filter.adult", "Keeps adult web sites away.", "Écarte les sites web pour adultes.");
	if (texts_of(t, or_list(tree_get(d, "DenyListURLs"), tree_get(d, "BlacklistedURLs")), NULL, list))
		say(t, "filter.denied", "These web sites do not open: %s.", "Ces sites web ne s'ouvrent pas : %s.", list);
	if (texts_of(t, tree_get(d, "PermittedURLs"), NULL, list))
		say(t, "filter.allowed", "These web sites always open: %s.", "Ces sites web s'ouvrent toujours : %s.", list);
}

void tell_airprint(struct telling *t, plist_t d)
{
	char list[TELL_MAX];
	if (texts_of(t, tree_get(d, "AirPrint"), "IPAddress", list))
		say(t, "airprint.printers", "Adds the printers at %s.", "Ajoute les imprimantes à %s.", list);
	else
		say(t, "airprint.none", "Adds no printer, although it is meant to.", "N'ajoute aucune imprimante, bien que ce soit son but.");
}

void tell_airplay(struct telling *t, plist_t d)
{
	plist_t only = or_list(tree_get(d, "AllowList"), tree_get(d, "Whitelist"));
	char list[TELL_MAX];
	if (texts_of(t, only, "DeviceName", list) || texts_of(t, only, "DeviceID", list))
		say(t, "airplay.only", "Shows only these AirPlay receivers: %s.", "Ne montre que ces récepteurs AirPlay : %s.", list);
	if (texts_of(t, tree_get(d, "Passwords"), "DeviceName", list))
		say(t, "airplay.passwords", "Knows the password of the AirPlay receivers %s.", "Connaît le mot de passe des récepteurs AirPlay %s.", list);
}
