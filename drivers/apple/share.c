/*
 * share.c - hands a pair record to usbmuxd, so that other programs on this machine may use the trust.
 *
 * For:    blueprints whose pair step says keep_trust; without it records never leave the sealed store.
 * Uses:   libusbmuxd, to the real usbmuxd.
 * Called: stager/station, on a thread that may block for a moment.
 * Thread: any.
 * Facts:  protocols/apple.md 1.4: SavePairRecord takes the record under the UDID as usbmuxd spells it; with the number of
 *         the device usbmuxd tells those who listen that it is paired.
 */
#include <usbmuxd.h>

#include <stager/watch.h>

#include "device.h"

bool stg_trust_share(const char *udid, uint32_t handle, const struct stg_secret *record, struct stg_error *err)
{
	struct stg_bytes bytes = stg_secret_reveal(record);
	if (!bytes.len || bytes.len > APPLE_RECORD_MAX)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_NO_TRUST, 0, "no pair record to share");
	int rc = usbmuxd_save_pair_record_with_device_id(udid, handle, (const char *)bytes.data, (uint32_t)bytes.len);
	return rc == 0 || stg_fail_id(err, STG_E_IO, STG_ID_TRUST_NOT_SHARED, rc, "usbmuxd did not keep the pair record (%d)", rc);
}
