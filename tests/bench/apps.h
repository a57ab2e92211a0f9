/*
 * apps.h - a large app on many devices at once: how long, how evenly, and what it costs; ideviceinstaller beside it on one device.
 *
 * For:    measure.c. BENCH_APP_MB (300) and BENCH_APP_DEVICES (16) size it.
 * Uses:   journey.h, tests/lib/ipa.h: the package is made on the fly, zeroes stored as they are.
 * Called: measure.c.
 * Thread: one.
 *
 * The virtual devices take 35 MB/s each, as real ones do over USB 2; all ports of the bench are behind one controller's root port, so all
 * transfers take turns on one segment.
 */
#ifndef BENCH_APPS_H
#define BENCH_APPS_H

#include "ipa.h"
#include "journey.h"

#define APPS_ID "org.example.large"

static const char APPS_BLUEPRINT[] = "name: apps\nabout: a large app\nsteps:\n  - identify:\n  - pair:\n  - install_app: {app: " APPS_ID "}\n";

static inline void apps_prepare(struct journey *j, uint64_t bytes, char package[200])
{
	struct stg_error err = { 0 };
	char path[200];
	snprintf(package, 200, "%s/large.ipa", j->dir);
	ipa_make(package, &(struct ipa){ .id = APPS_ID, .version = "1.0", .build = "1", .bytes = bytes });
	snprintf(path, sizeof(path), "%s/blueprints", j->state);
	journey_must(stg_folder_make(path, 0700, &err), &err, "folder");
	snprintf(path, sizeof(path), "%s/blueprints/apps.yaml", j->state);
	journey_must(stg_file_write(path, stg_bytes_str(APPS_BLUEPRINT), 0600, &err), &err, "blueprint");
	json_decref(journey_op(j, "app.add", json_pack("{s:s, s:[s]}", "file", package, "files", "file"), package));
}

/* When the first and when the last of them ended, in ms after `from_ms` of the wall clock. */
static inline void apps_ends(struct journey *j, int64_t from_ms, int64_t *ret_first, int64_t *ret_last)
{
	STG_AUTO(stg_json_free_at) json_t *batch = journey_op(j, "batch.show", json_pack("{s:s}", "name", BATCH), NULL);
	size_t i;
	json_t *row;
	*ret_first = INT64_MAX;
	*ret_last = 0;
	json_array_foreach(json_object_get(batch, "rows"), i, row) {
		int64_t at = stg_json_int(row, "ended_ms", 0) - from_ms;
		if (at <= 0)
			continue;
		*ret_first = at < *ret_first ? at : *ret_first;
		*ret_last = at > *ret_last ? at : *ret_last;
	}
}

#endif
