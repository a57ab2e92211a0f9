/*
 * test_build.c - parts become one profile that holds, the same one each time; what devices would refuse is refused here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <plist/plist.h>

#include <stager/error.h>
#include <stager/keys.h>
#include <stager/payload.h>
#include <stager/registry.h>

#define PARTS_MAX 6

struct result {
	bool ok;
	struct stg_payload made;
	json_t *about;
	struct stg_error err;
};

static void result_clear(struct result *r)
{
	stg_payload_clear(&r->made);
	stg_json_free_at(&r->about);
}

static struct stg_bytes shipped(const char *name)
{
	char path[160];
	snprintf(path, sizeof(path), "profiles/templates/%s.mobileconfig", name);
	const struct stg_data *d = stg_data_find(path);
	if (!d)
		fail_msg("no template %s", name);
	return stg_bytes(d->bytes, d->len);
}

static struct result build(const char *names, json_t *values, const char *unit, struct stg_bytes before)
{
	struct result r = { 0 };
	struct stg_profile_part parts[PARTS_MAX];
	char text[200], *word, *save = NULL;
	size_t n = 0;
	assert_true(stg_copy(text, sizeof(text), names));
	for (word = strtok_r(text, " ", &save); word && n < PARTS_MAX; word = strtok_r(NULL, " ", &save))
		parts[n++] = (struct stg_profile_part){ .name = strdup(word), .file = shipped(word) };
	const struct stg_profile_plan plan = { .name = "ward", .identifier = n > 1 ? "org.example.ward" : NULL, .display_name = n > 1 ? "Ward" : NULL,
					       .values = values, .unit = unit, .before = before };
	r.ok = stg_profile_build(&plan, parts, n, &r.made, &r.about, &r.err);
	for (size_t i = 0; i < n; i++)
		free((void *)(uintptr_t)parts[i].name);
	json_decref(values);
	return r;
}

static struct stg_bytes none(void)
{
	return stg_bytes(NULL, 0);
}

static void refused(struct result r, enum stg_id id, const char *words)
{
	if (r.ok || r.err.id != id || !strstr(r.err.msg, words))
		fail_msg("got %u '%s', expected %u '%s'", r.err.id, r.ok ? "built" : r.err.msg, id, words);
	assert_int_equal(stg_exit_status(&r.err), 3);
	result_clear(&r);
}

static struct result good(struct result r)
{
	if (!r.ok)
		fail_msg("%s", r.err.msg);
	return r;
}

static plist_t parsed(const struct result *r)
{
	plist_t root = NULL;
	plist_from_memory((const char *)r->made.bytes.data, (uint32_t)r->made.bytes.len, &root);
	assert_non_null(root);
	return root;
}

static plist_t at(plist_t root, uint32_t i)
{
	plist_t list = plist_dict_get_item(root, "PayloadContent");
	assert_true(i < plist_array_get_size(list));
	return plist_array_get_item(list, i);
}

static const char *word(plist_t dict, const char *key)
{
	plist_t v = plist_dict_get_item(dict, key);
	return v && plist_get_node_type(v) == PLIST_STRING ? plist_get_string_ptr(v, NULL) : "";
}

/* ---- values and their kinds ---- */

static void a_value_of_the_wrong_kind_is_refused_with_its_place(void **state)
{
	(void)state;
	refused(build("http-proxy", json_pack("{s:s,s:s}", "proxy_host", "p", "proxy_port", "80a0"), "u", none()), STG_ID_PROFILE_VARIABLE, "{{organisation}}");
#define PROXY(port) json_pack("{s:s,s:s,s:s}", "organisation", "Ward", "proxy_host", "p.example", "proxy_port", port)
	refused(build("http-proxy", PROXY("80a0"), "u", none()), STG_ID_PROFILE_VALUE, "PayloadContent[0].ProxyServerPort: {{proxy_port}} must be a whole number");
	refused(build("http-proxy", PROXY("99999999999999999999"), "u", none()), STG_ID_PROFILE_VALUE, "a whole number");
	refused(build("http-proxy", PROXY("0x50"), "u", none()), STG_ID_PROFILE_VALUE, "a whole number");
	refused(build("http-proxy", PROXY(" 80"), "u", none()), STG_ID_PROFILE_VALUE, "a whole number");
	/* the kind is right, the value is not: that is what lint says */
	refused(build("http-proxy", PROXY("70000"), "u", none()), STG_ID_PROFILE_RULE, "PayloadContent[0].ProxyServerPort: out of range 0..65535");
#define CLIP(full, url) json_pack("{s:s,s:s,s:s,s:s}", "organisation", "W", "clip_label", "L", "clip_full_screen", full, "clip_url", url)
	refused(build("web-clip", CLIP("yes", "https://a.example/"), "u", none()), STG_ID_PROFILE_VALUE, "{{clip_full_screen}} must be true or false");
	refused(build("web-clip", CLIP("true", "a.example"), "u", none()), STG_ID_PROFILE_VALUE, "is no address");
	refused(build("web-clip", CLIP("true", "https://a b/"), "u", none()), STG_ID_PROFILE_VALUE, "is no address");
	refused(build("web-clip", CLIP("true", "https:/a"), "u", none()), STG_ID_PROFILE_VALUE, "is no address");
	refused(build("dns-https", json_pack("{s:s,s:s}", "organisation", "W", "dns_url", "http://a.example/"), "u", none()), STG_ID_PROFILE_RULE, "https");
#define CA(der) json_pack("{s:s,s:s,s:o}", "organisation", "W", "ca_name", "C", "ca_der", der)
	refused(build("ca-certificate", CA(json_string("not base64!")), "u", none()), STG_ID_PROFILE_VALUE, "{{ca_der}} must be data (base64)");
	refused(build("ca-certificate", CA(json_string("-----BEGIN CERTIFICATE-----\nAAAA")), "u", none()), STG_ID_PROFILE_VALUE, "data");
	refused(build("ca-certificate", CA(json_string("AAAA")), "u", none()), STG_ID_PROFILE_RULE, "is no certificate");
	refused(build("lock-screen", json_pack("{s:s,s:o}", "organisation", "W", "asset_tag", json_pack("{s:s}", "data", "AAAA")), "u", none()), STG_ID_PROFILE_VALUE,
		"is data");
}

static void a_text_becomes_what_its_place_wants(void **state)
{
	(void)state;
	struct result r = good(build("http-proxy", PROXY("8080"), "u", none()));
	plist_t root = parsed(&r), port = plist_dict_get_item(at(root, 0), "ProxyServerPort");
	uint64_t n = 0;
	assert_int_equal(plist_get_node_type(port), PLIST_UINT);
	plist_get_uint_val(port, &n);
	assert_int_equal(n, 8080);
	plist_free(root);
	result_clear(&r);
	/* and a number where a text stands becomes one: a Wi-Fi may be called 2024 */
	r = good(build("wifi-open", json_pack("{s:s,s:i}", "organisation", "W", "wifi_ssid", 2024), "u", none()));
	root = parsed(&r);
	assert_string_equal(word(at(root, 0), "SSID_STR"), "2024");
	plist_free(root);
	result_clear(&r);
	r = good(build("web-clip", CLIP("TRUE", "mailto:desk@example.org"), "u", none()));
	root = parsed(&r);
	assert_int_equal(plist_get_node_type(plist_dict_get_item(at(root, 0), "FullScreen")), PLIST_BOOLEAN);
	plist_free(root);
	result_clear(&r);
}

static void a_part_says_which_values_it_wants(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *list = stg_profile_wants("http-proxy", shipped("http-proxy"), NULL, &err);
	const json_t *port = NULL;
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(stg_json_str(json_array_get(list, i), "name"), "proxy_port") == 0)
			port = json_array_get(list, i);
	assert_string_equal(stg_json_str(port, "kind"), "a whole number");
	assert_string_equal(stg_json_str(port, "where"), "PayloadContent[0].ProxyServerPort");
	assert_null(json_object_get(port, "otherwise"));
	assert_false(stg_json_bool(port, "device", true));
}

/* ---- one profile ---- */

static json_t *ward(void)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "organisation", "Ward", "wifi_ssid", "HOPITAL", "wifi_server", "r.example", "mdm_url",
			 "https://mdm.example/", "mdm_topic", "com.apple.mgmt.External.1", "scep.url", "http://192.168.77.1/scep", "scep.challenge", "once",
			 "scep.fingerprint", "AAECAwQFBgcICQoLDA0ODxAREhM=", "serial", "DX3F");
}

/* A CA certificate of today. */
static void put_anchor(json_t *values)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *c = X509_new();
	X509V3_CTX ctx;
	X509_set_version(c, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c), 77);
	X509_gmtime_adj(X509_getm_notBefore(c), -86400);
	X509_gmtime_adj(X509_getm_notAfter(c), 86400 * 365);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC, (const unsigned char *)"A CA", -1, -1, 0);
	X509_set_issuer_name(c, X509_get_subject_name(c));
	X509_set_pubkey(c, key);
	X509V3_set_ctx(&ctx, c, c, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints, "critical,CA:TRUE");
	X509_add_ext(c, e, -1);
	X509_EXTENSION_free(e);
	assert_true(X509_sign(c, key, EVP_sha256()) > 0);
	BIO *out = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_X509(out, c), 1);
	char *text = NULL;
	long n = BIO_get_mem_data(out, &text);
	/* as PEM: what an administrator has */
	json_object_set_new(values, "wifi_anchor_der", json_stringn(text, (size_t)n));
	BIO_free(out);
	X509_free(c);
	EVP_PKEY_free(key);
}

static void payloads_stand_in_an_order_in_which_they_hold(void **state)
{
	(void)state;
	static const char *const wanted[] = { "com.apple.security.root", "com.apple.security.scep", "com.apple.wifi.managed", "com.apple.mobiledevice.passwordpolicy",
					      "com.apple.mdm" };
	json_t *values = ward();
	put_anchor(values);
	struct result r = good(build("mdm-enrolment passcode wifi-eap-tls scep-identity", values, "u1", none()));
	plist_t root = parsed(&r);
	for (uint32_t i = 0; i < STG_ARRAY_LEN(wanted); i++)
		assert_string_equal(word(at(root, i), "PayloadType"), wanted[i]);
	/* who needs an identity uses the one that is there */
	assert_string_equal(word(at(root, 2), "PayloadCertificateUUID"), word(at(root, 1), "PayloadUUID"));
	assert_string_equal(word(at(root, 4), "IdentityCertificateUUID"), word(at(root, 1), "PayloadUUID"));
	assert_string_equal(word(root, "PayloadIdentifier"), "org.example.ward");
	assert_string_equal(word(root, "PayloadDisplayName"), "Ward");
	plist_free(root);
	result_clear(&r);
}

static void an_identity_nobody_brings_is_missed(void **state)
{
	(void)state;
	json_t *values = ward();
	put_anchor(values);
	refused(build("mdm-enrolment wifi-eap-tls", values, "u1", none()), STG_ID_PROFILE_VARIABLE, "{{certificate_uuid}} has no value");
}

static void the_same_part_twice_is_refused(void **state)
{
	(void)state;
	refused(build("passcode passcode", json_pack("{s:s}", "organisation", "W"), "u", none()), STG_ID_PROFILE_RULE, "used twice");
	refused(build("app-lock app-lock", json_pack("{s:s,s:s}", "organisation", "W", "app_id", "a.b"), "u", none()), STG_ID_PROFILE_RULE, "");
}

static void the_same_input_gives_the_same_bytes(void **state)
{
	(void)state;
	struct result a = good(build("passcode lock-screen", json_pack("{s:s,s:s}", "organisation", "W", "serial", "S1"), "u1", none()));
	struct result b = good(build("passcode lock-screen", json_pack("{s:s,s:s}", "serial", "S1", "organisation", "W"), "u1", none()));
	struct result c = good(build("passcode lock-screen", json_pack("{s:s,s:s}", "organisation", "W", "serial", "S1"), "u2", none()));
	assert_true(stg_bytes_equal(stg_buf_view(&a.made.bytes), stg_buf_view(&b.made.bytes)));
	assert_string_not_equal(a.made.uuid, c.made.uuid);
	result_clear(&a);
	result_clear(&b);
	result_clear(&c);
}

static void what_one_part_forbids_the_whole_forbids(void **state)
{
	(void)state;
	struct result r = good(build("passcode restrictions-phone removal-password",
				     json_pack("{s:s,s:s}", "organisation", "W", "secret.profile_removal", "off"), "u", none()));
	plist_t root = parsed(&r);
	uint8_t on = 0;
	plist_get_bool_val(plist_dict_get_item(root, "HasRemovalPasscode"), &on);
	assert_int_equal(on, 1);
	plist_get_bool_val(plist_dict_get_item(root, "PayloadRemovalDisallowed"), &on);
	assert_int_equal(on, 1);
	plist_free(root);
	result_clear(&r);
}

/* ---- left open for the device ---- */

static void what_only_a_device_knows_stays_open_and_the_rest_cannot_be_mistaken_for_it(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	/* a name with braces in it, given now; the serial number, given later */
	struct result r = good(build("lock-screen", json_pack("{s:s,s:s}", "organisation", "W {{serial}}", "lost_message", "call {{{{ us"), "", none()));
	assert_int_equal(json_array_size(json_object_get(r.about, "open")), 1);
	struct stg_payload p = { 0 };
	STG_AUTO(stg_json_free_at) json_t *later = json_pack("{s:s,s:s}", "serial", "DX3F", "asset_tag", "");
	assert_true(stg_profile_fill("kept", stg_buf_view(&r.made.bytes), later, "u1", &p, &err));
	plist_t root = NULL;
	plist_from_memory((const char *)p.bytes.data, (uint32_t)p.bytes.len, &root);
	assert_string_equal(word(root, "PayloadOrganization"), "W {{serial}}");
	assert_string_equal(word(at(root, 0), "AssetTagInformation"), "DX3F");
	assert_string_equal(word(at(root, 0), "LockScreenFootnote"), "call {{{{ us");
	plist_free(root);
	stg_payload_clear(&p);
	result_clear(&r);
}

static void a_value_given_now_is_what_an_open_one_falls_back_to(void **state)
{
	(void)state;
	static const char text[] =
		"<?xml version=\"1.0\"?><plist version=\"1.0\"><dict><key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>"
		"<key>PayloadIdentifier</key><string>a.b</string><key>PayloadUUID</key><string>AAAAAAAA-0000-4000-8000-000000000001</string>"
		"<key>PayloadDisplayName</key><string>{{asset_tag|site_word|'x'}} {{{{ {{serial}}</string><key>PayloadContent</key><array/></dict></plist>";
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *values = json_pack("{s:s}", "site_word", "L'entrepot"), *about = NULL;
	const struct stg_profile_part part = { .name = "p", .file = stg_bytes_str(text) };
	const struct stg_profile_plan plan = { .name = "p", .values = values, .unit = "" };
	struct stg_payload made = { 0 };
	assert_true(stg_profile_build(&plan, &part, 1, &made, &about, &err));
	plist_t root = NULL;
	plist_from_memory((const char *)made.bytes.data, (uint32_t)made.bytes.len, &root);
	assert_string_equal(word(root, "PayloadDisplayName"), "{{asset_tag|\"L'entrepot\"}} {{{{ {{serial}}");
	plist_free(root);
	stg_payload_clear(&made);
}

/* ---- updates ---- */

static void an_update_keeps_what_stands_and_counts_up(void **state)
{
	(void)state;
	json_t *values = json_pack("{s:s}", "organisation", "W");
	struct result one = good(build("passcode restrictions-phone", json_incref(values), "", none()));
	struct result same = good(build("passcode restrictions-phone", json_incref(values), "", stg_buf_view(&one.made.bytes)));
	assert_false(stg_json_bool(same.about, "changed", true));
	assert_true(stg_bytes_equal(stg_buf_view(&one.made.bytes), stg_buf_view(&same.made.bytes)));
	struct result two = good(build("passcode restrictions-phone usb-open", values, "", stg_buf_view(&one.made.bytes)));
	assert_true(stg_json_bool(two.about, "changed", false));
	assert_int_equal(stg_json_int(two.about, "version", 0), 2);
	plist_t a = parsed(&one), b = parsed(&two);
	assert_string_equal(word(at(a, 0), "PayloadUUID"), word(at(b, 0), "PayloadUUID"));
	assert_string_equal(word(at(a, 1), "PayloadUUID"), word(at(b, 1), "PayloadUUID"));
	assert_string_not_equal(word(a, "PayloadUUID"), word(b, "PayloadUUID"));
	plist_free(a);
	plist_free(b);
	result_clear(&one);
	result_clear(&same);
	result_clear(&two);
}

/* A payload of somebody else's profile under the same identifier stays, whatever UUID it had. */
static void an_update_of_another_tools_profile_keeps_its_uuids(void **state)
{
	(void)state;
	static const char before[] =
		"<?xml version=\"1.0\"?><plist version=\"1.0\"><dict><key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>"
		"<key>PayloadIdentifier</key><string>io.stager.passcode</string><key>PayloadUUID</key><string>AAAAAAAA-0000-4000-8000-000000000001</string>"
		"<key>PayloadContent</key><array><dict><key>PayloadType</key><string>com.apple.mobiledevice.passwordpolicy</string><key>PayloadVersion</key><integer>1</integer>"
		"<key>PayloadIdentifier</key><string>io.stager.passcode.rules</string><key>PayloadUUID</key><string>ABCDEF00-0000-4000-8000-000000000002</string>"
		"</dict></array></dict></plist>";
	struct result r = good(build("passcode", json_pack("{s:s}", "organisation", "W"), "", stg_bytes_str(before)));
	plist_t root = parsed(&r);
	assert_string_equal(word(at(root, 0), "PayloadUUID"), "ABCDEF00-0000-4000-8000-000000000002");
	assert_int_equal(stg_json_int(r.about, "version", 0), 2);
	plist_free(root);
	result_clear(&r);
}

static void an_update_devices_would_refuse_is_refused(void **state)
{
	(void)state;
	struct result pin = good(build("passcode", json_pack("{s:s}", "organisation", "W"), "", none()));
	refused(build("lock-screen", json_pack("{s:s}", "organisation", "W"), "", stg_buf_view(&pin.made.bytes)), STG_ID_PROFILE_UPDATE, "that is another profile");
	refused(build("passcode", json_pack("{s:s}", "organisation", "W"), "", stg_bytes_str("rubbish")), STG_ID_NOT_A_PROFILE, "");
	result_clear(&pin);
	struct result mdm = good(build("mdm-enrolment scep-identity", ward(), "u", none()));
	json_t *moved = ward();
	stg_json_put(moved, "mdm_url", "https://other.example/");
	refused(build("mdm-enrolment scep-identity", moved, "u", stg_buf_view(&mdm.made.bytes)), STG_ID_PROFILE_UPDATE, "ServerURL");
	json_t *topic = ward();
	stg_json_put(topic, "mdm_topic", "com.apple.mgmt.External.2");
	refused(build("mdm-enrolment scep-identity", topic, "u", stg_buf_view(&mdm.made.bytes)), STG_ID_PROFILE_UPDATE, "Topic");
	/* one right less before: one more now */
	char *text = strdup(stg_buf_str(&mdm.made.bytes)), *rights = strstr(text, "<integer>8191");
	memcpy(rights, "<integer>8190", 13);
	refused(build("mdm-enrolment scep-identity", ward(), "u", stg_bytes_str(text)), STG_ID_PROFILE_UPDATE, "AccessRights 8191");
	free(text);
	result_clear(&mdm);
}

/* ---- for one device ---- */

static EVP_PKEY *rsa;

static X509 *recipient(EVP_PKEY *key, const char *usage, long days)
{
	X509 *c = X509_new();
	X509V3_CTX ctx;
	X509_set_version(c, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c), 4711);
	X509_gmtime_adj(X509_getm_notBefore(c), -86400 * 30);
	X509_gmtime_adj(X509_getm_notAfter(c), 86400 * days);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC, (const unsigned char *)"DX3F", -1, -1, 0);
	X509_set_issuer_name(c, X509_get_subject_name(c));
	X509_set_pubkey(c, key);
	X509V3_set_ctx(&ctx, c, c, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, NID_key_usage, usage);
	X509_add_ext(c, e, -1);
	X509_EXTENSION_free(e);
	assert_true(X509_sign(c, key, EVP_sha256()) > 0);
	return c;
}

static void encrypts_not(struct stg_bytes file, X509 *cert, enum stg_id id, const char *words)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(1 << 20);
	uint8_t *der = NULL;
	int n = i2d_X509(cert, &der);
	if (stg_profile_encrypt("p", file, stg_bytes(der, (size_t)n), &out, &err) || err.id != id || !strstr(err.msg, words))
		fail_msg("got %u '%s', expected %u '%s'", err.id, err.msg, id, words);
	OPENSSL_free(der);
	X509_free(cert);
}

static void only_a_certificate_that_can_open_it_is_encrypted_to(void **state)
{
	(void)state;
	struct result r = good(build("passcode", json_pack("{s:s}", "organisation", "W"), "u", none()));
	struct stg_bytes file = stg_buf_view(&r.made.bytes);
	EVP_PKEY *ec = EVP_EC_gen("P-256");
	encrypts_not(file, recipient(ec, "digitalSignature", 30), STG_ID_RECIPIENT, "no RSA key");
	EVP_PKEY_free(ec);
	encrypts_not(file, recipient(rsa, "digitalSignature", 30), STG_ID_RECIPIENT, "not for encrypting");
	encrypts_not(file, recipient(rsa, "digitalSignature,keyEncipherment", -1), STG_ID_RECIPIENT, "expired");
	struct result open = good(build("lock-screen", json_pack("{s:s}", "organisation", "W"), "", none()));
	encrypts_not(stg_buf_view(&open.made.bytes), recipient(rsa, "keyEncipherment", 30), STG_ID_PROFILE_OPEN, "{{asset_tag}}");
	result_clear(&open);
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(1 << 20);
	assert_false(stg_profile_encrypt("p", file, stg_bytes_str("rubbish"), &out, &err));
	assert_int_equal(err.id, STG_ID_RECIPIENT);
	result_clear(&r);
}

static void what_is_encrypted_openssl_opens_and_names_stay_readable(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	struct result r = good(build("passcode", json_pack("{s:s}", "organisation", "W"), "u", none()));
	STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(1 << 20);
	X509 *cert = recipient(rsa, "digitalSignature,keyEncipherment", 30);
	uint8_t *der = NULL;
	int n = i2d_X509(cert, &der);
	if (!stg_profile_encrypt("p", stg_buf_view(&r.made.bytes), stg_bytes(der, (size_t)n), &out, &err))
		fail_msg("%s", err.msg);
	OPENSSL_free(der);
	plist_t root = NULL, list = NULL;
	plist_from_memory((const char *)out.data, (uint32_t)out.len, &root);
	assert_string_equal(word(root, "PayloadIdentifier"), "io.stager.passcode");
	assert_null(plist_dict_get_item(root, "PayloadContent"));
	assert_null(memmem(out.data, out.len, "minLength", 9));
	uint64_t len = 0;
	const unsigned char *p = (const unsigned char *)plist_get_data_ptr(plist_dict_get_item(root, "EncryptedPayloadContent"), &len);
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)len);
	BIO *plain = BIO_new(BIO_s_mem());
	assert_int_equal(CMS_decrypt(cms, rsa, cert, NULL, plain, CMS_BINARY), 1);
	char *text = NULL;
	long text_len = BIO_get_mem_data(plain, &text);
	plist_from_memory(text, (uint32_t)text_len, &list);
	/* the list of payloads alone */
	assert_int_equal(plist_get_node_type(list), PLIST_ARRAY);
	assert_string_equal(word(plist_array_get_item(list, 0), "PayloadType"), "com.apple.mobiledevice.passwordpolicy");
	BIO_free(plain);
	CMS_ContentInfo_free(cms);
	plist_free(list);
	plist_free(root);
	X509_free(cert);
	result_clear(&r);
}

/* "scep." in an identifier is no variable, and neither is a text that only looks like a name. */
static void a_family_of_values_is_found_where_it_is_used(void **state)
{
	(void)state;
	static const char text[] =
		"<?xml version=\"1.0\"?><plist version=\"1.0\"><dict><key>PayloadIdentifier</key><string>org.scep.secret.x</string>"
		"<key>PayloadDisplayName</key><string>{{name|'secret.x'}} {{{{secret.y}}</string><key>A</key><string>%s</string></dict></plist>";
	char full[1000];
	snprintf(full, sizeof(full), text, "x");
	assert_false(stg_profile_uses(stg_bytes_str(full), "scep."));
	assert_false(stg_profile_uses(stg_bytes_str(full), "secret."));
	snprintf(full, sizeof(full), text, "{{asset_tag | scep.url}}");
	assert_true(stg_profile_uses(stg_bytes_str(full), "scep."));
	assert_false(stg_profile_uses(stg_bytes_str("rubbish"), "scep."));
}

static int keys_up(void **state)
{
	(void)state;
	rsa = EVP_RSA_gen(2048);
	return rsa ? 0 : -1;
}

static int keys_down(void **state)
{
	(void)state;
	EVP_PKEY_free(rsa);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_of_the_wrong_kind_is_refused_with_its_place),
		cmocka_unit_test(an_identity_nobody_brings_is_missed),
		cmocka_unit_test(the_same_part_twice_is_refused),
		cmocka_unit_test(an_update_devices_would_refuse_is_refused),
		cmocka_unit_test(only_a_certificate_that_can_open_it_is_encrypted_to),
		cmocka_unit_test(a_text_becomes_what_its_place_wants),
		cmocka_unit_test(a_part_says_which_values_it_wants),
		cmocka_unit_test(payloads_stand_in_an_order_in_which_they_hold),
		cmocka_unit_test(the_same_input_gives_the_same_bytes),
		cmocka_unit_test(what_one_part_forbids_the_whole_forbids),
		cmocka_unit_test(what_only_a_device_knows_stays_open_and_the_rest_cannot_be_mistaken_for_it),
		cmocka_unit_test(a_value_given_now_is_what_an_open_one_falls_back_to),
		cmocka_unit_test(an_update_keeps_what_stands_and_counts_up),
		cmocka_unit_test(an_update_of_another_tools_profile_keeps_its_uuids),
		cmocka_unit_test(a_family_of_values_is_found_where_it_is_used),
		cmocka_unit_test(what_is_encrypted_openssl_opens_and_names_stay_readable),
	};
	return cmocka_run_group_tests(tests, keys_up, keys_down);
}
