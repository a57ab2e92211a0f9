/* mux.h - the usbmuxd side of the bench: what libusbmuxd and other clients connect to. */
#ifndef VIRTUAL_MUX_H
#define VIRTUAL_MUX_H

#include "bench.h"

struct virt_mux *virt_mux_start(struct virt_bench *, struct stg_error *err);
void virt_mux_stop(struct virt_mux *);   /* takes NULL */
/* "127.0.0.1:PORT" or "". */
const char *virt_mux_tcp(const struct virt_mux *);
/* The device got, or is about to lose, its DeviceID: listeners are told. */
void virt_mux_attached(struct virt_mux *, struct virt_device *);
void virt_mux_detached(struct virt_mux *, uint32_t device_id);
/* These bytes to everybody who listens, so often: what usbmuxd would never say. */
void virt_mux_say(struct virt_mux *, struct stg_bytes, int64_t times);
/* As when usbmuxd is killed and started again: sockets and clients go, after down_ms the doors are open again, device
 * ids begin anew. */
void virt_mux_restart(struct virt_mux *, int64_t down_ms);

#endif
