/*
 * pool.c - keys made in idle time, so that no device waits for one.
 *
 * For:    pairing (host identities, kept sealed in the inventory) and certificates (leaf keys, kept in memory only).
 * Uses:   keys on the maker's thread, the recorder to keep what was made.
 * Called: station.c once a second, asks.c and payload.c.
 * Thread: the main loop's; the leaf keys are handed over between maker tasks, which run one after another.
 */
#include <stdlib.h>
#include <time.h>

#include <stager/clock.h>

#include "station_i.h"

#define LEAF_KEYS 256        /* room; how many are kept is pool_want */
#define POOL 64
#define POOL_REHEARSAL 8

static const struct stg_tag tag = { .room = "pool" };

/* Maker thread only. */
static struct stg_secret leaf_keys[LEAF_KEYS];
static unsigned int n_leaf_keys;

struct fill {
	struct stg_station *station;
	int64_t free, want;
	char buid[BUID_SIZE];   /* a copy: the cache is the main loop's */
	char host_id[64];
	struct stg_buf sealed;
	int64_t cpu_us;
	bool made;
};

/* How many of each are kept ready: enough for a full bench to arrive at once. */
static int64_t pool_want(const struct stg_station *s)
{
	const char *text = getenv("STAGER_POOL");
	int64_t n = text ? strtoll(text, NULL, 10) : s->rehearsal ? POOL_REHEARSAL : POOL;
	return n < 0 ? 0 : n > LEAF_KEYS ? LEAF_KEYS : n;
}

static void fill_done(struct fill *f, const struct stg_error *err)
{
	struct stg_station *s = f->station;
	bool ok = !err || err->code == STG_OK;
	if (!ok)
		stg_log_error(STG_LOG_WARNING, &tag, err);
	s->filling_pool = false;
	s->pool_ready = ok && !f->made;
	stg_buf_clear(&f->sealed);
	free(f);
	if (ok && !s->pool_ready)
		pool_fill(s);        /* the next one at once, unless a device has come meanwhile */
}

static bool keep_run(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct fill *f = arg;
	return stg_store_hostid_add(store, f->host_id, stg_buf_view(&f->sealed), err);
}

static void keep_done(void *arg, bool ok, const struct stg_error *err)
{
	struct fill *f = arg;
	f->station->pool_cpu_us += f->cpu_us;
	fill_done(f, ok ? NULL : err);
}

static int64_t thread_cpu_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static bool make_run(struct stg_store *store, void *arg, struct stg_error *err)
{
	(void)store;
	struct fill *f = arg;
	int64_t before = thread_cpu_us();
	bool ok = true;
	f->made = true;
	if (f->free < f->want)
		ok = stg_hostid_make(f->station->keys, f->buid, f->host_id, &f->sealed, err);
	else if (n_leaf_keys < (unsigned int)f->want)
		ok = stg_leaf_key_make(&leaf_keys[n_leaf_keys], err) && ++n_leaf_keys;
	else
		f->made = false;
	f->cpu_us = thread_cpu_us() - before;
	return ok;
}

static void make_done(void *arg, bool ok, const struct stg_error *err)
{
	struct fill *f = arg;
	if (ok && f->sealed.len) {
		queue_post(f->station->recorder, keep_run, keep_done, f);
		return;
	}
	f->station->pool_cpu_us += f->cpu_us;
	fill_done(f, ok ? NULL : err);
}

static bool count_run(struct stg_store *store, void *arg, struct stg_error *err)
{
	return stg_store_hostid_count(store, &((struct fill *)arg)->free, err);
}

static void count_done(void *arg, bool ok, const struct stg_error *err)
{
	struct fill *f = arg;
	if (!ok) {
		fill_done(f, err);
		return;
	}
	queue_post(f->station->maker, make_run, make_done, f);
}

void pool_fill(struct stg_station *s)
{
	if (s->filling_pool || s->stopping || s->busy_workers || queue_waiting(s->maker))
		return;
	struct fill *f = stg_calloc(1, sizeof(*f));
	f->station = s;
	f->sealed = STG_BUF(256 << 10);
	f->want = pool_want(s);
	stg_copy(f->buid, sizeof(f->buid), s->cache.buid);
	s->filling_pool = true;
	queue_post(s->recorder, count_run, count_done, f);
}

bool pool_take_leaf_key(struct stg_secret *ret)
{
	if (!n_leaf_keys)
		return false;
	stg_secret_move(ret, &leaf_keys[--n_leaf_keys]);
	return true;
}
