/*
 * fuzz_ipa.c - any bytes as an app package: read within bounds, or refused as a file of a person with a reason.
 *
 * For:    make fuzz, and the replay of its corpus in the normal check.
 * Called: by libFuzzer or replay.c.
 * Thread: one.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stager/apps.h>
#include <stager/error.h>
#include <stager/file.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_close_at) int fd = memfd_create("ipa", MFD_CLOEXEC);
	if (fd < 0 || !stg_file_write_fd(fd, stg_bytes(data, size), -1, NULL))
		abort();
	STG_AUTO(stg_json_free_at) json_t *row = stg_ipa_read(fd, &err);
	if (!row) {
		if (err.code != STG_E_INPUT || !err.id)
			abort();
		return 0;
	}
	if (!stg_bundle_id_ok(stg_json_str(row, "bundle_id")) || !*stg_json_str(row, "version") || !*stg_json_str(row, "signing"))
		abort();
	/* two versions that a stranger chose are compared to an end */
	(void)stg_app_version_compare(stg_json_str(row, "version"), stg_json_str(row, "build"));
	char *text = stg_json_text(row);
	free(text);
	return 0;
}
