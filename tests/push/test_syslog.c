/*
 * test_syslog.c - results at a SIEM: Debian's rsyslog over TLS reads what we write; what broke goes again, and nothing is called delivered.
 */
#include <pthread.h>

#include "daemon.h"

static struct daemon rs, strict;         /* strict: wants a certificate of the 7th station */

/* peer: the name its clients must have in their certificates; NULL: whoever comes. Names are compared by rsyslog's GnuTLS driver
 * only (8.2302); that one never says the last word of TLS either. */
static void server_up(struct daemon *d, const char *certificate, const char *peer)
{
	char mode[300] = "StreamDriver.AuthMode=\"anon\"";
	char config[3000], path[300];
	const char *driver = peer ? "gtls" : "ossl";
	if (peer)
		snprintf(mode, sizeof(mode), "StreamDriver.AuthMode=\"x509/name\" PermittedPeer=[\"%s\"]", peer);
	daemon_folder(d);
	daemon_put(d, "ca.pem", 0600, daemon_ca);
	daemon_put(d, "cert.pem", 0600, certificate);
	d->port = free_port();
	snprintf(config, sizeof(config),
		 "global(workDirectory=\"%s\" maxMessageSize=\"8k\" DefaultNetstreamDriver=\"%s\" DefaultNetstreamDriverCAFile=\"%s/ca.pem\" DefaultNetstreamDriverCertFile=\"%s/cert.pem\""
		 " DefaultNetstreamDriverKeyFile=\"%s/cert.pem\")\n"
		 "module(load=\"imtcp\" StreamDriver.Name=\"%s\" StreamDriver.Mode=\"1\" %s)\n"
		 "input(type=\"imtcp\" port=\"%d\" address=\"127.0.0.1\")\n"
		 "template(name=\"read\" type=\"string\" string=\"%%pri%%|%%hostname%%|%%app-name%%|%%procid%%|%%msgid%%|%%structured-data%%|%%msg%%\\n\")\n"
		 "action(type=\"omfile\" file=\"%s/out\" template=\"read\")\n", d->dir, driver, d->dir, d->dir, d->dir, driver, mode, d->port, d->dir);
	daemon_put(d, "config", 0600, config);
	snprintf(path, sizeof(path), "%s/config", d->dir);
	char pid_file[300];
	snprintf(pid_file, sizeof(pid_file), "%s/pid", d->dir);
	d->pid = begin_program(d->log, true, (const char *const[]){ "/usr/sbin/rsyslogd", "-n", "-C", "-f", path, "-i", pid_file, NULL });
	wait_listening(d);
}

static json_t *config_of(int port)
{
	char url[80];
	snprintf(url, sizeof(url), "syslog://127.0.0.1:%d", port);
	return json_pack("{s:s,s:s}", "url", url, "ca_pem", daemon_ca);
}

/* What rsyslog has understood, once it is at least `n` lines. */
static char *understood_by(const struct daemon *d, int n)
{
	static char text[1 << 17];
	char path[300];
	snprintf(path, sizeof(path), "%s/out", d->dir);
	for (int64_t end = stg_boot_ms() + DAEMON_WAIT_MS; stg_boot_ms() < end;) {
		STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(sizeof(text) - 1);
		int lines = 0;
		(void)stg_file_read(path, &b, NULL);
		stg_copy(text, sizeof(text), stg_buf_str(&b));
		for (const char *p = text; (p = strchr(p, '\n')); p++)
			lines++;
		if (lines >= n)
			return text;
		struct timespec nap = { 0, 20000000 };
		nanosleep(&nap, NULL);
	}
	show_log(d->log);
	fail_msg("rsyslog has not said %d messages:\n%s", n, text);
	return text;
}

static char *understood(int n)
{
	return understood_by(&rs, n);
}

static void another_server_gets_nothing_and_settings_that_cannot_be_meant_are_refused(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	const char *name = target_add(s, "syslog", config_of(rs.port));
	const struct {
		const char *key, *value, *state;
	} cases[] = { { "ca_pem", daemon_other_ca, "trust" }, { "url", "syslog://127.0.0.1:1", "offline" } };
	stage(s, 2);
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		json_t *config = config_of(rs.port);
		stg_json_put(config, cases[i].key, cases[i].value);
		json_t *target = json_pack("{s:s,s:s,s:o}", "name", name, "connector", "syslog", "config", config);
		OK(stg_store_target_put(s->st.s, target, stg_bytes(NULL, 0), err));
		json_decref(target);
		assert_int_equal(round_now(s), 0);
		assert_string_equal(state_of(s, name), cases[i].state);
		assert_int_equal(in_state(s, "queued"), 2);
	}
	static const char *const wrong[][2] = { { "url", "http://127.0.0.1" }, { "url", "syslog://127.0.0.1/x" }, { "format", "json" }, { "facility", "local9" }, { "enterprise", "a" }, { "x", "y" } };
	for (size_t i = 0; i < STG_ARRAY_LEN(wrong); i++) {
		STG_AUTO(stg_json_free_at) json_t *row = json_pack("{s:s,s:s,s:o}", "name", "x", "connector", "syslog", "config", config_of(1));
		json_object_set_new(json_object_get(row, "config"), wrong[i][0], json_string(wrong[i][1]));
		FAILS(stg_push_check(row, NULL, false, "/nonexistent", err), STG_E_INPUT, STG_ID_TARGET_CONFIG);
	}
	STG_AUTO(stg_json_free_at) json_t *away = json_pack("{s:s,s:s,s:{s:s}}", "name", "x", "connector", "syslog", "config", "url", "syslog://siem.example.org");
	FAILS(stg_push_check(away, NULL, true, "/nonexistent", err), STG_E_SAFETY, STG_ID_TARGET_REHEARSAL);
}

static void each_result_is_a_message_a_receiver_understands_and_is_never_called_delivered(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	const char *name = target_add(s, "syslog", config_of(rs.port));
	STG_AUTO(stg_json_free_at) json_t *tested = NULL;
	OK((tested = stg_push_test(&s->door, name, err)) != NULL);
	assert_true(stg_json_bool(tested, "ok", false));
	stage(s, 3);
	round_now(s);
	assert_int_equal(in_state(s, "sent_unproven"), 3);
	assert_int_equal(in_state(s, "delivered"), 0);
	assert_string_equal(state_of(s, name), "");
	char *text = understood(3);
	assert_int_equal(strncmp(text, "134|", 4), 0);
	assert_non_null(strstr(text, "|stager|-|STAGED|[stager@32473 serial=\"F2LXK0AA0001\" seq=\"1\" outcome=\"staged\" record_id=\""));
	assert_non_null(strstr(text, "serial=\"F2LXK0AA0003\""));
	assert_non_null(strstr(text, "asset=\"A-1042\""));
	assert_non_null(strstr(text, "Device staged"));

	/* CEF, and values that would break either form */
	STG_AUTO(stg_json_free_at) json_t *record = json_pack("{s:s,s:i,s:s,s:s,s:s,s:{s:s},s:{s:s,s:s}}", "record_id", "r", "seq", 7, "station", "bench ä7", "outcome", "failed", "asset_tag",
							      "a]b\"c\\d=e|f\ng", "device", "serial", "S1", "time", "wall", "2026-11-22T02:38:57.123Z", "trust", "ntp");
	STG_AUTO(stg_json_free_at) json_t *row = json_pack("{s:s,s:s,s:o}", "name", "x", "connector", "syslog", "config", config_of(rs.port));
	STG_AUTO(stg_json_free_at) json_t *plain = NULL;
	OK((plain = stg_push_try(row, NULL, record, false, "/nonexistent", err)) != NULL);
	assert_non_null(strstr(stg_json_str(plain, "body"), " <131>1 2026-11-22T02:38:57.123Z bench---7 stager - FAILED [stager@32473 "));
	assert_non_null(strstr(stg_json_str(plain, "body"), "asset=\"a\\]b\\\"c\\\\d=e|f g\""));
	assert_int_equal(atoi(stg_json_str(plain, "body")), (int)strlen(strchr(stg_json_str(plain, "body"), ' ')) - 1);
	stg_json_put(json_object_get(row, "config"), "format", "cef");
	STG_AUTO(stg_json_free_at) json_t *cef = NULL;
	OK((cef = stg_push_try(row, NULL, record, false, "/nonexistent", err)) != NULL);
	assert_non_null(strstr(stg_json_str(cef, "body"), "CEF:0|stager|stager|" STG_VERSION "|110|Device failed|6|rt=1795315137123 deviceExternalId=S1 externalId=7 outcome=failed "));
	assert_non_null(strstr(stg_json_str(cef, "body"), "cs2Label=assetTag cs2=a]b\"c\\\\d\\=e|f g "));
}

/* A line that is cut hard when so many bytes have gone through. */
static struct {
	int fd, port;
	size_t most;
} cutter;

static void *cut_main(void *unused)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)rs.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger now = { 1, 0 };
	int client = accept(cutter.fd, NULL, NULL), server = socket(AF_INET, SOCK_STREAM, 0);
	size_t sent = 0;
	char data[4096];
	(void)unused;
	if (connect(server, (struct sockaddr *)&at, sizeof(at)) != 0)
		return NULL;
	for (bool open = true; open;) {
		struct pollfd p[2] = { { client, POLLIN, 0 }, { server, POLLIN, 0 } };
		if (poll(p, 2, DAEMON_WAIT_MS) <= 0)
			break;
		for (int i = 0; i < 2 && open; i++) {
			ssize_t n = p[i].revents ? recv(p[i].fd, data, sizeof(data), 0) : 0;
			open = !p[i].revents || (n > 0 && send(p[1 - i].fd, data, (size_t)n, MSG_NOSIGNAL) == n);
			sent += i == 0 && n > 0 ? (size_t)n : 0;
			open = open && sent < cutter.most;
		}
	}
	setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(client);
	close(server);
	return NULL;
}

static void what_broke_is_in_doubt_and_goes_again_with_the_same_number(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	pthread_t thread;
	cutter.fd = socket(AF_INET, SOCK_STREAM, 0);
	cutter.most = 4000;
	assert_int_equal(bind(cutter.fd, (struct sockaddr *)&at, sizeof(at)) | listen(cutter.fd, 1), 0);
	assert_int_equal(getsockname(cutter.fd, (struct sockaddr *)&at, &n), 0);
	const char *name = target_add(s, "syslog", config_of(ntohs(at.sin_port)));
	stage(s, 40);
	assert_int_equal(pthread_create(&thread, NULL, cut_main, NULL), 0);
	round_now(s);
	pthread_join(thread, NULL);
	close(cutter.fd);
	assert_int_equal(in_state(s, "in_doubt"), 40);
	assert_string_equal(state_of(s, name), "in_doubt");
	json_t *target = json_pack("{s:s,s:s,s:o}", "name", name, "connector", "syslog", "config", config_of(rs.port));
	OK(stg_store_target_put(s->st.s, target, stg_bytes(NULL, 0), err));
	json_decref(target);
	round_now(s);
	assert_int_equal(in_state(s, "sent_unproven"), 40);
	const char *text = understood(43);
	for (int i = 1; i <= 40; i++) {
		char words[64];
		snprintf(words, sizeof(words), "serial=\"F2LXK0AA%04d\" seq=\"%d\"", i, i);
		assert_non_null(strstr(text, words));
	}
}

/* Hangs up without a word of TLS: where `reads`, after all that was sent, else before. */
static void *rude_main(void *reads)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	char path[300], data[4096];
	snprintf(path, sizeof(path), "%s/cert.pem", rs.dir);
	int client = accept(cutter.fd, NULL, NULL);
	SSL *ssl = SSL_CTX_use_certificate_file(ctx, path, SSL_FILETYPE_PEM) == 1 && SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM) == 1 ? SSL_new(ctx) : NULL;
	if (ssl && SSL_set_fd(ssl, client) == 1 && SSL_accept(ssl) == 1)
		while (reads && SSL_read(ssl, data, sizeof(data)) > 0)
			;
	close(client);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return NULL;
}

static void what_a_server_read_that_hangs_up_is_sent_and_the_rest_in_doubt(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	pthread_t thread;
	cutter.fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(cutter.fd, (struct sockaddr *)&at, sizeof(at)) | listen(cutter.fd, 1), 0);
	assert_int_equal(getsockname(cutter.fd, (struct sockaddr *)&at, &n), 0);
	(void)target_add(s, "syslog", config_of(ntohs(at.sin_port)));
	stage(s, 40);
	for (int reads = 0; reads < 2; reads++) {
		assert_int_equal(pthread_create(&thread, NULL, rude_main, reads ? &cutter : NULL), 0);
		round_now(s);
		pthread_join(thread, NULL);
		assert_int_equal(in_state(s, "in_doubt"), reads ? 0 : 40);
		assert_int_equal(in_state(s, "sent_unproven"), reads ? 40 : 0);
	}
	close(cutter.fd);
}

static void a_server_that_wants_our_certificate_takes_only_the_one_that_names_us(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	static const char *const certificates[] = { NULL, daemon_station8, daemon_false7, daemon_station7 };
	const char *name = target_add(s, "syslog", config_of(strict.port));
	for (size_t i = 0; i < STG_ARRAY_LEN(certificates); i++) {
		stage(s, 1);
		json_object_clear(s->credentials);
		if (certificates[i])
			stg_json_put(s->credentials, "client_pem", certificates[i]);
		round_now(s);
		STG_AUTO(stg_json_free_at) json_t *target = NULL;
		OK((target = stg_store_target(s->st.s, name, NULL, err)) != NULL);
		const bool is_ours = certificates[i] == daemon_station7;
		if (is_ours != !*stg_json_str(target, "state"))
			fail_msg("case %zu: '%s': %s", i, stg_json_str(target, "state"), stg_json_str(target, "text"));
		if (!certificates[i])
			assert_non_null(strstr(stg_json_str(target, "text"), "it asked for a certificate of ours, and there is none"));
		assert_int_equal(in_state(s, "sent_unproven"), is_ours ? 4 : 0);
	}
	const char *text = understood_by(&strict, 4);
	for (int i = 1; i <= 4; i++) {
		char words[64];
		snprintf(words, sizeof(words), "serial=\"F2LXK0AA%04d\"", i);
		assert_non_null(strstr(text, words));
		assert_null(strstr(strstr(text, words) + 1, words));    /* nobody else's certificate brought it there before */
	}
}

static int up(void **state)
{
	(void)state;
	daemon_certificates();
	server_up(&rs, daemon_cert, NULL);
	server_up(&strict, daemon_cert, "station7.example.org");
	return 0;
}

static int down(void **state)
{
	(void)state;
	daemon_stop(&rs);
	daemon_stop(&strict);
	return 0;
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_server_gets_nothing_and_settings_that_cannot_be_meant_are_refused),
		cmocka_unit_test(each_result_is_a_message_a_receiver_understands_and_is_never_called_delivered),
		cmocka_unit_test(what_broke_is_in_doubt_and_goes_again_with_the_same_number),
		cmocka_unit_test(a_server_that_wants_our_certificate_takes_only_the_one_that_names_us),
		cmocka_unit_test(what_a_server_read_that_hangs_up_is_sent_and_the_rest_in_doubt),
	};
	return cmocka_run_group_tests(tests, up, down);
}
