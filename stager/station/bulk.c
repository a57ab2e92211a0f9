/*
 * bulk.c - whose turn it is to move much over a cable that many share.
 *
 * For:    bulkask.c.
 * Uses:   nothing but a list.
 * Called: on the main loop; by its test.
 * Thread: one.
 */
#include <stdlib.h>
#include <string.h>

#include <stager/bytes.h>
#include <stager/error.h>

#include "bulk.h"

/* In the order of asking: who has asked last stands last. */
struct transfer {
	struct transfer *next;
	unsigned int ref;
	char segment[STG_PORT_MAX];
	bool fast, waits;
	int64_t left_bytes, since_ms;    /* since: asked when waiting, given when not */
};

struct bulk {
	struct transfer *list;
};

struct bulk *bulk_new(void)
{
	return stg_calloc(1, sizeof(struct bulk));
}

void bulk_drop(struct bulk *b, unsigned int ref)
{
	for (struct transfer **at = &b->list; *at; at = &(*at)->next) {
		struct transfer *t = *at;
		if (t->ref != ref)
			continue;
		*at = t->next;
		free(t);
		return;
	}
}

void bulk_free(struct bulk *b)
{
	while (b && b->list)
		bulk_drop(b, b->list->ref);
	free(b);
}

void bulk_ask(struct bulk *b, unsigned int ref, const char *segment, bool fast, int64_t left_bytes, int64_t now_ms)
{
	bulk_drop(b, ref);
	if (left_bytes <= 0)
		return;
	struct transfer *t = stg_calloc(1, sizeof(*t)), **end = &b->list;
	*t = (struct transfer){ .ref = ref, .fast = fast, .waits = true, .left_bytes = left_bytes, .since_ms = now_ms };
	stg_copy(t->segment, sizeof(t->segment), segment);
	while (*end)
		end = &(*end)->next;
	*end = t;
}

/* Turns in use on a segment that still count, and whether anybody else is there. */
static unsigned int in_use(const struct bulk *b, const struct transfer *me, int64_t now_ms, bool *ret_alone)
{
	unsigned int n = 0;
	*ret_alone = true;
	for (const struct transfer *t = b->list; t; t = t->next) {
		if (t == me || strcmp(t->segment, me->segment) != 0)
			continue;
		*ret_alone = false;
		n += !t->waits && now_ms - t->since_ms < BULK_LEASE_MS;
	}
	return n;
}

bool bulk_next(struct bulk *b, int64_t now_ms, unsigned int *ret_ref, int64_t *ret_bytes)
{
	for (struct transfer *t = b->list; t; t = t->next) {
		bool alone;
		if (!t->waits || in_use(b, t, now_ms, &alone) >= (t->fast ? BULK_TOGETHER_FAST : BULK_TOGETHER))
			continue;
		int64_t most = alone ? BULK_ALONE_BYTES : BULK_TURN_BYTES;
		t->waits = false;
		t->since_ms = now_ms;
		*ret_ref = t->ref;
		*ret_bytes = t->left_bytes < most ? t->left_bytes : most;
		return true;
	}
	return false;
}

int64_t bulk_due_ms(const struct bulk *b, int64_t now_ms)
{
	int64_t due = -1;
	for (const struct transfer *w = b->list; w; w = w->next)
		for (const struct transfer *t = b->list; w->waits && t; t = t->next) {
			int64_t ends = t->since_ms + BULK_LEASE_MS;
			if (!t->waits && strcmp(t->segment, w->segment) == 0 && ends > now_ms && (due < 0 || ends < due))
				due = ends;
		}
	return due;
}

bool bulk_waits(const struct bulk *b, unsigned int ref)
{
	for (const struct transfer *t = b->list; t; t = t->next)
		if (t->ref == ref)
			return t->waits;
	return false;
}
