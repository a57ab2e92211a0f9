/*
 * test_plistscan.c - which property lists may reach libplist.
 *
 * For:    the promise of <stager/plistscan.h>: hostile lists end in a sentence, honest ones pass.
 * Uses:   libplist, to make honest lists and to read what passed.
 * Called: by tests/run.sh.
 * Thread: one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <plist/plist.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/plistscan.h>

/* ---- a binary list put together by hand ---- */

struct maker {
	struct stg_buf out;
	size_t offset[256];
	size_t n;
};

static struct maker maker(void)
{
	struct maker m = { .out = STG_BUF(64u << 20) };
	assert_true(stg_buf_add(&m.out, "bplist00", 8, NULL));
	return m;
}

static void object(struct maker *m, const void *bytes, size_t len)
{
	assert_true(m->n < STG_ARRAY_LEN(m->offset));
	m->offset[m->n++] = m->out.len;
	assert_true(stg_buf_add(&m->out, bytes, len, NULL));
}
#define OBJECT(m, ...) object(m, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void big_endian(struct stg_buf *b, uint64_t value, size_t width)
{
	for (size_t i = width; i > 0; i--) {
		uint8_t byte = (uint8_t)(i > 8 ? 0 : value >> (8 * (i - 1)));
		assert_true(stg_buf_add(b, &byte, 1, NULL));
	}
}

struct trailer {
	uint8_t offset_size, ref_size;
	uint64_t n_objects, root, table;
};

static void finish_as(struct maker *m, struct trailer t)
{
	for (size_t i = 0; i < m->n; i++)
		big_endian(&m->out, m->offset[i], t.offset_size ? t.offset_size : 1);
	assert_true(stg_buf_add(&m->out, "\0\0\0\0\0\0", 6, NULL));
	big_endian(&m->out, t.offset_size, 1);
	big_endian(&m->out, t.ref_size, 1);
	big_endian(&m->out, t.n_objects, 8);
	big_endian(&m->out, t.root, 8);
	big_endian(&m->out, t.table, 8);
}

static struct trailer honest(const struct maker *m)
{
	return (struct trailer){ .offset_size = 2, .ref_size = 1, .n_objects = m->n, .root = 0, .table = m->out.len };
}

static void finish(struct maker *m)
{
	finish_as(m, honest(m));
}

/* ---- verdicts ---- */

static void accepted(struct stg_bytes in, const struct stg_plist_limits *limits)
{
	struct stg_error err = { 0 };
	enum stg_plist_form form = 0;
	if (!stg_plist_scan(in, limits, &form, &err))
		fail_msg("refused: %s", err.msg);
	/* libplist takes minutes over the long ones under valgrind; what it says of them is known from a run without */
	if (in.len < 20000 || !getenv("STG_VALGRIND")) {
		plist_t tree = NULL;
		plist_from_memory((const char *)in.data, (uint32_t)in.len, &tree);
		if (!tree)
			fail_msg("accepted, but libplist does not read it");
		plist_free(tree);
	}
	assert_int_equal(form, memcmp(in.data, "bplist", 6) == 0 ? STG_PLIST_BINARY : STG_PLIST_XML);
}

static void refused(struct stg_bytes in, const struct stg_plist_limits *limits, const char *why)
{
	struct stg_error err = { 0 };
	/* a copy of its exact size, so that reading behind the end is seen by valgrind and asan */
	uint8_t *copy = malloc(in.len ? in.len : 1);
	assert_non_null(copy);
	memcpy(copy, in.data, in.len);
	bool ok = stg_plist_scan(stg_bytes(copy, in.len), limits, NULL, &err);
	free(copy);
	if (ok)
		fail_msg("accepted what should be refused with '%s'", why);
	assert_int_equal(err.code, STG_E_PROTOCOL);
	if (!strstr(err.msg, why))
		fail_msg("said '%s', expected '%s'", err.msg, why);
}

static void refused_text(const char *text, const char *why)
{
	refused(stg_bytes_str(text), &stg_plist_device, why);
}

static void refused_made(struct maker *m, const char *why)
{
	refused(stg_buf_view(&m->out), &stg_plist_device, why);
	stg_buf_clear(&m->out);
}

static void accepted_made(struct maker *m)
{
	accepted(stg_buf_view(&m->out), &stg_plist_device);
	stg_buf_clear(&m->out);
}

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

/* ---- hostile binary lists ---- */

/* 12 lists of ten references each to the next: 204 bytes, a thousand milliards of values. */
static void a_bomb_of_204_bytes_is_refused_at_once(void **state)
{
	(void)state;
	struct maker m = maker();
	for (uint8_t i = 0; i < 12; i++)
		OBJECT(&m, 0xaa, (uint8_t)(i + 1), (uint8_t)(i + 1), (uint8_t)(i + 1), (uint8_t)(i + 1), (uint8_t)(i + 1),
		       (uint8_t)(i + 1), (uint8_t)(i + 1), (uint8_t)(i + 1), (uint8_t)(i + 1), (uint8_t)(i + 1));
	OBJECT(&m, 0x5f, 0x10, 0x10, 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x');
	struct trailer t = honest(&m);
	t.offset_size = 1;
	finish_as(&m, t);
	assert_int_equal(m.out.len, 204);
	int64_t begin = stg_cpu_us();
	refused(stg_buf_view(&m.out), &stg_plist_apps, "unfolds to more values");
	assert_true(stg_cpu_us() - begin < 1000000);
	refused_made(&m, "unfolds to more values");
}

static void bombs_of_every_width_are_refused_where_the_limit_lies(void **state)
{
	(void)state;
	/* levels of `fan` references: fan^levels leaves */
	for (uint8_t fan = 2; fan <= 14; fan++) {
		uint64_t nodes = 1, width = 1;
		for (uint8_t levels = 1; levels <= 20; levels++) {
			struct maker m = maker();
			for (uint8_t i = 0; i < levels; i++) {
				uint8_t list[16] = { (uint8_t)(0xa0 | fan) };
				memset(list + 1, i + 1, fan);
				object(&m, list, fan + 1u);
			}
			OBJECT(&m, 0x09);
			finish(&m);
			if (width < 1000000000) {
				width *= fan;
				nodes += width;
			}
			if (nodes > stg_plist_device.nodes)
				refused_made(&m, "unfolds to more values");
			else if (levels < 3 || nodes + width * fan > stg_plist_device.nodes)
				accepted_made(&m);
			else
				stg_buf_clear(&m.out);
		}
	}
}

static void a_long_text_that_many_share_is_refused(void **state)
{
	(void)state;
	/* 400 x 60,000 bytes = 24 MB out of 61 KB */
	struct maker m = maker();
	uint8_t list[4 + 400] = { 0xaf, 0x11, 400 >> 8, 400 & 255 };
	memset(list + 4, 1, 400);
	object(&m, list, sizeof(list));
	uint8_t *text = malloc(60004);
	assert_non_null(text);
	memcpy(text, "\x5f\x11\xea\x60", 4);
	memset(text + 4, 'x', 60000);
	object(&m, text, 60004);
	free(text);
	struct trailer t = honest(&m);
	t.offset_size = 4;
	finish_as(&m, t);
	refused_made(&m, "unfolds to more text");
}

static void lists_that_contain_themselves_are_refused(void **state)
{
	(void)state;
	struct maker m = maker();
	OBJECT(&m, 0xa1, 0);
	finish(&m);
	refused_made(&m, "contains itself");

	m = maker();
	OBJECT(&m, 0xa1, 1);
	OBJECT(&m, 0xa1, 0);
	finish(&m);
	refused_made(&m, "contains itself");

	m = maker();
	OBJECT(&m, 0xd1, 1, 2);
	OBJECT(&m, 0x51, 'k');
	OBJECT(&m, 0xa2, 1, 0);
	finish(&m);
	refused_made(&m, "contains itself");

	m = maker();
	OBJECT(&m, 0xd1, 0, 0);
	finish(&m);
	refused_made(&m, "contains itself");
}

/* A chain of `levels` lists in references of three bytes. */
static void chain(struct stg_buf *b, size_t levels)
{
	assert_true(stg_buf_add(b, "bplist00", 8, NULL));
	for (size_t i = 0; i + 1 < levels; i++) {
		assert_true(stg_buf_add(b, "\xa1", 1, NULL));
		big_endian(b, i + 1, 3);
	}
	assert_true(stg_buf_add(b, "\xa0", 1, NULL));
	size_t table = b->len;
	for (size_t i = 0; i < levels; i++)
		big_endian(b, 8 + 4 * i, 3);
	assert_true(stg_buf_add(b, "\0\0\0\0\0\0\3\3", 8, NULL));
	big_endian(b, levels, 8);
	big_endian(b, 0, 8);
	big_endian(b, table, 8);
}

static void depth_is_counted_without_going_down(void **state)
{
	(void)state;
	static const size_t levels[] = { 1, 63, 64, 65, 512, 100000 };
	for (size_t i = 0; i < STG_ARRAY_LEN(levels); i++) {
		STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(4u << 20);
		chain(&b, levels[i]);
		if (levels[i] <= 64)
			accepted(stg_buf_view(&b), &stg_plist_device);
		else
			refused(stg_buf_view(&b), &stg_plist_device, "nested deeper");
		if (levels[i] == 64)
			refused(stg_buf_view(&b), &stg_plist_profile, "nested deeper");
	}
	/* the depth of what is shared counts from where it stands: 40 levels, then 40 more that were seen before */
	struct maker m = maker();
	OBJECT(&m, 0xa2, 41, 1);
	for (uint8_t i = 1; i <= 80; i++)
		OBJECT(&m, 0xa1, (uint8_t)(i + 1));
	OBJECT(&m, 0xa0);
	finish(&m);
	refused_made(&m, "nested deeper");
}

static void trailers_that_lie_are_refused(void **state)
{
	(void)state;
	static const struct {
		struct trailer t;
		const char *why;
	} lies[] = {
		{ { 0, 1, 1, 0, 9 }, "offsets are not" },
		{ { 9, 1, 1, 0, 9 }, "offsets are not" },
		{ { 255, 1, 1, 0, 9 }, "offsets are not" },
		{ { 2, 0, 1, 0, 9 }, "references are not" },
		{ { 2, 9, 1, 0, 9 }, "references are not" },
		{ { 2, 255, 1, 0, 9 }, "references are not" },
		{ { 2, 1, 0, 0, 9 }, "no objects" },
		{ { 2, 1, 2, 0, 9 }, "does not end where" },
		{ { 2, 1, UINT64_C(1) << 32, 0, 9 }, "more objects" },
		{ { 2, 1, UINT64_C(1) << 63, 0, 9 }, "more objects" },
		{ { 2, 1, UINT64_MAX, 0, 9 }, "more objects" },
		{ { 2, 1, 1, 1, 9 }, "first object" },
		{ { 2, 1, 1, UINT64_MAX, 9 }, "first object" },
		{ { 2, 1, 1, 0, 0 }, "offset table lies" },
		{ { 2, 1, 1, 0, 8 }, "offset table lies" },
		{ { 2, 1, 1, 0, 10 }, "does not end where" },
		{ { 2, 1, 1, 0, 11 }, "offset table lies" },
		{ { 2, 1, 1, 0, 43 }, "offset table lies" },
		{ { 2, 1, 1, 0, UINT64_MAX }, "offset table lies" },
		{ { 2, 1, 1, 0, UINT64_MAX - 1 }, "offset table lies" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(lies); i++) {
		struct maker m = maker();
		OBJECT(&m, 0x09);
		if (lies[i].t.offset_size > 8 || lies[i].t.offset_size == 0) {
			struct trailer t = lies[i].t;
			t.offset_size = 2;
			finish_as(&m, t);
			m.out.data[m.out.len - 26] = lies[i].t.offset_size;
		} else {
			finish_as(&m, lies[i].t);
		}
		refused_made(&m, lies[i].why);
	}
}

static void offsets_outside_the_objects_are_refused(void **state)
{
	(void)state;
	static const size_t offset[] = { 0, 7, 9, 10, 11, 12, 42, 43, 65535 };
	for (size_t i = 0; i < STG_ARRAY_LEN(offset); i++) {
		struct maker m = maker();
		OBJECT(&m, 0x09);
		m.offset[0] = offset[i];
		finish(&m);
		refused_made(&m, "offset points outside");
	}
}

static void objects_that_run_over_the_end_are_refused(void **state)
{
	(void)state;
	static const uint8_t objects[][10] = {
		{ 0x11, 1 }, { 0x13, 1, 2, 3, 4, 5, 6, 7 }, { 0x22, 1, 2, 3 }, { 0x23, 1 }, { 0x33, 1 }, { 0x42, 1 }, { 0x52, 'a' },
		{ 0x61, 0 }, { 0x62, 0, 'a', 0 }, { 0xa2, 0 }, { 0xd1, 0 }, { 0x81, 0 }, { 0x5f, 0x10 }, { 0x5f, 0x11, 0 },
		{ 0x4f, 0x13, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, { 0x5f, 0x12, 0x7f, 0xff, 0xff, 0xff },
		{ 0xdf, 0x13, 0x40, 0, 0, 0, 0, 0, 0, 0 }, { 0xaf, 0x13, 0x80, 0, 0, 0, 0, 0, 0, 1 },
		{ 0x6f, 0x13, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
	};
	static const size_t len[] = { 2, 8, 4, 2, 2, 2, 2, 2, 4, 2, 2, 2, 2, 3, 10, 6, 10, 10, 10 };
	for (size_t i = 0; i < STG_ARRAY_LEN(objects); i++) {
		struct maker m = maker();
		object(&m, objects[i], objects[i][0] == 0x11 ? 1 : len[i]);
		finish(&m);
		refused_made(&m, "property list: byte 8: an object");
	}
}

static void objects_of_no_kind_are_refused(void **state)
{
	(void)state;
	static const uint8_t markers[] = { 0x00, 0x01, 0x0a, 0x0f, 0x15, 0x1f, 0x20, 0x21, 0x24, 0x2f, 0x30, 0x32, 0x34,
					   0x70, 0x84, 0x8f, 0x90, 0xb1, 0xe0, 0xf0, 0xff };
	for (size_t i = 0; i < STG_ARRAY_LEN(markers); i++) {
		struct maker m = maker();
		OBJECT(&m, markers[i], 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
		finish(&m);
		refused_made(&m, "byte 8");
	}
	/* a length that is not an integer */
	struct maker m = maker();
	OBJECT(&m, 0x5f, 0x51, 'a', 'b');
	finish(&m);
	refused_made(&m, "length is not a number");
	m = maker();
	OBJECT(&m, 0x5f, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'a');
	finish(&m);
	refused_made(&m, "length is not a number");
}

static void overlapping_objects_are_refused(void **state)
{
	(void)state;
	/* each offset points into the same text: 90 objects of one size out of the bytes of one */
	struct maker m = maker();
	uint8_t list[3 + 90] = { 0xaf, 0x10, 90 }, text[122] = { 0x5f, 0x10, 119 };
	for (uint8_t i = 0; i < 90; i++)
		list[3 + i] = (uint8_t)(i + 1);
	object(&m, list, sizeof(list));
	memset(text + 3, 0x51, 119);
	object(&m, text, sizeof(text));
	for (size_t i = 0; i < 89; i++)
		m.offset[m.n++] = m.offset[1];
	finish(&m);
	refused_made(&m, "overlap");
}

static void references_to_nothing_are_refused(void **state)
{
	(void)state;
	static const uint8_t containers[][3] = { { 0xa1, 2, 0 }, { 0xa1, 255, 0 }, { 0xd1, 2, 1 }, { 0xd1, 1, 2 } };
	for (size_t i = 0; i < STG_ARRAY_LEN(containers); i++) {
		struct maker m = maker();
		object(&m, containers[i], containers[i][0] == 0xa1 ? 2 : 3);
		OBJECT(&m, 0x51, 'k');
		finish(&m);
		refused_made(&m, "does not exist");
	}
	struct maker m = maker();
	OBJECT(&m, 0xa1, 0x80, 0, 0, 0, 0, 0, 0, 1);
	OBJECT(&m, 0x09);
	struct trailer t = honest(&m);
	t.ref_size = 8;
	finish_as(&m, t);
	refused_made(&m, "does not exist");
}

static void keys_must_be_texts_and_stand_once(void **state)
{
	(void)state;
	static const struct {
		uint8_t key[2][8];
		size_t len[2];
		const char *why;
	} pairs[] = {
		{ { { 0x10, 1 }, { 0x51, 'b' } }, { 2, 2 }, "not a string" },
		{ { { 0x51, 'a' }, { 0x09 } }, { 2, 1 }, "not a string" },
		{ { { 0x51, 'a' }, { 0x41, 'b' } }, { 2, 2 }, "not a string" },
		{ { { 0x51, 'a' }, { 0xa0 } }, { 2, 1 }, "not a string" },
		{ { { 0x51, 'a' }, { 0x51, 'a' } }, { 2, 2 }, "same key twice" },
		{ { { 0x51, 'a' }, { 0x61, 0, 'a' } }, { 2, 3 }, "same key twice" },
		{ { { 0x52, 0xc3, 0xa9 }, { 0x61, 0, 0xe9 } }, { 3, 3 }, "same key twice" },
		{ { { 0x54, 0xf0, 0x9f, 0x93, 0xb1 }, { 0x62, 0xd8, 0x3d, 0xdc, 0xf1 } }, { 5, 5 }, "same key twice" },
		{ { { 0x51, 'a' }, { 0x52, 'a', 0 } }, { 2, 3 }, "with a zero" },
		{ { { 0x51, 'a' }, { 0x61, 0xd8, 0x3d } }, { 2, 3 }, "half a character" },
		{ { { 0x51, 'a' }, { 0x62, 0xdc, 0xf1, 0xd8, 0x3d } }, { 2, 5 }, "half a character" },
		{ { { 0x51, 'a' }, { 0x60 } }, { 2, 1 }, "empty string" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(pairs); i++) {
		struct maker m = maker();
		OBJECT(&m, 0xd2, 1, 2, 3, 3);
		object(&m, pairs[i].key[0], pairs[i].len[0]);
		object(&m, pairs[i].key[1], pairs[i].len[1]);
		OBJECT(&m, 0x09);
		finish(&m);
		refused_made(&m, pairs[i].why);
	}
	/* one key object named twice, and the same key in two dictionaries, which is fine */
	struct maker m = maker();
	OBJECT(&m, 0xd2, 1, 1, 2, 2);
	OBJECT(&m, 0x51, 'k');
	OBJECT(&m, 0x09);
	finish(&m);
	refused_made(&m, "same key twice");
	m = maker();
	OBJECT(&m, 0xd2, 1, 2, 3, 1);
	OBJECT(&m, 0x51, 'k');
	OBJECT(&m, 0x51, 'l');
	OBJECT(&m, 0xd1, 1, 1);
	finish(&m);
	accepted_made(&m);
}

static void texts_dates_and_lengths_of_binary_lists_are_checked(void **state)
{
	(void)state;
	static const uint8_t bad_text[][6] = {
		{ 0x51, 0x80 }, { 0x52, 0xc0, 0x80 }, { 0x53, 0xe0, 0x80, 0x80 }, { 0x53, 0xed, 0xa0, 0x80 },
		{ 0x54, 0xf4, 0x90, 0x80, 0x80 }, { 0x52, 0xe9, 'a' }, { 0x51, 0xff },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(bad_text); i++) {
		struct maker m = maker();
		object(&m, bad_text[i], 1u + (bad_text[i][0] & 15));
		finish(&m);
		refused_made(&m, "not UTF-8");
	}
	static const uint8_t bad_date[][9] = {
		{ 0x33, 0x7f, 0xf8 }, { 0x33, 0x7f, 0xf0 }, { 0x33, 0xff, 0xf0 }, { 0x33, 0x43, 0x40 }, { 0x33, 0xc3, 0x40 },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(bad_date); i++) {
		struct maker m = maker();
		object(&m, bad_date[i], 9);
		finish(&m);
		refused_made(&m, "no moment");
	}
	static const struct stg_plist_limits tight = {
		.size_bytes = 4096, .depth = 4, .nodes = 6, .key_bytes = 3, .string_bytes = 8, .data_bytes = 4,
	};
	static const struct { uint8_t value[20]; size_t len; const char *why; } long_ones[] = {
		{ { 0x59, 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a' }, 10, "string longer" },
		{ { 0x65, 0, 'a', 0, 'a', 0, 'a', 0, 'a', 0, 'a' }, 11, "string longer" },
		{ { 0x45, 1, 2, 3, 4, 5 }, 6, "data longer" },
		{ { 0xd1, 1, 1 }, 3, "key longer" },
		{ { 0xa6, 1, 1, 1, 1, 1, 1 }, 7, "more values" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(long_ones); i++) {
		struct maker m = maker();
		object(&m, long_ones[i].value, long_ones[i].len);
		OBJECT(&m, 0x54, 'a', 'a', 'a', 'a');
		finish(&m);
		refused(stg_buf_view(&m.out), &tight, long_ones[i].why);
		stg_buf_clear(&m.out);
	}
	struct maker m = maker();
	OBJECT(&m, 0x58, 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a');
	finish(&m);
	accepted(stg_buf_view(&m.out), &tight);
	stg_buf_clear(&m.out);
}

static void bytes_that_are_no_list_are_refused(void **state)
{
	(void)state;
	refused_text("", "no property list");
	refused_text("bplist0", "no property list");
	refused_text("bplist01 and more than enough bytes behind it to hold a trailer", "version 00");
	refused_text("bplist00", "cut short");
	refused_text("bplist00\x09 too short for a trailer", "cut short");
	refused_text("HTTP/1.1 400 Bad Request", "no <plist>");
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(8u << 20);
	assert_true(stg_buf_reserve(&b, 5u << 20, NULL));
	memset(b.data, ' ', 5u << 20);
	b.len = stg_plist_device.size_bytes + 1;
	refused(stg_buf_view(&b), &stg_plist_device, "at most 4194304");
	b.len--;
	refused(stg_buf_view(&b), &stg_plist_device, "no <plist>");
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
		{ "<plist><dict/></plist><plist><dict/></plist>", "something after" },
		{ "<plist><dict/></plist>x", "something after" },
		{ "<plist><dict/></plist><!-- more -->", "something after" },
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
		{ "<plist><true>no</true></plist>", "cut short" },
		{ "<plist><string>a</key></plist>", "not closed" },
		{ "<plist><string><true/></string></plist>", "not closed" },
		{ "<plist><!-- never closed <dict/></plist>", "comment without" },
		{ "<plist><!--><dict/></plist>", "comment without" },
		{ "<plist><string><![CDATA[ ]]</string></plist>", "CDATA" },
		/* dictionaries */
		{ "<plist><dict><key>a</key></dict></plist>", "key without a value" },
		{ "<plist><dict><true/></dict></plist>", "value without a key" },
		{ "<plist><dict><key>a</key><key>b</key><true/></dict></plist>", "two keys" },
		{ "<plist><dict><key>a</key><true/><true/></dict></plist>", "value without a key" },
		{ "<plist><dict><key/><true/></dict></plist>", "key without a name" },
		{ "<plist><key>a</key></plist>", "key outside" },
		{ "<plist><array><key>a</key></array></plist>", "key outside" },
		{ "<plist><dict><key>a</key><true/>\n<key>a</key><true/></dict></plist>", "line 2: the same key twice" },
		{ "<plist><dict><key>a</key><true/><key>&#97;</key><true/></dict></plist>", "same key twice" },
		{ "<plist><dict><key>a</key><true/><key><![CDATA[a]]></key><true/></dict></plist>", "same key twice" },
		{ "<plist><dict><key>a</key><true/><key><!-- -->a</key><true/></dict></plist>", "same key twice" },
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
		{ "<plist><integer>abc</integer></plist>", "an integer" },
		{ "<plist><integer></integer></plist>", "an integer" },
		{ "<plist><integer/></plist>", "an empty <integer>" },
		{ "<plist><integer>12abc</integer></plist>", "an integer" },
		{ "<plist><integer>18446744073709551616</integer></plist>", "an integer" },
		{ "<plist><integer>-9223372036854775809</integer></plist>", "an integer" },
		{ "<plist><integer>1 2</integer></plist>", "an integer" },
		{ "<plist><integer>1<!-- -->2</integer></plist>", "do not have" },
		{ "<plist><real>abc</real></plist>", "a real" },
		{ "<plist><real>1e</real></plist>", "a real" },
		{ "<plist><real>.</real></plist>", "a real" },
		{ "<plist><real>0x1p3</real></plist>", "a real" },
		{ "<plist><date>tomorrow</date></plist>", "a date" },
		{ "<plist><date>2024-13-45T99:00:00Z</date></plist>", "a date" },
		{ "<plist><date>2024-12-01T10:00:00</date></plist>", "a date" },
		{ "<plist><data>!!!</data></plist>", "base64" },
		{ "<plist><data>AAA</data></plist>", "whole base64" },
		{ "<plist><data>A=AA</data></plist>", "base64" },
		{ "<plist><data>A===</data></plist>", "base64" },
		{ "<plist><data>AA&#65;A</data></plist>", "base64" },
		/* bytes */
		{ "<plist><string>\xc0\xaf</string></plist>", "not UTF-8" },
		{ "<plist><string>\xe0\x80\xaf</string></plist>", "not UTF-8" },
		{ "<plist><string>\xed\xa0\x80</string></plist>", "not UTF-8" },
		{ "<plist><string>\xf8\x88\x80\x80\x80</string></plist>", "not UTF-8" },
		{ "<plist>\n\n<string>\xff</string></plist>", "line 3: bytes that are not UTF-8" },
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
		{ "<plist><array>", "<true/>", "", "", "</array></plist>", 99999, 100000, "more values" },
		{ "<plist><string>", "x", "", "", "</string></plist>", 65536, 65537, "<string> longer" },
		{ "<plist><string>", "&#x41;", "", "", "</string></plist>", 65536, 65537, "<string> longer" },
		{ "<plist><string>", "<!---->", "", "", "</string></plist>", 9362, 9363, "<string> longer" },
		{ "<plist><string>", "<![CDATA[]]>", "", "", "</string></plist>", 5461, 5462, "<string> longer" },
		{ "<plist><dict><key>", "k", "", "", "</key><true/></dict></plist>", 1024, 1025, "<key> longer" },
		{ "<plist><data>", "AAAA", "", "", "</data></plist>", 349525, 349526, "data longer" },
		{ "<plist><integer>", "0", "", "", "1</integer></plist>", 63, 500, "an integer" },
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
	refused(stg_buf_view(&b), &stg_plist_apps, "same key twice");
	/* compared each with each this would be 1,250 million comparisons */
	assert_true(stg_cpu_us() - begin < 20000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bomb_of_204_bytes_is_refused_at_once),
		cmocka_unit_test(bombs_of_every_width_are_refused_where_the_limit_lies),
		cmocka_unit_test(a_long_text_that_many_share_is_refused),
		cmocka_unit_test(lists_that_contain_themselves_are_refused),
		cmocka_unit_test(depth_is_counted_without_going_down),
		cmocka_unit_test(trailers_that_lie_are_refused),
		cmocka_unit_test(offsets_outside_the_objects_are_refused),
		cmocka_unit_test(objects_that_run_over_the_end_are_refused),
		cmocka_unit_test(objects_of_no_kind_are_refused),
		cmocka_unit_test(overlapping_objects_are_refused),
		cmocka_unit_test(references_to_nothing_are_refused),
		cmocka_unit_test(keys_must_be_texts_and_stand_once),
		cmocka_unit_test(texts_dates_and_lengths_of_binary_lists_are_checked),
		cmocka_unit_test(bytes_that_are_no_list_are_refused),
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
