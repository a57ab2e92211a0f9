/*
 * test_profile.c - profiles people bring are refused with a place to look at; templates are filled without surprises.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <plist/plist.h>

#include <stager/error.h>
#include <stager/keys.h>
#include <stager/payload.h>
#include <stager/plistscan.h>
#include <stager/registry.h>

#define MARK "MARKED-SECRET-51c9"
#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\">\n"
#define UUID_A "AAAAAAAA-0000-4000-8000-000000000001"
#define UUID_B "BBBBBBBB-0000-4000-8000-000000000002"
#define UUID_C "CCCCCCCC-0000-4000-8000-000000000003"
#define ROOT_KEYS \
	"<key>PayloadType</key><string>Configuration</string>\n<key>PayloadVersion</key><integer>1</integer>\n" \
	"<key>PayloadIdentifier</key><string>org.example.a</string>\n<key>PayloadUUID</key><string>" UUID_A "</string>\n"
#define PAYLOAD(type, id, uuid, more) \
	"<dict>\n<key>PayloadType</key><string>" type "</string>\n<key>PayloadVersion</key><integer>1</integer>\n" \
	"<key>PayloadIdentifier</key><string>" id "</string>\n<key>PayloadUUID</key><string>" uuid "</string>\n" more "</dict>\n"
#define PROFILE(payloads) HEAD "<dict>\n" ROOT_KEYS "<key>PayloadContent</key><array>\n" payloads "</array>\n</dict>\n</plist>\n"
#define WIFI(more) PAYLOAD("com.apple.wifi.managed", "org.example.a.wifi", UUID_B, "<key>SSID_STR</key><string>Ward</string>\n" more)

static void refused(const char *text, enum stg_id id, const char *words)
{
	struct stg_error err = { 0 };
	json_t *got = stg_profile_read("ward.mobileconfig", stg_bytes_str(text), &err);
	if (got)
		fail_msg("accepted, expected: %s", words);
	if (err.id != id || err.code != STG_E_INPUT || !strstr(err.msg, words))
		fail_msg("got %u '%s', expected %u '%s'", err.id, err.msg, id, words);
	assert_int_equal(strncmp(err.msg, "ward.mobileconfig:", 18), 0);
	assert_int_equal(stg_exit_status(&err), 3);
}

static void a_file_that_is_no_profile_is_named_as_such(void **state)
{
	(void)state;
	refused("", STG_ID_NOT_A_PROFILE, "empty");
	refused("hello, this is a letter", STG_ID_NOT_A_PROFILE, "neither");
	refused("<html><body/></html>", STG_ID_PROFILE_DAMAGED, "ward.mobileconfig:1:");
	refused(HEAD "<array/></plist>", STG_ID_PROFILE_RULE, "a profile must be a dictionary");
	refused("\xff\xfe<\0p\0", STG_ID_NOT_A_PROFILE, "UTF-16");
	struct stg_error err = { 0 };
	char *huge = malloc(3 << 20);
	assert_non_null(huge);
	memset(huge, ' ', 3 << 20);
	assert_null(stg_profile_read("x", stg_bytes(huge, 3 << 20), &err));
	assert_int_equal(err.id, STG_ID_PROFILE_TOO_LARGE);
	free(huge);
}

static void what_a_device_would_refuse_is_refused_with_its_line(void **state)
{
	(void)state;
	refused(HEAD "<dict>\n<key>PayloadType</key><string>com.apple.wifi.managed</string>\n</dict></plist>", STG_ID_PROFILE_RULE,
		":4: PayloadType: this is a single payload, not a profile");
	refused(HEAD "<dict>\n<key>PayloadType</key><string>Profile Service</string>\n</dict></plist>", STG_ID_PROFILE_RULE, "over the air");
	refused(HEAD "<dict>\n<key>PayloadType</key><string>Configuration</string>\n<key>PayloadVersion</key>\n<real>1</real>\n</dict></plist>",
		STG_ID_PROFILE_RULE, ":6: PayloadVersion: must be a whole number");
	refused(HEAD "<dict>\n<key>PayloadType</key><string>Configuration</string>\n<key>PayloadVersion</key><integer>1</integer>\n</dict></plist>",
		STG_ID_PROFILE_RULE, ":3: the required key PayloadIdentifier is missing");
	refused(HEAD "<dict>\n" ROOT_KEYS "</dict></plist>", STG_ID_PROFILE_RULE, "PayloadContent is missing");
	refused(HEAD "<dict>\n" ROOT_KEYS "<key>PayloadContent</key>\n<dict/></dict></plist>", STG_ID_PROFILE_RULE, ":9: PayloadContent: must be a list");
	refused(PROFILE("<string>x</string>"), STG_ID_PROFILE_RULE, "PayloadContent[0]: a payload must be a dictionary");
	refused(PROFILE(PAYLOAD("com.apple.font", "org.example.a.x", "aaaaaaaa-0000-4000-8000-000000000001", "")), STG_ID_PROFILE_RULE,
		"PayloadContent[0].PayloadUUID: this PayloadUUID is used twice (first at line 7)");
	refused(PROFILE(PAYLOAD("com.apple.font", "org.example.a.x", UUID_B, "") PAYLOAD("com.apple.font", "org.example.a.x", UUID_C, "")),
		STG_ID_PROFILE_RULE, "this PayloadIdentifier is used twice");
	refused(PROFILE(WIFI("<key>PayloadCertificateUUID</key>\n<string>" UUID_C "</string>\n")), STG_ID_PROFILE_RULE,
		"refers to a certificate that is not in this profile");
	refused(PROFILE(WIFI("<key>PayloadCertificateUUID</key><string>" UUID_C "</string>\n")
			PAYLOAD("com.apple.security.root", "org.example.a.r", UUID_C, "<key>PayloadContent</key><data>AAAA</data>")),
		STG_ID_PROFILE_RULE, "is a CA certificate, an identity is needed");
}

static void damaged_text_is_refused_with_its_line(void **state)
{
	(void)state;
	refused(PROFILE(WIFI("")) "more", STG_ID_PROFILE_DAMAGED, "ward.mobileconfig:19:");
	refused(PROFILE(WIFI("<key>SSID_STR</key><string>again</string>\n")), STG_ID_PROFILE_DAMAGED, "ward.mobileconfig:15:");
	refused(PROFILE(WIFI("<key>ProxyServerPort</key><integer>2o48</integer>\n")), STG_ID_PROFILE_DAMAGED, "ward.mobileconfig:15:");
	refused(PROFILE(WIFI("<key>Password</key><string>caf\xe9</string>\n")), STG_ID_PROFILE_DAMAGED, "ward.mobileconfig:15:");
	refused(PROFILE(WIFI("<key>Password</key>\n")), STG_ID_PROFILE_DAMAGED, "ward.mobileconfig:1");
}

static void a_bomb_is_refused_at_once(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf deep = STG_BUF(4 << 20);
	assert_true(stg_buf_add_str(&deep, HEAD, NULL));
	for (int i = 0; i < 50000; i++)
		assert_true(stg_buf_add_str(&deep, "<array>", NULL));
	struct stg_error err = { 0 };
	assert_null(stg_profile_read("x", stg_buf_view(&deep), &err));
	assert_int_equal(err.id, STG_ID_PROFILE_DAMAGED);
	refused("<?xml version=\"1.0\"?><!DOCTYPE plist [<!ENTITY a \"aaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><plist><dict/></plist>",
		STG_ID_PROFILE_DAMAGED, "DOCTYPE");
	stg_buf_reset(&deep);
	assert_true(stg_buf_add_str(&deep, HEAD "<dict>" ROOT_KEYS "<key>PayloadContent</key><array>", NULL));
	for (int i = 0; i < 19000; i++)
		assert_true(stg_buf_add_str(&deep, "<dict/>", NULL));
	assert_true(stg_buf_add_str(&deep, "</array></dict></plist>", NULL));
	assert_null(stg_profile_read("x", stg_buf_view(&deep), &err));
	assert_int_equal(err.id, STG_ID_PROFILE_RULE);
}

static void a_good_profile_says_what_it_is_in_every_form_people_bring(void **state)
{
	(void)state;
	static const char text[] = "\n" PROFILE(WIFI(""));
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *a = stg_profile_read("a", stg_bytes_str(text), &err);
	if (!a)
		fail_msg("%s", err.msg);
	assert_string_equal(stg_json_str(a, "identifier"), "org.example.a");
	assert_string_equal(stg_json_str(a, "uuid"), UUID_A);
	assert_false(stg_json_bool(a, "has_mdm", true));
	assert_int_equal(json_array_size(json_object_get(a, "payloads")), 1);

	STG_AUTO(stg_buf_clear) struct stg_buf b64 = STG_BUF(1 << 20);
	assert_true(stg_base64(stg_bytes_str(text), &b64, &err));
	STG_AUTO(stg_json_free_at) json_t *b = stg_profile_read("b", stg_buf_view(&b64), &err);
	assert_non_null(b);

	plist_t root = NULL;
	char *bin = NULL;
	uint32_t n = 0;
	plist_from_memory(text + 1, (uint32_t)strlen(text + 1), &root);
	plist_to_bin(root, &bin, &n);
	STG_AUTO(stg_json_free_at) json_t *c = stg_profile_read("c", stg_bytes(bin, n), &err);
	assert_non_null(c);
	free(bin);
	plist_free(root);
	static const char bom[] = "\xef\xbb\xbf" PROFILE(WIFI(""));
	STG_AUTO(stg_json_free_at) json_t *d = stg_profile_read("d", stg_bytes_str(bom), &err);
	assert_non_null(d);
}

/* ---- lint ---- */

static bool has_finding(const char *text, const char *level, const char *words)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *list = stg_profile_lint("x", stg_bytes_str(text), &err);
	if (!list)
		fail_msg("%s", err.msg);
	size_t i;
	json_t *one;
	json_array_foreach(list, i, one) {
		if (strcmp(stg_json_str(one, "level"), level) == 0 && strstr(stg_json_str(one, "text"), words))
			return true;
	}
	char *all = stg_json_text(list);
	fprintf(stderr, "looked for %s '%s' in %s\n", level, words, all);
	free(all);
	return false;
}

static void lint_says_what_the_device_would_refuse_or_ignore(void **state)
{
	(void)state;
	assert_true(has_finding(PROFILE(WIFI("<key>AutoJoin</key><string>true</string>")), "error", "must be true or false, is text"));
	assert_true(has_finding(PROFILE(WIFI("<key>EncryptionType</key><string>WPA4</string>")), "error", "\"WPA4\" is not one of WEP"));
	assert_true(has_finding(PROFILE(WIFI("<key>ProxyServerPort</key><integer>70000</integer>")), "error", "out of range 0..65535"));
	assert_true(has_finding(PROFILE(WIFI("<key>AcceptEAPTypes</key><array/>")), "error", "belongs inside EAPClientConfiguration"));
	assert_true(has_finding(PROFILE(WIFI("<key>autojoin</key><true/>")), "error", "write AutoJoin"));
	assert_true(has_finding(PROFILE(WIFI("<key>Colour</key><true/>")), "warning", "not a key of this payload"));
	assert_true(has_finding(PROFILE(PAYLOAD("com.example.thing", "org.example.a.t", UUID_B, "")), "warning", "unknown payload type"));
	assert_true(has_finding(PROFILE(PAYLOAD("com.apple.homescreenlayout", "org.example.a.t", UUID_B, "")), "note", "supervised"));
#define MDM(more) PAYLOAD("com.apple.mdm", "org.example.a.mdm", UUID_B, "<key>IdentityCertificateUUID</key><string>" UUID_C "</string>" more) \
	PAYLOAD("com.apple.security.pkcs12", "org.example.a.id", UUID_C, "<key>PayloadContent</key><data>AAAA</data>")
	assert_true(has_finding(PROFILE(MDM("<key>ServerURL</key><string>http://x</string>")), "error", "https://"));
	assert_true(has_finding(PROFILE(MDM("<key>Topic</key><string>x</string>")), "error", "com.apple.mgmt."));
	assert_true(has_finding(PROFILE(MDM("<key>AccessRights</key><integer>2</integer>")), "error", "right 2 needs right 1"));
	assert_true(has_finding(PROFILE(MDM("")), "warning", "store it for after setup"));
}

static void lint_never_quotes_a_value_that_may_be_secret(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *list = stg_profile_lint(
		"x", stg_bytes_str(PROFILE(WIFI("<key>Password</key><array><string>" MARK "</string></array><key>Junk</key><string>" MARK "</string>"
						"<key>PayloadCertificateUUID</key><string>" MARK "</string>"))), &err);
	assert_non_null(list);
	char *all = stg_json_text(list);
	assert_null(strstr(all, MARK));
	assert_true(json_array_size(list) >= 3);
	free(all);
}

/* ---- filling in ---- */

static plist_t parsed(const struct stg_payload *p)
{
	plist_t root = NULL;
	assert_true(stg_plist_scan(stg_buf_view(&p->bytes), &stg_plist_profile, NULL, NULL));
	plist_from_memory((const char *)p->bytes.data, (uint32_t)p->bytes.len, &root);
	assert_non_null(root);
	return root;
}

static const char *text_at(plist_t root, uint32_t payload, const char *key)
{
	plist_t one = plist_array_get_item(plist_dict_get_item(root, "PayloadContent"), payload);
	plist_t v = plist_dict_get_item(one, key);
	assert_non_null(v);
	return plist_get_string_ptr(v, NULL);
}

static void a_value_cannot_become_markup_or_another_variable(void **state)
{
	(void)state;
	static const char *const nasty[] = { "<key>Evil</key>", "a & b", "]]>", "\"'<>&", "{{serial}}", "{{{{", "</string></dict></plist>", "&lt;", "\xc3\xa9t\xc3\xa9 \xf0\x9f\x93\xb1",
					     "<![CDATA[x]]>", "<!-- -->" };
	for (size_t i = 0; i < STG_ARRAY_LEN(nasty); i++) {
		struct stg_error err = { 0 };
		struct stg_payload p = { 0 };
		STG_AUTO(stg_json_free_at) json_t *values = json_pack("{s:s,s:s}", "secret.wifi", nasty[i], "serial", "X");
		if (!stg_profile_fill("x", stg_bytes_str(PROFILE(WIFI("<key>Password</key><string>{{secret.wifi}}</string>"))), values, "unit1", &p, &err))
			fail_msg("%s: %s", nasty[i], err.msg);
		plist_t root = parsed(&p);
		assert_string_equal(text_at(root, 0, "Password"), nasty[i]);
		assert_null(plist_dict_get_item(plist_array_get_item(plist_dict_get_item(root, "PayloadContent"), 0), "Evil"));
		plist_free(root);
		stg_payload_clear(&p);
	}
}

static char *filled(const char *template, json_t *values, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(65536);
	struct stg_payload p = { 0 };
	assert_true(stg_buf_printf(&text, NULL, PROFILE(WIFI("<key>Password</key><string>%s</string>")), template));
	bool ok = stg_profile_fill("ward.mobileconfig", stg_buf_view(&text), values, "unit1", &p, err);
	json_decref(values);
	if (!ok)
		return NULL;
	plist_t root = parsed(&p);
	char *got = stg_strdup(text_at(root, 0, "Password"));
	plist_free(root);
	stg_payload_clear(&p);
	return got;
}

static void variables_read_as_in_blueprints(void **state)
{
	(void)state;
	static const struct { const char *template, *expected; } cases[] = {
		{ "{{serial}}", "DX3F" }, { "a{{ serial }}b", "aDX3Fb" }, { "{{{{serial}}", "{{serial}}" }, { "{{asset_tag|serial}}", "DX3F" },
		{ "{{empty|serial}}", "DX3F" }, { "{{asset_tag|none}}", "none" }, { "{{asset_tag|'serial'}}", "serial" }, { "x}}y", "x}}y" },
		{ "{{count}}-{{yes}}", "7-true" }, { "{{asset_tag|batch.x|serial}}", "DX3F" }, { "{{asset_tag|''}}", "" } };
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		struct stg_error err = { 0 };
		json_t *values = json_pack("{s:s,s:s,s:i,s:b}", "serial", "DX3F", "empty", "", "count", 7, "yes", 1);
		char *got = filled(cases[i].template, values, &err);
		if (!got)
			fail_msg("%s: %s", cases[i].template, err.msg);
		assert_string_equal(got, cases[i].expected);
		free(got);
	}
}

static void an_unknown_variable_is_named_with_its_line_and_key(void **state)
{
	(void)state;
	static const char *const wrong[] = { "{{asset_tag}}", "{{asset_tag|batch.tag}}", "{{serial", "{{}}", "{{a b}}", "{{{serial}}", "{{empty}}" };
	for (size_t i = 0; i < STG_ARRAY_LEN(wrong); i++) {
		struct stg_error err = { 0 };
		char *got = filled(wrong[i], json_pack("{s:s,s:s}", "serial", "DX3F", "empty", ""), &err);
		if (got)
			fail_msg("%s became %s", wrong[i], got);
		assert_int_equal(err.id, STG_ID_PROFILE_VARIABLE);
		if (!strstr(err.msg, "ward.mobileconfig:15: PayloadContent[0].Password: "))
			fail_msg("%s", err.msg);
	}
	struct stg_error err = { 0 };
	assert_null(filled("{{asset_tag}}", json_object(), &err));
	assert_non_null(strstr(err.msg, "{{asset_tag}}"));
}

static void no_error_shows_a_value(void **state)
{
	(void)state;
	static const char *const templates[] = { "{{secret.wifi}} {{nothing}}", "{{secret.wifi}}{{data}}", "{{secret.control}}" };
	for (size_t i = 0; i < STG_ARRAY_LEN(templates); i++) {
		struct stg_error err = { 0 };
		json_t *values = json_pack("{s:s,s:{s:s},s:s}", "secret.wifi", MARK, "data", "data", "AAAA", "secret.control", MARK "\x01");
		assert_null(filled(templates[i], values, &err));
		assert_null(strstr(err.msg, MARK));
		assert_int_equal(err.code, STG_E_INPUT);
	}
	/* the value breaks a rule only after it is filled in */
	struct stg_error err = { 0 };
	struct stg_payload p = { 0 };
	STG_AUTO(stg_json_free_at) json_t *values = json_pack("{s:s}", "secret.wifi", MARK);
	assert_false(stg_profile_fill("x", stg_bytes_str(PROFILE(WIFI("<key>PayloadCertificateUUID</key><string>{{secret.wifi}}</string>"))), values, "u", &p, &err));
	assert_null(strstr(err.msg, MARK));
	assert_int_equal(err.id, STG_ID_PROFILE_RULE);
}

static void a_profile_without_variables_or_values_passes_byte_for_byte(void **state)
{
	(void)state;
	static const char plain[] = "\n" PROFILE(WIFI("")), braces[] = PROFILE(WIFI("<key>Password</key><string>{{x</string>"));
	struct stg_error err = { 0 };
	struct stg_payload p = { 0 };
	STG_AUTO(stg_json_free_at) json_t *values = json_object();
	assert_true(stg_profile_fill("x", stg_bytes_str(plain), values, "u", &p, &err));
	assert_true(stg_bytes_equal(stg_buf_view(&p.bytes), stg_bytes_str(plain)));
	assert_string_equal(p.uuid, UUID_A);
	assert_string_equal(p.identifier, "org.example.a");
	assert_int_equal(p.version, 1);
	char sha[65];
	stg_sha256_hex(stg_bytes_str(plain), sha);
	assert_string_equal(p.sha256, sha);
	stg_payload_clear(&p);
	assert_true(stg_profile_fill("x", stg_bytes_str(braces), NULL, "u", &p, &err));
	assert_true(stg_bytes_equal(stg_buf_view(&p.bytes), stg_bytes_str(braces)));
	stg_payload_clear(&p);
}

static void identifiers_come_from_the_device_and_the_profile_s_own_from_what_it_holds(void **state)
{
	(void)state;
	static const char text[] = PROFILE(WIFI("<key>Password</key><string>{{tag}}</string>"
						"<key>PayloadCertificateUUID</key><string>cccccccc-0000-4000-8000-000000000003</string>")
		PAYLOAD("com.apple.security.pkcs12", "org.example.a.id", UUID_C, "<key>PayloadContent</key><data>AAAA</data>"));
	struct { const char *tag, *unit; struct stg_payload p; plist_t root; } cases[] = {
		{ .tag = "A", .unit = "1" }, { .tag = "A", .unit = "1" }, { .tag = "B", .unit = "1" }, { .tag = "A", .unit = "2" } };
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		struct stg_error err = { 0 };
		STG_AUTO(stg_json_free_at) json_t *values = json_pack("{s:s}", "tag", cases[i].tag);
		if (!stg_profile_fill("x", stg_bytes_str(text), values, cases[i].unit, &cases[i].p, &err))
			fail_msg("%s", err.msg);
		cases[i].root = parsed(&cases[i].p);
		/* the reference follows its payload */
		assert_string_equal(text_at(cases[i].root, 0, "PayloadCertificateUUID"), text_at(cases[i].root, 1, "PayloadUUID"));
	}
	assert_true(stg_bytes_equal(stg_buf_view(&cases[0].p.bytes), stg_buf_view(&cases[1].p.bytes)));
	assert_string_equal(cases[0].p.uuid, cases[1].p.uuid);
	assert_string_not_equal(cases[0].p.uuid, cases[2].p.uuid);
	assert_string_not_equal(cases[0].p.uuid, cases[3].p.uuid);
	assert_string_equal(text_at(cases[0].root, 0, "PayloadUUID"), text_at(cases[2].root, 0, "PayloadUUID"));
	assert_string_not_equal(text_at(cases[0].root, 0, "PayloadUUID"), text_at(cases[3].root, 0, "PayloadUUID"));
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		plist_free(cases[i].root);
		stg_payload_clear(&cases[i].p);
	}
}

/* ---- with an organisation ---- */

static char folder[256];
static struct stg_keys *keys;
static json_t *org;
static struct stg_buf org_sealed = { .max = 1 << 20 };

static int setup(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	const char *tmp = getenv("TMPDIR");
	snprintf(folder, sizeof(folder), "%s/stager-profile-XXXXXX", tmp ? tmp : "/tmp");
	STG_AUTO(stg_json_free_at) json_t *d = json_pack("{s:s}", "name", "Hôpital <Nord> & fils");
	return mkdtemp(folder) && (keys = stg_keys_open(folder, &err)) && stg_org_make(keys, d, &org, &org_sealed, &err) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	char path[300];
	snprintf(path, sizeof(path), "%s/station.key", folder);
	unlink(path);
	rmdir(folder);
	json_decref(org);
	stg_buf_clear(&org_sealed);
	stg_keys_close(keys);
	return 0;
}

static void an_edited_signed_profile_is_refused_and_a_good_one_names_its_signer(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf once = STG_BUF(1 << 20), twice = STG_BUF(1 << 20);
	static const char text[] = PROFILE(WIFI(""));
	assert_true(stg_org_sign_profile(keys, org, stg_buf_view(&org_sealed), stg_bytes_str(text), &once, &err));
	STG_AUTO(stg_json_free_at) json_t *j = stg_profile_read("x", stg_buf_view(&once), &err);
	if (!j)
		fail_msg("%s", err.msg);
	assert_string_equal(stg_json_str(j, "signed_by"), "Profile signing");
	assert_true(stg_org_sign_profile(keys, org, stg_buf_view(&org_sealed), stg_buf_view(&once), &twice, &err));
	assert_null(stg_profile_read("x", stg_buf_view(&twice), &err));
	assert_non_null(strstr(err.msg, "signed twice"));
	uint8_t *ward = memmem(once.data, once.len, "Ward", 4);
	assert_non_null(ward);
	ward[0] = 'w';
	assert_null(stg_profile_read("x", stg_buf_view(&once), &err));
	assert_int_equal(err.id, STG_ID_PROFILE_SIGNATURE);
	assert_non_null(strstr(err.msg, "Profile signing"));
	for (size_t n = 0; n < once.len; n += 97) {
		json_t *none = stg_profile_read("x", stg_bytes(once.data, n), &err);
		assert_null(none);
	}
}

static json_t *site_values(void)
{
	struct stg_error err = { 0 };
	json_t *v = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "serial", "DX3F", "wifi_ssid", "HOPITAL & co", "wifi_server", "radius.hopital.example", "mdm_topic",
			      "com.apple.mgmt.External.1", "mdm_url", "https://mdm.hopital.example/server", "enrolment_ssid", "BENCH", "secret.enrolment_wifi", "bench only");
	static const char *const more[][2] = {
		{ "ca_name", "Another CA" }, { "scep.url", "http://192.168.77.1:8090/scep" }, { "scep.challenge", "once" }, { "scep.fingerprint", "AAECAwQFBgcICQoLDA0ODxAREhM=" },
		{ "acme_url", "https://acme.hopital.example/directory" }, { "secret.wifi", "eight letters" }, { "wifi_user", "ward" }, { "secret.wifi_account", "account" },
		{ "vpn_name", "Hopital" }, { "vpn_server", "vpn.hopital.example" }, { "vpn_server_ca", "Hopital CA" }, { "dns_url", "https://dns.hopital.example/dns-query" },
		{ "proxy_host", "proxy.hopital.example" }, { "proxy_port", "8080" }, { "apn", "m2m.example" }, { "apn_user", "sim" }, { "secret.apn", "apn word" },
		{ "clip_url", "https://intranet.hopital.example/" }, { "clip_label", "Intranet" }, { "app_id", "org.example.app" }, { "dock_app", "com.apple.mobilesafari" },
		{ "web_allowed_url", "https://www.hopital.example/" }, { "printer_host", "192.0.2.7" }, { "mail_host", "mail.hopital.example" },
		{ "email", "ward@hopital.example" }, { "secret.profile_removal", "off" },
	};
	assert_true(stg_org_values(org, v, &err));
	for (size_t i = 0; i < STG_ARRAY_LEN(more); i++)
		stg_json_put(v, more[i][0], more[i][1]);
	json_object_set(v, "ca_der", json_object_get(v, "org.root_der"));
	return v;
}

static void issue(struct stg_secret *p12, struct stg_secret *password, json_t **row)
{
	struct stg_error err = { 0 };
	struct stg_leaf_ask ask = { .common_name = "DX3F", .key_type = "p-256" };
	if (!stg_leaf_issue(keys, org, stg_buf_view(&org_sealed), &ask, NULL, p12, password, row, &err))
		fail_msg("%s", err.msg);
}

static void no_error(const char *name, const json_t *findings)
{
	for (size_t i = 0; i < json_array_size(findings); i++) {
		const json_t *v = json_array_get(findings, i);
		if (strcmp(stg_json_str(v, "level"), "error") == 0)
			fail_msg("%s: %s: %s", name, stg_json_str(v, "path"), stg_json_str(v, "text"));
	}
}

/* Every template that is shipped: readable, without a lint error before and after it is filled in. */
static void the_shipped_templates_fill_in_to_profiles_without_an_error(void **state)
{
	(void)state;
	size_t n = 0;
	for (const struct stg_data *d = stg_data; d->path; d++) {
		if (strncmp(d->path, "profiles/templates/", 19) != 0)
			continue;
		n++;
		struct stg_error err = { 0 };
		struct stg_bytes file = stg_bytes(d->bytes, d->len);
		STG_AUTO(stg_json_free_at) json_t *values = site_values();
		STG_AUTO(stg_json_free_at) json_t *issuers = stg_org_issuers(org);
		STG_AUTO(stg_json_free_at) json_t *about = stg_profile_read(d->path, file, &err);
		if (!about)
			fail_msg("%s", err.msg);
		assert_true(stg_json_bool(about, "template", false));
		STG_AUTO(stg_json_free_at) json_t *before = stg_profile_lint(d->path, file, &err), *row = NULL;
		no_error(d->path, before);
		STG_AUTO(stg_secret_clear) struct stg_secret p12 = { 0 }, password = { 0 };
		struct stg_payload p = { 0 };
		bool wants_identity = false;
		size_t i;
		json_t *v;
		json_array_foreach(json_object_get(about, "variables"), i, v)
			wants_identity |= strcmp(json_string_value(v), "certificate_uuid") == 0;
		bool ok;
		if (wants_identity) {
			issue(&p12, &password, &row);
			assert_false(stg_profile_fill(d->path, file, values, "unit1", &p, &err));
			assert_non_null(strstr(err.msg, "{{certificate_uuid}}"));
			ok = stg_profile_with_identity(d->path, file, values, "unit1", stg_secret_reveal(&p12), stg_secret_reveal(&password), issuers,
						       stg_json_str(row, "sha256"), &p, &err);
		} else {
			ok = stg_profile_fill(d->path, file, values, "unit1", &p, &err);
		}
		if (!ok)
			fail_msg("%s: %s", d->path, err.msg);
		STG_AUTO(stg_json_free_at) json_t *findings = stg_profile_lint(d->path, stg_buf_view(&p.bytes), &err);
		no_error(d->path, findings);
		assert_null(memmem(p.bytes.data, p.bytes.len, "{{", 2));
		stg_payload_clear(&p);
	}
	assert_int_equal(n, 30);
}

static void the_wifi_profile_brings_its_identity_and_refers_to_it(void **state)
{
	(void)state;
	const struct stg_data *d = stg_data_find("profiles/templates/wifi-eap-tls.mobileconfig");
	struct stg_error err = { 0 };
	struct stg_payload p = { 0 };
	STG_AUTO(stg_json_free_at) json_t *values = site_values(), *issuers = stg_org_issuers(org), *row = NULL;
	STG_AUTO(stg_secret_clear) struct stg_secret p12 = { 0 }, password = { 0 };
	assert_non_null(d);
	issue(&p12, &password, &row);
	if (!stg_profile_with_identity("wifi", stg_bytes(d->bytes, d->len), values, "unit1", stg_secret_reveal(&p12), stg_secret_reveal(&password),
				       issuers, stg_json_str(row, "sha256"), &p, &err))
		fail_msg("%s", err.msg);
	assert_string_equal(p.certificate_sha256, stg_json_str(row, "sha256"));
	plist_t root = parsed(&p), list = plist_dict_get_item(root, "PayloadContent");
	/* anchor, Wi-Fi, identity, issuing CA; the root is the anchor already and does not come twice */
	assert_int_equal(plist_array_get_size(list), 4);
	assert_string_equal(text_at(root, 1, "SSID_STR"), "HOPITAL & co");
	assert_string_equal(text_at(root, 1, "PayloadCertificateUUID"), text_at(root, 2, "PayloadUUID"));
	assert_string_equal(text_at(root, 2, "PayloadType"), "com.apple.security.pkcs12");
	plist_t anchor = plist_array_get_item(
		plist_dict_get_item(plist_dict_get_item(plist_array_get_item(list, 1), "EAPClientConfiguration"), "PayloadCertificateAnchorUUID"), 0);
	assert_string_equal(plist_get_string_ptr(anchor, NULL), text_at(root, 0, "PayloadUUID"));
	uint64_t n = 0;
	const char *der = plist_get_data_ptr(plist_dict_get_item(plist_array_get_item(list, 2), "PayloadContent"), &n);
	assert_true(stg_bytes_equal(stg_bytes(der, (size_t)n), stg_secret_reveal(&p12)));
	plist_free(root);
	stg_payload_clear(&p);
}

static void an_identity_profile_stands_alone(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	struct stg_payload p = { 0 };
	STG_AUTO(stg_json_free_at) json_t *issuers = stg_org_issuers(org), *row = NULL;
	STG_AUTO(stg_secret_clear) struct stg_secret p12 = { 0 }, password = { 0 };
	issue(&p12, &password, &row);
	if (!stg_profile_identity("io.stager.identity", "Identité & co", "unit1", stg_secret_reveal(&p12), stg_secret_reveal(&password), issuers, &p, &err))
		fail_msg("%s", err.msg);
	STG_AUTO(stg_json_free_at) json_t *about = stg_profile_read("x", stg_buf_view(&p.bytes), &err);
	assert_non_null(about);
	assert_true(stg_json_bool(about, "has_identity", false));
	assert_int_equal(json_array_size(json_object_get(about, "payloads")), 3);
	assert_string_equal(p.identifier, "io.stager.identity");
	stg_payload_clear(&p);
}

static void what_an_export_wrapped_around_a_profile_is_taken_off_for_the_device(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(1 << 20), b64 = STG_BUF(2 << 20), text = STG_BUF(2 << 20);
	const char *xml = PROFILE(WIFI(""));
	assert_true(stg_org_sign_profile(keys, org, stg_buf_view(&org_sealed), stg_bytes_str(xml), &der, &err));
	assert_true(stg_profile_is_signed(stg_buf_view(&der)));
	assert_false(stg_profile_is_signed(stg_bytes_str(xml)));
	assert_true(stg_base64(stg_buf_view(&der), &b64, &err));
	struct stg_payload marked = { 0 };
	assert_true(stg_buf_printf(&text, &err, "\xef\xbb\xbf%s", xml));
	assert_true(stg_profile_fill("x", stg_buf_view(&text), NULL, "unit1", &marked, &err));
	assert_true(stg_bytes_equal(stg_buf_view(&marked.bytes), stg_bytes_str(xml)));
	stg_payload_clear(&marked);
	for (int form = 0; form < 3; form++) {
		struct stg_payload p = { 0 };
		stg_buf_reset(&text);
		/* lines of 64, as openssl and consoles write them */
		assert_true(form == 0 || stg_buf_add_str(&text, form == 1 ? "-----BEGIN PKCS7-----\r\n" : "-----BEGIN CMS-----\n", &err));
		for (size_t i = 0; i < b64.len; i += 64)
			assert_true(stg_buf_printf(&text, &err, "%.64s\r\n", stg_buf_str(&b64) + i));
		assert_true(form == 0 || stg_buf_add_str(&text, form == 1 ? "-----END PKCS7-----\r\n" : "-----END CMS-----\n", &err));
		if (!stg_profile_fill("x", stg_buf_view(&text), NULL, "unit1", &p, &err))
			fail_msg("form %d: %s", form, err.msg);
		assert_true(stg_bytes_equal(stg_buf_view(&p.bytes), stg_buf_view(&der)));
		stg_payload_clear(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_that_is_no_profile_is_named_as_such),
		cmocka_unit_test(what_a_device_would_refuse_is_refused_with_its_line),
		cmocka_unit_test(damaged_text_is_refused_with_its_line),
		cmocka_unit_test(a_bomb_is_refused_at_once),
		cmocka_unit_test(a_good_profile_says_what_it_is_in_every_form_people_bring),
		cmocka_unit_test(lint_says_what_the_device_would_refuse_or_ignore),
		cmocka_unit_test(lint_never_quotes_a_value_that_may_be_secret),
		cmocka_unit_test(a_value_cannot_become_markup_or_another_variable),
		cmocka_unit_test(variables_read_as_in_blueprints),
		cmocka_unit_test(an_unknown_variable_is_named_with_its_line_and_key),
		cmocka_unit_test(no_error_shows_a_value),
		cmocka_unit_test(a_profile_without_variables_or_values_passes_byte_for_byte),
		cmocka_unit_test(what_an_export_wrapped_around_a_profile_is_taken_off_for_the_device),
		cmocka_unit_test(identifiers_come_from_the_device_and_the_profile_s_own_from_what_it_holds),
		cmocka_unit_test(an_edited_signed_profile_is_refused_and_a_good_one_names_its_signer),
		cmocka_unit_test(the_shipped_templates_fill_in_to_profiles_without_an_error),
		cmocka_unit_test(the_wifi_profile_brings_its_identity_and_refers_to_it),
		cmocka_unit_test(an_identity_profile_stands_alone),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
