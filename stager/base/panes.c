/*
 * panes.c - the table of panes.def.
 *
 * For:    drivers/apple/supervise.c, stager/steps/supervise.c.
 * Uses:   nothing.
 * Called: by reading.
 * Thread: constants.
 */
#include <stddef.h>

#include <stager/panes.h>

#define STG_PANE(word, version) word,
const char *const stg_panes[] = {
#include <stager/panes.def>
	NULL,
};
#undef STG_PANE
#define STG_PANE(word, version) version,
const char *const stg_panes_since[] = {
#include <stager/panes.def>
	NULL,
};
