/*
 * encoding.c - whatever a spreadsheet wrote, as UTF-8 with plain line ends.
 *
 * For:    csv.c, which then never thinks about bytes again.
 * Uses:   iconv of the C library.
 * Called: once per file.
 * Thread: any.
 */
#include <errno.h>
#include <iconv.h>
#include <stdio.h>

#include "parts.h"

static bool starts(struct stg_bytes b, const char *mark, size_t len)
{
	return b.len >= len && memcmp(b.data, mark, len) == 0;
}

/* Length of the well-formed sequence at p, 0 when it is none (overlong, surrogate, cut). */
static size_t utf8_len(const uint8_t *p, size_t left)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90))
		return 0;
	return n;
}

bool batch_is_utf8(struct stg_bytes b)
{
	for (size_t i = 0; i < b.len;) {
		size_t n = utf8_len(b.data + i, b.len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

static unsigned int line_at(struct stg_bytes b, size_t at)
{
	unsigned int line = 1;
	for (size_t i = 0; i < at && i < b.len; i++)
		if (b.data[i] == '\n' || (b.data[i] == '\r' && (i + 1 >= b.len || b.data[i + 1] != '\n')))
			line++;
	return line;
}

static bool transcode(struct stg_bytes from, const char *encoding, struct stg_buf *ret, struct batch_problems *problems)
{
	iconv_t cd = iconv_open("UTF-8", encoding);
	if (cd == (iconv_t)-1) {
		batch_problem(problems, 0, STG_ID_LIST_ENCODING, "%s", encoding);
		return false;
	}
	char *in = (char *)(uintptr_t)from.data;
	size_t left = from.len;
	bool ok = true;
	while (ok && left) {
		char out[4096], *to = out;
		size_t room = sizeof(out);
		size_t got = iconv(cd, &in, &left, &to, &room);
		int why = errno;
		ok = stg_buf_add(ret, out, sizeof(out) - room, NULL);
		if (!ok) {
			batch_problem(problems, 0, STG_ID_LIST_TOO_LARGE, "> %u MiB", STG_BATCHFILE_MAX >> 20);
		} else if (got == (size_t)-1 && why != E2BIG) {
			size_t at = from.len - left;
			batch_problem(problems, from.data[0] == 0xff || from.data[0] == 0xfe ? 0 : line_at(from, at),
				      STG_ID_LIST_ENCODING, "0x%02x (%s)", from.data[at], encoding);
			ok = false;
		}
	}
	iconv_close(cd);
	return ok;
}

/* \r\n and \r become \n in place; control characters are noted. */
static bool settle_lines(struct stg_buf *text, struct batch_problems *problems)
{
	size_t to = 0;
	unsigned int line = 1;
	int64_t before = problems->count;
	for (size_t i = 0; i < text->len; i++) {
		uint8_t c = text->data[i];
		if (c == '\r') {
			if (i + 1 < text->len && text->data[i + 1] == '\n')
				continue;
			c = '\n';
		}
		if (c == '\n')
			line++;
		else if ((c < 0x20 && c != '\t') || c == 0x7f)
			batch_problem(problems, line, STG_ID_LIST_CONTROL, "0x%02x", c);
		if (problems->count - before >= BATCH_PROBLEMS_MAX)
			return false;   /* not a text at all: one page of it is enough */
		text->data[to++] = c;
	}
	text->len = to;
	if (text->data)
		text->data[to] = 0;
	return problems->count == before;
}

bool batch_decode(struct stg_bytes file, struct stg_buf *ret, const char **ret_encoding, struct batch_problems *problems)
{
	*ret = STG_BUF((size_t)STG_BATCHFILE_MAX * 2);
	*ret_encoding = "utf-8";
	if (file.len > STG_BATCHFILE_MAX) {
		batch_problem(problems, 0, STG_ID_LIST_TOO_LARGE, "> %u MiB", STG_BATCHFILE_MAX >> 20);
		return false;
	}
	if (starts(file, "PK\003\004", 4)) {
		batch_problem(problems, 0, STG_ID_LIST_SPREADSHEET, ".xlsx, .ods");
		return false;
	}
	if (starts(file, "\xd0\xcf\x11\xe0", 4)) {
		batch_problem(problems, 0, STG_ID_LIST_SPREADSHEET, ".xls");
		return false;
	}
	bool ok;
	if (starts(file, "\xff\xfe", 2) || starts(file, "\xfe\xff", 2)) {
		*ret_encoding = file.data[0] == 0xff ? "utf-16le" : "utf-16be";
		ok = transcode(file, "UTF-16", ret, problems);      /* takes the BOM away */
	} else {
		if (starts(file, "\xef\xbb\xbf", 3))
			file = stg_bytes(file.data + 3, file.len - 3);
		if (batch_is_utf8(file)) {
			ok = stg_buf_add(ret, file.data, file.len, NULL);
		} else {
			*ret_encoding = "windows-1252";
			ok = transcode(file, "WINDOWS-1252", ret, problems);
		}
	}
	return ok && settle_lines(ret, problems);
}
