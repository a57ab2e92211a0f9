/*
 * app.c - operations on the repository of apps and documents.
 *
 * For:    `stager app`.
 * Uses:   <stager/apps.h>; the store for the audit row and for what open batches have pinned.
 * Called: through the table of operations.
 * Thread: the store's; a file is copied and read outside it, where no writer waits.
 *
 *   app.add     {file, document bool, name} with a descriptor  -> the row
 *   app.list    {}                                             -> [rows, with "what" (identifier or name) and "mark" (the hash's beginning)]
 *   app.show    {app, version}                                 -> the row; app: an identifier, a document's name, or a hash's beginning
 *   app.remove  {app, version}                                 -> [rows removed]
 */
#include <stdio.h>
#include <stdlib.h>

#include <stager/apps.h>
#include <stager/error.h>
#include <stager/op.h>

/* ---- add ---- */

struct adding {
	char file[256], name[256], by[64];
	bool document;
};

static bool add_outside(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const struct adding *a = c->carry;
	int fd = stg_op_fd(c, in, "file", 0);
	*ret = stg_apps_add(c->state_dir, fd, a->file, a->document ? a->name : NULL, a->by, err);
	if (*ret)
		stg_json_put_int(*ret, "v", 1);
	return *ret ? true : stg_while(err, "%.100s", a->file);
}

static bool add(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)ret;
	const char *file = stg_json_str_or(in, "file", "app"), *slash = strrchr(file, '/');
	bool document = stg_json_bool(in, "document", false) || *stg_json_str(in, "name");
	if (stg_op_fd(c, in, "file", 0) < 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "FILE");
	if (!stg_op_may(c, "lead", err) || !stg_op_audit(c, "app.add", slash ? slash + 1 : file, NULL, NULL, err))
		return false;
	struct adding *a = stg_calloc(1, sizeof(*a));
	a->document = document;
	stg_copy(a->file, sizeof(a->file), slash ? slash + 1 : file);
	stg_copy(a->name, sizeof(a->name), stg_json_str_or(in, "name", a->file));
	stg_copy(a->by, sizeof(a->by), c->actor);
	c->carry = a;
	c->carry_free = free;
	c->outside = add_outside;
	return true;
}

/* ---- list, show ---- */

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	size_t i;
	json_t *row;
	(void)in;
	*ret = stg_apps_list(c->state_dir, err);
	json_array_foreach(*ret, i, row) {
		char mark[9];
		stg_copy(mark, sizeof(mark), stg_json_str(row, "sha256"));
		stg_json_put(row, "what", stg_json_str_or(row, "bundle_id", stg_json_str(row, "name")));
		stg_json_put(row, "mark", mark);
	}
	return *ret != NULL;
}

static bool bears(const json_t *row, const char *word, const char *version)
{
	const char *hash = stg_json_str(row, "sha256");
	bool named = strcmp(stg_json_str(row, "bundle_id"), word) == 0 ||
		     (strcmp(stg_json_str(row, "kind"), "document") == 0 && strcmp(stg_json_str(row, "name"), word) == 0) ||
		     (strlen(word) >= 8 && strncmp(hash, word, strlen(word)) == 0);
	return named && (!*version || strcmp(stg_json_str(row, "version"), version) == 0 || strcmp(stg_json_str(row, "build"), version) == 0);
}

/* Every row that is meant; an error when there is none. */
static json_t *meant(struct stg_op_ctx *c, const json_t *in, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *all = stg_apps_list(c->state_dir, err), *some = json_array();
	const char *word = stg_json_str(in, "app");
	size_t i;
	json_t *row;
	json_array_foreach(all, i, row)
		if (bears(row, word, stg_json_str(in, "version")))
			json_array_append(some, row);
	if (all && json_array_size(some))
		return stg_steal(some);
	if (all)
		stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_APP_UNKNOWN, 0, "'%.160s' %.40s", word, stg_json_str(in, "version"));
	return NULL;
}

static bool show(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *rows = meant(c, in, err);
	if (!rows)
		return false;
	*ret = json_incref(json_array_get(rows, 0));
	stg_json_put_int(*ret, "v", 1);
	return true;
}

/* ---- remove ---- */

static bool is_pinned(const json_t *pins, const json_t *row)
{
	const char *key;
	json_t *one;
	json_object_foreach(json_object_get(pins, "profiles"), key, one)
		if (strchr(key, ':') && strcmp(stg_json_str(one, "sha256"), stg_json_str(row, "sha256")) == 0)
			return true;
	return false;
}

/* A batch that is started or paused goes on with the bytes it began with. */
static bool nobody_needs(struct stg_op_ctx *c, const json_t *rows, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *batches = stg_store_batches(c->store, err);
	size_t i, k;
	json_t *batch, *row;
	if (!batches)
		return false;
	json_array_foreach(batches, i, batch) {
		const char *name = stg_json_str(batch, "name"), *state = stg_json_str(batch, "state");
		if (strcmp(state, "started") != 0 && strcmp(state, "paused") != 0)
			continue;
		STG_AUTO(stg_json_free_at) json_t *pins = stg_store_batch_pins(c->store, name, err);
		if (!pins)
			return false;
		json_array_foreach((json_t *)(uintptr_t)rows, k, row)
			if (is_pinned(pins, row))
				return stg_fail_id(err, STG_E_REFUSED, STG_ID_APP_IN_USE, 0, "batch %.64s", name);
	}
	return true;
}

static bool take_away(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *rows = meant(c, in, err);
	size_t i;
	json_t *row;
	if (!rows || !stg_op_may(c, "lead", err) || !nobody_needs(c, rows, err))
		return false;
	json_array_foreach(rows, i, row) {
		const char *hash = stg_json_str(row, "sha256"), *name = stg_json_str_or(row, "bundle_id", stg_json_str(row, "name"));
		STG_AUTO(stg_json_free_at) json_t *detail = json_pack("{s:s}", "sha256", hash);
		if (!stg_op_audit(c, "app.remove", name, NULL, json_incref(detail), err) || !stg_apps_remove(c->state_dir, hash, err))
			return false;
	}
	*ret = stg_steal(rows);
	return true;
}

const struct stg_op stg_ops_app[] = {
	{ "app.add", STG_OP_STORE, add },
	{ "app.list", STG_OP_STORE, list },
	{ "app.show", STG_OP_STORE, show },
	{ "app.remove", STG_OP_STORE, take_away },
	{ 0 },
};
