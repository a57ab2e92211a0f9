/*
 * _stage.h - one-shot staging, for the commands that end in it.
 */
#ifndef CMD_STAGE_H
#define CMD_STAGE_H

#include <stager/cmd.h>

/* Stages what `in` names ("serials", "port" or "all", "params", "despite") with this blueprint, with the live board, until each device has
 * come to an end state; the caller is connected to a station. The exit status. */
int stage_devices(struct stg_cmd_ctx *c, struct stg_caller *caller, const char *blueprint, json_t *in);

#endif
