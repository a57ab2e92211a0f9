/*
 * test_queue.c - whose key is made first when many devices wait for one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>

#include <cmocka.h>

#include "../../stager/station/queue.h"

static sem_t gate, noted, begun;
static char order[16];

static bool blocks(struct stg_store *store, void *arg, struct stg_error *err)
{
	(void)store, (void)arg, (void)err;
	sem_post(&begun);
	sem_wait(&gate);
	return true;
}

static bool notes(struct stg_store *store, void *arg, struct stg_error *err)
{
	(void)store, (void)err;
	strncat(order, arg, 1);
	sem_post(&noted);
	return true;
}

static void the_device_that_waited_longest_is_served_first_and_idle_work_last(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	sem_init(&gate, 0, 0);
	sem_init(&begun, 0, 0);
	sem_init(&noted, 0, 0);
	struct queue *q = queue_start("test", 1, NULL, &err);
	assert_non_null(q);
	queue_post(q, blocks, NULL, NULL);
	queue_post(q, notes, NULL, (char[]){ "i" });
	queue_post_first(q, notes, NULL, (char[]){ "1" });
	queue_post_first(q, notes, NULL, (char[]){ "2" });
	queue_post_first(q, notes, NULL, (char[]){ "3" });
	assert_int_equal(queue_waiting(q), 5);
	sem_post(&gate);
	for (int i = 0; i < 4; i++)
		sem_wait(&noted);
	queue_stop(q);
	assert_string_equal(order, "123i");
	sem_destroy(&noted);
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
	sem_init(&noted, 0, 0);
	queue_post(first, notes, first_done, (char[]){ "x" });
	sem_wait(&noted);
	queue_end(second);
	queue_end(first);
	assert_int_equal(told, STG_E_CANCELLED);
	assert_false(ran);
	queue_stop(first);
	queue_stop(second);
	queue_end(NULL);
	queue_stop(NULL);
}

static void *opens_when_one_is_left(void *q)
{
	while (queue_waiting(q) > 1)
		sched_yield();
	sem_post(&gate);
	return NULL;
}

/* Keys asked for by devices that have left: the station does not stay to make them. */
static void what_was_not_begun_when_the_station_ends_is_not_begun(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	pthread_t t;
	told = STG_OK;
	sem_init(&gate, 0, 0);
	sem_init(&begun, 0, 0);
	struct queue *q = queue_start("test", 1, NULL, &err);
	assert_non_null(q);
	queue_post(q, blocks, NULL, NULL);
	sem_wait(&begun);     /* else the thread may begin with the urgent one */
	queue_post(q, runs, NULL, NULL);
	queue_post_first(q, runs, second_done, NULL);
	assert_int_equal(pthread_create(&t, NULL, opens_when_one_is_left, q), 0);
	queue_end(q);
	pthread_join(t, NULL);
	queue_stop(q);
	assert_int_equal(told, STG_E_CANCELLED);
	assert_false(ran);
	sem_destroy(&gate);
	sem_destroy(&begun);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_device_that_waited_longest_is_served_first_and_idle_work_last),
		cmocka_unit_test(what_is_handed_to_a_queue_that_has_ended_is_told_as_cancelled),
		cmocka_unit_test(what_was_not_begun_when_the_station_ends_is_not_begun),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
