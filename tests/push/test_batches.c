/*
 * test_batches.c - several results in one call: each gets its own outcome, and none is repeated where that does harm.
 */
#include "site.h"

/* ---- several records in one call ---- */

static const char *acme_with(struct site *s, const char *receipts, const char *natural_key)
{
	char path[256], text[2048], url[64];
	snprintf(path, sizeof(path), "%s/connectors", s->st.dir);
	OK(stg_folder_make(path, 0700, err));
	snprintf(path, sizeof(path), "%s/connectors/acme.yaml", s->st.dir);
	snprintf(text, sizeof(text),
		 "name: acme\nabout: Acme\nauth: {kind: none}\nbatch: {max_items: 4}\nrequest:\n  method: POST\n  path: /import\n"
		 "  headers: {webhook-id: \"{{delivery_batch_id}}\"}\n  body: '{devices: [.[] | {serial: .device.serial}]}'\n%s%s", receipts, natural_key);
	OK(stg_file_write(path, stg_bytes_str(text), 0600, err));
	json_object_clear(s->credentials);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", s->server->port);
	return target_add(s, "acme", json_pack("{s:s}", "url", url));
}

static const char *acme_add(struct site *s, const char *receipts)
{
	return acme_with(s, receipts, "natural_key: serial\n");
}

static void answer_json(char *ret, size_t size, const char *body)
{
	snprintf(ret, size, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", strlen(body), body);
}

static void each_record_of_a_batch_gets_its_own_outcome(void **state)
{
	(void)state;
	char answer[2048], nonsense[256];
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	(void)acme_add(s, "receipts: '.results[] | {key: .s, outcome: .o, message: .m}'\n");
	stage(s, 4);
	/* the fourth is not named: whether it arrived is not known */
	answer_json(answer, sizeof(answer), "{\"results\":[{\"s\":\"F2LXK0AA0001\",\"o\":\"done\"},{\"s\":\"F2LXK0AA0002\",\"o\":\"rejected\",\"m\":\"retired\"},"
					    "{\"s\":\"F2LXK0AA0003\",\"o\":\"later\"},{\"s\":\"SOMEBODYELSE\",\"o\":\"done\"}]}");
	answer_json(nonsense, sizeof(nonsense), "[[[");
	server_will(s->server, WAY_ANSWER, nonsense);
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "in_doubt"), 4);       /* an answer that cannot be read is no receipt for anybody */
	server_will(s->server, WAY_ANSWER, answer);
	assert_int_equal(round_now(s), 1);
	assert_int_equal(in_state(s, "rejected"), 1);
	assert_int_equal(in_state(s, "queued"), 1);
	assert_int_equal(in_state(s, "in_doubt"), 1);
	assert_int_equal(s->server->requests, 2);
	assert_int_equal(s->server->conflicts, 0);          /* the same batch had the same id and body both times */
}

static void what_may_have_arrived_is_not_repeated_where_a_repeat_does_harm(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	(void)acme_with(s, "", "");
	stage(s, 1);
	server_will(s->server, WAY_CUT_AFTER, NULL);
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "in_doubt"), 1);
	int before = s->server->requests;
	server_will(s->server, WAY_ANSWER, NULL);
	assert_int_equal(round_now(s), 0);
	assert_int_equal(s->server->requests, before);      /* a person decides: retry or drop */
	assert_int_equal(in_state(s, "in_doubt"), 1);
}

static void a_refused_batch_is_halved_until_the_record_at_fault_stands_alone(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	(void)acme_add(s, "");
	stage(s, 4);
	for (int i = 0; i < 3; i++)                         /* four of them, the first two, the first */
		server_will(s->server, WAY_REFUSE, "HTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(round_now(s), 3);
	assert_int_equal(s->server->requests, 5);
	assert_int_equal(in_state(s, "rejected"), 1);
	assert_int_equal(in_state(s, "delivered"), 3);

	/* and when the line breaks between the halves nothing is lost */
	stage(s, 4);
	server_will(s->server, WAY_REFUSE, "HTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n");
	server_will(s->server, WAY_CUT_AFTER, NULL);
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "in_doubt"), 2);
	assert_int_equal(in_state(s, "queued"), 2);
	assert_int_equal(round_now(s), 4);
	assert_int_equal(in_state(s, "delivered"), 7);
}

static void what_was_made_ready_behind_a_batch_that_fails_goes_back_and_follows_in_its_order(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	(void)acme_add(s, "");
	stage(s, 12);
	server_will(s->server, WAY_ANSWER, NULL);
	server_will(s->server, WAY_REFUSE, "HTTP/1.1 503 Not now\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(round_now(s), 4);
	assert_int_equal(s->server->requests, 2);
	assert_int_equal(in_state(s, "delivered"), 4);
	assert_int_equal(in_state(s, "queued"), 8);         /* the third batch was in hand and never left */

	/* and one behind a batch whose answer is lost: that one alone is in doubt */
	server_will(s->server, WAY_CUT_AFTER, NULL);
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "in_doubt"), 4);
	assert_int_equal(in_state(s, "queued"), 4);
	assert_int_equal(round_now(s), 8);
	assert_int_equal(s->server->requests, 5);
	assert_int_equal(s->server->conflicts, 0);
	assert_int_equal(in_state(s, "delivered"), 12);
}

static void what_the_inventory_cannot_note_while_the_next_batch_is_out_is_noted_later_and_not_sent_again(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	(void)acme_add(s, "");
	stage(s, 12);
	int64_t delivered, next;
	struct stg_error e = { 0 };
	s->settle_fails = 4;
	assert_false(stg_push_round(&s->door, NULL, NULL, &delivered, &next, &e));
	assert_int_equal(s->server->requests, 2);           /* the disk was asked again only when the second batch had its answer */
	assert_int_equal(in_state(s, "sending"), 4);
	assert_int_equal(in_state(s, "delivered"), 4);
	assert_int_equal(in_state(s, "queued"), 4);
	assert_int_equal(round_now(s), 4);
	assert_int_equal(in_state(s, "delivered"), 12);
	assert_int_equal(s->server->requests, 3);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_record_of_a_batch_gets_its_own_outcome),
		cmocka_unit_test(what_may_have_arrived_is_not_repeated_where_a_repeat_does_harm),
		cmocka_unit_test(a_refused_batch_is_halved_until_the_record_at_fault_stands_alone),
		cmocka_unit_test(what_was_made_ready_behind_a_batch_that_fails_goes_back_and_follows_in_its_order),
		cmocka_unit_test(what_the_inventory_cannot_note_while_the_next_batch_is_out_is_noted_later_and_not_sent_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
