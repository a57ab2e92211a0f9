/*
 * report.c - papers on request: labels and hand-over sheets, written to the file a person gave.
 *
 * For:    cmd/label.c, cmd/report.c.
 * Uses:   <stager/report.h>, the store.
 * Called: as operations.
 * Thread: the recorder's.
 *
 *   label.preview    {"serial","batch","lang"} + out -> {"serial","bytes"}: PNG
 *   label.print      {"serial","batch","lang"} + out (a printer or a file) -> {"serial","bytes"}: ZPL; writes an audit row
 *   report.handover  {"name","lang"} + out -> {"name","bytes"}: PDF
 *   report.erasure   {"serial","batch"} ("" = all) -> [{schema stager.erasure/1}], as kept; STG_ID_NO_ERASURE
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/op.h>
#include <stager/report.h>
#include <stager/text.h>

#include "_override.h"
#include "_secretly.h"

static bool write_out(struct stg_op_ctx *c, const json_t *in, struct stg_bytes what, struct stg_error *err)
{
	int fd = stg_op_fd(c, in, "out", 0);
	if (fd < 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "FILE");
	return ops_write(fd, what, err);
}

static const char *lang_of(const json_t *in)
{
	return strcmp(stg_json_str_or(in, "lang", stg_language()), "fr") == 0 ? "fr" : "en";
}

/* ---- labels ---- */

static bool is_device(const json_t *row, const char *word)
{
	static const char *const keys[] = { "serial", "asset_tag", "udid", "unit", "imei" };
	for (size_t i = 0; i < STG_ARRAY_LEN(keys); i++)
		if (*word && strcasecmp(stg_json_str(row, keys[i]), word) == 0)
			return true;
	return false;
}

/* The device's row: of the batch named, else of the newest batch that has it, else what the inventory knows. New reference. */
static json_t *row_of(struct stg_op_ctx *c, const json_t *in, struct stg_error *err)
{
	const char *serial = stg_json_str(in, "serial"), *batch = stg_json_str(in, "batch");
	STG_AUTO(stg_json_free_at) json_t *batches = *batch ? json_pack("[{s:s}]", "name", batch) : stg_store_batches(c->store, err);
	if (!batches)
		return NULL;
	for (size_t n = json_array_size(batches); n-- > 0;) {
		STG_AUTO(stg_json_free_at) json_t *rows = stg_store_batch_rows(c->store, stg_json_str(json_array_get(batches, n), "name"), err);
		size_t i;
		json_t *row;
		if (!rows)
			return NULL;
		json_array_foreach(rows, i, row)
			if (is_device(row, serial))
				return json_incref(row);
	}
	STG_AUTO(stg_json_free_at) json_t *known = *batch ? json_array() : stg_store_inventory(c->store, serial, 20, err);
	size_t i;
	json_t *one;
	if (!known)
		return NULL;
	json_array_foreach(known, i, one)
		if (is_device(one, serial))
			return json_incref(one);
	stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_UNKNOWN_DEVICE, 0, "%.40s%s%s", serial, *batch ? ", " : "", batch);
	return NULL;
}

static bool label(struct stg_op_ctx *c, const json_t *in, bool is_print, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf out = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = row_of(c, in, err);
	STG_AUTO(stg_json_free_at) json_t *alone = json_array();
	char todo[256], exception[256];
	json_array_append(alone, row);
	if (!row || !ops_put_overrides(c, alone, err))
		return false;
	stg_report_todo(row, lang_of(in), todo, sizeof(todo));
	/* a label made beforehand must not say "never seen" for the rest of the device's life */
	if (strcmp(stg_json_str(row, "end"), "staged") != 0 && strcmp(stg_json_str(row, "end"), "waiting") != 0)
		todo[0] = 0;
	stg_report_exception(row, lang_of(in), exception, sizeof(exception));
	if (*exception) {
		char both[256];
		snprintf(both, sizeof(both), "%.120s%s%.120s", exception, *todo ? " · " : "", todo);
		stg_mend_end(both);
		stg_copy(todo, sizeof(todo), both);
	}
	const struct stg_label l = { .asset_tag = stg_json_str(row, "asset_tag"), .serial = stg_json_str(row, "serial"), .name = stg_json_str(row, "name"),
				     .todo = todo, .is_rehearsal = c->rehearsal };
	if (!(is_print ? stg_label_zpl(&l, &out, err) : stg_label_png(&l, &out, err)) || !write_out(c, in, stg_buf_view(&out), err))
		return false;
	if (is_print && !stg_op_audit(c, "label.print", l.serial, stg_json_str(row, "unit"), NULL, err))
		return false;
	*ret = json_pack("{s:i,s:s,s:s,s:I}", "v", 1, "serial", l.serial, "asset_tag", l.asset_tag, "bytes", (json_int_t)out.len);
	return true;
}

static bool preview(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	return label(c, in, false, ret, err);
}

static bool print(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	return label(c, in, true, ret, err);
}

/* ---- sheets ---- */

static bool handover(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name");
	STG_AUTO(stg_buf_clear) struct stg_buf pdf = { 0 };
	STG_AUTO(stg_json_free_at) json_t *batch = stg_store_batch(c->store, name, err);
	STG_AUTO(stg_json_free_at) json_t *rows = batch ? stg_store_batch_rows(c->store, name, err) : NULL;
	STG_AUTO(stg_free_at) char *station = rows && ops_put_overrides(c, rows, err) ? stg_store_get(c->store, "station_name", err) : NULL;
	if (!station)
		return false;
	const struct stg_handover h = { .batch = batch, .rows = rows, .lang = lang_of(in), .station = station, .now_ms = stg_wall_ms(),
					.is_rehearsal = c->rehearsal };
	if (!stg_report_handover(&h, &pdf, err) || !write_out(c, in, stg_buf_view(&pdf), err))
		return false;
	*ret = json_pack("{s:i,s:s,s:I}", "v", 1, "name", name, "bytes", (json_int_t)pdf.len);
	return true;
}

static bool erasure(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *serial = stg_json_str(in, "serial"), *batch = stg_json_str(in, "batch");
	STG_AUTO(stg_json_free_at) json_t *list = stg_store_erasures(c->store, serial, batch, err);
	size_t i;
	json_t *one;
	if (!list)
		return false;
	if (!json_array_size(list))
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_NO_ERASURE, 0, "%.64s%.64s", serial, batch);
	json_t *bodies = json_array();
	json_array_foreach(list, i, one)
		json_array_append(bodies, json_object_get(one, "body"));
	*ret = bodies;
	return true;
}

const struct stg_op stg_ops_report[] = {
	{ "report.erasure", STG_OP_STORE, erasure },
	{ "label.preview", STG_OP_STORE, preview },
	{ "label.print", STG_OP_STORE, print },
	{ "report.handover", STG_OP_STORE, handover },
	{ 0 },
};
