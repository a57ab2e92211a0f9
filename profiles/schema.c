/*
 * schema.c - the table of payload rules, read.
 *
 * For:    catalogue.c; a table made from Apple's description on a stick is read here before it is believed.
 * Uses:   nothing but text.
 * Called: once per process for the shipped table, once per change for the station's own.
 * Thread: any; a table that was read does not change.
 *
 * The text may come from anywhere: lengths, depth, number of rules and each column are bounded and checked.
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <stager/error.h>
#include <stager/registry.h>

#include "schema.h"

#define COLUMNS_MAX 14
#define NAME_BYTES_MAX 200
#define TABLE "profiles/schema/ios.rules"
#define OVERLAY "profiles/schema/quirks.overlay"
#define ROOM_FIRST 2048

static const char *const forms[] = { "uuid", "https", "mac", "digits6", "oi", NULL };
static const struct { char letter; unsigned int bit; } kinds[] = {
	{ 's', KIND_TEXT }, { 'i', KIND_INTEGER }, { 'r', KIND_REAL }, { 'b', KIND_BOOL }, { 'd', KIND_DATA },
	{ 't', KIND_DATE }, { 'a', KIND_LIST }, { 'D', KIND_DICT }, { '*', KIND_ANY },
};
static const struct { char letter; unsigned int bit; } flags[] = {
	{ 'R', RULE_REQUIRED }, { 'S', RULE_SUPERVISED }, { 'M', RULE_NOT_BY_HAND }, { '1', RULE_SINGLE }, { 'X', RULE_ELSEWHERE },
	{ 'u', RULE_USER_FORBIDDEN }, { 'U', RULE_USER_REQUIRED }, { 'v', RULE_USER_IGNORED },
	{ 'h', RULE_SHARED_FORBIDDEN }, { 'H', RULE_SHARED_REQUIRED }, { 'g', RULE_SHARED_IGNORED },
};

struct reading {
	struct stg_profile_rules *r;
	const char *name;                       /* of the file */
	unsigned long line;
	uint32_t open[RULE_DEPTH_MAX + 1];      /* the rule each depth is at */
	uint32_t last[RULE_DEPTH_MAX + 1];      /* the last one under the rule above */
	size_t depth;
	struct stg_error *err;
};

const char *const *rule_form_names(void)
{
	return forms;
}

uint32_t release_of(const char *text)
{
	uint32_t part[3] = { 0 };
	size_t n = 0;
	for (const char *p = text; n < 3;) {
		size_t digits = 0;
		for (; *p >= '0' && *p <= '9' && digits < 3; p++, digits++)
			part[n] = part[n] * 10 + (uint32_t)(*p - '0');
		if (!digits || part[n] > 255)
			return 0;
		n++;
		if (!*p)
			return part[0] << 16 | part[1] << 8 | part[2];
		if (*p++ != '.')
			return 0;
	}
	return 0;
}

const char *release_text(uint32_t release, char ret[24])
{
	unsigned int major = release >> 16, minor = release >> 8 & 255, patch = release & 255;
	if (patch)
		snprintf(ret, 24, "%u.%u.%u", major, minor, patch);
	else
		snprintf(ret, 24, "%u.%u", major, minor);
	return ret;
}

__attribute__((format(printf, 2, 3)))
static bool wrong(struct reading *in, const char *fmt, ...)
{
	char what[160], clean[200];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	stg_printable(what, true, clean, sizeof(clean));
	return stg_fail_id(in->err, STG_E_INPUT, STG_ID_RULES_DAMAGED, 0, "%.60s:%lu: %s", in->name, in->line, clean);
}

/* Cuts a line at its tabs. Returns how many columns, 0 when there are too many. */
static size_t columns(char *line, char *ret[COLUMNS_MAX])
{
	size_t n = 1;
	ret[0] = line;
	for (char *tab = strchr(line, '\t'); tab; tab = strchr(tab + 1, '\t')) {
		if (n == COLUMNS_MAX)
			return 0;
		*tab = 0;
		ret[n++] = tab + 1;
	}
	return n;
}

static bool read_kinds(struct reading *in, const char *text, struct rule *k)
{
	const char *p = text;
	k->kinds = 0;
	for (; *p && *p != '^'; p++) {
		unsigned int bit = 0;
		for (size_t i = 0; i < STG_ARRAY_LEN(kinds); i++)
			if (kinds[i].letter == *p)
				bit = kinds[i].bit;
		if (!bit)
			return wrong(in, "kind '%c' is none of %s", *p, "sirbdtaD*");
		k->kinds |= bit;
	}
	if (!k->kinds)
		return wrong(in, "a rule without a kind");
	if (*p == '^') {
		char *end = NULL;
		errno = 0;
		unsigned long up = strtoul(p + 1, &end, 10);
		if (!p[1] || *end || errno || up >= k->depth || up > RULE_DEPTH_MAX)
			return wrong(in, "'%s' refers to no rule above", p);
		k->use_depth = (uint8_t)(up + 1);
	}
	return true;
}

static bool read_flags(struct reading *in, const char *text, unsigned int *ret)
{
	for (const char *p = text; *p; p++) {
		unsigned int bit = 0;
		for (size_t i = 0; i < STG_ARRAY_LEN(flags); i++)
			if (flags[i].letter == *p)
				bit = flags[i].bit;
		if (!bit)
			return wrong(in, "flag '%c' is not known", *p);
		*ret |= bit;
	}
	return true;
}

static bool read_release(struct reading *in, const char *text, uint32_t *ret)
{
	*ret = *text ? release_of(text) : 0;
	return !*text || *ret || wrong(in, "'%.20s' is no release, 17.4 was expected", text);
}

static bool read_number(const char *text, size_t len, double *ret, bool *ret_has)
{
	char copy[32];
	char *end = NULL;
	*ret_has = len > 0;
	if (!len)
		return true;
	if (len >= sizeof(copy))
		return false;
	snprintf(copy, sizeof(copy), "%.*s", (int)len, text);
	*ret = strtod(copy, &end);
	return *end == 0 && strspn(copy, "-+.0123456789") == len;
}

static bool read_range(struct reading *in, const char *text, double *least, bool *has_least, double *most, bool *has_most)
{
	const char *dots = strstr(text, "..");
	if (!dots || !read_number(text, (size_t)(dots - text), least, has_least) || !read_number(dots + 2, strlen(dots + 2), most, has_most) ||
	    (!*has_least && !*has_most) || (*has_least && *has_most && *least > *most))
		return wrong(in, "'%.40s' is no range, 0..10 was expected", text);
	return true;
}

static bool read_items(struct reading *in, const char *text, struct rule *k)
{
	double least = 0, most = 0;
	bool has_least, has_most;
	if (!read_range(in, text, &least, &has_least, &most, &has_most))
		return false;
	if (least < 0 || most < 0 || least > 100000 || most > 100000)
		return wrong(in, "'%.40s' is no number of items", text);
	k->items_least = has_least ? (uint32_t)least : 0;
	k->items_most = has_most ? (uint32_t)most : UINT32_MAX;
	return true;
}

static bool read_form(struct reading *in, const char *text, struct rule *k)
{
	for (uint8_t i = 0; forms[i]; i++) {
		if (strcmp(forms[i], text) == 0) {
			k->form = (uint8_t)(i + 1);
			return true;
		}
	}
	return wrong(in, "form '%.40s' is not known", text);
}

static bool read_limit(struct reading *in, char *text, struct rule *k)
{
	char *equals;
	switch (*text) {
	case 0:
		return true;
	case '=':
		k->values = text + 1;
		return text[1] || wrong(in, "no value is allowed");
	case '~':
		return read_form(in, text + 1, k);
	case '#':
		return read_items(in, text + 1, k);
	case '<':
		k->supervised_before = release_of(text + 1);
		return k->supervised_before || wrong(in, "'%.20s' is no release", text + 1);
	case '?':
		equals = strchr(text, '=');
		if (!equals || k->depth != 0)
			return wrong(in, "'%.40s' is no condition of a payload type", text);
		*equals = 0;
		k->when_key = text + 1;
		k->when_value = equals + 1;
		return true;
	default:
		return read_range(in, text, &k->least, &k->has_least, &k->most, &k->has_most);
	}
}

/* Room for one more rule; NULL: the table is too long. */
static struct rule *append(struct stg_profile_rules *r)
{
	if (r->n == RULES_MAX)
		return NULL;
	if (r->n == r->room) {
		size_t room = r->room ? r->room * 2 : ROOM_FIRST;
		struct rule *more = stg_calloc(room, sizeof(*more));
		if (r->n)
			memcpy(more, r->rule, r->n * sizeof(*more));
		free(r->rule);
		r->rule = more;
		r->room = room;
	}
	struct rule *k = &r->rule[r->n++];
	*k = (struct rule){ .first = RULE_NONE, .next = RULE_NONE };
	return k;
}

static bool read_rule(struct reading *in, char *line)
{
	char *col[COLUMNS_MAX];
	size_t n = columns(line, col);
	struct stg_profile_rules *r = in->r;
	if (!n)
		return wrong(in, "a rule with more than %d columns", COLUMNS_MAX);
	if (n < 3)
		return wrong(in, "a rule with fewer than 3 columns");
	unsigned int depth = 0;
	for (const char *p = col[0]; *p; p++)
		depth = *p >= '0' && *p <= '9' && depth < 100 ? depth * 10 + (unsigned int)(*p - '0') : 1000;
	if (!*col[0] || depth > RULE_DEPTH_MAX || depth > in->depth)
		return wrong(in, "depth '%.10s' does not follow the rule above", col[0]);
	size_t len = strlen(col[1]);
	if (!len || len > NAME_BYTES_MAX)
		return wrong(in, "a name of %zu bytes", len);
	uint32_t at = (uint32_t)r->n;
	struct rule *k = append(r);
	if (!k)
		return wrong(in, "more than %d rules", RULES_MAX);
	k->name = col[1];
	k->depth = (uint8_t)depth;
	if (!read_kinds(in, col[2], k) || (n > 3 && !read_flags(in, col[3], &k->flags)) || (n > 4 && !read_release(in, col[4], &k->introduced)) ||
	    (n > 5 && !read_release(in, col[5], &k->deprecated)) || (n > 6 && !read_release(in, col[6], &k->removed)))
		return false;
	for (size_t i = 7; i < n; i++)
		if (!read_limit(in, col[i], k))
			return false;
	if (depth && r->rule[in->open[depth - 1]].use_depth)
		return wrong(in, "a rule under one that refers to another");
	if (depth && in->last[depth] == RULE_NONE)
		r->rule[in->open[depth - 1]].first = at;
	else if (in->last[depth] != RULE_NONE)
		r->rule[in->last[depth]].next = at;
	in->last[depth] = in->open[depth] = at;
	in->depth = depth + 1;
	if (depth < RULE_DEPTH_MAX)
		in->last[depth + 1] = RULE_NONE;
	else
		in->depth = depth;
	r->n_types += depth == 0 && !(k->flags & RULE_ELSEWHERE) && strcmp(k->name, "*") != 0 && strcmp(k->name, "Configuration") != 0;
	r->n_keys += depth != 0;
	return true;
}

static bool read_head(struct reading *in, char *line)
{
	char *col[COLUMNS_MAX];
	size_t n = columns(line, col);
	if (n != 4 || strcmp(col[0], "rules") != 0)
		return wrong(in, "this is no table of payload rules");
	if (strcmp(col[1], "1") != 0)
		return wrong(in, "version '%.10s' of the table is not known, 1 was expected", col[1]);
	if (strcmp(col[2], "ios") != 0)
		return wrong(in, "rules of '%.20s', those of ios were expected", col[2]);
	in->r->newest = release_of(col[3]);
	if (!in->r->newest)
		return wrong(in, "'%.20s' is no release, 17.4 was expected", col[3]);
	release_text(in->r->newest, in->r->release);
	return true;
}

/* The text is cut up where it lies. */
static bool each_line(struct reading *in, char *text, bool (*first)(struct reading *, char *), bool (*rest)(struct reading *, char *))
{
	bool is_first = first != NULL;
	for (char *p = text; p && *p;) {
		char *end = strchr(p, '\n');
		in->line++;
		if (end)
			*end++ = 0;
		if (*p && *p != '#') {
			if (!(is_first ? first : rest)(in, p))
				return false;
			is_first = false;
		}
		p = end;
	}
	return !is_first || wrong(in, "this is no table of payload rules");
}

/* ---- the overlay ---- */

/* The place of a key path under a type; RULE_NONE when there is none. */
static uint32_t place_of(const struct stg_profile_rules *r, uint32_t from, const char *path)
{
	uint32_t at = from;
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");
		uint32_t found = RULE_NONE;
		for (uint32_t i = r->rule[at].first; i != RULE_NONE && found == RULE_NONE; i = r->rule[i].next)
			if ((n == 1 && *p == '*') || (strlen(r->rule[i].name) == n && strncmp(r->rule[i].name, p, n) == 0))
				found = i;
		if (found == RULE_NONE)
			return RULE_NONE;
		at = found;
		p += n + (p[n] == '/');
	}
	return at;
}

static uint32_t add_under(struct reading *in, uint32_t parent, char *name)
{
	struct stg_profile_rules *r = in->r;
	uint32_t at = (uint32_t)r->n, depth = r->rule[parent].depth + 1u;
	struct rule *k = depth <= RULE_DEPTH_MAX ? append(r) : NULL;
	if (!k)
		return RULE_NONE;
	k->name = name;
	k->depth = (uint8_t)depth;
	k->kinds = KIND_ANY;
	k->next = r->rule[parent].first;
	r->rule[parent].first = at;
	r->n_keys++;
	return at;
}

static bool change(struct reading *in, struct rule *k, char *text)
{
	char *value = strchr(text, '=');
	if (!value)
		return wrong(in, "'%.40s' is no NAME=VALUE", text);
	*value++ = 0;
	if (strcmp(text, "kinds") == 0)
		return read_kinds(in, value, k);
	if (strcmp(text, "flags") == 0) {
		k->flags = 0;
		return read_flags(in, value, &k->flags);
	}
	if (strcmp(text, "values") == 0) {
		k->values = *value ? value : NULL;
		return true;
	}
	if (strcmp(text, "range") == 0)
		return read_range(in, value, &k->least, &k->has_least, &k->most, &k->has_most);
	if (strcmp(text, "form") == 0) {
		k->form = FORM_NONE;
		return !*value || read_form(in, value, k);
	}
	if (strcmp(text, "introduced") == 0)
		return read_release(in, value, &k->introduced);
	if (strcmp(text, "deprecated") == 0)
		return read_release(in, value, &k->deprecated);
	if (strcmp(text, "also") == 0) {
		k->also = value;
		return k->depth == 0 || wrong(in, "also belongs to a payload type");
	}
	if (strcmp(text, "supervised-before") == 0) {
		k->flags |= RULE_SUPERVISED;
		return read_release(in, value, &k->supervised_before);
	}
	return wrong(in, "'%.40s' cannot be set", text);
}

static uint32_t add_type(struct reading *in, char *name)
{
	struct stg_profile_rules *r = in->r;
	uint32_t at = (uint32_t)r->n;
	struct rule *k = append(r);
	if (!k)
		return RULE_NONE;
	k->name = name;
	k->kinds = KIND_DICT;
	if (in->last[0] != RULE_NONE)
		r->rule[in->last[0]].next = at;
	in->last[0] = at;
	return at;
}

/* What the overlay names and the table does not have is passed over: the next release may have mended it. */
static bool overlay_line(struct reading *in, char *line)
{
	char *col[COLUMNS_MAX];
	size_t n = columns(line, col);
	struct stg_profile_rules *r = in->r;
	bool adds = n && strcmp(col[0], "add") == 0;
	if (n < 4 || (!adds && strcmp(col[0], "set") != 0))
		return wrong(in, "expected set or add, a type, a key and what is different");
	for (uint32_t type = r->n ? 0 : RULE_NONE; type != RULE_NONE; type = r->rule[type].next) {
		if (strcmp(r->rule[type].name, col[1]) != 0)
			continue;
		uint32_t at = place_of(r, type, strcmp(col[2], ".") == 0 ? "" : col[2]);
		if (adds && at == RULE_NONE) {
			char *name = strrchr(col[2], '/');
			uint32_t parent = type;
			if (name) {
				*name++ = 0;
				parent = place_of(r, type, col[2]);
			} else {
				name = col[2];
			}
			at = parent == RULE_NONE || r->rule[parent].use_depth ? RULE_NONE : add_under(in, parent, name);
		} else if (adds) {
			at = RULE_NONE;
		}
		for (size_t i = 3; at != RULE_NONE && i < n; i++)
			if (!change(in, &r->rule[at], col[i]))
				return false;
		return true;
	}
	uint32_t at = adds && strcmp(col[2], ".") == 0 ? add_type(in, col[1]) : RULE_NONE;
	for (size_t i = 3; at != RULE_NONE && i < n; i++)
		if (!change(in, &r->rule[at], col[i]))
			return false;
	return true;
}

/* ---- doors ---- */

static bool has_zero(struct stg_bytes text)
{
	return text.len && memchr(text.data, 0, text.len) != NULL;
}

static char *copy_of(struct stg_bytes text)
{
	char *copy = stg_calloc(text.len + 1, 1);
	if (text.len)
		memcpy(copy, text.data, text.len);
	return copy;
}

void stg_profile_rules_free(struct stg_profile_rules *r)
{
	if (!r)
		return;
	free(r->text);
	free(r->overlay);
	free(r->rule);
	free(r);
}

void stg_profile_rules_free_at(struct stg_profile_rules **r)
{
	stg_profile_rules_free(*r);
	*r = NULL;
}

struct stg_profile_rules *stg_profile_rules_read(const char *name, struct stg_bytes table, struct stg_bytes overlay, struct stg_error *err)
{
	STG_AUTO(stg_profile_rules_free_at) struct stg_profile_rules *r = stg_calloc(1, sizeof(*r));
	struct reading in = { .r = r, .name = name, .err = err };
	for (size_t i = 0; i <= RULE_DEPTH_MAX; i++)
		in.last[i] = in.open[i] = RULE_NONE;
	if (table.len > RULES_TEXT_MAX || overlay.len > RULES_TEXT_MAX || has_zero(table) || has_zero(overlay)) {
		wrong(&in, "more than 1 MiB, or no text");
		return NULL;
	}
	stg_sha256_hex(table, r->sha256);
	r->text = copy_of(table);
	if (!each_line(&in, r->text, read_head, read_rule))
		return NULL;
	if (!r->n_types) {
		wrong(&in, "a table without a payload type");
		return NULL;
	}
	in.name = "overlay";
	in.line = 0;
	r->overlay = copy_of(overlay);
	if (!each_line(&in, r->overlay, NULL, overlay_line))
		return NULL;
	return stg_steal(r);
}

static struct stg_bytes shipped_text(const char *path)
{
	const struct stg_data *d = stg_data_find(path);
	return d ? stg_bytes(d->bytes, d->len) : stg_bytes(NULL, 0);
}

struct stg_bytes stg_profile_overlay(void)
{
	return shipped_text(OVERLAY);
}

static struct stg_profile_rules *shipped;

static void read_shipped(void)
{
	struct stg_error err = { 0 };
	shipped = stg_profile_rules_read(TABLE, shipped_text(TABLE), shipped_text(OVERLAY), &err);
	if (!shipped) {
		fprintf(stderr, "%s\n", err.msg);
		abort();        /* our own table, compiled in and read by every test */
	}
}

const struct stg_profile_rules *stg_profile_rules_shipped(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, read_shipped);
	return shipped;
}

json_t *stg_profile_rules_about(const struct stg_profile_rules *r)
{
	json_t *j = json_object();
	stg_json_put_int(j, "v", 1);
	stg_json_put(j, "platform", "ios");
	stg_json_put(j, "release", r->release);
	stg_json_put_int(j, "types", (int64_t)r->n_types);
	stg_json_put_int(j, "keys", (int64_t)r->n_keys);
	stg_json_put(j, "sha256", r->sha256);
	return j;
}

bool stg_profile_rules_newer(const struct stg_profile_rules *a, const struct stg_profile_rules *b)
{
	return a->newest > b->newest;
}

/* ---- looking up ---- */

static const struct rule *at_place(const struct stg_profile_rules *r, uint32_t at)
{
	return at == RULE_NONE ? NULL : &r->rule[at];
}

const struct rule *rules_first(const struct stg_profile_rules *r, const struct rule *under)
{
	return at_place(r, under->first);
}

const struct rule *rules_next(const struct stg_profile_rules *r, const struct rule *after)
{
	return at_place(r, after->next);
}

const struct rule *rules_type(const struct stg_profile_rules *r, const char *type, const struct rule *after)
{
	for (const struct rule *k = after ? rules_next(r, after) : r->rule; k; k = rules_next(r, k))
		if (strcmp(k->name, type) == 0)
			return k;
	return NULL;
}

const struct rule *rules_key(const struct stg_profile_rules *r, const struct rule *under, const char *key)
{
	const struct rule *any = NULL;
	for (const struct rule *k = rules_first(r, under); k; k = rules_next(r, k)) {
		if (strcmp(k->name, key) == 0)
			return k;
		if (strcmp(k->name, "ANY") == 0)
			any = k;
	}
	return any;
}

/* Letter case and blanks apart: "KeyType" for "Key Type" is the slip people make. */
static bool is_near(const char *a, const char *b)
{
	for (;;) {
		while (*a == ' ')
			a++;
		while (*b == ' ')
			b++;
		char x = *a >= 'A' && *a <= 'Z' ? (char)(*a + 32) : *a, y = *b >= 'A' && *b <= 'Z' ? (char)(*b + 32) : *b;
		if (x != y)
			return false;
		if (!x)
			return true;
		a++;
		b++;
	}
}

const struct rule *rules_near(const struct stg_profile_rules *r, const struct rule *under, const char *key)
{
	for (const struct rule *k = under ? rules_first(r, under) : r->rule; k; k = rules_next(r, k))
		if (is_near(k->name, key))
			return k;
	return NULL;
}
