/*
 * measure.c - what a staged device costs, with peers on the same virtual devices in the same run.
 *
 * For:    make bench. Prints lines for people and writes one flat JSON object.
 * Uses:   tests/lib/journey.h; go-ios from build/peers, Debian's libimobiledevice tools.
 * Called: tests/bench/run.sh.
 * Thread: one; everything measured runs in processes of its own.
 */
#include "journey.h"

#include <sys/resource.h>
#include <time.h>

static const char BLUEPRINT[] =
	"name: bench\n"
	"about: the work that peers can do too\n"
	"steps:\n"
	"  - identify:\n"
	"  - pair:\n"
	"  - set_time:\n"
	"  - supervise:\n"
	"  - install_profile: {profile: root-ca, template: yes}\n"
	"  - install_profile: {profile: passcode, template: yes}\n"
	"  - install_profile: {profile: lock-screen, template: yes, supervised: yes}\n"
	"  - issue_certificate: {common_name: \"{{serial}}\"}\n"
	"  - verify: {supervised: true}\n";

static json_t *figures;
static char dir_of_peers[4096];

static void say(const char *name, double value, const char *unit)
{
	printf("%-34s %12.2f %s\n", name, value, unit);
	fflush(stdout);
	json_object_set_new(figures, name, json_real(value));
}

/* utime + stime of a process that still runs, in microseconds. */
static int64_t cpu_of(pid_t pid)
{
	char path[64], text[1024];
	unsigned long long user = 0, system = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return 0;
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = 0;
	const char *after = strrchr(text, ')');
	if (!after || sscanf(after + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
		return 0;
	return (int64_t)(user + system) * 1000000 / sysconf(_SC_CLK_TCK);
}

static int64_t peak_kib(pid_t pid)
{
	char path[64], line[256];
	long long kib = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmHWM: %lld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

static bool until_pool(void *ctx, const json_t *event)
{
	(void)event;
	STG_AUTO(stg_json_free_at) json_t *show = journey_op(ctx, "station.show", json_object(), NULL);
	return !stg_json_bool(show, "pool_ready", false);
}

/* Keys are made in idle time; what is measured begins when that is over. */
static void journey_pool(struct journey *j)
{
	struct stg_error err = { 0 };
	journey_must(stg_events(&j->caller, until_pool, j, NULL, &err), &err, "pool");
}

static void start(struct journey *j, int devices, const char *pace, uint64_t seed, bool own_blueprint)
{
	struct stg_error err = { 0 };
	char path[160], pool[16];
	snprintf(pool, sizeof(pool), "%d", devices < 256 ? devices : 256);
	setenv("STAGER_POOL", pool, 1);
	journey_begin(j, devices, pace, seed, NULL);
	if (own_blueprint) {
		snprintf(path, sizeof(path), "%s/blueprints", j->state);
		journey_must(stg_folder_make(path, 0700, &err), &err, "folder");
		snprintf(path, sizeof(path), "%s/blueprints/bench.yaml", j->state);
		journey_must(stg_file_write(path, stg_bytes_str(BLUEPRINT), 0600, &err), &err, "blueprint");
	}
	journey_batch(j, own_blueprint ? "bench" : "ipad-hospital-ward", "pool");
	journey_pool(j);
}

struct cost {
	int64_t station, workers, door, nursery, pool;
	json_t *show;
};

static struct cost costs(struct journey *j)
{
	struct cost c = { .show = journey_op(j, "station.show", json_object(), NULL) };
	c.station = cpu_of((pid_t)stg_json_int(c.show, "pid", 0));
	c.nursery = cpu_of((pid_t)stg_json_int(c.show, "nursery_pid", 0));
	c.door = cpu_of((pid_t)stg_json_int(c.show, "muxdoor_pid", 0));
	c.workers = stg_json_int(c.show, "worker_cpu_us", 0);
	c.pool = stg_json_int(c.show, "pool_cpu_us", 0);
	return c;
}

static void station_cpu(void)
{
	int devices = getenv("BENCH_DEVICES") ? atoi(getenv("BENCH_DEVICES")) : 24;
	struct journey j;
	start(&j, devices, "instant", 3, true);
	struct cost before = costs(&j);
	journey_tell(&j, "plug", "all", NULL, NULL);
	assert_true(journey_wait_staged(&j, devices, 300000));
	assert_true(journey_wait_drained(&j, 60000));
	struct cost after = costs(&j);
	double pool = (double)(after.pool - before.pool), station = (double)(after.station - before.station) - pool;
	say("station_cpu_ms_per_device", (station + (double)(after.workers - before.workers + after.door - before.door + after.nursery - before.nursery)) /
	    1000 / devices, "ms");
	say("worker_cpu_ms_per_device", (double)(after.workers - before.workers) / 1000 / devices, "ms (part of it)");
	say("pool_cpu_ms_per_device", (double)after.pool / 1000 / devices, "ms (idle time, apart)");
	say("station_peak_mib", (double)peak_kib((pid_t)stg_json_int(after.show, "pid", 0)) / 1024, "MiB");
	say("worker_peak_mib", (double)stg_json_int(after.show, "worker_rss_kib", 0) / 1024, "MiB");
	json_decref(before.show);
	json_decref(after.show);
	journey_end(&j);
}

/* One program to its end; its CPU in microseconds, -1 when it failed. */
static int64_t run_peer(const char *what)
{
	struct rusage before, after;
	getrusage(RUSAGE_CHILDREN, &before);
	int status = system(what);
	getrusage(RUSAGE_CHILDREN, &after);
	if (status != 0)
		return -1;
	return (after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000 +
	       after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_stime.tv_usec;
}

static void peers_cpu(void)
{
	enum { DEVICES = 3 };
	struct journey j;
	char command[8192];
	int64_t go = 0, debian = 0;
	journey_begin(&j, DEVICES * 2, "instant", 3, NULL);
	journey_station_gone(&j);
	/* the one spelling that both go-ios and libusbmuxd read (apple.md 1.1) */
	snprintf(command, sizeof(command), "UNIX://%s/mux", j.dir);
	setenv("USBMUXD_SOCKET_ADDRESS", command, 1);
	journey_tell(&j, "plug", "all", NULL, NULL);
	snprintf(command, sizeof(command), "sh tests/bench/identity.sh %s %s >/dev/null 2>&1", j.dir, dir_of_peers);
	if (system(command) != 0)
		print_message("no identity for go-ios\n");
	for (int i = 0; i < DEVICES; i++) {
		const char *udid = stg_json_str(json_array_get(j.devices, (size_t)i), "udid");
		snprintf(command, sizeof(command), "sh tests/bench/go-ios.sh %s %s %s >/dev/null 2>&1", dir_of_peers, udid, j.dir);
		int64_t us = run_peer(command);
		go = us < 0 || go < 0 ? -1 : go + us;
	}
	for (int i = DEVICES; i < DEVICES * 2; i++) {
		const char *udid = stg_json_str(json_array_get(j.devices, (size_t)i), "udid");
		snprintf(command, sizeof(command), "sh tests/bench/debian.sh %s >/dev/null 2>&1", udid);
		int64_t us = run_peer(command);
		debian = us < 0 || debian < 0 ? -1 : debian + us;
	}
	if (go >= 0)
		say("go_ios_cpu_ms_per_device", (double)go / 1000 / DEVICES, "ms (the same work)");
	if (debian >= 0)
		say("libimobiledevice_cpu_ms_per_device", (double)debian / 1000 / DEVICES, "ms (identify, pair and list only: its tools cannot do the rest)");
	journey_end(&j);
}

static double wall(int devices, const char *pace, bool own_blueprint)
{
	struct journey j;
	start(&j, devices, pace, 5, own_blueprint);
	int64_t from = stg_boot_ms();
	journey_tell(&j, "plug", "all", NULL, NULL);
	bool ok = journey_wait_staged(&j, devices, 1800000);
	double ms = (double)(stg_boot_ms() - from);
	if (!ok)
		print_message("%d devices: not all staged\n", devices);
	journey_end(&j);
	return ok ? ms : -1;
}

static void ready(void)
{
	struct journey j;
	journey_begin(&j, 1, "instant", 9, NULL);
	journey_station_gone(&j);
	int64_t from = stg_boot_ms();
	journey_station(&j);
	say("start_to_ready_ms", (double)(stg_boot_ms() - from), "ms");
	journey_end(&j);
}

static void measure(void **state)
{
	(void)state;
	char name[64];
	static const int sizes[] = { 1, 8, 64 };
	/* while somebody looks for what costs: only that figure */
	if (getenv("BENCH_ONLY") && strcmp(getenv("BENCH_ONLY"), "cpu") == 0) {
		station_cpu();
		return;
	}
	ready();
	station_cpu();
	peers_cpu();
	double one = 0;
	for (size_t i = 0; i < STG_ARRAY_LEN(sizes); i++) {
		snprintf(name, sizeof(name), "wall_ms_%d_real", sizes[i]);
		double ms = wall(sizes[i], "real", true);
		say(name, ms, "ms");
		if (i == 0)
			one = ms;
		else if (sizes[i] == 64)
			say("wall_64_over_1", ms / one, "times");
	}
	int many = getenv("BENCH_MANY") ? atoi(getenv("BENCH_MANY")) : 200;
	snprintf(name, sizeof(name), "wall_ms_%d_instant", many);
	say(name, wall(many, "instant", true), "ms");
}

int main(int argc, char **argv)
{
	figures = json_object();
	snprintf(dir_of_peers, sizeof(dir_of_peers), "%s", argc > 2 ? argv[2] : "build/peers");
	const struct CMUnitTest tests[] = { cmocka_unit_test(measure) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	double ours = json_real_value(json_object_get(figures, "station_cpu_ms_per_device")), go = json_real_value(json_object_get(figures, "go_ios_cpu_ms_per_device"));
	if (ours > 0 && go > 0)
		say("go_ios_over_station", go / ours, "times");
	if (argc > 1)
		json_dump_file(figures, argv[1], JSON_INDENT(1) | JSON_PRESERVE_ORDER);
	json_decref(figures);
	return failed;
}
