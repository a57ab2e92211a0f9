/*
 * words_trust.c - certificates, identities and management in sentences.
 *
 * For:    words.c.
 * Uses:   stager/keys for the name in a certificate.
 * Called: through the table in words.c.
 * Thread: any; no state.
 */
#include <stdio.h>

#include <stager/keys.h>
#include <stager/variable.h>

#include "words.h"

static struct stg_bytes data_of(plist_t d, const char *key)
{
	plist_t data = tree_get(d, key);
	uint64_t n = 0;
	const char *bytes = data && plist_get_node_type(data) == PLIST_DATA ? plist_get_data_ptr(data, &n) : NULL;
	return stg_bytes(bytes, bytes ? (size_t)n : 0);
}

static const char *name_of(plist_t d)
{
	return text_or(tree_str(d, "PayloadDisplayName"), text_or(tree_str(d, "PayloadCertificateFileName"), "?"));
}

void tell_certificate(struct telling *t, plist_t d)
{
	struct stg_bytes bytes = data_of(d, "PayloadContent");
	STG_AUTO(stg_json_free_at) json_t *cert = bytes.len ? stg_certificate_json(bytes, NULL) : NULL;
	const char *name = text_or(stg_json_str(cert, "cn"), name_of(d));
	bool is_root = strcmp(t->type, "com.apple.security.root") == 0;
	t->about = name;
	if (is_root || stg_json_bool(cert, "is_ca", false))
		say(t, "certificate.authority", "Trusts the certificate authority %.120s.", "Fait confiance à l'autorité de certification %.120s.", name);
	else
		say(t, "certificate.add", "Adds the certificate %.120s.", "Ajoute le certificat %.120s.", name);
	t->about = NULL;
}

void tell_identity(struct telling *t, plist_t d)
{
	t->about = name_of(d);
	say(t, "identity.bring", "Brings an identity: a certificate and its key.", "Apporte une identité : un certificat et sa clé.");
	if (!tree_get(d, "Password"))
		say(t, "identity.asks", "Asks the user for the password of that identity.", "Demande à l'utilisateur le mot de passe de cette identité.");
}

void tell_scep(struct telling *t, plist_t d)
{
	plist_t ask = tree_get(d, "PayloadContent");
	const char *url = text_or(tree_str(ask, "URL"), "?");
	char shown[URL_SHOWN];
	t->about = url_shown(url, shown);
	say(t, "scep.ask", "Asks %s for a certificate while it is installed (SCEP).", "Demande un certificat à %s pendant l'installation (SCEP).", shown);
	if (tree_get(ask, "Challenge"))
		say(t, "scep.challenge", "Shows a password to that server, which may count once or for a short time only.",
		    "Présente à ce serveur un mot de passe, peut-être valable une fois ou peu de temps.");
}

void tell_acme(struct telling *t, plist_t d)
{
	char shown[URL_SHOWN];
	t->about = url_shown(text_or(tree_str(d, "DirectoryURL"), "?"), shown);
	say(t, "acme.ask", "Asks %s for a certificate while it is installed (ACME).", "Demande un certificat à %s pendant l'installation (ACME).", shown);
	if (tree_bool(d, "HardwareBound", false))
		say(t, "acme.bound", "Its key never leaves the device.", "Sa clé ne quitte jamais l'appareil.");
	if (tree_bool(d, "Attest", false))
		say(t, "acme.attest", "The device proves to that server which device it is.", "L'appareil prouve son identité à ce serveur.");
}

void tell_transparency(struct telling *t, plist_t d)
{
	char list[TELL_MAX];
	if (texts_of(t, tree_get(d, "DisabledForDomains"), NULL, list))
		say(t, "transparency.domains", "Does not ask certificates of %s to be listed publicly.", "N'exige pas que les certificats de %s soient publiés.", list);
	if (count_of(tree_get(d, "DisabledForCerts")))
		say(t, "transparency.certificates", "Does not ask certificates under %u keys to be listed publicly.", "N'exige pas que les certificats sous %u clés soient publiés.",
		    count_of(tree_get(d, "DisabledForCerts")));
}

void tell_revocation(struct telling *t, plist_t d)
{
	say(t, "revocation.check", "Checks whether certificates under %u keys were revoked.", "Vérifie si les certificats sous %u clés ont été révoqués.",
	    count_of(tree_get(d, "EnabledForCerts")));
}

/* Facts: profiles-and-certificates 2.5. */
static const struct { int64_t bit; const char *english, *french; } rights[] = {
	{ 8, "erase it", "l'effacer" },
	{ 4, "lock it and clear its passcode", "le verrouiller et retirer son code" },
	{ 2, "install and remove profiles", "installer et retirer des profils" },
	{ 4096, "install and remove apps", "installer et retirer des apps" },
	{ 2048, "change settings", "changer des réglages" },
	{ 1, "read its profiles", "lire ses profils" },
	{ 16, "read what device it is", "lire quel appareil c'est" },
	{ 32, "read its networks", "lire ses réseaux" },
	{ 256, "read its apps", "lire ses apps" },
	{ 512, "read its restrictions", "lire ses restrictions" },
	{ 1024, "read its security", "lire sa sécurité" },
};

#define ALL_RIGHTS 8191

static void tell_rights(struct telling *t, int64_t has)
{
	char list[TELL_MAX] = "";
	size_t at = 0;
	if (has == ALL_RIGHTS) {
		say(t, "mdm.all_rights", "That MDM may do everything: erase and lock it, install and remove, read.",
		    "Ce MDM peut tout : l'effacer, le verrouiller, installer et retirer, lire.");
		return;
	}
	for (size_t i = 0; i < STG_ARRAY_LEN(rights); i++)
		if (has & rights[i].bit)
			at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s", at ? ", " : "", in(t, rights[i].english, rights[i].french));
	if (at)
		say(t, "mdm.rights", "That MDM may: %s.", "Ce MDM peut : %s.", list);
}

void tell_mdm(struct telling *t, plist_t d)
{
	char shown[URL_SHOWN], other[URL_SHOWN], host[256], check_in[256];
	const char *url = text_or(tree_str(d, "ServerURL"), "?"), *in_url = tree_str(d, "CheckInURL");
	int64_t has = 0;
	t->about = url_shown(url, shown);
	say(t, "mdm.enrol", "Enrols the device in the MDM at %s.", "Inscrit l'appareil dans le MDM de %s.", shown);
	if (in_url && !stg_variable_any(in_url) && host_of(url, host) && host_of(in_url, check_in) && strcmp(host, check_in) != 0)
		say(t, "mdm.check_in", "It reports to another server, %s.", "Il se présente à un autre serveur, %s.", url_shown(in_url, other));
	if (tree_int(d, "AccessRights", &has))
		tell_rights(t, has);
	say(t, "mdm.contacts", "Contacts that server while it is installed: store it for after setup.",
	    "Contacte ce serveur pendant l'installation : à garder pour après la configuration.");
	t->about = NULL;
}

void tell_declarations(struct telling *t, plist_t d)
{
	say(t, "declarations.bring", "Brings %u declarations, which are not looked into here.", "Apporte %u déclarations, qui ne sont pas examinées ici.",
	    count_of(tree_get(d, "Declarations")));
}

void tell_removal_password(struct telling *t, plist_t d)
{
	(void)d;
	say(t, "removal.password", "Sets the password that removing it asks for.", "Fixe le mot de passe demandé pour le supprimer.");
}
