/*
 * identity.h - who a device is: the attributes read from it in one session.
 *
 * A unit is keyed by family + unit: for Apple the ECID as decimal text, because the serial is unknown before pairing
 * and the UDID absent in recovery. Everything else is an attribute. Empty text = not known.
 */
#ifndef STAGER_IDENTITY_H
#define STAGER_IDENTITY_H

#include <stager/arrival.h>
#include <stager/json.h>

struct stg_identity {
	char family[16];             /* the driver's name */
	char unit[32];               /* ECID in decimal */
	char serial[STG_SERIAL_MAX]; /* upper case, trimmed; "" before pairing */
	char udid[STG_UDID_MAX];
	char imei[2][20];            /* 15 digits, Luhn checked; slot 1 first */
	char meid[20];
	char model[32];              /* iPad13,18 */
	char model_name[64];         /* iPad (10th generation) */
	char hardware[16];           /* J271AP */
	char device_class[16];       /* iPhone, iPad */
	char os_version[16], build[16];
	char wifi_mac[20], bluetooth_mac[20];
	char name[256];
	char key_sha256[65];         /* of the device's public key: changes with every erase */
};

json_t *stg_identity_json(const struct stg_identity *id);
bool stg_identity_from_json(const json_t *j, struct stg_identity *ret, struct stg_error *err);
/* True when both name the same unit and no attribute known to both differs (serial, UDID, ECID). */
bool stg_identity_same(const struct stg_identity *a, const struct stg_identity *b);
/* 15 digits with a right Luhn digit; spaces, '-' and '/' dropped, 16-digit IMEISV shortened. */
bool stg_imei_clean(const char *text, char ret[20]);

#endif
