/*
 * plistbin.c - binary property lists, looked through before libplist unfolds them.
 *
 * A binary list is a table of objects that name one another by number, so 204 bytes can stand for a gigabyte and an
 * object can contain itself. Each object is visited once and remembers how many nodes and bytes it unfolds to and how
 * deep it goes; a second reference only adds. Objects of an honest writer never overlap: as soon as those visited are
 * larger together than the file, it is refused, which keeps the whole scan linear.
 *
 * For:    stg_plist_scan().
 * Uses:   nothing of ours but errors.
 * Called: by plistscan.c.
 * Thread: any; nothing is shared.
 * Facts:  CFBinaryPList.c of Apple's CoreFoundation (format "bplist00"); what libplist 2.2.0 reads of it (bplist.c):
 *         no null, no ordered set, sizes up to 8 bytes.
 */
#include <math.h>
#include <stdlib.h>

#include "plistscan_parts.h"

#define HEADER_BYTES 8
#define TRAILER_BYTES 32
/* Shared strings may unfold to this many times the size that is allowed for a file. */
#define UNFOLD_FACTOR 2
/* 100,000 million seconds on either side of 2001: from before year 1 to after 5000, all that honest dates need. */
#define DATE_SECONDS_MAX 1e11

enum kind { K_SCALAR, K_STRING, K_UTF16, K_DATA, K_ARRAY, K_DICT };
enum mark { UNSEEN, OPEN, DONE };

struct object {
	enum kind kind;
	size_t at;              /* where it begins */
	size_t body;            /* after marker and length */
	size_t count;           /* characters, bytes or members */
	size_t size;            /* from `at` to its end */
};

/* What is remembered of an object once it was looked through. */
struct memo {
	uint8_t mark;
	uint8_t height;         /* 0: no container */
	uint32_t nodes;
	uint32_t bytes;
	uint64_t key_hash;      /* 0: not used as a key yet */
};

struct frame {
	size_t index;
	struct object o;
	size_t refs;
	size_t next;
	size_t nodes;
	size_t bytes;
	size_t height;
};

struct scan {
	struct stg_bytes in;
	const struct stg_plist_limits *limits;
	struct stg_error *err;
	struct plist_keys keys;
	struct memo *memo;
	size_t n_objects;
	size_t table;           /* offset table: end of the objects */
	size_t offset_size;
	size_t ref_size;
	size_t visited_bytes;
};

static bool wrong(struct scan *s, size_t at, const char *what)
{
	return stg_fail(s->err, STG_E_PROTOCOL, 0, "byte %zu: %s", at, what);
}

static uint64_t number(const uint8_t *p, size_t len)
{
	uint64_t n = 0;
	for (size_t i = 0; i < len; i++)
		n = n << 8 | p[i];
	return n;
}

/* Reads marker and length of object `index`; everything it claims lies inside the object area afterwards. */
static bool read_object(struct scan *s, size_t index, struct object *o)
{
	size_t entry = s->table + index * s->offset_size;
	uint64_t at = number(s->in.data + entry, s->offset_size);
	if (at < HEADER_BYTES || at >= s->table)
		return wrong(s, entry, "an object's offset points outside the objects");
	*o = (struct object){ .at = (size_t)at, .body = (size_t)at + 1 };
	uint8_t marker = s->in.data[at];
	unsigned int low = marker & 15u, high = marker >> 4;
	size_t unit = 1;

	switch (high) {
	case 0x0:
		if (low != 8 && low != 9)
			return wrong(s, o->at, "an object that is neither true nor false");
		o->size = 1;
		return true;
	case 0x1:
		if (low > 4)
			return wrong(s, o->at, "an integer longer than 16 bytes");
		o->count = (size_t)1 << low;
		break;
	case 0x2:
		if (low != 2 && low != 3)
			return wrong(s, o->at, "a real number that is neither 4 nor 8 bytes long");
		o->count = (size_t)1 << low;
		break;
	case 0x3:
		if (low != 3)
			return wrong(s, o->at, "a date that is not 8 bytes long");
		o->count = 8;
		break;
	case 0x8:
		if (low > 3)
			return wrong(s, o->at, "a UID longer than 4 bytes");
		o->count = low + 1;
		break;
	case 0x4: o->kind = K_DATA; break;
	case 0x5: o->kind = K_STRING; break;
	case 0x6: o->kind = K_UTF16; unit = 2; break;
	case 0xa:
	case 0xc: o->kind = K_ARRAY; unit = s->ref_size; break;
	case 0xd: o->kind = K_DICT; unit = 2 * s->ref_size; break;
	default:
		return wrong(s, o->at, "an object of an unknown kind");
	}
	if (o->kind != K_SCALAR) {
		uint64_t count = low;
		if (low == 15) {
			if (s->table - o->body < 1 || s->in.data[o->body] >> 4 != 1 || (s->in.data[o->body] & 15) > 3)
				return wrong(s, o->at, "an object's length is not a number");
			size_t len = (size_t)1 << (s->in.data[o->body] & 15);
			if (s->table - o->body - 1 < len)
				return wrong(s, o->at, "an object's length is cut off");
			count = number(s->in.data + o->body + 1, len);
			o->body += 1 + len;
		}
		if (count > s->in.len)
			return wrong(s, o->at, "an object claims to be longer than the file");
		o->count = (size_t)count;
	}
	if (o->count > (s->table - o->body) / unit)
		return wrong(s, o->at, "an object runs over the end of the objects");
	o->size = o->body - o->at + o->count * unit;
	return true;
}

static bool date_ok(const uint8_t *p)
{
	uint64_t bits = number(p, 8);
	double seconds;
	memcpy(&seconds, &bits, sizeof(seconds));
	return isfinite(seconds) && fabs(seconds) <= DATE_SECONDS_MAX;
}

/* An object met for the first time: its lengths, and what a scalar holds. Adds it to what was visited. */
static bool check_object(struct scan *s, const struct object *o, size_t *ret_bytes)
{
	s->visited_bytes += o->size;
	if (s->visited_bytes > s->table - HEADER_BYTES)
		return wrong(s, o->at, "objects overlap");
	*ret_bytes = 0;
	const uint8_t *body = s->in.data + o->body;
	switch (o->kind) {
	case K_SCALAR:
		if (s->in.data[o->at] >> 4 == 3 && !date_ok(body))
			return wrong(s, o->at, "a date that is no moment");
		return true;
	case K_DATA:
		if (o->count > s->limits->data_bytes)
			return wrong(s, o->at, "data longer than allowed");
		*ret_bytes = o->count;
		return true;
	case K_STRING:
		if (o->count > s->limits->string_bytes)
			return wrong(s, o->at, "a string longer than allowed");
		for (size_t i = 0, len; i < o->count; i += len) {
			len = plist_utf8_len(body + i, o->count - i);
			if (len == 0)
				return wrong(s, o->body + i, "a string that is not UTF-8");
		}
		*ret_bytes = o->count;
		return true;
	case K_UTF16:
		if (o->count == 0) /* libplist reads none; writers use the other kind for it */
			return wrong(s, o->at, "an empty string of 16-bit characters");
		if (o->count > s->limits->string_bytes / 2)
			return wrong(s, o->at, "a string longer than allowed");
		*ret_bytes = o->count * 4; /* what libplist sets aside for it */
		return true;
	default:
		return true;
	}
}

/* The hash of a key's text as UTF-8, so that both kinds of string meet. 0 after an error. */
static uint64_t key_hash(struct scan *s, const struct object *o)
{
	const uint8_t *p = s->in.data + o->body;
	uint64_t h = plist_hash_start(&s->keys);
	size_t bytes = 0;
	for (size_t i = 0; i < o->count; i++) {
		uint32_t c = o->kind == K_STRING ? p[i] : (uint32_t)number(p + 2 * i, 2);
		uint8_t out[4] = { (uint8_t)c };
		size_t len = 1;
		if (o->kind == K_UTF16) {
			if (c >= 0xd800 && c < 0xdc00 && i + 1 < o->count) {
				uint32_t low = (uint32_t)number(p + 2 * ++i, 2);
				c = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00) : 0;
			} else if (c >= 0xd800 && c < 0xe000) {
				c = 0;
			}
			len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
			static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
			uint32_t rest = c;
			for (size_t k = len - 1; k > 0; k--, rest >>= 6)
				out[k] = (uint8_t)(0x80 | (rest & 0x3f));
			out[0] = (uint8_t)(lead[len] | rest);
		}
		if (c == 0)
			return wrong(s, o->at, "a key with a zero or half a character in it");
		bytes += len;
		if (bytes > s->limits->key_bytes)
			return wrong(s, o->at, "a key longer than allowed");
		for (size_t k = 0; k < len; k++)
			h = plist_hash_byte(&s->keys, h, out[k]);
	}
	return h ? h : 1;
}

static bool check_key(struct scan *s, const struct frame *f, size_t child)
{
	struct memo *m = &s->memo[child];
	if (!m->key_hash) {
		struct object o;
		if (!read_object(s, child, &o))
			return false;
		if (o.kind != K_STRING && o.kind != K_UTF16)
			return wrong(s, o.at, "a dictionary's key is not a string");
		m->key_hash = key_hash(s, &o);
		if (!m->key_hash)
			return false;
	}
	bool twice;
	if (plist_keys_add(&s->keys, f->index, m->key_hash, &twice, s->err))
		return true;
	return twice ? wrong(s, f->o.at, "a dictionary has the same key twice") : false;
}

static bool add_child(struct scan *s, struct frame *f, size_t depth, size_t child)
{
	const struct memo *m = &s->memo[child];
	if (depth + m->height > s->limits->depth)
		return wrong(s, f->o.at, "nested deeper than allowed");
	f->nodes += m->nodes;
	f->bytes += m->bytes;
	if (f->height < m->height + 1u)
		f->height = m->height + 1u;
	/* a part is never larger than the whole, so this may stop early */
	if (f->nodes > s->limits->nodes)
		return wrong(s, f->o.at, "unfolds to more values than allowed");
	if (f->bytes > s->limits->size_bytes * UNFOLD_FACTOR)
		return wrong(s, f->o.at, "unfolds to more text than allowed");
	return true;
}

static bool walk(struct scan *s, size_t root)
{
	struct frame stack[PLIST_DEPTH_MAX];
	size_t depth = 0, index = root;

	for (;;) {
		/* `index` is not seen yet: look at it, and either finish it or go into it */
		struct object o;
		size_t bytes = 0;
		if (!read_object(s, index, &o) || !check_object(s, &o, &bytes))
			return false;
		if (o.kind == K_ARRAY || o.kind == K_DICT) {
			if (depth == s->limits->depth)
				return wrong(s, o.at, "nested deeper than allowed");
			s->memo[index].mark = OPEN;
			stack[depth++] = (struct frame){ .index = index, .o = o, .nodes = 1, .height = 1,
							 .refs = o.kind == K_DICT ? 2 * o.count : o.count };
		} else {
			s->memo[index] = (struct memo){ .mark = DONE, .nodes = 1, .bytes = (uint32_t)bytes };
			if (depth == 0)
				return true;
			struct frame *up = &stack[depth - 1];
			if (up->o.kind == K_DICT && up->next <= up->o.count && !check_key(s, up, index))
				return false;
			if (!add_child(s, up, depth, index))
				return false;
		}
		/* go on with the innermost open container until an object turns up that was not seen yet */
		for (;;) {
			struct frame *f = &stack[depth - 1];
			if (f->next == f->refs) {
				s->memo[f->index] = (struct memo){ .mark = DONE, .nodes = (uint32_t)f->nodes,
								   .bytes = (uint32_t)f->bytes,
								   .height = (uint8_t)f->height };
				if (--depth == 0)
					return true;
				if (!add_child(s, &stack[depth - 1], depth, f->index))
					return false;
				continue;
			}
			uint64_t child = number(s->in.data + f->o.body + f->next * s->ref_size, s->ref_size);
			bool is_key = f->o.kind == K_DICT && f->next < f->o.count;
			f->next++;
			if (child >= s->n_objects)
				return wrong(s, f->o.at, "names an object that does not exist");
			if (s->memo[child].mark == OPEN)
				return wrong(s, f->o.at, "an object contains itself");
			if (s->memo[child].mark == UNSEEN) {
				if (is_key) {
					struct object key;
					if (!read_object(s, (size_t)child, &key))
						return false;
					if (key.kind != K_STRING && key.kind != K_UTF16)
						return wrong(s, key.at, "a dictionary's key is not a string");
				}
				index = (size_t)child;
				break;
			}
			if ((is_key && !check_key(s, f, (size_t)child)) || !add_child(s, f, depth, (size_t)child))
				return false;
		}
	}
}

bool plist_scan_binary(struct stg_bytes in, const struct stg_plist_limits *limits, struct stg_error *err)
{
	struct scan s = { .in = in, .limits = limits, .err = err };

	if (memcmp(in.data, "bplist00", 8) != 0)
		return wrong(&s, 6, "a binary form other than version 00");
	if (in.len < HEADER_BYTES + 1 + 1 + TRAILER_BYTES)
		return wrong(&s, in.len, "cut short");
	size_t trailer = in.len - TRAILER_BYTES;
	const uint8_t *t = in.data + trailer;
	s.offset_size = t[6];
	s.ref_size = t[7];
	uint64_t n_objects = number(t + 8, 8), root = number(t + 16, 8), table = number(t + 24, 8);

	if (s.offset_size < 1 || s.offset_size > 8)
		return wrong(&s, trailer + 6, "offsets are not 1 to 8 bytes wide");
	if (s.ref_size < 1 || s.ref_size > 8)
		return wrong(&s, trailer + 7, "references are not 1 to 8 bytes wide");
	if (n_objects == 0 || n_objects > limits->nodes)
		return wrong(&s, trailer + 8, n_objects ? "more objects than allowed" : "no objects");
	if (root >= n_objects)
		return wrong(&s, trailer + 16, "the first object does not exist");
	if (table <= HEADER_BYTES || table >= trailer)
		return wrong(&s, trailer + 24, "the offset table lies outside the file");
	if (n_objects * s.offset_size != trailer - table)
		return wrong(&s, trailer + 24, "the offset table does not end where the trailer begins");
	s.table = (size_t)table;
	s.n_objects = (size_t)n_objects;

	s.memo = calloc(s.n_objects, sizeof(*s.memo));
	if (!s.memo)
		return stg_fail(err, STG_E_NOMEM, 0, "no memory to check %zu objects", s.n_objects);
	plist_keys_init(&s.keys);
	bool ok = walk(&s, (size_t)root);
	plist_keys_clear(&s.keys);
	free(s.memo);
	return ok;
}
