/*
 * test_android.c - what Android wants: packages read within bounds, a Wi-Fi it would refuse refused here, CAs in its forms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stager/android.h>
#include <stager/error.h>

static char ca_pem[8192], leaf_pem[8192];
static struct stg_buf signer_der = { .max = 8192 };

static void make(const char *cn, bool ca, char pem[8192], struct stg_buf *der)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *c = X509_new();
	X509_set_version(c, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c), 7);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(c, X509_get_subject_name(c));
	X509_gmtime_adj(X509_getm_notBefore(c), -60);
	X509_gmtime_adj(X509_getm_notAfter(c), 86400);
	X509_set_pubkey(c, key);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	X509_add_ext(c, e, -1);
	X509_EXTENSION_free(e);
	assert_true(X509_sign(c, key, EVP_sha256()) > 0);
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	PEM_write_bio_X509(b, c);
	long n = BIO_get_mem_data(b, &text);
	memcpy(pem, text, (size_t)n);
	pem[n] = 0;
	BIO_free(b);
	if (der) {
		uint8_t *raw = NULL;
		int len = i2d_X509(c, &raw);
		assert_true(stg_buf_add(der, raw, (size_t)len, NULL));
		OPENSSL_free(raw);
	}
	X509_free(c);
	EVP_PKEY_free(key);
}

static void put(struct stg_buf *b, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t one = (uint8_t)(v >> (8 * i));
		assert_true(stg_buf_add(b, &one, 1, NULL));
	}
}

static void wrap(struct stg_buf *b, struct stg_bytes inner)
{
	put(b, inner.len, 4);
	assert_true(stg_buf_add(b, inner.data, inner.len, NULL));
}

/* Content, signing block with one v2 signer, empty directory, end record. */
static void package(struct stg_buf *out, struct stg_bytes cert)
{
	STG_AUTO(stg_buf_clear) struct stg_buf certs = STG_BUF(65536), data = STG_BUF(65536), signer = STG_BUF(65536), signers = STG_BUF(65536), value = STG_BUF(65536),
						pairs = STG_BUF(65536);
	wrap(&certs, cert);
	wrap(&data, stg_bytes("", 0));
	wrap(&data, stg_buf_view(&certs));
	wrap(&signer, stg_buf_view(&data));
	wrap(&signers, stg_buf_view(&signer));
	wrap(&value, stg_buf_view(&signers));
	put(&pairs, value.len + 4, 8);
	put(&pairs, 0x7109871a, 4);
	assert_true(stg_buf_add(&pairs, value.data, value.len, NULL));
	assert_true(stg_buf_add_str(out, "PK\3\4 what an app is made of", NULL));
	put(out, pairs.len + 24, 8);
	assert_true(stg_buf_add(out, pairs.data, pairs.len, NULL));
	put(out, pairs.len + 24, 8);
	assert_true(stg_buf_add_str(out, "APK Sig Block 42", NULL));
	uint64_t directory = out->len;
	put(out, 0x06054b50, 4);
	put(out, 0, 8);
	put(out, 0, 4);
	put(out, directory, 4);
	put(out, 0, 2);
}

static json_t *read_package(struct stg_bytes b, struct stg_error *err)
{
	int fd = memfd_create("apk", 0);
	assert_true(fd >= 0 && write(fd, b.data, b.len) == (ssize_t)b.len);
	json_t *j = stg_android_apk(fd, err);
	close(fd);
	return j;
}

static void a_damaged_package_is_refused_wherever_it_is_cut_or_changed(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf whole = STG_BUF(1 << 20);
	struct stg_error err = { 0 };
	package(&whole, stg_buf_view(&signer_der));
	for (size_t n = 0; n < whole.len; n += 3) {
		assert_null(read_package(stg_bytes(whole.data, n), &err));
		assert_int_equal(err.id, STG_ID_APK);
	}
	/* every byte of the block's lengths turned around: refused or read, never beyond the file */
	for (size_t i = 20; i < whole.len; i++) {
		STG_AUTO(stg_buf_clear) struct stg_buf other = STG_BUF(1 << 20);
		assert_true(stg_buf_add(&other, whole.data, whole.len, NULL));
		other.data[i] ^= 0xff;
		json_t *j = read_package(stg_buf_view(&other), &err);
		json_decref(j);
	}
	static const char zip[] = "PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
	assert_null(read_package(stg_bytes(zip, 22), &err));
	assert_non_null(strstr(err.msg, "not signed"));
}

static void a_packages_checksums_are_those_of_its_file_and_its_signer(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf whole = STG_BUF(1 << 20), text = STG_BUF(128);
	uint8_t sum[32];
	struct stg_error err = { 0 };
	package(&whole, stg_buf_view(&signer_der));
	STG_AUTO(stg_json_free_at) json_t *j = read_package(stg_buf_view(&whole), &err);
	if (!j)
		fail_msg("%s", err.msg);
	static const char *const keys[] = { "signature_checksum", "package_checksum" };
	struct stg_bytes of[] = { stg_buf_view(&signer_der), stg_buf_view(&whole) };
	for (int i = 0; i < 2; i++) {
		stg_sha256(of[i], sum);
		stg_buf_clear(&text);
		text = STG_BUF(128);
		assert_true(stg_base64(stg_bytes(sum, 32), &text, &err));
		for (char *p = (char *)text.data; *p; p++)
			*p = *p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? 0 : *p;
		assert_string_equal(stg_json_str(j, keys[i]), (char *)text.data);
		assert_int_equal(strlen(stg_json_str(j, keys[i])), 43);
	}
	assert_string_equal(stg_json_str(json_object_get(j, "signer"), "cn"), "App Signer");
	assert_false(stg_json_bool(j, "rotated", true));
}

static void refused(struct stg_android_wifi_ask ask, const char *word)
{
	struct stg_error err = { 0 };
	assert_null(stg_android_wifi(&ask, &err));
	if (!strstr(err.msg, word))
		fail_msg("'%s' does not say '%s'", err.msg, word);
}

static void a_wifi_that_android_would_refuse_or_that_lets_everybody_in_is_refused(void **state)
{
	(void)state;
	STG_AUTO(stg_json_free_at) json_t *ca = json_pack("[s]", ca_pem), *leaf = json_pack("[s]", leaf_pem), *none = json_array();
	STG_AUTO(stg_json_free_at) json_t *good = json_pack("[s]", "radius.example.org"), *bare = json_pack("[s]", "org"), *odd = json_pack("[s]", "radius;evil.org");
	struct stg_android_wifi_ask ask = { .ssid = "HOPITAL", .identity = "DX3F", .key_alias = "ward", .domains = good, .authorities = ca };
	struct stg_android_wifi_ask a = ask;
	a.domains = none, refused(a, "domains");
	a.domains = bare, refused(a, "host name");
	a.domains = odd, refused(a, "host name");
	a = ask, a.authorities = none, refused(a, "authorities");
	a = ask, a.authorities = leaf, refused(a, "no CA");
	a = ask, a.ssid = "a name that is longer than thirty-two bytes", refused(a, "ssid");
	a = ask, a.key_alias = "", refused(a, "key_alias");
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *j = stg_android_wifi(&ask, &err);
	assert_non_null(j);
	assert_string_equal(stg_json_str(j, "domainSuffixMatch"), "radius.example.org");
	assert_string_equal(stg_json_str(j, "eapMethod"), "TLS");
	assert_null(json_object_get(j, "subjectMatch"));
	assert_int_equal(json_array_size(json_object_get(j, "caCertificates")), 1);
}

static void a_ca_has_the_name_a_system_image_looks_for(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(65536), pem = STG_BUF(65536), no = STG_BUF(65536);
	char name[16], again[16];
	struct stg_error err = { 0 };
	assert_false(stg_android_ca(stg_bytes_str(leaf_pem), false, &no, name, &err));
	assert_false(stg_android_ca(stg_bytes_str("nothing"), false, &no, name, &err));
	assert_true(stg_android_ca(stg_bytes_str(ca_pem), false, &der, name, &err));
	assert_int_equal(der.data[0], 0x30);
	assert_int_equal(strlen(name), 10);
	assert_true(stg_android_ca(stg_buf_view(&der), true, &pem, again, &err));
	assert_string_equal(name, again);
	assert_string_equal(stg_buf_str(&pem), ca_pem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_damaged_package_is_refused_wherever_it_is_cut_or_changed),
		cmocka_unit_test(a_packages_checksums_are_those_of_its_file_and_its_signer),
		cmocka_unit_test(a_wifi_that_android_would_refuse_or_that_lets_everybody_in_is_refused),
		cmocka_unit_test(a_ca_has_the_name_a_system_image_looks_for),
	};
	char unused[8192];
	make("A Root", true, ca_pem, NULL);
	make("A Leaf", false, leaf_pem, NULL);
	make("App Signer", false, unused, &signer_der);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	stg_buf_clear(&signer_der);
	return failed;
}
