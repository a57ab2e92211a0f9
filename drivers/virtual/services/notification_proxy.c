/*
 * notification_proxy.c - tells a host what happens on the device.
 *
 * For:    tools that wait for an installation, a name change, an activation.
 * Uses:   virt_notify() of the core, which calls event() of every connection of the device.
 * Thread: the bench's one.
 * Facts:  ObserveNotification and PostNotification name one notification each, RelayNotification tells it, Shutdown is
 *         answered with ProxyDeath and a close (libimobiledevice, go-ios).
 */
#include "notification_proxy.h"

#include "../device.h"
#include "../words.h"

#include <stdlib.h>

#define NAMES_MAX  256

static bool observes(const struct virt_proxy *p, const char *name)
{
	for (size_t i = 0; i < p->len; i++)
		if (strcmp(p->names[i], name) == 0)
			return true;
	return false;
}

static void observe(struct virt_proxy *p, const char *name)
{
	if (!*name || strlen(name) >= VIRT_NOTIFICATION_BYTES || p->len == NAMES_MAX || observes(p, name))
		return;
	if (p->len == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 8;
		char (*more)[VIRT_NOTIFICATION_BYTES] = realloc(p->names, cap * sizeof(*more));

		if (!more)
			return;
		p->names = more;
		p->cap = cap;
	}
	stg_copy(p->names[p->len++], VIRT_NOTIFICATION_BYTES, name);
}

void virt_proxy_message(struct virt_conn *c, plist_t msg)
{
	const char *command = virt_text(msg, "Command");

	if (strcmp(command, "ObserveNotification") == 0) {
		observe(virt_state(c), virt_text(msg, "Name"));
	} else if (strcmp(command, "PostNotification") == 0) {
		virt_notify(virt_conn_device(c), virt_text(msg, "Name"));
	} else if (strcmp(command, "Shutdown") == 0) {
		virt_send_plist(c, virt_answer("Command", "ProxyDeath"));
		virt_close(c);
	}
	/* An unknown command gets no answer: the real proxy is silent too. */
}

void virt_proxy_event(struct virt_conn *c, const char *notification)
{
	plist_t relay;

	if (!observes(virt_state(c), notification))
		return;
	relay = virt_answer("Command", "RelayNotification");
	virt_put(relay, "Name", notification);
	virt_send_plist(c, relay);
}

void virt_proxy_closed(struct virt_conn *c)
{
	struct virt_proxy *p = virt_state(c);

	free(p->names);
	p->names = NULL;
}

const struct virt_service virt_service_notification_proxy = {
	.names = { "com.apple.mobile.notification_proxy" },
	.framing = VIRT_PLIST,
	.while_locked = true,
	.state_size = sizeof(struct virt_proxy),
	.message = virt_proxy_message,
	.closed = virt_proxy_closed,
	.event = virt_proxy_event,
};
