/*
 * test_delivery.c - results reach the receiver once, whatever happens on the way; the outbox says what became of each.
 */
#include "site.h"

/* ---- failing ---- */

static void a_receiver_that_is_down_costs_nothing_and_gets_all_later(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	const char *name = webhook_add(s);
	int port = s->server->port;
	stage(s, 3);
	server_stop_at(&s->server);
	assert_int_equal(round_now(s), 0);
	assert_string_equal(state_of(s, name), "offline");
	assert_int_equal(in_state(s, "queued"), 3);

	/* left alone until its wait is over */
	int64_t delivered, next = INT64_MAX, before = stg_boot_ms();
	OK(stg_push_round(&s->door, NULL, NULL, &delivered, &next, err));
	assert_true(next > before && next < before + 120000);

	s->server = server_start(NULL, NULL);
	assert_true(s->server->port != port || port);
	json_t *target = json_pack("{s:s,s:s,s:{s:s}}", "name", name, "connector", "webhook", "config", "url", "");
	char url[64];
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/hook", s->server->port);
	json_object_set_new(json_object_get(target, "config"), "url", json_string(url));
	OK(stg_store_target_put(s->st.s, target, stg_bytes(NULL, 0), err));
	json_decref(target);
	/* put again = tried at once, without a person's push */
	OK(stg_push_round(&s->door, NULL, NULL, &delivered, &next, err));
	assert_int_equal(delivered, 3);
	assert_string_equal(state_of(s, name), "");
	all_once(s, 3);
}

static void what_may_have_arrived_is_repeated_with_the_same_id_and_body(void **state)
{
	(void)state;
	static const enum way ways[] = { WAY_CUT_AFTER, WAY_HALF, WAY_CUT_BEFORE, WAY_HUGE };
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	(void)webhook_add(s);
	stage(s, 4);
	for (size_t i = 0; i < STG_ARRAY_LEN(ways); i++) {
		server_will(s->server, ways[i], NULL);
		int64_t before = in_state(s, "delivered");
		assert_int_equal(round_now(s), 0);
		assert_int_equal(in_state(s, "in_doubt"), 1);
		assert_int_equal(in_state(s, "delivered"), before);
		assert_int_equal(round_now(s), i == 0 ? 4 : 1);
		if (i + 1 < STG_ARRAY_LEN(ways))
			stage(s, 1);
	}
	all_once(s, 7);
	assert_int_equal(s->server->requests, 7 + 4);
}

static void an_error_after_applying_is_in_doubt_not_failed(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	const char *name = webhook_add(s);
	stage(s, 1);
	server_will(s->server, WAY_ANSWER, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
	round_now(s);
	assert_int_equal(in_state(s, "in_doubt"), 1);
	assert_string_equal(state_of(s, name), "in_doubt");
	assert_int_equal(round_now(s), 1);
	all_once(s, 1);
}

static void waits_and_stops_are_the_targets_and_never_count_against_a_row(void **state)
{
	(void)state;
	static const struct {
		const char *answer, *state;
		int64_t least_ms;
	} cases[] = {
		{ "HTTP/1.1 429 Slow\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n", "throttled", 110000 },
		{ "HTTP/1.1 503 Busy\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n", "throttled", 55000 },
		{ "HTTP/1.1 501 What\r\nContent-Length: 0\r\n\r\n", "server", 1 },
		{ "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", "auth", 500000 },
		{ "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "auth", 500000 },
		{ "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", "gone", 500000 },
		{ "HTTP/1.1 302 Found\r\nLocation: https://portal.example/\r\nContent-Length: 0\r\n\r\n", "trust", 500000 },
	};
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	const char *name = webhook_add(s);
	stage(s, 2);
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		server_will(s->server, WAY_REFUSE, cases[i].answer);
		int before = s->server->requests;
		int64_t delivered, next = 0;
		round_now(s);
		assert_string_equal(state_of(s, name), cases[i].state);
		assert_int_equal(s->server->requests, before + 1);
		assert_int_equal(in_state(s, "queued"), 2);
		/* the next round leaves it alone */
		OK(stg_push_round(&s->door, NULL, NULL, &delivered, &next, err));
		assert_int_equal(s->server->requests, before + 1);
		assert_true(next >= stg_boot_ms() - 1000 + cases[i].least_ms - 2000 || cases[i].least_ms == 1);
	}
	assert_int_equal(round_now(s), 2);
	all_once(s, 2);
}

static void a_captive_portals_page_is_no_receipt(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	const char *name = webhook_add(s);
	stage(s, 1);
	server_will(s->server, WAY_REFUSE, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>");
	assert_int_equal(round_now(s), 0);
	assert_string_equal(state_of(s, name), "trust");
	assert_int_equal(in_state(s, "delivered"), 0);
	assert_int_equal(round_now(s), 1);
	all_once(s, 1);
}

static void a_refused_record_is_rejected_alone_and_shows_the_servers_words_without_secrets(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	(void)webhook_add(s);
	json_object_set_new(s->credentials, "token", json_string("MARKED-TOKEN-0123456789"));
	stage(s, 3);
	server_will(s->server, WAY_REFUSE, "HTTP/1.1 422 No\r\nContent-Type: text/plain\r\nContent-Length: 52\r\n\r\n"
					   "no such field; you sent MARKED-TOKEN-0123456789 \033[1m!");
	assert_int_equal(round_now(s), 2);
	assert_int_equal(in_state(s, "rejected"), 1);
	STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:s}", "state", "rejected");
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_outbox(s->st.s, filter, NULL);
	const char *text = stg_json_str(json_object_get(json_array_get(rows, 0), "answer"), "text");
	assert_non_null(strstr(text, "no such field"));
	assert_null(strstr(text, "MARKED"));
	assert_null(strchr(text, '\033'));
	assert_string_equal(stg_json_str(s->server->last_headers, "authorization"), "Bearer MARKED-TOKEN-0123456789");
}

static void a_wrong_path_is_the_targets_fault_not_the_records(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	const char *name = webhook_add(s);
	stage(s, 5);
	for (int i = 0; i < 3; i++)
		server_will(s->server, WAY_REFUSE, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(round_now(s), 0);
	assert_int_equal(s->server->requests, 3);       /* not five */
	assert_string_equal(state_of(s, name), "server");
	assert_int_equal(in_state(s, "queued"), 5);
	assert_int_equal(in_state(s, "rejected"), 0);
}

static void an_inventory_that_cannot_take_the_outcome_does_not_double_it(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	(void)webhook_add(s);
	stage(s, 2);
	int64_t delivered, next;
	struct stg_error e = { 0 };
	s->settle_fails = 1;
	assert_false(stg_push_round(&s->door, NULL, NULL, &delivered, &next, &e));
	assert_int_equal(in_state(s, "sending"), 1);
	/* told as soon as the inventory takes it, without asking the server again */
	OK(stg_push_round(&s->door, NULL, NULL, &delivered, &next, err));
	assert_int_equal(s->server->requests, 2);
	all_once(s, 2);
}

static void a_kill_between_sending_and_noting_repeats_harmlessly(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	const char *name = webhook_add(s);
	stage(s, 2);
	/* as a power cut leaves it: sent, applied, never settled */
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_outbox_take(s->st.s, name, 1, stg_boot_ms(), NULL);
	assert_int_equal(json_array_size(rows), 1);
	int64_t jobs;
	OK(stg_store_recover(s->st.s, &jobs, err));
	assert_int_equal(in_state(s, "in_doubt"), 1);
	assert_int_equal(round_now(s), 2);
	all_once(s, 2);
}

static void a_rehearsal_never_leaves_the_machine(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_REHEARSAL);
	const char *away = target_add(s, "webhook", json_pack("{s:s}", "url", "https://mdm.example.com/hook"));
	char name[32];
	stg_copy(name, sizeof(name), away);
	(void)webhook_add(s);
	stage(s, 1);
	int64_t delivered, next;
	OK(stg_push_round(&s->door, NULL, NULL, &delivered, &next, err));
	assert_int_equal(delivered, 1);
	assert_string_equal(state_of(s, name), "safety");
	FAILS(stg_push_round(&s->door, name, NULL, &delivered, &next, err), STG_E_SAFETY, STG_ID_TARGET_REHEARSAL);
	assert_non_null(strstr(s->server->last_body, "\"rehearsal\":true"));

	/* and its records are refused by a production station, wherever they come from */
	s->door.rehearsal = false;
	stage(s, 1);
	server_will(s->server, WAY_ANSWER, NULL);
	int before = s->server->requests;
	round_now(s);
	assert_int_equal(s->server->requests, before);
	assert_true(in_state(s, "rejected") >= 1);
}

/* A server with this certificate that wants ours; what the target's state is after a round, and then all is delivered. */
static void meets_certificate(struct site *s, const struct made *shown, const struct made *trusted, const char *client_pem, const char *expected)
{
	char url[64], pem[8192];
	const char *name;
	server_stop_at(&s->server);
	s->server = server_start(shown, trusted);
	made_pem(trusted, false, pem, sizeof(pem));
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/hook", s->server->port);
	json_object_clear(s->credentials);
	stg_json_put(s->credentials, "secret", SECRET);
	stg_json_put(s->credentials, "client_pem", client_pem);
	name = target_add(s, "webhook", json_pack("{s:s,s:s}", "url", url, "ca_pem", pem));
	stage(s, 1);
	int64_t delivered, next;
	OK(stg_push_round(&s->door, name, NULL, &delivered, &next, err));
	if (strcmp(state_of(s, name), expected) != 0)
		fail_msg("state '%s', '%s' was expected", state_of(s, name), expected);
	assert_int_equal(delivered, *expected ? 0 : 1);
	assert_int_equal(s->server->applied, *expected ? 0 : 1);
	/* the other targets of this test are of no interest any more */
	STG_AUTO(stg_json_free_at) json_t *row = stg_store_target(s->st.s, name, NULL, NULL);
	stg_json_put_bool(row, "enabled", false);
	OK(stg_store_target_put(s->st.s, row, stg_bytes(NULL, 0), err));
}

static void certificates_on_both_sides_must_be_right(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	struct made ca = make_certificate("CA", NULL, NULL, -3600, 86400), other = make_certificate("Other CA", NULL, NULL, -3600, 86400);
	struct made good = make_certificate("good", "IP:127.0.0.1", &ca, -3600, 86400), expired = make_certificate("old", "IP:127.0.0.1", &ca, -7200, -60);
	struct made elsewhere = make_certificate("else", "DNS:elsewhere.example", &ca, -3600, 86400), client = make_certificate("us", "DNS:us.example", &ca, -3600, 86400);
	char pem[8192];
	made_pem(&client, true, pem, sizeof(pem));
	meets_certificate(s, &expired, &ca, pem, "clock");
	meets_certificate(s, &elsewhere, &ca, pem, "trust");
	meets_certificate(s, &good, &other, pem, "trust");
	meets_certificate(s, &good, &ca, "", "auth");
	meets_certificate(s, &good, &ca, pem, "");
	struct made *all[] = { &ca, &other, &good, &expired, &elsewhere, &client };
	for (size_t i = 0; i < STG_ARRAY_LEN(all); i++)
		made_clear(all[i]);
}

static void stopping_sends_nothing_more_and_loses_nothing(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	STG_AUTO(stg_stop_free_at) struct stg_stop *stop = stg_stop_new(NULL);
	const char *name = webhook_add(s);
	int64_t delivered, next;
	stage(s, 2);
	stg_stop_pull(stop);
	OK(stg_push_round(&s->door, NULL, stop, &delivered, &next, err));
	assert_int_equal(s->server->requests, 0);
	assert_int_equal(in_state(s, "queued"), 2);
	assert_string_equal(state_of(s, name), "");
}

/* ---- how it is signed ---- */

static void signatures_are_those_of_standard_webhooks(void **state)
{
	(void)state;
	static const char id[] = "rec_0190b1c2-0000-7000-8000-000000000001", body[] = "{\"type\":\"staging.result\",\"data\":{\"serial\":\"C02TESTSERIAL\"}}";
	static const char expected[] = "v1,jq1fJajBgyLKyxK9QLDWuS0H3gNagEXZIs94RSFSfSw=";
	static const char *const bad[] = { "", "whsec_", "whsec_AAEC", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "whsec_!!!!AwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" };
	struct stg_secret secret = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf one = STG_BUF(1024);
	STG_AUTO(stg_buf_clear) struct stg_buf two = STG_BUF(1024);
	OK(stg_secret_set(&secret, stg_bytes_str(SECRET), err));
	OK(stg_webhook_sign(&secret, id, 1735689600, stg_bytes_str(body), &one, err));
	assert_string_equal(stg_buf_str(&one), expected);
	OK(stg_secret_set(&secret, stg_bytes_str(SECRET " whsec_IB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgE="), err));
	OK(stg_webhook_sign(&secret, id, 1735689600, stg_bytes_str(body), &two, err));
	assert_int_equal(strncmp(stg_buf_str(&two), expected, strlen(expected)), 0);
	assert_non_null(strstr(stg_buf_str(&two), " v1,"));
	for (size_t i = 0; i < STG_ARRAY_LEN(bad); i++) {
		STG_AUTO(stg_buf_clear) struct stg_buf none = STG_BUF(1024);
		OK(stg_secret_set(&secret, stg_bytes_str(bad[i]), err));
		FAILS(stg_webhook_sign(&secret, id, 1, stg_bytes_str(body), &none, err), STG_E_INPUT, STG_ID_TARGET_CREDENTIALS);
	}
	stg_secret_clear(&secret);
}

static void a_receiver_can_check_the_signature_of_what_it_got(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	(void)webhook_add(s);
	stage(s, 1);
	assert_int_equal(round_now(s), 1);
	const json_t *h = s->server->last_headers;
	struct stg_secret secret = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf expected = STG_BUF(1024);
	int64_t at = atoll(stg_json_str(h, "webhook-timestamp"));
	assert_true(llabs(at - stg_wall_ms() / 1000) < 300);
	OK(stg_secret_set(&secret, stg_bytes_str(SECRET), err));
	OK(stg_webhook_sign(&secret, stg_json_str(h, "webhook-id"), at, stg_bytes_str(s->server->last_body), &expected, err));
	assert_string_equal(stg_json_str(h, "webhook-signature"), stg_buf_str(&expected));
	assert_string_equal(stg_json_str(h, "content-type"), "application/json");
	stg_secret_clear(&secret);

	/* the body holds the record byte for byte as its hash was published */
	STG_AUTO(stg_json_free_at) json_t *body = json_loads(s->server->last_body, 0, NULL);
	assert_string_equal(stg_json_str(body, "type"), "staging.result");
	STG_AUTO(stg_free_at) char *data = stg_json_text(json_object_get(body, "data"));
	STG_AUTO(stg_json_free_at) json_t *record = stg_store_record(s->st.s, stg_json_str(h, "webhook-id"), NULL);
	assert_string_equal(data, stg_json_str(record, "payload"));
}

static void credentials_decide_how_we_sign_in(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	char url[64];
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/hook", s->server->port);
	json_object_clear(s->credentials);
	(void)target_add(s, "webhook", json_pack("{s:s,s:s}", "url", url, "auth", "hmac-webhook"));
	stage(s, 1);
	round_now(s);
	assert_int_equal(s->server->requests, 0);       /* asked to sign, nothing to sign with: not sent unsigned */
	assert_int_equal(in_state(s, "queued"), 1);
	json_object_set_new(s->credentials, "secret", json_string("whsec_short"));
	round_now(s);
	assert_int_equal(s->server->requests, 0);
	json_object_set_new(s->credentials, "secret", json_string(SECRET));
	assert_int_equal(round_now(s), 1);
	all_once(s, 1);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_receiver_that_is_down_costs_nothing_and_gets_all_later),
		cmocka_unit_test(what_may_have_arrived_is_repeated_with_the_same_id_and_body),
		cmocka_unit_test(an_error_after_applying_is_in_doubt_not_failed),
		cmocka_unit_test(waits_and_stops_are_the_targets_and_never_count_against_a_row),
		cmocka_unit_test(a_captive_portals_page_is_no_receipt),
		cmocka_unit_test(a_refused_record_is_rejected_alone_and_shows_the_servers_words_without_secrets),
		cmocka_unit_test(a_wrong_path_is_the_targets_fault_not_the_records),
		cmocka_unit_test(an_inventory_that_cannot_take_the_outcome_does_not_double_it),
		cmocka_unit_test(a_kill_between_sending_and_noting_repeats_harmlessly),
		cmocka_unit_test(a_rehearsal_never_leaves_the_machine),
		cmocka_unit_test(certificates_on_both_sides_must_be_right),
		cmocka_unit_test(stopping_sends_nothing_more_and_loses_nothing),
		cmocka_unit_test(signatures_are_those_of_standard_webhooks),
		cmocka_unit_test(a_receiver_can_check_the_signature_of_what_it_got),
		cmocka_unit_test(credentials_decide_how_we_sign_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
