/*
 * fuzz_plist.c - what stg_plist_scan() lets through, libplist survives: it reads it, in 64 MiB, without a crash.
 *
 * For:    make fuzz, and the replay of its corpus in the normal check.
 * Uses:   libplist as the device drivers use it.
 * Called: by libFuzzer or replay.c.
 * Thread: one.
 */
#include <malloc.h>
#include <stdlib.h>

#include <plist/plist.h>

#include <stager/error.h>
#include <stager/plistscan.h>

#define MEMORY_MAX ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t in_use(void)
{
	struct mallinfo2 m = mallinfo2();
	return m.uordblks + m.hblkhd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stg_error err = { 0 };
	enum stg_plist_form form;
	if (!stg_plist_scan(stg_bytes(data, size), &stg_plist_device, &form, &err)) {
		if ((err.code != STG_E_PROTOCOL && err.code != STG_E_NOMEM) || !err.msg[0])
			abort();
		return 0;
	}
	plist_t tree = NULL;
	size_t before = in_use();
	plist_from_memory((const char *)data, (uint32_t)size, &tree);
	size_t after = in_use();
	if (!tree || (after > before && after - before > MEMORY_MAX))
		abort();
	if (size < 65536) {
		char *text = NULL;
		uint32_t len = 0;
		plist_to_xml(tree, &text, &len);
		free(text);
	}
	plist_free(tree);
	return 0;
}
