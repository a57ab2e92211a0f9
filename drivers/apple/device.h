/*
 * device.h - what the files of this folder share: the device struct and the doors between them.
 */
#ifndef APPLE_DEVICE_H
#define APPLE_DEVICE_H

#include <libimobiledevice/libimobiledevice.h>
#include <openssl/ssl.h>

#include <stager/codes.h>
#include <stager/driver.h>

#include "link.h"

#define APPLE_RECORD_MAX (64u << 10)

/* A pair record, as usbmuxd keeps it, read once. */
struct apple_record {
	bool present;
	char host_id[64], system_buid[64];
	struct stg_bytes device_certificate, host_certificate, root_certificate;  /* PEM, inside `whole` */
	struct stg_bytes host_key, root_key;                                      /* PEM, inside `whole` */
	struct stg_bytes escrow_bag;
	plist_t whole;
};

struct apple_device {
	struct stg_device base;
	idevice_t handle;
	char udid[STG_UDID_MAX];         /* as usbmuxd (or the door) spells it */

	/* trust: pairing.c, tls.c */
	struct apple_record record;
	bool record_read;                /* asked usbmuxd for it already */
	SSL_CTX *tls;                    /* with the record's client certificate */
	EVP_PKEY *device_key;            /* of the record's device certificate */
	char device_key_sha256[65];
	SSL_SESSION *tls_session;        /* offered to the next handshake */
	bool wrong_key;                  /* the last handshake showed another key */
	plist_t pair_ask;                /* the PairRecord of an attempt that waits for a tap: the same one each time */
	plist_t pair_keep;               /* what is to be kept when it succeeds */

	/* lockdown.c */
	struct apple_link *lockdown;
	bool in_session;
	bool type_known;
	plist_t values;                  /* the default domain, as last read */
	int64_t values_ms;               /* boot clock */
	bool values_trusted;             /* read inside a session */
	json_t *slow_facts;              /* what does not change while somebody looks: facts.c */
	int64_t slow_facts_ms;

	/* mcinstall.c */
	struct apple_link *mcinstall;
	bool escalated;
	json_t *owner_facts;             /* owner.c; until something is changed */
	enum { APPLE_OURS_UNKNOWN, APPLE_OURS_NO, APPLE_OURS_YES } ours;

	struct apple_link *leaving;      /* leave.c: a device told to switch off does so when this ends */
	bool into_recovery;              /* leave.c: told to go there at its end */
};

static inline struct apple_device *apple_device(struct stg_device *d)
{
	return (struct apple_device *)d;
}

/* ---- codes/NAME.c: what a device says no with, and what it means ---- */
extern const struct stg_codes stg_codes_lockdown, stg_codes_mcinstall, stg_codes_installation_proxy, stg_codes_afc, stg_codes_diagnostics, stg_codes_idevice;

/* ---- tls.c ---- */
/* Makes dev->tls from the record. */
bool apple_tls_ready(struct apple_device *dev, struct stg_error *err);
void apple_tls_forget(struct apple_device *dev);
/* Long enough to be believed: RSA of 1024 bits, or not RSA. */
bool apple_key_is_long(const EVP_PKEY *key);
/* In the nursery: see driver.h, warm(). */
void apple_warm(void);

/* ---- record.c ---- */
/* Reads the record through libusbmuxd, once; present or not, it is true. */
bool apple_record_load(struct apple_device *dev, struct stg_error *err);
/* Takes the dictionary (and frees it with the device). */
bool apple_record_take(struct apple_device *dev, plist_t whole, struct stg_error *err);
void apple_record_clear(struct apple_device *dev);
/* X.509 for the device's key, signed by the root key: PEM. `public_pem` is the PKCS#1 PEM the device gives. */
bool apple_device_certificate(struct stg_bytes public_pem, struct stg_bytes root_key, struct stg_buf *ret_pem, struct stg_error *err);
/* SHA-256 of the subject public key, from either. */
bool apple_spki_sha256(const X509_PUBKEY *key, char ret[65]);
bool apple_key_sha256(struct stg_bytes public_pem, char ret[65]);
bool apple_record_key_sha256(const struct apple_device *dev, char ret[65]);

/* ---- lockdown.c ---- */
enum apple_lockdown_way {
	APPLE_PLAIN,    /* whatever connection there is: a session when one is open */
	APPLE_SESSION,  /* inside a session; opens one */
};
/* One request. On failure *ret_reply (may be NULL) still gets the device's answer when it gave one. Requests that change
 * nothing are asked again once when a connection kept from before turns out dead (`again`). */
bool apple_lockdown_ask(struct apple_device *dev, enum apple_lockdown_way way, plist_t ask, bool again, plist_t *ret_reply,
			struct stg_error *err);
/* Opens a session with the record. STG_E_REFUSED + NO_TRUST without a record, + TRUST_LOST when it is not known. */
bool apple_session(struct apple_device *dev, struct stg_error *err);
void apple_lockdown_close(struct apple_device *dev);
/* A copy of the value; NULL with STG_E_NOT_FOUND when the device has none. domain and key may be NULL. */
plist_t apple_value(struct apple_device *dev, enum apple_lockdown_way way, const char *domain, const char *key,
		    struct stg_error *err);
/* Takes the value. */
bool apple_value_set(struct apple_device *dev, const char *domain, const char *key, plist_t value, struct stg_error *err);
/* The default domain, not older than max_age_ms; borrowed until the next call. */
plist_t apple_values(struct apple_device *dev, int64_t max_age_ms, struct stg_error *err);
/* A service over TLS; never without. */
struct apple_link *apple_service(struct apple_device *dev, const char *name, struct stg_error *err);
/* Would it start this service? It is not connected to: nothing but the question reaches the device. */
bool apple_service_is_there(struct apple_device *dev, const char *name, bool *ret, struct stg_error *err);
/* What a lockdown error name means; returns false. */
bool apple_lockdown_error(const char *name, const char *request, struct stg_error *err);

/* ---- releases.c ---- */
/* When a system version was published ("2024-08-07"), and the newest of the same major version that is known; NULL: not known. */
const char *apple_released(const char *version);
const char *apple_newest(const char *version);

/* ---- afc.c ---- */
/* The older way to shorten the Setup Assistant: an empty file, which its successor still reads. */
bool apple_skip_setup_file(struct apple_device *dev, struct stg_error *err);

/* ---- apps.c ---- */
/* Which of these (NULL-ended) bundle identifiers are on it, also the system's own: a new list of texts. */
json_t *apple_apps_among(struct apple_device *dev, const char *const *bundle_ids, struct stg_error *err);
/* What the word of installation_proxy or house_arrest means; returns false. */
bool apple_app_refused(plist_t reply, const char *what, struct stg_error *err);

/* ---- the operations, one subject a file ---- */
bool apple_identify(struct stg_device *, struct stg_identity *, struct stg_error *);
json_t *apple_facts(struct stg_device *, struct stg_error *);
json_t *apple_owner_facts(struct stg_device *, struct stg_error *);
json_t *apple_details(struct stg_device *, unsigned int what, struct stg_error *);
bool apple_trust(struct stg_device *, enum stg_trust *, struct stg_error *);
bool apple_pair(struct stg_device *, struct stg_error *);
bool apple_unpair(struct stg_device *, struct stg_error *);
bool apple_activation(struct stg_device *, char state[32], struct stg_error *);
bool apple_activate(struct stg_device *, struct stg_error *);
bool apple_supervise(struct stg_device *, const struct stg_supervision *, json_t **ret_read, struct stg_error *);
json_t *apple_configuration(struct stg_device *, struct stg_error *);
bool apple_fetch_configuration(struct stg_device *, struct stg_error *);
bool apple_install_profile(struct stg_device *, struct stg_bytes, enum stg_install, struct stg_error *);
bool apple_store_profile(struct stg_device *, struct stg_bytes, struct stg_error *);
bool apple_stored_profile(struct stg_device *, struct stg_buf *, struct stg_error *);
bool apple_remove_profile(struct stg_device *, const char *identifier, struct stg_error *);
json_t *apple_list_profiles(struct stg_device *, struct stg_error *);
json_t *apple_list_apps(struct stg_device *, struct stg_error *);
json_t *apple_find_app(struct stg_device *, const char *bundle_id, struct stg_error *);
bool apple_install_app(struct stg_device *, const struct stg_app_package *, struct stg_error *);
bool apple_remove_app(struct stg_device *, const char *bundle_id, struct stg_error *);
bool apple_put_document(struct stg_device *, const struct stg_app_document *, struct stg_error *);
json_t *apple_find_document(struct stg_device *, const struct stg_app_document *, struct stg_error *);
bool apple_set_name(struct stg_device *, const char *name, struct stg_error *);
bool apple_set_time(struct stg_device *, int64_t wall_ms, const char *zone, struct stg_error *);
bool apple_get_time(struct stg_device *, int64_t *ret_wall_ms, struct stg_error *);
bool apple_set_language(struct stg_device *, const char *language, const char *locale, struct stg_error *);
json_t *apple_settings(struct stg_device *, struct stg_error *);
bool apple_restart(struct stg_device *, struct stg_error *);
bool apple_erase(struct stg_device *, bool keep_esim, struct stg_error *);
bool apple_shutdown(struct stg_device *, struct stg_error *);
bool apple_enter_recovery(struct stg_device *, struct stg_error *);
void apple_leave_for_recovery(struct apple_device *dev);
json_t *apple_security_info(struct stg_device *, struct stg_error *);
bool apple_unlock_token(struct stg_device *, struct stg_secret *ret, struct stg_error *);
bool apple_clear_passcode(struct stg_device *, const struct stg_secret *token, struct stg_error *);
bool apple_clear_restrictions_password(struct stg_device *, struct stg_error *);
bool apple_set_wallpaper(struct stg_device *, struct stg_bytes image, enum stg_wallpaper where, struct stg_error *);
bool apple_wifi_power(struct stg_device *, bool on, struct stg_error *);

/* ---- owner.c ---- */
/* Adds what only the supervisor may read, where we have proved to be it on the open connection; else nothing. */
bool apple_put_owner_facts(struct apple_device *dev, json_t *facts, struct stg_error *err);
void apple_owner_facts_forget(struct apple_device *dev);

/* ---- mcinstall.c ---- */
/* The cloud configuration, a copy; *ret stays NULL when the device has none. Also settles dev->ours. */
bool apple_cloud_configuration(struct apple_device *dev, plist_t *ret, struct stg_error *err);
/* What is worth keeping of it: as JSON, the list of skipped panes as a number. New reference. */
json_t *apple_cloud_json(plist_t cloud);
/* Is our organisation's certificate among those that may supervise it? */
bool apple_cloud_is_ours(struct apple_device *dev, plist_t cloud, bool *ret, struct stg_error *err);
void apple_mcinstall_close(struct apple_device *dev);

enum apple_mc { APPLE_MC_READ, APPLE_MC_WRITE };
/* One request on the kept connection. READ is asked again once on a new connection when the kept one is dead; before a
 * WRITE a connection that was idle is tried with a greeting first, so that STG_E_GONE means: sent, and no answer came.
 * `ret_reply` gets an acknowledged reply. */
bool apple_mcinstall_ask(struct apple_device *dev, enum apple_mc way, plist_t ask, int64_t timeout_ms, plist_t *ret_reply,
			 struct stg_error *err);
/* A request with its RequestType. */
plist_t apple_mcinstall_request(const char *type);
/* Proves on this connection that we are the supervisor. */
bool apple_escalate(struct apple_device *dev, struct stg_error *err);
/* The same on a device that is locked: the step that waits for an unlock is left out, which requests about the passcode need
 * not. Nothing else may be asked on this connection: close it afterwards. */
bool apple_escalate_locked(struct apple_device *dev, struct stg_error *err);

/* ---- mcerror.c ---- */
/* Status and ErrorChain as an error; true when acknowledged. */
bool apple_mc_accepted(plist_t reply, const char *request, struct stg_error *err);

#endif
