/*
 * usbmuxd.c - the numbers in a Result of usbmuxd.
 *
 * For:    ../muxwire.c and what connects through it; `stager explain usbmuxd 3`.
 * Uses:   nothing.
 * Called: as data.
 * Thread: any; constant.
 * Facts:  protocols/apple.md 1.3: 0 is success. 3 is also what a closed port of a locked device gives.
 */
#include <stager/codes.h>

#define ROW(number, kind, what) { .first = number, .last = number, .code = STG_E_##kind, .id = STG_ID_##what }

static const struct stg_code_row rows[] = {
	ROW(1, STATION, MUX_MISUNDERSTANDS),
	ROW(2, GONE, DEVICE_GONE),
	ROW(3, TIMEOUT, DEVICE_SILENT),
	ROW(6, STATION, MUX_MISUNDERSTANDS),
	{ 0 },
};

const struct stg_codes stg_codes_usbmuxd = {
	.protocol = "usbmuxd",
	.also = "usbmux mux",
	.rows = rows,
	.otherwise = { .code = STG_E_STATION, .id = STG_ID_MUX_MISUNDERSTANDS },
};
