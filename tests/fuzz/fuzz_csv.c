/* fuzz_csv.c - any bytes given as a device list: no crash, no more than the ceilings, problems or rows but never silence. */
#include <stdlib.h>

#include <stager/batchfile.h>
#include <stager/error.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *j = stg_batchfile_read("fuzz.csv", stg_bytes(data, size), NULL, &err);
	if (!j || (!stg_json_int(j, "problem_count", 0) && !json_array_size(json_object_get(j, "rows"))))
		abort();
	char *text = json_dumps(j, 0);
	if (!text)
		abort();
	free(text);
	return 0;
}
