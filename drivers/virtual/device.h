/*
 * device.h - one virtual iPhone, iPad or (listed only) Android phone.
 *
 * A device is known for the life of the bench; it is attached when plugged in and switched on. Services read and
 * change these fields directly: there is one thread. Text fields are NUL-ended UTF-8. What a service keeps for a device
 * beyond one connection goes through virt_device_data().
 *
 * Facts: values, states and their effects as in protocols notes on lockdownd and MCInstall seen on iOS 14 to 26.
 */
#ifndef VIRTUAL_DEVICE_H
#define VIRTUAL_DEVICE_H

#include <openssl/x509.h>
#include <plist/plist.h>
#include <stager/bytes.h>
#include <stager/json.h>

#include "loop.h"
#include "models.h"

struct virt_bench;
struct virt_conn;
struct virt_service;
struct virt_key;

/* Who the host said it was when it paired. Counted, because a TLS connection may outlive the trust. */
struct virt_record {
	struct virt_record *next;
	unsigned int refs;
	char host_id[64];
	char system_buid[64];
	X509 *device_cert;
	struct stg_buf root_der, host_der;
	uint8_t escrow_bag[32];
};

/* An installed configuration profile. */
struct virt_profile {
	struct virt_profile *next;
	char *identifier, *uuid, *display_name, *description, *organization;
	uint64_t version;
	bool removal_disallowed;
	bool silent;               /* came through a supervisor: only it may take it away */
	bool has_mdm, has_wifi;
	struct stg_buf bytes;      /* as sent */
	plist_t content;
};

enum virt_usb_mode { VIRT_USB_NORMAL, VIRT_USB_RECOVERY, VIRT_USB_DFU, VIRT_USB_RESTORE, VIRT_USB_ANDROID, VIRT_USB_WTF, VIRT_USB_PORT_DFU };
enum virt_dialog { VIRT_DIALOG_NONE, VIRT_DIALOG_OPEN, VIRT_DIALOG_TRUSTED, VIRT_DIALOG_DENIED };

/* A fault armed over the control socket; faults.c. */
struct virt_fault {
	struct virt_fault *next;
	char *kind, *request;      /* request NULL: any */
	int skip;                  /* let so many pass first */
	int count;                 /* then act so often; -1: for ever */
	json_t *args;
};

struct virt_device {
	struct virt_bench *bench;
	unsigned int number;                /* 1, 2, ... in the order of making: "#3" on the control socket */
	int64_t waited_real_ms, waited_ms;  /* what its delays are at pace real, and what they were here */

	/* What it is; never changes. */
	const struct virt_model *model;     /* NULL for an Android */
	const struct virt_os *os;
	const struct virt_color *color;
	uint64_t ecid;
	char serial[32], mlb_serial[32];
	char udid[48];                      /* as usbmuxd says it: with the hyphen */
	char usb_serial[96];                /* as the USB descriptor says it: 24 or 40 characters, recovery: CPID:... */
	char imei[2][16], meid[16], iccid[24];    /* "" where the model has none */
	char wifi[18], bluetooth[18], ethernet[18];
	char region[8];                     /* "LL/A" */
	uint64_t capacity_bytes;

	/* Where it is. */
	char port[32];                      /* "2-1.4"; "" before it was plugged in for the first time */
	bool is_plugged;                    /* the cable is in */
	bool is_on;                         /* not restarting, erasing or shut down */
	enum virt_usb_mode usb_mode;
	uint32_t device_id;                 /* of the mux; 0 while not attached */
	uint32_t location_id;
	unsigned int bus_number, device_number;
	int lost;                           /* the mux missed it: announcements until it notices; -1: never; 0: not lost */
	bool announced_left;                /* of a lost one: the kernel said that it went */
	unsigned int attach_count;
	unsigned int power_ups;             /* comings back that were asked for */

	/* What state it is in. */
	unsigned int generation;            /* erases so far: chooses the device key */
	struct virt_key *key;               /* loaded when first needed */
	char name[64];
	char activation_state[24];          /* "Unactivated", "Activated", ... */
	bool activation_acknowledged;
	bool activation_lock;               /* activation answers with a form */
	bool has_network;                   /* activates by itself after an erase */
	bool abm_assigned;
	bool enrolment_tap;                 /* Remote Management waits for a person before the server's profile goes in */
	bool programme_told;                /* fetches from the programme only when a host says so */
	bool programme_no_pairing;          /* the programme's configuration forbids pairing */
	bool find_my;
	bool at_home_screen;
	bool is_locked;
	bool escrow_locked;                 /* restarted and not unlocked since */
	bool has_passcode;
	bool mdm_line_needed;               /* profiles with an MDM payload fail without the line; default true */
	bool battery_charging;
	unsigned int battery_percent;
	bool disk_full;
	bool auto_trust;                    /* somebody taps Trust at once, always */
	bool string_remove_ignored;         /* MCInstall RemoveProfile with a string: acknowledged, nothing removed */
	bool serial_raw24;                  /* the mux announces the 24 characters of the descriptor */
	bool jailbroken;                    /* its signs show: files served whole, boot arguments, a shop of its own */
	int battery_health, battery_cycles; /* percent, count; -1: follow from what it is */
	uint64_t encryption_caps;           /* of SecurityInfo: 3 blocks and files */
	char iccid2[24];
	bool esim;                          /* its plan (iccid) is on an eSIM: gone after an erase that was not told to keep it */
	bool keep_data_plan;                /* the erase under way was told to */
	bool long_challenge;                /* asks for a signature over more bytes than any device does */
	int64_t clock_offset_ms;
	char erased_by[64];                 /* what asked for the last erase */

	struct virt_record *records;
	enum virt_dialog dialog;
	char dialog_host[64];               /* SystemBUID the dialog is about: idevicepair makes a new HostID each time */
#define VIRT_LONG_CHALLENGE 65      /* bytes: one more than a station may sign */
	char pair_challenge[64];            /* hex; one supervised pairing in flight */
	plist_t cloud_config;               /* NULL: none */
	struct virt_profile *profiles;      /* in the order of installing */
	struct virt_profile *queued;        /* wait for a person in Settings */
	struct stg_buf stored_profile;      /* StoreProfile PostSetupInstallation */
	struct stg_buf unlock_token;
	char next_token[64];                /* what the next unlock token begins with: a mark that tests look for */
	char wallpaper_lock[65], wallpaper_home[65];  /* SHA-256 of the pictures set, "" none */
	bool wifi_off;
	plist_t values;                     /* what SetValue changed: "domain/key" -> value */

	bool stays_out;                     /* a scenario keeps it unplugged at the start */
	bool given_port;                    /* a scenario says where it is plugged in */

	struct virt_conn *conns;
	struct virt_listener *listeners;    /* ports opened by StartService */
	uint16_t next_port;
	struct virt_later *laters;          /* virt_device_after() */
	struct virt_data *data;             /* virt_device_data() */
	struct virt_fault *faults;
	unsigned int faults_met;            /* so often one of them came true */

	/* For measuring: how long it stood plugged in with nothing asked of it and nothing under way. */
	int64_t touched_us;                 /* CLOCK_BOOTTIME: the last request, or the end of the work it started */
	int64_t longest_idle_us;            /* since the cable went in */

	/* For tests: what was asked, in order, and how often. */
	struct stg_buf log;                 /* lines "lockdownd StartSession", "com.apple.mobile.MCInstall Flush" */
	uint64_t log_dropped;               /* lines that no longer fitted */
	json_t *counts;                     /* {"com.apple.mobile.MCInstall Flush": 2} */
};

/* Makes a device from what is given, the rest by seed and number. `wanted` may hold model, os, serial, udid, ecid, imei,
 * imei2, meid, name, port, capacity_gb, color, region and the knobs of virt_device_set(). STG_E_INPUT when it does not
 * fit together. It is not plugged in yet. */
struct virt_device *virt_device_new(struct virt_bench *, const json_t *wanted, struct stg_error *err);
void virt_device_free(struct virt_device *);

/* "#3", a serial, UDID, ECID (hex or decimal), IMEI or port. NULL: no such device. */
struct virt_device *virt_device_find(struct virt_bench *, const char *who);
/* One knob by its word (at_home_screen, locked, abm_assigned, ...; see README). */
bool virt_device_set(struct virt_device *, const char *knob, const json_t *value, struct stg_error *err);
json_t *virt_device_show(const struct virt_device *);   /* everything, a new reference */

/* The cable and the switch. Pipes are cut, sysfs follows, then the mux tells. */
bool virt_device_plug(struct virt_device *, const char *port /* NULL: where it was, or the first free */, struct stg_error *err);
void virt_device_unplug(struct virt_device *);
/* What so long a delay is at this bench's pace; the device's sums of both grow (a rehearsal works out the real time from them). */
int64_t virt_device_paced_ms(struct virt_device *d, int64_t real_ms);
/* The cable comes back after after_ms, whatever the pace; port as in virt_device_plug(). */
void virt_device_replug(struct virt_device *, int64_t after_ms, const char *port);
/* The plug goes into another device, on the same port and at once; this one comes back elsewhere after back_ms (below 0: not). */
void virt_device_swap(struct virt_device *, struct virt_device *other, int64_t back_ms);
/* Goes away now and comes back after real_ms (paced), in the mode given. */
void virt_device_restart(struct virt_device *, int64_t real_ms, enum virt_usb_mode back_as);
void virt_device_shutdown(struct virt_device *);
/* Forgets everything a wipe forgets: records, configuration, profiles, files, key. Restarts; comes back after real_ms. */
void virt_device_erase(struct virt_device *, int64_t real_ms);
bool virt_device_is_attached(const struct virt_device *);
/* A lost one: the kernel announced it again, as gone or as come. */
void virt_device_announced(struct virt_device *, bool came);

bool virt_device_is_supervised(const struct virt_device *);
void virt_device_set_activation(struct virt_device *, const char *state);  /* posts the notification too */
void virt_device_forget_records(struct virt_device *);
void virt_profile_free(struct virt_profile *);
/* Whether the whole certificate is one of the configuration's SupervisorHostCertificates. */
bool virt_device_is_supervisor(const struct virt_device *, struct stg_bytes cert_der);
void virt_record_unref(struct virt_record *);

/* Lockdown values. A new node or NULL; domain NULL or "" is the default domain, key NULL gives the whole domain.
 * `trusted`: inside a session. */
plist_t virt_value(struct virt_device *, const char *domain, const char *key, bool trusted);
/* Overrides a value as SetValue does; takes the node. */
void virt_value_set(struct virt_device *, const char *domain, const char *key, plist_t value);

/* Zeroed memory a service keeps for this device across connections (an AFC tree, the apps). `clear` runs before it is
 * freed; an erase frees it, the next call makes a new one. `owner` is any address that is the service's own. */
void *virt_device_data(struct virt_device *, const void *owner, size_t size, void (*clear)(void *));

/* The host has just said something; answering takes it work_ms (paced) from now. */
void virt_device_touched(struct virt_device *, int64_t work_ms);
/* The lockdown name and request for the log and the counters. */
void virt_device_note(struct virt_device *, const char *service, const char *request);

#endif
