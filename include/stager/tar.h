/*
 * tar.h - archives that every tar reads and writes (POSIX ustar): regular files, nothing else.
 *
 * Reading is for archives that came from outside: anything but a regular file with a plain name of at most 99 bytes is
 * refused, and so are sums, sizes and ends that do not fit. Views only; any thread.
 */
#ifndef STAGER_TAR_H
#define STAGER_TAR_H

#include <stager/bytes.h>

struct stg_error;

#define STG_TAR_BLOCK 512
#define STG_TAR_NAME_MAX 100

/* The header of a regular file of mode 0600; STG_E_BUG for a name that does not fit. */
bool stg_tar_head(const char *name, size_t size_bytes, int64_t wall_ms, char ret[STG_TAR_BLOCK], struct stg_error *err);
bool stg_tar_add(struct stg_buf *tar, const char *name, struct stg_bytes what, int64_t wall_ms, struct stg_error *err);
bool stg_tar_end(struct stg_buf *tar, struct stg_error *err);

/* The file that begins at *at, which is moved on: 1, 0 at the end (two blocks of zeros, and nothing but zeros behind), -1: STG_E_INPUT.
 * Names are letters, digits, '.', '-', '_' with '/' between them; no part begins with a dot. */
int stg_tar_next(struct stg_bytes tar, size_t *at, char ret_name[STG_TAR_NAME_MAX], struct stg_bytes *ret_what, struct stg_error *err);

#endif
