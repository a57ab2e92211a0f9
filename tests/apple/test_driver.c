/*
 * test_driver.c - what a device is taken through: seen, trusted, activated, supervised, provisioned, restarted, erased; and
 * every "no" on the way, as the person at the bench is told it.
 */
#include "desk.h"

static void a_device_that_is_not_there_is_said_to_have_gone(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	tell(&d.bench, "unplug %s", d.bench.udid);
	NO(stg_device_open(&d.arrival, &d.host, d.stop, &err), STG_E_GONE, STG_ID_DEVICE_GONE);
	desk_end(&d);
}

static void a_name_that_is_no_udid_is_never_used(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	stg_copy(d.arrival.udid, sizeof(d.arrival.udid), "../../etc/passwd");
	NO(stg_device_open(&d.arrival, &d.host, d.stop, &err), STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE);
	desk_end(&d);
}

static void a_device_in_recovery_is_told_apart(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	d.arrival.mode = STG_MODE_RECOVERY;
	NO(stg_device_open(&d.arrival, &d.host, d.stop, &err), STG_E_UNSUPPORTED, STG_ID_NOT_RUNNING_IOS);
	desk_end(&d);
}

static void before_pairing_it_is_known_by_ecid_and_nothing_is_asked_of_a_person(void **state)
{
	struct desk d;
	struct stg_identity who;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	tell(&d.bench, "set %s at_home_screen true", d.bench.udid);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	STG_AUTO(stg_json_free_at) json_t *there = show(&d.bench, d.bench.udid);
	DO(stg_device_identify(dev, &who, &err));
	assert_string_equal(who.family, "apple");
	assert_true(strlen(who.unit) > 8);
	assert_string_equal(who.serial, "");
	assert_string_equal(who.model, stg_json_str(there, "model"));
	assert_true(who.model_name[0] && who.os_version[0] && who.key_sha256[0]);
	enum stg_trust trust;
	DO(stg_device_trust(dev, &trust, &err));
	assert_int_equal(trust, STG_TRUST_NONE);
	assert_int_equal(count_of(&d.bench, d.bench.udid, "lockdownd Pair"), 0);
	desk_end(&d);
}

static void a_dialog_is_waited_for_with_the_same_record(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	tell(&d.bench, "set %s at_home_screen true", d.bench.udid);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	NO(stg_device_pair(dev, &err), STG_E_NEEDS_HUMAN, STG_ID_TRUST_PENDING);
	NO(stg_device_pair(dev, &err), STG_E_NEEDS_HUMAN, STG_ID_TRUST_PENDING);
	assert_int_equal(d.kept, 0);
	tell(&d.bench, "tap trust %s", d.bench.udid);
	DO(stg_device_pair(dev, &err));
	assert_int_equal(d.kept, 1);
	enum stg_trust trust;
	DO(stg_device_trust(dev, &trust, &err));
	assert_int_equal(trust, STG_TRUST_OURS);
	desk_end(&d);
}

static void dont_trust_is_told_as_such(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	tell(&d.bench, "set %s at_home_screen true", d.bench.udid);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	NO(stg_device_pair(dev, &err), STG_E_NEEDS_HUMAN, STG_ID_TRUST_PENDING);
	tell(&d.bench, "tap deny %s", d.bench.udid);
	NO(stg_device_pair(dev, &err), STG_E_NEEDS_HUMAN, STG_ID_TRUST_DENIED);
	desk_end(&d);
}

static void a_locked_device_asks_for_its_passcode(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	tell(&d.bench, "set %s at_home_screen true", d.bench.udid);
	tell(&d.bench, "lock %s", d.bench.udid);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	NO(stg_device_pair(dev, &err), STG_E_NEEDS_HUMAN, STG_ID_DEVICE_LOCKED);
	desk_end(&d);
}

static void become_trusted(struct stg_device *dev)
{
	DO(stg_device_pair(dev, &err));
}

static void a_paired_device_shows_serial_and_facts(void **state)
{
	struct desk d;
	struct stg_identity who;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	STG_AUTO(stg_json_free_at) json_t *there = show(&d.bench, d.bench.udid);
	become_trusted(dev);
	DO(stg_device_identify(dev, &who, &err));
	assert_string_equal(who.serial, stg_json_str(there, "serial"));
	assert_string_equal(who.udid, d.arrival.udid);
	STG_AUTO(stg_json_free_at) json_t *facts = facts_of(dev);
	assert_false(stg_json_bool(facts, "supervised", true));
	assert_false(stg_json_bool(facts, "ours", true));
	assert_true(stg_json_bool(facts, "activated", false));
	assert_true(stg_json_int(facts, "battery_percent", -1) >= 0);
	assert_true(stg_json_int(facts, "capacity_bytes", -1) > 0);
	desk_end(&d);
}

static void a_second_visit_needs_no_tap_and_no_new_record(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	{
		STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
		become_trusted(dev);
	}
	STG_AUTO(stg_device_close_at) struct stg_device *again = desk_open(&d);
	enum stg_trust trust;
	DO(stg_device_trust(again, &trust, &err));
	assert_int_equal(trust, STG_TRUST_OURS);
	become_trusted(again);
	assert_int_equal(d.kept, 1);
	assert_int_equal(count_of(&d.bench, d.bench.udid, "lockdownd Pair"), 1);
	desk_end(&d);
}

static void a_device_erased_elsewhere_has_lost_its_trust_and_gets_it_back(void **state)
{
	struct desk d;
	enum stg_trust trust;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	{
		STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
		become_trusted(dev);
	}
	tell(&d.bench, "erase %s 0", d.bench.udid);
	tell(&d.bench, "wait %s erased", d.bench.udid);
	tell(&d.bench, "wait %s attached", d.bench.udid);
	d.arrival = arrival_of(d.arrival.udid);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	DO(stg_device_trust(dev, &trust, &err));
	assert_int_equal(trust, STG_TRUST_NONE);
	become_trusted(dev);
	DO(stg_device_trust(dev, &trust, &err));
	assert_int_equal(trust, STG_TRUST_OURS);
	assert_int_equal(d.kept, 2);
	desk_end(&d);
}

static void unpairing_takes_the_trust_back(void **state)
{
	struct desk d;
	enum stg_trust trust;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	become_trusted(dev);
	DO(stg_device_unpair(dev, &err));
	assert_int_equal(d.forgotten, 1);
	DO(stg_device_trust(dev, &trust, &err));
	assert_int_equal(trust, STG_TRUST_NONE);
	tell(&d.bench, "wait %s unpaired", d.bench.udid);
	desk_end(&d);
}

static void the_whole_main_job(void **state)
{
	struct desk d;
	STG_AUTO(stg_buf_clear) struct stg_buf der = { 0 };
	(void)state;
	desk_begin(&d, "--ipads", "1", "--iphones", "0");
	struct stg_supervision what = supervision(&der);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	STG_AUTO(stg_json_free_at) json_t *read = NULL;
	int64_t now;
	become_trusted(dev);
	DO(stg_device_set_time(dev, 1790000000000, "Europe/Paris", &err));
	DO(stg_device_get_time(dev, &now, &err));
	assert_true(now >= 1790000000000 && now < 1790000000000 + 600000);
	DO(stg_device_supervise(dev, &what, &read, &err));
	assert_string_equal(stg_json_str(read, "OrganizationName"), "North Hospital");
	DO(stg_device_install_profile(dev, stg_bytes_str(profile_text("wifi")), STG_INSTALL_AUTO, &err));
	DO(stg_device_install_profile(dev, stg_bytes_str(profile_text("ca")), STG_INSTALL_SILENT, &err));
	assert_true(has_profile(dev, "org.example.wifi"));
	assert_true(has_profile(dev, "org.example.ca"));
	DO(stg_device_store_profile(dev, stg_bytes_str(profile_text("mdm")), &err));
	STG_AUTO(stg_buf_clear) struct stg_buf stored = STG_BUF(DESK_MAX);
	DO(stg_device_stored_profile(dev, &stored, &err));
	assert_true(stg_bytes_equal(stg_buf_view(&stored), stg_bytes_str(profile_text("mdm"))));
	DO(stg_device_set_name(dev, "Ward 3 – iPad 12", &err));
	DO(stg_device_set_language(dev, "fr", "fr_FR", &err));
	DO(stg_device_remove_profile(dev, "org.example.ca", &err));
	assert_false(has_profile(dev, "org.example.ca"));
	STG_AUTO(stg_json_free_at) json_t *facts = facts_of(dev);
	assert_true(stg_json_bool(facts, "supervised", false));
	assert_true(stg_json_bool(facts, "ours", false));
	assert_string_equal(stg_json_str(facts, "supervised_by"), "North Hospital");
	assert_string_equal(stg_json_str(facts, "language"), "fr");
	STG_AUTO(stg_json_free_at) json_t *apps = NULL;
	DO((apps = stg_device_list_apps(dev, &err)) != NULL);
	/* one proof of supervision for all of it */
	assert_int_equal(d.signed_challenges, 1);
	DO(stg_device_restart(dev, &err));
	tell(&d.bench, "wait %s attached", d.bench.udid);
	desk_end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_that_is_not_there_is_said_to_have_gone),
		cmocka_unit_test(a_name_that_is_no_udid_is_never_used),
		cmocka_unit_test(a_device_in_recovery_is_told_apart),
		cmocka_unit_test(before_pairing_it_is_known_by_ecid_and_nothing_is_asked_of_a_person),
		cmocka_unit_test(a_dialog_is_waited_for_with_the_same_record),
		cmocka_unit_test(dont_trust_is_told_as_such),
		cmocka_unit_test(a_locked_device_asks_for_its_passcode),
		cmocka_unit_test(a_paired_device_shows_serial_and_facts),
		cmocka_unit_test(a_second_visit_needs_no_tap_and_no_new_record),
		cmocka_unit_test(a_device_erased_elsewhere_has_lost_its_trust_and_gets_it_back),
		cmocka_unit_test(unpairing_takes_the_trust_back),
		cmocka_unit_test(the_whole_main_job),
	};
	return cmocka_run_group_tests(tests, office_open, office_close);
}
