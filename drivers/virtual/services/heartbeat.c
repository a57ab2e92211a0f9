/*
 * heartbeat.c - asks the host every ten seconds whether it is still there.
 *
 * For:    hosts that hold a connection open for long.
 * Uses:   ../loop.h for a timer of its own: the beat has nothing to do with the pace of work.
 * Thread: the bench's one.
 * Facts:  the device sends {Command: Marco, Interval}, the host {Command: Polo}; who misses two beats is let go
 *         (libimobiledevice, 2024).
 */
#include "../bench.h"
#include "../loop.h"
#include "../service.h"
#include "../words.h"

#define INTERVAL_S 10

struct heart {
	struct virt_conn *conn;
	struct virt_timer beat;
	unsigned int unanswered;
};

static void marco(struct virt_timer *t)
{
	struct heart *h = VIRT_OWNER(t, struct heart, beat);
	plist_t ask;

	if (h->unanswered == 2) {
		virt_send_plist(h->conn, virt_answer("Command", "SleepyTime"));
		virt_close(h->conn);
		return;
	}
	h->unanswered++;
	ask = virt_answer("Command", "Marco");
	virt_put_uint(ask, "Interval", INTERVAL_S);
	virt_send_plist(h->conn, ask);
	virt_timer_set(virt_conn_bench(h->conn)->loop, &h->beat, INTERVAL_S * 1000, marco);
}

static void opened(struct virt_conn *c)
{
	struct heart *h = virt_state(c);

	h->conn = c;
	marco(&h->beat);
}

static void message(struct virt_conn *c, plist_t msg)
{
	struct heart *h = virt_state(c);

	if (strcmp(virt_text(msg, "Command"), "Polo") == 0)
		h->unanswered = 0;
}

static void closed(struct virt_conn *c)
{
	struct heart *h = virt_state(c);

	virt_timer_clear(virt_conn_bench(c)->loop, &h->beat);
}

const struct virt_service virt_service_heartbeat = {
	.names = { "com.apple.mobile.heartbeat" },
	.framing = VIRT_PLIST,
	.while_locked = true,
	.state_size = sizeof(struct heart),
	.opened = opened,
	.message = message,
	.closed = closed,
};
