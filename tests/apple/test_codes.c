/*
 * test_codes.c - the failure doctor: every code that can reach us has its sentence, its act and what the station tries.
 *
 * The lists walked here are not our own: libimobiledevice's and libusb's headers as they are installed, the errno names of
 * the kernel's page, the numbers of the profile service as its domains publish them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stager/bytes.h>
#include <stager/codes.h>
#include <stager/file.h>
#include <stager/registry.h>

static const struct stg_codes *table(const char *protocol)
{
	for (const struct stg_codes *const *t = stg_code_tables; *t; t++)
		if (stg_codes_is(*t, protocol))
			return *t;
	fail_msg("no table of %s", protocol);
	return NULL;
}

static const struct stg_code_row *number(const char *protocol, const char *domain, int code)
{
	const struct stg_code_row *r = stg_codes_by_number(table(protocol), domain, code);
	if (!r)
		fail_msg("%s %s %d has no meaning", protocol, domain ? domain : "", code);
	return r;
}

/* "APPLICATION_SANDBOX_FAILED" and "ApplicationSandboxFailed" are one word. */
static bool same_word(const char *enumerator, const char *name)
{
	for (;; name++, enumerator++) {
		while (*enumerator == '_')
			enumerator++;
		if (toupper((unsigned char)*name) != *enumerator)
			return false;
		if (!*name)
			return true;
	}
}

/* Every PREFIX_X = N of the header but success: a row of that number, and the word where the row has one. */
static void walk_header(const char *path, const char *prefix, const char *protocol, size_t least)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(1u << 20);
	size_t found = 0;
	if (!stg_file_read(path, &text, &err))
		fail_msg("%s: %s", path, err.msg);
	for (const char *at = stg_buf_str(&text); (at = strstr(at, prefix)); at++) {
		char name[100] = "";
		int n = 0;
		if (sscanf(at + strlen(prefix), "%99[A-Z0-9_] = %d", name, &n) != 2 || n == 0 || strcmp(name, "FORCE_SIGNED_TYPE") == 0)
			continue;
		const struct stg_code_row *r = number(protocol, NULL, n);
		bool spelt = false, any = false;
		for (const struct stg_code_row *s = table(protocol)->rows; s->id; s++)
			if (s->first == n && s->name) {
				any = true;
				spelt = spelt || same_word(name, s->name);
			}
		if (any && !spelt && strcmp(name, "UNKNOWN_ERROR") != 0)
			fail_msg("%s %d is called %s, our row says %s", protocol, n, name, r->name);
		found++;
	}
	if (found < least)
		fail_msg("%s: only %zu codes of %s were found", path, found, prefix);
}

static void every_code_of_the_libraries_headers_has_a_meaning(void **state)
{
	(void)state;
	walk_header("/usr/include/libimobiledevice/lockdown.h", "LOCKDOWN_E_", "lockdown", 35);
	walk_header("/usr/include/libimobiledevice/installation_proxy.h", "INSTPROXY_E_", "installation_proxy", 60);
	walk_header("/usr/include/libimobiledevice/afc.h", "AFC_E_", "AFC", 25);
	walk_header("/usr/include/libimobiledevice/libimobiledevice.h", "IDEVICE_E_", "idevice", 6);
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(1u << 20);
	size_t found = 0;
	assert_true(stg_file_read("/usr/include/libusb-1.0/libusb.h", &text, NULL));
	for (const char *at = stg_buf_str(&text); (at = strstr(at, "\tLIBUSB_ERROR_")); at++) {
		char name[60];
		int n;
		if (sscanf(at + 1, "%59[A-Z_] = %d", name, &n) == 2) {
			assert_string_equal(number("libusb", NULL, n)->name, name);
			found++;
		}
	}
	assert_in_range(found, 13, 40);
}

static void every_number_of_the_profile_service_has_a_meaning(void **state)
{
	static const struct {
		const char *domain;
		int first, last;
	} seen[] = {
		{ "MCTunnelErrorDomain", 14000, 14005 }, { "MCCloudConfigErrorDomain", 33000, 33023 }, { "MCProfileErrorDomain", 1000, 1010 },
		{ "MCPayloadErrorDomain", 2000, 2005 }, { "MCInstallationErrorDomain", 4000, 4031 }, { "MCPasscodeErrorDomain", 5000, 5018 },
		{ "MCCertificateErrorDomain", 9000, 9006 }, { "MCMDMErrorDomain", 12000, 12076 }, { "MCWiFiErrorDomain", 13000, 13005 },
		{ "MCSettingsErrorDomain", 28000, 28002 }, { "MCChaperoneErrorDomain", 29000, 29003 }, { "MCSingleAppErrorDomain", 32000, 32000 },
		{ "MCKeybagErrorDomain", 37000, 37002 },
	};
	(void)state;
	for (size_t i = 0; i < STG_ARRAY_LEN(seen); i++)
		for (int n = seen[i].first; n <= seen[i].last; n++) {
			char newer[60];
			snprintf(newer, sizeof(newer), "D%s", seen[i].domain);
			assert_ptr_equal(number("MCInstall", seen[i].domain, n), number("MCInstall", newer, n));
		}
	assert_int_equal(number("keybag", NULL, 37002)->id, STG_ID_PASSCODE_NO_TOKEN);
	/* a number of another domain is another number */
	assert_null(stg_codes_by_number(table("MCInstall"), "MCWiFiErrorDomain", 14002));
}

static void every_number_of_the_kernel_and_of_usbmuxd_has_a_meaning(void **state)
{
	static const int usb[] = { ENOMEM, EBUSY, ENODEV, ENOENT, ENXIO, EINVAL, EXDEV, EFBIG, EPIPE, EMSGSIZE, ENOSPC, ESHUTDOWN, EPERM,
				   EHOSTUNREACH, EINPROGRESS, EPROTO, EILSEQ, ETIME, ETIMEDOUT, ECOMM, ENOSR, EOVERFLOW, EREMOTEIO,
				   ECONNRESET, EACCES, EIO, EAGAIN, ENOTCONN, ENOSYS, 524 };
	static const int mux[] = { 1, 2, 3, 6 };
	(void)state;
	for (size_t i = 0; i < STG_ARRAY_LEN(usb); i++)
		number("usb", NULL, -usb[i]);
	for (size_t i = 0; i < STG_ARRAY_LEN(mux); i++)
		number("usbmuxd", NULL, mux[i]);
}

static void every_number_of_a_restore_has_a_meaning(void **state)
{
	/* those Apple's page names one by one */
	static const int named[] = { 1, 2, 3, 4, 6, 9, 10, 11, 13, 14, 16, 17, 18, 20, 21, 23, 26, 27, 28, 29, 34, 35, 36, 37, 40, 47, 48, 49, 50, 51,
				     53, 54, 56, 1000, 1002, 1004, 1011, 1012, 1014, 1015, 1600, 1601, 1602, 1603, 1604, 1611, 1638, 1639, 1667,
				     1669, 2001, 2002, 2005, 2006, 2009, 3000, 3002, 3004, 3013, 3014, 3194, 3195, 3200, 3259, 4000, 4005, 4013,
				     4014, 9006, 9807, 9844 };
	(void)state;
	for (size_t i = 0; i < STG_ARRAY_LEN(named); i++)
		number("restore", NULL, named[i]);
}

/* What any of them leads to, a person can read, act on, and know what happens by itself, in both languages. */
static void every_meaning_is_told_whole_in_both_languages(void **state)
{
	static const char *const languages[] = { "en", "fr" };
	size_t tables = 0;
	(void)state;
	for (const struct stg_codes *const *t = stg_code_tables; *t; t++, tables++) {
		for (const struct stg_code_row *r = (*t)->rows;; r++) {
			const struct stg_code_row *one = r->id ? r : &(*t)->otherwise;
			for (size_t l = 0; l < STG_ARRAY_LEN(languages); l++)
				if (!*stg_id_sentence_in(one->id, languages[l]) || !*stg_id_act_in(one->id, languages[l]) ||
				    !*stg_id_tries_in(one->id, languages[l]))
					fail_msg("%s %s %d: STG-%u %s lacks a text in '%s'", (*t)->protocol, one->name ? one->name : "", one->first,
						 one->id, stg_id_name(one->id), languages[l]);
			assert_int_not_equal(one->code, STG_OK);
			if (!r->id)
				break;
		}
	}
	assert_in_range(tables, 10, 100);
}

/* A table that only `explain` reads drifts away from what the station says itself. */
static void what_is_explained_is_what_errors_are_made_from(void **state)
{
	/* the kernel's and libusb's numbers reach nobody here but in other programs' words; a restore's are idevicerestore's own lines */
	static const char *const for_people[] = { "usb", "libusb", "restore" };
	(void)state;
	for (const struct stg_codes *const *t = stg_code_tables; *t; t++) {
		char ask[300], name[60];
		bool is_for_people = false;
		for (size_t i = 0; i < STG_ARRAY_LEN(for_people); i++)
			is_for_people = is_for_people || strcmp((*t)->protocol, for_people[i]) == 0;
		size_t n = 0;
		for (const char *p = (*t)->protocol; *p && n + 1 < sizeof(name); p++)
			name[n++] = (char)tolower((unsigned char)*p);
		name[n] = 0;
		snprintf(ask, sizeof(ask), "grep -rlE '(by_name|by_number)\\(&stg_codes_%s[^a-z]' drivers --include=*.c >/dev/null", name);
		bool is_used = system(ask) == 0;
		if (!is_used && !is_for_people)
			fail_msg("no error is made from the table of %s", (*t)->protocol);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_of_the_libraries_headers_has_a_meaning),
		cmocka_unit_test(every_number_of_the_profile_service_has_a_meaning),
		cmocka_unit_test(every_number_of_the_kernel_and_of_usbmuxd_has_a_meaning),
		cmocka_unit_test(every_number_of_a_restore_has_a_meaning),
		cmocka_unit_test(every_meaning_is_told_whole_in_both_languages),
		cmocka_unit_test(what_is_explained_is_what_errors_are_made_from),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
