/*
 * test_clock.c - times as text: what is no moment is refused, what is one comes back the same.
 *
 * For:    the promise of <stager/clock.h> and <stager/stop.h>.
 * Uses:   nothing but them.
 * Called: by tests/run.sh.
 * Thread: one, and one more that pulls a stop.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stager/bytes.h>
#include <stager/clock.h>
#include <stager/stop.h>

static void what_is_no_moment_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"", "now", "2026", "2026-11-22", "2026-11-22T02:38:57", "2026-11-22 02:38:57Z", "2026-11-22T02:38:57z",
		"2026-13-22T02:38:57Z", "2026-00-22T02:38:57Z", "2026-11-31T02:38:57Z", "2026-02-29T02:38:57Z",
		"1900-02-29T00:00:00Z", "2026-11-00T02:38:57Z", "2026-11-22T24:00:00Z", "2026-11-22T02:60:57Z",
		"2026-11-22T02:38:61Z", "2026-11-22T02:38:57.Z", "2026-11-22T02:38:57,5Z", "2026-11-22T02:38:57Zx",
		"2026-11-22T02:38:57+01", "2026-11-22T02:38:57+0100", "2026-11-22T02:38:57+24:00", "2026-11-22T02:38:57+01:60",
		"2026-11-22T02:38:57+01:00x", " 2026-11-22T02:38:57Z", "+026-11-22T02:38:57Z", "2026-1-22T02:38:57Z",
		"2026- 1-22T02:38:57Z", "20261-11-22T02:38:57Z", "2026-11-22T02:38:57.123", "2026-11-22T2:38:57Z",
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(bad); i++) {
		int64_t ms = 42;
		if (stg_time_parse(bad[i], &ms))
			fail_msg("'%s' was read", bad[i]);
		assert_int_equal(ms, 42);
	}
}

static void moments_are_read_in_every_zone(void **state)
{
	(void)state;
	static const struct { const char *text; int64_t ms; } good[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-11-22T02:38:57.123Z", INT64_C(1795315137123) },
		{ "2026-11-22T03:38:57.123+01:00", INT64_C(1795315137123) },
		{ "2026-11-21T21:08:57.1239999-05:30", INT64_C(1795315137123) },
		{ "2026-11-22T02:38:57.1Z", INT64_C(1795315137100) },
		{ "2024-02-29T23:59:60Z", INT64_C(1709251200000) },
		{ "2000-02-29T00:00:00-00:00", INT64_C(951782400000) },
		{ "1969-12-31T23:59:59.999Z", -1 },
		{ "0001-01-01T00:00:00Z", INT64_C(-62135596800000) },
		{ "9999-12-31T23:59:59.999Z", INT64_C(253402300799999) },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(good); i++) {
		int64_t ms = 42;
		if (!stg_time_parse(good[i].text, &ms) || ms != good[i].ms)
			fail_msg("'%s' was read as %lld", good[i].text, (long long)ms);
	}
}

static void written_times_come_back(void **state)
{
	(void)state;
	char text[STG_TIME_TEXT];
	int64_t back;
	stg_time_text(INT64_C(1795315137123), text);
	assert_string_equal(text, "2026-11-22T02:38:57.123Z");
	for (int64_t ms = INT64_C(-62135596800000); ms < INT64_C(253402300799999); ms += INT64_C(987654321987)) {
		stg_time_text(ms, text);
		if (!stg_time_parse(text, &back) || back != ms)
			fail_msg("%lld became %s", (long long)ms, text);
	}
	stg_time_text(INT64_MAX, text);
	assert_true(strlen(text) < sizeof(text));
	stg_time_text(INT64_MIN, text);
	assert_true(strlen(text) < sizeof(text));
}

static void clocks_go_on_and_know_the_build(void **state)
{
	(void)state;
	int64_t boot = stg_boot_ms(), cpu = stg_cpu_us();
	assert_true(boot > 0 && stg_boot_ms() >= boot && stg_cpu_us() >= cpu);
	assert_true(stg_build_ms() > INT64_C(1700000000000));
	assert_true(stg_build_ms() <= stg_wall_ms());
	assert_int_not_equal(stg_time_quality(), STG_TIME_UNSET);
	assert_string_equal(stg_time_quality_name(STG_TIME_UNSET), "unset");
	assert_string_equal(stg_time_quality_name(STG_TIME_NTP), "ntp");
	const char *id = stg_boot_id();
	assert_true(strlen(id) == 36 || strlen(id) == 0);
	assert_ptr_equal(stg_boot_id(), id);
}

static void *pull(void *stop)
{
	stg_stop_pull(stop);
	return NULL;
}

static void a_pulled_stop_wakes_who_waits_and_stays_pulled(void **state)
{
	(void)state;
	STG_AUTO(stg_stop_free_at) struct stg_stop *stop = stg_stop_new(NULL);
	assert_non_null(stop);
	struct pollfd p = { .fd = stg_stop_fd(stop), .events = POLLIN };
	assert_false(stg_stop_pulled(stop));
	assert_int_equal(poll(&p, 1, 0), 0);
	pthread_t other;
	assert_int_equal(pthread_create(&other, NULL, pull, stop), 0);
	assert_int_equal(poll(&p, 1, 60000), 1);
	pthread_join(other, NULL);
	assert_true(stg_stop_pulled(stop));
	stg_stop_pull(stop);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_false(stg_stop_pulled(NULL));
	assert_int_equal(stg_stop_fd(NULL), -1);
	stg_stop_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_moment_is_refused),
		cmocka_unit_test(moments_are_read_in_every_zone),
		cmocka_unit_test(written_times_come_back),
		cmocka_unit_test(clocks_go_on_and_know_the_build),
		cmocka_unit_test(a_pulled_stop_wakes_who_waits_and_stays_pulled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
