/*
 * usb.h - a virtual device as a USB host sees it, whatever carries the transfers.
 *
 * The model answers control requests and speaks Apple's mux protocol on its bulk endpoints; connections inside it end in
 * the same lockdown and services as those of the bench's own mux. A carrier (vhci.c: the kernel's virtual host
 * controller) brings transfers and takes answers; it knows nothing of what they mean.
 *
 * Thread: the bench's only one.
 * Facts: protocols notes on usbmux at USB level (usbmuxd 1.1.1, src/usb.c, src/device.c, read 2026-11): VERSION with an
 * 8-byte header, then SETUP, then TCP-like packets in 16-byte headers; exactly SYN|ACK, later exactly ACK; windows in
 * units of 256 bytes; a device closes with RST.
 */
#ifndef VIRTUAL_USB_H
#define VIRTUAL_USB_H

#include "../bench.h"

struct virt_usb;
struct virt_usb_bus;

/* `ready` is called, from the loop or from inside virt_usb_out(), when virt_usb_in() may have something. */
struct virt_usb *virt_usb_new(struct virt_device *, void (*ready)(void *ctx), void *ctx);
void virt_usb_free(struct virt_usb *);   /* the cable is out; takes NULL */

/* A control transfer. `out` is the data stage towards the device. Returns how much of `in` was filled; -1: stall. */
int virt_usb_control(struct virt_usb *, const uint8_t setup[8], struct stg_bytes out, uint8_t *in, size_t size);
/* One transfer to a bulk endpoint (its number, without direction). False: stall. */
bool virt_usb_out(struct virt_usb *, unsigned int endpoint, struct stg_bytes);
/* One transfer from it: what was copied; -1: nothing now, the transfer stays open. */
int virt_usb_in(struct virt_usb *, unsigned int endpoint, uint8_t *in, size_t size);

/* descriptors.c. Both return the length, -1: there is none. `configuration`: 0, 1, ... as in GET_DESCRIPTOR. */
int virt_usb_descriptor(const struct virt_device *, uint16_t value, uint8_t *ret, size_t size);
unsigned int virt_usb_configurations(const struct virt_device *);
#define VIRT_USB_SERIAL 0x0303u      /* GET_DESCRIPTOR: string 3 */
#define VIRT_USB_MUX_OUT 4u
#define VIRT_USB_MUX_IN 5u

/* vhci.c: devices appear on the kernel's virtual controller (module vhci_hcd, root only). */
struct virt_usb_bus *virt_usb_bus_start(struct virt_bench *, struct stg_error *err);
void virt_usb_bus_stop(struct virt_usb_bus *);   /* takes NULL */
void virt_usb_bus_add(struct virt_usb_bus *, struct virt_device *);
void virt_usb_bus_remove(struct virt_usb_bus *, struct virt_device *);

#endif
