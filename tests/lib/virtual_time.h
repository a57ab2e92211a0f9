/*
 * virtual_time.h - a journey in virtual time: when nobody works any more, all clocks go to the moment the first one waits for.
 *
 * For:    10,000 devices, days of waiting, in the time their work takes.
 * Uses:   tests/virtual_clock.c, preloaded into what the journey starts; /proc.
 * Called: virtual_begin() before journey_begin(), virtual_end() after journey_end(). The test itself stays in real time.
 * Thread: one of its own, beside the test's.
 *
 * "Nobody works": every thread of every program (and the test's own) sleeps, and looked at once more none has had the
 * processor in between. Whoever gets a message runs from that moment, so nothing under way is overtaken.
 */
#ifndef TESTS_VIRTUAL_TIME_H
#define TESTS_VIRTUAL_TIME_H

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "quick.h"
#include "virtual_clock.h"

static struct virtual_time {
	struct virtual_clock *clock;
	char path[96];
	pthread_t turner;
	pid_t test;
	_Atomic bool stop;
	int64_t jumps, jumped_ns;
} virtual_time;

static inline int64_t virtual_real_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline bool virtual_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, size - 1) : -1;
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	return n > 0;
}

/* Adds the time this thread has had the processor to *sum; false: it is at work. One that has ended sleeps well. */
static inline bool virtual_thread_sleeps(int pid, const char *tid, uint64_t *sum)
{
	char path[96], text[512];
	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/stat", pid, tid);
	if (!virtual_read(path, text, sizeof(text)))
		return true;
	const char *after = strrchr(text, ')');
	if (!after || (after[2] != 'S' && after[2] != 'Z' && after[2] != 'X'))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", pid, tid);
	if (virtual_read(path, text, sizeof(text)))
		*sum = *sum * 31 + strtoul(text, NULL, 10) + (uint64_t)pid;
	return true;
}

/* All of them; *sum says who has run how long. */
static inline bool virtual_all_sleep(uint64_t *sum)
{
	char path[64], own[24];
	*sum = 0;
	snprintf(own, sizeof(own), "%d", (int)virtual_time.test);
	if (!virtual_thread_sleeps(virtual_time.test, own, sum))
		return false;
	for (size_t i = 0; i < CLOCK_PROGRAMS; i++) {
		int pid = virtual_time.clock->programs[i];
		if (!pid)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task", pid);
		DIR *d = opendir(path);
		if (!d) {
			virtual_time.clock->programs[i] = 0;
			continue;
		}
		bool all = true;
		for (struct dirent *e = readdir(d); all && e; e = readdir(d))
			if (e->d_name[0] != '.')
				all = virtual_thread_sleeps(pid, e->d_name, sum);
		closedir(d);
		if (!all)
			return false;
	}
	return true;
}

static inline void virtual_leave(struct clock_waiter *w)
{
	w->tid = 0;
	w->due_ns = CLOCK_NEVER;
	w->pid = 0;
}

/* Wakes those whose time has come; the first moment another one waits for, CLOCK_NEVER when none does. */
static inline int64_t virtual_ring(int64_t now_ns, int *ret_rung)
{
	int64_t first = CLOCK_NEVER;
	*ret_rung = 0;
	for (size_t i = 0; i < CLOCK_WAITERS; i++) {
		struct clock_waiter *w = &virtual_time.clock->waiters[i];
		int pid = w->pid, tid = w->tid;
		int64_t due = w->due_ns;
		if (!pid || !tid || due == CLOCK_NEVER)
			continue;
		if (due > now_ns) {
			if (kill(pid, 0) != 0)
				virtual_leave(w);
			else if (due < first)
				first = due;
		} else if (syscall(SYS_tgkill, pid, tid, CLOCK_RING) == 0) {
			(*ret_rung)++;
		} else {
			virtual_leave(w);
		}
	}
	return first;
}

/* Seats of programs that ended while they did not wait. */
static inline void virtual_sweep(void)
{
	for (size_t i = 0; i < CLOCK_WAITERS; i++) {
		struct clock_waiter *w = &virtual_time.clock->waiters[i];
		if (w->pid && w->tid && kill(w->pid, 0) != 0)
			virtual_leave(w);
	}
}

static inline void *virtual_turn(void *arg)
{
	(void)arg;
	for (unsigned int round = 0; !virtual_time.stop; round++) {
		uint64_t before = 0, after = 0;
		int rung = 0;
		int64_t first = virtual_ring(virtual_real_ns() + virtual_time.clock->ahead_ns, &rung);
		if (round % 1024 == 0)
			virtual_sweep();
		if (!rung && first != CLOCK_NEVER && virtual_all_sleep(&before) && virtual_all_sleep(&after) && before == after) {
			int64_t by = first - virtual_real_ns() - virtual_time.clock->ahead_ns;
			if (by > 0) {
				virtual_time.clock->ahead_ns += by;
				virtual_time.jumps++;
				virtual_time.jumped_ns += by;
			}
			continue;
		}
		/* a real nap: the test's own clock is never put forward */
		struct timespec nap = { .tv_nsec = 2000000 };
		nanosleep(&nap, NULL);
	}
	return NULL;
}

/* False: this build runs in real time (sanitizers and valgrind have preloads of their own). */
static inline bool virtual_begin(void)
{
	virtual_time = (struct virtual_time){ .test = getpid() };
	if (getenv("STG_VALGRIND") || getenv("STG_SANITIZED") || getenv("STG_REAL_TIME"))
		return false;
	snprintf(virtual_time.path, sizeof(virtual_time.path), "/tmp/stgv-XXXXXX");
	int fd = mkstemp(virtual_time.path);
	assert_true(fd >= 0 && ftruncate(fd, sizeof(struct virtual_clock)) == 0);
	virtual_time.clock = mmap(NULL, sizeof(struct virtual_clock), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	assert_true(virtual_time.clock != MAP_FAILED);
	setenv(CLOCK_FILE, virtual_time.path, 1);
	quick_preload("virtual_clock.so");
	assert_int_equal(pthread_create(&virtual_time.turner, NULL, virtual_turn, NULL), 0);
	return true;
}

static inline void virtual_end(void)
{
	if (!virtual_time.clock)
		return;
	virtual_time.stop = true;
	pthread_join(virtual_time.turner, NULL);
	print_message("virtual time: put forward by %lld s in %lld steps\n", (long long)(virtual_time.jumped_ns / 1000000000), (long long)virtual_time.jumps);
	munmap(virtual_time.clock, sizeof(*virtual_time.clock));
	unlink(virtual_time.path);
	unsetenv(CLOCK_FILE);
	virtual_time.clock = NULL;
}

/* For groups of tests: keys from the drawer and virtual time, from the first to the last. */
static inline int virtual_group_begin(void **state)
{
	(void)state;
	quick_keys();
	(void)virtual_begin();
	return 0;
}

static inline int virtual_group_end(void **state)
{
	(void)state;
	virtual_end();
	return 0;
}

#endif
