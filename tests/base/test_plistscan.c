/*
 * test_plistscan.c - which property lists may reach libplist.
 *
 * For:    the promise of <stager/plistscan.h>: hostile lists end in a sentence, honest ones pass.
 * Uses:   libplist, to make honest lists and to read what passed.
 * Called: by tests/run.sh.
 * Thread: one.
 */
#include "plist_maker.h"

/* ---- honest lists ---- */

static plist_t everything(void)
{
	static const char blob[300] = { 1, 2, 3 };
	plist_t d = plist_new_dict(), list = plist_new_array();
	for (uint64_t i = 0; i < 600; i++) {
		char key[16];
		plist_array_append_item(list, plist_new_uint(i * 1000003));
		snprintf(key, sizeof(key), "k%u", (unsigned int)i);
		plist_dict_set_item(d, key, plist_new_string("the same text in many places"));
	}
	plist_dict_set_item(d, "Name", plist_new_string("Zo\xc3\xab \xf0\x9f\x93\xb1 <&> \"it's\""));
	plist_dict_set_item(d, "List", list);
	plist_dict_set_item(d, "Real", plist_new_real(-1.25e-7));
	plist_dict_set_item(d, "When", plist_new_date(815279937, 0));
	plist_dict_set_item(d, "Blob", plist_new_data(blob, sizeof(blob)));
	plist_dict_set_item(d, "NoBytes", plist_new_data("", 0));
	plist_dict_set_item(d, "NoText", plist_new_string(""));
	plist_dict_set_item(d, "NoKeys", plist_new_dict());
	plist_dict_set_item(d, "NoItems", plist_new_array());
	plist_dict_set_item(d, "Yes", plist_new_bool(1));
	plist_dict_set_item(d, "No", plist_new_bool(0));
	plist_dict_set_item(d, "Most", plist_new_uint(UINT64_MAX));
	return d;
}

static void what_libplist_writes_passes_in_both_forms(void **state)
{
	(void)state;
	plist_t d = everything();
	char *out = NULL;
	uint32_t len = 0;
	plist_to_xml(d, &out, &len);
	accepted(stg_bytes(out, len), &stg_plist_lockdown);
	accepted(stg_bytes(out, len), &stg_plist_device);
	accepted(stg_bytes(out, len), &stg_plist_profile);
	plist_to_xml_free(out);
	/* libplist 2.2 writes nothing, and says nothing, when these are not empty */
	out = NULL;
	len = 0;
	plist_to_bin(d, &out, &len);
	accepted(stg_bytes(out, len), &stg_plist_lockdown);
	accepted(stg_bytes(out, len), &stg_plist_apps);
	plist_to_bin_free(out);
	out = NULL;
	len = 0;
	plist_dict_set_item(d, "Uid", plist_new_uid(7));
	plist_to_bin(d, &out, &len);
	accepted(stg_bytes(out, len), &stg_plist_device);
	plist_to_bin_free(out);
	plist_free(d);
}

static void every_cut_of_an_honest_list_is_refused(void **state)
{
	(void)state;
	plist_t d = everything();
	char *out[2] = { NULL };
	uint32_t len[2] = { 0 };
	plist_to_bin(d, &out[0], &len[0]);
	plist_to_xml(d, &out[1], &len[1]);
	for (size_t form = 0; form < 2; form++) {
		size_t step = len[form] / 400 + 1;
		/* XML may lose the new line behind </plist> */
		for (size_t n = 0; n + 1 < len[form]; n += n < 200 || n + 200 > len[form] ? 1 : step)
			refused(stg_bytes(out[form], n), &stg_plist_device, "property list");
		free(out[form]);
	}
	plist_free(d);
}

static void how_people_and_other_writers_write_xml_passes(void **state)
{
	(void)state;
	static const char *const good[] = {
		"<plist version=\"1.0\"><dict/></plist>",
		"<plist><string>x</string></plist>\n\n\t ",
		"<?xml version='1.0' encoding='UTF-8'?>\n<!DOCTYPE plist SYSTEM \"file://localhost/System/Library/DTDs/PropertyList.dtd\">"
		"\n<plist version=\"0.9\"><array/></plist>",
		"<!-- first --><?xml version=\"1.0\"?><!-- <plist> --><!DOCTYPE plist PUBLIC \"-//Apple Computer//DTD PLIST 1.0//EN\" "
		"\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\"><plist version=\"1.0\"><true/></plist>",
		"<plist version=\"1.0\">\r\n<dict >\r\n<key >a</key\n><integer>1</integer\t></dict >\r\n</plist >",
		"<plist><dict><!-- a --><key>a<!-- b --></key><!-- c --><string>x<!-- d -->y</string></dict><!-- e --></plist>",
		"<plist><string><![CDATA[<not a tag> & ]]]]><![CDATA[>]]></string></plist>",
		"<plist><string>&amp;&lt;&gt;&quot;&apos;&#65;&#x1F4F1;&#X41;</string></plist>",
		"<plist><array><true></true><false> </false><string/><data/><data> </data><array></array></array></plist>",
		"<plist><array><integer> -5 </integer><integer>+5</integer><integer>0x1F</integer><integer>-9223372036854775808</integer>"
		"<integer>18446744073709551615</integer></array></plist>",
		"<plist><array><real>1</real><real>.5</real><real>-1.</real><real>1e10</real><real>nan</real><real>+Infinity</real></array></plist>",
		"<plist><array><date>2026-11-22T02:38:57Z</date><date>0001-01-01T00:00:00Z</date></array></plist>",
		"<plist><data>\n\tAAEC\n\tAw==\n</data></plist>",
		"<plist><dict><key>a</key><dict><key>a</key><string/></dict><key>A</key><string/></dict></plist>",
		"<plist><dict><key></key><string>an empty key is a key</string></dict></plist>",
		"<plist><string>\x01\x1b[31m kept: the reader escapes it</string></plist>",
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(good); i++)
		accepted(stg_bytes_str(good[i]), &stg_plist_device);
}

static void sizes_of_offsets_and_references_may_differ(void **state)
{
	(void)state;
	for (uint8_t offset_size = 2; offset_size <= 8; offset_size++) {
		for (uint8_t ref_size = 1; ref_size <= 8; ref_size++) {
			struct maker m = maker();
			uint8_t dict[1 + 16] = { 0xd1 };
			dict[ref_size] = 1;
			dict[2 * ref_size] = 2;
			object(&m, dict, 1 + 2u * ref_size);
			OBJECT(&m, 0x51, 'k');
			OBJECT(&m, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0);
			struct trailer t = honest(&m);
			t.offset_size = offset_size;
			t.ref_size = ref_size;
			finish_as(&m, t);
			accepted_made(&m);
		}
	}
}

static void a_value_that_many_share_passes(void **state)
{
	(void)state;
	struct maker m = maker();
	OBJECT(&m, 0xa3, 1, 1, 2);
	OBJECT(&m, 0xd1, 3, 4);
	OBJECT(&m, 0xc2, 1, 4);                 /* a set is read as a list */
	OBJECT(&m, 0x51, 'k');
	OBJECT(&m, 0x62, 0xd8, 0x3d, 0xdc, 0xf1);
	finish(&m);
	accepted_made(&m);
}

/* ---- hostile XML ---- */

static void xml_that_libplist_would_bend_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *why;
	} bad[] = {
		/* documents */
		{ "<dict><key>a</key><true/></dict>", "no <plist>" },
		{ "<plist version=\"1.0\"></plist>", "empty property list" },
		{ "<plist/>        ", "no <plist>" },
		{ "<plist version=\"1.0\"><dict/>", "cut short" },
		{ "<plist><dict/></plist><plist><dict/></plist>", "data after the end" },
		{ "<plist><dict/></plist>x", "data after the end" },
		{ "<plist><dict/></plist><!-- more -->", "data after the end" },
		{ "<plist><dict/><dict/></plist>", "two values" },
		{ "<plist><plist><dict/></plist></plist>", "do not have" },
		{ "<plist><string>a</string><string>b</string></plist>", "two values" },
		{ "\xef\xbb\xbf<plist><dict/></plist>", "byte-order mark" },
		{ "\xff\xfe is how UTF-16 begins", "byte-order mark" },
		{ "<plist><dict/></plist", "do not have" },
		{ "<plist><dict/></dict></plist>", "closes nothing" },
		{ "<plist><array></dict></plist>", "closes nothing" },
		{ "<plist></array></plist>", "closes nothing" },
		{ "<plist><array></plist>", "closes nothing" },
		/* declarations */
		{ "<!DOCTYPE plist [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;\">]><plist><string>&b;</string></plist>", "DOCTYPE" },
		{ "<!DOCTYPE plist SYSTEM \"a>b\"><plist><dict/></plist>", "DOCTYPE" },
		{ "<!DOCTYPE plist><!DOCTYPE plist><plist><dict/></plist>", "two DOCTYPE" },
		{ "<!DOCTYPE plist SYSTEM \"open><plist><dict/></plist>", "DOCTYPE" },
		{ "<plist><!DOCTYPE plist><dict/></plist>", "do not have" },
		{ "<plist><?php ?><dict/></plist>", "do not have" },
		{ "<?xml version=\"1.0\" <plist><dict/></plist>", "declaration" },
		{ "<?xml version=\"1.0\"?<plist><dict/></plist>", "declaration" },
		{ "<plist a=\"<\"><dict/></plist>", "do not have" },
		{ "<plist a=\">\"><dict/></plist>", "do not have" },
		{ "<plist a=\"><dict/></plist>", "do not have" },
		/* tags */
		{ "<plist><Dict/></plist>", "do not have" },
		{ "<plist><dict a=\"1\"/></plist>", "do not have" },
		{ "<plist>< dict/></plist>", "do not have" },
		{ "<plist><></plist>", "do not have" },
		{ "<plist><dict></dict/></plist>", "do not have" },
		{ "<plist><nil/></plist>", "do not have" },
		{ "<plist><![CDATA[<dict/>]]></plist>", "do not have" },
		{ "<plist>text<dict/></plist>", "text between" },
		{ "<plist><array>1</array></plist>", "text between" },
		{ "<plist><true>no</true></plist>", "not closed" },
		{ "<plist><string>a</key></plist>", "not closed" },
		{ "<plist><string><true/></string></plist>", "not closed" },
		{ "<plist><!-- never closed <dict/></plist>", "comment without" },
		{ "<plist><!--><dict/></plist>", "comment without" },
		{ "<plist><string><![CDATA[ ]]</string></plist>", "CDATA" },
		/* dictionaries */
		{ "<plist><dict><key>a</key></dict></plist>", "key \"a\" has no value" },
		{ "<plist><dict><true/></dict></plist>", "value without a key" },
		{ "<plist><dict><key>a</key><key>b</key><true/></dict></plist>", "two keys in a row" },
		{ "<plist><dict><key>a</key><true/><true/></dict></plist>", "value without a key" },
		{ "<plist><dict><key/><true/></dict></plist>", "key without a name" },
		{ "<plist><key>a</key></plist>", "key outside" },
		{ "<plist><array><key>a</key></array></plist>", "key outside" },
		{ "<plist><dict><key>a</key><true/>\n<key>a</key><true/></dict></plist>", "line 2 column 6: \"a\" appears twice (first at line 1)" },
		{ "<plist><dict><key>a</key><true/><key>&#97;</key><true/></dict></plist>", "appears twice" },
		{ "<plist><dict><key>a</key><true/><key><![CDATA[a]]></key><true/></dict></plist>", "appears twice" },
		{ "<plist><dict><key>a</key><true/><key><!-- -->a</key><true/></dict></plist>", "appears twice" },
		/* entities */
		{ "<plist><string>a & b</string></plist>", "entity" },
		{ "<plist><string>&nbsp;</string></plist>", "entity" },
		{ "<plist><string>&#0;</string></plist>", "entity" },
		{ "<plist><string>&#xD800;</string></plist>", "entity" },
		{ "<plist><string>&#x110000;</string></plist>", "entity" },
		{ "<plist><string>&#99999999999;</string></plist>", "entity" },
		{ "<plist><string>&#;</string></plist>", "entity" },
		{ "<plist><string>&#x;</string></plist>", "entity" },
		{ "<plist><string>&amp</string></plist>", "entity" },
		/* values */
		{ "<plist><integer>abc</integer></plist>", "not a whole number" },
		{ "<plist><integer></integer></plist>", "not a whole number" },
		{ "<plist><integer/></plist>", "an empty <integer>" },
		{ "<plist><integer>12abc</integer></plist>", "not a whole number" },
		{ "<plist><integer>18446744073709551616</integer></plist>", "not a whole number" },
		{ "<plist><integer>-9223372036854775809</integer></plist>", "not a whole number" },
		{ "<plist><integer>1 2</integer></plist>", "not a whole number" },
		{ "<plist><integer>1<!-- -->2</integer></plist>", "do not have" },
		{ "<plist><real>abc</real></plist>", "not a number" },
		{ "<plist><real>1e</real></plist>", "not a number" },
		{ "<plist><real>.</real></plist>", "not a number" },
		{ "<plist><real>0x1p3</real></plist>", "not a number" },
		{ "<plist><date>tomorrow</date></plist>", "not a date" },
		{ "<plist><date>2024-13-45T99:00:00Z</date></plist>", "not a date" },
		{ "<plist><date>2024-12-01T10:00:00</date></plist>", "not a date" },
		{ "<plist><data>!!!</data></plist>", "base64" },
		{ "<plist><data>AAA</data></plist>", "base64 data: cut short" },
		{ "<plist><data>A=AA</data></plist>", "base64" },
		{ "<plist><data>A===</data></plist>", "base64" },
		{ "<plist><data>AA&#65;A</data></plist>", "base64" },
		/* bytes */
		{ "<plist><string>\xc0\xaf</string></plist>", "not UTF-8" },
		{ "<plist><string>\xe0\x80\xaf</string></plist>", "not UTF-8" },
		{ "<plist><string>\xed\xa0\x80</string></plist>", "not UTF-8" },
		{ "<plist><string>\xf8\x88\x80\x80\x80</string></plist>", "not UTF-8" },
		{ "<plist>\n\n<string>\xff</string></plist>", "line 3 column 9: text is not UTF-8" },
		{ "<plist><string>a\xc3</string></plist>", "not UTF-8" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(bad); i++)
		refused_text(bad[i].text, bad[i].why);
	static const char zero[] = "<plist><string>a\0b</string></plist>";
	refused(stg_bytes(zero, sizeof(zero) - 1), &stg_plist_device, "zero byte");
}

static void repeat(struct stg_buf *b, const char *what, size_t times)
{
	char block[4096];
	size_t len = strlen(what), fit = len ? sizeof(block) / len : 0;
	for (size_t i = 0; i < fit; i++)
		memcpy(block + i * len, what, len);
	/* in blocks: one at a time takes minutes under valgrind */
	for (size_t n; len && times; times -= n) {
		n = times < fit ? times : fit;
		assert_true(stg_buf_add(b, block, n * len, NULL));
	}
}

static void xml_is_measured_without_going_down(void **state)
{
	(void)state;
	static const struct {
		const char *head, *open, *middle, *close, *tail;
		size_t most;    /* times that pass under the device's limits */
		size_t cost;    /* the same for `more`: must be refused */
		const char *why;
	} shapes[] = {
		{ "<plist>", "<array>", "", "</array>", "</plist>", 64, 65, "nested deeper" },
		{ "<plist>", "<array>", "", "</array>", "</plist>", 64, 100000, "nested deeper" },
		{ "<plist>", "<dict><key>k</key>", "<true/>", "</dict>", "</plist>", 64, 512, "nested deeper" },
		{ "<plist><array>", "<true/>", "", "", "</array></plist>", 99999, 100000, "more than" },
		{ "<plist><string>", "x", "", "", "</string></plist>", 65536, 65537, "<string> longer" },
		{ "<plist><string>", "&#x41;", "", "", "</string></plist>", 65536, 65537, "<string> longer" },
		{ "<plist><string>", "<!---->", "", "", "</string></plist>", 9362, 9363, "<string> longer" },
		{ "<plist><string>", "<![CDATA[]]>", "", "", "</string></plist>", 5461, 5462, "<string> longer" },
		{ "<plist><dict><key>", "k", "", "", "</key><true/></dict></plist>", 1024, 1025, "<key> longer" },
		{ "<plist><data>", "AAAA", "", "", "</data></plist>", 349525, 349526, "data longer" },
		{ "<plist><integer>", "0", "", "", "1</integer></plist>", 63, 500, "not a whole number" },
		{ "<plist v=\"", "x", "", "", "\"><true/></plist>", 400, 1u << 20, "do not have" },
		{ "<!DOCTYPE plist \"", "x", "", "", "\"><plist><true/></plist>", 400, 1u << 20, "DOCTYPE" },
		{ "<plist>", "<!-- -->", "<true/>", "", "</plist>", 500000, 524300, "at most" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(shapes); i++) {
		for (int more = 0; more < 2; more++) {
			STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(16u << 20);
			size_t times = more ? shapes[i].cost : shapes[i].most;
			repeat(&b, shapes[i].head, 1);
			repeat(&b, shapes[i].open, times);
			repeat(&b, shapes[i].middle, 1);
			if (*shapes[i].close)
				repeat(&b, shapes[i].close, times);
			repeat(&b, shapes[i].tail, 1);
			if (more)
				refused(stg_buf_view(&b), &stg_plist_device, shapes[i].why);
			else
				accepted(stg_buf_view(&b), &stg_plist_device);
		}
	}
	/* no close tags at all */
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(16u << 20);
	repeat(&b, "<plist>", 1);
	repeat(&b, "<array>", 200000);
	refused(stg_buf_view(&b), &stg_plist_device, "nested deeper");
}

static void many_keys_are_checked_in_little_time(void **state)
{
	(void)state;
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(4u << 20);
	repeat(&b, "<plist><dict>", 1);
	for (unsigned int i = 0; i < 49999; i++)
		assert_true(stg_buf_printf(&b, NULL, "<key>%u</key><true/>", i));
	int64_t begin = stg_cpu_us();
	size_t len = b.len;
	repeat(&b, "</dict></plist>", 1);
	accepted(stg_buf_view(&b), &stg_plist_device);
	b.len = len;
	repeat(&b, "<key>777</key><true/></dict></plist>", 1);
	refused(stg_buf_view(&b), &stg_plist_apps, "appears twice");
	/* compared each with each this would be 1,250 million comparisons */
	assert_true(stg_cpu_us() - begin < 20000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xml_that_libplist_would_bend_is_refused),
		cmocka_unit_test(xml_is_measured_without_going_down),
		cmocka_unit_test(many_keys_are_checked_in_little_time),
		cmocka_unit_test(every_cut_of_an_honest_list_is_refused),
		cmocka_unit_test(what_libplist_writes_passes_in_both_forms),
		cmocka_unit_test(how_people_and_other_writers_write_xml_passes),
		cmocka_unit_test(sizes_of_offsets_and_references_may_differ),
		cmocka_unit_test(a_value_that_many_share_passes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
