/* _lint.h - `stager profile lint FILE...` and `stager profile schema ...`. */
#ifndef STAGER_CMD_LINT_H
#define STAGER_CMD_LINT_H

#include <stager/cmd.h>

/* Both return the exit status; errors already told. */
int lint_run(struct stg_cmd_ctx *c);
int schema_run(struct stg_cmd_ctx *c);

#endif
