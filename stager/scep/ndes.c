/*
 * ndes.c - finds the one-time challenge on the page of Microsoft's NDES.
 *
 * For:    filling a pool of challenges while there is a line.
 * Uses:   nothing.
 * Called: with a page from the network.
 * Thread: any.
 * Facts:  the page is UTF-16LE HTML; the challenge follows "The enrollment challenge password is:" in a <B> element, 16 hex digits in every
 *         sample seen. A thumbprint in hex stands on the page too: the label decides. Its other words: "The password cache is full.",
 *         "You do not have sufficient permission to enroll with SCEP." (as Fleet's proxy reads them).
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>

#include "inner.h"

#define PAGE_MAX (64u << 10)
#define WORD_LEAST 8
#define WORD_MOST 64

static bool no(struct stg_error *err, enum stg_code code, enum stg_id id)
{
	return stg_fail_id(err, code, id, 0, "%s", "");
}

/* Letters of the page that matter are ASCII: the rest becomes '?'. */
static void flatten(struct stg_bytes page, char *ret)
{
	bool wide = page.len >= 2 && ((page.data[0] == 0xff && page.data[1] == 0xfe) || (page.data[0] && !page.data[1]));
	size_t n = 0;
	for (size_t i = 0; i + (wide ? 1 : 0) < page.len; i += wide ? 2 : 1) {
		uint8_t c = page.data[i];
		ret[n++] = c && c < 0x7f && (!wide || !page.data[i + 1]) ? (char)c : '?';
	}
	ret[n] = 0;
}

bool stg_scep_ndes_read(struct stg_bytes page, struct stg_secret *ret, struct stg_error *err)
{
	static const char LABEL[] = "enrollment challenge password is:";
	if (!page.len || page.len > PAGE_MAX)
		return no(err, STG_E_PROTOCOL, STG_ID_SCEP_NDES_PAGE);
	char *text = stg_calloc(1, page.len + 1);
	flatten(page, text);
	const char *at = strcasestr(text, LABEL), *full = strcasestr(text, "password cache is full"), *denied = strcasestr(text, "sufficient permission");
	bool ok = false;
	if (at) {
		at = strcasestr(at, "<b>");
		size_t n = 0;
		for (at = at ? at + 3 : ""; isspace((unsigned char)*at); at++)
			;
		while (isalnum((unsigned char)at[n]))
			n++;
		ok = n >= WORD_LEAST && n <= WORD_MOST ? stg_secret_set(ret, stg_bytes(at, n), err) : no(err, STG_E_PROTOCOL, STG_ID_SCEP_NDES_PAGE);
	} else if (full) {
		no(err, STG_E_WAITING, STG_ID_SCEP_NDES_FULL);
	} else if (denied) {
		no(err, STG_E_REFUSED, STG_ID_SCEP_NDES_DENIED);
	} else {
		no(err, STG_E_PROTOCOL, STG_ID_SCEP_NDES_PAGE);
	}
	OPENSSL_cleanse(text, page.len);
	free(text);
	return ok;
}
