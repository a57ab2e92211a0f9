/*
 * measure.c - what a staged device costs, with peers on the same virtual devices in the same run.
 *
 * For:    make bench. Prints lines for people and writes one flat JSON object.
 * Uses:   tests/lib/journey.h; go-ios from build/peers, Debian's libimobiledevice tools.
 * Called: tests/bench/run.sh.
 * Thread: one; everything measured runs in processes of its own.
 */
#include "journey.h"
#include "apps.h"
#include "hostile.h"
#include "leaves.h"
#include "lint.h"
#include "operator.h"
#include "supervised.h"

#include <sys/resource.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>

/* %s: nothing, or another kind of key for the certificate */
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
	"  - issue_certificate: {common_name: \"{{serial}}\"%s}\n"
	"  - verify: {supervised: true}\n";

#define BENCHFUL 64
#define MANY 1000
#define MANY_MS 900000           /* the most that many devices may take, and the filling of the pool before */

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

struct pool_wait {
	struct journey *j;
	int64_t until_ms;
};

static bool until_pool(void *ctx, const json_t *event)
{
	(void)event;
	const struct pool_wait *w = ctx;
	STG_AUTO(stg_json_free_at) json_t *show = journey_op(w->j, "station.show", json_object(), NULL);
	return !stg_json_bool(show, "pool_ready", false) && stg_boot_ms() < w->until_ms;
}

/* Keys are made in idle time; what is measured begins when that is over. */
static void journey_pool(struct journey *j)
{
	struct stg_error err = { 0 };
	struct pool_wait w = { .j = j, .until_ms = stg_boot_ms() + MANY_MS };
	journey_must(stg_events(&j->caller, until_pool, &w, NULL, &err), &err, "pool");
}

static void want_pool(int hosts, int leaves)
{
	char pool[32];
	snprintf(pool, sizeof(pool), "%d,%d", hosts, leaves);
	setenv("STAGER_POOL", pool, 1);
}

static bool copy_folder(const char *from, const char *to)
{
	char command[16384 + 128];
	snprintf(command, sizeof(command), "rm -rf '%s' && mkdir -p \"$(dirname '%s')\" && cp -a '%s' '%s'", to, to, from, to);
	return system(command) == 0;
}

/* A station's state with keys for many devices, made once and kept beside the device keys: what a station makes in the
 * idle hours before such a day. Making it takes minutes; pool_cpu_ms_per_device says what one device's part of it costs. */
static void filled_pool(int hosts, char *ret, size_t size)
{
	const char *b = getenv("B");
	struct journey j;
	snprintf(ret, size, "%s/bench-pool/%d", b ? b : "build", hosts);
	if (access(ret, R_OK) == 0)
		return;
	printf("(keys for %d devices are made once, into %s)\n", hosts, ret);
	fflush(stdout);
	int64_t from = stg_boot_ms();
	want_pool(hosts, 0);
	journey_begin(&j, 1, "instant", 3, NULL);
	journey_pool(&j);
	stg_caller_close(&j.caller);
	child_stop(&j.station, 60000);
	assert_true(copy_folder(j.state, ret));
	journey_end(&j);
	printf("(made in %lld s)\n", (long long)(stg_boot_ms() - from) / 1000);
}

/* `hosts`: take over a state with so many host identities; 0: the station makes its own. */
static void start(struct journey *j, int devices, const char *pace, uint64_t seed, const char *const *options, int hosts, int leaves)
{
	char kept[4200];
	if (hosts)
		filled_pool(hosts, kept, sizeof(kept));
	want_pool(devices, leaves);
	journey_begin(j, devices, pace, seed, options);
	if (!hosts)
		return;
	stg_caller_close(&j->caller);
	child_stop(&j->station, 60000);
	assert_true(copy_folder(kept, j->state));
	journey_station(j);
}

/* `key` is the certificate's: "" for the usual one. */
static void own_blueprint(struct journey *j, const char *key)
{
	struct stg_error err = { 0 };
	char path[160], text[1024];
	snprintf(path, sizeof(path), "%s/blueprints", j->state);
	journey_must(stg_folder_make(path, 0700, &err), &err, "folder");
	snprintf(path, sizeof(path), "%s/blueprints/bench.yaml", j->state);
	snprintf(text, sizeof(text), BLUEPRINT, key);
	journey_must(stg_file_write(path, stg_bytes_str(text), 0600, &err), &err, "blueprint");
	journey_batch(j, "bench", "pool");
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

/* How fast this machine is just now: neighbours and heat make a factor of two. */
static double signatures_per_second(void)
{
	uint8_t out[512], digest[32] = { 1 };
	EVP_PKEY *key = EVP_RSA_gen(2048);
	EVP_PKEY_CTX *ctx = key ? EVP_PKEY_CTX_new(key, NULL) : NULL;
	int n = 0;
	if (!ctx || EVP_PKEY_sign_init(ctx) != 1 || EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) != 1) {
		EVP_PKEY_CTX_free(ctx);
		EVP_PKEY_free(key);
		return 0;
	}
	int64_t from = cpu_of(getpid()), until = from + 500000, now = from;
	for (; now < until; n++) {
		size_t len = sizeof(out);
		if (EVP_PKEY_sign(ctx, out, &len, digest, sizeof(digest)) != 1)
			break;
		now = cpu_of(getpid());
	}
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	return now > from ? n * 1e6 / (double)(now - from) : 0;
}

static void station_cpu(void)
{
	int devices = getenv("BENCH_DEVICES") ? atoi(getenv("BENCH_DEVICES")) : 24;
	struct journey j;
	start(&j, devices, "instant", 3, NULL, 0, devices);
	own_blueprint(&j, "");
	struct cost before = costs(&j);
	journey_tell(&j, "plug", "all", NULL, NULL);
	assert_true(journey_wait_staged(&j, devices, 300000));
	assert_true(journey_wait_drained(&j, 60000));
	struct cost after = costs(&j);
	double pool = (double)(after.pool - before.pool), station = (double)(after.station - before.station) - pool;
	say("station_cpu_ms_per_device", (station + (double)(after.workers - before.workers + after.door - before.door + after.nursery - before.nursery)) /
	    1000 / devices, "ms");
	print_message("station %.1f door %.1f nursery %.1f\n", station/1000/devices, (double)(after.door-before.door)/1000/devices, (double)(after.nursery-before.nursery)/1000/devices);
	say("worker_cpu_ms_per_device", (double)(after.workers - before.workers) / 1000 / devices, "ms (part of it)");
	say("rsa_2048_signatures_per_cpu_s", signatures_per_second(), "here and now (an idle core of the reference machine: 2600)");
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
	for (int i = 0; i < DEVICES * 2; i++) {
		const char *udid = stg_json_str(json_array_get(j.devices, (size_t)i), "udid");
		int64_t *sum = i < DEVICES ? &go : &debian;
		if (i < DEVICES)
			snprintf(command, sizeof(command), "sh tests/bench/go-ios.sh %s %s %s >%s/peer.log 2>&1", dir_of_peers, udid, j.dir, j.dir);
		else
			snprintf(command, sizeof(command), "sh tests/bench/debian.sh %s >%s/peer.log 2>&1", udid, j.dir);
		int64_t us = *sum < 0 ? -1 : run_peer(command);
		if (us < 0 && *sum >= 0) {
			printf("%s failed; its figure is left out:\n", i < DEVICES ? "go-ios" : "libimobiledevice's tools");
			fflush(stdout);
			snprintf(command, sizeof(command), "tail -n 5 %s/peer.log", j.dir);
			(void)!system(command);
		}
		*sum = us < 0 ? -1 : *sum + us;
	}
	if (go >= 0)
		say("go_ios_cpu_ms_per_device", (double)go / 1000 / DEVICES, "ms (the same work, its certificate made beforehand)");
	if (debian >= 0)
		say("libimobiledevice_cpu_ms_per_device", (double)debian / 1000 / DEVICES, "ms (identify, pair, list profiles: its tools cannot supervise, install or issue)");
	journey_end(&j);
}

/* What `wall` cost in processor time, in seconds: the product, and the virtual devices that stand in for real ones. */
struct work {
	double station, devices;
};

static double wall(int devices, const char *pace, const char *key, int hosts, int64_t limit_ms, struct work *ret)
{
	struct journey j;
	start(&j, devices, pace, 5, NULL, hosts, *key ? 0 : devices);
	own_blueprint(&j, key);
	struct cost before = costs(&j);
	int64_t bench = cpu_of(j.bench.pid), from = stg_boot_ms();
	journey_tell(&j, "plug", "all", NULL, NULL);
	bool ok = journey_wait_staged(&j, devices, limit_ms);
	double ms = (double)(stg_boot_ms() - from);
	struct cost after = costs(&j);
	ret->devices = (double)(cpu_of(j.bench.pid) - bench) / 1e6;
	ret->station = (double)(after.station - before.station + after.nursery - before.nursery + after.door - before.door + after.workers -
				before.workers - (after.pool - before.pool)) / 1e6;
	json_decref(before.show);
	json_decref(after.show);
	if (!ok)
		print_message("%d devices: not all staged\n", devices);
	journey_end(&j);
	return ok ? ms : -1;
}

static void walls(void)
{
	static const int sizes[] = { 1, 8, 64 };
	char name[64];
	struct work w = { 0 };
	double one = 0;
	for (size_t i = 0; i < STG_ARRAY_LEN(sizes); i++) {
		snprintf(name, sizeof(name), "wall_ms_%d_real", sizes[i]);
		double ms = wall(sizes[i], "real", "", BENCHFUL, 300000, &w);
		say(name, ms, "ms");
		if (i == 0)
			one = ms;
		else if (sizes[i] == 64)
			say("wall_64_over_1", ms / one, "times (aim: 1.1)");
	}
	say("cpu_s_64_real_station", w.station, "s of it were the station's and its workers' on all cores");
	say("cpu_s_64_real_devices", w.devices, "s were the virtual devices', on one core");
}

static void many(void)
{
	const int devices = getenv("BENCH_MANY") ? atoi(getenv("BENCH_MANY")) : MANY;
	char name[64];
	int64_t from = stg_boot_ms();
	snprintf(name, sizeof(name), "wall_ms_%d_instant", devices);
	/* a P-256 key is made in no time: RSA keys for so many leaves would be one more hour of idle time */
	struct work w = { 0 };
	double ms = wall(devices, "instant", ", key: p-256", devices, MANY_MS, &w);
	say(name, ms, "ms (P-256 certificates)");
	snprintf(name, sizeof(name), "cpu_s_%d_instant_devices", devices);
	say(name, w.devices, "s of it were the virtual devices', on one core");
	snprintf(name, sizeof(name), "wall_s_%d_instant_in_all", devices);
	say(name, (double)(stg_boot_ms() - from) / 1000, "s (with start, order and the filling of the pool where it was not kept)");
}

/* New boxes, unactivated, the line open, the shipped blueprint: one person's day at time scale 20. */
static void at_the_bench(void)
{
	enum { BOXES = 64, SCALE = 20 };
	static const char *const options[] = { "--slots", "16", "--time-scale", "20", "--fresh", NULL };
	struct journey j;
	start(&j, BOXES, "real", 11, options, BENCHFUL, 2 * BOXES);   /* two certificates each */
	journey_batch(&j, "ipad-hospital-ward", "pool");
	journey_pool(&j);
	struct operator o = { .j = &j, .scale = SCALE, .boxes = BOXES };
	double bound = (double)BOXES * (OPERATOR_OPEN_MS + OPERATOR_AWAY_MS) / 1000;
	bool ok = operator_work(&o, (int64_t)(bound * 1000 / SCALE) * 4);
	double took = (double)o.took_ms * SCALE / 1000;
	say("operator_bound_s", bound, "s (64 boxes, 40 s of two hands each)");
	say("operator_measured_s", ok ? took : -1, "s (scaled: 20 times the wall)");
	say("operator_over_bound_percent", ok ? (took / bound - 1) * 100 : -1, "% (aim: 5)");
	say("operator_hands_idle_s", (double)o.hands_idle_ms * SCALE / 1000, "s (scaled: hands free and nothing to do for them)");
	say("operator_longest_port_idle_s", (double)o.port_idle_us * SCALE / 1e6, "s (scaled: a box in a port and nothing done with it; aim: 5)");
	say("operator_staged", o.staged, "of 64 boxes");
	say("operator_asked", o.asked, "times for a hand besides");
	printf("(the longest idle port: %s)\n", o.idlest);
	journey_end(&j);
}

static int number_of(const char *name, int otherwise)
{
	const char *text = getenv(name);
	return text && *text ? atoi(text) : otherwise;
}

/* Debian's tool with the same file on one device: seconds of the wall, and of its own CPU; false when it failed. */
static bool app_peer(int64_t mb, double *ret_wall, double *ret_cpu)
{
	struct journey j;
	char package[200], command[600];
	journey_begin(&j, 1, "real", 7, NULL);
	journey_station_gone(&j);
	snprintf(package, sizeof(package), "%s/large.ipa", j.dir);
	ipa_make(package, &(struct ipa){ .id = APPS_ID, .version = "1.0", .build = "1", .bytes = (uint64_t)mb << 20 });
	journey_tell(&j, "plug", "all", NULL, NULL);
	const char *udid = stg_json_str(json_array_get(j.devices, 0), "udid");
	snprintf(command, sizeof(command), "idevicepair -u %s pair >%s/peer.log 2>&1", udid, j.dir);
	bool ok = system(command) == 0;
	snprintf(command, sizeof(command), "ideviceinstaller -u %s -i %s >>%s/peer.log 2>&1", udid, package, j.dir);
	int64_t from = stg_boot_ms(), us = ok ? run_peer(command) : -1;
	*ret_wall = (double)(stg_boot_ms() - from) / 1000;
	*ret_cpu = (double)us / 1e6;
	journey_end(&j);
	return us >= 0;
}

/* `n` devices at once; seconds until the last one has it. */
static double app_on(int n, int64_t mb, double *ret_last_over_first, double *ret_cpu, double *ret_worker_mib, double *ret_station_mib)
{
	struct journey j;
	char package[200];
	int64_t first = 0, last = 0;
	start(&j, n, "real", 7, NULL, BENCHFUL, 0);
	apps_prepare(&j, (uint64_t)mb << 20, package);
	journey_batch(&j, "apps", "pool");
	journey_pool(&j);
	struct cost before = costs(&j);
	int64_t from = stg_wall_ms();
	journey_tell(&j, "plug", "all", NULL, NULL);
	bool ok = journey_wait_staged(&j, n, 1200000);
	struct cost after = costs(&j);
	apps_ends(&j, from, &first, &last);
	*ret_last_over_first = first ? (double)last / (double)first : 0;
	*ret_cpu = (double)(after.station - before.station + after.nursery - before.nursery + after.door - before.door + after.workers - before.workers -
			    (after.pool - before.pool)) / 1e6 / n;
	printf("(CPU: worker %.2f s, door %.2f s, station %.2f s)\n", (double)(after.workers - before.workers) / 1e6 / n,
	       (double)(after.door - before.door) / 1e6 / n, (double)(after.station - before.station) / 1e6 / n);
	*ret_worker_mib = (double)stg_json_int(after.show, "worker_rss_kib", 0) / 1024;
	*ret_station_mib = (double)peak_kib((pid_t)stg_json_int(after.show, "pid", 0)) / 1024;
	json_decref(before.show);
	json_decref(after.show);
	journey_end(&j);
	return ok ? (double)last / 1000 : -1;
}

static void linted(void)
{
	say("rules_load_ms", lint_load_us() / 1000, "ms (aim: under 1)");
	say("lint_profile_ms", lint_each_us() / 1000, "ms, one of 1000 (aim: under 1)");
	say("lint_1000_files_s", lint_command_s(), "s, the command on 1000 files");
}

static void leaves(void)
{
	struct issuing b;
	if (issuing_open(&b)) {
		say("leaves_signed_per_s", issuing_rate(&b, true, 1, 0), "1/s: 1000 over a device's key, each in the register on disk");
		say("leaves_signed_together_per_s", issuing_rate(&b, true, 50, LEAVES), "1/s: the same, fifty a commit");
		say("leaves_p12_per_s", issuing_rate(&b, false, 1, 2 * LEAVES), "1/s: 1000 with P-256 key and PKCS#12, each in the register on disk");
		say("profiles_signed_per_s", signing_rate(&b), "1/s: CMS over 12 KiB, RSA-2048");
	}
	issuing_close(&b);
}

static void large_apps(void)
{
	int n = number_of("BENCH_APP_DEVICES", 16);
	int64_t mb = number_of("BENCH_APP_MB", 300);
	double ratio = 0, cpu = 0, worker = 0, station = 0, peer_wall = 0, peer_cpu = 0;
	double one = app_on(1, mb, &ratio, &cpu, &worker, &station);
	printf("(an app of %lld MB)\n", (long long)mb);
	say("app_one_device_s", one, "s, from the plug to proven");
	say("app_one_device_cpu_s", cpu, "s of the station, its worker and its door");
	if (app_peer(mb, &peer_wall, &peer_cpu)) {
		say("app_ideviceinstaller_s", peer_wall, "s for the same file, paired before");
		say("app_ideviceinstaller_cpu_s", peer_cpu, "s of its own");
	} else {
		printf("ideviceinstaller failed; its figures are left out\n");
	}
	double all = app_on(n, mb, &ratio, &cpu, &worker, &station);
	say("app_devices", n, "at once, behind one root port");
	say("app_all_devices_s", all, "s until the last one has it");
	say("app_all_over_one", one > 0 ? all / one : -1, "times the time of one");
	say("app_mb_per_s", all > 0 ? (double)(mb * n) / all : -1, "MB/s over the shared cable");
	say("app_last_over_first", ratio, "times: how evenly they were served (1: all end together)");
	say("app_cpu_s_per_device", cpu, "s");
	say("app_worker_peak_mib", worker, "MiB");
	say("app_station_peak_mib", station, "MiB");
}

/* CPU of the product for each device, in ms; *ret_wall_ms of all of them together. -1: not all came to their end. */
static double extra(int devices, const char *pace, bool profiles, bool wallpaper, double *ret_wall_ms)
{
	struct journey j;
	start(&j, devices, pace, 13, NULL, BENCHFUL, 0);
	supervised_blueprint(&j, profiles, wallpaper);
	journey_batch(&j, "extra", "pool");
	journey_pool(&j);
	struct cost before = costs(&j);
	int64_t from = stg_boot_ms();
	journey_tell(&j, "plug", "all", NULL, NULL);
	bool ok = journey_wait_staged(&j, devices, 300000);
	*ret_wall_ms = (double)(stg_boot_ms() - from);
	struct cost after = costs(&j);
	double us = (double)(after.station - before.station + after.nursery - before.nursery + after.door - before.door + after.workers - before.workers -
			     (after.pool - before.pool));
	json_decref(before.show);
	json_decref(after.show);
	journey_end(&j);
	return ok ? us / 1000 / devices : -1;
}

/* Ten profiles, one program each: its CPU in ms, -1 when it failed. */
static double profiles_peer(double *ret_wall_ms)
{
	struct journey j;
	char command[9000];
	journey_begin(&j, 1, "real", 13, NULL);
	journey_station_gone(&j);
	snprintf(command, sizeof(command), "UNIX://%s/mux", j.dir);
	setenv("USBMUXD_SOCKET_ADDRESS", command, 1);
	journey_tell(&j, "plug", "all", NULL, NULL);
	supervised_profiles(&j);
	const char *udid = stg_json_str(json_array_get(j.devices, 0), "udid");
	snprintf(command, sizeof(command), "sh tests/bench/identity.sh %s >%s/peer.log 2>&1 && sh tests/bench/go-ios-profiles.sh begin %s %s %s %s >>%s/peer.log 2>&1", j.dir,
		 j.dir, dir_of_peers, udid, j.dir, j.state, j.dir);
	bool ok = system(command) == 0;
	snprintf(command, sizeof(command), "sh tests/bench/go-ios-profiles.sh add %s %s %s %s >>%s/peer.log 2>&1", dir_of_peers, udid, j.dir, j.state, j.dir);
	int64_t from = stg_boot_ms(), us = ok ? run_peer(command) : -1;
	*ret_wall_ms = (double)(stg_boot_ms() - from);
	journey_end(&j);
	return us < 0 ? -1 : (double)us / 1000;
}

static void supervised(void)
{
	enum { DEVICES = 8 };
	double bare_wall = 0, wall_ms = 0, many_ms = 0, all_ms = 0, peer_ms = 0;
	double bare = extra(DEVICES, "instant", false, false, &many_ms), profiles = extra(DEVICES, "instant", true, false, &many_ms);
	double wallpaper = extra(DEVICES, "instant", false, true, &many_ms);
	say("profiles_10_cpu_ms_per_device", bare > 0 && profiles > 0 ? profiles - bare : -1, "ms for ten profiles without a tap");
	say("wallpaper_cpu_ms_per_device", bare > 0 && wallpaper > 0 ? wallpaper - bare : -1, "ms, drawing it included");
	if (extra(1, "real", false, false, &bare_wall) > 0 && extra(1, "real", true, false, &wall_ms) > 0)
		say("profiles_10_real_ms", wall_ms - bare_wall, "ms on one device (it takes 12,000 of them itself)");
	if (extra(1, "real", false, true, &wall_ms) > 0)
		say("wallpaper_real_ms", wall_ms - bare_wall, "ms on one device");
	if (extra(BENCHFUL, "real", true, true, &all_ms) > 0)
		say("profiles_10_and_wallpaper_64_real_ms", all_ms, "ms for 64 devices, from the plug");
	double peer = profiles_peer(&peer_ms);
	if (peer >= 0) {
		say("go_ios_profiles_10_cpu_ms", peer, "ms (a program for each; it has no wallpaper)");
		say("go_ios_profiles_10_real_ms", peer_ms, "ms");
	} else {
		printf("go-ios failed; its figures are left out\n");
	}
}

static void hostile_overhead(void)
{
	size_t rows = 0;
	double mib = 0;
	int wrong = 0;
	double alone = hostile_round_ms(false, &rows, &mib, &wrong), beside = hostile_round_ms(true, &rows, &mib, &wrong);
	say("hostile_good_ms_alone", alone, "ms for one of seven good devices, round after round");
	say("hostile_good_ms_beside", beside, "ms for the same while 14 hostile devices answer");
	say("hostile_overhead_percent", alone > 0 && beside > 0 ? (beside / alone - 1) * 100 : -1, "% slower (aim: 10)");
	say("hostile_replies", (double)rows, "hostile replies tried in that time");
	say("hostile_worker_peak_mib", mib, "MiB (aim: 256)");
	if (wrong)
		printf("(%d things went wrong on the way: see above)\n", wrong);
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

static const struct {
	const char *name;
	void (*run)(void);
} parts[] = {
	{ "lint", linted }, { "leaves", leaves }, { "ready", ready }, { "cpu", station_cpu }, { "peers", peers_cpu }, { "walls", walls }, { "apps", large_apps },
	{ "supervised", supervised }, { "hostile", hostile_overhead }, { "operator", at_the_bench }, { "many", many },
};

/* BENCH_ONLY names one part, while looking for what costs. */
static void measure(void **state)
{
	(void)state;
	const char *only = getenv("BENCH_ONLY");
	int64_t from = stg_boot_ms();
	for (size_t i = 0; i < STG_ARRAY_LEN(parts); i++)
		if (!only || strcmp(only, parts[i].name) == 0)
			parts[i].run();
	double ours = json_real_value(json_object_get(figures, "station_cpu_ms_per_device")), go = json_real_value(json_object_get(figures, "go_ios_cpu_ms_per_device"));
	if (ours > 0 && go > 0)
		say("go_ios_over_station", go / ours, "times (aim: 50)");
	say("bench_wall_s", (double)(stg_boot_ms() - from) / 1000, "s (all of the above)");
}

int main(int argc, char **argv)
{
	figures = json_object();
	snprintf(dir_of_peers, sizeof(dir_of_peers), "%s", argc > 2 ? argv[2] : "build/peers");
	const struct CMUnitTest tests[] = { cmocka_unit_test(measure) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	if (argc > 1)
		json_dump_file(figures, argv[1], JSON_INDENT(1) | JSON_PRESERVE_ORDER);
	json_decref(figures);
	return failed;
}
