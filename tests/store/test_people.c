/* test_people.c - PINs, roles and the technician's verbs, called as commands call them. */
#include "raw.h"

#include <stager/op.h>
#include <stager/registry.h>

static bool call(struct state *st, const char *actor, const char *name, json_t *in, json_t **ret, struct stg_error *err)
{
	struct stg_op_ctx c = { .store = st->s, .state_dir = st->dir, .actor = actor };
	json_t *out = NULL;
	STG_AUTO(stg_json_free_at) json_t *question = in ? in : json_object();
	for (size_t t = 0; stg_op_tables[t]; t++) {
		for (const struct stg_op *op = stg_op_tables[t]; op->name; op++) {
			if (strcmp(op->name, name) != 0)
				continue;
			/* as the recorder does: a failing act is undone, the others of its group are not */
			bool ok = stg_store_begin(st->s, err) && stg_store_savepoint(st->s, err) && op->run(&c, question, &out, err);
			if (ok) {
				ok = stg_store_release(st->s, err) && stg_store_commit(st->s, err);
			} else {
				struct stg_error ignored;
				stg_store_undo(st->s);
				(void)stg_store_commit(st->s, &ignored);
			}
			if (ok && ret)
				*ret = out;
			else
				json_decref(out);
			return ok;
		}
	}
	return stg_fail(err, STG_E_BUG, 0, "no operation %s", name);
}

static int64_t audit_rows(struct state *st, const char *verb)
{
	json_t *log, *row;
	size_t i;
	int64_t n = 0;
	OK((log = stg_store_audit_list(st->s, 1, 0, err)) != NULL);
	json_array_foreach(log, i, row)
		n += strcmp(stg_json_str(row, "verb"), verb) == 0;
	json_decref(log);
	return n;
}

static bool pin(struct state *st, const char *name, const char *typed, struct stg_error *err)
{
	struct stg_secret s = { 0 };
	bool ok = stg_secret_set(&s, stg_bytes_str(typed), err) && stg_store_user_pin(st->s, name, &s, err);
	stg_secret_clear(&s);
	return ok;
}

static void the_first_administrator_locks_the_door_behind(void **unused)
{
	(void)unused;
	struct state st;
	json_t *out;
	state_open(&st);
	OK(call(&st, "root", "user.add", json_pack("{s:s,s:s,s:s}", "name", "anna", "role", "admin", "pin", "271828"), NULL, err));
	FAILS(call(&st, "root", "user.add", json_pack("{s:s,s:s}", "name", "mallory", "role", "admin"), NULL, err), STG_E_SAFETY, STG_ID_SECOND_NEEDED);
	FAILS(call(&st, "root", "user.add", json_pack("{s:s,s:s,s:s,s:s}", "name", "mallory", "role", "admin", "second", "anna", "second_pin", "000000"), NULL, err),
	      STG_E_SAFETY, STG_ID_PIN_WRONG);
	OK(call(&st, "anna", "user.add", json_pack("{s:s,s:s,s:s,s:s,s:s}", "name", "bernd", "role", "technician", "pin", "314159", "second", "anna", "second_pin", "271828"),
		NULL, err));
	/* a technician's PIN administers nothing, the last administrator cannot leave */
	FAILS(call(&st, "x", "user.role", json_pack("{s:s,s:s,s:s,s:s}", "name", "bernd", "role", "admin", "second", "bernd", "second_pin", "314159"), NULL, err),
	      STG_E_SAFETY, STG_ID_ROLE_TOO_LOW);
	FAILS(call(&st, "x", "user.disable", json_pack("{s:s,s:s,s:s}", "name", "anna", "second", "anna", "second_pin", "271828"), NULL, err), STG_E_REFUSED,
	      STG_ID_LAST_ADMIN);
	OK(call(&st, "bernd", "user.pin", json_pack("{s:s,s:s,s:s}", "name", "bernd", "old_pin", "314159", "pin", "161803"), NULL, err));
	OK(pin(&st, "bernd", "161803", err));
	FAILS(pin(&st, "bernd", "314159", err), STG_E_SAFETY, STG_ID_PIN_WRONG);
	OK(call(&st, "anna", "user.disable", json_pack("{s:s,s:s,s:s}", "name", "bernd", "second", "anna", "second_pin", "271828"), NULL, err));
	FAILS(pin(&st, "bernd", "161803", err), STG_E_SAFETY, STG_ID_PIN_WRONG);
	OK(call(&st, "anna", "user.list", NULL, &out, err));
	assert_int_equal(json_array_size(json_object_get(out, "people")), 2);
	char *text = stg_json_text(out);
	assert_null(strstr(text, "scrypt"));
	free(text);
	json_decref(out);
	assert_int_equal(audit_rows(&st, "user.add"), 2);
	assert_int_equal(audit_rows(&st, "user.disable"), 1);
	state_remove(&st);
}

static void wrong_pins_count_although_the_act_is_undone(void **unused)
{
	(void)unused;
	struct state st;
	state_open(&st);
	OK(call(&st, "root", "user.add", json_pack("{s:s,s:s,s:s}", "name", "anna", "role", "admin", "pin", "271828"), NULL, err));
	for (int i = 0; i < 5; i++)
		FAILS(call(&st, "root", "user.add", json_pack("{s:s,s:s,s:s,s:s}", "name", "m", "role", "admin", "second", "anna", "second_pin", "111111"), NULL, err),
		      STG_E_SAFETY, STG_ID_PIN_WRONG);
	/* now even the right one must wait, also after a restart */
	FAILS(pin(&st, "anna", "271828", err), STG_E_SAFETY, STG_ID_PIN_LOCKED);
	state_again(&st);
	FAILS(pin(&st, "anna", "271828", err), STG_E_SAFETY, STG_ID_PIN_LOCKED);
	raw_run(raw_last, "UPDATE pin_try SET boot_ms = boot_ms - 16 * 60000, at_ms = at_ms - 16 * 60000");
	OK(pin(&st, "anna", "271828", err));
	/* a name nobody has is answered like a wrong PIN, and locked like one */
	for (int i = 0; i < 5; i++)
		FAILS(pin(&st, "nobody", "1234", err), STG_E_SAFETY, STG_ID_PIN_WRONG);
	FAILS(pin(&st, "nobody", "1234", err), STG_E_SAFETY, STG_ID_PIN_LOCKED);
	state_remove(&st);
}

static void a_second_person_is_somebody_else_of_the_right_role(void **unused)
{
	(void)unused;
	struct state st;
	state_open(&st);
	OK(call(&st, "root", "user.add", json_pack("{s:s,s:s,s:s}", "name", "tim", "role", "technician", "pin", "1111"), NULL, err));
	OK(call(&st, "root", "user.add", json_pack("{s:s,s:s,s:s}", "name", "lea", "role", "lead", "pin", "2222"), NULL, err));
	struct stg_op_ctx c = { .store = st.s, .actor = "tim" };
	json_t *nobody = json_object(), *self = json_pack("{s:s,s:s}", "second", "Tim", "second_pin", "1111"), *low = json_pack("{s:s,s:s}", "second", "tim", "second_pin", "1111"),
	       *good = json_pack("{s:s,s:s}", "second", "lea", "second_pin", "2222"), *wrong = json_pack("{s:s,s:s}", "second", "lea", "second_pin", "2221");
	FAILS(stg_op_second(&c, nobody, "lead", err), STG_E_SAFETY, STG_ID_SECOND_NEEDED);
	FAILS(stg_op_second(&c, self, "lead", err), STG_E_SAFETY, STG_ID_SECOND_SAME);
	FAILS(stg_op_second(&c, wrong, "lead", err), STG_E_SAFETY, STG_ID_PIN_WRONG);
	OK(stg_op_second(&c, good, "lead", err));
	c.actor = "lea";
	FAILS(stg_op_second(&c, low, "lead", err), STG_E_SAFETY, STG_ID_ROLE_TOO_LOW);
	/* roles of actors */
	FAILS(call(&st, "tim", "port.allow", json_pack("{s:s}", "port", "1-1.4"), NULL, err), STG_E_SAFETY, STG_ID_ROLE_TOO_LOW);
	OK(call(&st, "lea", "port.allow", json_pack("{s:s}", "port", "1-1.4"), NULL, err));
	json_decref(nobody);
	json_decref(self);
	json_decref(low);
	json_decref(good);
	json_decref(wrong);
	state_remove(&st);
}

static void every_verb_answers_and_leaves_its_row_in_the_log(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity who = phone(1);
	json_t *out;
	state_open(&st);
	OK(call(&st, "tim", "status", NULL, &out, err));
	assert_string_equal(stg_json_str(out, "kind"), "production");
	assert_true(stg_json_bool(json_object_get(out, "line"), "open", false));
	json_decref(out);
	OK(call(&st, "tim", "inventory.add", json_pack("{s:s,s:s,s:s}", "serial", " f2lxk0aa0001 ", "asset_tag", "=A-1", "ownership", "pool"), &out, err));
	assert_true(stg_json_bool(out, "new", false));
	json_decref(out);
	FAILS(call(&st, "tim", "inventory.add", json_pack("{s:s}", "imei", "123"), NULL, err), STG_E_USAGE, 0);
	int64_t job = job_for(st.s, &who, NULL, 0);
	OK(call(&st, "tim", "hold.add", json_pack("{s:s,s:s}", "serial", who.serial, "reason", "cracked glass"), NULL, err));
	OK(call(&st, "tim", "hold.list", NULL, &out, err));
	assert_string_equal(stg_json_str(json_array_get(json_object_get(out, "holds"), 0), "owner"), "tim");
	json_decref(out);
	FAILS(call(&st, "tim", "job.retry", json_pack("{s:I}", "id", (json_int_t)job), NULL, err), STG_E_HOLD, STG_ID_ON_HOLD);
	OK(call(&st, "tim", "status", NULL, &out, err));
	assert_int_equal(stg_json_int(json_object_get(out, "hand"), "waiting", 0), 1);
	json_decref(out);
	OK(call(&st, "tim", "hold.release", json_pack("{s:s,s:s}", "serial", who.serial, "why", "only the film"), NULL, err));
	FAILS(call(&st, "tim", "hold.release", json_pack("{s:s}", "serial", who.serial), NULL, err), STG_E_NOT_FOUND, STG_ID_NOT_ON_HOLD);
	OK(call(&st, "tim", "job.cancel", json_pack("{s:s,s:s}", "serial", who.serial, "why", "wrong pile"), &out, err));
	assert_int_equal(json_array_size(json_object_get(out, "cancelled")), 1);
	json_decref(out);
	FAILS(call(&st, "tim", "job.retry", json_pack("{s:I}", "id", (json_int_t)job), NULL, err), STG_E_REFUSED, STG_ID_ILLEGAL_MOVE);
	FAILS(call(&st, "tim", "job.show", json_pack("{s:i}", "id", 99), NULL, err), STG_E_NOT_FOUND, STG_ID_UNKNOWN_JOB);
	OK(call(&st, "tim", "job.show", json_pack("{s:s}", "serial", "1"), &out, err));
	assert_int_equal(stg_json_int(out, "id", 0), job);
	json_decref(out);
	OK(call(&st, "tim", "job.show", json_pack("{s:s}", "serial", who.serial), &out, err));
	assert_string_equal(stg_json_str(out, "state"), "cancelled");
	json_decref(out);
	OK(call(&st, "tim", "port.label", json_pack("{s:s,s:s}", "port", "2-1.1", "label", "A1"), NULL, err));
	OK(call(&st, "tim", "port.allow", json_pack("{s:[s,s]}", "ports", "A1", "2-1.7"), &out, err));
	assert_int_equal(json_array_size(json_object_get(out, "ports")), 2);
	json_decref(out);
	OK(call(&st, "tim", "port.deny", json_pack("{s:s}", "port", "A1"), NULL, err));
	OK(call(&st, "tim", "window.close", NULL, &out, err));
	assert_false(stg_json_bool(out, "open", true));
	json_decref(out);
	FAILS(call(&st, "tim", "window.open", json_pack("{s:i}", "until_ms", 5), NULL, err), STG_E_USAGE, 0);
	OK(call(&st, "tim", "window.open", json_pack("{s:i}", "minutes", 30), &out, err));
	assert_true(stg_json_int(out, "until_ms", 0) > stg_wall_ms());
	json_decref(out);
	OK(call(&st, "tim", "census", NULL, &out, err));
	assert_int_equal(stg_json_int(json_object_get(out, "summary"), "devices", 0), 1);
	json_decref(out);
	OK(call(&st, "tim", "find", json_pack("{s:s}", "text", "0001"), &out, err));
	assert_int_equal(json_array_size(json_object_get(out, "found")), 1);
	json_decref(out);
	OK(call(&st, "tim", "inventory.show", json_pack("{s:s}", "serial", who.serial), &out, err));
	assert_int_equal(json_array_size(json_object_get(out, "holds")), 1);
	json_decref(out);
	OK(call(&st, "tim", "inventory.export", json_pack("{s:s}", "format", "csv"), &out, err));
	assert_non_null(strstr(stg_json_str(out, "text"), "\"F2LXK0AA0001\""));
	json_decref(out);
	FAILS(call(&st, "tim", "inventory.export", json_pack("{s:s}", "format", "xls"), NULL, err), STG_E_USAGE, 0);
	OK(call(&st, "tim", "audit.verify", NULL, &out, err));
	assert_true(stg_json_bool(out, "ok", false));
	json_decref(out);
	OK(call(&st, "tim", "audit.export", NULL, &out, err));
	assert_true(stg_json_int(out, "rows", 0) > 8);
	assert_int_equal(strlen(stg_json_str(out, "public_key")), 64);
	json_decref(out);
	static const char *const verbs[] = { "inventory.add", "hold.add", "hold.release", "job.cancel", "port.label", "port.allow", "port.deny", "window.open", "window.close" };
	for (size_t i = 0; i < STG_ARRAY_LEN(verbs); i++)
		if (audit_rows(&st, verbs[i]) != 1)
			fail_msg("%s: %d rows in the log", verbs[i], (int)audit_rows(&st, verbs[i]));
	OK(call(&st, "tim", "audit.list", json_pack("{s:i}", "last", 2), &out, err));
	assert_int_equal(json_array_size(json_object_get(out, "rows")), 2);
	assert_string_equal(stg_json_str(json_array_get(json_object_get(out, "rows"), 0), "actor"), "tim");
	json_decref(out);
	state_remove(&st);
}

static void an_export_comes_in_pages_that_fit_together(void **unused)
{
	(void)unused;
	struct state st;
	json_t *out;
	int64_t after = 0, rows = 0, pages = 0;
	state_open(&st);
	OK(stg_store_begin(st.s, err));
	for (int i = 0; i < 25; i++) {
		struct stg_identity who = phone(i);
		OK(stg_store_device_put(st.s, &who, NULL, err));
	}
	OK(stg_store_commit(st.s, err));
	do {
		OK(call(&st, "tim", "inventory.export", json_pack("{s:s,s:I,s:i}", "format", "json", "after", (json_int_t)after, "limit", 10), &out, err));
		rows += stg_json_int(out, "rows", 0);
		after = stg_json_int(out, "next", 0);
		pages++;
		json_decref(out);
	} while (after && pages < 10);
	assert_int_equal(rows, 25);
	assert_int_equal(pages, 3);
	state_remove(&st);
}

int main(void)
{
	raw_begin();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_administrator_locks_the_door_behind),
		cmocka_unit_test(wrong_pins_count_although_the_act_is_undone),
		cmocka_unit_test(a_second_person_is_somebody_else_of_the_right_role),
		cmocka_unit_test(every_verb_answers_and_leaves_its_row_in_the_log),
		cmocka_unit_test(an_export_comes_in_pages_that_fit_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
