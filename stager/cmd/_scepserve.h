/*
 * _scepserve.h - the part of `stager scep` that answers devices.
 */
#ifndef CMD_SCEPSERVE_H
#define CMD_SCEPSERVE_H

#include <stager/cmd.h>

/* Until Ctrl-C or SIGTERM. Returns the exit status. */
int scep_serve(struct stg_cmd_ctx *c);

#endif
