/*
 * receiver.c - the receiving server of the demo, rehearsals and tests.
 *
 * For:    proving that every result arrived, once, whatever happened on the way.
 * Uses:   http.h, testca.h, <stager/secret.h>.
 * Called: by receiver_main.c, which gives it to a bench or runs it alone.
 * Thread: the bench's one.
 * Facts:  Standard Webhooks: signature over "id.timestamp.body", base64 HMAC-SHA256, several may be listed; the receiver
 *         allows five minutes between the clocks and drops a second message of the same id.
 */
#include "receiver.h"

#include "http.h"
#include "loop.h"
#include "testca.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <stager/clock.h>
#include <stager/error.h>
#include <stager/file.h>
#include <stager/secret.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORDS_MAX   1000000u
#define SECRETS_MAX   4u
#define CLOCKS_APART_S 300
#define BODY_MAX      ((size_t)1 << 20)
#define FILE_READ_MAX ((size_t)512 << 20)

enum trouble { NONE, SLOW, HALF, CUT, LOST, TWICE, STATUS, ERROR_AFTER };

struct virt_receiver {
	struct virt_loop *loop;
	struct virt_http *http;
	struct virt_timer back;           /* the end of "down MS" */
	SSL_CTX *tls, *tls_expired;
	bool mutual, is_https;
	char dir[4000], url[160];
	char cert[4096], key[4096], client_ca[4096];
	struct stg_secret bearer;
	struct stg_secret secrets[SECRETS_MAX];
	size_t secrets_len;
	int file;                         /* -1: memory only */

	enum trouble trouble;
	int64_t trouble_left;             /* requests; -1: until told otherwise */
	int64_t trouble_arg, retry_after_s;

	json_t *records;                  /* array, in the order they came */
	json_t *by_id;                    /* id -> the same objects */
	uint64_t deliveries, duplicates, conflicts, refused, troubled;
};

/* ---- what it knows ---- */

static json_t *stats(const struct virt_receiver *r)
{
	json_t *s = json_object();

	stg_json_put_int(s, "v", 1);
	stg_json_put_int(s, "distinct", (int64_t)json_array_size(r->records));
	stg_json_put_int(s, "deliveries", (int64_t)r->deliveries);
	stg_json_put_int(s, "duplicates", (int64_t)r->duplicates);
	stg_json_put_int(s, "conflicts", (int64_t)r->conflicts);
	stg_json_put_int(s, "refused", (int64_t)r->refused);
	stg_json_put_int(s, "troubled", (int64_t)r->troubled);
	return s;
}

static json_t *records_from(const struct virt_receiver *r, int64_t from)
{
	json_t *all = stats(r), *list = json_array();

	for (size_t i = from > 0 ? (size_t)from : 0; i < json_array_size(r->records); i++)
		json_array_append(list, json_array_get(r->records, i));
	stg_json_put_new(all, "records", list);
	return all;
}

static void append_line(struct virt_receiver *r, const json_t *record)
{
	STG_AUTO(stg_free_at) char *text = stg_json_text(record);
	STG_AUTO(stg_buf_clear) struct stg_buf line = STG_BUF(BODY_MAX * 2);

	if (r->file < 0 || !text || !stg_buf_printf(&line, NULL, "%s\n", text))
		return;
	for (size_t at = 0; at < line.len;) {
		ssize_t n = write(r->file, line.data + at, line.len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fprintf(stderr, "receiver: cannot write records: %s\n", strerror(errno));
			return;
		}
		at += (size_t)n;
	}
}

static void remember(struct virt_receiver *r, json_t *record)
{
	json_array_append(r->records, record);
	json_object_set_new(r->by_id, stg_json_str(record, "id"), record);
}

/* What an earlier run wrote, so that it is not doubled by this one. A torn last line is left out. */
static bool load(struct virt_receiver *r, const char *path, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf all = STG_BUF(FILE_READ_MAX);
	char *line, *end;

	if (access(path, F_OK) != 0)
		return true;
	if (!stg_file_read(path, &all, err))
		return false;
	for (line = (char *)all.data; line && (end = strchr(line, '\n')); line = end + 1) {
		json_t *record = stg_json_parse(stg_bytes(line, (size_t)(end - line)), BODY_MAX * 2, NULL);

		if (record && *stg_json_str(record, "id") && !json_object_get(r->by_id, stg_json_str(record, "id"))) {
			r->deliveries++;
			remember(r, record);
		} else {
			json_decref(record);
		}
	}
	return true;
}

/* Takes the message in. The status to answer; `ret_duplicate` says whether it was known. */
static unsigned int take(struct virt_receiver *r, const char *id, struct stg_bytes body, bool *ret_duplicate)
{
	struct stg_error err = { 0 };
	json_t *known, *parsed, *record;
	char hash[65];

	stg_sha256_hex(body, hash);
	if (!*id)
		id = hash;
	known = json_object_get(r->by_id, id);
	*ret_duplicate = known != NULL;
	if (known) {
		r->deliveries++;
		r->duplicates++;
		stg_json_put_int(known, "deliveries", stg_json_int(known, "deliveries", 1) + 1);
		if (strcmp(stg_json_str(known, "body_sha256"), hash) != 0)
			r->conflicts++;   /* the same id with another body: somebody doubled or changed a record */
		return 200;
	}
	parsed = stg_json_parse(body, BODY_MAX, &err);
	if (!parsed || strlen(id) > 200 || json_array_size(r->records) >= RECORDS_MAX) {
		json_decref(parsed);
		r->refused++;
		return parsed ? 413 : 422;
	}
	r->deliveries++;
	record = json_object();
	stg_json_put(record, "id", id);
	stg_json_put_int(record, "seq", (int64_t)json_array_size(r->records));
	stg_json_put_int(record, "received_ms", stg_wall_ms());
	stg_json_put_int(record, "deliveries", 1);
	stg_json_put(record, "body_sha256", hash);
	stg_json_put_new(record, "body", parsed);
	append_line(r, record);
	remember(r, record);
	return 200;
}

/* ---- who may send ---- */

static bool same(struct stg_bytes a, struct stg_bytes b)
{
	return a.len == b.len && CRYPTO_memcmp(a.data, b.data, a.len) == 0;
}

static bool signed_by(const struct stg_secret *secret, const char *signatures, struct stg_bytes text)
{
	STG_AUTO(stg_buf_clear) struct stg_buf wanted = STG_BUF(128);
	struct stg_bytes key = stg_secret_reveal(secret);
	uint8_t mac[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	bool found = false;

	if (!HMAC(EVP_sha256(), key.data, (int)key.len, text.data, text.len, mac, &len)
	    || !stg_buf_add_str(&wanted, "v1,", NULL) || !stg_base64(stg_bytes(mac, len), &wanted, NULL))
		return false;
	while (*signatures) {
		size_t n = strcspn(signatures, " ");

		found |= same(stg_bytes(signatures, n), stg_buf_view(&wanted));
		signatures += n + strspn(signatures + n, " ");
	}
	return found;
}

/* NULL: welcome; else why not. */
static const char *unwelcome(const struct virt_receiver *r, const struct virt_exchange *x, struct stg_bytes body)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(BODY_MAX + 1024);
	const char *id = virt_exchange_header(x, "webhook-id"), *at = virt_exchange_header(x, "webhook-timestamp");
	const char *who = virt_exchange_header(x, "Authorization");
	int64_t apart_s = strtoll(at, NULL, 10) - stg_wall_ms() / 1000;

	if (stg_secret_is_set(&r->bearer)
	    && (strncasecmp(who, "Bearer ", 7) != 0 || !same(stg_bytes_str(who + 7), stg_secret_reveal(&r->bearer))))
		return "the token is missing or wrong";
	if (r->secrets_len == 0)
		return NULL;
	if (!*id || !*at)
		return "webhook-id or webhook-timestamp is missing";
	if (apart_s > CLOCKS_APART_S || apart_s < -CLOCKS_APART_S)
		return "webhook-timestamp is more than five minutes away";
	if (!stg_buf_printf(&text, NULL, "%s.%s.", id, at) || !stg_buf_add(&text, body.data, body.len, NULL))
		return "too large";
	for (size_t i = 0; i < r->secrets_len; i++)
		if (signed_by(&r->secrets[i], virt_exchange_header(x, "webhook-signature"), stg_buf_view(&text)))
			return NULL;
	return "no signature fits";
}

/* ---- answers ---- */

static void answer_json(struct virt_exchange *x, unsigned int status, const char *headers, json_t *body)
{
	STG_AUTO(stg_free_at) char *text = stg_json_text(body);
	char all[256];

	snprintf(all, sizeof(all), "Content-Type: application/json\r\n%s", headers);
	virt_exchange_answer(x, status, all, stg_bytes_str(text));
	json_decref(body);
}

/* What is wrong with this request, if anything; counts it down. */
static enum trouble next_trouble(struct virt_receiver *r)
{
	enum trouble t = r->trouble_left != 0 ? r->trouble : NONE;

	if (t == NONE)
		return NONE;
	if (r->trouble_left > 0)
		r->trouble_left--;
	r->troubled++;
	return t;
}

static void receive(struct virt_exchange *x, const struct virt_http_request *q, void *arg, enum trouble trouble)
{
	struct virt_receiver *r = arg;
	const char *why = unwelcome(r, x, q->body);
	char retry[64] = "";
	json_t *said = json_object();
	unsigned int status;
	bool duplicate = false;

	if (trouble == STATUS) {
		if (r->retry_after_s >= 0)
			snprintf(retry, sizeof(retry), "Retry-After: %lld\r\n", (long long)r->retry_after_s);
		stg_json_put(said, "error", "asked to refuse");
		answer_json(x, (unsigned int)r->trouble_arg, retry, said);
		return;
	}
	if (why) {
		r->refused++;
		stg_json_put(said, "error", why);
		answer_json(x, 401, "", said);
		return;
	}
	if (trouble == LOST) {
		json_decref(said);
		virt_exchange_spoil(x, VIRT_SPOIL_CUT, 200, "", stg_bytes_str(""));
		return;
	}
	status = take(r, virt_exchange_header(x, "webhook-id"), q->body, &duplicate);
	stg_json_put_bool(said, "received", status == 200);
	stg_json_put_bool(said, "duplicate", duplicate);
	if (trouble == HALF || trouble == CUT || trouble == TWICE) {
		STG_AUTO(stg_free_at) char *text = stg_json_text(said);

		json_decref(said);
		virt_exchange_spoil(x, trouble == HALF ? VIRT_SPOIL_HALF : trouble == CUT ? VIRT_SPOIL_CUT : VIRT_SPOIL_TWICE,
				    status, "Content-Type: application/json\r\n", stg_bytes_str(text));
		return;
	}
	answer_json(x, trouble == ERROR_AFTER ? 500 : status, "", said);
}

static void receive_now(struct virt_exchange *x, const struct virt_http_request *q, void *arg)
{
	receive(x, q, arg, NONE);
}

static void fault_words(struct virt_exchange *x, const struct virt_http_request *q, struct virt_receiver *r)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *words = stg_json_parse(q->body, 65536, &err);
	json_t *said = json_object();
	bool ok = words && virt_receiver_words(r, words, said, &err);

	if (!ok)
		stg_json_put(said, "error", err.msg);
	answer_json(x, ok ? 200 : 400, "", said);
}

static void handle(struct virt_exchange *x, const struct virt_http_request *q, void *arg)
{
	struct virt_receiver *r = arg;
	bool get = strcmp(q->method, "GET") == 0, post = strcmp(q->method, "POST") == 0;

	if (post && strcmp(q->path, "/hook") == 0) {
		enum trouble t = next_trouble(r);

		if (t == SLOW)
			virt_exchange_wait(x, r->trouble_arg, receive_now, r);
		else
			receive(x, q, r, t);
	} else if (get && strcmp(q->path, "/records") == 0) {
		const char *from = strstr(q->query, "from=");

		answer_json(x, 200, "", records_from(r, from ? strtoll(from + 5, NULL, 10) : 0));
	} else if (get && strcmp(q->path, "/stats") == 0) {
		answer_json(x, 200, "", stats(r));
	} else if (post && strcmp(q->path, "/fault") == 0) {
		fault_words(x, q, r);
	} else {
		virt_exchange_answer(x, get || post ? 404 : 405, "", stg_bytes(NULL, 0));
	}
}

/* ---- being told ---- */

static int64_t number_at(const json_t *words, size_t i, int64_t fallback)
{
	const json_t *w = json_array_get(words, i);

	if (json_is_integer(w))
		return json_integer_value(w);
	return json_is_string(w) ? strtoll(json_string_value(w), NULL, 10) : fallback;
}

static void come_back(struct virt_timer *t)
{
	struct virt_receiver *r = VIRT_OWNER(t, struct virt_receiver, back);
	struct stg_error err = { 0 };

	if (!virt_http_away(r->http, false, &err)) {
		fprintf(stderr, "receiver: %s\n", err.msg);
		virt_timer_set(r->loop, &r->back, 200, come_back);   /* somebody else has the port just now */
	}
}

static void set_trouble(struct virt_receiver *r, enum trouble t, int64_t arg, int64_t left)
{
	r->trouble = t;
	r->trouble_arg = arg;
	r->trouble_left = left;
}

static void forget(struct virt_receiver *r)
{
	json_array_clear(r->records);
	json_object_clear(r->by_id);
	r->deliveries = r->duplicates = r->conflicts = r->refused = r->troubled = 0;
	if (r->file >= 0 && ftruncate(r->file, 0) != 0)
		fprintf(stderr, "receiver: cannot empty the records file: %s\n", strerror(errno));
}

static bool make_context(const struct virt_receiver *r, const char *cert, SSL_CTX **ret, struct stg_error *err)
{
	*ret = virt_testca_server(cert, r->key, r->mutual ? r->client_ca : NULL, err);
	return *ret != NULL;
}

static bool show_expired(struct virt_receiver *r, bool expired, struct stg_error *err)
{
	char path[4096];

	if (!r->tls)
		return stg_fail(err, STG_E_USAGE, 0, "the receiver does not speak TLS");
	if (expired && !r->tls_expired
	    && (!*r->dir || !virt_testca_make(r->dir, err) || !stg_path_join(path, sizeof(path), r->dir, "expired.pem", err)
		|| !make_context(r, path, &r->tls_expired, err)))
		return stg_while(err, "expired certificate");
	virt_http_set_tls(r->http, expired ? r->tls_expired : r->tls);
	return true;
}

bool virt_receiver_words(struct virt_receiver *r, const json_t *words, json_t *ret, struct stg_error *err)
{
	const char *w = json_is_string(json_array_get(words, 0)) ? json_string_value(json_array_get(words, 0)) : "";
	STG_AUTO(stg_json_free_at) json_t *said = NULL;

	if (strcmp(w, "down") == 0) {
		int64_t ms = number_at(words, 1, -1);

		virt_http_away(r->http, true, NULL);
		if (ms >= 0)
			virt_timer_set(r->loop, &r->back, ms, come_back);
	} else if (strcmp(w, "up") == 0) {
		virt_timer_clear(r->loop, &r->back);
		set_trouble(r, NONE, 0, 0);
		if (!virt_http_away(r->http, false, err) || (r->tls && !show_expired(r, false, err)))
			return false;
	} else if (strcmp(w, "slow") == 0) {
		set_trouble(r, SLOW, number_at(words, 1, 1000), number_at(words, 2, -1));
	} else if (strcmp(w, "half") == 0) {
		set_trouble(r, HALF, 0, number_at(words, 1, -1));
	} else if (strcmp(w, "cut") == 0) {
		set_trouble(r, CUT, 0, number_at(words, 1, -1));
	} else if (strcmp(w, "lost") == 0) {
		set_trouble(r, LOST, 0, number_at(words, 1, -1));
	} else if (strcmp(w, "twice") == 0) {
		set_trouble(r, TWICE, 0, number_at(words, 1, -1));
	} else if (strcmp(w, "error-after") == 0) {
		set_trouble(r, ERROR_AFTER, 0, number_at(words, 1, -1));
	} else if (strcmp(w, "status") == 0) {
		int64_t status = number_at(words, 1, 503);

		if (status < 200 || status > 599)
			return stg_fail(err, STG_E_USAGE, 0, "status wants a code from 200 to 599");
		r->retry_after_s = number_at(words, 2, -1);
		set_trouble(r, STATUS, status, number_at(words, 3, -1));
	} else if (strcmp(w, "expired") == 0 || strcmp(w, "valid") == 0) {
		if (!show_expired(r, *w == 'e', err))
			return false;
	} else if (strcmp(w, "forget") == 0) {
		forget(r);
	} else if (strcmp(w, "records") != 0 && strcmp(w, "stats") != 0) {
		return stg_fail(err, STG_E_USAGE, 0,
				"receiver down|up|slow|half|cut|twice|status|error-after|expired|valid|stats|records|forget");
	}
	said = strcmp(w, "records") == 0 ? records_from(r, number_at(words, 1, 0)) : stats(r);
	json_object_update(ret, said);
	return true;
}

/* ---- start and stop ---- */

/* One word (and its value) at argv[*i]. */
static bool take_option(struct virt_receiver_options *o, int argc, char **argv, int *i, bool *ret_taken, struct stg_error *err)
{
	const struct { const char *word; const char **value; } with_value[] = {
		{ "--receiver", &o->listen }, { "--receiver-dir", &o->dir }, { "--receiver-cert", &o->cert },
		{ "--receiver-key", &o->key }, { "--receiver-client-ca", &o->client_ca },
		{ "--receiver-bearer-file", &o->bearer_file }, { "--receiver-secret-file", &o->secret_file },
	};
	const char *word = argv[*i];

	*ret_taken = true;
	if (strcmp(word, "--receiver-tls") == 0) {
		o->tls = true;
		return true;
	}
	if (strcmp(word, "--receiver-mtls") == 0) {
		o->mutual_tls = true;
		return true;
	}
	for (size_t n = 0; n < STG_ARRAY_LEN(with_value); n++) {
		if (strcmp(word, with_value[n].word) != 0)
			continue;
		if (*i + 1 >= argc)
			return stg_fail(err, STG_E_USAGE, 0, "%s wants a value", word);
		*with_value[n].value = argv[++*i];
		return true;
	}
	*ret_taken = false;
	return true;
}

bool virt_receiver_take_options(struct virt_receiver_options *o, int *argc, char **argv, struct stg_error *err)
{
	int kept = 1;

	for (int i = 1; i < *argc; i++) {
		bool taken;

		if (!take_option(o, *argc, argv, &i, &taken, err))
			return false;
		if (!taken)
			argv[kept++] = argv[i];
	}
	argv[kept] = NULL;
	*argc = kept;
	return true;
}

/* The first line of a file without its end. */
static bool read_secret(const char *path, struct stg_buf *ret, struct stg_error *err)
{
	if (!stg_file_read(path, ret, err))
		return stg_while(err, "%s", path);
	while (ret->len > 0 && (ret->data[ret->len - 1] == '\n' || ret->data[ret->len - 1] == '\r'))
		ret->data[--ret->len] = 0;
	return true;
}

static bool load_secrets(struct virt_receiver *r, const struct virt_receiver_options *o, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf bearer = STG_BUF(4096);
	STG_AUTO(stg_buf_clear) struct stg_buf lines = STG_BUF(4096);
	char *line, *rest = NULL;

	if (o->bearer_file
	    && (!read_secret(o->bearer_file, &bearer, err) || !stg_secret_set(&r->bearer, stg_buf_view(&bearer), err)))
		return false;
	if (!o->secret_file)
		return true;
	if (!read_secret(o->secret_file, &lines, err))
		return false;
	for (line = strtok_r((char *)lines.data, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
		STG_AUTO(stg_buf_clear) struct stg_buf key = STG_BUF(128);

		if (r->secrets_len == SECRETS_MAX || strncmp(line, "whsec_", 6) != 0 || !stg_unbase64(line + 6, &key, NULL)
		    || !stg_secret_set(&r->secrets[r->secrets_len], stg_buf_view(&key), NULL))
			return stg_fail(err, STG_E_INPUT, 0, "%s: a line is not whsec_ and base64", o->secret_file);
		r->secrets_len++;
	}
	return true;
}

static bool load_tls(struct virt_receiver *r, const struct virt_receiver_options *o, struct stg_error *err)
{
	bool made = !o->cert || !o->key || (o->mutual_tls && !o->client_ca);

	r->mutual = o->mutual_tls;
	r->is_https = o->tls || o->mutual_tls;
	if (!r->is_https)
		return true;
	if (made && !o->dir)
		return stg_fail(err, STG_E_USAGE, 0, "TLS wants --receiver-dir, or a certificate, key and client CA");
	if (made && !virt_testca_make(o->dir, err))
		return false;
	if (o->cert)
		stg_copy(r->cert, sizeof(r->cert), o->cert);
	else if (!stg_path_join(r->cert, sizeof(r->cert), o->dir, "server.pem", err))
		return false;
	if (o->key)
		stg_copy(r->key, sizeof(r->key), o->key);
	else if (!stg_path_join(r->key, sizeof(r->key), o->dir, "server.key", err))
		return false;
	if (o->client_ca)
		stg_copy(r->client_ca, sizeof(r->client_ca), o->client_ca);
	else if (o->dir && !stg_path_join(r->client_ca, sizeof(r->client_ca), o->dir, "ca.pem", err))
		return false;
	return make_context(r, r->cert, &r->tls, err);
}

struct virt_receiver *virt_receiver_open(struct virt_loop *loop, const struct virt_receiver_options *o, struct stg_error *err)
{
	struct virt_receiver *r = stg_calloc(1, sizeof(*r));
	char path[4096];

	r->loop = loop;
	r->file = -1;
	r->retry_after_s = -1;
	r->records = json_array();
	r->by_id = json_object();
	if (o->dir) {
		if (!stg_copy(r->dir, sizeof(r->dir), o->dir) || !stg_folder_make(o->dir, 0700, err)
		    || !stg_path_join(path, sizeof(path), o->dir, "records.jsonl", err) || !load(r, path, err))
			goto failed;
		r->file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (r->file < 0) {
			stg_fail(err, STG_E_IO, errno, "%s: %s", path, strerror(errno));
			goto failed;
		}
	}
	if (!load_secrets(r, o, err) || !load_tls(r, o, err))
		goto failed;
	r->http = virt_http_open(loop, o->listen, r->tls, handle, r, err);
	if (!r->http)
		goto failed;
	snprintf(r->url, sizeof(r->url), "%s://%s:%u", r->is_https ? "https" : "http", virt_http_host(r->http),
		 virt_http_port(r->http));
	return r;
failed:
	virt_receiver_close(r);
	stg_while(err, "receiver");
	return NULL;
}

void virt_receiver_close(struct virt_receiver *r)
{
	if (!r)
		return;
	virt_timer_clear(r->loop, &r->back);
	virt_http_close(r->http);
	SSL_CTX_free(r->tls);
	SSL_CTX_free(r->tls_expired);
	stg_secret_clear(&r->bearer);
	for (size_t i = 0; i < r->secrets_len; i++)
		stg_secret_clear(&r->secrets[i]);
	json_decref(r->records);
	json_decref(r->by_id);
	if (r->file >= 0)
		close(r->file);
	free(r);
}

json_t *virt_receiver_ready(const struct virt_receiver *r)
{
	json_t *j = json_object();
	char path[4096];

	snprintf(path, sizeof(path), "%s/hook", r->url);
	stg_json_put(j, "url", path);
	stg_json_put_int(j, "port", virt_http_port(r->http));
	snprintf(path, sizeof(path), "%s/records", r->url);
	stg_json_put(j, "records_url", path);
	if (*r->dir && stg_path_join(path, sizeof(path), r->dir, "records.jsonl", NULL))
		stg_json_put(j, "file", path);
	if (r->is_https && *r->dir && stg_path_join(path, sizeof(path), r->dir, "ca.pem", NULL)) {
		stg_json_put(j, "ca", path);
		stg_path_join(path, sizeof(path), r->dir, "client.pem", NULL);
		stg_json_put(j, "client_cert", path);
		stg_path_join(path, sizeof(path), r->dir, "client.key", NULL);
		stg_json_put(j, "client_key", path);
	}
	return j;
}
