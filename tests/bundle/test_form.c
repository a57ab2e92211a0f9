/* test_form.c - the archive of a bundle is what its manifest says and nothing else; hostile ones are refused, each with its code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stager/bundle.h>
#include <stager/error.h>

struct member {
	const char *name, *text;
};

/* An archive whose manifest names `named`, and which holds `held`. */
static void make(struct stg_buf *tar, const char *schema, const struct member *named, const struct member *held)
{
	json_t *list = json_array(), *m = json_pack("{s:s,s:o}", "schema", schema, "members", list);
	char sum[65];
	for (; named->name; named++) {
		stg_sha256_hex(stg_bytes_str(named->text), sum);
		json_array_append_new(list, json_pack("{s:s,s:I,s:s}", "name", named->name, "size", (json_int_t)strlen(named->text), "sha256", sum));
	}
	char *text = stg_json_text(m);
	stg_buf_reset(tar);
	assert_true(stg_tar_add(tar, "manifest.json", stg_bytes_str(text), 0, NULL));
	for (; held->name; held++) {
		assert_true(stg_tar_add(tar, held->name, stg_bytes_str(held->text), 0, NULL));
	}
	assert_true(stg_tar_end(tar, NULL));
	free(text);
	json_decref(m);
}

static void refused(const struct stg_buf *tar, enum stg_id id)
{
	struct stg_bundle b = { 0 };
	struct stg_error err = { 0 };
	if (stg_bundle_unpack(stg_buf_view(tar), &b, &err) || err.id != id)
		fail_msg("expected %u, got %u %s", (unsigned int)id, err.id, err.msg);
}

static void names_that_lead_elsewhere_and_kinds_unknown_are_refused(void **unused)
{
	(void)unused;
	static const char *const names[] = { "../records.ndjson", "/etc/passwd", "files/../../x", "files/blueprint/../x.yaml", "files/blueprint/a/b.yaml",
					     "files/blueprint/.hidden", "files/blueprint/", "files/script/run.sh", "files//blueprint/x.yaml", "records.ndjson/",
					     "files\\blueprint\\x", "RECORDS.NDJSON", "manifest.json", "a b", "files/blueprint/x\ty" };
	STG_AUTO(stg_buf_clear) struct stg_buf tar = STG_BUF(1u << 20);
	for (size_t i = 0; i < STG_ARRAY_LEN(names); i++) {
		const struct member one[] = { { names[i], "x" }, { NULL, NULL } };
		make(&tar, STG_BUNDLE_SCHEMA, one, one);
		refused(&tar, STG_ID_BUNDLE_CONTENT);
	}
}

static void what_the_manifest_does_not_say_is_refused(void **unused)
{
	(void)unused;
	static const struct member none[] = { { NULL, NULL } }, one[] = { { "records.ndjson", "{}\n" }, { NULL, NULL } },
				   other[] = { { "records.ndjson", "{ }" }, { NULL, NULL } },
				   two[] = { { "records.ndjson", "{}\n" }, { "deliveries.ndjson", "{}\n" }, { NULL, NULL } },
				   turned[] = { { "deliveries.ndjson", "{}\n" }, { "records.ndjson", "{}\n" }, { NULL, NULL } },
				   twice[] = { { "records.ndjson", "{}\n" }, { "records.ndjson", "{}\n" }, { NULL, NULL } };
	STG_AUTO(stg_buf_clear) struct stg_buf tar = STG_BUF(1u << 20);
	static const struct member *const pairs[][2] = { { none, one }, { one, none }, { one, other }, { one, two }, { two, one }, { two, turned }, { twice, twice } };
	for (size_t i = 0; i < STG_ARRAY_LEN(pairs); i++) {
		make(&tar, STG_BUNDLE_SCHEMA, pairs[i][0], pairs[i][1]);
		refused(&tar, STG_ID_BUNDLE_CONTENT);
	}
	make(&tar, "stager.bundle/2", one, one);
	refused(&tar, STG_ID_BUNDLE_NEWER);
	make(&tar, "something else", one, one);
	refused(&tar, STG_ID_BUNDLE_CONTENT);
}

static void links_cuts_and_tails_are_refused(void **unused)
{
	(void)unused;
	static const struct member one[] = { { "records.ndjson", "{}\n" }, { NULL, NULL } };
	STG_AUTO(stg_buf_clear) struct stg_buf tar = STG_BUF(1u << 20);
	struct stg_bundle b = { 0 };
	make(&tar, STG_BUNDLE_SCHEMA, one, one);
	size_t whole = tar.len;
	for (tar.len = 0; tar.len < whole; tar.len += 37)
		refused(&tar, STG_ID_BUNDLE_CONTENT);
	tar.len = whole;
	assert_true(stg_bundle_unpack(stg_buf_view(&tar), &b, NULL));
	stg_bundle_clear(&b);
	/* every byte of a header counts, but for the blank behind its sum */
	for (size_t at = 0; at < 345; at++) {
		if (at == 155)
			continue;
		tar.data[1024 + at] ^= 1;
		refused(&tar, STG_ID_BUNDLE_CONTENT);
		tar.data[1024 + at] ^= 1;
	}
	/* something behind the end */
	tar.data[whole - 1] = 'x';
	refused(&tar, STG_ID_BUNDLE_CONTENT);
}

static void lines_that_are_no_objects_are_refused(void **unused)
{
	(void)unused;
	static const char *const texts[] = { "x\n", "[]\n", "{}", "{}\n\n", "{\"a\":1,\"a\":2}\n", "{}\nnull\n" };
	STG_AUTO(stg_buf_clear) struct stg_buf tar = STG_BUF(1u << 20);
	for (size_t i = 0; i < STG_ARRAY_LEN(texts); i++) {
		STG_AUTO(stg_bundle_clear) struct stg_bundle b = { 0 };
		struct stg_error err = { 0 };
		const struct member one[] = { { "records.ndjson", texts[i] }, { NULL, NULL } };
		make(&tar, STG_BUNDLE_SCHEMA, one, one);
		assert_true(stg_bundle_unpack(stg_buf_view(&tar), &b, NULL));
		assert_null(stg_bundle_lines(&b, "records.ndjson", &err));
		assert_int_equal(err.id, STG_ID_BUNDLE_CONTENT);
	}
}

static void every_stick_takes_its_name(void **unused)
{
	(void)unused;
	char name[48];
	stg_bundle_name("Bench 07/ä", 12, name);
	assert_string_equal(name, "BENCH07-000012.STB");
	stg_bundle_name("../..", 1, name);
	assert_string_equal(name, "STATION-000001.STB");
	stg_bundle_name("e0453f27-7217-4f7a-b041-21b628ddfde2", 1000001, name);
	assert_string_equal(name, "E0453F27-7217-4F-000001.STB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_that_lead_elsewhere_and_kinds_unknown_are_refused), cmocka_unit_test(what_the_manifest_does_not_say_is_refused),
		cmocka_unit_test(links_cuts_and_tails_are_refused), cmocka_unit_test(lines_that_are_no_objects_are_refused),
		cmocka_unit_test(every_stick_takes_its_name),
	};
	return cmocka_run_group_tests_name("form of bundles", tests, NULL, NULL);
}
