/*
 * muxdoor.c - steers the mux door process: one private door for each worker.
 *
 * For:    workers.c. The door's own code is drivers/apple/muxdoor.c.
 * Uses:   <stager/muxdoor.h> for the messages.
 * Called: station.c (start), workers.c (open, close), asks.c (a new pair record).
 * Thread: the main loop's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "station_i.h"

static const struct stg_tag tag = { .room = "muxdoor" };

static struct slot *slot_by_ref(struct stg_station *s, int64_t ref)
{
	for (struct slot *slot = s->slots; slot; slot = slot->next)
		if (slot->worker && slot->worker->ref == ref)
			return slot;
	return NULL;
}

static int on_door(sd_event_source *src, int fd, uint32_t what, void *arg)
{
	(void)fd, (void)what;
	struct stg_station *s = arg;
	struct stg_error err = { 0 };
	bool alive = stg_channel_pump(s->muxdoor, &err);
	json_t *m;
	while ((m = stg_channel_next(s->muxdoor, NULL))) {
		const char *t = stg_json_str(m, "t");
		struct slot *slot = slot_by_ref(s, stg_json_int(m, "id", -1));
		if (strcmp(t, "opened") == 0 && slot)
			worker_door_ready(s, slot);
		else if (strcmp(t, "failed") == 0 && slot)
			worker_kill(s, slot);
		else if (strcmp(t, "refused") == 0)
			stg_log(STG_LOG_WARNING, &tag, "a worker tried '%s': refused", stg_json_str(m, "what"));
		json_decref(m);
	}
	if (!alive) {
		stg_log(STG_LOG_ERR, &tag, "ended: %s; starting another", err.msg);
		sd_event_source_disable_unref(src);
		s->muxdoor_io = NULL;
		stg_channel_free(s->muxdoor);
		s->muxdoor = NULL;
		for (struct slot *slot = s->slots; slot; slot = slot->next)
			if (slot->worker)
				worker_kill(s, slot);
		if (!door_start(s, &err)) {
			stg_log_error(STG_LOG_ERR, &tag, &err);
			s->exit_status = 4;
			sd_event_exit(s->loop, 4);
		}
	}
	return 0;
}

bool door_start(struct stg_station *s, struct stg_error *err)
{
	int fd = nursery_spawn(s->nursery, "muxdoor", "muxdoor", -1, err);
	if (fd < 0)
		return stg_while(err, "start the mux door");
	s->muxdoor = stg_channel_new(fd);
	int r = sd_event_add_io(s->loop, &s->muxdoor_io, fd, EPOLLIN, on_door, s);
	return r >= 0 || stg_fail_id(err, STG_E_STATION, STG_ID_START_FAILED, -r, "watch the mux door: %s", strerror(-r));
}

static void put_record(json_t *m, const struct stg_secret *record)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(1 << 20);
	if (record && stg_secret_is_set(record) && stg_base64(stg_secret_reveal(record), &text, NULL))
		stg_json_put(m, "record", stg_buf_str(&text));
}

bool door_open(struct stg_station *s, struct slot *slot, const struct stg_secret *record, struct stg_error *err)
{
	struct worker *w = slot->worker;
	if (!s->muxdoor)
		return stg_fail_id(err, STG_E_STATION, STG_ID_WORKER_DIED, 0, "the mux door is not there");
	char path[sizeof(s->run_dir) + 16];
	snprintf(path, sizeof(path), "%s/d%u", s->run_dir, w->ref);
	if (!stg_copy(w->mux, sizeof(w->mux), "UNIX:") || !stg_copy(w->mux + 5, sizeof(w->mux) - 5, path))
		return stg_fail_id(err, STG_E_STATION, STG_ID_SOCKET_PATH, 0, "%s", path);
	json_t *m = json_object();
	stg_json_put(m, "t", "open");
	stg_json_put_int(m, "v", STG_MESSAGE_VERSION);
	stg_json_put_int(m, "id", w->ref);
	stg_json_put(m, "path", path);
	stg_json_put(m, "udid", slot->arrival.udid);
	stg_json_put_int(m, "device_id", slot->arrival.handle);
	stg_json_put_int(m, "product_id", slot->arrival.pid);
	stg_json_put(m, "buid", s->cache.buid);
	stg_json_put_int(m, "pid", w->pid);
	put_record(m, record);
	bool ok = stg_channel_send(s->muxdoor, m, NULL, 0, err);
	json_decref(m);
	return ok;
}

void door_record(struct stg_station *s, const struct worker *w, const struct stg_secret *record)
{
	if (!s->muxdoor)
		return;
	json_t *m = json_pack("{s:s, s:I}", "t", "record", "id", (json_int_t)w->ref);
	put_record(m, record);
	(void)stg_channel_send(s->muxdoor, m, NULL, 0, NULL);
	json_decref(m);
}

void door_close(struct stg_station *s, const struct worker *w)
{
	if (!s->muxdoor || !w->mux[0])
		return;
	json_t *m = json_pack("{s:s, s:I}", "t", "close", "id", (json_int_t)w->ref);
	(void)stg_channel_send(s->muxdoor, m, NULL, 0, NULL);
	json_decref(m);
}
