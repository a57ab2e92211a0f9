/*
 * format.c - the format of connector files: every key, what it may hold, and the line of each mistake.
 *
 * For:    connector.c. The keys are explained to administrators in README.md of this room.
 * Uses:   <stager/yaml.h>; jq.c to compile the field maps.
 * Called: for each file, when a target is opened or checked.
 * Thread: any; no state.
 *
 * What is read becomes the JSON of parts.h. A file with `phases` has one exchange for each; what the phases share may stand
 * beside them, and a phase's own word wins.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/jwt.h>
#include <stager/yaml.h>

#include "parts.h"

#define EXCHANGE_KEYS "batch", "item", "fields", "natural_key", "lookup", "request", "update", "answer", "receipts", "rejects", "errors", "operation"

/* Where a key of an exchange is looked for: in the phase, then beside the phases. */
struct reading {
	const struct stg_yaml *y;
	const struct stg_yaml_node *root, *phase;
	const struct stg_yaml_node *settings;   /* the mapping, NULL: none declared */
	bool in_login;                  /* user and password may be named */
};

static const struct stg_yaml_node *find(const struct reading *r, const char *key)
{
	const struct stg_yaml_node *n = r->phase ? stg_yaml_get(r->phase, key) : NULL;
	return n ? n : stg_yaml_get(r->root, key);
}

static const struct stg_yaml_node *where(const struct reading *r)
{
	return r->phase ? r->phase : r->root;
}

/* ---- words of paths and headers ---- */

static bool word_known(const struct reading *r, const char *word)
{
	static const char *const words[] = { "base_url", "record_id", "delivery_batch_id", "idempotency_key", "now_s", "key", "page", "op_ref", NULL };
	static const char *const own[] = { "url", "auth", "signature", "site", "user", "client_id", "key_id", NULL };
	if (r->in_login && (strcmp(word, "user") == 0 || strcmp(word, "secret") == 0 || strcmp(word, "secret_base64") == 0))
		return true;
	for (size_t i = 0; words[i]; i++)
		if (strcmp(words[i], word) == 0)
			return !r->in_login || strcmp(word, "base_url") == 0;
	if (r->in_login && strncmp(word, "config.", 7) != 0)
		return false;
	if (strncmp(word, "item.", 5) == 0 || strncmp(word, "found.", 6) == 0)
		return strchr(word, '.')[1] != 0;
	if (strncmp(word, "config.", 7) != 0 || !word[7])
		return false;
	for (size_t i = 0; own[i]; i++)
		if (strcmp(own[i], word + 7) == 0)
			return true;
	return r->settings && stg_yaml_get(r->settings, word + 7);
}

/* Every {{word}} of a scalar must be one that delivery can fill. */
static bool words_ok(const struct reading *r, const struct stg_yaml_node *n, const char *text, struct stg_error *err)
{
	for (const char *p = text; (p = strstr(p, "{{"));) {
		char word[64];
		const char *end = strstr(p, "}}");
		if (!end || (size_t)(end - p - 2) >= sizeof(word))
			return stg_yaml_fail(r->y, n, err, "'{{' without '}}', {{record_id}} or the like was expected");
		snprintf(word, sizeof(word), "%.*s", (int)(end - p - 2), p + 2);
		if (!word_known(r, word))
			return stg_yaml_fail(r->y, n, err, "{{%.40s}} is not known, one of record_id, delivery_batch_id, idempotency_key, now_s, base_url, key, item.NAME, "
					     "found.NAME, page, op_ref, config.NAME of a setting was expected", word);
		p = end + 2;
	}
	return true;
}

/* ---- values ---- */

static bool put_string(const struct stg_yaml *y, const struct stg_yaml_node *map, const char *key, bool required, json_t *ret, struct stg_error *err)
{
	const struct stg_yaml_node *n = stg_yaml_get(map, key);
	const char *text;
	if (!n)
		return !required || stg_yaml_fail(y, map, err, "'%s' is missing", key);
	if (!stg_yaml_string(y, n, &text, err))
		return false;
	stg_json_put_new(ret, key, json_string(text));
	return true;
}

static bool put_words(const struct reading *r, const struct stg_yaml_node *map, const char *key, bool required, json_t *ret, struct stg_error *err)
{
	return put_string(r->y, map, key, required, ret, err) &&
	       (!stg_yaml_get(map, key) || words_ok(r, stg_yaml_get(map, key), stg_json_str(ret, key), err));
}

static bool put_int(const struct stg_yaml *y, const struct stg_yaml_node *map, const char *key, int64_t least, int64_t most, int64_t absent, json_t *ret,
		    struct stg_error *err)
{
	const struct stg_yaml_node *n = map ? stg_yaml_get(map, key) : NULL;
	int64_t value = absent;
	if (n && !stg_yaml_int(y, n, least, most, &value, err))
		return false;
	stg_json_put_int(ret, key, value);
	return true;
}

/* A duration becomes `as` in milliseconds. */
static bool put_ms(const struct stg_yaml *y, const struct stg_yaml_node *map, const char *key, const char *as, int64_t least, int64_t most, int64_t absent,
		   json_t *ret, struct stg_error *err)
{
	const struct stg_yaml_node *n = map ? stg_yaml_get(map, key) : NULL;
	int64_t value = absent;
	if (n && !stg_yaml_duration(y, n, &value, err))
		return false;
	if (value < least || value > most)
		return stg_yaml_fail(y, n, err, "'%s' of %lld ms, %lld s to %lld s was expected", key, (long long)value, (long long)least / 1000, (long long)most / 1000);
	stg_json_put_int(ret, as, value);
	return true;
}

/* One of a few words. */
static bool put_choice(const struct stg_yaml *y, const struct stg_yaml_node *map, const char *key, const char *const *choices, json_t *ret, struct stg_error *err)
{
	const struct stg_yaml_node *n = stg_yaml_get(map, key);
	char all[200] = "";
	const char *text;
	if (!n)
		return true;
	if (!stg_yaml_string(y, n, &text, err))
		return false;
	for (size_t i = 0; choices[i]; i++) {
		if (strcmp(choices[i], text) == 0) {
			stg_json_put(ret, key, text);
			return true;
		}
		size_t at = strlen(all);
		snprintf(all + at, sizeof(all) - at, "%s%s", i ? ", " : "", choices[i]);
	}
	return stg_yaml_fail(y, n, err, "%s '%.40s', one of %s was expected", key, text, all);
}

/* A jq program, compiled once so that its mistakes are found here with their line. */
static bool program_ok(const struct stg_yaml *y, const struct stg_yaml_node *n, const char *key, const char *program, struct stg_error *err)
{
	struct stg_error why = { 0 };
	if (!*program || push_jq_compiles(program, &why))
		return true;
	if (why.code != STG_E_INPUT) {
		if (err)
			*err = why;
		return false;
	}
	return stg_yaml_fail(y, n, err, "'%s' is not a jq program: %.120s", key, why.msg);
}

static bool put_program(const struct stg_yaml *y, const struct stg_yaml_node *map, const char *key, bool required, json_t *ret, struct stg_error *err)
{
	return put_string(y, map, key, required, ret, err) && program_ok(y, stg_yaml_get(map, key), key, stg_json_str(ret, key), err);
}

static bool is_map(const struct stg_yaml *y, const struct stg_yaml_node *n, const char *key, const char *const *known, struct stg_error *err)
{
	if (n->kind != STG_YAML_MAP)
		return stg_yaml_fail(y, n, err, "'%s' is not a mapping, {key: value, ...} was expected", key);
	return !known || stg_yaml_only(y, n, known, err);
}

/* ---- authentication and settings ---- */

static bool put_kind(const struct stg_yaml *y, const struct stg_yaml_node *n, const char **ret, struct stg_error *err)
{
	if (!stg_yaml_string(y, n, ret, err))
		return false;
	return push_auth_known(*ret) || stg_yaml_fail(y, n, err, "'%.40s' is not a kind of authentication, one of %s was expected", *ret, push_auth_kinds());
}

/* What a kind cannot do without in the file. */
static bool kind_complete(const struct reading *r, const struct stg_yaml_node *map, const json_t *connector, struct stg_error *err)
{
	static const char *const signing_in[] = { "oauth2-client-credentials", "oauth2-client-assertion", "oauth2-minted-assertion", "jwt-bearer", "session-login" };
	const json_t *auth = json_object_get(connector, "auth");
	if (push_auth_allowed(connector, "header") && !*stg_json_str(auth, "header"))
		return stg_yaml_fail(r->y, map, err, "'header' is missing, the name of the header that carries the token was expected");
	for (size_t i = 0; i < STG_ARRAY_LEN(signing_in); i++)
		if (push_auth_allowed(connector, signing_in[i]) && !*stg_json_str(auth, "token_url"))
			return stg_yaml_fail(r->y, map, err, "'token_url' is missing, %s asks there for its token", signing_in[i]);
	if (push_auth_allowed(connector, "session-login") && !json_object_get(auth, "login"))
		return stg_yaml_fail(r->y, map, err, "'login' is missing, {body: ..., take: body.NAME} was expected for session-login");
	return !*stg_json_str(auth, "sign") || stg_jwt_alg_ok(stg_json_str(auth, "sign")) ||
	       stg_yaml_fail(r->y, stg_yaml_get(map, "sign"), err, "'%.20s' is not a signature, RS256, PS256 or ES256 was expected", stg_json_str(auth, "sign"));
}

static bool read_headers(const struct reading *r, const struct stg_yaml_node *map, json_t *list, struct stg_error *err);

/* How a session is opened: what is sent, and where it stands in the answer. */
static bool read_login(const struct reading *r, const struct stg_yaml_node *auth, json_t *ret, struct stg_error *err)
{
	static const char *const known[] = { "method", "headers", "body", "take", "send_as", "life", NULL }, *const methods[] = { "POST", "GET", "PUT", NULL };
	const struct stg_yaml_node *map = stg_yaml_get(auth, "login");
	struct reading in = *r;
	int64_t life_ms;
	if (!map)
		return true;
	json_t *login = json_object(), *headers = json_object();
	stg_json_put_new(ret, "login", login);
	stg_json_put_new(login, "headers", headers);
	in.in_login = true;
	if (!is_map(r->y, map, "login", known, err) || !put_choice(r->y, map, "method", methods, login, err) || !read_headers(r, map, headers, err) ||
	    !put_words(&in, map, "body", false, login, err) || !put_string(r->y, map, "take", false, login, err) || !put_string(r->y, map, "send_as", false, login, err) ||
	    !put_ms(r->y, map, "life", "life_ms", 60000, 86400000, 600000, login, err))
		return false;
	const char *take = stg_json_str_or(login, "take", "body");
	if (strcmp(take, "body") != 0 && strncmp(take, "body.", 5) != 0 && strncmp(take, "header.", 7) != 0)
		return stg_yaml_fail(r->y, stg_yaml_get(map, "take"), err, "take '%.40s', body, body.NAME or header.NAME was expected", take);
	life_ms = stg_json_int(login, "life_ms", 0);
	stg_json_put_int(login, "life_s", life_ms / 1000);
	return true;
}

static bool read_auth(const struct reading *r, json_t *ret, struct stg_error *err)
{
	static const char *const known[] = { "kind", "also", "token_url", "scope", "audience", "subject", "sign", "thumbprint", "header", "login", NULL };
	static const char *const texts[] = { "token_url", "scope", "audience", "subject", "sign", "header" };
	const struct stg_yaml_node *map = stg_yaml_get(r->root, "auth"), *kind, *also, *thumb;
	const char *word;
	bool with_thumb = false;
	if (!map)
		return stg_yaml_fail(r->y, r->root, err, "'auth' is missing");
	if (!is_map(r->y, map, "auth", known, err))
		return false;
	kind = stg_yaml_get(map, "kind");
	if (!kind)
		return stg_yaml_fail(r->y, map, err, "'kind' is missing, one of %s was expected", push_auth_kinds());
	json_t *auth = json_object(), *list = json_array();
	stg_json_put_new(ret, "auth", auth);
	stg_json_put_new(auth, "also", list);
	if (!put_kind(r->y, kind, &word, err))
		return false;
	stg_json_put(auth, "kind", word);
	also = stg_yaml_get(map, "also");
	if (also && also->kind != STG_YAML_LIST)
		return stg_yaml_fail(r->y, also, err, "'also' is not a list, [bearer, none] was expected");
	for (const struct stg_yaml_node *n = also ? also->child : NULL; n; n = n->next) {
		if (!put_kind(r->y, n, &word, err))
			return false;
		json_array_append_new(list, json_string(word));
	}
	for (size_t i = 0; i < STG_ARRAY_LEN(texts); i++)
		if (!put_words(r, map, texts[i], false, auth, err))
			return false;
	if (!read_login(r, map, auth, err))
		return false;
	thumb = stg_yaml_get(map, "thumbprint");
	if (thumb && !stg_yaml_bool(r->y, thumb, &with_thumb, err))
		return false;
	stg_json_put_bool(auth, "thumbprint", with_thumb);
	return kind_complete(r, map, ret, err);
}

/* What a target must or may say for this connector: --config NAME=VALUE. */
static bool read_settings(struct reading *r, json_t *ret, struct stg_error *err)
{
	static const char *const known[] = { "about", "required", "default", NULL };
	const struct stg_yaml_node *map = stg_yaml_get(r->root, "settings");
	json_t *all = json_object();
	stg_json_put_new(ret, "settings", all);
	if (!map)
		return true;
	if (!is_map(r->y, map, "settings", NULL, err))
		return false;
	r->settings = map;
	for (const struct stg_yaml_node *n = map->child; n; n = n->next) {
		const struct stg_yaml_node *required;
		json_t *one = json_object();
		bool must = false;
		stg_json_put_new(all, n->key, one);
		if (!is_map(r->y, n, n->key, known, err) || !put_string(r->y, n, "about", true, one, err) || !put_string(r->y, n, "default", false, one, err))
			return false;
		required = stg_yaml_get(n, "required");
		if (required && !stg_yaml_bool(r->y, required, &must, err))
			return false;
		stg_json_put_bool(one, "required", must);
	}
	return true;
}

/* ---- requests ---- */

static bool method_ok(const struct stg_yaml *y, const struct stg_yaml_node *map, json_t *ret, struct stg_error *err)
{
	static const char *const methods[] = { "POST", "PUT", "PATCH", "GET", "HEAD", "OPTIONS", NULL };
	return stg_yaml_get(map, "method") ? put_choice(y, map, "method", methods, ret, err) : stg_yaml_fail(y, map, err, "'method' is missing");
}

static bool read_headers(const struct reading *r, const struct stg_yaml_node *map, json_t *list, struct stg_error *err)
{
	const struct stg_yaml_node *headers = stg_yaml_get(map, "headers");
	if (headers && headers->kind != STG_YAML_MAP)
		return stg_yaml_fail(r->y, headers, err, "'headers' is not a mapping, {Name: value} was expected");
	for (const struct stg_yaml_node *n = headers ? headers->child : NULL; n; n = n->next) {
		const char *value;
		if (!stg_yaml_string(r->y, n, &value, err) || !words_ok(r, n, value, err))
			return false;
		stg_json_put_new(list, n->key, json_string(value));
	}
	return true;
}

static bool read_call(const struct reading *r, const struct stg_yaml_node *map, bool needs_body, json_t *ret, struct stg_error *err)
{
	json_t *list = json_object();
	stg_json_put_new(ret, "headers", list);
	return method_ok(r->y, map, ret, err) && put_words(r, map, "path", true, ret, err) && put_program(r->y, map, "body", needs_body, ret, err) &&
	       read_headers(r, map, list, err);
}

/* `request` and `update`: what tells new devices and those the receiver has already. */
static bool read_writing(const struct reading *r, const char *key, json_t *ret, struct stg_error *err)
{
	static const char *const known[] = { "method", "path", "headers", "body", NULL };
	const struct stg_yaml_node *map = find(r, key);
	if (!map)
		return true;
	json_t *call = json_object();
	stg_json_put_new(ret, key, call);
	return is_map(r->y, map, key, known, err) && read_call(r, map, true, call, err);
}

/* Statuses that mean "nothing". */
static bool read_none(const struct reading *r, const struct stg_yaml_node *map, json_t *call, struct stg_error *err)
{
	const struct stg_yaml_node *none = stg_yaml_get(map, "none");
	json_t *list = json_array();
	stg_json_put_new(call, "none", list);
	if (none && none->kind != STG_YAML_LIST)
		return stg_yaml_fail(r->y, none, err, "'none' is not a list, [404] was expected");
	for (const struct stg_yaml_node *n = none ? none->child : NULL; n; n = n->next) {
		int64_t status;
		if (!stg_yaml_int(r->y, n, 400, 499, &status, err))
			return false;
		json_array_append_new(list, json_integer(status));
	}
	return true;
}

static bool read_lookup(const struct reading *r, json_t *ret, struct stg_error *err)
{
	static const char *const known[] = { "method", "path", "headers", "body", "found", "next", "page", "when", "missing", "after", "none", "each", NULL };
	static const char *const when[] = { "always", "repeat", NULL }, *const missing[] = { "send", "park", NULL };
	const struct stg_yaml_node *map = find(r, "lookup"), *each;
	bool one_by_one = false;
	if (!map)
		return true;
	json_t *call = json_object();
	stg_json_put_new(ret, "lookup", call);
	if (!is_map(r->y, map, "lookup", known, err) || !read_call(r, map, false, call, err) || !put_program(r->y, map, "found", true, call, err) ||
	    !put_program(r->y, map, "next", false, call, err) || !put_string(r->y, map, "page", false, call, err) ||
	    !put_choice(r->y, map, "when", when, call, err) || !put_choice(r->y, map, "missing", missing, call, err) ||
	    !put_ms(r->y, map, "after", "after_ms", 0, 3600000, 0, call, err))
		return false;
	each = stg_yaml_get(map, "each");
	if (each && !stg_yaml_bool(r->y, each, &one_by_one, err))
		return false;
	stg_json_put_bool(call, "each", one_by_one);
	return read_none(r, map, call, err);
}

static bool read_operation(const struct reading *r, json_t *ret, struct stg_error *err)
{
	static const char *const known[] = { "ref", "path", "headers", "done", "receipts", "most", NULL };
	const struct stg_yaml_node *map = find(r, "operation");
	if (!map)
		return true;
	json_t *op = json_object();
	stg_json_put_new(ret, "operation", op);
	stg_json_put(op, "method", "GET");
	json_t *list = json_object();
	stg_json_put_new(op, "headers", list);
	return is_map(r->y, map, "operation", known, err) && read_headers(r, map, list, err) && put_program(r->y, map, "ref", true, op, err) && put_words(r, map, "path", true, op, err) &&
	       put_program(r->y, map, "done", true, op, err) && put_program(r->y, map, "receipts", true, op, err) &&
	       put_ms(r->y, map, "most", "most_ms", 60000, 7LL * 86400000, 86400000, op, err);
}

/* Whose word counts for a value that the receiver has already. */
static bool read_fields(const struct reading *r, json_t *ret, struct stg_error *err)
{
	static const char *const words[] = { "ours", "theirs", "ask", NULL };
	const struct stg_yaml_node *map = find(r, "fields");
	json_t *all = json_object();
	stg_json_put_new(ret, "fields", all);
	if (!map)
		return true;
	if (!is_map(r->y, map, "fields", NULL, err))
		return false;
	for (const struct stg_yaml_node *n = map->child; n; n = n->next)
		if (!put_choice(r->y, map, n->key, words, all, err))
			return false;
	return true;
}

/* Statuses that mean "this record is at fault"; every other refusal is tried again. */
static bool read_rejects(const struct reading *r, json_t *ret, struct stg_error *err)
{
	const struct stg_yaml_node *list = find(r, "rejects");
	if (!list) {
		stg_json_put_new(ret, "rejects", json_pack("[i,i,i,i,i]", 400, 404, 409, 413, 422));
		return true;
	}
	if (list->kind != STG_YAML_LIST)
		return stg_yaml_fail(r->y, list, err, "'rejects' is not a list, [400, 422] was expected");
	json_t *all = json_array();
	stg_json_put_new(ret, "rejects", all);
	for (const struct stg_yaml_node *n = list->child; n; n = n->next) {
		int64_t status;
		if (!stg_yaml_int(r->y, n, 400, 499, &status, err))
			return false;
		json_array_append_new(all, json_integer(status));
	}
	return true;
}

static bool read_sizes(const struct reading *r, json_t *ret, struct stg_error *err)
{
	static const char *const known_batch[] = { "max_items", "max_bytes", NULL }, *const known_answer[] = { "type", "max_bytes", NULL };
	const struct stg_yaml_node *batch = find(r, "batch"), *answer = find(r, "answer");
	json_t *b = json_object(), *a = json_object();
	stg_json_put_new(ret, "batch", b);
	stg_json_put_new(ret, "answer", a);
	if ((batch && !is_map(r->y, batch, "batch", known_batch, err)) || (answer && !is_map(r->y, answer, "answer", known_answer, err)) ||
	    !put_int(r->y, batch, "max_items", 1, 5000, 1, b, err) || !put_int(r->y, batch, "max_bytes", 1000, PUSH_BODY_MAX, 1000000, b, err) ||
	    !put_int(r->y, answer, "max_bytes", 1000, PUSH_ANSWER_MAX, 1 << 20, a, err))
		return false;
	stg_json_put(a, "type", "application/json");
	return !answer || put_string(r->y, answer, "type", false, a, err);
}

/* A program or text that may stand in the phase or beside the phases. */
static bool put_shared(const struct reading *r, const char *key, bool is_program, json_t *ret, struct stg_error *err)
{
	const struct stg_yaml_node *n = find(r, key);
	const struct stg_yaml_node *map = n && r->phase && stg_yaml_get(r->phase, key) ? r->phase : r->root;
	return !n || (is_program ? put_program(r->y, map, key, true, ret, err) : put_string(r->y, map, key, true, ret, err));
}

/* What one exchange needs so that nothing is lost or doubled. */
static bool exchange_whole(const struct reading *r, const json_t *x, struct stg_error *err)
{
	const bool many = stg_json_int(json_object_get(x, "batch"), "max_items", 1) > 1, keyed = *stg_json_str(x, "natural_key");
	const json_t *lookup = json_object_get(x, "lookup");
	/* a receiver that takes nothing can still be asked whether it shows the device */
	const bool only_asks = strcmp(stg_json_str(lookup, "when"), "always") == 0 && strcmp(stg_json_str(lookup, "missing"), "park") == 0 &&
			       !json_object_size(json_object_get(x, "fields"));
	if (!json_object_get(x, "request") && !json_object_get(x, "update") && !only_asks)
		return stg_yaml_fail(r->y, where(r), err, "'request' is missing");
	if (!keyed && ((many && (*stg_json_str(x, "receipts") || json_object_get(x, "operation"))) || lookup))
		return stg_yaml_fail(r->y, where(r), err, "'natural_key' is missing, %s are matched to records by it", lookup ? "the answers of 'lookup'" : "receipts");
	if (json_object_get(x, "update") && strcmp(stg_json_str(lookup, "when"), "always") != 0)
		return stg_yaml_fail(r->y, find(r, "update"), err, "'update' is for what a lookup found, 'lookup: {when: always, ...}' was expected beside it");
	if (lookup && !json_object_get(x, "request") && strcmp(stg_json_str(lookup, "missing"), "park") != 0)
		return stg_yaml_fail(r->y, find(r, "lookup"), err, "without 'request' a device that is not found cannot be told, 'missing: park' was expected");
	if (json_object_size(json_object_get(x, "fields")) && (!lookup || !*stg_json_str(x, "item")))
		return stg_yaml_fail(r->y, find(r, "fields"), err, "'fields' compares 'item' with what 'lookup' finds, both were expected");
	return true;
}

static bool read_exchange(const struct reading *r, json_t *ret, struct stg_error *err)
{
	return read_sizes(r, ret, err) && put_shared(r, "item", true, ret, err) && read_fields(r, ret, err) && put_shared(r, "natural_key", false, ret, err) &&
	       read_lookup(r, ret, err) && read_writing(r, "request", ret, err) && read_writing(r, "update", ret, err) &&
	       put_shared(r, "receipts", true, ret, err) && read_rejects(r, ret, err) && put_shared(r, "errors", true, ret, err) && read_operation(r, ret, err) &&
	       exchange_whole(r, ret, err);
}

/* Is it told already of devices that only an order names? */
static bool read_ordered(const struct reading *r, const struct stg_yaml_node *phase, json_t *ret, struct stg_error *err)
{
	const struct stg_yaml_node *n = stg_yaml_get(phase, "ordered");
	bool is_told = false;
	if (!n)
		return true;
	if (strcmp(phase->key, "A") != 0)
		return stg_yaml_fail(r->y, n, err, "'ordered' is for what is told before enrolment, phase A was expected");
	if (!stg_yaml_bool(r->y, n, &is_told, err))
		return false;
	stg_json_put_bool(ret, "ordered", is_told);
	return true;
}

static bool read_phases(struct reading *r, json_t *ret, struct stg_error *err)
{
	static const char *const letters[] = { "A", "B", "E", NULL }, *const keys[] = { "about", "ordered", EXCHANGE_KEYS, NULL };
	const struct stg_yaml_node *map = stg_yaml_get(r->root, "phases");
	/* only a file, no interface */
	if (!map && json_object_get(ret, "console") && !find(r, "request") && !find(r, "update") && !find(r, "lookup"))
		return true;
	if (!map)
		return read_exchange(r, ret, err);
	json_t *all = json_object();
	stg_json_put_new(ret, "phases", all);
	if (!is_map(r->y, map, "phases", letters, err))
		return false;
	if (!map->child)
		return stg_yaml_fail(r->y, map, err, "'phases' is empty, A: {...} (before enrolment) or B: {...} (after it) was expected");
	for (const struct stg_yaml_node *n = map->child; n; n = n->next) {
		json_t *x = json_object();
		stg_json_put_new(all, n->key, x);
		if (!is_map(r->y, n, n->key, keys, err) || !read_ordered(r, n, x, err))
			return false;
		r->phase = n;
		if (!read_exchange(r, x, err))
			return false;
	}
	r->phase = NULL;
	return true;
}

/* ---- the rest ---- */

static bool read_test(const struct reading *r, json_t *ret, struct stg_error *err)
{
	static const char *const known[] = { "method", "path", "headers", NULL };
	const struct stg_yaml_node *map = stg_yaml_get(r->root, "test");
	if (!map)
		return true;
	json_t *test = json_object(), *headers = json_object();
	stg_json_put_new(ret, "test", test);
	stg_json_put_new(test, "headers", headers);
	return is_map(r->y, map, "test", known, err) && method_ok(r->y, map, test, err) && put_words(r, map, "path", true, test, err) &&
	       read_headers(r, map, headers, err);
}

/* The MDM's own list of all its devices, page by page: what it has confirmed. */
static bool read_devices(const struct reading *r, json_t *ret, struct stg_error *err)
{
	static const char *const known[] = { "method", "path", "headers", "body", "found", "next", "page", "step", "none", NULL }, *const steps[] = { "pages", "items", NULL };
	const struct stg_yaml_node *map = stg_yaml_get(r->root, "devices");
	if (!map)
		return true;
	json_t *call = json_object();
	stg_json_put_new(ret, "devices", call);
	if (!is_map(r->y, map, "devices", known, err) || !read_call(r, map, false, call, err) || !put_program(r->y, map, "found", true, call, err) ||
	    !put_program(r->y, map, "next", false, call, err) || !put_string(r->y, map, "page", false, call, err) || !read_none(r, map, call, err))
		return false;
	if (!put_choice(r->y, map, "step", steps, call, err))
		return false;
	if (stg_yaml_get(map, "step") && (stg_yaml_get(map, "next") || !stg_yaml_get(map, "page")))
		return stg_yaml_fail(r->y, map, err, "'step' counts {{page}} from a 'page' and has no 'next' beside it");
	return !push_call_is_single(call) || stg_yaml_fail(r->y, map, err, "'devices' asks for all of them, a path without {{key}}, {{item.NAME}} or {{found.NAME}} was expected");
}

/* What this kind of MDM calls the orders it takes with a result; an order that is not there, it does not take. */
static bool read_orders(const struct reading *r, json_t *ret, struct stg_error *err)
{
	static const char *const known[] = { "clear_passcode", "erase", "lock", NULL };
	const struct stg_yaml_node *map = stg_yaml_get(r->root, "orders");
	json_t *orders = json_object();
	stg_json_put_new(ret, "orders", orders);
	if (!map)
		return true;
	if (!is_map(r->y, map, "orders", known, err))
		return false;
	for (size_t i = 0; known[i]; i++)
		if (!put_string(r->y, map, known[i], false, orders, err))
			return false;
	return true;
}

/* The file that its console imports: a target of the kind `console` with this connector as its layout. */
static bool read_console(const struct reading *r, json_t *ret, struct stg_error *err)
{
	static const char *const known[] = { "about", "heading", "row", "key", "max_rows", "max_bytes", NULL };
	const struct stg_yaml_node *map = stg_yaml_get(r->root, "console"), *heading;
	if (!map)
		return true;
	json_t *console = json_object(), *names = json_array();
	stg_json_put_new(ret, "console", console);
	stg_json_put_new(console, "heading", names);
	if (!is_map(r->y, map, "console", known, err) || !put_string(r->y, map, "about", true, console, err) || !put_program(r->y, map, "row", true, console, err) ||
	    !put_int(r->y, map, "key", 1, 100, 1, console, err) || !put_int(r->y, map, "max_rows", 1, 1000000, 5000, console, err) ||
	    !put_int(r->y, map, "max_bytes", 1000, 60000000, 5000000, console, err))
		return false;
	heading = stg_yaml_get(map, "heading");
	if (heading && heading->kind != STG_YAML_LIST)
		return stg_yaml_fail(r->y, heading, err, "'heading' is not a list, [Serial Number, Asset Tag] was expected");
	for (const struct stg_yaml_node *n = heading ? heading->child : NULL; n; n = n->next) {
		const char *name;
		if (!stg_yaml_string(r->y, n, &name, err))
			return false;
		if (strpbrk(name, ",\r\n"))
			return stg_yaml_fail(r->y, n, err, "a column's name has no comma");
		json_array_append_new(names, json_string(name));
	}
	return true;
}

/* At most so many requests in so long. */
static bool read_rate(const struct reading *r, json_t *ret, struct stg_error *err)
{
	static const char *const known[] = { "requests", "per", NULL };
	const struct stg_yaml_node *map = stg_yaml_get(r->root, "rate");
	if (!map)
		return true;
	json_t *rate = json_object();
	stg_json_put_new(ret, "rate", rate);
	return is_map(r->y, map, "rate", known, err) && put_int(r->y, map, "requests", 1, 100000, 1, rate, err) &&
	       put_ms(r->y, map, "per", "per_ms", 1000, 86400000, 1000, rate, err);
}

json_t *push_format_read(const char *file, struct stg_bytes text, struct stg_error *err)
{
	static const char *const known[] = { "name", "about", "auth", "settings", "timeout", "test", "orders", "devices", "rate", "console", "phases", EXCHANGE_KEYS, NULL };
	STG_AUTO(stg_yaml_free_at) struct stg_yaml *y = stg_yaml_parse(file, text, err);
	if (!y)
		return NULL;
	struct reading r = { .y = y, .root = stg_yaml_root(y) };
	STG_AUTO(stg_json_free_at) json_t *c = json_object();
	stg_json_put_int(c, "v", 1);
	stg_json_put(c, "file", file);
	if (!r.root || r.root->kind != STG_YAML_MAP) {
		stg_yaml_fail(y, r.root, err, "not a mapping, 'name: ...' was expected");
		return NULL;
	}
	if (!stg_yaml_only(y, r.root, known, err) || !put_string(y, r.root, "name", true, c, err) || !put_string(y, r.root, "about", true, c, err) ||
	    !read_settings(&r, c, err) || !read_auth(&r, c, err) || !read_test(&r, c, err) || !read_orders(&r, c, err) || !read_devices(&r, c, err) || !read_rate(&r, c, err) ||
	    !read_console(&r, c, err) ||
	    !put_ms(y, r.root, "timeout", "timeout_ms", 1000, 300000, 60000, c, err) || !read_phases(&r, c, err))
		return NULL;
	return stg_steal(c);
}
