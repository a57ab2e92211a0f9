/*
 * clock.c - the hour by the servers' clocks, when ours is wrong.
 *
 * For:    tokens and signatures that carry a time, from a station that was long without a line.
 * Uses:   the Date header of answers that came over checked TLS (or from this machine).
 * Called: by request.c after each answer, token.c and request.c before each attempt.
 * Thread: any.
 * Facts:  mdm-push 5.2: the system's clock is not set by the pusher; an offset is held beside it and lost with the process.
 *         Sign-in servers take about five minutes of difference; two are left alone here, because Date has no fractions and
 *         the answer was some time on its way.
 */
#include <stdatomic.h>
#include <time.h>

#include <stager/clock.h>

#include "../parts.h"

#define LEFT_ALONE_S 120
#define MOST_S (100LL * 366 * 86400)

static _Atomic int64_t offset_s;

int64_t push_clock_s(void)
{
	return stg_wall_ms() / 1000 + offset_s;
}

int64_t push_clock_offset_s(void)
{
	return offset_s;
}

static int64_t date_of(const char *text)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S", &tm);
	return end && strcmp(end, " GMT") == 0 ? (int64_t)timegm(&tm) : 0;
}

bool push_clock_seen(const json_t *headers)
{
	int64_t theirs = date_of(stg_json_str(headers, "date")), off = theirs - stg_wall_ms() / 1000, before = offset_s;
	/* before this program was made it cannot be, whoever says so; a synchronised clock is better than a server's */
	if (!theirs || theirs < stg_build_ms() / 1000 || off > MOST_S || stg_time_quality() == STG_TIME_NTP)
		return false;
	offset_s = off > LEFT_ALONE_S || off < -LEFT_ALONE_S ? off : 0;
	int64_t moved = offset_s - before;
	return moved > LEFT_ALONE_S || moved < -LEFT_ALONE_S;
}
