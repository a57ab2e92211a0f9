/*
 * fuzz_image.c - any bytes as a system image: read within bounds, or refused as a file of a person with a reason.
 *
 * For:    make fuzz, and the replay of its corpus in the normal check.
 * Called: by libFuzzer or replay.c.
 * Thread: one.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stager/error.h>
#include <stager/file.h>
#include <stager/images.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_close_at) int fd = memfd_create("ipsw", MFD_CLOEXEC);
	if (fd < 0 || !stg_file_write_fd(fd, stg_bytes(data, size), -1, NULL))
		abort();
	STG_AUTO(stg_json_free_at) json_t *row = stg_image_read(fd, &err);
	if (!row) {
		if (err.code != STG_E_INPUT || !err.id)
			abort();
		return 0;
	}
	/* a version goes into a sentence and nowhere near a path */
	if (strpbrk(stg_json_str(row, "version"), "/ \n") || strpbrk(stg_json_str(row, "build"), "/ \n") || !json_array_size(json_object_get(row, "products")))
		abort();
	return 0;
}
