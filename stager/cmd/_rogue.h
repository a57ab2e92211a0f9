/* _rogue.h - `stager profile rogue ...` and `stager profile allow ...`. */
#ifndef STAGER_CMD_ROGUE_H
#define STAGER_CMD_ROGUE_H

#include <stager/cmd.h>

/* Both return the exit status; errors already told. */
int rogue_run(struct stg_cmd_ctx *c);
int allow_run(struct stg_cmd_ctx *c);

#endif
