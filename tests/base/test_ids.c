/*
 * test_ids.c - identifiers: the standard's own examples, and an order that holds.
 *
 * For:    the promise of <stager/ids.h>.
 * Uses:   RFC 9562, appendix A.
 * Called: by tests/run.sh.
 * Thread: several, where they make identifiers at once.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stager/clock.h>
#include <stager/ids.h>

static const char DNS[] = "6ba7b810-9dad-11d1-80b4-00c04fd430c8", URL[] = "6ba7b811-9dad-11d1-80b4-00c04fd430c8";

static void version_5_gives_the_examples_of_the_standard(void **state)
{
	(void)state;
	char id[STG_UUID_TEXT], other[STG_UUID_TEXT];
	stg_uuid5(DNS, "www.example.com", id);
	assert_string_equal(id, "2ed6657d-e927-568b-95e1-2665a8aea6a2"); /* RFC 9562, A.4 */
	stg_uuid5(URL, "http://example.com/", id);
	assert_string_equal(id, "0a300ee9-f9e4-5697-a51a-efc7fafaba67");
	stg_uuid5(DNS, "", id);
	assert_string_equal(id, "4ebd0208-8328-5d69-8c44-ec50939c0967");
	/* the same name in another space, or the space in capitals */
	stg_uuid5(URL, "", other);
	assert_string_not_equal(id, other);
	stg_uuid5("6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "", other);
	assert_string_equal(id, other);
}

static void version_7_rises_and_carries_the_time(void **state)
{
	(void)state;
	char last[STG_UUID_TEXT] = "", id[STG_UUID_TEXT], stamp[14];
	int64_t before = stg_wall_ms();
	for (int i = 0; i < 20000; i++) {
		stg_uuid7(id);
		assert_true(stg_uuid_ok(id));
		assert_int_equal(id[14], '7');
		assert_non_null(strchr("89ab", id[19]));
		if (strcmp(last, id) >= 0)
			fail_msg("%s after %s", id, last);
		memcpy(last, id, sizeof(last));
		if (i == 0) {
			snprintf(stamp, sizeof(stamp), "%.8s%.4s", id, id + 9);
			int64_t ms = strtoll(stamp, NULL, 16);
			assert_true(ms >= before && ms <= stg_wall_ms());
		}
	}
}

#define EACH 20000
#define THREADS 4

static void *make_many(void *to)
{
	char (*ids)[STG_UUID_TEXT] = to;
	for (int i = 0; i < EACH; i++)
		stg_uuid7(ids[i]);
	return NULL;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void no_identifier_is_made_twice(void **state)
{
	(void)state;
	char (*ids)[STG_UUID_TEXT] = calloc(THREADS * EACH, STG_UUID_TEXT);
	pthread_t threads[THREADS];
	assert_non_null(ids);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, make_many, ids + i * EACH), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	qsort(ids, THREADS * EACH, STG_UUID_TEXT, by_text);
	for (int i = 1; i < THREADS * EACH; i++)
		assert_memory_not_equal(ids[i - 1], ids[i], 18); /* already the ordered part differs */
	free(ids);
}

static void version_4_is_random(void **state)
{
	(void)state;
	char a[STG_UUID_TEXT], b[STG_UUID_TEXT];
	stg_uuid4(a);
	stg_uuid4(b);
	assert_true(stg_uuid_ok(a));
	assert_int_equal(a[14], '4');
	assert_string_not_equal(a, b);
	uint8_t many[1000] = { 0 }, zero[16] = { 0 };
	stg_random(many, sizeof(many));
	assert_memory_not_equal(many + 984, zero, 16);
	stg_random(many, 0);
}

static void what_is_no_identifier_is_told(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "6ba7b810", "6ba7b8109dad11d180b400c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430c",
					   "6ba7b810-9dad-11d1-80b4-00c04fd430c8x", "6ba7b810-9dad-11d1-80b4-00c04fd430cg",
					   "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}", "6ba7b810_9dad-11d1-80b4-00c04fd430c8" };
	for (size_t i = 0; i < STG_ARRAY_LEN(bad); i++)
		assert_false(stg_uuid_ok(bad[i]));
	assert_true(stg_uuid_ok(DNS));
	assert_true(stg_uuid_ok("6BA7B810-9DAD-11D1-80B4-00C04FD430C8"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_5_gives_the_examples_of_the_standard),
		cmocka_unit_test(version_7_rises_and_carries_the_time),
		cmocka_unit_test(no_identifier_is_made_twice),
		cmocka_unit_test(version_4_is_random),
		cmocka_unit_test(what_is_no_identifier_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
