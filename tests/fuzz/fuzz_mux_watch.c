/*
 * fuzz_mux_watch.c - what usbmuxd says to the station's watch: any bytes, in any pieces, and what the watch makes of them.
 *
 * Whatever is said, a device that has left had come before, nobody comes twice, and its names are fit to be shown.
 *
 * For:    make fuzz, and the replay of its corpus in the normal check.
 * Called: by libFuzzer or replay.c. Linked with --wrap=mux_connect (tests/rules.mk).
 * Thread: one.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stager/ids.h>
#include <stager/watch.h>

#include "../../drivers/apple/muxwire.h"

#define DEVICES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_mux_connect(const char *address, struct stg_error *err);

static int near_end = -1;

int __wrap_mux_connect(const char *address, struct stg_error *err)
{
	(void)address;
	int fd = near_end;
	near_end = -1;
	if (fd < 0)
		stg_fail(err, STG_E_NOT_FOUND, 0, "no usbmuxd at all");
	return fd;
}

static uint32_t here[DEVICES_MAX];
static size_t n_here;

static size_t find(uint32_t handle)
{
	size_t i = 0;
	while (i < n_here && here[i] != handle)
		i++;
	return i;
}

static void take(const struct stg_watch_event *e)
{
	char again[STG_UDID_MAX];
	size_t i = find(e->arrival.handle);
	switch (e->kind) {
	case STG_WATCH_ARRIVED:
		if (i < n_here || !e->arrival.handle || n_here == DEVICES_MAX)
			abort();
		here[n_here++] = e->arrival.handle;
		for (const char *c = e->arrival.usb_serial; *c; c++)
			if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
				abort();
		if (e->arrival.udid[0] && (!stg_udid_clean(e->arrival.udid, again) || strcmp(again, e->arrival.udid) != 0))
			abort();
		break;
	case STG_WATCH_LEFT:
		if (i == n_here)
			abort();
		here[i] = here[--n_here];
		break;
	default:
		break;
	}
}

static void listen_to(struct stg_watch *w)
{
	struct stg_watch_event e;
	while (stg_watch_next(w, &e))
		take(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2];
	struct stg_error err = { 0 };
	if (size < 1 || size > 100000)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		abort();
	near_end = pair[0];
	n_here = 0;
	struct stg_watch *w = stg_watch_open(&err);
	if (!w)
		abort();
	listen_to(w);
	/* the first byte says how large the pieces are in which it comes */
	size_t piece = (size_t)data[0] * 8 + 1;
	for (size_t at = 1; at < size; at += piece) {
		(void)!send(pair[1], data + at, size - at < piece ? size - at : piece, MSG_NOSIGNAL);
		listen_to(w);
	}
	close(pair[1]);
	listen_to(w);
	if (n_here)
		abort();            /* usbmuxd has gone: so has everything it told of */
	stg_watch_close(w);
	return 0;
}
