/*
 * muxask.c - whether usbmuxd attends to its sockets now.
 *
 * For:    telling a usbmuxd that missed a device from one that has not come to it yet: while it adds devices, it answers nobody.
 * Uses:   muxwire.h.
 * Called: stager/station, on a thread that may block for a moment.
 * Thread: any; no state.
 * Facts:  usbmuxd 1.1.1 (src/main.c, src/usb.c): one thread; a batch of arrivals is worked off before any client is served.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/watch.h>

#include "muxwire.h"

static bool wait_until(int fd, short what, int64_t deadline_ms, struct stg_error *err)
{
	for (;;) {
		int64_t left = deadline_ms - stg_boot_ms();
		struct pollfd p = { .fd = fd, .events = what };
		int n = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (n > 0)
			return true;
		if (n == 0)
			return stg_fail_id(err, STG_E_TIMEOUT, STG_ID_MUX_SILENT, 0, "usbmuxd does not answer");
		if (errno != EINTR)
			return stg_fail_id(err, STG_E_IO, STG_ID_MUX_SILENT, errno, "usbmuxd: %s", strerror(errno));
	}
}

bool stg_mux_answers(int64_t timeout_ms, struct stg_error *err)
{
	int64_t deadline_ms = stg_boot_ms() + (timeout_ms < 60000 ? timeout_ms : 60000);
	STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(MUX_MESSAGE_MAX);
	STG_AUTO(apple_plist_free_at) plist_t ask = mux_request("ListDevices");
	char address[256];
	uint8_t first[MUX_HEADER];
	stg_mux_address(address, sizeof(address));
	/* a full backlog is an error here: it too says that nobody attends */
	STG_AUTO(stg_close_at) int fd = mux_connect(address, err);
	if (fd < 0 || !mux_write(1, ask, &out, err) || !wait_until(fd, POLLOUT, deadline_ms, err))
		return false;
	if (send(fd, out.data, out.len, MSG_NOSIGNAL) != (ssize_t)out.len)
		return stg_fail_id(err, STG_E_IO, STG_ID_MUX_SILENT, errno, "usbmuxd took no question");
	if (!wait_until(fd, POLLIN, deadline_ms, err))
		return false;
	return recv(fd, first, sizeof(first), 0) > 0 || stg_fail_id(err, STG_E_GONE, STG_ID_MUX_SILENT, errno, "usbmuxd hung up");
}
