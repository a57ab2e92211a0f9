/*
 * test_watch.c - what usbmuxd announces: arrivals, departures, a restart, an absence, and a usbmuxd that talks nonsense.
 */
#include "desk.h"

#include <stager/message.h>

static struct bench bench;

static void at(const char *address)
{
	setenv("USBMUXD_SOCKET_ADDRESS", address, 1);
}

static void at_unix(const char *path)
{
	char text[160];
	snprintf(text, sizeof(text), "UNIX:%s", path);
	at(text);
}

/* The next event of this kind within the deadline; others before it are handed out as failures unless skipped. */
static struct stg_watch_event wait_for(struct stg_watch *w, enum stg_watch_kind kind)
{
	int64_t until = stg_boot_ms() + HOST_TIMEOUT_MS;
	struct stg_watch_event e = { 0 };
	while (stg_boot_ms() < until) {
		while (stg_watch_next(w, &e))
			if (e.kind == kind)
				return e;
		readable(stg_watch_fd(w), 1000);
	}
	fail_msg("no event of kind %d", (int)kind);
	return e;
}

static void devices_arrive_and_leave(void **state)
{
	(void)state;
	bench_begin(&bench, "--pace", "instant", "--iphones", "2", NULL);
	at_unix(bench.mux);
	STG_AUTO(stg_watch_close_at) struct stg_watch *w = stg_watch_open(NULL);
	wait_for(w, STG_WATCH_UP);
	assert_true(stg_watch_is_up(w));
	struct stg_watch_event first = wait_for(w, STG_WATCH_ARRIVED), second = wait_for(w, STG_WATCH_ARRIVED);
	assert_string_equal(first.arrival.driver, "apple");
	assert_int_equal(first.arrival.vid, 0x05ac);
	assert_true(first.arrival.handle && first.arrival.handle != second.arrival.handle);
	tell(&bench, "unplug %s", first.arrival.udid);
	struct stg_watch_event left = wait_for(w, STG_WATCH_LEFT);
	assert_int_equal(left.arrival.handle, first.arrival.handle);
	assert_string_equal(left.arrival.udid, first.arrival.udid);
	tell(&bench, "plug %s", first.arrival.udid);
	struct stg_watch_event back = wait_for(w, STG_WATCH_ARRIVED);
	assert_string_equal(back.arrival.udid, first.arrival.udid);
	assert_true(back.arrival.handle != first.arrival.handle);
	bench_end(&bench);
}

static void a_restart_of_usbmuxd_loses_nobody(void **state)
{
	(void)state;
	bench_begin(&bench, "--pace", "instant", "--iphones", "3", NULL);
	at_unix(bench.mux);
	STG_AUTO(stg_watch_close_at) struct stg_watch *w = stg_watch_open(NULL);
	for (int i = 0; i < 3; i++)
		wait_for(w, STG_WATCH_ARRIVED);
	tell(&bench, "mux restart 300");
	for (int i = 0; i < 3; i++)
		wait_for(w, STG_WATCH_LEFT);
	struct stg_watch_event down = wait_for(w, STG_WATCH_DOWN);
	assert_int_equal(down.err.id, STG_ID_NO_USBMUXD);
	wait_for(w, STG_WATCH_UP);
	for (int i = 0; i < 3; i++)
		wait_for(w, STG_WATCH_ARRIVED);
	/* and what happens after the restart is seen as well: this is where the library's own subscription goes deaf */
	tell(&bench, "unplug %s", bench.udid);
	wait_for(w, STG_WATCH_LEFT);
	bench_end(&bench);
}

static void over_tcp_too(void **state)
{
	(void)state;
	bench_begin(&bench, "--pace", "instant", "--iphones", "1", NULL);
	const char *tcp = stg_json_str(bench.ready, "tcp");
	at(strncmp(tcp, "tcp:", 4) == 0 ? tcp + 4 : tcp);
	STG_AUTO(stg_watch_close_at) struct stg_watch *w = stg_watch_open(NULL);
	wait_for(w, STG_WATCH_ARRIVED);
	bench_end(&bench);
}

static void no_usbmuxd_is_told_once_and_waited_for(void **state)
{
	char path[100];
	struct stg_watch_event e;
	(void)state;
	snprintf(path, sizeof(path), "/tmp/nomux.%d", (int)getpid());
	at_unix(path);
	STG_AUTO(stg_watch_close_at) struct stg_watch *w = stg_watch_open(NULL);
	e = wait_for(w, STG_WATCH_DOWN);
	assert_int_equal(e.err.id, STG_ID_NO_USBMUXD);
	assert_false(stg_watch_is_up(w));
	for (int i = 0; i < 5; i++) {
		readable(stg_watch_fd(w), 200);
		assert_false(stg_watch_next(w, &e));
	}
	int fd = stg_unix_listen(path, 0600, NULL), peer = -1;
	while (peer < 0) {
		stg_watch_next(w, &e);
		if (readable(fd, 50))
			peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	}
	while (!readable(peer, 50))
		stg_watch_next(w, &e);
	plist_t ask = mux_read(peer, NULL);
	assert_string_equal(text_in(ask, "MessageType"), "Listen");
	plist_free(ask);
	close(peer);
	close(fd);
	unlink(path);
}

/* What a usbmuxd of our own says after Listen was accepted; the watch must fall and come again, not die. */
static void says(const void *bytes, size_t len)
{
	char path[100];
	struct stg_watch_event e;
	snprintf(path, sizeof(path), "/tmp/badmux.%d", (int)getpid());
	int fd = stg_unix_listen(path, 0600, NULL);
	assert_true(fd >= 0);
	at_unix(path);
	STG_AUTO(stg_watch_close_at) struct stg_watch *w = stg_watch_open(NULL);
	for (int round = 0; round < 2; round++) {
		int peer = -1;
		while (peer < 0) {
			stg_watch_next(w, &e);
			if (readable(fd, 50))
				peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		}
		while (!readable(peer, 50))
			stg_watch_next(w, &e);
		plist_free(mux_read(peer, NULL));
		plist_t ok = mux_message("Result");
		plist_dict_set_item(ok, "Number", plist_new_uint(0));
		mux_send(peer, ok, 1);
		wait_for(w, STG_WATCH_UP);
		(void)!send(peer, bytes, len, MSG_NOSIGNAL);
		wait_for(w, STG_WATCH_DOWN);
		close(peer);
	}
	close(fd);
	unlink(path);
}

static void nonsense_from_usbmuxd_is_refused(void **state)
{
	static uint8_t huge[16] = { 0xff, 0xff, 0xff, 0x7f, 1, 0, 0, 0, 8 };
	static uint8_t tiny[16] = { 3, 0, 0, 0, 1, 0, 0, 0, 8 };
	static uint8_t version[16] = { 20, 0, 0, 0, 7, 0, 0, 0, 8 };
	(void)state;
	says(huge, sizeof(huge));
	says(tiny, sizeof(tiny));
	says(version, sizeof(version));
}

static void announce(int peer, uint64_t id, const char *connection, const char *serial)
{
	plist_t m = mux_message("Attached"), p = plist_new_dict();
	plist_dict_set_item(m, "DeviceID", plist_new_uint(id));
	plist_dict_set_item(p, "ConnectionType", plist_new_string(connection));
	plist_dict_set_item(p, "SerialNumber", plist_new_string(serial));
	plist_dict_set_item(p, "DeviceID", plist_new_uint(id));
	plist_dict_set_item(p, "ProductID", plist_new_uint(0x12a8));
	plist_dict_set_item(m, "Properties", p);
	mux_send(peer, m, 0);
}

static void only_cables_count_each_once_and_names_are_checked(void **state)
{
	char path[100];
	struct stg_watch_event e;
	(void)state;
	snprintf(path, sizeof(path), "/tmp/oddmux.%d", (int)getpid());
	int fd = stg_unix_listen(path, 0600, NULL);
	at_unix(path);
	STG_AUTO(stg_watch_close_at) struct stg_watch *w = stg_watch_open(NULL);
	int peer = -1;
	while (peer < 0) {
		stg_watch_next(w, &e);
		if (readable(fd, 50))
			peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	}
	while (!readable(peer, 50))
		stg_watch_next(w, &e);
	plist_free(mux_read(peer, NULL));
	plist_t ok = mux_message("Result");
	plist_dict_set_item(ok, "Number", plist_new_uint(0));
	mux_send(peer, ok, 1);
	/* a device's own words may make a message unreadable: it is left out, the others are not */
	static const uint8_t garbage[40] = { 40, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, '<', 'p', 'l' };
	assert_int_equal(send(peer, garbage, sizeof(garbage), MSG_NOSIGNAL), sizeof(garbage));
	announce(peer, 7, "Network", "00008110-00112233445566AA");
	announce(peer, 0, "USB", "00008110-00112233445566AA");
	announce(peer, 8, "USB", "0000811000112233445566aa");
	announce(peer, 8, "USB", "0000811000112233445566aa");
	announce(peer, 9, "USB", "../../x");
	e = wait_for(w, STG_WATCH_ARRIVED);
	assert_int_equal(e.arrival.handle, 8);
	assert_string_equal(e.arrival.udid, "00008110-00112233445566AA");
	e = wait_for(w, STG_WATCH_ARRIVED);
	assert_int_equal(e.arrival.handle, 9);
	assert_string_equal(e.arrival.udid, "");
	close(peer);
	close(fd);
	unlink(path);
}

static void a_storm_of_forty_is_counted_right(void **state)
{
	(void)state;
	bench_begin(&bench, "--pace", "instant", "--iphones", "40", NULL);
	at_unix(bench.mux);
	STG_AUTO(stg_watch_close_at) struct stg_watch *w = stg_watch_open(NULL);
	for (int i = 0; i < 40; i++)
		wait_for(w, STG_WATCH_ARRIVED);
	tell(&bench, "storm 40 10");
	int there = 40, gone = 0;
	int64_t until = stg_boot_ms() + HOST_TIMEOUT_MS;
	while ((there < 40 || gone < 40) && stg_boot_ms() < until) {
		struct stg_watch_event e;
		while (stg_watch_next(w, &e)) {
			there += e.kind == STG_WATCH_ARRIVED ? 1 : e.kind == STG_WATCH_LEFT ? -1 : 0;
			gone += e.kind == STG_WATCH_LEFT;
		}
		readable(stg_watch_fd(w), 100);
	}
	assert_int_equal(there, 40);
	assert_int_equal(gone, 40);
	bench_end(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_arrive_and_leave),
		cmocka_unit_test(a_restart_of_usbmuxd_loses_nobody),
		cmocka_unit_test(over_tcp_too),
		cmocka_unit_test(no_usbmuxd_is_told_once_and_waited_for),
		cmocka_unit_test(nonsense_from_usbmuxd_is_refused),
		cmocka_unit_test(only_cables_count_each_once_and_names_are_checked),
		cmocka_unit_test(a_storm_of_forty_is_counted_right),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
