/*
 * quick.h - what large journeys preload into the programs they start: RSA keys out of a drawer.
 *
 * Include it after journey.h; call before journey_begin(). Under valgrind and sanitizers run.sh decides what is preloaded.
 */
#ifndef TESTS_QUICK_H
#define TESTS_QUICK_H

#include "journey.h"

static inline void quick_preload(const char *library)
{
	const char *b = getenv("B"), *before = getenv("LD_PRELOAD");
	char path[4200], all[8600];
	snprintf(path, sizeof(path), "%s/tests/%s", b ? b : "build", library);
	if (getenv("STG_VALGRIND") || getenv("STG_SANITIZED") || access(path, R_OK) != 0 || (before && strstr(before, library)))
		return;
	snprintf(all, sizeof(all), "%s%s%s", path, before ? " " : "", before ? before : "");
	setenv("LD_PRELOAD", all, 1);
}

/* Nine tenths of a virtual device's cost here are keys nobody looks at. */
static inline void quick_keys(void)
{
	const char *b = getenv("B");
	char path[4200];
	snprintf(path, sizeof(path), "%s/bench-keys", b ? b : "build");
	setenv("STG_QUICK_KEYS", path, 0);
	quick_preload("quick_keys.so");
}

#endif
