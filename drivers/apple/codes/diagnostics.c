/*
 * diagnostics.c - the status words of the diagnostics service.
 *
 * For:    restart, battery health; `stager explain diagnostics UnknownRequest`.
 * Uses:   nothing.
 * Called: as data.
 * Thread: any; constant.
 * Facts:  protocols/apple.md 5.6. MobileGestaltDeprecated is what systems since 17.4 say instead of values.
 */
#include <stager/codes.h>

#define ROW(word, kind, what) { .name = word, .code = STG_E_##kind, .id = STG_ID_##what }

static const struct stg_code_row rows[] = {
	ROW("Failure", REFUSED, DEVICE_REFUSED),
	ROW("UnknownRequest", UNSUPPORTED, DEVICE_CANNOT),
	ROW("MobileGestaltDeprecated", UNSUPPORTED, DEVICE_CANNOT),
	{ 0 },
};

const struct stg_codes stg_codes_diagnostics = {
	.protocol = "diagnostics",
	.also = "diagnostics_relay",
	.rows = rows,
	.otherwise = { .code = STG_E_REFUSED, .id = STG_ID_DEVICE_REFUSED },
};
