/*
 * storm.c - watches a storm of arrivals: how many devices the kernel sees, how many usbmuxd lists, and when.
 *
 * For:    tests/vm: storm NAME COUNT SECONDS COMMAND...; the command plugs the devices in.
 * Uses:   <stager/watch.h>, <stager/topology.h>: what the station itself looks through.
 * Called: by the virtual machine's init.
 * Thread: one.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/topology.h>
#include <stager/watch.h>

static size_t on_usb(struct stg_topology *t)
{
	struct stg_usb_event e;
	size_t n = 0;

	stg_topology_scan(t, NULL);
	while (stg_topology_next(t, &e))
		;
	for (size_t i = 0; i < stg_topology_count(t); i++) {
		const struct stg_usb_device *d = stg_topology_at(t, i);
		n += d->mode == STG_MODE_NORMAL && strcmp(d->driver, "apple") == 0;
	}
	return n;
}

int main(int argc, char **argv)
{
	struct stg_error err = { 0 };
	if (argc < 5) {
		fprintf(stderr, "usage: storm NAME COUNT SECONDS COMMAND...\n");
		return 2;
	}
	size_t want = strtoul(argv[2], NULL, 10), listed = 0, seen = 0, told_listed = 0, told_seen = 0;
	int64_t limit_ms = strtol(argv[3], NULL, 10) * 1000, start = stg_boot_ms(), seen_ms = -1, half_ms = -1, last_ms = -1;
	struct stg_topology *t = stg_topology_new(&err);
	struct stg_watch *w = stg_watch_open(&err);
	if (!t || !w) {
		fprintf(stderr, "storm: %s\n", err.msg);
		return 4;
	}
	pid_t child = fork();
	if (child == 0) {
		if (!freopen("/tmp/plug.log", "w", stdout))
			_exit(126);
		execvp(argv[4], argv + 4);
		_exit(127);
	}
	int64_t next_line = start + 5000;
	while (listed < want && stg_boot_ms() - start < limit_ms) {
		struct pollfd p[2] = { { .fd = stg_watch_fd(w), .events = POLLIN }, { .fd = stg_topology_fd(t), .events = POLLIN } };
		struct stg_watch_event e;

		poll(p, 2, 500);
		seen = on_usb(t);
		int64_t now = stg_boot_ms();
		if (seen >= want && seen_ms < 0)
			seen_ms = now - start;
		while (stg_watch_next(w, &e)) {
			if (e.kind == STG_WATCH_ARRIVED)
				listed++;
			else if (e.kind == STG_WATCH_LEFT)
				listed--;
			else if (e.kind == STG_WATCH_DOWN)
				printf("%s: %6.1f s  usbmuxd is down\n", argv[1], (double)(now - start) / 1000);
			last_ms = now - start;
			if (listed * 2 >= want && half_ms < 0)
				half_ms = last_ms;
		}
		if (now >= next_line && (seen != told_seen || listed != told_listed)) {
			printf("%s: %6.1f s  on USB %zu  listed %zu\n", argv[1], (double)(now - start) / 1000, seen, listed);
			fflush(stdout);
			told_seen = seen;
			told_listed = listed;
			next_line = now + 5000;
		}
	}
	printf("%s: %zu of %zu listed, %s %.1f s; half of them after %.1f s; all on USB after %.1f s (%zu)\n", argv[1], listed, want,
	       listed >= want ? "the last after" : "the last change at", (double)last_ms / 1000, (double)half_ms / 1000,
	       (double)seen_ms / 1000, seen);
	fflush(stdout);
	waitpid(child, NULL, 0);
	stg_watch_close(w);
	stg_topology_free(t);
	return listed >= want ? 0 : 1;
}
