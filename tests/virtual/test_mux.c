/* test_mux.c - the usbmuxd side of the bench, as clients see it. */
#include "host.h"

static struct bench bench;

static int begin(void **state)
{
	(void)state;
	bench_begin(&bench, "--iphones", "2", "--ipads", "1", "--unplugged", "1", "--pace", "instant", NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	bench_end(&bench);
	return 0;
}

static void a_missing_pair_record_is_an_error_not_an_empty_answer(void **state)
{
	int fd = mux_connect(&bench);
	plist_t m = mux_message("ReadPairRecord");

	(void)state;
	plist_dict_set_item(m, "PairRecordID", plist_new_string("nobody"));
	assert_int_equal(mux_result(fd, m), 2);
	m = mux_message("DeletePairRecord");
	plist_dict_set_item(m, "PairRecordID", plist_new_string("nobody"));
	assert_int_equal(mux_result(fd, m), 2);
	close(fd);
}

static void an_unknown_command_and_bad_arguments_are_refused(void **state)
{
	int fd = mux_connect(&bench);
	plist_t m = mux_message("SavePairRecord");

	(void)state;
	assert_int_equal(mux_result(fd, mux_message("Dance")), 1);
	assert_int_equal(mux_result(fd, m), 22);
	assert_int_equal(mux_result(fd, mux_message("Connect")), 22);
	close(fd);
}

static void another_version_is_refused(void **state)
{
	uint32_t head[4] = { 16, 0, 3, 9 };
	int fd = mux_connect(&bench);
	plist_t a;
	uint32_t tag = 0;

	(void)state;
	write_exactly(fd, head, sizeof(head));
	a = mux_read(fd, &tag);
	assert_int_equal(number_in(a, "Number"), 6);
	assert_int_equal(tag, 9);
	plist_free(a);
	close(fd);
}

static void a_length_beyond_reason_closes_the_socket(void **state)
{
	uint32_t heads[2][4] = { { 1u << 20, 1, 8, 1 }, { 3, 1, 8, 1 } };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int fd = mux_connect(&bench);
		char byte;

		write_exactly(fd, heads[i], sizeof(heads[i]));
		assert_false(read_exactly(fd, &byte, 1));
		close(fd);
	}
}

static void a_body_that_is_no_property_list_closes_the_socket(void **state)
{
	uint32_t head[4] = { 16 + 5, 1, 8, 1 };
	int fd = mux_connect(&bench);
	char byte;

	(void)state;
	write_exactly(fd, head, sizeof(head));
	write_exactly(fd, "hello", 5);
	assert_false(read_exactly(fd, &byte, 1));
	close(fd);
}

static void a_request_may_arrive_byte_by_byte(void **state)
{
	static const char body[] = "<plist version=\"1.0\"><dict><key>MessageType</key><string>ReadBUID</string></dict></plist>";
	uint32_t head[4] = { 16 + sizeof(body) - 1, 1, 8, 4242 }, tag = 0;
	int fd = mux_connect(&bench);
	plist_t a;

	(void)state;
	for (size_t i = 0; i < sizeof(head); i++)
		write_exactly(fd, (char *)head + i, 1);
	for (size_t i = 0; i < sizeof(body) - 1; i++)
		write_exactly(fd, body + i, 1);
	a = mux_read(fd, &tag);
	assert_int_equal(tag, 4242);
	assert_int_equal(strlen(text_in(a, "BUID")), 36);
	plist_free(a);
	close(fd);
}

static void a_closed_port_leaves_the_socket_usable(void **state)
{
	int fd = mux_connect(&bench);
	uint32_t id = device_id(&bench, bench.udid);

	(void)state;
	assert_int_equal(try_port(fd, id, 1234), 3);
	assert_int_equal(try_port(fd, 9999, 62078), 2);
	assert_int_equal(try_port(fd, id, 62078), 0);
	close(fd);
}

static void pair_records_are_kept_byte_by_byte_and_announced(void **state)
{
	int listener = mux_connect(&bench), fd = mux_connect(&bench);
	plist_t m, a;

	(void)state;
	assert_int_equal(mux_result(listener, mux_message("Listen")), 0);
	for (int i = 0; i < 2; i++)
		plist_free(mux_read(listener, NULL));
	m = mux_message("SavePairRecord");
	plist_dict_set_item(m, "PairRecordID", plist_new_string(bench.udid));
	plist_dict_set_item(m, "PairRecordData", plist_new_data("bplist00\0\1\2", 11));
	plist_dict_set_item(m, "DeviceID", plist_new_uint(device_id(&bench, bench.udid)));
	assert_int_equal(mux_result(fd, m), 0);
	a = mux_read(listener, NULL);
	assert_string_equal(text_in(a, "MessageType"), "Paired");
	plist_free(a);
	m = mux_message("ReadPairRecord");
	plist_dict_set_item(m, "PairRecordID", plist_new_string(bench.udid));
	mux_send(fd, m, 1);
	a = mux_read(fd, NULL);
	assert_true(stg_bytes_equal(data_in(a, "PairRecordData"), stg_bytes("bplist00\0\1\2", 11)));
	plist_free(a);
	m = mux_message("DeletePairRecord");
	plist_dict_set_item(m, "PairRecordID", plist_new_string(bench.udid));
	assert_int_equal(mux_result(fd, m), 0);
	close(fd);
	close(listener);
}

static void a_listener_may_say_nothing_more(void **state)
{
	int fd = mux_connect(&bench);
	char byte;

	(void)state;
	assert_int_equal(mux_result(fd, mux_message("Listen")), 0);
	for (int i = 0; i < 2; i++)
		plist_free(mux_read(fd, NULL));
	assert_int_equal(mux_result(fd, mux_message("ListDevices")), 1);
	assert_false(read_exactly(fd, &byte, 1));
	close(fd);
}

static void a_pulled_device_cuts_its_pipes_and_comes_back_under_a_new_id(void **state)
{
	int listener = mux_connect(&bench), pipe_fd;
	uint32_t before = device_id(&bench, bench.udid);
	plist_t a;
	char byte;

	(void)state;
	assert_int_equal(mux_result(listener, mux_message("Listen")), 0);
	for (int i = 0; i < 2; i++)
		plist_free(mux_read(listener, NULL));
	pipe_fd = connect_port(&bench, bench.udid, 62078);
	tell(&bench, "unplug %s", bench.udid);
	a = mux_read(listener, NULL);
	assert_string_equal(text_in(a, "MessageType"), "Detached");
	assert_int_equal(number_in(a, "DeviceID"), before);
	plist_free(a);
	assert_false(read_exactly(pipe_fd, &byte, 1));
	close(pipe_fd);
	assert_int_equal(device_id(&bench, bench.udid), 0);
	tell(&bench, "plug %s", bench.udid);
	a = mux_read(listener, NULL);
	assert_string_equal(text_in(a, "MessageType"), "Attached");
	assert_true(number_in(a, "DeviceID") > before);
	assert_string_equal(text_in(plist_dict_get_item(a, "Properties"), "SerialNumber"), bench.udid);
	assert_string_equal(text_in(plist_dict_get_item(a, "Properties"), "ConnectionType"), "USB");
	plist_free(a);
	close(listener);
}

static void many_clients_may_knock_at_once(void **state)
{
	int fds[300];

	(void)state;
	for (size_t i = 0; i < STG_ARRAY_LEN(fds); i++)
		fds[i] = mux_connect(&bench);
	for (size_t i = 0; i < STG_ARRAY_LEN(fds); i++)
		mux_send(fds[i], mux_message("ReadBUID"), (uint32_t)i);
	for (size_t i = 0; i < STG_ARRAY_LEN(fds); i++) {
		uint32_t tag = 0;
		plist_t a = mux_read(fds[i], &tag);

		assert_int_equal(tag, i);
		plist_free(a);
		close(fds[i]);
	}
}

static void tcp_answers_as_the_unix_socket_does(void **state)
{
	const char *address = stg_json_str(bench.ready, "tcp");
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	plist_t p;

	(void)state;
	assert_true(strncmp(address, "127.0.0.1:", 10) == 0);
	a.sin_port = htons((uint16_t)atoi(address + 10));
	assert_return_code(connect(fd, (struct sockaddr *)&a, sizeof(a)), errno);
	mux_send(fd, mux_message("ListDevices"), 3);
	p = mux_read(fd, NULL);
	assert_int_equal(plist_array_get_size(plist_dict_get_item(p, "DeviceList")), 2);
	plist_free(p);
	close(fd);
}

static void a_killed_usbmuxd_comes_back_at_the_same_place(void **state)
{
	int listener = mux_connect(&bench), fd;
	char byte;

	(void)state;
	assert_int_equal(mux_result(listener, mux_message("Listen")), 0);
	for (int i = 0; i < 2; i++)
		plist_free(mux_read(listener, NULL));
	tell(&bench, "mux restart 50");
	assert_false(read_exactly(listener, &byte, 1));
	close(listener);
	while ((fd = unix_connect(bench.mux)) < 0)
		poll(NULL, 0, 5);
	close(fd);
	assert_int_equal(device_id(&bench, bench.udid), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_missing_pair_record_is_an_error_not_an_empty_answer, begin, end),
		cmocka_unit_test_setup_teardown(an_unknown_command_and_bad_arguments_are_refused, begin, end),
		cmocka_unit_test_setup_teardown(another_version_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(a_length_beyond_reason_closes_the_socket, begin, end),
		cmocka_unit_test_setup_teardown(a_body_that_is_no_property_list_closes_the_socket, begin, end),
		cmocka_unit_test_setup_teardown(a_request_may_arrive_byte_by_byte, begin, end),
		cmocka_unit_test_setup_teardown(a_closed_port_leaves_the_socket_usable, begin, end),
		cmocka_unit_test_setup_teardown(pair_records_are_kept_byte_by_byte_and_announced, begin, end),
		cmocka_unit_test_setup_teardown(a_listener_may_say_nothing_more, begin, end),
		cmocka_unit_test_setup_teardown(a_pulled_device_cuts_its_pipes_and_comes_back_under_a_new_id, begin, end),
		cmocka_unit_test_setup_teardown(many_clients_may_knock_at_once, begin, end),
		cmocka_unit_test_setup_teardown(tcp_answers_as_the_unix_socket_does, begin, end),
		cmocka_unit_test_setup_teardown(a_killed_usbmuxd_comes_back_at_the_same_place, begin, end),
	};

	return cmocka_run_group_tests_name("virtual mux", tests, NULL, NULL);
}
