/*
 * test_csv.c - device lists as people have them are read right, doubtful ones refused with their line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <stager/batchfile.h>
#include <stager/csv.h>
#include <stager/error.h>

static json_t *read_bytes(const void *data, size_t len, const json_t *map)
{
	struct stg_error err = { 0 };
	json_t *j = stg_batchfile_read("order.csv", stg_bytes(data, len), map, &err);
	assert_non_null(j);
	return j;
}

static json_t *read_text(const char *text)
{
	return read_bytes(text, strlen(text), NULL);
}

static const json_t *row(const json_t *j, size_t i)
{
	return json_array_get(json_object_get(j, "rows"), i);
}

static size_t rows(const json_t *j)
{
	return json_array_size(json_object_get(j, "rows"));
}

static const char *problem(const json_t *j, size_t i)
{
	return stg_json_str(json_array_get(json_object_get(j, "problems"), i), "text");
}

/* One problem exactly, which names its line and holds `words`. */
static void refused(const char *text, const char *where, const char *words)
{
	STG_AUTO(stg_json_free_at) json_t *j = read_text(text);
	if (stg_json_int(j, "problem_count", 0) != 1 || strncmp(problem(j, 0), where, strlen(where)) != 0 || !strstr(problem(j, 0), words))
		fail_msg("for:\n%s\nexpected one problem at %s with '%s', got %d: '%s' '%s'", text, where, words,
			 (int)stg_json_int(j, "problem_count", 0), problem(j, 0), problem(j, 1));
	struct stg_error err = { 0 };
	assert_false(stg_batchfile_ok(j, &err));
	assert_int_equal(err.code, STG_E_INPUT);
	assert_int_equal(stg_exit_status(&err), 3);
}

static void is(const json_t *obj, const char *key, const char *value)
{
	assert_string_equal(stg_json_str(obj, key), value);
}

/* ---- refused ---- */

static void doubtful_values_are_refused_with_their_line(void **state)
{
	(void)state;
	refused("IMEI\n3.56E+14\n", "order.csv:2: IMEI '3.56E+14':", "spreadsheet rounded");
	refused("IMEI;Nom\n3,56E+14;a\n", "order.csv:2: IMEI '3,56E+14':", "spreadsheet rounded");
	refused("Serial,IMEI\nF2LXK0AAAA01,353245010000011\n", "order.csv:2:", "check digit");
	refused("IMEI\n35324501000001\n", "order.csv:2:", "not have 15 digits");
	refused("IMEI\n35324501000001X\n", "order.csv:2:", "not have 15 digits");
	refused("Serial\nunknown\n", "order.csv:2:", "placeholder");
	refused("Serial\n0123456789ABCDEF\n", "order.csv:2:", "placeholder");
	refused("Serial\n000000000000\n", "order.csv:2:", "placeholder");
	refused("Serial\n1.23E+11\n", "order.csv:2:", "spreadsheet");
	refused("Serial\nF2L=XK0AAA01\n", "order.csv:2:", "letters and digits");
	refused("Serial\nABC\n", "order.csv:2:", "6 to 24 letters and digits");
	refused("UDID\nnot-a-udid\n", "order.csv:2:", "UDID");
	refused("ECID\n12x4\n", "order.csv:2:", "ECID");
	refused("ECID\n99999999999999999999999\n", "order.csv:2:", "64 bits");
	refused("Serial,Ownership\nF2LXK0AAAA01,maybe\n", "order.csv:2:", "pool, personal or unknown");
	refused("Serial,Name\nF2LXK0AAAA01,\xe2\x80\xaegpj.exe\n", "order.csv:2:", "hidden");
	refused("UDID,ECID\n00008030-001A2B3C4D5E6F70,1234\n", "order.csv:2:", "two devices");
}

static void what_must_be_unique_is_refused_twice(void **state)
{
	(void)state;
	refused("Serial\nF2LXK0AAAA01\nF2LXK0AAAA02\nf2lxk0aaaa01\n", "order.csv:4:", "'F2LXK0AAAA01' = :2: This is already");
	refused("Serial,IMEI 1,IMEI2\nF2LXK0AAAA01,353245010000010,\nF2LXK0AAAA02,,353245010000010\n", "order.csv:3:", "IMEI");
	refused("Serial,Name\nF2LXK0AAAA01,Ward B-14\nF2LXK0AAAA02,ward b-14\n", "order.csv:3: Name 'ward b-14'", "already");
	refused("Serial,Asset Tag\nF2LXK0AAAA01,A-1\nF2LXK0AAAA02,A-1\n", "order.csv:3: Asset Tag 'A-1'", "already");
	refused("UDID,x\n00008030-001A2B3C4D5E6F70,1\n00008030001a2b3c4d5e6f70,2\n", "order.csv:3:", "UDID");
	refused("ECID,x\n0x10,1\n16,2\n", "order.csv:3:", "ECID");
}

static void files_that_are_no_list_are_refused(void **state)
{
	(void)state;
	refused("", "order.csv: ", "empty");
	refused("a,b,c\n1,2,3\n", "order.csv:1:", "No heading");
	refused("Serial\n", "order.csv:1:", "no device below");
	refused("PK\003\004rest", "order.csv: ", "spreadsheet");
	refused("Serial,Name\nF2LXK0AAAA01,\"open\nF2LXK0AAAA02,b\n", "order.csv:2:", "never closed");
	refused("Serial,Name\nF2LXK0AAAA01,a,b\n", "order.csv:2:", "3 ≠ 2 (:1)");
	refused("Serial,Name\n\nF2LXK0AAAA01\n", "order.csv:3:", "1 ≠ 2 (:1)");
	refused("Serial,Name\nF2LXK0AAAA01,a\001b\n", "order.csv:2:", "0x01: A control character");
	refused("Serial,S/N\nF2LXK0AAAA01,F2LXK0AAAA01\n", "order.csv:1:", "--map serial=1: Two columns");
	refused("Name,Ward,Serial\nx,y,\n", "order.csv:2:", "names no device");

	STG_AUTO(stg_json_free_at) json_t *nul = read_bytes("Serial\nF2L\0XK\n", 14, NULL);
	assert_non_null(strstr(problem(nul, 0), "0x00: A control character"));
}

static void all_problems_are_told_at_once_but_not_more_than_twenty(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(65536);
	assert_true(stg_buf_add_str(&text, "Serial,IMEI\r\n", NULL));
	for (int i = 0; i < 30; i++)
		assert_true(stg_buf_printf(&text, NULL, "F2LXK0AAAA%02d,3.56E+14\r\n", i));
	STG_AUTO(stg_json_free_at) json_t *j = read_text(stg_buf_str(&text));
	assert_int_equal(stg_json_int(j, "problem_count", 0), 30);
	assert_int_equal(json_array_size(json_object_get(j, "problems")), 20);
	assert_int_equal(rows(j), 0);
	struct stg_error err = { 0 };
	assert_false(stg_batchfile_ok(j, &err));
	assert_non_null(strstr(err.msg, "order.csv:2:"));
	assert_non_null(strstr(err.msg, "STG-1628 (+29)"));
}

static void more_than_a_hundred_thousand_rows_are_refused(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(8u << 20);
	assert_true(stg_buf_add_str(&text, "Serial\n", NULL));
	for (int i = 0; i < STG_BATCHFILE_ROWS + 5; i++)
		assert_true(stg_buf_printf(&text, NULL, "F2LX%08d\n", i));
	STG_AUTO(stg_json_free_at) json_t *j = read_text(stg_buf_str(&text));
	assert_int_equal(stg_json_int(j, "problem_count", 0), 1);
	assert_non_null(strstr(problem(j, 0), "order.csv:100002:"));
}

/* ---- read ---- */

static void headings_are_known_in_many_spellings(void **state)
{
	(void)state;
	static const struct {
		const char *heading, *field;
	} cases[] = {
		{ "Serial Number", "serial" }, { "S/N", "serial" }, { "serial_number", "serial" }, { "N° de série", "serial" }, { "Nº de serie", "serial" },
		{ "NUMÉRO DE SÉRIE", "serial" }, { "Nume\xcc\x81ro de se\xcc\x81rie", "serial" }, { "No. série", "serial" }, { "IMEI 1", "imei" }, { "IMEI1", "imei" },
		{ "IMEI/MEID", "imei" }, { "IMEI2", "imei2" }, { "UDID", "udid" }, { "ECID (hex)", "ecid" }, { "Asset Tag", "asset_tag" }, { "Étiquette", "asset_tag" },
		{ "N° d'inventaire", "asset_tag" }, { "Nom", "name" }, { "Device Name", "name" }, { "Nom de l’appareil", "name" }, { "Propriété", "ownership" },
		{ "ownership", "ownership" },
	};
	char key[64];
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		const char *field = stg_batchfile_field(cases[i].heading, key);
		if (!field || strcmp(field, cases[i].field) != 0)
			fail_msg("%s was taken for %s", cases[i].heading, field ? field : "nothing");
	}
	assert_null(stg_batchfile_field("Ward / Service", key));
	assert_string_equal(key, "ward_service");
	assert_null(stg_batchfile_field("Owner", key));
}

/* As a French spreadsheet writes it: Windows-1252, semicolons, CRLF, a title line, quoted cells, empty rows, a margin. */
static void a_french_spreadsheet_of_sixty_tablets_is_read(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(65536);
	assert_true(stg_buf_add_str(&text, "Commande 4500012345 \x96 H\xf4pital Nord;;;;;;\r\n;;;;;;\r\n"
		"N\xb0 de s\xe9rie;IMEI 1;\xc9tiquette;Nom;Propri\xe9t\xe9;Service;\r\n", NULL));
	for (int i = 0; i < 60; i++) {
		if (i % 20 == 10)
			assert_true(stg_buf_add_str(&text, ";;;;;;\r\n\r\n", NULL));
		assert_true(stg_buf_printf(&text, NULL, "%sf2lxk0aaaa%02d ;;A-%d;\"P\xe9""diatrie; lit %d\";parc;\"dit \"\"la \xe9toile\"\"\";\r\n", i % 2 ? "'" : "", i, 1000 + i, i));
	}
	assert_true(stg_buf_add_str(&text, ";;;;;;\r\n", NULL));
	STG_AUTO(stg_json_free_at) json_t *j = read_text(stg_buf_str(&text));
	assert_int_equal(stg_json_int(j, "problem_count", 0), 0);
	is(j, "encoding", "windows-1252");
	is(j, "separator", ";");
	assert_int_equal(stg_json_int(j, "heading_line", 0), 3);
	assert_int_equal(rows(j), 60);
	assert_int_equal(stg_json_int(j, "empty_rows", 0), 4);
	is(row(j, 0), "serial", "F2LXK0AAAA00");
	is(row(j, 1), "serial", "F2LXK0AAAA01");
	is(row(j, 59), "name", "Pédiatrie; lit 59");
	is(row(j, 59), "asset_tag", "A-1059");
	is(row(j, 59), "ownership", "pool");
	is(json_object_get(row(j, 59), "attributes"), "service", "dit \"la étoile\"");
	assert_int_equal(stg_json_int(row(j, 0), "line", 0), 4);
	assert_int_equal(stg_json_int(row(j, 59), "line", 0), 3 + 60 + 3 * 2);
}

static void encodings_and_separators_are_recognised(void **state)
{
	(void)state;
	STG_AUTO(stg_json_free_at) json_t *bom = read_text("\xef\xbb\xbfSerial\tName\nF2LXK0AAAA01\tÉtage 2\n");
	is(bom, "encoding", "utf-8");
	is(bom, "separator", "\t");
	is(row(bom, 0), "name", "Étage 2");

	STG_AUTO(stg_json_free_at) json_t *mac = read_text("Serial,Name\rF2LXK0AAAA01,a\rF2LXK0AAAA02,b\r");
	assert_int_equal(rows(mac), 2);
	assert_int_equal(stg_json_int(row(mac, 1), "line", 0), 3);

	static const char wide[] = "\xff\xfeS\0e\0r\0i\0a\0l\0;\0N\0o\0m\0\r\0\n\0F\0002\0L\0X\0K\0000\0A\0A\0A\0A\0000\0001\0;\0\xe9\0\r\0\n";
	STG_AUTO(stg_json_free_at) json_t *utf16 = read_bytes(wide, sizeof(wide), NULL);
	is(utf16, "encoding", "utf-16le");
	is(row(utf16, 0), "name", "é");

	STG_AUTO(stg_json_free_at) json_t *hint = read_text("sep=|\r\nSerial|Nom\r\nF2LXK0AAAA01|a;b,c\r\n");
	is(row(hint, 0), "name", "a;b,c");
	assert_int_equal(stg_json_int(row(hint, 0), "line", 0), 3);

	STG_AUTO(stg_json_free_at) json_t *one = read_text("S/N\nF2LXK0AAAA01\nF2LXK0AAAA02");
	assert_int_equal(rows(one), 2);

	STG_AUTO(stg_json_free_at) json_t *lines = read_text("Serial,Note\nF2LXK0AAAA01,\"two\n\nlines\"\nF2LXK0AAAA02,x\n");
	is(json_object_get(row(lines, 0), "attributes"), "note", "two\n\nlines");
	assert_int_equal(stg_json_int(row(lines, 1), "line", 0), 5);

	STG_AUTO(stg_json_free_at) json_t *inches = read_text("Serial,Model\nF2LXK0AAAA01,iPad 10.9\" Wi-Fi\n");
	is(json_object_get(row(inches, 0), "attributes"), "model", "iPad 10.9\" Wi-Fi");
}

static void values_come_out_in_one_form(void **state)
{
	(void)state;
	STG_AUTO(stg_json_free_at) json_t *j = read_text(
		"Serial,UDID,ECID,IMEI,IMEI2\n"
		"=\"F2LXK0AAAA01\",00008030001a2b3c4d5e6f70,0x001A2B3C4D5E6F70,35-324501-000001-0,\n"
		"'f2l xk0 aaaa02,ABCDEF0123456789ABCDEF0123456789ABCDEF01,1234567890123456,,\n");
	assert_int_equal(stg_json_int(j, "problem_count", 0), 0);
	is(row(j, 0), "serial", "F2LXK0AAAA01");
	is(row(j, 0), "udid", "00008030-001A2B3C4D5E6F70");
	is(row(j, 0), "ecid", "7365887390543728");
	is(row(j, 0), "imei", "353245010000010");
	is(row(j, 0), "ownership", "unknown");
	is(row(j, 1), "serial", "F2LXK0AAAA02");
	is(row(j, 1), "udid", "abcdef0123456789abcdef0123456789abcdef01");
	is(row(j, 1), "ecid", "1234567890123456");
}

static void a_person_can_say_which_column_is_which(void **state)
{
	(void)state;
	STG_AUTO(stg_json_free_at) json_t *map = json_pack("{s:s,s:s}", "serial", "Ref", "name", "C");
	static const char text[] = "Ref,Serial,Who\nF2LXK0AAAA01,carton 7,Anne\n";
	STG_AUTO(stg_json_free_at) json_t *j = read_bytes(text, sizeof(text) - 1, map);
	assert_int_equal(stg_json_int(j, "problem_count", 0), 0);
	is(row(j, 0), "serial", "F2LXK0AAAA01");
	is(row(j, 0), "name", "Anne");
	is(json_object_get(row(j, 0), "attributes"), "serial_2", "carton 7");

	STG_AUTO(stg_json_free_at) json_t *by_number = json_pack("{s:s}", "serial", "2");
	static const char odd[] = "col a,col b\nx,F2LXK0AAAA01\n";
	STG_AUTO(stg_json_free_at) json_t *k = read_bytes(odd, sizeof(odd) - 1, by_number);
	is(row(k, 0), "serial", "F2LXK0AAAA01");

	STG_AUTO(stg_json_free_at) json_t *wrong = json_pack("{s:s}", "serial", "Nope");
	STG_AUTO(stg_json_free_at) json_t *l = read_bytes(odd, sizeof(odd) - 1, wrong);
	assert_non_null(strstr(problem(l, 0), "--map serial=Nope: There is no such column"));
}

static void what_we_write_is_harmless_in_a_spreadsheet_and_read_back_the_same(void **state)
{
	(void)state;
	static const char *const names[] = { "=1+1", "+33 1", "-5", "@x", "plain \"quoted\", text", "'t Hooft", "é;ü" };
	STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(65536);
	assert_true(stg_csv_cell(&out, "Serial", STG_CSV_EXACT, false, NULL) && stg_csv_cell(&out, "Name", STG_CSV_TEXT, true, NULL));
	for (size_t i = 0; i < STG_ARRAY_LEN(names); i++) {
		char serial[16];
		snprintf(serial, sizeof(serial), "F2LXK0AAAA%02zu", i);
		assert_true(stg_csv_cell(&out, serial, STG_CSV_EXACT, false, NULL) && stg_csv_cell(&out, names[i], STG_CSV_TEXT, true, NULL));
	}
	assert_non_null(strstr(stg_buf_str(&out), "\"F2LXK0AAAA00\",\"'=1+1\"\r\n"));
	STG_AUTO(stg_json_free_at) json_t *j = read_text(stg_buf_str(&out));
	assert_int_equal(stg_json_int(j, "problem_count", 0), 0);
	for (size_t i = 0; i < STG_ARRAY_LEN(names); i++)
		is(row(j, i), "name", names[i]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(doubtful_values_are_refused_with_their_line),
		cmocka_unit_test(what_must_be_unique_is_refused_twice),
		cmocka_unit_test(files_that_are_no_list_are_refused),
		cmocka_unit_test(all_problems_are_told_at_once_but_not_more_than_twenty),
		cmocka_unit_test(more_than_a_hundred_thousand_rows_are_refused),
		cmocka_unit_test(headings_are_known_in_many_spellings),
		cmocka_unit_test(a_french_spreadsheet_of_sixty_tablets_is_read),
		cmocka_unit_test(encodings_and_separators_are_recognised),
		cmocka_unit_test(values_come_out_in_one_form),
		cmocka_unit_test(a_person_can_say_which_column_is_which),
		cmocka_unit_test(what_we_write_is_harmless_in_a_spreadsheet_and_read_back_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
