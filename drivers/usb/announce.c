/*
 * announce.c - lets the kernel say again that a device came, so that a program which missed it looks once more.
 *
 * For:    Apple devices that usbmuxd lost in a storm of arrivals.
 * Uses:   the device's `uevent` file; where that is not ours to write, the root helper's socket (images/stager-usb.socket).
 * Called: by the station.
 * Thread: any; no state. Does not block.
 * Facts:  Documentation/ABI/testing/sysfs-uevent (Linux 6.1); libusb 1.0.26 (os/linux_udev.c) drops a device at "remove" and
 *         takes it anew at "add"; usbmuxd 1.1.1 (src/usb.c) must have run in between, else it keeps its half-made entry.
 *         Nothing is sent to the device: it keeps its power, its address and its state.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <stager/file.h>
#include <stager/text.h>
#include <stager/topology.h>

#define HELPER "/run/stager-usb.sock"

static const char *folder(void)
{
	const char *sysfs = getenv("STAGER_SYSFS");
	return sysfs && *sysfs ? sysfs : "/sys";
}

static const char *word_of(enum stg_usb_kind kind)
{
	return kind == STG_USB_ARRIVED ? "add" : "remove";
}

static bool ask_helper(const char *port, const char *word, struct stg_error *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = HELPER };
	char text[STG_PORT_MAX + 16];
	int len = snprintf(text, sizeof(text), "%s %s\n", word, port);
	STG_AUTO(stg_close_at) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || send(fd, text, (size_t)len, MSG_NOSIGNAL) != len)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_ANNOUNCE_REFUSED, errno, "%s: %s", HELPER, strerror(errno));
	return true;
}

bool stg_usb_announce(const char *port, enum stg_usb_kind kind, bool may_ask, struct stg_error *err)
{
	char path[4200], parent[STG_PORT_MAX];
	const char *word = word_of(kind);
	if (!stg_port_parent(port, parent))
		return stg_fail(err, STG_E_USAGE, 0, "'%.40s' is not a USB port", port);
	if (snprintf(path, sizeof(path), "%s/bus/usb/devices/%s/uevent", folder(), port) >= (int)sizeof(path))
		return stg_fail(err, STG_E_USAGE, 0, "STAGER_SYSFS is too long");
	STG_AUTO(stg_close_at) int fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC);
	if (fd < 0 && (errno == EACCES || errno == EROFS || errno == EPERM) && may_ask)
		return ask_helper(port, word, err);
	if (fd < 0 && errno == ENOENT)
		return stg_fail(err, STG_E_GONE, errno, "%s: nothing is plugged in there", port);
	if (fd < 0 || write(fd, word, strlen(word)) < 0)
		return stg_fail(err, STG_E_IO, errno, "%s: %s", path, strerror(errno));
	return true;
}
