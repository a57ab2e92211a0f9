/*
 * test_command.c - what only the supervisor may tell a device, and what a device that is not ours answers.
 */
#include "desk.h"

/* Trusted, activated, supervised by us, with a person's Home Screen. */
static struct stg_device *ours(struct desk *d)
{
	STG_AUTO(stg_buf_clear) struct stg_buf der = { 0 };
	struct stg_supervision what = supervision(&der);
	struct stg_device *dev = desk_open(d);
	DO(stg_device_pair(dev, &err));
	DO(stg_device_supervise(dev, &what, NULL, &err));
	return dev;
}

static bool has_passcode(struct stg_device *dev)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *now = stg_device_security_info(dev, &err);
	assert_true(said(now != NULL, &err, __FILE__, __LINE__));
	assert_true(json_is_boolean(json_object_get(now, "passcode_present")));
	return stg_json_bool(now, "passcode_present", false);
}

static void a_device_that_is_not_ours_does_nothing_of_it(void **state)
{
	struct desk d;
	STG_AUTO(stg_secret_clear) struct stg_secret token = { 0 };
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	DO(stg_device_pair(dev, &err));
	NO(stg_device_unlock_token(dev, &token, &err), STG_E_REFUSED, STG_ID_NOT_OUR_SUPERVISION);
	NO(stg_device_security_info(dev, &err) != NULL, STG_E_REFUSED, STG_ID_NOT_OUR_SUPERVISION);
	NO(stg_device_set_wallpaper(dev, stg_bytes("x", 1), STG_WALLPAPER_BOTH, &err), STG_E_REFUSED, STG_ID_NOT_OUR_SUPERVISION);
	NO(stg_device_wifi_power(dev, false, &err), STG_E_REFUSED, STG_ID_NOT_OUR_SUPERVISION);
	NO(stg_device_clear_restrictions_password(dev, &err), STG_E_REFUSED, STG_ID_NOT_OUR_SUPERVISION);
	assert_false(stg_secret_is_set(&token));
	assert_int_equal(count_of(&d.bench, d.bench.udid, "com.apple.mobile.MCInstall RequestUnlockToken"), 0);
	desk_end(&d);
}

static void no_token_is_given_once_a_passcode_is_set(void **state)
{
	struct desk d;
	STG_AUTO(stg_secret_clear) struct stg_secret token = { 0 };
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = ours(&d);
	tell(&d.bench, "set %s has_passcode true", d.bench.udid);
	NO(stg_device_unlock_token(dev, &token, &err), STG_E_REFUSED, STG_ID_PASSCODE_NO_TOKEN);
	assert_true(has_passcode(dev));
	desk_end(&d);
}

static void the_token_of_staging_opens_the_phone_that_comes_back_locked(void **state)
{
	struct desk d;
	STG_AUTO(stg_secret_clear) struct stg_secret token = { 0 }, wrong = { 0 };
	(void)state;
	desk_begin(&d, "--iphones", "1");
	struct stg_device *dev = ours(&d);
	assert_false(has_passcode(dev));
	DO(stg_device_unlock_token(dev, &token, &err));
	stg_device_close(dev);

	tell(&d.bench, "set %s at_home_screen true", d.bench.udid);
	tell(&d.bench, "set %s locked true", d.bench.udid);
	dev = desk_open(&d);
	assert_true(has_passcode(dev));      /* told by a locked device, without waiting for a hand */
	DO(stg_secret_random(&wrong, 40, &err));
	NO(stg_device_clear_passcode(dev, &wrong, &err), STG_E_REFUSED, STG_ID_TOKEN_REFUSED);
	assert_true(has_passcode(dev));
	DO(stg_device_clear_passcode(dev, &token, &err));
	assert_false(has_passcode(dev));
	STG_AUTO(stg_json_free_at) json_t *there = show(&d.bench, d.bench.udid);
	assert_false(stg_json_bool(there, "locked", true));
	/* unlocked, it takes everything else again */
	DO(stg_device_install_profile(dev, stg_bytes_str(profile_text("after")), STG_INSTALL_SILENT, &err));
	stg_device_close(dev);
	desk_end(&d);
}

static void a_lost_answer_to_the_request_for_a_token_is_not_repeated(void **state)
{
	struct desk d;
	STG_AUTO(stg_secret_clear) struct stg_secret token = { 0 };
	struct stg_error lost = { 0 };
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = ours(&d);
	tell(&d.bench, "fault %s no_reply RequestUnlockToken", d.bench.udid);
	assert_false(stg_device_unlock_token(dev, &token, &lost));
	assert_int_equal(lost.code, STG_E_UNKNOWN);
	assert_int_equal(count_of(&d.bench, d.bench.udid, "com.apple.mobile.MCInstall RequestUnlockToken"), 1);
	DO(stg_device_unlock_token(dev, &token, &err));
	assert_true(stg_secret_is_set(&token));
	desk_end(&d);
}

static void a_wallpaper_goes_where_it_was_meant_and_a_bad_one_is_refused(void **state)
{
	static const uint8_t png[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 0 };
	struct desk d;
	char sha256[65];
	(void)state;
	desk_begin(&d, "--ipads", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = ours(&d);
	/* the request is acknowledged, the item is not */
	NO(stg_device_set_wallpaper(dev, stg_bytes_str("GIF89a"), STG_WALLPAPER_LOCK, &err), STG_E_REFUSED, STG_ID_SETTING_REFUSED);
	DO(stg_device_set_wallpaper(dev, stg_bytes(png, sizeof(png)), STG_WALLPAPER_LOCK, &err));
	STG_AUTO(stg_json_free_at) json_t *there = show(&d.bench, d.bench.udid);
	stg_sha256_hex(stg_bytes(png, sizeof(png)), sha256);
	assert_string_equal(stg_json_str(there, "wallpaper_lock"), sha256);
	assert_string_equal(stg_json_str(there, "wallpaper_home"), "");
	desk_end(&d);
}

static void wifi_goes_off_and_on_and_restrictions_are_cleared(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = ours(&d);
	DO(stg_device_wifi_power(dev, false, &err));
	STG_AUTO(stg_json_free_at) json_t *off = show(&d.bench, d.bench.udid);
	assert_true(stg_json_bool(off, "wifi_off", false));
	DO(stg_device_wifi_power(dev, true, &err));
	DO(stg_device_clear_restrictions_password(dev, &err));
	desk_end(&d);
}

static void a_device_switched_off_still_answers_until_it_is_let_go(void **state)
{
	struct desk d;
	struct stg_identity who;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	struct stg_device *dev = desk_open(&d);
	DO(stg_device_pair(dev, &err));
	DO(stg_device_shutdown(dev, &err));
	DO(stg_device_identify(dev, &who, &err));
	STG_AUTO(stg_json_free_at) json_t *before = show(&d.bench, d.bench.udid);
	assert_true(stg_json_bool(before, "on", false));
	stg_device_close(dev);
	int64_t until = stg_boot_ms() + HOST_TIMEOUT_MS;
	for (bool on = true; on;) {
		STG_AUTO(stg_json_free_at) json_t *there = show(&d.bench, d.bench.udid);
		on = stg_json_bool(there, "on", true);
		assert_true(stg_boot_ms() < until);
	}
	desk_end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_that_is_not_ours_does_nothing_of_it),
		cmocka_unit_test(no_token_is_given_once_a_passcode_is_set),
		cmocka_unit_test(the_token_of_staging_opens_the_phone_that_comes_back_locked),
		cmocka_unit_test(a_lost_answer_to_the_request_for_a_token_is_not_repeated),
		cmocka_unit_test(a_wallpaper_goes_where_it_was_meant_and_a_bad_one_is_refused),
		cmocka_unit_test(wifi_goes_off_and_on_and_restrictions_are_cleared),
		cmocka_unit_test(a_device_switched_off_still_answers_until_it_is_let_go),
	};
	return cmocka_run_group_tests(tests, office_open, office_close);
}
