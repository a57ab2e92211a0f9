/*
 * console.c - a target that is the file a vendor's console imports: its columns, its limits, no more.
 *
 * For:    sites without credentials for an interface, and vendors whose interface cannot take what we know.
 * Uses:   the `console` part of a connector file (setting layout), jq.c, <stager/file.h>.
 * Called: delivery.c.
 * Thread: one at a time; other programs and stations are kept away by a lock on the folder.
 *
 * A device has one row: importers compare only the first, so a later result takes the place of the earlier. What is told
 * twice is the same row twice, which is no change. A full file is followed by another (NAME-2.csv). A file that was
 * imported is taken away by whoever imported it; what comes then begins a new one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <stager/file.h>

#include "../kind.h"

#define ROWS_AT_ONCE 200
#define PARTS_MAX 1000
#define PART_BYTES_MAX (64u << 20)

struct part {
	char path[4096];
	json_t *lines;          /* without the heading and line ends; one cell of each is its key */
	size_t bytes;
	bool changed;
};

struct parts {
	struct part *all;
	size_t n;
	json_t *where;          /* key -> [part, line] */
};

static void parts_clear(struct parts *p)
{
	for (size_t i = 0; i < p->n; i++)
		json_decref(p->all[i].lines);
	free(p->all);
	json_decref(p->where);
}

static const json_t *layout_of(const struct push_target *t)
{
	return json_object_get(t->config, ":console");
}

/* ---- where ---- */

static bool path_of(const struct push_target *t, size_t part, char *ret, size_t size, struct stg_error *err)
{
	char own[80], number[24] = "";
	const char *path = stg_json_str(t->config, "path");
	snprintf(own, sizeof(own), "pushed/%s.csv", t->name);
	if (!*path)
		path = own;
	if (strstr(path, "..") || path[strlen(path) - 1] == '/')
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "'path' is not a file's name without '..'");
	const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
	size_t stem = dot ? (size_t)(dot - path) : strlen(path);
	if (part)
		snprintf(number, sizeof(number), "-%zu", part + 1);
	int n = snprintf(ret, size, "%s%s%.*s%s%s", *path == '/' ? "" : t->state_dir ? t->state_dir : ".", *path == '/' ? "" : "/", (int)stem, path, number, path + stem);
	return n < (int)size || stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "'path' is too long");
}

static bool folder_of(const struct push_target *t, char *ret, size_t size, struct stg_error *err)
{
	if (!path_of(t, 0, ret, size, err))
		return false;
	char *slash = strrchr(ret, '/');
	*(slash && slash != ret ? slash : ret + 1) = 0;
	return true;
}

/* ---- rows ---- */

/* What a line is known by: the column `key` of the layout, the first when it does not say. */
static void key_of(const struct push_target *t, const char *line, char *ret, size_t size)
{
	for (int64_t n = stg_json_int(layout_of(t), "key", 1); n > 1 && *line; n--)
		line += strcspn(line, ",") + (strchr(line, ',') != NULL);
	snprintf(ret, size, "%.*s", (int)strcspn(line, ","), line);
}

/* As a line: consoles split at every comma, so none stands inside; a formula loses its sting. */
static bool line_of(const struct push_target *t, const json_t *cells, char *ret, size_t size, struct stg_error *err)
{
	size_t n = 0, i, key = (size_t)stg_json_int(layout_of(t), "key", 1) - 1;
	json_t *cell;
	json_array_foreach((json_t *)(uintptr_t)cells, i, cell) {
		const char *text = json_string_value(cell);
		if (!text || (i == key && (!*text || strpbrk(text, ",\"\r\n"))))
			return stg_fail_id(err, STG_E_INPUT, STG_ID_CONSOLE_VALUE, 0, "column %zu holds %s, %s was expected", i + 1, text ? "no identifier" : "no text",
					   text ? "the device's" : "one");
		int k = snprintf(ret + n, size - n, "%s%s%s", i ? "," : "", *text && strchr("=+-@", *text) ? "'" : "", text);
		if (k < 0 || (size_t)k >= size - n)
			return stg_fail_id(err, STG_E_INPUT, STG_ID_CONSOLE_VALUE, 0, "a row is longer than %zu bytes", size);
		for (char *p = ret + n + (i ? 1 : 0); *p; p++)
			if (strchr(",\"\r\n\t", *p))
				*p = ' ';
		n += (size_t)k;
	}
	return true;
}

/* A list of cells for each record, null where it is not for this console. */
static json_t *rows_of(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf program = STG_BUF(300u << 10);
	STG_AUTO(stg_json_free_at) json_t *all = json_array();
	STG_AUTO(stg_json_free_at) json_t *settings = json_deep_copy(t->config);
	size_t i;
	json_t *record;
	json_object_del(settings, ":console");
	json_array_foreach((json_t *)(uintptr_t)records, i, record) {
		json_t *one = json_copy(record);
		stg_json_put_new(one, "target", json_incref(settings));
		stg_json_put(one, "record_sha256", stg_json_str(json_array_get(rows, i), "payload_sha256"));
		json_array_append_new(all, one);
	}
	if (!stg_buf_printf(&program, err, "[.[] | [%s\n] | .[0]]", stg_json_str(layout_of(t), "row")))
		return NULL;
	STG_AUTO(stg_json_free_at) json_t *out = push_jq(stg_buf_str(&program), all, err);
	if (!out) {
		stg_while(err, "console file of connector %s", stg_json_str(t->config, "layout"));
		return NULL;
	}
	return json_incref(json_array_get(out, 0));
}

static bool heading_of(const struct push_target *t, struct stg_buf *out, struct stg_error *err)
{
	const json_t *names = json_object_get(layout_of(t), "heading");
	size_t i;
	json_t *one;
	json_array_foreach((json_t *)(uintptr_t)names, i, one)
		if (!stg_buf_printf(out, err, "%s%s", i ? "," : "", json_string_value(one)))
			return false;
	return !i || stg_buf_add_str(out, "\r\n", err);
}

/* ---- files ---- */

/* NULL: there are too many. */
static struct part *part_add(struct parts *p)
{
	if (p->n == PARTS_MAX)
		return NULL;
	if (!p->all)
		p->all = stg_calloc(PARTS_MAX, sizeof(*p->all));
	struct part *one = &p->all[p->n++];
	*one = (struct part){ .lines = json_array() };
	return one;
}

static void line_add(const struct push_target *t, struct parts *p, size_t part, const char *line)
{
	struct part *one = &p->all[part];
	char key[256];
	key_of(t, line, key, sizeof(key));
	json_object_set_new(p->where, key, json_pack("[I,I]", (json_int_t)part, (json_int_t)json_array_size(one->lines)));
	json_array_append_new(one->lines, json_string(line));
	one->bytes += strlen(line) + 2;
}

/* A file of somebody else's is never touched: where there is a heading, ours begins with it. */
static bool part_read(const struct push_target *t, struct parts *p, const char *path, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(PART_BYTES_MAX);
	STG_AUTO(stg_buf_clear) struct stg_buf heading = STG_BUF(16u << 10);
	if (!stg_file_read(path, &text, err) || !heading_of(t, &heading, err))
		return false;
	char *at = (char *)(uintptr_t)stg_buf_str(&text), *rest = NULL;
	if (heading.len && strncmp(at, stg_buf_str(&heading), heading.len) != 0)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "%s holds something else, a new file or one of ours was expected", path);
	struct part *one = part_add(p);
	size_t mine = p->n - 1;
	if (!one)
		return stg_fail_id(err, STG_E_IO, STG_ID_TARGET_FILE, 0, "more than %d files", PARTS_MAX);
	stg_copy(one->path, sizeof(one->path), path);
	one->bytes = heading.len;
	for (char *line = strtok_r(at + heading.len, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest))
		line_add(t, p, mine, line);
	return true;
}

static bool parts_read(const struct push_target *t, struct parts *p, struct stg_error *err)
{
	for (size_t i = 0;; i++) {
		char path[4096];
		struct stg_error why = { 0 };
		if (!path_of(t, i, path, sizeof(path), err))
			return false;
		if (part_read(t, p, path, &why))
			continue;
		if (why.code == STG_E_NOT_FOUND)
			return true;
		if (err)
			*err = why;
		return false;
	}
}

static bool is_full(const struct push_target *t, const struct part *one, size_t more)
{
	const json_t *layout = layout_of(t);
	return (int64_t)json_array_size(one->lines) >= stg_json_int(layout, "max_rows", 5000) ||
	       (int64_t)(one->bytes + more + 2) > stg_json_int(layout, "max_bytes", 5000000);
}

static bool put_line(const struct push_target *t, struct parts *p, const char *line, struct stg_error *err)
{
	char key[256];
	key_of(t, line, key, sizeof(key));
	const json_t *at = json_object_get(p->where, key);
	if (at) {
		struct part *one = &p->all[json_integer_value(json_array_get(at, 0))];
		size_t i = (size_t)json_integer_value(json_array_get(at, 1));
		if (strcmp(json_string_value(json_array_get(one->lines, i)), line) != 0) {
			json_array_set_new(one->lines, i, json_string(line));
			one->changed = true;
		}
		return true;
	}
	if (!p->n || is_full(t, &p->all[p->n - 1], strlen(line))) {
		STG_AUTO(stg_buf_clear) struct stg_buf heading = STG_BUF(16u << 10);
		char path[4096];
		if (!path_of(t, p->n, path, sizeof(path), err) || !heading_of(t, &heading, err))
			return false;
		struct part *one = part_add(p);
		if (!one)
			return stg_fail_id(err, STG_E_IO, STG_ID_TARGET_FILE, 0, "more than %d files", PARTS_MAX);
		stg_copy(one->path, sizeof(one->path), path);
		one->bytes = heading.len;
	}
	line_add(t, p, p->n - 1, line);
	p->all[p->n - 1].changed = true;
	return true;
}

static bool part_write(const struct push_target *t, const struct part *one, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(PART_BYTES_MAX);
	size_t i;
	json_t *line;
	if (!heading_of(t, &text, err))
		return false;
	json_array_foreach(one->lines, i, line)
		if (!stg_buf_printf(&text, err, "%s\r\n", json_string_value(line)))
			return false;
	return stg_file_write(one->path, stg_buf_view(&text), 0640, err);
}

/* Nothing is written unless every row can be. */
static bool put_all(const struct push_target *t, const json_t *cells, struct stg_error *err)
{
	STG_AUTO(parts_clear) struct parts p = { .where = json_object() };
	char folder[4096], line[4096];
	size_t i;
	json_t *one;
	if (!folder_of(t, folder, sizeof(folder), err))
		return false;
	if (!stg_folder_make(folder, 0750, err))
		return stg_say(err, STG_ID_TARGET_FILE);
	STG_AUTO(stg_close_at) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* another station on the same share finishes within moments; waiting here would hold up the other targets */
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int why = errno;
		return stg_fail_id(err, STG_E_IO, STG_ID_TARGET_FILE, why, "lock %s: %s", folder, strerror(why));
	}
	if (!parts_read(t, &p, err))
		return false;
	json_array_foreach((json_t *)(uintptr_t)cells, i, one)
		if (json_is_array(one) && (!line_of(t, one, line, sizeof(line), err) || !put_line(t, &p, line, err)))
			return false;
	for (i = 0; i < p.n; i++)
		if (p.all[i].changed && !part_write(t, &p.all[i], err))
			return stg_say(err, STG_ID_TARGET_FILE);
	return true;
}

/* ---- the kind ---- */

static bool check(struct push_target *t, struct stg_error *err)
{
	const char *layout = stg_json_str(t->config, "layout"), *key;
	char path[4096];
	json_t *value;
	if (!*layout || strchr(layout, '/'))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "setting 'layout' is missing, the name of a connector was expected");
	STG_AUTO(stg_json_free_at) json_t *connector = stg_connector_load(t->state_dir, layout, err);
	if (!connector)
		return false;
	json_t *console = json_object_get(connector, "console");
	if (!console)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_CONSOLE_LAYOUT, 0, "connector %s has no file for a console", layout);
	json_object_foreach(t->config, key, value)
		if (strcmp(key, "layout") != 0 && strcmp(key, "path") != 0 && !json_object_get(json_object_get(connector, "settings"), key))
			return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "setting '%.40s' is not known for this connector", key);
	json_object_set(t->config, ":console", console);
	return path_of(t, 0, path, sizeof(path), err);
}

static void deliver(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_stop *stop, struct push_told *told)
{
	struct stg_error why = { 0 };
	(void)stop;
	STG_AUTO(stg_json_free_at) json_t *cells = rows_of(t, rows, records, &why);
	if (!cells || !put_all(t, cells, &why)) {
		push_told_fail(told, STG_NET_SERVER, why.code == STG_E_INPUT || why.code == STG_E_REFUSED ? "config" : "disk", &why);
		return;
	}
	for (size_t i = 0; i < json_array_size(rows); i++)
		push_told_row(told, i, "delivered", json_is_array(json_array_get(cells, i)) ? "" : "nothing of this result is for this receiver", NULL);
}

/* Looks only: is what stands there ours, and could its folder be written in? */
static void test(const struct push_target *t, struct push_told *told)
{
	STG_AUTO(parts_clear) struct parts p = { .where = json_object() };
	struct stg_error why = { 0 };
	char folder[4096];
	bool ok = folder_of(t, folder, sizeof(folder), &why) && parts_read(t, &p, &why);
	if (ok && access(folder, F_OK) == 0 && access(folder, W_OK | X_OK) != 0) {
		int no = errno;
		ok = stg_fail_id(&why, STG_E_IO, STG_ID_TARGET_FILE, no, "write in %s: %s", folder, strerror(no));
	}
	if (!ok)
		push_told_fail(told, STG_NET_SERVER, NULL, &why);
}

static json_t *shown(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_error *err)
{
	char path[4096], line[4096] = "";
	STG_AUTO(stg_json_free_at) json_t *cells = path_of(t, 0, path, sizeof(path), err) ? rows_of(t, rows, records, err) : NULL;
	const json_t *first = json_array_get(cells, 0);
	if (!cells || (json_is_array(first) && !line_of(t, first, line, sizeof(line), err)))
		return NULL;
	return json_pack("{s:s,s:s,s:s}", "path", path, "format", stg_json_str(t->config, "layout"), "line", line);
}

const struct push_kind stg_push_kind_console = {
	.name = "console",
	.about = "The file that a vendor's console imports (layout: intune, jamf-pro, ...), with its columns and limits",
	.is_local = true,
	.most = ROWS_AT_ONCE,
	.check = check,
	.deliver = deliver,
	.test = test,
	.shown = shown,
};
