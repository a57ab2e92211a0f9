/* test_mcinstall.c - supervision, profiles and erase of a virtual device. */
#include "host.h"

#define MCINSTALL "com.apple.mobile.MCInstall"

static struct bench bench;
static struct trust trust;
static X509 *supervisor;

static int begin(void **state)
{
	(void)state;
	bench_begin(&bench, "--iphones", "1", "--pace", "instant", "--seed", "3", NULL);
	pair(&bench, bench.udid, &trust);
	supervisor = make_cert(host_key(), host_key(), "Clinic");
	return 0;
}

static int end(void **state)
{
	(void)state;
	X509_free(supervisor);
	trust_free(&trust);
	bench_end(&bench);
	return 0;
}

static struct link mcinstall(void)
{
	return open_service(&bench, bench.udid, &trust, MCINSTALL);
}

static plist_t request(const char *type)
{
	plist_t m = plist_new_dict();

	plist_dict_set_item(m, "RequestType", plist_new_string(type));
	return m;
}

/* "Acknowledged", another status, or "14002 MCTunnelErrorDomain/..." joined for a chain. */
static const char *outcome(plist_t a)
{
	static char text[300];
	plist_t chain = a ? plist_dict_get_item(a, "ErrorChain") : NULL;

	assert_non_null(a);
	stg_copy(text, sizeof(text), text_in(a, "Status"));
	if (chain) {
		text[0] = '\0';
		for (uint32_t i = 0; i < plist_array_get_size(chain); i++) {
			plist_t e = plist_array_get_item(chain, i);
			size_t n = strlen(text);

			snprintf(text + n, sizeof(text) - n, "%s%d", i ? "/" : "", (int)number_in(e, "ErrorCode"));
			assert_true(strlen(text_in(e, "ErrorDomain")) > 0);
			assert_true(strlen(text_in(e, "USEnglishDescription")) > 0);
		}
	}
	plist_free(a);
	return text;
}

static plist_t configuration(void)
{
	plist_t c = plist_new_dict(), certs = plist_new_array(), skip = plist_new_array();

	plist_array_append_item(certs, der_node(supervisor));
	plist_array_append_item(skip, plist_new_string("Siri"));
	plist_dict_set_item(c, "AllowPairing", plist_new_bool(1));
	plist_dict_set_item(c, "IsSupervised", plist_new_bool(1));
	plist_dict_set_item(c, "OrganizationName", plist_new_string("Clinic"));
	plist_dict_set_item(c, "OrganizationMagic", plist_new_string("8E5B3C1A-0000-4000-8000-000000000001"));
	plist_dict_set_item(c, "SkipSetup", skip);
	plist_dict_set_item(c, "SupervisorHostCertificates", certs);
	return c;
}

static const char *supervise_with(struct link *l, plist_t config)
{
	plist_t m = request("SetCloudConfiguration");

	if (config)
		plist_dict_set_item(m, "CloudConfiguration", config);
	return outcome(link_ask(l, m));
}

static plist_t sign(X509 *cert, struct stg_bytes what, unsigned int flags)
{
	BIO *in = BIO_new_mem_buf(what.data, (int)what.len);
	CMS_ContentInfo *cms = CMS_sign(cert, host_key(), NULL, in, flags);
	unsigned char *der = NULL;
	int len = i2d_CMS_ContentInfo(cms, &der);
	plist_t p = plist_new_data((const char *)der, (uint64_t)len);

	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	return p;
}

/* The three words of an escalation; the outcome of the last one said. */
static const char *escalate(struct link *l, X509 *cert, unsigned int flags)
{
	plist_t m = request("Escalate"), a;
	const char *how;

	plist_dict_set_item(m, "SupervisorCertificate", der_node(cert));
	a = link_ask(l, m);
	if (strcmp(text_in(a, "Status"), "Acknowledged") != 0)
		return outcome(a);
	m = request("EscalateResponse");
	plist_dict_set_item(m, "SignedRequest", sign(cert, data_in(a, "Challenge"), flags));
	plist_free(a);
	how = outcome(link_ask(l, m));
	if (strcmp(how, "Acknowledged") != 0)
		return how;
	return outcome(link_ask(l, request("ProceedWithKeybagMigration")));
}

static const char PROFILE[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\"><dict><key>PayloadType</key>"
	"<string>Configuration</string><key>PayloadVersion</key><integer>1</integer><key>PayloadIdentifier</key>"
	"<string>%s</string><key>PayloadUUID</key><string>%s</string><key>PayloadDisplayName</key><string>P</string>"
	"<key>PayloadRemovalDisallowed</key><%s/><key>PayloadContent</key><array><dict><key>PayloadType</key><string>%s</string>"
	"<key>PayloadVersion</key><integer>1</integer><key>PayloadIdentifier</key><string>a.b</string><key>PayloadUUID</key>"
	"<string>0A0A</string><key>SSID_STR</key><string>Ward</string></dict></array></dict></plist>";

static const char *profile_text(const char *identifier, const char *uuid, bool fixed, const char *type)
{
	static char text[2048];

	snprintf(text, sizeof(text), PROFILE, identifier, uuid, fixed ? "true" : "false", type);
	return text;
}

static const char *install_bytes(struct link *l, const char *how, struct stg_bytes bytes)
{
	plist_t m = request(how);

	plist_dict_set_item(m, "Payload", plist_new_data((const char *)bytes.data, bytes.len));
	return outcome(link_ask(l, m));
}

static const char *install(struct link *l, const char *how, const char *identifier)
{
	char uuid[80];

	snprintf(uuid, sizeof(uuid), "uuid-of-%s", identifier);
	return install_bytes(l, how, stg_bytes_str(profile_text(identifier, uuid, false, "com.apple.wifi.managed")));
}

static bool is_listed(struct link *l, const char *identifier)
{
	plist_t a = link_ask(l, request("GetProfileList"));
	plist_t meta = plist_dict_get_item(plist_dict_get_item(a, "ProfileMetadata"), identifier);
	bool there = meta != NULL;

	if (there) {
		assert_true(text_in(meta, "PayloadUUID")[0] != '\0');
		assert_int_equal(number_in(meta, "PayloadVersion"), 1);
	}
	plist_free(a);
	return there;
}

static void an_unactivated_device_cannot_be_supervised(void **state)
{
	struct link l = mcinstall();

	(void)state;
	tell(&bench, "set %s activated false", bench.udid);
	assert_string_equal(supervise_with(&l, configuration()), "33003");
	link_close(&l);
}

static void a_device_of_the_programme_must_be_configured_there(void **state)
{
	struct link l = mcinstall();

	(void)state;
	tell(&bench, "set %s abm_assigned true", bench.udid);
	assert_string_equal(supervise_with(&l, configuration()), "33004");
	link_close(&l);
}

static void wrong_types_are_refused_and_change_nothing(void **state)
{
	struct link l = mcinstall();
	plist_t c = configuration(), a;

	(void)state;
	plist_dict_set_item(c, "SkipSetup", plist_new_string("Siri"));
	assert_string_equal(supervise_with(&l, c), "33002");
	c = configuration();
	plist_dict_remove_item(c, "OrganizationName");
	assert_string_equal(supervise_with(&l, c), "33002");
	assert_string_equal(supervise_with(&l, NULL), "CommandFormatError");
	assert_string_equal(outcome(link_ask(&l, plist_new_dict())), "CommandFormatError");
	assert_string_equal(outcome(link_ask(&l, request("MakeCoffee"))), "CommandFormatError");
	a = link_ask(&l, request("GetCloudConfiguration"));
	assert_null(plist_dict_get_item(a, "CloudConfiguration"));
	plist_free(a);
	link_close(&l);
}

static void a_second_configuration_is_refused(void **state)
{
	struct link l = mcinstall();
	plist_t a, c;

	(void)state;
	assert_string_equal(supervise_with(&l, configuration()), "Acknowledged");
	assert_string_equal(supervise_with(&l, configuration()), "14002");
	a = link_ask(&l, request("GetCloudConfiguration"));
	c = plist_dict_get_item(a, "CloudConfiguration");
	assert_true(truth_in(c, "IsSupervised"));
	assert_int_equal(number_in(c, "ConfigurationSource"), 2);
	assert_true(truth_in(c, "IsMandatory"));
	assert_true(truth_in(c, "CloudConfigurationUIComplete"));
	assert_null(plist_dict_get_item(a, "IsSupervised"));
	plist_free(a);
	link_close(&l);
}

static void a_set_up_device_has_a_configuration_already(void **state)
{
	struct link l;

	(void)state;
	tell(&bench, "set %s at_home_screen true", bench.udid);
	l = mcinstall();
	assert_string_equal(supervise_with(&l, configuration()), "14002");
	link_close(&l);
}

static void forbidding_pairing_ends_our_own_trust(void **state)
{
	struct link l = mcinstall(), again;
	plist_t c = configuration(), a;

	(void)state;
	plist_dict_set_item(c, "AllowPairing", plist_new_bool(0));
	assert_string_equal(supervise_with(&l, c), "Acknowledged");
	link_close(&l);
	again = lockdown(&bench, bench.udid);
	a = start_session(&again, trust.host_id);
	assert_string_equal(text_in(a, "Error"), "InvalidHostID");
	plist_free(a);
	assert_string_equal(try_pair(&again, &trust, NULL), "MCProtected");
	link_close(&again);
}

/* Pair as a supervisor; the error of the last answer. */
static const char *pair_as(struct link *l, X509 *cert, unsigned int flags)
{
	static char error[64];
	plist_t m = pair_message(&trust), a, o;

	plist_dict_set_item(plist_dict_get_item(m, "PairingOptions"), "SupervisorCertificate", der_node(cert));
	a = link_ask(l, m);
	stg_copy(error, sizeof(error), text_in(a, "Error"));
	if (strcmp(error, "MCChallengeRequired") != 0) {
		plist_free(a);
		return error;
	}
	m = pair_message(&trust);
	o = plist_dict_get_item(m, "PairingOptions");
	plist_dict_set_item(o, "ChallengeResponse",
			    sign(cert, data_in(plist_dict_get_item(a, "ExtendedResponse"), "PairingChallenge"), flags));
	plist_free(a);
	return try_pair(l, &trust, m);
}

static void a_supervisor_pairs_without_a_tap_and_nobody_else_does(void **state)
{
	X509 *other = make_cert(host_key(), host_key(), "Somebody else");
	struct link l = mcinstall();

	(void)state;
	assert_string_equal(supervise_with(&l, configuration()), "Acknowledged");
	link_close(&l);
	tell(&bench, "set %s at_home_screen true", bench.udid);
	l = lockdown(&bench, bench.udid);
	trust_free(&trust);
	trust_make(&trust, &l);
	assert_string_equal(pair_as(&l, other, CMS_BINARY), "PairingDialogResponsePending");
	/* Text canonicalisation changes the challenge's line feeds. */
	assert_string_equal(pair_as(&l, supervisor, 0), "MCProtected");
	assert_string_equal(pair_as(&l, supervisor, CMS_BINARY), "");
	assert_string_equal(pair_as(&l, supervisor, CMS_BINARY), "");
	link_close(&l);
	l = session(&bench, bench.udid, &trust, NULL);
	link_close(&l);
	X509_free(other);
}

static void escalation_needs_the_right_certificate_and_a_binary_signature(void **state)
{
	X509 *other = make_cert(host_key(), host_key(), "Somebody else");
	struct link l = mcinstall();

	(void)state;
	assert_string_equal(escalate(&l, supervisor, CMS_BINARY), "CertificateRejected");
	assert_string_equal(supervise_with(&l, configuration()), "Acknowledged");
	assert_string_equal(escalate(&l, other, CMS_BINARY), "CertificateRejected");
	assert_string_equal(escalate(&l, supervisor, 0), "SignedRequestRejected");
	assert_string_equal(install(&l, "InstallProfileSilent", "org.example.x"), "CommandFormatError");
	assert_string_equal(escalate(&l, supervisor, CMS_BINARY), "Acknowledged");
	assert_string_equal(install(&l, "InstallProfileSilent", "org.example.x"), "Acknowledged");
	link_close(&l);
	/* It belongs to the connection. */
	l = mcinstall();
	assert_string_equal(install(&l, "InstallProfileSilent", "org.example.y"), "CommandFormatError");
	assert_true(is_listed(&l, "org.example.x"));
	link_close(&l);
	X509_free(other);
}

static void a_bad_profile_is_refused_with_a_reason(void **state)
{
	struct link l = mcinstall();
	char text[2048];

	(void)state;
	assert_string_equal(install_bytes(&l, "InstallProfile", stg_bytes_str("hello")), "4000/1000");
	assert_string_equal(install_bytes(&l, "InstallProfile", stg_bytes("\x30\x03\x02\x01\x01", 5)), "4007");
	assert_string_equal(install_bytes(&l, "InstallProfile", stg_bytes_str("<plist><string>x</string></plist>")), "4000/1000");
	stg_copy(text, sizeof(text), profile_text("a", "b", false, "com.apple.wifi.managed"));
	memcpy(strstr(text, "SSID_STR"), "SSID_XXX", 8);
	assert_string_equal(install_bytes(&l, "InstallProfile", stg_bytes_str(text)), "4001/2002");
	stg_copy(text, sizeof(text), profile_text("a", "b", false, "com.apple.wifi.managed"));
	memcpy(strstr(text, "PayloadUUID"), "PayloadXXXX", 11);
	assert_string_equal(install_bytes(&l, "InstallProfile", stg_bytes_str(text)), "4000/1002");
	assert_string_equal(outcome(link_ask(&l, request("InstallProfile"))), "CommandFormatError");
	assert_false(is_listed(&l, "a"));
	link_close(&l);
}

static void a_signed_profile_is_unwrapped_and_a_changed_one_refused(void **state)
{
	struct link l = mcinstall();
	plist_t cms = sign(supervisor, stg_bytes_str(profile_text("org.signed", "u", false, "com.apple.wifi.managed")), CMS_BINARY);
	uint64_t len = 0;
	const char *data = plist_get_data_ptr(cms, &len);
	char *copy = malloc(len);

	(void)state;
	memcpy(copy, data, len);
	((char *)memmem(copy, len, "Ward", 4))[0] = 'C';
	assert_string_equal(install_bytes(&l, "InstallProfile", stg_bytes(copy, len)), "4000/1007");
	assert_string_equal(install_bytes(&l, "InstallProfile", stg_bytes(data, len)), "Acknowledged");
	assert_true(is_listed(&l, "org.signed"));
	free(copy);
	plist_free(cms);
	link_close(&l);
}

static void at_the_home_screen_a_profile_waits_for_a_person(void **state)
{
	struct link l;
	json_t *d;

	(void)state;
	tell(&bench, "set %s at_home_screen true", bench.udid);
	l = mcinstall();
	assert_string_equal(install(&l, "InstallProfile", "org.example.wifi"), "Acknowledged");
	assert_false(is_listed(&l, "org.example.wifi"));
	d = show(&bench, bench.udid);
	assert_int_equal(json_array_size(json_object_get(d, "queued")), 1);
	json_decref(d);
	link_close(&l);
}

static const char *remove_with(struct link *l, plist_t identifier)
{
	plist_t m = request("RemoveProfile");

	plist_dict_set_item(m, "ProfileIdentifier", identifier);
	return outcome(link_ask(l, m));
}

static void a_profile_leaves_only_when_it_was_asked_properly(void **state)
{
	static const char as_plist[] = "<plist version=\"1.0\"><dict><key>PayloadType</key><string>Configuration</string>"
				       "<key>PayloadIdentifier</key><string>org.example.p</string></dict></plist>";
	struct link l = mcinstall();

	(void)state;
	assert_string_equal(remove_with(&l, plist_new_string("org.example.p")), "4024");
	assert_string_equal(install(&l, "InstallProfile", "org.example.p"), "Acknowledged");
	assert_string_equal(remove_with(&l, plist_new_string(as_plist)), "Acknowledged");
	assert_true(is_listed(&l, "org.example.p"));
	tell(&bench, "set %s string_remove ignore", bench.udid);
	assert_string_equal(remove_with(&l, plist_new_string("org.example.p")), "Acknowledged");
	assert_true(is_listed(&l, "org.example.p"));
	assert_string_equal(remove_with(&l, plist_new_data(as_plist, sizeof(as_plist) - 1)), "Acknowledged");
	assert_false(is_listed(&l, "org.example.p"));
	/* One that must not be removed is acknowledged and stays. */
	assert_string_equal(install_bytes(&l, "InstallProfile",
					  stg_bytes_str(profile_text("org.example.p", "u", true, "com.apple.wifi.managed"))),
			    "Acknowledged");
	assert_string_equal(remove_with(&l, plist_new_data(as_plist, sizeof(as_plist) - 1)), "Acknowledged");
	assert_true(is_listed(&l, "org.example.p"));
	link_close(&l);
}

static void an_enrolment_needs_its_server_or_the_moment_after_setup(void **state)
{
	struct link l = mcinstall();
	const char *text = profile_text("org.example.mdm", "m", false, "com.apple.mdm");
	plist_t m = request("StoreProfile"), a;

	(void)state;
	tell(&bench, "line closed");
	assert_string_equal(install_bytes(&l, "InstallProfile", stg_bytes_str(text)), "4001/12002");
	plist_dict_set_item(m, "ProfileData", plist_new_data(text, strlen(text)));
	plist_dict_set_item(m, "Purpose", plist_new_string("PostSetupInstallation"));
	assert_string_equal(outcome(link_ask(&l, m)), "Acknowledged");
	m = request("GetStoredProfile");
	plist_dict_set_item(m, "Purpose", plist_new_string("PostSetupInstallation"));
	a = link_ask(&l, m);
	assert_true(stg_bytes_equal(data_in(a, "ProfileData"), stg_bytes_str(text)));
	plist_free(a);
	assert_false(is_listed(&l, "org.example.mdm"));
	tell(&bench, "line open");
	tell(&bench, "set %s at_home_screen true", bench.udid);
	assert_true(is_listed(&l, "org.example.mdm"));
	link_close(&l);
}

static void a_newer_profile_takes_the_place_of_the_older(void **state)
{
	struct link l = mcinstall();
	plist_t a;

	(void)state;
	assert_string_equal(install_bytes(&l, "InstallProfile", stg_bytes_str(profile_text("org.p", "one", false, "com.apple.wifi.managed"))), "Acknowledged");
	assert_string_equal(install_bytes(&l, "InstallProfile", stg_bytes_str(profile_text("org.q", "one", false, "com.apple.wifi.managed"))), "4002");
	assert_string_equal(install_bytes(&l, "InstallProfile", stg_bytes_str(profile_text("org.p", "two", false, "com.apple.wifi.managed"))), "Acknowledged");
	a = link_ask(&l, request("GetProfileList"));
	assert_int_equal(plist_array_get_size(plist_dict_get_item(a, "OrderedIdentifiers")), 1);
	assert_string_equal(text_in(plist_dict_get_item(plist_dict_get_item(a, "ProfileMetadata"), "org.p"), "PayloadUUID"), "two");
	plist_free(a);
	link_close(&l);
}

static void the_unlock_token_opens_what_it_was_given_for(void **state)
{
	struct link l = mcinstall();
	plist_t a, m;
	struct stg_bytes token;

	(void)state;
	assert_string_equal(supervise_with(&l, configuration()), "Acknowledged");
	assert_string_equal(escalate(&l, supervisor, CMS_BINARY), "Acknowledged");
	a = link_ask(&l, request("RequestUnlockToken"));
	token = data_in(a, "UnlockToken");
	assert_true(token.len > 0);
	tell(&bench, "set %s has_passcode true", bench.udid);
	assert_string_equal(outcome(link_ask(&l, request("RequestUnlockToken"))), "37002");
	m = request("ClearPasscode");
	plist_dict_set_item(m, "UnlockToken", plist_new_data("wrong", 5));
	assert_string_equal(outcome(link_ask(&l, m)), "37000");
	m = request("ClearPasscode");
	plist_dict_set_item(m, "UnlockToken", plist_new_data((const char *)token.data, token.len));
	assert_string_equal(outcome(link_ask(&l, m)), "Acknowledged");
	plist_free(a);
	a = link_ask(&l, request("SecurityInfo"));
	assert_false(truth_in(plist_dict_get_item(a, "SecurityInfo"), "PasscodePresent"));
	plist_free(a);
	link_close(&l);
}

static void an_erased_device_remembers_nothing(void **state)
{
	struct link l = mcinstall();
	plist_t m = request("EraseDevice");
	json_t *d;

	(void)state;
	assert_string_equal(supervise_with(&l, configuration()), "Acknowledged");
	assert_string_equal(install(&l, "InstallProfile", "org.example.x"), "Acknowledged");
	plist_dict_set_item(m, "PreserveDataPlan", plist_new_string("yes"));
	assert_string_equal(outcome(link_ask(&l, m)), "CommandFormatError");
	tell(&bench, "set %s find_my true", bench.udid);
	tell(&bench, "set %s iccid 8933012345678901234", bench.udid);
	tell(&bench, "set %s esim true", bench.udid);
	m = request("EraseDevice");
	plist_dict_set_item(m, "PreserveDataPlan", plist_new_uint(1));
	plist_free(link_ask(&l, m));
	link_close(&l);
	tell(&bench, "wait %s erased 1", bench.udid);
	d = show(&bench, bench.udid);
	assert_false(stg_json_bool(d, "supervised", true));
	assert_int_equal(json_array_size(json_object_get(d, "profiles")), 0);
	assert_int_equal(json_array_size(json_object_get(d, "hosts")), 0);
	assert_string_equal(stg_json_str(d, "activation_state"), "Unactivated");
	assert_true(stg_json_bool(d, "activation_lock", false));
	assert_int_equal(stg_json_int(d, "attach_count", 0), 2);
	assert_string_equal(stg_json_str(d, "iccid"), "8933012345678901234");
	json_decref(d);
	/* With a network of its own it activates by itself. */
	tell(&bench, "set %s has_network true", bench.udid);
	tell(&bench, "erase %s", bench.udid);
	tell(&bench, "wait %s erased 2", bench.udid);
	d = show(&bench, bench.udid);
	assert_string_equal(stg_json_str(d, "activation_state"), "Activated");
	/* this one nobody told to keep the plan */
	assert_string_equal(stg_json_str(d, "iccid"), "");
	json_decref(d);
}

static void a_device_of_the_programme_fetches_its_own_configuration(void **state)
{
	struct link l = mcinstall();

	(void)state;
	tell(&bench, "set %s abm_assigned true", bench.udid);
	tell(&bench, "line closed");
	assert_string_equal(install(&l, "InstallProfile", "org.example.wifi"), "Acknowledged");
	assert_string_equal(outcome(link_ask(&l, request("HelloHostIdentifier"))), "Acknowledged");
	tell(&bench, "line open");
	tell(&bench, "wait %s supervised", bench.udid);
	assert_string_equal(supervise_with(&l, configuration()), "14002");
	link_close(&l);
}

static void wifi_may_be_switched_on_supervised_devices_only(void **state)
{
	struct link l = mcinstall();
	plist_t m = request("SetWiFiPowerState");

	(void)state;
	assert_string_equal(outcome(link_ask(&l, plist_copy(m))), "CommandFormatError");
	plist_dict_set_item(m, "PowerState", plist_new_bool(1));
	assert_string_equal(outcome(link_ask(&l, plist_copy(m))), "14005");
	assert_string_equal(supervise_with(&l, configuration()), "Acknowledged");
	assert_string_equal(outcome(link_ask(&l, m)), "Acknowledged");
	link_close(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_unactivated_device_cannot_be_supervised, begin, end),
		cmocka_unit_test_setup_teardown(a_device_of_the_programme_must_be_configured_there, begin, end),
		cmocka_unit_test_setup_teardown(wrong_types_are_refused_and_change_nothing, begin, end),
		cmocka_unit_test_setup_teardown(a_second_configuration_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(a_set_up_device_has_a_configuration_already, begin, end),
		cmocka_unit_test_setup_teardown(forbidding_pairing_ends_our_own_trust, begin, end),
		cmocka_unit_test_setup_teardown(a_supervisor_pairs_without_a_tap_and_nobody_else_does, begin, end),
		cmocka_unit_test_setup_teardown(escalation_needs_the_right_certificate_and_a_binary_signature, begin, end),
		cmocka_unit_test_setup_teardown(a_bad_profile_is_refused_with_a_reason, begin, end),
		cmocka_unit_test_setup_teardown(a_signed_profile_is_unwrapped_and_a_changed_one_refused, begin, end),
		cmocka_unit_test_setup_teardown(at_the_home_screen_a_profile_waits_for_a_person, begin, end),
		cmocka_unit_test_setup_teardown(a_profile_leaves_only_when_it_was_asked_properly, begin, end),
		cmocka_unit_test_setup_teardown(an_enrolment_needs_its_server_or_the_moment_after_setup, begin, end),
		cmocka_unit_test_setup_teardown(a_newer_profile_takes_the_place_of_the_older, begin, end),
		cmocka_unit_test_setup_teardown(the_unlock_token_opens_what_it_was_given_for, begin, end),
		cmocka_unit_test_setup_teardown(an_erased_device_remembers_nothing, begin, end),
		cmocka_unit_test_setup_teardown(a_device_of_the_programme_fetches_its_own_configuration, begin, end),
		cmocka_unit_test_setup_teardown(wifi_may_be_switched_on_supervised_devices_only, begin, end),
	};

	return cmocka_run_group_tests_name("virtual mcinstall", tests, NULL, NULL);
}
