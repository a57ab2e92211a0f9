/*
 * descriptors.c - what an iPhone or iPad says of itself in USB descriptors.
 *
 * For:    the control endpoint of the model.
 * Uses:   nothing.
 * Called: by usb.c.
 * Thread: the bench's only one.
 * Facts:  05ac:12a8 (iPad 12ab), bcdDevice 15.00, four configurations; the mux (ff/fe/02, bulk 04 and 85) is interface 1 in
 *         3 and 4. Recovery 1281 and DFU 1227 have one.
 */
#include <string.h>

#include "usb.h"

#define DESCRIPTOR_DEVICE 1
#define DESCRIPTOR_CONFIG 2
#define DESCRIPTOR_STRING 3
#define HIGH_SPEED_BULK 512

enum { STRING_MAKER = 1, STRING_PRODUCT, STRING_SERIAL, STRING_PTP, STRING_MUX };

struct writer {
	uint8_t *at;
	size_t len, size;
};

static void put(struct writer *w, const uint8_t *bytes, size_t n)
{
	size_t fits = w->len >= w->size ? 0 : w->size - w->len < n ? w->size - w->len : n;

	memcpy(w->at + w->len, bytes, fits);
	w->len += fits;
}
#define PUT(w, ...) put(w, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static bool is_normal(const struct virt_device *d)
{
	return d->usb_mode == VIRT_USB_NORMAL;
}

unsigned int virt_usb_configurations(const struct virt_device *d)
{
	return is_normal(d) ? 4 : 1;
}

static uint16_t product_id(const struct virt_device *d)
{
	switch (d->usb_mode) {
	case VIRT_USB_RECOVERY:
		return 0x1281;
	case VIRT_USB_DFU:
		return 0x1227;
	case VIRT_USB_WTF:
		return 0x1222;
	case VIRT_USB_PORT_DFU:
		return 0xf014;
	default:
		return d->model->is_ipad ? 0x12ab : 0x12a8;
	}
}

static void endpoint(struct writer *w, uint8_t address, uint8_t kind, uint16_t packet, uint8_t interval)
{
	PUT(w, 7, 5, address, kind, (uint8_t)packet, (uint8_t)(packet >> 8), interval);
}

static void interface(struct writer *w, uint8_t number, uint8_t endpoints, uint8_t class, uint8_t subclass, uint8_t protocol,
		      uint8_t name)
{
	PUT(w, 9, 4, number, 0, endpoints, class, subclass, protocol, name);
}

static int configuration(const struct virt_device *d, unsigned int index, uint8_t *ret, size_t size)
{
	uint8_t whole[256];
	struct writer w = { .at = whole, .size = sizeof(whole) };
	uint8_t interfaces = !is_normal(d) || index < 2 ? 1 : (uint8_t)index;   /* third: PTP and mux; fourth: and Ethernet */

	if (index >= virt_usb_configurations(d))
		return -1;
	PUT(&w, 9, DESCRIPTOR_CONFIG, 0, 0, interfaces, (uint8_t)(index + 1), 0, 0xc0, 250);
	if (!is_normal(d)) {
		interface(&w, 0, 0, 0xfe, 1, 0, 0);
	} else if (index == 1) {
		interface(&w, 0, 0, 1, 1, 0, 0);                       /* audio control, with its header */
		PUT(&w, 9, 0x24, 1, 0, 1, 9, 0, 1, 0);
	} else {
		interface(&w, 0, 3, 6, 1, 1, STRING_PTP);
		endpoint(&w, 0x02, 2, HIGH_SPEED_BULK, 0);
		endpoint(&w, 0x81, 2, HIGH_SPEED_BULK, 0);
		endpoint(&w, 0x83, 3, 64, 10);
	}
	if (is_normal(d) && index >= 2) {
		interface(&w, 1, 2, 0xff, 0xfe, 2, STRING_MUX);
		endpoint(&w, VIRT_USB_MUX_OUT, 2, HIGH_SPEED_BULK, 0);
		endpoint(&w, 0x80 | VIRT_USB_MUX_IN, 2, HIGH_SPEED_BULK, 0);
	}
	if (is_normal(d) && index == 3)
		interface(&w, 2, 0, 0xff, 0xfd, 1, 0);
	whole[2] = (uint8_t)w.len;
	whole[3] = (uint8_t)(w.len >> 8);
	size = size < w.len ? size : w.len;
	memcpy(ret, whole, size);
	return (int)size;
}

static int text(const struct virt_device *d, unsigned int index, uint8_t *ret, size_t size)
{
	struct writer w = { .at = ret, .size = size };
	const char *s = index == STRING_MAKER ? "Apple Inc." :
			index == STRING_PRODUCT ? (d->model->is_ipad ? "iPad" : "iPhone") :
			index == STRING_SERIAL ? d->usb_serial :
			index == STRING_PTP ? "PTP" :
			index == STRING_MUX ? "Apple USB Multiplexor" : NULL;

	if (index == 0) {
		PUT(&w, 4, DESCRIPTOR_STRING, 0x09, 0x04);
		return (int)w.len;
	}
	if (!s)
		return -1;
	PUT(&w, (uint8_t)(2 + 2 * strlen(s)), DESCRIPTOR_STRING);
	for (; *s; s++)
		PUT(&w, (uint8_t)*s, 0);
	return (int)w.len;
}

int virt_usb_descriptor(const struct virt_device *d, uint16_t value, uint8_t *ret, size_t size)
{
	struct writer w = { .at = ret, .size = size };
	uint16_t pid = product_id(d);

	switch (value >> 8) {
	case DESCRIPTOR_DEVICE:
		PUT(&w, 18, DESCRIPTOR_DEVICE, 0x00, 0x02, 0, 0, 0, 64, 0xac, 0x05, (uint8_t)pid, (uint8_t)(pid >> 8), 0x00, 0x15,
		    STRING_MAKER, STRING_PRODUCT, STRING_SERIAL, (uint8_t)virt_usb_configurations(d));
		return (int)w.len;
	case DESCRIPTOR_CONFIG:
		return configuration(d, value & 0xff, ret, size);
	case DESCRIPTOR_STRING:
		return text(d, value & 0xff, ret, size);
	default:
		return -1;
	}
}
