/*
 * sandbox.c - what a worker process may still do once a device talks to it.
 *
 * For:    a hostile device that takes over a worker finds a process that can speak to its own cable and to the station.
 * Uses:   libseccomp, rlimits.
 * Called: main.c, before the first byte of the device is read.
 * Thread: the worker's only one; threads that libraries start later inherit it.
 *
 * Forbidden calls fail with EPERM and do not kill: the libraries then give an error that is told, instead of dying silently.
 * Facts: the calls below are what libimobiledevice 1.3.0, libusbmuxd 2.0.2, libplist 2.2 and OpenSSL 3.0 use (decisions.md 4).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <sched.h>
#include <seccomp.h>

#include <stager/bytes.h>
#include <stager/error.h>

#include "worker_i.h"

void worker_clean_environment(void)
{
	static const char *const names[] = {
		"LIBIMOBILEDEVICE_DEBUG", "LIBUSBMUXD_DEBUG", "LIBUSB_DEBUG", "SSLKEYLOGFILE", "http_proxy", "https_proxy",
		"HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY", "OPENSSL_CONF", "SSL_CERT_FILE",
		"SSL_CERT_DIR",
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(names); i++)
		unsetenv(names[i]);
}

#ifdef STG_SANITIZED

bool worker_sandbox(struct stg_error *err)
{
	(void)err;
	return true;    /* the sanitizers open files and map terabytes */
}

#else

#define ADDRESS_SPACE_BYTES (256ull << 20)
#define OPEN_FILES 64
#define FILE_SIZE_BYTES (64ull << 20)

/* Freely. */
static const int plain[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(recvfrom), SCMP_SYS(sendto),
	SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(connect), SCMP_SYS(shutdown), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6),
	SCMP_SYS(eventfd2), SCMP_SYS(fcntl), SCMP_SYS(fstat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(lseek),
	SCMP_SYS(getrandom), SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(mlock), SCMP_SYS(mlock2),
	SCMP_SYS(munlock), SCMP_SYS(futex), SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(times), SCMP_SYS(getrusage),
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
	SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

static bool limit(int what, rlim_t most, struct stg_error *err)
{
	struct rlimit now, want = { most, most };
	if (getrlimit((__rlimit_resource_t)what, &now) == 0 && now.rlim_max != RLIM_INFINITY && now.rlim_max < most)
		want.rlim_cur = want.rlim_max = now.rlim_max;   /* never more than we were given */
	if (setrlimit((__rlimit_resource_t)what, &want) != 0)
		return stg_fail_id(err, STG_E_STATION, STG_ID_SANDBOX, errno, "limit %d: %s", what, strerror(errno));
	return true;
}

/* valgrind translates the program inside the process it checks and needs everything itself. */
static bool under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");
	return preload && strstr(preload, "/vgpreload_");
}

static bool only(scmp_filter_ctx f, int call, unsigned int n, const struct scmp_arg_cmp *args)
{
	return seccomp_rule_add_array(f, SCMP_ACT_ALLOW, call, n, args) == 0;
}

static bool fill_filter(scmp_filter_ctx f)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(plain); i++)
		if (!only(f, plain[i], 0, NULL))
			return false;
	/* the device's private door and nothing else has a Unix stream address a worker may use */
	const struct scmp_arg_cmp stream[] = {
		SCMP_A0_64(SCMP_CMP_EQ, AF_UNIX, 0),
		SCMP_A1_64(SCMP_CMP_MASKED_EQ, ~(uint64_t)(SOCK_CLOEXEC | SOCK_NONBLOCK), SOCK_STREAM),
	};
	const struct scmp_arg_cmp no_exec[] = { SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) };
	const struct scmp_arg_cmp thread[] = { SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD) };
	const struct scmp_arg_cmp self[] = { SCMP_A0_64(SCMP_CMP_EQ, (uint64_t)getpid(), 0) };
	const struct scmp_arg_cmp ask_only[] = { SCMP_A2_64(SCMP_CMP_EQ, 0, 0) };
	const struct scmp_arg_cmp own_name[] = { SCMP_A0_64(SCMP_CMP_EQ, PR_SET_NAME, 0) };
	return only(f, SCMP_SYS(socket), 2, stream) && only(f, SCMP_SYS(mmap), 1, no_exec) &&
	       only(f, SCMP_SYS(mprotect), 1, no_exec) && only(f, SCMP_SYS(clone), 1, thread) &&
	       only(f, SCMP_SYS(tgkill), 1, self) && only(f, SCMP_SYS(prlimit64), 1, ask_only) &&
	       only(f, SCMP_SYS(prctl), 1, own_name) &&
	       /* glibc falls back to clone, whose flags can be looked at */
	       seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0;
}

bool worker_sandbox(struct stg_error *err)
{
	tzset();        /* the last file: nothing can be opened afterwards */
	if (under_valgrind())
		return true;
	if (!limit(RLIMIT_CORE, 0, err) || !limit(RLIMIT_NOFILE, OPEN_FILES, err) || !limit(RLIMIT_FSIZE, FILE_SIZE_BYTES, err) ||
	    !limit(RLIMIT_AS, ADDRESS_SPACE_BYTES, err))
		return false;
	if (prctl(PR_SET_DUMPABLE, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return stg_fail_id(err, STG_E_STATION, STG_ID_SANDBOX, errno, "prctl: %s", strerror(errno));
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int rc = f && fill_filter(f) ? seccomp_load(f) : -ENOMEM;
	seccomp_release(f);
	if (rc != 0)
		return stg_fail_id(err, STG_E_STATION, STG_ID_SANDBOX, -rc, "seccomp: %s", strerror(-rc));
	return true;
}

#endif
