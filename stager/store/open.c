/*
 * open.c - opening, locking and closing the state; settings, sequences, clock marks.
 *
 * For:    the recorder, commands without a station, reading threads.
 * Uses:   SQLite, flock.
 * Called: stager/station, stager/cmd.
 * Thread: the one that has the store.
 * Facts:  SQLite 3.40.1 has the WAL-reset bug: exactly one connection writes and checkpoints, all others are read-only
 *         and never checkpoint, also not on close; no mmap; synchronous=FULL (decisions.md, design.md 8).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stager/file.h>

#include "db.h"

#define BUSY_MS 5000
#define LOCK_PATIENCE_MS 3000
#define CLOCK_SLACK_MS (5 * 60 * 1000)

/* ---- the folder and its lock ---- */

static bool lock_state(struct stg_store *s, struct stg_error *err)
{
	char path[4096];
	if (!stg_path_join(path, sizeof(path), s->dir, "stager.lock", err))
		return false;
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		return stg_fail_id(err, STG_E_STATION, STG_ID_STATE_UNWRITABLE, errno, "%s: %s", path, strerror(errno));
	/* another command is over in a moment; a station stays */
	if (!stg_lock_wait(s->lock_fd, LOCK_PATIENCE_MS, NULL)) {
		char pid[24] = "";
		ssize_t n = pread(s->lock_fd, pid, sizeof(pid) - 1, 0);
		pid[n > 0 ? n : 0] = 0;
		pid[strspn(pid, "0123456789")] = 0;
		return stg_fail_id(err, STG_E_STATION, STG_ID_STATE_HELD, EWOULDBLOCK, "%s: pid %s", s->dir, pid[0] ? pid : "?");
	}
	/* the lock is the kernel's; the number is only for the sentence above */
	char pid[24];
	int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(s->lock_fd, 0) != 0 || pwrite(s->lock_fd, pid, (size_t)n, 0) != n)
		return stg_fail_id(err, errno == ENOSPC ? STG_E_IO : STG_E_STATION, errno == ENOSPC ? STG_ID_DISK_FULL : STG_ID_STATE_UNWRITABLE,
				   errno, "%s: %s", path, strerror(errno));
	return true;
}

static bool no_more_than_read(sqlite3 *db)
{
	return sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) == SQLITE_OK;
}

static bool open_file(struct stg_store *s, struct stg_error *err)
{
	char path[4096];
	if (!stg_path_join(path, sizeof(path), s->dir, "stager.db", err))
		return false;
	if (!s->read_only) {
		/* made by us so that it, and the files SQLite puts beside it, are readable by nobody else */
		STG_AUTO(stg_close_at) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return stg_fail_id(err, STG_E_STATION, STG_ID_STATE_UNWRITABLE, errno, "%s: %s", path, strerror(errno));
	} else if (access(path, R_OK) != 0) {
		return stg_fail_id(err, errno == ENOENT ? STG_E_NOT_FOUND : STG_E_STATION, STG_ID_NO_STATE, errno, "%s: %s", path, strerror(errno));
	}
	int rc = sqlite3_open_v2(path, &s->db, (s->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK)
		return db_fail(s, rc, path, err);
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, BUSY_MS);
	if (sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) != SQLITE_OK ||
	    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL) != SQLITE_OK ||
	    (s->read_only && !no_more_than_read(s->db)))
		return stg_fail(err, STG_E_BUG, 0, "SQLite refuses a setting");
	if (!db_run(s, "PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;"
		       "PRAGMA cache_size = -8192", err))
		return false;
	if (s->read_only)
		return db_run(s, "PRAGMA query_only = ON", err);
	return db_run(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 1000;"
			 "PRAGMA journal_size_limit = 16777216", err);
}

static bool read_kind(struct stg_store *s, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf kind = STG_BUF(64);
	if (!meta_get(s, "kind", &kind, err))
		return false;
	s->kind = strcmp(stg_buf_str(&kind), "rehearsal") == 0 ? STG_STORE_REHEARSAL : STG_STORE_PRODUCTION;
	if (kind.len == 0)
		return stg_fail_id(err, STG_E_IO, STG_ID_DATABASE_DAMAGED, 0, "stager.db does not say what kind of state it is");
	return true;
}

/* The kind is written once, in the transaction that makes the state's first rows. */
static bool settle_kind(struct stg_store *s, enum stg_store_kind wanted, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf kind = STG_BUF(64);
	if (!meta_get(s, "kind", &kind, err))
		return false;
	if (kind.len == 0) {
		char station[STG_UUID_TEXT];
		STG_AUTO(tx_end) struct tx t = { 0 };
		stg_uuid4(station);
		if (!tx_begin(&t, s, err) || !meta_set(s, "kind", wanted == STG_STORE_REHEARSAL ? "rehearsal" : "production", err) ||
		    !stg_store_set(s, "station_id", station, err) || !tx_commit(&t, err))
			return false;
	}
	if (!read_kind(s, err))
		return false;
	if (wanted != STG_STORE_ANY && wanted != s->kind)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_STATE_KIND, 0, "%s", s->dir);
	return true;
}

struct stg_store *stg_store_open(const char *state_dir, enum stg_store_kind kind, struct stg_error *err)
{
	STG_AUTO(stg_store_close_at) struct stg_store *s = stg_calloc(1, sizeof(*s));
	s->dir = stg_strdup(state_dir);
	s->lock_fd = -1;
	if (!stg_folder_make(state_dir, 0700, err)) {
		if (err) {
			err->code = STG_E_STATION;
			err->id = STG_ID_STATE_UNWRITABLE;
		}
		return NULL;
	}
	if (!lock_state(s, err) || !open_file(s, err) || !schema_migrate(s, err) || !settle_kind(s, kind, err)) {
		stg_while(err, "open the inventory");
		return NULL;
	}
	(void)reserve_keep(s);
	return stg_steal(s);
}

struct stg_store *stg_store_open_read(const char *state_dir, struct stg_error *err)
{
	STG_AUTO(stg_store_close_at) struct stg_store *s = stg_calloc(1, sizeof(*s));
	s->dir = stg_strdup(state_dir);
	s->lock_fd = -1;
	s->read_only = true;
	if (!open_file(s, err) || !schema_migrate(s, err) || !read_kind(s, err)) {
		stg_while(err, "open the inventory for reading");
		return NULL;
	}
	return stg_steal(s);
}

void stg_store_close(struct stg_store *s)
{
	if (!s)
		return;
	stg_store_rollback(s);
	if (s->db && !s->read_only && s->has_mac) {
		struct stg_error ignored;
		(void)audit_checkpoint(s, false, &ignored);
	}
	pin_forget(s);
	for (size_t i = 0; i < STMT_SLOTS; i++)
		sqlite3_finalize(s->cache[i].st);
	sqlite3_close_v2(s->db);
	stg_secret_clear(&s->mac_key);
	stg_close_at(&s->lock_fd);
	free(s->dir);
	free(s);
}

void stg_store_close_at(struct stg_store **s)
{
	stg_store_close(*s);
	*s = NULL;
}

enum stg_store_kind stg_store_kind_of(const struct stg_store *s)
{
	return s->kind;
}

const char *stg_store_dir(const struct stg_store *s)
{
	return s->dir;
}

/* ---- small tables ---- */

bool meta_get(struct stg_store *s, const char *key, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT value FROM meta WHERE key = :key");
	stmt_text(&q, ":key", key);
	int got = stmt_step(&q, err);
	if (got < 0)
		return false;
	return got == 0 || stg_buf_add_str(ret, col_text(&q, 0), err);
}

bool meta_set(struct stg_store *s, const char *key, const char *value, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO meta (key, value) VALUES (:key, :value)"
							  " ON CONFLICT (key) DO UPDATE SET value = excluded.value");
	stmt_text(&q, ":key", key);
	stmt_text(&q, ":value", value);
	return stmt_done(&q, err);
}

bool stg_store_next(struct stg_store *s, const char *sequence, int64_t *ret, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = { 0 };
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	q = stmt_open(s, "INSERT INTO sequence (name, value) VALUES (:name, 1)"
			 " ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value");
	stmt_text(&q, ":name", sequence);
	if (!stmt_one(&q, STG_ID_NONE, sequence, err))
		return false;
	int64_t value = col_int(&q, 0);
	stmt_close(&q);
	if (!tx_commit(&t, err))
		return false;
	*ret = value;
	return true;
}

bool stg_store_set(struct stg_store *s, const char *key, const char *value, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, value ? "INSERT INTO setting (key, value) VALUES (:key, :value)"
								  " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
								: "DELETE FROM setting WHERE key = :key");
	stmt_text(&q, ":key", key);
	if (value)
		stmt_text(&q, ":value", value);
	if (!stmt_done(&q, err))
		return false;
	stmt_close(&q);
	return tx_commit(&t, err);
}

char *stg_store_get(struct stg_store *s, const char *key, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT value FROM setting WHERE key = :key");
	stmt_text(&q, ":key", key);
	int got = stmt_step(&q, err);
	return got < 0 ? NULL : stg_strdup(got ? col_text(&q, 0) : "");
}

/* ---- clock marks ---- */

bool clock_mark(struct stg_store *s, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "INSERT INTO clock_mark (id, high_ms, wall_ms, boot_id, boot_ms, quality) VALUES (1, :now, :now, :boot_id, :boot_ms, :quality)"
			     " ON CONFLICT (id) DO UPDATE SET high_ms = max(high_ms, excluded.wall_ms), wall_ms = excluded.wall_ms,"
			     " boot_id = excluded.boot_id, boot_ms = excluded.boot_ms, quality = excluded.quality");
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":boot_id", stg_boot_id());
	stmt_int(&q, ":boot_ms", stg_boot_ms());
	stmt_text(&q, ":quality", stg_time_quality_name(stg_time_quality()));
	return stmt_done(&q, err);
}

bool stg_store_clock_ok(struct stg_store *s, struct stg_error *err)
{
	int64_t now = stg_wall_ms(), high = 0;
	char shown[STG_TIME_TEXT], mark[STG_TIME_TEXT];
	stg_time_text(now, shown);
	if (now < stg_build_ms()) {
		stg_time_text(stg_build_ms(), mark);
		return stg_fail_id(err, STG_E_STATION, STG_ID_CLOCK_BACK, 0, "%s < %s", shown, mark);
	}
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT high_ms FROM clock_mark WHERE id = 1");
	int got = stmt_step(&q, err);
	if (got < 0)
		return false;
	if (got)
		high = col_int(&q, 0);
	if (now < high - CLOCK_SLACK_MS) {
		stg_time_text(high, mark);
		return stg_fail_id(err, STG_E_STATION, STG_ID_CLOCK_BACK, 0, "%s < %s", shown, mark);
	}
	return true;
}

bool stg_store_clock_accept(struct stg_store *s, struct stg_error *err)
{
	if (stg_wall_ms() < stg_build_ms())
		return stg_store_clock_ok(s, err);
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE clock_mark SET high_ms = :now WHERE id = 1");
	stmt_int(&q, ":now", stg_wall_ms());
	if (!stmt_done(&q, err))
		return false;
	stmt_close(&q);
	return tx_commit(&t, err);
}
