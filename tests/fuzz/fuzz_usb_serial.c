/*
 * fuzz_usb_serial.c - whatever a descriptor calls itself: what is taken from it is printable, bounded and of the right form.
 *
 * For:    make fuzz, and the replay of its corpus in the normal check.
 * Called: by libFuzzer or replay.c.
 * Thread: one.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <stager/bytes.h>
#include <stager/watch.h>

#include "../../drivers/usb/ids.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
	if (!what)
		abort();
}

static void check(const struct stg_usb_device *d)
{
	char again[STG_UDID_MAX];
	for (const char *p = d->serial; *p; p++)
		must((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f);
	must(!d->udid[0] || (stg_udid_clean(d->udid, again) && strcmp(again, d->udid) == 0));
	must(strspn(d->unit, "0123456789") == strlen(d->unit));
	must(!d->model[0] || (strchr(d->model, ',') && (d->model[0] == 'i')));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t pids[] = { 0x12a8, 0x1281, 0x1227, 0x1222, 0xf014, 0x024f };
	char text[512];
	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	for (size_t i = 0; i < STG_ARRAY_LEN(pids); i++) {
		struct stg_usb_device d = { .vid = 0x05ac, .pid = pids[i] };
		usb_recognise(&d, text);
		check(&d);
		/* the ramdisk of a restore is told by its product text, which comes from the device too */
		stg_copy(d.product, sizeof(d.product), "(Restore Mode)");
		usb_recognise(&d, text);
		check(&d);
	}
	struct stg_usb_device other = { .vid = 0x18d1, .pid = 0x4ee7 };
	usb_recognise(&other, text);
	check(&other);
	must(!other.udid[0] && !other.unit[0]);
	return 0;
}
