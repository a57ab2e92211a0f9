/*
 * bulk.c - a large transfer takes its turns on the cable it shares.
 *
 * For:    drivers that send apps, documents and images.
 * Uses:   the host's bulk_turn.
 * Called: by drivers, in a worker.
 * Thread: the caller's.
 */
#include <stager/host.h>

bool stg_bulk_take(struct stg_bulk *b, size_t n, struct stg_error *err)
{
	if (!b->asked && b->left_bytes < STG_BULK_MIN)
		return true;
	if (n > b->turn_bytes && b->host && b->host->bulk_turn) {
		/* a little over the turn is as good as another ask */
		b->asked = true;
		if (!b->host->bulk_turn(b->host->ctx, b->left_bytes ? b->left_bytes : n, &b->turn_bytes, err))
			return stg_while(err, "wait for a turn on the cable");
	}
	b->turn_bytes -= n < b->turn_bytes ? n : b->turn_bytes;
	b->left_bytes -= n < b->left_bytes ? n : b->left_bytes;
	return true;
}

void stg_bulk_done(struct stg_bulk *b)
{
	uint64_t none;
	if (b->asked && b->host && b->host->bulk_turn)
		(void)b->host->bulk_turn(b->host->ctx, 0, &none, NULL);
	b->asked = false;
	b->left_bytes = b->turn_bytes = 0;
}
