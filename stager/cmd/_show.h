/* _show.h - `stager profile show FILE|NAME`. */
#ifndef STAGER_CMD_SHOW_H
#define STAGER_CMD_SHOW_H

#include <stager/cmd.h>

/* The exit status; errors already told. */
int show_run(struct stg_cmd_ctx *c);
/* A profile that a person names: a file where there is one, else one of the list (stager profile list). Puts it into `in` under `file` or
 * `name` and its descriptor, if it has one, behind the others. False: told already. */
bool profile_given(struct stg_cmd_ctx *c, const char *word, const char *file, const char *name, json_t *in, int *fds, size_t *n_fds, int *ret_status);

#endif
