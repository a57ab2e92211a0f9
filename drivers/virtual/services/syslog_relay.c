/*
 * syslog_relay.c - what the device writes into its log, as text.
 *
 * For:    idevicesyslog; the best evidence when a profile is refused.
 * Uses:   event() of the core: each notification the device posts becomes a line.
 * Thread: the bench's one.
 * Facts:  lines "Mon DD HH:MM:SS host process[pid] <Level>: text" with a NUL behind each line end (libimobiledevice).
 */
#include "../device.h"
#include "../service.h"

#include <stager/clock.h>
#include <stdio.h>
#include <time.h>

static void line(struct virt_conn *c, const char *process, unsigned int pid, const char *text)
{
	const struct virt_device *d = virt_conn_device(c);
	time_t now = (time_t)((stg_wall_ms() + d->clock_offset_ms) / 1000);
	struct tm tm;
	char when[32], out[512];
	int n;

	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%b %e %H:%M:%S", &tm);
	n = snprintf(out, sizeof(out) - 1, "%s %.40s %s[%u] <Notice>: %.300s\n", when, d->name, process, pid, text);
	if (n > 0 && (size_t)n < sizeof(out) - 1)
		virt_send(c, stg_bytes(out, (size_t)n + 1));
}

static void opened(struct virt_conn *c)
{
	line(c, "syslog_relay", 52, "syslog_relay found the ASL prompt. Starting...");
}

static void event(struct virt_conn *c, const char *notification)
{
	line(c, "notifyd", 31, notification);
}

static size_t bytes(struct virt_conn *c, struct stg_bytes in)
{
	(void)c;
	return in.len;
}

const struct virt_service virt_service_syslog_relay = {
	.names = { "com.apple.syslog_relay" },
	.framing = VIRT_RAW,
	.opened = opened,
	.bytes = bytes,
	.event = event,
};
