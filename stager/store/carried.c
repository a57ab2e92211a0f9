/*
 * carried.c - what travels by stick: trusted machines, bundles written and read, results of other stations.
 *
 * For:    stager/ops/bundle.c.
 * Uses:   SQLite; row MACs; the outbox.
 * Called: as part of the caller's transaction.
 * Thread: the one that has the store.
 *
 * A record of another station stands in `record` under a number below zero that grows with the moment it was made there,
 * its job under the same number: so what came by stick is told before our own, the same set of bundles gives the same
 * rows in whatever order they came, and our own numbers keep their chain. Its bytes are never changed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "db.h"

#define SEQ_BASE (-(1LL << 62))
#define SEQ_TIME_BITS 41
#define SEQ_LOW_BITS 20
#define MISSING_SHOWN 20

/* ---- machines ---- */

static bool peer_mac(struct stg_store *s, const json_t *p, char ret[65], struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *sealed = json_pack("{s:s,s:s,s:s}", "name", stg_json_str(p, "name"), "role", stg_json_str(p, "role"), "card",
							     stg_json_str(p, "card"));
	return mac_make(s, "bundle_peer", sealed, ret, err);
}

bool stg_store_bundle_peer_add(struct stg_store *s, const json_t *peer, struct stg_error *err)
{
	char mac[65];
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err) || !peer_mac(s, peer, mac, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO bundle_peer (name, role, card, sha256, by, added_ms, mac) VALUES (:name, :role, :card,"
							  " :sha256, :by, :now, :mac) ON CONFLICT DO NOTHING");
	stmt_text(&q, ":name", stg_json_str(peer, "name"));
	stmt_text(&q, ":role", stg_json_str(peer, "role"));
	stmt_text(&q, ":card", stg_json_str(peer, "card"));
	stmt_text(&q, ":sha256", stg_json_str(peer, "sha256"));
	stmt_text(&q, ":by", stg_json_str(peer, "by"));
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":mac", mac);
	if (!stmt_done(&q, err))
		return false;
	if (db_changes(s) != 1)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_BUNDLE_PEER_EXISTS, 0, "%.64s", stg_json_str(peer, "name"));
	return tx_commit(&t, err);
}

bool stg_store_bundle_peer_remove(struct stg_store *s, const char *name, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "DELETE FROM bundle_peer WHERE name = :name");
	stmt_text(&q, ":name", name);
	if (!stmt_done(&q, err))
		return false;
	if (db_changes(s) != 1)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_BUNDLE_PEER_UNKNOWN, 0, "%.64s", name);
	return tx_commit(&t, err);
}

json_t *stg_store_bundle_peers(struct stg_store *s, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "SELECT name, role, card, sha256, by, added_ms, mac, (SELECT count(*) FROM bundle_out AS o WHERE o.peer = p.name) AS written,"
		   " (SELECT count(*) FROM bundle_in AS i WHERE i.peer = p.name) AS read, coalesce((SELECT max(imported_ms) FROM bundle_in AS i WHERE i.peer = p.name), 0)"
		   " AS read_ms FROM bundle_peer AS p ORDER BY name");
	STG_AUTO(stg_json_free_at) json_t *list = stmt_list(&q, err);
	size_t i;
	json_t *one;
	json_array_foreach(list, i, one) {
		char mac[65];
		if (!peer_mac(s, one, mac, err))
			return NULL;
		/* a card that was put in past us is as good as none: everything signed by it would be believed */
		if (strcmp(mac, stg_json_str(one, "mac")) != 0) {
			stg_fail_id(err, STG_E_IO, STG_ID_ROW_DAMAGED, 0, "bundle_peer %.64s", stg_json_str(one, "name"));
			return NULL;
		}
		json_object_del(one, "mac");
	}
	return stg_steal(list);
}

/* ---- written ---- */

json_t *stg_store_bundle_out_last(struct stg_store *s, const char *peer, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "SELECT id, chain, seq, sha256, last_record, (SELECT coalesce(max(last_record), 0) FROM bundle_out WHERE peer = :peer AND"
			     " acknowledged_ms IS NOT NULL) AS acknowledged, (SELECT coalesce(max(last_record), 0) FROM bundle_out WHERE peer = :peer) AS last_told"
			     " FROM bundle_out WHERE peer = :peer ORDER BY id DESC LIMIT 1");
	stmt_text(&q, ":peer", peer);
	int got = stmt_step(&q, err);
	return got < 0 ? NULL : got ? stmt_object(&q, err) : json_object();
}

bool stg_store_bundle_out_add(struct stg_store *s, const json_t *row, struct stg_error *err)
{
	static const char *const numbers[] = { "seq", "at_ms", "first_record", "last_record", "records", "deliveries", "receipts", "files" };
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "INSERT INTO bundle_out (peer, chain, seq, at_ms, prev, sha256, first_record, last_record, records, deliveries, receipts, files) VALUES"
			     " (:peer, :chain, :seq, :at_ms, :prev, :sha256, :first_record, :last_record, :records, :deliveries, :receipts, :files)");
	for (size_t i = 0; i < STG_ARRAY_LEN(numbers); i++) {
		char name[32];
		snprintf(name, sizeof(name), ":%s", numbers[i]);
		stmt_int(&q, name, stg_json_int(row, numbers[i], 0));
	}
	stmt_text(&q, ":peer", stg_json_str(row, "peer"));
	stmt_text(&q, ":chain", stg_json_str(row, "chain"));
	stmt_text(&q, ":prev", stg_json_str(row, "prev"));
	stmt_text(&q, ":sha256", stg_json_str(row, "sha256"));
	return stmt_done(&q, err) && tx_commit(&t, err);
}

bool stg_store_bundle_out_undo(struct stg_store *s, const char *chain, int64_t seq, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	{
		STG_AUTO(stmt_close) struct stmt q =
			stmt_open(s, "DELETE FROM bundle_out WHERE chain = :chain AND seq = :seq AND acknowledged_ms IS NULL AND seq = (SELECT max(seq) FROM"
				     " bundle_out WHERE chain = :chain)");
		stmt_text(&q, ":chain", chain);
		stmt_int(&q, ":seq", seq);
		if (!stmt_done(&q, err))
			return false;
		if (db_changes(s) != 1)
			return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_BUNDLE_NOTHING, 0, "%.40s/%lld", chain, (long long)seq);
	}
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT id FROM outbox WHERE state = 'carried' AND json_extract(answer, '$.chain') = :chain AND"
							  " json_extract(answer, '$.seq') = :seq");
	stmt_text(&q, ":chain", chain);
	stmt_int(&q, ":seq", seq);
	STG_AUTO(stg_json_free_at) json_t *rows = stmt_list(&q, err);
	size_t i;
	json_t *one;
	if (!rows)
		return false;
	json_array_foreach(rows, i, one)
		if (!stg_store_outbox_settle(s, stg_json_int(one, "id", 0), "queued", 0, NULL, err))
			return false;
	return tx_commit(&t, err);
}

bool stg_store_bundle_acknowledged(struct stg_store *s, const char *peer, const char *chain, int64_t seq, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE bundle_out SET acknowledged_ms = :now WHERE peer = :peer AND chain = :chain AND seq <= :seq"
							  " AND acknowledged_ms IS NULL");
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":peer", peer);
	stmt_text(&q, ":chain", chain);
	stmt_int(&q, ":seq", seq);
	return stmt_done(&q, err) && tx_commit(&t, err);
}

/* Records this machine was not told to have arrived, those never written first. */
static json_t *untold(struct stg_store *s, const json_t *last, int64_t most, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT record_id FROM record WHERE seq > :acknowledged ORDER BY seq <= :last, seq LIMIT :most");
	stmt_int(&q, ":acknowledged", stg_json_int(last, "acknowledged", 0));
	stmt_int(&q, ":last", stg_json_int(last, "last_told", 0));
	stmt_int(&q, ":most", most);
	return stmt_list(&q, err);
}

static int by_seq(const void *a, const void *b)
{
	int64_t x = stg_json_int(*(json_t *const *)a, "seq", 0), y = stg_json_int(*(json_t *const *)b, "seq", 0);
	return (x > y) - (x < y);
}

json_t *stg_store_bundle_records(struct stg_store *s, const json_t *last, const json_t *deliveries, int64_t most, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *seen = json_object();
	STG_AUTO(stg_json_free_at) json_t *more = untold(s, last, most, err);
	const json_t *lists[] = { deliveries, more };
	json_t **all = stg_calloc((size_t)most + json_array_size(deliveries), sizeof(*all)), *one, *list = NULL;
	size_t n = 0, i;
	bool ok = more != NULL;
	for (size_t l = 0; ok && l < STG_ARRAY_LEN(lists); l++)
		json_array_foreach((json_t *)(uintptr_t)lists[l], i, one) {
			const char *id = stg_json_str(one, "record_id");
			if (!ok || (int64_t)n >= most || json_object_get(seen, id))
				continue;
			json_object_set_new(seen, id, json_true());
			json_t *record = stg_store_record(s, id, err);
			ok = record != NULL;
			if (ok)
				all[n++] = record;
		}
	if (ok) {
		qsort(all, n, sizeof(*all), by_seq);
		list = json_array();
	}
	for (i = 0; i < n; i++) {
		if (list)
			json_array_append(list, all[i]);
		json_decref(all[i]);
	}
	free(all);
	return list;
}

/* ---- read ---- */

static bool breaks(struct stg_error *err, int64_t seq, const char *what)
{
	return stg_fail_id(err, STG_E_SAFETY, STG_ID_BUNDLE_CHAIN, 0, "number %lld: %s", (long long)seq, what);
}

bool stg_store_bundle_in_check(struct stg_store *s, const char *peer, const json_t *b, bool *ret_again, json_t *ret_missing, struct stg_error *err)
{
	const char *chain = stg_json_str(b, "chain"), *prev = stg_json_str(b, "prev"), *sha256 = stg_json_str(b, "sha256");
	int64_t seq = stg_json_int(b, "seq", 0), next = 1;
	*ret_again = false;
	if (seq < 1 || (seq == 1) != (strspn(prev, "0") == 64))
		return breaks(err, seq, "it has no place in a row of bundles");
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT seq, prev, sha256 FROM bundle_in WHERE peer = :peer AND chain = :chain AND seq <= :seq + 1 ORDER BY seq");
	stmt_text(&q, ":peer", peer);
	stmt_text(&q, ":chain", chain);
	stmt_int(&q, ":seq", seq);
	int got;
	while ((got = stmt_step(&q, err)) == 1) {
		int64_t have = col_int(&q, 0);
		if (have == seq && strcmp(col_text(&q, 2), sha256) != 0)
			return breaks(err, seq, "another bundle of that number was imported before");
		if (have == seq - 1 && strcmp(col_text(&q, 2), prev) != 0)
			return breaks(err, seq, "the one before it is another one than was imported");
		if (have == seq + 1 && strcmp(col_text(&q, 1), sha256) != 0)
			return breaks(err, seq, "the one after it follows another one");
		*ret_again = *ret_again || have == seq;
		for (; next < have && next < seq && json_array_size(ret_missing) < MISSING_SHOWN; next++)
			json_array_append_new(ret_missing, json_integer(next));
		next = have + 1;
	}
	for (; got == 0 && next < seq && json_array_size(ret_missing) < MISSING_SHOWN; next++)
		json_array_append_new(ret_missing, json_integer(next));
	return got == 0;
}

bool stg_store_bundle_in_add(struct stg_store *s, const char *peer, const json_t *b, const char *by, struct stg_error *err)
{
	static const char *const numbers[] = { "seq", "created_ms", "records", "deliveries", "receipts", "files" };
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "INSERT INTO bundle_in (peer, chain, seq, at_ms, prev, sha256, records, deliveries, receipts, files, by, imported_ms) VALUES (:peer,"
			     " :chain, :seq, :created_ms, :prev, :sha256, :records, :deliveries, :receipts, :files, :by, :now) ON CONFLICT DO NOTHING");
	for (size_t i = 0; i < STG_ARRAY_LEN(numbers); i++) {
		char name[32];
		snprintf(name, sizeof(name), ":%s", numbers[i]);
		stmt_int(&q, name, stg_json_int(b, numbers[i], 0));
	}
	stmt_text(&q, ":peer", peer);
	stmt_text(&q, ":chain", stg_json_str(b, "chain"));
	stmt_text(&q, ":prev", stg_json_str(b, "prev"));
	stmt_text(&q, ":sha256", stg_json_str(b, "sha256"));
	stmt_text(&q, ":by", by);
	stmt_int(&q, ":now", stg_wall_ms());
	return stmt_done(&q, err) && tx_commit(&t, err);
}

bool stg_store_bundle_in_whole(struct stg_store *s, const char *peer, char ret_chain[40], int64_t *ret_seq, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "SELECT chain, coalesce((SELECT min(i.seq) FROM bundle_in AS i WHERE i.peer = :peer AND i.chain = l.chain AND NOT EXISTS (SELECT 1 FROM"
			     " bundle_in AS n WHERE n.peer = :peer AND n.chain = l.chain AND n.seq = i.seq + 1)), 0), EXISTS (SELECT 1 FROM bundle_in AS f WHERE"
			     " f.peer = :peer AND f.chain = l.chain AND f.seq = 1) FROM bundle_in AS l WHERE peer = :peer ORDER BY id DESC LIMIT 1");
	stmt_text(&q, ":peer", peer);
	int got = stmt_step(&q, err);
	if (got < 0)
		return false;
	ret_chain[0] = 0;
	*ret_seq = got && col_int(&q, 2) ? col_int(&q, 1) : 0;
	if (got)
		stg_copy(ret_chain, 40, col_text(&q, 0));
	return true;
}

/* ---- results of other stations ---- */

/* Grows with the moment; the same record has the same number on every machine but for two of one millisecond that collide. */
static bool seq_for(struct stg_store *s, const char *record_id, int64_t at_ms, int64_t *ret, struct stg_error *err)
{
	uint8_t sum[32];
	stg_sha256(stg_bytes_str(record_id), sum);
	uint64_t low = ((uint64_t)sum[0] << 16 | (uint64_t)sum[1] << 8 | sum[2]) & ((1u << SEQ_LOW_BITS) - 1);
	int64_t seq = SEQ_BASE + (int64_t)((uint64_t)at_ms << SEQ_LOW_BITS | low);
	for (;; seq++) {
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT 1 FROM record WHERE seq = :seq UNION ALL SELECT 1 FROM job WHERE id = :seq");
		stmt_int(&q, ":seq", seq);
		int got = stmt_step(&q, err);
		if (got < 0)
			return false;
		*ret = seq;
		if (!got)
			return true;
	}
}

/* Newer than anything known of it: as it is; else it only fills what is not known, so that the order of bundles does not matter. */
static bool put_device(struct stg_store *s, const json_t *r, int64_t at_ms, int64_t *ret, struct stg_identity *who, struct stg_error *err)
{
	struct stg_identity known;
	struct stg_error none = { 0 };
	if (!stg_identity_from_json(json_object_get(r, "device"), who, &none) || !who->family[0] || !who->unit[0])
		return stg_fail_id(err, STG_E_INPUT, STG_ID_BUNDLE_CONTENT, 0, "a result without a device: %.100s", none.msg);
	if (stg_store_device_find(s, who->family, who->unit, &known, &none)) {
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT coalesce(max(r.at_ms), 0) FROM record AS r JOIN device AS d ON d.id = r.device WHERE"
								  " d.family = :family AND d.unit = :unit");
		stmt_text(&q, ":family", who->family);
		stmt_text(&q, ":unit", who->unit);
		if (!stmt_one(&q, STG_ID_NONE, "", err))
			return false;
		if (col_int(&q, 0) > at_ms) {
			STG_AUTO(stg_json_free_at) json_t *is = stg_identity_json(&known);
			STG_AUTO(stg_json_free_at) json_t *came = stg_identity_json(who);
			json_object_update(came, is);
			if (!stg_identity_from_json(came, who, err))
				return false;
		}
	}
	return device_put_id(s, who, ret, err);
}

static bool is_end(const char *outcome)
{
	static const char *const ends[] = { "staged", "waiting", "hold", "failed" };
	for (size_t i = 0; i < STG_ARRAY_LEN(ends); i++)
		if (strcmp(outcome, ends[i]) == 0)
			return true;
	return false;
}

static bool put_job(struct stg_store *s, const json_t *r, int64_t seq, int64_t device, int64_t at_ms, struct stg_error *err)
{
	char label[128];
	const json_t *reason = json_object_get(r, "reason");
	snprintf(label, sizeof(label), "%.60s %.60s", stg_json_str(r, "station"), stg_json_str(r, "port"));
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "INSERT INTO job (id, device, batch, state, end_state, wait, blueprint_name, attributes, port, label, actor, why_id, why_code, why_msg, why_step,"
			     " record_id, created_ms, changed_ms, started_ms, ended_ms) VALUES (:seq, :device, (SELECT id FROM batch WHERE name = :batch), :state, :end,"
			     " :wait, :blueprint, :attributes, :port, :label, :actor, :why_id, :why_code, :why_msg, :why_step, :record_id, :at, :at, :at, :at)");
	stmt_int(&q, ":seq", seq);
	stmt_int(&q, ":device", device);
	stmt_text(&q, ":batch", stg_json_str(r, "batch"));
	/* what is told outside of a job ("revoked") is no end of one */
	stmt_text(&q, ":state", is_end(stg_json_str(r, "outcome")) ? "done" : "cancelled");
	stmt_text(&q, ":end", is_end(stg_json_str(r, "outcome")) ? stg_json_str(r, "outcome") : "");
	stmt_text(&q, ":wait", stg_json_str(reason, "wait"));
	stmt_text(&q, ":blueprint", stg_json_str(json_object_get(r, "blueprint"), "name"));
	stmt_json(&q, ":attributes", json_object_get(r, "order"));
	stmt_text(&q, ":port", stg_json_str(r, "station_id"));
	stmt_text(&q, ":label", label);
	stmt_text(&q, ":actor", stg_json_str(r, "actor"));
	stmt_int(&q, ":why_id", stg_json_int(reason, "id", 0));
	stmt_text(&q, ":why_code", stg_json_str(reason, "code"));
	stmt_text(&q, ":why_msg", stg_json_str(reason, "msg"));
	stmt_text(&q, ":why_step", stg_json_str(reason, "step"));
	stmt_text(&q, ":record_id", stg_json_str(r, "record_id"));
	stmt_int(&q, ":at", at_ms);
	return stmt_done(&q, err);
}

/* The order's row of an open batch shows the newest word about its device, whoever said it. A job that goes on here is ours. */
static bool attach(struct stg_store *s, const struct stg_identity *who, const char *batch, int64_t seq, int64_t device, int64_t at_ms, struct stg_error *err)
{
	int64_t row, job, own_ms;
	bool open;
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(
			s, "SELECT r.id, coalesce(r.job, 0), coalesce(j.state NOT IN ('done','failed','cancelled'), 0), coalesce((SELECT max(at_ms) FROM record WHERE"
			   " record.job = r.job), 0) FROM batch_row AS r JOIN batch AS b ON b.id = r.batch LEFT JOIN job AS j ON j.id = r.job WHERE b.name = :batch"
			   " AND b.state <> 'closed' AND (r.device = :device OR (r.ecid <> '' AND r.ecid = :unit) OR (r.udid <> '' AND r.udid = :udid) OR (r.serial <> ''"
			   " AND r.serial = :serial COLLATE NOCASE) OR (r.imei <> '' AND r.imei = :imei)) ORDER BY r.device = :device DESC, r.ecid = :unit DESC,"
			   " r.udid = :udid DESC, r.serial = :serial DESC, r.id LIMIT 1");
		stmt_text(&q, ":batch", batch);
		stmt_int(&q, ":device", device);
		stmt_text(&q, ":unit", who->unit);
		stmt_text(&q, ":udid", who->udid);
		stmt_text(&q, ":serial", who->serial);
		stmt_text(&q, ":imei", who->imei[0]);
		int got = stmt_step(&q, err);
		if (got <= 0)
			return got == 0;
		row = col_int(&q, 0);
		job = col_int(&q, 1);
		open = col_int(&q, 2) != 0;
		own_ms = col_int(&q, 3);
	}
	if (open || (job < 0 && job >= seq) || (job > 0 && own_ms > at_ms))
		return true;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE batch_row SET device = :device, job = :job WHERE id = :row");
	stmt_int(&q, ":device", device);
	stmt_int(&q, ":job", seq);
	stmt_int(&q, ":row", row);
	if (!stmt_done(&q, err))
		return false;
	STG_AUTO(stmt_close) struct stmt j = stmt_open(s, "UPDATE job SET row = :row, batch = (SELECT batch FROM batch_row WHERE id = :row) WHERE id = :job");
	stmt_int(&j, ":row", row);
	stmt_int(&j, ":job", seq);
	if (!stmt_done(&j, err))
		return false;
	STG_AUTO(stmt_close) struct stmt r = stmt_open(s, "UPDATE record SET batch = (SELECT batch FROM batch_row WHERE id = :row) WHERE seq = :job");
	stmt_int(&r, ":row", row);
	stmt_int(&r, ":job", seq);
	return stmt_done(&r, err);
}

/* Staged there and somewhere else, for one order: somebody should look which of them is meant. */
static bool staged_twice(struct stg_store *s, int64_t seq, const char *station_id, bool *ret, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "SELECT 1 FROM record AS me JOIN record AS o ON o.device = me.device AND o.batch = me.batch AND o.seq <> me.seq AND o.end_state = 'staged'"
			     " JOIN job AS j ON j.id = o.job WHERE me.seq = :seq AND me.end_state = 'staged' AND (o.seq > 0 OR j.port <> :station) LIMIT 1");
	stmt_int(&q, ":seq", seq);
	stmt_text(&q, ":station", station_id);
	int got = stmt_step(&q, err);
	*ret = got == 1;
	return got >= 0;
}

static bool known_record(struct stg_store *s, const char *record_id, const char *sha256, int64_t *ret_seq, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT seq, sha256 FROM record WHERE record_id = :id");
	stmt_text(&q, ":id", record_id);
	int got = stmt_step(&q, err);
	*ret_seq = got == 1 ? col_int(&q, 0) : 0;
	if (got == 1 && strcmp(col_text(&q, 1), sha256) != 0)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_BUNDLE_CONTENT, 0, "result %.40s is known with other bytes", record_id);
	return got >= 0;
}

bool stg_store_carried_put(struct stg_store *s, const char *text, const json_t *r, bool *ret_new, bool *ret_twice, struct stg_error *err)
{
	const char *record_id = stg_json_str(r, "record_id"), *end = stg_json_str(r, "outcome");
	char sha256[65];
	struct stg_identity who;
	int64_t seq, at_ms = 0, device;
	bool is_result = is_end(end) && strcmp(stg_json_str(r, "schema"), "stager.result/1") == 0;
	bool is_revocation = strcmp(end, "revoked") == 0 && strcmp(stg_json_str(r, "schema"), "stager.revocation/1") == 0;
	stg_sha256_hex(stg_bytes_str(text), sha256);
	if (!stg_uuid_ok(record_id) || !(is_result || is_revocation) ||
	    !stg_time_parse(stg_json_str(json_object_get(r, "time"), "wall"), &at_ms) || at_ms < 0 || at_ms >= 1LL << SEQ_TIME_BITS)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_BUNDLE_CONTENT, 0, "a line that is no result (%.40s)", record_id);
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err) || !known_record(s, record_id, sha256, &seq, err))
		return false;
	*ret_new = seq == 0;
	*ret_twice = false;
	if (seq > 0)    /* our own, come back to us */
		return tx_commit(&t, err);
	if (!put_device(s, r, at_ms, &device, &who, err))
		return false;
	if (!seq) {
		if (!seq_for(s, record_id, at_ms, &seq, err) || !put_job(s, r, seq, device, at_ms, err))
			return false;
		if (!record_put_carried(s, r, text, seq, device, at_ms, stg_json_bool(r, "final", false), sha256, err))
			return false;
	}
	return (!is_result || attach(s, &who, stg_json_str(r, "batch"), seq, device, at_ms, err)) && staged_twice(s, seq, stg_json_str(r, "station_id"), ret_twice, err) &&
	       tx_commit(&t, err);
}

bool stg_store_carried_delivery(struct stg_store *s, const char *peer, const json_t *d, const char *target, struct stg_error *err)
{
	const char *record_id = stg_json_str(d, "record_id"), *phase = stg_json_str_or(d, "phase", "E"), *theirs = stg_json_str(d, "target");
	int64_t seq, device, outbox;
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT seq, device FROM record WHERE record_id = :id");
		stmt_text(&q, ":id", record_id);
		if (!stmt_one(&q, STG_ID_BUNDLE_CONTENT, "a delivery of a result that is not there", err))
			return false;
		seq = col_int(&q, 0);
		device = col_int(&q, 1);
	}
	if (!outbox_add(s, seq, record_id, device, target, phase, &outbox, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "INSERT INTO bundle_delivery (record_id, their_target, phase, peer, target, outbox) VALUES (:id, :theirs, :phase, :peer, :target, :outbox)"
			     " ON CONFLICT DO UPDATE SET told = ''");
	stmt_text(&q, ":id", record_id);
	stmt_text(&q, ":theirs", theirs);
	stmt_text(&q, ":phase", phase);
	stmt_text(&q, ":peer", peer);
	stmt_text(&q, ":target", target);
	stmt_int(&q, ":outbox", outbox);
	return stmt_done(&q, err) && tx_commit(&t, err);
}

json_t *stg_store_carried_receipts(struct stg_store *s, const char *peer, int64_t most, bool and_mark, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return NULL;
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "SELECT d.record_id, d.their_target AS target, d.phase, o.state, o.changed_ms AS at_ms, coalesce(json_extract(o.answer, '$.text'), '') AS text,"
			     " coalesce(json_extract(o.answer, '$.status'), 0) AS status FROM bundle_delivery AS d JOIN outbox AS o ON o.id = d.outbox WHERE d.peer = :peer AND o.state IN"
			     " ('delivered','rejected','dropped','superseded','sent_unproven') AND d.told <> o.state ORDER BY d.record_id, d.their_target LIMIT :most");
	stmt_text(&q, ":peer", peer);
	stmt_int(&q, ":most", most);
	STG_AUTO(stg_json_free_at) json_t *list = stmt_list(&q, err);
	size_t i;
	json_t *one;
	if (!list)
		return NULL;
	json_array_foreach(list, i, one) {
		if (!and_mark)
			break;
		STG_AUTO(stmt_close) struct stmt m = stmt_open(s, "UPDATE bundle_delivery SET told = :state WHERE record_id = :id AND their_target = :target AND phase = :phase");
		stmt_text(&m, ":state", stg_json_str(one, "state"));
		stmt_text(&m, ":id", stg_json_str(one, "record_id"));
		stmt_text(&m, ":target", stg_json_str(one, "target"));
		stmt_text(&m, ":phase", stg_json_str(one, "phase"));
		if (!stmt_done(&m, err))
			return NULL;
	}
	return tx_commit(&t, err) ? stg_steal(list) : NULL;
}
