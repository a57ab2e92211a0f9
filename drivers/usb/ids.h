/* ids.h - what a USB vendor and product number and a serial string tell, before anything is asked. */
#ifndef USB_IDS_H
#define USB_IDS_H

#include <stager/topology.h>

/* Fills mode, udid, unit, serial, model and is_phone of d from vid, pid, product text and the raw serial descriptor. */
void usb_recognise(struct stg_usb_device *d, const char *raw_serial);

/* "iPhone14,5"; "" when the pair is not known. */
const char *usb_model(uint64_t chip, uint64_t board);

#endif
