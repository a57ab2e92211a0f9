/* ids.h - what a USB vendor and product number and a serial string tell, before anything is asked. */
#ifndef USB_IDS_H
#define USB_IDS_H

#include <stager/topology.h>

/* Fills mode, udid, unit and serial of d from vid, pid and the raw serial descriptor. */
void usb_recognise(struct stg_usb_device *d, const char *raw_serial);

#endif
