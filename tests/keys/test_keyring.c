/*
 * test_keyring.c - what is sealed comes back only for the same purpose, on the same station, undamaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <stager/error.h>
#include <stager/file.h>
#include <stager/keys.h>

#define MARK "MARKED-SECRET-7f3a"

static char folder[256], other_folder[256];

static int make_folders(void **state)
{
	(void)state;
	const char *tmp = getenv("TMPDIR");
	snprintf(folder, sizeof(folder), "%s/stager-keys-XXXXXX", tmp ? tmp : "/tmp");
	snprintf(other_folder, sizeof(other_folder), "%s/stager-keys-XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(folder) && mkdtemp(other_folder) ? 0 : -1;
}

static int remove_folders(void **state)
{
	(void)state;
	char path[300];
	snprintf(path, sizeof(path), "%s/station.key", folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/station.key", other_folder);
	unlink(path);
	rmdir(folder);
	rmdir(other_folder);
	return 0;
}

static struct stg_keys *open_ok(const char *dir)
{
	struct stg_error err = { 0 };
	struct stg_keys *k = stg_keys_open(dir, &err);
	if (!k)
		fail_msg("%s", err.msg);
	return k;
}

static void a_sealed_secret_does_not_open_for_another_purpose(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_keys_close_at) struct stg_keys *k = open_ok(folder);
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(4096);
	STG_AUTO(stg_secret_clear) struct stg_secret back = { 0 };
	assert_true(stg_keys_seal(k, "secret:wifi", stg_bytes_str(MARK), &sealed, &err));
	assert_false(stg_keys_open_sealed(k, "secret:token", stg_buf_view(&sealed), &back, &err));
	assert_int_equal(err.id, STG_ID_SEALED_DAMAGED);
	assert_null(strstr(err.msg, MARK));
	assert_false(stg_secret_is_set(&back));
	assert_true(stg_keys_open_sealed(k, "secret:wifi", stg_buf_view(&sealed), &back, &err));
	assert_true(stg_bytes_equal(stg_secret_reveal(&back), stg_bytes_str(MARK)));
	assert_null(memmem(sealed.data, sealed.len, MARK, strlen(MARK)));
}

static void a_record_cut_short_or_changed_anywhere_is_refused(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_keys_close_at) struct stg_keys *k = open_ok(folder);
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(4096);
	STG_AUTO(stg_secret_clear) struct stg_secret back = { 0 };
	assert_true(stg_keys_seal(k, "p", stg_bytes_str(MARK), &sealed, &err));
	for (size_t n = 0; n < sealed.len; n++) {
		assert_false(stg_keys_open_sealed(k, "p", stg_bytes(sealed.data, n), &back, &err));
		sealed.data[n] ^= 1;
		assert_false(stg_keys_open_sealed(k, "p", stg_buf_view(&sealed), &back, &err));
		sealed.data[n] ^= 1;
	}
	assert_true(stg_keys_open_sealed(k, "p", stg_buf_view(&sealed), &back, &err));
}

static void another_stations_record_is_named_as_such(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_keys_close_at) struct stg_keys *k = open_ok(folder);
	STG_AUTO(stg_keys_close_at) struct stg_keys *other = open_ok(other_folder);
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(4096);
	STG_AUTO(stg_secret_clear) struct stg_secret back = { 0 };
	assert_true(stg_keys_seal(k, "p", stg_bytes_str(MARK), &sealed, &err));
	assert_false(stg_keys_open_sealed(other, "p", stg_buf_view(&sealed), &back, &err));
	assert_int_equal(err.id, STG_ID_OTHER_STATION_KEY);
}

static void a_key_file_that_others_may_read_is_refused(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	char path[300];
	stg_keys_close(open_ok(folder));
	snprintf(path, sizeof(path), "%s/station.key", folder);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	chmod(path, 0640);
	assert_null(stg_keys_open(folder, &err));
	assert_int_equal(err.id, STG_ID_KEY_FILE);
	assert_int_equal(stg_exit_status(&err), 4);
	chmod(path, 0600);
	stg_keys_close(open_ok(folder));
}

static void a_damaged_key_file_is_not_replaced(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	char path[300];
	stg_keys_close(open_ok(other_folder));
	snprintf(path, sizeof(path), "%s/station.key", other_folder);
	assert_true(stg_file_write(path, stg_bytes_str("stager station key 1\n1234\n"), 0600, &err));
	assert_null(stg_keys_open(other_folder, &err));
	assert_int_equal(err.id, STG_ID_KEY_FILE);
	unlink(path);
}

static void the_same_key_comes_back_and_derived_keys_differ_by_purpose(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_keys_close_at) struct stg_keys *k = open_ok(folder);
	STG_AUTO(stg_keys_close_at) struct stg_keys *again = open_ok(folder);
	STG_AUTO(stg_secret_clear) struct stg_secret a = { 0 }, b = { 0 }, c = { 0 };
	assert_true(stg_keys_derive(k, "rows", &a, &err));
	assert_true(stg_keys_derive(again, "rows", &b, &err));
	assert_true(stg_keys_derive(k, "checkpoints", &c, &err));
	assert_int_equal(stg_secret_reveal(&a).len, 32);
	assert_true(stg_bytes_equal(stg_secret_reveal(&a), stg_secret_reveal(&b)));
	assert_false(stg_bytes_equal(stg_secret_reveal(&a), stg_secret_reveal(&c)));
}

static void an_empty_secret_and_a_long_one_survive(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_keys_close_at) struct stg_keys *k = open_ok(folder);
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(400000), plain = STG_BUF(400000);
	STG_AUTO(stg_secret_clear) struct stg_secret back = { 0 };
	assert_true(stg_keys_seal(k, "p", stg_bytes_str(""), &sealed, &err));
	assert_true(stg_keys_open_sealed(k, "p", stg_buf_view(&sealed), &back, &err));
	assert_int_equal(stg_secret_reveal(&back).len, 0);
	stg_buf_reset(&sealed);
	for (int i = 0; i < 5000; i++)
		assert_true(stg_buf_add_str(&plain, "0123456789", &err));
	assert_true(stg_keys_seal(k, "p", stg_buf_view(&plain), &sealed, &err));
	assert_true(stg_keys_open_sealed(k, "p", stg_buf_view(&sealed), &back, &err));
	assert_true(stg_bytes_equal(stg_secret_reveal(&back), stg_buf_view(&plain)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sealed_secret_does_not_open_for_another_purpose),
		cmocka_unit_test(a_record_cut_short_or_changed_anywhere_is_refused),
		cmocka_unit_test(another_stations_record_is_named_as_such),
		cmocka_unit_test(a_key_file_that_others_may_read_is_refused),
		cmocka_unit_test(a_damaged_key_file_is_not_replaced),
		cmocka_unit_test(the_same_key_comes_back_and_derived_keys_differ_by_purpose),
		cmocka_unit_test(an_empty_secret_and_a_long_one_survive),
	};
	return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
