/* test_message.c - SCEP messages: what is refused, what old and odd clients send, and that ours open again. */
#include <openssl/objects.h>

#include "desk.h"

static EVP_PKEY *device_key, *station_key, *other_key;
static X509 *device, *station, *other;

static int start(void **state)
{
	(void)state;
	device_key = EVP_RSA_gen(2048);
	station_key = EVP_RSA_gen(2048);
	other_key = EVP_RSA_gen(2048);
	device = desk_cert(device_key, "DX3F00000001", 7);
	station = desk_cert(station_key, "RA", 8);
	other = desk_cert(other_key, "RA", 9);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	EVP_PKEY *keys[] = { device_key, station_key, other_key };
	X509 *certs[] = { device, station, other };
	for (size_t i = 0; i < 3; i++) {
		EVP_PKEY_free(keys[i]);
		X509_free(certs[i]);
	}
	return 0;
}

static void ask(struct stg_buf *ret, int digest, int cipher, struct stg_bytes content, X509 *to)
{
	struct stg_error err = { 0 };
	const struct stg_scep_making m = { .type = STG_SCEP_PKCSREQ, .transaction_id = "5A3C", .content = content, .to = to, .digest = digest,
					   .cipher = cipher, .old = STG_SCEP_DES, .signer = device, .signer_key = device_key };
	if (!stg_scep_make(&m, ret, NULL, &err))
		fail_msg("%s", err.msg);
}

static void a_request(struct stg_buf *ret, int digest, int cipher)
{
	STG_AUTO(stg_buf_clear) struct stg_buf csr = STG_BUF(8192);
	const struct desk_ask a = { .cn = "DX3F00000001", .challenge = "secret-1" };
	desk_csr(device_key, &a, &csr);
	ask(ret, digest, cipher, stg_buf_view(&csr), station);
}

static void no_message(struct stg_bytes bytes)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_scep_msg_free_at) struct stg_scep_msg *m = stg_scep_open(bytes, STG_SCEP_MODERN, NULL, &err);
	assert_null(m);
	assert_int_equal(err.id, STG_ID_SCEP_MESSAGE);
}

static void what_is_no_message_is_refused_whole(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(STG_SCEP_MESSAGE_MAX * 2);
	no_message(stg_bytes("", 0));
	no_message(stg_bytes_str("GET / HTTP/1.1"));
	a_request(&der, 0, 0);
	/* cut anywhere */
	for (size_t n = 0; n < der.len; n += 37)
		no_message(stg_bytes(der.data, n));
	/* something after the end */
	assert_true(stg_buf_add(&der, "\0", 1, NULL));
	no_message(stg_buf_view(&der));
	/* larger than any */
	static const uint8_t zeros[4096];
	while (der.len <= STG_SCEP_MESSAGE_MAX)
		assert_true(stg_buf_add(&der, zeros, sizeof(zeros), NULL));
	no_message(stg_buf_view(&der));
	/* a tower of sequences */
	uint8_t tower[200];
	for (size_t i = 0; i < sizeof(tower); i += 2)
		tower[i] = 0x30, tower[i + 1] = 0x80;
	no_message(stg_bytes(tower, sizeof(tower)));
}

static void a_changed_message_is_a_wrong_signature_that_can_be_told(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(STG_SCEP_MESSAGE_MAX);
	a_request(&der, 0, 0);
	/* the last octets are the signature's */
	der.data[der.len - 3] ^= 1;
	struct stg_error err = { 0 };
	STG_AUTO(stg_scep_msg_free_at) struct stg_scep_msg *m = stg_scep_open(stg_buf_view(&der), STG_SCEP_MODERN, NULL, &err);
	assert_non_null(m);
	assert_int_equal(m->refused.id, STG_ID_SCEP_SIGNATURE);
	assert_int_equal(m->refused.origin, STG_SCEP_BAD_CHECK);
	assert_string_equal(m->transaction_id, "5A3C");
}

/* A message like ours with the attributes as the test wants them. */
static void odd(struct stg_buf *ret, const char *type, int values, const char *transaction, int nonce_octets, int nonce_times)
{
	static const char *const oids[] = { "2.16.840.1.113733.1.9.2", "2.16.840.1.113733.1.9.7", "2.16.840.1.113733.1.9.5" };
	ASN1_OBJECT *o[3];
	const unsigned char nonce[80] = { 1, 2, 3 };
	const unsigned int how = CMS_BINARY | CMS_PARTIAL;
	for (int i = 0; i < 3; i++)
		o[i] = OBJ_txt2obj(oids[i], 1);
	BIO *in = BIO_new_mem_buf("x", 1);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, how);
	CMS_SignerInfo *si = CMS_add1_signer(cms, device, device_key, EVP_sha256(), how);
	if (type) {
		CMS_signed_add1_attr_by_OBJ(si, o[0], V_ASN1_PRINTABLESTRING, type, (int)strlen(type));
		if (values == 2) {
			X509_ATTRIBUTE *a = CMS_signed_get_attr(si, CMS_signed_get_attr_by_OBJ(si, o[0], -1));
			X509_ATTRIBUTE_set1_data(a, V_ASN1_PRINTABLESTRING, "17", 2);
		}
	}
	if (transaction)
		CMS_signed_add1_attr_by_OBJ(si, o[1], V_ASN1_PRINTABLESTRING, transaction, (int)strlen(transaction));
	for (int i = 0; i < nonce_times; i++)
		CMS_signed_add1_attr_by_OBJ(si, o[2], V_ASN1_OCTET_STRING, nonce, nonce_octets);
	assert_int_equal(CMS_final(cms, in, NULL, how), 1);
	unsigned char *der = NULL;
	int n = i2d_CMS_ContentInfo(cms, &der);
	assert_true(stg_buf_add(ret, der, (size_t)n, NULL));
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	for (int i = 0; i < 3; i++)
		ASN1_OBJECT_free(o[i]);
}

static void odd_is_refused(const char *type, int values, const char *transaction, int nonce_octets, int nonce_times)
{
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(STG_SCEP_MESSAGE_MAX);
	odd(&der, type, values, transaction, nonce_octets, nonce_times);
	no_message(stg_buf_view(&der));
}

static void each_attribute_is_there_once_with_one_value(void **state)
{
	char longer[140];
	(void)state;
	memset(longer, 'A', sizeof(longer));
	longer[129] = 0;
	odd_is_refused(NULL, 1, "5A3C", 16, 1);
	odd_is_refused("nineteen", 1, "5A3C", 16, 1);
	odd_is_refused("19", 2, "5A3C", 16, 1);
	odd_is_refused("19", 1, NULL, 16, 1);
	odd_is_refused("19", 1, "", 16, 1);
	odd_is_refused("19", 1, "a\nb", 16, 1);
	odd_is_refused("19", 1, longer, 16, 1);
	odd_is_refused("19", 1, "5A3C", 65, 1);
}

static void a_nonce_may_be_short_or_absent_and_the_type_is_the_callers_matter(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(STG_SCEP_MESSAGE_MAX);
	struct stg_error err = { 0 };
	odd(&der, "99", 1, "5A3C", 8, 1);
	STG_AUTO(stg_scep_msg_free_at) struct stg_scep_msg *m = stg_scep_open(stg_buf_view(&der), STG_SCEP_MODERN, NULL, &err);
	assert_non_null(m);
	assert_int_equal(m->type, 99);
	assert_int_equal(m->sender.len, 8);
	/* "x" is no envelope */
	assert_int_equal(m->refused.id, STG_ID_SCEP_REQUEST);
	stg_buf_reset(&der);
	odd(&der, "19", 1, "5A3C", 0, 0);
	STG_AUTO(stg_scep_msg_free_at) struct stg_scep_msg *none = stg_scep_open(stg_buf_view(&der), STG_SCEP_MODERN, NULL, &err);
	assert_non_null(none);
	assert_int_equal(none->sender.len, 0);
}

static void old_words_are_refused_unless_they_are_switched_on(void **state)
{
	(void)state;
	static const struct { int digest, cipher; enum stg_scep_old least; } talks[] = {
		{ NID_sha256, NID_aes_128_cbc, STG_SCEP_MODERN }, { NID_sha512, NID_aes_256_cbc, STG_SCEP_MODERN },
		{ NID_sha1, NID_aes_128_cbc, STG_SCEP_SHA1 },     { NID_sha256, NID_des_ede3_cbc, STG_SCEP_SHA1 },
		{ NID_sha256, NID_des_cbc, STG_SCEP_DES },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(talks); i++) {
		STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(STG_SCEP_MESSAGE_MAX);
		a_request(&der, talks[i].digest, talks[i].cipher);
		for (enum stg_scep_old old = STG_SCEP_MODERN; old <= STG_SCEP_DES; old++) {
			STG_AUTO(stg_buf_clear) struct stg_buf plain = STG_BUF(STG_SCEP_MESSAGE_MAX);
			struct stg_error err = { 0 };
			STG_AUTO(stg_scep_msg_free_at) struct stg_scep_msg *m = stg_scep_open(stg_buf_view(&der), old, NULL, &err);
			assert_non_null(m);
			assert_int_equal(m->digest, talks[i].digest);
			if (!m->refused.code) {
				assert_int_equal(m->cipher, talks[i].cipher);
				(void)stg_scep_decrypt(m, station, station_key, old, &plain, &m->refused);
			}
			if (old >= talks[i].least) {
				if (m->refused.code)
					fail_msg("%s", m->refused.msg);
				assert_true(plain.len > 0);
			} else {
				assert_int_equal(m->refused.id, STG_ID_SCEP_OLD_CLIENT);
				assert_int_equal(m->refused.origin, STG_SCEP_BAD_ALG);
			}
		}
	}
}

static void an_envelope_for_another_does_not_open(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(STG_SCEP_MESSAGE_MAX), plain = STG_BUF(STG_SCEP_MESSAGE_MAX);
	struct stg_error err = { 0 };
	ask(&der, 0, 0, stg_bytes_str("content"), other);
	STG_AUTO(stg_scep_msg_free_at) struct stg_scep_msg *m = stg_scep_open(stg_buf_view(&der), STG_SCEP_MODERN, NULL, &err);
	assert_non_null(m);
	assert_false(stg_scep_decrypt(m, station, station_key, STG_SCEP_MODERN, &plain, &err));
	assert_int_equal(err.id, STG_ID_SCEP_RECIPIENT);
	assert_int_equal(err.origin, STG_SCEP_BAD_CHECK);
	/* ours by its number, encrypted to another key: told like any damage */
	X509 *posing = desk_cert(other_key, "RA", 8);
	stg_buf_reset(&der);
	ask(&der, 0, 0, stg_bytes_str("content"), posing);
	X509_free(posing);
	STG_AUTO(stg_scep_msg_free_at) struct stg_scep_msg *again = stg_scep_open(stg_buf_view(&der), STG_SCEP_MODERN, NULL, &err);
	assert_non_null(again);
	if (!stg_scep_decrypt(again, station, station_key, STG_SCEP_MODERN, &plain, &err)) {
		assert_int_equal(err.id, STG_ID_SCEP_REQUEST);
		assert_int_equal(err.origin, STG_SCEP_BAD_CHECK);
	} else {
		assert_null(stg_scep_csr_read(stg_buf_view(&plain), NULL, &err));
		assert_int_equal(err.origin, STG_SCEP_BAD_CHECK);
	}
}

static void csr_refused(EVP_PKEY *key, const struct desk_ask *a, int fail)
{
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(32768);
	STG_AUTO(stg_secret_clear) struct stg_secret challenge = { 0 };
	struct stg_error err = { 0 };
	desk_csr(key, a, &der);
	assert_null(stg_scep_csr_read(stg_buf_view(&der), &challenge, &err));
	assert_int_equal(err.id, STG_ID_SCEP_REQUEST);
	assert_int_equal(err.origin, fail);
}

static void bad_requests_are_refused(void **state)
{
	char longer[1200];
	(void)state;
	EVP_PKEY *weak = EVP_RSA_gen(1024), *ec = EVP_EC_gen("P-256");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	csr_refused(weak, &(struct desk_ask){ .cn = "A" }, STG_SCEP_BAD_REQUEST);
	csr_refused(ec, &(struct desk_ask){ .cn = "A" }, STG_SCEP_BAD_ALG);
	csr_refused(device_key, &(struct desk_ask){ .cn = "A", .not_signed = true }, STG_SCEP_BAD_REQUEST);
	csr_refused(device_key, &(struct desk_ask){ .cn = "A", .challenge = longer }, STG_SCEP_BAD_REQUEST);
	csr_refused(device_key, &(struct desk_ask){ .cn = "A", .challenge = "x", .challenge_twice = true }, STG_SCEP_BAD_REQUEST);
	EVP_PKEY_free(weak);
	EVP_PKEY_free(ec);
}

static void a_request_is_read_as_it_was_asked(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(32768);
	STG_AUTO(stg_secret_clear) struct stg_secret challenge = { 0 };
	struct stg_error err = { 0 };
	const struct desk_ask a = { .cn = "Jos\xc3\xa9", .serial_number = "DX3F", .challenge = "p\xc3\xa4ss", .san = "DNS:a.example,URI:urn:x:1",
				    .constraints = "CA:TRUE", .version_2 = true };
	desk_csr(device_key, &a, &der);
	STG_AUTO(stg_json_free_at) json_t *c = stg_scep_csr_read(stg_buf_view(&der), &challenge, &err);
	if (!c)
		fail_msg("%s", err.msg);
	assert_string_equal(stg_json_str(c, "cn"), "Jos\xc3\xa9");
	assert_string_equal(stg_json_str(c, "serial_number"), "DX3F");
	assert_true(stg_bytes_equal(stg_secret_reveal(&challenge), stg_bytes_str("p\xc3\xa4ss")));
	assert_true(stg_json_bool(c, "wants_ca", false));
	assert_string_equal(stg_json_str(c, "key"), "rsa-2048");
	assert_true(stg_scep_key_is(device, stg_json_str(c, "spki_sha256")));
	assert_false(stg_scep_key_is(other, stg_json_str(c, "spki_sha256")));
}

static void an_answer_carries_the_certificate_to_its_key_only(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf certs = STG_BUF(16384), der = STG_BUF(STG_SCEP_MESSAGE_MAX), plain = STG_BUF(16384);
	struct stg_error err = { 0 };
	X509 *one = device;
	assert_true(stg_scep_certs_pack(&one, 1, &certs, &err));
	struct stg_scep_making making = { .type = STG_SCEP_CERTREP, .transaction_id = "77", .status = STG_SCEP_SUCCESS, .content = stg_buf_view(&certs),
					  .to = device, .signer = station, .signer_key = station_key,
					  .recipient = { .data = { 1, 2, 3, 4, 5, 6, 7, 8 }, .len = 8 } };
	assert_true(stg_scep_make(&making, &der, NULL, &err));
	STG_AUTO(stg_scep_msg_free_at) struct stg_scep_msg *m = stg_scep_open(stg_buf_view(&der), STG_SCEP_MODERN, NULL, &err);
	assert_non_null(m);
	assert_int_equal(m->type, STG_SCEP_CERTREP);
	assert_int_equal(m->status, STG_SCEP_SUCCESS);
	assert_int_equal(m->recipient.len, 8);
	assert_false(stg_scep_decrypt(m, station, station_key, STG_SCEP_MODERN, &plain, &err));
	assert_true(stg_scep_decrypt(m, device, device_key, STG_SCEP_MODERN, &plain, &err));
	STG_AUTO(stg_scep_certs_free_at) STACK_OF(X509) *got = stg_scep_certs_unpack(stg_buf_view(&plain), &err);
	assert_int_equal(sk_X509_num(got), 1);
	assert_int_equal(X509_cmp(sk_X509_value(got, 0), device), 0);
}

static void a_refusal_has_no_content_and_says_why(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(STG_SCEP_MESSAGE_MAX);
	struct stg_error err = { 0 };
	const struct stg_scep_making making = { .type = STG_SCEP_CERTREP, .transaction_id = "77", .status = STG_SCEP_FAILURE, .fail = STG_SCEP_BAD_TIME,
						.fail_text = "too late", .signer = station, .signer_key = station_key };
	assert_true(stg_scep_make(&making, &der, NULL, &err));
	STG_AUTO(stg_scep_msg_free_at) struct stg_scep_msg *m = stg_scep_open(stg_buf_view(&der), STG_SCEP_MODERN, NULL, &err);
	assert_non_null(m);
	assert_int_equal(m->refused.code, STG_OK);
	assert_int_equal(m->status, STG_SCEP_FAILURE);
	assert_int_equal(m->fail, STG_SCEP_BAD_TIME);
	assert_string_equal(m->fail_text, "too late");
	assert_int_equal(m->envelope.len, 0);
	const unsigned char *p = der.data;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)der.len);
	assert_null(*CMS_get0_content(cms));
	CMS_ContentInfo_free(cms);
}

static void get_is(const char *query, const char *expected)
{
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(16384);
	struct stg_error err = { 0 };
	if (!expected) {
		assert_false(stg_scep_get_message(query, &b, &err));
		assert_int_equal(err.id, STG_ID_SCEP_MESSAGE);
		return;
	}
	if (!stg_scep_get_message(query, &b, &err))
		fail_msg("%s: %s", query, err.msg);
	assert_true(stg_bytes_equal(stg_buf_view(&b), stg_bytes_str(expected)));
}

static void a_get_is_read_as_clients_write_it(void **state)
{
	char longer[17000];
	(void)state;
	/* ">>>???" is Pj4+Pz8/ in base64 */
	get_is("operation=PKIOperation&message=Pj4+Pz8/", ">>>\?\?\?");
	get_is("operation=PKIOperation&message=Pj4%2BPz8%2F", ">>>\?\?\?");
	get_is("message=Pj4-Pz8_&operation=PKIOperation", ">>>\?\?\?");
	get_is("operation=PKIOperation&message=Pj4%2b%0APz8/%0d%0a", ">>>\?\?\?");
	get_is("operation=PKIOperation&message=YWI%3D", "ab");
	get_is("operation=PKIOperation&message=YWI", "ab");
	get_is("operation=PKIOperation&message=YW%0", NULL);
	get_is("operation=PKIOperation&message=%", NULL);
	get_is("operation=PKIOperation&message=YW%00I", NULL);
	get_is("operation=PKIOperation&message=a b", NULL);
	get_is("operation=PKIOperation", NULL);
	get_is("xmessage=YWI", NULL);
	memset(longer, 'A', sizeof(longer));
	memcpy(longer, "message=", 8);
	longer[sizeof(longer) - 1] = 0;
	get_is(longer, NULL);
}

static void capabilities_are_words_on_lines_of_any_kind(void **state)
{
	struct stg_scep_caps c;
	(void)state;
	stg_scep_caps_read(stg_bytes_str("Renewal\r\nsha-512\r\nSHA-256\nDES3\nFuture"), &c);
	assert_true(c.renewal && c.sha512 && c.sha256 && c.des3);
	assert_false(c.post || c.aes || c.sha1);
	stg_scep_caps_read(stg_bytes_str("SCEPStandard"), &c);
	assert_true(c.post && c.aes && c.sha256);
	stg_scep_caps_read(stg_bytes_str("<html>AESx</html>"), &c);
	assert_false(c.aes);
	stg_scep_caps_read(stg_bytes_str(stg_scep_caps_text(STG_SCEP_MODERN)), &c);
	assert_true(c.aes && c.post && c.renewal && c.sha256 && !c.sha1 && !c.des3);
	stg_scep_caps_read(stg_bytes_str(stg_scep_caps_text(STG_SCEP_SHA1)), &c);
	assert_true(c.sha1 && c.des3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_message_is_refused_whole),
		cmocka_unit_test(a_changed_message_is_a_wrong_signature_that_can_be_told),
		cmocka_unit_test(each_attribute_is_there_once_with_one_value),
		cmocka_unit_test(a_nonce_may_be_short_or_absent_and_the_type_is_the_callers_matter),
		cmocka_unit_test(old_words_are_refused_unless_they_are_switched_on),
		cmocka_unit_test(an_envelope_for_another_does_not_open),
		cmocka_unit_test(bad_requests_are_refused),
		cmocka_unit_test(a_request_is_read_as_it_was_asked),
		cmocka_unit_test(an_answer_carries_the_certificate_to_its_key_only),
		cmocka_unit_test(a_refusal_has_no_content_and_says_why),
		cmocka_unit_test(a_get_is_read_as_clients_write_it),
		cmocka_unit_test(capabilities_are_words_on_lines_of_any_kind),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
