/*
 * test_signed.c - which signatures are kept: of what returns, never of what is one device's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "../../stager/keys/inner.h"

static struct keys_signed *kept;

static int begin(void **state)
{
	(void)state;
	kept = keys_signed_new();
	return 0;
}

static int end(void **state)
{
	(void)state;
	keys_signed_free(kept);
	return 0;
}

static void hash(unsigned int of, uint8_t ret[32])
{
	char text[32];
	snprintf(text, sizeof(text), "profile %u", of);
	stg_sha256(stg_bytes_str(text), ret);
}

static bool finds(unsigned int what)
{
	uint8_t h[32];
	STG_AUTO(stg_buf_clear) struct stg_buf found = STG_BUF(4096);
	char text[32];
	hash(what, h);
	snprintf(text, sizeof(text), "signature of %u", what);
	bool any = keys_signed_find(kept, h, &found);
	assert_true(!any || stg_bytes_equal(stg_buf_view(&found), stg_bytes_str(text)));
	return any;
}

static void was_signed(unsigned int what)
{
	uint8_t h[32];
	char text[32];
	hash(what, h);
	snprintf(text, sizeof(text), "signature of %u", what);
	keys_signed_keep(kept, h, stg_bytes_str(text));
}

static void what_came_once_is_not_kept(void **state)
{
	(void)state;
	was_signed(1);
	assert_false(finds(1));
	was_signed(2);
	assert_false(finds(1));
	assert_false(finds(2));
}

static void what_came_twice_is_there_for_the_third(void **state)
{
	(void)state;
	was_signed(1);
	was_signed(1);
	assert_true(finds(1));
	assert_false(finds(2));
}

static void a_thousand_devices_own_profiles_do_not_push_out_the_common_one(void **state)
{
	(void)state;
	was_signed(1);
	was_signed(1);
	for (unsigned int i = 1000; i < 2000; i++)
		was_signed(i);
	assert_true(finds(1));
	assert_false(finds(1999));
}

static void of_many_common_ones_the_latest_are_there(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 200; i++) {
		was_signed(i);
		was_signed(i);
	}
	assert_true(finds(199));
}

static void one_too_large_is_signed_each_time(void **state)
{
	(void)state;
	static uint8_t large[300 << 10];
	STG_AUTO(stg_buf_clear) struct stg_buf found = STG_BUF(1 << 20);
	uint8_t h[32];
	hash(1, h);
	for (int i = 0; i < 3; i++)
		keys_signed_keep(kept, h, stg_bytes(large, sizeof(large)));
	assert_false(keys_signed_find(kept, h, &found));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_came_once_is_not_kept, begin, end),
		cmocka_unit_test_setup_teardown(what_came_twice_is_there_for_the_third, begin, end),
		cmocka_unit_test_setup_teardown(a_thousand_devices_own_profiles_do_not_push_out_the_common_one, begin, end),
		cmocka_unit_test_setup_teardown(of_many_common_ones_the_latest_are_there, begin, end),
		cmocka_unit_test_setup_teardown(one_too_large_is_signed_each_time, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
