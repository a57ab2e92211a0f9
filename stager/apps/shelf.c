/*
 * shelf.c - the repository on disk: each file under its hash, its row beside it.
 *
 * For:    `stager app`, blueprints that name an app or a document, the station that opens it for a worker.
 * Uses:   ipa.c; OpenSSL for the hash of a stream.
 * Called: ops/app.c, blueprint/load.c, station/files.c.
 * Thread: any; what is written appears whole, by a rename.
 *
 * The file comes first, its row last: a file without a row is one that was being added when the power went, and is written over.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <openssl/evp.h>

#include <stager/clock.h>
#include <stager/file.h>
#include <stager/ids.h>
#include <stager/mark.h>

#include "inner.h"

#define CHUNK ((size_t)1 << 20)
#define ROW_MAX ((size_t)2 << 20)
#define ROWS_MAX 5000
#define SPARE_BYTES (128ull << 20)       /* the inventory must always be able to write */
#define LEFT_OVER_S 86400
#define INCOMING ".incoming-"

/* ---- names ---- */

static bool folder_of(const char *state_dir, char *ret, size_t size, struct stg_error *err)
{
	return stg_path_join(ret, size, state_dir, "apps", err);
}

static bool path_of(const char *state_dir, const char *sha256, const char *ending, char ret[PATH_MAX], struct stg_error *err)
{
	if (strlen(sha256) != 64 || strspn(sha256, "0123456789abcdef") != 64)
		return stg_fail(err, STG_E_INPUT, 0, "'%.70s' is no SHA-256", sha256);
	if (snprintf(ret, PATH_MAX, "%s/apps/%s.%s", state_dir, sha256, ending) >= PATH_MAX)
		return stg_fail(err, STG_E_IO, ENAMETOOLONG, "the state folder's name is too long");
	return true;
}

static bool document_name_ok(const char *name)
{
	char shown[256];
	size_t len = strlen(name);
	stg_printable(name, true, shown, sizeof(shown));
	return len > 0 && len <= 200 && name[0] != '.' && !strpbrk(name, "/\\") && strcmp(shown, name) == 0;
}

bool stg_apps_key(enum stg_step_file kind, const json_t *params, char ret[STG_APPS_KEY_MAX])
{
	const char *app = stg_json_str(params, "app"), *version = stg_json_str(params, "version"), *document = stg_json_str(params, "document");
	if (kind == STG_FILE_DOCUMENT)
		return *document && snprintf(ret, STG_APPS_KEY_MAX, "document:%s", document) < STG_APPS_KEY_MAX;
	if (kind != STG_FILE_APP || !*app)
		return false;
	return snprintf(ret, STG_APPS_KEY_MAX, *version ? "app:%s@%s" : "app:%s", app, version) < STG_APPS_KEY_MAX;
}

/* ---- in ---- */

static bool disk_says(struct stg_error *err, int why, const char *what)
{
	bool full = why == ENOSPC || why == EDQUOT;
	return stg_fail_id(err, STG_E_IO, full ? STG_ID_DISK_FULL : STG_ID_NONE, why, "%s: %s", what, strerror(why));
}

/* What a crash left behind a day ago and more. */
static void sweep(const char *folder)
{
	DIR *d = opendir(folder);
	const struct dirent *e;
	struct stat st;
	while (d && (e = readdir(d)))
		if (strncmp(e->d_name, INCOMING, strlen(INCOMING)) == 0 && fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_mtime < time(NULL) - LEFT_OVER_S)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}

static bool has_room(const char *folder, uint64_t bytes, struct stg_error *err)
{
	struct statvfs v;
	if (statvfs(folder, &v) != 0 || (uint64_t)v.f_bavail * v.f_frsize > bytes + SPARE_BYTES)
		return true;
	return stg_fail_id(err, STG_E_STATION, STG_ID_DISK_FULL, ENOSPC, "%llu MiB and %llu to spare are wanted", (unsigned long long)(bytes >> 20),
			   SPARE_BYTES >> 20);
}

static void EVP_MD_CTX_free_at(EVP_MD_CTX **p)
{
	EVP_MD_CTX_free(*p);
}

/* The bytes as they are now, with their hash: the person's file may change meanwhile, ours does not. */
static bool copy(int from, int to, uint64_t *ret_size, char ret_sha256[65], char ret_mark[STG_MARK_TEXT], struct stg_error *err)
{
	STG_AUTO(EVP_MD_CTX_free_at) EVP_MD_CTX *sum = EVP_MD_CTX_new();
	STG_AUTO(stg_mark_free_at) struct stg_mark *mark = stg_mark_new(err);
	STG_AUTO(stg_buf_clear) struct stg_buf chunk = STG_BUF(CHUNK);
	uint8_t hash[EVP_MAX_MD_SIZE];
	if (!mark)
		return false;
	if (!sum || EVP_DigestInit_ex(sum, EVP_sha256(), NULL) != 1 || !stg_buf_reserve(&chunk, CHUNK, err))
		return stg_fail(err, STG_E_NOMEM, 0, "no memory to copy a file");
	*ret_size = 0;
	for (;;) {
		ssize_t n = read(from, chunk.data, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, errno, "read: %s", strerror(errno));
		if (n == 0)
			break;
		*ret_size += (uint64_t)n;
		if (*ret_size > STG_APPS_FILE_MAX)
			return stg_fail_id(err, STG_E_INPUT, STG_ID_APP_TOO_LARGE, 0, "more than %llu bytes", STG_APPS_FILE_MAX);
		if (!stg_file_write_fd(to, stg_bytes(chunk.data, (size_t)n), -1, NULL))
			return disk_says(err, errno, "write");
		EVP_DigestUpdate(sum, chunk.data, (size_t)n);
		if (!stg_mark_add(mark, stg_bytes(chunk.data, (size_t)n), err))
			return false;
	}
	if (EVP_DigestFinal_ex(sum, hash, NULL) != 1)
		return stg_fail(err, STG_E_BUG, 0, "SHA-256");
	stg_hex(stg_bytes(hash, 32), ret_sha256);
	if (!stg_mark_end(mark, ret_mark, err))
		return false;
	return fsync(to) == 0 || disk_says(err, errno, "write to the disk");
}

static json_t *row_of(int fd, const char *document_name, struct stg_error *err)
{
	if (!document_name) {
		json_t *row = stg_ipa_read(fd, err);
		if (row)
			stg_json_put(row, "kind", "app");
		return row;
	}
	json_t *row = json_object();
	stg_json_put(row, "kind", "document");
	stg_json_put(row, "name", document_name);
	return row;
}

static bool keep_row(const char *state_dir, const json_t *row, struct stg_error *err)
{
	char path[PATH_MAX];
	STG_AUTO(stg_free_at) char *text = stg_json_text(row);
	return path_of(state_dir, stg_json_str(row, "sha256"), "json", path, err) && stg_file_write(path, stg_bytes_str(text), 0600, err);
}

static json_t *take(const char *state_dir, int fd, const char *incoming, const char *file_name, const char *document_name, const char *by,
		    struct stg_error *err)
{
	STG_AUTO(stg_close_at) int to = open(incoming, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	char hash[65], mark[STG_MARK_TEXT], path[PATH_MAX], clean[200];
	uint64_t size = 0;
	if (to < 0) {
		disk_says(err, errno, "make a file in apps/");
		return NULL;
	}
	if (!copy(fd, to, &size, hash, mark, err))
		return NULL;
	STG_AUTO(stg_json_free_at) json_t *row = row_of(to, document_name, err);
	if (!row || !path_of(state_dir, hash, "file", path, err))
		return NULL;
	stg_printable(file_name, true, clean, sizeof(clean));
	stg_json_put(row, "sha256", hash);
	stg_json_put(row, "sum", mark);
	stg_json_put_int(row, "size", (int64_t)size);
	stg_json_put(row, "file", clean);
	stg_json_put(row, "added_by", by);
	stg_json_put_int(row, "added_ms", stg_wall_ms());
	if (rename(incoming, path) != 0) {
		disk_says(err, errno, "keep the file");
		return NULL;
	}
	return keep_row(state_dir, row, err) ? stg_steal(row) : NULL;
}

json_t *stg_apps_add(const char *state_dir, int fd, const char *file_name, const char *document_name, const char *by, struct stg_error *err)
{
	char folder[PATH_MAX - 32], incoming[PATH_MAX];
	const char *slash = strrchr(file_name, '/');
	uint32_t tag;
	struct stat st;
	if (document_name && !document_name_ok(document_name)) {
		stg_fail_id(err, STG_E_INPUT, STG_ID_DOCUMENT_NAME, 0, "'%.80s'", document_name);
		return NULL;
	}
	if (fstat(fd, &st) != 0 || S_ISDIR(st.st_mode)) {
		stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, EISDIR, "not a file");
		return NULL;
	}
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > STG_APPS_FILE_MAX) {
		stg_fail_id(err, STG_E_INPUT, STG_ID_APP_TOO_LARGE, 0, "%lld bytes", (long long)st.st_size);
		return NULL;
	}
	if (!folder_of(state_dir, folder, sizeof(folder), err) || !stg_folder_make(folder, 0700, err) ||
	    !has_room(folder, S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0, err))
		return NULL;
	sweep(folder);
	stg_random(&tag, sizeof(tag));
	snprintf(incoming, sizeof(incoming), "%s/" INCOMING "%08x", folder, tag);
	json_t *row = take(state_dir, fd, incoming, slash ? slash + 1 : file_name, document_name, by, err);
	if (!row)
		(void)unlink(incoming);
	else
		json_object_del(row, "extras");
	return row;
}

/* ---- out ---- */

static json_t *read_row(const char *state_dir, const char *sha256, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(ROW_MAX);
	char path[PATH_MAX];
	if (!path_of(state_dir, sha256, "json", path, err) || !stg_file_read(path, &text, err))
		return NULL;
	json_t *row = stg_json_parse(stg_buf_view(&text), ROW_MAX, err);
	if (row && strcmp(stg_json_str(row, "sha256"), sha256) == 0)
		return row;
	json_decref(row);
	stg_fail_id(err, STG_E_IO, STG_ID_APP_FILE_DAMAGED, 0, "the row of %.8s", sha256);
	return NULL;
}

static int by_order(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int c = strcmp(stg_json_str(x, "kind"), stg_json_str(y, "kind"));
	bool is_app = strcmp(stg_json_str(x, "kind"), "app") == 0;
	const char *name = is_app ? "bundle_id" : "name";
	if (!c)
		c = strcmp(stg_json_str(x, name), stg_json_str(y, name));
	if (!c && is_app)
		c = stg_app_version_compare(stg_json_str(y, "version"), stg_json_str(x, "version"));
	if (!c && is_app)
		c = stg_app_version_compare(stg_json_str(y, "build"), stg_json_str(x, "build"));
	int64_t s = stg_json_int(x, "added_ms", 0), t = stg_json_int(y, "added_ms", 0);
	return c ? c : s < t ? 1 : s > t ? -1 : 0;
}

json_t *stg_apps_list(const char *state_dir, struct stg_error *err)
{
	char folder[PATH_MAX];
	json_t *list = json_array();
	size_t n = 0;
	if (!folder_of(state_dir, folder, sizeof(folder), err)) {
		json_decref(list);
		return NULL;
	}
	DIR *d = opendir(folder);
	/* none yet is an empty one; one that this person may not read is not */
	if (!d && errno != ENOENT && errno != ENOTDIR) {
		stg_fail_id(err, STG_E_STATION, STG_ID_FILE_UNREADABLE, errno, "%.200s: %s", folder, strerror(errno));
		json_decref(list);
		return NULL;
	}
	json_t **rows = stg_calloc(ROWS_MAX, sizeof(*rows));
	const struct dirent *e;
	while (d && n < ROWS_MAX && (e = readdir(d))) {
		char sha256[65];
		if (strlen(e->d_name) != 69 || strcmp(e->d_name + 64, ".json") != 0)
			continue;
		stg_copy(sha256, sizeof(sha256), e->d_name);
		/* a row that cannot be read hides nothing else */
		json_t *row = read_row(state_dir, sha256, NULL);
		if (!row)
			continue;
		json_object_del(row, "extras");
		rows[n++] = row;
	}
	if (d)
		closedir(d);
	qsort(rows, n, sizeof(*rows), by_order);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, rows[i]);
	free(rows);
	return list;
}

static bool is_wanted(const json_t *row, const char *key)
{
	const char *name = strchr(key, ':'), *version = strchr(key, '@');
	bool wants_app = strncmp(key, "app:", 4) == 0;
	if (!name || strcmp(stg_json_str(row, "kind"), wants_app ? "app" : "document") != 0)
		return false;
	name++;
	if (!wants_app)
		return strcmp(stg_json_str(row, "name"), name) == 0;
	size_t len = version ? (size_t)(version - name) : strlen(name);
	const char *id = stg_json_str(row, "bundle_id");
	return strlen(id) == len && strncmp(id, name, len) == 0 &&
	       (!version || strcmp(version + 1, stg_json_str(row, "version")) == 0 || strcmp(version + 1, stg_json_str(row, "build")) == 0);
}

json_t *stg_apps_find(const char *state_dir, const char *key, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = stg_apps_list(state_dir, err);
	bool wants_app = strncmp(key, "app:", 4) == 0;
	size_t i;
	json_t *row;
	if (!list)
		return NULL;
	json_array_foreach(list, i, row)
		if (is_wanted(row, key))
			return json_incref(row);
	stg_fail_id(err, STG_E_NOT_FOUND, wants_app ? STG_ID_APP_UNKNOWN : STG_ID_DOCUMENT_UNKNOWN, 0, "'%.180s'", strchr(key, ':') ? strchr(key, ':') + 1 : key);
	return NULL;
}

bool stg_apps_remove(const char *state_dir, const char *sha256, struct stg_error *err)
{
	char path[PATH_MAX];
	if (!path_of(state_dir, sha256, "json", path, err))
		return false;
	if (unlink(path) != 0 && errno != ENOENT)
		return disk_says(err, errno, "remove the row");
	if (!path_of(state_dir, sha256, "file", path, err))
		return false;
	return unlink(path) == 0 || errno == ENOENT || disk_says(err, errno, "remove the file");
}

int stg_apps_open(const char *state_dir, const char *sha256, int64_t size, struct stg_error *err)
{
	char path[PATH_MAX];
	struct stat st;
	if (!path_of(state_dir, sha256, "file", path, err))
		return -1;
	STG_AUTO(stg_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size != size) {
		stg_fail_id(err, STG_E_IO, STG_ID_APP_FILE_DAMAGED, fd < 0 ? errno : 0, "%.8s: %s", sha256, fd < 0 ? strerror(errno) : "another size");
		return -1;
	}
	int ret = fd;
	fd = -1;
	return ret;
}

json_t *stg_apps_extras(const char *state_dir, const char *sha256, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *row = read_row(state_dir, sha256, err);
	if (!row)
		return NULL;
	json_t *extras = json_object_get(row, "extras");
	return extras ? json_incref(extras) : json_object();
}
