/*
 * window.c - the line: open, closed, or open until an hour.
 *
 * For:    ops/window.c, the status, the station's own timer and cache.
 * Uses:   the settings "window" and "window_until".
 * Called: on the thread that has the store; stg_window_* anywhere.
 * Thread: see above.
 *
 * "window" is "open" or "closed". "window_until" is "UNTIL_MS SET_MS BOOT_ID UNTIL_BOOT_MS": the hour as people read it,
 * when that was said, and the same instant on the clock that no one sets. Within one boot only that clock decides; after a
 * restart the wall clock does, and one that stands before the order was given is not believed. A bare UNTIL_MS is what
 * earlier versions wrote.
 */
#include <stdlib.h>

#include "db.h"

bool stg_store_window_set(struct stg_store *s, bool open, int64_t until_ms, struct stg_error *err)
{
	char until[160];
	int64_t now_ms = stg_wall_ms();
	STG_AUTO(tx_end) struct tx t = { 0 };
	snprintf(until, sizeof(until), "%lld %lld %s %lld", (long long)until_ms, (long long)now_ms, stg_boot_id(),
		 (long long)(stg_boot_ms() + (until_ms - now_ms)));
	return tx_begin(&t, s, err) && stg_store_set(s, "window", open ? "open" : "closed", err) &&
	       stg_store_set(s, "window_until", open && until_ms ? until : NULL, err) && tx_commit(&t, err);
}

bool stg_store_window_read(struct stg_store *s, struct stg_window *ret, struct stg_error *err)
{
	STG_AUTO(stg_free_at) char *state = stg_store_get(s, "window", err);
	STG_AUTO(stg_free_at) char *until = state ? stg_store_get(s, "window_until", err) : NULL;
	char boot[64] = "";
	long long until_ms = 0, set_ms = 0, until_boot_ms = 0;
	if (!until)
		return false;
	int n = sscanf(until, "%lld %lld %63s %lld", &until_ms, &set_ms, boot, &until_boot_ms);
	*ret = (struct stg_window){ .is_closed = strcmp(state, "closed") == 0, .until_ms = until_ms };
	if (n == 4) {
		ret->set_ms = set_ms;
		if (strcmp(boot, stg_boot_id()) == 0)
			ret->until_boot_ms = until_boot_ms;
	}
	return true;
}

int64_t stg_window_left_ms(const struct stg_window *w)
{
	int64_t left, now_ms = stg_wall_ms();
	if (w->is_closed)
		return 0;
	if (!w->until_ms)
		return INT64_MAX;
	if (w->until_boot_ms)
		left = w->until_boot_ms - stg_boot_ms();
	else
		left = now_ms < w->set_ms ? 0 : w->until_ms - now_ms;
	return left > 0 ? left : 0;
}

bool stg_window_is_open(const struct stg_window *w)
{
	return stg_window_left_ms(w) > 0;
}

bool stg_store_window(struct stg_store *s, bool *ret_open, int64_t *ret_until_ms, struct stg_error *err)
{
	struct stg_window w;
	if (!stg_store_window_read(s, &w, err))
		return false;
	*ret_open = stg_window_is_open(&w);
	if (ret_until_ms)
		*ret_until_ms = w.until_ms;
	return true;
}

bool stg_store_window_lapse(struct stg_store *s, bool *ret_closed, struct stg_error *err)
{
	struct stg_window w;
	STG_AUTO(tx_end) struct tx t = { 0 };
	*ret_closed = false;
	if (!tx_begin(&t, s, err) || !stg_store_window_read(s, &w, err))
		return false;
	if (w.is_closed || !w.until_ms || stg_window_is_open(&w))
		return true;
	STG_AUTO(stg_json_free_at) json_t *entry = json_pack("{s:s,s:s,s:s,s:s,s:{s:I}}", "actor", "station", "verb", "window.close", "object", "",
							     "outcome", "lapsed", "detail", "until_ms", (json_int_t)w.until_ms);
	if (!stg_store_window_set(s, false, 0, err) || !stg_store_audit(s, entry, err) || !tx_commit(&t, err))
		return false;
	*ret_closed = true;
	return true;
}
