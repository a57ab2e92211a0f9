/*
 * request.c - records become one request, as the connector says.
 *
 * For:    delivery.c and `target try`.
 * Uses:   jq.c for the body, auth.c, <stager/net.h>.
 * Called: for every attempt: the body is the same each time, timestamp and signature are of now.
 * Thread: any.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <openssl/evp.h>

#include <stager/ids.h>

#include "parts.h"

/* The same rows give the same id on every try: receivers may use it to recognise a repeated batch. */
static void batch_id(const struct push_target *t, const json_t *rows, char ret[STG_UUID_TEXT])
{
	STG_AUTO(stg_buf_clear) struct stg_buf all = STG_BUF(1 << 20);
	const char *first = stg_json_str(json_array_get(rows, 0), "record_id");
	size_t i;
	json_t *row;
	(void)stg_buf_add_str(&all, t->name, NULL);
	json_array_foreach((json_t *)(uintptr_t)rows, i, row)
		(void)stg_buf_printf(&all, NULL, " %s", stg_json_str(row, "record_id"));
	stg_uuid5(stg_uuid_ok(first) ? first : "6ba7b811-9dad-11d1-80b4-00c04fd430c8", stg_buf_str(&all), ret);
}

static bool add_encoded(struct stg_buf *out, const char *text, struct stg_error *err)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (isalnum(*p) || strchr("-._~", *p) ? !stg_buf_add(out, p, 1, err) : !stg_buf_printf(out, err, "%%%02X", *p))
			return false;
	return true;
}

struct filling {
	const struct push_target *t;
	const char *record_id, *idempotency_key, *batch, *now;
	const json_t *record;           /* the first; NULL: none */
	struct push_words words;
};

/* A text or a number of the record's item or of what was found. */
static const char *part_of(const json_t *record, const char *word, char number[24])
{
	const char *dot = strchr(word, '.');
	const json_t *value = json_object_get(json_object_get(record, *word == 'i' ? "item" : "found"), dot + 1);
	if (json_is_integer(value))
		snprintf(number, 24, "%lld", (long long)json_integer_value(value));
	return json_is_string(value) ? json_string_value(value) : json_is_integer(value) ? number : "";
}

static bool is_of_record(const char *word)
{
	return strncmp(word, "item.", 5) == 0 || strncmp(word, "found.", 6) == 0 || strcmp(word, "key") == 0;
}

static const char *value_of(const struct filling *f, const char *word, char number[24])
{
	if (strcmp(word, "key") == 0)
		return push_key_of(f->record, stg_json_str(f->t->exchange, "natural_key"));
	return is_of_record(word) ? part_of(f->record, word, number) : strcmp(word, "record_id") == 0 ? f->record_id :
	       strcmp(word, "idempotency_key") == 0 ? f->idempotency_key : strcmp(word, "delivery_batch_id") == 0 ? f->batch :
	       strcmp(word, "now_s") == 0 ? f->now : strcmp(word, "page") == 0 ? f->words.page : strcmp(word, "op_ref") == 0 ? f->words.op_ref :
	       strcmp(word, "base_url") == 0 ? stg_json_str(f->t->config, "url") :
	       strncmp(word, "config.", 7) == 0 ? stg_json_str(f->t->config, word + 7) : "";
}

/* Fills the {{words}} that format.c let through; in a path they are encoded, the address itself is not. What names a record
 * must not be empty: PATCH /devices/ would be about all of them. */
static bool fill(const struct filling *f, const char *text, bool is_path, struct stg_buf *out, struct stg_error *err)
{
	while (*text) {
		const char *open = strstr(text, "{{"), *close = open ? strstr(open, "}}") : NULL;
		if (!close)
			return stg_buf_add_str(out, text, err);
		char word[64], number[24];
		snprintf(word, sizeof(word), "%.*s", (int)(close - open - 2), open + 2);
		const char *value = value_of(f, word, number);
		if (is_path && !*value && (is_of_record(word) || strcmp(word, "op_ref") == 0))
			return stg_fail_id(err, STG_E_REFUSED, STG_ID_CONNECTOR_PROGRAM, 0, "connector %s: {{%s}} is empty for this record", stg_json_str(f->t->connector, "name"), word);
		/* an address the server gave itself is used as it is */
		bool raw = strcmp(word, "base_url") == 0 || (strcmp(word, "op_ref") == 0 && *value == '/');
		if (!stg_buf_add(out, text, (size_t)(open - text), err) || !(is_path && !raw ? add_encoded(out, value, err) : stg_buf_add_str(out, value, err)))
			return false;
		text = close + 2;
	}
	return true;
}

bool push_fill_config(const struct push_target *t, const char *text, char *ret, size_t size, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(size - 1);
	struct filling f = { .t = t, .record_id = "", .idempotency_key = "", .batch = "", .now = "", .words = { "", "" } };
	return fill(&f, text, false, &out, err) && stg_copy(ret, size, stg_buf_str(&out));
}

bool push_call_is_single(const json_t *call)
{
	const char *path = stg_json_str(call, "path");
	return stg_json_bool(call, "each", false) || strstr(path, "{{key}}") || strstr(path, "{{item.") || strstr(path, "{{found.");
}

/* Where the address ends and its path begins. */
static size_t origin_len(const char *url)
{
	const char *host = strstr(url, "://");
	return host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : 0;
}

/* A whole address from the server (the next page) must stay with it: the token goes along. */
static bool make_url(const struct filling *f, const char *path, struct push_request *r, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf url = STG_BUF(sizeof(r->url) - 1);
	const char *base = stg_json_str(f->t->config, "url"), *page = f->words.page;
	size_t n = strlen(base), origin = origin_len(base);
	if (strstr(page, "://")) {
		if (strncmp(page, base, origin) != 0 || origin_len(page) != origin)
			return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_CONNECTOR_PROGRAM, 0, "the next page is on another server than %.200s", base);
		return stg_copy(r->url, sizeof(r->url), page) || stg_fail(err, STG_E_PROTOCOL, 0, "the next page's address is too long");
	}
	if (*page == '/' || strncmp(path, "{{op_ref}}", 10) == 0)
		n = *page == '/' || *f->words.op_ref == '/' ? origin : n;
	if (*page == '/')
		return stg_buf_add(&url, base, n, err) && stg_buf_add_str(&url, page, err) && stg_copy(r->url, sizeof(r->url), stg_buf_str(&url));
	if (strstr(path, "{{base_url}}")) {
		n = 0;
	} else if (*path) {
		while (n && base[n - 1] == '/')
			n--;
	}
	return stg_buf_add(&url, base, n, err) && fill(f, path, true, &url, err) && stg_copy(r->url, sizeof(r->url), stg_buf_str(&url));
}

static bool make_headers(const struct filling *f, const json_t *from, struct push_request *r, struct stg_error *err)
{
	const char *name;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)from, name, value) {
		STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(4096);
		if (!fill(f, json_string_value(value), false, &text, err))
			return false;
		stg_json_put(r->headers, name, stg_buf_str(&text));
	}
	return true;
}

/* An order for the MDM gets the MDM's own word beside ours: .mdm_order.command in the field map. NULL: no record has one. */
static json_t *with_commands(const struct push_target *t, const json_t *records)
{
	const json_t *words = json_object_get(t->connector, "orders");
	json_t *all = NULL;
	for (size_t i = 0; i < json_array_size(records); i++) {
		const char *word = stg_json_str(words, stg_json_str(json_object_get(json_array_get(records, i), "mdm_order"), "verb"));
		if (!*word)
			continue;
		if (!all)
			all = json_deep_copy(records);
		stg_json_put(json_object_get(json_array_get(all, i), "mdm_order"), "command", word);
	}
	return all;
}

/* A text stays as it is, everything else becomes JSON. */
static bool make_body(const struct push_target *t, const json_t *call, const json_t *records, struct stg_buf *ret, bool *ret_is_json, struct stg_error *err)
{
	const char *program = stg_json_str(call, "body");
	if (!*program)
		return true;
	STG_AUTO(stg_json_free_at) json_t *told = with_commands(t, records);
	STG_AUTO(stg_json_free_at) json_t *out = push_jq(program, told ? told : records, err);
	if (!out)
		return stg_while(err, "body of connector %s", stg_json_str(t->connector, "name"));
	if (json_array_size(out) != 1)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_CONNECTOR_PROGRAM, 0, "body of connector %s: %zu values, one was expected", stg_json_str(t->connector, "name"), json_array_size(out));
	const json_t *one = json_array_get(out, 0);
	if (json_is_string(one))
		return stg_buf_add(ret, json_string_value(one), json_string_length(one), err);
	STG_AUTO(stg_free_at) char *text = stg_json_text(one);
	*ret_is_json = true;
	return stg_buf_add_str(ret, text, err);
}

void push_body_ahead(const struct push_target *t, const json_t *rows, const json_t *records, struct push_made *ret)
{
	stg_buf_clear(&ret->body);
	*ret = (struct push_made){ .body = STG_BUF(PUSH_BODY_MAX) };
	if (make_body(t, json_object_get(t->exchange, "request"), records, &ret->body, &ret->is_json, NULL))
		batch_id(t, rows, ret->batch);
}

/* One that was made ready is used up. */
static bool body_of(const struct push_target *t, const json_t *call, const char *batch, const json_t *records, struct push_request *r, struct stg_error *err)
{
	bool is_json = false;
	if (t->made && strcmp(t->made->batch, batch) == 0 && call == json_object_get(t->exchange, "request")) {
		r->body = t->made->body;
		is_json = t->made->is_json;
		*t->made = (struct push_made){ 0 };
	} else if (!make_body(t, call, records, &r->body, &is_json, err)) {
		return false;
	}
	if (is_json && !json_object_get(r->headers, "Content-Type"))
		stg_json_put(r->headers, "Content-Type", "application/json");
	return true;
}

bool push_request_make(const struct push_target *t, const json_t *call, const json_t *rows, const json_t *records, struct push_words words, int64_t now_s,
		       struct push_request *ret, struct stg_error *err)
{
	const json_t *first = json_array_get(rows, 0);
	const char *id = stg_json_str(first, "record_id");
	int64_t most = stg_json_int(json_object_get(t->exchange, "batch"), "max_bytes", 1000000);
	char now[24], batch[STG_UUID_TEXT];
	batch_id(t, rows, batch);
	snprintf(now, sizeof(now), "%lld", (long long)now_s);
	struct filling f = { .t = t, .record_id = id, .idempotency_key = stg_json_str(first, "idempotency_key"), .batch = batch, .now = now,
			     .record = json_array_get(records, 0), .words = { words.page ? words.page : "", words.op_ref ? words.op_ref : "" } };
	*ret = (struct push_request){ .headers = json_object(), .body = STG_BUF(PUSH_BODY_MAX) };
	stg_copy(ret->method, sizeof(ret->method), stg_json_str(call, "method"));
	if (!make_url(&f, stg_json_str(call, "path"), ret, err) || !make_headers(&f, json_object_get(call, "headers"), ret, err) ||
	    !body_of(t, call, batch, records, ret, err))
		return false;
	if ((int64_t)ret->body.len > most)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_CONNECTOR_PROGRAM, 413, "a body of %zu bytes, connector %s allows %lld", ret->body.len, stg_json_str(t->connector, "name"), (long long)most);
	return push_auth_apply(t, stg_buf_view(&ret->body), id, now_s, ret, err);
}

void push_request_clear(struct push_request *r)
{
	stg_json_free_at(&r->headers);
	stg_secret_clear(&r->bearer);
	stg_buf_clear(&r->body);
}

/* What goes out as Authorization must not come back in the words of a refusal: it is hidden like the credentials. */
static void remember_to_hide(const struct push_target *t, const struct push_request *r)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(16u << 10);
	struct stg_bytes value = stg_secret_reveal(&r->bearer);
	if (!value.len || !stg_buf_add(&text, value.data, value.len, NULL))
		return;
	const char *blank = strchr(stg_buf_str(&text), ' ');
	stg_json_put(t->credentials.values, "authorization", blank ? blank + 1 : stg_buf_str(&text));
}

static bool send_once(const struct push_target *t, const struct push_request *r, bool is_read, struct stg_stop *stop, struct stg_net_answer *ret, struct stg_error *err)
{
	const json_t *answer = json_object_get(t->exchange, "answer");
	const char *type = stg_json_str(answer, "type"), *pin = stg_json_str(t->config, "pin");
	remember_to_hide(t, r);
	struct stg_net_ask ask = {
		.method = r->method, .url = r->url, .headers = r->headers, .body = stg_buf_view(&r->body),
		.secret_header = !stg_secret_is_set(&r->bearer) ? NULL : r->bearer_header ? r->bearer_header : "Authorization", .secret_value = &r->bearer,
		.client_pem = stg_bytes_str(stg_json_str(t->credentials.values, "client_pem")), .ca_pem = stg_bytes_str(stg_json_str(t->config, "ca_pem")),
		.pinned_keys = *pin ? pin : NULL, .allow_loopback_http = true, .timeout_ms = stg_json_int(t->connector, "timeout_ms", 60000),
		.answer_max = (size_t)stg_json_int(answer, "max_bytes", 1 << 20), .expect_type = strcmp(type, "any") == 0 ? NULL : type, .stop = stop,
		.repeat_harmless = is_read || (*stg_json_str(t->exchange, "natural_key") && !json_object_get(t->exchange, "lookup")),
	};
	if (!push_client_key(t, &ask.client_key, err))
		return false;
	bool was_asked = stg_net(&ask, ret, err);
	EVP_PKEY_free(ask.client_key);
	if (!was_asked)
		return false;
	/* A page is no answer of a machine, whatever the connector takes. */
	if (ret->class == STG_NET_OK && !ask.expect_type && strncasecmp(stg_json_str(ret->headers, "content-type"), "text/html", 9) == 0) {
		ret->class = STG_NET_TRUST;
		snprintf(ret->text, sizeof(ret->text), "HTTP %d with a page instead of an answer: probably not the server itself (captive portal?)", ret->status);
	}
	if (ret->class != STG_NET_TRUST && ret->class != STG_NET_CLOCK)
		(void)push_clock_seen(ret->headers);
	if (is_read && ret->class == STG_NET_IN_DOUBT)
		ret->class = ret->status ? STG_NET_SERVER : STG_NET_OFFLINE;
	return true;
}

bool push_request_send(const struct push_target *t, struct push_request *r, bool is_read, struct stg_stop *stop, struct stg_net_answer *ret, struct stg_error *err)
{
	const char *kind = push_auth_signs_in(t);
	const bool signs_in = kind != NULL;
	if (signs_in && strcmp(kind, "session-login") == 0)
		r->bearer_header = push_session_header(t);
	for (int n = 0;; n++) {
		if (signs_in) {
			stg_secret_clear(&r->bearer);
			if (!push_token_get(t, n > 0, stop, &r->bearer, ret, err))
				return false;
			if (!stg_secret_is_set(&r->bearer))
				return true;
			stg_net_answer_clear(ret);
		}
		if (!send_once(t, r, is_read, stop, ret, err))
			return false;
		/* a token may end before its time: once more with a new one, since a 401 has done nothing */
		if (!signs_in || n > 0 || ret->status != 401)
			return true;
		stg_net_answer_clear(ret);
	}
}

/* ---- what field maps see ---- */

/* One value for each record, null where the program has none: the list must stay in step with the rows. */
static json_t *items_of(const struct push_target *t, const json_t *records, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf program = STG_BUF(300u << 10);
	if (!stg_buf_printf(&program, err, "[.[] | [%s\n] | .[0]]", stg_json_str(t->exchange, "item")))
		return NULL;
	STG_AUTO(stg_json_free_at) json_t *out = push_jq(stg_buf_str(&program), records, err);
	if (!out) {
		stg_while(err, "item of connector %s", stg_json_str(t->connector, "name"));
		return NULL;
	}
	return json_incref(json_array_get(out, 0));
}

json_t *push_records_enrich(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_error *err)
{
	const bool has_item = *stg_json_str(t->exchange, "item");
	STG_AUTO(stg_json_free_at) json_t *all = json_array();
	STG_AUTO(stg_json_free_at) json_t *config = json_deep_copy(t->config);
	size_t i;
	json_t *record;
	json_object_del(config, "ca_pem");
	json_array_foreach((json_t *)(uintptr_t)records, i, record) {
		/* a connector without settings and items tells the record as it is */
		json_t *one = json_copy(record);
		if (has_item || json_object_size(json_object_get(t->connector, "settings"))) {
			stg_json_put_new(one, "target", json_incref(config));
			stg_json_put(one, "record_sha256", stg_json_str(json_array_get(rows, i), "payload_sha256"));
		}
		json_array_append_new(all, one);
	}
	STG_AUTO(stg_json_free_at) json_t *items = has_item ? items_of(t, all, err) : NULL;
	if (has_item && !items)
		return NULL;
	json_array_foreach(all, i, record)
		if (has_item)
			json_object_set(record, "item", json_array_get(items, i));
	return stg_steal(all);
}
