/* test_batch.c - which device belongs to which order line, and that the balance is right whatever happens. */
#include "store_lib.h"

#include <time.h>

static json_t *order_row(int line, const struct stg_identity *who, const char *by)
{
	json_t *row = json_pack("{s:i,s:s,s:s,s:{s:s}}", "line", line, "asset_tag", "A-1042", "ownership", "pool", "attributes", "ward", "3");
	if (strchr(by, 's'))
		json_object_set_new(row, "serial", json_string(who->serial));
	if (strchr(by, 'u'))
		json_object_set_new(row, "udid", json_string(who->udid));
	if (strchr(by, 'e'))
		json_object_set_new(row, "ecid", json_string(who->unit));
	if (strchr(by, 'i'))
		json_object_set_new(row, "imei", json_string(who->imei[0]));
	return row;
}

static void add_batch(struct stg_store *s, const char *name, json_t *rows)
{
	json_t *batch = json_pack("{s:s,s:s,s:{s:s},s:o}", "name", name, "blueprint", "iphone-new-in-box", "columns", "serial", "S/N", "rows", rows);
	OK(stg_store_batch_add(s, batch, err));
	json_decref(batch);
}

static void start(struct stg_store *s, const char *name)
{
	json_t *pins = json_pack("{s:o,s:{s:{s:s}},s:[s]}", "blueprint", blueprint(), "profiles", "wifi", "sha256", "ab", "ports", "1-1.4");
	OK(stg_store_batch_state(s, name, "started", pins, err));
	json_decref(pins);
}

static int64_t number(struct stg_store *s, const char *batch, const char *key)
{
	json_t *b;
	OK((b = stg_store_batch(s, batch, err)) != NULL);
	int64_t n = stg_json_int(json_object_get(b, "balance"), key, -1);
	json_decref(b);
	return n;
}

static void a_device_is_found_by_the_strongest_identifier_first(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity a = phone(1), b = phone(2), c = phone(3), d = phone(4), stranger = phone(5), bare = { .family = "apple" };
	json_t *m;
	state_open(&st);
	add_batch(st.s, "NORTH-12", json_pack("[o,o,o,o]", order_row(2, &a, "e"), order_row(3, &b, "u"), order_row(4, &c, "s"), order_row(5, &d, "i")));
	FAILS(stg_store_batch_match(st.s, &a, err), STG_E_WAITING, STG_ID_BATCH_NOT_STARTED);
	start(st.s, "NORTH-12");
	const struct stg_identity *each[] = { &a, &b, &c, &d };
	for (int i = 0; i < 4; i++) {
		OK((m = stg_store_batch_match(st.s, each[i], err)) != NULL);
		assert_int_equal(stg_json_int(m, "line", 0), 2 + i);
		assert_string_equal(stg_json_str(m, "batch"), "NORTH-12");
		assert_string_equal(stg_json_str(m, "ownership"), "pool");
		json_decref(m);
	}
	/* in recovery mode only the ECID is known */
	stg_copy(bare.unit, sizeof(bare.unit), a.unit);
	OK((m = stg_store_batch_match(st.s, &bare, err)) != NULL);
	json_decref(m);
	FAILS(stg_store_batch_match(st.s, &stranger, err), STG_E_NOT_FOUND, 0);
	state_remove(&st);
}

static void identifiers_are_compared_as_people_write_them(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity a = phone(1);
	json_t *m, *row = json_object();
	char udid[64], ecid[32];
	state_open(&st);
	/* a spreadsheet's short UDID without its dash, in lower case; an ECID in hexadecimal */
	snprintf(udid, sizeof(udid), "00008110%016x", 0xA0000 + 1);
	snprintf(ecid, sizeof(ecid), "0x%llx", 1000000000001ULL);
	json_object_set_new(row, "line", json_integer(2));
	json_object_set_new(row, "udid", json_string(udid));
	json_object_set_new(row, "ecid", json_string(ecid));
	json_object_set_new(row, "serial", json_string("f2lxk0aa0001"));
	add_batch(st.s, "B", json_pack("[o]", row));
	start(st.s, "B");
	OK((m = stg_store_batch_match(st.s, &a, err)) != NULL);
	assert_int_equal(stg_json_int(m, "line", 0), 2);
	json_decref(m);
	state_remove(&st);
}

static void doubt_about_who_it_is_means_hold(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity a = phone(1), b = phone(2), twin = phone(3), mixed = phone(1);
	state_open(&st);
	add_batch(st.s, "ONE", json_pack("[o,o]", order_row(2, &a, "s"), order_row(3, &b, "i")));
	add_batch(st.s, "TWO", json_pack("[o]", order_row(2, &a, "s")));
	start(st.s, "ONE");
	json_t *m;
	OK((m = stg_store_batch_match(st.s, &a, err)) != NULL);
	json_decref(m);
	start(st.s, "TWO");
	FAILS(stg_store_batch_match(st.s, &a, err), STG_E_HOLD, STG_ID_IN_TWO_BATCHES);
	OK(stg_store_batch_state(st.s, "TWO", "paused", NULL, err));
	/* serial of one line, IMEI of another */
	stg_copy(mixed.imei[0], sizeof(mixed.imei[0]), b.imei[0]);
	FAILS(stg_store_batch_match(st.s, &mixed, err), STG_E_HOLD, STG_ID_IDENTITY_CONFLICT);
	/* a second unit that shows the serial of one already seen */
	OK((m = stg_store_batch_match(st.s, &a, err)) != NULL);
	job_for(st.s, &a, "ONE", stg_json_int(m, "row", 0));
	json_decref(m);
	stg_copy(twin.serial, sizeof(twin.serial), a.serial);
	FAILS(stg_store_batch_match(st.s, &twin, err), STG_E_HOLD, STG_ID_ROW_TAKEN);
	state_remove(&st);
}

static void a_line_that_disagrees_with_its_device_means_hold(void **unused)
{
	(void)unused;
	static const char *const wrong[][2] = { { "serial", "F2LXK0ZZ9999" }, { "udid", "00008110-00000000000B0001" }, { "imei", "356938035643809" } };
	struct stg_identity a = phone(1);
	for (size_t i = 0; i < STG_ARRAY_LEN(wrong); i++) {
		struct state st;
		json_t *row = json_pack("{s:i, s:s, s:s}", "line", 2, "ecid", a.unit, wrong[i][0], wrong[i][1]);
		state_open(&st);
		add_batch(st.s, "B", json_pack("[o]", row));
		start(st.s, "B");
		FAILS(stg_store_batch_match(st.s, &a, err), STG_E_HOLD, STG_ID_IDENTITY_CONFLICT);
		state_remove(&st);
	}
}

static void a_batch_cannot_be_closed_over_running_devices(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity a = phone(1);
	state_open(&st);
	add_batch(st.s, "B", json_pack("[o]", order_row(2, &a, "s")));
	FAILS(stg_store_batch_state(st.s, "B", "closed", NULL, err), STG_E_REFUSED, STG_ID_ILLEGAL_MOVE);
	start(st.s, "B");
	json_t *m;
	OK((m = stg_store_batch_match(st.s, &a, err)) != NULL);
	int64_t job = job_for(st.s, &a, "B", stg_json_int(m, "row", 0));
	json_decref(m);
	OK(stg_store_job_move(st.s, job, STG_JOB_RUNNING, NULL, err));
	FAILS(stg_store_batch_state(st.s, "B", "closed", NULL, err), STG_E_REFUSED, STG_ID_BATCH_RUNNING);
	OK(stg_store_job_finish(st.s, job, STG_JOB_DONE, STG_END_STAGED, NULL, &a, NULL, NULL, err));
	OK(stg_store_batch_state(st.s, "B", "closed", NULL, err));
	OK(stg_store_batch_state(st.s, "B", "reopened", NULL, err));
	OK((m = stg_store_batch(st.s, "B", err)) != NULL);
	assert_string_equal(stg_json_str(m, "state"), "paused");
	json_decref(m);
	/* what the order says is now what the inventory says */
	OK((m = stg_store_device_json(st.s, "apple", a.unit, err)) != NULL);
	assert_string_equal(stg_json_str(m, "ownership"), "pool");
	assert_string_equal(stg_json_str(m, "asset_tag"), "A-1042");
	json_decref(m);
	state_remove(&st);
}

static void a_paused_batch_starts_nothing_new(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity a = phone(1);
	state_open(&st);
	add_batch(st.s, "B", json_pack("[o]", order_row(2, &a, "s")));
	start(st.s, "B");
	int64_t job = job_for(st.s, &a, "B", 1);
	OK(stg_store_batch_state(st.s, "B", "paused", NULL, err));
	FAILS(stg_store_job_move(st.s, job, STG_JOB_RUNNING, NULL, err), STG_E_WAITING, STG_ID_BATCH_NOT_STARTED);
	state_remove(&st);
}

static void an_erase_order_is_used_once_and_only_for_pool_devices_of_a_started_batch(void **unused)
{
	(void)unused;
	struct state st;
	struct stg_identity a = phone(1), b = phone(2);
	state_open(&st);
	add_batch(st.s, "B", json_pack("[o,o]", order_row(2, &a, "s"), order_row(3, &b, "s")));
	start(st.s, "B");
	json_t *order = json_pack("{s:s,s:[s],s:s,s:i}", "batch", "B", "serials", a.serial, "by", "anna", "count", 2), *found;
	FAILS(stg_store_erase_allow(st.s, order, err), STG_E_SAFETY, 0);
	json_object_set_new(order, "count", json_integer(1));
	int64_t job = job_for(st.s, &a, "B", 1);
	OK(stg_store_job_move(st.s, job, STG_JOB_RUNNING, NULL, err));
	FAILS(stg_store_erase_spend(st.s, "apple", a.unit, job, 7, err), STG_E_SAFETY, STG_ID_NO_ERASE_ORDER);
	OK(stg_store_erase_allow(st.s, order, err));
	OK((found = stg_store_erase_order(st.s, "apple", a.unit, err)) != NULL);
	json_decref(found);
	FAILS(stg_store_erase_spend(st.s, "apple", a.unit, job, 8, err), STG_E_SAFETY, 0);   /* plugged in again since */
	OK(stg_store_ownership(st.s, "apple", a.unit, "personal", err));
	FAILS(stg_store_erase_spend(st.s, "apple", a.unit, job, 7, err), STG_E_SAFETY, STG_ID_NOT_POOL);
	OK(stg_store_ownership(st.s, "apple", a.unit, "pool", err));
	OK(stg_store_batch_state(st.s, "B", "paused", NULL, err));
	FAILS(stg_store_erase_spend(st.s, "apple", a.unit, job, 7, err), STG_E_SAFETY, STG_ID_NO_ERASE_ORDER);
	OK(stg_store_batch_state(st.s, "B", "started", NULL, err));
	json_t *hold = json_pack("{s:s,s:s,s:s}", "unit", a.unit, "reason", "evidence", "owner", "lead");
	OK(stg_store_hold_add(st.s, hold, err));
	FAILS(stg_store_erase_spend(st.s, "apple", a.unit, job, 7, err), STG_E_SAFETY, STG_ID_ON_HOLD);
	OK(stg_store_hold_release(st.s, a.unit, "lead", "cleared", err));
	/* the job of another device that runs beside it */
	int64_t other = job_for(st.s, &b, "B", 2);
	OK(stg_store_job_move(st.s, other, STG_JOB_RUNNING, NULL, err));
	FAILS(stg_store_erase_spend(st.s, "apple", a.unit, other, 7, err), STG_E_SAFETY, 0);
	/* an order past its hour; a newer one takes its place */
	json_object_set_new(order, "until_ms", json_integer(1));
	OK(stg_store_erase_allow(st.s, order, err));
	FAILS(stg_store_erase_spend(st.s, "apple", a.unit, job, 7, err), STG_E_SAFETY, STG_ID_NO_ERASE_ORDER);
	json_object_del(order, "until_ms");
	OK(stg_store_erase_allow(st.s, order, err));
	OK(stg_store_erase_spend(st.s, "apple", a.unit, job, 7, err));
	FAILS(stg_store_erase_spend(st.s, "apple", a.unit, job, 7, err), STG_E_SAFETY, STG_ID_ERASE_SPENT);
	/* the intent was on disk before the token was */
	json_t *log;
	OK((log = stg_store_audit_list(st.s, 1, 0, err)) != NULL);
	const json_t *last = json_array_get(log, json_array_size(log) - 1);
	assert_string_equal(stg_json_str(last, "verb"), "erase");
	assert_string_equal(stg_json_str(last, "outcome"), "intent");
	json_decref(log);
	/* a serial that is not in the batch */
	json_array_append_new(json_object_get(order, "serials"), json_string("NOTOURS"));
	json_object_set_new(order, "count", json_integer(2));
	FAILS(stg_store_erase_allow(st.s, order, err), STG_E_SAFETY, STG_ID_NO_ERASE_ORDER);
	json_decref(order);
	json_decref(hold);
	state_remove(&st);
}

/* ---- random histories against a model ---- */

enum { DEVICES = 12, STRANGERS = 3, ACTS = 400, ROUNDS = 8 };

struct model {
	enum stg_job_state state;
	bool has_job, held, by_serial;
	int64_t job;
};

static uint64_t dice(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static const char *expected_end(const struct model *m)
{
	if (m->has_job && m->state == STG_JOB_RUNNING)
		return "running";
	/* a hold on a serial number says nothing about a line that names an ECID, until that device was seen once */
	if (m->held && (m->by_serial || m->has_job))
		return "hold";
	if (!m->has_job || m->state == STG_JOB_CANCELLED)
		return "missing";
	switch (m->state) {
	case STG_JOB_HOLD: return "hold";
	case STG_JOB_FAILED: return "failed";
	case STG_JOB_DONE: return "staged";
	default: return "waiting";
	}
}

static void check_balance(struct stg_store *s, const struct model *m, int64_t strangers)
{
	static const char *const words[] = { "staged", "waiting", "hold", "failed", "missing", "running" };
	int64_t sum = 0;
	for (size_t w = 0; w < STG_ARRAY_LEN(words); w++) {
		int64_t want = 0, got = number(s, "B", words[w]);
		for (int i = 0; i < DEVICES; i++)
			want += strcmp(expected_end(&m[i]), words[w]) == 0;
		if (want != got)
			fail_msg("%s: %lld in the store, %lld in the model", words[w], (long long)got, (long long)want);
		sum += got;
	}
	assert_int_equal(sum, number(s, "B", "expected"));
	assert_int_equal(strangers, number(s, "B", "unexpected"));
}

static void the_balance_is_right_after_any_history(void **unused)
{
	(void)unused;
	struct state st;
	const char *given = getenv("STG_SEED");
	uint64_t first = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
	print_message("seed %llu (STG_SEED repeats it)\n", (unsigned long long)first);
	for (int round = 0; round < ROUNDS; round++) {
		struct model m[DEVICES] = { 0 };
		bool seen[STRANGERS] = { false };
		int64_t strangers = 0;
		uint64_t seed = (first + (uint64_t)round) * 2654435761u + 88172645463325252u;
		json_t *rows = json_array();
		state_open(&st);
		for (int i = 0; i < DEVICES; i++) {
			struct stg_identity who = phone(i);
			m[i].by_serial = i % 3 == 0;
			json_array_append_new(rows, order_row(i + 2, &who, i % 3 == 0 ? "s" : i % 3 == 1 ? "e" : "i"));
		}
		add_batch(st.s, "B", rows);
		start(st.s, "B");
		OK(stg_store_begin(st.s, err));   /* one commit a round: the disk is not what is tested */
		for (int act = 0; act < ACTS; act++) {
			int i = (int)(dice(&seed) % DEVICES);
			struct stg_identity who = phone(i);
			switch (dice(&seed) % 8) {
			case 0: {
				if (m[i].has_job && m[i].state != STG_JOB_DONE && m[i].state != STG_JOB_FAILED && m[i].state != STG_JOB_CANCELLED)
					break;
				json_t *match;
				OK((match = stg_store_batch_match(st.s, &who, err)) != NULL);
				m[i].job = job_for(st.s, &who, "B", stg_json_int(match, "row", 0));
				m[i].has_job = true;
				m[i].state = STG_JOB_WAITING;
				json_decref(match);
				break;
			}
			case 1:
			case 2:
			case 3:
			case 4: {
				enum stg_job_state to = (enum stg_job_state)(dice(&seed) % STG_JOB_STATES);
				if (!m[i].has_job || !stg_job_may_move(m[i].state, to))
					break;
				if (to == STG_JOB_DONE || to == STG_JOB_PARKED || (to == STG_JOB_FAILED && dice(&seed) % 2))
					OK(stg_store_job_finish(st.s, m[i].job, to,
								to == STG_JOB_DONE ? STG_END_STAGED : to == STG_JOB_FAILED ? STG_END_FAILED : STG_END_WAITING,
								NULL, &who, NULL, NULL, err));
				else
					OK(stg_store_job_move(st.s, m[i].job, to, NULL, err));
				m[i].state = to;
				break;
			}
			case 5: {
				json_t *hold = json_pack("{s:s,s:s}", "serial", who.serial, "reason", "looks odd");
				OK(stg_store_hold_add(st.s, hold, err));
				json_decref(hold);
				m[i].held = true;
				if (m[i].has_job && stg_job_may_move(m[i].state, STG_JOB_HOLD) && m[i].state != STG_JOB_RUNNING)
					m[i].state = STG_JOB_HOLD;
				break;
			}
			case 6:
				if (!m[i].held)
					break;
				OK(stg_store_hold_release(st.s, who.serial, "anna", "fine", err));
				m[i].held = false;
				if (m[i].has_job && m[i].state == STG_JOB_HOLD)
					m[i].state = STG_JOB_WAITING;
				break;
			default: {
				int k = (int)(dice(&seed) % STRANGERS);
				struct stg_identity stranger = phone(500 + k);
				OK(stg_store_unexpected(st.s, "B", &stranger, "1-1.4", err));
				strangers += !seen[k];
				seen[k] = true;
			}
			}
			if (act % 16 == 0)
				check_balance(st.s, m, strangers);
		}
		check_balance(st.s, m, strangers);
		json_t *all;
		OK((all = stg_store_batch_rows(st.s, "B", err)) != NULL);
		assert_int_equal(json_array_size(all), DEVICES + strangers);
		for (int i = 0; i < DEVICES; i++)
			assert_string_equal(stg_json_str(json_array_get(all, (size_t)i), "end"), expected_end(&m[i]));
		json_decref(all);
		OK(stg_store_commit(st.s, err));
		state_remove(&st);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_is_found_by_the_strongest_identifier_first),
		cmocka_unit_test(identifiers_are_compared_as_people_write_them),
		cmocka_unit_test(doubt_about_who_it_is_means_hold),
		cmocka_unit_test(a_line_that_disagrees_with_its_device_means_hold),
		cmocka_unit_test(a_batch_cannot_be_closed_over_running_devices),
		cmocka_unit_test(a_paused_batch_starts_nothing_new),
		cmocka_unit_test(an_erase_order_is_used_once_and_only_for_pool_devices_of_a_started_batch),
		cmocka_unit_test(the_balance_is_right_after_any_history),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
