/*
 * queue.c - threads that do one thing after another for the main loop; the recorder is one of them.
 *
 * For:    everything that blocks: the database, keys and payloads, the activation relay.
 * Uses:   <stager/store.h> for the recorder's grouped commits.
 * Called: station.c (start, stop), the main loop (post, drain), the push thread (call).
 * Thread: its own. The recorder's thread is the only writer of the inventory: it takes everything that waits, runs
 *         each task in a savepoint of its own inside one transaction, and answers only after the commit.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "queue.h"

#define GROUP_MAX 256

struct task {
	struct task *next;
	queue_run run;
	queue_done done;
	void *arg;
	bool ok, finished, waited_for;
	struct stg_error err;
};

struct list {
	struct task *first, **last;
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t work, answered;
	struct list urgent, waiting, done;
	unsigned int count, n_threads;
	bool stopping;
	bool ended;             /* main loop's: no thread is left */
	int fd;
	struct stg_store *store;
	pthread_t threads[8];
};

static void put(struct list *l, struct task *t)
{
	t->next = NULL;
	*l->last = t;
	l->last = &t->next;
}

static struct task *take(struct list *l)
{
	struct task *t = l->first;
	if (t) {
		l->first = t->next;
		if (!l->first)
			l->last = &l->first;
	}
	return t;
}

static void answer(struct queue *q, struct task *t)
{
	pthread_mutex_lock(&q->lock);
	q->count--;
	t->finished = true;
	if (t->waited_for) {
		pthread_cond_broadcast(&q->answered);
	} else if (t->done) {
		uint64_t one = 1;
		put(&q->done, t);
		while (write(q->fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
	} else {
		free(t);
	}
	pthread_mutex_unlock(&q->lock);
}

/* The recorder: everything that waits, in one commit. */
static void record(struct queue *q, struct task **group, size_t n)
{
	struct stg_error err = { 0 };
	bool open = stg_store_begin(q->store, &err);
	for (size_t i = 0; open && i < n; i++) {
		struct task *t = group[i];
		if (!stg_store_savepoint(q->store, &t->err)) {
			t->ok = false;
			continue;
		}
		t->ok = t->run(q->store, t->arg, &t->err);
		if (!t->ok || !stg_store_release(q->store, &t->err)) {
			t->ok = false;
			stg_store_undo(q->store);
		}
	}
	if (!open || !stg_store_commit(q->store, &err)) {
		for (size_t i = 0; i < n; i++) {
			if (group[i]->ok || !open)
				group[i]->err = err;
			group[i]->ok = false;
		}
	}
	for (size_t i = 0; i < n; i++)
		answer(q, group[i]);
}

static void *serve(void *arg)
{
	struct queue *q = arg;
	struct task *group[GROUP_MAX];
	for (;;) {
		size_t n = 0;
		pthread_mutex_lock(&q->lock);
		while (!q->urgent.first && !q->waiting.first && !q->stopping)
			pthread_cond_wait(&q->work, &q->lock);
		while (n < (q->store ? GROUP_MAX : 1) && (q->urgent.first || q->waiting.first))
			group[n++] = take(q->urgent.first ? &q->urgent : &q->waiting);
		pthread_mutex_unlock(&q->lock);
		if (n == 0)
			return NULL;
		if (q->store) {
			record(q, group, n);
		} else {
			group[0]->ok = group[0]->run(NULL, group[0]->arg, &group[0]->err);
			answer(q, group[0]);
		}
	}
}

struct queue *queue_start(const char *name, unsigned int threads, struct stg_store *store, struct stg_error *err)
{
	struct queue *q = stg_calloc(1, sizeof(*q));
	q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->store = store;
	q->urgent.last = &q->urgent.first;
	q->waiting.last = &q->waiting.first;
	q->done.last = &q->done.first;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->work, NULL);
	pthread_cond_init(&q->answered, NULL);
	if (store)
		threads = 1;
	for (unsigned int i = 0; q->fd >= 0 && i < threads && i < STG_ARRAY_LEN(q->threads); i++) {
		if (pthread_create(&q->threads[i], NULL, serve, q) != 0)
			break;
		pthread_setname_np(q->threads[i], name);
		q->n_threads++;
	}
	if (q->n_threads == 0) {
		stg_fail_id(err, STG_E_STATION, STG_ID_START_FAILED, errno, "start the %s thread: %s", name, strerror(errno));
		queue_stop(q);
		return NULL;
	}
	return q;
}

/* What was not begun when the station ends is not begun: a dozen keys nobody waits for any more take half a minute. */
static void give_up(struct queue *q)
{
	for (;;) {
		pthread_mutex_lock(&q->lock);
		struct task *t = take(q->urgent.first ? &q->urgent : &q->waiting);
		pthread_mutex_unlock(&q->lock);
		if (!t)
			return;
		t->ok = stg_fail_id(&t->err, STG_E_CANCELLED, STG_ID_STOPPING, 0, "the station ends");
		answer(q, t);
	}
}

void queue_end(struct queue *q)
{
	if (!q || q->ended)
		return;
	pthread_mutex_lock(&q->lock);
	q->stopping = true;
	pthread_cond_broadcast(&q->work);
	pthread_mutex_unlock(&q->lock);
	if (!q->store)
		give_up(q);
	for (unsigned int i = 0; i < q->n_threads; i++)
		pthread_join(q->threads[i], NULL);
	q->ended = true;
	queue_drain(q);
}

void queue_stop(struct queue *q)
{
	if (!q)
		return;
	queue_end(q);
	if (q->fd >= 0)
		close(q->fd);
	pthread_cond_destroy(&q->work);
	pthread_cond_destroy(&q->answered);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

static struct task *task_new(queue_run run, queue_done done, void *arg)
{
	struct task *t = stg_calloc(1, sizeof(*t));
	t->run = run;
	t->done = done;
	t->arg = arg;
	return t;
}

static void post(struct queue *q, struct list *l, struct task *t)
{
	if (q->ended) {
		stg_fail_id(&t->err, STG_E_CANCELLED, STG_ID_STOPPING, 0, "the station ends");
		if (t->done)
			t->done(t->arg, false, &t->err);
		free(t);
		return;
	}
	pthread_mutex_lock(&q->lock);
	put(l, t);
	q->count++;
	pthread_cond_signal(&q->work);
	pthread_mutex_unlock(&q->lock);
}

void queue_post(struct queue *q, queue_run run, queue_done done, void *arg)
{
	post(q, &q->waiting, task_new(run, done, arg));
}

void queue_post_first(struct queue *q, queue_run run, queue_done done, void *arg)
{
	post(q, &q->urgent, task_new(run, done, arg));
}

bool queue_call(struct queue *q, queue_run run, void *arg, struct stg_error *err)
{
	struct task *t = task_new(run, NULL, arg);
	t->waited_for = true;
	pthread_mutex_lock(&q->lock);
	put(&q->waiting, t);
	q->count++;
	pthread_cond_signal(&q->work);
	while (!t->finished)
		pthread_cond_wait(&q->answered, &q->lock);
	pthread_mutex_unlock(&q->lock);
	bool ok = t->ok;
	if (!ok && err)
		*err = t->err;
	free(t);
	return ok;
}

int queue_fd(const struct queue *q)
{
	return q->fd;
}

void queue_drain(struct queue *q)
{
	uint64_t n;
	while (read(q->fd, &n, sizeof(n)) < 0 && errno == EINTR)
		;
	for (;;) {
		pthread_mutex_lock(&q->lock);
		struct task *t = take(&q->done);
		pthread_mutex_unlock(&q->lock);
		if (!t)
			return;
		t->done(t->arg, t->ok, &t->err);
		free(t);
	}
}

unsigned int queue_waiting(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	unsigned int n = q->count;
	pthread_mutex_unlock(&q->lock);
	return n;
}
