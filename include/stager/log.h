/*
 * log.h - one line for each thing that happened.
 *
 * The tag says where (room, job, serial), so a line never has to. Under the journal lines carry <N> prefixes; with
 * stg_log_to_files() they go to rotating files in the state directory, for when the board owns the terminal.
 * Text from devices is escaped and cut at 256 bytes. Never pass secret bytes: log a length and stg_secret_mark().
 * Threads: any.
 */
#ifndef STAGER_LOG_H
#define STAGER_LOG_H

#include <stager/error.h>

enum stg_log_level { STG_LOG_ERR = 3, STG_LOG_WARNING = 4, STG_LOG_NOTICE = 5, STG_LOG_INFO = 6, STG_LOG_DEBUG = 7 };

struct stg_tag {
	const char *room;      /* "apple", "push" */
	int64_t job;           /* 0: none */
	const char *unit;      /* serial or ECID; NULL: none */
};

void stg_log(enum stg_log_level level, const struct stg_tag *tag, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void stg_log_error(enum stg_log_level level, const struct stg_tag *tag, const struct stg_error *err);
void stg_log_set_level(enum stg_log_level most_detailed);
/* Rotates at 8 MiB, keeps 5. NULL: back to standard error. */
bool stg_log_to_files(const char *dir, struct stg_error *err);

#endif
