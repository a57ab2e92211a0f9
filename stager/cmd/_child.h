/*
 * _child.h - programs a command starts beside itself: a station of its own, a virtual bench.
 *
 * Both print one JSON line when they are ready and end with their parent. Shared by demo, rehearse, stage, devices.
 */
#ifndef CMD_CHILD_H
#define CMD_CHILD_H

#include <sys/types.h>

#include <stager/op.h>

struct child {
	pid_t pid;
	int out;              /* its standard output */
	json_t *ready;        /* the line it said */
};

/* `argv[0]` is a path. `log` gets its standard error (NULL: ours). STG_E_STATION with what it said when it ends instead. */
bool child_start(struct child *c, char *const argv[], const char *log, int64_t timeout_ms, struct stg_error *err);
/* SIGTERM, then after grace_ms SIGKILL; takes one that never started. */
void child_stop(struct child *c, int64_t grace_ms);

/* What another program says on its standard output, to its end. False: it is not there, failed, took longer, or said more
 * than `ret` holds (which then holds the beginning). */
bool child_output(char *const argv[], int64_t timeout_ms, struct stg_buf *ret, struct stg_error *err);

/* The program itself and its bench: beside the executable, else in the libexec folder. */
bool own_program(char *ret, size_t size, struct stg_error *err);
bool bench_program(char *ret, size_t size, struct stg_error *err);

/* A word to a virtual bench's control socket: NULL-ended list after control. A new reference, NULL on error. */
json_t *bench_word(const char *control, struct stg_error *err, const char *verb, ...) __attribute__((sentinel));

/* Connects the caller to a station that runs, or starts one for as long as the command lives (c->pid != 0 then). */
bool station_needed(struct stg_caller *caller, struct child *c, struct stg_error *err);
void station_release(struct stg_caller *caller, struct child *c);

#endif
