/*
 * support.c - what may leave the house when somebody is asked for help.
 *
 * For:    `stager support`.
 * Uses:   the store, the station's keys (to know which words must not leave), the state's folder.
 * Called: as an operation.
 * Thread: collecting on the recorder's; cleaning on the thread that nobody waits for.
 *
 *   support.collect  {"texts":{name:text},"pseudonyms":bool} -> {"v":1,"files":{name:text},"blacked_out":n}: the texts the
 *                    command brought (journal, topology, ...) and the station's own, all cleaned. Files of the state are
 *                    named here, never by the person: nothing else can be asked for.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <stager/error.h>
#include <stager/file.h>
#include <stager/op.h>

#include "_blackout.h"

#define LOGS_MAX 8
#define LOG_TAIL_BYTES (1 << 20)
#define TEXT_MAX (3u << 20)
#define ALL_MAX (12u << 20)       /* one message has room for sixteen */
#define SEALED_MAX (1u << 20)
#define KEY_FILE_MAX 65536
#define ROWS_MAX 200000

struct carry {
	struct blackout *out;
	json_t *files;
};

static void carry_free(void *p)
{
	struct carry *k = p;
	blackout_free(k->out);
	json_decref(k->files);
	free(k);
}

/* ---- what must not leave ---- */

static bool know_secrets(struct stg_op_ctx *c, struct blackout *out, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = stg_store_secrets(c->store, err);
	size_t i;
	json_t *one;
	if (!list)
		return false;
	json_array_foreach(list, i, one) {
		STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX);
		STG_AUTO(stg_secret_clear) struct stg_secret plain = { 0 };
		if (!stg_store_secret_get(c->store, stg_json_str(one, "name"), &sealed, err) ||
		    !stg_keys_open_sealed(c->keys, "secret", stg_buf_view(&sealed), &plain, err))
			return stg_while(err, "secret %.64s", stg_json_str(one, "name"));
		blackout_secret(out, stg_secret_reveal(&plain));
	}
	return true;
}

static bool know_targets(struct stg_op_ctx *c, struct blackout *out, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = stg_store_targets(c->store, err);
	size_t i;
	json_t *one;
	if (!list)
		return false;
	json_array_foreach(list, i, one) {
		STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX);
		STG_AUTO(stg_secret_clear) struct stg_secret plain = { 0 };
		STG_AUTO(stg_json_free_at) json_t *row = stg_store_target(c->store, stg_json_str(one, "name"), &sealed, err);
		if (!row)
			return false;
		if (!sealed.len)
			continue;
		if (!stg_keys_open_sealed(c->keys, "target", stg_buf_view(&sealed), &plain, err))
			return stg_while(err, "target %.64s", stg_json_str(one, "name"));
		STG_AUTO(stg_json_free_at) json_t *parts = stg_json_parse(stg_secret_reveal(&plain), SEALED_MAX, NULL);
		if (parts)
			blackout_secrets_of(out, parts);
		else
			blackout_secret(out, stg_secret_reveal(&plain));
	}
	return true;
}

static void know_key_file(struct stg_op_ctx *c, struct blackout *out)
{
	STG_AUTO(stg_buf_clear) struct stg_buf key = STG_BUF(KEY_FILE_MAX);
	char path[PATH_MAX];
	if (stg_path_join(path, sizeof(path), c->state_dir, "station.key", NULL) && stg_file_read(path, &key, NULL))
		blackout_secret(out, stg_buf_view(&key));
}

/* ---- who must not be recognised ---- */

static void know_rows(struct blackout *out, const json_t *rows)
{
	static const char *const keys[] = { "serial", "udid", "imei", "imei2", "meid", "asset_tag", "wifi_mac", "bluetooth_mac" };
	size_t i;
	json_t *one;
	json_array_foreach((json_t *)(uintptr_t)rows, i, one) {
		for (size_t k = 0; k < STG_ARRAY_LEN(keys); k++)
			blackout_identifier(out, stg_json_str(one, keys[k]));
		blackout_unit(out, *stg_json_str(one, "unit") ? stg_json_str(one, "unit") : stg_json_str(one, "ecid"));
	}
}

static bool know_devices(struct stg_op_ctx *c, struct blackout *out, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret key = { 0 };
	STG_AUTO(stg_json_free_at) json_t *devices = NULL;
	STG_AUTO(stg_json_free_at) json_t *batches = NULL;
	size_t i;
	json_t *one;
	if (!stg_keys_derive(c->keys, "support pseudonyms", &key, err) || !blackout_pseudonyms(out, &key, err) ||
	    !(devices = stg_store_inventory(c->store, "", ROWS_MAX, err)) || !(batches = stg_store_batches(c->store, err)))
		return false;
	know_rows(out, devices);
	json_array_foreach(batches, i, one) {
		STG_AUTO(stg_json_free_at) json_t *rows = stg_store_batch_rows(c->store, stg_json_str(one, "name"), err);
		if (!rows)
			return false;
		know_rows(out, rows);
	}
	return true;
}

/* ---- what leaves ---- */

static void add_file(json_t *files, const char *name, const json_t *value)
{
	/* one value a line: a long line would be cut */
	char *text = json_dumps(value, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_ENCODE_ANY);
	if (text && strlen(text) <= TEXT_MAX)
		stg_json_put(files, name, text);
	free(text);
}

/* Answers of other operations, as they would stand on a screen; what fails is told in its place. */
static void add_answers(struct stg_op_ctx *c, json_t *files)
{
	static const struct { const char *op, *file, *in; } asked[] = {
		{ "status", "state/status.json", "{}" },
		{ "batch.list", "state/batches.json", "{}" },
		{ "job.list", "state/open-jobs.json", "{\"open\":true}" },
		{ "job.list", "state/failed-jobs.json", "{\"state\":\"failed\"}" },
		{ "hold.list", "state/holds.json", "{}" },
		{ "port.list", "state/ports.json", "{}" },
		{ "outbox.summary", "state/outbox.json", "{}" },
		{ "blueprint.list", "state/blueprints.json", "{}" },
		{ "profile.list", "state/profiles.json", "{}" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(asked); i++) {
		const struct stg_op *op = stg_op_find(asked[i].op);
		struct stg_error err = { 0 };
		STG_AUTO(stg_json_free_at) json_t *in = json_loads(asked[i].in, 0, NULL);
		STG_AUTO(stg_json_free_at) json_t *answer = NULL;
		struct stg_op_ctx alone = *c;
		alone.n_fds = 0;
		if (!op || !op->run(&alone, in, &answer, &err))
			answer = stg_json_from_error(&err);
		if (answer)
			add_file(files, asked[i].file, answer);
	}
}

static bool add_figures(struct stg_op_ctx *c, json_t *files, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *figures = stg_store_figures(c->store, err);
	STG_AUTO(stg_buf_clear) struct stg_buf sql = STG_BUF(TEXT_MAX);
	size_t i;
	json_t *one;
	if (!figures)
		return false;
	json_array_foreach(json_object_get(figures, "schema"), i, one)
		if (!stg_buf_printf(&sql, err, "%s;\n", json_string_value(one)))
			return false;
	json_object_del(figures, "schema");
	stg_json_put(files, "state/schema.sql", stg_buf_str(&sql));
	add_file(files, "state/counts.json", figures);
	return true;
}

/* The end of it, from the beginning of a line. */
static void add_log(json_t *files, const char *dir, const char *name)
{
	char path[PATH_MAX], as[300];
	STG_AUTO(stg_buf_clear) struct stg_buf tail = STG_BUF(LOG_TAIL_BYTES + 1);
	if (!stg_path_join(path, sizeof(path), dir, name, NULL) || snprintf(as, sizeof(as), "log/%s", name) >= (int)sizeof(as))
		return;
	STG_AUTO(stg_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
	if (size <= 0 || lseek(fd, size > LOG_TAIL_BYTES ? size - LOG_TAIL_BYTES : 0, SEEK_SET) < 0 || !stg_file_read_fd(fd, &tail, NULL))
		return;
	const uint8_t *cut = size > LOG_TAIL_BYTES ? memchr(tail.data, '\n', tail.len) : NULL;
	size_t skipped = cut ? (size_t)(cut - tail.data) + 1 : 0;
	STG_AUTO(stg_buf_clear) struct stg_buf base = STG_BUF(2 * LOG_TAIL_BYTES);
	if (stg_base64(stg_bytes(tail.data + skipped, tail.len - skipped), &base, NULL))
		stg_json_put(files, as, stg_buf_str(&base));
}

static int is_log(const struct dirent *e)
{
	const char *dot = strstr(e->d_name, ".log");
	return dot && e->d_name[0] != '.' && (!dot[4] || (dot[4] == '.' && dot[5] >= '0' && dot[5] <= '9' && !dot[6]));
}

static void add_logs(struct stg_op_ctx *c, json_t *files)
{
	struct dirent **entries = NULL;
	int n = scandir(c->state_dir, &entries, is_log, alphasort);
	for (int i = 0; i < n; i++) {
		if (i < LOGS_MAX)
			add_log(files, c->state_dir, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

/* Log bytes travel as base64 between the two halves. */
static bool bytes_of(const char *name, const char *text, struct stg_buf *ret, struct stg_error *err)
{
	return strncmp(name, "log/", 4) == 0 ? stg_unbase64(text, ret, err) : stg_buf_add_str(ret, text, err);
}

static bool clean(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	struct carry *k = c->carry;
	STG_AUTO(stg_json_free_at) json_t *files = json_object();
	const char *name;
	json_t *value;
	size_t sum = 0;
	(void)in;
	json_object_foreach(k->files, name, value) {
		STG_AUTO(stg_buf_clear) struct stg_buf raw = STG_BUF(TEXT_MAX), text = STG_BUF(2 * TEXT_MAX);
		if (!bytes_of(name, json_string_value(value), &raw, err) || !blackout_text(k->out, stg_buf_view(&raw), &text, err))
			return stg_while(err, "%s", name);
		if ((sum += text.len) > ALL_MAX)
			break;
		json_t *kept = json_stringn(stg_buf_str(&text), text.len);
		if (!kept) {
			/* not UTF-8: nothing but printable ASCII is left of it */
			for (size_t i = 0; i < text.len; i++)
				if (text.data[i] > 126 || (text.data[i] < 32 && text.data[i] != '\n' && text.data[i] != '\t'))
					text.data[i] = '?';
			kept = json_stringn(stg_buf_str(&text), text.len);
		}
		stg_json_put_new(files, name, kept);
	}
	*ret = json_pack("{s:i, s:O, s:I}", "v", 1, "files", files, "blacked_out", (json_int_t)blackout_count(k->out));
	return true;
}

static bool collect(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	struct carry *k = stg_calloc(1, sizeof(*k));
	const char *name;
	json_t *text;
	bool pseudonyms = stg_json_bool(in, "pseudonyms", false);
	(void)ret;
	c->carry = k;
	c->carry_free = carry_free;
	k->out = blackout_new();
	k->files = json_object();
	if (!stg_op_may(c, "technician", err) || !know_secrets(c, k->out, err) || !know_targets(c, k->out, err) ||
	    (pseudonyms && !know_devices(c, k->out, err)))
		return false;
	know_key_file(c, k->out);
	json_object_foreach(json_object_get(in, "texts"), name, text)
		if (strncmp(name, "state/", 6) != 0 && strncmp(name, "log/", 4) != 0 && json_string_length(text) <= TEXT_MAX)
			json_object_set(k->files, name, text);
	add_answers(c, k->files);
	add_logs(c, k->files);
	c->outside = clean;
	return add_figures(c, k->files, err) && stg_op_audit(c, "support.collect", "", "", json_pack("{s:b}", "pseudonyms", pseudonyms), err);
}

const struct stg_op stg_ops_support[] = {
	{ "support.collect", STG_OP_STORE, collect },
	{ 0 },
};
