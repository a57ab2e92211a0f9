/*
 * daemon.h - real servers from Debian, each on loopback in a folder of its own, always stopped at the end.
 *
 * Started as root they run as `nobody` where they refuse root. A server that is not installed makes the test red: `make deps-check`
 * brings them.
 */
#ifndef TESTS_PUSH_DAEMON_H
#define TESTS_PUSH_DAEMON_H

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "site.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"

#define DAEMON_WAIT_MS 60000
#define NOBODY 65534

struct daemon {
	char dir[128], log[160];
	pid_t pid;
	int port;
};

/* A port nobody has just now. */
static int free_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	close(fd);
	return ntohs(at.sin_port);
}

static void become_nobody(void)
{
	if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
		_exit(126);
}

static pid_t begin_program(const char *log, bool as_nobody, const char *const *argv)
{
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666), none = open("/dev/null", O_RDONLY);
	dup2(none, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	if (as_nobody)
		become_nobody();
	prctl(PR_SET_PDEATHSIG, SIGKILL);   /* it was forgotten with the user */
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	fprintf(stderr, "%s: not installed, `make deps-check` brings it\n", argv[0]);
	_exit(127);
}

static void show_log(const char *log)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(1 << 20);
	(void)stg_file_read(log, &text, NULL);
	print_message("%s\n", stg_buf_str(&text));
}

/* To its end; its last words are shown when it fails. */
static void run_program(const char *log, bool as_nobody, const char *const *argv)
{
	int status;
	pid_t pid = begin_program(log, as_nobody, argv);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	show_log(log);
	fail_msg("%s failed", argv[0]);
}

/* Until somebody listens there; a server that ends before is told with its last words. */
static void wait_listening(const struct daemon *d)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)d->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	for (int64_t end = stg_boot_ms() + DAEMON_WAIT_MS; stg_boot_ms() < end;) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bool there = connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
		close(fd);
		if (there)
			return;
		if (waitpid(d->pid, NULL, WNOHANG) != 0)
			break;
		struct timespec nap = { 0, 20000000 };
		nanosleep(&nap, NULL);
	}
	show_log(d->log);
	fail_msg("the server did not start");
}

static void daemon_folder(struct daemon *d)
{
	const char *tmp = getenv("TMPDIR");
	snprintf(d->dir, sizeof(d->dir), "%s/stgd.XXXXXX", tmp && strlen(tmp) < 60 ? tmp : "/tmp");
	assert_non_null(mkdtemp(d->dir));
	snprintf(d->log, sizeof(d->log), "%s/log", d->dir);
	if (geteuid() == 0) {
		assert_int_equal(chown(d->dir, NOBODY, NOBODY), 0);
		if (tmp && strlen(tmp) < 60)
			(void)chmod(tmp, 0711);     /* run.sh's own folder: nobody must get through */
	}
}

static void daemon_put(const struct daemon *d, const char *name, mode_t mode, const char *text)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/%s", d->dir, name);
	OK(stg_file_write(path, stg_bytes_str(text), mode, err));
	if (geteuid() == 0)
		assert_int_equal(chown(path, NOBODY, NOBODY), 0);
}

/* Also when the server was never up. */
static void daemon_stop(struct daemon *d)
{
	char command[200];
	if (d->pid > 0) {
		kill(d->pid, SIGTERM);
		struct timespec nap = { 0, 20000000 };
		int64_t end = stg_boot_ms() + 10000;
		while (waitpid(d->pid, NULL, WNOHANG) == 0 && stg_boot_ms() < end)
			nanosleep(&nap, NULL);
		kill(d->pid, SIGKILL);
		(void)waitpid(d->pid, NULL, 0);
		d->pid = 0;
	}
	if (d->dir[0]) {
		snprintf(command, sizeof(command), "rm -rf '%s'", d->dir);
		assert_int_equal(system(command), 0);
		d->dir[0] = 0;
	}
}

/* CA, a server's certificate for 127.0.0.1 and localhost, and one for another name. */
static char daemon_ca[4096], daemon_cert[8192], daemon_other_cert[8192], daemon_other_ca[4096];
/* Stations: the 7th, the 8th, and one that calls itself the 7th but is of another CA. Certificate and key. */
static char daemon_station7[8192], daemon_station8[8192], daemon_false7[8192];

static void daemon_certificates(void)
{
	struct made ca = make_certificate("Test CA", NULL, NULL, -3600, 86400), theirs = make_certificate("Other CA", NULL, NULL, -3600, 86400);
	struct made cert = make_certificate("localhost", "IP:127.0.0.1,DNS:localhost", &ca, -3600, 86400);
	struct made other = make_certificate("elsewhere", "DNS:elsewhere.example", &ca, -3600, 86400);
	made_pem(&ca, false, daemon_ca, sizeof(daemon_ca));
	made_pem(&theirs, false, daemon_other_ca, sizeof(daemon_other_ca));
	made_pem(&cert, true, daemon_cert, sizeof(daemon_cert));
	made_pem(&other, true, daemon_other_cert, sizeof(daemon_other_cert));
	struct made seven = make_certificate("station7", "DNS:station7.example.org", &ca, -3600, 86400);
	struct made eight = make_certificate("station8", "DNS:station8.example.org", &ca, -3600, 86400);
	struct made false7 = make_certificate("station7", "DNS:station7.example.org", &theirs, -3600, 86400);
	made_pem(&seven, true, daemon_station7, sizeof(daemon_station7));
	made_pem(&eight, true, daemon_station8, sizeof(daemon_station8));
	made_pem(&false7, true, daemon_false7, sizeof(daemon_false7));
	made_clear(&seven);
	made_clear(&eight);
	made_clear(&false7);
	made_clear(&ca);
	made_clear(&theirs);
	made_clear(&cert);
	made_clear(&other);
}

#pragma GCC diagnostic pop
#endif
