/*
 * test_error.c - what a person reads when something failed, in both languages, and what a script gets.
 *
 * For:    the promise of <stager/error.h>, <stager/text.h> and <stager/log.h>.
 * Uses:   every row of every errors.def.
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
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <stager/bytes.h>
#include <stager/error.h>
#include <stager/file.h>
#include <stager/json.h>
#include <stager/log.h>
#include <stager/text.h>

static void an_error_is_told_from_outside_to_inside(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	assert_false(stg_fail(&err, STG_E_GONE, 32, "the device closed the connection"));
	assert_false(stg_while(&err, "start %s", "diagnostics"));
	assert_false(stg_while(&err, "erase"));
	assert_string_equal(err.msg, "erase: start diagnostics: the device closed the connection");
	assert_int_equal(err.code, STG_E_GONE);
	assert_int_equal(err.origin, 32);
	assert_int_equal(err.id, 0);
	assert_false(stg_say(&err, STG_ID_BUG));
	assert_false(stg_say(&err, STG_ID_NO_MEMORY)); /* the first one stays */
	assert_int_equal(err.id, STG_ID_BUG);
	assert_false(stg_fail(&err, STG_E_IO, 0, "again: %s", err.msg)); /* quoting itself */
	assert_string_equal(err.msg, "again: erase: start diagnostics: the device closed the connection");
	assert_int_equal(err.id, 0);
	stg_error_reset(&err);
	assert_int_equal(err.code, STG_OK);
	/* nobody wants to know */
	assert_false(stg_fail(NULL, STG_E_GONE, 0, "x"));
	assert_false(stg_while(NULL, "x"));
	assert_false(stg_say(NULL, STG_ID_BUG));
	stg_error_reset(NULL);
}

static void a_long_error_is_cut_between_letters(void **state)
{
	(void)state;
	for (int shift = 0; shift < 4; shift++) {
		struct stg_error err = { 0 };
		char text[400] = "";
		for (int i = 0; i < 80; i++)
			strcat(text, i % 2 ? "\xe6\x97\xa5" : "\xf0\x9f\x93\xb1");
		stg_fail(&err, STG_E_IO, 0, "%.*s%s", shift, "aaa", text);
		json_t *j = json_string(err.msg);
		assert_non_null(j);
		json_decref(j);
		assert_in_range(strlen(err.msg), 236, 239);
		stg_while(&err, "\xc3\xa9");
		j = json_string(err.msg);
		assert_non_null(j);
		json_decref(j);
		assert_in_range(strlen(err.msg), 236, 239);
	}
	struct stg_error err = { 0 };
	char exact[240];
	memset(exact, 'x', sizeof(exact));
	memcpy(exact + 237, "\xc3\xa9", 3); /* 239 bytes fit with their last letter */
	stg_fail(&err, STG_E_IO, 0, "%s", exact);
	assert_string_equal(err.msg, exact);
}

static void codes_have_names_and_exits(void **state)
{
	(void)state;
	for (int c = STG_OK; c <= STG_E_SAFETY; c++) {
		const char *name = stg_code_name((enum stg_code)c);
		assert_true(name && name[0]);
		assert_int_equal(stg_code_from_name(name), c);
	}
	assert_int_equal(stg_code_from_name("no such word"), STG_E_BUG);
	assert_string_equal(stg_code_name((enum stg_code)999), "bug");
	static const struct { enum stg_code code; int status; } exits[] = {
		{ STG_OK, 0 }, { STG_E_IO, 1 }, { STG_E_BUG, 1 }, { STG_E_NOT_FOUND, 1 }, { STG_E_USAGE, 2 }, { STG_E_INPUT, 3 },
		{ STG_E_STATION, 4 }, { STG_E_SAFETY, 5 }, { STG_E_WAITING, 6 }, { STG_E_HOLD, 6 },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(exits); i++)
		assert_int_equal(stg_exit_status(&(struct stg_error){ .code = exits[i].code }), exits[i].status);
}

/* Words, where "Wi-Fi" and "l'appareil" are one. */
static size_t words(const char *text, size_t len)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++)
		n += text[i] != ' ' && (i == 0 || text[i - 1] == ' ');
	return n;
}

static void every_row_says_what_and_what_to_do_in_both_languages(void **state)
{
	(void)state;
	unsigned int last = 999, id, n = 0;
	static const char *const langs[] = { "en", "fr" };
	for (; stg_id_nth(n, &id); n++) {
		if (id <= last || id >= 2100)
			fail_msg("number %u is taken twice or out of range", id);
		last = id;
		assert_true(stg_id_name(id)[0]);
		for (size_t l = 0; l < 2; l++) {
			const char *sentence = stg_id_sentence_in(id, langs[l]), *act = stg_id_act_in(id, langs[l]);
			json_t *j = json_pack("[ss]", sentence, act);
			if (!j || !sentence[0] || !act[0] || strchr(".?!", sentence[strlen(sentence) - 1]) == NULL ||
			    strpbrk(sentence, "%\n\t") || strpbrk(act, "\n\t"))
				fail_msg("STG-%u (%s): '%s' '%s'", id, langs[l], sentence, act);
			json_decref(j);
			/* the board shows the first clause */
			size_t clause = strcspn(sentence, ".,:;?!(");
			if (words(sentence, clause) > (l ? 13 : 11))
				fail_msg("STG-%u (%s): the board has no room for '%s'", id, langs[l], sentence);
		}
		if (strcmp(stg_id_sentence_in(id, "en"), stg_id_sentence_in(id, "fr")) == 0)
			fail_msg("STG-%u is not translated", id);
	}
	assert_true(n > 4);
	assert_string_equal(stg_id_sentence(0), "");
	assert_string_equal(stg_id_act(64999), "");
	assert_string_equal(stg_id_name(64999), "");
}

static void the_language_is_chosen_or_found(void **state)
{
	(void)state;
	static const struct { const char *given, *language, *lang, *expect; } ways[] = {
		{ "fr", NULL, NULL, "fr" }, { "en", "fr", NULL, "en" }, { NULL, "fr:en", NULL, "fr" },
		{ NULL, NULL, "fr_CH.UTF-8", "fr" }, { NULL, NULL, "C", "en" }, { NULL, NULL, "de_DE.UTF-8", "en" },
	};
	unsetenv("LC_ALL");
	unsetenv("LC_MESSAGES");
	for (size_t i = 0; i < STG_ARRAY_LEN(ways); i++) {
		unsetenv("LANGUAGE");
		unsetenv("LANG");
		if (ways[i].language)
			setenv("LANGUAGE", ways[i].language, 1);
		if (ways[i].lang)
			setenv("LANG", ways[i].lang, 1);
		stg_language_set(ways[i].given);
		assert_string_equal(stg_language(), ways[i].expect);
		assert_string_equal(stg_id_sentence(STG_ID_NO_MEMORY), stg_id_sentence_in(STG_ID_NO_MEMORY, ways[i].expect));
	}
	/* columns are counted in every locale */
	assert_int_equal(stg_text_columns("Zo\xc3\xab"), 3);
	assert_int_equal(stg_text_columns("\xe6\x97\xa5\xe6\x9c\xac"), 4);
	assert_int_equal(stg_text_columns("e\xcc\x81"), 1);
	assert_int_equal(stg_text_columns("\xff!"), 2);
	assert_int_equal(stg_text_columns(""), 0);
}

static void a_log_line_is_one_line_whatever_a_device_said(void **state)
{
	(void)state;
	char folder[] = "/tmp/stg-log.XXXXXX", path[64];
	struct stg_error err = { 0 };
	assert_non_null(mkdtemp(folder));
	assert_true(stg_log_to_files(folder, &err));
	const struct stg_tag tag = { .room = "apple", .job = 7, .unit = "F2L\n<3>root:" };
	errno = ENOSPC;
	stg_log(STG_LOG_NOTICE, &tag, "said %s", "\x1b[31m\n<0>panic \xe2\x80\xae Zo\xc3\xab");
	assert_int_equal(errno, ENOSPC);
	stg_log(STG_LOG_DEBUG, &tag, "not shown at this level");
	stg_fail_id(&err, STG_E_IO, STG_ID_BUG, 5, "disk: %s", "full");
	stg_log_error(STG_LOG_ERR, &(struct stg_tag){ .room = "store" }, &err);
	char much[3000];
	memset(much, 'x', sizeof(much) - 1);
	much[sizeof(much) - 1] = 0;
	stg_log(STG_LOG_NOTICE, NULL, "%s", much);
	assert_true(stg_log_to_files(NULL, &err));

	snprintf(path, sizeof(path), "%s/stager.log", folder);
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(1u << 20);
	assert_true(stg_file_read(path, &b, &err));
	size_t lines = 0;
	for (size_t i = 0; i < b.len; i++)
		lines += b.data[i] == '\n';
	assert_int_equal(lines, 3);
	assert_non_null(strstr(stg_buf_str(&b), "Z <5> apple[7 F2L\\x0a<3>root:] said \\x1b[31m\\x0a<0>panic \\xe2\\x80\\xae Zo\xc3\xab\n"));
	assert_non_null(strstr(stg_buf_str(&b), "<3> store: STG-1001 io: disk: full\n"));
	assert_null(strstr(stg_buf_str(&b), "not shown"));
	unlink(path);
	rmdir(folder);
	assert_false(stg_log_to_files(folder, &err));
	assert_int_equal(err.code, STG_E_IO);
	assert_true(stg_log_to_files(NULL, NULL));
}

static void log_files_rotate_and_the_oldest_goes(void **state)
{
	(void)state;
	char folder[] = "/tmp/stg-log.XXXXXX", path[64], much[1001];
	assert_non_null(mkdtemp(folder));
	/* five full files stand there: the next line turns them round */
	for (int i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), i ? "%s/stager.log.%d" : "%s/stager.log", folder, i);
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
		assert_true(fd >= 0);
		assert_int_equal(ftruncate(fd, (8 << 20) + i), 0);
		close(fd);
	}
	assert_true(stg_log_to_files(folder, NULL));
	memset(much, 'x', 1000);
	much[1000] = 0;
	stg_log(STG_LOG_NOTICE, NULL, "%s", much);
	stg_log(STG_LOG_NOTICE, NULL, "fresh");
	assert_true(stg_log_to_files(NULL, NULL));
	for (int i = 0; i < 6; i++) {
		struct stat st;
		snprintf(path, sizeof(path), i ? "%s/stager.log.%d" : "%s/stager.log", folder, i);
		int there = stat(path, &st);
		if (i == 5) {
			assert_int_equal(there, -1);
			continue;
		}
		assert_int_equal(there, 0);
		if (i == 0)
			assert_in_range(st.st_size, 20, 100);
		else if (i > 1)
			assert_int_equal(st.st_size, (8 << 20) + i - 1);
		unlink(path);
	}
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_is_told_from_outside_to_inside),
		cmocka_unit_test(a_long_error_is_cut_between_letters),
		cmocka_unit_test(codes_have_names_and_exits),
		cmocka_unit_test(every_row_says_what_and_what_to_do_in_both_languages),
		cmocka_unit_test(the_language_is_chosen_or_found),
		cmocka_unit_test(a_log_line_is_one_line_whatever_a_device_said),
		cmocka_unit_test(log_files_rotate_and_the_oldest_goes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
