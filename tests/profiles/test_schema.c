/*
 * test_schema.c - the table of payload rules: a damaged one is refused with its line, Apple's description becomes a table
 * that says the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <stager/error.h>
#include <stager/file.h>
#include <stager/payload.h>

#include "profile_text.h"

#define TOP "rules\t1\tios\t18.1\n"
#define WHOLE TOP "0\tConfiguration\tD\n0\t*\tD\n0\ta\tD\n"

static void refused(const char *table, const char *overlay, const char *message)
{
	struct stg_error err = { 0 };
	struct stg_profile_rules *r = stg_profile_rules_read("t", stg_bytes_str(table), stg_bytes_str(overlay), &err);
	if (r)
		fail_msg("read, expected: %s", message);
	if (err.id != STG_ID_RULES_DAMAGED || strcmp(err.msg, message) != 0)
		fail_msg("%u '%s', expected '%s'", err.id, err.msg, message);
}

static void a_damaged_table_is_refused_with_its_line(void **state)
{
	(void)state;
	static const struct { const char *table, *message; } cases[] = {
		{ "", "t:0: this is no table of payload rules" },
		{ "hello\n", "t:1: this is no table of payload rules" },
		{ "rules\t2\tios\t18.1\n", "t:1: version '2' of the table is not known, 1 was expected" },
		{ "rules\t1\tandroid\t14\n", "t:1: rules of 'android', those of ios were expected" },
		{ "rules\t1\tios\tsoon\n", "t:1: 'soon' is no release, 17.4 was expected" },
		{ TOP, "t:1: a table without a payload type" },
		{ TOP "0\ta\n", "t:2: a rule with fewer than 3 columns" },
		{ TOP "0\ta\tD\t\t\t\t\t\t\t\t\t\t\t\t\n", "t:2: a rule with more than 14 columns" },
		{ TOP "1\ta\ts\n", "t:2: depth '1' does not follow the rule above" },
		{ TOP "0\ta\tD\n2\tb\ts\n", "t:3: depth '2' does not follow the rule above" },
		{ TOP "0\ta\tD\nx\tb\ts\n", "t:3: depth 'x' does not follow the rule above" },
		{ TOP "0\ta\tD\n-1\tb\ts\n", "t:3: depth '-1' does not follow the rule above" },
		{ TOP "0\t\tD\n", "t:2: a name of 0 bytes" },
		{ TOP "0\ta\tQ\n", "t:2: kind 'Q' is none of sirbdtaD*" },
		{ TOP "0\ta\t\n", "t:2: a rule without a kind" },
		{ TOP "0\ta\tD^0\n", "t:2: '^0' refers to no rule above" },
		{ TOP "0\ta\tD\n1\tb\tD^1\n", "t:3: '^1' refers to no rule above" },
		{ TOP "0\ta\tD\n1\tb\tD^0\n2\tc\ts\n", "t:4: a rule under one that refers to another" },
		{ TOP "0\ta\tD\tZ\n", "t:2: flag 'Z' is not known" },
		{ TOP "0\ta\tD\t\tsoon\n", "t:2: 'soon' is no release, 17.4 was expected" },
		{ TOP "0\ta\tD\t\t999.1\n", "t:2: '999.1' is no release, 17.4 was expected" },
		{ TOP "0\ta\tD\n1\tb\ti\t\t\t\t\t9..1\n", "t:3: '9..1' is no range, 0..10 was expected" },
		{ TOP "0\ta\tD\n1\tb\ti\t\t\t\t\t..\n", "t:3: '..' is no range, 0..10 was expected" },
		{ TOP "0\ta\tD\n1\tb\ti\t\t\t\t\tx..1\n", "t:3: 'x..1' is no range, 0..10 was expected" },
		{ TOP "0\ta\tD\n1\tb\ta\t\t\t\t\t#-1..2\n", "t:3: '-1..2' is no number of items" },
		{ TOP "0\ta\tD\n1\tb\ts\t\t\t\t\t~phone\n", "t:3: form 'phone' is not known" },
		{ TOP "0\ta\tD\n1\tb\ts\t\t\t\t\t=\n", "t:3: no value is allowed" },
		{ TOP "0\ta\tD\n1\tb\ts\t\t\t\t\t?x=y\n", "t:3: '?x=y' is no condition of a payload type" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++)
		refused(cases[i].table, "", cases[i].message);
	refused(WHOLE, "move\ta\tb\tc=d\n", "overlay:1: expected set or add, a type, a key and what is different");
	refused(WHOLE, "set\t*\t.\tcolour=red\n", "overlay:1: 'colour' cannot be set");
	refused(WHOLE, "set\t*\t.\tflags\n", "overlay:1: 'flags' is no NAME=VALUE");
	/* a name that a later release may not have any more is passed over */
	struct stg_error err = { 0 };
	STG_AUTO(stg_profile_rules_free_at) struct stg_profile_rules *r =
		stg_profile_rules_read("t", stg_bytes_str(WHOLE), stg_bytes_str("set\tnone\tsuch\tkinds=s\n"), &err);
	assert_non_null(r);
}

static void a_table_cannot_grow_without_end(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(4u << 20);
	struct stg_error err = { 0 };
	assert_true(stg_buf_add_str(&text, TOP "0\ta\tD\n", NULL));
	for (int i = 0; i < 20000; i++)
		assert_true(stg_buf_printf(&text, NULL, "1\tk%d\ts\n", i));
	assert_null(stg_profile_rules_read("t", stg_buf_view(&text), stg_bytes(NULL, 0), &err));
	assert_string_equal(err.msg, "t:20002: more than 20000 rules");
	stg_buf_reset(&text);
	assert_true(stg_buf_add_str(&text, TOP "0\ta\tD\n", NULL));
	for (int i = 1; i < 30; i++)
		assert_true(stg_buf_printf(&text, NULL, "%d\tk\tD\n", i));
	assert_null(stg_profile_rules_read("t", stg_buf_view(&text), stg_bytes(NULL, 0), &err));
	assert_string_equal(err.msg, "t:19: depth '17' does not follow the rule above");
	static const char zero[] = TOP "0\ta\0\tD\n";
	assert_null(stg_profile_rules_read("t", stg_bytes(zero, sizeof(zero)), stg_bytes(NULL, 0), &err));
}

static void the_shipped_table_knows_what_is_staged(void **state)
{
	(void)state;
	STG_AUTO(stg_json_free_at) json_t *about = stg_profile_rules_about(stg_profile_rules_shipped());
	assert_string_equal(stg_json_str(about, "release"), "18.1");
	assert_true(stg_json_int(about, "types", 0) >= 45);
	assert_true(stg_json_int(about, "keys", 0) >= 1000);
}

/* ---- import ---- */

static char folder[64];

static void put(const char *name, const char *text)
{
	char path[200];
	struct stg_error err = { 0 };
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (!stg_file_write(path, stg_bytes_str(text), 0600, &err))
		fail_msg("%s", err.msg);
}

#define IOS(more) "  supportedOS:\n    iOS:\n      introduced: '4.0'\n      multiple: true\n      supervised: false\n" more
static const char top_level[] = "payload:\n  payloadtype: TopLevel\n" IOS("") "payloadkeys:\n- {key: PayloadContent, type: <array>, presence: required}\n";
static const char common[] = "payload:\n  payloadtype: CommonPayloadKeys\n" IOS("") "payloadkeys:\n- {key: PayloadDisplayName, type: <string>}\n";
static const char thing[] =
	"payload:\n  payloadtype: org.example.thing\n"
	"  supportedOS:\n    iOS: {introduced: '19.2', multiple: false, supervised: true, userenrollment: {mode: forbidden}}\n"
	"payloadkeys:\n"
	"- {key: Colour, type: <string>, presence: required, rangelist: [red, green]}\n"
	"- {key: Size, type: <integer>, range: {min: 1, max: 9}}\n"
	"- {key: Code, type: <string>, format: '^[0-9]{6}$'}\n"
	"- {key: Odd, type: <string>, format: '^odd$'}\n"
	"- {key: OnAMac, type: <string>, supportedOS: {iOS: {introduced: n/a}}}\n"
	"- {key: Late, type: <boolean>, supportedOS: {iOS: {introduced: '20.0'}}}\n"
	"- key: Folder\n  type: <array>\n  subkeys: &here\n  - key: Item\n    type: <dictionary>\n    subkeys:\n    - {key: Name, type: <string>, presence: required}\n"
	"    - {key: Inside, type: <array>, subkeys: *here}\n"
	"- key: Pair\n  type: <array>\n  subkeys:\n  - {key: One, type: <string>, repetition: {min: 2, max: 2}}\n";

static void expect(const struct stg_profile_rules *r, const char *payload, const char *os, const char *level, const char *path, const char *text)
{
	struct stg_profile_target t = { .supervised = 1 };
	struct stg_error err = { 0 };
	stg_copy(t.os, sizeof(t.os), os);
	STG_AUTO(stg_json_free_at) json_t *list = stg_profile_check("x", stg_bytes_str(payload), r, &t, &err);
	bool found = false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		found |= strcmp(stg_json_str(one, "level"), level) == 0 && strcmp(stg_json_str(one, "path"), path) == 0 && strcmp(stg_json_str(one, "text"), text) == 0;
	}
	if (!found) {
		char *all = stg_json_text(list);
		fail_msg("%s: %s not in %s", path, text, all);
	}
}

static void apple_s_description_becomes_a_table_that_says_the_same(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf table = STG_BUF(1u << 20);
	STG_AUTO(stg_json_free_at) json_t *about = NULL;
	struct stg_error err = { 0 };
	put("CommonPayloadKeys.yaml", common);
	put("TopLevel.yaml", top_level);
	put("thing.yaml", thing);
	if (!stg_profile_rules_import(folder, &table, &about, &err))
		fail_msg("%s", err.msg);
	assert_string_equal(stg_json_str(about, "release"), "20.0");
	assert_int_equal(stg_json_int(about, "types", 0), 1);
	assert_int_equal(stg_json_int(about, "files", 0), 3);
	assert_int_equal(stg_json_int(about, "forms_not_checked", 0), 1);
	STG_AUTO(stg_profile_rules_free_at) struct stg_profile_rules *r = stg_profile_rules_read("t", stg_buf_view(&table), stg_profile_overlay(), &err);
	assert_non_null(r);
	assert_true(stg_profile_rules_newer(r, stg_profile_rules_shipped()));
#define THING(more) PROFILE(PAYLOAD("org.example.thing", more))
	expect(r, THING(""), "20.0", "error", "PayloadContent[0]", "the required key Colour is missing");
	expect(r, THING(S("Colour", "blue")), "20.0", "error", "PayloadContent[0].Colour", "\"blue\" is not one of red, green");
	expect(r, THING(S("Colour", "red") I("Size", "10")), "20.0", "error", "PayloadContent[0].Size", "out of range 1..9");
	expect(r, THING(S("Colour", "red") S("Code", "12345")), "20.0", "error", "PayloadContent[0].Code", "must be 6 digits");
	expect(r, THING(S("Colour", "red") S("OnAMac", "x")), "20.0", "note", "PayloadContent[0].OnAMac", "is for a Mac: an iPhone or iPad ignores it");
	expect(r, THING(S("Colour", "red") YES("Late")), "19.3", "warning", "PayloadContent[0].Late", "needs iOS 20.0: the device has 19.3 and ignores it");
	expect(r, THING(S("Colour", "red")), "18.0", "error", "PayloadContent[0]", "needs iOS 19.2, the device has 18.0");
	expect(r, THING(S("Colour", "red") LIST("Folder", DITEM(S("Name", "a") LIST("Inside", DITEM(S("Name", "b") LIST("Inside", DITEM(""))))))), "20.0", "error",
	       "PayloadContent[0].Folder[0].Inside[0].Inside[0]", "the required key Name is missing");
	expect(r, THING(S("Colour", "red") LIST("Pair", ITEM("a"))), "20.0", "error", "PayloadContent[0].Pair", "must hold 2 values, holds 1");
	expect(r, PROFILE(WIFI("")), "20.0", "warning", "PayloadContent[0]", "an unknown payload type: the device may ignore it");
	/* the same in, the same out */
	STG_AUTO(stg_buf_clear) struct stg_buf again = STG_BUF(1u << 20);
	STG_AUTO(stg_json_free_at) json_t *about_again = NULL;
	assert_true(stg_profile_rules_import(folder, &again, &about_again, &err));
	assert_true(stg_bytes_equal(stg_buf_view(&table), stg_buf_view(&again)));
}

static void what_is_not_apple_s_description_is_refused(void **state)
{
	(void)state;
	static const struct { const char *text, *words; } cases[] = {
		{ "payload: [", "thing.yaml:" },
		{ "payload:\n  payloadtype: a\n" IOS("") "payloadkeys:\n- {type: <string>}\n", "thing.yaml:9: a key without a name, a word was expected" },
		{ "payload:\n  payloadtype: a\n" IOS("") "payloadkeys:\n- {key: a, type: <colour>}\n", "thing.yaml:9: a key without a type, <string> or the like was expected" },
		{ "payload:\n  payloadtype: a\n" IOS("") "payloadkeys:\n- a\n", "thing.yaml:9: expected a key with its type" },
		{ "payload:\n  payloadtype: a\n" IOS("") "payloadkeys:\n- {key: a, type: <string>, rangelist: *none}\n", "an alias (*none) of nothing above" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		STG_AUTO(stg_buf_clear) struct stg_buf table = STG_BUF(1u << 20);
		json_t *about = NULL;
		struct stg_error err = { 0 };
		put("CommonPayloadKeys.yaml", common);
		put("TopLevel.yaml", top_level);
		put("thing.yaml", cases[i].text);
		if (stg_profile_rules_import(folder, &table, &about, &err) || err.id != STG_ID_RULES_SOURCE || !strstr(err.msg, cases[i].words))
			fail_msg("%zu: %u %s", i, err.id, err.msg);
	}
	char path[200];
	STG_AUTO(stg_buf_clear) struct stg_buf table = STG_BUF(1u << 20);
	json_t *about = NULL;
	struct stg_error err = { 0 };
	snprintf(path, sizeof(path), "%s/TopLevel.yaml", folder);
	unlink(path);
	put("thing.yaml", thing);
	assert_false(stg_profile_rules_import(folder, &table, &about, &err));
	assert_non_null(strstr(err.msg, "no TopLevel.yaml for iOS among 2 files"));
	assert_false(stg_profile_rules_import("/nowhere", &table, &about, &err));
	assert_int_equal(err.id, STG_ID_RULES_SOURCE);
}

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/stg-rules-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = { "CommonPayloadKeys.yaml", "TopLevel.yaml", "thing.yaml" };
	(void)state;
	char path[200];
	for (size_t i = 0; i < STG_ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_damaged_table_is_refused_with_its_line),
		cmocka_unit_test(a_table_cannot_grow_without_end),
		cmocka_unit_test(the_shipped_table_knows_what_is_staged),
		cmocka_unit_test(apple_s_description_becomes_a_table_that_says_the_same),
		cmocka_unit_test(what_is_not_apple_s_description_is_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
