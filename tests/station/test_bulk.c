/*
 * test_bulk.c - who may move much over a shared cable: nobody starves, nobody rushes ahead, a device that hangs holds up
 * nobody for long, and two cables know nothing of one another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stager/host.h>

#include "../../stager/station/bulk.h"

#define APP (300ll << 20)

/* Everybody who may go, in the order they are told. */
static unsigned int going(struct bulk *b, int64_t now, unsigned int *refs, int64_t *bytes)
{
	unsigned int n = 0;
	while (bulk_next(b, now, &refs[n], &bytes[n]))
		n++;
	return n;
}

static void sixteen_devices_get_the_same_share(void **state)
{
	(void)state;
	struct bulk *b = bulk_new();
	int64_t left[17], now = 0, bytes[32];
	unsigned int refs[32], at = 0, n = 0, turns[64] = { 0 };
	for (unsigned int i = 1; i <= 16; i++) {
		left[i] = APP;
		bulk_ask(b, i, "2-1", false, APP, now);
	}
	/* a cable that finishes the turns in the order they began, one every 200 ms */
	n = going(b, now, refs, bytes);
	assert_int_equal(n, BULK_TOGETHER);
	while (at < n) {
		unsigned int ref = refs[at];
		int64_t most = 0, least = APP;
		now += 200;
		left[ref] -= bytes[at];
		turns[ref]++;
		bulk_ask(b, ref, "2-1", false, left[ref], now);
		memmove(refs, refs + 1, sizeof(refs) - sizeof(refs[0]));
		memmove(bytes, bytes + 1, sizeof(bytes) - sizeof(bytes[0]));
		n = n - 1 + going(b, now, refs + n - 1, bytes + n - 1);
		assert_true(n <= BULK_TOGETHER);
		for (unsigned int i = 1; i <= 16; i++) {
			most = left[i] > most ? left[i] : most;
			least = left[i] < least ? left[i] : least;
		}
		/* the last one is alone and gets longer turns */
		assert_true(most - least <= 2 * BULK_TURN_BYTES || least == 0);
	}
	for (unsigned int i = 1; i <= 16; i++)
		assert_int_equal(left[i], 0);
	bulk_free(b);
}

static void one_alone_goes_on_at_once_with_long_turns(void **state)
{
	(void)state;
	struct bulk *b = bulk_new();
	unsigned int refs[8];
	int64_t bytes[8];
	bulk_ask(b, 7, "2-1", false, APP, 0);
	assert_int_equal(going(b, 0, refs, bytes), 1);
	assert_int_equal(bytes[0], BULK_ALONE_BYTES);
	assert_false(bulk_waits(b, 7));
	bulk_ask(b, 7, "2-1", false, 1000, 1);
	assert_int_equal(going(b, 1, refs, bytes), 1);
	assert_int_equal(bytes[0], 1000);
	bulk_ask(b, 7, "2-1", false, 0, 2);
	assert_int_equal(going(b, 2, refs, bytes), 0);
	assert_int_equal(bulk_due_ms(b, 2), -1);
	bulk_free(b);
}

static void a_device_that_hangs_holds_up_nobody_for_long(void **state)
{
	(void)state;
	struct bulk *b = bulk_new();
	unsigned int refs[8];
	int64_t bytes[8];
	for (unsigned int i = 1; i <= BULK_TOGETHER; i++)
		bulk_ask(b, i, "2-1", false, APP, 0);
	assert_int_equal(going(b, 0, refs, bytes), BULK_TOGETHER);
	bulk_ask(b, 99, "2-1", false, APP, 10);
	assert_int_equal(going(b, 10, refs, bytes), 0);
	assert_true(bulk_waits(b, 99));
	assert_int_equal(bulk_due_ms(b, 10), BULK_LEASE_MS);
	assert_int_equal(going(b, BULK_LEASE_MS - 1, refs, bytes), 0);
	assert_int_equal(going(b, BULK_LEASE_MS, refs, bytes), 1);
	assert_int_equal(refs[0], 99);
	bulk_free(b);
	/* one that was pulled makes room at once */
	b = bulk_new();
	for (unsigned int i = 1; i <= BULK_TOGETHER + 1; i++)
		bulk_ask(b, i, "2-1", false, APP, 0);
	assert_int_equal(going(b, 0, refs, bytes), BULK_TOGETHER);
	bulk_drop(b, 2);
	assert_int_equal(going(b, 1, refs, bytes), 1);
	assert_int_equal(refs[0], BULK_TOGETHER + 1);
	/* when all have hung, there is no time to wake up for: no timer that rings for ever */
	assert_int_equal(bulk_due_ms(b, 10 * BULK_LEASE_MS), -1);
	bulk_free(b);
}

static void two_cables_know_nothing_of_one_another(void **state)
{
	(void)state;
	struct bulk *b = bulk_new();
	unsigned int refs[64];
	int64_t bytes[64];
	for (unsigned int i = 1; i <= 20; i++)
		bulk_ask(b, i, i % 2 ? "2-1" : "2-2", false, APP, 0);
	assert_int_equal(going(b, 0, refs, bytes), 2 * BULK_TOGETHER);
	for (unsigned int i = 30; i < 50; i++)
		bulk_ask(b, i, "3-1", true, APP, 0);
	assert_int_equal(going(b, 0, refs, bytes), BULK_TOGETHER_FAST);
	bulk_free(b);
}

/* ---- the side of the driver ---- */

struct cable {
	int asks;
	uint64_t last_left;
	bool says_no;
};

static bool turn(void *ctx, uint64_t left, uint64_t *ret, struct stg_error *err)
{
	struct cable *c = ctx;
	c->asks++;
	c->last_left = left;
	*ret = left < (8u << 20) ? left : 8u << 20;
	return !c->says_no || stg_fail(err, STG_E_CANCELLED, 0, "no");
}

static bool send_all(struct stg_bulk *bulk, uint64_t size, struct stg_error *err)
{
	for (uint64_t sent = 0; sent < size;) {
		size_t n = size - sent < 65536 ? (size_t)(size - sent) : 65536;
		if (!stg_bulk_take(bulk, n, err))
			return false;
		sent += n;
	}
	return true;
}

static void a_driver_asks_once_a_turn_and_gives_the_last_one_back(void **state)
{
	(void)state;
	struct cable c = { 0 };
	struct stg_host host = { .ctx = &c, .bulk_turn = turn };
	struct stg_bulk bulk = { .host = &host, .left_bytes = 300u << 20 };
	struct stg_error err = { 0 };
	assert_true(send_all(&bulk, 300u << 20, &err));
	assert_int_equal(c.asks, 38);   /* 300 / 8, rounded up */
	stg_bulk_done(&bulk);
	assert_int_equal(c.asks, 39);
	assert_int_equal(c.last_left, 0);
	stg_bulk_done(&bulk);
	assert_int_equal(c.asks, 39);
	/* small things never wait */
	bulk = (struct stg_bulk){ .host = &host, .left_bytes = 60000 };
	c.asks = 0;
	assert_true(send_all(&bulk, 60000, &err));
	stg_bulk_done(&bulk);
	assert_int_equal(c.asks, 0);
	/* a no ends the transfer, and nobody keeps the turn */
	c.says_no = true;
	bulk = (struct stg_bulk){ .host = &host, .left_bytes = 300u << 20 };
	assert_false(send_all(&bulk, 300u << 20, &err));
	assert_int_equal(err.code, STG_E_CANCELLED);
	/* a host of an older table shares with nobody */
	host.bulk_turn = NULL;
	bulk = (struct stg_bulk){ .host = &host, .left_bytes = 300u << 20 };
	assert_true(send_all(&bulk, 300u << 20, &err));
	stg_bulk_done(&bulk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sixteen_devices_get_the_same_share),
		cmocka_unit_test(one_alone_goes_on_at_once_with_long_turns),
		cmocka_unit_test(a_device_that_hangs_holds_up_nobody_for_long),
		cmocka_unit_test(two_cables_know_nothing_of_one_another),
		cmocka_unit_test(a_driver_asks_once_a_turn_and_gives_the_last_one_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
