/*
 * test_ipa.c - the repository: what an app says of itself, which files are turned away, and what becomes of the folder.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "ipa.h"

#include <stager/apps.h>
#include <stager/error.h>
#include <stager/file.h>

static char dir[64];

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/stgapps-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[100];
	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static const char *file(const char *name)
{
	static char path[300];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static json_t *add(const char *path, const char *document, struct stg_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	stg_error_reset(err);
	json_t *row = stg_apps_add(dir, fd, path, document, "tester", err);
	close(fd);
	return row;
}

static json_t *add_ipa(const struct ipa *a, struct stg_error *err)
{
	ipa_make(file("x.ipa"), a);
	return add(file("x.ipa"), NULL, err);
}

static size_t files_in_repository(void)
{
	size_t n = 0;
	DIR *d = opendir(file("apps"));
	const struct dirent *e;
	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.' || strlen(e->d_name) > 2;
	if (d)
		closedir(d);
	return n;
}

/* ---- what is turned away ---- */

static void a_spoilt_package_is_turned_away_and_leaves_nothing(void **state)
{
	(void)state;
	static const struct {
		struct ipa ipa;
		enum stg_id id;
	} cases[] = {
		{ { .id = "org.example.tool", .version = "1", .build = "1", .more_name = "Payload/../../etc/cron.d/x", .more = "x" }, STG_ID_APP_FILE_HOSTILE },
		{ { .id = "org.example.tool", .version = "1", .build = "1", .more_name = "/etc/passwd", .more = "x" }, STG_ID_APP_FILE_HOSTILE },
		{ { .id = "org.example.tool", .version = "1", .build = "1", .more_name = "Payload/a\\b", .more = "x" }, STG_ID_APP_FILE_HOSTILE },
		{ { .id = "org.example.tool", .version = "1", .build = "1", .more_name = "Payload/Tool.app/l", .more = "/etc", .link = true },
		  STG_ID_APP_FILE_HOSTILE },
		{ { .id = "org.example.tool", .version = "1", .build = "1", .more_name = "Payload/Two.app/Info.plist", .more = "x" }, STG_ID_APP_FILE_HOSTILE },
		{ { .id = "org/../example", .version = "1", .build = "1" }, STG_ID_NOT_AN_APP },
		{ { .id = "", .version = "1", .build = "1" }, STG_ID_NOT_AN_APP },
		{ { .id = "org.example.tool", .version = "", .build = "" }, STG_ID_NOT_AN_APP },
		{ { .id = "<!DOCTYPE x", .version = "1", .build = "1" }, STG_ID_NOT_AN_APP },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		struct stg_error err = { 0 };
		json_t *row = add_ipa(&cases[i].ipa, &err);
		if (row || err.id != cases[i].id || err.code != STG_E_INPUT)
			fail_msg("case %zu: %s (%u) %s", i, stg_code_name(err.code), (unsigned int)err.id, err.msg);
	}
	assert_int_equal(files_in_repository(), 0);
}

static void put_le(FILE *f, uint64_t v, int n)
{
	while (n--) {
		fputc((int)(v & 0xff), f);
		v >>= 8;
	}
}

/* A list of entries that says it is endless, in both forms. */
static void a_list_that_claims_to_be_endless_costs_no_memory(void **state)
{
	(void)state;
	for (int wide = 0; wide < 2; wide++) {
		struct stg_error err = { 0 };
		FILE *f = fopen(file("bomb.ipa"), "w");
		assert_non_null(f);
		if (wide) {
			fputs("PK\6\6", f);
			put_le(f, 44, 8);
			put_le(f, 0, 12);
			put_le(f, 90000000, 8);
			put_le(f, 90000000, 8);
			put_le(f, 4000000000u, 8);
			put_le(f, 0, 8);
			fputs("PK\6\7", f);
			put_le(f, 0, 4);
			put_le(f, 0, 8);
			put_le(f, 1, 4);
		}
		fputs("PK\5\6", f);
		put_le(f, 0, 4);
		put_le(f, wide ? 0xffff : 65000, 2);
		put_le(f, wide ? 0xffff : 65000, 2);
		put_le(f, wide ? 0xffffffffu : 3000000000u, 4);
		put_le(f, 0, 6);
		fclose(f);
		assert_null(add(file("bomb.ipa"), NULL, &err));
		assert_int_equal(err.id, STG_ID_APP_FILE_HOSTILE);
	}
}

static void entry(FILE *f, bool central, const char *name, uint32_t packed, uint32_t size, uint32_t at)
{
	fputs(central ? "PK\1\2" : "PK\3\4", f);
	put_le(f, 20, central ? 4 : 2);
	put_le(f, 0, 2);
	put_le(f, packed == size ? 0 : 8, 2);
	put_le(f, 0, 8);
	put_le(f, packed, 4);
	put_le(f, size, 4);
	put_le(f, strlen(name), 2);
	put_le(f, 0, 2);
	if (central) {
		put_le(f, 0, 10);
		put_le(f, at, 4);
	}
	fputs(name, f);
}

/* Entries that lie over one another, and one that claims to grow a thousandfold. */
static void a_bomb_is_turned_away_before_it_is_opened(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		struct stg_error err = { 0 };
		FILE *f = fopen(file("bomb.ipa"), "w");
		assert_non_null(f);
		char body[20000] = { 0 }, name[40];
		entry(f, false, "Payload/T.app/Info.plist", sizeof(body), sizeof(body), 0);
		fwrite(body, sizeof(body), 1, f);
		long list = ftell(f);
		int n = kind ? 2 : 50;
		for (int i = 0; i < n; i++) {
			snprintf(name, sizeof(name), i ? "Payload/T.app/%d" : "Payload/T.app/Info.plist", i);
			entry(f, true, name, kind && i ? 100 : sizeof(body), kind && i ? 1500u << 20 : sizeof(body), 0);
		}
		long end = ftell(f);
		fputs("PK\5\6", f);
		put_le(f, 0, 4);
		put_le(f, (uint64_t)n, 2);
		put_le(f, (uint64_t)n, 2);
		put_le(f, (uint64_t)(end - list), 4);
		put_le(f, (uint64_t)list, 4);
		put_le(f, 0, 2);
		fclose(f);
		json_t *row = add(file("bomb.ipa"), NULL, &err);
		if (row || err.id != STG_ID_APP_FILE_HOSTILE)
			fail_msg("kind %d: %u %s", kind, (unsigned int)err.id, err.msg);
	}
}

static void a_file_that_is_no_archive_or_cut_short_is_named_as_such(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	struct stat st;
	assert_true(stg_file_write(file("t.ipa"), stg_bytes_str("hello"), 0600, &err));
	assert_null(add(file("t.ipa"), NULL, &err));
	assert_int_equal(err.id, STG_ID_NOT_AN_APP);
	ipa_make(file("t.ipa"), &(struct ipa){ .id = "org.example.tool", .version = "1", .build = "1", .bytes = 200000 });
	assert_int_equal(stat(file("t.ipa"), &st), 0);
	assert_int_equal(truncate(file("t.ipa"), st.st_size / 2), 0);
	assert_null(add(file("t.ipa"), NULL, &err));
	assert_int_equal(err.id, STG_ID_NOT_AN_APP);
	assert_int_equal(truncate(file("t.ipa"), 0), 0);
	assert_null(add(file("t.ipa"), NULL, &err));
	assert_int_equal(err.id, STG_ID_NOT_AN_APP);
}

/* ---- what it says of itself ---- */

static void an_app_tells_version_signer_and_expiry(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = add_ipa(&(struct ipa){ .id = "org.example.tool", .version = "1.2", .build = "42", .until = "2031-05-06",
									.bytes = 70000 }, &err);
	if (!row)
		fail_msg("%s", err.msg);
	assert_string_equal(stg_json_str(row, "kind"), "app");
	assert_string_equal(stg_json_str(row, "bundle_id"), "org.example.tool");
	assert_string_equal(stg_json_str(row, "version"), "1.2");
	assert_string_equal(stg_json_str(row, "build"), "42");
	assert_string_equal(stg_json_str(row, "minimum_os"), "15.0");
	assert_string_equal(stg_json_str(row, "signing"), "enterprise");
	assert_string_equal(stg_json_str(row, "signer"), "North Hospital (ABCDE12345)");
	assert_int_equal(stg_json_int(row, "expires_ms", 0), 1935792000000ll);
	assert_int_equal(json_array_size(json_object_get(row, "families")), 2);
	assert_true(stg_json_int(row, "expanded", 0) > 70000);
	assert_string_equal(stg_json_str(row, "added_by"), "tester");
	assert_null(json_object_get(row, "warnings"));
	assert_int_equal(files_in_repository(), 2);
	/* the hash is that of the file, and the bytes are kept */
	STG_AUTO(stg_buf_clear) struct stg_buf bytes = STG_BUF(1 << 20);
	char hash[65];
	assert_true(stg_file_read(file("x.ipa"), &bytes, &err));
	stg_sha256_hex(stg_buf_view(&bytes), hash);
	assert_string_equal(stg_json_str(row, "sha256"), hash);
	int fd = stg_apps_open(dir, hash, (int64_t)bytes.len, &err);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(stg_apps_open(dir, hash, (int64_t)bytes.len + 1, &err), -1);
	assert_int_equal(err.id, STG_ID_APP_FILE_DAMAGED);
	assert_int_equal(stg_apps_open(dir, "../../etc/passwd", 3, &err), -1);
}

static bool warns(const json_t *row, const char *what)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(row, "warnings"), i, one)
		if (strstr(json_string_value(one), what))
			return true;
	return false;
}

static void what_no_device_will_take_is_told_at_once(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *old = add_ipa(&(struct ipa){ .id = "org.example.a", .version = "1", .build = "1", .until = "2020-01-01" }, &err);
	STG_AUTO(stg_json_free_at) json_t *none = add_ipa(&(struct ipa){ .id = "org.example.b", .version = "1", .build = "1", .signing = "none" }, &err);
	STG_AUTO(stg_json_free_at) json_t *named = add_ipa(&(struct ipa){ .id = "org.example.c", .version = "1", .build = "1", .signing = "ad-hoc",
									  .udid = "00008101-001A65EB695BD626" }, &err);
	STG_AUTO(stg_json_free_at) json_t *bought = add_ipa(&(struct ipa){ .id = "org.example.d", .version = "1", .build = "1", .signing = "store" }, &err);
	assert_true(old && none && named && bought);
	assert_true(warns(old, "expired"));
	assert_true(warns(none, "no signature"));
	assert_string_equal(stg_json_str(named, "signing"), "ad-hoc");
	assert_string_equal(json_string_value(json_array_get(json_object_get(named, "devices"), 0)), "00008101-001A65EB695BD626");
	assert_true(warns(bought, "App Store"));
	/* what goes along with it is kept, and shown to nobody */
	assert_null(json_object_get(bought, "extras"));
	STG_AUTO(stg_json_free_at) json_t *extras = stg_apps_extras(dir, stg_json_str(bought, "sha256"), &err);
	assert_string_equal(stg_json_str(extras, "sinf"), "c2luZg==");
	STG_AUTO(stg_json_free_at) json_t *list = stg_apps_list(dir, &err);
	assert_int_equal(json_array_size(list), 4);
	assert_null(json_object_get(json_array_get(list, 3), "extras"));
}

/* ---- finding ---- */

static void must_find(const char *key, const char *version)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = stg_apps_find(dir, key, &err);
	if (!row)
		fail_msg("%s: %s", key, err.msg);
	assert_string_equal(stg_json_str(row, "version"), version);
}

static void the_newest_version_is_meant_unless_one_is_named(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	static const char *const versions[][2] = { { "1.9", "19" }, { "1.10", "110" }, { "1.2", "12" } };
	for (size_t i = 0; i < STG_ARRAY_LEN(versions); i++)
		json_decref(add_ipa(&(struct ipa){ .id = "org.example.tool", .version = versions[i][0], .build = versions[i][1] }, &err));
	json_decref(add_ipa(&(struct ipa){ .id = "org.example.toolbox", .version = "9", .build = "9" }, &err));
	must_find("app:org.example.tool", "1.10");
	must_find("app:org.example.tool@1.2", "1.2");
	must_find("app:org.example.tool@19", "1.9");
	assert_null(stg_apps_find(dir, "app:org.example.tool@3", &err));
	assert_int_equal(err.id, STG_ID_APP_UNKNOWN);
	assert_null(stg_apps_find(dir, "document:org.example.tool", &err));
	assert_int_equal(err.id, STG_ID_DOCUMENT_UNKNOWN);
	assert_int_equal(stg_app_version_compare("1.2", "1.2.0"), 0);
	assert_int_equal(stg_app_version_compare("2.0b1", "2.0b2"), -1);
}

static void a_document_keeps_its_name_and_a_newer_one_takes_its_place(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	static const char *const wrong[] = { "", "../plan.txt", "a/b", ".hidden", "a\nb" };
	assert_true(stg_file_write(file("plan.txt"), stg_bytes_str("one"), 0600, &err));
	for (size_t i = 0; i < STG_ARRAY_LEN(wrong); i++) {
		assert_null(add(file("plan.txt"), wrong[i], &err));
		assert_int_equal(err.id, STG_ID_DOCUMENT_NAME);
	}
	json_decref(add(file("plan.txt"), "Plan d'étage.txt", &err));
	assert_true(stg_file_write(file("plan.txt"), stg_bytes_str("two"), 0600, &err));
	STG_AUTO(stg_json_free_at) json_t *second = add(file("plan.txt"), "Plan d'étage.txt", &err);
	STG_AUTO(stg_json_free_at) json_t *found = stg_apps_find(dir, "document:Plan d'étage.txt", &err);
	assert_non_null(found);
	assert_string_equal(stg_json_str(found, "sha256"), stg_json_str(second, "sha256"));
	assert_true(stg_apps_remove(dir, stg_json_str(second, "sha256"), &err));
	STG_AUTO(stg_json_free_at) json_t *first = stg_apps_find(dir, "document:Plan d'étage.txt", &err);
	assert_non_null(first);
	assert_string_not_equal(stg_json_str(first, "sha256"), stg_json_str(second, "sha256"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_spoilt_package_is_turned_away_and_leaves_nothing),
		TEST(a_list_that_claims_to_be_endless_costs_no_memory),
		TEST(a_bomb_is_turned_away_before_it_is_opened),
		TEST(a_file_that_is_no_archive_or_cut_short_is_named_as_such),
		TEST(an_app_tells_version_signer_and_expiry),
		TEST(what_no_device_will_take_is_told_at_once),
		TEST(the_newest_version_is_meant_unless_one_is_named),
		TEST(a_document_keeps_its_name_and_a_newer_one_takes_its_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
