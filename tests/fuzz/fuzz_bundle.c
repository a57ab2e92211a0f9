/*
 * fuzz_bundle.c - any bytes as the archive inside a bundle: unpacked, its lines and files looked at.
 */
#include <stdlib.h>

#include <stager/bundle.h>
#include <stager/error.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const lists[] = { "records.ndjson", "deliveries.ndjson", "receipts.ndjson", "evidence.ndjson" };
	STG_AUTO(stg_bundle_clear) struct stg_bundle b = { 0 };
	struct stg_error err = { 0 };
	if (!stg_bundle_unpack(stg_bytes(data, size), &b, &err)) {
		if (!err.id || !err.msg[0])
			abort();
		return 0;
	}
	for (size_t i = 0; i < b.n_members; i++) {
		char kind[16], name[STG_TAR_NAME_MAX];
		/* whatever it is called, it stays in its folder */
		if (stg_bundle_file(&b.members[i], kind, name) && (strchr(name, '/') || name[0] == '.' || !name[0]))
			abort();
		if (b.members[i].bytes.data < data || b.members[i].bytes.data + b.members[i].bytes.len > data + size)
			abort();
	}
	for (size_t i = 0; i < STG_ARRAY_LEN(lists); i++) {
		STG_AUTO(stg_json_free_at) json_t *lines = stg_bundle_lines(&b, lists[i], &err);
		(void)lines;
	}
	return 0;
}
