/*
 * yaml.c - YAML files of people, read into nodes that know their line.
 *
 * libyaml finds the events; here they become a tree without anchors, aliases, tags or a key twice, and every refusal
 * says file, line, what was wrong and what was expected. An empty file is an empty mapping.
 *
 * For:    blueprints, connectors, configuration.
 * Uses:   libyaml, <stager/json.h> for the set of keys and for stg_yaml_json().
 * Called: by blueprint, push, profiles and the front.
 * Thread: any; a document belongs to its holder.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <yaml.h>

#include <stager/error.h>
#include <stager/yaml.h>

#define TEXT_BYTES_MAX ((size_t)1 << 20)
#define DEPTH_MAX 32
#define SHOWN_MAX 48    /* of a word from the file, in a message */
#define ANCHORS_MAX 256

/* The tree is public; `all` chains every node for the end. */
struct node {
	struct stg_yaml_node pub;
	struct node *all;
	char *scalar, *key, *anchor;
};

struct stg_yaml {
	char *name;
	struct node *all;
	struct stg_yaml_node *root;
};

/* A mapping or list that is being filled. */
struct level {
	struct stg_yaml_node *node, *last;
	json_t *keys;           /* MAP: key -> line */
	char *key;              /* MAP: waits for its value */
	unsigned int key_line;
};

struct reader {
	struct stg_yaml *y;
	yaml_parser_t parser;
	struct level stack[DEPTH_MAX];
	size_t depth;
	size_t n_anchors;
	bool is_done;           /* the document ended */
	bool may_share;         /* anchors and aliases are taken */
	struct stg_error *err;
};

__attribute__((format(printf, 4, 0)))
static bool fail_v(const struct stg_yaml *y, unsigned int line, struct stg_error *err, const char *fmt, va_list ap)
{
	char what[200];
	vsnprintf(what, sizeof(what), fmt, ap);
	return stg_fail(err, STG_E_INPUT, 0, "%s:%u: %s", y->name, line, what);
}

__attribute__((format(printf, 3, 4)))
static bool fail_at(struct reader *r, size_t line, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fail_v(r->y, (unsigned int)line, r->err, fmt, ap);
	va_end(ap);
	return false;
}

bool stg_yaml_fail(const struct stg_yaml *y, const struct stg_yaml_node *at, struct stg_error *err, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fail_v(y, at ? at->line : 1, err, fmt, ap);
	va_end(ap);
	return false;
}

/* A word of the file as it may be shown. */
static const char *shown(const char *word, char buf[SHOWN_MAX])
{
	stg_printable(word, true, buf, SHOWN_MAX);
	return buf;
}

static unsigned int line_of(const yaml_mark_t *mark)
{
	return (unsigned int)mark->line + 1;
}

static struct stg_yaml_node *new_node(struct reader *r, enum stg_yaml_kind kind, const yaml_mark_t *mark)
{
	struct node *n = stg_calloc(1, sizeof(*n));
	n->all = r->y->all;
	r->y->all = n;
	n->pub.kind = kind;
	n->pub.line = line_of(mark);
	if (r->depth == 0) {
		r->y->root = &n->pub;
		return &n->pub;
	}
	struct level *in = &r->stack[r->depth - 1];
	if (in->node->kind == STG_YAML_MAP) {
		n->pub.key = n->key = stg_steal(in->key);
		n->pub.key_line = in->key_line;
	}
	if (in->last)
		in->last->next = &n->pub;
	else
		in->node->child = &n->pub;
	in->last = &n->pub;
	return &n->pub;
}

static bool wants_key(const struct reader *r)
{
	return r->depth && r->stack[r->depth - 1].node->kind == STG_YAML_MAP && !r->stack[r->depth - 1].key;
}

/* A name that an alias may use later. False: one that may not stand here. */
static bool name_node(struct reader *r, struct stg_yaml_node *n, const yaml_char_t *anchor)
{
	if (!anchor)
		return true;
	if (r->n_anchors++ == ANCHORS_MAX)
		return fail_at(r, n->line, "more than %d anchors", ANCHORS_MAX);
	((struct node *)n)->anchor = stg_strdup((const char *)anchor);
	return true;
}

static bool on_alias(struct reader *r, const yaml_event_t *e)
{
	const char *name = (const char *)e->data.alias.anchor;
	unsigned int line = line_of(&e->start_mark);
	char buf[SHOWN_MAX];
	if (!r->may_share)
		return fail_at(r, line, "an alias (*%s), expected the value itself", shown(name, buf));
	if (wants_key(r))
		return fail_at(r, line, "an alias as a key, expected a word");
	for (struct node *n = r->y->all; n; n = n->all) {
		if (!n->anchor || strcmp(n->anchor, name) != 0)
			continue;
		struct stg_yaml_node *here = new_node(r, n->pub.kind, &e->start_mark);
		here->scalar = n->pub.scalar;
		here->quoted = n->pub.quoted;
		here->same = &n->pub;
		return true;
	}
	return fail_at(r, line, "an alias (*%s) of nothing above", shown(name, buf));
}

static bool on_scalar(struct reader *r, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	unsigned int line = line_of(&e->start_mark);
	char buf[SHOWN_MAX];

	if (e->data.scalar.anchor && (!r->may_share || wants_key(r)))
		return fail_at(r, line, "an anchor (&%s), expected the value itself", shown((const char *)e->data.scalar.anchor, buf));
	if (e->data.scalar.tag)
		return fail_at(r, line, "a tag (%s), expected a plain value", shown((const char *)e->data.scalar.tag, buf));
	if (strlen(text) != e->data.scalar.length)
		return fail_at(r, line, "a zero character, expected text");
	if (wants_key(r)) {
		struct level *in = &r->stack[r->depth - 1];
		const json_t *first = json_object_get(in->keys, text);
		if (first)
			return fail_at(r, line, "'%s' is here twice, expected it once (first on line %" JSON_INTEGER_FORMAT ")",
				       shown(text, buf), json_integer_value(first));
		if (json_object_set_new(in->keys, text, json_integer(line)) < 0)
			return fail_at(r, line, "a key that is no text");
		in->key = stg_strdup(text);
		in->key_line = line;
		return true;
	}
	struct stg_yaml_node *n = new_node(r, STG_YAML_SCALAR, &e->start_mark);
	n->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	n->scalar = ((struct node *)n)->scalar = stg_strdup(text);
	return name_node(r, n, e->data.scalar.anchor);
}

static bool on_open(struct reader *r, const yaml_event_t *e, enum stg_yaml_kind kind)
{
	unsigned int line = line_of(&e->start_mark);
	const yaml_char_t *anchor = kind == STG_YAML_MAP ? e->data.mapping_start.anchor : e->data.sequence_start.anchor;
	const yaml_char_t *tag = kind == STG_YAML_MAP ? e->data.mapping_start.tag : e->data.sequence_start.tag;
	char buf[SHOWN_MAX];

	if (anchor && !r->may_share)
		return fail_at(r, line, "an anchor (&%s), expected the value itself", shown((const char *)anchor, buf));
	if (tag)
		return fail_at(r, line, "a tag (%s), expected a plain value", shown((const char *)tag, buf));
	if (wants_key(r))
		return fail_at(r, line, "a %s as a key, expected a word", kind == STG_YAML_MAP ? "mapping" : "list");
	if (r->depth == DEPTH_MAX)
		return fail_at(r, line, "nested deeper than %d levels", DEPTH_MAX);
	struct stg_yaml_node *n = new_node(r, kind, &e->start_mark);
	struct level *in = &r->stack[r->depth++];
	*in = (struct level){ .node = n };
	if (kind == STG_YAML_MAP) {
		in->keys = json_object();
		if (!in->keys)
			return stg_fail(r->err, STG_E_NOMEM, 0, "no memory to read %s", r->y->name);
	}
	return name_node(r, n, anchor);
}

static void close_level(struct reader *r)
{
	struct level *in = &r->stack[--r->depth];
	json_decref(in->keys);
	free(in->key);
}

static bool on_event(struct reader *r, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (r->is_done)
			return fail_at(r, line_of(&e->start_mark), "a second document, expected one per file");
		if (e->data.document_start.version_directive ||
		    e->data.document_start.tag_directives.start != e->data.document_start.tag_directives.end)
			return fail_at(r, 1, "a %% directive, expected none");
		return true;
	case YAML_DOCUMENT_END_EVENT:
		r->is_done = true;
		return true;
	case YAML_ALIAS_EVENT:
		return on_alias(r, e);
	case YAML_SCALAR_EVENT:
		return on_scalar(r, e);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(r, e, STG_YAML_LIST);
	case YAML_MAPPING_START_EVENT:
		return on_open(r, e, STG_YAML_MAP);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		close_level(r);
		return true;
	default:
		return true;
	}
}

static bool is_indented_with_tab(struct stg_bytes text, size_t line)
{
	size_t at = 0;
	for (; line && at < text.len; at++)
		line -= text.data[at] == '\n';
	while (at < text.len && text.data[at] == ' ')
		at++;
	return at < text.len && text.data[at] == '\t';
}

/* libyaml's sentence is for those who know the grammar; the common slips get one for the person who made them. */
static bool fail_syntax(struct reader *r, struct stg_bytes text)
{
	const yaml_parser_t *p = &r->parser;
	size_t line = p->problem_mark.line + 1;

	if (p->error == YAML_MEMORY_ERROR)
		return stg_fail(r->err, STG_E_NOMEM, 0, "no memory to read %s", r->y->name);
	if (p->error == YAML_READER_ERROR) {
		line = 1;
		for (size_t i = 0; i < p->problem_offset && i < text.len; i++)
			line += text.data[i] == '\n';
		return fail_at(r, line, "a character that is not UTF-8 text, expected UTF-8");
	}
	if (is_indented_with_tab(text, p->problem_mark.line))
		return fail_at(r, line, "a tab, expected spaces: YAML is indented with spaces only");
	if (p->context && p->context_mark.line + 1 != line)
		return fail_at(r, line, "%s %s that began on line %zu", p->problem, p->context, p->context_mark.line + 1);
	return fail_at(r, line, "%s%s%s", p->problem ? p->problem : "not YAML", p->context ? " " : "",
		       p->context ? p->context : "");
}

static bool read_all(struct reader *r, struct stg_bytes text)
{
	for (bool at_end = false; !at_end;) {
		yaml_event_t e;
		if (!yaml_parser_parse(&r->parser, &e))
			return fail_syntax(r, text);
		at_end = e.type == YAML_STREAM_END_EVENT;
		bool ok = on_event(r, &e);
		yaml_event_delete(&e);
		if (!ok)
			return false;
	}
	if (!r->y->root) {
		yaml_mark_t top = { 0 };
		new_node(r, STG_YAML_MAP, &top);
	}
	return true;
}

static struct stg_yaml *parse(const char *name, struct stg_bytes text, bool may_share, struct stg_error *err)
{
	if (text.len > TEXT_BYTES_MAX) {
		stg_fail(err, STG_E_INPUT, 0, "%s:1: %zu bytes, expected at most %zu", name, text.len, TEXT_BYTES_MAX);
		return NULL;
	}
	STG_AUTO(stg_yaml_free_at) struct stg_yaml *y = stg_calloc(1, sizeof(*y));
	y->name = stg_strdup(name);

	struct reader r = { .y = y, .may_share = may_share, .err = err };
	if (!yaml_parser_initialize(&r.parser)) {
		stg_fail(err, STG_E_NOMEM, 0, "no memory to read %s", name);
		return NULL;
	}
	/* said, not guessed: a guess would read UTF-16 and shift the places of errors */
	if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
		text = stg_bytes(text.data + 3, text.len - 3);
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, text.len ? text.data : (const uint8_t *)"", text.len);
	bool ok = read_all(&r, text);
	while (r.depth)
		close_level(&r);
	yaml_parser_delete(&r.parser);
	return ok ? stg_steal(y) : NULL;
}

struct stg_yaml *stg_yaml_parse(const char *name, struct stg_bytes text, struct stg_error *err)
{
	return parse(name, text, false, err);
}

struct stg_yaml *stg_yaml_parse_shared(const char *name, struct stg_bytes text, struct stg_error *err)
{
	return parse(name, text, true, err);
}

void stg_yaml_free(struct stg_yaml *y)
{
	if (!y)
		return;
	for (struct node *n = y->all, *next; n; n = next) {
		next = n->all;
		free(n->scalar);
		free(n->key);
		free(n->anchor);
		free(n);
	}
	free(y->name);
	free(y);
}

void stg_yaml_free_at(struct stg_yaml **y)
{
	stg_yaml_free(*y);
	*y = NULL;
}

const struct stg_yaml_node *stg_yaml_root(const struct stg_yaml *y)
{
	return y->root;
}

const char *stg_yaml_name(const struct stg_yaml *y)
{
	return y->name;
}

const struct stg_yaml_node *stg_yaml_get(const struct stg_yaml_node *map, const char *key)
{
	if (!map || map->kind != STG_YAML_MAP)
		return NULL;
	for (const struct stg_yaml_node *n = map->child; n; n = n->next)
		if (strcmp(n->key, key) == 0)
			return n;
	return NULL;
}

/* "count is 'abc', expected ..." or "count is a list, expected ..."; false. */
static bool unexpected(const struct stg_yaml *y, const struct stg_yaml_node *n, struct stg_error *err, const char *expected)
{
	char key[SHOWN_MAX], value[SHOWN_MAX];
	const char *name = n && n->key ? shown(n->key, key) : "this entry";

	if (!n)
		return stg_yaml_fail(y, NULL, err, "a value is missing, expected %s", expected);
	if (n->kind == STG_YAML_MAP)
		return stg_yaml_fail(y, n, err, "%s is a mapping, expected %s", name, expected);
	if (n->kind == STG_YAML_LIST)
		return stg_yaml_fail(y, n, err, "%s is a list, expected %s", name, expected);
	if (!n->scalar[0] && !n->quoted)
		return stg_yaml_fail(y, n, err, "%s is empty, expected %s", name, expected);
	return stg_yaml_fail(y, n, err, "%s is %s'%s', expected %s", name, n->quoted ? "the text " : "",
			     shown(n->scalar, value), expected);
}

bool stg_yaml_string(const struct stg_yaml *y, const struct stg_yaml_node *n, const char **ret, struct stg_error *err)
{
	if (!n || n->kind != STG_YAML_SCALAR)
		return unexpected(y, n, err, "text");
	*ret = n->scalar;
	return true;
}

/* Decimal digits with an optional minus, no zeros in front. False when it is none or does not fit. */
static bool to_int(const char *s, int64_t *ret)
{
	const char *digits = s + (*s == '-');
	size_t len = strspn(digits, "0123456789");
	if (len == 0 || digits[len] || (len > 1 && digits[0] == '0'))
		return false;
	errno = 0;
	long long n = strtoll(s, NULL, 10);
	if (errno)
		return false;
	*ret = n;
	return true;
}

bool stg_yaml_int(const struct stg_yaml *y, const struct stg_yaml_node *n, int64_t least, int64_t most, int64_t *ret,
		  struct stg_error *err)
{
	int64_t value;
	if (n && n->kind == STG_YAML_SCALAR && !n->quoted && to_int(n->scalar, &value) && value >= least && value <= most) {
		*ret = value;
		return true;
	}
	char expected[96] = "a whole number";
	if (most == INT64_MAX && least > INT64_MIN)
		snprintf(expected, sizeof(expected), "a whole number of at least %" PRIi64, least);
	else if (most < INT64_MAX)
		snprintf(expected, sizeof(expected), "a whole number from %" PRIi64 " to %" PRIi64, least, most);
	if (n && n->kind == STG_YAML_SCALAR && n->quoted)
		stg_copy(expected + strlen(expected), sizeof(expected) - strlen(expected), " without quotes");
	return unexpected(y, n, err, expected);
}

bool stg_yaml_bool(const struct stg_yaml *y, const struct stg_yaml_node *n, bool *ret, struct stg_error *err)
{
	bool is_plain = n && n->kind == STG_YAML_SCALAR && !n->quoted;
	if (!is_plain || (strcmp(n->scalar, "true") != 0 && strcmp(n->scalar, "false") != 0))
		return unexpected(y, n, err, "true or false");
	*ret = n->scalar[0] == 't';
	return true;
}

bool stg_yaml_duration(const struct stg_yaml *y, const struct stg_yaml_node *n, int64_t *ret_ms, struct stg_error *err)
{
	static const struct { const char *name; int64_t ms; } units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "min", 60 * 1000 }, { "h", 60 * 60 * 1000 },
	};
	if (n && n->kind == STG_YAML_SCALAR) {
		char digits[24];
		size_t len = strspn(n->scalar, "0123456789");
		const char *unit = n->scalar + len + strspn(n->scalar + len, " ");
		int64_t value;
		if (len < sizeof(digits)) {
			memcpy(digits, n->scalar, len);
			digits[len] = 0;
			for (size_t i = 0; i < STG_ARRAY_LEN(units); i++)
				if (strcmp(unit, units[i].name) == 0 && to_int(digits, &value) &&
				    !__builtin_mul_overflow(value, units[i].ms, &value)) {
					*ret_ms = value;
					return true;
				}
		}
	}
	return unexpected(y, n, err, "a duration such as 500 ms, 90 s, 5 min or 2 h");
}

/* Edits (a letter more, less, other, or two swapped) from a to b; words longer than 31 never come close. */
static size_t distance(const char *a, const char *b)
{
	enum { MAX = 32 };
	size_t d[MAX][MAX], la = strlen(a), lb = strlen(b);
	if (la >= MAX || lb >= MAX)
		return SIZE_MAX;
	for (size_t i = 0; i <= la; i++) {
		for (size_t j = 0; j <= lb; j++) {
			if (i == 0 || j == 0) {
				d[i][j] = i + j;
				continue;
			}
			size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[la][lb];
}

const char *stg_yaml_nearest(const char *word, const char *const *known)
{
	const char *best = NULL;
	size_t least = SIZE_MAX;
	for (; *known; known++) {
		size_t d = distance(word, *known);
		size_t len = strlen(*known);
		/* one slip in a short word, one in three letters of a long one */
		if (d < least && d <= (len < 6 ? 1 + (len > 3) : len / 3)) {
			least = d;
			best = *known;
		}
	}
	return best;
}

bool stg_yaml_only(const struct stg_yaml *y, const struct stg_yaml_node *map, const char *const *known,
		   struct stg_error *err)
{
	if (!map || map->kind != STG_YAML_MAP)
		return unexpected(y, map, err, "a mapping (lines of 'key: value')");
	for (const struct stg_yaml_node *n = map->child; n; n = n->next) {
		bool is_known = false;
		for (const char *const *k = known; *k && !is_known; k++)
			is_known = strcmp(n->key, *k) == 0;
		if (is_known)
			continue;
		/* the key's own line: its value may begin further down */
		const struct stg_yaml_node at = { .line = n->key_line };
		char key[SHOWN_MAX];
		const char *guess = stg_yaml_nearest(n->key, known);
		if (guess)
			return stg_yaml_fail(y, &at, err, "unknown key '%s', did you mean '%s'?", shown(n->key, key), guess);
		char list[140] = "";
		for (const char *const *k = known; *k; k++) {
			size_t len = strlen(list);
			if (len + strlen(*k) + 6 > sizeof(list)) {
				stg_copy(list + len, sizeof(list) - len, ", ...");
				break;
			}
			snprintf(list + len, sizeof(list) - len, "%s%s", len ? ", " : "", *k);
		}
		return stg_yaml_fail(y, &at, err, "unknown key '%s', expected %s", shown(n->key, key), list[0] ? list : "none");
	}
	return true;
}

json_t *stg_yaml_json(const struct stg_yaml_node *n)
{
	json_t *j = NULL;
	int64_t number;

	if (n->kind == STG_YAML_SCALAR) {
		if (!n->quoted && strcmp(n->scalar, "true") == 0)
			j = json_true();
		else if (!n->quoted && strcmp(n->scalar, "false") == 0)
			j = json_false();
		else if (!n->quoted && to_int(n->scalar, &number))
			j = json_integer(number);
		else
			j = json_string(n->scalar);
	} else {
		j = n->kind == STG_YAML_MAP ? json_object() : json_array();
		for (const struct stg_yaml_node *c = n->child; c && j; c = c->next)
			if (n->kind == STG_YAML_MAP)
				stg_json_put_new(j, c->key, stg_yaml_json(c));
			else if (json_array_append_new(j, stg_yaml_json(c)) < 0)
				abort(); /* small texts of our own, as in json.h */
	}
	if (!j)
		abort();
	return j;
}
