/*
 * open.c - a profile as people bring it: unwrapped, scanned, parsed, with lines to point at.
 *
 * For:    everything else in this room.
 * Uses:   the scanner in front of libplist, stager/keys for the one signature layer.
 * Called: by read, lint, words and fill.
 * Thread: any; no state.
 *
 * Facts: profiles-and-certificates 3.2: XML, binary, CMS (DER or PEM) around one of them, or base64 of any; told apart
 * by content, never by the file's name. go-ios templates begin with an empty line, editors leave a byte-order mark.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/keys.h>
#include <stager/plistscan.h>

#include "inner.h"

static bool bad_file(const struct profile *p, enum stg_id id, struct stg_error *err, const char *what)
{
	return stg_fail_id(err, STG_E_INPUT, id, 0, "%s: %s", p->file, what);
}

static struct stg_bytes trimmed(struct stg_bytes in)
{
	if (in.len >= 3 && memcmp(in.data, "\xef\xbb\xbf", 3) == 0)
		in = stg_bytes(in.data + 3, in.len - 3);
	return in;
}

static bool starts(struct stg_bytes in, const char *word)
{
	return in.len >= strlen(word) && memcmp(in.data, word, strlen(word)) == 0;
}

static struct stg_bytes without_space(struct stg_bytes in)
{
	while (in.len && isspace(in.data[0]))
		in = stg_bytes(in.data + 1, in.len - 1);
	return in;
}

static bool is_signed(struct stg_bytes in)
{
	return (in.len > 2 && in.data[0] == 0x30) || starts(in, "-----BEGIN PKCS7-----") || starts(in, "-----BEGIN CMS-----");
}

/* base64 of a whole file, as some consoles export it. */
static bool unbase64_file(struct stg_bytes in, struct stg_buf *ret)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(PROFILE_FILE_MAX);
	if (in.len < 64 || !stg_buf_reserve(&text, in.len, NULL))
		return false;
	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.data[i];
		if (isspace(c))
			continue;
		if (!isalnum(c) && c != '+' && c != '/' && c != '=')
			return false;
		text.data[text.len++] = c;
	}
	text.data[text.len] = 0;
	return stg_unbase64(stg_buf_str(&text), ret, NULL);
}

/* The scanner takes them; no text of a profile needs them, and what we write must be XML. */
static bool has_control(struct stg_bytes in, unsigned long *ret_line)
{
	unsigned long line = 1;
	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.data[i];
		line += c == '\n';
		if (c < 0x20 && c != '\n' && c != '\r' && c != '\t') {
			*ret_line = line;
			return true;
		}
	}
	return false;
}

/* The lines between BEGIN and END of a PEM file. */
static bool unarmour(struct stg_bytes in, struct stg_buf *ret)
{
	const uint8_t *from = memchr(in.data, '\n', in.len);
	if (!from)
		return false;
	size_t left = in.len - (size_t)(from - in.data);
	const uint8_t *to = memmem(from, left, "-----END", 8);
	return to && unbase64_file(stg_bytes(from, (size_t)(to - from)), ret);
}

bool stg_profile_is_signed(struct stg_bytes profile)
{
	return profile.len > 2 && profile.data[0] == 0x30;
}

bool profile_for_device(const struct profile *p, struct stg_bytes file, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf decoded = STG_BUF(PROFILE_FILE_MAX), der = STG_BUF(PROFILE_FILE_MAX);
	struct stg_bytes in = without_space(trimmed(file));
	if (in.len && in.data[0] == '<')
		in = trimmed(file);
	else if (!is_signed(in) && !starts(in, "bplist") && unbase64_file(in, &decoded))
		in = trimmed(stg_buf_view(&decoded));
	if (starts(in, "-----BEGIN")) {
		if (!unarmour(in, &der))
			return bad_file(p, STG_ID_PROFILE_SIGNATURE, err, "the text between BEGIN and END is no base64");
		in = stg_buf_view(&der);
	}
	return stg_buf_add(ret, in.data, in.len, err);
}

static bool unwrap(struct profile *p, struct stg_bytes in, struct stg_error *err)
{
	struct stg_error why = { 0 };
	if (!stg_cms_unwrap(in, &p->text, &p->signer, &why))
		return stg_fail_id(err, why.code == STG_E_NOMEM ? STG_E_NOMEM : STG_E_INPUT, why.id ? (enum stg_id)why.id : STG_ID_NOT_A_PROFILE,
				   why.origin, "%s: %s", p->file, why.msg);
	struct stg_bytes inside = without_space(trimmed(stg_buf_view(&p->text)));
	if (is_signed(inside))
		return bad_file(p, STG_ID_PROFILE_SIGNATURE, err, "signed twice: one signature is expected");
	return true;
}

static bool parse(struct profile *p, struct stg_error *err)
{
	enum stg_plist_form form;
	struct stg_error why = { 0 };
	struct stg_bytes text = stg_buf_view(&p->text);
	unsigned long line = 0;
	if (text.len > stg_plist_profile.size_bytes)
		return bad_file(p, STG_ID_PROFILE_TOO_LARGE, err, "larger than 1 MiB");
	if (!stg_plist_scan(text, &stg_plist_profile, &form, &why)) {
		const char *at = strstr(why.msg, "line ");
		unsigned long line_no = 0, column = 0;
		int used = 0;
		if (at && sscanf(at, "line %lu column %lu: %n", &line_no, &column, &used) == 2 && used)
			return stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_DAMAGED, 0, "%s:%lu:%lu: %s", p->file, line_no, column, at + used);
		return stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_DAMAGED, 0, "%s: %s", p->file, why.msg);
	}
	p->is_xml = form == STG_PLIST_XML;
	if (p->is_xml && has_control(text, &line))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_DAMAGED, 0, "%s:%lu: a control character", p->file, line);
	plist_from_memory((const char *)text.data, (uint32_t)text.len, &p->root);
	if (!p->root)
		return bad_file(p, STG_ID_PROFILE_DAMAGED, err, "not a property list");
	return true;
}

bool profile_open(const char *file_name, struct stg_bytes file, struct profile *ret, struct stg_error *err)
{
	struct profile p = { .text = STG_BUF(PROFILE_FILE_MAX) };
	STG_AUTO(stg_buf_clear) struct stg_buf decoded = STG_BUF(PROFILE_FILE_MAX);
	stg_printable(file_name && *file_name ? file_name : "profile", true, p.file, sizeof(p.file));
	if (file.len > PROFILE_FILE_MAX)
		return bad_file(&p, STG_ID_PROFILE_TOO_LARGE, err, "larger than 1 MiB");
	struct stg_bytes in = without_space(trimmed(file));
	if (in.len == 0)
		return bad_file(&p, STG_ID_NOT_A_PROFILE, err, "the file is empty");
	if (!is_signed(in) && in.data[0] != '<' && !starts(in, "bplist") && unbase64_file(in, &decoded))
		in = without_space(trimmed(stg_buf_view(&decoded)));
	bool ok;
	if (is_signed(in)) {
		ok = unwrap(&p, in, err);
	} else if (in.len && (in.data[0] == '<' || starts(in, "bplist"))) {
		/* the leading white space stays: lines are counted from the file's first */
		struct stg_bytes whole = in.data[0] == '<' && decoded.len == 0 ? trimmed(file) : in;
		ok = stg_buf_add(&p.text, whole.data, whole.len, err);
	} else {
		bool is_wide = starts(in, "\xff\xfe") || starts(in, "\xfe\xff") || (in.len > 1 && (!in.data[0] || !in.data[1]));
		ok = bad_file(&p, STG_ID_NOT_A_PROFILE, err, is_wide ? "UTF-16 text: save it as UTF-8" : "neither a property list nor a signed one");
	}
	if (ok && parse(&p, err)) {
		*ret = p;
		return true;
	}
	profile_close(&p);
	return false;
}

bool profile_decrypt(struct profile *p, struct stg_bytes key, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf content = STG_BUF(PROFILE_FILE_MAX);
	struct stg_error why = { 0 };
	plist_t sealed = tree_get(p->root, "EncryptedPayloadContent"), list = NULL;
	uint64_t n = 0;
	const char *bytes = sealed && plist_get_node_type(sealed) == PLIST_DATA ? plist_get_data_ptr(sealed, &n) : NULL;
	if (!bytes)
		return true;    /* check.c says what is missing */
	if (!stg_cms_decrypt(stg_bytes(bytes, (size_t)n), key, &content, &why))
		return stg_fail_id(err, why.code, STG_ID_PROFILE_ENCRYPTED, 0, "%s: %s", p->file, why.msg);
	if (!stg_plist_scan(stg_buf_view(&content), &stg_plist_profile, NULL, &why))
		return bad_file(p, STG_ID_PROFILE_DAMAGED, err, why.msg);
	plist_from_memory((const char *)content.data, (uint32_t)content.len, &list);
	if (!list || plist_get_node_type(list) != PLIST_ARRAY) {
		if (list)
			plist_free(list);
		return bad_file(p, STG_ID_PROFILE_DAMAGED, err, "what was encrypted is no list of payloads");
	}
	plist_dict_set_item(p->root, "PayloadContent", list);
	return true;
}

void profile_close(struct profile *p)
{
	if (p->root)
		plist_free(p->root);
	json_decref(p->signer);
	stg_buf_clear(&p->text);
	*p = (struct profile){ 0 };
}

/* ---- lines ---- */

struct frame {
	bool is_dict;
	uint32_t next;                 /* array: number of the next item */
	const char *key;               /* dict: borrowed from the text */
	size_t key_len, path_len;      /* path_len: what the path is cut back to when this container closes */
};

/* Puts the place of the value that starts here behind the path of its container. */
static void step_in(struct frame *top, char *path)
{
	size_t n = strlen(path);
	if (top && top->is_dict)
		snprintf(path + n, PROFILE_PATH_MAX - n, "%s%.*s", n ? "." : "", (int)top->key_len, top->key ? top->key : "");
	else if (top)
		snprintf(path + n, PROFILE_PATH_MAX - n, "[%u]", top->next++);
}

static const char *past(const char *at, const char *mark)
{
	const char *found = strstr(at, mark);
	return found ? found + strlen(mark) : NULL;
}

/* The text passed the scanner, so it is well formed; this only follows it. */
unsigned long profile_place(const struct profile *p, const char *wanted, unsigned long *ret_column)
{
	struct frame stack[PROFILE_DEPTH_MAX + 2];
	size_t depth = 0;
	char path[PROFILE_PATH_MAX] = "";
	const char *text = stg_buf_str(&p->text), *at = text;
	if (!p->is_xml)
		return 0;
	while (at && (at = strchr(at, '<'))) {
		const char *tag = at;
		if (strncmp(at, "<!--", 4) == 0) {
			at = past(at, "-->");
			continue;
		}
		if (strncmp(at, "<![CDATA[", 9) == 0) {
			at = past(at, "]]>");
			continue;
		}
		const char *end = strchr(at, '>');
		if (!end)
			break;
		at = end + 1;
		if (tag[1] == '?' || tag[1] == '!' || strncmp(tag, "<plist", 6) == 0 || strncmp(tag, "</plist", 7) == 0)
			continue;
		bool is_empty = end[-1] == '/', opens_dict = strncmp(tag, "<dict", 5) == 0, opens_array = strncmp(tag, "<array", 6) == 0;
		if (tag[1] == '/') {
			if ((strncmp(tag, "</dict", 6) == 0 || strncmp(tag, "</array", 7) == 0) && depth)
				path[stack[--depth].path_len] = 0;
			continue;
		}
		struct frame *top = depth ? &stack[depth - 1] : NULL;
		if (strncmp(tag, "<key", 4) == 0) {
			const char *close = is_empty ? at : strstr(at, "</key");
			if (top) {
				top->key = at;
				top->key_len = close && !is_empty ? (size_t)(close - at) : 0;
			}
			continue;
		}
		size_t before = strlen(path);
		step_in(top, path);
		if (strcmp(path, wanted) == 0) {
			unsigned long line = 1;
			*ret_column = 1;
			for (const char *q = text; q < tag; q++) {
				*ret_column += ((unsigned char)*q & 0xc0) != 0x80;
				if (*q == '\n') {
					line++;
					*ret_column = 1;
				}
			}
			return line;
		}
		if ((opens_dict || opens_array) && !is_empty && depth < STG_ARRAY_LEN(stack))
			stack[depth++] = (struct frame){ .is_dict = opens_dict, .path_len = before };
		else
			path[before] = 0;
	}
	return 0;
}

unsigned long profile_line(const struct profile *p, const char *path)
{
	unsigned long column;
	return profile_place(p, path, &column);
}

bool profile_fail(const struct profile *p, enum stg_id id, const char *path, struct stg_error *err, const char *fmt, ...)
{
	char what[200], place[40] = "";
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	unsigned long line = profile_line(p, path);
	if (line)
		snprintf(place, sizeof(place), "%lu:", line);
	return stg_fail_id(err, STG_E_INPUT, id ? id : STG_ID_PROFILE_RULE, 0, "%s:%s %s%s%s", p->file, place, path, *path ? ": " : "", what);
}
