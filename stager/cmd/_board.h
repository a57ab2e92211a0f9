/*
 * _board.h - the live board: one line per port, totals at the bottom.
 *
 * On a terminal it is drawn in place; piped, each change is one line. State is always word + symbol, colour only adds.
 * Fed with the station's events (stg_events).
 */
#ifndef CMD_BOARD_H
#define CMD_BOARD_H

#include <stdio.h>

#include <stager/json.h>

struct board;

enum board_mode { BOARD_SILENT, BOARD_PLAIN, BOARD_DRAWN, BOARD_AUTO };

struct board *board_new(enum board_mode mode, FILE *to);
void board_free(struct board *b);            /* leaves the last picture standing */
void board_event(struct board *b, const json_t *event);
void board_draw(struct board *b);            /* at most ten times a second */
void board_say(struct board *b, const char *text);
/* Slots present; those at which something happens or will; whether this serial or UDID is plugged in. */
int board_known(const struct board *b);
int board_busy(const struct board *b);
bool board_has(const struct board *b, const char *serial);
/* The word of a state in the reader's language, and its sign. */
const char *board_word(const char *state);
const char *board_sign(const char *state);

#endif
