/*
 * station.h - the door of stager/station: the running station, for `run`, `demo`, `stage`, `rehearse`; what operations may
 * ask of it; and how a state directory is opened without one.
 *
 * stg_nursery_start() must come first in the process: before threads, database, keys. It forks the single-threaded
 * nursery from which workers and the mux door are forked (decisions.md 1).
 */
#ifndef STAGER_STATION_H
#define STAGER_STATION_H

#include <stager/op.h>
#include <stager/stop.h>

struct stg_nursery;
struct stg_station;
struct stg_wallpaper_ask;

struct stg_nursery *stg_nursery_start(struct stg_error *err);
void stg_nursery_stop(struct stg_nursery *n);

struct stg_station_setup {
	const char *state_dir;
	enum stg_store_kind kind;
	const char *socket;               /* NULL: state_dir/stager.sock */
	unsigned int socket_mode;         /* 0660 for the service, 0600 otherwise */
	int max_workers;                  /* 0: 96 */
	bool notify;                      /* tell systemd */
	/* Draws a wallpaper (report.h): papers are made above the station. Required; the maker's thread. */
	bool (*draw_wallpaper)(const struct stg_wallpaper_ask *ask, struct stg_buf *ret_png, struct stg_error *err);
};

struct stg_station *stg_station_start(struct stg_nursery *n, const struct stg_station_setup *setup, struct stg_error *err);
/* Runs until stopped (op "stop", SIGTERM, SIGINT). */
bool stg_station_run(struct stg_station *s, struct stg_error *err);
void stg_station_free(struct stg_station *s);

/* ---- for operations, on the main loop's thread (struct stg_op_ctx, station); nothing blocks, lists are new references ---- */
/* What is plugged in, as the board shows it, then what only the kernel's topology shows. */
json_t *stg_station_devices(struct stg_station *s);
/* A person's explicit order (ops/station.c, "stage"): {"staging","skipped"}. STG_E_USAGE, STG_E_SAFETY (it erases), STG_E_STATION. */
json_t *stg_station_stage(struct stg_station *s, const json_t *in, const char *actor, struct stg_error *err);
/* Politely, or `now`: what ran when it was asked. */
json_t *stg_station_stop(struct stg_station *s, bool now);
json_t *stg_station_figures(const struct stg_station *s);
/* Ports are being named: no device that arrives is touched for so many seconds (at most ten minutes); 0: over. */
void stg_station_learning(struct stg_station *s, int64_t seconds);
/* A round of the push thread at once; "" = every target. */
void stg_station_push(struct stg_station *s, const char *target);

/* ---- without a station ---- */
/* Opens a state directory: store, keys, for a rehearsal its throw-away organisation. Makes it when there is none. Takes the
 * state's lock until the store is closed. The caller closes both (stg_store_close, stg_keys_close). */
bool stg_state_open(const char *dir, enum stg_store_kind kind, struct stg_store **ret_store, struct stg_keys **ret_keys, struct stg_error *err);

#endif
