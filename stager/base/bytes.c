/*
 * bytes.c - buffers with a ceiling, hexadecimal, base64, hashes, and text made safe to show.
 *
 * For:    everybody.
 * Uses:   OpenSSL's EVP for hashes and base64.
 * Called: from all rooms.
 * Thread: any; nothing is shared.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <stager/bytes.h>
#include <stager/error.h>

bool stg_bytes_equal(struct stg_bytes a, struct stg_bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool stg_buf_reserve(struct stg_buf *b, size_t more, struct stg_error *err)
{
	if (more > b->max || b->len > b->max - more)
		return stg_fail(err, STG_E_PROTOCOL, 0, "%zu bytes are more than the %zu allowed here", b->len + more, b->max);
	size_t want = b->len + more + 1;
	if (want <= b->cap)
		return true;
	size_t cap = b->cap ? b->cap * 2 : 256;
	if (cap < want)
		cap = want;
	if (cap > b->max + 1)
		cap = b->max + 1;
	uint8_t *grown = malloc(cap);
	if (!grown)
		return stg_fail(err, STG_E_NOMEM, 0, "no memory for %zu bytes", cap);
	if (b->data) {
		/* not realloc: what moves away may be secret and is wiped */
		memcpy(grown, b->data, b->len);
		OPENSSL_cleanse(b->data, b->cap);
		free(b->data);
	}
	grown[b->len] = 0;
	b->data = grown;
	b->cap = cap;
	return true;
}

bool stg_buf_add(struct stg_buf *b, const void *data, size_t len, struct stg_error *err)
{
	if (!stg_buf_reserve(b, len, err))
		return false;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = 0;
	return true;
}

bool stg_buf_add_str(struct stg_buf *b, const char *s, struct stg_error *err)
{
	return stg_buf_add(b, s, strlen(s), err);
}

bool stg_buf_printf(struct stg_buf *b, struct stg_error *err, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *text = NULL;
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return stg_fail(err, STG_E_NOMEM, 0, "no memory to format text");
	bool ok = stg_buf_add(b, text, (size_t)n, err);
	OPENSSL_cleanse(text, (size_t)n);
	free(text);
	return ok;
}

void stg_buf_reset(struct stg_buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = 0;
}

void stg_buf_clear(struct stg_buf *b)
{
	if (b->data) {
		OPENSSL_cleanse(b->data, b->cap);
		free(b->data);
	}
	b->data = NULL;
	b->len = b->cap = 0;
}

const char *stg_buf_str(const struct stg_buf *b)
{
	return b->data ? (const char *)b->data : "";
}

void stg_hex(struct stg_bytes in, char *ret)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < in.len; i++) {
		ret[2 * i] = digits[in.data[i] >> 4];
		ret[2 * i + 1] = digits[in.data[i] & 15];
	}
	ret[2 * in.len] = 0;
}

static int hex_digit(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

bool stg_unhex(const char *hex, struct stg_buf *ret, struct stg_error *err)
{
	size_t n = strlen(hex);
	if (n % 2)
		return stg_fail(err, STG_E_PROTOCOL, 0, "an odd number of hexadecimal digits");
	/* the digits are not repeated in the error: they may be of a key */
	if (strspn(hex, "0123456789abcdefABCDEF") != n)
		return stg_fail(err, STG_E_PROTOCOL, 0, "not hexadecimal");
	if (!stg_buf_reserve(ret, n / 2, err))
		return false;
	for (size_t i = 0; i < n; i += 2)
		ret->data[ret->len++] = (uint8_t)(hex_digit(hex[i]) << 4 | hex_digit(hex[i + 1]));
	ret->data[ret->len] = 0;
	return true;
}

bool stg_base64(struct stg_bytes in, struct stg_buf *ret, struct stg_error *err)
{
	size_t out = (in.len + 2) / 3 * 4;
	if (in.len > 1u << 28 || !stg_buf_reserve(ret, out, err))
		return in.len > 1u << 28 ? stg_fail(err, STG_E_PROTOCOL, 0, "too long for base64") : false;
	if (in.len)
		EVP_EncodeBlock(ret->data + ret->len, in.data, (int)in.len);
	ret->len += out;
	ret->data[ret->len] = 0;
	return true;
}

bool stg_unbase64(const char *text, struct stg_buf *ret, struct stg_error *err)
{
	size_t n = strlen(text), pad = 0;
	if (n % 4 || n > 1u << 29)
		return stg_fail(err, STG_E_PROTOCOL, 0, "base64 text has a wrong length");
	while (pad < 2 && n > pad && text[n - 1 - pad] == '=')
		pad++;
	if (n == 0)
		return stg_buf_reserve(ret, 0, err);
	if (!stg_buf_reserve(ret, n / 4 * 3, err))
		return false;
	/* OpenSSL skips white space around the text and takes '=' in its middle for a letter */
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	if (strspn(text, letters) != n - pad)
		return stg_fail(err, STG_E_PROTOCOL, 0, "not base64 text");
	int got = EVP_DecodeBlock(ret->data + ret->len, (const unsigned char *)text, (int)n);
	if (got < 0)
		return stg_fail(err, STG_E_PROTOCOL, 0, "not base64 text");
	ret->len += (size_t)got - pad;
	ret->data[ret->len] = 0;
	return true;
}

void stg_sha256(struct stg_bytes in, uint8_t ret[32])
{
	unsigned int n = 32;
	if (EVP_Digest(in.data, in.len, ret, &n, EVP_sha256(), NULL) != 1)
		abort();
}

void stg_sha256_hex(struct stg_bytes in, char ret[65])
{
	uint8_t d[32];
	stg_sha256(in, d);
	stg_hex(stg_bytes(d, sizeof(d)), ret);
}

void stg_mend_end(char *s)
{
	size_t len = strlen(s), back = 1;
	while (back < 4 && back < len && ((unsigned char)s[len - back] & 0xc0) == 0x80)
		back++;
	if (len == 0 || !((unsigned char)s[len - back] & 0x80))
		return;
	unsigned char lead = (unsigned char)s[len - back];
	if (back < (size_t)(lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2))
		s[len - back] = 0;
}

bool stg_copy(char *ret, size_t size, const char *s)
{
	size_t n = strlen(s);
	bool fits = n < size;
	if (!fits)
		n = size - 1;
	memmove(ret, s, n);
	ret[n] = 0;
	if (!fits)
		stg_mend_end(ret);
	return fits;
}

char *stg_strdup(const char *s)
{
	char *copy = strdup(s);
	if (!copy)
		abort();
	return copy;
}

void *stg_calloc(size_t n, size_t size)
{
	void *p = calloc(n, size);
	if (!p)
		abort();
	return p;
}

void stg_free_at(void *pp)
{
	void **p = pp;
	free(*p);
	*p = NULL;
}

void stg_close_at(int *fd)
{
	int saved = errno;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

/* Length of the well-formed UTF-8 sequence at s, 0 if it is none; the code point goes to ret. */
static size_t utf8_at(const unsigned char *s, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80 ? 1 : (s[0] & 0xe0) == 0xc0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : (s[0] & 0xf8) == 0xf0 ? 4 : 0;
	if (n == 0)
		return 0;
	uint32_t c = n == 1 ? s[0] : s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3fu);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return n;
}

static bool shows(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return false;
	/* direction marks, joiners, line separators, byte-order mark, tags: they change what a reader believes to see */
	if (c == 0xad || c == 0x180e || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	    (c >= 0xfff0 && c <= 0xffff && c != 0xfffd) || c >= 0xe0000 || c == 0x061c)
		return false;
	return true;
}

void stg_printable(const char *s, bool keep_utf8, char *ret, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = (const unsigned char *)(s ? s : "");
	size_t at = 0;
	while (*p && at + 5 < size) {
		uint32_t c = 0;
		size_t n = utf8_at(p, &c);
		if (n && shows(c) && (n == 1 || keep_utf8)) {
			memcpy(ret + at, p, n);
			at += n;
			p += n;
			continue;
		}
		ret[at++] = '\\';
		ret[at++] = 'x';
		ret[at++] = digits[*p >> 4];
		ret[at++] = digits[*p & 15];
		p++;
	}
	ret[at] = 0;
}
