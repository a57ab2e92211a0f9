/*
 * reserve.c - room kept back on the disk, so that what runs can be ended and told when the disk is full.
 *
 * For:    commits that meet a full disk; job_add, which begins nothing new until the room is back.
 * Uses:   fallocate; only on disks with plenty of room, and never for the throw-away states of rehearsals.
 * Called: open.c, db.c, journal.c.
 * Thread: the one that has the store.
 * Facts:  threat-model.md 8 (closing records at disk full).
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <stager/file.h>

#include "db.h"

#define RESERVE_BYTES (8 << 20)
#define PLENTY 8                   /* times the reserve must be free before it is taken */
#define LOW_BYTES (2 << 20)        /* below this the next commit may not fit: SQLite undoes one that does not */

bool reserve_keep(struct stg_store *s)
{
	char path[4096];
	struct stat st;
	struct statvfs disk;
	if (s->read_only || s->kind == STG_STORE_REHEARSAL || !stg_path_join(path, sizeof(path), s->dir, "reserve", NULL))
		return true;
	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == RESERVE_BYTES) {
		s->reserve = RESERVE_KEPT;
		return true;
	}
	if (statvfs(s->dir, &disk) != 0)
		return true;
	if ((uint64_t)disk.f_bavail * disk.f_frsize < (uint64_t)PLENTY * RESERVE_BYTES) {
		/* a small disk works without; one whose reserve was spent begins nothing new */
		return s->reserve != RESERVE_SPENT;
	}
	STG_AUTO(stg_close_at) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || fallocate(fd, 0, 0, RESERVE_BYTES) != 0) {
		if (fd >= 0)
			(void)unlink(path);
		return s->reserve != RESERVE_SPENT || errno == EOPNOTSUPP;
	}
	s->reserve = RESERVE_KEPT;
	return true;
}

void reserve_spend(struct stg_store *s)
{
	char path[4096];
	if (s->reserve == RESERVE_KEPT && stg_path_join(path, sizeof(path), s->dir, "reserve", NULL) && unlink(path) == 0)
		s->reserve = RESERVE_SPENT;
}

void reserve_watch(struct stg_store *s)
{
	struct statvfs disk;
	if (s->reserve == RESERVE_KEPT && statvfs(s->dir, &disk) == 0 && (uint64_t)disk.f_bavail * disk.f_frsize < LOW_BYTES)
		reserve_spend(s);
}
