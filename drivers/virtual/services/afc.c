/*
 * afc.c - Apple File Conduit: the media folder of a virtual device, over a binary request and answer protocol.
 *
 * For:    PublicStaging (app packages on their way in), the SkipSetup file, crash reports, house_arrest's containers.
 * Uses:   ../shelf.h. virt_afc_bytes() is the protocol for those that come to it by another door.
 * Thread: the bench's one.
 * Facts:  header "CFA6LPAA" and four little-endian u64 (whole length, length of header and arguments, number, operation);
 *         operations and status codes as libimobiledevice and go-ios use them (2024 to 2026). Some clients send paths
 *         without the ending NUL.
 */
#include "afc.h"

#include "../loop.h"
#include "../service.h"

#include <inttypes.h>
#include <stager/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES  40u
#define PACKET_MAX    ((size_t)8 << 20)
#define READ_MAX      ((size_t)4 << 20)
#define ANSWER_MAX    (READ_MAX + 4096)
#define BYTES_PER_MS  35000       /* 35 MB/s, what a real device takes over USB 2 */
#define DEBT_MIN      (BYTES_PER_MS * 10)

enum {
	OP_STATUS = 1, OP_DATA = 2, OP_READ_DIR = 3, OP_READ_FILE = 4, OP_WRITE_FILE = 5, OP_WRITE_PART = 6, OP_TRUNCATE = 7,
	OP_REMOVE_PATH = 8, OP_MAKE_DIR = 9, OP_FILE_INFO = 0x0a, OP_DEVICE_INFO = 0x0b, OP_FILE_OPEN = 0x0d,
	OP_FILE_OPEN_RESULT = 0x0e, OP_FILE_READ = 0x0f, OP_FILE_WRITE = 0x10, OP_FILE_SEEK = 0x11, OP_FILE_TELL = 0x12,
	OP_FILE_TELL_RESULT = 0x13, OP_FILE_CLOSE = 0x14, OP_FILE_SET_SIZE = 0x15, OP_RENAME = 0x18, OP_FILE_LOCK = 0x1b,
	OP_MAKE_LINK = 0x1c, OP_SET_TIME = 0x1e, OP_REMOVE_ALL = 0x22,
};
enum {
	AFC_OK = 0, AFC_UNKNOWN = 1, AFC_BAD_HEADER = 2, AFC_READ = 4, AFC_BAD_ARGUMENT = 7, AFC_NOT_FOUND = 8,
	AFC_IS_FOLDER = 9, AFC_PERMISSION = 10, AFC_TOO_MANY = 13, AFC_NOT_SUPPORTED = 15, AFC_EXISTS = 16, AFC_NO_SPACE = 18,
	AFC_NOT_EMPTY = 33,
};

struct request {
	uint64_t number, op;
	struct stg_bytes args, payload;
};

static uint64_t get64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static void put64(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++, v >>= 8)
		p[i] = (uint8_t)v;
}

static void answer(struct virt_conn *c, uint64_t number, uint64_t op, struct stg_bytes args, struct stg_bytes payload)
{
	STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(ANSWER_MAX);
	uint8_t head[HEADER_BYTES];

	memcpy(head, "CFA6LPAA", 8);
	put64(head + 8, HEADER_BYTES + args.len + payload.len);
	put64(head + 16, HEADER_BYTES + args.len);
	put64(head + 24, number);
	put64(head + 32, op);
	if (stg_buf_add(&out, head, sizeof(head), NULL) && stg_buf_add(&out, args.data, args.len, NULL)
	    && stg_buf_add(&out, payload.data, payload.len, NULL))
		virt_send(c, stg_buf_view(&out));
	else
		virt_close(c);
}

/* An answer nobody should believe. */
static void spoil(struct virt_conn *c, uint64_t number, const char *how)
{
	uint8_t head[HEADER_BYTES + 8] = "CFA6LPAA";

	put64(head + 8, strcmp(how, "big") == 0 ? (uint64_t)1 << 62 : sizeof(head));
	put64(head + 16, sizeof(head));
	put64(head + 24, strcmp(how, "wrong_request") == 0 ? number + 1000 : number);
	put64(head + 32, OP_STATUS);
	if (strcmp(how, "garbage") == 0)
		for (size_t i = 0; i < sizeof(head); i++)
			head[i] = (uint8_t)(i * 151u + 89u);
	virt_send(c, stg_bytes(head, strcmp(how, "truncate") == 0 ? HEADER_BYTES / 2 : sizeof(head)));
	if (strcmp(how, "truncate") == 0)
		virt_close(c);
}

static void status(struct virt_conn *c, uint64_t number, uint64_t code)
{
	uint8_t arg[8];

	put64(arg, code);
	answer(c, number, OP_STATUS, stg_bytes(arg, sizeof(arg)), stg_bytes(NULL, 0));
}

static uint64_t code_of(enum virt_shelf_answer a)
{
	switch (a) {
	case VIRT_SHELF_OK: return AFC_OK;
	case VIRT_SHELF_NOT_FOUND: return AFC_NOT_FOUND;
	case VIRT_SHELF_EXISTS: return AFC_EXISTS;
	case VIRT_SHELF_IS_FOLDER: return AFC_IS_FOLDER;
	case VIRT_SHELF_NOT_EMPTY: return AFC_NOT_EMPTY;
	case VIRT_SHELF_NO_SPACE: return AFC_NO_SPACE;
	case VIRT_SHELF_BAD_PATH: return AFC_PERMISSION;
	}
	return AFC_UNKNOWN;
}

/* A path argument under the connection's root; false when it is too long. The ending NUL may be missing. */
static bool path_at(const struct virt_afc *afc, struct stg_bytes args, size_t at, char ret[VIRT_PATH_MAX])
{
	size_t len = at < args.len ? strnlen((const char *)args.data + at, args.len - at) : 0;
	const char *up = at < args.len ? (const char *)args.data + at : "";
	int n;

	if (len == 0 || len >= VIRT_PATH_MAX)
		return false;
	/* A container must not be left, whatever the path adds up to. */
	for (size_t i = 0; *afc->root && i + 1 < len; i++)
		if (up[i] == '.' && up[i + 1] == '.' && (i == 0 || up[i - 1] == '/') && (i + 2 == len || up[i + 2] == '/'))
			return false;
	n = snprintf(ret, VIRT_PATH_MAX, "%s/%.*s", afc->root, (int)len, (const char *)args.data + at);
	return n > 0 && n < VIRT_PATH_MAX;
}

static struct virt_afc_handle *handle(struct virt_afc *afc, struct stg_bytes args)
{
	uint64_t id = args.len >= 8 ? get64(args.data) : 0;

	for (size_t i = 0; id && i < VIRT_AFC_HANDLES; i++)
		if (afc->handles[i].id == id)
			return &afc->handles[i];
	return NULL;
}

static bool add_text(struct stg_buf *list, const char *text)
{
	return stg_buf_add(list, text, strlen(text) + 1, NULL);
}

static bool add_pair(struct stg_buf *list, const char *key, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return add_text(list, key) && add_text(list, text);
}

static void read_dir(struct virt_conn *c, struct virt_shelf *shelf, const struct request *r, const char *path)
{
	STG_AUTO(stg_buf_clear) struct stg_buf list = STG_BUF(READ_MAX);
	struct virt_file *folder = virt_shelf_file(shelf, path);
	const char *name;
	bool fits;

	if (!folder || !folder->is_folder) {
		status(c, r->number, folder ? AFC_READ : AFC_NOT_FOUND);
		return;
	}
	fits = add_text(&list, ".") && add_text(&list, "..");
	for (size_t i = 0; fits && (name = virt_shelf_nth_in(shelf, path, i)); i++)
		fits = add_text(&list, name);
	if (fits)
		answer(c, r->number, OP_DATA, stg_bytes(NULL, 0), stg_buf_view(&list));
	else
		status(c, r->number, AFC_UNKNOWN);
}

static void file_info(struct virt_conn *c, struct virt_shelf *shelf, const struct request *r, const char *path)
{
	STG_AUTO(stg_buf_clear) struct stg_buf list = STG_BUF(8192);
	const struct virt_file *f = virt_shelf_file(shelf, path);
	bool fits;

	if (!f) {
		status(c, r->number, AFC_NOT_FOUND);
		return;
	}
	fits = add_pair(&list, "st_size", f->is_folder ? 64 : f->data.len)
		&& add_pair(&list, "st_blocks", (f->data.len + 4095) / 4096 * 8)
		&& add_pair(&list, "st_nlink", f->is_folder ? 2 : 1) && add_text(&list, "st_ifmt")
		&& add_text(&list, f->link_to ? "S_IFLNK" : f->is_folder ? "S_IFDIR" : "S_IFREG")
		&& add_pair(&list, "st_mtime", (uint64_t)f->modified_ms * 1000000u)
		&& add_pair(&list, "st_birthtime", (uint64_t)f->born_ms * 1000000u)
		&& (!f->link_to || (add_text(&list, "LinkTarget") && add_text(&list, f->link_to)));
	if (fits)
		answer(c, r->number, OP_DATA, stg_bytes(NULL, 0), stg_buf_view(&list));
	else
		status(c, r->number, AFC_UNKNOWN);
}

static void device_info(struct virt_conn *c, struct virt_shelf *shelf, const struct request *r)
{
	STG_AUTO(stg_buf_clear) struct stg_buf list = STG_BUF(1024);
	const struct virt_device *d = virt_conn_device(c);

	if (add_text(&list, "Model") && add_text(&list, d->model ? d->model->product_type : "")
	    && add_pair(&list, "FSTotalBytes", d->capacity_bytes)
	    && add_pair(&list, "FSFreeBytes", virt_shelf_free_bytes(shelf)) && add_pair(&list, "FSBlockSize", 4096))
		answer(c, r->number, OP_DATA, stg_bytes(NULL, 0), stg_buf_view(&list));
}

static void file_open(struct virt_conn *c, struct virt_afc *afc, struct virt_shelf *shelf, const struct request *r,
		      const char *path)
{
	uint64_t mode = get64(r->args.data);
	struct virt_afc_handle *h = NULL;
	struct virt_file *f = virt_shelf_file(shelf, path);
	enum virt_shelf_answer a = VIRT_SHELF_OK;
	uint8_t arg[8];

	for (size_t i = 0; !h && i < VIRT_AFC_HANDLES; i++)
		if (!afc->handles[i].id)
			h = &afc->handles[i];
	if (mode < 1 || mode > 6 || !h) {
		status(c, r->number, h ? AFC_BAD_ARGUMENT : AFC_TOO_MANY);
		return;
	}
	if (f && f->is_folder)
		a = VIRT_SHELF_IS_FOLDER;
	else if (!f)
		a = mode <= 2 ? VIRT_SHELF_NOT_FOUND : virt_shelf_make_file(shelf, path, &f);
	if (a == VIRT_SHELF_OK && (mode == 3 || mode == 4))
		a = virt_shelf_resize(shelf, f, 0);
	if (a != VIRT_SHELF_OK) {
		status(c, r->number, code_of(a));
		return;
	}
	*h = (struct virt_afc_handle){ .id = ++afc->last_id, .mode = (unsigned int)mode };
	stg_copy(h->path, sizeof(h->path), path);
	put64(arg, h->id);
	answer(c, r->number, OP_FILE_OPEN_RESULT, stg_bytes(arg, sizeof(arg)), stg_bytes(NULL, 0));
}

/* Requests on an open file. The path is looked up each time, because another connection may have removed it. */
static void on_handle(struct virt_conn *c, struct virt_afc *afc, struct virt_shelf *shelf, const struct request *r)
{
	struct virt_afc_handle *h = handle(afc, r->args);
	struct virt_file *f = h ? virt_shelf_file(shelf, h->path) : NULL;
	bool may_write = h && h->mode != 1, may_read = h && h->mode != 3 && h->mode != 5;
	uint64_t code = AFC_OK;
	uint8_t arg[8];

	if (!h || !f) {
		if (h && r->op == OP_FILE_CLOSE)
			*h = (struct virt_afc_handle){ 0 };
		status(c, r->number, h && r->op == OP_FILE_CLOSE ? AFC_OK : AFC_BAD_ARGUMENT);
		return;
	}
	switch (r->op) {
	case OP_FILE_CLOSE:
		*h = (struct virt_afc_handle){ 0 };
		break;
	case OP_FILE_READ: {
		uint64_t want = r->args.len >= 16 ? get64(r->args.data + 8) : 0;
		size_t have = h->offset < f->data.len ? f->data.len - (size_t)h->offset : 0;
		size_t n = want < have ? (size_t)want : have;

		if (!may_read) {
			code = AFC_PERMISSION;
			break;
		}
		n = n < READ_MAX ? n : READ_MAX;
		answer(c, r->number, OP_DATA, stg_bytes(NULL, 0), stg_bytes(n ? f->data.data + h->offset : NULL, n));
		h->offset += n;
		afc->debt_bytes += n;
		return;
	}
	case OP_FILE_WRITE:
		if (!may_write) {
			code = AFC_PERMISSION;
			break;
		}
		if (h->mode >= 5)
			h->offset = f->data.len;
		code = code_of(virt_shelf_write(shelf, f, h->offset, r->payload));
		if (code == AFC_OK)
			h->offset += r->payload.len;
		afc->debt_bytes += r->payload.len;
		break;
	case OP_FILE_SEEK: {
		uint64_t whence = r->args.len >= 24 ? get64(r->args.data + 8) : 3;
		uint64_t base = whence == 1 ? h->offset : whence == 2 ? f->data.len : 0;
		uint64_t to = r->args.len >= 24 ? base + get64(r->args.data + 16) : 0;

		if (whence > 2 || to > PACKET_MAX * 64)   /* also what went below zero */
			code = AFC_BAD_ARGUMENT;
		else
			h->offset = to;
		break;
	}
	case OP_FILE_TELL:
		put64(arg, h->offset);
		answer(c, r->number, OP_FILE_TELL_RESULT, stg_bytes(arg, sizeof(arg)), stg_bytes(NULL, 0));
		return;
	case OP_FILE_SET_SIZE:
		code = !may_write ? AFC_PERMISSION : r->args.len < 16 ? AFC_BAD_ARGUMENT
			: code_of(virt_shelf_resize(shelf, f, get64(r->args.data + 8)));
		break;
	case OP_FILE_LOCK:
		break;
	}
	status(c, r->number, code);
}

/* Requests about one or two paths. */
static void on_path(struct virt_conn *c, struct virt_afc *afc, struct virt_shelf *shelf, const struct request *r)
{
	size_t skip = r->op == OP_FILE_OPEN || r->op == OP_MAKE_LINK || r->op == OP_SET_TIME || r->op == OP_TRUNCATE ? 8 : 0;
	char path[VIRT_PATH_MAX], other[VIRT_PATH_MAX];
	enum virt_shelf_answer a = VIRT_SHELF_OK;
	struct virt_file *f;
	size_t second;

	if (r->args.len <= skip || !path_at(afc, r->args, skip, path)) {
		status(c, r->number, AFC_BAD_ARGUMENT);
		return;
	}
	second = skip + strnlen((const char *)r->args.data + skip, r->args.len - skip) + 1;
	switch (r->op) {
	case OP_READ_DIR:
		read_dir(c, shelf, r, path);
		return;
	case OP_FILE_INFO:
		file_info(c, shelf, r, path);
		return;
	case OP_FILE_OPEN:
		file_open(c, afc, shelf, r, path);
		return;
	case OP_MAKE_DIR:
		a = virt_shelf_make_folder(shelf, path);
		break;
	case OP_REMOVE_PATH:
	case OP_REMOVE_ALL:
		a = virt_shelf_remove(shelf, path, r->op == OP_REMOVE_ALL);
		break;
	case OP_RENAME:
		a = path_at(afc, r->args, second, other) ? virt_shelf_rename(shelf, path, other) : VIRT_SHELF_BAD_PATH;
		break;
	case OP_MAKE_LINK:   /* u64 kind (1 hard, 2 symbolic), target, name; the target stays as it was given */
		if (get64(r->args.data) != 2 || !path_at(afc, r->args, second, other)) {
			status(c, r->number, get64(r->args.data) == 1 ? AFC_NOT_SUPPORTED : AFC_BAD_ARGUMENT);
			return;
		}
		a = virt_shelf_make_link(shelf, other, path + strlen(afc->root) + 1);
		break;
	case OP_SET_TIME:
		f = virt_shelf_file(shelf, path);
		if (f)
			f->modified_ms = (int64_t)(get64(r->args.data) / 1000000u);
		a = f ? VIRT_SHELF_OK : VIRT_SHELF_NOT_FOUND;
		break;
	case OP_TRUNCATE:
		f = virt_shelf_file(shelf, path);
		a = !f ? VIRT_SHELF_NOT_FOUND : f->is_folder ? VIRT_SHELF_IS_FOLDER
			: virt_shelf_resize(shelf, f, get64(r->args.data));
		break;
	}
	status(c, r->number, code_of(a));
}

/* The word for an operation in the log and in faults; those that move bytes are not logged, there are too many. */
static const char *op_name(uint64_t op)
{
	static const char *const names[] = {
		[OP_READ_DIR] = "ReadDir", [OP_TRUNCATE] = "Truncate", [OP_REMOVE_PATH] = "RemovePath", [OP_MAKE_DIR] = "MakeDir",
		[OP_FILE_INFO] = "GetFileInfo", [OP_DEVICE_INFO] = "GetDeviceInfo", [OP_FILE_OPEN] = "FileOpen",
		[OP_FILE_READ] = "FileRead", [OP_FILE_WRITE] = "FileWrite", [OP_FILE_SEEK] = "FileSeek",
		[OP_FILE_TELL] = "FileTell", [OP_FILE_CLOSE] = "FileClose", [OP_FILE_SET_SIZE] = "SetSize",
		[OP_RENAME] = "RenamePath", [OP_FILE_LOCK] = "FileLock", [OP_MAKE_LINK] = "MakeLink",
		[OP_SET_TIME] = "SetModTime", [OP_REMOVE_ALL] = "RemovePathAndContents",
	};

	return op < STG_ARRAY_LEN(names) && names[op] ? names[op] : "?";
}

/* True when a fault took the request's place: dropped, no room, or refused with a status. */
static bool meets_fault(struct virt_conn *c, struct virt_afc *afc, const struct request *r)
{
	struct virt_device *d = virt_conn_device(c);
	static const char *const spoils[] = { "garbage", "truncate", "big", "wrong_request" };
	const char *name = op_name(r->op);
	json_t *args = NULL;

	if (!d->faults)
		return false;
	for (size_t i = 0; i < STG_ARRAY_LEN(spoils); i++) {
		if (virt_fault(d, name, spoils[i], NULL)) {
			spoil(c, r->number, spoils[i]);
			return true;
		}
	}
	if (virt_fault(d, name, "drop_before", NULL)) {
		afc->is_over = true;
	} else if (virt_fault(d, name, "unplug_before", &args)) {
		afc->is_over = true;
		if (stg_json_int(args, "back_ms", -1) >= 0)
			virt_device_replug(d, stg_json_int(args, "back_ms", 0), stg_json_str(args, "port"));
		else
			virt_device_unplug(d);
	} else if (virt_fault(d, name, "disk_full", NULL)) {
		status(c, r->number, AFC_NO_SPACE);
	} else if (virt_fault(d, name, "refuse", &args)) {
		status(c, r->number, (uint64_t)stg_json_int(args, "status", AFC_PERMISSION));
	} else {
		return false;
	}
	return true;
}

static void carry_out(struct virt_conn *c, struct virt_afc *afc, const struct request *r)
{
	struct virt_shelf *shelf = virt_shelf(virt_conn_device(c));

	if (r->op != OP_FILE_READ && r->op != OP_FILE_WRITE)
		virt_device_note(virt_conn_device(c), virt_conn_service(c), op_name(r->op));
	if (meets_fault(c, afc, r))
		return;
	switch (r->op) {
	case OP_READ_DIR: case OP_FILE_INFO: case OP_FILE_OPEN: case OP_MAKE_DIR: case OP_REMOVE_PATH: case OP_REMOVE_ALL:
	case OP_RENAME: case OP_MAKE_LINK: case OP_SET_TIME: case OP_TRUNCATE:
		on_path(c, afc, shelf, r);
		break;
	case OP_FILE_READ: case OP_FILE_WRITE: case OP_FILE_SEEK: case OP_FILE_TELL: case OP_FILE_CLOSE: case OP_FILE_SET_SIZE:
	case OP_FILE_LOCK:
		on_handle(c, afc, shelf, r);
		break;
	case OP_DEVICE_INFO:
		device_info(c, shelf, r);
		break;
	default:
		status(c, r->number, AFC_NOT_SUPPORTED);
	}
}

static void paid(struct virt_conn *c, void *arg)
{
	(void)c;
	(void)arg;
}

size_t virt_afc_bytes(struct virt_conn *c, struct virt_afc *afc, struct stg_bytes in)
{
	size_t taken = 0;

	while (in.len - taken >= HEADER_BYTES) {
		const uint8_t *p = in.data + taken;
		uint64_t whole = get64(p + 8), head = get64(p + 16);
		struct request r = { .number = get64(p + 24), .op = get64(p + 32) };

		if (memcmp(p, "CFA6LPAA", 8) != 0 || head < HEADER_BYTES || whole < head || whole > PACKET_MAX) {
			status(c, r.number, AFC_BAD_HEADER);
			virt_close(c);
			return in.len;
		}
		if (in.len - taken < whole)
			return taken;
		r.args = stg_bytes(p + HEADER_BYTES, (size_t)head - HEADER_BYTES);
		r.payload = stg_bytes(p + head, (size_t)(whole - head));
		carry_out(c, afc, &r);
		taken += (size_t)whole;
		if (afc->is_over) {
			virt_close(c);
			return in.len;
		}
		if (afc->debt_bytes >= DEBT_MIN) {
			/* Large files take the time they take on a cable. */
			int64_t ms = (int64_t)(afc->debt_bytes / BYTES_PER_MS);

			afc->debt_bytes %= BYTES_PER_MS;
			virt_after(c, ms, paid, NULL);
			return taken;
		}
	}
	return taken;
}

static size_t bytes(struct virt_conn *c, struct stg_bytes in)
{
	return virt_afc_bytes(c, virt_state(c), in);
}

const struct virt_service virt_service_afc = {
	.names = { "com.apple.afc" },
	.framing = VIRT_RAW,
	.state_size = sizeof(struct virt_afc),
	.bytes = bytes,
};
