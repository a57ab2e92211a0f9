/*
 * loop.h - the one event loop of stager-bench: descriptors, timers, pace.
 *
 * Everything of the bench runs on the thread that calls virt_loop_run(); nothing in it may block. Watches and timers
 * are members of the things they serve, so setting one allocates nothing.
 */
#ifndef VIRTUAL_LOOP_H
#define VIRTUAL_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stg_error;
struct virt_loop;

/* The struct a member lives in: `struct virt_conn *c = VIRT_OWNER(timer, struct virt_conn, after);` */
#define VIRT_OWNER(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/* A descriptor and what to do when it is ready. Zeroed is a valid unwatched one. */
struct virt_watch {
	void (*ready)(struct virt_watch *, uint32_t events);  /* EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLERR */
	int fd;
	uint32_t events;
	bool watched;
};

/* One thing to do later. Zeroed is a valid unset one. */
struct virt_timer {
	void (*fire)(struct virt_timer *);
	int64_t due_us;
	uint64_t seq;      /* timers due at the same time fire in the order they were set */
	size_t slot;       /* place in the heap plus one; 0: not set */
};

enum virt_pace { VIRT_PACE_REAL, VIRT_PACE_FAST, VIRT_PACE_INSTANT };

struct virt_loop *virt_loop_new(struct stg_error *err);
void virt_loop_free(struct virt_loop *);   /* takes NULL */

/* Starts or changes what is waited for (EPOLLIN, EPOLLOUT or 0; hang-ups and errors always come). The descriptor stays
 * the caller's. False when the kernel refuses (too many watches). */
bool virt_watch_set(struct virt_loop *, struct virt_watch *, int fd, uint32_t events);
/* No call of ready() after this one, also for events that were already fetched. */
void virt_watch_clear(struct virt_loop *, struct virt_watch *);

/* Fires once, never from inside this call, not even for a delay of 0. Setting again moves it. */
void virt_timer_set(struct virt_loop *, struct virt_timer *, int64_t delay_ms, void (*fire)(struct virt_timer *));
void virt_timer_clear(struct virt_loop *, struct virt_timer *);
static inline bool virt_timer_is_set(const struct virt_timer *t)
{
	return t->slot != 0;
}

/* Until virt_loop_stop(). False: epoll failed. */
bool virt_loop_run(struct virt_loop *, struct stg_error *err);
/* One round, waiting at most max_wait_ms: for programs that hold a bench inside another loop. */
bool virt_loop_turn(struct virt_loop *, int max_wait_ms, struct stg_error *err);
void virt_loop_stop(struct virt_loop *);
int64_t virt_loop_now_us(const struct virt_loop *);   /* CLOCK_BOOTTIME at the start of this round */

/* `scale` (1 and up) divides every delay once more: at 20, a day of a real bench takes 72 minutes. */
void virt_loop_set_pace(struct virt_loop *, enum virt_pace, unsigned int scale);
enum virt_pace virt_loop_pace(const struct virt_loop *);
/* What real_ms of a real device is here: itself, a twentieth, or 0, divided by the scale; to the nearest millisecond. */
int64_t virt_loop_paced_ms(const struct virt_loop *, int64_t real_ms);

#endif
