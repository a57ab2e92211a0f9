/*
 * test_connector.c - connector files: mistakes are told with their line, field maps run where they can do no harm.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/file.h>
#include <stager/push.h>

static char dir[128];

static int folder_make(void **state)
{
	(void)state;
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, sizeof(dir), "%s/stgconn.XXXXXX", tmp && strlen(tmp) < 80 ? tmp : "/tmp");
	return mkdtemp(dir) ? 0 : -1;
}

static int folder_remove(void **state)
{
	(void)state;
	char command[256];
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static json_t *load(const char *text, struct stg_error *err)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/acme.yaml", dir);
	assert_true(stg_file_write(path, stg_bytes_str(text), 0600, NULL));
	return stg_connector_load(NULL, path, err);
}

static const char good[] =
	"name: acme\nabout: Acme MDM\nauth: {kind: bearer}\nbatch: {max_items: 500, max_bytes: 1000000}\n"
	"request:\n  method: POST\n  path: /v3/devices:import\n  headers: {Idempotency-Key: \"{{delivery_batch_id}}\"}\n"
	"  body: '{devices: [.[] | {serial: .device.serial, asset_tag}]}'\n"
	"receipts: '.results[] | {key: .serial, outcome: (if .ok then \"done\" elif .code == \"busy\" then \"later\" else \"rejected\" end), message: .error}'\n"
	"natural_key: serial\n";

/* The good file with one piece exchanged is refused at this line with these words. */
static void refused(const char *from, const char *to, int line, const char *words)
{
	char text[4096], where[32];
	const char *at = strstr(good, from);
	struct stg_error err = { 0 };
	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
	json_t *c = load(text, &err);
	snprintf(where, sizeof(where), "acme.yaml:%d:", line);
	if (c || err.code != STG_E_INPUT || !strstr(err.msg, where) || !strstr(err.msg, words))
		fail_msg("'%s' -> '%s': expected %s ... %s, got '%s'", from, to, where, words, c ? "(taken)" : err.msg);
	json_decref(c);
}

static void mistakes_are_told_with_their_line_and_what_was_expected(void **state)
{
	(void)state;
	refused("kind: bearer", "kind: magic", 3, "bearer");
	refused("method: POST", "method: DESTROY", 6, "POST");
	refused("{{delivery_batch_id}}", "{{delivery_batch}}", 8, "is not known");
	refused("{{delivery_batch_id}}", "{{delivery_batch_id", 8, "without");
	refused("asset_tag}]}'", "asset_tag}]'", 9, "not a jq program");
	refused("natural_key: serial\n", "", 1, "natural_key");
	refused("natural_key", "natural_keys", 11, "natural_key");
	refused("max_items: 500", "max_items: many", 4, "");
	refused("max_items: 500", "max_items: 50000", 4, "");
	refused("  path: /v3/devices:import\n", "", 6, "'path' is missing");
}

static void the_example_of_the_house_style_is_read(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *c = load(good, &err);
	if (!c)
		fail_msg("%s", err.msg);
	assert_string_equal(stg_json_str(json_object_get(c, "auth"), "kind"), "bearer");
	assert_int_equal(stg_json_int(json_object_get(c, "batch"), "max_items", 0), 500);
	STG_AUTO(stg_json_free_at) json_t *list = stg_connector_list(dir);
	size_t i;
	json_t *one;
	bool webhook = false, file = false;
	json_array_foreach(list, i, one) {
		webhook = webhook || strcmp(stg_json_str(one, "name"), "webhook") == 0;
		file = file || strcmp(stg_json_str(one, "name"), "file") == 0;
	}
	assert_true(webhook && file);
	assert_null(stg_connector_load(dir, "../../etc/passwd", &err));
	assert_null(stg_connector_load(dir, "nosuch", &err));
	assert_int_equal(err.code, STG_E_NOT_FOUND);
}

/* What a target of a connector with this body would send for a record. */
static json_t *tried(const char *body, struct stg_error *err)
{
	char text[4096];
	char path[256];
	snprintf(text, sizeof(text),
		 "name: probe\nabout: probe\nauth: {kind: none}\nrequest:\n  method: PUT\n  path: /d/{{record_id}}\n  body: '%s'\n", body);
	snprintf(path, sizeof(path), "%s/connectors", dir);
	assert_true(stg_folder_make(path, 0700, NULL));
	snprintf(path, sizeof(path), "%s/connectors/probe.yaml", dir);
	assert_true(stg_file_write(path, stg_bytes_str(text), 0600, NULL));
	STG_AUTO(stg_json_free_at) json_t *target = json_pack("{s:s,s:s,s:{s:s}}", "name", "p", "connector", "probe", "config", "url", "https://127.0.0.1:9/base/");
	STG_AUTO(stg_json_free_at) json_t *record = json_pack("{s:s,s:{s:s}}", "record_id", "a b/c", "device", "serial", "F2LXK0AAAA01");
	return stg_push_try(target, NULL, record, false, dir, err);
}

static void a_target_can_be_tried_without_sending(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *shown = tried("[.[] | .device.serial]", &err);
	if (!shown)
		fail_msg("%s", err.msg);
	assert_string_equal(stg_json_str(shown, "method"), "PUT");
	assert_string_equal(stg_json_str(shown, "url"), "https://127.0.0.1:9/base/d/a%20b%2Fc");
	assert_string_equal(stg_json_str(shown, "body"), "[\"F2LXK0AAAA01\"]");
}

static void a_field_map_cannot_see_the_environment_or_files_or_run_for_ever(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	assert_int_equal(setenv("STG_TEST_SECRET", "MARKED-SECRET", 1), 0);
	STG_AUTO(stg_json_free_at) json_t *env = tried("{a: env, b: $ENV}", &err);
	assert_non_null(env);
	assert_string_equal(stg_json_str(env, "body"), "{\"a\":{},\"b\":{}}");
	assert_null(tried("import \"/etc/passwd\" as $x; .", &err));
	int64_t began = stg_boot_ms();
	assert_null(tried("last(range(1e18))", &err));
	assert_int_equal(err.code, STG_E_TIMEOUT);
	assert_true(stg_boot_ms() - began < 60000);
	/* sanitizers and valgrind work inside the process and take more memory than the limit themselves */
	const char *preload = getenv("LD_PRELOAD");
	if (!getenv("STG_SANITIZED") && !(preload && strstr(preload, "/vgpreload_"))) {
		assert_null(tried("reduce range(1e9) as $i ([]; . + [$i, \"text that takes memory\"])", &err));
		assert_int_equal(err.code, STG_E_TIMEOUT);
	}
	assert_null(tried("error(\"no\")", &err));
	assert_int_equal(err.code, STG_E_REFUSED);
	assert_null(tried("empty", &err));
	assert_null(tried("1, 2", &err));
	/* and the next one works again */
	STG_AUTO(stg_json_free_at) json_t *fine = tried("length", &err);
	assert_non_null(fine);
	assert_string_equal(stg_json_str(fine, "body"), "1");
}

static void secrets_do_not_show_in_a_tried_request(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	struct stg_secret credentials = { 0 };
	assert_true(stg_secret_set(&credentials, stg_bytes_str("{\"token\":\"MARKED-TOKEN-1\",\"secret\":\"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"}"), NULL));
	STG_AUTO(stg_json_free_at) json_t *target = json_pack("{s:s,s:s,s:{s:s}}", "name", "w", "connector", "webhook", "config", "url", "https://127.0.0.1:9/");
	STG_AUTO(stg_json_free_at) json_t *shown = stg_push_try(target, &credentials, NULL, false, NULL, &err);
	if (!shown)
		fail_msg("%s", err.msg);
	STG_AUTO(stg_free_at) char *text = stg_json_text(shown);
	assert_null(strstr(text, "MARKED"));
	assert_null(strstr(text, "whsec"));
	assert_non_null(strstr(text, "Bearer ***"));
	stg_secret_clear(&credentials);
	/* settings that are not understood are refused before anything is kept */
	json_object_set_new(json_object_get(target, "config"), "ulr", json_string("x"));
	assert_false(stg_push_check(target, NULL, false, NULL, &err));
	assert_int_equal(err.code, STG_E_INPUT);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_are_told_with_their_line_and_what_was_expected),
		cmocka_unit_test(the_example_of_the_house_style_is_read),
		cmocka_unit_test(a_target_can_be_tried_without_sending),
		cmocka_unit_test(a_field_map_cannot_see_the_environment_or_files_or_run_for_ever),
		cmocka_unit_test(secrets_do_not_show_in_a_tried_request),
	};
	return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
