/*
 * typed.h - commands as a person types them beside a journey, with what is typed into them.
 *
 * For:    tests of commands that ask for PINs and passphrases, beside a station at work.
 * Uses:   look.h; the shell.
 */
#ifndef TESTS_TYPED_H
#define TESTS_TYPED_H

#include "look.h"

/* A blueprint in the state directory. */
static inline void typed_blueprint(struct journey *j, const char *name, const char *text)
{
	struct stg_error err = { 0 };
	char path[300];
	snprintf(path, sizeof(path), "%s/blueprints", j->state);
	journey_must(stg_folder_make(path, 0700, &err), &err, "blueprints");
	snprintf(path, sizeof(path), "%s/blueprints/%s.yaml", j->state, name);
	journey_must(stg_file_write(path, stg_bytes_str(text), 0600, &err), &err, name);
}

/* The command as a person types it, who waits for so long (in real time); `keys`: what is typed, as printf reads it. The exit status; 124: left
 * before its end. */
static inline int typed_for(struct journey *j, int seconds, const char *keys, const char *words)
{
	char command[9000], out[200];
	snprintf(out, sizeof(out), "%s/out", j->dir);
	snprintf(command, sizeof(command), "printf '%s' | timeout %d %s %s --as tester --state %s >%s 2>&1", keys, seconds, j->program, words, j->state, out);
	int status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline int typed(struct journey *j, const char *keys, const char *words)
{
	return typed_for(j, 300, keys, words);
}

/* Did the last command print this? */
static inline bool typed_says(struct journey *j, const char *what)
{
	struct stg_error err = { 0 };
	char path[200];
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(4u << 20);
	snprintf(path, sizeof(path), "%s/out", j->dir);
	journey_must(stg_file_read(path, &b, &err), &err, "out");
	if (!strstr(stg_buf_str(&b), what))
		print_message("said: %s\n", stg_buf_str(&b));
	return strstr(stg_buf_str(&b), what) != NULL;
}

#endif
