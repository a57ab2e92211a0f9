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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_device_that_waited_longest_is_served_first_and_idle_work_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
