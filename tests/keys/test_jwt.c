/*
 * test_jwt.c - assertions that sign-in servers can check, from keys of the right kind only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <stager/error.h>
#include <stager/jwt.h>

static void pem_of(EVP_PKEY *key, const char *password, char *ret, size_t size)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	PEM_write_bio_PrivateKey(b, key, password ? EVP_aes_128_cbc() : NULL, (const unsigned char *)password, password ? (int)strlen(password) : 0, NULL, NULL);
	long n = BIO_get_mem_data(b, &text);
	snprintf(ret, size, "%.*s", (int)n, text);
	BIO_free(b);
}

static void unbase64url(const char *from, size_t n, struct stg_buf *ret)
{
	char text[4096];
	snprintf(text, sizeof(text), "%.*s", (int)n, from);
	for (char *p = text; *p; p++)
		*p = (char)(*p == '-' ? '+' : *p == '_' ? '/' : *p);
	while (strlen(text) % 4)
		strcat(text, "=");
	assert_true(stg_unbase64(text, ret, NULL));
}

/* Checks the signature the way a server would, and that the parts are what was given. */
static void checked(const char *token, const char *alg, EVP_PKEY *key)
{
	STG_AUTO(stg_buf_clear) struct stg_buf head = STG_BUF(4096);
	STG_AUTO(stg_buf_clear) struct stg_buf sig = STG_BUF(4096);
	const char *dot = strchr(token, '.'), *last = strrchr(token, '.');
	assert_true(dot && last && dot != last);
	assert_null(strpbrk(token, "+/=\n"));
	unbase64url(token, (size_t)(dot - token), &head);
	unbase64url(last + 1, strlen(last + 1), &sig);
	STG_AUTO(stg_json_free_at) json_t *h = json_loads(stg_buf_str(&head), 0, NULL);
	assert_string_equal(stg_json_str(h, "alg"), alg);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	EVP_PKEY_CTX *how;
	assert_int_equal(EVP_DigestVerifyInit(c, &how, EVP_sha256(), NULL, key), 1);
	if (strcmp(alg, "PS256") == 0) {
		EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(how, 32);
	}
	unsigned char der[128], *p = der;
	const unsigned char *check = sig.data;
	size_t n = sig.len;
	if (strcmp(alg, "ES256") == 0) {
		assert_int_equal(sig.len, 64);
		ECDSA_SIG *s = ECDSA_SIG_new();
		ECDSA_SIG_set0(s, BN_bin2bn(sig.data, 32, NULL), BN_bin2bn(sig.data + 32, 32, NULL));
		n = (size_t)i2d_ECDSA_SIG(s, &p);
		check = der;
		ECDSA_SIG_free(s);
	}
	assert_int_equal(EVP_DigestVerify(c, check, n, (const unsigned char *)token, (size_t)(last - token)), 1);
	EVP_MD_CTX_free(c);
}

static void a_key_of_another_kind_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *alg, *words;
	} cases[] = { { "RS256", "RSA" }, { "PS256", "RSA" }, { "ES256", "P-256" } };
	char pem[8192];
	EVP_PKEY *p384 = EVP_EC_gen("P-384"), *small = EVP_RSA_gen(1024), *good = EVP_RSA_gen(2048);
	json_t *claims = json_pack("{s:s}", "iss", "x");
	for (size_t i = 0; i < 3; i++) {
		STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(32768);
		struct stg_error err = { 0 };
		pem_of(i == 2 ? p384 : small, NULL, pem, sizeof(pem));
		assert_false(stg_jwt_sign(stg_bytes_str(pem), cases[i].alg, NULL, claims, &out, &err));
		assert_int_equal(err.id, STG_ID_SIGNING_KEY);
		assert_non_null(strstr(err.msg, cases[i].words));
		assert_int_equal(out.len, 0);
		assert_false(stg_jwt_sign(stg_bytes_str("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), cases[i].alg, NULL, claims, &out, &err));
		assert_false(stg_jwt_sign(stg_bytes_str(""), cases[i].alg, NULL, claims, &out, &err));
		/* an encrypted one must not ask on the terminal */
		pem_of(good, "secret words", pem, sizeof(pem));
		assert_false(stg_jwt_sign(stg_bytes_str(pem), cases[i].alg, NULL, claims, &out, &err));
	}
	char thumb[48];
	assert_false(stg_jwt_thumbprint(stg_bytes_str(pem), thumb, NULL));
	json_decref(claims);
	EVP_PKEY_free(p384);
	EVP_PKEY_free(small);
	EVP_PKEY_free(good);
}

static void each_signature_can_be_checked_by_the_other_side(void **state)
{
	(void)state;
	static const char *const algs[] = { "RS256", "PS256" };
	char pem[8192];
	EVP_PKEY *key = EVP_RSA_gen(2048);
	json_t *claims = json_pack("{s:s,s:I}", "iss", "APP", "exp", (json_int_t)1767225600);
	pem_of(key, NULL, pem, sizeof(pem));
	for (size_t i = 0; i < 2; i++) {
		STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(32768);
		struct stg_error err = { 0 };
		if (!stg_jwt_sign(stg_bytes_str(pem), algs[i], NULL, claims, &out, &err))
			fail_msg("%s", err.msg);
		checked(stg_buf_str(&out), algs[i], key);
	}
	json_decref(claims);
	EVP_PKEY_free(key);
}

/* About one in 128 has an r or s that is shorter than 32 bytes. */
static void es256_pads_short_numbers(void **state)
{
	(void)state;
	char pem[8192];
	EVP_PKEY *key = EVP_EC_gen("P-256");
	pem_of(key, NULL, pem, sizeof(pem));
	for (int i = 0; i < 1500; i++) {
		STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(32768);
		STG_AUTO(stg_json_free_at) json_t *claims = json_pack("{s:i}", "n", i);
		assert_true(stg_jwt_sign(stg_bytes_str(pem), "ES256", NULL, claims, &out, NULL));
		checked(stg_buf_str(&out), "ES256", key);
	}
	EVP_PKEY_free(key);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_of_another_kind_is_refused),
		cmocka_unit_test(each_signature_can_be_checked_by_the_other_side),
		cmocka_unit_test(es256_pads_short_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
