/*
 * journey.h - a whole bench for a test: virtual devices, receiving server, a real station, a started batch.
 *
 * Everything runs in processes of its own, as on a bench; the test speaks to the station over its socket and to the
 * devices over the bench's control socket. Include it in one file of a test program.
 */
#ifndef TESTS_JOURNEY_H
#define TESTS_JOURNEY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/file.h>
#include <stager/op.h>

#include "../../stager/cmd/_child.h"

#define BATCH "NORTH-12"

struct journey {
	char dir[64], state[96], control[128], program[4096];
	struct child bench, station;
	struct stg_caller caller;
	json_t *devices;              /* the bench's list */
	int n;
	uint64_t random;
};

static inline uint64_t journey_random(struct journey *j)
{
	j->random ^= j->random << 13;
	j->random ^= j->random >> 7;
	j->random ^= j->random << 17;
	return j->random;
}

static inline void journey_must(bool ok, const struct stg_error *err, const char *what)
{
	if (!ok)
		fail_msg("%s: %s (%s %u)", what, err->msg, stg_code_name(err->code), (unsigned int)err->id);
}

static inline json_t *journey_word(struct journey *j, const char *verb, const char *a, const char *b, const char *c)
{
	struct stg_error err = { 0 };
	json_t *answer = bench_word(j->control, &err, verb, a, b, c, (char *)NULL);
	journey_must(answer != NULL, &err, verb);
	return answer;
}

static inline void journey_tell(struct journey *j, const char *verb, const char *a, const char *b, const char *c)
{
	json_decref(journey_word(j, verb, a, b, c));
}

static inline json_t *journey_op(struct journey *j, const char *name, json_t *in /* taken */, const char *file)
{
	struct stg_error err = { 0 };
	json_t *ret = NULL;
	int fd = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
	bool ok = stg_call(&j->caller, name, in, file ? &fd : NULL, file ? 1 : 0, &ret, &err);
	json_decref(in);
	if (fd >= 0)
		close(fd);
	journey_must(ok, &err, name);
	return ret;
}

static inline void journey_station(struct journey *j)
{
	struct stg_error err = { 0 };
	char log[160];
	snprintf(log, sizeof(log), "%s/station.log", j->dir);
	char *argv[] = { j->program, "run", "--state", j->state, "--with-parent", NULL };
	journey_must(child_start(&j->station, argv, log, 120000, &err), &err, "start the station");
	journey_must(stg_caller_open(&j->caller, j->state, "tester", &err) && j->caller.fd >= 0, &err, "reach the station");
}

/* What is left of the station after it was killed. */
static inline void journey_station_gone(struct journey *j)
{
	stg_caller_close(&j->caller);
	child_stop(&j->station, 0);
}

/* `options`: further words for stager-bench, NULL-ended; the devices are known and not yet plugged in. */
static inline void journey_begin(struct journey *j, int devices, const char *pace, uint64_t seed, const char *const *options)
{
	struct stg_error err = { 0 };
	char count[16], mux[128], sysfs[128], mdm[128], keys[4200], program[4096], seed_text[32], log[128], env[160], control[140];
	const char *given = getenv("STAGER_BENCH"), *stager = getenv("STAGER"), *b = getenv("B");
	memset(j, 0, sizeof(*j));
	j->n = devices;
	j->caller.fd = -1;
	j->random = seed * 2654435761u + 88172645463325252ull;
	snprintf(j->dir, sizeof(j->dir), "/tmp/stgj-XXXXXX");
	assert_non_null(mkdtemp(j->dir));
	snprintf(j->state, sizeof(j->state), "%s/state", j->dir);
	snprintf(program, sizeof(program), "%s", given ? given : "build/stager-bench");
	snprintf(j->program, sizeof(j->program), "%s", stager ? stager : "build/stager");
	snprintf(count, sizeof(count), "%d", devices);
	snprintf(mux, sizeof(mux), "unix:%s/mux", j->dir);
	snprintf(control, sizeof(control), "unix:%s/ctl", j->dir);
	snprintf(j->control, sizeof(j->control), "%s/ctl", j->dir);
	snprintf(sysfs, sizeof(sysfs), "%s/sys", j->dir);
	snprintf(mdm, sizeof(mdm), "%s/mdm", j->dir);
	snprintf(log, sizeof(log), "%s/bench.log", j->dir);
	snprintf(keys, sizeof(keys), "%s/bench-keys", b ? b : "build");
	snprintf(seed_text, sizeof(seed_text), "%llu", (unsigned long long)seed);
	journey_must(stg_folder_make(mdm, 0700, &err), &err, "folder");
	char *argv[48] = { program, "--ipads", count, "--usbmuxd", mux, "--control", control, "--sysfs", sysfs, "--seed", seed_text, "--pace",
			   (char *)(uintptr_t)pace, "--keys", keys, "--unplugged", count, "--receiver", "127.0.0.1:0", "--receiver-dir", mdm,
			   "--with-parent" };
	int n = 0;
	while (argv[n])
		n++;
	for (size_t i = 0; options && options[i]; i++)
		argv[n++] = (char *)(uintptr_t)options[i];
	journey_must(child_start(&j->bench, argv, log, 180000, &err), &err, "start the bench");
	snprintf(env, sizeof(env), "UNIX:%s/mux", j->dir);
	setenv("USBMUXD_SOCKET_ADDRESS", env, 1);
	setenv("STAGER_SYSFS", sysfs, 1);
	setenv("STAGER_ACTIVATION_URL", stg_json_str(j->bench.ready, "activation"), 1);
	journey_station(j);
	json_t *list = journey_word(j, "list", NULL, NULL, NULL);
	j->devices = json_incref(json_object_get(list, "devices"));
	json_decref(list);
}

static inline int journey_remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

static inline void journey_end(struct journey *j)
{
	stg_caller_close(&j->caller);
	child_stop(&j->station, 30000);
	child_stop(&j->bench, 30000);
	json_decref(j->devices);
	if (!getenv("STG_KEEP"))
		(void)nftw(j->dir, journey_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline const char *journey_serial(const struct journey *j, size_t i)
{
	return stg_json_str(json_array_get(j->devices, i), "serial");
}

/* A batch of all devices, pool equipment, results to the receiving server; every port may be used. */
static inline void journey_batch(struct journey *j, const char *blueprint, const char *ownership)
{
	struct stg_error err = { 0 };
	char path[128];
	STG_AUTO(stg_buf_clear) struct stg_buf csv = STG_BUF(4 << 20);
	snprintf(path, sizeof(path), "%s/order.csv", j->dir);
	bool ok = stg_buf_add_str(&csv, "Serial Number,Asset Tag,Name,Ownership\n", &err);
	for (size_t i = 0; ok && i < json_array_size(j->devices); i++)
		if (*journey_serial(j, i) && strcmp(stg_json_str(json_array_get(j->devices, i), "kind"), "android") != 0)
			ok = stg_buf_printf(&csv, &err, "%s,A-%04zu,Ward-%02zu,%s\n", journey_serial(j, i), 1000 + i, i, ownership);
	journey_must(ok && stg_file_write(path, stg_buf_view(&csv), 0600, &err), &err, "order");
	json_decref(journey_op(j, "port.allow", json_pack("{s:s}", "port", "*"), NULL));
	json_decref(journey_op(j, "target.add", json_pack("{s:s, s:s, s:{s:s}}", "name", "head-office", "connector", "webhook", "config", "url",
							  stg_json_str(json_object_get(j->bench.ready, "receiver"), "url")), NULL));
	json_decref(journey_op(j, "batch.import", json_pack("{s:s, s:s, s:s}", "name", BATCH, "file", path, "blueprint", blueprint), path));
	json_decref(journey_op(j, "batch.start", json_pack("{s:s}", "name", BATCH), NULL));
}

static inline json_t *journey_balance(struct journey *j)
{
	STG_AUTO(stg_json_free_at) json_t *batch = journey_op(j, "batch.show", json_pack("{s:s}", "name", BATCH), NULL);
	return json_incref(json_object_get(batch, "balance"));
}

struct journey_wait {
	struct journey *j;
	int64_t until_ms, staged, events;
	const char *udid, *state;
};

static inline bool journey_until_staged(void *ctx, const json_t *event)
{
	struct journey_wait *w = ctx;
	/* asking costs the station something: only when enough jobs have ended, or when nothing happens */
	if (event && (strcmp(stg_json_str(event, "what"), "job") != 0 || --w->events > 0))
		return stg_boot_ms() < w->until_ms;
	STG_AUTO(stg_json_free_at) json_t *b = journey_balance(w->j);
	return stg_json_int(b, "staged", 0) < w->staged && stg_boot_ms() < w->until_ms;
}

/* True when so many are staged before the time is up. */
static inline bool journey_wait_staged(struct journey *j, int64_t staged, int64_t timeout_ms)
{
	struct journey_wait w = { .j = j, .until_ms = stg_boot_ms() + timeout_ms, .staged = staged, .events = staged };
	struct stg_error err = { 0 };
	journey_must(stg_events(&j->caller, journey_until_staged, &w, NULL, &err), &err, "events");
	STG_AUTO(stg_json_free_at) json_t *b = journey_balance(j);
	return stg_json_int(b, "staged", 0) >= staged;
}

static inline bool journey_until_drained(void *ctx, const json_t *event)
{
	struct journey_wait *w = ctx;
	if (event && strcmp(stg_json_str(event, "what"), "push") != 0)
		return true;
	STG_AUTO(stg_json_free_at) json_t *sum = journey_op(w->j, "outbox.summary", json_object(), NULL);
	return stg_json_int(sum, "waiting", 0) > 0 && stg_boot_ms() < w->until_ms;
}

static inline bool journey_wait_drained(struct journey *j, int64_t timeout_ms)
{
	struct journey_wait w = { .j = j, .until_ms = stg_boot_ms() + timeout_ms };
	struct stg_error err = { 0 };
	json_decref(journey_op(j, "push.now", json_object(), NULL));
	journey_must(stg_events(&j->caller, journey_until_drained, &w, NULL, &err), &err, "events");
	STG_AUTO(stg_json_free_at) json_t *sum = journey_op(j, "outbox.summary", json_object(), NULL);
	return stg_json_int(sum, "waiting", 0) == 0;
}

/* Sleeps until something happens at the station, at most ms. */
static inline bool journey_one_event(void *ctx, const json_t *event)
{
	struct journey_wait *w = ctx;
	if (event && strcmp(stg_json_str(event, "what"), "slot") == 0)
		w->events--;
	return w->events > 0 && stg_boot_ms() < w->until_ms;
}

static inline void journey_let_pass(struct journey *j, int64_t events, int64_t most_ms)
{
	struct journey_wait w = { .j = j, .until_ms = stg_boot_ms() + most_ms, .events = events };
	(void)stg_events(&j->caller, journey_one_event, &w, NULL, NULL);
}

/* What every journey must leave behind: each device's last result once at the receiver, devices as the inventory says. */
static inline void journey_agrees(struct journey *j, int expected_staged)
{
	STG_AUTO(stg_json_free_at) json_t *all = journey_word(j, "receiver", "records", NULL, NULL);
	STG_AUTO(stg_json_free_at) json_t *finals = json_object(), *ids = json_object();
	const json_t *records = json_object_get(all, "records");
	int staged = 0;
	for (size_t i = 0; i < json_array_size(records); i++) {
		const json_t *one = json_array_get(records, i);
		const json_t *data = json_object_get(json_object_get(one, "body"), "data");
		const char *serial = stg_json_str(json_object_get(data, "device"), "serial"), *id = stg_json_str(one, "id");
		/* the receiver keeps one record per id; two ids for one job's end would be a doubled result */
		assert_null(json_object_get(ids, id));
		json_object_set_new(ids, id, json_true());
		if (strcmp(stg_json_str(data, "outcome"), "staged") != 0)
			continue;
		if (json_object_get(finals, serial))
			fail_msg("%s was told as staged twice", serial);
		json_object_set_new(finals, serial, json_true());
		staged++;
	}
	assert_int_equal(staged, expected_staged);
	for (size_t i = 0; i < json_array_size(j->devices); i++) {
		const char *serial = journey_serial(j, i);
		if (!json_object_get(finals, serial))
			continue;
		STG_AUTO(stg_json_free_at) json_t *log = journey_word(j, "show", serial, NULL, NULL);
		/* the device itself: supervised once, and every profile there once */
		if (!stg_json_bool(log, "supervised", stg_json_bool(json_object_get(log, "device"), "supervised", false)))
			fail_msg("%s was told as staged, but is not supervised", serial);
	}
}

#endif
