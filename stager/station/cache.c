/*
 * cache.c - what the main loop knows of the database without asking: ports, started batches, organisation, settings.
 *
 * For:    slots.c, asks.c, payload.c, which must not block.
 * Uses:   <stager/store.h> on the recorder's thread.
 * Called: at start, and after every operation that may have changed something.
 * Thread: loads on the recorder's, swaps on the main loop's.
 */
#include <stdlib.h>
#include <string.h>

#include <stager/clock.h>
#include <stager/ids.h>

#include "station_i.h"

static const struct stg_tag tag = { .room = "station" };

struct load {
	struct stg_station *station;
	struct cache fresh;
};

static void put_setting(struct stg_store *store, json_t *settings, const char *key)
{
	char *value = stg_store_get(store, key, NULL);
	if (value && *value)
		stg_json_put(settings, key, value);
	free(value);
}

static bool load_orgs(struct stg_store *store, struct cache *c, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_orgs(store, err);
	if (!rows)
		return false;
	c->orgs = stg_calloc(json_array_size(rows) + 1, sizeof(*c->orgs));
	for (size_t i = 0; i < json_array_size(rows); i++) {
		struct cache_org *one = &c->orgs[c->n_orgs++];
		one->sealed = STG_BUF(1 << 20);
		one->row = stg_store_org(store, stg_json_str(json_array_get(rows, i), "name"), &one->sealed, err);
		if (!one->row)
			return false;
	}
	return true;
}

const struct cache_org *slot_org(const struct stg_station *s, const struct slot *slot)
{
	const json_t *plan = json_object_get(slot->job_row, "blueprint");
	const char *name = plan ? stg_json_str(plan, "organisation") : slot->org_found ? slot->org
			 : stg_json_str(batch_on_port(s, slot->arrival.port), "organisation");
	for (size_t i = 0; i < s->cache.n_orgs; i++) {
		const struct cache_org *one = &s->cache.orgs[i];
		if (*name ? strcmp(stg_json_str(one->row, "name"), name) == 0 : stg_json_bool(one->row, "default", false))
			return one;
	}
	return NULL;
}

bool cache_load(struct stg_store *store, struct cache *c, struct stg_error *err)
{
	c->ports = stg_store_ports(store, err);
	if (!c->ports)
		return false;
	STG_AUTO(stg_json_free_at) json_t *all = stg_store_batches(store, err);
	if (!all)
		return false;
	c->batches = json_array();
	size_t i;
	json_t *b;
	json_array_foreach(all, i, b) {
		if (strcmp(stg_json_str(b, "state"), "started") != 0)
			continue;
		STG_AUTO(stg_json_free_at) json_t *pins = stg_store_batch_pins(store, stg_json_str(b, "name"), err);
		if (!pins)
			return false;
		json_t *one = json_object();
		stg_json_put(one, "name", stg_json_str(b, "name"));
		if (json_object_get(pins, "ports"))
			json_object_set(one, "ports", json_object_get(pins, "ports"));
		stg_json_put(one, "organisation", stg_json_str(json_object_get(pins, "blueprint"), "organisation"));
		json_array_append_new(c->batches, one);
	}
	if (!load_orgs(store, c, err))
		return false;
	c->settings = json_object();
	static const char *const keys[] = { "activation_url", "station_name", "station_id" };
	for (size_t k = 0; k < STG_ARRAY_LEN(keys); k++)
		put_setting(store, c->settings, keys[k]);
	if (!stg_store_window_read(store, &c->window, err))
		return false;
	char *buid = stg_store_get(store, "system_buid", err);
	if (!buid)
		return false;
	if (!*buid) {
		/* one per station, for ever: every pair record on every device refers to it */
		char fresh[STG_UUID_TEXT];
		stg_uuid4(fresh);
		for (char *p = fresh; *p; p++)
			*p = (char)(*p >= 'a' && *p <= 'f' ? *p - 32 : *p);
		stg_copy(c->buid, sizeof(c->buid), fresh);
		free(buid);
		return stg_store_set(store, "system_buid", fresh, err);
	}
	stg_copy(c->buid, sizeof(c->buid), buid);
	free(buid);
	return true;
}

void cache_clear(struct cache *c)
{
	json_decref(c->ports);
	json_decref(c->batches);
	for (size_t i = 0; i < c->n_orgs; i++) {
		json_decref(c->orgs[i].row);
		stg_buf_clear(&c->orgs[i].sealed);
	}
	free(c->orgs);
	json_decref(c->settings);
	*c = (struct cache){ 0 };
}

static void swap_in(struct stg_station *s, struct cache *fresh)
{
	cache_clear(&s->cache);
	s->cache = *fresh;
	*fresh = (struct cache){ 0 };
	/* virtual activation servers are named by the environment of a rehearsal, real ones by the setting */
	const char *url = stg_json_str(s->cache.settings, "activation_url");
	const char *env = getenv("STAGER_ACTIVATION_URL");
	if (!*url)
		url = s->rehearsal ? (env ? env : "") : "https://albert.apple.com";
	stg_copy(s->activation_url, sizeof(s->activation_url), url);
}

bool cache_load_now(struct stg_station *s, struct stg_error *err)
{
	struct cache fresh = { 0 };
	bool ok = cache_load(s->store, &fresh, err);
	if (ok)
		swap_in(s, &fresh);
	cache_clear(&fresh);
	return ok;
}

void cache_use(struct stg_station *s, struct cache *fresh)
{
	swap_in(s, fresh);
	for (struct slot *slot = s->slots; slot; slot = slot->next)
		stg_copy(slot->label, sizeof(slot->label), port_label(s, slot->arrival.port));
	window_changed(s);
	bus_changed(s);
	slots_reconsider(s);
	pushing_wake(s);
}

static bool run(struct stg_store *store, void *arg, struct stg_error *err)
{
	return cache_load(store, &((struct load *)arg)->fresh, err);
}

static void done(void *arg, bool ok, const struct stg_error *err)
{
	struct load *l = arg;
	struct stg_station *s = l->station;
	if (ok) {
		cache_use(s, &l->fresh);
	} else {
		stg_log_error(STG_LOG_WARNING, &tag, err);
	}
	cache_clear(&l->fresh);
	free(l);
	s->reloading = false;
	if (s->reload_again)
		cache_reload(s);
}

void cache_reload(struct stg_station *s)
{
	if (s->reloading) {
		s->reload_again = true;
		return;
	}
	struct load *l = stg_calloc(1, sizeof(*l));
	l->station = s;
	s->reloading = true;
	s->reload_again = false;
	queue_post(s->recorder, run, done, l);
}
