/*
 * libusb.c - what libusb answers.
 *
 * For:    what opens a device in recovery, DFU or over ADB; `stager explain libusb -3`.
 * Uses:   libusb's numbers.
 * Called: as data.
 * Thread: any; constant.
 * Facts:  libusb 1.0.26, libusb.h.
 */
#include <libusb-1.0/libusb.h>

#include <stager/codes.h>

#define ROW(word, kind, what) { .name = "LIBUSB_ERROR_" #word, .first = LIBUSB_ERROR_##word, .last = LIBUSB_ERROR_##word, .code = STG_E_##kind, .id = STG_ID_##what }

static const struct stg_code_row rows[] = {
	ROW(IO, TIMEOUT, CABLE_TROUBLE), ROW(INVALID_PARAM, BUG, BUG), ROW(ACCESS, STATION, USB_FORBIDDEN), ROW(NO_DEVICE, GONE, DEVICE_GONE),
	ROW(NOT_FOUND, GONE, DEVICE_GONE), ROW(BUSY, REFUSED, DEVICE_TAKEN), ROW(TIMEOUT, TIMEOUT, DEVICE_SILENT),
	ROW(OVERFLOW, TIMEOUT, CABLE_TROUBLE), ROW(PIPE, TIMEOUT, CABLE_TROUBLE), ROW(INTERRUPTED, TIMEOUT, DEVICE_SILENT),
	ROW(NO_MEM, STATION, BUS_FULL), ROW(NOT_SUPPORTED, UNSUPPORTED, DEVICE_CANNOT), ROW(OTHER, TIMEOUT, CABLE_TROUBLE),
	{ 0 },
};

const struct stg_codes stg_codes_libusb = {
	.protocol = "libusb",
	.rows = rows,
	.otherwise = { .code = STG_E_TIMEOUT, .id = STG_ID_CABLE_TROUBLE },
};
