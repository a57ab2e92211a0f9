/*
 * words_accounts.c - accounts and sign-on in sentences.
 *
 * For:    words.c.
 * Uses:   the tree words of this room.
 * Called: through the table in words.c.
 * Thread: any; no state.
 */
#include "words.h"

/* "for jan@example.org", or nothing when the user is asked. */
static const char *for_whom(const struct telling *t, const char *who)
{
	return text_or(who, in(t, "somebody the device asks for", "une personne que l'appareil demande"));
}

static void tell_secure(struct telling *t, plist_t d, const char *key)
{
	if (!tree_bool(d, key, true))
		say(t, "account.open", "Speaks to that server without encryption.", "Parle à ce serveur sans chiffrement.");
}

void tell_exchange(struct telling *t, plist_t d)
{
	static const struct { const char *key, *english, *french; } parts[] = {
		{ "EnableMail", "mail", "courrier" }, { "EnableContacts", "contacts", "contacts" }, { "EnableCalendars", "calendars", "calendriers" },
		{ "EnableReminders", "reminders", "rappels" }, { "EnableNotes", "notes", "notes" },
	};
	t->about = tree_str(d, "Host");
	say(t, "exchange.account", "Adds an Exchange account on %.120s for %.120s.", "Ajoute un compte Exchange sur %.120s pour %.120s.", text_of(d, "Host"),
	    for_whom(t, text_or(tree_str(d, "EmailAddress"), tree_str(d, "UserName"))));
	for (size_t i = 0; i < STG_ARRAY_LEN(parts); i++)
		if (!tree_bool(d, parts[i].key, true))
			say(t, "exchange.without", "Without its %s.", "Sans ses %s.", in(t, parts[i].english, parts[i].french));
	if (tree_bool(d, "OAuth", false))
		say(t, "exchange.oauth", "Signs in through the organisation's web page.", "Se connecte par la page web de l'organisation.");
	if (tree_bool(d, "PreventMove", false))
		say(t, "account.stays", "Its messages cannot be moved to another account.", "Ses messages ne peuvent pas aller vers un autre compte.");
	tell_secure(t, d, "SSL");
}

void tell_mail(struct telling *t, plist_t d)
{
	bool is_pop = strcmp(text_of(d, "EmailAccountType"), "EmailTypePOP") == 0;
	t->about = tree_str(d, "IncomingMailServerHostName");
	say(t, "mail.account", "Adds a mail account (%s) for %.120s.", "Ajoute un compte de courrier (%s) pour %.120s.", is_pop ? "POP" : "IMAP",
	    for_whom(t, tree_str(d, "EmailAddress")));
	say(t, "mail.servers", "Receives from %.120s, sends through %.120s.", "Reçoit de %.120s, envoie par %.120s.", text_of(d, "IncomingMailServerHostName"),
	    text_of(d, "OutgoingMailServerHostName"));
	if (tree_bool(d, "PreventMove", false))
		say(t, "account.stays", "Its messages cannot be moved to another account.", "Ses messages ne peuvent pas aller vers un autre compte.");
	if (!tree_bool(d, "IncomingMailServerUseSSL", false) || !tree_bool(d, "OutgoingMailServerUseSSL", false))
		say(t, "account.open", "Speaks to one of these servers without encryption.", "Parle à l'un de ces serveurs sans chiffrement.");
}

void tell_ldap(struct telling *t, plist_t d)
{
	t->about = tree_str(d, "LDAPAccountHostName");
	say(t, "ldap.account", "Looks people up in the directory on %.120s.", "Cherche les personnes dans l'annuaire de %.120s.", text_of(d, "LDAPAccountHostName"));
	tell_secure(t, d, "LDAPAccountUseSSL");
}

void tell_caldav(struct telling *t, plist_t d)
{
	t->about = tree_str(d, "CalDAVHostName");
	say(t, "caldav.account", "Adds calendars from %.120s for %.120s.", "Ajoute les calendriers de %.120s pour %.120s.", text_of(d, "CalDAVHostName"),
	    for_whom(t, tree_str(d, "CalDAVUsername")));
	tell_secure(t, d, "CalDAVUseSSL");
}

void tell_carddav(struct telling *t, plist_t d)
{
	t->about = tree_str(d, "CardDAVHostName");
	say(t, "carddav.account", "Adds contacts from %.120s for %.120s.", "Ajoute les contacts de %.120s pour %.120s.", text_of(d, "CardDAVHostName"),
	    for_whom(t, tree_str(d, "CardDAVUsername")));
	tell_secure(t, d, "CardDAVUseSSL");
}

void tell_subscribed(struct telling *t, plist_t d)
{
	char shown[URL_SHOWN];
	t->about = url_shown(text_of(d, "SubCalAccountHostName"), shown);
	say(t, "subscribed.calendar", "Shows the calendar at %s.", "Affiche le calendrier de %s.", shown);
	t->about = NULL;
}

void tell_google(struct telling *t, plist_t d)
{
	t->about = tree_str(d, "EmailAddress");
	say(t, "google.account", "Adds the Google account %.120s.", "Ajoute le compte Google %.120s.", text_of(d, "EmailAddress"));
}

void tell_server_account(struct telling *t, plist_t d)
{
	t->about = tree_str(d, "HostName");
	say(t, "server.account", "Adds an account on the server %.120s (systems before iOS 12).", "Ajoute un compte sur le serveur %.120s (systèmes avant iOS 12).",
	    text_of(d, "HostName"));
}

void tell_sso(struct telling *t, plist_t d)
{
	plist_t k = tree_get(d, "Kerberos");
	char list[TELL_MAX];
	t->about = tree_str(k, "Realm");
	say(t, "sso.kerberos", "Signs in once for everything in %.120s (Kerberos).", "Se connecte une fois pour tout %.120s (Kerberos).", text_of(k, "Realm"));
	if (texts_of(t, tree_get(k, "URLPrefixMatches"), NULL, list))
		say(t, "sso.sites", "On these web sites: %s.", "Sur ces sites web : %s.", list);
	if (texts_of(t, tree_get(k, "AppIdentifierMatches"), NULL, list))
		say(t, "sso.apps", "In these apps: %s.", "Dans ces apps : %s.", list);
}

void tell_sso_extension(struct telling *t, plist_t d)
{
	char list[TELL_MAX];
	bool is_kerberos = strcmp(text_of(d, "ExtensionIdentifier"), "com.apple.AppSSOKerberos.KerberosExtension") == 0;
	t->about = tree_str(d, is_kerberos ? "Realm" : "ExtensionIdentifier");
	if (is_kerberos)
		say(t, "sso.kerberos", "Signs in once for everything in %.120s (Kerberos).", "Se connecte une fois pour tout %.120s (Kerberos).", text_of(d, "Realm"));
	else
		say(t, "sso.extension", "Lets the app extension %.120s sign the user in.", "Laisse l'extension %.120s connecter l'utilisateur.", text_of(d, "ExtensionIdentifier"));
	if (texts_of(t, tree_get(d, "URLs"), NULL, list) || texts_of(t, tree_get(d, "Hosts"), NULL, list))
		say(t, "sso.sites", "On these web sites: %s.", "Sur ces sites web : %s.", list);
}
