/*
 * look.h - what a journey looks at: a device's own log, its row in the batch, its slot at the station.
 *
 * Include it after journey.h, in one file of a test program.
 */
#ifndef TESTS_LOOK_H
#define TESTS_LOOK_H

#include <strings.h>

#include "journey.h"

#define LOOK_MS 300000

static inline int look_number(const char *name, int fallback)
{
	const char *text = getenv(name);
	return text && *text ? atoi(text) : fallback;
}

/* How often the device has received this request, of whatever service ("InstallProfile"). */
static inline int64_t look_sent(struct journey *j, const char *who, const char *request)
{
	STG_AUTO(stg_json_free_at) json_t *log = journey_word(j, "log", who, NULL, NULL);
	const char *key;
	json_t *count;
	int64_t sum = 0;
	json_object_foreach(json_object_get(log, "counts"), key, count) {
		const char *last = strrchr(key, ' ');
		if (strcmp(last ? last + 1 : key, request) == 0)
			sum += json_integer_value(count);
	}
	return sum;
}

/* All requests it has received. */
static inline size_t look_requests(struct journey *j, const char *who)
{
	STG_AUTO(stg_json_free_at) json_t *log = journey_word(j, "log", who, NULL, NULL);
	return json_object_size(json_object_get(log, "counts"));
}

/* The device itself, as it is. A new reference. */
static inline json_t *look_device(struct journey *j, const char *who)
{
	STG_AUTO(stg_json_free_at) json_t *answer = journey_word(j, "show", who, NULL, NULL);
	return json_incref(json_object_get(answer, "device"));
}

/* Its row in the batch, or NULL. A new reference. */
static inline json_t *look_row(struct journey *j, const char *serial)
{
	STG_AUTO(stg_json_free_at) json_t *batch = journey_op(j, "batch.show", json_pack("{s:s}", "name", BATCH), NULL);
	size_t i;
	json_t *row;
	json_array_foreach(json_object_get(batch, "rows"), i, row)
		if (strcmp(stg_json_str(row, "serial"), serial) == 0)
			return json_incref(row);
	return NULL;
}

/* What the station says of this device's place, found by UDID; NULL when it lists none. A new reference. */
static inline json_t *look_slot(struct journey *j, const char *udid)
{
	STG_AUTO(stg_json_free_at) json_t *list = journey_op(j, "devices", json_object(), NULL);
	size_t i;
	json_t *slot;
	json_array_foreach(list, i, slot)
		if (strcasecmp(stg_json_str(slot, "udid"), udid) == 0)
			return json_incref(slot);
	return NULL;
}

struct look_until {
	struct journey *j;
	bool (*is)(struct journey *j, void *ctx);
	void *ctx;
	int64_t until_ms, last_ms;
	bool came;
};

static inline bool look_each(void *ctx, const json_t *event)
{
	struct look_until *u = ctx;
	if (event && stg_boot_ms() - u->last_ms < 100)    /* a storm of events: the next silence asks */
		return stg_boot_ms() < u->until_ms;
	u->last_ms = stg_boot_ms();
	u->came = u->is(u->j, u->ctx);
	return !u->came && stg_boot_ms() < u->until_ms;
}

/* True when it has come true before the time is up; asked when something happened at the station, and a few times a second. */
static inline bool look_until(struct journey *j, bool (*is)(struct journey *j, void *ctx), void *ctx, int64_t timeout_ms)
{
	struct look_until u = { .j = j, .is = is, .ctx = ctx, .until_ms = stg_boot_ms() + timeout_ms };
	struct stg_error err = { 0 };
	journey_must(stg_events(&j->caller, look_each, &u, NULL, &err), &err, "events");
	return u.came || is(j, ctx);
}

struct look_at {
	const char *who, *key, *value;
};

static inline bool look_row_is(struct journey *j, void *ctx)
{
	const struct look_at *at = ctx;
	STG_AUTO(stg_json_free_at) json_t *row = look_row(j, at->who);
	return row && strcmp(stg_json_str(row, at->key), at->value) == 0;
}

static inline bool look_slot_is(struct journey *j, void *ctx)
{
	const struct look_at *at = ctx;
	STG_AUTO(stg_json_free_at) json_t *slot = look_slot(j, at->who);
	return slot && strcmp(stg_json_str(slot, at->key), at->value) == 0;
}

static inline void look_print(const char *what, json_t *j /* taken */)
{
	STG_AUTO(stg_free_at) char *text = j ? stg_json_text(j) : NULL;
	print_message("%s: %s\n", what, text ? text : "nothing");
	json_decref(j);
}

/* The row's `key` becomes `value`, or the test fails and shows what is known. */
static inline void look_wait_row(struct journey *j, const char *serial, const char *key, const char *value)
{
	struct look_at at = { serial, key, value };
	if (look_until(j, look_row_is, &at, LOOK_MS))
		return;
	look_print("row", look_row(j, serial));
	look_print("device", look_device(j, serial));
	fail_msg("%s: %s never became %s", serial, key, value);
}

static inline void look_wait_slot(struct journey *j, const char *udid, const char *key, const char *value)
{
	struct look_at at = { udid, key, value };
	if (look_until(j, look_slot_is, &at, LOOK_MS))
		return;
	look_print("slot", look_slot(j, udid));
	fail_msg("%s: %s never became %s", udid, key, value);
}

/* The operation is refused, with this code. */
static inline void look_refused(struct journey *j, const char *name, json_t *in /* taken */, enum stg_code code)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *ret = NULL;
	bool ok = stg_call(&j->caller, name, in, NULL, 0, &ret, &err);
	json_decref(in);
	if (ok)
		fail_msg("%s was not refused", name);
	if (err.code != code)
		fail_msg("%s: %s instead of %s: %s", name, stg_code_name(err.code), stg_code_name(code), err.msg);
}

/* A started batch from the bytes of an order; every port may be used; results to the receiving server. */
static inline void look_order(struct journey *j, const char *blueprint, struct stg_bytes csv)
{
	struct stg_error err = { 0 };
	char path[128];
	snprintf(path, sizeof(path), "%s/order.csv", j->dir);
	journey_must(stg_file_write(path, csv, 0600, &err), &err, "order");
	json_decref(journey_op(j, "port.allow", json_pack("{s:s}", "port", "*"), NULL));
	json_decref(journey_op(j, "target.add", json_pack("{s:s, s:s, s:{s:s}}", "name", "head-office", "connector", "webhook", "config", "url",
							  stg_json_str(json_object_get(j->bench.ready, "receiver"), "url")), NULL));
	json_decref(journey_op(j, "batch.import", json_pack("{s:s, s:s, s:s}", "name", BATCH, "file", path, "blueprint", blueprint), path));
	json_decref(journey_op(j, "batch.start", json_pack("{s:s}", "name", BATCH), NULL));
}

static inline const char *look_udid(const struct journey *j, size_t i)
{
	return stg_json_str(json_array_get(j->devices, i), "udid");
}

/* The outbox empties, whatever the receiver did before; waits between tries are cut short. */
static inline bool look_drained(struct journey *j)
{
	const int64_t until_ms = stg_boot_ms() + LOOK_MS;
	while (stg_boot_ms() < until_ms)
		if (journey_wait_drained(j, 3000))
			return true;
	return false;
}

#endif
