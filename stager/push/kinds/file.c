/*
 * file.c - a target that is a file: JSON Lines or CSV on this machine, a stick or a mounted share.
 *
 * For:    sites without an MDM that takes results, and as the copy nobody can revoke.
 * Uses:   csv.c, <stager/file.h>.
 * Called: delivery.c.
 * Thread: one at a time; other programs and stations are kept away by a lock on the file.
 *
 * One record is one line, and a line without its end is not there yet: it is cut off before the next is written, so
 * a power cut leaves a record whole or absent. What is in the file already is not written twice: record ids are looked
 * up first, which is also how a delivery in doubt is settled.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stager/file.h>

#include "../kind.h"

#define FILE_BYTES_MAX ((off_t)2 << 30)
#define FILE_ROWS 200

static bool is_csv(const struct push_target *t)
{
	return strcmp(stg_json_str(t->config, "format"), "csv") == 0;
}

static bool path_of(const struct push_target *t, char *ret, size_t size, struct stg_error *err)
{
	char own[80];
	const char *path = stg_json_str(t->config, "path");
	snprintf(own, sizeof(own), "pushed/%s.%s", t->name, is_csv(t) ? "csv" : "jsonl");
	if (!*path)
		path = own;
	if (strstr(path, "..") || path[strlen(path) - 1] == '/')
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "'path' is not a file's name without '..'");
	int n = *path == '/' ? snprintf(ret, size, "%s", path) : snprintf(ret, size, "%s/%s", t->state_dir ? t->state_dir : ".", path);
	return n < (int)size || stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "'path' is too long");
}

/* ---- lines ---- */

/* JSON Lines hold the record's own bytes, whose hash is published. "record_id":"..." can only stand so in a line of ours:
 * inside a text the quotes would be escaped. */
static bool line_of(const struct push_target *t, const json_t *row, const json_t *record, struct stg_buf *out, struct stg_error *err)
{
	return is_csv(t) ? push_csv_line(record, out, err) : stg_buf_add_str(out, stg_json_str(row, "payload"), err) && stg_buf_add(out, "\n", 1, err);
}

static bool holds(const struct push_target *t, struct stg_bytes file, const char *record_id)
{
	char mark[96];
	snprintf(mark, sizeof(mark), is_csv(t) ? "\n\"%s\"," : "\"record_id\":\"%s\"", record_id);
	return file.len && memmem(file.data, file.len, mark, strlen(mark)) != NULL;
}

/* ---- the file ---- */

struct opened {
	int fd;
	off_t size;                     /* after a torn last line was cut off */
	struct stg_bytes was;           /* mapped */
};

static void opened_clear(struct opened *o)
{
	if (o->was.len)
		(void)munmap((void *)(uintptr_t)o->was.data, o->was.len);
	stg_close_at(&o->fd);
}

static bool fail(const char *path, const char *what, struct stg_error *err)
{
	int why = errno;
	return stg_fail_id(err, STG_E_IO, STG_ID_TARGET_FILE, why, "%s %s: %s", what, path, strerror(why));
}

/* A file of somebody else's is never touched: ours begins with our heading or with a record. */
static bool is_ours(const struct push_target *t, const struct opened *o)
{
	STG_AUTO(stg_buf_clear) struct stg_buf heading = STG_BUF(4096);
	if (!o->was.len)
		return true;
	if (is_csv(t))
		return push_csv_heading(&heading, NULL) && o->was.len >= heading.len && memcmp(o->was.data, heading.data, heading.len) == 0;
	const uint8_t *end = memchr(o->was.data, '\n', o->was.len);
	size_t n = end ? (size_t)(end - o->was.data) : o->was.len;
	return o->was.data[0] == '{' && (!end || memmem(o->was.data, n, "\"record_id\":\"", 13));
}

static bool open_locked(const struct push_target *t, const char *path, bool may_make, struct opened *ret, struct stg_error *err)
{
	struct stat st;
	ret->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (may_make ? O_CREAT : 0), 0640);
	if (ret->fd < 0)
		return fail(path, "open", err);
	if (fstat(ret->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return fail(path, "not a plain file:", err);
	}
	/* another station on the same share finishes within moments; waiting here would hold up the other targets */
	if (flock(ret->fd, LOCK_EX | LOCK_NB) != 0)
		return fail(path, "lock", err);
	ret->size = st.st_size;
	if (st.st_size > FILE_BYTES_MAX) {
		errno = EFBIG;
		return fail(path, "append to", err);
	}
	if (!st.st_size)
		return true;
	void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, ret->fd, 0);
	if (at == MAP_FAILED)
		return fail(path, "read", err);
	ret->was = stg_bytes(at, (size_t)st.st_size);
	if (!is_ours(t, ret))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "%s holds something else, a new file or one of ours was expected", path);
	return true;
}

static bool folder_of(const char *path, char *ret, size_t size)
{
	stg_copy(ret, size, path);
	char *slash = strrchr(ret, '/');
	if (!slash || slash == ret)
		return false;
	*slash = 0;
	return true;
}

static void sync_folder(const char *path)
{
	char folder[4096];
	if (!folder_of(path, folder, sizeof(folder)))
		return;
	STG_AUTO(stg_close_at) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		(void)fsync(fd);        /* some shares cannot, ignoring */
}

static bool add_all(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_error *err)
{
	STG_AUTO(opened_clear) struct opened o = { .fd = -1 };
	STG_AUTO(stg_buf_clear) struct stg_buf add = STG_BUF((size_t)PUSH_RECORD_MAX * 16);
	char path[4096], folder[4096];
	if (!path_of(t, path, sizeof(path), err))
		return false;
	if (folder_of(path, folder, sizeof(folder)) && !stg_folder_make(folder, 0750, err))
		return stg_say(err, STG_ID_TARGET_FILE);
	if (!open_locked(t, path, true, &o, err))
		return false;
	/* what has no end was being written when the power went */
	const uint8_t *last = o.was.len ? memrchr(o.was.data, '\n', o.was.len) : NULL;
	off_t end = last ? (off_t)(last - o.was.data) + 1 : 0;
	struct stg_bytes whole = stg_bytes(o.was.data, (size_t)end);
	if (!end && is_csv(t) && !push_csv_heading(&add, err))
		return false;
	size_t i;
	json_t *row;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		const char *id = stg_json_str(row, "record_id");
		if (holds(t, whole, id) || holds(t, stg_buf_view(&add), id))
			continue;
		if (!line_of(t, row, json_array_get(records, i), &add, err))
			return false;
	}
	bool ok = (end == o.size || ftruncate(o.fd, end) == 0) && stg_file_write_fd(o.fd, stg_buf_view(&add), end, NULL) && fdatasync(o.fd) == 0;
	if (!ok) {
		int why = errno;
		(void)!ftruncate(o.fd, end);    /* half a batch helps nobody; if this fails too, the next round cuts it off */
		errno = why;
		return fail(path, "write", err);
	}
	if (!o.size)
		sync_folder(path);
	return true;
}

static bool could(const struct push_target *t, struct stg_error *err)
{
	STG_AUTO(opened_clear) struct opened o = { .fd = -1 };
	char path[4096], folder[4096];
	if (!path_of(t, path, sizeof(path), err))
		return false;
	if (access(path, F_OK) == 0)
		return open_locked(t, path, false, &o, err);
	/* not there yet: the nearest folder above must let us make it */
	while (folder_of(path, folder, sizeof(folder))) {
		if (access(folder, F_OK) == 0)
			return access(folder, W_OK | X_OK) == 0 || fail(folder, "write in", err);
		stg_copy(path, sizeof(path), folder);
	}
	return access("/", W_OK) == 0 || fail("/", "write in", err);
}

/* ---- the kind ---- */

static bool check(struct push_target *t, struct stg_error *err)
{
	static const char *const known[] = { "path", "format", NULL }, *const formats[] = { "jsonl", "csv", NULL };
	char path[4096];
	return push_config_only(t->config, known, err) && push_config_one_of(t->config, "format", formats, err) && path_of(t, path, sizeof(path), err);
}

static void deliver(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_stop *stop, struct push_told *told)
{
	struct stg_error why = { 0 };
	(void)stop;
	if (!add_all(t, rows, records, &why)) {
		push_told_fail(told, STG_NET_SERVER, why.code == STG_E_INPUT ? "config" : "disk", &why);
		return;
	}
	for (size_t i = 0; i < json_array_size(rows); i++)
		push_told_row(told, i, "delivered", "", NULL);
}

static void test(const struct push_target *t, struct push_told *told)
{
	struct stg_error why = { 0 };
	if (!could(t, &why))
		push_told_fail(told, STG_NET_SERVER, NULL, &why);
}

static json_t *shown(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_error *err)
{
	char path[4096];
	(void)rows, (void)records;
	return path_of(t, path, sizeof(path), err) ? json_pack("{s:s,s:s}", "path", path, "format", stg_json_str_or(t->config, "format", "jsonl")) : NULL;
}

const struct push_kind stg_push_kind_file = {
	.name = "file",
	.about = "A file on this machine or a mounted share: JSON Lines or CSV",
	.is_local = true,
	.most = FILE_ROWS,
	.check = check,
	.deliver = deliver,
	.test = test,
	.shown = shown,
};
