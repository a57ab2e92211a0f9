/*
 * words.h - what the files that put a profile into sentences share. Nobody else includes it.
 */
#ifndef STAGER_PROFILES_WORDS_H
#define STAGER_PROFILES_WORDS_H

#include "inner.h"

struct telling {
	json_t *list;                  /* [{"key","payload","type","about","text"}] */
	bool french;
	int payload;                   /* its number; -1: of the profile as a whole */
	const char *type;              /* NULL: of the profile as a whole */
	const char *about;             /* the name or address that the sentences are about; NULL: none */
};

/* One sentence in the language asked for. `key` says which one it is, for programs: "wifi.join". Both formats take the same values
 * in the same order. Never a password, never a text that may hold one. */
void say(struct telling *t, const char *key, const char *english, const char *french, ...) __attribute__((format(printf, 3, 5), format(printf, 4, 5)));
/* One of two words in the language asked for. */
const char *in(const struct telling *t, const char *english, const char *french);

#define TELL_MAX 600
#define URL_SHOWN 200

/* The text, or what else to say when it is absent or empty. */
const char *text_or(const char *text, const char *otherwise);
/* The text of a key, "?" when it is absent. */
const char *text_of(plist_t dict, const char *key);
uint32_t count_of(plist_t list);
/* The first of two that is a list with something in it, else the other: a setting whose name has changed. */
plist_t or_list(plist_t now, plist_t before);
/* The texts of a list, or (key) of a key of its dictionaries, divided by commas; what has no room is counted. False: there is none. */
bool texts_of(const struct telling *t, plist_t list, const char *key, char ret[TELL_MAX]);
/* An address without the name, password and query that may stand in it. */
const char *url_shown(const char *url, char ret[URL_SHOWN]);
/* Host of an address, or the text itself when it is none; small letters. False: there is no host in it. */
bool host_of(const char *url, char ret[256]);

/* "2026-12-31" of a date value. */
void day_of(plist_t date, char ret[32]);
/* limits.c: a restriction in words where it restricts at this value; NULL: it does not, or it is none of those we have words for. */
const char *limit_words(const char *key, bool value, bool french);
/* words.c: the sentences of one payload. */
void tell_payload(struct telling *t, plist_t one, int number);

typedef void tell_fn(struct telling *t, plist_t payload);
/* words_net.c */
tell_fn tell_wifi, tell_ethernet, tell_proxy, tell_cellular, tell_apn, tell_private_network, tell_vpn, tell_app_vpn, tell_dns, tell_dns_proxy,
	tell_relay, tell_usage, tell_domains, tell_airprint, tell_airplay, tell_filter;
/* words_trust.c */
tell_fn tell_certificate, tell_identity, tell_scep, tell_acme, tell_transparency, tell_revocation, tell_mdm, tell_declarations, tell_removal_password;
/* words_device.c */
tell_fn tell_code, tell_app_lock, tell_home, tell_notifications, tell_lock_screen, tell_web_clip, tell_font, tell_setup, tell_education, tell_tv;
/* words_accounts.c */
tell_fn tell_exchange, tell_mail, tell_ldap, tell_caldav, tell_carddav, tell_subscribed, tell_google, tell_server_account, tell_sso, tell_sso_extension;
/* limits.c */
tell_fn tell_limits;

#endif
