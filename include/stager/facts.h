/*
 * facts.h - the names of everything that is known about the state of a device, in one place.
 *
 * A fact is one member of a flat JSON object: a driver reads it (facts(), owner_facts()), the worker adds what the
 * identity says, the order adds its own. Conditions of blueprints, steps, records and reports use these names and no
 * others; tests/apple/test_facts.c compares both sides. An absent fact could not be read: it holds for nothing.
 */
#ifndef STAGER_FACTS_H
#define STAGER_FACTS_H

#include <stdbool.h>
#include <stddef.h>

#include <stager/json.h>

/* ---- who it is (identity.h) ---- */
#define STG_FACT_FAMILY "family"                     /* the driver's name: apple */
#define STG_FACT_SERIAL "serial"
#define STG_FACT_MODEL "model"                       /* iPad13,18 */
#define STG_FACT_MODEL_NAME "model_name"             /* iPad (10th generation) */
#define STG_FACT_HARDWARE "hardware"                 /* J271AP */
#define STG_FACT_DEVICE_CLASS "device_class"         /* iPad, iPhone */
#define STG_FACT_OS_VERSION "os_version"
#define STG_FACT_BUILD "build"

/* ---- what the order says ---- */
#define STG_FACT_ASSET_TAG "asset_tag"
#define STG_FACT_OWNERSHIP "ownership"               /* pool, personal, unknown */

/* ---- the state it is in ---- */
#define STG_FACT_NAME "name"                         /* may be a person's: told to nobody outside */
#define STG_FACT_ACTIVATION_STATE "activation_state" /* the device's own word */
#define STG_FACT_ACTIVATED "activated"
#define STG_FACT_SETUP_DONE "setup_done"             /* past the Setup Assistant */
#define STG_FACT_LOCKED "locked"                     /* locked now */
#define STG_FACT_SUPERVISED "supervised"             /* by whomever */
#define STG_FACT_SUPERVISED_BY "supervised_by"       /* the organisation's name on the device */
#define STG_FACT_OURS "ours"                         /* supervised with this station's identity */
#define STG_FACT_ALLOW_PAIRING "allow_pairing"       /* may trust other computers */
#define STG_FACT_CLOUD_CONFIGURED "cloud_configured" /* somebody wrote a configuration into it */
#define STG_FACT_CLOUD_CONFIG "cloud_config"         /* object: that configuration without certificates */
#define STG_FACT_MDM_CONFIGURED "mdm_configured"     /* the configuration names an enrolment server */
#define STG_FACT_MDM_ENROLLED "mdm_enrolled"         /* a management profile is installed; only the supervisor may ask */
#define STG_FACT_PASSCODE_SET "passcode_set"         /* only the supervisor may ask */
#define STG_FACT_FIND_MY "find_my"                   /* somebody is signed in to Find My */
#define STG_FACT_BATTERY_PERCENT "battery_percent"
#define STG_FACT_CHARGING "charging"
#define STG_FACT_CAPACITY_BYTES "capacity_bytes"
#define STG_FACT_FREE_BYTES "free_bytes"
#define STG_FACT_LANGUAGE "language"
#define STG_FACT_LOCALE "locale"
#define STG_FACT_TIME_ZONE "time_zone"
#define STG_FACT_CLOCK_S "clock_s"                   /* the device's clock when it was read, s since 1970 */
#define STG_FACT_REGION_INFO "region_info"
#define STG_FACT_MODEL_NUMBER "model_number"
#define STG_FACT_COLOR "color"
#define STG_FACT_PHONE_NUMBER "phone_number"         /* personal: stays in the inventory */
#define STG_FACT_SIM_STATUS "sim_status"
#define STG_FACT_ICCID "iccid"                       /* of the SIM in slot 1, physical or not */
#define STG_FACT_ICCID2 "iccid2"
#define STG_FACT_ETHERNET_MAC "ethernet_mac"         /* what an adapter at its socket shows */
#define STG_FACT_OS_RELEASED "os_released"           /* 2024-08-07: when the system it runs was published, as far as we know */
#define STG_FACT_OS_NEWEST "os_newest"               /* the newest of the same major version that we know: the gap to it */
#define STG_FACT_ENCRYPTION_CAPS "encryption_caps"   /* 1 blocks, 2 files, 3 both; only the supervisor may ask */
#define STG_FACT_PASSCODE_COMPLIANT "passcode_compliant"   /* as its profiles want it; only the supervisor may ask */
#define STG_FACT_INSTALLED_CERTIFICATES "installed_certificates"   /* list: {type,identifier,name,profile}; only the supervisor may ask */

/* ---- what takes longer: read on request only (driver.h, details) ---- */
#define STG_FACT_BATTERY_HEALTH "battery_health"     /* what it still holds of what it held when new, percent */
#define STG_FACT_BATTERY_CYCLES "battery_cycles"
#define STG_FACT_INSTALLED_APPS "installed_apps"     /* list: {bundle_id,version,name}; not the system's own */
#define STG_FACT_INSTALLED_PROFILES "installed_profiles"   /* list: {identifier,uuid,version,name} */
#define STG_FACT_JAILBREAK "jailbreak"               /* "signs found" or "none found": never "clean" */
#define STG_FACT_JAILBREAK_SIGNS "jailbreak_signs"   /* list of words: what was found */
#define STG_FACT_DETAILS_S "details_s"               /* when these were read, s since 1970 on the station's clock */

/* ---- what an inventory asks for and no device we know tells by cable: said to be not readable, never left out ---- */
#define STG_FACT_EID "eid"                           /* of the eSIM */
#define STG_FACT_WIFI_ON "wifi_on"
#define STG_FACT_BLUETOOTH_ON "bluetooth_on"

#define STG_SIGNS_FOUND "signs found"
#define STG_SIGNS_NONE "none found"

enum stg_fact_kind { STG_FACT_TEXT, STG_FACT_VERSION, STG_FACT_NUMBER, STG_FACT_FLAG, STG_FACT_OBJECT, STG_FACT_LIST };
enum stg_fact_from { STG_FACT_OF_IDENTITY, STG_FACT_OF_ORDER, STG_FACT_OF_DEVICE, STG_FACT_OF_OWNER, STG_FACT_OF_DETAILS, STG_FACT_OF_NOBODY };

struct stg_fact {
	const char *name;
	enum stg_fact_kind kind;
	enum stg_fact_from from;      /* OWNER: only its supervisor can read it; DETAILS: read on request; NOBODY: not told by cable */
	bool condition;               /* may stand under `when:` in a blueprint */
	bool told;                    /* goes into the record every receiver gets */
	bool moves;                   /* changes by itself: no reason to tell a result again */
	bool asked;                   /* an inventory asks for it: where it is missing, "not readable" is said */
};

/* Ends with a row without a name. */
extern const struct stg_fact stg_facts[];
/* NULL: no such fact. */
const struct stg_fact *stg_fact_find(const char *name);
/* The names of what an inventory asks for and `facts` does not hold, in the table's order: a new list. What only another family
 * or a device with a SIM has (`facts` says its class, and whether it was ever asked with trust) is still missing. */
json_t *stg_facts_missing(const json_t *facts);

#endif
