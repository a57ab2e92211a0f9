/*
 * panes.h - the panes of the Setup Assistant, as data (panes.def): for the driver that skips them and for the step that
 * checks their names. Both lists end with NULL; `since` has the same places. Any thread.
 */
#ifndef STAGER_PANES_H
#define STAGER_PANES_H

extern const char *const stg_panes[], *const stg_panes_since[];

#endif
