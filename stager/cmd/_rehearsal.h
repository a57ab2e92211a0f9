/*
 * _rehearsal.h - tomorrow's list as virtual devices, and how long it takes on so many sockets.
 */
#ifndef CMD_REHEARSAL_H
#define CMD_REHEARSAL_H

#include <stager/error.h>
#include <stager/json.h>

/* Rows of a list that are no Apple devices are taken out of `rows` and told: [{"line","serial","why"}]. */
json_t *rehearsal_skip(json_t *rows);
/* The list again, of these rows only. */
bool rehearsal_csv(const json_t *rows, struct stg_buf *ret, struct stg_error *err);
/* What stager-bench makes devices of. `kind`: what a row that names no model is ("iPad"; "" an iPhone). `fresh`: they come in closed
 * boxes unless their row says otherwise. `day`: what a day brings. */
bool rehearsal_scenario(const json_t *rows, const char *kind, bool fresh, bool day, struct stg_buf *ret, struct stg_error *err);

/* One person, so many sockets: devices in their order, each plugged in as soon as a socket and the hands are free. */
struct rehearsal_device {
	int64_t took_ms;          /* on the socket, at real pace */
	int touches;
};
int64_t rehearsal_end_ms(const struct rehearsal_device *devices, size_t n, size_t ports, int64_t hand_ms);

#endif
