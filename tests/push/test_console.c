/*
 * test_console.c - the files that vendors' consoles import: their columns and limits, one row for a device, and never over
 * somebody else's file.
 */
#include "vendor.h"

static struct stg_buf read_all(struct site *s, const char *name)
{
	struct stg_buf text = STG_BUF(8u << 20);
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", s->st.dir, name);
	OK(stg_file_read(path, &text, err));
	return text;
}

static int rows_in(struct site *s, const char *name)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = read_all(s, name);
	int n = 0;
	for (size_t i = 0; i < text.len; i++)
		n += text.data[i] == '\n';
	return n;
}

static void write_as(struct site *s, const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", s->st.dir, name);
	OK(stg_file_write(path, stg_bytes_str(text), 0600, err));
}

static const char *small(struct site *s, const char *rows)
{
	char path[256], text[1000];
	snprintf(path, sizeof(path), "%s/connectors", s->st.dir);
	OK(stg_folder_make(path, 0700, err));
	snprintf(text, sizeof(text), "name: small\nabout: y\nauth: {kind: none}\nconsole:\n  about: z\n  heading: [Serial, Note]\n  max_rows: 2\n  row: '%s'\n", rows);
	write_as(s, "connectors/small.yaml", text);
	return target_add(s, "console", json_pack("{s:s,s:s}", "layout", "small", "path", "out/small.csv"));
}

/* ---- failing ---- */

static void somebody_elses_file_is_never_touched(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	const char *name = target_add(s, "console", json_pack("{s:s,s:s}", "layout", "jamf-pro", "path", "mine.csv"));
	write_as(s, "mine.csv", "Name,Telephone\r\nAnna,1\r\n");
	stage(s, 1);
	assert_int_equal(round_now(s), 0);
	assert_string_equal(state_of(s, name), "config");
	STG_AUTO(stg_buf_clear) struct stg_buf text = read_all(s, "mine.csv");
	assert_string_equal(stg_buf_str(&text), "Name,Telephone\r\nAnna,1\r\n");
}

static void a_layout_that_is_none_is_refused_by_name(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	STG_AUTO(stg_json_free_at) json_t *none = json_pack("{s:s,s:s,s:{s:s}}", "name", "x", "connector", "console", "config", "layout", "webhook");
	STG_AUTO(stg_json_free_at) json_t *absent = json_pack("{s:s,s:s,s:{}}", "name", "x", "connector", "console", "config");
	STG_AUTO(stg_json_free_at) json_t *web = json_pack("{s:s,s:s,s:{s:s}}", "name", "x", "connector", "samsung-knox", "config", "url", "https://knox.example.com");
	FAILS(stg_push_check(none, NULL, false, s->st.dir, err), STG_E_INPUT, STG_ID_CONSOLE_LAYOUT);
	FAILS(stg_push_check(absent, NULL, false, s->st.dir, err), STG_E_INPUT, STG_ID_TARGET_CONFIG);
	FAILS(stg_push_check(web, NULL, false, s->st.dir, err), STG_E_INPUT, STG_ID_TARGET_CONFIG);
}

static void a_row_without_its_identifier_writes_nothing_at_all(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	const char *name = small(s, "[(if .device.serial == \"F2LXK0AA0002\" then \"\" else .device.serial end), \"x\"]");
	stage(s, 2);
	assert_int_equal(round_now(s), 0);
	assert_string_equal(state_of(s, name), "config");
	assert_non_null(strstr(words_of(s, name), "column 1 holds no identifier"));
	assert_int_equal(in_state(s, "queued"), 2);
	char path[256];
	snprintf(path, sizeof(path), "%s/out/small.csv", s->st.dir);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void told_twice_is_one_row_and_a_later_result_takes_its_place(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	const char *name = target_add(s, "console", json_pack("{s:s,s:s}", "layout", "intune", "path", "out/intune.csv"));
	stage(s, 2);
	/* written, but the outcome never noted: a power cut */
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_outbox_take(s->st.s, name, 10, stg_boot_ms(), NULL);
	assert_int_equal(json_array_size(rows), 2);
	int64_t jobs;
	OK(stg_store_recover(s->st.s, &jobs, err));
	s->settle_fails = 2;
	int64_t delivered, next;
	struct stg_push_door door = s->door;
	door.at_once = true;
	(void)stg_push_round(&door, NULL, NULL, &delivered, &next, NULL);
	assert_int_equal(rows_in(s, "out/intune.csv"), 2);
	(void)round_now(s);
	assert_int_equal(in_state(s, "delivered"), 2);
	assert_int_equal(rows_in(s, "out/intune.csv"), 2);
	STG_AUTO(stg_buf_clear) struct stg_buf before = read_all(s, "out/intune.csv");
	/* the same phones again: new records, the same rows */
	s->phones = 0;
	stage(s, 2);
	(void)round_now(s);
	STG_AUTO(stg_buf_clear) struct stg_buf after = read_all(s, "out/intune.csv");
	assert_int_equal(rows_in(s, "out/intune.csv"), 2);
	assert_string_not_equal(stg_buf_str(&before), stg_buf_str(&after));
}

/* ---- and well ---- */

static void intunes_file_has_two_columns_and_no_heading(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	(void)target_add(s, "console", json_pack("{s:s,s:s}", "layout", "intune", "path", "intune.csv"));
	stage(s, 1);
	assert_int_equal(round_now(s), 1);
	STG_AUTO(stg_buf_clear) struct stg_buf text = read_all(s, "intune.csv");
	const char *line = stg_buf_str(&text);
	assert_int_equal(strncmp(line, "F2LXK0AA0001,AT=A-1042;O=ok;W=0;R=", 34), 0);
	assert_string_equal(line + strlen(line) - 2, "\r\n");
	assert_true(strlen(strchr(line, ',')) - 3 <= 128);
	assert_null(strchr(strchr(line, ',') + 1, ','));
	assert_null(strchr(line, '"'));
}

static void a_full_file_is_followed_by_another_and_cells_are_harmless(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	(void)small(s, "[.device.serial, \"=1+1, \\\"x\\\"\"]");
	stage(s, 5);
	assert_int_equal(round_now(s), 5);
	assert_int_equal(rows_in(s, "out/small.csv"), 1 + 2);
	assert_int_equal(rows_in(s, "out/small-2.csv"), 1 + 2);
	STG_AUTO(stg_buf_clear) struct stg_buf text = read_all(s, "out/small-3.csv");
	assert_string_equal(stg_buf_str(&text), "Serial,Note\r\nF2LXK0AA0005,'=1+1   x \r\n");
}

static void other_consoles_get_their_columns(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	(void)target_add(s, "console", json_pack("{s:s,s:s}", "layout", "google-workspace", "path", "google.csv"));
	(void)target_add(s, "console", json_pack("{s:s,s:s,s:s}", "layout", "android-zero-touch", "path", "zero.csv", "configuration", "54321"));
	(void)target_add(s, "console", json_pack("{s:s,s:s}", "layout", "samsung-knox", "path", "knox.csv"));
	(void)target_add(s, "console", json_pack("{s:s,s:s}", "layout", "jamf-pro", "path", "jamf.csv"));
	stage(s, 1);
	stage_android(s, 2);
	assert_int_equal(round_now(s), 12);
	STG_AUTO(stg_buf_clear) struct stg_buf google = read_all(s, "google.csv");
	STG_AUTO(stg_buf_clear) struct stg_buf zero = read_all(s, "zero.csv");
	STG_AUTO(stg_buf_clear) struct stg_buf knox = read_all(s, "knox.csv");
	STG_AUTO(stg_buf_clear) struct stg_buf jamf = read_all(s, "jamf.csv");
	assert_string_equal(stg_buf_str(&google), "Serial Number,Asset Tag\r\nR5CT0002,A-1042\r\nR5CT0003,A-1042\r\n");
	assert_string_equal(stg_buf_str(&zero), "modemtype,modemid,profiletype,profileid\r\nIMEI,353245010000002,ZERO_TOUCH,54321\r\nIMEI,353245010000003,ZERO_TOUCH,54321\r\n");
	assert_string_equal(stg_buf_str(&knox), "353245010000002\r\n353245010000003\r\n");
	assert_int_equal(strncmp(stg_buf_str(&jamf), "Serial Number,Device Type,PO Number,Bar Code 2,Asset Tag\r\nF2LXK0AA0001,Mobile Device,,", 86), 0);
	assert_int_equal(rows_in(s, "jamf.csv"), 2);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(somebody_elses_file_is_never_touched),
		cmocka_unit_test(a_layout_that_is_none_is_refused_by_name),
		cmocka_unit_test(a_row_without_its_identifier_writes_nothing_at_all),
		cmocka_unit_test(told_twice_is_one_row_and_a_later_result_takes_its_place),
		cmocka_unit_test(intunes_file_has_two_columns_and_no_heading),
		cmocka_unit_test(a_full_file_is_followed_by_another_and_cells_are_harmless),
		cmocka_unit_test(other_consoles_get_their_columns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
