/*
 * world.h - receivers that keep what they were told, and the faults between them and us.
 *
 * Six receivers, each with another promise about a repeat. The server behind them has a thread for each connection, keeps
 * connections open, and plays one fault at a time: on the Nth request of a kind, so many times. What took effect is counted.
 */
#ifndef TESTS_PUSH_WORLD_H
#define TESTS_PUSH_WORLD_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <openssl/ssl.h>
#include <zlib.h>

#include <stager/bytes.h>
#include <stager/json.h>

#include "own_time.h"
#include "server.h"

enum mode { HOOK, BATCH, READBACK, OPERATION, SIGNIN, APPEND, MODES };
static const char *const mode_names[MODES] = { "webhook", "batched", "read-back", "operation", "sign-in", "append-only" };

enum kind { WRITE = 1, CHANGE = 2, LOOKUP = 4, POLL = 8, TOKEN = 16, CONNECTION = 32 };
#define ANY (WRITE | CHANGE | LOOKUP | POLL | TOKEN)
#define TELLS (WRITE | CHANGE)

enum act {
	STATUS,             /* an answer of this status; nothing took effect */
	STATUS_AFTER,       /* it took effect, then this status */
	RESET_BEFORE, RESET_AFTER, CLOSE_BEFORE, CLOSE_AFTER, HALF_HEAD, HALF_BODY, RESET_IN_BODY, SILENT_BEFORE, SILENT_AFTER, SLOW, DELAYED,
	TWICE,              /* the network brings the request two times */
	ANSWER,             /* it took effect, the answer's body is replaced by `text` */
	PAGE,               /* nothing took effect, a page of HTML with 200 */
	HUGE_BODY, GZIP_BOMB, DEEP, HUGE_HEAD, NO_HTTP, WRONG_LENGTH, TEXT_TYPE, BOM, UTF16,
	SWAPPED,            /* the answer to somebody else's request */
	MISSING_ROWS, REORDERED, EXTRA_ROWS, LATER_ROWS, REJECTED_ROWS,
	NO_TOKEN, DEAD_TOKEN, SHORT_TOKEN, ODD_LIFE, CLOCK_REFUSAL,
	NEVER_DONE, FORGOTTEN, NASTY_REF, LOST_REF,
	PAGES_LOOP, PAGE_ELSEWHERE, OTHER_DATA, DELETED,
	REFUSED, ACCEPT_RESET, ACCEPT_SILENT, ACCEPT_CLOSE,
	NO_NAME,            /* the name is not found */
	TLS_WRONG_NAME, TLS_EXPIRED, TLS_EARLY, TLS_SELF, TLS_OLD, TLS_STALLS, TLS_NOT,
	TLS_RESET, TLS_RESET_INSIDE, TLS_RESET_DONE, ACTS
};

/* These cells speak TLS, to a name. */
#define OVER_TLS(act) ((act) >= NO_NAME)
#define TLS_HOST "mdm.example.test"

/* May this fault leave behind: a row for a person (ROW, CONFLICT); no knowledge whether it arrived (DOUBT). */
enum { ROW = 1, DOUBT = 2, CONFLICTS = 4 };

struct fault {
	const char *name;
	enum act act;
	int status;
	unsigned int where, leaves;
	const char *text;               /* headers of a status, body of an answer */
};

static const struct fault faults[] = {
	{ "301 to another host", STATUS, 301, ANY, 0, "Location: https://evil.example/\r\n" },
	{ "302 to http", STATUS, 302, ANY, 0, "Location: http://127.0.0.1/\r\n" },
	{ "307 here", STATUS, 307, ANY, 0, "Location: /other\r\n" },
	{ "400", STATUS, 400, ANY, ROW, "" },
	{ "401", STATUS, 401, ANY, 0, "" },
	{ "403", STATUS, 403, ANY, 0, "" },
	{ "404", STATUS, 404, ANY, ROW, "" },
	{ "407", STATUS, 407, ANY, 0, "" },
	{ "408", STATUS, 408, ANY, DOUBT, "" },
	{ "409", STATUS, 409, ANY, ROW, "" },
	{ "410", STATUS, 410, ANY, 0, "" },
	{ "413", STATUS, 413, ANY, ROW, "" },
	{ "418", STATUS, 418, ANY, 0, "" },
	{ "422", STATUS, 422, ANY, ROW, "" },
	{ "423", STATUS, 423, ANY, 0, "" },
	{ "425", STATUS, 425, ANY, 0, "" },
	{ "429", STATUS, 429, ANY, 0, "" },
	{ "429 in 30 s", STATUS, 429, ANY, 0, "Retry-After: 30\r\n" },
	{ "429 in 2.128 s", STATUS, 429, ANY, 0, "Retry-After: 2.128\r\n" },
	{ "429 at a date", STATUS, 429, ANY, 0, "Date: Mon, 01 Jan 2035 00:00:00 GMT\r\nRetry-After: Mon, 01 Jan 2035 00:02:00 GMT\r\n" },
	{ "429 in a billion", STATUS, 429, ANY, 0, "Retry-After: 1000000000\r\n" },
	{ "429 negative", STATUS, 429, ANY, 0, "Retry-After: -5\r\n" },
	{ "429 garbage", STATUS, 429, ANY, 0, "Retry-After: soon\r\n" },
	{ "429 remaining 0", STATUS, 429, ANY, 0, "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 9999999999999\r\n" },
	{ "500", STATUS, 500, ANY, DOUBT, "" },
	{ "501", STATUS, 501, ANY, 0, "" },
	{ "502", STATUS, 502, ANY, DOUBT, "" },
	{ "503", STATUS, 503, ANY, DOUBT, "" },
	{ "503 in 60 s", STATUS, 503, ANY, 0, "Retry-After: 60\r\n" },
	{ "504", STATUS, 504, ANY, DOUBT, "" },
	{ "507", STATUS, 507, ANY, DOUBT, "" },
	{ "511", STATUS, 511, ANY, 0, "" },
	{ "599", STATUS, 599, ANY, DOUBT, "" },
	{ "408 after it took effect", STATUS_AFTER, 408, TELLS, DOUBT, "" },
	{ "500 after it took effect", STATUS_AFTER, 500, TELLS, DOUBT, "" },
	{ "502 after it took effect", STATUS_AFTER, 502, TELLS, DOUBT, "" },
	{ "503 after it took effect", STATUS_AFTER, 503, TELLS, DOUBT, "" },
	{ "504 after it took effect", STATUS_AFTER, 504, TELLS, DOUBT, "" },
	{ "reset before", RESET_BEFORE, 0, ANY, DOUBT, "" },
	{ "reset after", RESET_AFTER, 0, ANY, DOUBT, "" },
	{ "closed before", CLOSE_BEFORE, 0, ANY, DOUBT, "" },
	{ "closed after", CLOSE_AFTER, 0, ANY, DOUBT, "" },
	{ "half a head", HALF_HEAD, 0, ANY, DOUBT, "" },
	{ "half a body", HALF_BODY, 0, ANY, DOUBT, "" },
	{ "reset inside our body", RESET_IN_BODY, 0, TELLS | TOKEN, DOUBT, "" },
	{ "silent before", SILENT_BEFORE, 0, ANY, DOUBT, "" },
	{ "silent after", SILENT_AFTER, 0, ANY, DOUBT, "" },
	{ "a byte a second", SLOW, 0, ANY, DOUBT, "" },
	{ "10 s late", DELAYED, 0, ANY, 0, "" },
	{ "brought twice", TWICE, 0, ANY & ~(unsigned)TELLS, 0, "" },
	{ "a page of HTML", PAGE, 0, ANY, DOUBT, "" },
	{ "cut JSON", ANSWER, 0, ANY, DOUBT, "{\"results\":[{\"key\":\"F2" },
	{ "empty body", ANSWER, 0, ANY, DOUBT, "" },
	{ "not the shape", ANSWER, 0, ANY, DOUBT, "{\"results\":7,\"assets\":\"x\",\"devices\":{\"a\":1},\"name\":[],\"done\":{}}" },
	{ "a number", ANSWER, 0, ANY, DOUBT, "5" },
	{ "null", ANSWER, 0, ANY, DOUBT, "null" },
	{ "keys of wrong types", ANSWER, 0, WRITE, DOUBT, "{\"results\":[{\"key\":5,\"outcome\":true},null,[],{\"outcome\":\"done\"},{\"outcome\":\"done\"}],\"name\":5}" },
	{ "bytes that are no UTF-8", ANSWER, 0, ANY, DOUBT, "{\"results\":[{\"key\":\"\xff\xfe\xc0\",\"outcome\":\"done\"}],\"name\":\"\xc3\x28\"}" },
	{ "17 MiB", HUGE_BODY, 0, ANY, DOUBT, "" },
	{ "a bomb of gzip", GZIP_BOMB, 0, ANY, DOUBT, "" },
	{ "100,000 deep", DEEP, 0, ANY, DOUBT, "" },
	{ "400 KiB of headers", HUGE_HEAD, 0, ANY, DOUBT, "" },
	{ "no HTTP", NO_HTTP, 0, ANY, DOUBT, "" },
	{ "longer than it says", WRONG_LENGTH, 0, ANY, DOUBT, "" },
	{ "text/plain", TEXT_TYPE, 0, ANY, DOUBT, "" },
	{ "a byte order mark", BOM, 0, ANY, DOUBT, "" },
	{ "UTF-16", UTF16, 0, ANY, DOUBT, "" },
	{ "somebody else's answer", SWAPPED, 0, WRITE | LOOKUP | POLL, DOUBT, "" },
	{ "rows missing", MISSING_ROWS, 0, WRITE | POLL, DOUBT, "" },
	{ "rows in another order", REORDERED, 0, WRITE | POLL, 0, "" },
	{ "rows of others", EXTRA_ROWS, 0, WRITE | POLL, 0, "" },
	{ "rows for later", LATER_ROWS, 0, WRITE | POLL, 0, "" },
	{ "rows refused", REJECTED_ROWS, 0, WRITE | POLL, ROW, "" },
	{ "no token", NO_TOKEN, 0, TOKEN, 0, "" },
	{ "a token that is refused", DEAD_TOKEN, 0, TOKEN, 0, "" },
	{ "a token of 1 s", SHORT_TOKEN, 0, TOKEN, 0, "" },
	{ "a token of odd life", ODD_LIFE, 0, TOKEN, 0, "" },
	{ "refused for the hour", CLOCK_REFUSAL, 0, TOKEN, 0, "" },
	{ "never done", NEVER_DONE, 0, POLL, 0, "" },
	{ "operation forgotten", FORGOTTEN, 0, POLL, 0, "" },
	{ "a reference that leads away", NASTY_REF, 0, WRITE, DOUBT, "" },
	{ "no reference", LOST_REF, 0, WRITE, DOUBT, "" },
	{ "pages without end", PAGES_LOOP, 0, LOOKUP, 0, "" },
	{ "next page elsewhere", PAGE_ELSEWHERE, 0, LOOKUP, 0, "" },
	{ "other data stands there", OTHER_DATA, 0, LOOKUP, CONFLICTS, "" },
	{ "deleted between", DELETED, 0, CHANGE, ROW, "" },
	{ "connection refused", REFUSED, 0, CONNECTION, 0, "" },
	{ "accepted and reset", ACCEPT_RESET, 0, CONNECTION, DOUBT, "" },
	{ "accepted and closed", ACCEPT_CLOSE, 0, CONNECTION, DOUBT, "" },
	{ "accepted and silent", ACCEPT_SILENT, 0, CONNECTION, DOUBT, "" },
	{ "name not found", NO_NAME, 0, CONNECTION, 0, "" },
	{ "certificate of another name", TLS_WRONG_NAME, 0, CONNECTION, 0, "" },
	{ "certificate out of date", TLS_EXPIRED, 0, CONNECTION, 0, "" },
	{ "certificate not yet valid", TLS_EARLY, 0, CONNECTION, 0, "" },
	{ "certificate signed by itself", TLS_SELF, 0, CONNECTION, 0, "" },
	{ "TLS 1.1", TLS_OLD, 0, CONNECTION, 0, "" },
	{ "TLS that stalls", TLS_STALLS, 0, CONNECTION, 0, "" },
	{ "no TLS", TLS_NOT, 0, CONNECTION, 0, "" },
	{ "reset at the first word of TLS", TLS_RESET, 0, CONNECTION, 0, "" },
	{ "reset inside TLS", TLS_RESET_INSIDE, 0, CONNECTION, DOUBT, "" },
	{ "reset when TLS stands", TLS_RESET_DONE, 0, CONNECTION, DOUBT, "" },
};

struct world {
	enum mode mode;
	int fd, port;
	pthread_t thread;
	pthread_mutex_t lock;
	_Atomic bool stop;
	_Atomic int open_connections;
	/* the fault that is on */
	const struct fault *fault;
	enum kind kind;
	int from, times, seen, met;
	int refusals_left;
	/* what took effect */
	json_t *told;                   /* BATCH, SIGNIN: serial -> record; HOOK, APPEND: record -> body */
	json_t *assets;                 /* READBACK, OPERATION: serial -> {"id","n","tag","note","at_ms"} */
	json_t *ops;                    /* name -> {"serials":[],"due_ms","polls"} */
	int applied_again, two_bodies, next_id, requests, bad_tokens;
	char token[64];
	SSL_CTX *tls, *tls_of[ACTS];    /* NULL: plain; what some faults show instead */
	char ca_pem[4096];
	/* beside or instead of the fault: of a hundred requests so many go wrong somehow; a process that is killed at a point of
	 * its exchange with us */
	int faults_in_100;
	unsigned int dice;
	_Atomic int *kill_in;           /* counts points down; at 0 *victim ends */
	_Atomic int *victim;
};

/* ---- what the receivers do ---- */

struct asked {
	char method[16], path[1024], id[128], bearer[256];
	char *body;
	size_t len;
	enum kind kind;
};

static inline enum kind kind_of(const struct world *w, const struct asked *q)
{
	if (strcmp(q->path, "/token") == 0)
		return TOKEN;
	if (strcmp(q->method, "PATCH") == 0)
		return CHANGE;
	if (strcmp(q->method, "GET") == 0)
		return w->mode == OPERATION && strncmp(q->path, "/ops/", 5) == 0 ? POLL : LOOKUP;
	return WRITE;
}

static inline void asset_new(struct world *w, const char *serial, const char *tag, const char *note, int64_t since_ms)
{
	json_t *one = json_object_get(w->assets, serial);
	if (one) {
		w->applied_again++;
		json_object_set_new(one, "n", json_integer(stg_json_int(one, "n", 0) + 1));
		return;
	}
	json_object_set_new(w->assets, serial, json_pack("{s:i,s:i,s:s,s:s,s:s,s:I}", "id", ++w->next_id, "n", 1, "serial", serial, "tag", tag, "note", note, "at_ms",
							 (json_int_t)since_ms));
}

static inline char *text_of(json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	return text;
}

/* Operations end 20 s after they were begun, asked for or not. */
static inline void ops_run(struct world *w)
{
	const char *name, *serial;
	json_t *op, *one;
	size_t i;
	json_object_foreach(w->ops, name, op) {
		if (stg_json_bool(op, "done", false) || stg_json_int(op, "due_ms", 0) > own_now_ms())
			continue;
		json_object_set_new(op, "done", json_true());
		json_array_foreach(json_object_get(op, "serials"), i, one) {
			serial = json_string_value(one);
			asset_new(w, serial, "", "", 0);
		}
	}
}

/* One list of results for the records of a body: {"items":[{"serial","record"}]}. */
static inline char *told_batch(struct world *w, const json_t *in)
{
	json_t *results = json_array(), *one;
	size_t i;
	json_array_foreach(json_object_get(in, "items"), i, one) {
		json_object_set(w->told, stg_json_str(one, "serial"), json_object_get(one, "record"));
		json_array_append_new(results, json_pack("{s:s,s:s}", "key", stg_json_str(one, "serial"), "outcome", "done"));
	}
	return text_of(json_pack("{s:o}", "results", results));
}

static inline char *op_begin(struct world *w, const json_t *in)
{
	char name[32];
	json_t *serials = json_array(), *one;
	size_t i;
	json_array_foreach(json_object_get(in, "items"), i, one)
		json_array_append(serials, json_object_get(one, "serial"));
	snprintf(name, sizeof(name), "op%d", ++w->next_id);
	json_object_set_new(w->ops, name, json_pack("{s:o,s:I}", "serials", serials, "due_ms", (json_int_t)(own_now_ms() + 20000)));
	return text_of(json_pack("{s:s}", "name", name));
}

static inline char *op_asked(struct world *w, const char *name, int *ret_status)
{
	json_t *op = json_object_get(w->ops, name), *results = json_array(), *one;
	size_t i;
	if (!op)
		*ret_status = 404;
	json_array_foreach(json_object_get(op, "serials"), i, one)
		json_array_append_new(results, json_pack("{s:O,s:s}", "key", one, "outcome", "done"));
	return text_of(json_pack("{s:b,s:o}", "done", stg_json_bool(op, "done", false), "results", results));
}

/* Two pages; a new asset shows after 30 s. */
static inline char *looked_up(struct world *w, const char *query)
{
	char serial[64] = "";
	const char *at = strstr(query, "serial=");
	if (at)
		snprintf(serial, sizeof(serial), "%.*s", (int)strcspn(at + 7, "&"), at + 7);
	json_t *one = json_object_get(w->assets, serial), *list = json_array();
	if (w->mode == READBACK && strstr(query, "page=0"))
		return text_of(json_pack("{s:o,s:s}", "assets", list, "next", "1"));
	if (one && own_now_ms() - stg_json_int(one, "at_ms", 0) >= 30000)
		json_array_append(list, one);
	return text_of(json_pack("{s:o}", "assets", list));
}

static inline char *world_apply(struct world *w, const struct asked *q, int *ret_status)
{
	STG_AUTO(stg_json_free_at) json_t *in = json_loadb(q->body ? q->body : "", q->len, 0, NULL);
	*ret_status = 200;
	ops_run(w);
	if (q->kind == TOKEN) {
		snprintf(w->token, sizeof(w->token), "token-%d", ++w->next_id);
		return text_of(json_pack("{s:s,s:s,s:i}", "access_token", w->token, "token_type", "Bearer", "expires_in", 3600));
	}
	if (w->mode == SIGNIN && strcmp(q->bearer, w->token) != 0) {
		w->bad_tokens++;
		*ret_status = 401;
		return strdup("{\"error\":\"token\"}");
	}
	if (q->kind == LOOKUP)
		return looked_up(w, q->path);
	if (q->kind == POLL)
		return op_asked(w, q->path + 5, ret_status);
	if (q->kind == CHANGE) {
		const char *id = strrchr(q->path, '/'), *serial;
		json_t *one;
		json_object_foreach(w->assets, serial, one) {
			if (stg_json_int(one, "id", 0) != atoi(id + 1))
				continue;
			json_object_set(one, "tag", json_object_get(in, "tag"));
			json_object_set(one, "note", json_object_get(in, "note"));
			return strdup("{\"ok\":true}");
		}
		*ret_status = 404;
		return strdup("{}");
	}
	switch (w->mode) {
	case HOOK:
	case APPEND: {
		const char *id = w->mode == HOOK ? q->id : stg_json_str(in, "record_id");
		const char *before = json_string_value(json_object_get(w->told, id));
		if (before && w->mode == APPEND)
			w->applied_again++;
		if (before && strcmp(before, q->body) != 0)
			w->two_bodies++;
		if (!before)
			json_object_set_new(w->told, id, json_string(q->body));
		return strdup("{\"ok\":true}");
	}
	case READBACK:
		asset_new(w, stg_json_str(in, "serial"), stg_json_str(in, "tag"), stg_json_str(in, "note"), own_now_ms());
		*ret_status = 201;
		return strdup("{\"ok\":true}");
	case OPERATION:
		*ret_status = 202;
		return op_begin(w, in);
	default:
		return told_batch(w, in);
	}
}

/* ---- one connection ---- */

struct line {
	int fd;
	SSL *ssl;
	char *kept;                     /* read beyond the last request */
	size_t kept_len;
};

static inline int line_read(struct line *l, void *data, int n)
{
	if (l->ssl)
		return SSL_read(l->ssl, data, n);
	return (int)recv(l->fd, data, (size_t)n, 0);
}

static inline bool line_write(struct line *l, const void *data, size_t n)
{
	const char *p = data;
	while (n) {
		int k = l->ssl ? SSL_write(l->ssl, p, (int)(n < 65536 ? n : 65536)) : (int)send(l->fd, p, n, MSG_NOSIGNAL);
		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

static inline void line_reset(struct line *l)
{
	struct linger now = { .l_onoff = 1 };
	setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* Reads one request. `half`: stops in the middle of the body. */
static inline bool line_request(struct line *l, struct asked *q, bool (*half)(void *, struct asked *), void *ctx)
{
	size_t room = 1 << 20, n = 0;
	char *all = malloc(room), *end = NULL;
	*q = (struct asked){ 0 };
	while (!end && n < room - 1) {
		int k = line_read(l, all + n, (int)(room - 1 - n));
		if (k <= 0)
			break;
		n += (size_t)k;
		all[n] = 0;
		end = strstr(all, "\r\n\r\n");
	}
	if (!end) {
		free(all);
		return false;
	}
	size_t at = (size_t)(end - all) + 4, want = 0;
	*end = 0;
	sscanf(all, "%15s %1023s", q->method, q->path);
	for (char *h = strstr(all, "\r\n"); h; h = strstr(h + 2, "\r\n")) {
		if (strncasecmp(h + 2, "content-length:", 15) == 0)
			want = (size_t)atol(h + 17);
		else if (strncasecmp(h + 2, "webhook-id:", 11) == 0)
			sscanf(h + 13, " %127[^\r\n]", q->id);
		else if (strncasecmp(h + 2, "authorization: bearer", 21) == 0)
			sscanf(h + 23, " %255[^\r\n]", q->bearer);
	}
	if (half && half(ctx, q)) {
		free(all);
		return false;
	}
	while (n - at < want && n < room - 1) {
		int k = line_read(l, all + n, (int)(room - 1 - n));
		if (k <= 0) {
			free(all);
			return false;
		}
		n += (size_t)k;
	}
	q->len = want;
	q->body = malloc(want + 1);
	memcpy(q->body, all + at, want);
	q->body[want] = 0;
	free(all);
	return true;
}

static inline bool answer_with(struct line *l, int status, const char *headers, const char *type, const char *body, size_t len)
{
	char head[4096], date[64];
	time_t now = time(NULL);
	struct tm tm;
	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
	int n = snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\n%s%sContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", status, strstr(headers, "Date:") ? "" : date, headers, type, len);
	return line_write(l, head, (size_t)n) && line_write(l, body, len);
}

/* Until the other side leaves; its clock goes on meanwhile. */
static inline void stay_silent(struct world *w, struct line *l)
{
	char c[4096];
	struct timeval limit = { .tv_usec = 3000 };
	setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	for (int i = 0; i < 2000 && !w->stop; i++) {
		int k = (int)recv(l->fd, c, sizeof(c), 0);
		if (k == 0 || (k < 0 && errno != EAGAIN && errno != EINTR))
			return;
		own_time_pass(5000);
	}
}

static inline char *bomb(size_t *ret_len)
{
	size_t n = (size_t)64 << 20, room = 1 << 20;
	z_stream z = { 0 };
	char *zeros = calloc(1, 1 << 20), *out = malloc(room);
	deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
	z.next_out = (Bytef *)out;
	z.avail_out = (uInt)room;
	memset(zeros, ' ', 1 << 20);
	for (size_t at = 0; at < n; at += 1 << 20) {
		z.next_in = (Bytef *)zeros;
		z.avail_in = 1 << 20;
		deflate(&z, at + (1 << 20) >= n ? Z_FINISH : Z_NO_FLUSH);
	}
	*ret_len = z.total_out;
	deflateEnd(&z);
	free(zeros);
	return out;
}

/* Every row of {"results":[...]} gets this outcome; or rows go, turn round, or are of others. */
static inline char *with_rows(char *body, enum act act)
{
	json_t *j = json_loads(body, 0, NULL), *rows = json_object_get(j, "results"), *out = json_array(), *row;
	size_t i, n = json_array_size(rows);
	free(body);
	for (i = 0; i < n; i++) {
		row = json_deep_copy(json_array_get(rows, act == REORDERED ? n - 1 - i : i));
		if (act == LATER_ROWS)
			json_object_set_new(row, "outcome", json_string("later"));
		if (act == REJECTED_ROWS)
			json_object_set_new(row, "outcome", json_string("rejected"));
		if (act == MISSING_ROWS && i % 2 == 0)
			json_decref(row);
		else
			json_array_append_new(out, row);
	}
	if (act == EXTRA_ROWS)
		for (i = 0; i < 50; i++)
			json_array_insert_new(out, 0, json_pack("{s:s,s:s}", "key", "SOMEBODYELSE", "outcome", "rejected"));
	if (json_is_array(rows))
		json_object_set_new(j, "results", out);
	else
		json_decref(out);
	return text_of(j);
}

/* Is the fault on for this request? Counts it. */
static inline const struct fault *fault_now(struct world *w, enum kind kind)
{
	if (!w->fault || kind != w->kind)
		return NULL;
	int n = ++w->seen;
	if (n < w->from || n >= w->from + w->times)
		return NULL;
	w->met++;
	return w->fault;
}

static inline bool cut_here(void *ctx, struct asked *q)
{
	struct world *w = ctx;
	pthread_mutex_lock(&w->lock);
	q->kind = kind_of(w, q);
	bool cut = w->fault && w->fault->act == RESET_IN_BODY && fault_now(w, q->kind);
	pthread_mutex_unlock(&w->lock);
	return cut;
}

/* What is special about an answer that is otherwise well meant. */
static inline char *altered(struct world *w, const struct fault *f, const struct asked *q, char *body, int *status)
{
	char *other = NULL;
	switch (f->act) {
	case MISSING_ROWS:
	case REORDERED:
	case EXTRA_ROWS:
	case LATER_ROWS:
	case REJECTED_ROWS:
		return with_rows(body, f->act);
	case NO_TOKEN:
		other = strdup("{\"token_type\":\"Bearer\"}");
		break;
	case DEAD_TOKEN:
		other = strdup("{\"access_token\":\"not-this-one\",\"expires_in\":3600}");
		break;
	case SHORT_TOKEN:
	case ODD_LIFE:
		if (asprintf(&other, "{\"access_token\":\"%s\",\"expires_in\":%s}", w->token, f->act == SHORT_TOKEN ? "1" : "\"-7e99\"") < 0)
			abort();
		break;
	case NEVER_DONE:
		other = strdup("{\"done\":false}");
		break;
	case NASTY_REF:
		other = strdup("{\"name\":\"../../admin?x=\"}");
		break;
	case LOST_REF:
		other = strdup("{}");
		break;
	case PAGES_LOOP:
		if (asprintf(&other, "{\"assets\":[],\"next\":\"p%d\"}", ++w->next_id) < 0)
			abort();
		break;
	case PAGE_ELSEWHERE:
		other = strdup("{\"assets\":[],\"next\":\"https://evil.example/steal\"}");
		break;
	case SWAPPED:
		other = strdup("{\"results\":[{\"key\":\"SOMEBODYELSE\",\"outcome\":\"done\"}],\"assets\":[{\"serial\":\"SOMEBODYELSE\",\"id\":1}],\"name\":\"\",\"done\":true}");
		break;
	case ANSWER:
		other = strdup(f->text);
		break;
	default:
		return body;
	}
	(void)q;
	*status = *status / 100 == 2 ? *status : 200;
	free(body);
	return other;
}

/* Before the receiver looks: what somebody else did there meanwhile. */
static inline void meanwhile(struct world *w, const struct fault *f, const struct asked *q)
{
	if (f->act == OTHER_DATA) {
		char serial[64] = "";
		const char *at = strstr(q->path, "serial=");
		if (at)
			snprintf(serial, sizeof(serial), "%.*s", (int)strcspn(at + 7, "&"), at + 7);
		if (*serial && !json_object_get(w->assets, serial))
			asset_new(w, serial, "THEIRS-1", "", 0);
	} else if (f->act == DELETED) {
		const char *serial;
		json_t *one;
		void *next;
		json_object_foreach_safe(w->assets, next, serial, one)
			if (stg_json_int(one, "id", 0) == atoi(strrchr(q->path, '/') + 1))
				json_object_del(w->assets, serial);
	}
}

static inline const struct fault *fault_any(struct world *w, enum kind kind)
{
	static const enum act acts[] = { RESET_BEFORE, RESET_AFTER, CLOSE_BEFORE, CLOSE_AFTER, HALF_HEAD, HALF_BODY, DELAYED, STATUS, STATUS_AFTER, TWICE };
	enum act act = acts[(unsigned)rand_r(&w->dice) % STG_ARRAY_LEN(acts)];
	size_t first = (size_t)rand_r(&w->dice) % STG_ARRAY_LEN(faults);
	if (rand_r(&w->dice) % 100 >= w->faults_in_100)
		return NULL;
	for (size_t i = 0; i < STG_ARRAY_LEN(faults); i++) {
		const struct fault *f = &faults[(first + i) % STG_ARRAY_LEN(faults)];
		bool harmless_twice = act == TWICE && (w->mode == HOOK || w->mode == BATCH);
		/* none that waits for a person */
		if (f->act == act && (f->where & kind || harmless_twice) && !(f->leaves & ROW))
			return f;
	}
	return NULL;
}

/* A point where a process on the other side may end. */
static inline void point(struct world *w)
{
	int pid = w->victim ? *w->victim : 0;
	if (pid > 0 && --*w->kill_in == 0)
		(void)kill(pid, SIGKILL);
}

/* True: the connection may go on. */
static inline bool play(struct world *w, struct line *l, const struct asked *q)
{
	int status = 200;
	char *body;
	pthread_mutex_lock(&w->lock);
	w->requests++;
	const struct fault *f = w->fault && w->fault->act == RESET_IN_BODY ? NULL : fault_now(w, q->kind);
	f = w->faults_in_100 ? fault_any(w, q->kind) : f;
	enum act act = f ? f->act : STATUS;
	bool applies = !f || (act != STATUS && act != RESET_BEFORE && act != CLOSE_BEFORE && act != SILENT_BEFORE && act != PAGE && act != FORGOTTEN && act != CLOCK_REFUSAL);
	if (f)
		meanwhile(w, f, q);
	point(w);
	body = applies ? world_apply(w, q, &status) : strdup("{}");
	if (act == TWICE && f) {
		free(body);
		body = world_apply(w, q, &status);
	}
	if (f)
		body = altered(w, f, q, body, &status);
	point(w);
	pthread_mutex_unlock(&w->lock);
	size_t len = strlen(body);
	bool on = true;
	if (!f) {
		on = answer_with(l, status, "", "application/json", body, len);
		point(w);
		free(body);
		return on;
	}
	switch (act) {
	case STATUS:
	case STATUS_AFTER:
		on = answer_with(l, f->status, f->text, "application/json", "{\"error\":\"said the test\"}", 25);
		break;
	case CLOCK_REFUSAL:
		on = answer_with(l, 400, "Date: Mon, 01 Jan 2035 00:00:00 GMT\r\n", "application/json", "{\"error\":\"invalid_client\",\"error_codes\":[700024]}", 49);
		break;
	case FORGOTTEN:
		on = answer_with(l, 404, "", "application/json", "{}", 2);
		break;
	case RESET_BEFORE:
	case RESET_AFTER:
		line_reset(l);
		on = false;
		break;
	case CLOSE_BEFORE:
	case CLOSE_AFTER:
		on = false;
		break;
	case HALF_HEAD:
		(void)line_write(l, "HTTP/1.1 20", 11);
		on = false;
		break;
	case HALF_BODY: {
		char head[128];
		int n = snprintf(head, sizeof(head), "HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", len + 10);
		(void)line_write(l, head, (size_t)n);
		(void)line_write(l, body, len / 2);
		on = false;
		break;
	}
	case SILENT_BEFORE:
	case SILENT_AFTER:
		stay_silent(w, l);
		on = false;
		break;
	case SLOW: {
		static const char slow[] = "HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n";
		on = line_write(l, slow, sizeof(slow) - 1);
		for (int i = 0; on && i < 300; i++) {
			char c;
			on = line_write(l, " ", 1) && !(recv(l->fd, &c, 1, MSG_DONTWAIT) == 0);
			usleep(1000);
			own_time_pass(1000);
		}
		on = false;
		break;
	}
	case DELAYED:
		own_time_pass(10000);
		on = answer_with(l, status, "", "application/json", body, len);
		break;
	case PAGE:
		on = answer_with(l, 200, "", "text/html; charset=utf-8", "<html><body>Please sign in to the guest network</body></html>", 61);
		break;
	case HUGE_BODY: {
		char *page = malloc(1 << 20);
		static const char endless[] = "HTTP/1.1 200 X\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
		memset(page, ' ', 1 << 20);
		on = line_write(l, endless, sizeof(endless) - 1);
		for (int i = 0; on && i < 17; i++)
			on = line_write(l, page, 1 << 20);
		free(page);
		on = false;
		break;
	}
	case GZIP_BOMB: {
		size_t n;
		char *b = bomb(&n);
		(void)answer_with(l, 200, "Content-Encoding: gzip\r\n", "application/json", b, n);
		free(b);
		on = false;
		break;
	}
	case DEEP: {
		char *b = malloc(100000);
		memset(b, '[', 100000);
		on = answer_with(l, 200, "", "application/json", b, 100000);
		free(b);
		break;
	}
	case HUGE_HEAD: {
		char *b = malloc(400 << 10);
		memset(b, 'x', 400 << 10);
		(void)line_write(l, "HTTP/1.1 200 X\r\nX-Long: ", 24);
		(void)line_write(l, b, 400 << 10);
		(void)line_write(l, "\r\nContent-Length: 2\r\n\r\n{}", 25);
		free(b);
		on = false;
		break;
	}
	case NO_HTTP:
		(void)line_write(l, "220 mail.example ESMTP\r\n", 24);
		on = false;
		break;
	case WRONG_LENGTH: {
		char head[128];
		int n = snprintf(head, sizeof(head), "HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n");
		(void)line_write(l, head, (size_t)n);
		(void)line_write(l, body, len);
		on = false;
		break;
	}
	case TEXT_TYPE:
		on = answer_with(l, status, "", "text/plain", body, len);
		break;
	case BOM: {
		char *b = malloc(len + 4);
		memcpy(b, "\xef\xbb\xbf", 3);
		memcpy(b + 3, body, len);
		on = answer_with(l, status, "", "application/json", b, len + 3);
		free(b);
		break;
	}
	case UTF16: {
		char *b = calloc(1, len * 2 + 2);
		memcpy(b, "\xff\xfe", 2);
		for (size_t i = 0; i < len; i++)
			b[2 + 2 * i] = body[i];
		on = answer_with(l, status, "", "application/json; charset=utf-16", b, len * 2 + 2);
		free(b);
		break;
	}
	default:
		on = answer_with(l, status, "", "application/json", body, len);
		break;
	}
	free(body);
	return on;
}

static inline SSL_CTX *tls_of(const struct made *m)
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(c, m->cert);
	SSL_CTX_use_PrivateKey(c, m->key);
	return c;
}

static inline void world_tls(struct world *w)
{
	static const char right[] = "DNS:" TLS_HOST;
	struct made ca = make_certificate("CA of this test", NULL, NULL, -86400, 20L * 366 * 86400);
	struct made good = make_certificate(TLS_HOST, right, &ca, -86400, 20L * 366 * 86400), other = make_certificate("other", "DNS:other.example.test", &ca, -86400, 20L * 366 * 86400);
	struct made past = make_certificate(TLS_HOST, right, &ca, -86400, -3600), early = make_certificate(TLS_HOST, right, &ca, 18L * 366 * 86400, 20L * 366 * 86400);
	struct made self = make_certificate(TLS_HOST, right, NULL, -86400, 20L * 366 * 86400);
	made_pem(&ca, false, w->ca_pem, sizeof(w->ca_pem));
	w->tls = tls_of(&good);
	w->tls_of[TLS_WRONG_NAME] = tls_of(&other);
	w->tls_of[TLS_EXPIRED] = tls_of(&past);
	w->tls_of[TLS_EARLY] = tls_of(&early);
	w->tls_of[TLS_SELF] = tls_of(&self);
	w->tls_of[TLS_OLD] = tls_of(&good);
	SSL_CTX_set_security_level(w->tls_of[TLS_OLD], 0);
	SSL_CTX_set_min_proto_version(w->tls_of[TLS_OLD], TLS1_VERSION);
	SSL_CTX_set_max_proto_version(w->tls_of[TLS_OLD], TLS1_1_VERSION);
	made_clear(&ca);
	made_clear(&good);
	made_clear(&other);
	made_clear(&past);
	made_clear(&early);
	made_clear(&self);
}

/* The other side has begun to speak TLS: a reset after its first word, after our answer to it, or when both are done. */
static inline void tls_reset(struct world *w, struct line *l, enum act act)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	char word[4096];
	(void)poll(&p, 1, 10000);
	if (act == TLS_RESET) {
		(void)recv(l->fd, word, sizeof(word), 0);
	} else {
		SSL *ssl = SSL_new(w->tls);
		SSL_set_fd(ssl, l->fd);
		if (act == TLS_RESET_INSIDE)
			(void)fcntl(l->fd, F_SETFL, fcntl(l->fd, F_GETFL) | O_NONBLOCK);
		(void)SSL_accept(ssl);
		SSL_free(ssl);
	}
	line_reset(l);
}

struct serving {
	struct world *w;
	int fd;
};

static inline void *serve_line(void *arg)
{
	struct serving *s = arg;
	struct world *w = s->w;
	struct line l = { .fd = s->fd };
	free(s);
	pthread_mutex_lock(&w->lock);
	/* those two are played before anybody is connected */
	bool is_ours = w->fault && w->fault->act != REFUSED && w->fault->act != NO_NAME;
	const struct fault *f = is_ours ? fault_now(w, CONNECTION) : NULL;
	SSL_CTX *shown = f ? w->tls_of[f->act] : w->tls;
	pthread_mutex_unlock(&w->lock);
	if (f && f->act == ACCEPT_RESET)
		line_reset(&l);
	if (f && (f->act == ACCEPT_SILENT || f->act == TLS_STALLS))
		stay_silent(w, &l);
	if (f && f->act >= TLS_RESET)
		tls_reset(w, &l, f->act);
	if (f && f->act == TLS_NOT)
		(void)line_write(&l, "HTTP/1.1 400 X\r\nContent-Length: 0\r\n\r\n", 38);
	if (!f || shown) {
		if (shown) {
			l.ssl = SSL_new(shown);
			SSL_set_fd(l.ssl, l.fd);
		}
		if (!l.ssl || SSL_accept(l.ssl) == 1) {
			struct asked q;
			for (bool on = true; on && !w->stop;) {
				struct pollfd p = { .fd = l.fd, .events = POLLIN };
				struct timespec nap = { .tv_nsec = 2000000 };
				int r = (int)syscall(SYS_ppoll, &p, 1, &nap, NULL, 8);
				if (r == 0 && !(l.ssl && SSL_pending(l.ssl)))
					continue;
				if (!line_request(&l, &q, cut_here, w)) {
					if (w->fault && w->fault->act == RESET_IN_BODY)
						line_reset(&l);
					break;
				}
				q.kind = kind_of(w, &q);
				on = play(w, &l, &q);
				free(q.body);
			}
		}
		SSL_free(l.ssl);
	}
	close(l.fd);
	w->open_connections--;
	return NULL;
}

static inline bool world_listen(struct world *w)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)w->port) };
	socklen_t len = sizeof(at);
	int one = 1;
	w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(w->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(w->fd, (struct sockaddr *)&at, len) != 0 || listen(w->fd, 64) != 0 || getsockname(w->fd, (struct sockaddr *)&at, &len) != 0)
		return false;
	w->port = ntohs(at.sin_port);
	return true;
}

static inline void *world_run(void *arg)
{
	struct world *w = arg;
	while (!w->stop) {
		int one = 1, fd = accept(w->fd, NULL, NULL);
		if (fd < 0)
			continue;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		struct serving *s = malloc(sizeof(*s));
		pthread_t t;
		*s = (struct serving){ .w = w, .fd = fd };
		w->open_connections++;
		if (pthread_create(&t, NULL, serve_line, s) != 0)
			abort();
		pthread_detach(t);
	}
	return NULL;
}

static inline struct world *world_start(void)
{
	struct world *w = calloc(1, sizeof(*w));
	pthread_mutex_init(&w->lock, NULL);
	w->told = json_object();
	w->assets = json_object();
	w->ops = json_object();
	if (!world_listen(w) || pthread_create(&w->thread, NULL, world_run, w) != 0)
		abort();
	return w;
}

static inline void world_stop(struct world *w)
{
	w->stop = true;
	shutdown(w->fd, SHUT_RDWR);     /* ends accept() */
	pthread_join(w->thread, NULL);
	while (w->open_connections)
		usleep(200);
	close(w->fd);
	SSL_CTX_free(w->tls);
	for (size_t i = 0; i < ACTS; i++)
		SSL_CTX_free(w->tls_of[i]);
	json_decref(w->told);
	json_decref(w->assets);
	json_decref(w->ops);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

#endif
