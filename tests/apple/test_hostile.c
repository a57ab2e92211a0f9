/*
 * test_hostile.c - devices that lie, break off, hang, flood or pretend: what the driver says, and what it never does.
 */
#include "desk.h"

#include <pthread.h>
#include <sys/resource.h>

#define NEVER_EXISTS "org.example.nothing"

/* ---- TLS ---- */

static plist_t read_xml(struct stg_bytes b)
{
	plist_t p = NULL;
	plist_from_xml((const char *)b.data, (uint32_t)b.len, &p);
	assert_non_null(p);
	return p;
}

static void another_key_is_refused_and_told_nothing(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	stg_device_close(paired(&d));
	/* the record now expects another key than the one the device has */
	plist_t record = read_xml(stg_buf_view(&d.record));
	plist_dict_set_item(record, "DeviceCertificate", plist_copy(plist_dict_get_item(record, "RootCertificate")));
	char *xml = NULL;
	uint32_t len = 0;
	plist_to_xml(record, &xml, &len);
	plist_free(record);
	assert_int_equal(usbmuxd_save_pair_record(d.arrival.udid, xml, len), 0);
	free(xml);
	int64_t before = asked(&d, "lockdownd GetValue");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	enum stg_trust trust;
	struct stg_identity who;
	NO(stg_device_trust(dev, &trust, &err), STG_E_REFUSED, STG_ID_DEVICE_NOT_GENUINE);
	NO(stg_device_identify(dev, &who, &err), STG_E_REFUSED, STG_ID_DEVICE_NOT_GENUINE);
	NO(stg_device_pair(dev, &err), STG_E_REFUSED, STG_ID_DEVICE_NOT_GENUINE);
	assert_int_equal(asked(&d, "lockdownd GetValue"), before);
	assert_int_equal(asked(&d, "lockdownd Pair"), 1);
	desk_end(&d);
}

static void a_service_in_the_clear_is_refused_and_told_nothing(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	static const char *const ways[] = { "plaintext MCInstall", "tls_refuse MCInstall" };
	for (size_t i = 0; i < STG_ARRAY_LEN(ways); i++) {
		struct stg_error err = { 0 };
		fault(&d, ways[i]);
		assert_null(stg_device_list_profiles(dev, &err));
		assert_true(err.code != STG_OK && err.code != STG_E_BUG);
	}
	assert_int_equal(installs(&d, "GetProfileList"), 0);
	assert_false(has_profile(dev, NEVER_EXISTS));
	desk_end(&d);
}

static void *pull_soon(void *arg)
{
	struct desk *d = arg;
	/* not to wait for something: the point is that the call is blocked already, or that it ends all the same */
	poll(NULL, 0, 300);
	stg_stop_pull(d->stop);
	return NULL;
}

static void a_hanging_handshake_ends_when_stop_is_pulled(void **state)
{
	struct desk d;
	pthread_t t;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	fault(&d, "tls_hang MCInstall");
	assert_int_equal(pthread_create(&t, NULL, pull_soon, &d), 0);
	struct stg_error err = { 0 };
	assert_null(stg_device_list_profiles(dev, &err));
	assert_int_equal(err.code, STG_E_CANCELLED);
	pthread_join(t, NULL);
	desk_end(&d);
}

static void a_hanging_handshake_ends_by_its_deadline(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	fault(&d, "tls_hang MCInstall");
	struct stg_error err = { 0 };
	assert_null(stg_device_list_profiles(dev, &err));
	assert_int_equal(err.code, STG_E_TIMEOUT);
	assert_int_equal(err.id, STG_ID_DEVICE_SILENT);
	desk_end(&d);
}

static void sigpipe_does_not_kill(void **state)
{
	struct desk d;
	int status;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	pid_t pid = fork();
	if (pid == 0) {
		struct stg_error err = { 0 };
		signal(SIGPIPE, SIG_DFL);
		char mux[120];
		snprintf(mux, sizeof(mux), "UNIX:%s", d.bench.mux);
		if (!stg_driver_find("apple")->prepare(mux, &err))
			_exit(2);
		struct stg_device *dev = stg_device_open(&d.arrival, &d.host, d.stop, &err);
		if (!dev || !stg_device_pair(dev, &err))
			_exit(3);
		fault(&d, "drop_after MCInstall/GetProfileList");
		json_decref(stg_device_list_profiles(dev, &err));
		/* the device hangs up, then much is written to it */
		tell(&d.bench, "unplug %s", d.bench.udid);
		static uint8_t big[600000];
		for (int i = 0; i < 3; i++)
			if (stg_device_install_profile(dev, stg_bytes(big, sizeof(big)), STG_INSTALL_ASK_PERSON, &err))
				_exit(4);
		stg_device_close(dev);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	desk_end(&d);
}

/* ---- answers nobody should read ---- */

static long rss_kib(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

static void hostile_answers_are_refused_before_they_are_read(void **state)
{
	static const struct {
		const char *fault, *how;
		enum stg_code codes[2];
	} all[] = {
		{ "bomb", "", { STG_E_PROTOCOL, STG_E_PROTOCOL } },
		{ "garbage", "", { STG_E_PROTOCOL, STG_E_PROTOCOL } },
		{ "big", "bytes=200000000", { STG_E_PROTOCOL, STG_E_GONE } },
		{ "wrong_request", "", { STG_E_PROTOCOL, STG_E_PROTOCOL } },
		/* once would be a connection that died: asked again */
		{ "truncate", "count=2", { STG_E_GONE, STG_E_TIMEOUT } },
	};
	struct desk d;
	struct stg_identity who;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	stg_device_close(paired(&d));
	long before = rss_kib();
	for (size_t i = 0; i < STG_ARRAY_LEN(all); i++) {
		char text[100];
		/* wrong_request changes the echo, which only lockdown has */
		bool lockdown_only = strncmp(all[i].fault, "wrong", 5) == 0;
		for (int service = 0; service < (lockdown_only ? 1 : 2); service++) {
			STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
			struct stg_error err = { 0 };
			snprintf(text, sizeof(text), "%s %s%s%s", all[i].fault, service ? "GetProfileList" : "GetValue",
				 *all[i].how ? " " : "", all[i].how);
			fault(&d, text);
			bool ok = service ? stg_device_list_profiles(dev, &err) != NULL : stg_device_identify(dev, &who, &err);
			if (ok || (err.code != all[i].codes[0] && err.code != all[i].codes[1]))
				fail_msg("%s: %s: %s", text, ok ? "went well" : stg_code_name(err.code), err.msg);
			fault(&d, "clear");
		}
	}
	assert_true(rss_kib() - before < 64 << 10);
	desk_end(&d);
}

static void a_header_in_two_pieces_is_put_together(void **state)
{
	struct desk d;
	struct stg_identity who;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	fault(&d, "header_split GetValue count=3");
	DO(stg_device_identify(dev, &who, &err));
	assert_true(who.unit[0]);
	desk_end(&d);
}

static void an_answer_without_a_status_proves_nothing(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	fault(&d, "no_status GetProfileList");
	NO(stg_device_list_profiles(dev, &err) != NULL, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE);
	/* of a change it leaves open whether it happened */
	fault(&d, "no_status InstallProfile");
	NO(stg_device_install_profile(dev, stg_bytes_str(profile_text("x")), STG_INSTALL_AUTO, &err), STG_E_UNKNOWN,
	   STG_ID_DEVICE_NONSENSE);
	desk_end(&d);
}

static void a_serial_of_zeros_is_none(void **state)
{
	struct desk d;
	struct stg_identity who;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	tell(&d.bench, "set %s set_serial 000000000000", d.bench.udid);
	DO(stg_device_pair(dev, &err));
	DO(stg_device_identify(dev, &who, &err));
	/* a board swapped in a workshop: zeros are no serial */
	assert_string_equal(who.serial, "");
	desk_end(&d);
}

static void refusals_of_lockdown_are_told_apart(void **state)
{
	static const struct {
		const char *error;
		enum stg_code code;
		unsigned int id;
	} all[] = {
		{ "PasswordProtected", STG_E_NEEDS_HUMAN, STG_ID_DEVICE_LOCKED },
		{ "EscrowLocked", STG_E_NEEDS_HUMAN, STG_ID_DEVICE_FIRST_UNLOCK },
		{ "UserDeniedPairing", STG_E_NEEDS_HUMAN, STG_ID_TRUST_DENIED },
		{ "MCProtected", STG_E_HOLD, STG_ID_PAIRING_PROHIBITED },
		{ "PairingProhibitedOverThisConnection", STG_E_HOLD, STG_ID_PAIRING_PROHIBITED },
		{ "ADeviceConfiguredToReject", STG_E_REFUSED, STG_ID_DEVICE_REFUSED },
		{ "InvalidPairRecord", STG_E_REFUSED, STG_ID_DEVICE_REFUSED },
	};
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	for (size_t i = 0; i < STG_ARRAY_LEN(all); i++) {
		char text[100];
		snprintf(text, sizeof(text), "refuse Pair error=%s", all[i].error);
		fault(&d, text);
		NO(stg_device_pair(dev, &err), all[i].code, all[i].id);
	}
	assert_int_equal(d.kept, 0);
	DO(stg_device_pair(dev, &err));
	desk_end(&d);
}

static void too_many_connections_are_worth_another_try(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	struct stg_error err = { 0 };
	fault(&d, "service_limit MCInstall");
	assert_null(stg_device_list_profiles(dev, &err));
	assert_int_equal(err.code, STG_E_TIMEOUT);
	assert_false(has_profile(dev, NEVER_EXISTS));
	desk_end(&d);
}

/* ---- lock and first unlock ---- */

static void a_locked_device_is_opened_with_the_bag_before_first_unlock_it_is_not(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	tell(&d.bench, "lock %s", d.bench.udid);
	assert_false(has_profile(dev, NEVER_EXISTS));
	tell(&d.bench, "set %s escrow_locked true", d.bench.udid);
	STG_AUTO(stg_device_close_at) struct stg_device *later = desk_open(&d);
	struct stg_error err = { 0 };
	assert_null(stg_device_list_profiles(later, &err));
	assert_int_equal(err.id, STG_ID_DEVICE_FIRST_UNLOCK);
	assert_int_equal(err.code, STG_E_NEEDS_HUMAN);
	desk_end(&d);
}

/* ---- cables ---- */

static void a_cable_pulled_at_any_request_is_said_as_such(void **state)
{
	static const char *const requests[] = { "QueryType", "GetValue", "StartSession", "StartService", "GetProfileList" };
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	stg_device_close(paired(&d));
	for (size_t i = 0; i < STG_ARRAY_LEN(requests); i++) {
		char text[100];
		struct stg_identity who;
		struct stg_error err = { 0 };
		d.arrival = arrival_of(d.arrival.udid);
		STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
		snprintf(text, sizeof(text), "unplug_before %s", requests[i]);
		fault(&d, text);
		STG_AUTO(stg_json_free_at) json_t *list = NULL;
		bool ok = stg_device_identify(dev, &who, &err) && (list = stg_device_list_profiles(dev, &err)) != NULL;
		if (ok || err.code != STG_E_GONE || err.id != STG_ID_DEVICE_GONE)
			fail_msg("%s: %s: %s", requests[i], ok ? "went well" : stg_code_name(err.code), err.msg);
		tell(&d.bench, "plug %s", d.bench.udid);
		tell(&d.bench, "wait %s attached", d.bench.udid);
	}
	desk_end(&d);
}

static void a_kept_connection_that_died_is_replaced_for_reading(void **state)
{
	struct desk d;
	struct stg_identity who;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	assert_false(has_profile(dev, NEVER_EXISTS));
	fault(&d, "drop_before GetProfileList");
	assert_false(has_profile(dev, NEVER_EXISTS));
	fault(&d, "drop_before GetValue");
	DO(stg_device_identify(dev, &who, &err));
	/* in a session again: outside, a device keeps its serial to itself */
	assert_true(who.serial[0]);
	desk_end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_key_is_refused_and_told_nothing),
		cmocka_unit_test(a_service_in_the_clear_is_refused_and_told_nothing),
		cmocka_unit_test(a_hanging_handshake_ends_when_stop_is_pulled),
		cmocka_unit_test(a_hanging_handshake_ends_by_its_deadline),
		cmocka_unit_test(sigpipe_does_not_kill),
		cmocka_unit_test(hostile_answers_are_refused_before_they_are_read),
		cmocka_unit_test(a_header_in_two_pieces_is_put_together),
		cmocka_unit_test(an_answer_without_a_status_proves_nothing),
		cmocka_unit_test(a_serial_of_zeros_is_none),
		cmocka_unit_test(refusals_of_lockdown_are_told_apart),
		cmocka_unit_test(too_many_connections_are_worth_another_try),
		cmocka_unit_test(a_locked_device_is_opened_with_the_bag_before_first_unlock_it_is_not),
		cmocka_unit_test(a_cable_pulled_at_any_request_is_said_as_such),
		cmocka_unit_test(a_kept_connection_that_died_is_replaced_for_reading),
	};
	return cmocka_run_group_tests(tests, office_open, office_close);
}
