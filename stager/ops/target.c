/*
 * target.c - the servers and files that results go to.
 *
 * For:    cmd/target.c, the demo.
 * Uses:   <stager/push.h> to check what is given before it is kept; credentials are sealed and never come out again.
 * Called: as operations.
 * Thread: the recorder's. target.test reads there what it needs and asks the server on a thread of its own.
 *
 *   target.add    {"name","connector","config":{"url","auth","signature","pin"...},"credentials":{"token","secret"},
 *                  "enabled","replace"; "url","auth","token","secret" may also stand beside} [+ cert: client certificate
 *                  and key, PEM] [+ ca: of the server, PEM] [+ key: to sign in with, PEM, its certificate beside it] [+ pin: of the
 *                  token that config.client_key names, the first line] -> the target
 *   target.list   -> [{"name","connector","config","enabled","state","text","code","waiting","delivered","rejected","in_doubt"}]
 *   target.remove {"name"} -> {"name"}: nothing may wait for it; its credentials are forgotten, its history stays
 *   target.check  {"name"} -> {"name","ok"}: settings, connector and credentials fit together
 *                 file: a connector -> {"file","name","about","phases","auth":[...],"settings":[{"name","about","required","default"}],"ok"}
 *   target.try    {"name","record_id"} [+ record: a file] -> the exact requests, secrets masked, nothing sent
 *   target.test   {"name"} -> {"name","ok","class","status","text"}: whether it answers and would take us
 *   target.schema {"name","apply":bool} -> {"name","sql","have","want"}: the tables it needs at its receiver; made there with "apply"
 *   target.connectors -> [{"name","about","where"}]
 *                 {"name"}: one of them -> {"name","about","where","phases","auth":[...],"settings":[...],"console"}; what has no file has no more than the first three
 */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include <stager/file.h>
#include <stager/op.h>
#include <stager/push.h>

#include "_asking.h"

#define PEM_MAX (256u << 10)
#define RECORD_MAX (4u << 20)

static bool audit(struct stg_op_ctx *c, const char *verb, const json_t *target, struct stg_error *err)
{
	return stg_op_audit(c, verb, stg_json_str(target, "name"), NULL,
			    json_pack("{s:s,s:s,s:b}", "connector", stg_json_str(target, "connector"), "url", stg_json_str(json_object_get(target, "config"), "url"),
				      "enabled", stg_json_bool(target, "enabled", true)), err);
}

/* A file the person gave under this name; empty when there is none. */
static bool read_given(struct stg_op_ctx *c, const json_t *in, const char *name, size_t place, const char *must_hold, struct stg_buf *ret, struct stg_error *err)
{
	int fd = stg_op_fd(c, in, name, place);
	struct stg_error why = { 0 };
	if (fd < 0)
		return true;
	if (!stg_file_read_fd(fd, ret, &why))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, why.origin, "%s: %s", name, why.msg);
	return strstr(stg_buf_str(ret), must_hold) != NULL ||
	       stg_fail_id(err, STG_E_INPUT, STG_ID_NOT_PEM, 0, "%s: %s", name, must_hold);
}

/* What the person gave becomes one JSON text, which is sealed as a whole. Empty when nothing was given. */
static bool gather_credentials(struct stg_op_ctx *c, const json_t *in, struct stg_secret *ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf pem = STG_BUF(PEM_MAX);
	STG_AUTO(stg_buf_clear) struct stg_buf key_pem = STG_BUF(PEM_MAX);
	STG_AUTO(stg_buf_clear) struct stg_buf pin = STG_BUF(256);
	/* a key in a token has its certificate here and nothing more */
	const bool in_token = *stg_json_str(json_object_get(in, "config"), "client_key");
	if (!read_given(c, in, "cert", 0, in_token ? "BEGIN CERTIFICATE-----" : "PRIVATE KEY-----", &pem, err) ||
	    !read_given(c, in, "key", 2, "PRIVATE KEY-----", &key_pem, err) || !read_given(c, in, "pin", 3, "", &pin, err))
		return false;
	json_t *all = json_object(), *value;
	const char *key;
	json_object_foreach(json_object_get(in, "credentials"), key, value)
		json_object_set(all, key, value);
	stg_json_put(all, "token", stg_json_str(in, "token"));
	stg_json_put(all, "secret", stg_json_str(in, "secret"));
	if (pem.len)
		stg_json_put(all, "client_pem", stg_buf_str(&pem));
	if (key_pem.len)
		stg_json_put(all, "key_pem", stg_buf_str(&key_pem));
	if (pin.len) {
		char *line = (char *)(uintptr_t)stg_buf_str(&pin);
		line[strcspn(line, "\r\n")] = 0;
		stg_json_put(all, "pin", line);
	}
	bool ok = true;
	if (json_object_size(all)) {
		char *text = stg_json_text(all);
		ok = stg_secret_set(ret, stg_bytes_str(text), err);
		OPENSSL_cleanse(text, strlen(text));
		free(text);
	}
	json_decref(all);
	return ok;
}

static json_t *row_of(struct stg_op_ctx *c, const json_t *in, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf ca = STG_BUF(PEM_MAX);
	if (!read_given(c, in, "ca", 1, "BEGIN CERTIFICATE-----", &ca, err))
		return NULL;
	if (strstr(stg_buf_str(&ca), "PRIVATE KEY")) {
		stg_fail_id(err, STG_E_INPUT, STG_ID_CA_WITH_KEY, 0, "%s", "");
		return NULL;
	}
	json_t *config = json_is_object(json_object_get(in, "config")) ? json_deep_copy(json_object_get(in, "config")) : json_object();
	stg_json_put(config, "url", stg_json_str(in, "url"));
	stg_json_put(config, "auth", stg_json_str(in, "auth"));
	if (ca.len)
		stg_json_put(config, "ca_pem", stg_buf_str(&ca));
	json_t *row = json_object();
	stg_json_put(row, "name", stg_json_str(in, "name"));
	stg_json_put(row, "connector", stg_json_str_or(in, "connector", "webhook"));
	/* which phases there are the connector says; a wrong one is told by the check that follows */
	char phases[8];
	STG_AUTO(stg_json_free_at) json_t *connector =
		stg_push_is_kind(stg_json_str(row, "connector")) ? NULL : stg_connector_load(c->state_dir, stg_json_str(row, "connector"), NULL);
	stg_connector_phases(connector, phases);
	/* a directory is told nothing */
	stg_json_put(row, "phase", stg_push_is_directory(stg_json_str(row, "connector")) ? "-" : phases);
	stg_json_put_bool(row, "enabled", stg_json_bool(in, "enabled", true));
	stg_json_put_new(row, "config", config);
	return row;
}

/* Shown to people: no certificates, only that there are some. */
static json_t *public_form(const json_t *row)
{
	json_t *shown = json_deep_copy(row), *config = json_object_get(shown, "config");
	if (json_object_get(config, "ca_pem")) {
		json_object_del(config, "ca_pem");
		stg_json_put_bool(config, "own_ca", true);
	}
	stg_json_put_int(shown, "v", 1);
	return shown;
}

/* The same connector, and every setting that is an address (where it signs in, too) as it was. */
static bool same_addresses(const json_t *row, const json_t *old)
{
	const json_t *configs[] = { json_object_get(row, "config"), json_object_get(old, "config") };
	const char *key;
	json_t *value;
	for (size_t i = 0; i < 2; i++)
		json_object_foreach((json_t *)(uintptr_t)configs[i], key, value)
			if ((strcmp(key, "url") == 0 || (json_is_string(value) && strstr(json_string_value(value), "://"))) &&
			    !json_equal(value, json_object_get(configs[1 - i], key)))
				return false;
	return strcmp(stg_json_str(row, "connector"), stg_json_str(old, "connector")) == 0;
}

static bool add(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	struct stg_secret credentials = { 0 }, before = { 0 };
	struct stg_error none = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(1 << 20);
	STG_AUTO(stg_json_free_at) json_t *row = row_of(c, in, err);
	STG_AUTO(stg_json_free_at) json_t *old = row ? ops_target(c, stg_json_str(row, "name"), &before, &none) : NULL;
	bool ok = row && stg_op_may(c, "admin", err) && gather_credentials(c, in, &credentials, err);
	if (ok && old && stg_json_bool(old, "enabled", true) && !stg_json_bool(in, "replace", false))
		ok = stg_fail_id(err, STG_E_REFUSED, STG_ID_TARGET_EXISTS, 0, "%s", stg_json_str(row, "name"));
	bool kept = old && stg_secret_is_set(&before) && !stg_secret_is_set(&credentials);
	/* Old credentials go to the address they were given for, and to no other. */
	if (ok && kept && !same_addresses(row, old))
		ok = stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_ADDRESS, 0, "%s", stg_json_str(row, "name"));
	ok = ok && stg_push_check(row, kept ? &before : &credentials, c->rehearsal, c->state_dir, err);
	if (ok && stg_secret_is_set(&credentials))
		ok = stg_keys_seal(c->keys, OPS_TARGET_PURPOSE, stg_secret_reveal(&credentials), &sealed, err);
	ok = ok && stg_store_target_put(c->store, row, stg_buf_view(&sealed), err) && audit(c, "target.add", row, err);
	stg_secret_clear(&credentials);
	stg_secret_clear(&before);
	if (ok)
		*ret = public_form(row);
	return ok;
}

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	static const char *const counts[] = { "waiting", "delivered", "rejected", "in_doubt", "due_ms" };
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_targets(c->store, err);
	STG_AUTO(stg_json_free_at) json_t *sums = rows ? stg_store_outbox_summary(c->store, err) : NULL;
	size_t i, k;
	json_t *row, *sum;
	(void)in;
	if (!sums)
		return false;
	json_t *shown = json_array();
	json_array_foreach(rows, i, row) {
		json_t *one = public_form(row);
		unsigned int id = stg_push_state_id(stg_json_str(row, "state"));
		if (id)
			stg_json_put_int(one, "code", id);
		json_array_foreach(json_object_get(sums, "by_target"), k, sum)
			for (size_t n = 0; n < STG_ARRAY_LEN(counts) && strcmp(stg_json_str(sum, "name"), stg_json_str(row, "name")) == 0; n++)
				stg_json_put_int(one, counts[n], stg_json_int(sum, counts[n], 0));
		json_array_append_new(shown, one);
	}
	*ret = shown;
	return true;
}

static bool remove_target(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name");
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(4096);
	STG_AUTO(stg_json_free_at) json_t *row = stg_op_may(c, "admin", err) ? ops_target(c, name, NULL, err) : NULL;
	STG_AUTO(stg_json_free_at) json_t *sums = row ? stg_store_outbox_summary(c->store, err) : NULL;
	size_t i;
	json_t *sum;
	if (!sums)
		return false;
	json_array_foreach(json_object_get(sums, "by_target"), i, sum)
		if (strcmp(stg_json_str(sum, "name"), name) == 0 && stg_json_int(sum, "waiting", 0) + stg_json_int(sum, "carried", 0))
			return stg_fail_id(err, STG_E_REFUSED, STG_ID_TARGET_IN_USE, 0, "%s: %lld", name,
					   (long long)(stg_json_int(sum, "waiting", 0) + stg_json_int(sum, "carried", 0)));
	/* Its deliveries are history and keep its name; what it knew of secrets goes. */
	stg_json_put_bool(row, "enabled", false);
	if (!stg_keys_seal(c->keys, OPS_TARGET_PURPOSE, stg_bytes_str("{}"), &sealed, err) || !stg_store_target_put(c->store, row, stg_buf_view(&sealed), err) ||
	    !audit(c, "target.remove", row, err))
		return false;
	*ret = json_pack("{s:i,s:s,s:b}", "v", 1, "name", name, "enabled", 0);
	return true;
}

/* What a connector's file says of itself. */
static void describe(const json_t *connector, json_t *ret)
{
	const char *name;
	char phases[8];
	json_t *one;
	stg_connector_phases(connector, phases);
	json_t *settings = json_array(), *auth = json_pack("[s]", stg_json_str(json_object_get(connector, "auth"), "kind"));
	json_array_extend(auth, json_object_get(json_object_get(connector, "auth"), "also"));
	json_object_foreach(json_object_get(connector, "settings"), name, one) {
		json_t *shown = json_deep_copy(one);
		stg_json_put(shown, "name", name);
		json_array_append_new(settings, shown);
	}
	stg_json_put(ret, "name", stg_json_str(connector, "name"));
	stg_json_put(ret, "about", stg_json_str(connector, "about"));
	stg_json_put(ret, "phases", phases);
	stg_json_put_new(ret, "auth", auth);
	stg_json_put_new(ret, "settings", settings);
	stg_json_put(ret, "console", stg_json_str(json_object_get(connector, "console"), "about"));
}

/* A connector's file, wherever it lies: what is wrong with it, else what it is. */
static bool check_file(struct stg_op_ctx *c, const json_t *in, int fd, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(PEM_MAX);
	struct stg_error why = { 0 };
	const char *file = stg_json_str(in, "file");
	(void)c;
	if (!stg_file_read_fd(fd, &text, &why))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, why.origin, "%s: %s", file, why.msg);
	STG_AUTO(stg_json_free_at) json_t *connector = stg_connector_read(file, stg_buf_view(&text), err);
	if (!connector)
		return false;
	*ret = json_pack("{s:i,s:s,s:b}", "v", 1, "file", file, "ok", 1);
	describe(connector, *ret);
	return true;
}

static bool check(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	struct stg_secret credentials = { 0 };
	int fd = *stg_json_str(in, "file") ? stg_op_fd(c, in, "file", 0) : -1;
	if (fd >= 0)
		return check_file(c, in, fd, ret, err);
	STG_AUTO(stg_json_free_at) json_t *row = ops_target(c, stg_json_str(in, "name"), &credentials, err);
	bool ok = row && stg_push_check(row, &credentials, c->rehearsal, c->state_dir, err);
	stg_secret_clear(&credentials);
	if (ok)
		*ret = json_pack("{s:i,s:s,s:b}", "v", 1, "name", stg_json_str(row, "name"), "ok", 1);
	return ok;
}

/* A result the person gives instead of one of ours. NULL without an error: none was given. */
static json_t *given_record(struct stg_op_ctx *c, const json_t *in, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(RECORD_MAX);
	struct stg_error why = { 0 };
	int fd = *stg_json_str(in, "record") ? stg_op_fd(c, in, "record", 0) : -1;
	if (fd < 0)
		return NULL;
	if (!stg_file_read_fd(fd, &text, &why)) {
		stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, why.origin, "%s: %s", stg_json_str(in, "record"), why.msg);
		return NULL;
	}
	json_t *record = stg_json_parse(stg_buf_view(&text), RECORD_MAX, &why);
	if (json_is_object(json_object_get(record, "device")) && *stg_json_str(record, "record_id"))
		return record;
	stg_fail_id(err, STG_E_INPUT, STG_ID_TRY_RECORD, 0, "%s: %s", stg_json_str(in, "record"), record ? "record_id and device were expected" : why.msg);
	json_decref(record);
	return NULL;
}

static bool try_target(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *record_id = stg_json_str(in, "record_id");
	struct stg_secret credentials = { 0 };
	struct stg_error why = { 0 };
	STG_AUTO(stg_json_free_at) json_t *given = given_record(c, in, &why);
	if (why.code != STG_OK) {
		if (err)
			*err = why;
		return false;
	}
	STG_AUTO(stg_json_free_at) json_t *row = ops_target(c, stg_json_str(in, "name"), &credentials, err);
	STG_AUTO(stg_json_free_at) json_t *record = row && !given && *record_id ? stg_store_record(c->store, record_id, err) : NULL;
	if (row && (given || !*record_id || record))
		*ret = stg_push_try(row, &credentials, given ? given : json_object_get(record, "record"), c->rehearsal, c->state_dir, err);
	stg_secret_clear(&credentials);
	if (*ret)
		stg_json_put_int(*ret, "v", 1);
	return *ret != NULL;
}

/* ---- target.test: read here, asked outside ---- */

static bool test_outside(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const struct stg_push_door door = ops_asking_door(c);
	*ret = stg_push_test(&door, stg_json_str(in, "name"), err);
	if (*ret)
		stg_json_put_int(*ret, "v", 1);
	return *ret != NULL;
}

static bool test(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)ret;
	c->outside = test_outside;
	return ops_asking(c, stg_json_str(in, "name"), err);
}

/* ---- target.schema: asked outside, as the test ---- */

static bool schema_outside(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const struct stg_push_door door = ops_asking_door(c);
	*ret = stg_push_schema(&door, stg_json_str(in, "name"), stg_json_bool(in, "apply", false), err);
	if (!*ret)
		return false;
	stg_json_put(*ret, "name", stg_json_str(in, "name"));
	stg_json_put_bool(*ret, "applied", stg_json_bool(in, "apply", false));
	stg_json_put_int(*ret, "v", 1);
	return true;
}

static bool schema(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	bool apply = stg_json_bool(in, "apply", false);
	const char *name = stg_json_str(in, "name");
	(void)ret;
	c->outside = schema_outside;
	if (!ops_asking(c, name, err) || (apply && !stg_op_may(c, "admin", err)))
		return false;
	STG_AUTO(stg_json_free_at) json_t *row = apply ? ops_target(c, name, NULL, err) : NULL;
	return !apply || (row && audit(c, "target.schema", row, err));
}

static bool connectors(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name");
	STG_AUTO(stg_json_free_at) json_t *list = stg_connector_list(c->state_dir);
	size_t i;
	json_t *one = NULL;
	if (!*name) {
		*ret = stg_steal(list);
		return true;
	}
	json_array_foreach(list, i, one)
		if (strcmp(stg_json_str(one, "name"), name) == 0)
			break;
	if (i == json_array_size(list))
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_CONNECTOR_UNKNOWN, 0, "no connector '%s'", name);
	/* a receiver that is no HTTP has no file */
	STG_AUTO(stg_json_free_at) json_t *connector = stg_push_is_kind(name) ? NULL : stg_connector_load(c->state_dir, name, err);
	if (!connector && !stg_push_is_kind(name))
		return false;
	*ret = json_deep_copy(one);
	stg_json_put_int(*ret, "v", 1);
	if (connector)
		describe(connector, *ret);
	return true;
}

const struct stg_op stg_ops_target[] = {
	{ "target.add", STG_OP_STORE, add },
	{ "target.list", STG_OP_STORE, list },
	{ "target.remove", STG_OP_STORE, remove_target },
	{ "target.check", STG_OP_STORE, check },
	{ "target.try", STG_OP_STORE, try_target },
	{ "target.test", STG_OP_STORE, test },
	{ "target.schema", STG_OP_STORE, schema },
	{ "target.connectors", STG_OP_STORE, connectors },
	{ 0 },
};
