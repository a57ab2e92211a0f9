/* _learn.h - `stager port learn`: one device is walked over the sockets, each gets its name. */
#ifndef CMD_LEARN_H
#define CMD_LEARN_H

#include <stager/cmd.h>

int port_learn(struct stg_cmd_ctx *c);

#endif
