/*
 * afc.c - files on the device, as far as staging needs them: an empty file that tells the Setup Assistant to be brief.
 *
 * For:    supervise.c.
 * Uses:   lockdown.c for the service, link.c for bytes.
 * Called: from this folder.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 5.4 and 4.10 (9): little endian, 40 bytes of header ("CFA6LPAA", whole length, length without
 *         payload, number, operation); every request has one answer with its number. Folders that exist are no error.
 */
#include <stdlib.h>

#include "device.h"

#define SERVICE "com.apple.afc"
#define AFC_MS 15000
#define HEADER_BYTES 40u
#define ANSWER_MAX (64u << 10)
#define SKIP_FOLDER "iTunes_Control/iTunes"
#define SKIP_FILE SKIP_FOLDER "/SkipSetup"

enum { OP_STATUS = 0x01, OP_MAKE_DIR = 0x09, OP_FILE_INFO = 0x0a, OP_FILE_OPEN = 0x0d, OP_FILE_OPENED = 0x0e, OP_FILE_CLOSE = 0x14 };
enum { AFC_OK = 0, AFC_EXISTS = 16, MODE_WRITE = 3 };

struct afc {
	struct apple_link *link;
	uint64_t number;
};

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

/* One request; ret_value is what its answer carries: the status, or the handle of an opened file. */
static bool ask(struct afc *a, uint64_t op, struct stg_bytes args, uint64_t *ret_op, uint64_t *ret_value, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(4096);
	uint8_t head[HEADER_BYTES] = "CFA6LPAA", in[HEADER_BYTES];
	put64(head + 8, HEADER_BYTES + args.len);
	put64(head + 16, HEADER_BYTES + args.len);
	put64(head + 24, ++a->number);
	put64(head + 32, op);
	if (!stg_buf_add(&out, head, sizeof(head), err) || !stg_buf_add(&out, args.data, args.len, err) ||
	    !apple_link_write(a->link, stg_buf_view(&out), AFC_MS, err) || !apple_link_read(a->link, in, sizeof(in), AFC_MS, err))
		return false;
	uint64_t len = get64(in + 8);
	if (memcmp(in, "CFA6LPAA", 8) != 0 || get64(in + 24) != a->number || len < HEADER_BYTES || len > ANSWER_MAX)
		return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "files: an answer that does not fit the question");
	STG_AUTO(stg_free_at) uint8_t *rest = stg_calloc(1, (size_t)len);
	if (!apple_link_read(a->link, rest, (size_t)len - HEADER_BYTES, AFC_MS, err))
		return false;
	*ret_op = get64(in + 32);
	*ret_value = len >= HEADER_BYTES + 8 ? get64(rest) : 0;
	return true;
}

static bool done(struct afc *a, uint64_t op, struct stg_bytes args, const char *what, struct stg_error *err)
{
	uint64_t got = 0, value = 0;
	if (!ask(a, op, args, &got, &value, err))
		return stg_while(err, "%s", what);
	return got != OP_STATUS || value == AFC_OK || (op == OP_MAKE_DIR && value == AFC_EXISTS) ||
	       stg_fail_id(err, STG_E_REFUSED, STG_ID_SERVICE_REFUSED, (int)value, "%s: the device said %d", what, (int)value);
}

static struct stg_bytes with_nul(const char *text)
{
	return stg_bytes(text, strlen(text) + 1);
}

static bool make_empty(struct afc *a, const char *path, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf args = STG_BUF(1024);
	uint8_t number[8];
	uint64_t op = 0, handle = 0;
	put64(number, MODE_WRITE);
	if (!stg_buf_add(&args, number, sizeof(number), err) || !stg_buf_add(&args, path, strlen(path) + 1, err) ||
	    !ask(a, OP_FILE_OPEN, stg_buf_view(&args), &op, &handle, err))
		return stg_while(err, "open %s", path);
	if (op != OP_FILE_OPENED)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_SERVICE_REFUSED, (int)handle, "open %s: the device said %d", path, (int)handle);
	put64(number, handle);
	return done(a, OP_FILE_CLOSE, stg_bytes(number, sizeof(number)), "close", err);
}

bool apple_skip_setup_file(struct apple_device *dev, struct stg_error *err)
{
	struct afc a = { .link = apple_service(dev, SERVICE, err) };
	bool ok = a.link && done(&a, OP_MAKE_DIR, with_nul("iTunes_Control"), "make a folder", err) &&
		  done(&a, OP_MAKE_DIR, with_nul(SKIP_FOLDER), "make a folder", err) && make_empty(&a, SKIP_FILE, err) &&
		  done(&a, OP_FILE_INFO, with_nul(SKIP_FILE), "look at the file", err);
	apple_link_close_at(&a.link);
	return ok || stg_while(err, SKIP_FILE);
}
