/*
 * driver.h - the table a device family fills.
 *
 * Everything here runs in a worker process that talks to one device, except claims(). Calls block up to the deadline
 * they are given and are killed from outside beyond it. An absent optional operation becomes STG_E_UNSUPPORTED in
 * drivers/device.c, the one door: steps call stg_device_*(), never a driver. What is not marked Required is optional.
 *
 * Errors callers act on, everywhere: STG_E_GONE (unplugged), STG_E_TIMEOUT, STG_E_PROTOCOL (said something we cannot
 * accept), STG_E_REFUSED (understood and said no: do not retry), STG_E_NEEDS_HUMAN (id says what to tap; call again
 * after it), STG_E_WAITING (line), STG_E_HOLD (id says who must decide), STG_E_UNKNOWN (a lost connection during supervise or erase: re-read).
 */
#ifndef STAGER_DRIVER_H
#define STAGER_DRIVER_H

#include <stager/host.h>
#include <stager/identity.h>
#include <stager/stop.h>

enum stg_trust { STG_TRUST_NONE, STG_TRUST_OURS, STG_TRUST_LOCKED };

/* How a profile gets in. AUTO: silently when supervised by us, else in the Setup Assistant. */
enum stg_install { STG_INSTALL_AUTO, STG_INSTALL_SILENT, STG_INSTALL_ASK_PERSON };

/* Where a picture goes; both together is one value of its own for the device. */
enum stg_wallpaper { STG_WALLPAPER_LOCK = 1, STG_WALLPAPER_HOME = 2, STG_WALLPAPER_BOTH = 3 };

/* What supervise asks for; the driver makes the family's own form of it. */
struct stg_supervision {
	const char *organisation;        /* shown on the device */
	const char *organisation_id;     /* OrganizationMagic: the UUID of the organisation record */
	struct stg_bytes certificate;    /* DER of the supervision identity */
	bool supervised;
	bool allow_pairing;
	const json_t *skip;              /* list of pane names; NULL: all known ones */
	const json_t *extra;             /* further CloudConfiguration strings (department, phone, ...); NULL: none */
	const json_t *anchors;           /* list of base64 DER: whom the device trusts when it fetches from ConfigurationURL; NULL: none */
};

/* An app package, read from its beginning however far an earlier attempt came. All borrowed. */
struct stg_app_package {
	const char *bundle_id;
	int fd;
	uint64_t size_bytes, expanded_bytes;   /* as it is; once it is unpacked (0: not known) */
	const char *sha256;
	const char *mark;                      /* mark.h: the bytes are compared with it before the device is told to install them */
	struct stg_bytes sinf, metadata;       /* of an app bought in the store, which goes in only with both; else empty */
	bool upgrade;                          /* another version of it is there */
};

/* A file in the place an app has for its documents. All borrowed. */
struct stg_app_document {
	const char *bundle_id, *path;          /* below the app's container: "Documents/plan.pdf" */
	bool whole_container;                  /* false: through the app's file sharing; true: a developer's build opens all of it */
	int fd;
	uint64_t size_bytes;
	const char *sha256, *mark;             /* of what was read back; of what is sent (mark.h) */
};

/* What details() is asked for, one or several. */
enum stg_detail {
	STG_DETAIL_BATTERY = 1,          /* health and cycles */
	STG_DETAIL_APPS = 2,
	STG_DETAIL_PROFILES = 4,
	STG_DETAIL_SIGNS = 8,            /* of a jailbreak */
	STG_DETAIL_ALL = 15,
};

struct stg_driver {
	const char *name;                /* "apple": also the folder's name, and what the inventory stores */

	/* Is this arrival ours? Required. Looks at the arrival only: no I/O, never blocks, any thread. */
	bool (*claims)(const struct stg_arrival *);

	/* Before anything else in a worker process: hooks, signal handling, environment. Optional. `mux` is the address
	 * of the private door that shows this one device. */
	bool (*prepare)(const char *mux, struct stg_error *);

	/* Opens for talking, without a session and without a dialog. Required. The caller closes what it gets. */
	struct stg_device *(*open)(const struct stg_arrival *, const struct stg_host *, struct stg_stop *, struct stg_error *);
	/* Required. Takes NULL and a device that has gone; cannot fail. */
	void (*close)(struct stg_device *);

	/* Reads who it is; what is invisible before pairing stays empty. Required. */
	bool (*identify)(struct stg_device *, struct stg_identity *, struct stg_error *);
	/* Facts for conditions and the inventory, a flat object with the names of <stager/facts.h>. Absent = not readable.
	 * Those of the owner are among them where the proof of supervision was given already. Required. */
	json_t *(*facts)(struct stg_device *, struct stg_error *);

	/* Is there a working trust (a session opens with the stored record)? */
	bool (*trust)(struct stg_device *, enum stg_trust *, struct stg_error *);
	/* One attempt with the record the host gives (committed before the first byte); supervised devices of ours without a tap. */
	bool (*pair)(struct stg_device *, struct stg_error *);
	bool (*unpair)(struct stg_device *, struct stg_error *);

	bool (*activation)(struct stg_device *, char state[32], struct stg_error *);
	/* Through the host's relay. STG_E_WAITING + STG_ID_NO_LINE without a line; STG_E_HOLD when activation locked. */
	bool (*activate)(struct stg_device *, struct stg_error *);

	/* Writes the organisation's configuration. Already ours: true. Somebody else's: STG_E_HOLD; assigned centrally:
	 * STG_E_WAITING or STG_E_HOLD by id; not activated: STG_E_WAITING. ret_read (may be NULL): the configuration as it was
	 * read last, a new reference, also after a refusal. */
	bool (*supervise)(struct stg_device *, const struct stg_supervision *, json_t **ret_read, struct stg_error *);

	bool (*install_profile)(struct stg_device *, struct stg_bytes profile, enum stg_install, struct stg_error *);
	bool (*store_profile)(struct stg_device *, struct stg_bytes profile, struct stg_error *);
	/* What was stored for after setup: ret empty when nothing is. */
	bool (*stored_profile)(struct stg_device *, struct stg_buf *ret, struct stg_error *);
	bool (*remove_profile)(struct stg_device *, const char *identifier, struct stg_error *);
	/* [{"identifier","uuid","version","name","removal_disallowed"}] */
	json_t *(*list_profiles)(struct stg_device *, struct stg_error *);
	/* [{"bundle_id","version","name"}] of user apps */
	json_t *(*list_apps)(struct stg_device *, struct stg_error *);

	bool (*set_name)(struct stg_device *, const char *name, struct stg_error *);
	/* NULL zone or language = leave. */
	bool (*set_time)(struct stg_device *, int64_t wall_ms, const char *zone, struct stg_error *);
	bool (*get_time)(struct stg_device *, int64_t *ret_wall_ms, struct stg_error *);
	bool (*set_language)(struct stg_device *, const char *language, const char *locale, struct stg_error *);

	bool (*restart)(struct stg_device *, struct stg_error *);
	/* Sends the erase once. The gate's token was consumed by the caller before. STG_E_UNKNOWN when no answer came. */
	bool (*erase)(struct stg_device *, bool keep_esim, struct stg_error *);

	/* Once in the nursery, before any worker is forked: does what every worker would do first, so that they inherit it.
	 * Optional. No thread, no descriptor and no secret may be left behind; some tens of milliseconds at most. */
	void (*warm)(void);

	/* Those facts that only the supervisor may read (STG_FACT_OF_OWNER): proves the supervision first where that was not
	 * done yet. An empty object when the device is not ours. Optional. */
	json_t *(*owner_facts)(struct stg_device *, struct stg_error *);

	/* What set_time and set_language wrote, read afresh: STG_FACT_TIME_ZONE, _LANGUAGE, _LOCALE. Optional. */
	json_t *(*settings)(struct stg_device *, struct stg_error *);

	/* The organisation's configuration as the device holds it: an object with its own words, without certificates; an empty
	 * object when there is none. Optional. */
	json_t *(*configuration)(struct stg_device *, struct stg_error *);
	/* Makes an assigned device fetch that configuration from the maker's programme now, over its own network. True: it
	 * took the order, re-read configuration(). STG_E_WAITING: no network, or nothing is there for it. Optional. */
	bool (*fetch_configuration)(struct stg_device *, struct stg_error *);

	/* ---- what only its supervisor may do; each proves the supervision first, STG_E_REFUSED + NOT_OUR_SUPERVISION ---- */

	/* {"passcode_present","passcode_compliant","passcode_compliant_with_profiles": flags, "hardware_encryption": number}, as far
	 * as the device tells. Answers on a locked device too. */
	json_t *(*security_info)(struct stg_device *, struct stg_error *);
	/* A token that clears the passcode somebody sets later; each one replaces the one before. STG_E_REFUSED + PASSCODE_NO_TOKEN
	 * when there is a passcode already. The caller clears ret. */
	bool (*unlock_token)(struct stg_device *, struct stg_secret *ret, struct stg_error *);
	/* Takes the passcode away, on a locked device too. STG_E_REFUSED + TOKEN_REFUSED: not a token of this device as it is now.
	 * Acknowledged is not proven: read security_info again. */
	bool (*clear_passcode)(struct stg_device *, const struct stg_secret *token, struct stg_error *);
	/* The separate code of Screen Time (restrictions). */
	bool (*clear_restrictions_password)(struct stg_device *, struct stg_error *);
	/* `image`: PNG or JPEG, borrowed. True only when the device acknowledged the item itself, which is all the proof there is. */
	bool (*set_wallpaper)(struct stg_device *, struct stg_bytes image, enum stg_wallpaper, struct stg_error *);
	bool (*wifi_power)(struct stg_device *, bool on, struct stg_error *);

	/* Switches it off when stg_device_close() is called: until then it answers. Needs no supervision. */
	bool (*shutdown)(struct stg_device *, struct stg_error *);
	/* Into the mode a full restore begins in, when stg_device_close() is called; nothing is erased. It needs a working trust,
	 * also on a locked device. That it happened shows on USB only. Optional. */
	bool (*enter_recovery)(struct stg_device *, struct stg_error *);

	/* ---- apps; large ones take turns on the cable (struct stg_bulk), progress goes to the host ---- */

	/* What the device says of one app: {"bundle_id","version","build","name","signer"}; an empty object when it is not there. */
	json_t *(*find_app)(struct stg_device *, const char *bundle_id, struct stg_error *);
	/* STG_E_REFUSED + APP_NOT_SIGNED_FOR_IT, APP_NEEDS_OTHER_DEVICE, APP_DAMAGED, APP_FORBIDDEN, DEVICE_FULL ...; STG_E_IO +
	 * APP_FILE_DAMAGED: the file is not what it was, and nothing was installed. */
	bool (*install_app)(struct stg_device *, const struct stg_app_package *, struct stg_error *);
	/* One that is not there: true. */
	bool (*remove_app)(struct stg_device *, const char *bundle_id, struct stg_error *);
	/* Replaces what lies there. STG_E_NOT_FOUND + APP_NOT_THERE or APP_NO_SHARING. */
	bool (*put_document)(struct stg_device *, const struct stg_app_document *, struct stg_error *);
	/* {"size","sha256"} of what lies there, read back; an empty object when nothing does. Of one whose size is another than
	 * size_bytes only the size is read. */
	json_t *(*find_document)(struct stg_device *, const struct stg_app_document *, struct stg_error *);

	/* What takes a device longer to tell than facts() may: facts of STG_FACT_OF_DETAILS, those of `what` (enum stg_detail, or-ed).
	 * Reads only. What it does not tell is left out, also everything when it does not trust us; a lost connection is an error. Optional. */
	json_t *(*details)(struct stg_device *, unsigned int what, struct stg_error *);
};

/* A driver's own device begins with this. */
struct stg_device {
	const struct stg_driver *driver;
	const struct stg_host *host;
	struct stg_stop *stop;
};

/* The one door (drivers/device.c): same names, absent operations become STG_E_UNSUPPORTED. */
const struct stg_driver *stg_driver_find(const char *name);
const struct stg_driver *stg_driver_for(const struct stg_arrival *a);
struct stg_device *stg_device_open(const struct stg_arrival *, const struct stg_host *, struct stg_stop *, struct stg_error *);
void stg_device_close(struct stg_device *);
void stg_device_close_at(struct stg_device **);
bool stg_device_identify(struct stg_device *, struct stg_identity *ret, struct stg_error *);
json_t *stg_device_facts(struct stg_device *, struct stg_error *);
json_t *stg_device_owner_facts(struct stg_device *, struct stg_error *);
bool stg_device_trust(struct stg_device *, enum stg_trust *ret, struct stg_error *);
bool stg_device_pair(struct stg_device *, struct stg_error *);
bool stg_device_unpair(struct stg_device *, struct stg_error *);
bool stg_device_activation(struct stg_device *, char ret[32], struct stg_error *);
bool stg_device_activate(struct stg_device *, struct stg_error *);
bool stg_device_supervise(struct stg_device *, const struct stg_supervision *, json_t **ret_read, struct stg_error *);
bool stg_device_install_profile(struct stg_device *, struct stg_bytes, enum stg_install, struct stg_error *);
bool stg_device_store_profile(struct stg_device *, struct stg_bytes, struct stg_error *);
bool stg_device_stored_profile(struct stg_device *, struct stg_buf *ret, struct stg_error *);
bool stg_device_remove_profile(struct stg_device *, const char *identifier, struct stg_error *);
json_t *stg_device_list_profiles(struct stg_device *, struct stg_error *);
json_t *stg_device_list_apps(struct stg_device *, struct stg_error *);
bool stg_device_set_name(struct stg_device *, const char *name, struct stg_error *);
bool stg_device_set_time(struct stg_device *, int64_t wall_ms, const char *zone, struct stg_error *);
bool stg_device_get_time(struct stg_device *, int64_t *ret_wall_ms, struct stg_error *);
bool stg_device_set_language(struct stg_device *, const char *language, const char *locale, struct stg_error *);
json_t *stg_device_settings(struct stg_device *, struct stg_error *);
json_t *stg_device_configuration(struct stg_device *, struct stg_error *);
bool stg_device_fetch_configuration(struct stg_device *, struct stg_error *);
bool stg_device_restart(struct stg_device *, struct stg_error *);
bool stg_device_erase(struct stg_device *, bool keep_esim, struct stg_error *);
json_t *stg_device_security_info(struct stg_device *, struct stg_error *);
bool stg_device_unlock_token(struct stg_device *, struct stg_secret *ret, struct stg_error *);
bool stg_device_clear_passcode(struct stg_device *, const struct stg_secret *token, struct stg_error *);
bool stg_device_clear_restrictions_password(struct stg_device *, struct stg_error *);
bool stg_device_set_wallpaper(struct stg_device *, struct stg_bytes image, enum stg_wallpaper where, struct stg_error *);
bool stg_device_wifi_power(struct stg_device *, bool on, struct stg_error *);
bool stg_device_shutdown(struct stg_device *, struct stg_error *);
bool stg_device_enter_recovery(struct stg_device *, struct stg_error *);
json_t *stg_device_find_app(struct stg_device *, const char *bundle_id, struct stg_error *);
bool stg_device_install_app(struct stg_device *, const struct stg_app_package *, struct stg_error *);
bool stg_device_remove_app(struct stg_device *, const char *bundle_id, struct stg_error *);
bool stg_device_put_document(struct stg_device *, const struct stg_app_document *, struct stg_error *);
json_t *stg_device_find_document(struct stg_device *, const struct stg_app_document *, struct stg_error *);
json_t *stg_device_details(struct stg_device *, unsigned int what, struct stg_error *);

#endif
