/*
 * try.c - the exact requests a result would become, secrets masked, nothing sent.
 *
 * For:    `stager target try` and `target check`.
 * Uses:   request.c, auth/token.c, kinds/.
 * Called: stager/ops/target.c.
 * Thread: any.
 */
#include <stdio.h>
#include <stdlib.h>

#include <stager/clock.h>

#include "kind.h"

/* A record as the inventory makes them, for trying a target that has nothing to send yet. */
static json_t *sample_record(bool rehearsal)
{
	char now[STG_TIME_TEXT];
	stg_time_text(stg_wall_ms(), now);
	return json_pack("{s:s,s:s,s:s,s:i,s:b,s:s,s:b,s:{s:s,s:s,s:s,s:s,s:s,s:[s],s:s},s:s,s:{s:s}}", "schema", "stager.result/1", "record_id",
			 "00000000-0000-7000-8000-000000000000", "station", "sample", "seq", 0, "sample", 1, "outcome", "staged", "rehearsal", rehearsal ? 1 : 0, "device",
			 "serial", "SAMPLE000000", "platform", "ios", "model", "iPad13,18", "model_name", "iPad (10th generation)", "os_version", "17.6.1", "imei", "353245010000010",
			 "udid", "00008030-000000000000001E", "asset_tag", "A-0000", "time", "wall", now);
}

static void mask_headers(const struct push_credentials *c, json_t *headers)
{
	const char *name;
	void *at;
	json_t *value;
	json_object_foreach_safe(headers, at, name, value) {
		char text[1024];
		snprintf(text, sizeof(text), "%s", json_string_value(value));
		push_credentials_hide(c, text);
		if (strcasestr(name, "signature"))
			stg_copy(text, sizeof(text), "*** (made for each attempt)");
		json_object_set_new(headers, name, json_string(text));
	}
}

/* One call as it would go out, shown. */
static json_t *shown_call(const struct push_target *t, const char *what, const char *phase, const json_t *call, const json_t *rows, const json_t *records, struct stg_error *err)
{
	struct push_request r = { 0 };
	/* where the whole path comes from the answer, it is still seen where the host ends */
	struct push_words words = { .page = stg_json_str(call, "page"), .op_ref = strncmp(stg_json_str(call, "path"), "{{op_ref}}", 10) == 0 ? "/OPERATION" : "OPERATION" };
	json_t *shown = NULL;
	if (push_request_make(t, call, rows, records, words, push_clock_s(), &r, err)) {
		shown = json_object();
		if (stg_secret_is_set(&r.bearer))
			stg_json_put(r.headers, "Authorization", strncmp((const char *)stg_secret_reveal(&r.bearer).data, "Basic", 5) == 0 ? "Basic ***" : "Bearer ***");
		else if (push_auth_signs_in(t) && strcmp(push_auth_signs_in(t), "session-login") == 0)
			stg_json_put(r.headers, push_session_header(t), "*** (from the sign-in)");
		else if (push_auth_signs_in(t))
			stg_json_put(r.headers, "Authorization", "Bearer *** (from the sign-in)");
		mask_headers(&t->credentials, r.headers);
		STG_AUTO(stg_free_at) char *body = stg_strdup(stg_buf_str(&r.body));
		push_credentials_hide(&t->credentials, body);
		stg_json_put(shown, "what", what);
		stg_json_put(shown, "phase", phase);
		stg_json_put(shown, "method", r.method);
		stg_json_put(shown, "url", r.url);
		stg_json_put_new(shown, "headers", json_incref(r.headers));
		stg_json_put(shown, "body", body);
	}
	push_request_clear(&r);
	return shown;
}

/* The calls of one phase, in the order they would go out. */
static bool add_calls(struct push_target *t, const char *phase, const json_t *rows, const json_t *records, json_t *list, struct stg_error *err)
{
	static const char *const calls[] = { "lookup", "request", "update", "operation" };
	if (!push_target_phase(t, phase))
		return true;
	STG_AUTO(stg_json_free_at) json_t *enriched = push_records_enrich(t, rows, records, err);
	json_t *record = json_array_get(enriched, 0);
	if (!enriched)
		return false;
	/* nothing of this record is for this receiver */
	if (*stg_json_str(t->exchange, "item") && json_is_null(json_object_get(record, "item")))
		return true;
	for (size_t i = 0; i < STG_ARRAY_LEN(calls); i++) {
		const json_t *call = json_object_get(t->exchange, calls[i]);
		if (!call)
			continue;
		if (strcmp(calls[i], "update") == 0)
			stg_json_put_new(record, "found", json_pack("{s:s,s:{}}", "id", "ID-THERE", "have"));
		json_t *shown = shown_call(t, calls[i], json_object_get(t->connector, "phases") ? phase : "", call, rows, enriched, err);
		if (!shown)
			return false;
		json_array_append_new(list, shown);
	}
	return true;
}

/* Credentials and settings are what the connector needs, whether this record makes a request or not. */
static bool can_sign(const struct push_target *t, struct stg_error *err)
{
	struct push_request r = { .headers = json_object(), .body = STG_BUF(16) };
	bool ok = push_auth_apply(t, stg_bytes("", 0), "sample", push_clock_s(), &r, err);
	push_request_clear(&r);
	return ok;
}

static json_t *try_web(struct push_target *t, const json_t *rows, const json_t *records, struct stg_error *err)
{
	static const char *const letters[] = { "P", "A", "B", "E" };
	const bool is_ordered = strcmp(stg_json_str(json_array_get(records, 0), "outcome"), "ordered") == 0;
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	json_t *sign_in = NULL, *one;
	if (!push_client_key_check(t, err) || !can_sign(t, err) || (push_auth_signs_in(t) && !(sign_in = push_token_try(t, err))))
		return NULL;
	if (sign_in)
		json_array_append_new(list, sign_in);
	for (size_t i = 0; i < STG_ARRAY_LEN(letters); i++)
		if (is_ordered == (*letters[i] == 'P') && !add_calls(t, letters[i], rows, records, list, err))
			return NULL;
	/* the one that tells, at the top: most connectors have no other */
	json_t *said = NULL;
	size_t i;
	json_array_foreach(list, i, one) {
		const char *what = stg_json_str(one, "what");
		if (!said && (strcmp(what, "request") == 0 || strcmp(what, "update") == 0))
			said = json_deep_copy(one);
	}
	/* a connector that only asks has no request of its own to stand at the top */
	const bool shows_all = json_array_size(list) > (said ? 1u : 0u);
	if (!said)
		said = json_object();
	stg_json_put_bool(said, "client_certificate", *stg_json_str(t->credentials.values, "client_pem"));
	if (shows_all)
		stg_json_put_new(said, "requests", json_incref(list));
	return said;
}

bool stg_push_check(const json_t *target, const struct stg_secret *credentials, bool rehearsal, const char *state_dir, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *shown = stg_push_try(target, credentials, NULL, rehearsal, state_dir, err);
	return shown != NULL;
}

json_t *stg_push_try(const json_t *target, const struct stg_secret *credentials, const json_t *record, bool rehearsal, const char *state_dir,
		     struct stg_error *err)
{
	STG_AUTO(push_target_clear) struct push_target t = { 0 };
	if (!push_target_open(target, rehearsal, state_dir, &t, err) || !push_credentials_parse(credentials, &t.credentials, err))
		return NULL;
	STG_AUTO(stg_json_free_at) json_t *records = json_array();
	json_array_append_new(records, record ? json_incref((json_t *)(uintptr_t)record) : sample_record(rehearsal));
	const char *id = stg_json_str(json_array_get(records, 0), "record_id");
	char sum[65];
	STG_AUTO(stg_free_at) char *bytes = stg_json_text(json_array_get(records, 0));
	stg_sha256_hex(stg_bytes_str(bytes), sum);
	STG_AUTO(stg_json_free_at) json_t *rows = json_pack("[{s:s,s:s,s:s}]", "record_id", id, "idempotency_key", id, "payload_sha256", sum);
	return t.kind ? t.kind->shown(&t, rows, records, err) : try_web(&t, rows, records, err);
}
