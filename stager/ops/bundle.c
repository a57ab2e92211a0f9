/*
 * bundle.c - results leave by stick, receipts and blueprints come in by it.
 *
 * For:    cmd/bundle.c.
 * Uses:   <stager/bundle.h> for the archive, <stager/keys.h> for signature and encryption, the store.
 * Called: as operations.
 * Thread: the recorder's; a bundle is signed, encrypted and written outside it.
 *
 *   bundle.card     {} -> {"card" (PEM),"sha256","name"}: this machine's, made at the first call
 *   bundle.trust    {"name","role":"office|station"} + card -> {"name","role","sha256","says"}
 *   bundle.distrust {"name"}
 *   bundle.peers    -> [{"name","role","mark","written","read","read_ms","added_ms","by"}]
 *   bundle.export   {"to","target","evidence","blueprint":[],"profile":[],"app":[],"connector":[],"rules":[]} + file, to be written
 *                   -> {"name" (of the file),"to","chain","seq","records","deliveries","again","receipts","files","more"}
 *   bundle.undo     {"chain","seq"}: it never reached the stick
 *   bundle.restart  {"to"}: the next one begins a new row of numbers
 *   bundle.inspect  + file -> who, which, what is in it; nothing is changed
 *   bundle.import   {"target"} + file -> the same with what was done, "missing":[numbers],"twice":[serials]
 *
 * Deliveries are "carried" from the commit of bundle.export on, before a byte is written: whatever happens to the stick
 * they are neither sent from here meanwhile nor forgotten, for each export takes along all that has no receipt.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <stager/bundle.h>
#include <stager/clock.h>
#include <stager/file.h>
#include <stager/ids.h>
#include <stager/op.h>

#include "_bundle.h"

#define FILE_MAX (STG_BUNDLE_BYTES_MAX + (1u << 20))
#define MOST 10000               /* deliveries, and results, of one bundle */

struct own {
	struct stg_buf card, sealed;
	char sha256[65];
};

static void own_clear(struct own *o)
{
	stg_buf_clear(&o->card);
	stg_buf_clear(&o->sealed);
}

#define OWN { .card = STG_BUF(64u << 10), .sealed = STG_BUF(64u << 10) }

/* This machine's card with its sealed keys, made when there is none. */
static bool own_card(struct stg_op_ctx *c, struct own *o, struct stg_error *err)
{
	char name[KEYS_CARD_NAME];
	STG_AUTO(stg_buf_clear) struct stg_buf again = STG_BUF(64u << 10);
	STG_AUTO(stg_free_at) char *card = stg_store_get(c->store, "bundle_card", err);
	STG_AUTO(stg_free_at) char *key = card ? stg_store_get(c->store, "bundle_key", err) : NULL;
	if (!key)
		return false;
	if (*card) {
		if (!stg_buf_add_str(&o->card, card, err) || !stg_unbase64(key, &o->sealed, err))
			return false;
	} else {
		STG_AUTO(stg_free_at) char *station = stg_store_get(c->store, "station_name", err);
		STG_AUTO(stg_free_at) char *id = station ? stg_store_get(c->store, "station_id", err) : NULL;
		STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(128u << 10);
		if (!id || !stg_card_make(c->keys, *station ? station : id, id, &o->card, &o->sealed, err) ||
		    !stg_base64(stg_buf_view(&o->sealed), &text, err) || !stg_store_set(c->store, "bundle_card", stg_buf_str(&o->card), err) ||
		    !stg_store_set(c->store, "bundle_key", stg_buf_str(&text), err) || !stg_op_audit(c, "bundle.card", "", NULL, NULL, err))
			return false;
	}
	return stg_card_read(stg_buf_view(&o->card), &again, o->sha256, name, err);
}

static bool card(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in;
	STG_AUTO(own_clear) struct own o = OWN;
	if (!own_card(c, &o, err))
		return false;
	*ret = json_pack("{s:i,s:s,s:s}", "v", 1, "sha256", o.sha256, "card", stg_buf_str(&o.card));
	return true;
}

/* ---- machines ---- */

static bool name_ok(const char *name)
{
	size_t n = strlen(name);
	return n >= 1 && n <= 48 && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n && name[0] != '.' && name[0] != '-';
}

static bool trust(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name"), *role = stg_json_str(in, "role");
	char sha256[65], says[KEYS_CARD_NAME];
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(64u << 10), kept = STG_BUF(64u << 10);
	STG_AUTO(own_clear) struct own o = OWN;
	struct stg_error why = { 0 };
	if (!name_ok(name))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "NAME: 1-48 of A-Z a-z 0-9 - _ .");
	if (strcmp(role, "office") != 0 && strcmp(role, "station") != 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "--role office|station");
	if (!stg_op_may(c, "admin", err) || !own_card(c, &o, err))
		return false;
	if (!stg_file_read_fd(stg_op_fd(c, in, "card", 0), &file, &why))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_BUNDLE_CARD, why.origin, "%.100s", why.msg);
	if (!stg_card_read(stg_buf_view(&file), &kept, sha256, says, err))
		return false;
	if (strcmp(sha256, o.sha256) == 0)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_BUNDLE_PEER_EXISTS, 0, "%s", "it is this machine's own");
	STG_AUTO(stg_json_free_at) json_t *peer = json_pack("{s:s,s:s,s:s,s:s,s:s}", "name", name, "role", role, "card", stg_buf_str(&kept), "sha256", sha256, "by", c->actor);
	if (!stg_store_bundle_peer_add(c->store, peer, err) ||
	    !stg_op_audit(c, "bundle.trust", name, NULL, json_pack("{s:s,s:s}", "role", role, "sha256", sha256), err))
		return false;
	*ret = json_pack("{s:i,s:s,s:s,s:s,s:s}", "v", 1, "name", name, "role", role, "sha256", sha256, "says", says);
	return true;
}

static bool distrust(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name");
	if (!stg_op_may(c, "admin", err) || !stg_store_bundle_peer_remove(c->store, name, err) || !stg_op_audit(c, "bundle.distrust", name, NULL, NULL, err))
		return false;
	*ret = json_pack("{s:i,s:s}", "v", 1, "name", name);
	return true;
}

static bool peers(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	size_t i;
	json_t *one;
	(void)in;
	*ret = stg_store_bundle_peers(c->store, err);
	json_array_foreach(*ret, i, one) {
		char mark[9];
		snprintf(mark, sizeof(mark), "%.8s", stg_json_str(one, "sha256"));
		stg_json_put(one, "mark", mark);
		json_object_del(one, "card");
	}
	return *ret != NULL;
}

/* The one that is named; else the only office there is. */
static json_t *peer_to(struct stg_op_ctx *c, const char *name, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *all = stg_store_bundle_peers(c->store, err);
	json_t *one, *found = NULL;
	size_t i, n = 0;
	if (!all)
		return NULL;
	json_array_foreach(all, i, one)
		if (*name ? strcasecmp(name, stg_json_str(one, "name")) == 0 : strcmp(stg_json_str(one, "role"), "office") == 0) {
			found = one;
			n++;
		}
	if (n == 1)
		return json_incref(found);
	if (*name)
		stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_BUNDLE_PEER_UNKNOWN, 0, "%.48s", name);
	else
		stg_fail_id(err, STG_E_USAGE, STG_ID_BUNDLE_WHERE_TO, 0, "%zu", n);
	return NULL;
}

/* ---- export ---- */

struct writing {
	struct own own;
	json_t *peer, *said;
	struct stg_buf archive;
};

static void writing_free(void *carry)
{
	struct writing *w = carry;
	own_clear(&w->own);
	json_decref(w->peer);
	json_decref(w->said);
	stg_buf_clear(&w->archive);
	free(w);
}

bool bundle_stick_failed(struct stg_error *err, int why)
{
	enum stg_id id = why == ENOSPC || why == EDQUOT || why == EFBIG ? STG_ID_STICK_FULL : STG_ID_STICK_UNWRITABLE;
	return stg_fail_id(err, STG_E_INPUT, id, why, "%s", strerror(why));
}

static bool write_outside(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	struct writing *w = c->carry;
	struct stg_error why = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(FILE_MAX);
	int fd = stg_op_fd(c, in, "file", 0);
	if (!stg_bundle_seal(c->keys, stg_buf_view(&w->own.card), stg_buf_view(&w->own.sealed), stg_bytes_str(stg_json_str(w->peer, "card")),
			     stg_buf_view(&w->archive), &file, err))
		return false;
	if (!stg_file_write_fd(fd, stg_buf_view(&file), -1, &why) || fsync(fd) != 0)
		return bundle_stick_failed(err, why.origin ? why.origin : errno);
	stg_json_put_int(w->said, "bytes", (int64_t)file.len);
	*ret = stg_steal(w->said);
	return true;
}

static void add_member(struct stg_bundle_member *all, size_t *n, const char *name, const struct stg_buf *bytes)
{
	if (!bytes->len)
		return;
	stg_copy(all[*n].name, sizeof(all[*n].name), name);
	all[(*n)++].bytes = stg_buf_view(bytes);
}

static bool lines_of(const json_t *list, struct stg_buf *ret, struct stg_error *err)
{
	size_t i;
	json_t *one;
	json_array_foreach((json_t *)(uintptr_t)list, i, one) {
		STG_AUTO(stg_free_at) char *text = stg_json_text(one);
		if (!stg_buf_add_str(ret, text, err) || !stg_buf_add(ret, "\n", 1, err))
			return false;
	}
	return true;
}

/* What each step asked, was acknowledged and found, as the inventory keeps it. */
static bool evidence_of(struct stg_op_ctx *c, const json_t *record, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *steps = stg_store_steps(c->store, stg_json_int(record, "job", 0), err);
	if (!steps)
		return false;
	STG_AUTO(stg_json_free_at) json_t *line = json_array();
	json_array_append_new(line, json_pack("{s:s,s:O}", "record_id", stg_json_str(record, "record_id"), "steps", steps));
	return lines_of(line, ret, err);
}

struct parts {
	struct stg_buf records, deliveries, receipts, evidence;
	json_t *delivered;
	int64_t n_records, first, last, n_receipts, again;
};

static void parts_clear(struct parts *p)
{
	stg_buf_clear(&p->records);
	stg_buf_clear(&p->deliveries);
	stg_buf_clear(&p->receipts);
	stg_buf_clear(&p->evidence);
	json_decref(p->delivered);
}

static bool results_into(struct stg_op_ctx *c, const json_t *in, const json_t *last, const json_t *answer, struct parts *p, struct stg_error *err)
{
	size_t i;
	json_t *one;
	p->delivered = stg_store_outbox_carry(c->store, stg_json_str(in, "target"), MOST, answer, err);
	STG_AUTO(stg_json_free_at) json_t *records = p->delivered ? stg_store_bundle_records(c->store, last, p->delivered, MOST, err) : NULL;
	if (!records)
		return false;
	json_array_foreach(p->delivered, i, one) {
		p->again += stg_json_bool(one, "again", false);
		json_object_del(one, "again");
	}
	json_array_foreach(records, i, one) {
		int64_t seq = stg_json_int(one, "seq", 0);
		if (!stg_buf_add_str(&p->records, stg_json_str(one, "payload"), err) || !stg_buf_add(&p->records, "\n", 1, err) ||
		    (stg_json_bool(in, "evidence", false) && !evidence_of(c, one, &p->evidence, err)))
			return false;
		p->first = p->first && p->first < seq ? p->first : seq;
		p->last = seq > p->last ? seq : p->last;
	}
	p->n_records = (int64_t)json_array_size(records);
	return lines_of(p->delivered, &p->deliveries, err);
}

static bool receipts_into(struct stg_op_ctx *c, const char *peer, struct parts *p, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = stg_store_carried_receipts(c->store, peer, MOST, true, err);
	p->n_receipts = (int64_t)json_array_size(list);
	return list && lines_of(list, &p->receipts, err);
}

/* Which number it has, and what it follows. */
static bool place(struct stg_op_ctx *c, const char *peer, json_t *last, json_t *manifest, struct stg_error *err)
{
	char key[80], chain[STG_UUID_TEXT];
	snprintf(key, sizeof(key), "bundle_restart_%.48s", peer);
	STG_AUTO(stg_free_at) char *restart = stg_store_get(c->store, key, err);
	if (!restart)
		return false;
	if (*restart && !stg_store_set(c->store, key, NULL, err))
		return false;
	bool is_first = *restart || !*stg_json_str(last, "chain");
	stg_uuid4(chain);
	stg_json_put(manifest, "chain", is_first ? chain : stg_json_str(last, "chain"));
	stg_json_put_int(manifest, "seq", is_first ? 1 : stg_json_int(last, "seq", 0) + 1);
	stg_json_put(manifest, "prev", is_first ? STG_BUNDLE_FIRST : stg_json_str(last, "sha256"));
	return true;
}

static bool manifest_of(struct stg_op_ctx *c, const json_t *peer, json_t *m, struct stg_error *err)
{
	char now[STG_TIME_TEXT], chain[40];
	int64_t whole = 0;
	STG_AUTO(stg_free_at) char *station = stg_store_get(c->store, "station_name", err);
	STG_AUTO(stg_free_at) char *id = station ? stg_store_get(c->store, "station_id", err) : NULL;
	if (!id || !stg_store_bundle_in_whole(c->store, stg_json_str(peer, "name"), chain, &whole, err))
		return false;
	stg_time_text(stg_wall_ms(), now);
	stg_json_put(m, "station", *station ? station : id);
	stg_json_put(m, "station_id", id);
	stg_json_put(m, "to", stg_json_str(peer, "sha256"));
	stg_json_put(m, "created", now);
	stg_json_put_int(m, "created_ms", stg_wall_ms());
	stg_json_put(m, "time_trust", stg_time_quality_name(stg_time_quality()));
	stg_json_put_bool(m, "rehearsal", c->rehearsal);
	if (whole)
		stg_json_put_new(m, "acknowledges", json_pack("{s:s,s:I}", "chain", chain, "seq", (json_int_t)whole));
	return true;
}

static bool export(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)ret;
	struct writing *w = stg_calloc(1, sizeof(*w));
	w->own = (struct own)OWN;
	w->archive = STG_BUF(STG_BUNDLE_BYTES_MAX);
	c->carry = w;
	c->carry_free = writing_free;
	c->outside = write_outside;
	if (stg_op_fd(c, in, "file", 0) < 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "FOLDER");
	if (!(w->peer = peer_to(c, stg_json_str(in, "to"), err)) || !own_card(c, &w->own, err))
		return false;
	const char *peer = stg_json_str(w->peer, "name");
	bool to_office = strcmp(stg_json_str(w->peer, "role"), "office") == 0;
	STG_AUTO(stg_json_free_at) json_t *m = json_object();
	STG_AUTO(stg_json_free_at) json_t *last = stg_store_bundle_out_last(c->store, peer, err);
	STG_AUTO(parts_clear) struct parts p = { .records = STG_BUF(STG_BUNDLE_BYTES_MAX), .deliveries = STG_BUF(STG_BUNDLE_BYTES_MAX),
						.receipts = STG_BUF(STG_BUNDLE_BYTES_MAX), .evidence = STG_BUF(STG_BUNDLE_BYTES_MAX) };
	STG_AUTO(bundle_files_free) struct bundle_files files = { 0 };
	if (!last || !manifest_of(c, w->peer, m, err) || !place(c, peer, last, m, err))
		return false;
	char name[48], text[100];
	stg_bundle_name(stg_json_str(m, "station"), stg_json_int(m, "seq", 0), name);
	snprintf(text, sizeof(text), "%s, %.48s", name, peer);
	STG_AUTO(stg_json_free_at) json_t *answer = json_pack("{s:s,s:s,s:s,s:s,s:I,s:I}", "class", "carried", "text", text, "peer", peer, "chain", stg_json_str(m, "chain"), "seq",
							     (json_int_t)stg_json_int(m, "seq", 0), "at_ms", (json_int_t)stg_wall_ms());
	if (to_office && bundle_files_wanted(in))
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_BUNDLE_ROLE, 0, "%.48s takes results, stations take files", peer);
	if (!(to_office ? results_into(c, in, last, answer, &p, err) : receipts_into(c, peer, &p, err) && bundle_files_gather(c, in, &files, err)))
		return err && err->code == STG_E_PROTOCOL && !err->id ? stg_say(err, STG_ID_BUNDLE_TOO_LARGE) : false;
	int64_t n_deliveries = (int64_t)json_array_size(p.delivered);
	bool acknowledges = !to_office && json_object_get(m, "acknowledges");
	if (!p.n_records && !n_deliveries && !p.n_receipts && !files.n && !acknowledges)
		return stg_fail_id(err, STG_E_WAITING, STG_ID_BUNDLE_NOTHING, 0, "%.48s", peer);
	stg_json_put_int(m, "records", p.n_records);
	stg_json_put_int(m, "deliveries", n_deliveries);
	stg_json_put_int(m, "receipts", p.n_receipts);
	stg_json_put_int(m, "files", (int64_t)files.n);
	if (p.n_records) {
		stg_json_put_int(m, "first_seq", p.first);
		stg_json_put_int(m, "last_seq", p.last);
	}
	struct stg_bundle_member members[4 + BUNDLE_FILES_MAX];
	size_t n = 0;
	char sha256[65];
	add_member(members, &n, "records.ndjson", &p.records);
	add_member(members, &n, "deliveries.ndjson", &p.deliveries);
	add_member(members, &n, "receipts.ndjson", &p.receipts);
	add_member(members, &n, "evidence.ndjson", &p.evidence);
	for (size_t i = 0; i < files.n; i++)
		add_member(members, &n, files.name[i], &files.bytes[i]);
	if (!stg_bundle_pack(m, members, n, stg_wall_ms(), &w->archive, sha256, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *row = json_deep_copy(m);
	stg_json_put(row, "peer", peer);
	stg_json_put(row, "sha256", sha256);
	stg_json_put_int(row, "at_ms", stg_wall_ms());
	stg_json_put_int(row, "first_record", p.first);
	stg_json_put_int(row, "last_record", p.last);
	if (!stg_store_bundle_out_add(c->store, row, err) ||
	    !stg_op_audit(c, "bundle.export", name, NULL, json_pack("{s:s,s:s,s:I,s:I,s:I,s:I}", "to", peer, "sha256", sha256, "records", (json_int_t)p.n_records, "deliveries",
								    (json_int_t)n_deliveries, "receipts", (json_int_t)p.n_receipts, "files", (json_int_t)files.n), err))
		return false;
	w->said = json_pack("{s:i,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:b}", "v", 1, "name", name, "to", peer, "chain", stg_json_str(m, "chain"), "seq",
			    (json_int_t)stg_json_int(m, "seq", 0), "records", (json_int_t)p.n_records, "deliveries", (json_int_t)n_deliveries, "again", (json_int_t)p.again,
			    "receipts", (json_int_t)p.n_receipts, "files", (json_int_t)files.n, "more", n_deliveries == MOST || p.n_records == MOST || p.n_receipts == MOST);
	return true;
}

static bool undo(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *chain = stg_json_str(in, "chain");
	int64_t seq = stg_json_int(in, "seq", 0);
	if (!stg_store_bundle_out_undo(c->store, chain, seq, err) || !stg_op_audit(c, "bundle.undo", chain, NULL, json_pack("{s:I}", "seq", (json_int_t)seq), err))
		return false;
	*ret = json_pack("{s:i}", "v", 1);
	return true;
}

static bool restart(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	char key[80];
	STG_AUTO(stg_json_free_at) json_t *peer = stg_op_may(c, "admin", err) ? peer_to(c, stg_json_str(in, "to"), err) : NULL;
	if (!peer)
		return false;
	snprintf(key, sizeof(key), "bundle_restart_%.48s", stg_json_str(peer, "name"));
	if (!stg_store_set(c->store, key, "1", err) || !stg_op_audit(c, "bundle.restart", stg_json_str(peer, "name"), NULL, NULL, err))
		return false;
	*ret = json_pack("{s:i,s:s}", "v", 1, "to", stg_json_str(peer, "name"));
	return true;
}

/* ---- inspect, import ---- */

struct reading {
	struct stg_buf archive;
	struct stg_bundle bundle;
	json_t *peer;
};

static void reading_clear(struct reading *r)
{
	stg_bundle_clear(&r->bundle);
	stg_buf_clear(&r->archive);
	json_decref(r->peer);
}

/* Opened, its sender known, for us, of our kind; what is in it was not looked at. */
static bool read_bundle(struct stg_op_ctx *c, const json_t *in, struct reading *r, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(FILE_MAX), inside = STG_BUF(FILE_MAX);
	STG_AUTO(own_clear) struct own o = OWN;
	struct stg_error why = { 0 };
	size_t at = 0, i;
	json_t *one;
	if (!own_card(c, &o, err))
		return false;
	if (!stg_file_read_fd(stg_op_fd(c, in, "file", 0), &file, &why))
		return why.code == STG_E_PROTOCOL ? stg_fail_id(err, STG_E_INPUT, STG_ID_BUNDLE_TOO_LARGE, 0, "more than %u bytes", FILE_MAX) :
						    stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, why.origin, "%.100s", why.msg);
	STG_AUTO(stg_json_free_at) json_t *all = stg_store_bundle_peers(c->store, err);
	STG_AUTO(stg_json_free_at) json_t *cards = json_array();
	if (!all)
		return false;
	json_array_foreach(all, i, one)
		json_array_append(cards, json_object_get(one, "card"));
	if (!stg_bundle_open(c->keys, stg_buf_view(&o.card), stg_buf_view(&o.sealed), stg_buf_view(&file), &inside, err) ||
	    !stg_bundle_verify(stg_buf_view(&inside), cards, &at, &r->archive, err) || !stg_bundle_unpack(stg_buf_view(&r->archive), &r->bundle, err))
		return false;
	r->peer = json_incref(json_array_get(all, at));
	const json_t *m = r->bundle.manifest;
	/* signed for somebody else and encrypted anew to us: its sender did not mean us */
	if (strcmp(stg_json_str(m, "to"), o.sha256) != 0)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_BUNDLE_NOT_FOR_US, 0, "it was signed for another card");
	return stg_json_bool(m, "rehearsal", false) == c->rehearsal || stg_fail_id(err, STG_E_SAFETY, STG_ID_BUNDLE_REHEARSAL, 0, "%s", stg_json_str(m, "station"));
}

static json_t *about(const struct reading *r)
{
	static const char *const numbers[] = { "seq", "created_ms", "records", "deliveries", "receipts", "files", "first_seq", "last_seq" };
	const json_t *m = r->bundle.manifest;
	char station[64];
	json_t *a = json_pack("{s:i,s:s,s:s}", "v", 1, "from", stg_json_str(r->peer, "name"), "role", stg_json_str(r->peer, "role"));
	stg_printable(stg_json_str(m, "station"), true, station, sizeof(station));
	stg_json_put(a, "station", station);
	stg_json_put(a, "chain", stg_json_str(m, "chain"));
	for (size_t i = 0; i < STG_ARRAY_LEN(numbers); i++)
		stg_json_put_int(a, numbers[i], stg_json_int(m, numbers[i], 0));
	return a;
}

/* A stolen station must not hand out blueprints, nor a head office make results up. */
static bool may_send(const struct reading *r, struct stg_error *err)
{
	bool office = strcmp(stg_json_str(r->peer, "role"), "office") == 0;
	for (size_t i = 0; i < r->bundle.n_members; i++) {
		const char *name = r->bundle.members[i].name;
		bool downward = strncmp(name, "files/", 6) == 0 || strcmp(name, "receipts.ndjson") == 0;
		if (downward != office)
			return stg_fail_id(err, STG_E_SAFETY, STG_ID_BUNDLE_ROLE, 0, "%.48s is a known %s, and sends %.60s", stg_json_str(r->peer, "name"),
					   stg_json_str(r->peer, "role"), name);
	}
	return true;
}

static bool placed(struct stg_op_ctx *c, const struct reading *r, json_t *said, json_t **ret_row, struct stg_error *err)
{
	bool again;
	json_t *missing = json_array(), *row = json_deep_copy(r->bundle.manifest);
	stg_json_put_new(said, "missing", missing);
	stg_json_put(row, "sha256", r->bundle.sha256);
	*ret_row = row;
	if (!stg_store_bundle_in_check(c->store, stg_json_str(r->peer, "name"), row, &again, missing, err))
		return false;
	stg_json_put_bool(said, "again", again);
	if (json_array_size(missing))
		stg_json_put_int(said, "code", STG_ID_BUNDLE_MISSING);
	return true;
}

static bool inspect(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(reading_clear) struct reading r = { .archive = STG_BUF(FILE_MAX) };
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	if (!read_bundle(c, in, &r, err) || !may_send(&r, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *said = about(&r);
	if (!placed(c, &r, said, &row, err))
		return false;
	stg_json_put_new(said, "members", json_deep_copy(json_object_get(r.bundle.manifest, "members")));
	*ret = stg_steal(said);
	return true;
}

static bool import_records(struct stg_op_ctx *c, const struct reading *r, json_t *said, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *lines = stg_bundle_lines(&r->bundle, "records.ndjson", err);
	json_t *twice = json_array(), *one;
	int64_t n_new = 0;
	size_t i;
	stg_json_put_new(said, "twice", twice);
	json_array_foreach(lines, i, one) {
		const json_t *record = json_object_get(one, "json");
		bool is_new, is_twice;
		/* whose results they are says the signature; a station tells its own */
		if (strcmp(stg_json_str(record, "station_id"), stg_json_str(r->bundle.manifest, "station_id")) != 0)
			return stg_fail_id(err, STG_E_SAFETY, STG_ID_BUNDLE_CONTENT, 0, "a result of another station");
		if (stg_json_bool(record, "rehearsal", false) != c->rehearsal)
			return stg_fail_id(err, STG_E_SAFETY, STG_ID_BUNDLE_REHEARSAL, 0, "%.40s", stg_json_str(record, "record_id"));
		if (!stg_store_carried_put(c->store, stg_json_str(one, "text"), record, &is_new, &is_twice, err))
			return false;
		n_new += is_new;
		if (is_twice)
			json_array_append_new(twice, json_string(stg_json_str(json_object_get(record, "device"), "serial")));
	}
	stg_json_put_int(said, "new", n_new);
	return lines != NULL;
}

static bool import_deliveries(struct stg_op_ctx *c, const json_t *in, const struct reading *r, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *lines = stg_bundle_lines(&r->bundle, "deliveries.ndjson", err);
	STG_AUTO(stg_json_free_at) json_t *targets = lines ? stg_store_targets(c->store, err) : NULL;
	size_t i, k;
	json_t *one, *t;
	if (!targets)
		return false;
	json_array_foreach(lines, i, one) {
		const json_t *d = json_object_get(one, "json");
		const char *target = *stg_json_str(in, "target") ? stg_json_str(in, "target") : stg_json_str(d, "target");
		bool there = false;
		json_array_foreach(targets, k, t)
			there = there || (strcmp(stg_json_str(t, "name"), target) == 0 && stg_json_bool(t, "enabled", false));
		if (!there)
			return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_BUNDLE_TARGET, 0, "%.48s", target);
		if (!stg_store_carried_delivery(c->store, stg_json_str(r->peer, "name"), d, target, err))
			return false;
	}
	return true;
}

static bool import_receipts(struct stg_op_ctx *c, const struct reading *r, json_t *said, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *lines = stg_bundle_lines(&r->bundle, "receipts.ndjson", err);
	const json_t *has = json_object_get(r->bundle.manifest, "acknowledges");
	int64_t n_closed = 0;
	size_t i;
	json_t *one;
	if (!lines)
		return false;
	json_array_foreach(lines, i, one) {
		const json_t *receipt = json_object_get(one, "json");
		char text[200];
		bool closed;
		stg_printable(stg_json_str(receipt, "text"), true, text, sizeof(text));
		STG_AUTO(stg_json_free_at) json_t *answer = json_pack("{s:s,s:s,s:s,s:I}", "class", "receipt", "text", text, "peer", stg_json_str(r->peer, "name"), "at_ms",
								     (json_int_t)stg_json_int(receipt, "at_ms", 0));
		if (!stg_store_outbox_receipt(c->store, receipt, answer, &closed, err))
			return false;
		n_closed += closed;
	}
	stg_json_put_int(said, "closed", n_closed);
	return !has || stg_store_bundle_acknowledged(c->store, stg_json_str(r->peer, "name"), stg_json_str(has, "chain"), stg_json_int(has, "seq", 0), err);
}

/* What the steps asked and found is for an auditor with the record in hand: a file of its own, as it came. */
static bool import_evidence(struct stg_op_ctx *c, const struct reading *r, json_t *said, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *lines = stg_bundle_lines(&r->bundle, "evidence.ndjson", err);
	char dir[4096], path[4096], name[48], file[80];
	if (!json_array_size(lines))
		return lines != NULL;
	stg_bundle_name(stg_json_str(r->peer, "name"), stg_json_int(r->bundle.manifest, "seq", 0), name);
	/* a station that began a new row of numbers overwrites nothing */
	snprintf(file, sizeof(file), "%s-%.8s.ndjson", name, r->bundle.sha256);
	if (!stg_path_join(dir, sizeof(dir), c->state_dir, "evidence", err) || !stg_path_join(path, sizeof(path), dir, file, err))
		return false;
	for (size_t i = 0; i < r->bundle.n_members; i++)
		if (strcmp(r->bundle.members[i].name, "evidence.ndjson") == 0 &&
		    (!stg_folder_make(dir, 0700, err) || !stg_file_write(path, r->bundle.members[i].bytes, 0600, err)))
			return stg_say(err, STG_ID_DISK_REFUSES);
	snprintf(path, sizeof(path), "evidence/%s", file);
	stg_json_put(said, "evidence", path);
	return true;
}

static bool import(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(reading_clear) struct reading r = { .archive = STG_BUF(FILE_MAX) };
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	if (!read_bundle(c, in, &r, err) || !may_send(&r, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *said = about(&r);
	if (!placed(c, &r, said, &row, err) || !stg_op_may(c, "lead", err))
		return false;
	bool again = stg_json_bool(said, "again", false);
	if (!import_records(c, &r, said, err) || !import_deliveries(c, in, &r, err) || !import_receipts(c, &r, said, err) ||
	    /* files once only: a replay must not bring back what was replaced since */
	    (!again && !bundle_files_take(c, &r.bundle, said, err)) || !import_evidence(c, &r, said, err) || !stg_store_bundle_in_add(c->store, stg_json_str(r.peer, "name"), row, c->actor, err) ||
	    !stg_op_audit(c, "bundle.import", stg_json_str(r.peer, "name"), NULL, json_pack("{s:s,s:I,s:s,s:b}", "chain", stg_json_str(row, "chain"), "seq",
			(json_int_t)stg_json_int(row, "seq", 0), "sha256", r.bundle.sha256, "again", again), err))
		return false;
	*ret = stg_steal(said);
	return true;
}

const struct stg_op stg_ops_bundle[] = {
	{ "bundle.card", STG_OP_STORE, card },
	{ "bundle.trust", STG_OP_STORE, trust },
	{ "bundle.distrust", STG_OP_STORE, distrust },
	{ "bundle.peers", STG_OP_STORE, peers },
	{ "bundle.export", STG_OP_STORE, export },
	{ "bundle.undo", STG_OP_STORE, undo },
	{ "bundle.restart", STG_OP_STORE, restart },
	{ "bundle.inspect", STG_OP_STORE, inspect },
	{ "bundle.import", STG_OP_STORE, import },
	{ 0 },
};
