/*
 * db.h - inside stager/store: one connection, its statements, its transactions.
 *
 * A statement is a constant beside the function that uses it; its address is the key of the cache, so it is prepared
 * once for each connection. Binding remembers the first error and stepping tells it, so that a function reads as
 * "open, bind, bind, step". Column aliases say how a value goes into JSON: "allowed:bool", "attributes:json".
 */
#ifndef STAGER_STORE_DB_H
#define STAGER_STORE_DB_H

#include <sqlite3.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/ids.h>
#include <stager/json.h>
#include <stager/store.h>

#define STMT_SLOTS 512             /* a power of two, well above the number of statements in this room */
#define PIN_TRIES_KEPT 16
#define PINS_KEPT 16               /* parsed blueprints and sets of profiles */
#define STORE_TEXT_MAX (32u << 20) /* one JSON column: pinned profiles are the largest */

struct stmt_slot {
	const char *sql;
	sqlite3_stmt *st;
	bool busy;
};

struct pin_slot {
	char sha256[65];
	json_t *tree;
	uint64_t used;
};

struct stg_store {
	sqlite3 *db;
	char *dir;
	int lock_fd;
	enum stg_store_kind kind;
	bool read_only;
	bool in_tx;                    /* between begin and commit, ours or the caller's */
	sqlite3_int64 changes_before;  /* of the connection, when the transaction began */
	bool has_mac;
	struct stg_secret mac_key;
	int64_t checkpoint_boot_ms;    /* when the last audit checkpoint was signed */
	/* Wrong PINs of the open transaction: they stay counted although the act they belong to is undone. */
	struct pin_try {
		char name[64];
		int64_t boot_ms;
	} pin_tries[PIN_TRIES_KEPT];
	size_t n_pin_tries;
	enum { RESERVE_NONE, RESERVE_KEPT, RESERVE_SPENT } reserve;
	struct pin_slot pins[PINS_KEPT];
	uint64_t pin_clock;
	struct stmt_slot cache[STMT_SLOTS];
};

/* ---- statements ---- */
struct stmt {
	struct stg_store *s;
	sqlite3_stmt *st;
	struct stmt_slot *slot;        /* NULL: not cached, finalized at the end */
	int rc;
};

struct stmt stmt_open(struct stg_store *s, const char *sql);
void stmt_close(struct stmt *q);
void stmt_text(struct stmt *q, const char *name, const char *value);          /* NULL binds "" */
void stmt_text_or_null(struct stmt *q, const char *name, const char *value);  /* "" binds NULL */
void stmt_int(struct stmt *q, const char *name, int64_t value);
void stmt_int_or_null(struct stmt *q, const char *name, int64_t value);       /* 0 binds NULL */
void stmt_bytes(struct stmt *q, const char *name, struct stg_bytes value);
void stmt_json(struct stmt *q, const char *name, const json_t *value);        /* NULL binds NULL */
/* 1: a row, 0: no more, -1: *err is set. */
int stmt_step(struct stmt *q, struct stg_error *err);
/* Runs to the end; rows are dropped. */
bool stmt_done(struct stmt *q, struct stg_error *err);
/* Exactly one row is expected: STG_E_NOT_FOUND with `id` and `what` when there is none. */
bool stmt_one(struct stmt *q, enum stg_id id, const char *what, struct stg_error *err);
const char *col_text(const struct stmt *q, int i);                            /* never NULL; until the next step */
int64_t col_int(const struct stmt *q, int i);
struct stg_bytes col_bytes(const struct stmt *q, int i);
bool col_is_null(const struct stmt *q, int i);
/* The current row; absent and empty columns are left out. NULL: a JSON column does not parse (damaged). */
json_t *stmt_object(struct stmt *q, struct stg_error *err);
/* All (remaining) rows. */
json_t *stmt_list(struct stmt *q, struct stg_error *err);
/* Text of a JSON column back as a value. */
json_t *col_json(const struct stmt *q, int i, struct stg_error *err);

bool db_run(struct stg_store *s, const char *sql, struct stg_error *err);
/* What an SQLite result means to the caller; returns false. */
bool db_fail(struct stg_store *s, int rc, const char *doing, struct stg_error *err);
int64_t db_changes(const struct stg_store *s);

/* ---- transactions ---- */
/* Inside the caller's transaction a savepoint, else a transaction of its own; undone unless tx_commit() succeeded. */
struct tx {
	struct stg_store *s;
	bool own, open;
};
bool tx_begin(struct tx *t, struct stg_store *s, struct stg_error *err);
bool tx_commit(struct tx *t, struct stg_error *err);
void tx_end(struct tx *t);

/* ---- shared inside the room ---- */
bool schema_migrate(struct stg_store *s, struct stg_error *err);
int schema_version(void);
/* Makes (again) the file that keeps room on the disk. False: it was spent and there is no room for it yet. */
bool reserve_keep(struct stg_store *s);
/* Gives that room to the commits that come; watch does so when the disk is nearly full. */
void reserve_spend(struct stg_store *s);
void reserve_watch(struct stg_store *s);
bool clock_mark(struct stg_store *s, struct stg_error *err);
/* HMAC-SHA256 over the canonical text of `row` for `table`; hex. STG_E_BUG when no key was set. */
bool mac_make(struct stg_store *s, const char *table, const json_t *row, char ret[65], struct stg_error *err);
/* STG_E_IO + STG_ID_ROW_DAMAGED naming table and id. */
bool mac_check(struct stg_store *s, const char *table, int64_t id, const json_t *row, const char *mac, struct stg_error *err);
/* A key for another purpose, derived from the MAC key. */
bool mac_subkey(struct stg_store *s, const char *purpose, uint8_t ret[32], struct stg_error *err);
bool meta_get(struct stg_store *s, const char *key, struct stg_buf *ret, struct stg_error *err); /* empty when absent */
bool meta_set(struct stg_store *s, const char *key, const char *value, struct stg_error *err);
/* Row id of a device; STG_E_NOT_FOUND. */
bool device_id(struct stg_store *s, const char *family, const char *unit, int64_t *ret, struct stg_error *err);
bool device_put_id(struct stg_store *s, const struct stg_identity *who, int64_t *ret, struct stg_error *err);
/* Content-addressed JSON: pinned blueprints and profiles are kept once however many jobs use them. */
bool pin_put(struct stg_store *s, const json_t *body, char ret_sha256[65], struct stg_error *err);
json_t *pin_get(struct stg_store *s, const char *sha256, struct stg_error *err);   /* shared: never changed by anybody */
void pin_forget(struct stg_store *s);   /* after an undo: what was pinned may not be there any more */
/* The words by which `find` finds a thing. kind: 1 device, 2 expected row, 3 batch, 4 certificate, 5 record. */
enum search_kind { SEARCH_DEVICE = 1, SEARCH_ROW, SEARCH_BATCH, SEARCH_CERTIFICATE, SEARCH_RECORD };
bool search_put(struct stg_store *s, enum search_kind kind, int64_t ref, const char *text, struct stg_error *err);
bool search_device(struct stg_store *s, int64_t device, struct stg_error *err);
bool search_rebuild(struct stg_store *s, struct stg_error *err);
/* Ids of devices that bear every word, at most `limit`, in rising order; the caller frees. */
bool search_devices(struct stg_store *s, const char *text, int64_t limit, int64_t **ret, size_t *ret_n, struct stg_error *err);
/* Takes one use of an exception for this order; STG_E_SAFETY + STG_ID_ERASE_SECOND when there is none that may be used. */
bool exception_use(struct stg_store *s, const json_t *order, const char *family, const char *unit, int64_t job, int64_t *ret_id, struct stg_error *err);
/* The record of a proven erasure of this job: made once, with what the order, the journal and the inventory say. *ret_id: "" when
 * nothing was erased or it is not proven. Part of the caller's transaction. */
bool erasure_keep(struct stg_store *s, const json_t *job, const struct stg_identity *who, char ret_id[40], struct stg_error *err);
/* A proven erase ends what was issued to the device before it: nobody may go on using a key that was on it. */
bool certificates_of_wiped(struct stg_store *s, const struct stg_identity *who, int64_t before_ms, const char *erasure, struct stg_error *err);
/* [serial_hex] of what was revoked because of an erase, in this job or later; NULL: an error. */
json_t *certificates_ended(struct stg_store *s, const char *unit, int64_t since_ms, struct stg_error *err);
/* The order for the MDM that stands open for this job's device, as every receiver reads it: {"verb","reason","by","since"}; {} when none. */
json_t *mdm_order_part(struct stg_store *s, const json_t *job, struct stg_error *err);
/* The device is staged: it stands in no queue any more. */
bool queued_over(struct stg_store *s, const struct stg_identity *who, struct stg_error *err);
bool outbox_queue(struct stg_store *s, int64_t seq, int64_t device, struct stg_error *err);
/* The same for targets that want every record, whatever it is about. */
bool outbox_queue_evidence(struct stg_store *s, int64_t seq, int64_t device, int64_t *ret_n, struct stg_error *err);
/* One row for one target, or the one there is. */
bool outbox_add(struct stg_store *s, int64_t seq, const char *record_id, int64_t device, const char *target, const char *phase, int64_t *ret_id,
		struct stg_error *err);
/* ---- register.c: the outbox's phase P ---- */
/* For each device of this order that names its serial number: told once to each target that registers devices before enrolment. */
bool register_order(struct stg_store *s, int64_t batch, struct stg_error *err);
/* The same for every order that is not closed: a target is new. */
bool register_open_orders(struct stg_store *s, struct stg_error *err);
/* The order is closed: what was not told yet of devices that never came, and stand in no other order, is dropped. */
bool register_order_over(struct stg_store *s, int64_t batch, const char *name, struct stg_error *err);
/* What is told, with the keys of stg_store_record(). */
json_t *register_payload(struct stg_store *s, const char *record_id, struct stg_error *err);
/* A delivery of it has moved: who waited for its receipt is handed over, or held. */
bool register_settled(struct stg_store *s, const char *record_id, struct stg_error *err);
/* {"wanted","registered","refused"} of an order; NULL: an error. */
json_t *register_count(struct stg_store *s, int64_t batch, struct stg_error *err);
/* A device as receivers read it, without what is no business of theirs. */
json_t *record_device_part(const struct stg_identity *who);
json_t *record_time_part(void);
/* A record of another station, byte for byte, under a number of ours (its job has the same). */
bool record_put_carried(struct stg_store *s, const json_t *r, const char *bytes, int64_t seq, int64_t device, int64_t at_ms, bool final, const char *sha256,
			struct stg_error *err);
/* After a crash: what was being sent may have arrived. After a reboot: backoff counted on a clock that is gone. */
bool outbox_in_doubt(struct stg_store *s, struct stg_error *err);
bool outbox_due_now(struct stg_store *s, struct stg_error *err);
/* A job of a canary ended: its kind has passed, or has failed. */
bool canary_ended(struct stg_store *s, int64_t job, enum stg_end end, const json_t *why, const char *serial, struct stg_error *err);
bool audit_checkpoint(struct stg_store *s, bool only_if_due, struct stg_error *err);
bool audit_head(struct stg_store *s, int64_t *ret_rows, char ret_hash[65], struct stg_error *err);
bool pin_tries_again(struct stg_store *s, struct stg_error *err);

#endif
