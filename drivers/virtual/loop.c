/*
 * loop.c - epoll, a heap of timers, and how fast virtual devices live.
 *
 * For:    every socket and every delay of the bench.
 * Uses:   <stager/error.h>, epoll.
 * Called: by everything in drivers/virtual.
 * Thread: the bench's only one.
 */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <stager/bytes.h>
#include <stager/error.h>

#define EVENTS_A_ROUND 128

struct virt_loop {
	int epoll_fd;
	bool stop;
	enum virt_pace pace;
	unsigned int scale;
	int64_t now_us;
	uint64_t next_seq;
	struct virt_timer **heap;   /* [0] is due first */
	size_t n_heap, cap_heap;
	struct epoll_event events[EVENTS_A_ROUND];
	int n_events;               /* of the round being served */
};

static int64_t read_clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct virt_loop *virt_loop_new(struct stg_error *err)
{
	struct virt_loop *l = stg_calloc(1, sizeof(*l));

	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0) {
		stg_fail(err, STG_E_IO, errno, "epoll: %s", strerror(errno));
		free(l);
		return NULL;
	}
	l->now_us = read_clock_us();
	l->scale = 1;
	return l;
}

void virt_loop_free(struct virt_loop *l)
{
	if (!l)
		return;
	close(l->epoll_fd);
	free(l->heap);
	free(l);
}

bool virt_watch_set(struct virt_loop *l, struct virt_watch *w, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = w };

	if (w->watched && w->fd == fd && w->events == events)
		return true;
	if (epoll_ctl(l->epoll_fd, w->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e) < 0)
		return false;
	w->fd = fd;
	w->events = events;
	w->watched = true;
	return true;
}

void virt_watch_clear(struct virt_loop *l, struct virt_watch *w)
{
	if (!w->watched)
		return;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	w->watched = false;
	for (int i = 0; i < l->n_events; i++)
		if (l->events[i].data.ptr == w)
			l->events[i].data.ptr = NULL;
}

static bool is_before(const struct virt_timer *a, const struct virt_timer *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->seq < b->seq;
}

static void place(struct virt_loop *l, size_t i, struct virt_timer *t)
{
	l->heap[i] = t;
	t->slot = i + 1;
}

static void sift_up(struct virt_loop *l, size_t i, struct virt_timer *t)
{
	while (i > 0 && is_before(t, l->heap[(i - 1) / 2])) {
		place(l, i, l->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(l, i, t);
}

static void sift_down(struct virt_loop *l, size_t i, struct virt_timer *t)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= l->n_heap)
			break;
		if (child + 1 < l->n_heap && is_before(l->heap[child + 1], l->heap[child]))
			child++;
		if (!is_before(l->heap[child], t))
			break;
		place(l, i, l->heap[child]);
		i = child;
	}
	place(l, i, t);
}

void virt_timer_clear(struct virt_loop *l, struct virt_timer *t)
{
	size_t i = t->slot - 1;
	struct virt_timer *last;

	if (t->slot == 0)
		return;
	t->slot = 0;
	last = l->heap[--l->n_heap];
	if (last == t)
		return;
	if (i > 0 && is_before(last, l->heap[(i - 1) / 2]))
		sift_up(l, i, last);
	else
		sift_down(l, i, last);
}

void virt_timer_set(struct virt_loop *l, struct virt_timer *t, int64_t delay_ms, void (*fire)(struct virt_timer *))
{
	virt_timer_clear(l, t);
	if (l->n_heap == l->cap_heap) {
		size_t cap = l->cap_heap ? l->cap_heap * 2 : 64;
		struct virt_timer **more = realloc(l->heap, cap * sizeof(*more));

		if (!more)
			abort();
		l->heap = more;
		l->cap_heap = cap;
	}
	t->fire = fire;
	/* A delay counts from now, not from the start of a long round; 0 keeps the order of setting. */
	t->due_us = delay_ms > 0 ? read_clock_us() + delay_ms * 1000 : l->now_us;
	t->seq = l->next_seq++;
	l->n_heap++;
	sift_up(l, l->n_heap - 1, t);
}

static int wait_ms(const struct virt_loop *l, int max_wait_ms)
{
	int64_t left_us;

	if (l->n_heap == 0)
		return max_wait_ms;
	left_us = l->heap[0]->due_us - read_clock_us();
	if (left_us <= 0)
		return 0;
	if (max_wait_ms >= 0 && left_us > (int64_t)max_wait_ms * 1000)
		return max_wait_ms;
	return (int)(left_us > 60000000 ? 60000 : (left_us + 999) / 1000);
}

bool virt_loop_turn(struct virt_loop *l, int max_wait_ms, struct stg_error *err)
{
	uint64_t before;
	int n = epoll_wait(l->epoll_fd, l->events, EVENTS_A_ROUND, wait_ms(l, max_wait_ms));

	if (n < 0 && errno != EINTR)
		return stg_fail(err, STG_E_IO, errno, "epoll: %s", strerror(errno));
	l->now_us = read_clock_us();
	l->n_events = n < 0 ? 0 : n;
	for (int i = 0; i < l->n_events; i++) {
		struct virt_watch *w = l->events[i].data.ptr;

		if (w)
			w->ready(w, l->events[i].events);
	}
	l->n_events = 0;

	/* Timers set by these calls wait for the next round, so that sockets are always served in between. */
	before = l->next_seq;
	while (l->n_heap > 0 && l->heap[0]->due_us <= l->now_us && l->heap[0]->seq < before) {
		struct virt_timer *t = l->heap[0];

		virt_timer_clear(l, t);
		t->fire(t);
	}
	return true;
}

bool virt_loop_run(struct virt_loop *l, struct stg_error *err)
{
	l->stop = false;
	while (!l->stop)
		if (!virt_loop_turn(l, -1, err))
			return false;
	return true;
}

void virt_loop_stop(struct virt_loop *l)
{
	l->stop = true;
}

int64_t virt_loop_now_us(const struct virt_loop *l)
{
	return l->now_us;
}

void virt_loop_set_pace(struct virt_loop *l, enum virt_pace pace, unsigned int scale)
{
	l->pace = pace;
	l->scale = scale ? scale : 1;
}

enum virt_pace virt_loop_pace(const struct virt_loop *l)
{
	return l->pace;
}

int64_t virt_loop_paced_ms(const struct virt_loop *l, int64_t real_ms)
{
	int64_t by = (int64_t)l->scale * (l->pace == VIRT_PACE_FAST ? 20 : 1);

	return l->pace == VIRT_PACE_INSTANT ? 0 : (real_ms + by / 2) / by;
}
