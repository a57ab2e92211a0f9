/*
 * test_muxdoor.c - a worker sees one device, its own record, and nothing else; a stranger sees nothing at all.
 */
#include "desk.h"

#include <sys/prctl.h>

#include <stager/leave.h>
#include <stager/message.h>
#include <stager/muxdoor.h>

static struct bench bench;
static struct stg_channel *station;
static pid_t door_pid;
static char door_path[100];

static void door_begin(const char *mux)
{
	int pair_of[2];
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair_of), errno);
	door_pid = fork();
	if (door_pid == 0) {
		close(pair_of[0]);
		stg_leave(stg_muxdoor_run(pair_of[1], mux));
	}
	close(pair_of[1]);
	station = stg_channel_new(pair_of[0]);
	snprintf(door_path, sizeof(door_path), "%s/door", bench.dir);
}

static void door_end(void)
{
	int status;
	stg_channel_free(station);
	assert_int_equal(waitpid(door_pid, &status, 0), door_pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	/* it takes its sockets with it */
	assert_int_equal(access(door_path, F_OK), -1);
}

static json_t *hear(const char *kind)
{
	int64_t until = stg_boot_ms() + HOST_TIMEOUT_MS;
	while (stg_boot_ms() < until) {
		json_t *m = stg_channel_next(station, NULL);
		if (m && strcmp(stg_json_str(m, "t"), kind) == 0)
			return m;
		if (m)
			fail_msg("the door said '%s', not '%s'", stg_json_str(m, "t"), kind);
		readable(stg_channel_fd(station), 1000);
		assert_true(stg_channel_pump(station, NULL));
	}
	fail_msg("the door does not say '%s'", kind);
	return NULL;
}

static void hear_refusal(const char *what)
{
	STG_AUTO(stg_json_free_at) json_t *m = hear("refused");
	assert_string_equal(stg_json_str(m, "what"), what);
}

static void order(json_t *m)
{
	assert_true(stg_channel_send(station, m, NULL, 0, NULL));
	json_decref(m);
}

static void open_for(pid_t pid, const char *udid, uint32_t id, const char *record)
{
	json_t *m = json_pack("{s:s, s:i, s:i, s:s, s:s, s:I, s:s, s:i}", "t", "open", "v", STG_MESSAGE_VERSION, "id", 1, "path", door_path,
			      "udid", udid, "device_id", (json_int_t)id, "buid", "30142955-444094379208051516", "pid", (int)pid);
	stg_json_put(m, "record", record);
	order(m);
	json_decref(hear("opened"));
}

static int at_door(void)
{
	int fd = unix_connect(door_path);
	assert_true(fd >= 0);
	return fd;
}

static plist_t door_asks(plist_t msg)
{
	int fd = at_door();
	mux_send(fd, msg, 77);
	uint32_t tag = 0;
	plist_t p = mux_read(fd, &tag);
	assert_non_null(p);
	assert_int_equal(tag, 77);
	close(fd);
	return p;
}

static int64_t door_result(plist_t msg)
{
	plist_t p = door_asks(msg);
	int64_t n = number_in(p, "Number");
	assert_string_equal(text_in(p, "MessageType"), "Result");
	plist_free(p);
	return n;
}

static plist_t about_record(const char *type, const char *udid, const char *data)
{
	plist_t m = mux_message(type);
	plist_dict_set_item(m, "PairRecordID", plist_new_string(udid));
	if (data)
		plist_dict_set_item(m, "PairRecordData", plist_new_data(data, strlen(data)));
	return m;
}

static plist_t connect_to(uint32_t id, uint16_t port)
{
	plist_t m = mux_message("Connect");
	plist_dict_set_item(m, "DeviceID", plist_new_uint(id));
	plist_dict_set_item(m, "PortNumber", plist_new_uint(htons(port)));
	return m;
}

static char other_udid[64];

static void begin(void)
{
	static char mux[120];   /* the door reads it for as long as it runs */
	bench_begin(&bench, "--pace", "instant", "--iphones", "2", NULL);
	json_t *list = ask_bench(&bench, "list");
	stg_copy(other_udid, sizeof(other_udid), stg_json_str(json_array_get(json_object_get(list, "devices"), 1), "udid"));
	json_decref(list);
	snprintf(mux, sizeof(mux), "UNIX:%s", bench.mux);
	door_begin(mux);
}

static void a_worker_sees_its_device_alone(void **state)
{
	(void)state;
	begin();
	uint32_t id = device_id(&bench, bench.udid);
	open_for(getpid(), bench.udid, id, NULL);
	plist_t list = door_asks(mux_message("ListDevices"));
	plist_t devices = plist_dict_get_item(list, "DeviceList");
	assert_int_equal(plist_array_get_size(devices), 1);
	plist_t properties = plist_dict_get_item(plist_array_get_item(devices, 0), "Properties");
	assert_string_equal(text_in(properties, "SerialNumber"), bench.udid);
	assert_string_equal(text_in(properties, "ConnectionType"), "USB");
	plist_free(list);
	plist_t buid = door_asks(mux_message("ReadBUID"));
	assert_string_equal(text_in(buid, "BUID"), "30142955-444094379208051516");
	plist_free(buid);
	door_end();
	bench_end(&bench);
}

static void other_devices_listen_and_unknown_words_are_refused(void **state)
{
	(void)state;
	begin();
	uint32_t id = device_id(&bench, bench.udid), other = device_id(&bench, other_udid);
	open_for(getpid(), bench.udid, id, NULL);
	assert_int_equal(door_result(connect_to(other, 62078)), 2);
	hear_refusal("device");
	assert_int_equal(door_result(mux_message("Listen")), 1);
	hear_refusal("listen");
	assert_int_equal(door_result(mux_message("ListListeners")), 1);
	hear_refusal("command");
	assert_int_equal(door_result(about_record("ReadPairRecord", other_udid, NULL)), 2);
	hear_refusal("record");
	assert_int_equal(door_result(about_record("SavePairRecord", "../../x", "data")), 2);
	hear_refusal("record");
	/* a port that is closed is the device's business */
	assert_int_equal(door_result(connect_to(id, 12345)), 3);
	door_end();
	bench_end(&bench);
}

static void somebody_elses_process_is_shown_the_door(void **state)
{
	(void)state;
	begin();
	open_for(getppid(), bench.udid, device_id(&bench, bench.udid), NULL);
	int fd = at_door();
	uint32_t tag;
	(void)!send(fd, "x", 1, MSG_NOSIGNAL);
	assert_null(mux_read(fd, &tag));
	close(fd);
	hear_refusal("peer");
	/* no pid, nobody */
	open_for(0, bench.udid, 1, NULL);
	fd = at_door();
	assert_null(mux_read(fd, &tag));
	close(fd);
	hear_refusal("peer");
	door_end();
	bench_end(&bench);
}

static void records_come_from_the_station_and_go_to_it(void **state)
{
	(void)state;
	begin();
	open_for(getpid(), bench.udid, 1, NULL);
	assert_int_equal(door_result(about_record("ReadPairRecord", bench.udid, NULL)), 2);
	assert_int_equal(door_result(about_record("SavePairRecord", bench.udid, "the record")), 0);
	json_t *saved = hear("save");
	assert_string_equal(stg_json_str(saved, "record"), "dGhlIHJlY29yZA==");
	assert_string_equal(stg_json_str(saved, "udid"), bench.udid);
	json_decref(saved);
	plist_t p = door_asks(about_record("ReadPairRecord", bench.udid, NULL));
	assert_true(stg_bytes_equal(data_in(p, "PairRecordData"), stg_bytes_str("the record")));
	plist_free(p);
	order(json_pack("{s:s, s:i, s:s}", "t", "record", "id", 1, "record", "bmV3ZXI="));
	/* the same channel, so what follows it is answered after it: a round trip makes sure */
	open_for(getpid(), bench.udid, 1, "bmV3ZXI=");
	p = door_asks(about_record("ReadPairRecord", bench.udid, NULL));
	assert_true(stg_bytes_equal(data_in(p, "PairRecordData"), stg_bytes_str("newer")));
	plist_free(p);
	assert_int_equal(door_result(about_record("DeletePairRecord", bench.udid, NULL)), 0);
	json_decref(hear("forget"));
	assert_int_equal(door_result(about_record("ReadPairRecord", bench.udid, NULL)), 2);
	/* none of it reached usbmuxd's own folder */
	int fd = mux_connect(&bench);
	assert_int_equal(mux_result(fd, about_record("ReadPairRecord", bench.udid, NULL)), 2);
	close(fd);
	door_end();
	bench_end(&bench);
}

static void a_device_that_is_away_or_a_usbmuxd_that_is_gone_is_a_refusal(void **state)
{
	(void)state;
	begin();
	uint32_t id = device_id(&bench, bench.udid);
	open_for(getpid(), bench.udid, 0, NULL);
	plist_t list = door_asks(mux_message("ListDevices"));
	assert_int_equal(plist_array_get_size(plist_dict_get_item(list, "DeviceList")), 0);
	plist_free(list);
	assert_int_equal(door_result(connect_to(id, 62078)), 2);
	open_for(getpid(), bench.udid, id, NULL);
	tell(&bench, "mux restart 300");
	assert_int_equal(door_result(connect_to(id, 62078)), 3);
	door_end();
	bench_end(&bench);
}

static void a_closed_door_cuts_what_was_open(void **state)
{
	(void)state;
	begin();
	uint32_t id = device_id(&bench, bench.udid), tag;
	open_for(getpid(), bench.udid, id, NULL);
	int fd = at_door();
	mux_send(fd, connect_to(id, 62078), 1);
	plist_t ok = mux_read(fd, &tag);
	assert_int_equal(number_in(ok, "Number"), 0);
	plist_free(ok);
	order(json_pack("{s:s, s:i}", "t", "close", "id", 1));
	json_decref(hear("closed"));
	char c;
	assert_true(readable(fd, HOST_TIMEOUT_MS));
	assert_int_equal(recv(fd, &c, 1, 0), 0);
	close(fd);
	assert_int_equal(unix_connect(door_path), -1);
	door_end();
	bench_end(&bench);
}

static void a_path_that_cannot_be_made_is_told(void **state)
{
	(void)state;
	begin();
	order(json_pack("{s:s, s:i, s:s, s:s, s:i, s:i}", "t", "open", "id", 5, "path", "/nowhere/at/all", "udid", bench.udid, "device_id", 1,
			"pid", 1));
	STG_AUTO(stg_json_free_at) json_t *m = hear("failed");
	assert_int_equal(stg_json_int(m, "id", 0), 5);
	assert_true(*stg_json_str(json_object_get(m, "error"), "msg"));
	door_end();
	bench_end(&bench);
}

static void garbage_at_the_door_ends_that_connection_only(void **state)
{
	static const uint8_t bad[][20] = {
		{ 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 8 }, { 1, 0, 0, 0, 1, 0, 0, 0, 8 }, { 20, 0, 0, 0, 0, 0, 0, 0, 8 },
	};
	uint32_t tag;
	(void)state;
	begin();
	open_for(getpid(), bench.udid, device_id(&bench, bench.udid), NULL);
	for (size_t i = 0; i < STG_ARRAY_LEN(bad); i++) {
		int fd = at_door();
		write_exactly(fd, bad[i], sizeof(bad[i]));
		assert_null(mux_read(fd, &tag));
		close(fd);
	}
	/* a body that is no property list is answered, as usbmuxd does */
	int fd = at_door();
	static const uint8_t body[20] = { 20, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 5, 0, 0, 0, 'a', 'b', 'c', 'd' };
	write_exactly(fd, body, sizeof(body));
	plist_t p = mux_read(fd, &tag);
	assert_int_equal(number_in(p, "Number"), 1);
	plist_free(p);
	close(fd);
	plist_free(door_asks(mux_message("ReadBUID")));
	door_end();
	bench_end(&bench);
}

/* A usbmuxd and a device in one: accepts Connect, then sends everything back. */
static pid_t echo_begin(const char *path)
{
	int fd = stg_unix_listen(path, 0600, NULL);
	assert_true(fd >= 0);
	fcntl(fd, F_SETFL, 0);
	pid_t pid = fork();
	if (pid) {
		close(fd);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	plist_free(mux_read(peer, NULL));
	plist_t ok = mux_message("Result");
	plist_dict_set_item(ok, "Number", plist_new_uint(0));
	mux_send(peer, ok, 1);
	static char bytes[1u << 20];
	for (;;) {
		ssize_t n = recv(peer, bytes, sizeof(bytes), 0);
		if (n <= 0)
			break;
		write_exactly(peer, bytes, (size_t)n);
	}
	_exit(0);
}

/* More in flight than any buffer holds, written and read at different paces: nothing lost, nothing turned round. */
static void the_pipe_carries_megabytes_both_ways_unchanged(void **state)
{
	enum { TOTAL = 8 << 20 };
	char path[100], mux[120];
	(void)state;
	bench_begin(&bench, "--pace", "instant", "--iphones", "1", NULL);
	snprintf(path, sizeof(path), "%s/echo", bench.dir);
	snprintf(mux, sizeof(mux), "UNIX:%s", path);
	pid_t echo = echo_begin(path);
	door_begin(mux);
	open_for(getpid(), bench.udid, 3, NULL);
	int fd = at_door(), status;
	mux_send(fd, connect_to(3, 62078), 1);
	plist_free(mux_read(fd, NULL));
	pid_t writer = fork();
	if (writer == 0) {
		static uint8_t out[65536];
		for (size_t sent = 0; sent < TOTAL; sent += sizeof(out)) {
			for (size_t i = 0; i < sizeof(out); i++)
				out[i] = (uint8_t)((sent + i) * 31 >> 3);
			write_exactly(fd, out, sizeof(out));
		}
		shutdown(fd, SHUT_WR);
		_exit(0);
	}
	static uint8_t in[65536];
	size_t got = 0;
	for (;;) {
		assert_true(readable(fd, HOST_TIMEOUT_MS));
		ssize_t n = recv(fd, in, got % 3 ? 777 : sizeof(in), 0);
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			if (in[i] != (uint8_t)((got + (size_t)i) * 31 >> 3))
				fail_msg("byte %zu changed", got + (size_t)i);
		got += (size_t)n;
	}
	assert_int_equal(got, TOTAL);
	assert_int_equal(waitpid(writer, &status, 0), writer);
	assert_int_equal(waitpid(echo, &status, 0), echo);
	close(fd);
	door_end();
	bench_end(&bench);
}

/* usbmuxd takes few callers at a time; in a storm of arrivals some find its backlog full, and that is no refusal. */
static void a_full_backlog_is_waited_for(void **state)
{
	char path[100], mux[120];
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	(void)state;
	bench_begin(&bench, "--pace", "instant", "--iphones", "1", NULL);
	snprintf(path, sizeof(path), "%s/full", bench.dir);
	snprintf(mux, sizeof(mux), "UNIX:%s", path);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), callers[8], n = 0;
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 0), 0);
	for (; n < 8; n++) {
		callers[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (connect(callers[n], (struct sockaddr *)&a, sizeof(a)) < 0)
			break;
	}
	assert_true(n > 0 && n < 8);       /* the next one finds it full */
	door_begin(mux);
	open_for(getpid(), bench.udid, 3, NULL);
	int fd = at_door();
	mux_send(fd, connect_to(3, 62078), 1);
	assert_false(readable(fd, 200));   /* neither refused nor connected */
	for (int i = 0; i < n; i++)
		close(accept(listener, NULL, NULL));
	assert_true(readable(listener, HOST_TIMEOUT_MS));
	int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	plist_free(mux_read(peer, NULL));
	plist_t ok = mux_message("Result"), answer;
	plist_dict_set_item(ok, "Number", plist_new_uint(0));
	mux_send(peer, ok, 1);
	answer = mux_read(fd, NULL);
	assert_int_equal(number_in(answer, "Number"), 0);
	plist_free(answer);
	for (int i = 0; i <= n; i++)
		close(callers[i]);
	close(peer);
	close(listener);
	close(fd);
	door_end();
	bench_end(&bench);
}

static void the_driver_works_through_the_door(void **state)
{
	struct desk d;
	enum stg_trust trust;
	char mux[120];
	(void)state;
	desk_begin(&d, "--iphones", "1");
	bench = d.bench;
	snprintf(mux, sizeof(mux), "UNIX:%s", bench.mux);
	door_begin(mux);
	open_for(getpid(), d.arrival.udid, d.arrival.handle, NULL);
	snprintf(mux, sizeof(mux), "UNIX:%s", door_path);
	setenv("USBMUXD_SOCKET_ADDRESS", mux, 1);
	{
		STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
		DO(stg_device_pair(dev, &err));
		json_decref(hear("save"));   /* the test's keep_trust saves through the protocol */
	}
	STG_AUTO(stg_device_close_at) struct stg_device *again = desk_open(&d);
	DO(stg_device_trust(again, &trust, &err));
	assert_int_equal(trust, STG_TRUST_OURS);
	/* usbmuxd away in mid-visit: the next connection is refused, and the driver says gone or silent, never hangs */
	tell(&bench, "unplug %s", bench.udid);
	struct stg_identity who;
	struct stg_error err = { 0 };
	assert_false(stg_device_identify(again, &who, &err));
	assert_true(err.code == STG_E_GONE || err.code == STG_E_TIMEOUT);
	stg_device_close(again);
	again = NULL;
	door_end();
	desk_end(&d);
}

/* UDIDs of older devices are 40 hexadecimal digits in small letters; here they are compared in capitals. */
static void a_device_with_an_old_udid_works_through_the_door(void **state)
{
	struct desk d;
	struct stg_identity who;
	char mux[120];
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_json_free_at) json_t *added = ask_bench(&d.bench, "add {\"model\":\"iPad7,12\"}");
	char udid[STG_UDID_MAX];
	assert_true(stg_udid_clean(stg_json_str(json_object_get(added, "device"), "udid"), udid));
	assert_int_equal(strlen(udid), 40);
	d.arrival = arrival_of(udid);
	bench = d.bench;
	{
		/* at usbmuxd itself first */
		STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
		DO(stg_device_pair(dev, &err));
		DO(stg_device_identify(dev, &who, &err));
		assert_true(who.serial[0]);
		DO(stg_device_unpair(dev, &err));
	}
	snprintf(mux, sizeof(mux), "UNIX:%s", bench.mux);
	door_begin(mux);
	open_for(getpid(), udid, d.arrival.handle, NULL);
	snprintf(mux, sizeof(mux), "UNIX:%s", door_path);
	setenv("USBMUXD_SOCKET_ADDRESS", mux, 1);
	{
		STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
		DO(stg_device_pair(dev, &err));
		json_decref(hear("save"));
		DO(stg_device_identify(dev, &who, &err));
		assert_true(who.serial[0]);
		assert_string_equal(who.udid, udid);
	}
	door_end();
	desk_end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_sees_its_device_alone),
		cmocka_unit_test(other_devices_listen_and_unknown_words_are_refused),
		cmocka_unit_test(somebody_elses_process_is_shown_the_door),
		cmocka_unit_test(records_come_from_the_station_and_go_to_it),
		cmocka_unit_test(a_device_that_is_away_or_a_usbmuxd_that_is_gone_is_a_refusal),
		cmocka_unit_test(a_closed_door_cuts_what_was_open),
		cmocka_unit_test(a_path_that_cannot_be_made_is_told),
		cmocka_unit_test(garbage_at_the_door_ends_that_connection_only),
		cmocka_unit_test(the_pipe_carries_megabytes_both_ways_unchanged),
		cmocka_unit_test(a_full_backlog_is_waited_for),
		cmocka_unit_test(the_driver_works_through_the_door),
		cmocka_unit_test(a_device_with_an_old_udid_works_through_the_door),
	};
	return cmocka_run_group_tests(tests, office_open, office_close);
}
