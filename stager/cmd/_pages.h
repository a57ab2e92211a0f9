/*
 * _pages.h - writes what comes in pages to a file.
 */
#ifndef CMD_PAGES_H
#define CMD_PAGES_H

#include <stager/cmd.h>

/* `stager C export FILE [--format F]`: calls `op` with `cursor` = the last answer's "next" until it is 0; "text" goes to FILE
 * ("-": standard output), which is made new and 0600. `last` may add to the end, from the last answer. */
int pages_export(struct stg_cmd_ctx *c, const char *op, const char *cursor, void (*last)(FILE *to, const json_t *ret));

/* A new file of 0600, or standard output for "-"; NULL: told already, the status in *ret_status. */
FILE *out_open(const struct stg_cmd_ctx *c, const char *path, int *ret_status);
/* Flushes, closes (standard output stays open) and tells what went wrong: a full disk shows here. */
int out_close(const struct stg_cmd_ctx *c, FILE *f, const char *path);

#endif
