/*
 * fuzz_apple_answer.c - an answer of usbmuxd or of a device's service: read behind the scan, judged, turned into JSON.
 *
 * For:    make fuzz, and the replay of its corpus in the normal check.
 * Called: by libFuzzer or replay.c.
 * Thread: one.
 */
#include <stdlib.h>
#include <string.h>

#include "../../drivers/apple/device.h"
#include "../../drivers/apple/muxwire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_service(struct stg_bytes in)
{
	struct stg_error err = { 0 };
	STG_AUTO(apple_plist_free_at) plist_t p = apple_plist_read(in, &stg_plist_device, &err);
	if (!p) {
		if (err.code == STG_OK || !err.msg[0])
			abort();
		return;
	}
	stg_error_reset(&err);
	if (!apple_mc_accepted(p, "Fuzz", &err) && err.code == STG_OK)
		abort();
	stg_error_reset(&err);
	if (*apple_str(p, "Error") && apple_lockdown_error(apple_str(p, "Error"), "Fuzz", &err))
		abort();
	for (const char *c = err.msg; *c; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
			abort();
	json_t *j = apple_json(p);
	char *text = stg_json_text(j);
	free(text);
	json_decref(j);
}

static void as_mux(struct stg_bytes in)
{
	struct stg_error err = { 0 };
	size_t len = 0;
	uint32_t tag;
	uint64_t number;
	if (!mux_whole(in, &len, &err) || len == 0)
		return;
	if (len > in.len)
		abort();
	STG_AUTO(apple_plist_free_at) plist_t body = mux_read(stg_bytes(in.data, len), &tag, &err);
	if (body && mux_is_result(body, &number) && number == MUX_OK && !apple_get(body, "Number"))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	as_service(stg_bytes(data, size));
	as_mux(stg_bytes(data, size));
	return 0;
}
