/*
 * test_pairing.c - trust in every state a device comes in with, the configuration in full, chains of errors.
 */
#include "desk.h"

#include <libimobiledevice/lockdown.h>

static plist_t kept_record(const struct desk *d)
{
	plist_t p = NULL;
	plist_from_xml((const char *)d->record.data, (uint32_t)d->record.len, &p);
	assert_non_null(p);
	return p;
}

static void bag_of(const struct desk *d, char ret[128])
{
	plist_t p = kept_record(d), bag = plist_dict_get_item(p, "EscrowBag");
	uint64_t len = 0;
	const char *bytes = bag ? plist_get_data_ptr(bag, &len) : "";
	assert_true(len < 64);
	stg_hex(stg_bytes(bytes, (size_t)len), ret);
	plist_free(p);
}

/* ---- trust ---- */

static void trust_that_was_taken_back_on_the_device_is_noticed_and_made_anew(void **state)
{
	struct desk d;
	enum stg_trust trust;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	stg_device_close(paired(&d));
	tell(&d.bench, "set %s trust_revoked true", d.bench.udid);
	tell(&d.bench, "set %s at_home_screen true", d.bench.udid);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	DO(stg_device_trust(dev, &trust, &err));
	assert_int_equal(trust, STG_TRUST_NONE);
	/* no loop, no silent pairing: a person is asked, once */
	NO(stg_device_pair(dev, &err), STG_E_NEEDS_HUMAN, STG_ID_TRUST_PENDING);
	tell(&d.bench, "tap trust %s", d.bench.udid);
	DO(stg_device_pair(dev, &err));
	DO(stg_device_trust(dev, &trust, &err));
	assert_int_equal(trust, STG_TRUST_OURS);
	desk_end(&d);
}

static void a_stale_record_of_an_erased_device_is_replaced_not_believed(void **state)
{
	struct desk d;
	enum stg_trust trust;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	stg_device_close(paired(&d));
	STG_AUTO(stg_buf_clear) struct stg_buf old = STG_BUF(DESK_MAX);
	assert_true(stg_buf_add(&old, d.record.data, d.record.len, NULL));
	tell(&d.bench, "erase %s 0", d.bench.udid);
	tell(&d.bench, "wait %s erased", d.bench.udid);
	d.arrival = arrival_of(d.arrival.udid);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	DO(stg_device_pair(dev, &err));
	assert_int_equal(d.kept, 2);
	/* the device made a new key: the new record is about that one */
	plist_t before = NULL, now = kept_record(&d);
	plist_from_xml((const char *)old.data, (uint32_t)old.len, &before);
	assert_false(plist_compare_node_value(plist_dict_get_item(before, "DeviceCertificate"), plist_dict_get_item(now, "DeviceCertificate")));
	plist_free(before);
	plist_free(now);
	DO(stg_device_trust(dev, &trust, &err));
	assert_int_equal(trust, STG_TRUST_OURS);
	desk_end(&d);
}

/* A locked device makes no escrow bag. The one we have still opens it later: it is not thrown away. */
static void the_bag_outlives_a_pairing_with_a_locked_device(void **state)
{
	struct desk d;
	char before[128], after[128];
	(void)state;
	desk_begin(&d, "--iphones", "1");
	stg_device_close(supervised(&d));
	bag_of(&d, before);
	assert_int_equal(strlen(before), 64);
	tell(&d.bench, "set %s trust_revoked true", d.bench.udid);
	tell(&d.bench, "set %s at_home_screen true", d.bench.udid);
	tell(&d.bench, "lock %s", d.bench.udid);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	DO(stg_device_pair(dev, &err));
	assert_int_equal(d.signed_challenges, 1);
	assert_int_equal(d.kept, 2);
	bag_of(&d, after);
	assert_string_equal(after, before);
	desk_end(&d);
}

/* ... but a bag of another host identity opens nothing, and is not carried over. */
static void a_bag_of_another_identity_is_not_carried_over(void **state)
{
	struct desk d;
	char after[128];
	(void)state;
	desk_begin(&d, "--iphones", "1");
	stg_device_close(supervised(&d));
	tell(&d.bench, "set %s trust_revoked true", d.bench.udid);
	tell(&d.bench, "lock %s", d.bench.udid);
	d.identity = 1;
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	DO(stg_device_pair(dev, &err));
	bag_of(&d, after);
	assert_string_equal(after, "");
	desk_end(&d);
}

static void before_its_first_unlock_a_device_is_trusted_but_shut(void **state)
{
	struct desk d;
	enum stg_trust trust;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	stg_device_close(supervised(&d));
	tell(&d.bench, "lock %s", d.bench.udid);
	tell(&d.bench, "set %s escrow_locked true", d.bench.udid);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	DO(stg_device_trust(dev, &trust, &err));
	assert_int_not_equal(trust, STG_TRUST_NONE);
	NO(stg_device_install_profile(dev, stg_bytes_str(profile_text("x")), STG_INSTALL_SILENT, &err), STG_E_NEEDS_HUMAN,
	   STG_ID_DEVICE_FIRST_UNLOCK);
	tell(&d.bench, "unlock %s", d.bench.udid);
	DO(stg_device_install_profile(dev, stg_bytes_str(profile_text("x")), STG_INSTALL_SILENT, &err));
	desk_end(&d);
}

/* The device asks for a proof that we cannot give: somebody else's, and never answered with our key. */
static void a_challenge_without_an_organisation_is_somebody_elses_device(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	stg_device_close(supervised(&d));
	tell(&d.bench, "set %s trust_revoked true", d.bench.udid);
	tell(&d.bench, "fault %s refuse Pair error=MCChallengeRequired", d.bench.udid);
	d.no_org = true;
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	struct stg_error err = { 0 };
	assert_false(stg_device_pair(dev, &err));
	assert_int_equal(d.signed_challenges, 0);
	assert_int_equal(d.kept, 1);
	desk_end(&d);
}

/* Whoever knows such a key is this device: it is told nothing, and gets no record to be believed by later. */
static void a_device_with_a_key_of_too_few_bits_is_not_paired(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	tell(&d.bench, "set %s auto_trust true", d.bench.udid);
	tell(&d.bench, "set %s key_bits 1023", d.bench.udid);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	NO(stg_device_pair(dev, &err), STG_E_REFUSED, STG_ID_DEVICE_KEY_SHORT);
	assert_int_equal(count_of(&d.bench, d.bench.udid, "lockdownd Pair"), 0);
	assert_int_equal(d.kept, 0);
	/* the least that is believed */
	tell(&d.bench, "set %s key_bits 1024", d.bench.udid);
	DO(stg_device_pair(dev, &err));
	assert_int_equal(d.kept, 1);
	desk_end(&d);
}

/* Another program paired it and saw nothing in that; in our handshake such a key counts as none. */
static void a_record_that_expects_a_key_of_too_few_bits_opens_no_session(void **state)
{
	struct desk d;
	enum stg_trust trust;
	idevice_t handle = NULL;
	lockdownd_client_t client = NULL;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	tell(&d.bench, "set %s auto_trust true", d.bench.udid);
	tell(&d.bench, "set %s key_bits 768", d.bench.udid);
	assert_int_equal(idevice_new(&handle, d.bench.udid), IDEVICE_E_SUCCESS);
	assert_int_equal(lockdownd_client_new(handle, &client, "test"), LOCKDOWN_E_SUCCESS);
	assert_int_equal(lockdownd_pair(client, NULL), LOCKDOWN_E_SUCCESS);
	lockdownd_client_free(client);
	idevice_free(handle);
	assert_int_equal(count_of(&d.bench, d.bench.udid, "lockdownd Pair"), 1);
	int64_t before = count_of(&d.bench, d.bench.udid, "lockdownd GetValue");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	NO(stg_device_trust(dev, &trust, &err), STG_E_REFUSED, STG_ID_DEVICE_KEY_SHORT);
	NO(stg_device_pair(dev, &err), STG_E_REFUSED, STG_ID_DEVICE_KEY_SHORT);
	assert_int_equal(d.kept, 0);
	assert_true(count_of(&d.bench, d.bench.udid, "lockdownd GetValue") <= before + 2);
	desk_end(&d);
}

/* ---- chains of errors ---- */

static const char mdm_profile[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict>"
	"<key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>"
	"<key>PayloadIdentifier</key><string>org.example.mdm</string><key>PayloadUUID</key><string>5E0F7C2A-77F4-4B0E-8A5D-0000000000AA</string>"
	"<key>PayloadContent</key><array><dict><key>PayloadType</key><string>com.apple.mdm</string><key>PayloadVersion</key><integer>1</integer>"
	"<key>PayloadIdentifier</key><string>org.example.mdm.x</string><key>PayloadUUID</key><string>5E0F7C2A-77F4-4B0E-8A5D-0000000000AB</string>"
	"</dict></array></dict></plist>\n";

/* 4001 says only that it failed; what is inside says why, and that is what the person is told. */
static void the_telling_link_of_a_chain_is_the_inner_one(void **state)
{
	struct desk d;
	struct stg_error err = { 0 };
	(void)state;
	desk_begin(&d, "--iphones", "1");
	tell(&d.bench, "line closed");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = supervised(&d);
	assert_false(stg_device_install_profile(dev, stg_bytes_str(mdm_profile), STG_INSTALL_SILENT, &err));
	assert_int_equal(err.code, STG_E_REFUSED);
	assert_int_equal(err.id, STG_ID_PROFILE_NEEDS_NETWORK);
	assert_int_equal(err.origin, 12002);
	if (!strstr(err.msg, "12002") || !strstr(err.msg, "server"))
		fail_msg("%s", err.msg);
	/* a later link that says less does not speak over it */
	stg_error_reset(&err);
	assert_false(stg_device_install_profile(dev, stg_bytes_str("<plist version=\"1.0\"><dict><key>a</key><true/></dict></plist>"),
						STG_INSTALL_SILENT, &err));
	assert_int_equal(err.id, STG_ID_PROFILE_REFUSED);
	assert_true(err.origin >= 1000);
	desk_end(&d);
}

/* ---- the configuration ---- */

static void the_whole_configuration_arrives_and_the_setup_is_told_to_be_brief(void **state)
{
	struct desk d;
	STG_AUTO(stg_buf_clear) struct stg_buf der = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf anchor = STG_BUF(DESK_MAX);
	(void)state;
	desk_begin(&d, "--iphones", "1");
	struct stg_supervision what = supervision(&der);
	assert_true(stg_base64(stg_buf_view(&der), &anchor, NULL));
	STG_AUTO(stg_json_free_at) json_t *anchors = json_pack("[s]", stg_buf_str(&anchor));
	STG_AUTO(stg_json_free_at) json_t *extra = json_pack("{s:s, s:s, s:s}", "department", "Ward B", "support_phone", "4242",
							    "enrolment_url", "https://mdm.example.org/enrol");
	STG_AUTO(stg_json_free_at) json_t *read = NULL, *cloud = NULL;
	what.anchors = anchors;
	what.extra = extra;
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	DO(stg_device_supervise(dev, &what, &read, &err));
	assert_string_equal(stg_json_str(read, "OrganizationDepartment"), "Ward B");
	assert_string_equal(stg_json_str(read, "SupportPhone"), "4242");
	assert_string_equal(stg_json_str(read, "ConfigurationURL"), "https://mdm.example.org/enrol");
	assert_true(stg_json_int(read, "SkipSetup", 0) > 60);
	assert_true(stg_json_bool(read, "SkipSetupFile", false));
	assert_string_equal(stg_json_str(read, "Anchors"), "as sent");
	DO((cloud = stg_device_configuration(dev, &err)) != NULL);
	assert_int_equal(stg_json_int(cloud, "ConfigurationSource", 0), 2);
	/* with an address to fetch from, the configuration is not finished by itself */
	assert_null(json_object_get(cloud, "ConfigurationWasApplied"));
	desk_end(&d);
}

/* A device that trusts other certificates than were sent fetches its enrolment from nobody. Not showing them is no such thing. */
static void anchors_that_were_lost_on_the_way_hold_the_device(void **state)
{
	struct desk d;
	STG_AUTO(stg_buf_clear) struct stg_buf der = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf first = STG_BUF(DESK_MAX);
	STG_AUTO(stg_json_free_at) json_t *read = NULL;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	struct stg_supervision what = supervision(&der);
	assert_true(stg_base64(stg_buf_view(&der), &first, NULL));
	STG_AUTO(stg_json_free_at) json_t *anchors = json_pack("[s, s]", stg_buf_str(&first), "MIIBCgKCAQEAyc0t");
	STG_AUTO(stg_json_free_at) json_t *extra = json_pack("{s:s}", "enrolment_url", "https://mdm.example.org/enrol");
	what.anchors = anchors;
	what.extra = extra;
	{
		STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
		tell(&d.bench, "fault %s half SetCloudConfiguration", d.bench.udid);
		NO(stg_device_supervise(dev, &what, NULL, &err), STG_E_HOLD, STG_ID_CONFIGURATION_DIFFERS);
	}
	tell(&d.bench, "erase %s 0", d.bench.udid);
	tell(&d.bench, "wait %s erased", d.bench.udid);
	tell(&d.bench, "set %s activated true", d.bench.udid);
	d.arrival = arrival_of(d.arrival.udid);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	tell(&d.bench, "fault %s absent SetCloudConfiguration", d.bench.udid);
	DO(stg_device_supervise(dev, &what, &read, &err));
	assert_string_equal(stg_json_str(read, "Anchors"), "not shown");
	desk_end(&d);
}

static void a_device_that_takes_no_file_is_supervised_all_the_same(void **state)
{
	struct desk d;
	STG_AUTO(stg_buf_clear) struct stg_buf der = { 0 };
	STG_AUTO(stg_json_free_at) json_t *read = NULL;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	struct stg_supervision what = supervision(&der);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	tell(&d.bench, "fault %s service_limit afc", d.bench.udid);
	DO(stg_device_supervise(dev, &what, &read, &err));
	assert_false(stg_json_bool(read, "SkipSetupFile", true));
	assert_string_equal(stg_json_str(read, "OrganizationName"), "North Hospital");
	desk_end(&d);
}

/* It fetched what the organisation prepared for it: that is another route, and not something to erase it for. */
static void what_a_device_fetched_by_itself_is_not_called_set_up_by_hand(void **state)
{
	struct desk d;
	STG_AUTO(stg_buf_clear) struct stg_buf der = { 0 };
	struct stg_error why = { 0 };
	(void)state;
	desk_begin(&d, "--iphones", "1");
	struct stg_supervision what = supervision(&der);
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	tell(&d.bench, "set %s abm_assigned true", d.bench.udid);
	DO(stg_device_fetch_configuration(dev, &err));
	assert_false(stg_device_supervise(dev, &what, NULL, &why));
	assert_int_equal(why.id, STG_ID_ASSIGNED_CENTRALLY);
	assert_int_equal(why.code, STG_E_HOLD);
	assert_non_null(strstr(why.msg, "Example Organization"));
	/* also where it was assigned without supervision */
	tell(&d.bench, "set %s programme_supervised false", d.bench.udid);
	NO(stg_device_supervise(dev, &what, NULL, &err), STG_E_HOLD, STG_ID_ASSIGNED_CENTRALLY);
	assert_int_equal(count_of(&d.bench, d.bench.udid, "com.apple.mobile.MCInstall SetCloudConfiguration"), 0);
	/* and one that a person's Configurator wrote stays what it is */
	tell(&d.bench, "set %s supervised_by_other Elsewhere", d.bench.udid);
	NO(stg_device_supervise(dev, &what, NULL, &err), STG_E_HOLD, STG_ID_SUPERVISED_BY_OTHER);
	desk_end(&d);
}

static void what_the_programme_answers_is_told_apart(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = paired(&d);
	tell(&d.bench, "line closed");
	NO(stg_device_fetch_configuration(dev, &err), STG_E_WAITING, STG_ID_ENROLMENT_NO_NETWORK);
	tell(&d.bench, "line open");
	NO(stg_device_fetch_configuration(dev, &err), STG_E_WAITING, STG_ID_NOT_ASSIGNED);
	tell(&d.bench, "fault %s refuse DownloadAndApplyCloudConfiguration code=14002 domain=MCTunnelErrorDomain", d.bench.udid);
	DO(stg_device_fetch_configuration(dev, &err));
	tell(&d.bench, "fault %s refuse DownloadAndApplyCloudConfiguration status=CommandFormatError", d.bench.udid);
	NO(stg_device_fetch_configuration(dev, &err), STG_E_UNSUPPORTED, STG_ID_DEVICE_CANNOT);
	desk_end(&d);
}

/* ---- profiles ---- */

static void a_newer_profile_takes_the_place_of_the_older_one(void **state)
{
	struct desk d;
	struct stg_error why = { 0 };
	char newer[2000];
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = supervised(&d);
	DO(stg_device_install_profile(dev, stg_bytes_str(profile_text("wifi")), STG_INSTALL_AUTO, &err));
	stg_copy(newer, sizeof(newer), profile_text("wifi"));
	char *uuid = strstr(newer, "5E0F7C2A");
	assert_non_null(uuid);
	memcpy(uuid, "5E0F7C2B", 8);
	DO(stg_device_install_profile(dev, stg_bytes_str(newer), STG_INSTALL_AUTO, &err));
	STG_AUTO(stg_json_free_at) json_t *list = stg_device_list_profiles(dev, &why);
	assert_int_equal(json_array_size(list), 1);
	assert_memory_equal(stg_json_str(json_array_get(list, 0), "uuid"), "5E0F7C2B", 8);
	desk_end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trust_that_was_taken_back_on_the_device_is_noticed_and_made_anew),
		cmocka_unit_test(a_stale_record_of_an_erased_device_is_replaced_not_believed),
		cmocka_unit_test(the_bag_outlives_a_pairing_with_a_locked_device),
		cmocka_unit_test(a_bag_of_another_identity_is_not_carried_over),
		cmocka_unit_test(before_its_first_unlock_a_device_is_trusted_but_shut),
		cmocka_unit_test(a_challenge_without_an_organisation_is_somebody_elses_device),
		cmocka_unit_test(a_device_with_a_key_of_too_few_bits_is_not_paired),
		cmocka_unit_test(a_record_that_expects_a_key_of_too_few_bits_opens_no_session),
		cmocka_unit_test(the_telling_link_of_a_chain_is_the_inner_one),
		cmocka_unit_test(the_whole_configuration_arrives_and_the_setup_is_told_to_be_brief),
		cmocka_unit_test(anchors_that_were_lost_on_the_way_hold_the_device),
		cmocka_unit_test(a_device_that_takes_no_file_is_supervised_all_the_same),
		cmocka_unit_test(what_a_device_fetched_by_itself_is_not_called_set_up_by_hand),
		cmocka_unit_test(what_the_programme_answers_is_told_apart),
		cmocka_unit_test(a_newer_profile_takes_the_place_of_the_older_one),
	};
	return cmocka_run_group_tests(tests, office_open, office_close);
}
