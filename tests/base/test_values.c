/*
 * test_values.c - the values that travel: identities cross a socket unchanged, jobs move as the table says.
 *
 * For:    the promise of <stager/identity.h>, <stager/job.h> and <stager/csv.h>.
 * Uses:   nothing but them.
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

#include <stager/csv.h>
#include <stager/error.h>
#include <stager/job.h>

static struct stg_identity tablet(void)
{
	struct stg_identity id = { .family = "apple", .unit = "7365887390543728", .serial = "F2LXK0AAAA01",
				   .udid = "00008030-001A2B3C4D5E6F70", .imei = { "353245010000010" }, .model = "iPad13,18",
				   .os_version = "17.5", .name = "Zo\xc3\xab" };
	return id;
}

static void an_identity_crosses_a_socket_unchanged(void **state)
{
	(void)state;
	struct stg_identity id = tablet(), back;
	STG_AUTO(stg_json_free_at) json_t *j = stg_identity_json(&id);
	assert_true(stg_identity_from_json(j, &back, NULL));
	assert_string_equal(back.unit, id.unit);
	assert_string_equal(back.name, id.name);
	assert_string_equal(back.imei[0], id.imei[0]);
	assert_string_equal(back.imei[1], "");
	STG_AUTO(stg_json_free_at) json_t *again = stg_identity_json(&back);
	assert_true(json_equal(j, again));
	assert_true(stg_identity_same(&id, &back));
}

static void an_imei_in_the_second_slot_only_is_not_lost(void **state)
{
	(void)state;
	struct stg_identity id = tablet(), back;
	strcpy(id.imei[1], "353245010000028");
	id.imei[0][0] = 0;
	STG_AUTO(stg_json_free_at) json_t *j = stg_identity_json(&id);
	assert_true(stg_identity_from_json(j, &back, NULL));
	assert_string_equal(back.imei[0], "353245010000028");
	assert_string_equal(back.imei[1], "");
	STG_AUTO(stg_json_free_at) json_t *worded = json_loads("{\"imei\":[\"\",\"353245010000010\",\"353245010000028\",\"9\"]}", 0, NULL);
	assert_true(stg_identity_from_json(worded, &back, NULL));
	assert_string_equal(back.imei[0], "353245010000010");
	assert_string_equal(back.imei[1], "353245010000028");
}

static void a_name_longer_than_its_place_still_crosses(void **state)
{
	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		struct stg_identity id = tablet(), back;
		char name[600] = "";
		memset(name, 'x', shift);
		for (int i = 0; i < 100; i++)
			strcat(name, "\xf0\x9f\x93\xb1");
		assert_false(stg_copy(id.name, sizeof(id.name), name));
		STG_AUTO(stg_json_free_at) json_t *j = stg_identity_json(&id);
		assert_true(stg_identity_from_json(j, &back, NULL));
		assert_string_equal(back.name, id.name);
	}
}

static void an_identity_that_does_not_fit_is_refused(void **state)
{
	(void)state;
	struct stg_identity id = tablet();
	struct stg_error err = { 0 };
	static const char *const bad[] = {
		"[]", "\"x\"", "{\"unit\":\"123456789012345678901234567890123456789\"}", "{\"imei\":[12]}",
		"{\"imei\":[\"353245010000010353245010000010\"]}",
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(bad); i++) {
		json_error_t why;
		STG_AUTO(stg_json_free_at) json_t *j = json_loads(bad[i], JSON_DECODE_ANY, &why);
		assert_non_null(j);
		assert_false(stg_identity_from_json(j, &id, &err));
		assert_int_equal(err.code, STG_E_PROTOCOL);
		assert_string_equal(id.unit, "7365887390543728");
	}
	assert_false(stg_identity_from_json(NULL, &id, &err));
}

static void two_identities_are_one_device_only_when_nothing_differs(void **state)
{
	(void)state;
	struct stg_identity a = tablet(), b = tablet();
	b.serial[0] = b.udid[0] = 0; /* in recovery little is known */
	assert_true(stg_identity_same(&a, &b));
	strcpy(b.serial, "F2LXK0AAAA02");
	assert_false(stg_identity_same(&a, &b));
	b = tablet();
	strcpy(b.unit, "1");
	assert_false(stg_identity_same(&a, &b));
	a.unit[0] = b.unit[0] = 0; /* two unknown ones are not the same one */
	assert_false(stg_identity_same(&a, &b));
}

static void imeis_are_cleaned_or_refused(void **state)
{
	(void)state;
	static const struct { const char *text, *clean; } all[] = {
		{ "353245010000010", "353245010000010" }, { "35-324501-000001-0", "353245010000010" }, { "'353245010000010", "353245010000010" },
		{ "35 324501 000001 0", "353245010000010" }, { "3532450100000175", "353245010000010" }, { "490154203237518", "490154203237518" },
		{ "353245010000011", NULL }, { "35324501000001", NULL }, { "35324501000001751", NULL }, { "", NULL }, { "35324501000001X", NULL },
		{ "3.53245E+14", NULL }, { "353245010000010\n", NULL },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(all); i++) {
		char clean[20] = "kept";
		assert_int_equal(stg_imei_clean(all[i].text, clean), all[i].clean != NULL);
		assert_string_equal(clean, all[i].clean ? all[i].clean : "kept");
	}
}

static void jobs_move_as_they_may(void **state)
{
	(void)state;
	enum stg_job_state s;
	for (int i = 0; i < STG_JOB_STATES; i++) {
		assert_true(stg_job_state_parse(stg_job_state_name((enum stg_job_state)i), &s));
		assert_int_equal(s, i);
		/* what is over stays over, and nothing moves to where it is */
		assert_false(stg_job_may_move(STG_JOB_DONE, (enum stg_job_state)i));
		assert_false(stg_job_may_move(STG_JOB_CANCELLED, (enum stg_job_state)i));
		assert_false(stg_job_may_move((enum stg_job_state)i, (enum stg_job_state)i));
		/* only a job that waits begins to run, so none runs twice */
		assert_int_equal(stg_job_may_move((enum stg_job_state)i, STG_JOB_RUNNING), i == STG_JOB_WAITING);
	}
	assert_false(stg_job_state_parse("sleeping", &s));
	assert_false(stg_job_may_move(STG_JOB_STATES, STG_JOB_RUNNING));
	assert_true(stg_job_may_move(STG_JOB_INTERRUPTED, STG_JOB_WAITING));
	for (int i = STG_WAIT_LINE; i <= STG_WAIT_REGISTRATION; i++)
		assert_int_equal(stg_wait_parse(stg_wait_name((enum stg_wait)i)), i);
	assert_int_equal(stg_wait_parse("godot"), STG_WAIT_NOTHING);
	assert_string_equal(stg_end_name(STG_END_MISSING), "missing");
	assert_string_equal(stg_mode_name(STG_MODE_DFU), "dfu");
}

static void a_cell_cannot_become_a_formula_or_a_second_cell(void **state)
{
	(void)state;
	static const struct { const char *text; enum stg_csv_kind kind; const char *cell; } all[] = {
		{ "plain", STG_CSV_TEXT, "\"plain\"," }, { "", STG_CSV_TEXT, "\"\"," }, { "say \"hi\", bye", STG_CSV_TEXT, "\"say \"\"hi\"\", bye\"," },
		{ "=cmd|' /C calc'!A0", STG_CSV_TEXT, "\"'=cmd|' /C calc'!A0\"," }, { "+33 1", STG_CSV_TEXT, "\"'+33 1\"," },
		{ "-1", STG_CSV_TEXT, "\"'-1\"," }, { "@SUM(A1)", STG_CSV_TEXT, "\"'@SUM(A1)\"," }, { "\t=1", STG_CSV_TEXT, "\"'\t=1\"," },
		{ "F2LXK0AAAA01", STG_CSV_EXACT, "\"F2LXK0AAAA01\"," }, { "a\nb", STG_CSV_TEXT, "\"a\nb\"," },
	};
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(100);
	for (size_t i = 0; i < STG_ARRAY_LEN(all); i++) {
		stg_buf_reset(&b);
		assert_true(stg_csv_cell(&b, all[i].text, all[i].kind, false, NULL));
		assert_string_equal(stg_buf_str(&b), all[i].cell);
	}
	stg_buf_reset(&b);
	assert_true(stg_csv_cell(&b, "x", STG_CSV_EXACT, true, NULL));
	assert_string_equal(stg_buf_str(&b), "\"x\"\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_identity_that_does_not_fit_is_refused),
		cmocka_unit_test(a_name_longer_than_its_place_still_crosses),
		cmocka_unit_test(an_identity_crosses_a_socket_unchanged),
		cmocka_unit_test(two_identities_are_one_device_only_when_nothing_differs),
		cmocka_unit_test(an_imei_in_the_second_slot_only_is_not_lost),
		cmocka_unit_test(imeis_are_cleaned_or_refused),
		cmocka_unit_test(jobs_move_as_they_may),
		cmocka_unit_test(a_cell_cannot_become_a_formula_or_a_second_cell),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
