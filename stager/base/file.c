/*
 * file.c - whole files, with a ceiling in and a sync out.
 *
 * For:    everybody who keeps or reads a file.
 * Uses:   bytes, error.
 * Called: from all rooms.
 * Thread: any.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stager/error.h>
#include <stager/file.h>
#include <stager/ids.h>

bool stg_file_read_fd(int fd, struct stg_buf *ret, struct stg_error *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return stg_fail(err, STG_E_IO, errno, "%s", strerror(errno));
	if (S_ISDIR(st.st_mode))
		return stg_fail(err, STG_E_IO, EISDIR, "it is a folder");
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > ret->max - ret->len)
		return stg_fail(err, STG_E_PROTOCOL, 0, "it has %lld bytes, at most %zu are accepted", (long long)st.st_size, ret->max);
	for (;;) {
		uint8_t chunk[16384];
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return stg_fail(err, STG_E_IO, errno, "read: %s", strerror(errno));
		if (n == 0)
			return stg_buf_reserve(ret, 0, err);
		if (!stg_buf_add(ret, chunk, (size_t)n, err))
			return false;
	}
}

bool stg_file_read(const char *path, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(stg_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return stg_fail(err, errno == ENOENT ? STG_E_NOT_FOUND : STG_E_IO, errno, "%s: %s", path, strerror(errno));
	return stg_file_read_fd(fd, ret, err) || stg_while(err, "%s", path);
}

bool stg_file_write_fd(int fd, struct stg_bytes what, int64_t at_bytes, struct stg_error *err)
{
	for (size_t done = 0; done < what.len;) {
		const uint8_t *from = what.data + done;
		size_t left = what.len - done;
		ssize_t n = at_bytes < 0 ? write(fd, from, left) : pwrite(fd, from, left, (off_t)at_bytes + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int why = n < 0 ? errno : EIO;
			stg_fail(err, STG_E_IO, why, "write: %s", strerror(why));
			errno = why;
			return false;
		}
		done += (size_t)n;
	}
	return true;
}

static bool sync_folder_of(const char *path)
{
	char folder[4096];
	if (!stg_copy(folder, sizeof(folder), path))
		return false;
	char *slash = strrchr(folder, '/');
	if (!slash)
		stg_copy(folder, sizeof(folder), ".");
	else if (slash == folder)
		slash[1] = 0;
	else
		*slash = 0;
	STG_AUTO(stg_close_at) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
}

bool stg_file_write(const char *path, struct stg_bytes what, unsigned int mode, struct stg_error *err)
{
	char beside[4096];
	uint32_t tag;
	stg_random(&tag, sizeof(tag));
	if (snprintf(beside, sizeof(beside), "%s.%08x.new", path, tag) >= (int)sizeof(beside))
		return stg_fail(err, STG_E_PROTOCOL, 0, "file name too long");
	STG_AUTO(stg_close_at) int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return stg_fail(err, STG_E_IO, errno, "create %s: %s", path, strerror(errno));
	if (!stg_file_write_fd(fd, what, -1, NULL) || fsync(fd) != 0 || rename(beside, path) != 0 || !sync_folder_of(path)) {
		int why = errno;
		(void)unlink(beside);
		return stg_fail(err, STG_E_IO, why, "write %s: %s", path, strerror(why));
	}
	return true;
}

bool stg_folder_make(const char *path, unsigned int mode, struct stg_error *err)
{
	char part[4096];
	if (!path[0] || !stg_copy(part, sizeof(part), path))
		return stg_fail(err, STG_E_PROTOCOL, 0, path[0] ? "folder name too long" : "no folder name");
	for (char *p = part + 1;; p++) {
		if (*p && *p != '/')
			continue;
		char kept = *p;
		*p = 0;
		if (mkdir(part, mode) != 0 && errno != EEXIST)
			return stg_fail(err, STG_E_IO, errno, "make folder %s: %s", part, strerror(errno));
		*p = kept;
		if (!kept)
			break;
	}
	struct stat st;
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return stg_fail(err, STG_E_IO, ENOTDIR, "%s is not a folder", path);
	return true;
}

bool stg_path_join(char *ret, size_t size, const char *a, const char *b, struct stg_error *err)
{
	size_t n = strlen(a);
	const char *slash = n && a[n - 1] == '/' ? "" : "/";
	if (snprintf(ret, size, "%s%s%s", a, slash, b) >= (int)size)
		return stg_fail(err, STG_E_PROTOCOL, 0, "path too long: %s/%s", a, b);
	return true;
}
