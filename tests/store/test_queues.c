/* test_queues.c - who cannot go on stands in one queue, until it can; an order for the MDM is told to every receiver. */
#include "store_lib.h"

static void parks(struct state *st, int64_t job, const struct stg_identity *who, const char *wait, enum stg_id id)
{
	json_t *why = json_pack("{s:s,s:i}", "wait", wait, "id", (int)id);
	OK(stg_store_job_move(st->s, job, STG_JOB_RUNNING, NULL, err));
	OK(stg_store_job_finish(st->s, job, STG_JOB_PARKED, STG_END_WAITING, why, who, NULL, NULL, err));
	json_decref(why);
}

static int64_t in_queue(struct state *st, const char *queue)
{
	json_t *counts, *list;
	OK((counts = stg_store_queue_counts(st->s, err)) != NULL);
	OK((list = stg_store_queues(st->s, queue, err)) != NULL);
	int64_t n = stg_json_int(counts, queue, 0);
	assert_int_equal(json_array_size(list), n);
	json_decref(counts);
	json_decref(list);
	return n;
}

static void target(struct state *st)
{
	json_t *t = json_pack("{s:s,s:s,s:{s:s}}", "name", "head-office", "connector", "webhook", "config", "url", "https://mdm.example/hook");
	OK(stg_store_target_put(st->s, t, stg_bytes("", 0), err));
	json_decref(t);
}

static void each_stands_in_the_queue_of_what_it_waits_for(void **unused)
{
	struct state st;
	struct stg_identity a = phone(1), b = phone(2), c = phone(3), d = phone(4);
	(void)unused;
	state_open(&st);
	parks(&st, job_for(st.s, &a, NULL, 0), &a, "line", STG_ID_NO_LINE);
	parks(&st, job_for(st.s, &b, NULL, 0), &b, "person", STG_ID_DEVICE_LOCKED);
	parks(&st, job_for(st.s, &c, NULL, 0), &c, "person", STG_ID_DEVICE_LOCKED);
	/* waits for a tap, not for a key */
	parks(&st, job_for(st.s, &d, NULL, 0), &d, "person", STG_ID_TRUST_PENDING);
	json_t *e = json_pack("{s:s,s:s,s:s,s:s,s:s}", "family", "apple", "unit", c.unit, "serial", c.serial, "kind", "unlock_token", "key_sha256", "beef");
	OK(stg_store_escrow_add(st.s, e, stg_bytes("sealed", 6), NULL, err));
	json_decref(e);
	assert_int_equal(in_queue(&st, "line"), 1);
	assert_int_equal(in_queue(&st, "locked"), 1);
	assert_int_equal(in_queue(&st, "unlock"), 1);
	assert_int_equal(in_queue(&st, "mdm"), 0);
	assert_int_equal(in_queue(&st, "restore"), 0);
	state_remove(&st);
}

static void an_order_for_the_mdm_goes_out_once_and_ends_when_the_device_is_staged(void **unused)
{
	struct state st;
	struct stg_identity who = phone(1);
	json_t *rows;
	(void)unused;
	state_open(&st);
	target(&st);
	int64_t job = job_for(st.s, &who, NULL, 0);
	OK(stg_store_job_move(st.s, job, STG_JOB_RUNNING, NULL, err));
	/* while somebody works on it nothing is ordered behind his back */
	FAILS(stg_store_mdm_order(st.s, &who, "clear_passcode", "leaver gone", "tom", err), STG_E_REFUSED, STG_ID_ILLEGAL_MOVE);
	assert_int_equal(in_queue(&st, "mdm"), 0);
	json_t *why = json_pack("{s:s,s:i}", "wait", "person", "id", (int)STG_ID_DEVICE_LOCKED);
	OK(stg_store_job_finish(st.s, job, STG_JOB_PARKED, STG_END_WAITING, why, &who, NULL, NULL, err));
	json_decref(why);
	OK(stg_store_mdm_order(st.s, &who, "clear_passcode", "leaver gone", "tom", err));
	/* twice is once */
	OK(stg_store_mdm_order(st.s, &who, "clear_passcode", "leaver gone", "tom", err));
	assert_int_equal(in_queue(&st, "mdm"), 1);
	assert_int_equal(in_queue(&st, "locked"), 0);
	OK((rows = stg_store_outbox_take(st.s, "head-office", 10, stg_boot_ms(), err)) != NULL);
	int orders = 0;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const char *payload = stg_json_str(json_array_get(rows, i), "payload");
		orders += strstr(payload, "\"mdm_order\"") && strstr(payload, "\"verb\":\"clear_passcode\"") && strstr(payload, "leaver gone");
	}
	assert_int_equal(orders, 1);
	json_decref(rows);
	OK(stg_store_job_move(st.s, job, STG_JOB_WAITING, NULL, err));
	OK(stg_store_job_move(st.s, job, STG_JOB_RUNNING, NULL, err));
	OK(stg_store_job_finish(st.s, job, STG_JOB_DONE, STG_END_STAGED, NULL, &who, NULL, NULL, err));
	assert_int_equal(in_queue(&st, "mdm"), 0);
	state_remove(&st);
}

static void a_device_without_a_job_can_be_ordered_too(void **unused)
{
	struct state st;
	struct stg_identity who = phone(1);
	(void)unused;
	state_open(&st);
	target(&st);
	OK(stg_store_device_put(st.s, &who, NULL, err));
	OK(stg_store_mdm_order(st.s, &who, "erase", "lost", "tom", err));
	assert_int_equal(in_queue(&st, "mdm"), 1);
	/* and is no job that the next plug would end as staged */
	FAILS(stg_store_job_open(st.s, "apple", who.unit, err), STG_E_NOT_FOUND, 0);
	state_remove(&st);
}

static void the_restore_queue_takes_a_number_read_off_the_case(void **unused)
{
	struct state st;
	int64_t id = 0, again = 0;
	(void)unused;
	state_open(&st);
	json_t *row = json_pack("{s:s,s:s,s:s,s:s}", "queue", "restore", "serial", "f2lxk0aa9999", "reason", "dead touch screen", "actor", "tom");
	OK(stg_store_queue_add(st.s, row, &id, err));
	OK(stg_store_queue_add(st.s, row, &again, err));
	assert_int_equal(id, again);
	json_decref(row);
	assert_int_equal(in_queue(&st, "restore"), 1);
	OK(stg_store_queue_done(st.s, id, "tom", "scrapped", err));
	FAILS(stg_store_queue_done(st.s, id, "tom", "scrapped", err), STG_E_NOT_FOUND, STG_ID_NOT_QUEUED);
	assert_int_equal(in_queue(&st, "restore"), 0);
	state_remove(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_stands_in_the_queue_of_what_it_waits_for),
		cmocka_unit_test(an_order_for_the_mdm_goes_out_once_and_ends_when_the_device_is_staged),
		cmocka_unit_test(a_device_without_a_job_can_be_ordered_too),
		cmocka_unit_test(the_restore_queue_takes_a_number_read_off_the_case),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
