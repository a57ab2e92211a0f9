/*
 * test_stage.c - `stager stage` with no batch at all: whatever model stands on the port, each certificate bears its own serial,
 * and a value that nobody knows is named, never left empty.
 */
#include <usbmuxd.h>

#include "look.h"

static const char BLUEPRINT[] =
	"name: by-hand\nabout: one device, by hand\n\nsteps:\n  - identify:\n  - pair:\n  - set_time:\n  - activate:\n  - supervise:\n"
	"  - issue_certificate:\n      common_name: \"%s\"\n      san: [\"uri:urn:stager:%s\"]\n      days: 90\n"
	"  - set_name: {name: \"Hand {{serial}}\"}\n  - verify: {supervised: yes}\n";

static void write_blueprint(struct journey *j, const char *name, const char *who)
{
	struct stg_error err = { 0 };
	char folder[200], path[300], text[2000];
	snprintf(folder, sizeof(folder), "%s/blueprints", j->state);
	snprintf(path, sizeof(path), "%s/%s.yaml", folder, name);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof(text), BLUEPRINT, who, who);
#pragma GCC diagnostic pop
	char *at = strstr(text, "by-hand");
	memcpy(at, name, strlen(name) < 7 ? strlen(name) : 7);
	journey_must(stg_folder_make(folder, 0700, &err) && stg_file_write(path, stg_bytes_str(text), 0600, &err), &err, "blueprint");
}

static int stage(struct journey *j, const char *blueprint, const char *out)
{
	char command[5000];
	snprintf(command, sizeof(command), "%s stage --all --blueprint %s --json --state %s >%s 2>&1", j->program, blueprint, j->state, out);
	int status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static char *said(const char *path)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(4u << 20);
	journey_must(stg_file_read(path, &b, &err), &err, path);
	return strdup(stg_buf_str(&b));
}

/* Models of every age: those whose UDID names the chip, and those that tell their ECID only when they are asked. */
static void a_device_of_any_model_is_staged_without_a_batch(void **state)
{
	(void)state;
	static const char *const options[] = { "--iphones", "11", NULL };
	struct journey j;
	char out[128];
	journey_begin(&j, 13, "instant", 31, options);
	snprintf(out, sizeof(out), "%s/out", j.dir);
	write_blueprint(&j, "by-hand", "{{serial}}");
	json_decref(journey_op(&j, "port.allow", json_pack("{s:s}", "port", "*"), NULL));
	journey_tell(&j, "plug", "all", NULL, NULL);
	struct journey_wait w = { .j = &j, .until_ms = stg_boot_ms() + 20000, .events = 24 };
	(void)stg_events(&j.caller, journey_one_event, &w, NULL, NULL);
	int status = stage(&j, "by-hand", out);
	STG_AUTO(stg_free_at) char *text = said(out);
	if (status != 0)
		fail_msg("exit %d: %s", status, text);
	STG_AUTO(stg_json_free_at) json_t *issued = journey_op(&j, "ca.list", json_object(), NULL);
	const json_t *list = json_is_array(issued) ? issued : json_object_get(issued, "certificates");
	size_t old = 0;
	assert_int_equal(json_array_size(j.devices), 24);
	assert_int_equal(json_array_size(list), 24);
	for (size_t i = 0; i < json_array_size(j.devices); i++) {
		char subject[80];
		bool found = false;
		snprintf(subject, sizeof(subject), "CN=%s", journey_serial(&j, i));
		old += strchr(stg_json_str(json_array_get(j.devices, i), "udid"), '-') == NULL;
		for (size_t k = 0; k < json_array_size(list); k++) {
			const char *s = strstr(stg_json_str(json_array_get(list, k), "subject"), subject);
			found = found || (s && (s[strlen(subject)] == 0 || s[strlen(subject)] == ','));
		}
		if (!found)
			fail_msg("no certificate for %s", subject);
	}
	assert_true(old > 0);    /* else the test would prove nothing about them */
	journey_end(&j);
}

static void a_value_nobody_knows_is_named(void **state)
{
	(void)state;
	struct journey j;
	char out[128];
	journey_begin(&j, 1, "instant", 32, NULL);
	snprintf(out, sizeof(out), "%s/out", j.dir);
	write_blueprint(&j, "by-wish", "{{cost_centre}}");
	json_decref(journey_op(&j, "port.allow", json_pack("{s:s}", "port", "*"), NULL));
	journey_tell(&j, "plug", "all", NULL, NULL);
	struct journey_wait w = { .j = &j, .until_ms = stg_boot_ms() + 20000, .events = 1 };
	(void)stg_events(&j.caller, journey_one_event, &w, NULL, NULL);
	int status = stage(&j, "by-wish", out);
	STG_AUTO(stg_free_at) char *text = said(out);
	if (status == 0 || !strstr(text, "cost_centre"))
		fail_msg("exit %d: %s", status, text);
	STG_AUTO(stg_json_free_at) json_t *issued = journey_op(&j, "ca.list", json_object(), NULL);
	assert_int_equal(json_array_size(json_is_array(issued) ? issued : json_object_get(issued, "certificates")), 0);
	journey_end(&j);
}

/* What every other program on this machine would be given: usbmuxd's own copy of the record. */
static bool others_may_use_it(const char *udid)
{
	char *record = NULL;
	uint32_t len = 0;
	bool there = usbmuxd_read_pair_record(udid, &record, &len) == 0 && len > 0;
	free(record);
	return there;
}

static void trust_is_left_to_other_programs_only_where_the_blueprint_says_so(void **state)
{
	(void)state;
	struct journey j;
	char out[128];
	journey_begin(&j, 2, "instant", 34, NULL);
	snprintf(out, sizeof(out), "%s/out", j.dir);
	write_blueprint(&j, "by-hand", "{{serial}}");
	write_blueprint(&j, "by-keep", "{{serial}}");
	char path[200];
	snprintf(path, sizeof(path), "%s/blueprints/by-keep.yaml", j.state);
	STG_AUTO(stg_free_at) char *text = said(path);
	char *pair = strstr(text, "  - pair:\n");
	assert_non_null(pair);
	STG_AUTO(stg_buf_clear) struct stg_buf changed = STG_BUF(8192);
	struct stg_error err = { 0 };
	bool ok = stg_buf_add(&changed, text, (size_t)(pair - text), &err) && stg_buf_add_str(&changed, "  - pair: {keep_trust: true}\n", &err) &&
		  stg_buf_add_str(&changed, pair + strlen("  - pair:\n"), &err) && stg_file_write(path, stg_buf_view(&changed), 0600, &err);
	journey_must(ok, &err, "blueprint");
	json_decref(journey_op(&j, "port.allow", json_pack("{s:s}", "port", "*"), NULL));
	for (size_t i = 0; i < 2; i++) {
		char udid[64];
		stg_copy(udid, sizeof(udid), stg_json_str(json_array_get(j.devices, i), "udid"));
		journey_tell(&j, "plug", udid, NULL, NULL);
		journey_let_pass(&j, 1, 20000);
		int status = stage(&j, i == 0 ? "by-hand" : "by-keep", out);
		STG_AUTO(stg_free_at) char *words = said(out);
		if (status != 0)
			fail_msg("exit %d: %s", status, words);
		if (i == 0) {
			assert_false(others_may_use_it(udid));
			journey_tell(&j, "unplug", udid, NULL, NULL);
			continue;
		}
		/* the job does not wait for usbmuxd */
		int64_t until_ms = stg_boot_ms() + 60000;
		while (!others_may_use_it(udid) && stg_boot_ms() < until_ms)
			journey_let_pass(&j, 1, 200);
		assert_true(others_may_use_it(udid));
	}
	journey_end(&j);
}

/* Asks for what it does not do. */
static const char FAILS[] = "name: by-fail\nabout: one device, by hand\nsteps:\n  - identify:\n  - pair:\n  - set_name: {name: \"Hand\"}\n"
			    "  - verify: {supervised: yes}\n";

/* Nothing is under way at the station. */
static bool is_quiet(struct journey *j, void *ctx)
{
	(void)ctx;
	STG_AUTO(stg_json_free_at) json_t *figures = journey_op(j, "station.show", json_object(), NULL);
	return stg_json_int(figures, "workers", -1) == 0;
}

static void expect_at_rest(struct journey *j, size_t i, const char *after)
{
	STG_AUTO(stg_json_free_at) json_t *slot = look_slot(j, look_udid(j, i));
	if (strcmp(stg_json_str(slot, "state"), "failed") != 0)
		fail_msg("device %zu is %s after %s", i, stg_json_str(slot, "state"), after);
}

static size_t jobs(struct journey *j)
{
	STG_AUTO(stg_json_free_at) json_t *list = journey_op(j, "job.list", json_object(), NULL);
	return json_array_size(json_object_get(list, "jobs"));
}

static void an_order_is_carried_out_once_until_a_person_asks_anew(void **state)
{
	(void)state;
	struct journey j;
	struct stg_error err = { 0 };
	char out[128], path[200];
	journey_begin(&j, 3, "instant", 35, NULL);
	snprintf(out, sizeof(out), "%s/out", j.dir);
	write_blueprint(&j, "by-hand", "{{serial}}");
	snprintf(path, sizeof(path), "%s/blueprints/by-fail.yaml", j.state);
	journey_must(stg_file_write(path, stg_bytes_str(FAILS), 0600, &err), &err, "blueprint");
	json_decref(journey_op(&j, "port.allow", json_pack("{s:s}", "port", "*"), NULL));
	journey_tell(&j, "plug", "all", NULL, NULL);
	for (size_t i = 0; i < 3; i++)
		look_wait_slot(&j, look_udid(&j, i), "state", "listed");
	assert_int_not_equal(stage(&j, "by-fail", out), 0);
	assert_true(look_until(&j, is_quiet, NULL, LOOK_MS));
	assert_int_equal(jobs(&j), 3);
	int64_t asked = look_sent(&j, look_udid(&j, 0), "StartSession");
	assert_true(asked > 0);
	/* whatever else is done at the station is no reason: what would start again has started when the answer is here */
	json_decref(journey_op(&j, "port.allow", json_pack("{s:s}", "port", "*"), NULL));
	expect_at_rest(&j, 0, "port.allow");
	/* one is taken up by a person: that one alone */
	json_decref(journey_op(&j, "job.retry", json_pack("{s:s}", "serial", journey_serial(&j, 1)), NULL));
	expect_at_rest(&j, 0, "another's job.retry");
	expect_at_rest(&j, 2, "another's job.retry");
	assert_true(look_until(&j, is_quiet, NULL, LOOK_MS));
	assert_true(look_sent(&j, look_udid(&j, 1), "StartSession") > asked);
	look_wait_slot(&j, look_udid(&j, 1), "state", "failed");
	json_decref(journey_op(&j, "job.cancel", json_pack("{s:s}", "serial", journey_serial(&j, 2)), NULL));
	for (size_t i = 0; i < 3; i++)
		expect_at_rest(&j, i, "job.cancel");
	assert_int_equal(look_sent(&j, look_udid(&j, 0), "StartSession"), asked);
	/* and a new order is carried out */
	int status = stage(&j, "by-hand", out);
	STG_AUTO(stg_free_at) char *text = said(out);
	if (status != 0)
		fail_msg("exit %d: %s", status, text);
	for (size_t i = 0; i < 3; i++)
		look_wait_slot(&j, look_udid(&j, i), "state", "staged");
	journey_end(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_of_any_model_is_staged_without_a_batch),
		cmocka_unit_test(a_value_nobody_knows_is_named),
		cmocka_unit_test(trust_is_left_to_other_programs_only_where_the_blueprint_says_so),
		cmocka_unit_test(an_order_is_carried_out_once_until_a_person_asks_anew),
	};
	if (getenv("STG_TEST"))
		cmocka_set_test_filter(getenv("STG_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
