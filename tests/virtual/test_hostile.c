/* test_hostile.c - bytes that mean nothing, on every door: the bench closes the door and goes on. */
#include "host.h"

static struct bench bench;
static struct trust trust;

static int begin(void **state)
{
	(void)state;
	bench_begin(&bench, "--iphones", "1", "--pace", "instant", "--seed", "5", NULL);
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

static uint32_t next(void)
{
	static uint32_t x = 2463534242u;   /* xorshift: the same bytes at every run */

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

static void fill(uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)next();
}

/* Sends and closes without looking: sometimes the other side is quicker. */
static void throw_at(int fd, const uint8_t *buf, size_t len)
{
	(void)!send(fd, buf, len, MSG_NOSIGNAL);
	if (next() % 2)
		(void)readable(fd, 1);
	close(fd);
}

static void is_alive(void)
{
	struct link l = session(&bench, bench.udid, &trust, NULL);
	plist_t a = get_value(&l, NULL, "SerialNumber");

	assert_true(text_in(a, "Value")[0] != '\0');
	plist_free(a);
	link_close(&l);
}

static void noise_on_the_mux(void **state)
{
	uint8_t buf[600];

	(void)state;
	for (int i = 0; i < 150; i++) {
		size_t len = next() % sizeof(buf);

		fill(buf, sizeof(buf));
		if (i % 2) {   /* a header that is believed, and noise behind it */
			const uint32_t head[4] = { 16 + next() % 500, 1, 8, 1 };

			memcpy(buf, head, sizeof(head));
		}
		throw_at(mux_connect(&bench), buf, len);
	}
	is_alive();
}

static void noise_on_lockdown(void **state)
{
	uint8_t buf[600];

	(void)state;
	for (int i = 0; i < 100; i++) {
		fill(buf, sizeof(buf));
		if (i % 2)
			memcpy(buf, "\0\0\0\x40" "bplist00", 12);
		throw_at(connect_port(&bench, bench.udid, 62078), buf, 12 + next() % 500);
	}
	is_alive();
}

/* Requests whose members have types nobody expects. */
static void members_of_strange_types(void **state)
{
	static const char *const requests[] = { "QueryType", "GetValue", "SetValue", "RemoveValue", "Pair", "ValidatePair", "Unpair",
						"StartSession", "StopSession", "StartService", "Goodbye", "ResetPairing" };
	static const char *const keys[] = { "Key", "Domain", "Value", "PairRecord", "PairingOptions", "HostID", "SessionID",
					    "Service", "EscrowBag" };

	(void)state;
	for (size_t i = 0; i < STG_ARRAY_LEN(requests); i++)
		for (int kind = 0; kind < 5; kind++) {
			struct link l = lockdown(&bench, bench.udid);
			plist_t m = lockdown_request(requests[i]);

			for (size_t k = 0; k < STG_ARRAY_LEN(keys); k++)
				plist_dict_set_item(m, keys[k], kind == 0   ? plist_new_uint(7)
								: kind == 1 ? plist_new_array()
								: kind == 2 ? plist_new_dict()
								: kind == 3 ? plist_new_data("x", 1)
									    : plist_new_string(""));
			plist_free(link_ask(&l, m));
			link_close(&l);
		}
	is_alive();
}

static void noise_in_a_service(void **state)
{
	static const char *const names[] = { "com.apple.mobile.MCInstall", "com.apple.afc", "com.apple.mobile.installation_proxy",
					     "com.apple.mobileactivationd", "com.apple.mobile.diagnostics_relay",
					     "com.apple.mobile.notification_proxy", "com.apple.misagent",
					     "com.apple.springboardservices" };
	uint8_t buf[600];

	(void)state;
	for (size_t i = 0; i < STG_ARRAY_LEN(names); i++)
		for (int k = 0; k < 6; k++) {
			struct link l = open_service(&bench, bench.udid, &trust, names[i]);

			fill(buf, sizeof(buf));
			if (k == 1)
				memcpy(buf, "\0\0\0\x40" "bplist00", 12);
			if (k == 2)
				memcpy(buf, "CFA6LPAA\x28\0\0\0\0\0\0\0\x28\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\x0d\0\0\0\0\0\0\0", 40);
			if (k == 3)   /* lengths that lie */
				memcpy(buf, "CFA6LPAA\xff\xff\xff\xff\xff\xff\xff\x7f\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0", 40);
			if (k == 4) {
				link_send(&l, plist_new_array());
				link_send(&l, plist_new_string("hello"));
			}
			link_write(&l, buf, sizeof(buf));
			link_close(&l);
		}
	is_alive();
}

static void noise_on_the_control_socket(void **state)
{
	static const char *const lines[] = { "\n", "{}\n", "[]\n", "{\"verb\":3}\n", "{\"verb\":\"plug\"}\n",
					     "{\"verb\":\"tap\",\"args\":[{}]}\n", "{\"verb\":\"wait\",\"args\":[[],{}]}\n",
					     "{\"verb\":\"fault\",\"args\":[\"#1\",\"mute\",\"=\",\"count=x\"]}\n",
					     "{\"verb\":\"set\",\"args\":[\"#1\",\"battery\",\"-5\"]}\n",
					     "{\"verb\":\"add\",\"args\":[\"{\"]}\n" };
	uint8_t buf[300];

	(void)state;
	for (size_t i = 0; i < STG_ARRAY_LEN(lines); i++)
		throw_at(unix_connect(bench.ctl), (const uint8_t *)lines[i], strlen(lines[i]));
	for (int i = 0; i < 50; i++) {
		fill(buf, sizeof(buf));
		buf[299] = '\n';
		throw_at(unix_connect(bench.ctl), buf, sizeof(buf));
	}
	tell(&bench, "fault #1 clear");
	is_alive();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(noise_on_the_mux, begin, end),
		cmocka_unit_test_setup_teardown(noise_on_lockdown, begin, end),
		cmocka_unit_test_setup_teardown(members_of_strange_types, begin, end),
		cmocka_unit_test_setup_teardown(noise_in_a_service, begin, end),
		cmocka_unit_test_setup_teardown(noise_on_the_control_socket, begin, end),
	};

	return cmocka_run_group_tests_name("virtual hostile", tests, NULL, NULL);
}
