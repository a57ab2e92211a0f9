/*
 * test_steps.c - each step against a device that behaves, and one that does not.
 */
#include "toy_station.h"

static const char *wait_of(const json_t *last)
{
	return stg_json_str(json_object_get(last, "why"), "wait");
}

/* ---- identify, require ---- */

static void another_device_than_the_jobs_is_held_and_left_alone(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD "  - set_name: {name: X}\n");
	stg_copy(s.job.identity.unit, sizeof(s.job.identity.unit), "9999");
	toy_ends(toy_run(&s), "hold");
	assert_int_equal(toy->pairs, 0);
	assert_int_equal(toy->names, 0);
	toy_station_clear(&s);
}

static void check_requirement(const char *requires, const char *end, const char *id, const char *wait)
{
	struct toy_station s;
	char yaml[512];
	snprintf(yaml, sizeof(yaml), "name: toy\nrequires: %s\nsteps:\n  - identify:\n  - pair:\n  - set_name: {name: X}\n", requires);
	toy_station_make(&s, yaml);
	const json_t *last = toy_run(&s);
	if (strcmp(stg_json_str(last, "end"), end) != 0 || strcmp(why_id(last), id) != 0 || strcmp(wait_of(last), wait) != 0)
		fail_msg("requires %s: %s %s %s", requires, stg_json_str(last, "end"), why_id(last), wait_of(last));
	if (*id && toy->names)
		fail_msg("requires %s: it was written to", requires);
	toy_station_clear(&s);
}

static void a_device_the_blueprint_is_not_for_is_never_written_to(void **state)
{
	(void)state;
	toy_make();
	check_requirement("{models: [\"iPhone*\"]}", "hold", "WRONG_MODEL", "");
	assert_int_equal(toy->pairs, 0);        /* what can be read without trust is looked at first */
	check_requirement("{device_class: iPhone}", "hold", "WRONG_MODEL", "");
	check_requirement("{os: \"17.6\"}", "hold", "WRONG_OS", "");
	check_requirement("{os: \"17.10\"}", "hold", "WRONG_OS", "");
	check_requirement("{ownership: personal}", "hold", "WRONG_OWNERSHIP", "");
	check_requirement("{capacity_gb: 128}", "hold", "WRONG_CAPACITY", "");
	toy->battery = 10;
	check_requirement("{battery: 20}", "waiting", "NEEDS_CHARGE", "charge");
	toy->battery = 80;
	toy->setup_done = true;
	check_requirement("{setup_assistant: true}", "hold", "SETUP_DONE", "");
	toy->supervised = true;
	check_requirement("{setup_assistant: true}", "hold", "SUPERVISED_BY_OTHER", "");
	toy->ours = true;
	check_requirement("{setup_assistant: true}", "staged", "", "");
	toy->supervised = toy->ours = false;
	toy->names = 0;
	toy->find_my = true;
	check_requirement("{find_my: false}", "hold", "FIND_MY_ON", "");
	check_requirement("{supervised: true}", "hold", "NOT_SUPERVISED", "");
	toy_make();
	check_requirement("{models: [\"iPad13,*\"], os: \"17.5\", battery: 80, capacity_gb: 64, setup_assistant: true, find_my: false, ownership: pool}",
			  "staged", "", "");
}

/* ---- pair ---- */

static void pairing_waits_for_the_tap_and_asks_for_it_once(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->taps_needed = 2;
	toy_station_make(&s, HEAD);
	toy_ends(toy_run(&s), "staged");
	assert_int_equal(toy->pairs, 3);
	assert_int_equal(side_count(&s.side, "person"), 1);
	assert_string_equal(side_outcome(&s.side, "02-pair"), "done");
	assert_true(stg_json_bool(json_object_get(json_object_get(side_end_of(&s.side, "02-pair"), "evidence"), "reread"), "session_opens", false));
	toy_station_clear(&s);
}

static void nobody_taps_and_the_job_waits_for_a_person(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->taps_needed = 1000;
	toy_station_make(&s, "name: toy\nsteps:\n  - pair:\n    timeout: 2 s\n  - set_name: {name: X}\n");
	const json_t *last = toy_run(&s);
	toy_ends(last, "waiting");
	assert_string_equal(wait_of(last), "person");
	assert_int_equal(toy->names, 0);
	toy_station_clear(&s);
}

/* ---- activate, supervise ---- */

#define WARD                                                                                                          \
	HEAD "  - set_time:\n  - activate:\n  - supervise:\n  - install_profile: {profile: root}\n"                  \
	     "  - install_profile: {profile: lock, supervised: yes}\n  - install_profile: {profile: silent, how: silent}\n" \
	     "  - issue_certificate: {common_name: \"{{serial}}\"}\n  - install_profile: {profile: mdm, when: after_setup}\n" \
	     "  - set_name: {name: \"{{asset_tag|serial}}\"}\n  - verify: {supervised: true}\n"

static void without_a_line_everything_that_can_be_done_is_done(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->activated = toy->line = false;
	toy_station_make(&s, WARD);
	const json_t *last = toy_run(&s);
	toy_ends(last, "waiting");
	assert_string_equal(wait_of(last), "line");
	assert_string_equal(stg_json_str(json_object_get(last, "why"), "step"), "04-activate");
	assert_int_equal(toy->supervises, 0);   /* SetCloudConfiguration is never sent to a device that is not activated */
	assert_string_equal(side_outcome(&s.side, "05-supervise"), "waiting");
	assert_string_equal(side_outcome(&s.side, "06-install_profile-root"), "done");
	assert_string_equal(side_outcome(&s.side, "07-install_profile-lock"), "waiting");
	assert_string_equal(side_outcome(&s.side, "08-install_profile-silent"), "waiting");
	assert_string_equal(side_outcome(&s.side, "09-issue_certificate"), "done");
	assert_string_equal(side_outcome(&s.side, "10-install_profile-mdm"), "done");
	assert_string_equal(side_outcome(&s.side, "11-set_name"), "done");
	assert_string_equal(side_outcome(&s.side, "12-verify"), "waiting");
	assert_string_equal(toy->name, "A-1042");

	/* the line opens, it is plugged in again: only what waited is done */
	int installs = toy->installs, stores = toy->stores;
	toy->line = true;
	last = toy_run_again(&s);
	toy_ends(last, "staged");
	assert_int_equal(toy->supervises, 1);
	assert_int_equal(toy->installs, installs + 2);
	assert_int_equal(toy->stores, stores);
	assert_int_equal(toy->names, 1);
	assert_string_equal(side_outcome(&s.side, "06-install_profile-root"), "proven");
	assert_string_equal(side_outcome(&s.side, "09-issue_certificate"), "proven");
	assert_string_equal(side_outcome(&s.side, "12-verify"), "proven");
	toy_station_clear(&s);
}

static void supervision_by_somebody_else_is_held(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->someone_elses = toy->supervised = true;
	toy_station_make(&s, HEAD "  - supervise:\n  - install_profile: {profile: root}\n");
	const json_t *last = toy_run(&s);
	toy_ends(last, "hold");
	assert_string_equal(why_id(last), "SUPERVISED_BY_OTHER");
	assert_int_equal(toy->installs, 0);
	toy_station_clear(&s);
}

static void a_lost_answer_to_supervision_is_re_read_not_repeated(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->supervise_lost = true;
	toy_station_make(&s, HEAD "  - supervise:\n");
	toy_ends(toy_run(&s), "staged");
	assert_int_equal(toy->supervises, 1);
	const json_t *evidence = json_object_get(side_end_of(&s.side, "03-supervise"), "evidence");
	assert_true(json_is_false(json_object_get(evidence, "acknowledged")));
	assert_true(stg_json_bool(json_object_get(evidence, "reread"), "ours", false));
	toy_station_clear(&s);
}

/* ---- profiles ---- */

static void acknowledged_but_absent_is_a_failure(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->install_lies = true;
	toy_station_make(&s, HEAD "  - install_profile: {profile: root}\n    retry: {times: 1, wait: 10 ms}\n");
	const json_t *last = toy_run(&s);
	toy_ends(last, "failed");
	assert_string_equal(why_id(last), "NOT_PROVEN");
	assert_int_equal(toy->installs, 2);
	toy_station_clear(&s);
}

static void reported_failed_but_present_is_done_and_both_facts_are_kept(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->install_denies = true;
	toy_station_make(&s, HEAD "  - install_profile: {profile: root}\n");
	toy_ends(toy_run(&s), "staged");
	const json_t *evidence = json_object_get(side_end_of(&s.side, "03-install_profile-root"), "evidence");
	assert_true(json_is_false(json_object_get(evidence, "acknowledged")));
	assert_string_equal(stg_json_str(json_object_get(evidence, "reread"), "identifier"), "org.toy.03-install_profile-root");
	toy_station_clear(&s);
}

static void a_stored_profile_is_compared_byte_by_byte(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD "  - install_profile: {profile: mdm, when: after_setup}\n");
	toy_ends(toy_run(&s), "staged");
	assert_int_equal(toy->stores, 1);
	assert_int_equal(toy->installs, 0);
	toy_run_again(&s);
	assert_int_equal(toy->stores, 1);
	/* somebody stored another one meanwhile */
	stg_copy(toy->stored, sizeof(toy->stored), "{}");
	toy_ends(toy_run_again(&s), "staged");
	assert_int_equal(toy->stores, 2);
	toy_station_clear(&s);
}

static void a_profile_somebody_removed_is_installed_again(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD "  - install_profile: {profile: root}\n  - verify:\n");
	toy_ends(toy_run(&s), "staged");
	toy->n_profiles = 0;
	toy_ends(toy_run_again(&s), "staged");
	assert_int_equal(toy->installs, 2);
	assert_string_equal(side_outcome(&s.side, "03-install_profile-root"), "done");
	toy_station_clear(&s);
}

static void an_older_version_of_a_profile_is_not_the_profile(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD "  - install_profile: {profile: root}\n");
	toy_ends(toy_run(&s), "staged");
	toy->profiles[0].version = 7;
	toy_ends(toy_run_again(&s), "failed");  /* the toy keeps the version it has */
	assert_true(toy->installs > 1);
	toy_station_clear(&s);
}

static void a_profile_that_waits_for_a_tap_is_sent_once(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->lists_until_tap = 2;
	toy_station_make(&s, HEAD "  - install_profile: {profile: root, how: person}\n");
	toy_ends(toy_run(&s), "staged");
	assert_int_equal(toy->installs, 1);
	assert_int_equal(side_count(&s.side, "person"), 1);
	toy_station_clear(&s);
}

static void a_profile_that_needs_supervision_is_held_where_nothing_supervises(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD "  - install_profile: {profile: lock, supervised: yes}\n");
	const json_t *last = toy_run(&s);
	toy_ends(last, "hold");
	assert_string_equal(why_id(last), "NOT_SUPERVISED");
	assert_int_equal(s.payloads, 0);
	toy_station_clear(&s);
}

static void a_certificate_begun_and_interrupted_is_replaced_by_a_new_one(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->pulled_at_install = true;
	toy_station_make(&s, HEAD "  - set_time:\n  - issue_certificate: {common_name: x}\n");
	toy_ends(toy_run(&s), "interrupted");
	assert_string_equal(side_outcome(&s.side, "04-issue_certificate"), "interrupted");
	toy->present = true;
	toy->pulled_at_install = false;
	toy_ends(toy_run_again(&s), "staged");
	assert_int_equal(s.payloads, 2);
	assert_string_equal(toy->profiles[0].uuid, "00000000-0000-4000-8000-000000000002");
	toy_station_clear(&s);
}

/* ---- name, time, verify ---- */

static void a_wrong_clock_is_set_before_the_certificate(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->off_by_ms = -86400000ll * 400;
	toy_station_make(&s, HEAD "  - set_time: {zone: Europe/Paris}\n  - issue_certificate: {common_name: x}\n");
	toy_ends(toy_run(&s), "staged");
	assert_true(llabs(toy->off_by_ms) < 60000);
	assert_string_equal(toy->zone, "Europe/Paris");
	const json_t *ack = json_object_get(json_object_get(side_end_of(&s.side, "03-set_time"), "evidence"), "acknowledged");
	assert_true(stg_json_int(ack, "was_off_by_ms", 0) < -86400000ll);
	toy_station_clear(&s);
}

/* A profile made for {{serial}} needs it: the station must hear it before it is asked for the payload. */
static void a_serial_that_shows_after_pairing_is_told_before_the_payload(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->trusted = false;
	toy_station_make(&s, HEAD "  - set_time:\n  - issue_certificate: {common_name: \"{{serial}}\"}\n");
	toy_ends(toy_run(&s), "staged");
	bool told = false;
	for (size_t i = 0; i < json_array_size(s.side.words); i++) {
		const json_t *m = json_array_get(s.side.words, i);
		told = told || strcmp(stg_json_str(json_object_get(m, "identity"), "serial"), "TOY00000001") == 0;
		if (strcmp(stg_json_str(m, "what"), "payload") == 0)
			break;
	}
	assert_true(told);
	assert_int_equal(s.payloads, 1);
	toy_station_clear(&s);
}

static void a_wrong_clock_alone_is_reason_enough(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->off_by_ms = 3600000;
	toy_station_make(&s, HEAD "  - set_time:\n");
	toy_ends(toy_run(&s), "staged");
	assert_true(llabs(toy->off_by_ms) < 60000);
	toy_station_clear(&s);
}

static void a_zone_the_device_does_not_take_is_seen(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->keeps_zone = true;
	toy_station_make(&s, HEAD "  - set_time: {zone: Europe/Paris}\n");
	const json_t *last = toy_run(&s);
	toy_ends(last, "failed");
	assert_string_equal(why_id(last), "NOT_PROVEN");
	const json_t *seen = json_object_get(json_object_get(side_end_of(&s.side, "03-set_time"), "evidence"), "reread");
	assert_string_equal(stg_json_str(seen, "time_zone"), "Pacific/Auckland");
	toy_station_clear(&s);
}

static void verify_names_what_is_missing(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD "  - verify: {supervised: true, profiles: [org.someone.else]}\n");
	const json_t *last = toy_run(&s);
	toy_ends(last, "failed");
	assert_string_equal(why_id(last), "VERIFY_FAILED");
	assert_non_null(strstr(stg_json_str(json_object_get(last, "why"), "msg"), "supervised"));
	toy_station_clear(&s);
	/* each thing it compares can be the one that is missing */
	static const char *const alone[][2] = { { "profiles: [org.someone.else]", "org.someone.else" }, { "name: W-1", "name" }, { "activated: false", "activated" } };
	for (size_t i = 0; i < STG_ARRAY_LEN(alone); i++) {
		char yaml[200];
		snprintf(yaml, sizeof(yaml), HEAD "  - verify: {%s}\n", alone[i][0]);
		toy_station_make(&s, yaml);
		last = toy_run(&s);
		toy_ends(last, "failed");
		assert_non_null(strstr(stg_json_str(json_object_get(last, "why"), "msg"), alone[i][1]));
		toy_station_clear(&s);
	}
}

/* ---- restart, erase ---- */

static void a_restart_is_proven_by_the_next_attach(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD "  - restart:\n  - set_name: {name: X}\n");
	const json_t *last = toy_run(&s);
	toy_ends(last, "interrupted");
	assert_string_equal(stg_json_str(json_object_get(last, "why"), "code"), "expect_return");
	assert_int_equal(toy->names, 0);
	toy_ends(toy_run_again(&s), "staged");
	assert_int_equal(toy->restarts, 1);
	assert_int_equal(toy->names, 1);
	assert_string_equal(side_outcome(&s.side, "03-restart"), "proven");
	toy_station_clear(&s);
}

#define WIPE HEAD "  - erase:\n  - wait_back:\n"

static void an_erase_is_proven_by_a_new_key_and_never_repeated(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->setup_done = true;
	toy_station_make(&s, WIPE);
	const json_t *last = toy_run(&s);
	toy_ends(last, "interrupted");
	assert_string_equal(stg_json_str(json_object_get(last, "why"), "code"), "expect_return");
	assert_string_equal(side_outcome(&s.side, "03-erase"), "unknown");
	last = toy_run_again(&s);
	toy_ends(last, "staged");
	assert_int_equal(toy->erases, 1);
	assert_int_equal(toy->pairs, 1);        /* what came before the erase is not asked of the empty device */
	assert_string_equal(side_outcome(&s.side, "03-erase"), "proven");
	assert_string_equal(side_outcome(&s.side, "04-wait_back"), "proven");
	assert_string_equal(side_outcome(&s.side, "02-pair"), "(none)");
	toy_station_clear(&s);
}

static void a_new_key_in_the_same_attach_proves_nothing(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, WIPE);
	toy_ends(toy_run(&s), "interrupted");
	/* the worker died and another looks at the same attach: the device has not restarted, whatever its key says */
	s.arrival.attach--;
	const json_t *last = toy_run_again(&s);
	toy_ends(last, "hold");
	assert_string_equal(why_id(last), "ERASE_NOT_PROVEN");
	assert_int_equal(toy->erases, 1);
	toy_station_clear(&s);
}

static void another_device_that_answers_meanwhile_is_not_erased(void **state)
{
	(void)state;
	struct toy_station s;
	int held = 0;
	/* it changes at every place where somebody asks who it is */
	for (int i = 1; i < 8; i++) {
		toy_make();
		toy->swapped_after = i;
		toy_station_make(&s, WIPE);
		const json_t *last = toy_run(&s);
		assert_int_equal(toy->erases_of_other, 0);
		held += toy->identifies > i && strcmp(stg_json_str(last, "end"), "hold") == 0 && !toy->erases;
		toy_station_clear(&s);
	}
	assert_true(held > 0);
}

static void a_gate_that_cannot_be_asked_sends_nothing(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, WIPE);
	s.gate_breaks = true;
	toy_ends(toy_run(&s), "hold");
	assert_string_equal(side_outcome(&s.side, "03-erase"), "failed");      /* not "unknown": nothing was sent */
	assert_int_equal(toy->erases, 0);
	toy_station_clear(&s);
}

static void a_closed_gate_sends_nothing(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, WIPE);
	s.gate_says_no = true;
	toy_ends(toy_run(&s), "hold");
	assert_int_equal(s.tokens, 1);
	assert_int_equal(toy->erases, 0);
	toy_station_clear(&s);
}

static void find_my_stops_an_erase_before_the_gate(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->find_my = true;
	toy_station_make(&s, WIPE);
	const json_t *last = toy_run(&s);
	toy_ends(last, "hold");
	assert_string_equal(why_id(last), "FIND_MY_ON");
	assert_int_equal(s.tokens, 0);
	assert_int_equal(toy->erases, 0);
	toy_station_clear(&s);
}

static void a_lost_erase_is_judged_when_the_device_is_back(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->erase_lost = toy->erase_gone = true;
	toy_station_make(&s, WIPE);
	const json_t *last = toy_run(&s);
	toy_ends(last, "interrupted");
	assert_string_equal(stg_json_str(json_object_get(last, "why"), "code"), "expect_return");
	toy->present = true;
	toy_ends(toy_run_again(&s), "staged");
	assert_int_equal(toy->erases, 1);
	toy_station_clear(&s);
}

static void an_erase_that_did_not_happen_is_held_and_not_sent_again(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, WIPE);
	toy->erase_ignored = true;              /* acknowledged, and nothing happens */
	toy_ends(toy_run(&s), "interrupted");
	for (int i = 0; i < 2; i++) {
		const json_t *last = toy_run_again(&s);
		toy_ends(last, "hold");
		assert_string_equal(why_id(last), "ERASE_NOT_PROVEN");
	}
	assert_int_equal(toy->erases, 1);
	toy_station_clear(&s);
}

/* ---- names, unlock tokens ---- */

static void a_name_another_device_of_the_batch_has_is_not_given_twice(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD "  - set_name: {name: B-14}\n");
	s.name_taken = "B-14";
	const json_t *last = toy_run(&s);
	toy_ends(last, "failed");
	assert_string_equal(why_id(last), "NAME_TAKEN");
	assert_int_equal(toy->names, 0);
	toy_station_clear(&s);
}

static void check_token(const char *step, bool passcode, bool no_key, const char *end, const char *id, int asks, int kept)
{
	struct toy_station s;
	char yaml[300];
	toy_make();
	toy->has_passcode = passcode;
	snprintf(yaml, sizeof(yaml), HEAD "  - supervise:\n  - escrow_unlock_token: %s\n  - set_name: {name: X}\n", step);
	toy_station_make(&s, yaml);
	s.no_recovery_key = no_key;
	const json_t *last = toy_run(&s);
	if (strcmp(stg_json_str(last, "end"), end) != 0 || strcmp(why_id(last), id) != 0 || toy->token_asks != asks || s.kept != kept)
		fail_msg("%s %d %d: %s %s, asked %d, kept %d", step, passcode, no_key, stg_json_str(last, "end"), why_id(last), toy->token_asks, s.kept);
	toy_station_clear(&s);
}

static void an_unlock_token_is_asked_for_only_where_it_can_be_kept(void **state)
{
	(void)state;
	check_token("{}", false, true, "hold", "NO_RECOVERY_KEY", 0, 0);
	check_token("{optional: yes}", false, true, "staged", "", 0, 0);
	check_token("{}", true, false, "failed", "PASSCODE_NO_TOKEN", 1, 0);
	check_token("{}", false, false, "staged", "", 1, 1);
}

static void a_kept_token_is_not_asked_for_again_by_the_same_job(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->activated = toy->line = false;
	toy_station_make(&s, HEAD "  - activate:\n  - supervise:\n  - escrow_unlock_token:\n");
	toy_ends(toy_run(&s), "waiting");
	assert_string_equal(side_outcome(&s.side, "05-escrow_unlock_token"), "waiting");
	assert_int_equal(toy->token_asks, 0);
	toy->line = true;
	toy_ends(toy_run_again(&s), "staged");
	assert_int_equal(toy->token_asks, 1);
	toy_ends(toy_run_again(&s), "staged");
	assert_int_equal(toy->token_asks, 1);
	assert_string_equal(side_outcome(&s.side, "05-escrow_unlock_token"), "proven");
	toy_station_clear(&s);
}

static void what_a_supervised_device_alone_does_is_held_elsewhere(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD "  - wifi: {power: off}\n");
	const json_t *last = toy_run(&s);
	toy_ends(last, "hold");
	assert_string_equal(why_id(last), "NOT_SUPERVISED");
	toy_station_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_another_device_of_the_batch_has_is_not_given_twice),
		cmocka_unit_test(an_unlock_token_is_asked_for_only_where_it_can_be_kept),
		cmocka_unit_test(a_kept_token_is_not_asked_for_again_by_the_same_job),
		cmocka_unit_test(what_a_supervised_device_alone_does_is_held_elsewhere),
		cmocka_unit_test(another_device_than_the_jobs_is_held_and_left_alone),
		cmocka_unit_test(a_device_the_blueprint_is_not_for_is_never_written_to),
		cmocka_unit_test(pairing_waits_for_the_tap_and_asks_for_it_once),
		cmocka_unit_test(nobody_taps_and_the_job_waits_for_a_person),
		cmocka_unit_test(without_a_line_everything_that_can_be_done_is_done),
		cmocka_unit_test(supervision_by_somebody_else_is_held),
		cmocka_unit_test(a_lost_answer_to_supervision_is_re_read_not_repeated),
		cmocka_unit_test(acknowledged_but_absent_is_a_failure),
		cmocka_unit_test(reported_failed_but_present_is_done_and_both_facts_are_kept),
		cmocka_unit_test(a_stored_profile_is_compared_byte_by_byte),
		cmocka_unit_test(a_profile_somebody_removed_is_installed_again),
		cmocka_unit_test(an_older_version_of_a_profile_is_not_the_profile),
		cmocka_unit_test(a_profile_that_waits_for_a_tap_is_sent_once),
		cmocka_unit_test(a_profile_that_needs_supervision_is_held_where_nothing_supervises),
		cmocka_unit_test(a_certificate_begun_and_interrupted_is_replaced_by_a_new_one),
		cmocka_unit_test(a_wrong_clock_is_set_before_the_certificate),
		cmocka_unit_test(a_wrong_clock_alone_is_reason_enough),
		cmocka_unit_test(a_zone_the_device_does_not_take_is_seen),
		cmocka_unit_test(a_serial_that_shows_after_pairing_is_told_before_the_payload),
		cmocka_unit_test(verify_names_what_is_missing),
		cmocka_unit_test(a_restart_is_proven_by_the_next_attach),
		cmocka_unit_test(an_erase_is_proven_by_a_new_key_and_never_repeated),
		cmocka_unit_test(a_new_key_in_the_same_attach_proves_nothing),
		cmocka_unit_test(another_device_that_answers_meanwhile_is_not_erased),
		cmocka_unit_test(a_gate_that_cannot_be_asked_sends_nothing),
		cmocka_unit_test(a_closed_gate_sends_nothing),
		cmocka_unit_test(find_my_stops_an_erase_before_the_gate),
		cmocka_unit_test(a_lost_erase_is_judged_when_the_device_is_back),
		cmocka_unit_test(an_erase_that_did_not_happen_is_held_and_not_sent_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
