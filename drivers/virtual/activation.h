/*
 * activation.h - what the virtual activation server and the devices it activates know of each other.
 *
 * The real thing signs with Apple's keys; here both sides live in one bench and share a random key, so a record that
 * was not made by this bench for this device is refused, as a real device refuses it.
 */
#ifndef VIRTUAL_ACTIVATION_H
#define VIRTUAL_ACTIVATION_H

#include <stager/bytes.h>

struct virt_bench;

#define VIRT_ACTIVATION_MARK 32

/* HMAC-SHA256 under the bench's key. `what` keeps a mark for one purpose from serving another. */
void virt_activation_mark(const struct virt_bench *, const char *what, struct stg_bytes, uint8_t ret[VIRT_ACTIVATION_MARK]);
bool virt_activation_mark_fits(const struct virt_bench *, const char *what, struct stg_bytes, struct stg_bytes mark);

/* The line was opened or closed: the server refuses connections while it is closed. */
void virt_activation_server_line(struct virt_bench *) __attribute__((weak));

#endif
