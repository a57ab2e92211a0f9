/*
 * crashreport.c - the crash logs of a device, as files.
 *
 * For:    idevicecrashreport and go-ios (crash ls, cp, rm).
 * Uses:   afc.h on a folder beside the media folder.
 * Thread: the bench's one.
 * Facts:  a file connection rooted at the logs (libimobiledevice, go-ios).
 */
#include "afc.h"

#include "../service.h"

#define FOLDER VIRT_SHELF_ASIDE "-crashes"

static void opened(struct virt_conn *c)
{
	struct virt_afc *afc = virt_state(c);

	stg_copy(afc->root, sizeof(afc->root), FOLDER);
	virt_shelf_make_folder(virt_shelf(virt_conn_device(c)), FOLDER);
}

static size_t bytes(struct virt_conn *c, struct stg_bytes in)
{
	return virt_afc_bytes(c, virt_state(c), in);
}

const struct virt_service virt_service_crashreport = {
	.names = { "com.apple.crashreportcopymobile" },
	.framing = VIRT_RAW,
	.state_size = sizeof(struct virt_afc),
	.opened = opened,
	.bytes = bytes,
};
