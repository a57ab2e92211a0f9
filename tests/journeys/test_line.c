/*
 * test_line.c - a line is not announced: what waits for it goes on by itself, without a hand and without a word.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "journey.h"

static bool until_waiting(void *ctx, const json_t *event)
{
	struct journey_wait *w = ctx;
	const json_t *slot = json_object_get(event, "slot");
	if (slot && strcmp(stg_json_str(slot, "state"), "waiting") == 0 && strcmp(stg_json_str(slot, "wait"), "line") == 0)
		w->events = 0;
	return w->events > 0 && stg_boot_ms() < w->until_ms;
}

static void a_new_box_goes_on_when_the_line_is_back(void **state)
{
	(void)state;
	static const char *const options[] = { "--fresh", "--line", "closed", NULL };
	struct journey j;
	struct stg_error err = { 0 };
	journey_begin(&j, 1, "instant", 21, options);
	journey_batch(&j, "ipad-hospital-ward", "pool");
	journey_tell(&j, "plug", "all", NULL, NULL);
	struct journey_wait w = { .j = &j, .until_ms = stg_boot_ms() + 300000, .events = 1 };
	journey_must(stg_events(&j.caller, until_waiting, &w, NULL, &err), &err, "events");
	assert_int_equal(w.events, 0);
	journey_tell(&j, "line", "open", NULL, NULL);
	assert_true(journey_wait_staged(&j, 1, 300000));
	journey_end(&j);
}

/* The line open for so long and no longer: it closes by itself, results wait from then on and leave when it opens again. */
static bool until_closed(void *ctx, const json_t *event)
{
	struct journey_wait *w = ctx;
	if (event && strcmp(stg_json_str(event, "what"), "line") == 0 && !stg_json_bool(event, "open", true))
		w->events = 0;
	return w->events > 0 && stg_boot_ms() < w->until_ms;
}

static void a_closed_line_keeps_results_here_and_an_hour_closes_it(void **state)
{
	(void)state;
	struct journey j;
	struct stg_error err = { 0 };
	journey_begin(&j, 2, "instant", 22, NULL);
	/* waits for the event, not for the time: it was asked for before anybody listened if the machine is slow */
	json_decref(journey_op(&j, "window.open", json_pack("{s:I}", "until_ms", (json_int_t)(stg_wall_ms() + 3000)), NULL));
	struct journey_wait w = { .j = &j, .until_ms = stg_boot_ms() + 30000, .events = 1 };
	STG_AUTO(stg_json_free_at) json_t *was = journey_op(&j, "window.show", json_object(), NULL);
	if (stg_json_bool(was, "open", false)) {
		journey_must(stg_events(&j.caller, until_closed, &w, NULL, &err), &err, "events");
		assert_int_equal(w.events, 0);
	}
	STG_AUTO(stg_json_free_at) json_t *status = journey_op(&j, "status", json_object(), NULL);
	assert_false(stg_json_bool(json_object_get(status, "line"), "open", true));
	journey_batch(&j, "ipad-hospital-ward", "pool");
	journey_tell(&j, "plug", "all", NULL, NULL);
	assert_true(journey_wait_staged(&j, 2, 300000));
	json_decref(journey_op(&j, "push.now", json_object(), NULL));
	journey_let_pass(&j, 3, 1500);
	STG_AUTO(stg_json_free_at) json_t *sum = journey_op(&j, "outbox.summary", json_object(), NULL);
	assert_true(stg_json_int(sum, "waiting", 0) >= 2);
	assert_int_equal(stg_json_int(sum, "delivered", 0), 0);
	assert_string_equal(stg_json_str(json_array_get(json_object_get(sum, "by_target"), 0), "state"), "line");
	STG_AUTO(stg_json_free_at) json_t *none = journey_word(&j, "receiver", "records", NULL, NULL);
	assert_int_equal(json_array_size(json_object_get(none, "records")), 0);
	json_decref(journey_op(&j, "window.open", json_object(), NULL));
	assert_true(journey_wait_drained(&j, 300000));
	journey_agrees(&j, 2);
	STG_AUTO(stg_json_free_at) json_t *after = journey_op(&j, "outbox.summary", json_object(), NULL);
	assert_string_equal(stg_json_str(json_array_get(json_object_get(after, "by_target"), 0), "state"), "");
	journey_end(&j);
}

/* A server that takes connections and never says a word. */
static int mute_server(char url[64])
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&at, len) == 0 && listen(fd, 8) == 0 &&
		    getsockname(fd, (struct sockaddr *)&at, &len) == 0);
	snprintf(url, 64, "http://127.0.0.1:%u/hook", (unsigned int)ntohs(at.sin_port));
	return fd;
}

/* In a process of its own, with its own connection to the station: what the answer was, as its exit status. */
static pid_t ask_target(const struct journey *j, const char *name)
{
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	struct stg_caller c;
	struct stg_error err = { 0 };
	json_t *ret = NULL, *in = json_pack("{s:s}", "name", name);
	if (!stg_caller_open(&c, j->state, "tester", &err))
		_exit(9);
	if (!stg_call(&c, "target.test", in, NULL, 0, &ret, &err))
		_exit(err.id == STG_ID_LINE_CLOSED ? 3 : 8);
	_exit(stg_json_bool(ret, "ok", true) ? 0 : 1);
}

static void asking_a_server_that_says_nothing_keeps_nobody_waiting(void **state)
{
	(void)state;
	struct journey j;
	char url[64];
	int status = 0;
	journey_begin(&j, 1, "instant", 23, NULL);
	int server = mute_server(url);
	json_decref(journey_op(&j, "target.add", json_pack("{s:s, s:s, s:{s:s}}", "name", "mute", "connector", "webhook", "config", "url", url), NULL));
	/* somebody else's act is answered while the question is under way; a stalled machine may need a second look */
	bool overtaken = false;
	for (int i = 0; i < 4 && !overtaken; i++) {
		pid_t asking = ask_target(&j, "mute");
		struct pollfd knock = { .fd = server, .events = POLLIN };
		assert_int_equal(poll(&knock, 1, 60000), 1);
		int talk = accept4(server, NULL, NULL, SOCK_CLOEXEC);
		json_decref(journey_op(&j, "port.allow", json_pack("{s:s}", "port", "1-9"), NULL));
		overtaken = waitpid(asking, &status, WNOHANG) == 0;
		close(talk);
		if (overtaken)
			assert_int_equal(waitpid(asking, &status, 0), asking);
	}
	assert_true(overtaken);
	assert_int_equal(WEXITSTATUS(status), 1);
	json_decref(journey_op(&j, "window.close", json_object(), NULL));
	pid_t asking = ask_target(&j, "mute");
	assert_int_equal(waitpid(asking, &status, 0), asking);
	assert_int_equal(WEXITSTATUS(status), 3);
	close(server);
	journey_end(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_box_goes_on_when_the_line_is_back),
		cmocka_unit_test(asking_a_server_that_says_nothing_keeps_nobody_waiting),
		cmocka_unit_test(a_closed_line_keeps_results_here_and_an_hour_closes_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
