/*
 * db.c - statements and transactions on one connection.
 *
 * For:    the rest of this room.
 * Uses:   SQLite.
 * Called: by every file of stager/store.
 * Thread: the one that has the store.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "db.h"

bool db_fail(struct stg_store *s, int rc, const char *doing, struct stg_error *err)
{
	const char *text = s && s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc);
	int sys = s && s->db ? sqlite3_system_errno(s->db) : 0;
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return stg_fail_id(err, STG_E_NOMEM, STG_ID_NO_MEMORY, 0, "%s: out of memory", doing);
	case SQLITE_FULL:
		return stg_fail_id(err, STG_E_IO, STG_ID_DISK_FULL, rc, "%s: %s", doing, text);
	case SQLITE_IOERR:
		if (sys == ENOSPC || sys == EDQUOT || sys == EFBIG)
			return stg_fail_id(err, STG_E_IO, STG_ID_DISK_FULL, rc, "%s: %s", doing, strerror(sys));
		if (sys == EROFS || sys == EACCES || sys == EPERM)
			return stg_fail_id(err, STG_E_STATION, STG_ID_STATE_UNWRITABLE, rc, "%s: %s", doing, strerror(sys));
		/* what could not be written is not damage: SQLite has undone it and goes on when the disk does */
		if (rc == SQLITE_IOERR_WRITE || rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_TRUNCATE || rc == SQLITE_IOERR_DIR_FSYNC)
			return stg_fail_id(err, STG_E_IO, STG_ID_DISK_REFUSES, rc, "%s: %s", doing, text);
		return stg_fail_id(err, STG_E_IO, STG_ID_DATABASE_DAMAGED, rc, "%s: %s (%s)", doing, text, sys ? strerror(sys) : "read");
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return stg_fail_id(err, STG_E_IO, STG_ID_DATABASE_DAMAGED, rc, "%s: %s", doing, text);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return stg_fail_id(err, STG_E_IO, STG_ID_DATABASE_BUSY, rc, "%s: %s", doing, text);
	case SQLITE_READONLY:
		if (s && s->read_only)
			return stg_fail(err, STG_E_BUG, rc, "%s: on a connection that only reads", doing);
		return stg_fail_id(err, STG_E_STATION, STG_ID_STATE_UNWRITABLE, rc, "%s: %s", doing, text);
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return stg_fail_id(err, STG_E_STATION, STG_ID_STATE_UNWRITABLE, rc, "%s: %s%s%s", doing, text, sys ? ": " : "",
				   sys ? strerror(sys) : "");
	case SQLITE_CONSTRAINT:
		return stg_fail(err, STG_E_REFUSED, rc, "%s: %s", doing, text);
	case SQLITE_TOOBIG:
		return stg_fail(err, STG_E_PROTOCOL, rc, "%s: a value is too large", doing);
	default:
		return stg_fail(err, STG_E_BUG, rc, "%s: %s", doing, text);
	}
}

/* ---- statements ---- */

static struct stmt_slot *slot_of(struct stg_store *s, const char *sql)
{
	size_t at = ((uintptr_t)sql >> 3) * 0x9e3779b97f4a7c15u >> 40 & (STMT_SLOTS - 1);
	for (size_t i = 0; i < STMT_SLOTS; i++) {
		struct stmt_slot *slot = &s->cache[(at + i) & (STMT_SLOTS - 1)];
		if (slot->sql == sql)
			return slot;
		if (!slot->sql) {
			slot->sql = sql;
			return slot;
		}
	}
	return NULL;
}

struct stmt stmt_open(struct stg_store *s, const char *sql)
{
	struct stmt q = { .s = s };
	struct stmt_slot *slot = slot_of(s, sql);
	if (slot && slot->st && !slot->busy) {
		slot->busy = true;
		q.slot = slot;
		q.st = slot->st;
		return q;
	}
	bool keep = slot && !slot->st;
	q.rc = sqlite3_prepare_v3(s->db, sql, -1, keep ? SQLITE_PREPARE_PERSISTENT : 0, &q.st, NULL);
	if (q.rc == SQLITE_OK && keep) {
		slot->st = q.st;
		slot->busy = true;
		q.slot = slot;
	}
	return q;
}

void stmt_close(struct stmt *q)
{
	if (q->slot) {
		sqlite3_reset(q->st);
		sqlite3_clear_bindings(q->st);
		q->slot->busy = false;
	} else {
		sqlite3_finalize(q->st);
	}
	*q = (struct stmt){ 0 };
}

static int place(struct stmt *q, const char *name)
{
	if (q->rc != SQLITE_OK)
		return 0;
	int i = sqlite3_bind_parameter_index(q->st, name);
	if (i == 0)
		q->rc = SQLITE_RANGE;
	return i;
}

static void note(struct stmt *q, int rc)
{
	if (q->rc == SQLITE_OK)
		q->rc = rc;
}

void stmt_text(struct stmt *q, const char *name, const char *value)
{
	int i = place(q, name);
	if (i)
		note(q, sqlite3_bind_text(q->st, i, value ? value : "", -1, SQLITE_TRANSIENT));
}

void stmt_text_or_null(struct stmt *q, const char *name, const char *value)
{
	int i = place(q, name);
	if (i)
		note(q, value && *value ? sqlite3_bind_text(q->st, i, value, -1, SQLITE_TRANSIENT) : sqlite3_bind_null(q->st, i));
}

void stmt_int(struct stmt *q, const char *name, int64_t value)
{
	int i = place(q, name);
	if (i)
		note(q, sqlite3_bind_int64(q->st, i, value));
}

void stmt_int_or_null(struct stmt *q, const char *name, int64_t value)
{
	int i = place(q, name);
	if (i)
		note(q, value ? sqlite3_bind_int64(q->st, i, value) : sqlite3_bind_null(q->st, i));
}

void stmt_bytes(struct stmt *q, const char *name, struct stg_bytes value)
{
	int i = place(q, name);
	if (i)
		note(q, value.len ? sqlite3_bind_blob64(q->st, i, value.data, value.len, SQLITE_TRANSIENT)
				  : sqlite3_bind_zeroblob(q->st, i, 0));
}

void stmt_json(struct stmt *q, const char *name, const json_t *value)
{
	int i = place(q, name);
	if (!i)
		return;
	if (!value || json_is_null(value)) {
		note(q, sqlite3_bind_null(q->st, i));
		return;
	}
	note(q, sqlite3_bind_text(q->st, i, stg_json_text(value), -1, free));
}

int stmt_step(struct stmt *q, struct stg_error *err)
{
	if (q->rc != SQLITE_OK) {
		db_fail(q->s, q->rc, "prepare statement", err);
		return -1;
	}
	/* A full disk may have rolled the whole transaction back under us: what follows must not run outside of it. */
	if (q->s->in_tx && sqlite3_get_autocommit(q->s->db)) {
		stg_fail_id(err, STG_E_IO, STG_ID_DISK_FULL, 0, "the transaction was rolled back by the disk's failure");
		return -1;
	}
	int rc = sqlite3_step(q->st);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	db_fail(q->s, rc, "inventory", err);
	return -1;
}

bool stmt_done(struct stmt *q, struct stg_error *err)
{
	int got;
	while ((got = stmt_step(q, err)) == 1)
		;
	return got == 0;
}

bool stmt_one(struct stmt *q, enum stg_id id, const char *what, struct stg_error *err)
{
	int got = stmt_step(q, err);
	if (got == 0)
		return stg_fail_id(err, STG_E_NOT_FOUND, id, 0, "%s", what);
	return got == 1;
}

const char *col_text(const struct stmt *q, int i)
{
	const char *text = (const char *)sqlite3_column_text(q->st, i);
	return text ? text : "";
}

int64_t col_int(const struct stmt *q, int i)
{
	return sqlite3_column_int64(q->st, i);
}

bool col_is_null(const struct stmt *q, int i)
{
	return sqlite3_column_type(q->st, i) == SQLITE_NULL;
}

struct stg_bytes col_bytes(const struct stmt *q, int i)
{
	const void *data = sqlite3_column_blob(q->st, i);
	return stg_bytes(data, (size_t)sqlite3_column_bytes(q->st, i));
}

json_t *col_json(const struct stmt *q, int i, struct stg_error *err)
{
	struct stg_error why = { 0 };
	json_t *value = stg_json_parse(stg_bytes_str(col_text(q, i)), STORE_TEXT_MAX, &why);
	if (!value)
		stg_fail_id(err, STG_E_IO, STG_ID_DATABASE_DAMAGED, 0, "a stored value does not read: %s", why.msg);
	return value;
}

json_t *stmt_object(struct stmt *q, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *row = json_object();
	int n = sqlite3_column_count(q->st);
	for (int i = 0; i < n; i++) {
		char key[64];
		if (col_is_null(q, i) || !stg_copy(key, sizeof(key), sqlite3_column_name(q->st, i)))
			continue;
		char *colon = strchr(key, ':');
		if (colon)
			*colon++ = 0;
		if (colon && strcmp(colon, "json") == 0) {
			json_t *value = col_json(q, i, err);
			if (!value)
				return NULL;
			stg_json_put_new(row, key, value);
		} else if (colon && strcmp(colon, "bool") == 0) {
			stg_json_put_bool(row, key, col_int(q, i) != 0);
		} else if (sqlite3_column_type(q->st, i) == SQLITE_INTEGER) {
			stg_json_put_int(row, key, col_int(q, i));
		} else {
			stg_json_put(row, key, col_text(q, i));
		}
	}
	return stg_steal(row);
}

json_t *stmt_list(struct stmt *q, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	int got;
	while ((got = stmt_step(q, err)) == 1) {
		json_t *row = stmt_object(q, err);
		if (!row)
			return NULL;
		json_array_append_new(list, row);
	}
	return got == 0 ? stg_steal(list) : NULL;
}

bool db_run(struct stg_store *s, const char *sql, struct stg_error *err)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK || db_fail(s, rc, "inventory", err);
}

int64_t db_changes(const struct stg_store *s)
{
	return sqlite3_changes64(s->db);
}

/* ---- transactions ---- */

static bool step_of(struct stg_store *s, const char *sql, const char *doing, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, sql);
	return stmt_done(&q, err) || stg_while(err, "%s", doing);
}

bool stg_store_begin(struct stg_store *s, struct stg_error *err)
{
	assert(!s->in_tx);
	reserve_watch(s);
	if (!step_of(s, "BEGIN IMMEDIATE", "begin", err))
		return false;
	s->in_tx = true;
	s->changes_before = sqlite3_total_changes64(s->db);
	s->n_pin_tries = 0;
	return true;
}

bool stg_store_commit(struct stg_store *s, struct stg_error *err)
{
	assert(s->in_tx);
	/* who has only read leaves no mark, and the disk has nothing to wait for */
	bool wrote = sqlite3_total_changes64(s->db) != s->changes_before;
	if ((wrote && !clock_mark(s, err)) || !step_of(s, "COMMIT", "commit", err)) {
		/* SQLite has undone it; who tries again finds the room that was kept back */
		stg_store_rollback(s);
		if (err && err->id == STG_ID_DISK_FULL)
			reserve_spend(s);
		return false;
	}
	s->in_tx = false;
	s->n_pin_tries = 0;
	return true;
}

void stg_store_rollback(struct stg_store *s)
{
	if (!s || !s->in_tx)
		return;
	s->in_tx = false;
	pin_forget(s);
	if (!sqlite3_get_autocommit(s->db))
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	if (s->n_pin_tries) {
		struct stg_error ignored;
		(void)pin_tries_again(s, &ignored);
		s->n_pin_tries = 0;
	}
}

bool stg_store_savepoint(struct stg_store *s, struct stg_error *err)
{
	assert(s->in_tx);
	return step_of(s, "SAVEPOINT part", "savepoint", err);
}

bool stg_store_release(struct stg_store *s, struct stg_error *err)
{
	assert(s->in_tx);
	return step_of(s, "RELEASE part", "release", err);
}

void stg_store_undo(struct stg_store *s)
{
	if (!s || !s->in_tx || sqlite3_get_autocommit(s->db))
		return;
	pin_forget(s);
	(void)sqlite3_exec(s->db, "ROLLBACK TO part; RELEASE part", NULL, NULL, NULL);
	if (s->n_pin_tries) {
		struct stg_error ignored;
		(void)pin_tries_again(s, &ignored);
	}
}

bool tx_begin(struct tx *t, struct stg_store *s, struct stg_error *err)
{
	t->s = s;
	t->own = !s->in_tx;
	t->open = t->own ? stg_store_begin(s, err) : stg_store_savepoint(s, err);
	return t->open;
}

bool tx_commit(struct tx *t, struct stg_error *err)
{
	if (t->own) {
		t->open = false;   /* a failed commit has rolled back already */
		return stg_store_commit(t->s, err);
	}
	if (!stg_store_release(t->s, err))
		return false;
	t->open = false;
	return true;
}

void tx_end(struct tx *t)
{
	if (!t->open)
		return;
	t->open = false;
	if (t->own)
		stg_store_rollback(t->s);
	else
		stg_store_undo(t->s);
}
