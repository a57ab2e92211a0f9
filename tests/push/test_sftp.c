/*
 * test_sftp.c - results as CSV on Debian's OpenSSH: each once, whole or not at all, and never to another server.
 */
#include <dirent.h>
#include <pwd.h>

#include "daemon.h"

static struct daemon sshd;
static char user_key[8192], other_key[8192], fingerprint[128], other_fingerprint[128];

static void key_make(const char *name, char *ret_private, size_t size, char *ret_print)
{
	char path[300], command[700];
	snprintf(path, sizeof(path), "%s/%s", sshd.dir, name);
	run_program(sshd.log, false, (const char *const[]){ "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path, NULL });
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(8192);
	OK(stg_file_read(path, &text, err));
	if (ret_private)
		stg_copy(ret_private, size, stg_buf_str(&text));
	if (!ret_print)
		return;
	snprintf(command, sizeof(command), "ssh-keygen -lf '%s.pub' | cut -d' ' -f2", path);
	FILE *f = popen(command, "re");
	assert_non_null(fgets(ret_print, 100, f));
	pclose(f);
	ret_print[strcspn(ret_print, "\n")] = 0;
}

static void server_up(void)
{
	char config[2000], path[300];
	daemon_folder(&sshd);
	if (geteuid() == 0) {
		assert_int_equal(chown(sshd.dir, 0, 0), 0);
		(void)mkdir("/run/sshd", 0755);
	}
	key_make("host", NULL, 0, fingerprint);
	key_make("wrong-host", NULL, 0, other_fingerprint);
	key_make("user", user_key, sizeof(user_key), NULL);
	key_make("other", other_key, sizeof(other_key), NULL);
	snprintf(path, sizeof(path), "%s/drop", sshd.dir);
	assert_int_equal(mkdir(path, 0755), 0);
	sshd.port = free_port();
	snprintf(config, sizeof(config), "Port %d\nListenAddress 127.0.0.1\nHostKey %s/host\nAuthorizedKeysFile %s/user.pub\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
		 "PasswordAuthentication no\nPidFile none\nSubsystem sftp internal-sftp\n", sshd.port, sshd.dir, sshd.dir);
	snprintf(path, sizeof(path), "%s/config", sshd.dir);
	OK(stg_file_write(path, stg_bytes_str(config), 0600, err));
	sshd.pid = begin_program(sshd.log, false, (const char *const[]){ "/usr/sbin/sshd", "-D", "-e", "-f", path, NULL });
	wait_listening(&sshd);
}

/* A second server, that takes passwords: of an account which only it has, by Debian's nss_wrapper, with this test's own uid. So
 * nothing of the machine is changed, and no root is needed. */
static struct daemon by_password;
#define PASSWORD "MARKED pass-word 4711"

static void password_server_up(void)
{
	char config[2000], path[300], command[2000], preload[200], passwd[200], shadow[200];
	daemon_folder(&by_password);
	if (geteuid() == 0)
		assert_int_equal(chown(by_password.dir, 0, 0), 0);
	snprintf(command, sizeof(command), "cd '%s' && mkdir drop && cp '%s/host' . && { cat /etc/passwd; echo 'drop:x:%d:%d::%s:/bin/sh'; } >passwd && chmod 644 passwd && "
		 "echo \"drop:$(openssl passwd -6 '" PASSWORD "'):19000:0:99999:7:::\" >shadow && chmod 600 shadow host", by_password.dir, sshd.dir, (int)geteuid(), (int)getegid(), by_password.dir);
	run_program(by_password.log, false, (const char *const[]){ "sh", "-c", command, NULL });
	by_password.port = free_port();
	snprintf(config, sizeof(config), "Port %d\nListenAddress 127.0.0.1\nHostKey %s/host\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPubkeyAuthentication no\n"
		 "PasswordAuthentication yes\nPidFile none\nSubsystem sftp internal-sftp\n", by_password.port, by_password.dir);
	snprintf(path, sizeof(path), "%s/config", by_password.dir);
	OK(stg_file_write(path, stg_bytes_str(config), 0600, err));
	snprintf(preload, sizeof(preload), "LD_PRELOAD=libnss_wrapper.so");
	snprintf(passwd, sizeof(passwd), "NSS_WRAPPER_PASSWD=%s/passwd", by_password.dir);
	snprintf(shadow, sizeof(shadow), "NSS_WRAPPER_SHADOW=%s/shadow", by_password.dir);
	by_password.pid = begin_program(by_password.log, false, (const char *const[]){ "env", preload, passwd, shadow, "NSS_WRAPPER_GROUP=/etc/group", "/usr/sbin/sshd", "-D", "-e", "-f", path, NULL });
	wait_listening(&by_password);
}

static json_t *config_of(const char *folder)
{
	char url[300];
	snprintf(url, sizeof(url), "sftp://127.0.0.1:%d%s/%s", sshd.port, sshd.dir, folder);
	return json_pack("{s:s,s:s,s:s}", "url", url, "user", getpwuid(geteuid())->pw_name, "host_key", fingerprint);
}

static void key_is(struct site *s, const char *key)
{
	json_decref(s->credentials);
	s->credentials = json_pack("{s:s}", "key_pem", key);
}

/* How many names with this end the folder holds; the last one's content. */
static int files(const char *folder, const char *end, char *ret, size_t size)
{
	char path[600];
	int n = 0;
	snprintf(path, sizeof(path), "%s/%s", sshd.dir, folder);
	DIR *d = opendir(path);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));) {
		size_t len = strlen(e->d_name), k = strlen(end);
		if (len < 3 || len < k || strcmp(e->d_name + len - k, end) != 0)
			continue;
		n++;
		snprintf(path, sizeof(path), "%s/%s/%s", sshd.dir, folder, e->d_name);
		STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(1 << 20);
		OK(stg_file_read(path, &text, err));
		stg_copy(ret, size, stg_buf_str(&text));
	}
	closedir(d);
	return n;
}

static char text[1 << 16];

static void another_server_a_wrong_key_and_a_missing_folder_get_nothing(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	const char *name = target_add(s, "sftp", config_of("drop"));
	const struct {
		const char *key, *value, *user, *state;
	} cases[] = {
		{ "host_key", other_fingerprint, user_key, "host_key" }, { NULL, NULL, other_key, "auth" }, { "url", "sftp://127.0.0.1:1/drop", user_key, "offline" },
		{ "url", NULL, user_key, "folder" },
	};
	stage(s, 2);
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		json_t *config = config_of(cases[i].key && !cases[i].value ? "nosuch" : "drop");
		if (cases[i].value)
			stg_json_put(config, cases[i].key, cases[i].value);
		key_is(s, cases[i].user);
		json_t *target = json_pack("{s:s,s:s,s:o}", "name", name, "connector", "sftp", "config", config);
		OK(stg_store_target_put(s->st.s, target, stg_bytes(NULL, 0), err));
		json_decref(target);
		assert_int_equal(round_now(s), 0);
		assert_string_equal(state_of(s, name), cases[i].state);
		assert_int_equal(in_state(s, "queued"), 2);
		STG_AUTO(stg_json_free_at) json_t *tested = NULL;
		OK((tested = stg_push_test(&s->door, name, err)) != NULL);
		assert_string_equal(stg_json_str(tested, "class"), cases[i].state);
	}
	assert_int_equal(files("drop", "", text, sizeof(text)), 0);
	static const char *const wrong[][2] = { { "url", "ftp://127.0.0.1/x" }, { "url", "sftp://127.0.0.1" }, { "url", "sftp://127.0.0.1/a%22b" }, { "url", "sftp://127.0.0.1/~/in" },
						{ "host_key", "" }, { "host_key", "SHA256:short" }, { "user", "" } };
	for (size_t i = 0; i < STG_ARRAY_LEN(wrong); i++) {
		STG_AUTO(stg_json_free_at) json_t *row = json_pack("{s:s,s:s,s:o}", "name", "x", "connector", "sftp", "config", config_of("drop"));
		json_object_set_new(json_object_get(row, "config"), wrong[i][0], json_string(wrong[i][1]));
		FAILS(stg_push_check(row, NULL, false, "/nonexistent", err), STG_E_INPUT, STG_ID_TARGET_CONFIG);
	}
}

static void a_password_opens_only_with_the_right_name_and_is_nowhere(void **state)
{
	(void)state;
	static const struct {
		const char *user, *password, *state;
	} cases[] = { { "drop", "wrong", "auth" }, { "drop", NULL, "auth" }, { "nobody-here", PASSWORD, "auth" }, { "drop", PASSWORD, "" } };
	char url[300], command[600];
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	snprintf(url, sizeof(url), "sftp://127.0.0.1:%d%s/drop", by_password.port, by_password.dir);
	const char *name = target_add(s, "sftp", json_pack("{s:s,s:s,s:s}", "url", url, "user", "drop", "host_key", fingerprint));
	stage(s, 2);
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		json_object_clear(s->credentials);
		if (cases[i].password)
			stg_json_put(s->credentials, "secret", cases[i].password);
		json_t *target = json_pack("{s:s,s:s,s:{s:s,s:s,s:s}}", "name", name, "connector", "sftp", "config", "url", url, "user", cases[i].user, "host_key", fingerprint);
		OK(stg_store_target_put(s->st.s, target, stg_bytes(NULL, 0), err));
		json_decref(target);
		int64_t delivered = round_now(s);
		STG_AUTO(stg_json_free_at) json_t *row = NULL;
		OK((row = stg_store_target(s->st.s, name, NULL, err)) != NULL);
		STG_AUTO(stg_free_at) char *all = stg_json_text(row);
		assert_null(strstr(all, "MARKED"));
		if (strcmp(stg_json_str(row, "state"), cases[i].state) != 0 || delivered != (*cases[i].state ? 0 : 2)) {
			show_log(by_password.log);
			fail_msg("case %zu: '%s': %s", i, stg_json_str(row, "state"), stg_json_str(row, "text"));
		}
	}
	snprintf(command, sizeof(command), "ls '%s'/drop/*.csv '%s'/drop/*.json >/dev/null && cat '%s'/drop/*.csv | grep -c F2LXK0AA | grep -qx 2", by_password.dir, by_password.dir, by_password.dir);
	assert_int_equal(system(command), 0);
}

/* Dies in the instant the outcome is to be noted. */
static bool settle_never(void *ctx, int64_t id, const char *state, int64_t not_before_ms, const json_t *answer, struct stg_error *err)
{
	(void)ctx, (void)id, (void)state, (void)not_before_ms, (void)answer, (void)err;
	kill(getpid(), SIGKILL);
	return false;
}

static void a_batch_is_one_file_with_its_manifest_and_never_a_second(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	key_is(s, user_key);
	(void)target_add(s, "sftp", config_of("drop"));
	stage(s, 3);
	assert_int_equal(round_now(s), 3);
	assert_int_equal(files("drop", ".part", text, sizeof(text)), 0);
	assert_int_equal(files("drop", ".csv", text, sizeof(text)), 1);
	assert_int_equal(strncmp(text, "\"record_id\",\"seq\",", 18), 0);
	for (int i = 1; i <= 3; i++) {
		char serial[32];
		snprintf(serial, sizeof(serial), "\"F2LXK0AA%04d\"", i);
		assert_non_null(strstr(text, serial));
	}
	char sum[65];
	stg_sha256_hex(stg_bytes_str(text), sum);
	assert_int_equal(files("drop", ".json", text, sizeof(text)), 1);
	assert_non_null(strstr(text, sum));
	assert_non_null(strstr(text, "\"rows\":3"));

	/* killed after all was written: read back, and a manifest that is missing comes after */
	for (int missing = 0; missing < 2; missing++) {
		char command[300];
		int status;
		stage(s, 2);
		stg_store_close(s->st.s);
		pid_t pid = fork();
		if (pid == 0) {
			int64_t delivered, next;
			struct stg_push_door door = s->door;
			s->st.s = stg_store_open(s->st.dir, STG_STORE_ANY, NULL);
			state_key(s->st.s);
			door.settle = settle_never;
			door.at_once = true;
			(void)stg_push_round(&door, NULL, NULL, &delivered, &next, NULL);
			_exit(1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		OK((s->st.s = stg_store_open(s->st.dir, STG_STORE_ANY, err)) != NULL);
		state_key(s->st.s);
		OK(stg_store_recover(s->st.s, NULL, err));
		assert_int_equal(in_state(s, "in_doubt"), 2);
		snprintf(command, sizeof(command), "rm '%s'/drop/*.json", sshd.dir);
		if (missing)
			assert_int_equal(system(command), 0);
		stage(s, 1);
		assert_int_equal(round_now(s), 3);
		assert_int_equal(in_state(s, "in_doubt"), 0);
		assert_int_equal(files("drop", ".csv", text, sizeof(text)), 3 + 2 * missing);
		assert_int_equal(files("drop", ".json", text, sizeof(text)), missing ? 2 : 3);
	}
	snprintf(text, sizeof(text), "cat '%s'/drop/*.csv | grep -c F2LXK0AA | grep -qx 9", sshd.dir);
	assert_int_equal(system(text), 0);
}

static int up(void **state)
{
	(void)state;
	server_up();
	password_server_up();
	return 0;
}

static int down(void **state)
{
	(void)state;
	daemon_stop(&sshd);
	daemon_stop(&by_password);
	return 0;
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_server_a_wrong_key_and_a_missing_folder_get_nothing),
		cmocka_unit_test(a_password_opens_only_with_the_right_name_and_is_nowhere),
		cmocka_unit_test(a_batch_is_one_file_with_its_manifest_and_never_a_second),
	};
	return cmocka_run_group_tests(tests, up, down);
}
