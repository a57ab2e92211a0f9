/* _fetch.h - `stager profile fetch`. */
#ifndef STAGER_CMD_FETCH_H
#define STAGER_CMD_FETCH_H

#include <stager/cmd.h>

/* Returns the exit status; errors already told. */
int fetch_run(struct stg_cmd_ctx *c);

#endif
