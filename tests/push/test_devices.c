/*
 * test_devices.c - the MDM's own list against what was handed over: a list that broke off changes nothing, what was never seen is named.
 */
#include "site.h"

static const char *acme(struct site *s, const char *devices)
{
	char path[256], text[2048], url[64];
	snprintf(path, sizeof(path), "%s/connectors", s->st.dir);
	OK(stg_folder_make(path, 0700, err));
	snprintf(path, sizeof(path), "%s/connectors/acme.yaml", s->st.dir);
	snprintf(text, sizeof(text), "name: acme\nabout: Acme\nauth: {kind: none}\nnatural_key: serial\nrequest: {method: POST, path: /import, body: '.[0].device.serial'}\n%s", devices);
	OK(stg_file_write(path, stg_bytes_str(text), 0600, err));
	json_object_clear(s->credentials);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", s->server->port);
	return target_add(s, "acme", json_pack("{s:s}", "url", url));
}

#define DEVICES "devices: {method: GET, path: '/devices?page={{page}}', page: \"0\", next: '.next // empty', found: '.devices[] | {key: .id, id, serial: .sn, imei}'}\n"

static void will(struct site *s, int status, const char *body)
{
	STG_AUTO(stg_free_at) char *all = NULL;
	if (asprintf(&all, "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status, strlen(body), body) < 0)
		abort();
	server_will(s->server, WAY_ANSWER, all);
}

static int standing(struct site *s, const char *target, const char *batch, const char *word)
{
	STG_AUTO(stg_json_free_at) json_t *rows = NULL;
	size_t i;
	json_t *row;
	int n = 0;
	OK((rows = stg_store_handed_over(s->st.s, target, batch, err)) != NULL);
	json_array_foreach(rows, i, row)
		n += strcmp(stg_json_str(row, "standing"), word) == 0;
	return n;
}

static void half_a_list_is_no_list(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *body;
		unsigned int id;
	} ends[] = {
		{ 500, "{}", STG_ID_TARGET_TROUBLE }, { 401, "{}", STG_ID_TARGET_AUTH }, { 200, "{\"devices\":[{\"id\":2,\"sn\":", STG_ID_NONE },
		{ 200, "{\"devices\":7}", STG_ID_CONNECTOR_PROGRAM }, { 200, "{\"devices\":[],\"next\":\"https://evil.example/\"}", STG_ID_CONNECTOR_PROGRAM },
	};
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	const char *name = acme(s, DEVICES);
	for (size_t i = 0; i < STG_ARRAY_LEN(ends); i++) {
		struct stg_error e = { 0 };
		will(s, 200, "{\"devices\":[{\"id\":1,\"sn\":\"F2LXK0AA0001\"}],\"next\":\"1\"}");
		will(s, ends[i].status, ends[i].body);
		assert_null(stg_push_devices(&s->door, name, NULL, &e));
		assert_true(e.id != 0 && *stg_id_sentence(e.id));
		if (i < 2)
			assert_int_equal(e.id, ends[i].id);
	}
	const char *plain = acme(s, "");
	FAILS(stg_push_devices(&s->door, plain, NULL, err), STG_E_UNSUPPORTED, STG_ID_CONNECTOR_NO_LIST);
	FAILS(stg_push_devices(&s->door, "nobody", NULL, err), STG_E_NOT_FOUND, STG_ID_TARGET_UNKNOWN);
}

static void a_question_about_one_device_is_no_list(void **state)
{
	(void)state;
	static const char text[] = "name: x\nabout: x\nauth: {kind: none}\nrequest: {method: POST, path: /, body: .}\n"
				   "devices: {method: GET, path: '/d/{{key}}', found: '.[]'}\n";
	FAILS(stg_connector_read("x.yaml", stg_bytes_str(text), err), STG_E_INPUT, 0);
}

static void what_the_mdm_has_is_confirmed_and_the_rest_is_named(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	STG_AUTO(stg_json_free_at) json_t *list = NULL;
	STG_AUTO(stg_json_free_at) json_t *later = NULL;
	const char *name = acme(s, DEVICES);
	int64_t n;
	stage(s, 4);
	/* by serial in small letters, by IMEI; one of somebody else's */
	will(s, 200, "{\"devices\":[{\"id\":1,\"sn\":\"f2lxk0aa0001\"},{\"id\":2,\"sn\":\"STRANGER1\"}],\"next\":\"1\"}");
	will(s, 200, "{\"devices\":[{\"id\":\"x-3\",\"imei\":\"353245010000002\"},{\"id\":4,\"sn\":\"\"}]}");
	OK((list = stg_push_devices(&s->door, name, NULL, err)) != NULL);
	assert_int_equal(json_array_size(list), 4);
	assert_non_null(strstr(stg_json_str(s->server->last_headers, ":request"), "page=1"));
	OK(stg_store_mdm_list_put(s->st.s, name, "api", "anna", list, 0, &n, err));
	assert_true(n == 3 || n == 4);
	assert_int_equal(standing(s, name, "", "confirmed"), 2);
	assert_int_equal(standing(s, name, "", "never_seen"), 2);
	assert_int_equal(standing(s, "another", "", "never_seen"), 4);
	assert_int_equal(standing(s, "", "", "confirmed"), 2);

	/* a later list without the first: it is gone, not "never seen" */
	will(s, 200, "{\"devices\":[{\"id\":9,\"sn\":\"F2LXK0AA0003\"}]}");
	OK((later = stg_push_devices(&s->door, name, NULL, err)) != NULL);
	OK(stg_store_mdm_list_put(s->st.s, name, "api", "anna", later, 2, &n, err));
	assert_int_equal(standing(s, name, "", "confirmed"), 1);
	assert_int_equal(standing(s, name, "", "gone"), 2);
	assert_int_equal(standing(s, name, "", "never_seen"), 1);
	STG_AUTO(stg_json_free_at) json_t *lists = NULL;
	OK((lists = stg_store_mdm_lists(s->st.s, "", err)) != NULL);
	assert_int_equal(json_array_size(lists), 1);
	assert_int_equal(stg_json_int(json_array_get(lists, 0), "left_out", 0), 2);
}

static void what_is_still_on_the_bench_is_not_handed_over(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	struct stg_identity who = phone(1), failed = phone(2);
	json_t *batch = json_pack("{s:s,s:s,s:{s:s},s:[{s:i,s:s,s:{}}]}", "name", "NORTH", "blueprint", "x", "columns", "serial", "S/N", "rows", "line", 2, "serial", who.serial,
				  "attributes");
	OK(stg_store_batch_add(s->st.s, batch, err));
	json_decref(batch);
	json_t *pins = json_pack("{s:o,s:{},s:[]}", "blueprint", blueprint(), "profiles", "ports");
	OK(stg_store_batch_state(s->st.s, "NORTH", "started", pins, err));
	json_decref(pins);
	STG_AUTO(stg_json_free_at) json_t *rows = NULL;
	OK((rows = stg_store_batch_rows(s->st.s, "NORTH", err)) != NULL);
	int64_t job = job_for(s->st.s, &who, "NORTH", stg_json_int(json_array_get(rows, 0), "row", 0));
	run_steps(s->st.s, job);
	OK(stg_store_job_finish(s->st.s, job, STG_JOB_DONE, STG_END_STAGED, NULL, &who, NULL, NULL, err));
	job = job_for(s->st.s, &failed, NULL, 0);
	run_steps(s->st.s, job);
	OK(stg_store_job_finish(s->st.s, job, STG_JOB_FAILED, STG_END_FAILED, NULL, &failed, NULL, NULL, err));
	assert_int_equal(standing(s, "", "", "never_seen"), 0);
	assert_int_equal(standing(s, "", "NORTH", "never_seen"), 1);
	OK(stg_store_batch_state(s->st.s, "NORTH", "closed", NULL, err));
	assert_int_equal(standing(s, "", "", "never_seen"), 1);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_a_list_is_no_list),
		cmocka_unit_test(a_question_about_one_device_is_no_list),
		cmocka_unit_test(what_the_mdm_has_is_confirmed_and_the_rest_is_named),
		cmocka_unit_test(what_is_still_on_the_bench_is_not_handed_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
