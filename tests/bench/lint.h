/*
 * lint.h - how long the rules take to read, and a thousand profiles to be checked.
 *
 * For:    measure.c.
 * Uses:   the product's own functions, and the command for the whole way.
 * Called: measure.c.
 * Thread: one.
 */
#ifndef BENCH_LINT_H
#define BENCH_LINT_H

#include <stager/payload.h>
#include <stager/registry.h>

#include "journey.h"

#define LINT_FILES 1000

static inline double lint_since_us(const struct timespec *from)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - from->tv_sec) * 1e6 + (double)(now.tv_nsec - from->tv_nsec) / 1e3;
}

/* The table read once, in microseconds: the best of many. */
static inline double lint_load_us(void)
{
	const struct stg_data *table = stg_data_find("profiles/schema/ios.rules");
	double best = 1e9;
	assert_non_null(table);
	for (int i = 0; i < 200; i++) {
		struct timespec from;
		clock_gettime(CLOCK_MONOTONIC, &from);
		struct stg_profile_rules *r = stg_profile_rules_read("t", stg_bytes(table->bytes, table->len), stg_profile_overlay(), NULL);
		double took = lint_since_us(&from);
		assert_non_null(r);
		stg_profile_rules_free(r);
		best = took < best ? took : best;
	}
	return best;
}

/* A thousand profiles, the shipped templates in turn: microseconds each. */
static inline double lint_each_us(void)
{
	struct timespec from;
	int n = 0;
	(void)stg_profile_rules_shipped();
	clock_gettime(CLOCK_MONOTONIC, &from);
	while (n < LINT_FILES) {
		for (const struct stg_data *d = stg_data; d->path && n < LINT_FILES; d++) {
			if (strncmp(d->path, "profiles/templates/", 19) != 0)
				continue;
			json_t *list = stg_profile_lint(d->path, stg_bytes(d->bytes, d->len), NULL);
			assert_non_null(list);
			json_decref(list);
			n++;
		}
	}
	return lint_since_us(&from) / LINT_FILES;
}

/* The command on a thousand files, in seconds. */
static inline double lint_command_s(void)
{
	char dir[] = "/tmp/stg-lint-XXXXXX", command[600];
	const struct stg_data *d = stg_data_find("profiles/templates/restrictions-ward.mobileconfig");
	struct timespec from;
	assert_non_null(mkdtemp(dir));
	for (int i = 0; i < LINT_FILES; i++) {
		char path[100];
		struct stg_error err = { 0 };
		snprintf(path, sizeof(path), "%s/%d.mobileconfig", dir, i);
		journey_must(stg_file_write(path, stg_bytes(d->bytes, d->len), 0600, &err), &err, path);
	}
	snprintf(command, sizeof(command), "cd %s && '%s' --state %s/state init --rehearsal >/dev/null", dir, getenv("STAGER"), dir);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "cd %s && '%s' --state %s/state --json profile lint *.mobileconfig >/dev/null", dir, getenv("STAGER"), dir);
	clock_gettime(CLOCK_MONOTONIC, &from);
	assert_int_equal(system(command), 0);
	double took = lint_since_us(&from) / 1e6;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
	return took;
}

#endif
