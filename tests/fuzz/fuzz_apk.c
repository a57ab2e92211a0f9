/*
 * fuzz_apk.c - any bytes as an Android app: its checksums and signer, or refused as a file of a person with a reason.
 *
 * For:    make fuzz, and the replay of its corpus in the normal check.
 * Called: by libFuzzer or replay.c.
 * Thread: one.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stager/android.h>
#include <stager/error.h>
#include <stager/file.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_close_at) int fd = memfd_create("apk", MFD_CLOEXEC);
	if (fd < 0 || !stg_file_write_fd(fd, stg_bytes(data, size), -1, NULL))
		abort();
	STG_AUTO(stg_json_free_at) json_t *row = stg_android_apk(fd, &err);
	/* base64url of 32 bytes */
	if (row ? strlen(stg_json_str(row, "package_checksum")) != 43 : (err.code != STG_E_INPUT || !err.id))
		abort();
	return 0;
}
