/*
 * rehearse.c - tomorrow's batch on virtual devices: what would fail, how many touches, when it would end.
 *
 * For:    leads, the evening before.
 * Uses:   a station of its own in a temporary rehearsal state, over the same operations as every command; stager-bench for
 *         the devices. From the real state come the blueprint, its parents and profiles, and names; no key, no secret.
 * Called: main.c.
 * Thread: the command's.
 *
 * The bench tells of each device how long its delays were and how long they are at pace real; all else (our own work) takes
 * what it takes. So took + (real delays - delays here) is what the device takes tomorrow, whatever the pace of the rehearsal.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <stager/batchfile.h>
#include <stager/clock.h>
#include <stager/file.h>
#include <stager/text.h>

#include "_child.h"
#include "_foretold.h"
#include "_io.h"
#include "_rehearsal.h"
#include "_table.h"
#include "_words.h"

#define BATCH "REHEARSAL"
#define AT_ONCE 4                /* at a twentieth of the time more would wait for this machine, and that is no part of tomorrow */
#define PORTS 16
#define SETTLED_MS 400           /* an end that is followed by something else was none */
#define CANARY_MS 3000           /* so long nobody has gone on: nobody will */
#define DEVICE_MS 900000         /* no device takes longer here, at any pace */
#define HAND_MS 10000
#define ASKS_MAX 6
#define WARM_MS 60000            /* keys are made in advance, as they are on a station that ran all night */

enum phase { IN_CARTON, PLUGGED, AWAY };

struct device {
	char serial[64], udid[64];
	enum phase phase;
	int64_t plugged_ms, ended_ms, took_ms;
	int64_t canary_ms;       /* since when it waits for the first of its kind; 0: it does not */
	int touches, asks;
	bool waits_for_line, second_round, gave_up;
};

struct rehearsal {
	struct stg_cmd_ctx *c;
	const char *blueprint, *pace, *keep;
	json_t *params;
	bool windows, day;
	int64_t hand_ms;
	size_t ports;
	char dir[128], state[160], control[192], from[512];
	json_t *rows, *skipped, *pack;
	struct device *devices;
	size_t n;
	struct child bench, station;
	struct stg_caller caller;
	int64_t started_ms, told_ms;
	int64_t last_ms;         /* when the last device came to its end, so far */
	bool line_open, is_warm;
};

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

static bool op(struct rehearsal *r, const char *name, json_t *in /* taken */, int fd, json_t **ret, struct stg_error *err)
{
	int fds[1] = { fd };
	bool ok = stg_call(&r->caller, name, in, fd >= 0 ? fds : NULL, fd >= 0 ? 1 : 0, ret, err);
	json_decref(in);
	return ok || stg_while(err, "%s", name);
}

static bool tell_bench(struct rehearsal *r, const char *verb, const char *a, const char *b, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *answer = bench_word(r->control, err, verb, a, b, (char *)NULL);
	return answer != NULL;
}

/* ---- before ---- */

static bool read_list(struct rehearsal *r, const char *path, struct stg_error *err)
{
	STG_AUTO(stg_close_at) int fd = input_open(path, err);
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(STG_BATCHFILE_MAX);
	const char *slash = strrchr(path, '/');
	if (fd < 0 || !stg_file_read_fd(fd, &file, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *list = stg_batchfile_read(slash ? slash + 1 : path, stg_buf_view(&file), NULL, err);
	if (!list || !stg_batchfile_ok(list, err))
		return false;
	r->rows = json_incref(json_object_get(list, "rows"));
	r->skipped = rehearsal_skip(r->rows);
	r->n = json_array_size(r->rows);
	return r->n > 0 || stg_fail_id(err, STG_E_INPUT, STG_ID_NOTHING_TO_REHEARSE, 0, "%s", path);
}

static bool write_files(struct rehearsal *r, struct stg_error *err)
{
	const char *name;
	json_t *base;
	char path[400];
	snprintf(path, sizeof(path), "%s/blueprints", r->state);
	if (!stg_folder_make(path, 0700, err))
		return false;
	snprintf(path, sizeof(path), "%s/profiles", r->state);
	if (!stg_folder_make(path, 0700, err))
		return false;
	json_object_foreach(json_object_get(r->pack, "files"), name, base) {
		STG_AUTO(stg_buf_clear) struct stg_buf bytes = STG_BUF(4u << 20);
		snprintf(path, sizeof(path), "%s/%.150s", r->state, name);
		if (!stg_unbase64(json_string_value(base), &bytes, err) || !stg_file_write(path, stg_buf_view(&bytes), 0600, err))
			return false;
	}
	return true;
}

/* Under another name where that is possible, else copied: what happens to the rehearsal's state never reaches the station's own file. */
static bool take_file(const char *from, const char *to, struct stg_error *err)
{
	if (link(from, to) == 0)
		return true;
	STG_AUTO(stg_close_at) int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	STG_AUTO(stg_close_at) int out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ssize_t n = -1;
	while (out >= 0 && (n = sendfile(out, in, NULL, 1u << 30)) > 0)
		;
	return (out >= 0 && n == 0) || stg_fail_id(err, STG_E_INPUT, in < 0 ? STG_ID_FILE_UNREADABLE : STG_ID_FILE_UNWRITABLE, errno, "%.200s: %s", in < 0 ? from : to,
						   strerror(errno));
}

/* The apps and documents its blueprint installs; their transfer is part of tomorrow. */
static bool take_apps(struct rehearsal *r, struct stg_error *err)
{
	static const char *const endings[] = { "file", "json" };
	char from[700], to[400];
	size_t i;
	json_t *one;
	snprintf(to, sizeof(to), "%s/apps", r->state);
	if (!stg_folder_make(to, 0700, err))
		return false;
	json_array_foreach(json_object_get(r->pack, "apps"), i, one)
		for (size_t k = 0; k < STG_ARRAY_LEN(endings); k++) {
			const char *sha256 = stg_json_str(one, "sha256");
			snprintf(from, sizeof(from), "%.500s/apps/%.64s.%s", r->from, sha256, endings[k]);
			snprintf(to, sizeof(to), "%s/apps/%.64s.%s", r->state, sha256, endings[k]);
			if (access(to, F_OK) != 0 && !take_file(from, to, err))
				return false;
		}
	return true;
}

static int64_t app_bytes(const struct rehearsal *r)
{
	int64_t sum = 0;
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(r->pack, "apps"), i, one)
		sum += stg_json_int(one, "size", 0);
	return sum;
}

static bool start_bench(struct rehearsal *r, struct stg_error *err)
{
	char program[4096], mux[192], sysfs[160], scenario[160], log[160], env[192], slots[24];
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(64u << 20);
	bool fresh = stg_json_bool(r->pack, "activates", false) && !stg_json_bool(r->pack, "erases", false);
	snprintf(mux, sizeof(mux), "unix:%s/mux", r->dir);
	snprintf(r->control, sizeof(r->control), "unix:%s/ctl", r->dir);
	snprintf(sysfs, sizeof(sysfs), "%s/sys", r->dir);
	snprintf(scenario, sizeof(scenario), "%s/devices.json", r->dir);
	snprintf(log, sizeof(log), "%s/bench.log", r->dir);
	snprintf(slots, sizeof(slots), "%zu", r->ports > AT_ONCE ? r->ports : (size_t)AT_ONCE);
	if (!bench_program(program, sizeof(program), err) || !rehearsal_scenario(r->rows, stg_json_str(r->pack, "device_class"), fresh, r->day, &text, err) ||
	    !stg_file_write(scenario, stg_buf_view(&text), 0600, err))
		return false;
	char *argv[] = { program, (char *)(uintptr_t)"--scenario", scenario, (char *)(uintptr_t)"--usbmuxd", mux, (char *)(uintptr_t)"--control", r->control,
			 (char *)(uintptr_t)"--sysfs", sysfs, (char *)(uintptr_t)"--pace", (char *)(uintptr_t)r->pace, (char *)(uintptr_t)"--slots", slots,
			 (char *)(uintptr_t)"--with-parent", (char *)(uintptr_t)"--line", (char *)(uintptr_t)(r->windows ? "closed" : "open"), NULL };
	if (!child_start(&r->bench, argv, log, 120000, err))
		return stg_while(err, "virtual bench");
	snprintf(env, sizeof(env), "UNIX:%s/mux", r->dir);
	setenv("USBMUXD_SOCKET_ADDRESS", env, 1);
	setenv("STAGER_SYSFS", sysfs, 1);
	setenv("STAGER_ACTIVATION_URL", stg_json_str(r->bench.ready, "activation"), 1);
	return true;
}

static bool start_station(struct rehearsal *r, struct stg_error *err)
{
	char self[4096], log[160];
	snprintf(log, sizeof(log), "%s/station.log", r->dir);
	if (!own_program(self, sizeof(self), err))
		return false;
	/* as full as a night leaves them for the devices that are in at once, and for those after them */
	size_t most = strcmp(r->pace, "real") == 0 ? r->ports : AT_ONCE, first = r->n < most ? r->n : most;
	char pool[32];
	snprintf(pool, sizeof(pool), "%zu,%zu", first + 4, 2 * first + 4);
	setenv("STAGER_POOL", pool, 0);
	char *argv[] = { self, (char *)(uintptr_t)"run", (char *)(uintptr_t)"--state", r->state, (char *)(uintptr_t)"--with-parent", NULL };
	return child_start(&r->station, argv, log, 120000, err) && stg_caller_open(&r->caller, r->state, r->c->actor, err) &&
	       (r->caller.fd >= 0 || stg_fail_id(err, STG_E_STATION, STG_ID_NO_STATION, 0, "%s", r->state));
}

static bool know_devices(struct rehearsal *r, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = bench_word(r->control, err, "list", (char *)NULL);
	size_t i;
	json_t *one;
	if (!list)
		return false;
	r->devices = stg_calloc(r->n, sizeof(*r->devices));
	json_array_foreach(json_object_get(list, "devices"), i, one) {
		if (i >= r->n)
			break;
		stg_copy(r->devices[i].serial, sizeof(r->devices[i].serial), stg_json_str(one, "serial"));
		stg_copy(r->devices[i].udid, sizeof(r->devices[i].udid), stg_json_str(one, "udid"));
	}
	return true;
}

/* What the real station has, by name; the values are of no use to anybody. */
static bool set_up(struct rehearsal *r, struct stg_error *err)
{
	size_t i;
	json_t *name;
	const char *org = stg_json_str(r->pack, "organisation");
	json_array_foreach(json_object_get(r->pack, "secrets"), i, name)
		if (!op(r, "secret.set", json_pack("{s:O, s:s}", "name", name, "value", "rehearsal-0000"), -1, NULL, err))
			return false;
	return (!*org || op(r, "org.create", json_pack("{s:s}", "name", org), -1, NULL, err)) && op(r, "port.allow", json_pack("{s:s}", "port", "*"), -1, NULL, err) &&
	       (!r->windows || op(r, "window.close", json_object(), -1, NULL, err));
}

static bool start_batch(struct rehearsal *r, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf csv = STG_BUF(STG_BATCHFILE_MAX);
	char path[160];
	snprintf(path, sizeof(path), "%s/order.csv", r->dir);
	if (!rehearsal_csv(r->rows, &csv, err) || !stg_file_write(path, stg_buf_view(&csv), 0600, err))
		return false;
	STG_AUTO(stg_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC);
	json_t *in = json_pack("{s:s, s:s, s:s}", "name", BATCH, "file", path, "blueprint", stg_json_str(r->pack, "name"));
	json_t *start = json_pack("{s:s}", "name", BATCH);
	if (r->params) {
		json_object_set(in, "params", r->params);
		json_object_set(start, "params", r->params);
	}
	if (!op(r, "batch.import", in, fd, NULL, err)) {
		json_decref(start);
		return false;
	}
	/* in a state of its own nobody is registered: the typed count is the gate's whole question */
	return op(r, "batch.start", start, -1, NULL, err) &&
	       (!stg_json_bool(r->pack, "erases", false) ||
		op(r, "wipe.order", json_pack("{s:s, s:I}", "batch", BATCH, "count", (json_int_t)r->n), -1, NULL, err));
}

/* ---- hands ---- */

static struct device *device_of(struct rehearsal *r, const json_t *slot)
{
	const char *udid = stg_json_str(slot, "udid"), *serial = stg_json_str(slot, "serial");
	for (size_t i = 0; i < r->n; i++)
		if ((*udid && strcmp(r->devices[i].udid, udid) == 0) || (*serial && strcmp(r->devices[i].serial, serial) == 0))
			return &r->devices[i];
	return NULL;
}

static bool is_end(const char *word)
{
	static const char *const ends[] = { "staged", "waiting", "hold", "failed", "unexpected", "left alone" };
	for (size_t i = 0; i < STG_ARRAY_LEN(ends); i++)
		if (strcmp(ends[i], word) == 0)
			return true;
	return false;
}

static void touch(struct rehearsal *r, struct device *d, const char *ask)
{
	if (d->asks++ >= ASKS_MAX) {
		d->gave_up = true;
		d->ended_ms = stg_boot_ms();
		return;
	}
	d->touches++;
	(void)tell_bench(r, "unlock", d->udid, NULL, NULL);
	if (strcmp(ask, "settings_profile") == 0)
		(void)tell_bench(r, "accept", d->udid, NULL, NULL);
	else
		(void)tell_bench(r, "tap", "trust", d->udid, NULL);
}

static void slot_changed(struct rehearsal *r, const json_t *slot)
{
	struct device *d = device_of(r, slot);
	const char *word = stg_json_str(slot, "state");
	if (!d || d->phase != PLUGGED)
		return;
	bool waits = strcmp(word, "waiting") == 0 && strcmp(stg_json_str(slot, "wait"), "canary") == 0;
	d->canary_ms = !waits ? 0 : d->canary_ms ? d->canary_ms : stg_boot_ms();
	/* who waits for a canary stays plugged in: it goes on by itself */
	if (waits)
		d->ended_ms = 0;
	else if (strcmp(word, "person") == 0) {
		d->ended_ms = 0;
		touch(r, d, stg_json_str(slot, "ask"));
	} else if (is_end(word)) {
		if (!d->ended_ms)
			d->ended_ms = stg_boot_ms();
		d->waits_for_line = strcmp(word, "waiting") == 0 && strcmp(stg_json_str(slot, "wait"), "line") == 0;
	} else {
		d->ended_ms = 0;
	}
}

static bool plug(struct rehearsal *r, struct device *d)
{
	if (!tell_bench(r, "plug", d->udid, NULL, NULL))
		return false;
	d->phase = PLUGGED;
	d->touches++;
	d->plugged_ms = stg_boot_ms();
	d->ended_ms = 0;
	return true;
}

static void take_out(struct rehearsal *r, struct device *d, int64_t end_ms)
{
	d->took_ms += end_ms - d->plugged_ms;
	d->phase = AWAY;
	r->last_ms = end_ms > r->last_ms ? end_ms : r->last_ms;
	(void)tell_bench(r, "unplug", d->udid, NULL, NULL);
}

/* Nobody goes on any more whom the others could wait for: their waiting is an end. */
static void end_canary_waits(struct rehearsal *r, int64_t now, size_t limit)
{
	size_t busy = 0;
	for (size_t i = 0; i < r->n; i++)
		busy += r->devices[i].phase == PLUGGED;
	for (size_t i = 0; i < r->n; i++) {
		const struct device *d = &r->devices[i];
		if ((d->phase == IN_CARTON && busy < limit) || (d->phase == PLUGGED && (d->ended_ms || !d->canary_ms || now - d->canary_ms < CANARY_MS)))
			return;
	}
	for (size_t i = 0; i < r->n; i++)
		if (r->devices[i].phase == PLUGGED)
			r->devices[i].ended_ms = r->devices[i].canary_ms;
}

/* Takes out what has come to its end, puts the next one in. False: nothing is left to do. */
static bool hands(struct rehearsal *r)
{
	int64_t now = stg_boot_ms();
	size_t busy = 0, left = 0, limit = r->ports < AT_ONCE || strcmp(r->pace, "real") == 0 ? r->ports : AT_ONCE;
	end_canary_waits(r, now, limit);
	for (size_t i = 0; i < r->n; i++) {
		struct device *d = &r->devices[i];
		if (d->phase == PLUGGED && ((d->ended_ms && now - d->ended_ms >= SETTLED_MS) || now - d->plugged_ms > DEVICE_MS))
			take_out(r, d, d->ended_ms ? d->ended_ms : now);
		busy += d->phase == PLUGGED;
	}
	for (size_t i = 0; i < r->n; i++) {
		if (r->devices[i].phase == IN_CARTON && busy < limit && plug(r, &r->devices[i]))
			busy++;
		left += r->devices[i].phase == IN_CARTON;
	}
	return busy + left > 0;
}

/* With the line in windows all are plugged in once more when it opens: the second touch. */
static bool second_round(struct rehearsal *r)
{
	bool any = false;
	if (!r->windows || r->line_open)
		return false;
	r->line_open = true;
	(void)tell_bench(r, "line", "open", NULL, NULL);
	(void)op(r, "window.open", json_object(), -1, NULL, NULL);
	for (size_t i = 0; i < r->n; i++) {
		if (!r->devices[i].waits_for_line)
			continue;
		r->devices[i].phase = IN_CARTON;
		r->devices[i].waits_for_line = false;
		r->devices[i].second_round = any = true;
	}
	return any;
}

static void tell_progress(struct rehearsal *r)
{
	size_t done = 0;
	if (r->c->json || r->c->quiet || !isatty(STDERR_FILENO) || stg_boot_ms() - r->told_ms < 1000)
		return;
	r->told_ms = stg_boot_ms();
	for (size_t i = 0; i < r->n; i++)
		done += r->devices[i].phase == AWAY;
	fprintf(stderr, _("%zu of %zu devices rehearsed"), done, r->n);
	fputc('\r', stderr);
}

/* Before the first device comes. */
static bool warm(struct rehearsal *r)
{
	STG_AUTO(stg_json_free_at) json_t *figures = NULL;
	if (r->is_warm)
		return true;
	r->is_warm = stg_boot_ms() - r->started_ms > WARM_MS || !op(r, "station.show", json_object(), -1, &figures, NULL) ||
		     stg_json_bool(figures, "pool_ready", true);
	if (r->is_warm)
		r->started_ms = stg_boot_ms();
	return r->is_warm;
}

static bool each(void *ctx, const json_t *event)
{
	struct rehearsal *r = ctx;
	const json_t *slots = json_object_get(event, "slots"), *slot = json_object_get(event, "slot");
	size_t i;
	json_t *one;
	if (!warm(r))
		return true;
	if (slot)
		slot_changed(r, slot);
	json_array_foreach((json_t *)(uintptr_t)slots, i, one)
		slot_changed(r, one);
	tell_progress(r);
	return hands(r) || (second_round(r) && hands(r));
}

/* ---- after ---- */

static bool real_times(struct rehearsal *r, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = bench_word(r->control, err, "list", (char *)NULL);
	size_t i;
	json_t *one;
	if (!list)
		return false;
	json_array_foreach(json_object_get(list, "devices"), i, one)
		if (i < r->n)
			r->devices[i].took_ms += stg_json_int(one, "waited_real_ms", 0) - stg_json_int(one, "waited_ms", 0);
	return true;
}

static int finish(struct rehearsal *r, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *batch = NULL;
	if (!real_times(r, err) || !op(r, "batch.show", json_pack("{s:s}", "name", BATCH), -1, &batch, err))
		return stg_cmd_tell(r->c, err);
	STG_AUTO(stg_free_at) struct foretold_device *devices = stg_calloc(r->n, sizeof(*devices));
	for (size_t i = 0; i < r->n; i++)
		devices[i] = (struct foretold_device){ r->devices[i].serial, { .took_ms = r->devices[i].took_ms, .touches = r->devices[i].touches } };
	STG_AUTO(stg_json_free_at) json_t *o = foretold_report(&(struct foretold){
		.pack = r->pack, .skipped = r->skipped, .batch = batch, .devices = devices, .n = r->n, .ports = r->ports, .hand_ms = r->hand_ms,
		.app_bytes = app_bytes(r), .took_ms = r->last_ms - r->started_ms });
	if (r->keep)
		stg_json_put(o, "state", r->state);
	const json_t *balance = json_object_get(batch, "balance");
	if (r->c->json)
		json_line(o);
	else
		foretold_say(o);
	if (stg_json_int(balance, "failed", 0))
		return 1;
	return stg_json_int(balance, "staged", 0) == stg_json_int(balance, "expected", 0) && !json_array_size(json_object_get(r->pack, "problems")) ? 0 : 6;
}

static int rehearse(struct rehearsal *r)
{
	struct stg_error err = { 0 };
	if (!stg_folder_make(r->state, 0700, &err) || !write_files(r, &err) || !take_apps(r, &err) || !start_bench(r, &err) || !start_station(r, &err) || !know_devices(r, &err) ||
	    !set_up(r, &err) || !start_batch(r, &err))
		return stg_cmd_tell(r->c, &err);
	r->started_ms = stg_boot_ms();
	if (!stg_events(&r->caller, each, r, NULL, &err))
		return stg_cmd_tell(r->c, &err);
	return finish(r, &err);
}

/* What comes from the real station, before this process sees a virtual bench. */
static int take_along(struct rehearsal *r)
{
	STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:s}", "blueprint", r->blueprint);
	int status = 0;
	if (r->params)
		json_object_set(in, "params", r->params);
	if (!stg_cmd_call(r->c, "rehearse.pack", in, NULL, 0, &r->pack, &status))
		return status;
	stg_copy(r->from, sizeof(r->from), r->c->caller->state_dir);
	stg_caller_close(r->c->caller);
	if (!r->ports)
		r->ports = (size_t)stg_json_int(r->pack, "ports", 0);
	if (!r->ports)
		r->ports = PORTS;
	return 0;
}

static int in_a_folder(struct rehearsal *r)
{
	struct stg_error err = { 0 };
	stg_copy(r->dir, sizeof(r->dir), r->keep ? r->keep : "/tmp/stager-rehearsal-XXXXXX");
	if (r->keep ? mkdir(r->dir, 0700) != 0 : !mkdtemp(r->dir)) {
		stg_fail_id(&err, STG_E_INPUT, STG_ID_FILE_UNWRITABLE, errno, "%.100s: %s", r->dir, strerror(errno));
		return stg_cmd_tell(r->c, &err);
	}
	snprintf(r->state, sizeof(r->state), "%s/state", r->dir);
	int status = rehearse(r);
	stg_caller_close(&r->caller);
	child_stop(&r->station, 30000);
	child_stop(&r->bench, 5000);
	free(r->devices);
	if (!r->keep)
		(void)nftw(r->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return status;
}

static bool pair(json_t **params, const char *text)
{
	const char *equals = strchr(text, '=');
	char key[64];
	if (!equals || equals == text || equals - text >= (int)sizeof(key))
		return false;
	snprintf(key, sizeof(key), "%.*s", (int)(equals - text), text);
	if (!*params)
		*params = json_object();
	stg_json_put_new(*params, key, json_string(equals + 1));
	return true;
}

static bool number(const char *text, long least, long most, long *ret)
{
	char *end;
	*ret = strtol(text, &end, 10);
	return *text && !*end && *ret >= least && *ret <= most;
}

static int options(struct rehearsal *r, const char **list)
{
	enum { BLUEPRINT = 256, PARAMS, PORTS_OPT, HAND, PACE, LINE, FAULTS, KEEP };
	static const struct option known[] = {
		{ "blueprint", required_argument, NULL, BLUEPRINT }, { "params", required_argument, NULL, PARAMS }, { "ports", required_argument, NULL, PORTS_OPT },
		{ "hand", required_argument, NULL, HAND }, { "pace", required_argument, NULL, PACE }, { "line", required_argument, NULL, LINE },
		{ "faults", required_argument, NULL, FAULTS }, { "keep", required_argument, NULL, KEEP }, { 0 },
	};
	int opt;
	long n = 0;
	bool ok = true;
	optind = 1;
	while ((opt = word_option(r->c, known)) != -1) {
		switch (opt) {
		case BLUEPRINT: r->blueprint = optarg; break;
		case PARAMS: ok = ok && pair(&r->params, optarg); break;
		case PORTS_OPT: ok = ok && number(optarg, 1, 1000, &n), r->ports = (size_t)n; break;
		case HAND: ok = ok && number(optarg, 0, 600, &n), r->hand_ms = n * 1000; break;
		case PACE: r->pace = optarg, ok = ok && (strcmp(optarg, "real") == 0 || strcmp(optarg, "fast") == 0); break;
		case LINE: r->windows = strcmp(optarg, "windows") == 0, ok = ok && (r->windows || strcmp(optarg, "always") == 0); break;
		case FAULTS: r->day = strcmp(optarg, "day") == 0, ok = ok && (r->day || strcmp(optarg, "none") == 0); break;
		case KEEP: r->keep = optarg; break;
		default: return 2;
		}
	}
	*list = optind < r->c->argc ? r->c->argv[optind++] : NULL;
	if (!words_end(r->c))
		return 2;
	if (ok && *list && r->blueprint && (!r->keep || strlen(r->keep) < 70))
		return 0;
	fprintf(stderr, "%s\n%s\n", _("stager rehearse: it takes a list and --blueprint NAME."), _("See: stager rehearse --help"));
	return 2;
}

static int run(struct stg_cmd_ctx *c)
{
	struct rehearsal r = { .c = c, .pace = "fast", .hand_ms = HAND_MS, .caller = { .fd = -1 }, .bench = { .out = -1 }, .station = { .out = -1 } };
	struct stg_error err = { 0 };
	const char *list = NULL;
	int status = options(&r, &list);
	if (!status && !read_list(&r, list, &err))
		status = stg_cmd_tell(c, &err);
	if (!status)
		status = take_along(&r);
	if (!status)
		status = in_a_folder(&r);
	json_decref(r.params);
	json_decref(r.rows);
	json_decref(r.skipped);
	json_decref(r.pack);
	return status;
}

const struct stg_cmd stg_cmd_rehearse = {
	.name = "rehearse",
	.usage = N_("stager rehearse LIST.csv --blueprint NAME [--params KEY=VALUE] [--line always|windows] [--faults none|day] [--ports N]\n"
		    "                [--hand SECONDS] [--pace fast|real] [--keep DIR]\n"
		    "    what would fail, touches per device, and when it would end; the devices are virtual, the blueprint and profiles are yours\n"
		    "    --line windows  the line opens when all have been plugged in once: two touches\n"
		    "    --faults day    some are locked, nearly empty or supervised by somebody else\n"
		    "    --ports N       sockets of the bench (else those that are allowed by name, else 16); --hand: seconds a touch takes (10)\n"
		    "    --keep DIR      leaves the state of the rehearsal there; its records are marked and go to no real MDM\n"
		    "    exit status 0: all would be staged; 1: some would fail; 6: some would wait or be put aside"),
	.about = N_("tomorrow's batch on virtual devices: what would fail, when it would end"),
	.run = run,
};
