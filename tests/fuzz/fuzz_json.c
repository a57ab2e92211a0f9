/*
 * fuzz_json.c - any bytes as JSON; what is read can be written, and read again is the same.
 *
 * For:    make fuzz, and the replay of its corpus in the normal check.
 * Uses:   <stager/json.h>.
 * Called: by libFuzzer or replay.c.
 * Thread: one.
 */
#include <stdlib.h>

#include <stager/error.h>
#include <stager/json.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *j = stg_json_parse(stg_bytes(data, size), 1 << 20, &err);
	if (!j) {
		if (err.code != STG_E_PROTOCOL || !err.msg[0])
			abort();
		return 0;
	}
	STG_AUTO(stg_free_at) char *text = stg_json_text(j);
	/* \u escapes become longer or shorter, never more than the ceiling of the second reading */
	STG_AUTO(stg_json_free_at) json_t *again = stg_json_parse(stg_bytes_str(text), 8 << 20, &err);
	if (!again)
		abort();
	STG_AUTO(stg_free_at) char *second = stg_json_text(again);
	if (strcmp(text, second) != 0)
		abort();
	(void)stg_json_to_error(j, &err);
	return 0;
}
