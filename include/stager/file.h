/* file.h - whole files, read with a ceiling and written so that a power cut leaves the old or the new one. */
#ifndef STAGER_FILE_H
#define STAGER_FILE_H

#include <stager/bytes.h>

/* Appends the file to ret, whose ceiling is the limit. STG_E_NOT_FOUND, STG_E_IO, STG_E_PROTOCOL (too large). */
bool stg_file_read(const char *path, struct stg_buf *ret, struct stg_error *err);
bool stg_file_read_fd(int fd, struct stg_buf *ret, struct stg_error *err);
/* Writes all of it to a file somebody else opened: at that offset, or, for -1, where it stands (a pipe too). STG_E_IO with
 * errno kept and as origin; how much was written then is not known. Does not sync. */
bool stg_file_write_fd(int fd, struct stg_bytes what, int64_t at_bytes, struct stg_error *err);
/* Writes beside, syncs, renames, syncs the folder. */
bool stg_file_write(const char *path, struct stg_bytes what, unsigned int mode, struct stg_error *err);
/* mkdir -p; an existing folder is fine. */
bool stg_folder_make(const char *path, unsigned int mode, struct stg_error *err);
/* flock(fd, LOCK_EX), waiting at most timeout_ms on the clock that counts sleep too: STG_E_TIMEOUT. SIGALRM is taken meanwhile. */
bool stg_lock_wait(int fd, int64_t timeout_ms, struct stg_error *err);
/* Joins with one slash; false and STG_E_PROTOCOL when it does not fit. */
bool stg_path_join(char *ret, size_t size, const char *a, const char *b, struct stg_error *err);

#endif
