/*
 * test_plistbinary.c - hostile property lists of the binary kind: bombs, loops, lies about lengths and places.
 *
 * For:    the promise of <stager/plistscan.h>: they end in a sentence before libplist sees them.
 * Uses:   plist_maker.h.
 * Called: by tests/run.sh.
 * Thread: one.
 */
#include "plist_maker.h"

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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
