/*
 * test_load.c - which file a blueprint's name means, and what is pinned with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <stager/blueprint.h>
#include <stager/error.h>
#include <stager/file.h>
#include <stager/registry.h>

static char state_dir[128];

static void put(const char *sub, const char *name, const char *text)
{
	char path[256];
	struct stg_error err = { 0 };
	snprintf(path, sizeof(path), "%s/%s", state_dir, sub);
	assert_true(stg_folder_make(path, 0700, &err));
	snprintf(path, sizeof(path), "%s/%s/%s", state_dir, sub, name);
	if (!stg_file_write(path, stg_bytes_str(text), 0600, &err))
		fail_msg("%s", err.msg);
}

static int begin(void **state)
{
	(void)state;
	const char *tmp = getenv("TMPDIR");
	snprintf(state_dir, sizeof(state_dir), "%s/blueprints.XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(state_dir) ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	char text[200];
	snprintf(text, sizeof(text), "rm -rf '%s'", state_dir);
	return system(text);
}

static void the_states_own_file_comes_before_the_built_in_one(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	json_t *shipped = stg_blueprint_load(state_dir, "returned-phone-wipe", NULL, &err);
	assert_non_null(shipped);
	assert_true(stg_json_bool(shipped, "erases", false));
	put("blueprints", "returned-phone-wipe.yaml", "name: returned-phone-wipe\nabout: mine\nsteps:\n  - identify:\n");
	json_t *mine = stg_blueprint_load(state_dir, "returned-phone-wipe", NULL, &err);
	assert_non_null(mine);
	assert_false(stg_json_bool(mine, "erases", true));
	json_decref(shipped);
	json_decref(mine);
}

static void refused(const char *name, const char *says)
{
	struct stg_error err = { 0 };
	json_t *o = stg_blueprint_load(state_dir, name, NULL, &err);
	if (o || err.code != STG_E_INPUT || !strstr(err.msg, says))
		fail_msg("%s: %s '%s' does not say '%s'", name, stg_code_name(err.code), err.msg, says);
}

static void what_cannot_be_meant_is_refused_with_a_hint(void **state)
{
	(void)state;
	refused("iphone-new-in-bx", "'iphone-new-in-bx'; 'iphone-new-in-box'?");
	refused("nothing-like-it", "'nothing-like-it'");
	refused("..", "not a blueprint's name");
	refused("", "not a blueprint's name");
	refused("/nowhere/at/all.yaml", "/nowhere/at/all.yaml");
	put("blueprints", "one.yaml", "name: another\nsteps:\n  - identify:\n");
	refused("one", "names itself 'another'");
	/* a broken file of one's own is told, not silently replaced by the built-in one */
	put("blueprints", "iphone-new-in-box.yaml", "name: iphone-new-in-box\nsteps:\n  - idntify:\n");
	refused("iphone-new-in-box", ":3: unknown step 'idntify'");
}

static void a_list_shows_each_name_once_and_says_what_is_broken(void **state)
{
	(void)state;
	put("blueprints", "ipad-hospital-ward.yaml", "name: ipad-hospital-ward\nabout: ours\nsteps:\n  - identify:\n");
	put("blueprints", "broken.yaml", "name: broken\n");
	json_t *list = stg_blueprint_list(state_dir);
	int ward = 0, broken = 0, built_in = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		if (strcmp(stg_json_str(one, "name"), "ipad-hospital-ward") == 0) {
			ward++;
			assert_string_equal(stg_json_str(one, "where"), "state");
			assert_string_equal(stg_json_str(one, "about"), "ours");
		}
		if (strcmp(stg_json_str(one, "name"), "broken") == 0) {
			broken++;
			assert_non_null(strstr(stg_json_str(one, "error"), "no steps"));
		}
		built_in += strcmp(stg_json_str(one, "where"), "built-in") == 0;
	}
	assert_int_equal(ward, 1);
	assert_int_equal(broken, 1);
	assert_true(built_in >= 1);
	json_decref(list);
}

static const char PROFILE[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict><key>PayloadType</key><string>Configuration</string>"
	"<key>PayloadVersion</key><integer>1</integer><key>PayloadIdentifier</key><string>org.example.mine</string>"
	"<key>PayloadUUID</key><string>5E0F7C2A-77F4-4B0E-8A5D-0123456789AB</string><key>PayloadContent</key><array/></dict></plist>\n";

static void the_profiles_a_blueprint_names_are_pinned_with_their_bytes(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	json_t *b = stg_blueprint_parse("b.yaml", stg_bytes_str("name: b\nsteps:\n  - pair:\n  - install_profile: {profile: mine}\n"
							       "  - install_profile: {profile: root-ca, template: yes}\n"), NULL, &err);
	assert_non_null(b);
	json_t *none = stg_blueprint_profiles(state_dir, b, &err);
	assert_null(none);
	assert_int_equal(err.code, STG_E_INPUT);
	assert_non_null(strstr(err.msg, "step 02-install_profile-mine"));
	put("profiles", "mine.mobileconfig", "this is no property list");
	stg_error_reset(&err);
	assert_null(stg_blueprint_profiles(state_dir, b, &err));
	assert_int_equal(err.code, STG_E_INPUT);

	put("profiles", "mine.mobileconfig", PROFILE);
	stg_error_reset(&err);
	json_t *p = stg_blueprint_profiles(state_dir, b, &err);
	if (!p)
		fail_msg("%s", err.msg);
	char hash[65];
	stg_sha256_hex(stg_bytes_str(PROFILE), hash);
	assert_string_equal(stg_json_str(json_object_get(p, "mine"), "sha256"), hash);
	assert_false(stg_json_bool(json_object_get(p, "mine"), "template", true));
	assert_true(stg_json_bool(json_object_get(p, "root-ca"), "template", false));
	struct stg_buf bytes = STG_BUF(4096);
	assert_true(stg_unbase64(stg_json_str(json_object_get(p, "mine"), "base64"), &bytes, &err));
	assert_string_equal(stg_buf_str(&bytes), PROFILE);
	stg_buf_clear(&bytes);
	json_decref(p);
	json_decref(b);
}

static void every_shipped_blueprint_finds_its_profiles(void **state)
{
	(void)state;
	for (const struct stg_data *d = stg_data; d->path; d++) {
		struct stg_error err = { 0 };
		if (strncmp(d->path, "profiles/blueprints/", 20) != 0)
			continue;
		/* some are given values where they are used: an app has no default */
		json_t *b = stg_blueprint_check(d->path, stg_bytes(d->bytes, d->len), &err);
		assert_non_null(b);
		json_t *p = stg_blueprint_profiles("", b, &err);
		if (!p)
			fail_msg("%s: %s", d->path, err.msg);
		json_decref(p);
		json_decref(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_states_own_file_comes_before_the_built_in_one, begin, end),
		cmocka_unit_test_setup_teardown(what_cannot_be_meant_is_refused_with_a_hint, begin, end),
		cmocka_unit_test_setup_teardown(a_list_shows_each_name_once_and_says_what_is_broken, begin, end),
		cmocka_unit_test_setup_teardown(the_profiles_a_blueprint_names_are_pinned_with_their_bytes, begin, end),
		cmocka_unit_test(every_shipped_blueprint_finds_its_profiles),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
