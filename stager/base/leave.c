/*
 * leave.c - how a forked process ends.
 *
 * For:    seeing leaks of nursery, workers, mux door and helpers under the address sanitizer.
 * Uses:   the leak checker of GCC's and Clang's runtime, in such builds only.
 * Called: by every body of a forked process, instead of _exit().
 * Thread: any.
 */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/leave.h>

#if defined(__SANITIZE_ADDRESS__)
#define CHECKS_LEAKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CHECKS_LEAKS 1
#endif
#endif

#ifdef CHECKS_LEAKS

#include <sanitizer/lsan_interface.h>

void stg_leave(int status)
{
	__lsan_do_leak_check();         /* ends the process when it has something to say */
	_exit(status);
}

void stg_leave_after_children(int timeout_ms)
{
	int64_t until = stg_boot_ms() + timeout_ms, left;
	sigset_t chld;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	for (;;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);
		if (pid > 0)
			continue;
		left = until - stg_boot_ms();
		if (pid < 0 || left <= 0)
			return;
		(void)sigtimedwait(&chld, NULL, &(struct timespec){ .tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000 });
	}
}

#else

void stg_leave(int status)
{
	_exit(status);
}

void stg_leave_after_children(int timeout_ms)
{
	(void)timeout_ms;
}

#endif
