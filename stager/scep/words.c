/*
 * words.c - what stands around the messages: capabilities, and the query of a GET.
 *
 * For:    the responder and the client.
 * Uses:   nothing.
 * Called: with text from the network.
 * Thread: any.
 * Facts:  capability lines end in LF (scepserver) or CRLF (step-ca); unknown words are skipped, capitals do not count. In a GET
 *         macOS leaves '+' and '/' as they are, sscep breaks base64 with %0A, some write the URL-safe letters, some no padding.
 */
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "inner.h"

#define QUERY_MAX (16u << 10)

/* The raw value of a name in the query; its length in *ret_len. NULL: absent. */
static const char *value_of(const char *query, const char *name, size_t *ret_len)
{
	size_t n = strlen(name);
	for (const char *p = query; *p;) {
		size_t len = strcspn(p, "&");
		if (len > n && strncmp(p, name, n) == 0 && p[n] == '=') {
			*ret_len = len - n - 1;
			return p + n + 1;
		}
		p += len + (p[len] == '&');
	}
	return NULL;
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void stg_scep_get_operation(const char *raw_query, char *ret, size_t size)
{
	size_t len = 0;
	const char *v = value_of(raw_query ? raw_query : "", "operation", &len);
	*ret = 0;
	if (!v || len >= size)
		return;
	memcpy(ret, v, len);
	ret[len] = 0;
}

bool stg_scep_get_message(const char *raw_query, struct stg_buf *ret, struct stg_error *err)
{
	size_t len = 0, n = 0;
	if (!raw_query || strlen(raw_query) > QUERY_MAX)
		return scep_fail(err, STG_ID_SCEP_MESSAGE, STG_SCEP_BAD_REQUEST, "a query of more than 16 KiB");
	const char *v = value_of(raw_query, "message", &len);
	if (!v || !len)
		return scep_fail(err, STG_ID_SCEP_MESSAGE, STG_SCEP_BAD_REQUEST, "the query has no message");
	STG_AUTO(stg_free_at) char *text = stg_calloc(1, len + 4);
	for (size_t i = 0; i < len; i++) {
		char c = v[i];
		if (c == '%') {
			int high = i + 2 < len ? nibble(v[i + 1]) : -1;
			int low = high < 0 ? -1 : nibble(v[i + 2]);
			if (high < 0 || low < 0)
				return scep_fail(err, STG_ID_SCEP_MESSAGE, STG_SCEP_BAD_REQUEST, "a percent sign without two digits");
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\r' || c == '\n')
			continue;
		text[n++] = c == '-' ? '+' : c == '_' ? '/' : c;
	}
	while (n && text[n - 1] == '=')
		n--;
	while (n % 4)
		text[n++] = '=';
	text[n] = 0;
	struct stg_error why = { 0 };
	if (n < 4 || strlen(text) != n || !stg_unbase64(text, ret, &why))
		return scep_fail(err, STG_ID_SCEP_MESSAGE, STG_SCEP_BAD_REQUEST, "the message is no base64");
	return true;
}

void stg_scep_caps_read(struct stg_bytes text, struct stg_scep_caps *ret)
{
	struct stg_scep_caps c = { 0 };
	const struct { const char *word; bool *has; } words[] = {
		{ "AES", &c.aes }, { "DES3", &c.des3 }, { "POSTPKIOperation", &c.post }, { "Renewal", &c.renewal }, { "SHA-1", &c.sha1 },
		{ "SHA-256", &c.sha256 }, { "SHA-512", &c.sha512 }, { "SCEPStandard", &c.standard },
	};
	for (size_t i = 0; i < text.len;) {
		size_t n = 0;
		while (i + n < text.len && !isspace(text.data[i + n]))
			n++;
		for (size_t k = 0; n && k < STG_ARRAY_LEN(words); k++)
			if (strlen(words[k].word) == n && strncasecmp(words[k].word, (const char *)text.data + i, n) == 0)
				*words[k].has = true;
		i += n + 1;
	}
	if (c.standard)
		c.aes = c.post = c.sha256 = true;
	*ret = c;
}

const char *stg_scep_caps_text(enum stg_scep_old old)
{
	return old == STG_SCEP_MODERN ? "AES\nPOSTPKIOperation\nRenewal\nSCEPStandard\nSHA-256\nSHA-512\n"
				      : "AES\nDES3\nPOSTPKIOperation\nRenewal\nSCEPStandard\nSHA-1\nSHA-256\nSHA-512\n";
}
