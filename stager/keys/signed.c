/*
 * signed.c - profiles this organisation signed a moment ago, for the next device that gets the very same one.
 *
 * For:    cms.c: a root certificate or a passcode rule is the same for four hundred devices, its signature need be made once.
 * Uses:   stager/base.
 * Called: by cms.c, through an opened organisation.
 * Thread: any; a lock of its own.
 *
 * A profile is kept only when it is asked for a second time: what is one device's own (its identity, its name) comes once
 * and is never held here. What is kept may contain a Wi-Fi password: it lies in a stg_secret and is gone within the hour.
 */
#include <pthread.h>
#include <stdlib.h>

#include <stager/clock.h>

#include "inner.h"

#define PLACES 64
#define KEPT_MS (3600 * 1000)
#define KEPT_BYTES_MAX (256u << 10)

struct place {
	uint8_t content[32];            /* SHA-256 */
	int64_t seen_ms;                /* 0 = free */
	int64_t signed_ms;
	struct stg_secret cms;          /* empty until the second time */
};

struct keys_signed {
	pthread_mutex_t lock;
	struct place place[PLACES];
};

struct keys_signed *keys_signed_new(void)
{
	struct keys_signed *s = stg_calloc(1, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void keys_signed_free(struct keys_signed *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < PLACES; i++)
		stg_secret_clear(&s->place[i].cms);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* With the lock held. Its own place, else a new one: a free one, then the one unseen for longest of those that hold
 * nothing, then of all. */
static struct place *place_of(struct keys_signed *s, const uint8_t content[32])
{
	struct place *best = &s->place[0];
	for (size_t i = 0; i < PLACES; i++) {
		struct place *p = &s->place[i];
		if (p->seen_ms && memcmp(p->content, content, 32) == 0)
			return p;
		bool holds = stg_secret_is_set(&p->cms), best_holds = stg_secret_is_set(&best->cms);
		if (holds != best_holds ? best_holds : p->seen_ms < best->seen_ms)
			best = p;
	}
	stg_secret_clear(&best->cms);
	memcpy(best->content, content, 32);
	best->seen_ms = 0;
	return best;
}

bool keys_signed_find(struct keys_signed *s, const uint8_t content[32], struct stg_buf *ret)
{
	int64_t now = stg_boot_ms();
	bool found = false;
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < PLACES; i++) {
		struct place *p = &s->place[i];
		if (stg_secret_is_set(&p->cms) && now - p->signed_ms > KEPT_MS)
			stg_secret_clear(&p->cms);
		if (!p->seen_ms || memcmp(p->content, content, 32) != 0 || !stg_secret_is_set(&p->cms))
			continue;
		struct stg_bytes cms = stg_secret_reveal(&p->cms);
		p->seen_ms = now;
		found = stg_buf_add(ret, cms.data, cms.len, NULL);
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

void keys_signed_keep(struct keys_signed *s, const uint8_t content[32], struct stg_bytes cms)
{
	int64_t now = stg_boot_ms();
	pthread_mutex_lock(&s->lock);
	struct place *p = place_of(s, content);
	bool again = p->seen_ms != 0;
	p->seen_ms = now ? now : 1;
	if (again && cms.len <= KEPT_BYTES_MAX && stg_secret_set(&p->cms, cms, NULL))
		p->signed_ms = now;
	pthread_mutex_unlock(&s->lock);
}
