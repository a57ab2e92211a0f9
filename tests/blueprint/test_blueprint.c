/*
 * test_blueprint.c - what a person reads when a blueprint is wrong, and what is pinned when it is right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stager/blueprint.h>
#include <stager/error.h>
#include <stager/registry.h>

static json_t *parse(const char *text, struct stg_error *err)
{
	stg_error_reset(err);
	return stg_blueprint_parse("ward.yaml", stg_bytes_str(text), NULL, err);
}

#define HEAD "name: ward\nsteps:\n"

struct wrong {
	const char *text, *says[3];
};

/* file:line, what was wrong, what was expected. */
static const struct wrong wrongs[] = {
	{ "steps:\n  - identify:\n", { "ward.yaml:1:", "no name", "expected" } },
	{ "name: ward\n", { "ward.yaml:1:", "no steps", "expected" } },
	{ "name: ../ward\nsteps:\n  - identify:\n", { "ward.yaml:1:", "not a name", "expected" } },
	{ HEAD "  - identify:\n  - instal_profile: {profile: x}\n", { "ward.yaml:4:", "instal_profile", "did you mean 'install_profile'" } },
	{ HEAD "  - teleport:\n", { "ward.yaml:3:", "unknown step 'teleport'", "expected one of" } },
	{ HEAD "  - 7:\n      a: b\n", { "ward.yaml:3:", "unknown step '7'", "expected" } },
	{ HEAD "  - {}\n", { "ward.yaml:3:", "not a step", "expected" } },
	{ HEAD "  - pair:\n  - set_name: {}\n", { "ward.yaml:4:", "has no 'name'", "expected" } },
	{ HEAD "  - pair:\n  - set_name: {nmae: x}\n", { "ward.yaml:4:", "nmae", "did you mean 'name'" } },
	{ HEAD "  - pair:\n  - set_name: {name: [a, b]}\n", { "ward.yaml:4:", "", "expected" } },
	{ HEAD "  - identify: {deep: yes}\n", { "ward.yaml:3:", "takes no params", "expected nothing" } },
	{ HEAD "  - pair:\n  - install_profile: {profile: wifi, how: loudly}\n", { "ward.yaml:4:", "loudly", "auto silent person" } },
	{ HEAD "  - pair:\n  - install_profile: {profile: ../../etc/passwd}\n", { "ward.yaml:4:", "not a profile's name", "expected" } },
	{ HEAD "  - pair:\n  - install_profile: {profile: wifi, template: perhaps}\n", { "ward.yaml:4:", "perhaps", "true or false" } },
	{ HEAD "  - pair:\n    timeout: soon\n", { "ward.yaml:4:", "soon", "duration" } },
	{ HEAD "  - pair:\n    timeout: 900 h\n", { "ward.yaml:4:", "timeout", "24 h" } },
	{ HEAD "  - pair:\n    retry: {times: many}\n", { "ward.yaml:4:", "many", "whole number" } },
	{ HEAD "  - pair:\n    retry: {times: 2, wait: 5}\n", { "ward.yaml:4:", "5", "duration" } },
	{ HEAD "  - pair:\n  - supervise:\n    on_failure: ignore\n", { "ward.yaml:5:", "ignore", "stop, continue or hold" } },
	{ HEAD "  - pair:\n    on_failure: continue\n", { "ward.yaml:4:", "nothing may go on without pair", "expected" } },
	{ HEAD "  - pair:\n  - pair:\n    identify:\n", { "ward.yaml:5:", "two steps in one entry", "expected" } },
	{ HEAD "  - identify:\n    whne: {supervised: true}\n", { "ward.yaml:4:", "whne", "did you mean 'when'" } },
	{ HEAD "  - identify:\n    when: {supervized: true}\n", { "ward.yaml:4:", "supervized", "did you mean 'supervised'" } },
	{ HEAD "  - identify:\n    when: {supervised: maybe}\n", { "ward.yaml:4:", "maybe", "true or false" } },
	{ HEAD "  - identify:\n    when: {os_version: \">= sixteen\"}\n", { "ward.yaml:4:", "sixteen", "version" } },
	{ HEAD "  - identify:\n    when: {battery_percent: \">= lots\"}\n", { "ward.yaml:4:", "lots", "number" } },
	{ HEAD "  - identify:\n    when: {model: \">= iPad\"}\n", { "ward.yaml:4:", "does not fit", "expected a text" } },
	{ HEAD "  - identify:\n    when: {}\n", { "ward.yaml:4:", "not a condition", "expected" } },
	{ HEAD "  - identify:\n    when: {model: []}\n", { "ward.yaml:4:", "no value", "expected" } },
	{ HEAD "  - identify:\n  - identify:\n  - set_name: {name: x}\n", { "ward.yaml:5:", "set_name", "expected a step 'pair'" } },
	{ HEAD "  - pair:\n  - issue_certificate: {common_name: x}\n", { "ward.yaml:4:", "issue_certificate", "expected a step 'set_time'" } },
	{ HEAD "  - pair:\n  - set_time:\n  - issue_certificate: {common_name: x, days: 90000}\n", { "ward.yaml:5:", "90000", "expected 1 to" } },
	{ HEAD "  - pair:\n  - set_time:\n  - issue_certificate: {common_name: x, san: [me]}\n", { "ward.yaml:5:", "'me'", "dns:" } },
	{ HEAD "  - pair:\n  - set_name: {name: \"{{serail}}\"}\n", { "ward.yaml:4:", "serail", "did you mean {{serial}}" } },
	{ HEAD "  - pair:\n  - set_name: {name: \"{{favourite_colour}}\"}\n", { "ward.yaml:4:", "favourite_colour", "expected" } },
	{ HEAD "  - pair:\n  - set_name: {name: \"{{serial\"}\n", { "ward.yaml:4:", "never closed", "expected" } },
	{ HEAD "  - pair:\n  - set_name: {name: \"{{a b}}\"}\n", { "ward.yaml:4:", "not a variable", "expected" } },
	{ HEAD "  - pair:\n  - install_profile: {profile: \"{{serial}}\"}\n", { "ward.yaml:4:", "takes no variable", "expected" } },
	{ HEAD "  - pair:\n  - erase:\n", { "ward.yaml:3:", "the erase is last", "expected 'wait_back'" } },
	{ HEAD "  - pair:\n  - erase:\n  - identify:\n", { "ward.yaml:5:", "followed by something else", "expected 'wait_back'" } },
	{ HEAD "  - wait_back:\n", { "ward.yaml:3:", "waits for nothing", "expected 'erase'" } },
	{ HEAD "  - pair:\n  - erase:\n    retry: {times: 3}\n  - wait_back:\n", { "ward.yaml:5:", "sent once", "expected no 'retry'" } },
	{ HEAD "  - pair:\n  - erase:\n  - wait_back:\n  - set_name: {name: x}\n", { "ward.yaml:6:", "set_name", "after the erase" } },
	{ HEAD "  - identify:\n  - identify:\nsteps:\n  - identify:\n", { "ward.yaml:5:", "steps", "" } },
	{ HEAD "  - identify: &a\n  - *a\n", { "ward.yaml:3:", "anchor", "expected" } },
	{ HEAD "  - [identify]\n", { "ward.yaml:3:", "not a step", "expected" } },
	{ "name: ward\nrequires: {os: iOS}\nsteps:\n  - identify:\n", { "ward.yaml:2:", "iOS", "expected a version" } },
	{ "name: ward\nrequires: {batery: 20}\nsteps:\n  - identify:\n", { "ward.yaml:2:", "batery", "did you mean 'battery'" } },
	{ "name: ward\nrequires: {battery: 200}\nsteps:\n  - identify:\n", { "ward.yaml:2:", "over 100", "percent" } },
	{ "name: ward\nparams: {serial: x}\nsteps:\n  - identify:\n", { "ward.yaml:2:", "serial", "expected another name" } },
	{ "name: ward\nparams: {ssid: {about: the network}}\nsteps:\n  - identify:\n", { "ward.yaml:2:", "ssid", "expected a 'default:'" } },
	{ "name: ward\nparams: {\"a b\": x}\nsteps:\n  - identify:\n", { "ward.yaml:2:", "a b", "expected letters" } },
	{ "name: ward\ncolour: red\nsteps:\n  - identify:\n", { "ward.yaml:2:", "colour", "" } },
	{ "name: ward\nsteps:\n\t- identify:\n", { "ward.yaml:3:", "", "" } },
	{ "", { "ward.yaml:", "", "" } },
};

static void a_mistake_is_told_with_its_line_and_what_was_expected(void **state)
{
	(void)state;
	for (size_t i = 0; i < STG_ARRAY_LEN(wrongs); i++) {
		struct stg_error err = { 0 };
		json_t *o = parse(wrongs[i].text, &err);
		if (o)
			fail_msg("accepted:\n%s", wrongs[i].text);
		if (err.code != STG_E_INPUT)
			fail_msg("code %s for:\n%s%s", stg_code_name(err.code), wrongs[i].text, err.msg);
		for (size_t k = 0; k < 3 && wrongs[i].says[k]; k++)
			if (!strstr(err.msg, wrongs[i].says[k]))
				fail_msg("'%s' does not say '%s' for:\n%s", err.msg, wrongs[i].says[k], wrongs[i].text);
	}
}

static void a_value_for_an_unknown_param_is_refused(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	json_t *given = json_pack("{s:s}", "sssid", "X");
	assert_null(stg_blueprint_parse("w.yaml", stg_bytes_str("name: w\nparams: {ssid: A}\nsteps:\n  - identify:\n"), given, &err));
	assert_int_equal(err.code, STG_E_INPUT);
	assert_non_null(strstr(err.msg, "sssid"));
	json_decref(given);
}

static const char good[] =
	"name: ward\n"
	"about: for tests\n"
	"params:\n"
	"  ssid: {default: HOPITAL, about: network}\n"
	"requires: {device_class: iPad, os: \"15.0\", battery: 20}\n"
	"steps:\n"
	"  - identify\n"
	"  - pair:\n"
	"  - set_time:\n"
	"  - install_profile: {profile: wifi, template: yes}\n"
	"    when: {os_version: \">= 16.0\", supervised: true, model: \"iPad*\"}\n"
	"    retry: {times: 3, wait: 500 ms}\n"
	"    on_failure: hold\n"
	"    timeout: 2 min\n"
	"  - set_name: {name: \"{{asset_tag|serial}} {{ssid}}\"}\n"
	"    name: Ward Name\n";

static void the_pinned_form_keeps_everything_in_stable_keys(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	json_t *o = parse(good, &err);
	if (!o)
		fail_msg("%s", err.msg);
	const json_t *steps = json_object_get(o, "steps");
	static const char *const keys[] = { "00-require", "01-identify", "02-pair", "00-require-device", "03-set_time", "04-install_profile-wifi",
					    "05-set_name-ward-name" };
	assert_int_equal(json_array_size(steps), STG_ARRAY_LEN(keys));
	for (size_t i = 0; i < STG_ARRAY_LEN(keys); i++)
		assert_string_equal(stg_json_str(json_array_get(steps, i), "key"), keys[i]);
	const json_t *wifi = stg_blueprint_step(o, "04-install_profile-wifi");
	assert_int_equal(stg_json_int(wifi, "timeout_ms", 0), 120000);
	assert_int_equal(stg_json_int(json_object_get(wifi, "retry"), "times", 0), 3);
	assert_int_equal(stg_json_int(json_object_get(wifi, "retry"), "wait_ms", 0), 500);
	assert_string_equal(stg_json_str(wifi, "on_failure"), "hold");
	assert_true(stg_json_bool(json_object_get(wifi, "params"), "template", false));
	assert_false(stg_json_bool(o, "erases", true));
	assert_int_equal(strlen(stg_json_str(o, "sha256")), 64);

	/* a comment changes nothing that runs; a site value does */
	char longer[2048];
	snprintf(longer, sizeof(longer), "# a comment\n%s", good);
	json_t *again = parse(longer, &err);
	assert_string_equal(stg_json_str(again, "sha256"), stg_json_str(o, "sha256"));
	json_t *given = json_pack("{s:s}", "ssid", "OTHER");
	json_t *other = stg_blueprint_parse("ward.yaml", stg_bytes_str(good), given, &err);
	assert_non_null(other);
	assert_string_not_equal(stg_json_str(other, "sha256"), stg_json_str(o, "sha256"));
	assert_string_equal(stg_json_str(json_object_get(other, "params"), "ssid"), "OTHER");
	json_decref(given);
	json_decref(other);
	json_decref(again);
	json_decref(o);
}

static bool holds(const char *when, const json_t *facts, const json_t *attributes)
{
	char text[512];
	struct stg_error err = { 0 };
	snprintf(text, sizeof(text), HEAD "  - identify:\n    when: %s\n", when);
	json_t *o = parse(text, &err);
	if (!o)
		fail_msg("%s: %s", when, err.msg);
	bool yes = stg_blueprint_when(json_object_get(json_array_get(json_object_get(o, "steps"), 0), "when"), facts, attributes);
	json_decref(o);
	return yes;
}

static void conditions_hold_only_for_what_was_read(void **state)
{
	(void)state;
	json_t *facts = json_pack("{s:s, s:s, s:b, s:i, s:s}", "model", "iPad13,18", "os_version", "16.10.1", "supervised", 1,
				  "battery_percent", 40, "device_class", "iPad");
	json_t *attributes = json_pack("{s:s, s:s}", "ward", "B", "ownership", "pool");
	static const struct {
		const char *when;
		bool holds;
	} rows[] = {
		{ "{model: \"iPad*\"}", true }, { "{model: \"iPhone*\"}", false }, { "{model: \"!= iPhone*\"}", true },
		{ "{model: [\"iPhone*\", \"iPad13,*\"]}", true },
		/* numbers, not letters: 16.10 comes after 16.9 */
		{ "{os_version: \">= 16.9\"}", true }, { "{os_version: \"< 16.9\"}", false }, { "{os_version: \"16\"}", true },
		{ "{os_version: \"16.1\"}", false }, { "{os_version: \"> 16.10.1\"}", false }, { "{os_version: \"<= 16.10.1\"}", true },
		{ "{os_version: \"!= 16\"}", false }, { "{os_version: \">= 17\"}", false },
		{ "{supervised: true}", true }, { "{supervised: false}", false }, { "{supervised: \"!= true\"}", false },
		{ "{battery_percent: \">= 40\"}", true }, { "{battery_percent: \"> 40\"}", false },
		{ "{batch.ward: B}", true }, { "{batch.ward: A}", false }, { "{ownership: pool}", true },
		/* what could not be read holds for nothing, not even for "not" */
		{ "{ours: true}", false }, { "{ours: false}", false }, { "{batch.floor: \"!= 3\"}", false },
		{ "{supervised: true, model: \"iPhone*\"}", false },
		{ "[{model: \"iPhone*\"}, {supervised: true}]", true }, { "[{model: \"iPhone*\"}, {supervised: false}]", false },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(rows); i++)
		if (holds(rows[i].when, facts, attributes) != rows[i].holds)
			fail_msg("when: %s should %shold", rows[i].when, rows[i].holds ? "" : "not ");
	json_decref(facts);
	json_decref(attributes);
}

static void variables_are_filled_and_never_looked_at_again(void **state)
{
	(void)state;
	json_t *values = json_pack("{s:s, s:s, s:s, s:s}", "serial", "F2LX", "asset_tag", "", "batch.ward", "B {{serial}}", "organisation", "CHU");
	static const struct {
		const char *text, *becomes;     /* NULL: refused */
	} rows[] = {
		{ "plain }} text", "plain }} text" }, { "{{serial}}", "F2LX" }, { "a{{ serial }}b{{serial}}", "aF2LXbF2LX" },
		{ "{{asset_tag|serial}}", "F2LX" }, { "{{asset_tag|'none yet'}}", "none yet" }, { "{{asset_tag|spare}}", "spare" },
		{ "{{batch.ward}}", "B {{serial}}" }, { "{{{{serial}}", "{{serial}}" }, { "{{{{", "{{" },
		{ "{{batch.floor|batch.ward}}", "B {{serial}}" }, { "{{asset_tag}}", NULL }, { "{{imei}}", NULL },
		{ "{{secret.wifi}}", NULL }, { "{{batch.floor|secret.wifi}}", NULL }, { "{{asset_tag|imei}}", NULL }, { "{{serial", NULL },
		{ "{{}}", NULL }, { "{{'x'}}", NULL }, { "{{asset_tag|}}", "" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(rows); i++) {
		struct stg_error err = { 0 };
		struct stg_buf out = STG_BUF(4096);
		bool ok = stg_variables_fill_text(rows[i].text, values, &out, &err);
		if (ok != (rows[i].becomes != NULL) || (ok && strcmp(stg_buf_str(&out), rows[i].becomes) != 0))
			fail_msg("'%s' became '%s' (%s)", rows[i].text, stg_buf_str(&out), err.msg);
		if (!ok)
			assert_int_equal(err.code, STG_E_INPUT);
		stg_buf_clear(&out);
	}
	json_t *tree = json_pack("{s:{s:[s,s]}, s:i}", "a", "b", "x", "{{nobody_knows}}", "n", 3);
	struct stg_error err = { 0 };
	assert_null(stg_variables_fill(tree, values, &err));
	assert_non_null(strstr(err.msg, "a: b: [1]"));
	assert_non_null(strstr(err.msg, "nobody_knows"));
	json_t *used = stg_variables_used(tree);
	assert_int_equal(json_array_size(used), 1);
	json_decref(used);
	json_decref(tree);
	json_decref(values);
}

static void a_devices_values_come_before_the_batch_and_the_batch_before_the_blueprint(void **state)
{
	(void)state;
	struct stg_identity who = { .serial = "F2LX", .unit = "123", .imei = { "356938035643809", "" } };
	json_t *attributes = json_pack("{s:s, s:s, s:s}", "serial", "FAKE", "ssid", "FROM-BATCH", "asset_tag", "A-1");
	json_t *blueprint = json_pack("{s:{s:s, s:s}}", "params", "ssid", "DEFAULT", "zone", "Europe/Paris");
	json_t *v = stg_variables_of(&who, "NORTH-12", attributes, blueprint);
	assert_string_equal(stg_json_str(v, "serial"), "F2LX");
	assert_string_equal(stg_json_str(v, "batch.serial"), "FAKE");
	assert_string_equal(stg_json_str(v, "ssid"), "FROM-BATCH");
	assert_string_equal(stg_json_str(v, "zone"), "Europe/Paris");
	assert_string_equal(stg_json_str(v, "ecid"), "123");
	assert_string_equal(stg_json_str(v, "imei"), "356938035643809");
	assert_string_equal(stg_json_str(v, "batch_name"), "NORTH-12");
	json_decref(v);
	json_decref(blueprint);
	json_decref(attributes);
}

static void the_shipped_blueprints_are_right(void **state)
{
	(void)state;
	static const char *const names[] = { "ipad-hospital-ward", "iphone-new-in-box", "returned-phone-wipe" };
	for (size_t i = 0; i < STG_ARRAY_LEN(names); i++) {
		char path[128];
		struct stg_error err = { 0 };
		snprintf(path, sizeof(path), "profiles/blueprints/%s.yaml", names[i]);
		const struct stg_data *d = stg_data_find(path);
		assert_non_null(d);
		json_t *o = stg_blueprint_parse(path, stg_bytes(d->bytes, d->len), NULL, &err);
		if (!o)
			fail_msg("%s", err.msg);
		assert_string_equal(stg_json_str(o, "name"), names[i]);
		assert_int_equal(stg_json_bool(o, "erases", false), i == 2);
		json_decref(o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mistake_is_told_with_its_line_and_what_was_expected),
		cmocka_unit_test(a_value_for_an_unknown_param_is_refused),
		cmocka_unit_test(the_pinned_form_keeps_everything_in_stable_keys),
		cmocka_unit_test(conditions_hold_only_for_what_was_read),
		cmocka_unit_test(variables_are_filled_and_never_looked_at_again),
		cmocka_unit_test(a_devices_values_come_before_the_batch_and_the_batch_before_the_blueprint),
		cmocka_unit_test(the_shipped_blueprints_are_right),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
