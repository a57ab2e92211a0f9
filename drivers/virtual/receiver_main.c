/*
 * receiver_main.c - the receiving server's two homes: inside a bench, or as a program of its own.
 *
 * For:    `stager-bench ... --receiver 127.0.0.1:0` and `stager-bench receiver --receiver 127.0.0.1:0`.
 * Uses:   receiver.h, loop.h.
 * Called: by main.c.
 * Thread: the bench's one.
 */
#include "receiver.h"

#include "bench.h"
#include "loop.h"

#include <signal.h>
#include <stager/error.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const char USAGE[] =
	"usage: stager-bench receiver [options]\n"
	"  --receiver ADDRESS         where it listens (127.0.0.1:0)\n"
	"  --receiver-dir DIR         keeps records.jsonl there, and the certificates it makes\n"
	"  --receiver-tls             HTTPS; --receiver-mtls: and clients must show a certificate\n"
	"  --receiver-cert FILE, --receiver-key FILE, --receiver-client-ca FILE   instead of made ones\n"
	"  --receiver-bearer-file FILE   the token it wants\n"
	"  --receiver-secret-file FILE   whsec_... lines: a signature by one of them must fit\n"
	"  --with-parent              ends when its parent ends\n";

/* The program's end: a signal. */
struct ends {
	struct virt_loop *loop;
	struct virt_watch signals;
};

static void on_signal(struct virt_watch *w, uint32_t events)
{
	(void)events;
	virt_loop_stop(VIRT_OWNER(w, struct ends, signals)->loop);
}

static int run(struct virt_loop *loop, struct stg_error *err)
{
	struct ends e = { .loop = loop, .signals.ready = on_signal };
	sigset_t set;
	bool ok;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0 || !virt_watch_set(loop, &e.signals, fd, EPOLLIN)) {
		stg_fail(err, STG_E_IO, 0, "cannot wait for signals");
		return 1;
	}
	ok = virt_loop_run(loop, err);
	virt_watch_clear(loop, &e.signals);
	close(fd);
	return ok ? 0 : 1;
}

/* ---- inside a bench ---- */

static bool verb(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	return virt_receiver_words(b->receiver, args, ret, err);
}

bool virt_receiver_start(struct virt_bench *b, const struct virt_receiver_options *o, struct stg_error *err)
{
	b->receiver = virt_receiver_open(b->loop, o, err);
	if (!b->receiver)
		return false;
	stg_json_put_new(b->ready, "receiver", virt_receiver_ready(b->receiver));
	virt_control_add(b, "receiver", verb);
	return true;
}

void virt_receiver_stop(struct virt_bench *b)
{
	virt_receiver_close(b->receiver);
	b->receiver = NULL;
}

/* ---- alone ---- */

int virt_receiver_main(int argc, char **argv)
{
	struct virt_receiver_options options = { .listen = "127.0.0.1:0" };
	struct stg_error err = { 0 };
	struct virt_receiver *r = NULL;
	struct virt_loop *loop;
	pid_t parent = getppid();
	int status = 1;

	if (!virt_receiver_take_options(&options, &argc, argv, &err)) {
		fprintf(stderr, "stager-bench receiver: %s\n", err.msg);
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--with-parent") == 0) {
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			if (getppid() != parent)
				return 0;
		} else {
			bool asked = strcmp(argv[i], "--help") == 0;

			fputs(USAGE, asked ? stdout : stderr);
			return asked ? 0 : 2;
		}
	}
	loop = virt_loop_new(&err);
	if (loop)
		r = virt_receiver_open(loop, &options, &err);
	if (r) {
		json_t *ready = json_object();
		char *text;

		stg_json_put_new(ready, "receiver", virt_receiver_ready(r));
		stg_json_put_int(ready, "pid", getpid());
		text = stg_json_text(ready);
		puts(text);
		fflush(stdout);
		stg_free_at(&text);
		json_decref(ready);
		status = run(loop, &err);
	}
	if (status != 0)
		fprintf(stderr, "stager-bench receiver: %s\n", err.msg);
	virt_receiver_close(r);
	virt_loop_free(loop);
	return status;
}
