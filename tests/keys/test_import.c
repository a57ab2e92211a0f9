/*
 * test_import.c - identities people have already, and the backup that saves the fleet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/keys.h>

#define PASSWORD "MARKED-p12-password-0c4"
#define PASSPHRASE "MARKED passphrase of a backup 77"

static char folder[256], other_folder[256];
static struct stg_keys *keys, *other_keys;
static EVP_PKEY *key, *stranger, *weak;
static X509 *cert;

static X509 *self_signed(EVP_PKEY *k)
{
	X509 *c = X509_new();
	X509_NAME *n = X509_NAME_new();
	X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8, (const unsigned char *)"Old fleet", -1, -1, 0);
	X509_set_version(c, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(c), 4711);
	X509_set_subject_name(c, n);
	X509_set_issuer_name(c, n);
	X509_gmtime_adj(X509_getm_notBefore(c), -86400);
	X509_gmtime_adj(X509_getm_notAfter(c), 86400 * 3650L);
	X509_set_pubkey(c, k);
	X509_sign(c, k, EVP_sha256());
	X509_NAME_free(n);
	return c;
}

static int setup(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	const char *tmp = getenv("TMPDIR");
	snprintf(folder, sizeof(folder), "%s/stager-import-XXXXXX", tmp ? tmp : "/tmp");
	snprintf(other_folder, sizeof(other_folder), "%s/stager-import-XXXXXX", tmp ? tmp : "/tmp");
	key = EVP_RSA_gen(2048);
	stranger = EVP_RSA_gen(2048);
	weak = EVP_RSA_gen(1024);
	cert = self_signed(key);
	return mkdtemp(folder) && mkdtemp(other_folder) && (keys = stg_keys_open(folder, &err)) && (other_keys = stg_keys_open(other_folder, &err)) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	char path[300];
	snprintf(path, sizeof(path), "%s/station.key", folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/station.key", other_folder);
	unlink(path);
	rmdir(folder);
	rmdir(other_folder);
	stg_keys_close(keys);
	stg_keys_close(other_keys);
	EVP_PKEY_free(key);
	EVP_PKEY_free(stranger);
	EVP_PKEY_free(weak);
	X509_free(cert);
	return 0;
}

static void add_bio(BIO *b, struct stg_buf *ret)
{
	char *p = NULL;
	long n = BIO_get_mem_data(b, &p);
	assert_true(stg_buf_add(ret, p, (size_t)n, NULL));
	BIO_free(b);
}

/* The way old tools write it: nid 0 = as OpenSSL 3 does by itself. */
static void p12(int key_nid, int cert_nid, bool sha1_mac, EVP_PKEY *k, X509 *c, const char *password, struct stg_buf *ret)
{
	OSSL_LIB_CTX *ctx = OSSL_LIB_CTX_new();
	OSSL_PROVIDER *normal = OSSL_PROVIDER_load(ctx, "default"), *legacy = OSSL_PROVIDER_load(ctx, "legacy");
	assert_non_null(normal);
	assert_non_null(legacy);
	PKCS12 *p = PKCS12_create_ex(password, "fleet", k, c, NULL, key_nid, cert_nid, 2048, sha1_mac ? -1 : 2048, 0, ctx, NULL);
	assert_non_null(p);
	if (sha1_mac)
		assert_int_equal(PKCS12_set_mac(p, password, -1, NULL, 0, 2048, EVP_sha1()), 1);
	BIO *b = BIO_new(BIO_s_mem());
	assert_int_equal(i2d_PKCS12_bio(b, p), 1);
	add_bio(b, ret);
	PKCS12_free(p);
	OSSL_PROVIDER_unload(legacy);
	OSSL_PROVIDER_unload(normal);
	OSSL_LIB_CTX_free(ctx);
}

static bool import(struct stg_bytes identity, struct stg_bytes key_file, const char *password, json_t **row, struct stg_buf *sealed, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *details = json_pack("{s:s}", "name", "Clinique");
	STG_AUTO(stg_secret_clear) struct stg_secret p = { 0 };
	*err = (struct stg_error){ 0 };
	if (password)
		assert_true(stg_secret_set(&p, stg_bytes_str(password), NULL));
	return stg_org_import(keys, details, identity, key_file, &p, row, sealed, err);
}

/* The file is read and its key fits: only then the (missing) name is looked at. Making the organisation's own keys is
 * slow, so most forms are judged this way and a few go all the way. */
static bool is_readable(struct stg_bytes identity, struct stg_bytes key_file, const char *password, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *details = json_object();
	STG_AUTO(stg_secret_clear) struct stg_secret p = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(1 << 20);
	json_t *row = NULL;
	*err = (struct stg_error){ 0 };
	if (password)
		assert_true(stg_secret_set(&p, stg_bytes_str(password), NULL));
	assert_false(stg_org_import(keys, details, identity, key_file, &p, &row, &sealed, err));
	return err->id == STG_ID_ORG_DETAILS;
}

/* The imported identity signs, and devices that know the old certificate accept it. */
static void works(const json_t *row, struct stg_bytes sealed)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(65536), cms = STG_BUF(65536);
	uint8_t *own = NULL;
	int n = i2d_X509(cert, &own);
	assert_true(stg_org_supervisor(row, &der, &err));
	assert_true(stg_bytes_equal(stg_buf_view(&der), stg_bytes(own, (size_t)n)));
	OPENSSL_free(own);
	assert_true(stg_org_sign_challenge(keys, row, sealed, stg_bytes_str("\n\r234567"), &cms, &err));
	const unsigned char *q = cms.data;
	CMS_ContentInfo *c = d2i_CMS_ContentInfo(NULL, &q, (long)cms.len);
	assert_int_equal(CMS_verify(c, NULL, NULL, NULL, NULL, CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY), 1);
	CMS_ContentInfo_free(c);
}

static void a_wrong_password_and_an_unknown_algorithm_are_told_apart(void **state)
{
	(void)state;
	static const struct { int key, cert; bool sha1, is_read; } kinds[] = {
		/* a key under RC2: nobody exports it, OpenSSL 3.0 does not read it, and it must not be called a wrong password */
		{ NID_pbe_WithSHA1And40BitRC2_CBC, NID_pbe_WithSHA1And40BitRC2_CBC, true, false },
		/* as a Mac's keychain exports it */
		{ NID_pbe_WithSHA1And3_Key_TripleDES_CBC, NID_pbe_WithSHA1And40BitRC2_CBC, true, true },
		/* as go-ios makes it */
		{ NID_pbe_WithSHA1And3_Key_TripleDES_CBC, NID_pbe_WithSHA1And3_Key_TripleDES_CBC, true, true },
		{ NID_aes_256_cbc, NID_aes_256_cbc, false, true } };
	for (size_t i = 0; i < STG_ARRAY_LEN(kinds); i++) {
		struct stg_error err;
		STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(65536), sealed = STG_BUF(1 << 20);
		STG_AUTO(stg_json_free_at) json_t *row = NULL;
		p12(kinds[i].key, kinds[i].cert, kinds[i].sha1, key, cert, PASSWORD, &file);
		assert_false(import(stg_buf_view(&file), stg_bytes_str(""), "MARKED-wrong", &row, &sealed, &err));
		assert_int_equal(err.id, STG_ID_P12_PASSWORD);
		assert_int_equal(stg_exit_status(&err), 3);
		assert_null(strstr(err.msg, "MARKED"));
		assert_false(import(stg_buf_view(&file), stg_bytes_str(""), NULL, &row, &sealed, &err));
		assert_int_equal(err.id, STG_ID_P12_PASSWORD);
		bool is_read = is_readable(stg_buf_view(&file), stg_bytes_str(""), PASSWORD, &err);
		if (is_read != kinds[i].is_read || (!is_read && err.id != STG_ID_P12_ALGORITHM))
			fail_msg("kind %zu: %s", i, err.msg);
		if (i != 1)
			continue;
		if (!import(stg_buf_view(&file), stg_bytes_str(""), PASSWORD, &row, &sealed, &err))
			fail_msg("%s", err.msg);
		works(row, stg_buf_view(&sealed));
		assert_string_equal(stg_json_str(row, "kind"), "imported");
	}
	/* a digest that does not exist */
	struct stg_error err;
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(65536), sealed = STG_BUF(1 << 20);
	json_t *row = NULL;
	p12(NID_pbe_WithSHA1And3_Key_TripleDES_CBC, NID_pbe_WithSHA1And3_Key_TripleDES_CBC, true, key, cert, PASSWORD, &file);
	static const uint8_t sha1_oid[] = { 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a };
	uint8_t *at = memmem(file.data, file.len, sha1_oid, sizeof(sha1_oid));
	assert_non_null(at);
	at[6] = 0x7f;
	assert_false(import(stg_buf_view(&file), stg_bytes_str(""), PASSWORD, &row, &sealed, &err));
	assert_int_equal(err.id, STG_ID_P12_ALGORITHM);
}

static void an_empty_password_is_one_too(void **state)
{
	(void)state;
	struct stg_error err;
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(65536);
	p12(NID_pbe_WithSHA1And3_Key_TripleDES_CBC, NID_pbe_WithSHA1And3_Key_TripleDES_CBC, true, key, cert, "", &file);
	if (!is_readable(stg_buf_view(&file), stg_bytes_str(""), NULL, &err))
		fail_msg("%s", err.msg);
}

static void damaged_weak_and_mixed_up_files_are_refused_by_name(void **state)
{
	(void)state;
	struct stg_error err;
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(65536), sealed = STG_BUF(1 << 20), pem = STG_BUF(65536), der = STG_BUF(65536);
	json_t *row = NULL;
	p12(NID_pbe_WithSHA1And3_Key_TripleDES_CBC, NID_pbe_WithSHA1And3_Key_TripleDES_CBC, true, key, cert, PASSWORD, &file);
	for (size_t n = 0; n < file.len; n += 61) {
		assert_false(import(stg_bytes(file.data, n), stg_bytes_str(""), PASSWORD, &row, &sealed, &err));
		assert_true(err.id == STG_ID_IDENTITY_FILE || err.id == STG_ID_P12_PASSWORD);
	}
	assert_false(import(stg_bytes_str("hello"), stg_bytes_str(""), PASSWORD, &row, &sealed, &err));
	assert_int_equal(err.id, STG_ID_IDENTITY_FILE);

	BIO *b = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(b, cert);
	add_bio(b, &pem);
	assert_false(import(stg_buf_view(&pem), stg_bytes_str(""), NULL, &row, &sealed, &err));
	assert_int_equal(err.id, STG_ID_IDENTITY_FILE);
	assert_non_null(strstr(err.msg, "without its private key"));
	b = BIO_new(BIO_s_mem());
	i2d_X509_bio(b, cert);
	add_bio(b, &der);
	assert_false(import(stg_buf_view(&der), stg_bytes_str(""), NULL, &row, &sealed, &err));
	assert_non_null(strstr(err.msg, "without its private key"));

	STG_AUTO(stg_buf_clear) struct stg_buf wrong = STG_BUF(65536), weak_file = STG_BUF(65536);
	b = BIO_new(BIO_s_mem());
	PEM_write_bio_PKCS8PrivateKey(b, stranger, NULL, NULL, 0, NULL, NULL);
	add_bio(b, &wrong);
	assert_false(import(stg_buf_view(&pem), stg_buf_view(&wrong), NULL, &row, &sealed, &err));
	assert_int_equal(err.id, STG_ID_IDENTITY_PAIR);

	X509 *weak_cert = self_signed(weak);
	p12(NID_aes_256_cbc, NID_aes_256_cbc, false, weak, weak_cert, PASSWORD, &weak_file);
	X509_free(weak_cert);
	assert_false(import(stg_buf_view(&weak_file), stg_bytes_str(""), PASSWORD, &row, &sealed, &err));
	assert_int_equal(err.id, STG_ID_IDENTITY_FILE);
	assert_non_null(strstr(err.msg, "weak"));
}

static void a_file_that_wants_to_be_hashed_for_hours_is_refused_at_once(void **state)
{
	(void)state;
	struct stg_error err;
	STG_AUTO(stg_buf_clear) struct stg_buf cert_pem = STG_BUF(65536), locked = STG_BUF(65536), sealed = STG_BUF(1 << 20);
	json_t *row = NULL;
	BIO *b = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(b, cert);
	add_bio(b, &cert_pem);
	X509_ALGOR *how = PKCS5_pbe2_set(EVP_aes_256_cbc(), 3000000, NULL, 0);
	assert_non_null(how);
	X509_SIG *sig = X509_SIG_new();
	X509_ALGOR *inside = NULL;
	ASN1_OCTET_STRING *bytes = NULL;
	X509_SIG_getm(sig, &inside, &bytes);
	assert_int_equal(X509_ALGOR_copy(inside, how), 1);
	ASN1_OCTET_STRING_set(bytes, (const unsigned char *)"0123456789abcdef", 16);
	b = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PKCS8(b, sig), 1);
	add_bio(b, &locked);
	X509_SIG_free(sig);
	X509_ALGOR_free(how);
	assert_false(import(stg_buf_view(&cert_pem), stg_buf_view(&locked), PASSWORD, &row, &sealed, &err));
	assert_int_equal(err.id, STG_ID_P12_ALGORITHM);
	assert_non_null(strstr(err.msg, "rounds"));
}

static void pairs_in_every_form_people_have_are_taken(void **state)
{
	(void)state;
	struct stg_error err;
	STG_AUTO(stg_buf_clear) struct stg_buf cert_pem = STG_BUF(65536), cert_der = STG_BUF(65536), key_pem = STG_BUF(65536), key_der = STG_BUF(65536),
						  pkcs8 = STG_BUF(65536), locked = STG_BUF(65536), both = STG_BUF(65536), locked_der = STG_BUF(65536);
	BIO *b = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(b, cert);
	add_bio(b, &cert_pem);
	b = BIO_new(BIO_s_mem());
	i2d_X509_bio(b, cert);
	add_bio(b, &cert_der);
	b = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey_traditional(b, key, NULL, NULL, 0, NULL, NULL);
	add_bio(b, &key_pem);
	b = BIO_new(BIO_s_mem());
	i2d_PrivateKey_bio(b, key);
	add_bio(b, &key_der);
	b = BIO_new(BIO_s_mem());
	i2d_PKCS8PrivateKey_bio(b, key, NULL, NULL, 0, NULL, NULL);
	add_bio(b, &pkcs8);
	b = BIO_new(BIO_s_mem());
	PEM_write_bio_PKCS8PrivateKey(b, key, EVP_aes_256_cbc(), PASSWORD, (int)strlen(PASSWORD), NULL, NULL);
	add_bio(b, &locked);
	b = BIO_new(BIO_s_mem());
	i2d_PKCS8PrivateKey_bio(b, key, EVP_aes_256_cbc(), PASSWORD, (int)strlen(PASSWORD), NULL, NULL);
	add_bio(b, &locked_der);
	assert_true(stg_buf_add(&both, key_pem.data, key_pem.len, NULL) && stg_buf_add(&both, cert_pem.data, cert_pem.len, NULL));
	struct { struct stg_bytes cert, key; const char *password; } ways[] = {
		{ stg_buf_view(&cert_pem), stg_buf_view(&key_pem), NULL }, { stg_buf_view(&cert_der), stg_buf_view(&key_der), NULL },
		{ stg_buf_view(&cert_der), stg_buf_view(&pkcs8), NULL },   { stg_buf_view(&cert_pem), stg_buf_view(&locked), PASSWORD },
		{ stg_buf_view(&cert_der), stg_buf_view(&locked_der), PASSWORD }, { stg_buf_view(&both), stg_bytes_str(""), NULL } };
	for (size_t i = 0; i < STG_ARRAY_LEN(ways); i++) {
		if (!is_readable(ways[i].cert, ways[i].key, ways[i].password, &err))
			fail_msg("way %zu: %s", i, err.msg);
	}
	/* and the other way round */
	assert_true(is_readable(stg_buf_view(&key_der), stg_buf_view(&cert_der), NULL, &err));
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(1 << 20);
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	assert_true(import(stg_buf_view(&cert_der), stg_buf_view(&key_der), NULL, &row, &sealed, &err));
	works(row, stg_buf_view(&sealed));
	json_t *none = NULL;
	assert_false(import(stg_buf_view(&cert_pem), stg_buf_view(&locked), "MARKED-wrong", &none, &sealed, &err));
	assert_int_equal(err.id, STG_ID_P12_PASSWORD);
}

/* ---- backup ---- */

/* One organisation for all tests, another one as its twin. */
static void give(bool twin, json_t **row, struct stg_buf *sealed)
{
	static json_t *rows[2];
	static struct stg_buf blobs[2] = { { .max = 1 << 20 }, { .max = 1 << 20 } };
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *d = json_pack("{s:s}", "name", "Clinique");
	if (!rows[twin])
		assert_true(stg_org_make(keys, d, &rows[twin], &blobs[twin], &err));
	*row = json_deep_copy(rows[twin]);
	assert_true(stg_buf_add(sealed, blobs[twin].data, blobs[twin].len, &err));
}

static void make(json_t **row, struct stg_buf *sealed)
{
	give(false, row, sealed);
}

static struct stg_secret words(const char *text)
{
	struct stg_secret s = { 0 };
	assert_true(stg_secret_set(&s, stg_bytes_str(text), NULL));
	return s;
}

static void a_backup_does_not_open_with_another_passphrase_or_after_a_change(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = NULL, *back = NULL;
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(1 << 20), file = STG_BUF(1 << 20), again = STG_BUF(1 << 20);
	STG_AUTO(stg_secret_clear) struct stg_secret right = words(PASSPHRASE), wrong = words(PASSPHRASE "x"), brief = words("MARKED");
	make(&row, &sealed);
	assert_false(stg_org_backup(keys, row, stg_buf_view(&sealed), &brief, &file, &err));
	assert_int_equal(err.id, STG_ID_PASSPHRASE_SHORT);
	assert_true(stg_org_backup(keys, row, stg_buf_view(&sealed), &right, &file, &err));
	assert_null(memmem(file.data, file.len, "PRIVATE", 7));
	assert_null(memmem(file.data, file.len, "MARKED", 6));
	assert_false(stg_org_restore(keys, stg_buf_view(&file), &wrong, &back, &again, &err));
	assert_int_equal(err.id, STG_ID_BACKUP_PASSPHRASE);
	assert_null(strstr(err.msg, "MARKED"));

	/* somebody edits what a person reads of it */
	STG_AUTO(stg_buf_clear) struct stg_buf edited = STG_BUF(1 << 20);
	assert_true(stg_buf_add(&edited, file.data, file.len, NULL));
	uint8_t *name = memmem(edited.data, edited.len, "Clinique", 8);
	assert_non_null(name);
	name[0] = 'K';
	assert_false(stg_org_restore(keys, stg_buf_view(&edited), &right, &back, &again, &err));
	assert_int_equal(err.id, STG_ID_BACKUP_PASSPHRASE);
	for (size_t n = 0; n < file.len; n += 211) {
		assert_false(stg_org_restore(keys, stg_bytes(file.data, n), &right, &back, &again, &err));
		assert_int_equal(err.id, STG_ID_BACKUP_DAMAGED);
	}
	/* a file that would take all memory or all day */
	static const char greedy[] = "{\"format\":\"stager organisation backup\",\"v\":1,\"kdf\":{\"name\":\"scrypt\",\"n\":1073741824,\"r\":8,\"p\":1,"
				     "\"salt\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"},\"data\":\"AAAA\"}";
	assert_false(stg_org_restore(keys, stg_bytes_str(greedy), &right, &back, &again, &err));
	assert_int_equal(err.id, STG_ID_BACKUP_DAMAGED);
}

static void a_restored_organisation_works_on_another_station_without_the_root_key(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = NULL, *back = NULL, *leaf = NULL;
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(1 << 20), file = STG_BUF(1 << 20), there = STG_BUF(1 << 20), cms = STG_BUF(65536), less = STG_BUF(1 << 20);
	STG_AUTO(stg_secret_clear) struct stg_secret right = words(PASSPHRASE), p12_file = { 0 }, password = { 0 };
	make(&row, &sealed);
	assert_string_equal(stg_json_str(row, "root_key"), "here");
	assert_true(stg_org_backup(keys, row, stg_buf_view(&sealed), &right, &file, &err));
	assert_true(stg_org_backup_verify(keys, row, stg_buf_view(&sealed), stg_buf_view(&file), &right, &err));
	assert_true(stg_org_restore(other_keys, stg_buf_view(&file), &right, &back, &there, &err));
	assert_string_equal(stg_json_str(back, "supervisor_sha256"), stg_json_str(row, "supervisor_sha256"));
	assert_string_equal(stg_json_str(back, "root_key"), "in_backup");
	assert_true(stg_json_int(back, "backup_verified_ms", 0) > 0);
	assert_true(stg_org_sign_challenge(other_keys, back, stg_buf_view(&there), stg_bytes_str("12345678"), &cms, &err));
	struct stg_leaf_ask ask = { .common_name = "A", .key_type = "p-256" };
	assert_true(stg_leaf_issue(other_keys, back, stg_buf_view(&there), &ask, NULL, &p12_file, &password, &leaf, &err));

	/* and after the root key has left this station */
	assert_true(stg_org_drop_root(keys, row, stg_buf_view(&sealed), &less, &err));
	stg_buf_reset(&cms);
	assert_true(stg_org_sign_profile(keys, row, stg_buf_view(&less), stg_bytes_str("<plist/>"), &cms, &err));
	STG_AUTO(stg_buf_clear) struct stg_buf second = STG_BUF(1 << 20);
	assert_true(stg_org_backup(keys, row, stg_buf_view(&less), &right, &second, &err));
	assert_true(stg_org_backup_verify(keys, row, stg_buf_view(&less), stg_buf_view(&second), &right, &err));
}

static void a_backup_of_something_else_is_not_called_verified(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = NULL, *twin = NULL;
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(1 << 20), file = STG_BUF(1 << 20), twin_sealed = STG_BUF(1 << 20);
	STG_AUTO(stg_secret_clear) struct stg_secret right = words(PASSPHRASE);
	make(&row, &sealed);
	give(true, &twin, &twin_sealed);
	assert_true(stg_org_backup(keys, row, stg_buf_view(&sealed), &right, &file, &err));
	assert_false(stg_org_backup_verify(keys, twin, stg_buf_view(&twin_sealed), stg_buf_view(&file), &right, &err));
	assert_int_equal(err.id, STG_ID_BACKUP_DAMAGED);
}

/* ---- revocation list ---- */

static void a_revocation_list_verifies_and_lists_what_was_revoked(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(1 << 20), der = STG_BUF(1 << 20), none = STG_BUF(1 << 20);
	make(&row, &sealed);
	STG_AUTO(stg_json_free_at) json_t *rows = json_pack("[{s:s,s:I,s:s},{s:s,s:I}]", "serial_hex", "7f00112233445566778899aabbccddee", "revoked_ms",
							    (json_int_t)stg_wall_ms(), "reason", "key_compromise", "serial_hex", "41", "revoked_ms", (json_int_t)stg_wall_ms());
	STG_AUTO(stg_json_free_at) json_t *bad = json_pack("[{s:s}]", "serial_hex", "no hex");
	assert_false(stg_crl_make(keys, row, stg_buf_view(&sealed), bad, 1, &none, &err));
	assert_true(stg_crl_make(keys, row, stg_buf_view(&sealed), rows, 7, &der, &err));
	const unsigned char *p = der.data;
	X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)der.len);
	assert_non_null(crl);
	BIO *b = BIO_new_mem_buf(stg_json_str(row, "issuing_pem"), -1);
	X509 *issuing = PEM_read_bio_X509(b, NULL, NULL, NULL);
	BIO_free(b);
	assert_int_equal(X509_CRL_verify(crl, X509_get0_pubkey(issuing)), 1);
	ASN1_INTEGER *serial = ASN1_INTEGER_new();
	ASN1_INTEGER_set(serial, 0x41);
	X509_REVOKED *found = NULL;
	assert_int_equal(X509_CRL_get0_by_serial(crl, &found, serial), 1);
	ASN1_INTEGER_set(serial, 0x42);
	assert_int_equal(X509_CRL_get0_by_serial(crl, &found, serial), 0);
	ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
	assert_int_equal(ASN1_INTEGER_get(number), 7);
	ASN1_INTEGER_free(number);
	ASN1_INTEGER_free(serial);
	X509_free(issuing);
	X509_CRL_free(crl);
}

static void a_certificate_is_described_in_plain_words(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(1 << 20);
	make(&row, &sealed);
	STG_AUTO(stg_json_free_at) json_t *j = stg_certificate_json(stg_bytes_str(stg_json_str(row, "issuing_pem")), &err);
	assert_non_null(j);
	assert_string_equal(stg_json_str(j, "cn"), "Clinique Station CA");
	assert_string_equal(stg_json_str(j, "subject"), "O=Clinique,CN=Clinique Station CA");
	assert_string_equal(stg_json_str(j, "key"), "p-256");
	assert_true(stg_json_bool(j, "is_ca", false));
	assert_null(stg_certificate_json(stg_bytes_str("nothing"), &err));
	assert_null(stg_certificate_json(stg_bytes("\x30\x82\xff\xff", 4), &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wrong_password_and_an_unknown_algorithm_are_told_apart),
		cmocka_unit_test(an_empty_password_is_one_too),
		cmocka_unit_test(damaged_weak_and_mixed_up_files_are_refused_by_name),
		cmocka_unit_test(a_file_that_wants_to_be_hashed_for_hours_is_refused_at_once),
		cmocka_unit_test(pairs_in_every_form_people_have_are_taken),
		cmocka_unit_test(a_backup_does_not_open_with_another_passphrase_or_after_a_change),
		cmocka_unit_test(a_restored_organisation_works_on_another_station_without_the_root_key),
		cmocka_unit_test(a_backup_of_something_else_is_not_called_verified),
		cmocka_unit_test(a_revocation_list_verifies_and_lists_what_was_revoked),
		cmocka_unit_test(a_certificate_is_described_in_plain_words),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
