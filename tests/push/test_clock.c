/*
 * test_clock.c - a station whose clock is wrong: signatures carry the server's hour, the difference is said, the clock is left alone.
 */
#include "site.h"

#include <stager/clock.h>

static void will_at(struct site *s, int64_t at_s)
{
	char date[64], answer[256];
	time_t t = (time_t)at_s;
	struct tm tm;
	gmtime_r(&t, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	snprintf(answer, sizeof(answer), "HTTP/1.1 200 X\r\nDate: %s\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", date);
	server_will(s->server, WAY_ANSWER, answer);
}

static int64_t said(struct site *s, const char *target)
{
	STG_AUTO(stg_json_free_at) json_t *ret = NULL;
	OK((ret = stg_push_test(&s->door, target, err)) != NULL);
	assert_int_equal(stg_json_int(ret, "code", 0), stg_json_int(ret, "clock_off_s", 0) ? STG_ID_SERVER_CLOCK : 0);
	return stg_json_int(ret, "clock_off_s", 0);
}

static int64_t signed_at(const struct site *s)
{
	return strtoll(stg_json_str(s->server->last_headers, "webhook-timestamp"), NULL, 10);
}

static bool near(int64_t a, int64_t b)
{
	return a - b < 100 && b - a < 100;
}

static void the_servers_hour_is_held_beside_ours_and_said(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	const char *name = webhook_add(s);
	int64_t now_s = stg_wall_ms() / 1000, year = 366LL * 86400;
	/* a clock that is synchronised is better than a server's, whatever that says */
	if (stg_time_quality() == STG_TIME_NTP) {
		will_at(s, now_s + year);
		assert_int_equal(said(s, name), 0);
		return;
	}
	/* a minute is nothing; an hour before this program was made is nobody's hour */
	will_at(s, now_s + 60);
	assert_int_equal(said(s, name), 0);
	will_at(s, stg_build_ms() / 1000 - 86400);
	assert_int_equal(said(s, name), 0);

	will_at(s, now_s + year);
	assert_true(near(said(s, name), year));
	assert_true(near(stg_wall_ms() / 1000, now_s));
	stage(s, 1);
	will_at(s, now_s + year);
	assert_int_equal(round_now(s), 1);
	assert_true(near(signed_at(s), now_s + year));

	/* right again: so are we */
	will_at(s, now_s);
	assert_int_equal(said(s, name), 0);
	stage(s, 1);
	will_at(s, now_s);
	assert_int_equal(round_now(s), 1);
	assert_true(near(signed_at(s), now_s));
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_servers_hour_is_held_beside_ours_and_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
