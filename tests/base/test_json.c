/*
 * test_json.c - JSON that is too deep, too much or doubled is refused; what we write is always the same text.
 *
 * For:    the promise of <stager/json.h>.
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

#include <stager/error.h>
#include <stager/json.h>

static void refused(struct stg_bytes text, size_t max)
{
	struct stg_error err = { 0 };
	json_t *j = stg_json_parse(text, max, &err);
	if (j)
		fail_msg("read %.40s", (const char *)text.data);
	assert_int_equal(err.code, STG_E_PROTOCOL);
	assert_true(err.msg[0]);
}

static void what_is_wrong_or_too_much_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "", " ", "{", "}", "{\"a\":1,\"a\":2}", "{\"a\" 1}", "[1,]", "nul", "'a'", "{\"a\":1} x",
					   "[1]]", "\"\\u0000\"", "\"\\ud800\"", "\"\xff\"", "\"\xc0\x80\"", "[1e999]",
					   "[99999999999999999999]", "\"open", "\"\\\"", "[NaN]", "\xef\xbb\xbf[]" };
	for (size_t i = 0; i < STG_ARRAY_LEN(bad); i++)
		refused(stg_bytes_str(bad[i]), 1000);
	refused(stg_bytes_str("[12345]"), 6);
	refused(stg_bytes("[]\0", 3), 1000);

	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(8u << 20);
	for (int i = 0; i < 65; i++)
		assert_true(stg_buf_add_str(&b, i % 2 ? "[" : "{\"a\":", NULL));
	refused(stg_buf_view(&b), b.max);
	stg_buf_reset(&b);
	for (int i = 0; i < 1000000; i++)
		assert_true(stg_buf_add_str(&b, "[", NULL));
	refused(stg_buf_view(&b), b.max);
	/* a quarter of a gigabyte of empty objects out of 1.5 MB */
	stg_buf_reset(&b);
	assert_true(stg_buf_add_str(&b, "[{}", NULL));
	for (int i = 0; i < 500000; i++)
		assert_true(stg_buf_add_str(&b, ",{}", NULL));
	assert_true(stg_buf_add_str(&b, "]", NULL));
	refused(stg_buf_view(&b), b.max);
}

static void depth_counts_outside_strings_only(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(4096);
	for (int i = 0; i < 63; i++)
		assert_true(stg_buf_add_str(&b, "[", NULL));
	assert_true(stg_buf_add_str(&b, "\"[[[[{{{{\\\"[[[[,,,,\"", NULL));
	for (int i = 0; i < 63; i++)
		assert_true(stg_buf_add_str(&b, "]", NULL));
	STG_AUTO(stg_json_free_at) json_t *j = stg_json_parse(stg_buf_view(&b), b.max, NULL);
	assert_non_null(j);
}

static void values_of_another_kind_give_the_fallback(void **state)
{
	(void)state;
	STG_AUTO(stg_json_free_at) json_t *j = stg_json_parse(
		stg_bytes_str("{\"s\":\"text\",\"i\":-5,\"b\":true,\"n\":null,\"l\":[1],\"r\":1.5}"), 1000, NULL);
	assert_non_null(j);
	assert_string_equal(stg_json_str(j, "s"), "text");
	assert_string_equal(stg_json_str(j, "i"), "");
	assert_string_equal(stg_json_str_or(j, "absent", "else"), "else");
	assert_string_equal(stg_json_str_or(j, "n", "else"), "else");
	assert_int_equal(stg_json_int(j, "i", 7), -5);
	assert_int_equal(stg_json_int(j, "s", 7), 7);
	assert_int_equal(stg_json_int(j, "r", 7), 7);
	assert_true(stg_json_bool(j, "b", false));
	assert_true(stg_json_bool(j, "i", true));
	assert_string_equal(stg_json_str(NULL, "s"), "");
	assert_int_equal(stg_json_int(json_array_get(json_object_get(j, "l"), 0), "x", 7), 7);
}

static void the_same_value_is_the_same_text(void **state)
{
	(void)state;
	STG_AUTO(stg_json_free_at) json_t *a = json_object();
	STG_AUTO(stg_json_free_at) json_t *b = json_object();
	stg_json_put(a, "z", "1");
	stg_json_put_int(a, "a", INT64_MIN);
	stg_json_put_bool(a, "m", false);
	stg_json_put(a, "empty", "");
	stg_json_put(a, "none", NULL);
	stg_json_put_bool(b, "m", false);
	stg_json_put_int(b, "a", INT64_MIN);
	stg_json_put(b, "z", "1");
	STG_AUTO(stg_free_at) char *ta = stg_json_text(a);
	STG_AUTO(stg_free_at) char *tb = stg_json_text(b);
	assert_string_equal(ta, "{\"a\":-9223372036854775808,\"m\":false,\"z\":\"1\"}");
	assert_string_equal(ta, tb);
}

static void text_that_is_not_utf8_is_kept_as_it_can_be_shown(void **state)
{
	(void)state;
	STG_AUTO(stg_json_free_at) json_t *j = json_object();
	stg_json_put(j, "name", "caf\xe9");
	assert_string_equal(stg_json_str(j, "name"), "caf\\xe9");
}

static void an_error_crosses_a_socket_unchanged(void **state)
{
	(void)state;
	struct stg_error err = { 0 }, back = { 0 };
	stg_fail_id(&err, STG_E_NEEDS_HUMAN, STG_ID_BUG, -7, "tap Trust on \"%s\"", "Zo\xc3\xab");
	STG_AUTO(stg_json_free_at) json_t *j = stg_json_from_error(&err);
	assert_false(stg_json_to_error(j, &back));
	assert_int_equal(back.code, STG_E_NEEDS_HUMAN);
	assert_int_equal(back.id, STG_ID_BUG);
	assert_int_equal(back.origin, -7);
	assert_string_equal(back.msg, err.msg);
	/* a peer that says nonsense becomes a bug, not a success */
	STG_AUTO(stg_json_free_at) json_t *odd = stg_json_parse(stg_bytes_str("{\"code\":\"fine\",\"id\":\"x\"}"), 100, NULL);
	assert_false(stg_json_to_error(odd, &back));
	assert_int_equal(back.code, STG_E_BUG);
	assert_false(stg_json_to_error(NULL, &back));
	assert_int_equal(back.code, STG_E_BUG);
	assert_false(stg_json_to_error(odd, NULL));
}

/* Kept XORed, so that the search does not find its own question. */
static const char hidden[] = "\x17\x1b\x08\x11\x77\x30\x29\x35\x34\x77\x0b\x2d\x6d\x2a\x12\x29";   /* MARK-json-Qw7pHs */

/* How often the mark lies in the heap: every writable mapping without a file behind it but the stack. */
static int marks_in_memory(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	int n = 0;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long from, to, inode;
		char flags[8], name[256] = "";
		if (sscanf(line, "%lx-%lx %7s %*s %*s %lu %255s", &from, &to, flags, &inode, name) < 4 || inode || strncmp(flags, "rw", 2) != 0 ||
		    (*name && strcmp(name, "[heap]") != 0))
			continue;
		for (const char *p = (const char *)from; p + sizeof(hidden) - 1 <= (const char *)to; p++) {
			size_t i = 0;
			while (i < sizeof(hidden) - 1 && (p[i] ^ 0x5a) == hidden[i])
				i++;
			n += i == sizeof(hidden) - 1;
		}
	}
	fclose(f);
	return n;
}

static void nothing_of_a_freed_value_is_left_in_memory(void **state)
{
	(void)state;
#ifdef STG_SANITIZED
	skip();         /* the sanitizer's own mappings are terabytes */
#endif
	if (getenv("STG_VALGRIND"))
		skip();
	struct stg_buf text = STG_BUF(256);
	/* the first bytes of a freed block are overwritten by the allocator itself: the mark stands behind them */
	assert_true(stg_buf_add_str(&text, "{\"secret\":\"something long in front of the mark, 64 bytes and a little more: ", NULL));
	for (size_t i = 0; i < sizeof(hidden) - 1; i++) {
		char c = (char)(hidden[i] ^ 0x5a);
		assert_true(stg_buf_add(&text, &c, 1, NULL));
	}
	assert_true(stg_buf_add_str(&text, "\"}", NULL));
	json_t *j = stg_json_parse(stg_buf_view(&text), 256, NULL), *again = json_object();
	stg_buf_clear(&text);
	stg_json_put(again, "copy", stg_json_str(j, "secret"));
	char *line = stg_json_text(again);
	assert_int_equal(marks_in_memory(), 3);         /* two values and the line */
	explicit_bzero(line, strlen(line));
	free(line);
	json_decref(again);
	json_decref(j);
	assert_int_equal(marks_in_memory(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_or_too_much_is_refused),
		cmocka_unit_test(depth_counts_outside_strings_only),
		cmocka_unit_test(values_of_another_kind_give_the_fallback),
		cmocka_unit_test(the_same_value_is_the_same_text),
		cmocka_unit_test(text_that_is_not_utf8_is_kept_as_it_can_be_shown),
		cmocka_unit_test(an_error_crosses_a_socket_unchanged),
		cmocka_unit_test(nothing_of_a_freed_value_is_left_in_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
