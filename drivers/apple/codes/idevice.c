/*
 * idevice.c - what libimobiledevice answers when it connects.
 *
 * For:    ../link.c, ../driver.c; `stager explain idevice -3`.
 * Uses:   nothing.
 * Called: as data.
 * Thread: any; constant.
 * Facts:  protocols/apple.md 3.3; libimobiledevice 1.3.0, libimobiledevice.h.
 */
#include <stager/codes.h>

#define ROW(number, kind, what) { .first = number, .last = number, .code = STG_E_##kind, .id = STG_ID_##what }

static const struct stg_code_row rows[] = {
	ROW(-1, BUG, BUG),
	ROW(-2, TIMEOUT, DEVICE_SILENT),
	ROW(-3, GONE, DEVICE_GONE),
	ROW(-4, GONE, DEVICE_GONE),
	ROW(-6, REFUSED, TRUST_LOST),
	ROW(-7, TIMEOUT, DEVICE_SILENT),
	{ 0 },
};

const struct stg_codes stg_codes_idevice = {
	.protocol = "idevice",
	.also = "libimobiledevice",
	.rows = rows,
	.otherwise = { .code = STG_E_TIMEOUT, .id = STG_ID_DEVICE_SILENT },
};
