/*
 * arrival.h - something was plugged in.
 *
 * Made by a driver's watch (Apple: usbmuxd's announcement, joined with the kernel's topology by UDID) or by drivers/usb
 * (everything else). `attach` is the epoch: it grows with every arrival on this station, so that anything decided for
 * one attach can never be used on another.
 */
#ifndef STAGER_ARRIVAL_H
#define STAGER_ARRIVAL_H

#include <stdint.h>

#define STG_PORT_MAX 48      /* "2-1.4.16", kernel topology path */
#define STG_SERIAL_MAX 48
#define STG_UDID_MAX 48

enum stg_mode { STG_MODE_NORMAL, STG_MODE_RECOVERY, STG_MODE_DFU, STG_MODE_RESTORE, STG_MODE_FOREIGN, STG_MODE_WTF, STG_MODE_PORT_DFU };
#define STG_MODES 7

struct stg_arrival {
	char driver[16];             /* "apple"; "" when no driver claims it: listed and left alone */
	char port[STG_PORT_MAX];     /* "" when the topology does not know it (yet) */
	char usb_serial[STG_UDID_MAX];
	char udid[STG_UDID_MAX];     /* Apple: 40 hex or 8-16, upper case as usbmuxd shows it; else "" */
	char maker[64], product[64]; /* descriptor strings, made printable */
	uint16_t vid, pid;
	enum stg_mode mode;
	uint32_t handle;             /* the driver's own number: usbmuxd's DeviceID */
	uint64_t attach;             /* epoch, set by the station */
	int64_t at_ms;
};

const char *stg_mode_name(enum stg_mode m);   /* "normal", "recovery", "dfu", "restore", "foreign", "wtf", "port_dfu" */

#endif
