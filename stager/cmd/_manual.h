/*
 * _manual.h - the manual pages and the completion, from what the commands say of themselves.
 */
#ifndef CMD_MANUAL_H
#define CMD_MANUAL_H

#include <stager/cmd.h>

void manual_page(const struct stg_cmd *cmd);   /* NULL: of stager itself; roff on standard output */
void manual_completion(void);                  /* "command verb verb --option ..." lines */

#endif
