/*
 * words.c - a profile in sentences.
 *
 * For:    `stager profile show`, and the person who has to approve a profile without reading XML.
 * Uses:   words_*.c and limits.c, which know the payloads; facts.c for the names of the rest.
 * Called: by the operation profile.show; diff.c for what a payload is called.
 * Thread: any; no state.
 *
 * Names of networks and hosts are shown, passwords never.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "catalogue.h"
#include "words.h"

#define SENTENCES_MAX 300

void say(struct telling *t, const char *key, const char *english, const char *french, ...)
{
	char raw[1500], clean[2000], about[300], url[URL_SHOWN];
	va_list ap;
	va_start(ap, french);
	vsnprintf(raw, sizeof(raw), t->french ? french : english, ap);
	va_end(ap);
	if (json_array_size(t->list) >= SENTENCES_MAX)
		return;
	stg_printable(raw, true, clean, sizeof(clean));
	stg_printable(!t->about ? "" : strstr(t->about, "://") ? url_shown(t->about, url) : t->about, true, about, sizeof(about));
	json_t *one = json_object();
	stg_json_put(one, "key", key);
	if (t->payload >= 0)
		stg_json_put_int(one, "payload", t->payload);
	stg_json_put(one, "type", t->type ? t->type : "Configuration");
	stg_json_put(one, "about", about);
	stg_json_put(one, "text", clean);
	json_array_append_new(t->list, one);
}

const char *in(const struct telling *t, const char *english, const char *french)
{
	return t->french ? french : english;
}

const char *text_or(const char *text, const char *otherwise)
{
	return text && *text ? text : otherwise;
}

const char *text_of(plist_t dict, const char *key)
{
	return text_or(tree_str(dict, key), "?");
}

uint32_t count_of(plist_t list)
{
	return is_list(list) ? plist_array_get_size(list) : 0;
}

plist_t or_list(plist_t now, plist_t before)
{
	return count_of(now) ? now : before;
}

bool texts_of(const struct telling *t, plist_t list, const char *key, char ret[TELL_MAX])
{
	uint32_t n = count_of(list), told = 0, others = 0;
	size_t at = 0;
	ret[0] = 0;
	for (uint32_t i = 0; i < n; i++) {
		plist_t one = plist_array_get_item(list, i);
		const char *text = key ? tree_str(one, key) : node_str(one);
		if (!text || !*text)
			continue;
		if (at > TELL_MAX - 160) {
			others++;
			continue;
		}
		at += (size_t)snprintf(ret + at, TELL_MAX - at, "%s%.100s", told++ ? ", " : "", text);
	}
	if (others)
		snprintf(ret + at, TELL_MAX - at, t->french ? " et %u autres" : " and %u more", others);
	return told > 0;
}

const char *url_shown(const char *url, char ret[URL_SHOWN])
{
	const char *scheme = strstr(url, "://"), *from = scheme ? scheme + 3 : url;
	size_t host = strcspn(from, "/?#"), all = strcspn(from, "?#");
	const char *at = memrchr(from, '@', host);
	snprintf(ret, URL_SHOWN, "%.*s%.*s%s", scheme ? (int)(from - url) : 0, url, (int)(all - (at ? (size_t)(at + 1 - from) : 0)), at ? at + 1 : from,
		 from[all] ? "..." : "");
	return ret;
}

bool host_of(const char *url, char ret[256])
{
	const char *scheme = strstr(url, "://"), *from = scheme ? scheme + 3 : url;
	size_t n = strcspn(from, "/?#");
	const char *at = memrchr(from, '@', n);
	if (at) {
		n -= (size_t)(at + 1 - from);
		from = at + 1;
	}
	if (n && *from == '[') {
		const char *close = memchr(from, ']', n);
		n = close ? (size_t)(close + 1 - from) : 0;
	} else if (memchr(from, ':', n) && memchr(from, ':', n) == memrchr(from, ':', n)) {
		n = (size_t)((const char *)memchr(from, ':', n) - from);
	}
	while (n && from[n - 1] == '.')
		n--;
	if (!n || n >= 256)
		return false;
	for (size_t i = 0; i < n; i++)
		ret[i] = (char)tolower((unsigned char)from[i]);
	ret[n] = 0;
	return true;
}

/* ---- payloads ---- */

static const struct { const char *type; tell_fn *tell; } tellers[] = {
	{ "com.apple.wifi.managed", tell_wifi },
	{ "com.apple.globalethernet.managed", tell_ethernet },
	{ "com.apple.proxy.http.global", tell_proxy },
	{ "com.apple.cellular", tell_cellular },
	{ "com.apple.apn.managed", tell_apn },
	{ "com.apple.cellularprivatenetwork.managed", tell_private_network },
	{ "com.apple.vpn.managed", tell_vpn },
	{ "com.apple.vpn.managed.applayer", tell_app_vpn },
	{ "com.apple.dnsSettings.managed", tell_dns },
	{ "com.apple.dnsProxy.managed", tell_dns_proxy },
	{ "com.apple.relay.managed", tell_relay },
	{ "com.apple.networkusagerules", tell_usage },
	{ "com.apple.domains", tell_domains },
	{ "com.apple.airprint", tell_airprint },
	{ "com.apple.airplay", tell_airplay },
	{ "com.apple.webcontent-filter", tell_filter },
	{ "com.apple.security.root", tell_certificate },
	{ "com.apple.security.pkcs1", tell_certificate },
	{ "com.apple.security.pem", tell_certificate },
	{ "com.apple.security.pkcs12", tell_identity },
	{ "com.apple.security.scep", tell_scep },
	{ "com.apple.security.acme", tell_acme },
	{ "com.apple.security.certificatetransparency", tell_transparency },
	{ "com.apple.security.certificaterevocation", tell_revocation },
	{ "com.apple.mdm", tell_mdm },
	{ "com.apple.declarations", tell_declarations },
	{ "com.apple.profileRemovalPassword", tell_removal_password },
	{ "com.apple.applicationaccess", tell_limits },
	{ "com.apple.mobiledevice.passwordpolicy", tell_code },
	{ "com.apple.app.lock", tell_app_lock },
	{ "com.apple.homescreenlayout", tell_home },
	{ "com.apple.notificationsettings", tell_notifications },
	{ "com.apple.shareddeviceconfiguration", tell_lock_screen },
	{ "com.apple.webClip.managed", tell_web_clip },
	{ "com.apple.font", tell_font },
	{ "com.apple.SetupAssistant.managed", tell_setup },
	{ "com.apple.education", tell_education },
	{ "com.apple.tvremote", tell_tv },
	{ "com.apple.eas.account", tell_exchange },
	{ "com.apple.mail.managed", tell_mail },
	{ "com.apple.ldap.account", tell_ldap },
	{ "com.apple.caldav.account", tell_caldav },
	{ "com.apple.carddav.account", tell_carddav },
	{ "com.apple.subscribedcalendar.account", tell_subscribed },
	{ "com.apple.google-oauth", tell_google },
	{ "com.apple.osxserver.account", tell_server_account },
	{ "com.apple.sso", tell_sso },
	{ "com.apple.extensiblesso", tell_sso_extension },
};

void tell_payload(struct telling *t, plist_t one, int number)
{
	const char *type = text_or(tree_str(one, "PayloadType"), "?");
	const struct type_fact *fact = type_find(type);
	t->payload = number;
	t->type = type;
	t->about = NULL;
	for (size_t i = 0; i < STG_ARRAY_LEN(tellers); i++) {
		if (strcmp(tellers[i].type, type) == 0) {
			tellers[i].tell(t, one);
			return;
		}
	}
	if (fact)
		say(t, "payload.known", "Sets up %s.", "Configure %s.", in(t, fact->english, fact->french));
	else
		say(t, "payload.unknown", "Contains settings not known here (%.120s).", "Contient des réglages inconnus ici (%.120s).", type);
}

/* ---- the profile as a whole ---- */

void day_of(plist_t date, char ret[32])
{
	int32_t sec = 0, usec = 0;
	plist_get_date_val(date, &sec, &usec);
	time_t at = (time_t)(sec + PLIST_EPOCH_S);
	struct tm tm;
	if (!gmtime_r(&at, &tm) || !strftime(ret, 32, "%Y-%m-%d", &tm))
		stg_copy(ret, 32, "?");
}

static plist_t date_of(plist_t root, const char *key)
{
	plist_t node = tree_get(root, key);
	return node && plist_get_node_type(node) == PLIST_DATE ? node : NULL;
}

static void tell_removal(struct telling *t, plist_t root)
{
	plist_t date = date_of(root, "RemovalDate"), after = tree_get(root, "DurationUntilRemoval");
	char day[32];
	double s = 0;
	uint64_t whole = 0;
	if (tree_bool(root, "PayloadRemovalDisallowed", false))
		say(t, "profile.permanent", "Cannot be removed by the user (supervised devices).", "Ne peut pas être supprimé par l'utilisateur (appareils supervisés).");
	else if (tree_bool(root, "HasRemovalPasscode", false))
		say(t, "profile.passcode", "Can be removed with its own password only.", "Ne peut être supprimé qu'avec son propre mot de passe.");
	if (date) {
		day_of(date, day);
		say(t, "profile.removed_on", "Disappears by itself on %s.", "Disparaît de lui-même le %s.", day);
	}
	if (after && plist_get_node_type(after) == PLIST_REAL)
		plist_get_real_val(after, &s);
	else if (after && plist_get_node_type(after) == PLIST_UINT)
		plist_get_uint_val(after, &whole);
	s = whole ? (double)whole : s;
	if (s >= 2 * 86400.0)
		say(t, "profile.removed_after", "Disappears by itself %.0f days after it was installed.", "Disparaît de lui-même %.0f jours après l'installation.", s / 86400);
	else if (s >= 1)
		say(t, "profile.removed_after", "Disappears by itself %.0f minutes after it was installed.", "Disparaît de lui-même %.0f minutes après l'installation.",
		    s < 60 ? 1 : s / 60);
}

static void tell_profile(struct telling *t, const struct profile *p)
{
	plist_t root = p->root, date = date_of(root, "PayloadExpirationDate");
	int64_t kind = 0;
	char day[32];
	t->payload = -1;
	t->type = t->about = NULL;
	if (tree_bool(root, "IsEncrypted", false))
		say(t, "profile.encrypted", "Is encrypted for one device: its content is not known here.", "Est chiffré pour un appareil : son contenu est inconnu ici.");
	tell_removal(t, root);
	if (date) {
		day_of(date, day);
		say(t, "profile.expires", "Is shown as out of date from %s on.", "Est signalé comme périmé à partir du %s.", day);
	}
	if (is_dict(tree_get(root, "ConsentText")))
		say(t, "profile.consent", "Shows a text the user has to agree to: it cannot be installed silently.",
		    "Affiche un texte que l'utilisateur doit accepter : pas d'installation silencieuse.");
	if (tree_int(root, "TargetDeviceType", &kind) && kind > 1)
		say(t, "profile.elsewhere", "Is not meant for an iPhone or iPad.", "N'est pas destiné à un iPhone ou un iPad.");
	if (p->signer)
		say(t, "profile.signed", "Signed by %.120s; whether to trust that is for you to judge.", "Signé par %.120s ; cette signature n'a pas été jugée.",
		    stg_json_str(p->signer, "name"));
	else
		say(t, "profile.unsigned", "Nobody has signed it.", "Personne ne l'a signé.");
}

json_t *stg_profile_says(struct stg_bytes file, const char *lang, struct stg_error *err)
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
		tell_payload(&t, one, (int)i);
	if (ok)
		tell_profile(&t, &p);
	profile_close(&p);
	if (ok)
		return t.list;
	json_decref(t.list);
	return NULL;
}

json_t *stg_profile_words(struct stg_bytes file, const char *lang, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *says = stg_profile_says(file, lang, err);
	json_t *words = says ? json_array() : NULL;
	for (size_t i = 0; i < json_array_size(says); i++)
		json_array_append(words, json_object_get(json_array_get(says, i), "text"));
	return words;
}
