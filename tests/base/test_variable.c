/*
 * test_variable.c - what {{...}} means is the same in a blueprint and in a profile, because it is read in one place.
 *
 * For:    the promise of <stager/variable.h>.
 * Uses:   nothing but it.
 * Called: by tests/run.sh.
 * Thread: one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stager/variable.h>

static void what_is_no_variable_has_no_name(void **state)
{
	(void)state;
	static const char *const wrong[] = { "{{", "{{serial", "{{serial}", "{{}}", "{{ }}", "{{|serial}}", "{{'serial'}}", "{{a b}}", "{{{serial}}",
					     "{{a|{{b}}", "{{s\xc3\xa9rie}}" };
	struct stg_variable v;
	char name[STG_VARIABLE_NAME_MAX];
	for (size_t i = 0; i < STG_ARRAY_LEN(wrong); i++) {
		assert_true(stg_variable_next(wrong[i], &v));
		if (stg_variable_name(&v, name))
			fail_msg("'%s' was read as %s", wrong[i], name);
	}
	assert_false(stg_variable_next("plain } } text", &v));
	assert_false(stg_variable_any(NULL));
	assert_false(stg_variable_any("{{{{serial}}"));
	assert_true(stg_variable_any("{{{{ and {{serial}}"));
}

static void a_name_or_text_that_is_too_long_is_none(void **state)
{
	(void)state;
	char text[STG_VARIABLE_NAME_MAX + 16] = "{{";
	struct stg_variable v;
	char name[STG_VARIABLE_NAME_MAX];
	memset(text + 2, 'a', STG_VARIABLE_NAME_MAX);
	memcpy(text + 2 + STG_VARIABLE_NAME_MAX - 1, "}}", 3);
	assert_true(stg_variable_next(text, &v));
	assert_true(stg_variable_name(&v, name));
	memcpy(text + 2 + STG_VARIABLE_NAME_MAX - 1, "a}}", 4);
	assert_true(stg_variable_next(text, &v));
	assert_false(stg_variable_name(&v, name));
}

static void the_first_that_has_a_value_is_taken(void **state)
{
	(void)state;
	STG_AUTO(stg_json_free_at) json_t *values = json_pack("{s:s, s:s, s:i, s:b, s:s}", "asset_tag", "", "batch.ward", "B | {{x}}", "count", 7,
							      "yes", 1, "mdm_url", "https://mdm");
	static const struct {
		const char *text, *becomes;     /* NULL: nothing is known */
	} rows[] = {
		{ "{{batch.ward}}", "B | {{x}}" }, { "{{count}}", "7" }, { "{{yes}}", "true" }, { "{{ asset_tag | mdm_url }}", "https://mdm" },
		{ "{{asset_tag|a text}}", "a text" }, { "{{asset_tag|'a|b'}}", "a|b" }, { "{{asset_tag|\"it's\"}}", "it's" },
		{ "{{asset_tag|'s Hage}}", "'s Hage" }, { "{{asset_tag|'a' b}}", "'a' b" }, { "{{asset_tag|}}", "" }, { "{{asset_tag|''}}", "" },
		/* these could only be names: a device that has no IMEI must not be called "imei" */
		{ "{{asset_tag|imei}}", NULL }, { "{{asset_tag|serial}}", NULL }, { "{{asset_tag|batch.floor}}", NULL },
		{ "{{asset_tag|secrt.wifi}}", NULL }, { "{{asset_tag|'example.com'}}", "example.com" }, { "{{serial}}", NULL },
		{ "{{asset_tag|asset_tag}}", NULL },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(rows); i++) {
		struct stg_variable v;
		struct stg_variable_value got;
		assert_true(stg_variable_next(rows[i].text, &v));
		bool ok = stg_variable_value(&v, values, &got);
		if (ok != (rows[i].becomes != NULL) || (ok && strcmp(got.text, rows[i].becomes) != 0))
			fail_msg("%s became '%s'", rows[i].text, ok ? got.text : "nothing");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_variable_has_no_name),
		cmocka_unit_test(a_name_or_text_that_is_too_long_is_none),
		cmocka_unit_test(the_first_that_has_a_value_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
