/*
 * afc2.c - the files of the whole system, which only a jailbroken device serves.
 *
 * For:    whoever looks for signs of a jailbreak, as shops that buy used phones do.
 * Uses:   afc.h.
 * Thread: the bench's one.
 * Facts:  comes with the package "Apple File Conduit 2"; a device as it is sold answers InvalidService.
 */
#include "afc.h"

#include "../service.h"

static bool offered(const struct virt_device *d)
{
	return d->jailbroken;
}

static size_t bytes(struct virt_conn *c, struct stg_bytes in)
{
	return virt_afc_bytes(c, virt_state(c), in);
}

const struct virt_service virt_service_afc2 = {
	.names = { "com.apple.afc2" },
	.framing = VIRT_RAW,
	.offered = offered,
	.state_size = sizeof(struct virt_afc),
	.bytes = bytes,
};
