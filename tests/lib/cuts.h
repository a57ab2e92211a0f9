/*
 * cuts.h - the ways a connection to a virtual device is cut, at a chosen request.
 *
 * For:    tests in which a device is cut anywhere and must end as if it had not been.
 * Uses:   look.h; the word "fault" of the bench.
 */
#ifndef TESTS_CUTS_H
#define TESTS_CUTS_H

#include "look.h"

/* Ways a connection ends. "": at any request; skip=N chooses which. */
static const struct cut {
	const char *what, *kind, *arg;
	bool swap;                      /* another device comes on the same port at once */
} cuts[] = {
	{ "pulled before it was carried out", "unplug_before", "back_ms=200", false },
	{ "pulled after it was carried out", "unplug_after", "back_ms=200", false },
	{ "connection lost before", "drop_before", "x=0", false },
	{ "connection lost after", "drop_after", "x=0", false },
	{ "cut inside the answer", "truncate", "x=0", false },
	{ "silent for good", "mute", "x=0", false },
	{ "pulled and kept out", "unplug_before", "x=0", false },
	{ "another device on its port", "unplug_before", "back_ms=300", true },
};
#define CUTS STG_ARRAY_LEN(cuts)

/* How many requests the device was sent since the bench began. */
static inline size_t cut_requests(struct journey *j, const char *serial)
{
	STG_AUTO(stg_json_free_at) json_t *log = journey_word(j, "log", serial, NULL, NULL);
	const char *key;
	json_t *count;
	size_t sum = 0;
	json_object_foreach(json_object_get(log, "counts"), key, count)
		sum += (size_t)json_integer_value(count);
	return sum;
}

/* From now on; `request` more are answered before it. `stranger`: who comes instead, for cuts that swap. */
static inline void cut_arm(struct journey *j, size_t i, size_t request, const struct cut *c, const char *stranger)
{
	struct stg_error err = { 0 };
	char skip[32], swap[64];
	snprintf(skip, sizeof(skip), "skip=%zu", request);
	snprintf(swap, sizeof(swap), "swap=%s", stranger);
	json_t *answer = bench_word(j->control, &err, "fault", journey_serial(j, i), c->kind, skip, c->arg, c->swap ? swap : "count=1", (char *)NULL);
	journey_must(answer != NULL, &err, "fault");
	json_decref(answer);
}

#endif
