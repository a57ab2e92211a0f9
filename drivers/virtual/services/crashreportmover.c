/*
 * crashreportmover.c - gathers the crash logs before they are read.
 *
 * For:    idevicecrashreport and go-ios, which wait for its word.
 * Thread: the bench's one.
 * Facts:  the device says "ping" when everything is in its place (libimobiledevice, go-ios).
 */
#include "../service.h"

static void opened(struct virt_conn *c)
{
	virt_send(c, stg_bytes("ping", 5));   /* with its NUL */
}

static size_t bytes(struct virt_conn *c, struct stg_bytes in)
{
	(void)c;
	return in.len;
}

const struct virt_service virt_service_crashreportmover = {
	.names = { "com.apple.crashreportmover" },
	.framing = VIRT_RAW,
	.opened = opened,
	.bytes = bytes,
};
