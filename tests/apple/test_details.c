/*
 * test_details.c - what takes longer to read: battery health, what is installed, signs of a jailbreak; and nothing is changed by it.
 */
#include "desk.h"

#include <stager/facts.h>

static struct stg_device *trusted(struct desk *d)
{
	struct stg_device *dev = desk_open(d);
	if (!stg_device_pair(dev, &(struct stg_error){ 0 })) {
		tell(&d->bench, "tap trust %s", d->bench.udid);
		DO(stg_device_pair(dev, &err));
	}
	return dev;
}

static json_t *details_of(struct stg_device *dev, unsigned int what)
{
	struct stg_error err = { 0 };
	json_t *facts = stg_device_details(dev, what, &err);
	assert_true(said(facts != NULL, &err, __FILE__, __LINE__));
	return facts;
}

static void a_device_that_does_not_trust_us_tells_nothing_and_is_asked_nothing(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	STG_AUTO(stg_json_free_at) json_t *facts = details_of(dev, STG_DETAIL_ALL);
	assert_int_equal(json_object_size(facts), 0);
	assert_int_equal(count_of(&d.bench, d.bench.udid, "lockdownd Pair"), 0);
	desk_end(&d);
}

static void a_refusal_leaves_one_fact_out_and_a_lost_connection_is_an_error(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = trusted(&d);
	tell(&d.bench, "fault %s refuse com.apple.mobile.diagnostics_relay", d.bench.udid);
	STG_AUTO(stg_json_free_at) json_t *facts = details_of(dev, STG_DETAIL_ALL);
	assert_null(json_object_get(facts, STG_FACT_BATTERY_HEALTH));
	assert_true(json_is_array(json_object_get(facts, STG_FACT_INSTALLED_APPS)));
	tell(&d.bench, "unplug %s", d.bench.udid);
	struct stg_error err = { 0 };
	assert_null(stg_device_details(dev, STG_DETAIL_ALL, &err));
	assert_true(err.code == STG_E_GONE || err.code == STG_E_TIMEOUT);
	desk_end(&d);
}

static void health_is_what_the_battery_still_holds_and_nonsense_is_not_told(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = trusted(&d);
	tell(&d.bench, "set %s battery_health 71", d.bench.udid);
	tell(&d.bench, "set %s battery_cycles 512", d.bench.udid);
	STG_AUTO(stg_json_free_at) json_t *worn = details_of(dev, STG_DETAIL_BATTERY);
	assert_int_equal(stg_json_int(worn, STG_FACT_BATTERY_HEALTH, 0), 71);
	assert_int_equal(stg_json_int(worn, STG_FACT_BATTERY_CYCLES, 0), 512);
	assert_null(json_object_get(worn, STG_FACT_INSTALLED_APPS));
	/* a new one holds more than it was designed for */
	tell(&d.bench, "set %s battery_health 104", d.bench.udid);
	STG_AUTO(stg_json_free_at) json_t *fresh = details_of(dev, STG_DETAIL_BATTERY);
	assert_int_equal(stg_json_int(fresh, STG_FACT_BATTERY_HEALTH, 0), 100);
	tell(&d.bench, "set %s battery_health 900", d.bench.udid);
	STG_AUTO(stg_json_free_at) json_t *odd = details_of(dev, STG_DETAIL_BATTERY);
	assert_null(json_object_get(odd, STG_FACT_BATTERY_HEALTH));
	desk_end(&d);
}

static void signs_of_a_jailbreak_are_found_and_their_absence_is_called_none_found(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = trusted(&d);
	STG_AUTO(stg_json_free_at) json_t *sold = details_of(dev, STG_DETAIL_SIGNS);
	assert_string_equal(stg_json_str(sold, STG_FACT_JAILBREAK), STG_SIGNS_NONE);
	assert_int_equal(json_array_size(json_object_get(sold, STG_FACT_JAILBREAK_SIGNS)), 0);
	/* who could not be asked about one of them is not cleared by the others */
	tell(&d.bench, "fault %s refuse com.apple.mobile.installation_proxy", d.bench.udid);
	STG_AUTO(stg_json_free_at) json_t *half = details_of(dev, STG_DETAIL_SIGNS);
	assert_null(json_object_get(half, STG_FACT_JAILBREAK));
	desk_end(&d);

	desk_begin(&d, "--iphones", "1");
	tell(&d.bench, "set %s jailbroken true", d.bench.udid);
	STG_AUTO(stg_device_close_at) struct stg_device *broken = trusted(&d);
	STG_AUTO(stg_json_free_at) json_t *found = details_of(broken, STG_DETAIL_SIGNS);
	STG_AUTO(stg_free_at) char *text = stg_json_text(json_object_get(found, STG_FACT_JAILBREAK_SIGNS));
	assert_string_equal(stg_json_str(found, STG_FACT_JAILBREAK), STG_SIGNS_FOUND);
	assert_non_null(strstr(text, "service com.apple.afc2"));
	assert_non_null(strstr(text, "boot-args -v amfi"));
	assert_non_null(strstr(text, "app org.coolstar.SileoStore"));
	/* asked for, never entered */
	assert_int_equal(count_of(&d.bench, d.bench.udid, "com.apple.afc2 ReadDir"), 0);
	desk_end(&d);
}

static void apps_and_profiles_are_lists_and_sims_and_sockets_are_facts(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	tell(&d.bench, "set %s app com.example.game/2.1", d.bench.udid);
	tell(&d.bench, "set %s iccid 8933150319060000001", d.bench.udid);
	tell(&d.bench, "set %s iccid2 8933150319060000019", d.bench.udid);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = trusted(&d);
	DO(stg_device_install_profile(dev, stg_bytes_str(profile_text("one")), STG_INSTALL_AUTO, &err));
	STG_AUTO(stg_json_free_at) json_t *more = details_of(dev, STG_DETAIL_APPS | STG_DETAIL_PROFILES), *facts = facts_of(dev);
	const json_t *app = json_array_get(json_object_get(more, STG_FACT_INSTALLED_APPS), 0);
	assert_string_equal(stg_json_str(app, "bundle_id"), "com.example.game");
	assert_string_equal(stg_json_str(app, "version"), "2.1");
	const json_t *profile = json_array_get(json_object_get(more, STG_FACT_INSTALLED_PROFILES), 0);
	assert_string_equal(stg_json_str(profile, "identifier"), "org.example.one");
	assert_true(stg_json_int(more, STG_FACT_DETAILS_S, 0) > 1600000000);
	assert_string_equal(stg_json_str(facts, STG_FACT_ICCID), "8933150319060000001");
	assert_string_equal(stg_json_str(facts, STG_FACT_ICCID2), "8933150319060000019");
	assert_int_equal(strlen(stg_json_str(facts, STG_FACT_ETHERNET_MAC)), 17);
	/* what no cable tells is said to be missing */
	STG_AUTO(stg_json_free_at) json_t *missing = stg_facts_missing(facts);
	STG_AUTO(stg_free_at) char *text = stg_json_text(missing);
	assert_non_null(strstr(text, "\"" STG_FACT_EID "\""));
	assert_non_null(strstr(text, "\"" STG_FACT_WIFI_ON "\""));
	assert_null(strstr(text, "\"" STG_FACT_ICCID "\""));
	desk_end(&d);
}

static void the_age_of_a_system_is_known_or_left_open(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--ipads", "1");
	tell(&d.bench, "set %s os 17.4.1", d.bench.udid);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = trusted(&d);
	STG_AUTO(stg_json_free_at) json_t *facts = facts_of(dev);
	assert_string_equal(stg_json_str(facts, STG_FACT_OS_RELEASED), "2024-03-21");
	assert_string_equal(stg_json_str(facts, STG_FACT_OS_NEWEST), "17.7.10");
	desk_end(&d);
}

/* Programs not written here read the same of the same virtual device. */
static void other_programs_read_the_same_battery_and_sims(void **state)
{
	struct desk d;
	char line[400];
	bool cycles = false, iccid = false;
	(void)state;
	if (system("command -v idevicediagnostics ideviceinfo >/dev/null") != 0)
		skip();
	desk_begin(&d, "--iphones", "1");
	tell(&d.bench, "set %s battery_cycles 512", d.bench.udid);
	tell(&d.bench, "set %s iccid2 8933150319060000019", d.bench.udid);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = trusted(&d);    /* only so that the tools are let in */
	assert_non_null(dev);
	snprintf(line, sizeof(line), "idevicediagnostics -u %s ioregentry AppleSmartBattery 2>&1; ideviceinfo -u %s 2>&1", d.bench.udid, d.bench.udid);
	FILE *p = popen(line, "r");
	assert_non_null(p);
	bool key = false;
	while (fgets(line, sizeof(line), p)) {
		cycles = cycles || (key && strstr(line, "<integer>512</integer>"));
		key = strstr(line, "<key>CycleCount</key>") != NULL;
		iccid = iccid || strstr(line, "IntegratedCircuitCardIdentity2: 8933150319060000019");
	}
	pclose(p);
	assert_true(cycles);
	assert_true(iccid);
	desk_end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_that_does_not_trust_us_tells_nothing_and_is_asked_nothing),
		cmocka_unit_test(a_refusal_leaves_one_fact_out_and_a_lost_connection_is_an_error),
		cmocka_unit_test(health_is_what_the_battery_still_holds_and_nonsense_is_not_told),
		cmocka_unit_test(signs_of_a_jailbreak_are_found_and_their_absence_is_called_none_found),
		cmocka_unit_test(apps_and_profiles_are_lists_and_sims_and_sockets_are_facts),
		cmocka_unit_test(the_age_of_a_system_is_known_or_left_open),
		cmocka_unit_test(other_programs_read_the_same_battery_and_sims),
	};
	return cmocka_run_group_tests(tests, office_open, office_close);
}
