/*
 * service.h - how a service of a virtual iPhone is written: one file, one table at its end.
 *
 * The bench core (mux.c, lockdownd.c, tls.c, loop.c) owns sockets, TLS, framing and time; a service sees whole messages
 * and answers them. Everything runs on the one thread of stager-bench, nothing may block. Files are found by name:
 * drivers/virtual/services/NAME.c ends in `const struct virt_service virt_service_NAME`.
 */
#ifndef VIRTUAL_SERVICE_H
#define VIRTUAL_SERVICE_H

#include <plist/plist.h>
#include <stager/bytes.h>
#include <stager/json.h>

struct virt_bench;   /* the whole process: loop.h */
struct virt_device;  /* one virtual iPhone or iPad: device.h */
struct virt_conn;    /* one open connection to one service */

enum virt_framing { VIRT_PLIST /* u32 big endian length + plist, as lockdown */, VIRT_RAW };

struct virt_service {
	const char *names[4];       /* lockdown names it answers to, e.g. the insecure_ variant; NULL-ended */
	enum virt_framing framing;
	bool without_session;       /* StartService allowed without a lockdown session */
	bool (*offered)(const struct virt_device *);   /* optional: only devices of which it is true have it (else InvalidService) */
	bool while_locked;          /* StartService allowed while the device is locked (else PasswordProtected) */
	size_t state_size;          /* zeroed memory for each connection, virt_state() */

	void (*opened)(struct virt_conn *);                          /* optional: TLS is up */
	void (*message)(struct virt_conn *, plist_t msg);            /* VIRT_PLIST; msg is borrowed, already scanned */
	size_t (*bytes)(struct virt_conn *, struct stg_bytes);       /* VIRT_RAW; returns how much it took */
	void (*closed)(struct virt_conn *);                          /* optional: the other side or the device went */
	void (*event)(struct virt_conn *, const char *notification); /* optional: the device posted a notification */
};

void *virt_state(struct virt_conn *);
struct virt_device *virt_conn_device(struct virt_conn *);
struct virt_bench *virt_conn_bench(struct virt_conn *);
const char *virt_conn_service(struct virt_conn *);   /* the name it was started under */

/* Answers. virt_send_plist takes the plist (frees it), writes XML or binary as the request was. */
void virt_send_plist(struct virt_conn *, plist_t answer);
void virt_send(struct virt_conn *, struct stg_bytes);
void virt_close(struct virt_conn *);                 /* after what is queued went out */

/* Runs `then` after real_ms at pace real (1/20 at fast, at once at instant); never runs if the connection or the
 * device goes first. `arg` is not owned. While one is pending further messages on this connection wait. */
void virt_after(struct virt_conn *, int64_t real_ms, void (*then)(struct virt_conn *, void *arg), void *arg);
/* The same for the device itself (restart, erase), surviving connections. */
void virt_device_after(struct virt_device *, int64_t real_ms, void (*then)(struct virt_device *, void *arg), void *arg);

/* Fault knobs: true when a fault armed over the control socket for this device names this request, and what it is.
 * The core itself carries out drop, delay, truncate, garbage and mute; services ask for the rest by name. */
bool virt_fault(struct virt_device *, const char *request, const char *kind, json_t **ret_args /* borrowed; may be NULL */);

/* Posts a notification to whoever observes it on this device. */
void virt_notify(struct virt_device *, const char *name);

#endif
