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

/* ---- for command files (stager/cmd/_common.c) ---- */
/* Tells a person (or, with --json, a program) what went wrong, once; returns the exit status that goes with it. */
int stg_cmd_tell(const struct stg_cmd_ctx *c, const struct stg_error *err);
/* The connection to the station or the state, made on first use; NULL: told already, return stg_cmd_tell's status in *ret_status. */
struct stg_caller *stg_cmd_caller(struct stg_cmd_ctx *c, int *ret_status);
/* One operation; false: told already. */
bool stg_cmd_call(struct stg_cmd_ctx *c, const char *op, const json_t *in, const int *fds, size_t n_fds, json_t **ret, int *ret_status);
/* After the station has settled: does it hear usbmuxd? false: STG_E_STATION + STG_ID_NO_USBMUXD in err. */
bool stg_cmd_hears_usbmuxd(struct stg_caller *caller, struct stg_error *err);

#endif
