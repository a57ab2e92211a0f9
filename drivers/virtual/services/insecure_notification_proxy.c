/*
 * insecure_notification_proxy.c - the notification proxy for hosts that are not trusted yet.
 *
 * For:    tools that wait for "Trust" to be tapped.
 * Thread: the bench's one.
 * Facts:  opened without a session, before pairing (usbmuxd's preflight, libimobiledevice).
 */
#include "notification_proxy.h"

const struct virt_service virt_service_insecure_notification_proxy = {
	.names = { "com.apple.mobile.insecure_notification_proxy" },
	.framing = VIRT_PLIST,
	.without_session = true,
	.while_locked = true,
	.state_size = sizeof(struct virt_proxy),
	.message = virt_proxy_message,
	.closed = virt_proxy_closed,
	.event = virt_proxy_event,
};
