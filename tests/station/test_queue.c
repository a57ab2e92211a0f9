/*
 * test_queue.c - whose key is made first when many devices wait for one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <semaphore.h>
#include <string.h>

#include <cmocka.h>

#include "../../stager/station/queue.h"

static sem_t gate;
static char order[16];

static bool blocks(struct stg_store *store, void *arg, struct stg_error *err)
{
	(void)store, (void)arg, (void)err;
	sem_wait(&gate);
	return true;
}

static bool notes(struct stg_store *store, void *arg, struct stg_error *err)
{
	(void)store, (void)err;
	strncat(order, arg, 1);
	return true;
}

static void the_device_that_waited_longest_is_served_first_and_idle_work_last(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	sem_init(&gate, 0, 0);
	struct queue *q = queue_start("test", 1, NULL, &err);
	assert_non_null(q);
	queue_post(q, blocks, NULL, NULL);
	queue_post(q, notes, NULL, (char[]){ "i" });
	queue_post_first(q, notes, NULL, (char[]){ "1" });
	queue_post_first(q, notes, NULL, (char[]){ "2" });
	queue_post_first(q, notes, NULL, (char[]){ "3" });
	assert_int_equal(queue_waiting(q), 5);
	sem_post(&gate);
	queue_stop(q);        /* finishes what was posted */
	assert_string_equal(order, "123i");
	sem_destroy(&gate);
}

static struct queue *first, *second;
static enum stg_code told = STG_OK;
static bool ran;

static bool runs(struct stg_store *store, void *arg, struct stg_error *err)
{
	(void)store, (void)arg, (void)err;
	ran = true;
	return true;
}

static void second_done(void *arg, bool ok, const struct stg_error *err)
{
	(void)arg;
	told = ok ? STG_OK : err->code;
}

static void first_done(void *arg, bool ok, const struct stg_error *err)
{
	(void)arg, (void)err;
	assert_true(ok);
	queue_post(second, runs, second_done, NULL);
}

/* The station ends in the middle of something that goes from one thread to the next. */
static void what_is_handed_to_a_queue_that_has_ended_is_told_as_cancelled(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	first = queue_start("first", 1, NULL, &err);
	second = queue_start("second", 1, NULL, &err);
	assert_true(first && second);
	queue_post(first, notes, first_done, (char[]){ "x" });
	queue_end(second);
	queue_end(first);
	assert_int_equal(told, STG_E_CANCELLED);
	assert_false(ran);
	queue_stop(first);
	queue_stop(second);
	queue_end(NULL);
	queue_stop(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_device_that_waited_longest_is_served_first_and_idle_work_last),
		cmocka_unit_test(what_is_handed_to_a_queue_that_has_ended_is_told_as_cancelled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
