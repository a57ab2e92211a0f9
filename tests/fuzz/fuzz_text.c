/*
 * fuzz_text.c - any text through the small readers: what may be shown, hexadecimal, base64, times, identifiers.
 *
 * For:    make fuzz, and the replay of its corpus in the normal check.
 * Uses:   <stager/bytes.h>, <stager/clock.h>, <stager/ids.h>.
 * Called: by libFuzzer or replay.c.
 * Thread: one.
 */
#include <stdlib.h>

#include <stager/bytes.h>
#include <stager/clock.h>
#include <stager/error.h>
#include <stager/ids.h>
#include <stager/json.h>
#include <stager/text.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_so)
{
	if (!is_so)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 4096)
		return 0;
	char text[4097];
	memcpy(text, data, size);
	text[size] = 0;

	char shown[256];
	for (int keep = 0; keep < 2; keep++) {
		stg_printable(text, keep, shown, sizeof(shown));
		must(strlen(shown) < sizeof(shown));
		for (const char *p = shown; *p; p++)
			must((unsigned char)*p >= 0x20 && *p != 0x7f && (keep || !(*p & 0x80)));
		json_t *j = json_string(shown);
		must(j);
		json_decref(j);
	}
	(void)stg_text_columns(text);
	(void)stg_uuid_ok(text);

	STG_AUTO(stg_buf_clear) struct stg_buf raw = STG_BUF(8192);
	STG_AUTO(stg_buf_clear) struct stg_buf back = STG_BUF(16384);
	if (stg_unbase64(text, &raw, NULL)) {
		must(stg_base64(stg_buf_view(&raw), &back, NULL));
		must(back.len == strlen(text));
	} else {
		must(raw.len == 0);
	}
	stg_buf_reset(&raw);
	if (!stg_unhex(text, &raw, NULL))
		must(raw.len == 0);

	int64_t ms;
	char again[STG_TIME_TEXT];
	if (stg_time_parse(text, &ms)) {
		int64_t second;
		stg_time_text(ms, again);
		must(stg_time_parse(again, &second) && second == ms);
	}
	return 0;
}
