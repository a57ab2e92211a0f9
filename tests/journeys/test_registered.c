/*
 * test_registered.c - devices the MDM must have before they leave the bench: they wait for its receipt, through a closed line and a
 * killed station, and are staged or held by it without a hand.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "journey.h"

/* An MDM that registers by serial number, one a request; it refuses one of them. */
struct mdm {
	int listener;
	pthread_t thread;
	_Atomic bool over;
	pthread_mutex_t lock;
	char refuses[64];
	json_t *told;                 /* serial -> how often it was taken */
};

static bool read_request(int fd, char *in, size_t size)
{
	size_t have = 0;
	for (;;) {
		char *end = strstr(in, "\r\n\r\n"), *length = strcasestr(in, "content-length:");
		if (end && have >= (size_t)(end + 4 - in) + (length ? (size_t)atoi(length + 15) : 0))
			return true;
		ssize_t n = have + 1 < size ? read(fd, in + have, size - have - 1) : 0;
		if (n <= 0)
			return false;
		have += (size_t)n;
		in[have] = 0;
	}
}

static void *serve(void *arg)
{
	struct mdm *m = arg;
	while (!m->over) {
		struct pollfd knock = { .fd = m->listener, .events = POLLIN };
		if (poll(&knock, 1, 100) != 1)
			continue;
		int fd = accept4(m->listener, NULL, NULL, SOCK_CLOEXEC);
		char in[16384] = "", out[400];
		if (fd >= 0 && read_request(fd, in, sizeof(in))) {
			STG_AUTO(stg_json_free_at) json_t *body = json_loads(strstr(in, "\r\n\r\n") + 4, 0, NULL);
			const char *serial = stg_json_str(body, "serial");
			pthread_mutex_lock(&m->lock);
			bool is_refused = strcmp(m->refuses, serial) == 0;
			if (!is_refused)
				stg_json_put_int(m->told, serial, stg_json_int(m->told, serial, 0) + 1);
			pthread_mutex_unlock(&m->lock);
			const char *text = is_refused ? "{\"message\":\"belongs to another tenant\"}" : "{}";
			int n = snprintf(out, sizeof(out), "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
					 is_refused ? "422 No" : "200 OK", strlen(text), text);
			if (write(fd, out, (size_t)n) != n)
				print_message("the station hung up\n");
		}
		if (fd >= 0)
			close(fd);
	}
	return NULL;
}

static void mdm_start(struct mdm *m, char url[64])
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	m->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(m->listener >= 0 && bind(m->listener, (struct sockaddr *)&at, len) == 0 && listen(m->listener, 16) == 0 &&
		    getsockname(m->listener, (struct sockaddr *)&at, &len) == 0);
	snprintf(url, 64, "http://127.0.0.1:%u", (unsigned int)ntohs(at.sin_port));
	m->told = json_object();
	pthread_mutex_init(&m->lock, NULL);
	assert_int_equal(pthread_create(&m->thread, NULL, serve, m), 0);
}

static void put_file(struct journey *j, const char *folder, const char *name, const char *text)
{
	struct stg_error err = { 0 };
	char path[300];
	snprintf(path, sizeof(path), "%s/%s", j->state, folder);
	journey_must(stg_folder_make(path, 0700, &err), &err, folder);
	snprintf(path, sizeof(path), "%s/%s/%s", j->state, folder, name);
	journey_must(stg_file_write(path, stg_bytes_str(text), 0600, &err), &err, name);
}

static const char connector[] =
	"name: early\nabout: registers by serial number\nauth: {kind: none}\nphases:\n  A:\n    ordered: true\n"
	"    item: 'select(.outcome == \"ordered\") | {serial: .device.serial}'\n"
	"    request: {method: POST, path: /devices, body: '.[0].item'}\n    natural_key: serial\n";

struct ends {
	struct journey *j;
	const char *end;
	int64_t n, until_ms;
};

static int64_t count(struct journey *j, const char *end)
{
	STG_AUTO(stg_json_free_at) json_t *b = journey_balance(j);
	return stg_json_int(b, end, 0);
}

static bool until_ended(void *ctx, const json_t *event)
{
	struct ends *w = ctx;
	if (event && strcmp(stg_json_str(event, "what"), "job") != 0)
		return stg_boot_ms() < w->until_ms;
	return count(w->j, w->end) < w->n && stg_boot_ms() < w->until_ms;
}

static void wait_for(struct journey *j, const char *end, int64_t n)
{
	struct ends w = { j, end, n, stg_boot_ms() + 300000 };
	struct stg_error err = { 0 };
	journey_must(stg_events(&j->caller, until_ended, &w, NULL, &err), &err, "events");
	assert_int_equal(count(j, end), n);
}

static const char *slot_word(struct journey *j, const char *serial)
{
	static char word[64];
	STG_AUTO(stg_json_free_at) json_t *slots = journey_op(j, "devices", json_object(), NULL);
	size_t i;
	json_t *one;
	*word = 0;
	json_array_foreach(json_is_array(slots) ? slots : json_object_get(slots, "devices"), i, one)
		if (strcmp(stg_json_str(one, "serial"), serial) == 0)
			snprintf(word, sizeof(word), "%s %s", stg_json_str(one, "state"), stg_json_str(one, "wait"));
	return word;
}

static void a_device_leaves_the_bench_when_the_mdm_has_it(void **state)
{
	(void)state;
	struct journey j;
	struct mdm m = { 0 };
	char url[64];
	mdm_start(&m, url);
	journey_begin(&j, 3, "instant", 31, NULL);
	put_file(&j, "connectors", "early.yaml", connector);
	put_file(&j, "blueprints", "ward-registered.yaml", "name: ward-registered\nextends: ipad-hospital-ward\nhand_over: after_registered\n");
	stg_copy(m.refuses, sizeof(m.refuses), journey_serial(&j, 0));
	json_decref(journey_op(&j, "window.close", json_object(), NULL));
	json_decref(journey_op(&j, "target.add", json_pack("{s:s, s:s, s:{s:s}}", "name", "mdm", "connector", "early", "config", "url", url), NULL));
	journey_batch(&j, "ward-registered", "pool");
	/* nobody's line: all that is to be done is done, and they wait */
	journey_tell(&j, "plug", "all", NULL, NULL);
	wait_for(&j, "waiting", 3);
	STG_AUTO(stg_json_free_at) json_t *queue = journey_op(&j, "queue.list", json_pack("{s:s}", "queue", "registration"), NULL);
	assert_int_equal(json_array_size(json_is_array(queue) ? queue : json_object_get(queue, "queues")), 3);
	assert_string_equal(slot_word(&j, journey_serial(&j, 1)), "waiting registration");
	/* the power goes, and one of them is put in again: nothing is done twice */
	(void)kill(j.station.pid, SIGKILL);
	journey_station_gone(&j);
	journey_station(&j);
	journey_tell(&j, "replug", journey_serial(&j, 1), NULL, NULL);
	assert_int_equal(count(&j, "waiting") + count(&j, "running"), 3);
	/* one of them is not there when the receipts come */
	journey_tell(&j, "unplug", journey_serial(&j, 2), NULL, NULL);
	json_decref(journey_op(&j, "window.open", json_object(), NULL));
	wait_for(&j, "staged", 2);
	wait_for(&j, "hold", 1);
	STG_AUTO(stg_json_free_at) json_t *batch = journey_op(&j, "batch.show", json_pack("{s:s}", "name", BATCH), NULL);
	size_t i;
	json_t *row;
	assert_int_equal(stg_json_int(json_object_get(batch, "registration"), "registered", 0), 2);
	assert_int_equal(stg_json_int(json_object_get(batch, "registration"), "refused", 0), 1);
	json_array_foreach(json_object_get(batch, "rows"), i, row)
		if (strcmp(stg_json_str(row, "end"), "hold") == 0) {
			assert_non_null(strstr(stg_json_str(row, "msg"), "belongs to another tenant"));
			assert_int_equal(stg_json_int(row, "code", 0), STG_ID_REGISTRATION_REFUSED);
		}
	/* put right over there */
	pthread_mutex_lock(&m.lock);
	m.refuses[0] = 0;
	pthread_mutex_unlock(&m.lock);
	json_decref(journey_op(&j, "outbox.retry", json_pack("{s:s}", "serial", journey_serial(&j, 0)), NULL));
	json_decref(journey_op(&j, "push.now", json_object(), NULL));
	wait_for(&j, "staged", 3);
	assert_true(journey_wait_drained(&j, 120000));
	assert_string_equal(slot_word(&j, journey_serial(&j, 1)), "staged ");
	journey_agrees(&j, 3);
	assert_int_equal(json_object_size(m.told), 3);
	for (i = 0; i < 3; i++)
		assert_int_equal(stg_json_int(m.told, journey_serial(&j, i), 0), 1);
	journey_end(&j);
	m.over = true;
	(void)pthread_join(m.thread, NULL);
	close(m.listener);
	json_decref(m.told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_leaves_the_bench_when_the_mdm_has_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
