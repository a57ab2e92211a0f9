/*
 * _watch.h - the live board of a running station, until a batch has come to its end.
 */
#ifndef CMD_WATCH_H
#define CMD_WATCH_H

#include <stager/cmd.h>

/* Draws the board until every device of `batch` has an end (NULL: until the station stops or Ctrl-C). Starts a station for
 * as long as it lasts when none runs. Returns the exit status: 1 a device failed, 6 some are on hold or waiting. */
int board_watch(struct stg_cmd_ctx *c, const char *batch);

#endif
