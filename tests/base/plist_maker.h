/*
 * plist_maker.h - binary property lists put together by hand, and the verdicts on them.
 *
 * Include it in one file of a test program.
 */
#ifndef TESTS_BASE_PLIST_MAKER_H
#define TESTS_BASE_PLIST_MAKER_H

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

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"

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

#pragma GCC diagnostic pop
#endif
