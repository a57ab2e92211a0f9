/*
 * test_file.c - results in a file: each once, also after a power cut, and never over somebody else's file.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "site.h"

/* ---- files ---- */

static void lines_of(const char *path, struct stg_buf *ret, int *count)
{
	*ret = STG_BUF(8u << 20);
	OK(stg_file_read(path, ret, err));
	*count = 0;
	for (size_t i = 0; i < ret->len; i++)
		*count += ret->data[i] == '\n';
}

/* A reader takes line by line: none may be half of one and the whole of the next. */
static void each_line_is_a_record(const struct stg_buf *file)
{
	for (const char *at = stg_buf_str(file); *at; at += strcspn(at, "\n") + 1) {
		STG_AUTO(stg_json_free_at) json_t *one = stg_json_parse(stg_bytes(at, strcspn(at, "\n")), 1 << 20, NULL);
		if (!*stg_json_str(one, "record_id"))
			fail_msg("not a record: %.80s", at);
	}
}

static void a_file_gets_each_record_once_even_after_a_power_cut(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	char path[256];
	const char *name = target_add(s, "file", json_pack("{s:s}", "path", "out/results.jsonl"));
	snprintf(path, sizeof(path), "%s/out/results.jsonl", s->st.dir);
	stage(s, 3);
	assert_int_equal(round_now(s), 3);
	STG_AUTO(stg_buf_clear) struct stg_buf first = { 0 };
	int n;
	lines_of(path, &first, &n);
	assert_int_equal(n, 3);

	/* cut in the middle of a line, the outcome never noted */
	stage(s, 1);
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_outbox_take(s->st.s, name, 1, stg_boot_ms(), NULL);
	const char *payload = stg_json_str(json_array_get(rows, 0), "payload");
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, payload, 100), 100);
	close(fd);
	int64_t jobs;
	OK(stg_store_recover(s->st.s, &jobs, err));
	assert_int_equal(round_now(s), 1);
	STG_AUTO(stg_buf_clear) struct stg_buf second = { 0 };
	lines_of(path, &second, &n);
	assert_int_equal(n, 4);
	each_line_is_a_record(&second);

	/* written whole, but the outcome never noted: found, not written twice */
	stage(s, 1);
	STG_AUTO(stg_json_free_at) json_t *again = stg_store_outbox_take(s->st.s, name, 1, stg_boot_ms(), NULL);
	payload = stg_json_str(json_array_get(again, 0), "payload");
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, payload, strlen(payload)) + write(fd, "\n", 1), (ssize_t)strlen(payload) + 1);
	close(fd);
	OK(stg_store_recover(s->st.s, &jobs, err));
	assert_int_equal(round_now(s), 1);
	STG_AUTO(stg_buf_clear) struct stg_buf third = { 0 };
	lines_of(path, &third, &n);
	assert_int_equal(n, 5);
	assert_int_equal(in_state(s, "delivered"), 5);
}

static void a_csv_file_has_one_heading_and_one_line_a_record(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	char path[256];
	(void)target_add(s, "file", json_pack("{s:s,s:s}", "path", "results.csv", "format", "csv"));
	snprintf(path, sizeof(path), "%s/results.csv", s->st.dir);
	stage(s, 2);
	round_now(s);
	stage(s, 2);
	round_now(s);
	STG_AUTO(stg_buf_clear) struct stg_buf text = { 0 };
	int n;
	lines_of(path, &text, &n);
	assert_int_equal(n, 5);
	assert_int_equal(strncmp(stg_buf_str(&text), "\"record_id\",\"seq\",", 18), 0);
	assert_non_null(strstr(stg_buf_str(&text), "\"F2LXK0AA0004\""));
	assert_non_null(strstr(stg_buf_str(&text), "\"staged\""));
}

static void somebody_elses_file_and_a_missing_folder_are_left_alone(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	char path[256];
	snprintf(path, sizeof(path), "%s/theirs.txt", s->st.dir);
	OK(stg_file_write(path, stg_bytes_str("holiday plans\nno record\n"), 0600, err));
	const char *name = target_add(s, "file", json_pack("{s:s}", "path", "theirs.txt"));
	stage(s, 1);
	assert_int_equal(round_now(s), 0);
	assert_string_equal(state_of(s, name), "config");
	assert_int_equal(in_state(s, "queued"), 1);
	STG_AUTO(stg_buf_clear) struct stg_buf text = { 0 };
	int n;
	lines_of(path, &text, &n);
	assert_string_equal(stg_buf_str(&text), "holiday plans\nno record\n");
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_gets_each_record_once_even_after_a_power_cut),
		cmocka_unit_test(a_csv_file_has_one_heading_and_one_line_a_record),
		cmocka_unit_test(somebody_elses_file_and_a_missing_folder_are_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
