/* fuzz_people.c - any bytes given as a list of people: no crash, people who can be told apart or a sentence, never both or silence. */
#include <stdlib.h>
#include <string.h>

#include <stager/error.h>
#include <stager/peoplefile.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *j = stg_peoplefile_read("fuzz", stg_bytes(data, size), NULL, &err);
	if (!j) {
		if (!err.id)
			abort();
		return 0;
	}
	size_t i;
	json_t *one;
	if (!json_array_size(json_object_get(j, "people")))
		abort();
	json_array_foreach(json_object_get(j, "people"), i, one) {
		bool keyed = false;
		const char *field;
		json_t *value;
		for (size_t k = 0; stg_person_keys[k]; k++)
			keyed = keyed || *stg_json_str(one, stg_person_keys[k]);
		json_object_foreach(one, field, value)
			if (field[0] == '~' || (json_is_string(value) && (strlen(json_string_value(value)) > STG_PERSON_VALUE_MAX || strpbrk(json_string_value(value), "\n\r"))))
				abort();
		if (!keyed)
			abort();
	}
	return 0;
}
