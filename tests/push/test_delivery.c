/*
 * test_delivery.c - results reach the receiver once, whatever happens on the way; the outbox says what became of each.
 *
 * A real inventory, real requests to a server that misbehaves as told. A "round" is what the push thread does.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

#include "../store/store_lib.h"
#include "server.h"

#include <stager/file.h>
#include <stager/push.h>

#define SECRET "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

struct site {
	struct state st;
	struct server *server;
	struct stg_push_door door;
	json_t *credentials;        /* "" as JSON text per target would hide nothing here: one for all */
	int settle_fails;
	int phones;
};

/* ---- the door, as the station opens it ---- */

static json_t *targets(void *ctx, struct stg_error *err)
{
	return stg_store_targets(((struct site *)ctx)->st.s, err);
}

static bool credentials(void *ctx, const char *target, struct stg_secret *ret, struct stg_error *err)
{
	struct site *s = ctx;
	(void)target;
	if (!s->credentials)
		return true;
	STG_AUTO(stg_free_at) char *text = stg_json_text(s->credentials);
	return stg_secret_set(ret, stg_bytes_str(text), err);
}

static json_t *take(void *ctx, const char *target, int64_t most, struct stg_error *err)
{
	return stg_store_outbox_take(((struct site *)ctx)->st.s, target, most, stg_boot_ms(), err);
}

static bool settle(void *ctx, int64_t id, const char *state, int64_t not_before_ms, const json_t *answer, struct stg_error *err)
{
	struct site *s = ctx;
	if (s->settle_fails > 0) {
		s->settle_fails--;
		return stg_fail(err, STG_E_IO, 0, "disk full");
	}
	return stg_store_outbox_settle(s->st.s, id, state, not_before_ms, answer, err);
}

static bool note(void *ctx, const char *target, const char *state, int64_t not_before_ms, const char *text, struct stg_error *err)
{
	return stg_store_target_note(((struct site *)ctx)->st.s, target, state, not_before_ms, text, err);
}

/* ---- the scene ---- */

static struct site *site_start(enum stg_store_kind kind)
{
	struct site *s = stg_calloc(1, sizeof(*s));
	state_open_kind(&s->st, kind);
	s->server = server_start(NULL, NULL);
	s->credentials = json_pack("{s:s}", "secret", SECRET);
	s->door = (struct stg_push_door){ .ctx = s, .targets = targets, .credentials = credentials, .take = take, .settle = settle, .note = note,
					  .rehearsal = kind == STG_STORE_REHEARSAL, .state_dir = s->st.dir };
	return s;
}

static void site_stop(struct site **sp)
{
	struct site *s = *sp;
	server_stop_at(&s->server);
	json_decref(s->credentials);
	state_remove(&s->st);
	free(s);
}

/* Names are unique in this program: the pace of a target is kept by name. */
static const char *target_add(struct site *s, const char *connector, json_t *config)
{
	static char name[32];
	static int n;
	snprintf(name, sizeof(name), "t%d", ++n);
	json_t *target = json_pack("{s:s,s:s,s:o}", "name", name, "connector", connector, "config", config);
	OK(stg_store_target_put(s->st.s, target, stg_bytes(NULL, 0), err));
	json_decref(target);
	return name;
}

static const char *webhook_add(struct site *s)
{
	char url[64];
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/hook", s->server->port);
	return target_add(s, "webhook", json_pack("{s:s}", "url", url));
}

static void stage(struct site *s, int count)
{
	for (int i = 0; i < count; i++) {
		struct stg_identity who = phone(++s->phones);
		int64_t job = job_for(s->st.s, &who, NULL, 0);
		run_steps(s->st.s, job);
		OK(stg_store_job_finish(s->st.s, job, STG_JOB_DONE, STG_END_STAGED, NULL, &who, NULL, NULL, err));
	}
}

/* One round as if every wait was over. */
static int64_t round_now(struct site *s)
{
	int64_t delivered = 0, next = 0;
	struct stg_push_door door = s->door;
	door.at_once = true;
	OK(stg_push_round(&door, NULL, NULL, &delivered, &next, err));
	return delivered;
}

static int64_t in_state(struct site *s, const char *state)
{
	STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:s}", "state", state);
	STG_AUTO(stg_json_free_at) json_t *rows = NULL;
	OK((rows = stg_store_outbox(s->st.s, filter, err)) != NULL);
	return (int64_t)json_array_size(rows);
}

static const char *state_of(struct site *s, const char *target)
{
	static char state[32];
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	OK((row = stg_store_target(s->st.s, target, NULL, err)) != NULL);
	stg_copy(state, sizeof(state), stg_json_str(row, "state"));
	return state;
}

/* Everything at the receiver once, nothing left, no id with two bodies. */
static void all_once(struct site *s, int expected)
{
	assert_int_equal(in_state(s, "delivered"), expected);
	assert_int_equal(in_state(s, "queued") + in_state(s, "sending") + in_state(s, "in_doubt"), 0);
	assert_int_equal(s->server->applied, expected);
	assert_int_equal(s->server->conflicts, 0);
}

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
		{ "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "server", 1 },
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

/* ---- files ---- */

static void lines_of(const char *path, struct stg_buf *ret, int *count)
{
	*ret = STG_BUF(8u << 20);
	OK(stg_file_read(path, ret, err));
	*count = 0;
	for (size_t i = 0; i < ret->len; i++)
		*count += ret->data[i] == '\n';
}

/* A reader takes line by line: none may be half of one and the whole of the next. */
static void each_line_is_a_record(const struct stg_buf *file)
{
	for (const char *at = stg_buf_str(file); *at; at += strcspn(at, "\n") + 1) {
		STG_AUTO(stg_json_free_at) json_t *one = stg_json_parse(stg_bytes(at, strcspn(at, "\n")), 1 << 20, NULL);
		if (!*stg_json_str(one, "record_id"))
			fail_msg("not a record: %.80s", at);
	}
}

static void a_file_gets_each_record_once_even_after_a_power_cut(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	char path[256];
	const char *name = target_add(s, "file", json_pack("{s:s}", "path", "out/results.jsonl"));
	snprintf(path, sizeof(path), "%s/out/results.jsonl", s->st.dir);
	stage(s, 3);
	assert_int_equal(round_now(s), 3);
	STG_AUTO(stg_buf_clear) struct stg_buf first = { 0 };
	int n;
	lines_of(path, &first, &n);
	assert_int_equal(n, 3);

	/* cut in the middle of a line, the outcome never noted */
	stage(s, 1);
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_outbox_take(s->st.s, name, 1, stg_boot_ms(), NULL);
	const char *payload = stg_json_str(json_array_get(rows, 0), "payload");
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, payload, 100), 100);
	close(fd);
	int64_t jobs;
	OK(stg_store_recover(s->st.s, &jobs, err));
	assert_int_equal(round_now(s), 1);
	STG_AUTO(stg_buf_clear) struct stg_buf second = { 0 };
	lines_of(path, &second, &n);
	assert_int_equal(n, 4);
	each_line_is_a_record(&second);

	/* written whole, but the outcome never noted: found, not written twice */
	stage(s, 1);
	STG_AUTO(stg_json_free_at) json_t *again = stg_store_outbox_take(s->st.s, name, 1, stg_boot_ms(), NULL);
	payload = stg_json_str(json_array_get(again, 0), "payload");
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, payload, strlen(payload)) + write(fd, "\n", 1), (ssize_t)strlen(payload) + 1);
	close(fd);
	OK(stg_store_recover(s->st.s, &jobs, err));
	assert_int_equal(round_now(s), 1);
	STG_AUTO(stg_buf_clear) struct stg_buf third = { 0 };
	lines_of(path, &third, &n);
	assert_int_equal(n, 5);
	assert_int_equal(in_state(s, "delivered"), 5);
}

static void a_csv_file_has_one_heading_and_one_line_a_record(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	char path[256];
	(void)target_add(s, "file", json_pack("{s:s,s:s}", "path", "results.csv", "format", "csv"));
	snprintf(path, sizeof(path), "%s/results.csv", s->st.dir);
	stage(s, 2);
	round_now(s);
	stage(s, 2);
	round_now(s);
	STG_AUTO(stg_buf_clear) struct stg_buf text = { 0 };
	int n;
	lines_of(path, &text, &n);
	assert_int_equal(n, 5);
	assert_int_equal(strncmp(stg_buf_str(&text), "\"record_id\",\"seq\",", 18), 0);
	assert_non_null(strstr(stg_buf_str(&text), "\"F2LXK0AA0004\""));
	assert_non_null(strstr(stg_buf_str(&text), "\"staged\""));
}

static void somebody_elses_file_and_a_missing_folder_are_left_alone(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	char path[256];
	snprintf(path, sizeof(path), "%s/theirs.txt", s->st.dir);
	OK(stg_file_write(path, stg_bytes_str("holiday plans\nno record\n"), 0600, err));
	const char *name = target_add(s, "file", json_pack("{s:s}", "path", "theirs.txt"));
	stage(s, 1);
	assert_int_equal(round_now(s), 0);
	assert_string_equal(state_of(s, name), "config");
	assert_int_equal(in_state(s, "queued"), 1);
	STG_AUTO(stg_buf_clear) struct stg_buf text = { 0 };
	int n;
	lines_of(path, &text, &n);
	assert_string_equal(stg_buf_str(&text), "holiday plans\nno record\n");
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
		cmocka_unit_test(each_record_of_a_batch_gets_its_own_outcome),
		cmocka_unit_test(what_may_have_arrived_is_not_repeated_where_a_repeat_does_harm),
		cmocka_unit_test(a_refused_batch_is_halved_until_the_record_at_fault_stands_alone),
		cmocka_unit_test(signatures_are_those_of_standard_webhooks),
		cmocka_unit_test(a_receiver_can_check_the_signature_of_what_it_got),
		cmocka_unit_test(credentials_decide_how_we_sign_in),
		cmocka_unit_test(a_file_gets_each_record_once_even_after_a_power_cut),
		cmocka_unit_test(a_csv_file_has_one_heading_and_one_line_a_record),
		cmocka_unit_test(somebody_elses_file_and_a_missing_folder_are_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
