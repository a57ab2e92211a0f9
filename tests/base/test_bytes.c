/*
 * test_bytes.c - buffers that keep their ceiling, text forms that are not half read, text that is safe to show.
 *
 * For:    the promise of <stager/bytes.h>.
 * Uses:   nothing but it.
 * Called: by tests/run.sh.
 * Thread: one.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stager/bytes.h>
#include <stager/error.h>

static void a_buffer_never_passes_its_ceiling(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(10);
	struct stg_error err = { 0 };
	assert_string_equal(stg_buf_str(&b), "");
	assert_true(stg_buf_add_str(&b, "12345", &err));
	assert_false(stg_buf_add_str(&b, "678901", &err));
	assert_int_equal(err.code, STG_E_PROTOCOL);
	assert_string_equal(stg_buf_str(&b), "12345");
	assert_false(stg_buf_printf(&b, &err, "%s", "678901"));
	assert_false(stg_buf_reserve(&b, SIZE_MAX, &err));
	assert_false(stg_buf_reserve(&b, SIZE_MAX - 4, &err));
	assert_false(stg_unhex("000000000000", &b, &err));
	assert_false(stg_base64(stg_bytes_str("12345"), &b, &err));
	assert_string_equal(stg_buf_str(&b), "12345");
	assert_true(stg_buf_add_str(&b, "67890", &err));
	assert_true(stg_buf_add(&b, NULL, 0, &err));
	assert_int_equal(b.len, 10);
	assert_string_equal(stg_buf_str(&b), "1234567890");
	stg_buf_reset(&b);
	assert_string_equal(stg_buf_str(&b), "");
	assert_true(stg_buf_add_str(&b, "again", &err));
	stg_buf_clear(&b);
	assert_string_equal(stg_buf_str(&b), "");
	assert_int_equal(b.max, 10);
}

static void a_buffer_grows_and_keeps_a_nul_behind(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(1u << 20);
	for (unsigned int i = 0; i < 50000; i++) {
		assert_true(stg_buf_printf(&b, NULL, "%05u,", i));
		assert_int_equal(b.data[b.len], 0);
	}
	assert_int_equal(b.len, 300000);
	assert_memory_equal(b.data + 299994, "49999,", 6);
	assert_true(stg_bytes_equal(stg_bytes(b.data, 6), stg_bytes_str("00000,")));
	assert_false(stg_bytes_equal(stg_bytes(b.data, 6), stg_bytes_str("00000")));
	assert_true(stg_bytes_equal(stg_bytes(NULL, 0), stg_bytes_str("")));
	assert_true(stg_bytes_equal(stg_bytes_str(NULL), stg_bytes_str("")));
}

static void hexadecimal_goes_both_ways_or_not_at_all(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(64);
	struct stg_error err = { 0 };
	char text[13];
	static const char *const bad[] = { "0", "0g", "00 1", "0x00", "00:11", "0011\n", "\xc3\xa9\xc3\xa9" };
	assert_true(stg_buf_add_str(&b, "kept", &err));
	for (size_t i = 0; i < STG_ARRAY_LEN(bad); i++) {
		assert_false(stg_unhex(bad[i], &b, &err));
		assert_int_equal(err.code, STG_E_PROTOCOL);
		assert_string_equal(stg_buf_str(&b), "kept");
	}
	stg_buf_reset(&b);
	assert_true(stg_unhex("00ffAb10cDe9", &b, &err));
	stg_hex(stg_buf_view(&b), text);
	assert_string_equal(text, "00ffab10cde9");
	assert_true(stg_unhex("", &b, &err));
	assert_int_equal(b.len, 6);
}

static void base64_goes_both_ways_or_not_at_all(void **state)
{
	(void)state;
	/* RFC 4648, section 10 */
	static const struct { const char *plain, *coded; } good[] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};
	static const char *const bad[] = { "Z", "Zg", "Zg=", "Z===", "====", "=Zg=", "Zg==Zg==", "Zm=v", " Zm9v", "Zm9v\n",
					   "Zm9v    ", "Zm\n9vYg", "Zm9-", "Zm9_", "Zm9v!" };
	struct stg_error err = { 0 };
	for (size_t i = 0; i < STG_ARRAY_LEN(good); i++) {
		STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(64);
		assert_true(stg_base64(stg_bytes_str(good[i].plain), &b, &err));
		assert_string_equal(stg_buf_str(&b), good[i].coded);
		stg_buf_reset(&b);
		assert_true(stg_unbase64(good[i].coded, &b, &err));
		assert_string_equal(stg_buf_str(&b), good[i].plain);
	}
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(64);
	for (size_t i = 0; i < STG_ARRAY_LEN(bad); i++) {
		if (stg_unbase64(bad[i], &b, &err))
			fail_msg("'%s' was read", bad[i]);
		assert_int_equal(err.code, STG_E_PROTOCOL);
		assert_int_equal(b.len, 0);
	}
}

static void hashes_are_those_of_the_standard(void **state)
{
	(void)state;
	char hex[65];
	stg_sha256_hex(stg_bytes_str("abc"), hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	stg_sha256_hex(stg_bytes(NULL, 0), hex);
	assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void what_a_device_says_cannot_act_on_the_terminal(void **state)
{
	(void)state;
	static const struct { const char *said, *ascii, *utf8; } all[] = {
		{ "plain text ~!", "plain text ~!", "plain text ~!" },
		{ "\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07", "\\x1b[2J\\x1b]0;title\\x07" },
		{ "a\r\nb\tc\x7f", "a\\x0d\\x0ab\\x09c\\x7f", "a\\x0d\\x0ab\\x09c\\x7f" },
		{ "Zo\xc3\xab", "Zo\\xc3\\xab", "Zo\xc3\xab" },
		{ "\xe6\x97\xa5\xf0\x9f\x93\xb1", "\\xe6\\x97\\xa5\\xf0\\x9f\\x93\\xb1", "\xe6\x97\xa5\xf0\x9f\x93\xb1" },
		{ "\xc2\x9b" "31m", "\\xc2\\x9b31m", "\\xc2\\x9b31m" },                             /* C1 control */
		{ "gpj.\xe2\x80\xae" "exe", "gpj.\\xe2\\x80\\xaeexe", "gpj.\\xe2\\x80\\xaeexe" },     /* right-to-left override */
		{ "\xe2\x81\xa6x\xe2\x81\xa9", "\\xe2\\x81\\xa6x\\xe2\\x81\\xa9", "\\xe2\\x81\\xa6x\\xe2\\x81\\xa9" },
		{ "a\xe2\x80\x8b" "b", "a\\xe2\\x80\\x8bb", "a\\xe2\\x80\\x8bb" },                     /* zero width */
		{ "\xef\xbb\xbf", "\\xef\\xbb\\xbf", "\\xef\\xbb\\xbf" },
		{ "soft\xc2\xadhyphen", "soft\\xc2\\xadhyphen", "soft\\xc2\\xadhyphen" },
		{ "\xf3\xa0\x81\xa1", "\\xf3\\xa0\\x81\\xa1", "\\xf3\\xa0\\x81\\xa1" },               /* tag letter */
		{ "\xc0\x80\xff\xed\xa0\x80", "\\xc0\\x80\\xff\\xed\\xa0\\x80", "\\xc0\\x80\\xff\\xed\\xa0\\x80" },
		{ "cut \xe6\x97", "cut \\xe6\\x97", "cut \\xe6\\x97" },
	};
	char shown[256];
	for (size_t i = 0; i < STG_ARRAY_LEN(all); i++) {
		stg_printable(all[i].said, false, shown, sizeof(shown));
		assert_string_equal(shown, all[i].ascii);
		stg_printable(all[i].said, true, shown, sizeof(shown));
		assert_string_equal(shown, all[i].utf8);
	}
	stg_printable(NULL, true, shown, sizeof(shown));
	assert_string_equal(shown, "");
}

static void shown_text_is_cut_between_letters(void **state)
{
	(void)state;
	char shown[64];
	for (size_t size = 1; size < sizeof(shown); size++) {
		memset(shown, '#', sizeof(shown));
		stg_printable("\xe6\x97\xa5\xe6\x9c\xac\x1b\x1b\xe8\xaa\x9e\xf0\x9f\x93\xb1\xe6\x97\xa5\xe6\x97\xa5", true, shown, size);
		assert_true(strlen(shown) < size);
		for (size_t i = size; i < sizeof(shown); i++)
			assert_int_equal(shown[i], '#');
		char again[64];
		stg_printable(shown, true, again, sizeof(again));
		assert_string_equal(shown, again);
	}
}

static void copies_say_when_they_had_to_cut(void **state)
{
	(void)state;
	char to[5];
	assert_true(stg_copy(to, sizeof(to), "1234"));
	assert_string_equal(to, "1234");
	assert_false(stg_copy(to, sizeof(to), "12345"));
	assert_string_equal(to, "1234");
	assert_false(stg_copy(to, sizeof(to), "abc\xc3\xa9"));
	assert_string_equal(to, "abc");
	assert_false(stg_copy(to, sizeof(to), "\xf0\x9f\x93\xb1!"));
	assert_string_equal(to, "\xf0\x9f\x93\xb1");
	assert_false(stg_copy(to, sizeof(to), "ab\xe6\x97\xa5"));
	assert_string_equal(to, "ab");
	assert_false(stg_copy(to, 1, "\xe6\x97\xa5"));
	assert_string_equal(to, "");
	assert_true(stg_copy(to, sizeof(to), ""));
	assert_string_equal(to, "");
}

static void closing_keeps_errno_and_takes_nothing(void **state)
{
	(void)state;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), copy = fd;
	assert_true(fd >= 0);
	errno = ENOSPC;
	stg_close_at(&fd);
	assert_int_equal(fd, -1);
	stg_close_at(&fd);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(fcntl(copy, F_GETFD), -1);
	char *text = stg_strdup("x");
	stg_free_at(&text);
	assert_null(text);
	stg_free_at(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_never_passes_its_ceiling),
		cmocka_unit_test(a_buffer_grows_and_keeps_a_nul_behind),
		cmocka_unit_test(hexadecimal_goes_both_ways_or_not_at_all),
		cmocka_unit_test(base64_goes_both_ways_or_not_at_all),
		cmocka_unit_test(hashes_are_those_of_the_standard),
		cmocka_unit_test(what_a_device_says_cannot_act_on_the_terminal),
		cmocka_unit_test(shown_text_is_cut_between_letters),
		cmocka_unit_test(copies_say_when_they_had_to_cut),
		cmocka_unit_test(closing_keeps_errno_and_takes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
