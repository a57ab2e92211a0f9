/*
 * _watch.c - the live board of a running station.
 *
 * For:    `stager batch start NAME --watch`, `stager status --watch`.
 * Uses:   the station's events; op "batch.show" to know when a batch has come to its end.
 * Called: from those commands.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/clock.h>
#include <stager/text.h>

#include "_board.h"
#include "_child.h"
#include "_details.h"
#include "_table.h"
#include "_watch.h"

#define LOOK_MS 500
#define SOON_DAYS 30

struct watching {
	struct stg_caller *caller;
	const char *batch;
	struct board *board;
	int64_t looked_ms;
	json_t *balance;
};

static bool at_its_end(struct watching *w)
{
	STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:s}", "name", w->batch), *ret = NULL;
	int64_t now = stg_boot_ms();
	if (board_busy(w->board) || now - w->looked_ms < LOOK_MS)
		return false;
	w->looked_ms = now;
	if (!stg_call(w->caller, "batch.show", in, NULL, 0, &ret, NULL))
		return true;
	json_decref(w->balance);
	w->balance = json_incref(json_object_get(ret, "balance"));
	return !stg_json_int(w->balance, "running", 0) && !stg_json_int(w->balance, "missing", 0) && !stg_json_int(w->balance, "waiting", 0);
}

static bool each(void *ctx, const json_t *event)
{
	struct watching *w = ctx;
	if (event)
		board_event(w->board, event);
	board_draw(w->board);
	return !w->batch || !at_its_end(w);
}

/* What ends within 30 days stands on the board from the first moment: the first of it. */
static void say_calendar(struct watching *w)
{
	STG_AUTO(stg_json_free_at) json_t *in = json_object(), *ret = NULL;
	stg_json_put_int(in, "days", SOON_DAYS);
	stg_json_put(in, "batch", w->batch);
	if (!stg_call(w->caller, "expiry", in, NULL, 0, &ret, NULL))
		return;
	const json_t *entries = json_object_get(ret, "entries");
	for (size_t i = 0; i < json_array_size(entries); i++) {
		const json_t *one = json_array_get(entries, i);
		int64_t ends_ms = stg_json_int(one, "ends_ms", 0);
		char what[300], line[400], day[32];
		if (!ends_ms || strcmp(stg_json_str(one, "kind"), "challenges") == 0)
			continue;
		detail_text(stg_json_str(one, "text"), what, sizeof(what));
		day_text(ends_ms, day);
		snprintf(line, sizeof(line), ends_ms <= stg_wall_ms() ? _("%s ended on %s.") : _("%s ends on %s."), what, day);
		board_say(w->board, line);
		return;
	}
}

int board_watch(struct stg_cmd_ctx *c, const char *batch)
{
	struct stg_error err = { 0 };
	struct child station;
	int status = 0;
	struct stg_caller *caller = stg_cmd_caller(c, &status);
	if (!caller)
		return status;
	if (!station_needed(caller, &station, &err))
		return stg_cmd_tell(c, &err);
	struct watching w = { .caller = caller, .batch = batch, .board = board_new(c->json || c->quiet ? BOARD_SILENT : BOARD_AUTO, stdout) };
	say_calendar(&w);
	bool ok = stg_events(caller, each, &w, NULL, &err);
	board_free(w.board);
	if (!ok)
		status = stg_cmd_tell(c, &err);
	else if (stg_json_int(w.balance, "failed", 0))
		status = 1;
	else if (stg_json_int(w.balance, "hold", 0) || stg_json_int(w.balance, "waiting", 0) || stg_json_int(w.balance, "missing", 0))
		status = 6;
	json_decref(w.balance);
	station_release(caller, &station);
	return status;
}
