/* test_lockdown.c - trust, sessions, values and services of a virtual device. */
#include "host.h"

static struct bench bench;
static struct trust trust;

static int begin(void **state)
{
	(void)state;
	bench_begin(&bench, "--iphones", "1", "--pace", "instant", "--seed", "7", NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	trust_free(&trust);
	bench_end(&bench);
	return 0;
}

static void expect_error(plist_t answer, const char *error)
{
	assert_non_null(answer);
	assert_string_equal(text_in(answer, "Error"), error);
	plist_free(answer);
}

static void a_stranger_learns_the_model_but_not_the_serial_number(void **state)
{
	struct link l = lockdown(&bench, bench.udid);
	plist_t a;

	(void)state;
	expect_error(get_value(&l, NULL, "SerialNumber"), "GetProhibited");
	expect_error(get_value(&l, NULL, "InternationalMobileEquipmentIdentity"), "GetProhibited");
	expect_error(get_value(&l, NULL, "ActivationState"), "GetProhibited");
	expect_error(get_value(&l, NULL, "NoSuchThing"), "MissingValue");
	a = get_value(&l, NULL, NULL);
	assert_string_equal(text_in(a, "Request"), "GetValue");
	assert_string_equal(text_in(plist_dict_get_item(a, "Value"), "UniqueDeviceID"), bench.udid);
	assert_null(plist_dict_get_item(plist_dict_get_item(a, "Value"), "SerialNumber"));
	plist_free(a);
	link_close(&l);
}

static void nothing_starts_without_a_session(void **state)
{
	struct link l = lockdown(&bench, bench.udid);
	char error[64];

	(void)state;
	assert_int_equal(start_service(&l, "com.apple.mobile.MCInstall", NULL, error), 0);
	assert_string_equal(error, "SessionInactive");
	expect_error(start_session(&l, "11111111-2222-4333-8444-555555555555"), "InvalidHostID");
	expect_error(link_ask(&l, lockdown_request("EnterRecovery")), "SessionInactive");
	expect_error(link_ask(&l, lockdown_request("Sing")), "InvalidRequest");
	link_close(&l);
}

static void a_record_that_does_not_hang_together_is_refused(void **state)
{
	struct link l = lockdown(&bench, bench.udid);
	plist_t m;

	(void)state;
	expect_error(link_ask(&l, lockdown_request("Pair")), "MissingPairRecord");
	trust_make(&trust, &l);
	X509_free(trust.device);
	trust.device = make_cert(host_key(), host_key(), "not the device's key");
	assert_string_equal(try_pair(&l, &trust, NULL), "InvalidPairRecord");
	m = pair_message(&trust);
	plist_dict_remove_item(plist_dict_get_item(m, "PairRecord"), "HostID");
	assert_string_equal(try_pair(&l, &trust, m), "MissingHostID");
	link_close(&l);
}

static void in_setup_a_host_is_trusted_at_once(void **state)
{
	struct link l;
	plist_t a, v;

	(void)state;
	pair(&bench, bench.udid, &trust);
	assert_true(trust.has_bag);
	l = session(&bench, bench.udid, &trust, NULL);
	a = get_value(&l, NULL, NULL);
	v = plist_dict_get_item(a, "Value");
	assert_true(strlen(text_in(v, "SerialNumber")) >= 10);
	assert_string_equal(text_in(v, "ActivationState"), "Activated");
	assert_int_equal(plist_get_node_type(plist_dict_get_item(v, "TimeIntervalSince1970")), PLIST_REAL);
	assert_int_equal(plist_get_node_type(plist_dict_get_item(v, "UniqueChipID")), PLIST_UINT);
	assert_int_equal(plist_get_node_type(plist_dict_get_item(v, "PasswordProtected")), PLIST_BOOLEAN);
	plist_free(a);
	a = get_value(&l, "com.apple.mobile.battery", "BatteryCurrentCapacity");
	assert_true(number_in(a, "Value") > 0);
	plist_free(a);
	a = get_value(&l, "com.apple.mobile.chaperone", "DeviceIsChaperoned");
	assert_false(truth_in(a, "Value"));
	plist_free(a);
	link_close(&l);
}

static void a_certificate_that_is_not_of_the_record_does_not_get_in(void **state)
{
	X509 *other = make_cert(host_key(), host_key(), "somebody");
	struct link l;

	(void)state;
	pair(&bench, bench.udid, &trust);
	l = lockdown(&bench, bench.udid);
	plist_free(start_session(&l, trust.host_id));
	assert_false(link_secure(&l, other, TLS1_2_VERSION));
	link_close(&l);
	/* The record's two certificates both do. */
	l = lockdown(&bench, bench.udid);
	plist_free(start_session(&l, trust.host_id));
	assert_true(link_secure(&l, trust.host, TLS1_2_VERSION));
	link_close(&l);
	X509_free(other);
}

static void the_socket_goes_on_in_plain_after_the_session(void **state)
{
	char id[64];
	struct link l;
	plist_t m, a;

	(void)state;
	pair(&bench, bench.udid, &trust);
	l = session(&bench, bench.udid, &trust, id);
	m = lockdown_request("StopSession");
	plist_dict_set_item(m, "SessionID", plist_new_string("wrong"));
	expect_error(link_ask(&l, m), "InvalidSessionID");
	m = lockdown_request("StopSession");
	plist_dict_set_item(m, "SessionID", plist_new_string(id));
	a = link_ask(&l, m);
	assert_string_equal(text_in(a, "Result"), "Success");
	plist_free(a);
	SSL_shutdown(l.ssl);
	SSL_shutdown(l.ssl);
	SSL_free(l.ssl);
	l.ssl = NULL;
	expect_error(get_value(&l, NULL, "SerialNumber"), "GetProhibited");
	/* And into a session again. */
	plist_free(start_session(&l, trust.host_id));
	assert_true(link_secure(&l, trust.root, TLS1_3_VERSION));
	a = get_value(&l, NULL, "SerialNumber");
	assert_true(text_in(a, "Value")[0] != '\0');
	plist_free(a);
	link_close(&l);
}

static void a_service_port_takes_one_connection_and_outlives_the_session(void **state)
{
	struct link l, s;
	uint16_t port;
	int fd;

	(void)state;
	pair(&bench, bench.udid, &trust);
	l = session(&bench, bench.udid, &trust, NULL);
	port = start_service(&l, "com.apple.mobile.MCInstall", NULL, NULL);
	assert_true(port >= 49152);
	link_close(&l);
	s.fd = connect_port(&bench, bench.udid, port);
	assert_true(link_secure(&s, trust.root, TLS1_3_VERSION));
	fd = mux_connect(&bench);
	assert_int_equal(try_port(fd, device_id(&bench, bench.udid), port), 3);
	close(fd);
	link_close(&s);
}

/* Connects to a fresh port of MCInstall, resuming `old` when given; whether it was resumed. */
static bool resumes(struct link *l, SSL_SESSION *old, SSL_SESSION **ret)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	uint16_t port = start_service(l, "com.apple.mobile.MCInstall", NULL, NULL);
	int fd = connect_port(&bench, bench.udid, port);
	bool resumed;

	SSL_set_max_proto_version(ssl, TLS1_2_VERSION);   /* its ticket comes within the handshake */
	SSL_set_security_level(ssl, 0);
	SSL_use_certificate(ssl, trust.root);
	SSL_use_PrivateKey(ssl, host_key());
	SSL_set_fd(ssl, fd);
	if (old)
		SSL_set_session(ssl, old);
	assert_int_equal(SSL_connect(ssl), 1);
	resumed = SSL_session_reused(ssl) == 1;
	if (ret)
		*ret = SSL_get1_session(ssl);
	SSL_shutdown(ssl);   /* else OpenSSL takes the session for broken */
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	return resumed;
}

static void a_session_is_resumed_for_the_same_trust_only(void **state)
{
	SSL_SESSION *first = NULL;
	struct link l;

	(void)state;
	pair(&bench, bench.udid, &trust);
	l = session(&bench, bench.udid, &trust, NULL);
	assert_false(resumes(&l, NULL, &first));
	assert_true(resumes(&l, first, NULL));
	link_close(&l);
	trust_free(&trust);
	pair(&bench, bench.udid, &trust);
	l = session(&bench, bench.udid, &trust, NULL);
	assert_false(resumes(&l, first, NULL));
	link_close(&l);
	SSL_SESSION_free(first);
}

static void a_service_that_does_not_exist_is_invalid(void **state)
{
	struct link l;
	char error[64];

	(void)state;
	pair(&bench, bench.udid, &trust);
	l = session(&bench, bench.udid, &trust, NULL);
	assert_int_equal(start_service(&l, "com.apple.instruments.remoteserver", NULL, error), 0);
	assert_string_equal(error, "InvalidService");
	link_close(&l);
}

static void a_locked_device_asks_for_its_passcode_or_the_escrow_bag(void **state)
{
	struct link l;
	char error[64];
	struct trust other = { 0 };

	(void)state;
	pair(&bench, bench.udid, &trust);
	tell(&bench, "set %s at_home_screen true", bench.udid);
	tell(&bench, "lock %s", bench.udid);
	l = session(&bench, bench.udid, &trust, NULL);
	assert_int_equal(start_service(&l, "com.apple.mobile.MCInstall", NULL, error), 0);
	assert_string_equal(error, "PasswordProtected");
	assert_true(start_service(&l, "com.apple.mobile.MCInstall", trust.escrow_bag, error) > 0);
	link_close(&l);
	l = lockdown(&bench, bench.udid);
	trust_make(&other, &l);
	assert_string_equal(try_pair(&l, &other, NULL), "PasswordProtected");
	link_close(&l);
	/* After a restart the bag is of no use until somebody unlocked once. */
	tell(&bench, "restart %s", bench.udid);
	tell(&bench, "wait %s attached", bench.udid);
	l = session(&bench, bench.udid, &trust, NULL);
	assert_int_equal(start_service(&l, "com.apple.mobile.MCInstall", trust.escrow_bag, error), 0);
	assert_string_equal(error, "EscrowLocked");
	tell(&bench, "unlock %s", bench.udid);
	assert_true(start_service(&l, "com.apple.mobile.MCInstall", NULL, error) > 0);
	link_close(&l);
	trust_free(&other);
}

static void at_the_home_screen_a_person_decides(void **state)
{
	struct link l;

	(void)state;
	tell(&bench, "set %s at_home_screen true", bench.udid);
	l = lockdown(&bench, bench.udid);
	trust_make(&trust, &l);
	assert_string_equal(try_pair(&l, &trust, NULL), "PairingDialogResponsePending");
	assert_string_equal(try_pair(&l, &trust, NULL), "PairingDialogResponsePending");
	tell(&bench, "wait %s dialog", bench.udid);
	tell(&bench, "tap deny %s", bench.udid);
	assert_string_equal(try_pair(&l, &trust, NULL), "UserDeniedPairing");
	assert_string_equal(try_pair(&l, &trust, NULL), "UserDeniedPairing");
	link_close(&l);
	tell(&bench, "replug %s", bench.udid);
	tell(&bench, "wait %s attached", bench.udid);
	l = lockdown(&bench, bench.udid);
	assert_string_equal(try_pair(&l, &trust, NULL), "PairingDialogResponsePending");
	tell(&bench, "tap trust %s", bench.udid);
	assert_string_equal(try_pair(&l, &trust, NULL), "");
	/* Trusted once: no more questions. */
	assert_string_equal(try_pair(&l, &trust, NULL), "");
	link_close(&l);
}

static void an_unpaired_host_is_a_stranger_again(void **state)
{
	struct link l;
	plist_t m, r;

	(void)state;
	pair(&bench, bench.udid, &trust);
	l = lockdown(&bench, bench.udid);
	m = lockdown_request("Unpair");
	r = plist_new_dict();
	plist_dict_set_item(r, "HostID", plist_new_string(trust.host_id));
	plist_dict_set_item(m, "PairRecord", r);
	plist_free(link_ask(&l, m));
	expect_error(start_session(&l, trust.host_id), "InvalidHostID");
	link_close(&l);
}

static void an_erase_changes_the_key_and_ends_all_trust(void **state)
{
	struct link l = lockdown(&bench, bench.udid);
	EVP_PKEY *before = device_public_key(&l), *after;

	(void)state;
	link_close(&l);
	pair(&bench, bench.udid, &trust);
	tell(&bench, "erase %s", bench.udid);
	tell(&bench, "wait %s erased 1", bench.udid);
	l = lockdown(&bench, bench.udid);
	after = device_public_key(&l);
	assert_int_equal(EVP_PKEY_eq(before, after), 0);
	expect_error(start_session(&l, trust.host_id), "InvalidHostID");
	link_close(&l);
	EVP_PKEY_free(before);
	EVP_PKEY_free(after);
	trust_free(&trust);
	pair(&bench, bench.udid, &trust);
	l = session(&bench, bench.udid, &trust, NULL);
	{
		plist_t a = get_value(&l, NULL, "ActivationState");

		assert_string_equal(text_in(a, "Value"), "Unactivated");
		plist_free(a);
	}
	link_close(&l);
}

static void name_and_clock_can_be_set_and_are_read_back(void **state)
{
	struct link l;
	plist_t m, a;
	double now = 0;

	(void)state;
	pair(&bench, bench.udid, &trust);
	l = session(&bench, bench.udid, &trust, NULL);
	m = lockdown_request("SetValue");
	plist_dict_set_item(m, "Key", plist_new_string("DeviceName"));
	plist_dict_set_item(m, "Value", plist_new_string("Station 7 \xc3\xa9"));
	plist_free(link_ask(&l, m));
	a = get_value(&l, NULL, "DeviceName");
	assert_string_equal(text_in(a, "Value"), "Station 7 \xc3\xa9");
	plist_free(a);
	m = lockdown_request("SetValue");
	plist_dict_set_item(m, "Key", plist_new_string("TimeIntervalSince1970"));
	plist_dict_set_item(m, "Value", plist_new_uint(1000000000));
	plist_free(link_ask(&l, m));
	a = get_value(&l, NULL, "TimeIntervalSince1970");
	plist_get_real_val(plist_dict_get_item(a, "Value"), &now);
	assert_true(now >= 1e9 && now < 1e9 + 3600);
	plist_free(a);
	m = lockdown_request("SetValue");
	plist_dict_set_item(m, "Key", plist_new_string("SerialNumber"));
	plist_dict_set_item(m, "Value", plist_new_string("X"));
	expect_error(link_ask(&l, m), "SetProhibited");
	link_close(&l);
}

static void recovery_leaves_the_mux_and_shows_on_usb(void **state)
{
	struct link l;
	json_t *d;

	(void)state;
	pair(&bench, bench.udid, &trust);
	l = session(&bench, bench.udid, &trust, NULL);
	plist_free(link_ask(&l, lockdown_request("EnterRecovery")));
	link_close(&l);
	/* Gone and back, all on the loop. */
	do {
		d = show(&bench, bench.udid);
		if (strcmp(stg_json_str(d, "usb_mode"), "recovery") == 0)
			break;
		json_decref(d);
		poll(NULL, 0, 5);
	} while (true);
	json_decref(d);
	assert_int_equal(device_id(&bench, bench.udid), 0);
}

static void a_list_of_endless_depth_closes_the_connection_and_nothing_else(void **state)
{
	struct link l = lockdown(&bench, bench.udid);
	char text[4096] = "<plist>";
	uint32_t len;
	char byte;

	(void)state;
	for (int i = 0; i < 200; i++)
		strcat(text, "<array>");
	len = htonl((uint32_t)strlen(text));
	assert_true(link_write(&l, &len, 4));
	assert_true(link_write(&l, text, strlen(text)));
	assert_false(read_exactly(l.fd, &byte, 1));
	link_close(&l);
	l = lockdown(&bench, bench.udid);
	plist_free(get_value(&l, NULL, NULL));
	link_close(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_stranger_learns_the_model_but_not_the_serial_number, begin, end),
		cmocka_unit_test_setup_teardown(nothing_starts_without_a_session, begin, end),
		cmocka_unit_test_setup_teardown(a_record_that_does_not_hang_together_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(a_certificate_that_is_not_of_the_record_does_not_get_in, begin, end),
		cmocka_unit_test_setup_teardown(a_service_that_does_not_exist_is_invalid, begin, end),
		cmocka_unit_test_setup_teardown(a_locked_device_asks_for_its_passcode_or_the_escrow_bag, begin, end),
		cmocka_unit_test_setup_teardown(at_the_home_screen_a_person_decides, begin, end),
		cmocka_unit_test_setup_teardown(a_list_of_endless_depth_closes_the_connection_and_nothing_else, begin, end),
		cmocka_unit_test_setup_teardown(in_setup_a_host_is_trusted_at_once, begin, end),
		cmocka_unit_test_setup_teardown(the_socket_goes_on_in_plain_after_the_session, begin, end),
		cmocka_unit_test_setup_teardown(a_service_port_takes_one_connection_and_outlives_the_session, begin, end),
		cmocka_unit_test_setup_teardown(a_session_is_resumed_for_the_same_trust_only, begin, end),
		cmocka_unit_test_setup_teardown(an_unpaired_host_is_a_stranger_again, begin, end),
		cmocka_unit_test_setup_teardown(an_erase_changes_the_key_and_ends_all_trust, begin, end),
		cmocka_unit_test_setup_teardown(name_and_clock_can_be_set_and_are_read_back, begin, end),
		cmocka_unit_test_setup_teardown(recovery_leaves_the_mux_and_shows_on_usb, begin, end),
	};

	return cmocka_run_group_tests_name("virtual lockdown", tests, NULL, NULL);
}
