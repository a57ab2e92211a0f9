/*
 * virtual_clock.c - programs in virtual time: clocks that a test puts forward, and waits that end by them.
 *
 * For:    long journeys. Days of waiting for people, lines and silent devices pass as fast as the machine works: while anybody
 *         works, time goes on as always; when every thread of every program waits, the test (tests/lib/virtual_time.h) puts all
 *         clocks forward to the moment the first of them waits for.
 * Uses:   the calls it stands in front of; the file named by STG_VIRTUAL_CLOCK.
 * Called: preloaded into station, workers and virtual devices; the product knows nothing of it.
 * Thread: any.
 *
 * A wait with an end is made interruptible by one signal, which is blocked outside of it: a clock put forward between the look
 * at the time and the wait is not missed. Timers of the kernel (timerfd) are set anew when the clock was put forward.
 * Without the file the program runs in real time.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/virtual_clock.h"

#define NS 1000000000ll
#define TIMERS 64
#define GLANCE_NS 50000000ll          /* a wait that no signal ends looks at the clock so often */

static struct virtual_clock *shared;
static __thread struct clock_waiter *mine;
static __thread volatile sig_atomic_t rung;

static struct {
	pthread_mutex_t lock;
	struct timer {
		int fd;                       /* -1: free */
		int flags;
		clockid_t clock;
		struct itimerspec when;       /* as asked for, with absolute virtual time */
		int64_t due_ns, ahead_ns;     /* on the virtual CLOCK_MONOTONIC; how far ahead it was when it was set */
	} at[TIMERS];
} timers = { .lock = PTHREAD_MUTEX_INITIALIZER };

#define REAL(name) ((__typeof__(&name))real_call(#name))

static void *real_call(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);
	if (!f)
		abort();
	return f;
}

/* Straight to the kernel's page: looked up once. */
static int real_gettime(clockid_t clock, struct timespec *ret)
{
	static int (*_Atomic real)(clockid_t, struct timespec *);
	int (*f)(clockid_t, struct timespec *) = real;
	if (!f) {
		f = REAL(clock_gettime);
		real = f;
	}
	return f(clock, ret);
}

static int64_t ns_of(const struct timespec *t)
{
	return (int64_t)t->tv_sec * NS + t->tv_nsec;
}

static struct timespec spec_of(int64_t ns)
{
	return ns < 0 ? (struct timespec){ 0 } : (struct timespec){ .tv_sec = ns / NS, .tv_nsec = ns % NS };
}

static int64_t ahead(void)
{
	return shared ? shared->ahead_ns : 0;
}

static int64_t now_ns(clockid_t clock)
{
	struct timespec t;
	(void)real_gettime(clock, &t);
	return ns_of(&t) + ahead();
}

/* ---- who is there ---- */

static void on_ring(int signal_number)
{
	(void)signal_number;
	rung = 1;
}

static void enter(void)
{
	int pid = getpid();
	for (size_t i = 0; i < CLOCK_PROGRAMS; i++) {
		int none = 0;
		if (atomic_compare_exchange_strong(&shared->programs[i], &none, pid))
			return;
	}
}

static void after_fork(void)
{
	mine = NULL;
	pthread_mutex_init(&timers.lock, NULL);
	for (size_t i = 0; i < TIMERS; i++)
		timers.at[i].fd = -1;
	enter();
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv(CLOCK_FILE);
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	for (size_t i = 0; i < TIMERS; i++)
		timers.at[i].fd = -1;
	if (fd < 0)
		return;
	void *at = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (at == MAP_FAILED)
		return;
	shared = at;
	struct sigaction ring = { .sa_handler = on_ring, .sa_flags = SA_RESTART };
	sigaction(CLOCK_RING, &ring, NULL);
	pthread_atfork(NULL, NULL, after_fork);
	enter();
}

static struct clock_waiter *seat(void)
{
	int tid = (int)syscall(SYS_gettid);
	for (size_t i = 0; !mine && i < CLOCK_WAITERS; i++) {
		int none = 0;
		if (!atomic_compare_exchange_strong(&shared->waiters[i].pid, &none, getpid()))
			continue;
		mine = &shared->waiters[i];
		mine->due_ns = CLOCK_NEVER;
		mine->tid = tid;
	}
	return mine;
}

/* ---- waiting ---- */

struct wait {
	sigset_t before, inside;
	int64_t due_ns;                  /* CLOCK_NEVER: no end */
};

static void wait_begin(struct wait *w, int64_t due_ns)
{
	sigset_t ring;
	sigemptyset(&ring);
	sigaddset(&ring, CLOCK_RING);
	pthread_sigmask(SIG_BLOCK, &ring, &w->before);
	w->inside = w->before;
	sigdelset(&w->inside, CLOCK_RING);
	w->due_ns = due_ns;
	rung = 0;
	if (seat())
		mine->due_ns = due_ns;
}

static void wait_end(struct wait *w)
{
	int keep = errno;
	if (mine)
		mine->due_ns = CLOCK_NEVER;
	pthread_sigmask(SIG_SETMASK, &w->before, NULL);
	errno = keep;
}

/* What is left in real time, NULL for ever. */
static const struct timespec *wait_left(const struct wait *w, struct timespec *ret)
{
	if (w->due_ns == CLOCK_NEVER)
		return NULL;
	*ret = spec_of(w->due_ns - now_ns(CLOCK_MONOTONIC));
	return ret;
}

/* After a call that ended with n: is the wait to go on? */
static bool wait_more(struct wait *w, int n)
{
	if (n > 0 || (n < 0 && (errno != EINTR || !rung)))
		return false;
	rung = 0;
	return w->due_ns == CLOCK_NEVER || now_ns(CLOCK_MONOTONIC) < w->due_ns;
}


static int64_t due_in(int64_t ns)
{
	return now_ns(CLOCK_MONOTONIC) + ns;
}

/* ppoll() until the end; 0 when the time is over. */
static int poll_until(struct pollfd *fds, nfds_t n, int64_t due_ns)
{
	struct wait w;
	struct timespec left;
	int r;
	wait_begin(&w, due_ns);
	do
		r = (int)REAL(ppoll)(fds, n, wait_left(&w, &left), &w.inside);
	while (wait_more(&w, r));
	if (r < 0 && errno == EINTR && due_ns != CLOCK_NEVER && now_ns(CLOCK_MONOTONIC) >= due_ns) {
		for (nfds_t i = 0; i < n; i++)
			fds[i].revents = 0;
		r = 0;
	}
	wait_end(&w);
	return r;
}

int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	if (!shared || timeout_ms <= 0)
		return REAL(poll)(fds, n, timeout_ms);
	return poll_until(fds, n, due_in(timeout_ms * 1000000ll));
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	if (!shared || !timeout || mask || ns_of(timeout) == 0)
		return REAL(ppoll)(fds, n, timeout, mask);
	return poll_until(fds, n, due_in(ns_of(timeout)));
}

static int select_until(int n, fd_set *r, fd_set *w, fd_set *e, int64_t due_ns)
{
	fd_set in[3], *sets[3] = { r, w, e };
	struct wait wait;
	struct timespec left;
	int got;
	for (int i = 0; i < 3; i++)
		if (sets[i])
			in[i] = *sets[i];
	wait_begin(&wait, due_ns);
	do {
		for (int i = 0; i < 3; i++)
			if (sets[i])
				*sets[i] = in[i];
		got = REAL(pselect)(n, r, w, e, wait_left(&wait, &left), &wait.inside);
	} while (wait_more(&wait, got));
	if (got < 0 && errno == EINTR && due_ns != CLOCK_NEVER && now_ns(CLOCK_MONOTONIC) >= due_ns) {
		for (int i = 0; i < 3; i++)
			if (sets[i])
				FD_ZERO(sets[i]);
		got = 0;
	}
	wait_end(&wait);
	return got;
}

int select(int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout)
{
	if (!shared || !timeout || (!timeout->tv_sec && !timeout->tv_usec))
		return REAL(select)(n, r, w, e, timeout);
	int64_t due = due_in(timeout->tv_sec * NS + timeout->tv_usec * 1000ll);
	int got = select_until(n, r, w, e, due);
	struct timespec left = spec_of(due - now_ns(CLOCK_MONOTONIC));
	*timeout = (struct timeval){ .tv_sec = left.tv_sec, .tv_usec = left.tv_nsec / 1000 };
	return got;
}

int pselect(int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout, const sigset_t *mask)
{
	if (!shared || !timeout || mask || ns_of(timeout) == 0)
		return REAL(pselect)(n, r, w, e, timeout, mask);
	return select_until(n, r, w, e, due_in(ns_of(timeout)));
}

/* ---- the kernel's timers ---- */

static int set_timer(struct timer *t)
{
	struct itimerspec real = t->when;
	t->ahead_ns = ahead();
	if (ns_of(&real.it_value) != 0) {
		int64_t at = ns_of(&t->when.it_value) - t->ahead_ns;
		real.it_value = spec_of(at > 1 ? at : 1);
	}
	return REAL(timerfd_settime)(t->fd, t->flags | TFD_TIMER_ABSTIME, &real, NULL);
}

int timerfd_create(clockid_t clock, int flags)
{
	int fd = REAL(timerfd_create)(clock, flags);
	pthread_mutex_lock(&timers.lock);
	struct timer *t = NULL;
	for (size_t i = 0; i < TIMERS; i++)
		if (timers.at[i].fd == fd || (!t && timers.at[i].fd < 0))
			t = &timers.at[i];
	if (t && fd >= 0)
		*t = (struct timer){ .fd = fd, .clock = clock, .due_ns = CLOCK_NEVER };
	pthread_mutex_unlock(&timers.lock);
	return fd;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *when, struct itimerspec *before)
{
	struct timer *t = NULL;
	int r;
	pthread_mutex_lock(&timers.lock);
	for (size_t i = 0; shared && i < TIMERS; i++)
		if (timers.at[i].fd == fd)
			t = &timers.at[i];
	if (!t) {
		pthread_mutex_unlock(&timers.lock);
		return REAL(timerfd_settime)(fd, flags, when, before);
	}
	t->when = *when;
	t->flags = flags & ~TFD_TIMER_ABSTIME;
	t->due_ns = CLOCK_NEVER;
	if (ns_of(&when->it_value) != 0) {
		int64_t now = now_ns(t->clock);
		int64_t at = flags & TFD_TIMER_ABSTIME ? ns_of(&when->it_value) : now + ns_of(&when->it_value);
		t->when.it_value = spec_of(at);
		t->due_ns = now_ns(CLOCK_MONOTONIC) + (at - now);
	}
	if (before)
		memset(before, 0, sizeof(*before));
	r = set_timer(t);
	pthread_mutex_unlock(&timers.lock);
	return r;
}

/* Those that were set under an older clock are set anew; when the first of them is due. */
static int64_t timers_due(void)
{
	int64_t due = CLOCK_NEVER;
	pthread_mutex_lock(&timers.lock);
	for (size_t i = 0; i < TIMERS; i++) {
		struct timer *t = &timers.at[i];
		if (t->fd < 0 || t->due_ns == CLOCK_NEVER)
			continue;
		if (t->ahead_ns != ahead() && set_timer(t) != 0) {
			t->fd = -1;
			continue;
		}
		due = t->due_ns < due ? t->due_ns : due;
	}
	pthread_mutex_unlock(&timers.lock);
	return due;
}

int epoll_pwait(int fd, struct epoll_event *events, int max, int timeout_ms, const sigset_t *mask)
{
	if (!shared || timeout_ms == 0 || mask)
		return REAL(epoll_pwait)(fd, events, max, timeout_ms, mask);
	int64_t due = timeout_ms > 0 ? due_in(timeout_ms * 1000000ll) : CLOCK_NEVER;
	struct wait w;
	int r;
	wait_begin(&w, due);
	do {
		struct timespec left;
		int64_t first = timers_due();
		if (mine)
			mine->due_ns = first < due ? first : due;
		const struct timespec *t = wait_left(&w, &left);
		r = REAL(epoll_pwait)(fd, events, max, !t ? -1 : t->tv_sec > 1000000 ? 1000000000 : (int)((ns_of(t) + 999999) / 1000000), &w.inside);
	} while (wait_more(&w, r));
	if (r < 0 && errno == EINTR && due != CLOCK_NEVER && now_ns(CLOCK_MONOTONIC) >= due)
		r = 0;
	wait_end(&w);
	return r;
}

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
	return epoll_pwait(fd, events, max, timeout_ms, NULL);
}

/* ---- sleeping ---- */

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left)
{
	if (!shared)
		return REAL(clock_nanosleep)(clock, flags, time, left);
	int64_t ns = ns_of(time);
	if (flags & TIMER_ABSTIME)
		ns -= now_ns(clock);
	int r = ns > 0 ? poll_until(NULL, 0, due_in(ns)) : 0;
	if (left)
		memset(left, 0, sizeof(*left));
	return r < 0 ? errno : 0;
}

int nanosleep(const struct timespec *time, struct timespec *left)
{
	int r = clock_nanosleep(CLOCK_MONOTONIC, 0, time, left);
	if (r != 0)
		errno = r;
	return r ? -1 : 0;
}

int usleep(useconds_t us)
{
	struct timespec t = spec_of(us * 1000ll);
	return nanosleep(&t, NULL);
}

unsigned int sleep(unsigned int seconds)
{
	struct timespec t = { .tv_sec = seconds };
	return nanosleep(&t, NULL) == 0 ? 0 : 1;
}

/* No signal ends this one: it glances at the clock. Which clock `until` is of shows in its value. */
int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until)
{
	static int (*_Atomic real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
	int (*f)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *) = real;
	if (!f) {
		void *symbol = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
		if (!symbol)
			abort();
		memcpy(&f, &symbol, sizeof(f));
		real = f;
	}
	if (!shared)
		return f(c, m, until);
	clockid_t clock = ns_of(until) > now_ns(CLOCK_REALTIME) / 2 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
	struct clock_waiter *w = seat();
	int r;
	do {
		int64_t now = now_ns(clock), left = ns_of(until) - now;
		if (w)
			w->due_ns = due_in(left);
		struct timespec next = spec_of(now - ahead() + (left < GLANCE_NS ? left : GLANCE_NS));
		r = f(c, m, &next);
	} while (r == ETIMEDOUT && now_ns(clock) < ns_of(until));
	if (w)
		w->due_ns = CLOCK_NEVER;
	return r;
}

/* ---- the clocks ---- */

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r = real_gettime(clock, ret);
	if (r == 0 && shared && (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME || clock == CLOCK_MONOTONIC_RAW ||
				 clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE))
		*ret = spec_of(ns_of(ret) + ahead());
	return r;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec t = spec_of(now_ns(CLOCK_REALTIME));
	(void)zone;
	*ret = (struct timeval){ .tv_sec = t.tv_sec, .tv_usec = t.tv_nsec / 1000 };
	return 0;
}

time_t time(time_t *ret)
{
	time_t now = (time_t)(now_ns(CLOCK_REALTIME) / NS);
	if (ret)
		*ret = now;
	return now;
}
