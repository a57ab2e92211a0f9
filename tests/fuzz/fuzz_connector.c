/* fuzz_connector.c - any bytes given as a connector file: no crash, a connector or a sentence. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <stager/error.h>
#include <stager/file.h>
#include <stager/push.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[64];
	struct stg_error err = { 0 };
	if (!path[0]) {
		char dir[] = "/tmp/stgfuzz.XXXXXX";
		if (!mkdtemp(dir))
			abort();
		snprintf(path, sizeof(path), "%s/c.yaml", dir);
	}
	FILE *f = fopen(path, "we");
	if (!f || (size && fwrite(data, size, 1, f) != 1) || fclose(f) != 0)
		abort();
	STG_AUTO(stg_json_free_at) json_t *c = stg_connector_load(NULL, path, &err);
	if (!c && (err.code == STG_OK || !err.msg[0]))
		abort();
	return 0;
}
