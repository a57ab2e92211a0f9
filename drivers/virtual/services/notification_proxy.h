/* notification_proxy.h - the proxy behind both of its names: with a session, and the few words told without one. */
#ifndef VIRTUAL_NOTIFICATION_PROXY_H
#define VIRTUAL_NOTIFICATION_PROXY_H

#include "../service.h"

#define VIRT_NOTIFICATION_BYTES 256

/* What one connection observes. */
struct virt_proxy {
	char (*names)[VIRT_NOTIFICATION_BYTES];
	size_t len, cap;
};

void virt_proxy_message(struct virt_conn *, plist_t msg);
void virt_proxy_event(struct virt_conn *, const char *notification);
void virt_proxy_closed(struct virt_conn *);

#endif
