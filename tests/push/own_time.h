/*
 * own_time.h - virtual time inside one test program: its clocks stand in front of libc's, and a test puts them forward.
 *
 * Programs the test forks see the same time. A wait with an end (poll) looks at the clock every few milliseconds; that is all
 * the product and libcurl wait by here. Files are not synced: these tests kill processes, not the machine.
 */
#ifndef TESTS_PUSH_OWN_TIME_H
#define TESTS_PUSH_OWN_TIME_H

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define GLANCE_MS 2

static _Atomic int64_t *own_ahead_ms;

static inline int64_t own_ahead(void)
{
	return own_ahead_ms ? *own_ahead_ms : 0;
}

static inline void own_time_begin(void)
{
	void *at = mmap(NULL, sizeof(*own_ahead_ms), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		abort();
	own_ahead_ms = at;
}

static inline void own_time_pass(int64_t ms)
{
	if (ms > 0)
		*own_ahead_ms += ms;
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ret);
	if (r == 0 && clock != CLOCK_THREAD_CPUTIME_ID && clock != CLOCK_PROCESS_CPUTIME_ID) {
		int64_t ahead = own_ahead();
		ret->tv_sec += ahead / 1000;
		ret->tv_nsec += ahead % 1000 * 1000000;
		if (ret->tv_nsec >= 1000000000) {
			ret->tv_nsec -= 1000000000;
			ret->tv_sec++;
		}
	}
	return r;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec t;
	(void)zone;
	(void)clock_gettime(CLOCK_REALTIME, &t);
	*ret = (struct timeval){ .tv_sec = t.tv_sec, .tv_usec = t.tv_nsec / 1000 };
	return 0;
}

time_t time(time_t *ret)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_REALTIME, &t);
	if (ret)
		*ret = t.tv_sec;
	return t.tv_sec;
}

static inline int64_t own_now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	const int64_t until = own_now_ms() + timeout_ms;
	for (;;) {
		int64_t left = timeout_ms < 0 ? GLANCE_MS : until - own_now_ms();
		left = left < 0 ? 0 : left > GLANCE_MS ? GLANCE_MS : left;
		struct timespec nap = { .tv_nsec = left * 1000000 };
		int r = (int)syscall(SYS_ppoll, fds, n, timeout_ms < 0 ? NULL : &nap, NULL, 8);
		if (r != 0 || timeout_ms < 0 || own_now_ms() >= until)
			return r;
	}
}

int fsync(int fd)
{
	(void)fd;
	return 0;
}

int fdatasync(int fd)
{
	(void)fd;
	return 0;
}

#endif
