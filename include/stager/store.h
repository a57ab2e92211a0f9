/*
 * store.h - the door of stager/store: the inventory, the journal, the outbox, the audit log, people.
 *
 * One SQLite file `stager.db` in the state directory, WAL, synchronous=FULL, STRICT tables. Exactly one connection
 * writes: the recorder's in a running station, or a command's when none runs (the state lock is held by either).
 * Times are UTC ms. Rows go in and out as JSON objects with the keys of the columns named here; lists are JSON arrays.
 * Sealed columns are opaque bytes made by stager/keys; the store never sees a key.
 *
 * Transactions: every function below runs inside the transaction opened with stg_store_begin() if there is one, else
 * in one of its own. The recorder groups many calls into one commit and answers only after it.
 *
 * Threads: a store belongs to one thread at a time. Errors: STG_E_IO (with STG_ID_DISK_FULL, STG_ID_DATABASE_DAMAGED...),
 * STG_E_NOT_FOUND, STG_E_REFUSED (an illegal move, a rule), STG_E_STATION (held by another, newer than the program).
 */
#ifndef STAGER_STORE_H
#define STAGER_STORE_H

#include <stager/job.h>
#include <stager/secret.h>

struct stg_store;

enum stg_store_kind { STG_STORE_ANY, STG_STORE_PRODUCTION, STG_STORE_REHEARSAL };

/* ---- open ---- */
/* Takes the kernel lock of the state directory (STG_E_STATION + STG_ID_STATE_HELD names the holder's pid), makes the
 * directory and the file if there are none (of `kind`; ANY = production), migrates after copying to before-N.db.
 * An existing state of the other kind: STG_E_SAFETY + STG_ID_STATE_KIND. */
struct stg_store *stg_store_open(const char *state_dir, enum stg_store_kind kind, struct stg_error *err);
/* A second, read-only connection for another thread; takes no lock, writes nothing, never checkpoints. */
struct stg_store *stg_store_open_read(const char *state_dir, struct stg_error *err);
void stg_store_close(struct stg_store *s);
void stg_store_close_at(struct stg_store **s);
enum stg_store_kind stg_store_kind_of(const struct stg_store *s);
const char *stg_store_dir(const struct stg_store *s);
/* Key of the row MACs (results, outbox), from stager/keys; set right after open, before anything else is read. */
bool stg_store_set_mac_key(struct stg_store *s, const struct stg_secret *key, struct stg_error *err);

bool stg_store_begin(struct stg_store *s, struct stg_error *err);
bool stg_store_commit(struct stg_store *s, struct stg_error *err);   /* on failure everything is rolled back */
void stg_store_rollback(struct stg_store *s);
/* Nested: a failing operation inside a group undoes itself only. */
bool stg_store_savepoint(struct stg_store *s, struct stg_error *err);
bool stg_store_release(struct stg_store *s, struct stg_error *err);
void stg_store_undo(struct stg_store *s);

/* ---- small things ---- */
/* Grows by one at each call, for ever: "attach", "record" ... */
bool stg_store_next(struct stg_store *s, const char *sequence, int64_t *ret, struct stg_error *err);
/* Settings: station_name, station_id, hand_size ... NULL value deletes. get: "" when absent; the caller frees. */
bool stg_store_set(struct stg_store *s, const char *key, const char *value, struct stg_error *err);
char *stg_store_get(struct stg_store *s, const char *key, struct stg_error *err);
/* {"schema_version","sqlite","pages","page_size","journal_mode","counts":[{"table","rows"}],"schema":[sql]}: no row's content. */
json_t *stg_store_figures(struct stg_store *s, struct stg_error *err);
/* High-water mark of wall time: false with STG_E_STATION + STG_ID_CLOCK_BACK when now is over 5 minutes before it or before the build. */
bool stg_store_clock_ok(struct stg_store *s, struct stg_error *err);
/* A person says that the clock is right although the mark is ahead (it once ran fast). Still refused before the build's date. */
bool stg_store_clock_accept(struct stg_store *s, struct stg_error *err);

/* ---- devices ---- */
/* Inserts or completes (empty fields never overwrite); keeps history of what changed. */
bool stg_store_device_put(struct stg_store *s, const struct stg_identity *who, int64_t *ret_id, struct stg_error *err);
bool stg_store_device_find(struct stg_store *s, const char *family, const char *unit, struct stg_identity *ret, struct stg_error *err);
bool stg_store_device_by_udid(struct stg_store *s, const char *udid, struct stg_identity *ret, struct stg_error *err);
/* {"ownership","asset_tag","attributes",...} of one device as the inventory knows it. */
json_t *stg_store_device_json(struct stg_store *s, const char *family, const char *unit, struct stg_error *err);
/* query: free text over serial, udid, imei, tag, name, batch; "" = all. limit 0 = no limit. */
json_t *stg_store_inventory(struct stg_store *s, const char *query, int64_t limit, struct stg_error *err);
/* One device with its jobs, steps, evidence, certificates, deliveries, holds: everything `inventory show` prints. */
json_t *stg_store_history(struct stg_store *s, const char *serial_or_unit, struct stg_error *err);
/* Everything that bears the words: devices, expected rows, batches, certificates, records, and a job by its number.
 * [{"kind":"device|expected|batch|certificate|record|job", and the thing's own keys}]. */
json_t *stg_store_find(struct stg_store *s, const char *text, int64_t limit, struct stg_error *err);
/* A page of the inventory for exports: rows after device `after_id`, each with "id". */
json_t *stg_store_inventory_page(struct stg_store *s, int64_t after_id, int64_t limit, struct stg_error *err);
bool stg_store_ownership(struct stg_store *s, const char *family, const char *unit, const char *ownership, struct stg_error *err);
/* What the owner calls it: empty tag and NULL attributes keep what is there. */
bool stg_store_device_tag(struct stg_store *s, const char *family, const char *unit, const char *asset_tag, const json_t *attributes, struct stg_error *err);

/* ---- trust: pair records and the pool of host identities (sealed blobs) ---- */
bool stg_store_hostid_add(struct stg_store *s, const char *host_id, struct stg_bytes sealed, struct stg_error *err);
bool stg_store_hostid_count(struct stg_store *s, int64_t *ret_free, struct stg_error *err);
/* The identity already given to this unit, else takes a free one for it (oldest first). STG_E_NOT_FOUND: pool is empty. */
bool stg_store_hostid_take(struct stg_store *s, const char *family, const char *unit, struct stg_buf *ret_sealed, struct stg_error *err);
/* Empty sealed forgets the record and frees nothing: a used identity is never given to another unit. */
bool stg_store_trust_put(struct stg_store *s, const char *family, const char *unit, const char *udid, struct stg_bytes sealed, struct stg_error *err);
bool stg_store_trust_get(struct stg_store *s, const char *udid, struct stg_buf *ret_sealed, struct stg_error *err);
bool stg_store_trust_forget(struct stg_store *s, const char *family, const char *unit, struct stg_error *err); /* and its host identity */

/* ---- batches ---- */
/* {"name","blueprint","created_ms","columns":{...},"rows":[{"line":2,"serial","udid","ecid","imei","name","asset_tag","ownership","attributes":{}}]} */
bool stg_store_batch_add(struct stg_store *s, const json_t *batch, struct stg_error *err);
/* With "state" (new|started|paused|closed), "balance":{"expected","staged","waiting","hold","failed","missing","unexpected","running"}, pinned hashes. */
json_t *stg_store_batch(struct stg_store *s, const char *name, struct stg_error *err);
json_t *stg_store_batches(struct stg_store *s, struct stg_error *err);
/* Every expected row: {"row","line","serial","udid","ecid","imei","name","asset_tag","ownership","attributes","family","unit","model_name",
 * "end":"staged|waiting|hold|failed|missing|running","job","state","wait","code"/"why_id":row of errors.def,"msg","reason","step","owner",
 * "hold_reason","record_id","port","label","changed_ms"}; then the unexpected ones ("unexpected": true). */
json_t *stg_store_batch_rows(struct stg_store *s, const char *name, struct stg_error *err);
/* state: new>started>paused>started>closed>reopened(=paused). pins (may be NULL): {"blueprint":{...json form...},"profiles":{...},"ports":["1-1.4",...]}. */
bool stg_store_batch_state(struct stg_store *s, const char *name, const char *state, const json_t *pins, struct stg_error *err);
/* As given at the start; {} before. Shared like every pinned tree (also in jobs): read it, never change it. */
json_t *stg_store_batch_pins(struct stg_store *s, const char *name, struct stg_error *err);
/* The expected row of a started batch that matches (ECID/UDID first, then serial, then IMEI): {"batch","blueprint","row","line","end",
 * "ownership","asset_tag","name","attributes",...}. STG_E_NOT_FOUND; STG_E_WAITING + STG_ID_BATCH_NOT_STARTED when only a batch that is
 * new or paused wants it; STG_E_HOLD + STG_ID_IN_TWO_BATCHES when more than one started batch wants it, + STG_ID_IDENTITY_CONFLICT when
 * the order and the device disagree, + STG_ID_ROW_TAKEN when another unit already has that row. */
json_t *stg_store_batch_match(struct stg_store *s, const struct stg_identity *who, struct stg_error *err);
/* A device seen on an allowed port of a started batch that is not in any order. */
bool stg_store_unexpected(struct stg_store *s, const char *batch, const struct stg_identity *who, const char *port, struct stg_error *err);

/* ---- jobs ---- */
/* {"family","unit","batch","row","blueprint":{pinned},"profiles":{pinned},"port","label","attach","actor","attributes":{}}; one open job per unit. */
bool stg_store_job_add(struct stg_store *s, const json_t *job, int64_t *ret_id, struct stg_error *err);
/* {"id","family","unit","serial","batch","row","state","end","wait","blueprint":{pinned},"blueprint_name","profiles":{pinned},"attributes",
 * "port","label","attach","actor","tries","record_id", times, "why":{"wait","id","code","msg","step","owner"}}; what is empty is left out. */
json_t *stg_store_job(struct stg_store *s, int64_t id, struct stg_error *err);
/* The open (not DONE/FAILED/CANCELLED) job of a unit, newest; STG_E_NOT_FOUND. */
json_t *stg_store_job_open(struct stg_store *s, const char *family, const char *unit, struct stg_error *err);
/* filter: {"state","batch","serial","open":true}; all when NULL. Without the pinned bytes. */
json_t *stg_store_jobs(struct stg_store *s, const json_t *filter, struct stg_error *err);
/* One legal move (stg_job_may_move), else STG_E_REFUSED; to RUNNING in a batch that is not started: STG_E_WAITING + STG_ID_BATCH_NOT_STARTED. `why` {"wait","id","code","msg","step","owner"} is kept; port/attach when given. */
bool stg_store_job_move(struct stg_store *s, int64_t job, enum stg_job_state to, const json_t *why, struct stg_error *err);
/* A step runs only after this was committed. `n` is the step's index in the blueprint, key its key. */
bool stg_store_step_begin(struct stg_store *s, int64_t job, int n, const char *key, const char *step, const json_t *asked, struct stg_error *err);
/* outcome: "done" "proven" (skipped: found by re-reading) "skipped" (condition) "failed" "interrupted" "unknown" "waiting". */
bool stg_store_step_end(struct stg_store *s, int64_t job, int n, const char *key, const char *outcome, const json_t *evidence,
			const struct stg_error *why, int64_t took_ms, struct stg_error *err);
json_t *stg_store_steps(struct stg_store *s, int64_t job, struct stg_error *err);
/* Ends (or parks) the job and, in the same transaction, writes the record (record_id UUIDv7, gap-free seq, prev hash),
 * the audit entry and one outbox row per enabled target. `end` decides: STAGED/FAILED/HOLD/WAITING. A job that parks (WAITING)
 * makes a record too, superseded by the later one of the same unit for the receiver (record carries "final": false). */
bool stg_store_job_finish(struct stg_store *s, int64_t job, enum stg_job_state to, enum stg_end end, const json_t *why,
			  const struct stg_identity *who, const json_t *facts, char ret_record[40], struct stg_error *err);
/* After a restart: RUNNING jobs become INTERRUPTED, open steps "interrupted" (erase: "unknown"), sending deliveries "in_doubt". */
bool stg_store_recover(struct stg_store *s, int64_t *ret_jobs, struct stg_error *err);
json_t *stg_store_record(struct stg_store *s, const char *record_id, struct stg_error *err);
json_t *stg_store_records(struct stg_store *s, const char *batch, struct stg_error *err);

/* ---- erase gate: the journal half (rules live in station/gate.c) ---- */
/* {"batch","serials":[...]|"unit","by","second","count"}: a person's order. One row per unit; spent once. */
bool stg_store_erase_allow(struct stg_store *s, const json_t *order, struct stg_error *err);
/* The unspent order for this unit or STG_E_NOT_FOUND. */
json_t *stg_store_erase_order(struct stg_store *s, const char *family, const char *unit, struct stg_error *err);
/* Spends it for this attach and writes the audit intent; second call: STG_E_SAFETY. */
bool stg_store_erase_spend(struct stg_store *s, const char *family, const char *unit, int64_t job, uint64_t attach, struct stg_error *err);

/* The order as stg_store_erase_order() gives it also says whose word it is: "by_role" (of the person in "by"; "" = nobody of that
 * name is registered) and "people" (how many are registered). */
/* The same as stg_store_erase_spend; with `second_needed` it also needs the order's second person or an exception, which it uses. */
bool stg_store_erase_spend_two(struct stg_store *s, const char *family, const char *unit, int64_t job, uint64_t attach, bool second_needed,
			       struct stg_error *err);
/* A lead agrees beforehand: {"by","serials":[...] or "batch","most" (for a batch),"until_ms","reason"}; the caller has checked who it is.
 * Row MAC and audit row. STG_E_USAGE + STG_ID_EXCEPTION_SPAN, _EMPTY. */
bool stg_store_exception_sign(struct stg_store *s, const json_t *exception, int64_t *ret_id, struct stg_error *err);
/* Newest first: {"id","by","batch","serials":[],"most","used","left","reason","at_ms","until_ms","withdrawn_ms","withdrawn_by",
 * "state":"open|used|past|withdrawn"}; every one, or the open ones. */
json_t *stg_store_exceptions(struct stg_store *s, bool open_only, struct stg_error *err);
bool stg_store_exception_withdraw(struct stg_store *s, int64_t id, const char *by, struct stg_error *err);
/* The one that stands in for a second person when `ordered_by` has ordered this serial (of this unit, if it is known) to be erased;
 * else the newest that names it, with "used_for_it" and the rest saying why it does not; STG_E_NOT_FOUND: none names it. */
json_t *stg_store_exception_for(struct stg_store *s, const char *family, const char *unit, const char *serial, const char *ordered_by,
				struct stg_error *err);

/* ---- returned devices ---- */
/* What a person decided about a device: kind "backup", answer "none" (nothing is to be kept), "done" (a copy was made), "wanted" (not
 * yet); by: who decided, actor: who wrote it down. The newest counts. With an audit row. */
bool stg_store_decide(struct stg_store *s, const char *serial, const char *kind, const char *answer, const char *by, const char *actor,
		      struct stg_error *err);
/* What is known of where this device comes from: {"known":bool,"in_order":bool,"batch","ownership","asset_tag","staged_ms" (by this station,
 * last), "locked_ms" (found activation-locked, last), "backup":{"answer","by","at_ms"}}; what is not known is left out. */
json_t *stg_store_origin(struct stg_store *s, const struct stg_identity *who, struct stg_error *err);

/* Records of proven erasures, oldest first, MAC checked: [{"id","job","at_ms","body":{schema stager.erasure/1, see store/erasure.c}}].
 * serial "" and batch "": all. */
json_t *stg_store_erasures(struct stg_store *s, const char *serial, const char *batch, struct stg_error *err);

/* ---- named queues ---- */
/* Where devices stand that cannot go on by themselves: "line" (for the maker's service), "unlock" (locked, its token is kept), "locked"
 * (locked, nothing is kept: somebody decides), "mdm" (an order for the MDM is out), "restore" (for a full restore over a line).
 * The first three follow from the jobs; the others are kept. [{"queue","id" (kept ones),"job","serial","unit","asset_tag","batch","port",
 * "label","code","reason","actor","since_ms"}]; queue "": all. */
json_t *stg_store_queues(struct stg_store *s, const char *queue, struct stg_error *err);
/* {"line":n,"unlock":n,"locked":n,"mdm":n,"restore":n}, zeros left out. */
json_t *stg_store_queue_counts(struct stg_store *s, struct stg_error *err);
/* {"queue","family","unit","serial","udid","code","reason","detail":{},"actor"}; once for each device and queue. */
bool stg_store_queue_add(struct stg_store *s, const json_t *row, int64_t *ret_id, struct stg_error *err);
/* STG_E_NOT_FOUND + STG_ID_NOT_QUEUED. */
bool stg_store_queue_done(struct stg_store *s, int64_t id, const char *by, const char *why, struct stg_error *err);
/* The MDM is to do what no cable can ("clear_passcode", "erase"): queued, and told to every receiver in a record of the device's open
 * job (one is made when there is none). STG_E_REFUSED + STG_ID_ILLEGAL_MOVE while the device is being worked on. */
bool stg_store_mdm_order(struct stg_store *s, const struct stg_identity *who, const char *verb, const char *reason, const char *actor,
			 struct stg_error *err);

/* Certificates of this device do not count any more: a record "stager.revocation/1" with `part` under "revocation" for every receiver of evidence
 * (a target that only keeps the last word about a device hears of it in no form). It is of no batch and changes no job. ret_queued: to how many. */
bool stg_store_tell_revoked(struct stg_store *s, const struct stg_identity *who, const json_t *part, const char *actor, int64_t *ret_queued, struct stg_error *err);

/* ---- overrides: one device does otherwise than its blueprint, for a while ---- */
/* {"family","unit" (may be empty),"serial","what":{"set":{param:value},"skip":[step]},"reason","by","until_ms"} */
bool stg_store_override_add(struct stg_store *s, const json_t *override, int64_t *ret_id, struct stg_error *err);
/* All, newest first: the same keys with "id","since_ms","ended_ms","ended_by","job" (the last it was used for). */
json_t *stg_store_overrides(struct stg_store *s, struct stg_error *err);
/* Those that hold now for this device, oldest first: the later one wins. */
json_t *stg_store_overrides_for(struct stg_store *s, const struct stg_identity *who, struct stg_error *err);
bool stg_store_override_used(struct stg_store *s, int64_t id, int64_t job, struct stg_error *err);
/* STG_E_NOT_FOUND + STG_ID_NO_OVERRIDE when there is none, or it has ended. */
bool stg_store_override_end(struct stg_store *s, int64_t id, const char *by, struct stg_error *err);

/* ---- canaries: the first of a model, system and blueprint that were not together here yet ---- */
enum stg_canary { STG_CANARY_GO, STG_CANARY_FIRST, STG_CANARY_WAIT, STG_CANARY_STOPPED };
/* May a job of this device begin? `blueprint` is the pinned one ("canaries": so many, absent: none). *ret_kind (a new reference; NULL with GO):
 * as stg_store_canaries(). */
bool stg_store_canary_ask(struct stg_store *s, const struct stg_identity *who, const json_t *blueprint, enum stg_canary *ret, json_t **ret_kind, struct stg_error *err);
bool stg_store_canary_take(struct stg_store *s, int64_t canary, int64_t job, struct stg_error *err);
/* [{"id","model","os","blueprint","sha256","wanted","staged","state","code","why","serial","by","since_ms","changed_ms"}], newest first. */
json_t *stg_store_canaries(struct stg_store *s, struct stg_error *err);
/* STG_E_NOT_FOUND: no such kind, or nothing of it waits. */
bool stg_store_canary_release(struct stg_store *s, int64_t id, const char *by, struct stg_error *err);

/* ---- holds, ports ---- */
bool stg_store_hold_add(struct stg_store *s, const json_t *hold /* unit or serial, reason, owner, id */, struct stg_error *err);
bool stg_store_hold_release(struct stg_store *s, const char *serial_or_unit, const char *by, const char *why, struct stg_error *err);
json_t *stg_store_holds(struct stg_store *s, struct stg_error *err);
/* The oldest open hold of this unit or serial: {"hold":row,"id":row of errors.def,"reason","owner","since_ms","until_ms"};
 * STG_E_NOT_FOUND: none. Ask before a job starts or goes on. */
json_t *stg_store_hold_of(struct stg_store *s, const struct stg_identity *who, struct stg_error *err);
json_t *stg_store_ports(struct stg_store *s, struct stg_error *err);   /* [{"port","label","allowed"}] */
bool stg_store_port_put(struct stg_store *s, const char *port, const char *label /* NULL: keep */, int allowed /* -1 keep */, struct stg_error *err);
/* What a person calls ports: a label ("A7"), a kernel path ("2-1.4", known or not), a range of labels ("A1-A8"), "all" (every known one).
 * A list of paths, never empty; STG_E_NOT_FOUND. */
json_t *stg_store_port_resolve(struct stg_store *s, const char *word, struct stg_error *err);

/* ---- the line ---- */
/* Settings "window" ("open", "closed"; never set = open) and "window_until" (UTC ms, 0 = until further notice). An open window whose
 * hour has passed is closed. `until_ms` 0 or in the future. */
bool stg_store_window_set(struct stg_store *s, bool open, int64_t until_ms, struct stg_error *err);
bool stg_store_window(struct stg_store *s, bool *ret_open, int64_t *ret_until_ms, struct stg_error *err);
struct stg_window {
	bool is_closed;                  /* somebody closed it */
	int64_t until_ms, set_ms;        /* UTC: open until (0: until further notice); when that was said */
	int64_t until_boot_ms;           /* the same instant on this boot's clock; 0: said before this boot */
};
bool stg_store_window_read(struct stg_store *s, struct stg_window *ret, struct stg_error *err);
/* Any thread: how long it stays open; 0 closed, INT64_MAX until further notice. Setting the wall clock changes nothing. */
int64_t stg_window_left_ms(const struct stg_window *w);
bool stg_window_is_open(const struct stg_window *w);
/* Its hour has passed: closed for good, with an audit row. ret_closed: that was now; false: it was closed, or is open anew. */
bool stg_store_window_lapse(struct stg_store *s, bool *ret_closed, struct stg_error *err);

/* ---- organisations, secrets, certificates: rows; meaning lives in keys and profiles ---- */
bool stg_store_org_put(struct stg_store *s, const json_t *org, struct stg_bytes sealed_keys, struct stg_error *err);
json_t *stg_store_org(struct stg_store *s, const char *name /* "" = the default one */, struct stg_buf *ret_sealed_keys, struct stg_error *err);
json_t *stg_store_orgs(struct stg_store *s, struct stg_error *err);
/* Whose device is this, before it has a job? The organisation that last supervised it here; else that of the order it stands in.
 * *ret_found false: nothing is known. An empty name is the default organisation. */
bool stg_store_device_org(struct stg_store *s, const struct stg_identity *who, bool *ret_found, char ret_name[65], struct stg_error *err);
bool stg_store_secret_put(struct stg_store *s, const char *name, struct stg_bytes sealed, struct stg_error *err); /* empty = remove */
bool stg_store_secret_get(struct stg_store *s, const char *name, struct stg_buf *ret_sealed, struct stg_error *err);
json_t *stg_store_secrets(struct stg_store *s, struct stg_error *err);  /* names and dates only */
/* What was sealed to a recovery key for a device: {"family","unit","serial","kind","org","key_sha256","job"}; nothing is ever
 * overwritten, the newest counts. ret_id may be NULL. */
bool stg_store_escrow_add(struct stg_store *s, const json_t *row, struct stg_bytes sealed, int64_t *ret_id, struct stg_error *err);
/* The newest for a serial or unit, with "id","sealed_sha256","created_ms","opened_ms"; STG_E_NOT_FOUND. ret_sealed may be NULL. */
json_t *stg_store_escrow(struct stg_store *s, const char *serial_or_unit, const char *kind, struct stg_buf *ret_sealed, struct stg_error *err);
/* The newest of each device; "" = all. Without the sealed bytes. */
json_t *stg_store_escrows(struct stg_store *s, const char *serial_or_unit, struct stg_error *err);
bool stg_store_escrow_opened(struct stg_store *s, int64_t id, struct stg_error *err);
/* From now on this name is this unit's within the batch, and the one it had before is free. STG_E_REFUSED + STG_ID_NAME_TAKEN when
 * another unit of it has it (capitals do not count). */
bool stg_store_name_give(struct stg_store *s, const char *batch, const char *name, const char *family, const char *unit, struct stg_error *err);
/* {"issuer","serial_hex","unit","device_serial","subject","san","sha256","spki_sha256","not_before_ms","not_after_ms","purpose","job","status","pem"} */
bool stg_store_certificate_add(struct stg_store *s, const json_t *row, struct stg_error *err);
/* The same with its audit entry, both or none. */
bool stg_store_certificate_issued(struct stg_store *s, const json_t *row, const json_t *entry, struct stg_error *err);
bool stg_store_certificate_status(struct stg_store *s, const char *serial_hex, const char *status /* issued installed superseded revoked */, const char *reason, struct stg_error *err);
/* filter (all when NULL): {"unit","status","job","serial_hex","device_serial","issuer","sha256","purpose","words" (anywhere in what a person knows of
 * it),"changed_after_ms","expires_before_ms"}. A proven erase revokes ("cessation") what the device was issued before it. */
json_t *stg_store_certificates(struct stg_store *s, const json_t *filter, struct stg_error *err);
/* Of the certificates still valid the one that ends first, {} when there is none. */
json_t *stg_store_certificate_next(struct stg_store *s, struct stg_error *err);

/* ---- SCEP ---- */
/* {"hash": of the challenge,"device_serial","unit","template","org","via": a server or "","vars":{},"job","actor","expires_ms"} */
bool stg_store_scep_challenge_add(struct stg_store *s, const json_t *row, struct stg_error *err);
/* With "id","created_ms" and, once it was used, "used_ms","transaction_id","serial_hex". STG_E_NOT_FOUND + STG_ID_SCEP_CHALLENGE_UNKNOWN. */
json_t *stg_store_scep_challenge(struct stg_store *s, const char *hash, struct stg_error *err);
/* Once: STG_E_REFUSED + STG_ID_SCEP_CHALLENGE_USED the second time. Call it in the transaction that registers the certificate. */
bool stg_store_scep_challenge_spend(struct stg_store *s, int64_t id, const char *transaction_id, const char *serial_hex, struct stg_error *err);
/* Newest first, at most 10,000, with "state": open, used, expired; "" = of every device. */
json_t *stg_store_scep_challenges(struct stg_store *s, const char *device_serial, bool open_only, struct stg_error *err);
/* What was answered: {"transaction_id","spki_sha256","serial_hex","template","vars"}. Found by certificate, or (serial_hex "") by
 * transaction and key, so that a repeated request gets the certificate it made. STG_E_NOT_FOUND. */
bool stg_store_scep_done_add(struct stg_store *s, const json_t *row, struct stg_error *err);
json_t *stg_store_scep_done(struct stg_store *s, const char *transaction_id, const char *spki_sha256, const char *serial_hex, struct stg_error *err);
/* Another SCEP server: settings {"url",...} and sealed credentials (empty keeps those stored). STG_ID_SCEP_SERVER_UNKNOWN. */
bool stg_store_scep_server_put(struct stg_store *s, const char *name, const json_t *config, struct stg_bytes sealed, struct stg_error *err);
json_t *stg_store_scep_server(struct stg_store *s, const char *name, struct stg_buf *ret_sealed, struct stg_error *err);
/* [{"name","config","open","lapsed","given","next_expiry_ms","changed_ms"}]: the counts are of its pool. */
json_t *stg_store_scep_servers(struct stg_store *s, struct stg_error *err);
/* A one-time challenge fetched from it, sealed; `mark` says whether it is there already (ret_new false). */
bool stg_store_scep_pool_add(struct stg_store *s, const char *server, const char *mark, struct stg_bytes sealed, int64_t fetched_ms, int64_t expires_ms,
			     bool *ret_new, struct stg_error *err);
/* For this device and for good. STG_E_NOT_FOUND + STG_ID_SCEP_POOL_EMPTY. */
bool stg_store_scep_pool_take(struct stg_store *s, const char *server, const char *device_serial, struct stg_buf *ret_sealed, int64_t *ret_expires_ms,
			      struct stg_error *err);

/* ---- enrolment profiles fetched from an MDM; the bytes are profiles/NAME.mobileconfig of the state ---- */
/* [{"name","mdm","host" (of its address; "" when it came as a file),"obtained_ms","not_after_ms" (0: nobody knows),"why" (what ends first: "life",
 * "removal", "expiration", "signer", "certificate", "identity", "given"),"sha256","once":bool (good for one device),"by","sealed"}], by name. */
json_t *stg_store_fetched(struct stg_store *s, struct stg_error *err);
/* NULL forgets it: STG_E_NOT_FOUND + STG_ID_FETCH_UNKNOWN. */
bool stg_store_fetched_put(struct stg_store *s, const char *name, const json_t *row, struct stg_error *err);

/* ---- targets and outbox (states of mdm-push 10.1) ---- */
/* "phase": letters of "ABE", "-" for one that is told nothing. */
bool stg_store_target_put(struct stg_store *s, const json_t *target /* name, connector, config{}, enabled */, struct stg_bytes sealed_credentials, struct stg_error *err);
json_t *stg_store_target(struct stg_store *s, const char *name, struct stg_buf *ret_sealed, struct stg_error *err);
json_t *stg_store_targets(struct stg_store *s, struct stg_error *err);
bool stg_store_target_note(struct stg_store *s, const char *name, const char *state /* "" ok, "auth", "trust", "offline", ... */, int64_t not_before_ms, const char *text, struct stg_error *err);
/* Leases up to `most` due rows of a target, oldest record first, moving them to "sending" with attempts + 1, committed before a byte leaves.
 * [{"id","seq","record_id","target","phase","was":"queued|in_doubt|op_pending","attempts","idempotency_key","payload":"the exact bytes",
 * "payload_sha256","unit","serial","batch","end","answer":{last one}}]. now_ms and every not_before_ms of targets and outbox are
 * stg_boot_ms(); after a reboot stg_store_recover() makes everything due. A damaged row is set aside as "damaged", audited, not returned. */
json_t *stg_store_outbox_take(struct stg_store *s, const char *target, int64_t most, int64_t now_ms, struct stg_error *err);
/* Several in one transaction, all or none: [{"id","state","not_before_ms","answer"}]. */
bool stg_store_outbox_settle_many(struct stg_store *s, const json_t *outcomes, struct stg_error *err);
/* state delivered queued(not_before_ms) in_doubt rejected op_pending sent_unproven dropped. */
bool stg_store_outbox_settle(struct stg_store *s, int64_t id, const char *state, int64_t not_before_ms, const json_t *answer, struct stg_error *err);
json_t *stg_store_outbox(struct stg_store *s, const json_t *filter, struct stg_error *err);
/* {"waiting","oldest_ms","by_target":[{"name","waiting","delivered","rejected","in_doubt","state","text","due_ms"}]} */
json_t *stg_store_outbox_summary(struct stg_store *s, struct stg_error *err);

/* ---- told to the MDM before enrolment (phase P) ---- */
/* A job that would end as staged and whose blueprint says `hand_over: after_registered`: what it ends as until the receipts of all targets that
 * register devices are here: parked (`why` gets wait registration), held when one refuses it. Anything else stays as it is. Part of the
 * transaction that ends the job; a later receipt ends it by itself, in the transaction that settles the delivery. */
bool stg_store_hand_over(struct stg_store *s, int64_t job, enum stg_job_state *to, enum stg_end *end, json_t *why, struct stg_error *err);
/* Looks once more, for a job that waits so. */
bool stg_store_hand_over_look(struct stg_store *s, int64_t job, struct stg_error *err);

/* ---- by stick (stager/bundle) ---- */
/* Machines whose cards are trusted: {"name","role":"office|station","card" (PEM),"sha256","by"}; the list also says "added_ms","written","read",
 * "read_ms". STG_ID_BUNDLE_PEER_EXISTS, STG_ID_BUNDLE_PEER_UNKNOWN; a card put in past us: STG_ID_ROW_DAMAGED. */
bool stg_store_bundle_peer_add(struct stg_store *s, const json_t *peer, struct stg_error *err);
bool stg_store_bundle_peer_remove(struct stg_store *s, const char *name, struct stg_error *err);
json_t *stg_store_bundle_peers(struct stg_store *s, struct stg_error *err);
/* The last bundle written for a machine: {"chain","seq","sha256","last_told" (our newest record in any),"acknowledged" (the same of those it has)}; {}. */
json_t *stg_store_bundle_out_last(struct stg_store *s, const char *peer, struct stg_error *err);
/* {"peer","chain","seq","at_ms","prev","sha256","first_record","last_record","records","deliveries","receipts","files"} */
bool stg_store_bundle_out_add(struct stg_store *s, const json_t *row, struct stg_error *err);
/* The newest one never reached a stick: its number is free again and its deliveries wait as before. */
bool stg_store_bundle_out_undo(struct stg_store *s, const char *chain, int64_t seq, struct stg_error *err);
/* That machine has every bundle up to this one. */
bool stg_store_bundle_acknowledged(struct stg_store *s, const char *peer, const char *chain, int64_t seq, struct stg_error *err);
/* Records of these deliveries and those this machine does not have yet, as stg_store_record() gives them, by number. */
json_t *stg_store_bundle_records(struct stg_store *s, const json_t *last, const json_t *deliveries, int64_t most, struct stg_error *err);
/* Hands deliveries of our own results to a bundle: what waits becomes "carried" with this answer, what was carried goes along again.
 * [{"record_id","target","phase","again"}]; "" = every target. */
json_t *stg_store_outbox_carry(struct stg_store *s, const char *target, int64_t most, const json_t *answer, struct stg_error *err);
/* {"record_id","target","phase","state"}: what became of a carried delivery. ret_closed false: it was settled before, or is none of ours. */
bool stg_store_outbox_receipt(struct stg_store *s, const json_t *receipt, const json_t *answer, bool *ret_closed, struct stg_error *err);
/* Where a bundle {"chain","seq","prev","sha256"} stands in its row: there already, or which numbers before it are missing (at most 20,
 * appended). STG_E_SAFETY + STG_ID_BUNDLE_CHAIN: it contradicts those that were read. */
bool stg_store_bundle_in_check(struct stg_store *s, const char *peer, const json_t *b, bool *ret_again, json_t *ret_missing, struct stg_error *err);
bool stg_store_bundle_in_add(struct stg_store *s, const char *peer, const json_t *b, const char *by, struct stg_error *err);
/* Up to which number its latest row of bundles is here without a gap; 0: none. */
bool stg_store_bundle_in_whole(struct stg_store *s, const char *peer, char ret_chain[40], int64_t *ret_seq, struct stg_error *err);
/* A result of another station, `text` its exact bytes: its device, an ended job, the record, and the row of an open order here. The same
 * set of results gives the same rows in any order. STG_ID_BUNDLE_CONTENT. */
bool stg_store_carried_put(struct stg_store *s, const char *text, const json_t *record, bool *ret_new, bool *ret_twice, struct stg_error *err);
/* It is to be told to our target `target`; {"record_id","target" (the station's word),"phase"}. */
bool stg_store_carried_delivery(struct stg_store *s, const char *peer, const json_t *delivery, const char *target, struct stg_error *err);
/* What became of deliveries this machine brought and was not told yet: [{"record_id","target","phase","state","text","status","at_ms"}]. */
json_t *stg_store_carried_receipts(struct stg_store *s, const char *peer, int64_t most, bool and_mark, struct stg_error *err);

/* ---- audit, people ---- */
/* {"actor","verb","object","job","unit","outcome","detail":{}}: hash-chained; an intent row is one with outcome "intent". */
bool stg_store_audit(struct stg_store *s, const json_t *entry, struct stg_error *err);
bool stg_store_audit_count(struct stg_store *s, int64_t *ret_rows, struct stg_error *err);
json_t *stg_store_audit_list(struct stg_store *s, int64_t from, int64_t limit, struct stg_error *err);
/* Signed checkpoints [{"seq","at_ms","note","signature"}] and the Ed25519 public key (hex) they verify with. */
json_t *stg_store_checkpoints(struct stg_store *s, struct stg_error *err);
bool stg_store_checkpoint_key(struct stg_store *s, char ret_hex[65], struct stg_error *err);
/* STG_E_PROTOCOL naming the first bad row. */
bool stg_store_audit_verify(struct stg_store *s, int64_t *ret_rows, struct stg_error *err);
bool stg_store_user_put(struct stg_store *s, const char *name, const char *role, const char *verifier, struct stg_error *err);
json_t *stg_store_user(struct stg_store *s, const char *name, struct stg_error *err);
json_t *stg_store_users(struct stg_store *s, struct stg_error *err);
/* A disabled person keeps the name in the log and can do nothing. */
bool stg_store_user_disable(struct stg_store *s, const char *name, bool disabled, struct stg_error *err);
/* scrypt verifier text "scrypt$N$r$p$salt$hash" made and checked here; constant time; at most 5 wrong in 15 minutes. */
bool stg_store_user_pin(struct stg_store *s, const char *name, const struct stg_secret *pin, struct stg_error *err);
bool stg_store_user_set_pin(struct stg_store *s, const char *name, const struct stg_secret *pin, struct stg_error *err);

/* ---- what the MDMs say of the devices ---- */
/* The whole list an MDM has now: [{"serial","imei","udid","id"}]; those that stood in an earlier one and not in this are "gone". `source` says
 * where it came from (a file's name, "api"), left_out how many of its lines could not be read. */
bool stg_store_mdm_list_put(struct stg_store *s, const char *target, const char *source, const char *by, const json_t *devices, int64_t left_out, int64_t *ret_n,
			    struct stg_error *err);
/* [{"target","source","at_ms","by","devices","left_out"}]; target "": all */
json_t *stg_store_mdm_lists(struct stg_store *s, const char *target, struct stg_error *err);
/* What was staged and is out of the house (its batch is closed, or it had none; with `batch` the staged of that one):
 * [{"serial","asset_tag","model_name","batch","staged_ms","handed_over_ms","standing":"confirmed|gone|never_seen"}] */
json_t *stg_store_handed_over(struct stg_store *s, const char *target, const char *batch, struct stg_error *err);

/* ---- the people devices are for (<stager/peoplefile.h> says what is known of one) ---- */
/* The whole list of a source (a target that is a directory, a name given to a file): it takes the place of the one before. */
bool stg_store_staff_put(struct stg_store *s, const char *source, const char *by, const json_t *people, int64_t left_out, struct stg_error *err);
/* [{"source","at_ms","by","people","left_out"}] */
json_t *stg_store_staff_lists(struct stg_store *s, struct stg_error *err);
/* Those in whose values `part` stands ("" all), by name, with "source" and "at_ms" of their list. */
json_t *stg_store_staff(struct stg_store *s, const char *part, int64_t most, struct stg_error *err);
/* Those whose account, UPN, mail or number this is (capitals do not count), of the newest list first; at most 20. */
json_t *stg_store_staff_find(struct stg_store *s, const char *word, struct stg_error *err);
/* Forgets whoever has this account, UPN, mail or number, in the lists and where an order took it from them (rows, jobs, devices: ret_rows).
 * Signed results stay as they are. */
bool stg_store_staff_forget(struct stg_store *s, const char *word, int64_t *ret_people, int64_t *ret_rows, struct stg_error *err);
/* Forgets a list. */
bool stg_store_staff_drop(struct stg_store *s, const char *source, struct stg_error *err);
/* Forgets lists older than this, and owners of orders closed, jobs ended and devices last seen so long ago. */
bool stg_store_staff_expire(struct stg_store *s, int64_t keep_days, int64_t *ret_n, struct stg_error *err);

#endif
