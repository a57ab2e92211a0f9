/*
 * inventory.c - the inventory as people read, fill and take it away.
 *
 * For:    `stager inventory list|show|add|export`.
 * Uses:   the store.
 * Called: as operations.
 * Thread: the recorder's.
 *
 *   inventory.list    {"query","limit"} (at most 5000) -> {"v":1,"more":bool,"devices":[{family,unit,serial,udid,imei,imei2,meid,model,model_name,hardware,device_class,
 *                     os_version,build,wifi_mac,bluetooth_mac,name,ownership,asset_tag,attributes{},facts{},first_seen_ms,last_seen_ms,
 *                     job,state,end,wait,blueprint,record_id,batch}]}  (what is empty is left out)
 *   inventory.show    {"serial"} (or unit, UDID, IMEI, asset tag) -> {"v":1, one such device, "changes":[{at_ms,field,was,became}],
 *                     "orders":[...],"jobs":[{..., "steps":[{n,try,key,step,asked,outcome,evidence,code,msg,began_ms,ended_ms,took_ms}]}],
 *                     "certificates":[...],"records":[...],"deliveries":[...],"holds":[...],
 *                     "escrow":[{kind,org,key_sha256,sealed_sha256,job,created_ms,opened_ms}]}
 *   inventory.add     {"serial"|"imei","model","model_name","name","asset_tag","ownership","attributes":{}} -> {"v":1,"serial","unit","new":bool}
 *   inventory.export  {"format":"csv|json","after":0,"limit":2000} -> {"v":1,"text","rows":n,"next":id or 0}: pages; call again with after = next
 */
#include <ctype.h>
#include <stdlib.h>

#include <stager/clock.h>
#include <stager/csv.h>
#include <stager/identity.h>
#include <stager/op.h>

#define PAGE 2000
#define LIST_MAX 5000              /* what one message holds; all of it is what export is for */
#define TEXT_MAX (12u << 20)

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	int64_t limit = stg_json_int(in, "limit", 0);
	if (limit <= 0 || limit > LIST_MAX)
		limit = LIST_MAX;
	json_t *devices = stg_store_inventory(c->store, stg_json_str(in, "query"), limit, err);
	if (!devices)
		return false;
	*ret = json_pack("{s:i,s:b,s:o}", "v", 1, "more", (int64_t)json_array_size(devices) == limit, "devices", devices);
	return true;
}

static bool show(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	json_t *all = stg_store_history(c->store, stg_json_str(in, "serial"), err);
	if (!all)
		return false;
	stg_json_put_int(all, "v", 1);
	/* that a token is kept, sealed to which key, and when it was opened: never the token */
	json_t *kept = stg_store_escrows(c->store, stg_json_str(all, "unit"), err);
	if (!kept) {
		json_decref(all);
		return false;
	}
	stg_json_put_new(all, "escrow", kept);
	*ret = all;
	return true;
}

/* ---- by hand ---- */

static void trimmed_upper(const char *text, char *ret, size_t size)
{
	size_t n = 0;
	for (; *text && n + 1 < size; text++)
		if (!isspace((unsigned char)*text))
			ret[n++] = (char)toupper((unsigned char)*text);
	ret[n] = 0;
}

static bool is_known(struct stg_op_ctx *c, const char *what, struct stg_identity *ret, struct stg_error *err)
{
	struct stg_error why = { 0 };
	STG_AUTO(stg_json_free_at) json_t *have = stg_store_history(c->store, what, &why);
	if (!have && why.code != STG_E_NOT_FOUND) {
		if (err)
			*err = why;
		return false;
	}
	if (have) {
		stg_copy(ret->family, sizeof(ret->family), stg_json_str(have, "family"));
		stg_copy(ret->unit, sizeof(ret->unit), stg_json_str(have, "unit"));
	}
	return true;
}

static bool add(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	struct stg_identity who = { 0 };
	trimmed_upper(stg_json_str(in, "serial"), who.serial, sizeof(who.serial));
	const char *imei = stg_json_str(in, "imei");
	if (*imei && !stg_imei_clean(imei, who.imei[0]))
		return stg_fail_id(err, STG_E_USAGE, strspn(imei, "0123456789") == 15 && !imei[15] ? STG_ID_VALUE_IMEI_CHECK : STG_ID_VALUE_IMEI, 0, "'%.40s'", imei);
	if (!who.serial[0] && !who.imei[0][0])
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "SERIAL | --imei");
	const char *key = who.serial[0] ? who.serial : who.imei[0];
	if (!stg_op_may(c, "technician", err) || !is_known(c, key, &who, err))
		return false;
	bool fresh = !who.unit[0];
	if (fresh) {
		stg_copy(who.family, sizeof(who.family), "scan");
		stg_copy(who.unit, sizeof(who.unit), key);
	}
	stg_copy(who.model, sizeof(who.model), stg_json_str(in, "model"));
	stg_copy(who.model_name, sizeof(who.model_name), stg_json_str(in, "model_name"));
	stg_copy(who.name, sizeof(who.name), stg_json_str(in, "name"));
	const char *ownership = stg_json_str(in, "ownership");
	json_t *detail = json_object();
	stg_json_put(detail, "ownership", ownership);
	stg_json_put(detail, "asset_tag", stg_json_str(in, "asset_tag"));
	if (!stg_store_device_put(c->store, &who, NULL, err) ||
	    !stg_store_device_tag(c->store, who.family, who.unit, stg_json_str(in, "asset_tag"), json_object_get(in, "attributes"), err) ||
	    (*ownership && !stg_store_ownership(c->store, who.family, who.unit, ownership, err))) {
		json_decref(detail);
		return false;
	}
	if (!stg_op_audit(c, "inventory.add", key, who.unit, detail, err))
		return false;
	*ret = json_pack("{s:i,s:s,s:s,s:b}", "v", 1, "serial", who.serial, "unit", who.unit, "new", fresh);
	return true;
}

/* ---- taking it away ---- */

static const struct {
	const char *key;
	enum stg_csv_kind kind;
} columns[] = {
	{ "serial", STG_CSV_EXACT }, { "imei", STG_CSV_EXACT }, { "imei2", STG_CSV_EXACT }, { "udid", STG_CSV_EXACT }, { "unit", STG_CSV_EXACT },
	{ "asset_tag", STG_CSV_TEXT }, { "name", STG_CSV_TEXT }, { "model", STG_CSV_TEXT }, { "model_name", STG_CSV_TEXT }, { "os_version", STG_CSV_TEXT },
	{ "ownership", STG_CSV_TEXT }, { "batch", STG_CSV_TEXT }, { "blueprint", STG_CSV_TEXT }, { "state", STG_CSV_TEXT }, { "end", STG_CSV_TEXT },
	{ "wait", STG_CSV_TEXT }, { "record_id", STG_CSV_EXACT }, { "first_seen_ms", STG_CSV_EXACT }, { "last_seen_ms", STG_CSV_EXACT },
};

static bool csv_row(struct stg_buf *out, const json_t *row, struct stg_error *err)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(columns); i++) {
		char time[STG_TIME_TEXT];
		const json_t *value = json_object_get(row, columns[i].key);
		const char *text = json_is_string(value) ? json_string_value(value) : "";
		if (json_is_integer(value)) {
			stg_time_text(json_integer_value(value), time);   /* the only numbers here are times */
			text = time;
		}
		if (!stg_csv_cell(out, row ? text : columns[i].key, row ? columns[i].kind : STG_CSV_EXACT, i + 1 == STG_ARRAY_LEN(columns), err))
			return false;
	}
	return true;
}

static bool json_row(struct stg_buf *out, const json_t *row, struct stg_error *err)
{
	char *text = stg_json_text(row);
	bool ok = stg_buf_add_str(out, text, err) && stg_buf_add_str(out, "\n", err);
	free(text);
	return ok;
}

static bool export(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *format = stg_json_str_or(in, "format", "csv");
	int64_t after = stg_json_int(in, "after", 0), limit = stg_json_int(in, "limit", PAGE);
	bool csv = strcmp(format, "csv") == 0;
	if (!csv && strcmp(format, "json") != 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "'%.40s': csv, json", format);
	if (limit <= 0 || limit > PAGE)
		limit = PAGE;
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_inventory_page(c->store, after, limit, err);
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(TEXT_MAX);
	if (!rows || (csv && after == 0 && !csv_row(&text, NULL, err)))
		return false;
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row) {
		after = stg_json_int(row, "id", 0);
		json_object_del(row, "id");
		if (!(csv ? csv_row(&text, row, err) : json_row(&text, row, err)))
			return false;
	}
	bool more = (int64_t)json_array_size(rows) == limit;
	*ret = json_pack("{s:i,s:I,s:I}", "v", 1, "rows", (json_int_t)json_array_size(rows), "next", (json_int_t)(more ? after : 0));
	stg_json_put_new(*ret, "text", json_string(stg_buf_str(&text)));
	return true;
}

const struct stg_op stg_ops_inventory[] = {
	{ "inventory.list", STG_OP_STORE, list },
	{ "inventory.show", STG_OP_STORE, show },
	{ "inventory.add", STG_OP_STORE, add },
	{ "inventory.export", STG_OP_STORE, export },
	{ 0 },
};
