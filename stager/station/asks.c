/*
 * asks.c - what a worker may ask the station for, and what it is told.
 *
 * For:    workers.c.
 * Uses:   keys (through tasks on the maker's thread), the recorder, net (through tasks on the relay's threads), gate.c.
 * Called: workers.c on an "ask".
 * Thread: the main loop's; nothing here blocks.
 *
 * Each request is checked against the job: a challenge is signed once per step, an erase token given once per attach, a
 * payload made for the running step only. An unknown request is a no.
 */
#include <stdlib.h>
#include <string.h>

#include <stager/net.h>

#include "gate.h"
#include <stager/clock.h>

#include "station_i.h"

#define CHALLENGE_MAX 64
#define RECORD_MAX (64u << 10)
#define RELAY_MAX (4u << 20)

/* One question on its way through other threads. */
struct question {
	struct stg_station *station;
	uint64_t attach;
	unsigned int ref;
	int64_t q;
	char udid[STG_UDID_MAX], family[16], unit[32];
	int64_t job;
	struct stg_buf in, out;
	struct stg_secret secret;
	struct stg_host_identity host;
	json_t *http, *org, *answer;
	struct stg_buf org_sealed;
	struct stg_identity read_now;
	bool allow_loopback, pool_was_empty;
	bool is_foreign, second_needed;  /* erase_token: another organisation supervises it; two persons must agree */
	char base_url[256];
	char buid[BUID_SIZE];   /* a copy: the cache is the main loop's */
	void (*reply)(struct stg_station *s, struct slot *slot, struct question *q);
};

static struct question *question_new(struct stg_station *s, const struct slot *slot, const json_t *m)
{
	struct question *q = stg_calloc(1, sizeof(*q));
	q->station = s;
	q->attach = slot->arrival.attach;
	q->ref = slot->worker->ref;
	q->q = stg_json_int(m, "q", 0);
	q->job = slot->job;
	stg_copy(q->udid, sizeof(q->udid), slot->arrival.udid);
	stg_copy(q->family, sizeof(q->family), "apple");
	stg_copy(q->unit, sizeof(q->unit), slot->identity.unit);
	stg_copy(q->buid, sizeof(q->buid), s->cache.buid);
	q->in = STG_BUF(RELAY_MAX);
	q->out = STG_BUF(RELAY_MAX);
	q->org_sealed = STG_BUF(1 << 20);
	return q;
}

static void question_free(struct question *q)
{
	stg_buf_clear(&q->in);
	stg_buf_clear(&q->out);
	stg_buf_clear(&q->org_sealed);
	stg_secret_clear(&q->secret);
	stg_host_identity_clear(&q->host);
	json_decref(q->http);
	json_decref(q->org);
	json_decref(q->answer);
	free(q);
}

static void say_with(struct slot *slot, int64_t q, json_t *fields, const struct stg_error *err, int fd)
{
	json_t *m = fields ? fields : json_object();
	stg_json_put(m, "t", "answer");
	stg_json_put_int(m, "q", q);
	if (err)
		stg_json_put_new(m, "error", stg_json_from_error(err));
	worker_tell_file(slot, m, fd);
}

static void say(struct slot *slot, int64_t q, json_t *fields, const struct stg_error *err)
{
	say_with(slot, q, fields, err, -1);
}

void ask_answer(struct slot *slot, const json_t *ask, json_t *ok_fields, const struct stg_error *err)
{
	say(slot, stg_json_int(ask, "q", 0), ok_fields, err);
}

void ask_answer_file(struct slot *slot, const json_t *ask, json_t *ok_fields, int fd)
{
	say_with(slot, stg_json_int(ask, "q", 0), ok_fields, NULL, fd);
}

/* Every question ends here: answered if its worker is still the one that asked. */
static void answered(void *arg, bool ok, const struct stg_error *err)
{
	struct question *q = arg;
	struct slot *slot = slot_by_attach(q->station, q->attach);
	if (slot && slot->worker && slot->worker->ref == q->ref) {
		if (ok && q->reply)
			q->reply(q->station, slot, q);
		say(slot, q->q, ok ? stg_steal(q->answer) : NULL, ok ? NULL : err);
	}
	question_free(q);
}

static bool put_base64(json_t *m, const char *key, struct stg_bytes b, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(8u << 20);
	if (!stg_base64(b, &text, err))
		return false;
	stg_json_put_new(m, key, json_string(stg_buf_str(&text)));
	return true;
}

/* ---- host identity ---- */

static bool host_take(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct question *q = arg;
	stg_buf_reset(&q->out);
	return stg_store_hostid_take(store, q->family, q->unit, &q->out, err);
}

static bool host_make(struct stg_store *store, void *arg, struct stg_error *err)
{
	(void)store;
	struct question *q = arg;
	char host_id[64];
	stg_buf_reset(&q->in);
	if (!stg_hostid_make(q->station->keys, q->buid, host_id, &q->in, err))
		return false;
	q->answer = json_pack("{s:s}", "host_id", host_id);
	return true;
}

static bool host_add(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct question *q = arg;
	return stg_store_hostid_add(store, stg_json_str(q->answer, "host_id"), stg_buf_view(&q->in), err) &&
	       stg_store_hostid_take(store, q->family, q->unit, &q->out, err);
}

/* Unsealing is a few microseconds of AES; the answer goes to the one worker that pairs with it. */
static void host_reply(struct stg_station *s, struct slot *slot, struct question *q)
{
	(void)slot;
	struct stg_host_identity h = { .root_certificate = STG_BUF(16384), .host_certificate = STG_BUF(16384) };
	struct stg_error err = { 0 };
	json_decref(q->answer);
	q->answer = json_object();
	if (stg_hostid_open(s->keys, stg_buf_view(&q->out), &h, &err)) {
		stg_json_put(q->answer, "host_id", h.host_id);
		stg_json_put(q->answer, "system_buid", h.system_buid[0] ? h.system_buid : s->cache.buid);
		stg_json_put(q->answer, "root_certificate", stg_buf_str(&h.root_certificate));
		stg_json_put(q->answer, "host_certificate", stg_buf_str(&h.host_certificate));
		stg_json_put(q->answer, "root_key", (const char *)stg_secret_reveal(&h.root_key).data);
		stg_json_put(q->answer, "host_key", (const char *)stg_secret_reveal(&h.host_key).data);
	} else {
		stg_json_put_new(q->answer, "error", stg_json_from_error(&err));
	}
	stg_host_identity_clear(&h);
}

static void host_added(void *arg, bool ok, const struct stg_error *err)
{
	answered(arg, ok, err);
}

static void host_made(void *arg, bool ok, const struct stg_error *err)
{
	struct question *q = arg;
	if (!ok) {
		answered(q, false, err);
		return;
	}
	queue_post(q->station->recorder, host_add, host_added, q);
}

static void host_taken(void *arg, bool ok, const struct stg_error *err)
{
	struct question *q = arg;
	if (!ok && err->code == STG_E_NOT_FOUND) {
		/* the pool is empty: this one device waits for a key of its own, in front of everything idle */
		queue_post_first(q->station->pool, host_make, host_made, q);
		return;
	}
	answered(q, ok, err);
}

/* ---- pair record ---- */

static bool trust_keep(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct question *q = arg;
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(256 << 10);
	if (!q->in.len)
		return stg_store_trust_forget(store, q->family, q->unit, err);
	return stg_keys_seal(q->station->keys, "pair-record", stg_buf_view(&q->in), &sealed, err) &&
	       stg_store_trust_put(store, q->family, q->unit, q->udid, stg_buf_view(&sealed), err);
}

static void trust_reply(struct stg_station *s, struct slot *slot, struct question *q)
{
	if (q->in.len && stg_secret_set(&q->secret, stg_buf_view(&q->in), NULL))
		door_record(s, slot->worker, &q->secret);
	else
		door_record(s, slot->worker, NULL);
	if (!q->in.len)
		return;
	stg_copy(slot->trust, sizeof(slot->trust), "ours");
	if (slot->state == SLOT_INTAKE)
		slot->paired_here = true;
}

/* ---- challenge ---- */

static bool challenge_intent(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct question *q = arg;
	STG_AUTO(stg_json_free_at) json_t *entry = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "actor", "station", "verb",
		"sign_challenge", "object", stg_json_str(q->org, "name"), "job", (json_int_t)q->job, "unit", q->unit, "outcome", "intent");
	return stg_store_audit(store, entry, err);
}

static bool challenge_sign(struct stg_store *store, void *arg, struct stg_error *err)
{
	(void)store;
	struct question *q = arg;
	if (!stg_org_sign_challenge(q->station->keys, q->org, stg_buf_view(&q->org_sealed), stg_buf_view(&q->in), &q->out, err))
		return false;
	q->answer = json_object();
	return put_base64(q->answer, "cms", stg_buf_view(&q->out), err);
}

static void challenge_noted(void *arg, bool ok, const struct stg_error *err)
{
	struct question *q = arg;
	if (ok)
		queue_post_first(q->station->maker, challenge_sign, answered, q);
	else
		answered(q, false, err);
}

/* ---- activation relay ---- */

static bool relay_run(struct stg_store *store, void *arg, struct stg_error *err)
{
	(void)store;
	struct question *q = arg;
	char url[512];
	const char *path = stg_json_str(q->http, "url_path");
	if (path[0] != '/' || strstr(path, "..") || strpbrk(path, "@ \r\n\\") ||
	    snprintf(url, sizeof(url), "%s%s", q->base_url, path) >= (int)sizeof(url))
		return stg_fail(err, STG_E_PROTOCOL, 0, "a relay path that is none");
	if (!stg_unbase64(stg_json_str(q->http, "body"), &q->in, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *headers = json_object();
	json_object_update(headers, json_object_get(q->http, "headers"));
	stg_json_put(headers, "Content-Type", stg_json_str(q->http, "content_type"));
	struct stg_net_ask ask = {
		.method = stg_json_str_or(q->http, "method", "POST"), .url = url, .headers = headers, .body = stg_buf_view(&q->in),
		.allow_loopback_http = q->allow_loopback, .timeout_ms = 60000, .answer_max = 2u << 20,
	};
	struct stg_net_answer a = { 0 };
	bool ok = stg_net(&ask, &a, err);
	if (ok && (a.class == STG_NET_OFFLINE || (a.status == 503 && a.class != STG_NET_OK)))
		ok = stg_fail_id(err, STG_E_WAITING, STG_ID_NO_LINE, a.status, "activation service: %s", a.text);
	else if (ok && (a.status == 0 || a.status >= 500 || (a.class != STG_NET_OK && a.status < 400)))
		/* half an answer, none, a bad day of theirs: nothing was done to the device, it is asked again from the beginning */
		ok = stg_fail_id(err, STG_E_WAITING, a.status ? STG_ID_ACTIVATION_LATER : STG_ID_NO_LINE, a.status, "activation service: %s", a.text);
	if (ok) {
		json_t *http = json_object();
		stg_json_put_int(http, "status", a.status);
		stg_json_put(http, "content_type", stg_json_str(a.headers, "content-type"));
		if (a.headers)
			json_object_set(http, "headers", a.headers);
		q->answer = json_object();
		ok = put_base64(http, "body", stg_buf_view(&a.body), err);
		stg_json_put_new(q->answer, "http", http);
	}
	stg_net_answer_clear(&a);
	return ok;
}

/* ---- erase token ---- */

static bool erase_look(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct question *q = arg;
	struct stg_error why = { 0 }, none = { 0 };
	/* rows of the database the gate needs; absent ones are a no, not an error */
	q->answer = json_object();
	json_t *order = stg_store_erase_order(store, q->family, q->unit, &why);
	if (order)
		stg_json_put_new(q->answer, "order", order);
	else if (why.code != STG_E_NOT_FOUND)
		return *err = why, false;
	json_t *row = stg_store_batch_match(store, &q->read_now, &why);
	if (row)
		stg_json_put_new(q->answer, "row", row);
	json_t *exception = stg_store_exception_for(store, q->family, q->unit, q->read_now.serial, stg_json_str(order, "by"), &none);
	if (exception)
		stg_json_put_new(q->answer, "exception", exception);
	else if (none.code != STG_E_NOT_FOUND)
		return *err = none, false;
	return true;
}

static bool erase_spend(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct question *q = arg;
	return stg_store_erase_spend_two(store, q->family, q->unit, q->job, q->attach, q->second_needed, err);
}

static bool step_erases(const struct slot *slot)
{
	const json_t *blueprint = json_object_get(slot->job_row, "blueprint");
	const json_t *step = json_array_get(json_object_get(blueprint, "steps"), (size_t)slot->worker->n);
	return stg_json_bool(blueprint, "erases", false) && strcmp(stg_json_str(step, "key"), slot->worker->key) == 0 &&
	       strcmp(stg_json_str(step, "step"), "erase") == 0 && slot->worker->what && slot->worker->what->destroys_data &&
	       slot->worker->holds_turn;
}

/* Where two persons are asked for: the blueprint says so, the person who ordered is no lead, or somebody else manages the device. */
static bool second_needed(const struct slot *slot, const struct question *q)
{
	const json_t *steps = json_object_get(json_object_get(slot->job_row, "blueprint"), "steps");
	const json_t *params = json_object_get(json_array_get(steps, (size_t)slot->worker->n), "params");
	const json_t *order = json_object_get(q->answer, "order");
	const char *role = stg_json_str(order, "by_role");
	bool is_lead = strcmp(role, "lead") == 0 || strcmp(role, "admin") == 0;
	return q->is_foreign || stg_json_bool(params, "two_persons", false) || (stg_json_int(order, "people", 0) > 0 && !is_lead);
}

static void erase_looked(void *arg, bool ok, const struct stg_error *why)
{
	struct question *q = arg;
	struct stg_station *s = q->station;
	struct slot *slot = slot_by_attach(s, q->attach);
	struct stg_error err = { 0 };
	if (!ok || !slot || !slot->worker || slot->worker->ref != q->ref) {
		answered(q, false, why);
		return;
	}
	unsigned int alike = 0;
	for (const struct slot *other = s->slots; other; other = other->next)
		if (strcmp(other->identity.unit, q->read_now.unit) == 0 || strcmp(other->identity.serial, q->read_now.serial) == 0 ||
		    (other->claims[0] && strcasecmp(other->claims, q->read_now.udid) == 0))
			alike++;
	const json_t *row = json_object_get(q->answer, "row"), *order = json_object_get(q->answer, "order");
	const json_t *e = json_object_get(q->answer, "exception");
	const struct gate_exception exception = {
		.signed_by = stg_json_str(e, "by"),
		.names_it = e != NULL,
		.withdrawn = strcmp(stg_json_str(e, "state"), "withdrawn") == 0,
		.until_ms = stg_json_int(e, "until_ms", 0),
		.left = stg_json_int(e, "left", 0),
		.used_for_it = stg_json_int(e, "used_for_it", 1) != 0,
	};
	q->second_needed = second_needed(slot, q);
	const struct gate_facts facts = {
		.erasing_allowed_here = !s->no_erase,
		.blueprint_erases = step_erases(slot),
		.ownership = stg_json_str_or(row, "ownership", "unknown"),   /* as it stands now, not when the job began */
		.batch_started = row && slot->batch[0] && strcmp(stg_json_str(row, "batch"), slot->batch) == 0 &&
				 batch_on_port(s, slot->arrival.port) != NULL,
		.port_allowed = port_allowed(s, slot->arrival.port),
		.ordered = order != NULL,
		.present = true,
		.job_attach = (uint64_t)stg_json_int(slot->job_row, "attach", 0),
		.attach = slot->arrival.attach,
		.job_identity = &slot->identity,
		.read_now = &q->read_now,
		.attached_as_this = alike,
		.token_spent = slot->worker->token_used,
		.second_needed = q->second_needed,
		.ordered_by = stg_json_str(order, "by"),
		.second = stg_json_str(order, "second"),
		.exception = &exception,
		.now_ms = stg_wall_ms(),
	};
	slot->worker->token_used = true;
	if (!gate_opens(&facts, &err)) {
		struct stg_tag tag = { .room = "gate", .job = slot->job, .unit = slot->identity.serial };
		stg_log_error(STG_LOG_WARNING, &tag, &err);
		/* nobody has confirmed: that is a person's turn, not a mistake */
		if (err.id == STG_ID_ERASE_NOT_CONFIRMED)
			err.code = STG_E_NEEDS_HUMAN;
		answered(q, false, &err);
		return;
	}
	queue_post(s->recorder, erase_spend, answered, q);
}

/* ---- where it comes from ---- */

static bool origin_look(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct question *q = arg;
	json_t *origin = stg_store_origin(store, &q->read_now, err);
	if (!origin)
		return false;
	q->answer = json_object();
	stg_json_put_new(q->answer, "origin", origin);
	return true;
}

static bool origin_ask(struct stg_station *s, struct slot *slot, const json_t *m, struct stg_error *err)
{
	if (slot->state != SLOT_STEPS)
		return stg_fail(err, STG_E_REFUSED, 0, "no step runs");
	struct question *q = question_new(s, slot, m);
	q->read_now = slot->identity;
	queue_post(s->recorder, origin_look, answered, q);
	return true;
}

/* ---- the door ---- */

bool supervisor_answer(struct stg_station *s, struct slot *slot, const json_t *m, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(16384);
	const struct cache_org *org = slot_org(s, slot);
	if (!org)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_NO_ORGANISATION, 0, "no organisation");
	json_t *fields = json_object();
	if (!stg_org_supervisor(org->row, &der, err) || !put_base64(fields, "der", stg_buf_view(&der), err)) {
		json_decref(fields);
		return false;
	}
	stg_json_put(fields, "organisation", stg_json_str(org->row, "name"));
	stg_json_put(fields, "organisation_id", stg_json_str(org->row, "magic"));
	ask_answer(slot, m, fields, NULL);
	return true;
}

static bool sign_ask(struct stg_station *s, struct slot *slot, const json_t *m, struct stg_error *err)
{
	const struct cache_org *org = slot_org(s, slot);
	if (!org)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_NO_ORGANISATION, 0, "no organisation");
	if (slot->worker->challenges >= 2)
		return stg_fail(err, STG_E_REFUSED, 0, "this step has had its challenge signed");
	struct question *q = question_new(s, slot, m);
	if (!stg_unbase64(stg_json_str(m, "challenge"), &q->in, err) || q->in.len == 0 || q->in.len > CHALLENGE_MAX) {
		question_free(q);
		return stg_fail(err, STG_E_REFUSED, 0, "a challenge has 1 to %d bytes", CHALLENGE_MAX);
	}
	slot->worker->challenges++;
	q->org = json_incref(org->row);
	struct stg_bytes sealed = stg_buf_view(&org->sealed);
	if (!stg_buf_add(&q->org_sealed, sealed.data, sealed.len, err)) {
		question_free(q);
		return false;
	}
	queue_post(s->recorder, challenge_intent, challenge_noted, q);
	return true;
}

static bool relay_ask(struct stg_station *s, struct slot *slot, const json_t *m, struct stg_error *err)
{
	if (!window_open(s) || !s->activation_url[0])
		return stg_fail_id(err, STG_E_WAITING, STG_ID_NO_LINE, 0, "the line is closed");
	struct question *q = question_new(s, slot, m);
	q->http = json_incref(json_object_get(m, "http"));
	q->allow_loopback = s->rehearsal;
	stg_copy(q->base_url, sizeof(q->base_url), s->activation_url);
	queue_post(s->relay, relay_run, answered, q);
	return true;
}

static bool erase_ask(struct stg_station *s, struct slot *slot, const json_t *m, struct stg_error *err)
{
	struct question *q = question_new(s, slot, m);
	if (slot->state != SLOT_STEPS || !stg_identity_from_json(json_object_get(m, "identity"), &q->read_now, err)) {
		question_free(q);
		return stg_fail(err, STG_E_SAFETY, 0, "an erase is asked for outside a job");
	}
	q->is_foreign = stg_json_bool(m, "foreign", true);
	queue_post(s->recorder, erase_look, erase_looked, q);
	return true;
}

void ask_handle(struct stg_station *s, struct slot *slot, const json_t *m)
{
	const char *what = stg_json_str(m, "what");
	struct stg_error err = { 0 };
	bool ok = true;
	if (strcmp(what, "host_identity") == 0 && slot->identity.unit[0]) {
		struct question *q = question_new(s, slot, m);
		q->reply = host_reply;
		queue_post(s->recorder, host_take, host_taken, q);
	} else if (strcmp(what, "keep_trust") == 0 && slot->identity.unit[0]) {
		struct question *q = question_new(s, slot, m);
		q->reply = trust_reply;
		q->in.max = RECORD_MAX;
		ok = (strcasecmp(stg_json_str(m, "udid"), slot->arrival.udid) == 0 ||
		      stg_fail(&err, STG_E_REFUSED, 0, "a pair record of another device")) &&
		     stg_unbase64(stg_json_str(m, "record"), &q->in, &err);
		if (ok)
			queue_post(s->recorder, trust_keep, answered, q);
		else
			question_free(q);
	} else if (strcmp(what, "supervisor") == 0) {
		ok = whose_ask(s, slot, m) || supervisor_answer(s, slot, m, &err);
	} else if (strcmp(what, "sign_challenge") == 0) {
		ok = sign_ask(s, slot, m, &err);
	} else if (strcmp(what, "relay") == 0) {
		ok = relay_ask(s, slot, m, &err);
	} else if (strcmp(what, "payload") == 0) {
		payload_ask(s, slot, m);
	} else if (strcmp(what, "escrow") == 0 || strcmp(what, "unlock_token") == 0) {
		escrow_ask(s, slot, m);
	} else if (strcmp(what, "claim_name") == 0) {
		ok = name_ask(s, slot, m, &err);
	} else if (strcmp(what, "file") == 0) {
		file_ask(s, slot, m);
	} else if (strcmp(what, "erase_token") == 0) {
		ok = erase_ask(s, slot, m, &err);
	} else if (strcmp(what, "origin") == 0) {
		ok = origin_ask(s, slot, m, &err);
	} else if (strcmp(what, "bulk") == 0 && slot->state == SLOT_STEPS) {
		bulk_asked(s, slot, m);
	} else {
		ok = stg_fail(&err, STG_E_REFUSED, 0, "a worker may not ask for '%s' now", what);
	}
	if (!ok)
		ask_answer(slot, m, NULL, &err);
}
