/*
 * ids.c - modes by product number, identities by serial string.
 *
 * For:    knowing an iPhone in recovery or DFU from one that runs, and its ECID, without opening it.
 * Uses:   nothing but the text.
 * Called: by topology.c.
 * Thread: any; no state.
 * Facts:  protocols/apple.md 6 (libirecovery, usbmuxd; 2026-11).
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stager/bytes.h>
#include <stager/watch.h>

#include "ids.h"

#define VENDOR_APPLE 0x05ac

/* From A12 (chip 8020) on, the UDID is made of chip and ECID and can be computed. */
#define FIRST_CHIP_WITH_COMPUTED_UDID 0x8020

static const struct {
	uint16_t first, last;
	enum stg_mode mode;
} apple_modes[] = {
	{ 0x1222, 0x1222, STG_MODE_WTF },       /* the stage before DFU on the oldest */
	{ 0x1227, 0x1227, STG_MODE_DFU },
	{ 0x1280, 0x1283, STG_MODE_RECOVERY },
	{ 0x1290, 0x12af, STG_MODE_NORMAL },
	{ 0x1881, 0x1881, STG_MODE_DFU },       /* KIS: debug USB of newer chips */
	{ 0x8600, 0x8600, STG_MODE_NORMAL },
	{ 0xf014, 0xf014, STG_MODE_PORT_DFU },  /* the chip behind the USB-C socket; it tells no ECID in its descriptor */
};

/* Makers of phones and tablets: what they make is named as such, everything else ("keyboard") is not. */
static const uint16_t phone_makers[] = {
	0x0489 /* Foxconn */, 0x04dd /* Sharp */, 0x04e8 /* Samsung */, 0x05c6 /* Qualcomm, Fairphone */, 0x05e0 /* Zebra */, 0x0bb4 /* HTC */,
	0x0c2e /* Honeywell */, 0x0e8d /* MediaTek */, 0x0fce /* Sony */, 0x1004 /* LG */, 0x12d1 /* Huawei */, 0x18d1 /* Google */,
	0x19d2 /* ZTE */, 0x1bbb /* TCL */, 0x22b8 /* Motorola */, 0x22d9 /* Oppo */, 0x2717 /* Xiaomi */, 0x2a70 /* OnePlus */,
	0x2ae5 /* Fairphone */, 0x2d95 /* Vivo */, 0x2e04 /* HMD */, 0x339b /* Honor */,
};

/* "KEY:value" or "KEY:[value]" between spaces. */
static bool tagged(const char *text, const char *key, char *ret, size_t size)
{
	size_t key_len = strlen(key);
	for (const char *p = text; p && *p; p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL) {
		if (strncmp(p, key, key_len) != 0 || p[key_len] != ':')
			continue;
		p += key_len + 1;
		char end = ' ';
		if (*p == '[') {
			end = ']';
			p++;
		}
		size_t n = strcspn(p, end == ']' ? "]" : " ");
		if (n == 0 || n >= size)
			return false;
		memcpy(ret, p, n);
		ret[n] = 0;
		return true;
	}
	return false;
}

static bool hex_number(const char *text, uint64_t *ret)
{
	char *end;
	if (!isxdigit((unsigned char)text[0]) || strlen(text) > 16)
		return false;
	*ret = strtoull(text, &end, 16);
	return *end == 0;
}

static void recognise_bootloader(struct stg_usb_device *d, const char *raw)
{
	char text[64];
	uint64_t ecid = 0, chip = 0, board = 0;
	if (tagged(raw, "ECID", text, sizeof(text)) && hex_number(text, &ecid) && ecid)
		snprintf(d->unit, sizeof(d->unit), "%" PRIu64, ecid);
	bool has_chip = tagged(raw, "CPID", text, sizeof(text)) && hex_number(text, &chip);
	if (has_chip && tagged(raw, "BDID", text, sizeof(text)) && hex_number(text, &board))
		stg_copy(d->model, sizeof(d->model), usb_model(chip, board));
	if (ecid && has_chip && chip >= FIRST_CHIP_WITH_COMPUTED_UDID && chip <= 0xffff)
		snprintf(d->udid, sizeof(d->udid), "%08" PRIX64 "-%016" PRIX64, chip, ecid);
	d->serial[0] = 0;
	if (tagged(raw, "SRNM", text, sizeof(text)))
		stg_printable(text, false, d->serial, sizeof(d->serial));
}

/* "00008110-001A2B3C4D5E601E" holds the ECID behind the hyphen. */
static void unit_of_udid(struct stg_usb_device *d)
{
	const char *dash = strchr(d->udid, '-');
	uint64_t ecid;
	if (dash && hex_number(dash + 1, &ecid) && ecid)
		snprintf(d->unit, sizeof(d->unit), "%" PRIu64, ecid);
}

void usb_recognise(struct stg_usb_device *d, const char *raw_serial)
{
	d->mode = STG_MODE_FOREIGN;
	stg_printable(raw_serial, false, d->serial, sizeof(d->serial));
	if (d->vid != VENDOR_APPLE) {
		for (size_t i = 0; i < STG_ARRAY_LEN(phone_makers); i++)
			d->is_phone = d->is_phone || d->vid == phone_makers[i];
		return;
	}
	for (size_t i = 0; i < STG_ARRAY_LEN(apple_modes); i++)
		if (d->pid >= apple_modes[i].first && d->pid <= apple_modes[i].last)
			d->mode = apple_modes[i].mode;
	d->is_phone = d->mode != STG_MODE_FOREIGN;
	/* the ramdisk of a restore has the numbers of the running system: only its name tells */
	if (d->mode == STG_MODE_NORMAL && strcasestr(d->product, "restore mode"))
		d->mode = STG_MODE_RESTORE;
	if (d->mode == STG_MODE_NORMAL || d->mode == STG_MODE_RESTORE) {
		if (stg_udid_clean(raw_serial, d->udid))
			unit_of_udid(d);
	} else if (d->mode != STG_MODE_FOREIGN) {
		recognise_bootloader(d, raw_serial);
	}
}
