/*
 * afc.c - files on the device: apps on their way in, documents of apps, the empty file that makes the Setup Assistant brief.
 *
 * For:    apps.c, documents.c, supervise.c.
 * Uses:   lockdown.c for the service, link.c for bytes, <stager/host.h> for turns on the cable.
 * Called: from this folder.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 5.4 and 4.10 (9): little endian, 40 bytes of header ("CFA6LPAA", whole length, length without
 *         payload, number, operation); every request has one answer with its number. Folders that exist are no error.
 *
 * A file is never in memory whole: a piece is read, sent, acknowledged. What a device says of lengths is compared with what was asked.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>

#include <stager/mark.h>

#include "afc.h"

#define SERVICE "com.apple.afc"
#define AFC_MS 15000
#define PIECE_MS 60000                   /* a device may think about its flash for a while */
#define HEADER_BYTES 40u
#define ANSWER_MAX (64u << 10)
#define PIECE ((size_t)256 << 10)
#define SKIP_FOLDER "iTunes_Control/iTunes"
#define SKIP_FILE SKIP_FOLDER "/SkipSetup"

enum {
	OP_STATUS = 0x01, OP_DATA = 0x02, OP_REMOVE = 0x08, OP_MAKE_DIR = 0x09, OP_FILE_INFO = 0x0a, OP_DEVICE_INFO = 0x0b, OP_FILE_OPEN = 0x0d,
	OP_FILE_OPENED = 0x0e, OP_FILE_READ = 0x0f, OP_FILE_WRITE = 0x10, OP_FILE_CLOSE = 0x14, OP_RENAME = 0x18,
};
enum { AFC_OK = 0, AFC_NOT_FOUND = 8, AFC_EXISTS = 16 };

static void put64(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v = 0;
	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static bool nonsense(struct stg_error *err)
{
	return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "files: an answer that does not fit the question");
}

/* ---- one request, one answer ---- */

static bool send_head(struct apple_afc *a, uint64_t op, struct stg_bytes args, size_t payload, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(4096);
	uint8_t head[HEADER_BYTES] = "CFA6LPAA";
	put64(head + 8, HEADER_BYTES + args.len + payload);
	put64(head + 16, HEADER_BYTES + args.len);
	put64(head + 24, ++a->number);
	put64(head + 32, op);
	return stg_buf_add(&out, head, sizeof(head), err) && stg_buf_add(&out, args.data, args.len, err) &&
	       apple_link_write(a->link, stg_buf_view(&out), AFC_MS, err);
}

/* The answer's operation and everything behind its header, at most ret's ceiling. */
static bool hear(struct apple_afc *a, uint64_t *ret_op, struct stg_buf *ret, struct stg_error *err)
{
	uint8_t in[HEADER_BYTES];
	if (!apple_link_read(a->link, in, sizeof(in), PIECE_MS, err))
		return false;
	uint64_t len = get64(in + 8), head = get64(in + 16);
	if (memcmp(in, "CFA6LPAA", 8) != 0 || get64(in + 24) != a->number || head < HEADER_BYTES || len < head || len - HEADER_BYTES > ret->max)
		return nonsense(err);
	stg_buf_reset(ret);
	if (!stg_buf_reserve(ret, (size_t)len - HEADER_BYTES, err) ||
	    !apple_link_read(a->link, ret->data, (size_t)len - HEADER_BYTES, PIECE_MS, err))
		return false;
	ret->len = (size_t)len - HEADER_BYTES;
	ret->data[ret->len] = 0;
	*ret_op = get64(in + 32);
	return true;
}

static uint64_t value_of(const struct stg_buf *answer)
{
	return answer->len >= 8 ? get64(answer->data) : 0;
}

static bool refused(uint64_t status, const char *what, struct stg_error *err)
{
	const struct stg_code_row *row = status <= INT32_MAX ? stg_codes_by_number(&stg_codes_afc, NULL, (int64_t)status) : NULL;
	if (!row)
		row = &stg_codes_afc.otherwise;
	return stg_fail_id(err, row->code, row->id, status <= INT32_MAX ? (int)status : 0, "%s: the device said %" PRIu64 " %s", what, status,
			   row->name ? row->name : "");
}

/* Sends and hears. False when the answer is a status that is none of the two expected; *ret_op tells which kind came. */
static bool ask(struct apple_afc *a, uint64_t op, struct stg_bytes args, const char *what, uint64_t also_fine, uint64_t *ret_op, struct stg_buf *ret,
		struct stg_error *err)
{
	if (!send_head(a, op, args, 0, err) || !hear(a, ret_op, ret, err))
		return stg_while(err, "%s", what);
	uint64_t status = *ret_op == OP_STATUS ? value_of(ret) : AFC_OK;
	return status == AFC_OK || status == also_fine || refused(status, what, err);
}

static bool do_it(struct apple_afc *a, uint64_t op, struct stg_bytes args, const char *what, uint64_t also_fine, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf answer = STG_BUF(ANSWER_MAX);
	uint64_t got = 0;
	if (!ask(a, op, args, what, also_fine, &got, &answer, err))
		return false;
	return got == OP_STATUS || nonsense(err);
}

static struct stg_bytes with_nul(const char *text)
{
	return stg_bytes(text, strlen(text) + 1);
}

/* ---- folders, names, sizes ---- */

bool apple_afc_open(struct apple_device *dev, struct apple_afc *ret, struct stg_error *err)
{
	*ret = (struct apple_afc){ .link = apple_service(dev, SERVICE, err) };
	return ret->link ? true : stg_while(err, "files");
}

void apple_afc_close(struct apple_afc *a)
{
	apple_link_close_at(&a->link);
}

bool apple_afc_make_folder(struct apple_afc *a, const char *path, struct stg_error *err)
{
	return do_it(a, OP_MAKE_DIR, with_nul(path), "make a folder", AFC_EXISTS, err);
}

bool apple_afc_remove(struct apple_afc *a, const char *path, struct stg_error *err)
{
	return do_it(a, OP_REMOVE, with_nul(path), "remove a file", AFC_NOT_FOUND, err);
}

bool apple_afc_rename(struct apple_afc *a, const char *from, const char *to, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf args = STG_BUF(4000);
	return stg_buf_add(&args, from, strlen(from) + 1, err) && stg_buf_add(&args, to, strlen(to) + 1, err) &&
	       do_it(a, OP_RENAME, stg_buf_view(&args), "give a file its name", AFC_OK, err);
}

/* The number behind a key in a list of texts that end with NUL each. */
static bool number_in(const struct stg_buf *list, const char *key, uint64_t *ret)
{
	const char *at = (const char *)list->data, *end = at + list->len;
	while (at && at < end) {
		const char *value = at + strnlen(at, (size_t)(end - at)) + 1;
		if (value >= end)
			return false;
		char *stop = NULL;
		errno = 0;
		uint64_t n = strtoull(value, &stop, 10);    /* a NUL stands behind the list */
		if (strcmp(at, key) == 0) {
			*ret = n;
			return *value >= '0' && *value <= '9' && !*stop && errno == 0;
		}
		at = value + strnlen(value, (size_t)(end - value)) + 1;
	}
	return false;
}

bool apple_afc_info(struct apple_afc *a, const char *path, bool *ret_there, uint64_t *ret_size_bytes, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf answer = STG_BUF(ANSWER_MAX);
	uint64_t got = 0;
	if (!ask(a, OP_FILE_INFO, with_nul(path), "look at a file", AFC_NOT_FOUND, &got, &answer, err))
		return false;
	*ret_there = got == OP_DATA;
	*ret_size_bytes = 0;
	if (got == OP_STATUS)
		return value_of(&answer) == AFC_NOT_FOUND || nonsense(err);
	return (got == OP_DATA && number_in(&answer, "st_size", ret_size_bytes)) || nonsense(err);
}

bool apple_afc_free_bytes(struct apple_afc *a, uint64_t *ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf answer = STG_BUF(ANSWER_MAX);
	uint64_t got = 0;
	if (!ask(a, OP_DEVICE_INFO, stg_bytes(NULL, 0), "ask for its free space", AFC_OK, &got, &answer, err))
		return false;
	return (got == OP_DATA && number_in(&answer, "FSFreeBytes", ret)) || nonsense(err);
}

/* ---- whole files ---- */

static bool open_file(struct apple_afc *a, const char *path, enum apple_afc_mode mode, uint64_t *ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf args = STG_BUF(4000), answer = STG_BUF(ANSWER_MAX);
	uint8_t number[8];
	uint64_t got = 0;
	put64(number, mode);
	if (!stg_buf_add(&args, number, sizeof(number), err) || !stg_buf_add(&args, path, strlen(path) + 1, err) ||
	    !ask(a, OP_FILE_OPEN, stg_buf_view(&args), "open a file", AFC_OK, &got, &answer, err))
		return false;
	*ret = value_of(&answer);
	return (got == OP_FILE_OPENED && answer.len >= 8) || nonsense(err);
}

static bool close_file(struct apple_afc *a, uint64_t handle, struct stg_error *err)
{
	uint8_t number[8];
	put64(number, handle);
	return do_it(a, OP_FILE_CLOSE, stg_bytes(number, sizeof(number)), "close a file", AFC_OK, err);
}

static bool write_piece(struct apple_afc *a, uint64_t handle, struct stg_bytes piece, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf answer = STG_BUF(ANSWER_MAX);
	uint8_t number[8];
	uint64_t got = 0;
	put64(number, handle);
	if (!send_head(a, OP_FILE_WRITE, stg_bytes(number, sizeof(number)), piece.len, err) || !apple_link_write(a->link, piece, PIECE_MS, err) ||
	    !hear(a, &got, &answer, err))
		return stg_while(err, "write a file");
	if (got != OP_STATUS)
		return nonsense(err);
	return value_of(&answer) == AFC_OK || refused(value_of(&answer), "write a file", err);
}

static void EVP_MD_CTX_free_at(EVP_MD_CTX **p)
{
	EVP_MD_CTX_free(*p);
}

static EVP_MD_CTX *sum_new(struct stg_error *err)
{
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	if (sum && EVP_DigestInit_ex(sum, EVP_sha256(), NULL) == 1)
		return sum;
	EVP_MD_CTX_free(sum);
	stg_fail(err, STG_E_NOMEM, 0, "no memory for a hash");
	return NULL;
}

static bool sum_end(EVP_MD_CTX *sum, char ret[65], struct stg_error *err)
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	if (EVP_DigestFinal_ex(sum, hash, NULL) != 1)
		return stg_fail(err, STG_E_BUG, 0, "SHA-256");
	stg_hex(stg_bytes(hash, 32), ret);
	return true;
}

static bool read_piece(int fd, struct stg_buf *piece, size_t len, struct stg_error *err)
{
	stg_buf_reset(piece);
	if (!stg_buf_reserve(piece, len, err))
		return false;
	while (piece->len < len) {
		ssize_t n = read(fd, piece->data + piece->len, len - piece->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return stg_fail_id(err, STG_E_IO, STG_ID_APP_FILE_DAMAGED, n < 0 ? errno : 0, "it ends early");
		piece->len += (size_t)n;
	}
	return true;
}

/* A percent is a message: only new ones are told. */
static void tell(const struct stg_host *host, int *told, int percent)
{
	if (percent != *told && host && host->progress)
		host->progress(host->ctx, percent);
	*told = percent;
}

/* Turns are given back whatever happens. */
static void bulk_end(struct stg_bulk *b)
{
	stg_bulk_done(b);
}

static bool send_pieces(struct apple_afc *a, const struct stg_host *host, uint64_t handle, int fd, uint64_t size_bytes, const char *mark, int from,
			int to, struct stg_error *err)
{
	STG_AUTO(bulk_end) struct stg_bulk bulk = { .host = host, .left_bytes = size_bytes };
	STG_AUTO(stg_mark_free_at) struct stg_mark *sum = stg_mark_new(err);
	STG_AUTO(stg_buf_clear) struct stg_buf piece = STG_BUF(PIECE);
	char seen[STG_MARK_TEXT];
	int told = -1;
	if (!sum)
		return false;
	for (uint64_t done = 0; done < size_bytes;) {
		size_t n = size_bytes - done < PIECE ? (size_t)(size_bytes - done) : PIECE;
		if (!read_piece(fd, &piece, n, err) || !stg_mark_add(sum, stg_buf_view(&piece), err) || !stg_bulk_take(&bulk, n, err) ||
		    !write_piece(a, handle, stg_buf_view(&piece), err))
			return false;
		done += n;
		tell(host, &told, from + (int)((uint64_t)(to - from) * done / size_bytes));
	}
	return stg_mark_end(sum, seen, err) && (strcmp(seen, mark) == 0 || stg_fail_id(err, STG_E_IO, STG_ID_APP_FILE_DAMAGED, 0, "its sum is %.8s", seen));
}

bool apple_afc_send(struct apple_afc *a, const struct stg_host *host, const char *path, int fd, uint64_t size_bytes, const char *mark, int from,
		    int to, struct stg_error *err)
{
	uint64_t handle = 0;
	if (lseek(fd, 0, SEEK_SET) != 0)
		return stg_fail_id(err, STG_E_IO, STG_ID_APP_FILE_DAMAGED, errno, "go to its beginning: %s", strerror(errno));
	if (!open_file(a, path, APPLE_AFC_WRITE, &handle, err))
		return false;
	bool ok = send_pieces(a, host, handle, fd, size_bytes, mark, from, to, err);
	if (ok)
		return close_file(a, handle, err);
	/* half a file is nobody's: taken away again where the device still listens */
	if (err->code != STG_E_GONE && err->code != STG_E_CANCELLED && close_file(a, handle, NULL))
		(void)apple_afc_remove(a, path, NULL);
	return false;
}

static bool hash_pieces(struct apple_afc *a, const struct stg_host *host, uint64_t handle, uint64_t size_bytes, char ret_sha256[65],
			struct stg_error *err)
{
	STG_AUTO(bulk_end) struct stg_bulk bulk = { .host = host, .left_bytes = size_bytes };
	STG_AUTO(EVP_MD_CTX_free_at) EVP_MD_CTX *sum = sum_new(err);
	STG_AUTO(stg_buf_clear) struct stg_buf piece = STG_BUF(PIECE + 64);
	if (!sum)
		return false;
	for (uint64_t done = 0; done < size_bytes;) {
		size_t n = size_bytes - done < PIECE ? (size_t)(size_bytes - done) : PIECE;
		uint8_t args[16];
		uint64_t got = 0;
		put64(args, handle);
		put64(args + 8, n);
		if (!stg_bulk_take(&bulk, n, err) || !ask(a, OP_FILE_READ, stg_bytes(args, sizeof(args)), "read a file", AFC_OK, &got, &piece, err))
			return false;
		/* fewer bytes than were asked for are fine, none and more are not */
		if (got != OP_DATA || piece.len == 0 || piece.len > n)
			return nonsense(err);
		EVP_DigestUpdate(sum, piece.data, piece.len);
		done += piece.len;
	}
	return sum_end(sum, ret_sha256, err);
}

bool apple_afc_hash(struct apple_afc *a, const struct stg_host *host, const char *path, uint64_t size_bytes, char ret_sha256[65],
		    struct stg_error *err)
{
	uint64_t handle = 0;
	if (!open_file(a, path, APPLE_AFC_READ, &handle, err))
		return false;
	return hash_pieces(a, host, handle, size_bytes, ret_sha256, err) && close_file(a, handle, err);
}

/* ---- the Setup Assistant ---- */

static bool make_empty(struct apple_afc *a, const char *path, struct stg_error *err)
{
	uint64_t handle = 0;
	return open_file(a, path, APPLE_AFC_WRITE, &handle, err) && close_file(a, handle, err);
}

bool apple_skip_setup_file(struct apple_device *dev, struct stg_error *err)
{
	struct apple_afc a;
	bool there = false;
	uint64_t size = 0;
	bool ok = apple_afc_open(dev, &a, err) && apple_afc_make_folder(&a, "iTunes_Control", err) && apple_afc_make_folder(&a, SKIP_FOLDER, err) &&
		  make_empty(&a, SKIP_FILE, err) && apple_afc_info(&a, SKIP_FILE, &there, &size, err) &&
		  (there || stg_fail_id(err, STG_E_REFUSED, STG_ID_SERVICE_REFUSED, 0, "it is not there afterwards"));
	apple_afc_close(&a);
	return ok || stg_while(err, SKIP_FILE);
}
