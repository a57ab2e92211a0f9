/*
 * fuzz_blackout.c - any log through the nets of the support bundle: what is known to be secret never comes out, whatever
 * stands around it.
 *
 * For:    make fuzz, and the replay of its corpus in the normal check.
 * Uses:   stager/ops/_blackout.h.
 * Called: by libFuzzer or replay.c.
 * Thread: one.
 */
#include <stdlib.h>

#include "../../stager/ops/_blackout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char SECRET[] = "Zs3cr\"t&1", SERIAL[] = "F2LXK0AAAA01";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(1 << 20);
	STG_AUTO(stg_secret_clear) struct stg_secret key = { 0 };
	struct blackout *b = blackout_new();
	blackout_secret(b, stg_bytes_str(SECRET));
	if (size && data[0] & 1) {
		uint8_t bytes[32] = { 7 };
		if (!stg_secret_set(&key, stg_bytes(bytes, sizeof(bytes)), NULL) || !blackout_pseudonyms(b, &key, NULL))
			abort();
		blackout_identifier(b, SERIAL);
		blackout_unit(b, "7777777777777777");
	}
	bool whole = blackout_text(b, stg_bytes(data, size), &out, NULL);
	if (whole && out.len && memmem(out.data, out.len, SECRET, sizeof(SECRET) - 1))
		abort();
	blackout_free(b);
	return 0;
}
