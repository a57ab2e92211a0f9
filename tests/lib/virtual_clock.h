/*
 * virtual_clock.h - what programs in virtual time and the test that turns their clock share.
 *
 * A file of this shape is mapped by tests/virtual_clock.c (preloaded into each program) and by virtual_time.h (the test).
 */
#ifndef TESTS_VIRTUAL_CLOCK_H
#define TESTS_VIRTUAL_CLOCK_H

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

#define CLOCK_FILE "STG_VIRTUAL_CLOCK"   /* the environment names it */
#define CLOCK_PROGRAMS 1024
#define CLOCK_WAITERS 2048
#define CLOCK_RING (SIGRTMAX - 3)        /* wakes a thread whose time has come */
#define CLOCK_NEVER INT64_MAX

struct clock_waiter {                    /* one thread; pid 0: free */
	_Atomic int pid, tid;
	_Atomic int64_t due_ns;          /* on the virtual CLOCK_MONOTONIC; CLOCK_NEVER while it does not wait for a time */
};

struct virtual_clock {
	_Atomic int64_t ahead_ns;        /* virtual minus real, of every clock */
	_Atomic int programs[CLOCK_PROGRAMS];
	struct clock_waiter waiters[CLOCK_WAITERS];
};

#endif
