/*
 * inventory.c - devices: what is known about each, and how that changed.
 *
 * For:    intake, the recorder, inventory commands.
 * Uses:   SQLite.
 * Called: stager/station, stager/ops.
 * Thread: the one that has the store.
 */
#include <stdlib.h>

#include "db.h"

#define LIST_MAX 100000

/* Text attributes as they are read from a device; the order is that of DEVICE_COLUMNS. */
#define ATTRIBUTES(X) \
	X(serial) X(udid) X(meid) X(model) X(model_name) X(hardware) X(device_class) X(os_version) X(build) X(wifi_mac) \
	X(bluetooth_mac) X(name) X(key_sha256)
#define DEVICE_COLUMNS \
	"id, family, unit, serial, udid, meid, model, model_name, hardware, device_class, os_version, build, wifi_mac," \
	" bluetooth_mac, name, key_sha256, imei, imei2"

static void read_identity(const struct stmt *q, struct stg_identity *ret)
{
	int i = 3;
	*ret = (struct stg_identity){ 0 };
	stg_copy(ret->family, sizeof(ret->family), col_text(q, 1));
	stg_copy(ret->unit, sizeof(ret->unit), col_text(q, 2));
#define X(field) stg_copy(ret->field, sizeof(ret->field), col_text(q, i++));
	ATTRIBUTES(X)
#undef X
	stg_copy(ret->imei[0], sizeof(ret->imei[0]), col_text(q, i++));
	stg_copy(ret->imei[1], sizeof(ret->imei[1]), col_text(q, i));
}

bool device_id(struct stg_store *s, const char *family, const char *unit, int64_t *ret, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT id FROM device WHERE family = :family AND unit = :unit");
	stmt_text(&q, ":family", family);
	stmt_text(&q, ":unit", unit);
	if (!stmt_one(&q, STG_ID_UNKNOWN_DEVICE, unit, err))
		return false;
	*ret = col_int(&q, 0);
	return true;
}

static bool note_change(struct stg_store *s, int64_t device, const char *field, const char *was, const char *became, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO device_change (device, at_ms, field, was, became)"
							  " VALUES (:device, :now, :field, :was, :became)");
	stmt_int(&q, ":device", device);
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":field", field);
	stmt_text(&q, ":was", was);
	stmt_text(&q, ":became", became);
	return stmt_done(&q, err);
}

/* Keeps what is known where the new reading is empty, and writes down what really changed. */
static bool merge_text(struct stg_store *s, int64_t device, const char *field, const char *was, const char *now, char *ret, size_t size,
		       bool *changed, struct stg_error *err)
{
	stg_copy(ret, size, *now ? now : was);
	if (!*now || strcmp(was, now) == 0)
		return true;
	*changed = true;
	return !*was || note_change(s, device, field, was, now, err);
}

/* A device typed in by hand before it was ever plugged in is keyed by its serial; the first real reading adopts it. */
static bool adopt(struct stg_store *s, const struct stg_identity *who, struct stg_error *err)
{
	if (!who->serial[0] || strcmp(who->family, "scan") == 0)
		return true;
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "UPDATE device SET family = :family, unit = :unit WHERE family = 'scan' AND unit = :serial"
			     " AND NOT EXISTS (SELECT 1 FROM device WHERE family = :family AND unit = :unit)");
	stmt_text(&q, ":family", who->family);
	stmt_text(&q, ":unit", who->unit);
	stmt_text(&q, ":serial", who->serial);
	return stmt_done(&q, err);
}

static bool insert(struct stg_store *s, const struct stg_identity *who, int64_t *ret, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "INSERT INTO device (family, unit, serial, udid, meid, model, model_name, hardware, device_class, os_version, build, wifi_mac,"
		   " bluetooth_mac, name, key_sha256, imei, imei2, first_seen_ms, last_seen_ms) VALUES (:family, :unit, :serial, :udid, :meid,"
		   " :model, :model_name, :hardware, :device_class, :os_version, :build, :wifi_mac, :bluetooth_mac, :name, :key_sha256,"
		   " :imei, :imei2, :now, :now)");
	stmt_text(&q, ":family", who->family);
	stmt_text(&q, ":unit", who->unit);
#define X(field) stmt_text(&q, ":" #field, who->field);
	ATTRIBUTES(X)
#undef X
	stmt_text(&q, ":imei", who->imei[0]);
	stmt_text(&q, ":imei2", who->imei[1]);
	stmt_int(&q, ":now", stg_wall_ms());
	if (!stmt_done(&q, err))
		return false;
	*ret = sqlite3_last_insert_rowid(s->db);
	return search_device(s, *ret, err);
}

static bool update(struct stg_store *s, int64_t id, const struct stg_identity *was, const struct stg_identity *now, struct stg_error *err)
{
	struct stg_identity both = *was;
	bool changed = false;
#define X(field)                                                                                                              \
	if (!merge_text(s, id, #field, was->field, now->field, both.field, sizeof(both.field), &changed, err))                \
		return false;
	ATTRIBUTES(X)
#undef X
	for (size_t i = 0; i < 2; i++)
		if (!merge_text(s, id, i ? "imei2" : "imei", was->imei[i], now->imei[i], both.imei[i], sizeof(both.imei[i]), &changed, err))
			return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "UPDATE device SET serial = :serial, udid = :udid, meid = :meid, model = :model, model_name = :model_name, hardware = :hardware,"
		   " device_class = :device_class, os_version = :os_version, build = :build, wifi_mac = :wifi_mac,"
		   " bluetooth_mac = :bluetooth_mac, name = :name, key_sha256 = :key_sha256, imei = :imei, imei2 = :imei2,"
		   " last_seen_ms = :now WHERE id = :id");
#define X(field) stmt_text(&q, ":" #field, both.field);
	ATTRIBUTES(X)
#undef X
	stmt_text(&q, ":imei", both.imei[0]);
	stmt_text(&q, ":imei2", both.imei[1]);
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_int(&q, ":id", id);
	return stmt_done(&q, err) && (!changed || search_device(s, id, err));
}

bool device_put_id(struct stg_store *s, const struct stg_identity *who, int64_t *ret, struct stg_error *err)
{
	struct stg_identity was;
	int64_t id = 0;
	if (!who->family[0] || !who->unit[0])
		return stg_fail(err, STG_E_BUG, 0, "a device without family or unit");
	if (!adopt(s, who, err))
		return false;
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " DEVICE_COLUMNS " FROM device WHERE family = :family AND unit = :unit");
		stmt_text(&q, ":family", who->family);
		stmt_text(&q, ":unit", who->unit);
		int got = stmt_step(&q, err);
		if (got < 0)
			return false;
		if (got) {
			id = col_int(&q, 0);
			read_identity(&q, &was);
		}
	}
	if (!(id ? update(s, id, &was, who, err) : insert(s, who, &id, err)))
		return false;
	*ret = id;
	return true;
}

bool stg_store_device_put(struct stg_store *s, const struct stg_identity *who, int64_t *ret_id, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	int64_t id;
	if (!tx_begin(&t, s, err) || !device_put_id(s, who, &id, err) || !tx_commit(&t, err))
		return false;
	if (ret_id)
		*ret_id = id;
	return true;
}

bool stg_store_device_find(struct stg_store *s, const char *family, const char *unit, struct stg_identity *ret, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " DEVICE_COLUMNS " FROM device WHERE family = :family AND unit = :unit");
	stmt_text(&q, ":family", family);
	stmt_text(&q, ":unit", unit);
	if (!stmt_one(&q, STG_ID_UNKNOWN_DEVICE, unit, err))
		return false;
	read_identity(&q, ret);
	return true;
}

bool stg_store_device_by_udid(struct stg_store *s, const char *udid, struct stg_identity *ret, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " DEVICE_COLUMNS " FROM device WHERE udid = :udid AND udid <> ''"
							  " ORDER BY last_seen_ms DESC LIMIT 1");
	stmt_text(&q, ":udid", udid);
	if (!stmt_one(&q, STG_ID_UNKNOWN_DEVICE, udid, err))
		return false;
	read_identity(&q, ret);
	return true;
}

/* Columns of one device in JSON, the same in every answer. */
#define DEVICE_JSON \
	"device.family AS family, device.unit AS unit, device.serial AS serial, device.udid AS udid, device.imei AS imei," \
	" device.imei2 AS imei2, device.meid AS meid, device.model AS model, device.model_name AS model_name," \
	" device.hardware AS hardware, device.device_class AS device_class, device.os_version AS os_version," \
	" device.build AS build, device.wifi_mac AS wifi_mac, device.bluetooth_mac AS bluetooth_mac, device.name AS name," \
	" device.ownership AS ownership, device.asset_tag AS asset_tag, device.attributes AS \"attributes:json\"," \
	" device.facts AS \"facts:json\", device.first_seen_ms AS first_seen_ms, device.last_seen_ms AS last_seen_ms"

json_t *stg_store_device_json(struct stg_store *s, const char *family, const char *unit, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " DEVICE_JSON " FROM device WHERE family = :family AND unit = :unit");
	stmt_text(&q, ":family", family);
	stmt_text(&q, ":unit", unit);
	return stmt_one(&q, STG_ID_UNKNOWN_DEVICE, unit, err) ? stmt_object(&q, err) : NULL;
}

/* The last job of each device says how it stands. */
#define LIST_JSON \
	DEVICE_JSON ", job.id AS job, job.state AS state, job.end_state AS \"end\", job.wait AS wait," \
		    " job.blueprint_name AS blueprint, job.record_id AS record_id, batch.name AS batch"
#define LIST_JOIN \
	" LEFT JOIN job ON job.id = (SELECT max(id) FROM job AS j WHERE j.device = device.id)" \
	" LEFT JOIN batch ON batch.id = job.batch"

static bool add_device(struct stg_store *s, int64_t id, json_t *list, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " LIST_JSON " FROM device" LIST_JOIN " WHERE device.id = :id");
	stmt_int(&q, ":id", id);
	int got = stmt_step(&q, err);
	if (got <= 0)
		return got == 0;
	json_t *row = stmt_object(&q, err);
	if (row)
		json_array_append_new(list, row);
	return row != NULL;
}

json_t *stg_store_inventory(struct stg_store *s, const char *query, int64_t limit, struct stg_error *err)
{
	STG_AUTO(stg_free_at) int64_t *ids = NULL;
	size_t n = 0;
	if (!query || !*query) {
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " LIST_JSON " FROM device" LIST_JOIN " ORDER BY device.id LIMIT :limit");
		stmt_int(&q, ":limit", limit > 0 ? limit : LIST_MAX);
		return stmt_list(&q, err);
	}
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	if (!search_devices(s, query, limit, &ids, &n, err))
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (!add_device(s, ids[i], list, err))
			return NULL;
	return stg_steal(list);
}

json_t *stg_store_inventory_page(struct stg_store *s, int64_t after_id, int64_t limit, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "SELECT device.id AS id, " LIST_JSON " FROM device" LIST_JOIN " WHERE device.id > :after ORDER BY device.id LIMIT :limit");
	stmt_int(&q, ":after", after_id);
	stmt_int(&q, ":limit", limit > 0 && limit < LIST_MAX ? limit : LIST_MAX);
	return stmt_list(&q, err);
}

bool stg_store_ownership(struct stg_store *s, const char *family, const char *unit, const char *ownership, struct stg_error *err)
{
	if (strcmp(ownership, "pool") != 0 && strcmp(ownership, "personal") != 0 && strcmp(ownership, "unknown") != 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_VALUE_OWNERSHIP, 0, "'%.40s'", ownership);
	STG_AUTO(tx_end) struct tx t = { 0 };
	int64_t id;
	if (!tx_begin(&t, s, err) || !device_id(s, family, unit, &id, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT ownership FROM device WHERE id = :id");
	stmt_int(&q, ":id", id);
	if (!stmt_one(&q, STG_ID_UNKNOWN_DEVICE, unit, err))
		return false;
	if (strcmp(col_text(&q, 0), ownership) != 0) {
		if (!note_change(s, id, "ownership", col_text(&q, 0), ownership, err))
			return false;
		STG_AUTO(stmt_close) struct stmt w = stmt_open(s, "UPDATE device SET ownership = :ownership WHERE id = :id");
		stmt_text(&w, ":ownership", ownership);
		stmt_int(&w, ":id", id);
		if (!stmt_done(&w, err))
			return false;
	}
	stmt_close(&q);
	return tx_commit(&t, err);
}

bool stg_store_device_tag(struct stg_store *s, const char *family, const char *unit, const char *asset_tag, const json_t *attributes,
			  struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	int64_t id;
	if (!tx_begin(&t, s, err) || !device_id(s, family, unit, &id, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT asset_tag FROM device WHERE id = :id");
	stmt_int(&q, ":id", id);
	if (!stmt_one(&q, STG_ID_UNKNOWN_DEVICE, unit, err))
		return false;
	if (asset_tag && *asset_tag && col_text(&q, 0)[0] && strcmp(col_text(&q, 0), asset_tag) != 0 &&
	    !note_change(s, id, "asset_tag", col_text(&q, 0), asset_tag, err))
		return false;
	stmt_close(&q);
	STG_AUTO(stmt_close) struct stmt w = stmt_open(s, "UPDATE device SET asset_tag = coalesce(:tag, asset_tag),"
							  " attributes = coalesce(:attributes, attributes) WHERE id = :id");
	stmt_text_or_null(&w, ":tag", asset_tag);
	stmt_json(&w, ":attributes", attributes);
	stmt_int(&w, ":id", id);
	return stmt_done(&w, err) && search_device(s, id, err) && tx_commit(&t, err);
}

/* ---- everything about one device ---- */

static bool add_list(struct stg_store *s, json_t *into, const char *key, const char *sql, int64_t device, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, sql);
	stmt_int(&q, ":device", device);
	json_t *list = stmt_list(&q, err);
	if (!list)
		return false;
	stg_json_put_new(into, key, list);
	return true;
}

json_t *stg_store_history(struct stg_store *s, const char *serial_or_unit, struct stg_error *err)
{
	int64_t device = 0;
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(
			s, "SELECT id FROM device WHERE serial <> '' AND serial = :what UNION ALL SELECT id FROM device WHERE unit = :what"
			   " UNION ALL SELECT id FROM device WHERE udid <> '' AND udid = :what UNION ALL SELECT id FROM device WHERE imei <> '' AND"
			   " imei = :what UNION ALL SELECT id FROM device WHERE asset_tag <> '' AND asset_tag = :what LIMIT 1");
		stmt_text(&q, ":what", serial_or_unit);
		if (!stmt_one(&q, STG_ID_UNKNOWN_DEVICE, serial_or_unit, err))
			return NULL;
		device = col_int(&q, 0);
	}
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " LIST_JSON " FROM device" LIST_JOIN " WHERE device.id = :device");
	stmt_int(&q, ":device", device);
	if (!stmt_one(&q, STG_ID_UNKNOWN_DEVICE, serial_or_unit, err))
		return NULL;
	STG_AUTO(stg_json_free_at) json_t *all = stmt_object(&q, err);
	if (!all)
		return NULL;
	stmt_close(&q);
	if (!add_list(s, all, "changes", "SELECT at_ms, field, was, became FROM device_change WHERE device = :device ORDER BY id", device, err) ||
	    !add_list(s, all, "orders",
		      "SELECT batch.name AS batch, batch_row.line, batch_row.asset_tag, batch_row.ownership, batch_row.name,"
		      " batch_row.attributes AS \"attributes:json\" FROM batch_row JOIN batch ON batch.id = batch_row.batch"
		      " WHERE batch_row.device = :device ORDER BY batch_row.id",
		      device, err) ||
	    !add_list(s, all, "holds",
		      "SELECT hold.id, hold.reason, hold.owner, hold.why_id AS code, hold.since_ms, hold.until_ms, hold.released_ms, hold.released_by,"
		      " hold.released_why FROM hold JOIN device ON device.id = :device WHERE (hold.unit <> '' AND hold.unit = device.unit)"
		      " OR (hold.serial <> '' AND hold.serial = device.serial) ORDER BY hold.id",
		      device, err) ||
	    !add_list(s, all, "certificates",
		      "SELECT certificate.serial_hex, certificate.subject, certificate.sha256, certificate.not_before_ms, certificate.not_after_ms,"
		      " certificate.status, certificate.reason, certificate.job FROM certificate JOIN device ON device.id = :device"
		      " WHERE certificate.unit <> '' AND certificate.unit = device.unit ORDER BY certificate.id",
		      device, err) ||
	    !add_list(s, all, "deliveries",
		      "SELECT id, record_id, seq, target, phase, state, attempts, answer AS \"answer:json\", created_ms, changed_ms FROM outbox"
		      " WHERE device = :device OR record_id IN (SELECT r.record_id FROM registration AS r JOIN device AS d ON d.serial <> '' AND d.serial = r.serial"
		      " WHERE d.id = :device) ORDER BY id",
		      device, err) ||
	    !add_list(s, all, "records",
		      "SELECT record_id, seq, job, final AS \"final:bool\", end_state AS \"end\", at_ms, sha256 FROM record WHERE device = :device ORDER BY seq",
		      device, err) ||
	    !add_list(s, all, "jobs",
		      "SELECT job.id AS id, job.state, job.end_state AS \"end\", job.wait, job.blueprint_name AS blueprint, job.blueprint AS blueprint_sha256,"
		      " batch.name AS batch, job.port, job.label, job.actor, job.why_id AS code, job.why_msg AS msg, job.why_step AS step, job.why_owner AS owner, job.tries,"
		      " job.record_id, job.created_ms, job.changed_ms, job.started_ms, job.ended_ms FROM job LEFT JOIN batch ON batch.id = job.batch"
		      " WHERE job.device = :device ORDER BY job.id",
		      device, err))
		return NULL;
	size_t i;
	json_t *job;
	json_array_foreach(json_object_get(all, "jobs"), i, job) {
		json_t *steps = stg_store_steps(s, stg_json_int(job, "id", 0), err);
		if (!steps)
			return NULL;
		stg_json_put_new(job, "steps", steps);
	}
	return stg_steal(all);
}
