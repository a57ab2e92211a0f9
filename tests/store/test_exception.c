/* test_exception.c - what a lead signed beforehand is counted, ends, and cannot be edited into more than it was. */
#include "raw.h"

static struct stg_identity order(struct state *st, int n, const char *by, const char *second, int64_t *ret_job)
{
	struct stg_identity who = phone(n);
	*ret_job = job_for(st->s, &who, NULL, 0);
	OK(stg_store_ownership(st->s, "apple", who.unit, "pool", err));
	OK(stg_store_job_move(st->s, *ret_job, STG_JOB_RUNNING, NULL, err));
	json_t *o = json_pack("{s:[s],s:s,s:s}", "serials", who.serial, "by", by, "second", second);
	OK(stg_store_erase_allow(st->s, o, err));
	json_decref(o);
	return who;
}

static json_t *text_of(const char *by, int64_t minutes, size_t n, const int *numbers)
{
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(phone(numbers[i]).serial));
	return json_pack("{s:s,s:o,s:s,s:I}", "by", by, "serials", list, "reason", "leavers of May", "until_ms",
			 (json_int_t)(stg_wall_ms() + minutes * 60000));
}

static int64_t sign(struct state *st, json_t *text /* taken */)
{
	int64_t id = 0;
	OK(stg_store_exception_sign(st->s, text, &id, err));
	json_decref(text);
	return id;
}

static void people(struct state *st)
{
	OK(stg_store_user_put(st->s, "lea", "lead", "", err));
	OK(stg_store_user_put(st->s, "leo", "lead", "", err));
	OK(stg_store_user_put(st->s, "tom", "technician", "", err));
}

static void without_an_exception_or_with_one_that_does_not_fit_nothing_is_spent(void **unused)
{
	struct state st;
	int64_t a, b, id;
	(void)unused;
	state_open(&st);
	people(&st);
	struct stg_identity one = order(&st, 1, "tom", "", &a), other = order(&st, 2, "tom", "", &b);
	FAILS(stg_store_erase_spend_two(st.s, "apple", one.unit, a, 7, true, err), STG_E_SAFETY, STG_ID_ERASE_SECOND);
	/* for another serial */
	sign(&st, text_of("lea", 60, 1, (int[]){ 2 }));
	FAILS(stg_store_erase_spend_two(st.s, "apple", one.unit, a, 7, true, err), STG_E_SAFETY, STG_ID_ERASE_SECOND);
	/* by who ordered it himself: one person twice */
	sign(&st, text_of("tom", 60, 1, (int[]){ 1 }));
	FAILS(stg_store_erase_spend_two(st.s, "apple", one.unit, a, 7, true, err), STG_E_SAFETY, STG_ID_ERASE_SECOND);
	/* withdrawn */
	id = sign(&st, text_of("leo", 60, 1, (int[]){ 1 }));
	OK(stg_store_exception_withdraw(st.s, id, "tom", err));
	FAILS(stg_store_exception_withdraw(st.s, id, "tom", err), STG_E_NOT_FOUND, STG_ID_NO_EXCEPTION);
	FAILS(stg_store_erase_spend_two(st.s, "apple", one.unit, a, 7, true, err), STG_E_SAFETY, STG_ID_ERASE_SECOND);
	/* signed by somebody who is no lead any more */
	sign(&st, text_of("leo", 60, 1, (int[]){ 1 }));
	OK(stg_store_user_put(st.s, "leo", "technician", "", err));
	FAILS(stg_store_erase_spend_two(st.s, "apple", one.unit, a, 7, true, err), STG_E_SAFETY, STG_ID_ERASE_SECOND);
	/* and the one that fits is for the other device alone */
	OK(stg_store_erase_spend_two(st.s, "apple", other.unit, b, 7, true, err));
	state_remove(&st);
}

static void an_exception_says_how_long_and_for_what(void **unused)
{
	struct state st;
	(void)unused;
	state_open(&st);
	people(&st);
	json_t *e = text_of("lea", 0, 1, (int[]){ 1 });
	FAILS(stg_store_exception_sign(st.s, e, NULL, err), STG_E_USAGE, STG_ID_EXCEPTION_SPAN);
	json_decref(e);
	e = text_of("lea", 24 * 60 + 1, 1, (int[]){ 1 });
	FAILS(stg_store_exception_sign(st.s, e, NULL, err), STG_E_USAGE, STG_ID_EXCEPTION_SPAN);
	json_decref(e);
	e = text_of("lea", 60, 0, NULL);
	FAILS(stg_store_exception_sign(st.s, e, NULL, err), STG_E_USAGE, STG_ID_EXCEPTION_EMPTY);
	/* a number of a batch: a batch that there is, and a number */
	stg_json_put(e, "batch", "NORTH-12");
	FAILS(stg_store_exception_sign(st.s, e, NULL, err), STG_E_USAGE, STG_ID_EXCEPTION_EMPTY);
	stg_json_put_int(e, "most", 3);
	FAILS(stg_store_exception_sign(st.s, e, NULL, err), STG_E_NOT_FOUND, STG_ID_UNKNOWN_BATCH);
	json_decref(e);
	state_remove(&st);
}

static int64_t audits(struct stg_store *s, const char *verb)
{
	json_t *rows, *one;
	size_t i;
	int64_t n = 0;
	OK((rows = stg_store_audit_list(s, 1, 1000, err)) != NULL);
	json_array_foreach(rows, i, one)
		n += strcmp(stg_json_str(one, "verb"), verb) == 0;
	json_decref(rows);
	return n;
}

static void a_number_of_a_batch_is_counted_down_and_every_use_is_in_the_log(void **unused)
{
	struct state st;
	int64_t jobs[4];
	struct stg_identity who[4];
	(void)unused;
	state_open(&st);
	people(&st);
	json_t *rows = json_array();
	for (int i = 0; i < 4; i++) {
		char serial[STG_SERIAL_MAX];
		snprintf(serial, sizeof(serial), "%s", phone(i).serial);
		json_array_append_new(rows, json_pack("{s:i,s:s,s:s}", "line", i + 2, "serial", serial, "ownership", "pool"));
	}
	json_t *b = json_pack("{s:s,s:s,s:o}", "name", "NORTH-12", "blueprint", "returned-phone-wipe", "rows", rows);
	OK(stg_store_batch_add(st.s, b, err));
	json_decref(b);
	b = json_pack("{s:s,s:s,s:s,s:i,s:I}", "by", "lea", "batch", "NORTH-12", "reason", "night shift", "most", 2, "until_ms",
		      (json_int_t)(stg_wall_ms() + 3600000));
	sign(&st, b);
	for (int i = 0; i < 4; i++)
		who[i] = order(&st, i, "tom", "", &jobs[i]);
	OK(stg_store_erase_spend_two(st.s, "apple", who[0].unit, jobs[0], 7, true, err));
	/* a device for which nobody had to agree uses none of it */
	OK(stg_store_erase_spend_two(st.s, "apple", who[3].unit, jobs[3], 7, false, err));
	/* the same device a second time: once each */
	json_t *again = json_pack("{s:[s],s:s}", "serials", who[0].serial, "by", "tom");
	OK(stg_store_erase_allow(st.s, again, err));
	json_decref(again);
	FAILS(stg_store_erase_spend_two(st.s, "apple", who[0].unit, jobs[0], 7, true, err), STG_E_SAFETY, STG_ID_ERASE_SECOND);
	OK(stg_store_erase_spend_two(st.s, "apple", who[1].unit, jobs[1], 7, true, err));
	FAILS(stg_store_erase_spend_two(st.s, "apple", who[2].unit, jobs[2], 7, true, err), STG_E_SAFETY, STG_ID_ERASE_SECOND);
	json_t *list;
	OK((list = stg_store_exceptions(st.s, false, err)) != NULL);
	assert_int_equal(stg_json_int(json_array_get(list, 0), "used", 0), 2);
	assert_string_equal(stg_json_str(json_array_get(list, 0), "state"), "used");
	json_decref(list);
	assert_int_equal(audits(st.s, "erase.exception.sign"), 1);
	assert_int_equal(audits(st.s, "erase.exception.use"), 2);
	state_remove(&st);
}

static void an_exception_that_was_edited_in_the_file_is_none(void **unused)
{
	struct state st;
	int64_t a;
	(void)unused;
	state_open(&st);
	people(&st);
	struct stg_identity who = order(&st, 1, "tom", "", &a);
	sign(&st, text_of("lea", 60, 1, (int[]){ 2 }));
	stg_store_close(st.s);
	char path[256], sql[256];
	sqlite3 *db;
	snprintf(path, sizeof(path), "%s/stager.db", st.dir);
	snprintf(sql, sizeof(sql), "UPDATE erase_exception SET serials = '[\"%s\"]'", who.serial);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	raw_run(db, sql);
	sqlite3_close(db);
	OK((st.s = stg_store_open(st.dir, STG_STORE_ANY, err)) != NULL);
	state_key(st.s);
	FAILS(stg_store_erase_spend_two(st.s, "apple", who.unit, a, 7, true, err), STG_E_IO, STG_ID_ROW_DAMAGED);
	FAILS(stg_store_exceptions(st.s, true, err), STG_E_IO, STG_ID_ROW_DAMAGED);
	state_remove(&st);
}

static void who_agreed_on_the_spot_uses_no_exception(void **unused)
{
	struct state st;
	int64_t a;
	(void)unused;
	state_open(&st);
	people(&st);
	struct stg_identity who = order(&st, 1, "tom", "lea", &a);
	OK(stg_store_erase_spend_two(st.s, "apple", who.unit, a, 7, true, err));
	assert_int_equal(audits(st.s, "erase.exception.use"), 0);
	state_remove(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_an_exception_or_with_one_that_does_not_fit_nothing_is_spent),
		cmocka_unit_test(an_exception_says_how_long_and_for_what),
		cmocka_unit_test(a_number_of_a_batch_is_counted_down_and_every_use_is_in_the_log),
		cmocka_unit_test(an_exception_that_was_edited_in_the_file_is_none),
		cmocka_unit_test(who_agreed_on_the_spot_uses_no_exception),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
