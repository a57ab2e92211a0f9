/*
 * image.c - system images people bring: copied by hash, read within bounds.
 *
 * For:    <stager/images.h>.
 * Uses:   libzip, libplist behind the pre-scan, OpenSSL's SHA-256.
 * Called: where nobody's device waits.
 * Thread: any.
 * Facts:  an .ipsw is a zip; BuildManifest.plist at its top holds SupportedProductTypes, ProductVersion, ProductBuildVersion
 *         (idevicerestore 1.0.0, src/ipsw.c, build_manifest_get_version_information).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <zip.h>

#include <stager/clock.h>
#include <stager/file.h>
#include <stager/images.h>
#include <stager/plistscan.h>

#include "inner.h"

#define MANIFEST_MAX (16u << 20)
#define PRODUCTS_MAX 200u
#define CHUNK (1u << 20)

/* A manifest lists every file of every variant. */
static const struct stg_plist_limits manifest_limits = { MANIFEST_MAX, 32, 1000000, 1024, 65536, 1u << 20 };

static bool wrong(struct stg_error *err, const char *what)
{
	return stg_fail_id(err, STG_E_INPUT, STG_ID_NOT_AN_IMAGE, 0, "%s", what);
}

void stg_image_path(const char *state_dir, const char *sha256, char *ret, size_t size)
{
	if ((size_t)snprintf(ret, size, "%s/images/%s.ipsw", state_dir, sha256) >= size)
		ret[0] = 0;
}

/* ---- what it says ---- */

static bool take_manifest(int fd, struct stg_buf *ret, struct stg_error *err)
{
	struct zip_stat st;
	struct stat file;
	if (fstat(fd, &file) != 0 || !S_ISREG(file.st_mode) || file.st_size < 0)
		return wrong(err, "no file");
	if (!package_ends_are_sane(fd, (uint64_t)file.st_size, err)) {
		if (err)
			err->id = STG_ID_NOT_AN_IMAGE, err->code = STG_E_INPUT;
		return false;
	}
	int code = 0, own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	zip_t *zip = own >= 0 && lseek(own, 0, SEEK_SET) == 0 ? zip_fdopen(own, ZIP_RDONLY, &code) : NULL;
	if (!zip) {
		if (own >= 0)
			close(own);
		return wrong(err, "no zip archive");
	}
	bool ok = zip_stat(zip, "BuildManifest.plist", 0, &st) == 0 && (st.valid & ZIP_STAT_SIZE) && st.size <= MANIFEST_MAX;
	zip_file_t *f = ok ? zip_fopen(zip, "BuildManifest.plist", 0) : NULL;
	char piece[65536];
	zip_int64_t n = 0;
	ok = f != NULL;
	while (ok && (n = zip_fread(f, piece, sizeof(piece))) > 0)
		ok = stg_buf_add(ret, piece, (size_t)n, NULL);
	if (f)
		zip_fclose(f);
	zip_discard(zip);
	return (ok && n == 0) || wrong(err, "no BuildManifest.plist of a sane size");
}

static bool is_word(const char *text, const char *allowed)
{
	return *text && strlen(text) < 32 && strspn(text, allowed) == strlen(text);
}

static const char *text_of(plist_t dict, const char *key)
{
	plist_t v = plist_dict_get_item(dict, key);
	return v && plist_get_node_type(v) == PLIST_STRING ? plist_get_string_ptr(v, NULL) : "";
}

static bool read_row(int fd, json_t *row, struct stg_error *err)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,";
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(MANIFEST_MAX);
	STG_AUTO(app_plist_free_at) plist_t m = NULL;
	if (!take_manifest(fd, &text, err))
		return false;
	if (!stg_plist_scan(stg_buf_view(&text), &manifest_limits, NULL, err)) {
		if (err)
			err->id = STG_ID_NOT_AN_IMAGE, err->code = STG_E_INPUT;
		return false;
	}
	plist_from_memory((const char *)text.data, (uint32_t)text.len, &m);
	plist_t types = m && plist_get_node_type(m) == PLIST_DICT ? plist_dict_get_item(m, "SupportedProductTypes") : NULL;
	if (!types || plist_get_node_type(types) != PLIST_ARRAY || plist_array_get_size(types) > PRODUCTS_MAX)
		return wrong(err, "its manifest names no products");
	const char *version = text_of(m, "ProductVersion"), *build = text_of(m, "ProductBuildVersion");
	if (!is_word(version, "0123456789.") || !is_word(build, letters))
		return wrong(err, "its manifest names no version");
	json_t *products = json_array();
	for (uint32_t i = 0; i < plist_array_get_size(types); i++) {
		plist_t one = plist_array_get_item(types, i);
		const char *name = plist_get_node_type(one) == PLIST_STRING ? plist_get_string_ptr(one, NULL) : "";
		if (is_word(name, letters))
			json_array_append_new(products, json_string(name));
	}
	stg_json_put_new(row, "products", products);
	stg_json_put(row, "version", version);
	stg_json_put(row, "build", build);
	return json_array_size(products) > 0 || wrong(err, "its manifest names no products");
}

json_t *stg_image_read(int fd, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *row = json_object();
	return read_row(fd, row, err) ? stg_steal(row) : NULL;
}

/* ---- the folder ---- */

/* Hashes what is read; copies it when to_fd is one. */
static bool through(int from, int to, char ret_sha256[65], int64_t *ret_size, struct stg_error *err)
{
	uint8_t digest[32];
	unsigned int len = 0;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t *piece = malloc(CHUNK);
	int64_t size = 0;
	ssize_t n = 0;
	bool ok = md && piece && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 && lseek(from, 0, SEEK_SET) == 0;
	while (ok && (n = read(from, piece, CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		size += n > 0 ? n : 0;
		ok = n > 0 && size <= (int64_t)STG_IMAGE_MAX && EVP_DigestUpdate(md, piece, (size_t)n) == 1;
		for (ssize_t at = 0, w; ok && to >= 0 && at < n; at += w) {
			w = write(to, piece + at, (size_t)(n - at));
			if (w < 0)
				ok = stg_fail_id(err, STG_E_IO, errno == ENOSPC ? STG_ID_DISK_FULL : STG_ID_FILE_UNWRITABLE, errno, "%s", strerror(errno));
		}
	}
	ok = ok && EVP_DigestFinal_ex(md, digest, &len) == 1;
	if (ok) {
		stg_hex(stg_bytes(digest, sizeof(digest)), ret_sha256);
		*ret_size = size;
	} else if (err && !err->code) {
		stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, errno, "%s", n < 0 ? strerror(errno) : "too large");
	}
	EVP_MD_CTX_free(md);
	free(piece);
	return ok;
}

static bool keep_row(const char *state_dir, const json_t *row, struct stg_error *err)
{
	char path[4096];
	STG_AUTO(stg_free_at) char *text = stg_json_text(row);
	snprintf(path, sizeof(path), "%s/images/%s.json", state_dir, stg_json_str(row, "sha256"));
	return stg_file_write(path, stg_bytes_str(text), 0600, err);
}

json_t *stg_image_add(const char *state_dir, int fd, const char *file_name, const char *by, struct stg_error *err)
{
	char folder[4000], part[4096], path[4096], sha256[65];
	int64_t size = 0;
	STG_AUTO(stg_json_free_at) json_t *row = json_object();
	snprintf(folder, sizeof(folder), "%s/images", state_dir);
	snprintf(part, sizeof(part), "%s/.new-XXXXXX", folder);
	/* read first: a wrong file of gigabytes is not copied to find that out */
	if (!read_row(fd, row, err) || !stg_folder_make(folder, 0700, err))
		return NULL;
	STG_AUTO(stg_close_at) int to = mkostemp(part, O_CLOEXEC);
	if (to < 0) {
		stg_fail_id(err, STG_E_IO, STG_ID_FILE_UNWRITABLE, errno, "%s: %s", folder, strerror(errno));
		return NULL;
	}
	bool ok = through(fd, to, sha256, &size, err) && (fsync(to) == 0 || stg_fail(err, STG_E_IO, errno, "sync %s", part));
	stg_json_put(row, "sha256", ok ? sha256 : "");
	stg_json_put(row, "file", file_name);
	stg_json_put_int(row, "size_bytes", size);
	stg_json_put_int(row, "added_ms", stg_wall_ms());
	stg_json_put(row, "added_by", by);
	stg_image_path(state_dir, ok ? sha256 : "", path, sizeof(path));
	ok = ok && (rename(part, path) == 0 || stg_fail(err, STG_E_IO, errno, "keep %s", path)) && keep_row(state_dir, row, err);
	if (!ok)
		(void)unlink(part);
	return ok ? stg_steal(row) : NULL;
}

static int newest_first(const void *a, const void *b)
{
	return strverscmp(stg_json_str(*(json_t *const *)b, "version"), stg_json_str(*(json_t *const *)a, "version"));
}

json_t *stg_image_list(const char *state_dir, struct stg_error *err)
{
	char folder[4000], path[4096];
	json_t *rows[1000], *list = json_array();
	size_t n = 0;
	snprintf(folder, sizeof(folder), "%s/images", state_dir);
	DIR *d = opendir(folder);
	for (struct dirent *e; d && (e = readdir(d)) && n < STG_ARRAY_LEN(rows);) {
		STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(1u << 20);
		if (strlen(e->d_name) != 69 || strcmp(e->d_name + 64, ".json") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%.69s", folder, e->d_name);
		json_t *row = stg_file_read(path, &text, NULL) ? json_loads(stg_buf_str(&text), 0, NULL) : NULL;
		if (json_is_object(row) && strncmp(stg_json_str(row, "sha256"), e->d_name, 64) == 0)
			rows[n++] = row;
		else
			json_decref(row);
	}
	if (!d && errno != ENOENT) {
		stg_fail(err, STG_E_IO, errno, "%s: %s", folder, strerror(errno));
		json_decref(list);
		return NULL;
	}
	if (d)
		closedir(d);
	qsort(rows, n, sizeof(*rows), newest_first);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, rows[i]);
	return list;
}

static bool is_for(const json_t *row, const char *product)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(row, "products"), i, one)
		if (strcmp(json_string_value(one) ? json_string_value(one) : "", product) == 0)
			return true;
	return false;
}

json_t *stg_image_find(const char *state_dir, const char *product, const char *word, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = stg_image_list(state_dir, err);
	size_t i;
	json_t *row;
	if (!list)
		return NULL;
	json_array_foreach(list, i, row) {
		bool named = !*word || strcmp(stg_json_str(row, "version"), word) == 0 || strcasecmp(stg_json_str(row, "build"), word) == 0 ||
			     (strlen(word) >= 8 && strncasecmp(stg_json_str(row, "sha256"), word, strlen(word)) == 0);
		if (named && (!*product || is_for(row, product)))
			return json_incref(row);
	}
	stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_NO_IMAGE, 0, "%.40s %.64s", product, word);
	return NULL;
}

bool stg_image_remove(const char *state_dir, const char *sha256, struct stg_error *err)
{
	char path[4096];
	stg_image_path(state_dir, sha256, path, sizeof(path));
	if (unlink(path) != 0 && errno != ENOENT)
		return stg_fail(err, STG_E_IO, errno, "%s: %s", path, strerror(errno));
	snprintf(path, sizeof(path), "%s/images/%s.json", state_dir, sha256);
	return unlink(path) == 0 || errno == ENOENT || stg_fail(err, STG_E_IO, errno, "%s: %s", path, strerror(errno));
}

bool stg_image_check(const char *state_dir, const json_t *row, struct stg_error *err)
{
	char path[4096], sha256[65];
	int64_t size = 0;
	stg_image_path(state_dir, stg_json_str(row, "sha256"), path, sizeof(path));
	STG_AUTO(stg_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return stg_fail_id(err, STG_E_IO, STG_ID_IMAGE_DAMAGED, errno, "%s: %s", path, strerror(errno));
	if (!through(fd, -1, sha256, &size, err))
		return false;
	return strcmp(sha256, stg_json_str(row, "sha256")) == 0 || stg_fail_id(err, STG_E_IO, STG_ID_IMAGE_DAMAGED, 0, "%s", path);
}
