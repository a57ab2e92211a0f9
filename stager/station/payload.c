/*
 * payload.c - the profile or certificate of one step for one device.
 *
 * For:    asks.c ("payload"), workers.c (the end of issue_certificate).
 * Uses:   the recorder (pinned bytes, secrets, the register row before delivery), keys, profiles and
 *         the painter given at start on the maker's thread.
 * Called: on the main loop.
 * Thread: main loop, recorder, maker, in that order; each hand-over is a task.
 *
 * A leaf's private key lives from the maker's task to the answer and nowhere else. After a crash its row is superseded
 * by the next one: a key is never delivered twice (decisions.md 11).
 */
#include <stdlib.h>
#include <string.h>

#include <stager/blueprint.h>
#include <stager/ca.h>
#include <stager/op.h>
#include <stager/payload.h>
#include <stager/report.h>

#include "station_i.h"

static const struct stg_tag tag = { .room = "payload" };

struct make {
	struct stg_station *station;
	uint64_t attach;
	unsigned int ref;
	int64_t job;
	json_t *ask, *step, *values, *org, *job_row;
	struct stg_buf org_sealed, profile;
	char unit[32], serial[STG_SERIAL_MAX], name[128], identifier[200];
	char model[64];
	bool certificate, is_template, wallpaper;
	json_t *leaf_row;
	struct stg_ca_filled from;      /* the template the certificate is made by, if one is named */
	struct stg_payload payload;
};

static void make_free(struct make *m)
{
	json_decref(m->ask);
	json_decref(m->step);
	json_decref(m->values);
	json_decref(m->org);
	json_decref(m->job_row);
	json_decref(m->leaf_row);
	stg_ca_filled_clear(&m->from);
	stg_buf_clear(&m->org_sealed);
	stg_buf_clear(&m->profile);
	stg_payload_clear(&m->payload);
	free(m);
}

/* Everything a profile or a name may refer to: facts of this device, its row, the organisation. Secrets come later. */
json_t *job_values(const struct stg_station *s, const struct slot *slot)
{
	json_t *v = stg_variables_of(&slot->identity, slot->batch, json_object_get(slot->job_row, "attributes"),
					 json_object_get(slot->job_row, "blueprint"));
	const struct cache_org *org = slot_org(s, slot);
	if (org) {
		(void)stg_org_values(org->row, v, NULL);
		stg_json_put(v, "organisation", stg_json_str(org->row, "name"));
		stg_json_put(v, "organisation_id", stg_json_str(org->row, "magic"));
	}
	return v;
}

/* A word with which this device may ask once for a certificate: this station's, or one fetched from the named server before. */
static bool collect_challenge(struct stg_store *store, struct make *m, struct stg_error *err)
{
	const json_t *params = json_object_get(m->step, "params");
	const char *server = stg_json_str(params, "scep_server");
	STG_AUTO(stg_json_free_at) json_t *in = json_object(), *got = NULL;
	STG_AUTO(stg_buf_clear) struct stg_buf print = STG_BUF(64), text = STG_BUF(128);
	if (!m->is_template || !stg_profile_uses(stg_buf_view(&m->profile), "scep."))
		return true;
	struct stg_op_ctx c = { .store = store, .keys = m->station->keys, .state_dir = m->station->state_dir, .actor = "station", .rehearsal = m->station->rehearsal };
	stg_json_put(in, "name", server);
	stg_json_put(in, "serial", m->serial);
	stg_json_put(in, "unit", m->unit);
	stg_json_put_int(in, "job", m->job);
	if (*stg_json_str(params, "certificate_template"))
		stg_json_put(in, "template", stg_json_str(params, "certificate_template"));
	if (!stg_op_find(*server ? "scep.give" : "scep.challenge")->run(&c, in, &got, err))
		return stg_while(err, "challenge");
	stg_json_put(m->values, "scep.url", stg_json_str(got, "url"));
	stg_json_put(m->values, "scep.challenge", stg_json_str(got, "challenge"));
	/* absent where nobody knows it: a template that names it is told so */
	if (stg_unhex(stg_json_str(got, "fingerprint"), &print, NULL) && print.len && stg_base64(stg_buf_view(&print), &text, NULL))
		stg_json_put_new(m->values, "scep.fingerprint", json_pack("{s:s}", "data", stg_buf_str(&text)));
	return true;
}

/* What the certificate will look like, where a template of the CA says so. */
static bool collect_template(struct stg_store *store, struct make *m, struct stg_error *err)
{
	const char *name = stg_json_str(json_object_get(m->step, "params"), "certificate_template");
	const struct stg_ca_for whom = { .serial = m->serial, .unit = m->unit, .template_name = name, .values = m->values, .job = m->job, .actor = "station" };
	return !*name || !m->org || stg_ca_fill(store, m->org, &whom, &m->from, err) || stg_while(err, "certificate_template");
}

/* Recorder: the secrets this step names, unsealed into the values; the certificate an interrupted attempt left behind. */
static bool collect(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct make *m = arg;
	STG_AUTO(stg_json_free_at) json_t *names = stg_store_secrets(store, err);
	if (!names)
		return false;
	size_t i;
	json_t *one;
	json_array_foreach(names, i, one) {
		char key[160];
		const char *name = stg_json_str(one, "name");
		STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(64 << 10);
		STG_AUTO(stg_secret_clear) struct stg_secret plain = { 0 };
		snprintf(key, sizeof(key), "secret.%s", name);
		if (!stg_store_secret_get(store, name, &sealed, err) ||
		    !stg_keys_open_sealed(m->station->keys, "secret", stg_buf_view(&sealed), &plain, err))
			return stg_while(err, "secret %s", name);
		stg_json_put_new(m->values, key, json_stringn((const char *)stg_secret_reveal(&plain).data,
							      stg_secret_reveal(&plain).len));
	}
	if (!m->certificate)
		return collect_challenge(store, m, err);
	if (!collect_template(store, m, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:I, s:s}", "job", (json_int_t)m->job, "status", "issued");
	STG_AUTO(stg_json_free_at) json_t *left = stg_store_certificates(store, filter, err);
	if (!left)
		return false;
	json_array_foreach(left, i, one)
		if (!stg_store_certificate_status(store, stg_json_str(one, "serial_hex"), "superseded", "interrupted", err))
			return false;
	return true;
}

static bool make_certificate(struct make *m, const json_t *params, struct stg_error *err)
{
	struct stg_station *s = m->station;
	STG_AUTO(stg_secret_clear) struct stg_secret p12 = { 0 }, password = { 0 }, key = { 0 };
	STG_AUTO(stg_json_free_at) json_t *issuers = NULL;
	if (!m->org)
		return stg_fail_id(err, STG_E_STATION, STG_ID_NO_ORGANISATION, 0, "no organisation to issue certificates");
	/* what the step says itself stands in front of its template */
	struct stg_leaf_ask ask = m->from.filled ? m->from.ask : (struct stg_leaf_ask){ .common_name = m->serial, .key_type = "rsa-2048", .days = 365, .purpose = "client" };
	ask.common_name = stg_json_str_or(params, "common_name", ask.common_name);
	ask.san = json_object_get(params, "san") ? json_object_get(params, "san") : ask.san;
	ask.key_type = stg_json_str_or(params, "key", ask.key_type);
	ask.days = stg_json_int(params, "days", ask.days);
	ask.modern_p12 = stg_json_bool(params, "modern", ask.modern_p12);
	bool rsa = strncmp(ask.key_type, "rsa", 3) == 0;
	bool pre_made = rsa && pool_take_leaf_key(&key);
	if (!stg_leaf_issue(s->keys, m->org, stg_buf_view(&m->org_sealed), &ask, pre_made ? &key : NULL, &p12, &password, &m->leaf_row, err))
		return false;
	issuers = stg_org_issuers(m->org);
	struct stg_bytes p12_bytes = stg_secret_reveal(&p12), password_bytes = stg_secret_reveal(&password);
	if (m->profile.len)
		return stg_profile_with_identity(m->name, stg_buf_view(&m->profile), m->values, m->unit, p12_bytes, password_bytes, issuers,
						 stg_json_str(m->leaf_row, "sha256"), &m->payload, err);
	return stg_profile_identity(m->identifier, stg_json_str_or(params, "display_name", ask.common_name), m->unit, p12_bytes, password_bytes, issuers, &m->payload, err);
}

/* What nobody fills in is what the order says. */
static bool make_wallpaper(struct make *m, const json_t *params, struct stg_error *err)
{
	struct stg_wallpaper_ask ask = {
		.model = m->model,
		.title = stg_json_str_or(params, "title", stg_json_str_or(m->values, "asset_tag", m->serial)),
		.owner = stg_json_str_or(params, "owner", stg_json_str_or(m->values, "owner_name", stg_json_str(m->values, "organisation"))),
		.code = stg_json_str_or(params, "code", m->serial),
		.tick = stg_json_bool(params, "tick", true),
		.is_rehearsal = m->station->rehearsal,
	};
	if (!m->station->setup.draw_wallpaper(&ask, &m->payload.bytes, err))
		return false;
	stg_copy(m->payload.identifier, sizeof(m->payload.identifier), "wallpaper");
	stg_sha256_hex(stg_buf_view(&m->payload.bytes), m->payload.sha256);
	return true;
}

/* The last look before the device: by the newest rules this station has. */
static bool fits(struct make *m, struct stg_error *err)
{
	struct stg_error why = { 0 };
	STG_AUTO(stg_profile_rules_free_at) struct stg_profile_rules *own = stg_profile_rules_own(m->station->state_dir, &why);
	if (why.code != STG_OK)
		stg_log_error(STG_LOG_WARNING, &tag, &why);
	return stg_profile_fits(m->name, stg_buf_view(&m->payload.bytes), own, stg_json_str(m->values, "os_version"), err);
}

/* Maker: values filled in, signed by the organisation where the blueprint says so. */
static bool make_run(struct stg_store *store, void *arg, struct stg_error *err)
{
	(void)store;
	struct make *m = arg;
	STG_AUTO(stg_json_free_at) json_t *params = stg_variables_fill(json_object_get(m->step, "params"), m->values, err);
	if (!params)
		return stg_say(err, STG_ID_PAYLOAD);
	bool ok;
	if (m->wallpaper)
		return make_wallpaper(m, params, err) || stg_say(err, STG_ID_PAYLOAD);
	if (m->certificate)
		ok = make_certificate(m, params, err);
	else
		ok = stg_profile_fill(m->name, stg_buf_view(&m->profile), m->is_template ? m->values : NULL, m->unit, &m->payload, err);
	ok = ok && fits(m, err);
	/* one that somebody else has signed keeps that signature */
	if (ok && stg_json_bool(params, "sign", true) && m->org && !stg_profile_is_signed(stg_buf_view(&m->payload.bytes))) {
		STG_AUTO(stg_buf_clear) struct stg_buf cms = STG_BUF(4u << 20);
		ok = stg_org_sign_profile(m->station->keys, m->org, stg_buf_view(&m->org_sealed), stg_buf_view(&m->payload.bytes), &cms, err);
		if (ok) {
			stg_buf_clear(&m->payload.bytes);
			m->payload.bytes = cms;
			cms = (struct stg_buf){ 0 };
		}
	}
	return ok || stg_say(err, STG_ID_PAYLOAD);
}

static bool register_run(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct make *m = arg;
	stg_json_put(m->leaf_row, "unit", m->unit);
	stg_json_put(m->leaf_row, "device_serial", m->serial);
	stg_json_put_int(m->leaf_row, "job", m->job);
	stg_json_put(m->leaf_row, "status", "issued");
	STG_AUTO(stg_json_free_at) json_t *entry = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "actor", "station", "verb",
		"issue_certificate", "object", stg_json_str(m->leaf_row, "serial_hex"), "job", (json_int_t)m->job, "unit", m->unit,
		"outcome", "intent");
	return stg_store_clock_ok(store, err) && stg_store_certificate_add(store, m->leaf_row, err) && stg_store_audit(store, entry, err);
}

static void answer(void *arg, bool ok, const struct stg_error *err)
{
	struct make *m = arg;
	struct slot *slot = slot_by_attach(m->station, m->attach);
	struct stg_error why = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(16u << 20);
	if (!ok)
		stg_log_error(STG_LOG_WARNING, &(struct stg_tag){ .room = "payload", .job = m->job, .unit = m->serial }, err);
	if (slot && slot->worker && slot->worker->ref == m->ref) {
		if (ok && stg_base64(stg_buf_view(&m->payload.bytes), &text, &why)) {
			json_t *fields = json_object();
			stg_json_put_new(fields, "bytes", json_string(stg_buf_str(&text)));
			stg_json_put(fields, "identifier", m->payload.identifier);
			stg_json_put(fields, "uuid", m->payload.uuid);
			stg_json_put(fields, "sha256", m->payload.sha256);
			stg_json_put_int(fields, "version", m->payload.version);
			stg_json_put(fields, "certificate_sha256", stg_json_str(m->leaf_row, "sha256"));
			ask_answer(slot, m->ask, fields, NULL);
		} else {
			ask_answer(slot, m->ask, NULL, ok ? &why : err);
		}
	}
	make_free(m);
}

static void made(void *arg, bool ok, const struct stg_error *err)
{
	struct make *m = arg;
	if (ok && m->certificate)
		queue_post(m->station->recorder, register_run, answer, m);
	else
		answer(m, ok, err);
}

static void collected(void *arg, bool ok, const struct stg_error *err)
{
	struct make *m = arg;
	if (ok)
		queue_post_first(m->station->maker, make_run, made, m);
	else
		answer(m, false, err);
}

/* The pinned bytes of a profile; the job keeps them whatever the file says now. */
static bool pinned(struct make *m, const struct slot *slot, const char *name, struct stg_error *err)
{
	const json_t *one = json_object_get(json_object_get(slot->job_row, "profiles"), name);
	if (!one)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_PAYLOAD, 0, "the job has no profile '%s'", name);
	m->is_template = stg_json_bool(one, "template", false);
	return stg_unbase64(stg_json_str(one, "base64"), &m->profile, err) || stg_while(err, "profile %s", name);
}

void payload_ask(struct stg_station *s, struct slot *slot, const json_t *ask)
{
	struct stg_error err = { 0 };
	const json_t *step = stg_blueprint_step(json_object_get(slot->job_row, "blueprint"), slot->worker->key);
	const char *kind = stg_json_str(step, "step");
	struct make *m = stg_calloc(1, sizeof(*m));
	m->station = s;
	m->attach = slot->arrival.attach;
	m->ref = slot->worker->ref;
	m->job = slot->job;
	m->ask = json_incref((json_t *)(uintptr_t)ask);
	m->org_sealed = STG_BUF(1 << 20);
	m->profile = STG_BUF(4u << 20);
	m->payload.bytes = STG_BUF(8u << 20);
	m->certificate = strcmp(kind, "issue_certificate") == 0;
	m->wallpaper = strcmp(kind, "wallpaper") == 0;
	stg_copy(m->model, sizeof(m->model), slot->identity.model);
	bool ok = slot->state == SLOT_STEPS && step && slot->worker->what && slot->worker->what->makes_payload &&
		  (!*stg_json_str(ask, "key") || strcmp(stg_json_str(ask, "key"), stg_json_str(step, "key")) == 0);
	if (!ok)
		stg_fail(&err, STG_E_REFUSED, 0, "this step has no payload");
	const char *profile = stg_json_str(json_object_get(step, "params"), "profile");
	if (ok && *profile)
		ok = pinned(m, slot, profile, &err);
	const struct cache_org *org = slot_org(s, slot);
	if (ok && org) {
		struct stg_bytes sealed = stg_buf_view(&org->sealed);
		m->org = json_incref(org->row);
		ok = stg_buf_add(&m->org_sealed, sealed.data, sealed.len, &err);
	}
	if (!ok) {
		ask_answer(slot, ask, NULL, &err);
		make_free(m);
		return;
	}
	m->step = json_incref((json_t *)(uintptr_t)step);
	m->values = job_values(s, slot);
	stg_copy(m->unit, sizeof(m->unit), slot->identity.unit);
	stg_copy(m->serial, sizeof(m->serial), slot->identity.serial);
	stg_copy(m->name, sizeof(m->name), *profile ? profile : "certificate");
	stg_copy(m->identifier, sizeof(m->identifier),
		 stg_json_str_or(json_object_get(step, "params"), "identifier", "org.stager.identity"));
	queue_post(s->recorder, collect, collected, m);
}

struct settle {
	int64_t job;
	bool proven;
};

static bool settle_run(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct settle *st = arg;
	STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:I, s:s}", "job", (json_int_t)st->job, "status", "issued");
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_certificates(store, filter, err);
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row)
		if (!stg_store_certificate_status(store, stg_json_str(row, "serial_hex"), st->proven ? "installed" : "superseded",
						  st->proven ? "" : "not installed", err))
			return false;
	return rows != NULL;
}

static void settle_done(void *arg, bool ok, const struct stg_error *err)
{
	if (!ok)
		stg_log_error(STG_LOG_WARNING, &tag, err);
	free(arg);
}

void payload_installed(struct stg_station *s, int64_t job, bool proven)
{
	struct settle *st = stg_calloc(1, sizeof(*st));
	st->job = job;
	st->proven = proven;
	queue_post(s->recorder, settle_run, settle_done, st);
}
