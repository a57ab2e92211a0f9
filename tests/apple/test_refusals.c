/*
 * test_refusals.c - what a device may say no to, and what is done then: supervision, profiles, activation, erase.
 */
#include "desk.h"

/* ---- supervision ---- */

static void supervise_says_why_not(void **state)
{
	static const struct {
		const char *fault;
		enum stg_code code;
		unsigned int id;
	} all[] = {
		{ "refuse SetCloudConfiguration code=33002 domain=MCCloudConfigErrorDomain", STG_E_REFUSED, STG_ID_CONFIGURATION_REFUSED },
		{ "refuse SetCloudConfiguration code=33003 domain=DMCCloudConfigErrorDomain", STG_E_WAITING, STG_ID_NOT_ACTIVATED },
		{ "refuse SetCloudConfiguration code=33004 domain=MCCloudConfigErrorDomain", STG_E_HOLD, STG_ID_ASSIGNED_CENTRALLY },
		{ "refuse SetCloudConfiguration code=33023 domain=MCCloudConfigErrorDomain", STG_E_REFUSED, STG_ID_CONFIGURATION_NOT_STORED },
		{ "refuse SetCloudConfiguration code=14001 domain=MCTunnelErrorDomain", STG_E_NEEDS_HUMAN, STG_ID_DEVICE_LOCKED },
		{ "unknown_domain SetCloudConfiguration", STG_E_REFUSED, STG_ID_DEVICE_REFUSED },
		{ "refuse SetCloudConfiguration status=CommandFormatError", STG_E_UNSUPPORTED, STG_ID_DEVICE_CANNOT },
		{ "ignore SetCloudConfiguration", STG_E_REFUSED, STG_ID_CONFIGURATION_NOT_STORED },
		{ "drop_before SetCloudConfiguration", STG_E_UNKNOWN, STG_ID_OUTCOME_UNKNOWN },
	};
	struct desk d;
	STG_AUTO(stg_buf_clear) struct stg_buf der = { 0 };
	(void)state;
	desk_begin(&d, "--iphones", "1");
	struct stg_supervision what = supervision(&der);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	for (size_t i = 0; i < STG_ARRAY_LEN(all); i++) {
		fault(&d, all[i].fault);
		NO(stg_device_supervise(dev, &what, NULL, &err), all[i].code, all[i].id);
	}
	DO(stg_device_supervise(dev, &what, NULL, &err));
	/* a second time finds it done and writes nothing */
	int64_t before = installs(&d, "SetCloudConfiguration");
	DO(stg_device_supervise(dev, &what, NULL, &err));
	assert_int_equal(installs(&d, "SetCloudConfiguration"), before);
	desk_end(&d);
}

static void a_lost_answer_to_supervise_is_read_back_and_not_sent_again(void **state)
{
	struct desk d;
	STG_AUTO(stg_buf_clear) struct stg_buf der = { 0 };
	STG_AUTO(stg_json_free_at) json_t *read = NULL;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	struct stg_supervision what = supervision(&der);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	fault(&d, "drop_after SetCloudConfiguration");
	DO(stg_device_supervise(dev, &what, &read, &err));
	assert_string_equal(stg_json_str(read, "OrganizationName"), "North Hospital");
	assert_int_equal(installs(&d, "SetCloudConfiguration"), 1);
	desk_end(&d);
}

static void somebody_elses_device_is_held_and_not_written_to(void **state)
{
	struct desk d;
	STG_AUTO(stg_buf_clear) struct stg_buf der = { 0 };
	(void)state;
	desk_begin(&d, "--iphones", "1");
	struct stg_supervision what = supervision(&der);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	tell(&d.bench, "set %s supervised_by_other true", d.bench.udid);
	NO(stg_device_supervise(dev, &what, NULL, &err), STG_E_HOLD, STG_ID_SUPERVISED_BY_OTHER);
	NO(stg_device_install_profile(dev, stg_bytes_str(profile_text("x")), STG_INSTALL_SILENT, &err), STG_E_REFUSED,
	   STG_ID_NOT_OUR_SUPERVISION);
	assert_int_equal(installs(&d, "SetCloudConfiguration"), 0);
	assert_int_equal(installs(&d, "InstallProfileSilent"), 0);
	STG_AUTO(stg_json_free_at) json_t *facts = facts_of(dev);
	assert_true(stg_json_bool(facts, "supervised", false));
	assert_false(stg_json_bool(facts, "ours", true));
	desk_end(&d);
}

static void a_device_of_ours_pairs_without_a_tap_a_stranger_does_not(void **state)
{
	struct desk d;
	enum stg_trust trust;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	stg_device_close(supervised(&d));
	tell(&d.bench, "set %s at_home_screen true", d.bench.udid);
	usbmuxd_delete_pair_record(d.arrival.udid);
	/* another station of the same organisation: other host identity, other BUID for the device's memory of dialogs */
	d.identity = 1;
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	DO(stg_device_trust(dev, &trust, &err));
	assert_int_equal(trust, STG_TRUST_NONE);
	DO(stg_device_pair(dev, &err));
	assert_int_equal(d.signed_challenges, 1);
	DO(stg_device_trust(dev, &trust, &err));
	assert_int_equal(trust, STG_TRUST_OURS);
	desk_end(&d);
}

/* The organisation's key signs challenges and nothing else: what is longer could be a certificate or a profile. */
static void more_than_a_challenge_is_never_signed(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *first = supervised(&d);
	tell(&d.bench, "set %s long_challenge true", d.bench.udid);
	struct stg_error why = { 0 };
	assert_false(stg_device_install_profile(first, stg_bytes_str(profile_text("wifi")), STG_INSTALL_SILENT, &why));
	assert_int_equal(why.id, STG_ID_DEVICE_NONSENSE);
	tell(&d.bench, "set %s at_home_screen true", d.bench.udid);
	usbmuxd_delete_pair_record(d.arrival.udid);
	d.identity = 1;
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	NO(stg_device_pair(dev, &err), STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE);
	assert_int_equal(d.signed_challenges, 0);
	desk_end(&d);
}

static void a_certificate_on_an_unsupervised_device_makes_it_nobodys(void **state)
{
	struct desk d;
	STG_AUTO(stg_buf_clear) struct stg_buf der = { 0 };
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	struct stg_supervision what = supervision(&der);
	what.supervised = false;
	DO(stg_device_supervise(dev, &what, NULL, &err));
	STG_AUTO(stg_json_free_at) json_t *facts = facts_of(dev);
	assert_false(stg_json_bool(facts, "supervised", true));
	assert_false(stg_json_bool(facts, "ours", true));
	desk_end(&d);
}

static void a_refused_signature_gets_one_more_try(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = supervised(&d);
	d.break_signature = true;
	DO(stg_device_install_profile(dev, stg_bytes_str(profile_text("wifi")), STG_INSTALL_AUTO, &err));
	assert_int_equal(d.signed_challenges, 2);
	desk_end(&d);
}

/* ---- profiles ---- */

static void what_is_acknowledged_but_waits_for_a_person_is_told_apart(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	DO(stg_device_install_profile(dev, stg_bytes_str(profile_text("setup")), STG_INSTALL_AUTO, &err));
	tell(&d.bench, "set %s at_home_screen true", d.bench.udid);
	NO(stg_device_install_profile(dev, stg_bytes_str(profile_text("later")), STG_INSTALL_AUTO, &err), STG_E_NEEDS_HUMAN,
	   STG_ID_PROFILE_NOT_THERE);
	desk_end(&d);
}

static void a_signed_profile_is_known_by_its_inner_name(void **state)
{
	struct desk d;
	STG_AUTO(stg_buf_clear) struct stg_buf cms = STG_BUF(DESK_MAX);
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	DO(stg_org_sign_profile(office.keys, office.org, stg_buf_view(&office.org_sealed), stg_bytes_str(profile_text("signed")), &cms, &err));
	DO(stg_device_install_profile(dev, stg_buf_view(&cms), STG_INSTALL_AUTO, &err));
	assert_true(has_profile(dev, "org.example.signed"));
	tell(&d.bench, "set %s at_home_screen true", d.bench.udid);
	DO(stg_device_remove_profile(dev, "org.example.signed", &err));
	NO(stg_device_install_profile(dev, stg_buf_view(&cms), STG_INSTALL_AUTO, &err), STG_E_NEEDS_HUMAN, STG_ID_PROFILE_NOT_THERE);
	desk_end(&d);
}

static void a_refused_profile_says_so_with_the_devices_number(void **state)
{
	struct desk d;
	struct stg_error err_seen = { 0 };
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = supervised(&d);
	assert_false(stg_device_install_profile(dev, stg_bytes_str("this is no profile"), STG_INSTALL_AUTO, &err_seen));
	assert_int_equal(err_seen.code, STG_E_REFUSED);
	assert_int_equal(err_seen.id, STG_ID_PROFILE_REFUSED);
	assert_true(err_seen.origin > 0);
	fault(&d, "refuse InstallProfileSilent code=4009 domain=MCInstallationErrorDomain");
	NO(stg_device_install_profile(dev, stg_bytes_str(profile_text("x")), STG_INSTALL_AUTO, &err), STG_E_NEEDS_HUMAN, STG_ID_DEVICE_LOCKED);
	fault(&d, "refuse InstallProfileSilent code=12002 domain=MCMDMErrorDomain");
	NO(stg_device_install_profile(dev, stg_bytes_str(profile_text("x")), STG_INSTALL_AUTO, &err), STG_E_REFUSED,
	   STG_ID_PROFILE_NEEDS_NETWORK);
	fault(&d, "drop_after InstallProfileSilent");
	NO(stg_device_install_profile(dev, stg_bytes_str(profile_text("lost")), STG_INSTALL_AUTO, &err), STG_E_UNKNOWN,
	   STG_ID_DEVICE_GONE);
	assert_true(has_profile(dev, "org.example.lost"));
	desk_end(&d);
}

static void a_removal_the_device_ignores_is_noticed(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	DO(stg_device_install_profile(dev, stg_bytes_str(profile_text("wifi")), STG_INSTALL_AUTO, &err));
	fault(&d, "ignore RemoveProfile");
	NO(stg_device_remove_profile(dev, "org.example.wifi", &err), STG_E_REFUSED, STG_ID_PROFILE_KEPT);
	DO(stg_device_remove_profile(dev, "org.example.wifi", &err));
	/* what is not there is removed */
	DO(stg_device_remove_profile(dev, "org.example.wifi", &err));
	STG_AUTO(stg_buf_clear) struct stg_buf stored = STG_BUF(DESK_MAX);
	DO(stg_device_stored_profile(dev, &stored, &err));
	assert_int_equal(stored.len, 0);
	desk_end(&d);
}

/* ---- activation ---- */

static void activation_through_the_relay(void **state)
{
	struct desk d;
	char now[32];
	(void)state;
	desk_begin(&d, "--iphones", "1", "--fresh");
	STG_AUTO(stg_buf_clear) struct stg_buf der = { 0 };
	struct stg_supervision what = supervision(&der);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	DO(stg_device_activation(dev, now, &err));
	assert_string_equal(now, "Unactivated");
	NO(stg_device_supervise(dev, &what, NULL, &err), STG_E_WAITING, STG_ID_NOT_ACTIVATED);
	d.line_closed = true;
	NO(stg_device_activate(dev, &err), STG_E_WAITING, STG_ID_NONE);
	d.line_closed = false;
	tell(&d.bench, "set %s activation_lock true", d.bench.udid);
	NO(stg_device_activate(dev, &err), STG_E_HOLD, STG_ID_ACTIVATION_LOCKED);
	tell(&d.bench, "set %s activation_lock false", d.bench.udid);
	fault(&d, "refuse HandleActivationInfoWithSessionRequest error=Nonsense");
	NO(stg_device_activate(dev, &err), STG_E_REFUSED, STG_ID_ACTIVATION_REFUSED);
	DO(stg_device_activate(dev, &err));
	DO(stg_device_activation(dev, now, &err));
	assert_string_equal(now, "Activated");
	int before = d.relayed;
	DO(stg_device_activate(dev, &err));
	assert_int_equal(d.relayed, before);
	DO(stg_device_supervise(dev, &what, NULL, &err));
	desk_end(&d);
}

/* ---- erase and restore ---- */

static void erase_is_sent_once_whatever_the_answer(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = supervised(&d);
	fault(&d, "refuse EraseDevice code=14001 domain=MCTunnelErrorDomain");
	NO(stg_device_erase(dev, true, &err), STG_E_NEEDS_HUMAN, STG_ID_DEVICE_LOCKED);
	fault(&d, "refuse EraseDevice status=CommandFormatError");
	NO(stg_device_erase(dev, true, &err), STG_E_UNSUPPORTED, STG_ID_ERASE_REFUSED);
	int64_t before = installs(&d, "EraseDevice");
	fault(&d, "no_reply EraseDevice");
	NO(stg_device_erase(dev, true, &err), STG_E_UNKNOWN, STG_ID_OUTCOME_UNKNOWN);
	assert_int_equal(installs(&d, "EraseDevice"), before + 1);
	desk_end(&d);
}

static void an_erased_device_comes_back_as_another_generation(void **state)
{
	struct desk d;
	struct stg_identity was, now;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = supervised(&d);
	DO(stg_device_identify(dev, &was, &err));
	DO(stg_device_erase(dev, true, &err));
	tell(&d.bench, "wait %s erased", d.bench.udid);
	tell(&d.bench, "wait %s attached", d.bench.udid);
	d.arrival = arrival_of(d.arrival.udid);
	STG_AUTO(stg_device_close_at) struct stg_device *again = desk_open(&d);
	DO(stg_device_identify(again, &now, &err));
	assert_string_equal(was.unit, now.unit);
	assert_string_not_equal(was.key_sha256, now.key_sha256);
	enum stg_trust trust;
	DO(stg_device_trust(again, &trust, &err));
	assert_int_equal(trust, STG_TRUST_NONE);
	desk_end(&d);
}

static void allow_pairing_false_shuts_us_out_and_the_supervisor_gets_back_in(void **state)
{
	struct desk d;
	enum stg_trust trust;
	STG_AUTO(stg_buf_clear) struct stg_buf der = { 0 };
	(void)state;
	desk_begin(&d, "--iphones", "1");
	struct stg_supervision what = supervision(&der);
	what.allow_pairing = false;
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	DO(stg_device_supervise(dev, &what, NULL, &err));
	stg_device_close(dev);
	dev = desk_open(&d);
	DO(stg_device_trust(dev, &trust, &err));
	assert_int_equal(trust, STG_TRUST_NONE);
	d.no_org = true;
	NO(stg_device_pair(dev, &err), STG_E_HOLD, STG_ID_PAIRING_PROHIBITED);
	d.no_org = false;
	DO(stg_device_pair(dev, &err));
	desk_end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(supervise_says_why_not),
		cmocka_unit_test(a_lost_answer_to_supervise_is_read_back_and_not_sent_again),
		cmocka_unit_test(somebody_elses_device_is_held_and_not_written_to),
		cmocka_unit_test(a_device_of_ours_pairs_without_a_tap_a_stranger_does_not),
		cmocka_unit_test(more_than_a_challenge_is_never_signed),
		cmocka_unit_test(a_certificate_on_an_unsupervised_device_makes_it_nobodys),
		cmocka_unit_test(a_refused_signature_gets_one_more_try),
		cmocka_unit_test(what_is_acknowledged_but_waits_for_a_person_is_told_apart),
		cmocka_unit_test(a_signed_profile_is_known_by_its_inner_name),
		cmocka_unit_test(a_refused_profile_says_so_with_the_devices_number),
		cmocka_unit_test(a_removal_the_device_ignores_is_noticed),
		cmocka_unit_test(activation_through_the_relay),
		cmocka_unit_test(erase_is_sent_once_whatever_the_answer),
		cmocka_unit_test(an_erased_device_comes_back_as_another_generation),
		cmocka_unit_test(allow_pairing_false_shuts_us_out_and_the_supervisor_gets_back_in),
	};
	return cmocka_run_group_tests(tests, office_open, office_close);
}
