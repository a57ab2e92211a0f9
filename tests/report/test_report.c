/*
 * test_report.c - the papers say what the inventory says, on as many pages as it takes, in the language asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <stager/error.h>
#include <stager/file.h>
#include <stager/report.h>

static char dir[128];

static int folder_make(void **state)
{
	(void)state;
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, sizeof(dir), "%s/stgreport.XXXXXX", tmp && strlen(tmp) < 80 ? tmp : "/tmp");
	return mkdtemp(dir) ? 0 : -1;
}

static int folder_remove(void **state)
{
	(void)state;
	char command[256];
	if (getenv("STG_KEEP"))
		return printf("kept: %s\n", dir) < 0;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static json_t *rows_of(int staged)
{
	json_t *rows = json_array();
	for (int i = 0; i < staged; i++) {
		char serial[32], tag[32], name[64];
		snprintf(serial, sizeof(serial), "F2LXK0AA%04d", i);
		snprintf(tag, sizeof(tag), "A-%d", 1000 + i);
		snprintf(name, sizeof(name), i % 7 ? "Pédiatrie lit %d" : "Service de pédiatrie générale, chambre double côté jardin, lit %d", i);
		json_array_append_new(rows, json_pack("{s:s,s:s,s:s,s:s,s:{s:s}}", "serial", serial, "asset_tag", tag, "name", name, "end", "staged", "attributes", "todo",
						      i % 5 ? "" : "À finir au service : Wi-Fi HOPITAL-IOT"));
	}
	json_array_append_new(rows, json_pack("{s:s,s:s,s:s,s:s,s:i}", "serial", "F2LXK0AA9001", "asset_tag", "A-9001", "name", "Lit 61", "end", "hold", "code", 1228));
	json_array_append_new(rows, json_pack("{s:s,s:s,s:s,s:s,s:i}", "serial", "F2LXK0AA9002", "asset_tag", "A-9002", "name", "Lit 62", "end", "waiting", "code", 1715));
	json_array_append_new(rows, json_pack("{s:s,s:s,s:s,s:s}", "serial", "F2LXK0AA9003", "asset_tag", "A-9003", "name", "Lit 63", "end", "missing"));
	json_array_append_new(rows, json_pack("{s:s,s:s,s:b,s:s}", "serial", "F2LXK0AA9004", "model_name", "iPhone 13", "unexpected", 1, "end", ""));
	return rows;
}

static json_t *batch_of(int staged)
{
	return json_pack("{s:s,s:s,s:{s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i}}", "name", "NORD-12", "blueprint", "ipad-hospital-ward", "balance", "expected", staged + 3, "staged",
			 staged, "waiting", 1, "hold", 1, "failed", 0, "missing", 1, "running", 0, "unexpected", 1);
}

/* The sheet as text, through a PDF reader that is not ours. */
static void sheet(int staged, const char *lang, bool is_rehearsal, char *ret, size_t size, int *ret_pages)
{
	char pdf[200], command[512];
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *rows = rows_of(staged);
	STG_AUTO(stg_json_free_at) json_t *batch = batch_of(staged);
	STG_AUTO(stg_buf_clear) struct stg_buf out = { 0 };
	struct stg_handover h = { .batch = batch, .rows = rows, .lang = lang, .station = "bench-07", .now_ms = 1763778000000, .is_rehearsal = is_rehearsal };
	if (!stg_report_handover(&h, &out, &err))
		fail_msg("%s", err.msg);
	snprintf(pdf, sizeof(pdf), "%s/sheet-%s-%d.pdf", dir, lang, staged);
	assert_true(stg_file_write(pdf, stg_buf_view(&out), 0600, NULL));
	snprintf(command, sizeof(command), "pdftotext -layout '%s' -", pdf);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	size_t n = fread(ret, 1, size - 1, f);
	ret[n] = 0;
	assert_int_equal(pclose(f), 0);
	*ret_pages = 0;
	for (const char *p = ret; (p = strchr(p, '\f')); p++)
		(*ret_pages)++;
}

static void an_empty_hand_over_says_so(void **state)
{
	(void)state;
	char text[65536];
	int pages;
	sheet(0, "en", false, text, sizeof(text), &pages);
	assert_int_equal(pages, 1);
	assert_non_null(strstr(text, "No device is ready"));
	assert_non_null(strstr(text, "0 of 3 handed over"));
}

static void the_sheet_lists_every_device_and_what_remains_to_do(void **state)
{
	(void)state;
	static const char *const said[] = { "Bordereau de remise", "NORD-12", "60 sur 63 remis", "attendus : 63", "F2LXK0AA0000", "F2LXK0AA0059", "A-1059", "Remis (60)", "Non remis (3)",
					    "Wi-Fi HOPITAL-IOT", "Signature", "F2LXK0AA9003", "Jamais vu", "hors commande", "page 1 sur 3", "page 3 sur 3", "RÉPÉTITION" };
	char text[262144];
	int pages;
	sheet(60, "fr", true, text, sizeof(text), &pages);
	assert_int_equal(pages, 3);
	for (size_t i = 0; i < STG_ARRAY_LEN(said); i++)
		if (!strstr(text, said[i]))
			fail_msg("'%s' is not on the sheet:\n%s", said[i], text);
	sheet(24, "en", false, text, sizeof(text), &pages);
	assert_non_null(strstr(text, "24 of 27 handed over"));
	assert_non_null(strstr(text, "Received by"));
	assert_null(strstr(text, "REHEARSAL"));
}

static void a_label_is_a_picture_and_printer_commands_that_no_name_can_break(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf png = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf zpl = { 0 };
	char path[200];
	struct stg_label l = { .asset_tag = "A-1042", .serial = "F2LXK0AA0042", .name = "Pédiatrie lit 42^XZ~JA", .todo = "À finir au service : Wi-Fi HOPITAL-IOT" };
	if (!stg_label_png(&l, &png, &err) || !stg_label_zpl(&l, &zpl, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(memcmp(png.data, "\x89PNG", 4), 0);
	snprintf(path, sizeof(path), "%s/label.png", dir);
	assert_true(stg_file_write(path, stg_buf_view(&png), 0600, NULL));
	const char *text = stg_buf_str(&zpl);
	assert_non_null(strstr(text, "A-1042"));
	assert_non_null(strstr(text, "P_C3_A9diatrie lit 42_5EXZ_7EJA"));
	assert_ptr_equal(strstr(text, "^XZ"), text + zpl.len - 4);
	assert_null(strchr(text, '~'));

	struct stg_label bare = { .asset_tag = "", .serial = "F2LXK0AA0042", .name = "", .todo = "", .is_rehearsal = true };
	STG_AUTO(stg_buf_clear) struct stg_buf other = { 0 };
	assert_true(stg_label_png(&bare, &other, &err));
	snprintf(path, sizeof(path), "%s/label-bare.png", dir);
	assert_true(stg_file_write(path, stg_buf_view(&other), 0600, NULL));
	struct stg_label nothing = { .asset_tag = "", .serial = "", .name = "x", .todo = "" };
	STG_AUTO(stg_buf_clear) struct stg_buf none = { 0 };
	assert_false(stg_label_png(&nothing, &none, &err));
	assert_int_equal(err.code, STG_E_INPUT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_hand_over_says_so),
		cmocka_unit_test(the_sheet_lists_every_device_and_what_remains_to_do),
		cmocka_unit_test(a_label_is_a_picture_and_printer_commands_that_no_name_can_break),
	};
	return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
