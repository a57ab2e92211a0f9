/*
 * corpus.h - the hostile replies: what is said, where, and how. A row each; the bytes lie in files that the virtual bench reads.
 *
 * Rows about forms (framing, binary and XML property lists) are said at three places with three readers: to lockdown before
 * anybody is trusted, to MCInstall inside TLS, to the installation proxy with its larger ceilings. Rows about a protocol are said
 * where that protocol is spoken. Facts: reliability.md's seed list; Apple's formats as in the driver.
 */
#ifndef HOSTILE_CORPUS_H
#define HOSTILE_CORPUS_H

#include "journey.h"

#include "../base/plist_maker.h"

#define ROWS_MAX 800

enum row_wants { ROW_ANY, ROW_FRESH /* nobody has paired with it yet: Pair and supervision are asked once */ };

struct row {
	char name[96], where[64], kind[16], file[160];
	char words[4][32];              /* further words of the fault: then=mute */
	enum row_wants wants;
	/* what became of it: run.h */
	int64_t began_ms, took_ms;
	char end[24], code[16], detail[200];
	bool met, done;
};

struct corpus {
	struct row rows[ROWS_MAX];
	size_t n;
	char dir[96];
};

static struct row *row_add(struct corpus *c, const char *where, const char *kind, const char *words, struct stg_bytes bytes, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));

static struct row *row_add(struct corpus *c, const char *where, const char *kind, const char *words, struct stg_bytes bytes, const char *fmt, ...)
{
	struct stg_error err = { 0 };
	struct row *r = &c->rows[c->n];
	va_list ap;
	assert_true(c->n < ROWS_MAX);
	*r = (struct row){ 0 };
	va_start(ap, fmt);
	vsnprintf(r->name, sizeof(r->name), fmt, ap);
	va_end(ap);
	stg_copy(r->where, sizeof(r->where), where);
	stg_copy(r->kind, sizeof(r->kind), kind);
	for (size_t i = 0; *words; i++) {
		size_t len = strcspn(words, " ");
		assert_true(i < STG_ARRAY_LEN(r->words) && len < sizeof(r->words[i]));
		memcpy(r->words[i], words, len);
		words += len + (words[len] == ' ');
	}
	snprintf(r->file, sizeof(r->file), "%s/%zu", c->dir, c->n);
	journey_must(stg_file_write(r->file, bytes, 0600, &err), &err, r->file);
	c->n++;
	return r;
}

/* A reply that is given whenever it is asked there: who asks once more hears it once more. One that keeps the host waiting comes
 * once: a device that is always silent takes the deadlines of all its questions, minutes of them. */
static inline void row_always(struct corpus *c, const char *where, const char *then, struct stg_bytes bytes, const char *place, const char *name)
{
	char words[100];
	/* the installation proxy may take a minute for each answer, and an answer that means nothing is waited behind */
	bool waits = strstr(then, "mute") || strstr(then, "drip") || strncmp(where, "installation_proxy", 18) == 0;
	snprintf(words, sizeof(words), "count=%d%s%s", waits ? 1 : -1, *then ? " " : "", then);
	row_add(c, where, "reply", words, bytes, "%s: %s", place, name);
}

/* ---- bytes ---- */

#define BODY_MAX (40u << 20)

static inline void put(struct stg_buf *b, const void *p, size_t n)
{
	assert_true(stg_buf_add(b, p, n, NULL));
}

static inline void put_str(struct stg_buf *b, const char *s)
{
	put(b, s, strlen(s));
}

static inline void put_times(struct stg_buf *b, const char *s, size_t times)
{
	size_t len = strlen(s);
	assert_true(stg_buf_reserve(b, len * times, NULL));
	for (size_t i = 0; i < times; i++)
		put(b, s, len);
}

static inline void put_be32(struct stg_buf *b, uint32_t v)
{
	uint8_t p[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };
	put(b, p, 4);
}

static inline void put_le(struct stg_buf *b, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++, v >>= 8) {
		uint8_t c = (uint8_t)v;
		put(b, &c, 1);
	}
}

/* A body in lockdown's frame. */
static inline struct stg_buf framed(struct stg_bytes body)
{
	struct stg_buf b = STG_BUF(BODY_MAX);
	put_be32(&b, (uint32_t)body.len);
	put(&b, body.data, body.len);
	return b;
}

#define XML_HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\">"
#define HONEST XML_HEAD "<dict><key>Request</key><string>GetValue</string><key>Status</key><string>Acknowledged</string>" \
	"<key>Value</key><dict/></dict></plist>"

/* The three places where a form is tried. */
static const struct {
	const char *where, *name;
} places[] = {
	{ "lockdownd/GetValue", "lockdown" }, { "MCInstall/GetProfileList", "mcinstall" }, { "installation_proxy/Lookup", "apps" },
};

/* The body in a frame, at all three. */
static inline void everywhere(struct corpus *c, const char *name, struct stg_buf *body /* taken */)
{
	STG_AUTO(stg_buf_clear) struct stg_buf b = framed(stg_buf_view(body));
	for (size_t i = 0; i < STG_ARRAY_LEN(places); i++)
		row_always(c, places[i].where, "", stg_buf_view(&b), places[i].name, name);
	stg_buf_clear(body);
}

#endif
