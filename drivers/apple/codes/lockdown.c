/*
 * lockdown.c - what lockdownd says no with.
 *
 * For:    ../lockdown.c; `stager explain lockdown -17`.
 * Uses:   nothing.
 * Called: as data.
 * Thread: any; constant.
 * Facts:  protocols/apple.md 3.3. The words are the wire's, the numbers libimobiledevice's (1.3.0, lockdown.h); those without a
 *         word are its own and say what happened on the way.
 */
#include <stager/codes.h>

#define ROW(word, number, kind, what) { .name = word, .first = number, .last = number, .code = STG_E_##kind, .id = STG_ID_##what }

static const struct stg_code_row rows[] = {
	ROW("PasswordProtected", -17, NEEDS_HUMAN, DEVICE_LOCKED),
	ROW("UserDeniedPairing", -18, NEEDS_HUMAN, TRUST_DENIED),
	ROW("PairingDialogResponsePending", -19, NEEDS_HUMAN, TRUST_PENDING),
	ROW("EscrowLocked", -35, NEEDS_HUMAN, DEVICE_FIRST_UNLOCK),
	ROW("InvalidHostID", -21, REFUSED, TRUST_LOST),
	ROW("MissingHostID", -20, REFUSED, TRUST_LOST),
	ROW("MissingPairRecord", -29, REFUSED, TRUST_LOST),
	ROW("SavePairRecordFailed", -30, REFUSED, DEVICE_FULL),
	ROW("InvalidPairRecord", -31, REFUSED, DEVICE_REFUSED),
	ROW("InvalidActivationRecord", -32, REFUSED, ACTIVATION_REFUSED),
	ROW("MissingActivationRecord", -33, WAITING, NOT_ACTIVATED),
	ROW("PairingProhibitedOverThisConnection", -36, HOLD, PAIRING_PROHIBITED),
	ROW("MCProtected", -38, HOLD, PAIRING_PROHIBITED),
	ROW("FMiPProtected", -37, HOLD, ACTIVATION_LOCKED),
	ROW("MCChallengeRequired", -39, REFUSED, SUPERVISED_BY_OTHER),
	ROW("MissingValue", -12, NOT_FOUND, DEVICE_CANNOT),
	ROW("GetProhibited", -13, REFUSED, SERVICE_REFUSED),
	ROW("SetProhibited", -14, REFUSED, VALUE_REFUSED),
	ROW("RemoveProhibited", -15, REFUSED, VALUE_REFUSED),
	ROW("ImmutableValue", -16, REFUSED, VALUE_REFUSED),
	ROW("MissingService", -26, UNSUPPORTED, DEVICE_CANNOT),
	ROW("InvalidService", -27, UNSUPPORTED, DEVICE_CANNOT),
	ROW("ServiceProhibited", -34, REFUSED, SERVICE_REFUSED),
	/* too many clients at once: it passes */
	ROW("ServiceLimit", -28, TIMEOUT, DEVICE_SILENT),
	/* the device dropped the session under us: as good as a lost connection */
	ROW("SessionInactive", -23, GONE, DEVICE_GONE),
	ROW("MissingSessionID", -24, GONE, DEVICE_GONE),
	ROW("InvalidSessionID", -25, GONE, DEVICE_GONE),
	ROW("SessionActive", -22, GONE, DEVICE_GONE),
	/* it did not understand what we said */
	ROW("InvalidResponse", -10, REFUSED, DEVICE_REFUSED),
	ROW("MissingKey", -11, REFUSED, DEVICE_REFUSED),
	ROW("InvalidRequest", -256, REFUSED, DEVICE_REFUSED),
	ROW("Failure", -256, REFUSED, DEVICE_REFUSED),
	/* the library's own */
	ROW(NULL, -1, BUG, BUG),
	ROW(NULL, -2, REFUSED, TRUST_LOST),
	ROW(NULL, -3, PROTOCOL, DEVICE_NONSENSE),
	ROW(NULL, -4, REFUSED, DEVICE_REFUSED),
	ROW(NULL, -5, REFUSED, TRUST_LOST),
	ROW(NULL, -6, PROTOCOL, DEVICE_NONSENSE),
	ROW(NULL, -7, TIMEOUT, DEVICE_SILENT),
	ROW(NULL, -8, GONE, DEVICE_GONE),
	ROW(NULL, -9, GONE, DEVICE_GONE),
	{ 0 },
};

const struct stg_codes stg_codes_lockdown = {
	.protocol = "lockdown",
	.also = "lockdownd",
	.rows = rows,
	.otherwise = { .first = -256, .last = -256, .code = STG_E_REFUSED, .id = STG_ID_DEVICE_REFUSED },
};
