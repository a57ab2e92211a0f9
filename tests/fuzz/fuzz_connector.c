/* fuzz_connector.c - any bytes given as a connector file: no crash, a connector or a sentence. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stager/error.h>
#include <stager/push.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	struct stg_error err = { 0 };
	STG_AUTO(stg_close_at) int fd = memfd_create("connector", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	STG_AUTO(stg_json_free_at) json_t *c = stg_connector_load(NULL, path, &err);
	if (!c && (err.code == STG_OK || !err.msg[0]))
		abort();
	return 0;
}
