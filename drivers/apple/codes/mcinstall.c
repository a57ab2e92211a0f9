/*
 * mcinstall.c - the numbers in the error chain of the profile service, keybag included.
 *
 * For:    ../mcerror.c; `stager explain MCInstall 14002`, `stager explain keybag 37002`.
 * Uses:   nothing.
 * Called: as data.
 * Thread: any; constant.
 * Facts:  protocols/apple.md 4.13. Domains appear with MC or, on newer systems, DMC in front. A chain has several entries:
 *         the one that stands highest here is the telling one, so the order is from the special to the general.
 */
#include <stager/codes.h>

#define ROW(where, from, to, kind, what) { .domain = where "ErrorDomain", .first = from, .last = to, .code = STG_E_##kind, .id = STG_ID_##what }

static const struct stg_code_row rows[] = {
	ROW("Tunnel", 14001, 14001, NEEDS_HUMAN, DEVICE_LOCKED),
	ROW("Tunnel", 14002, 14002, HOLD, ALREADY_CONFIGURED),
	ROW("CloudConfig", 33000, 33001, WAITING, ENROLMENT_NO_NETWORK),
	ROW("CloudConfig", 33005, 33005, WAITING, NOT_ASSIGNED),
	ROW("CloudConfig", 33002, 33002, REFUSED, CONFIGURATION_REFUSED),
	ROW("CloudConfig", 33003, 33003, WAITING, NOT_ACTIVATED),
	ROW("CloudConfig", 33004, 33004, HOLD, ASSIGNED_CENTRALLY),
	ROW("CloudConfig", 33023, 33023, REFUSED, CONFIGURATION_NOT_STORED),
	ROW("CloudConfig", 33000, 33099, REFUSED, CONFIGURATION_REFUSED),
	ROW("Installation", 4009, 4009, NEEDS_HUMAN, DEVICE_LOCKED),
	ROW("MDM", 12000, 12099, REFUSED, PROFILE_NEEDS_NETWORK),
	ROW("Chaperone", 29000, 29099, REFUSED, NOT_OUR_SUPERVISION),
	/* a passcode is set and whoever could remove it has no token: waiting for an unlock does not help */
	ROW("Keybag", 37002, 37002, REFUSED, PASSCODE_NO_TOKEN),
	ROW("Keybag", 37000, 37099, NEEDS_HUMAN, DEVICE_LOCKED),
	/* what lies inside a refused profile says more than the refusal around it */
	ROW("Passcode", 5000, 5099, REFUSED, PASSCODE_TOO_WEAK),
	ROW("Certificate", 9000, 9099, REFUSED, CERTIFICATE_NOT_TAKEN),
	ROW("WiFi", 13000, 13099, REFUSED, WIFI_NOT_ADDED),
	ROW("SingleApp", 32000, 32099, REFUSED, PROFILE_EXISTS),
	ROW("Settings", 28001, 28001, REFUSED, SETTING_REFUSED),
	ROW("Settings", 28000, 28099, REFUSED, VALUE_REFUSED),
	ROW("Installation", 4004, 4004, REFUSED, PROFILE_DECLINED),
	ROW("Installation", 4005, 4005, REFUSED, PASSCODE_TOO_WEAK),
	ROW("Installation", 4002, 4002, REFUSED, PROFILE_EXISTS),
	ROW("Installation", 4010, 4019, REFUSED, PROFILE_EXISTS),
	ROW("Installation", 4008, 4008, REFUSED, CERTIFICATE_NOT_TAKEN),
	ROW("Installation", 4020, 4023, REFUSED, PROFILE_WRONG_WAY),
	ROW("Installation", 4000, 4099, REFUSED, PROFILE_REFUSED),
	ROW("Profile", 1000, 1099, REFUSED, PROFILE_REFUSED),
	ROW("Payload", 2000, 2099, REFUSED, PROFILE_REFUSED),
	ROW("Tunnel", 14004, 14005, REFUSED, SERVICE_REFUSED),
	ROW("Tunnel", 14000, 14099, REFUSED, DEVICE_REFUSED),
	{ 0 },
};

const struct stg_codes stg_codes_mcinstall = {
	.protocol = "MCInstall",
	.also = "keybag profile profiles MDM supervision",
	.rows = rows,
	.otherwise = { .code = STG_E_REFUSED, .id = STG_ID_DEVICE_REFUSED },
};
