/* test_faults.c - what goes wrong on cue, seen from the host. */
#include "host.h"

#define MCINSTALL "com.apple.mobile.MCInstall"

static struct bench bench;
static struct trust trust;

static int begin(void **state)
{
	(void)state;
	bench_begin(&bench, "--iphones", "2", "--pace", "instant", "--seed", "11", NULL);
	pair(&bench, bench.udid, &trust);
	return 0;
}

static int end(void **state)
{
	(void)state;
	trust_free(&trust);
	bench_end(&bench);
	return 0;
}

static plist_t request(const char *type)
{
	plist_t m = plist_new_dict();

	plist_dict_set_item(m, "RequestType", plist_new_string(type));
	return m;
}

static void an_unknown_fault_is_refused(void **state)
{
	char text[200];
	json_t *a;

	(void)state;
	snprintf(text, sizeof(text), "fault %s cosmic_ray Pair", bench.udid);
	a = ask_bench(&bench, text);
	assert_false(stg_json_bool(a, "ok", true));
	json_decref(a);
	a = ask_bench(&bench, "fault nobody mute");
	assert_false(stg_json_bool(a, "ok", true));
	json_decref(a);
}

static void the_connection_drops_before_or_after_the_deed(void **state)
{
	struct link l = open_service(&bench, bench.udid, &trust, MCINSTALL);
	plist_t c = plist_new_dict(), m;
	json_t *d;

	(void)state;
	plist_dict_set_item(c, "IsSupervised", plist_new_bool(1));
	plist_dict_set_item(c, "OrganizationName", plist_new_string("X"));
	m = request("SetCloudConfiguration");
	plist_dict_set_item(m, "CloudConfiguration", c);
	tell(&bench, "fault %s drop_before SetCloudConfiguration", bench.udid);
	assert_null(link_ask(&l, plist_copy(m)));
	link_close(&l);
	d = show(&bench, bench.udid);
	assert_false(stg_json_bool(d, "supervised", true));
	json_decref(d);

	tell(&bench, "fault %s drop_after MCInstall/SetCloudConfiguration", bench.udid);
	l = open_service(&bench, bench.udid, &trust, MCINSTALL);
	assert_null(link_ask(&l, m));
	link_close(&l);
	d = show(&bench, bench.udid);
	assert_true(stg_json_bool(d, "supervised", false));
	assert_int_equal(json_array_size(json_object_get(d, "faults")), 0);
	json_decref(d);
}

static void the_device_is_pulled_at_a_request_and_comes_back_under_a_new_id(void **state)
{
	struct link l = open_service(&bench, bench.udid, &trust, MCINSTALL);
	uint32_t before = device_id(&bench, bench.udid);

	(void)state;
	tell(&bench, "fault %s unplug_before GetProfileList back_ms=1", bench.udid);
	assert_null(link_ask(&l, request("GetProfileList")));
	link_close(&l);
	tell(&bench, "wait %s attached", bench.udid);
	assert_true(device_id(&bench, bench.udid) > before);
	l = open_service(&bench, bench.udid, &trust, MCINSTALL);
	plist_free(link_ask(&l, request("GetProfileList")));
	link_close(&l);
}

static void answers_are_cut_spoilt_or_swollen(void **state)
{
	static const char *const hopeless[] = { "truncate", "garbage" };
	struct link l;
	plist_t a;

	(void)state;
	for (size_t i = 0; i < STG_ARRAY_LEN(hopeless); i++) {
		tell(&bench, "fault %s %s GetValue", bench.udid, hopeless[i]);
		l = lockdown(&bench, bench.udid);
		a = get_value(&l, NULL, NULL);
		assert_true(!a || !plist_dict_get_item(a, "Value"));
		plist_free(a);
		link_close(&l);
	}
	tell(&bench, "fault %s wrong_request GetValue", bench.udid);
	l = lockdown(&bench, bench.udid);
	a = get_value(&l, NULL, NULL);
	assert_string_not_equal(text_in(a, "Request"), "GetValue");
	plist_free(a);
	tell(&bench, "fault %s big GetValue bytes=3000000", bench.udid);
	a = get_value(&l, NULL, NULL);
	assert_int_equal(strlen(text_in(a, "Padding")), 3000000);
	plist_free(a);
	tell(&bench, "fault %s header_split GetValue", bench.udid);
	a = get_value(&l, NULL, "ProductType");
	assert_true(text_in(a, "Value")[0] != '\0');
	plist_free(a);
	link_close(&l);
	l = open_service(&bench, bench.udid, &trust, MCINSTALL);
	tell(&bench, "fault %s no_status Flush", bench.udid);
	a = link_ask(&l, request("Flush"));
	assert_null(plist_dict_get_item(a, "Status"));
	plist_free(a);
	link_close(&l);
}

static void a_bomb_is_small_on_the_wire(void **state)
{
	struct link l = lockdown(&bench, bench.udid);
	plist_t m = lockdown_request("GetValue");
	uint32_t len;
	char head[8];

	(void)state;
	tell(&bench, "fault %s bomb GetValue", bench.udid);
	assert_true(link_send(&l, m));
	assert_true(link_read(&l, &len, 4));
	assert_true(ntohl(len) < 400);
	assert_true(link_read(&l, head, 8));
	assert_memory_equal(head, "bplist00", 8);
	link_close(&l);
}

static void tls_is_refused_missing_or_never_answers(void **state)
{
	struct link l, s;
	uint16_t port;

	(void)state;
	tell(&bench, "fault %s tls_refuse MCInstall", bench.udid);
	l = session(&bench, bench.udid, &trust, NULL);
	port = start_service(&l, MCINSTALL, NULL, NULL);
	s.fd = connect_port(&bench, bench.udid, port);
	assert_false(link_secure(&s, trust.root, TLS1_3_VERSION));
	link_close(&s);

	tell(&bench, "fault %s plaintext MCInstall", bench.udid);
	port = start_service(&l, MCINSTALL, NULL, NULL);
	s = (struct link){ .fd = connect_port(&bench, bench.udid, port) };
	plist_free(link_ask(&s, request("Flush")));
	link_close(&s);

	tell(&bench, "fault %s tls_hang MCInstall", bench.udid);
	port = start_service(&l, MCINSTALL, NULL, NULL);
	s = (struct link){ .fd = connect_port(&bench, bench.udid, port) };
	write_exactly(s.fd, "\x16\x03\x01\x00\x05hello", 10);
	assert_false(readable(s.fd, 200));
	link_close(&s);
	link_close(&l);
}

static void a_mute_device_reads_and_says_nothing(void **state)
{
	struct link l;

	(void)state;
	tell(&bench, "fault %s mute_connect lockdownd", bench.udid);
	l = lockdown(&bench, bench.udid);
	assert_true(link_send(&l, lockdown_request("QueryType")));
	assert_false(readable(l.fd, 200));
	link_close(&l);
	tell(&bench, "fault %s mute QueryType", bench.udid);
	l = lockdown(&bench, bench.udid);
	plist_free(get_value(&l, NULL, "ProductType"));
	assert_true(link_send(&l, lockdown_request("QueryType")));
	assert_false(readable(l.fd, 200));
	link_close(&l);
}

static void bytes_run_out(void **state)
{
	struct link l;
	char some[101];

	(void)state;
	tell(&bench, "fault %s drop_bytes lockdownd bytes=100", bench.udid);
	l = lockdown(&bench, bench.udid);
	assert_true(link_send(&l, lockdown_request("GetValue")));
	assert_false(read_exactly(l.fd, some, 101));
	link_close(&l);
}

static void services_are_refused_as_the_real_ones_refuse(void **state)
{
	struct link l = session(&bench, bench.udid, &trust, NULL);
	char error[64];
	plist_t a, e;

	(void)state;
	tell(&bench, "fault %s service_limit MCInstall", bench.udid);
	assert_int_equal(start_service(&l, MCINSTALL, NULL, error), 0);
	assert_string_equal(error, "ServiceLimit");
	tell(&bench, "fault %s refuse StartService error=ServiceProhibited", bench.udid);
	assert_int_equal(start_service(&l, MCINSTALL, NULL, error), 0);
	assert_string_equal(error, "ServiceProhibited");
	link_close(&l);
	l = open_service(&bench, bench.udid, &trust, MCINSTALL);
	tell(&bench, "fault %s refuse GetProfileList skip=1 code=33004 domain=MCCloudConfigErrorDomain", bench.udid);
	plist_free(link_ask(&l, request("GetProfileList")));
	a = link_ask(&l, request("GetProfileList"));
	assert_string_equal(text_in(a, "Status"), "Error");
	e = plist_array_get_item(plist_dict_get_item(a, "ErrorChain"), 0);
	assert_int_equal(number_in(e, "ErrorCode"), 33004);
	assert_string_equal(text_in(e, "ErrorDomain"), "MCCloudConfigErrorDomain");
	plist_free(a);
	tell(&bench, "fault %s unknown_domain Flush", bench.udid);
	a = link_ask(&l, request("Flush"));
	assert_string_equal(text_in(a, "Status"), "Error");
	plist_free(a);
	link_close(&l);
}

static void a_dialog_stays_open_as_often_as_told(void **state)
{
	struct link l = lockdown(&bench, bench.udid);
	struct trust other;

	(void)state;
	tell(&bench, "fault %s dialog_pending count=2", bench.udid);
	trust_make(&other, &l);
	assert_string_equal(try_pair(&l, &other, NULL), "PairingDialogResponsePending");
	assert_string_equal(try_pair(&l, &other, NULL), "PairingDialogResponsePending");
	assert_string_equal(try_pair(&l, &other, NULL), "");
	trust_free(&other);
	link_close(&l);
}

static void an_acknowledged_profile_may_be_absent_and_a_failed_one_present(void **state)
{
	static const char text[] =
		"<plist version=\"1.0\"><dict><key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key>"
		"<integer>1</integer><key>PayloadIdentifier</key><string>org.p</string><key>PayloadUUID</key><string>U</string>"
		"<key>PayloadContent</key><array><dict><key>PayloadType</key><string>com.apple.x</string><key>PayloadUUID</key>"
		"<string>V</string><key>PayloadIdentifier</key><string>w</string></dict></array></dict></plist>";
	struct link l = open_service(&bench, bench.udid, &trust, MCINSTALL);
	plist_t m = request("InstallProfile"), a;
	json_t *d;

	(void)state;
	plist_dict_set_item(m, "Payload", plist_new_data(text, sizeof(text) - 1));
	tell(&bench, "fault %s absent InstallProfile", bench.udid);
	a = link_ask(&l, plist_copy(m));
	assert_string_equal(text_in(a, "Status"), "Acknowledged");
	plist_free(a);
	d = show(&bench, bench.udid);
	assert_int_equal(json_array_size(json_object_get(d, "profiles")), 0);
	json_decref(d);
	tell(&bench, "fault %s reported_failed InstallProfile", bench.udid);
	a = link_ask(&l, m);
	assert_string_equal(text_in(a, "Status"), "Error");
	plist_free(a);
	tell(&bench, "wait %s profile org.p", bench.udid);
	link_close(&l);
}

static void a_delayed_answer_comes_in_the_end(void **state)
{
	struct link l = lockdown(&bench, bench.udid);
	plist_t a;

	(void)state;
	tell(&bench, "fault %s delay QueryType ms=100", bench.udid);
	assert_true(link_send(&l, lockdown_request("QueryType")));
	assert_true(link_send(&l, lockdown_request("QueryType")));
	for (int i = 0; i < 2; i++) {
		a = link_recv(&l);
		assert_string_equal(text_in(a, "Type"), "com.apple.mobile.lockdown");
		plist_free(a);
	}
	link_close(&l);
}

static void connecting_is_refused_or_never_answered(void **state)
{
	uint32_t id = device_id(&bench, bench.udid);
	int fd = mux_connect(&bench);
	plist_t m = mux_message("Connect");

	(void)state;
	tell(&bench, "fault %s connect_refused", bench.udid);
	assert_int_equal(try_port(fd, id, 62078), 3);
	tell(&bench, "fault %s connect_hang", bench.udid);
	plist_dict_set_item(m, "DeviceID", plist_new_uint(id));
	plist_dict_set_item(m, "PortNumber", plist_new_uint(htons(62078)));
	mux_send(fd, m, 1);
	assert_false(readable(fd, 200));
	close(fd);
}

static void serials_may_be_raw_or_double(void **state)
{
	json_t *d;

	(void)state;
	tell(&bench, "add {\"model\":\"iPhone14,7\",\"udid\":\"00008110-000A0B0C0D0E0F26\",\"serial_raw24\":true}");
	assert_true(device_id(&bench, "00008110000A0B0C0D0E0F26") > 0);
	tell(&bench, "set #1 set_serial 000000000000");
	tell(&bench, "set #2 set_serial 000000000000");
	d = show(&bench, "#2");
	assert_string_equal(stg_json_str(d, "serial"), "000000000000");
	json_decref(d);
}

static void a_storm_leaves_everybody_attached(void **state)
{
	(void)state;
	tell(&bench, "storm 2 1");
	tell(&bench, "wait attached 2");
	assert_true(device_id(&bench, bench.udid) > 2);
}

static void waiting_ends_with_the_time_given(void **state)
{
	char text[120];
	json_t *a;

	(void)state;
	snprintf(text, sizeof(text), "wait %s supervised timeout=0.05", bench.udid);
	a = ask_bench(&bench, text);
	assert_false(stg_json_bool(a, "ok", true));
	assert_string_equal(stg_json_str(a, "error"), "timeout");
	json_decref(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_unknown_fault_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(waiting_ends_with_the_time_given, begin, end),
		cmocka_unit_test_setup_teardown(the_connection_drops_before_or_after_the_deed, begin, end),
		cmocka_unit_test_setup_teardown(the_device_is_pulled_at_a_request_and_comes_back_under_a_new_id, begin, end),
		cmocka_unit_test_setup_teardown(answers_are_cut_spoilt_or_swollen, begin, end),
		cmocka_unit_test_setup_teardown(a_bomb_is_small_on_the_wire, begin, end),
		cmocka_unit_test_setup_teardown(tls_is_refused_missing_or_never_answers, begin, end),
		cmocka_unit_test_setup_teardown(a_mute_device_reads_and_says_nothing, begin, end),
		cmocka_unit_test_setup_teardown(bytes_run_out, begin, end),
		cmocka_unit_test_setup_teardown(services_are_refused_as_the_real_ones_refuse, begin, end),
		cmocka_unit_test_setup_teardown(a_dialog_stays_open_as_often_as_told, begin, end),
		cmocka_unit_test_setup_teardown(an_acknowledged_profile_may_be_absent_and_a_failed_one_present, begin, end),
		cmocka_unit_test_setup_teardown(a_delayed_answer_comes_in_the_end, begin, end),
		cmocka_unit_test_setup_teardown(connecting_is_refused_or_never_answered, begin, end),
		cmocka_unit_test_setup_teardown(serials_may_be_raw_or_double, begin, end),
		cmocka_unit_test_setup_teardown(a_storm_leaves_everybody_attached, begin, end),
	};

	return cmocka_run_group_tests_name("virtual faults", tests, NULL, NULL);
}
