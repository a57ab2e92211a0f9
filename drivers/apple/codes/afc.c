/*
 * afc.c - the status numbers of the file service.
 *
 * For:    what puts files onto a device; `stager explain AFC 18`.
 * Uses:   nothing.
 * Called: as data.
 * Thread: any; constant.
 * Facts:  protocols/apple.md 5.4; names and numbers as libimobiledevice 1.3.0 has them in afc.h.
 */
#include <stager/codes.h>

#define ROW(word, number, kind, what) { .name = word, .first = number, .last = number, .code = STG_E_##kind, .id = STG_ID_##what }

static const struct stg_code_row rows[] = {
	ROW("UnknownError", 1, REFUSED, FILE_REFUSED),
	ROW("OpHeaderInvalid", 2, PROTOCOL, DEVICE_NONSENSE),
	ROW("NoResources", 3, TIMEOUT, DEVICE_SILENT),
	ROW("ReadError", 4, REFUSED, FILE_REFUSED),
	ROW("WriteError", 5, REFUSED, FILE_REFUSED),
	ROW("UnknownPacketType", 6, PROTOCOL, DEVICE_NONSENSE),
	ROW("InvalidArg", 7, REFUSED, FILE_REFUSED),
	ROW("ObjectNotFound", 8, NOT_FOUND, FILE_REFUSED),
	ROW("ObjectIsDir", 9, REFUSED, FILE_REFUSED),
	ROW("PermDenied", 10, REFUSED, SERVICE_REFUSED),
	ROW("ServiceNotConnected", 11, GONE, DEVICE_GONE),
	ROW("OpTimeout", 12, TIMEOUT, DEVICE_SILENT),
	ROW("TooMuchData", 13, PROTOCOL, DEVICE_NONSENSE),
	ROW("EndOfData", 14, PROTOCOL, DEVICE_NONSENSE),
	ROW("OpNotSupported", 15, UNSUPPORTED, DEVICE_CANNOT),
	ROW("ObjectExists", 16, REFUSED, FILE_REFUSED),
	ROW("ObjectBusy", 17, TIMEOUT, DEVICE_SILENT),
	ROW("NoSpaceLeft", 18, REFUSED, DEVICE_FULL),
	ROW("OpWouldBlock", 19, TIMEOUT, DEVICE_SILENT),
	ROW("IoError", 20, REFUSED, FILE_REFUSED),
	ROW("OpInterrupted", 21, TIMEOUT, DEVICE_SILENT),
	ROW("OpInProgress", 22, TIMEOUT, DEVICE_SILENT),
	ROW("InternalError", 23, REFUSED, FILE_REFUSED),
	ROW("MuxError", 30, GONE, DEVICE_GONE),
	ROW("NoMem", 31, NOMEM, NO_MEMORY),
	ROW("NotEnoughData", 32, PROTOCOL, DEVICE_NONSENSE),
	ROW("DirNotEmpty", 33, REFUSED, FILE_REFUSED),
	{ 0 },
};

const struct stg_codes stg_codes_afc = {
	.protocol = "AFC",
	.also = "file files",
	.rows = rows,
	.otherwise = { .code = STG_E_REFUSED, .id = STG_ID_FILE_REFUSED },
};
