/*
 * test_engine.c - what connector files may ask of the engine beside what Intune's does: long operations, errors that name a record,
 * batches that are too large, a rate, other ways to sign in; and the shipped Snipe-IT connector, where a repeat would double.
 */
#include "site.h"

static char *http(int status, const char *body)
{
	char *all = NULL;
	if (asprintf(&all, "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status, strlen(body), body) < 0)
		abort();
	return all;
}

static void will(struct site *s, int status, const char *body)
{
	STG_AUTO(stg_free_at) char *text = http(status, body);
	server_will(s->server, WAY_ANSWER, text);
}

/* As if the rows' own waits were over. */
static void due_now(struct site *s)
{
	static const char *const states[] = { "op_pending", "in_doubt" };
	for (size_t k = 0; k < 2; k++) {
		STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:s}", "state", states[k]);
		STG_AUTO(stg_json_free_at) json_t *rows = NULL;
		size_t i;
		json_t *row;
		OK((rows = stg_store_outbox(s->st.s, filter, err)) != NULL);
		json_array_foreach(rows, i, row)
			OK(stg_store_outbox_settle(s->st.s, stg_json_int(row, "id", 0), states[k], 0, NULL, err));
	}
}

static const char *acme(struct site *s, const char *auth, const char *more)
{
	char path[256], text[4096], url[64];
	snprintf(path, sizeof(path), "%s/connectors", s->st.dir);
	OK(stg_folder_make(path, 0700, err));
	snprintf(path, sizeof(path), "%s/connectors/acme.yaml", s->st.dir);
	snprintf(text, sizeof(text),
		 "name: acme\nabout: Acme\nauth: %s\nbatch: {max_items: 4}\nnatural_key: serial\n"
		 "request: {method: POST, path: /import, body: '{devices: [.[].device.serial]}'}\n%s", auth, more);
	OK(stg_file_write(path, stg_bytes_str(text), 0600, err));
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", s->server->port);
	return target_add(s, "acme", strstr(auth, "basic") ? json_pack("{s:s,s:s}", "url", url, "user", "bench") : json_pack("{s:s}", "url", url));
}

#define OPERATION \
	"operation: {ref: '.name // empty', path: '/v1/{{op_ref}}', done: .done, receipts: '.results[] | {key: .s, outcome: .o}'}\n" \
	"lookup: {method: GET, path: '/devices?s={{key}}', found: '.devices[] | {key: .}'}\n"

static void an_operation_is_asked_for_until_it_ends_and_looked_up_when_forgotten(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	json_object_clear(s->credentials);
	(void)acme(s, "{kind: none}", OPERATION);
	stage(s, 2);
	will(s, 200, "{\"name\":\"op7\"}");
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "op_pending"), 2);
	due_now(s);
	will(s, 200, "{\"done\":false}");
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "op_pending"), 2);
	assert_non_null(strstr(stg_json_str(s->server->last_headers, ":request"), "/v1/op7"));
	/* one row is named, the other is not: in doubt, not delivered */
	due_now(s);
	will(s, 200, "{\"done\":true,\"results\":[{\"s\":\"F2LXK0AA0001\",\"o\":\"done\"}]}");
	assert_int_equal(round_now(s), 1);
	assert_int_equal(in_state(s, "in_doubt"), 1);
	due_now(s);
	will(s, 200, "{\"devices\":[\"F2LXK0AA0002\"]}");
	assert_int_equal(round_now(s), 1);
	assert_int_equal(s->server->requests, 4);       /* read back, not sent again */

	stage(s, 1);
	will(s, 200, "{\"name\":\"op8\"}");
	assert_int_equal(round_now(s), 0);
	due_now(s);
	/* it may still be at work: asked at once it would not show, and be told a second time */
	will(s, 404, "{}");
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "in_doubt"), 1);
	int before = s->server->requests;
	assert_int_equal(round_now(s), 0);
	assert_int_equal(s->server->requests, before);
	due_now(s);
	will(s, 200, "{\"devices\":[\"F2LXK0AA0003\"]}");
	assert_int_equal(round_now(s), 1);
	assert_int_equal(in_state(s, "delivered"), 3);
}

static void an_error_that_names_a_record_costs_that_record_and_no_halving(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	json_object_clear(s->credentials);
	const char *name = acme(s, "{kind: none}", "errors: 'if .body.code == \"busy\" then {class: \"busy\"} else (.body.bad[]? | {key: ., class: \"row\", message: \"no\"}) end'\n");
	stage(s, 4);
	will(s, 400, "{\"bad\":[\"F2LXK0AA0002\"]}");
	assert_int_equal(round_now(s), 3);
	assert_int_equal(s->server->requests, 2);
	assert_int_equal(in_state(s, "rejected"), 1);
	stage(s, 1);
	will(s, 403, "{\"code\":\"busy\"}");             /* says no, means later */
	assert_int_equal(round_now(s), 0);
	assert_string_equal(state_of(s, name), "throttled");
	assert_int_equal(round_now(s), 1);
}

static void a_batch_that_is_too_large_is_smaller_ever_after(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	json_object_clear(s->credentials);
	(void)acme(s, "{kind: none}", "");
	stage(s, 8);
	will(s, 413, "{}");
	assert_int_equal(round_now(s), 8);
	assert_int_equal(s->server->requests, 1 + 4);   /* two at a time from then on */
}

static void the_rate_of_a_target_is_kept(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	json_object_clear(s->credentials);
	(void)acme(s, "{kind: none}", "rate: {requests: 2, per: 1 h}\n");
	stage(s, 12);
	int64_t delivered = 0, next = 0;
	OK(stg_push_round(&s->door, NULL, NULL, &delivered, &next, err));
	assert_int_equal(delivered, 8);
	assert_int_equal(s->server->requests, 2);
	assert_int_equal(in_state(s, "queued"), 4);
	assert_true(next > stg_boot_ms() + 20 * 60000 && next < stg_boot_ms() + 40 * 60000);
}

static void basic_and_a_named_header_go_out_as_the_receiver_wants_them(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	json_object_clear(s->credentials);
	json_object_set_new(s->credentials, "secret", json_string("MARKED pass"));
	json_object_set_new(s->credentials, "token", json_string("MARKED-CODE-1"));
	const char *name = acme(s, "{kind: basic, also: [header], header: aw-tenant-code}", "");
	stage(s, 1);
	/* a server that repeats what it got does not bring it into the outbox */
	will(s, 403, "{\"you\":\"sent YmVuY2g6TUFSS0VEIHBhc3M= and MARKED-CODE-1\"}");
	assert_int_equal(round_now(s), 0);
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	OK((row = stg_store_target(s->st.s, name, NULL, err)) != NULL);
	assert_non_null(strstr(stg_json_str(row, "text"), "sent ***"));
	assert_null(strstr(stg_json_str(row, "text"), "MARKED"));
	assert_null(strstr(stg_json_str(row, "text"), "YmVuY2g6"));
	assert_int_equal(round_now(s), 1);
	assert_string_equal(stg_json_str(s->server->last_headers, "authorization"), "Basic YmVuY2g6TUFSS0VEIHBhc3M=");
	assert_string_equal(stg_json_str(s->server->last_headers, "aw-tenant-code"), "MARKED-CODE-1");
}

/* ---- Snipe-IT: a second POST of a serial makes a second asset ---- */

struct snipe {
	int assets, patches;
	char notes[512];
};

static char *snipe(struct server *s, void *ctx)
{
	struct snipe *n = ctx;
	const char *line = stg_json_str(s->last_headers, ":request");
	STG_AUTO(stg_json_free_at) json_t *in = json_loads(s->last_body, 0, NULL);
	if (strncmp(line, "GET", 3) == 0 && !n->assets)
		return http(200, "{\"status\":\"error\",\"messages\":\"Asset does not exist.\"}");
	if (strncmp(line, "GET", 3) == 0) {
		STG_AUTO(stg_json_free_at) json_t *all = json_pack("{s:i,s:[{s:i,s:s,s:s,s:s}]}", "total", n->assets, "rows", "id", 7, "serial", "F2LXK0AA0001", "asset_tag", "LAB-1",
								   "notes", n->notes);
		STG_AUTO(stg_free_at) char *text = stg_json_text(all);
		return http(200, text);
	}
	n->assets += strncmp(line, "POST", 4) == 0;
	n->patches += strncmp(line, "PATCH /api/v1/hardware/7 ", 25) == 0;
	snprintf(n->notes, sizeof(n->notes), "%s", stg_json_str(in, "notes"));
	return http(200, "{\"status\":\"success\",\"messages\":\"ok\",\"payload\":{\"id\":7}}");
}

static void an_asset_is_made_once_whatever_is_lost(void **state)
{
	(void)state;
	struct snipe n = { 0 };
	char url[64];
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	json_object_clear(s->credentials);
	json_object_set_new(s->credentials, "token", json_string("T"));
	s->server->vendor = snipe;
	s->server->vendor_ctx = &n;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", s->server->port);
	(void)target_add(s, "snipe-it", json_pack("{s:s,s:s,s:s}", "url", url, "model_id", "3", "status_id", "2"));
	stage(s, 1);
	server_will(s->server, WAY_ANSWER, NULL);
	server_will(s->server, WAY_CUT_AFTER, NULL);
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "in_doubt"), 1);
	assert_int_equal(round_now(s), 1);
	assert_int_equal(n.assets, 1);
	assert_int_equal(n.patches, 0);

	/* a later result of the same device changes our line and nothing of theirs */
	s->phones = 0;
	snprintf(n.notes, sizeof(n.notes), "display cracked\nO=ok;W=0;R=0000000000007000;H=00000000");
	stage(s, 1);
	assert_int_equal(round_now(s), 1);
	assert_int_equal(n.assets, 1);
	assert_int_equal(n.patches, 1);
	assert_int_equal(strncmp(n.notes, "display cracked\nO=ok;W=0;R=0", 28), 0);
	assert_null(strstr(n.notes, "R=0000000000007000"));
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_operation_is_asked_for_until_it_ends_and_looked_up_when_forgotten),
		cmocka_unit_test(an_error_that_names_a_record_costs_that_record_and_no_halving),
		cmocka_unit_test(a_batch_that_is_too_large_is_smaller_ever_after),
		cmocka_unit_test(the_rate_of_a_target_is_kept),
		cmocka_unit_test(basic_and_a_named_header_go_out_as_the_receiver_wants_them),
		cmocka_unit_test(an_asset_is_made_once_whatever_is_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
