/*
 * _blackout.c - the nets that secrets of a support bundle are caught with.
 *
 * For:    ops/support.c.
 * Uses:   base, OpenSSL for the keyed hash.
 * Called: there, and by its fuzz entry.
 * Thread: the owner's.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/hmac.h>

#include <stager/json.h>

#include "_blackout.h"

#define SECRET_LEAST 4
#define FORM_LEAST 6            /* of a form that is not the value itself */
#define FORMS_MAX 20000
#define LINE_MAX_BYTES (64u << 10)
#define BASE64_LEAST 40
#define HEX_MOST 64             /* a SHA-256 is no secret; what is longer may be */

struct form {
	uint8_t *bytes;
	size_t len;
};

struct blackout {
	struct form *forms;
	size_t n_forms;
	json_t *known;              /* form of an identifier -> the one form its pseudonym is made of; NULL: no pseudonyms */
	uint8_t key[32];
	int64_t count;
};

struct blackout *blackout_new(void)
{
	return stg_calloc(1, sizeof(struct blackout));
}

void blackout_free(struct blackout *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->n_forms; i++) {
		explicit_bzero(b->forms[i].bytes, b->forms[i].len);
		free(b->forms[i].bytes);
	}
	free(b->forms);
	json_decref(b->known);
	explicit_bzero(b->key, sizeof(b->key));
	free(b);
}

int64_t blackout_count(const struct blackout *b)
{
	return b->count;
}

/* ---- what is known ---- */

static void add_form(struct blackout *b, const void *bytes, size_t len)
{
	for (size_t i = 0; i < b->n_forms; i++)
		if (b->forms[i].len == len && memcmp(b->forms[i].bytes, bytes, len) == 0)
			return;
	if (b->n_forms >= FORMS_MAX)
		return;
	if (b->n_forms % 64 == 0) {
		struct form *more = reallocarray(b->forms, b->n_forms + 64, sizeof(*more));
		if (!more)
			abort();
		b->forms = more;
	}
	uint8_t *kept = stg_calloc(1, len);
	memcpy(kept, bytes, len);
	b->forms[b->n_forms++] = (struct form){ .bytes = kept, .len = len };
}

static void add_hex(struct blackout *b, struct stg_bytes v)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(2 * v.len + 1);
	if (!stg_buf_reserve(&text, 2 * v.len, NULL))
		return;
	stg_hex(v, (char *)text.data);
	add_form(b, text.data, 2 * v.len);
	for (size_t i = 0; i < 2 * v.len; i++)
		text.data[i] = (uint8_t)toupper(text.data[i]);
	add_form(b, text.data, 2 * v.len);
}

/* Base64 of something longer that holds the value: the characters that depend on nothing else, at each of three offsets. */
static void add_base64(struct blackout *b, struct stg_bytes v)
{
	static const size_t skipped[] = { 0, 2, 3 };
	for (size_t offset = 0; offset < 3; offset++) {
		STG_AUTO(stg_buf_clear) struct stg_buf plain = STG_BUF(v.len + 2), text = STG_BUF(2 * v.len + 16);
		if (!stg_buf_add(&plain, "\0\0", offset, NULL) || !stg_buf_add(&plain, v.data, v.len, NULL) || !stg_base64(stg_buf_view(&plain), &text, NULL))
			return;
		size_t whole = (offset + v.len) * 8 / 6;
		if (whole < skipped[offset] + FORM_LEAST)
			continue;
		add_form(b, text.data + skipped[offset], whole - skipped[offset]);
		for (size_t i = 0; i < text.len; i++)
			text.data[i] = text.data[i] == '+' ? '-' : text.data[i] == '/' ? '_' : text.data[i];
		add_form(b, text.data + skipped[offset], whole - skipped[offset]);
	}
}

static void add_url(struct blackout *b, struct stg_bytes v)
{
	STG_AUTO(stg_buf_clear) struct stg_buf upper = STG_BUF(3 * v.len + 1), lower = STG_BUF(3 * v.len + 1);
	for (size_t i = 0; i < v.len; i++) {
		bool plain = isalnum(v.data[i]) || memchr("-_.~", v.data[i], 4);
		if (!stg_buf_printf(&upper, NULL, plain ? "%c" : "%%%02X", v.data[i]) || !stg_buf_printf(&lower, NULL, plain ? "%c" : "%%%02x", v.data[i]))
			return;
	}
	add_form(b, upper.data, upper.len);
	add_form(b, lower.data, lower.len);
}

static void add_escaped(struct blackout *b, struct stg_bytes v)
{
	static const size_t flags[] = { JSON_ENCODE_ANY, JSON_ENCODE_ANY | JSON_ENSURE_ASCII, JSON_ENCODE_ANY | JSON_ESCAPE_SLASH };
	json_t *text = json_stringn((const char *)v.data, v.len);
	for (size_t i = 0; text && i < STG_ARRAY_LEN(flags); i++) {
		char *escaped = json_dumps(text, flags[i]);
		size_t len = escaped ? strlen(escaped) : 0;
		if (len > 2)
			add_form(b, escaped + 1, len - 2);
		if (escaped)
			explicit_bzero(escaped, len);
		free(escaped);
	}
	json_decref(text);
	STG_AUTO(stg_buf_clear) struct stg_buf xml = STG_BUF(6 * v.len + 1);
	for (size_t i = 0; i < v.len; i++) {
		uint8_t c = v.data[i];
		const char *as = c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : NULL;
		if (!(as ? stg_buf_add_str(&xml, as, NULL) : stg_buf_add(&xml, &c, 1, NULL)))
			return;
	}
	add_form(b, xml.data, xml.len);
	/* as our own log writes it */
	STG_AUTO(stg_buf_clear) struct stg_buf ended = STG_BUF(v.len + 1), own = STG_BUF(8 * v.len + 8);
	if (memchr(v.data, 0, v.len) || !stg_buf_add(&ended, v.data, v.len, NULL) || !stg_buf_reserve(&own, 8 * v.len + 4, NULL))
		return;
	for (int keep = 0; keep < 2; keep++) {
		stg_printable(stg_buf_str(&ended), keep, (char *)own.data, 8 * v.len + 4);
		add_form(b, own.data, strlen((char *)own.data));
	}
}

void blackout_secret(struct blackout *b, struct stg_bytes value)
{
	/* what is written in a file ends in a line; what is typed from it does not */
	while (value.len && (value.data[value.len - 1] == '\n' || value.data[value.len - 1] == '\r'))
		value.len--;
	if (value.len < SECRET_LEAST)
		return;
	add_form(b, value.data, value.len);
	add_hex(b, value);
	add_base64(b, value);
	add_url(b, value);
	add_escaped(b, value);
}

void blackout_secrets_of(struct blackout *b, const json_t *tree)
{
	size_t i;
	const char *key;
	json_t *one;
	if (json_is_string(tree))
		blackout_secret(b, stg_bytes(json_string_value(tree), json_string_length(tree)));
	json_array_foreach((json_t *)(uintptr_t)tree, i, one)
		blackout_secrets_of(b, one);
	json_object_foreach((json_t *)(uintptr_t)tree, key, one)
		blackout_secrets_of(b, one);
}

static bool put_mark(struct blackout *b, struct stg_buf *ret, struct stg_error *err)
{
	b->count++;
	return stg_buf_add_str(ret, BLACKOUT_MARK, err);
}

static bool without_form(struct blackout *b, const struct form *f, struct stg_buf *text, struct stg_error *err)
{
	const uint8_t *at = text->len ? memmem(text->data, text->len, f->bytes, f->len) : NULL;
	if (!at)
		return true;
	STG_AUTO(stg_buf_clear) struct stg_buf clean = STG_BUF(text->max);
	const uint8_t *from = text->data, *end = text->data + text->len;
	for (; at; at = memmem(from, (size_t)(end - from), f->bytes, f->len)) {
		if (!stg_buf_add(&clean, from, (size_t)(at - from), err) || !put_mark(b, &clean, err))
			return false;
		from = at + f->len;
	}
	if (!stg_buf_add(&clean, from, (size_t)(end - from), err))
		return false;
	struct stg_buf old = *text;
	*text = clean;
	clean = old;
	return true;
}

/* -----BEGIN ... PRIVATE KEY----- to its end, or to the end of all: half a key is one too. */
static bool without_keys(struct blackout *b, struct stg_buf *text, struct stg_error *err)
{
	static const char BEGIN[] = "-----BEGIN ", WORD[] = "PRIVATE KEY-----", END[] = "-----END ";
	STG_AUTO(stg_buf_clear) struct stg_buf clean = STG_BUF(text->max);
	const char *from = stg_buf_str(text), *at = from;
	while ((at = strstr(at, BEGIN))) {
		const char *word = strstr(at, WORD);
		if (!word || word - at > 60) {
			at += sizeof(BEGIN) - 1;
			continue;
		}
		if (!stg_buf_add(&clean, from, (size_t)(at - from), err) || !put_mark(b, &clean, err))
			return false;
		const char *end = strstr(word, END), *last = end ? strstr(end, WORD) : NULL;
		from = at = last ? last + sizeof(WORD) - 1 : from + strlen(from);
	}
	if (!stg_buf_add_str(&clean, from, err))
		return false;
	struct stg_buf old = *text;
	*text = clean;
	clean = old;
	return true;
}

/* ---- what looks like one ---- */

static const char *const telling[] = { "passphrase", "password", "passwd", "secret", "token", "api_key", "apikey", "api-key", "psk", "private_key",
				       "credential", "authorization", "cookie", "pin", "mot de passe", "jeton", "phrase secrète" };
static const char *const naming[] = { "serial", "serial_number", "serialnumber", "udid", "uniquedeviceid", "ecid", "unit", "imei", "imei2", "meid", "iccid", "eid",
				      "asset_tag", "uniquechipid", "wifi_mac", "bluetooth_mac" };

/* The value behind `"key": ` or `key=`: its first byte and its length; 0 when there is none to hide. */
static size_t value_at(const char *p, const char **ret)
{
	p += strspn(p, "\"'");
	p += strspn(p, " \t");
	if (*p != '=' && *p != ':')
		return 0;
	p += 1 + strspn(p + 1, " \t");
	if (*p == '"' || *p == '\'') {
		char quote = *p++;
		const char *end = p;
		while (*end && *end != quote)
			end += *end == '\\' && end[1] ? 2 : 1;
		*ret = p;
		return (size_t)(end - p);
	}
	if (strncasecmp(p, "bearer ", 7) == 0 || strncasecmp(p, "basic ", 6) == 0)
		p += strcspn(p, " ") + 1;
	*ret = p;
	return strcspn(p, " \t\"',;}])");
}

static bool is_plain(const char *v, size_t len)
{
	static const char *const words[] = { "true", "false", "null", BLACKOUT_MARK };
	for (size_t i = 0; i < STG_ARRAY_LEN(words); i++)
		if (len == strlen(words[i]) && memcmp(v, words[i], len) == 0)
			return true;
	return len == 0 || v[0] == '[' || v[0] == '{';
}

/* The list's word that ends just before `at` in the line, as a word of its own or the last part of one ("target_token"). */
static bool word_ends(const char *line, const char *at, const char *const *words, size_t n, bool whole)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(words[i]);
		if ((size_t)(at - line) < len || strncasecmp(at - len, words[i], len) != 0)
			continue;
		const char *before = at - len;
		bool starts = before == line || !isalnum((unsigned char)before[-1]);
		if (starts && (!whole || before == line || before[-1] != '_'))
			return true;
	}
	return false;
}

static size_t bearer(const char *p)
{
	size_t word = strncasecmp(p, "bearer ", 7) == 0 ? 7 : strncasecmp(p, "basic ", 6) == 0 ? 6 : 0;
	size_t len = word ? strspn(p + word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~+/=-") : 0;
	return len >= 8 ? word + len : 0;
}

/* A run of base64 or hex that is too long for a name or a SHA-256. */
static size_t long_run(const char *p)
{
	size_t len = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-");
	bool upper = false, lower = false, digit = false, hex = true;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)p[i];
		upper |= isupper(c) != 0;
		lower |= islower(c) != 0;
		digit |= isdigit(c) != 0;
		hex &= isxdigit(c) != 0;
	}
	if (hex)
		return len > HEX_MOST ? len : 0;
	return len >= BASE64_LEAST && upper && lower && digit ? len : 0;
}

/* Of a URL: a name and a password before the '@', and all that follows a '?'. The length to hide, from *ret. */
static size_t url_secret(const char *line, const char *p, const char **ret)
{
	static const char END[] = " \t\"'<>";
	if (strncmp(p, "://", 3) == 0) {
		const char *at = memchr(p + 3, '@', strcspn(p + 3, "/ \t\"'<>?"));
		*ret = p + 3;
		return at ? (size_t)(at - *ret) : 0;
	}
	const char *from = p;
	while (*p == '?' && from > line && !strchr(END, from[-1]))
		from--;
	size_t before = (size_t)(p - from);
	*ret = p + 1;
	return before > 3 && memmem(from, before, "://", 3) ? strcspn(p + 1, END) : 0;
}

/* ---- pseudonyms ---- */

bool blackout_pseudonyms(struct blackout *b, const struct stg_secret *key, struct stg_error *err)
{
	struct stg_bytes k = stg_secret_reveal(key);
	if (k.len < sizeof(b->key))
		return stg_fail(err, STG_E_BUG, 0, "a pseudonym key of %zu bytes", k.len);
	memcpy(b->key, k.data, sizeof(b->key));
	if (!b->known)
		b->known = json_object();
	return true;
}

/* Upper case, without hyphens and colons: the same thing is written in several ways. */
static void one_form(const char *value, size_t len, char ret[64])
{
	size_t n = 0;
	for (size_t i = 0; i < len && n < 63; i++)
		if (isalnum((unsigned char)value[i]))
			ret[n++] = (char)toupper((unsigned char)value[i]);
	ret[n] = 0;
}

static void know(struct blackout *b, const char *value, const char *as)
{
	char form[64], canonical[64];
	one_form(value, strlen(value), form);
	one_form(as, strlen(as), canonical);
	if (b->known && strlen(form) >= SECRET_LEAST)
		json_object_set_new(b->known, form, json_string(canonical));
}

void blackout_identifier(struct blackout *b, const char *value)
{
	know(b, value, value);
}

void blackout_unit(struct blackout *b, const char *ecid)
{
	char *end, hex[32];
	unsigned long long n = strtoull(ecid, &end, 10);
	know(b, ecid, ecid);
	if (*end || !n)
		return;
	snprintf(hex, sizeof(hex), "%llX", n);
	know(b, hex, ecid);
	snprintf(hex, sizeof(hex), "0X%llX", n);
	know(b, hex, ecid);
	snprintf(hex, sizeof(hex), "%016llX", n);
	know(b, hex, ecid);
}

static bool put_pseudonym(const struct blackout *b, const char *value, size_t len, struct stg_buf *ret, struct stg_error *err)
{
	char form[64], hex[65];
	uint8_t mac[32];
	unsigned int n = 0;
	one_form(value, len, form);
	const char *as = json_string_value(json_object_get(b->known, form));
	if (!as)
		as = form;
	if (!HMAC(EVP_sha256(), b->key, sizeof(b->key), (const uint8_t *)as, strlen(as), mac, &n))
		return stg_fail(err, STG_E_NOMEM, 0, "hash");
	stg_hex(stg_bytes(mac, 6), hex);
	return stg_buf_printf(ret, err, "id-%s", hex);
}

static bool all(const char *p, size_t len, int (*is)(int))
{
	for (size_t i = 0; i < len; i++)
		if (!is((unsigned char)p[i]))
			return false;
	return true;
}

/* The forms that speak for themselves: UDIDs old and new, with and without hyphen; 15 digits that are an IMEI. */
static bool is_udid(const char *p, size_t len)
{
	return (len == 25 && p[8] == '-' && all(p, 8, isxdigit) && all(p + 9, 16, isxdigit)) || ((len == 40 || len == 24) && all(p, len, isxdigit));
}

static bool is_imei(const char *p, size_t len)
{
	int sum = 0;
	if (len != 15 || !all(p, len, isdigit))
		return false;
	for (size_t i = 0; i < 15; i++) {
		int d = p[i] - '0';
		d = i % 2 ? 2 * d : d;
		sum += d > 9 ? d - 9 : d;
	}
	return sum % 10 == 0;
}

static bool is_known(const struct blackout *b, const char *p, size_t len)
{
	char form[64];
	one_form(p, len, form);
	return len < 60 && form[0] && json_object_get(b->known, form);
}

static size_t mac_address(const char *p)
{
	for (size_t i = 0; i < 17; i++)
		if (i % 3 == 2 ? p[i] != ':' && p[i] != '-' : !isxdigit((unsigned char)p[i]))
			return 0;
	return isalnum((unsigned char)p[17]) || p[17] == ':' ? 0 : 17;
}

/* The identifier that begins here, as long as it goes; 0: none. `p` stands at the beginning of a word. */
static size_t identifier(const struct blackout *b, const char *p)
{
	size_t len = mac_address(p);
	if (len)
		return len;
	size_t word = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"), hyphened = word;
	while (p[hyphened] == '-') {
		size_t more = strspn(p + hyphened + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
		if (!more)
			break;
		hyphened += 1 + more;
	}
	/* a tag such as A-0017 is one word with its hyphen; a UDID too */
	for (len = hyphened; len >= word && len; len--)
		if ((len == hyphened || p[len] == '-') && (is_known(b, p, len) || is_udid(p, len) || is_imei(p, len)))
			return len;
	return 0;
}

/* ---- one line ---- */

static bool clean_line(struct blackout *b, const char *line, struct stg_buf *ret, struct stg_error *err)
{
	const char *p = line;
	while (*p) {
		const char *value = NULL;
		bool starts = p == line || !isalnum((unsigned char)p[-1]);
		/* the end of a word: does what follows tell a secret or name a device? */
		bool ends = p > line && isalnum((unsigned char)p[-1]) && !isalnum((unsigned char)*p) && *p != '_' && *p != '-';
		size_t len = ends ? value_at(p, &value) : 0;
		const char *singular = p > line && (p[-1] == 's' || p[-1] == 'S') ? p - 1 : p;
		bool tells = len && !is_plain(value, len) && (word_ends(line, p, telling, STG_ARRAY_LEN(telling), false) ||
							      word_ends(line, singular, telling, STG_ARRAY_LEN(telling), false));
		bool names = len && !tells && b->known && !is_plain(value, len) && len >= SECRET_LEAST && strncmp(value, "id-", 3) != 0 &&
			     word_ends(line, p, naming, STG_ARRAY_LEN(naming), true);
		if (!tells && !names && (len = url_secret(line, p, &value)) > 0)
			tells = true;
		if (tells || names) {
			if (!stg_buf_add(ret, p, (size_t)(value - p), err) || !(tells ? put_mark(b, ret, err) : put_pseudonym(b, value, len, ret, err)))
				return false;
			p = value + len;
			continue;
		}
		if (starts && ((len = bearer(p)) > 0 || (len = long_run(p)) > 0)) {
			/* a long UDID or a name of ours is no secret, but may be an identifier */
			if (!put_mark(b, ret, err))
				return false;
			p += len;
			continue;
		}
		if (starts && b->known && isalnum((unsigned char)*p) && (len = identifier(b, p)) > 0) {
			if (!put_pseudonym(b, p, len, ret, err))
				return false;
			p += len;
			continue;
		}
		if (!stg_buf_add(ret, p++, 1, err))
			return false;
	}
	return true;
}

bool blackout_text(struct blackout *b, struct stg_bytes text, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf work = STG_BUF(ret->max);
	STG_AUTO(stg_buf_clear) struct stg_buf line = STG_BUF(LINE_MAX_BYTES + 1);
	if (!stg_buf_reserve(&work, text.len, err))
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] && !stg_buf_add(&work, text.data + i, 1, err))
			return false;
	for (size_t i = 0; i < b->n_forms; i++)
		if (!without_form(b, &b->forms[i], &work, err))
			return false;
	if (!without_keys(b, &work, err))
		return false;
	const char *p = stg_buf_str(&work);
	while (*p) {
		size_t len = strcspn(p, "\n");
		stg_buf_reset(&line);
		if (!stg_buf_add(&line, p, len < LINE_MAX_BYTES ? len : LINE_MAX_BYTES, err) || !clean_line(b, stg_buf_str(&line), ret, err) ||
		    (len > LINE_MAX_BYTES && !stg_buf_add_str(ret, " [cut]", err)) || (p[len] && !stg_buf_add_str(ret, "\n", err)))
			return false;
		p += len + (p[len] ? 1 : 0);
	}
	return true;
}
