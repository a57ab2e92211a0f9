/*
 * lockwait.c - an exclusive file lock, waited for no longer than told.
 *
 * For:    a station that starts while the last workers of an earlier one still die.
 * Uses:   flock(2), a timer on CLOCK_BOOTTIME that interrupts it.
 * Called: station.c.
 * Thread: any one at a time: SIGALRM is taken for the wait.
 *
 * The kernel offers no event for a lock that becomes free, but a blocked flock() ends with EINTR when a signal comes. The
 * signal comes again and again after the deadline: one that falls between two calls would be lost.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/file.h>

#define AGAIN_NS 50000000L

static void nothing(int number)
{
	(void)number;
}

static struct timespec of_ms(int64_t ms)
{
	return (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
}

static bool blocked(int fd, int64_t timeout_ms, struct stg_error *err)
{
	int64_t until = stg_boot_ms() + timeout_ms;
	while (flock(fd, LOCK_EX) != 0) {
		if (errno != EINTR)
			return stg_fail(err, STG_E_IO, errno, "lock: %s", strerror(errno));
		if (stg_boot_ms() >= until)
			return stg_fail(err, STG_E_TIMEOUT, 0, "still locked after %lld ms", (long long)timeout_ms);
	}
	return true;
}

bool stg_lock_wait(int fd, int64_t timeout_ms, struct stg_error *err)
{
	struct sigaction quiet = { .sa_handler = nothing }, was;
	struct sigevent wake = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM };
	struct itimerspec when = { .it_value = of_ms(timeout_ms > 0 ? timeout_ms : 1), .it_interval = { .tv_nsec = AGAIN_NS } };
	sigset_t alarm, mask;
	timer_t timer;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	if (errno != EWOULDBLOCK && errno != EINTR)
		return stg_fail(err, STG_E_IO, errno, "lock: %s", strerror(errno));
#ifdef sigev_notify_thread_id
	wake.sigev_notify_thread_id = gettid();
#else
	wake._sigev_un._tid = gettid();
#endif
	if (timer_create(CLOCK_BOOTTIME, &wake, &timer) != 0)
		return stg_fail(err, STG_E_IO, errno, "a timer for the lock: %s", strerror(errno));
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	sigaction(SIGALRM, &quiet, &was);
	pthread_sigmask(SIG_UNBLOCK, &alarm, &mask);
	bool ok = timer_settime(timer, 0, &when, NULL) == 0 ? blocked(fd, timeout_ms, err)
							     : stg_fail(err, STG_E_IO, errno, "a timer for the lock: %s", strerror(errno));
	timer_delete(timer);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	sigaction(SIGALRM, &was, NULL);
	return ok;
}
