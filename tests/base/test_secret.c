/*
 * test_secret.c - secrets move, are wiped, and stay out of a core dump and of what a search of memory finds.
 *
 * For:    the promise of <stager/secret.h>.
 * Uses:   /proc/self for what a dump would hold.
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

#include <stager/error.h>
#include <stager/secret.h>

static void a_secret_is_set_moved_and_cleared(void **state)
{
	(void)state;
	struct stg_secret a = { 0 }, b = { 0 };
	assert_false(stg_secret_is_set(&a));
	assert_int_equal(stg_secret_reveal(&a).len, 0);
	assert_non_null(stg_secret_reveal(&a).data);

	assert_true(stg_secret_set(&a, stg_bytes_str("open sesame"), NULL));
	assert_true(stg_secret_is_set(&a));
	assert_string_equal((const char *)stg_secret_reveal(&a).data, "open sesame"); /* a NUL that does not count */
	assert_int_equal(stg_secret_reveal(&a).len, 11);
	assert_true(stg_secret_set(&b, stg_bytes_str("other"), NULL));
	stg_secret_move(&b, &a);
	assert_false(stg_secret_is_set(&a));
	assert_string_equal((const char *)stg_secret_reveal(&b).data, "open sesame");
	stg_secret_move(&b, &b);
	assert_true(stg_secret_is_set(&b));

	/* an empty secret is one that was set: a passphrase may be empty */
	assert_true(stg_secret_set(&a, stg_bytes(NULL, 0), NULL));
	assert_true(stg_secret_is_set(&a));
	assert_int_equal(stg_secret_reveal(&a).len, 0);
	stg_secret_clear(&a);
	stg_secret_clear(&a);
	stg_secret_clear(&b);
	assert_false(stg_secret_is_set(&b));
}

static void a_secret_may_be_set_from_itself(void **state)
{
	(void)state;
	struct stg_secret s = { 0 };
	assert_true(stg_secret_set(&s, stg_bytes_str("prefix and rest"), NULL));
	struct stg_bytes part = stg_secret_reveal(&s);
	part.len = 6;
	assert_true(stg_secret_set(&s, part, NULL));
	assert_string_equal((const char *)stg_secret_reveal(&s).data, "prefix");
	stg_secret_clear(&s);
}

static void random_secrets_differ(void **state)
{
	(void)state;
	struct stg_secret a = { 0 }, b = { 0 };
	assert_true(stg_secret_random(&a, 32, NULL));
	assert_true(stg_secret_random(&b, 32, NULL));
	assert_int_equal(stg_secret_reveal(&a).len, 32);
	assert_false(stg_bytes_equal(stg_secret_reveal(&a), stg_secret_reveal(&b)));
	stg_secret_clear(&a);
	stg_secret_clear(&b);
}

static void a_mark_says_which_and_not_what(void **state)
{
	(void)state;
	struct stg_secret s = { 0 };
	char mark[9];
	assert_true(stg_secret_set(&s, stg_bytes_str("abc"), NULL));
	stg_secret_mark(&s, mark);
	assert_string_equal(mark, "ba7816bf");
	stg_secret_clear(&s);
}

/* The flags of the mapping that holds `at`; "" when it is not found. */
static void flags_at(const void *at, char *ret, size_t size)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512];
	unsigned long from, to;
	bool is_it = false;
	assert_non_null(f);
	ret[0] = 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			is_it = (uintptr_t)at >= from && (uintptr_t)at < to;
		else if (is_it && strncmp(line, "VmFlags:", 8) == 0)
			stg_copy(ret, size, line);
	}
	fclose(f);
}

static void a_secret_is_left_out_of_core_dumps(void **state)
{
	(void)state;
#ifdef STG_SANITIZED
	skip(); /* there the plain heap is used, for the sanitizer to watch */
#endif
	if (getenv("STG_VALGRIND"))
		skip();
	struct stg_secret s = { 0 };
	char flags[256];
	assert_true(stg_secret_set(&s, stg_bytes_str("not in a dump"), NULL));
	flags_at(stg_secret_reveal(&s).data, flags, sizeof(flags));
	if (!strstr(flags, " dd"))
		fail_msg("flags are %s", flags);
	stg_secret_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secret_is_set_moved_and_cleared),
		cmocka_unit_test(a_secret_may_be_set_from_itself),
		cmocka_unit_test(random_secrets_differ),
		cmocka_unit_test(a_mark_says_which_and_not_what),
		cmocka_unit_test(a_secret_is_left_out_of_core_dumps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
