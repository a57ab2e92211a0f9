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
	{ 0x1222, 0x1222, STG_MODE_DFU },       /* WTF, the stage before DFU on the oldest */
	{ 0x1227, 0x1227, STG_MODE_DFU },
	{ 0x1280, 0x1283, STG_MODE_RECOVERY },
	{ 0x1290, 0x12af, STG_MODE_NORMAL },
	{ 0x1881, 0x1881, STG_MODE_DFU },       /* KIS: debug USB of newer chips */
	{ 0x8600, 0x8600, STG_MODE_NORMAL },
	{ 0xf014, 0xf014, STG_MODE_DFU },       /* port DFU */
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
	uint64_t ecid = 0, chip = 0;
	if (tagged(raw, "ECID", text, sizeof(text)) && hex_number(text, &ecid) && ecid)
		snprintf(d->unit, sizeof(d->unit), "%" PRIu64, ecid);
	if (ecid && tagged(raw, "CPID", text, sizeof(text)) && hex_number(text, &chip) &&
	    chip >= FIRST_CHIP_WITH_COMPUTED_UDID && chip <= 0xffff)
		snprintf(d->udid, sizeof(d->udid), "%08" PRIX64 "-%016" PRIX64, chip, ecid);
	d->serial[0] = 0;
	if (tagged(raw, "SRNM", text, sizeof(text)))
		stg_printable(text, false, d->serial, sizeof(d->serial));
}

void usb_recognise(struct stg_usb_device *d, const char *raw_serial)
{
	d->mode = STG_MODE_FOREIGN;
	stg_printable(raw_serial, false, d->serial, sizeof(d->serial));
	if (d->vid != VENDOR_APPLE)
		return;
	for (size_t i = 0; i < STG_ARRAY_LEN(apple_modes); i++)
		if (d->pid >= apple_modes[i].first && d->pid <= apple_modes[i].last)
			d->mode = apple_modes[i].mode;
	if (d->mode == STG_MODE_NORMAL)
		stg_udid_clean(raw_serial, d->udid);
	else if (d->mode == STG_MODE_RECOVERY || d->mode == STG_MODE_DFU)
		recognise_bootloader(d, raw_serial);
}
