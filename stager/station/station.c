/*
 * station.c - the running station: starts everything, waits for events, stops everything in the opposite order.
 *
 * For:    `stager run`, and every command that stages by itself.
 * Uses:   the rooms below; sd-event.
 * Called: cmd/run.c, cmd/stage.c, cmd/demo.c.
 * Thread: the main loop. Owns the slots, the workers' channels, the clients.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/file.h>
#include <stager/ids.h>
#include <stager/net.h>

#include "bulk.h"
#include "station_i.h"

#define ORPHANS_MS 20000     /* how long an earlier station's workers may take to die */
#define TICK_MS 1000
#define SETTLE_MS 300        /* no arrival for so long after start: what was plugged in is known */
#define ATTACH_BLOCK 20      /* bits of the attach epoch that count within one start */

static const struct stg_tag tag = { .room = "station" };

static int on_recorder(sd_event_source *src, int fd, uint32_t what, void *arg)
{
	(void)src, (void)fd, (void)what;
	struct stg_station *s = arg;
	queue_drain(s->recorder);
	station_stop_if_idle(s);
	return 0;
}

static int on_maker(sd_event_source *src, int fd, uint32_t what, void *arg)
{
	(void)src, (void)fd, (void)what;
	queue_drain(((struct stg_station *)arg)->maker);
	return 0;
}

static int on_pool(sd_event_source *src, int fd, uint32_t what, void *arg)
{
	(void)src, (void)fd, (void)what;
	queue_drain(((struct stg_station *)arg)->pool);
	return 0;
}

static int on_relay(sd_event_source *src, int fd, uint32_t what, void *arg)
{
	(void)src, (void)fd, (void)what;
	queue_drain(((struct stg_station *)arg)->relay);
	return 0;
}

static int on_nursery(sd_event_source *src, int fd, uint32_t what, void *arg)
{
	(void)fd, (void)what;
	struct stg_station *s = arg;
	struct stg_error err = { 0 };
	bool alive = stg_channel_pump(s->nursery->channel, &err);
	json_t *m;
	while ((m = stg_channel_next(s->nursery->channel, NULL))) {
		if (strcmp(stg_json_str(m, "t"), "spawned") == 0)
			workers_spawned(s, m);
		else if (strcmp(stg_json_str(m, "t"), "exited") == 0)
			workers_exited(s, m);
		json_decref(m);
	}
	if (!alive) {
		/* without it no device can be served: leave and let systemd start us again; jobs are on disk */
		stg_log(STG_LOG_ERR, &tag, "the nursery has ended: %s; stopping", err.msg);
		sd_event_source_set_enabled(src, SD_EVENT_OFF);
		s->exit_status = 4;
		sd_event_exit(s->loop, 4);
	}
	return 0;
}

static int on_outside(sd_event_source *src, int fd, uint32_t what, void *arg)
{
	(void)src, (void)fd, (void)what;
	struct stg_station *s = arg;
	queue_drain(s->outside);
	station_stop_if_idle(s);
	return 0;
}

static void settle_again(struct stg_station *s)
{
	if (s->settle_timer && !s->settled)
		sd_event_source_set_time(s->settle_timer, (uint64_t)(stg_boot_ms() + SETTLE_MS) * 1000);
}

static int on_watch(sd_event_source *src, int fd, uint32_t what, void *arg)
{
	(void)src, (void)fd, (void)what;
	struct stg_station *s = arg;
	struct stg_watch_event e;
	while (stg_watch_next(s->watch, &e)) {
		switch (e.kind) {
		case STG_WATCH_ARRIVED:
			s->listed_ms = stg_boot_ms();
			place_arrived(s, &e.arrival);
			break;
		case STG_WATCH_LEFT:
			/* by usbmuxd's own number: a name may be somebody else's, or none */
			if (slot_by_handle(s, e.arrival.handle))
				slot_left(s, slot_by_handle(s, e.arrival.handle));
			break;
		case STG_WATCH_UP:
			s->mux_up = true;
			stg_log(STG_LOG_INFO, &tag, "usbmuxd answers");
			break;
		case STG_WATCH_DOWN:
			if (s->mux_up || !s->settled)
				stg_log_error(STG_LOG_WARNING, &tag, &e.err);
			s->mux_up = false;
			break;
		}
		settle_again(s);
	}
	unlisted_look(s);
	slots_serve(s);
	return 0;
}

/* What libusb-level watching says; Apple devices in normal mode come through usbmuxd. */
void topology_heard(struct stg_station *s)
{
	struct stg_usb_event e;
	if (!stg_topology_scan(s->topology, NULL))
		return;
	while (stg_topology_next(s->topology, &e)) {
		bool ours = strcmp(e.device.driver, "apple") == 0 && e.device.mode == STG_MODE_NORMAL;
		struct slot *slot = ours ? slot_by_udid(s, e.device.udid) : NULL;
		if (slot && e.kind == STG_USB_ARRIVED && !slot->arrival.port[0])
			slot_placed(s, slot, &e.device);
		if (strcmp(e.device.driver, "apple") == 0 && boot_mode(e.device.mode))
			(e.kind == STG_USB_ARRIVED ? boot_seen : boot_gone)(s, &e.device);
		bus_changed(s);
		if (!ours)
			socket_event(s, json_pack("{s:s, s:s}", "what", "topology", "port", e.device.port));
	}
	unlisted_look(s);
	slots_serve(s);
}

static int on_topology(sd_event_source *src, int fd, uint32_t what, void *arg)
{
	(void)src, (void)fd, (void)what;
	topology_heard(arg);
	return 0;
}

static int on_signal(sd_event_source *src, const struct signalfd_siginfo *info, void *arg)
{
	(void)src;
	struct stg_station *s = arg;
	/* the first asks politely, the second does not wait */
	station_stop(s, s->stopping);
	stg_log(STG_LOG_INFO, &tag, "signal %u: stopping", info->ssi_signo);
	return 0;
}

static int on_settled(sd_event_source *src, uint64_t us, void *arg)
{
	(void)us;
	struct stg_station *s = arg;
	sd_event_source_set_enabled(src, SD_EVENT_OFF);
	s->settled = true;
	socket_event(s, json_pack("{s:s, s:b}", "what", "settled", "mux", s->mux_up));
	return 0;
}

static int on_tick(sd_event_source *src, uint64_t us, void *arg)
{
	struct stg_station *s = arg;
	pool_fill(s);
	slots_retry_line(s);
	if (s->learning_until_ms && stg_boot_ms() >= s->learning_until_ms)
		stg_station_learning(s, 0);
	slots_serve(s);
	station_stop_if_idle(s);
	sd_event_source_set_time(src, us + TICK_MS * 1000ull);
	sd_event_source_set_enabled(src, SD_EVENT_ONESHOT);
	return 0;
}

/* No worker of an earlier station may act beside ours. */
static bool no_orphans(struct stg_station *s, struct stg_error *err)
{
	char path[600];
	if (!stg_path_join(path, sizeof(path), s->state_dir, "workers.lock", err))
		return false;
	STG_AUTO(stg_close_at) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return stg_fail_id(err, STG_E_STATION, STG_ID_START_FAILED, errno, "%s: %s", path, strerror(errno));
	struct stg_error why = { 0 };
	if (!stg_lock_wait(fd, ORPHANS_MS, &why)) {
		if (why.code == STG_E_TIMEOUT)
			return stg_fail_id(err, STG_E_STATION, STG_ID_ORPHANS, 0, "%s is still held", path);
		return stg_fail_id(err, STG_E_STATION, STG_ID_START_FAILED, why.origin, "%s: %s", path, why.msg);
	}
	return flock(fd, LOCK_UN) == 0 || stg_fail_id(err, STG_E_STATION, STG_ID_START_FAILED, errno, "%s: %s", path, strerror(errno));
}

/* A rehearsal state uses virtual devices and loopback only; a production state refuses them (design.md 3, `init`). */
static bool kind_fits(struct stg_station *s, struct stg_error *err)
{
	const char *mux = getenv("USBMUXD_SOCKET_ADDRESS");
	if (!s->rehearsal && mux && *mux)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_VIRTUAL_IN_PRODUCTION, 0, "USBMUXD_SOCKET_ADDRESS is set");
	return true;
}

static bool open_state(struct stg_station *s, struct stg_error *err)
{
	int64_t start = 0, interrupted = 0;
	if (!stg_state_open(s->state_dir, s->setup.kind, &s->store, &s->keys, err))
		return false;
	s->rehearsal = stg_store_kind_of(s->store) == STG_STORE_REHEARSAL;
	if (!kind_fits(s, err) || !no_orphans(s, err) || !stg_store_recover(s->store, &interrupted, err) ||
	    !stg_store_next(s->store, "start", &start, err) || !cache_load_now(s, err))
		return false;
	s->next_attach = (uint64_t)start << ATTACH_BLOCK | 1;
	if (interrupted)
		stg_log(STG_LOG_NOTICE, &tag, "%lld interrupted jobs will go on when their devices are back", (long long)interrupted);
	return true;
}

static bool make_run_dir(struct stg_station *s, struct stg_error *err)
{
	/* the doors' paths must fit 107 bytes: beside the state when that is short, else under /tmp for this process alone */
	if (strlen(s->state_dir) < 70) {
		snprintf(s->run_dir, sizeof(s->run_dir), "%.70s/run", s->state_dir);
		return stg_folder_make(s->run_dir, 0700, err);
	}
	snprintf(s->run_dir, sizeof(s->run_dir), "/tmp/stager-XXXXXX");
	return mkdtemp(s->run_dir) || stg_fail_id(err, STG_E_STATION, STG_ID_START_FAILED, errno, "make a folder for sockets: %s", strerror(errno));
}

static bool add_io(struct stg_station *s, sd_event_source **ret, int fd, sd_event_io_handler_t f, struct stg_error *err)
{
	int r = sd_event_add_io(s->loop, ret, fd, EPOLLIN, f, s);
	return r >= 0 || stg_fail_id(err, STG_E_STATION, STG_ID_START_FAILED, -r, "watch a descriptor: %s", strerror(-r));
}

static bool add_timer(struct stg_station *s, sd_event_source **ret, int64_t in_ms, sd_event_time_handler_t f, struct stg_error *err)
{
	int r = sd_event_add_time(s->loop, ret, CLOCK_BOOTTIME, (uint64_t)(stg_boot_ms() + in_ms) * 1000, 1000, f, s);
	return r >= 0 || stg_fail_id(err, STG_E_STATION, STG_ID_START_FAILED, -r, "start a timer: %s", strerror(-r));
}

static bool start_loop(struct stg_station *s, struct stg_error *err)
{
	int r = sd_event_new(&s->loop);
	if (r < 0)
		return stg_fail_id(err, STG_E_STATION, STG_ID_START_FAILED, -r, "event loop: %s", strerror(-r));
	sigset_t mask;
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	return (sd_event_add_signal(s->loop, NULL, SIGTERM, on_signal, s) >= 0 &&
		sd_event_add_signal(s->loop, NULL, SIGINT, on_signal, s) >= 0) ||
	       stg_fail_id(err, STG_E_STATION, STG_ID_START_FAILED, 0, "cannot take signals");
}

static bool start_queues(struct stg_station *s, struct stg_error *err)
{
	return (s->recorder = queue_start("recorder", 1, s->store, err)) && (s->maker = queue_start("maker", 1, NULL, err)) &&
	       (s->pool = queue_start("pool", pool_threads(), NULL, err)) && (s->relay = queue_start("relay", 4, NULL, err)) &&
	       (s->outside = queue_start("outside", 2, NULL, err)) &&
	       add_io(s, &s->recorder_io, queue_fd(s->recorder), on_recorder, err) &&
	       add_io(s, &s->maker_io, queue_fd(s->maker), on_maker, err) &&
	       add_io(s, &s->pool_io, queue_fd(s->pool), on_pool, err) &&
	       add_io(s, &s->relay_io, queue_fd(s->relay), on_relay, err) &&
	       add_io(s, &s->outside_io, queue_fd(s->outside), on_outside, err);
}

struct stg_station *stg_station_start(struct stg_nursery *n, const struct stg_station_setup *setup, struct stg_error *err)
{
	struct stg_station *s = stg_calloc(1, sizeof(*s));
	s->setup = *setup;
	s->nursery = n;
	s->no_erase = getenv("STAGER_NO_ERASE") != NULL;
	s->started_ms = stg_boot_ms();
	s->bulk = bulk_new();
	if (!s->setup.max_workers)
		s->setup.max_workers = 96;
	signal(SIGPIPE, SIG_IGN);
	if (!stg_copy(s->state_dir, sizeof(s->state_dir), setup->state_dir)) {
		stg_fail_id(err, STG_E_STATION, STG_ID_SOCKET_PATH, 0, "the state folder's name is too long");
		goto failed;
	}
	if (setup->socket)
		stg_copy(s->socket, sizeof(s->socket), setup->socket);
	else if (!stg_path_join(s->socket, sizeof(s->socket), s->state_dir, "stager.sock", err))
		goto failed;
	if (!start_loop(s, err) || !open_state(s, err) || !make_run_dir(s, err) || !stg_net_start(err) || !start_queues(s, err) ||
	    !add_io(s, &s->nursery_io, stg_channel_fd(n->channel), on_nursery, err) || !door_start(s, err) ||
	    !socket_listen(s, err))
		goto failed;
	s->topology = stg_topology_new(err);
	s->watch = stg_watch_open(err);
	if (!s->topology || !s->watch || !add_io(s, &s->watch_io, stg_watch_fd(s->watch), on_watch, err) ||
	    !add_io(s, &s->topology_io, stg_topology_fd(s->topology), on_topology, err) ||
	    !add_timer(s, &s->tick, 50, on_tick, err) || !add_timer(s, &s->settle_timer, SETTLE_MS, on_settled, err) ||
	    (window_changed(s), !pushing_start(s, err)) || !refresh_start(s, err))
		goto failed;
	(void)stg_topology_scan(s->topology, NULL);
	on_watch(NULL, -1, 0, s);
	if (s->setup.notify) {
		sd_event_set_watchdog(s->loop, true);
		sd_notify(0, "READY=1\nSTATUS=Watching the ports");
	}
	stg_log(STG_LOG_INFO, &tag, "ready after %lld ms", (long long)(stg_boot_ms() - s->started_ms));
	return s;
failed:
	stg_station_free(s);
	return NULL;
}

bool stg_station_run(struct stg_station *s, struct stg_error *err)
{
	int r = sd_event_loop(s->loop);
	if (r < 0)
		return stg_fail_id(err, STG_E_STATION, STG_ID_START_FAILED, -r, "event loop: %s", strerror(-r));
	return s->exit_status == 0 || stg_fail_id(err, STG_E_STATION, STG_ID_STATION_FELL, 0, "the station had to stop; see the log");
}

void stg_station_free(struct stg_station *s)
{
	if (!s)
		return;
	if (s->setup.notify)
		sd_notify(0, "STOPPING=1");
	s->stopping = true;     /* also when the loop ended in trouble: what is drained below must start nothing new */
	pushing_stop(s);
	stg_watch_close(s->watch);
	stg_topology_free(s->topology);
	unlisted_free(s);
	slots_free(s);
	stg_channel_free(s->muxdoor);
	s->muxdoor = NULL;
	/* what one has finished may be posted on another, and clients wait for some of it: all end before any of them is freed */
	queue_end(s->outside);
	queue_end(s->relay);
	queue_end(s->maker);
	queue_end(s->recorder);
	socket_close(s);
	queue_stop(s->outside);
	queue_stop(s->relay);
	queue_stop(s->pool);
	queue_stop(s->maker);
	queue_stop(s->recorder);
	refresh_stop(s);
	cache_clear(&s->cache);
	sd_event_source *sources[] = { s->nursery_io, s->watch_io, s->muxdoor_io, s->topology_io, s->recorder_io, s->maker_io,
		s->pool_io, s->relay_io, s->outside_io, s->settle_timer, s->tick, s->window_timer, s->start_timer, s->bulk_timer, s->bus_timer };
	for (size_t i = 0; i < STG_ARRAY_LEN(sources); i++)
		sd_event_source_unref(sources[i]);
	sd_event_unref(s->loop);
	bulk_free(s->bulk);
	json_decref(s->bus_told);
	stg_keys_close(s->keys);
	stg_store_close(s->store);
	if (s->run_dir[0])
		(void)rmdir(s->run_dir);
	free(s);
}

json_t *station_running(const struct stg_station *s)
{
	json_t *list = json_array();
	for (const struct slot *slot = s->slots; slot; slot = slot->next) {
		if (slot->state != SLOT_STEPS && slot->state != SLOT_INTAKE && slot->state != SLOT_DECIDING)
			continue;
		int64_t left = slot->step_deadline_ms > stg_boot_ms() ? slot->step_deadline_ms - stg_boot_ms() : 0;
		json_t *one = json_object();
		stg_json_put(one, "port", slot->arrival.port);
		stg_json_put(one, "label", slot->label);
		stg_json_put(one, "serial", slot->identity.serial);
		stg_json_put(one, "step", slot->step);
		stg_json_put_int(one, "seconds", (left + 999) / 1000);
		stg_json_put_bool(one, "erasing", slot->worker && slot->worker->what && slot->worker->what->destroys_data);
		json_array_append_new(list, one);
	}
	return list;
}

/* Politely: no new job, running steps may end, their jobs are interrupted. Now: workers are killed; jobs are on disk. */
void station_stop(struct stg_station *s, bool now)
{
	s->stopping = true;
	for (struct slot *slot = s->slots; slot; slot = slot->next) {
		if (!slot->worker)
			continue;
		if (now)
			worker_kill(s, slot);
		else
			worker_tell(slot, json_pack("{s:s}", "t", "stop"));
	}
	station_stop_if_idle(s);
}

void station_stop_if_idle(struct stg_station *s)
{
	if (!s->stopping || queue_waiting(s->recorder))
		return;
	for (const struct slot *slot = s->slots; slot; slot = slot->next)
		if (slot->worker)
			return;
	for (const struct client *c = s->clients; c; c = c->next)
		if (c->calls)
			return;
	sd_event_exit(s->loop, s->exit_status);
}
