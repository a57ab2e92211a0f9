/*
 * _verbs.h - commands that are a word, some arguments and one operation.
 *
 * Most of `stager batch start NORTH-12 --ports A1,A2` is the same everywhere: read the words, ask the station, print what
 * comes back. A command file is then a table.
 *
 * `takes` lists what a verb takes, divided by blanks. Positional words stand in their order:
 *   name        one word, required            name?       may be left out
 *   name...     all remaining words, a list; "-" reads lines from standard input (a scanner); name...? may be none
 *   name<       an existing file, or what comes through a pipe: sent as a descriptor, its name under the key
 *   name>       a file to be written: sent as a descriptor of a new file (0600) that takes the name when all went well
 * Options:
 *   --name=     text                           --name#     a whole number
 *   --name!     a flag                         --name,     a list divided by commas, may repeat
 *   --*name=    the same, and it must be given
 *   --name:     KEY=VALUE pairs, may repeat, an object     --name<  --name>  files as above
 *   ^name       a secret: asked for on the terminal without echo, else the first line of standard input
 *               ^name? may be empty, ^name+ is chosen now and typed twice on a terminal
 */
#ifndef CMD_VERBS_H
#define CMD_VERBS_H

#include "_table.h"

struct verb {
	const char *name;                 /* "start"; "" is what a command without a verb does */
	const char *op;
	const char *takes;
	const struct column *columns;     /* the answer (or its member `list`) is a list of these */
	const char *list;                 /* NULL: the answer itself */
	/* What a person reads when it is done and there is no list; NULL: the answer as a document. */
	void (*say)(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret);
	/* The exit status of an answer; NULL: 0. */
	int (*status)(const json_t *ret);
};

/* `verbs` ends with a row without an op. Returns the exit status. */
int verbs_run(struct stg_cmd_ctx *c, const struct verb *verbs);

/* A secret from the terminal (without echo) or the first line of standard input. */
bool secret_ask(const char *prompt, struct stg_secret *ret, struct stg_error *err);

#endif
