/*
 * test_facts.c - the names of facts: what conditions, steps and records ask for is what a device is really read for.
 */
#include "desk.h"

#include <stager/clock.h>
#include <stager/facts.h>
#include <stager/file.h>

static char *text_of(const char *path)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(1u << 20);
	if (!stg_file_read(path, &b, &err))
		fail_msg("%s: %s", path, err.msg);
	return strdup(stg_buf_str(&b));
}

/* Every name of the header has its row, every row its name: a fact is added in one place. */
static void the_header_and_the_table_name_the_same_facts(void **state)
{
	(void)state;
	STG_AUTO(stg_free_at) char *header = text_of("include/stager/facts.h");
	size_t rows = 0, names = 0;
	for (const struct stg_fact *f = stg_facts; f->name; f++, rows++) {
		char quoted[80];
		snprintf(quoted, sizeof(quoted), " \"%s\"", f->name);
		if (!strstr(header, quoted))
			fail_msg("'%s' is in the table, not in the header", f->name);
		assert_ptr_equal(stg_fact_find(f->name), f);
	}
	for (const char *at = header; (at = strstr(at, "#define STG_FACT_")); at++) {
		char name[64] = "";
		if (sscanf(at, "#define %*s \"%63[a-z_]\"", name) == 1) {
			names++;
			if (!stg_fact_find(name))
				fail_msg("'%s' is in the header, not in the table", name);
		}
	}
	assert_int_equal(names, rows);
	assert_null(stg_fact_find("battery"));
}

static const char MANAGED[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict>"
	"<key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>"
	"<key>PayloadIdentifier</key><string>org.example.managed</string><key>PayloadDisplayName</key><string>Managed</string>"
	"<key>PayloadUUID</key><string>5E0F7C2A-77F4-4B0E-8A5D-00000000AAAA</string><key>PayloadContent</key><array><dict>"
	"<key>PayloadType</key><string>com.apple.mdm</string><key>PayloadVersion</key><integer>1</integer>"
	"<key>PayloadIdentifier</key><string>org.example.managed.mdm</string>"
	"<key>PayloadUUID</key><string>6E0F7C2A-77F4-4B0E-8A5D-00000000AAAA</string>"
	"<key>ServerURL</key><string>https://mdm.example.org/server</string><key>Topic</key><string>com.apple.mgmt.x</string>"
	"<key>IdentityCertificateUUID</key><string>6E0F7C2A-77F4-4B0E-8A5D-00000000AAAB</string><key>AccessRights</key><integer>8191</integer>"
	"</dict></array></dict></plist>\n";

static void gather(json_t *all, struct stg_device *dev)
{
	STG_AUTO(stg_json_free_at) json_t *facts = facts_of(dev);
	json_object_update(all, facts);
}

/* The producer's side: all that the driver says has a row of the right kind, all rows of a device are really read. */
static void every_fact_that_somebody_asks_for_is_read_from_a_device(void **state)
{
	struct desk d;
	struct stg_buf der;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	STG_AUTO(stg_json_free_at) json_t *all = json_object(), *read = NULL;
	const struct stg_supervision wish = supervision(&der);
	if (!stg_device_pair(dev, &(struct stg_error){ 0 })) {
		tell(&d.bench, "tap trust %s", d.bench.udid);
		DO(stg_device_pair(dev, &err));
	}
	gather(all, dev);
	DO(stg_device_supervise(dev, &wish, &read, &err));
	DO(stg_device_install_profile(dev, stg_bytes_str(profile_text("one")), STG_INSTALL_SILENT, &err));
	gather(all, dev);
	stg_buf_clear(&der);
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *more = stg_device_details(dev, STG_DETAIL_ALL, &err);
	assert_true(said(more != NULL, &err, __FILE__, __LINE__));
	json_object_update(all, more);

	const char *name;
	json_t *value;
	json_object_foreach(all, name, value) {
		const struct stg_fact *f = stg_fact_find(name);
		if (!f)
			fail_msg("the driver says '%s', no fact has this name", name);
		bool fits = f->kind == STG_FACT_FLAG ? json_is_boolean(value) : f->kind == STG_FACT_NUMBER ? json_is_integer(value)
			  : f->kind == STG_FACT_OBJECT ? json_is_object(value) : f->kind == STG_FACT_LIST ? json_is_array(value)
			  : json_is_string(value);
		if (!fits)
			fail_msg("the fact '%s' is of another kind", name);
	}
	/* these show only on a device with a number, or whose configuration names a server */
	static const char *const rare[] = { STG_FACT_PHONE_NUMBER, STG_FACT_MDM_CONFIGURED, STG_FACT_SIM_STATUS, STG_FACT_ICCID, STG_FACT_ICCID2 };
	for (const struct stg_fact *f = stg_facts; f->name; f++) {
		bool is_rare = false;
		for (size_t i = 0; i < STG_ARRAY_LEN(rare); i++)
			is_rare = is_rare || strcmp(rare[i], f->name) == 0;
		if ((f->from == STG_FACT_OF_DEVICE || f->from == STG_FACT_OF_OWNER || f->from == STG_FACT_OF_DETAILS) && !is_rare && !json_object_get(all, f->name))
			fail_msg("nobody reads the fact '%s'", f->name);
	}
	desk_end(&d);
}

/* The consumers' side: sources name facts by the header's words, so that a wrong one does not compile. */
static void no_consumer_asks_for_a_fact_by_a_word_of_its_own(void **state)
{
	(void)state;
	FILE *p = popen("grep -nE '\\((c->facts|w->facts|facts), \"' -r stager drivers/apple --include='*.c' || true", "r");
	char line[400];
	assert_non_null(p);
	while (fgets(line, sizeof(line), p))
		fail_msg("a fact by its letters: %s", line);
	pclose(p);
}

static void only_the_supervisor_learns_whether_it_is_managed(void **state)
{
	struct desk d;
	struct stg_buf der;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	STG_AUTO(stg_json_free_at) json_t *read = NULL;
	const struct stg_supervision wish = supervision(&der);
	if (!stg_device_pair(dev, &(struct stg_error){ 0 })) {
		tell(&d.bench, "tap trust %s", d.bench.udid);
		DO(stg_device_pair(dev, &err));
	}
	struct stg_error none = { 0 };
	STG_AUTO(stg_json_free_at) json_t *before = stg_device_owner_facts(dev, &none);
	assert_non_null(before);
	assert_int_equal(json_object_size(before), 0);
	assert_int_equal(count_of(&d.bench, d.bench.udid, "com.apple.mobile.MCInstall Escalate"), 0);
	DO(stg_device_supervise(dev, &wish, &read, &err));
	stg_buf_clear(&der);
	STG_AUTO(stg_json_free_at) json_t *ours = stg_device_owner_facts(dev, &none);
	assert_non_null(ours);
	assert_true(json_is_false(json_object_get(ours, STG_FACT_MDM_ENROLLED)));
	assert_true(json_is_false(json_object_get(ours, STG_FACT_PASSCODE_SET)));
	DO(stg_device_install_profile(dev, stg_bytes_str(MANAGED), STG_INSTALL_SILENT, &err));
	/* the proof was given: the ordinary reading has it now, and has it afresh */
	STG_AUTO(stg_json_free_at) json_t *after = facts_of(dev);
	assert_true(json_is_true(json_object_get(after, STG_FACT_MDM_ENROLLED)));
	desk_end(&d);
}

static void zone_and_language_are_read_again_after_they_were_set(void **state)
{
	struct desk d;
	(void)state;
	desk_begin(&d, "--iphones", "1");
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&d);
	if (!stg_device_pair(dev, &(struct stg_error){ 0 })) {
		tell(&d.bench, "tap trust %s", d.bench.udid);
		DO(stg_device_pair(dev, &err));
	}
	STG_AUTO(stg_json_free_at) json_t *before = stg_device_settings(dev, NULL);
	assert_string_not_equal(stg_json_str(before, STG_FACT_TIME_ZONE), "Europe/Paris");
	DO(stg_device_set_time(dev, stg_wall_ms(), "Europe/Paris", &err));
	DO(stg_device_set_language(dev, "fr", "fr_FR", &err));
	STG_AUTO(stg_json_free_at) json_t *after = stg_device_settings(dev, NULL);
	assert_string_equal(stg_json_str(after, STG_FACT_TIME_ZONE), "Europe/Paris");
	assert_string_equal(stg_json_str(after, STG_FACT_LANGUAGE), "fr");
	assert_string_equal(stg_json_str(after, STG_FACT_LOCALE), "fr_FR");
	/* acknowledged and not done: that is what shows */
	tell(&d.bench, "fault %s ignore SetValue", d.bench.udid);
	DO(stg_device_set_language(dev, "de", "de_DE", &err));
	STG_AUTO(stg_json_free_at) json_t *kept = stg_device_settings(dev, NULL);
	assert_string_not_equal(stg_json_str(kept, STG_FACT_LOCALE), "de_DE");
	desk_end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_header_and_the_table_name_the_same_facts),
		cmocka_unit_test(every_fact_that_somebody_asks_for_is_read_from_a_device),
		cmocka_unit_test(no_consumer_asks_for_a_fact_by_a_word_of_its_own),
		cmocka_unit_test(only_the_supervisor_learns_whether_it_is_managed),
		cmocka_unit_test(zone_and_language_are_read_again_after_they_were_set),
	};
	return cmocka_run_group_tests(tests, office_open, office_close);
}
