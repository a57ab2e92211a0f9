/*
 * restore.c - the numbers a restore or an update ends with.
 *
 * For:    whoever runs idevicerestore; `stager explain restore 4013`.
 * Uses:   nothing.
 * Called: as data.
 * Thread: any; constant.
 * Facts:  Apple's public page "If you see an error when you update or restore" and its list of restore errors, read in 2024:
 *         it names families rather than single causes, so ranges stand here after the numbers it singles out.
 */
#include <stager/codes.h>

#define ROW(from, to, kind, what) { .first = from, .last = to, .code = STG_E_##kind, .id = STG_ID_##what }
#define ONE(number, kind, what) ROW(number, number, kind, what)

static const struct stg_code_row rows[] = {
	/* the signing service says no, or says nothing */
	ONE(3194, REFUSED, RESTORE_NOT_SIGNED), ONE(3002, REFUSED, RESTORE_NOT_SIGNED), ONE(3195, REFUSED, RESTORE_NOT_SIGNED),
	ONE(17, WAITING, RESTORE_NO_ANSWER), ROW(3000, 3999, WAITING, RESTORE_NO_ANSWER), ONE(1004, WAITING, RESTORE_NO_ANSWER),
	ONE(1639, WAITING, RESTORE_NO_ANSWER), ROW(9807, 9844, WAITING, RESTORE_NO_ANSWER),
	/* the station's disk or the image */
	ONE(14, INPUT, RESTORE_IMAGE), ONE(18, INPUT, RESTORE_IMAGE), ONE(1015, INPUT, RESTORE_IMAGE), ONE(34, STATION, DISK_FULL),
	/* parts of the device: Apple sends these to a workshop after a second try */
	ONE(1, REFUSED, RESTORE_HARDWARE), ONE(3, REFUSED, RESTORE_HARDWARE), ROW(10, 13, REFUSED, RESTORE_HARDWARE),
	ONE(16, REFUSED, RESTORE_HARDWARE), ROW(20, 21, REFUSED, RESTORE_HARDWARE), ROW(23, 29, REFUSED, RESTORE_HARDWARE),
	ROW(35, 56, REFUSED, RESTORE_HARDWARE), ONE(1002, REFUSED, RESTORE_HARDWARE), ROW(1011, 1012, REFUSED, RESTORE_HARDWARE),
	ONE(1014, REFUSED, RESTORE_HARDWARE), ONE(1667, REFUSED, RESTORE_HARDWARE), ONE(1669, REFUSED, RESTORE_HARDWARE),
	/* the cable, the port, the hub */
	ONE(2, TIMEOUT, RESTORE_CABLE), ONE(4, TIMEOUT, RESTORE_CABLE), ONE(6, TIMEOUT, RESTORE_CABLE), ONE(9, TIMEOUT, RESTORE_CABLE),
	ONE(1000, TIMEOUT, RESTORE_CABLE), ROW(1600, 1699, TIMEOUT, RESTORE_CABLE), ROW(2000, 2009, TIMEOUT, RESTORE_CABLE),
	ROW(4000, 4099, TIMEOUT, RESTORE_CABLE), ONE(9006, TIMEOUT, RESTORE_CABLE),
	{ 0 },
};

const struct stg_codes stg_codes_restore = {
	.protocol = "restore",
	.also = "idevicerestore update",
	.rows = rows,
	.otherwise = { .code = STG_E_REFUSED, .id = STG_ID_RESTORE_FAILED },
};
