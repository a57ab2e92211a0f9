/*
 * pool.c - keys made in idle time, so that no device waits for one.
 *
 * For:    pairing (host identities, kept sealed in the inventory) and certificates (leaf keys, kept in memory only).
 * Uses:   keys on the maker's thread, the recorder to keep what was made.
 * Called: station.c once a second, asks.c and payload.c.
 * Thread: the main loop's; keys are made on threads of their own, politer than the rest of the station, so that no profile
 *         or certificate of a device stands behind a key that takes half a second.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <stager/clock.h>

#include "station_i.h"

#define LEAF_KEYS 256        /* room; how many are kept is pool_want */
#define HOSTIDS 4096
#define POOL 64
#define POOL_REHEARSAL 8
#define THREADS_MAX 4
#define POLITENESS 5         /* nice(1) */
#define LOW 4                /* under a quarter is low: then it is filled beside running jobs too */

static const struct stg_tag tag = { .room = "pool" };

static pthread_mutex_t leaf_lock = PTHREAD_MUTEX_INITIALIZER;
static struct stg_secret leaf_keys[LEAF_KEYS];
static unsigned int n_leaf_keys;

struct fill {
	struct stg_station *station;
	int64_t free, want, leaves_wanted;
	char buid[BUID_SIZE];   /* a copy: the cache is the main loop's */
	char host_id[64];
	struct stg_buf sealed;
	int64_t cpu_us;
	bool full;
};

static int64_t within(int64_t n, int64_t most)
{
	return n < 0 ? 0 : n > most ? most : n;
}

/* How many of each are kept ready: enough for a full bench to arrive at once. STAGER_POOL is HOSTS or HOSTS,LEAVES. */
static void pool_want(const struct stg_station *s, struct fill *f)
{
	char *end = NULL;
	const char *text = getenv("STAGER_POOL");
	int64_t hosts = text ? strtoll(text, &end, 10) : s->rehearsal ? POOL_REHEARSAL : POOL;
	int64_t leaves = text && *end == ',' ? strtoll(end + 1, NULL, 10) : hosts;
	f->want = within(hosts, HOSTIDS);
	f->leaves_wanted = within(leaves, LEAF_KEYS);
}

unsigned int pool_threads(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	return cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (unsigned int)cores;
}

static unsigned int leaf_keys_ready(void)
{
	pthread_mutex_lock(&leaf_lock);
	unsigned int n = n_leaf_keys;
	pthread_mutex_unlock(&leaf_lock);
	return n;
}

static void leaf_key_keep(struct stg_secret *key)
{
	pthread_mutex_lock(&leaf_lock);
	if (n_leaf_keys < LEAF_KEYS)
		stg_secret_move(&leaf_keys[n_leaf_keys++], key);
	pthread_mutex_unlock(&leaf_lock);
}

static void fill_done(struct fill *f, const struct stg_error *err)
{
	struct stg_station *s = f->station;
	bool ok = !err || err->code == STG_OK, more = f->cpu_us > 0;
	if (!ok)
		stg_log_error(STG_LOG_WARNING, &tag, err);
	s->filling_pool--;
	s->pool_ready = ok && f->full;
	stg_buf_clear(&f->sealed);
	free(f);
	if (ok && !s->pool_ready && more)
		pool_fill(s);        /* the next one at once */
}

static bool keep_run(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct fill *f = arg;
	return stg_store_hostid_add(store, f->host_id, stg_buf_view(&f->sealed), err);
}

static void keep_done(void *arg, bool ok, const struct stg_error *err)
{
	struct fill *f = arg;
	fill_done(f, ok ? NULL : err);
}

static int64_t cpu_us_of(clockid_t thread)
{
	struct timespec t;
	return clock_gettime(thread, &t) == 0 ? (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 : 0;
}

/* What keys have cost, those that are being made with them: `make bench` takes it off what a device costs, and one alone
 * is a third of a second. */
static struct maker {
	bool runs;
	clockid_t clock;
	int64_t before_us;
} makers[THREADS_MAX];
static int64_t made_us;
static pthread_mutex_t makers_lock = PTHREAD_MUTEX_INITIALIZER;

static struct maker *maker_begin(void)
{
	struct maker *m = NULL;
	pthread_mutex_lock(&makers_lock);
	for (size_t i = 0; !m && i < STG_ARRAY_LEN(makers); i++)
		if (!makers[i].runs)
			m = &makers[i];
	if (m && pthread_getcpuclockid(pthread_self(), &m->clock) == 0) {
		m->runs = true;
		m->before_us = cpu_us_of(m->clock);
	}
	pthread_mutex_unlock(&makers_lock);
	return m;
}

static void maker_end(struct maker *m)
{
	pthread_mutex_lock(&makers_lock);
	if (m && m->runs)
		made_us += cpu_us_of(m->clock) - m->before_us;
	if (m)
		m->runs = false;
	pthread_mutex_unlock(&makers_lock);
}

int64_t pool_cpu_us(void)
{
	pthread_mutex_lock(&makers_lock);
	int64_t us = made_us;
	for (size_t i = 0; i < STG_ARRAY_LEN(makers); i++)
		if (makers[i].runs)
			us += cpu_us_of(makers[i].clock) - makers[i].before_us;
	pthread_mutex_unlock(&makers_lock);
	return us;
}

static bool make_leaf_key(struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret key = { 0 };
	if (!stg_leaf_key_make(&key, err))
		return false;
	leaf_key_keep(&key);
	return true;
}

static bool make_run(struct stg_store *store, void *arg, struct stg_error *err)
{
	(void)store;
	struct fill *f = arg;
	struct maker *m = maker_begin();
	int64_t before = cpu_us_of(CLOCK_THREAD_CPUTIME_ID);
	(void)setpriority(PRIO_PROCESS, 0, POLITENESS);   /* of this thread, as Linux has it */
	bool ok = f->free < f->want ? stg_hostid_make(f->station->keys, f->buid, f->host_id, &f->sealed, err) : make_leaf_key(err);
	f->cpu_us = cpu_us_of(CLOCK_THREAD_CPUTIME_ID) - before;
	maker_end(m);
	return ok;
}

static void make_done(void *arg, bool ok, const struct stg_error *err)
{
	struct fill *f = arg;
	if (ok && f->sealed.len) {
		queue_post(f->station->recorder, keep_run, keep_done, f);
		return;
	}
	fill_done(f, ok ? NULL : err);
}

static bool count_run(struct stg_store *store, void *arg, struct stg_error *err)
{
	return stg_store_hostid_count(store, &((struct fill *)arg)->free, err);
}

static void count_done(void *arg, bool ok, const struct stg_error *err)
{
	struct fill *f = arg;
	struct stg_station *s = f->station;
	int64_t leaves = leaf_keys_ready();
	bool low = f->free < (f->want + LOW - 1) / LOW || leaves < (f->leaves_wanted + LOW - 1) / LOW;
	f->full = f->free >= f->want && leaves >= f->leaves_wanted;
	if (!ok || f->full || (s->busy_workers && !low))
		fill_done(f, ok ? NULL : err);
	else
		queue_post(s->pool, make_run, make_done, f);
}

void pool_fill(struct stg_station *s)
{
	/* full as far as we know: one looks */
	while (s->filling_pool < (s->pool_ready ? 1 : pool_threads()) && !s->stopping) {
		struct fill *f = stg_calloc(1, sizeof(*f));
		f->station = s;
		f->sealed = STG_BUF(256 << 10);
		pool_want(s, f);
		stg_copy(f->buid, sizeof(f->buid), s->cache.buid);
		s->filling_pool++;
		queue_post(s->recorder, count_run, count_done, f);
	}
}

bool pool_take_leaf_key(struct stg_secret *ret)
{
	pthread_mutex_lock(&leaf_lock);
	bool any = n_leaf_keys > 0;
	if (any)
		stg_secret_move(ret, &leaf_keys[--n_leaf_keys]);
	pthread_mutex_unlock(&leaf_lock);
	return any;
}
