/*
 * demo.c - the main job on a virtual bench, in a throw-away state directory.
 *
 * For:    whoever wants to see what stager does, `make demo`, tests.
 * Uses:   the same operations as every command, over the socket of a station of its own; stager-bench for the devices
 *         and the receiving server. Nothing here is a short cut: no branch of the product knows that it is a demo.
 * Called: main.c.
 * Thread: the command's.
 *
 * What a real day brings (without --clean): one device locked, one pulled and put back on another port, one supervised
 * by somebody else, one that is not in the order, boxes that need the line while it is closed, a receiver that is down.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/cmd.h>
#include <stager/file.h>
#include <stager/ids.h>
#include <stager/stop.h>
#include <stager/text.h>

#include "_board.h"
#include "_child.h"
#include "_words.h"

#define BATCH "DEMO"
#define BLUEPRINT "ipad-hospital-ward"
#define RECEIVER_DOWN "10000"
#define FREE_PORT "2-1.7.16"
#define QUIET_MS 1200

struct demo {
	struct stg_cmd_ctx *c;
	int devices;
	const char *seed, *pace;
	bool once, clean, fresh;
	int64_t started_ms, limit_ms;
	char dir[64], state[96], control[128];
	struct child bench, station;
	struct stg_caller caller;
	struct board *board;
	json_t *plugged;           /* the bench's list */
	bool line_opened, pulled, put_back, unlocked, receiver_down;
	int64_t quiet_since_ms, tapped_ms;
	char locked_udid[64];
	char story[4][64];         /* serials: locked, pulled, foreign, stranger */
};

enum { LOCKED, PULLED, SUPERVISED, STRANGER };

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

static json_t *word(struct demo *d, struct stg_error *err, const char *verb, const char *a, const char *b, const char *c)
{
	return bench_word(d->control, err, verb, a, b, c, (char *)NULL);
}

static bool tell_bench(struct demo *d, struct stg_error *err, const char *verb, const char *a, const char *b, const char *c)
{
	STG_AUTO(stg_json_free_at) json_t *answer = word(d, err, verb, a, b, c);
	return answer != NULL;
}

static bool op(struct demo *d, const char *name, json_t *in /* taken */, int fd, json_t **ret, struct stg_error *err)
{
	int fds[1] = { fd };
	bool ok = stg_call(&d->caller, name, in, fd >= 0 ? fds : NULL, fd >= 0 ? 1 : 0, ret, err);
	json_decref(in);
	return ok || stg_while(err, "%s", name);
}

/* ---- before the day ---- */

static bool make_secret(const char *path, char text[64], struct stg_error *err)
{
	uint8_t key[32];
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(128);
	stg_random(key, sizeof(key));
	if (!stg_buf_add_str(&b, "whsec_", err) || !stg_base64(stg_bytes(key, sizeof(key)), &b, err))
		return false;
	stg_copy(text, 64, stg_buf_str(&b));
	return stg_file_write(path, stg_buf_view(&b), 0600, err);
}

static bool start_bench(struct demo *d, struct stg_error *err)
{
	char program[4096], mux[128], control[128], sysfs[128], count[16], receiver[128], secret_file[128], log[128], env[160];
	snprintf(mux, sizeof(mux), "unix:%s/mux", d->dir);
	snprintf(control, sizeof(control), "unix:%s/ctl", d->dir);
	snprintf(d->control, sizeof(d->control), "%s", control);
	snprintf(sysfs, sizeof(sysfs), "%s/sys", d->dir);
	snprintf(count, sizeof(count), "%d", d->devices);
	snprintf(receiver, sizeof(receiver), "%s/mdm", d->dir);
	snprintf(secret_file, sizeof(secret_file), "%s/secret", d->dir);
	snprintf(log, sizeof(log), "%s/bench.log", d->dir);
	if (!bench_program(program, sizeof(program), err) || !stg_folder_make(receiver, 0700, err))
		return false;
	char *argv[32] = { program, "--ipads", count, "--usbmuxd", mux, "--control", control, "--sysfs", sysfs, "--seed",
			   (char *)(uintptr_t)d->seed, "--pace", (char *)(uintptr_t)d->pace, "--with-parent", "--receiver", "127.0.0.1:0",
			   "--receiver-dir", receiver, "--receiver-secret-file", secret_file, "--unplugged", count };
	int n = 0;
	while (argv[n])
		n++;
	if (!d->clean) {
		argv[n++] = "--androids";
		argv[n++] = "1";
	}
	if (d->fresh || !d->clean) {
		argv[n++] = "--line";
		argv[n++] = "closed";
	}
	if (!child_start(&d->bench, argv, log, 120000, err))
		return stg_while(err, "virtual bench");
	snprintf(env, sizeof(env), "UNIX:%s/mux", d->dir);
	setenv("USBMUXD_SOCKET_ADDRESS", env, 1);
	setenv("STAGER_SYSFS", sysfs, 1);
	setenv("STAGER_ACTIVATION_URL", stg_json_str(d->bench.ready, "activation"), 1);
	return true;
}

static bool start_station(struct demo *d, struct stg_error *err)
{
	char self[4096], log[128];
	snprintf(log, sizeof(log), "%s/station.log", d->dir);
	if (!own_program(self, sizeof(self), err))
		return false;
	char *argv[] = { self, "run", "--state", d->state, "--with-parent", NULL };
	if (!child_start(&d->station, argv, log, 120000, err))
		return stg_while(err, "station");
	return stg_caller_open(&d->caller, d->state, d->c->actor, err) &&
	       (d->caller.fd >= 0 || stg_fail_id(err, STG_E_STATION, STG_ID_NO_STATION, 0, "%s", d->state));
}

/* The order, as a spreadsheet would have it: everything on the bench but the stranger, and one that never comes. */
static bool write_order(struct demo *d, const char *path, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf csv = STG_BUF(4 << 20);
	size_t i;
	json_t *one;
	int n = 0;
	if (!stg_buf_add_str(&csv, "N° de série;Étiquette;Nom;Propriété;Service\r\n", err))
		return false;
	json_array_foreach(d->plugged, i, one) {
		const char *serial = stg_json_str(one, "serial");
		if (strcmp(stg_json_str(one, "kind"), "android") == 0 || strcmp(serial, d->story[STRANGER]) == 0)
			continue;
		n++;
		if (!stg_buf_printf(&csv, err, "%s;A-%04d;Ward-%02d;pool;%s\r\n", serial, 1000 + n, n, n % 2 ? "Cardiologie" : "Urgences"))
			return false;
	}
	return stg_file_write(path, stg_buf_view(&csv), 0600, err);
}

static bool set_the_scene(struct demo *d, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = word(d, err, "list", NULL, NULL, NULL);
	if (!list)
		return false;
	d->plugged = json_incref(json_object_get(list, "devices"));
	int fresh = 0;
	for (int i = 0; i < d->devices; i++) {
		const char *serial = stg_json_str(json_array_get(d->plugged, (size_t)i), "serial");
		bool box = d->fresh ? i % 2 == 1 : !d->clean && i >= 4 && i < 6;
		if (box && ++fresh && !tell_bench(d, err, "set", serial, "activated", "false"))
			return false;
		if (!d->clean && i < 4)
			stg_copy(d->story[i], sizeof(d->story[i]), serial);
		if (!d->clean && i == LOCKED)
			stg_copy(d->locked_udid, sizeof(d->locked_udid), stg_json_str(json_array_get(d->plugged, 0), "udid"));
	}
	if (d->clean)
		return true;
	return tell_bench(d, err, "set", d->story[LOCKED], "at_home_screen", "true") && tell_bench(d, err, "lock", d->story[LOCKED], NULL, NULL) &&
	       tell_bench(d, err, "set", d->story[SUPERVISED], "supervised_by_other", "true");
}

static bool prepare(struct demo *d, const char *secret, struct stg_error *err)
{
	char order[128];
	snprintf(order, sizeof(order), "%s/order.csv", d->dir);
	const char *url = stg_json_str(json_object_get(d->bench.ready, "receiver"), "url");
	if (!write_order(d, order, err))
		return false;
	STG_AUTO(stg_close_at) int fd = open(order, O_RDONLY | O_CLOEXEC);
	return op(d, "port.allow", json_pack("{s:s}", "port", "*"), -1, NULL, err) &&
	       op(d, "target.add", json_pack("{s:s, s:s, s:{s:s}, s:{s:s}}", "name", "head-office", "connector", "webhook", "config", "url", url,
					     "credentials", "secret", secret), -1, NULL, err) &&
	       op(d, "batch.import", json_pack("{s:s, s:s, s:s}", "name", BATCH, "file", order, "blueprint", BLUEPRINT), fd, NULL, err) &&
	       op(d, "batch.start", json_pack("{s:s}", "name", BATCH), -1, NULL, err) &&
	       (!d->fresh && d->clean ? true : op(d, "window.close", json_object(), -1, NULL, err));
}

/* ---- the day ---- */

static bool is(const json_t *slot, const struct demo *d, int who, const char *word_of)
{
	return d->story[who][0] && strcmp(stg_json_str(slot, "serial"), d->story[who]) == 0 && strcmp(stg_json_str(slot, "state"), word_of) == 0;
}

static void open_the_line(struct demo *d)
{
	d->line_opened = true;
	board_say(d->board, _("The line opens."));
	(void)tell_bench(d, NULL, "line", "open", NULL, NULL);
	(void)op(d, "window.open", json_object(), -1, NULL, NULL);
}

/* What hands do at a bench, when the board asks for them. */
static void hands(struct demo *d, const json_t *slot)
{
	const char *udid = stg_json_str(slot, "udid"), *ask = stg_json_str(slot, "ask");
	bool asked = strcmp(stg_json_str(slot, "state"), "person") == 0;
	if (asked && !d->unlocked && strcmp(udid, d->locked_udid) == 0) {
		d->unlocked = true;
		board_say(d->board, _("A hand unlocks the locked device and taps Trust."));
		(void)tell_bench(d, NULL, "unlock", udid, NULL, NULL);
	}
	if (asked && strcmp(ask, "trust") == 0)
		(void)tell_bench(d, NULL, "tap", "trust", udid, NULL);
	if (!d->pulled && is(slot, d, PULLED, "working") && strcmp(stg_json_str(slot, "step"), "install_profile") == 0) {
		d->pulled = true;
		board_say(d->board, _("Somebody pulls a device in the middle of its work."));
		(void)tell_bench(d, NULL, "unplug", d->story[PULLED], NULL, NULL);
	}
}

/* Nothing happens any more, and has not for a moment: between two steps of the station nobody may look busy. */
static bool quiet(struct demo *d)
{
	if (board_busy(d->board) || board_known(d->board) < d->devices) {
		d->quiet_since_ms = 0;
		return false;
	}
	if (!d->quiet_since_ms)
		d->quiet_since_ms = stg_boot_ms();
	return stg_boot_ms() - d->quiet_since_ms > QUIET_MS;
}

static bool each(void *ctx, const json_t *event)
{
	struct demo *d = ctx;
	if (event) {
		board_event(d->board, event);
		d->quiet_since_ms = 0;
	}
	const json_t *slot = json_object_get(event, "slot");
	if (slot)
		hands(d, slot);
	if (d->pulled && !d->put_back && !board_has(d->board, d->story[PULLED])) {
		d->put_back = true;
		board_say(d->board, _("... and puts it back on another port."));
		if (!tell_bench(d, NULL, "plug", d->story[PULLED], FREE_PORT, NULL))
			(void)tell_bench(d, NULL, "plug", d->story[PULLED], NULL, NULL);
	}
	board_draw(d->board);
	/* the dialog of an unlocked device comes a moment after the unlocking; a tap before it meets nothing */
	if (d->unlocked && !d->line_opened && board_busy(d->board) && stg_boot_ms() - d->tapped_ms > 500) {
		d->tapped_ms = stg_boot_ms();
		(void)tell_bench(d, NULL, "tap", "trust", d->locked_udid, NULL);
	}
	if (stg_boot_ms() - d->started_ms > d->limit_ms)
		return false;
	if (!quiet(d))
		return true;
	if (d->line_opened || (d->clean && !d->fresh))
		return false;
	open_the_line(d);
	d->quiet_since_ms = 0;
	return true;
}

/* Until the outbox is empty: events of the push, and a look at most five times a second. */
static bool drained(void *ctx, const json_t *event)
{
	struct demo *d = ctx;
	if (event)
		board_event(d->board, event);
	STG_AUTO(stg_json_free_at) json_t *sum = NULL;
	if (stg_boot_ms() - d->started_ms > d->limit_ms)
		return false;
	if (event && strcmp(stg_json_str(event, "what"), "push") != 0)
		return true;
	return !op(d, "outbox.summary", json_object(), -1, &sum, NULL) || stg_json_int(sum, "waiting", 0) > 0;
}

/* ---- the evening ---- */

static int64_t delivered_at_receiver(struct demo *d)
{
	STG_AUTO(stg_json_free_at) json_t *all = bench_word(d->control, NULL, "receiver", "records", (char *)NULL);
	STG_AUTO(stg_json_free_at) json_t *seen = json_object();
	const json_t *records = json_object_get(all, "records"), *record;
	/* a device that waited for the line told so first: what counts is that the last word of each has arrived */
	for (size_t i = 0; i < json_array_size(records); i++) {
		record = json_object_get(json_object_get(json_array_get(records, i), "body"), "data");
		if (stg_json_bool(record, "final", true))
			json_object_set_new(seen, stg_json_str(json_object_get(record, "device"), "serial"), json_true());
	}
	return (int64_t)json_object_size(seen);
}

static void balance_text(const json_t *balance)
{
	printf("\n%s\n", _("Balance"));
	static const char *const keys[] = { "expected", "staged", "waiting", "hold", "failed", "missing", "unexpected" };
	static const char *const words[] = { N_("expected"), N_("staged"), N_("waiting"), N_("on hold"), N_("failed"), N_("missing"),
					     N_("not in the order") };
	for (size_t i = 0; i < STG_ARRAY_LEN(keys); i++)
		printf("  %4lld  %s\n", (long long)stg_json_int(balance, keys[i], 0), _(words[i]));
}

static void not_green(const json_t *rows)
{
	size_t i;
	json_t *row;
	bool title = false;
	json_array_foreach(rows, i, row) {
		const char *end = stg_json_str(row, "end");
		bool stranger = stg_json_bool(row, "unexpected", false);
		if (strcmp(end, "staged") == 0)
			continue;
		if (!title)
			printf("\n%s\n", _("What is left for people"));
		title = true;
		unsigned int id = stranger ? STG_ID_NOT_IN_ORDER : (unsigned int)stg_json_int(row, "code", 0);
		printf("  %-14s %-8s %s %s\n", stg_json_str(row, "serial"), stg_json_str(row, "asset_tag"), id ? stg_id_sentence(id) :
		       stg_json_str(row, "reason"), stg_id_act(id));
	}
}

static int finish(struct demo *d, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *batch = NULL, *sum = NULL, *closed = NULL, *rows = NULL, *figures = NULL;
	if (!op(d, "batch.show", json_pack("{s:s}", "name", BATCH), -1, &batch, err) ||
	    !op(d, "outbox.summary", json_object(), -1, &sum, err) || !op(d, "station.show", json_object(), -1, &figures, err))
		return stg_cmd_tell(d->c, err);
	const json_t *balance = json_object_get(batch, "balance");
	rows = json_incref(json_object_get(batch, "rows"));
	int64_t staged = stg_json_int(balance, "staged", 0), failed = stg_json_int(balance, "failed", 0);
	int64_t left = stg_json_int(balance, "waiting", 0) + stg_json_int(balance, "hold", 0) + stg_json_int(balance, "missing", 0);
	int64_t duration = stg_boot_ms() - d->started_ms, delivered = delivered_at_receiver(d);
	if (d->c->json) {
		json_t *j = json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "v", 1, "devices", d->devices, "staged",
				      (json_int_t)staged, "failed", (json_int_t)failed, "waiting",
				      (json_int_t)stg_json_int(balance, "waiting", 0), "hold", (json_int_t)stg_json_int(balance, "hold", 0),
				      "missing", (json_int_t)stg_json_int(balance, "missing", 0), "unexpected",
				      (json_int_t)stg_json_int(balance, "unexpected", 0), "delivered", (json_int_t)delivered, "duration_ms",
				      (json_int_t)duration);
		char *text = json_dumps(j, JSON_PRESERVE_ORDER);
		puts(text);
		free(text);
		json_decref(j);
	} else {
		balance_text(balance);
		printf("  %4lld  %s\n", (long long)delivered, _("devices whose result the receiving server has"));
		not_green(rows);
	}
	if (!d->clean && !d->c->json) {
		char sheet[160];
		if (op(d, "batch.close", json_pack("{s:s, s:s, s:b}", "name", BATCH, "dir", d->dir, "open", 1), -1, &closed, NULL)) {
			snprintf(sheet, sizeof(sheet), "%s", stg_json_str(closed, "handover"));
			if (sheet[0])
				printf("\n%s %s\n", _("Hand-over sheet:"), sheet);
		}
	}
	if (!d->once && !d->c->json)
		printf("\n%s\n  stager --state %s inventory list\n  stager --state %s batch show %s\n  stager --state %s audit verify\n", _("Try:"),
		       d->state, d->state, BATCH, d->state);
	return failed ? 1 : left ? (d->clean ? 6 : 0) : 0;
}

static int day(struct demo *d, struct stg_stop *stop)
{
	struct stg_error err = { 0 };
	char secret[64], secret_file[128];
	snprintf(secret_file, sizeof(secret_file), "%s/secret", d->dir);
	if (!make_secret(secret_file, secret, &err) || !start_bench(d, &err) || !start_station(d, &err) || !set_the_scene(d, &err) ||
	    !prepare(d, secret, &err))
		return stg_cmd_tell(d->c, &err);
	d->started_ms = stg_boot_ms();
	d->board = board_new(d->c->json || d->c->quiet ? BOARD_SILENT : BOARD_AUTO, stderr);
	board_say(d->board, _("Hands plug in the devices."));
	if (!d->clean)
		(void)tell_bench(d, NULL, "receiver", "down", RECEIVER_DOWN, NULL);
	if (!tell_bench(d, &err, "plug", "all", NULL, NULL) || !stg_events(&d->caller, each, d, stop, &err))
		return stg_cmd_tell(d->c, &err);
	board_say(d->board, _("The results go to the receiving server."));
	if (!stg_events(&d->caller, drained, d, stop, &err))
		return stg_cmd_tell(d->c, &err);
	board_free(d->board);
	d->board = NULL;
	return finish(d, &err);
}

static int run(struct stg_cmd_ctx *c)
{
	enum { DEVICES = 256, SEED, PACE, ONCE, CLEAN, FRESH };
	static const struct option options[] = {
		{ "devices", required_argument, NULL, DEVICES }, { "seed", required_argument, NULL, SEED },
		{ "pace", required_argument, NULL, PACE }, { "once", no_argument, NULL, ONCE },
		{ "clean", no_argument, NULL, CLEAN }, { "fresh", no_argument, NULL, FRESH }, { 0 },
	};
	struct demo d = { .c = c, .devices = 12, .seed = "1", .pace = "fast", .limit_ms = 240000, .caller = { .fd = -1 } };
	struct stg_error err = { 0 };
	int opt, status = 0;
	char *end;
	optind = 1;
	while ((opt = word_option(c, options)) != -1) {
		switch (opt) {
		case DEVICES: d.devices = (int)strtol(optarg, &end, 10), d.devices = *end ? -1 : d.devices; break;
		case SEED: d.seed = optarg; break;
		case PACE: d.pace = optarg; break;
		case ONCE: d.once = true; break;
		case CLEAN: d.clean = true; break;
		case FRESH: d.fresh = true; break;
		default: return 2;
		}
	}
	if (!words_end(c))
		return 2;
	if (d.devices < (d.clean ? 1 : 6) || d.devices > 1000) {
		fprintf(stderr, _("stager demo: --devices takes a number from %d to 1000\n"), d.clean ? 1 : 6);
		return 2;
	}
	if (strcmp(d.pace, "real") != 0 && strcmp(d.pace, "fast") != 0 && strcmp(d.pace, "instant") != 0) {
		fprintf(stderr, _("stager demo: --pace is real, fast or instant\n"));
		return 2;
	}
	snprintf(d.dir, sizeof(d.dir), "/tmp/stager-demo-XXXXXX");
	if (!mkdtemp(d.dir)) {
		stg_fail_id(&err, STG_E_STATION, STG_ID_FILE_UNWRITABLE, errno, "%s", strerror(errno));
		return stg_cmd_tell(c, &err);
	}
	snprintf(d.state, sizeof(d.state), "%s/state", d.dir);
	status = day(&d, NULL);
	board_free(d.board);
	stg_caller_close(&d.caller);
	child_stop(&d.station, 30000);
	child_stop(&d.bench, 5000);
	json_decref(d.plugged);
	if (d.once && status == 0)
		(void)nftw(d.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	else if (status != 0 && !c->json)
		fprintf(stderr, "%s %s\n", _("What happened stands in"), d.dir);
	return status;
}

const struct stg_cmd stg_cmd_demo = {
	.name = "demo",
	.usage = N_("stager demo [--devices N] [--seed S] [--pace real|fast|instant] [--once] [--clean] [--fresh]\n"
		    "    --clean  healthy devices only\n"
		    "    --fresh  half of them are new boxes, and the line opens half-way\n"
		    "    --once   cleans up behind itself and suggests nothing more to try"),
	.about = N_("the main job on a virtual bench, in a throw-away state directory"),
	.run = run,
};
