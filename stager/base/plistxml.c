/*
 * plistxml.c - XML property lists, read strictly before libplist reads them loosely.
 *
 * libplist takes any number of roots, skips what it cannot read in a number and nests without end. Here the text is
 * gone through once, left to right, with one small frame a level: plist's own tags only, a key before each value of a
 * dictionary and each key once, numbers, dates and base64 that are what they say, five entities and numeric
 * characters, and only white space after </plist>. A comment or CDATA section inside a string counts as part of its
 * length; between elements comments cost what they take in the file.
 *
 * For:    stg_plist_scan().
 * Uses:   nothing of ours but errors.
 * Called: by plistscan.c.
 * Thread: any; nothing is shared.
 * Facts:  PropertyList-1.0.dtd; xplist.c of libplist 2.2.0: only the double quote hides '>' in a tag, a byte-order
 *         mark is refused, entities have at most 8 characters.
 */
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "plistscan_parts.h"

#define TAG_BYTES_MAX 512       /* <plist version="1.0">, <!DOCTYPE ...>, <?xml ...?> */
#define ENTITY_BYTES_MAX 8
#define NUMBER_BYTES_MAX 64     /* integers, reals, dates with white space around them */
#define PATH_SHOWN_MAX 120
#define KEY_SHOWN_MAX 40

struct level {
	bool is_dict;
	bool has_key;           /* a key waits for its value */
	uint64_t id;
	const uint8_t *key;     /* the last key as it stands in the text, for the path in a message */
	size_t key_len;
	size_t n_items;         /* of a list: how many began */
};

struct scan {
	const uint8_t *start, *p, *end;
	const struct stg_plist_limits *limits;
	struct stg_error *err;
	struct plist_keys keys;
	struct level stack[PLIST_DEPTH_MAX];
	size_t depth;
	size_t nodes;
	uint64_t n_dicts;
	bool has_root;
	/* looking back for where a key stood first */
	bool looks_back;
	uint64_t wanted_dict, wanted_hash;
	const uint8_t *found;
};

struct tag {
	const uint8_t *name;
	size_t len;
	bool closes;            /* </x> */
	bool is_empty;          /* <x/> */
};

/* Columns count characters, not bytes, from 1. */
static unsigned long line_of(const struct scan *s, const uint8_t *at, unsigned long *ret_column)
{
	unsigned long line = 1;
	*ret_column = 1;
	for (const uint8_t *q = s->start; q < at && q < s->end; q++) {
		*ret_column += (*q & 0xc0) != 0x80;
		if (*q == '\n') {
			line++;
			*ret_column = 1;
		}
	}
	return line;
}

/* A key as it may stand in a message: what is no plain text is left out. */
static void key_words(const uint8_t *key, size_t len, char ret[KEY_SHOWN_MAX + 1])
{
	size_t n = 0;
	for (size_t i = 0; i < len && n < KEY_SHOWN_MAX; i++)
		if (key[i] >= 0x20 && key[i] < 0x7f)
			ret[n++] = (char)key[i];
	ret[n] = 0;
}

/* "PayloadContent[0].SSID_STR: ", or nothing at the top. */
static void path_words(const struct scan *s, char ret[PATH_SHOWN_MAX])
{
	size_t n = 0;
	ret[0] = 0;
	for (size_t i = 0; i < s->depth && n + KEY_SHOWN_MAX + 4 < PATH_SHOWN_MAX; i++) {
		const struct level *l = &s->stack[i];
		char key[KEY_SHOWN_MAX + 1];
		key_words(l->key, l->key_len, key);
		if (l->is_dict && *key)
			n += (size_t)snprintf(ret + n, PATH_SHOWN_MAX - n, "%s%s", n ? "." : "", key);
		else if (!l->is_dict && l->n_items)
			n += (size_t)snprintf(ret + n, PATH_SHOWN_MAX - n, "[%zu]", l->n_items - 1);
	}
	if (n && n + 3 < PATH_SHOWN_MAX)
		memcpy(ret + n, ": ", 3);
}

__attribute__((format(printf, 2, 3)))
static bool wrong(struct scan *s, const char *fmt, ...)
{
	unsigned long column, line = line_of(s, s->p, &column);
	char what[160], path[PATH_SHOWN_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	path_words(s, path);
	return stg_fail(s->err, STG_E_PROTOCOL, 0, "line %lu column %lu: %s%s", line, column, path, what);
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(struct scan *s)
{
	while (s->p < s->end && is_space(*s->p))
		s->p++;
}

static bool starts(const struct scan *s, const char *word)
{
	size_t len = strlen(word);
	return (size_t)(s->end - s->p) >= len && memcmp(s->p, word, len) == 0;
}

/* Moves behind the next `mark`, searched from here; false when there is none. */
static bool skip_past(struct scan *s, const char *mark)
{
	size_t len = strlen(mark);
	const uint8_t *at = memmem(s->p, (size_t)(s->end - s->p), mark, len);
	if (!at)
		return false;
	s->p = at + len;
	return true;
}

static bool skip_comment(struct scan *s)
{
	const uint8_t *from = s->p;
	s->p += 4;
	if (skip_past(s, "-->"))
		return true;
	s->p = from;
	return wrong(s, "a comment without an end");
}

/* White space and comments. */
static bool skip_between(struct scan *s)
{
	for (;;) {
		skip_space(s);
		if (!starts(s, "<!--"))
			return true;
		if (!skip_comment(s))
			return false;
	}
}

/* <?xml ...?> and <!DOCTYPE ...>: ends at `last` outside double quotes. */
static bool skip_declaration(struct scan *s, size_t head, char last)
{
	const uint8_t *from = s->p;
	bool quoted = false;
	for (s->p += head; s->p < s->end && (size_t)(s->p - from) < TAG_BYTES_MAX; s->p++) {
		uint8_t c = *s->p;
		if (c == '"')
			quoted = !quoted;
		else if (c == '<' || c == '[' || (c == '>' && (quoted || last != '>')))
			break;
		else if (!quoted && c == (uint8_t)last)
			return true;
	}
	s->p = from;
	return wrong(s, last == '>' ? "a DOCTYPE with definitions of its own or without an end" : "a declaration without an end");
}

static bool prolog(struct scan *s)
{
	bool has_doctype = false;
	skip_space(s);
	for (;;) {
		if (!skip_between(s))
			return false;
		if (starts(s, "<?")) {
			if (!skip_declaration(s, 2, '?'))
				return false;
			s->p++;
			if (s->p == s->end || *s->p != '>')
				return wrong(s, "a declaration without an end");
			s->p++;
		} else if (starts(s, "<!DOCTYPE")) {
			if (has_doctype)
				return wrong(s, "two DOCTYPE lines");
			has_doctype = true;
			if (!skip_declaration(s, 9, '>'))
				return false;
			s->p++;
		} else {
			return true;
		}
	}
}

/* At '<' of an element. Attributes only on <plist>; they mean nothing to libplist. */
static bool read_tag(struct scan *s, struct tag *t)
{
	const uint8_t *from = s->p++;
	*t = (struct tag){ 0 };
	if (s->p < s->end && *s->p == '/') {
		t->closes = true;
		s->p++;
	}
	t->name = s->p;
	while (s->p < s->end && *s->p >= 'a' && *s->p <= 'z')
		s->p++;
	t->len = (size_t)(s->p - t->name);
	skip_space(s);
	if (s->p < s->end && *s->p == '/' && !t->closes) {
		t->is_empty = true;
		s->p++;
	}
	if (t->len && s->p < s->end && *s->p == '>') {
		s->p++;
		return true;
	}
	if (t->len == 5 && memcmp(t->name, "plist", 5) == 0 && !t->closes && !t->is_empty && s->p > t->name + 5) {
		bool quoted = false;
		for (; s->p < s->end && (size_t)(s->p - from) < TAG_BYTES_MAX && *s->p != '<'; s->p++) {
			if (*s->p == '"')
				quoted = !quoted;
			else if (*s->p == '>')
				break;
		}
		if (s->p < s->end && *s->p == '>' && !quoted && s->p[-1] != '/') {
			s->p++;
			return true;
		}
	}
	s->p = from;
	return wrong(s, "a tag that property lists do not have");
}

static bool is_tag(const struct tag *t, const char *name)
{
	return t->len == strlen(name) && memcmp(t->name, name, t->len) == 0;
}

static bool read_close(struct scan *s, const struct tag *open)
{
	struct tag t;
	if (s->p == s->end)
		return wrong(s, "cut short");
	const uint8_t *from = s->p;
	if (*s->p != '<')
		return wrong(s, "<%.*s> is not closed", (int)open->len, (const char *)open->name);
	if (!read_tag(s, &t))
		return false;
	if (t.closes && t.len == open->len && memcmp(t.name, open->name, t.len) == 0)
		return true;
	s->p = from;
	return wrong(s, "<%.*s> is not closed", (int)open->len, (const char *)open->name);
}

/* At '&'. Writes the character as UTF-8. */
static bool read_entity(struct scan *s, uint8_t out[4], size_t *ret_len)
{
	static const struct { const char *name; uint8_t c; } five[] = {
		{ "amp;", '&' }, { "lt;", '<' }, { "gt;", '>' }, { "quot;", '"' }, { "apos;", '\'' },
	};
	const uint8_t *from = s->p++;
	for (size_t i = 0; i < STG_ARRAY_LEN(five); i++) {
		if (starts(s, five[i].name)) {
			s->p += strlen(five[i].name);
			out[0] = five[i].c;
			*ret_len = 1;
			return true;
		}
	}
	uint32_t c = 0;
	if (starts(s, "#")) {
		s->p++;
		bool hex = s->p < s->end && (*s->p == 'x' || *s->p == 'X');
		s->p += hex;
		const uint8_t *digits = s->p;
		for (; s->p < s->end && s->p - from < ENTITY_BYTES_MAX + 1; s->p++) {
			uint32_t d = (uint32_t)*s->p - '0';
			if (hex && d > 9) {
				d = ((uint32_t)*s->p | 32u) - 'a' + 10;
				if (d < 10 || d > 15)
					break;
			} else if (d > 9) {
				break;
			}
			c = c * (hex ? 16 : 10) + d;
		}
		if (s->p > digits && s->p < s->end && *s->p == ';' && c > 0 && c < 0x110000 && (c < 0xd800 || c > 0xdfff)) {
			s->p++;
			size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
			static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
			for (size_t k = len - 1; k > 0; k--, c >>= 6)
				out[k] = (uint8_t)(0x80 | (c & 0x3f));
			out[0] = (uint8_t)(lead[len] | c);
			*ret_len = len;
			return true;
		}
	}
	s->p = from;
	return wrong(s, "an entity other than the five of XML");
}

/* Text of <string> or <key> up to its closing tag. ret_hash may be NULL. */
static bool read_text(struct scan *s, const struct tag *open, size_t limit, uint64_t *ret_hash)
{
	uint64_t h = plist_hash_start(&s->keys);
	size_t len = 0;

	while (!open->is_empty) {
		const uint8_t *from = s->p;
		uint8_t out[4];
		const uint8_t *add = out;
		size_t n = 0;
		if (s->p == s->end)
			return wrong(s, "cut short inside <%.*s>", (int)open->len, (const char *)open->name);
		if (*s->p == '&') {
			if (!read_entity(s, out, &n))
				return false;
			len += n;
		} else if (*s->p != '<') {
			add = s->p++;
			n = 1;
			len += n;
		} else if (starts(s, "<!--")) {
			if (!skip_comment(s))
				return false;
			len += (size_t)(s->p - from);
		} else if (starts(s, "<![CDATA[")) {
			s->p += 9;
			add = s->p;
			if (!skip_past(s, "]]>")) {
				s->p = from;
				return wrong(s, "a CDATA section without an end");
			}
			n = (size_t)(s->p - add) - 3;
			len += (size_t)(s->p - from);
		} else {
			break;
		}
		if (len > limit) {
			s->p = from;
			return wrong(s, "a <%.*s> longer than allowed", (int)open->len, (const char *)open->name);
		}
		if (ret_hash)
			for (size_t i = 0; i < n; i++)
				h = plist_hash_byte(&s->keys, h, add[i]);
	}
	if (!open->is_empty && !read_close(s, open))
		return false;
	if (ret_hash)
		*ret_hash = h;
	return true;
}

/* Plain text without markup, up to '<'; white space around it does not count. */
static bool read_plain(struct scan *s, const struct tag *open, const uint8_t **ret, size_t *ret_len)
{
	const uint8_t *from = s->p;
	const uint8_t *to = memchr(s->p, '<', (size_t)(s->end - s->p));
	if (!to)
		return wrong(s, "cut short inside <%.*s>", (int)open->len, (const char *)open->name);
	s->p = to;
	if (!read_close(s, open))
		return false;
	while (from < to && is_space(*from))
		from++;
	while (to > from && is_space(to[-1]))
		to--;
	*ret = from;
	*ret_len = (size_t)(to - from);
	return true;
}

static bool is_integer(const uint8_t *p, size_t len)
{
	bool negative = len && *p == '-';
	if (len && (*p == '-' || *p == '+'))
		p++, len--;
	unsigned int base = 10;
	if (len > 2 && p[0] == '0' && (p[1] | 32) == 'x') {
		base = 16;
		p += 2;
		len -= 2;
	}
	uint64_t n = 0;
	for (size_t i = 0; i < len; i++) {
		unsigned int d = 99;
		if (p[i] >= '0' && p[i] <= '9')
			d = p[i] - (unsigned int)'0';
		else if ((p[i] | 32u) >= 'a')
			d = (p[i] | 32u) - 'a' + 10;
		if (d >= base || __builtin_mul_overflow(n, (uint64_t)base, &n) || __builtin_add_overflow(n, (uint64_t)d, &n))
			return false;
	}
	return len > 0 && (!negative || n <= (uint64_t)INT64_MAX + 1);
}

static bool is_real(const uint8_t *p, size_t len)
{
	static const char *const words[] = { "nan", "inf", "infinity" };
	if (len && (*p == '-' || *p == '+'))
		p++, len--;
	for (size_t i = 0; i < STG_ARRAY_LEN(words); i++)
		if (len == strlen(words[i]) && strncasecmp((const char *)p, words[i], len) == 0)
			return true;
	size_t i = 0, digits = 0;
	for (; i < len && p[i] >= '0' && p[i] <= '9'; i++)
		digits++;
	if (i < len && p[i] == '.')
		for (i++; i < len && p[i] >= '0' && p[i] <= '9'; i++)
			digits++;
	if (digits && i < len && (p[i] | 32) == 'e') {
		i++;
		if (i < len && (p[i] == '-' || p[i] == '+'))
			i++;
		for (digits = 0; i < len && p[i] >= '0' && p[i] <= '9'; i++)
			digits++;
	}
	return digits && i == len;
}

static bool is_date(const uint8_t *p, size_t len)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";
	if (len != sizeof(shape) - 1)
		return false;
	for (size_t i = 0; i < len; i++)
		if (shape[i] == 'd' ? p[i] < '0' || p[i] > '9' : p[i] != (uint8_t)shape[i])
			return false;
	static const struct { uint8_t at, least, most; } parts[] = {
		{ 5, 1, 12 }, { 8, 1, 31 }, { 11, 0, 23 }, { 14, 0, 59 }, { 17, 0, 60 },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(parts); i++) {
		int n = (p[parts[i].at] - '0') * 10 + (p[parts[i].at + 1] - '0');
		if (n < parts[i].least || n > parts[i].most)
			return false;
	}
	return true;
}

static bool read_value(struct scan *s, const struct tag *open, bool (*is_right)(const uint8_t *, size_t), const char *what)
{
	const uint8_t *from = s->p, *text;
	size_t len;
	if (open->is_empty)
		return wrong(s, "an empty <%.*s>", (int)open->len, (const char *)open->name);
	if (!read_plain(s, open, &text, &len))
		return false;
	if (len <= NUMBER_BYTES_MAX && is_right(text, len))
		return true;
	s->p = from;
	return wrong(s, "%s", what);
}

static bool read_data(struct scan *s, const struct tag *open)
{
	const uint8_t *from = s->p, *text;
	size_t len, letters = 0, pads = 0;
	if (open->is_empty)
		return true;
	if (!read_plain(s, open, &text, &len))
		return false;
	const uint8_t *behind = s->p;
	for (size_t i = 0; i < len; i++) {
		uint8_t c = text[i];
		if (is_space(c))
			continue;
		bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
		if (c == '=')
			pads++;
		else if (is_letter && !pads)
			letters++;
		else
			pads = 3;
		if (pads > 2) {
			s->p = text + i;
			return wrong(s, "damaged base64 data");
		}
	}
	s->p = from;
	if ((letters + pads) % 4 != 0)
		return wrong(s, "damaged base64 data: cut short");
	if (letters / 4 * 3 + letters % 4 > s->limits->data_bytes)
		return wrong(s, "data longer than allowed");
	s->p = behind;
	return true;
}

/* A value begins: may it stand here? */
static bool count_value(struct scan *s)
{
	if (++s->nodes > s->limits->nodes)
		return wrong(s, "more than %zu values", s->limits->nodes);
	if (s->depth == 0) {
		if (s->has_root)
			return wrong(s, "two values in one property list");
		s->has_root = true;
	} else if (s->stack[s->depth - 1].is_dict) {
		if (!s->stack[s->depth - 1].has_key)
			return wrong(s, "a value without a key");
		s->stack[s->depth - 1].has_key = false;
	} else {
		s->stack[s->depth - 1].n_items++;
	}
	return true;
}

static bool scan_document(struct scan *s);

/* The second of two: the text is gone through once more for where the first one stands. */
static bool twice_in(struct scan *s, uint64_t dict, uint64_t hash, const uint8_t *second)
{
	struct scan again = { .start = s->start, .p = s->start, .end = second, .limits = s->limits, .looks_back = true,
			      .wanted_dict = dict, .wanted_hash = hash };
	unsigned long column, line = 0;
	char key[KEY_SHOWN_MAX + 1];
	plist_keys_init(&again.keys);
	memcpy(again.keys.secret, s->keys.secret, sizeof(again.keys.secret));
	(void)scan_document(&again);
	plist_keys_clear(&again.keys);
	if (again.found)
		line = line_of(s, again.found, &column);
	const uint8_t *end = memchr(second, '<', (size_t)(s->end - second));
	key_words(second, end ? (size_t)(end - second) : 0, key);
	s->stack[s->depth - 1].key = NULL;
	s->stack[s->depth - 1].key_len = 0;
	return wrong(s, "\"%s\" appears twice (first at line %lu)", key, line);
}

static bool read_key(struct scan *s, const struct tag *t)
{
	struct level *in = s->depth ? &s->stack[s->depth - 1] : NULL;
	if (!in || !in->is_dict)
		return wrong(s, "a key outside a dictionary");
	if (in->has_key) {
		char key[KEY_SHOWN_MAX + 1];
		key_words(in->key, in->key_len, key);
		s->p = in->key;
		return wrong(s, "key \"%s\" has no value: two keys in a row", key);
	}
	if (t->is_empty)
		return wrong(s, "a key without a name");
	if (++s->nodes > s->limits->nodes)
		return wrong(s, "more than %zu values", s->limits->nodes);
	const uint8_t *from = s->p;
	uint64_t hash;
	bool twice;
	if (!read_text(s, t, s->limits->key_bytes, &hash))
		return false;
	in->has_key = true;
	in->key = from;
	in->key_len = (size_t)(s->p - from) > 6 ? (size_t)(s->p - from) - 6 : 0;        /* </key> */
	if (s->looks_back && in->id == s->wanted_dict && hash == s->wanted_hash) {
		s->found = from;
		return false;
	}
	if (plist_keys_add(&s->keys, in->id, hash, &twice, s->err))
		return true;
	s->p = from;
	return twice ? twice_in(s, in->id, hash, from) : false;
}

static bool open_container(struct scan *s, const struct tag *t)
{
	if (!count_value(s))
		return false;
	if (s->depth == s->limits->depth)
		return wrong(s, "nested deeper than %zu levels", s->limits->depth);
	if (!t->is_empty)
		s->stack[s->depth++] = (struct level){ .is_dict = is_tag(t, "dict"), .id = s->n_dicts++ };
	return true;
}

static bool close_container(struct scan *s, const struct tag *t)
{
	const struct level *in = s->depth ? &s->stack[s->depth - 1] : NULL;
	if (!in || !is_tag(t, in->is_dict ? "dict" : "array"))
		return wrong(s, "</%.*s> closes nothing", (int)(t->len < 20 ? t->len : 20), (const char *)t->name);
	if (in->has_key) {
		char key[KEY_SHOWN_MAX + 1];
		key_words(in->key, in->key_len, key);
		s->p = in->key;
		return wrong(s, "key \"%s\" has no value", key);
	}
	s->depth--;
	return true;
}

static bool read_element(struct scan *s, const struct tag *t)
{
	if (t->closes)
		return close_container(s, t);
	if (is_tag(t, "key"))
		return read_key(s, t);
	if (is_tag(t, "dict") || is_tag(t, "array"))
		return open_container(s, t);

	if (is_tag(t, "string"))
		return count_value(s) && read_text(s, t, s->limits->string_bytes, NULL);
	if (is_tag(t, "integer"))
		return count_value(s) && read_value(s, t, is_integer, "not a whole number");
	if (is_tag(t, "real"))
		return count_value(s) && read_value(s, t, is_real, "not a number");
	if (is_tag(t, "date"))
		return count_value(s) && read_value(s, t, is_date, "not a date (YYYY-MM-DDThh:mm:ssZ)");
	if (is_tag(t, "data"))
		return count_value(s) && read_data(s, t);
	if (is_tag(t, "true") || is_tag(t, "false")) {
		if (!count_value(s))
			return false;
		if (t->is_empty)
			return true;
		skip_space(s);
		return read_close(s, t);
	}
	return wrong(s, "a tag that property lists do not have");
}

static bool check_text(struct scan *s)
{
	if (starts(s, "\xef\xbb\xbf") || starts(s, "\xff\xfe") || starts(s, "\xfe\xff"))
		return wrong(s, "begins with a byte-order mark; plain UTF-8 is read");
	for (size_t len; s->p < s->end; s->p += len) {
		len = plist_utf8_len(s->p, (size_t)(s->end - s->p));
		if (len == 0 || *s->p == 0)
			return wrong(s, len ? "a zero byte" : "text is not UTF-8");
	}
	s->p = s->start;
	return true;
}

static bool scan_document(struct scan *s)
{
	struct tag t;
	if (!check_text(s) || !prolog(s))
		return false;
	if (s->p == s->end || *s->p != '<')
		return wrong(s, "no <plist>");
	if (!read_tag(s, &t))
		return false;
	if (!is_tag(&t, "plist") || t.closes || t.is_empty)
		return wrong(s, "no <plist>");
	for (;;) {
		if (!skip_between(s))
			return false;
		if (s->p == s->end)
			return wrong(s, "cut short");
		if (*s->p != '<')
			return wrong(s, "text between elements");
		const uint8_t *from = s->p;
		if (!read_tag(s, &t))
			return false;
		if (t.closes && is_tag(&t, "plist") && s->depth == 0) {
			if (!s->has_root)
				return wrong(s, "an empty property list");
			break;
		}
		const uint8_t *behind = s->p;
		if (!read_element(s, &t)) {
			if (s->p == behind)
				s->p = from;
			return false;
		}
	}
	skip_space(s);
	return s->p == s->end || wrong(s, "data after the end of the property list");
}

bool plist_scan_xml(struct stg_bytes in, const struct stg_plist_limits *limits, struct stg_error *err)
{
	struct scan s = { .start = in.data, .p = in.data, .end = in.data + in.len, .limits = limits, .err = err };
	plist_keys_init(&s.keys);
	bool ok = scan_document(&s);
	plist_keys_clear(&s.keys);
	return ok;
}
