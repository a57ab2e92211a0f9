/* test_register.c - the MDM hears of ordered devices once, and a device that must be registered waits for the receipt, whatever happens meanwhile. */
#include "raw.h"

static json_t *outbox(struct stg_store *s, const char *target, const char *serial)
{
	json_t *list, *filter = json_object();
	stg_json_put(filter, "target", target);
	stg_json_put(filter, "serial", serial);
	OK((list = stg_store_outbox(s, filter, err)) != NULL);
	json_decref(filter);
	for (size_t i = json_array_size(list); i-- > 0;)
		if (strcmp(stg_json_str_or(json_array_get(list, i), "phase", "P"), "P") != 0)
			json_array_remove(list, i);
	return list;
}

static int count(struct stg_store *s, const char *target, const char *serial, const char *state)
{
	json_t *list = outbox(s, target, serial), *one;
	size_t i;
	int n = 0;
	json_array_foreach(list, i, one)
		n += !state || strcmp(stg_json_str(one, "state"), state) == 0;
	json_decref(list);
	return n;
}

/* Numbers above zero are phones; below, an order that knows only the IMEI. */
static void order(struct stg_store *s, const char *name, const int *numbers, size_t n)
{
	json_t *batch = json_pack("{s:s,s:s,s:[]}", "name", name, "blueprint", "iphone-new-in-box", "rows");
	for (size_t i = 0; i < n; i++) {
		struct stg_identity who = phone(abs(numbers[i]));
		json_t *row = json_pack("{s:i,s:s,s:s}", "line", (int)i + 2, numbers[i] > 0 ? "serial" : "imei", numbers[i] > 0 ? who.serial : who.imei[0], "asset_tag", "A-1");
		json_array_append_new(json_object_get(batch, "rows"), row);
	}
	OK(stg_store_batch_add(s, batch, err));
	json_decref(batch);
}
#define ORDER(s, name, ...) order(s, name, (const int[]){ __VA_ARGS__ }, sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))

static void state_is(struct stg_store *s, const char *name, const char *state)
{
	json_t *pins = json_pack("{s:{s:s},s:{}}", "blueprint", "name", "x", "profiles");
	OK(stg_store_batch_state(s, name, state, strcmp(state, "started") == 0 ? pins : NULL, err));
	json_decref(pins);
}

/* Everything of a target that is due, settled the same way; what it was about. */
static json_t *settle_all(struct stg_store *s, const char *target, const char *state, const char *text)
{
	json_t *taken, *one, *answer = json_pack("{s:s}", "text", text);
	size_t i;
	OK((taken = stg_store_outbox_take(s, target, 100, stg_boot_ms(), err)) != NULL);
	json_array_foreach(taken, i, one)
		OK(stg_store_outbox_settle(s, stg_json_int(one, "id", 0), state, 0, answer, err));
	json_decref(answer);
	return taken;
}

static int64_t waiting_job(struct stg_store *s, int n, const char *batch, enum stg_job_state *to, enum stg_end *end, json_t *why)
{
	struct stg_identity who = phone(n);
	int64_t device = 0, id = 0;
	OK(stg_store_device_put(s, &who, &device, err));
	json_t *job = json_pack("{s:s,s:s,s:{s:i,s:s,s:s,s:s,s:[]},s:s}", "family", who.family, "unit", who.unit, "blueprint", "v", 1, "name", "b", "sha256", "00", "hand_over",
				"after_registered", "steps", "actor", "anna");
	if (batch) {
		json_t *match;
		OK((match = stg_store_batch_match(s, &who, err)) != NULL);
		json_object_set_new(job, "batch", json_string(batch));
		json_object_set(job, "row", json_object_get(match, "row"));
		json_decref(match);
	}
	OK(stg_store_job_add(s, job, &id, err));
	json_decref(job);
	OK(stg_store_job_move(s, id, STG_JOB_RUNNING, NULL, err));
	*to = STG_JOB_DONE;
	*end = STG_END_STAGED;
	OK(stg_store_hand_over(s, id, to, end, why, err));
	OK(stg_store_job_finish(s, id, *to, *end, why, &who, NULL, NULL, err));
	return id;
}

static void job_is(struct stg_store *s, int64_t id, const char *state, const char *end, unsigned int why_id, const char *words)
{
	json_t *job;
	OK((job = stg_store_job(s, id, err)) != NULL);
	assert_string_equal(stg_json_str(job, "state"), state);
	assert_string_equal(stg_json_str(job, "end"), end);
	assert_int_equal(stg_json_int(job, "code", 0), why_id);
	if (!strstr(stg_json_str(job, "msg"), words))
		fail_msg("'%s' does not say '%s'", stg_json_str(job, "msg"), words);
	json_decref(job);
}

static void an_order_is_told_once_whatever_is_imported_again(void **unused)
{
	(void)unused;
	struct state st;
	json_t *batch, *rows;
	state_open(&st);
	add_target(st.s, "intune", "PAB");
	add_target(st.s, "hook", "E");
	ORDER(st.s, "ONE", 1, 2, -3);
	assert_int_equal(count(st.s, "intune", "", "queued"), 2);
	assert_int_equal(count(st.s, "hook", "", NULL), 0);
	/* in two orders; the first again with one serial number mended */
	ORDER(st.s, "TWO", 2, 4);
	ORDER(st.s, "ONE-AGAIN", 1, 5);
	assert_int_equal(count(st.s, "intune", "", NULL), 4);
	for (int n = 1; n <= 5; n++) {
		struct stg_identity who = phone(n);
		assert_int_equal(count(st.s, "intune", who.serial, NULL), n != 3);
	}
	/* told, and then imported once more: the receiver hears nothing */
	json_decref(settle_all(st.s, "intune", "delivered", ""));
	ORDER(st.s, "THREE", 1, 2, 4, 5);
	assert_int_equal(count(st.s, "intune", "", NULL), 4);
	assert_int_equal(count(st.s, "intune", "", "delivered"), 4);
	OK((batch = stg_store_batch(st.s, "ONE", err)) != NULL);
	assert_int_equal(stg_json_int(json_object_get(batch, "registration"), "wanted", 0), 2);
	assert_int_equal(stg_json_int(json_object_get(batch, "registration"), "registered", 0), 2);
	json_decref(batch);
	/* a receiver that came later hears of all that are still to come */
	add_target(st.s, "jamf", "PAB");
	assert_int_equal(count(st.s, "jamf", "", "queued"), 4);
	add_target(st.s, "jamf", "PAB");
	assert_int_equal(count(st.s, "jamf", "", NULL), 4);
	/* an import that fails leaves nothing to tell */
	batch = json_pack("{s:s,s:s,s:[{s:i,s:s},{s:i,s:s}]}", "name", "BAD", "blueprint", "b", "rows", "line", 2, "serial", "F2LXK0AA0077", "line", 3, "ecid", "nonsense!");
	FAILS(stg_store_batch_add(st.s, batch, err), STG_E_INPUT, 0);
	json_decref(batch);
	assert_int_equal(count(st.s, "intune", "F2LXK0AA0077", NULL), 0);
	/* on a stick go results alone */
	OK((rows = stg_store_outbox_carry(st.s, "", 100, NULL, err)) != NULL);
	assert_int_equal(json_array_size(rows), 0);
	json_decref(rows);
	state_remove(&st);
}

static void what_is_sent_says_what_the_order_says(void **unused)
{
	(void)unused;
	struct state st;
	state_open(&st);
	add_target(st.s, "intune", "PAB");
	ORDER(st.s, "ONE", 1);
	json_t *taken = settle_all(st.s, "intune", "queued", ""), *row = json_array_get(taken, 0);
	json_t *record = stg_json_parse(stg_bytes_str(stg_json_str(row, "payload")), 1 << 20, NULL);
	char sum[65];
	assert_int_equal(json_array_size(taken), 1);
	assert_string_equal(stg_json_str(row, "phase"), "P");
	stg_sha256_hex(stg_bytes_str(stg_json_str(row, "payload")), sum);
	assert_string_equal(stg_json_str(row, "payload_sha256"), sum);
	assert_string_equal(stg_json_str(record, "record_id"), stg_json_str(row, "record_id"));
	assert_string_equal(stg_json_str(record, "outcome"), "ordered");
	assert_string_equal(stg_json_str(record, "asset_tag"), "A-1");
	assert_string_equal(stg_json_str(json_object_get(record, "device"), "serial"), "F2LXK0AA0001");
	json_decref(record);
	json_decref(taken);
	state_remove(&st);
}

static void a_changed_registration_is_set_aside_and_never_sent(void **unused)
{
	(void)unused;
	struct state st;
	raw_begin();
	state_open(&st);
	add_target(st.s, "intune", "PAB");
	ORDER(st.s, "ONE", 1, 2);
	raw_run(raw_last, "UPDATE registration SET bytes = replace(bytes, 'F2LXK0AA0001', 'F2LXK0AA9999') WHERE serial = 'F2LXK0AA0001'");
	json_t *taken = settle_all(st.s, "intune", "delivered", "");
	assert_int_equal(json_array_size(taken), 1);
	assert_string_equal(stg_json_str(json_array_get(taken, 0), "serial"), "F2LXK0AA0002");
	assert_int_equal(count(st.s, "intune", "F2LXK0AA0001", "damaged"), 1);
	json_decref(taken);
	sqlite3_reset_auto_extension();
	state_remove(&st);
}

static void a_closed_order_takes_back_what_was_not_told(void **unused)
{
	(void)unused;
	struct state st;
	json_t *list;
	enum stg_job_state to;
	enum stg_end end;
	json_t *why = json_object();
	state_open(&st);
	add_target(st.s, "intune", "PAB");
	ORDER(st.s, "ONE", 1);
	json_decref(settle_all(st.s, "intune", "delivered", ""));
	ORDER(st.s, "TWO", 1, 2, 3, 4);
	ORDER(st.s, "OTHER", 3);
	state_is(st.s, "TWO", "started");
	/* the fourth has been here and waits for its receipt */
	int64_t job = waiting_job(st.s, 4, "TWO", &to, &end, why);
	job_is(st.s, job, "parked", "waiting", STG_ID_REGISTRATION_WAITS, "intune");
	state_is(st.s, "TWO", "closed");
	assert_int_equal(count(st.s, "intune", "F2LXK0AA0001", "delivered"), 1);
	assert_int_equal(count(st.s, "intune", "F2LXK0AA0003", "queued"), 1);
	assert_int_equal(count(st.s, "intune", "F2LXK0AA0004", "queued"), 1);
	list = outbox(st.s, "intune", "F2LXK0AA0002");
	assert_string_equal(stg_json_str(json_array_get(list, 0), "state"), "dropped");
	assert_non_null(strstr(stg_json_str(json_object_get(json_array_get(list, 0), "answer"), "text"), "TWO"));
	json_decref(list);
	/* open again: it is expected again, and told */
	state_is(st.s, "TWO", "reopened");
	assert_int_equal(count(st.s, "intune", "F2LXK0AA0002", "queued"), 1);
	assert_int_equal(count(st.s, "intune", "F2LXK0AA0001", NULL), 1);
	json_decref(why);
	state_remove(&st);
}

static void a_device_waits_until_every_receipt_is_here_and_is_then_staged(void **unused)
{
	(void)unused;
	struct state st;
	enum stg_job_state to;
	enum stg_end end;
	json_t *why = json_object(), *records, *queue, *batch;
	state_open(&st);
	add_target(st.s, "intune", "PAB");
	add_target(st.s, "jamf", "PAB");
	ORDER(st.s, "ONE", 1, 2);
	state_is(st.s, "ONE", "started");
	int64_t job = waiting_job(st.s, 1, "ONE", &to, &end, why);
	assert_string_equal(stg_json_str(why, "wait"), "registration");
	job_is(st.s, job, "parked", "waiting", STG_ID_REGISTRATION_WAITS, "intune");
	OK((queue = stg_store_queues(st.s, "registration", err)) != NULL);
	assert_int_equal(json_array_size(queue), 1);
	assert_true(stg_json_int(json_array_get(queue, 0), "since_ms", 0) > 0);
	json_decref(queue);
	json_decref(settle_all(st.s, "intune", "delivered", ""));
	job_is(st.s, job, "parked", "waiting", STG_ID_REGISTRATION_WAITS, "");
	/* the receipt that is here and not yet written down is lost with the power: nothing is half done */
	json_t *taken;
	OK((taken = stg_store_outbox_take(st.s, "jamf", 100, stg_boot_ms(), err)) != NULL);
	OK(stg_store_begin(st.s, err));
	for (size_t i = 0; i < json_array_size(taken); i++)
		OK(stg_store_outbox_settle(st.s, stg_json_int(json_array_get(taken, i), "id", 0), "delivered", 0, NULL, err));
	job_is(st.s, job, "done", "staged", 0, "");
	json_decref(taken);
	state_again(&st);
	OK(stg_store_recover(st.s, NULL, err));
	job_is(st.s, job, "parked", "waiting", STG_ID_REGISTRATION_WAITS, "");
	assert_int_equal(count(st.s, "jamf", "", "in_doubt"), 2);
	json_decref(settle_all(st.s, "jamf", "delivered", "read back: it is there"));
	job_is(st.s, job, "done", "staged", 0, "");
	OK((records = stg_store_records(st.s, "ONE", err)) != NULL);
	assert_int_equal(json_array_size(records), 2);
	assert_string_equal(stg_json_str(json_array_get(records, 0), "end"), "waiting");
	assert_string_equal(stg_json_str(json_array_get(records, 1), "end"), "staged");
	json_decref(records);
	OK((batch = stg_store_batch(st.s, "ONE", err)) != NULL);
	assert_int_equal(stg_json_int(json_object_get(batch, "balance"), "staged", 0), 1);
	assert_int_equal(stg_json_int(json_object_get(batch, "registration"), "registered", 0), 2);
	json_decref(batch);
	/* the second one finds its receipts here */
	json_object_clear(why);
	job_is(st.s, waiting_job(st.s, 2, "ONE", &to, &end, why), "done", "staged", 0, "");
	json_decref(why);
	state_remove(&st);
}

static void a_refused_device_is_held_with_the_words_of_the_mdm(void **unused)
{
	(void)unused;
	struct state st;
	enum stg_job_state to;
	enum stg_end end;
	json_t *why = json_object(), *list, *batch;
	state_open(&st);
	add_target(st.s, "intune", "PAB");
	ORDER(st.s, "ONE", 1, 2);
	state_is(st.s, "ONE", "started");
	int64_t before = waiting_job(st.s, 1, "ONE", &to, &end, why);
	json_decref(settle_all(st.s, "intune", "rejected", "already in tenant contoso"));
	job_is(st.s, before, "hold", "hold", STG_ID_REGISTRATION_REFUSED, "intune: already in tenant contoso");
	json_object_clear(why);
	int64_t after = waiting_job(st.s, 2, "ONE", &to, &end, why);
	job_is(st.s, after, "hold", "hold", STG_ID_REGISTRATION_REFUSED, "already in tenant contoso");
	OK((batch = stg_store_batch(st.s, "ONE", err)) != NULL);
	assert_int_equal(stg_json_int(json_object_get(batch, "balance"), "hold", 0), 2);
	assert_int_equal(stg_json_int(json_object_get(batch, "registration"), "refused", 0), 2);
	json_decref(batch);
	/* put right there and sent again: one becomes staged by its receipt, one because two people gave it up */
	list = outbox(st.s, "intune", "F2LXK0AA0001");
	OK(stg_store_outbox_settle(st.s, stg_json_int(json_array_get(list, 0), "id", 0), "queued", 0, NULL, err));
	job_is(st.s, before, "hold", "hold", STG_ID_REGISTRATION_REFUSED, "");
	json_decref(list);
	json_decref(settle_all(st.s, "intune", "delivered", ""));
	job_is(st.s, before, "done", "staged", 0, "");
	job_is(st.s, after, "hold", "hold", STG_ID_REGISTRATION_REFUSED, "");
	list = outbox(st.s, "intune", "F2LXK0AA0002");
	OK(stg_store_outbox_settle(st.s, stg_json_int(json_array_get(list, 0), "id", 0), "dropped", 0, NULL, err));
	job_is(st.s, after, "done", "staged", 0, "");
	json_decref(list);
	json_decref(why);
	state_remove(&st);
}

static void a_device_of_no_order_is_told_when_it_is_ready_and_without_a_target_it_waits(void **unused)
{
	(void)unused;
	struct state st;
	enum stg_job_state to;
	enum stg_end end;
	json_t *why = json_object();
	state_open(&st);
	add_target(st.s, "hook", "E");
	int64_t alone = waiting_job(st.s, 1, NULL, &to, &end, why);
	job_is(st.s, alone, "parked", "waiting", STG_ID_REGISTRATION_NO_TARGET, "");
	add_target(st.s, "intune", "PAB");
	OK(stg_store_hand_over_look(st.s, alone, err));
	assert_int_equal(count(st.s, "intune", "F2LXK0AA0001", "queued"), 1);
	json_object_clear(why);
	int64_t second = waiting_job(st.s, 2, NULL, &to, &end, why);
	job_is(st.s, second, "parked", "waiting", STG_ID_REGISTRATION_WAITS, "intune");
	/* its own result waits with it: the receiver hears of the registration first */
	json_t *taken = settle_all(st.s, "intune", "delivered", "");
	assert_string_equal(stg_json_str(json_array_get(taken, 0), "phase"), "P");
	json_decref(taken);
	job_is(st.s, alone, "done", "staged", 0, "");
	job_is(st.s, second, "done", "staged", 0, "");
	json_decref(why);
	state_remove(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_order_is_told_once_whatever_is_imported_again),
		cmocka_unit_test(what_is_sent_says_what_the_order_says),
		cmocka_unit_test(a_changed_registration_is_set_aside_and_never_sent),
		cmocka_unit_test(a_closed_order_takes_back_what_was_not_told),
		cmocka_unit_test(a_device_waits_until_every_receipt_is_here_and_is_then_staged),
		cmocka_unit_test(a_refused_device_is_held_with_the_words_of_the_mdm),
		cmocka_unit_test(a_device_of_no_order_is_told_when_it_is_ready_and_without_a_target_it_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
