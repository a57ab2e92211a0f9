/*
 * nursery.c - the small process from which all workers are forked.
 *
 * For:    starting a worker for next to nothing, from a process that holds no key, no database, no thread.
 * Uses:   <stager/worker.h>, <stager/muxdoor.h>: the bodies of its children.
 * Called: main() first of all (start), station.c (spawn, kill), over one message channel.
 * Thread: a process of its own, single-threaded. It dies with the station (PR_SET_PDEATHSIG and end of file), its
 *         children die with it. Each child holds a shared lock on workers.lock, taken before its first message, so
 *         that a new station can wait until no orphan acts beside it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <stager/driver.h>
#include <stager/leave.h>
#include <stager/log.h>
#include <stager/message.h>
#include <stager/muxdoor.h>
#include <stager/registry.h>
#include <stager/station.h>
#include <stager/watch.h>
#include <stager/worker.h>

#include "station_i.h"

#define CHILDREN_END_MS 10000   /* sanitized builds only: they hear the end of their channels as we hear ours */

static void clean_environment(void)
{
	static const char *const loud[] = { "LIBIMOBILEDEVICE_DEBUG", "LIBUSB_DEBUG", "LIBUSBMUXD_DEBUG", "SSLKEYLOGFILE",
		"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy",
		"PGHOSTADDR", "PGOPTIONS", "PGSERVICE", "PGSERVICEFILE", "PGPASSWORD", "LDAPCONF", "LDAPRC" };
	for (size_t i = 0; i < STG_ARRAY_LEN(loud); i++)
		unsetenv(loud[i]);
}

/* A child of the nursery: never returns. */
static _Noreturn void child(const char *kind, int channel, int lock, pid_t nursery)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != nursery)
		stg_leave(0);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);   /* Ctrl-C in a terminal reaches the whole group; only the station decides */
	signal(SIGTERM, SIG_DFL);
	if (lock >= 0 && flock(lock, LOCK_SH | LOCK_NB) != 0)
		stg_leave(3);          /* another station waits for its first job: it wins */
	prctl(PR_SET_NAME, strcmp(kind, "muxdoor") == 0 ? "stager-muxdoor" : "stager-worker");
	if (strcmp(kind, "muxdoor") == 0) {
		char mux[256];
		stg_mux_address(mux, sizeof(mux));
		stg_leave(stg_muxdoor_run(channel, mux));
	}
	stg_leave(stg_worker_main(channel));
}

static void reap(int station)
{
	for (;;) {
		int status;
		struct rusage used;
		pid_t pid = wait4(-1, &status, WNOHANG, &used);
		if (pid <= 0)
			return;
		json_t *m = json_object();
		stg_json_put(m, "t", "exited");
		stg_json_put_int(m, "pid", pid);
		stg_json_put_int(m, "status", WIFEXITED(status) ? WEXITSTATUS(status) : 0);
		stg_json_put_int(m, "signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
		stg_json_put_int(m, "cpu_us", (int64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
						      used.ru_utime.tv_usec + used.ru_stime.tv_usec);
		stg_json_put_int(m, "rss_kib", used.ru_maxrss);
		(void)stg_message_send(station, m, NULL, 0, 5000, NULL);
		json_decref(m);
	}
}

/* {"t":"spawn","kind","ref"} with the child's end of its channel, and the lock as second descriptor. */
static bool serve(int station, int signals)
{
	int fds[STG_MESSAGE_FDS];
	json_t *m = stg_message_recv(station, fds, 30000, NULL);
	if (!m)
		return false;
	const char *kind = stg_json_str(m, "kind");
	if (strcmp(stg_json_str(m, "t"), "spawn") == 0 && fds[0] >= 0) {
		pid_t self = getpid(), pid = fork();
		if (pid == 0) {
			char which[16];
			stg_copy(which, sizeof(which), kind);
			json_decref(m);
			close(station);
			close(signals);
			child(which, fds[0], fds[1], self);
		}
		json_t *answer = json_object();
		stg_json_put(answer, "t", "spawned");
		stg_json_put_new(answer, "ref", json_incref(json_object_get(m, "ref")));
		stg_json_put_int(answer, "pid", pid);
		(void)stg_message_send(station, answer, NULL, 0, 5000, NULL);
		json_decref(answer);
	} else if (strcmp(stg_json_str(m, "t"), "kill") == 0) {
		/* only the nursery knows that the pid is still its own child: no other process can be hit */
		pid_t pid = (pid_t)stg_json_int(m, "pid", 0);
		if (pid > 1 && waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOHANG | WNOWAIT) == 0)
			kill(pid, SIGKILL);
	}
	for (size_t i = 0; i < STG_MESSAGE_FDS; i++)
		stg_close_at(&fds[i]);
	json_decref(m);
	return true;
}

static _Noreturn void nursery_main(int station, pid_t parent)
{
	prctl(PR_SET_NAME, "stager-nursery");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		stg_leave(0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	sigset_t chld;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	int signals = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	clean_environment();
	/* what every worker needs once, paid once */
	OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL);
	SSL_CTX *warm = SSL_CTX_new(TLS_method());
	SSL_CTX_free(warm);
	EVP_MD_free(EVP_MD_fetch(NULL, "SHA256", NULL));
	for (const struct stg_driver *const *d = stg_drivers; *d; d++)
		if ((*d)->warm)
			(*d)->warm();

	for (;;) {
		struct pollfd p[2] = { { .fd = station, .events = POLLIN }, { .fd = signals, .events = POLLIN } };
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			stg_leave(1);
		if (p[1].revents) {
			struct signalfd_siginfo info;
			while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
				;
			reap(station);
		}
		if (p[0].revents && !serve(station, signals)) {
			stg_leave_after_children(CHILDREN_END_MS);
			stg_leave(0);
		}
	}
}

struct stg_nursery *stg_nursery_start(struct stg_error *err)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		stg_fail_id(err, STG_E_STATION, STG_ID_START_FAILED, errno, "socketpair: %s", strerror(errno));
		return NULL;
	}
	pid_t self = getpid(), pid = fork();
	if (pid < 0) {
		stg_fail_id(err, STG_E_STATION, STG_ID_START_FAILED, errno, "fork the nursery: %s", strerror(errno));
		close(pair[0]);
		close(pair[1]);
		return NULL;
	}
	if (pid == 0) {
		close(pair[0]);
		nursery_main(pair[1], self);
	}
	close(pair[1]);
	struct stg_nursery *n = stg_calloc(1, sizeof(*n));
	n->pid = pid;
	n->channel = stg_channel_new(pair[0]);
	return n;
}

void stg_nursery_stop(struct stg_nursery *n)
{
	if (!n)
		return;
	stg_channel_free(n->channel);   /* end of file: the nursery leaves, and its children with it */
	while (waitpid(n->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(n);
}

/* Returns the station's end of the new child's channel, or -1. `lock` may be -1. */
int nursery_spawn(struct stg_nursery *n, const char *kind, const char *ref, int lock, struct stg_error *err)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		stg_fail_id(err, STG_E_STATION, STG_ID_START_FAILED, errno, "socketpair: %s", strerror(errno));
		return -1;
	}
	json_t *m = json_object();
	stg_json_put(m, "t", "spawn");
	stg_json_put(m, "kind", kind);
	stg_json_put(m, "ref", ref);
	int fds[2] = { pair[1], lock };
	bool sent = stg_channel_send(n->channel, m, fds, lock >= 0 ? 2 : 1, err);
	json_decref(m);
	close(pair[1]);
	if (!sent) {
		close(pair[0]);
		return -1;
	}
	return pair[0];
}

void nursery_kill(struct stg_nursery *n, pid_t pid)
{
	json_t *m = json_object();
	stg_json_put(m, "t", "kill");
	stg_json_put_int(m, "pid", pid);
	(void)stg_channel_send(n->channel, m, NULL, 0, NULL);
	json_decref(m);
}
