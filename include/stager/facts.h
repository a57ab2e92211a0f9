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

enum stg_fact_kind { STG_FACT_TEXT, STG_FACT_VERSION, STG_FACT_NUMBER, STG_FACT_FLAG, STG_FACT_OBJECT };
enum stg_fact_from { STG_FACT_OF_IDENTITY, STG_FACT_OF_ORDER, STG_FACT_OF_DEVICE, STG_FACT_OF_OWNER };

struct stg_fact {
	const char *name;
	enum stg_fact_kind kind;
	enum stg_fact_from from;      /* OWNER: only its supervisor can read it */
	bool condition;               /* may stand under `when:` in a blueprint */
	bool told;                    /* goes into the record every receiver gets */
	bool moves;                   /* changes by itself: no reason to tell a result again */
};

/* Ends with a row without a name. */
extern const struct stg_fact stg_facts[];
/* NULL: no such fact. */
const struct stg_fact *stg_fact_find(const char *name);

#endif
