/*
 * test_org.c - organisations, host identities, signatures and leaves, judged by OpenSSL's own verification.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/keys.h>

static char folder[256];
static struct stg_keys *keys;
static json_t *org;
static struct stg_buf org_sealed = { .max = 1 << 20 };

static json_t *details(const char *name)
{
	return json_pack("{s:s,s:s,s:s,s:s}", "name", name, "country", "FR", "domain", "hopital.example", "email", "it@hopital.example");
}

static int setup(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	const char *tmp = getenv("TMPDIR");
	snprintf(folder, sizeof(folder), "%s/stager-org-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(folder) || !(keys = stg_keys_open(folder, &err)))
		return -1;
	STG_AUTO(stg_json_free_at) json_t *d = details("Hôpital Nord, \"Pilot\"");
	if (!stg_org_make(keys, d, &org, &org_sealed, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		return -1;
	}
	return 0;
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

static X509 *cert_of(const char *pem)
{
	BIO *b = BIO_new_mem_buf(pem, -1);
	X509 *c = PEM_read_bio_X509(b, NULL, NULL, NULL);
	BIO_free(b);
	assert_non_null(c);
	return c;
}

/* 0 = good, else OpenSSL's number, with purpose. */
static int verdict(X509 *leaf, int purpose)
{
	X509 *root = cert_of(stg_json_str(org, "root_pem")), *issuing = cert_of(stg_json_str(org, "issuing_pem"));
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *between = sk_X509_new_null();
	X509_STORE_add_cert(store, root);
	sk_X509_push(between, issuing);
	X509_STORE_CTX_init(ctx, store, leaf, between);
	X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT);
	X509_STORE_CTX_set_purpose(ctx, purpose);
	int ok = X509_verify_cert(ctx), why = X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	sk_X509_free(between);
	X509_free(root);
	X509_free(issuing);
	return ok == 1 ? 0 : why ? why : -1;
}

static bool issue(const char *cn, const char *san, const char *key_type, bool modern, struct stg_secret *p12, struct stg_secret *password,
		  json_t **row, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *names = json_array();
	if (san)
		json_array_append_new(names, json_string(san));
	struct stg_leaf_ask ask = { .common_name = cn, .san = names, .key_type = key_type, .days = 30, .purpose = "client", .modern_p12 = modern };
	return stg_leaf_issue(keys, org, stg_buf_view(&org_sealed), &ask, NULL, p12, password, row, err);
}

static void names_outside_the_ca_are_refused_before_anything_is_issued(void **state)
{
	(void)state;
	static const char *const bad[] = { "dns:devices.elsewhere.example", "email:a@elsewhere.example", "dns:has space", "ip:10.0.0.1", "dns:", "junk",
					   "uri:\xc3\xa9" };
	for (size_t i = 0; i < STG_ARRAY_LEN(bad); i++) {
		struct stg_error err = { 0 };
		STG_AUTO(stg_secret_clear) struct stg_secret p12 = { 0 }, password = { 0 };
		json_t *row = NULL;
		assert_false(issue("DX3F", bad[i], "p-256", false, &p12, &password, &row, &err));
		assert_int_equal(err.id, STG_ID_CERTIFICATE_ASK);
		assert_false(stg_secret_is_set(&p12));
		assert_null(row);
	}
}

static void names_inside_the_ca_verify_as_a_client_and_as_nothing_else(void **state)
{
	(void)state;
	static const char *const good[] = { "dns:dx3f.devices.hopital.example", "uri:urn:x-device:serial:DX3F", "upn:dx3f@corp.hopital.local",
					    "email:bob@hopital.example", NULL };
	for (size_t i = 0; i < STG_ARRAY_LEN(good); i++) {
		struct stg_error err = { 0 };
		STG_AUTO(stg_secret_clear) struct stg_secret p12 = { 0 }, password = { 0 };
		STG_AUTO(stg_json_free_at) json_t *row = NULL;
		if (!issue("DX3F", good[i], "p-256", false, &p12, &password, &row, &err))
			fail_msg("%s: %s", good[i] ? good[i] : "no name", err.msg);
		X509 *leaf = cert_of(stg_json_str(row, "pem"));
		assert_int_equal(verdict(leaf, X509_PURPOSE_SSL_CLIENT), 0);
		assert_int_equal(verdict(leaf, X509_PURPOSE_SSL_SERVER), X509_V_ERR_INVALID_PURPOSE);
		X509_free(leaf);
	}
}

/* Certificates a thief of the issuing key would like to have: the constraints stop them at the reader. */
static void the_constraints_hold_even_for_somebody_who_has_the_issuing_key(void **state)
{
	(void)state;
	X509 *issuing = cert_of(stg_json_str(org, "issuing_pem"));
	int crit = 0;
	NAME_CONSTRAINTS *nc = X509_get_ext_d2i(issuing, NID_name_constraints, &crit, NULL);
	assert_non_null(nc);
	assert_int_equal(crit, 1);
	static const struct { const char *o, *san; bool c_first; int expected; } cases[] = {
		{ "Hôpital Nord, \"Pilot\"", "DNS:x.devices.hopital.example", false, X509_V_OK },
		{ "Hôpital Nord, \"Pilot\"", "DNS:x.hopital.example", false, X509_V_ERR_PERMITTED_VIOLATION },
		{ "Hôpital Nord, \"Pilot\"", "email:a@other.example", false, X509_V_ERR_PERMITTED_VIOLATION },
		{ "Hôpital Nord, \"Pilot\"", "IP:10.1.2.3", false, X509_V_ERR_EXCLUDED_VIOLATION },
		{ "Hôpital Nord, \"Pilot\"", "IP:fd00::1", false, X509_V_ERR_EXCLUDED_VIOLATION },
		{ "Hôpital Nord, \"Pilot\"", "URI:urn:x-device:serial:1", false, X509_V_OK },
		{ "Somebody else", NULL, false, X509_V_ERR_PERMITTED_VIOLATION },
		{ "Hôpital Nord, \"Pilot\"", NULL, true, X509_V_ERR_PERMITTED_VIOLATION },
	};
	EVP_PKEY *thief = EVP_EC_gen("P-256");
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		X509 *leaf = X509_new();
		X509_set_version(leaf, X509_VERSION_3);
		X509_NAME *n = X509_NAME_new();
		if (cases[i].c_first)
			X509_NAME_add_entry_by_txt(n, "C", MBSTRING_UTF8, (const unsigned char *)"FR", -1, -1, 0);
		X509_NAME_add_entry_by_txt(n, "O", MBSTRING_UTF8, (const unsigned char *)cases[i].o, -1, -1, 0);
		X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8, (const unsigned char *)"x", -1, -1, 0);
		X509_set_subject_name(leaf, n);
		if (cases[i].san) {
			X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, cases[i].san);
			assert_non_null(e);
			X509_add_ext(leaf, e, -1);
			X509_EXTENSION_free(e);
		}
		X509_set_pubkey(leaf, thief);
		ASN1_INTEGER_set(X509_get_serialNumber(leaf), 1);
		X509_gmtime_adj(X509_getm_notBefore(leaf), 0);
		X509_gmtime_adj(X509_getm_notAfter(leaf), 3600);
		assert_true(X509_sign(leaf, thief, EVP_sha256()) > 0);
		X509_check_purpose(leaf, -1, 0); /* reads the extensions */
		int got = NAME_CONSTRAINTS_check(leaf, nc);
		if (got != cases[i].expected)
			fail_msg("case %zu: %s", i, X509_verify_cert_error_string(got));
		X509_NAME_free(n);
		X509_free(leaf);
	}
	EVP_PKEY_free(thief);
	NAME_CONSTRAINTS_free(nc);
	X509_free(issuing);
}

static void a_leaf_is_dated_from_yesterday_and_never_outlives_its_issuer(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_secret_clear) struct stg_secret p12 = { 0 }, password = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	struct stg_leaf_ask ask = { .common_name = "A", .key_type = "p-256", .days = 1095 };
	assert_true(stg_leaf_issue(keys, org, stg_buf_view(&org_sealed), &ask, NULL, &p12, &password, &row, &err));
	X509 *issuing = cert_of(stg_json_str(org, "issuing_pem")), *leaf = cert_of(stg_json_str(row, "pem"));
	assert_true(ASN1_TIME_compare(X509_get0_notAfter(leaf), X509_get0_notAfter(issuing)) <= 0);
	assert_true(ASN1_TIME_compare(X509_get0_notBefore(leaf), X509_get0_notBefore(issuing)) >= 0);
	assert_true(stg_json_int(row, "not_before_ms", 0) < stg_wall_ms() - 23 * 3600 * 1000);
	X509_free(issuing);
	X509_free(leaf);
	ask.days = 5000;
	assert_false(stg_leaf_issue(keys, org, stg_buf_view(&org_sealed), &ask, NULL, &p12, &password, &row, &err));
	assert_int_equal(err.id, STG_ID_CERTIFICATE_ASK);
}

static void serial_numbers_are_random_and_never_the_same(void **state)
{
	(void)state;
	char seen[40][64];
	for (size_t i = 0; i < STG_ARRAY_LEN(seen); i++) {
		struct stg_error err = { 0 };
		STG_AUTO(stg_secret_clear) struct stg_secret p12 = { 0 }, password = { 0 };
		STG_AUTO(stg_json_free_at) json_t *row = NULL;
		assert_true(issue("A", NULL, "p-256", false, &p12, &password, &row, &err));
		stg_copy(seen[i], sizeof(seen[i]), stg_json_str(row, "serial_hex"));
		assert_int_equal(strlen(seen[i]), 32);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(seen[i], seen[j]);
	}
}

static PKCS12 *p12_of(const struct stg_secret *p12)
{
	const unsigned char *p = stg_secret_reveal(p12).data;
	PKCS12 *got = d2i_PKCS12(NULL, &p, (long)stg_secret_reveal(p12).len);
	assert_non_null(got);
	return got;
}

static void the_identity_file_opens_without_old_algorithms_and_only_with_its_password(void **state)
{
	(void)state;
	static const struct { const char *key; bool modern; const char *mac; } cases[] = {
		{ "rsa-2048", false, "sha1" }, { "p-256", false, "sha1" }, { "p-256", true, "sha256" } };
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		struct stg_error err = { 0 };
		STG_AUTO(stg_secret_clear) struct stg_secret file = { 0 }, password = { 0 };
		STG_AUTO(stg_json_free_at) json_t *row = NULL;
		assert_true(issue("DX3F", NULL, cases[i].key, cases[i].modern, &file, &password, &row, &err));
		PKCS12 *p12 = p12_of(&file);
		const char *pass = (const char *)stg_secret_reveal(&password).data;
		assert_int_equal(strlen(pass), 24);
		assert_int_not_equal(PKCS12_verify_mac(p12, "wrong", -1), 1);
		assert_int_equal(PKCS12_verify_mac(p12, pass, -1), 1);
		const X509_ALGOR *mac = NULL;
		const ASN1_OBJECT *oid = NULL;
		PKCS12_get0_mac(NULL, &mac, NULL, NULL, p12);
		X509_ALGOR_get0(&oid, NULL, NULL, mac);
		assert_int_equal(OBJ_obj2nid(oid), OBJ_sn2nid(strcmp(cases[i].mac, "sha1") ? "SHA256" : "SHA1"));
		EVP_PKEY *key = NULL;
		X509 *cert = NULL;
		STACK_OF(X509) *more = NULL;
		assert_int_equal(PKCS12_parse(p12, pass, &key, &cert, &more), 1);
		assert_int_equal(EVP_PKEY_eq(key, X509_get0_pubkey(cert)), 1);
		assert_true(sk_X509_num(more) <= 0);     /* go-ios takes one certificate and one key */
		assert_int_equal(verdict(cert, X509_PURPOSE_SSL_CLIENT), 0);
		EVP_PKEY_free(key);
		X509_free(cert);
		sk_X509_pop_free(more, X509_free);
		PKCS12_free(p12);
		ERR_clear_error();
	}
}

static void a_key_from_the_pool_is_the_one_in_the_certificate(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_secret_clear) struct stg_secret pool = { 0 }, file = { 0 }, password = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	assert_true(stg_leaf_key_make(&pool, &err));
	struct stg_leaf_ask ask = { .common_name = "DX3F" };
	assert_true(stg_leaf_issue(keys, org, stg_buf_view(&org_sealed), &ask, &pool, &file, &password, &row, &err));
	BIO *b = BIO_new_mem_buf(stg_secret_reveal(&file).data, (int)stg_secret_reveal(&file).len);
	PKCS12 *p12 = d2i_PKCS12_bio(b, NULL);
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	assert_int_equal(PKCS12_parse(p12, (const char *)stg_secret_reveal(&password).data, &key, &cert, NULL), 1);
	assert_int_equal(EVP_PKEY_eq(key, X509_get0_pubkey(cert)), 1);
	X509 *registered = cert_of(stg_json_str(row, "pem"));
	assert_int_equal(X509_cmp(cert, registered), 0);
	X509_free(registered);
	PKCS12_free(p12);
	STG_AUTO(stg_json_free_at) json_t *second = NULL;
	assert_true(stg_leaf_issue(keys, org, stg_buf_view(&org_sealed), &ask, NULL, &file, &password, &second, &err));
	assert_string_not_equal(stg_json_str(row, "spki_sha256"), stg_json_str(second, "spki_sha256"));
	assert_null(strstr(stg_json_str(row, "pem"), "PRIVATE"));
	X509_free(cert);
	EVP_PKEY_free(key);
	BIO_free(b);
}

static void a_challenge_with_line_ends_and_zero_bytes_is_signed_byte_for_byte(void **state)
{
	(void)state;
	static const struct stg_bytes challenges[] = {
		{ (const uint8_t *)"\n\r\0\r\n\0\n\n", 8 }, { (const uint8_t *)"\r\n", 2 }, { (const uint8_t *)"a\n\rb\0c\n", 7 },
		{ (const uint8_t *)"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n", 64 } };
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(16384);
	struct stg_error err = { 0 };
	assert_true(stg_org_supervisor(org, &der, &err));
	const unsigned char *p = der.data;
	X509 *supervisor = d2i_X509(NULL, &p, (long)der.len);
	assert_non_null(supervisor);
	for (size_t i = 0; i < STG_ARRAY_LEN(challenges); i++) {
		STG_AUTO(stg_buf_clear) struct stg_buf cms = STG_BUF(16384);
		assert_true(stg_org_sign_challenge(keys, org, stg_buf_view(&org_sealed), challenges[i], &cms, &err));
		assert_int_equal(cms.data[0], 0x30);
		assert_int_not_equal(cms.data[1], 0x80); /* DER, not BER */
		const unsigned char *q = cms.data;
		CMS_ContentInfo *c = d2i_CMS_ContentInfo(NULL, &q, (long)cms.len);
		assert_non_null(c);
		BIO *out = BIO_new(BIO_s_mem());
		X509_STORE *store = X509_STORE_new();
		X509_STORE_add_cert(store, supervisor);
		assert_int_equal(CMS_verify(c, NULL, store, NULL, out, CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY), 1);
		char *got = NULL;
		long n = BIO_get_mem_data(out, &got);
		assert_true(stg_bytes_equal(stg_bytes(got, (size_t)n), challenges[i]));
		STACK_OF(X509) *certs = CMS_get1_certs(c);
		assert_int_equal(X509_cmp(sk_X509_value(certs, 0), supervisor), 0);
		sk_X509_pop_free(certs, X509_free);
		X509_STORE_free(store);
		BIO_free(out);
		CMS_ContentInfo_free(c);
	}
	X509_free(supervisor);
	uint8_t long_one[65] = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf none = STG_BUF(16384);
	assert_false(stg_org_sign_challenge(keys, org, stg_buf_view(&org_sealed), stg_bytes(long_one, 65), &none, &err));
	assert_false(stg_org_sign_challenge(keys, org, stg_buf_view(&org_sealed), stg_bytes(long_one, 0), &none, &err));
}

static void a_signed_profile_keeps_its_bytes_and_chains_to_the_root_without_shipping_it(void **state)
{
	(void)state;
	static const char text[] = "<?xml version=\"1.0\"?>\n<plist>\r\n\n</plist>\n";
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf cms = STG_BUF(65536);
	assert_true(stg_org_sign_profile(keys, org, stg_buf_view(&org_sealed), stg_bytes_str(text), &cms, &err));
	const unsigned char *q = cms.data;
	CMS_ContentInfo *c = d2i_CMS_ContentInfo(NULL, &q, (long)cms.len);
	X509 *root = cert_of(stg_json_str(org, "root_pem"));
	X509_STORE *store = X509_STORE_new();
	X509_STORE_add_cert(store, root);
	BIO *out = BIO_new(BIO_s_mem());
	assert_int_equal(CMS_verify(c, NULL, store, NULL, out, CMS_BINARY), 1);
	char *got = NULL;
	long n = BIO_get_mem_data(out, &got);
	assert_true(stg_bytes_equal(stg_bytes(got, (size_t)n), stg_bytes_str(text)));
	STACK_OF(X509) *certs = CMS_get1_certs(c);
	assert_int_equal(sk_X509_num(certs), 2);
	for (int i = 0; i < 2; i++)
		assert_int_not_equal(X509_cmp(sk_X509_value(certs, i), root), 0);
	sk_X509_pop_free(certs, X509_free);
	BIO_free(out);
	X509_STORE_free(store);
	X509_free(root);
	CMS_ContentInfo_free(c);
}

/* Signatures are used again for the same content: whatever the order, each is over the content that was asked for. */
static void among_repeated_profiles_each_gets_its_own_signature(void **state)
{
	(void)state;
	uint32_t seed = (uint32_t)(getenv("STG_SEED") ? strtoul(getenv("STG_SEED"), NULL, 10) : (unsigned long)time(NULL)), r = seed;
	print_message("seed %u\n", seed);
	for (int i = 0; i < 300; i++) {
		struct stg_error err = { 0 };
		STG_AUTO(stg_buf_clear) struct stg_buf cms = STG_BUF(65536), content = STG_BUF(4096);
		STG_AUTO(stg_json_free_at) json_t *signer = NULL;
		char text[64];
		r = r * 1664525u + 1013904223u;
		/* a few that return often, many that come once */
		snprintf(text, sizeof(text), "<plist>profile %u</plist>", r >> 31 ? (r >> 8) % 6 : (r >> 8) % 100000);
		assert_true(stg_org_sign_profile(keys, org, stg_buf_view(&org_sealed), stg_bytes_str(text), &cms, &err));
		assert_true(stg_cms_unwrap(stg_buf_view(&cms), &content, &signer, &err));
		assert_true(stg_bytes_equal(stg_buf_view(&content), stg_bytes_str(text)));
	}
}

static void one_organisations_keys_do_not_open_in_anothers_row(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *forged = json_deep_copy(org);
	STG_AUTO(stg_buf_clear) struct stg_buf cms = STG_BUF(16384);
	json_object_set_new(forged, "name", json_string("Autre"));
	assert_false(stg_org_sign_challenge(keys, forged, stg_buf_view(&org_sealed), stg_bytes_str("12345678"), &cms, &err));
	assert_int_equal(err.id, STG_ID_SEALED_DAMAGED);
}

static void wrong_details_name_the_detail(void **state)
{
	(void)state;
	static const struct { const char *json, *word; } cases[] = {
		{ "{}", "name" }, { "{\"name\":\"\"}", "name" }, { "{\"name\":\"a\\u0007b\"}", "name" },
		{ "{\"name\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}", "name" },
		{ "{\"name\":\"A\",\"country\":\"France\"}", "country" }, { "{\"name\":\"A\",\"domain\":\"-bad-.x\"}", "domain" },
		{ "{\"name\":\"A\",\"crl_url\":\"ftp://x\"}", "crl_url" } };
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		struct stg_error err = { 0 };
		STG_AUTO(stg_json_free_at) json_t *d = json_loads(cases[i].json, 0, NULL);
		STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(1 << 20);
		json_t *row = NULL;
		assert_false(stg_org_make(keys, d, &row, &sealed, &err));
		assert_int_equal(err.id, STG_ID_ORG_DETAILS);
		assert_non_null(strstr(err.msg, cases[i].word));
	}
}

static void a_host_identity_has_empty_names_sha256_and_belongs_together(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	char host_id[64];
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(1 << 16);
	struct stg_host_identity h = { 0 };
	assert_true(stg_hostid_make(keys, "30142955-444094379208051516", host_id, &sealed, &err));
	assert_true(stg_hostid_open(keys, stg_buf_view(&sealed), &h, &err));
	assert_string_equal(h.host_id, host_id);
	assert_string_equal(h.system_buid, "30142955-444094379208051516");
	X509 *root = cert_of(stg_buf_str(&h.root_certificate)), *host = cert_of(stg_buf_str(&h.host_certificate));
	X509 *both[2] = { root, host };
	for (int i = 0; i < 2; i++) {
		assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(both[i])), 0);
		assert_int_equal(X509_NAME_entry_count(X509_get_issuer_name(both[i])), 0);
		assert_int_equal(X509_get_signature_nid(both[i]), NID_sha256WithRSAEncryption);
		assert_int_equal(X509_verify(both[i], X509_get0_pubkey(root)), 1);
		assert_true(X509_cmp_current_time(X509_get0_notBefore(both[i])) < 0);
	}
	assert_int_equal(X509_check_ca(root), 1);
	assert_int_equal(X509_check_ca(host), 0);
	BIO *b = BIO_new_mem_buf(stg_secret_reveal(&h.host_key).data, (int)stg_secret_reveal(&h.host_key).len);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
	assert_int_equal(EVP_PKEY_eq(key, X509_get0_pubkey(host)), 1);
	EVP_PKEY_free(key);
	BIO_free(b);
	X509_free(root);
	X509_free(host);
	stg_host_identity_clear(&h);
}

static void *sign_many(void *arg)
{
	json_t *const *rows = arg;
	for (int i = 0; i < 24; i++) {
		struct stg_error err = { 0 };
		STG_AUTO(stg_buf_clear) struct stg_buf cms = STG_BUF(65536);
		if (!stg_org_sign_challenge(keys, rows[i % 6], stg_buf_view(&org_sealed), stg_bytes_str("12345678"), &cms, &err))
			return "failed";
	}
	return NULL;
}

/* Six rows in a cache of four: opened, shared and put out while others still sign with them. */
static void threads_sign_at_the_same_time(void **state)
{
	(void)state;
	json_t *rows[6];
	pthread_t threads[4];
	for (size_t i = 0; i < STG_ARRAY_LEN(rows); i++) {
		char pem[8192] = "";
		rows[i] = json_deep_copy(org);
		snprintf(pem, sizeof(pem), "%s%.*s", stg_json_str(org, "root_pem"), (int)i, "\n\n\n\n\n\n");
		json_object_set_new(rows[i], "root_pem", json_string(pem));
	}
	for (size_t i = 0; i < STG_ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sign_many, rows), 0);
	for (size_t i = 0; i < STG_ARRAY_LEN(threads); i++) {
		void *why = NULL;
		pthread_join(threads[i], &why);
		assert_null(why);
	}
	for (size_t i = 0; i < STG_ARRAY_LEN(rows); i++)
		json_decref(rows[i]);
}

static void no_private_key_stands_in_a_row(void **state)
{
	(void)state;
	char *text = stg_json_text(org);
	assert_null(strstr(text, "PRIVATE KEY"));
	free(text);
	assert_null(memmem(org_sealed.data, org_sealed.len, "PRIVATE KEY", 11));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_outside_the_ca_are_refused_before_anything_is_issued),
		cmocka_unit_test(names_inside_the_ca_verify_as_a_client_and_as_nothing_else),
		cmocka_unit_test(the_constraints_hold_even_for_somebody_who_has_the_issuing_key),
		cmocka_unit_test(a_leaf_is_dated_from_yesterday_and_never_outlives_its_issuer),
		cmocka_unit_test(serial_numbers_are_random_and_never_the_same),
		cmocka_unit_test(the_identity_file_opens_without_old_algorithms_and_only_with_its_password),
		cmocka_unit_test(a_key_from_the_pool_is_the_one_in_the_certificate),
		cmocka_unit_test(a_challenge_with_line_ends_and_zero_bytes_is_signed_byte_for_byte),
		cmocka_unit_test(a_signed_profile_keeps_its_bytes_and_chains_to_the_root_without_shipping_it),
		cmocka_unit_test(one_organisations_keys_do_not_open_in_anothers_row),
		cmocka_unit_test(wrong_details_name_the_detail),
		cmocka_unit_test(a_host_identity_has_empty_names_sha256_and_belongs_together),
		cmocka_unit_test(threads_sign_at_the_same_time),
		cmocka_unit_test(among_repeated_profiles_each_gets_its_own_signature),
		cmocka_unit_test(no_private_key_stands_in_a_row),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
