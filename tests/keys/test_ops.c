/*
 * test_ops.c - what the administrator's commands do to a real state directory, and that no secret is left lying in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/pkcs12.h>

#include <stager/error.h>
#include <stager/file.h>
#include <stager/op.h>

#define PASSPHRASE "MARKED-passphrase-of-the-backup"
#define WIFI "MARKED-wifi-<&>-passphrase"
extern const struct stg_op stg_ops_org[], stg_ops_secret[], stg_ops_ca[], stg_ops_revocation[], stg_ops_profile[];

static char folder[256];
static struct stg_store *store;
static struct stg_keys *keys;

static int setup(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_secret_clear) struct stg_secret mac = { 0 };
	const char *tmp = getenv("TMPDIR");
	snprintf(folder, sizeof(folder), "%s/stager-ops-XXXXXX", tmp ? tmp : "/tmp");
	bool ok = mkdtemp(folder) && (store = stg_store_open(folder, STG_STORE_PRODUCTION, &err)) && (keys = stg_keys_open(folder, &err)) &&
		  stg_keys_derive(keys, "row-mac", &mac, &err) && stg_store_set_mac_key(store, &mac, &err);
	if (!ok)
		fprintf(stderr, "%s\n", err.msg);
	return ok ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	char command[300];
	stg_store_close(store);
	stg_keys_close(keys);
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static bool call(const struct stg_op *table, const char *name, json_t *in /* taken */, int fd0, int fd1, json_t **ret, struct stg_error *err)
{
	int fds[2] = { fd0, fd1 };
	struct stg_op_ctx c = { .store = store, .keys = keys, .state_dir = folder, .actor = "tester", .fds = fds, .n_fds = 2 };
	*err = (struct stg_error){ 0 };
	*ret = NULL;
	while (table->name && strcmp(table->name, name) != 0)
		table++;
	assert_non_null(table->name);
	assert_true(stg_store_begin(store, err));
	bool ok = table->run(&c, in, ret, err) && stg_store_commit(store, err);
	if (!ok) {
		stg_store_rollback(store);
		json_decref(*ret);
		*ret = NULL;
	}
	json_decref(in);
	return ok;
}

static void good(const struct stg_op *table, const char *name, json_t *in, int fd0, int fd1, json_t **ret)
{
	struct stg_error err;
	if (!call(table, name, in, fd0, fd1, ret, &err))
		fail_msg("%s: %s", name, err.msg);
}

static void refused(const struct stg_op *table, const char *name, json_t *in, int fd0, enum stg_id id)
{
	struct stg_error err;
	json_t *ret;
	if (call(table, name, in, fd0, -1, &ret, &err))
		fail_msg("%s was not refused", name);
	if (id && err.id != id)
		fail_msg("%s: got %u %s", name, err.id, err.msg);
	assert_null(strstr(err.msg, "MARKED"));
}

static int a_file(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s", folder, name);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static void nothing_is_issued_or_shown_before_there_is_an_organisation(void **state)
{
	(void)state;
	refused(stg_ops_org, "org.show", json_object(), -1, STG_ID_NO_ORGANISATION);
	refused(stg_ops_org, "org.backup", json_pack("{s:s}", "passphrase", PASSPHRASE), 1, STG_ID_NO_ORGANISATION);
	refused(stg_ops_ca, "ca.issue", json_pack("{s:s}", "serial", "DX3F"), -1, STG_ID_NO_ORGANISATION);
	refused(stg_ops_revocation, "ca.crl", json_object(), -1, STG_ID_NO_ORGANISATION);
	refused(stg_ops_org, "org.create", json_object(), -1, STG_ID_ORG_DETAILS);
}

static void a_new_organisation_is_the_default_and_counts_as_not_backed_up(void **state)
{
	(void)state;
	json_t *ret;
	good(stg_ops_org, "org.create", json_pack("{s:s,s:s}", "name", "Nord", "domain", "nord.example"), -1, -1, &ret);
	assert_true(stg_json_bool(ret, "default", false));
	assert_int_equal(stg_json_int(ret, "backup_verified_ms", -1), 0);
	char *text = stg_json_text(ret);
	assert_null(strstr(text, "BEGIN"));
	free(text);
	json_decref(ret);
	refused(stg_ops_org, "org.create", json_pack("{s:s}", "name", "Nord"), -1, STG_ID_ORG_EXISTS);
}

static void a_backup_that_cannot_be_read_back_is_not_called_verified(void **state)
{
	(void)state;
	json_t *ret;
	char path[300];
	int rw = a_file(path, sizeof(path), "n.backup");
	int wo = open(path, O_WRONLY | O_CLOEXEC), full = open("/dev/full", O_RDWR | O_CLOEXEC);
	refused(stg_ops_org, "org.backup", json_pack("{s:s}", "passphrase", "MARKED"), rw, STG_ID_PASSPHRASE_SHORT);
	refused(stg_ops_org, "org.backup", json_object(), rw, STG_ID_NONE);
	refused(stg_ops_org, "org.backup", json_pack("{s:s}", "passphrase", PASSPHRASE), wo, STG_ID_BACKUP_NOT_VERIFIED);
	if (full >= 0)
		refused(stg_ops_org, "org.backup", json_pack("{s:s}", "passphrase", PASSPHRASE), full, STG_ID_BACKUP_NOT_VERIFIED);
	good(stg_ops_org, "org.show", json_object(), -1, -1, &ret);
	assert_int_equal(stg_json_int(ret, "backup_verified_ms", -1), 0);
	assert_string_equal(stg_json_str(ret, "root_key"), "here");
	json_decref(ret);
	close(wo);
	if (full >= 0)
		close(full);

	good(stg_ops_org, "org.backup", json_pack("{s:s}", "passphrase", PASSPHRASE), rw, -1, &ret);
	assert_true(stg_json_bool(ret, "holds_root_key", false));
	json_decref(ret);
	good(stg_ops_org, "org.show", json_object(), -1, -1, &ret);
	assert_true(stg_json_int(ret, "backup_verified_ms", 0) > 0);
	assert_string_equal(stg_json_str(ret, "root_key"), "in_backup");
	json_decref(ret);

	/* and it brings the organisation back over itself */
	lseek(rw, 0, SEEK_SET);
	refused(stg_ops_org, "org.restore", json_pack("{s:s}", "passphrase", "MARKED wrong passphrase"), rw, STG_ID_BACKUP_PASSPHRASE);
	lseek(rw, 0, SEEK_SET);
	good(stg_ops_org, "org.restore", json_pack("{s:s}", "passphrase", PASSPHRASE), rw, -1, &ret);
	assert_string_equal(stg_json_str(ret, "name"), "Nord");
	assert_true(stg_json_bool(ret, "default", false));
	json_decref(ret);
	close(rw);
}

static void secrets_are_listed_by_name_and_never_given_back(void **state)
{
	(void)state;
	json_t *ret;
	refused(stg_ops_secret, "secret.set", json_pack("{s:s,s:s}", "name", "../x", "value", WIFI), -1, STG_ID_SECRET_NAME);
	refused(stg_ops_secret, "secret.set", json_pack("{s:s}", "name", "wifi"), -1, STG_ID_NONE);
	refused(stg_ops_secret, "secret.remove", json_pack("{s:s}", "name", "wifi"), -1, STG_ID_SECRET_UNKNOWN);
	good(stg_ops_secret, "secret.set", json_pack("{s:s,s:s}", "name", "wifi", "value", WIFI), -1, -1, &ret);
	json_decref(ret);
	good(stg_ops_secret, "secret.list", json_object(), -1, -1, &ret);
	assert_int_equal(json_array_size(ret), 1);
	char *text = stg_json_text(ret);
	assert_null(strstr(text, "MARKED"));
	free(text);
	json_decref(ret);
	/* the station opens it under this purpose */
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(65536);
	STG_AUTO(stg_secret_clear) struct stg_secret plain = { 0 };
	assert_true(stg_store_secret_get(store, "wifi", &sealed, &err));
	assert_true(stg_keys_open_sealed(keys, "secret", stg_buf_view(&sealed), &plain, &err));
	assert_true(stg_bytes_equal(stg_secret_reveal(&plain), stg_bytes_str(WIFI)));
}

static void an_issued_certificate_is_registered_listed_and_revoked(void **state)
{
	(void)state;
	json_t *ret;
	char path[300], serial_hex[64];
	int fd = a_file(path, sizeof(path), "dx3f.p12");
	good(stg_ops_ca, "ca.issue", json_pack("{s:s,s:s}", "serial", "DX3F", "key", "p-256"), fd, -1, &ret);
	const json_t *cert = json_object_get(ret, "certificate");
	stg_copy(serial_hex, sizeof(serial_hex), stg_json_str(cert, "serial_hex"));
	FILE *f = fopen(path, "rb");
	PKCS12 *p12 = d2i_PKCS12_fp(f, NULL);
	assert_non_null(p12);
	assert_int_equal(PKCS12_verify_mac(p12, stg_json_str(ret, "password"), -1), 1);
	PKCS12_free(p12);
	fclose(f);
	json_decref(ret);
	close(fd);

	good(stg_ops_ca, "ca.list", json_pack("{s:s}", "serial", "DX3F"), -1, -1, &ret);
	assert_int_equal(json_array_size(ret), 1);
	assert_string_equal(stg_json_str(json_array_get(ret, 0), "status"), "issued");
	json_decref(ret);
	refused(stg_ops_ca, "ca.revoke", json_pack("{s:s,s:s}", "serial", "DX3F", "reason", "bored"), -1, STG_ID_NONE);
	refused(stg_ops_ca, "ca.revoke", json_pack("{s:s}", "serial", "NOBODY"), -1, STG_ID_CERTIFICATE_UNKNOWN);
	good(stg_ops_ca, "ca.revoke", json_pack("{s:s,s:s}", "serial", serial_hex, "reason", "key_compromise"), -1, -1, &ret);
	assert_int_equal(json_array_size(json_object_get(ret, "revoked")), 1);
	json_decref(ret);
	good(stg_ops_revocation, "ca.crl", json_object(), -1, -1, &ret);
	assert_int_equal(stg_json_int(ret, "entries", 0), 1);
	/* numbers go on from the clock: a state that was restored never repeats one */
	int64_t number = stg_json_int(ret, "number", 0);
	assert_true(number > 0);
	assert_true(strlen(stg_json_str(ret, "crl")) > 100);
	json_decref(ret);
	good(stg_ops_revocation, "ca.crl", json_object(), -1, -1, &ret);
	assert_true(stg_json_int(ret, "number", 0) > number);
	json_decref(ret);
}

static void the_certificates_others_need_are_given_out(void **state)
{
	(void)state;
	json_t *ret;
	char path[300];
	int fd = a_file(path, sizeof(path), "root.pem");
	refused(stg_ops_org, "org.certificate", json_pack("{s:s}", "which", "key"), -1, STG_ID_NONE);
	good(stg_ops_org, "org.certificate", json_pack("{s:s}", "which", "chain"), -1, -1, &ret);
	assert_non_null(strstr(stg_json_str(ret, "pem"), "BEGIN CERTIFICATE"));
	json_decref(ret);
	good(stg_ops_org, "org.certificate", json_pack("{s:s}", "which", "root"), fd, -1, &ret);
	json_decref(ret);
	STG_AUTO(stg_buf_clear) struct stg_buf pem = STG_BUF(65536);
	assert_true(stg_file_read(path, &pem, NULL));
	STG_AUTO(stg_json_free_at) json_t *root = stg_certificate_json(stg_buf_view(&pem), NULL);
	assert_string_equal(stg_json_str(root, "cn"), "Nord Root CA");
	close(fd);
}

static void a_profile_is_shown_in_words_of_both_languages(void **state)
{
	(void)state;
	json_t *ret;
	refused(stg_ops_profile, "profile.show", json_pack("{s:s}", "profile", "no-such"), -1, STG_ID_PROFILE_UNKNOWN);
	refused(stg_ops_profile, "profile.lint", json_object(), -1, STG_ID_NONE);
	char path[300];
	int huge = a_file(path, sizeof(path), "huge");
	assert_int_equal(ftruncate(huge, 50 << 20), 0);
	refused(stg_ops_profile, "profile.lint", json_pack("{s:s}", "file", "huge"), huge, STG_ID_PROFILE_TOO_LARGE);
	close(huge);
	unlink(path);
	good(stg_ops_profile, "profile.show", json_pack("{s:s,s:s}", "profile", "wifi-eap-tls", "lang", "en"), -1, -1, &ret);
	char *text = stg_json_text(json_object_get(ret, "words"));
	assert_non_null(strstr(text, "Joins the Wi-Fi network {{wifi_ssid}} with a certificate."));
	free(text);
	json_decref(ret);
	good(stg_ops_profile, "profile.show", json_pack("{s:s,s:s}", "profile", "restrictions-ward", "lang", "fr"), -1, -1, &ret);
	text = stg_json_text(json_object_get(ret, "words"));
	assert_non_null(strstr(text, "pas de jumelage avec d'autres ordinateurs"));
	assert_non_null(strstr(text, "Ne peut pas être supprimé"));
	free(text);
	json_decref(ret);
	good(stg_ops_profile, "profile.list", json_object(), -1, -1, &ret);
	assert_true(json_array_size(ret) >= 7);
	json_decref(ret);
}

static void search_folder(const char *mark)
{
	DIR *d = opendir(folder);
	const struct dirent *e;
	assert_non_null(d);
	while ((e = readdir(d))) {
		char path[600];
		STG_AUTO(stg_buf_clear) struct stg_buf bytes = STG_BUF(64u << 20);
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (e->d_name[0] == '.' || !stg_file_read(path, &bytes, NULL))
			continue;
		if (memmem(bytes.data, bytes.len, mark, strlen(mark)))
			fail_msg("%s holds %s", e->d_name, mark);
	}
	closedir(d);
}

static void no_secret_lies_in_the_state_and_every_act_is_in_the_log(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	search_folder("MARKED");
	search_folder("PRIVATE KEY");
	STG_AUTO(stg_json_free_at) json_t *log = stg_store_audit_list(store, 0, 0, &err);
	assert_non_null(log);
	static const char *const verbs[] = { "org.create", "org.backup", "org.restore", "secret.set", "ca.issue", "ca.revoke", "ca.crl" };
	char *text = stg_json_text(log);
	for (size_t i = 0; i < STG_ARRAY_LEN(verbs); i++)
		if (!strstr(text, verbs[i]))
			fail_msg("%s is not in the log", verbs[i]);
	assert_null(strstr(text, "MARKED"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_issued_or_shown_before_there_is_an_organisation),
		cmocka_unit_test(a_new_organisation_is_the_default_and_counts_as_not_backed_up),
		cmocka_unit_test(a_backup_that_cannot_be_read_back_is_not_called_verified),
		cmocka_unit_test(secrets_are_listed_by_name_and_never_given_back),
		cmocka_unit_test(an_issued_certificate_is_registered_listed_and_revoked),
		cmocka_unit_test(the_certificates_others_need_are_given_out),
		cmocka_unit_test(a_profile_is_shown_in_words_of_both_languages),
		cmocka_unit_test(no_secret_lies_in_the_state_and_every_act_is_in_the_log),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
