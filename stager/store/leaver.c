/*
 * leaver.c - what is known of a returned device that its cable does not tell.
 *
 * For:    the intake checks of a leaver's phone.
 * Uses:   SQLite: decisions, the order, the inventory, what earlier jobs found.
 * Called: stager/station, stager/ops.
 * Thread: the one that has the store.
 */
#include <stdlib.h>
#include <strings.h>

#include "db.h"

bool stg_store_decide(struct stg_store *s, const char *serial, const char *kind, const char *answer, const char *by, const char *actor,
		      struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!*serial || !*answer || !*by || !tx_begin(&t, s, err))
		return stg_fail(err, STG_E_USAGE, 0, "a decision has a device, an answer and somebody who gave it");
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO decision (serial, kind, answer, by, actor, at_ms) VALUES (upper(:serial), :kind, :answer, :by, :actor, :now)");
	stmt_text(&q, ":serial", serial);
	stmt_text(&q, ":kind", kind);
	stmt_text(&q, ":answer", answer);
	stmt_text(&q, ":by", by);
	stmt_text(&q, ":actor", actor);
	stmt_int(&q, ":now", stg_wall_ms());
	STG_AUTO(stg_json_free_at) json_t *entry = json_pack("{s:s,s:s,s:s,s:s,s:{s:s,s:s,s:s}}", "actor", actor, "verb", "decide", "object", serial,
							     "outcome", "done", "detail", "kind", kind, "answer", answer, "by", by);
	return stmt_done(&q, err) && stg_store_audit(s, entry, err) && tx_commit(&t, err);
}

/* What people write into a column "backup". "": nothing that says anything. */
static const char *answer_of(const char *text)
{
	static const char *const words[][2] = {
		{ "none", "none" }, { "no", "none" }, { "non", "none" }, { "aucune", "none" },
		{ "done", "done" }, { "fait", "done" }, { "faite", "done" }, { "ok", "done" },
		{ "wanted", "wanted" }, { "yes", "wanted" }, { "oui", "wanted" }, { "demandée", "wanted" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(words); i++)
		if (strcasecmp(words[i][0], text) == 0)
			return words[i][1];
	return "";
}

static bool put_decision(struct stg_store *s, const char *serial, const json_t *row, json_t *out, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT answer, by, at_ms FROM decision WHERE serial = :serial AND kind = 'backup' ORDER BY id DESC LIMIT 1");
	stmt_text(&q, ":serial", serial);
	int got = *serial ? stmt_step(&q, err) : 0;
	if (got < 0)
		return false;
	const char *listed = answer_of(stg_json_str(json_object_get(row, "attributes"), "backup"));
	if (got)
		stg_json_put_new(out, "backup", stmt_object(&q, err));
	else if (*listed)
		stg_json_put_new(out, "backup", json_pack("{s:s,s:s}", "answer", listed, "by", stg_json_str(row, "batch")));
	return !got || json_object_get(out, "backup");
}

/* A member with the newest time of something that happened to this device; none when it never did. */
static bool put_last(struct stg_store *s, const char *sql, const struct stg_identity *who, const char *key, json_t *out, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, sql);
	if (strstr(sql, ":locked"))
		stmt_int(&q, ":locked", STG_ID_ACTIVATION_LOCKED);
	stmt_text(&q, ":family", who->family);
	stmt_text(&q, ":unit", who->unit);
	int got = stmt_step(&q, err);
	if (got == 1 && col_int(&q, 0))
		stg_json_put_int(out, key, col_int(&q, 0));
	return got >= 0;
}

json_t *stg_store_origin(struct stg_store *s, const struct stg_identity *who, struct stg_error *err)
{
	static const char staged[] = "SELECT max(r.at_ms) FROM record AS r JOIN device AS d ON d.id = r.device WHERE d.family = :family AND d.unit = :unit"
				     /* having been read, or judged, is not having been staged */
				     " AND r.end_state = 'staged' AND json_extract(CAST(r.bytes AS TEXT), '$.read_only') IS NULL";
	/* the maker's service asked for somebody's account; an activation that went well afterwards ends it */
	static const char locked[] = "SELECT CASE WHEN st.why_id = :locked THEN st.began_ms END FROM step AS st JOIN job AS j ON j.id = st.job"
				     " JOIN device AS d ON d.id = j.device WHERE d.family = :family AND d.unit = :unit AND (st.why_id = :locked OR (st.step = 'activate'"
				     " AND st.outcome IN ('done', 'proven'))) ORDER BY st.began_ms DESC, st.job DESC, st.n DESC LIMIT 1";
	struct stg_error none = { 0 };
	STG_AUTO(stg_json_free_at) json_t *out = json_object();
	STG_AUTO(stg_json_free_at) json_t *row = stg_store_batch_match(s, who, &none);
	STG_AUTO(stg_json_free_at) json_t *known = stg_store_device_json(s, who->family, who->unit, &none);
	static const char *const told[] = { "ownership", "asset_tag" };
	stg_json_put_bool(out, "in_order", row != NULL);
	stg_json_put(out, "batch", stg_json_str(row, "batch"));
	for (size_t i = 0; i < STG_ARRAY_LEN(told); i++)
		stg_json_put(out, told[i], stg_json_str_or(row, told[i], stg_json_str(known, told[i])));
	if (!put_decision(s, who->serial, row, out, err) || !put_last(s, staged, who, "staged_ms", out, err) ||
	    !put_last(s, locked, who, "locked_ms", out, err))
		return NULL;
	stg_json_put_bool(out, "known", *stg_json_str(out, "asset_tag") || stg_json_int(out, "staged_ms", 0));
	return stg_steal(out);
}
