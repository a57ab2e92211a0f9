/*
 * _tar.c - files into an archive that is written as it grows.
 *
 * For:    the support bundle.
 * Uses:   <stager/tar.h>.
 * Called: support.c.
 * Thread: the command's.
 */
#include <stager/file.h>
#include <stager/tar.h>

#include "_tar.h"

bool tar_add(int fd, const char *path, struct stg_bytes what, int64_t wall_ms, struct stg_error *err)
{
	static const char none[STG_TAR_BLOCK];
	char head[STG_TAR_BLOCK];
	size_t rest = what.len % STG_TAR_BLOCK;
	return stg_tar_head(path, what.len, wall_ms, head, err) && stg_file_write_fd(fd, stg_bytes(head, sizeof(head)), -1, err) &&
	       stg_file_write_fd(fd, what, -1, err) && (!rest || stg_file_write_fd(fd, stg_bytes(none, STG_TAR_BLOCK - rest), -1, err));
}

bool tar_end(int fd, struct stg_error *err)
{
	static const char none[2 * STG_TAR_BLOCK];
	return stg_file_write_fd(fd, stg_bytes(none, sizeof(none)), -1, err);
}
