/*
 * test_ca.c - certificates by template: what a device's request may and may not get, and what the register then says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>

#include <stager/ca.h>
#include <stager/error.h>

static char folder[256];
static struct stg_store *store;
static struct stg_keys *keys;
static json_t *org;
static struct stg_buf org_sealed = { .max = 1 << 20 };

static int setup(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	const char *tmp = getenv("TMPDIR");
	snprintf(folder, sizeof(folder), "%s/stager-ca-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(folder) || !(store = stg_store_open(folder, STG_STORE_PRODUCTION, &err)) || !(keys = stg_keys_open(folder, &err)))
		return -1;
	STG_AUTO(stg_secret_clear) struct stg_secret mac = { 0 };
	STG_AUTO(stg_json_free_at) json_t *d = json_pack("{s:s,s:s}", "name", "Hôpital Nord", "domain", "hopital.example");
	if (!stg_keys_derive(keys, "row-mac", &mac, &err) || !stg_store_set_mac_key(store, &mac, &err) ||
	    !stg_org_make(keys, d, &org, &org_sealed, &err) || !stg_store_org_put(store, org, stg_buf_view(&org_sealed), &err)) {
		fprintf(stderr, "%s\n", err.msg);
		return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	char command[300];
	json_decref(org);
	stg_buf_clear(&org_sealed);
	stg_keys_close(keys);
	stg_store_close(store);
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

struct request {
	const char *cn, *serial_number, *extensions[2];     /* "basicConstraints" texts in OpenSSL's language: tests may */
	int nids[2];
	EVP_PKEY *signed_by;                                 /* another than its own */
	const char *challenge, *second_challenge;
};

static EVP_PKEY *device_key;

static void ask_for(struct request r, EVP_PKEY *key, struct stg_buf *ret)
{
	X509_REQ *req = X509_REQ_new();
	X509_NAME *name = X509_NAME_new();
	STACK_OF(X509_EXTENSION) *exts = NULL;
	if (r.cn)
		X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (const unsigned char *)r.cn, -1, -1, 0);
	if (r.serial_number)
		X509_NAME_add_entry_by_NID(name, NID_serialNumber, MBSTRING_UTF8, (const unsigned char *)r.serial_number, -1, -1, 0);
	X509_REQ_set_subject_name(req, name);
	X509_REQ_set_pubkey(req, key);
	for (int i = 0; i < 2; i++)
		if (r.extensions[i]) {
			if (!exts)
				exts = sk_X509_EXTENSION_new_null();
			X509_EXTENSION *one = X509V3_EXT_conf_nid(NULL, NULL, r.nids[i], r.extensions[i]);
			assert_true(one && sk_X509_EXTENSION_push(exts, one) > 0);
		}
	if (exts)
		X509_REQ_add_extensions(req, exts);
	if (r.challenge)
		X509_REQ_add1_attr_by_NID(req, NID_pkcs9_challengePassword, MBSTRING_UTF8, (const unsigned char *)r.challenge, -1);
	if (r.second_challenge)
		assert_int_equal(X509_ATTRIBUTE_set1_data(X509_REQ_get_attr(req, X509_REQ_get_attr_by_NID(req, NID_pkcs9_challengePassword, -1)),
							  MBSTRING_UTF8, r.second_challenge, -1), 1);
	assert_true(X509_REQ_sign(req, r.signed_by ? r.signed_by : key, EVP_sha256()) > 0);
	uint8_t *der = NULL;
	int n = i2d_X509_REQ(req, &der);
	assert_true(n > 0 && stg_buf_add(ret, der, (size_t)n, NULL));
	OPENSSL_free(der);
	X509_NAME_free(name);
	X509_REQ_free(req);
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
}

static bool sign(struct stg_bytes request, const char *serial, const char *template_name, struct stg_buf *der, json_t **row, struct stg_error *err)
{
	struct stg_ca_for whom = { .serial = serial, .template_name = template_name, .actor = "scep" };
	return stg_ca_sign(store, keys, org, stg_buf_view(&org_sealed), &whom, request, der, row, err);
}

static int64_t registered(void)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *all = stg_store_certificates(store, NULL, &err);
	assert_non_null(all);
	return (int64_t)json_array_size(all);
}

static void refused(struct request r, EVP_PKEY *key, enum stg_code code, enum stg_id id, const char *word)
{
	STG_AUTO(stg_buf_clear) struct stg_buf request = STG_BUF(65536), der = STG_BUF(65536);
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	struct stg_error err = { 0 };
	int64_t before = registered();
	ask_for(r, key, &request);
	assert_false(sign(stg_buf_view(&request), "DX3F", NULL, &der, &row, &err));
	assert_int_equal(err.code, code);
	assert_int_equal(err.id, id);
	if (!strstr(err.msg, word))
		fail_msg("'%s' does not say '%s'", err.msg, word);
	assert_int_equal(registered(), before);
	assert_int_equal(der.len, 0);
}

static void a_request_for_more_than_its_device_may_have_is_refused(void **state)
{
	(void)state;
	EVP_PKEY *foreign = EVP_EC_gen("P-256"), *weak = EVP_RSA_gen(1024), *odd = EVP_EC_gen("secp256k1");
	refused((struct request){ .cn = "DX3F", .extensions = { "CA:TRUE" }, .nids = { NID_basic_constraints } }, device_key, STG_E_REFUSED,
		STG_ID_REQUEST_OTHER, "authority");
	refused((struct request){ .cn = "DX3F", .extensions = { "keyCertSign" }, .nids = { NID_key_usage } }, device_key, STG_E_REFUSED,
		STG_ID_REQUEST_OTHER, "authority");
	refused((struct request){ .cn = "x", .serial_number = "F2LX" }, device_key, STG_E_REFUSED, STG_ID_REQUEST_OTHER, "F2LX");
	refused((struct request){ .cn = "x", .extensions = { "URI:urn:x-device:serial:F2LX" }, .nids = { NID_subject_alt_name } }, device_key,
		STG_E_REFUSED, STG_ID_REQUEST_OTHER, "F2LX");
	refused((struct request){ .cn = "DX3F", .signed_by = foreign }, device_key, STG_E_INPUT, STG_ID_CERTIFICATE_REQUEST, "not signed");
	refused((struct request){ .cn = "DX3F" }, weak, STG_E_INPUT, STG_ID_CERTIFICATE_REQUEST, "too weak");
	refused((struct request){ .cn = "DX3F" }, odd, STG_E_INPUT, STG_ID_CERTIFICATE_REQUEST, "too weak");
	EVP_PKEY_free(foreign);
	EVP_PKEY_free(weak);
	EVP_PKEY_free(odd);
}

static void a_request_that_is_none_is_refused(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf request = STG_BUF(65536), der = STG_BUF(65536);
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	struct stg_error err = { 0 };
	ask_for((struct request){ .cn = "DX3F" }, device_key, &request);
	for (size_t n = 0; n < request.len; n += 7) {
		assert_false(sign(stg_bytes(request.data, n), "DX3F", NULL, &der, &row, &err));
		assert_int_equal(err.id, STG_ID_CERTIFICATE_REQUEST);
	}
	assert_true(stg_buf_add(&request, "", 1, NULL));
	assert_false(sign(stg_buf_view(&request), "DX3F", NULL, &der, &row, &err));
	static const uint8_t large[17 << 10] = { 0x30, 0x82, 0x43, 0xfc };
	assert_false(sign(stg_bytes(large, sizeof(large)), "DX3F", NULL, &der, &row, &err));
	assert_int_equal(err.id, STG_ID_CERTIFICATE_REQUEST);
}

static void the_template_decides_what_stands_in_the_certificate(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf request = STG_BUF(65536), der = STG_BUF(65536);
	STG_AUTO(stg_json_free_at) json_t *row = NULL, *shown = NULL;
	struct stg_error err = { 0 };
	/* what Apple's client writes by itself: the identifier of its payload */
	ask_for((struct request){ .cn = "com.example.scep", .extensions = { "DNS:www.bank.example" }, .nids = { NID_subject_alt_name } }, device_key,
		&request);
	assert_true(sign(stg_buf_view(&request), "DX3F", NULL, &der, &row, &err));
	shown = stg_certificate_json(stg_buf_view(&der), &err);
	assert_non_null(shown);
	assert_string_equal(stg_json_str(shown, "cn"), "DX3F");
	assert_string_equal(json_string_value(json_array_get(json_object_get(shown, "san"), 0)), "uri:urn:x-device:serial:DX3F");
	assert_string_equal(json_string_value(json_array_get(json_object_get(shown, "san"), 1)), "dns:dx3f.devices.hopital.example");
	assert_int_equal(json_array_size(json_object_get(shown, "san")), 2);
	assert_int_equal(strlen(stg_json_str(shown, "serial_hex")), 32);
	assert_false(stg_json_bool(shown, "is_ca", true));
	assert_string_equal(stg_json_str(row, "device_serial"), "DX3F");

	/* the same name on another device's request is now somebody else's */
	STG_AUTO(stg_buf_clear) struct stg_buf next = STG_BUF(65536), none = STG_BUF(65536);
	STG_AUTO(stg_json_free_at) json_t *no_row = NULL;
	ask_for((struct request){ .cn = "DX3F" }, device_key, &next);
	assert_false(sign(stg_buf_view(&next), "F2LX", NULL, &none, &no_row, &err));
	assert_int_equal(err.id, STG_ID_REQUEST_OTHER);
}

static void a_challenge_is_read_once_and_only_one(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf one = STG_BUF(65536), two = STG_BUF(65536);
	STG_AUTO(stg_secret_clear) struct stg_secret word = { 0 }, none = { 0 };
	struct stg_error err = { 0 };
	ask_for((struct request){ .cn = "DX3F", .challenge = "only-once" }, device_key, &one);
	STG_AUTO(stg_json_free_at) json_t *read = stg_request_read(stg_buf_view(&one), &word, &err);
	assert_non_null(read);
	assert_true(stg_bytes_equal(stg_secret_reveal(&word), stg_bytes_str("only-once")));
	ask_for((struct request){ .cn = "DX3F", .challenge = "only-once", .second_challenge = "and another" }, device_key, &two);
	assert_null(stg_request_read(stg_buf_view(&two), &none, &err));
	assert_int_equal(err.id, STG_ID_CERTIFICATE_REQUEST);
}

static void a_template_that_would_not_verify_is_refused_before_it_is_kept(void **state)
{
	(void)state;
	static const char *const wrong[] = { "{\"cn\":\"\"}", "{\"cn\":\"a\",\"days\":4000}", "{\"cn\":\"a\",\"key\":\"rsa-1024\"}",
					     "{\"cn\":\"a\",\"purpose\":\"server\"}", "{\"cn\":\"a\",\"san\":[\"ip:10.0.0.1\"]}", "{\"cn\":\"a\\u001b[2J\"}" };
	struct stg_error err = { 0 };
	for (size_t i = 0; i < STG_ARRAY_LEN(wrong); i++) {
		STG_AUTO(stg_json_free_at) json_t *t = json_loads(wrong[i], 0, NULL);
		assert_non_null(t);
		assert_false(stg_ca_template_put(store, "mine", t, &err));
		assert_int_equal(err.id, STG_ID_TEMPLATE_WRONG);
	}
	assert_false(stg_ca_template_put(store, "mine", NULL, &err));
	assert_int_equal(err.id, STG_ID_NO_TEMPLATE);
}

static void a_stations_own_template_stands_in_front_and_an_unknown_value_is_named(void **state)
{
	(void)state;
	STG_AUTO(stg_json_free_at) json_t *t = json_pack("{s:s,s:[s],s:i}", "cn", "{{user}}", "san", "upn:{{upn}}", "days", 30);
	STG_AUTO(stg_json_free_at) json_t *values = json_pack("{s:s,s:s}", "user", "Ada", "upn", "ada@hopital.example");
	STG_AUTO(stg_secret_clear) struct stg_secret p12 = { 0 }, password = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	struct stg_error err = { 0 };
	struct stg_leaf_ask ec = { .key_type = "p-256" };
	assert_true(stg_ca_template_put(store, "user", t, &err));
	struct stg_ca_for whom = { .serial = "DX3G", .template_name = "user", .actor = "tester" };
	assert_false(stg_ca_issue(store, keys, org, stg_buf_view(&org_sealed), &whom, &ec, &p12, &password, &row, &err));
	assert_int_equal(err.id, STG_ID_VARIABLE_UNKNOWN);
	assert_non_null(strstr(err.msg, "user"));
	whom.values = values;
	err = (struct stg_error){ 0 };
	if (!stg_ca_issue(store, keys, org, stg_buf_view(&org_sealed), &whom, &ec, &p12, &password, &row, &err))
		fail_msg("%s", err.msg);
	assert_string_equal(json_string_value(json_array_get(json_object_get(row, "san"), 0)), "upn:ada@hopital.example");
	assert_string_equal(stg_json_str(row, "key"), "p-256");
	assert_true(stg_ca_template_put(store, "user", NULL, &err));
	STG_AUTO(stg_json_free_at) json_t *shipped = stg_ca_template(store, "user", &err);
	assert_true(stg_json_bool(shipped, "built_in", false));
}

static void the_registration_authority_can_receive_and_belongs_to_the_ca(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(1 << 20);
	STG_AUTO(stg_json_free_at) json_t *leaf = NULL, *row = json_deep_copy(org);
	struct stg_error err = { 0 };
	struct stg_ra ra = { 0 };
	assert_false(stg_org_ra(keys, org, stg_buf_view(&org_sealed), &ra, &err));
	assert_int_equal(err.code, STG_E_NOT_FOUND);
	assert_true(stg_org_ra_due(org, 0));
	assert_true(stg_org_ra_make(keys, row, stg_buf_view(&org_sealed), &sealed, &leaf, &err));
	assert_false(stg_org_ra_due(row, 0));
	assert_true(stg_org_ra_due(row, 500LL * 24 * 3600 * 1000));
	assert_true(stg_org_ra(keys, row, stg_buf_view(&sealed), &ra, &err));
	assert_true(EVP_PKEY_is_a(ra.key, "RSA"));
	assert_int_equal(X509_verify(ra.cert, X509_get0_pubkey(ra.issuing)), 1);
	assert_int_equal(X509_get_key_usage(ra.cert), KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT);
	assert_int_equal(X509_check_ca(ra.cert), 0);
	stg_ra_clear(&ra);
	/* the other keys are still there */
	STG_AUTO(stg_buf_clear) struct stg_buf cms = STG_BUF(1 << 20);
	assert_true(stg_org_sign_profile(keys, row, stg_buf_view(&sealed), stg_bytes_str("x"), &cms, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_for_more_than_its_device_may_have_is_refused),
		cmocka_unit_test(a_request_that_is_none_is_refused),
		cmocka_unit_test(a_challenge_is_read_once_and_only_one),
		cmocka_unit_test(a_template_that_would_not_verify_is_refused_before_it_is_kept),
		cmocka_unit_test(the_template_decides_what_stands_in_the_certificate),
		cmocka_unit_test(a_stations_own_template_stands_in_front_and_an_unknown_value_is_named),
		cmocka_unit_test(the_registration_authority_can_receive_and_belongs_to_the_ca),
	};
	device_key = EVP_RSA_gen(2048);
	int failed = cmocka_run_group_tests(tests, setup, teardown);
	EVP_PKEY_free(device_key);
	return failed;
}
