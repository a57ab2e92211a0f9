/*
 * tar.c - one header of 512 bytes and the content, filled up to 512, for each file.
 *
 * For:    the support archive, and what travels by stick.
 * Uses:   nothing.
 * Called: stager/cmd, stager/bundle.
 * Thread: any.
 *
 * Facts: IEEE Std 1003.1-2017, pax, "ustar Interchange Format".
 */
#include <stdio.h>
#include <string.h>

#include <stager/error.h>
#include <stager/tar.h>

struct ustar {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], kind, link[100], magic[6], version[2], user[32], group[32], major[8],
		minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct ustar) == STG_TAR_BLOCK, "a header is one block");

static const char none[2 * STG_TAR_BLOCK];

/* Octal with leading zeros and a NUL. */
static void octal(char *field, size_t size, uint64_t value)
{
	char text[32];
	snprintf(text, sizeof(text), "%0*llo", (int)size - 1, (unsigned long long)value);
	memcpy(field, text, size);
}

static unsigned int sum_of(const struct ustar *h)
{
	struct ustar blank = *h;
	unsigned int sum = 0;
	memset(blank.sum, ' ', sizeof(blank.sum));
	for (size_t i = 0; i < sizeof(blank); i++)
		sum += ((const unsigned char *)&blank)[i];
	return sum;
}

bool stg_tar_head(const char *name, size_t size_bytes, int64_t wall_ms, char ret[STG_TAR_BLOCK], struct stg_error *err)
{
	struct ustar h = { .kind = '0', .magic = "ustar", .version = { '0', '0' } };
	if (!stg_copy(h.name, sizeof(h.name), name) || (uint64_t)size_bytes >= 1ull << 33)
		return stg_fail(err, STG_E_BUG, 0, "a name of %zu bytes or a file of %zu in an archive", strlen(name), size_bytes);
	octal(h.mode, sizeof(h.mode), 0600);
	octal(h.uid, sizeof(h.uid), 0);
	octal(h.gid, sizeof(h.gid), 0);
	octal(h.size, sizeof(h.size), size_bytes);
	octal(h.mtime, sizeof(h.mtime), wall_ms > 0 ? (uint64_t)(wall_ms / 1000) : 0);
	octal(h.sum, 7, sum_of(&h));
	h.sum[7] = ' ';
	memcpy(ret, &h, sizeof(h));
	return true;
}

bool stg_tar_add(struct stg_buf *tar, const char *name, struct stg_bytes what, int64_t wall_ms, struct stg_error *err)
{
	char head[STG_TAR_BLOCK];
	size_t rest = what.len % STG_TAR_BLOCK;
	return stg_tar_head(name, what.len, wall_ms, head, err) && stg_buf_add(tar, head, sizeof(head), err) &&
	       stg_buf_add(tar, what.data, what.len, err) && (!rest || stg_buf_add(tar, none, STG_TAR_BLOCK - rest, err));
}

bool stg_tar_end(struct stg_buf *tar, struct stg_error *err)
{
	return stg_buf_add(tar, none, sizeof(none), err);
}

/* ---- reading ---- */

static int wrong(struct stg_error *err, size_t at, const char *what)
{
	stg_fail(err, STG_E_INPUT, 0, "archive, byte %zu: %s", at, what);
	return -1;
}

/* Octal digits up to a NUL or a blank, with blanks before them: what programs write. */
static bool number(const char *field, size_t size, uint64_t *ret)
{
	uint64_t value = 0;
	size_t i = 0, digits = 0;
	while (i < size && field[i] == ' ')
		i++;
	for (; i < size && field[i] >= '0' && field[i] <= '7'; i++, digits++)
		value = value << 3 | (uint64_t)(field[i] - '0');
	*ret = value;
	return digits > 0 && digits < 13 && (i == size || field[i] == 0 || field[i] == ' ');
}

static bool name_ok(const char *name)
{
	bool begins = true;
	for (; *name; name++) {
		char c = *name;
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
		if (c == '/' || c == '.' ? begins : !plain)
			return false;
		begins = c == '/';
	}
	return !begins;
}

static bool all_zero(struct stg_bytes tar, size_t at)
{
	for (; at < tar.len; at++)
		if (tar.data[at])
			return false;
	return true;
}

int stg_tar_next(struct stg_bytes tar, size_t *at, char ret_name[STG_TAR_NAME_MAX], struct stg_bytes *ret_what, struct stg_error *err)
{
	struct ustar h;
	uint64_t size, sum;
	if (tar.len % STG_TAR_BLOCK || *at > tar.len || tar.len - *at < 2 * STG_TAR_BLOCK)
		return wrong(err, *at, "it is cut short");
	memcpy(&h, tar.data + *at, sizeof(h));
	if (memcmp(&h, none, sizeof(h)) == 0)
		return all_zero(tar, *at) ? 0 : wrong(err, *at, "something stands behind its end");
	if (memcmp(h.magic, "ustar", 5) != 0 || !number(h.sum, sizeof(h.sum), &sum) || sum != sum_of(&h))
		return wrong(err, *at, "no header of a file");
	if (h.kind != '0' || h.link[0] || h.prefix[0])
		return wrong(err, *at, "something else than a plain file");
	if (!memchr(h.name, 0, sizeof(h.name)) || !name_ok(h.name))
		return wrong(err, *at, "a name that leads elsewhere");
	size_t left = tar.len - *at - STG_TAR_BLOCK;
	if (!number(h.size, sizeof(h.size), &size) || size > left)
		return wrong(err, *at, "a file larger than the archive");
	memcpy(ret_name, h.name, STG_TAR_NAME_MAX);
	*ret_what = stg_bytes(tar.data + *at + STG_TAR_BLOCK, (size_t)size);
	size_t blocks = ((size_t)size + STG_TAR_BLOCK - 1) / STG_TAR_BLOCK * STG_TAR_BLOCK;
	if (blocks > left)
		return wrong(err, *at, "it is cut short");
	*at += STG_TAR_BLOCK + blocks;
	return 1;
}
