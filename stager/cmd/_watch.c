/*
 * _watch.c - the live board of a running station.
 *
 * For:    `stager batch start NAME --watch`, `stager status --watch`.
 * Uses:   the station's events; op "batch.show" to know when a batch has come to its end.
 * Called: from those commands.
 * Thread: the command's.
 */
#include <string.h>

#include <stager/clock.h>
#include <stager/text.h>

#include "_board.h"
#include "_child.h"
#include "_watch.h"

#define LOOK_MS 500

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
