/*
 * cmd.h - the table a new subcommand fills: one file stager/cmd/NAME.c.
 */
#ifndef STAGER_CMD_H
#define STAGER_CMD_H

#include <stager/error.h>
#include <stager/op.h>

struct stg_cmd_ctx {
	int argc;                         /* without "stager"; argv[0] is the subcommand */
	char **argv;
	const char *state;                /* --state or NULL */
	const char *actor;                /* --as, else login */
	bool json, quiet;
	struct stg_caller *caller;        /* opened on first use with stg_cmd_caller() */
};

struct stg_cmd {
	const char *name;
	const char *usage;                /* "stager batch import FILE --name NAME --blueprint B" lines, for --help and the manual */
	const char *about;                /* N_() one line */
	/* Returns the exit status; errors already told. */
	int (*run)(struct stg_cmd_ctx *c);
};

#endif
