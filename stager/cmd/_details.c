/*
 * _details.c - what stands in the brackets of a message, in the reader's language.
 *
 * For:    stg_cmd_tell(), tables, the board.
 * Uses:   gettext.
 * Called: from commands.
 * Thread: the command's.
 *
 * A detail is made where nobody knows who will read it (a worker, the station's service) and kept in English in the
 * inventory. Here it is held against the sentences the program makes; what stood in the place of each %s is put into the
 * translated one, itself translated where it is one of them. What fits none stays as it is. The lists are in _sentences.c.
 */
#include <stdio.h>
#include <string.h>

#include <stager/cmd.h>
#include <stager/text.h>

#include "_details.h"

#define PIECES_MAX 8
#define DEPTH_MAX 4

struct pieces {
	const char *at[PIECES_MAX];
	size_t len[PIECES_MAX], n;
};

/* At a '%': how long the conversion is, and whether it stands for a number. "%%" is none. */
static size_t conversion(const char *format, bool *ret_number)
{
	size_t n = 1 + strspn(format + 1, "0123456789.*-");
	n += strspn(format + n, "lzhj");
	*ret_number = format[n] == 'd' || format[n] == 'u';
	return *ret_number || format[n] == 's' ? n + 1 : 0;
}

/* The text up to the next conversion, "%%" as it is printed. Returns where it ends in the format. */
static const char *literal(const char *format, char *ret, size_t size)
{
	size_t at = 0;
	bool number;
	while (*format && (*format != '%' || format[1] == '%' || !conversion(format, &number))) {
		if (at + 1 < size)
			ret[at++] = *format;
		format += *format == '%' && format[1] == '%' ? 2 : 1;
	}
	ret[at] = 0;
	return format;
}

/* How many characters of the format stand in the text as they are; 0: it does not fit. */
static size_t fits(const char *format, const char *text, struct pieces *ret)
{
	char part[640];
	size_t fixed;
	ret->n = 0;
	format = literal(format, part, sizeof(part));
	fixed = strlen(part);
	if (strncmp(text, part, fixed) != 0)
		return 0;
	text += fixed;
	while (*format) {
		bool number = false;
		if (ret->n == PIECES_MAX)
			return 0;
		format = literal(format + conversion(format, &number), part, sizeof(part));
		size_t len = strlen(part), all = strlen(text), taken = number ? strspn(text, "-0123456789") : all;
		const char *next = text + taken;
		if (!number && *format)
			next = len ? strstr(text, part) : text;
		else if (!number)
			next = all >= len ? text + all - len : NULL;
		if (!next || strncmp(next, part, len) != 0 || (number && !taken))
			return 0;
		ret->at[ret->n] = text;
		ret->len[ret->n++] = (size_t)(next - text);
		text = next + len;
		fixed += len;
	}
	return *text ? 0 : fixed;
}

static const char *closest(const char *const *list, const char *text, size_t *ret_fixed, struct pieces *ret)
{
	const char *best = NULL;
	for (size_t i = 0; list[i]; i++) {
		struct pieces p;
		size_t fixed = fits(list[i], text, &p);
		/* a place before the sentence is not the sentence's first word */
		bool swallows = fixed && p.n && p.at[0] == text && memmem(text, p.len[0], ": ", 2);
		if (fixed > *ret_fixed && !swallows) {
			*ret_fixed = fixed;
			*ret = p;
			best = list[i];
		}
	}
	return best;
}

static void add(char *ret, size_t size, const char *text, size_t len)
{
	size_t at = strlen(ret);
	if (len > size - 1 - at) {
		len = size - 1 - at;
		while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;          /* whole characters */
	}
	memcpy(ret + at, text, len);
	ret[at + len] = 0;
}

static void translate(const char *text, int depth, char *ret, size_t size);

static void fill(const char *format, const struct pieces *p, int depth, char *ret, size_t size)
{
	char part[640], piece[400];
	for (size_t i = 0;; i++) {
		format = literal(format, part, sizeof(part));
		add(ret, size, part, strlen(part));
		if (!*format || i >= p->n)
			return;
		bool number;
		format += conversion(format, &number);
		snprintf(piece, sizeof(piece), "%.*s", (int)p->len[i], p->at[i]);
		if (number)
			add(ret, size, piece, strlen(piece));
		else
			translate(piece, depth + 1, ret, size);
	}
}

/* Appends. */
static void translate(const char *text, int depth, char *ret, size_t size)
{
	struct pieces p = { 0 };
	size_t fixed = 0;
	const char *own = depth < DEPTH_MAX ? closest(detail_sentences, text, &fixed, &p) : NULL;
	const char *theirs = depth < DEPTH_MAX ? closest(detail_foreign, text, &fixed, &p) : NULL;
	const char *format = theirs ? theirs : own, *colon = strstr(text, ": ");
	if (format) {
		fill(_(format), &p, depth, ret, size);
	} else if (colon && depth < DEPTH_MAX) {
		char before[240];
		snprintf(before, sizeof(before), "%.*s", (int)(colon - text), text);
		format = closest(detail_places, before, &fixed, &p);
		if (format)
			fill(_(format), &p, depth, ret, size);
		else
			add(ret, size, text, (size_t)(colon - text));
		add(ret, size, ": ", 2);
		/* several places may stand before one another; how deep that goes is the message's length */
		translate(colon + 2, depth, ret, size);
	} else {
		add(ret, size, text, strlen(text));
	}
}

void detail_text(const char *text, char *ret, size_t size)
{
	ret[0] = 0;
	if (strcmp(stg_language(), "en") == 0)
		(void)stg_copy(ret, size, text);
	else
		translate(text, 0, ret, size);
}

void detail_warnings(const json_t *warnings)
{
	size_t i;
	json_t *one;
	json_array_foreach((json_t *)(uintptr_t)warnings, i, one) {
		char safe[400], text[800];
		stg_printable(json_string_value(one), true, safe, sizeof(safe));
		detail_text(safe, text, sizeof(text));
		fprintf(stderr, "  ! %s\n", text);
	}
}
