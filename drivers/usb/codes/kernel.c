/*
 * kernel.c - the error numbers of the kernel's USB side: "device descriptor read/64, error -71".
 *
 * For:    what watches the bus; `stager explain usb -71`.
 * Uses:   nothing.
 * Called: as data.
 * Thread: any; constant.
 * Facts:  Linux Documentation/driver-api/usb/error-codes.rst (6.1), numbers of x86-64 and arm64. Written with or without
 *         their minus sign.
 */
#include <errno.h>

#include <stager/codes.h>

#define ROW(word, kind, what) { .name = #word, .first = -word, .last = -word, .code = STG_E_##kind, .id = STG_ID_##what }

#define ENOTSUPP 524   /* of the kernel alone: "not supported" */

static const struct stg_code_row rows[] = {
	ROW(EPROTO, TIMEOUT, CABLE_TROUBLE), ROW(EILSEQ, TIMEOUT, CABLE_TROUBLE), ROW(ETIME, TIMEOUT, CABLE_TROUBLE),
	ROW(ETIMEDOUT, TIMEOUT, CABLE_TROUBLE), ROW(EOVERFLOW, TIMEOUT, CABLE_TROUBLE), ROW(ECOMM, TIMEOUT, CABLE_TROUBLE),
	ROW(ENOSR, TIMEOUT, CABLE_TROUBLE), ROW(EREMOTEIO, TIMEOUT, CABLE_TROUBLE), ROW(EPIPE, TIMEOUT, CABLE_TROUBLE),
	ROW(EXDEV, TIMEOUT, CABLE_TROUBLE), ROW(EIO, TIMEOUT, CABLE_TROUBLE),
	ROW(ENODEV, GONE, DEVICE_GONE), ROW(ESHUTDOWN, GONE, DEVICE_GONE), ROW(ECONNRESET, GONE, DEVICE_GONE),
	ROW(ENOENT, GONE, DEVICE_GONE), ROW(ENXIO, GONE, DEVICE_GONE),
	ROW(EHOSTUNREACH, TIMEOUT, DEVICE_SILENT), ROW(EAGAIN, TIMEOUT, DEVICE_SILENT), ROW(EINPROGRESS, TIMEOUT, DEVICE_SILENT),
	ROW(ENOMEM, STATION, BUS_FULL), ROW(ENOSPC, STATION, BUS_FULL), ROW(ENOTCONN, STATION, BUS_FULL),
	ROW(EBUSY, REFUSED, DEVICE_TAKEN),
	ROW(EPERM, STATION, USB_FORBIDDEN), ROW(EACCES, STATION, USB_FORBIDDEN),
	ROW(EINVAL, BUG, BUG), ROW(EFBIG, BUG, BUG), ROW(EMSGSIZE, BUG, BUG), ROW(EBADF, BUG, BUG),
	ROW(ENOTSUPP, UNSUPPORTED, DEVICE_CANNOT), ROW(EOPNOTSUPP, UNSUPPORTED, DEVICE_CANNOT), ROW(ENOSYS, UNSUPPORTED, DEVICE_CANNOT),
	{ 0 },
};

const struct stg_codes stg_codes_kernel = {
	.protocol = "usb",
	.also = "kernel",
	.rows = rows,
	.otherwise = { .code = STG_E_TIMEOUT, .id = STG_ID_CABLE_TROUBLE },
};
