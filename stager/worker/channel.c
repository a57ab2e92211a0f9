/*
 * channel.c - a worker's end of the channel.
 *
 * For:    every word a worker says or hears.
 * Uses:   <stager/message.h>.
 * Called: by the other files of this room.
 * Thread: the worker's only one.
 *
 * A worker without a station must not act: when the channel ends the process ends here, wherever it was called from.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/leave.h>
#include <stager/message.h>

#include "worker_i.h"

#define SEND_TIMEOUT_MS 60000

static _Noreturn void leave(void)
{
	stg_leave(0);
}

void worker_send(struct worker *w, json_t *msg)
{
	struct stg_error err = { 0 };
	if (w->held)
		worker_send(w, stg_steal(w->held));     /* words leave in the order they were said */
	bool sent = stg_message_send(w->fd, msg, NULL, 0, SEND_TIMEOUT_MS, &err);
	json_decref(msg);
	if (!sent)
		leave();
}

json_t *worker_next(struct worker *w)
{
	struct stg_error err = { 0 };
	int fds[STG_MESSAGE_FDS];
	json_t *msg = stg_message_recv(w->fd, fds, -1, &err);
	if (!msg)
		leave();
	stg_close_at(&w->came_fd);
	w->came_fd = fds[0];
	for (size_t i = 1; i < STG_MESSAGE_FDS; i++)
		stg_close_at(&fds[i]);
	if (strcmp(stg_json_str(msg, "t"), "end") == 0)
		w->told_to_end = true;
	return msg;
}

json_t *worker_await(struct worker *w, const char *kind, bool or_end)
{
	for (;;) {
		json_t *msg = worker_next(w);
		const char *t = stg_json_str(msg, "t");
		if (strcmp(t, kind) == 0)
			return msg;
		bool ends = strcmp(t, "end") == 0;
		json_decref(msg);
		if (ends && or_end)
			return NULL;
	}
}

bool worker_pause(struct worker *w, int64_t ms)
{
	int64_t until = stg_boot_ms() + ms;
	while (!w->told_to_end && !stg_stop_pulled(w->stop)) {
		int64_t left = until - stg_boot_ms();
		if (left <= 0)
			return true;
		struct pollfd p[2] = {
			{ .fd = w->fd, .events = POLLIN },
			{ .fd = stg_stop_fd(w->stop), .events = POLLIN },
		};
		int n = poll(p, 2, left > 60000 ? 60000 : (int)left);
		if (n > 0 && p[0].revents)
			json_decref(worker_next(w));
	}
	return false;
}
