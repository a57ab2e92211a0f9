/*
 * pace.c - how long a target is left alone after a failure.
 *
 * For:    delivery.c.
 * Uses:   the boot clock, so that a corrected wall clock neither hurries nor holds anything.
 * Called: by the push thread only.
 * Thread: one at a time; the waits live as long as the process, a new one begins with the shortest.
 * Facts:  decorrelated jitter as in mdm-push 10.3: min(most, random(base, 3 x previous)).
 */
#include <stdlib.h>

#include <stager/clock.h>
#include <stager/ids.h>

#include "parts.h"

#define TARGETS_MAX 256

static struct push_pace paces[TARGETS_MAX];

struct push_pace *push_pace_of(const char *target)
{
	size_t i = 0;
	while (i < TARGETS_MAX && paces[i].target[0] && strcmp(paces[i].target, target) != 0)
		i++;
	if (i == TARGETS_MAX)
		i = TARGETS_MAX - 1;    /* more than a station has: they share a pace */
	if (!paces[i].target[0])
		stg_copy(paces[i].target, sizeof(paces[i].target), target);
	return &paces[i];
}

static int64_t between(int64_t least, int64_t most)
{
	uint64_t r;
	stg_random(&r, sizeof(r));
	return most <= least ? least : least + (int64_t)(r % (uint64_t)(most - least + 1));
}

int64_t push_pace_wait(struct push_pace *p, enum stg_net_class class, int64_t retry_after_ms)
{
	static const struct {
		int64_t base_ms, most_ms;
	} by_class[] = {
		[STG_NET_OK] = { 0, 0 }, [STG_NET_OFFLINE] = { 2000, 60000 }, [STG_NET_CLOCK] = { 60000, 900000 },
		/* stopped until a person acts, but a station that nobody looks at must heal by itself when the cause is gone */
		[STG_NET_TRUST] = { 600000, 3600000 }, [STG_NET_AUTH] = { 600000, 3600000 }, [STG_NET_IN_DOUBT] = { 5000, 600000 },
		[STG_NET_THROTTLED] = { 2000, 3600000 }, [STG_NET_ROW] = { 5000, 3600000 }, [STG_NET_SERVER] = { 5000, 3600000 },
	};
	int64_t base = by_class[class].base_ms, wait;
	if (retry_after_ms >= 0) {
		wait = retry_after_ms + between(0, retry_after_ms / 10);
	} else {
		int64_t before = p->wait_ms > base ? p->wait_ms : base;
		wait = between(base, before * 3);
		if (wait > by_class[class].most_ms)
			wait = by_class[class].most_ms;
		p->wait_ms = wait;
	}
	p->due_boot_ms = stg_boot_ms() + wait;
	return wait;
}

void push_pace_clear(struct push_pace *p)
{
	p->due_boot_ms = p->wait_ms = 0;
	p->refused_in_a_row = 0;
}

bool push_pace_may_ask(struct push_pace *p, const json_t *rate, int64_t *ret_due_boot_ms)
{
	double most = (double)stg_json_int(rate, "requests", 0), per_ms = (double)stg_json_int(rate, "per_ms", 1000);
	int64_t now = stg_boot_ms();
	if (most <= 0)
		return true;
	p->requests = p->rate_boot_ms ? p->requests + (double)(now - p->rate_boot_ms) * most / per_ms : most;
	if (p->requests > most)
		p->requests = most;
	p->rate_boot_ms = now;
	if (p->requests >= 1) {
		p->requests -= 1;
		return true;
	}
	*ret_due_boot_ms = now + (int64_t)((1 - p->requests) * per_ms / most) + 1;
	return false;
}
