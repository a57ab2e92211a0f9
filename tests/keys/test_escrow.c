/*
 * test_escrow.c - a token kept for later opens with the key out of the safe, for the device it was taken from, and with nothing
 * else; what was opened is lent to one device, once, for its time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/identity.h>
#include <stager/keys.h>

#define TOKEN "MARKED-TOKEN-51c0"
#define PASSPHRASE "a long passphrase of the safe"

/* Made once: an RSA key of 3072 bits takes its time. */
static struct stg_buf key_file, pem, other_file, other_pem;
static char key_sha256[65];

static const struct stg_identity phone = { .family = "apple", .unit = "8709415847324966", .serial = "F2LXK0AAAA01" };
static const struct stg_identity tablet = { .family = "apple", .unit = "1234567890123456", .serial = "F2LXK0AAAA02" };

static void secret(struct stg_secret *ret, const char *text)
{
	struct stg_error err = { 0 };
	if (!stg_secret_set(ret, stg_bytes_str(text), &err))
		fail_msg("%s", err.msg);
}

static int make_keys(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	char sha256[65];
	STG_AUTO(stg_secret_clear) struct stg_secret pass = { 0 };
	key_file = pem = other_file = other_pem = STG_BUF(64 << 10);
	secret(&pass, PASSPHRASE);
	return stg_recovery_make("North Hospital", &pass, &key_file, &pem, key_sha256, &err) &&
	       stg_recovery_make("Somebody Else", &pass, &other_file, &other_pem, sha256, &err) ? 0 : -1;
}

static int drop_keys(void **state)
{
	(void)state;
	stg_buf_clear(&key_file);
	stg_buf_clear(&pem);
	stg_buf_clear(&other_file);
	stg_buf_clear(&other_pem);
	return 0;
}

static void seal(const char *to_pem, struct stg_buf *ret)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_secret_clear) struct stg_secret token = { 0 };
	secret(&token, TOKEN);
	*ret = STG_BUF(128 << 10);
	if (!stg_escrow_seal(to_pem, &phone, &token, ret, &err))
		fail_msg("%s", err.msg);
}

/* STG_OK, or the id of the refusal; with a token only when it opened. */
static unsigned int try_open(const struct stg_buf *file, const char *passphrase, const struct stg_identity *who, struct stg_bytes sealed)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_secret_clear) struct stg_secret pass = { 0 }, token = { 0 };
	secret(&pass, passphrase);
	bool ok = stg_escrow_open(stg_buf_view(file), &pass, who, sealed, &token, &err);
	if (ok && !stg_bytes_equal(stg_secret_reveal(&token), stg_bytes_str(TOKEN)))
		fail_msg("another token came out");
	if (!ok && (stg_secret_reveal(&token).len || !err.id || strstr(err.msg, TOKEN) || strstr(err.msg, passphrase)))
		fail_msg("refused with %zu bytes: %s", stg_secret_reveal(&token).len, err.msg);
	return ok ? 0 : err.id;
}

static void a_token_opens_with_its_key_and_passphrase_for_its_device_only(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = { 0 };
	seal(stg_buf_str(&pem), &sealed);
	assert_null(memmem(sealed.data, sealed.len, TOKEN, strlen(TOKEN)));
	assert_int_equal(try_open(&key_file, PASSPHRASE, &tablet, stg_buf_view(&sealed)), STG_ID_SEALED_DAMAGED);
	assert_int_equal(try_open(&other_file, PASSPHRASE, &phone, stg_buf_view(&sealed)), STG_ID_RECOVERY_KEY_WRONG);
	assert_int_equal(try_open(&key_file, "not the one of the safe", &phone, stg_buf_view(&sealed)), STG_ID_RECOVERY_KEY_WRONG);
	assert_int_equal(try_open(&pem, PASSPHRASE, &phone, stg_buf_view(&sealed)), STG_ID_RECOVERY_KEY_WRONG);
	assert_int_equal(try_open(&key_file, PASSPHRASE, &phone, stg_buf_view(&sealed)), 0);
}

static void a_token_that_was_changed_or_cut_does_not_open(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = { 0 };
	seal(stg_buf_str(&pem), &sealed);
	for (size_t at = 0; at < sealed.len; at += 1 + sealed.len / 40) {
		sealed.data[at] ^= 1;
		/* to whom it is addressed is a hint and not sealed; whatever opens is the token, which try_open looks at */
		if (!try_open(&key_file, PASSPHRASE, &phone, stg_buf_view(&sealed)) && at > sealed.len - 120)
			fail_msg("opened with byte %zu of %zu changed", at, sealed.len);
		sealed.data[at] ^= 1;
		assert_int_not_equal(try_open(&key_file, PASSPHRASE, &phone, stg_bytes(sealed.data, at)), 0);
	}
	assert_int_equal(try_open(&key_file, PASSPHRASE, &phone, stg_buf_view(&sealed)), 0);
}

/* A smart card's: an EC certificate made elsewhere, its key never here. */
static void a_certificate_of_an_elliptic_key_is_taken_and_a_weak_one_is_not(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	static const struct {
		const char *curve;
		unsigned int bits;
		unsigned int id;
	} rows[] = { { "P-256", 0, 0 }, { NULL, 2048, 0 }, { NULL, 1024, STG_ID_RECOVERY_FILE }, { "P-224", 0, STG_ID_RECOVERY_FILE } };
	for (size_t i = 0; i < STG_ARRAY_LEN(rows); i++) {
		EVP_PKEY *key = rows[i].curve ? EVP_EC_gen(rows[i].curve) : EVP_RSA_gen(rows[i].bits);
		X509 *cert = X509_new();
		BIO *out = BIO_new(BIO_s_mem()), *private = BIO_new(BIO_s_mem());
		char *text, sha256[65];
		assert_non_null(key);
		X509_set_version(cert, 2);
		X509_gmtime_adj(X509_getm_notBefore(cert), 0);
		X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
		X509_set_pubkey(cert, key);
		X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)"safe", -1, -1, 0);
		X509_set_issuer_name(cert, X509_get_subject_name(cert));
		/* who issued and who answers differ by serial: CMS finds its recipient by it */
		ASN1_INTEGER_set(X509_get_serialNumber(cert), 7 + (long)i);
		assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
		PEM_write_bio_X509(out, cert);
		long n = BIO_get_mem_data(out, &text);
		STG_AUTO(stg_buf_clear) struct stg_buf kept = STG_BUF(64 << 10);
		stg_error_reset(&err);
		bool ok = stg_recovery_certificate(stg_bytes(text, (size_t)n), &kept, sha256, &err);
		assert_int_equal(ok ? 0 : err.id, rows[i].id);
		if (ok) {
			STG_AUTO(stg_buf_clear) struct stg_buf sealed = { 0 }, file = STG_BUF(64 << 10);
			seal(stg_buf_str(&kept), &sealed);
			PEM_write_bio_PKCS8PrivateKey(private, key, NULL, NULL, 0, NULL, NULL);
			n = BIO_get_mem_data(private, &text);
			assert_true(stg_buf_add(&file, text, (size_t)n, &err));
			assert_int_equal(try_open(&file, "", &phone, stg_buf_view(&sealed)), 0);
		}
		BIO_free(out);
		BIO_free(private);
		X509_free(cert);
		EVP_PKEY_free(key);
	}
}

static void the_private_half_and_a_short_passphrase_are_not_taken(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	char sha256[65] = "";
	STG_AUTO(stg_buf_clear) struct stg_buf kept = STG_BUF(64 << 10), file = STG_BUF(64 << 10);
	STG_AUTO(stg_secret_clear) struct stg_secret pass = { 0 };
	assert_false(stg_recovery_certificate(stg_buf_view(&key_file), &kept, sha256, &err));
	assert_int_equal(err.code, STG_E_SAFETY);
	assert_int_equal(err.id, STG_ID_RECOVERY_KEY_PRIVATE);
	assert_int_equal(kept.len, 0);
	assert_false(stg_recovery_certificate(stg_bytes_str("no certificate"), &kept, sha256, &err));
	assert_int_equal(err.id, STG_ID_RECOVERY_FILE);
	secret(&pass, "elevenchars");
	assert_false(stg_recovery_make("X", &pass, &file, &kept, sha256, &err));
	assert_int_equal(err.id, STG_ID_PASSPHRASE_SHORT);
	assert_int_equal(file.len, 0);
	/* the public half of the one in the safe is the one the station seals to */
	assert_true(stg_recovery_certificate(stg_buf_view(&pem), &kept, sha256, &err));
	assert_string_equal(sha256, key_sha256);
	assert_null(strstr(stg_buf_str(&pem), "PRIVATE"));
}

static void an_opened_token_is_lent_to_its_device_once_and_for_its_time(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_secret_clear) struct stg_secret token = { 0 }, got = { 0 };
	secret(&token, TOKEN);
	assert_true(stg_escrow_lend(&phone, &token, 3600000, &err));
	assert_int_equal(stg_secret_reveal(&token).len, 0);        /* moved, not copied */
	assert_false(stg_escrow_take(tablet.family, tablet.unit, &got, &err));
	assert_int_equal(err.code, STG_E_NEEDS_HUMAN);
	assert_int_equal(err.id, STG_ID_UNLOCK_NOT_OPENED);
	assert_false(stg_escrow_take("apple", "", &got, &err));
	assert_true(stg_escrow_take(phone.family, phone.unit, &got, &err));
	assert_true(stg_bytes_equal(stg_secret_reveal(&got), stg_bytes_str(TOKEN)));
	assert_false(stg_escrow_take(phone.family, phone.unit, &got, &err));
	/* its time is over */
	secret(&token, TOKEN);
	assert_true(stg_escrow_lend(&phone, &token, 0, &err));
	assert_false(stg_escrow_take(phone.family, phone.unit, &got, &err));
	/* no more than a few lie open; opening one again takes no second place */
	for (int i = 0; i < 200; i++) {
		struct stg_identity who = phone;
		snprintf(who.unit, sizeof(who.unit), "%d", 1 + i % 64);
		secret(&token, TOKEN);
		assert_true(stg_escrow_lend(&who, &token, 3600000, &err));
	}
	secret(&token, TOKEN);
	assert_false(stg_escrow_lend(&phone, &token, 3600000, &err));
	assert_int_equal(err.id, STG_ID_TOKENS_OPEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_opens_with_its_key_and_passphrase_for_its_device_only),
		cmocka_unit_test(a_token_that_was_changed_or_cut_does_not_open),
		cmocka_unit_test(a_certificate_of_an_elliptic_key_is_taken_and_a_weak_one_is_not),
		cmocka_unit_test(the_private_half_and_a_short_passphrase_are_not_taken),
		cmocka_unit_test(an_opened_token_is_lent_to_its_device_once_and_for_its_time),
	};
	return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
