/*
 * search.c - the words by which things are found.
 *
 * For:    `stager find` and the query of `inventory list`.
 * Uses:   one ordered table of words: a prefix is a range in it, so that the first fifty hits among a million devices cost
 *         fifty steps (FTS5 merges every hit of a prefix before it gives the first one: 400 ms, measured).
 * Called: whoever writes a thing that people look for.
 * Thread: the one that has the store.
 *
 * A thing's number here is 8 * its id + its kind. Words are folded (case, accents, punctuation); words with digits in them
 * are also stored backwards after a '<', because people read the last digits of a serial number aloud.
 */
#include <ctype.h>
#include <stdlib.h>

#include "db.h"

#define WORD_MAX 48
#define WORDS_OF_A_THING 64
#define WORDS_OF_A_QUERY 8
#define SPLIT_MAX 20              /* UDIDs and UUIDs are one word */
#define FIND_MAX 10000
#define CANDIDATES_MAX 20000      /* of two words that are both everywhere, hits beyond these are not looked for */

/* ---- words ---- */

struct words {
	char word[WORDS_OF_A_THING][WORD_MAX];
	size_t n;
};

/* U+00C0 to U+017F without their accents; '?' is left as it is. */
static const char plain[] = "aaaaaaaceeeeiiiidnooooo?ouuuuypsaaaaaaaceeeeiiiidnooooo?ouuuuypy"
			    "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkklllllllllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

/* One letter or digit of a UTF-8 text, folded, at most 4 bytes to `ret`; returns how many bytes of `s` it took. */
static size_t fold(const char *s, char ret[5], size_t *ret_len)
{
	unsigned char c = (unsigned char)*s;
	*ret_len = 0;
	if (c < 0x80) {
		if (isalnum(c)) {
			ret[0] = (char)tolower(c);
			*ret_len = 1;
		}
		return 1;
	}
	size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	for (size_t i = 1; i < len; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 1;
	unsigned int code = len == 2 ? (unsigned int)((c & 0x1f) << 6 | ((unsigned char)s[1] & 0x3f)) : 0;
	if (code >= 0xc0 && code - 0xc0 < sizeof(plain) - 1 && plain[code - 0xc0] != '?') {
		ret[0] = plain[code - 0xc0];
		*ret_len = 1;
	} else if (len > 2 || code >= 0x180) {
		memcpy(ret, s, len);
		*ret_len = len;
	}
	return len;
}

static void keep(struct words *w, const char *word)
{
	if (!*word || w->n == WORDS_OF_A_THING)
		return;
	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->word[i], word) == 0)
			return;
	stg_copy(w->word[w->n++], WORD_MAX, word);
}

static bool has_digit(const char *word)
{
	return word[strcspn(word, "0123456789")] != 0;
}

static void backwards(const char *word, char ret[WORD_MAX])
{
	size_t n = strlen(word), at = 0;
	ret[at++] = '<';
	while (n && at < WORD_MAX - 1)
		ret[at++] = word[--n];
	ret[at] = 0;
}

static void keep_both(struct words *w, const char *word)
{
	char turned[WORD_MAX];
	keep(w, word);
	if (strlen(word) >= 4 && has_digit(word)) {
		backwards(word, turned);
		keep(w, turned);
	}
}

/* Words stand between blanks. "A-1042" is a1042, and also a and 1042. */
static void split(const char *text, struct words *w, bool parts)
{
	while (*text) {
		char whole[WORD_MAX] = "", part[WORD_MAX] = "";
		size_t whole_len = 0, part_len = 0;
		const char *end = text + strcspn(text, " \t\r\n");
		bool apart = parts && end - text <= SPLIT_MAX;
		while (text < end) {
			char letter[5];
			size_t len, used = fold(text, letter, &len);
			text += used;
			if (text > end)
				text = end;
			if (len == 0 && apart && part_len) {
				part[part_len] = 0;
				keep_both(w, part);
				part_len = 0;
			}
			if (len && whole_len + len < WORD_MAX) {
				memcpy(whole + whole_len, letter, len);
				whole_len += len;
				memcpy(part + part_len, letter, len);
				part_len += len;
			}
		}
		whole[whole_len] = part[part_len] = 0;
		keep_both(w, whole);
		if (apart && part_len < whole_len)
			keep_both(w, part);
		text += strspn(text, " \t\r\n");
	}
}

/* ---- writing ---- */

static bool each_word(struct stg_store *s, const char *sql, const struct words *w, int64_t id, struct stg_error *err)
{
	for (size_t i = 0; i < w->n; i++) {
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, sql);
		stmt_text(&q, ":word", w->word[i]);
		stmt_int(&q, ":id", id);
		if (!stmt_done(&q, err))
			return false;
	}
	return true;
}

bool search_put(struct stg_store *s, enum search_kind kind, int64_t ref, const char *text, struct stg_error *err)
{
	int64_t id = 8 * ref + (int)kind;
	struct words w = { .n = 0 };
	{
		STG_AUTO(stmt_close) struct stmt old = stmt_open(s, "SELECT text FROM findable WHERE id = :id");
		stmt_int(&old, ":id", id);
		int got = stmt_step(&old, err);
		if (got < 0)
			return false;
		if (got && strcmp(col_text(&old, 0), text) == 0)
			return true;
		if (got)
			split(col_text(&old, 0), &w, true);
	}
	if (!each_word(s, "DELETE FROM word WHERE word = :word AND id = :id", &w, id, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO findable (id, text) VALUES (:id, :text) ON CONFLICT (id) DO UPDATE SET text = excluded.text");
	stmt_int(&q, ":id", id);
	stmt_text(&q, ":text", text);
	if (!stmt_done(&q, err))
		return false;
	w.n = 0;
	split(text, &w, true);
	return each_word(s, "INSERT INTO word (word, id) VALUES (:word, :id) ON CONFLICT DO NOTHING", &w, id, err);
}

static bool add_columns(struct stg_store *s, const char *sql, int64_t id, int columns, struct stg_buf *text, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, sql);
	stmt_int(&q, ":id", id);
	int got;
	while ((got = stmt_step(&q, err)) == 1)
		for (int i = 0; i < columns; i++)
			if (col_text(&q, i)[0] && (!stg_buf_add_str(text, col_text(&q, i), err) || !stg_buf_add_str(text, " ", err)))
				return false;
	return got == 0;
}

bool search_device(struct stg_store *s, int64_t device, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(65536);
	return add_columns(s, "SELECT serial, imei, imei2, asset_tag, unit, udid, meid, model_name, name, model FROM device WHERE id = :id", device, 10, &text, err) &&
	       add_columns(s, "SELECT DISTINCT batch.name FROM batch_row JOIN batch ON batch.id = batch_row.batch WHERE batch_row.device = :id", device, 1,
			   &text, err) &&
	       search_put(s, SEARCH_DEVICE, device, stg_buf_str(&text), err);
}

/* What each kind is found by, made anew from its table: after a migration. */
static bool rebuild_kind(struct stg_store *s, enum search_kind kind, const char *sql, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, sql);
	int got;
	while ((got = stmt_step(&q, err)) == 1)
		if (!(kind == SEARCH_DEVICE ? search_device(s, col_int(&q, 0), err) : search_put(s, kind, col_int(&q, 0), col_text(&q, 1), err)))
			return false;
	return got == 0;
}

bool search_rebuild(struct stg_store *s, struct stg_error *err)
{
	return db_run(s, "DELETE FROM word; DELETE FROM findable", err) && rebuild_kind(s, SEARCH_DEVICE, "SELECT id FROM device", err) &&
	       rebuild_kind(s, SEARCH_ROW, "SELECT r.id, b.name || ' ' || r.serial || ' ' || r.udid || ' ' || r.ecid || ' ' || r.imei || ' ' || r.asset_tag"
			    " || ' ' || r.name FROM batch_row AS r JOIN batch AS b ON b.id = r.batch", err) &&
	       rebuild_kind(s, SEARCH_BATCH, "SELECT id, name FROM batch", err) &&
	       rebuild_kind(s, SEARCH_CERTIFICATE, "SELECT id, serial_hex || ' ' || subject || ' ' || device_serial FROM certificate", err) &&
	       rebuild_kind(s, SEARCH_RECORD, "SELECT seq, record_id FROM record", err);
}

/* ---- finding ---- */

static bool begins(const char *word, const char *with)
{
	return strncmp(word, with, strlen(with)) == 0;
}

/* Does a thing of this text bear the word, at a word's beginning or a number's end? */
static bool bears(const struct words *thing, const char *word, const char *turned)
{
	for (size_t i = 0; i < thing->n; i++)
		if (begins(thing->word[i], word) || begins(thing->word[i], turned))
			return true;
	return false;
}

/* The range of words that begin with `from`: up to the same with its last byte one higher. UTF-8 has no byte 255. */
static void range_end(const char *from, char ret[WORD_MAX + 1])
{
	size_t n = strlen(from);
	memcpy(ret, from, n + 1);
	ret[n - 1] = (char)((unsigned char)ret[n - 1] + 1);
}

static bool count_some(struct stg_store *s, const char *from, int64_t *ret, struct stg_error *err)
{
	char to[WORD_MAX + 1];
	range_end(from, to);
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT count(*) FROM (SELECT 1 FROM word WHERE word >= :from AND word < :to LIMIT 1000)");
	stmt_text(&q, ":from", from);
	stmt_text(&q, ":to", to);
	if (!stmt_one(&q, STG_ID_NONE, "count", err))
		return false;
	*ret += col_int(&q, 0);
	return true;
}

struct hits {
	int64_t *ids;
	size_t n, most, looked_at;
	int64_t *seen;                   /* open hash of numbers already looked at; 0 = free */
	size_t slots;
};

static void hits_clear(struct hits *h)
{
	free(h->ids);
	free(h->seen);
	*h = (struct hits){ 0 };
}

static bool seen_before(struct hits *h, int64_t id)
{
	size_t at = (size_t)((uint64_t)id * 0x9e3779b97f4a7c15u >> 20) & (h->slots - 1);
	while (h->seen[at] && h->seen[at] != id)
		at = (at + 1) & (h->slots - 1);
	bool was = h->seen[at] == id;
	h->seen[at] = id;
	return was;
}

static bool has_all(struct stg_store *s, int64_t id, char words[][WORD_MAX], char turned[][WORD_MAX], size_t n, bool *ret, struct stg_error *err)
{
	struct words thing = { .n = 0 };
	*ret = n == 1;
	if (n == 1)
		return true;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT text FROM findable WHERE id = :id");
	stmt_int(&q, ":id", id);
	int got = stmt_step(&q, err);
	if (got <= 0)
		return got == 0;
	split(col_text(&q, 0), &thing, true);
	*ret = true;
	for (size_t i = 0; i < n; i++)
		*ret = *ret && bears(&thing, words[i], turned[i]);
	return true;
}

static bool walk(struct stg_store *s, const char *from, enum search_kind only, char words[][WORD_MAX], char turned[][WORD_MAX], size_t n, struct hits *h,
		 struct stg_error *err)
{
	char to[WORD_MAX + 1];
	range_end(from, to);
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT id FROM word WHERE word >= :from AND word < :to");
	stmt_text(&q, ":from", from);
	stmt_text(&q, ":to", to);
	int got = 0;
	while (h->n < h->most && h->looked_at < CANDIDATES_MAX && (got = stmt_step(&q, err)) == 1) {
		int64_t id = col_int(&q, 0);
		bool all = false;
		if ((only && id % 8 != (int)only) || seen_before(h, id))
			continue;
		h->looked_at++;
		if (!has_all(s, id, words, turned, n, &all, err))
			return false;
		if (all)
			h->ids[h->n++] = id;
	}
	return got >= 0;
}

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

static bool run(struct stg_store *s, const char *text, enum search_kind only, int64_t limit, struct hits *ret, struct stg_error *err)
{
	struct words typed = { .n = 0 };
	char words[WORDS_OF_A_QUERY][WORD_MAX], turned[WORDS_OF_A_QUERY][WORD_MAX];
	size_t n = 0, best = 0;
	int64_t fewest = INT64_MAX;
	split(text, &typed, false);
	for (size_t i = 0; i < typed.n && n < WORDS_OF_A_QUERY; i++) {
		if (typed.word[i][0] == '<')
			continue;
		memcpy(words[n], typed.word[i], WORD_MAX);
		backwards(words[n], turned[n]);
		n++;
	}
	ret->most = (size_t)(limit > 0 && limit < FIND_MAX ? limit : FIND_MAX);
	if (n == 0)
		return true;
	for (size_t i = 0; i < n; i++) {
		int64_t some = 0;
		if (!count_some(s, words[i], &some, err) || !count_some(s, turned[i], &some, err))
			return false;
		if (some < fewest) {
			fewest = some;
			best = i;
		}
	}
	ret->ids = stg_calloc(ret->most, sizeof(*ret->ids));
	for (ret->slots = 1024; ret->slots < 2 * (CANDIDATES_MAX + 1); ret->slots *= 2)
		;
	ret->seen = stg_calloc(ret->slots, sizeof(*ret->seen));
	if (!walk(s, words[best], only, words, turned, n, ret, err) || !walk(s, turned[best], only, words, turned, n, ret, err))
		return false;
	qsort(ret->ids, ret->n, sizeof(*ret->ids), by_number);
	return true;
}

bool search_devices(struct stg_store *s, const char *text, int64_t limit, int64_t **ret, size_t *ret_n, struct stg_error *err)
{
	STG_AUTO(hits_clear) struct hits h = { 0 };
	if (!run(s, text, SEARCH_DEVICE, limit, &h, err))
		return false;
	for (size_t i = 0; i < h.n; i++)
		h.ids[i] /= 8;
	*ret_n = h.n;
	*ret = stg_steal(h.ids);
	return true;
}

struct kind {
	const char *name, *sql;          /* one row by :id */
};

static const struct kind kinds[] = {
	[SEARCH_DEVICE] = { "device", "SELECT d.family, d.unit, d.serial, d.udid, d.imei, d.model_name, d.name, d.asset_tag, d.ownership, d.last_seen_ms,"
				      " j.id AS job, j.state AS state, j.end_state AS \"end\", b.name AS batch FROM device AS d LEFT JOIN job AS j ON j.id ="
				      " (SELECT max(id) FROM job WHERE device = d.id) LEFT JOIN batch AS b ON b.id = j.batch WHERE d.id = :id" },
	/* a row whose device was seen is found as that device */
	[SEARCH_ROW] = { "expected", "SELECT b.name AS batch, b.state AS batch_state, r.line, r.serial, r.udid, r.ecid, r.imei, r.name, r.asset_tag, r.ownership"
				     " FROM batch_row AS r JOIN batch AS b ON b.id = r.batch WHERE r.id = :id AND r.device IS NULL" },
	[SEARCH_BATCH] = { "batch", "SELECT name AS batch, blueprint, state, created_ms FROM batch WHERE id = :id" },
	[SEARCH_CERTIFICATE] = { "certificate", "SELECT serial_hex, subject, device_serial AS serial, unit, status, not_after_ms FROM certificate WHERE id = :id" },
	[SEARCH_RECORD] = { "record", "SELECT record.record_id, record.seq, record.end_state AS \"end\", record.at_ms, record.job, d.serial, d.unit FROM record"
				      " JOIN device AS d ON d.id = record.device WHERE record.seq = :id" },
};

static bool add_found(struct stg_store *s, const char *name, const char *sql, int64_t id, json_t *into, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, sql);
	stmt_int(&q, ":id", id);
	int got = stmt_step(&q, err);
	if (got <= 0)
		return got == 0;
	json_t *one = stmt_object(&q, err);
	if (!one)
		return false;
	stg_json_put(one, "kind", name);
	json_array_append_new(into, one);
	return true;
}

json_t *stg_store_find(struct stg_store *s, const char *text, int64_t limit, struct stg_error *err)
{
	STG_AUTO(hits_clear) struct hits h = { 0 };
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	char *end;
	long long number = strtoll(text, &end, 10);
	/* "0001" is the end of a serial number, 17 may be a job */
	if (*text >= '1' && *text <= '9' && !*end && strlen(text) < 10 &&
	    !add_found(s, "job", "SELECT j.id AS job, j.state, j.end_state AS \"end\", j.blueprint_name AS blueprint, j.created_ms, d.serial, d.unit, b.name AS batch"
				 " FROM job AS j JOIN device AS d ON d.id = j.device LEFT JOIN batch AS b ON b.id = j.batch WHERE j.id = :id",
		       number, list, err))
		return NULL;
	if (!run(s, text, 0, limit, &h, err))
		return NULL;
	for (size_t i = 0; i < h.n; i++) {
		int64_t kind = h.ids[i] % 8;
		if (kind >= SEARCH_DEVICE && kind <= SEARCH_RECORD && !add_found(s, kinds[kind].name, kinds[kind].sql, h.ids[i] / 8, list, err))
			return NULL;
	}
	return stg_steal(list);
}
