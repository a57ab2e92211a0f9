/*
 * companion_proxy.c - watches paired with the phone: a bench has none.
 *
 * For:    tools that ask before they erase.
 * Thread: the bench's one.
 * Facts:  GetDeviceRegistry -> PairedDevicesArray or Error NoPairedWatches (libimobiledevice, 2024).
 */
#include "../service.h"
#include "../words.h"

static void message(struct virt_conn *c, plist_t msg)
{
	bool known = strcmp(virt_text(msg, "Command"), "GetDeviceRegistry") == 0
		|| strcmp(virt_text(msg, "Command"), "GetValueFromRegistry") == 0;

	virt_send_plist(c, virt_answer("Error", known ? "NoPairedWatches" : "UnsupportedCommand"));
}

const struct virt_service virt_service_companion_proxy = {
	.names = { "com.apple.companion_proxy" },
	.framing = VIRT_PLIST,
	.message = message,
};
