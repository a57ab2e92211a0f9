/*
 * test_unplug.c - a plug pulled at any request is a normal event: the job goes on when the device is back, on any port.
 *
 * STG_SEED picks the run, STG_CUTS and STG_DEVICES its size (the full measure is 1,000 cuts: make soak).
 */
#include "look.h"

static int number(const char *name, int fallback)
{
	const char *text = getenv(name);
	return text && *text ? atoi(text) : fallback;
}

/* Something a device is asked on the way from the box to staged; the cut comes before or after it was carried out. */
static const char *const requests[] = {
	"GetValue", "Pair", "StartSession", "StartService", "GetCloudConfiguration", "SetCloudConfiguration", "GetProfileList", "Escalate",
	"EscalateResponse", "InstallProfile", "InstallProfileSilent", "StoreProfile", "GetStoredProfile", "SetValue",
};

static void devices_pulled_at_any_request_are_staged_in_the_end(void **state)
{
	(void)state;
	struct journey j;
	int cuts = number("STG_CUTS", 40), devices = number("STG_DEVICES", 8);
	uint64_t seed = (uint64_t)number("STG_SEED", 11);
	print_message("seed %llu, %d cuts, %d devices\n", (unsigned long long)seed, cuts, devices);
	journey_begin(&j, devices, "instant", seed, NULL);
	journey_batch(&j, "ipad-hospital-ward", "pool");
	/* the cable comes out at the named request and goes back in at once, as another attach */
	for (int i = 0; i < cuts; i++) {
		const char *serial = journey_serial(&j, (size_t)(journey_random(&j) % (uint64_t)devices));
		const char *request = requests[journey_random(&j) % STG_ARRAY_LEN(requests)];
		char skip[24];
		snprintf(skip, sizeof(skip), "skip=%d", (int)(journey_random(&j) % 3));
		struct stg_error err = { 0 };
		json_t *answer = bench_word(j.control, &err, "fault", serial, journey_random(&j) % 2 ? "unplug_before" : "unplug_after", request,
					    skip, "count=1", "back_ms=200", (char *)NULL);
		journey_must(answer != NULL, &err, "fault");
		json_decref(answer);
	}
	journey_tell(&j, "plug", "all", NULL, NULL);
	bool all = journey_wait_staged(&j, devices, 30000);
	/* what a person does with a device that is still red: puts it in again */
	for (int round = 0; !all && round < 10; round++) {
		STG_AUTO(stg_json_free_at) json_t *again = json_pack("{s:s, s:s, s:s}", "batch", BATCH, "state", "failed", "why", "pulled");
		(void)stg_call(&j.caller, "job.retry", again, NULL, 0, NULL, NULL);
		STG_AUTO(stg_json_free_at) json_t *batch = journey_op(&j, "batch.show", json_pack("{s:s}", "name", BATCH), NULL);
		size_t i;
		json_t *row;
		json_array_foreach(json_object_get(batch, "rows"), i, row)
			if (strcmp(stg_json_str(row, "end"), "staged") != 0)
				journey_tell(&j, "replug", stg_json_str(row, "serial"), NULL, NULL);
		all = journey_wait_staged(&j, devices, 30000);
	}
	if (!all) {
		STG_AUTO(stg_json_free_at) json_t *jobs = journey_op(&j, "job.list", json_object(), NULL);
		STG_AUTO(stg_free_at) char *text = stg_json_text(jobs);
		print_message("%s\n", text);
		fail_msg("not all devices were staged (kept in %s)", j.dir);
	}
	assert_true(journey_wait_drained(&j, 300000));
	journey_agrees(&j, devices);
	journey_end(&j);
}

/* Asked who it is, it answers rubbish: once is a bad moment, always is a device to look at, and the board says why. */
static void one_that_does_not_say_who_it_is_is_asked_again_and_then_shown_with_the_reason(void **state)
{
	(void)state;
	struct journey j;
	journey_begin(&j, 2, "instant", 17, NULL);
	journey_batch(&j, "ipad-hospital-ward", "pool");
	static const char *const counts[] = { "count=1", "count=100000" };
	for (size_t i = 0; i < 2; i++) {
		struct stg_error err = { 0 };
		json_t *answer = bench_word(j.control, &err, "fault", journey_serial(&j, i), "garbage", "GetValue", counts[i], (char *)NULL);
		journey_must(answer != NULL, &err, "fault");
		json_decref(answer);
	}
	journey_tell(&j, "plug", "all", NULL, NULL);
	look_wait_row(&j, journey_serial(&j, 0), "end", "staged");
	look_wait_slot(&j, look_udid(&j, 1), "state", "failed");
	STG_AUTO(stg_json_free_at) json_t *slot = look_slot(&j, look_udid(&j, 1));
	char code[16];
	snprintf(code, sizeof(code), "STG-%u", STG_ID_DEVICE_NONSENSE);
	assert_string_equal(stg_json_str(slot, "code"), code);
	journey_end(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_does_not_say_who_it_is_is_asked_again_and_then_shown_with_the_reason),
		cmocka_unit_test(devices_pulled_at_any_request_are_staged_in_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
