/*
 * erasure.c - the record of an erasure, made when it was proven and never changed.
 *
 * For:    whoever must show years later that a device was emptied, by whom, how, and how that is known.
 * Uses:   the journal (what was asked, acknowledged, re-read), the order, the inventory; row MACs.
 * Called: record.c in the transaction that ends or parks the job; stager/ops to export.
 * Thread: the one that has the store.
 * Facts:  the fields of NIST SP 800-88 Rev. 2's documentation of a sanitization (Rev. 1 appendix G had a form; Rev. 2 asks for validation
 *         besides verification): media, method, technique, tool, verification, validation, persons, place, destination. "Purge" is said
 *         only where the maker's statement is on file; a reset by the device's own command is "Clear" without it. Who validates signs
 *         on the paper: the station verifies, it does not validate itself.
 *
 * An erase whose effect was not re-read on a device that came back with another key has no record.
 */
#include <stdlib.h>

#include <stager/facts.h>

#include "db.h"

static bool holds(const json_t *step)
{
	const char *outcome = stg_json_str(step, "outcome");
	return strcmp(outcome, "done") == 0 || strcmp(outcome, "proven") == 0;
}

struct found {
	const json_t *erase, *first, *back;   /* last and first row of the erase, last of wait_back; or of a restore, and who came back */
};

/* A restore beside a blueprint that erases nothing: the first who comes back behind it shows the image's system, and another key. */
static bool find_restore(const json_t *steps, struct found *f)
{
	size_t i;
	json_t *one;
	json_array_foreach((json_t *)steps, i, one)
		if (strcmp(stg_json_str(one, "step"), "restore") == 0 && holds(one) && stg_json_bool(json_object_get(one, "asked"), "erases", false))
			f->first = f->erase = one;
	const json_t *asked = json_object_get(f->erase, "asked");
	json_array_foreach((json_t *)steps, i, one) {
		const json_t *seen = json_object_get(json_object_get(one, "evidence"), "reread");
		if (f->erase && strcmp(stg_json_str(one, "step"), "identify") == 0 && holds(one) &&
		    stg_json_int(one, "ended_ms", 0) > stg_json_int(f->erase, "ended_ms", 0) &&
		    strcmp(stg_json_str(seen, "os_version"), stg_json_str(json_object_get(asked, "image"), "version")) == 0 &&
		    strcmp(stg_json_str(seen, "key_sha256"), stg_json_str(asked, "key_sha256")) != 0)
			f->back = one;
	}
	return f->erase && f->back;
}

/* False: nothing was erased, or it is not proven. */
static bool find(const json_t *steps, struct found *f)
{
	size_t i;
	json_t *one;
	*f = (struct found){ 0 };
	json_array_foreach((json_t *)steps, i, one) {
		if (strcmp(stg_json_str(one, "step"), "erase") == 0 && strcmp(stg_json_str(one, "outcome"), "skipped") != 0) {
			f->first = f->first ? f->first : one;
			f->erase = one;
		} else if (strcmp(stg_json_str(one, "step"), "wait_back") == 0) {
			f->back = one;
		}
	}
	return f->erase ? holds(f->erase) && f->back && holds(f->back) : find_restore(steps, f);
}

static void put_time(json_t *o, const char *key, int64_t at_ms)
{
	char text[STG_TIME_TEXT];
	if (!at_ms)
		return;
	stg_time_text(at_ms, text);
	stg_json_put(o, key, text);
}

static json_t *media_part(const struct stg_identity *who, const json_t *job, const json_t *asked)
{
	const json_t *attributes = json_object_get(job, "attributes");
	bool is_apple = strcmp(who->family, "apple") == 0;
	json_t *m = json_object();
	stg_json_put(m, "manufacturer", is_apple ? "Apple" : "");
	stg_json_put(m, "model", who->model);
	stg_json_put(m, "model_name", who->model_name);
	stg_json_put(m, "serial", who->serial);
	stg_json_put(m, "asset_number", stg_json_str_or(attributes, "asset_tag", stg_json_str(job, "asset_tag")));
	stg_json_put(m, "media_type", "built-in flash storage");
	if (stg_json_int(asked, STG_FACT_CAPACITY_BYTES, 0))
		stg_json_put_int(m, STG_FACT_CAPACITY_BYTES, stg_json_int(asked, STG_FACT_CAPACITY_BYTES, 0));
	/* the person or place it comes from, what was on it, where it goes: only the order knows */
	static const char *const told[] = { "source", "confidentiality_before", "confidentiality_after", "destination" };
	for (size_t i = 0; i < STG_ARRAY_LEN(told); i++)
		stg_json_put(m, told[i], stg_json_str(attributes, told[i]));
	stg_json_put(m, "unit", who->unit);
	stg_json_put(m, "udid", who->udid);
	stg_json_put(m, "imei", who->imei[0]);
	stg_json_put(m, "os_before", stg_json_str(asked, "os_version"));
	stg_json_put(m, "supervised_by_before", stg_json_str(asked, STG_FACT_SUPERVISED_BY));
	return m;
}

static json_t *sanitization_part(const struct found *f, const json_t *asked)
{
	const char *statement = stg_json_str(asked, "purge_statement");
	const json_t *image = json_object_get(asked, "image");
	json_t *s = json_object(), *tool = json_pack("{s:s, s:s}", "name", image ? "stager (idevicerestore)" : "stager", "version", STG_VERSION);
	stg_json_put(s, "method", *statement ? "Purge" : "Clear");
	stg_json_put(s, "technique", image ? "full restore of the system with the maker's image; the keys of what was stored are made anew"
					   : "cryptographic erase by the device's own command to erase all content and settings");
	stg_json_put(s, "purge_statement", statement);
	if (image)
		json_object_set(s, "image", (json_t *)(uintptr_t)image);
	else
		stg_json_put(s, "esim_plan", stg_json_bool(asked, "keep_esim", true) ? "kept" : "removed");
	stg_json_put_new(s, "tool", tool);
	put_time(s, "sent", stg_json_int(f->first, "began_ms", 0));
	const json_t *ack = json_object_get(json_object_get(f->erase, "evidence"), "acknowledged");
	stg_json_put(s, "acknowledged", json_is_true(ack) ? "yes" : "no answer; judged by re-reading");
	return s;
}

static json_t *verification_part(const struct found *f, const json_t *asked)
{
	const json_t *seen = json_object_get(json_object_get(f->erase, "evidence"), "reread");
	const json_t *back = json_object_get(json_object_get(f->back, "evidence"), "reread");
	json_t *v = json_object();
	bool by_key = *stg_json_str(asked, "key_sha256");
	stg_json_put(v, "method", by_key ? "re-read after its return: another device key, and nothing that speaks of a user"
					 : "re-read after its return: the system of the image, and nothing that speaks of a user");
	stg_json_put(v, "result", "passed");
	stg_json_put(v, "key_before_sha256", stg_json_str(asked, "key_sha256"));
	stg_json_put(v, "key_after_sha256", stg_json_str_or(seen, "key_sha256", stg_json_str(back, "key_sha256")));
	stg_json_put_int(v, "attach_before", stg_json_int(asked, "attach", 0));
	stg_json_put_int(v, "attach_after", stg_json_int(seen, "attach", 0));
	stg_json_put(v, "os_after", stg_json_str(back, "os_version"));
	stg_json_put(v, "activation_after", stg_json_str(back, STG_FACT_ACTIVATION_STATE));
	put_time(v, "at", stg_json_int(f->back, "ended_ms", stg_json_int(f->back, "began_ms", 0)));
	return v;
}

/* Who ordered it, who agreed; a title is the role under which a person is registered here. */
static json_t *persons_part(struct stg_store *s, int64_t job, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(
		s, "SELECT o.by AS by, o.second AS second, o.at_ms AS at_ms, (SELECT role FROM person WHERE name = o.by) AS title,"
		   " (SELECT role FROM person WHERE name = o.second) AS second_title, e.by AS signed_by, e.id AS exception"
		   " FROM erase_order AS o LEFT JOIN erase_exception_use AS u ON u.erase_order = o.id LEFT JOIN erase_exception AS e ON e.id = u.exception"
		   " WHERE o.spent_job = :job ORDER BY o.id DESC LIMIT 1");
	stmt_int(&q, ":job", job);
	int got = stmt_step(&q, err);
	if (got < 0)
		return NULL;
	STG_AUTO(stg_json_free_at) json_t *o = got ? stmt_object(&q, err) : json_object();
	if (!o)
		return NULL;
	json_t *p = json_object();
	stg_json_put(p, "ordered_by", stg_json_str(o, "by"));
	stg_json_put(p, "title", stg_json_str(o, "title"));
	put_time(p, "ordered", stg_json_int(o, "at_ms", 0));
	stg_json_put(p, "agreed_by", stg_json_str_or(o, "second", stg_json_str(o, "signed_by")));
	stg_json_put(p, "agreed_title", stg_json_str_or(o, "second_title", ""));
	if (stg_json_int(o, "exception", 0))
		stg_json_put_int(p, "exception", stg_json_int(o, "exception", 0));
	return p;
}

static json_t *place_part(struct stg_store *s, const json_t *job, struct stg_error *err)
{
	STG_AUTO(stg_free_at) char *name = stg_store_get(s, "station_name", err);
	STG_AUTO(stg_free_at) char *id = name ? stg_store_get(s, "station_id", err) : NULL;
	if (!id)
		return NULL;
	json_t *p = json_object();
	stg_json_put(p, "station", *name ? name : id);
	stg_json_put(p, "station_id", id);
	stg_json_put(p, "port", stg_json_str_or(job, "label", stg_json_str(job, "port")));
	stg_json_put(p, "time_quality", stg_time_quality_name(stg_time_quality()));
	return p;
}

static json_t *body_of(struct stg_store *s, const json_t *job, const struct stg_identity *who, const struct found *f, const char *id, struct stg_error *err)
{
	const json_t *asked = json_object_get(json_object_get(f->erase, "evidence"), "asked");
	char head[65];
	int64_t rows = 0, number = stg_json_int(job, "id", 0);
	if (!json_is_object(asked))
		asked = json_object_get(f->first, "asked");
	STG_AUTO(stg_json_free_at) json_t *b = json_pack("{s:s, s:s, s:s}", "schema", "stager.erasure/1", "standard", "NIST SP 800-88 Rev. 2", "erasure_id", id);
	if (s->kind == STG_STORE_REHEARSAL)
		stg_json_put_bool(b, "rehearsal", true);
	json_t *persons = persons_part(s, number, err), *place = persons ? place_part(s, job, err) : NULL;
	if (persons)
		stg_json_put_new(b, "persons", persons);
	if (place)
		stg_json_put_new(b, "place", place);
	STG_AUTO(stg_json_free_at) json_t *origin = place ? stg_store_origin(s, who, err) : NULL;
	if (!origin || !audit_head(s, &rows, head, err))
		return NULL;
	stg_json_put_new(b, "media", media_part(who, job, asked));
	stg_json_put_new(b, "sanitization", sanitization_part(f, asked));
	stg_json_put_new(b, "verification", verification_part(f, asked));
	/* signed by a person on the paper */
	stg_json_put_new(b, "validation", json_pack("{s:s}", "result", "to be signed"));
	if (json_object_get(origin, "backup"))
		json_object_set(b, "backup", json_object_get(origin, "backup"));
	stg_json_put_int(b, "job", number);
	stg_json_put(b, "batch", stg_json_str(job, "batch"));
	stg_json_put(b, "blueprint", stg_json_str(job, "blueprint_name"));
	stg_json_put(b, "blueprint_sha256", stg_json_str(json_object_get(job, "blueprint"), "sha256"));
	stg_json_put_new(b, "audit", json_pack("{s:I,s:s}", "rows", (json_int_t)rows, "head", head));
	return stg_steal(b);
}

static json_t *sealed_of(int64_t job, int64_t at_ms, const char *body)
{
	return json_pack("{s:I,s:I,s:s}", "job", (json_int_t)job, "at_ms", (json_int_t)at_ms, "body", body);
}

static bool insert(struct stg_store *s, int64_t job, const struct stg_identity *who, const json_t *body, struct stg_error *err)
{
	char mac[65];
	int64_t now = stg_wall_ms(), device = 0;
	STG_AUTO(stg_free_at) char *text = stg_json_text(body);
	STG_AUTO(stg_json_free_at) json_t *sealed = sealed_of(job, now, text);
	if (!device_id(s, who->family, who->unit, &device, err) || !mac_make(s, "erasure", sealed, mac, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO erasure (job, device, at_ms, body, mac) VALUES (:job, :device, :now, :body, :mac)");
	stmt_int(&q, ":job", job);
	stmt_int(&q, ":device", device);
	stmt_int(&q, ":now", now);
	stmt_text(&q, ":body", text);
	stmt_text(&q, ":mac", mac);
	STG_AUTO(stg_json_free_at) json_t *entry = json_pack("{s:s,s:s,s:s,s:s,s:I,s:s}", "actor", "station", "verb", "erase.proven", "object",
							     stg_json_str(body, "erasure_id"), "unit", who->unit, "job", (json_int_t)job, "outcome", "done");
	return stmt_done(&q, err) && stg_store_audit(s, entry, err);
}

bool erasure_keep(struct stg_store *s, const json_t *job, const struct stg_identity *who, char ret_id[40], struct stg_error *err)
{
	int64_t number = stg_json_int(job, "id", 0);
	struct found f;
	ret_id[0] = 0;
	/* a job whose blueprint cannot erase, and that was not restored, costs no look at its steps */
	if (!stg_json_bool(json_object_get(job, "blueprint"), "erases", false)) {
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT 1 FROM step WHERE job = :job AND step = 'restore' LIMIT 1");
		stmt_int(&q, ":job", number);
		int got = stmt_step(&q, err);
		if (got <= 0)
			return got == 0;
	}
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT body ->> 'erasure_id' FROM erasure WHERE job = :job");
		stmt_int(&q, ":job", number);
		int got = stmt_step(&q, err);
		if (got != 0) {
			stg_copy(ret_id, 40, got > 0 ? col_text(&q, 0) : "");
			return got > 0;
		}
	}
	STG_AUTO(stg_json_free_at) json_t *steps = stg_store_steps(s, number, err);
	if (!steps)
		return false;
	if (!find(steps, &f))
		return true;
	char id[40];
	stg_uuid7(id);
	STG_AUTO(stg_json_free_at) json_t *body = body_of(s, job, who, &f, id, err);
	if (!body || !insert(s, number, who, body, err) ||
	    !certificates_of_wiped(s, who, stg_json_int(f.first, "began_ms", stg_wall_ms()), id, err))
		return false;
	stg_copy(ret_id, 40, id);
	return true;
}

json_t *stg_store_erasures(struct stg_store *s, const char *serial, const char *batch, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "SELECT e.id, e.job, e.at_ms, e.body, e.mac FROM erasure AS e JOIN device AS d ON d.id = e.device JOIN job AS j ON j.id = e.job"
			     " LEFT JOIN batch AS b ON b.id = j.batch WHERE (:serial = '' OR d.serial = :serial COLLATE NOCASE OR d.unit = :serial"
			     " OR d.asset_tag = :serial) AND (:batch = '' OR b.name = :batch) ORDER BY e.id");
	stmt_text(&q, ":serial", serial);
	stmt_text(&q, ":batch", batch);
	int got;
	while ((got = stmt_step(&q, err)) == 1) {
		STG_AUTO(stg_json_free_at) json_t *sealed = sealed_of(col_int(&q, 1), col_int(&q, 2), col_text(&q, 3));
		if (!sealed || !mac_check(s, "erasure", col_int(&q, 0), sealed, col_text(&q, 4), err))
			return NULL;
		json_t *body = col_json(&q, 3, err);
		if (!body)
			return NULL;
		json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:o}", "id", (json_int_t)col_int(&q, 0), "job", (json_int_t)col_int(&q, 1), "at_ms",
						      (json_int_t)col_int(&q, 2), "body", body));
	}
	return got == 0 ? stg_steal(list) : NULL;
}
