/*
 * _io.c - files that a person names.
 *
 * For:    arguments such as FILE and [--out] FILE.
 * Uses:   memfd for what comes through a pipe: the station reads descriptors in its own loop and must not wait there.
 * Called: _verbs.c, _pages.c.
 * Thread: the command's.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stager/file.h>
#include <stager/ids.h>

#include "_io.h"

#define PIPE_MAX (64u << 20)
#define LINES_MAX 10000          /* both are said in the refusals */
#define LINE_BYTES_MAX 250

static bool unreadable(const char *path, int why, struct stg_error *err)
{
	return stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, why, "%.180s: %s", path, strerror(why));
}

static bool unwritable(const char *path, int why, struct stg_error *err)
{
	if (why == ENOSPC || why == EDQUOT || why == EFBIG)
		return stg_fail_id(err, STG_E_STATION, STG_ID_DISK_FULL, why, "%.180s: %s", path, strerror(why));
	return stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNWRITABLE, why, "%.180s: %s", path, strerror(why));
}

static int copy_of(int from, const char *path, struct stg_error *err)
{
	STG_AUTO(stg_close_at) int to = memfd_create("input", MFD_CLOEXEC);
	size_t total = 0;
	if (to < 0) {
		unreadable(path, errno, err);
		return -1;
	}
	for (;;) {
		char chunk[65536];
		ssize_t n = read(from, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			break;
		total += n > 0 ? (size_t)n : 0;
		if (n < 0 || total > PIPE_MAX || write(to, chunk, (size_t)n) != n) {
			unreadable(path, n < 0 ? errno : EFBIG, err);
			return -1;
		}
	}
	if (lseek(to, 0, SEEK_SET) != 0) {
		unreadable(path, errno, err);
		return -1;
	}
	int kept = to;
	to = -1;
	return kept;
}

int input_open(const char *path, struct stg_error *err)
{
	struct stat st;
	/* without O_NONBLOCK the opening of a FIFO nobody writes to would wait for ever; reading one ends at once */
	STG_AUTO(stg_close_at) int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) :
				     open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0) {
		unreadable(path, errno, err);
		return -1;
	}
	if (S_ISDIR(st.st_mode)) {
		unreadable(path, EISDIR, err);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		if (strcmp(path, "-") != 0)
			(void)fcntl(fd, F_SETFL, 0);
		return copy_of(fd, path, err);
	}
	int kept = fd;
	fd = -1;
	return kept;
}

bool output_open(struct output *o, const char *path, struct stg_error *err)
{
	struct stat st;
	*o = (struct output)OUTPUT_NONE;
	if (strcmp(path, "-") == 0) {
		o->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
		return o->fd >= 0 || unwritable(path, errno, err);
	}
	bool there = stat(path, &st) == 0;
	if (there && S_ISDIR(st.st_mode))
		return unwritable(path, EISDIR, err);
	if (there && !S_ISREG(st.st_mode)) {
		o->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (o->fd < 0)
			return unwritable(path, errno, err);
		(void)fcntl(o->fd, F_SETFL, 0);
		return true;
	}
	if (there && access(path, W_OK) != 0)
		return unwritable(path, errno, err);
	/* through a link: what it points to is replaced, not the link */
	char whole[PATH_MAX];
	if (!stg_copy(o->path, sizeof(o->path), there && realpath(path, whole) ? whole : path) ||
	    snprintf(o->beside, sizeof(o->beside), "%s.XXXXXX", o->path) >= (int)sizeof(o->beside))
		return unwritable(path, ENAMETOOLONG, err);
	o->fd = mkostemp(o->beside, O_CLOEXEC);     /* 0600 */
	if (o->fd < 0) {
		int why = errno;
		o->beside[0] = 0;
		return unwritable(path, why, err);
	}
	return true;
}

bool output_close(struct output *o, bool keep, struct stg_error *err)
{
	int why = 0;
	if (o->fd < 0)
		return true;
	if (o->beside[0] && keep && fsync(o->fd) != 0)
		why = errno;
	if (close(o->fd) != 0 && keep && !why)
		why = errno;
	o->fd = -1;
	if (!o->beside[0])
		return !why || unwritable(o->path[0] ? o->path : "-", why, err);
	if (keep && !why && rename(o->beside, o->path) != 0)
		why = errno;
	if (!keep || why)
		(void)unlink(o->beside);
	o->beside[0] = 0;
	return !why || unwritable(o->path, why, err);
}

bool input_lines(json_t *list)
{
	char line[LINE_BYTES_MAX + 2];
	while (fgets(line, sizeof(line), stdin)) {
		bool whole = strchr(line, '\n') || feof(stdin);
		line[strcspn(line, "\r\n")] = 0;
		if (!whole || json_array_size(list) == LINES_MAX || (*line && json_array_append_new(list, json_string(line)) != 0))
			return false;
	}
	return true;
}
