/*
 * test_client.c - what a failing request means, for each way a server or the line can fail.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stager/clock.h>
#include <stager/net.h>

#include "../push/server.h"

static struct made ca, other_ca, good, expired, early, wrong_name, client;
static char ca_pem[8192], client_pem[8192], stranger_pem[8192];

static int make_all(void **state)
{
	(void)state;
	struct made stranger;
	ca = make_certificate("Test CA", NULL, NULL, -3600, 86400);
	other_ca = make_certificate("Other CA", NULL, NULL, -3600, 86400);
	good = make_certificate("good", "IP:127.0.0.1,DNS:localhost", &ca, -3600, 86400);
	expired = make_certificate("expired", "IP:127.0.0.1", &ca, -7200, -3600);
	early = make_certificate("early", "IP:127.0.0.1", &ca, 3600, 86400);
	wrong_name = make_certificate("wrong", "DNS:elsewhere.example", &ca, -3600, 86400);
	client = make_certificate("client", "DNS:station.example", &ca, -3600, 86400);
	stranger = make_certificate("stranger", "DNS:stranger.example", &other_ca, -3600, 86400);
	made_pem(&ca, false, ca_pem, sizeof(ca_pem));
	made_pem(&client, true, client_pem, sizeof(client_pem));
	made_pem(&stranger, true, stranger_pem, sizeof(stranger_pem));
	made_clear(&stranger);
	return 0;
}

static int clear_all(void **state)
{
	(void)state;
	struct made *all[] = { &ca, &other_ca, &good, &expired, &early, &wrong_name, &client };
	for (size_t i = 0; i < STG_ARRAY_LEN(all); i++)
		made_clear(all[i]);
	return 0;
}

struct asked {
	struct stg_net_answer a;
	char url[128];
};

static void asked_clear(struct asked *q)
{
	stg_net_answer_clear(&q->a);
}

/* POSTs {} with the CA of the test, 20 s at most. */
static struct asked ask_with(struct server *s, const struct stg_net_ask *more)
{
	struct asked q = { 0 };
	struct stg_error err = { 0 };
	struct stg_net_ask ask = more ? *more : (struct stg_net_ask){ 0 };
	snprintf(q.url, sizeof(q.url), "http%s://127.0.0.1:%d/hook", s->tls ? "s" : "", s->port);
	if (!ask.method)
		ask.method = "POST";
	ask.url = q.url;
	ask.body = stg_bytes_str("{}");
	if (!ask.ca_pem.len)
		ask.ca_pem = stg_bytes_str(ca_pem);
	ask.allow_loopback_http = true;
	if (!ask.timeout_ms)
		ask.timeout_ms = 20000;
	if (!stg_net(&ask, &q.a, &err))
		fail_msg("could not be asked at all: %s", err.msg);
	return q;
}

static void meets(struct server *s, enum way way, const char *text, const struct stg_net_ask *more, enum stg_net_class expected)
{
	server_will(s, way, text);
	STG_AUTO(asked_clear) struct asked q = ask_with(s, more);
	if (q.a.class != expected)
		fail_msg("way %d '%.30s': %s (%s), %s was expected", way, text ? text : "", stg_net_class_name(q.a.class), q.a.text, stg_net_class_name(expected));
	if (expected != STG_NET_OK)
		assert_true(q.a.text[0]);
}

static void addresses_that_could_leak_or_be_read_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "http://example.com/", "http://127.0.0.1.example.com/", "http://10.0.0.1/", "ftp://127.0.0.1/", "file:///etc/passwd",
					   "https://user:pw@example.com/", "example.com", "", "https://", "gopher://x" };
	static const char *const good_ones[] = { "https://example.com/a?b=c", "http://127.0.0.1:80/", "http://127.8.8.8/", "http://[::1]:8/", "http://localhost/x" };
	struct stg_error err = { 0 };
	for (size_t i = 0; i < STG_ARRAY_LEN(bad); i++) {
		if (stg_net_url_ok(bad[i], true, &err))
			fail_msg("%s was taken", bad[i]);
		assert_null(strstr(err.msg, "pw"));
	}
	for (size_t i = 0; i < STG_ARRAY_LEN(good_ones); i++)
		if (!stg_net_url_ok(good_ones[i], true, &err))
			fail_msg("%s: %s", good_ones[i], err.msg);
	assert_false(stg_net_url_ok("http://127.0.0.1/", false, &err));
	assert_true(stg_net_is_loopback("https://127.0.0.1/x"));
	assert_false(stg_net_is_loopback("https://example.com/127.0.0.1"));
}

static void a_server_that_is_down_is_offline_and_nothing_was_sent(void **state)
{
	(void)state;
	struct server *s = server_start(NULL, NULL);
	struct asked q = { 0 };
	struct stg_error err = { 0 };
	snprintf(q.url, sizeof(q.url), "http://127.0.0.1:%d/hook", s->port);
	server_stop_at(&s);
	struct stg_net_ask ask = { .method = "POST", .url = q.url, .allow_loopback_http = true, .timeout_ms = 20000 };
	assert_true(stg_net(&ask, &q.a, &err));
	assert_int_equal(q.a.class, STG_NET_OFFLINE);
	assert_false(q.a.sent_something);
	asked_clear(&q);
}

static void wrong_certificates_are_told_apart(void **state)
{
	(void)state;
	static const struct {
		struct made *cert;
		enum stg_net_class expected;
	} cases[] = { { &good, STG_NET_OK }, { &expired, STG_NET_CLOCK }, { &early, STG_NET_CLOCK }, { &wrong_name, STG_NET_TRUST }, { &other_ca, STG_NET_TRUST } };
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		STG_AUTO(server_stop_at) struct server *s = server_start(cases[i].cert, NULL);
		STG_AUTO(asked_clear) struct asked q = ask_with(s, NULL);
		if (q.a.class != cases[i].expected)
			fail_msg("certificate %zu: %s (%s)", i, stg_net_class_name(q.a.class), q.a.text);
		assert_int_equal(s->applied, cases[i].expected == STG_NET_OK);
	}
	STG_AUTO(server_stop_at) struct server *s = server_start(&good, NULL);
	struct stg_net_ask pinned = { .pinned_keys = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" };
	STG_AUTO(asked_clear) struct asked q = ask_with(s, &pinned);
	assert_int_equal(q.a.class, STG_NET_TRUST);
	assert_int_equal(s->requests, 0);
}

static void the_server_may_want_our_certificate(void **state)
{
	(void)state;
	STG_AUTO(server_stop_at) struct server *s = server_start(&good, &ca);
	struct stg_net_ask with = { .client_pem = stg_bytes_str(client_pem) }, stranger = { .client_pem = stg_bytes_str(stranger_pem) },
			   broken = { .client_pem = stg_bytes_str("-----BEGIN nothing") };
	STG_AUTO(asked_clear) struct asked ok = ask_with(s, &with);
	assert_int_equal(ok.a.class, STG_NET_OK);
	STG_AUTO(asked_clear) struct asked none = ask_with(s, NULL);
	assert_int_equal(none.a.class, STG_NET_AUTH);
	STG_AUTO(asked_clear) struct asked wrong = ask_with(s, &stranger);
	assert_int_equal(wrong.a.class, STG_NET_AUTH);
	STG_AUTO(asked_clear) struct asked bad = ask_with(s, &broken);
	assert_int_equal(bad.a.class, STG_NET_AUTH);
	assert_int_equal(s->applied, 1);
}

static void statuses_have_one_meaning_each(void **state)
{
	(void)state;
	STG_AUTO(server_stop_at) struct server *s = server_start(NULL, NULL);
	static const struct {
		const char *answer;
		enum stg_net_class expected;
	} cases[] = {
		{ "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", STG_NET_OK },
		{ "HTTP/1.1 301 Moved\r\nLocation: http://example.com/\r\nContent-Length: 0\r\n\r\n", STG_NET_TRUST },
		{ "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n", STG_NET_ROW }, { "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", STG_NET_AUTH },
		{ "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", STG_NET_AUTH }, { "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", STG_NET_ROW },
		{ "HTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n", STG_NET_ROW }, { "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", STG_NET_THROTTLED },
		{ "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", STG_NET_IN_DOUBT }, { "HTTP/1.1 502 Oh\r\nContent-Length: 0\r\n\r\n", STG_NET_IN_DOUBT },
		{ "HTTP/1.1 408 Slow\r\nContent-Length: 0\r\n\r\n", STG_NET_IN_DOUBT }, { "HTTP/1.1 503 Oh\r\nContent-Length: 0\r\n\r\n", STG_NET_IN_DOUBT },
		{ "HTTP/1.1 503 Oh\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n", STG_NET_THROTTLED },
		{ "HTTP/1.1 511 Portal\r\nContent-Length: 0\r\n\r\n", STG_NET_TRUST },
		{ "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>", STG_NET_TRUST },
		{ "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}", STG_NET_OK },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", STG_NET_TRUST },
	};
	struct stg_net_ask json_only = { .expect_type = "application/json" }, reading = { .method = "GET" };
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++)
		meets(s, WAY_ANSWER, cases[i].answer, &json_only, cases[i].expected);
	/* what only reads is never in doubt */
	meets(s, WAY_ANSWER, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", &reading, STG_NET_SERVER);
	meets(s, WAY_ANSWER, "HTTP/1.1 503 Oh\r\nContent-Length: 0\r\n\r\n", &reading, STG_NET_SERVER);
	meets(s, WAY_ANSWER, "HTTP/1.1 408 Slow\r\nContent-Length: 0\r\n\r\n", &reading, STG_NET_SERVER);
	meets(s, WAY_CUT_AFTER, NULL, &reading, STG_NET_OFFLINE);
}

static void cut_connections_leave_a_write_in_doubt_and_half_an_answer_is_none(void **state)
{
	(void)state;
	STG_AUTO(server_stop_at) struct server *s = server_start(&good, NULL);
	struct stg_net_ask impatient = { .timeout_ms = 1500 };
	meets(s, WAY_CUT_AFTER, NULL, NULL, STG_NET_IN_DOUBT);
	meets(s, WAY_CUT_BEFORE, NULL, NULL, STG_NET_IN_DOUBT);
	meets(s, WAY_SILENT, NULL, &impatient, STG_NET_IN_DOUBT);
	meets(s, WAY_HUGE, NULL, NULL, STG_NET_IN_DOUBT);
	server_will(s, WAY_HALF, NULL);
	STG_AUTO(asked_clear) struct asked q = ask_with(s, NULL);
	assert_int_equal(q.a.class, STG_NET_IN_DOUBT);
	assert_int_equal(q.a.body.len, 0);
}

static void retry_after_is_read_as_seconds_or_date_against_the_servers_clock(void **state)
{
	(void)state;
	STG_AUTO(server_stop_at) struct server *s = server_start(NULL, NULL);
	static const struct {
		const char *header;
		int64_t ms;
	} cases[] = {
		{ "Retry-After: 120", 120000 }, { "Retry-After: 2.128", 3000 }, { "Retry-After: 0", 1000 }, { "Retry-After: 1000000000", 21600000 },
		{ "Retry-After: -5", -1 }, { "Retry-After: soon", -1 }, { "X: y", -1 }, { "Retry-After: 12abc", -1 },
		{ "Date: Wed, 01 Jan 2020 00:00:00 GMT\r\nRetry-After: Wed, 01 Jan 2020 00:01:30 GMT", 90000 },
		{ "Date: Wed, 01 Jan 2020 00:01:00 GMT\r\nRetry-After: Wed, 01 Jan 2020 00:00:30 GMT", 1000 },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		char text[512];
		snprintf(text, sizeof(text), "HTTP/1.1 429 Slow\r\n%s\r\nContent-Length: 0\r\n\r\n", cases[i].header);
		server_will(s, WAY_REFUSE, text);
		STG_AUTO(asked_clear) struct asked q = ask_with(s, NULL);
		if (q.a.retry_after_ms != cases[i].ms)
			fail_msg("%s gave %lld ms", cases[i].header, (long long)q.a.retry_after_ms);
	}
}

static void headers_cannot_be_smuggled_and_secrets_travel_only_there(void **state)
{
	(void)state;
	STG_AUTO(server_stop_at) struct server *s = server_start(NULL, NULL);
	STG_AUTO(stg_json_free_at) json_t *bad = json_pack("{s:s}", "X-Tag", "a\r\nX-Evil: 1");
	struct stg_net_answer a;
	struct stg_error err = { 0 };
	char url[64];
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", s->port);
	struct stg_net_ask ask = { .method = "POST", .url = url, .headers = bad, .allow_loopback_http = true };
	assert_false(stg_net(&ask, &a, &err));
	stg_net_answer_clear(&a);
	assert_int_equal(s->requests, 0);

	struct stg_secret token = { 0 };
	assert_true(stg_secret_set(&token, stg_bytes_str("Bearer MARKED-SECRET"), &err));
	struct stg_net_ask with = { .secret_header = "Authorization", .secret_value = &token };
	server_will(s, WAY_REFUSE, "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n");
	STG_AUTO(asked_clear) struct asked q = ask_with(s, &with);
	assert_string_equal(stg_json_str(s->last_headers, "authorization"), "Bearer MARKED-SECRET");
	assert_null(strstr(q.a.text, "MARKED"));
	stg_secret_clear(&token);
}

static void *pull_when_asked(void *arg)
{
	void **both = arg;
	struct server *s = both[0];
	for (int seen = 0; !seen;) {    /* until the request is there */
		pthread_mutex_lock(&s->lock);
		seen = s->requests;
		pthread_mutex_unlock(&s->lock);
		usleep(1000);
	}
	stg_stop_pull(both[1]);
	return NULL;
}

static void stopping_ends_a_waiting_request_at_once(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(server_stop_at) struct server *s = server_start(NULL, NULL);
	STG_AUTO(stg_stop_free_at) struct stg_stop *stop = stg_stop_new(&err);
	server_will(s, WAY_SILENT, NULL);
	void *both[] = { s, stop };
	pthread_t t;
	assert_int_equal(pthread_create(&t, NULL, pull_when_asked, both), 0);
	struct stg_net_ask patient = { .timeout_ms = 300000, .stop = stop };
	int64_t began = stg_boot_ms();
	STG_AUTO(asked_clear) struct asked q = ask_with(s, &patient);
	pthread_join(t, NULL);
	assert_int_equal(q.a.class, STG_NET_IN_DOUBT);
	assert_true(stg_boot_ms() - began < 60000);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_that_could_leak_or_be_read_are_refused),
		cmocka_unit_test(a_server_that_is_down_is_offline_and_nothing_was_sent),
		cmocka_unit_test(wrong_certificates_are_told_apart),
		cmocka_unit_test(the_server_may_want_our_certificate),
		cmocka_unit_test(statuses_have_one_meaning_each),
		cmocka_unit_test(cut_connections_leave_a_write_in_doubt_and_half_an_answer_is_none),
		cmocka_unit_test(retry_after_is_read_as_seconds_or_date_against_the_servers_clock),
		cmocka_unit_test(headers_cannot_be_smuggled_and_secrets_travel_only_there),
		cmocka_unit_test(stopping_ends_a_waiting_request_at_once),
	};
	return cmocka_run_group_tests(tests, make_all, clear_all);
}
