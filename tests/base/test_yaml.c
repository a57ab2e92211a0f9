/*
 * test_yaml.c - what a person reads who made a slip in a blueprint, and what the rooms read when there is none.
 *
 * For:    the promise of <stager/yaml.h>.
 * Uses:   nothing but it.
 * Called: by tests/run.sh.
 * Thread: one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/yaml.h>

static void refused(const char *text, const char *says)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_yaml_free_at) struct stg_yaml *y = stg_yaml_parse("wards.yaml", stg_bytes_str(text), &err);
	if (y)
		fail_msg("read what should be refused with '%s'", says);
	assert_int_equal(err.code, STG_E_INPUT);
	assert_int_equal(stg_exit_status(&err), 3);
	assert_string_equal(err.msg, says);
}

static void slips_are_told_with_their_line(void **state)
{
	(void)state;
	refused("name: a\nname: b\n", "wards.yaml:2: 'name' is here twice, expected it once (first on line 1)");
	refused("a: 1\nb:\n  c: 1\n  'c': 2\n", "wards.yaml:4: 'c' is here twice, expected it once (first on line 3)");
	refused("a: &x 1\n", "wards.yaml:1: an anchor (&x), expected the value itself");
	refused("a: &x [1]\n", "wards.yaml:1: an anchor (&x), expected the value itself");
	refused("a: &x {b: 1}\n", "wards.yaml:1: an anchor (&x), expected the value itself");
	refused("a: 1\nb: *x\n", "wards.yaml:2: an alias (*x), expected the value itself");
	refused("a: !!str 5\n", "wards.yaml:1: a tag (tag:yaml.org,2002:str), expected a plain value");
	refused("a: !ruby [1]\n", "wards.yaml:1: a tag (!ruby), expected a plain value");
	refused("\xc3\xa9t\xc3\xa9: 1\na:\n  \tb: 1\n", "wards.yaml:3: a tab, expected spaces: YAML is indented with spaces only");
	refused("a:\n\tb: 1\n", "wards.yaml:2: a tab, expected spaces: YAML is indented with spaces only");
	refused("a: 1\n---\nb: 1\n", "wards.yaml:2: a second document, expected one per file");
	refused("%YAML 1.1\n---\na: 1\n", "wards.yaml:1: a % directive, expected none");
	refused("[a]: 1\n", "wards.yaml:1: a list as a key, expected a word");
	refused("? {a: 1}\n: 1\n", "wards.yaml:1: a mapping as a key, expected a word");
	refused("a: \"x\\0y\"\n", "wards.yaml:1: a zero character, expected text");
	refused("a: ok\nb: \xff\n", "wards.yaml:2: a character that is not UTF-8 text, expected UTF-8");
	refused("a: \x01\n", "wards.yaml:1: a character that is not UTF-8 text, expected UTF-8");
}

static void broken_grammar_names_its_line(void **state)
{
	(void)state;
	static const struct { const char *text; const char *begins; } broken[] = {
		{ "a: [1, 2\nb: 3\n", "wards.yaml:2: " }, { "a: 'open\n", "wards.yaml:2: " },
		{ "a: 1\n  b: 2\n", "wards.yaml:2: " },   { "a: b: c\n", "wards.yaml:1: " },
		{ "- a\nb: 1\n", "wards.yaml:2: " },      { "a: @x\n", "wards.yaml:1: " },
		{ "a: }\n", "wards.yaml:1: " },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(broken); i++) {
		struct stg_error err = { 0 };
		assert_null(stg_yaml_parse("wards.yaml", stg_bytes_str(broken[i].text), &err));
		assert_int_equal(err.code, STG_E_INPUT);
		if (strncmp(err.msg, broken[i].begins, strlen(broken[i].begins)) != 0 || strlen(err.msg) < 25)
			fail_msg("said '%s'", err.msg);
	}
}

static void too_much_is_refused_in_little_time(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(4u << 20);
	struct stg_error err = { 0 };
	for (int i = 0; i < 33; i++)
		assert_true(stg_buf_add_str(&b, "[", NULL));
	for (int i = 0; i < 33; i++)
		assert_true(stg_buf_add_str(&b, "]", NULL));
	assert_null(stg_yaml_parse("f", stg_buf_view(&b), &err));
	assert_string_equal(err.msg, "f:1: nested deeper than 32 levels");
	stg_yaml_free(stg_yaml_parse("f", stg_bytes(b.data + 1, b.len - 2), &err));

	stg_buf_reset(&b);
	for (int i = 0; i < 900000; i++)
		assert_true(stg_buf_add_str(&b, "[", NULL));
	int64_t begin = stg_cpu_us();
	assert_null(stg_yaml_parse("f", stg_buf_view(&b), &err));
	assert_string_equal(err.msg, "f:1: nested deeper than 32 levels");

	stg_buf_reset(&b);
	for (unsigned int i = 0; i < 100000; i++)
		assert_true(stg_buf_printf(&b, NULL, "%x:\n", i));
	STG_AUTO(stg_yaml_free_at) struct stg_yaml *y = stg_yaml_parse("f", stg_buf_view(&b), &err);
	assert_non_null(y);
	assert_true(stg_cpu_us() - begin < 30000000);

	while (b.len <= 1u << 20)
		assert_true(stg_buf_add_str(&b, "# a comment is text too\n", NULL));
	assert_null(stg_yaml_parse("f", stg_buf_view(&b), &err));
	assert_non_null(strstr(err.msg, "expected at most 1048576"));
}

static const char BLUEPRINT[] =
	"# for the wards\n"
	"name: tablets\n"
	"about: 'yes: really'\n"
	"count: 12\n"
	"again: '12'\n"
	"erase: false\n"
	"wait: 90 s\n"
	"steps:\n"
	"  - wipe\n"
	"  - install:\n"
	"      profile: wifi.mobileconfig\n"
	"      text: |\n"
	"        two\n"
	"        lines\n"
	"empty:\n"
	"tag: 007\n";

static struct stg_yaml *blueprint(void)
{
	struct stg_error err = { 0 };
	struct stg_yaml *y = stg_yaml_parse("wards.yaml", stg_bytes_str(BLUEPRINT), &err);
	if (!y)
		fail_msg("%s", err.msg);
	return y;
}

static void values_know_their_line_and_kind(void **state)
{
	(void)state;
	STG_AUTO(stg_yaml_free_at) struct stg_yaml *y = blueprint();
	const struct stg_yaml_node *root = stg_yaml_root(y), *n;
	struct stg_error err = { 0 };
	const char *text;
	int64_t number;
	bool flag;

	assert_string_equal(stg_yaml_name(y), "wards.yaml");
	assert_int_equal(root->kind, STG_YAML_MAP);
	assert_true(stg_yaml_string(y, stg_yaml_get(root, "name"), &text, &err));
	assert_string_equal(text, "tablets");
	assert_int_equal(stg_yaml_get(root, "name")->line, 2);
	assert_true(stg_yaml_int(y, stg_yaml_get(root, "count"), 1, 64, &number, &err));
	assert_int_equal(number, 12);
	assert_true(stg_yaml_bool(y, stg_yaml_get(root, "erase"), &flag, &err));
	assert_false(flag);
	assert_true(stg_yaml_duration(y, stg_yaml_get(root, "wait"), &number, &err));
	assert_int_equal(number, 90000);
	assert_true(stg_yaml_get(root, "again")->quoted);
	n = stg_yaml_get(root, "steps");
	assert_int_equal(n->kind, STG_YAML_LIST);
	assert_int_equal(n->key_line, 8);
	assert_int_equal(n->line, 9);
	assert_string_equal(n->child->scalar, "wipe");
	n = stg_yaml_get(n->child->next, "install");
	assert_int_equal(stg_yaml_get(n, "profile")->line, 11);
	assert_string_equal(stg_yaml_get(n, "text")->scalar, "two\nlines\n");
	assert_true(stg_yaml_get(n, "text")->quoted);
	assert_null(stg_yaml_get(root, "absent"));
	assert_null(stg_yaml_get(NULL, "absent"));
}

static void typed_readers_say_what_they_expected(void **state)
{
	(void)state;
	STG_AUTO(stg_yaml_free_at) struct stg_yaml *y = blueprint();
	const struct stg_yaml_node *root = stg_yaml_root(y);
	struct stg_error err = { 0 };
	const char *text = NULL;
	int64_t number = -1;
	bool flag = true;

	assert_false(stg_yaml_int(y, stg_yaml_get(root, "count"), 1, 8, &number, &err));
	assert_string_equal(err.msg, "wards.yaml:4: count is '12', expected a whole number from 1 to 8");
	assert_false(stg_yaml_int(y, stg_yaml_get(root, "name"), 1, INT64_MAX, &number, &err));
	assert_string_equal(err.msg, "wards.yaml:2: name is 'tablets', expected a whole number of at least 1");
	assert_false(stg_yaml_int(y, stg_yaml_get(root, "again"), INT64_MIN, INT64_MAX, &number, &err));
	assert_string_equal(err.msg, "wards.yaml:5: again is the text '12', expected a whole number without quotes");
	assert_false(stg_yaml_int(y, stg_yaml_get(root, "tag"), 0, 9, &number, &err));
	assert_string_equal(err.msg, "wards.yaml:16: tag is '007', expected a whole number from 0 to 9");
	assert_false(stg_yaml_int(y, stg_yaml_get(root, "empty"), 0, 9, &number, &err));
	assert_string_equal(err.msg, "wards.yaml:15: empty is empty, expected a whole number from 0 to 9");
	assert_false(stg_yaml_bool(y, stg_yaml_get(root, "name"), &flag, &err));
	assert_string_equal(err.msg, "wards.yaml:2: name is 'tablets', expected true or false");
	assert_false(stg_yaml_string(y, stg_yaml_get(root, "steps"), &text, &err));
	assert_string_equal(err.msg, "wards.yaml:9: steps is a list, expected text");
	assert_false(stg_yaml_string(y, root, &text, &err));
	assert_string_equal(err.msg, "wards.yaml:2: this entry is a mapping, expected text");
	assert_false(stg_yaml_duration(y, stg_yaml_get(root, "count"), &number, &err));
	assert_string_equal(err.msg, "wards.yaml:4: count is '12', expected a duration such as 500 ms, 90 s, 5 min or 2 h");
	assert_false(stg_yaml_string(y, NULL, &text, &err));
	assert_int_equal(err.code, STG_E_INPUT);
	/* nothing was written to what they could not read */
	assert_true(!text && number == -1 && flag);
}

static void durations_are_read(void **state)
{
	(void)state;
	static const struct { const char *text; int64_t ms; } all[] = {
		{ "500 ms", 500 }, { "0 s", 0 }, { "90 s", 90000 }, { "90s", 90000 }, { "5 min", 300000 }, { "2 h", 7200000 },
		{ "'3 s'", 3000 }, { "-1 s", -1 }, { "1.5 s", -1 }, { "s", -1 }, { "5", -1 }, { "5 m", -1 }, { "5 s s", -1 },
		{ "9223372036854775807 h", -1 }, { "99999999999999999999999999 s", -1 }, { "1e3 s", -1 }, { "''", -1 },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(all); i++) {
		char file[80];
		snprintf(file, sizeof(file), "d: %s\n", all[i].text);
		STG_AUTO(stg_yaml_free_at) struct stg_yaml *y = stg_yaml_parse("f", stg_bytes_str(file), NULL);
		assert_non_null(y);
		int64_t ms = -1;
		if (stg_yaml_duration(y, stg_yaml_get(stg_yaml_root(y), "d"), &ms, NULL) != (all[i].ms >= 0) || ms != all[i].ms)
			fail_msg("'%s' was read as %lld ms", all[i].text, (long long)ms);
	}
}

static void unknown_keys_are_told_with_the_nearest_known_one(void **state)
{
	(void)state;
	static const char *const known[] = { "name", "about", "steps", "match", "timeout", "erase", NULL };
	static const struct { const char *text, *says; } slips[] = {
		{ "name: x\nstpes: []\n", "f:2: unknown key 'stpes', did you mean 'steps'?" },
		{ "Name: x\n", "f:1: unknown key 'Name', did you mean 'name'?" },
		{ "timeuot: 1 s\n", "f:1: unknown key 'timeuot', did you mean 'timeout'?" },
		{ "step: 1\n", "f:1: unknown key 'step', did you mean 'steps'?" },
		{ "colour:\n  - red\n", "f:1: unknown key 'colour', expected name, about, steps, match, timeout, erase" },
		{ "- name\n", "f:1: this entry is a list, expected a mapping (lines of 'key: value')" },
		{ "\"\\e[31mred\": 1\n", "f:1: unknown key '\\x1b[31mred', expected name, about, steps, match, timeout, erase" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(slips); i++) {
		struct stg_error err = { 0 };
		STG_AUTO(stg_yaml_free_at) struct stg_yaml *y = stg_yaml_parse("f", stg_bytes_str(slips[i].text), &err);
		assert_non_null(y);
		assert_false(stg_yaml_only(y, stg_yaml_root(y), known, &err));
		assert_string_equal(err.msg, slips[i].says);
	}
	STG_AUTO(stg_yaml_free_at) struct stg_yaml *y = stg_yaml_parse("f", stg_bytes_str("erase: true\nname: x\n"), NULL);
	assert_true(stg_yaml_only(y, stg_yaml_root(y), known, NULL));
}

static void a_tree_becomes_plain_json(void **state)
{
	(void)state;
	STG_AUTO(stg_yaml_free_at) struct stg_yaml *y = blueprint();
	STG_AUTO(stg_json_free_at) json_t *j = stg_yaml_json(stg_yaml_root(y));
	STG_AUTO(stg_free_at) char *text = stg_json_text(j);
	assert_string_equal(text, "{\"about\":\"yes: really\",\"again\":\"12\",\"count\":12,\"empty\":\"\",\"erase\":false,"
				  "\"name\":\"tablets\",\"steps\":[\"wipe\",{\"install\":{\"profile\":\"wifi.mobileconfig\","
				  "\"text\":\"two\\nlines\\n\"}}],\"tag\":\"007\",\"wait\":\"90 s\"}");
}

static void an_empty_file_is_an_empty_mapping(void **state)
{
	(void)state;
	static const char *const empty[] = { "", "\n\n", "# nothing yet\n", "\xef\xbb\xbf# from Windows\r\n" };
	for (size_t i = 0; i < STG_ARRAY_LEN(empty); i++) {
		STG_AUTO(stg_yaml_free_at) struct stg_yaml *y = stg_yaml_parse("f", stg_bytes_str(empty[i]), NULL);
		assert_non_null(y);
		assert_int_equal(stg_yaml_root(y)->kind, STG_YAML_MAP);
		assert_null(stg_yaml_root(y)->child);
		assert_int_equal(stg_yaml_root(y)->line, 1);
	}
	/* and files of Windows read the same */
	STG_AUTO(stg_yaml_free_at) struct stg_yaml *y = stg_yaml_parse("f", stg_bytes_str("\xef\xbb\xbf" "a: 1\r\nb:\r\n  c: 2\r\n"), NULL);
	assert_non_null(y);
	assert_int_equal(stg_yaml_get(stg_yaml_get(stg_yaml_root(y), "b"), "c")->line, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slips_are_told_with_their_line),
		cmocka_unit_test(broken_grammar_names_its_line),
		cmocka_unit_test(too_much_is_refused_in_little_time),
		cmocka_unit_test(typed_readers_say_what_they_expected),
		cmocka_unit_test(unknown_keys_are_told_with_the_nearest_known_one),
		cmocka_unit_test(values_know_their_line_and_kind),
		cmocka_unit_test(durations_are_read),
		cmocka_unit_test(a_tree_becomes_plain_json),
		cmocka_unit_test(an_empty_file_is_an_empty_mapping),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
