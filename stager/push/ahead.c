/*
 * ahead.c - while a receiver works on one batch, the one before it is put down and the next one is made ready.
 *
 * For:    delivery.c, sending.c: a receiver is asked again as soon as it has answered.
 * Uses:   the inventory through the door, request.c.
 * Called: around each request of a target that may be hurried.
 * Thread: one of its own for as long as one request takes; who began it touches neither door nor target's programs meanwhile.
 *
 * What is taken ahead is "sending" before it is sent, and what was answered is "sending" a little longer: a station that dies
 * meanwhile finds both in doubt. So only a receiver that knows a repeated result by its key, with nothing to look up, is hurried.
 */
#include "deliver.h"

bool ahead_may(const struct round *r)
{
	const struct push_target *t = r->target;
	static const char *const slow[] = { "phases", "lookup", "operation", "update", "rate" };
	for (size_t i = 0; i < STG_ARRAY_LEN(slow); i++)
		if (json_object_get(t->connector, slow[i]))
			return false;
	return !t->kind && r->door->settle_many && *stg_json_str(t->connector, "natural_key") && !push_call_is_single(json_object_get(t->connector, "request"));
}

/* The body the next request will most likely have. What does not work is found again, and said, when its turn has come. */
static void make_body_ahead(struct round *r)
{
	struct push_ahead *h = r->ahead;
	STG_AUTO(stg_json_free_at) json_t *records = json_array();
	size_t i;
	json_t *row;
	json_array_foreach(h->taken, i, row) {
		json_t *record = json_object_get(row, "record");
		if (!record || strcmp(stg_json_str(row, "was"), "queued") != 0)
			return;
		json_array_append(records, record);
	}
	if (!i)
		return;
	STG_AUTO(stg_json_free_at) json_t *enriched = push_records_enrich(r->target, h->taken, records, NULL);
	if (enriched)
		push_body_ahead(r->target, h->taken, enriched, &h->made);
}

static void *run(void *arg)
{
	struct round *r = arg;
	struct push_ahead *h = r->ahead;
	struct stg_error none;
	/* an inventory that fails here fails again, and is heard, when the rows' turn has come */
	if (h->settled && r->door->settle_many(r->door->ctx, h->settled, &none))
		ahead_told(r);
	if (!h->taken) {
		h->taken = r->door->take(r->door->ctx, r->target->name, r->max_items, &none);
		make_body_ahead(r);
	}
	return NULL;
}

void ahead_begin(struct round *r)
{
	struct push_ahead *h = r->ahead;
	if (h && !h->is_running)
		h->is_running = pthread_create(&h->thread, NULL, run, r) == 0;
}

void ahead_end(struct round *r)
{
	struct push_ahead *h = r->ahead;
	if (!h || !h->is_running)
		return;
	(void)pthread_join(h->thread, NULL);
	h->is_running = false;
}

void ahead_told(struct round *r)
{
	struct push_ahead *h = r->ahead;
	const int64_t n = (int64_t)json_array_size(h->settled);
	json_decref(h->settled);
	h->settled = NULL;
	r->delivered += n;
	tell(r, "delivered", n);
}

json_t *ahead_taken(struct round *r)
{
	return r->ahead ? stg_steal(r->ahead->taken) : NULL;
}
