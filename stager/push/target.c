/*
 * target.c - one configured MDM: its row, its connector and its credentials, checked against one another.
 *
 * For:    delivery.c, and the commands that check, try and test a target.
 * Uses:   connector.c, auth.c, kind.c.
 * Called: once per round and target.
 * Thread: any.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>


#include "kind.h"

/* What the connector declares, with its defaults; what it cannot do without is asked for by name. */
static bool fill_settings(struct push_target *t, struct stg_error *err)
{
	const char *name;
	json_t *one;
	json_object_foreach(json_object_get(t->connector, "settings"), name, one) {
		if (!*stg_json_str(t->config, name))
			stg_json_put(t->config, name, stg_json_str(one, "default"));
		if (stg_json_bool(one, "required", false) && !*stg_json_str(t->config, name))
			return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "setting '%.40s' is missing: %.120s", name, stg_json_str(one, "about"));
	}
	return true;
}

static bool has_field(const struct push_target *t, const char *field)
{
	static const char *const letters[] = { "A", "B", "E" };
	const json_t *phases = json_object_get(t->connector, "phases");
	bool found = json_object_get(json_object_get(t->connector, "fields"), field) != NULL;
	for (size_t i = 0; i < STG_ARRAY_LEN(letters); i++)
		found = found || json_object_get(json_object_get(json_object_get(phases, letters[i]), "fields"), field);
	return found;
}

/* The settings every connector has, those of its kinds of authentication, those it declares, and policy.FIELD. */
static bool setting_known(const struct push_target *t, const char *key, const json_t *value)
{
	static const char *const always[] = { "url", "auth", "signature", "ca_pem", "pin", "site", "client_key" }, *const signing_in[] = { "client_id", "key_id" };
	const char *word = json_string_value(value);
	for (size_t i = 0; i < STG_ARRAY_LEN(always); i++)
		if (strcmp(always[i], key) == 0)
			return true;
	for (size_t i = 0; i < STG_ARRAY_LEN(signing_in); i++)
		if (strcmp(signing_in[i], key) == 0 && *stg_json_str(json_object_get(t->connector, "auth"), "token_url"))
			return true;
	if (strcmp(key, "user") == 0 && (push_auth_allowed(t->connector, "basic") || push_auth_allowed(t->connector, "session-login")))
		return true;
	if (strncmp(key, "policy.", 7) == 0)
		return has_field(t, key + 7) && word && (strcmp(word, "ours") == 0 || strcmp(word, "theirs") == 0 || strcmp(word, "ask") == 0);
	return json_object_get(json_object_get(t->connector, "settings"), key) != NULL;
}

static bool check_web(struct push_target *t, struct stg_error *err)
{
	static const char *const forms[] = { "standard", "hub", "hmac", NULL };
	const char *key;
	json_t *value;
	if (!json_object_get(t->connector, "phases") && !json_object_get(t->connector, "request") && !json_object_get(t->connector, "lookup"))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "connector %s has only a file for a console: --connector console --config layout=%s was expected",
				   stg_json_str(t->connector, "name"), stg_json_str(t->connector, "name"));
	json_object_foreach(t->config, key, value) {
		if (setting_known(t, key, value))
			continue;
		if (strncmp(key, "policy.", 7) == 0)
			return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "setting '%.40s': a field of this connector and ours, theirs or ask were expected", key);
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "setting '%.40s' is not known for this connector", key);
	}
	if (!fill_settings(t, err))
		return false;
	const char *url = stg_json_str(t->config, "url");
	if (!*url)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "setting 'url' is missing, https://host/path was expected");
	if (strlen(url) > 1024)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "'url' is longer than 1024 characters");
	if (!stg_net_url_ok(url, true, err))
		return stg_say(err, STG_ID_TARGET_CONFIG);
	if (t->rehearsal && !stg_net_is_loopback(url))
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_TARGET_REHEARSAL, 0, "target %s is not on this machine", t->name);
	return push_config_one_of(t->config, "signature", forms, err);
}

bool push_target_phase(struct push_target *t, const char *phase)
{
	const json_t *phases = json_object_get(t->connector, "phases");
	/* a device that is only ordered is told as before its enrolment, where the connector can */
	const bool is_ordered = strcmp(phase, "P") == 0;
	t->exchange = phases ? json_object_get(phases, is_ordered ? "A" : phase) : strcmp(phase, "E") == 0 ? t->connector : NULL;
	if (is_ordered && !stg_json_bool(t->exchange, "ordered", false))
		t->exchange = NULL;
	return t->exchange != NULL || t->kind;
}

const char *push_policy(const struct push_target *t, const char *field)
{
	char key[80];
	snprintf(key, sizeof(key), "policy.%.64s", field);
	return stg_json_str_or(t->config, key, stg_json_str_or(json_object_get(t->exchange, "fields"), field, "ours"));
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
	t.config = json_object_get(target, "config") ? json_deep_copy(json_object_get(target, "config")) : json_object();
	t.kind = push_kind_find(stg_json_str(target, "connector"));
	if (!t.kind)
		t.connector = stg_connector_load(state_dir, stg_json_str(target, "connector"), err);
	if ((!t.kind && !t.connector) || !json_is_object(t.config) || !(t.kind ? t.kind->check(&t, err) : check_web(&t, err))) {
		if (t.config && !json_is_object(t.config))
			stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "the settings are not an object");
		push_target_clear(&t);
		return false;
	}
	*ret = t;
	(void)push_target_phase(ret, "E");
	return true;
}

void push_target_clear(struct push_target *t)
{
	t->exchange = NULL;
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
		{ "schema", STG_ID_TARGET_SCHEMA }, { "newer", STG_ID_TARGET_SCHEMA_NEWER }, { "mighty", STG_ID_TARGET_TOO_MIGHTY }, { "rights", STG_ID_TARGET_RIGHTS },
		{ "token_pin", STG_ID_TARGET_TOKEN_PIN }, { "token_gone", STG_ID_TARGET_TOKEN_GONE }, { "token_pair", STG_ID_TARGET_TOKEN_PAIR },
		{ "host_key", STG_ID_TARGET_HOST_KEY }, { "folder", STG_ID_TARGET_FOLDER },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(ids); i++)
		if (strcmp(ids[i].state, state) == 0)
			return ids[i].id;
	return 0;
}
