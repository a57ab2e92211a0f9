/*
 * window.c - the line of the running station: open, closed, and closing by itself when its hour has come.
 *
 * For:    activation (asks.c, intake.c, slots.c), results (pushing.c).
 * Uses:   the cache; a timer on CLOCK_BOOTTIME; the recorder, which notes that the hour has passed.
 * Called: cache.c (something changed), station.c (start).
 * Thread: the main loop's.
 */
#include <stdlib.h>

#include <stager/clock.h>

#include "station_i.h"

#define HOLD_UP_MS 5000      /* the note could not be written: try again so much later */

static const struct stg_tag tag = { .room = "line" };

bool window_open(const struct stg_station *s)
{
	return stg_window_is_open(&s->cache.window);
}

struct lapse {
	struct stg_station *station;
	bool closed;
};

static bool run(struct stg_store *store, void *arg, struct stg_error *err)
{
	return stg_store_window_lapse(store, &((struct lapse *)arg)->closed, err);
}

static void arm(struct stg_station *s, int64_t in_ms);

static void done(void *arg, bool ok, const struct stg_error *err)
{
	struct lapse *l = arg;
	if (!ok) {
		stg_log_error(STG_LOG_WARNING, &tag, err);
		arm(l->station, HOLD_UP_MS);
	} else if (l->closed) {
		stg_log(STG_LOG_NOTICE, &tag, "closed by itself: its hour has passed");
	}
	if (ok)
		cache_reload(l->station);
	free(l);
}

/* It is closed from now on, whether the note gets on disk or not: window_open() asks the clock. */
static int on_hour(sd_event_source *src, uint64_t us, void *arg)
{
	struct stg_station *s = arg;
	(void)src, (void)us;
	window_changed(s);
	if (window_open(s))
		return 0;
	struct lapse *l = stg_calloc(1, sizeof(*l));
	l->station = s;
	queue_post(s->recorder, run, done, l);
	return 0;
}

static void arm(struct stg_station *s, int64_t in_ms)
{
	uint64_t at_us = (uint64_t)(stg_boot_ms() + in_ms) * 1000;
	if (!s->window_timer) {
		if (sd_event_add_time(s->loop, &s->window_timer, CLOCK_BOOTTIME, at_us, 1000, on_hour, s) < 0)
			stg_log(STG_LOG_WARNING, &tag, "no timer for the line's hour; it is still closed then");
		return;
	}
	sd_event_source_set_time(s->window_timer, at_us);
	sd_event_source_set_enabled(s->window_timer, SD_EVENT_ONESHOT);
}

void window_changed(struct stg_station *s)
{
	const struct stg_window *w = &s->cache.window;
	int64_t left_ms = stg_window_left_ms(w);
	if (left_ms > 0 && left_ms < INT64_MAX)
		arm(s, left_ms);
	else if (s->window_timer)
		sd_event_source_set_enabled(s->window_timer, SD_EVENT_OFF);
	if (s->line_open == (left_ms > 0))
		return;
	s->line_open = left_ms > 0;
	if (s->line_open)
		s->line_due_ms = 0;     /* what waits for a line is tried now */
	pushing_line(s, s->line_open);
	refresh_line(s);
	socket_event(s, json_pack("{s:s, s:b, s:I}", "what", "line", "open", s->line_open, "until_ms", (json_int_t)w->until_ms));
}
