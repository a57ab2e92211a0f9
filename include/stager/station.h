/*
 * station.h - the door of stager/station: the running station, for `run`, `demo`, `stage`, `rehearse`.
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

struct stg_nursery *stg_nursery_start(struct stg_error *err);
void stg_nursery_stop(struct stg_nursery *n);

struct stg_station_setup {
	const char *state_dir;
	enum stg_store_kind kind;
	const char *socket;               /* NULL: state_dir/stager.sock */
	unsigned int socket_mode;         /* 0660 for the service, 0600 otherwise */
	int max_workers;                  /* 0: 96 */
	bool notify;                      /* tell systemd */
};

struct stg_station *stg_station_start(struct stg_nursery *n, const struct stg_station_setup *setup, struct stg_error *err);
/* Runs until stopped (op "stop", SIGTERM, SIGINT). */
bool stg_station_run(struct stg_station *s, struct stg_error *err);
void stg_station_free(struct stg_station *s);

#endif
