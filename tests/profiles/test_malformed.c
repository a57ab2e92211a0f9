/*
 * test_malformed.c - the thirty inputs every console and editor produces one day, each with the sentence a person reads.
 *
 * The numbers are those of section 8.3 of the profile reference; what a table of rules alone refuses is in test_rogue.c too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>

#include <plist/plist.h>

#include <stager/error.h>
#include <stager/payload.h>

#include "profile_text.h"

#define BIG (4u << 20)

/* Refused before a key is looked at: the whole sentence, with the place. */
static void unread(int number, struct stg_bytes file, enum stg_id id, const char *message)
{
	struct stg_error err = { 0 };
	json_t *got = stg_profile_lint("ward.mobileconfig", file, &err);
	if (got)
		fail_msg("%d was read, expected: %s", number, message);
	if (err.id != id || strcmp(err.msg, message) != 0)
		fail_msg("%d: got %u '%s', expected %u '%s'", number, err.id, err.msg, id, message);
	assert_int_equal(stg_exit_status(&err), 3);
}

static json_t *checked(struct stg_bytes file, const struct stg_profile_target *target)
{
	struct stg_error err = { 0 };
	json_t *list = stg_profile_check("x", file, NULL, target, &err);
	if (!list)
		fail_msg("%s", err.msg);
	return list;
}

static bool told(const json_t *list, const char *level, const char *path, const char *text)
{
	for (size_t k = 0; k < json_array_size(list); k++) {
		const json_t *one = json_array_get(list, k);
		if (strcmp(stg_json_str(one, "level"), level) == 0 && strcmp(stg_json_str(one, "path"), path) == 0 && strcmp(stg_json_str(one, "text"), text) == 0)
			return true;
	}
	char *all = stg_json_text(list);
	fprintf(stderr, "looked for %s '%s' '%s' in %s\n", level, path, text, all);
	free(all);
	return false;
}

static void wrong_for(int number, const char *profile, const char *os, int supervised, const char *path, const char *text)
{
	struct stg_profile_target t = { .supervised = supervised };
	stg_copy(t.os, sizeof(t.os), os);
	STG_AUTO(stg_json_free_at) json_t *list = checked(stg_bytes_str(profile), &t);
	if (!told(list, "error", path, text))
		fail_msg("%d", number);
}

static void wrong(int number, const char *profile, const char *path, const char *text)
{
	wrong_for(number, profile, "", -1, path, text);
}

#define DAMAGED STG_ID_PROFILE_DAMAGED

static void what_is_no_property_list_is_told_with_line_and_column(void **state)
{
	(void)state;
	static const struct { int number; const char *text, *message; } cases[] = {
		{ 1, PROFILE(WIFI("")) "more", "ward.mobileconfig:19:1: data after the end of the property list" },
		{ 1, PROFILE(WIFI("")) "<plist version=\"1.0\"><dict/></plist>", "ward.mobileconfig:19:1: data after the end of the property list" },
		{ 2, PROFILE(WIFI("<key>SSID_STR</key><string>b</string>\n")), "ward.mobileconfig:15:6: PayloadContent[0]: \"SSID_STR\" appears twice (first at line 14)" },
		{ 2, PROFILE_WITH(S("PayloadUUID", UUID_B), WIFI("")), "ward.mobileconfig:8:6: \"PayloadUUID\" appears twice (first at line 7)" },
		{ 3, PROFILE(WIFI("<key>ProxyServerPort</key><integer>2o48</integer>\n")), "ward.mobileconfig:15:36: PayloadContent[0].ProxyServerPort: not a whole number" },
		{ 3, PROFILE(WIFI("<key>ProxyServerPort</key><integer></integer>\n")), "ward.mobileconfig:15:36: PayloadContent[0].ProxyServerPort: not a whole number" },
		{ 3, PROFILE(WIFI("<key>x</key><real>1,5</real>\n")), "ward.mobileconfig:15:19: PayloadContent[0].x: not a number" },
		{ 4, PROFILE_WITH("<key>RemovalDate</key><date>2026-13-01</date>\n", WIFI("")), "ward.mobileconfig:8:29: RemovalDate: not a date (YYYY-MM-DDThh:mm:ssZ)" },
		{ 4, PROFILE_WITH("<key>RemovalDate</key><date>tomorrow</date>\n", WIFI("")), "ward.mobileconfig:8:29: RemovalDate: not a date (YYYY-MM-DDThh:mm:ssZ)" },
		{ 5, PROFILE(PAYLOAD("com.apple.font", "<key>Font</key>\n<data>AA!A</data>\n")), "ward.mobileconfig:15:9: PayloadContent[0].Font: damaged base64 data" },
		{ 5, PROFILE(PAYLOAD("com.apple.font", "<key>Font</key>\n<data>AAA</data>\n")), "ward.mobileconfig:15:7: PayloadContent[0].Font: damaged base64 data: cut short" },
		{ 6, PROFILE(WIFI("<key>Password</key>\n")), "ward.mobileconfig:15:6: PayloadContent[0].Password: key \"Password\" has no value" },
		{ 6, PROFILE(WIFI("<key>Password</key>\n<key>AutoJoin</key><true/>\n")),
		  "ward.mobileconfig:15:6: PayloadContent[0].Password: key \"Password\" has no value: two keys in a row" },
		{ 8, PROFILE(WIFI("<key>Password</key><string>caf\xe9</string>\n")), "ward.mobileconfig:15:31: text is not UTF-8" },
		{ 0, PROFILE(WIFI("<key>\xc3\xa9</key><integer>x</integer>\n")), "ward.mobileconfig:15:22: PayloadContent[0]: not a whole number" },
		{ 0, PROFILE(WIFI("<key>AutoJoin</key><yes/>\n")), "ward.mobileconfig:15:26: PayloadContent[0].AutoJoin: a tag that property lists do not have" },
		{ 0, PROFILE(WIFI("<key>AutoJoin</key><true>no</true>\n")), "ward.mobileconfig:15:26: PayloadContent[0].AutoJoin: <true> is not closed" },
		{ 0, PROFILE(WIFI(S("Password", "a & b"))), "ward.mobileconfig:15:30: PayloadContent[0].Password: an entity other than the five of XML" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++)
		unread(cases[i].number, stg_bytes_str(cases[i].text), DAMAGED, cases[i].message);
	static const char wide[] = "\xff\xfe<\0p\0l\0i\0s\0t\0";
	unread(8, stg_bytes(wide, sizeof(wide)), STG_ID_NOT_A_PROFILE, "ward.mobileconfig: UTF-16 text: save it as UTF-8");
}

static void what_is_too_deep_or_too_large_is_refused(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(BIG);
	assert_true(stg_buf_add_str(&text, HEAD "<dict>\n" OWN_KEYS "<key>a</key>\n", NULL));
	for (int i = 0; i < 32; i++)
		assert_true(stg_buf_add_str(&text, "<array>", NULL));
	unread(7, stg_buf_view(&text), DAMAGED,
	       "ward.mobileconfig:9:225: a[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: nested deeper than 32 levels");
	stg_buf_reset(&text);
	assert_true(stg_buf_add_str(&text, HEAD "<dict>\n", NULL));
	while (text.len <= (1u << 20))
		assert_true(stg_buf_add_str(&text, "<key>a</key><string>0123456789012345678901234567890123456789</string>\n", NULL));
	unread(7, stg_buf_view(&text), STG_ID_PROFILE_TOO_LARGE, "ward.mobileconfig: larger than 1 MiB");
	while (text.len <= (2u << 20))
		assert_true(stg_buf_add_str(&text, "<key>a</key><string>0123456789012345678901234567890123456789</string>\n", NULL));
	unread(7, stg_buf_view(&text), STG_ID_PROFILE_TOO_LARGE, "ward.mobileconfig: larger than 1 MiB");
}

static void what_breaks_apple_s_own_rules_is_told_with_key_and_expectation(void **state)
{
	(void)state;
	wrong(9, HEAD "<array/></plist>", "", "a profile must be a dictionary");
	wrong(10, HEAD "<dict>" S("PayloadType", "com.apple.wifi.managed") "</dict></plist>", "PayloadType", "this is a single payload, not a profile: expected Configuration");
	wrong(11, PROFILE("<dict>" S("PayloadType", "com.apple.font") R("PayloadVersion", "1") S("PayloadIdentifier", "a.b") S("PayloadUUID", UUID_B) D("Font", "AAAA") "</dict>"),
	      "PayloadContent[0].PayloadVersion", "must be a whole number (<integer>1</integer>)");
	wrong(12, PROFILE("<dict>" S("PayloadType", "com.apple.font") I("PayloadVersion", "1") S("PayloadUUID", UUID_B) D("Font", "AAAA") "</dict>"),
	      "PayloadContent[0]", "the required key PayloadIdentifier is missing");
	wrong(13, PROFILE(WIFI(S("AutoJoin", "true"))), "PayloadContent[0].AutoJoin", "must be true or false, is text");
	wrong(14, PROFILE(WIFI(S("EncryptionType", "WPA4"))), "PayloadContent[0].EncryptionType", "\"WPA4\" is not one of WEP, WPA, WPA2, WPA3, Any, None");
	wrong(15, PROFILE(WIFI(I("ProxyServerPort", "70000"))), "PayloadContent[0].ProxyServerPort", "out of range 0..65535");
	wrong(16, PROFILE(PAYLOAD("com.apple.mdm", S("ServerURL", "http://mdm.example"))), "PayloadContent[0].ServerURL", "must start with https://");
	wrong_for(17, PROFILE(PAYLOAD("com.apple.security.acme", "")), "15.8", -1, "PayloadContent[0]", "needs iOS 16.0, the device has 15.8");
	wrong_for(18, PROFILE(PAYLOAD("com.apple.homescreenlayout", LIST("Pages", ""))), "17.4", 0, "PayloadContent[0]", "needs a supervised device, this one is not");
	wrong(19, PROFILE(PAYLOAD("com.apple.mdm", "") PAYLOAD_AS("com.apple.mdm", "a.c", UUID_C, "")), "PayloadContent[1]", "only one com.apple.mdm payload per device");
	wrong(20, PROFILE(PAYLOAD_AS("com.apple.font", "a.b", "bbbbbbbb-0000-4000-8000-000000000002", D("Font", "AAAA")) PAYLOAD_AS("com.apple.font", "a.c", UUID_B, D("Font", "AAAA"))),
	      "PayloadContent[1].PayloadUUID", "this PayloadUUID is used twice (first at line 13)");
	wrong(21, PROFILE(WIFI(S("PayloadCertificateUUID", UUID_C))), "PayloadContent[0].PayloadCertificateUUID", "refers to a certificate that is not in this profile");
	wrong(22, PROFILE(PAYLOAD("com.apple.mdm", S("IdentityCertificateUUID", UUID_C)) PAYLOAD_AS("com.apple.security.root", "a.c", UUID_C, D("PayloadContent", "AAAA"))),
	      "PayloadContent[0].IdentityCertificateUUID", "is a CA certificate, an identity is needed");
	wrong(23, PROFILE(WIFI(LIST("TLSTrustedServerNames", ITEM("r.example")))), "PayloadContent[0].TLSTrustedServerNames",
	      "belongs inside EAPClientConfiguration: here the device ignores it");
	wrong(24, PROFILE(PAYLOAD("com.apple.mdm", I("AccessRights", "2"))), "PayloadContent[0]", "AccessRights: right 2 needs right 1");
	wrong(24, PROFILE(PAYLOAD("com.apple.mdm", I("AccessRights", "0"))), "PayloadContent[0].AccessRights", "out of range 1..8191");
	wrong(25, PROFILE(PAYLOAD("com.apple.security.acme", S("KeyType", "RSA") YES("HardwareBound"))), "PayloadContent[0]",
	      "RSA keys cannot be hardware-bound: KeyType ECSECPrimeRandom was expected");
	wrong(26, PROFILE(PAYLOAD("com.apple.shareddeviceconfiguration", S("AssetTagInformation", "$SERIALNUMBER"))), "PayloadContent[0].AssetTagInformation",
	      "holds an unresolved variable of another product: write {{serial}} or the like");
	wrong(26, PROFILE(PAYLOAD("com.apple.shareddeviceconfiguration", S("AssetTagInformation", "${serial}"))), "PayloadContent[0].AssetTagInformation",
	      "holds an unresolved variable of another product: write {{serial}} or the like");
}

/* ---- certificates ---- */

struct maker {
	EVP_PKEY *ca_key, *key;
	X509 *ca;
};

struct recipe {
	const char *name;
	int from_days, to_days, rsa_bits;
	bool is_ca, is_sha1;
	long serial;
};

static EVP_PKEY *make_key(int rsa_bits)
{
	return rsa_bits ? EVP_RSA_gen((unsigned int)rsa_bits) : EVP_EC_gen("P-256");
}

static X509 *make_cert(const struct recipe *r, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *c = X509_new();
	X509_set_version(c, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c), r->serial);
	X509_gmtime_adj(X509_getm_notBefore(c), (long)r->from_days * 86400);
	X509_gmtime_adj(X509_getm_notAfter(c), (long)r->to_days * 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_UTF8, (const unsigned char *)r->name, -1, -1, 0);
	X509_set_issuer_name(c, issuer ? X509_get_subject_name(issuer) : X509_get_subject_name(c));
	X509_set_pubkey(c, key);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, r->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	X509_add_ext(c, e, -1);
	X509_EXTENSION_free(e);
	assert_true(X509_sign(c, issuer_key ? issuer_key : key, r->is_sha1 ? EVP_sha1() : EVP_sha256()) > 0);
	return c;
}

static const struct recipe good_ca = { "Ward CA", -10, 1000, 0, true, false, 7 }, good_leaf = { "DX3F", -1, 300, 0, false, false, 8 };

static struct maker make(void)
{
	struct maker m = { .ca_key = make_key(0), .key = make_key(0) };
	m.ca = make_cert(&good_ca, m.ca_key, NULL, NULL);
	return m;
}

static void unmake(struct maker *m)
{
	EVP_PKEY_free(m->ca_key);
	EVP_PKEY_free(m->key);
	X509_free(m->ca);
}

/* A profile of one payload that holds these bytes. */
static json_t *lint_payload(const char *type, struct stg_bytes content, const char *more)
{
	STG_AUTO(stg_buf_clear) struct stg_buf b64 = STG_BUF(BIG), text = STG_BUF(BIG);
	assert_true(stg_base64(content, &b64, NULL));
	assert_true(stg_buf_printf(&text, NULL, HEAD "<dict>\n" OWN_KEYS "<key>PayloadContent</key><array><dict>" S("PayloadType", "%s") I("PayloadVersion", "1")
				   S("PayloadIdentifier", "a.b") S("PayloadUUID", UUID_B) "<key>PayloadContent</key><data>%s</data>%s</dict></array></dict></plist>",
				   type, stg_buf_str(&b64), more));
	return checked(stg_buf_view(&text), NULL);
}

static void wrong_cert(const struct recipe *r, const char *type, const char *text)
{
	struct maker m = make();
	EVP_PKEY *key = make_key(r->rsa_bits);
	X509 *cert = make_cert(r, key, m.ca, m.ca_key);
	uint8_t *der = NULL;
	int n = i2d_X509(cert, &der);
	STG_AUTO(stg_json_free_at) json_t *list = lint_payload(type, stg_bytes(der, (size_t)n), "");
	assert_true(told(list, "error", "PayloadContent[0].PayloadContent", text));
	OPENSSL_free(der);
	X509_free(cert);
	EVP_PKEY_free(key);
	unmake(&m);
}

static void a_certificate_that_devices_refuse_is_told_why(void **state)
{
	(void)state;
	char text[200], day[24];
	time_t when = time(NULL) - 86400;
	strftime(day, sizeof(day), "%Y-%m-%d", gmtime(&when));
	snprintf(text, sizeof(text), "the certificate expired on %s", day);
	wrong_cert(&(struct recipe){ "old", -10, -1, 0, true, false, 9 }, "com.apple.security.root", text);
	when = time(NULL) + 5 * 86400;
	strftime(day, sizeof(day), "%Y-%m-%d", gmtime(&when));
	snprintf(text, sizeof(text), "the certificate is valid from %s on only", day);
	wrong_cert(&(struct recipe){ "early", 5, 100, 0, true, false, 9 }, "com.apple.security.root", text);
	wrong_cert(&(struct recipe){ "small", -1, 100, 1024, true, false, 9 }, "com.apple.security.root", "an RSA key of 1024 bits, at least 2048 were expected");
	wrong_cert(&(struct recipe){ "sha1", -1, 100, 0, false, true, 9 }, "com.apple.security.pkcs1", "signed with SHA-1, which devices refuse: SHA-256 was expected");
	wrong_cert(&(struct recipe){ "leaf", -1, 100, 0, false, false, 9 }, "com.apple.security.root",
		   "is a device's or server's certificate, that of a certificate authority was expected");
	wrong_cert(&(struct recipe){ "zero", -1, 100, 0, true, false, 0 }, "com.apple.security.root", "the certificate's serial number is 0, more was expected");
	wrong_cert(&(struct recipe){ "minus", -1, 100, 0, true, false, -5 }, "com.apple.security.root", "the certificate's serial number is below 0");
	STG_AUTO(stg_json_free_at) json_t *none = lint_payload("com.apple.security.pem", stg_bytes_str("hello"), "");
	assert_true(told(none, "error", "PayloadContent[0].PayloadContent", "is no certificate: DER or PEM of one was expected"));
}

static void add_certificate(struct stg_buf *file, X509 *cert, int i, const char *uuid)
{
	STG_AUTO(stg_buf_clear) struct stg_buf b64 = STG_BUF(BIG);
	uint8_t *der = NULL;
	int n = i2d_X509(cert, &der);
	assert_true(n > 0 && stg_base64(stg_bytes(der, (size_t)n), &b64, NULL));
	assert_true(stg_buf_printf(file, NULL, "<dict>" S("PayloadType", "com.apple.security.pkcs1") I("PayloadVersion", "1") S("PayloadIdentifier", "a.%d")
				   S("PayloadUUID", "%s") "<key>PayloadContent</key><data>%s</data></dict>", i, uuid, stg_buf_str(&b64)));
	OPENSSL_free(der);
}

/* A CA with a constraint, what it issued, and the sentence about that; NULL: none. */
static void constrained(const char *constraint, const char *path_length, const char *name, bool is_ca, bool with_wrong_key, const char *text)
{
	struct maker m = make();
	EVP_PKEY *key = make_key(0), *other = make_key(0);
	X509 *ca = make_cert(&good_ca, m.ca_key, NULL, NULL);
	X509_EXTENSION_free(X509_delete_ext(ca, X509_get_ext_by_NID(ca, NID_basic_constraints, -1)));
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, path_length);
	X509_add_ext(ca, e, -1);
	X509_EXTENSION_free(e);
	if (constraint) {
		e = X509V3_EXT_conf_nid(NULL, NULL, NID_name_constraints, constraint);
		assert_non_null(e);
		X509_add_ext(ca, e, -1);
		X509_EXTENSION_free(e);
	}
	assert_true(X509_sign(ca, m.ca_key, EVP_sha256()) > 0);
	X509 *leaf = make_cert(&(struct recipe){ "DX3F", -1, 300, 0, is_ca, false, 8 }, key, ca, m.ca_key);
	if (name) {
		e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, name);
		X509_add_ext(leaf, e, -1);
		X509_EXTENSION_free(e);
	}
	assert_true(X509_sign(leaf, with_wrong_key ? other : m.ca_key, EVP_sha256()) > 0);
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(BIG);
	assert_true(stg_buf_add_str(&file, HEAD "<dict>\n" OWN_KEYS "<key>PayloadContent</key><array>", NULL));
	X509 *both[] = { leaf, ca };
	for (int i = 0; i < 2; i++)
		add_certificate(&file, both[i], i, i ? UUID_C : UUID_B);
	assert_true(stg_buf_add_str(&file, "</array></dict></plist>", NULL));
	STG_AUTO(stg_json_free_at) json_t *list = checked(stg_buf_view(&file), NULL);
	if (text)
		assert_true(told(list, "error", "PayloadContent[0].PayloadContent", text));
	for (size_t i = 0; !text && i < json_array_size(list); i++)
		assert_string_not_equal(stg_json_str(json_array_get(list, i), "level"), "error");
	X509_free(leaf);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
	unmake(&m);
}

/* Root, authority, device: the root permits no authority below the first. */
static void too_deep(void)
{
	struct maker m = make();
	EVP_PKEY *key = make_key(0), *key2 = make_key(0);
	X509 *root = make_cert(&good_ca, m.ca_key, NULL, NULL);
	X509_EXTENSION_free(X509_delete_ext(root, X509_get_ext_by_NID(root, NID_basic_constraints, -1)));
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
	X509_add_ext(root, e, -1);
	X509_EXTENSION_free(e);
	assert_true(X509_sign(root, m.ca_key, EVP_sha256()) > 0);
	X509 *sub = make_cert(&(struct recipe){ "Sub CA", -1, 300, 0, true, false, 8 }, key, root, m.ca_key);
	X509 *leaf = make_cert(&(struct recipe){ "DX3F", -1, 300, 0, false, false, 9 }, key2, sub, key);
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(BIG);
	assert_true(stg_buf_add_str(&file, HEAD "<dict>\n" OWN_KEYS "<key>PayloadContent</key><array>", NULL));
	X509 *all[] = { leaf, sub, root };
	const char *uuids[] = { UUID_B, UUID_C, UUID_D };
	for (int i = 0; i < 3; i++)
		add_certificate(&file, all[i], i, uuids[i]);
	assert_true(stg_buf_add_str(&file, "</array></dict></plist>", NULL));
	STG_AUTO(stg_json_free_at) json_t *list = checked(stg_buf_view(&file), NULL);
	assert_true(told(list, "error", "PayloadContent[0].PayloadContent", "the certificate stands below more authorities than its issuers permit (pathlen)"));
	X509_free(leaf);
	X509_free(sub);
	X509_free(root);
	EVP_PKEY_free(key);
	EVP_PKEY_free(key2);
	unmake(&m);
}

static void a_certificate_its_own_issuer_forbids_is_told_why(void **state)
{
	(void)state;
	static const char ca[] = "critical,CA:TRUE", no_more[] = "critical,CA:TRUE,pathlen:0";
	static const char inside[] = "critical,permitted;DNS:devices.example", never[] = "critical,excluded;IP:0.0.0.0/0.0.0.0";
	constrained(inside, ca, "DNS:dx3f.devices.example", false, false, NULL);
	constrained(inside, ca, "DNS:dx3f.evil.example", false, false, "the certificate has a name outside those its issuer Ward CA permits");
	constrained(never, ca, "IP:10.0.0.1", false, false, "the certificate has a name its issuer Ward CA excludes");
	constrained("critical,permitted;URI:.devices.example", ca, "URI:urn:x-device:serial:DX3F", false, false,
		    "the certificate has a name that the constraints of its issuer Ward CA cannot judge");
	constrained(NULL, no_more, NULL, true, false, NULL);
	too_deep();
	constrained(NULL, "critical,CA:FALSE", NULL, false, false, "the certificate's issuer Ward CA is no certificate authority");
	constrained(NULL, ca, NULL, false, true, "the certificate's signature is not that of its issuer Ward CA beside it");
}

static json_t *lint_p12(PKCS12 *p12, const char *password)
{
	uint8_t *der = NULL;
	char more[100];
	int n = i2d_PKCS12(p12, &der);
	assert_true(n > 0);
	snprintf(more, sizeof(more), "<key>Password</key><string>%s</string>", password);
	json_t *list = lint_payload("com.apple.security.pkcs12", stg_bytes(der, (size_t)n), more);
	OPENSSL_free(der);
	return list;
}

static void wrong_p12(PKCS12 *p12, const char *password, const char *text)
{
	assert_non_null(p12);
	STG_AUTO(stg_json_free_at) json_t *list = lint_p12(p12, password);
	assert_true(told(list, "error", "PayloadContent[0].PayloadContent", text));
	PKCS12_free(p12);
}

/* Two keys and two certificates in one file. */
static PKCS12 *two_identities(struct maker *m, X509 *leaf)
{
	STACK_OF(PKCS7) *safes = NULL;
	STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
	for (int i = 0; i < 2; i++) {
		PKCS12_add_cert(&bags, leaf);
		PKCS12_add_key(&bags, m->key, 0, 2048, NID_pbe_WithSHA1And3_Key_TripleDES_CBC, "pw");
	}
	PKCS12_add_safe(&safes, bags, -1, 0, NULL);
	PKCS12 *p12 = PKCS12_add_safes(safes, 0);
	PKCS12_set_mac(p12, "pw", -1, NULL, 0, 2048, EVP_sha1());
	sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
	sk_PKCS7_pop_free(safes, PKCS7_free);
	return p12;
}

/* OpenSSL 3 does not write RC2 by itself: the name of the algorithm is put over that of 3DES, which has the same length. */
static PKCS12 *as_rc2(PKCS12 *p12)
{
	static const uint8_t triple_des[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01, 0x03 };
	uint8_t *der = NULL;
	int n = i2d_PKCS12(p12, &der);
	uint8_t *at = memmem(der, (size_t)n, triple_des, sizeof(triple_des));
	assert_non_null(at);
	at[9] = 6;      /* pbeWithSHAAnd40BitRC2-CBC */
	const uint8_t *p = der;
	PKCS12 *ret = d2i_PKCS12(NULL, &p, n);
	OPENSSL_free(der);
	PKCS12_free(p12);
	return ret;
}

static void an_identity_a_device_cannot_read_is_told_why(void **state)
{
	(void)state;
	struct maker m = make();
	const int des3 = NID_pbe_WithSHA1And3_Key_TripleDES_CBC;
	X509 *leaf = make_cert(&good_leaf, m.key, m.ca, m.ca_key), *ca_leaf = make_cert(&good_ca, m.key, m.ca, m.ca_key);
	PKCS12 *good = PKCS12_create("pw", "id", m.key, leaf, NULL, des3, des3, 2048, 1, 0);
	STG_AUTO(stg_json_free_at) json_t *fine = lint_p12(good, "pw");
	for (size_t i = 0; i < json_array_size(fine); i++)
		if (strcmp(stg_json_str(json_array_get(fine, i), "level"), "note") != 0)
			fail_msg("%s", stg_json_str(json_array_get(fine, i), "text"));
	wrong_p12(good, "pW", "the identity's password is not the one in Password");
	wrong_p12(two_identities(&m, leaf), "pw", "holds 2 identities, exactly one was expected");
	wrong_p12(as_rc2(PKCS12_create("pw", "id", m.key, leaf, NULL, des3, des3, 2048, 1, 0)), "pw",
		  "the identity is encrypted with RC2 or RC4: write it again with 3DES or AES");
	wrong_p12(PKCS12_create("pw", "id", NULL, leaf, NULL, des3, des3, 2048, 1, 0), "pw", "holds no private key, an identity was expected");
	wrong_p12(PKCS12_create("pw", "id", m.key, ca_leaf, NULL, des3, des3, 2048, 1, 0), "pw",
		  "the identity is a certificate authority (CA:TRUE), a device's own certificate was expected");
	/* PKCS12_create refuses a pair that does not match, so the certificate is put beside the key by hand */
	STACK_OF(PKCS7) *safes = NULL;
	STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
	PKCS12_add_cert(&bags, m.ca);
	PKCS12_add_key(&bags, m.key, 0, 2048, des3, "pw");
	PKCS12_add_safe(&safes, bags, -1, 0, NULL);
	PKCS12 *mixed = PKCS12_add_safes(safes, 0);
	PKCS12_set_mac(mixed, "pw", -1, NULL, 0, 2048, EVP_sha1());
	sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
	sk_PKCS7_pop_free(safes, PKCS7_free);
	wrong_p12(mixed, "pw", "the key matches no certificate of the identity");
	STG_AUTO(stg_json_free_at) json_t *junk = lint_payload("com.apple.security.pkcs12", stg_bytes_str("junk"), "");
	assert_true(told(junk, "error", "PayloadContent[0].PayloadContent", "is no identity: PKCS#12 in DER was expected"));
	X509_free(leaf);
	X509_free(ca_leaf);
	unmake(&m);
}

/* ---- signed and encrypted ---- */

static struct stg_buf sign(const struct maker *m, X509 *cert, struct stg_bytes content, unsigned int how)
{
	struct stg_buf ret = STG_BUF(BIG);
	BIO *in = BIO_new_mem_buf(content.data, (int)content.len);
	CMS_ContentInfo *cms = CMS_sign(cert, m->key, NULL, in, how | CMS_BINARY | CMS_NOSMIMECAP);
	uint8_t *der = NULL;
	int n = i2d_CMS_ContentInfo(cms, &der);
	assert_true(n > 0 && stg_buf_add(&ret, der, (size_t)n, NULL));
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	return ret;
}

static json_t *pem_list(X509 *cert)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *text = NULL;
	PEM_write_bio_X509(out, cert);
	long n = BIO_get_mem_data(out, &text);
	json_t *list = json_array();
	json_array_append_new(list, json_stringn(text, (size_t)n));
	BIO_free(out);
	return list;
}

static void a_signature_is_opened_and_its_signer_judged(void **state)
{
	(void)state;
	struct maker m = make(), other = make();
	X509 *leaf = make_cert(&good_leaf, m.key, m.ca, m.ca_key), *old = make_cert(&(struct recipe){ "Old", -20, -2, 0, false, false, 9 }, m.key, m.ca, m.ca_key);
	STG_AUTO(stg_json_free_at) json_t *trusted = pem_list(m.ca), *stranger = pem_list(other.ca), *himself = pem_list(leaf), *nobody = json_array();
	static const char text[] = PROFILE(WIFI(S("Password", "correct horse")));
	STG_AUTO(stg_buf_clear) struct stg_buf once = sign(&m, leaf, stg_bytes_str(text), 0), twice = sign(&m, leaf, stg_buf_view(&once), 0),
		empty = sign(&m, leaf, stg_bytes_str(text), CMS_DETACHED), late = sign(&m, old, stg_bytes_str(text), 0);
	struct { struct stg_bytes file; const json_t *anchors; const char *level, *text; } cases[] = {
		{ stg_buf_view(&once), trusted, "note", "signed by DX3F, who is trusted here" },
		{ stg_buf_view(&once), himself, "note", "signed by DX3F, who is trusted here" },
		{ stg_buf_view(&once), stranger, "warning", "signed by DX3F, who is not among the trusted signers" },
		{ stg_buf_view(&once), nobody, "warning", "signed by DX3F, who is not among the trusted signers" },
		{ stg_buf_view(&late), trusted, "warning", "signed by Old, whose certificate has expired" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		struct stg_profile_target t = { .supervised = -1, .signers = cases[i].anchors };
		STG_AUTO(stg_json_free_at) json_t *list = checked(cases[i].file, &t);
		if (!told(list, cases[i].level, "", cases[i].text))
			fail_msg("%zu", i);
	}
	unread(28, stg_buf_view(&twice), STG_ID_PROFILE_SIGNATURE, "ward.mobileconfig: signed twice: one signature is expected");
	unread(28, stg_buf_view(&empty), STG_ID_PROFILE_SIGNATURE, "ward.mobileconfig: there is no profile inside the signature");
	uint8_t *at = memmem(once.data, once.len, "Ward", 4);
	assert_non_null(at);
	at[0] = 'w';
	unread(27, stg_buf_view(&once), STG_ID_PROFILE_SIGNATURE, "ward.mobileconfig: the signature does not match the content (signed by DX3F)");
	X509_free(leaf);
	X509_free(old);
	unmake(&m);
	unmake(&other);
}

static void an_encrypted_profile_is_opened_with_its_key_only(void **state)
{
	(void)state;
	static const char payloads[] = HEAD "<array>" WIFI(S("AutoJoin", "true")) "</array></plist>";
	EVP_PKEY *key = make_key(2048), *wrong_key = make_key(2048);
	X509 *cert = make_cert(&good_ca, key, NULL, NULL);
	STACK_OF(X509) *to = sk_X509_new_null();
	sk_X509_push(to, cert);
	BIO *in = BIO_new_mem_buf(payloads, -1);
	CMS_ContentInfo *cms = CMS_encrypt(to, in, EVP_aes_256_cbc(), CMS_BINARY);
	uint8_t *der = NULL;
	int n = i2d_CMS_ContentInfo(cms, &der);
	STG_AUTO(stg_buf_clear) struct stg_buf b64 = STG_BUF(BIG), text = STG_BUF(BIG), pem = STG_BUF(BIG), wrong_pem = STG_BUF(BIG);
	assert_true(n > 0 && stg_base64(stg_bytes(der, (size_t)n), &b64, NULL));
	assert_true(stg_buf_printf(&text, NULL, HEAD "<dict>\n" OWN_KEYS YES("IsEncrypted") "<key>EncryptedPayloadContent</key><data>%s</data></dict></plist>", stg_buf_str(&b64)));
	for (int i = 0; i < 2; i++) {
		BIO *out = BIO_new(BIO_s_mem());
		char *p = NULL;
		PEM_write_bio_PrivateKey(out, i ? wrong_key : key, NULL, NULL, 0, NULL, NULL);
		long len = BIO_get_mem_data(out, &p);
		assert_true(stg_buf_add(i ? &wrong_pem : &pem, p, (size_t)len, NULL));
		BIO_free(out);
	}
	STG_AUTO(stg_json_free_at) json_t *shut = checked(stg_buf_view(&text), NULL);
	assert_true(told(shut, "note", "EncryptedPayloadContent", "encrypted for certificate 07 of Ward CA: its payloads are not checked without the key"));
	struct stg_profile_target t = { .supervised = -1, .key = stg_buf_view(&pem) };
	STG_AUTO(stg_json_free_at) json_t *open = checked(stg_buf_view(&text), &t);
	assert_true(told(open, "error", "PayloadContent[0].AutoJoin", "must be true or false, is text"));
	t.key = stg_buf_view(&wrong_pem);
	struct stg_error err = { 0 };
	assert_null(stg_profile_check("x", stg_buf_view(&text), NULL, &t, &err));
	assert_true(err.id == STG_ID_PROFILE_ENCRYPTED || err.id == STG_ID_PROFILE_DAMAGED);
	CMS_ContentInfo_free(cms);
	OPENSSL_free(der);
	BIO_free(in);
	sk_X509_free(to);
	X509_free(cert);
	EVP_PKEY_free(key);
	EVP_PKEY_free(wrong_key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_property_list_is_told_with_line_and_column),
		cmocka_unit_test(what_is_too_deep_or_too_large_is_refused),
		cmocka_unit_test(what_breaks_apple_s_own_rules_is_told_with_key_and_expectation),
		cmocka_unit_test(a_certificate_that_devices_refuse_is_told_why),
		cmocka_unit_test(a_certificate_its_own_issuer_forbids_is_told_why),
		cmocka_unit_test(an_identity_a_device_cannot_read_is_told_why),
		cmocka_unit_test(a_signature_is_opened_and_its_signer_judged),
		cmocka_unit_test(an_encrypted_profile_is_opened_with_its_key_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
