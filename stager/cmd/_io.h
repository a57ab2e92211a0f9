/*
 * _io.h - files that a person names: read without hanging, written without losing what was there.
 */
#ifndef CMD_IO_H
#define CMD_IO_H

#include <stager/error.h>
#include <stager/json.h>

/* A descriptor of a regular file or a copy of what came through a pipe, so that whoever reads it never waits for somebody
 * else. "-" is standard input. -1: STG_E_INPUT + STG_ID_FILE_UNREADABLE. The caller closes it. */
int input_open(const char *path, struct stg_error *err);

/* A file that appears under its name only when its content is complete. */
struct output {
	int fd;                   /* readable as well where the file system allows it */
	char path[4096];
	char beside[4096];        /* "": a device, a pipe, standard output: written directly */
};
#define OUTPUT_NONE { .fd = -1 }

/* false: STG_E_INPUT + STG_ID_FILE_UNWRITABLE. */
bool output_open(struct output *o, const char *path, struct stg_error *err);
/* Keeps or throws away what was written and closes. False, with the reason: it could not be kept. */
bool output_close(struct output *o, bool keep, struct stg_error *err);

/* Lines of standard input (what a scanner types) into the list. False: more or longer than any list of serial numbers, or
 * no text. */
bool input_lines(json_t *list);

#endif
