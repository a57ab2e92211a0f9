/*
 * main.c - stager-bench: a virtual bench, or a word to a running one.
 *
 * For:    demo, rehearsals, tests and people without a phone at hand.
 * Uses:   bench.h, control.h.
 * Called: by the shell, by the product's demo and rehearse commands.
 * Thread: one.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <stager/error.h>

#include "bench.h"
#include "control.h"
#include "mux.h"
#include "tls.h"
#include "receiver.h"

static const char USAGE[] =
	"usage: stager-bench [options]                    start virtual devices\n"
	"       stager-bench ctl unix:PATH VERB ARGS...   speak to a running bench (verb help)\n"
	"       stager-bench receiver ...                 the receiving server\n"
	"       stager-bench keys [DIR]                   make all device keys now\n"
	"  --iphones N --ipads N --androids N   devices (default: 1 iPhone)\n"
	"  --unplugged N        the last N of them are known but not plugged in\n"
	"  --slots N            ports of the hubs\n"
	"  --scenario FILE      devices in JSON: {\"devices\": [{\"serial\": ..., \"model\": ...}]}\n"
	"  --usbmuxd unix:PATH  socket for clients; also tcp:127.0.0.1:PORT, may be given twice (default tcp:127.0.0.1:0)\n"
	"  --control unix:PATH  the control socket\n"
	"  --sysfs DIR          keeps DIR/bus/usb/devices like the kernel's\n"
	"  --usb vhci           on the kernel's virtual USB controller too (root, module vhci_hcd): for the real usbmuxd\n"
	"  --keys DIR           device keys, made when first needed (default bench-keys beside the program)\n"
	"  --seed S             same seed, same devices\n"
	"  --pace real|fast|instant   (default fast: a twentieth)\n"
	"  --time-scale N       divides every delay of the pace once more: real at 20 is fast\n"
	"  --fresh              boxes: unactivated\n"
	"  --mixed              what a real day brings\n"
	"  --line open|closed   whether the activation server can be reached\n"
	"  --with-parent        ends when its parent ends\n"
	"  --receiver ADDRESS   the receiving server beside the devices; its other options: stager-bench receiver --help\n";

enum { OPT_IPHONES = 256, OPT_IPADS, OPT_ANDROIDS, OPT_UNPLUGGED, OPT_SLOTS, OPT_SCENARIO, OPT_USBMUXD, OPT_CONTROL,
       OPT_SYSFS, OPT_USB, OPT_KEYS, OPT_SEED, OPT_PACE, OPT_TIME_SCALE, OPT_FRESH, OPT_MIXED, OPT_LINE, OPT_WITH_PARENT, OPT_HELP };

static const struct option options[] = {
	{ "iphones", required_argument, NULL, OPT_IPHONES },   { "ipads", required_argument, NULL, OPT_IPADS },
	{ "androids", required_argument, NULL, OPT_ANDROIDS }, { "unplugged", required_argument, NULL, OPT_UNPLUGGED },
	{ "slots", required_argument, NULL, OPT_SLOTS },       { "scenario", required_argument, NULL, OPT_SCENARIO },
	{ "usbmuxd", required_argument, NULL, OPT_USBMUXD },   { "control", required_argument, NULL, OPT_CONTROL },
	{ "sysfs", required_argument, NULL, OPT_SYSFS },       { "keys", required_argument, NULL, OPT_KEYS },
	{ "usb", required_argument, NULL, OPT_USB },          
	{ "seed", required_argument, NULL, OPT_SEED },         { "pace", required_argument, NULL, OPT_PACE },
	{ "time-scale", required_argument, NULL, OPT_TIME_SCALE },
	{ "fresh", no_argument, NULL, OPT_FRESH },             { "mixed", no_argument, NULL, OPT_MIXED },
	{ "line", required_argument, NULL, OPT_LINE },         { "with-parent", no_argument, NULL, OPT_WITH_PARENT },
	{ "help", no_argument, NULL, OPT_HELP },               { 0 },
};

/* 0 to 100,000; other words are refused. */
static bool take_number(const char *text, unsigned int *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!text[0] || *end || n > 100000)
		return false;
	*ret = (unsigned int)n;
	return true;
}

static const char *without_scheme(const char *text)
{
	return strncasecmp(text, "unix:", 5) == 0 ? text + 5 : text;
}

static bool take_option(struct virt_options *o, int opt, const char *arg)
{
	char *end;

	switch (opt) {
	case OPT_IPHONES:
		return take_number(arg, &o->iphones);
	case OPT_IPADS:
		return take_number(arg, &o->ipads);
	case OPT_ANDROIDS:
		return take_number(arg, &o->androids);
	case OPT_UNPLUGGED:
		return take_number(arg, &o->unplugged);
	case OPT_SLOTS:
		return take_number(arg, &o->slots);
	case OPT_SCENARIO:
		o->scenario_path = arg;
		return true;
	case OPT_USBMUXD:
		if (strncmp(arg, "tcp:", 4) == 0)
			o->usbmuxd_tcp = arg + 4;
		else
			o->usbmuxd_path = without_scheme(arg);
		return true;
	case OPT_CONTROL:
		o->control_path = without_scheme(arg);
		return true;
	case OPT_SYSFS:
		o->sysfs_dir = arg;
		return true;
	case OPT_USB:
		o->usb_vhci = true;
		return strcmp(arg, "vhci") == 0;
	case OPT_KEYS:
		o->keys_dir = arg;
		return true;
	case OPT_SEED:
		o->seed = strtoull(arg, &end, 0);
		return arg[0] && !*end;
	case OPT_PACE:
		o->pace = strcmp(arg, "real") == 0 ? VIRT_PACE_REAL : strcmp(arg, "fast") == 0 ? VIRT_PACE_FAST : VIRT_PACE_INSTANT;
		return strcmp(arg, "real") == 0 || strcmp(arg, "fast") == 0 || strcmp(arg, "instant") == 0;
	case OPT_TIME_SCALE:
		return take_number(arg, &o->time_scale) && o->time_scale >= 1;
	case OPT_FRESH:
		o->fresh = true;
		return true;
	case OPT_MIXED:
		o->mixed = true;
		return true;
	case OPT_LINE:
		o->line_closed = strcmp(arg, "closed") == 0;
		return o->line_closed || strcmp(arg, "open") == 0;
	case OPT_WITH_PARENT:
		o->with_parent = true;
		return true;
	default:
		return false;
	}
}

/* "bench-keys" beside the program, so that all benches of one build share their keys. */
static const char *default_keys(char *ret, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", ret, size - 12);
	char *slash;

	if (n <= 0)
		return NULL;
	ret[n] = '\0';
	slash = strrchr(ret, '/');
	if (!slash)
		return NULL;
	stg_copy(slash + 1, size - (size_t)(slash + 1 - ret), "bench-keys");
	return ret;
}

struct ending {
	struct virt_watch watch;
	struct virt_loop *loop;
};

static void on_signal(struct virt_watch *w, uint32_t events)
{
	(void)events;
	virt_loop_stop(VIRT_OWNER(w, struct ending, watch)->loop);
}

static void print_ready(struct virt_bench *b)
{
	json_t *r = b->ready;
	char address[160], *text;

	stg_json_put_bool(r, "ready", true);
	stg_json_put_int(r, "v", 1);
	if (b->opt.usbmuxd_path) {
		snprintf(address, sizeof(address), "unix:%s", b->opt.usbmuxd_path);
		stg_json_put(r, "usbmuxd", address);
	}
	stg_json_put(r, "tcp", virt_mux_tcp(b->mux));
	if (b->opt.control_path) {
		snprintf(address, sizeof(address), "unix:%s", b->opt.control_path);
		stg_json_put(r, "control", address);
	}
	stg_json_put(r, "sysfs", b->opt.sysfs_dir);
	stg_json_put(r, "activation", b->activation_url);
	stg_json_put_int(r, "devices", (int64_t)b->n_devices);
	stg_json_put_int(r, "pid", getpid());
	text = json_dumps(r, JSON_COMPACT | JSON_PRESERVE_ORDER);
	puts(text);
	fflush(stdout);
	free(text);
}

static bool run(struct virt_options *o, struct stg_error *err)
{
	struct virt_bench *b = virt_bench_new(o, err);
	struct ending end = { .watch.ready = on_signal };
	sigset_t set;
	bool ok = b && virt_bench_start(b, err);
	int fd = -1;

	if (ok) {
		end.loop = b->loop;
		sigemptyset(&set);
		sigaddset(&set, SIGTERM);
		sigaddset(&set, SIGINT);
		sigaddset(&set, SIGHUP);
		sigprocmask(SIG_BLOCK, &set, NULL);
		fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
		ok = fd >= 0 && virt_watch_set(b->loop, &end.watch, fd, EPOLLIN);
	}
	if (ok) {
		print_ready(b);
		ok = virt_loop_run(b->loop, err);
		/* The answer to `quit` is still on its way. */
		virt_loop_turn(b->loop, 0, NULL);
		virt_watch_clear(b->loop, &end.watch);
	}
	if (fd >= 0)
		close(fd);
	virt_bench_free(b);
	return ok;
}

/* `stager-bench keys DIR`: makes the device keys now, so that no test or rehearsal waits for them. */
static int make_keys(const char *dir)
{
	struct stg_error err = { 0 };
	struct virt_keys *k = virt_keys_open(dir);
	bool ok = virt_keys_make_all(k, &err);

	virt_keys_close(k);
	if (!ok)
		fprintf(stderr, "stager-bench keys: %s\n", err.msg);
	return ok ? 0 : 4;
}

int main(int argc, char **argv)
{
	struct virt_options o = { .pace = VIRT_PACE_FAST, .seed = 1 };
	struct virt_receiver_options receiver = { 0 };
	struct stg_error err = { 0 };
	struct rlimit files;
	char keys[4096];
	int opt;
	pid_t parent = getppid();

	if (argc > 1 && strcmp(argv[1], "ctl") == 0)
		return virt_ctl_main(argc - 2, argv + 2);
	if (argc > 1 && strcmp(argv[1], "keys") == 0 && (argc < 3 || argv[2][0] != '-'))
		return make_keys(argc > 2 ? argv[2] : default_keys(keys, sizeof(keys)));
	if (argc > 1 && strcmp(argv[1], "receiver") == 0)
		return virt_receiver_main(argc - 1, argv + 1);
	if (!virt_receiver_take_options(&receiver, &argc, argv, &err)) {
		fprintf(stderr, "stager-bench: %s\n", err.msg);
		return 2;
	}
	if (receiver.listen)
		o.receiver = &receiver;
	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (opt == OPT_HELP || opt == 'h') {
			fputs(USAGE, stdout);
			return 0;
		}
		if (opt == '?' || !take_option(&o, opt, optarg)) {
			if (opt != '?')
				fprintf(stderr, "stager-bench: '%s' will not do here\n", optarg);
			fputs(USAGE, stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "stager-bench: '%s' is not an option\n", argv[optind]);
		return 2;
	}
	if (!o.iphones && !o.ipads && !o.androids && !o.scenario_path && !o.receiver)
		o.iphones = 1;
	if (!o.usbmuxd_path && !o.usbmuxd_tcp)
		o.usbmuxd_tcp = "127.0.0.1:0";
	if (!o.keys_dir)
		o.keys_dir = default_keys(keys, sizeof(keys));
	if (o.with_parent) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			return 0;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (!run(&o, &err)) {
		fprintf(stderr, "stager-bench: %s\n", err.msg);
		return err.code == STG_E_INPUT ? 3 : 4;
	}
	return 0;
}
