/*
 * audit.c - reading, checking and taking away the log of acts.
 *
 * For:    `stager audit list|verify|export`.
 * Uses:   the store.
 * Called: as operations.
 * Thread: the recorder's.
 *
 *   audit.list    {"from":1,"limit":100} or {"last":20} -> {"v":1,"rows":[{seq,time,quality,boot_id,boot_ms,station,rehearsal,actor,verb,object,
 *                 unit,job,outcome,detail{},prev,hash}]}
 *   audit.verify  {} -> {"v":1,"ok":true,"rows","checkpoints","public_key"}; a changed log is the error AUDIT_BROKEN naming the first bad row.
 *                 What only an exported checkpoint or record can show: a whole state put back to an older day.
 *   audit.export  {"from":1,"limit":5000} -> {"v":1,"text":"one JSON row a line","rows":n,"next":seq or 0,"checkpoints":[{seq,at_ms,note,signature}]
 *                 and "public_key" (Ed25519, hex) with the last page}
 */
#include <stdlib.h>

#include <stager/op.h>

#define PAGE 5000
#define TEXT_MAX (12u << 20)

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	int64_t last = stg_json_int(in, "last", 0), from = stg_json_int(in, "from", 1), limit = stg_json_int(in, "limit", 0);
	if (last > 0) {
		int64_t rows = 0;
		if (!stg_store_audit_count(c->store, &rows, err))
			return false;
		from = rows > last ? rows - last + 1 : 1;
		limit = last;
	}
	json_t *rows = stg_store_audit_list(c->store, from, limit, err);
	if (!rows)
		return false;
	*ret = json_pack("{s:i,s:o}", "v", 1, "rows", rows);
	return true;
}

static bool verify(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	int64_t rows = 0;
	char key[65];
	(void)in;
	if (!stg_store_audit_verify(c->store, &rows, err) || !stg_store_checkpoint_key(c->store, key, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *points = stg_store_checkpoints(c->store, err);
	if (!points)
		return false;
	*ret = json_pack("{s:i,s:b,s:I,s:I,s:s}", "v", 1, "ok", 1, "rows", (json_int_t)rows, "checkpoints", (json_int_t)json_array_size(points), "public_key", key);
	return true;
}

static bool export(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	int64_t from = stg_json_int(in, "from", 1), limit = stg_json_int(in, "limit", PAGE);
	if (limit <= 0 || limit > PAGE)
		limit = PAGE;
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_audit_list(c->store, from, limit, err);
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(TEXT_MAX);
	size_t i;
	json_t *row;
	if (!rows)
		return false;
	json_array_foreach(rows, i, row) {
		char *line = stg_json_text(row);
		/* a page ends early rather than grow past what one message may hold */
		bool full = text.len && text.len + strlen(line) + 1 > TEXT_MAX;
		bool ok = full || (stg_buf_add_str(&text, line, err) && stg_buf_add_str(&text, "\n", err));
		free(line);
		if (!ok)
			return false;
		if (full)
			break;
		from = stg_json_int(row, "seq", 0) + 1;
	}
	bool more = i < json_array_size(rows) || (int64_t)json_array_size(rows) == limit;
	STG_AUTO(stg_json_free_at) json_t *out = json_pack("{s:i,s:I,s:I}", "v", 1, "rows", (json_int_t)i, "next", (json_int_t)(more ? from : 0));
	stg_json_put_new(out, "text", json_string(stg_buf_str(&text)));
	if (!more) {
		char key[65];
		json_t *points = stg_store_checkpoints(c->store, err);
		if (!points)
			return false;
		stg_json_put_new(out, "checkpoints", points);
		if (!stg_store_checkpoint_key(c->store, key, err))
			return false;
		stg_json_put(out, "public_key", key);
	}
	*ret = stg_steal(out);
	return true;
}

const struct stg_op stg_ops_audit[] = {
	{ "audit.list", STG_OP_STORE, list },
	{ "audit.verify", STG_OP_STORE, verify },
	{ "audit.export", STG_OP_STORE, export },
	{ 0 },
};
