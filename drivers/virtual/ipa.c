/*
 * ipa.c - reads one entry of a zip archive: a property list or a signature of an app package.
 *
 * For:    installation_proxy, so that what a virtual device lists afterwards is what was really in the package.
 * Uses:   zlib for inflate, <stager/plistscan.h> before libplist. No file, no socket.
 * Thread: any.
 * Facts:  zip as in PKWARE's APPNOTE: end record, central directory, local header; methods 0 (stored) and 8 (deflate).
 */
#include "ipa.h"

#include <stager/error.h>
#include <stager/plistscan.h>
#include <string.h>
#include <zlib.h>

#define END_BYTES      22u
#define CENTRAL_BYTES  46u
#define LOCAL_BYTES    30u
#define COMMENT_MAX    65535u
#define INFO_MAX       ((size_t)1 << 20)

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) | get16(p + 2) << 16;
}

/* Is it "Payload/ANY.app/REST", with no folder but these? */
static bool is_it(const uint8_t *name, size_t len, const char *rest)
{
	static const char head[] = "Payload/", app[] = ".app/";
	size_t h = sizeof(head) - 1, a = sizeof(app) - 1, r = strlen(rest);

	return len > h + a + r && memcmp(name, head, h) == 0 && memcmp(name + len - r, rest, r) == 0
		&& memcmp(name + len - r - a, app, a) == 0 && !memchr(name + h, '/', len - h - a - r);
}

static bool find_end(struct stg_bytes zip, size_t *ret)
{
	size_t lowest = zip.len > END_BYTES + COMMENT_MAX ? zip.len - END_BYTES - COMMENT_MAX : 0;

	for (size_t i = zip.len < END_BYTES ? 0 : zip.len - END_BYTES + 1; i-- > lowest;) {
		if (memcmp(zip.data + i, "PK\5\6", 4) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static bool inflate_entry(struct stg_bytes in, uint32_t len, struct stg_buf *ret, struct stg_error *err)
{
	z_stream z = { 0 };
	int rc;

	if (len == 0)
		return stg_fail(err, STG_E_PROTOCOL, 0, "package entry is empty");
	if (!stg_buf_reserve(ret, len, err))
		return false;
	if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
		return stg_fail(err, STG_E_NOMEM, 0, "cannot start inflate");
	z.next_in = (Bytef *)in.data;
	z.avail_in = (uInt)in.len;
	z.next_out = ret->data;
	z.avail_out = len;
	rc = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	if (rc != Z_STREAM_END || z.total_out != len)
		return stg_fail(err, STG_E_PROTOCOL, rc, "package entry does not inflate to its %u bytes", len);
	ret->len = len;
	ret->data[len] = 0;
	return true;
}

/* Takes the entry that a central directory record describes. */
static bool take_entry(struct stg_bytes zip, const uint8_t *record, struct stg_buf *ret, struct stg_error *err)
{
	uint32_t method = get16(record + 10), packed = get32(record + 20), len = get32(record + 24), at = get32(record + 42);
	size_t data;

	if (at > zip.len || zip.len - at < LOCAL_BYTES || memcmp(zip.data + at, "PK\3\4", 4) != 0)
		return stg_fail(err, STG_E_PROTOCOL, 0, "package entry lies outside the file");
	data = (size_t)at + LOCAL_BYTES + get16(zip.data + at + 26) + get16(zip.data + at + 28);
	if (data > zip.len || zip.len - data < packed || len > INFO_MAX)
		return stg_fail(err, STG_E_PROTOCOL, 0, "package entry lies outside the file or is too large");
	if (method == 0 && packed == len)
		return stg_buf_add(ret, zip.data + data, len, err);
	if (method == 8)
		return inflate_entry(stg_bytes(zip.data + data, packed), len, ret, err);
	return stg_fail(err, STG_E_PROTOCOL, (int)method, "package entry is packed by method %u", method);
}

bool virt_ipa_file(struct stg_bytes zip, const char *rest, struct stg_buf *ret, struct stg_error *err)
{
	size_t end, at, stop;

	if (!find_end(zip, &end))
		return stg_fail(err, STG_E_PROTOCOL, 0, "not a zip archive");
	at = get32(zip.data + end + 16);
	stop = at + get32(zip.data + end + 12);
	if (stop > end)
		stop = end;
	while (at + CENTRAL_BYTES <= stop && memcmp(zip.data + at, "PK\1\2", 4) == 0) {
		const uint8_t *record = zip.data + at;
		size_t name = get16(record + 28), next = CENTRAL_BYTES + name + get16(record + 30) + get16(record + 32);

		if (next > stop - at)
			break;
		if (is_it(record + CENTRAL_BYTES, name, rest))
			return take_entry(zip, record, ret, err);
		at += next;
	}
	return stg_fail(err, STG_E_NOT_FOUND, 0, "no Payload/NAME.app/%s in the package", rest);
}

plist_t virt_ipa_info(struct stg_bytes zip, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(INFO_MAX);
	plist_t info = NULL;

	if (!virt_ipa_file(zip, "Info.plist", &text, err) || !stg_plist_scan(stg_buf_view(&text), &stg_plist_device, NULL, err))
		return NULL;
	plist_from_memory((const char *)text.data, (uint32_t)text.len, &info);
	if (info && plist_get_node_type(info) == PLIST_DICT)
		return info;
	plist_free(info);
	stg_fail(err, STG_E_PROTOCOL, 0, "Info.plist is not a dictionary");
	return NULL;
}
