/*
 * target.c - one configured MDM: its row, its connector and its credentials, checked against one another.
 *
 * For:    delivery.c, and the commands that check, try and test a target.
 * Uses:   connector.c, auth.c.
 * Called: once per round and target.
 * Thread: any.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/clock.h>
#include <stager/yaml.h>

#include "parts.h"

static bool config_only(const json_t *config, const char *const *known, struct stg_error *err)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)config, key, value) {
		size_t i = 0;
		while (known[i] && strcmp(known[i], key) != 0)
			i++;
		if (!known[i])
			return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "setting '%.40s' is not known for this connector", key);
	}
	return true;
}

static bool one_of(const json_t *config, const char *key, const char *const *words, struct stg_error *err)
{
	const char *value = stg_json_str(config, key);
	if (!json_object_get(config, key))
		return true;
	for (size_t i = 0; words[i]; i++)
		if (strcmp(words[i], value) == 0)
			return true;
	return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "%s '%.40s', %s, %s%s%s was expected", key, value, words[0], words[1], words[2] ? " or " : "",
			   words[2] ? words[2] : "");
}

static bool check_file(const struct push_target *t, struct stg_error *err)
{
	static const char *const known[] = { "path", "format", NULL }, *const formats[] = { "jsonl", "csv", NULL };
	char path[4096];
	return config_only(t->config, known, err) && one_of(t->config, "format", formats, err) && push_file_path(t, path, sizeof(path), err);
}

static bool check_web(const struct push_target *t, struct stg_error *err)
{
	static const char *const known[] = { "url", "auth", "signature", "ca_pem", "pin", "site", NULL }, *const forms[] = { "standard", "hub", "hmac", NULL };
	const char *url = stg_json_str(t->config, "url");
	if (!*url)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "setting 'url' is missing, https://host/path was expected");
	if (strlen(url) > 1024)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "'url' is longer than 1024 characters");
	if (!stg_net_url_ok(url, true, err))
		return stg_say(err, STG_ID_TARGET_CONFIG);
	if (t->rehearsal && !stg_net_is_loopback(url))
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_TARGET_REHEARSAL, 0, "target %s is not on this machine", t->name);
	return config_only(t->config, known, err) && one_of(t->config, "signature", forms, err);
}

static bool name_ok(const char *name)
{
	size_t n = strlen(name);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && !(i && strchr("-_.", name[i])))
			return false;
	return n >= 1 && n <= 48;
}

bool push_target_open(const json_t *target, bool rehearsal, const char *state_dir, struct push_target *ret, struct stg_error *err)
{
	struct push_target t = { .rehearsal = rehearsal, .state_dir = state_dir };
	const char *name = stg_json_str(target, "name");
	if (!name_ok(name))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "a target's name has 1 to 48 letters, digits and '-'");
	stg_copy(t.name, sizeof(t.name), name);
	t.config = json_incref(json_object_get(target, "config"));
	if (!t.config)
		t.config = json_object();
	t.is_file = strcmp(stg_json_str(target, "connector"), "file") == 0;
	if (!t.is_file)
		t.connector = stg_connector_load(state_dir, stg_json_str(target, "connector"), err);
	if ((!t.is_file && !t.connector) || !json_is_object(t.config) || !(t.is_file ? check_file(&t, err) : check_web(&t, err))) {
		if (t.config && !json_is_object(t.config))
			stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "the settings are not an object");
		push_target_clear(&t);
		return false;
	}
	*ret = t;
	return true;
}

void push_target_clear(struct push_target *t)
{
	stg_json_free_at(&t->connector);
	stg_json_free_at(&t->config);
	push_credentials_clear(&t->credentials);
}

const char *push_key_of(const json_t *record, const char *natural_key)
{
	char part[64];
	const json_t *at = record;
	const char *p = natural_key;
	while (*p && at) {
		size_t n = strcspn(p, ".");
		snprintf(part, sizeof(part), "%.*s", (int)n, p);
		at = json_object_get(at, part);
		p += n + (p[n] == '.');
	}
	if (at && json_is_string(at))
		return json_string_value(at);
	return strchr(natural_key, '.') ? "" : stg_json_str(json_object_get(record, "device"), natural_key);
}

/* ---- for commands ---- */

unsigned int stg_push_state_id(const char *state)
{
	static const struct {
		const char *state;
		unsigned int id;
	} ids[] = {
		{ "offline", STG_ID_TARGET_OFFLINE }, { "throttled", STG_ID_TARGET_BUSY }, { "server", STG_ID_TARGET_TROUBLE }, { "in_doubt", STG_ID_TARGET_TROUBLE },
		{ "clock", STG_ID_TARGET_CLOCK }, { "trust", STG_ID_TARGET_TRUST }, { "auth", STG_ID_TARGET_AUTH }, { "gone", STG_ID_TARGET_GONE },
		{ "config", STG_ID_TARGET_CONFIG }, { "safety", STG_ID_TARGET_REHEARSAL }, { "disk", STG_ID_TARGET_FILE }, { "line", STG_ID_LINE_CLOSED },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(ids); i++)
		if (strcmp(ids[i].state, state) == 0)
			return ids[i].id;
	return 0;
}

/* A record as the inventory makes them, for trying a target that has nothing to send yet. */
static json_t *sample_record(bool rehearsal)
{
	char now[STG_TIME_TEXT];
	stg_time_text(stg_wall_ms(), now);
	return json_pack("{s:s,s:s,s:s,s:i,s:b,s:s,s:b,s:{s:s,s:s,s:s,s:s,s:[s],s:s},s:s,s:{s:s}}", "schema", "stager.result/1", "record_id",
			 "00000000-0000-7000-8000-000000000000", "station", "sample", "seq", 0, "sample", 1, "end", "staged", "rehearsal", rehearsal ? 1 : 0, "device",
			 "serial", "SAMPLE000000", "model", "iPad13,18", "model_name", "iPad (10th generation)", "os_version", "17.6.1", "imei", "353245010000010",
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

static json_t *try_web(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_error *err)
{
	struct push_request r = { 0 };
	json_t *shown = NULL;
	if (push_request_make(t, rows, records, stg_wall_ms() / 1000, &r, err)) {
		shown = json_object();
		if (stg_secret_is_set(&r.bearer))
			stg_json_put(r.headers, "Authorization", "Bearer ***");
		mask_headers(&t->credentials, r.headers);
		STG_AUTO(stg_free_at) char *body = stg_strdup(stg_buf_str(&r.body));
		push_credentials_hide(&t->credentials, body);
		stg_json_put(shown, "method", r.method);
		stg_json_put(shown, "url", r.url);
		stg_json_put_new(shown, "headers", json_incref(r.headers));
		stg_json_put(shown, "body", body);
		stg_json_put_bool(shown, "client_certificate", *stg_json_str(t->credentials.values, "client_pem"));
	}
	push_request_clear(&r);
	return shown;
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
	STG_AUTO(stg_json_free_at) json_t *rows = json_pack("[{s:s,s:s}]", "record_id", id, "idempotency_key", id);
	if (!t.is_file)
		return try_web(&t, rows, records, err);
	char path[4096];
	if (!push_file_path(&t, path, sizeof(path), err))
		return NULL;
	json_t *shown = json_object();
	stg_json_put(shown, "path", path);
	stg_json_put(shown, "format", stg_json_str_or(t.config, "format", "jsonl"));
	return shown;
}
