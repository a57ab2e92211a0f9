/*
 * record.c - how a job ends: the record every receiver gets, the audit row, the outbox rows, in one transaction.
 *
 * For:    the recorder.
 * Uses:   SQLite; row MACs (mac.c); the log (audit.c); the outbox (outbox.c).
 * Called: stager/station, stager/report, stager/push through the outbox.
 * Thread: the one that has the store.
 * Facts:  schema "stager.result/1" of mdm-push.md 2.1 with our end states. The bytes are made once and never changed,
 *         because their hash is published: prev of the next record, and every receiver.
 */
#include <stdlib.h>

#include <stager/facts.h>

#include "db.h"

#define FIRST_PREV "0000000000000000000000000000000000000000000000000000000000000000"

/* ---- parts of the record ---- */

json_t *record_device_part(const struct stg_identity *who)
{
	json_t *d = stg_identity_json(who);
	/* the name may be a person's ("Anna's iPhone") and is no business of the receivers */
	json_object_del(d, "name");
	json_object_del(d, "key_sha256");
	stg_json_put(d, "manufacturer", strcmp(who->family, "apple") == 0 ? "Apple" : "");
	stg_json_put(d, "platform", strcmp(who->family, "apple") == 0 ? "ios" : who->family);
	bool ipad = strcmp(who->device_class, "iPad") == 0;
	stg_json_put(d, "os", strcmp(who->family, "apple") == 0 ? (ipad ? "iPadOS" : "iOS") : "");
	return d;
}

/* The last word on each step, in the blueprint's order. */
static json_t *steps_part(const json_t *steps)
{
	json_t *list = json_array(), *one;
	size_t i;
	json_array_foreach((json_t *)steps, i, one) {
		/* tries of one step stand together; two steps never share a key */
		const json_t *next = json_array_get(steps, i + 1);
		if (strcmp(stg_json_str(next, "key"), stg_json_str(one, "key")) == 0)
			continue;
		json_t *part = json_object();
		stg_json_put(part, "key", stg_json_str(one, "key"));
		stg_json_put(part, "name", stg_json_str(one, "step"));
		stg_json_put(part, "result", stg_json_str_or(one, "outcome", "begun"));
		if (stg_json_int(one, "code", 0))
			stg_json_put_int(part, "code", stg_json_int(one, "code", 0));
		json_array_append_new(list, part);
	}
	return list;
}

static bool step_holds(const json_t *step)
{
	const char *outcome = stg_json_str(step, "outcome");
	return strcmp(outcome, "done") == 0 || strcmp(outcome, "proven") == 0;
}

/* What was proven to be on the device: the evidence of payload steps names it. */
static const json_t *payload_of(const json_t *step)
{
	const json_t *evidence = json_object_get(step, "evidence");
	const json_t *asked = json_object_get(evidence, "asked");
	if (!*stg_json_str(asked, "identifier"))
		asked = json_object_get(evidence, "reread");
	if (!*stg_json_str(asked, "identifier"))
		asked = json_object_get(step, "asked");
	return *stg_json_str(asked, "identifier") ? asked : NULL;
}

static json_t *profiles_part(const json_t *steps)
{
	json_t *list = json_array(), *one;
	size_t i, k;
	json_array_foreach((json_t *)steps, i, one) {
		const json_t *asked = step_holds(one) ? payload_of(one) : NULL;
		if (!asked)
			continue;
		json_t *part = json_object(), *have;
		stg_json_put(part, "identifier", stg_json_str(asked, "identifier"));
		stg_json_put(part, "uuid", stg_json_str(asked, "uuid"));
		stg_json_put(part, "sha256", stg_json_str(asked, "sha256"));
		bool again = false;
		json_array_foreach(list, k, have)
			again = again || strcmp(stg_json_str(have, "identifier"), stg_json_str(part, "identifier")) == 0;
		if (again)
			json_decref(part);
		else
			json_array_append_new(list, part);
	}
	return list;
}

/* Apps that were found there in the end, and the file each came from. */
static json_t *apps_part(const json_t *steps)
{
	json_t *list = json_array(), *one;
	size_t i;
	json_array_foreach((json_t *)steps, i, one) {
		const json_t *evidence = json_object_get(one, "evidence"), *there = json_object_get(evidence, "reread");
		const char *id = stg_json_str(there, "bundle_id");
		if (strcmp(stg_json_str(one, "step"), "install_app") != 0 || !step_holds(one) || !*id)
			continue;
		json_t *part = json_object();
		stg_json_put(part, "app_id", id);
		stg_json_put(part, "version", stg_json_str(there, "version"));
		stg_json_put(part, "build", stg_json_str(there, "build"));
		stg_json_put(part, "sha256", stg_json_str(json_object_get(evidence, "acknowledged"), "sha256"));
		json_array_append_new(list, part);
	}
	return list;
}

static json_t *certificates_part(struct stg_store *s, int64_t job, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT subject, sha256, not_after_ms, serial_hex, status FROM certificate WHERE job = :job"
							  " AND status IN ('issued','installed') ORDER BY id");
	stmt_int(&q, ":job", job);
	int got;
	while ((got = stmt_step(&q, err)) == 1) {
		char until[STG_TIME_TEXT];
		json_t *part = json_object();
		stg_time_text(col_int(&q, 2), until);
		stg_json_put(part, "subject", col_text(&q, 0));
		stg_json_put(part, "sha256", col_text(&q, 1));
		stg_json_put(part, "not_after", until);
		stg_json_put(part, "serial", col_text(&q, 3));
		stg_json_put(part, "status", col_text(&q, 4));
		json_array_append_new(list, part);
	}
	return got == 0 ? stg_steal(list) : NULL;
}

static json_t *wipe_part(const json_t *steps)
{
	json_t *found = NULL, *first = NULL, *one;
	size_t i;
	/* begun when it was first sent, ended when it was last judged: an erase in doubt is re-read, not sent again */
	json_array_foreach((json_t *)steps, i, one) {
		if (strcmp(stg_json_str(one, "step"), "erase") != 0 || strcmp(stg_json_str(one, "outcome"), "skipped") == 0)
			continue;
		first = first ? first : one;
		found = one;
	}
	if (!found)
		return NULL;
	json_t *part = json_object();
	char began[STG_TIME_TEXT], ended[STG_TIME_TEXT], sum[65];
	stg_time_text(stg_json_int(first, "began_ms", 0), began);
	const json_t *asked = json_object_get(json_object_get(found, "evidence"), "asked");
	stg_json_put(part, "method", json_object_get(json_is_object(asked) ? asked : json_object_get(found, "asked"), "image") ? "restore" : "erase_device");
	stg_json_put_bool(part, "verified", step_holds(found));
	stg_json_put(part, "result", stg_json_str(found, "outcome"));
	stg_json_put(part, "started", began);
	if (stg_json_int(found, "ended_ms", 0)) {
		stg_time_text(stg_json_int(found, "ended_ms", 0), ended);
		stg_json_put(part, "finished", ended);
	}
	const json_t *evidence = json_object_get(found, "evidence");
	if (evidence) {
		char *text = stg_json_text(evidence);
		stg_sha256_hex(stg_bytes_str(text), sum);
		free(text);
		stg_json_put(part, "evidence_sha256", sum);
	}
	return part;
}

/* A census, a judgement: nothing was to be done to the device, so nobody takes it for one that was staged. */
static bool only_reads(const json_t *steps)
{
	static const char *const reading[] = { "identify", "require", "pair", "read_details", "check_rules", "intake_check", NULL };
	for (size_t i = 0; i < json_array_size(steps); i++) {
		const char *const *r = reading;
		while (*r && strcmp(*r, stg_json_str(json_array_get(steps, i), "step")) != 0)
			r++;
		if (!*r)
			return false;
	}
	return json_array_size(steps) > 0;
}

/* The last verdict by rules, each with its reason. NULL: no rules were asked for. */
static json_t *compliance_part(const json_t *steps)
{
	const json_t *found = NULL;
	json_t *one;
	size_t i;
	json_array_foreach((json_t *)steps, i, one)
		if (strcmp(stg_json_str(one, "step"), "check_rules") == 0) {
			const json_t *seen = json_object_get(json_object_get(one, "evidence"), "reread");
			found = *stg_json_str(seen, "verdict") ? seen : found;
		}
	return found ? json_deep_copy(found) : NULL;
}

/* Of all facts that were read, those a receiver can use; the rest stays in the inventory. `moving`: those that change by
 * themselves, which are told but are no reason to tell a result again. */
static void put_facts(json_t *part, const json_t *facts, bool moving)
{
	for (const struct stg_fact *f = stg_facts; f->name; f++) {
		json_t *value = f->told && f->moves == moving ? json_object_get(facts, f->name) : NULL;
		if (value && !json_is_object(value) && !json_is_array(value))
			stg_json_put_new(part, f->name, json_incref(value));
	}
}

static json_t *facts_part(const json_t *facts)
{
	json_t *part = json_object();
	put_facts(part, facts, false);
	return part;
}

/* After the content was summed up: a battery that has charged meanwhile makes no new result. */
static void add_moving_facts(json_t *r, const json_t *facts)
{
	json_t *part = json_object_get(r, "facts");
	if (part)
		put_facts(part, facts, true);
}

static void put_unless_empty(json_t *into, const char *key, json_t *part)
{
	if (part && (json_object_size(part) || json_array_size(part)))
		stg_json_put_new(into, key, part);
	else
		json_decref(part);
}

/* Everything that says what happened; what says when and as which number is added by seal(). */
static json_t *content(struct stg_store *s, const json_t *job, enum stg_job_state to, enum stg_end end, const json_t *why,
		       const struct stg_identity *who, const json_t *facts, const char *erasure, struct stg_error *err)
{
	int64_t id = stg_json_int(job, "id", 0);
	STG_AUTO(stg_json_free_at) json_t *steps = stg_store_steps(s, id, err);
	STG_AUTO(stg_json_free_at) json_t *certificates = steps ? certificates_part(s, id, err) : NULL;
	if (!certificates)
		return NULL;
	json_t *r = json_object();
	const json_t *attributes = json_object_get(job, "attributes"), *blueprint = json_object_get(job, "blueprint");
	stg_json_put(r, "schema", "stager.result/1");
	if (s->kind == STG_STORE_REHEARSAL)
		stg_json_put_bool(r, "rehearsal", true);
	stg_json_put_new(r, "device", record_device_part(who));
	const char *tag = stg_json_str(attributes, "asset_tag");
	stg_json_put(r, "asset_tag", *tag ? tag : stg_json_str(job, "asset_tag"));
	put_unless_empty(r, "order", attributes ? json_deep_copy(attributes) : NULL);
	stg_json_put(r, "batch", stg_json_str(job, "batch"));
	json_t *of = json_pack("{s:s}", "name", stg_json_str(job, "blueprint_name"));
	stg_json_put(of, "sha256", stg_json_str(blueprint, "sha256"));
	stg_json_put_new(r, "blueprint", of);
	stg_json_put(r, "outcome", stg_end_name(end));
	stg_json_put_bool(r, "final", to == STG_JOB_DONE || to == STG_JOB_FAILED || to == STG_JOB_CANCELLED);
	if (end == STG_END_STAGED && only_reads(steps))
		stg_json_put_bool(r, "read_only", true);
	json_t *reason = json_object();
	if (stg_json_int(why, "id", 0))
		stg_json_put_int(reason, "id", stg_json_int(why, "id", 0));
	stg_json_put(reason, "code", stg_json_str(why, "code"));
	stg_json_put(reason, "wait", stg_json_str(why, "wait"));
	stg_json_put(reason, "step", stg_json_str(why, "step"));
	stg_json_put(reason, "msg", stg_json_str(why, "msg"));
	put_unless_empty(r, "reason", reason);
	stg_json_put(r, "port", *stg_json_str(job, "label") ? stg_json_str(job, "label") : stg_json_str(job, "port"));
	stg_json_put(r, "actor", stg_json_str(job, "actor"));
	stg_json_put_int(r, "job", id);
	stg_json_put_new(r, "steps", steps_part(steps));
	put_unless_empty(r, "profiles", profiles_part(steps));
	put_unless_empty(r, "apps", apps_part(steps));
	put_unless_empty(r, "certs", json_incref(certificates));
	json_t *wipe = wipe_part(steps);
	if (wipe) {
		json_t *ended = certificates_ended(s, stg_json_str(job, "unit"), stg_json_int(job, "created_ms", 0), err);
		stg_json_put(wipe, "erasure_id", erasure);
		stg_json_put_new(r, "wipe", wipe);
		if (!ended) {
			json_decref(r);
			return NULL;
		}
		/* whoever asks a list of revoked certificates elsewhere hears of these with the result */
		put_unless_empty(wipe, "certificates_revoked", ended);
	}
	json_t *order = mdm_order_part(s, job, err);
	if (!order) {
		json_decref(r);
		return NULL;
	}
	put_unless_empty(r, "mdm_order", order);
	put_unless_empty(r, "compliance", compliance_part(steps));
	put_unless_empty(r, "facts", facts ? facts_part(facts) : NULL);
	return r;
}

json_t *record_time_part(void)
{
	char wall[STG_TIME_TEXT];
	json_t *t = json_object();
	stg_time_text(stg_wall_ms(), wall);
	stg_json_put(t, "wall", wall);
	stg_json_put(t, "boot_id", stg_boot_id());
	stg_json_put_int(t, "mono_ms", stg_boot_ms());
	stg_json_put(t, "trust", stg_time_quality_name(stg_time_quality()));
	return t;
}

/* ---- rows ---- */

struct row {
	int64_t seq, job, device, final, at_ms;
	const char *record_id, *end_state, *sha256, *prev;
};

static json_t *row_sealed(const struct row *r)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:s,s:s,s:s,s:s}", "seq", (json_int_t)r->seq, "job", (json_int_t)r->job, "device", (json_int_t)r->device,
			 "final", (json_int_t)r->final, "at_ms", (json_int_t)r->at_ms, "record_id", r->record_id, "end", r->end_state, "sha256", r->sha256,
			 "prev", r->prev);
}

static bool last_record(struct stg_store *s, int64_t *ret_seq, char ret_sha256[65], struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT seq, sha256 FROM record WHERE seq > 0 ORDER BY seq DESC LIMIT 1");
	int got = stmt_step(&q, err);
	if (got < 0)
		return false;
	*ret_seq = got ? col_int(&q, 0) : 0;
	stg_copy(ret_sha256, 65, got ? col_text(&q, 1) : FIRST_PREV);
	return true;
}

/* A job that parks again for the same reason, nothing else having changed, has nothing new to tell. */
static bool told_already(struct stg_store *s, int64_t job, const char *sum, char ret_record[40], bool *ret, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT record_id, content FROM record WHERE job = :job ORDER BY seq DESC LIMIT 1");
	stmt_int(&q, ":job", job);
	int got = stmt_step(&q, err);
	if (got < 0)
		return false;
	*ret = got && strcmp(col_text(&q, 1), sum) == 0;
	if (*ret)
		stg_copy(ret_record, 40, col_text(&q, 0));
	return true;
}

/* `of_batch`: it counts among the results of the batch its job is of. */
static bool insert(struct stg_store *s, json_t *r, const json_t *job, int64_t device, const char *sum, const char *end, bool final, bool of_batch,
		   const char *record_id, int64_t *ret_seq, struct stg_error *err)
{
	char prev[65], sha256[65], mac[65], head[65];
	int64_t seq, rows, now = stg_wall_ms();
	STG_AUTO(stg_free_at) char *station = stg_store_get(s, "station_name", err);
	STG_AUTO(stg_free_at) char *station_id = station ? stg_store_get(s, "station_id", err) : NULL;
	if (!station_id || !last_record(s, &seq, prev, err) || !audit_head(s, &rows, head, err))
		return false;
	seq++;
	stg_json_put(r, "record_id", record_id);
	stg_json_put(r, "station", *station ? station : station_id);
	stg_json_put(r, "station_id", station_id);
	stg_json_put_int(r, "seq", seq);
	stg_json_put(r, "prev", prev);
	stg_json_put_new(r, "time", record_time_part());
	/* every receiver becomes a witness of the log: a tail cut later no longer fits what was published */
	stg_json_put_new(r, "audit", json_pack("{s:I,s:s}", "rows", (json_int_t)rows, "head", head));
	STG_AUTO(stg_free_at) char *bytes = stg_json_text(r);
	stg_sha256_hex(stg_bytes_str(bytes), sha256);
	struct row row = { seq, stg_json_int(job, "id", 0), device, final, now, record_id, end, sha256, prev };
	STG_AUTO(stg_json_free_at) json_t *sealed = row_sealed(&row);
	if (!mac_make(s, "record", sealed, mac, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "INSERT INTO record (seq, record_id, job, device, batch, final, end_state, at_ms, bytes, sha256, prev, content, mac) VALUES (:seq,"
			     " :record_id, :job, :device, (SELECT batch FROM job WHERE id = :job AND :of_batch), :final, :end, :at, :bytes, :sha256, :prev, :content, :mac)");
	stmt_int(&q, ":seq", seq);
	stmt_text(&q, ":record_id", record_id);
	stmt_int(&q, ":job", row.job);
	stmt_int(&q, ":of_batch", of_batch);
	stmt_int(&q, ":device", device);
	stmt_int(&q, ":final", final);
	stmt_text(&q, ":end", end);
	stmt_int(&q, ":at", now);
	stmt_text(&q, ":bytes", bytes);
	stmt_text(&q, ":sha256", sha256);
	stmt_text(&q, ":prev", prev);
	stmt_text(&q, ":content", sum);
	stmt_text(&q, ":mac", mac);
	*ret_seq = seq;
	return stmt_done(&q, err);
}

bool record_put_carried(struct stg_store *s, const json_t *r, const char *bytes, int64_t seq, int64_t device, int64_t at_ms, bool final, const char *sha256,
			struct stg_error *err)
{
	char mac[65];
	struct row row = { seq, seq, device, final, at_ms, stg_json_str(r, "record_id"), stg_json_str(r, "outcome"), sha256, stg_json_str(r, "prev") };
	STG_AUTO(stg_json_free_at) json_t *sealed = row_sealed(&row);
	if (!sealed || !mac_make(s, "record", sealed, mac, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "INSERT INTO record (seq, record_id, job, device, batch, final, end_state, at_ms, bytes, sha256, prev, content, mac) VALUES (:seq,"
			     " :record_id, :seq, :device, (SELECT batch FROM job WHERE id = :seq), :final, :end, :at, :bytes, :sha256, :prev, '', :mac)");
	stmt_int(&q, ":seq", seq);
	stmt_text(&q, ":record_id", row.record_id);
	stmt_int(&q, ":device", device);
	stmt_int(&q, ":final", final);
	stmt_text(&q, ":end", row.end_state);
	stmt_int(&q, ":at", at_ms);
	stmt_text(&q, ":bytes", bytes);
	stmt_text(&q, ":sha256", sha256);
	stmt_text(&q, ":prev", row.prev);
	stmt_text(&q, ":mac", mac);
	return stmt_done(&q, err);
}

static bool audit_end(struct stg_store *s, const json_t *job, const char *end, const char *record_id, struct stg_error *err)
{
	const char *actor = stg_json_str(job, "actor");
	STG_AUTO(stg_json_free_at) json_t *entry =
		json_pack("{s:s,s:s,s:s,s:s,s:I,s:s,s:{s:s}}", "actor", *actor ? actor : "station", "verb", "job.finish", "object", record_id, "unit",
			  stg_json_str(job, "unit"), "job", (json_int_t)stg_json_int(job, "id", 0), "outcome", end, "detail", "blueprint",
			  stg_json_str(job, "blueprint_name"));
	return stg_store_audit(s, entry, err);
}

/* "facts" of the inventory are the last ones read, merged: what was not read this time stays. */
static bool keep_facts(struct stg_store *s, int64_t device, const json_t *facts, struct stg_error *err)
{
	if (!facts || !json_object_size(facts))
		return true;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE device SET facts = json_patch(coalesce(facts, '{}'), :facts) WHERE id = :id");
	stmt_json(&q, ":facts", facts);
	stmt_int(&q, ":id", device);
	return stmt_done(&q, err);
}

bool stg_store_job_finish(struct stg_store *s, int64_t job_id, enum stg_job_state to, enum stg_end end, const json_t *why, const struct stg_identity *who,
			  const json_t *facts, char ret_record[40], struct stg_error *err)
{
	struct stg_identity known;
	int64_t device, seq = 0;
	char record_id[40] = "", erasure[40] = "", sum[65];
	bool told = false;
	if (end == STG_END_NONE || end == STG_END_MISSING || (to != STG_JOB_DONE && to != STG_JOB_FAILED && to != STG_JOB_HOLD && to != STG_JOB_PARKED))
		return stg_fail(err, STG_E_BUG, 0, "a job cannot end as %s/%s", stg_job_state_name(to), stg_end_name(end));
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *job = stg_store_job(s, job_id, err);
	if (!job)
		return false;
	if (who && who->unit[0]) {
		if (strcmp(who->unit, stg_json_str(job, "unit")) != 0 || strcmp(who->family, stg_json_str(job, "family")) != 0)
			return stg_fail(err, STG_E_BUG, 0, "job %lld is about another device", (long long)job_id);
		if (!device_put_id(s, who, &device, err))
			return false;
	}
	if (!device_id(s, stg_json_str(job, "family"), stg_json_str(job, "unit"), &device, err) ||
	    !stg_store_device_find(s, stg_json_str(job, "family"), stg_json_str(job, "unit"), &known, err) || !keep_facts(s, device, facts, err) ||
	    !stg_store_job_move(s, job_id, to, why, err) || !erasure_keep(s, job, &known, erasure, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *r = content(s, job, to, end, why, &known, facts, erasure, err);
	if (!r)
		return false;
	char *text = stg_json_text(r);
	stg_sha256_hex(stg_bytes_str(text), sum);
	free(text);
	if (to != STG_JOB_DONE && to != STG_JOB_FAILED && !told_already(s, job_id, sum, record_id, &told, err))
		return false;
	if (!told) {
		stg_uuid7(record_id);
		add_moving_facts(r, facts);
		if (!insert(s, r, job, device, sum, stg_end_name(end), to == STG_JOB_DONE || to == STG_JOB_FAILED, true, record_id, &seq, err) ||
		    !audit_end(s, job, stg_end_name(end), record_id, err) || !outbox_queue(s, seq, device, err) ||
		    !search_put(s, SEARCH_RECORD, seq, record_id, err))
			return false;
	}
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE job SET end_state = :end, record_id = :record_id WHERE id = :id");
	stmt_text(&q, ":end", stg_end_name(end));
	stmt_text(&q, ":record_id", record_id);
	stmt_int(&q, ":id", job_id);
	if (!stmt_done(&q, err) || (end == STG_END_STAGED && !queued_over(s, &known, err)) ||
	    !canary_ended(s, job_id, end, why, known.serial, err) || !tx_commit(&t, err))
		return false;
	if (ret_record)
		stg_copy(ret_record, 40, record_id);
	return true;
}

/* ---- what is told outside of a job ---- */

/* The device's last job; one that was made and given up at once when it never had any. */
static bool some_job(struct stg_store *s, const struct stg_identity *who, int64_t device, const char *actor, int64_t *ret, struct stg_error *err)
{
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT id FROM job WHERE device = :device ORDER BY id DESC LIMIT 1");
		stmt_int(&q, ":device", device);
		int got = stmt_step(&q, err);
		if (got < 0)
			return false;
		*ret = got ? col_int(&q, 0) : 0;
	}
	if (*ret)
		return true;
	STG_AUTO(stg_json_free_at) json_t *job = json_pack("{s:s,s:s,s:s,s:{s:i,s:s,s:s,s:[]}}", "family", who->family, "unit", who->unit, "actor", actor,
							   "blueprint", "v", 1, "name", "certificates-revoked", "sha256", "", "steps");
	return stg_store_job_add(s, job, ret, err) && stg_store_job_move(s, *ret, STG_JOB_CANCELLED, NULL, err);
}

bool stg_store_tell_revoked(struct stg_store *s, const struct stg_identity *who, const json_t *part, const char *actor, int64_t *ret_queued, struct stg_error *err)
{
	struct stg_identity known;
	int64_t device, job_id, seq = 0;
	char record_id[40], sum[65];
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err) || !device_id(s, who->family, who->unit, &device, err) || !stg_store_device_find(s, who->family, who->unit, &known, err) ||
	    !some_job(s, &known, device, actor, &job_id, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *job = json_pack("{s:I,s:s,s:s,s:s}", "id", (json_int_t)job_id, "unit", known.unit, "actor", actor, "blueprint_name", "");
	STG_AUTO(stg_json_free_at) json_t *r = json_object();
	stg_json_put(r, "schema", "stager.revocation/1");
	if (s->kind == STG_STORE_REHEARSAL)
		stg_json_put_bool(r, "rehearsal", true);
	stg_json_put_new(r, "device", record_device_part(&known));
	stg_json_put(r, "outcome", "revoked");
	stg_json_put_bool(r, "final", true);
	stg_json_put(r, "actor", actor);
	stg_json_put_new(r, "revocation", json_deep_copy(part));
	STG_AUTO(stg_free_at) char *text = stg_json_text(r);
	stg_sha256_hex(stg_bytes_str(text), sum);
	stg_uuid7(record_id);
	return insert(s, r, job, device, sum, "revoked", true, false, record_id, &seq, err) && audit_end(s, job, "revoked", record_id, err) &&
	       outbox_queue_evidence(s, seq, device, ret_queued, err) && search_put(s, SEARCH_RECORD, seq, record_id, err) && tx_commit(&t, err);
}

/* ---- reading ---- */

#define RECORD_COLUMNS \
	"record.seq, record.job, record.device, record.final, record.at_ms, record.record_id, record.end_state, record.sha256, record.prev, record.mac," \
	" record.bytes, device.unit, device.serial, batch.name"
#define RECORD_FROM " FROM record JOIN device ON device.id = record.device LEFT JOIN batch ON batch.id = record.batch"

/* The row the statement stands on, its MAC and the hash of its bytes checked. */
static json_t *row_read(struct stg_store *s, const struct stmt *q, struct stg_error *err)
{
	char sum[65];
	struct row r = { col_int(q, 0), col_int(q, 1), col_int(q, 2), col_int(q, 3), col_int(q, 4), col_text(q, 5), col_text(q, 6), col_text(q, 7), col_text(q, 8) };
	STG_AUTO(stg_json_free_at) json_t *sealed = row_sealed(&r);
	if (!sealed) {
		stg_fail_id(err, STG_E_IO, STG_ID_ROW_DAMAGED, 0, "record %lld was changed or damaged", (long long)r.seq);
		return NULL;
	}
	if (!mac_check(s, "record", r.seq, sealed, col_text(q, 9), err))
		return NULL;
	stg_sha256_hex(stg_bytes_str(col_text(q, 10)), sum);
	if (strcmp(sum, r.sha256) != 0) {
		stg_fail_id(err, STG_E_IO, STG_ID_ROW_DAMAGED, 0, "record %lld was changed or damaged", (long long)r.seq);
		return NULL;
	}
	STG_AUTO(stg_json_free_at) json_t *body = col_json(q, 10, err);
	if (!body)
		return NULL;
	json_t *out = json_object();
	stg_json_put_int(out, "seq", r.seq);
	stg_json_put(out, "record_id", r.record_id);
	stg_json_put_int(out, "job", r.job);
	stg_json_put_bool(out, "final", r.final != 0);
	stg_json_put(out, "end", r.end_state);
	stg_json_put_int(out, "at_ms", r.at_ms);
	stg_json_put(out, "unit", col_text(q, 11));
	stg_json_put(out, "serial", col_text(q, 12));
	stg_json_put(out, "batch", col_text(q, 13));
	stg_json_put(out, "payload", col_text(q, 10));
	stg_json_put(out, "payload_sha256", r.sha256);
	stg_json_put_new(out, "record", stg_steal(body));
	return out;
}

json_t *stg_store_record(struct stg_store *s, const char *record_id, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " RECORD_COLUMNS RECORD_FROM " WHERE record.record_id = :id");
	stmt_text(&q, ":id", record_id);
	return stmt_one(&q, STG_ID_NONE, "no such record", err) ? row_read(s, &q, err) : NULL;
}

json_t *stg_store_records(struct stg_store *s, const char *batch, struct stg_error *err)
{
	static const char of_batch[] = "SELECT " RECORD_COLUMNS RECORD_FROM " WHERE record.batch = (SELECT id FROM batch WHERE name = :batch) ORDER BY record.seq";
	static const char all[] = "SELECT " RECORD_COLUMNS RECORD_FROM " WHERE :batch = '' ORDER BY record.seq";
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, batch && *batch ? of_batch : all);
	stmt_text(&q, ":batch", batch);
	int got;
	while ((got = stmt_step(&q, err)) == 1) {
		struct stg_error found = { 0 };
		json_t *one = row_read(s, &q, &found);
		if (!one && found.id != STG_ID_ROW_DAMAGED) {
			if (err)
				*err = found;
			return NULL;
		}
		if (!one)   /* shown, so that somebody asks; its contents are not */
			one = json_pack("{s:I,s:b,s:i}", "seq", (json_int_t)col_int(&q, 0), "damaged", 1, "code", (int)STG_ID_ROW_DAMAGED);
		json_array_append_new(list, one);
	}
	return got == 0 ? stg_steal(list) : NULL;
}
