/*
 * _tar.h - writes an archive that every tar reads (POSIX ustar): regular files of mode 0600, nothing else.
 */
#ifndef CMD_TAR_H
#define CMD_TAR_H

#include <stager/error.h>
#include <stager/bytes.h>

/* `path` of at most 99 bytes, relative. STG_E_IO. */
bool tar_add(int fd, const char *path, struct stg_bytes what, int64_t wall_ms, struct stg_error *err);
bool tar_end(int fd, struct stg_error *err);

#endif
