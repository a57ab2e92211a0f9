/*
 * test_secrets.c - marked secrets are used in a run, and found nowhere afterwards.
 *
 * Looked for as they are, in base64 (at each of the three offsets) and in hex: in every file of the state folder, in the
 * station's log, in what the receiver got, and in the answers of operations.
 */
#include "look.h"

static const char *const marks[] = { "MARK-wifi-Zq7Lk2Vw9x", "MARK-token-Hd83Jf0sPa", "MARK-passphrase-Tn5Gy1Rb", "MARK-pin-Wc6Xu4Me2o", "MARK-unlock-Vb8Ns2Kt6q",
				      "MARK-safe-phrase-Yp3Ld7Zh1r" };

static int found;

static void look_for(const char *where, const char *data, size_t len, const char *form, const char *needle, size_t n)
{
	if (n && len && memmem(data, len, needle, n)) {
		print_message("%s: %s in %s\n", needle, form, where);
		found++;
	}
}

static void look_into(const char *where, const char *data, size_t len)
{
	for (size_t m = 0; m < STG_ARRAY_LEN(marks); m++) {
		size_t n = strlen(marks[m]);
		char hex[2][128];
		for (size_t i = 0; i < n; i++) {
			snprintf(hex[0] + 2 * i, 3, "%02x", (unsigned int)(unsigned char)marks[m][i]);
			snprintf(hex[1] + 2 * i, 3, "%02X", (unsigned int)(unsigned char)marks[m][i]);
		}
		look_for(where, data, len, "plain", marks[m], n);
		look_for(where, data, len, "hex", hex[0], 2 * n);
		look_for(where, data, len, "hex", hex[1], 2 * n);
		for (size_t shift = 0; shift < 3; shift++) {
			/* whole groups of three bytes only: they look the same wherever the mark stands in a longer text */
			struct stg_error err = { 0 };
			STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(256);
			size_t whole = (n - shift) / 3 * 3;
			journey_must(stg_base64(stg_bytes(marks[m] + shift, whole), &b, &err), &err, "base64");
			look_for(where, data, len, "base64", stg_buf_str(&b), strlen(stg_buf_str(&b)));
		}
	}
}

static int one_file(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(256 << 20);
	(void)at;
	if (kind != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	FILE *f = fopen(path, "rb");
	if (!f)
		return 0;
	char part[65536];
	size_t n;
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		journey_must(stg_buf_add(&b, part, n, &err), &err, path);
	fclose(f);
	struct stg_bytes all = stg_buf_view(&b);
	look_into(path, (const char *)all.data, all.len);
	return 0;
}

static void in_answer(struct journey *j, const char *op, json_t *in)
{
	STG_AUTO(stg_json_free_at) json_t *ret = journey_op(j, op, in, NULL);
	STG_AUTO(stg_free_at) char *text = stg_json_text(ret);
	look_into(op, text, strlen(text));
}

static void put(struct journey *j, const char *folder, const char *name, const char *text)
{
	struct stg_error err = { 0 };
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", j->state, folder);
	journey_must(stg_folder_make(path, 0700, &err), &err, folder);
	snprintf(path, sizeof(path), "%s/%s/%s", j->state, folder, name);
	journey_must(stg_file_write(path, stg_bytes(text, strlen(text)), 0600, &err), &err, name);
}

static const char blueprint[] = "name: secret-wifi\nabout: Wi-Fi by passphrase\nsteps:\n  - identify:\n  - pair:\n"
				"  - install_profile: {profile: secret-wifi, template: yes}\n  - verify:\n";
static const char profile[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict>"
	"<key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>"
	"<key>PayloadIdentifier</key><string>test.secret-wifi</string><key>PayloadUUID</key><string>6D0F1C3E-2B64-4E0C-9B0D-3A52A0E0C101</string>"
	"<key>PayloadDisplayName</key><string>Wi-Fi</string><key>PayloadContent</key><array><dict>"
	"<key>PayloadType</key><string>com.apple.wifi.managed</string><key>PayloadVersion</key><integer>1</integer>"
	"<key>PayloadIdentifier</key><string>test.secret-wifi.1</string><key>PayloadUUID</key><string>6D0F1C3E-2B64-4E0C-9B0D-3A52A0E0C102</string>"
	"<key>SSID_STR</key><string>WARD</string><key>EncryptionType</key><string>WPA2</string><key>AutoJoin</key><true/>"
	"<key>Password</key><string>{{secret.wifi}}</string></dict></array></dict></plist>\n";

static void no_secret_is_found_anywhere_after_a_run(void **state)
{
	(void)state;
	struct journey j;
	char path[160];
	journey_begin(&j, 2, "instant", 5, NULL);
	put(&j, "blueprints", "secret-wifi.yaml", blueprint);
	put(&j, "profiles", "secret-wifi.mobileconfig", profile);
	json_decref(journey_op(&j, "secret.set", json_pack("{s:s, s:s}", "name", "wifi", "value", marks[0]), NULL));
	journey_batch(&j, "secret-wifi", "pool");
	json_decref(journey_op(&j, "target.add", json_pack("{s:s, s:s, s:b, s:{s:s, s:s}, s:{s:s}}", "name", "head-office", "connector", "webhook",
		"replace", 1, "config", "url", stg_json_str(json_object_get(j.bench.ready, "receiver"), "url"), "auth", "bearer",
		"credentials", "token", marks[1]), NULL));
	journey_tell(&j, "plug", "all", NULL, NULL);
	assert_true(journey_wait_staged(&j, 2, 300000));
	assert_true(look_drained(&j));
	STG_AUTO(stg_json_free_at) json_t *device = look_device(&j, journey_serial(&j, 0));
	assert_string_equal(stg_json_str(json_array_get(json_object_get(device, "profiles"), 0), "identifier"), "test.secret-wifi");

	struct stg_error err = { 0 };
	snprintf(path, sizeof(path), "%s/backup.stg", j.dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:s}", "passphrase", marks[2]);
	journey_must(stg_call(&j.caller, "org.backup", in, &fd, 1, NULL, &err), &err, "org.backup");
	close(fd);
	json_decref(journey_op(&j, "user.add", json_pack("{s:s, s:s, s:s}", "name", "anna", "role", "admin", "pin", marks[3]), NULL));

	in_answer(&j, "status", json_object());
	in_answer(&j, "inventory.show", json_pack("{s:s}", "serial", journey_serial(&j, 0)));
	in_answer(&j, "job.show", json_pack("{s:s}", "serial", journey_serial(&j, 0)));
	in_answer(&j, "outbox.list", json_object());
	in_answer(&j, "target.list", json_object());
	in_answer(&j, "audit.list", json_object());
	in_answer(&j, "user.list", json_object());
	in_answer(&j, "secret.list", json_object());
	in_answer(&j, "devices", json_object());
	assert_true(look_drained(&j));
	/* everything: state folder, station's and bench's log, what the receiver wrote down, the backup */
	assert_int_equal(nftw(j.dir, one_file, 16, FTW_PHYS), 0);
	if (found)
		fail_msg("%d places hold a secret", found);
	/* the search itself sees: what is there in clear is found */
	look_into("a check of the search", "x MARK-pin-Wc6Xu4Me2o y", 23);
	assert_int_equal(found, 1);
	journey_end(&j);
}

static const char ward[] = "name: kept-token\nabout: A token is kept\nsteps:\n  - identify:\n  - pair:\n  - activate:\n  - supervise:\n  - escrow_unlock_token:\n  - verify:\n";

/* The command as a person types it; what it prints is looked into as well. */
static int typed(struct journey *j, const char *input, const char *words)
{
	char command[9000];
	snprintf(command, sizeof(command), "printf '%s' | %s %s --as tester --state %s >>%s/out 2>&1", input, j->program, words, j->state, j->dir);
	int status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A token opens a phone: from the device to the recovery key and back it is nowhere to be read, sealed or opened, used or not. */
static void no_unlock_token_is_found_anywhere_kept_or_opened(void **state)
{
	(void)state;
	struct journey j;
	char key[160], words[600], input[200];
	found = 0;
	journey_begin(&j, 1, "instant", 6, NULL);
	const char *serial = journey_serial(&j, 0);
	put(&j, "blueprints", "kept-token.yaml", ward);
	snprintf(key, sizeof(key), "%s/recovery.pem", j.dir);
	snprintf(words, sizeof(words), "org recovery-make %s", key);
	snprintf(input, sizeof(input), "%s\\n", marks[5]);
	assert_int_equal(typed(&j, input, words), 0);
	json_decref(journey_op(&j, "user.add", json_pack("{s:s, s:s, s:s}", "name", "anna", "role", "admin", "pin", "246810"), NULL));
	json_decref(journey_op(&j, "user.add", json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", "tester", "role", "admin", "pin", "135791", "second",
							 "anna", "second_pin", "246810"), NULL));
	journey_tell(&j, "set", serial, "next_token", marks[4]);
	journey_batch(&j, "kept-token", "pool");
	journey_tell(&j, "plug", "all", NULL, NULL);
	assert_true(journey_wait_staged(&j, 1, LOOK_MS));
	assert_true(look_drained(&j));
	assert_int_equal(look_sent(&j, serial, "RequestUnlockToken"), 1);

	/* it comes back locked, is opened, and what was opened is used */
	journey_tell(&j, "unplug", serial, NULL, NULL);
	journey_tell(&j, "set", serial, "at_home_screen", "true");
	journey_tell(&j, "set", serial, "locked", "true");
	journey_tell(&j, "plug", serial, NULL, NULL);
	journey_let_pass(&j, 2, 10000);
	snprintf(words, sizeof(words), "unlock %s --key %s --second anna", serial, key);
	snprintf(input, sizeof(input), "246810\\n%s\\n", marks[5]);
	int opened = typed(&j, input, words);
	STG_AUTO(stg_json_free_at) json_t *back = look_device(&j, serial);
	assert_int_equal(opened, 0);
	assert_false(stg_json_bool(back, "locked", true));

	in_answer(&j, "inventory.show", json_pack("{s:s}", "serial", serial));
	in_answer(&j, "unlock.list", json_object());
	in_answer(&j, "job.show", json_pack("{s:s}", "serial", serial));
	in_answer(&j, "audit.list", json_object());
	in_answer(&j, "outbox.list", json_object());
	snprintf(words, sizeof(words), "inventory show %s", serial);
	assert_int_equal(typed(&j, "", words), 0);
	assert_int_equal(nftw(j.dir, one_file, 16, FTW_PHYS), 0);
	if (found)
		fail_msg("%d places hold a secret", found);
	/* that one is kept, sealed to which key and when it was opened, stands with the device */
	STG_AUTO(stg_json_free_at) json_t *shown = journey_op(&j, "inventory.show", json_pack("{s:s}", "serial", serial), NULL);
	const json_t *kept = json_array_get(json_object_get(shown, "escrow"), 0);
	assert_string_equal(stg_json_str(kept, "kind"), "unlock_token");
	assert_int_equal(strlen(stg_json_str(kept, "key_sha256")), 64);
	assert_true(stg_json_int(kept, "opened_ms", 0) > 0);
	journey_end(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_secret_is_found_anywhere_after_a_run),
		cmocka_unit_test(no_unlock_token_is_found_anywhere_kept_or_opened),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
