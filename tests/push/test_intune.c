/*
 * test_intune.c - the shipped Intune connector as it is, its hosts and their certificates included, against a small Graph on this
 * machine: what the technician's results become there,
 * whatever gets lost on the way. The engine's gates are proven on the way: sign-in, lookup, halving, conflicts, parked rows.
 *
 * Facts: the Graph here is written from mdm-push 4.3 and 6.1: 200 with a status for each row, a 400 that names none, 401 for a token
 * it does not know, an import that keeps what is there unless told to overwrite.
 */
#include "real_hosts.h"

#define GRAPH "graph.microsoft.com"
#define LOGIN "login.microsoftonline.com"

struct graph {
	json_t *identities;             /* by identifier: {"description"} */
	json_t *devices;                /* by serial: {"id","notes","managedDeviceOwnerType"} */
	int tokens, imports, searches, patches;
	json_t *categories;             /* by name: id */
	int puts, busy_inside;          /* categories given; so many questions inside a batch are put off */
	int forget_tokens;              /* so many are not known any more when they are used */
	const char *bad;                /* an identifier that makes the whole import a 400 */
	const char *not_taken;          /* one that gets status false */
};

static char *http(int status, json_t *body)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : strdup(""), *all = NULL;
	json_decref(body);
	if (asprintf(&all, "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status, strlen(text), text) < 0)
		abort();
	free(text);
	return all;
}

static char *graph_error(int status, const char *code, const char *message)
{
	return http(status, json_pack("{s:{s:s,s:s}}", "error", "code", code, "message", message));
}

static char *graph_import(struct graph *g, const json_t *in)
{
	json_t *value = json_array(), *one;
	bool overwrite = stg_json_bool(in, "overwriteImportedDeviceIdentities", false);
	size_t i;
	json_array_foreach(json_object_get(in, "importedDeviceIdentities"), i, one)
		if (g->bad && strcmp(stg_json_str(one, "importedDeviceIdentifier"), g->bad) == 0) {
			json_decref(value);
			return graph_error(400, "BadRequest", "{\"Message\": \"Invalid Device Identifier parameter found for 1 import records!\"}");
		}
	g->imports++;
	json_array_foreach(json_object_get(in, "importedDeviceIdentities"), i, one) {
		const char *id = stg_json_str(one, "importedDeviceIdentifier");
		bool taken = !g->not_taken || strcmp(id, g->not_taken) != 0;
		if (taken && (overwrite || !json_object_get(g->identities, id)))
			json_object_set_new(g->identities, id, json_pack("{s:s,s:i}", "description", stg_json_str(one, "description"), "n", g->imports));
		json_array_append_new(value, json_pack("{s:s,s:s,s:b}", "importedDeviceIdentifier", id, "id", id, "status", taken ? 1 : 0));
	}
	return http(200, json_pack("{s:o}", "value", value));
}

/* Two on each page, so that the pages are walked. */
static char *graph_search(struct graph *g, const json_t *in, int from)
{
	json_t *value = json_array(), *one;
	int found = 0;
	char next[200];
	size_t i;
	g->searches++;
	json_array_foreach(json_object_get(in, "importedDeviceIdentities"), i, one) {
		const char *id = stg_json_str(one, "importedDeviceIdentifier");
		const json_t *have = json_object_get(g->identities, id);
		if (have && found++ >= from && found <= from + 2)
			json_array_append_new(value, json_pack("{s:s,s:s,s:s}", "importedDeviceIdentifier", id, "id", id, "description", stg_json_str(have, "description")));
	}
	json_t *answer = json_pack("{s:o}", "value", value);
	snprintf(next, sizeof(next), "https://" GRAPH "/beta/deviceManagement/importedDeviceIdentities/searchExistingIdentities?from=%d", from + 2);
	if (found > from + 2)
		stg_json_put(answer, "@odata.nextLink", next);
	return http(200, answer);
}

static char *graph_devices(struct graph *g, const char *path)
{
	char serial[64] = "";
	const char *at = strstr(path, "eq%20'");
	json_t *value = json_array();
	if (at)
		snprintf(serial, sizeof(serial), "%.*s", (int)strcspn(at + 6, "'"), at + 6);
	const json_t *d = json_object_get(g->devices, serial);
	if (d)
		json_array_append_new(value, json_pack("{s:s,s:s,s:s,s:s}", "serialNumber", serial, "id", stg_json_str(d, "id"), "notes", stg_json_str(d, "notes"),
						       "managedDeviceOwnerType", stg_json_str(d, "managedDeviceOwnerType")));
	return http(200, json_pack("{s:o}", "value", value));
}

static char *graph_patch(struct graph *g, const char *path, const json_t *in)
{
	const char *serial;
	json_t *d;
	json_object_foreach(g->devices, serial, d) {
		if (strncmp(path, stg_json_str(d, "id"), strlen(stg_json_str(d, "id"))) != 0)
			continue;
		g->patches++;
		stg_json_put(d, "notes", stg_json_str(in, "notes"));
		stg_json_put(d, "managedDeviceOwnerType", stg_json_str(in, "managedDeviceOwnerType"));
		return http(204, NULL);
	}
	return graph_error(404, "ResourceNotFound", "no such device");
}

/* Several questions in one: each has its own status, and the whole is 200 in any case. */
static char *graph_batch(struct graph *g, const json_t *in)
{
	json_t *responses = json_array(), *one, *id;
	const char *name;
	size_t i;
	json_array_foreach(json_object_get(in, "requests"), i, one) {
		const char *url = stg_json_str(one, "url"), *at = strstr(url, "eq '");
		json_t *value = json_array();
		char serial[64] = "";
		if (at)
			snprintf(serial, sizeof(serial), "%.*s", (int)strcspn(at + 4, "'"), at + 4);
		const json_t *d = json_object_get(g->devices, serial);
		if (d)
			json_array_append_new(value, json_pack("{s:s,s:s,s:s}", "serialNumber", serial, "id", stg_json_str(d, "id"), "deviceCategoryDisplayName",
							       stg_json_str_or(d, "category", "Unknown")));
		if (strstr(url, "/deviceCategories?"))
			json_object_foreach(g->categories, name, id)
				json_array_append_new(value, json_pack("{s:O,s:s}", "id", id, "displayName", name));
		bool busy = g->busy_inside > 0 && g->busy_inside--;
		json_array_insert_new(responses, 0, json_pack("{s:s,s:i,s:{s:o}}", "id", stg_json_str(one, "id"), "status", busy ? 429 : 200, "body", busy ? "error" : "value", value));
	}
	return http(200, json_pack("{s:o}", "responses", responses));
}

static char *graph_category(struct graph *g, const char *path, const json_t *in)
{
	const char *serial, *name, *ref = strrchr(stg_json_str(in, "@odata.id"), '/');
	json_t *d, *id;
	json_object_foreach(g->devices, serial, d)
		json_object_foreach(g->categories, name, id)
			if (strncmp(path, stg_json_str(d, "id"), strlen(stg_json_str(d, "id"))) == 0 && ref && strcmp(ref + 1, json_string_value(id)) == 0) {
				g->puts++;
				stg_json_put(d, "category", name);
				return http(204, NULL);
			}
	return graph_error(404, "ResourceNotFound", "no such category");
}

static char *graph(struct server *s, void *ctx)
{
	struct graph *g = ctx;
	const char *line = stg_json_str(s->last_headers, ":request"), *path = strchr(line, ' ') ? strchr(line, ' ') + 1 : "", *at;
	char expected[64];
	/* the name stands in the address, in the first words of TLS and in the request: libcurl checked the certificate for it */
	const char *host = strncmp(path, "/TENANT", 7) == 0 ? LOGIN : GRAPH;
	if (strcmp(stg_json_str(s->last_headers, ":sni"), host) != 0 || strcmp(stg_json_str(s->last_headers, "host"), host) != 0)
		return graph_error(404, "NotFound", "another host");
	if (strncmp(path, "/TENANT/oauth2/v2.0/token", 25) == 0) {
		if (!strstr(s->last_body, "client_secret=MARKED-SECRET-1&") && !strstr(s->last_body, "client_secret=MARKED-SECRET-1"))
			return http(401, json_pack("{s:s,s:s}", "error", "invalid_client", "error_description", "AADSTS7000215: wrong MARKED-SECRET-2"));
		return http(200, json_pack("{s:s,s:s,s:i}", "token_type", "Bearer", "access_token", ++g->tokens % 2 ? "MARKED-TOKEN-A" : "MARKED-TOKEN-B", "expires_in", 3599));
	}
	snprintf(expected, sizeof(expected), "Bearer %s", g->tokens % 2 ? "MARKED-TOKEN-A" : "MARKED-TOKEN-B");
	if (strcmp(stg_json_str(s->last_headers, "authorization"), expected) != 0 || g->forget_tokens-- > 0)
		return graph_error(401, "InvalidAuthenticationToken", "expired");
	STG_AUTO(stg_json_free_at) json_t *in = json_loads(s->last_body, 0, NULL);
	if (strstr(path, "/importDeviceIdentityList"))
		return graph_import(g, in);
	if (strstr(path, "/searchExistingIdentities"))
		return graph_search(g, in, (at = strstr(path, "from=")) ? atoi(at + 5) : 0);
	if (strncmp(line, "GET", 3) == 0 && strstr(path, "/managedDevices?"))
		return graph_devices(g, path);
	if (strncmp(line, "POST", 4) == 0 && strncmp(path, "/beta/$batch", 12) == 0)
		return graph_batch(g, in);
	if (strncmp(line, "PUT", 3) == 0 && strstr(path, "/deviceCategory/$ref") && (at = strstr(path, "/managedDevices/")))
		return graph_category(g, at + 16, in);
	if (strncmp(line, "PATCH", 5) == 0 && (at = strstr(path, "/managedDevices/")))
		return graph_patch(g, at + 16, in);
	return graph_error(404, "NotFound", path);
}

/* ---- the scene ---- */

static void graph_start(struct site *s, struct graph *g)
{
	g->identities = json_object();
	g->devices = json_object();
	real_hosts(s, GRAPH " " LOGIN);
	s->server->vendor = graph;
	s->server->vendor_ctx = g;
	json_object_set_new(s->credentials, "secret", json_string("MARKED-SECRET-1"));
}

static void graph_clear(struct graph *g)
{
	json_decref(g->identities);
	json_decref(g->categories);
	json_decref(g->devices);
}

static const char *intune_add(struct site *s, const char *phases, const char *more, const char *value)
{
	static char name[32];
	static int n;
	snprintf(name, sizeof(name), "intune%d", ++n);
	json_t *config = json_pack("{s:s,s:s}", "tenant", "TENANT", "client_id", "APP");
	stg_json_put(config, more, value);
	json_t *target = json_pack("{s:s,s:s,s:s,s:o}", "name", name, "connector", "intune", "phase", phases, "config", config);
	OK(stg_store_target_put(s->st.s, target, stg_bytes(NULL, 0), err));
	json_decref(target);
	return name;
}

static json_t *row_in(struct site *s, const char *state)
{
	STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:s}", "state", state);
	STG_AUTO(stg_json_free_at) json_t *rows = NULL;
	OK((rows = stg_store_outbox(s->st.s, filter, err)) != NULL);
	assert_true(json_array_size(rows) >= 1);
	return json_incref(json_array_get(rows, 0));
}

/* ---- failing ---- */

static struct site *with_categories(struct graph *g, const char *category)
{
	struct site *s = site_start(STG_STORE_PRODUCTION);
	graph_start(s, g);
	g->categories = json_pack("{s:s,s:s}", "Ward", "cat-1", "Lab", "cat-2");
	(void)intune_add(s, "E", "category", category);
	json_object_set_new(g->devices, "F2LXK0AA0001", json_pack("{s:s}", "id", "dev-1"));
	stage(s, 1);
	return s;
}

static void again(struct site *s, const char *state)
{
	STG_AUTO(stg_json_free_at) json_t *row = row_in(s, state);
	OK(stg_store_outbox_settle(s->st.s, stg_json_int(row, "id", 0), "queued", 0, NULL, err));
}

static void a_category_that_is_not_there_is_said_with_those_that_are(void **state)
{
	(void)state;
	struct graph g = { 0 };
	STG_AUTO(site_stop) struct site *s = with_categories(&g, "Wrad");
	assert_int_equal(round_now(s), 0);
	STG_AUTO(stg_json_free_at) json_t *row = row_in(s, "rejected");
	const char *text = stg_json_str(json_object_get(row, "answer"), "text");
	if (!strstr(text, "no category 'Wrad', it has: Ward, Lab"))
		fail_msg("%s", text);
	assert_int_equal(g.puts, 0);
	graph_clear(&g);
}

static void a_category_waits_for_its_device_and_what_stands_there_for_a_person(void **state)
{
	(void)state;
	struct graph g = { .busy_inside = 1 };
	STG_AUTO(site_stop) struct site *s = with_categories(&g, "Ward");
	assert_int_equal(round_now(s), 0);              /* a question inside was put off: asked again later, nothing is guessed */
	assert_int_equal(in_state(s, "parked"), 1);
	again(s, "parked");
	server_will(s->server, WAY_ANSWER, NULL);
	server_will(s->server, WAY_CUT_AFTER, NULL);    /* it took effect, its answer is lost */
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "in_doubt"), 1);
	assert_int_equal(g.puts, 1);
	assert_int_equal(round_now(s), 1);              /* read back */
	assert_int_equal(g.puts, 1);
	assert_string_equal(stg_json_str(json_object_get(g.devices, "F2LXK0AA0001"), "category"), "Ward");
	graph_clear(&g);

	struct graph chosen = { 0 };
	STG_AUTO(site_stop) struct site *other = with_categories(&chosen, "Ward");
	stg_json_put(json_object_get(chosen.devices, "F2LXK0AA0001"), "category", "Lab");
	assert_int_equal(round_now(other), 0);          /* its user chose another at enrolment */
	assert_int_equal(in_state(other, "conflict"), 1);
	assert_int_equal(chosen.puts, 0);
	graph_clear(&chosen);

	struct graph none = { 0 };
	STG_AUTO(site_stop) struct site *without = with_categories(&none, "");
	assert_int_equal(round_now(without), 1);        /* nobody wants one: nothing is asked */
	assert_int_equal(none.tokens, 0);
	graph_clear(&none);
}

static void a_lost_answer_is_read_back_and_never_imported_twice(void **state)
{
	(void)state;
	struct graph g = { 0 };
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	graph_start(s, &g);
	(void)intune_add(s, "A", "", "");
	stage(s, 5);
	server_will(s->server, WAY_ANSWER, NULL);       /* token */
	server_will(s->server, WAY_ANSWER, NULL);       /* search */
	server_will(s->server, WAY_CUT_AFTER, NULL);    /* the import took effect, its answer is lost */
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "in_doubt"), 5);
	assert_int_equal(g.imports, 1);
	assert_int_equal(round_now(s), 5);              /* read back over three pages */
	assert_int_equal(in_state(s, "delivered"), 5);
	assert_int_equal(g.imports, 1);
	assert_int_equal(json_object_size(g.identities), 5);
	assert_true(g.searches >= 1 + 3);
	graph_clear(&g);
}

static void what_was_lost_before_it_arrived_is_sent_again(void **state)
{
	(void)state;
	struct graph g = { 0 };
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	graph_start(s, &g);
	(void)intune_add(s, "A", "", "");
	stage(s, 3);
	server_will(s->server, WAY_ANSWER, NULL);
	server_will(s->server, WAY_ANSWER, NULL);
	server_will(s->server, WAY_CUT_BEFORE, NULL);
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "in_doubt"), 3);
	/* while the read-back fails they stay in doubt */
	server_will(s->server, WAY_CUT_BEFORE, NULL);
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "in_doubt"), 3);
	assert_int_equal(g.imports, 0);
	assert_int_equal(round_now(s), 3);
	assert_int_equal(g.imports, 1);
	assert_int_equal(json_object_size(g.identities), 3);
	graph_clear(&g);
}

static void a_400_that_names_no_row_costs_only_the_row_at_fault(void **state)
{
	(void)state;
	struct graph g = { .bad = "F2LXK0AA0003", .not_taken = "F2LXK0AA0005" };
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	graph_start(s, &g);
	(void)intune_add(s, "A", "", "");
	stage(s, 6);
	assert_int_equal(round_now(s), 4);
	assert_int_equal(in_state(s, "rejected"), 2);   /* and the one that was 200 but status:false */
	assert_int_equal(json_object_size(g.identities), 4);
	graph_clear(&g);
}

static void foreign_words_are_never_overwritten_without_a_person(void **state)
{
	(void)state;
	struct graph g = { 0 };
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	graph_start(s, &g);
	(void)intune_add(s, "A", "", "");
	json_object_set_new(g.identities, "F2LXK0AA0001", json_pack("{s:s}", "description", "belongs to the lab"));
	json_object_set_new(g.identities, "F2LXK0AA0002", json_pack("{s:s}", "description", "AT=old;O=ok;W=0;R=0000000000007000;H=00000000"));
	json_object_set_new(g.identities, "F2LXK0AA0003", json_pack("{s:s}", "description", "AT=new;O=ok;W=0;R=ffffffffffff7000;H=00000000"));
	stage(s, 3);
	assert_int_equal(round_now(s), 1);              /* an older line of ours goes */
	assert_int_equal(in_state(s, "conflict"), 1);
	assert_int_equal(in_state(s, "superseded"), 1); /* a newer one stays */
	assert_string_equal(stg_json_str(json_object_get(g.identities, "F2LXK0AA0001"), "description"), "belongs to the lab");
	STG_AUTO(stg_json_free_at) json_t *row = row_in(s, "conflict");
	assert_non_null(strstr(stg_json_str(json_object_get(row, "answer"), "text"), "belongs to the lab"));

	/* the person's word, and it stays even when the line breaks in between */
	json_t *decided = json_pack("{s:s,s:s}", "class", "conflict", "decided", "ours");
	OK(stg_store_outbox_settle(s->st.s, stg_json_int(row, "id", 0), "queued", 0, decided, err));
	json_decref(decided);
	server_will(s->server, WAY_CUT_BEFORE, NULL);
	assert_int_equal(round_now(s), 0);
	assert_int_equal(round_now(s), 1);
	assert_string_not_equal(stg_json_str(json_object_get(g.identities, "F2LXK0AA0001"), "description"), "belongs to the lab");
	graph_clear(&g);
}

static void wrong_credentials_stop_the_target_and_no_secret_is_kept(void **state)
{
	(void)state;
	struct graph g = { 0 };
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	graph_start(s, &g);
	json_object_set_new(s->credentials, "secret", json_string("MARKED-SECRET-2"));
	const char *name = intune_add(s, "A", "", "");
	stage(s, 1);
	assert_int_equal(round_now(s), 0);
	assert_string_equal(state_of(s, name), "auth");
	assert_int_equal(in_state(s, "queued"), 1);
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	OK((row = stg_store_target(s->st.s, name, NULL, err)) != NULL);
	assert_non_null(strstr(stg_json_str(row, "text"), "AADSTS7000215"));
	assert_null(strstr(stg_json_str(row, "text"), "MARKED"));
	assert_int_equal(g.searches, 0);
	graph_clear(&g);
}

static void a_token_that_ends_early_is_fetched_anew_once(void **state)
{
	(void)state;
	struct graph g = { .forget_tokens = 1 };
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	graph_start(s, &g);
	const char *name = intune_add(s, "A", "", "");
	stage(s, 2);
	assert_int_equal(round_now(s), 2);
	assert_int_equal(g.tokens, 2);
	stage(s, 1);
	assert_int_equal(round_now(s), 1);
	assert_int_equal(g.tokens, 2);                  /* kept from round to round */
	g.forget_tokens = 100;
	stage(s, 1);
	assert_int_equal(round_now(s), 0);
	assert_string_equal(state_of(s, name), "auth");
	assert_int_equal(in_state(s, "queued"), 1);
	assert_int_equal(g.tokens, 3);
	graph_clear(&g);
}

static void a_device_that_is_not_enrolled_waits_and_is_told_later(void **state)
{
	(void)state;
	struct graph g = { 0 };
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	graph_start(s, &g);
	(void)intune_add(s, "AB", "", "");
	stage(s, 1);
	assert_int_equal(round_now(s), 1);              /* before enrolment: told. After it: not yet */
	assert_int_equal(in_state(s, "parked"), 1);
	assert_int_equal(g.patches, 0);
	json_object_set_new(g.devices, "F2LXK0AA0001", json_pack("{s:s,s:s,s:s}", "id", "dev-1", "notes", "screen replaced", "managedDeviceOwnerType", "unknown"));
	STG_AUTO(stg_json_free_at) json_t *row = row_in(s, "parked");
	OK(stg_store_outbox_settle(s->st.s, stg_json_int(row, "id", 0), "queued", 0, NULL, err));
	assert_int_equal(round_now(s), 1);
	const char *notes = stg_json_str(json_object_get(g.devices, "F2LXK0AA0001"), "notes");
	assert_int_equal(strncmp(notes, "screen replaced\nAT=", 19), 0);    /* what people wrote stays */
	assert_int_equal(g.patches, 1);
	assert_int_equal(in_state(s, "parked"), 0);
	graph_clear(&g);
}

static void the_next_page_never_leads_to_another_server(void **state)
{
	(void)state;
	struct graph g = { 0 };
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	graph_start(s, &g);
	const char *name = intune_add(s, "A", "", "");
	stage(s, 1);
	char *away = http(200, json_pack("{s:[],s:s}", "value", "@odata.nextLink", "https://evil.example/next"));
	server_will(s->server, WAY_ANSWER, NULL);
	server_will(s->server, WAY_ANSWER, away);
	free(away);
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "queued"), 1);
	assert_string_equal(state_of(s, name), "server");
	graph_clear(&g);
}

/* An order of these serial numbers. */
static void ordered(struct site *s, const char *name, const char *const *serials)
{
	json_t *batch = json_pack("{s:s,s:s,s:[]}", "name", name, "blueprint", "b", "rows");
	for (int i = 0; serials[i]; i++)
		json_array_append_new(json_object_get(batch, "rows"), json_pack("{s:i,s:s,s:s}", "line", i + 2, "serial", serials[i], "asset_tag", "A-7"));
	OK(stg_store_batch_add(s->st.s, batch, err));
	json_decref(batch);
}

static void an_order_is_in_intune_before_its_devices_and_their_results_renew_it(void **state)
{
	(void)state;
	struct graph g = { .not_taken = "F2LXK0AA0009" };
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	graph_start(s, &g);
	(void)intune_add(s, "PA", "", "");
	ordered(s, "ONE", (const char *const[]){ "F2LXK0AA0001", "F2LXK0AA0002", "F2LXK0AA0009", "no serial", NULL });
	server_will(s->server, WAY_ANSWER, NULL);       /* token */
	server_will(s->server, WAY_ANSWER, NULL);       /* search */
	server_will(s->server, WAY_CUT_AFTER, NULL);    /* the import took effect, its answer is lost */
	assert_int_equal(round_now(s), 0);
	assert_int_equal(g.imports, 1);
	ordered(s, "AGAIN", (const char *const[]){ "F2LXK0AA0001", "F2LXK0AA0002", NULL });
	for (int i = 0; i < 3; i++)
		(void)round_now(s);
	assert_int_equal(in_state(s, "delivered"), 2);
	assert_int_equal(in_state(s, "rejected"), 2);   /* what Intune did not take, and what is no serial number */
	assert_int_equal(json_object_size(g.identities), 2);
	assert_non_null(strstr(stg_json_str(json_object_get(g.identities, "F2LXK0AA0001"), "description"), "AT=A-7;O=ordered;W=0;R="));
	/* the first phone is staged: the same identifier, renewed, and no second one */
	stage(s, 1);
	assert_int_equal(round_now(s), 1);
	assert_int_equal(json_object_size(g.identities), 2);
	assert_non_null(strstr(stg_json_str(json_object_get(g.identities, "F2LXK0AA0001"), "description"), "O=ok;"));
	graph_clear(&g);
}

static void what_comes_late_never_takes_the_place_of_a_result(void **state)
{
	(void)state;
	struct graph g = { 0 };
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	graph_start(s, &g);
	(void)intune_add(s, "PA", "", "");
	ordered(s, "ONE", (const char *const[]){ "F2LXK0AA0001", NULL });
	json_object_set_new(g.identities, "F2LXK0AA0001", json_pack("{s:s}", "description", "AT=new;O=ok;W=0;R=ffffffffffff7000;H=00000000"));
	(void)round_now(s);
	assert_int_equal(in_state(s, "superseded"), 1);
	assert_int_equal(g.imports, 0);
	graph_clear(&g);
}

/* Another machine with the name of Graph, and a certificate for `names` that `ca` signed (NULL: the CA that is trusted). */
static void not_graph(struct site *s, const char *names, const struct made *ca, const char *expected)
{
	static struct graph g;
	struct made cert = make_certificate("not Graph", names, ca ? ca : real_ca(), -3600, 86400);
	json_decref(g.identities);
	json_decref(g.devices);
	graph_start(s, &g);
	server_stop_at(&s->server);
	s->server = server_start(&cert, NULL);
	made_clear(&cert);
	s->server->vendor = graph;
	s->server->vendor_ctx = &g;
	real_hosts_at(s, GRAPH " " LOGIN, s->server->port);
	const char *name = intune_add(s, "A", "", "");
	stage(s, 1);
	assert_int_equal(round_now(s), 0);
	assert_string_equal(state_of(s, name), "trust");
	assert_int_equal(s->server->requests, 0);       /* not a byte of a request, and no secret, reached it */
	STG_AUTO(stg_json_free_at) json_t *target = NULL;
	OK((target = stg_store_target(s->st.s, name, NULL, err)) != NULL);
	if (!strstr(stg_json_str(target, "text"), expected))
		fail_msg("'%s' was expected in '%s'", expected, stg_json_str(target, "text"));
	graph_clear(&g);
	g = (struct graph){ 0 };
}

static void who_only_has_the_name_of_graph_is_told_nothing(void **state)
{
	(void)state;
	struct made other = make_certificate("Other CA", NULL, NULL, -3600, 86400);
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	not_graph(s, "DNS:graph.microsoft.com.evil.example,DNS:evil.example", NULL, "what answers has a certificate for another name than " LOGIN);
	not_graph(s, "DNS:" GRAPH ",DNS:" LOGIN, &other, "nobody who is trusted here signed the certificate");
	made_clear(&other);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_category_that_is_not_there_is_said_with_those_that_are),
		cmocka_unit_test(a_category_waits_for_its_device_and_what_stands_there_for_a_person),
		cmocka_unit_test(a_lost_answer_is_read_back_and_never_imported_twice),
		cmocka_unit_test(what_was_lost_before_it_arrived_is_sent_again),
		cmocka_unit_test(a_400_that_names_no_row_costs_only_the_row_at_fault),
		cmocka_unit_test(foreign_words_are_never_overwritten_without_a_person),
		cmocka_unit_test(wrong_credentials_stop_the_target_and_no_secret_is_kept),
		cmocka_unit_test(a_token_that_ends_early_is_fetched_anew_once),
		cmocka_unit_test(a_device_that_is_not_enrolled_waits_and_is_told_later),
		cmocka_unit_test(an_order_is_in_intune_before_its_devices_and_their_results_renew_it),
		cmocka_unit_test(what_comes_late_never_takes_the_place_of_a_result),
		cmocka_unit_test(the_next_page_never_leads_to_another_server),
		cmocka_unit_test(who_only_has_the_name_of_graph_is_told_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
